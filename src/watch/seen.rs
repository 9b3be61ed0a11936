use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use notify::event::ModifyKind;
use notify::{Event, EventKind};

use crate::inputs::Scope;

/// What is watched, and which events are worth a look. Shared with the thread that events come in.
pub(super) struct Seen {
    root: PathBuf,
    /// The name of `sites.toml`.
    config: Option<OsString>,
    database: Option<PathBuf>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    scope: Arc<Scope>,
    watched: BTreeSet<PathBuf>,
    /// Events were lost: any of `watched` may have been replaced by another folder.
    doubtful: bool,
}

/// What to tell the system.
pub(super) struct Aim {
    /// Folders to watch, and whether they were not watched before.
    pub(super) add: Vec<(PathBuf, bool)>,
    pub(super) remove: Vec<PathBuf>,
}

impl Seen {
    pub(super) fn new(config: &Path, root: &Path, database: Option<&Path>) -> Self {
        let database = database.and_then(|file| {
            let folder = file.parent().filter(|folder| *folder != Path::new(""));
            Some(resolved(folder.unwrap_or(Path::new("."))).join(file.file_name()?))
        });
        Self {
            root: resolved(root),
            config: config.file_name().map(ToOwned::to_owned),
            database,
            state: Mutex::default(),
        }
    }

    /// Sets what is watched from here on, and says what has to be done for it.
    ///
    /// From here on, not from when it is done: what an event says meanwhile must not be lost.
    pub(super) fn aim(&self, scope: Option<Arc<Scope>>) -> Aim {
        let mut state = self.state();
        if let Some(scope) = scope {
            state.scope = scope;
        }
        let root = std::iter::once(self.root.as_path());
        let wanted: BTreeSet<PathBuf> = (state.scope.folders().chain(root))
            .map(ToOwned::to_owned)
            .collect();
        let doubtful = std::mem::take(&mut state.doubtful);
        let before = std::mem::replace(&mut state.watched, wanted);
        let add = (state.watched.iter())
            .map(|folder| (folder.clone(), !before.contains(folder)))
            .filter(|(_, is_new)| *is_new || doubtful)
            .collect();
        let remove = before.difference(&state.watched).cloned().collect();
        Aim { add, remove }
    }

    /// Whether something happened that may change what is read. Also keeps the books: whatever
    /// stands at a path now is another folder than the one that was watched there.
    pub(super) fn is_news(&self, event: notify::Result<Event>) -> bool {
        let Ok(event) = event else {
            self.state().doubtful = true;
            return true;
        };
        if event.need_rescan() {
            // Nothing to read again for: that opens so many files that events might be lost once
            // more, for ever. It was told of the events before, and is told of those to come.
            self.state().doubtful = true;
            return false;
        }
        match event.kind {
            EventKind::Access(_) => false,
            EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Metadata(_)) => {
                event.paths.iter().any(|path| self.concerns(path))
            }
            _ => event.paths.iter().fold(false, |news, path| {
                let replaced = self.forget(path);
                news || replaced || self.concerns(path)
            }),
        }
    }

    /// Takes a folder and those below it for watched no longer. Answers whether one was.
    pub(super) fn forget(&self, folder: &Path) -> bool {
        let mut state = self.state();
        let below: Vec<PathBuf> = (state.watched.range(folder.to_owned()..))
            .take_while(|watched| watched.starts_with(folder))
            .cloned()
            .collect();
        for folder in &below {
            state.watched.remove(folder);
        }
        !below.is_empty()
    }

    fn concerns(&self, path: &Path) -> bool {
        if self.is_database(path) {
            return false;
        }
        let is_config = path.parent() == Some(&self.root)
            && (path.file_name()).is_some_and(|name| {
                // Kubernetes swaps a link of the second name when a ConfigMap changes.
                Some(name) == self.config.as_deref() || name == "..data"
            });
        let scope = Arc::clone(&self.state().scope);
        is_config || scope.concerns(path)
    }

    /// The file, or one that the database keeps beside it.
    fn is_database(&self, path: &Path) -> bool {
        let bytes = |path: &Path| path.as_os_str().as_encoded_bytes().to_owned();
        self.database.as_ref().is_some_and(|database| {
            path == database || bytes(path).starts_with(&[&bytes(database)[..], b"-"].concat())
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn resolved(folder: &Path) -> PathBuf {
    folder
        .canonicalize()
        .unwrap_or_else(|_missing| folder.to_owned())
}
