//! Markdown to HTML that is safe to show, whoever wrote it. Pure.

mod runaway;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ammonia::UrlRelative;
use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use url::Url;

use crate::feeds::xml_text;
use crate::model::Slug;

/// How long a summary gets before it ends with `…`, in characters.
const SUMMARY: usize = 220;

/// How deep quotes, lists and emphasis nest; what is deeper loses its marks, not its text. The
/// sanitiser's time grows with the square of the depth: 20 kB of `>` would take a second.
const MAX_DEPTH: usize = 64;

/// What becomes of HTML in Markdown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RawHtml {
    /// It is shown as it was typed. For posts: in a chat, `Vec<u8>` and `<div>` are meant so, and
    /// nobody can make the sanitiser slow with crafted tags.
    Text,
    /// It stays, without what is not safe. For files, whose writers know what HTML is. Where dozens of
    /// elements are never closed, all of it is shown as it was typed.
    Clean,
}

/// One sanitiser for every page: making it costs more than most posts.
static SANITISER: LazyLock<ammonia::Builder<'static>> = LazyLock::new(sanitiser);

/// Renders Markdown (CommonMark with tables, footnotes, strike-through and task lists).
///
/// The result holds no scripts, styles, forms or frames, and no links but `http`, `https`,
/// `mailto` and relative ones. Headings start at `<h2>` and have ids. HTML is shown as text.
pub fn markdown_to_html(markdown: &str) -> String {
    markdown_to_html_with(markdown, RawHtml::Text, |_| None)
}

/// As [`markdown_to_html`], with a choice about HTML, and with `link` asked for a replacement of
/// the address of every Markdown link and image. Its answers are checked like any other address.
pub fn markdown_to_html_with(
    markdown: &str,
    raw: RawHtml,
    link: impl Fn(&str) -> Option<String>,
) -> String {
    let mut events = events(markdown, raw);
    if raw == RawHtml::Clean && runaway::is_runaway(&events) {
        events = self::events(markdown, RawHtml::Text);
    }
    name_headings(&mut events);
    let events = events.into_iter().flat_map(|event| adapt(event, &link));
    let mut html = String::with_capacity(markdown.len() * 3 / 2);
    pulldown_cmark::html::push_html(&mut html, events);
    // After the sanitiser, because entities such as `&#1;` become characters only in it.
    xml_text(&SANITISER.clean(&html).to_string()).into_owned()
}

/// The same HTML with every relative address made absolute, as feeds need it.
pub fn with_absolute_links(html: &str, base: &Url) -> String {
    let mut sanitiser = sanitiser();
    sanitiser.url_relative(UrlRelative::RewriteWithBase(base.clone()));
    sanitiser.clean(html).to_string()
}

/// The first words of the text, without markup, at most about 220 characters.
pub fn summary(markdown: &str, raw: RawHtml) -> String {
    let mut text = String::new();
    let mut skipped = 0_u32;
    for event in Parser::new_ext(markdown, extensions()).map(|event| typed(event, raw)) {
        match event {
            Event::Start(tag) if is_no_prose(&tag) => skipped += 1,
            Event::End(TagEnd::Heading(_) | TagEnd::CodeBlock | TagEnd::HtmlBlock)
            | Event::End(TagEnd::FootnoteDefinition | TagEnd::Image | TagEnd::Table) => {
                skipped = skipped.saturating_sub(1);
            }
            Event::End(TagEnd::Paragraph | TagEnd::Item) if !text.trim().is_empty() => break,
            Event::Text(part) | Event::Code(part) if skipped == 0 => text.push_str(&part),
            Event::SoftBreak | Event::HardBreak if skipped == 0 => text.push(' '),
            _ => {}
        }
        // Enough to know that it is too long, whatever comes.
        if text.len() > SUMMARY * 8 {
            break;
        }
    }
    shorten(&xml_text(&text))
}

/// The text of the first heading, and the Markdown without it if nothing stands before it.
pub fn split_title(markdown: &str) -> Option<(String, Cow<'_, str>)> {
    let mut events = Parser::new_ext(markdown, extensions()).into_offset_iter();
    let mut first = true;
    while let Some((event, range)) = events.next() {
        if !matches!(event, Event::Start(Tag::Heading { .. })) {
            first = false;
            continue;
        }
        let title = events
            .map_while(|(event, _)| match event {
                Event::End(TagEnd::Heading(_)) => None,
                other => Some(other),
            })
            .fold(String::new(), |text, event| text + plain(&event));
        let title = words(&title);
        if title.is_empty() {
            return None;
        }
        let rest = if first {
            // What stands before are definitions of links, which the rest may use.
            Cow::Owned([&markdown[..range.start], &markdown[range.end..]].concat())
        } else {
            Cow::Borrowed(markdown)
        };
        return Some((title, rest));
    }
    None
}

/// The words of a text with one space between them.
pub fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a text shows nothing: it is empty, or of blanks and of characters without a shape.
pub fn is_blank(text: &str) -> bool {
    text.chars().all(|c| {
        c.is_whitespace()
            || c.is_control()
            || matches!(
                c,
                // Soft hyphen, joiners and fillers.
                '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
                | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
                // Of no width, directions, invisible operators.
                | '\u{180b}'..='\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                // Variants and tags of other characters.
                | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}'
            )
    })
}

/// The events of a text, no deeper than [`MAX_DEPTH`].
fn events(markdown: &str, raw: RawHtml) -> Vec<Event<'_>> {
    let mut depth = 0_usize;
    Parser::new_ext(markdown, extensions())
        .map(|event| typed(event, raw))
        .filter(|event| match event {
            Event::Start(_) => {
                depth += 1;
                depth <= MAX_DEPTH
            }
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                depth < MAX_DEPTH
            }
            _ => true,
        })
        .collect()
}

/// The event, with HTML as the text that it is made of where it is to be shown.
fn typed(event: Event<'_>, raw: RawHtml) -> Event<'_> {
    match (raw, event) {
        (RawHtml::Text, Event::Html(text) | Event::InlineHtml(text)) => Event::Text(text),
        (RawHtml::Text, Event::Start(Tag::HtmlBlock)) => Event::Start(Tag::Paragraph),
        (RawHtml::Text, Event::End(TagEnd::HtmlBlock)) => Event::End(TagEnd::Paragraph),
        (_, other) => other,
    }
}

fn extensions() -> Options {
    Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_SMART_PUNCTUATION
}

fn sanitiser() -> ammonia::Builder<'static> {
    let mut builder = ammonia::Builder::default();
    builder
        .url_schemes(HashSet::from(["http", "https", "mailto"]))
        // Needed only for links that open windows, and there are none.
        .link_rel(None)
        // The page has one of its own; Markdown headings are moved down instead.
        .rm_tags(["h1"])
        .add_tag_attributes("code", ["class"])
        .add_tag_attributes("td", ["style"])
        .add_tag_attributes("th", ["style"])
        .filter_style_properties(HashSet::from(["text-align"]))
        .set_tag_attribute_value("img", "loading", "lazy")
        .allowed_classes(HashMap::from([
            ("div", HashSet::from(["footnote-definition", "table"])),
            ("span", HashSet::from(["task"])),
            (
                "sup",
                HashSet::from(["footnote-reference", "footnote-definition-label"]),
            ),
        ]))
        .attribute_filter(|element, attribute, value| match (element, attribute) {
            ("code", "class")
                if !value.starts_with("language-") || value.contains(char::is_whitespace) =>
            {
                None
            }
            _ => Some(value.into()),
        });
    for tag in ["div", "h2", "h3", "h4", "h5", "h6"] {
        builder.add_tag_attributes(tag, ["id"]);
    }
    builder
}

/// Gives every heading an id, and moves all of them down if one is of the first level.
fn name_headings(events: &mut [Event<'_>]) {
    let has_h1 = events.iter().any(|event| {
        matches!(
            event,
            Event::Start(Tag::Heading {
                level: HeadingLevel::H1,
                ..
            })
        )
    });
    let mut seen: HashMap<String, u32> = HashMap::new();
    for start in 0..events.len() {
        if let Event::End(TagEnd::Heading(level)) = &mut events[start] {
            *level = if has_h1 { below(*level) } else { *level };
        }
        let (before, after) = events.split_at_mut(start + 1);
        let Some(Event::Start(Tag::Heading { level, id, .. })) = before.last_mut() else {
            continue;
        };
        let text = after
            .iter()
            .take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))))
            .fold(String::new(), |text, event| text + plain(event));
        let slug = Slug::from_title(&text);
        let count = seen.entry(slug.to_string()).or_insert(0);
        *count += 1;
        let name = match *count {
            1 => slug,
            n => slug.numbered(n),
        };
        *id = Some(name.to_string().into());
        *level = if has_h1 { below(*level) } else { *level };
    }
}

fn below(level: HeadingLevel) -> HeadingLevel {
    match level {
        HeadingLevel::H1 => HeadingLevel::H2,
        HeadingLevel::H2 => HeadingLevel::H3,
        HeadingLevel::H3 => HeadingLevel::H4,
        HeadingLevel::H4 => HeadingLevel::H5,
        HeadingLevel::H5 | HeadingLevel::H6 => HeadingLevel::H6,
    }
}

fn adapt<'a>(
    event: Event<'a>,
    link: &impl Fn(&str) -> Option<String>,
) -> impl Iterator<Item = Event<'a>> {
    let replaced = |url: CowStr<'a>| link(&url).map_or(url, CowStr::from);
    let [before, event, after] = match event {
        Event::Start(Tag::Link {
            link_type,
            dest_url,
            title,
            id,
        }) => one(Event::Start(Tag::Link {
            link_type,
            dest_url: replaced(dest_url),
            title,
            id,
        })),
        Event::Start(Tag::Image {
            link_type,
            dest_url,
            title,
            id,
        }) => one(Event::Start(Tag::Image {
            link_type,
            dest_url: replaced(dest_url),
            title,
            id,
        })),
        // A box of its own, so that a wide table scrolls and the page does not.
        table @ Event::Start(Tag::Table(_)) => [
            Some(Event::Html("<div class=\"table\">".into())),
            Some(table),
            None,
        ],
        table @ Event::End(TagEnd::Table) => {
            [None, Some(table), Some(Event::Html("</div>\n".into()))]
        }
        Event::TaskListMarker(true) => {
            one(Event::InlineHtml("<span class=\"task\">☑</span> ".into()))
        }
        Event::TaskListMarker(false) => {
            one(Event::InlineHtml("<span class=\"task\">☐</span> ".into()))
        }
        // Kept apart from the ids of headings.
        Event::FootnoteReference(name) => {
            one(Event::FootnoteReference(format!("fn-{name}").into()))
        }
        Event::Start(Tag::FootnoteDefinition(name)) => one(Event::Start(Tag::FootnoteDefinition(
            format!("fn-{name}").into(),
        ))),
        other => one(other),
    };
    before.into_iter().chain(event).chain(after)
}

fn one(event: Event<'_>) -> [Option<Event<'_>>; 3] {
    [None, Some(event), None]
}

fn plain<'e>(event: &'e Event<'_>) -> &'e str {
    match event {
        Event::Text(text) | Event::Code(text) => text,
        Event::SoftBreak | Event::HardBreak => " ",
        _ => "",
    }
}

fn is_no_prose(tag: &Tag<'_>) -> bool {
    matches!(
        tag,
        Tag::Heading { .. }
            | Tag::CodeBlock(_)
            | Tag::HtmlBlock
            | Tag::FootnoteDefinition(_)
            | Tag::Image { .. }
            | Tag::Table(_)
    )
}

fn shorten(text: &str) -> String {
    let text = words(text);
    let Some((end, _)) = text.char_indices().nth(SUMMARY) else {
        return text;
    };
    let cut = &text[..end];
    // A text without spaces is cut where it is.
    let cut = cut.rsplit_once(' ').map_or(cut, |(whole, _)| whole);
    format!(
        "{}…",
        cut.trim_end_matches([',', ';', ':', '.', '–', '—', ' '])
    )
}
