use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::address;
use super::error::RenderError;

/// Says what is live, and that the folder is Microblot's to replace.
pub(super) const MARKER: &str = ".well-known/microblot.json";

/// Replaces the folder `out` by one with exactly `pages`, as [`pages`](super::pages) makes them.
///
/// 1. Take the lock on the folder that `out` is in; runs in other processes wait here.
/// 2. Tidy up after a run that was killed: `.<name>.new` is removed; `.<name>.old` is put back if
///    `out` is missing, and removed if not.
/// 3. Refuse an `out` that Microblot did not make.
/// 4. Write everything to `.<name>.new` beside it, down to the disk.
/// 5. Rename `out` to `.<name>.old`, and `.<name>.new` to `out`; remove `.<name>.old`.
///
/// Readers see all of the old folder or all of the new one, and none only between the two renames
/// of step 5. If the power fails between them, the old folder is put back by the next run.
///
/// # Errors
///
/// `out` is not Microblot's to replace, a path leads out of it, or the file system refuses: `out`
/// is then what it was.
pub fn swap_in(out: &Path, pages: &BTreeMap<String, Vec<u8>>) -> Result<(), RenderError> {
    pages.keys().try_for_each(|path| address::check(path))?;
    let places = Places::of(out)?;
    let parent = File::open(&places.parent).map_err(RenderError::io("open", &places.parent))?;
    // Held until the end of the function. Its holder either ends or dies, which frees it.
    parent
        .lock()
        .map_err(RenderError::io("lock", &places.parent))?;
    places.recover()?;
    places.check_out()?;

    if let Err(error) = write_all(&places.new, pages) {
        // What is left of it would be removed by the next run; the first error counts.
        let _leftover = fs::remove_dir_all(&places.new);
        return Err(error);
    }
    places.exchange()?;
    parent
        .sync_all()
        .map_err(RenderError::io("sync", &places.parent))?;
    remove(&places.old)
}

/// The folder and its two siblings.
struct Places {
    parent: PathBuf,
    out: PathBuf,
    new: PathBuf,
    old: PathBuf,
}

impl Places {
    /// Follows links, so that a linked folder is replaced where it is.
    fn of(out: &Path) -> Result<Self, RenderError> {
        let out = match fs::canonicalize(out) {
            Ok(real) => real,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let folder = out.parent().filter(|path| !path.as_os_str().is_empty());
                let folder = folder.unwrap_or(Path::new("."));
                fs::create_dir_all(folder).map_err(RenderError::io("create", folder))?;
                let folder = fs::canonicalize(folder).map_err(RenderError::io("open", folder))?;
                let name = out
                    .file_name()
                    .ok_or_else(|| RenderError::NoFolder(out.to_owned()))?;
                folder.join(name)
            }
            Err(error) => return Err(RenderError::io("open", out)(error)),
        };
        let (Some(parent), Some(name)) = (out.parent(), out.file_name()) else {
            return Err(RenderError::NoFolder(out));
        };
        let sibling = |end: &str| {
            let mut sibling = OsString::from(".");
            sibling.push(name);
            sibling.push(end);
            parent.join(sibling)
        };
        Ok(Self {
            parent: parent.to_owned(),
            new: sibling(".new"),
            old: sibling(".old"),
            out,
        })
    }

    fn recover(&self) -> Result<(), RenderError> {
        remove(&self.new)?;
        if !exists(&self.out)? && exists(&self.old)? {
            return fs::rename(&self.old, &self.out)
                .map_err(RenderError::io("put back", &self.out));
        }
        remove(&self.old)
    }

    fn check_out(&self) -> Result<(), RenderError> {
        let read = match fs::read_dir(&self.out) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(RenderError::NoFolder(self.out.clone()));
            }
            read => read.map_err(RenderError::io("read", &self.out))?,
        };
        if !exists(&self.out.join(MARKER))? && read.into_iter().next().is_some() {
            return Err(RenderError::Foreign(self.out.clone()));
        }
        Ok(())
    }

    /// Puts the new folder in the place of the old one, and on failure the old one back.
    fn exchange(&self) -> Result<(), RenderError> {
        if exists(&self.out)? {
            fs::rename(&self.out, &self.old).map_err(RenderError::io("move", &self.out))?;
        }
        fs::rename(&self.new, &self.out).map_err(|error| {
            // If this fails as well, the next run does it.
            let _put_back = fs::rename(&self.old, &self.out);
            RenderError::io("replace", &self.out)(error)
        })
    }
}

fn write_all(folder: &Path, pages: &BTreeMap<String, Vec<u8>>) -> Result<(), RenderError> {
    let mut folders = BTreeSet::from([folder.to_owned()]);
    for path in pages.keys() {
        folders.extend(
            path.match_indices('/')
                .map(|(end, _)| folder.join(&path[..end])),
        );
    }
    // Sorted, so that every folder comes after the one it is in.
    for path in &folders {
        fs::create_dir(path).map_err(RenderError::io("create", path))?;
    }
    pages.par_iter().try_for_each(|(path, bytes)| {
        let path = folder.join(path);
        let write = || {
            let mut file = File::create_new(&path)?;
            file.write_all(bytes)?;
            // The build is recorded as done after this, and would never be repeated.
            file.sync_all()
        };
        write().map_err(RenderError::io("write", &path))
    })?;
    folders.iter().try_for_each(|path| {
        File::open(path)
            .and_then(|folder| folder.sync_all())
            .map_err(RenderError::io("sync", path))
    })
}

fn exists(path: &Path) -> Result<bool, RenderError> {
    path.try_exists().map_err(RenderError::io("look at", path))
}

fn remove(folder: &Path) -> Result<(), RenderError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.map_err(RenderError::io("remove", folder)),
    }
}
