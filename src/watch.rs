//! Sees that `sites.toml` or an input file changed. A hint: the loop reads them again now and then
//! anyway, and finds out by itself what changed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode};
use notify_debouncer_full::{DebounceEventResult, Debouncer, RecommendedCache, new_debouncer};
use tokio::sync::Notify;
use tracing::warn;

/// Changes that come closer together are one: editors write, rename and remove; git checks out.
const QUIET: Duration = Duration::from_millis(100);

/// Watches folders, never files: an editor that replaces a file leaves a file watch blind.
pub struct Watcher {
    root: PathBuf,
    debouncer: Option<Debouncer<RecommendedWatcher, RecommendedCache>>,
    folders: Arc<Mutex<BTreeSet<PathBuf>>>,
}

impl Watcher {
    /// Watches the folder of `sites.toml`; `changed` is told. Where the system cannot watch, this
    /// is said once, and the periodic reading is all there is.
    pub fn start(config: &Path, root: &Path, changed: Arc<Notify>) -> Self {
        let root = root
            .canonicalize()
            .unwrap_or_else(|_missing| root.to_owned());
        let name = config.file_name().map(ToOwned::to_owned);
        let folders: Arc<Mutex<BTreeSet<PathBuf>>> = Arc::default();
        let (seen_root, seen_folders) = (root.clone(), folders.clone());
        let is_ours = move |path: &Path| {
            let folders = seen_folders.lock().unwrap_or_else(PoisonError::into_inner);
            let inside = folders
                .iter()
                .any(|folder| *folder != seen_root && path.starts_with(folder));
            inside
                || (path.parent() == Some(seen_root.as_path())
                    && path.file_name().is_some_and(|file| {
                        Some(file) == name.as_deref()
                            // Kubernetes swaps a link of this name when a ConfigMap changes.
                            || file == "..data"
                            || (folders.contains(&seen_root) && !is_database(file))
                    }))
        };
        let handler = move |result: DebounceEventResult| {
            let ours = match result {
                Ok(events) => events
                    .iter()
                    .filter(|event| !event.kind.is_access())
                    .flat_map(|event| event.paths.iter())
                    .any(|path| is_ours(path)),
                // Events were lost: look.
                Err(_) => true,
            };
            if ours {
                changed.notify_one();
            }
        };
        let mut debouncer = new_debouncer(QUIET, None, handler)
            .inspect_err(
                |error| warn!(%error, "files cannot be watched; they are read every minute"),
            )
            .ok();
        if let Some(debouncer) = &mut debouncer {
            watch(debouncer, &root, RecursiveMode::NonRecursive);
        }
        Self {
            root,
            debouncer,
            folders,
        }
    }

    /// Watches these folders (relative to that of `sites.toml`) and everything in them, and no
    /// longer those that are not among them. Answers whether some are watched that were not before.
    pub fn watch(&mut self, folders: impl IntoIterator<Item = PathBuf>) -> bool {
        let Some(debouncer) = &mut self.debouncer else {
            return false;
        };
        let wanted: BTreeSet<PathBuf> = folders
            .into_iter()
            .map(|folder| self.root.join(folder))
            .filter_map(|folder| folder.canonicalize().ok())
            .collect();
        let mut current = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        for gone in current.difference(&wanted) {
            if *gone != self.root {
                let _gone_already = debouncer.unwatch(gone);
            }
        }
        for new in wanted.difference(&current) {
            let mode = if *new == self.root {
                // The whole folder may hold a build's output and much else: files at its top are
                // seen at once, what lies deeper with the next periodic read.
                RecursiveMode::NonRecursive
            } else {
                RecursiveMode::Recursive
            };
            watch(debouncer, new, mode);
        }
        let more = wanted.difference(&current).next().is_some();
        *current = wanted;
        more
    }
}

fn watch(
    debouncer: &mut Debouncer<RecommendedWatcher, RecommendedCache>,
    folder: &Path,
    mode: RecursiveMode,
) {
    if let Err(error) = debouncer.watch(folder, mode) {
        warn!(folder = %folder.display(), %error, "a folder cannot be watched; it is read every minute");
    }
}

/// The default database lies beside `sites.toml`, and is written at every turn.
fn is_database(file: &std::ffi::OsStr) -> bool {
    file.to_string_lossy().starts_with("microblot.db")
}
