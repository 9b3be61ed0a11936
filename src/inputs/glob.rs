use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};
use rayon::prelude::*;

use super::error::GlobProblem;
use super::walk::File;
use crate::model::SiteName;

/// All distinct globs of all sites, compiled into one set: a file is matched once, however many
/// sites there are.
#[derive(Debug)]
pub(super) struct Globs {
    set: GlobSet,
    bases: Vec<String>,
    index: HashMap<String, usize>,
}

/// Whether a text can be a glob of file inputs: relative, inside the folder, and a glob. `*` and
/// `?` stay within one folder, `**` does not.
///
/// # Errors
///
/// [`GlobProblem`] says what is wrong with it.
pub fn check_glob(glob: &str) -> Result<(), GlobProblem> {
    let refuse = |problem: &str| {
        Err(GlobProblem {
            glob: glob.to_owned(),
            problem: problem.to_owned(),
        })
    };
    if glob.is_empty() {
        return refuse("matches nothing");
    }
    if glob.starts_with('/') || glob.contains('\\') || Path::new(glob).is_absolute() {
        return refuse("must be relative to the folder of sites.toml, with / between folders");
    }
    if glob.split('/').any(|part| part == ".." || part == ".") {
        return refuse("must stay inside the folder of sites.toml, without . and ..");
    }
    compile(glob).map(|_| ())
}

fn compile(glob: &str) -> Result<globset::Glob, GlobProblem> {
    GlobBuilder::new(glob)
        .literal_separator(true)
        .build()
        .map_err(|error| GlobProblem {
            glob: glob.to_owned(),
            problem: error.kind().to_string(),
        })
}

/// What stands before the first wildcard of a glob, up to its last `/`.
pub fn base(glob: &str) -> &str {
    let fixed = glob.find(['*', '?', '[', '{']).unwrap_or(glob.len());
    let folder = glob[..fixed].rfind('/').map_or(0, |slash| slash + 1);
    &glob[..folder]
}

/// The folders, from that of `sites.toml`, whose changes these globs can see.
pub fn watch_roots(globs: &[String]) -> BTreeSet<PathBuf> {
    globs.iter().map(|glob| PathBuf::from(base(glob))).collect()
}

impl Globs {
    pub(super) fn new(sites: &BTreeMap<SiteName, Vec<String>>) -> Result<Self, GlobProblem> {
        let mut set = GlobSetBuilder::new();
        let mut bases = Vec::new();
        let mut index = HashMap::new();
        for glob in sites.values().flatten() {
            if !index.contains_key(glob) {
                index.insert(glob.clone(), bases.len());
                bases.push(base(glob).to_owned());
                set.add(compile(glob)?);
            }
        }
        let set = set.build().map_err(|error| GlobProblem {
            glob: error.glob().unwrap_or_default().to_owned(),
            problem: error.kind().to_string(),
        })?;
        Ok(Self { set, bases, index })
    }

    /// The numbers of these globs.
    pub(super) fn indices(&self, globs: &[String]) -> Vec<usize> {
        globs
            .iter()
            .filter_map(|glob| self.index.get(glob).copied())
            .collect()
    }

    /// The folders that have to be walked: none of them within another.
    pub(super) fn roots(&self) -> Vec<&str> {
        let bases: BTreeSet<&str> = self.bases.iter().map(String::as_str).collect();
        let mut roots: Vec<&str> = Vec::new();
        for base in bases {
            if !roots.last().is_some_and(|last| base.starts_with(last)) {
                roots.push(base);
            }
        }
        roots
    }

    pub(super) fn is_match(&self, path: &str) -> bool {
        self.set.is_match_candidate(&Candidate::new(path))
    }

    /// For every glob the files that it matches, by their place in `files`.
    pub(super) fn files_of_each(&self, files: &[File]) -> Vec<Vec<usize>> {
        let matches: Vec<Vec<usize>> = files
            .par_iter()
            .map_init(Vec::new, |found, file| {
                self.set
                    .matches_candidate_into(&Candidate::new(&file.path), found);
                found.clone()
            })
            .collect();
        let mut each = vec![Vec::new(); self.bases.len()];
        for (file, globs) in matches.into_iter().enumerate() {
            for glob in globs {
                each[glob].push(file);
            }
        }
        each
    }

    /// Whether something wrong at `path` can hide a file from one of these globs: it lies in a
    /// folder that the glob reaches into, or above it.
    pub(super) fn concerns(&self, globs: &[usize], path: &Path) -> bool {
        globs.iter().any(|glob| {
            let base = Path::new(&self.bases[*glob]);
            path.starts_with(base) || base.starts_with(path)
        })
    }
}
