use std::collections::{HashMap, HashSet};
use std::fs::Metadata;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::walk::File;
use crate::model::Digest;

/// What tells, without reading it, that a file is the one that was read before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stat {
    size: u64,
    /// Nanoseconds since the epoch.
    modified: i128,
    /// Of the inode: also changes when somebody sets the other one back.
    changed: i128,
    inode: u64,
}

/// Digests of files as they were when they were last read.
#[derive(Debug)]
pub(super) struct StatCache {
    file: Option<PathBuf>,
    entries: HashMap<String, Entry>,
    dirty: bool,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    stat: Stat,
    digest: Digest,
    /// Read so soon after it was written that another write could have left the same times: not
    /// believed the next time. Git calls this "racily clean".
    racy: bool,
}

/// File systems with the coarsest times have two seconds.
const GRAIN: i128 = 2_000_000_000;
/// The first bytes of the file: what it is, and its version.
const MAGIC: &[u8] = b"microblot stat cache 1\n";
/// A larger file is not ours.
const MOST_BYTES: u64 = 1 << 30;

impl Stat {
    #[cfg(unix)]
    pub(super) fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        let nanos =
            |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
        Self {
            size: metadata.len(),
            modified: nanos(metadata.mtime(), metadata.mtime_nsec()),
            changed: nanos(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
        }
    }

    #[cfg(not(unix))]
    pub(super) fn of(metadata: &Metadata) -> Self {
        let modified = metadata
            .modified()
            .ok()
            .and_then(|time| jiff::Timestamp::try_from(time).ok())
            .map_or(i128::MAX, jiff::Timestamp::as_nanosecond);
        Self {
            size: metadata.len(),
            modified,
            changed: modified,
            inode: 0,
        }
    }
}

impl StatCache {
    /// What was saved in `file`. A file that is missing, cut or foreign is an empty cache: it can
    /// only cost time.
    pub(super) fn open(file: Option<PathBuf>) -> Self {
        let entries = file.as_deref().and_then(load).unwrap_or_default();
        Self {
            file,
            entries,
            dirty: false,
        }
    }

    pub(super) fn get(&self, path: &str, stat: &Stat) -> Option<Digest> {
        let entry = self.entries.get(path)?;
        (entry.stat == *stat && !entry.racy).then_some(entry.digest)
    }

    pub(super) fn put(&mut self, path: &str, stat: &Stat, digest: Digest, now: i128) {
        let racy = now - stat.modified.max(stat.changed) < GRAIN;
        let entry = Entry {
            stat: *stat,
            digest,
            racy,
        };
        self.entries.insert(path.to_owned(), entry);
        self.dirty = true;
    }

    /// Drops what is no longer there.
    pub(super) fn keep_only(&mut self, files: &[File]) {
        if self.entries.len() == files.len() {
            return;
        }
        let there: HashSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
        self.entries.retain(|path, _| there.contains(path.as_str()));
        self.dirty = true;
    }

    /// Writes the cache if it changed, whole or not at all. Failing to costs only time.
    pub(super) fn save(&mut self) {
        if !std::mem::take(&mut self.dirty) {
            return;
        }
        if let Some(file) = &self.file
            && let Err(error) = store(file, &self.entries)
        {
            tracing::debug!(%error, "cannot remember the digests of files");
        }
    }
}

fn store(file: &Path, entries: &HashMap<String, Entry>) -> std::io::Result<()> {
    let mut body = Vec::with_capacity(entries.len() * 160);
    for (path, entry) in entries {
        let Entry { stat, digest, racy } = entry;
        body.extend((path.len() as u32).to_le_bytes());
        body.extend(path.as_bytes());
        body.extend(stat.size.to_le_bytes());
        body.extend(stat.modified.to_le_bytes());
        body.extend(stat.changed.to_le_bytes());
        body.extend(stat.inode.to_le_bytes());
        body.push(u8::from(*racy));
        body.extend(digest.as_bytes());
    }
    let folder = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
    temporary.write_all(MAGIC)?;
    temporary.write_all(Digest::of_bytes(&body).as_bytes())?;
    temporary.write_all(&body)?;
    temporary.persist(file)?;
    Ok(())
}

fn load(file: &Path) -> Option<HashMap<String, Entry>> {
    if std::fs::metadata(file).ok()?.len() > MOST_BYTES {
        return None;
    }
    let bytes = std::fs::read(file).ok()?;
    let rest = bytes.strip_prefix(MAGIC)?;
    let (digest, body) = rest.split_at_checked(32)?;
    if Digest::of_bytes(body).as_bytes() != digest {
        return None;
    }
    let mut entries = HashMap::with_capacity(body.len() / 140);
    let mut rest = Cursor(body);
    while !rest.0.is_empty() {
        let length = u32::from_le_bytes(rest.take()?) as usize;
        let (path, after) = rest.0.split_at_checked(length)?;
        rest.0 = after;
        let path = std::str::from_utf8(path).ok()?.to_owned();
        let stat = Stat {
            size: u64::from_le_bytes(rest.take()?),
            modified: i128::from_le_bytes(rest.take()?),
            changed: i128::from_le_bytes(rest.take()?),
            inode: u64::from_le_bytes(rest.take()?),
        };
        let [racy] = rest.take()?;
        let digest = Digest::from_array(rest.take()?);
        let entry = Entry {
            stat,
            digest,
            racy: racy != 0,
        };
        entries.insert(path, entry);
    }
    Some(entries)
}

struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.0.split_first_chunk::<N>()?;
        self.0 = tail;
        Some(*head)
    }
}
