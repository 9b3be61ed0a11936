//! The file inputs: which files match each site's globs, and what is in them.
//!
//! A scan walks only the folders that a glob can reach, and reads only files whose size, times or
//! inode are not those of the last time. Exact rules:
//!
//! - `.gitignore` files count, also those above, and `.git` itself is never looked into. Global
//!   ignore files do not count: the same content gives the same digest on every machine.
//! - Hidden files count like others.
//! - A link to a file inside the folder of `sites.toml` stands for that file. A link that leaves
//!   the folder, is broken, or points to a folder is an error of the sites whose globs match it.
//! - What cannot be read is an error of the sites that want it, and of no other.

mod cache;
mod error;
mod glob;
mod hash;
mod walk;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use crate::model::{Digest, Part, SiteName};
use cache::StatCache;
pub use error::{InputError, ScanError};
use glob::Globs;
pub use glob::{base, check_glob, watch_roots};
pub use hash::read_verified;
use walk::Found;

/// The files below one folder, with what is remembered of them.
#[derive(Debug)]
pub struct FileTree {
    root: PathBuf,
    cache: StatCache,
}

/// What a scan found.
#[derive(Debug)]
pub struct Scan {
    /// For every site its files as a part (`path digest`), or why they could not all be read.
    pub sites: BTreeMap<SiteName, Result<Arc<Part>, InputError>>,
    /// The globs that match no file.
    pub unmatched: BTreeMap<SiteName, Vec<String>>,
    /// How much work it was.
    pub effort: Effort,
}

/// How much work a scan was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Effort {
    /// Files that match a glob.
    pub files: usize,
    /// Files that had to be read.
    pub read: usize,
}

impl FileTree {
    /// The files below `root`, remembered in the user's cache folder if there is one.
    pub fn new(root: &Path) -> Self {
        let file = dirs::cache_dir().map(|dir| {
            let root = root
                .canonicalize()
                .unwrap_or_else(|_missing| root.to_owned());
            let name = Digest::of_bytes(root.as_os_str().as_encoded_bytes()).short(32);
            dir.join("microblot").join(format!("{name}.stat"))
        });
        Self::with_cache(root, file)
    }

    /// The same, remembered in `cache`; `None`: only in memory.
    pub fn with_cache(root: &Path, cache: Option<PathBuf>) -> Self {
        Self {
            root: root.to_owned(),
            cache: StatCache::open(cache),
        }
    }

    /// Finds and digests the files of every site.
    ///
    /// # Errors
    ///
    /// [`ScanError`] when the folder itself is not there, or a glob is none.
    pub fn scan(&mut self, sites: &BTreeMap<SiteName, Vec<String>>) -> Result<Scan, ScanError> {
        let root = self
            .root
            .canonicalize()
            .map_err(|error| ScanError::Root(self.root.clone(), error))?;
        let globs = Globs::new(sites)?;
        let mut found = walk::walk(&root, &globs);
        found.files.par_sort_unstable_by(|a, b| a.path.cmp(&b.path));

        let cache = &self.cache;
        let digests: Vec<(Result<Digest, InputError>, bool)> = found
            .files
            .par_iter()
            .map(|file| match cache.get(&file.path, &file.stat) {
                Some(digest) => (Ok(digest), false),
                None => (hash::digest(&root, file), true),
            })
            .collect();
        let effort = Effort {
            files: found.files.len(),
            read: digests.iter().filter(|(_, read)| *read).count(),
        };
        let now = hash::now();
        for (file, (digest, read)) in found.files.iter().zip(&digests) {
            if let (Ok(digest), true) = (digest, read) {
                self.cache.put(&file.path, &file.stat, *digest, now);
            }
        }
        self.cache.keep_only(&found.files);
        self.cache.save();

        let scan = assemble(sites, &globs, &found, &digests);
        Ok(Scan {
            sites: scan.0,
            unmatched: scan.1,
            effort,
        })
    }
}

type Assembled = (
    BTreeMap<SiteName, Result<Arc<Part>, InputError>>,
    BTreeMap<SiteName, Vec<String>>,
);

/// Sites with the same globs share one part.
fn assemble(
    sites: &BTreeMap<SiteName, Vec<String>>,
    globs: &Globs,
    found: &Found,
    digests: &[(Result<Digest, InputError>, bool)],
) -> Assembled {
    let mut by_list: BTreeMap<&[String], (Result<Arc<Part>, InputError>, Vec<String>)> =
        BTreeMap::new();
    let hits = globs.files_of_each(&found.files);
    for list in sites.values() {
        if by_list.contains_key(list.as_slice()) {
            continue;
        }
        let indices = globs.indices(list);
        let mut wanted: Vec<usize> = indices
            .iter()
            .flat_map(|glob| hits[*glob].iter().copied())
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        let unmatched = list
            .iter()
            .zip(&indices)
            .filter(|(_, glob)| hits[**glob].is_empty())
            .map(|(text, _)| text.clone())
            .collect();
        let problem = found
            .problems
            .iter()
            .find(|problem| globs.concerns(&indices, &problem.path))
            .map(|problem| problem.error.clone());
        let part = match problem {
            Some(error) => Err(error),
            None => wanted
                .iter()
                .map(|index| {
                    let digest = digests[*index].0.as_ref().map_err(Clone::clone)?;
                    Ok((found.files[*index].path.as_str(), digest.to_string()))
                })
                .collect::<Result<Vec<_>, InputError>>()
                .map(|items| Arc::new(Part::from_items(items))),
        };
        by_list.insert(list, (part, unmatched));
    }
    let mut parts = BTreeMap::new();
    let mut unmatched = BTreeMap::new();
    for (name, list) in sites {
        if let Some((part, missing)) = by_list.get(list.as_slice()) {
            parts.insert(name.clone(), part.clone());
            if !missing.is_empty() {
                unmatched.insert(name.clone(), missing.clone());
            }
        }
    }
    (parts, unmatched)
}
