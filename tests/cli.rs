//! The command line as people and scripts meet it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::process::Stdio;

use serde_json::{Value, json};
use support::estate::{Estate, Output};
use support::world::{World, parsed};

on_both![
    posts_are_written_listed_changed_and_deleted,
    what_is_written_is_promised_only_where_readers_will_see_it,
    a_pause_is_told_wherever_somebody_looks,
    status_and_history_tell_what_was_built,
];

/// The names of all commands, as `--help` lists them.
fn commands(estate: &Estate) -> Vec<String> {
    let help = estate.microblot(&["--help"]).stdout;
    let (_, list) = help.split_once("Commands:\n").unwrap();
    let (list, _) = list.split_once("\n\n").unwrap();
    let names = list.lines().filter_map(|line| {
        let name = line.strip_prefix("  ")?.split(' ').next()?;
        (!name.is_empty() && name != "help").then(|| name.to_owned())
    });
    names.collect()
}

/// The commands of the examples in a help text, each as its words.
fn examples(help: &str) -> Vec<Vec<String>> {
    let (_, text) = help.split_once("Example").unwrap_or_default();
    text.split("microblot ")
        .skip(1)
        .map(|example| {
            let ends = [" && ", " > ", " | ", " >> ", "   ", "\n"];
            let end = ends.iter().filter_map(|end| example.find(end)).min();
            let command = &example[..end.unwrap_or(example.len())];
            // Every second piece stands between quotes.
            let pieces = command.trim().split('\'').enumerate();
            let words = pieces.flat_map(|(place, piece)| match place % 2 {
                0 => piece.split_whitespace().map(ToOwned::to_owned).collect(),
                _ => vec![piece.to_owned()],
            });
            words.collect()
        })
        // The name of a database may end like an example begins.
        .filter(|words: &Vec<String>| !words.is_empty())
        .collect()
}

#[test]
fn every_command_has_help_with_examples_that_it_understands() {
    let estate = Estate::new();
    let commands = commands(&estate);
    assert!(commands.len() >= 17, "{commands:?}");
    let mut tried = 0;
    for command in &commands {
        let long = estate.microblot(&[command, "--help"]);
        let short = estate.microblot(&[command, "-h"]);
        for help in [long, short] {
            assert_eq!((help.code, help.stderr.as_str()), (0, ""), "{command}");
            let examples = examples(&help.stdout);
            assert!(!examples.is_empty(), "{command}: {}", help.stdout);
            for words in examples.iter().filter(|words| words[0] != "serve") {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                let output = estate.microblot_with(&words, "text");
                // 2: the words themselves were not understood.
                assert_ne!(output.code, 2, "{words:?}: {output:?}");
                let chat_only = output.stderr.contains("in chat only");
                assert!(!chat_only, "{words:?}: {output:?}");
                tried += 1;
            }
        }
    }
    assert!(tried > 30, "{tried}");
    let version = estate.microblot(&["--version"]).stdout;
    assert!(version.starts_with("microblot "), "{version}");
}

#[test]
fn init_makes_an_estate_that_works_and_overwrites_nothing() {
    let estate = Estate::new();
    let run = |arguments: &[&str]| {
        let output = estate.microblot(arguments);
        assert_eq!(output.code, 0, "{arguments:?}: {output:?}");
        output
    };
    let made = run(&["init", "blog"]);
    insta::assert_snapshot!(made.stdout, @r"
    wrote blog/sites.toml
    wrote blog/.env.example
    wrote blog/blog/hello.md
    wrote blog/slack-app.yaml
    ");
    assert!(
        made.stderr
            .contains("microblot reconcile --config blog/sites.toml")
    );
    let config = ["--config", "blog/sites.toml"];
    run(&[&["check"][..], &config].concat());
    run(&[&["reconcile"][..], &config].concat());
    assert!(estate.read("blog/public/blog/index.html").contains("Hello"));
    assert!(estate.path().join("blog/microblot.db").exists());

    estate.write("blog/blog/hello.md", "# Mine\n");
    let template = estate.read("blog/sites.toml");
    estate.remove("blog/.env.example");
    let again = run(&["init", "blog"]);
    insta::assert_snapshot!(again.stdout, @r"
    kept blog/sites.toml
    wrote blog/.env.example
    kept blog/blog/hello.md
    kept blog/slack-app.yaml
    ");
    assert_eq!(estate.read("blog/blog/hello.md"), "# Mine\n");
    assert_eq!(estate.read("blog/sites.toml"), template);

    // What the comments offer works as well.
    let all: String = template
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(code) if code.contains(" = ") || code.starts_with('[') => format!("{code}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    estate.write("blog/sites.toml", &all);
    let checked = run(&[&["check"][..], &config].concat());
    assert!(checked.stdout.contains("2 sites declared"), "{checked:?}");

    // A folder that cannot be made is said.
    estate.write("file", "x");
    let failed = estate.microblot(&["init", "file"]);
    assert_eq!(failed.code, 1);
    assert!(
        failed.stderr.starts_with("error: cannot write file"),
        "{failed:?}"
    );
}

#[test]
fn the_schema_accepts_what_the_program_accepts() {
    let estate = Estate::new();
    estate.microblot(&["init"]);
    let output = estate.microblot(&["schema"]);
    let schema = parsed(&output);
    let validator = jsonschema::validator_for(&schema).unwrap();
    let text = estate.read("sites.toml");
    let good: toml::Value = toml::from_str(&text).unwrap();
    assert!(validator.is_valid(&serde_json::to_value(good).unwrap()));
    let bad: toml::Value = toml::from_str(&text.replace("title =", "titel =")).unwrap();
    assert!(!validator.is_valid(&serde_json::to_value(bad).unwrap()));
}

#[test]
fn completions_know_every_command() {
    let estate = Estate::new();
    let commands = commands(&estate);
    for shell in ["bash", "zsh", "fish"] {
        let output = estate.microblot(&["completions", shell]);
        assert_eq!((output.code, output.stderr.as_str()), (0, ""));
        for command in &commands {
            assert!(output.stdout.contains(command), "{shell}: {command}");
        }
    }
    assert_eq!(estate.microblot(&["completions", "tcl"]).code, 2);
}

/// Replaces what differs in every run, after a look at whether it is what it should be.
fn steady(mut post: Value) -> Value {
    let id = post["id"].as_str().unwrap();
    assert_eq!(id.len(), 10, "{id}");
    post["id"] = json!("ID");
    for field in ["publish_at", "created_at", "updated_at", "published_at"] {
        if post[field]
            .as_i64()
            .is_some_and(|at| at > 1_700_000_000_000)
        {
            post[field] = json!("TIME");
        }
    }
    if let Some(digest) = post.get_mut("digest") {
        assert_eq!(digest.as_str().unwrap().len(), 64);
        *digest = json!("DIGEST");
    }
    post
}

fn posts_are_written_listed_changed_and_deleted(mut world: World) {
    world.hosted("foo", "");
    world.hosted("bar", "");
    world.estate.env("USER", "ada");
    world.ok(&["adopt"]);
    assert_eq!(
        world.ok(&["list"]).stderr,
        "no posts yet; `microblot new SITE --title TITLE --file FILE` writes one\n"
    );

    let arguments = [
        "new",
        "foo",
        "--title",
        " First frost ",
        "--category",
        "weather",
        "--file",
        "-",
        "--json",
    ];
    let output = world.estate.microblot_with(&arguments, "It *froze*.\n");
    assert_eq!(output.code, 0, "{output:?}");
    let post = parsed(&output);
    let id = post["id"].as_str().unwrap().to_owned();
    assert_eq!(
        steady(post),
        json!({
            "id": "ID", "site": "foo", "slug": "first-frost", "state": "published",
            "publish_at": "TIME", "created_at": "TIME", "updated_at": "TIME", "published_at": "TIME",
            "digest": "DIGEST", "title": "First frost", "body": "It *froze*.\n",
            "category": "weather", "author": "ada",
        })
    );
    world.estate.write("post.md", "From a file.");
    let output = world.ok(&[
        "new", "bar", "--title", "A draft", "--file", "post.md", "--draft",
    ]);
    let draft = output.stdout[..10].to_owned();
    assert_eq!(
        output.stdout,
        format!("{draft} wrote “A draft”: a draft, seen by nobody else\n")
    );
    let at = "2999-12-24T18:00:00Z";
    let output = world.ok(&["new", "bar", "--title", "Later", "--publish-at", at]);
    let later = output.stdout[..10].to_owned();
    assert_eq!(
        output.stdout,
        format!("{later} wrote “Later”: to be published at {at}\n")
    );

    let list = world.ok(&["list"]).stdout;
    let mut today = jiff::Timestamp::now().to_string();
    today.truncate(10);
    let list = list.replace(&today, "TODAY").replace(&id, "IDIDIDIDI1");
    let list = list
        .replace(&draft, "IDIDIDIDI2")
        .replace(&later, "IDIDIDIDI3");
    insta::allow_duplicates! {
        insta::assert_snapshot!(list, @r"
        IDIDIDIDI3  bar  scheduled  2999-12-24  Later
        IDIDIDIDI2  bar  draft      TODAY  A draft
        IDIDIDIDI1  foo  published  TODAY  First frost
        ");
    }
    let listed = world.json(&["list", "foo", "--json"]);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(
        steady(listed[0].clone()),
        json!({
            "id": "ID", "site": "foo", "slug": "first-frost", "title": "First frost",
            "state": "published", "publish_at": "TIME", "updated_at": "TIME",
        })
    );
    assert_eq!(
        world
            .json(&["list", "--limit", "2", "--json"])
            .as_array()
            .unwrap()
            .len(),
        2
    );

    let changed = world.json(&[
        "edit",
        &id,
        "--title",
        "Last frost",
        "--category",
        "",
        "--json",
    ]);
    assert_eq!(changed["title"], "Last frost");
    assert_eq!(changed["category"], Value::Null);
    assert_eq!(changed["body"], "It *froze*.\n");
    assert_eq!(changed["slug"], "first-frost", "links to it stay");
    let output = world.ok(&["edit", &draft, "--publish"]);
    assert_eq!(
        output.stdout,
        format!("{draft} changed “A draft”: on the site with its next build\n")
    );
    let output = world.ok(&["delete", &id]);
    assert_eq!(
        output.stdout,
        format!("{id} deleted “Last frost”: gone from the site with its next build\n")
    );
    assert_eq!(
        world.json(&["delete", &draft, "--json"])["state"],
        "deleted"
    );
    for arguments in [
        &["delete", &id][..],
        &["edit", &id, "--title", "x"],
        &["delete", "0000000000"],
    ] {
        let output = world.fails(arguments);
        assert!(output.stderr.contains("there is no post"), "{output:?}");
    }
    assert!(
        world
            .fails(&["edit", &later])
            .stderr
            .contains("nothing to change")
    );
    assert_eq!(world.json(&["list", "--json"]).as_array().unwrap().len(), 1);
}

fn what_is_written_is_promised_only_where_readers_will_see_it(mut world: World) {
    world.hosted("own", "");
    world.hosted("silent", "posts = \"none\"");
    world.hosted("picky", "posts = [\"own\"]");
    world.hosted("gone", "");
    world.ok(&["adopt"]);
    let wrote = |site: &str| {
        let output = world.ok(&["new", site, "--title", "Hello", "--file", "-"]);
        output.stdout.split_once(": ").unwrap().1.trim().to_owned()
    };
    assert_eq!(wrote("own"), "on the site with its next build");
    for site in ["silent", "picky"] {
        let promised = format!(
            "on the sites that show the posts of {site} with their next builds, and {site} itself does not"
        );
        assert_eq!(wrote(site), promised);
    }
    let post = world.post("gone", "Old");
    world.undeclare("gone");
    world.reconcile();
    let output = world.ok(&["edit", &post, "--title", "Older"]);
    assert!(
        output
            .stdout
            .contains("on no site: gone is not declared any more"),
        "{output:?}"
    );
}

fn a_pause_is_told_wherever_somebody_looks(mut world: World) {
    world.hosted("foo", "");
    world.estate.env("USER", "ada");
    world.ok(&["adopt"]);
    world.ok(&["pause", "foo", "--for", "2h", "--because", "launch freeze"]);
    let paused = "paused by ada: launch freeze (resumes in ";
    for arguments in [&["status"][..], &["status", "foo"]] {
        let output = world.ok(arguments);
        let told = format!("foo  unchanged  as it was built; {paused}");
        assert!(output.stdout.contains(&told), "{output:?}");
    }
    let status = world.json(&["status", "--json"]);
    assert_eq!(status["sites"][0]["decision"], "unchanged");
    assert_eq!(status["sites"][0]["hold"]["because"], "launch freeze");
    let output = world.ok(&["rebuild", "foo"]);
    assert!(
        output
            .stdout
            .starts_with("foo has to wait: asked for by ada; paused by ada"),
        "{output:?}"
    );
    world.ok(&["resume", "foo"]);
    let output = world.ok(&["rebuild", "foo"]);
    assert!(output.stdout.contains("foo will be built by"), "{output:?}");
    let status = world.json(&["status", "--json"]);
    assert_eq!(status["sites"][0]["hold"], Value::Null);
}

fn status_and_history_tell_what_was_built(mut world: World) {
    world.hosted("foo", "");
    world.hosted("bar", "");
    let hint = "nothing is published yet; `microblot reconcile` publishes sites.toml";
    assert!(world.ok(&["status"]).stderr.contains(hint));
    assert!(
        world
            .fails(&["status", "foo"])
            .stderr
            .contains("no site is published yet")
    );
    world.ok(&["reconcile"]);
    world.hooks.calls();
    let id = world.post("foo", "Hello");

    let mut status = world.ok(&["status"]).stdout;
    let wait = status.find("waiting ").unwrap();
    let end = wait + status[wait..].find(" for changes").unwrap();
    status.replace_range(wait + 8..end, "TIME");
    insta::allow_duplicates! {
        insta::assert_snapshot!(status, @r"
        = bar  unchanged  as it was built
        ~ foo  wait       posts changed; waiting TIME for changes to settle (built just now)

      Plan: 0 to build, 1 waiting, 0 need attention, 0 to forget, 1 unchanged.
      ");
    }
    let status = world.json(&["status", "--json"]);
    assert_eq!(status["sites"].as_array().unwrap().len(), 2);
    let detailed = world.ok(&["status", "foo"]).stdout;
    for part in [
        "+ posts: Hello",
        "The foo site  https://foo.example.org",
        "last built 2",
        "first build\n",
    ] {
        assert!(detailed.contains(part), "{part}: {detailed}");
    }
    assert_eq!(
        world.json(&["status", "foo", "--json"])["sites"][0]["changes"][0]["item"],
        "Hello"
    );

    world.ok(&["reconcile"]);
    world.hooks.calls();
    let history = world.json(&["history", "foo", "--json"]);
    let build = &history[0];
    assert_eq!(build["reason"], "posts changed");
    assert_eq!(build["state"], "accepted");
    assert_eq!(build["builder"], "netlify");
    assert_eq!(build["detail"], Value::Null);
    assert!(
        build["content_hash"]
            .as_str()
            .unwrap()
            .starts_with("sha256:")
    );
    assert!(build["ended_at"].as_i64() >= build["fired_at"].as_i64());
    let text = world.ok(&["history", "foo"]).stdout;
    let lines: Vec<_> = text
        .lines()
        .map(|line| line.split_once("  ").unwrap().1)
        .collect();
    assert!(
        lines[0].starts_with("accepted ") && lines[0].ends_with("posts changed"),
        "{text}"
    );
    assert!(lines[1].ends_with("first build"), "{text}");
    assert_eq!(
        world
            .json(&["history", "foo", "--limit", "1", "--json"])
            .as_array()
            .unwrap()
            .len(),
        1
    );

    world.ok(&["delete", &id]);
    let export = world.ok(&["export"]);
    assert_eq!(
        (export.stdout.as_str(), export.stderr.as_str()),
        ("", "no site was made in chat\n")
    );
    assert_eq!(world.json(&["export", "--json"]), json!({}));
}

#[test]
fn what_only_reads_makes_nothing() {
    let world = World::on_sqlite();
    world.publish();
    for arguments in [
        &["status"][..],
        &["status", "--json"],
        &["list"],
        &["list", "--json"],
        &["export"],
        &["check"],
        &["reconcile", "--plan"],
    ] {
        let output = world.ok(arguments);
        assert!(
            world.database_files().is_empty(),
            "{arguments:?}: {output:?}"
        );
    }
    for arguments in [
        &["history", "foo"][..],
        &["status", "foo"],
        &["list", "foo"],
    ] {
        let output = world.fails(arguments);
        assert!(
            output.stderr.contains("no site is published yet"),
            "{output:?}"
        );
        assert!(world.database_files().is_empty(), "{arguments:?}");
    }
}

#[test]
fn errors_go_to_standard_error() {
    let mut world = World::on_sqlite();
    world.hosted("foo", "");
    world.ok(&["adopt"]);
    for (arguments, code, error) in [
        (
            &["reconcle"][..],
            2,
            "similar subcommand exists: 'reconcile'",
        ),
        (&["list", "--limit", "0"], 2, "0 is not in 1..=10000"),
        (&["status", "Foo"], 2, "Foo"),
        (&["rebuild", "foo.example.org"], 2, "not its address"),
        (&["pause", "https://foo.example.org/"], 2, "not its address"),
        (&["delete", "no-id"], 2, "ten letters and digits"),
        (&["history", "foo", "--limit", "1001"], 2, "1..=1000"),
        (&["resume"], 2, "<SITE>"),
        (&["list", "foo", "drafts"], 2, "drafts"),
        (&["new", "foo"], 2, "--title"),
        (&["new", "foo", "--title", " "], 2, "a post has a title"),
        (&["new", "foo", "--title", "a\nb"], 2, "a title is one line"),
        (
            &["new", "foo", "--title", "x", "--publish-at", "tomorrow"],
            2,
            "2026-12-24T18:00:00Z",
        ),
        (
            &[
                "new",
                "foo",
                "--title",
                "x",
                "--draft",
                "--publish-at",
                "2026-12-24 18:00",
            ],
            2,
            "cannot be used with",
        ),
        (&["reconcile", "--markdown"], 2, "--plan"),
        (&["edit", "no-id", "--draft"], 2, "no-id"),
        (
            &["new", "foo", "--title", "x", "--file", "none.md"],
            1,
            "none.md cannot be read",
        ),
        (
            &["new", "foo", "--title", "x", "--file", "latin1.md"],
            1,
            "latin1.md cannot be read as text",
        ),
        (
            &["new", "foo", "--title", "x", "--file", "big.md"],
            1,
            "larger than 1 MiB",
        ),
        (
            &["check", "--config", "none.toml"],
            1,
            "none.toml does not exist",
        ),
        (
            &["pause", "foo", "--for", "a while"],
            1,
            "write 30m, 2h or 3 days",
        ),
        (&["status", "--database-url", "mysql://x/y"], 1, "mysql"),
    ] {
        world.estate.write("latin1.md", b"caf\xe9");
        world.estate.write("big.md", "x".repeat(1024 * 1024 + 1));
        let Output {
            code: was,
            stdout,
            stderr,
        } = world.estate.microblot(arguments);
        assert_eq!(
            (was, stdout.as_str()),
            (code, ""),
            "{arguments:?}: {stderr}"
        );
        assert!(
            stderr.starts_with("error: ") && stderr.contains(error),
            "{arguments:?}: {stderr}"
        );
    }
    assert_eq!(world.json(&["list", "--json"]), json!([]));
    let times = [
        "2999-12-24 18:00",
        "2999-12-24T18:00",
        "2999-12-24T18:00:00+01:00",
    ];
    for time in times {
        world.ok(&["new", "foo", "--title", "x", "--publish-at", time]);
    }
}

#[test]
fn check_tells_programs_too() {
    let mut world = World::on_sqlite();
    world.hosted("foo", "files = [\"none/**\"]");
    let output = world.ok(&["check"]);
    assert_eq!(output.stdout, "sites.toml is fine: 1 site declared.\n");
    assert!(output.stderr.contains("none/**"), "{output:?}");
    let checked = world.json(&["check", "--json"]);
    assert_eq!(
        (&checked["format"], &checked["sites"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(checked["errors"], json!([]));
    world.estate.write("sites.toml", "[sites.foo]\ntitel = 1\n");
    let checked = parsed(&world.fails(&["check", "--json"]));
    let errors = checked["errors"].as_array().unwrap();
    assert!(errors.len() >= 3, "{checked}");
    let mut places = errors
        .iter()
        .map(|error| (&error["line"], &error["column"]));
    assert!(places.any(|place| place == (&json!(2), &json!(1))));
}

#[test]
fn a_flood_of_errors_is_read_no_further_than_it_is_told() {
    let world = World::on_sqlite();
    let lines = |line: fn(usize) -> String| (0..200_000).map(line).collect::<String>();
    let floods = [
        lines(|n| format!("[sites.s{n}]\nx = 1\n")),
        lines(|n| format!("[sites.s{n}]\nx = = 1\n")),
        lines(|n| format!("key{n} = 1\n")),
        lines(|n| format!("sites.s{n}.x = 1\n")),
        lines(|_| "not toml\n".to_owned()),
    ];
    for flood in floods {
        assert!(flood.len() > 1 << 20);
        world.estate.write("sites.toml", &flood);
        let shown: String = flood.chars().take(30).collect();
        let told = world.fails(&["check"]).stderr;
        assert_eq!(told.matches("error: ").count(), 100, "{shown}");
        let last = told.lines().last().unwrap();
        assert!(last.starts_with("and "), "{shown}: {last}");
        assert!(
            last.ends_with(", from which on nothing was read"),
            "{shown}: {last}"
        );
        let checked = parsed(&world.fails(&["check", "--json"]));
        let unread = checked["unread_from"].as_u64().unwrap();
        assert!(last.contains(&format!(" up to line {unread},")), "{last}");
        assert!(
            unread > 100 && unread < flood.lines().count() as u64,
            "{shown}"
        );
    }
}

#[test]
fn of_a_large_file_every_error_is_told() {
    let world = World::on_sqlite();
    let site = |n: usize| {
        format!(
            "[sites.s{n}]\ntitle = \"S\"\nurl = \"https://s{n}.example.org\"\n\
             debounce = \"30m\"\n[sites.s{n}.build.netlify]\nhook = {{ env = \"HOOK\" }}\n"
        )
    };
    let mut text: String = (0..12_000).map(site).collect();
    assert!(text.len() > 1 << 20);
    text.insert_str(0, "one = 1\n");
    // What other parts of the file would be blamed for if they were read without this.
    text.push_str("[defaults]\nmax_wait = \"1h\"\n[limits]\ntwo = 2\n");
    world.estate.write("sites.toml", &text);
    let checked = parsed(&world.fails(&["check", "--json"]));
    let lines: Vec<_> = checked["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["line"].as_u64())
        .collect();
    assert_eq!(lines, [Some(1), Some(72_005)]);
    assert_eq!(
        (&checked["more"], &checked["unread_from"]),
        (&json!(0), &Value::Null)
    );
}

#[test]
fn colour_is_for_terminals_and_for_those_who_ask() {
    let mut world = World::on_sqlite();
    world.hosted("foo", "");
    let plan = ["reconcile", "--plan", "--verbose"];
    let coloured = |arguments: &[&str]| {
        let output = world.ok(&[&plan, arguments].concat());
        [output.stdout, output.stderr].map(|text| text.contains('\u{1b}'))
    };
    assert_eq!(coloured(&[]), [false; 2]);
    assert_eq!(coloured(&["--color", "never"]), [false; 2]);
    assert_eq!(coloured(&["--color", "always"]), [true; 2]);
    assert_eq!(coloured(&["--color", "always", "--json"]), [false, false]);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut world = World::on_sqlite();
    world.hosted("foo", "");
    for arguments in [
        &["schema"][..],
        &["completions", "bash"],
        &["reconcile", "--plan", "--json"],
        &["--help"],
    ] {
        let mut command = world.estate.command();
        let mut child = command
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), stderr.as_str()),
            (Some(0), ""),
            "{arguments:?}"
        );
    }
}

/// Data that nobody got must not look like data that somebody got.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_an_error() {
    let mut world = World::on_sqlite();
    world.hosted("foo", "");
    for arguments in [&["schema"][..], &["reconcile", "--plan", "--json"]] {
        let mut command = world.estate.command();
        let full = std::fs::File::options().write(true).open("/dev/full");
        command
            .args(arguments)
            .stdout(full.unwrap())
            .stderr(Stdio::piped());
        let output = command.spawn().unwrap().wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
        assert!(
            stderr.contains("cannot write to standard output"),
            "{stderr}"
        );
    }
}

#[test]
fn an_estate_can_be_elsewhere() {
    let mut world = World::on_sqlite();
    world.estate.write(
        "deep/er/sites.toml",
        "[sites.try]\ntitle = \"Try\"\nurl = \"https://try.example.org\"\n\
         files = [\"posts/*.md\"]\nbuild.render = { out = \"out\" }\n",
    );
    world.estate.write("deep/er/posts/a.md", "# A\n");
    world.ok(&["reconcile", "--config", "deep/er/sites.toml"]);
    assert!(world.estate.read("deep/er/out/index.html").contains("Try"));
    assert!(world.estate.path().join("deep/er/microblot.db").exists());
    assert!(!world.estate.path().join("microblot.db").exists());
    world.estate.env("MICROBLOT_CONFIG", "deep/er/sites.toml");
    assert_eq!(world.planned(), [""; 0]);
    let other = ["--database-url", "sqlite:other.db"];
    world.ok(&[&["adopt"][..], &other].concat());
    assert!(world.estate.path().join("other.db").exists());
    world.estate.database("sqlite:other.db");
    assert_eq!(world.planned(), [""; 0]);
}

#[test]
fn a_hook_in_a_file_is_found_beside_sites_toml() {
    let world = World::on_sqlite();
    world.estate.write(
        "deep/sites.toml",
        "[sites.foo]\ntitle = \"Foo\"\nurl = \"https://foo.example.org\"\n\
         build.netlify = { hook = { file = \"secrets/foo\" } }\n",
    );
    let config = ["--config", "deep/sites.toml"];
    let reconcile = [&["reconcile"][..], &config].concat();
    let missing = world.fails(&reconcile);
    assert!(
        missing.stdout.contains("secret file deep/secrets/foo"),
        "{missing:?}"
    );
    let address = world.hooks.address("foo");
    world
        .estate
        .write("deep/secrets/foo", format!("{address}\n"));
    // What is there, where the program runs, is another's.
    world
        .estate
        .write("secrets/foo", world.hooks.address("bar"));
    world.ok(&[&["resume", "foo"][..], &config].concat());
    world.ok(&reconcile);
    let called = world.hooks.calls().remove(0);
    assert_eq!(
        (called.hook.as_str(), world.hooks.calls().len()),
        ("foo", 1)
    );

    let absolute = world.estate.path().join("secrets/foo");
    let text = world.estate.read("deep/sites.toml");
    let text = text.replace("secrets/foo", absolute.to_str().unwrap());
    world.estate.write("deep/sites.toml", text);
    world.ok(&[&["rebuild", "foo"][..], &config].concat());
    world.ok(&reconcile);
    assert_eq!(world.hooks.calls()[1].hook, "bar");
}

#[test]
fn a_log_that_nobody_reads_hangs_and_ends_nothing() {
    let mut world = World::on_sqlite();
    world.hosted("foo", "");
    // The pipe is closed when it writes to it; its exit code takes another way.
    let script =
        r#"{ { RUST_LOG=debug "$0" --log json reconcile 2>&1; echo $? >&3; } | true; } 3>&1"#;
    for number in 1..6 {
        let output = world.estate.shell(script);
        assert_eq!((&*output.stdout, &*output.stderr), ("0\n", ""));
        assert_eq!(world.hooks.calls().len(), number);
        world.post("foo", "Hello");
    }
}

#[test]
fn a_database_that_is_not_there_is_told_in_one_line() {
    let mut world = World::on_postgres();
    world.hosted("foo", "");
    let mut url = url::Url::parse(world.postgres().unwrap()).unwrap();
    url.set_path("mb_none");
    world.estate.database(url.as_str());
    let told = world.fails(&["reconcile"]).stderr;
    insta::assert_snapshot!(told, @r#"
    error: the database failed
      caused by: error returned from database: database "mb_none" does not exist
    "#);
}
