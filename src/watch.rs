//! Sees that `sites.toml` or an input file changed. A hint: the loop reads them again now and then
//! anyway, and finds out by itself what changed.

mod burst;
mod seen;

use std::path::Path;
use std::sync::Arc;

use notify::{ErrorKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tracing::warn;

use crate::inputs::Scope;
use seen::{Aim, Seen};

/// Watches folders, never files: an editor that replaces a file leaves a file watch blind. And each
/// folder for itself, so that what can be no input (`.git`, `node_modules`) costs nothing.
pub struct Watcher {
    system: Option<RecommendedWatcher>,
    seen: Arc<Seen>,
    complained: bool,
}

impl Watcher {
    /// Watches the folder of `sites.toml`; `changed` is told. What happens to `database`, where that
    /// is a file, is nothing to tell: every look writes to it. Where the system cannot watch, this
    /// is said once, and the periodic reading is all there is.
    pub fn start(
        config: &Path,
        root: &Path,
        database: Option<&Path>,
        changed: Arc<Notify>,
    ) -> Self {
        let seen = Arc::new(Seen::new(config, root, database));
        let seeing = Arc::clone(&seen);
        let system = burst::teller(changed)
            .map_err(notify::Error::io)
            .and_then(|teller| {
                notify::recommended_watcher(move |event| {
                    if seeing.is_news(event) {
                        teller.tell();
                    }
                })
            })
            .inspect_err(
                |error| warn!(%error, "files cannot be watched; they are read every minute"),
            );
        let mut this = Self {
            system: system.ok(),
            seen,
            complained: false,
        };
        this.watch(None);
        this
    }

    /// Watches the folder of `sites.toml` and those of a scan, and no longer others. `None`: those of
    /// the scan before. Answers whether some are watched that were not before.
    pub fn watch(&mut self, scope: Option<Arc<Scope>>) -> bool {
        let Some(system) = &mut self.system else {
            return false;
        };
        let Aim { add, remove } = self.seen.aim(scope);
        let mut paths = system.paths_mut();
        for folder in &remove {
            let _gone_already = paths.remove(folder);
        }
        let mut refusal = None;
        let mut more = false;
        for (folder, is_new) in &add {
            match paths.add(folder, RecursiveMode::NonRecursive) {
                Ok(()) => more |= is_new,
                Err(error) => {
                    // To be tried again next time.
                    self.seen.forget(folder);
                    // Removed since the scan: there will be an event of that.
                    if !matches!(error.kind, ErrorKind::PathNotFound) {
                        refusal.get_or_insert((folder, error));
                    }
                }
            }
        }
        if let Err(error) = paths.commit() {
            warn!(%error, "files are not watched; they are read every minute");
        }
        match &refusal {
            Some((folder, error)) if !self.complained => complain(folder, error, add.len()),
            _ => {}
        }
        self.complained = refusal.is_some();
        more
    }
}

fn complain(folder: &Path, error: &notify::Error, wanted: usize) {
    if matches!(error.kind, ErrorKind::MaxFilesWatch) {
        warn!(
            folders = wanted,
            "the system watches no more folders: changes in some are seen only every minute. Name \
             folders without content in .gitignore, begin the globs of `files` with a folder \
             (`content/**` instead of `**`), or raise the limit: \
             `sysctl fs.inotify.max_user_watches=524288`"
        );
    } else {
        warn!(folder = %folder.display(), %error, "a folder cannot be watched; it is read every minute");
    }
}
