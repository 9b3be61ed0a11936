use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::time::Millis;

/// The id by which people and chat commands name a post: ten characters of Crockford's base 32.
///
/// Random, and not part of any content hash: the same posts give the same hash everywhere.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PostId(String);

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

impl PostId {
    /// Makes an id of the 50 lowest bits of `random`.
    pub fn from_random(random: u128) -> Self {
        let id = (0..10)
            .map(|i| char::from(ALPHABET[((random >> (5 * i)) & 31) as usize]))
            .collect();
        Self(id)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PostId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let id = text.trim().to_ascii_lowercase();
        if id.len() == 10 && id.bytes().all(|b| ALPHABET.contains(&b)) {
            Ok(Self(id))
        } else {
            Err(format!(
                "{text:?} is no post id: it has ten letters and digits, as `microblot list` shows them"
            ))
        }
    }
}

impl fmt::Display for PostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The part of a post's address that is its own: `[a-z0-9-]`, unique within a site, never changed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slug(String);

impl Slug {
    /// Makes a slug of a title: letters and digits kept (accents dropped where there is an ASCII
    /// letter), everything else a hyphen, 60 characters at most; `post` where nothing is left.
    pub fn from_title(title: &str) -> Self {
        let mut slug = String::new();
        for c in title.chars().flat_map(char::to_lowercase) {
            if slug.len() >= 60 {
                break;
            }
            match fold(c) {
                Some(text) => slug.push_str(text),
                None if c.is_ascii_alphanumeric() => slug.push(c),
                None if c == '\'' || c == '’' => {}
                None if !slug.is_empty() && !slug.ends_with('-') => slug.push('-'),
                None => {}
            }
        }
        let slug = slug.trim_matches('-');
        Self(if slug.is_empty() { "post" } else { slug }.to_owned())
    }

    /// The same slug with a number, for the second post of the same title.
    #[must_use]
    pub fn numbered(&self, n: u32) -> Self {
        Self(format!("{}-{n}", self.0))
    }

    /// A slug that was stored.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The slug as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

fn fold(c: char) -> Option<&'static str> {
    Some(match c {
        'à' | 'á' | 'â' | 'ã' | 'å' => "a",
        'ä' | 'æ' => "ae",
        'ç' | 'č' | 'ć' => "c",
        'è' | 'é' | 'ê' | 'ë' | 'ě' => "e",
        'ì' | 'í' | 'î' | 'ï' => "i",
        'ñ' | 'ň' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ø' => "o",
        'ö' | 'œ' => "oe",
        'ř' => "r",
        'š' | 'ś' => "s",
        'ß' => "ss",
        'ù' | 'ú' | 'û' | 'ů' => "u",
        'ü' => "ue",
        'ý' | 'ÿ' => "y",
        'ž' | 'ź' | 'ż' => "z",
        'ł' => "l",
        'đ' | 'ð' => "d",
        _ => return None,
    })
}

/// One immutable version of a post's content, stored under its digest.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Revision {
    /// One line, 1 to 128 characters.
    pub title: String,
    /// Markdown.
    pub body: String,
    /// One word or phrase to group posts by.
    pub category: Option<String>,
    /// Who is shown as its writer.
    pub author: Option<String>,
    /// The date that readers see; `None` for a draft.
    pub published_at: Option<Millis>,
}

impl Revision {
    /// The digest under which it is stored. Format 1.
    pub fn digest(&self) -> Digest {
        let Self {
            title,
            body,
            category,
            author,
            published_at,
        } = self;
        let published = published_at.map(|at| at.0.to_string());
        let optional = |text: &Option<String>| match text {
            Some(text) => format!("+{text}"),
            None => String::new(),
        };
        let fields = [
            title.clone(),
            body.clone(),
            optional(category),
            optional(author),
            optional(&published),
        ];
        Digest::of_fields(
            "microblot/revision-of-a-post/1",
            fields.iter().map(String::as_bytes),
        )
    }
}

/// Where a post is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PostState {
    /// Seen by its writer alone; no input of any build.
    Draft,
    /// To be published at its time.
    Scheduled,
    /// On the site.
    Published,
    /// Gone from the site; its revisions stay.
    Deleted,
}

impl PostState {
    /// The word for it, as it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Scheduled => "scheduled",
            Self::Published => "published",
            Self::Deleted => "deleted",
        }
    }
}

impl fmt::Display for PostState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for PostState {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        [Self::Draft, Self::Scheduled, Self::Published, Self::Deleted]
            .into_iter()
            .find(|state| state.as_str() == word)
            .ok_or_else(|| format!("{word:?} is no state of a post"))
    }
}

/// When a post is to be seen by readers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Publish {
    /// Not yet. The time that its writer has in mind is kept with it, and publishes nothing.
    Draft(Option<Millis>),
    /// At once.
    Now,
    /// At this time; in the past: at once, with that date.
    At(Millis),
}

/// What somebody wants a new post to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PostDraft {
    /// One line, 1 to 128 characters.
    pub title: String,
    /// Markdown.
    pub body: String,
    /// One word or phrase.
    pub category: Option<String>,
    /// Who is shown as its writer.
    pub author: Option<String>,
    /// When it is to be seen.
    pub publish: Publish,
}

/// What somebody wants changed of a post; `None`: as it was.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PostChange {
    /// One line, 1 to 128 characters.
    pub title: Option<String>,
    /// Markdown.
    pub body: Option<String>,
    /// One word or phrase, or none any more.
    pub category: Option<Option<String>>,
    /// When it is to be seen.
    pub publish: Option<Publish>,
}

/// A post with its newest revision.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Post {
    /// Its id.
    pub id: PostId,
    /// The site it belongs to.
    pub site: super::name::SiteName,
    /// Its part of the address.
    pub slug: Slug,
    /// Where it is in its life.
    pub state: PostState,
    /// When it is to be, or was, published; of a draft, the time that it is meant for.
    pub publish_at: Option<Millis>,
    /// When it was first written.
    pub created_at: Millis,
    /// When it was last changed.
    pub updated_at: Millis,
    /// Who wrote it in chat, as `slack:TEAM:USER`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The digest of its newest revision.
    pub digest: Digest,
    /// Its newest revision.
    #[serde(flatten)]
    pub revision: Revision,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_plain_ascii() {
        for (title, slug) in [
            ("Hello, world!", "hello-world"),
            ("  Grüße aus Köln  ", "gruesse-aus-koeln"),
            ("日本語", "post"),
            ("It’s 5 o'clock", "its-5-oclock"),
            ("--", "post"),
        ] {
            assert_eq!(Slug::from_title(title).as_str(), slug);
        }
    }

    #[test]
    fn the_digest_of_a_revision_is_what_it_was() {
        let revision = Revision {
            title: "Hello".into(),
            body: "*world*".into(),
            category: None,
            author: Some("ann".into()),
            published_at: Some(Millis(1_763_600_000_000)),
        };
        insta::assert_snapshot!(revision.digest(), @"e0a64767e7bcde5e199bd66678364104cba7c1d9de16761465e29d1654a930fc");
        let other = Revision {
            category: Some(String::new()),
            ..revision.clone()
        };
        assert_ne!(revision.digest(), other.digest());
    }
}
