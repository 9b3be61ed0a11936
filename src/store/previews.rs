//! Private links to drafts. Only a hash of what makes a link secret is stored.

use super::db::{pool, tx};
use super::error::StoreError;
use super::estate::parsed;
use super::posts::{keep_revision, storable};
use super::{Reader, Store};
use crate::model::{Millis, PostId, Revision, SiteName, Slug};

/// What a link shows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Previewed {
    /// The site that the post belongs to.
    pub site: SiteName,
    /// Its part of the address.
    pub slug: Slug,
    /// The version that the link was made for.
    pub revision: Revision,
    /// Until when the link works.
    pub until: Millis,
}

#[derive(sqlx::FromRow)]
struct Raw {
    site: String,
    slug: String,
    until: i64,
    title: String,
    body: String,
    category: Option<String>,
    author: Option<String>,
    published_at: Option<i64>,
}

impl Store {
    /// Makes a link to a version of a post, saved or not, by the hash of its secret. A link that is
    /// there already stays what it is.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written, or has no such post.
    pub async fn new_preview(
        &self,
        post: &PostId,
        version: Revision,
        token_hash: &str,
        until: Millis,
    ) -> Result<(), StoreError> {
        let mut tx = self.write.begin().await?;
        let digest = keep_revision(&mut tx, &storable(version)).await?;
        tx!(&mut tx, conn => sqlx::query(
                "INSERT INTO preview (token_hash, post, digest, until) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (token_hash) DO NOTHING")
            .bind(token_hash).bind(post.as_str()).bind(digest).bind(until.0)
            .execute(conn).await.map(|_| ())?);
        tx.commit_silently().await
    }
}

impl Reader {
    /// What a link shows. `None`: there is no such link, its time is over, or the post is deleted.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be reached.
    pub async fn preview(
        &self,
        token_hash: &str,
        now: Millis,
    ) -> Result<Option<Previewed>, StoreError> {
        let raw: Option<Raw> = pool!(&self.pool, pool => sqlx::query_as(
                "SELECT s.name AS site, p.slug, v.until, r.title, r.body, r.category, r.author, \
                 r.published_at FROM preview v JOIN post p ON p.id = v.post \
                 JOIN site s ON s.id = p.site JOIN revision r ON r.digest = v.digest \
                 WHERE v.token_hash = $1 AND v.until > $2 AND p.state <> 'deleted'")
            .bind(token_hash).bind(now.0).fetch_optional(pool).await?);
        raw.map(|raw| {
            Ok(Previewed {
                site: parsed(&raw.site)?,
                slug: Slug::from_stored(raw.slug),
                revision: Revision {
                    title: raw.title,
                    body: raw.body,
                    category: raw.category,
                    author: raw.author,
                    published_at: raw.published_at.map(Millis),
                },
                until: Millis(raw.until),
            })
        })
        .transpose()
    }
}
