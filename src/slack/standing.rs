//! How a workspace stands to whoever runs this server.
//!
//! Anybody may install the app in a workspace of their own. What is the operator's alone is for the
//! workspace whose token is in the environment, and for those that they name in `sites.toml`.

use super::app::App;
use super::tokens::Home;
use crate::chat::policy::Refusal;
use crate::engine::snapshot::Snapshot;
use crate::model::{BuilderSpec, SecretRef};

impl App {
    /// Whether a workspace is the operator's own. Not while Slack did not say whose the token is,
    /// if nothing else tells it.
    pub(super) fn is_own(&self, snapshot: &Snapshot, workspace: &str) -> bool {
        snapshot.declared.contains(workspace) || self.tokens.home() == Home::At(workspace)
    }

    /// Why `sites.toml` is not in force as it stands, for those whose file it is: it is quoted.
    pub(super) fn file_problem(&self, snapshot: &Snapshot, workspace: &str) -> Option<String> {
        if !self.is_own(snapshot, workspace) {
            return None;
        }
        self.health.borrow().config_problem.clone()
    }

    /// Whether admins of a workspace may name this build hook in chat: an environment variable of
    /// the server. Guests may name none but the one that was set up for them.
    ///
    /// # Errors
    ///
    /// [`Refusal`]: it is not known yet whose workspace it is.
    pub(super) fn may_name_hook(
        &self,
        snapshot: &Snapshot,
        workspace: &str,
        hook: &SecretRef,
    ) -> Result<bool, Refusal> {
        if is_theirs(snapshot, workspace, hook) {
            return Ok(true);
        }
        match self.tokens.home() {
            Home::At(home) => Ok(home == workspace),
            // Nothing else tells it.
            Home::Nowhere => Ok(snapshot.declared.contains(workspace)),
            Home::Unknown => Err(Refusal::WhoAreYou),
        }
    }
}

/// Whether it is the hook that `[slack.on_install]` gives this workspace.
fn is_theirs(snapshot: &Snapshot, workspace: &str, hook: &SecretRef) -> bool {
    let template = snapshot.settings.slack.on_install.as_ref();
    let site = template.and_then(|template| template.site(workspace, "").ok());
    site.is_some_and(|(_, spec)| match &spec.build {
        BuilderSpec::Netlify { hook: theirs, .. } => theirs == hook,
        BuilderSpec::Render { .. } => false,
    })
}
