//! From what came of builds to what people are told: the promises that wait for a build take over
//! how it ended, and what nobody asked for is told to one channel.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use sqlx::types::Json;

use super::db::{Keyed, Tx, each, tx};
use super::error::StoreError;
use super::estate::{json, parsed};
use super::{Store, new_id};
use crate::model::{Millis, SiteName, Spec};

/// What became of rows of the outbox.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Routed {
    /// How many rows were read; none of them is read again.
    pub rows: usize,
    /// Promises that took over how a build ended.
    pub taken: u64,
    /// Builds of which the channel is told, one by one.
    pub told: usize,
    /// Builds of which the channel is told in one digest.
    pub digested: usize,
    /// Rows that are told a moment later, with what follows them.
    pub kept_back: usize,
}

/// The channel that is told of what nobody asked for.
#[derive(Clone, Copy)]
pub struct Notify<'a> {
    /// The workspace that it is in.
    pub workspace: &'a str,
    /// Its id.
    pub channel: &'a str,
    /// Whether it is told of the sites of a workspace. Of those of none it always is.
    pub is_told_of: &'a (dyn Fn(&str) -> bool + Sync),
}

/// The detail of a digest.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Flood {
    /// How many builds ended in which state.
    pub states: BTreeMap<String, u64>,
    /// Up to 20 of the sites, those that need somebody first.
    pub sites: Vec<SiteName>,
}

/// Names in a digest.
const NAMES: usize = 20;

#[derive(FromRow)]
struct Row {
    id: String,
    at: i64,
    site: String,
    name: Option<String>,
    spec: Option<String>,
    build: String,
    state: String,
    reason: String,
    detail: Option<String>,
}

impl Row {
    fn is_for_the_channel(&self) -> bool {
        matches!(
            self.state.as_str(),
            "live" | "accepted" | "failed" | "stalled" | "stuck"
        )
    }
}

impl Notify<'_> {
    fn is_told(&self, row: &Row) -> Result<bool, StoreError> {
        let spec: Option<Spec> = row.spec.as_deref().map(json).transpose()?;
        let workspace = spec.as_ref().and_then(Spec::workspace);
        Ok(workspace.is_none_or(self.is_told_of))
    }
}

impl Store {
    /// Routes up to `limit` unsent rows of the outbox, in order. A promise that waits for a build
    /// takes over its state. Of a build that nobody waits for `notify` is told if it ended; of more than `flood` such builds at once, in one digest. To see how many
    /// there are, the first of them is kept back for as long as `gather`.
    ///
    /// One transaction, one at a time over all replicas: nothing is lost, and nothing told twice.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written: then nothing is routed.
    pub async fn route_outbox(
        &self,
        limit: u32,
        notify: Option<Notify<'_>>,
        flood: usize,
        gather: Duration,
    ) -> Result<Routed, StoreError> {
        if self.outbox_depth().await? == 0 {
            return Ok(Routed::default());
        }
        let mut tx = self.write.begin_alone().await?;
        let now = tx.now().await?;
        let rows: Vec<Row> = tx!(&mut tx, conn => sqlx::query_as(
                "SELECT o.id, o.at, o.site, s.name, s.spec, o.build, o.state, o.reason, o.detail \
                 FROM outbox o \
                 LEFT JOIN site s ON s.id = o.site WHERE o.sent_at IS NULL \
                 ORDER BY o.at, o.id LIMIT $1")
            .bind(i64::from(limit)).fetch_all(conn).await?);
        if rows.is_empty() {
            return Ok(Routed::default());
        }
        // Only how things are now is told: of several rows of a build the last one counts.
        let newest: BTreeMap<&str, &Row> =
            rows.iter().map(|row| (row.build.as_str(), row)).collect();
        let bound = bound(&mut tx, &newest).await?;
        let taken = take_over(&mut tx, now, &newest, &bound).await?;
        let is_newest = |row: &Row| {
            let last = newest.get(row.build.as_str());
            last.is_some_and(|last| last.id == row.id)
        };
        let mut unasked: Vec<&Row> = Vec::new();
        for row in &rows {
            let ended = is_newest(row) && row.is_for_the_channel();
            if let Some(notify) = &notify
                && ended
                && !bound.contains(&row.build)
                && notify.is_told(row)?
            {
                unasked.push(row);
            }
        }
        let oldest = unasked.iter().map(|row| row.at).min();
        let early = oldest.is_some_and(|at| Millis(at).plus(gather) > now);
        let mut routed = Routed {
            rows: rows.len(),
            taken,
            ..Routed::default()
        };
        let kept_back: BTreeSet<&str> = match early {
            true => unasked.iter().map(|row| row.id.as_str()).collect(),
            false => BTreeSet::new(),
        };
        routed.kept_back = kept_back.len();
        if let Some(notify) = notify.filter(|_| !early) {
            let (workspace, channel) = (notify.workspace, notify.channel);
            if unasked.len() > flood {
                digest(&mut tx, now, workspace, channel, &unasked).await?;
                routed.digested = unasked.len();
            } else {
                tell_each(&mut tx, now, workspace, channel, &unasked).await?;
                routed.told = unasked.len();
            }
        }
        let ids: Vec<Keyed<'_>> = rows
            .iter()
            .filter(|row| !kept_back.contains(row.id.as_str()))
            .map(|row| Keyed { id: &row.id })
            .collect();
        if ids.is_empty() {
            return Ok(routed);
        }
        let sql = each!(
            tx.dialect(),
            "UPDATE outbox SET sent_at = $2 WHERE id IN (SELECT e.value->>'id' FROM ",
            "($1) AS e)"
        );
        tx!(&mut tx, conn => sqlx::query(sql).bind(Json(ids)).bind(now.0)
            .execute(conn).await.map(|_| ())?);
        // Whoever tells is told: what is due now may be another replica's to tell.
        tx.commit().await?;
        Ok(routed)
    }
}

/// The builds that somebody waits, or waited, for the end of.
async fn bound(tx: &mut Tx, newest: &BTreeMap<&str, &Row>) -> Result<BTreeSet<String>, StoreError> {
    let builds: Vec<Keyed<'_>> = newest.keys().map(|id| Keyed { id }).collect();
    let sql = each!(
        tx.dialect(),
        "SELECT DISTINCT t.build FROM ",
        "($1) AS e JOIN telling t ON t.build = e.value->>'id'"
    );
    let bound: Vec<String> =
        tx!(tx, conn => sqlx::query_scalar(sql).bind(Json(builds)).fetch_all(conn).await?);
    Ok(bound.into_iter().collect())
}

async fn take_over(
    tx: &mut Tx,
    now: Millis,
    newest: &BTreeMap<&str, &Row>,
    bound: &BTreeSet<String>,
) -> Result<u64, StoreError> {
    #[derive(Serialize)]
    struct Ended<'a> {
        build: &'a str,
        state: &'a str,
        detail: Option<&'a str>,
    }
    let rows: Vec<Ended<'_>> = newest
        .values()
        .filter(|row| bound.contains(&row.build))
        // What waited for a build that was never started waits for the next since that was recorded.
        .filter(|row| row.state != "refused")
        .map(|row| Ended {
            build: &row.build,
            state: &row.state,
            detail: row.detail.as_deref(),
        })
        .collect();
    if rows.is_empty() {
        return Ok(0);
    }
    let sql = each!(
        tx.dialect(),
        "UPDATE telling SET state = e.value->>'state', state_at = $2, \
         detail = e.value->>'detail', closed_at = NULL, \
         next_at = CASE WHEN telling.failures = 0 THEN $2 ELSE telling.next_at END FROM ",
        "($1) AS e WHERE telling.build = e.value->>'build'"
    );
    Ok(
        tx!(tx, conn => sqlx::query(sql).bind(Json(rows)).bind(now.0)
            .execute(conn).await?.rows_affected()),
    )
}

async fn tell_each(
    tx: &mut Tx,
    now: Millis,
    workspace: &str,
    channel: &str,
    rows: &[&Row],
) -> Result<(), StoreError> {
    #[derive(Serialize)]
    struct New<'a> {
        id: String,
        site: &'a str,
        build: &'a str,
        state: &'a str,
        reason: &'a str,
        detail: Option<&'a str>,
    }
    if rows.is_empty() {
        return Ok(());
    }
    let rows: Vec<New<'_>> = rows
        .iter()
        .map(|row| New {
            id: new_id(),
            site: &row.site,
            build: &row.build,
            state: &row.state,
            reason: &row.reason,
            detail: row.detail.as_deref(),
        })
        .collect();
    let sql = each!(
        tx.dialect(),
        "INSERT INTO telling (id, site, workspace, conversation, asked_at, action, subject, \
         build, state, state_at, detail, next_at) \
         SELECT e.value->>'id', e.value->>'site', $3, $4, $2, 'build', e.value->>'reason', \
         e.value->>'build', e.value->>'state', $2, e.value->>'detail', $2 FROM ",
        "($1) AS e"
    );
    tx!(tx, conn => sqlx::query(sql).bind(Json(rows)).bind(now.0).bind(workspace).bind(channel)
        .execute(conn).await.map(|_| ())?);
    Ok(())
}

async fn digest(
    tx: &mut Tx,
    now: Millis,
    workspace: &str,
    channel: &str,
    rows: &[&Row],
) -> Result<(), StoreError> {
    let mut flood = Flood::default();
    for row in rows {
        *flood.states.entry(row.state.clone()).or_default() += 1;
    }
    let (trouble, good): (Vec<&Row>, Vec<&Row>) = rows
        .iter()
        .partition(|row| matches!(row.state.as_str(), "failed" | "stalled" | "stuck"));
    let mut named = BTreeSet::new();
    for row in trouble.into_iter().chain(good) {
        if flood.sites.len() == NAMES {
            break;
        }
        if let Some(name) = &row.name
            && named.insert(name)
        {
            flood.sites.push(parsed(name)?);
        }
    }
    let detail = serde_json::to_string(&flood).unwrap_or_default();
    tx!(tx, conn => sqlx::query(
            "INSERT INTO telling (id, workspace, conversation, asked_at, action, state, state_at, \
             detail, next_at) VALUES ($1, $2, $3, $4, 'digest', 'digest', $4, $5, $4)")
        .bind(new_id()).bind(workspace).bind(channel).bind(now.0).bind(&detail)
        .execute(conn).await.map(|_| ())?);
    Ok(())
}
