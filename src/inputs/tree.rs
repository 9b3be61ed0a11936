use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rayon::prelude::*;

use super::cache::StatCache;
use super::content::Reader;
use super::error::InputError;
use super::glob::{GlobId, GlobIndex, check_glob, refused};
use super::scope::Scope;
use super::walk::{Found, Trouble, walk};
use crate::model::{Digest, Input, Millis, Part, SiteName};

/// The files below the folder of `sites.toml`, and what is remembered of them.
pub struct FileTree {
    root: PathBuf,
    cache_file: Option<PathBuf>,
    /// `None` until the first scan, which loads it while it walks.
    cache: Option<StatCache>,
    last: Option<Last>,
}

/// The files of each site, or why they are unknown.
type Answers = BTreeMap<SiteName, Result<Arc<SiteFiles>, InputError>>;

/// So many lines of a part are written at once.
const AT_ONCE: usize = 4_096;

/// The answer to the last scan: it is that of the next one as long as every file is as it was.
struct Last {
    asked: BTreeMap<SiteName, Vec<String>>,
    sites: Answers,
}

/// What one look at the files found.
#[derive(Debug)]
pub struct Scan {
    /// The files of each site, or the first reason (in the order of paths) why they are unknown.
    /// Sites with the same globs share one value.
    pub sites: BTreeMap<SiteName, Result<Arc<SiteFiles>, InputError>>,
    /// What it took.
    pub report: Report,
    /// Where a change may alter the answer; `None`: nothing could be looked at.
    pub scope: Option<Arc<Scope>>,
    /// When any of the files was last touched: nanoseconds of the file system's clock, as
    /// [`touched_at`](super::touched_at) has them; 0 without files.
    pub touched: i64,
}

/// The files of a site.
#[derive(Debug)]
pub struct SiteFiles {
    /// The digest of the part.
    pub digest: Digest,
    /// Their places among all files, in order.
    positions: Vec<usize>,
    all: Arc<Vec<Found>>,
    /// Written when it is first asked for: of files that did not change only the digest is.
    part: OnceLock<Part>,
    /// How many bytes they have.
    pub bytes: u64,
    /// Globs that no file matches, in the site's order. Not an error, but most likely a mistake.
    pub unmatched: Vec<String>,
}

/// What a scan took.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Entries of folders that were looked at.
    pub entries: usize,
    /// Files that match a glob of any site.
    pub files: usize,
    /// Files whose digest was still known.
    pub known: usize,
    /// Files that were read.
    pub read: usize,
    /// Bytes that were read.
    pub read_bytes: u64,
}

impl FileTree {
    /// The tree below `root`. What is remembered of it is kept in the user's cache folder
    /// (`microblot/<digest of the root's path>.stat`), if there is one.
    pub fn new(root: &Path) -> Self {
        let place = dirs::cache_dir().zip(root.canonicalize().ok());
        let cache_file = place.map(|(folder, root)| {
            let name = Digest::of_bytes(root.as_os_str().as_encoded_bytes());
            folder.join("microblot").join(format!("{name}.stat"))
        });
        Self::with_cache(root, cache_file)
    }

    /// The tree below `root`, with another file for what is remembered; `None`: memory alone.
    pub fn with_cache(root: &Path, cache_file: Option<PathBuf>) -> Self {
        Self {
            root: root.to_owned(),
            cache_file,
            cache: None,
            last: None,
        }
    }

    /// Looks at the files of all sites.
    ///
    /// `sites` are the globs of each site, `now` is the time before the call: a later one would
    /// make a change go unnoticed that is made while a file is read. Blocks, and uses all
    /// processors.
    pub fn scan(&mut self, sites: &BTreeMap<SiteName, Vec<String>>, now: Millis) -> Scan {
        let asked = Asked::of(sites);
        let cache_file = self.cache_file.as_deref();
        let known = self.cache.take();
        let last = self.last.take().filter(|last| last.asked == *sites);
        let load = || known.unwrap_or_else(|| cache_file.map(StatCache::load).unwrap_or_default());
        let look = || {
            let root = self
                .root
                .canonicalize()
                .map_err(|source| self.no_root(source))?;
            let index = GlobIndex::new(&asked.globs)?;
            Ok((walk(&root, &index)?, root, index))
        };
        let (walked, cache) = rayon::join(look, load);
        let (mut walked, root, index) = match walked {
            Ok(walked) => walked,
            Err(error) => {
                self.cache = Some(cache);
                return asked.answer_all(&error);
            }
        };

        let scope = Some(Arc::new(Scope::of(index, &mut walked)));
        let mut files = walked.files;
        let touched = files.iter().map(|file| file.stat.changed).max();
        let touched = touched.unwrap_or_default();
        remember_digests(&mut files, &cache);
        let unknown: Vec<_> = (files.iter_mut())
            .filter(|file| file.digest.is_none())
            .collect();
        let read = unknown.len();
        let unreadable: Vec<_> = unknown
            .into_par_iter()
            .map_init(Reader::new, |reader, file| file.read(&root, reader))
            .collect();
        let report = Report {
            entries: walked.entries,
            files: files.len(),
            known: files.len() - read,
            read,
            read_bytes: unreadable
                .iter()
                .filter_map(|outcome| outcome.as_ref().ok())
                .sum(),
        };
        // Every file is one that is remembered, and none of those is gone: the cache is of the very
        // files that the last answer is of.
        if let Some(last) = last
            && read == 0
            && cache.len() == files.len()
            && walked.troubles.is_empty()
        {
            self.cache = Some(cache);
            let sites = last.sites.clone();
            self.last = Some(last);
            return Scan {
                sites,
                report,
                scope,
                touched,
            };
        }
        let mut troubles = walked.troubles;
        troubles.extend(unreadable.into_iter().filter_map(Result::err));
        files.retain(|file| file.digest.is_some());
        let unchanged = read == 0 && cache.len() == files.len();
        let mut known = if unchanged {
            cache
        } else {
            remember(&files, now)
        };
        // What was read too soon after it was written is not remembered, and so is read again.
        let lasts = troubles.is_empty() && known.len() == files.len();
        let (found, answers) = asked.answer(files, troubles, &known.answers);
        if lasts {
            self.last = Some(Last {
                asked: sites.clone(),
                sites: found.clone(),
            });
        }
        let answers = if lasts { answers } else { BTreeMap::new() };
        if !unchanged || known.answers != answers {
            known.answers = answers;
            self.keep(&known);
        }
        self.cache = Some(known);
        Scan {
            sites: found,
            report,
            scope,
            touched,
        }
    }

    /// Writes out what is news. That it cannot be costs time on the next start and nothing else.
    fn keep(&self, cache: &StatCache) {
        if let Some(target) = &self.cache_file
            && let Err(error) = cache.store(target)
        {
            tracing::warn!(
                file = %target.display(), %error,
                "digests of files are not kept: the next start reads all files again"
            );
        }
    }

    fn no_root(&self, source: io::Error) -> InputError {
        InputError::Root {
            path: self.root.clone(),
            source: Arc::new(source),
        }
    }
}

impl Found {
    /// Reads the file, and returns its size. One that is gone keeps no digest.
    fn read(&mut self, root: &Path, reader: &mut Reader) -> Result<u64, Trouble> {
        let path = &self.path;
        match reader.digest(&root.join(&**path), path) {
            Ok(Some((stat, digest))) => {
                self.stat = stat;
                self.digest = Some(digest);
                Ok(stat.size)
            }
            Ok(None) => Ok(0),
            Err(error) => Err(Trouble {
                path: path.to_string(),
                globs: self.globs.to_vec(),
                error,
            }),
        }
    }
}

/// What to remember of the files that were read no later than their stat settled.
fn remember(files: &[Found], now: Millis) -> StatCache {
    let mut cache = StatCache::default();
    for file in files {
        if let Some(digest) = &file.digest
            && file.stat.is_settled(now)
        {
            cache.push(&file.path, &file.stat, digest);
        }
    }
    cache
}

/// Gives each file the digest that is remembered for its path and stat. Both sides are in the order
/// of their paths' bytes.
fn remember_digests(files: &mut [Found], cache: &StatCache) {
    let mut records = cache.records().peekable();
    for file in files {
        let path = file.path.as_bytes();
        while records.next_if(|record| record.path < path).is_some() {}
        file.digest = records
            .next_if(|record| record.path == path)
            .filter(|record| record.stat == file.stat)
            .map(|record| record.digest);
    }
}

/// What a scan is asked for: every glob and every list of globs once.
struct Asked<'s> {
    globs: Vec<&'s str>,
    lists: BTreeMap<Vec<GlobId>, Vec<&'s SiteName>>,
    refused: Vec<(&'s SiteName, InputError)>,
}

impl<'s> Asked<'s> {
    fn of(sites: &'s BTreeMap<SiteName, Vec<String>>) -> Self {
        let mut asked = Self {
            globs: Vec::new(),
            lists: BTreeMap::new(),
            refused: Vec::new(),
        };
        let mut ids: HashMap<&str, GlobId> = HashMap::new();
        for (site, globs) in sites {
            let wrong = |glob: &'s String| Some((glob, check_glob(glob).err()?));
            if let Some((glob, problem)) = globs
                .iter()
                .filter(|glob| !ids.contains_key(glob.as_str()))
                .find_map(wrong)
            {
                asked.refused.push((site, refused(glob, problem)));
                continue;
            }
            let list = globs.iter().map(|glob| {
                *ids.entry(glob).or_insert_with(|| {
                    asked.globs.push(glob);
                    // There is no memory for more globs than that.
                    GlobId::try_from(asked.globs.len() - 1).unwrap_or(GlobId::MAX)
                })
            });
            let list = list.collect();
            asked.lists.entry(list).or_default().push(site);
        }
        asked
    }

    fn answer_all(self, error: &InputError) -> Scan {
        let failed = self
            .lists
            .into_values()
            .flatten()
            .map(|site| (site.clone(), Err(error.clone())));
        let refused = self
            .refused
            .into_iter()
            .map(|(site, error)| (site.clone(), Err(error)));
        Scan {
            sites: failed.chain(refused).collect(),
            report: Report::default(),
            scope: None,
            touched: 0,
        }
    }

    /// The answer, and the digest of each list of globs; those in `known` are of these very files.
    fn answer(
        self,
        files: Vec<Found>,
        mut troubles: Vec<Trouble>,
        known: &BTreeMap<Digest, Digest>,
    ) -> (Answers, BTreeMap<Digest, Digest>) {
        let files = Arc::new(files);
        troubles.sort_by(|a, b| a.path.cmp(&b.path));
        let mut failed: HashMap<GlobId, usize> = HashMap::new();
        for (rank, trouble) in troubles.iter().enumerate() {
            for glob in &trouble.globs {
                failed.entry(*glob).or_insert(rank);
            }
        }
        let mut matches = vec![Vec::new(); self.globs.len()];
        for (position, file) in files.iter().enumerate() {
            for glob in &*file.globs {
                matches[*glob as usize].push(position);
            }
        }
        let Self {
            globs,
            lists,
            refused,
        } = self;
        let answered = lists.into_par_iter().flat_map_iter(|(list, sites)| {
            let first = list.iter().filter_map(|glob| failed.get(glob)).min();
            let key = key_of(list.iter().map(|glob| globs[*glob as usize]));
            let answer = match first {
                Some(rank) => Err(troubles[*rank].error.clone()),
                None => {
                    let known = known.get(&key).copied();
                    Ok(Arc::new(SiteFiles::of(
                        &list, &globs, &matches, &files, known,
                    )))
                }
            };
            sites
                .into_iter()
                .map(move |site| (site.clone(), key, answer.clone()))
        });
        let answered: Vec<_> = answered.collect();
        let answers = answered
            .iter()
            .filter_map(|(_, key, answer)| Some((*key, answer.as_ref().ok()?.digest)))
            .collect();
        let mut sites: BTreeMap<_, _> = answered
            .into_iter()
            .map(|(site, _, answer)| (site, answer))
            .collect();
        sites.extend(
            refused
                .into_iter()
                .map(|(site, error)| (site.clone(), Err(error))),
        );
        (sites, answers)
    }
}

/// What a list of globs is remembered under. Another version of the program may match otherwise.
fn key_of<'g>(globs: impl Iterator<Item = &'g str>) -> Digest {
    let version = env!("CARGO_PKG_VERSION");
    let fields = std::iter::once(version).chain(globs).map(str::as_bytes);
    Digest::of_fields("microblot/globs/1", fields)
}

impl SiteFiles {
    /// The files of one list of globs. `matches` has the positions of the files that match each;
    /// `known` is their digest, if it was taken before.
    fn of(
        list: &[GlobId],
        globs: &[&str],
        matches: &[Vec<usize>],
        all: &Arc<Vec<Found>>,
        known: Option<Digest>,
    ) -> Self {
        let of_glob = |glob: &GlobId| &matches[*glob as usize];
        let mut positions: Vec<usize> = list.iter().flat_map(of_glob).copied().collect();
        positions.sort_unstable();
        positions.dedup();
        let part = OnceLock::new();
        let take = || {
            part.get_or_init(|| part_of(all, &positions))
                .digest(Input::Files)
        };
        Self {
            digest: known.unwrap_or_else(take),
            all: Arc::clone(all),
            bytes: (positions.iter())
                .map(|position| all[*position].stat.size)
                .sum(),
            positions,
            part,
            unmatched: (list.iter())
                .filter(|glob| of_glob(glob).is_empty())
                .map(|glob| globs[*glob as usize].to_owned())
                .collect(),
        }
    }

    /// How many files there are.
    pub fn count(&self) -> usize {
        self.positions.len()
    }

    /// Every file with the SHA-256 of its content, as 64 digits.
    pub fn part(&self) -> &Part {
        self.part
            .get_or_init(|| part_of(&self.all, &self.positions))
    }
}

/// Two sites with the same files, whatever else there is.
impl PartialEq for SiteFiles {
    fn eq(&self, other: &Self) -> bool {
        let facts = |files: &Self| (files.digest, files.count(), files.bytes);
        facts(self) == facts(other) && self.unmatched == other.unmatched
    }
}

impl Eq for SiteFiles {}

fn part_of(all: &[Found], positions: &[usize]) -> Part {
    let line = |position: &usize| {
        let file = &all[*position];
        Some((&*file.path, file.digest.as_ref()?.hex()))
    };
    let some = |positions: &[usize]| Part::from_items(positions.iter().filter_map(line));
    Part::joined(positions.par_chunks(AT_ONCE).map(some).collect())
}
