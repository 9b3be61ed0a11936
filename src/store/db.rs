use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection as _, Executor as _, Postgres, Sqlite, SqliteConnection, Transaction};

use super::address::{Address, Dialect};
use super::error::StoreError;
use crate::model::Millis;

/// Runs one body of SQL over a pool of either database, typed in each.
macro_rules! pool {
    ($pool:expr, $conn:ident => $body:expr) => {
        match $pool {
            $crate::store::db::Pool::Sqlite($conn) => $body,
            $crate::store::db::Pool::Postgres($conn) => $body,
        }
    };
}

/// Runs one body of SQL in a transaction of either database.
macro_rules! tx {
    ($tx:expr, $conn:ident => $body:expr) => {
        match $tx {
            $crate::store::db::Tx::Sqlite($conn) => {
                let $conn = &mut **$conn;
                $body
            }
            $crate::store::db::Tx::Postgres($conn) => {
                let $conn = &mut **$conn;
                $body
            }
        }
    };
}

/// SQL with the one function whose name differs: the rows of a JSON array.
macro_rules! each {
    ($dialect:expr, $before:literal, $after:literal) => {
        match $dialect {
            $crate::store::Dialect::Sqlite => concat!($before, "json_each", $after),
            $crate::store::Dialect::Postgres => {
                concat!($before, "jsonb_array_elements", $after)
            }
        }
    };
}

pub(super) use {each, pool, tx};

/// An id in a JSON array that SQL reads: a plain string would be read with its quotes on PostgreSQL.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub(super) struct Keyed<'a> {
    pub(super) id: &'a str,
}

/// Ids as SQL reads them.
pub(super) fn keyed<'a>(ids: impl IntoIterator<Item = &'a str>) -> Vec<Keyed<'a>> {
    ids.into_iter().map(|id| Keyed { id }).collect()
}

/// A pool of connections.
#[derive(Clone, Debug)]
pub(super) enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// A transaction that may write.
#[derive(Debug)]
pub(super) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

/// The mark that a writing transaction puts on the rows that replicas keep in memory. Only
/// [`Tx::stamp`] makes one, so that no such write can forget it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp(pub(super) i64);

/// How long a writer waits for another one of the same SQLite file.
const BUSY: Duration = Duration::from_secs(10);
/// How long anybody waits for a connection: longer, and something is wrong.
const ACQUIRE: Duration = Duration::from_secs(10);
/// How long anybody waits for a sign of life of a connection. A network that fails may leave it open
/// and silent for a quarter of an hour, which is when TCP gives up.
pub(super) const ANSWER: Duration = Duration::from_secs(2);
/// A connection that was used so recently is believed to work: asking costs a round trip.
const FRESH: Duration = Duration::from_secs(1);
/// The lock of PostgreSQL that [`Pool::begin_alone`] takes.
const ALONE: i64 = 0x6d69_6372_6f62_6c6f;
/// The channel on which PostgreSQL says that something changed.
pub(super) const CHANNEL: &str = "microblot";

impl Pool {
    /// A pool that can only read, enforced by the database. `None`: there is no database yet.
    pub(super) async fn read_only(address: &Address) -> Result<Option<Self>, StoreError> {
        match address {
            Address::Sqlite(path) => {
                if !path.exists() {
                    return Ok(None);
                }
                let options = sqlite_options(path).read_only(true);
                let pool = SqlitePoolOptions::new()
                    .max_connections(4)
                    .acquire_timeout(ACQUIRE)
                    .connect_with(options)
                    .await?;
                Ok(Some(Self::Sqlite(pool)))
            }
            Address::Postgres(url) => {
                let options =
                    postgres_options(url)?.options([("default_transaction_read_only", "on")]);
                let pool = postgres_pool(4).connect_with(options).await?;
                Ok(Some(Self::Postgres(pool)))
            }
        }
    }

    /// Pools to read and to write, over a migrated schema. SQLite gets a single writer, so that
    /// writers queue here instead of failing with "database is locked".
    pub(super) async fn read_write(address: &Address) -> Result<(Self, Self), StoreError> {
        match address {
            Address::Sqlite(path) => {
                // SQLite has no lock for this: processes that start on one new file would all
                // switch it to WAL and create the same tables.
                let _lock = lock_beside(path.clone()).await?;
                let options = sqlite_options(path)
                    .create_if_missing(true)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full)
                    // In KiB: pages that are written again and again are not read again each time.
                    .pragma("cache_size", "-32768")
                    // In pages: 16 MB are moved into the database at once instead of 4.
                    .pragma("wal_autocheckpoint", "4000");
                let write = SqlitePoolOptions::new()
                    .max_connections(1)
                    .acquire_timeout(ACQUIRE)
                    .after_release(|conn, _| Box::pin(is_reusable(conn)))
                    .connect_with(options)
                    .await?;
                sqlx::migrate!("./migrations/sqlite").run(&write).await?;
                let read = SqlitePoolOptions::new()
                    .max_connections(4)
                    .acquire_timeout(ACQUIRE)
                    .connect_lazy_with(sqlite_options(path).read_only(true));
                Ok((Self::Sqlite(read), Self::Sqlite(write)))
            }
            Address::Postgres(url) => {
                let pool = postgres_pool(10)
                    .connect_with(postgres_options(url)?)
                    .await?;
                let both = Self::Postgres(pool.clone());
                let migrated = async {
                    sqlx::migrate!("./migrations/postgres").run(&pool).await?;
                    adopt_foreign_stamps(&pool).await
                };
                both.unless_silent(migrated).await?;
                Ok((both.clone(), both))
            }
        }
    }

    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Begins a transaction that writes what belongs to one site. SQLite takes its write lock at
    /// once: a transaction that reads first and asks for it later fails instead of waiting.
    ///
    /// Rows are written in the order post, build, observed, site, telling, audit, in every
    /// transaction: PostgreSQL ends one of two that wait for each other.
    pub(super) async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(match self {
            Self::Sqlite(pool) => Tx::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await?),
            Self::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        })
    }

    /// Begins a transaction that writes what belongs to many sites: one at a time, over all
    /// replicas. Two of them would meet the same rows in different orders; and limits that are
    /// read, compared and used up are of the whole account.
    ///
    /// On PostgreSQL these wait for each other only, not for [`Pool::begin`]: people's commands go
    /// on beside the publication of a large estate.
    pub(super) async fn begin_alone(&self) -> Result<Tx, StoreError> {
        let mut tx = self.begin().await?;
        if let Tx::Postgres(conn) = &mut tx {
            sqlx::query("SELECT pg_advisory_xact_lock($1)")
                .bind(ALONE)
                .execute(&mut **conn)
                .await?;
        }
        Ok(tx)
    }

    /// Begins a transaction that reads one state of the whole database.
    pub(super) async fn snapshot(&self) -> Result<Tx, StoreError> {
        Ok(match self {
            Self::Sqlite(pool) => Tx::Sqlite(pool.begin().await?),
            Self::Postgres(pool) => Tx::Postgres(
                pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                    .await?,
            ),
        })
    }

    pub(super) async fn close(&self) {
        pool!(self, pool => pool.close().await);
    }
}

impl Tx {
    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    /// The mark for the rows that this transaction writes.
    ///
    /// SQLite has one writer at a time, so a counter is in the order of commits. PostgreSQL has
    /// not: there it is the transaction's id, and readers go back to the oldest transaction that
    /// was still running when they last looked.
    pub(super) async fn stamp(&mut self) -> Result<Stamp, StoreError> {
        let seq = match self {
            Self::Sqlite(tx) => {
                sqlx::query_scalar("UPDATE clock SET seq = seq + 1 WHERE id = 1 RETURNING seq")
                    .fetch_one(&mut **tx)
                    .await?
            }
            Self::Postgres(tx) => {
                sqlx::query_scalar("SELECT CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT)")
                    .fetch_one(&mut **tx)
                    .await?
            }
        };
        Ok(Stamp(seq))
    }

    /// From where a reader of this state has to go on reading.
    pub(super) async fn cursor(&mut self) -> Result<i64, StoreError> {
        Ok(match self {
            Self::Sqlite(tx) => {
                sqlx::query_scalar("SELECT seq + 1 FROM clock")
                    .fetch_one(&mut **tx)
                    .await?
            }
            Self::Postgres(tx) => {
                sqlx::query_scalar(
                    "SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS TEXT) AS BIGINT)",
                )
                .fetch_one(&mut **tx)
                .await?
            }
        })
    }

    /// The time by which all replicas decide: that of the PostgreSQL server, so that their own
    /// clocks need not agree; for SQLite the machine's.
    pub(super) async fn now(&mut self) -> Result<Millis, StoreError> {
        Ok(Millis(match self {
            Self::Sqlite(_) => jiff::Timestamp::now().as_millisecond(),
            Self::Postgres(tx) => {
                sqlx::query_scalar(
                    "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
                )
                .fetch_one(&mut **tx)
                .await?
            }
        }))
    }

    /// Makes everything of this transaction durable, and tells the other replicas that something
    /// changed.
    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        if let Self::Postgres(tx) = &mut self {
            sqlx::query("SELECT pg_notify($1, '')")
                .bind(CHANNEL)
                .execute(&mut **tx)
                .await?;
        }
        self.commit_silently().await
    }

    /// As [`Tx::commit`], for changes that nobody has to act upon.
    pub(super) async fn commit_silently(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

fn sqlite_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY)
        .foreign_keys(true)
}

/// SQLite rolls back by itself when the disk is full or fails; the driver does not notice, and
/// refuses every later transaction of that connection.
async fn is_reusable(conn: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    // Answered after everything that waits to be done on this connection.
    conn.ping().await?;
    Ok(!conn.is_in_transaction())
}

fn postgres_options(url: &str) -> Result<PgConnectOptions, StoreError> {
    PgConnectOptions::from_str(url)
        .map(|options| options.application_name("microblot"))
        .map_err(|_may_show_the_password| StoreError::Address("postgres".to_owned()))
}

/// A pool that gives up connections which say nothing, instead of waiting for TCP to do so.
fn postgres_pool(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE)
        // Done below, with a limit.
        .test_before_acquire(false)
        .before_acquire(|conn, meta| {
            Box::pin(async move { Ok(meta.idle_for < FRESH || is_alive(conn).await) })
        })
        // A transaction that was given up half-way is rolled back here.
        .after_release(|conn, _| Box::pin(async move { Ok(is_alive(conn).await) }))
        // The session of a machine that vanished gives up its locks, and nobody waits for a lock
        // for ever; the second limit is the longer one, so that who waits for the first gets on.
        .after_connect(|conn, _| {
            Box::pin(async move {
                let limits = "SET idle_in_transaction_session_timeout = '5s'; \
                              SET lock_timeout = '8s'";
                conn.execute(limits).await.map(|_| ())
            })
        })
}

async fn is_alive(conn: &mut PgConnection) -> bool {
    matches!(tokio::time::timeout(ANSWER, conn.ping()).await, Ok(Ok(())))
}

/// A database that was restored into another server holds stamps that are ahead of this one's
/// transactions: until those catch up, readers would take every row for new at every look.
async fn adopt_foreign_stamps(pool: &PgPool) -> Result<(), StoreError> {
    let mut tx = pool.begin().await?;
    for sql in [
        "UPDATE observed SET seq = CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT) \
         WHERE seq >= CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS TEXT) AS BIGINT)",
        "UPDATE site SET seq = CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT) \
         WHERE seq >= CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS TEXT) AS BIGINT)",
        "DELETE FROM calm \
         WHERE cursor > CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS TEXT) AS BIGINT)",
    ] {
        sqlx::query(sql).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Waits on a thread of its own: whoever holds the lock may need this one to go on.
async fn lock_beside(path: PathBuf) -> Result<std::fs::File, StoreError> {
    let locked = tokio::task::spawn_blocking({
        let mut name = path.clone().into_os_string();
        name.push("-lock");
        move || {
            let file = std::fs::File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&name)?;
            file.lock()?;
            Ok(file)
        }
    });
    let locked = locked.await.map_err(std::io::Error::other);
    locked
        .and_then(|locked| locked)
        .map_err(|error| StoreError::Folder(path, error))
}
