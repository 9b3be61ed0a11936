//! The bot tokens: one from the environment, and those of the workspaces that installed the app.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use tokio::sync::OnceCell;

use super::api::{Api, ApiError, Identity};
use super::seal::Sealer;
use crate::model::Secret;
use crate::store::{Store, StoreError};

/// With what Slack is called, by workspace.
#[derive(Debug)]
pub struct Tokens {
    own: Option<Own>,
    sealer: Option<Sealer>,
    installed: RwLock<HashMap<String, Secret>>,
}

/// The token from the environment, and whose it is: only Slack knows, and is asked once.
#[derive(Debug)]
struct Own {
    token: Secret,
    identity: OnceCell<Identity>,
}

/// Whose the token of the environment is, as far as that is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Home<'a> {
    /// There is no such token.
    Nowhere,
    /// Slack did not say yet.
    Unknown,
    /// This workspace's.
    At(&'a str),
}

impl Own {
    async fn identity(&self, api: &Api) -> Result<&Identity, ApiError> {
        let ask = || api.auth_test(&self.token);
        self.identity.get_or_try_init(ask).await
    }
}

impl Tokens {
    /// `own` works in the one workspace that it is of; `sealer` opens those of others.
    pub fn new(own: Option<Secret>, sealer: Option<Sealer>) -> Self {
        Self {
            own: own.map(|token| Own {
                token,
                identity: OnceCell::new(),
            }),
            sealer,
            installed: RwLock::default(),
        }
    }

    /// The token for a workspace; an empty name stands for the workspace of the environment. That
    /// one's token is used for no other workspace: what is meant for somebody there would go to
    /// somebody here.
    ///
    /// # Errors
    ///
    /// [`ApiError::Gone`]: there is none for it. Any other: Slack does not say yet whose the token
    /// of the environment is.
    pub(super) async fn of(&self, workspace: &str, api: &Api) -> Result<Secret, ApiError> {
        if let Some(token) = self.installed(workspace) {
            return Ok(token);
        }
        let own = self.own.as_ref().ok_or(ApiError::Gone)?;
        match workspace.is_empty() || own.identity(api).await?.team == workspace {
            true => Ok(own.token.clone()),
            false => Err(ApiError::Gone),
        }
    }

    /// Whose the token of the environment is. `None`: there is none.
    pub(super) async fn own(&self, api: &Api) -> Option<Result<&Identity, ApiError>> {
        Some(self.own.as_ref()?.identity(api).await)
    }

    /// The workspace of the environment, without asking.
    pub(super) fn home(&self) -> Home<'_> {
        match &self.own {
            None => Home::Nowhere,
            Some(own) => match own.identity.get() {
                Some(identity) => Home::At(&identity.team),
                None => Home::Unknown,
            },
        }
    }

    /// Whether the app was installed there.
    pub(super) fn has(&self, workspace: &str) -> bool {
        self.installed(workspace).is_some()
    }

    /// Whether it is known that there is no token for a workspace: nobody there can be asked for.
    pub(super) fn are_none_for(&self, workspace: &str) -> bool {
        let others = match self.home() {
            Home::Nowhere => true,
            Home::Unknown => false,
            Home::At(home) => home != workspace,
        };
        others && !self.has(workspace)
    }

    fn installed(&self, workspace: &str) -> Option<Secret> {
        let installed = self.installed.read();
        let installed = installed.unwrap_or_else(PoisonError::into_inner);
        installed.get(workspace).cloned()
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
