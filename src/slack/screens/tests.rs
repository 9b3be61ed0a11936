use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Serialize;
use serde_json::Value;

use super::actions::*;
use super::editor::{EditorForm, Saved, Typed};
use super::home::{Blog, Home};
use super::messages::HelpLine;
use super::posts::{PostRow, PostsPage};
use super::sites::{InfoView, Mood, SiteRowView, SiteView};
use super::split::{LONGEST, Parts, join_body, split_body};
use super::telling::Told;
use super::*;
use crate::chat::grammar::Which;
use crate::model::{
    Attention, BuildId, BuildState, Counts, Decision, InputProblem, Inputs, Millis, Origin, Plan,
    PlanId, PostId, PostState, Refusal, Share, SiteName, SitePlan,
};
use crate::slack::blocks::limits::check;
use crate::slack::blocks::tests::hostile;
use crate::slack::blocks::units;
use crate::store::BuildRow;
use crate::store::Flood;

const AT: Millis = Millis(1_763_700_000_000);

fn site(n: usize) -> SiteName {
    format!("site-{n}").parse().unwrap()
}

fn id(n: u128) -> PostId {
    PostId::from_random(n)
}

fn json(screen: &impl Serialize) -> Value {
    let value = serde_json::to_value(screen).unwrap();
    assert_eq!(check(&value), [""; 0], "{value:#}");
    // Slack refuses messages that are too long as a whole, and does not say from where on.
    let length = value.to_string().len();
    assert!(
        length < 100_000 || value["type"] == "modal",
        "{length} bytes"
    );
    assert_actions_are_read(&value);
    value
}

/// Every button and menu means something to this program.
fn assert_actions_are_read(value: &Value) {
    match value {
        Value::Array(values) => values.iter().for_each(assert_actions_are_read),
        Value::Object(fields) => {
            let action_id = fields.get("action_id").and_then(Value::as_str);
            let values: Vec<Option<&str>> = match fields.get("type").and_then(Value::as_str) {
                Some("button") => vec![fields.get("value").and_then(Value::as_str)],
                Some("overflow") => fields["options"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|option| option["value"].as_str())
                    .collect(),
                _ => vec![],
            };
            for value in values {
                let action = Action::parse(action_id.unwrap(), value);
                assert!(action.is_some(), "{action_id:?} {value:?}");
            }
            fields.values().for_each(assert_actions_are_read);
        }
        _ => {}
    }
}

/// What a person sees: a line for each thing.
fn seen(screen: &impl Serialize) -> String {
    fn text(value: &Value) -> &str {
        value["text"].as_str().unwrap_or_default()
    }
    fn element(value: &Value) -> String {
        match value["type"].as_str().unwrap() {
            "overflow" => value["options"]
                .as_array()
                .unwrap()
                .iter()
                .map(|option| text(&option["text"]))
                .collect::<Vec<_>>()
                .join("/"),
            "plain_text_input" => value["initial_value"].as_str().unwrap_or("").to_owned(),
            "static_select" => text(&value["initial_option"]["text"]).to_owned(),
            "datetimepicker" => value["initial_date_time"].to_string(),
            _ => text(&value["text"]).to_owned(),
        }
    }
    let screen = json(screen);
    let mut out = String::new();
    for word in ["title", "submit", "close"] {
        if screen[word].is_object() {
            out.push_str(&format!("{word}: {}\n", text(&screen[word])));
        }
    }
    for block in screen["blocks"].as_array().unwrap() {
        let elements = || block["elements"].as_array().unwrap().iter();
        out.push_str(&match block["type"].as_str().unwrap() {
            "section" if block["accessory"].is_object() => {
                format!(
                    "{}  [{}]",
                    text(&block["text"]),
                    element(&block["accessory"])
                )
            }
            "section" => text(&block["text"]).to_owned(),
            "header" => format!("# {}", text(&block["text"])),
            "context" => elements().map(|e| format!("({})", text(e))).collect(),
            "actions" => elements().map(|e| format!("[{}] ", element(e))).collect(),
            "input" => format!(
                "{}: {{{}}}",
                text(&block["label"]),
                element(&block["element"])
            ),
            other => format!("--- {other}"),
        });
        out.push('\n');
    }
    out.lines()
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join("\n")
}

fn row(n: usize, text: &str, mood: Mood) -> SiteRowView {
    SiteRowView {
        name: site(n),
        title: text.to_owned(),
        url: format!("https://{n}.example.org/"),
        mood,
        reason: text.to_owned(),
        may_resume: matches!(mood, Mood::Paused | Mood::Attention),
    }
}

fn post(n: u128, title: &str, state: PostState) -> PostRow {
    PostRow {
        id: id(n),
        title: title.to_owned(),
        site_title: "Foo Team".to_owned(),
        state,
        publish_at: (state != PostState::Draft).then_some(AT),
        updated_at: AT,
        url: (state == PostState::Published).then(|| "https://foo.example.org/hi".to_owned()),
        may_change: true,
    }
}

fn build(state: BuildState, text: &str) -> BuildRow {
    BuildRow {
        id: BuildId::new("01936b9e-0000-7000-8000-000000000000"),
        content_hash: "sha256:00".to_owned(),
        builder: "render".to_owned(),
        reason: text.to_owned(),
        requested_by: Some("ann".to_owned()),
        state,
        fired_at: AT,
        ended_at: state.is_over().then_some(Millis(AT.0 + 42_000)),
        detail: (state == BuildState::Failed).then(|| text.to_owned()),
    }
}

fn a_plan(sites: usize, text: &str) -> Plan {
    let sites: Vec<SitePlan> = (0..sites)
        .map(|n| SitePlan {
            site: site(n),
            origin: Origin::File,
            source: None,
            wanted: None,
            built: None,
            changed: Inputs::default(),
            cause: None,
            news: None,
            hold: None,
            decision: Decision::Attention(match n % 2 {
                0 => Attention::Broken {
                    error: text.to_owned(),
                },
                _ => Attention::Unreadable(InputProblem {
                    message: text.to_owned(),
                }),
            }),
        })
        .collect();
    Plan {
        id: PlanId(crate::model::Digest::of_bytes(b"")),
        now: AT,
        counts: Counts {
            attention: sites.len(),
            ..Counts::default()
        },
        sites,
        budget: None,
    }
}

fn form(text: &str, parts: Parts) -> EditorForm {
    EditorForm {
        meta: EditorMeta {
            post: Some(id(1)),
            response_url: Some(text.to_owned()),
            request: Some(text.to_owned()),
            ..EditorMeta::default()
        },
        sites: vec![
            (site(1), "Foo Team".to_owned()),
            (site(2), "Bar".to_owned()),
        ],
        site: Some(site(2)),
        title: text.to_owned(),
        text: parts,
        category: Some(text.to_owned()),
        at: Some(AT),
        notice: Some(text.to_owned()),
    }
}

#[test]
fn short_answers() {
    insta::assert_snapshot!(seen(&messages::note("Paused until `2h` from now.")), @r###"Paused until `2h` from now."###);
    insta::assert_snapshot!(seen(&messages::refusal("`site-1` belongs to sites.toml:14.")), @r###":no_entry_sign: `site-1` belongs to sites.toml:14."###);
    insta::assert_snapshot!(seen(&messages::misread("I don't know `nwe`. Did you mean `new`?", "/microblot new [SITE]")), @r###"
I don't know `nwe`. Did you mean `new`?
(Try `/microblot new [SITE]`, or `/microblot help` for everything.)
"###);
    insta::assert_snapshot!(seen(&messages::help(&[("What you can do", vec![
        HelpLine { usage: "new [SITE]", summary: "Write a post.", example: Some("new foo") },
        HelpLine { usage: "", summary: "Your blogs.", example: None },
    ])])), @r###"
# What you can do
`/microblot new [SITE]`
Write a post.  For example `/microblot new foo`.
`/microblot`
Your blogs.

[Write a post] [Your blogs]
"###);
    insta::assert_snapshot!(seen(&messages::export("[sites.foo]\ntitle = \"Foo\"\n")), @r###"
Paste this into `sites.toml`. From then on the file owns these sites, and nothing is built again for it.
```
[sites.foo]
title = "Foo"
```
"###);
    insta::assert_snapshot!(seen(&messages::export("")), @r###"No site was made in chat: there is nothing to export."###);
    insta::assert_snapshot!(seen(&messages::unfollow_question("C012AB3CD", "Foo Team", 12)), @r###"
Stop mirroring <#C012AB3CD> into *Foo Team*? 12 posts came from it.
[Stop, keep the posts] [Stop, delete the posts] [Cancel]
"###);
    insta::assert_snapshot!(seen(&messages::unfollow_question("C012AB3CD", "Foo Team", 0)), @r###"
Stop mirroring <#C012AB3CD> into *Foo Team*? No post came from it.
[Stop] [Cancel]
"###);
}

#[test]
fn sites_and_builds() {
    insta::assert_snapshot!(seen(&sites::sites(&[
        row(1, "up to date", Mood::Settled),
        row(2, "stalled; `/microblot resume site-2`", Mood::Attention),
    ], 1, 3, Some("error: unknown key"))), @r###"
# Sites
:warning: `sites.toml` is not in force as it stands; what was last published is.
```
error: unknown key
```
:large_green_circle: *<https://1.example.org/|up to date>*  `site-1`
up to date  [Details]
:red_circle: *<https://2.example.org/|stalled; `/microblot resume site-2`>*  `site-2`
stalled; `/microblot resume site-2`  [Details]
(Page 2 of 3)
[← Previous] [Next →]
"###);
    insta::assert_snapshot!(seen(&sites::sites(&[], 0, 0, None)), @r###"
# Sites
No site yet. `/microblot site add NAME` makes one, or somebody declares it in `sites.toml`.
"###);
    insta::assert_snapshot!(seen(&sites::status(&SiteView {
        row: row(1, "paused by ann", Mood::Paused),
        built_at: Some(AT),
        recent: vec![build(BuildState::Live, "posts changed"), build(BuildState::Failed, "no such theme")],
        may_run: true,
        problem: None,
    })), @r###"
:double_vertical_bar: *<https://1.example.org/|paused by ann>*  `site-1`
paused by ann
(Last built <!date^1763700000^{date_short_pretty} {time}|2025-11-21 04:40 UTC>)
:white_check_mark: Live · <!date^1763700000^{date_short_pretty} {time}|2025-11-21 04:40 UTC> · posts changed · asked for by ann · took 42s
:x: Failed · <!date^1763700000^{date_short_pretty} {time}|2025-11-21 04:40 UTC> · no such theme · asked for by ann · took 42s
`no such theme`
[Resume] [Rebuild] [History] [Open the site]
"###);
    insta::assert_snapshot!(seen(&sites::history(&site(1), "Foo Team", "https://foo.example.org/", &[
        build(BuildState::Claimed, "asked for by ann"),
        build(BuildState::Accepted, "first build"),
    ], Millis(AT.0 + 5000))), @r###"
# Builds of Foo Team
:hammer_and_wrench: Building · <!date^1763700000^{date_short_pretty} {time}|2025-11-21 04:40 UTC> · asked for by ann · for 5s now
:outbox_tray: Handed over · <!date^1763700000^{date_short_pretty} {time}|2025-11-21 04:40 UTC> · first build · asked for by ann · took 42s
[Status] [Open the site]
"###);
    insta::assert_snapshot!(seen(&sites::plan(&a_plan(2, "no such file: `x`"))), @r###"
# Plan
```
  ! site-0  attention  the build of this very content failed: no such file: `x`; edit it or run `/microblot rebuild site-0`
  ! site-1  attention  no such file: `x`

Plan: 0 to build, 0 waiting, 2 need attention, 0 to forget, 0 unchanged.
```
"###);
    insta::assert_snapshot!(seen(&sites::info(&InfoView {
        name: site(1),
        title: "Foo Team".to_owned(),
        url: "https://foo.example.org/".to_owned(),
        feeds: vec!["https://foo.example.org/feed.json".to_owned()],
        published: 3,
        drafts: 1,
        scheduled: 0,
        channels: vec!["C1".to_owned()],
        source: "sites.toml:14".to_owned(),
    })), @r###"
*<https://foo.example.org/|Foo Team>*  `site-1`
3 published, 1 draft, 0 to come
Feed: <https://foo.example.org/feed.json|https://foo.example.org/feed.json>
(Mirrors <#C1>)
(Declared in sites.toml:14)
[New post] [Drafts] [All posts] [Open the blog]
"###);
}

#[test]
fn lists_of_posts() {
    let of = ListOf {
        site: None,
        which: Which::Mine,
        page: 1,
    };
    insta::assert_snapshot!(seen(&posts::posts(&PostsPage {
        of: of.clone(),
        site_title: None,
        rows: vec![
            post(1, "A draft", PostState::Draft),
            post(2, "Later", PostState::Scheduled),
            post(3, "Hello <world> & all", PostState::Published),
            PostRow { may_change: false, ..post(4, "Not yours", PostState::Published) },
        ],
        total: 31,
    })), @r###"
# Your posts
*A draft*
:pencil2: Draft, changed <!date^1763700000^{date_short_pretty} {time}|2025-11-21 04:40 UTC> · Foo Team · `1000000000`  [Edit/Preview/Publish now/Delete …]
*Later*
:clock3: To be published <!date^1763700000^{date_short_pretty} {time}|2025-11-21 04:40 UTC> · Foo Team · `2000000000`  [Edit/Preview/Publish now/Delete …]
*<https://foo.example.org/hi|Hello &lt;world&gt; &amp; all>*
Published <!date^1763700000^{date_short_pretty} {time}|2025-11-21 04:40 UTC> · Foo Team · `3000000000`  [Edit/Preview/Delete …]
*<https://foo.example.org/hi|Not yours>*
Published <!date^1763700000^{date_short_pretty} {time}|2025-11-21 04:40 UTC> · Foo Team · `4000000000`
(Page 2 of 4, 31 posts)
[← Previous] [Next →] [New post]
"###);
    insta::assert_snapshot!(seen(&posts::posts_view(&PostsPage {
        of: ListOf { site: Some(site(1)), which: Which::Drafts, page: 0 },
        site_title: Some("Foo Team".to_owned()),
        rows: vec![],
        total: 0,
    })), @r###"
title: Drafts
close: Close
# Drafts of Foo Team
No drafts that you can see.
[New post]
"###);
    insta::assert_snapshot!(seen(&posts::confirm_delete(&post(3, "Hello", PostState::Published))), @r###"
Delete *Hello* from *Foo Team*? It goes from the site as soon as the site is built.
[Delete] [Keep it]
"###);
}

#[test]
fn the_editor() {
    let mut new = form("Hello", split_body("Some *text*").unwrap());
    new.meta = EditorMeta::default();
    new.notice = None;
    insta::assert_snapshot!(seen(&editor::editor(&new)), @r###"
title: New post
submit: Publish
close: Cancel
Title: {Hello}
Blog: {Bar}
Text: {Some *text*}
More text: {}
Category: {Hello}
Publish at: {1763700000}
[Save draft] [Save draft and preview]
"###);
    let mut old = form("Hello", split_body(&"word ".repeat(700)).unwrap());
    old.meta.stage = Stage::Published;
    old.meta.site = Some(site(1));
    old.notice = Some("Saved.".to_owned());
    insta::assert_snapshot!(seen(&editor::editor(&old)).replace("word ", ""), @r###"
title: Edit post
submit: Save
close: Cancel
Saved.
Title: {Hello}
Text: {word}
Text, part 2: {}
More text: {}
Category: {Hello}
Publish at: {1763700000}
[Preview]
"###);
    insta::assert_snapshot!(seen(&editor::saved(&id(1), "Hello", &site(1), "Foo Team", &Saved::Draft)), @r###"
title: Saved
close: Close
:floppy_disk: *Hello* is saved as a draft. Nobody sees it yet.
[Edit] [Preview] [Publish now] [All posts]
"###);
    insta::assert_snapshot!(seen(&editor::saved(&id(1), "Hello", &site(1), "Foo Team", &Saved::Published { obstacle: None })), @r###"
title: Saved
close: Close
:white_check_mark: *Hello* is on its way to *Foo Team*. You get a message when it is live.
[Edit] [Preview] [All posts]
"###);
    insta::assert_snapshot!(seen(&editor::preview_view("Hello", "https://blog.example.org/preview/x", AT)), @r###"
title: Preview
close: Close
:eyes: <https://blog.example.org/preview/x|Hello> is ready to look at.
(Whoever has the link can see it, until <!date^1763700000^{date_short_pretty} {time}|2025-11-21 04:40 UTC>. Search engines cannot.)
[Open the preview]
"###);
    insta::assert_snapshot!(seen(&editor::too_long(&id(1), "War and Peace")), @r###"*War and Peace* is too long for Slack's editor, which takes 48,000 characters. Edit it on the command line: `microblot edit 1000000000 --file post.md`"###);
}

/// Nothing that a workspace can do lets it through, and it is not told of the sites of others.
#[test]
fn a_site_that_a_safety_rail_refused_is_the_operators() {
    let mut all = a_plan(1, "x");
    all.sites[0].decision = Decision::Attention(Attention::Refused(Refusal {
        count: 4711,
        total: 5813,
        limit: Share(50),
    }));
    let row = SiteRowView::new(&all.sites[0], AT, "Foo", "https://foo.example.org/");
    let status = seen(&sites::status(&SiteView {
        row,
        built_at: None,
        recent: Vec::new(),
        may_run: true,
        problem: None,
    }));
    for shown in [status, seen(&sites::plan(&all))] {
        assert!(
            shown.contains("an operator has to let them through"),
            "{shown}"
        );
        for word in ["[Resume]", "4711", "5813", "--force", "adopt"] {
            assert!(!shown.contains(word), "{word} in {shown}");
        }
    }
}

#[test]
fn home() {
    let home = Home {
        blogs: vec![
            Blog {
                row: row(1, "posts changed", Mood::Building),
                published: 1,
                drafts: 2,
            },
            Blog {
                row: row(2, "broken", Mood::Attention),
                published: 0,
                drafts: 0,
            },
        ],
        drafts: vec![post(1, "A draft", PostState::Draft)],
    };
    insta::assert_snapshot!(seen(&home::home_tab(&home)), @r###"
# Your blogs
*<https://1.example.org/|posts changed>*
1 published post
[New post] [Drafts (2)] [Posts]
*<https://2.example.org/|broken>*
0 published posts
[New post] [Drafts (0)] [Posts]
[All your posts] [How sites are]
# Your drafts
*A draft*
:pencil2: Draft, changed <!date^1763700000^{date_short_pretty} {time}|2025-11-21 04:40 UTC> · Foo Team · `1000000000`  [Edit/Preview/Publish now/Delete …]
--- divider
# Building
:hammer_and_wrench: *<https://1.example.org/|posts changed>*  `site-1`
posts changed  [Details]
--- divider
# Needs attention
:red_circle: *<https://2.example.org/|broken>*  `site-2`
broken  [Details]
"###);
    insta::assert_snapshot!(seen(&home::main_modal(&Home::default())), @r###"
title: Microblot
close: Close
# Your blogs
This workspace has no blog yet. Whoever runs Microblot can declare one in `sites.toml`, and admins can make one with `/microblot site add NAME`.
"###);
}

#[test]
fn tellings() {
    let told = |action, state, detail| {
        telling::told(&Told {
            action,
            subject: (action != "rebuild").then_some("Hello"),
            site: Some(&"foo".parse().unwrap()),
            site_title: "Foo Team",
            url: "https://foo.example.org/",
            state,
            detail,
            at: AT,
        })
    };
    let mut all = String::new();
    for (action, state, detail) in [
        ("new", "waiting", Some("builds in about 10 s")),
        ("edit", "waiting", None),
        ("edit", "building", None),
        ("publish post", "live", None),
        ("new", "accepted", None),
        ("delete", "failed", Some("theme.html: <b> & `x`")),
        ("rebuild", "stalled", Some("404: the hook is gone")),
        ("rebuild", "unchanged", None),
        ("rebuild", "lost", None),
        ("rebuild", "unknown", None),
        ("site add", "superseded", None),
        ("edit", "retrying", Some("connection refused")),
        ("build", "stuck", Some("connection refused")),
        ("new", "removed", None),
        ("build", "strange", None),
    ] {
        all.push_str(&seen(&told(action, state, detail)));
        all.push('\n');
    }
    insta::assert_snapshot!(all, @r###"
:hourglass_flowing_sand: New post *Hello* on *Foo Team*
Saved, builds in about 10 s
:hourglass_flowing_sand: Change of *Hello* on *Foo Team*
Saved. The site is built in a moment.
:hammer_and_wrench: Change of *Hello* on *Foo Team*
Building since <!date^1763700000^{date_short_pretty} {time}|2025-11-21 04:40 UTC>
:white_check_mark: Publication of *Hello* on *Foo Team*
Live at <https://foo.example.org/|https://foo.example.org/> since <!date^1763700000^{date_short_pretty} {time}|2025-11-21 04:40 UTC>
[Open the site]
:outbox_tray: New post *Hello* on *Foo Team*
Netlify took it <!date^1763700000^{date_short_pretty} {time}|2025-11-21 04:40 UTC>. It tells no more: look at the site in a while.
[Open the site]
:x: Removal of *Hello* from *Foo Team*
The build failed <!date^1763700000^{date_short_pretty} {time}|2025-11-21 04:40 UTC>. What is live stays as it was.
```
theme.html: &lt;b&gt; &amp; `x`
```
[Rebuild] [History] [Open the site]
:octagonal_sign: Rebuild of *Foo Team*
The build could not be started, and is not tried again by itself. What is live stays as it was.
```
404: the hook is gone
```
[Rebuild] [History] [Open the site]
:white_check_mark: Rebuild of *Foo Team*
Already live: nothing to build.
[Open the site]
:grey_question: Rebuild of *Foo Team*
No news of the build for too long: nobody knows how it ended.
[Rebuild] [History] [Open the site]
:grey_question: Rebuild of *Foo Team*
Sent, but no answer came. It may be building; you are told when it is known.
:fast_forward: New site *Foo Team*
A newer build took its place.
[Open the site]
:hourglass_flowing_sand: Change of *Hello* on *Foo Team*
Saved, but the build could not be started yet. It is tried again by itself.
```
connection refused
```
:octagonal_sign: *Foo Team*
The build could not be started, many times in a row. It is tried once an hour. What is live stays as it was.
```
connection refused
```
[Rebuild] [History] [Open the site]
:wastebasket: New post *Hello* on *Foo Team*
The site was removed before it was built.
:information_source: *Foo Team*
It is strange.
[Open the site]
"###);
    let digest: Flood = serde_json::from_str(
        r#"{"states": {"live": 98, "failed": 2, "odd": 1}, "sites": ["a", "b"]}"#,
    )
    .unwrap();
    insta::assert_snapshot!(seen(&telling::digest(&digest, AT)), @r###"
:bar_chart: *101 sites were built*, <!date^1763700000^{date_short_pretty} {time}|2025-11-21 04:40 UTC>
:white_check_mark: 98 live
:x: 2 failed
:grey_question: 1 odd
(`a`, `b` and 99 more)
[See all sites]
"###);
}

#[test]
fn what_is_typed_comes_back_as_one_text() {
    let text = format!("{}\n\n{}", "a".repeat(2000), "b c ".repeat(700));
    let text = text.trim();
    let parts = split_body(text).unwrap();
    assert_eq!(parts.joins, "p");
    let meta = EditorMeta {
        joins: parts.joins.clone(),
        ..EditorMeta::default()
    };
    let mut fields: BTreeMap<String, String> = parts
        .parts
        .iter()
        .enumerate()
        .map(|(at, part)| (editor::body(at), part.clone()))
        .collect();
    fields.insert("title".to_owned(), " A \n title ".to_owned());
    fields.insert("site".to_owned(), "foo".to_owned());
    fields.insert("when".to_owned(), "1763700000".to_owned());
    fields.insert("category".to_owned(), " ".to_owned());
    let typed = Typed::read(&meta, |field| fields.get(field).cloned());
    assert_eq!(typed.body(), text);
    assert_eq!(
        (typed.title.as_str(), typed.at, &typed.category),
        ("A title", Some(AT), &None)
    );
    assert_eq!(typed.problems(), BTreeMap::new());

    fields.insert(editor::body(2), "more".to_owned());
    let typed = Typed::read(&meta, |field| fields.get(field).cloned());
    assert_eq!(typed.body(), format!("{text}\n\nmore"));
    // Shown again, it is in the same fields, with room for more.
    assert_eq!(typed.text.joins, "pp");

    // Somebody emptied the first field.
    fields.remove(&editor::body(0));
    let typed = Typed::read(&meta, |field| fields.get(field).cloned());
    assert!(typed.body().starts_with("b c") && typed.body().ends_with("\n\nmore"));
}

#[test]
fn problems_are_told_at_their_fields() {
    let nothing = Typed::read(&EditorMeta::default(), |_| None);
    // A text is no need: messages of one line are posts that are a title alone.
    let fields: Vec<_> = nothing.problems().into_keys().collect();
    assert_eq!(fields, ["site", "title"]);
    let long = Typed {
        title: "x".repeat(129),
        site: Some(site(1)),
        text: Parts {
            parts: vec!["x".repeat(2990); 17],
            joins: "p".repeat(16),
        },
        ..nothing
    };
    let fields: Vec<_> = long.problems().into_keys().collect();
    assert_eq!(fields, ["body.0", "title"]);
}

#[test]
fn a_text_is_split_where_it_reads_best() {
    let split = |text: &str| {
        let Parts { parts, joins } = split_body(text).unwrap();
        (
            parts
                .iter()
                .map(|part| part.chars().count())
                .collect::<Vec<_>>(),
            joins,
        )
    };
    assert_eq!(split(""), (vec![0], String::new()));
    assert_eq!(split(&"x".repeat(3000)), (vec![3000], String::new()));
    assert_eq!(split(&"x".repeat(3001)), (vec![3000, 1], "x".to_owned()));
    assert_eq!(
        split(&format!(
            "{}\n\n{} {}",
            "x".repeat(2000),
            "y".repeat(900),
            "z".repeat(900)
        )),
        (vec![2000, 1801], "p".to_owned())
    );
    assert_eq!(
        split(&format!(
            "{}\n{} {}",
            "x".repeat(2000),
            "y".repeat(900),
            "z".repeat(900)
        )),
        (vec![2000, 1801], "n".to_owned())
    );
    assert_eq!(
        split(&format!("{} {}", "x".repeat(2000), "y".repeat(2000))),
        (vec![2000, 2000], "s".to_owned())
    );
    assert_eq!(split_body(&"x".repeat(48_001)).unwrap_err().length, 48_001);
}

#[test]
fn the_editor_remembers_what_it_was_opened_for() {
    let mut form = form("x", split_body(&"word ".repeat(1400)).unwrap());
    form.meta.seen = Some(crate::model::Digest::of_bytes(b"x"));
    let view = json(&editor::editor(&form));
    let meta = EditorMeta::parse(view["private_metadata"].as_str().unwrap()).unwrap();
    assert_eq!(
        meta,
        EditorMeta {
            joins: "ss".to_owned(),
            ..form.meta.clone()
        }
    );
    assert_eq!(
        Callback::parse(view["callback_id"].as_str().unwrap()),
        Some(Callback::Editor)
    );
    assert_eq!(EditorMeta::parse(""), None);
    form.meta.response_url = Some("x".repeat(5000));
    let view = json(&editor::editor(&form));
    let meta = EditorMeta::parse(view["private_metadata"].as_str().unwrap()).unwrap();
    assert_eq!((meta.post, meta.response_url), (form.meta.post, None));
}

#[test]
fn an_action_is_read_as_it_was_written_and_nothing_else_is() {
    let list = ListOf {
        site: Some(site(1)),
        which: Which::Drafts,
        page: 7,
    };
    let unfollow = Unfollow {
        channel: "C1".to_owned(),
        drop_posts: true,
    };
    for action in [
        Action::Home,
        Action::New(None),
        Action::New(Some(site(1))),
        Action::List(list),
        Action::Edit(id(1)),
        Action::Preview(id(1)),
        Action::Publish(id(1)),
        Action::AskDelete(id(1)),
        Action::Delete(id(1)),
        Action::SaveDraft,
        Action::SaveAndPreview,
        Action::Sites(3),
        Action::Info(site(1)),
        Action::Status(site(1)),
        Action::History(site(1)),
        Action::Rebuild(site(1)),
        Action::Resume(site(1)),
        Action::Plan,
        Action::Unfollow(unfollow),
        Action::Dismiss,
        Action::Opened,
    ] {
        let value = action.value();
        assert_eq!(
            Action::parse(action.id(), Some(&value)),
            Some(action.clone())
        );
        assert_eq!(
            Action::parse(&format!("{}:2", action.id()), Some(&value)),
            Some(action.clone())
        );
        let chosen = format!("{} {value}", action.id());
        assert_eq!(Action::parse(MORE, Some(&chosen)), Some(action));
    }
    for (id, value) in [
        ("post.edit", None),
        ("post.edit", Some("../etc")),
        ("site.rebuild", Some("A B")),
        ("list", Some("{")),
        ("list", Some(r#"{"which":"all","page":-1}"#)),
        ("sites", Some("-1")),
        ("more", Some("more more home")),
        ("more", None),
        ("what", None),
        ("", None),
    ] {
        assert_eq!(Action::parse(id, value), None, "{id} {value:?}");
    }
}

#[test]
fn the_longest_text_is_a_view_that_slack_takes() {
    // The last one has a place to part it just behind the middle of each field.
    let parted = format!("{} ", "x".repeat(1_501));
    for piece in ["x", "語", "🦀", "\"", "x\n", "x \n\n", &parted] {
        let text: String = piece.repeat(LONGEST / units(piece));
        assert!((40_000..=LONGEST).contains(&units(&text)));
        let parts = split_body(&text).unwrap();
        assert!(parts.parts.len() <= 33, "{}", parts.parts.len());
        json(&editor::editor(&form("x", parts)));
        assert!(split_body(&format!("{text}{parted}{parted}")).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_text_survives_its_fields(pieces in proptest::collection::vec(
        prop_oneof![
            "[a-z]{1,900}", any::<String>(), Just("\n\n".to_owned()), Just("\n".to_owned()),
            Just(" ".repeat(700)), Just("\n".repeat(1200)), Just("🦀".repeat(400)), Just("\r\n".to_owned()),
        ], 0..90)
    ) {
        let text = pieces.concat();
        match split_body(&text) {
            Err(too_long) => prop_assert!(too_long.length > LONGEST),
            Ok(Parts { parts, joins }) => {
                prop_assert_eq!(parts.len(), joins.len() + 1);
                prop_assert!(parts.len() <= 33);
                prop_assert!(parts.len() == 1 || parts.iter().all(|part| !part.is_empty()));
                prop_assert_eq!(join_body(parts.iter().map(String::as_str), &joins), text.as_str());
                // And through the editor, with every view within its limits.
                let view = json(&editor::editor(&form("x", Parts { parts: parts.clone(), joins: joins.clone() })));
                let meta = EditorMeta::parse(view["private_metadata"].as_str().unwrap()).unwrap();
                let fields: BTreeMap<&str, &str> = view["blocks"].as_array().unwrap().iter()
                    .filter_map(|block| Some((block["block_id"].as_str()?, block["element"]["initial_value"].as_str()?)))
                    .collect();
                let typed = Typed::read(&meta, |field| fields.get(field).map(|&text| text.to_owned()));
                prop_assert_eq!(typed.body(), text);
            }
        }
    }

    #[test]
    fn no_value_from_slack_is_too_strange(id in any::<String>(), value in any::<String>()) {
        Action::parse(&id, Some(&value));
        Action::parse(MORE, Some(&value));
        EditorMeta::parse(&value);
        let meta = EditorMeta { joins: id, ..EditorMeta::default() };
        Typed::read(&meta, |_| Some(value.clone())).problems();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_screen_keeps_within_slacks_limits(
        a in hostile(), b in hostile(), count in 0..60_usize, page in any::<u32>(), total in any::<u64>(), at in any::<i64>(),
    ) {
        let at = Millis(at);
        let mut site_row = row(1, &a, Mood::Attention);
        site_row.url = b.clone();
        let rows = vec![site_row.clone(); count];
        let lines: Vec<_> = (0..count).map(|_| HelpLine { usage: &a, summary: &b, example: Some(&a) }).collect();
        for message in [
            messages::note(&a), messages::done(&a), messages::refusal(&a), messages::trouble(&b),
            messages::misread(&a, &b), messages::help(&[(a.as_str(), lines)]), messages::export(&a),
            messages::unfollow_question(&a, &b, total),
            sites::sites(&rows, page, page, Some(&b)),
            sites::plan(&a_plan(count * 10, &a)),
        ] {
            json(&message);
        }
        let mut builds = vec![build(BuildState::Failed, &a); count];
        builds.extend(vec![BuildRow { requested_by: Some(b.clone()), fired_at: at, ended_at: Some(at), ..build(BuildState::Claimed, &a) }; count]);
        json(&sites::history(&site(1), &a, &b, &builds, at));
        json(&sites::status(&SiteView { row: site_row.clone(), built_at: Some(at), recent: builds, may_run: true, problem: Some(a.clone()) }));
        json(&sites::info(&InfoView {
            name: site(1), title: a.clone(), url: b.clone(), feeds: vec![b.clone(); count], published: total, drafts: total,
            scheduled: total, channels: vec![a.clone(); count], source: b.clone(),
        }));
        let state = [PostState::Draft, PostState::Scheduled, PostState::Published, PostState::Deleted][count % 4];
        let a_post = PostRow {
            title: a.clone(), site_title: b.clone(), publish_at: Some(at), updated_at: at, url: Some(b.clone()), ..post(1, "", state)
        };
        let list = PostsPage {
            of: ListOf { site: Some(site(1)), which: Which::All, page }, site_title: Some(b.clone()),
            rows: vec![a_post.clone(); count], total,
        };
        json(&posts::posts(&list));
        json(&posts::posts_view(&list));
        json(&posts::confirm_delete(&a_post));
        json(&posts::confirm_delete_view(&a_post));
        let blog = Blog { row: site_row, published: total, drafts: total };
        let home = Home { blogs: vec![blog; count * 3], drafts: vec![a_post; count] };
        json(&home::main_modal(&home));
        json(&home::home_tab(&home));
        if let Ok(parts) = split_body(&b) {
            let mut form = form(&a, parts);
            form.sites = (0..count * 3).map(|n| (site(n), a.clone())).collect();
            form.at = Some(at);
            json(&editor::editor(&form));
        }
        for what in [Saved::Draft, Saved::Scheduled(at), Saved::Published { obstacle: None }, Saved::Published { obstacle: Some(a.clone()) }] {
            json(&editor::saved(&id(1), &a, &site(1), &b, &what));
        }
        json(&editor::preview(&a, &b, at));
        json(&editor::preview_view(&a, &b, at));
        json(&editor::too_long(&id(1), &a));
        for (action, state) in [("new", "waiting"), ("delete", "failed"), ("rebuild", "live"), (a.as_str(), b.as_str())] {
            json(&telling::told(&Told {
                action, subject: Some(&a), site: Some(&site(1)), site_title: &b, url: &a, state, detail: Some(&b), at,
            }));
        }
        json(&telling::digest(&Flood {
            states: [("live".to_owned(), total), (a.clone(), total), (b.clone(), 1)].into(),
            sites: vec![site(1); count],
        }, at));
    }
}
