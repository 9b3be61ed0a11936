use std::borrow::Cow;

use super::FileEntry;
use super::error::RenderError;
use super::front_matter::{self, FrontMatter};
use crate::feeds::xml_text;
use crate::markdown::{split_title, words};
use crate::model::Slug;

/// A Markdown file that was understood.
pub(super) struct Document<'c> {
    pub file: &'c FileEntry,
    pub front: FrontMatter,
    /// From the front matter or a heading; one line.
    pub title: Option<String>,
    pub body: Cow<'c, str>,
}

impl<'c> Document<'c> {
    /// Reads a file; `None` for a draft.
    pub(super) fn read(file: &'c FileEntry) -> Result<Option<Self>, RenderError> {
        let text = std::str::from_utf8(&file.bytes).map_err(|error| RenderError::Encoding {
            path: file.path.clone(),
            line: 1 + file.bytes[..error.valid_up_to()]
                .iter()
                .filter(|byte| **byte == b'\n')
                .count(),
        })?;
        let (front, body) = front_matter::split(&file.path, text)?;
        let heading = split_title(body);
        let title = phrase(&front.title);
        let (title, body) = match (title, heading) {
            (None, Some((heading, rest))) => (Some(heading), rest),
            // Said twice, shown once.
            (Some(title), Some((heading, rest))) if title == heading => (Some(title), rest),
            (title, _) => (title, Cow::Borrowed(body)),
        };
        Ok((!front.draft).then_some(Self {
            file,
            front,
            title: title.map(|title| line(&title)),
            body: match xml_text(&body) {
                Cow::Borrowed(_) => body,
                Cow::Owned(cleaned) => Cow::Owned(cleaned),
            },
        }))
    }

    /// The name of the file without folder, ending and date.
    fn stem(&self) -> &'c str {
        let name = self.file.path.rsplit('/').next().unwrap_or_default();
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        let undated = stem.get(10..).and_then(|rest| {
            let date = stem.get(..10)?.parse::<jiff::civil::Date>();
            rest.strip_prefix('-').filter(|_| date.is_ok())
        });
        undated.unwrap_or(stem)
    }

    /// What its address is to be.
    pub(super) fn slug(&self) -> Slug {
        match &self.front.slug {
            Some(slug) => slug.clone(),
            None => Slug::from_title(self.stem()),
        }
    }

    /// Its title, made of the file's name where it has none.
    pub(super) fn shown_title(&self) -> String {
        self.title.clone().unwrap_or_else(|| {
            let stem = self.stem().replace(['-', '_'], " ");
            let mut letters = stem.chars();
            let first = letters.next().into_iter().flat_map(char::to_uppercase);
            first.chain(letters).collect()
        })
    }
}

/// One line of text.
pub(super) fn line(text: &str) -> String {
    words(&xml_text(text))
}

/// One line of text, if there is any.
pub(super) fn phrase(text: &Option<String>) -> Option<String> {
    text.as_deref().map(line).filter(|text| !text.is_empty())
}
