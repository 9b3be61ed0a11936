use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};

use super::error::InputError;

/// Longer globs are mistakes, and compile to large programs.
const MAX_GLOB_BYTES: usize = 1024;

/// Why a text is no glob of files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GlobProblem {
    /// Nothing, or nothing between two `/`.
    #[error("a glob has no empty parts; `**` means every file")]
    Empty,
    /// Starts at the top of the file system.
    #[error("a glob starts from the folder of sites.toml, not from /")]
    Absolute,
    /// Has a part `.` or `..`.
    #[error(
        "a glob never has `.` or `..` as a part: files outside of the folder of sites.toml are no input"
    )]
    Dots,
    /// Names a folder.
    #[error("a glob names files; for every file in a folder end it with `/**`")]
    Folder,
    /// Holds a `\`.
    #[error(
        "parts of a glob are divided by `/`, never by `\\`; a special character is written `[*]`"
    )]
    Backslash,
    /// Starts with `!`.
    #[error("a glob cannot exclude; name what to leave out in .gitignore")]
    Exclusion,
    /// Has `**` beside other characters.
    #[error("`**` stands alone between two `/`, as in `www/**/*.md`")]
    Stars,
    /// Has a class that holds `/`.
    #[error("the characters between [ and ] cannot include `/`")]
    Class,
    /// Far too long.
    #[error("a glob has at most {MAX_GLOB_BYTES} bytes")]
    Long,
    /// Cannot be compiled.
    #[error("{0}")]
    Syntax(String),
}

/// Whether a text can be used as a glob of files.
///
/// `*` and `?` stay within one folder, `**` is any number of folders, `[a-z]`, `[!a-z]` and
/// `{one,two}` are as in a shell. Names are compared exactly, on every platform. Hidden files match
/// as others do.
///
/// # Errors
///
/// What is wrong, with what to write instead.
pub fn check_glob(glob: &str) -> Result<(), GlobProblem> {
    let Parsed { rest, .. } = parse(glob)?;
    compile(rest).map(drop)
}

/// A glob, taken apart.
struct Parsed<'g> {
    /// The folders it names without a special character; empty for the root folder.
    prefix: &'g str,
    /// What a path must match behind the prefix.
    rest: &'g str,
    /// How many parts such a rest of a path can have; `None`: any number.
    reach: Option<usize>,
}

fn parse(glob: &str) -> Result<Parsed<'_>, GlobProblem> {
    let drive = matches!(glob.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic());
    match glob {
        "" => return Err(GlobProblem::Empty),
        _ if glob.len() > MAX_GLOB_BYTES => return Err(GlobProblem::Long),
        _ if glob.starts_with('!') => return Err(GlobProblem::Exclusion),
        _ if glob.contains('\\') => return Err(GlobProblem::Backslash),
        _ if glob.starts_with('/') || drive => return Err(GlobProblem::Absolute),
        _ if glob.ends_with('/') => return Err(GlobProblem::Folder),
        _ => {}
    }
    for part in glob.split('/') {
        match part {
            "" => return Err(GlobProblem::Empty),
            "." | ".." => return Err(GlobProblem::Dots),
            "**" => {}
            // Within braces a comma or brace may stand beside it, as in `{a/**,b}`.
            _ if part.contains("**") && !glob.contains('{') => return Err(GlobProblem::Stars),
            _ => {}
        }
    }
    let special = |part: &str| part.contains(['*', '?', '[', ']', '{', '}']);
    let mut fixed = 0;
    while let Some((part, _)) = glob[fixed..].split_once('/') {
        if special(part) {
            break;
        }
        fixed += part.len() + 1;
    }
    let rest = &glob[fixed..];
    Ok(Parsed {
        prefix: glob[..fixed].trim_end_matches('/'),
        rest,
        reach: (!rest.contains("**") && !rest.contains('{')).then(|| rest.split('/').count()),
    })
}

fn compile(rest: &str) -> Result<globset::Glob, GlobProblem> {
    GlobBuilder::new(&confine_classes(rest)?)
        .literal_separator(true)
        // Otherwise its meaning depends on the platform.
        .backslash_escape(false)
        .build()
        .map_err(|error| GlobProblem::Syntax(error.kind().to_string()))
}

/// Keeps `[!a]` from matching `/`, which the matcher would allow: only `**` leaves a folder.
fn confine_classes(glob: &str) -> Result<String, GlobProblem> {
    let mut out = String::with_capacity(glob.len() + 1);
    let mut chars = glob.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(c);
        if c != '[' {
            continue;
        }
        let negated = chars.next_if(|c| matches!(c, '!' | '^'));
        out.extend(negated);
        // Right at the beginning it is a member, not the end.
        let mut class: Vec<char> = chars.next_if_eq(&']').into_iter().collect();
        class.extend(std::iter::from_fn(|| chars.next_if(|c| *c != ']')));
        let spans = |range: &[char]| matches!(range, [a, '-', b] if *a < '/' && '/' < *b);
        if class.contains(&'/') || negated.is_none() && class.windows(3).any(spans) {
            return Err(GlobProblem::Class);
        }
        if negated.is_some() {
            // Before a `-` at the end, which would make a range of it.
            let last = class.len() - usize::from(class.last() == Some(&'-'));
            class.insert(last, '/');
        }
        out.extend(class);
    }
    Ok(out)
}

/// The folders above `folder`, nearest first, down to the root (`""`); none above the root.
fn ancestors(folder: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(parent(folder), |above| parent(above))
}

fn parent(folder: &str) -> Option<&str> {
    match folder.rsplit_once('/') {
        Some((above, _)) => Some(above),
        None => (!folder.is_empty()).then_some(""),
    }
}

/// A glob's number in its [`GlobIndex`].
pub(super) type GlobId = u32;

/// All globs of all sites, found by the folder that they begin in.
///
/// A path is only tried against globs whose fixed beginning leads to it. Ten thousand sites with a
/// folder each so cost one look-up per folder, not ten thousand patterns per file.
#[derive(Default)]
pub(super) struct GlobIndex {
    reach: Vec<Option<usize>>,
    /// Every fixed beginning and every folder above one.
    folders: BTreeMap<String, Option<Group>>,
}

/// The globs that begin in one folder.
pub(super) struct Group {
    /// How many folders deep that folder is.
    depth: usize,
    /// The bytes of a path that lead to it.
    skip: usize,
    /// The most parts that a match has from there on.
    reach: Option<usize>,
    /// Globs whose rest is `**`.
    everything: Vec<GlobId>,
    /// The others. Shared, since the same few patterns are used below many folders.
    set: Arc<GlobSet>,
    /// The globs of the set, in its order.
    ids: Vec<GlobId>,
}

impl GlobIndex {
    /// Compiles globs; the position of one is its id.
    pub(super) fn new(globs: &[&str]) -> Result<Self, InputError> {
        let mut grouped: HashMap<&str, Vec<(GlobId, Parsed<'_>)>> = HashMap::new();
        let mut reach = Vec::with_capacity(globs.len());
        for (id, glob) in (0..).zip(globs) {
            let parsed = parse(glob).map_err(|source| refused(glob, source))?;
            reach.push(parsed.reach);
            grouped.entry(parsed.prefix).or_default().push((id, parsed));
        }
        let mut sets: HashMap<Vec<&str>, Arc<GlobSet>> = HashMap::new();
        let mut folders: BTreeMap<String, Option<Group>> = BTreeMap::new();
        for (prefix, members) in grouped {
            for above in ancestors(prefix) {
                if !folders.contains_key(above) {
                    folders.insert(above.to_owned(), None);
                }
            }
            let reach = members
                .iter()
                .try_fold(0, |most, (_, m)| Some(most.max(m.reach?)));
            let (all, some): (Vec<_>, Vec<_>) = members.iter().partition(|(_, m)| m.rest == "**");
            let rests: Vec<&str> = some.iter().map(|(_, m)| m.rest).collect();
            let set = match sets.get(&rests) {
                Some(set) => Arc::clone(set),
                None => {
                    let set = Arc::new(compile_set(&rests)?);
                    sets.insert(rests, Arc::clone(&set));
                    set
                }
            };
            let group = Group {
                depth: depth(prefix),
                skip: if prefix.is_empty() {
                    0
                } else {
                    prefix.len() + 1
                },
                reach,
                everything: all.iter().map(|(id, _)| *id).collect(),
                set,
                ids: some.iter().map(|(id, _)| *id).collect(),
            };
            folders.insert(prefix.to_owned(), Some(group));
        }
        Ok(Self { reach, folders })
    }

    /// The groups to try for files of `folder`, which was reached from a folder with the groups
    /// `above`; `None` when no file in or below it can match.
    pub(super) fn enter<'i>(&'i self, above: &[&'i Group], folder: &str) -> Option<Vec<&'i Group>> {
        let deep = depth(folder);
        let known = self.folders.get(folder);
        let active: Vec<_> = above
            .iter()
            .copied()
            .filter(|group| group.reach.is_none_or(|reach| deep - group.depth < reach))
            .chain(known.and_then(Option::as_ref))
            .collect();
        (known.is_some() || !active.is_empty()).then_some(active)
    }

    /// The groups to try for files of `folder`, whatever leads to it; `None` when no file in or
    /// below it can match.
    pub(super) fn descend(&self, folder: &str) -> Option<Vec<&Group>> {
        let above = folder.match_indices('/').map(|(end, _)| &folder[..end]);
        let itself = (!folder.is_empty()).then_some(folder);
        let mut active = self.enter(&[], "")?;
        for next in above.chain(itself) {
            active = self.enter(&active, next)?;
        }
        Some(active)
    }

    /// The globs that may match something in or below `folder`, which has the groups `active`.
    pub(super) fn below(&self, active: &[&Group], folder: &str) -> Vec<GlobId> {
        let deep = depth(folder);
        let reaching = active.iter().flat_map(|group| {
            group.members().filter(|id| {
                let reach = self.reach.get(*id as usize).copied().flatten();
                reach.is_none_or(|reach| deep - group.depth < reach)
            })
        });
        let within = if folder.is_empty() {
            String::new()
        } else {
            format!("{folder}/")
        };
        let beginning = (self.folders.range(within.clone()..))
            .take_while(|(prefix, _)| prefix.starts_with(&within))
            .flat_map(|(_, group)| group.iter().flat_map(Group::members));
        let mut ids: Vec<_> = reaching.chain(beginning).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

impl Group {
    fn members(&self) -> impl Iterator<Item = GlobId> {
        self.everything.iter().chain(&self.ids).copied()
    }
}

/// Which globs match files, with the buffer that this takes.
#[derive(Default)]
pub(super) struct Matcher {
    hits: Vec<usize>,
    matched: Vec<GlobId>,
}

impl Matcher {
    /// The globs of `active`, the groups of the folder that the file is in, that match it; sorted.
    pub(super) fn matches(&mut self, active: &[&Group], path: &str) -> &[GlobId] {
        self.matched.clear();
        for group in active {
            self.matched.extend(&group.everything);
            if !group.ids.is_empty() {
                let rest = Candidate::new(&path[group.skip..]);
                group.set.matches_candidate_into(&rest, &mut self.hits);
                self.matched
                    .extend(self.hits.iter().filter_map(|hit| group.ids.get(*hit)));
            }
        }
        self.matched.sort_unstable();
        &self.matched
    }
}

pub(super) fn refused(glob: &str, source: GlobProblem) -> InputError {
    InputError::Glob {
        glob: glob.to_owned(),
        source,
    }
}

fn compile_set(rests: &[&str]) -> Result<GlobSet, InputError> {
    let mut builder = GlobSetBuilder::new();
    for rest in rests {
        builder.add(compile(rest).map_err(|source| refused(rest, source))?);
    }
    builder.build().map_err(|error| InputError::Globs {
        reason: error.to_string(),
    })
}

/// How many folders deep a folder is; the root is 0.
pub(super) fn depth(folder: &str) -> usize {
    if folder.is_empty() {
        0
    } else {
        1 + folder.bytes().filter(|byte| *byte == b'/').count()
    }
}
