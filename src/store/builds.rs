use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;
use sqlx::types::Json;

use super::address::Dialect;
use super::content::{self, PartRow};
use super::db::{Keyed, Stamp, Tx, each, keyed, tx};
use super::error::StoreError;
use super::estate::account;
use super::promises::{self, Bound};
use super::{Store, new_id};
use crate::model::{
    Account, Budget, BuildId, BuilderKind, Fingerprint, HolderId, Limits, Millis, Outcome, Rebuild,
    SiteName,
};

/// What is asked for when a site's build is due.
#[derive(Clone, Debug)]
pub struct ClaimRequest {
    /// The site's id.
    pub site: String,
    /// Its name.
    pub name: SiteName,
    /// The fence that the decision was made under: what raised it since then (a claim, a pause, an
    /// adoption, the end of the site) makes the decision void.
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
    /// The build whose place it takes. If that has ended by itself, the decision is void.
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

#[derive(Serialize)]
struct Decided<'a> {
    site: &'a str,
    seen: i64,
}

#[derive(Serialize)]
struct NewBuild<'a> {
    id: &'a str,
    site: &'a str,
    fence: i64,
    hash: String,
    builder: &'static str,
    hosted: bool,
    reason: &'a str,
    request: Option<String>,
    deadline: i64,
}

impl Store {
    /// Claims as many of the requested builds as the account's limits allow, in order. What is not
    /// among the answers was decided on a state that is no more, or has to wait: the next plan
    /// says which.
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
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let mut tx = self.write.begin_alone().await?;
        let stamp = tx.stamp().await?;
        let now = tx.now().await?;
        let replaced = replace(&mut tx, stamp, requests, now).await?;
        let asked: Vec<&ClaimRequest> = requests
            .iter()
            .filter(|request| match &request.replaces {
                Some(build) => replaced.contains(build.as_str()),
                None => true,
            })
            .collect();
        let raised = raise_fences(&mut tx, &asked).await?;
        let mut room = room(&account(&mut tx, now).await?, limits, budget);
        let (standing, surplus): (Vec<_>, Vec<_>) = asked
            .into_iter()
            .filter(|request| raised.contains(&request.site))
            .partition(|request| {
                let fits = !request.builder.is_hosted() || room > 0;
                if fits && request.builder.is_hosted() {
                    room -= 1;
                }
                fits
            });
        if standing.is_empty() {
            return Ok(Vec::new());
        }
        lower_fences(&mut tx, &surplus).await?;
        let claims = insert(&mut tx, &standing, holder, now, now.plus(lease)).await?;

        let claimed: BTreeMap<&str, &Claim> = claims
            .iter()
            .map(|claim| (claim.site.as_str(), claim))
            .collect();
        let manifests = standing
            .iter()
            .map(|request| (request.fingerprint.hash(), request.fingerprint))
            .collect();
        let parts: Vec<PartRow> = standing
            .iter()
            .flat_map(|request| request.parts.iter().cloned())
            .collect();
        content::keep(&mut tx, &manifests, &parts).await?;

        for request in &standing {
            if let Some(rebuild) = &request.request {
                let answered = serde_json::to_string(rebuild).unwrap_or_default();
                tx!(&mut tx, conn => sqlx::query(
                        "UPDATE site SET rebuild = NULL, seq = $3 WHERE id = $1 AND rebuild = $2")
                    .bind(&request.site).bind(&answered).bind(stamp.0).execute(conn).await.map(|_| ())?);
            }
        }
        let hosted = standing
            .iter()
            .filter(|request| request.builder.is_hosted())
            .count();
        spend(&mut tx, now, hosted as i64).await?;
        promises::unbind(&mut tx, now, replaced.iter().map(String::as_str)).await?;
        let bound: Vec<Bound<'_>> = standing
            .iter()
            .filter_map(|request| {
                Some(Bound {
                    build: claimed.get(request.site.as_str())?.build.as_str(),
                    site: &request.site,
                    posts: request.fingerprint.posts.to_string(),
                })
            })
            .collect();
        promises::bind(&mut tx, now, &bound).await?;
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
        if outcomes.is_empty() {
            return Ok(Vec::new());
        }
        let mut tx = self.write.begin_alone().await?;
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
        // A heartbeat waits for nobody: a row that is locked is being recorded, or taken over.
        let sql = match tx.dialect() {
            Dialect::Sqlite => {
                "UPDATE build SET lease_until = $2 WHERE ended_at IS NULL AND state = 'claimed' \
                 AND id IN (SELECT e.value->>'id' FROM json_each($1) AS e)"
            }
            Dialect::Postgres => {
                "UPDATE build SET lease_until = $2 WHERE id IN (SELECT id FROM build \
                 WHERE ended_at IS NULL AND state = 'claimed' \
                 AND id IN (SELECT e.value->>'id' FROM jsonb_array_elements($1) AS e) \
                 FOR UPDATE SKIP LOCKED)"
            }
        };
        tx!(&mut tx, conn => sqlx::query(sql).bind(Json(&builds)).bind(now.plus(lease).0)
            .execute(conn).await.map(|_| ())?);
        tx.commit_silently().await
    }
}

/// Ends the builds whose place is taken: of a dead holder, or of unknown outcome. Whether they
/// reached the site is not known. Answers which they were.
async fn replace(
    tx: &mut Tx,
    stamp: Stamp,
    requests: &[ClaimRequest],
    now: Millis,
) -> Result<BTreeSet<String>, StoreError> {
    let wanted: Vec<Keyed<'_>> = requests
        .iter()
        .filter_map(|request| request.replaces.as_ref())
        .map(|build| Keyed { id: build.as_str() })
        .collect();
    if wanted.is_empty() {
        return Ok(BTreeSet::new());
    }
    let sql = each!(
        tx.dialect(),
        "UPDATE build SET ended_at = $2, \
         state = CASE WHEN state = 'unknown' AND deadline > $2 THEN 'superseded' ELSE 'lost' END \
         WHERE ended_at IS NULL AND (state = 'unknown' OR lease_until <= $2) \
         AND id IN (SELECT e.value->>'id' FROM ",
        "($1) AS e) RETURNING id, site"
    );
    let replaced: Vec<(String, String)> = tx!(&mut *tx, conn => sqlx::query_as(sql)
        .bind(Json(&wanted)).bind(now.0).fetch_all(conn).await?);
    let sites: Vec<Keyed<'_>> = replaced.iter().map(|(_, id)| Keyed { id }).collect();
    let sql = each!(
        tx.dialect(),
        "UPDATE observed SET uncertain = TRUE, seq = $2 WHERE site IN (SELECT e.value->>'id' FROM ",
        "($1) AS e)"
    );
    tx!(&mut *tx, conn => sqlx::query(sql).bind(Json(&sites)).bind(stamp.0).execute(conn).await.map(|_| ())?);
    // Only a build that was sent has a detail: what was seen instead of an answer. That of a dead
    // holder has none, and says nothing about the hook.
    let builds = keyed(replaced.iter().map(|(build, _)| build.as_str()));
    let sql = each!(
        tx.dialect(),
        "UPDATE observed SET vain_hash = b.content_hash, vain_at = b.deadline, \
         vain_count = CASE WHEN vain_hash = b.content_hash THEN vain_count + 1 ELSE 1 END, \
         vain_error = b.detail FROM ",
        "($1) AS e JOIN build b ON b.id = e.value->>'id' \
         WHERE observed.site = b.site AND b.state = 'lost' AND b.detail IS NOT NULL"
    );
    tx!(tx, conn => sqlx::query(sql).bind(Json(&builds)).execute(conn).await.map(|_| ())?);
    Ok(replaced.into_iter().map(|(build, _)| build).collect())
}

/// How many hosted builds may still be fired.
fn room(account: &Account, limits: &Limits, budget: Option<Budget>) -> u32 {
    let in_flight = limits.builds_in_flight.saturating_sub(account.in_flight);
    let fired = u32::try_from(account.fired.len()).unwrap_or(u32::MAX);
    let of_minute = limits.builds_per_minute.saturating_sub(fired);
    let of_month = budget.map_or(u32::MAX, |budget| {
        budget
            .deploys_per_month
            .saturating_sub(account.deploys_this_month)
    });
    in_flight.min(of_minute).min(of_month)
}

/// Raises the fences of the sites whose decisions still stand: nothing has raised them since then,
/// and nothing is in flight. Answers the sites' ids. Their rows are locked: whatever raises a fence
/// from here on, a pause say, is confirmed after this claim.
///
/// It marks no site as changed: the build in flight has the fence, and every look reads it.
async fn raise_fences(
    tx: &mut Tx,
    requests: &[&ClaimRequest],
) -> Result<BTreeSet<String>, StoreError> {
    let decided: Vec<Decided<'_>> = requests
        .iter()
        .map(|request| Decided {
            site: &request.site,
            seen: request.fence,
        })
        .collect();
    let sql = each!(
        tx.dialect(),
        "UPDATE observed SET fence = fence + 1 FROM ",
        "($1) AS e WHERE observed.site = e.value->>'site' \
         AND observed.fence = CAST(e.value->>'seen' AS BIGINT) AND NOT EXISTS \
         (SELECT 1 FROM build b WHERE b.site = observed.site AND b.ended_at IS NULL) \
         RETURNING observed.site"
    );
    let sites: Vec<String> =
        tx!(tx, conn => sqlx::query_scalar(sql).bind(Json(&decided)).fetch_all(conn).await?);
    Ok(sites.into_iter().collect())
}

/// Takes back what was raised a moment ago for builds that have to wait. Nobody has seen it.
async fn lower_fences(tx: &mut Tx, requests: &[&ClaimRequest]) -> Result<(), StoreError> {
    if requests.is_empty() {
        return Ok(());
    }
    let sites = keyed(requests.iter().map(|request| request.site.as_str()));
    let sql = each!(
        tx.dialect(),
        "UPDATE observed SET fence = fence - 1 WHERE site IN (SELECT e.value->>'id' FROM ",
        "($1) AS e)"
    );
    tx!(tx, conn => sqlx::query(sql).bind(Json(&sites)).execute(conn).await.map(|_| ())?);
    Ok(())
}

/// Whatever was checked before: the unique index lets in one build of a site.
async fn insert(
    tx: &mut Tx,
    requests: &[&ClaimRequest],
    holder: &HolderId,
    now: Millis,
    lease_until: Millis,
) -> Result<Vec<Claim>, StoreError> {
    let claims: Vec<Claim> = requests
        .iter()
        .map(|request| Claim {
            build: BuildId::new(new_id()),
            site: request.site.clone(),
            fence: request.fence + 1,
        })
        .collect();
    let rows: Vec<NewBuild<'_>> = requests
        .iter()
        .zip(&claims)
        .map(|(request, claim)| NewBuild {
            id: claim.build.as_str(),
            site: &claim.site,
            fence: claim.fence,
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
         SELECT e.value->>'id', e.value->>'site', e.value->>'hash', \
         CAST(e.value->>'fence' AS BIGINT), e.value->>'builder', \
         CAST(e.value->>'hosted' AS BOOLEAN), e.value->>'reason', e.value->>'request', \
         'claimed', $2, $3, $4, CAST(e.value->>'deadline' AS BIGINT) FROM ",
        "($1) AS e"
    );
    tx!(tx, conn => sqlx::query(sql).bind(Json(&rows)).bind(holder.as_str()).bind(now.0)
        .bind(lease_until.0).execute(conn).await.map(|_| ())?);
    Ok(claims)
}

/// Counts hosted builds in the month of `at`; takes them back when nothing was started.
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
