use serde::Serialize;
use sqlx::FromRow;

use super::Reader;
use super::db::pool;
use super::error::StoreError;
use super::estate::parsed;
use crate::model::{BuildId, BuildState, Millis, Rebuild};

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
