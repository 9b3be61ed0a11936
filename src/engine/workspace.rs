use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::{self, Config};
use crate::inputs::{FileTree, Scope, SiteFiles, touched_at};
use crate::model::{Digest, Input, SiteName};
use crate::store::{PartRow, Publication};

/// The folder of `sites.toml`: the half of the desired state that is kept in files.
#[derive(Clone)]
pub struct Workspace {
    config: PathBuf,
    root: PathBuf,
    revision: Option<String>,
    tree: Arc<Mutex<FileTree>>,
}

/// What a folder says.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// The digest of the bytes of `sites.toml`.
    pub text: Digest,
    /// `sites.toml`.
    pub config: Config,
    /// The digest of each site's files, or why they could not be read; sites without globs are
    /// not in it.
    pub files: BTreeMap<SiteName, Result<Digest, String>>,
    /// The files that those digests are of.
    pub parts: HashMap<Digest, Arc<SiteFiles>>,
    /// Where a change may alter that; `None`: the folder could not be looked at.
    pub scope: Option<Arc<Scope>>,
    /// When `sites.toml` or any of the files was last touched, by the file system's clock.
    pub touched: i64,
    /// The deployed code revision, if it is known.
    pub revision: Option<String>,
    /// Globs that match no file, by site.
    pub unmatched: BTreeMap<SiteName, Vec<String>>,
}

/// Why a folder says nothing that can be used.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// `sites.toml` is missing or has errors.
    #[error(transparent)]
    Config(#[from] config::ReadError),
    /// The thread that did the work died.
    #[error("reading sites.toml and its files was cut short")]
    Cut,
}

impl Workspace {
    /// The folder that `config` is in. `revision` is the deployed code revision.
    pub fn new(config: &Path, revision: Option<String>) -> Self {
        let root = match config.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        Self {
            tree: Arc::new(Mutex::new(FileTree::new(&root))),
            config: config.to_owned(),
            root,
            revision,
        }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The file.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// The digest of the bytes of `sites.toml`, whatever they say.
    ///
    /// # Errors
    ///
    /// [`Problem`] when it cannot be read.
    pub fn text(&self) -> Result<Digest, Problem> {
        let text = config::read_text(&self.config)?;
        Ok(Digest::of_bytes(text.as_bytes()))
    }

    /// The deployed code revision, if it is known.
    pub fn revision(&self) -> Option<&str> {
        self.revision.as_deref()
    }

    /// Reads `sites.toml` and digests every site's files. Files whose size and times are what
    /// they were are not read again.
    ///
    /// # Errors
    ///
    /// [`Problem`] when nothing of it can be used.
    pub async fn gather(&self) -> Result<Gathered, Problem> {
        let this = self.clone();
        tokio::task::spawn_blocking(move || this.gather_blocking())
            .await
            .unwrap_or(Err(Problem::Cut))
    }

    fn gather_blocking(&self) -> Result<Gathered, Problem> {
        let mut touched = touched_at(&self.config);
        let text = config::read_text(&self.config)?;
        let config = config::load(&text, &self.config.display().to_string())
            .map_err(config::ReadError::from)?;
        let text = Digest::of_bytes(text.as_bytes());
        let globs: BTreeMap<SiteName, Vec<String>> = config
            .sites
            .iter()
            .filter(|(_, site)| !site.spec.files.is_empty())
            .map(|(name, site)| (name.clone(), site.spec.files.clone()))
            .collect();
        let mut parts = HashMap::new();
        let mut files = BTreeMap::new();
        let mut unmatched = BTreeMap::new();
        let mut scope = Some(Arc::default());
        if !globs.is_empty() {
            let mut tree = self.tree.lock().unwrap_or_else(PoisonError::into_inner);
            // Before the scan: a change during it must not look older than it.
            let before = jiff::Timestamp::now().into();
            let scan = tree.scan(&globs, before);
            scope = scan.scope;
            touched = touched.max(scan.touched);
            for (name, found) in scan.sites {
                let digest = match found {
                    Ok(found) => {
                        if !found.unmatched.is_empty() {
                            unmatched.insert(name.clone(), found.unmatched.clone());
                        }
                        parts.insert(found.digest, found.clone());
                        Ok(found.digest)
                    }
                    Err(error) => Err(crate::chain(&error)),
                };
                files.insert(name, digest);
            }
        }
        Ok(Gathered {
            text,
            config,
            files,
            parts,
            scope,
            touched,
            revision: self.revision.clone(),
            unmatched,
        })
    }
}

impl Gathered {
    /// The file parts that a publication refers to: stored with it, so that a replica without
    /// these files can say what a build was made from.
    pub fn part_rows(&self, publication: &Publication) -> Vec<PartRow> {
        let wanted: HashSet<&str> = publication
            .changed
            .iter()
            .filter_map(|change| change.files_digest.as_deref())
            .collect();
        self.parts
            .iter()
            .filter(|(digest, _)| wanted.contains(digest.to_string().as_str()))
            .map(|(_, files)| PartRow::new(Input::Files, files.part()))
            .collect()
    }
}
