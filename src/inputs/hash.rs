use std::io::Read as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::cache::Stat;
use super::error::InputError;
use super::walk::File;
use crate::model::Digest;

/// Read at a time. Larger gains nothing; every thread has one.
const CHUNK: usize = 64 * 1024;
/// A file that is written while it is read is read again this often.
const TRIES: u32 = 3;

/// The digest of a file's content. Never holds the whole of it.
pub(super) fn digest(root: &Path, file: &File) -> Result<Digest, InputError> {
    let path = &file.path;
    let unreadable = |error: std::io::Error| InputError::Unreadable {
        path: path.clone(),
        error: error.to_string(),
    };
    let full = root.join(path);
    let mut before = file.stat;
    let mut chunk = vec![0; CHUNK];
    for _ in 0..TRIES {
        let mut open = std::fs::File::open(&full).map_err(unreadable)?;
        let mut hasher = Sha256::new();
        loop {
            let read = open.read(&mut chunk).map_err(unreadable)?;
            if read == 0 {
                break;
            }
            hasher.update(&chunk[..read]);
        }
        let after = Stat::of(&open.metadata().map_err(unreadable)?);
        if after == before {
            return Ok(Digest::from_array(hasher.finalize().into()));
        }
        before = after;
    }
    Err(InputError::Busy { path: path.clone() })
}

/// The content of a file that was digested before, if it is still that content.
///
/// # Errors
///
/// [`InputError`] when it is not, has more than `most` bytes, is a link that leaves `root`, or
/// cannot be read.
pub fn read_verified(
    root: &Path,
    path: &str,
    expected: &Digest,
    most: usize,
) -> Result<Vec<u8>, InputError> {
    let unreadable = |error: std::io::Error| InputError::Unreadable {
        path: path.to_owned(),
        error: error.to_string(),
    };
    let root = root.canonicalize().map_err(unreadable)?;
    let full = root.join(path).canonicalize().map_err(unreadable)?;
    if !full.starts_with(&root) {
        return Err(InputError::Outside {
            path: path.to_owned(),
        });
    }
    let file = std::fs::File::open(full).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(InputError::Special {
            path: path.to_owned(),
        });
    }
    let mut bytes = Vec::new();
    let read = file
        .take(most as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if read > most {
        return Err(InputError::Large {
            path: path.to_owned(),
            size: metadata.len(),
            most: most as u64,
        });
    }
    if Digest::of_bytes(&bytes) != *expected {
        return Err(InputError::Changed {
            path: path.to_owned(),
        });
    }
    Ok(bytes)
}

/// Nanoseconds since the epoch, as file times are.
pub(super) fn now() -> i128 {
    jiff::Timestamp::now().as_nanosecond()
}
