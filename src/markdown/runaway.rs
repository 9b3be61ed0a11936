//! Typed HTML that no parser gets through in a reasonable time.
//!
//! A parser of HTML repairs what is wrong with it: at every tag it looks through the elements that
//! are open, and it opens a forgotten `<b>` again in every paragraph that follows. Thousands that are
//! never closed cost minutes and gigabytes. Nobody means them, so here is only counted, without
//! repairing anything: too much is better than too little.

use pulldown_cmark::{Event, Tag, TagEnd};

/// What may be open at one time. An element counts for one, and for more the longer its tag is.
const MOST_OPEN: usize = 256;
/// What a parser opens again counts for as much more.
const AGAIN: usize = 24;
const OPENED_AGAIN: [&str; 14] = [
    "a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u",
];
const EMPTY: [&str; 14] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source",
    "track", "wbr",
];
/// What the next of its kind ends, so that many people never end it themselves.
const ENDED_BY_THE_NEXT: [&str; 13] = [
    "p", "li", "dt", "dd", "td", "th", "tr", "thead", "tbody", "tfoot", "colgroup", "option",
    "optgroup",
];
/// In these nothing is ended by the next.
const FOREIGN: [&str; 2] = ["svg", "math"];
/// In these there are no tags, as in a program that says `a<b`.
const NO_HTML: [&str; 2] = ["script", "style"];
/// So many words between two `<`: attributes, of which a parser compares each with all before it.
const MOST_WORDS: usize = 10_000;

/// What opening styles and links again may cost, in bytes.
const MOST_AGAIN: usize = 4 << 20;

/// Whether the HTML among the events is beyond all that people write.
pub(super) fn is_runaway(events: &[Event<'_>]) -> bool {
    let mut open = Open::default();
    let mut block = String::new();
    for event in events {
        match event {
            Event::Start(Tag::HtmlBlock) => block.clear(),
            // A tag may go over several lines.
            Event::Html(line) => block.push_str(line),
            Event::End(TagEnd::HtmlBlock) => open.take(&block),
            Event::InlineHtml(tag) => open.take(tag),
            Event::Start(Tag::Link {
                dest_url, title, ..
            }) => open.link = dest_url.len() + title.len(),
            Event::End(TagEnd::Link) => open.link = 0,
            Event::Start(Tag::TableCell) => open.before_cell = open.tags.len(),
            Event::End(TagEnd::TableCell) => open.end_cell(),
            _ => {}
        }
        open.spent += open.again;
        if open.is_too_much() {
            return true;
        }
    }
    false
}

#[derive(Default)]
struct Open {
    /// What is open, and what is not closed in the order that it was opened in: a parser may leave
    /// that open.
    weight: usize,
    tags: Vec<Element>,
    /// How many were open where the cell of a table began, which nothing in it can end.
    before_cell: usize,
    /// What it costs to open all styles again.
    again: usize,
    /// The same of the link of the Markdown that we are in: only typed tags make it open again.
    link: usize,
    /// What all of that may have cost until now.
    spent: usize,
}

struct Element {
    name: String,
    weight: usize,
    again: usize,
}

impl Open {
    fn is_too_much(&self) -> bool {
        self.weight > MOST_OPEN || self.spent > MOST_AGAIN
    }

    /// Counts the tags of a piece of HTML.
    fn take(&mut self, html: &str) {
        let mut program: Option<&str> = None;
        for piece in html.split('<').skip(1) {
            let (is_end, tag) = match piece.strip_prefix('/') {
                Some(tag) => (true, tag),
                None => (false, piece),
            };
            let end = tag.find(|c: char| !c.is_ascii_alphanumeric() && c != '-');
            let name = tag[..end.unwrap_or(tag.len())].to_ascii_lowercase();
            if program.is_some_and(|inside| !(is_end && name == inside)) {
                continue;
            }
            program = NO_HTML
                .into_iter()
                .find(|no_html| !is_end && name == *no_html);
            if is_end {
                self.end(&name);
            } else if name.is_empty() {
                // A comment, or a mere character. Each may be within the quotes of an attribute.
                self.weight += piece.len() / MOST_WORDS;
            } else {
                self.start(name, piece);
            }
            self.spent += self.again + self.link;
            if self.is_too_much() {
                return;
            }
        }
    }

    fn start(&mut self, name: String, tag: &str) {
        if words(tag) > MOST_WORDS {
            self.weight = usize::MAX;
            return;
        }
        let known = |names: &[&str]| names.contains(&name.as_str());
        let is_foreign = |open: &Element| FOREIGN.contains(&open.name.as_str());
        let foreign = self.tags.iter().any(is_foreign);
        if known(&EMPTY) || known(&ENDED_BY_THE_NEXT) && !foreign {
            return;
        }
        let length = tag.find('>').unwrap_or(tag.len());
        let (weight, again) = if known(&OPENED_AGAIN) {
            (1 + AGAIN + length / 16, length)
        } else {
            (1, 0)
        };
        self.weight += weight;
        self.again += again;
        self.tags.push(Element {
            name,
            weight,
            again,
        });
    }

    fn end(&mut self, name: &str) {
        let here = self.tags.iter().skip(self.before_cell);
        let Some(after) = here.rev().position(|open| open.name == name) else {
            // Nothing that is open. It may stand in an attribute, to hide that one.
            if !ENDED_BY_THE_NEXT.contains(&name) {
                self.weight += 1;
            }
            return;
        };
        let ended = self.tags.remove(self.tags.len() - 1 - after);
        // Of what is closed out of order nobody knows whether a parser closed it.
        if after == 0 {
            self.weight -= ended.weight;
            self.again -= ended.again;
        }
    }

    /// What is open in the cell goes with it, but counts on: a parser had to close it.
    fn end_cell(&mut self) {
        self.tags.truncate(self.before_cell);
        self.before_cell = 0;
    }
}

fn words(text: &str) -> usize {
    text.split(|c: char| c.is_ascii_whitespace() || c == '/')
        .count()
}

#[cfg(test)]
mod tests {
    use super::super::{RawHtml, events, markdown_to_html_with};
    use super::is_runaway;

    fn runs_away(markdown: &str) -> bool {
        is_runaway(&events(markdown, RawHtml::Clean))
    }

    fn numbered(tag: &str) -> String {
        let tags = (0..4_000).map(|i| format!("<{tag} title={i}>"));
        tags.collect()
    }

    /// Each of these looks closed to whoever only counts names, and is not for a parser.
    #[test]
    fn what_only_looks_closed_runs_away() {
        const TIMES: usize = 500;
        for markdown in [
            "<div>\n\n| a |\n|---|\n| </div> |\n\n".repeat(TIMES),
            "<div><table><tr><td></div></table>\n\n".repeat(TIMES),
            "<div><table><caption></div></table>\n\n".repeat(TIMES),
            "<div><object></div></object>\n\n".repeat(TIMES),
            "x <b>y <div> </b> z</div>\n\n".repeat(TIMES),
        ] {
            let shown: String = markdown.chars().take(40).collect();
            assert!(runs_away(&markdown), "{shown}");
        }
    }

    /// A parser opens styles and links again, with all that is written in them, wherever it had to
    /// close them: in each of these at every tag.
    #[test]
    fn what_is_repeated_without_end_runs_away() {
        const TIMES: usize = 4_000;
        let long = "x".repeat(3_000);
        let style = format!("<b title={long}>");
        for markdown in [
            format!("[x {}](https://{long}.org)", "<p>x".repeat(TIMES)),
            format!("<p><a href={long}>{}", "<p>x".repeat(TIMES)),
            format!("<p><a href={long}>\n\n{}", "x\n\n".repeat(TIMES)),
            format!("<ul><li>{style}{}", "<li>x".repeat(TIMES)),
            format!("- {style} {}", "<li>x".repeat(TIMES)),
            format!("x {style} {}", "<div>x</div>".repeat(TIMES)),
            format!("<table>{style} {}", "<tr>x".repeat(TIMES)),
        ] {
            let shown: String = markdown.chars().take(20).collect();
            assert!(runs_away(&markdown), "{shown}");
        }
    }

    /// Each of these takes minutes or gigabytes at the size that a file may have.
    #[test]
    fn what_is_never_closed_runs_away() {
        const TIMES: usize = 4_000;
        let attributes = numbered("x").replace(['<', '>'], " ");
        let long = "x".repeat(9_000);
        for markdown in [
            "<div>".repeat(TIMES),
            "<div>\n\n".repeat(TIMES),
            "<table><tr><td>".repeat(TIMES),
            "<unheard-of>".repeat(TIMES),
            "<svg><td>".to_owned() + &"<td>".repeat(TIMES),
            "x <span>".repeat(TIMES),
            "<p>\n\n".to_owned() + &numbered("b") + &"\n\nx".repeat(TIMES),
            "x <em>y\n\n".repeat(TIMES),
            "<div></x>".repeat(TIMES),
            format!("<b title='{long}'>\n\nx").repeat(2),
            format!("<b {}>x</b>", attributes.repeat(4)),
            format!("<b {}>", "a='</x' b='<y' ".repeat(TIMES)),
        ] {
            let shown: String = markdown.chars().take(40).collect();
            assert!(runs_away(&markdown), "{shown}");
            let html = markdown_to_html_with(&markdown, RawHtml::Clean, |_| None);
            assert!(html.contains("&lt;"), "{shown}");
        }
    }

    #[test]
    fn what_people_write_does_not() {
        const TIMES: usize = 4_000;
        let address = "x".repeat(2_000);
        for markdown in [
            "<ul>".to_owned() + &"<li>one\n".repeat(TIMES) + "</ul>",
            "<table>".to_owned() + &"<tr><td>1<td>2<br>\n".repeat(TIMES) + "</table>",
            "<details><summary>More</summary>\n\n*x*\n\n</details>\n\n".repeat(TIMES),
            "A <kbd>x</kbd> and <b>a <i>b</i></b>. ".repeat(TIMES),
            "<p>One.\n\n<p>Two.\n\n".repeat(TIMES),
            "<!-- a comment -->\n\n".repeat(TIMES),
            format!("<script>\n{}</script>", "if (a<b) {}\n".repeat(TIMES)),
            format!("<details><a href='https://example.org/{address}'>x</a></details>"),
            "<div>\n\n".repeat(60) + "x" + &"\n\n</div>".repeat(60),
            "<div>\n".to_owned() + &"many words ".repeat(TIMES) + "\n</div>",
            "a < b, 1 <2, <3 ".repeat(TIMES),
            "| a |\n|---|\n".to_owned() + &"| x<br><b>y</b> |\n".repeat(TIMES),
            format!("[many *words* and <kbd>x</kbd>](https://{address}.org) ").repeat(300),
            "<a href=https://example.org/forgotten>x\n\n".to_owned()
                + &"*x*, \"y\"\n\n".repeat(TIMES),
            "<b><i>x</b></i>\n\n".repeat(5),
            "`<div>` and\n\n    <div>\n\n".repeat(TIMES),
        ] {
            let shown: String = markdown.chars().take(40).collect();
            assert!(!runs_away(&markdown), "{shown}");
        }
    }
}
