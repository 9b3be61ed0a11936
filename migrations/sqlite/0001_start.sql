-- Desired and observed state, content by hash, builds. Times are milliseconds since the epoch; ids
-- and hashes are text made by the program. `seq` orders changes: see `clock`.

-- The number of the newest change. Every transaction that touches a row with a `seq` takes the next.
CREATE TABLE clock (id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL) STRICT;
INSERT INTO clock (id, seq) VALUES (1, 1);

-- Published versions of the file half of the desired state.
CREATE TABLE generation (
    number       INTEGER PRIMARY KEY,
    digest       TEXT    NOT NULL,
    revision     TEXT,
    settings     TEXT    NOT NULL,
    published_at INTEGER NOT NULL,
    published_by TEXT    NOT NULL
) STRICT;
CREATE INDEX generation_by_digest ON generation (digest);

-- What is wanted of a site. A row is never removed: a site that is declared again finds its posts.
CREATE TABLE site (
    id                   TEXT    PRIMARY KEY,
    name                 TEXT    NOT NULL UNIQUE,
    seq                  INTEGER NOT NULL,
    origin               TEXT    NOT NULL CHECK (origin IN ('file', 'chat')),
    -- declared: wanted; removed: to be forgotten; forgotten: no more than its posts and builds.
    presence             TEXT    NOT NULL CHECK (presence IN ('declared', 'removed', 'forgotten')),
    line                 INTEGER,
    spec                 TEXT    NOT NULL,
    files_digest         TEXT,
    files_problem        TEXT,
    revision             TEXT,
    -- Counts changes of published posts; the digest is of the posts at that version.
    posts_version        INTEGER NOT NULL DEFAULT 0,
    posts_digest         TEXT,
    posts_digest_version INTEGER NOT NULL DEFAULT 0,
    hold                 TEXT,
    rebuild              TEXT,
    approved             TEXT,
    created_by           TEXT    NOT NULL,
    created_at           INTEGER NOT NULL
) STRICT;
CREATE INDEX site_by_seq ON site (seq);

-- What is known of a site.
CREATE TABLE observed (
    site           TEXT    PRIMARY KEY REFERENCES site (id),
    seq            INTEGER NOT NULL,
    fence          INTEGER NOT NULL DEFAULT 0,
    built_hash     TEXT,
    built_spec     TEXT,
    built_posts    TEXT,
    built_files    TEXT,
    built_revision TEXT,
    built_at       INTEGER,
    uncertain      INTEGER NOT NULL DEFAULT 0,
    wanted_hash    TEXT,
    wanted_since   INTEGER,
    drift_since    INTEGER,
    failures       INTEGER NOT NULL DEFAULT 0,
    failed_at      INTEGER,
    failed_error   TEXT,
    failed_after   INTEGER,
    stalled        INTEGER NOT NULL DEFAULT 0,
    broken_hash    TEXT,
    broken_at      INTEGER,
    broken_error   TEXT
) STRICT;
CREATE INDEX observed_by_seq ON observed (seq);

-- One firing of a site's builder, followed to its end.
CREATE TABLE build (
    id           TEXT    PRIMARY KEY,
    site         TEXT    NOT NULL REFERENCES site (id),
    content_hash TEXT    NOT NULL,
    fence        INTEGER NOT NULL,
    builder      TEXT    NOT NULL,
    hosted       INTEGER NOT NULL,
    reason       TEXT    NOT NULL,
    request      TEXT,
    state        TEXT    NOT NULL,
    holder       TEXT    NOT NULL,
    claimed_at   INTEGER NOT NULL,
    lease_until  INTEGER NOT NULL,
    deadline     INTEGER NOT NULL,
    ended_at     INTEGER,
    detail       TEXT
) STRICT;
-- The rule itself: per site at most one build that is not over.
CREATE UNIQUE INDEX build_in_flight ON build (site) WHERE ended_at IS NULL;
CREATE INDEX build_by_site ON build (site, claimed_at);
CREATE INDEX build_hosted ON build (claimed_at) WHERE hosted;

-- Hosted builds fired in a calendar month (UTC), by its first moment.
CREATE TABLE spend (month INTEGER PRIMARY KEY, deploys INTEGER NOT NULL) STRICT;

-- The digests of the four parts, by content hash; the canonical text of a part, by digest.
CREATE TABLE manifest (
    hash     TEXT PRIMARY KEY,
    spec     TEXT NOT NULL,
    posts    TEXT NOT NULL,
    files    TEXT NOT NULL,
    revision TEXT NOT NULL
) STRICT;
CREATE TABLE part (
    digest       TEXT PRIMARY KEY,
    input        TEXT NOT NULL,
    content      TEXT NOT NULL,
    -- When a clean-up found that nobody needs it; removed by a later one that finds the same.
    unused_since INTEGER
) STRICT;
-- The posts of its members that an aggregate's posts part shows: needed as long as that part is.
CREATE TABLE part_member (
    part   TEXT NOT NULL,
    member TEXT NOT NULL,
    PRIMARY KEY (part, member)
) STRICT;

CREATE TABLE post (
    id         TEXT    PRIMARY KEY,
    site       TEXT    NOT NULL REFERENCES site (id),
    slug       TEXT    NOT NULL,
    state      TEXT    NOT NULL,
    publish_at INTEGER,
    digest     TEXT    NOT NULL,
    title      TEXT    NOT NULL,
    written_by TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (site, slug)
) STRICT;
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
    published_at INTEGER
) STRICT;
CREATE TABLE post_revision (
    post   TEXT    NOT NULL REFERENCES post (id),
    number INTEGER NOT NULL,
    digest TEXT    NOT NULL REFERENCES revision (digest),
    at     INTEGER NOT NULL,
    changed_by TEXT NOT NULL,
    PRIMARY KEY (post, number)
) STRICT;

-- What people and machines are to be told.
CREATE TABLE outbox (
    id      TEXT    PRIMARY KEY,
    at      INTEGER NOT NULL,
    site    TEXT    NOT NULL,
    build   TEXT    NOT NULL,
    state   TEXT    NOT NULL,
    reason  TEXT    NOT NULL,
    detail  TEXT,
    sent_at INTEGER
) STRICT;
CREATE INDEX outbox_waiting ON outbox (at) WHERE sent_at IS NULL;

-- Who changed what, when, from where.
CREATE TABLE audit (
    id     TEXT    PRIMARY KEY,
    at     INTEGER NOT NULL,
    who    TEXT    NOT NULL,
    door   TEXT    NOT NULL,
    action TEXT    NOT NULL,
    site   TEXT,
    detail TEXT
) STRICT;
CREATE INDEX audit_by_time ON audit (at);
