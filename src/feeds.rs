//! Feeds of posts: JSON Feed 1.1 and Atom 1.0. Pure, and the same bytes for the same posts.

use std::borrow::Cow;

use atom_syndication as atom;
use serde::Serialize;

use crate::model::Millis;

/// What a feed is made of. Addresses are absolute.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Feed {
    /// What people call the site.
    pub title: String,
    /// The front page of the site. It names the feed for ever in Atom.
    pub home: String,
    /// Newest first, and no more than readers should fetch at once.
    pub entries: Vec<FeedEntry>,
}

/// One post.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FeedEntry {
    /// Its address, which is its id as well.
    pub url: String,
    /// Plain text.
    pub title: String,
    /// Safe HTML with absolute links.
    pub html: String,
    /// Plain text.
    pub summary: String,
    /// The date that readers see.
    pub published: Millis,
    /// Who is shown as its writer.
    pub author: Option<String>,
    /// One word or phrase.
    pub category: Option<String>,
}

/// The media type of [`json_feed`].
pub const JSON_FEED: &str = "application/feed+json";

/// The media type of [`atom_feed`].
pub const ATOM_FEED: &str = "application/atom+xml";

#[derive(Serialize)]
struct JsonFeed<'a> {
    version: &'static str,
    title: &'a str,
    home_page_url: &'a str,
    feed_url: &'a str,
    items: Vec<JsonItem<'a>>,
}

#[derive(Serialize)]
struct JsonItem<'a> {
    id: &'a str,
    url: &'a str,
    title: &'a str,
    content_html: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    summary: &'a str,
    date_published: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    authors: Option<[JsonAuthor<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<[&'a str; 1]>,
}

#[derive(Serialize)]
struct JsonAuthor<'a> {
    name: &'a str,
}

/// The feed as JSON Feed 1.1; `self_url` is where it is served.
pub fn json_feed(feed: &Feed, self_url: &str) -> String {
    let items = feed.entries.iter().map(|entry| JsonItem {
        id: &entry.url,
        url: &entry.url,
        title: &entry.title,
        content_html: &entry.html,
        summary: &entry.summary,
        date_published: entry.published.rfc3339(),
        authors: entry.author.as_deref().map(|name| [JsonAuthor { name }]),
        tags: entry.category.as_deref().map(|category| [category]),
    });
    let document = JsonFeed {
        version: "https://jsonfeed.org/version/1.1",
        title: &feed.title,
        home_page_url: &feed.home,
        feed_url: self_url,
        items: items.collect(),
    };
    // Strings and lists alone: serialising them has no way to fail.
    serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
}

/// The feed as Atom 1.0; `self_url` is where it is served.
///
/// Its `updated` is the date of the newest entry, and 1970 where there is none: no clock, so that
/// the same posts give the same bytes. Characters that XML forbids are left out.
pub fn atom_feed(feed: &Feed, self_url: &str) -> String {
    let newest = feed.entries.iter().map(|entry| entry.published).max();
    let document = atom::Feed {
        title: atom::Text::plain(xml_text(&feed.title)),
        id: feed.home.clone(),
        updated: date(newest.unwrap_or_default()),
        // The one author that Atom asks for: an entry need not name its own.
        authors: vec![person(&feed.title)],
        generator: Some(atom::Generator {
            value: "Microblot".to_owned(),
            ..atom::Generator::default()
        }),
        links: vec![
            link("self", self_url, Some(ATOM_FEED)),
            link("alternate", &feed.home, Some("text/html")),
        ],
        entries: feed.entries.iter().map(atom_entry).collect(),
        ..atom::Feed::default()
    };
    document.to_string() + "\n"
}

/// The text without the characters that no XML document may hold.
pub fn xml_text(text: &str) -> Cow<'_, str> {
    let illegal = |c: char| matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
    if text.contains(illegal) {
        text.replace(illegal, "").into()
    } else {
        text.into()
    }
}

fn atom_entry(entry: &FeedEntry) -> atom::Entry {
    let text = |text: &str| atom::Text::plain(xml_text(text));
    let category = |term: &String| atom::Category {
        term: xml_text(term).into_owned(),
        ..atom::Category::default()
    };
    atom::Entry {
        title: text(&entry.title),
        id: entry.url.clone(),
        updated: date(entry.published),
        authors: entry.author.iter().map(|name| person(name)).collect(),
        categories: entry.category.iter().map(category).collect(),
        links: vec![link("alternate", &entry.url, Some("text/html"))],
        published: Some(date(entry.published)),
        summary: (!entry.summary.is_empty()).then(|| text(&entry.summary)),
        content: Some(atom::Content {
            value: Some(xml_text(&entry.html).into_owned()),
            content_type: Some("html".to_owned()),
            ..atom::Content::default()
        }),
        ..atom::Entry::default()
    }
}

fn person(name: &str) -> atom::Person {
    atom::Person {
        name: xml_text(name).into_owned(),
        ..atom::Person::default()
    }
}

fn link(rel: &str, href: &str, mime_type: Option<&str>) -> atom::Link {
    atom::Link {
        rel: rel.to_owned(),
        href: href.to_owned(),
        mime_type: mime_type.map(str::to_owned),
        ..atom::Link::default()
    }
}

/// Years that Atom cannot write (before 0, after 9999) become 1970.
fn date(moment: Millis) -> atom::FixedDateTime {
    moment.rfc3339().parse().unwrap_or_default()
}
