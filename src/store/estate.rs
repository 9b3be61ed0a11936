use std::str::FromStr;

use sqlx::FromRow;

use super::Reader;
use super::db::{Pool, Tx, pool, tx};
use super::error::StoreError;
use super::site_row::{ObservedRow, RawObserved, RawSite, SiteRow, observed_sql, site_sql};
use crate::config::Settings;
use crate::model::{Account, BuildId, BuildState, Digest, Flight, HolderId, Millis, SiteName};

/// What changed since a reader last looked, as one state of the whole database.
#[derive(Debug)]
pub struct Delta {
    /// Sites that were written since then (and perhaps a few that were not). Each by itself, so that
    /// whoever takes over a hundred thousand of them frees what it has taken.
    pub sites: Vec<Box<SiteRow>>,
    /// The sites, by their ids, of which only what came of builds was written since then.
    pub observed: Vec<(String, ObservedRow)>,
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

/// A build that is not over, and the site it is of.
#[derive(Clone, Debug)]
pub struct FlightRow {
    /// The site's id.
    pub site: String,
    /// The build.
    pub flight: Flight,
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
    request: Option<String>,
}

#[derive(FromRow)]
struct RawGeneration {
    number: i64,
    digest: String,
    revision: Option<String>,
    settings: String,
    published_at: i64,
}

/// One minute of fired builds is what the limit per minute looks back on.
const MINUTE_MS: i64 = 60_000;

pub(super) const EVERY_SITE: &str = site_sql!("WHERE s.presence <> 'forgotten'");

pub(super) const SITES_SINCE: &str = site_sql!("WHERE s.seq >= $1");

pub(super) const OBSERVED_SINCE: &str = observed_sql!(
    "o.site",
    "observed o JOIN site s ON s.id = o.site ",
    "WHERE o.seq >= $1 AND s.seq < $1"
);

pub(super) const SITE_BY_NAME: &str = site_sql!("WHERE s.name = $1");

pub(super) const FLIGHTS: &str = "SELECT id, site, content_hash, state, fence, holder, claimed_at, \
     lease_until, deadline, request FROM build WHERE ended_at IS NULL";

// Not those whose answer never came: a few hooks that hang would hold up every other site until
// their deadlines.
pub(super) const HOSTED_IN_FLIGHT: &str =
    "SELECT COUNT(*) FROM build WHERE ended_at IS NULL AND hosted AND state = 'claimed'";

// What is claimed in one transaction has one time: a row for each of these, not for each build.
pub(super) const FIRED_SINCE: &str = "SELECT claimed_at, COUNT(*) FROM build \
     WHERE hosted AND claimed_at > $1 GROUP BY claimed_at ORDER BY claimed_at";

pub(super) const NEXT_POST: &str = "SELECT MIN(publish_at) FROM post WHERE state = 'scheduled'";

pub(super) const NEWEST_GENERATION: &str = "SELECT number, digest, revision, settings, published_at \
     FROM generation ORDER BY number DESC LIMIT 1";

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
        let rows: Vec<Result<_, StoreError>> = if cursor == 0 {
            tx!(&mut tx, conn => sqlx::query(EVERY_SITE).map(site_row).fetch_all(conn).await?)
        } else {
            tx!(&mut tx, conn => sqlx::query(SITES_SINCE).bind(cursor).map(site_row)
                .fetch_all(conn).await?)
        };
        let sites = rows.into_iter().collect::<Result<_, _>>()?;
        let observed = if cursor == 0 {
            Vec::new()
        } else {
            observed_since(&mut tx, cursor).await?
        };
        let flights = flights(&mut tx).await?;
        let account = account(&mut tx, now).await?;
        let generation = generation(&mut tx).await?;
        let next_post_at: Option<i64> = tx!(&mut tx, conn => sqlx::query_scalar(NEXT_POST)
            .fetch_one(conn).await?);
        Ok(Delta {
            sites,
            observed,
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
        let raw: Option<RawSite> = pool!(&self.pool, pool => sqlx::query_as(SITE_BY_NAME)
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

/// Takes a row as it comes: all of them at once would be held twice.
fn site_row<R: sqlx::Row>(row: R) -> Result<Box<SiteRow>, StoreError>
where
    RawSite: for<'r> FromRow<'r, R>,
{
    Ok(Box::new(SiteRow::try_from(RawSite::from_row(&row)?)?))
}

pub(super) async fn generation(tx: &mut Tx) -> Result<Option<Generation>, StoreError> {
    let raw: Option<RawGeneration> = tx!(tx, conn => sqlx::query_as(NEWEST_GENERATION)
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

async fn observed_since(
    tx: &mut Tx,
    cursor: i64,
) -> Result<Vec<(String, ObservedRow)>, StoreError> {
    let rows: Vec<Result<_, StoreError>> = tx!(tx, conn => sqlx::query(OBSERVED_SINCE)
        .bind(cursor).map(observed_row).fetch_all(conn).await?);
    rows.into_iter().collect()
}

fn observed_row<R: sqlx::Row>(row: R) -> Result<(String, ObservedRow), StoreError>
where
    RawObserved: for<'r> FromRow<'r, R>,
    for<'r> String: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    usize: sqlx::ColumnIndex<R>,
{
    let site = row.try_get(0)?;
    Ok((site, RawObserved::from_row(&row)?.try_into()?))
}

async fn flights(tx: &mut Tx) -> Result<Vec<FlightRow>, StoreError> {
    let raw: Vec<RawFlight> = tx!(tx, conn => sqlx::query_as(FLIGHTS)
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
                    request: raw.request.as_deref().map(json).transpose()?,
                },
            })
        })
        .collect()
}

/// What limits and budget are counted over, as of `now`.
pub(super) async fn account(tx: &mut Tx, now: Millis) -> Result<Account, StoreError> {
    let in_flight: i64 = tx!(tx, conn => sqlx::query_scalar(HOSTED_IN_FLIGHT)
        .fetch_one(conn).await?);
    let fired: Vec<(i64, i64)> = tx!(tx, conn => sqlx::query_as(FIRED_SINCE)
        .bind(now.0 - MINUTE_MS).fetch_all(conn).await?);
    let deploys: Option<i64> = tx!(tx, conn => sqlx::query_scalar(
            "SELECT deploys FROM spend WHERE month = $1")
        .bind(now.month().0.0).fetch_optional(conn).await?);
    Ok(Account {
        in_flight: u32::try_from(in_flight).unwrap_or(u32::MAX),
        fired: fired
            .into_iter()
            .flat_map(|(at, builds)| {
                std::iter::repeat_n(Millis(at), usize::try_from(builds).unwrap_or(0))
            })
            .collect(),
        deploys_this_month: u32::try_from(deploys.unwrap_or(0)).unwrap_or(0),
    })
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
