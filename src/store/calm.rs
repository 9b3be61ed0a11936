use sqlx::FromRow;

use super::db::tx;
use super::error::StoreError;
use super::estate::{account, generation, parsed};
use super::{Generation, Reader, Store};
use crate::model::{Account, Digest, Millis};

/// A look that found nothing to do, and everything that it depended on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Calm {
    /// Of the bytes of `sites.toml`.
    pub text: Digest,
    /// Of everything that the folder says, `sites.toml` and the files.
    pub inputs: Digest,
    /// Whether any site has files: otherwise the text says everything.
    pub reads_files: bool,
    /// The number of the generation in force.
    pub generation: i64,
    /// Where a reader of that state went on reading.
    pub cursor: i64,
    /// How many sites there were.
    pub sites: usize,
}

/// A calm that lasts, and what a plan tells besides sites.
#[derive(Debug)]
pub struct Lasting {
    /// The look that found it.
    pub calm: Calm,
    /// Over hosted builds, as of now.
    pub account: Account,
    /// The generation in force.
    pub generation: Generation,
    /// The time of this state.
    pub now: Millis,
}

#[derive(FromRow)]
struct RawCalm {
    text: String,
    inputs: String,
    reads_files: bool,
    generation: i64,
    cursor: i64,
    sites: i64,
}

/// Everything by which a decision about a site can become another one, and that is stored: its rows,
/// the generation, a build that is not over, and a post whose time comes.
///
/// A cursor that lies ahead was taken on another server, from which the database was restored.
pub(super) const LASTING: &str = "SELECT text, inputs, reads_files, generation, cursor, sites \
     FROM calm WHERE cursor <= $1 \
     AND generation = (SELECT MAX(number) FROM generation) \
     AND NOT EXISTS (SELECT 1 FROM site WHERE seq >= calm.cursor) \
     AND NOT EXISTS (SELECT 1 FROM observed WHERE seq >= calm.cursor) \
     AND NOT EXISTS (SELECT 1 FROM build WHERE ended_at IS NULL) \
     AND NOT EXISTS (SELECT 1 FROM post WHERE state = 'scheduled' AND publish_at <= $2)";

impl Reader {
    /// The last look that found nothing to do, if nothing was stored since that could change a
    /// decision. Costs the same for an estate of any size.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be reached, or its schema is older.
    pub async fn lasting_calm(&self) -> Result<Option<Lasting>, StoreError> {
        let mut tx = self.pool.snapshot().await?;
        let now = tx.now().await?;
        let cursor = tx.cursor().await?;
        let raw: Option<RawCalm> = tx!(&mut tx, conn => sqlx::query_as(LASTING)
            .bind(cursor).bind(now.0).fetch_optional(conn).await?);
        let Some(raw) = raw else { return Ok(None) };
        let account = account(&mut tx, now).await?;
        let generation = generation(&mut tx).await?;
        Ok(Some(Lasting {
            calm: Calm {
                text: parsed(&raw.text)?,
                inputs: parsed(&raw.inputs)?,
                reads_files: raw.reads_files,
                generation: raw.generation,
                cursor: raw.cursor,
                sites: usize::try_from(raw.sites).unwrap_or(0),
            },
            account,
            generation: generation
                .ok_or_else(|| StoreError::Corrupt("no generation".to_owned()))?,
            now,
        }))
    }
}

impl Store {
    /// Keeps a look that found nothing to do; it takes the place of the last one.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written.
    pub async fn keep_calm(&self, calm: &Calm) -> Result<(), StoreError> {
        let mut tx = self.write.begin().await?;
        tx!(&mut tx, conn => sqlx::query(
                "INSERT INTO calm (id, text, inputs, reads_files, generation, cursor, sites) \
                 VALUES (1, $1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO UPDATE SET \
                 text = excluded.text, inputs = excluded.inputs, \
                 reads_files = excluded.reads_files, generation = excluded.generation, \
                 cursor = excluded.cursor, sites = excluded.sites \
                 WHERE calm.inputs <> excluded.inputs OR calm.generation <> excluded.generation \
                 OR calm.cursor <> excluded.cursor")
            .bind(calm.text.to_string()).bind(calm.inputs.to_string()).bind(calm.reads_files)
            .bind(calm.generation).bind(calm.cursor)
            .bind(i64::try_from(calm.sites).unwrap_or(i64::MAX))
            .execute(conn).await.map(|_| ())?);
        tx.commit_silently().await
    }
}
