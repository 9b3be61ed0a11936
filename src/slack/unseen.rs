//! What people changed that no look has seen yet.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::timeout;

use crate::engine::run::Health;

/// So long somebody waits for the look that sees what they changed. It was woken when they did.
const PATIENCE: Duration = Duration::from_secs(1);

/// When the sites of workspaces were changed last, until a look has seen it.
#[derive(Debug, Default)]
pub(super) struct Unseen(Mutex<HashMap<String, Instant>>);

impl Unseen {
    /// A change of a site of this workspace was committed just now.
    pub(super) fn add(&self, workspace: &str) {
        self.lock().insert(workspace.to_owned(), Instant::now());
    }

    /// Waits until a look has seen what this workspace changed here, but not for long. Mostly
    /// nothing was changed, and it costs nothing.
    pub(super) async fn wait(&self, workspace: &str, health: &watch::Receiver<Health>) {
        let Some(changed) = self.lock().get(workspace).copied() else {
            return;
        };
        let mut health = health.clone();
        let seen = |health: &Health| {
            let snapshot = health.snapshot.as_ref();
            snapshot.is_some_and(|snapshot| snapshot.begun >= changed)
        };
        // What it answers would keep the loop from telling what it sees next.
        let _in_time = timeout(PATIENCE, health.wait_for(seen)).await.is_ok();
        // Whoever asks next does not wait as well, if the database is away.
        let mut all = self.lock();
        if all.get(workspace) == Some(&changed) {
            all.remove(workspace);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
