use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::path::Path;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::error::InputError;
use crate::model::{Digest, Millis};

/// How often a file is read that is written to meanwhile.
const ATTEMPTS: usize = 3;

/// What is read at once: few system calls for a big file, and in the cache of the processor.
const BUFFER_BYTES: usize = 64 * 1024;

/// How much older than its reading the last change of a file must be for its [`Stat`] to be
/// trusted. A change that follows within one tick of the file system's clock leaves no trace there;
/// the coarsest clock in use (FAT) ticks every two seconds.
const SETTLING: Duration = Duration::from_secs(2);

/// What the system says about a file, without reading it: it differs when the content differs,
/// apart from changes within one tick of the clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stat {
    pub(super) size: u64,
    /// Last change of the content, in nanoseconds since the epoch.
    pub(super) modified: i64,
    /// Last change of anything, which no program can set back (elsewhere than on Unix: the
    /// creation). In nanoseconds since the epoch.
    pub(super) changed: i64,
    /// The number of the file; 0 where there is none. The device is left out: its number may differ
    /// after each mount, and all of the others hardly agree by chance.
    pub(super) inode: u64,
}

impl Stat {
    #[cfg(unix)]
    pub(super) fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        let nanos =
            |seconds: i64, nanos: i64| seconds.saturating_mul(1_000_000_000).saturating_add(nanos);
        Self {
            size: metadata.size(),
            modified: nanos(metadata.mtime(), metadata.mtime_nsec()),
            changed: nanos(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
        }
    }

    #[cfg(not(unix))]
    pub(super) fn of(metadata: &Metadata) -> Self {
        let nanos = |time: io::Result<std::time::SystemTime>| {
            let since = time.ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
            i64::try_from(since.as_nanos()).ok()
        };
        Self {
            size: metadata.len(),
            modified: nanos(metadata.modified()).unwrap_or(0),
            changed: nanos(metadata.created()).unwrap_or(0),
            inode: 0,
        }
    }

    /// Whether content that was read at `read_at` or later is what this stat will always stand for.
    pub(super) fn is_settled(&self, read_at: Millis) -> bool {
        // A modification time can be set to anything, also to the future; the other one cannot.
        let last = if cfg!(unix) {
            self.changed
        } else {
            self.modified
        };
        last <= read_at.minus(SETTLING).0.saturating_mul(1_000_000)
    }
}

/// When a file was last touched, also if its content is what it was: nanoseconds of the file
/// system's clock, which no program can set back. 0 if the file is gone.
pub fn touched_at(file: &Path) -> i64 {
    std::fs::metadata(file).map_or(0, |metadata| Stat::of(&metadata).changed)
}

/// Opens a regular file, and nothing else: a pipe put in its place would hold the opener up for ever.
pub(super) fn open_file(path: &Path) -> io::Result<(File, Metadata)> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    let file = options.open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() {
        Ok((file, metadata))
    } else {
        Err(io::Error::other("no longer a regular file"))
    }
}

/// Reads files to digest them, through one buffer.
pub(super) struct Reader {
    buffer: Box<[u8]>,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self {
            buffer: vec![0; BUFFER_BYTES].into(),
        }
    }

    /// The digest of a file's content and the stat that goes with it, or `None` when the file is
    /// gone. `path` names the file in errors.
    pub(super) fn digest(
        &mut self,
        file: &Path,
        path: &str,
    ) -> Result<Option<(Stat, Digest)>, InputError> {
        for _ in 0..ATTEMPTS {
            match self.digest_once(file) {
                Ok(Some(found)) => return Ok(Some(found)),
                Ok(None) => {}
                // Still there, so it is a link, and what it led to is gone.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return match file.symlink_metadata() {
                        Ok(_) => Err(InputError::broken(path, error)),
                        Err(_) => Ok(None),
                    };
                }
                Err(error) => return Err(InputError::unreadable(path, error)),
            }
        }
        Err(InputError::KeepsChanging {
            path: path.to_owned(),
        })
    }

    /// `None` when the file was written to meanwhile.
    fn digest_once(&mut self, file: &Path) -> io::Result<Option<(Stat, Digest)>> {
        let (mut content, metadata) = open_file(file)?;
        let before = Stat::of(&metadata);
        let mut hasher = Sha256::new();
        loop {
            match content.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(count) => hasher.update(&self.buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let after = Stat::of(&content.metadata()?);
        let digest = Digest::from_array(hasher.finalize().into());
        Ok((before == after).then_some((after, digest)))
    }
}

/// Reads a file of an earlier scan, if it still is what it was then.
///
/// `path` is an item of the manifest, from the folder `root`; `expected` is the digest beside it.
/// Links are followed as a scan does.
///
/// # Errors
///
/// [`InputError::Changed`] when the content has another digest or the file is gone,
/// [`InputError::TooBig`] when it has more than `limit` bytes, and what a scan would say of a path
/// that is not within `root`, leaves it or cannot be read.
pub fn read_verified(
    root: &Path,
    path: &str,
    expected: &Digest,
    limit: u64,
) -> Result<Vec<u8>, InputError> {
    let leaves = |part: &str| {
        matches!(part, "" | "." | ".." | ".git")
            || part.contains('\0')
            // Elsewhere they are letters like any other; a scan lists them.
            || (cfg!(windows) && part.contains(['\\', ':']))
    };
    if path.split('/').any(leaves) {
        return Err(InputError::Outside {
            path: path.to_owned(),
        });
    }
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => InputError::Changed {
            path: path.to_owned(),
        },
        _ => InputError::unreadable(path, error),
    };
    let root = root.canonicalize().map_err(|source| InputError::Root {
        path: root.to_owned(),
        source: source.into(),
    })?;
    let target = root.join(path).canonicalize().map_err(failed)?;
    if !is_content(&root, &target) {
        return Err(InputError::LinkLeaves {
            path: path.to_owned(),
            target,
        });
    }
    let (content, metadata) = open_file(&target).map_err(failed)?;
    let mut bytes = Vec::new();
    content
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(InputError::TooBig {
            path: path.to_owned(),
            bytes: metadata.len(),
            limit,
        });
    }
    if Digest::of_bytes(&bytes) == *expected {
        Ok(bytes)
    } else {
        Err(InputError::Changed {
            path: path.to_owned(),
        })
    }
}

/// Whether a resolved path is in the folder, and in no `.git`: what git keeps there (addresses with
/// passwords in them) is never content.
pub(super) fn is_content(root: &Path, target: &Path) -> bool {
    target
        .strip_prefix(root)
        .is_ok_and(|within| within.iter().all(|name| name != ".git"))
}
