use url::Url;

use crate::model::Millis;

/// What stands between `<` and `>`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Entity {
    /// A person, a channel, a date …: as text.
    Text(String),
    /// A link of `http`, `https` or `mailto`, normalised, with its text.
    Link { url: String, text: Option<String> },
}

/// Reads what stands between `<` and `>`. Nothing in it fails: what is no entity is its text.
pub(super) fn read(inside: &str, name: &dyn Fn(&str) -> Option<String>) -> Entity {
    let (target, label) = match inside.split_once('|') {
        Some((target, label)) => (target, Some(label)),
        None => (inside, None),
    };
    let label = label
        .map(decode)
        .map(|label| label.trim().to_owned())
        .filter(|label| !label.is_empty());
    let marked = |mark: char, text: String| {
        let text = text.trim().trim_start_matches(mark);
        Entity::Text(format!("{mark}{text}"))
    };
    if let Some(id) = target.strip_prefix('@') {
        let known = name(id).filter(|name| !name.trim().is_empty());
        return marked('@', known.or(label).unwrap_or_else(|| decode(id)));
    }
    if let Some(id) = target.strip_prefix('#') {
        return marked('#', label.unwrap_or_else(|| decode(id)));
    }
    if let Some(special) = target.strip_prefix('!') {
        return match special.split('^').collect::<Vec<_>>()[..] {
            ["date", seconds, ..] => Entity::Text(label.unwrap_or_else(|| date(seconds))),
            ["subteam", id, ..] => marked('@', label.unwrap_or_else(|| decode(id))),
            _ => marked('@', label.unwrap_or_else(|| decode(special))),
        };
    }
    let target = decode(target);
    match address(&target) {
        Some(url) => Entity::Link {
            text: label.filter(|label| *label != target && *label != url),
            url,
        },
        // Not of Slack: it stays as it is.
        None => Entity::Text(label.unwrap_or_else(|| format!("<{target}>"))),
    }
}

/// Code: entities as text, escapes resolved, nothing else changed.
pub(super) fn verbatim(code: &str, name: &dyn Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some((before, inside, after)) = next(rest) {
        out.push_str(&decode(before));
        match read(inside, name) {
            Entity::Text(text) => out.push_str(&text),
            // As it was typed: the normalised address may have a slash more.
            Entity::Link { text, .. } => out.push_str(&text.unwrap_or_else(|| {
                decode(inside.split_once('|').map_or(inside, |(_, label)| label))
            })),
        }
        rest = after;
    }
    out.push_str(&decode(rest));
    out
}

/// The text before the first entity, what is between its brackets, and the text behind it. An
/// entity stays on its line.
pub(super) fn next(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('<')?;
    let end = rest.find(['>', '<', '\n'])?;
    match rest.as_bytes().get(end) {
        Some(b'>') if end > 0 => Some((before, &rest[..end], &rest[end + 1..])),
        _ => None,
    }
}

/// Slack's three escapes, each once: `&amp;lt;` was `&lt;` when it was typed.
pub(super) fn decode(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

fn address(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    matches!(url.scheme(), "http" | "https" | "mailto").then(|| {
        // What would end a Markdown link early.
        url.as_str()
            .replace('(', "%28")
            .replace(')', "%29")
            .replace('<', "%3C")
            .replace('>', "%3E")
            .replace('\\', "%5C")
            .replace(' ', "%20")
            .replace('`', "%60")
    })
}

fn date(seconds: &str) -> String {
    match seconds.parse::<i64>() {
        Ok(seconds) => Millis(seconds.saturating_mul(1000)).rfc3339(),
        Err(_) => decode(seconds),
    }
}
