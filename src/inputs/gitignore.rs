use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::content::open_file;
use super::error::InputError;

/// The largest `.gitignore` that is read. Real ones have a few kilobytes.
const MAX_BYTES: u64 = 1 << 20;

/// The ignore rules that hold in a folder: its own, then those of the folders above.
pub(super) struct Ignores {
    rules: Gitignore,
    /// The bytes of a path that lead to the folder of these rules, with the last `/`.
    skip: usize,
    above: Rules,
}

/// A chain of rules, the nearest first.
pub(super) type Rules = Option<Arc<Ignores>>;

/// Whether git would ignore a path: the nearest rule that says anything decides.
pub(super) fn is_ignored(rules: &Rules, path: &str, is_folder: bool) -> bool {
    let mut next = rules;
    while let Some(ignores) = next {
        match ignores.rules.matched(&path[ignores.skip..], is_folder) {
            Match::Ignore(_) => return true,
            Match::Whitelist(_) => return false,
            Match::None => next = &ignores.above,
        }
    }
    false
}

/// The rules that hold in `folder`: those of its `.gitignore`, if it has one, before those above.
///
/// `within` is the folder's path as the paths given to [`is_ignored`] begin, with a `/` at the end,
/// or empty. As in git, a `.gitignore` that is a link is not read.
pub(super) fn enter(above: &Rules, folder: &Path, within: &str) -> io::Result<Rules> {
    read_rules(above, &folder.join(".gitignore"), within)
}

/// The rules from above the root folder, and the path that leads to it from where they begin.
///
/// They begin in the folder that holds `.git`; without one nothing above the root folder counts, so
/// that a stray `.gitignore` in a home directory has no say. The user's own ignore file never
/// has: the same content is to give the same digest on every machine.
pub(super) fn above(root: &Path) -> Result<(Rules, String), InputError> {
    let is_repository = |folder: &&Path| folder.join(".git").symlink_metadata().is_ok();
    let Some(top) = root.ancestors().find(is_repository) else {
        return Ok((None, String::new()));
    };
    let unreadable =
        |path: PathBuf| move |error| InputError::unreadable(&path.to_string_lossy(), error);
    let exclude = git_folder(top).join("info").join("exclude");
    let mut rules = read_rules(&None, &exclude, "").map_err(unreadable(exclude.clone()))?;
    let (mut folder, mut within) = (top.to_owned(), String::new());
    for name in root.strip_prefix(top).unwrap_or(Path::new("")) {
        rules = enter(&rules, &folder, &within).map_err(unreadable(folder.join(".gitignore")))?;
        folder.push(name);
        within.push_str(&name.to_string_lossy());
        within.push('/');
    }
    Ok((rules, within))
}

/// Where git keeps what all worktrees of a repository share. In a linked worktree or submodule
/// `.git` is a file that names the folder.
fn git_folder(top: &Path) -> PathBuf {
    let named = |file: PathBuf, key: &str| {
        let text = fs::read_to_string(file).ok()?;
        Some(PathBuf::from(text.strip_prefix(key)?.trim_end()))
    };
    let git = top.join(".git");
    let Some(linked) = named(git.clone(), "gitdir: ") else {
        return git;
    };
    let linked = top.join(linked);
    match named(linked.join("commondir"), "") {
        Some(common) => linked.join(common),
        None => linked,
    }
}

fn read_rules(above: &Rules, file: &Path, within: &str) -> io::Result<Rules> {
    match file.symlink_metadata() {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Ok(above.clone()),
        Err(error) if is_absent(&error) => return Ok(above.clone()),
        Err(error) => return Err(error),
    }
    let mut bytes = Vec::new();
    let (content, _) = open_file(file)?;
    content.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        let reason = format!(".gitignore has more than {MAX_BYTES} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
    }
    let text = String::from_utf8_lossy(&bytes);
    let mut builder = GitignoreBuilder::new("");
    for line in text.trim_start_matches('\u{feff}').lines() {
        // A line that is no pattern matches nothing, as in git.
        let _not_a_pattern = builder.add_line(None, line);
    }
    let rules = builder.build().map_err(io::Error::other)?;
    if rules.is_empty() {
        return Ok(above.clone());
    }
    Ok(Some(Arc::new(Ignores {
        rules,
        skip: within.len(),
        above: above.clone(),
    })))
}

/// `NotADirectory`: a `.git` that is a file, but names no folder.
fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}
