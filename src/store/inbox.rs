//! Events that came in: stored before they are acknowledged, each once, handled when there is time.

use sqlx::types::Json;

use super::db::{Keyed, each, pool, tx};
use super::error::StoreError;
use super::{Reader, Store, without_nul};
use crate::model::Millis;

/// An event that was not handled yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Received {
    /// The id that the sender gave it.
    pub id: String,
    /// The workspace that it is of.
    pub workspace: String,
    /// What it says.
    pub body: String,
    /// When it came.
    pub at: Millis,
}

impl Reader {
    /// Events that were not handled yet, in the order in which they came. Two replicas may read the
    /// same: what is done with them has to be recognised when it is done twice.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be reached.
    pub async fn inbox(&self, limit: u32) -> Result<Vec<Received>, StoreError> {
        let rows: Vec<(String, String, String, i64)> = pool!(&self.pool, pool => sqlx::query_as(
                "SELECT id, workspace, body, at FROM inbox WHERE done_at IS NULL \
                 ORDER BY at, id LIMIT $1")
            .bind(i64::from(limit)).fetch_all(pool).await?);
        Ok(rows
            .into_iter()
            .map(|(id, workspace, body, at)| Received {
                id,
                workspace,
                body,
                at: Millis(at),
            })
            .collect())
    }
}

impl Store {
    /// Stores an event. `false`: it came before.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written: the sender has to send it again.
    pub async fn receive(&self, id: &str, workspace: &str, body: &str) -> Result<bool, StoreError> {
        let mut tx = self.write.begin().await?;
        let now = tx.now().await?;
        let new = tx!(&mut tx, conn => sqlx::query(
                "INSERT INTO inbox (id, workspace, body, at) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (id) DO NOTHING")
            .bind(id).bind(workspace).bind(without_nul(body)).bind(now.0)
            .execute(conn).await?.rows_affected());
        if new == 0 {
            return Ok(false);
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Events (by id) are handled.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written: then they are handled again.
    pub async fn handled(&self, ids: &[&str]) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let ids: Vec<Keyed<'_>> = ids.iter().map(|id| Keyed { id }).collect();
        let mut tx = self.write.begin_alone().await?;
        let now = tx.now().await?;
        let sql = each!(
            tx.dialect(),
            "UPDATE inbox SET done_at = $2 WHERE done_at IS NULL \
             AND id IN (SELECT e.value->>'id' FROM ",
            "($1) AS e)"
        );
        tx!(&mut tx, conn => sqlx::query(sql).bind(Json(ids)).bind(now.0)
            .execute(conn).await.map(|_| ())?);
        tx.commit_silently().await
    }
}
