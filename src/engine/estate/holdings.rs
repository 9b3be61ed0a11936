//! What declared sites have for themselves: folders that their builds replace, and hooks.

use std::collections::{BTreeMap, BTreeSet};

use super::Details;
use crate::model::{BuilderSpec, Folders, InputProblem, Origin, SecretRef, SiteName};

/// What no other site may be given.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Holdings {
    folders: Folders<SiteName>,
    hooks: BTreeSet<SecretRef>,
    // Made in chat, with a folder that is another site's.
    crowded: BTreeSet<SiteName>,
}

impl Holdings {
    /// Of these sites. What `sites.toml` declares comes first: a site that was made in chat must not
    /// keep its operator from publishing. Of two that chat made the older one has the folder.
    pub(super) fn of(sites: &BTreeMap<SiteName, Details>) -> Self {
        let mut holdings = Self::default();
        let mut from_chat = Vec::new();
        for (name, details) in sites.iter().filter(|(_, details)| details.declared) {
            match &details.spec.build {
                BuilderSpec::Netlify { hook, .. } => _ = holdings.hooks.insert(hook.clone()),
                BuilderSpec::Render { out } => match details.origin {
                    Origin::File => holdings.folders.add(out, name.clone()),
                    Origin::Chat => from_chat.push((&details.id, name, out)),
                },
            }
        }
        from_chat.sort_unstable();
        for (_, name, out) in from_chat {
            if holdings.folders.touching(out).is_some() {
                holdings.crowded.insert(name.clone());
            } else {
                holdings.folders.add(out, name.clone());
            }
        }
        holdings
    }

    /// Whether a site has this hook.
    pub fn have_hook(&self, hook: &SecretRef) -> bool {
        self.hooks.contains(hook)
    }

    /// Whether a folder is, holds or lies in that of another site than the one of this name.
    pub fn have_folder(&self, out: &str, but_for: &SiteName) -> bool {
        let holder = self.folders.touching(out);
        holder.is_some_and(|holder| holder != but_for)
    }

    /// Why a site is not rendered: each of the two would take away what the other has published.
    /// Names nobody: whoever reads it may belong to another workspace.
    pub(super) fn problem(&self, name: &SiteName, details: &Details) -> Option<InputProblem> {
        let BuilderSpec::Render { out } = &details.spec.build else {
            return None;
        };
        self.crowded.contains(name).then(|| InputProblem {
            message: format!(
                "its folder `{out}` is another site's as well, or one is in the other, and every \
                 build replaces its whole folder; give that site another `out` in sites.toml, or \
                 remove this one"
            ),
        })
    }

    /// The sites whose folders are others', in one of two states and not in the other.
    pub(super) fn moved<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a SiteName> {
        self.crowded.symmetric_difference(&other.crowded)
    }
}
