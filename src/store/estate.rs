use std::str::FromStr;

use sqlx::FromRow;

use super::Reader;
use super::db::{Pool, Tx, pool, tx};
use super::error::StoreError;
use crate::config::Settings;
use crate::model::{
    Account, Broken, BuildId, BuildState, Built, ContentHash, Digest, Fingerprint, Flight, Hold,
    HolderId, Millis, Origin, Rebuild, SiteName, Source, Trouble, Wanted,
};

/// What changed since a reader last looked, as one state of the whole database.
#[derive(Debug)]
pub struct Delta {
    /// Sites that were written since then (and perhaps a few that were not).
    pub sites: Vec<SiteRow>,
    /// All builds that are not over.
    pub flights: Vec<FlightRow>,
    /// Over hosted builds.
    pub account: Account,
    /// The newest generation, if there is one.
    pub generation: Option<Generation>,
    /// When the next scheduled post is to be published.
    pub next_post_at: Option<Millis>,
    /// Where to go on reading.
    pub cursor: i64,
    /// The time of this state.
    pub now: Millis,
}

/// A published version of the file half of the desired state.
#[derive(Clone, PartialEq, Debug)]
pub struct Generation {
    /// Counted from 1.
    pub number: i64,
    /// Over everything that it publishes.
    pub digest: Digest,
    /// The code revision of whoever published it.
    pub revision: Option<String>,
    /// What `sites.toml` says besides sites.
    pub settings: Settings,
    /// When.
    pub published_at: Millis,
}

/// One site as it is stored.
#[derive(Clone, Debug)]
pub struct SiteRow {
    /// Its id, which a rename keeps.
    pub id: String,
    /// Its name.
    pub name: SiteName,
    /// Who declares it.
    pub origin: Origin,
    /// Whether it is wanted.
    pub presence: Presence,
    /// The line of `sites.toml` that declares it.
    pub source: Option<Source>,
    /// Its spec as JSON; parsed when it is needed.
    pub spec: String,
    /// The digest of its files, or why they could not be read.
    pub files: Option<Result<Digest, String>>,
    /// The code revision that it was published with.
    pub revision: Option<String>,
    /// Counts the changes of its published posts.
    pub posts_version: i64,
    /// The digest of its published posts, if it was taken at this version.
    pub posts: Option<Digest>,
    /// Somebody paused it.
    pub hold: Option<Hold>,
    /// Somebody asked for a build.
    pub rebuild: Option<Rebuild>,
    /// Content that was let through the safety rails.
    pub approved: Option<ContentHash>,
    /// Goes up with every claim, and with what forbids one that was decided before: a pause, an
    /// adoption, the end of the site. A claim under an older one is refused.
    pub fence: i64,
    /// The last build that is known to have been taken.
    pub built: Option<Built>,
    /// Nobody knows how a later build ended.
    pub uncertain: bool,
    /// The content that is wanted since when.
    pub wanted: Option<Wanted>,
    /// Triggers that failed in a row.
    pub trouble: Option<Trouble>,
    /// Content that the builder failed to build.
    pub broken: Option<Broken>,
}

/// Whether a site is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Presence {
    /// It is declared.
    Declared,
    /// It is no longer declared and has to be forgotten.
    Removed,
    /// It is forgotten; its posts and builds are kept.
    Forgotten,
}

/// A build that is not over, and the site it is of.
#[derive(Clone, Debug)]
pub struct FlightRow {
    /// The site's id.
    pub site: String,
    /// The build.
    pub flight: Flight,
}

#[derive(FromRow)]
struct RawSite {
    id: String,
    name: String,
    origin: String,
    presence: String,
    line: Option<i64>,
    spec: String,
    files_digest: Option<String>,
    files_problem: Option<String>,
    revision: Option<String>,
    posts_version: i64,
    posts_digest: Option<String>,
    posts_digest_version: i64,
    hold: Option<String>,
    rebuild: Option<String>,
    approved: Option<String>,
    fence: i64,
    built_spec: Option<String>,
    built_posts: Option<String>,
    built_files: Option<String>,
    built_revision: Option<String>,
    built_at: Option<i64>,
    uncertain: bool,
    wanted_hash: Option<String>,
    wanted_since: Option<i64>,
    drift_since: Option<i64>,
    failures: i64,
    failed_at: Option<i64>,
    failed_error: Option<String>,
    failed_after: Option<i64>,
    stalled: bool,
    broken_hash: Option<String>,
    broken_at: Option<i64>,
    broken_error: Option<String>,
}

#[derive(FromRow)]
struct RawFlight {
    id: String,
    site: String,
    content_hash: String,
    state: String,
    fence: i64,
    holder: String,
    claimed_at: i64,
    lease_until: i64,
    deadline: i64,
}

#[derive(FromRow)]
struct RawGeneration {
    number: i64,
    digest: String,
    revision: Option<String>,
    settings: String,
    published_at: i64,
}

macro_rules! site_sql {
    ($condition:literal) => {
        concat!(
            "SELECT s.id, s.name, s.origin, s.presence, s.line, s.spec, s.files_digest, \
             s.files_problem, s.revision, s.posts_version, s.posts_digest, \
             s.posts_digest_version, s.hold, s.rebuild, s.approved, o.fence, o.built_spec, o.built_posts, \
             o.built_files, o.built_revision, o.built_at, o.uncertain, o.wanted_hash, \
             o.wanted_since, o.drift_since, o.failures, o.failed_at, o.failed_error, \
             o.failed_after, o.stalled, o.broken_hash, o.broken_at, o.broken_error \
             FROM site s JOIN observed o ON o.site = s.id ",
            $condition
        )
    };
}

/// One minute of fired builds is what the limit per minute looks back on.
const MINUTE_MS: i64 = 60_000;

impl Reader {
    /// Everything that changed since `cursor`, 0 for everything, as one state of the database.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be reached or holds what cannot be read.
    pub async fn estate_since(&self, cursor: i64) -> Result<Delta, StoreError> {
        let mut tx = self.pool.snapshot().await?;
        let now = tx.now().await?;
        let next = tx.cursor().await?;
        let raw: Vec<RawSite> = if cursor == 0 {
            tx!(&mut tx, conn => sqlx::query_as(site_sql!("WHERE s.presence <> 'forgotten'"))
                .fetch_all(conn).await?)
        } else {
            tx!(&mut tx, conn => sqlx::query_as(site_sql!(
                    "WHERE s.id IN (SELECT id FROM site WHERE seq >= $1 \
                     UNION SELECT site FROM observed WHERE seq >= $1)"))
                .bind(cursor).fetch_all(conn).await?)
        };
        let sites = raw
            .into_iter()
            .map(SiteRow::try_from)
            .collect::<Result<_, _>>()?;
        let flights = flights(&mut tx).await?;
        let account = account(&mut tx, now).await?;
        let generation = generation(&mut tx).await?;
        let next_post_at: Option<i64> = tx!(&mut tx, conn => sqlx::query_scalar(
                "SELECT MIN(publish_at) FROM post WHERE state = 'scheduled'")
            .fetch_one(conn).await?);
        Ok(Delta {
            sites,
            flights,
            account,
            generation,
            next_post_at: next_post_at.map(Millis),
            cursor: next,
            now,
        })
    }

    /// One site by its name, forgotten ones included.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be reached.
    pub async fn site(&self, name: &SiteName) -> Result<Option<SiteRow>, StoreError> {
        let raw: Option<RawSite> = pool!(&self.pool, pool => sqlx::query_as(site_sql!("WHERE s.name = $1"))
            .bind(name.as_str()).fetch_optional(pool).await?);
        raw.map(SiteRow::try_from).transpose()
    }

    /// The sites that are forgotten.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be reached.
    pub async fn forgotten_sites(&self) -> Result<Vec<SiteRow>, StoreError> {
        let raw: Vec<RawSite> = pool!(&self.pool, pool => sqlx::query_as(
                site_sql!("WHERE s.presence = 'forgotten'"))
            .fetch_all(pool).await?);
        raw.into_iter().map(SiteRow::try_from).collect()
    }

    /// Whether publishing this would only bring back what was replaced: a generation with this
    /// digest was published before, and the newest has another. Answers its number.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be reached.
    pub async fn was_replaced(&self, digest: &Digest) -> Result<Option<i64>, StoreError> {
        let digest = digest.to_string();
        let number: Option<i64> = pool!(&self.pool, pool => sqlx::query_scalar(
                "SELECT number FROM generation WHERE digest = $1 \
                 AND digest <> (SELECT digest FROM generation ORDER BY number DESC LIMIT 1) \
                 ORDER BY number DESC LIMIT 1")
            .bind(&digest).fetch_optional(pool).await?);
        Ok(number)
    }
}

pub(super) async fn generation(tx: &mut Tx) -> Result<Option<Generation>, StoreError> {
    let raw: Option<RawGeneration> = tx!(tx, conn => sqlx::query_as(
            "SELECT number, digest, revision, settings, published_at FROM generation \
             ORDER BY number DESC LIMIT 1")
        .fetch_optional(conn).await?);
    raw.map(|raw| {
        Ok(Generation {
            number: raw.number,
            digest: parsed(&raw.digest)?,
            revision: raw.revision,
            settings: json(&raw.settings)?,
            published_at: Millis(raw.published_at),
        })
    })
    .transpose()
}

async fn flights(tx: &mut Tx) -> Result<Vec<FlightRow>, StoreError> {
    let raw: Vec<RawFlight> = tx!(tx, conn => sqlx::query_as(
            "SELECT id, site, content_hash, state, fence, holder, claimed_at, lease_until, \
             deadline FROM build WHERE ended_at IS NULL")
        .fetch_all(conn).await?);
    raw.into_iter()
        .map(|raw| {
            Ok(FlightRow {
                site: raw.site,
                flight: Flight {
                    build: BuildId::new(raw.id),
                    hash: parsed(&raw.content_hash)?,
                    state: parsed::<BuildState>(&raw.state)?,
                    since: Millis(raw.claimed_at),
                    holder: HolderId::new(raw.holder),
                    lease_until: Millis(raw.lease_until),
                    deadline: Millis(raw.deadline),
                    fence: raw.fence,
                },
            })
        })
        .collect()
}

/// What limits and budget are counted over, as of `now`.
pub(super) async fn account(tx: &mut Tx, now: Millis) -> Result<Account, StoreError> {
    let in_flight: i64 = tx!(tx, conn => sqlx::query_scalar(
            "SELECT COUNT(*) FROM build WHERE ended_at IS NULL AND hosted = TRUE")
        .fetch_one(conn).await?);
    let fired: Vec<i64> = tx!(tx, conn => sqlx::query_scalar(
            "SELECT claimed_at FROM build WHERE hosted = TRUE AND claimed_at > $1 ORDER BY claimed_at")
        .bind(now.0 - MINUTE_MS).fetch_all(conn).await?);
    let deploys: Option<i64> = tx!(tx, conn => sqlx::query_scalar(
            "SELECT deploys FROM spend WHERE month = $1")
        .bind(now.month().0.0).fetch_optional(conn).await?);
    Ok(Account {
        in_flight: u32::try_from(in_flight).unwrap_or(u32::MAX),
        fired: fired.into_iter().map(Millis).collect(),
        deploys_this_month: u32::try_from(deploys.unwrap_or(0)).unwrap_or(0),
    })
}

impl TryFrom<RawSite> for SiteRow {
    type Error = StoreError;

    fn try_from(raw: RawSite) -> Result<Self, StoreError> {
        let posts = (raw.posts_digest_version == raw.posts_version)
            .then_some(raw.posts_digest)
            .flatten();
        Ok(Self {
            name: parsed(&raw.name)?,
            origin: match raw.origin.as_str() {
                "file" => Origin::File,
                _ => Origin::Chat,
            },
            presence: match raw.presence.as_str() {
                "declared" => Presence::Declared,
                "removed" => Presence::Removed,
                _ => Presence::Forgotten,
            },
            source: raw
                .line
                .and_then(|line| u32::try_from(line).ok())
                .map(|line| Source { line }),
            files: match (raw.files_digest, raw.files_problem) {
                (_, Some(problem)) => Some(Err(problem)),
                (Some(digest), None) => Some(Ok(parsed(&digest)?)),
                (None, None) => None,
            },
            revision: raw.revision,
            posts_version: raw.posts_version,
            posts: posts.map(|digest| parsed(&digest)).transpose()?,
            hold: raw.hold.map(|text| json(&text)).transpose()?,
            rebuild: raw.rebuild.map(|text| json(&text)).transpose()?,
            approved: raw.approved.map(|hash| parsed(&hash)).transpose()?,
            built: match (
                raw.built_spec,
                raw.built_posts,
                raw.built_files,
                raw.built_revision,
                raw.built_at,
            ) {
                (Some(spec), Some(posts), Some(files), Some(revision), Some(at)) => {
                    let fingerprint = Fingerprint {
                        spec: parsed(&spec)?,
                        posts: parsed(&posts)?,
                        files: parsed(&files)?,
                        revision: parsed(&revision)?,
                    };
                    Some(Built {
                        hash: fingerprint.hash(),
                        fingerprint,
                        at: Millis(at),
                    })
                }
                _ => None,
            },
            fence: raw.fence,
            uncertain: raw.uncertain,
            wanted: match (raw.wanted_hash, raw.wanted_since, raw.drift_since) {
                (Some(hash), Some(since), Some(drift_since)) => Some(Wanted {
                    hash: parsed(&hash)?,
                    since: Millis(since),
                    drift_since: Millis(drift_since),
                }),
                _ => None,
            },
            trouble: (raw.failures > 0 || raw.stalled).then(|| Trouble {
                failures: u32::try_from(raw.failures).unwrap_or(u32::MAX),
                at: Millis(raw.failed_at.unwrap_or(0)),
                error: raw.failed_error.unwrap_or_default(),
                after: raw
                    .failed_after
                    .and_then(|ms| u64::try_from(ms).ok())
                    .map(std::time::Duration::from_millis),
                stalled: raw.stalled,
            }),
            broken: match (raw.broken_hash, raw.broken_at) {
                (Some(hash), Some(at)) => Some(Broken {
                    hash: parsed(&hash)?,
                    at: Millis(at),
                    error: raw.broken_error.unwrap_or_default(),
                }),
                _ => None,
            },
            id: raw.id,
            spec: raw.spec,
        })
    }
}

/// Parses what was stored as text.
pub(super) fn parsed<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, StoreError> {
    text.parse()
        .map_err(|error: T::Err| StoreError::Corrupt(format!("{text:?} ({error})")))
}

/// Parses what was stored as JSON.
pub(super) fn json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(format!("{text:?} ({error})")))
}

impl Pool {
    /// Whether the database answers.
    pub(super) async fn ping(&self) -> Result<(), StoreError> {
        pool!(self, pool => sqlx::query("SELECT 1").execute(pool).await.map(|_| ())?);
        Ok(())
    }
}
