use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ignore::{DirEntry, WalkBuilder, WalkState};

use super::cache::Stat;
use super::error::InputError;
use super::glob::Globs;

/// A file that at least one glob matches.
#[derive(Clone, Debug)]
pub(super) struct File {
    /// From the root, with `/`.
    pub(super) path: String,
    pub(super) stat: Stat,
}

/// Something that could not be looked at.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    /// From the root.
    pub(super) path: PathBuf,
    pub(super) error: InputError,
}

/// What a walk came upon, in no order.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) files: Vec<File>,
    pub(super) problems: Vec<Trouble>,
}

/// Walks the folders that globs can reach, in parallel.
pub(super) fn walk(root: &Path, globs: &Globs) -> Found {
    let mut roots = globs
        .roots()
        .into_iter()
        .map(|base| root.join(base))
        .filter(|folder| folder.symlink_metadata().is_ok());
    let Some(first) = roots.next() else {
        return Found::default();
    };
    let mut walk = WalkBuilder::new(first);
    for folder in roots {
        walk.add(folder);
    }
    walk.hidden(false)
        .ignore(false)
        .git_global(false)
        .require_git(false)
        .follow_links(false)
        .filter_entry(|entry| entry.file_name() != ".git")
        .threads(rayon::current_num_threads());
    let all = Mutex::new(Found::default());
    walk.build_parallel().run(|| {
        let mut bag = Bag {
            all: &all,
            mine: Found::default(),
        };
        Box::new(move |entry| {
            match entry {
                Ok(entry) => bag.mine.take(root, globs, &entry),
                Err(error) => bag.mine.problems.push(trouble(root, &error)),
            }
            WalkState::Continue
        })
    });
    all.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// What one thread found; handed over when it is done.
struct Bag<'a> {
    all: &'a Mutex<Found>,
    mine: Found,
}

impl Drop for Bag<'_> {
    fn drop(&mut self) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.files.append(&mut self.mine.files);
        all.problems.append(&mut self.mine.problems);
    }
}

impl Found {
    fn take(&mut self, root: &Path, globs: &Globs, entry: &DirEntry) {
        let Some(kind) = entry.file_type() else {
            return;
        };
        if kind.is_dir() {
            return;
        }
        let relative = entry.path().strip_prefix(root).unwrap_or(entry.path());
        let Some(path) = relative.to_str().map(with_slashes) else {
            let path = relative.to_string_lossy().into_owned();
            if globs.is_match(&path) {
                self.refuse(relative, InputError::Name { path });
            }
            return;
        };
        if !globs.is_match(&path) {
            return;
        }
        let looked = if kind.is_symlink() {
            linked(root, entry.path(), &path)
        } else {
            entry.metadata().map_err(|error| InputError::Unreadable {
                path: path.clone(),
                error: error.to_string(),
            })
        };
        match looked {
            Ok(metadata) if metadata.is_file() => self.files.push(File {
                path,
                stat: Stat::of(&metadata),
            }),
            Ok(_) => self.refuse(relative, InputError::Special { path }),
            Err(error) => self.refuse(relative, error),
        }
    }

    fn refuse(&mut self, path: &Path, error: InputError) {
        self.problems.push(Trouble {
            path: path.to_owned(),
            error,
        });
    }
}

/// What a link points to, if that is a file inside the root.
fn linked(root: &Path, full: &Path, path: &str) -> Result<Metadata, InputError> {
    let unreadable = |error: std::io::Error| InputError::Unreadable {
        path: path.to_owned(),
        error: format!("the link is broken ({error})"),
    };
    let target = full.canonicalize().map_err(unreadable)?;
    if !target.starts_with(root) {
        return Err(InputError::Outside {
            path: path.to_owned(),
        });
    }
    let metadata = target.metadata().map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(InputError::FolderLink {
            path: path.to_owned(),
        });
    }
    Ok(metadata)
}

fn with_slashes(path: &str) -> String {
    if std::path::MAIN_SEPARATOR == '/' {
        path.to_owned()
    } else {
        path.replace(std::path::MAIN_SEPARATOR, "/")
    }
}

fn trouble(root: &Path, error: &ignore::Error) -> Trouble {
    let path = path_of(error)
        .map(|path| path.strip_prefix(root).unwrap_or(path).to_owned())
        .unwrap_or_default();
    Trouble {
        error: InputError::Unreadable {
            path: path.display().to_string(),
            error: error
                .io_error()
                .map_or_else(|| error.to_string(), ToString::to_string),
        },
        path,
    }
}

fn path_of(error: &ignore::Error) -> Option<&Path> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => {
            path_of(err)
        }
        ignore::Error::Partial(errors) => errors.iter().find_map(path_of),
        _ => None,
    }
}
