//! Large texts that are full of errors, which nobody reads to their end: the first of them are told,
//! and the rest of the text is not looked at.

use std::ops::Range;

use rayon::prelude::*;
use toml::de::DeValue;

use super::diagnostic::{Diagnostics, MOST_SHOWN};
use super::fields::Fields;
use super::place::Lines;
use super::report::Report;
use super::whole::Gathered;
use super::{KEYS, secrets, settings, site, syntax};

/// The text, in bytes, that is always read whole: that shows every error.
const READ_WHOLE: usize = 1024 * 1024;

/// The most text that is read at a time, and how many times at once.
const PART: usize = 256 * 1024;
const PARTS: usize = 4;

/// So many errors a part may have because it is one: it may begin or end in the middle of something.
const STRAY: usize = 5;

/// The first errors of a large text, if there are more of them than are shown. `None`: it has to be
/// read as a whole.
pub(super) fn first_errors(text: &str, file: &str) -> Option<Diagnostics> {
    if text.len() <= READ_WHOLE {
        return None;
    }
    let mut report = Report::default();
    let mut parts = parts(text);
    loop {
        let some: Vec<_> = parts.by_ref().take(PARTS).collect();
        let end = some.last()?.end;
        let found: Vec<_> = some
            .into_par_iter()
            .map(|part| (part.start, errors_of(&text[part])))
            .collect();
        for (start, errors) in found {
            if errors.count() > STRAY {
                report.append(errors, start);
            }
        }
        if report.count() > MOST_SHOWN && end < text.len() {
            let lines = Lines::new(&text[..end]);
            let unread = lines.number(end);
            return Some(report.into_errors(&lines, file).unread_from(unread));
        }
    }
}

/// What is wrong with a part, whatever stands in the others.
fn errors_of(text: &str) -> Report {
    let lines = Lines::new(text);
    let mut report = Report::default();
    report.incomplete = true;
    let mut sound = String::new();
    let table = syntax::parse(text, &mut sound, &lines, &mut report);
    secrets::refuse(text, &table, &mut report);
    let root = toml::Spanned::new(0..0, DeValue::Table(table));
    if let Some(fields) = Fields::of(&root, "", KEYS, &mut report) {
        let timing = settings::defaults(&fields, &mut report);
        let mut gathered = Gathered::default();
        settings::read(&fields, &timing, &mut gathered, &mut report);
        site::read_all(&fields, &timing, &lines, &mut gathered, &mut report);
    }
    report
}

/// The text from header to header in parts of at most [`PART`] bytes; of a longer table only the
/// lines that it begins with. A table within a site stays with its site.
fn parts(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut headers = text
        .match_indices("\n[")
        .map(|(at, _)| at + 1)
        .filter(|at| !is_within_a_site(&text[*at..]))
        .chain([text.len()])
        .peekable();
    let mut start = 0;
    std::iter::from_fn(move || {
        let from = start;
        while let Some(end) = headers.next() {
            if headers.peek().is_none_or(|next| next - from > PART) {
                start = end;
                let most = text.floor_char_boundary(end.min(from + PART));
                let whole_lines = text[from..most]
                    .rfind('\n')
                    .map_or(from, |at| from + at + 1);
                return Some(from..if most == end { end } else { whole_lines });
            }
        }
        None
    })
}

/// Whether what starts here is a header like `[sites.foo.build]`.
fn is_within_a_site(text: &str) -> bool {
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("[sites.")
        .is_some_and(|name| name.contains('.'))
}
