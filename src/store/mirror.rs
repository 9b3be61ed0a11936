//! Messages of a channel as posts of a site: one post for each message, however often and in
//! whatever order its events arrive.

use sqlx::FromRow;

use super::audit::{audit, unless_done};
use super::db::{Tx, tx};
use super::error::StoreError;
use super::new_posts::{self, NewPost};
use super::posts::{keep_revision, locked, remember, seen_by_readers, shown_date, storable};
use super::{Store, estate::parsed};
use crate::model::{Actor, PostDraft, PostId, PostState, Revision, SiteName};

/// What a message changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Mirrored {
    /// There is a new post.
    New(PostId),
    /// The post of this message was changed.
    Changed(PostId),
    /// The post shows this version, or one with the same text.
    Unchanged(PostId),
    /// Somebody changed the post itself: it stays as they wrote it.
    Rewritten,
    /// A later version was there before, or the message or its post is deleted.
    Older,
}

#[derive(FromRow)]
struct Known {
    id: String,
    /// The version of the message that the post shows; none of them once somebody changed the post
    /// itself.
    source_version: Option<String>,
    state: String,
}

impl Store {
    /// Makes a post of a message of a channel (`source`, as `slack:TEAM:CHANNEL:TS`), or changes
    /// the one that it is. An older version never replaces a newer one; versions are compared as
    /// text. What was deleted, there or here, stays deleted; what was changed here stays as it is.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written: then nothing was changed.
    pub async fn mirror(
        &self,
        source: &str,
        version: &str,
        site: &str,
        name: &SiteName,
        draft: &PostDraft,
        by: &Actor,
    ) -> Result<Mirrored, StoreError> {
        // One at a time: of two that bring the same message neither sees the other's post.
        let mut tx = self.write.begin_alone().await?;
        if let Some(known) = known(&mut tx, source).await? {
            return change(tx, &known, version, draft, by).await;
        }
        let deleted: Option<String> = tx!(&mut tx, conn => sqlx::query_scalar(
                "SELECT source FROM unmirrored WHERE source = $1")
            .bind(source).fetch_optional(conn).await?);
        if deleted.is_some() {
            return unless_done(&mut tx, by, Mirrored::Older).await;
        }
        let stamp = tx.stamp().await?;
        let now = tx.now().await?;
        let new = NewPost {
            site: site.to_owned(),
            name: name.clone(),
            draft: draft.clone(),
            by: by.clone(),
            source: Some((source.to_owned(), version.to_owned())),
        };
        let mut posts = new_posts::insert(&mut tx, stamp, now, &[new]).await?;
        let post = posts.pop().flatten().ok_or(StoreError::AlreadyDone)?;
        tx.commit().await?;
        Ok(Mirrored::New(post.id))
    }

    /// A message was deleted: so is its post, whatever version of it arrives later. Answers the post
    /// that is gone.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written: then nothing was changed.
    pub async fn unmirror(
        &self,
        source: &str,
        version: &str,
        by: &Actor,
    ) -> Result<Option<PostId>, StoreError> {
        let mut tx = self.write.begin_alone().await?;
        let now = tx.now().await?;
        let Some(known) = known(&mut tx, source).await? else {
            tx!(&mut tx, conn => sqlx::query(
                    "INSERT INTO unmirrored (source, at) VALUES ($1, $2) \
                     ON CONFLICT (source) DO NOTHING")
                .bind(source).bind(now.0).execute(conn).await.map(|_| ())?);
            tx.commit_silently().await?;
            return Ok(None);
        };
        let id: PostId = parsed(&known.id)?;
        let Some((site, post)) = locked(&mut tx, &id).await? else {
            return unless_done(&mut tx, by, None).await;
        };
        let stamp = tx.stamp().await?;
        tx!(&mut tx, conn => sqlx::query(
                "UPDATE post SET state = 'deleted', updated_at = $2, source_version = $3 \
                 WHERE id = $1")
            .bind(id.as_str()).bind(now.0).bind(version).execute(conn).await.map(|_| ())?);
        if post.state == PostState::Published {
            seen_by_readers(&mut tx, stamp, now, &site, "delete", &id, by).await?;
        }
        audit(
            &mut tx,
            now,
            by,
            "delete",
            Some(&post.site),
            Some(id.as_str()),
        )
        .await?;
        tx.commit().await?;
        Ok(Some(id))
    }
}

async fn known(tx: &mut Tx, source: &str) -> Result<Option<Known>, StoreError> {
    Ok(tx!(tx, conn => sqlx::query_as(
            "SELECT id, source_version, state FROM post WHERE source = $1")
        .bind(source).fetch_optional(conn).await?))
}

/// The post keeps its site, its address, its date and its place in life.
async fn change(
    mut tx: Tx,
    known: &Known,
    version: &str,
    draft: &PostDraft,
    by: &Actor,
) -> Result<Mirrored, StoreError> {
    let id: PostId = parsed(&known.id)?;
    if known.state == "deleted" {
        return unless_done(&mut tx, by, Mirrored::Older).await;
    }
    let Some(shown) = known.source_version.as_deref() else {
        return unless_done(&mut tx, by, Mirrored::Rewritten).await;
    };
    if version < shown {
        return unless_done(&mut tx, by, Mirrored::Older).await;
    }
    if version == shown {
        return unless_done(&mut tx, by, Mirrored::Unchanged(id)).await;
    }
    let stamp = tx.stamp().await?;
    let now = tx.now().await?;
    let Some((site, post)) = locked(&mut tx, &id).await? else {
        return unless_done(&mut tx, by, Mirrored::Older).await;
    };
    let revision = storable(Revision {
        title: draft.title.clone(),
        body: draft.body.clone(),
        category: draft.category.clone(),
        author: draft.author.clone(),
        published_at: shown_date(post.state, post.publish_at),
    });
    if revision.digest() == post.digest {
        tx!(&mut tx, conn => sqlx::query("UPDATE post SET source_version = $2 WHERE id = $1")
            .bind(id.as_str()).bind(version).execute(conn).await.map(|_| ())?);
        tx.commit_silently().await?;
        return Ok(Mirrored::Unchanged(id));
    }
    let digest = keep_revision(&mut tx, &revision).await?;
    tx!(&mut tx, conn => sqlx::query(
            "UPDATE post SET digest = $2, title = $3, updated_at = $4, source_version = $5 \
             WHERE id = $1")
        .bind(id.as_str()).bind(&digest).bind(&revision.title).bind(now.0).bind(version)
        .execute(conn).await.map(|_| ())?);
    remember(&mut tx, &id, &digest, now, by).await?;
    if post.state == PostState::Published {
        seen_by_readers(&mut tx, stamp, now, &site, "edit", &id, by).await?;
    }
    audit(
        &mut tx,
        now,
        by,
        "edit",
        Some(&post.site),
        Some(id.as_str()),
    )
    .await?;
    tx.commit().await?;
    Ok(Mirrored::Changed(id))
}

impl super::Reader {
    /// Whether there is a post of a message (`source`, as [`Store::mirror`] has it), or was one.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be reached.
    pub async fn is_mirrored(&self, source: &str) -> Result<bool, StoreError> {
        let found: Option<String> = super::db::pool!(&self.pool, pool => sqlx::query_scalar(
                "SELECT id FROM post WHERE source = $1")
            .bind(source).fetch_optional(pool).await?);
        Ok(found.is_some())
    }

    /// Whether a post changes when the message changes that it was made of.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be reached.
    pub async fn follows_message(&self, post: &PostId) -> Result<bool, StoreError> {
        let version: Option<Option<String>> = super::db::pool!(&self.pool, pool =>
            sqlx::query_scalar("SELECT source_version FROM post WHERE id = $1")
                .bind(post.as_str()).fetch_optional(pool).await?);
        Ok(version.flatten().is_some())
    }

    /// How many posts a site (by id) has of messages of a channel: those that
    /// [`Store::unfollow`] deletes if it is to.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be reached.
    pub async fn count_mirrored(
        &self,
        workspace: &str,
        channel: &str,
        site: &str,
    ) -> Result<u64, StoreError> {
        let source = format!("slack:{workspace}:{channel}:");
        let count: i64 = super::db::pool!(&self.pool, pool => sqlx::query_scalar(
                "SELECT COUNT(*) FROM post WHERE site = $2 AND state <> 'deleted' \
                 AND substr(source, 1, length($1)) = $1")
            .bind(&source).bind(site).fetch_one(pool).await?);
        Ok(count.unsigned_abs())
    }
}
