use std::borrow::Cow;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::report::Report;

/// How a secret looks that somebody may write where its reference belongs.
struct Kind {
    /// What it starts with.
    prefix: &'static str,
    /// What stands before the prefix, in any case.
    before: &'static str,
    /// What it is.
    what: &'static str,
    /// What to write and do instead.
    instead: &'static str,
}

const HOOK: Kind = Kind {
    prefix: "/build_hooks/",
    before: "netlify.com",
    what: "the address of a Netlify build hook",
    instead: "write `hook = { env = \"NETLIFY_HOOK_FOO\" }` and keep the address in that variable; \
              if this file was committed, make a new hook in Netlify and delete this one",
};

const SLACK_WEBHOOK: Kind = Kind {
    prefix: "hooks.slack.com/",
    before: "",
    what: "the address of a Slack webhook",
    instead: "remove it: replies go through the bot token in `SLACK_BOT_TOKEN`; \
              if this file was committed, revoke the webhook in Slack",
};

const KINDS: [Kind; 5] = [
    HOOK,
    SLACK_WEBHOOK,
    slack_token("xoxb-"),
    slack_token("xoxp-"),
    slack_token("xapp-"),
];

const fn slack_token(prefix: &'static str) -> Kind {
    Kind {
        prefix,
        before: "",
        what: "a Slack token",
        instead: "remove it and set `SLACK_BOT_TOKEN` in the environment; \
                  if this file was committed, revoke the token in Slack",
    }
}

/// Refuses every literal secret, in values, keys and comments alike, and hides it from the excerpts.
pub(super) fn refuse(text: &str, table: &DeTable<'_>, report: &mut Report) {
    for kind in &KINDS {
        for secret in kind.find(text) {
            refuse_one(kind, secret, report);
        }
    }
    // Escapes can keep a secret out of the search above. Most files have none.
    if text.contains('\\') {
        in_table(table, report);
    }
    report.seal();
}

/// The text with every secret in it replaced by `***`, for messages that quote it.
pub(super) fn masked(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    for kind in &KINDS {
        let first = |text: &str| kind.find(text).next();
        while let Some(secret) = first(&text) {
            text.to_mut().replace_range(secret, "***");
        }
    }
    text
}

/// Whether a text holds what looks like a secret, which no `sites.toml` may have in it.
pub fn holds_secret(text: &str) -> bool {
    KINDS.iter().any(|kind| kind.find(text).next().is_some())
}

impl Kind {
    /// Where there is one, and in it what must not be seen: what follows the prefix.
    fn find<'a>(&'a self, text: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
        text.match_indices(self.prefix).filter_map(|(at, prefix)| {
            let head = &text.as_bytes()[..at];
            let tail = head.len().checked_sub(self.before.len())?;
            if !head[tail..].eq_ignore_ascii_case(self.before.as_bytes()) {
                return None;
            }
            if self.before.is_empty() && head.last().is_some_and(u8::is_ascii_alphanumeric) {
                return None;
            }
            let start = at + prefix.len();
            let rest = &text[start..];
            let len = rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
            let telling = rest[..len].contains(|c: char| c.is_ascii_alphanumeric());
            telling.then_some(start..start + len)
        })
    }
}

fn is_part(c: char) -> bool {
    c.is_ascii_graphic()
        && !matches!(
            c,
            '"' | '\'' | '`' | '<' | '>' | ',' | '}' | ']' | ')' | '*'
        )
}

fn in_table(table: &DeTable<'_>, report: &mut Report) {
    for (_, value) in table {
        in_value(value, report);
    }
}

fn in_value(value: &toml::Spanned<DeValue<'_>>, report: &mut Report) {
    match value.get_ref() {
        DeValue::String(Cow::Owned(text)) => {
            let found = KINDS.iter().find(|kind| kind.find(text).next().is_some());
            if let Some(kind) = found {
                refuse_one(kind, value.span(), report);
            }
        }
        DeValue::Array(array) => array.iter().for_each(|value| in_value(value, report)),
        DeValue::Table(table) => in_table(table, report),
        _ => {}
    }
}

fn refuse_one(kind: &Kind, secret: Range<usize>, report: &mut Report) {
    report.hide(secret.clone());
    let message = format!(
        "{} is a secret, and git never forgets: whoever can read this file can use it",
        kind.what
    );
    report.last_word(
        secret.clone(),
        secret,
        message,
        Some(kind.instead.to_owned()),
    );
}
