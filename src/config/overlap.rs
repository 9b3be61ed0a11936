use std::collections::BTreeMap;

use super::whole::Saying;

/// How deep globs reach below their fixed folders.
///
/// Answers for a folder in a few look-ups, because there may be as many folders and globs as sites.
pub(super) struct Reach<'g> {
    /// By the fixed folder with a `/` at its end (the root is empty): the glob that reaches deepest.
    deepest: BTreeMap<String, (usize, &'g Saying<&'g str>)>,
}

impl<'g> Reach<'g> {
    pub(super) fn of(globs: &'g [Saying<&'g str>]) -> Self {
        let mut deepest = BTreeMap::new();
        for glob in globs {
            let (folder, depth) = fixed_folder(glob.value);
            let entry = deepest.entry(folder).or_insert((depth, glob));
            if depth > entry.0 {
                *entry = (depth, glob);
            }
        }
        Self { deepest }
    }

    /// A glob that may match a file in the folder `out` (with a `/` at its end, without empty and
    /// `.` parts).
    ///
    /// May say so of a glob whose wildcards happen to match nothing there; never misses one.
    pub(super) fn glob_into(&self, out: &str) -> Option<&'g Saying<&'g str>> {
        let below = self.deepest.range(out.to_owned()..).next();
        if let Some((_, (_, glob))) = below.filter(|(folder, _)| folder.starts_with(out)) {
            return Some(glob);
        }
        let depth = out.matches('/').count();
        let above = std::iter::once(0).chain(out.match_indices('/').map(|(at, _)| at + 1));
        above
            .filter_map(|end| self.deepest.get(&out[..end]))
            .find(|(reach, _)| *reach > depth)
            .map(|(_, glob)| *glob)
    }
}

/// The folder that all matches of a glob are in, and the most parts that a match can have.
fn fixed_folder(glob: &str) -> (String, usize) {
    let parts: Vec<_> = glob
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    let fixed = parts
        .iter()
        .position(|part| part.contains(['*', '?', '[', '{', '\\']))
        .unwrap_or(parts.len());
    let folder = parts[..fixed]
        .iter()
        .map(|part| format!("{part}/"))
        .collect();
    // A class or an alternative may hold a `/`.
    let deep = glob.contains("**") || glob.contains(['[', '{', '\\']);
    let depth = if deep { usize::MAX } else { parts.len() };
    (folder, depth)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_reaches_a_folder_when_it_may_match_a_file_in_it() {
        for (glob, out, reaches) in [
            ("www/**", "public/www", false),
            ("**", "public", true),
            ("**/*.md", "public", true),
            ("*.md", "public", false),
            ("*", "public", false),
            ("*/*.md", "public", true),
            ("*/*.md", "public/foo", false),
            ("public/**", "public/foo", true),
            ("public/foo/style.css", "public/foo", true),
            ("public/foo/*.css", "public", true),
            ("public", "public", true),
            ("public/foo", "public/foo/bar", false),
            ("public-old/**", "public", false),
            ("{a,public/b}/x", "public/b", true),
            ("./public//**", "public", true),
        ] {
            let globs = [Saying {
                value: glob,
                site: "a".parse().unwrap(),
                span: 0..0,
            }];
            let found = Reach::of(&globs).glob_into(&format!("{out}/")).is_some();
            assert_eq!(found, reaches, "{glob} into {out}");
        }
    }
}
