//! What the last look saw, for questions of people.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use super::estate::{Estate, Holdings};
use crate::config::Settings;
use crate::model::{Millis, Origin, Plan, SiteName, SitePlan, Source, Spec};

/// What the last look saw: questions are answered from it, without asking the database.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// When the look began: it saw all that was committed before.
    pub begun: Instant,
    /// What was decided.
    pub plan: Arc<Plan>,
    /// The sites that belong to a chat workspace.
    pub sites: Arc<ChatSites>,
    /// What no site that is made may be given.
    pub holdings: Arc<Holdings>,
    /// The workspaces that sites of `sites.toml` belong to.
    pub declared: Arc<BTreeSet<String>>,
    /// What `sites.toml` says besides sites.
    pub settings: Arc<Settings>,
}

/// The sites that belong to a chat workspace, by the id of the workspace and their names.
pub type ChatSites = BTreeMap<String, BTreeMap<SiteName, Card>>;

/// A site as people in chat know it.
#[derive(Clone, Debug)]
pub struct Card {
    /// Its id, which a rename keeps.
    pub id: String,
    /// Its name.
    pub name: SiteName,
    /// Its settings.
    pub spec: Arc<Spec>,
    /// Who declares it.
    pub origin: Origin,
    /// The line of `sites.toml` that declares it.
    pub source: Option<Source>,
    /// The version of its posts that was decided on.
    pub posts_version: i64,
    /// When the build that it shows was fired.
    pub built_at: Option<Millis>,
}

impl Snapshot {
    /// What was decided for a site.
    pub fn of(&self, site: &SiteName) -> Option<&SitePlan> {
        let found = self.plan.sites.binary_search_by(|plan| plan.site.cmp(site));
        self.plan.sites.get(found.ok()?)
    }

    /// The sites of a workspace.
    pub fn of_workspace(&self, workspace: &str) -> impl Iterator<Item = &Card> {
        self.sites
            .get(workspace)
            .into_iter()
            .flat_map(BTreeMap::values)
    }

    /// A site of a workspace.
    pub fn site(&self, workspace: &str, name: &SiteName) -> Option<&Card> {
        self.sites.get(workspace)?.get(name)
    }
}

/// Makes snapshots; what did not change since the last one is shared with it.
#[derive(Debug, Default)]
pub struct Snapshots {
    last: Option<Last>,
}

#[derive(Debug)]
struct Last {
    // Of the estate.
    version: u64,
    sites: Arc<ChatSites>,
    declared: Arc<BTreeSet<String>>,
    settings: Arc<Settings>,
}

impl Last {
    fn of(estate: &Estate) -> Self {
        let sites = chat_sites(estate);
        let is_declared = |sites: &BTreeMap<SiteName, Card>| {
            sites.values().any(|card| card.origin == Origin::File)
        };
        let declared = sites.iter().filter(|(_, sites)| is_declared(sites));
        Self {
            version: estate.version,
            declared: Arc::new(declared.map(|(workspace, _)| workspace.clone()).collect()),
            sites: Arc::new(sites),
            settings: Arc::new(estate.settings()),
        }
    }
}

impl Snapshots {
    /// A snapshot of what was decided about an estate, by a look that began then.
    pub fn take(&mut self, estate: &Estate, plan: Plan, begun: Instant) -> Snapshot {
        let is_newest = |last: &Last| last.version == estate.version;
        if !self.last.as_ref().is_some_and(is_newest) {
            self.last = None;
        }
        let last = self.last.get_or_insert_with(|| Last::of(estate));
        Snapshot {
            begun,
            plan: Arc::new(plan),
            sites: last.sites.clone(),
            holdings: estate.holdings(),
            declared: last.declared.clone(),
            settings: last.settings.clone(),
        }
    }
}

/// The sites of the estate that belong to a workspace.
fn chat_sites(estate: &Estate) -> ChatSites {
    let mut sites = ChatSites::new();
    for (name, details) in estate.all_details() {
        let Some(slack) = &details.spec.slack else {
            continue;
        };
        if !details.is_declared() {
            continue;
        }
        let seen = estate.observed.sites.get(name);
        let card = Card {
            id: details.id.clone(),
            name: name.clone(),
            spec: details.spec.clone(),
            origin: details.origin,
            source: details.source,
            posts_version: details.posts_version,
            built_at: seen
                .and_then(|seen| seen.built.as_ref())
                .map(|built| built.at),
        };
        let of_workspace = sites.entry(slack.workspace.clone()).or_default();
        of_workspace.insert(name.clone(), card);
    }
    sites
}
