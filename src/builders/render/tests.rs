use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use url::Url;

use super::*;
use crate::markdown::{RawHtml, markdown_to_html, markdown_to_html_with};
use crate::model::Millis;

const DAY: i64 = 86_400_000;

fn content(title: &str, url: &str) -> Content {
    Content {
        title: title.into(),
        url: url.into(),
        content_hash: "11346d7fee3b8488ca5bcd88f4385f869bd29022d4eb5788119df4dc0b8957b3"
            .parse()
            .unwrap(),
        build: "0197".into(),
        posts: Vec::new(),
        files: Vec::new(),
        members: Vec::new(),
        base: vec!["sites/garden/".into()],
    }
}

fn garden() -> Content {
    content("Garden", "https://garden.example.org")
}

fn post(title: &str, body: &str, day: i64) -> PostEntry {
    PostEntry {
        slug: Slug::from_title(title),
        revision: Revision {
            title: title.into(),
            body: body.into(),
            category: None,
            author: None,
            published_at: Some(Millis(1_795_000_000_000 + day * DAY)),
        },
        member: None,
    }
}

fn file(path: &str, text: &str) -> FileEntry {
    FileEntry {
        path: path.into(),
        bytes: text.into(),
        member: None,
    }
}

/// The files of the site that the tests look at most.
fn small() -> Content {
    let mut chat = post(
        "Frost & thaw",
        "It *froze*, and then it [did not](beans.md).",
        0,
    );
    chat.revision.category = Some("weather".into());
    chat.revision.author = Some("ann".into());
    Content {
        posts: vec![chat],
        files: vec![
            file(
                "sites/garden/index.md",
                "# A small garden\n\nWritten down.\n",
            ),
            file(
                "sites/garden/about.md",
                "About clay. See [beans](posts/2026-08-09-beans.md#how).\n",
            ),
            file(
                "sites/garden/posts/2026-08-09-beans.md",
                "+++\ndate = 2026-08-09\n+++\n\n# Beans\n\nA bucket.\n\n## How\n\n![pod](../img/a%20pod.png \"Pod\")\n",
            ),
            file(
                "sites/garden/posts/later.md",
                "+++\ndate = 2026-08-10\ndraft = true\n+++\nno\n",
            ),
            file("sites/garden/img/a pod.png", "PNG"),
        ],
        ..garden()
    }
}

fn render(content: &Content) -> BTreeMap<String, String> {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let pages = pages(content).unwrap();
    pages
        .into_iter()
        .map(|(out, bytes)| (out, text(bytes)))
        .collect()
}

/// What is between `<main …>` and `</main>`.
fn main(page: &str) -> &str {
    let (_, rest) = page.split_once("tabindex=\"-1\">").unwrap();
    rest.split_once("</main>").unwrap().0
}

#[test]
fn a_small_site_is_these_files() {
    let pages = render(&small());
    insta::assert_snapshot!(pages.keys().cloned().collect::<Vec<_>>().join("\n"), @r"
    .well-known/microblot.json
    404.html
    about.html
    beans.html
    feed.atom
    feed.json
    frost-thaw.html
    img/a pod.png
    index.html
    style.css
    ");
    insta::assert_snapshot!(pages["frost-thaw.html"], @r##"
    <!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Frost &amp; thaw · Garden</title><meta name="description" content="It froze, and then it did not."><meta name="generator" content="Microblot"><meta name="color-scheme" content="light dark"><meta http-equiv="Content-Security-Policy" content="script-src 'none'; object-src 'none'; frame-src 'none'; base-uri 'none'; form-action 'none'"><link rel="canonical" href="https://garden.example.org/frost-thaw.html"><link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath d='M8 1c3 4 5 6.4 5 9a5 5 0 0 1-10 0c0-2.6 2-5 5-9z' fill='%23567'/%3E%3C/svg%3E"><link rel="stylesheet" href="style.css"><link rel="alternate" type="application/atom+xml" title="Garden" href="feed.atom"><link rel="alternate" type="application/feed+json" title="Garden" href="feed.json"></head><body><a class="skip" href="#main">Skip to content</a><header class="top"><a class="brand" href="index.html"><bdi>Garden</bdi></a><nav aria-label="Site"><a href="index.html">Posts</a><a href="about.html"><bdi>About</bdi></a></nav></header><main id="main" tabindex="-1"><article><header><h1 dir="auto">Frost &amp; thaw</h1><p class="meta"><time datetime="2026-11-18">18 November 2026</time><span>by <bdi>ann</bdi></span><span class="tag"><bdi>weather</bdi></span></p></header><div class="prose" dir="auto"><p>It <em>froze</em>, and then it <a href="beans.md">did not</a>.</p>
    </div></article><nav class="pager" aria-label="Posts"><a class="older" rel="prev" href="beans.html"><small>Older</small><bdi>Beans</bdi></a></nav></main><footer class="bottom"><p><bdi>Garden</bdi></p><p>Follow by feed: <a href="feed.atom">Atom</a> or <a href="feed.json">JSON</a></p></footer></body></html>
    "##);
    insta::assert_snapshot!(main(&pages["beans.html"]), @r#"
    <article><header><h1 dir="auto">Beans</h1><p class="meta"><time datetime="2026-08-09">9 August 2026</time></p></header><div class="prose" dir="auto"><p>A bucket.</p>
    <h2 id="how">How</h2>
    <p><img src="img/a%20pod.png" alt="pod" title="Pod" loading="lazy"></p>
    </div></article><nav class="pager" aria-label="Posts"><a class="newer" rel="next" href="frost-thaw.html"><small>Newer</small><bdi>Frost &amp; thaw</bdi></a></nav>
    "#);
    insta::assert_snapshot!(main(&pages["about.html"]), @r#"
    <article><header><h1 dir="auto">About</h1></header><div class="prose" dir="auto"><p>About clay. See <a href="beans.html#how">beans</a>.</p>
    </div></article>
    "#);
    insta::assert_snapshot!(main(&pages["index.html"]), @r#"
    <header class="intro"><h1 dir="auto">A small garden</h1><div class="prose" dir="auto"><p>Written down.</p>
    </div></header><section aria-labelledby="posts"><h2 id="posts">Posts</h2><ul class="posts"><li><article><h3><a href="frost-thaw.html" dir="auto">Frost &amp; thaw</a></h3><p class="meta"><time datetime="2026-11-18">18 November 2026</time><span class="tag"><bdi>weather</bdi></span></p><p class="summary" dir="auto">It froze, and then it did not.</p></article></li><li><article><h3><a href="beans.html" dir="auto">Beans</a></h3><p class="meta"><time datetime="2026-08-09">9 August 2026</time></p><p class="summary" dir="auto">A bucket.</p></article></li></ul></section>
    "#);
    insta::assert_snapshot!(main(&pages["404.html"]), @r#"<header><h1>No such page</h1></header><div class="prose"><p>There is nothing at this address: it may have been moved or removed. <a href="/index.html">The front page</a> lists everything there is.</p></div>"#);
    insta::assert_snapshot!(pages[".well-known/microblot.json"], @r#"
    {
      "format": 1,
      "site_title": "Garden",
      "content_hash": "sha256:11346d7fee3b8488ca5bcd88f4385f869bd29022d4eb5788119df4dc0b8957b3",
      "build": "0197"
    }
    "#);
    insta::assert_snapshot!(pages["feed.json"], @r#"
    {
      "version": "https://jsonfeed.org/version/1.1",
      "title": "Garden",
      "home_page_url": "https://garden.example.org/",
      "feed_url": "https://garden.example.org/feed.json",
      "items": [
        {
          "id": "https://garden.example.org/frost-thaw.html",
          "url": "https://garden.example.org/frost-thaw.html",
          "title": "Frost & thaw",
          "content_html": "<p>It <em>froze</em>, and then it <a href=\"https://garden.example.org/beans.md\">did not</a>.</p>\n",
          "summary": "It froze, and then it did not.",
          "date_published": "2026-11-18T11:06:40Z",
          "authors": [
            {
              "name": "ann"
            }
          ],
          "tags": [
            "weather"
          ]
        },
        {
          "id": "https://garden.example.org/beans.html",
          "url": "https://garden.example.org/beans.html",
          "title": "Beans",
          "content_html": "<p>A bucket.</p>\n<h2 id=\"how\">How</h2>\n<p><img src=\"https://garden.example.org/img/a%20pod.png\" alt=\"pod\" title=\"Pod\" loading=\"lazy\"></p>\n",
          "summary": "A bucket.",
          "date_published": "2026-08-09T00:00:00Z"
        }
      ]
    }
    "#);
    insta::assert_snapshot!(pages["feed.atom"], @r#"
    <?xml version="1.0"?>
    <feed xmlns="http://www.w3.org/2005/Atom"><title>Garden</title><id>https://garden.example.org/</id><updated>2026-11-18T11:06:40+00:00</updated><author><name>Garden</name></author><generator>Microblot</generator><link href="https://garden.example.org/feed.atom" rel="self" type="application/atom+xml"/><link href="https://garden.example.org/" rel="alternate" type="text/html"/><entry><title>Frost &amp; thaw</title><id>https://garden.example.org/frost-thaw.html</id><updated>2026-11-18T11:06:40+00:00</updated><author><name>ann</name></author><category term="weather"/><link href="https://garden.example.org/frost-thaw.html" rel="alternate" type="text/html"/><published>2026-11-18T11:06:40+00:00</published><summary>It froze, and then it did not.</summary><content type="html">&lt;p&gt;It &lt;em&gt;froze&lt;/em&gt;, and then it &lt;a href=&quot;https://garden.example.org/beans.md&quot;&gt;did not&lt;/a&gt;.&lt;/p&gt;
    </content></entry><entry><title>Beans</title><id>https://garden.example.org/beans.html</id><updated>2026-08-09T00:00:00+00:00</updated><link href="https://garden.example.org/beans.html" rel="alternate" type="text/html"/><published>2026-08-09T00:00:00+00:00</published><summary>A bucket.</summary><content type="html">&lt;p&gt;A bucket.&lt;/p&gt;
    &lt;h2 id=&quot;how&quot;&gt;How&lt;/h2&gt;
    &lt;p&gt;&lt;img src=&quot;https://garden.example.org/img/a%20pod.png&quot; alt=&quot;pod&quot; title=&quot;Pod&quot; loading=&quot;lazy&quot;&gt;&lt;/p&gt;
    </content></entry></feed>
    "#);
    assert_eq!(pages["img/a pod.png"], "PNG");
}

#[test]
fn an_empty_site_says_so() {
    let pages = render(&garden());
    assert!(main(&pages["index.html"]).contains("Nothing has been published yet."));
    assert!(pages["feed.atom"].contains("<updated>1970-01-01T00:00:00+00:00</updated>"));
}

#[test]
fn hostile_posts_do_nothing() {
    let body = "<script>alert(1)</script>\n\n[a](javascript:alert(1)) [b](JaVa\tScRiPt:alert(1)) \
        [c](data:text/html,x) <img src=x onerror=alert(1)> <a href=\"vbscript:x\">d</a>\n\n\
        <iframe src=https://example.org></iframe><style>*{}</style><form action=/x><input></form>\n\n\
        <svg onload=alert(1)><p style=\"position:fixed\" class=skip id=x onclick=x>e</p>\n\n\
        ]]> &#1;\u{0}\u{b}\u{1b}[31m &lt;script&gt;\n\n```\"><script>x\ncode\n```\n";
    let title = "</title><script>alert(1)</script>\u{0}\u{8} ]]> \u{202e}evil \u{1f41b}";
    let mut hostile = post(title, body, 0);
    hostile.revision.author = Some("\"><script>alert(1)</script>".into());
    hostile.revision.category = Some("<b onmouseover=x>".into());
    let long = post(&"long ".repeat(600), &"w".repeat(3000), -1);
    let pages = render(&Content {
        title: "<i>\u{1}Site</i>".into(),
        posts: vec![hostile, long],
        // In a file HTML is kept, as far as it is safe.
        files: vec![file("sites/garden/file.md", body)],
        ..garden()
    });
    // JSON holds plain text as it is.
    for (_, page) in pages.iter().filter(|(out, _)| !out.ends_with(".json")) {
        for bad in ["<script", "<iframe", "<style", "<form", "<input", "<svg"] {
            assert!(!page.contains(bad), "{bad} in {page}");
        }
        assert!(!page.contains(|c: char| c.is_control() && c != '\n' && c != '\t'));
    }
    let hostile = &pages["title-script-alert-1-script-evil.html"];
    insta::assert_snapshot!(main(hostile).replace('\u{202e}', "[RLO]"), @r#"
    <article><header><h1 dir="auto">&lt;/title&gt;&lt;script&gt;alert(1)&lt;/script&gt; ]]&gt; [RLO]evil 🐛</h1><p class="meta"><time datetime="2026-11-18">18 November 2026</time><span>by <bdi>&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;</bdi></span><span class="tag"><bdi>&lt;b onmouseover=x&gt;</bdi></span></p></header><div class="prose" dir="auto"><p>&lt;script&gt;alert(1)&lt;/script&gt;
    </p>
    <p><a>a</a> [b](JaVa	ScRiPt:alert(1)) <a>c</a> &lt;img src=x onerror=alert(1)&gt; &lt;a href="vbscript:x"&gt;d&lt;/a&gt;</p>
    <p>&lt;iframe src=https://example.org&gt;&lt;/iframe&gt;&lt;style&gt;*{}&lt;/style&gt;&lt;form action=/x&gt;&lt;input&gt;&lt;/form&gt;
    </p>
    <p>&lt;svg onload=alert(1)&gt;&lt;p style="position:fixed" class=skip id=x onclick=x&gt;e&lt;/p&gt;</p>
    <p>]]&gt; [31m &lt;script&gt;</p>
    <pre><code class="language-&quot;&gt;&lt;script&gt;x">code
    </code></pre>
    </div></article><nav class="pager" aria-label="Posts"><a class="older" rel="prev" href="long-long-long-long-long-long-long-long-long-long-long-long.html"><small>Older</small><bdi>long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long long</bdi></a></nav>
    "#);
    insta::assert_snapshot!(main(&pages["file.html"]), @r#"
    <article><header><h1 dir="auto">File</h1></header><div class="prose" dir="auto">
    <p><a>a</a> [b](JaVa	ScRiPt:alert(1)) <a>c</a> <img src="x" loading="lazy"> <a>d</a></p>

    <p></p><p>e</p><p></p>
    <p>]]&gt; [31m &lt;script&gt;</p>
    <pre><code class="language-&quot;&gt;&lt;script&gt;x">code
    </code></pre>
    </div></article>
    "#);
    atom(&pages);
}

fn atom(pages: &BTreeMap<String, String>) -> atom_syndication::Feed {
    pages["feed.atom"].parse().unwrap()
}

#[test]
fn feeds_hold_what_readers_need() {
    let mut content = small();
    content
        .posts
        .extend((1..60).map(|n| post(&format!("Post {n}"), "[x](y.html) ]]>", n)));
    let pages = render(&content);

    let atom = atom(&pages);
    assert_eq!(atom.id, "https://garden.example.org/");
    assert_eq!(atom.entries.len(), 50);
    assert_eq!(atom.updated, atom.entries[0].updated);
    let entry = &atom.entries[0];
    assert_eq!(entry.id, "https://garden.example.org/post-59.html");
    assert_eq!(entry.links[0].href, entry.id);
    let html = entry.content.as_ref().unwrap();
    assert_eq!(html.content_type.as_deref(), Some("html"));
    assert_eq!(
        html.value.as_deref().unwrap(),
        "<p><a href=\"https://garden.example.org/y.html\">x</a> ]]&gt;</p>\n"
    );
    let ids: BTreeSet<_> = atom.entries.iter().map(|entry| &entry.id).collect();
    assert_eq!(ids.len(), 50);
    assert!(atom.entries.is_sorted_by(|a, b| a.updated >= b.updated));

    let json: serde_json::Value = serde_json::from_str(&pages["feed.json"]).unwrap();
    assert_eq!(json["version"], "https://jsonfeed.org/version/1.1");
    assert_eq!(json["feed_url"], "https://garden.example.org/feed.json");
    assert_eq!(json["home_page_url"], "https://garden.example.org/");
    let items = json["items"].as_array().unwrap();
    for (item, entry) in items.iter().zip(&atom.entries) {
        assert_eq!(item["id"], entry.id);
        assert_eq!(
            item["content_html"],
            *entry.content.as_ref().unwrap().value.as_ref().unwrap()
        );
        let date = item["date_published"].as_str().unwrap();
        assert_eq!(
            date.parse::<atom_syndication::FixedDateTime>().unwrap(),
            entry.updated
        );
    }
    assert_eq!(items.len(), 50);
}

#[test]
fn an_aggregate_links_to_its_members() {
    let home = |url: &str, garden: &str| {
        let member = |path: &str, text: &str| FileEntry {
            member: Some(0),
            ..file(path, text)
        };
        let pages = render(&Content {
            posts: vec![PostEntry {
                member: Some(0),
                ..post("Chat", "From [far](x.html)", 2)
            }],
            files: vec![
                member("sites/garden/chat.md", "+++\ndate = 2026-11-19\n+++\nText"),
                member("sites/garden/about.md", "Not here"),
                member("sites/garden/pod.png", "not here"),
                file("sites/home/index.md", "Hello"),
            ],
            members: vec![Member {
                title: "Garden".into(),
                url: garden.into(),
            }],
            base: vec!["sites/home".into()],
            ..content("Home", url)
        });
        // In the feed, a link that a member's writer made leads to that member.
        let written = format!("{}/x.html&quot;", garden.trim_end_matches('/'));
        assert!(pages["feed.atom"].contains(&written), "{written}");
        let files = pages.keys().cloned().collect::<Vec<_>>().join(" ");
        (files, hrefs(main(&pages["index.html"])).join(" "))
    };
    let (files, near) = home(
        "http://localhost:8080/sites/home/",
        "http://localhost:8080/sites/garden",
    );
    insta::assert_snapshot!(files, @".well-known/microblot.json 404.html feed.atom feed.json index.html style.css");
    insta::assert_snapshot!(near, @"../garden/chat.html ../garden/index.html ../garden/chat-2.html ../garden/index.html ../garden/index.html");
    let (_, far) = home("https://www.example.org", "https://garden.example.org/");
    insta::assert_snapshot!(far, @"https://garden.example.org/chat.html https://garden.example.org/ https://garden.example.org/chat-2.html https://garden.example.org/ https://garden.example.org/");
}

#[test]
fn one_name_is_given_once() {
    let dated = "+++\ndate = 2026-01-01\n+++\nText";
    let content = Content {
        posts: vec![
            post("Index", "a", 0),
            post("Archive 2", "b", 0),
            post("Beans", "c", 0),
            PostEntry {
                slug: Slug::from_stored("../../etc/passwd".into()),
                ..post("Out", "d", 0)
            },
        ],
        files: vec![
            file("sites/garden/beans.md", dated),
            file("sites/garden/a/beans.md", dated),
            file("sites/garden/b/beans.md", "A page"),
            file("sites/garden/index-post.md", "A page"),
        ],
        ..garden()
    };
    insta::assert_snapshot!(render(&content).into_keys().filter(|out| out.ends_with(".html")).collect::<Vec<_>>().join("\n"), @r"
    404.html
    archive-2-post.html
    b/beans.html
    beans-2.html
    beans-3.html
    beans.html
    etc-passwd.html
    index-post-2.html
    index-post.html
    index.html
    ");
}

#[test]
fn many_posts_get_an_archive() {
    let posts = (0..450)
        .map(|n| post(&format!("Post {n}"), "x", n))
        .collect();
    let pages = render(&Content { posts, ..garden() });
    let count = |name: &str| pages[name].matches("<li>").count();
    assert_eq!(count("index.html"), 50);
    assert_eq!(
        ["archive.html", "archive-2.html", "archive-3.html"].map(count),
        [200, 200, 50]
    );
    assert_eq!(hrefs(main(&pages["archive-2.html"])).len(), 202);
    every_link_resolves(&pages);
}

#[test]
fn errors_name_the_file_and_the_next_step() {
    let fail = |files: Vec<FileEntry>| {
        pages(&Content { files, ..garden() })
            .unwrap_err()
            .to_string()
    };
    let one = |text: &str| fail(vec![file("sites/garden/x.md", text)]);
    insta::assert_snapshot!(one("+++\ntitle = \"a\"\ntitel = \"b\"\n+++\n"), @"sites/garden/x.md:3: unknown field `titel`, expected one of `title`, `date`, `category`, `author`, `draft`, `slug`; between two +++ lines stands TOML with title, date, category, author, draft and slug, all optional");
    insta::assert_snapshot!(one("+++\ntitle = \n+++\n"), @"sites/garden/x.md:2: string values must be quoted, expected literal string; between two +++ lines stands TOML with title, date, category, author, draft and slug, all optional");
    insta::assert_snapshot!(one("+++\n\n\ndate = 2026-13-01\n+++\n"), @"sites/garden/x.md:4: invalid date, expected month between 01 and 12; between two +++ lines stands TOML with title, date, category, author, draft and slug, all optional");
    insta::assert_snapshot!(one("+++\ndate = \"yesterday\"\n+++\n"), @r#"sites/garden/x.md:2: "yesterday" is no date; write date = 2026-11-20 or date = 2026-11-20T09:30:00Z"#);
    insta::assert_snapshot!(one("+++\nslug = \"A b\"\n+++\n"), @r#"sites/garden/x.md:2: "A b" is no slug; write 1 to 100 of a-z, 0-9 and -"#);
    insta::assert_snapshot!(one("+++\ntitle = \"a\"\n"), @"sites/garden/x.md:1: the front matter has no end; between two +++ lines stands TOML with title, date, category, author, draft and slug, all optional");
    insta::assert_snapshot!(one("---\ntitle: a\n---\n"), @"sites/garden/x.md:1: front matter in YAML is not read; between two +++ lines stands TOML with title, date, category, author, draft and slug, all optional");
    insta::assert_snapshot!(one(&"x".repeat(MAX_MARKDOWN + 1)), @"sites/garden/x.md has 2097153 bytes of Markdown, and a page at most 2097152: split it");
    let latin = FileEntry {
        bytes: b"a\nGr\xfc\xdfe".into(),
        ..file("sites/garden/x.md", "")
    };
    insta::assert_snapshot!(fail(vec![latin]), @"sites/garden/x.md:2: not UTF-8; save the file in that encoding");
    insta::assert_snapshot!(fail(vec![file("sites/garden/style.css", "")]), @"a file that Microblot makes and sites/garden/style.css would both be style.css on the site: rename one of them");
    insta::assert_snapshot!(fail(vec![file("sites/garden/.well-known/microblot.json", "")]), @"a file that Microblot makes and sites/garden/.well-known/microblot.json would both be .well-known/microblot.json on the site: rename one of them");
    insta::assert_snapshot!(fail(vec![file("sites/garden/a", ""), file("sites/garden/a/b", "")]), @"sites/garden/a and sites/garden/a/b would both be a on the site: rename one of them");
    insta::assert_snapshot!(fail(vec![file("sites/garden/a.md", ""), file("sites/garden/a.html", "")]), @"sites/garden/a.md and sites/garden/a.html would both be a.html on the site: rename one of them");
    insta::assert_snapshot!(fail(vec![file("sites/garden/../x", "")]), @r#""sites/garden/../x" is no path inside a site: it must be relative, with no empty, `.` or `..` part"#);
    insta::assert_snapshot!(pages(&content("T", "ftp://x")).unwrap_err().to_string(), @r#""ftp://x" is no web address: write it in `url` as https://www.example.org"#);
}

#[test]
fn front_matter_decides() {
    let text = "\u{feff}+++\r\ntitle = \"One  title\"\r\ndate = \"2026-03-04T23:30:00-02:00\"\r\ncategory = \"c\"\r\nauthor = \"ann\"\r\nslug = \"other\"\r\n+++\r\n# One title\r\nText";
    let pages = render(&Content {
        files: vec![file("sites/garden/x.md", text)],
        ..garden()
    });
    insta::assert_snapshot!(main(&pages["other.html"]), @r#"
    <article><header><h1 dir="auto">One title</h1><p class="meta"><time datetime="2026-03-05">5 March 2026</time><span>by <bdi>ann</bdi></span><span class="tag"><bdi>c</bdi></span></p></header><div class="prose" dir="auto"><p>Text</p>
    </div></article>
    "#);
    // A rule at the start of a text is no front matter.
    let pages = render(&Content {
        files: vec![file("sites/garden/x.md", "---\nNote: a text\n")],
        ..garden()
    });
    assert!(pages["x.html"].contains("<hr>"));
}

#[test]
fn order_of_the_input_never_counts() {
    let mut content = small();
    content
        .posts
        .extend([post("A", "x", 0), post("B", "y", 0), post("A b", "z", 5)]);
    content.files.push(file(
        "sites/garden/z/about.md",
        "+++\ndate = 2026-11-18\n+++\nx",
    ));
    content.files.push(file(
        "sites/garden/a/about.md",
        "+++\ndate = 2026-11-18\n+++\ny",
    ));
    let first = pages(&content).unwrap();
    assert_eq!(pages(&content).unwrap(), first);
    content.posts.reverse();
    content.files.reverse();
    assert_eq!(pages(&content).unwrap(), first);
    content.posts.rotate_left(2);
    content.files.rotate_left(3);
    assert_eq!(pages(&content).unwrap(), first);
}

/// The values of `href` and `src`, as they were before escaping.
fn hrefs(page: &str) -> Vec<&str> {
    let after = |name: &'static str| page.split(name).skip(1);
    after(" href=\"")
        .chain(after(" src=\""))
        .map(|rest| rest.split_once('"').unwrap().0)
        .collect()
}

/// Follows every relative link outside of what people wrote, as a browser does.
fn every_link_resolves(pages: &BTreeMap<String, String>) {
    let root = Url::parse("https://garden.example.org/").unwrap();
    // A colon means the same in both ways of writing it.
    let plain = |url: &Url| url.as_str().replace("%3A", ":");
    let known: BTreeSet<_> = pages
        .keys()
        .map(|out| plain(&address::within(&root, out)))
        .collect();
    for (out, page) in pages.iter().filter(|(out, _)| out.ends_with(".html")) {
        let written = page.split("<div class=\"prose\"").enumerate();
        let frame = written.map(|(n, part)| match n {
            0 => part,
            _ => part.split_once("</div>\n").map_or("", |(_, rest)| rest),
        });
        for href in frame.flat_map(hrefs) {
            let mut url = address::within(&root, out).join(href).unwrap();
            if url.scheme() == "data" || url == root {
                continue;
            }
            if let Some(id) = url.fragment() {
                assert!(
                    page.contains(&format!("id=\"{id}\"")) || id == "pages",
                    "{out}: {href}"
                );
            }
            url.set_fragment(None);
            assert!(known.contains(&plain(&url)), "{out}: {href}");
        }
    }
}

fn any_path() -> impl Strategy<Value = String> {
    "(sites/garden/)?([a-z%?# é]{1,6}/){0,2}[a-zA-Z0-9.%:?# é-]{1,9}(\\.md|\\.png|)"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_text_renders_and_every_link_resolves(
        title in ".{0,40}",
        posts in prop::collection::vec((".{0,60}", "(?s).{0,300}", any::<i64>()), 0..6),
        files in prop::collection::vec((any_path(), "(\\+\\+\\+\ndate = 2026-01-01\n\\+\\+\\+\n)?(?s).{0,200}"), 0..6),
    ) {
        let content = Content {
            title,
            posts: posts.iter().map(|(title, body, at)| {
                let mut post = post(title, body, 0);
                post.revision.published_at = Some(Millis(*at));
                post
            }).collect(),
            files: files.iter().map(|(path, text)| file(path, text)).collect(),
            ..garden()
        };
        let texts = |pages: BTreeMap<String, Vec<u8>>| -> BTreeMap<String, String> {
            pages.into_iter().map(|(out, bytes)| (out, String::from_utf8(bytes).unwrap())).collect()
        };
        match pages(&content) {
            Ok(pages) => {
                let pages = texts(pages);
                every_link_resolves(&pages);
                prop_assert_eq!(atom(&pages).entries.len(), pages["feed.json"].matches("\"id\": ").count());
            }
            // Paths that clash or leave the site are refused, nothing else is.
            Err(RenderError::Collision { .. } | RenderError::Path(_) | RenderError::FrontMatter { .. }) => {}
            Err(other) => prop_assert!(false, "{other}"),
        }
    }

    #[test]
    fn markdown_is_safe_whatever_it_is(raw in prop::sample::select(vec![RawHtml::Text, RawHtml::Clean]), text in "(?s)([<>\"'=&;#:/()\\[\\]!` \n]|script|img|src|on|javascript|a|href|\\PC){0,60}") {
        let html = markdown_to_html_with(&text, raw, |_| None);
        prop_assert_eq!(&ammonia::Builder::default()
            .url_schemes(["http", "https", "mailto"].into())
            .link_rel(None)
            .add_generic_attributes(["id", "class", "loading", "style"])
            .clean(&html).to_string(), &html);
    }
}

#[test]
fn a_post_shows_html_as_it_was_typed_and_nests_only_so_deep() {
    let html = markdown_to_html("A `Vec` is a Vec<u8>, or\n\n<div>\n*this*\n</div>\n");
    insta::assert_snapshot!(html, @r"
    <p>A <code>Vec</code> is a Vec&lt;u8&gt;, or</p>
    <p>&lt;div&gt;
    *this*
    &lt;/div&gt;
    </p>
    ");
    let html = markdown_to_html(&format!("{}deep", "> ".repeat(5000)));
    assert!(html.contains("deep"));
    assert_eq!(html.matches("<blockquote>").count(), 64);
}

#[test]
fn markdown_has_what_writers_use() {
    let html = markdown_to_html(
        "# One\n\n## Same\n\n## Same\n\n- [x] done\n- [ ] \"open\" -- ~~not~~\n\n\
         | a | b |\n|---|--:|\n| 1 | 2 |\n\nA note[^n].\n\n[^n]: Here.\n\n```rust\nfn main() {}\n```\n",
    );
    insta::assert_snapshot!(html, @r##"
    <h2 id="one">One</h2>
    <h3 id="same">Same</h3>
    <h3 id="same-2">Same</h3>
    <ul>
    <li><span class="task">☑</span> done</li>
    <li><span class="task">☐</span> “open” – <del>not</del></li>
    </ul>
    <div class="table"><table><thead><tr><th>a</th><th style="text-align:right">b</th></tr></thead><tbody>
    <tr><td>1</td><td style="text-align:right">2</td></tr>
    </tbody></table>
    </div>
    <p>A note<sup class="footnote-reference"><a href="#fn-n">1</a></sup>.</p>
    <div class="footnote-definition" id="fn-n"><sup class="footnote-definition-label">1</sup>
    <p>Here.</p>
    </div>
    <pre><code class="language-rust">fn main() {}
    </code></pre>
    "##);
}

fn pages_of(text: &str) -> BTreeMap<String, Vec<u8>> {
    pages(&Content {
        posts: vec![post(text, text, 0)],
        ..garden()
    })
    .unwrap()
}

fn list(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn the_folder_is_replaced_whole() {
    let temp = tempfile::tempdir().unwrap();
    let out = temp.path().join("public/garden");
    swap_in(&out, &pages_of("One")).unwrap();
    assert!(out.join("one.html").exists());
    swap_in(&out, &pages_of("Two")).unwrap();
    assert!(!out.join("one.html").exists());
    for (path, bytes) in pages_of("Two") {
        assert_eq!(fs::read(out.join(path)).unwrap(), bytes);
    }
    assert_eq!(list(out.parent().unwrap()), ["garden"]);
}

#[test]
fn a_killed_run_leaves_nothing_behind() {
    let temp = tempfile::tempdir().unwrap();
    let out = temp.path().join("garden");
    // Killed while it wrote, and killed before it removed the old folder.
    swap_in(&out, &pages_of("One")).unwrap();
    fs::create_dir_all(temp.path().join(".garden.new/half")).unwrap();
    fs::create_dir(temp.path().join(".garden.old")).unwrap();
    swap_in(&out, &pages_of("Two")).unwrap();
    assert_eq!(list(temp.path()), ["garden"]);

    // Killed between the renames, and then the disk is full: the old site is back.
    fs::rename(&out, temp.path().join(".garden.old")).unwrap();
    let bad = BTreeMap::from([("x".repeat(300), Vec::new())]);
    let error = swap_in(&out, &bad).unwrap_err();
    assert!(
        matches!(error, RenderError::Io { doing: "write", .. }),
        "{error}"
    );
    assert!(out.join("two.html").exists());
    assert_eq!(list(temp.path()), ["garden"]);
}

#[test]
fn a_folder_of_others_is_never_replaced() {
    let temp = tempfile::tempdir().unwrap();
    let pages = pages_of("One");
    let out = temp.path().join("thesis");
    fs::create_dir(&out).unwrap();
    swap_in(&out, &pages).unwrap();
    fs::remove_file(out.join(".well-known/microblot.json")).unwrap();
    let error = swap_in(&out, &pages).unwrap_err();
    assert!(matches!(error, RenderError::Foreign(_)), "{error}");
    assert!(out.join("one.html").exists());

    let taken = temp.path().join("file");
    fs::write(&taken, "x").unwrap();
    let error = swap_in(&taken, &pages).unwrap_err();
    assert!(matches!(error, RenderError::NoFolder(_)), "{error}");
    assert_eq!(fs::read(&taken).unwrap(), b"x");

    let error = swap_in(&out, &BTreeMap::from([("../x".into(), vec![])])).unwrap_err();
    assert!(matches!(error, RenderError::Path(_)), "{error}");
    assert_eq!(list(temp.path()), ["file", "thesis"]);
}

/// The sites that come with Microblot.
#[test]
fn the_shipped_sites_render() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in ["home", "garden", "workshop"] {
        let folder = root.join("sites").join(name);
        let files = list(&folder).into_iter().map(|file| FileEntry {
            bytes: fs::read(folder.join(&file)).unwrap(),
            path: format!("sites/{name}/{file}"),
            member: None,
        });
        let files: Vec<_> = files.collect();
        assert!(files.len() >= 2);
        let dated = files
            .iter()
            .filter(|file| file.path.contains("/2026-"))
            .count();
        let pages = render(&Content {
            files,
            base: vec![format!("sites/{name}/")],
            ..garden()
        });
        every_link_resolves(&pages);
        for page in pages.values() {
            for href in hrefs(main_or_all(page)) {
                assert!(!href.ends_with(".md"), "{name}: {href}");
            }
        }
        assert_eq!(atom(&pages).entries.len(), dated);
    }
}

fn main_or_all(page: &str) -> &str {
    page.split_once("<main").map_or("", |(_, main)| main)
}
