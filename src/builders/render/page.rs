use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::address;
use super::site::{Page, Post, Site};
use crate::feeds::{ATOM_FEED, JSON_FEED};
use crate::markdown::with_absolute_links;
use crate::model::Millis;

/// How many pages the bar at the top names; the front page lists the others.
const NAV: usize = 6;

/// A page as it is built: its place, and what goes into its frame.
struct Frame<'a> {
    /// Its path on the site.
    out: &'a str,
    /// What leads from it to the site's root.
    prefix: &'a str,
    /// Without one it is the front page.
    title: Option<&'a str>,
    description: String,
    main: Markup,
    look: Look<'a>,
}

/// Where a page is read.
#[derive(Clone, Copy)]
enum Look<'a> {
    /// In the site's folder, beside its style sheet.
    Published,
    /// Far from it: everything is in the page, with the nonce that allows it.
    Preview { style: &'a str, nonce: &'a str },
}

/// The page of a post; `newer` and `older` are its neighbours on the site.
pub(super) fn post(
    site: &Site<'_>,
    post: &Post<'_>,
    newer: Option<&Post<'_>>,
    older: Option<&Post<'_>>,
) -> String {
    let main = html! {
        (article(post, post.html(site)))
        @if newer.is_some() || older.is_some() {
            nav .pager aria-label="Posts" {
                @if let Some(older) = older {
                    a .older rel="prev" href=(older.href) { small { "Older" } bdi { (older.title) } }
                }
                @if let Some(newer) = newer {
                    a .newer rel="next" href=(newer.href) { small { "Newer" } bdi { (newer.title) } }
                }
            }
        }
    };
    frame(
        site,
        &Frame {
            out: &post.out,
            prefix: "",
            title: Some(&post.title),
            description: post.summary(),
            main,
            look: Look::Published,
        },
    )
}

/// The page of a post that is not published: its links, and those of its text, lead to the site.
pub(super) fn preview(site: &Site<'_>, post: &Post<'_>, style: &str, nonce: &str) -> String {
    let html = with_absolute_links(&post.html(site), &post.url);
    frame(
        site,
        &Frame {
            out: &post.out,
            prefix: site.root.as_str(),
            title: Some(&post.title),
            description: String::new(),
            main: article(post, html),
            look: Look::Preview { style, nonce },
        },
    )
}

fn article(post: &Post<'_>, prose: String) -> Markup {
    html! {
        article {
            header {
                h1 dir="auto" { (post.title) }
                p .meta {
                    (day(post.published))
                    @if let Some(author) = &post.author { span { "by " bdi { (author) } } }
                    @if let Some(category) = &post.category { span .tag { bdi { (category) } } }
                }
            }
            div .prose dir="auto" { (PreEscaped(prose)) }
        }
    }
}

/// An undated page.
pub(super) fn page(site: &Site<'_>, page: &Page<'_>) -> String {
    let prefix = address::prefix(&page.out);
    let title = page.title.as_deref().unwrap_or(&site.title);
    let main = html! {
        article {
            header { h1 dir="auto" { (title) } }
            div .prose dir="auto" { (PreEscaped(page.html(site))) }
        }
    };
    frame(
        site,
        &Frame {
            out: &page.out,
            prefix: &prefix,
            title: Some(title),
            description: page.summary(),
            main,
            look: Look::Published,
        },
    )
}

/// The front page with the first `shown` posts.
pub(super) fn index(site: &Site<'_>, shown: usize) -> String {
    let intro = site.intro.as_ref();
    let heading = intro.and_then(|page| page.title.as_deref());
    let more = site.pages.get(NAV..).unwrap_or_default();
    let main = html! {
        header .intro {
            h1 dir="auto" { (heading.unwrap_or(&site.title)) }
            @if let Some(page) = intro { div .prose dir="auto" { (PreEscaped(page.html(site))) } }
        }
        section aria-labelledby="posts" {
            h2 #posts { "Posts" }
            @if site.posts.is_empty() {
                p .empty { "Nothing has been published yet." }
            } @else {
                ul .posts { @for post in &site.posts[..shown] { (teaser(site, post)) } }
            }
            @if shown < site.posts.len() {
                p .more { a href="archive.html" { "All " (site.posts.len()) " posts" } }
            }
        }
        @if !site.members.is_empty() {
            section aria-labelledby="sites" {
                h2 #sites { "Sites" }
                ul .links {
                    @for member in &site.members {
                        li { a href=(member.home) { bdi { (member.title) } } }
                    }
                }
            }
        }
        @if !more.is_empty() {
            section aria-labelledby="pages" {
                h2 #pages { "More pages" }
                ul .links {
                    @for page in more {
                        li { a href=(address::link("", &page.out)) { bdi { (name(site, page)) } } }
                    }
                }
            }
        }
    };
    frame(
        site,
        &Frame {
            out: "index.html",
            prefix: "",
            title: None,
            description: intro.map(Page::summary).unwrap_or_default(),
            main,
            look: Look::Published,
        },
    )
}

/// One page of the archive: the `number`th of `count`, from 1.
pub(super) fn archive(site: &Site<'_>, posts: &[Post<'_>], number: usize, count: usize) -> String {
    let title = match number {
        1 => "All posts".to_owned(),
        n => format!("All posts, page {n}"),
    };
    let main = html! {
        header { h1 { (title) } }
        @for year in posts.chunk_by(|a, b| text(a.published, "%Y") == text(b.published, "%Y")) {
            section {
                h2 { (text(year[0].published, "%Y")) }
                ul .archive {
                    @for post in year {
                        li {
                            (day(post.published))
                            span { a href=(post.href) dir="auto" { (post.title) } (origin(site, post)) }
                        }
                    }
                }
            }
        }
        @if count > 1 {
            nav .pager aria-label="Archive" {
                @if number < count {
                    a .older rel="prev" href=(archive_name(number + 1)) { small { "Older" } "Page " (number + 1) }
                }
                @if number > 1 {
                    a .newer rel="next" href=(archive_name(number - 1)) { small { "Newer" } "Page " (number - 1) }
                }
            }
        }
    };
    frame(
        site,
        &Frame {
            out: &archive_name(number),
            prefix: "",
            title: Some(&title),
            description: String::new(),
            main,
            look: Look::Published,
        },
    )
}

/// The file of a page of the archive, counted from 1.
pub(super) fn archive_name(number: usize) -> String {
    match number {
        1 => "archive.html".to_owned(),
        n => format!("archive-{n}.html"),
    }
}

/// What is shown for a missing page. It is shown at any address, so its links start at the host.
pub(super) fn not_found(site: &Site<'_>) -> String {
    let prefix = site.root.path();
    let main = html! {
        header { h1 { "No such page" } }
        div .prose {
            p {
                "There is nothing at this address: it may have been moved or removed. "
                a href={ (prefix) "index.html" } { "The front page" }
                " lists everything there is."
            }
        }
    };
    frame(
        site,
        &Frame {
            out: "404.html",
            prefix,
            title: Some("No such page"),
            description: String::new(),
            main,
            look: Look::Published,
        },
    )
}

fn frame(site: &Site<'_>, frame: &Frame<'_>) -> String {
    let prefix = frame.prefix;
    let published = matches!(frame.look, Look::Published);
    // Whatever builds a site, it has a page at its address.
    let home = match frame.look {
        Look::Published => format!("{prefix}index.html"),
        Look::Preview { .. } => prefix.to_owned(),
    };
    let current = |out: &str| (out == frame.out).then_some("page");
    let address = match frame.out {
        "index.html" => site.root.clone(),
        out => address::within(&site.root, out),
    };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title {
                    @if let Some(title) = frame.title { (title) " · " }
                    (site.title)
                }
                @if !frame.description.is_empty() {
                    meta name="description" content=(frame.description);
                }
                meta name="generator" content="Microblot";
                meta name="color-scheme" content="light dark";
                // Nothing here needs one; whatever got past the sanitiser does not run.
                meta http-equiv="Content-Security-Policy" content="script-src 'none'; object-src 'none'; frame-src 'none'; base-uri 'none'; form-action 'none'";
                @if frame.out == "404.html" || !published {
                    meta name="robots" content="noindex";
                } @else {
                    link rel="canonical" href=(address);
                }
                link rel="icon" href=(ICON);
                @match frame.look {
                    Look::Published => {
                        link rel="stylesheet" href={ (prefix) "style.css" };
                        link rel="alternate" type=(ATOM_FEED) title=(site.title) href={ (prefix) "feed.atom" };
                        link rel="alternate" type=(JSON_FEED) title=(site.title) href={ (prefix) "feed.json" };
                    }
                    Look::Preview { style, nonce } => {
                        style nonce=(nonce) { (PreEscaped(style)) (PreEscaped(BANNER)) }
                    }
                }
            }
            body {
                @if !published {
                    p .preview role="note" {
                        strong { "Preview: not published." }
                        " Whoever has this link can see it until the link runs out."
                    }
                }
                a .skip href="#main" { "Skip to content" }
                header .top {
                    a .brand href=(home) { bdi { (site.title) } }
                    nav aria-label="Site" {
                        a href=(home) aria-current=[current("index.html")] { "Posts" }
                        @for page in site.pages.iter().take(NAV) {
                            a href=(address::link(prefix, &page.out)) aria-current=[current(&page.out)] {
                                bdi { (name(site, page)) }
                            }
                        }
                        @if site.pages.len() > NAV {
                            a href={ (prefix) "index.html#pages" } { "More" }
                        }
                    }
                }
                main #main tabindex="-1" { (frame.main) }
                footer .bottom {
                    p { bdi { (site.title) } }
                    @if published { p {
                        "Follow by feed: "
                        a href={ (prefix) "feed.atom" } { "Atom" }
                        " or "
                        a href={ (prefix) "feed.json" } { "JSON" }
                    } }
                }
            }
        }
    };
    page.into_string()
}

/// What a preview has above its page.
const BANNER: &str = ".preview { margin: 1rem 0 0; padding: 0.6rem 0.9rem; border: 1px solid var(--accent); border-radius: 0.3rem; background: var(--raised); font: 0.92rem/1.5 var(--label) }\n";

/// In the page itself, so that a browser does not ask for `/favicon.ico`.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath d='M8 1c3 4 5 6.4 5 9a5 5 0 0 1-10 0c0-2.6 2-5 5-9z' fill='%23567'/%3E%3C/svg%3E";

fn teaser(site: &Site<'_>, post: &Post<'_>) -> Markup {
    let summary = post.summary();
    html! {
        li {
            article {
                h3 { a href=(post.href) dir="auto" { (post.title) } }
                p .meta {
                    (day(post.published))
                    (origin(site, post))
                    @if let Some(category) = &post.category { span .tag { bdi { (category) } } }
                }
                @if !summary.is_empty() { p .summary dir="auto" { (summary) } }
            }
        }
    }
}

/// Which member a post comes from.
fn origin(site: &Site<'_>, post: &Post<'_>) -> Markup {
    let member = post.member.and_then(|member| site.members.get(member));
    html! {
        @if let Some(member) = member {
            span .origin { a href=(member.home) { bdi { (member.title) } } }
        }
    }
}

fn name<'s>(site: &'s Site<'_>, page: &'s Page<'_>) -> &'s str {
    page.title.as_deref().unwrap_or(&site.title)
}

fn day(moment: Millis) -> Markup {
    html! { time datetime=(text(moment, "%Y-%m-%d")) { (text(moment, "%-d %B %Y")) } }
}

fn text(moment: Millis, format: &str) -> String {
    moment.timestamp().strftime(format).to_string()
}
