//! What declared sites have for themselves.

use std::collections::{BTreeMap, BTreeSet};

use super::Details;
use crate::model::{BuilderSpec, SecretRef, SiteName};

/// What no other site may be given.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Holdings {
    hooks: BTreeSet<SecretRef>,
}

impl Holdings {
    /// Of these sites.
    pub(super) fn of(sites: &BTreeMap<SiteName, Details>) -> Self {
        let mut holdings = Self::default();
        for details in sites.values().filter(|details| details.declared) {
            match &details.spec.build {
                BuilderSpec::Netlify { hook, .. } => _ = holdings.hooks.insert(hook.clone()),
                BuilderSpec::Render { .. } => {}
            }
        }
        holdings
    }

    /// Whether a site has this hook.
    pub fn have_hook(&self, hook: &SecretRef) -> bool {
        self.hooks.contains(hook)
    }
}
