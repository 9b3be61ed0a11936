use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sqlx::types::Json;

use super::builds::{Claim, Recorded, spend};
use super::db::{Stamp, Tx, each, tx};
use super::error::StoreError;
use super::{new_id, promises};
use crate::model::{BuildState, Millis, Outcome, Trouble};

/// One outcome, as SQL takes it.
#[derive(Serialize)]
pub(super) struct Row<'a> {
    id: &'a str,
    site: &'a str,
    fence: i64,
    state: &'static str,
    ended_at: Option<i64>,
    detail: Option<&'a str>,
    after: Option<i64>,
    stalled: bool,
    /// It is tried again by itself.
    again: bool,
    doubtful: bool,
    outbox: String,
}

/// Longer texts of builders and servers are cut: they are for people, not for archives.
const DETAIL_CHARS: usize = 500;

/// What each outcome changes, in one set of statements per kind of outcome, so that ten thousand
/// builds cost as many statements as one.
pub(super) async fn record(
    tx: &mut Tx,
    stamp: Stamp,
    now: Millis,
    outcomes: &[(Claim, Outcome)],
) -> Result<Vec<Recorded>, StoreError> {
    let details: Vec<Option<String>> = outcomes
        .iter()
        .map(|(_, outcome)| {
            let shown = detail(outcome)?.chars().filter(|c| *c != '\0');
            Some(shown.take(DETAIL_CHARS).collect())
        })
        .collect();
    let rows: Vec<(&Outcome, Row<'_>)> = outcomes
        .iter()
        .zip(&details)
        .map(|((claim, outcome), detail)| {
            let state = state(outcome);
            let row = Row {
                id: claim.build().as_str(),
                site: claim.site(),
                fence: claim.fence(),
                state: state.as_str(),
                ended_at: state.is_over().then_some(now.0),
                detail: detail.as_deref(),
                after: match outcome {
                    Outcome::Retry { after, .. } => {
                        after.and_then(|after| i64::try_from(after.as_millis()).ok())
                    }
                    _ => None,
                },
                stalled: matches!(outcome, Outcome::Stalled { .. }),
                again: matches!(outcome, Outcome::Retry { .. }),
                doubtful: matches!(outcome, Outcome::Retry { doubtful: true, .. }),
                outbox: new_id(),
            };
            (outcome, row)
        })
        .collect();

    let all: Vec<&Row<'_>> = rows.iter().map(|(_, row)| row).collect();
    let sql = each!(
        tx.dialect(),
        "UPDATE build SET state = e.value->>'state', detail = e.value->>'detail', \
         ended_at = CAST(e.value->>'ended_at' AS BIGINT) FROM ",
        "($1) AS e WHERE build.id = e.value->>'id' AND build.ended_at IS NULL \
         AND build.fence = CAST(e.value->>'fence' AS BIGINT) RETURNING build.id"
    );
    let taken: Vec<String> =
        tx!(&mut *tx, conn => sqlx::query_scalar(sql).bind(Json(&all)).fetch_all(conn).await?);
    let taken: BTreeSet<&str> = taken.iter().map(String::as_str).collect();
    let of = |wanted: fn(&Outcome) -> bool| -> Vec<&Row<'_>> {
        rows.iter()
            .filter(|(outcome, row)| wanted(outcome) && taken.contains(row.id))
            .map(|(_, row)| row)
            .collect()
    };

    built(
        tx,
        stamp,
        &of(|o| matches!(o, Outcome::Accepted | Outcome::Live)),
    )
    .await?;
    broken(tx, stamp, now, &of(|o| matches!(o, Outcome::Failed { .. }))).await?;
    let trouble = of(|o| matches!(o, Outcome::Retry { .. } | Outcome::Stalled { .. }));
    troubled(tx, stamp, now, &trouble).await?;
    let nothing_started = of(|o| {
        matches!(
            o,
            Outcome::Retry { .. } | Outcome::Stalled { .. } | Outcome::Moved { .. }
        )
    });
    take_back(tx, stamp, &nothing_started).await?;
    tell(tx, now, &of(|_| true)).await?;
    // Not those that stalled: nothing more is tried until somebody changes something.
    let again = of(|o| matches!(o, Outcome::Retry { .. }));
    promises::not_started(tx, now, &again).await?;
    let moved = of(|o| matches!(o, Outcome::Moved { .. }));
    in_vain(tx, stamp, now, &moved).await?;
    promises::unbind(tx, now, moved.iter().map(|row| row.id)).await?;
    Ok(rows
        .iter()
        .map(|(_, row)| {
            if taken.contains(row.id) {
                Recorded::Taken
            } else {
                Recorded::TooLate
            }
        })
        .collect())
}

/// The site is now what the build's manifest says. What else is wanted came after the claim.
async fn built(tx: &mut Tx, stamp: Stamp, rows: &[&Row<'_>]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let sql = each!(
        tx.dialect(),
        "UPDATE observed SET seq = $2, built_hash = m.hash, built_spec = m.spec, built_posts = m.posts, \
         built_files = m.files, built_revision = m.revision, built_at = b.claimed_at, \
         uncertain = FALSE, failures = 0, failed_at = NULL, failed_error = NULL, \
         failed_after = NULL, stalled = FALSE, broken_hash = NULL, broken_at = NULL, \
         broken_error = NULL, vain_hash = NULL, vain_count = 0, vain_at = NULL, \
         vain_error = NULL, \
         wanted_since = CASE WHEN wanted_hash = b.content_hash THEN NULL ELSE wanted_since END, \
         drift_since = CASE WHEN wanted_hash = b.content_hash THEN NULL \
         WHEN drift_since < b.claimed_at THEN b.claimed_at ELSE drift_since END, \
         wanted_hash = CASE WHEN wanted_hash = b.content_hash THEN NULL ELSE wanted_hash END FROM ",
        "($1) AS e JOIN build b ON b.id = e.value->>'id' \
         JOIN manifest m ON m.hash = b.content_hash WHERE observed.site = b.site"
    );
    tx!(&mut *tx, conn => sqlx::query(sql).bind(Json(rows)).bind(stamp.0).execute(conn).await.map(|_| ())?);
    // Somebody let that content through, not whatever the site comes back to one day.
    let sql = each!(
        tx.dialect(),
        "UPDATE site SET approved = NULL, seq = $2 WHERE approved IS NOT NULL \
         AND id IN (SELECT e.value->>'site' FROM ",
        "($1) AS e)"
    );
    tx!(tx, conn => sqlx::query(sql).bind(Json(rows)).bind(stamp.0).execute(conn).await.map(|_| ())?);
    Ok(())
}

/// The builder failed on this very content: it waits for other content, or for a person.
async fn broken(
    tx: &mut Tx,
    stamp: Stamp,
    now: Millis,
    rows: &[&Row<'_>],
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let sql = each!(
        tx.dialect(),
        "UPDATE observed SET seq = $2, broken_hash = b.content_hash, broken_at = $3, \
         broken_error = e.value->>'detail', failures = 0, failed_at = NULL, failed_error = NULL, \
         failed_after = NULL, stalled = FALSE, vain_hash = NULL, vain_count = 0, vain_at = NULL, \
         vain_error = NULL FROM ",
        "($1) AS e JOIN build b ON b.id = e.value->>'id' WHERE observed.site = b.site"
    );
    tx!(tx, conn => sqlx::query(sql).bind(Json(rows)).bind(stamp.0).bind(now.0).execute(conn).await.map(|_| ())?);
    Ok(())
}

async fn troubled(
    tx: &mut Tx,
    stamp: Stamp,
    now: Millis,
    rows: &[&Row<'_>],
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let sql = each!(
        tx.dialect(),
        "UPDATE observed SET seq = $2, failures = failures + 1, failed_at = $3, \
         failed_error = e.value->>'detail', \
         failed_after = CAST(e.value->>'after' AS BIGINT), \
         stalled = CAST(e.value->>'stalled' AS BOOLEAN), \
         uncertain = uncertain OR CAST(e.value->>'doubtful' AS BOOLEAN) FROM ",
        "($1) AS e WHERE observed.site = e.value->>'site'"
    );
    tx!(tx, conn => sqlx::query(sql).bind(Json(rows)).bind(stamp.0).bind(now.0).execute(conn).await.map(|_| ())?);
    Ok(())
}

/// Content that was gone when it was to be built: should the same be wanted again and again, it waits.
async fn in_vain(
    tx: &mut Tx,
    stamp: Stamp,
    now: Millis,
    rows: &[&Row<'_>],
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let sql = each!(
        tx.dialect(),
        "UPDATE observed SET seq = $2, vain_hash = b.content_hash, vain_at = $3, \
         vain_count = CASE WHEN vain_hash = b.content_hash THEN vain_count + 1 ELSE 1 END, \
         vain_error = e.value->>'detail' FROM ",
        "($1) AS e JOIN build b ON b.id = e.value->>'id' WHERE observed.site = b.site"
    );
    tx!(tx, conn => sqlx::query(sql).bind(Json(rows)).bind(stamp.0).bind(now.0).execute(conn).await.map(|_| ())?);
    Ok(())
}

/// Nothing was started: nothing is paid for, and the request that asked for it stands.
async fn take_back(tx: &mut Tx, stamp: Stamp, rows: &[&Row<'_>]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    // Whoever did not see the build in flight does not know the fence that its claim raised.
    let sql = each!(
        tx.dialect(),
        "UPDATE observed SET seq = $2 WHERE site IN (SELECT e.value->>'site' FROM ",
        "($1) AS e)"
    );
    tx!(&mut *tx, conn => sqlx::query(sql).bind(Json(rows)).bind(stamp.0).execute(conn).await.map(|_| ())?);
    let sql = each!(
        tx.dialect(),
        "UPDATE site SET rebuild = b.request, seq = $2 FROM ",
        "($1) AS e JOIN build b ON b.id = e.value->>'id' \
         WHERE site.id = b.site AND site.rebuild IS NULL AND b.request IS NOT NULL"
    );
    tx!(&mut *tx, conn => sqlx::query(sql).bind(Json(rows)).bind(stamp.0).execute(conn).await.map(|_| ())?);
    let sql = each!(
        tx.dialect(),
        "SELECT b.claimed_at FROM ",
        "($1) AS e JOIN build b ON b.id = e.value->>'id' WHERE b.hosted = TRUE"
    );
    let hosted: Vec<i64> =
        tx!(&mut *tx, conn => sqlx::query_scalar(sql).bind(Json(rows)).fetch_all(conn).await?);
    // From the month in which it was counted, which may be over.
    let mut months = BTreeMap::<Millis, i64>::new();
    for claimed_at in hosted {
        *months.entry(Millis(claimed_at).month().0).or_default() += 1;
    }
    for (month, deploys) in months {
        spend(tx, month, -deploys).await?;
    }
    Ok(())
}

async fn tell(tx: &mut Tx, now: Millis, rows: &[&Row<'_>]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let sql = each!(
        tx.dialect(),
        "INSERT INTO outbox (id, at, site, build, state, reason, detail) \
         SELECT e.value->>'outbox', $2, b.site, b.id, \
         CASE WHEN CAST(e.value->>'stalled' AS BOOLEAN) THEN 'stalled' \
         WHEN CAST(e.value->>'again' AS BOOLEAN) AND o.failures = $3 THEN 'stuck' \
         ELSE b.state END, b.reason, b.detail FROM ",
        "($1) AS e JOIN build b ON b.id = e.value->>'id' JOIN observed o ON o.site = b.site"
    );
    tx!(tx, conn => sqlx::query(sql).bind(Json(rows)).bind(now.0).bind(i64::from(Trouble::MANY))
        .execute(conn).await.map(|_| ())?);
    Ok(())
}

fn state(outcome: &Outcome) -> BuildState {
    match outcome {
        Outcome::Accepted => BuildState::Accepted,
        Outcome::Live => BuildState::Live,
        Outcome::Failed { .. } => BuildState::Failed,
        Outcome::Retry { .. } | Outcome::Stalled { .. } | Outcome::Moved { .. } => {
            BuildState::Refused
        }
        Outcome::Unknown { .. } => BuildState::Unknown,
    }
}

fn detail(outcome: &Outcome) -> Option<&str> {
    match outcome {
        Outcome::Accepted | Outcome::Live => None,
        Outcome::Failed { error }
        | Outcome::Retry { error, .. }
        | Outcome::Stalled { error }
        | Outcome::Unknown { error }
        | Outcome::Moved { error } => Some(error),
    }
}
