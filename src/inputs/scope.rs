use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};

use super::glob::{GlobIndex, Matcher};
use super::walk::Walked;

/// Where a change may alter what a scan found: the folders that it looked into, and what counts
/// there. Ignored folders are not among them, nor is `.git`.
#[derive(Default)]
pub struct Scope {
    index: GlobIndex,
    /// By where they really are: their paths from the root folder, more than one where links lead
    /// to one of them.
    folders: BTreeMap<PathBuf, Vec<String>>,
    /// What was entered, or could not be.
    entered: HashSet<String>,
    /// Files that links lead to.
    linked: BTreeSet<PathBuf>,
    /// Folders above the root folder that rules come from.
    above: Vec<PathBuf>,
}

impl Scope {
    /// Takes from a walk what it saw besides files.
    pub(super) fn of(index: GlobIndex, walked: &mut Walked) -> Self {
        let mut folders: BTreeMap<PathBuf, Vec<String>> = BTreeMap::new();
        let mut entered: HashSet<String> = walked
            .troubles
            .iter()
            .map(|trouble| trouble.path.clone())
            .collect();
        for (real, path) in walked.folders.drain(..) {
            entered.insert(path.clone());
            folders.entry(real).or_default().push(path);
        }
        Self {
            index,
            folders,
            entered,
            linked: walked.linked.drain(..).collect(),
            above: std::mem::take(&mut walked.above),
        }
    }

    /// The folders in which something may happen that counts, each for itself and without what is
    /// below it. All links are resolved.
    pub fn folders(&self) -> impl Iterator<Item = &Path> {
        let linked = self.linked.iter().filter_map(|file| file.parent());
        let above = self.above.iter().map(PathBuf::as_path);
        self.folders
            .keys()
            .map(PathBuf::as_path)
            .chain(linked)
            .chain(above)
    }

    /// Whether a change of `path`, of whatever kind, may alter what a scan finds. All links but the
    /// last are resolved.
    pub fn concerns(&self, path: &Path) -> bool {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return false;
        };
        // Kubernetes swaps a link of the second name when a ConfigMap changes, and the files are
        // links that lead through it.
        if name == ".gitignore" || name == "..data" || self.linked.contains(path) {
            return true;
        }
        let name = name.to_string_lossy();
        let Some(folders) = self.folders.get(folder).filter(|_| name != ".git") else {
            return false;
        };
        let mut matcher = Matcher::default();
        folders.iter().any(|folder| {
            let path_within = match folder.as_str() {
                "" => name.to_string(),
                folder => format!("{folder}/{name}"),
            };
            let Some(active) = self.index.descend(folder) else {
                return false;
            };
            !matcher.matches(&active, &path_within).is_empty()
                || self.entered.contains(&path_within)
                // A file that changes is no folder that comes, though a folder might have its name.
                || self.index.enter(&active, &path_within).is_some() && path.is_dir()
        })
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("folders", &self.folders)
            .finish_non_exhaustive()
    }
}
