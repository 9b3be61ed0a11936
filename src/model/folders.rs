use std::collections::BTreeMap;

/// Folders that builds replace, each with whoever replaces it. No build may take away what another
/// made, so none of them may be, hold or lie in another.
///
/// They are written without empty and `.` parts. Answers in a few look-ups, because there may be as
/// many folders as sites.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Folders<T> {
    /// With a `/` at their ends, so that a folder stands right before all that it holds.
    paths: BTreeMap<String, T>,
}

impl<T> Default for Folders<T> {
    fn default() -> Self {
        Self {
            paths: BTreeMap::new(),
        }
    }
}

impl<T> Folders<T> {
    /// Whoever has a folder that is, holds or lies in this one.
    pub fn touching(&self, folder: &str) -> Option<&T> {
        let path = ended(folder);
        let mut outer = path.match_indices('/').map(|(at, _)| &path[..=at]);
        let around = outer.find_map(|outer| self.paths.get(outer));
        around.or_else(|| {
            let within = self.paths.range(path.clone()..).next();
            within
                .filter(|(inner, _)| inner.starts_with(&path))
                .map(|(_, holder)| holder)
        })
    }

    /// Gives a folder to somebody, unless it is somebody's.
    pub fn add(&mut self, folder: &str, holder: T) {
        self.paths.entry(ended(folder)).or_insert(holder);
    }
}

fn ended(folder: &str) -> String {
    format!("{folder}/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_touch_that_are_hold_or_lie_in_each_other() {
        for (one, other, touch) in [
            ("public", "public", true),
            ("public", "public/foo", true),
            ("public", "public/foo/bar", true),
            ("public/foo", "public/bar", false),
            ("public/foo", "public/foo-bar", false),
            ("public/foo", "public/foo bar", false),
            ("public", "public-old/foo", false),
            ("a/b/c", "a/b/d", false),
        ] {
            for (first, second) in [(one, other), (other, one)] {
                let mut folders = Folders::default();
                folders.add(first, ());
                let found = folders.touching(second).is_some();
                assert_eq!(found, touch, "{first} and {second}");
            }
        }
    }

    #[test]
    fn a_folder_is_whose_it_was_first() {
        let mut folders = Folders::default();
        folders.add("public", "ann");
        folders.add("public", "ben");
        assert_eq!(folders.touching("public/foo"), Some(&"ann"));
    }
}
