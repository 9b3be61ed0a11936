//! A long text in several fields, and back without a loss: a field of Slack takes 3,000 characters.

use crate::slack::blocks::units;

/// What a field takes.
const FIELD: usize = 3000;

/// What the editor takes, in UTF-16 units: a message of Slack's has up to 40,000, and Markdown needs
/// some more for what it escapes. A view has room for it: 100 blocks, and 250 KB.
pub const LONGEST: usize = 48_000;
/// The same for people.
pub const LONGEST_SHOWN: &str = "48,000 characters";

/// A text that is too long for the editor.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the text has {length} characters, and the editor in Slack takes {LONGEST}")]
pub struct TooLong {
    /// How long it is.
    pub length: usize,
}

/// A text in parts of at most 3,000 characters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parts {
    /// In order, at least one; only the text that is empty has an empty one.
    pub parts: Vec<String>,
    /// A letter for each boundary, what is put back there: `n` a line end, `s` a space, `p` an
    /// empty line, `x` nothing.
    pub joins: String,
}

/// Splits a text, where possible at a line end or a space.
///
/// # Errors
///
/// `TooLong` if it has more than `LONGEST` characters.
pub fn split_body(text: &str) -> Result<Parts, TooLong> {
    let length = units(text);
    if length > LONGEST {
        return Err(TooLong { length });
    }
    let mut split = Parts {
        parts: Vec::new(),
        joins: String::new(),
    };
    let mut rest = text;
    while let Some((end, skipped, join)) = boundary(rest) {
        split.parts.push(rest[..end].to_owned());
        split.joins.push(join);
        rest = &rest[end + skipped..];
    }
    split.parts.push(rest.to_owned());
    Ok(split)
}

/// Where the first part of a text ends, how many bytes are left out there, and their letter.
fn boundary(text: &str) -> Option<(usize, usize, char)> {
    let (mut used, mut hard) = (0, 0);
    let mut best: Option<(u8, usize, usize, char)> = None;
    for (at, c) in text.char_indices() {
        // In the second half only: more, smaller fields would be no help to anybody.
        if used > FIELD / 2
            && let Some(place) = place(text, at)
            && best.is_none_or(|(rank, ..)| place.0 >= rank)
        {
            best = Some((place.0, at, place.1, place.2));
        }
        used += c.len_utf16();
        if used > FIELD {
            return Some(best.map_or((hard, 0, 'x'), |(_rank, at, skipped, join)| {
                (at, skipped, join)
            }));
        }
        hard = at + c.len_utf8();
    }
    None
}

/// How good a place is to end a part: its rank, how many bytes are left out, and their letter.
///
/// Best is where neither part has blanks at its edge, in case that Slack trims what it sends back.
/// What follows is never empty: its boundary would be lost with it.
fn place(text: &str, at: usize) -> Option<(u8, usize, char)> {
    let rest = &text[at..];
    let (skipped, join, rank) = if rest.starts_with("\n\n") {
        (2, 'p', 3)
    } else if rest.starts_with('\n') {
        (1, 'n', 2)
    } else if rest.starts_with(' ') {
        (1, 's', 1)
    } else {
        return None;
    };
    let after = rest[skipped..].chars().next()?;
    let before = text[..at].chars().next_back()?;
    let clean = !after.is_whitespace() && !before.is_whitespace();
    Some((if clean { rank } else { 0 }, skipped, join))
}

/// Puts the parts together. Empty ones are left out, with the boundary before them (of the first
/// one: behind it); where a letter is missing, an empty line joins.
pub fn join_body<'a>(parts: impl IntoIterator<Item = &'a str>, joins: &str) -> String {
    let mut text = String::new();
    let mut joins = joins.chars();
    for (at, part) in parts.into_iter().enumerate() {
        let join = match at {
            0 => None,
            _ => Some(joins.next().unwrap_or('p')),
        };
        if part.is_empty() {
            continue;
        }
        if !text.is_empty() {
            text.push_str(match join {
                Some('n') => "\n",
                Some('s') => " ",
                Some('x') | None => "",
                Some(_) => "\n\n",
            });
        }
        text.push_str(part);
    }
    text
}
