use std::ops::Range;

use toml::de::DeTable;

use super::diagnostic::MOST_SHOWN;
use super::place::Lines;
use super::report::Report;
use super::values::shown;

/// The most errors of one line. One slip makes the parser stumble over the rest of its line, and
/// what it says there is of no use.
const MOST_IN_LINE: usize = 3;

/// Parses as much of the text as can be parsed and reports every error of the syntax.
pub(super) fn parse<'t>(text: &'t str, lines: &Lines<'t>, report: &mut Report) -> DeTable<'t> {
    let (table, errors) = DeTable::parse_recoverable(text);
    report.incomplete = !errors.is_empty();
    let mut in_line = (0, 0);
    for (index, error) in errors.into_iter().enumerate() {
        let span = error.span().unwrap_or_default();
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
    table.into_inner()
}

/// The line of the first `[header]` that is written like the one at `span`, if it is another.
fn first_header(text: &str, lines: &Lines<'_>, span: &Range<usize>) -> Option<u32> {
    let written = header(&text[lines.around(span.start)])?;
    let first = text.lines().position(|line| header(line) == Some(written))?;
    let first = u32::try_from(first + 1).ok()?;
    (first != lines.number(span.start)).then_some(first)
}

fn header(line: &str) -> Option<&str> {
    let line = line.trim_start();
    line.starts_with('[')
        .then(|| line.find('#').map_or(line, |comment| &line[..comment]).trim_end())
}
