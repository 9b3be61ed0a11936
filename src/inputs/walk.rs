use std::ffi::OsStr;
use std::fs::{self, DirEntry, FileType};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::content::{Stat, is_content};
use super::error::InputError;
use super::gitignore::{self, Rules, is_ignored};
use super::glob::{GlobId, GlobIndex, Group, Matcher};
use crate::model::Digest;

/// The most entries that one scan looks at. Two links in each folder to the next one would
/// otherwise make a tree that doubles with every level.
pub(super) const MAX_ENTRIES: usize = 5_000_000;

/// The most folders within one another. Paths that the system takes are seldom half as deep.
const MAX_DEPTH: usize = 128;

/// A file that matches.
#[derive(Debug)]
pub(super) struct Found {
    /// From the root folder.
    pub(super) path: Box<str>,
    /// The globs that it matches, sorted.
    pub(super) globs: Arc<[GlobId]>,
    pub(super) stat: Stat,
    /// Of its content, once that is known.
    pub(super) digest: Option<Digest>,
}

/// Something that makes globs unanswerable.
pub(super) struct Trouble {
    /// Where, for the order.
    pub(super) path: String,
    pub(super) globs: Vec<GlobId>,
    pub(super) error: InputError,
}

#[derive(Default)]
pub(super) struct Walked {
    /// In the order of their paths' bytes.
    pub(super) files: Vec<Found>,
    pub(super) troubles: Vec<Trouble>,
    /// Entries that were looked at.
    pub(super) entries: usize,
    /// Folders that were looked into: where they really are, and their path from the root folder.
    pub(super) folders: Vec<(PathBuf, String)>,
    /// Files that match by a link to them.
    pub(super) linked: Vec<PathBuf>,
    /// Folders above the root folder that rules come from.
    pub(super) above: Vec<PathBuf>,
}

/// Finds every file below `root` (canonical) that a glob matches.
///
/// Not with the walker of the `ignore` crate, only with its rules: that one takes `.gitignore`
/// files from above the repository where there is none, reports broken links that are ignored, and
/// follows links out of the folder before anybody is asked.
///
/// # Errors
///
/// Only what concerns every glob; all else is a [`Trouble`].
pub(super) fn walk(root: &Path, index: &GlobIndex) -> Result<Walked, InputError> {
    let (rules, above) = gitignore::above(root)?;
    let Some(active) = index.enter(&[], "") else {
        return Ok(Walked::default());
    };
    let walk = Walk {
        root,
        above: &above,
        index,
        entries: AtomicUsize::new(0),
    };
    let mut level = vec![Folder {
        path: above.clone(),
        real: root.to_owned(),
        active,
        rules,
        hops: None,
    }];
    let mut files = Vec::new();
    let mut troubles = Vec::new();
    let mut folders = Vec::new();
    let mut linked = Vec::new();
    // Level by level: no recursion to overflow, and as parallel as a level is wide.
    for depth in 0.. {
        if depth > MAX_DEPTH {
            troubles.extend(level.iter().map(|folder| walk.too_deep(folder)));
            break;
        }
        let listings: Vec<Listing<'_>> = level.par_iter().map(|folder| walk.list(folder)).collect();
        folders.extend(level.drain(..).map(|folder| {
            let path = walk.within(&folder.path).trim_end_matches('/').to_owned();
            (folder.real, path)
        }));
        for listing in listings {
            level.extend(listing.folders);
            linked.extend(listing.linked);
            troubles.extend(listing.troubles);
            if !listing.files.is_empty() {
                files.push(listing.files);
            }
        }
        if level.is_empty() {
            break;
        }
    }
    let entries = walk.entries.into_inner();
    if entries > MAX_ENTRIES {
        return Err(InputError::TooMany { limit: MAX_ENTRIES });
    }
    Ok(Walked {
        files: in_order(files),
        troubles,
        entries,
        folders,
        linked,
        above: (root.ancestors().skip(1))
            .take(above.matches('/').count())
            .map(ToOwned::to_owned)
            .collect(),
    })
}

struct Walk<'w, 'i> {
    root: &'w Path,
    /// What leads to the root folder in paths that rules are matched with.
    above: &'w str,
    index: &'i GlobIndex,
    entries: AtomicUsize,
}

/// A folder to list.
struct Folder<'i> {
    /// As rules see it, with a `/` at the end unless empty.
    path: String,
    /// Where it really is, with all links resolved.
    real: PathBuf,
    active: Vec<&'i Group>,
    /// Those from above it.
    rules: Rules,
    hops: Option<Arc<Hop>>,
}

/// A link that was followed, and those before it.
struct Hop {
    /// The real folder that holds the link.
    from: PathBuf,
    before: Option<Arc<Self>>,
}

/// What an entry is, with links followed.
enum Entry {
    /// A folder, and where it really is.
    Folder(PathBuf),
    /// A file, and where it really is if a link leads to it.
    File(Stat, Option<PathBuf>),
    /// Removed since it was listed.
    Gone,
}

#[derive(Default)]
struct Listing<'i> {
    files: Vec<Found>,
    folders: Vec<Folder<'i>>,
    linked: Vec<PathBuf>,
    troubles: Vec<Trouble>,
}

/// What of a folder stays the same while its entries are looked at.
struct Here<'f, 'i> {
    folder: &'f Folder<'i>,
    rules: Rules,
}

impl<'i> Walk<'_, 'i> {
    fn list(&self, folder: &Folder<'i>) -> Listing<'i> {
        let mut listing = Listing::default();
        let unreadable = |error| {
            let path = self.within(&folder.path).trim_end_matches('/');
            let shown = if path.is_empty() { "." } else { path };
            Trouble {
                path: path.to_owned(),
                globs: self.index.below(&folder.active, path),
                error: InputError::unreadable(shown, error),
            }
        };
        let opened = gitignore::enter(&folder.rules, &folder.real, &folder.path)
            .and_then(|rules| Ok((rules, fs::read_dir(&folder.real)?)));
        let (rules, entries) = match opened {
            Ok(opened) => opened,
            // Removed since it was seen, or a link to it would have been reported as broken.
            Err(error) if error.kind() == io::ErrorKind::NotFound && folder.real != self.root => {
                return listing;
            }
            Err(error) => {
                listing.troubles.push(unreadable(error));
                return listing;
            }
        };
        let here = Here { folder, rules };
        let mut matcher = Matcher::default();
        let mut path = folder.path.clone();
        for entry in entries {
            // Relaxed: only its sum counts.
            if self.entries.fetch_add(1, Ordering::Relaxed) >= MAX_ENTRIES {
                return listing;
            }
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    listing.troubles.push(unreadable(error));
                    return listing;
                }
            };
            let name = entry.file_name();
            if name == ".git" {
                continue;
            }
            path.truncate(folder.path.len());
            path.push_str(&name.to_string_lossy());
            let looked_at = self.look(&here, &entry, &name, &path, &mut matcher, &mut listing);
            if let Err(error) = looked_at {
                listing
                    .troubles
                    .push(self.trouble(&here, &path, &mut matcher, error));
            }
        }
        listing.files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        listing
    }

    /// Sorts one entry in. An error is one of this entry alone.
    fn look(
        &self,
        here: &Here<'_, 'i>,
        entry: &DirEntry,
        name: &OsStr,
        path: &str,
        matcher: &mut Matcher,
        listing: &mut Listing<'i>,
    ) -> Result<(), InputError> {
        let within = self.within(path);
        let unreadable = |error| InputError::unreadable(within, error);
        let kind = entry.file_type().map_err(unreadable)?;
        let matched = if kind.is_dir() {
            &[]
        } else {
            matcher.matches(&here.folder.active, within)
        };
        let entered = if kind.is_dir() || kind.is_symlink() {
            self.index.enter(&here.folder.active, within)
        } else {
            None
        };
        let wanted = !matched.is_empty() || entered.is_some();
        // As for git, a link is no folder, whatever it leads to.
        if !wanted || is_ignored(&here.rules, path, kind.is_dir()) {
            return Ok(());
        }
        if name.to_str().is_none() {
            return Err(InputError::NotUtf8 {
                path: within.to_owned(),
            });
        }
        match self.resolve(here, entry, kind, within)? {
            Entry::Folder(real) => {
                if let Some(active) = entered {
                    let hops = if kind.is_symlink() {
                        Some(follow(here.folder, within, &real)?)
                    } else {
                        here.folder.hops.clone()
                    };
                    listing.folders.push(Folder {
                        path: format!("{path}/"),
                        real,
                        active,
                        rules: here.rules.clone(),
                        hops,
                    });
                }
            }
            Entry::File(stat, linked) => {
                if !matched.is_empty() {
                    listing.linked.extend(linked);
                    listing.files.push(Found {
                        path: within.into(),
                        globs: shared(matched, listing.files.last()),
                        stat,
                        digest: None,
                    });
                }
            }
            Entry::Gone => {}
        }
        Ok(())
    }

    /// What an entry is, or leads to; a link only ever within the root folder.
    fn resolve(
        &self,
        here: &Here<'_, 'i>,
        entry: &DirEntry,
        kind: FileType,
        path: &str,
    ) -> Result<Entry, InputError> {
        let real = || here.folder.real.join(entry.file_name());
        if kind.is_dir() {
            return Ok(Entry::Folder(real()));
        }
        let (metadata, target) = if kind.is_symlink() {
            let link = real();
            let found = link
                .canonicalize()
                .and_then(|target| Ok((target.metadata()?, target)));
            match found {
                Ok((_, target)) if !is_content(self.root, &target) => {
                    return Err(InputError::LinkLeaves {
                        path: path.to_owned(),
                        target,
                    });
                }
                Ok((metadata, target)) => (metadata, Some(target)),
                Err(error) => {
                    return match link.symlink_metadata() {
                        Ok(_) => Err(InputError::broken(path, error)),
                        Err(_) => Ok(Entry::Gone),
                    };
                }
            }
        } else {
            match entry.metadata() {
                Ok(metadata) => (metadata, None),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Entry::Gone),
                Err(error) => return Err(InputError::unreadable(path, error)),
            }
        };
        if metadata.is_dir() {
            Ok(Entry::Folder(target.unwrap_or_else(real)))
        } else if metadata.is_file() {
            Ok(Entry::File(Stat::of(&metadata), target))
        } else {
            Err(InputError::Special {
                path: path.to_owned(),
            })
        }
    }

    /// An error with every glob that it leaves unanswered: those that match the entry, and, as it
    /// may be a folder, those that reach below it.
    fn trouble(
        &self,
        here: &Here<'_, 'i>,
        path: &str,
        matcher: &mut Matcher,
        error: InputError,
    ) -> Trouble {
        let within = self.within(path);
        let mut globs = self.index.below(&here.folder.active, within);
        globs.extend(matcher.matches(&here.folder.active, within));
        Trouble {
            path: within.to_owned(),
            globs,
            error,
        }
    }

    fn too_deep(&self, folder: &Folder<'i>) -> Trouble {
        let path = self.within(&folder.path).trim_end_matches('/');
        Trouble {
            path: path.to_owned(),
            globs: self.index.below(&folder.active, path),
            error: InputError::TooDeep {
                path: path.to_owned(),
                limit: MAX_DEPTH,
            },
        }
    }

    /// A path as it is from the root folder.
    fn within<'p>(&self, path: &'p str) -> &'p str {
        &path[self.above.len()..]
    }
}

/// The links followed once the link at `path`, which ends in the folder `real`, is followed too.
///
/// Whoever comes to a folder a second time has followed a link to it or to one above it, and has
/// left it by a link before: so it is enough to compare with the folders that links were left from.
fn follow(folder: &Folder<'_>, path: &str, real: &Path) -> Result<Arc<Hop>, InputError> {
    let mut left = Some(folder.real.as_path());
    let mut next = &folder.hops;
    while let Some(from) = left {
        if from.starts_with(real) {
            return Err(InputError::LinkLoop {
                path: path.to_owned(),
                target: real.to_owned(),
            });
        }
        left = next.as_ref().map(|hop| hop.from.as_path());
        next = next.as_ref().map_or(&None, |hop| &hop.before);
    }
    Ok(Arc::new(Hop {
        from: folder.real.clone(),
        before: folder.hops.clone(),
    }))
}

/// The globs of a file: nearly always those of the file before it.
fn shared(globs: &[GlobId], last: Option<&Found>) -> Arc<[GlobId]> {
    match last {
        Some(last) if *last.globs == *globs => Arc::clone(&last.globs),
        _ => globs.into(),
    }
}

/// One list from the sorted lists of single folders.
fn in_order(mut lists: Vec<Vec<Found>>) -> Vec<Found> {
    lists.sort_by(|a, b| path(a.first()).cmp(&path(b.first())));
    // Where no folder has both files and folders, the lists only have to be joined. Elsewhere hardly
    // anything is left to do for a sort that looks for sorted runs, as the standard one does.
    let joined = lists.is_sorted_by(|a, b| path(a.last()) <= path(b.first()));
    let mut files = Vec::with_capacity(lists.iter().map(Vec::len).sum());
    for mut list in lists {
        files.append(&mut list);
    }
    if !joined {
        files.sort_by(|a, b| a.path.cmp(&b.path));
    }
    files
}

fn path(file: Option<&Found>) -> Option<&str> {
    file.map(|file| &*file.path)
}
