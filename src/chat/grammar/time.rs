//! Lengths of time as people write them: `2h`, `2 hours`, `an hour and 30 minutes`.

use std::iter::Peekable;
use std::time::Duration;

use super::quoted;
use crate::chat::words::{Word, bare};
use crate::config;

/// Shorter is nothing that anybody would notice.
const SHORTEST: Duration = Duration::from_secs(1);
/// Longer is for ever, which is said by leaving it out.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Reads a length of time, from a second to a year.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let Some(duration) = length(text) else {
        return Err(format!(
            "{} is no length of time: write 30m, 2h or 3 days, and 365d at most.",
            quoted(text)
        ));
    };
    let what = match duration {
        short if short < SHORTEST => "short",
        long if long > LONGEST => "long",
        _ => return Ok(duration),
    };
    Err(format!(
        "{} is too {what}: write 1s to 365d, or nothing: then it is until somebody resumes it.",
        quoted(text)
    ))
}

/// Takes the words of a length of time off a line. `ends`: it is over after a number with its
/// unit, because the next word may be for something that has to be there.
pub(super) fn take<'a>(words: &mut Peekable<impl Iterator<Item = &'a Word>>, ends: bool) -> String {
    let Some(first) = words.next() else {
        return String::new();
    };
    let mut text = first.text.clone();
    if first.quoted {
        return text;
    }
    let mut last = plain(&text);
    while let Some(next) = words.peek().filter(|next| !next.quoted) {
        let word = plain(&next.text);
        let goes_on = match last.as_str() {
            "half" => is_one(&word) || is_unit(&word),
            "and" => begins(&word),
            last if is_one(last) => word == "half" || is_unit(&word),
            last if is_number(last) => is_unit(&word),
            _ => !ends && length(&text).is_some() && begins(&word),
        };
        if !goes_on {
            break;
        }
        text.push(' ');
        text.push_str(&next.text);
        last = word;
        words.next();
    }
    text
}

fn length(text: &str) -> Option<Duration> {
    let words: Vec<String> = text.split_whitespace().map(plain).collect();
    let mut words = words.iter().map(String::as_str).peekable();
    let mut total: Option<Duration> = None;
    // What `and a half` is a half of.
    let mut whole = None;
    while let Some(word) = words.next() {
        let (part, of) = match word {
            "and" if total.is_some() && words.peek().is_some() => continue,
            "half" => {
                words.next_if(|word| is_one(word));
                (unit(words.next()?)? / 2, None)
            }
            word if is_one(word) && words.next_if_eq(&"half").is_some() => {
                let named = words.next_if(|word| is_unit(word)).and_then(unit);
                (named.or(whole)? / 2, None)
            }
            word if is_one(word) => {
                let one = unit(words.next()?)?;
                (one, Some(one))
            }
            word if is_number(word) => {
                let name = words.next()?;
                let part = config::duration_of(&format!("{word}{name}"))?;
                (part, unit(name))
            }
            word => (config::duration_of(word)?, None),
        };
        total = Some(total.unwrap_or_default().checked_add(part)?);
        whole = of;
    }
    total
}

/// Phones begin words with a capital, and people put marks around them.
fn plain(word: &str) -> String {
    bare(word).to_lowercase()
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_digit() || c == '.')
}

fn is_one(word: &str) -> bool {
    matches!(word, "a" | "an" | "one")
}

fn is_unit(word: &str) -> bool {
    unit(word).is_some()
}

/// One of what is named.
fn unit(name: &str) -> Option<Duration> {
    let is_name = name.starts_with(|c: char| c.is_ascii_lowercase());
    config::duration_of(&format!("1{name}")).filter(|_| is_name)
}

fn begins(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
        || is_one(word)
        || ["half", "and"].contains(&word)
}
