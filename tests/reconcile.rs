//! `reconcile` from the front door: the real program, hooks that count, both databases.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use support::estate::Output;
use support::hooks::Answer;
use support::http::get;
use support::world::{World, decisions, files, parsed, variable};

on_both![
    each_hook_is_called_once,
    exactly_what_changed_is_planned,
    the_change_is_shown_in_every_form,
    no_output_and_no_database_holds_the_address_of_a_hook,
    exit_codes_tell_a_plan_with_builds,
    an_expected_plan_runs_and_a_stale_one_does_not,
    the_hint_names_the_command_that_does_what_was_shown,
    sites_are_chosen_by_name,
    many_builds_at_once_need_force,
    what_was_stopped_stays_so_until_somebody_lets_it_through,
    many_removals_at_once_need_force,
    an_empty_file_needs_force_once_sites_are_published,
    a_renamed_site_keeps_its_posts_and_its_history,
    a_removed_site_is_forgotten_and_comes_back_as_it_was_shown,
    adopted_sites_are_not_built,
    adopting_settles_what_was_asked_for_and_what_failed,
    a_rebuild_is_answered_once,
    content_that_goes_back_after_a_doubtful_call_is_built,
    a_paused_site_waits,
    a_hook_that_is_gone_stalls_its_site_until_somebody_resumes_it,
    a_changed_site_is_no_longer_stalled,
    an_asked_for_pause_is_kept,
    a_failure_is_tried_again_later,
    an_unknown_outcome_is_not_fired_again,
    a_hook_that_never_answers_needs_a_person_in_the_end,
    a_missing_variable_is_named,
    the_code_revision_is_an_input,
    aggregates_follow_their_members,
    an_aggregate_of_all_shows_no_other_workspace,
    a_glob_that_moves_rendered_pages_is_a_change,
    the_order_of_members_is_no_change_and_makes_none,
    a_site_that_was_removed_gives_its_name_to_one_that_is_renamed,
    a_rendered_aggregate_lists_members_without_posts,
    drafts_are_no_input,
    a_scheduled_post_is_planned_when_its_time_has_come,
    what_is_changed_back_is_not_built,
    a_budget_ends_builds_for_the_month,
    builds_per_minute_are_limited,
    builds_in_flight_are_limited,
    every_error_is_told_at_once,
    two_at_once_build_once,
    odd_names_are_rendered_once,
    files_that_never_rest_end_a_pass_with_their_names,
];

/// Two sites that do not share anything.
fn two(world: &mut World) {
    world.hosted("foo", "");
    world.hosted("bar", "");
}

/// `count` sites: `site-01`, `site-02`, …
fn many(world: &mut World, count: usize) {
    for number in 1..=count {
        world.hosted(&format!("site-{number:02}"), "");
    }
}

fn counts(plan: &Value) -> [u64; 5] {
    let summary = &plan["summary"];
    ["build", "wait", "attention", "forget", "unchanged"].map(|key| summary[key].as_u64().unwrap())
}

fn last_line(output: &Output) -> &str {
    output.stdout.lines().last().unwrap()
}

fn each_hook_is_called_once(mut world: World) {
    two(&mut world);
    world.declare(
        "baz",
        "build.netlify = { hook = { env = \"NETLIFY_HOOK_BAZ\" }, branch = \"next\", clear_cache = true }",
    );
    world
        .estate
        .env("NETLIFY_HOOK_BAZ", world.hooks.address("baz"));
    world.estate.env("MICROBLOT_URL", "https://m.example.org/");

    let plan = world.plan(&[]);
    assert_eq!(
        decisions(&plan),
        [
            "bar: build, first build",
            "baz: build, first build",
            "foo: build, first build"
        ]
    );
    assert!(world.hooks.calls().is_empty(), "a plan calls nothing");
    assert!(
        world.database_files().is_empty(),
        "a plan makes no database"
    );

    let output = world.ok(&["reconcile"]);
    let calls = world.hooks.calls();
    assert_eq!(calls.len(), 3, "{calls:#?}");
    for call in &calls {
        let site = plan["sites"]
            .as_array()
            .unwrap()
            .iter()
            .find(|site| site["site"] == call.hook.as_str())
            .unwrap();
        let body = call.json();
        let build = body["build"].as_str().unwrap();
        assert_eq!(
            body,
            json!({
                "site": call.hook,
                "build": build,
                "content_hash": site["content_hash"],
                "reason": "first build",
                "content_url": format!("https://m.example.org/api/v1/builds/{build}/content"),
            })
        );
        let title = format!("microblot {build}: first build");
        assert_eq!(call.parameter("trigger_title"), Some(&*title));
        let is_baz = call.hook == "baz";
        assert_eq!(call.parameter("trigger_branch"), is_baz.then_some("next"));
        assert_eq!(call.parameter("clear_cache"), is_baz.then_some("true"));
    }
    assert_eq!(last_line(&output), "Plan: nothing to do, 3 unchanged.");

    let output = world.ok(&["reconcile"]);
    assert_eq!(output.stdout, "Plan: nothing to do, 3 unchanged.\n");
    assert_eq!(world.hooks.calls().len(), 3);
    assert_eq!(counts(&world.plan(&[])), [0, 0, 0, 0, 3]);
}

fn exactly_what_changed_is_planned(mut world: World) {
    world.hosted("foo", "files = [\"foo/**\", \"shared/**\"]");
    world.hosted("bar", "files = [\"shared/**\"]");
    world.hosted("baz", "");
    world.estate.write("foo/a.md", "a");
    world.estate.write("shared/logo.svg", "<svg/>");
    assert_eq!(world.reconcile(), ["bar", "baz", "foo"]);
    assert_eq!(world.reconcile(), [""; 0]);

    world.hosted("baz", "title = \"Baz\"");
    assert_eq!(world.planned(), ["baz: build, spec changed"]);
    assert_eq!(world.reconcile(), ["baz"]);

    world.post("bar", "Hello");
    assert_eq!(world.planned(), ["bar: build, posts changed"]);
    assert_eq!(world.reconcile(), ["bar"]);

    world.estate.write("foo/a.md", "b");
    assert_eq!(world.planned(), ["foo: build, files changed"]);
    assert_eq!(world.reconcile(), ["foo"]);

    world.estate.write("shared/logo.svg", "<svg></svg>");
    world.estate.write("unrelated.txt", "x");
    assert_eq!(
        world.planned(),
        ["bar: build, files changed", "foo: build, files changed"]
    );
    assert_eq!(world.reconcile(), ["bar", "foo"]);

    // When a change is built, and comments, are no content.
    world.head = "# A comment.\n[defaults]\ndebounce = \"1m\"\n".to_owned();
    world.publish();
    assert_eq!(world.planned(), [""; 0]);
    assert_eq!(world.reconcile(), [""; 0]);
}

fn the_change_is_shown_in_every_form(mut world: World) {
    two(&mut world);
    world.reconcile();
    world.hosted("bar", "title = \"A | B\"");
    world.post("foo", "Hello");

    let text = world.ok(&["reconcile", "--plan"]).stdout;
    assert_eq!(
        text,
        "  + bar  build  spec changed\n  + foo  build  posts changed\n\n\
         Plan: 2 to build, 0 waiting, 0 need attention, 0 to forget, 0 unchanged.\n"
    );
    let verbose = world.ok(&["reconcile", "--plan", "--verbose"]).stdout;
    for line in [
        "      ~ spec: title \"The bar site\" → \"A | B\"\n",
        "      -spec title \"The bar site\"\n",
        "      +spec title \"A | B\"\n",
        "      + posts: Hello\n",
    ] {
        assert!(verbose.contains(line), "{line:?} in {verbose}");
    }
    let plan = world.plan(&[]);
    assert_eq!(plan["format"], 1);
    let bar = &plan["sites"][0];
    assert_eq!(
        bar["changes"],
        json!([{ "op": "edit", "input": "spec", "item": "title",
                 "old": "\"The bar site\"", "new": "\"A | B\"" }])
    );
    assert_eq!(bar["changed"], json!(["spec"]));
    assert_eq!(bar["source"], "sites.toml:2");
    assert_ne!(bar["content_hash"], bar["built_hash"]);
    assert_eq!(plan["sites"][1]["changes"][0]["item"], "Hello");

    let markdown = world.ok(&["reconcile", "--plan", "--markdown"]).stdout;
    assert!(markdown.starts_with("### Plan: 2 to build"), "{markdown}");
    assert!(markdown.contains("| `+` | bar | build | spec changed |"));
    assert!(markdown.contains("+spec title \"A | B\"\n"), "{markdown}");
    assert_eq!(
        world.ok(&["reconcile", "--plan", "--markdown"]).stdout,
        markdown,
        "planning twice gives the same bytes"
    );
    assert_eq!(
        decisions(&world.plan(&["--all"])).len(),
        2,
        "both are listed anyway"
    );
    assert_eq!(world.reconcile(), ["bar", "foo"]);
    assert_eq!(
        decisions(&world.plan(&["--all"])),
        [
            "bar: unchanged, as it was built",
            "foo: unchanged, as it was built"
        ]
    );
}

fn no_output_and_no_database_holds_the_address_of_a_hook(mut world: World) {
    for site in ["fine", "gone", "busy", "reset", "wrong"] {
        world.hosted(site, "");
    }
    world.hooks.always("gone", Answer::NotFound);
    world.hooks.always("busy", Answer::Status(503));
    world.hooks.always("reset", Answer::Reset);
    // Refused before anything leaves, because it is not encrypted.
    let address = world.hooks.address("wrong");
    let elsewhere = address.replace("127.0.0.1", "192.0.2.1");
    world.estate.env(&variable("wrong"), elsewhere);
    world.estate.env("RUST_LOG", "trace");

    let mut said = String::new();
    for arguments in [
        &["reconcile", "--plan", "--json", "--all", "--verbose"][..],
        &["reconcile", "--log", "json", "--json"],
        &["reconcile", "--log", "human", "--verbose"],
        &["status"],
        &["status", "gone", "--json"],
        &["history", "reset", "--json"],
        &["history", "gone"],
        &["check", "--json"],
        &["export"],
    ] {
        let Output { stdout, stderr, .. } = world.estate.microblot(arguments);
        said.push_str(&stdout);
        said.push_str(&stderr);
    }
    assert!(said.contains("TRACE") && said.contains("\"level\":\"TRACE\""));
    assert!(world.hooks.calls().len() >= 4);

    let stored = match world.postgres() {
        Some(url) => support::postgres::dump(url),
        None => {
            let files = world.database_files();
            assert!(!files.is_empty());
            files
                .iter()
                .flat_map(|file| std::fs::read(file).unwrap())
                .collect()
        }
    };
    let found = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|w| w == text.as_bytes());
    assert!(found(&stored, "NETLIFY_HOOK_GONE"), "the dump holds texts");
    for site in ["fine", "gone", "busy", "reset", "wrong"] {
        let address = world.hooks.address(site);
        let secret = address.rsplit('/').next().unwrap();
        assert!(!said.contains(secret), "{site} in the output");
        assert!(!found(&stored, secret), "{site} in the database");
    }
    assert!(!said.contains("build_hooks/"), "a part of an address");
    assert!(!found(&stored, "build_hooks/"), "a part of an address");
}

fn exit_codes_tell_a_plan_with_builds(mut world: World) {
    two(&mut world);
    let code = |world: &World, arguments: &[&str]| {
        let arguments = [&["reconcile", "--plan"], arguments].concat();
        world.estate.microblot(&arguments).code
    };
    assert_eq!(code(&world, &[]), 0);
    assert_eq!(code(&world, &["--detailed-exitcode"]), 2);
    world.reconcile();
    assert_eq!(code(&world, &["--detailed-exitcode"]), 0);
    world.undeclare("bar");
    assert_eq!(code(&world, &["--detailed-exitcode"]), 2);
    world.estate.write("sites.toml", "nonsense");
    assert_eq!(code(&world, &[]), 1);
    assert_eq!(code(&world, &["--detailed-exitcode"]), 1);
    world.estate.remove("sites.toml");
    assert_eq!(code(&world, &["--detailed-exitcode"]), 1);
}

fn an_expected_plan_runs_and_a_stale_one_does_not(mut world: World) {
    two(&mut world);
    let shown = world.plan(&[])["id"].as_str().unwrap().to_owned();
    world.hosted("foo", "title = \"Changed since\"");
    let output = world.fails(&["reconcile", "--expect", &shown]);
    assert!(
        output.stderr.contains("the plan is no longer"),
        "{output:?}"
    );
    assert!(world.hooks.calls().is_empty());
    // A refused plan publishes nothing either.
    assert_eq!(counts(&world.json(&["status", "--json"])), [0; 5]);

    let shown = world.plan(&[])["id"].as_str().unwrap().to_owned();
    world.ok(&["reconcile", "--expect", &shown]);
    assert_eq!(world.hooks.calls().len(), 2);
    world.fails(&["reconcile", "--expect", &shown]);
    assert_eq!(world.hooks.calls().len(), 2);
}

/// Follows the hint of a plan, word by word.
fn the_hint_names_the_command_that_does_what_was_shown(mut world: World) {
    many(&mut world, 12);
    for arguments in [&["site-01"][..], &["site-02", "site-03"], &["--force"]] {
        let output = world.ok(&[&["reconcile", "--plan"], arguments].concat());
        let (_, hint) = output.stderr.split_once("`microblot ").unwrap();
        let (command, _) = hint.split_once('`').unwrap();
        world.ok(&command.split(' ').collect::<Vec<_>>());
    }
    assert_eq!(world.hooks.calls().len(), 12);
}

fn sites_are_chosen_by_name(mut world: World) {
    two(&mut world);
    world.hosted("baz", "");
    assert_eq!(
        decisions(&world.plan(&["bar"])),
        ["bar: build, first build"]
    );
    world.ok(&["reconcile", "bar", "baz"]);
    let mut called: Vec<_> = world.hooks.calls().into_iter().map(|c| c.hook).collect();
    called.sort();
    assert_eq!(called, ["bar", "baz"]);
    for command in [
        &["reconcile", "--plan", "fooo"][..],
        &["reconcile", "fooo"],
        &["status", "fooo"],
        &["rebuild", "fooo"],
        &["new", "fooo", "--title", "x"],
    ] {
        let output = world.fails(command);
        assert_eq!(
            output.stderr,
            "error: there is no site called fooo; did you mean foo?\n"
        );
        assert_eq!(output.stdout, "");
    }
    assert_eq!(world.reconcile(), ["foo"]);
}

fn many_builds_at_once_need_force(mut world: World) {
    many(&mut world, 12);
    let output = world.ok(&["reconcile", "--plan"]);
    assert!(
        output
            .stdout
            .contains("12 of 12 sites would build at once (limit 50 %)"),
        "{output:?}"
    );
    assert_eq!(counts(&world.plan(&[])), [0, 0, 12, 0, 0]);
    // Not "nothing to do".
    let output = world
        .estate
        .microblot(&["reconcile", "--plan", "--detailed-exitcode"]);
    assert_eq!(output.code, 2);
    let output = world.fails(&["reconcile"]);
    assert!(output.stdout.contains("12 of 12 sites"), "{output:?}");
    assert!(world.hooks.calls().is_empty());

    // Ten at a time, as the account's limits have it.
    assert_eq!(counts(&world.plan(&["--force"])), [10, 2, 0, 0, 0]);
    world.ok(&["reconcile", "--force"]);
    assert_eq!(world.hooks.calls().len(), 12);
    assert_eq!(world.reconcile(), [""; 0]);
}

fn what_was_stopped_stays_so_until_somebody_lets_it_through(mut world: World) {
    let shared = |world: &World, text: &str| world.estate.write("shared/a", text);
    shared(&world, "1");
    for number in 1..=12 {
        let files = if number <= 7 {
            "files = [\"shared/**\"]"
        } else {
            ""
        };
        world.hosted(&format!("site-{number:02}"), files);
    }
    world.ok(&["adopt"]);
    shared(&world, "2");
    world.fails(&["reconcile"]);
    assert_eq!(counts(&world.plan(&[])), [0, 0, 7, 0, 5]);
    world.ok(&["pause", "site-02"]);
    world.ok(&["rebuild", "site-01"]);
    for _ in 0..2 {
        world.fails(&["reconcile"]);
        let called: Vec<_> = world.hooks.calls().into_iter().map(|c| c.hook).collect();
        assert_eq!(called, ["site-01"]);
        assert_eq!(counts(&world.plan(&[])), [0, 1, 5, 0, 6]);
    }
    world.ok(&["resume", "site-02"]);
    assert_eq!(counts(&world.plan(&[])), [0, 0, 6, 0, 6]);
    world.ok(&["reconcile", "--force"]);
    assert_eq!(world.hooks.calls().len(), 7);
}

fn many_removals_at_once_need_force(mut world: World) {
    many(&mut world, 12);
    world.ok(&["adopt"]);
    for number in 1..=7 {
        world.undeclare(&format!("site-{number:02}"));
    }
    let output = world.fails(&["reconcile", "--plan"]);
    assert!(
        output
            .stderr
            .contains("refusing to remove 7 of 12 sites at once (limit 50 %)"),
        "{output:?}"
    );
    world.fails(&["reconcile"]);
    assert_eq!(counts(&world.json(&["status", "--json"]))[4], 12);
    assert_eq!(counts(&world.plan(&["--force"])), [0, 0, 0, 7, 5]);
    world.ok(&["reconcile", "--force"]);
    assert_eq!(counts(&world.plan(&[])), [0, 0, 0, 0, 5]);
}

fn an_empty_file_needs_force_once_sites_are_published(mut world: World) {
    assert_eq!(world.estate.microblot(&["reconcile"]).code, 1, "no file");
    world.publish();
    world.ok(&["reconcile"]);
    two(&mut world);
    world.reconcile();
    world.estate.write("sites.toml", "");
    for arguments in [&["reconcile", "--plan"][..], &["reconcile"], &["adopt"]] {
        let output = world.fails(arguments);
        assert!(
            output
                .stderr
                .contains("declares no site, and 2 are published"),
            "{output:?}"
        );
    }
    world.ok(&["reconcile", "--force"]);
    assert_eq!(world.planned(), [""; 0]);
    world.ok(&["reconcile"]);
}

fn a_renamed_site_keeps_its_posts_and_its_history(mut world: World) {
    two(&mut world);
    world.reconcile();
    let id = world.post("foo", "Hello");
    assert_eq!(world.reconcile(), ["foo"]);
    let history = world.json(&["history", "foo", "--json"]);

    world.undeclare("foo");
    let hook = variable("foo");
    world.declare(
        "new-foo",
        &format!(
            "title = \"The foo site\"\nrenamed_from = \"foo\"\n\
             build.netlify = {{ hook = {{ env = \"{hook}\" }} }}"
        ),
    );
    let text = world.estate.read("sites.toml");
    world.estate.write(
        "sites.toml",
        text.replace("https://new-foo.example.org", "https://foo.example.org"),
    );
    assert_eq!(world.planned(), ["new-foo: unchanged, renamed from foo"]);
    let output = world.ok(&["reconcile"]);
    assert!(
        output.stderr.contains("foo is now called new-foo"),
        "{output:?}"
    );
    assert_eq!(world.hooks.calls().len(), 3, "a rename builds nothing");
    assert_eq!(world.json(&["history", "new-foo", "--json"]), history);
    assert_eq!(world.json(&["list", "new-foo", "--json"])[0]["id"], id);
    assert_eq!(world.planned(), [""; 0]);
    assert_eq!(world.reconcile(), [""; 0]);
    assert_eq!(decisions(&world.plan(&["--all"])).len(), 2);
}

fn a_removed_site_is_forgotten_and_comes_back_as_it_was_shown(mut world: World) {
    two(&mut world);
    world.reconcile();
    world.post("foo", "Hello");
    world.reconcile();
    world.undeclare("foo");
    assert_eq!(
        world.planned(),
        ["foo: forget, no longer declared: built no more; its posts are kept"]
    );
    assert_eq!(world.reconcile(), [""; 0]);
    assert_eq!(world.planned(), [""; 0]);
    assert_eq!(decisions(&world.plan(&["--all"])).len(), 1);
    world.fails(&["status", "foo"]);

    // Its posts were kept, and the plan knows.
    world.hosted("foo", "");
    let plan = world.plan(&[]);
    assert_eq!(decisions(&plan), ["foo: build, first build"]);
    world.ok(&["reconcile", "--expect", plan["id"].as_str().unwrap()]);
    let calls = world.hooks.calls_of("foo");
    assert_eq!(calls.len(), 3);
    assert_eq!(
        calls[2].json()["content_hash"],
        plan["sites"][0]["content_hash"]
    );
    assert_eq!(world.json(&["list", "foo", "--json"])[0]["title"], "Hello");
    world.hooks.ignore_rest();
}

fn adopted_sites_are_not_built(mut world: World) {
    many(&mut world, 12);
    world.estate.write("foo/a.md", "a");
    world.hosted("foo", "files = [\"foo/**\"]");
    let output = world.ok(&["adopt", "foo"]);
    assert!(output.stdout.contains("1 site taken"), "{output:?}");
    assert_eq!(counts(&world.plan(&[]))[4], 1);
    let output = world.ok(&["adopt"]);
    assert!(output.stdout.contains("13 sites taken"), "{output:?}");
    assert_eq!(world.planned(), [""; 0]);
    assert_eq!(world.reconcile(), [""; 0]);
    world.estate.write("foo/a.md", "b");
    let plan = world.plan(&[]);
    assert_eq!(decisions(&plan), ["foo: build, files changed"]);
    assert_eq!(plan["sites"][0]["changes"][0]["item"], "foo/a.md");
    assert_eq!(world.reconcile(), ["foo"]);
}

fn content_that_goes_back_after_a_doubtful_call_is_built(mut world: World) {
    two(&mut world);
    world.reconcile();
    let gone = |world: &World, refusal: Answer| {
        let post = world.post("foo", "A mistake");
        world.hooks.answer("foo", [refusal]);
        world.fails(&["reconcile"]);
        world.ok(&["delete", &post]);
    };
    // A gateway that fails may have passed the call on: the site may show the mistake.
    gone(&world, Answer::Status(502));
    assert_eq!(
        world.planned(),
        ["foo: build, outcome of the last build is unknown"]
    );
    assert_eq!(world.reconcile(), ["foo"]);
    // A call that was refused started nothing.
    gone(&world, Answer::Status(408));
    assert_eq!(world.planned(), [""; 0]);
    assert_eq!(world.hooks.calls_of("foo").len(), 4);
    world.hooks.ignore_rest();
}

fn adopting_settles_what_was_asked_for_and_what_failed(mut world: World) {
    for site in ["asked", "failed", "silent", "stalled"] {
        world.estate.write(format!("{site}/a.md"), "a");
        world.hosted(site, &format!("files = [\"{site}/**\"]"));
    }
    world.hooks.answer("failed", [Answer::Status(500)]);
    world.hooks.answer("silent", [Answer::Reset]);
    world.hooks.answer("stalled", [Answer::Gone]);
    world.fails(&["reconcile"]);
    world.ok(&["rebuild", "asked", "--clear-cache"]);
    let planned = world.planned().join("\n");
    for part in [
        "asked: build, asked for by",
        "failed: build, first build",
        "silent: wait, ",
        "stalled: attention, stalled after 1 failure",
    ] {
        assert!(planned.contains(part), "{part}: {planned}");
    }
    let calls = world.hooks.calls().len();

    world.ok(&["adopt", "asked"]);
    assert_eq!(world.planned().len(), 3);
    world.ok(&["adopt"]);
    assert_eq!(world.planned(), [""; 0]);
    assert_eq!(world.reconcile(), [""; 0]);
    assert_eq!(world.hooks.calls().len(), calls);
    // And the next change is built, as if nothing had happened before.
    for site in ["asked", "failed", "silent", "stalled"] {
        world.estate.write(format!("{site}/a.md"), "b");
    }
    assert_eq!(world.reconcile(), ["asked", "failed", "silent", "stalled"]);
    let asked = world.hooks.calls_of("asked");
    assert_eq!(asked[1].parameter("clear_cache"), None, "that was settled");
}

fn a_rebuild_is_answered_once(mut world: World) {
    two(&mut world);
    world.estate.env("USER", "ada");
    world.reconcile();
    world.ok(&["rebuild", "foo", "--clear-cache"]);
    assert_eq!(
        world.planned(),
        ["foo: build, asked for by ada, without the cache"]
    );
    world.hooks.answer("foo", [Answer::Status(500)]);
    world.fails(&["reconcile"]);
    // Nothing was started: the request stands.
    assert_eq!(
        world.planned(),
        ["foo: build, asked for by ada, without the cache"]
    );
    assert_eq!(world.reconcile(), ["foo"]);
    let calls = world.hooks.calls_of("foo");
    assert_eq!(calls.len(), 3);
    assert_eq!(calls[2].parameter("clear_cache"), Some("true"));
    assert_eq!(calls[0].parameter("clear_cache"), None);
    assert_eq!(world.planned(), [""; 0]);
    let history = world.json(&["history", "foo", "--json"]);
    assert_eq!(history[0]["requested_by"], "ada");
    assert_eq!(history[2]["requested_by"], Value::Null);
    world.ok(&["rebuild", "foo"]);
    assert_eq!(world.reconcile(), ["foo"]);
    assert_eq!(
        world.hooks.calls_of("foo")[3].parameter("clear_cache"),
        None
    );
}

fn a_paused_site_waits(mut world: World) {
    two(&mut world);
    world.estate.env("USER", "ada");
    world.reconcile();
    let output = world.ok(&["pause", "foo", "--for", "2h", "--because", "launch freeze"]);
    assert!(
        output.stdout.starts_with("foo is paused until 2"),
        "{output:?}"
    );
    world.post("foo", "Hello");
    world.post("bar", "Hello");
    let planned = world.planned();
    assert_eq!(planned[0], "bar: build, posts changed");
    assert!(
        planned[1]
            .starts_with("foo: wait, posts changed; paused by ada: launch freeze (resumes in "),
        "{planned:?}"
    );
    // A pause is what somebody wants: no failure of the pass.
    assert_eq!(world.reconcile(), ["bar"]);
    world.ok(&["resume", "foo"]);
    assert_eq!(world.reconcile(), ["foo"]);
    assert!(
        world
            .ok(&["resume", "foo"])
            .stdout
            .contains("neither paused")
    );
}

/// `--wait` does not wait for a person.
fn an_asked_for_pause_is_kept(mut world: World) {
    two(&mut world);
    world.reconcile();
    world.ok(&["pause", "foo"]);
    world.post("foo", "Hello");
    world.ok(&["reconcile", "--wait"]);
    assert_eq!(world.hooks.calls().len(), 2);
    world.fails(&["pause", "foo", "--for", "soon"]);
}

fn a_hook_that_is_gone_stalls_its_site_until_somebody_resumes_it(mut world: World) {
    two(&mut world);
    world.hooks.answer("foo", [Answer::NotFound, Answer::Gone]);
    let output = world.fails(&["reconcile"]);
    assert!(
        output
            .stdout
            .contains("the build hook does not exist; make a new one"),
        "{output:?}"
    );
    let step = "make a new one, set its address, then run `microblot resume foo`)";
    assert!(world.planned()[0].ends_with(step), "{output:?}");
    assert_eq!(world.hooks.calls().len(), 2, "one site never stops another");
    let planned = world.planned();
    assert!(
        planned[0].starts_with("foo: attention, stalled after 1 failure (Netlify answered 404")
            && planned[0].contains("microblot resume foo"),
        "{planned:?}"
    );
    world.fails(&["reconcile"]);
    assert_eq!(world.hooks.calls().len(), 2, "not called again by itself");

    world.ok(&["resume", "foo"]);
    world.fails(&["reconcile"]);
    assert_eq!(world.hooks.calls_of("foo").len(), 2);
    world.ok(&["resume", "foo"]);
    assert_eq!(world.reconcile(), ["foo"]);
    let history = world.json(&["history", "foo", "--json"]);
    let states = [0, 1, 2].map(|place| history[place]["state"].as_str().unwrap());
    assert_eq!(states, ["accepted", "refused", "refused"]);
}

fn a_changed_site_is_no_longer_stalled(mut world: World) {
    two(&mut world);
    world.hooks.answer("foo", [Answer::NotFound]);
    world.fails(&["reconcile"]);
    world.hooks.calls();
    let address = world.hooks.address("other");
    world.estate.env("OTHER_HOOK", address);
    world.declare("foo", "build.netlify = { hook = { env = \"OTHER_HOOK\" } }");
    assert_eq!(world.planned(), ["foo: build, first build"]);
    assert_eq!(world.reconcile(), ["other"]);
}

fn a_failure_is_tried_again_later(mut world: World) {
    two(&mut world);
    let retry_after = "120".to_owned();
    world.hooks.answer("foo", [Answer::TooMany { retry_after }]);
    world.hooks.answer("bar", [Answer::Status(500)]);
    let output = world.fails(&["reconcile"]);
    assert!(
        output.stdout.contains("foo  wait  first build; 1 failure (Netlify answered 429 Too Many Requests), next try in "),
        "{output:?}"
    );
    assert!(
        output.stdout.contains(
            "bar  wait  first build; 1 failure (Netlify answered 500 Internal Server Error), next try in "
        ),
        "{output:?}"
    );
    assert_eq!(world.hooks.calls().len(), 2, "once in one pass");

    // The loop waits; somebody who asks does not, unless it is the builder that wants to be left
    // alone.
    let left = |site: &Value| {
        let until: jiff::Timestamp = site["until"].as_str().unwrap().parse().unwrap();
        until.duration_since(jiff::Timestamp::now()).as_secs()
    };
    let status = world.json(&["status", "--json"]);
    assert!(left(&status["sites"][0]) <= 6, "{status}");
    let plan = world.plan(&[]);
    assert_eq!(decisions(&plan)[0], "bar: build, first build");
    assert!((100..=120).contains(&left(&plan["sites"][1])), "{plan}");
    world.fails(&["reconcile"]);
    assert_eq!(world.hooks.calls_of("foo").len(), 1);
    assert_eq!(world.hooks.calls_of("bar").len(), 2);
    assert_eq!(world.planned().len(), 1);
}

#[test]
fn waiting_goes_through_failures() {
    let mut world = World::on_sqlite();
    two(&mut world);
    let retry_after = "1".to_owned();
    // The first back-off is five seconds: too long for a test to go through more than one.
    world.hooks.answer("foo", [Answer::TooMany { retry_after }]);
    let output = world.ok(&["reconcile", "--wait"]);
    assert_eq!(world.hooks.calls_of("foo").len(), 2);
    assert_eq!(world.hooks.calls_of("bar").len(), 1);
    assert_eq!(last_line(&output), "Plan: nothing to do, 2 unchanged.");
}

fn an_unknown_outcome_is_not_fired_again(mut world: World) {
    two(&mut world);
    world.hooks.answer("foo", [Answer::Reset]);
    let output = world.fails(&["reconcile"]);
    assert!(
        output
            .stdout
            .contains("foo  unknown   Netlify did not answer, and may have started a build"),
        "{output:?}"
    );
    let planned = world.planned();
    assert!(
        planned[0].starts_with("foo: wait, build ") && planned[0].contains("outcome unknown"),
        "{planned:?}"
    );
    world.fails(&["reconcile"]);
    assert_eq!(world.hooks.calls_of("foo").len(), 1);

    // Newer content makes the question pointless: the next build shows it.
    world.post("foo", "Hello");
    assert_eq!(world.reconcile(), ["foo"]);
    assert_eq!(world.hooks.calls_of("bar").len(), 1);
    assert_eq!(world.planned(), [""; 0]);
}

fn a_hook_that_never_answers_needs_a_person_in_the_end(mut world: World) {
    world.hosted("foo", "");
    world.hooks.always("foo", Answer::Reset);
    let deadline_is_over = || world.sql("UPDATE build SET deadline = 1 WHERE state = 'unknown'");
    for calls in 1..=5 {
        world.fails(&["reconcile"]);
        assert_eq!(world.hooks.calls_of("foo").len(), calls);
        deadline_is_over();
    }
    world.fails(&["reconcile"]);
    assert_eq!(world.hooks.calls_of("foo").len(), 5);
    let expected = "foo: attention, stalled after 5 builds without an answer; see whether the hook \
                    works, then run `microblot resume foo`";
    assert_eq!(world.planned(), [expected]);

    world.ok(&["resume", "foo"]);
    world.hooks.always("foo", Answer::Ok);
    assert_eq!(world.reconcile(), ["foo"]);
    assert!(world.planned().is_empty());
}

fn a_missing_variable_is_named(mut world: World) {
    two(&mut world);
    world.estate.env(&variable("foo"), "");
    let output = world.fails(&["reconcile"]);
    assert!(output.stdout.contains(&variable("foo")), "{output:?}");
    let calls = world.hooks.calls();
    assert_eq!(calls.len(), 1, "the other one is built");
    assert_eq!(calls[0].hook, "bar");
    let address = world.hooks.address("foo");
    world.estate.env(&variable("foo"), address);
    world.ok(&["resume", "foo"]);
    assert_eq!(world.reconcile(), ["foo"]);
}

fn the_code_revision_is_an_input(mut world: World) {
    world.hosted("foo", "revision = true");
    world.hosted("bar", "");
    let output = world.fails(&["reconcile", "--plan", "--json"]);
    let plan = parsed(&output);
    let planned = decisions(&plan);
    assert_eq!(planned[0], "bar: build, first build");
    assert!(
        planned[1].starts_with("foo: attention,") && planned[1].contains("MICROBLOT_REVISION"),
        "{planned:?}"
    );
    world.fails(&["reconcile"]);
    assert_eq!(world.hooks.calls().len(), 1);

    world.estate.env("MICROBLOT_REVISION", "abc123");
    assert_eq!(world.reconcile(), ["foo"]);
    world.estate.env("MICROBLOT_REVISION", "def456");
    let plan = world.plan(&[]);
    assert_eq!(decisions(&plan), ["foo: build, revision changed"]);
    assert_eq!(plan["sites"][0]["changes"][0]["new"], "def456");
    assert_eq!(world.reconcile(), ["foo"]);
}

fn aggregates_follow_their_members(mut world: World) {
    two(&mut world);
    world.hosted("all", "posts = \"all\"");
    world.hosted("pair", "posts = [\"foo\", \"baz\"]");
    world.hosted("baz", "");
    world.hosted("none", "posts = \"none\"");
    assert_eq!(world.reconcile().len(), 6);
    world.post("bar", "Hello");
    assert_eq!(
        world.planned(),
        ["all: build, posts changed", "bar: build, posts changed"]
    );
    assert_eq!(world.reconcile(), ["all", "bar"]);
    world.post("foo", "Hello");
    let plan = world.plan(&[]);
    assert_eq!(decisions(&plan).len(), 3);
    assert_eq!(plan["sites"][0]["changes"][0]["item"], "The foo site");
    assert_eq!(world.reconcile(), ["all", "foo", "pair"]);
    world.post("none", "Hello");
    assert_eq!(world.reconcile(), ["all"]);
    // A title is shown beside the posts.
    world.hosted("foo", "title = \"Foo\"");
    assert_eq!(world.reconcile(), ["all", "foo", "pair"]);
    world.undeclare("bar");
    assert_eq!(world.reconcile(), ["all"]);
    assert_eq!(world.planned(), [""; 0]);
}

fn an_aggregate_of_all_shows_no_other_workspace(mut world: World) {
    let of = |workspace: &str| format!("slack = {{ workspace = \"{workspace}\" }}");
    let all = |workspace: &str| format!("posts = \"all\"\n{}", of(workspace));
    world.hosted("foo", "");
    world.hosted("ours", &of("T012AB3CD"));
    world.hosted("theirs", &of("T0OTHER"));
    world.hosted("all", &all("T012AB3CD"));
    world.hosted("others", &all("T0OTHER"));
    world.hosted("whole", "posts = \"all\"");
    world.hosted(
        "named",
        &format!("posts = [\"theirs\"]\n{}", of("T012AB3CD")),
    );
    world.reconcile();
    world.post("theirs", "Theirs");
    assert_eq!(world.reconcile(), ["named", "others", "theirs", "whole"]);
    world.post("ours", "Ours");
    assert_eq!(world.reconcile(), ["all", "ours", "whole"]);
    world.post("foo", "Of nobody");
    assert_eq!(world.reconcile(), ["all", "foo", "others", "whole"]);
    // So are the feeds.
    let serve = world.estate.serve();
    for (site, posts) in [
        ("all", ["Of nobody", "Ours"].as_slice()),
        ("others", &["Of nobody", "Theirs"]),
        ("whole", &["Of nobody", "Ours", "Theirs"]),
        ("named", &["Theirs"]),
    ] {
        let feed = get(&serve.url(), &format!("/sites/{site}/feed.json")).json();
        let items = feed["items"].as_array().unwrap();
        let mut titles: Vec<_> = items.iter().map(|item| item["title"].clone()).collect();
        titles.sort_by_key(ToString::to_string);
        assert_eq!(titles, posts, "{site}");
    }
}

fn a_rendered_aggregate_lists_members_without_posts(mut world: World) {
    two(&mut world);
    world.rendered("all", "posts = \"all\"");
    world.reconcile();
    let lists = |world: &World, title: &str| {
        let index = world.estate.path().join("public/all/index.html");
        std::fs::read_to_string(index).unwrap().contains(title)
    };
    assert!(lists(&world, "The foo site"));
    world.hosted("foo", "title = \"Renamed\"");
    assert_eq!(
        world.planned(),
        ["all: build, posts changed", "foo: build, spec changed"]
    );
    world.reconcile();
    assert!(lists(&world, "Renamed") && !lists(&world, "The foo site"));
    world.hosted("baz", "");
    assert_eq!(
        world.planned(),
        ["all: build, posts changed", "baz: build, first build"]
    );
    world.reconcile();
    assert!(lists(&world, "The baz site"));
    world.undeclare("foo");
    world.reconcile();
    assert!(!lists(&world, "Renamed"));
    assert_eq!(world.planned(), [""; 0]);
}

fn the_order_of_members_is_no_change_and_makes_none(mut world: World) {
    two(&mut world);
    world.rendered("all", "posts = [\"foo\", \"bar\"]");
    world.reconcile();
    let index = |world: &World| world.estate.read("public/all/index.html");
    let before = index(&world);
    world.rendered("all", "posts = [\"bar\", \"foo\"]");
    assert_eq!(world.planned(), [""; 0]);
    world.ok(&["rebuild", "all"]);
    world.reconcile();
    assert_eq!(index(&world), before);
}

fn a_site_that_was_removed_gives_its_name_to_one_that_is_renamed(mut world: World) {
    two(&mut world);
    world.hosted("other", "");
    world.reconcile();
    world.post("foo", "Of foo");
    world.post("bar", "Of bar");
    world.reconcile();
    world.undeclare("bar");
    // Published, and nobody looked at the other sites yet.
    world.ok(&["reconcile", "other"]);
    world.undeclare("foo");
    world.hosted("bar", "renamed_from = \"foo\"");
    world.reconcile();
    let posts = world.json(&["list", "bar", "--json"]);
    let titles: Vec<&str> = posts
        .as_array()
        .unwrap()
        .iter()
        .map(|post| post["title"].as_str().unwrap())
        .collect();
    assert_eq!(titles, ["Of foo"]);
}

fn a_glob_that_moves_rendered_pages_is_a_change(mut world: World) {
    world.estate.write("text/en/about.md", "# About");
    world.rendered("foo", "files = [\"text/en/**\"]");
    world.reconcile();
    let page =
        |world: &World, page: &str| world.estate.path().join("public/foo").join(page).exists();
    assert!(page(&world, "about.html"));
    // The same files, at other addresses.
    world.rendered("foo", "files = [\"text/{de,en}/**\"]");
    assert_eq!(world.planned(), ["foo: build, spec changed"]);
    world.reconcile();
    assert!(page(&world, "en/about.html") && !page(&world, "about.html"));
    assert_eq!(world.planned(), [""; 0]);
}

fn drafts_are_no_input(mut world: World) {
    two(&mut world);
    world.reconcile();
    let draft = world.json(&["new", "foo", "--title", "Hello", "--draft", "--json"]);
    let id = draft["id"].as_str().unwrap();
    assert_eq!(draft["state"], "draft");
    world.ok(&["edit", id, "--title", "Hello again"]);
    assert_eq!(world.planned(), [""; 0]);
    world.ok(&["edit", id, "--publish"]);
    assert_eq!(world.reconcile(), ["foo"]);
    world.ok(&["edit", id, "--draft"]);
    assert_eq!(world.reconcile(), ["foo"]);
    world.ok(&["delete", id]);
    assert_eq!(world.planned(), [""; 0]);
}

fn a_scheduled_post_is_planned_when_its_time_has_come(mut world: World) {
    two(&mut world);
    world.reconcile();
    let far = ["--title", "Later", "--publish-at", "2999-01-01T00:00:00Z"];
    world.ok(&[&["new", "foo"], &far[..]].concat());
    assert_eq!(world.planned(), [""; 0]);
    assert_eq!(world.reconcile(), [""; 0]);

    let soon = jiff::Timestamp::now() + Duration::from_millis(1500);
    let post = world.json(&[
        "new",
        "bar",
        "--title",
        "Soon",
        "--publish-at",
        &soon.to_string(),
        "--json",
    ]);
    assert_eq!(post["state"], "scheduled");
    // Nobody but the plan looks at the clock here.
    let plan = support::world::eventually("the time has come", || {
        Some(world.plan(&[])).filter(|plan| !decisions(plan).is_empty())
    });
    assert_eq!(decisions(&plan), ["bar: build, posts changed"]);
    assert_eq!(plan["sites"][0]["changes"][0]["item"], "Soon");
    world.ok(&["reconcile", "--expect", plan["id"].as_str().unwrap()]);
    let calls = world.hooks.calls_of("bar");
    assert_eq!(
        calls[1].json()["content_hash"],
        plan["sites"][0]["content_hash"]
    );
    assert_eq!(world.hooks.calls().len(), 3);
    assert_eq!(world.planned(), [""; 0]);
}

fn what_is_changed_back_is_not_built(mut world: World) {
    world.hosted("foo", "files = [\"foo/**\"]");
    world.estate.write("foo/a.md", "a");
    world.reconcile();
    let id = world.json(&["new", "foo", "--title", "A", "--file", "foo/a.md", "--json"]);
    let id = id["id"].as_str().unwrap();
    world.reconcile();
    world.estate.write("foo/a.md", "b");
    world.hosted("foo", "files = [\"foo/**\"]\ntitle = \"Other\"");
    world.ok(&["edit", id, "--title", "B"]);
    assert_eq!(
        world.planned(),
        ["foo: build, spec, posts and files changed"]
    );
    world.estate.write("foo/a.md", "a");
    world.hosted("foo", "files = [\"foo/**\"]");
    world.ok(&["edit", id, "--title", "A"]);
    assert_eq!(world.planned(), [""; 0]);
    assert_eq!(world.reconcile(), [""; 0]);
    assert_eq!(world.hooks.calls().len(), 2);
}

fn a_budget_ends_builds_for_the_month(mut world: World) {
    world.head = "[budget]\ndeploys_per_month = 2\n".to_owned();
    two(&mut world);
    world.hosted("baz", "");
    let plan = world.plan(&[]);
    assert_eq!(counts(&plan), [2, 1, 0, 0, 0]);
    assert_eq!(plan["budget"]["of"], 2);
    let output = world.fails(&["reconcile"]);
    assert!(
        output
            .stdout
            .contains("2 of 2 deploys of this month used, more on 1 "),
        "{output:?}"
    );
    assert_eq!(world.hooks.calls().len(), 2);
    // Nobody waits for next month.
    world.fails(&["reconcile", "--wait"]);
    assert_eq!(world.hooks.calls().len(), 2);
    world.head = "[budget]\ndeploys_per_month = 3\n".to_owned();
    world.publish();
    assert_eq!(world.reconcile().len(), 1);
}

fn builds_per_minute_are_limited(mut world: World) {
    world.head = "[limits]\nbuilds_per_minute = 2\n".to_owned();
    two(&mut world);
    world.hosted("baz", "");
    let output = world.fails(&["reconcile"]);
    assert!(
        output
            .stdout
            .contains("2 of 2 builds in the last minute, room in "),
        "{output:?}"
    );
    assert_eq!(world.hooks.calls().len(), 2);
    world.head = String::new();
    world.publish();
    assert_eq!(world.reconcile().len(), 1);
}

fn builds_in_flight_are_limited(mut world: World) {
    world.head = "[limits]\nbuilds_in_flight = 1\n".to_owned();
    two(&mut world);
    world.hosted("baz", "");
    let slow = Duration::from_millis(150);
    world.hooks.always_any(Answer::Slow(slow));
    assert_eq!(world.reconcile().len(), 3, "one after the other");
    let calls = world.hooks.calls();
    for pair in calls.windows(2) {
        assert!(pair[1].at.duration_since(pair[0].at) >= slow);
    }
    // A build of unknown outcome holds up no other site.
    world.hooks.answer("foo", [Answer::Reset]);
    world.post("foo", "Hello");
    world.fails(&["reconcile"]);
    world.post("bar", "Hello");
    let output = world.fails(&["reconcile"]);
    assert!(output.stdout.contains("✓ bar"), "{output:?}");
    assert_eq!(world.hooks.calls().len(), 5);
}

fn every_error_is_told_at_once(world: World) {
    world.estate.write(
        "sites.toml",
        "[sites.foo]\ntitel = \"Foo\"\nurl = \"nowhere\"\n\n[sites.Bar]\ntitle = 7\n",
    );
    for command in [
        &["check"][..],
        &["reconcile", "--plan"],
        &["reconcile"],
        &["adopt"],
    ] {
        let output = world.fails(command);
        assert_eq!(output.stdout, "");
        for wanted in [
            "did you mean `title`?",
            "sites.toml:2:1",
            "sites.toml:3:7",
            "sites.toml:5:",
            "sites.toml:6:",
        ] {
            assert!(
                output.stderr.contains(wanted),
                "{wanted}: {}",
                output.stderr
            );
        }
    }
    assert!(world.database_files().is_empty());
}

/// Two people, or two deployments, at the same moment.
fn two_at_once_build_once(mut world: World) {
    many(&mut world, 9);
    let codes = std::thread::scope(|scope| {
        let run = || world.estate.microblot(&["reconcile", "--wait"]);
        let runs = [(); 3].map(|()| scope.spawn(run));
        runs.map(|run| run.join().unwrap())
    });
    for output in &codes {
        assert_eq!(output.code, 0, "{codes:#?}");
    }
    let mut called: Vec<_> = world.hooks.calls().into_iter().map(|c| c.hook).collect();
    called.sort();
    let mut once = called.clone();
    once.dedup();
    assert_eq!(called, once);
    assert_eq!(called.len(), 9);
}

#[test]
fn an_unreadable_file_is_never_an_empty_plan() {
    let mut world = World::on_sqlite();
    world.hosted("foo", "files = [\"foo/**\"]");
    world.hosted("bar", "");
    world.estate.write("foo/a.md", "a");
    world.reconcile();
    world.estate.remove("foo/a.md");
    std::os::unix::fs::symlink("/nonexistent", world.estate.path().join("foo/a.md")).unwrap();
    let output = world.fails(&["reconcile", "--plan", "--json"]);
    let planned = decisions(&parsed(&output));
    assert!(
        planned[0].starts_with("foo: attention") && planned[0].contains("foo/a.md"),
        "{planned:?}"
    );
    world.post("bar", "Hello");
    world.fails(&["reconcile"]);
    assert_eq!(world.hooks.calls().len(), 3, "the other one is built");
}

#[test]
fn a_database_that_is_away_is_an_error() {
    let mut world = World::on_sqlite();
    two(&mut world);
    let port = support::ports::lasting();
    let url = format!("postgres://me:hunter2@127.0.0.1:{port}/x?sslmode=disable");
    world.estate.database(&url);
    for command in [&["reconcile", "--plan"][..], &["status"]] {
        let output = world.fails(command);
        assert_eq!(output.stdout, "");
        assert!(output.stderr.starts_with("error: "), "{output:?}");
        assert!(!output.stderr.contains("hunter2"), "{output:?}");
    }
    world.estate.database("mysql://localhost/x");
    assert!(world.fails(&["status"]).stderr.contains("mysql"));
}

#[test]
fn a_rendered_site_appears() {
    let mut world = World::on_sqlite();
    world.rendered("try", "files = [\"posts/*.md\"]");
    world.estate.write(
        "posts/first.md",
        "+++\ntitle = \"First\"\ndate = 2026-01-01\n+++\n# Hi\n",
    );
    let plan = world.plan(&[]);
    world.ok(&["reconcile", "--wait"]);
    world.post("try", "From the database");
    world.ok(&["reconcile"]);

    let out = world.estate.path().join("public/try");
    let index = world.estate.read("public/try/index.html");
    assert!(
        index.contains("First") && index.contains("From the database"),
        "{index}"
    );
    let page = files(&out).into_iter().find(|file| {
        file.file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with("from-the-database")
    });
    let page = std::fs::read_to_string(page.unwrap()).unwrap();
    assert!(page.contains("From the database"), "{page}");
    let feed: Value = serde_json::from_str(&world.estate.read("public/try/feed.json")).unwrap();
    assert_eq!(feed["version"], "https://jsonfeed.org/version/1.1");
    assert_eq!(feed["items"].as_array().unwrap().len(), 2);
    let marker: Value =
        serde_json::from_str(&world.estate.read("public/try/.well-known/microblot.json")).unwrap();
    let status = world.json(&["status", "try", "--json"]);
    assert_eq!(marker["content_hash"], status["sites"][0]["built_hash"]);
    assert_ne!(marker["content_hash"], plan["sites"][0]["content_hash"]);
    // Nothing is left of the folders that it was made in.
    let names: Vec<_> = std::fs::read_dir(world.estate.path().join("public"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["try"]);
}

#[test]
fn content_that_cannot_be_rendered_is_not_tried_again() {
    let mut world = World::on_sqlite();
    world.rendered("try", "files = [\"posts/*.md\"]");
    world.estate.write("posts/first.md", "+++\ntitle = \n+++\n");
    let output = world.fails(&["reconcile"]);
    assert!(output.stdout.contains("posts/first.md"), "{output:?}");
    let planned = world.planned();
    assert!(
        planned[0].starts_with("try: attention, the build of this very content failed: "),
        "{planned:?}"
    );
    world.fails(&["reconcile", "--wait"]);
    let history = world.json(&["history", "try", "--json"]);
    assert_eq!(history.as_array().unwrap().len(), 1);
    assert_eq!(history[0]["state"], "failed");

    world
        .estate
        .write("posts/first.md", "+++\ntitle = \"First\"\n+++\n");
    world.ok(&["reconcile"]);
    assert!(world.estate.read("public/try/index.html").contains("First"));
}

/// What else than `/` stands in a name is the business of whoever gave it.
fn odd_names_are_rendered_once(mut world: World) {
    let names = ["10:30 notes.txt", "a\\b.txt", "c:\\d.md", "100%.txt"];
    world.rendered("try", "files = [\"try/**\"]");
    for name in names {
        world.estate.write(format!("try/{name}"), "odd");
    }
    world.ok(&["reconcile"]);
    for name in names.into_iter().filter(|name| name.ends_with(".txt")) {
        let found = files(&world.estate.path().join("public/try"))
            .into_iter()
            .any(|file| file.ends_with(name));
        assert!(found, "{name}");
    }
    let output = world.ok(&["reconcile"]);
    assert_eq!(output.stdout, "Plan: nothing to do, 1 unchanged.\n");
    let history = world.json(&["history", "try", "--json"]);
    assert_eq!(history.as_array().unwrap().len(), 1, "{history}");
}

#[test]
fn a_file_too_large_to_render_waits_for_other_content() {
    let mut world = World::on_sqlite();
    world.rendered("try", "files = [\"try/**\"]");
    world.estate.write("try/a.md", "# A");
    world.estate.write("try/big.bin", "");
    let big = world.estate.path().join("try/big.bin");
    let file = std::fs::OpenOptions::new().write(true).open(&big).unwrap();
    file.set_len((256 << 20) + 1).unwrap();
    let output = world.fails(&["reconcile", "--wait"]);
    let said = "try/big.bin has 268435457 bytes; the most that can be used is 268435456";
    assert!(output.stdout.contains(said), "{output:?}");
    let planned = world.planned();
    assert!(
        planned[0]
            .starts_with("try: attention, the build of this very content failed: try/big.bin"),
        "{planned:?}"
    );
    world.fails(&["reconcile"]);
    let history = world.json(&["history", "try", "--json"]);
    assert_eq!(history.as_array().unwrap().len(), 1, "{history}");

    world.estate.remove("try/big.bin");
    world.ok(&["reconcile"]);
}

/// Each time the file is read it is another one than the time before.
fn files_that_never_rest_end_a_pass_with_their_names(mut world: World) {
    world.rendered("try", "files = [\"try/**\"]");
    world.estate.write("try/a.txt", "");
    let file = world.estate.path().join("try/a.txt");
    let beside = world.estate.path().join("beside");
    let stop = AtomicBool::new(false);
    let output = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut version = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                version += 1;
                std::fs::write(&beside, version.to_string()).unwrap();
                std::fs::rename(&beside, &file).unwrap();
            }
        });
        let output = world.estate.microblot(&["reconcile"]);
        stop.store(true, Ordering::Relaxed);
        output
    });
    assert_eq!(output.code, 1, "{output:?}");
    let said =
        "try keeps changing while it is built: try/a.txt has changed since it was looked at.";
    assert!(output.stderr.contains(said), "{output:?}");
    let history = world.json(&["history", "try", "--json"]);
    assert_eq!(history.as_array().unwrap().len(), 6, "{history}");

    world.ok(&["reconcile"]);
    let output = world.ok(&["reconcile"]);
    assert_eq!(output.stdout, "Plan: nothing to do, 1 unchanged.\n");
}
