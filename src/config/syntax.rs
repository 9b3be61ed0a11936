use std::ops::Range;

use toml::de::{DeTable, Error};

use super::diagnostic::MOST_SHOWN;
use super::place::Lines;
use super::report::Report;
use super::slips;
use super::values::shown;

/// The most errors of one line. One slip makes the parser stumble over the rest of its line, and
/// what it says there is of no use.
const MOST_IN_LINE: usize = 3;

/// The most text, in bytes, that is parsed with recovery at a time. Broken text costs the parser up
/// to three hundred times its size in errors; of more text the first error must do.
const RECOVERED_AT_ONCE: usize = 1024 * 1024;

/// How often a section is parsed, each time without the lines that had errors before: after some
/// errors the parser skips a line.
const LOOKS: usize = 3;

/// The start of a section: a header in the first column.
const HEADER: &str = "\n[";

/// Parses what can be parsed and reports every error of the syntax.
///
/// Broken text is looked at section by section, because a forgotten brace would make errors of all
/// that follows. Broken lines, or the whole section if that is not enough, are then left out of
/// `sound`, which is what the table borrows from.
pub(super) fn parse<'t>(
    text: &'t str,
    sound: &'t mut String,
    lines: &Lines<'_>,
    report: &mut Report,
) -> DeTable<'t> {
    if let Ok(table) = DeTable::parse(text) {
        return table.into_inner();
    }
    report.incomplete = true;
    sound.reserve(text.len());
    // Each look-up reads much of the text: not for errors that are never shown.
    let mut lookups = MOST_SHOWN;
    for section in sections(text) {
        let mut part = text[section.clone()].to_owned();
        let mut is_sound = true;
        for _ in 0..LOOKS {
            let errors = errors_of(&part);
            is_sound = errors.is_empty();
            if is_sound {
                break;
            }
            let each_for_itself = errors
                .iter()
                .all(|error| slips::ends_in_line(error.message()));
            part = without_broken_lines(&part, &errors);
            tell(text, section.start, errors, lines, &mut lookups, report);
            if !each_for_itself {
                break;
            }
        }
        if is_sound || DeTable::parse(&part).is_ok() {
            sound.push_str(&part);
        } else {
            sound.extend(part.bytes().map(blank));
        }
    }
    let sound: &str = sound;
    let errors = errors_of(sound);
    let table = match errors.as_slice() {
        [_, ..] if sound.len() > RECOVERED_AT_ONCE => DeTable::new(),
        _ => DeTable::parse_recoverable(sound).0.into_inner(),
    };
    tell(text, 0, errors, lines, &mut lookups, report);
    table
}

fn errors_of(text: &str) -> Vec<Error> {
    if text.len() <= RECOVERED_AT_ONCE {
        DeTable::parse_recoverable(text).1
    } else {
        DeTable::parse(text).err().into_iter().collect()
    }
}

/// The text from header to header.
fn sections(text: &str) -> impl Iterator<Item = Range<usize>> {
    let headers = text.match_indices(HEADER).map(|(at, _)| at + 1);
    let mut start = 0;
    headers.chain([text.len()]).map(move |end| {
        let section = start..end;
        start = end;
        section
    })
}

/// The section with the lines of errors blank. Every byte stays where it is.
fn without_broken_lines(section: &str, errors: &[Error]) -> String {
    let lines = Lines::new(section);
    let mut bytes = section.as_bytes().to_vec();
    let mut last = 0..0;
    for error in errors {
        let line = lines.around(error.span().unwrap_or_default().start);
        if line != last {
            bytes[line.clone()].fill(b' ');
            last = line;
        }
    }
    // Whole lines are blank, and so no part of a character is left.
    String::from_utf8(bytes).unwrap_or_else(|_never| section.bytes().map(blank).collect())
}

fn blank(byte: u8) -> char {
    if byte == b'\n' { '\n' } else { ' ' }
}

/// Reports the errors of the part of the text that starts at `offset`.
fn tell(
    text: &str,
    offset: usize,
    errors: Vec<Error>,
    lines: &Lines<'_>,
    lookups: &mut usize,
    report: &mut Report,
) {
    let mut in_line = (0, 0);
    let mut copied_section = None;
    for error in errors {
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
                let mut first = None;
                if *lookups > 0 {
                    *lookups -= 1;
                    // That a section is there twice says all about the keys in it.
                    let section = text[..line.end].rfind(HEADER).map(|at| at + 1);
                    if section == Some(line.start) {
                        copied_section = section;
                    } else if section.is_some() && section == copied_section {
                        continue;
                    }
                    first = first_header(text, lines, &span);
                }
                duplicate(text.get(span.clone()).unwrap_or_default(), first)
            }
            message => slips::explain(message, text.get(span.clone()).unwrap_or_default()),
        };
        // The line end belongs to the line: that is where something is missing.
        report.last_word(line.start..line.end + 1, span, message, hint);
    }
}

fn duplicate(key: &str, first: Option<u32>) -> (String, Option<String>) {
    let hint = match first {
        Some(first) => format!("the first is in line {first}: keep one of the two"),
        None => "keep one of the two".to_owned(),
    };
    (format!("{} is declared twice", shown(key)), Some(hint))
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
