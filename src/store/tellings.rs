//! Telling what was promised: one message for each thing that was asked for, which changes as it
//! goes on.

use sqlx::FromRow;
use sqlx::types::Json;
use std::time::Duration;

use super::address::Dialect;
use super::db::{each, keyed, pool, tx};
use super::error::StoreError;
use super::estate::parsed;
use super::{Reader, Store};
use crate::model::{Millis, SiteName, Slug};

/// How often an address for answers can be used.
pub const URL_USES: i64 = 5;
/// How long whoever tells something has it for itself.
const LEASE: Duration = Duration::from_secs(15);

/// Something that somebody is to be told.
///
/// `state` is one of `waiting` (for a build), `building`, `retrying` (it could not be started, and
/// is tried again), `stuck` (the same, many times in a row), `unknown` (sent, no answer came; a
/// later build may take its place); and of those that are its end: `accepted`, `live`, `failed`,
/// `stalled`, `lost`, `superseded`, `unchanged` (there was nothing to build), `removed` (its site
/// was), `digest`. An end may still be followed by another: `accepted` by `live`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Telling {
    /// Its id.
    pub id: String,
    /// The id of the site that it is about; `None`: many.
    pub site: Option<String>,
    /// The name of that site.
    pub site_name: Option<SiteName>,
    /// The workspace's id.
    pub workspace: String,
    /// The user or channel to tell.
    pub conversation: String,
    /// When it was asked for.
    pub asked_at: Millis,
    /// What was asked for, as in the audit trail: `new`, `edit`, `delete`, `rebuild`, `site add`;
    /// `build` when nobody asked in chat, `digest` for many of those.
    pub action: String,
    /// The id of a post; of a `build` the reason.
    pub subject: Option<String>,
    /// The title of that post as it is now.
    pub title: Option<String>,
    /// That post's part of the address.
    pub slug: Option<Slug>,
    /// The build that it waits for the end of.
    pub build: Option<String>,
    /// What is to be told.
    pub state: String,
    /// Since when.
    pub state_at: Millis,
    /// What went wrong; of a `digest` a [`Flood`](super::Flood) as JSON.
    pub detail: Option<String>,
    /// The address for answers, sealed.
    pub response_url: Option<String>,
    /// Until when that can be used.
    pub url_until: Option<Millis>,
    /// How often that was used. Whoever uses it counts here; [`Store::told`] and
    /// [`Store::telling_failed`] keep the count.
    pub url_uses: i64,
    /// Where the message is that told it before.
    pub message_channel: Option<String>,
    /// Which message that is.
    pub message_ts: Option<String>,
    /// The state that was told last.
    pub said: Option<String>,
    /// Failed attempts in a row.
    pub failures: u32,
    fence: i64,
}

impl Telling {
    /// Whether the address for answers can still be used.
    pub fn url_works(&self, now: Millis) -> bool {
        self.response_url.is_some()
            && self.url_uses < URL_USES
            && self.url_until.is_some_and(|until| now < until)
    }
}

#[derive(FromRow)]
struct RawTelling {
    id: String,
    site: Option<String>,
    site_name: Option<String>,
    workspace: String,
    conversation: String,
    asked_at: i64,
    action: String,
    subject: Option<String>,
    title: Option<String>,
    slug: Option<String>,
    build: Option<String>,
    state: String,
    state_at: i64,
    detail: Option<String>,
    response_url: Option<String>,
    url_until: Option<i64>,
    url_uses: i64,
    message_channel: Option<String>,
    message_ts: Option<String>,
    said: Option<String>,
    failures: i64,
    fence: i64,
}

/// Tellings that are due. One that waits, because somebody tells it or because telling it failed,
/// holds up those of its conversation that were asked for later.
macro_rules! due {
    ($lock:literal) => {
        concat!(
            "UPDATE telling SET lease_until = $2, fence = fence + 1 WHERE id IN (SELECT t.id \
             FROM telling t WHERE t.closed_at IS NULL AND t.said IS DISTINCT FROM t.state \
             AND t.next_at <= $1 AND (t.lease_until IS NULL OR t.lease_until <= $1) \
             AND NOT EXISTS (SELECT 1 FROM telling o WHERE o.closed_at IS NULL \
             AND o.workspace = t.workspace AND o.conversation = t.conversation \
             AND (o.asked_at, o.id) < (t.asked_at, t.id) AND o.said IS DISTINCT FROM o.state \
             AND (o.next_at > $1 OR o.lease_until > $1)) \
             ORDER BY t.workspace, t.conversation, t.asked_at, t.id LIMIT $3",
            $lock,
            ") RETURNING id"
        )
    };
}

impl Reader {
    /// When something is to be told next, by this replica or another; `None`: nothing waits.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be reached.
    pub async fn next_telling(&self) -> Result<Option<Millis>, StoreError> {
        let next: Option<i64> = pool!(&self.pool, pool => sqlx::query_scalar(
                "SELECT MIN(CASE WHEN lease_until > next_at THEN lease_until ELSE next_at END) \
                 FROM telling WHERE closed_at IS NULL AND said IS DISTINCT FROM state")
            .fetch_one(pool).await?);
        Ok(next.map(Millis))
    }
}

impl Store {
    /// What is to be told now, in order within each conversation. It is the caller's for 15
    /// seconds; nobody else gets it, or what follows it in its conversation, before that, or before
    /// [`Store::told`] or [`Store::telling_failed`].
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written.
    pub async fn due_tellings(&self, limit: u32) -> Result<Vec<Telling>, StoreError> {
        // Asked often, and mostly in vain: reading waits for no writer.
        let now = self.now().await?;
        let waiting: i64 = pool!(&self.reader.pool, pool => sqlx::query_scalar(
                "SELECT COUNT(*) FROM telling WHERE closed_at IS NULL \
                 AND said IS DISTINCT FROM state AND next_at <= $1 \
                 AND (lease_until IS NULL OR lease_until <= $1)")
            .bind(now.0).fetch_one(pool).await?);
        if waiting == 0 {
            return Ok(Vec::new());
        }
        let mut tx = self.write.begin_alone().await?;
        let now = tx.now().await?;
        let sql = match tx.dialect() {
            Dialect::Sqlite => due!(""),
            Dialect::Postgres => due!(" FOR UPDATE OF t SKIP LOCKED"),
        };
        let ids: Vec<String> = tx!(&mut tx, conn => sqlx::query_scalar(sql)
            .bind(now.0).bind(now.plus(LEASE).0).bind(i64::from(limit)).fetch_all(conn).await?);
        let sql = each!(
            tx.dialect(),
            "SELECT t.id, t.site, s.name AS site_name, t.workspace, t.conversation, t.asked_at, \
             t.action, t.subject, p.title, p.slug, t.build, t.state, t.state_at, t.detail, \
             t.response_url, t.url_until, t.url_uses, t.message_channel, t.message_ts, t.said, \
             t.failures, t.fence FROM ",
            "($1) AS e JOIN telling t ON t.id = e.value->>'id' \
             LEFT JOIN site s ON s.id = t.site LEFT JOIN post p ON p.id = t.subject \
             ORDER BY t.workspace, t.conversation, t.asked_at, t.id"
        );
        let ids = keyed(ids.iter().map(String::as_str));
        let rows: Vec<RawTelling> =
            tx!(&mut tx, conn => sqlx::query_as(sql).bind(Json(ids)).fetch_all(conn).await?);
        tx.commit_silently().await?;
        rows.into_iter().map(telling).collect()
    }

    /// Keeps which state of a telling was told (the one that it came with), and by which message:
    /// `None` leaves that as it was. `closed`: nothing is expected to follow; what follows all the same opens it again. `false`:
    /// somebody else took it over in the meantime, and nothing was changed.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written: then it is told again.
    pub async fn told(
        &self,
        telling: &Telling,
        said: &str,
        message_channel: Option<&str>,
        message_ts: Option<&str>,
        closed: bool,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write.begin().await?;
        let now = tx.now().await?;
        let told = tx!(&mut tx, conn => sqlx::query(
                "UPDATE telling SET said = $3, url_uses = $4, \
                 message_channel = COALESCE($5, message_channel), \
                 message_ts = COALESCE($6, message_ts), lease_until = NULL, failures = 0, \
                 closed_at = CASE WHEN $7 AND state = $3 THEN CAST($8 AS BIGINT) END \
                 WHERE id = $1 AND fence = $2")
            .bind(&telling.id).bind(telling.fence).bind(said).bind(telling.url_uses)
            .bind(message_channel).bind(message_ts).bind(closed).bind(now.0)
            .execute(conn).await?.rows_affected());
        tx.commit_silently().await?;
        Ok(told == 1)
    }

    /// Keeps that a telling could not be told, and when to try again. `false`: somebody else took it
    /// over in the meantime.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written: then it is tried again when the lease is
    /// over.
    pub async fn telling_failed(
        &self,
        telling: &Telling,
        next_at: Millis,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write.begin().await?;
        let kept = tx!(&mut tx, conn => sqlx::query(
                "UPDATE telling SET next_at = $3, url_uses = $4, lease_until = NULL, \
                 failures = failures + 1 WHERE id = $1 AND fence = $2")
            .bind(&telling.id).bind(telling.fence).bind(next_at.0).bind(telling.url_uses)
            .execute(conn).await?.rows_affected());
        tx.commit_silently().await?;
        Ok(kept == 1)
    }
}

fn telling(raw: RawTelling) -> Result<Telling, StoreError> {
    Ok(Telling {
        id: raw.id,
        site: raw.site,
        site_name: raw.site_name.map(|name| parsed(&name)).transpose()?,
        workspace: raw.workspace,
        conversation: raw.conversation,
        asked_at: Millis(raw.asked_at),
        action: raw.action,
        subject: raw.subject,
        title: raw.title,
        slug: raw.slug.map(Slug::from_stored),
        build: raw.build,
        state: raw.state,
        state_at: Millis(raw.state_at),
        detail: raw.detail,
        response_url: raw.response_url,
        url_until: raw.url_until.map(Millis),
        url_uses: raw.url_uses,
        message_channel: raw.message_channel,
        message_ts: raw.message_ts,
        said: raw.said,
        failures: u32::try_from(raw.failures).unwrap_or(u32::MAX),
        fence: raw.fence,
    })
}
