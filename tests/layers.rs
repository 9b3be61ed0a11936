//! Lower layers know nothing of higher ones, and adapters nothing of each other.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Each part of the program with the parts that it may use, besides itself.
const LAYERS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("http", &["model"]),
    ("inputs", &["model"]),
    ("config", &["model", "inputs"]),
    ("plan", &["model"]),
    ("chat", &["model", "config"]),
    ("feeds", &["model"]),
    ("markdown", &["model", "feeds"]),
    ("store", &["model", "config"]),
    (
        "builders",
        &["model", "inputs", "markdown", "feeds", "store", "http"],
    ),
    ("watch", &["inputs"]),
    (
        "engine",
        &[
            "model", "config", "plan", "inputs", "store", "builders", "watch",
        ],
    ),
    ("web", &["model", "feeds", "store", "builders", "engine"]),
    (
        "slack",
        &[
            "model", "config", "plan", "chat", "http", "store", "engine", "markdown",
        ],
    ),
    (
        "cli",
        &[
            "model", "config", "plan", "inputs", "store", "builders", "watch", "engine", "web",
            "http", "chat", "slack",
        ],
    ),
];

#[test]
fn every_part_uses_only_what_lies_below_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for file in sources(&src) {
        let relative = file.strip_prefix(&src).unwrap();
        let part = relative.iter().next().unwrap().to_str().unwrap();
        let part = part.trim_end_matches(".rs");
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == part) else {
            assert!(["lib", "main"].contains(&part), "{part} is in no layer");
            continue;
        };
        seen.insert(part.to_owned());
        let text = std::fs::read_to_string(&file).unwrap();
        // Tests may look at everything.
        let code = text.split("#[cfg(test)]").next().unwrap();
        for used in used_parts(code) {
            if used != part && !allowed.contains(&used.as_str()) && used != "chain" {
                wrong.push(format!("{} uses {used}", relative.display()));
            }
        }
    }
    assert_eq!(seen.len(), LAYERS.len(), "a layer has no file: {seen:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The first segment of every path that starts with `crate::`.
fn used_parts(code: &str) -> BTreeSet<String> {
    code.split("crate::")
        .skip(1)
        .map(|rest| {
            rest.chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                .collect::<String>()
        })
        .filter(|part| !part.is_empty() && part.chars().next().is_some_and(char::is_lowercase))
        .collect()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files
}
