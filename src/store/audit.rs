//! Who changed what; and which requests were answered, so that one that comes again changes nothing.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::Serialize;
use sqlx::types::Json;

use super::db::{Tx, each, keyed, pool, tx};
use super::error::StoreError;
use super::estate::parsed;
use super::{Reader, new_id, without_nul};
use crate::model::{Actor, Millis, SiteName};

/// One line of the audit trail.
#[derive(Clone, Debug, Serialize, sqlx::FromRow)]
pub struct AuditRow {
    /// When, in milliseconds since the epoch.
    pub at: i64,
    /// Who, by the name that they show.
    pub who: String,
    /// Who exactly, as `slack:TEAM:USER`; `None` for the file, the loop and the command line.
    pub account: Option<String>,
    /// Through which door.
    pub door: String,
    /// What.
    pub action: String,
    /// To which site.
    pub site: Option<String>,
    /// With what.
    pub detail: Option<String>,
}

/// A line to be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    pub(super) by: &'a Actor,
    pub(super) action: &'a str,
    pub(super) site: Option<&'a SiteName>,
    pub(super) detail: Option<&'a str>,
}

#[derive(Serialize)]
struct Row<'a> {
    id: String,
    who: Cow<'a, str>,
    account: Option<Cow<'a, str>>,
    door: &'static str,
    action: &'a str,
    site: Option<&'a SiteName>,
    detail: Option<Cow<'a, str>>,
    request: Option<&'a str>,
}

/// Writes lines, the last thing that a transaction does: whoever brings the same request at the same
/// moment waits for it here, and then finds that the change is made.
///
/// [`StoreError::AlreadyDone`] when the change of one of these requests was made before; the caller
/// gives up its transaction.
pub(super) async fn audit_lines(
    tx: &mut Tx,
    at: Millis,
    lines: &[Line<'_>],
) -> Result<(), StoreError> {
    if lines.is_empty() {
        return Ok(());
    }
    let rows: Vec<Row<'_>> = lines
        .iter()
        .map(|line| Row {
            id: new_id(),
            who: without_nul(&line.by.name),
            account: line.by.account.as_deref().map(without_nul),
            door: line.by.door.as_str(),
            action: line.action,
            site: line.site,
            detail: line.detail.map(without_nul),
            request: line.by.request.as_deref(),
        })
        .collect();
    let sql = each!(
        tx.dialect(),
        "INSERT INTO audit (id, at, who, account, door, action, site, detail, request) \
         SELECT e.value->>'id', $2, e.value->>'who', e.value->>'account', e.value->>'door', \
         e.value->>'action', e.value->>'site', e.value->>'detail', e.value->>'request' FROM ",
        "($1) AS e WHERE true ON CONFLICT DO NOTHING"
    );
    let written = tx!(tx, conn => sqlx::query(sql).bind(Json(&rows)).bind(at.0)
        .execute(conn).await?.rows_affected());
    if written < rows.len() as u64 {
        return Err(StoreError::AlreadyDone);
    }
    Ok(())
}

/// Writes one line: see [`audit_lines`].
pub(super) async fn audit(
    tx: &mut Tx,
    at: Millis,
    by: &Actor,
    action: &str,
    site: Option<&SiteName>,
    detail: Option<&str>,
) -> Result<(), StoreError> {
    let line = Line {
        by,
        action,
        site,
        detail,
    };
    audit_lines(tx, at, &[line]).await
}

/// One line of the audit trail for each of many sites.
pub(super) async fn audit_each(
    tx: &mut Tx,
    at: Millis,
    by: &Actor,
    action: &str,
    sites: &[&SiteName],
) -> Result<(), StoreError> {
    let lines: Vec<Line<'_>> = sites
        .iter()
        .map(|site| Line {
            by,
            action,
            site: Some(site),
            detail: None,
        })
        .collect();
    audit_lines(tx, at, &lines).await
}

/// The same, of sites by their ids.
pub(super) async fn audit_sites<'a>(
    tx: &mut Tx,
    at: Millis,
    by: &Actor,
    action: &str,
    ids: impl IntoIterator<Item = &'a str>,
) -> Result<(), StoreError> {
    let sql = each!(
        tx.dialect(),
        "SELECT s.name FROM ",
        "($1) AS e JOIN site s ON s.id = e.value->>'id' ORDER BY s.name"
    );
    let names: Vec<String> = tx!(&mut *tx, conn => sqlx::query_scalar(sql)
        .bind(Json(keyed(ids))).fetch_all(conn).await?);
    let names: Vec<SiteName> = names
        .iter()
        .map(|name| parsed(name))
        .collect::<Result<_, _>>()?;
    audit_each(tx, at, by, action, &names.iter().collect::<Vec<_>>()).await
}

/// The answer of a change that found nothing to change; [`StoreError::AlreadyDone`] if that is so
/// because the same request came before.
pub(super) async fn unless_done<T>(tx: &mut Tx, by: &Actor, answer: T) -> Result<T, StoreError> {
    let Some(request) = &by.request else {
        return Ok(answer);
    };
    match done(tx, &[request]).await?.is_empty() {
        true => Ok(answer),
        false => Err(StoreError::AlreadyDone),
    }
}

/// Which of these requests were answered before.
pub(super) async fn done(tx: &mut Tx, requests: &[&str]) -> Result<BTreeSet<String>, StoreError> {
    #[derive(Serialize)]
    struct Asked<'a> {
        request: &'a str,
    }
    if requests.is_empty() {
        return Ok(BTreeSet::new());
    }
    let asked: Vec<Asked<'_>> = requests.iter().map(|request| Asked { request }).collect();
    let sql = each!(
        tx.dialect(),
        "SELECT a.request FROM ",
        "($1) AS e JOIN audit a ON a.request = e.value->>'request'"
    );
    let found: Vec<String> =
        tx!(tx, conn => sqlx::query_scalar(sql).bind(Json(asked)).fetch_all(conn).await?);
    Ok(found.into_iter().collect())
}

impl Reader {
    /// The newest lines of the audit trail, newest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be reached.
    pub async fn audit(&self, limit: u32) -> Result<Vec<AuditRow>, StoreError> {
        Ok(pool!(&self.pool, pool => sqlx::query_as(
                "SELECT at, who, account, door, action, site, detail FROM audit \
                 ORDER BY at DESC, id DESC LIMIT $1")
            .bind(i64::from(limit)).fetch_all(pool).await?))
    }

    /// What the request of this id changed; `None`: it changed nothing yet.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be reached.
    pub async fn done(&self, request: &str) -> Result<Option<AuditRow>, StoreError> {
        Ok(pool!(&self.pool, pool => sqlx::query_as(
                "SELECT at, who, account, door, action, site, detail FROM audit \
                 WHERE request = $1")
            .bind(request).fetch_optional(pool).await?))
    }
}
