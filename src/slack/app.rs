//! What every request and every task of the Slack side shares.

use std::sync::Arc;

use axum::extract::FromRef;
use tokio::sync::{Notify, watch};

use super::api::{Api, ApiError};
use super::install::Installation;
use super::pages::Pages;
use super::refused::Refused;
use super::seal::Sealer;
use super::signature::Gate;
pub use super::tokens::Tokens;
use super::unseen::Unseen;
use crate::engine::run::Health;
use crate::engine::snapshot::Snapshot;
use crate::model::Secret;
use crate::store::Store;

/// The Slack side of a replica. Cheap to clone.
#[derive(Clone, Debug)]
pub struct App(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    parts: Parts,
    pages: Pages,
    unseen: Unseen,
    refused: Refused,
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

impl App {
    /// From its parts.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(Shared {
            parts,
            pages: Pages::default(),
            unseen: Unseen::default(),
            refused: Refused::default(),
        }))
    }

    /// The pages of the list of sites that were made since the last look.
    pub(super) fn pages(&self) -> &Pages {
        &self.0.pages
    }

    /// Whom Slack refused to tell about.
    pub(super) fn refused(&self) -> &Refused {
        &self.0.refused
    }

    /// A site of a workspace was changed, and that is committed: the loop looks again, and the
    /// workspace is answered from what it sees then.
    pub(super) fn changed(&self, workspace: &str) {
        self.0.unseen.add(workspace);
        self.wake.notify_one();
    }

    /// What the loop saw, with all that the workspace changed here; `None`: it has not looked yet.
    pub(super) async fn snapshot_for(&self, workspace: &str) -> Option<Snapshot> {
        self.0.unseen.wait(workspace, &self.health).await;
        self.snapshot()
    }

    /// What the loop saw last; `None`: it has not looked yet.
    pub(super) fn snapshot(&self) -> Option<Snapshot> {
        self.health.borrow().snapshot.clone()
    }

    /// The token for a workspace: see [`Tokens::of`].
    pub(super) async fn token(&self, workspace: &str) -> Result<Secret, ApiError> {
        self.tokens.of(workspace, &self.api).await
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
