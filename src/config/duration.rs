use std::time::Duration;

use jiff::fmt::friendly::SpanParser;
use jiff::{SignedDuration, SpanRelativeTo};

/// What a unit may be called, the largest unit first: a larger one never comes behind a smaller.
const UNITS: [&[&str]; 6] = [
    &["w", "wk", "wks", "week", "weeks"],
    &["d", "day", "days"],
    &["h", "hr", "hrs", "hour", "hours"],
    &["m", "min", "mins", "minute", "minutes"],
    &["s", "sec", "secs", "second", "seconds"],
    &[
        "ms",
        "msec",
        "msecs",
        "milli",
        "millis",
        "millisecond",
        "milliseconds",
    ],
];

/// The first of [`UNITS`] that may have a fraction.
const FIRST_DIVISIBLE: usize = 2;

/// A length of time as people write it: `10s`, `2m`, `1h30m`.
///
/// Only digits, units and spaces: the parser knows more forms than people should have to.
pub fn duration_of(text: &str) -> Option<Duration> {
    let plain = |c: char| matches!(c, '0'..='9' | 'a'..='z' | ' ' | '.');
    let is_unit = |word: &str| word.is_empty() || UNITS.iter().any(|unit| unit.contains(&word));
    if !text.starts_with(|c: char| c.is_ascii_digit())
        || !text.chars().all(plain)
        || !text.split(|c: char| !c.is_ascii_lowercase()).all(is_unit)
    {
        return None;
    }
    let span = SpanParser::new().parse_span(text).ok()?;
    let days = SpanRelativeTo::days_are_24_hours();
    span.to_duration(days).ok()?.try_into().ok()
}

/// What [`duration_of`] takes, as a regular expression. Only that a length can be too long to be
/// one is beyond it.
pub(super) fn pattern() -> String {
    let mut pattern = "^(?=[0-9])".to_owned();
    for (at, names) in UNITS.iter().enumerate() {
        let names = names.join("|");
        // Only what comes last has a fraction.
        let fraction = match at >= FIRST_DIVISIBLE {
            true => format!("|[0-9]+\\.[0-9]+ *({names}) *$"),
            false => String::new(),
        };
        pattern.push_str(&format!("([0-9]+ *({names}) *{fraction})?"));
    }
    pattern.push('$');
    pattern
}

/// A length of time as people write it.
pub(super) fn written(duration: Duration) -> String {
    let days = duration.as_secs() / 86_400;
    if days > 1 && duration == Duration::from_secs(days * 86_400) {
        return format!("{days}d");
    }
    let signed = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    format!("{signed:#}").replace(' ', "")
}
