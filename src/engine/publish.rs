use std::collections::{BTreeMap, BTreeSet};

use super::estate::{Details, Estate};
use super::workspace::Gathered;
use crate::model::{Digest, FieldsDigest, Origin, Refusal, SiteName, Spec};
use crate::store::{Publication, SiteChange};

/// Why a `sites.toml` is not published.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PublishRefused {
    /// Most of the published sites would go.
    #[error(
        "refusing to remove {} of {} sites at once (limit {}): is this the right sites.toml? \
         `microblot reconcile --force` goes on", .0.count, .0.total, .0.limit
    )]
    Removals(Refusal),
    /// All of the published sites would go.
    #[error(
        "sites.toml declares no site, and {0} are published: is this the right file? \
         `microblot reconcile --force` removes them"
    )]
    Empty(usize),
}

/// The difference between what is published and what a folder holds. `None`: there is none.
///
/// # Errors
///
/// [`PublishRefused`] when the safety rail forbids it and `force` is not given.
pub fn difference(
    estate: &Estate,
    gathered: &Gathered,
    force: bool,
) -> Result<Option<Publication>, PublishRefused> {
    let published = estate.all_details();
    let declared = &gathered.config.sites;
    let mut renamed = Vec::new();
    let mut old_names = BTreeSet::new();
    let mut changed = Vec::new();
    let mut digest = DigestOfAll::new(gathered);
    for (name, site) in declared {
        // Sites of other workspaces are others, whatever their names.
        let find = |name: &SiteName| {
            let known = published.get(name);
            known.filter(|known| !known.is_strange_to(&site.spec))
        };
        // One of this name that was removed gives it up to the one that is renamed to it.
        let here = find(name);
        let is_taken = here.is_some_and(Details::is_declared);
        let old = site.spec.renamed_from.as_ref().filter(|_| !is_taken);
        let moved = old
            .and_then(find)
            .filter(|moved| here.is_none() || moved.is_declared());
        if let (Some(moved), Some(old)) = (moved, old) {
            renamed.push((moved.id.clone(), name.clone()));
            old_names.insert(old.clone());
        }
        let known = moved.or(here);
        let change = change(name, site, gathered, known);
        digest.add(&change);
        let same = known.is_some_and(|known| is_same(known, &change))
            && renamed.last().is_none_or(|(_, new)| new != name);
        if !same {
            changed.push(change);
        }
    }
    let from_file = published
        .values()
        .filter(|details| details.origin == Origin::File)
        .count();
    let removed: Vec<String> = published
        .iter()
        .filter(|(name, details)| {
            details.origin == Origin::File
                && details.is_declared()
                && !declared.contains_key(*name)
                && !old_names.contains(*name)
        })
        .map(|(_, details)| details.id.clone())
        .collect();

    let digest = digest.finish();
    let settings = gathered.config.settings.clone();
    let is_current = estate
        .generation
        .as_ref()
        .is_some_and(|generation| generation.digest == digest);
    if is_current && renamed.is_empty() && changed.is_empty() && removed.is_empty() {
        return Ok(None);
    }
    if !force {
        let limit = settings.limits.removals_at_once;
        if declared.is_empty() && from_file > 0 {
            return Err(PublishRefused::Empty(from_file));
        }
        if limit.is_exceeded(removed.len(), from_file) {
            return Err(PublishRefused::Removals(Refusal {
                count: removed.len(),
                total: from_file,
                limit,
            }));
        }
    }
    Ok(Some(Publication {
        base: estate
            .generation
            .as_ref()
            .map(|generation| generation.number),
        digest,
        revision: gathered.revision.clone(),
        settings,
        summary: format!(
            "{} changed, {} removed, {} renamed",
            changed.len(),
            removed.len(),
            renamed.len()
        ),
        renamed,
        changed,
        removed,
    }))
}

/// The digest of everything that a generation says: what a replica compares to know whether its
/// own file was already published, and replaced since.
pub fn digest(gathered: &Gathered) -> Digest {
    let mut digest = DigestOfAll::new(gathered);
    for (name, site) in &gathered.config.sites {
        digest.add(&change(name, site, gathered, None));
    }
    digest.finish()
}

struct DigestOfAll(FieldsDigest);

impl DigestOfAll {
    fn new(gathered: &Gathered) -> Self {
        let settings = serde_json::to_vec(&gathered.config.settings).unwrap_or_default();
        let mut digest = FieldsDigest::new("microblot/generation/1");
        digest.add(&settings);
        digest.add(gathered.revision.as_deref().unwrap_or_default().as_bytes());
        Self(digest)
    }

    fn add(&mut self, change: &SiteChange) {
        let SiteChange {
            name,
            line,
            spec,
            files_digest,
            files_problem,
            revision,
            forgive: _,
        } = change;
        let fields = (name, line, spec, files_digest, files_problem, revision);
        self.0.add(&serde_json::to_vec(&fields).unwrap_or_default());
    }

    fn finish(self) -> Digest {
        self.0.finish()
    }
}

fn change(
    name: &SiteName,
    site: &crate::config::DeclaredSite,
    gathered: &Gathered,
    known: Option<&Details>,
) -> SiteChange {
    let spec = serde_json::to_string(&site.spec).unwrap_or_default();
    let (files_digest, files_problem) = match gathered.files.get(name) {
        Some(Ok(digest)) => (Some(digest.to_string()), None),
        Some(Err(problem)) => (None, Some(problem.clone())),
        None => (None, None),
    };
    SiteChange {
        name: name.clone(),
        line: site.line,
        files_digest,
        files_problem,
        revision: gathered.revision.clone().filter(|_| site.spec.revision),
        forgive: known.is_some_and(|known| known.spec_text != spec),
        spec,
    }
}

fn is_same(known: &Details, change: &SiteChange) -> bool {
    let files = match (&change.files_digest, &change.files_problem) {
        (_, Some(problem)) => Some(Err(problem.clone())),
        (Some(digest), None) => digest.parse().ok().map(Ok),
        (None, None) => None,
    };
    known.is_declared()
        && known.origin == Origin::File
        && known
            .source
            .is_some_and(|source| source.line == change.line)
        && known.spec_text == change.spec
        && known.files == files
        && known.revision == change.revision
}

/// The lines that tell about a publication: for a person who published.
pub fn summary(publication: &Publication, names: &BTreeMap<SiteName, Details>) -> Vec<String> {
    let mut lines = Vec::new();
    for (id, new) in &publication.renamed {
        let old = names.iter().find(|(_, details)| details.id == *id);
        if let Some((old, _)) = old {
            lines.push(format!("{old} is now called {new}"));
        }
    }
    for change in &publication.changed {
        let Some(known) = names.get(&change.name) else {
            continue;
        };
        if known.origin != Origin::Chat {
            continue;
        }
        let spec = serde_json::from_str::<Spec>(&change.spec);
        let (name, line) = (&change.name, change.line);
        lines.push(match spec.is_ok_and(|spec| known.is_strange_to(&spec)) {
            true => format!(
                "{name}, declared at sites.toml:{line}, is a new site: the one that had this name \
                 is another workspace's, and gives it up"
            ),
            false => format!("{name} was made in chat and is now declared at sites.toml:{line}"),
        });
    }
    lines
}
