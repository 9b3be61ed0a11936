use std::ops::Range;

use serde::Deserialize;
use toml::{Spanned, Value};

use super::error::RenderError;
use crate::model::{Millis, Slug};

/// What a Markdown file says about itself.
#[derive(Default, PartialEq, Debug)]
pub(super) struct FrontMatter {
    pub title: Option<String>,
    pub date: Option<Millis>,
    pub category: Option<String>,
    pub author: Option<String>,
    pub draft: bool,
    pub slug: Option<Slug>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    title: Option<String>,
    date: Option<Spanned<Value>>,
    category: Option<String>,
    author: Option<String>,
    #[serde(default)]
    draft: bool,
    slug: Option<Spanned<String>>,
}

const FENCE: &str = "+++";
const KEYS: &str = "between two +++ lines stands TOML with title, date, category, author, draft and slug, all optional";
const DATES: &str = "write date = 2026-11-20 or date = 2026-11-20T09:30:00Z";
const SLUGS: &str = "write 1 to 100 of a-z, 0-9 and -";

/// Takes the TOML between two `+++` lines off the start of a file.
pub(super) fn split<'t>(path: &str, text: &'t str) -> Result<(FrontMatter, &'t str), RenderError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let error = |line: usize, what: String, fix: &'static str| RenderError::FrontMatter {
        path: path.to_owned(),
        line,
        what,
        fix,
    };
    let mut lines = text.split_inclusive('\n');
    let first = lines.next().unwrap_or_default();
    if first.trim_end() == "---" && is_yaml(lines.clone()) {
        // Shown as text it would publish drafts.
        return Err(error(1, "front matter in YAML is not read".into(), KEYS));
    }
    if first.trim_end() != FENCE {
        return Ok((FrontMatter::default(), text));
    }
    let start = first.len();
    let mut end = start;
    let fence = lines
        .find(|line| {
            let found = line.trim_end() == FENCE;
            end += if found { 0 } else { line.len() };
            found
        })
        .ok_or_else(|| error(1, "the front matter has no end".into(), KEYS))?;
    let front = &text[start..end];
    let line_of = |span: Range<usize>| {
        let before = front.get(..span.start).unwrap_or(front);
        2 + before.matches('\n').count()
    };
    let Keys {
        title,
        date,
        category,
        author,
        draft,
        slug,
    } = toml::from_str(front).map_err(|why| {
        let line = why.span().map_or(1, line_of);
        error(line, why.message().to_owned(), KEYS)
    })?;
    let date = date
        .map(|date| {
            moment(date.get_ref()).ok_or_else(|| {
                let what = format!("{} is no date", date.get_ref());
                error(line_of(date.span()), what, DATES)
            })
        })
        .transpose()?;
    let slug = slug
        .map(|slug| {
            plain_slug(slug.get_ref()).ok_or_else(|| {
                let what = format!("{:?} is no slug", slug.get_ref());
                error(line_of(slug.span()), what, SLUGS)
            })
        })
        .transpose()?;
    let front = FrontMatter {
        title,
        date,
        category,
        author,
        draft,
        slug,
    };
    Ok((front, &text[end + fence.len()..]))
}

/// The slug, if it is one that can stand in an address and name a file.
pub(super) fn plain_slug(text: &str) -> Option<Slug> {
    let plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-');
    let good = (1..=100).contains(&text.len()) && text.bytes().all(plain);
    good.then(|| Slug::from_stored(text.to_owned()))
}

/// `--- key: value … ---`, and not a text that begins with a rule.
fn is_yaml<'t>(mut lines: impl Iterator<Item = &'t str>) -> bool {
    let key = lines.next().and_then(|line| line.split_once(':'));
    key.is_some_and(|(key, _)| key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
        && lines.any(|line| line.trim_end() == "---")
}

/// A day is its midnight; a time without offset is in UTC, so that every machine reads it alike.
fn moment(date: &Value) -> Option<Millis> {
    let text = match date {
        Value::Datetime(date) => date.to_string(),
        Value::String(text) => text.trim().to_owned(),
        _ => return None,
    };
    let timestamp = text.parse::<jiff::Timestamp>().or_else(|_| {
        text.parse::<jiff::civil::DateTime>()
            .and_then(|time| time.to_zoned(jiff::tz::TimeZone::UTC))
            .map(|zoned| zoned.timestamp())
    });
    timestamp.ok().map(Millis::from)
}
