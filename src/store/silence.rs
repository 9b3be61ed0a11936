use std::future::pending;

use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::Reader;
use super::db::{ANSWER, Pool};
use super::error::StoreError;

/// So many questions in a row stay without an answer before nobody waits any longer: ten seconds.
const UNANSWERED: u32 = 5;

impl Reader {
    /// Returns when the database has given no sign of life for ten seconds, which is asked for on
    /// a connection beside those that do the work. A long statement is not silence; and SQLite is a file.
    ///
    /// For who does one thing and ends. A network that fails may leave a connection open and
    /// silent, and the answer on it would be waited for until TCP gives up.
    pub async fn silence(&self) {
        self.pool.silence().await;
    }
}

impl Pool {
    /// Does work for as long as the database gives signs of life.
    pub(super) async fn unless_silent<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        tokio::select! {
            done = work => done,
            () = self.silence() => Err(StoreError::Silent),
        }
    }

    async fn silence(&self) {
        let Self::Postgres(pool) = self else {
            return pending().await;
        };
        let options = pool.connect_options();
        let mut conn = None;
        let mut pace = interval_at(Instant::now() + ANSWER, ANSWER);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut unanswered = 0;
        while unanswered < UNANSWERED {
            pace.tick().await;
            // Counted, not timed: a process that was paused has not been waiting.
            unanswered = match timeout(ANSWER, ask(&options, &mut conn)).await {
                // A server that has no connection left says so.
                Ok(Ok(()) | Err(sqlx::Error::Database(_))) => 0,
                Ok(Err(_)) | Err(_) => unanswered + 1,
            };
        }
    }
}

/// Asks for a sign of life, on a connection that is kept for as long as it works.
async fn ask(options: &PgConnectOptions, kept: &mut Option<PgConnection>) -> sqlx::Result<()> {
    let mut conn = match kept.take() {
        Some(conn) => conn,
        None => PgConnection::connect_with(options).await?,
    };
    conn.ping().await?;
    *kept = Some(conn);
    Ok(())
}
