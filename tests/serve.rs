//! `serve` from the front door: what wakes it, what keeps it going, and what it never does twice.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::symlink;
use std::time::Duration;

use serde_json::Value;
use support::estate::Estate;
use support::hooks::Answer;
use support::http::get;
use support::world::{SOON, World, eventually};

on_both![
    it_builds_at_its_start_and_after_every_edit,
    a_post_of_another_process_is_built,
    a_scheduled_post_is_built_in_time,
    a_bad_file_keeps_the_last_good_one,
    a_removed_site_is_forgotten_and_comes_back,
    a_burst_is_one_build,
    an_endless_burst_is_built_all_the_same,
    told_to_stop_it_finishes_what_is_in_the_air,
    an_outcome_that_nobody_knows_is_not_fired_again,
    a_killed_process_is_taken_over,
];

/// Nothing is held back for longer than it takes.
const AT_ONCE: &str = "[defaults]\ndebounce = \"0s\"\n";

fn one(world: &mut World, head: &str) {
    world.head = head.to_owned();
    world.hosted("foo", "files = [\"foo/**\"]");
    world.estate.write("foo/a.md", "a");
}

/// Replaces a file as editors and `git` do.
fn replace(estate: &Estate, file: &str, text: &str) {
    estate.write(".next", text);
    std::fs::rename(estate.path().join(".next"), estate.path().join(file)).unwrap();
}

fn titled(world: &mut World, title: &str) {
    world.hosted("foo", &format!("files = [\"foo/**\"]\ntitle = \"{title}\""));
}

/// Waits until every site is as it was built, and gives what each was built from.
fn settled(world: &World) -> BTreeMap<String, String> {
    eventually("every site is as it was built", || {
        let status = world.json(&["status", "--json"]);
        let sites = status["sites"].as_array().unwrap();
        let done = !sites.is_empty() && sites.iter().all(|site| site["decision"] == "unchanged");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        done.then(|| {
            let pair = |site: &Value| (text(&site["site"]), text(&site["built_hash"]));
            sites.iter().map(pair).collect()
        })
    })
}

/// Waits until every site is built from what its folder says now.
fn built_as_it_is(world: &World) {
    let wanted: BTreeMap<String, String> = world.plan(&["--all"])["sites"]
        .as_array()
        .unwrap()
        .iter()
        .map(|site| {
            let text = |key: &str| site[key].as_str().unwrap().to_owned();
            (text("site"), text("content_hash"))
        })
        .collect();
    eventually("the last content is built", || {
        (settled(world) == wanted).then_some(())
    });
}

fn it_builds_at_its_start_and_after_every_edit(mut world: World) {
    one(&mut world, AT_ONCE);
    // Its hook is in the environment from the start.
    world.hosted("bar", "");
    world.undeclare("bar");
    let serve = world.estate.serve();
    world.hooks.wait_for(1, SOON);
    titled(&mut world, "In place");
    world.hooks.wait_for(2, SOON);
    let text = world.sites_toml().replace("In place", "Replaced");
    replace(&world.estate, "sites.toml", &text);
    world.hooks.wait_for(3, SOON);
    titled(&mut world, "Replaced");
    world.estate.write("foo/a.md", "b");
    world.hooks.wait_for(4, SOON);
    world.estate.write("foo/deeper/b.md", "b");
    world.hooks.wait_for(5, SOON);
    world.estate.remove("foo/a.md");
    let calls = world.hooks.wait_for(6, SOON);
    let reasons: Vec<_> = calls
        .iter()
        .map(|call| call.json()["reason"].clone())
        .collect();
    assert_eq!(
        reasons,
        [
            "first build",
            "spec changed",
            "spec changed",
            "files changed",
            "files changed",
            "files changed"
        ]
    );
    // A folder that only now belongs to a site is watched as well.
    world.estate.write("bar/a.md", "a");
    world.hosted("bar", "files = [\"bar/*.md\"]");
    world.hooks.wait_for(7, SOON);
    world.estate.write("bar/a.md", "b");
    world.hooks.wait_for(8, SOON);
    settled(&world);
    assert_eq!(serve.terminate(), 0);
    assert_eq!(world.hooks.calls().len(), 8);
}

fn a_post_of_another_process_is_built(mut world: World) {
    one(&mut world, AT_ONCE);
    world.hosted("bar", "");
    let _serve = world.estate.serve();
    world.hooks.wait_for(2, SOON);
    settled(&world);
    let id = world.post("foo", "Hello");
    world.hooks.wait_for(3, SOON);
    world.ok(&["edit", &id, "--title", "Hello again"]);
    world.hooks.wait_for(4, SOON);
    world.ok(&["delete", &id]);
    let calls = world.hooks.wait_for(5, SOON);
    assert_eq!(calls[4].hook, "foo");
    world.ok(&["rebuild", "bar"]);
    let calls = world.hooks.wait_for(6, SOON);
    assert_eq!(calls[5].hook, "bar");
    world.ok(&["pause", "bar"]);
    world.post("bar", "Held");
    world.post("foo", "Not held");
    let calls = world.hooks.wait_for(7, SOON);
    assert_eq!(calls[6].hook, "foo");
    world.ok(&["resume", "bar"]);
    let calls = world.hooks.wait_for(8, SOON);
    assert_eq!(calls[7].hook, "bar");
    settled(&world);
    assert_eq!(world.hooks.calls().len(), 8);
}

fn a_scheduled_post_is_built_in_time(mut world: World) {
    one(&mut world, AT_ONCE);
    let _serve = world.estate.serve();
    world.hooks.wait_for(1, SOON);
    settled(&world);
    let at = jiff::Timestamp::now() + Duration::from_millis(1500);
    world.ok(&[
        "new",
        "foo",
        "--title",
        "Soon",
        "--publish-at",
        &at.to_string(),
    ]);
    let calls = world.hooks.wait_for(2, SOON);
    assert_eq!(calls[1].json()["reason"], "posts changed");
    assert!(jiff::Timestamp::now() >= at, "not before its time");
    settled(&world);
    assert_eq!(world.hooks.calls().len(), 2);
}

fn a_bad_file_keeps_the_last_good_one(mut world: World) {
    one(&mut world, AT_ONCE);
    let serve = world.estate.serve();
    let url = serve.url();
    world.hooks.wait_for(1, SOON);
    settled(&world);

    let complaint = |url: &str| {
        eventually("the complaint", || {
            let answer = get(url, "/readyz");
            // The last good one is in force.
            let problem = answer.json()["sites_toml"].as_str()?.to_owned();
            (answer.status == 200).then_some(problem)
        })
    };
    world
        .estate
        .write("sites.toml", "[sites.foo]\ntitel = \"Foo\"\n");
    let problem = complaint(&url);
    assert!(problem.contains("did you mean `title`?"), "{problem}");
    serve.wait_for_line("the last good one stays in force", SOON);
    world.post("foo", "Hello");
    world.hooks.wait_for(2, SOON);

    // Also after a restart. What is written then is somebody's edit, published before or not.
    titled(&mut world, "Other");
    world.hooks.wait_for(3, SOON);
    settled(&world);
    world.estate.write("sites.toml", "nonsense");
    assert_eq!(serve.terminate(), 0);
    let serve = world.estate.serve();
    let url = serve.url();
    complaint(&url);
    world.post("foo", "Again");
    world.hooks.wait_for(4, SOON);
    let content = |url: &str| {
        eventually("no complaint any more", || {
            let ready = get(url, "/readyz").json();
            ready["sites_toml"].is_null().then_some(())
        });
    };
    world.hosted("foo", "files = [\"foo/**\"]");
    world.hooks.wait_for(5, SOON);
    content(&url);

    // Back to what is published, which is no news.
    world.estate.write("sites.toml", "nonsense");
    complaint(&url);
    world.publish();
    content(&url);
    settled(&world);
    assert_eq!(world.hooks.calls().len(), 5);
    // Gone is bad as well.
    world.estate.remove("sites.toml");
    assert!(complaint(&url).contains("does not exist"));
    settled(&world);
}

fn a_removed_site_is_forgotten_and_comes_back(mut world: World) {
    one(&mut world, AT_ONCE);
    world.hosted("bar", "");
    let _serve = world.estate.serve();
    world.hooks.wait_for(2, SOON);
    settled(&world);
    world.undeclare("bar");
    eventually("it is forgotten", || {
        (world.json(&["status", "--json"])["summary"]["unchanged"] == 1).then_some(())
    });
    world.hosted("bar", "");
    let calls = world.hooks.wait_for(3, SOON);
    assert_eq!(calls[2].hook, "bar");
    assert_eq!(settled(&world).len(), 2);
}

fn a_burst_is_one_build(mut world: World) {
    one(&mut world, "[defaults]\ndebounce = \"1s\"\n");
    let _serve = world.estate.serve();
    world.hooks.wait_for(1, SOON);
    settled(&world);
    for number in 0..20 {
        titled(&mut world, &format!("Title {number}"));
        world.estate.write("foo/a.md", number.to_string());
    }
    let calls = world.hooks.wait_for(2, SOON);
    let built = settled(&world);
    assert_eq!(calls[1].json()["content_hash"], built["foo"].as_str());
    assert_eq!(calls[1].json()["reason"], "spec and files changed");
    assert_eq!(world.planned(), [""; 0], "it was the last of them");
    assert_eq!(world.hooks.calls().len(), 2);
}

fn an_endless_burst_is_built_all_the_same(mut world: World) {
    one(
        &mut world,
        "[defaults]\ndebounce = \"1s\"\nmax_wait = \"2s\"\n",
    );
    let _serve = world.estate.serve();
    world.hooks.wait_for(1, SOON);
    settled(&world);
    let mut number = 0;
    eventually("a build while edits go on", || {
        number += 1;
        world.estate.write("foo/a.md", number.to_string());
        (world.hooks.calls().len() > 1).then_some(())
    });
    settled(&world);
    assert!(world.hooks.calls().len() < number, "not one for each edit");
}

fn told_to_stop_it_finishes_what_is_in_the_air(mut world: World) {
    one(&mut world, AT_ONCE);
    world
        .hooks
        .answer("foo", [Answer::Slow(Duration::from_millis(1500))]);
    let serve = world.estate.serve();
    world.hooks.wait_for(1, SOON);
    assert_eq!(serve.terminate(), 0);
    let history = world.json(&["history", "foo", "--json"]);
    assert_eq!(history[0]["state"], "accepted");
    assert_eq!(world.planned(), [""; 0]);
    assert_eq!(world.hooks.calls().len(), 1);
}

fn an_outcome_that_nobody_knows_is_not_fired_again(mut world: World) {
    one(&mut world, AT_ONCE);
    world.hosted("bar", "");
    world.hooks.answer("foo", [Answer::Reset]);
    let _serve = world.estate.serve();
    world.hooks.wait_for(2, SOON);
    eventually("it is known to be unknown", || {
        let history = world.estate.microblot(&["history", "foo", "--json"]);
        history.stdout.contains("\"unknown\"").then_some(())
    });
    // Many looks later.
    for number in 0..3 {
        world.post("bar", &format!("Post {number}"));
        world.hooks.wait_for(3 + number, SOON);
    }
    assert_eq!(world.hooks.calls_of("foo").len(), 1);
    // Newer content does not wait for an answer.
    world.post("foo", "Hello");
    world.hooks.wait_for(6, SOON);
    settled(&world);
    assert_eq!(world.hooks.calls_of("foo").len(), 2);
}

fn a_killed_process_is_taken_over(mut world: World) {
    one(&mut world, AT_ONCE);
    world.estate.env("MICROBLOT_LEASE", "1s");
    world.hooks.answer("foo", [Answer::Hang]);
    let serve = world.estate.serve();
    world.hooks.wait_for(1, SOON);
    serve.kill();
    let _serve = world.estate.serve();
    let calls = world.hooks.wait_for(2, SOON);
    assert_ne!(calls[0].json()["build"], calls[1].json()["build"]);
    assert_eq!(
        calls[1].json()["reason"],
        "outcome of the last build is unknown"
    );
    settled(&world);
    assert_eq!(world.hooks.calls().len(), 2);
    let history = world.json(&["history", "foo", "--json"]);
    assert_eq!(history[1]["state"], "lost");
}

/// Kubernetes shows a ConfigMap through two links, and swaps the inner one.
#[test]
fn a_config_map_that_is_swapped_is_seen() {
    let mut world = World::on_sqlite();
    one(&mut world, AT_ONCE);
    let root = world.estate.path();
    let text = world.sites_toml();
    world.estate.remove("sites.toml");
    world.estate.write("..2026_1/sites.toml", &text);
    symlink("..2026_1", root.join("..data")).unwrap();
    symlink("..data/sites.toml", root.join("sites.toml")).unwrap();
    let _serve = world.estate.serve();
    world.hooks.wait_for(1, SOON);
    for number in 2..4 {
        let text = text.replace("The foo site", &format!("Title {number}"));
        let folder = format!("..2026_{number}");
        world.estate.write(format!("{folder}/sites.toml"), text);
        symlink(folder, root.join("..data_tmp")).unwrap();
        std::fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
        world.hooks.wait_for(number, SOON);
    }
    settled(&world);
    assert_eq!(world.hooks.calls().len(), 3);
}

/// As a checkout of a branch without the folder does, and of one with another folder of its name.
#[test]
fn a_folder_that_is_replaced_is_seen_as_before() {
    let mut world = World::on_sqlite();
    one(&mut world, AT_ONCE);
    let root = world.estate.path();
    world.estate.write("foo/sub/b.md", "b");
    let _serve = world.estate.serve();
    world.hooks.wait_for(1, SOON);
    settled(&world);
    let edited = |file: &str, text: &str| {
        world.estate.write(file, text);
        built_as_it_is(&world);
    };

    std::fs::remove_dir_all(root.join("foo")).unwrap();
    edited("foo/sub/b.md", "made anew");
    edited("foo/sub/b.md", "edited");
    world.estate.write("foo.new/sub/b.md", "edited");
    std::fs::rename(root.join("foo"), root.join("foo.old")).unwrap();
    std::fs::rename(root.join("foo.new"), root.join("foo")).unwrap();
    edited("foo/sub/b.md", "swapped in");
    std::fs::rename(root.join("foo"), root.join("foo.new")).unwrap();
    std::fs::rename(root.join("foo.old"), root.join("foo")).unwrap();
    edited("foo/sub/b.md", "and back");
    edited("foo/a.md", "and more");
    // Nobody looks while it is away for long.
    std::fs::rename(root.join("foo"), root.join("foo.old")).unwrap();
    edited("foo/a.md", "alone");
    edited("foo/a.md", "and edited");
    assert!(world.hooks.calls().len() > 6);
}

#[test]
fn every_kind_of_input_is_seen() {
    let mut world = World::on_sqlite();
    world.head = AT_ONCE.to_owned();
    world.hosted("deep", "files = [\"**/*.md\"]");
    world.hosted("late", "files = [\"late/**\"]");
    world.hosted("linked", "files = [\"links/*.txt\"]");
    let root = world.estate.path();
    world.estate.write("docs/deep/a.md", "a");
    world.estate.write("shared/a.txt", "a");
    world.estate.write(".gitignore", "/hidden/\n");
    world.estate.write("hidden/a.md", "a");
    std::fs::create_dir(root.join("links")).unwrap();
    symlink("../shared/a.txt", root.join("links/a.txt")).unwrap();
    let _serve = world.estate.serve();
    world.hooks.wait_for(3, SOON);
    settled(&world);
    let edited = |site: &str, file: &str, text: &str| {
        let before = world.hooks.calls_of(site).len();
        world.estate.write(file, text);
        built_as_it_is(&world);
        assert!(world.hooks.calls_of(site).len() > before, "{file}");
    };

    edited("deep", "docs/deep/a.md", "b");
    edited("deep", "new/deeper/a.md", "b");
    edited("deep", "new/deeper/a.md", "c");
    edited("late", "late/one/a.txt", "a");
    edited("late", "late/one/a.txt", "b");
    edited("linked", "shared/a.txt", "b");
    edited("deep", ".gitignore", "");
    edited("deep", "hidden/a.md", "b");
    edited("deep", ".gitignore", "/docs/\n");
}

#[test]
fn a_failure_is_tried_again_by_itself() {
    let mut world = World::on_sqlite();
    one(&mut world, AT_ONCE);
    world.hooks.answer("foo", [Answer::Status(503)]);
    let serve = world.estate.serve();
    serve.wait_for_line("the build of foo is refused: Netlify answered 503", SOON);
    world.hooks.wait_for(2, SOON);
    settled(&world);
    assert_eq!(world.hooks.calls().len(), 2);
}

#[test]
fn an_emptied_file_is_refused_and_told() {
    let mut world = World::on_sqlite();
    one(&mut world, AT_ONCE);
    let serve = world.estate.serve();
    let url = serve.url();
    world.hooks.wait_for(1, SOON);
    settled(&world);
    world.estate.write("sites.toml", "# Oops.\n");
    eventually("the refusal", || {
        let ready = get(&url, "/readyz").json();
        let problem = ready["sites_toml"].as_str()?;
        problem
            .contains("declares no site, and 1 are published")
            .then_some(())
    });
    world.post("foo", "Hello");
    world.hooks.wait_for(2, SOON);
    settled(&world);
    world.publish();
    eventually("no complaint any more", || {
        let ready = get(&url, "/readyz").json();
        ready["sites_toml"].is_null().then_some(())
    });
    assert_eq!(world.hooks.calls().len(), 2);
}

#[test]
fn a_server_tells_no_secret() {
    let mut world = World::on_sqlite();
    one(&mut world, AT_ONCE);
    world.hosted("gone", "");
    world.hooks.always("gone", Answer::NotFound);
    world.estate.env("RUST_LOG", "trace");
    world.estate.env("MICROBLOT_LOG", "json");
    let serve = world.estate.serve();
    let url = serve.url();
    world.hooks.wait_for(2, SOON);
    serve.wait_for_line("the build hook does not exist", SOON);
    let mut told = serve.stderr();
    assert!(told.contains("TRACE"));
    for path in ["/readyz", "/metrics", "/healthz"] {
        told.push_str(&get(&url, path).body);
    }
    for site in ["foo", "gone"] {
        let address = world.hooks.address(site);
        let secret = address.rsplit('/').next().unwrap();
        assert!(!told.contains(secret), "{site}");
    }
    assert!(!told.contains("build_hooks/"));
}

#[test]
fn a_server_whose_log_nobody_reads_goes_on() {
    let mut world = World::on_sqlite();
    one(&mut world, AT_ONCE);
    world.estate.env("RUST_LOG", "debug");
    let serve = world.estate.serve_unheard();
    world.hooks.wait_for(1, SOON);
    for number in 2..5 {
        titled(&mut world, &format!("Title {number}"));
        world.hooks.wait_for(number, SOON);
    }
    settled(&world);
    assert_eq!(serve.terminate(), 0);
}

#[test]
fn it_says_why_it_cannot_start() {
    let mut world = World::on_sqlite();
    one(&mut world, AT_ONCE);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    world.estate.env("MICROBLOT_LISTEN", &address);
    let output = world.fails(&["serve"]);
    let line = format!("error: cannot listen on {address}");
    assert!(output.stderr.contains(&line), "{output:?}");
    world.estate.env("MICROBLOT_LISTEN", "127.0.0.1:0");
    world.estate.env("MICROBLOT_LEASE", "1ms");
    assert!(world.fails(&["serve"]).stderr.contains("MICROBLOT_LEASE"));
}

#[test]
fn health_and_metrics() {
    let mut world = World::on_sqlite();
    one(&mut world, AT_ONCE);
    let serve = world.estate.serve();
    let url = serve.url();
    world.hooks.wait_for(1, SOON);
    settled(&world);
    assert_eq!(get(&url, "/healthz").body, "ok\n");
    let ready = get(&url, "/readyz");
    assert_eq!((ready.status, &ready.json()["ready"]), (200, &true.into()));
    assert_eq!(get(&url, "/nowhere").status, 404);

    let metrics = eventually("the outcome is counted", || {
        let answer = get(&url, "/metrics");
        assert_eq!(answer.status, 200);
        answer
            .body
            .contains("microblot_builds_total")
            .then_some(answer.body)
    });
    for line in [
        "microblot_builds_total{builder=\"netlify\",outcome=\"accepted\"} 1\n",
        "microblot_sites{decision=\"unchanged\"} 1\n",
        "microblot_sites{decision=\"attention\"} 0\n",
        "microblot_builds_in_flight 0\n",
        "microblot_outbox_messages ",
        "microblot_tick_duration_seconds_bucket{le=\"0.1\"} ",
        "microblot_change_to_fire_seconds_count 1\n",
        "microblot_builds_avoided_total ",
    ] {
        assert!(metrics.contains(line), "{line:?} in:\n{metrics}");
    }
    let told = |comment: &str| -> BTreeSet<String> {
        let lines = metrics
            .lines()
            .filter_map(|line| line.strip_prefix(comment));
        let names = lines.filter_map(|line| line.split(' ').next());
        names.map(ToOwned::to_owned).collect()
    };
    assert!(told("# TYPE ").len() >= 7, "{metrics}");
    assert_eq!(told("# TYPE "), told("# HELP "), "{metrics}");
}

#[test]
fn it_is_not_ready_while_the_database_is_away() {
    let server = support::postgres::Server::start_new();
    let database = server.database();
    let mut world = World::on_sqlite();
    world.estate.database(database.url());
    one(&mut world, AT_ONCE);
    let serve = world.estate.serve();
    let url = serve.url();
    world.hooks.wait_for(1, SOON);
    settled(&world);

    server.stop();
    let ready = eventually("it is not ready", || {
        Some(get(&url, "/readyz")).filter(|answer| answer.status != 200)
    });
    assert_eq!(ready.status, 503, "{ready:?}");
    assert_eq!(ready.json()["database"], false);
    assert!(ready.json()["problem"].is_string());
    assert_eq!(
        get(&url, "/healthz").status,
        200,
        "a restart would not help"
    );
    // An edit that comes now is not lost.
    titled(&mut world, "While it was away");
    serve.wait_for_line("cannot look at the estate", SOON);

    server.start();
    world.hooks.wait_for(2, SOON);
    eventually("it is ready again", || {
        (get(&url, "/readyz").status == 200).then_some(())
    });
    settled(&world);
    world.post("foo", "Hello");
    world.hooks.wait_for(3, SOON);
    settled(&world);
    server.stop();
    assert_eq!(serve.terminate(), 0, "it stops without a database");
    assert_eq!(world.hooks.calls().len(), 3);
    server.start();
}

#[test]
fn rendered_sites_are_served_and_nothing_else() {
    let mut world = World::on_sqlite();
    world.head = AT_ONCE.to_owned();
    world.rendered("try", "files = [\"try/**\"]");
    world.hosted("foo", "");
    world
        .estate
        .write("try/first.md", "+++\ntitle = \"First\"\n+++\n# Hi\n");
    world
        .estate
        .write("try/sub/page.md", "+++\ntitle = \"Below\"\n+++\nBelow.\n");
    world.estate.write("public/secret.txt", "SECRET");
    world.estate.write(".env", "SECRET");
    let serve = world.estate.serve();
    let url = serve.url();
    world.hooks.wait_for(1, SOON);
    settled(&world);

    let index = get(&url, "/sites/try/");
    assert_eq!(index.status, 200, "{index:?}");
    assert!(index.head.contains("content-type: text/html"), "{index:?}");
    assert!(index.body.contains("First"));
    let feed = get(&url, "/sites/try/feed.json");
    assert_eq!(feed.json()["version"], "https://jsonfeed.org/version/1.1");
    assert_eq!(get(&url, "/sites/try/first.html").status, 200);
    assert_eq!(get(&url, "/sites/try/style.css?v=1").status, 200);
    assert_eq!(
        get(&url, "/sites/try/.well-known/microblot.json").status,
        200
    );
    assert_eq!(get(&url, "/sites/try/none.html").status, 404);
    assert_eq!(get(&url, "/sites/foo/").status, 404, "not rendered here");
    assert_eq!(get(&url, "/sites/none/").status, 404);
    // Where a folder is asked for without its last `/`, the way on stays in the site.
    let below = get(&url, "/sites/try/sub");
    if below.head.contains("location:") {
        assert!(
            below.head.contains("location: /sites/try/sub/"),
            "{below:?}"
        );
    }

    for path in [
        "/sites/try/../secret.txt",
        "/sites/try/..%2fsecret.txt",
        "/sites/try/%2e%2e/secret.txt",
        "/sites/try/%2e%2e%2fsecret.txt",
        "/sites/try/..%5csecret.txt",
        "/sites/try/.%2e/.%2e/.env",
        "/sites/try/%2e%2e/%2e%2e/.env",
        "/sites/try/%2e%2e/%2e%2e/sites.toml",
        "/sites/try//etc/passwd",
        "/sites/try/%2fetc%2fpasswd",
        "/sites/try/first.html%00.txt",
        "/sites/../sites.toml",
        "/sites/%2e%2e/sites.toml",
        "/sites/..%2f/sites.toml",
        "/sites/try%2f..%2f..%2f/sites.toml",
        "/sites/TRY/index.html",
    ] {
        let answer = get(&url, path);
        assert!((400..500).contains(&answer.status), "{path}: {answer:?}");
        assert!(
            !answer.body.contains("SECRET") && !answer.body.contains("root:"),
            "{path}"
        );
    }
}

#[test]
fn two_replicas_call_each_hook_once_for_each_content() {
    const SITES: usize = 20;
    let mut world = World::on_postgres();
    world.head = format!(
        "{AT_ONCE}[limits]\nbuilds_per_minute = 1000\nbuilds_in_flight = 100\nbuilds_at_once = \"100%\"\n"
    );
    let declare = |world: &mut World, title: &str| {
        for number in 0..SITES {
            world.hosted(&format!("site-{number}"), &format!("title = \"{title}\""));
        }
    };
    declare(&mut world, "One");
    let replicas = [(); 2].map(|()| world.estate.serve());
    world.hooks.wait_for(SITES, SOON);
    for title in ["Two", "Three", "Four"] {
        declare(&mut world, title);
        built_as_it_is(&world);
    }
    let mut times: BTreeMap<(String, String), usize> = BTreeMap::new();
    for call in world.hooks.calls() {
        let hash = call.json()["content_hash"].as_str().unwrap().to_owned();
        *times.entry((call.hook, hash)).or_default() += 1;
    }
    assert!(times.len() >= 4 * SITES, "{}", times.len());
    let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    for replica in replicas {
        assert_eq!(replica.terminate(), 0);
    }
}

/// A replica with a folder of its own, whose `sites.toml` gives `foo` another title.
fn replica(world: &World, title: &str) -> Estate {
    let twin = world.estate.twin();
    twin.write(
        "sites.toml",
        world.sites_toml().replace("The foo site", title),
    );
    twin.write("foo/a.md", "a");
    twin
}

#[test]
fn a_replica_that_restarts_with_an_older_file_does_not_bring_it_back() {
    let mut world = World::on_postgres();
    one(&mut world, AT_ONCE);
    let newer = replica(&world, "Newer");
    let old = world.estate.serve();
    world.hooks.wait_for(1, SOON);
    settled(&world);
    assert_eq!(old.terminate(), 0);
    let new = newer.serve();
    world.hooks.wait_for(2, SOON);
    let built = settled(&world);

    let old = world.estate.serve();
    old.wait_for_line("the newer one stays in force", SOON);
    world.post("foo", "Hello");
    world.hooks.wait_for(3, SOON);
    settled(&world);
    assert_eq!(new.terminate(), 0);
    // Alone, it goes on from what the newer one published.
    let id = world.post("foo", "Hello again");
    world.hooks.wait_for(4, SOON);
    world.ok(&["delete", &id]);
    world.hooks.wait_for(5, SOON);
    let posts = world.json(&["list", "foo", "--json"]);
    world.ok(&["delete", posts[0]["id"].as_str().unwrap()]);
    world.hooks.wait_for(6, SOON);
    assert_eq!(settled(&world), built, "the newer title, without posts");
    // An edit is somebody's wish, whatever was published before.
    titled(&mut world, "Newest");
    world.hooks.wait_for(7, SOON);
    settled(&world);
    assert_eq!(old.terminate(), 0);
}

#[test]
fn renames_that_are_seen_together_build_nothing() {
    let mut world = World::on_sqlite();
    world.head = AT_ONCE.to_owned();
    for site in ["a", "b"] {
        world.hosted(site, "");
    }
    world.hosted("www", "posts = \"all\"");
    world.ok(&["reconcile"]);
    for site in ["a", "b"] {
        world.post(site, "Hello");
    }
    world.ok(&["reconcile"]);
    let calls = world.hooks.calls().len();
    let serve = world.estate.serve();
    serve.url();
    settled(&world);

    serve.signal("STOP");
    let renamed = |toml: &str, old: &str, new: &str| {
        let old_table = format!("[sites.{old}]");
        toml.replace(
            &old_table,
            &format!("[sites.{new}]\nrenamed_from = \"{old}\""),
        )
    };
    let first = renamed(&world.sites_toml(), "b", "c");
    world.estate.write("sites.toml", &first);
    world.ok(&["reconcile"]);
    let done = first.replace("renamed_from = \"b\"\n", "");
    world.estate.write("sites.toml", renamed(&done, "a", "b"));
    world.ok(&["reconcile"]);
    serve.signal("CONT");
    // Two builds more, and no others: of the site that has the post now, and of the aggregate.
    world.post("b", "Hello again");
    world.hooks.wait_for(calls + 2, SOON);
    settled(&world);
    assert_eq!(world.hooks.calls().len(), calls + 2);
}

#[test]
fn what_was_changed_published_and_changed_back_unseen_is_built() {
    let mut world = World::on_sqlite();
    one(&mut world, AT_ONCE);
    let serve = world.estate.serve();
    world.hooks.wait_for(1, SOON);
    let built = settled(&world);
    for file in ["foo/a.md", "sites.toml"] {
        serve.signal("STOP");
        let before = world.estate.read(file);
        let calls = world.hooks.calls().len();
        world.estate.write(
            file,
            before.replace("The foo site", "Other") + "\n# Other\n",
        );
        world.ok(&["reconcile"]);
        assert_eq!(world.hooks.calls().len(), calls + 1);
        world.estate.write(file, &before);
        serve.signal("CONT");
        world.hooks.wait_for(calls + 2, SOON);
        assert_eq!(settled(&world), built, "{file}");
    }
}

#[test]
fn an_older_file_is_told_until_somebody_publishes_it() {
    let mut world = World::on_sqlite();
    one(&mut world, AT_ONCE);
    let old = world.sites_toml();
    world.ok(&["reconcile"]);
    titled(&mut world, "Newer");
    world.ok(&["reconcile"]);
    world.estate.write("sites.toml", &old);
    let serve = world.estate.serve();
    let url = serve.url();
    let problem = || get(&url, "/readyz").json()["sites_toml"].clone();
    let told = eventually("it is told", || problem().as_str().map(ToOwned::to_owned));
    for part in ["generation 1", "replaced since", "`microblot reconcile`"] {
        assert!(told.contains(part), "{told}");
    }
    // Also when the files are read again: nobody edited them.
    world.estate.write("foo/a.md", "a");
    world.post("foo", "Hello");
    world.hooks.wait_for(3, SOON);
    settled(&world);
    assert_eq!(problem(), *told);
    world.ok(&["reconcile"]);
    eventually("it is in force", || problem().is_null().then_some(()));
    world.hooks.wait_for(4, SOON);
    settled(&world);
    assert_eq!(serve.stderr().matches("replaced since").count(), 1);
}

#[test]
fn replicas_with_different_files_do_not_make_each_other_flap() {
    let mut world = World::on_postgres();
    one(&mut world, AT_ONCE);
    let newer = replica(&world, "Newer");
    let old = world.estate.serve();
    world.hooks.wait_for(1, SOON);
    settled(&world);
    let new = newer.serve();
    world.hooks.wait_for(2, SOON);
    for number in 3..6 {
        settled(&world);
        world.post("foo", &format!("Post {number}"));
        // Also when a replica reads its files again.
        world.estate.write(format!("unrelated-{number}.txt"), "x");
        newer.write(format!("unrelated-{number}.txt"), "x");
        world.hooks.wait_for(number, SOON);
    }
    settled(&world);
    assert_eq!(world.hooks.calls().len(), 5);
    for replica in [old, new] {
        let log = replica.stderr();
        assert_eq!(log.matches("published sites.toml").count(), 1, "{log}");
        assert_eq!(replica.terminate(), 0);
    }
}

#[test]
fn a_hook_can_be_given_while_the_program_runs() {
    let mut world = World::on_sqlite();
    world.head = AT_ONCE.to_owned();
    world.hosted("foo", "");
    let file = "build.netlify = { hook = { file = \"hook.txt\" } }";
    world.declare("bar", file);
    let serve = world.estate.serve();
    world.hooks.wait_for(1, SOON);
    serve.wait_for_line("the build of bar is refused", SOON);
    assert!(serve.stderr().contains("hook.txt"), "{}", serve.stderr());
    world
        .estate
        .write("hook.txt", world.hooks.address("bar") + "\n");
    world.ok(&["resume", "bar"]);
    world.hooks.wait_for(2, SOON);
    settled(&world);
}
