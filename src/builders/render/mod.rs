//! The built-in builder: renders a site to a folder of plain files. No account is needed.
//!
//! [`pages`] is pure: the same [`Content`] gives the same bytes, on every machine and in any order
//! of its lists. [`swap_in`] puts them in the place of the last ones.
//!
//! What the site holds: `index.html` with the newest posts, a page for each post and each undated
//! Markdown file, `archive.html` when there are more than 100 posts, `feed.json` and `feed.atom`
//! with the newest 50, `404.html`, `style.css`, every other file as it is, and
//! `.well-known/microblot.json`, which says what content is live. Links within the site are
//! relative and name files, so that it can be read from disk, too. There is no script.

mod address;
mod build;
mod document;
mod error;
mod front_matter;
mod output;
mod page;
mod site;
mod swap;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub(in crate::builders) use build::build;
pub use error::RenderError;
pub use swap::swap_in;

use crate::feeds::Feed;
use crate::model::{ContentHash, Manifest, Millis, Revision, Slug};

pub use output::NEWEST;

/// The longest Markdown file or post, in bytes. A page takes seconds and hundreds of megabytes
/// long before a reader would want it to be longer.
pub const MAX_MARKDOWN: usize = 2 << 20;

/// The most that all posts and files of a site may have together, in bytes: they are held in
/// memory twice.
pub const MAX_CONTENT: usize = 256 << 20;

/// Everything that a site is rendered from.
#[derive(Clone, Debug)]
pub struct Content {
    /// What people call the site.
    pub title: String,
    /// Where it is published; with or without a last `/`.
    pub url: String,
    /// The content hash that this is the content of.
    pub content_hash: ContentHash,
    /// The id of the build.
    pub build: String,
    /// Published posts, of this site or of its members.
    pub posts: Vec<PostEntry>,
    /// Files of this site or of its members.
    pub files: Vec<FileEntry>,
    /// The other sites whose posts this one shows.
    pub members: Vec<Member>,
    /// Folders that are left out of the addresses of files (`sites/garden/`): what stands before
    /// the first wildcard of a glob. The longest that fits counts.
    pub base: Vec<String>,
}

impl Content {
    /// Of a site that has nothing but these posts.
    pub fn of_posts(
        title: String,
        url: String,
        posts: Vec<PostEntry>,
        members: Vec<Member>,
    ) -> Self {
        Self {
            title,
            url,
            content_hash: Manifest::default().fingerprint().hash(),
            build: String::new(),
            posts,
            files: Vec::new(),
            members,
            base: Vec::new(),
        }
    }
}

/// A published post.
#[derive(Clone, Debug)]
pub struct PostEntry {
    /// Its part of the address.
    pub slug: Slug,
    /// Its content. One without a date is a draft, and left out.
    pub revision: Revision,
    /// Which of [`Content::members`] it belongs to; `None` for the site itself.
    pub member: Option<usize>,
}

/// A file.
#[derive(Clone, Debug)]
pub struct FileEntry {
    /// From the folder of `sites.toml`, with `/`.
    pub path: String,
    /// What it holds.
    pub bytes: Vec<u8>,
    /// Which of [`Content::members`] it belongs to; `None` for the site itself. Of a member's
    /// files only dated Markdown counts.
    pub member: Option<usize>,
}

/// Another site whose posts are shown.
#[derive(Clone, Debug)]
pub struct Member {
    /// What people call it.
    pub title: String,
    /// Where it is published. Its posts are at `<url>/<slug>.html`.
    pub url: String,
}

/// Renders every file of a site, by its path in the site's folder.
///
/// # Errors
///
/// Front matter, encoding, size or address of a file is wrong, two files want one address, or an
/// address in the settings is none: [`RenderError`] names it and what to do.
pub fn pages(content: &Content) -> Result<BTreeMap<String, Vec<u8>>, RenderError> {
    let site = site::Site::new(content)?;
    output::render(&site, content)
}

/// The newest posts of a site, at most [`NEWEST`], as its own feeds have them.
///
/// # Errors
///
/// Those of [`pages`].
pub fn feed(content: &Content) -> Result<Feed, RenderError> {
    Ok(output::feed(&site::Site::new(content)?))
}

/// The page of a post as it would be on a site with this title and address, in one piece: its
/// style is allowed by `nonce`, and every link leads to the site. Without a date of its own it has
/// that of `today`.
///
/// # Errors
///
/// Those of [`pages`].
pub fn preview(
    title: &str,
    url: &str,
    slug: Slug,
    revision: Revision,
    today: Millis,
    nonce: &str,
) -> Result<String, RenderError> {
    let post = PostEntry {
        slug,
        revision: Revision {
            published_at: Some(revision.published_at.unwrap_or(today)),
            ..revision
        },
        member: None,
    };
    let content = Content::of_posts(title.to_owned(), url.to_owned(), vec![post], Vec::new());
    let site = site::Site::new(&content)?;
    let style = output::style(&site.title);
    let page = site.posts.first();
    Ok(page.map_or_else(String::new, |post| {
        page::preview(&site, post, &style, nonce)
    }))
}
