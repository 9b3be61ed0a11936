use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use sqlx::FromRow;
use sqlx::types::Json;

use super::content::{self, PartRow};
use super::db::{Stamp, Tx, each, pool, tx};
use super::error::StoreError;
use super::estate::{account, parsed};
use super::{Reader, Store, new_id};
use crate::model::{
    Budget, BuildId, BuildState, BuilderKind, Fingerprint, HolderId, Limits, Millis, Outcome,
    Rebuild, SiteName,
};

/// What is asked for when a site's build is due.
#[derive(Clone, Debug)]
pub struct ClaimRequest {
    /// The site's id.
    pub site: String,
    /// Its name.
    pub name: SiteName,
    /// The fence that the decision was made under: a claim since then makes this one void.
    pub fence: i64,
    /// What it is built from.
    pub fingerprint: Fingerprint,
    /// The parts of that manifest.
    pub parts: Vec<PartRow>,
    /// What builds it.
    pub builder: BuilderKind,
    /// Why, in words.
    pub reason: String,
    /// The request that it answers.
    pub request: Option<Rebuild>,
    /// The build whose place it takes.
    pub replaces: Option<BuildId>,
    /// Without news for this long it is lost.
    pub timeout: Duration,
}

/// The exclusive, stored right to fire one build of one site. Only the store makes one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claim {
    build: BuildId,
    site: String,
    fence: i64,
}

impl Claim {
    /// The build that may be fired.
    pub fn build(&self) -> &BuildId {
        &self.build
    }

    /// The id of the site it is of.
    pub fn site(&self) -> &str {
        &self.site
    }
}

/// Whether a record was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Recorded {
    /// It is stored.
    Taken,
    /// The claim was taken over in the meantime: nothing was changed.
    TooLate,
}

/// One build as it is listed.
#[derive(Clone, Debug, Serialize)]
pub struct BuildRow {
    /// Its id.
    pub id: BuildId,
    /// What it was built from.
    pub content_hash: String,
    /// What built it.
    pub builder: String,
    /// Why.
    pub reason: String,
    /// Who asked for it.
    pub requested_by: Option<String>,
    /// Where it is.
    pub state: BuildState,
    /// When it was fired.
    pub fired_at: Millis,
    /// When it was over.
    pub ended_at: Option<Millis>,
    /// What went wrong.
    pub detail: Option<String>,
}

#[derive(Serialize)]
struct NewBuild<'a> {
    id: String,
    site: &'a str,
    seen: i64,
    hash: String,
    builder: &'static str,
    hosted: bool,
    reason: &'a str,
    request: Option<String>,
    deadline: i64,
}

#[derive(Serialize)]
struct Keyed<'a> {
    id: &'a str,
}

/// All claims of hosted builds go through this lock of PostgreSQL, so that limits hold over all
/// replicas. It is held for one transaction of a few statements; SQLite has one writer anyway.
const CLAIM_LOCK: i64 = 0x6d69_6372_6f62_6c6f;

impl Store {
    /// Claims as many of the requested builds as the account's limits allow, in order. What is not
    /// among the answers was claimed by somebody else, or has to wait: the next plan says which.
    ///
    /// One transaction for all of them; committed before anything leaves the process.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written: then nothing was claimed.
    pub async fn claim(
        &self,
        requests: &[ClaimRequest],
        holder: &HolderId,
        lease: Duration,
        limits: &Limits,
        budget: Option<Budget>,
    ) -> Result<Vec<Claim>, StoreError> {
        let mut tx = self.write.begin().await?;
        let stamp = tx.stamp().await?;
        if let Tx::Postgres(conn) = &mut tx {
            sqlx::query("SELECT pg_advisory_xact_lock($1)")
                .bind(CLAIM_LOCK)
                .execute(&mut **conn)
                .await?;
        }
        let now = tx.now().await?;
        replace(&mut tx, stamp, requests, now).await?;

        let account = account(&mut tx, now).await?;
        let mut room = (limits.builds_in_flight.saturating_sub(account.in_flight)).min(
            limits
                .builds_per_minute
                .saturating_sub(account.fired.len() as u32),
        );
        if let Some(budget) = budget {
            room = room.min(
                budget
                    .deploys_per_month
                    .saturating_sub(account.deploys_this_month),
            );
        }
        let allowed: Vec<&ClaimRequest> = requests
            .iter()
            .filter(|request| {
                let fits = !request.builder.is_hosted() || room > 0;
                if fits && request.builder.is_hosted() {
                    room -= 1;
                }
                fits
            })
            .collect();
        if allowed.is_empty() {
            return Ok(Vec::new());
        }
        let claims = insert(&mut tx, &allowed, holder, now, now.plus(lease)).await?;
        if claims.is_empty() {
            return Ok(claims);
        }

        let claimed: BTreeMap<&str, &Claim> = claims
            .iter()
            .map(|claim| (claim.site.as_str(), claim))
            .collect();
        let taken: Vec<&&ClaimRequest> = allowed
            .iter()
            .filter(|request| claimed.contains_key(request.site.as_str()))
            .collect();
        let manifests = taken
            .iter()
            .map(|request| (request.fingerprint.hash(), request.fingerprint))
            .collect();
        let parts: Vec<PartRow> = taken
            .iter()
            .flat_map(|request| request.parts.iter().cloned())
            .collect();
        content::keep(&mut tx, &manifests, &parts).await?;

        let sites: Vec<Keyed<'_>> = claims
            .iter()
            .map(|claim| Keyed { id: &claim.site })
            .collect();
        let sql = each!(
            tx.dialect(),
            "UPDATE observed SET fence = fence + 1, seq = $2 WHERE site IN (SELECT e.value->>'id' FROM ",
            "($1) AS e)"
        );
        tx!(&mut tx, conn => sqlx::query(sql).bind(Json(&sites)).bind(stamp.0).execute(conn).await.map(|_| ())?);
        for request in &taken {
            if let Some(rebuild) = &request.request {
                let answered = serde_json::to_string(rebuild).unwrap_or_default();
                tx!(&mut tx, conn => sqlx::query(
                        "UPDATE site SET rebuild = NULL, seq = $3 WHERE id = $1 AND rebuild = $2")
                    .bind(&request.site).bind(&answered).bind(stamp.0).execute(conn).await.map(|_| ())?);
            }
        }
        let hosted = taken
            .iter()
            .filter(|request| request.builder.is_hosted())
            .count();
        spend(&mut tx, now, hosted as i64).await?;
        tx.commit().await?;
        Ok(claims)
    }

    /// Stores what came of claimed builds, all of them or none. A record of a claim that was taken
    /// over in the meantime changes nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written.
    pub async fn record(&self, outcomes: &[(Claim, Outcome)]) -> Result<Vec<Recorded>, StoreError> {
        let mut tx = self.write.begin().await?;
        let stamp = tx.stamp().await?;
        let now = tx.now().await?;
        let recorded = super::record::record(&mut tx, stamp, now, outcomes).await?;
        tx.commit().await?;
        Ok(recorded)
    }

    /// Says that the holder of these builds is alive: the claims are its own for another `lease`.
    ///
    /// Builds are named one by one: a claim whose commit was never confirmed is held by nobody, and
    /// has to run out even while its holder lives.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written.
    pub async fn renew(&self, builds: &[BuildId], lease: Duration) -> Result<(), StoreError> {
        let builds: Vec<Keyed<'_>> = builds
            .iter()
            .map(|build| Keyed { id: build.as_str() })
            .collect();
        let mut tx = self.write.begin().await?;
        let now = tx.now().await?;
        let sql = each!(
            tx.dialect(),
            "UPDATE build SET lease_until = $2 \
             WHERE ended_at IS NULL AND state = 'claimed' \
             AND id IN (SELECT e.value->>'id' FROM ",
            "($1) AS e)"
        );
        tx!(&mut tx, conn => sqlx::query(sql).bind(Json(&builds)).bind(now.plus(lease).0).execute(conn).await.map(|_| ())?);
        tx.commit_silently().await
    }
}

/// Ends the builds whose place is taken: of a dead holder, or of unknown outcome. Whether they
/// reached the site is not known.
async fn replace(
    tx: &mut Tx,
    stamp: Stamp,
    requests: &[ClaimRequest],
    now: Millis,
) -> Result<(), StoreError> {
    let replaced: Vec<Keyed<'_>> = requests
        .iter()
        .filter_map(|request| request.replaces.as_ref())
        .map(|build| Keyed { id: build.as_str() })
        .collect();
    if replaced.is_empty() {
        return Ok(());
    }
    let sql = each!(
        tx.dialect(),
        "UPDATE build SET ended_at = $2, \
         state = CASE WHEN state = 'unknown' AND deadline > $2 THEN 'superseded' ELSE 'lost' END \
         WHERE ended_at IS NULL AND (state = 'unknown' OR lease_until <= $2) \
         AND id IN (SELECT e.value->>'id' FROM ",
        "($1) AS e) RETURNING site"
    );
    let sites: Vec<String> = tx!(&mut *tx, conn => sqlx::query_scalar(sql)
        .bind(Json(&replaced)).bind(now.0).fetch_all(conn).await?);
    let sites: Vec<Keyed<'_>> = sites.iter().map(|id| Keyed { id }).collect();
    let sql = each!(
        tx.dialect(),
        "UPDATE observed SET uncertain = TRUE, seq = $2 WHERE site IN (SELECT e.value->>'id' FROM ",
        "($1) AS e)"
    );
    tx!(tx, conn => sqlx::query(sql).bind(Json(&sites)).bind(stamp.0).execute(conn).await.map(|_| ())?);
    Ok(())
}

/// The unique index makes the one winner; the fence refuses decisions that somebody else has
/// carried out already.
async fn insert(
    tx: &mut Tx,
    requests: &[&ClaimRequest],
    holder: &HolderId,
    now: Millis,
    lease_until: Millis,
) -> Result<Vec<Claim>, StoreError> {
    let rows: Vec<NewBuild<'_>> = requests
        .iter()
        .map(|request| NewBuild {
            id: new_id(),
            site: &request.site,
            seen: request.fence,
            hash: request.fingerprint.hash().to_string(),
            builder: request.builder.as_str(),
            hosted: request.builder.is_hosted(),
            reason: &request.reason,
            request: request
                .request
                .as_ref()
                .and_then(|request| serde_json::to_string(request).ok()),
            deadline: now.plus(request.timeout).0,
        })
        .collect();
    let sql = each!(
        tx.dialect(),
        "INSERT INTO build (id, site, content_hash, fence, builder, hosted, reason, request, \
         state, holder, claimed_at, lease_until, deadline) \
         SELECT e.value->>'id', o.site, e.value->>'hash', o.fence + 1, e.value->>'builder', \
         CAST(e.value->>'hosted' AS BOOLEAN), e.value->>'reason', e.value->>'request', \
         'claimed', $2, $3, $4, CAST(e.value->>'deadline' AS BIGINT) FROM ",
        "($1) AS e JOIN observed o ON o.site = e.value->>'site' \
         AND o.fence = CAST(e.value->>'seen' AS BIGINT) \
         WHERE true ON CONFLICT DO NOTHING RETURNING id, site, fence"
    );
    let rows: Vec<(String, String, i64)> = tx!(tx, conn => sqlx::query_as(sql)
        .bind(Json(&rows)).bind(holder.as_str()).bind(now.0).bind(lease_until.0)
        .fetch_all(conn).await?);
    Ok(rows
        .into_iter()
        .map(|(build, site, fence)| Claim {
            build: BuildId::new(build),
            site,
            fence,
        })
        .collect())
}

/// Counts hosted builds of the month; takes them back when nothing was started.
pub(super) async fn spend(tx: &mut Tx, at: Millis, deploys: i64) -> Result<(), StoreError> {
    if deploys != 0 {
        tx!(tx, conn => sqlx::query(
                "INSERT INTO spend (month, deploys) VALUES ($1, $2) \
                 ON CONFLICT (month) DO UPDATE SET deploys = spend.deploys + excluded.deploys")
            .bind(at.month().0.0).bind(deploys).execute(conn).await.map(|_| ())?);
    }
    Ok(())
}

impl Claim {
    pub(super) fn fence(&self) -> i64 {
        self.fence
    }
}

#[derive(FromRow)]
struct RawBuild {
    id: String,
    content_hash: String,
    builder: String,
    reason: String,
    request: Option<String>,
    state: String,
    claimed_at: i64,
    ended_at: Option<i64>,
    detail: Option<String>,
}

impl Reader {
    /// The newest builds of a site, newest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be reached.
    pub async fn builds(&self, site: &str, limit: u32) -> Result<Vec<BuildRow>, StoreError> {
        let rows: Vec<RawBuild> = pool!(&self.pool, pool => sqlx::query_as(
                "SELECT id, content_hash, builder, reason, request, state, claimed_at, ended_at, \
                 detail FROM build WHERE site = $1 ORDER BY claimed_at DESC, id DESC LIMIT $2")
            .bind(site).bind(i64::from(limit)).fetch_all(pool).await?);
        rows.into_iter()
            .map(|raw| {
                let request: Option<Rebuild> = raw
                    .request
                    .and_then(|request| serde_json::from_str(&request).ok());
                Ok(BuildRow {
                    id: BuildId::new(raw.id),
                    content_hash: raw.content_hash,
                    builder: raw.builder,
                    reason: raw.reason,
                    requested_by: request.map(|request| request.by),
                    state: parsed(&raw.state)?,
                    fired_at: Millis(raw.claimed_at),
                    ended_at: raw.ended_at.map(Millis),
                    detail: raw.detail,
                })
            })
            .collect()
    }
}
