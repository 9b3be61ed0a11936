//! The chat workspaces in which the app is installed.

use std::collections::BTreeMap;

use sqlx::FromRow;
use sqlx::types::Json;

use super::audit::{Line, audit_lines, unless_done};
use super::db::{Stamp, Tx, each, keyed, pool, tx};
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

/// The site that came with an installation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Came {
    /// It was made.
    New {
        /// Which.
        site: SiteName,
        /// Where it is published.
        url: String,
    },
    /// The workspace has it already.
    Before {
        /// Which.
        site: SiteName,
        /// Where it is published.
        url: String,
    },
    /// None: there was none to make, or each of the names was somebody else's.
    Nothing,
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
    /// Keeps that the app is installed in a workspace, and makes the site that comes with it: the
    /// first of these whose name is nobody else's, unless the workspace has or had one of them. What
    /// is so already is not written again.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written.
    pub async fn install_workspace(
        &self,
        installed: &Installed,
        sites: &[NewSite],
        by: &Actor,
    ) -> Result<Came, StoreError> {
        let mut tx = self.write.begin_alone().await?;
        let stamp = tx.stamp().await?;
        let now = tx.now().await?;
        let came = first_of(&mut tx, stamp, now, sites, by).await?;
        let made = match &came {
            Came::New { site, .. } => Some(site),
            Came::Before { .. } | Came::Nothing => None,
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
        if changed == 0 && made.is_none() {
            return unless_done(&mut tx, by, came).await;
        }
        let line = Line {
            by,
            action: "install",
            site: made,
            detail: Some(&installed.id),
        };
        audit_lines(&mut tx, now, &[line]).await?;
        tx.commit().await?;
        Ok(came)
    }

    /// The app was removed from a workspace: its token is forgotten, so are its people; its sites
    /// that chat made are given up, its channels no longer mirrored, and what it was to be told is
    /// not told any more. Posts stay. `at` is when that happened, to the second. `false`: the app was
    /// not there, or was installed later than that, and stays.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written.
    pub async fn remove_workspace(
        &self,
        id: &str,
        at: Millis,
        by: &Actor,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write.begin_alone().await?;
        let stamp = tx.stamp().await?;
        let now = tx.now().await?;
        let installed: Option<i64> = tx!(&mut tx, conn => sqlx::query_scalar(
                "SELECT installed_at FROM workspace WHERE id = $1 AND removed_at IS NULL")
            .bind(id).fetch_optional(conn).await?);
        let second = |millis: i64| millis.div_euclid(1000);
        if installed.is_none_or(|installed| second(at.0) < second(installed)) {
            return unless_done(&mut tx, by, false).await;
        }
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
        for sql in [
            "UPDATE workspace SET token = NULL, removed_at = $2 WHERE id = $1",
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

async fn first_of(
    tx: &mut Tx,
    stamp: Stamp,
    now: Millis,
    sites: &[NewSite],
    by: &Actor,
) -> Result<Came, StoreError> {
    let known = known(tx, sites).await?;
    let is_theirs = |site: &&NewSite| known.get(&site.name).is_some_and(|it| it.is_of(site));
    let theirs = sites.iter().find(is_theirs);
    let free = sites.iter().filter(|site| !known.contains_key(&site.name));
    for site in theirs.into_iter().chain(free) {
        if sites::insert(tx, stamp, now, site, by).await?.is_some() {
            return Ok(Came::New {
                site: site.name.clone(),
                url: site.spec.url.clone(),
            });
        }
        // Perhaps made a moment ago, by another request of the same installation.
        let mut there = self::known(tx, std::slice::from_ref(site)).await?;
        match there.remove(&site.name).filter(|it| it.is_of(site)) {
            Some(it) if it.declared => {
                return Ok(Came::Before {
                    site: site.name.clone(),
                    url: it.spec.url,
                });
            }
            // It was given up a moment ago; its posts are not to be left behind.
            Some(_) => return Ok(Came::Nothing),
            None => {}
        }
    }
    Ok(Came::Nothing)
}

/// A site that is, or was, there.
struct Known {
    spec: Spec,
    declared: bool,
}

impl Known {
    fn is_of(&self, site: &NewSite) -> bool {
        self.spec.workspace() == site.spec.workspace()
    }
}

/// What is known under the names of these sites.
async fn known(tx: &mut Tx, sites: &[NewSite]) -> Result<BTreeMap<SiteName, Known>, StoreError> {
    let names = keyed(sites.iter().map(|site| site.name.as_str()));
    let sql = each!(
        tx.dialect(),
        "SELECT s.name, s.spec, s.presence FROM ",
        "($1) AS e JOIN site s ON s.name = e.value->>'id'"
    );
    let rows: Vec<(String, String, String)> =
        tx!(tx, conn => sqlx::query_as(sql).bind(Json(names)).fetch_all(conn).await?);
    rows.iter()
        .map(|(name, spec, presence)| {
            let known = Known {
                spec: json(spec)?,
                declared: presence == "declared",
            };
            Ok((parsed(name)?, known))
        })
        .collect()
}
