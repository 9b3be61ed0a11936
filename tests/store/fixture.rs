//! Databases to test on, and the shortest way to sites, content and claims.

use std::time::Duration;

use microblot::config::Settings;
use microblot::model::{
    Actor, BuilderKind, BuilderSpec, Digest, Fingerprint, HolderId, Input, Limits, Manifest,
    Outcome, Part, PostDraft, PostsFrom, Publish, SecretRef, SiteName, SlackSite, Spec, Timing,
};
use microblot::store::{
    Address, Claim, ClaimRequest, Delta, PartRow, Publication, Recorded, SiteChange, SiteRow,
    Store, StoreError,
};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};
use tempfile::TempDir;

use crate::support::postgres;

pub const LEASE: Duration = Duration::from_secs(15);

/// Limits that nothing here reaches.
pub const ROOMY: Limits = Limits {
    builds_per_minute: 1_000_000,
    builds_in_flight: 1_000_000,
    builds_at_once: microblot::model::Share(100),
    removals_at_once: microblot::model::Share(100),
};

/// An empty database, gone at the end.
pub struct Db {
    pub address: Address,
    _kept: Kept,
}

enum Kept {
    Folder(#[expect(dead_code, reason = "removed when dropped")] TempDir),
    Database(#[expect(dead_code, reason = "removed when dropped")] postgres::Database),
}

impl Db {
    pub fn sqlite() -> Self {
        let folder = TempDir::with_prefix("mb-store-").unwrap();
        Self {
            address: Address::Sqlite(folder.path().join("microblot.db")),
            _kept: Kept::Folder(folder),
        }
    }

    pub fn postgres() -> Self {
        let database = postgres::database();
        Self {
            address: Address::parse(database.url()).unwrap(),
            _kept: Kept::Database(database),
        }
    }

    pub async fn open(&self) -> Store {
        Store::open(&self.address).await.unwrap()
    }

    /// A connection past the store.
    pub async fn raw(&self) -> Raw {
        match &self.address {
            Address::Sqlite(path) => {
                let url = format!("sqlite:{}?mode=rwc", path.display());
                Raw::Sqlite(SqliteConnection::connect(&url).await.unwrap())
            }
            Address::Postgres(url) => Raw::Postgres(PgConnection::connect(url).await.unwrap()),
        }
    }
}

/// A connection past the store: what it would never do can be done here.
pub enum Raw {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Raw {
    pub async fn try_run(&mut self, sql: &str) -> Result<u64, sqlx::Error> {
        let sql = AssertSqlSafe(sql.to_owned());
        Ok(match self {
            Self::Sqlite(conn) => sqlx::raw_sql(sql).execute(conn).await?.rows_affected(),
            Self::Postgres(conn) => sqlx::raw_sql(sql).execute(conn).await?.rows_affected(),
        })
    }

    pub async fn run(&mut self, sql: &str) -> u64 {
        self.try_run(sql).await.unwrap()
    }

    /// The only number that `sql` selects.
    pub async fn int(&mut self, sql: &str) -> i64 {
        let sql = AssertSqlSafe(format!("SELECT CAST(({sql}) AS BIGINT)"));
        match self {
            Self::Sqlite(conn) => sqlx::query_scalar(sql).fetch_one(conn).await.unwrap(),
            Self::Postgres(conn) => sqlx::query_scalar(sql).fetch_one(conn).await.unwrap(),
        }
    }

    /// The texts that `sql` selects, in its order.
    pub async fn texts(&mut self, sql: &str) -> Vec<String> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(conn) => sqlx::query_scalar(sql).fetch_all(conn).await.unwrap(),
            Self::Postgres(conn) => sqlx::query_scalar(sql).fetch_all(conn).await.unwrap(),
        }
    }
}

pub fn ann() -> Actor {
    Actor::chat("ann", "slack:T0TEAM:U0ANN")
}

pub fn name(text: &str) -> SiteName {
    text.parse().unwrap()
}

/// `prefix-0000`, `prefix-0001` …
pub fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|i| format!("{prefix}-{i:04}")).collect()
}

pub fn holder(text: &str) -> HolderId {
    HolderId::new(text)
}

pub fn spec(title: &str) -> Spec {
    Spec {
        title: title.to_owned(),
        url: format!("https://{title}.example.org"),
        posts: PostsFrom::Own,
        files: Vec::new(),
        revision: false,
        timing: Timing::default(),
        build: BuilderSpec::Netlify {
            hook: SecretRef::Env("HOOK".to_owned()),
            site_id: None,
            branch: None,
            clear_cache: false,
        },
        slack: None,
        renamed_from: None,
    }
}

/// A spec of a site in a workspace.
pub fn spec_in(site: &str, workspace: &str) -> Spec {
    Spec {
        slack: Some(SlackSite {
            workspace: workspace.to_owned(),
            channels: Vec::new(),
        }),
        ..spec(site)
    }
}

pub fn change(site: &str) -> SiteChange {
    SiteChange {
        name: name(site),
        line: 7,
        spec: serde_json::to_string(&spec(site)).unwrap(),
        files_digest: None,
        files_problem: None,
        revision: None,
        forgive: false,
    }
}

/// A publication that changes nothing, made against the newest generation.
pub async fn publication(store: &Store) -> Publication {
    let delta = store.estate_since(0).await.unwrap();
    let base = delta.generation.map(|generation| generation.number);
    Publication {
        base,
        digest: Digest::of_bytes(format!("{base:?}").as_bytes()),
        revision: None,
        settings: Settings::default(),
        renamed: Vec::new(),
        changed: Vec::new(),
        removed: Vec::new(),
        summary: "a test".to_owned(),
    }
}

pub async fn declare(store: &Store, sites: &[impl AsRef<str>]) -> Vec<SiteRow> {
    let mut publication = publication(store).await;
    publication.changed = sites.iter().map(|site| change(site.as_ref())).collect();
    store.publish(&publication, &[], &ann()).await.unwrap();
    let mut rows = Vec::new();
    for site in sites {
        rows.push(row(store, site.as_ref()).await);
    }
    rows
}

/// A database with one declared site, `foo`.
pub async fn with_foo(db: &Db) -> (Store, SiteRow) {
    let store = db.open().await;
    let foo = declare(&store, &["foo"]).await.remove(0);
    (store, foo)
}

/// Removes a site from the file, and forgets it.
pub async fn forget(store: &Store, site: &SiteRow) {
    let mut publication = publication(store).await;
    publication.removed = vec![site.id.clone()];
    store.publish(&publication, &[], &ann()).await.unwrap();
    let gone = (site.id.clone(), site.name.clone());
    store.forget(&[gone]).await.unwrap();
}

pub async fn row(store: &Store, site: &str) -> SiteRow {
    store.site(&name(site)).await.unwrap().unwrap()
}

/// Content that differs from that of every other number.
pub fn content(number: usize) -> Manifest {
    Manifest {
        spec: Part::from_items([("title", number.to_string())]),
        ..Manifest::default()
    }
}

pub fn fingerprint(number: usize) -> Fingerprint {
    content(number).fingerprint()
}

pub fn parts(manifest: &Manifest) -> Vec<PartRow> {
    Input::ALL
        .into_iter()
        .map(|input| PartRow::new(input, manifest.part(input)))
        .collect()
}

/// What the loop asks for when this content of a site, as it was seen, is due.
pub fn request(site: &SiteRow, manifest: &Manifest) -> ClaimRequest {
    ClaimRequest {
        site: site.id.clone(),
        name: site.name.clone(),
        fence: site.observed.fence,
        fingerprint: manifest.fingerprint(),
        parts: parts(manifest),
        builder: BuilderKind::Netlify,
        reason: "posts changed".to_owned(),
        request: None,
        replaces: None,
        timeout: Duration::from_secs(1800),
    }
}

pub async fn try_claim(store: &Store, requests: &[ClaimRequest]) -> Vec<Claim> {
    claim_as("me", store, requests).await.unwrap()
}

pub async fn claim_as(
    who: &str,
    store: &Store,
    requests: &[ClaimRequest],
) -> Result<Vec<Claim>, StoreError> {
    store
        .claim(requests, &holder(who), LEASE, &ROOMY, None)
        .await
}

/// Claims a site as it is now with this content.
pub async fn claim(store: &Store, site: &str, number: usize) -> Claim {
    let row = row(store, site).await;
    let mut claims = try_claim(store, &[request(&row, &content(number))]).await;
    assert_eq!(claims.len(), 1, "{site} can be claimed");
    claims.remove(0)
}

pub async fn record(store: &Store, claim: &Claim, outcome: Outcome) -> Recorded {
    store
        .record(&[(claim.clone(), outcome)])
        .await
        .unwrap()
        .remove(0)
}

/// Claims and records.
pub async fn build(store: &Store, site: &str, number: usize, outcome: Outcome) -> Claim {
    let claim = claim(store, site, number).await;
    assert_eq!(record(store, &claim, outcome).await, Recorded::Taken);
    claim
}

pub async fn everything(store: &Store) -> Delta {
    store.estate_since(0).await.unwrap()
}

pub fn draft(title: &str, publish: Publish) -> PostDraft {
    PostDraft {
        title: title.to_owned(),
        body: format!("About {title}."),
        category: None,
        author: None,
        publish,
    }
}

/// Bad luck that is the same in every run.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `below`.
    pub fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % below
    }
}

/// The message of an error and of all its sources.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
