use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;
use sqlx::types::Json;

use super::audit::{audit, audit_each, audit_sites, unless_done};
use super::db::{Keyed, Stamp, Tx, each, tx};
use super::error::StoreError;
use super::estate::json;
use super::promises::{self, Promise, promise};
use super::{Store, channels, new_id};
use crate::model::{Actor, ContentHash, Hold, Millis, Rebuild, SiteName, Spec, Wanted};

/// A site that is made in chat.
#[derive(Clone, Debug)]
pub struct NewSite {
    /// Its name.
    pub name: SiteName,
    /// Its settings.
    pub spec: Spec,
}

/// What `resume` found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resumed {
    /// A hold ended, or failures were forgiven.
    Resumed,
    /// There was nothing to resume.
    NothingHeld,
}

#[derive(Serialize)]
struct Note {
    site: String,
    hash: Option<String>,
    since: Option<i64>,
    drift_since: Option<i64>,
    refused: Option<usize>,
}

#[derive(Serialize)]
struct Hashed<'a> {
    site: &'a str,
    hash: String,
}

/// After the clock was set back, a holder that lives has renewed its claims within this time.
const CHANCE: Duration = Duration::from_secs(15);

impl Store {
    /// Makes a site from chat. `false`: the name is taken.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written.
    pub async fn add_site(&self, site: &NewSite, by: &Actor) -> Result<bool, StoreError> {
        let mut tx = self.write.begin().await?;
        let stamp = tx.stamp().await?;
        let now = tx.now().await?;
        let Some(id) = insert(&mut tx, stamp, now, site, by).await? else {
            return unless_done(&mut tx, by, false).await;
        };
        promise_of(&mut tx, now, by, &id, "site add").await?;
        audit(&mut tx, now, by, "site add", Some(&site.name), None).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Gives up a site that chat made: it is forgotten by the next look of the loop, and no channel
    /// is mirrored into it any more. `false`: there
    /// is none, or `sites.toml` declares it.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written.
    pub async fn remove_site(
        &self,
        id: &str,
        name: &SiteName,
        by: &Actor,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write.begin().await?;
        let stamp = tx.stamp().await?;
        let now = tx.now().await?;
        if remove(&mut tx, stamp, &[id]).await? == 0 {
            return unless_done(&mut tx, by, false).await;
        }
        channels::end_strays(&mut tx, now).await?;
        audit(&mut tx, now, by, "site remove", Some(name), None).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Pauses a site. A build that flies goes on; nothing new starts.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written.
    pub async fn pause(
        &self,
        id: &str,
        name: &SiteName,
        hold: &Hold,
        by: &Actor,
    ) -> Result<(), StoreError> {
        let text = serde_json::to_string(hold).unwrap_or_default();
        let mut tx = self.write.begin().await?;
        let stamp = tx.stamp().await?;
        let now = tx.now().await?;
        // A build that was decided on before, and is not claimed yet, is not claimed any more.
        tx!(&mut tx, conn => sqlx::query(
                "UPDATE observed SET fence = fence + 1, seq = $2 WHERE site = $1")
            .bind(id).bind(stamp.0).execute(conn).await.map(|_| ())?);
        tx!(&mut tx, conn => sqlx::query("UPDATE site SET hold = $2, seq = $3 WHERE id = $1")
            .bind(id).bind(&text).bind(stamp.0).execute(conn).await.map(|_| ())?);
        audit(
            &mut tx,
            now,
            by,
            "pause",
            Some(name),
            hold.because.as_deref(),
        )
        .await?;
        tx.commit().await
    }

    /// Ends a hold and forgives failures, so that a stalled or failed site is tried again.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written.
    pub async fn resume(
        &self,
        id: &str,
        name: &SiteName,
        by: &Actor,
    ) -> Result<Resumed, StoreError> {
        let mut tx = self.write.begin().await?;
        let stamp = tx.stamp().await?;
        let now = tx.now().await?;
        let forgiven = forgive(&mut tx, stamp, id).await?;
        let held = tx!(&mut tx, conn => sqlx::query(
                "UPDATE site SET hold = NULL, seq = $2 WHERE id = $1 AND hold IS NOT NULL")
            .bind(id).bind(stamp.0).execute(conn).await?.rows_affected());
        if held == 0 && !forgiven {
            return unless_done(&mut tx, by, Resumed::NothingHeld).await;
        }
        audit(&mut tx, now, by, "resume", Some(name), None).await?;
        tx.commit().await?;
        Ok(Resumed::Resumed)
    }

    /// Asks for a build of a site whatever its content, and forgives its failures.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written.
    pub async fn request_rebuild(
        &self,
        id: &str,
        name: &SiteName,
        clear_cache: bool,
        by: &Actor,
    ) -> Result<(), StoreError> {
        let mut tx = self.write.begin().await?;
        let stamp = tx.stamp().await?;
        let now = tx.now().await?;
        let rebuild = Rebuild {
            by: by.name.clone(),
            at: now,
            clear_cache,
        };
        let text = serde_json::to_string(&rebuild).unwrap_or_default();
        forgive(&mut tx, stamp, id).await?;
        tx!(&mut tx, conn => sqlx::query("UPDATE site SET rebuild = $2, seq = $3 WHERE id = $1")
            .bind(id).bind(&text).bind(stamp.0).execute(conn).await.map(|_| ())?);
        promise_of(&mut tx, now, by, id, "rebuild").await?;
        audit(&mut tx, now, by, "rebuild", Some(name), None).await?;
        tx.commit().await
    }

    /// Lets this content of these sites (by id) through the safety rails, until it, or something
    /// else, is what the site is known to be built from.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written.
    pub async fn approve(
        &self,
        sites: &[(String, ContentHash)],
        by: &Actor,
    ) -> Result<(), StoreError> {
        let rows: Vec<Hashed<'_>> = sites
            .iter()
            .map(|(site, hash)| Hashed {
                site,
                hash: hash.to_string(),
            })
            .collect();
        let mut tx = self.write.begin_alone().await?;
        let stamp = tx.stamp().await?;
        let now = tx.now().await?;
        let sql = each!(
            tx.dialect(),
            "UPDATE site SET approved = e.value->>'hash', seq = $2 FROM ",
            "($1) AS e WHERE site.id = e.value->>'site'"
        );
        tx!(&mut tx, conn => sqlx::query(sql).bind(Json(&rows)).bind(stamp.0).execute(conn).await.map(|_| ())?);
        let ids = sites.iter().map(|(site, _)| site.as_str());
        audit_sites(&mut tx, now, by, "force", ids).await?;
        tx.commit().await
    }

    /// Forgets sites (by id) that are no longer declared. Posts, revisions and builds stay; one
    /// that is in flight is over, since nobody follows it any more.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written.
    pub async fn forget(&self, sites: &[(String, SiteName)]) -> Result<(), StoreError> {
        if sites.is_empty() {
            return Ok(());
        }
        let mut tx = self.write.begin_alone().await?;
        let stamp = tx.stamp().await?;
        let now = tx.now().await?;
        let wanted: Vec<Keyed<'_>> = sites.iter().map(|(id, _)| Keyed { id }).collect();
        let sql = each!(
            tx.dialect(),
            "SELECT site.id FROM ",
            "($1) AS e JOIN site ON site.id = e.value->>'id' AND site.presence = 'removed'"
        );
        let gone: BTreeSet<String> = tx!(&mut tx, conn => sqlx::query_scalar(sql)
            .bind(Json(&wanted)).fetch_all(conn).await?)
        .into_iter()
        .collect();
        let sites = || sites.iter().filter(|(id, _)| gone.contains(id));
        let rows: Vec<Keyed<'_>> = sites().map(|(id, _)| Keyed { id }).collect();
        let builds = each!(
            tx.dialect(),
            "UPDATE build SET state = 'lost', ended_at = $2, \
             detail = 'the site was removed while it was built' \
             WHERE ended_at IS NULL AND site IN (SELECT e.value->>'id' FROM ",
            "($1) AS e)"
        );
        let observed = each!(
            tx.dialect(),
            "UPDATE observed SET seq = $2, fence = fence + 1, built_hash = NULL, \
             built_spec = NULL, built_posts = NULL, built_files = NULL, built_revision = NULL, \
             built_at = NULL, uncertain = FALSE, wanted_hash = NULL, wanted_since = NULL, \
             drift_since = NULL, failures = 0, failed_at = NULL, failed_error = NULL, \
             failed_after = NULL, stalled = FALSE, broken_hash = NULL, broken_at = NULL, \
             broken_error = NULL, vain_hash = NULL, vain_count = 0, vain_at = NULL, \
             vain_error = NULL WHERE site IN (SELECT e.value->>'id' FROM ",
            "($1) AS e)"
        );
        let site = each!(
            tx.dialect(),
            "UPDATE site SET seq = $2, presence = 'forgotten', hold = NULL, rebuild = NULL, \
             approved = NULL WHERE id IN (SELECT e.value->>'id' FROM ",
            "($1) AS e)"
        );
        for (sql, value) in [(builds, now.0), (observed, stamp.0), (site, stamp.0)] {
            tx!(&mut tx, conn => sqlx::query(sql).bind(Json(&rows)).bind(value)
                .execute(conn).await.map(|_| ())?);
        }
        promises::give_up(&mut tx, now, sites().map(|(id, _)| id.as_str())).await?;
        let names: Vec<&SiteName> = sites().map(|(_, name)| name).collect();
        audit_each(&mut tx, now, &Actor::the_loop(), "forget", &names).await?;
        tx.commit().await
    }

    /// Notes what sites (by id) want that is not built, or that nothing is wanted any more:
    /// debounce and `max_wait` count from these times.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written.
    pub async fn note(&self, notes: &[(String, Option<Wanted>)]) -> Result<(), StoreError> {
        if notes.is_empty() {
            return Ok(());
        }
        let rows: Vec<Note> = notes
            .iter()
            .map(|(site, wanted)| Note {
                site: site.clone(),
                hash: wanted.map(|wanted| wanted.hash.to_string()),
                since: wanted.map(|wanted| wanted.since.0),
                drift_since: wanted.map(|wanted| wanted.drift_since.0),
                refused: wanted.and_then(|wanted| wanted.refused),
            })
            .collect();
        let mut tx = self.write.begin_alone().await?;
        let stamp = tx.stamp().await?;
        let sql = each!(
            tx.dialect(),
            "UPDATE observed SET seq = $2, wanted_hash = e.value->>'hash', \
             wanted_since = CAST(e.value->>'since' AS BIGINT), \
             drift_since = CAST(e.value->>'drift_since' AS BIGINT), \
             wanted_refused = CAST(e.value->>'refused' AS BIGINT) FROM ",
            "($1) AS e WHERE observed.site = e.value->>'site'"
        );
        tx!(&mut tx, conn => sqlx::query(sql).bind(Json(&rows)).bind(stamp.0).execute(conn).await.map(|_| ())?);
        // Nobody has to be woken: the replicas see the same change, and note the same.
        tx.commit_silently().await
    }

    /// Brings stored times that lie in the future back to now: the clock was set back, and what
    /// was to happen "in ten seconds" would otherwise wait for the old clock to come again.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written.
    pub async fn clock_was_set_back(&self) -> Result<(), StoreError> {
        let mut tx = self.write.begin_alone().await?;
        let stamp = tx.stamp().await?;
        let now: Millis = tx.now().await?;
        for sql in [
            "UPDATE observed SET wanted_since = $1, seq = $2 WHERE wanted_since > $1",
            "UPDATE observed SET drift_since = $1, seq = $2 WHERE drift_since > $1",
            "UPDATE observed SET failed_at = $1, seq = $2 WHERE failed_at > $1",
            "UPDATE observed SET built_at = $1, seq = $2 WHERE built_at > $1",
            "UPDATE observed SET vain_at = $1, seq = $2 WHERE vain_at > $1",
        ] {
            tx!(&mut tx, conn => sqlx::query(sql).bind(now.0).bind(stamp.0).execute(conn).await.map(|_| ())?);
        }
        // A claim keeps its holder's chance to renew it: lease and deadline keep their length.
        tx!(&mut tx, conn => sqlx::query(
                "UPDATE build SET deadline = deadline - claimed_at + $1, \
                 lease_until = lease_until - claimed_at + $1, \
                 claimed_at = $1 WHERE ended_at IS NULL AND claimed_at > $1")
            .bind(now.0).execute(conn).await.map(|_| ())?);
        tx!(&mut tx, conn => sqlx::query(
                "UPDATE build SET lease_until = $1 WHERE ended_at IS NULL AND lease_until > $1")
            .bind(now.plus(CHANCE).0).execute(conn).await.map(|_| ())?);
        tx!(&mut tx, conn => sqlx::query(
                "UPDATE build SET claimed_at = $1 WHERE hosted = TRUE AND claimed_at > $1")
            .bind(now.0).execute(conn).await.map(|_| ())?);
        for sql in [
            "UPDATE channel SET next_at = $1 WHERE next_at > $1",
            "UPDATE telling SET asked_at = $1 WHERE asked_at > $1 AND closed_at IS NULL",
            "UPDATE telling SET next_at = $1 WHERE next_at > $1 AND closed_at IS NULL",
            "UPDATE telling SET lease_until = $1 WHERE lease_until > $1 AND closed_at IS NULL",
        ] {
            tx!(&mut tx, conn => sqlx::query(sql).bind(now.0).execute(conn).await.map(|_| ())?);
        }
        tx.commit().await
    }
}

/// Makes a site from chat. `None`: the name is taken, or was taken by a site of somebody else, whose
/// posts would come with it.
pub(super) async fn insert(
    tx: &mut Tx,
    stamp: Stamp,
    now: Millis,
    site: &NewSite,
    by: &Actor,
) -> Result<Option<String>, StoreError> {
    // Changes nothing, and holds the row, if there is one, as it is now.
    let before: Option<String> = tx!(&mut *tx, conn => sqlx::query_scalar(
            "UPDATE site SET name = name WHERE name = $1 RETURNING spec")
        .bind(site.name.as_str()).fetch_optional(conn).await?);
    if let Some(before) = before {
        let before: Spec = json(&before)?;
        if before.workspace() != site.spec.workspace() {
            return Ok(None);
        }
    }
    let spec = serde_json::to_string(&site.spec)
        .map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let id: Option<String> = tx!(&mut *tx, conn => sqlx::query_scalar(
            "INSERT INTO site (id, name, seq, origin, presence, spec, created_by, created_at) \
             VALUES ($1, $2, $3, 'chat', 'declared', $4, $5, $6) \
             ON CONFLICT (name) DO UPDATE SET seq = excluded.seq, origin = 'chat', \
             presence = 'declared', spec = excluded.spec, line = NULL, files_digest = NULL, \
             files_problem = NULL, revision = NULL \
             WHERE site.presence = 'forgotten' RETURNING id")
        .bind(new_id()).bind(site.name.as_str()).bind(stamp.0).bind(&spec).bind(&by.name)
        .bind(now.0).fetch_optional(conn).await?);
    let Some(id) = id else {
        return Ok(None);
    };
    tx!(tx, conn => sqlx::query(
            "INSERT INTO observed (site, seq) VALUES ($1, $2) ON CONFLICT (site) DO NOTHING")
        .bind(&id).bind(stamp.0).execute(conn).await.map(|_| ())?);
    Ok(Some(id))
}

/// Gives up those of these sites (by id) that chat made. Answers how many.
pub(super) async fn remove(tx: &mut Tx, stamp: Stamp, ids: &[&str]) -> Result<u64, StoreError> {
    let rows: Vec<Keyed<'_>> = ids.iter().map(|id| Keyed { id }).collect();
    let sql = each!(
        tx.dialect(),
        "UPDATE site SET presence = 'removed', seq = $2 WHERE origin = 'chat' \
         AND presence = 'declared' AND id IN (SELECT e.value->>'id' FROM ",
        "($1) AS e)"
    );
    Ok(
        tx!(tx, conn => sqlx::query(sql).bind(Json(&rows)).bind(stamp.0)
            .execute(conn).await?.rows_affected()),
    )
}

/// Promises whoever asked something of a site, which is no matter of posts, to tell how it ends.
async fn promise_of(
    tx: &mut Tx,
    now: Millis,
    by: &Actor,
    site: &str,
    action: &'static str,
) -> Result<(), StoreError> {
    let Some(to) = &by.tell else {
        return Ok(());
    };
    let promised = Promise {
        to,
        site,
        action,
        subject: None,
        posts_version: None,
    };
    promise(tx, now, &[promised]).await
}

async fn forgive(tx: &mut Tx, stamp: Stamp, site: &str) -> Result<bool, StoreError> {
    let forgiven = tx!(tx, conn => sqlx::query(
            "UPDATE observed SET failures = 0, failed_at = NULL, failed_error = NULL, \
             failed_after = NULL, stalled = FALSE, broken_hash = NULL, broken_at = NULL, \
             broken_error = NULL, vain_hash = NULL, vain_count = 0, vain_at = NULL, \
             vain_error = NULL, seq = $2 \
             WHERE site = $1 AND (failures > 0 OR stalled = TRUE OR broken_hash IS NOT NULL \
             OR vain_hash IS NOT NULL)")
        .bind(site).bind(stamp.0).execute(conn).await?.rows_affected());
    Ok(forgiven > 0)
}
