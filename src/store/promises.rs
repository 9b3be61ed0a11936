//! What people are promised to be told.
//!
//! A promise is made in the transaction that makes the change. The claim of a build that has the
//! change in it binds it to that build; what came of the build arrives through the outbox.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;
use sqlx::types::Json;

use super::db::{Tx, each, keyed, pool, tx};
use super::error::StoreError;
use super::{Store, new_id};
use crate::model::{Millis, TellTo, Trouble};

/// How long an address for answers can be used: 30 minutes, and no last-second attempts.
const URL_LASTS: Duration = Duration::from_secs(29 * 60);
/// A site that wants nothing: what its plan was made from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Settled {
    /// The site's id.
    pub site: String,
    /// The version of its posts that the plan knew.
    pub posts_version: i64,
    /// The time of the plan.
    pub at: Millis,
}

/// A build that takes less is told when it is over, and not that it began.
const BRIEF: Duration = Duration::from_secs(3);

/// A build that could not be started, and is within this time, is told of when it is over.
const HICCUP: Duration = Duration::from_secs(15);

/// A promise to be stored with a change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Promise<'a> {
    pub(super) to: &'a TellTo,
    pub(super) site: &'a str,
    pub(super) action: &'static str,
    pub(super) subject: Option<&'a str>,
    /// The version of the site's posts that has the change; `None`: it is no matter of posts.
    pub(super) posts_version: Option<i64>,
}

/// Stores promises. After every other row but those of the audit trail.
pub(super) async fn promise(
    tx: &mut Tx,
    now: Millis,
    promises: &[Promise<'_>],
) -> Result<(), StoreError> {
    #[derive(Serialize)]
    struct Row<'a> {
        id: String,
        site: &'a str,
        workspace: &'a str,
        conversation: &'a str,
        action: &'a str,
        subject: Option<&'a str>,
        version: Option<i64>,
        url: Option<&'a str>,
        url_until: Option<i64>,
    }
    if promises.is_empty() {
        return Ok(());
    }
    let rows: Vec<Row<'_>> = promises
        .iter()
        .map(|promise| Row {
            id: new_id(),
            site: promise.site,
            workspace: &promise.to.workspace,
            conversation: &promise.to.conversation,
            action: promise.action,
            subject: promise.subject,
            version: promise.posts_version,
            url: promise.to.response_url.as_deref(),
            url_until: (promise.to.response_url.is_some()).then(|| now.plus(URL_LASTS).0),
        })
        .collect();
    let sql = each!(
        tx.dialect(),
        "INSERT INTO telling (id, site, workspace, conversation, asked_at, action, subject, \
         posts_version, state, state_at, response_url, url_until, next_at) \
         SELECT e.value->>'id', e.value->>'site', e.value->>'workspace', \
         e.value->>'conversation', $2, e.value->>'action', e.value->>'subject', \
         CAST(e.value->>'version' AS BIGINT), 'waiting', $2, e.value->>'url', \
         CAST(e.value->>'url_until' AS BIGINT), $2 FROM ",
        "($1) AS e"
    );
    tx!(tx, conn => sqlx::query(sql).bind(Json(rows)).bind(now.0).execute(conn).await.map(|_| ())?);
    Ok(())
}

/// A build that was claimed, for [`bind`].
#[derive(Clone, Debug, Serialize)]
pub(super) struct Bound<'a> {
    pub(super) build: &'a str,
    pub(super) site: &'a str,
    /// The digest of the posts that it is made from.
    pub(super) posts: String,
}

/// Binds what waits for a build to the build that has it.
///
/// A change of a post that was committed after the decision is not in the build: only changes up
/// to the version that the digest of the build's posts was taken at are bound; later ones wait for
/// the next. A request that this build does not answer still stands at the site.
pub(super) async fn bind(tx: &mut Tx, now: Millis, builds: &[Bound<'_>]) -> Result<(), StoreError> {
    let sql = each!(
        tx.dialect(),
        "UPDATE telling SET build = e.value->>'build', state = 'building', state_at = $2, \
         detail = NULL, next_at = CASE WHEN telling.failures = 0 THEN $3 ELSE telling.next_at END FROM ",
        "($1) AS e JOIN site s ON s.id = e.value->>'site' \
         WHERE telling.site = s.id AND telling.closed_at IS NULL \
         AND telling.state IN ('waiting', 'retrying', 'stuck') \
         AND telling.build IS NULL AND CASE WHEN telling.posts_version IS NULL THEN s.rebuild IS NULL \
         ELSE s.posts_digest = e.value->>'posts' \
         AND telling.posts_version <= s.posts_digest_version END"
    );
    tx!(tx, conn => sqlx::query(sql).bind(Json(builds)).bind(now.0).bind(now.plus(BRIEF).0)
        .execute(conn).await.map(|_| ())?);
    Ok(())
}

/// What waited for these builds, which could not be started, waits for the next try. People are
/// told if that does not come to anything soon, and again when a person should look.
pub(super) async fn not_started(
    tx: &mut Tx,
    now: Millis,
    builds: &[&impl Serialize],
) -> Result<(), StoreError> {
    if builds.is_empty() {
        return Ok(());
    }
    let sql = each!(
        tx.dialect(),
        "UPDATE telling SET build = NULL, state_at = $2, detail = e.value->>'detail', \
         state = CASE WHEN o.failures < $4 THEN 'retrying' ELSE 'stuck' END, \
         next_at = CASE WHEN telling.failures > 0 THEN telling.next_at \
         WHEN o.failures < $4 THEN $3 ELSE $2 END FROM ",
        "($1) AS e JOIN observed o ON o.site = e.value->>'site' \
         WHERE telling.closed_at IS NULL AND telling.state IN ('building', 'unknown') \
         AND telling.build = e.value->>'id'"
    );
    tx!(tx, conn => sqlx::query(sql).bind(Json(builds)).bind(now.0).bind(now.plus(HICCUP).0)
        .bind(i64::from(Trouble::MANY)).execute(conn).await.map(|_| ())?);
    Ok(())
}

/// What waited for the end of these builds waits for another build, which takes their place.
pub(super) async fn unbind<'a>(
    tx: &mut Tx,
    now: Millis,
    builds: impl IntoIterator<Item = &'a str>,
) -> Result<(), StoreError> {
    let builds = keyed(builds);
    if builds.is_empty() {
        return Ok(());
    }
    let sql = each!(
        tx.dialect(),
        "UPDATE telling SET build = NULL, state = 'waiting', state_at = $2, detail = NULL, \
         next_at = CASE WHEN failures = 0 THEN $2 ELSE next_at END \
         WHERE closed_at IS NULL AND state IN ('building', 'unknown') AND build IN (SELECT e.value->>'id' FROM ",
        "($1) AS e)"
    );
    tx!(tx, conn => sqlx::query(sql).bind(Json(builds)).bind(now.0).execute(conn).await.map(|_| ())?);
    Ok(())
}

/// Nothing comes of what waits for these sites (by id): they were removed.
pub(super) async fn give_up<'a>(
    tx: &mut Tx,
    now: Millis,
    sites: impl IntoIterator<Item = &'a str>,
) -> Result<(), StoreError> {
    let sql = each!(
        tx.dialect(),
        "UPDATE telling SET state = 'removed', state_at = $2, detail = NULL, \
         next_at = CASE WHEN failures = 0 THEN $2 ELSE next_at END WHERE closed_at IS NULL \
         AND state IN ('waiting', 'retrying', 'stuck', 'building', 'unknown') \
         AND site IN (SELECT e.value->>'id' FROM ",
        "($1) AS e)"
    );
    tx!(tx, conn => sqlx::query(sql).bind(Json(keyed(sites))).bind(now.0).execute(conn).await.map(|_| ())?);
    Ok(())
}

impl Store {
    /// What waits for a build of sites that want none will get none: what was asked for made no
    /// difference. Answers how many.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written.
    pub async fn close_unchanged(&self, sites: &[Settled]) -> Result<u64, StoreError> {
        // Mostly nothing waits for any of them: one reading query says so.
        let waiting: Vec<String> = pool!(&self.reader.pool, pool => sqlx::query_scalar(
                "SELECT DISTINCT site FROM telling WHERE closed_at IS NULL \
                 AND state IN ('waiting', 'retrying', 'stuck') AND site IS NOT NULL")
            .fetch_all(pool).await?);
        let waiting: BTreeSet<String> = waiting.into_iter().collect();
        let rows: Vec<&Settled> = sites
            .iter()
            .filter(|settled| waiting.contains(&settled.site))
            .collect();
        if rows.is_empty() {
            return Ok(0);
        }
        let mut tx = self.write.begin_alone().await?;
        let now = tx.now().await?;
        let sql = each!(
            tx.dialect(),
            "UPDATE telling SET state = 'unchanged', state_at = $2, \
             next_at = CASE WHEN telling.failures = 0 THEN $2 ELSE telling.next_at END FROM ",
            "($1) AS e JOIN site s ON s.id = e.value->>'site' \
             WHERE telling.site = s.id AND telling.closed_at IS NULL \
             AND telling.state IN ('waiting', 'retrying', 'stuck') AND telling.build IS NULL \
             AND telling.asked_at <= CAST(e.value->>'at' AS BIGINT) \
             AND CASE WHEN telling.posts_version IS NULL THEN s.rebuild IS NULL \
             ELSE telling.posts_version <= CAST(e.value->>'posts_version' AS BIGINT) END"
        );
        let closed = tx!(&mut tx, conn => sqlx::query(sql).bind(Json(rows)).bind(now.0)
            .execute(conn).await?.rows_affected());
        if closed > 0 {
            tx.commit().await?;
        }
        Ok(closed)
    }
}
