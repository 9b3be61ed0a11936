//! A plan of an estate in which nothing can have changed does not read it, and never misses a change.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::time::{Duration, Instant};

use support::world::{World, eventually};

on_both![
    what_cannot_have_changed_is_not_read,
    every_change_ends_the_calm,
    what_is_to_be_told_is_told_every_time,
];

const NOTHING: &str = "Plan: nothing to do, 2 unchanged.\n";

fn plan(world: &World) -> String {
    world.ok(&["reconcile", "--plan"]).stdout
}

/// Changes what is known of every site behind the program's back: only who reads it can see it.
fn tamper(world: &World) {
    world.sql("UPDATE observed SET built_spec = built_posts");
}

/// On PostgreSQL a transaction of another test on the same server can hold the mark back, and what
/// was written since that began is read again.
fn reconcile_until_calm(world: &World) {
    eventually("nothing is read again", || {
        world.ok(&["reconcile"]);
        let again = "SELECT site FROM observed WHERE seq >= (SELECT cursor FROM calm) \
                     UNION SELECT id FROM site WHERE seq >= (SELECT cursor FROM calm)";
        world.sql(again).is_empty().then_some(())
    });
}

fn what_cannot_have_changed_is_not_read(mut world: World) {
    world.hosted("foo", "");
    world.hosted("bar", "");
    reconcile_until_calm(&world);
    tamper(&world);
    assert_eq!(plan(&world), NOTHING);
    let all = world.ok(&["reconcile", "--plan", "--all"]).stdout;
    assert!(all.contains("2 to build"), "{all}");
    // With files, those are looked at.
    world.sql(
        "UPDATE observed SET built_spec = (SELECT spec FROM manifest WHERE hash = built_hash)",
    );
    assert_eq!(plan(&world), NOTHING);
    world.estate.write("foo/a.md", "a");
    world.hosted("foo", "files = [\"foo/**\"]");
    reconcile_until_calm(&world);
    tamper(&world);
    assert_eq!(plan(&world), NOTHING);
    world.estate.write("foo/a.md", "b");
    assert!(plan(&world).contains("to build"));
    world.hooks.ignore_rest();
}

fn every_change_ends_the_calm(mut world: World) {
    world.hosted("foo", "files = [\"foo/**\"]\nrevision = true");
    world.hosted("bar", "");
    world.estate.write("foo/a.md", "a");
    world.estate.env("MICROBLOT_REVISION", "1");
    let draft = {
        world.reconcile();
        let draft = world.json(&["new", "foo", "--title", "Later", "--draft", "--json"]);
        draft["id"].as_str().unwrap().to_owned()
    };
    let calm = |world: &World| {
        world.ok(&["reconcile"]);
        assert_eq!(plan(world), NOTHING);
        assert_eq!(world.planned(), [""; 0]);
    };
    calm(&world);
    world.post("bar", "Hello");
    assert_eq!(world.planned(), ["bar: build, posts changed"]);
    calm(&world);
    world.ok(&["edit", &draft, "--publish"]);
    assert_eq!(world.planned(), ["foo: build, posts changed"]);
    calm(&world);
    world.ok(&["delete", &draft]);
    assert_eq!(world.planned(), ["foo: build, posts changed"]);
    calm(&world);
    world.estate.write("foo/b.md", "b");
    assert_eq!(world.planned(), ["foo: build, files changed"]);
    calm(&world);
    world.estate.env("MICROBLOT_REVISION", "2");
    assert_eq!(world.planned(), ["foo: build, revision changed"]);
    calm(&world);
    world.hosted("bar", "title = \"Bar\"");
    assert_eq!(world.planned(), ["bar: build, spec changed"]);
    calm(&world);
    world.ok(&["rebuild", "bar"]);
    assert_eq!(world.planned().len(), 1);
    calm(&world);
    // What was to be built is paused, and nothing is calm.
    world.ok(&["pause", "foo"]);
    world.post("foo", "Held");
    world.ok(&["reconcile"]);
    assert_eq!(world.planned().len(), 1);
    world.ok(&["resume", "foo"]);
    calm(&world);
    world.hosted("baz", "");
    assert_eq!(world.planned(), ["baz: build, first build"]);
    world.undeclare("baz");
    calm(&world);
    world.declare("foo", "build.render = { out = \"public/foo\" }");
    assert_eq!(
        world.planned(),
        ["foo: build, spec, files and revision changed"]
    );
    world.hooks.ignore_rest();
}

fn what_is_to_be_told_is_told_every_time(mut world: World) {
    world.hosted("foo", "files = [\"nothing/**\"]");
    world.hosted("bar", "");
    for _ in 0..2 {
        world.ok(&["reconcile"]);
        let told = world.ok(&["reconcile", "--plan"]);
        assert_eq!(told.stdout, NOTHING);
        assert!(told.stderr.contains("no file matches"), "{}", told.stderr);
    }
    world.hooks.ignore_rest();
}

#[test]
fn a_server_that_has_nothing_to_do_leaves_a_note() {
    let mut world = World::on_sqlite();
    world.head = "[defaults]\ndebounce = \"0s\"\n".to_owned();
    world.hosted("foo", "files = [\"foo/**\"]");
    world.estate.write("foo/a.md", "a");
    let serve = world.estate.serve();
    // It looks by itself every 30 seconds.
    let deadline = Instant::now() + Duration::from_secs(90);
    world.hooks.wait_for(1, Duration::from_secs(20));
    while world.sql("SELECT inputs FROM calm").is_empty() {
        assert!(Instant::now() < deadline, "{}", serve.stderr());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(serve.terminate(), 0);
    tamper(&world);
    assert_eq!(plan(&world), "Plan: nothing to do, 1 unchanged.\n");
}
