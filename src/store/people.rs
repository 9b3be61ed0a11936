//! People as the chat platform shows them: remembered, so that no answer waits to ask.

use std::collections::BTreeMap;

use serde::Serialize;
use sqlx::types::Json;

use super::db::{Keyed, each, pool, tx};
use super::error::StoreError;
use super::{Reader, Store, without_nul};
use crate::model::Millis;

/// Somebody in a workspace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PersonRow {
    /// The workspace's id.
    pub workspace: String,
    /// Their id.
    pub id: String,
    /// The name that is shown.
    pub name: String,
    /// The address of their picture.
    pub picture: Option<String>,
    /// Whether they administer the workspace.
    pub admin: bool,
    /// When the platform said so.
    pub fetched_at: Millis,
}

#[derive(sqlx::FromRow, Serialize)]
struct Raw {
    workspace: String,
    id: String,
    name: String,
    picture: Option<String>,
    admin: bool,
    fetched_at: i64,
}

impl From<Raw> for PersonRow {
    fn from(raw: Raw) -> Self {
        Self {
            workspace: raw.workspace,
            id: raw.id,
            name: raw.name,
            picture: raw.picture,
            admin: raw.admin,
            fetched_at: Millis(raw.fetched_at),
        }
    }
}

impl Reader {
    /// One person, if they were asked about before.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be reached.
    pub async fn person(&self, workspace: &str, id: &str) -> Result<Option<PersonRow>, StoreError> {
        let raw: Option<Raw> = pool!(&self.pool, pool => sqlx::query_as(
                "SELECT workspace, id, name, picture, admin, fetched_at FROM person \
                 WHERE workspace = $1 AND id = $2")
            .bind(workspace).bind(id).fetch_optional(pool).await?);
        Ok(raw.map(PersonRow::from))
    }

    /// Those of these people of a workspace that are known, by their ids.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be reached.
    pub async fn people(
        &self,
        workspace: &str,
        ids: &[&str],
    ) -> Result<BTreeMap<String, PersonRow>, StoreError> {
        let ids: Vec<Keyed<'_>> = ids.iter().map(|id| Keyed { id }).collect();
        let rows: Vec<Raw> = pool!(&self.pool, pool => sqlx::query_as(each!(
                self.dialect(),
                "SELECT p.workspace, p.id, p.name, p.picture, p.admin, p.fetched_at FROM ",
                "($2) AS e JOIN person p ON p.workspace = $1 AND p.id = e.value->>'id'"))
            .bind(workspace).bind(Json(ids)).fetch_all(pool).await?);
        Ok(rows
            .into_iter()
            .map(|raw| (raw.id.clone(), raw.into()))
            .collect())
    }

    /// People that were asked about before `before`, the longest ago first.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be reached.
    pub async fn stale_people(
        &self,
        before: Millis,
        limit: u32,
    ) -> Result<Vec<PersonRow>, StoreError> {
        let rows: Vec<Raw> = pool!(&self.pool, pool => sqlx::query_as(
                "SELECT workspace, id, name, picture, admin, fetched_at FROM person \
                 WHERE fetched_at < $1 ORDER BY fetched_at LIMIT $2")
            .bind(before.0).bind(i64::from(limit)).fetch_all(pool).await?);
        Ok(rows.into_iter().map(PersonRow::from).collect())
    }
}

impl Store {
    /// Keeps what the platform says of people. Of two answers about somebody the later one stays.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written.
    pub async fn keep_people(&self, people: &[PersonRow]) -> Result<(), StoreError> {
        // In order of their ids, each once: of two replicas that keep the same people at the same
        // moment one waits for the other, and PostgreSQL refuses to change a row twice.
        let mut rows = BTreeMap::<(&str, &str), Raw>::new();
        for person in people {
            let raw = Raw {
                workspace: person.workspace.clone(),
                id: person.id.clone(),
                name: without_nul(&person.name).into_owned(),
                picture: person.picture.clone(),
                admin: person.admin,
                fetched_at: person.fetched_at.0,
            };
            let key = (person.workspace.as_str(), person.id.as_str());
            let known = rows.get(&key).map(|known| known.fetched_at);
            if known.is_none_or(|known| known <= raw.fetched_at) {
                rows.insert(key, raw);
            }
        }
        let rows: Vec<Raw> = rows.into_values().collect();
        if rows.is_empty() {
            return Ok(());
        }
        let mut tx = self.write.begin().await?;
        let sql = each!(
            tx.dialect(),
            "INSERT INTO person (workspace, id, name, picture, admin, fetched_at) \
             SELECT e.value->>'workspace', e.value->>'id', e.value->>'name', \
             e.value->>'picture', CAST(e.value->>'admin' AS BOOLEAN), \
             CAST(e.value->>'fetched_at' AS BIGINT) FROM ",
            "($1) AS e WHERE true ON CONFLICT (workspace, id) DO UPDATE SET \
             name = excluded.name, picture = excluded.picture, admin = excluded.admin, \
             fetched_at = excluded.fetched_at WHERE person.fetched_at <= excluded.fetched_at"
        );
        tx!(&mut tx, conn => sqlx::query(sql).bind(Json(rows)).execute(conn).await.map(|_| ())?);
        tx.commit_silently().await
    }
}
