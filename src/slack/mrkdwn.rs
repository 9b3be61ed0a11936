//! What people write in Slack as Markdown. Pure, and never fails: what is no markup is text.
//!
//! Slack's text is lines with marks (`*bold*`), entities (`<@U1>`, `<https://…|text>`) and three
//! escapes. Everything that would mean something in Markdown but means nothing in Slack is escaped,
//! so that it is read as it was written. Code stays as it is. The cost is linear in the text.

mod emoji;
mod entity;
mod inline;
#[cfg(test)]
mod tests;

use pulldown_cmark::{Event, Options, Parser, Tag};

use crate::markdown::{is_blank, words};

/// What a title may have, in characters.
const TITLE: usize = 128;

/// Turns a message's text into Markdown. `name` knows people by their id.
pub fn to_markdown(text: &str, name: &dyn Fn(&str) -> Option<String>) -> String {
    let mut page = Page::default();
    let mut rest = text;
    while let Some((before, code, after)) = fenced(rest) {
        lines(&mut page, before, name);
        page.code(&entity::verbatim(code, name));
        rest = after;
    }
    lines(&mut page, rest, name);
    page.out
}

/// The text before the first block of code, the code, and the text behind it.
fn fenced(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("```")?;
    let (code, after) = rest.split_once("```")?;
    Some((before, code, after))
}

fn lines(page: &mut Page, text: &str, name: &dyn Fn(&str) -> Option<String>) {
    let mut quoted = false;
    for line in text.split('\n') {
        let line = line.trim_end();
        if let Some(rest) = line.strip_prefix("&gt;&gt;&gt;") {
            // Everything up to the end is quoted.
            quoted = true;
            page.line(Kind::Quote, &inline::markdown(rest.trim(), name));
        } else if let Some(rest) = line.strip_prefix("&gt;").or_else(|| line.strip_prefix('>')) {
            page.line(Kind::Quote, &inline::markdown(rest.trim(), name));
        } else if quoted {
            page.line(Kind::Quote, &inline::markdown(line.trim(), name));
        } else if let Some((indent, mark, rest)) = page.item(line) {
            let rest = inline::markdown(rest.trim(), name);
            page.line(Kind::Item { indent, mark }, &rest);
        } else {
            page.line(Kind::Text, &inline::markdown(line.trim(), name));
        }
    }
}

/// What a line is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Kind {
    /// Nothing, or an empty line.
    #[default]
    Blank,
    Text,
    Quote,
    Item {
        /// Blanks before it in Slack.
        indent: usize,
        mark: Mark,
    },
    Code,
}

/// An item of a list that goes on.
#[derive(Clone, Copy, Debug)]
struct Item {
    /// Blanks before it in Slack.
    indent: usize,
    /// Blanks before it here.
    column: usize,
    /// Where its text begins here.
    content: usize,
    mark: Mark,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mark {
    Bullet,
    Number(u32),
}

/// Markdown as it grows.
#[derive(Default)]
struct Page {
    out: String,
    last: Kind,
    /// The items that the last line is in, from the outermost.
    items: Vec<Item>,
}

impl Page {
    /// The blanks, mark and text of a line that is an item of a list.
    fn item<'a>(&self, line: &'a str) -> Option<(usize, Mark, &'a str)> {
        let text = line.trim_start();
        let indent = line.len() - text.len();
        for bullet in ["• ", "◦ ", "▪︎ ", "▪ "] {
            if let Some(rest) = text.strip_prefix(bullet) {
                return Some((indent, Mark::Bullet, rest));
            }
        }
        let (number, rest) = text.split_once(". ")?;
        let number = Some(number)
            .filter(|number| number.len() <= 4 && number.bytes().all(|b| b.is_ascii_digit()))?
            .parse()
            .ok()?;
        // Only what counts up from 1 is sure to show the numbers that were written. Between two
        // numbers there may be a list that is in the first one's item.
        let goes_on = matches!(self.last, Kind::Item { .. })
            && self.items.iter().any(|item| {
                item.indent == indent
                    && matches!(item.mark, Mark::Number(last) if number == last + 1)
            });
        (number == 1 || goes_on).then_some((indent, Mark::Number(number), rest))
    }

    fn line(&mut self, kind: Kind, text: &str) {
        if text.is_empty() && kind == Kind::Text {
            self.last = Kind::Blank;
            return;
        }
        let was_empty = self.out.ends_with('>') && self.last == Kind::Quote;
        match (self.last, kind) {
            _ if self.out.is_empty() => {}
            (Kind::Text, Kind::Text) => self.out.push_str("\\\n"),
            (Kind::Quote, Kind::Quote) if was_empty || text.is_empty() => self.out.push('\n'),
            (Kind::Quote, Kind::Quote) => self.out.push_str("\\\n"),
            (Kind::Item { .. }, Kind::Item { .. }) => self.out.push('\n'),
            _ => self.out.push_str("\n\n"),
        }
        match kind {
            Kind::Quote if text.is_empty() => self.out.push('>'),
            Kind::Quote => self.out.push_str("> "),
            Kind::Item { indent, mark } => self.mark(indent, mark),
            Kind::Blank | Kind::Text | Kind::Code => {}
        }
        self.out.push_str(text);
        self.last = kind;
    }

    /// Writes the mark of an item, as deep as the one that it is under has its text.
    fn mark(&mut self, indent: usize, mark: Mark) {
        /// Deeper lists are shown at this depth.
        const DEEPEST: usize = 6;
        if !matches!(self.last, Kind::Item { .. }) {
            self.items.clear();
        }
        while self.items.last().is_some_and(|item| item.indent > indent) {
            self.items.pop();
        }
        let column = match self.items.last().copied() {
            Some(last) if last.indent == indent || self.items.len() >= DEEPEST => {
                self.items.pop();
                last.column
            }
            Some(last) => last.content,
            None => 0,
        };
        let shown = match mark {
            Mark::Bullet => "- ".to_owned(),
            Mark::Number(number) => format!("{number}. "),
        };
        self.items.push(Item {
            indent,
            column,
            content: column + shown.len(),
            mark,
        });
        self.out.extend(std::iter::repeat_n(' ', column));
        self.out.push_str(&shown);
    }

    fn code(&mut self, code: &str) {
        let code = code.strip_prefix('\n').unwrap_or(code);
        let code = code.strip_suffix('\n').unwrap_or(code);
        if !self.out.is_empty() {
            self.out.push_str("\n\n");
        }
        let fence = "`".repeat(longest_run(code).max(2) + 1);
        self.out.push_str(&format!("{fence}\n{code}\n{fence}"));
        self.last = Kind::Code;
    }
}

/// The longest row of backticks.
fn longest_run(code: &str) -> usize {
    let (mut longest, mut run) = (0, 0);
    for c in code.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

/// A title and a text, of Markdown that has no title.
///
/// The first line is the title, without its markup and at most 128 characters long. The text is
/// what follows; or everything, where a title alone would lose something of the first line: it was
/// cut, or it holds a link, code, a list, a quote or what is struck through.
pub fn title_and_body(markdown: &str) -> (String, String) {
    let markdown = markdown.trim();
    let (first, rest) = markdown.split_once('\n').unwrap_or((markdown, ""));
    let (plain, whole) = plain_line(first.trim_end_matches('\\'));
    let plain = words(&plain);
    let code = || rest.lines().map(words).find(|line| !is_blank(line));
    let (plain, whole) = match is_blank(&plain) {
        false => (plain, whole),
        true => (code().unwrap_or_else(|| "Untitled".to_owned()), false),
    };
    let title = shortened(&plain);
    let body = if whole && title == plain {
        rest.trim_start_matches('\n')
    } else {
        markdown
    };
    (title, body.to_owned())
}

/// The text of a line of Markdown, and whether it is all that the line holds.
fn plain_line(line: &str) -> (String, bool) {
    let mut text = String::new();
    let mut whole = true;
    for event in Parser::new_ext(line, Options::ENABLE_STRIKETHROUGH) {
        match event {
            Event::Text(part) => text.push_str(&part),
            Event::Code(part) => {
                text.push_str(&part);
                whole = false;
            }
            Event::SoftBreak | Event::HardBreak => text.push(' '),
            // What is struck through means the opposite without the stroke.
            Event::Start(Tag::Paragraph | Tag::Emphasis | Tag::Strong) | Event::End(_) => {}
            _ => whole = false,
        }
    }
    (text, whole)
}

/// At most 128 characters, cut between words where there are any.
fn shortened(text: &str) -> String {
    if text.chars().count() <= TITLE {
        return text.to_owned();
    }
    let cut: String = text.chars().take(TITLE - 1).collect();
    let cut = match cut.rsplit_once(' ') {
        Some((words, _)) if words.len() > cut.len() / 2 => words,
        _ => &cut,
    };
    format!("{}…", cut.trim_end())
}
