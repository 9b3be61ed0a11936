use std::ops::Range;

use toml::de::{DeTable, Error};

use super::diagnostic::MOST_SHOWN;
use super::place::Lines;
use super::report::Report;
use super::values::shown;

/// The most errors of one line. One slip makes the parser stumble over the rest of its line, and
/// what it says there is of no use.
const MOST_IN_LINE: usize = 3;

/// The most text, in bytes, that is parsed with recovery at a time. Broken text costs the parser up
/// to three hundred times its size in errors.
const RECOVERED_AT_ONCE: usize = 1024 * 1024;

/// Where the text can be cut: no multi-line string has such a line by chance.
const CUT: &str = "\n[sites.";

/// Parses as much of the text as can be parsed and reports every error of the syntax.
///
/// Of broken text over 1 MiB nothing but the errors is had: the first, and all up to the first MiB
/// without the header of a site.
pub(super) fn parse<'t>(text: &'t str, lines: &Lines<'t>, report: &mut Report) -> DeTable<'t> {
    if text.len() <= RECOVERED_AT_ONCE {
        let (table, errors) = DeTable::parse_recoverable(text);
        report.incomplete = !errors.is_empty();
        tell(text, 0, errors, lines, report);
        return table.into_inner();
    }
    match DeTable::parse(text) {
        Ok(table) => table.into_inner(),
        Err(first) => {
            report.incomplete = true;
            tell(text, 0, vec![first], lines, report);
            for piece in pieces(text) {
                let (_, errors) = DeTable::parse_recoverable(&text[piece.clone()]);
                tell(text, piece.start, errors, lines, report);
            }
            DeTable::new()
        }
    }
}

/// The text in pieces of bounded size, cut before headers of sites as far as there are any: a cut
/// anywhere else would look like an error.
fn pieces(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let most = text.floor_char_boundary(start + RECOVERED_AT_ONCE);
        let end = match text[start..most].rfind(CUT) {
            _ if most == text.len() => most,
            Some(at) => start + at + 1,
            None => return None,
        };
        let piece = start..end;
        start = end;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Reports the errors of the piece of the text that starts at `offset`.
fn tell(text: &str, offset: usize, errors: Vec<Error>, lines: &Lines<'_>, report: &mut Report) {
    let mut in_line = (0, 0);
    for (index, error) in errors.into_iter().enumerate() {
        let span = error.span().unwrap_or_default();
        let span = offset + span.start..offset + span.end;
        let line = lines.around(span.start);
        in_line = match in_line {
            (start, count) if start == line.start => (start, count + 1),
            _ => (line.start, 1),
        };
        if in_line.1 > MOST_IN_LINE {
            continue;
        }
        let (message, hint) = match error.message() {
            "duplicate key" => {
                let key = shown(text.get(span.clone()).unwrap_or_default());
                // Looking for the first one reads the whole text: not for those never shown.
                let first = (index < MOST_SHOWN).then(|| first_header(text, lines, &span));
                let hint = match first.flatten() {
                    Some(first) => format!("the first is in line {first}: keep one of the two"),
                    None => "keep one of the two".to_owned(),
                };
                (format!("{key} is declared twice"), Some(hint))
            }
            message => (message.to_owned(), None),
        };
        // The line end belongs to the line: that is where something is missing.
        report.last_word(line.start..line.end + 1, span, message, hint);
    }
}

/// The line of the first `[header]` that is written like the one at `span`, if it is another.
fn first_header(text: &str, lines: &Lines<'_>, span: &Range<usize>) -> Option<u32> {
    let written = header(&text[lines.around(span.start)])?;
    let first = text
        .lines()
        .position(|line| header(line) == Some(written))?;
    let first = u32::try_from(first + 1).ok()?;
    (first != lines.number(span.start)).then_some(first)
}

fn header(line: &str) -> Option<&str> {
    let line = line.trim_start();
    line.starts_with('[').then(|| {
        line.find('#')
            .map_or(line, |comment| &line[..comment])
            .trim_end()
    })
}
