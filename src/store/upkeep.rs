use std::time::Duration;

use sqlx::postgres::PgListener;
use tokio::time::timeout;

use super::db::{ANSWER, CHANNEL, Pool, pool, tx};
use super::error::StoreError;
use super::{Reader, Store};

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
/// A part that nobody needs stays for this long: longer than it takes from a look at what is
/// stored already to the claim that relies on it.
const GRACE: Duration = Duration::from_secs(60 * 60);
/// Events that were handled are recognised for this long: longer than anybody sends them again.
const HANDLED: Duration = Duration::from_secs(24 * 60 * 60);
/// What was told to its end, and deletions of messages that nobody had heard of.
const TOLD: Duration = Duration::from_secs(7 * 24 * 60 * 60);

pub(super) const OUTBOX_DEPTH: &str = "SELECT COUNT(*) FROM outbox WHERE sent_at IS NULL";

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

    /// How many messages wait to be told.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be reached.
    pub async fn outbox_depth(&self) -> Result<i64, StoreError> {
        Ok(pool!(&self.pool, pool => sqlx::query_scalar(OUTBOX_DEPTH).fetch_one(pool).await?))
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
    /// Removes what nobody will ask for any more. The last build of a site, the last that was
    /// taken, and what they were made from stay, however old they are, and so do the posts of the
    /// members that they show.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written.
    pub async fn clean_up(&self) -> Result<(), StoreError> {
        let mut tx = self.write.begin_alone().await?;
        let now = tx.now().await?;
        let (kept, grace) = (now.minus(KEPT), now.minus(GRACE));
        for (sql, time) in [
            (OLD_MESSAGES, Some(kept)),
            (OLD_BUILDS, Some(kept)),
            (UNNEEDED_MANIFESTS, None),
            (PARTS_NEEDED_AGAIN, None),
            (PARTS_UNNEEDED_FOR_LONG, Some(grace)),
            (PARTS_UNNEEDED, Some(now)),
            (MEMBERS_OF_NOTHING, None),
            (OVER_PREVIEWS, Some(now)),
            (OLD_EVENTS, Some(now.minus(HANDLED))),
            (OLD_TELLINGS, Some(now.minus(TOLD))),
            (FORGOTTEN_TELLINGS, Some(kept)),
            (OLD_DELETIONS, Some(now.minus(TOLD))),
        ] {
            let time = time.map(|time| time.0);
            tx!(&mut tx, conn => match time {
                Some(time) => sqlx::query(sql).bind(time).execute(conn).await.map(|_| ())?,
                None => sqlx::query(sql).execute(conn).await.map(|_| ())?,
            });
        }
        tx.commit_silently().await
    }
}

// Differences of sets are written with EXCEPT: `NOT IN` a large set is quadratic on PostgreSQL, an
// anti-join without an index is on SQLite.

const OLD_MESSAGES: &str = "DELETE FROM outbox WHERE at < $1";

/// The newest that is over stays, and the newest that was taken: what the site shows.
const OLD_BUILDS: &str = "DELETE FROM build WHERE ended_at < $1 AND EXISTS (SELECT 1 \
     FROM build newer WHERE newer.site = build.site AND newer.ended_at IS NOT NULL \
     AND (newer.claimed_at, newer.id) > (build.claimed_at, build.id)) \
     AND (state NOT IN ('accepted', 'live') OR EXISTS (SELECT 1 \
     FROM build newer WHERE newer.site = build.site AND newer.state IN ('accepted', 'live') \
     AND (newer.claimed_at, newer.id) > (build.claimed_at, build.id)))";

const UNNEEDED_MANIFESTS: &str = "DELETE FROM manifest WHERE hash IN (SELECT hash FROM manifest \
     EXCEPT SELECT content_hash FROM build EXCEPT SELECT built_hash FROM observed)";

/// Needed is what a manifest is made of, the posts of the members that it shows, and the files
/// that a site is to be built of: a replica without those files has them from here.
const PARTS_NEEDED_AGAIN: &str = "UPDATE part SET unused_since = NULL \
     WHERE unused_since IS NOT NULL AND digest IN (SELECT spec FROM manifest \
     UNION SELECT posts FROM manifest UNION SELECT files FROM manifest \
     UNION SELECT revision FROM manifest UNION SELECT m.member FROM part_member m \
     JOIN manifest ON manifest.posts = m.part UNION SELECT files_digest FROM site \
     WHERE presence <> 'forgotten')";

const PARTS_UNNEEDED_FOR_LONG: &str = "DELETE FROM part WHERE unused_since <= $1";

const PARTS_UNNEEDED: &str = "UPDATE part SET unused_since = $1 \
     WHERE unused_since IS NULL AND digest IN (SELECT digest FROM part \
     EXCEPT SELECT spec FROM manifest EXCEPT SELECT posts FROM manifest \
     EXCEPT SELECT files FROM manifest EXCEPT SELECT revision FROM manifest \
     EXCEPT SELECT m.member FROM part_member m JOIN manifest ON manifest.posts = m.part \
     EXCEPT SELECT files_digest FROM site WHERE presence <> 'forgotten')";

const MEMBERS_OF_NOTHING: &str = "DELETE FROM part_member WHERE part IN (SELECT part \
     FROM part_member EXCEPT SELECT digest FROM part)";

const OVER_PREVIEWS: &str = "DELETE FROM preview WHERE until <= $1";
const OLD_EVENTS: &str = "DELETE FROM inbox WHERE done_at < $1";
const OLD_TELLINGS: &str = "DELETE FROM telling WHERE closed_at < $1";
/// Nothing came of it in all that time: its site is paused, say.
const FORGOTTEN_TELLINGS: &str = "DELETE FROM telling WHERE asked_at < $1";
const OLD_DELETIONS: &str = "DELETE FROM unmirrored WHERE at < $1";
