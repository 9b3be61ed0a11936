use std::borrow::Cow;

use serde::Serialize;
use url::Url;

use crate::model::Millis;

/// A text object.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Text {
    /// Shown as it is.
    PlainText {
        text: String,
        /// Whether `:name:` becomes an emoji: what people wrote stays as they wrote it.
        emoji: bool,
    },
    /// Slack's markup.
    Mrkdwn {
        text: String,
        /// Only what is marked is a link or a mention: `@channel` in a title calls nobody.
        verbatim: bool,
    },
}

/// Stands where there is nothing to show: Slack refuses an empty text.
const NOTHING: &str = "–";

/// Two backticks that open no block of code with a third.
const BROKEN: &str = "`\u{200b}`\u{200b}";

/// A plain text of one line, cut.
pub(super) fn plain(text: &str, limit: usize) -> Text {
    let text = one_line(harmless(text));
    let text = if text.trim().is_empty() {
        NOTHING.to_owned()
    } else {
        cut(&text, limit)
    };
    Text::PlainText { text, emoji: false }
}

/// Slack's markup. Everything from outside goes in by [`text`](Self::text) and its relatives,
/// which escape it; markup itself is only taken from this program.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Mrkdwn(String);

impl Mrkdwn {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Markup of this program.
    #[must_use]
    pub fn raw(mut self, markup: &'static str) -> Self {
        self.0.push_str(markup);
        self
    }

    /// Text from anywhere, shown as text: no mention, link or entity is read in it. Stars and
    /// underscores may still change its looks, for which Slack has no escape; three backticks,
    /// which would change everything behind them, get invisible blanks between them.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        self.0.push_str(&escape(&unfenced(harmless(text))));
        self
    }

    /// Text in bold; as it is where a star in it would end that.
    #[must_use]
    pub fn bold(self, text: &str) -> Self {
        if text.contains(['*', '\n']) || text.trim() != text || text.is_empty() {
            self.text(text)
        } else {
            self.raw("*").text(text).raw("*")
        }
    }

    /// Text as code in a line. Backticks, which would end it, become `ˋ`.
    #[must_use]
    pub fn code(self, text: &str) -> Self {
        let text = replaced(one_line(Cow::Borrowed(text)), "`", "ˋ");
        if text.trim().is_empty() {
            return self;
        }
        self.raw("`").text(&text).raw("`")
    }

    /// Lines as code.
    #[must_use]
    pub fn code_block(self, text: &str) -> Self {
        self.raw("```\n").text(text).raw("\n```")
    }

    /// A link. What is no address of `http`, `https` or `mailto`, or is longer than 2,000
    /// characters, is only shown.
    #[must_use]
    pub fn link(mut self, url: &str, text: &str) -> Self {
        let Some(url) = address(url).filter(|url| units(url) <= 2000) else {
            return self.text(text);
        };
        let shown = unfenced(one_line(replaced(harmless(text), "|", "¦")));
        self.0.push('<');
        self.0.push_str(&escape(&url));
        if !shown.trim().is_empty() {
            self.0.push('|');
            self.0.push_str(&escape(&shown));
        }
        self.0.push('>');
        self
    }

    /// A moment in the reader's own time zone.
    #[must_use]
    pub fn date(mut self, at: Millis) -> Self {
        let seconds = at.0.div_euclid(1000);
        let fallback = fallback(at);
        self.0.push_str(&format!(
            "<!date^{seconds}^{{date_short_pretty}} {{time}}|{fallback}>"
        ));
        self
    }

    /// A person, whom this does not call where it is an update or only they see it. What is no id
    /// is only shown.
    #[must_use]
    pub fn user(self, id: &str) -> Self {
        self.entity("<@", id)
    }

    /// A channel. What is no id is only shown.
    #[must_use]
    pub fn channel(self, id: &str) -> Self {
        self.entity("<#", id)
    }

    /// Another text behind this one.
    #[must_use]
    pub fn then(mut self, other: &Self) -> Self {
        self.0.push_str(&other.0);
        self
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How long it is, in UTF-16 units.
    pub fn units(&self) -> usize {
        units(&self.0)
    }

    pub(super) fn into_markup(self) -> String {
        self.0
    }

    fn entity(mut self, mark: &'static str, id: &str) -> Self {
        if id.is_empty() || id.len() > 64 || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return self.text(id);
        }
        self.0.push_str(mark);
        self.0.push_str(id);
        self.0.push('>');
        self
    }

    pub(super) fn cut(self, limit: usize) -> Text {
        let text = if self.0.trim().is_empty() {
            NOTHING.to_owned()
        } else {
            cut_markup(self.0, limit)
        };
        Text::Mrkdwn {
            text,
            verbatim: true,
        }
    }
}

/// The time for those whose program does not know dates.
fn fallback(at: Millis) -> String {
    let zoned = at.timestamp().to_zoned(jiff::tz::TimeZone::UTC);
    zoned.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// Escapes the three characters that mean something to Slack.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>']) {
        return Cow::Borrowed(text);
    }
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;");
    Cow::Owned(escaped.replace('>', "&gt;"))
}

/// Replaces what is seldom there.
fn replaced<'a>(text: Cow<'a, str>, what: &str, with: &str) -> Cow<'a, str> {
    if text.contains(what) {
        Cow::Owned(text.replace(what, with))
    } else {
        text
    }
}

fn one_line(text: Cow<'_, str>) -> Cow<'_, str> {
    replaced(text, "\n", " ")
}

fn unfenced(text: Cow<'_, str>) -> Cow<'_, str> {
    replaced(text, "``", BROKEN)
}

/// How long a text is, in UTF-16 units.
pub fn units(text: &str) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    text.chars().map(char::len_utf16).sum()
}

/// A text of at most `limit` UTF-16 units; `…` at its end says that it was cut.
pub fn cut(text: &str, limit: usize) -> String {
    if units(text) <= limit {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut room = limit.saturating_sub(1);
    for c in text.chars() {
        let Some(left) = room.checked_sub(c.len_utf16()) else {
            break;
        };
        room = left;
        out.push(c);
    }
    out.truncate(out.trim_end().len());
    out.push('…');
    out
}

/// The same for markup: never inside an entity (`&amp;`, `<…>`), and open code is closed.
fn cut_markup(text: String, limit: usize) -> String {
    if units(&text) <= limit {
        return text;
    }
    // For "…" and "\n```".
    let room = limit.saturating_sub(5);
    let (mut used, mut end, mut inside) = (0, 0, None);
    for (at, c) in text.char_indices() {
        if used > room {
            break;
        }
        let fence = c == '`' && text[..at].ends_with('`');
        if inside.is_none() && !fence {
            end = at;
        }
        inside = match (inside, c) {
            (None, '<') => Some('>'),
            (None, '&') => Some(';'),
            (Some(close), c) if c == close => None,
            (inside, _) => inside,
        };
        used += c.len_utf16();
    }
    let kept = text[..end].trim_end();
    let close = match kept.matches("```").count() % 2 {
        0 => "",
        _ => "\n```",
    };
    format!("{kept}…{close}")
}

/// An address that may be linked, normalised, without what would end a link.
pub(super) fn address(text: &str) -> Option<String> {
    let url = Url::parse(text.trim()).ok()?;
    if !matches!(url.scheme(), "http" | "https" | "mailto") {
        return None;
    }
    if !url.as_str().contains(['|', '<', '>', '`']) {
        return Some(url.into());
    }
    let harmless = url.as_str().replace('|', "%7C").replace('<', "%3C");
    Some(harmless.replace('>', "%3E").replace('`', "%60"))
}

/// A text without control characters (but line ends), and without the marks that turn the
/// direction of everything behind them.
pub(super) fn harmless(text: &str) -> Cow<'_, str> {
    let is_harmless = |byte: u8| byte == b'\n' || (b' '..=b'~').contains(&byte);
    if text.bytes().all(is_harmless) {
        return Cow::Borrowed(text);
    }
    let kept = text.chars().filter_map(|c| match c {
        '\n' => Some('\n'),
        '\t' => Some(' '),
        c if c.is_control() => None,
        '\u{2028}' | '\u{2029}' => Some(' '),
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => None,
        c => Some(c),
    });
    Cow::Owned(kept.collect())
}
