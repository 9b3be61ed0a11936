use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::Serialize;

use super::error::RenderError;
use super::page;
use super::site::{Post, Site};
use super::{Content, swap};
use crate::feeds::{Feed, FeedEntry, atom_feed, json_feed};
use crate::markdown::with_absolute_links;
use crate::model::ContentHash;

/// More posts than this make an archive, and the front page then shows the newest [`NEWEST`].
const MAX_ON_INDEX: usize = 100;

/// How many posts the feeds hold: well under the 250 kB that readers like to fetch.
pub const NEWEST: usize = 50;

/// Posts on a page of the archive.
const PER_ARCHIVE: usize = 200;

const STYLE: &str = include_str!("style.css");

/// Hues of which a site has one, so that sites side by side are told apart. Lightness and
/// strength are those of the style sheet, which keeps the contrast.
const HUES: [u16; 9] = [40, 195, 300, 90, 250, 15, 225, 275, 150];

#[derive(Serialize)]
struct Marker<'a> {
    format: u8,
    site_title: &'a str,
    content_hash: ContentHash,
    build: &'a str,
}

/// Every file of the site.
pub(super) fn render(
    site: &Site<'_>,
    content: &Content,
) -> Result<BTreeMap<String, Vec<u8>>, RenderError> {
    let mut outputs = Outputs::default();
    for (out, text) in own_files(site, content) {
        outputs.add(
            out,
            text.into_bytes(),
            "a file that Microblot makes".to_owned(),
        )?;
    }

    let posts: Vec<_> = site.own_posts().collect();
    let rendered: Vec<_> = (0..posts.len())
        .into_par_iter()
        .map(|at| {
            let newer = at.checked_sub(1).map(|newer| posts[newer]);
            page::post(site, posts[at], newer, posts.get(at + 1).copied())
        })
        .collect();
    for (post, html) in posts.into_iter().zip(rendered) {
        let what = match post.source {
            Some(file) => file.path.clone(),
            None => format!("the post {:?}", post.title),
        };
        outputs.add(post.out.clone(), html.into_bytes(), what)?;
    }

    let rendered: Vec<_> = site
        .pages
        .par_iter()
        .map(|page| page::page(site, page))
        .collect();
    for (page, html) in site.pages.iter().zip(rendered) {
        outputs.add(
            page.out.clone(),
            html.into_bytes(),
            page.source.path.clone(),
        )?;
    }
    for (out, file) in &site.assets {
        outputs.add((*out).to_owned(), file.bytes.clone(), file.path.clone())?;
    }
    outputs.finish()
}

fn own_files(site: &Site<'_>, content: &Content) -> Vec<(String, String)> {
    let all = site.posts.len();
    let shown = if all > MAX_ON_INDEX { NEWEST } else { all };
    let feed = feed(site);
    let address = |name: &str| super::address::within(&site.root, name).to_string();
    let marker = Marker {
        format: 1,
        site_title: &site.title,
        content_hash: content.content_hash,
        build: &content.build,
    };
    let mut files = vec![
        ("index.html".to_owned(), page::index(site, shown)),
        ("404.html".to_owned(), page::not_found(site)),
        ("style.css".to_owned(), style(&site.title)),
        (
            "feed.json".to_owned(),
            json_feed(&feed, &address("feed.json")),
        ),
        (
            "feed.atom".to_owned(),
            atom_feed(&feed, &address("feed.atom")),
        ),
        (
            swap::MARKER.to_owned(),
            // Strings and a number: serialising them has no way to fail.
            serde_json::to_string_pretty(&marker).unwrap_or_default() + "\n",
        ),
    ];
    if shown < all {
        let chunks = site.posts.chunks(PER_ARCHIVE);
        let count = chunks.len();
        files.extend(chunks.zip(1..).map(|(posts, number)| {
            let html = page::archive(site, posts, number, count);
            (page::archive_name(number), html)
        }));
    }
    files
}

/// The newest posts.
pub(super) fn feed(site: &Site<'_>) -> Feed {
    let newest = &site.posts[..site.posts.len().min(NEWEST)];
    Feed {
        title: site.title.clone(),
        home: site.root.to_string(),
        entries: newest.par_iter().map(|post| entry(site, post)).collect(),
    }
}

fn entry(site: &Site<'_>, post: &Post<'_>) -> FeedEntry {
    FeedEntry {
        url: post.url.to_string(),
        title: post.title.clone(),
        html: with_absolute_links(&post.html(site), &post.url),
        summary: post.summary(),
        published: post.published,
        author: post.author.clone(),
        category: post.category.clone(),
    }
}

/// The style sheet, with the hue that the title gives.
pub(super) fn style(title: &str) -> String {
    let sum = title.bytes().fold(0_u32, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u32::from(byte))
    });
    let hue = HUES[sum as usize % HUES.len()];
    format!(":root {{ --hue: {hue} }}\n{STYLE}")
}

/// Files by path, each with what it is made of, to name both when two want one path.
#[derive(Default)]
struct Outputs {
    files: BTreeMap<String, (Vec<u8>, String)>,
}

impl Outputs {
    fn add(&mut self, out: String, bytes: Vec<u8>, what: String) -> Result<(), RenderError> {
        if let Some((_, first)) = self.files.get(&out) {
            return Err(RenderError::Collision {
                first: first.clone(),
                second: what,
                out,
            });
        }
        self.files.insert(out, (bytes, what));
        Ok(())
    }

    /// All files, once none of them is where others need a folder.
    fn finish(self) -> Result<BTreeMap<String, Vec<u8>>, RenderError> {
        for (out, (_, what)) in &self.files {
            for (end, _) in out.match_indices('/') {
                if let Some((_, first)) = self.files.get(&out[..end]) {
                    return Err(RenderError::Collision {
                        out: out[..end].to_owned(),
                        first: first.clone(),
                        second: what.clone(),
                    });
                }
            }
        }
        let files = self.files.into_iter();
        Ok(files.map(|(out, (bytes, _))| (out, bytes)).collect())
    }
}
