use std::time::Duration;

use serde::Serialize;
use sqlx::postgres::PgListener;
use tokio::time::timeout;

use super::db::{ANSWER, CHANNEL, Pool, Tx, pool, tx};
use super::error::StoreError;
use super::{Reader, Store, new_id};
use crate::model::{Actor, Millis, SiteName};

/// One line of the audit trail.
#[derive(Clone, Debug, Serialize, sqlx::FromRow)]
pub struct AuditRow {
    /// When, in milliseconds since the epoch.
    pub at: i64,
    /// Who.
    pub who: String,
    /// Through which door.
    pub door: String,
    /// What.
    pub action: String,
    /// To which site.
    pub site: Option<String>,
    /// With what.
    pub detail: Option<String>,
}

/// Tells when another process changed the database.
///
/// A hint, not a queue: it may tell too often, and the loop looks by itself now and then anyway.
#[derive(Debug)]
pub enum Listener {
    /// SQLite has no notifications. A number that changes with every commit of another connection
    /// is read instead; reading it costs microseconds.
    Sqlite {
        /// The connection that remembers the number.
        conn: Box<sqlx::SqliteConnection>,
        /// What it was.
        version: i64,
    },
    /// `LISTEN`; it reconnects by itself, and tells once when it did.
    Postgres(Box<PgListener>),
}

/// A listener that hears nothing for this long makes sure that its connection is still there.
const QUIET: Duration = Duration::from_secs(10);
/// How often the number is read on SQLite.
const POLL: Duration = Duration::from_millis(100);

/// Told messages, and builds with what they were made from, are kept for this long.
const KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);

pub(super) async fn audit(
    tx: &mut Tx,
    at: Millis,
    by: &Actor,
    action: &str,
    site: Option<&SiteName>,
    detail: Option<&str>,
) -> Result<(), StoreError> {
    tx!(tx, conn => sqlx::query(
            "INSERT INTO audit (id, at, who, door, action, site, detail) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .bind(new_id()).bind(at.0).bind(&by.name).bind(by.door.as_str()).bind(action)
        .bind(site.map(SiteName::as_str)).bind(detail).execute(conn).await.map(|_| ())?);
    Ok(())
}

impl Reader {
    /// Whether the database answers.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        tokio::time::timeout(ANSWER, self.pool.ping())
            .await
            .unwrap_or(Err(StoreError::Silent))
    }

    /// The newest lines of the audit trail, newest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be reached.
    pub async fn audit(&self, limit: u32) -> Result<Vec<AuditRow>, StoreError> {
        Ok(pool!(&self.pool, pool => sqlx::query_as(
                "SELECT at, who, door, action, site, detail FROM audit ORDER BY at DESC, id DESC LIMIT $1")
            .bind(i64::from(limit)).fetch_all(pool).await?))
    }

    /// How many messages wait to be told.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be reached.
    pub async fn outbox_depth(&self) -> Result<i64, StoreError> {
        Ok(pool!(&self.pool, pool => sqlx::query_scalar(
                "SELECT COUNT(*) FROM outbox WHERE sent_at IS NULL").fetch_one(pool).await?))
    }

    /// Listens for changes by other processes.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be reached.
    pub async fn listen(&self) -> Result<Listener, StoreError> {
        Ok(match &self.pool {
            Pool::Sqlite(pool) => {
                let mut conn = Box::new(pool.acquire().await?.detach());
                let version = data_version(&mut conn).await?;
                Listener::Sqlite { conn, version }
            }
            Pool::Postgres(pool) => {
                let mut listener = PgListener::connect_with(pool).await?;
                listener.listen(CHANNEL).await?;
                Listener::Postgres(Box::new(listener))
            }
        })
    }
}

impl Listener {
    /// Returns when something changed, or may have changed.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database went away: listen again later.
    pub async fn changed(&mut self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite { conn, version } => loop {
                tokio::time::sleep(POLL).await;
                let seen = data_version(conn).await?;
                if seen != *version {
                    *version = seen;
                    return Ok(());
                }
            },
            Self::Postgres(listener) => loop {
                if let Ok(told) = timeout(QUIET, listener.try_recv()).await {
                    told?;
                    return Ok(());
                }
                let sign = sqlx::query("SELECT 1").execute(&mut **listener);
                timeout(ANSWER, sign)
                    .await
                    .map_err(|_silence| StoreError::Silent)??;
            },
        }
    }
}

async fn data_version(conn: &mut sqlx::SqliteConnection) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar("PRAGMA data_version")
        .fetch_one(conn)
        .await?)
}

impl Store {
    /// Removes what nobody will ask for any more. The last build of a site and what it was made
    /// from stay, however old they are.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written.
    pub async fn clean_up(&self) -> Result<(), StoreError> {
        let mut tx = self.write.begin().await?;
        let before = tx.now().await?.minus(KEPT).0;
        for sql in [
            "DELETE FROM outbox WHERE at < $1",
            "DELETE FROM build WHERE ended_at < $1 AND EXISTS (SELECT 1 FROM build newer \
             WHERE newer.site = build.site AND newer.claimed_at > build.claimed_at)",
        ] {
            tx!(&mut tx, conn => sqlx::query(sql).bind(before).execute(conn).await.map(|_| ())?);
        }
        for sql in [
            "DELETE FROM manifest WHERE hash NOT IN (SELECT content_hash FROM build) \
             AND hash NOT IN (SELECT built_hash FROM observed WHERE built_hash IS NOT NULL)",
            "DELETE FROM part WHERE digest NOT IN (SELECT spec FROM manifest \
             UNION SELECT posts FROM manifest UNION SELECT files FROM manifest \
             UNION SELECT revision FROM manifest) AND input <> 'posts'",
        ] {
            tx!(&mut tx, conn => sqlx::query(sql).execute(conn).await.map(|_| ())?);
        }
        tx.commit_silently().await
    }
}
