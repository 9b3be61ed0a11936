//! stub replaced by merge
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::{Digest, Part, SiteName};

/// e
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct InputError(String);
/// e
pub type ScanError = InputError;
/// t
pub struct FileTree {
    root: PathBuf,
}
/// s
pub struct Scan {
    /// s
    pub sites: BTreeMap<SiteName, Result<Arc<Part>, InputError>>,
    /// u
    pub unmatched: BTreeMap<SiteName, Vec<String>>,
}
impl FileTree {
    /// n
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }
    /// s
    pub fn scan(&mut self, globs: &BTreeMap<SiteName, Vec<String>>) -> Result<Scan, ScanError> {
        let mut sites = BTreeMap::new();
        for (name, globs) in globs {
            let mut items = Vec::new();
            for entry in ignore::WalkBuilder::new(&self.root)
                .require_git(false)
                .build()
                .flatten()
            {
                if !entry.file_type().is_some_and(|t| t.is_file()) {
                    continue;
                }
                let path = entry
                    .path()
                    .strip_prefix(&self.root)
                    .unwrap_or(entry.path())
                    .to_string_lossy()
                    .into_owned();
                let hit = globs.iter().any(|g| {
                    globset::GlobBuilder::new(g)
                        .literal_separator(true)
                        .build()
                        .is_ok_and(|g| g.compile_matcher().is_match(&path))
                });
                if hit {
                    items.push((
                        path,
                        Digest::of_bytes(&std::fs::read(entry.path()).unwrap_or_default())
                            .to_string(),
                    ));
                }
            }
            sites.insert(name.clone(), Ok(Arc::new(Part::from_items(items))));
        }
        Ok(Scan {
            sites,
            unmatched: BTreeMap::new(),
        })
    }
}
/// r
pub fn read_verified(
    root: &Path,
    path: &Path,
    _d: &Digest,
    _cap: usize,
) -> Result<Vec<u8>, InputError> {
    std::fs::read(root.join(path)).map_err(|e| InputError(e.to_string()))
}
/// w
pub fn watch_roots(globs: &[String]) -> Vec<PathBuf> {
    globs
        .iter()
        .map(|g| PathBuf::from(g.split('/').next().unwrap_or_default()))
        .collect()
}
