-- Desired and observed state, content by hash, builds. Times are milliseconds since the epoch; ids
-- and hashes are text made by the program. `seq` is the id of the transaction that wrote the row: a
-- reader that remembers the oldest one still running when it last read misses nothing, in whatever
-- order they commit.

-- Published versions of the file half of the desired state.
CREATE TABLE generation (
    number       BIGINT PRIMARY KEY,
    digest       TEXT    NOT NULL,
    revision     TEXT,
    settings     TEXT    NOT NULL,
    published_at BIGINT NOT NULL,
    published_by TEXT    NOT NULL
);
CREATE INDEX generation_by_digest ON generation (digest);

-- What is wanted of a site. A row is never removed: a site that is declared again finds its posts.
CREATE TABLE site (
    id                   TEXT    PRIMARY KEY,
    name                 TEXT    NOT NULL UNIQUE,
    seq                  BIGINT NOT NULL,
    origin               TEXT    NOT NULL CHECK (origin IN ('file', 'chat')),
    -- declared: wanted; removed: to be forgotten; forgotten: no more than its posts and builds.
    presence             TEXT    NOT NULL CHECK (presence IN ('declared', 'removed', 'forgotten')),
    line                 BIGINT,
    spec                 TEXT    NOT NULL,
    files_digest         TEXT,
    files_problem        TEXT,
    revision             TEXT,
    -- Counts changes of published posts; the digest is of the posts at that version.
    posts_version        BIGINT NOT NULL DEFAULT 0,
    posts_digest         TEXT,
    posts_digest_version BIGINT NOT NULL DEFAULT 0,
    hold                 TEXT,
    rebuild              TEXT,
    approved             TEXT,
    created_by           TEXT    NOT NULL,
    created_at           BIGINT NOT NULL
);
CREATE INDEX site_by_seq ON site (seq);

-- What is known of a site.
CREATE TABLE observed (
    site           TEXT    PRIMARY KEY REFERENCES site (id),
    seq            BIGINT NOT NULL,
    fence          BIGINT NOT NULL DEFAULT 0,
    built_hash     TEXT,
    built_spec     TEXT,
    built_posts    TEXT,
    built_files    TEXT,
    built_revision TEXT,
    built_at       BIGINT,
    uncertain      BOOLEAN NOT NULL DEFAULT FALSE,
    wanted_hash    TEXT,
    wanted_since   BIGINT,
    drift_since    BIGINT,
    failures       BIGINT NOT NULL DEFAULT 0,
    failed_at      BIGINT,
    failed_error   TEXT,
    failed_after   BIGINT,
    stalled        BOOLEAN NOT NULL DEFAULT FALSE,
    broken_hash    TEXT,
    broken_at      BIGINT,
    broken_error   TEXT
);
CREATE INDEX observed_by_seq ON observed (seq);

-- One firing of a site's builder, followed to its end.
CREATE TABLE build (
    id           TEXT    PRIMARY KEY,
    site         TEXT    NOT NULL REFERENCES site (id),
    content_hash TEXT    NOT NULL,
    fence        BIGINT NOT NULL,
    builder      TEXT    NOT NULL,
    hosted       BOOLEAN NOT NULL,
    reason       TEXT    NOT NULL,
    request      TEXT,
    state        TEXT    NOT NULL,
    holder       TEXT    NOT NULL,
    claimed_at   BIGINT NOT NULL,
    lease_until  BIGINT NOT NULL,
    deadline     BIGINT NOT NULL,
    ended_at     BIGINT,
    detail       TEXT
);
-- The rule itself: per site at most one build that is not over.
CREATE UNIQUE INDEX build_in_flight ON build (site) WHERE ended_at IS NULL;
CREATE INDEX build_by_site ON build (site, claimed_at);
CREATE INDEX build_hosted ON build (claimed_at) WHERE hosted;

-- Hosted builds fired in a calendar month (UTC), by its first moment.
CREATE TABLE spend (month BIGINT PRIMARY KEY, deploys BIGINT NOT NULL);

-- The digests of the four parts, by content hash; the canonical text of a part, by digest.
CREATE TABLE manifest (
    hash     TEXT PRIMARY KEY,
    spec     TEXT NOT NULL,
    posts    TEXT NOT NULL,
    files    TEXT NOT NULL,
    revision TEXT NOT NULL
);
CREATE TABLE part (
    digest       TEXT PRIMARY KEY,
    input        TEXT NOT NULL,
    content      TEXT NOT NULL,
    -- When a clean-up found that nobody needs it; removed by a later one that finds the same.
    unused_since BIGINT
);
-- The posts of its members that an aggregate's posts part shows: needed as long as that part is.
CREATE TABLE part_member (
    part   TEXT NOT NULL,
    member TEXT NOT NULL,
    PRIMARY KEY (part, member)
);

CREATE TABLE post (
    id         TEXT    PRIMARY KEY,
    site       TEXT    NOT NULL REFERENCES site (id),
    slug       TEXT    NOT NULL,
    state      TEXT    NOT NULL,
    publish_at BIGINT,
    digest     TEXT    NOT NULL,
    title      TEXT    NOT NULL,
    written_by TEXT    NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (site, slug)
);
CREATE INDEX post_published ON post (site, slug, digest, title) WHERE state = 'published';
CREATE INDEX post_by_site ON post (site, updated_at, id);
CREATE INDEX post_scheduled ON post (publish_at) WHERE state = 'scheduled';

-- A version of a post's content. Never changes.
CREATE TABLE revision (
    digest       TEXT PRIMARY KEY,
    title        TEXT NOT NULL,
    body         TEXT NOT NULL,
    category     TEXT,
    author       TEXT,
    published_at BIGINT
);
CREATE TABLE post_revision (
    post   TEXT    NOT NULL REFERENCES post (id),
    number BIGINT NOT NULL,
    digest TEXT    NOT NULL REFERENCES revision (digest),
    at     BIGINT NOT NULL,
    changed_by TEXT NOT NULL,
    PRIMARY KEY (post, number)
);

-- What people and machines are to be told.
CREATE TABLE outbox (
    id      TEXT    PRIMARY KEY,
    at      BIGINT NOT NULL,
    site    TEXT    NOT NULL,
    build   TEXT    NOT NULL,
    state   TEXT    NOT NULL,
    reason  TEXT    NOT NULL,
    detail  TEXT,
    sent_at BIGINT
);
CREATE INDEX outbox_waiting ON outbox (at) WHERE sent_at IS NULL;

-- Who changed what, when, from where.
CREATE TABLE audit (
    id     TEXT    PRIMARY KEY,
    at     BIGINT NOT NULL,
    who    TEXT    NOT NULL,
    door   TEXT    NOT NULL,
    action TEXT    NOT NULL,
    site   TEXT,
    detail TEXT
);
CREATE INDEX audit_by_time ON audit (at);
