//! The feeds that a running `serve` gives to everybody.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use serde_json::Value;
use support::http::{Answer, get, send};
use support::world::{World, eventually};

on_both![
    a_post_is_in_the_feed_as_soon_as_it_is_published,
    an_unchanged_feed_is_not_sent_again,
    an_aggregate_has_the_posts_of_its_members,
    a_feed_is_bounded_by_number_and_by_size,
    a_rendered_site_has_its_feed_at_once,
    posts_in_files_are_not_lost,
    there_is_no_feed_of_what_is_no_site,
];

fn titles(answer: &Answer) -> Vec<String> {
    let feed = answer.json();
    let items = feed["items"].as_array().unwrap();
    let title = |item: &Value| item["title"].as_str().unwrap().to_owned();
    items.iter().map(title).collect()
}

fn etag(answer: &Answer) -> String {
    let line = answer.head.lines().find(|line| line.starts_with("etag: "));
    line.unwrap()["etag: ".len()..].to_owned()
}

fn a_post_is_in_the_feed_as_soon_as_it_is_published(mut world: World) {
    world.hooks.ignore_rest();
    world
        .estate
        .env("MICROBLOT_URL", "https://microblot.example.org/");
    world.hosted("foo", "");
    let serve = world.estate.serve();
    let url = serve.url();
    let feed = || get(&url, "/sites/foo/feed.json");
    eventually("the site is published", || {
        (feed().status == 200).then_some(())
    });
    assert_eq!(titles(&feed()), [""; 0]);

    let id = world.post("foo", "Hello <b>&amp; 日本");
    world.ok(&["new", "foo", "--title", "A draft", "--draft"]);
    world.ok(&[
        "new",
        "foo",
        "--title",
        "Later",
        "--publish-at",
        "2999-01-01 00:00",
    ]);
    world.ok(&[
        "new",
        "foo",
        "--title",
        "Earlier",
        "--publish-at",
        "2020-01-01 00:00",
    ]);
    let answer = feed();
    assert!(answer.head.contains("content-type: application/feed+json"));
    assert_eq!(titles(&answer), ["Hello <b>&amp; 日本", "Earlier"]);
    let json = answer.json();
    assert_eq!(json["version"], "https://jsonfeed.org/version/1.1");
    assert_eq!(json["title"], "The foo site");
    assert_eq!(json["home_page_url"], "https://foo.example.org/");
    assert_eq!(
        json["feed_url"],
        "https://microblot.example.org/sites/foo/feed.json"
    );
    let earlier = &json["items"][1];
    assert_eq!(earlier["id"], "https://foo.example.org/earlier.html");
    assert_eq!(earlier["url"], earlier["id"]);
    assert_eq!(earlier["date_published"], "2020-01-01T00:00:00Z");

    let answer = get(&url, "/sites/foo/feed.atom");
    assert!(answer.head.contains("content-type: application/atom+xml"));
    let atom: atom_syndication::Feed = answer.body.parse().unwrap();
    assert_eq!(atom.entries.len(), 2);
    assert_eq!(atom.entries[0].title.as_str(), "Hello <b>&amp; 日本");

    world.ok(&["edit", &id, "--title", "Hello again"]);
    assert_eq!(titles(&feed()), ["Hello again", "Earlier"]);
    world.ok(&["delete", &id]);
    assert_eq!(titles(&feed()), ["Earlier"]);
}

fn an_unchanged_feed_is_not_sent_again(mut world: World) {
    world.hooks.ignore_rest();
    world.hosted("foo", "");
    world.ok(&["reconcile"]);
    let id = world.post("foo", "Hello");
    let serve = world.estate.serve();
    let url = serve.url();
    for path in ["/sites/foo/feed.json", "/sites/foo/feed.atom"] {
        let first = get(&url, path);
        assert_eq!(first.status, 200);
        let tag = etag(&first);
        assert!(first.head.contains("cache-control: public, max-age=60"));
        let again = send(
            &url,
            "GET",
            path,
            &[("If-None-Match", &format!("\"x\", W/{tag}"))],
            b"",
        );
        assert_eq!((again.status, again.body.as_str()), (304, ""));
        assert_eq!(etag(&again), tag);
        assert_eq!(
            get(&url, path).body,
            first.body,
            "the same posts, the same bytes"
        );
        world.ok(&["edit", &id, "--title", &format!("Hello {path}")]);
        let changed = send(&url, "GET", path, &[("If-None-Match", tag)], b"");
        assert_eq!(changed.status, 200);
        assert!(changed.body.contains(path) && etag(&changed) != tag);
    }
    // What the site is called is in it as well.
    let before = etag(&get(&url, "/sites/foo/feed.json"));
    world.hosted("foo", "title = \"Another\"");
    eventually("the new title", || {
        let answer = get(&url, "/sites/foo/feed.json");
        (answer.json()["title"] == "Another" && etag(&answer) != before).then_some(())
    });
}

fn an_aggregate_has_the_posts_of_its_members(mut world: World) {
    world.hooks.ignore_rest();
    world.hosted("foo", "");
    world.hosted("bar", "");
    world.hosted("gone", "");
    world.hosted("all", "posts = \"all\"");
    world.hosted("some", "posts = [\"some\", \"bar\", \"gone\", \"never\"]");
    world.hosted("none", "posts = \"none\"");
    world.ok(&["reconcile"]);
    for (site, title) in [
        ("foo", "One"),
        ("bar", "Two"),
        ("some", "Three"),
        ("gone", "Four"),
        ("none", "Five"),
    ] {
        world.post(site, title);
    }
    world.undeclare("gone");
    world.ok(&["reconcile"]);
    let serve = world.estate.serve();
    let url = serve.url();
    let sorted = |site: &str| {
        let mut titles = titles(&get(&url, &format!("/sites/{site}/feed.json")));
        titles.sort();
        titles
    };
    assert_eq!(sorted("all"), ["Five", "One", "Three", "Two"]);
    assert_eq!(sorted("some"), ["Three", "Two"]);
    assert_eq!(sorted("none"), [""; 0]);
    // Each under the address of the site that it is of.
    let feed = get(&url, "/sites/some/feed.json").json();
    let mut ids: Vec<_> = feed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    assert_eq!(
        ids,
        [
            "https://bar.example.org/two.html",
            "https://some.example.org/three.html"
        ]
    );
}

fn a_feed_is_bounded_by_number_and_by_size(mut world: World) {
    world.hooks.ignore_rest();
    world.hosted("many", "");
    world.hosted("large", "");
    world.hosted("all", "posts = \"all\"");
    world.ok(&["reconcile"]);
    for number in 0..52 {
        let (title, at) = (format!("N{number}"), format!("2020-01-01 00:{number:02}"));
        world.ok(&["new", "many", "--title", &title, "--publish-at", &at]);
    }
    let text = "word ".repeat(100_000);
    world.estate.write("long.md", &text);
    for (number, at) in ["2021-01-01 00:00", "2021-01-02 00:00", "2021-01-03 00:00"]
        .iter()
        .enumerate()
    {
        let title = format!("L{number}");
        let new = ["new", "large", "--title", &title, "--file", "long.md"];
        world.ok(&[&new[..], &["--publish-at", at]].concat());
    }
    let serve = world.estate.serve();
    let url = serve.url();
    let newest = titles(&get(&url, "/sites/many/feed.json"));
    assert_eq!(newest.len(), 50);
    assert_eq!((newest[0].as_str(), newest[49].as_str()), ("N51", "N2"));
    assert_eq!(titles(&get(&url, "/sites/large/feed.json")), ["L2", "L1"]);
    let all = titles(&get(&url, "/sites/all/feed.json"));
    assert_eq!(all, ["L2", "L1"], "the newest, as far as there is room");
}

fn a_rendered_site_has_its_feed_at_once(mut world: World) {
    world.rendered("foo", "debounce = \"0s\"");
    let serve = world.estate.serve();
    let url = serve.url();
    eventually("the first build", || {
        (get(&url, "/sites/foo/index.html").status == 200).then_some(())
    });
    world.ok(&["pause", "foo"]);
    world.post("foo", "Not built");
    let live = get(&url, "/sites/foo/feed.json");
    assert_eq!(titles(&live), ["Not built"]);
    assert!(
        !world
            .estate
            .read("public/foo/feed.json")
            .contains("Not built")
    );
    // Everything else is as it was built.
    assert!(
        !get(&url, "/sites/foo/index.html")
            .body
            .contains("Not built")
    );
    assert_eq!(get(&url, "/sites/foo/style.css").status, 200);
    // The site's own feed says the same, once it is built.
    world.ok(&["resume", "foo"]);
    eventually("the next build", || {
        let built = world.estate.read("public/foo/feed.json");
        let built: Value = serde_json::from_str(&built).ok()?;
        (built["items"] == live.json()["items"]).then_some(())
    });
}

/// Only the renderer knows which files are posts: the feed is the one that it wrote.
fn posts_in_files_are_not_lost(mut world: World) {
    let post = "+++\ndate = 2026-11-20\n+++\n# From a file\n";
    world.estate.write("foo/a.md", post);
    world.rendered("foo", "debounce = \"0s\"\nfiles = [\"foo/**\"]");
    world.rendered(
        "all",
        "debounce = \"0s\"\nposts = \"all\"\nfiles = [\"foo/**\"]",
    );
    let serve = world.estate.serve();
    let url = serve.url();
    eventually("the site is published", || {
        (get(&url, "/sites/foo/feed.json").status == 200).then_some(())
    });
    world.post("foo", "From a chat");
    for site in ["foo", "all"] {
        let path = format!("/sites/{site}/feed.json");
        let answer = eventually("both are in it", || {
            let answer = get(&url, &path);
            let both = answer.status == 200 && titles(&answer).len() == 2;
            both.then_some(answer)
        });
        assert!(answer.head.contains("content-type: application/feed+json"));
        let known = [("If-None-Match", etag(&answer))];
        assert_eq!(send(&url, "GET", &path, &known, b"").status, 304);
    }
}

fn there_is_no_feed_of_what_is_no_site(mut world: World) {
    world.hooks.ignore_rest();
    world.hosted("foo", "");
    world.hosted("bar", "");
    world.ok(&["reconcile"]);
    world.post("bar", "Hello");
    world.undeclare("bar");
    world.ok(&["reconcile"]);
    let serve = world.estate.serve();
    let url = serve.url();
    for path in [
        "/sites/bar/feed.json",
        "/sites/never/feed.json",
        "/sites/No%20Name/feed.atom",
        "/sites/%2e%2e/feed.json",
    ] {
        assert_eq!(get(&url, path).status, 404, "{path}");
    }
    assert_eq!(get(&url, "/sites/foo/feed.json").status, 200);
}
