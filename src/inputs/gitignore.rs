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
        let _not_a_pattern = builder.add_line(None, &as_git_means(line));
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

/// Braces are ordinary to git, and alternatives to the matcher; named classes are the other way
/// round.
fn as_git_means(line: &str) -> String {
    let mut pattern = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let class = rest.strip_prefix('[').and_then(|inner| {
            let members = inner.trim_start_matches(['!', '^']);
            let mut end = inner.len() - members.len();
            // A `]` that comes first is one of the class.
            end += usize::from(members.starts_with(']'));
            loop {
                let here = inner.get(end..)?;
                match CLASSES.iter().find(|(name, _)| here.starts_with(name)) {
                    Some((name, _)) => end += name.len(),
                    None if here.starts_with(']') => break Some(end + 2),
                    None => end += here.chars().next()?.len_utf8(),
                }
            }
        });
        let length = match (c, class) {
            (_, Some(length)) => {
                let class = CLASSES
                    .iter()
                    .fold(rest[..length].to_owned(), |class, (name, members)| {
                        class.replace(name, members)
                    });
                pattern.push_str(&class);
                length
            }
            ('\\', None) => {
                let escaped = rest[1..].chars().next().map_or(0, char::len_utf8);
                pattern.push_str(&rest[..1 + escaped]);
                1 + escaped
            }
            ('{' | '}', None) => {
                pattern.push('\\');
                pattern.push(c);
                1
            }
            (c, None) => {
                pattern.push(c);
                c.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    pattern
}

/// What the named classes of a pattern stand for, as git has them (of ASCII only).
const CLASSES: [(&str, &str); 7] = [
    ("[:alpha:]", "a-zA-Z"),
    ("[:digit:]", "0-9"),
    ("[:alnum:]", "a-zA-Z0-9"),
    ("[:upper:]", "A-Z"),
    ("[:lower:]", "a-z"),
    ("[:xdigit:]", "0-9a-fA-F"),
    ("[:space:]", " \t"),
];

/// `NotADirectory`: a `.git` that is a file, but names no folder.
fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_what_git_means() {
        for (line, pattern) in [
            ("*.{css,map}", r"*.\{css,map\}"),
            (r"\{a}", r"\{a\}"),
            ("[[:alpha:]].md", "[a-zA-Z].md"),
            ("[![:digit:]_]*", "[!0-9_]*"),
            ("[{}]x", "[{}]x"),
            ("[]a]", "[]a]"),
            ("[unclosed{", r"[unclosed\{"),
            ("ü[é{]{", r"ü[é{]\{"),
            (r"end\\", r"end\\"),
            ("", ""),
        ] {
            assert_eq!(as_git_means(line), pattern, "{line}");
        }
    }
}
