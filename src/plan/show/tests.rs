use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::model::{
    Attention, BudgetState, BuildId, BuildState, Cause, Counts, Decision, Digest, Hold, Input,
    InputProblem, Inputs, Longer, Manifest, Millis, News, Origin, Part, Plan, PlanId, Rebuild,
    Refusal, Share, SiteName, SitePlan, Source, Target, Trigger, Wait,
};

/// 2026-11-20T09:14:00Z.
const NOW: Millis = Millis(1_795_166_040_000);

fn later(seconds: u64) -> Millis {
    NOW.plus(Duration::from_secs(seconds))
}

fn ago(seconds: u64) -> Millis {
    NOW.minus(Duration::from_secs(seconds))
}

fn name(text: &str) -> SiteName {
    text.parse().unwrap()
}

fn post(title: &str, version: &str) -> String {
    format!(
        "{} {}",
        Digest::of_bytes(version.as_bytes()),
        serde_json::Value::from(title)
    )
}

fn last() -> Manifest {
    Manifest {
        spec: Part::from_items([("title", "\"Foo\""), ("url", "\"https://foo.example.org\"")]),
        posts: Part::from_items([
            ("bye", post("Good bye", "1")),
            ("hello", post("Hello, world", "1")),
            ("same", post("As it was", "1")),
            ("typo", post("Teh title", "1")),
        ]),
        files: Part::from_items([("www/a b.md", Digest::of_bytes(b"1").to_string())]),
        revision: Part::from_items([("revision", "4f2c1d9")]),
    }
}

fn wanted() -> Manifest {
    Manifest {
        spec: Part::from_items([
            ("title", "\"Foo Team\""),
            ("url", "\"https://foo.example.org\""),
        ]),
        posts: Part::from_items([
            ("hello", post("Hello, world", "2")),
            ("new", post("Something new", "1")),
            ("same", post("As it was", "1")),
            ("typo", post("The title", "2")),
        ]),
        files: Part::from_items([("www/a b.md", Digest::of_bytes(b"2").to_string())]),
        revision: Part::from_items([("revision", "575dd54")]),
    }
}

fn build(cause: Cause) -> Decision {
    Decision::Build(Trigger {
        fingerprint: wanted().fingerprint(),
        cause,
        replaces: None,
        clear_cache: false,
        timeout: Duration::from_secs(1800),
    })
}

fn wait(why: Wait, until: Option<Millis>) -> Decision {
    Decision::Wait { why, until }
}

fn inputs(inputs: &[Input]) -> Inputs {
    inputs.iter().copied().collect()
}

fn posts() -> Cause {
    Cause::Changed(inputs(&[Input::Posts]))
}

fn asked(clear_cache: bool) -> Rebuild {
    Rebuild {
        by: "ann".into(),
        at: ago(1),
        clear_cache,
    }
}

fn site(site: &str, cause: Option<Cause>, decision: Decision) -> SitePlan {
    let changed = match &cause {
        Some(Cause::Changed(inputs)) => *inputs,
        _ => Inputs::default(),
    };
    SitePlan {
        site: name(site),
        origin: Origin::File,
        source: Some(Source { line: 14 }),
        wanted: Some(Target::from(wanted().fingerprint()).hash),
        built: (cause != Some(Cause::First)).then(|| last().fingerprint().hash()),
        changed,
        news: None,
        hold: match &decision {
            Decision::Wait {
                why: Wait::Held(hold),
                ..
            } => Some(hold.clone()),
            _ => None,
        },
        cause,
        decision,
    }
}

fn flight(state: BuildState, stale: bool) -> Wait {
    Wait::InFlight {
        build: BuildId::new("01934f2e-7b1c-7abc-8def-0123456789ab"),
        state,
        since: ago(12),
        stale,
    }
}

fn hold(because: Option<&str>, until: Option<Millis>) -> Wait {
    Wait::Held(Hold {
        by: "ann".into(),
        because: because.map(str::to_owned),
        since: ago(60),
        until,
    })
}

/// Every decision, cause, wait and attention once.
fn sites() -> Vec<SitePlan> {
    let built = |cause: Cause| (Some(cause.clone()), build(cause));
    let mut sites = Vec::new();
    let mut add = |name: &str, (cause, decision): (Option<Cause>, Decision)| {
        sites.push(site(name, cause, decision));
    };
    add("asked", built(Cause::Requested(asked(false))));
    add(
        "asked-without-cache",
        (
            Some(Cause::Requested(asked(true))),
            Decision::Build(Trigger {
                fingerprint: wanted().fingerprint(),
                cause: Cause::Requested(asked(true)),
                replaces: None,
                clear_cache: true,
                timeout: Duration::from_secs(1800),
            }),
        ),
    );
    add("blog", built(posts()));
    add(
        "both",
        built(Cause::Changed(inputs(&[Input::Spec, Input::Files]))),
    );
    add("first", built(Cause::First));
    add(
        "in-place",
        (
            Some(posts()),
            Decision::Build(Trigger {
                fingerprint: wanted().fingerprint(),
                cause: posts(),
                replaces: Some(BuildId::new("01934f2e-7b1c-7abc-8def-0123456789ab")),
                clear_cache: false,
                timeout: Duration::from_secs(1800),
            }),
        ),
    );
    add("unsure", built(Cause::Uncertain));
    let mut add_wait = |name: &str, cause: Option<Cause>, why: Wait, until: Option<Millis>| {
        add(name, (cause, wait(why, until)));
    };
    add_wait(
        "w-budget",
        Some(posts()),
        Wait::Budget { used: 300, of: 300 },
        Some(NOW.month().1),
    );
    add_wait(
        "w-crowd",
        Some(Cause::First),
        Wait::Crowd { used: 10, of: 10 },
        None,
    );
    add_wait(
        "w-debounce",
        Some(posts()),
        Wait::Debounce { longer: None },
        Some(later(42)),
    );
    add_wait(
        "w-failed",
        Some(posts()),
        Wait::Backoff {
            failures: 2,
            error: "502 Bad Gateway".into(),
        },
        Some(later(90)),
    );
    add_wait(
        "w-failed-once",
        Some(posts()),
        Wait::Backoff {
            failures: 1,
            error: "503\nbusy \x1b[2J".into(),
        },
        Some(Millis(NOW.0 + 400)),
    );
    add_wait(
        "w-flies",
        Some(posts()),
        flight(BuildState::Claimed, false),
        Some(later(15)),
    );
    add_wait(
        "w-flies-stale",
        Some(posts()),
        flight(BuildState::Claimed, true),
        Some(later(15)),
    );
    add_wait(
        "w-held",
        Some(posts()),
        hold(Some("launch freeze"), Some(later(6000))),
        Some(later(6000)),
    );
    add_wait("w-held-for-good", Some(posts()), hold(None, None), None);
    add_wait(
        "w-rate",
        Some(Cause::Requested(asked(false))),
        Wait::Rate { used: 30, of: 30 },
        Some(later(7)),
    );
    add_wait(
        "w-stretched",
        Some(posts()),
        Wait::Debounce {
            longer: Some(Longer::BudgetLow),
        },
        Some(later(2520)),
    );
    add_wait(
        "w-unknown",
        Some(posts()),
        flight(BuildState::Unknown, false),
        Some(later(1788)),
    );
    add(
        "x-broken",
        (
            Some(posts()),
            Decision::Attention(Attention::Broken {
                error: "exit code 2".into(),
            }),
        ),
    );
    add(
        "x-refused",
        (
            Some(Cause::First),
            Decision::Attention(Attention::Refused(Refusal {
                count: 12,
                total: 14,
                limit: Share(50),
            })),
        ),
    );
    add(
        "x-stalled",
        (
            Some(posts()),
            Decision::Attention(Attention::Stalled {
                failures: 12,
                error: "502 Bad Gateway".into(),
                retry_at: Some(later(2400)),
            }),
        ),
    );
    add(
        "x-stalled-for-good",
        (
            Some(posts()),
            Decision::Attention(Attention::Stalled {
                failures: 1,
                error: "404: no such hook".into(),
                retry_at: None,
            }),
        ),
    );
    add(
        "x-unreadable",
        (
            None,
            Decision::Attention(Attention::Unreadable(InputProblem {
                message: "www/a.md: permission denied; make it readable".into(),
            })),
        ),
    );
    add("y-gone", (None, Decision::Forget));
    add("z-same", (None, Decision::Unchanged));
    for (at, news) in [
        ("first", News::Adopted),
        ("blog", News::Renamed { from: name("old") }),
    ] {
        let site = sites.iter_mut().find(|site| site.site == name(at)).unwrap();
        site.news = Some(news);
    }
    let mut adopted = site("z-taken", None, Decision::Unchanged);
    adopted.news = Some(News::Adopted);
    sites.push(adopted);
    sites
}

fn plan_of(sites: Vec<SitePlan>) -> Plan {
    let mut counts = Counts::default();
    for site in &sites {
        *match site.decision {
            Decision::Build(_) => &mut counts.build,
            Decision::Wait { .. } => &mut counts.wait,
            Decision::Attention(_) => &mut counts.attention,
            Decision::Forget => &mut counts.forget,
            Decision::Unchanged => &mut counts.unchanged,
        } += 1;
    }
    Plan {
        id: PlanId(Digest::of_bytes(b"plan")),
        now: NOW,
        sites,
        counts,
        budget: None,
    }
}

fn rich() -> Plan {
    plan_of(sites())
}

fn everyday() -> (Plan, BTreeMap<SiteName, Explanation>) {
    let mut sites = sites();
    sites.retain(|site| {
        ["blog", "w-held", "x-stalled", "y-gone", "z-same"].contains(&site.site.as_str())
    });
    let mut plan = plan_of(sites);
    plan.budget = Some(BudgetState {
        used: 212,
        of: 300,
        empty_at: Some(later(4 * 86_400)),
        resets_at: NOW.month().1,
        debounce: Some(Duration::from_secs(2520)),
    });
    let explanations = [(name("blog"), explain(Some(&last()), &wanted()))];
    (plan, explanations.into_iter().collect())
}

fn options() -> TextOptions {
    TextOptions::default()
}

#[test]
fn every_decision_has_its_reason() {
    let all = TextOptions {
        all: true,
        ..options()
    };
    insta::assert_snapshot!(text(&rich(), &BTreeMap::new(), all), @r"
      + asked                build      asked for by ann
      + asked-without-cache  build      asked for by ann, without the cache
      + blog                 build      posts changed; renamed from old
      + both                 build      spec and files changed
      + first                build      first build; adopted from chat
      + in-place             build      posts changed; in place of build 01934f2e-7b1c…, whose outcome is unknown
      + unsure               build      outcome of the last build is unknown
      ~ w-budget             wait       posts changed; 300 of 300 deploys of this month used, more on 1 December
      ~ w-crowd              wait       first build; 10 of 10 builds in flight
      ~ w-debounce           wait       posts changed; waiting 42s for changes to settle
      ~ w-failed             wait       posts changed; 2 failures in a row (502 Bad Gateway), next try in 1m30s
      ~ w-failed-once        wait       posts changed; 1 failure (503 busy \u{1b}[2J), next try in 1s
      ~ w-flies              wait       build 01934f2e-7b1c… in flight since 12s
      ~ w-flies-stale        wait       posts changed; build 01934f2e-7b1c… in flight since 12s, and already stale
      ~ w-held               wait       posts changed; paused by ann: launch freeze (resumes in 1h40m)
      ~ w-held-for-good      wait       posts changed; paused by ann
      ~ w-rate               wait       asked for by ann; 30 of 30 builds in the last minute, room in 7s
      ~ w-stretched          wait       posts changed; waiting 42m for changes to settle (budget runs low)
      ~ w-unknown            wait       build 01934f2e-7b1c… sent 12s ago, outcome unknown; lost without news in 29m48s
      ! x-broken             attention  the build of this very content failed: exit code 2; edit it or run `microblot rebuild x-broken`
      ! x-refused            attention  12 of 14 sites would build at once (limit 50 %); --force to go on, or `microblot adopt` if they are live as they are
      ! x-stalled            attention  stalled after 12 failures (502 Bad Gateway); mend that, then run `microblot resume x-stalled`; next try in 40m
      ! x-stalled-for-good   attention  stalled after 1 failure (404: no such hook); mend that, then run `microblot resume x-stalled-for-good`
      ! x-unreadable         attention  www/a.md: permission denied; make it readable
      - y-gone               forget     no longer declared: built no more; its posts are kept
      = z-same               unchanged  as it was built
      = z-taken              unchanged  adopted from chat

    Plan: 7 to build, 12 waiting, 5 need attention, 1 to forget, 2 unchanged.
");
}

#[test]
fn details_go_under_the_line_of_their_site() {
    let (plan, explanations) = everyday();
    let verbose = TextOptions {
        verbose: true,
        width: Some(80),
        ..options()
    };
    insta::assert_snapshot!(text(&plan, &explanations, verbose), @r#"
      + blog       build      posts changed; renamed from old
          sites.toml:14
          ~ spec: title "Foo" → "Foo Team"
          - posts: Good bye
          ~ posts: Hello, world
          + posts: Something new
          ~ posts: The title "Teh title" → "The title"
          ~ files: www/a b.md
          ~ revision: revision 4f2c1d9 → 575dd54
          --- last built
          +++ wanted
          @@ -2 +2 @@
          -spec title "Foo"
          +spec title "Foo Team"
          @@ -4,2 +4,2 @@
          -posts bye 6b86b273ff34 "Good bye"
          -posts hello 6b86b273ff34 "Hello, world"
          +posts hello d4735e3a265e "Hello, world"
          +posts new 6b86b273ff34 "Something new"
          @@ -7,3 +7,3 @@
          -posts typo 6b86b273ff34 "Teh title"
          -files www/a%20b.md 6b86b273ff34
          -revision revision 4f2c1d9
          +posts typo d4735e3a265e "The title"
          +files www/a%20b.md d4735e3a265e
          +revision revision 575dd54
      ~ w-held     wait       posts changed; paused by ann: launch freeze (resumes
                              in 1h40m)
          sites.toml:14
      ! x-stalled  attention  stalled after 12 failures (502 Bad Gateway); mend
                              that, then run `microblot resume x-stalled`; next try
                              in 40m
          sites.toml:14
      - y-gone     forget     no longer declared: built no more; its posts are kept
          sites.toml:14

    Budget: 212 of 300 deploys used this month; at this pace it is empty on 24
    November; so that it lasts, changes settle for 42m.
    Plan: 1 to build, 1 waiting, 1 need attention, 1 to forget, 1 unchanged.
"#);
}

#[test]
fn the_last_line_is_there_when_nothing_is_to_do() {
    let plan = plan_of(vec![site("z-same", None, Decision::Unchanged)]);
    assert_eq!(
        text(&plan, &BTreeMap::new(), options()),
        "Plan: nothing to do, 1 unchanged.\n"
    );
}

#[test]
fn colours_are_only_there_when_asked_for() {
    let (plan, explanations) = everyday();
    let plain = text(&plan, &explanations, options());
    assert!(!plain.contains('\x1b'));
    let colour = TextOptions {
        colour: true,
        ..options()
    };
    let first = text(&plan, &explanations, colour);
    insta::assert_debug_snapshot!(first.lines().next().unwrap(), @r#""  \u{1b}[32m+\u{1b}[0m blog       \u{1b}[32mbuild    \u{1b}[0m  posts changed; renamed from old""#);
}

#[test]
fn folded_lines_fit_the_terminal() {
    let eighty = TextOptions {
        width: Some(80),
        ..options()
    };
    for line in text(&rich(), &BTreeMap::new(), eighty).lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn a_budget_says_how_it_stands() {
    let state = BudgetState {
        used: 12,
        of: 300,
        empty_at: None,
        resets_at: NOW.month().1,
        debounce: None,
    };
    let empty = BudgetState {
        used: 300,
        empty_at: Some(NOW),
        ..state
    };
    let lines = [state, empty].map(|state| super::text::budget(&state));
    insta::assert_snapshot!(lines.join("\n"), @r"
    Budget: 12 of 300 deploys used this month; at this pace it lasts.
    Budget: 300 of 300 deploys used this month; more on 1 December.
");
}

#[test]
fn json_is_format_1() {
    let (plan, explanations) = everyday();
    let value = json(&plan, &explanations, true);
    insta::assert_snapshot!(serde_json::to_string_pretty(&value).unwrap(), @r#"
    {
      "budget": {
        "debounce_seconds": 2520,
        "empty_at": "2026-11-24T09:14:00Z",
        "of": 300,
        "resets_at": "2026-12-01T00:00:00Z",
        "used": 212
      },
      "format": 1,
      "id": "64879f7d",
      "sites": [
        {
          "built_hash": "sha256:2e06ecf37dc9fe5d66931eae2749d9d6ec05251546773dcb27f3a161b33281ad",
          "changed": [
            "posts"
          ],
          "changes": [
            {
              "input": "spec",
              "item": "title",
              "new": "\"Foo Team\"",
              "old": "\"Foo\"",
              "op": "edit"
            },
            {
              "input": "posts",
              "item": "Good bye",
              "new": null,
              "old": "6b86b273ff34",
              "op": "remove"
            },
            {
              "input": "posts",
              "item": "Hello, world",
              "new": "d4735e3a265e",
              "old": "6b86b273ff34",
              "op": "edit"
            },
            {
              "input": "posts",
              "item": "Something new",
              "new": "6b86b273ff34",
              "old": null,
              "op": "add"
            },
            {
              "input": "posts",
              "item": "The title",
              "new": "d4735e3a265e \"The title\"",
              "old": "6b86b273ff34 \"Teh title\"",
              "op": "edit"
            },
            {
              "input": "files",
              "item": "www/a b.md",
              "new": "d4735e3a265e",
              "old": "6b86b273ff34",
              "op": "edit"
            },
            {
              "input": "revision",
              "item": "revision",
              "new": "575dd54",
              "old": "4f2c1d9",
              "op": "edit"
            }
          ],
          "content_hash": "sha256:c51d823763056c50392ff824c452a1df09b56a4bceade5d955d7d1c2ddc62f0e",
          "decision": "build",
          "diff": "--- last built\n+++ wanted\n@@ -2 +2 @@\n-spec title \"Foo\"\n+spec title \"Foo Team\"\n@@ -4,2 +4,2 @@\n-posts bye 6b86b273ff34 \"Good bye\"\n-posts hello 6b86b273ff34 \"Hello, world\"\n+posts hello d4735e3a265e \"Hello, world\"\n+posts new 6b86b273ff34 \"Something new\"\n@@ -7,3 +7,3 @@\n-posts typo 6b86b273ff34 \"Teh title\"\n-files www/a%20b.md 6b86b273ff34\n-revision revision 4f2c1d9\n+posts typo d4735e3a265e \"The title\"\n+files www/a%20b.md d4735e3a265e\n+revision revision 575dd54\n",
          "hold": null,
          "more": 0,
          "news": {
            "from": "old",
            "kind": "renamed"
          },
          "origin": "file",
          "reason": "posts changed; renamed from old",
          "site": "blog",
          "source": "sites.toml:14",
          "until": null
        },
        {
          "built_hash": "sha256:2e06ecf37dc9fe5d66931eae2749d9d6ec05251546773dcb27f3a161b33281ad",
          "changed": [
            "posts"
          ],
          "changes": [],
          "content_hash": "sha256:c51d823763056c50392ff824c452a1df09b56a4bceade5d955d7d1c2ddc62f0e",
          "decision": "wait",
          "diff": "",
          "hold": {
            "because": "launch freeze",
            "by": "ann",
            "since": "2026-11-20T09:13:00Z",
            "until": "2026-11-20T10:54:00Z"
          },
          "more": 0,
          "news": null,
          "origin": "file",
          "reason": "posts changed; paused by ann: launch freeze (resumes in 1h40m)",
          "site": "w-held",
          "source": "sites.toml:14",
          "until": "2026-11-20T10:54:00Z"
        },
        {
          "built_hash": "sha256:2e06ecf37dc9fe5d66931eae2749d9d6ec05251546773dcb27f3a161b33281ad",
          "changed": [
            "posts"
          ],
          "changes": [],
          "content_hash": "sha256:c51d823763056c50392ff824c452a1df09b56a4bceade5d955d7d1c2ddc62f0e",
          "decision": "attention",
          "diff": "",
          "hold": null,
          "more": 0,
          "news": null,
          "origin": "file",
          "reason": "stalled after 12 failures (502 Bad Gateway); mend that, then run `microblot resume x-stalled`; next try in 40m",
          "site": "x-stalled",
          "source": "sites.toml:14",
          "until": "2026-11-20T09:54:00Z"
        },
        {
          "built_hash": "sha256:2e06ecf37dc9fe5d66931eae2749d9d6ec05251546773dcb27f3a161b33281ad",
          "changed": [],
          "changes": [],
          "content_hash": "sha256:c51d823763056c50392ff824c452a1df09b56a4bceade5d955d7d1c2ddc62f0e",
          "decision": "forget",
          "diff": "",
          "hold": null,
          "more": 0,
          "news": null,
          "origin": "file",
          "reason": "no longer declared: built no more; its posts are kept",
          "site": "y-gone",
          "source": "sites.toml:14",
          "until": null
        },
        {
          "built_hash": "sha256:2e06ecf37dc9fe5d66931eae2749d9d6ec05251546773dcb27f3a161b33281ad",
          "changed": [],
          "changes": [],
          "content_hash": "sha256:c51d823763056c50392ff824c452a1df09b56a4bceade5d955d7d1c2ddc62f0e",
          "decision": "unchanged",
          "diff": "",
          "hold": null,
          "more": 0,
          "news": null,
          "origin": "file",
          "reason": "as it was built",
          "site": "z-same",
          "source": "sites.toml:14",
          "until": null
        }
      ],
      "summary": {
        "attention": 1,
        "build": 1,
        "forget": 1,
        "unchanged": 1,
        "wait": 1
      }
    }
"#);
}

#[test]
fn json_has_the_documented_fields_and_no_others() {
    let keys = |value: &serde_json::Value| -> Vec<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    let (plan, explanations) = everyday();
    let value = json(&plan, &explanations, true);
    assert_eq!(keys(&value), ["budget", "format", "id", "sites", "summary"]);
    assert_eq!(
        keys(&value["summary"]),
        ["attention", "build", "forget", "unchanged", "wait"]
    );
    assert_eq!(
        keys(&value["budget"]),
        ["debounce_seconds", "empty_at", "of", "resets_at", "used"]
    );
    for site in value["sites"].as_array().unwrap() {
        assert_eq!(
            keys(site),
            [
                "built_hash",
                "changed",
                "changes",
                "content_hash",
                "decision",
                "diff",
                "hold",
                "more",
                "news",
                "origin",
                "reason",
                "site",
                "source",
                "until"
            ]
        );
        for change in site["changes"].as_array().unwrap() {
            assert_eq!(keys(change), ["input", "item", "new", "old", "op"]);
        }
    }
}

#[test]
fn json_lists_unchanged_sites_only_with_all() {
    let named = |all| -> Vec<String> {
        json(&rich(), &BTreeMap::new(), all)["sites"]
            .as_array()
            .unwrap()
            .iter()
            .map(|site| site["site"].as_str().unwrap().to_owned())
            .collect()
    };
    assert!(named(true).contains(&"z-same".to_owned()));
    assert!(!named(false).contains(&"z-same".to_owned()));
    assert!(named(false).contains(&"z-taken".to_owned()), "news is told");
}

#[test]
fn markdown_is_a_comment() {
    let (plan, explanations) = everyday();
    insta::assert_snapshot!(markdown(&plan, &explanations), @r#"
    ### Plan: 1 to build, 1 waiting, 1 need attention, 1 to forget, 1 unchanged

    Budget: 212 of 300 deploys used this month; at this pace it is empty on 24 November; so that it lasts, changes settle for 42m.

    | | site | decision | why |
    | --- | --- | --- | --- |
    | `+` | blog | build | posts changed; renamed from old |
    | `~` | w-held | wait | posts changed; paused by ann: launch freeze (resumes in 1h40m) |
    | `!` | x-stalled | attention | stalled after 12 failures (502 Bad Gateway); mend that, then run \`microblot resume x-stalled\`; next try in 40m |
    | `-` | y-gone | forget | no longer declared: built no more; its posts are kept |

    <details><summary>What differs in <b>blog</b> (sites.toml:14)</summary>

    ```diff
    --- last built
    +++ wanted
    @@ -2 +2 @@
    -spec title "Foo"
    +spec title "Foo Team"
    @@ -4,2 +4,2 @@
    -posts bye 6b86b273ff34 "Good bye"
    -posts hello 6b86b273ff34 "Hello, world"
    +posts hello d4735e3a265e "Hello, world"
    +posts new 6b86b273ff34 "Something new"
    @@ -7,3 +7,3 @@
    -posts typo 6b86b273ff34 "Teh title"
    -files www/a%20b.md 6b86b273ff34
    -revision revision 4f2c1d9
    +posts typo d4735e3a265e "The title"
    +files www/a%20b.md d4735e3a265e
    +revision revision 575dd54
    ```

    </details>

    Plan `64879f7d`
"#);
}

#[test]
fn markdown_of_nothing_to_do_is_short() {
    let plan = plan_of(vec![site("z-same", None, Decision::Unchanged)]);
    insta::assert_snapshot!(markdown(&plan, &BTreeMap::new()), @r"
    ### Plan: nothing to do, 1 unchanged

    Plan `64879f7d`
");
}

#[test]
fn markdown_of_many_sites_fits_a_comment() {
    let many: Vec<SitePlan> = (0..2_000)
        .map(|i| site(&format!("site-{i:04}"), Some(posts()), build(posts())))
        .collect();
    let explanation = explain(None, &wanted());
    let explanations = many
        .iter()
        .map(|site| (site.site.clone(), explanation.clone()))
        .collect();
    let comment = markdown(&plan_of(many), &explanations);
    assert!(comment.len() < 61_000, "{}", comment.len());
    assert!(comment.contains("more sites"));
    assert!(comment.starts_with("### Plan: 2000 to build"));
}

#[test]
fn what_people_write_stays_text() {
    let nasty = "```\n</details> @everyone **x** \x1b[2J \u{202e}";
    let wanted = Manifest {
        posts: Part::from_items([("nasty", post(nasty, "1"))]),
        files: Part::from_items([("````\u{202e}.md", "1")]),
        ..Manifest::default()
    };
    let broken = Attention::Broken {
        error: nasty.to_owned(),
    };
    let plan = plan_of(vec![site(
        "foo",
        Some(posts()),
        Decision::Attention(broken),
    )]);
    let explanations = [(name("foo"), explain(None, &wanted))].into();
    let verbose = TextOptions {
        verbose: true,
        ..options()
    };
    insta::assert_snapshot!(text(&plan, &explanations, verbose), @r#"
      ! foo  attention  the build of this very content failed: ``` </details> @everyone **x** \u{1b}[2J \u{202e}; edit it or run `microblot rebuild foo`
          sites.toml:14
          + posts: ``` </details> @everyone **x** \u{1b}[2J \u{202e}
          + files: ````\u{202e}.md
          --- last built
          +++ wanted
          @@ -1,0 +2,2 @@
          +posts nasty 6b86b273ff34 "```\n</details> @everyone **x** \u001b[2J \u{202e}"
          +files ````\u{202e}.md 1

    Plan: 0 to build, 0 waiting, 1 need attention, 0 to forget, 0 unchanged.
"#);
    insta::assert_snapshot!(markdown(&plan, &explanations), @r#"
    ### Plan: 0 to build, 0 waiting, 1 need attention, 0 to forget, 0 unchanged

    | | site | decision | why |
    | --- | --- | --- | --- |
    | `!` | foo | attention | the build of this very content failed: \`\`\` \</details\> @<!-- -->everyone \*\*x\*\* \\u{1b}\[2J \\u{202e}; edit it or run \`microblot rebuild foo\` |

    <details><summary>What differs in <b>foo</b> (sites.toml:14)</summary>

    `````diff
    --- last built
    +++ wanted
    @@ -1,0 +2,2 @@
    +posts nasty 6b86b273ff34 "```\n</details> @everyone **x** \u001b[2J \u{202e}"
    +files ````\u{202e}.md 1
    `````

    </details>

    Plan `64879f7d`
"#);
}

#[test]
fn changes_are_told_item_by_item() {
    let explanation = explain(Some(&last()), &wanted());
    insta::assert_snapshot!(serde_json::to_string_pretty(&explanation.changes).unwrap(), @r#"
    [
      {
        "op": "edit",
        "input": "spec",
        "item": "title",
        "old": "\"Foo\"",
        "new": "\"Foo Team\""
      },
      {
        "op": "remove",
        "input": "posts",
        "item": "Good bye",
        "old": "6b86b273ff34",
        "new": null
      },
      {
        "op": "edit",
        "input": "posts",
        "item": "Hello, world",
        "old": "6b86b273ff34",
        "new": "d4735e3a265e"
      },
      {
        "op": "add",
        "input": "posts",
        "item": "Something new",
        "old": null,
        "new": "6b86b273ff34"
      },
      {
        "op": "edit",
        "input": "posts",
        "item": "The title",
        "old": "6b86b273ff34 \"Teh title\"",
        "new": "d4735e3a265e \"The title\""
      },
      {
        "op": "edit",
        "input": "files",
        "item": "www/a b.md",
        "old": "6b86b273ff34",
        "new": "d4735e3a265e"
      },
      {
        "op": "edit",
        "input": "revision",
        "item": "revision",
        "old": "4f2c1d9",
        "new": "575dd54"
      }
    ]
"#);
    assert_eq!(explanation.more, 0);
}

#[test]
fn a_member_of_an_aggregate_is_shown_by_its_title() {
    let member = |title: &str, posts: &str, globs: &str| {
        let title = serde_json::Value::from(title);
        format!("{title} {}{globs}", Digest::of_bytes(posts.as_bytes()))
    };
    let all = |items: Vec<(&str, String)>| Manifest {
        posts: Part::from_items(items),
        ..Manifest::default()
    };
    let last = all(vec![
        ("https://a.example.org", member("The \"A\" Team", "1", "")),
        ("https://b.example.org", member("B", "1", " b/**")),
    ]);
    let wanted = all(vec![
        ("https://a.example.org", member("The \"A\" Team", "2", "")),
        ("https://c.example.org", member("C", "1", "")),
    ]);
    let told: Vec<String> = explain(Some(&last), &wanted)
        .changes
        .iter()
        .map(|change| {
            format!(
                "{:?} {} {:?} {:?}",
                change.op, change.item, change.old, change.new
            )
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    Edit The "A" Team Some("6b86b273ff34") Some("d4735e3a265e")
    Remove B Some("6b86b273ff34 b/**") None
    Add C None Some("6b86b273ff34")
"#);
}

#[test]
fn the_same_manifest_has_nothing_to_explain() {
    assert_eq!(explain(Some(&last()), &last()), Explanation::default());
}

#[test]
fn long_explanations_are_cut() {
    let files = |value: &str| Manifest {
        files: Part::from_items((0..20_000).map(|i| (format!("f{i:05}"), value.to_owned()))),
        ..Manifest::default()
    };
    let explanation = explain(Some(&files("1")), &files("2"));
    assert_eq!(explanation.changes.len(), 200);
    assert_eq!(explanation.more, 19_800);
    assert!(explanation.diff.lines().count() <= 401);
    assert!(explanation.diff.ends_with("… cut here\n"));
}

#[test]
fn a_small_change_in_a_long_manifest_is_shown_where_it_is() {
    let files = |last: &str| Manifest {
        files: Part::from_items((0..20_000).map(|i| {
            let value = if i == 19_999 { last } else { "1" };
            (format!("f{i:05}"), value.to_owned())
        })),
        ..Manifest::default()
    };
    insta::assert_snapshot!(explain(Some(&files("1")), &files("2")).diff, @r"
    --- last built
    +++ wanted
    @@ -20001 +20001 @@
    -files f19999 1
    +files f19999 2
");
}

#[test]
fn spans_of_time_are_short() {
    for (seconds, text) in [
        (0, "0s"),
        (42, "42s"),
        (60, "1m"),
        (90, "1m30s"),
        (6_000, "1h40m"),
        (7_200, "2h"),
        (86_400 * 3 + 4 * 3_600 + 59, "3d4h"),
    ] {
        assert_eq!(duration(Duration::from_secs(seconds)), text);
    }
}

/// A manifest of a few items with few values, so that random pairs share some.
fn any_manifest() -> impl Strategy<Value = Manifest> {
    let part = prop::collection::vec(("[a-d]{1,2}", "[xy]"), 0..6);
    (part.clone(), part).prop_map(|(posts, files)| Manifest {
        posts: Part::from_items(posts),
        files: Part::from_items(files),
        ..Manifest::default()
    })
}

proptest! {
    /// Carrying out the diff on the last text gives the wanted one.
    #[test]
    fn a_diff_is_complete(last in any_manifest(), wanted in any_manifest()) {
        let explanation = explain(Some(&last), &wanted);
        let mut lines: Vec<String> = last.to_text().lines().map(str::to_owned).collect();
        for line in explanation.diff.lines().skip(2) {
            if let Some(gone) = line.strip_prefix('-') {
                let at = lines.iter().position(|line| line == gone).unwrap();
                lines.remove(at);
            } else if let Some(come) = line.strip_prefix('+') {
                lines.push(come.to_owned());
            }
        }
        let wanted_text = wanted.to_text();
        let mut expected: Vec<&str> = wanted_text.lines().collect();
        lines.sort();
        expected.sort_unstable();
        prop_assert_eq!(lines, expected);
        prop_assert_eq!(explanation.changes.is_empty(), last == wanted);
    }

    /// Whatever is in an error: one line, no control character, no open markup.
    #[test]
    fn any_error_is_one_plain_line(error in any::<String>()) {
        let stalled = Attention::Stalled { failures: 1, error, retry_at: None };
        let plan = plan_of(vec![site("foo", Some(posts()), Decision::Attention(stalled))]);
        let shown = text(&plan, &BTreeMap::new(), options());
        prop_assert_eq!(shown.lines().count(), 3);
        prop_assert!(!shown.chars().any(|c| c.is_control() && c != '\n'));
        let comment = markdown(&plan, &BTreeMap::new());
        let row = comment.lines().find(|line| line.contains("| foo |")).unwrap();
        let bars = row.replace("\\|", "").matches('|').count();
        prop_assert_eq!(bars, 5, "{}", row);
    }
}
