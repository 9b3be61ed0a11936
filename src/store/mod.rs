//! What is kept: desired and observed state, content by hash, builds, and what people are to be told.
//!
//! One body of SQL for SQLite and PostgreSQL. [`Reader`] can only read, and the preview is given
//! nothing else; [`Store`] writes.

mod address;
mod adopt;
mod audit;
mod builds;
mod calm;
mod channels;
mod content;
mod db;
mod error;
mod estate;
mod feed;
mod history;
mod inbox;
mod lists;
mod mirror;
mod new_posts;
mod outbox;
mod people;
mod posts;
mod previews;
mod promises;
mod publish;
mod record;
mod silence;
mod site_row;
mod sites;
mod tellings;
#[cfg(test)]
mod tests;
mod upkeep;
mod workspaces;

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

pub use address::{Address, Dialect};
pub use audit::AuditRow;
pub use builds::{Claim, ClaimRequest, Recorded};
pub use calm::{Calm, Lasting};
pub use channels::{ChannelRow, ChannelState, Declared, Followed, Unfollowed};
pub use content::{PartRow, PostInPart};
pub use error::{Cause, StoreError};
pub use estate::{Delta, FlightRow, Generation};
pub use feed::PublishedPost;
pub use history::BuildRow;
pub use inbox::Received;
pub use lists::{Listed, PostFilter};
pub use mirror::Mirrored;
pub use outbox::{Flood, Notify, Routed};
pub use people::PersonRow;
pub use previews::Previewed;
pub use promises::Settled;
pub use publish::{Publication, SiteChange};
pub use site_row::{ObservedRow, Presence, SiteRow};
pub use sites::{NewSite, Resumed};
pub use tellings::{Telling, URL_USES};
pub use upkeep::Listener;
pub use workspaces::{Came, Installed, WorkspaceRow};

use crate::model::Millis;
use db::Pool;

/// The longest time for which a claim may be held without a sign of life of its holder.
pub const LONGEST_LEASE: Duration = Duration::from_secs(10 * 60);

/// The database, for reading.
#[derive(Clone, Debug)]
pub struct Reader {
    pool: Pool,
}

/// The database, for reading and writing.
#[derive(Clone, Debug)]
pub struct Store {
    reader: Reader,
    write: Pool,
    new_posts: Arc<new_posts::Queue>,
}

impl Reader {
    /// Opens a database that the caller cannot change. `None`: there is none yet.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it is there and cannot be reached.
    pub async fn open(address: &Address) -> Result<Option<Self>, StoreError> {
        let Some(pool) = Pool::read_only(address).await? else {
            return Ok(None);
        };
        let reader = Self { pool };
        let has_schema = reader.pool.unless_silent(reader.has_schema()).await?;
        Ok(has_schema.then_some(reader))
    }

    /// Which database it is.
    pub fn dialect(&self) -> Dialect {
        self.pool.dialect()
    }

    /// The time by which all replicas decide.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be reached.
    pub async fn now(&self) -> Result<Millis, StoreError> {
        let mut tx = self.pool.snapshot().await?;
        tx.now().await
    }

    async fn has_schema(&self) -> Result<bool, StoreError> {
        let found: i64 = match &self.pool {
            Pool::Sqlite(pool) => {
                sqlx::query_scalar("SELECT COUNT(*) FROM sqlite_master WHERE name = 'observed'")
                    .fetch_one(pool)
                    .await?
            }
            Pool::Postgres(pool) => {
                sqlx::query_scalar(
                    "SELECT CAST(CASE WHEN to_regclass('observed') IS NULL THEN 0 ELSE 1 END AS BIGINT)",
                )
                .fetch_one(pool)
                .await?
            }
        };
        Ok(found > 0)
    }
}

impl Store {
    /// Opens a database, makes it if it is a file that is not there, and brings its schema up to
    /// date. Safe when several processes start at once.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it cannot be reached or migrated.
    pub async fn open(address: &Address) -> Result<Self, StoreError> {
        let (read, write) = Pool::read_write(address).await?;
        Ok(Self {
            reader: Reader { pool: read },
            write,
            new_posts: Arc::default(),
        })
    }

    /// The same database, for reading.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Waits until all connections are closed.
    pub async fn close(&self) {
        self.reader.pool.close().await;
        self.write.close().await;
    }
}

impl Deref for Store {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        &self.reader
    }
}

/// A new id: time-ordered, so that indexes grow at one end.
fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// PostgreSQL refuses U+0000 in texts, and whatever comes with it.
fn without_nul(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', ""))
    } else {
        Cow::Borrowed(text)
    }
}
