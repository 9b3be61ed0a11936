use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;

use rayon::prelude::*;
use url::Url;

use super::address::{self, Names, Sources};
use super::error::RenderError;
use super::front_matter::{self, FrontMatter};
use super::{Content, FileEntry, MAX_CONTENT, MAX_MARKDOWN, PostEntry};
use crate::feeds::xml_text;
use crate::markdown::{split_title, words};
use crate::model::{Millis, Slug};

/// A site with every address decided.
pub(super) struct Site<'c> {
    pub title: String,
    /// Its public folder.
    pub root: Url,
    pub intro: Option<Page<'c>>,
    /// Undated pages, by address.
    pub pages: Vec<Page<'c>>,
    /// Posts of the site and its members, newest first.
    pub posts: Vec<Post<'c>>,
    /// Files that are copied: path on the site and entry.
    pub assets: Vec<(&'c str, &'c FileEntry)>,
    pub members: Vec<MemberSite>,
    sources: Sources,
}

/// A member with its addresses.
pub(super) struct MemberSite {
    pub title: String,
    pub root: Url,
    /// Link from the root of this site.
    pub home: String,
}

/// A Markdown text that becomes a page.
pub(super) struct Page<'c> {
    /// Its path on the site.
    pub out: String,
    pub title: Option<String>,
    pub body: Cow<'c, str>,
    pub source: &'c FileEntry,
}

/// A post of the site or a member.
pub(super) struct Post<'c> {
    pub member: Option<usize>,
    /// Its path on its own site.
    pub out: String,
    /// Link from the root of this site.
    pub href: String,
    /// Its public address.
    pub url: Url,
    pub title: String,
    pub body: Cow<'c, str>,
    pub category: Option<String>,
    pub author: Option<String>,
    pub published: Millis,
    /// The file, for links relative to it.
    pub source: Option<&'c FileEntry>,
}

/// A Markdown file that was understood.
struct Document<'c> {
    file: &'c FileEntry,
    front: FrontMatter,
    title: Option<String>,
    body: Cow<'c, str>,
}

impl<'c> Site<'c> {
    pub(super) fn new(content: &'c Content) -> Result<Self, RenderError> {
        check(content)?;
        let root = address::folder(&content.url)?;
        let members = members(content, &root)?;

        // Sorted by place, so that numbered names and the first error are always the same.
        let mut files: Vec<&FileEntry> = content.files.iter().collect();
        files.sort_by_key(|file| (file.member, &file.path));
        let (markdown, assets): (Vec<_>, Vec<_>) = files
            .into_iter()
            .filter(|file| file.member.is_none() || is_markdown(&file.path))
            .partition(|file| is_markdown(&file.path));
        let assets: Vec<_> = assets
            .into_iter()
            .map(|file| (strip(&file.path, &content.base), file))
            .collect();
        let documents: Vec<_> = markdown.into_par_iter().map(Document::read).collect();
        let documents = documents.into_iter().filter_map(Result::transpose);
        let documents = documents.collect::<Result<Vec<_>, _>>()?;

        let mut site = Self {
            title: line(&content.title),
            root,
            intro: None,
            pages: Vec::new(),
            posts: Vec::new(),
            assets,
            members,
            sources: Sources::new(std::iter::empty()),
        };
        site.place(content, documents);
        site.sources = Sources::new(
            site.posts
                .iter()
                .filter(|post| post.member.is_none())
                .filter_map(|post| Some((post.source?.path.as_str(), post.out.as_str())))
                .chain(
                    site.pages
                        .iter()
                        .chain(&site.intro)
                        .map(|page| (page.source.path.as_str(), page.out.as_str())),
                )
                .chain(
                    site.assets
                        .iter()
                        .map(|(out, file)| (file.path.as_str(), *out)),
                ),
        );
        Ok(site)
    }

    /// The posts that have a page here, newest first.
    pub(super) fn own_posts(&self) -> impl Iterator<Item = &Post<'c>> {
        self.posts.iter().filter(|post| post.member.is_none())
    }

    /// The link to put for one in a file of this site; see [`Sources::follow`].
    pub(super) fn follow(
        &self,
        source: Option<&FileEntry>,
        prefix: &str,
        link: &str,
    ) -> Option<String> {
        let own = source.filter(|file| file.member.is_none())?;
        self.sources.follow(&own.path, prefix, link)
    }

    /// Decides every address. Posts that were published go first and keep their slug, because
    /// their writers never see git; a file that wants the same one gets a number.
    fn place(&mut self, content: &'c Content, documents: Vec<Document<'c>>) {
        let mut names: BTreeMap<Option<usize>, Names> = BTreeMap::new();
        let mut posts: Vec<(&PostEntry, Millis)> = content
            .posts
            .iter()
            .filter_map(|post| Some((post, post.revision.published_at?)))
            .collect();
        posts.sort_by_cached_key(|(post, _)| (post.slug.clone(), post.revision.digest()));
        for (post, published) in posts {
            let revision = &post.revision;
            let name = names.entry(post.member).or_default().take("", &post.slug);
            let post = self.post(post.member, &name, published, &revision.title);
            self.posts.push(Post {
                body: xml_text(&revision.body),
                category: phrase(&revision.category),
                author: phrase(&revision.author),
                ..post
            });
        }
        let (dated, undated): (Vec<_>, Vec<_>) = documents.into_iter().partition(|document| {
            let intro = document.file.member.is_none() && is_intro(document.file, content);
            document.front.date.is_some() && !intro
        });
        for document in dated {
            let member = document.file.member;
            let name = names.entry(member).or_default().take("", &document.slug());
            let published = document.front.date.unwrap_or_default();
            let post = self.post(member, &name, published, &document.shown_title());
            self.posts.push(Post {
                category: phrase(&document.front.category),
                author: phrase(&document.front.author),
                source: Some(document.file),
                body: document.body,
                ..post
            });
        }
        for document in undated {
            if document.file.member.is_some() {
                continue;
            }
            if self.intro.is_none() && is_intro(document.file, content) {
                self.intro = Some(document.into_page("index.html".to_owned()));
                continue;
            }
            let path = strip(&document.file.path, &content.base);
            let folder = path.rfind('/').map_or("", |end| &path[..=end]);
            let names = names.entry(None).or_default();
            let out = names.take(folder, &document.slug()) + ".html";
            self.pages.push(document.into_page(out));
        }
        self.pages.sort_by(|a, b| a.out.cmp(&b.out));
        self.posts.sort_by(|a, b| {
            Reverse(a.published)
                .cmp(&Reverse(b.published))
                .then_with(|| a.url.cmp(&b.url))
                .then_with(|| a.title.cmp(&b.title))
        });
    }

    /// A post with its addresses and without its text.
    fn post(&self, member: Option<usize>, name: &str, published: Millis, title: &str) -> Post<'c> {
        let out = format!("{name}.html");
        let home = member.and_then(|member| self.members.get(member));
        let url = address::within(home.map_or(&self.root, |member| &member.root), &out);
        let href = match home {
            Some(_) => address::across(&self.root, &url),
            None => out.clone(),
        };
        Post {
            member,
            out,
            href,
            url,
            title: Some(line(title))
                .filter(|title| !title.is_empty())
                .unwrap_or_else(|| "Untitled".to_owned()),
            body: Cow::Borrowed(""),
            category: None,
            author: None,
            published: published.clamp(YEAR_1, YEAR_9999),
            source: None,
        }
    }
}

/// What dates in pages and feeds can say.
const YEAR_1: Millis = Millis(-62_135_596_800_000);
const YEAR_9999: Millis = Millis(253_402_214_400_000);

impl<'c> Document<'c> {
    fn read(file: &'c FileEntry) -> Result<Option<Self>, RenderError> {
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

    fn slug(&self) -> Slug {
        match &self.front.slug {
            Some(slug) => slug.clone(),
            None => Slug::from_title(self.stem()),
        }
    }

    fn shown_title(&self) -> String {
        self.title
            .clone()
            .unwrap_or_else(|| self.stem().replace(['-', '_'], " "))
    }

    fn into_page(self, out: String) -> Page<'c> {
        let title = if out == "index.html" {
            self.title
        } else {
            Some(self.shown_title())
        };
        Page {
            out,
            title,
            body: self.body,
            source: self.file,
        }
    }
}

fn check(content: &Content) -> Result<(), RenderError> {
    let posts = content.posts.iter().map(|post| {
        let what = format!("the post {}", post.slug);
        (what, post.member, post.revision.body.len(), true)
    });
    let files = content.files.iter().map(|file| {
        let markdown = is_markdown(&file.path);
        (file.path.clone(), file.member, file.bytes.len(), markdown)
    });
    let mut sum = 0_usize;
    for (what, member, bytes, markdown) in posts.chain(files) {
        let members = content.members.len();
        if let Some(member) = member.filter(|member| *member >= members) {
            return Err(RenderError::Member {
                what,
                member,
                members,
            });
        }
        if markdown && bytes > MAX_MARKDOWN {
            return Err(RenderError::LongText { what, bytes });
        }
        sum += bytes;
    }
    if sum > MAX_CONTENT {
        return Err(RenderError::LargeSite { bytes: sum });
    }
    content
        .files
        .iter()
        .try_for_each(|file| address::check(&file.path))
}

fn members(content: &Content, root: &Url) -> Result<Vec<MemberSite>, RenderError> {
    content
        .members
        .iter()
        .map(|member| {
            let folder = address::folder(&member.url)?;
            Ok(MemberSite {
                title: line(&member.title),
                home: if folder.origin() == root.origin() {
                    address::across(root, &address::within(&folder, "index.html"))
                } else {
                    folder.to_string()
                },
                root: folder,
            })
        })
        .collect()
}

/// The path without the longest of the folders that holds it.
fn strip<'p>(path: &'p str, base: &[String]) -> &'p str {
    base.iter()
        .filter_map(|folder| {
            path.strip_prefix(folder.trim_end_matches('/'))?
                .strip_prefix('/')
        })
        .min_by_key(|rest| rest.len())
        .unwrap_or(path)
}

fn is_markdown(path: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, end)| {
        end.eq_ignore_ascii_case("md") || end.eq_ignore_ascii_case("markdown")
    })
}

fn is_intro(file: &FileEntry, content: &Content) -> bool {
    matches!(
        strip(&file.path, &content.base),
        "index.md" | "index.markdown"
    )
}

/// One line of text.
fn line(text: &str) -> String {
    words(&xml_text(text))
}

/// One line of text, if there is any.
fn phrase(text: &Option<String>) -> Option<String> {
    text.as_deref().map(line).filter(|text| !text.is_empty())
}
