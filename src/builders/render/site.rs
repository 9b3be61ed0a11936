use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;

use rayon::prelude::*;
use url::Url;

use super::address::{self, Names, Sources};
use super::document::{Document, line, phrase};
use super::error::RenderError;
use super::{Content, FileEntry, MAX_CONTENT, MAX_MARKDOWN, PostEntry};
use crate::feeds::xml_text;
use crate::markdown::{self, RawHtml};
use crate::model::Millis;

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

impl Post<'_> {
    /// What becomes of HTML in its text.
    fn raw_html(&self) -> RawHtml {
        match self.source {
            Some(_) => RawHtml::Clean,
            None => RawHtml::Text,
        }
    }

    /// Its first words.
    pub(super) fn summary(&self) -> String {
        markdown::summary(&self.body, self.raw_html())
    }

    /// Its text as HTML, for a page in the root of `site`.
    pub(super) fn html(&self, site: &Site<'_>) -> String {
        let own = self.source.filter(|_| self.member.is_none());
        markdown::markdown_to_html_with(&self.body, self.raw_html(), |link| {
            site.sources.follow(&own?.path, "", link)
        })
    }
}

impl Page<'_> {
    /// Its first words.
    pub(super) fn summary(&self) -> String {
        markdown::summary(&self.body, RawHtml::Clean)
    }

    /// Its text as HTML.
    pub(super) fn html(&self, site: &Site<'_>) -> String {
        let prefix = address::prefix(&self.out);
        markdown::markdown_to_html_with(&self.body, RawHtml::Clean, |link| {
            site.sources.follow(&self.source.path, &prefix, link)
        })
    }
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
                self.intro = Some(page(document, "index.html".to_owned()));
                continue;
            }
            let path = strip(&document.file.path, &content.base);
            let folder = path.rfind('/').map_or("", |end| &path[..=end]);
            let names = names.entry(None).or_default();
            let out = names.take(folder, &document.slug()) + ".html";
            self.pages.push(page(document, out));
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

/// The page that a document becomes. The front page shows the site's title where it has none.
fn page(document: Document<'_>, out: String) -> Page<'_> {
    let title = match out.as_str() {
        "index.html" => document.title.clone(),
        _ => Some(document.shown_title()),
    };
    Page {
        out,
        title,
        body: document.body,
        source: document.file,
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
