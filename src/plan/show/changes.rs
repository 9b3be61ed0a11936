use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;
use similar::{ChangeTag, TextDiff};

use crate::model::{Input, Manifest};

/// More changes are only counted: nobody reads them, and a plan has to fit in a comment.
const CHANGES: usize = 200;
/// Lines of a diff, headers included; the rest is cut.
const DIFF_LINES: usize = 400;

/// What differs between what a site was last built from and what it should be built from.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Explanation {
    /// The first 200 differences, in the order of inputs and items.
    pub changes: Vec<Change>,
    /// How many more there are.
    pub more: usize,
    /// The unified diff of the two manifests, digests cut to 12 digits: at most 400 lines and one
    /// that says that it was cut. Neutralise it with [`plain`](super::plain()) line by line before
    /// it goes to a terminal.
    pub diff: String,
}

/// One item of an input that differs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Change {
    /// What happened to it.
    pub op: Op,
    /// The input it belongs to.
    pub input: Input,
    /// A setting's key, a post's title, an aggregate member's title, a file's path, `revision`.
    pub item: String,
    /// What it was, with digests cut to 12 digits.
    pub old: Option<String>,
    /// What it is, likewise.
    pub new: Option<String>,
}

/// What happened to an item.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    /// It is new.
    Add,
    /// Its value differs.
    Edit,
    /// It is gone.
    Remove,
}

/// Explains a rebuild: what differs from the last build (`None`: there was none).
pub fn explain(last: Option<&Manifest>, wanted: &Manifest) -> Explanation {
    let nothing = Manifest::default();
    let last = last.unwrap_or(&nothing);
    let mut changes = Vec::new();
    let mut more = 0;
    for input in Input::ALL {
        let (old, new) = (last.part(input), wanted.part(input));
        if old == new {
            continue;
        }
        let mut items: BTreeMap<String, [Vec<&str>; 2]> = BTreeMap::new();
        for (side, part) in [old, new].into_iter().enumerate() {
            for (item, value) in part.items() {
                items.entry(item).or_default()[side].push(value);
            }
        }
        for (item, [old, new]) in &items {
            for (old, new) in unequal(old, new) {
                if changes.len() == CHANGES {
                    more += 1;
                } else {
                    changes.extend(change(input, item, old, new));
                }
            }
        }
    }
    Explanation {
        changes,
        more,
        diff: diff(&last.to_text(), &wanted.to_text()),
    }
}

/// Pairs of values that differ. Mostly each side has one value; equal keys are rare.
fn unequal<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(Option<&'a str>, Option<&'a str>)> {
    let mut gone = Vec::new();
    let mut come = new.to_vec();
    for value in old {
        match come.iter().position(|other| other == value) {
            Some(same) => _ = come.remove(same),
            None => gone.push(*value),
        }
    }
    (0..gone.len().max(come.len()))
        .map(|i| (gone.get(i).copied(), come.get(i).copied()))
        .collect()
}

fn change(input: Input, item: &str, old: Option<&str>, new: Option<&str>) -> Option<Change> {
    let op = match (old, new) {
        (None, None) => return None,
        (None, Some(_)) => Op::Add,
        (Some(_), Some(_)) => Op::Edit,
        (Some(_), None) => Op::Remove,
    };
    let title = |value: Option<&str>| match input {
        Input::Posts => value.and_then(title),
        Input::Spec | Input::Files | Input::Revision => None,
    };
    let (was, is) = (title(old), title(new));
    // A title that stays is told once, as the item.
    let known = was == is || was.is_none() || is.is_none();
    let brief = |value: Option<&str>| Some(brief(value?, input == Input::Posts && known));
    Some(Change {
        op,
        input,
        old: brief(old),
        new: brief(new),
        item: is.or(was).unwrap_or_else(|| item.to_owned()),
    })
}

/// The title of a post (`<digest> "title"`) or of an aggregate's member (`"title" <digest> …`).
fn title(value: &str) -> Option<String> {
    let (quoted, _) = split_title(value)?;
    serde_json::from_str(quoted).ok()
}

/// The first JSON string of a value, and the value without it.
fn split_title(value: &str) -> Option<(&str, String)> {
    let start = value.find('"')?;
    let mut strings =
        serde_json::Deserializer::from_str(&value[start..]).into_iter::<serde::de::IgnoredAny>();
    strings.next()?.ok()?;
    let end = start + strings.byte_offset();
    let rest = format!("{} {}", value[..start].trim(), value[end..].trim());
    Some((&value[start..end], rest.trim().to_owned()))
}

/// A value with its digests cut, and without the title that is shown beside it.
fn brief(value: &str, without_title: bool) -> String {
    let value = match split_title(value) {
        Some((_, rest)) if without_title => rest,
        _ => value.to_owned(),
    };
    cut_digests(&value)
}

/// Sixty-four digits are for machines: twelve tell any two contents apart.
fn cut_digests(line: &str) -> String {
    let words: Vec<&str> = line
        .split(' ')
        .map(|word| match word.len() {
            64 if word.bytes().all(|b| b.is_ascii_hexdigit()) => &word[..12],
            _ => word,
        })
        .collect();
    words.join(" ")
}

/// The unified diff without context lines. Both texts are cut where the diff would be cut anyway:
/// the cost grows with the product of their length and the number of differences.
fn diff(last: &str, wanted: &str) -> String {
    if last == wanted {
        return String::new();
    }
    let (old, new) = ahead(last, wanted);
    let cut = old.len() < last.len() || new.len() < wanted.len();
    let diff = TextDiff::from_lines(old, new);
    let mut out = String::from("--- last built\n+++ wanted\n");
    let mut lines = 2;
    let mut left_out = cut;
    'all: for hunk in diff.unified_diff().context_radius(0).iter_hunks() {
        if lines + 2 > DIFF_LINES {
            left_out = true;
            break;
        }
        let _infallible = writeln!(out, "{}", hunk.header());
        lines += 1;
        for change in hunk.iter_changes() {
            if lines + 1 > DIFF_LINES {
                left_out = true;
                break 'all;
            }
            let sign = match change.tag() {
                ChangeTag::Equal => ' ',
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
            };
            let line = cut_digests(change.value().trim_end_matches('\n'));
            let _infallible = writeln!(out, "{sign}{line}");
            lines += 1;
        }
    }
    if left_out {
        out.push_str("… cut here\n");
    }
    out
}

/// Both texts up to the place where more lines differ than a diff shows. The lines of manifests
/// are sorted within each input, so that one walk over both finds the lines that one of them has
/// alone.
fn ahead<'a>(last: &'a str, wanted: &'a str) -> (&'a str, &'a str) {
    let key = |line: &'a str| {
        let word = line.split_once(' ').map_or(line, |(word, _)| word);
        let input = Input::ALL.iter().position(|input| input.as_str() == word);
        (input.map_or(0, |place| place + 1), line)
    };
    let (mut old, mut new) = (last.lines().peekable(), wanted.lines().peekable());
    let (mut old_end, mut new_end, mut different) = (0, 0, 0);
    while different < DIFF_LINES {
        let order = match (old.peek(), new.peek()) {
            (None, None) => break,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(old), Some(new)) => key(old).cmp(&key(new)),
        };
        if order.is_le() {
            old_end += old.next().map_or(0, |line| line.len() + 1);
        }
        if order.is_ge() {
            new_end += new.next().map_or(0, |line| line.len() + 1);
        }
        different += usize::from(order.is_ne());
    }
    (
        &last[..old_end.min(last.len())],
        &wanted[..new_end.min(wanted.len())],
    )
}
