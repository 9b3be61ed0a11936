# syntax=docker/dockerfile:1

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
# The caches keep downloaded and built dependencies from one image to the next.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked && cp target/release/microblot /usr/local/bin/

# Not distroless: the health check needs something that can ask over HTTP, and bash can.
FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin microblot \
    && install -d -o microblot -g microblot /data
COPY --from=build /usr/local/bin/microblot /usr/local/bin/
USER microblot
# sites.toml is here, and beside it the embedded database where DATABASE_URL names no other.
WORKDIR /data
VOLUME /data
ENV MICROBLOT_LISTEN=0.0.0.0:8080
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["bash", "-c", "\
    exec 3<>/dev/tcp/127.0.0.1/${MICROBLOT_LISTEN##*:} \
    && printf 'GET /healthz HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3 \
    && read -r _ status _ <&3 && [[ $status == 200 ]]"]
ENTRYPOINT ["microblot"]
CMD ["serve"]
