//! What every request and every task of the Slack side shares.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use axum::extract::FromRef;
use tokio::sync::{Notify, watch};

use super::api::Api;
use super::install::Installation;
use super::pages::Pages;
use super::seal::Sealer;
use super::signature::Gate;
use crate::engine::run::Health;
use crate::engine::snapshot::Snapshot;
use crate::model::Secret;
use crate::store::{Store, StoreError};

/// The Slack side of a replica. Cheap to clone.
#[derive(Clone, Debug)]
pub struct App(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    parts: Parts,
    pages: Pages,
}

/// What it is made of.
#[derive(Debug)]
pub struct Parts {
    /// The database.
    pub store: Store,
    /// What the loop saw last.
    pub health: watch::Receiver<Health>,
    /// Wakes the loop: something is wanted.
    pub wake: Arc<Notify>,
    /// Wakes the worker: something came in.
    pub work: Arc<Notify>,
    /// Slack's Web API.
    pub api: Api,
    /// With what it is called.
    pub tokens: Tokens,
    /// What Slack signs its requests with.
    pub gate: Gate,
    /// Seals addresses for answers.
    pub urls: Sealer,
    /// Installs the app in further workspaces, if it is set up to.
    pub installation: Option<Installation>,
    /// Where people reach this server, without a slash at the end.
    pub address: String,
}

/// The bot tokens: one from the environment, and those of the workspaces that installed the app.
#[derive(Debug)]
pub struct Tokens {
    own: Option<Secret>,
    sealer: Option<Sealer>,
    installed: RwLock<HashMap<String, Secret>>,
}

impl App {
    /// From its parts.
    pub fn new(parts: Parts) -> Self {
        let pages = Pages::default();
        Self(Arc::new(Shared { parts, pages }))
    }

    /// The pages of the list of sites that were made since the last look.
    pub(super) fn pages(&self) -> &Pages {
        &self.0.pages
    }

    /// What the loop saw last; `None`: it has not looked yet.
    pub(super) fn snapshot(&self) -> Option<Snapshot> {
        self.health.borrow().snapshot.clone()
    }

    /// Why `sites.toml` is not in force as it stands.
    pub(super) fn file_problem(&self) -> Option<String> {
        self.health.borrow().config_problem.clone()
    }
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0.parts
    }
}

impl FromRef<App> for Gate {
    fn from_ref(app: &App) -> Self {
        app.gate.clone()
    }
}

impl Tokens {
    /// `own` works in the one workspace that it is of; `sealer` opens those of others.
    pub fn new(own: Option<Secret>, sealer: Option<Sealer>) -> Self {
        Self {
            own,
            sealer,
            installed: RwLock::default(),
        }
    }

    /// The token for a workspace; an empty name stands for the workspace of the environment.
    pub fn of(&self, workspace: &str) -> Option<Secret> {
        let installed = self
            .installed
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        installed.get(workspace).or(self.own.as_ref()).cloned()
    }

    /// Whether the app was installed there, or has a token of its own for wherever it is.
    pub fn has(&self, workspace: &str) -> bool {
        let installed = self
            .installed
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        installed.contains_key(workspace)
    }

    /// Reads what was installed, here or by another replica.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be read.
    pub async fn refresh(&self, store: &Store) -> Result<(), StoreError> {
        let Some(sealer) = &self.sealer else {
            return Ok(());
        };
        let mut found = HashMap::new();
        for workspace in store.workspaces().await? {
            let Some(sealed) = &workspace.token else {
                continue;
            };
            match sealer.open(sealed) {
                Some(token) => _ = found.insert(workspace.id, token),
                None => tracing::error!(
                    workspace = workspace.id,
                    "the token of this workspace cannot be opened: MICROBLOT_KEY is another one \
                     than it was stored with; the workspace has to install the app again"
                ),
            }
        }
        *self
            .installed
            .write()
            .unwrap_or_else(PoisonError::into_inner) = found;
        Ok(())
    }

    /// Seals a token for the database. `None`: there is no key to do it with.
    pub fn seal(&self, token: &Secret) -> Option<String> {
        Some(self.sealer.as_ref()?.seal(token.expose()))
    }
}
