//! Channels whose messages become posts of a site.

use serde::Serialize;
use sqlx::FromRow;
use sqlx::types::Json;

use super::audit::{audit, unless_done};
use super::db::{Tx, each, pool, tx};
use super::error::StoreError;
use super::estate::{json, parsed};
use super::posts::posts_changed;
use super::promises::{Promise, promise};
use super::{Reader, Store};
use crate::model::{Actor, Millis, Origin, SiteName, Spec};

/// Where a channel is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChannelState {
    /// To be taken up.
    Queued,
    /// Mirrored.
    Active,
    /// No longer mirrored.
    Removed,
}

/// A channel that is mirrored, or was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChannelRow {
    /// The workspace's id.
    pub workspace: String,
    /// The channel's id.
    pub id: String,
    /// The id of the site.
    pub site: String,
    /// The name of the site.
    pub site_name: SiteName,
    /// Where it is in its life.
    pub state: ChannelState,
    /// Who declares it.
    pub origin: Origin,
    /// The newest message that was read from its history.
    pub cursor: Option<String>,
    /// Who asked for it.
    pub followed_by: String,
    /// When.
    pub at: Millis,
    /// When its history is to be looked at next.
    pub next_at: Millis,
}

/// What came of following a channel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Followed {
    /// It is mirrored from now on.
    New,
    /// It is mirrored into this site already.
    Already,
    /// It is to be mirrored into this site, and could not be read so far: that is tried again now.
    Unread,
    /// It is mirrored into another site, and stays there.
    Elsewhere(SiteName),
}

/// What came of no longer following a channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unfollowed {
    /// It is no longer mirrored; so many posts went with it.
    Done {
        /// The number of posts that were deleted.
        posts: u64,
    },
    /// It was not mirrored.
    NotFollowed,
    /// `sites.toml` declares it, and has to be edited.
    Declared,
}

/// A channel that `sites.toml` declares.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct Declared {
    /// The workspace's id.
    pub workspace: String,
    /// The channel's id.
    pub channel: String,
    /// The id of the site.
    pub site: String,
}

#[derive(FromRow)]
struct Raw {
    workspace: String,
    id: String,
    site: String,
    site_name: String,
    state: String,
    origin: String,
    cursor: Option<String>,
    followed_by: String,
    at: i64,
    next_at: i64,
    presence: String,
}

macro_rules! channels_sql {
    ($condition:literal) => {
        concat!(
            "SELECT c.workspace, c.id, c.site, s.name AS site_name, c.state, c.origin, c.cursor, \
             c.followed_by, c.at, c.next_at, s.presence FROM channel c JOIN site s ON s.id = c.site ",
            $condition
        )
    };
}

impl Reader {
    /// The channels that are mirrored, or are to be, of a workspace or of all.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be reached.
    pub async fn channels(&self, workspace: Option<&str>) -> Result<Vec<ChannelRow>, StoreError> {
        let rows: Vec<Raw> = pool!(&self.pool, pool => sqlx::query_as(channels_sql!(
                "WHERE c.state <> 'removed' AND s.presence = 'declared' AND ($1 IS NULL OR c.workspace = $1) \
                 ORDER BY c.workspace, c.id"))
            .bind(workspace).fetch_all(pool).await?);
        rows.into_iter().map(channel).collect()
    }

    /// One channel, whatever its state.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be reached.
    pub async fn channel(
        &self,
        workspace: &str,
        id: &str,
    ) -> Result<Option<ChannelRow>, StoreError> {
        let raw: Option<Raw> = pool!(&self.pool, pool => sqlx::query_as(channels_sql!(
                "WHERE c.workspace = $1 AND c.id = $2"))
            .bind(workspace).bind(id).fetch_optional(pool).await?);
        raw.map(channel).transpose()
    }
}

impl Store {
    /// Mirrors a channel into a site (by id) from now on.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written.
    pub async fn follow(
        &self,
        workspace: &str,
        channel: &str,
        site: &str,
        name: &SiteName,
        by: &Actor,
    ) -> Result<Followed, StoreError> {
        let mut tx = self.write.begin().await?;
        let now = tx.now().await?;
        // Followed again, it begins anew: what was written meanwhile was not written for a blog.
        let new = tx!(&mut tx, conn => sqlx::query(
                "INSERT INTO channel (workspace, id, site, state, origin, followed_by, at, next_at) \
                 VALUES ($1, $2, $3, 'queued', 'chat', $4, $5, $5) \
                 ON CONFLICT (workspace, id) DO UPDATE SET site = excluded.site, \
                 state = 'queued', origin = 'chat', cursor = NULL, \
                 followed_by = excluded.followed_by, \
                 at = excluded.at, next_at = excluded.next_at WHERE channel.state = 'removed' \
                 OR NOT EXISTS (SELECT 1 FROM site s WHERE s.id = channel.site \
                 AND s.presence = 'declared')")
            .bind(workspace).bind(channel).bind(site).bind(&by.name).bind(now.0)
            .execute(conn).await?.rows_affected());
        if new == 0 {
            let (there, called, state, tried): (String, String, String, bool) = tx!(&mut tx, conn => sqlx::query_as(
                    "SELECT s.id, s.name, c.state, c.next_at > c.at FROM channel c JOIN site s ON s.id = c.site \
                     WHERE c.workspace = $1 AND c.id = $2")
                .bind(workspace).bind(channel).fetch_one(conn).await?);
            if there != site {
                return unless_done(&mut tx, by, Followed::Elsewhere(parsed(&called)?)).await;
            }
            if state != "queued" || !tried {
                return unless_done(&mut tx, by, Followed::Already).await;
            }
            tx!(&mut tx, conn => sqlx::query(
                    "UPDATE channel SET next_at = $3 WHERE workspace = $1 AND id = $2 \
                     AND next_at > $3")
                .bind(workspace).bind(channel).bind(now.0).execute(conn).await.map(|_| ())?);
            let answer = unless_done(&mut tx, by, Followed::Unread).await?;
            tx.commit_silently().await?;
            return Ok(answer);
        }
        audit(&mut tx, now, by, "follow", Some(name), Some(channel)).await?;
        tx.commit().await?;
        Ok(Followed::New)
    }

    /// No longer mirrors a channel that was followed in chat. `drop_posts`: the posts that it made
    /// on this site go too.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written.
    pub async fn unfollow(
        &self,
        workspace: &str,
        channel: &str,
        drop_posts: bool,
        by: &Actor,
    ) -> Result<Unfollowed, StoreError> {
        let mut tx = self.write.begin_alone().await?;
        let now = tx.now().await?;
        let found: Option<(String, String, String)> = tx!(&mut tx, conn => sqlx::query_as(
                "SELECT c.origin, s.id, s.name FROM channel c JOIN site s ON s.id = c.site \
                 WHERE c.workspace = $1 AND c.id = $2 AND c.state <> 'removed'")
            .bind(workspace).bind(channel).fetch_optional(conn).await?);
        let Some((origin, site, name)) = found else {
            return unless_done(&mut tx, by, Unfollowed::NotFollowed).await;
        };
        if origin == "file" {
            return unless_done(&mut tx, by, Unfollowed::Declared).await;
        }
        let name: SiteName = parsed(&name)?;
        let mut posts = 0;
        if drop_posts {
            let source = format!("slack:{workspace}:{channel}:");
            let stamp = tx.stamp().await?;
            // Only posts that are on the site, or are to be, change anything for readers.
            let published: i64 = tx!(&mut tx, conn => sqlx::query_scalar(
                    "SELECT COUNT(*) FROM post WHERE site = $1 AND state = 'published' \
                     AND substr(source, 1, length($2)) = $2")
                .bind(&site).bind(&source).fetch_one(conn).await?);
            posts = tx!(&mut tx, conn => sqlx::query(
                    "UPDATE post SET state = 'deleted', updated_at = $3 WHERE site = $1 \
                     AND state <> 'deleted' AND substr(source, 1, length($2)) = $2")
                .bind(&site).bind(&source).bind(now.0).execute(conn).await?.rows_affected());
            if published > 0 {
                let changes = std::collections::BTreeMap::from([(site.as_str(), published)]);
                let versions = posts_changed(&mut tx, stamp, &changes).await?;
                if let Some(to) = &by.tell {
                    let promised = Promise {
                        to,
                        site: &site,
                        action: "unfollow",
                        subject: None,
                        posts_version: versions.get(&site).copied(),
                    };
                    promise(&mut tx, now, &[promised]).await?;
                }
            }
        }
        tx!(&mut tx, conn => sqlx::query(
                "UPDATE channel SET state = 'removed' WHERE workspace = $1 AND id = $2")
            .bind(workspace).bind(channel).execute(conn).await.map(|_| ())?);
        let detail = if drop_posts {
            format!("{channel} with {posts} posts")
        } else {
            channel.to_owned()
        };
        audit(&mut tx, now, by, "unfollow", Some(&name), Some(&detail)).await?;
        tx.commit().await?;
        Ok(Unfollowed::Done { posts })
    }

    /// The histories of all channels are to be read now: something may have been missed.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written.
    pub async fn channels_are_due(&self) -> Result<(), StoreError> {
        let mut tx = self.write.begin_alone().await?;
        let now = tx.now().await?;
        tx!(&mut tx, conn => sqlx::query(
                "UPDATE channel SET next_at = $1 WHERE state <> 'removed' AND next_at > $1")
            .bind(now.0).execute(conn).await.map(|_| ())?);
        tx.commit_silently().await
    }

    /// Takes it upon this replica to read the history of a channel, whose time has come: until
    /// `until` nobody else does. `false`: somebody else has taken it.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written.
    pub async fn take_channel(
        &self,
        workspace: &str,
        channel: &str,
        until: Millis,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write.begin().await?;
        let now = tx.now().await?;
        let taken = tx!(&mut tx, conn => sqlx::query(
                "UPDATE channel SET next_at = $3 WHERE workspace = $1 AND id = $2 \
                 AND state <> 'removed' AND next_at <= $4")
            .bind(workspace).bind(channel).bind(until.0).bind(now.0)
            .execute(conn).await?.rows_affected());
        tx.commit_silently().await?;
        Ok(taken == 1)
    }

    /// Keeps how far the history of a channel was read, and when to look again. `None`: it could not
    /// be read, and one that never was stays queued, to be joined. One that is no longer mirrored
    /// stays so.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written: then that part is read again.
    pub async fn channel_moved(
        &self,
        workspace: &str,
        channel: &str,
        cursor: Option<&str>,
        next_at: Millis,
    ) -> Result<(), StoreError> {
        let mut tx = self.write.begin().await?;
        tx!(&mut tx, conn => sqlx::query(
                "UPDATE channel SET state = CASE WHEN $3 IS NULL THEN state ELSE 'active' END, \
                 cursor = COALESCE($3, cursor), next_at = $4 \
                 WHERE workspace = $1 AND id = $2 AND state <> 'removed'")
            .bind(workspace).bind(channel).bind(cursor).bind(next_at.0)
            .execute(conn).await.map(|_| ())?);
        tx.commit_silently().await
    }

    /// Makes the channels that `sites.toml` declares what is mirrored because of it: these are
    /// added or changed, those that it no longer declares removed. They are to be those of the
    /// newest generation. Answers whether anything changed.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written.
    pub async fn declare_channels(&self, declared: &[Declared]) -> Result<bool, StoreError> {
        let mut declared: Vec<&Declared> = declared.iter().collect();
        declared.sort();
        // A channel has one site.
        declared.dedup_by_key(|declared| (&declared.workspace, &declared.channel));
        let mut tx = self.write.begin_alone().await?;
        let now = tx.now().await?;
        let sql = each!(
            tx.dialect(),
            "INSERT INTO channel (workspace, id, site, state, origin, followed_by, at, next_at) \
             SELECT e.value->>'workspace', e.value->>'channel', e.value->>'site', 'queued', \
             'file', 'sites.toml', $2, $2 FROM ",
            "($1) AS e WHERE true ON CONFLICT (workspace, id) DO UPDATE SET site = excluded.site, \
             state = CASE WHEN channel.state = 'removed' THEN 'queued' ELSE channel.state END, \
             cursor = CASE WHEN channel.state = 'removed' THEN NULL ELSE channel.cursor END, \
             at = CASE WHEN channel.state = 'removed' THEN excluded.at ELSE channel.at END, \
             origin = 'file', followed_by = excluded.followed_by, next_at = excluded.next_at \
             WHERE channel.state = 'removed' OR channel.origin <> 'file' \
             OR channel.site <> excluded.site"
        );
        let added = tx!(&mut tx, conn => sqlx::query(sql).bind(Json(&declared)).bind(now.0)
            .execute(conn).await?.rows_affected());
        let sql = each!(
            tx.dialect(),
            "UPDATE channel SET state = 'removed' WHERE origin = 'file' AND state <> 'removed' \
             AND NOT EXISTS (SELECT 1 FROM ",
            "($1) AS e WHERE e.value->>'workspace' = channel.workspace \
             AND e.value->>'channel' = channel.id)"
        );
        let removed = tx!(&mut tx, conn => sqlx::query(sql).bind(Json(&declared))
            .execute(conn).await?.rows_affected());
        if added + removed == 0 {
            return Ok(false);
        }
        tx.commit().await?;
        Ok(true)
    }
}

/// Ends what was followed into sites that are no longer declared, or belong to another workspace
/// than the channel: what is written there is no longer written for them. Channels that `sites.toml`
/// names come and go with it, in [`Store::declare_channels`].
pub(super) async fn end_strays(tx: &mut Tx, now: Millis) -> Result<(), StoreError> {
    let rows: Vec<(String, String, String, String)> = tx!(&mut *tx, conn => sqlx::query_as(
            "SELECT c.workspace, c.id, s.presence, s.spec FROM channel c \
             JOIN site s ON s.id = c.site WHERE c.state <> 'removed' AND c.origin = 'chat'")
        .fetch_all(conn).await?);
    for (workspace, channel, presence, spec) in rows {
        let spec: Spec = json(&spec)?;
        if presence == "declared" && spec.workspace() == Some(workspace.as_str()) {
            continue;
        }
        tx!(&mut *tx, conn => sqlx::query(
                "UPDATE channel SET state = 'removed', next_at = $3 \
                 WHERE workspace = $1 AND id = $2")
            .bind(&workspace).bind(&channel).bind(now.0).execute(conn).await.map(|_| ())?);
    }
    Ok(())
}

fn channel(raw: Raw) -> Result<ChannelRow, StoreError> {
    Ok(ChannelRow {
        workspace: raw.workspace,
        id: raw.id,
        site: raw.site,
        site_name: parsed(&raw.site_name)?,
        state: match (raw.presence.as_str(), raw.state.as_str()) {
            ("declared", "queued") => ChannelState::Queued,
            ("declared", "active") => ChannelState::Active,
            // Also one that was followed while its site was taken away.
            _ => ChannelState::Removed,
        },
        origin: match raw.origin.as_str() {
            "file" => Origin::File,
            _ => Origin::Chat,
        },
        cursor: raw.cursor,
        followed_by: raw.followed_by,
        at: Millis(raw.at),
        next_at: Millis(raw.next_at),
    })
}
