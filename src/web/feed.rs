use std::cmp::Reverse;
use std::path::PathBuf;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::Web;
use crate::builders::render::{self, Content, Member, NEWEST, PostEntry, RenderError};
use crate::feeds::{ATOM_FEED, JSON_FEED, atom_feed, json_feed};
use crate::model::{BuilderSpec, Digest, SiteName, Spec};
use crate::store::{Presence, PublishedPost, StoreError};

/// The texts of all posts of a feed together, in bytes: there is always one, and no more than a
/// reader would want to fetch at once.
const TEXTS: usize = 1 << 20;

/// A feed that the renderer wrote is read whole, so it has a limit; those it writes are far below.
const BUILT: u64 = 32 << 20;

/// A reader that looks again within a minute has seen the newest.
const FRESH: &str = "public, max-age=60";

#[derive(Clone, Copy)]
enum Format {
    Json,
    Atom,
}

impl Format {
    fn file(self) -> &'static str {
        match self {
            Self::Json => "feed.json",
            Self::Atom => "feed.atom",
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Json => JSON_FEED,
            Self::Atom => ATOM_FEED,
        }
    }
}

/// Why there is no feed.
enum Failure {
    NoSite,
    Store(StoreError),
    Render(RenderError),
    /// The renderer panicked.
    Lost,
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, message) = match self {
            Self::NoSite => (StatusCode::NOT_FOUND, "there is no such site\n"),
            Self::Store(error) => {
                tracing::warn!(error = %crate::chain(&error), "no feed");
                let message = "the database is away; try again in a moment\n";
                (StatusCode::SERVICE_UNAVAILABLE, message)
            }
            Self::Render(error) => {
                tracing::warn!(error = %crate::chain(&error), "no feed");
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "the feed cannot be made\n",
                )
            }
            Self::Lost => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "the feed cannot be made\n",
            ),
        };
        (status, message).into_response()
    }
}

/// The newest published posts of a site as JSON Feed 1.1.
pub(super) async fn json(
    State(web): State<Web>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    answer(&web, &name, Format::Json, &headers).await
}

/// The same as Atom.
pub(super) async fn atom(
    State(web): State<Web>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    answer(&web, &name, Format::Atom, &headers).await
}

async fn answer(web: &Web, name: &str, format: Format, headers: &HeaderMap) -> Response {
    match feed(web, name, format, headers).await {
        Ok(response) => response,
        Err(failure) => failure.into_response(),
    }
}

async fn feed(
    web: &Web,
    name: &str,
    format: Format,
    headers: &HeaderMap,
) -> Result<Response, Failure> {
    let name: SiteName = name.parse().map_err(|_| Failure::NoSite)?;
    let site = web.reader.site(&name).await?;
    let site = site
        .filter(|site| site.presence == Presence::Declared)
        .ok_or(Failure::NoSite)?;
    let spec: Spec =
        serde_json::from_str(&site.spec).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    if let Some(path) = built(web, &spec, format)
        && let Some(bytes) = read(path).await
    {
        let tag = tag_of(&Digest::of_bytes(&bytes));
        return Ok(match is_known(headers, &tag) {
            true => unchanged(&tag),
            false => changed(format, &tag, bytes),
        });
    }
    let limit = u32::try_from(NEWEST).unwrap_or(u32::MAX);
    let posts = web.reader.newest_posts(&name, &spec, limit).await?;
    let posts = bounded(posts);
    let address = match &web.address {
        Some(address) => format!("{address}/sites/{name}/{}", format.file()),
        None => format!("{}/{}", spec.url.trim_end_matches('/'), format.file()),
    };
    let tag = tag(&spec, &posts, &address);
    if is_known(headers, &tag) {
        return Ok(unchanged(&tag));
    }
    let content = content(web, name, spec, posts).await?;
    // Markdown takes milliseconds, which other requests should not wait for.
    let made = tokio::task::spawn_blocking(move || {
        let feed = render::feed(&content)?;
        Ok(match format {
            Format::Json => json_feed(&feed, &address),
            Format::Atom => atom_feed(&feed, &address),
        })
    });
    let text = made.await.map_err(|_panicked| Failure::Lost)?;
    let text = text.map_err(Failure::Render)?;
    Ok(changed(format, &tag, text.into_bytes()))
}

/// Where the renderer wrote the feed, if only it knows all of it: posts may be files as well.
fn built(web: &Web, spec: &Spec, format: Format) -> Option<PathBuf> {
    match &spec.build {
        BuilderSpec::Render { out } if !spec.files.is_empty() => {
            Some(web.root.join(out).join(format.file()))
        }
        BuilderSpec::Render { .. } | BuilderSpec::Netlify { .. } => None,
    }
}

/// `None` also before the first build.
async fn read(path: PathBuf) -> Option<Vec<u8>> {
    let metadata = tokio::fs::metadata(&path).await.ok()?;
    let small = metadata.is_file() && metadata.len() <= BUILT;
    if !small {
        return None;
    }
    tokio::fs::read(&path).await.ok()
}

/// The newest first, and no more than there is room for.
fn bounded(mut posts: Vec<PublishedPost>) -> Vec<PublishedPost> {
    posts.sort_by(|a, b| {
        let key = |post: &PublishedPost| Reverse(post.published_at);
        key(a)
            .cmp(&key(b))
            .then_with(|| (&a.site, &a.slug).cmp(&(&b.site, &b.slug)))
    });
    let mut room = TEXTS;
    let fitting = posts.iter().take_while(|post| {
        let fits = room.checked_sub(post.bytes);
        room = fits.unwrap_or(0);
        fits.is_some()
    });
    let count = fitting.count().max(1);
    posts.truncate(count);
    posts
}

/// The posts with their texts, each with the site that it is of.
async fn content(
    web: &Web,
    name: SiteName,
    spec: Spec,
    posts: Vec<PublishedPost>,
) -> Result<Content, Failure> {
    let digests: Vec<Digest> = posts.iter().map(|post| post.digest).collect();
    let revisions = web.reader.revisions(&digests).await?;
    let mut members: Vec<(SiteName, Member)> = Vec::new();
    let mut entries = Vec::new();
    for post in posts {
        // A revision is never removed.
        let Some(revision) = revisions.get(&post.digest).cloned() else {
            continue;
        };
        let known = members.iter().position(|(site, _)| *site == post.site);
        let member = match known {
            _ if post.site == name => None,
            Some(at) => Some(at),
            None => {
                let member = Member {
                    title: post.spec.title,
                    url: post.spec.url,
                };
                members.push((post.site, member));
                Some(members.len() - 1)
            }
        };
        entries.push(PostEntry {
            slug: post.slug,
            revision,
            member,
        });
    }
    let members = members.into_iter().map(|(_, member)| member).collect();
    Ok(Content::of_posts(spec.title, spec.url, entries, members))
}

/// The same for the same feed, and found without making it.
fn tag(spec: &Spec, posts: &[PublishedPost], address: &str) -> String {
    let mut fields = vec![
        // What is made of the same posts changes with the program.
        env!("CARGO_PKG_VERSION").as_bytes(),
        address.as_bytes(),
        spec.title.as_bytes(),
        spec.url.as_bytes(),
    ];
    for post in posts {
        fields.extend([
            post.spec.url.as_bytes(),
            post.slug.as_str().as_bytes(),
            post.digest.as_bytes(),
        ]);
    }
    tag_of(&Digest::of_fields("feed", fields))
}

fn tag_of(digest: &Digest) -> String {
    format!("\"{}\"", digest.short(32))
}

/// Whether the reader has this feed already.
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|known| known.trim().trim_start_matches("W/"))
        .any(|known| known == "*" || known == tag)
}

fn unchanged(tag: &str) -> Response {
    let headers = [(header::ETAG, tag), (header::CACHE_CONTROL, FRESH)];
    (StatusCode::NOT_MODIFIED, headers).into_response()
}

fn changed(format: Format, tag: &str, body: Vec<u8>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, format.media_type()),
        (header::ETAG, tag),
        (header::CACHE_CONTROL, FRESH),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Pages of other origins may show what everybody may read.
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    (headers, body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_may_know_several_feeds() {
        for (values, known) in [
            (&["\"a\""][..], true),
            (&["\"b\", W/\"a\""], true),
            (&["\"b\"", "\"a\""], true),
            (&["*"], true),
            (&["a"], false),
            (&["\"b\""], false),
            (&[], false),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::IF_NONE_MATCH, value.parse().unwrap());
            }
            assert_eq!(is_known(&headers, "\"a\""), known, "{values:?}");
        }
    }
}
