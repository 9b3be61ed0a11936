use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::{Config, Diagnostics, encoding, load};

/// The largest `sites.toml` that is read, in bytes. A hundred thousand sites take about half of it.
pub const MAX_BYTES: u64 = 32 * 1024 * 1024;

/// Why a `sites.toml` could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such file.
    #[error("{} does not exist: `microblot init` writes one, `--config` names another", .0.display())]
    Missing(PathBuf),
    /// It exists, but reading fails.
    #[error("{} cannot be read", .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    /// It is larger than [`MAX_BYTES`].
    #[error(
        "{} has {size} bytes, more than the {MAX_BYTES} that are read: \
         check that it is the right file, or split the sites over two installations",
        .path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
    },
    /// It has errors, or is not UTF-8. Shows them all.
    #[error(transparent)]
    Invalid(#[from] Diagnostics),
}

/// Reads and loads the file at `path`.
///
/// # Errors
///
/// [`ReadError`], of which `Invalid` holds every error of the text.
pub fn read(path: &Path) -> Result<Config, ReadError> {
    Ok(load(&read_text(path)?, &path.display().to_string())?)
}

/// Reads the text of the file at `path`.
///
/// # Errors
///
/// [`ReadError`]; `Invalid` only of a text that is not UTF-8.
pub fn read_text(path: &Path) -> Result<String, ReadError> {
    let unreadable = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => ReadError::Missing(path.to_owned()),
        _ => ReadError::Unreadable(path.to_owned(), error),
    };
    let mut file = File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    let mut bytes = Vec::new();
    // The size of a pipe is not known before, and a file may grow: the reading itself is capped.
    let read = (&mut file)
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)? as u64;
    if read > MAX_BYTES {
        return Err(ReadError::TooLarge {
            path: path.to_owned(),
            size: size.max(read),
        });
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let file = path.display().to_string();
        encoding::refuse(error.as_bytes(), at, &file).into()
    })
}
