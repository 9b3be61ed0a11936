//! The values that stand for themselves: what they must look like, and what to write instead.

use std::collections::HashSet;
use std::ops::Range;
use std::time::Duration;

use url::{ParseError, SyntaxViolation, Url};

use crate::inputs;
use crate::model::{Share, SiteName};

use super::duration::{duration_of, written};
use super::fields::Item;
use super::report::Report;
use super::secrets::masked;

/// The longest title, in characters.
pub(super) const LONGEST_TITLE: usize = 200;

/// The longest address, in bytes. Browsers and proxies give up at about this length.
pub(super) const LONGEST_URL: usize = 2048;

/// The longest text that a message quotes, in characters.
const LONGEST_QUOTE: usize = 60;

/// A text as messages quote it: in backticks, on one line, cut when long, without secrets.
pub(super) fn shown(text: &str) -> String {
    let cut = text.char_indices().nth(LONGEST_QUOTE).map(|(at, _)| at);
    let start = masked(&text[..cut.unwrap_or(text.len())]);
    let mut quoted = String::from("`");
    for c in start.chars() {
        match c {
            '"' | '\'' | '\\' => quoted.push(c),
            other => quoted.extend(other.escape_debug()),
        }
    }
    if cut.is_some() {
        quoted.push('…');
    }
    quoted.push('`');
    quoted
}

/// A length of time, at least `least` and at most `most`.
pub(super) fn duration(
    item: Item<'_, '_>,
    report: &mut Report,
    least: Duration,
    most: Duration,
) -> Option<Duration> {
    let text = item.text(report, format_args!("{} = \"1m30s\"", item.key))?;
    let Some(duration) = duration_of(text) else {
        let message = format!(
            "`{}` must be a length of time, not {}",
            item.key,
            shown(text)
        );
        let hint = format!(
            "write numbers with units ms, s, m, h or d, like `{} = \"1m30s\"`",
            item.key
        );
        return item.refuse(report, message, hint);
    };
    if duration < least || duration > most {
        let (least, most) = (written(least), written(most));
        let message = format!("`{}` must be from {least} to {most}", item.key);
        let hint = format!("write it like `{} = \"1m30s\"`", item.key);
        return item.refuse(report, message, hint);
    }
    Some(duration)
}

/// A part of a whole: `"50%"`.
pub(super) fn share(item: Item<'_, '_>, report: &mut Report) -> Option<Share> {
    let example = format!("{} = \"50%\"", item.key);
    let text = item.text(report, &example)?;
    let percent = text
        .strip_suffix('%')
        .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
        .filter(|digits| *digits == "0" || !digits.starts_with('0'))
        .and_then(|digits| digits.parse().ok())
        .filter(|percent| *percent <= 100);
    match percent {
        Some(percent) => Some(Share(percent)),
        None => {
            let message = format!(
                "`{}` must be \"0%\" to \"100%\", not {}",
                item.key,
                shown(text)
            );
            item.refuse(report, message, format!("write it like `{example}`"))
        }
    }
}

/// A title: one line that says something.
pub(super) fn title(item: Item<'_, '_>, report: &mut Report) -> Option<String> {
    let text = item.text(report, "title = \"Foo Team\"")?;
    let length = text.chars().count();
    let message = if text.trim().is_empty() {
        "`title` is empty".to_owned()
    } else if length > LONGEST_TITLE {
        format!("`title` has {length} characters, more than {LONGEST_TITLE}")
    } else if text.chars().any(char::is_control) {
        "`title` must be one line without control characters".to_owned()
    } else {
        return Some(text.to_owned());
    };
    item.refuse(
        report,
        message,
        "write what people call the site, like `title = \"Foo Team\"`",
    )
}

/// The public address of a site, kept as it is written.
pub(super) fn address(item: Item<'_, '_>, report: &mut Report) -> Option<String> {
    let example = "url = \"https://foo.example.org/\"";
    let text = item.text(report, example)?;
    let Some(problem) = problem_of_address(text) else {
        return Some(text.to_owned());
    };
    if problem == AddressProblem::Credentials {
        report.hide(item.span());
    }
    let message = format!("`url` {problem}");
    item.refuse(report, message, format!("write it like `{example}`"))
}

/// Why a text cannot be the public address of a site; what is said of it, for people.
pub fn address_problem(text: &str) -> Option<String> {
    problem_of_address(text).map(|problem| problem.to_string())
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
enum AddressProblem {
    #[error("has {0} bytes, more than {LONGEST_URL}")]
    Long(usize),
    #[error("must start with http:// or https://")]
    Scheme,
    #[error("is no address: {0}")]
    Unreadable(ParseError),
    #[error("must not hold a user name or password")]
    Credentials,
    #[error("must have no `?` and no `#`: pages are added to it")]
    Query,
    #[error("is no clean address: {}", .0.description())]
    Unclean(SyntaxViolation),
}

fn problem_of_address(text: &str) -> Option<AddressProblem> {
    if text.len() > LONGEST_URL {
        return Some(AddressProblem::Long(text.len()));
    }
    if !text.starts_with("http://") && !text.starts_with("https://") {
        return Some(AddressProblem::Scheme);
    }
    let violation = std::cell::Cell::new(None::<SyntaxViolation>);
    let note = |found| violation.set(Some(violation.get().unwrap_or(found)));
    let url = match Url::options()
        .syntax_violation_callback(Some(&note))
        .parse(text)
    {
        Ok(url) => url,
        Err(error) => return Some(AddressProblem::Unreadable(error)),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Some(AddressProblem::Credentials);
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Some(AddressProblem::Query);
    }
    violation.get().map(AddressProblem::Unclean)
}

/// A site name as a value.
pub(super) fn site_name(item: Item<'_, '_>, report: &mut Report) -> Option<SiteName> {
    let text = item.text(report, "\"foo\"")?;
    match text.parse() {
        Ok(name) => Some(name),
        Err(error) => {
            let message = format!("{} is no site name", shown(text));
            item.refuse(report, message, error.to_string())
        }
    }
}

/// A glob of files from the folder of `sites.toml`.
pub(super) fn glob<'a>(item: Item<'a, '_>, report: &mut Report) -> Option<&'a str> {
    let example = "files = [\"www/**\", \"shared/*.css\"]";
    let text = item.text(report, example)?;
    match glob_problem(text) {
        None => Some(text),
        Some(problem) => {
            let message = format!("{} is no glob of files: {problem}", shown(text));
            item.refuse(
                report,
                message,
                format!("write globs from this file's folder, like `{example}`"),
            )
        }
    }
}

/// Why a text is no glob of files below the folder of `sites.toml`: what cannot be shown, and what
/// the walk over the files would refuse.
fn glob_problem(text: &str) -> Option<String> {
    if text.chars().any(char::is_control) {
        return Some("control characters are no part of a glob".to_owned());
    }
    inputs::check_glob(text)
        .err()
        .map(|problem| problem.to_string())
}

/// Why a relative path leaves the folder of `sites.toml` or is not portable.
pub(super) fn path_problem(text: &str) -> Option<&'static str> {
    let drive = matches!(text.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic());
    if text.starts_with(['/', '\\', '~']) || drive {
        Some("must be relative")
    } else if text.split('/').any(|part| part == "..") {
        Some("must not contain `..`")
    } else if text.chars().any(char::is_control) {
        Some("must not contain control characters")
    } else {
        None
    }
}

/// One of Slack's ids: a letter that says what it is of, then capitals and digits.
pub(super) fn slack_id(
    item: Item<'_, '_>,
    report: &mut Report,
    letters: &str,
    what: &str,
) -> Option<String> {
    let first = letters.get(..1).unwrap_or_default();
    let example = format!("{first}012AB3CD");
    let text = item.text(report, format_args!("\"{example}\""))?;
    if is_slack_id(text, letters) {
        return Some(text.to_owned());
    }
    let message = format!("{} is not Slack's id of a {what}", shown(text));
    let hint = format!(
        "write the id, like `{example}`, not the name: Slack shows it in the {what}'s details"
    );
    item.refuse(report, message, hint)
}

/// Whether a text is one of Slack's ids that start with one of these letters.
pub(super) fn is_slack_id(text: &str, letters: &str) -> bool {
    let capital = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    text.starts_with(|c| letters.contains(c))
        && (2..=32).contains(&text.len())
        && text.bytes().all(capital)
}

/// Different ids of one kind, with their places.
pub(super) fn slack_ids(
    item: Item<'_, '_>,
    report: &mut Report,
    letters: &str,
    what: &str,
) -> Option<Vec<(String, Range<usize>)>> {
    let first = letters.get(..1).unwrap_or_default();
    let example = format!("{} = [\"{first}012AB3CD\"]", item.key);
    let mut seen = HashSet::new();
    let mut ids = Vec::new();
    for element in item.array(report, &example)? {
        let Some(id) = slack_id(element, report, letters, what) else {
            continue;
        };
        if seen.insert(id.clone()) {
            ids.push((id, element.span()));
        } else {
            let hint = "keep one of the two".to_owned();
            report.error(
                element.span(),
                format!("`{id}` is listed twice"),
                Some(hint),
            );
        }
    }
    Some(ids)
}
