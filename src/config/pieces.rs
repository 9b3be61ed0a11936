//! Large texts, read in pieces: the tables that the parser makes take fifty times the memory of
//! their text, 600 MB for a hundred thousand sites.
//!
//! Pieces only ever say that a text is good. Whatever there is to say about it, and whatever a piece
//! cannot know about the others, is left to the reading of the whole.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use rayon::prelude::*;
use toml::de::{DeTable, DeValue};

use crate::model::{SiteName, Timing};

use super::fields::Fields;
use super::place::Lines;
use super::report::Report;
use super::settings::{self, Settings};
use super::whole::{Between, Gathered};
use super::{Config, DeclaredSite, Diagnostics, KEYS, secrets, site};

/// The most text, in bytes, that is read at a time.
pub(super) const READ_AT_ONCE: usize = 256 * 1024;

/// How the header of a site starts.
const SITE: &str = "[sites.";

/// Reads a text of more than `most` bytes piece by piece, on all cores. `None`: it has to be read as
/// a whole.
pub(super) fn load(text: &str, most: usize) -> Option<Config> {
    if text.len() <= most {
        return None;
    }
    let first = headers(text).next()?;
    let (settings, timing) = head(&text[..first])?;
    let pieces: Vec<Piece> = pieces(text, first, most)
        .par_iter()
        .map(|(line, piece)| read(&text[piece.clone()], *line, &timing))
        .collect::<Option<_>>()?;

    let mut declared = Vec::new();
    let mut between = Between::default();
    for piece in pieces {
        declared.extend(piece.sites);
        between.append(piece.between);
    }
    let count = declared.len();
    let sites: BTreeMap<SiteName, DeclaredSite> = declared.into_iter().collect();
    let mut channels = HashSet::new();
    let clear = sites.len() == count
        && between.listed.iter().all(|name| sites.contains_key(name))
        && between.channels.iter().all(|it| channels.insert(it));
    clear.then_some(Config {
        sites,
        settings,
        warnings: Diagnostics::default(),
    })
}

/// Where the headers of sites start, those of tables within sites left out. A header that stands in
/// the middle of a string or an array is one too: a text that is cut there is no TOML.
fn headers(text: &str) -> impl Iterator<Item = usize> {
    text.match_indices(SITE).filter_map(|(at, _)| {
        let rest = &text[at + SITE.len()..];
        let end = rest.find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-'))?;
        let starts_line = at == 0 || text.as_bytes()[at - 1] == b'\n';
        (starts_line && rest[end..].starts_with(']')).then_some(at)
    })
}

/// The text from `first` on, in pieces of at most `most` bytes if no single site is longer, each
/// with the count of lines before it.
fn pieces(text: &str, first: usize, most: usize) -> Vec<(usize, Range<usize>)> {
    let mut cuts = headers(text).skip(1).chain([text.len()]).peekable();
    let (mut start, mut line) = (first, lines(&text[..first]));
    let mut pieces = Vec::new();
    while let Some(end) = cuts.next() {
        if cuts.peek().is_none_or(|next| next - start > most) {
            pieces.push((line, start..end));
            line += lines(&text[start..end]);
            start = end;
        }
    }
    pieces
}

fn lines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

/// What sites have in common, if it all stands before them.
fn head(text: &str) -> Option<(Settings, Timing)> {
    let table = DeTable::parse(text).ok()?.into_inner();
    if table.contains_key("sites") {
        return None;
    }
    let mut report = Report::default();
    secrets::refuse(text, &table, &mut report);
    let root = toml::Spanned::new(0..0, DeValue::Table(table));
    let fields = Fields::of(&root, "", KEYS, &mut report)?;
    let timing = settings::defaults(&fields, &mut report);
    let mut gathered = Gathered::default();
    let settings = settings::read(&fields, &timing, &mut gathered, &mut report);
    // Folders of builds have to be compared with those of all sites.
    gathered.between()?;
    report.is_silent().then_some((settings, timing))
}

/// What a piece says, with what has to be compared with other pieces.
struct Piece {
    sites: BTreeMap<SiteName, DeclaredSite>,
    between: Between,
}

fn read(text: &str, lines_before: usize, defaults: &Timing) -> Option<Piece> {
    // Any other table would be hidden from the pieces that it is declared in as well.
    let is_within_a_site = |line: &str| !line.starts_with('[') || line.starts_with(SITE);
    if !text.lines().map(str::trim_start).all(is_within_a_site) {
        return None;
    }
    let table = DeTable::parse(text).ok()?.into_inner();
    let mut report = Report::default();
    secrets::refuse(text, &table, &mut report);
    let root = toml::Spanned::new(0..0, DeValue::Table(table));
    let fields = Fields::of(&root, "", &["sites"], &mut report)?;
    let lines = Lines::new(text);
    let mut gathered = Gathered::default();
    let mut sites = site::read_all(&fields, defaults, &lines, &mut gathered, &mut report);
    let before = u32::try_from(lines_before).ok()?;
    for site in sites.values_mut() {
        site.line = site.line.checked_add(before)?;
    }
    let between = gathered.between()?;
    report.is_silent().then_some(Piece { sites, between })
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;
    use crate::config::load_whole;

    const HEAD: &str = "[defaults]\ndebounce = \"2s\"\n";

    fn site(name: &str, more: &str) -> String {
        format!(
            "\n[sites.{name}]\ntitle = \"Site {name}\"\nurl = \"https://{name}.example.org\"\n\
             build.netlify = {{ hook = {{ env = \"HOOK\" }} }}\n{more}"
        )
    }

    /// What is read in pieces of any size is what is read as a whole. Answers whether it was.
    fn agrees(text: &str) -> bool {
        let whole = load_whole(text, "sites.toml");
        let sizes = [0, 1, 200, 1000];
        let read = sizes.map(|most| {
            let config = load(text, most);
            if let Some(config) = &config {
                assert_eq!(Ok(config), whole.as_ref(), "{most}:\n{text}");
            }
            config.is_some()
        });
        read[0]
    }

    #[test]
    fn every_example_is_read_the_same_in_pieces() {
        for folder in ["valid", "invalid"] {
            let path = format!("{}/tests/config/{folder}", env!("CARGO_MANIFEST_DIR"));
            let files = std::fs::read_dir(path).unwrap();
            let paths = files.map(|file| file.unwrap().path());
            let texts = paths.filter(|path| path.extension().is_some_and(|it| it == "toml"));
            for path in texts {
                let text = std::fs::read_to_string(path).unwrap();
                let read = agrees(&text);
                assert!(!read || folder == "valid");
                // Between others, where most of it is in other pieces.
                agrees(&format!(
                    "{}{text}{}",
                    site("before", ""),
                    site("after", "")
                ));
                agrees(&format!("{text}{}{text}", site("after", "")));
            }
        }
    }

    #[test]
    fn what_is_good_is_read_in_pieces() {
        let listed = site(
            "b",
            "posts = [\"a\"]\n[sites.b.slack]\nworkspace = \"T1\"\n",
        );
        let text = format!(
            "{HEAD}{}{listed}{}",
            site("a", "# [sites.x]\n"),
            site("c", "slack = { workspace = \"T1\", channels = [\"C1\"] }\n")
        );
        for text in [&text, &text.replace('\n', "\r\n"), &text[HEAD.len() + 1..]] {
            assert!(agrees(text), "{text}");
        }
    }

    #[test]
    fn what_pieces_cannot_know_is_read_as_a_whole() {
        let (a, b) = (site("a", ""), site("b", ""));
        for text in [
            // Declared in two pieces.
            format!("{a}{b}{a}"),
            format!("{a}{b}[sites.a.slack]\nworkspace = \"T1\"\n"),
            format!("{a}{b}[defaults]\n"),
            format!("{a}{b}[sites]\n{a}[sites]\n"),
            format!("{a}{b} [ sites ]\n{b}"),
            format!("sites = {{}}\n{a}{b}"),
            format!("sites.c.title = \"C\"\n{a}{b}"),
            format!("[sites]\n{a}{b}"),
            // Compared between sites.
            format!("{a}{}", site("b", "posts = [\"c\"]\n")),
            format!("{a}{}", site("b", "renamed_from = \"a\"\n")),
            format!(
                "{}{}",
                site("a", "slack = { workspace = \"T1\", channels = [\"C1\"] }\n"),
                site("b", "slack = { workspace = \"T1\", channels = [\"C1\"] }\n")
            ),
            // Cut where it is no header.
            format!(
                "{a}{}",
                site("b", "files = [\n\"\"\"\n[sites.c]\n\"\"\"]\n")
            ),
            format!("{a}{}", site("b", "'''\n[sites.c]\n'''\n")),
            format!("{a}{b}junk\n"),
            format!("junk\n{a}{b}"),
            format!("{a}{}", site("b", "# xoxb-123456\n")),
        ] {
            assert!(!agrees(&text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn generated_texts_are_read_the_same_in_pieces(
            lines in proptest::collection::vec(line(), 0..40),
            head in any::<bool>(),
        ) {
            let mut text = String::from(if head { HEAD } else { "" });
            for line in lines {
                let _infallible = writeln!(text, "{line}");
            }
            agrees(&text);
        }
    }

    fn line() -> impl Strategy<Value = String> {
        let name = prop_oneof![Just("a"), Just("b"), Just("c"), Just("d"), Just("A")];
        prop_oneof![
            8 => "[a-z]{1,3}".prop_map(|name| site(&name, "")),
            4 => name.prop_map(|name| site(name, "")),
            1 => prop_oneof![
                Just("[sites]"),
                Just("[sites.a]"),
                Just("[sites.b.slack]"),
                Just("[sites.\"c\"]"),
                Just("[[sites.a]]"),
                Just("[limits]"),
                Just("posts = [\"a\", \"zz\"]"),
                Just("posts = ["),
                Just("\"\"\""),
                Just("'''"),
                Just("]"),
                Just("sites.d.title = \"D\""),
                Just("renamed_from = \"a\""),
                Just("debounce = \"1h\""),
                Just("slack = { workspace = \"T1\", channels = [\"C1\"] }"),
                Just("# hooks.slack.com/services/T1"),
                Just("é = 1"),
            ]
            .prop_map(str::to_owned),
        ]
    }
}
