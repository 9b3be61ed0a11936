use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use rayon::prelude::*;
use toml::de::{DeTable, DeValue};

use crate::model::{SiteName, Timing};

use super::fields::Fields;
use super::place::Lines;
use super::report::Report;
use super::settings::{self, Settings};
use super::whole::Gathered;
use super::{Config, DeclaredSite, Diagnostics, KEYS, secrets, site};

/// Where a text can be cut: before the header of a site. No multi-line string has such a line by
/// chance.
const CUT: &str = "\n[sites.";

/// The most text, in bytes, that is read at a time. The tables that the parser makes take fifty
/// times the memory of their text: a hundred thousand sites at once would need 600 MB.
const READ_AT_ONCE: usize = 256 * 1024;

/// The text in pieces of at most `most` bytes, cut before headers of sites as far as there are any:
/// a cut anywhere else would look like an error.
fn pieces(text: &str, most: usize) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let most = text.floor_char_boundary(start + most);
        let end = if most == text.len() {
            most
        } else {
            let mut cuts = text[start..most].rmatch_indices(CUT);
            start
                + cuts
                    .find(|(at, _)| starts_site(&text[start + at + CUT.len()..]))?
                    .0
                + 1
        };
        let piece = start..end;
        start = end;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Whether the rest of a header names a site, not a table within one.
fn starts_site(rest: &str) -> bool {
    let end = rest.find(|c: char| !matches!(c, 'a'..='z' | '0'..='9' | '-'));
    end.is_some_and(|end| rest[end..].starts_with(']'))
}

/// Reads a large text piece by piece, on all cores. Nothing where there is anything to say about
/// it, or where sites have to be compared: then the text is read as a whole, which finds out what.
pub(super) fn load(text: &str) -> Option<Config> {
    load_by(text, READ_AT_ONCE)
}

fn load_by(text: &str, most: usize) -> Option<Config> {
    if text.len() <= most {
        return None;
    }
    let pieces: Vec<Range<usize>> = pieces(text, most).collect();
    if pieces.last()?.end != text.len() {
        return None;
    }
    let mut lines_before = 0;
    let places = pieces.into_iter().map(|piece| {
        let place = (&text[piece.clone()], lines_before);
        lines_before += text[piece].bytes().filter(|byte| *byte == b'\n').count();
        place
    });
    let places: Vec<(&str, usize)> = places.collect();
    let (first, rest) = places.split_first()?;
    // What sites have in common stands before them, or the text is read as a whole.
    let first = read(first.0, first.1, None)?;
    let timing = first.timing;
    let rest: Option<Vec<Piece>> = rest
        .par_iter()
        .map(|(text, lines)| read(text, *lines, Some(&timing)))
        .collect();

    let settings = first.settings.clone();
    let mut declared = Vec::new();
    let mut listed = BTreeSet::new();
    for piece in std::iter::once(first).chain(rest?) {
        declared.extend(piece.sites);
        listed.extend(piece.listed);
    }
    let count = declared.len();
    let sites: BTreeMap<SiteName, DeclaredSite> = declared.into_iter().collect();
    let is_clear = sites.len() == count && listed.iter().all(|name| sites.contains_key(name));
    is_clear.then_some(Config {
        sites,
        settings,
        warnings: Diagnostics::default(),
    })
}

struct Piece {
    settings: Settings,
    timing: Timing,
    sites: BTreeMap<SiteName, DeclaredSite>,
    listed: Vec<SiteName>,
}

/// Reads one piece; without `defaults` the first one.
fn read(text: &str, lines_before: usize, defaults: Option<&Timing>) -> Option<Piece> {
    let table = DeTable::parse(text).ok()?.into_inner();
    let mut report = Report::default();
    secrets::refuse(text, &table, &mut report);
    let keys = if defaults.is_some() { &["sites"] } else { KEYS };
    let root = toml::Spanned::new(0..0, DeValue::Table(table));
    let fields = Fields::of(&root, "", keys, &mut report)?;
    let timing = match defaults {
        Some(defaults) => *defaults,
        None => settings::defaults(&fields, &mut report),
    };
    let lines = Lines::new(text);
    let mut gathered = Gathered::default();
    let settings = settings::read(&fields, &timing, &mut gathered, &mut report);
    let mut sites = site::read_all(&fields, &timing, &lines, &mut gathered, &mut report);
    let before = u32::try_from(lines_before).ok()?;
    for site in sites.values_mut() {
        site.line = site.line.checked_add(before)?;
    }
    let listed = gathered.only_listed()?;
    report.is_silent().then_some(Piece {
        settings,
        timing,
        sites,
        listed,
    })
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::path::Path;

    use super::*;

    /// As one, or not at all.
    fn agree(text: &str, name: &str) -> usize {
        let whole = super::super::load_whole(text, name);
        let mut read = 0;
        for most in [60, 150, 400, 1_000, 5_000] {
            if let Some(config) = load_by(text, most) {
                assert_eq!(whole.as_ref().ok(), Some(&config), "{name} by {most}");
                read += 1;
            }
        }
        read
    }

    #[test]
    fn pieces_say_what_the_whole_says() {
        let mut text =
            "[defaults]\ndebounce = \"20s\"\n[limits]\nbuilds_per_minute = 3\n".to_owned();
        for site in 0..200 {
            let _infallible = write!(
                text,
                "\n[sites.s{site}]\ntitle = \"Größe {site}\"\nurl = \"https://s{site}.example.org\"\n\
                 posts = [\"s{}\"]\n[sites.s{site}.build]\n\
                 netlify = {{ hook = {{ env = \"HOOK_{site}\" }} }}\n",
                (site + 1) % 200
            );
        }
        assert_eq!(
            agree(&text, "many"),
            3,
            "as soon as a site fits into a piece"
        );
        for (what, wrong) in [
            ("no such site", text.replacen("[\"s3\"]", "[\"nobody\"]", 1)),
            (
                "declared twice",
                text.replacen("[sites.s150]", "[sites.s15]", 1),
            ),
            (
                "settings at the end",
                format!("{text}[budget]\ndeploys_per_month = 3\n"),
            ),
            (
                "a header in a text",
                text.replacen("Größe 7\"", "x\"\nfoo = \"\"\"\n[sites.s7]\n\"\"\"", 1),
            ),
        ] {
            assert_eq!(agree(&wrong, what), 0, "{what}");
        }
    }

    #[test]
    fn examples_are_read_as_a_whole_reads_them() {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config");
        let mut seen = 0;
        for folder in ["valid", "invalid"] {
            for entry in std::fs::read_dir(examples.join(folder)).unwrap() {
                let path = entry.unwrap().path();
                if let Ok(text) = std::fs::read_to_string(&path) {
                    agree(&text, &path.display().to_string());
                    seen += 1;
                }
            }
        }
        assert!(seen > 20, "{seen}");
    }
}
