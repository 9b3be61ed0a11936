use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use rapidhash::v3::{RapidSecrets, rapidhash_v3_seeded};

use super::content::Stat;
use crate::model::Digest;

/// The first bytes of a file of this format. Raised with it, so that an old file counts as none.
const MAGIC: &[u8; 16] = b"microblot stat 3";

const CHECKSUM_BYTES: usize = 8;
const ANSWER_BYTES: usize = 64;

/// Two million files with paths of a hundred bytes come to less.
const MAX_BYTES: u64 = 512 << 20;

/// What was known of the files after the last scan, as one run of bytes, in memory and in its file.
///
/// Records are in the order of their paths' bytes and are only read from first to last, next to the
/// files of a scan in the same order: no table is built, and a hundred thousand load in the time
/// that reading and checking ten megabytes takes. A record: size, modified, changed, inode (8 bytes
/// each, little-endian), digest (32 bytes), length of the path (4 bytes), path. In the file the
/// format, the numbers of records and answers (8 bytes each), a checksum of everything else (8
/// bytes), and the answers (64 bytes each) come before them.
///
/// Beside them the digests that were taken over all of them together: by the list of globs, and only
/// as long as the files are exactly these.
#[derive(Default, PartialEq, Eq)]
pub(super) struct StatCache {
    records: Vec<u8>,
    count: usize,
    pub(super) answers: BTreeMap<Digest, Digest>,
}

pub(super) struct Record<'c> {
    pub(super) path: &'c [u8],
    pub(super) stat: Stat,
    pub(super) digest: Digest,
}

impl StatCache {
    /// Reads a file that [`store`](Self::store) wrote. Whatever else is found there, also nothing,
    /// is an empty cache: the files are then read again.
    pub(super) fn load(file: &Path) -> Self {
        read(file).unwrap_or_default()
    }

    /// Replaces the file as a whole: a reader, or a machine that loses power, sees the old, the new
    /// or a damaged one, which [`load`](Self::load) tells from a good one by its checksum.
    pub(super) fn store(&self, file: &Path) -> io::Result<()> {
        let folder = file.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
        let mut answers = Vec::with_capacity(self.answers.len() * ANSWER_BYTES);
        for (globs, digest) in &self.answers {
            answers.extend_from_slice(globs.as_bytes());
            answers.extend_from_slice(digest.as_bytes());
        }
        let counts = [self.count as u64, self.answers.len() as u64];
        temporary.write_all(MAGIC)?;
        temporary.write_all(counts.map(u64::to_le_bytes).as_flattened())?;
        temporary.write_all(&checksum(counts, &answers, &self.records))?;
        temporary.write_all(&answers)?;
        temporary.write_all(&self.records)?;
        temporary.persist(file)?;
        Ok(())
    }

    /// Adds a record; its path must come after those before it.
    pub(super) fn push(&mut self, path: &str, stat: &Stat, digest: &Digest) {
        let Stat {
            size,
            modified,
            changed,
            inode,
        } = stat;
        let length = u32::try_from(path.len()).unwrap_or(u32::MAX);
        self.records.extend_from_slice(&size.to_le_bytes());
        self.records.extend_from_slice(&modified.to_le_bytes());
        self.records.extend_from_slice(&changed.to_le_bytes());
        self.records.extend_from_slice(&inode.to_le_bytes());
        self.records.extend_from_slice(digest.as_bytes());
        self.records.extend_from_slice(&length.to_le_bytes());
        self.records.extend_from_slice(path.as_bytes());
        self.count += 1;
    }

    /// How many records there are.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn records(&self) -> Records<'_> {
        Records {
            rest: &self.records,
        }
    }
}

/// The records from first to last.
pub(super) struct Records<'c> {
    rest: &'c [u8],
}

impl<'c> Iterator for Records<'c> {
    type Item = Record<'c>;

    fn next(&mut self) -> Option<Record<'c>> {
        let size = u64::from_le_bytes(self.take()?);
        let modified = i64::from_le_bytes(self.take()?);
        let changed = i64::from_le_bytes(self.take()?);
        let inode = u64::from_le_bytes(self.take()?);
        let digest = Digest::from_array(self.take()?);
        let length = u32::from_le_bytes(self.take()?);
        let (path, rest) = self.rest.split_at_checked(length as usize)?;
        self.rest = rest;
        let stat = Stat {
            size,
            modified,
            changed,
            inode,
        };
        Some(Record { path, stat, digest })
    }
}

impl Records<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*bytes)
    }
}

/// Records go into memory as they are in the file: nothing is copied or counted again.
fn read(file: &Path) -> Option<StatCache> {
    let mut file = File::open(file).ok()?;
    let size = file.metadata().ok().filter(|m| m.is_file())?.len();
    let mut take = |bytes: &mut [u8]| file.read_exact(bytes).ok();
    let (mut magic, mut number) = ([0; MAGIC.len()], [0; 8]);
    take(&mut magic)?;
    if magic != *MAGIC {
        return None;
    }
    let mut counts = [0; 2];
    for count in &mut counts {
        take(&mut number)?;
        *count = u64::from_le_bytes(number);
    }
    let mut sum = [0; CHECKSUM_BYTES];
    take(&mut sum)?;
    let length = counts[1].checked_mul(ANSWER_BYTES as u64)?;
    let mut answers = vec![0; usize::try_from(length).ok().filter(|_| length <= size)?];
    take(&mut answers)?;
    let mut records = Vec::with_capacity(usize::try_from(size.min(MAX_BYTES)).ok()?);
    file.take(MAX_BYTES).read_to_end(&mut records).ok()?;
    if checksum(counts, &answers, &records) != sum {
        return None;
    }
    let (answers, _) = answers.as_chunks::<32>();
    let (pairs, _) = answers.as_chunks::<2>();
    let pairs = pairs.iter().map(|pair| pair.map(Digest::from_array).into());
    Some(StatCache {
        records,
        count: usize::try_from(counts[0]).ok()?,
        answers: pairs.collect(),
    })
}

/// Finds damage, which is nobody's attack: a cryptographic digest would take longer than the rest.
fn checksum(counts: [u64; 2], answers: &[u8], records: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let seed = RapidSecrets::seed(counts[0]);
    let seed = RapidSecrets::seed(rapidhash_v3_seeded(answers, &seed) ^ counts[1]);
    rapidhash_v3_seeded(records, &seed).to_le_bytes()
}
