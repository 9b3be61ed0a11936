use std::collections::BTreeMap;

use serde::Serialize;
use sqlx::FromRow;
use sqlx::types::Json;

use super::audit::{Line, audit, audit_lines, unless_done};
use super::db::{Stamp, Tx, each, pool, tx};
use super::error::StoreError;
use super::estate::parsed;
use super::promises::{Promise, promise};
use super::{Reader, Store, without_nul};
use crate::model::{
    Actor, Millis, Post, PostChange, PostId, PostState, Publish, Revision, Slug, TellTo,
};

#[derive(FromRow)]
struct RawPost {
    id: String,
    site: String,
    slug: String,
    state: String,
    publish_at: Option<i64>,
    created_at: i64,
    updated_at: i64,
    account: Option<String>,
    digest: String,
    title: String,
    body: String,
    category: Option<String>,
    author: Option<String>,
    published_at: Option<i64>,
}

const POST_SQL: &str = "SELECT p.id, s.name AS site, p.slug, p.state, p.publish_at, \
     p.created_at, p.updated_at, p.account, p.digest, r.title, r.body, r.category, r.author, r.published_at \
     FROM post p JOIN site s ON s.id = p.site JOIN revision r ON r.digest = p.digest \
     WHERE p.id = $1";

impl Reader {
    /// One post with its newest revision.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be reached.
    pub async fn post(&self, id: &PostId) -> Result<Option<Post>, StoreError> {
        let raw: Option<RawPost> = pool!(&self.pool, pool => sqlx::query_as(POST_SQL)
            .bind(id.as_str()).fetch_optional(pool).await?);
        raw.map(post).transpose()
    }

    /// Who wrote the newest revision of a post.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be reached.
    pub async fn last_changed_by(&self, id: &PostId) -> Result<Option<String>, StoreError> {
        Ok(pool!(&self.pool, pool => sqlx::query_scalar(
                "SELECT changed_by FROM post_revision WHERE post = $1 \
                 ORDER BY number DESC LIMIT 1")
            .bind(id.as_str()).fetch_optional(pool).await?))
    }
}

impl Store {
    /// Changes a post. `None`: there is no such post, or it is deleted. One that mirrors a message
    /// no longer follows it from here on: what a person wrote is not written over.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written: then nothing was changed.
    pub async fn edit_post(
        &self,
        id: &PostId,
        change: &PostChange,
        by: &Actor,
    ) -> Result<Option<Post>, StoreError> {
        let mut tx = self.write.begin().await?;
        let stamp = tx.stamp().await?;
        let now = tx.now().await?;
        let Some((site, mut post)) = locked(&mut tx, id).await? else {
            return unless_done(&mut tx, by, None).await;
        };
        let was = post.state;
        if let Some(publish) = change.publish {
            let dated = match was {
                PostState::Published => post.publish_at,
                _ => None,
            };
            (post.state, post.publish_at) = when(publish, now, dated);
        }
        let old = post.revision;
        let revision = storable(Revision {
            title: change.title.clone().unwrap_or_else(|| old.title.clone()),
            body: change.body.clone().unwrap_or_else(|| old.body.clone()),
            category: change
                .category
                .clone()
                .unwrap_or_else(|| old.category.clone()),
            author: old.author.clone(),
            published_at: shown_date(post.state, post.publish_at),
        });
        let rewritten = (&revision.title, &revision.body, &revision.category)
            != (&old.title, &old.body, &old.category);
        let changed = revision.digest() != post.digest;
        let digest = keep_revision(&mut tx, &revision).await?;
        tx!(&mut tx, conn => sqlx::query(
                "UPDATE post SET state = $2, publish_at = $3, digest = $4, title = $5, \
                 updated_at = $6, \
                 source_version = CASE WHEN $7 THEN NULL ELSE source_version END WHERE id = $1")
            .bind(id.as_str()).bind(post.state.as_str()).bind(post.publish_at.map(|at| at.0))
            .bind(&digest).bind(&revision.title).bind(now.0).bind(rewritten).execute(conn).await.map(|_| ())?);
        if changed {
            remember(&mut tx, id, &digest, now, by).await?;
        }
        if let Some(action) = for_readers(was, post.state) {
            seen_by_readers(&mut tx, stamp, now, &site, action, id, by).await?;
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
        Ok(Some(Post {
            updated_at: now,
            digest: revision.digest(),
            revision,
            ..post
        }))
    }

    /// Takes a post off its site; its revisions stay. `None`: there is no such post.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written: then nothing was changed.
    pub async fn delete_post(&self, id: &PostId, by: &Actor) -> Result<Option<Post>, StoreError> {
        let mut tx = self.write.begin().await?;
        let stamp = tx.stamp().await?;
        let now = tx.now().await?;
        let Some((site, mut post)) = locked(&mut tx, id).await? else {
            return unless_done(&mut tx, by, None).await;
        };
        let was = std::mem::replace(&mut post.state, PostState::Deleted);
        tx!(&mut tx, conn => sqlx::query(
                "UPDATE post SET state = 'deleted', updated_at = $2 WHERE id = $1")
            .bind(id.as_str()).bind(now.0).execute(conn).await.map(|_| ())?);
        if was == PostState::Published {
            seen_by_readers(&mut tx, stamp, now, &site, "delete", id, by).await?;
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
        Ok(Some(post))
    }

    /// Publishes the scheduled posts whose time has come. Answers how many.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written.
    pub async fn publish_due_posts(&self) -> Result<usize, StoreError> {
        let mut tx = self.write.begin_alone().await?;
        let stamp = tx.stamp().await?;
        let now = tx.now().await?;
        let published: Vec<(String, String, Option<String>)> = tx!(&mut tx, conn => sqlx::query_as(
                "UPDATE post SET state = 'published', updated_at = $1 \
                 WHERE state = 'scheduled' AND publish_at <= $1 RETURNING id, site, account")
            .bind(now.0).fetch_all(conn).await?);
        let mut by_site = BTreeMap::<&str, Vec<&str>>::new();
        for (post, site, _) in &published {
            by_site.entry(site).or_default().push(post);
        }
        // A commit would wake the other replicas, who ask the same.
        if by_site.is_empty() {
            return Ok(0);
        }
        let counts = by_site
            .iter()
            .map(|(site, posts)| (*site, posts.len() as i64));
        let versions = posts_changed(&mut tx, stamp, &counts.collect()).await?;
        let writers: Vec<(TellTo, &str, &str)> = published
            .iter()
            .filter_map(|(post, site, account)| {
                let to = TellTo::of_account(account.as_deref()?)?;
                Some((to, post.as_str(), site.as_str()))
            })
            .collect();
        let promises: Vec<Promise<'_>> = writers
            .iter()
            .map(|(to, post, site)| Promise {
                to,
                site,
                action: "publish post",
                subject: Some(post),
                posts_version: versions.get(*site).copied(),
            })
            .collect();
        promise(&mut tx, now, &promises).await?;
        for (site, posts) in by_site {
            let name: String = tx!(&mut tx, conn => sqlx::query_scalar(
                    "SELECT name FROM site WHERE id = $1")
                .bind(site).fetch_one(conn).await?);
            let name = parsed(&name)?;
            let by = Actor::the_loop();
            let lines: Vec<Line<'_>> = posts
                .into_iter()
                .map(|post| Line {
                    by: &by,
                    action: "publish post",
                    site: Some(&name),
                    detail: Some(post),
                })
                .collect();
            audit_lines(&mut tx, now, &lines).await?;
        }
        tx.commit().await?;
        Ok(published.len())
    }
}

/// Without U+0000, which shows nothing and which PostgreSQL refuses: the same text has the same
/// digest on every database.
pub(super) fn storable(revision: Revision) -> Revision {
    Revision {
        title: without_nul(&revision.title).into_owned(),
        body: without_nul(&revision.body).into_owned(),
        category: revision
            .category
            .as_deref()
            .map(|text| without_nul(text).into_owned()),
        author: revision
            .author
            .as_deref()
            .map(|text| without_nul(text).into_owned()),
        published_at: revision.published_at,
    }
}

/// The state, and the date that readers see or that a draft is meant for. A post that stays
/// published keeps its date.
pub(super) fn when(
    publish: Publish,
    now: Millis,
    dated: Option<Millis>,
) -> (PostState, Option<Millis>) {
    match publish {
        Publish::Draft(at) => (PostState::Draft, at),
        Publish::Now => (PostState::Published, Some(dated.unwrap_or(now))),
        Publish::At(at) if at > now => (PostState::Scheduled, Some(at)),
        Publish::At(at) => (PostState::Published, Some(at)),
    }
}

/// The date that a revision shows. The time that a draft is meant for is no part of what it says.
pub(super) fn shown_date(state: PostState, publish_at: Option<Millis>) -> Option<Millis> {
    match state {
        PostState::Draft => None,
        PostState::Scheduled | PostState::Published | PostState::Deleted => publish_at,
    }
}

/// What a change of a post is to those who read the site. `None`: they see nothing of it.
fn for_readers(was: PostState, is: PostState) -> Option<&'static str> {
    match (was == PostState::Published, is == PostState::Published) {
        (false, false) => None,
        (false, true) => Some("publish post"),
        (true, true) => Some("edit"),
        (true, false) => Some("delete"),
    }
}

/// The row itself is the lock: a second writer of the same post waits for the first.
pub(super) async fn locked(tx: &mut Tx, id: &PostId) -> Result<Option<(String, Post)>, StoreError> {
    let site: Option<String> = tx!(&mut *tx, conn => sqlx::query_scalar(
            "UPDATE post SET updated_at = updated_at WHERE id = $1 AND state <> 'deleted' \
             RETURNING site")
        .bind(id.as_str()).fetch_optional(conn).await?);
    let Some(site) = site else {
        return Ok(None);
    };
    let raw: RawPost = tx!(tx, conn => sqlx::query_as(POST_SQL)
        .bind(id.as_str()).fetch_one(conn).await?);
    Ok(Some((site, post(raw)?)))
}

pub(super) async fn keep_revision(tx: &mut Tx, revision: &Revision) -> Result<String, StoreError> {
    let digest = revision.digest().to_string();
    tx!(tx, conn => sqlx::query(
            "INSERT INTO revision (digest, title, body, category, author, published_at) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (digest) DO NOTHING")
        .bind(&digest).bind(&revision.title).bind(&revision.body).bind(&revision.category)
        .bind(&revision.author).bind(revision.published_at.map(|at| at.0))
        .execute(conn).await.map(|_| ())?);
    Ok(digest)
}

/// Appends to the edit history of a post. The caller holds its row.
pub(super) async fn remember(
    tx: &mut Tx,
    id: &PostId,
    digest: &str,
    now: Millis,
    by: &Actor,
) -> Result<(), StoreError> {
    tx!(tx, conn => sqlx::query(
            "INSERT INTO post_revision (post, number, digest, at, changed_by) \
             SELECT $1, COALESCE(MAX(number), 0) + 1, $2, $3, $4 FROM post_revision WHERE post = $1")
        .bind(id.as_str()).bind(digest).bind(now.0).bind(&by.name).execute(conn).await.map(|_| ())?);
    Ok(())
}

/// Counts changes of the published posts of sites (by id): how many of each. Answers their new
/// versions. The digest is taken later, from the rows themselves: however many writers there are,
/// none can be left out of it.
pub(super) async fn posts_changed(
    tx: &mut Tx,
    stamp: Stamp,
    changes: &BTreeMap<&str, i64>,
) -> Result<BTreeMap<String, i64>, StoreError> {
    #[derive(Serialize)]
    struct Changed<'a> {
        site: &'a str,
        changes: i64,
    }
    if changes.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows: Vec<Changed<'_>> = changes
        .iter()
        .map(|(site, changes)| Changed {
            site,
            changes: *changes,
        })
        .collect();
    let sql = each!(
        tx.dialect(),
        "UPDATE site SET posts_version = posts_version + CAST(e.value->>'changes' AS BIGINT), \
         seq = $2 FROM ",
        "($1) AS e WHERE site.id = e.value->>'site' RETURNING site.id, site.posts_version"
    );
    let versions: Vec<(String, i64)> = tx!(tx, conn => sqlx::query_as(sql)
        .bind(Json(rows)).bind(stamp.0).fetch_all(conn).await?);
    Ok(versions.into_iter().collect())
}

/// Counts one change of what readers of a site see, and promises whoever made it to tell how it
/// ends.
pub(super) async fn seen_by_readers(
    tx: &mut Tx,
    stamp: Stamp,
    now: Millis,
    site: &str,
    action: &'static str,
    post: &PostId,
    by: &Actor,
) -> Result<(), StoreError> {
    let versions = posts_changed(tx, stamp, &BTreeMap::from([(site, 1)])).await?;
    let Some(to) = &by.tell else {
        return Ok(());
    };
    let promised = Promise {
        to,
        site,
        action,
        subject: Some(post.as_str()),
        posts_version: versions.get(site).copied(),
    };
    promise(tx, now, &[promised]).await
}

fn post(raw: RawPost) -> Result<Post, StoreError> {
    Ok(Post {
        id: parsed(&raw.id)?,
        site: parsed(&raw.site)?,
        slug: Slug::from_stored(raw.slug),
        state: parsed(&raw.state)?,
        publish_at: raw.publish_at.map(Millis),
        created_at: Millis(raw.created_at),
        updated_at: Millis(raw.updated_at),
        account: raw.account,
        digest: parsed(&raw.digest)?,
        revision: Revision {
            title: raw.title,
            body: raw.body,
            category: raw.category,
            author: raw.author,
            published_at: raw.published_at.map(Millis),
        },
    })
}
