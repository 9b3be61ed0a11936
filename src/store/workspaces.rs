//! The chat workspaces in which the app is installed.

use sqlx::FromRow;

use super::audit::{Line, audit_lines, unless_done};
use super::db::{pool, tx};
use super::error::StoreError;
use super::estate::{json, parsed};
use super::sites::{self, NewSite};
use super::{Reader, Store, without_nul};
use crate::model::{Actor, Millis, SiteName, Spec};

/// What the platform says when the app is installed in a workspace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Installed {
    /// The workspace's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The id of the app's own user there.
    pub bot_user: String,
    /// The token for it, sealed; `None`: it comes from the environment.
    pub token: Option<String>,
}

/// A workspace in which the app is, or was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WorkspaceRow {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The id of the app's own user there.
    pub bot_user: String,
    /// The token for it, sealed.
    pub token: Option<String>,
    /// When the app was installed, last.
    pub installed_at: Millis,
    /// When it was removed.
    pub removed_at: Option<Millis>,
}

#[derive(FromRow)]
struct Raw {
    id: String,
    name: String,
    bot_user: String,
    token: Option<String>,
    installed_at: i64,
    removed_at: Option<i64>,
}

impl Reader {
    /// Every workspace in which the app is, or was, by id.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be reached.
    pub async fn workspaces(&self) -> Result<Vec<WorkspaceRow>, StoreError> {
        let rows: Vec<Raw> = pool!(&self.pool, pool => sqlx::query_as(
                "SELECT id, name, bot_user, token, installed_at, removed_at FROM workspace \
                 ORDER BY id")
            .fetch_all(pool).await?);
        Ok(rows
            .into_iter()
            .map(|raw| WorkspaceRow {
                id: raw.id,
                name: raw.name,
                bot_user: raw.bot_user,
                token: raw.token,
                installed_at: Millis(raw.installed_at),
                removed_at: raw.removed_at.map(Millis),
            })
            .collect())
    }
}

impl Store {
    /// Keeps that the app is installed in a workspace, and makes the site that comes with it,
    /// unless there is one of that name. Answers whether it did that. What is so already is not
    /// written again.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written.
    pub async fn install_workspace(
        &self,
        installed: &Installed,
        site: Option<&NewSite>,
        by: &Actor,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write.begin_alone().await?;
        let stamp = tx.stamp().await?;
        let now = tx.now().await?;
        let made = match site {
            Some(site) => sites::insert(&mut tx, stamp, now, site, by)
                .await?
                .is_some(),
            None => false,
        };
        let changed = tx!(&mut tx, conn => sqlx::query(
                "INSERT INTO workspace (id, name, bot_user, token, installed_at) \
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO UPDATE SET \
                 name = excluded.name, bot_user = excluded.bot_user, token = excluded.token, \
                 installed_at = excluded.installed_at, removed_at = NULL \
                 WHERE workspace.removed_at IS NOT NULL OR workspace.name <> excluded.name \
                 OR workspace.bot_user <> excluded.bot_user \
                 OR workspace.token IS DISTINCT FROM excluded.token")
            .bind(&installed.id).bind(without_nul(&installed.name)).bind(&installed.bot_user)
            .bind(&installed.token).bind(now.0).execute(conn).await?.rows_affected());
        if changed == 0 && !made {
            return unless_done(&mut tx, by, false).await;
        }
        let line = Line {
            by,
            action: "install",
            site: site.filter(|_| made).map(|site| &site.name),
            detail: Some(&installed.id),
        };
        audit_lines(&mut tx, now, &[line]).await?;
        tx.commit().await?;
        Ok(made)
    }

    /// The app was removed from a workspace: its token is forgotten, so are its people; its sites
    /// that chat made are given up, its channels no longer mirrored, and what it was to be told is
    /// not told any more. Posts stay. `false`: the app was not there.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written.
    pub async fn remove_workspace(&self, id: &str, by: &Actor) -> Result<bool, StoreError> {
        let mut tx = self.write.begin_alone().await?;
        let stamp = tx.stamp().await?;
        let now = tx.now().await?;
        let chat: Vec<(String, String, String)> = tx!(&mut tx, conn => sqlx::query_as(
                "SELECT id, name, spec FROM site WHERE origin = 'chat' AND presence = 'declared'")
            .fetch_all(conn).await?);
        let mut gone: Vec<(String, SiteName)> = Vec::new();
        for (site, name, spec) in chat {
            let spec: Spec = json(&spec)?;
            if spec.slack.is_some_and(|slack| slack.workspace == id) {
                gone.push((site, parsed(&name)?));
            }
        }
        let ids: Vec<&str> = gone.iter().map(|(site, _)| site.as_str()).collect();
        sites::remove(&mut tx, stamp, &ids).await?;
        let removed = tx!(&mut tx, conn => sqlx::query(
                "UPDATE workspace SET token = NULL, removed_at = $2 \
                 WHERE id = $1 AND removed_at IS NULL")
            .bind(id).bind(now.0).execute(conn).await?.rows_affected());
        if removed == 0 {
            return unless_done(&mut tx, by, false).await;
        }
        for sql in [
            "DELETE FROM person WHERE workspace = $1 AND $2 > 0",
            "UPDATE channel SET state = 'removed', next_at = $2 \
             WHERE workspace = $1 AND origin = 'chat' AND state <> 'removed'",
            "UPDATE inbox SET done_at = $2 WHERE workspace = $1 AND done_at IS NULL",
            "UPDATE telling SET closed_at = $2 WHERE workspace = $1 AND closed_at IS NULL",
        ] {
            tx!(&mut tx, conn => sqlx::query(sql).bind(id).bind(now.0).execute(conn).await.map(|_| ())?);
        }
        let nobody = Actor {
            request: None,
            ..by.clone()
        };
        let mut lines: Vec<Line<'_>> = gone
            .iter()
            .map(|(_, name)| Line {
                by: &nobody,
                action: "site remove",
                site: Some(name),
                detail: None,
            })
            .collect();
        lines.push(Line {
            by,
            action: "uninstall",
            site: None,
            detail: Some(id),
        });
        audit_lines(&mut tx, now, &lines).await?;
        tx.commit().await?;
        Ok(true)
    }
}
