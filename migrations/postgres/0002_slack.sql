-- What chat needs: workspaces and people, mirrored channels, messages that came in, previews, and
-- what people were promised to be told.

-- Who wrote it, exactly: "slack:T012AB3CD:U2CERLKJA".
ALTER TABLE post ADD COLUMN account TEXT;
-- The message that it mirrors, "slack:TEAM:CHANNEL:TS", and which version of that message it shows.
ALTER TABLE post ADD COLUMN source TEXT;
ALTER TABLE post ADD COLUMN source_version TEXT;
CREATE UNIQUE INDEX post_by_source ON post (source) WHERE source IS NOT NULL;

-- The request that asked for the change: one that comes again finds it here.
ALTER TABLE audit ADD COLUMN request TEXT;
CREATE UNIQUE INDEX audit_by_request ON audit (request) WHERE request IS NOT NULL;

-- Messages that were deleted before anybody had heard of them.
CREATE TABLE unmirrored (source TEXT PRIMARY KEY, at BIGINT NOT NULL);
CREATE INDEX unmirrored_by_time ON unmirrored (at);

CREATE TABLE workspace (
    id           TEXT   PRIMARY KEY,
    name         TEXT   NOT NULL,
    bot_user     TEXT   NOT NULL,
    -- Sealed; NULL when it comes from the environment, or when the app was removed.
    token        TEXT,
    installed_at BIGINT NOT NULL,
    removed_at   BIGINT
);

-- People as the chat platform shows them.
CREATE TABLE person (
    workspace  TEXT   NOT NULL,
    id         TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    picture    TEXT,
    admin      BOOLEAN NOT NULL,
    fetched_at BIGINT NOT NULL,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX person_by_age ON person (fetched_at);

-- Links to drafts. Only a hash of the secret part is kept.
CREATE TABLE preview (
    token_hash TEXT   PRIMARY KEY,
    post       TEXT   NOT NULL REFERENCES post (id),
    digest     TEXT   NOT NULL REFERENCES revision (digest),
    until      BIGINT NOT NULL
);
CREATE INDEX preview_by_end ON preview (until);

-- Events that came in, each once.
CREATE TABLE inbox (
    id        TEXT   PRIMARY KEY,
    workspace TEXT   NOT NULL,
    body      TEXT   NOT NULL,
    at        BIGINT NOT NULL,
    done_at   BIGINT
);
CREATE INDEX inbox_waiting ON inbox (at) WHERE done_at IS NULL;
CREATE INDEX inbox_done ON inbox (done_at) WHERE done_at IS NOT NULL;

-- Channels whose messages become posts.
CREATE TABLE channel (
    workspace   TEXT   NOT NULL,
    id          TEXT   NOT NULL,
    site        TEXT   NOT NULL REFERENCES site (id),
    state       TEXT   NOT NULL CHECK (state IN ('queued', 'active', 'removed')),
    origin      TEXT   NOT NULL CHECK (origin IN ('file', 'chat')),
    -- The newest message that was read.
    cursor      TEXT,
    followed_by TEXT   NOT NULL,
    at          BIGINT NOT NULL,
    next_at     BIGINT NOT NULL,
    PRIMARY KEY (workspace, id)
);

-- What somebody was promised to be told: one message, which changes with `state`.
CREATE TABLE telling (
    id              TEXT   PRIMARY KEY,
    -- NULL: of many sites.
    site            TEXT   REFERENCES site (id),
    workspace       TEXT   NOT NULL,
    conversation    TEXT   NOT NULL,
    asked_at        BIGINT NOT NULL,
    action          TEXT   NOT NULL,
    subject         TEXT,
    -- The version of the site's posts that has what was asked for; NULL: it is no matter of posts.
    posts_version   BIGINT,
    build           TEXT,
    state           TEXT   NOT NULL,
    state_at        BIGINT NOT NULL,
    detail          TEXT,
    -- Sealed.
    response_url    TEXT,
    url_until       BIGINT,
    url_uses        BIGINT NOT NULL DEFAULT 0,
    message_channel TEXT,
    message_ts      TEXT,
    -- The state that was told last.
    said            TEXT,
    lease_until     BIGINT,
    fence           BIGINT NOT NULL DEFAULT 0,
    failures        BIGINT NOT NULL DEFAULT 0,
    next_at         BIGINT NOT NULL,
    closed_at       BIGINT
);
CREATE INDEX telling_in_order ON telling (workspace, conversation, asked_at, id)
    WHERE closed_at IS NULL;
CREATE INDEX telling_by_site ON telling (site) WHERE closed_at IS NULL;
CREATE INDEX telling_by_build ON telling (build) WHERE build IS NOT NULL;
CREATE INDEX telling_closed ON telling (closed_at) WHERE closed_at IS NOT NULL;
