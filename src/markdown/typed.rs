//! HTML as people type it into Markdown, brought into an order that it can be cleaned in.
//!
//! A parser of HTML repairs whatever is wrong with it: it looks through all elements that are open
//! at every tag, and opens forgotten `<b>`s again in every paragraph. With a few thousand of them
//! that takes minutes and gigabytes. So what was typed is read here, tag by tag, and written anew: it
//! nests only so deep, and nothing stays open longer than what it stands in.

use std::collections::HashSet;

use pulldown_cmark::{Event, Tag, TagEnd};

/// How deep typed tags nest; what is deeper loses its marks, not its text.
const MAX_DEPTH: usize = 64;
/// So many of them may be of the kind that is opened again in every paragraph.
const MAX_STYLES: usize = 8;
/// What opening them again may cost, in bytes, before no more tags are let through. A page of an
/// ordinary length is far from it even if all of it stands in one forgotten link.
const MAX_AGAIN: usize = 4 << 20;
/// More attributes were not typed by anybody, and a parser compares each with all before it.
const MAX_ATTRIBUTES: usize = 32;

/// What a parser opens again where it was not closed.
const STYLES: [&str; 11] = [
    "a", "b", "code", "em", "i", "s", "small", "strike", "strong", "tt", "u",
];
/// What holds nothing.
pub(super) const EMPTY: [&str; 6] = ["area", "br", "col", "hr", "img", "wbr"];
/// What the next of its kind ends, so that it needs no end of its own.
const ENDED_BY_THE_NEXT: [&str; 11] = [
    "p", "li", "dt", "dd", "td", "th", "tr", "thead", "tbody", "tfoot", "colgroup",
];
/// What goes with all that is in it.
const DROPPED: [&str; 2] = ["script", "style"];
/// How comments, and what nobody shows either, begin after `<`, and how they end.
const UNSEEN: [(&str, &str); 6] = [
    ("!-->", ""),
    ("!--->", ""),
    ("!--", "-->"),
    ("![CDATA[", "]]>"),
    ("!", ">"),
    ("?", "?>"),
];

/// Events with the HTML in them in order. `known` are the tags that stay.
pub(super) fn in_order<'a>(events: Vec<Event<'a>>, known: &HashSet<&str>) -> Vec<Event<'a>> {
    let mut ordered = Vec::with_capacity(events.len());
    let mut open = Open::default();
    let mut block = String::new();
    let mut images = 0_usize;
    for event in events {
        let ends = open.charge(0);
        if !ends.is_empty() {
            ordered.push(Event::InlineHtml(ends.into()));
        }
        match &event {
            Event::Start(Tag::Image { .. }) => images += 1,
            Event::End(TagEnd::Image) => images = images.saturating_sub(1),
            // In the description of an image it is text.
            _ if images > 0 => {}
            Event::Start(Tag::HtmlBlock) => {}
            Event::Html(text) => {
                block.push_str(text);
                continue;
            }
            Event::End(TagEnd::HtmlBlock) => {
                let html = open.rewritten(&block, known);
                block.clear();
                ordered.push(Event::Html(html.into()));
            }
            Event::InlineHtml(text) => {
                ordered.push(Event::InlineHtml(open.rewritten(text, known).into()));
                continue;
            }
            Event::Start(part) => open.start_of_part(part),
            Event::End(part) => {
                let html = open.end_of_part(part);
                if !html.is_empty() {
                    ordered.push(Event::InlineHtml(html.into()));
                }
            }
            _ => {}
        }
        if open.dropped.is_none() || is_part(&event) {
            ordered.push(event);
        }
    }
    ordered
}

/// Whether the event begins or ends what other events stand in.
fn is_part(event: &Event<'_>) -> bool {
    match event {
        Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => false,
        Event::Start(_) | Event::End(_) => true,
        _ => false,
    }
}

/// The typed tags that are open.
#[derive(Default)]
struct Open {
    tags: Vec<Typed>,
    /// How many of them are [`STYLES`].
    styles: usize,
    /// What it costs to open all styles again.
    again: usize,
    /// The same of the link of the Markdown that we are in: only typed tags make it open again.
    link: usize,
    /// What that may have cost until now.
    spent: usize,
    /// In how many parts of the Markdown we are: paragraphs, quotes, items …
    depth: usize,
    /// How many tags were open where the cell of a table began, which nothing in it can end: a
    /// parser leaves them open.
    before_cell: usize,
    /// What is open of [`DROPPED`].
    dropped: Option<Typed>,
}

struct Typed {
    name: String,
    depth: usize,
    /// What it adds to `again`.
    again: usize,
}

impl Open {
    /// A piece of HTML, written anew.
    fn rewritten(&mut self, html: &str, known: &HashSet<&str>) -> String {
        let mut written = String::with_capacity(html.len() + 16);
        let mut rest = self.after_dropped(html);
        while let Some((text, tail)) = rest.split_once('<') {
            written.push_str(text);
            written.push_str(&self.charge(self.link));
            rest = match Piece::read(tail) {
                Some((Piece::Nothing, rest)) => rest,
                Some((Piece::End(name), rest)) => {
                    self.end(&name, &mut written);
                    rest
                }
                Some((Piece::Start(tag), rest)) if DROPPED.contains(&&*tag.name) => {
                    let (name, depth, again) = (tag.name, self.depth, 0);
                    self.dropped = Some(Typed { name, depth, again });
                    self.after_dropped(rest)
                }
                Some((Piece::Start(tag), rest)) => {
                    if known.contains(&*tag.name) {
                        self.start(tag, &mut written);
                    }
                    rest
                }
                None => {
                    written.push_str("&lt;");
                    tail
                }
            };
        }
        written.push_str(rest);
        written
    }

    /// Counts what the next event or tag may cost, with what the link around it costs. The ends of
    /// all styles if it was too much.
    fn charge(&mut self, link: usize) -> String {
        let mut written = String::new();
        self.spent += self.again + link;
        let mut here = self.tags.iter().skip(self.before_cell);
        if self.spent > MAX_AGAIN
            && let Some(at) = here.position(|open| open.again > 0)
        {
            self.end_all_from(self.before_cell + at, &mut written);
        }
        written
    }

    /// What is left when the end of what is dropped was looked for; nothing if it is not here.
    fn after_dropped<'h>(&mut self, html: &'h str) -> &'h str {
        let Some(dropped) = &self.dropped else {
            return html;
        };
        let Some(after) = after_end(html, &dropped.name) else {
            return "";
        };
        self.dropped = None;
        after
    }

    fn start(&mut self, tag: StartTag, written: &mut String) {
        if self.spent > MAX_AGAIN {
            return;
        }
        let name = tag.name.as_str();
        if EMPTY.contains(&name) || ENDED_BY_THE_NEXT.contains(&name) {
            tag.write(written);
            return;
        }
        let is_style = STYLES.contains(&name);
        if self.tags.len() == MAX_DEPTH || is_style && self.styles == MAX_STYLES {
            return;
        }
        let before = written.len();
        tag.write(written);
        let again = if is_style { written.len() - before } else { 0 };
        self.styles += usize::from(is_style);
        self.again += again;
        let (name, depth) = (tag.name, self.depth);
        self.tags.push(Typed { name, depth, again });
    }

    fn end(&mut self, name: &str, written: &mut String) {
        if ENDED_BY_THE_NEXT.contains(&name) {
            write_end(name, written);
            return;
        }
        let here = self.tags.get(self.before_cell..).unwrap_or_default();
        if let Some(at) = here.iter().rposition(|open| open.name == name) {
            self.end_all_from(self.before_cell + at, written);
        }
    }

    fn end_all_from(&mut self, at: usize, written: &mut String) {
        for Typed { name, again, .. } in self.tags.drain(at..).rev() {
            self.styles -= usize::from(again > 0);
            self.again -= again;
            write_end(&name, written);
        }
    }

    fn start_of_part(&mut self, part: &Tag<'_>) {
        self.depth += 1;
        match part {
            Tag::TableCell => self.before_cell = self.tags.len(),
            Tag::Link {
                dest_url, title, ..
            } => self.link = dest_url.len() + title.len(),
            _ => {}
        }
    }

    /// The ends of what was opened in the part of the Markdown that ends.
    fn end_of_part(&mut self, part: &TagEnd) -> String {
        let mut written = String::new();
        let inside = |open: &Typed| open.depth >= self.depth;
        self.dropped.take_if(|open| inside(open));
        if let Some(at) = self.tags.iter().position(inside) {
            self.end_all_from(at, &mut written);
        }
        match part {
            TagEnd::TableCell => self.before_cell = 0,
            TagEnd::Link => self.link = 0,
            _ => {}
        }
        self.depth = self.depth.saturating_sub(1);
        written
    }
}

/// What follows a `<`.
enum Piece {
    Start(StartTag),
    End(String),
    /// A comment, or what nobody shows.
    Nothing,
}

struct StartTag {
    name: String,
    attributes: Vec<(String, Option<String>)>,
}

impl Piece {
    /// Reads up to the `>` that belongs to the `<`. `None`: it is no more than a character.
    fn read(tail: &str) -> Option<(Self, &str)> {
        for (start, end) in UNSEEN {
            if let Some(inside) = tail.strip_prefix(start) {
                let after = inside.split_once(end).map_or("", |(_, after)| after);
                return Some((Self::Nothing, after));
            }
        }
        if let Some(tail) = tail.strip_prefix('/') {
            let (name, rest) = name(tail)?;
            let (_, rest) = rest.split_at(rest.find(['<', '>'])?);
            let rest = rest.strip_prefix('>')?;
            return Some((Self::End(name), rest));
        }
        let (tag, rest) = StartTag::read(tail)?;
        Some((Self::Start(tag), rest))
    }
}

impl StartTag {
    /// Every text is read in time that grows with its length, though each `<` begins anew: only
    /// within quotes is another `<` passed, and where one reading is within, the other is not.
    fn read(tail: &str) -> Option<(Self, &str)> {
        let (name, mut rest) = name(tail)?;
        let mut attributes = Vec::new();
        loop {
            rest = rest.trim_ascii_start();
            if let Some(rest) = rest.strip_prefix('>') {
                return Some((Self { name, attributes }, rest));
            }
            if let Some(after) = rest.strip_prefix('/') {
                rest = after;
                continue;
            }
            let (attribute, after) = attribute(rest)?;
            if attributes.len() < MAX_ATTRIBUTES {
                attributes.push(attribute);
            }
            rest = after;
        }
    }

    fn write(&self, written: &mut String) {
        written.push('<');
        written.push_str(&self.name);
        for (name, value) in &self.attributes {
            written.push(' ');
            written.push_str(name);
            if let Some(value) = value {
                let value = value.replace('"', "&quot;").replace('<', "&lt;");
                written.push_str("=\"");
                written.push_str(&value);
                written.push('"');
            }
        }
        written.push('>');
    }
}

fn write_end(name: &str, written: &mut String) {
    written.push_str("</");
    written.push_str(name);
    written.push('>');
}

/// The name of a tag, in small letters.
fn name(text: &str) -> Option<(String, &str)> {
    let (name, rest) = text.split_at(text.find(ends_name).unwrap_or(text.len()));
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphabetic());
    let ends_well = rest.starts_with(|c: char| c.is_ascii_whitespace() || "/>".contains(c));
    (begins_well && ends_well).then(|| (name.to_ascii_lowercase(), rest))
}

fn ends_name(c: char) -> bool {
    c.is_ascii_whitespace() || "\"'<>/=".contains(c)
}

type Attribute = (String, Option<String>);

fn attribute(text: &str) -> Option<(Attribute, &str)> {
    let (name, rest) = text.split_at(text.find(ends_name).unwrap_or(text.len()));
    if name.is_empty() {
        return None;
    }
    let Some(value) = rest.trim_ascii_start().strip_prefix('=') else {
        return Some(((name.to_owned(), None), rest));
    };
    let value = value.trim_ascii_start();
    let (value, rest) = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => value[1..].split_once(quote)?,
        _ => {
            let ends_value = |c: char| c.is_ascii_whitespace() || "\"'<>`".contains(c);
            value.split_at(value.find(ends_value).unwrap_or(value.len()))
        }
    };
    Some(((name.to_owned(), Some(value.to_owned())), rest))
}

/// What follows the end of an element whose text is no HTML, if it ends.
fn after_end<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (at, _) = text.match_indices("</").find(|(at, _)| {
        let tail = &text.as_bytes()[at + 2..];
        tail.len() >= name.len() && tail[..name.len()].eq_ignore_ascii_case(name.as_bytes())
    })?;
    text[at..].split_once('>').map(|(_, after)| after)
}
