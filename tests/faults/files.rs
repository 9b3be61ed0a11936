//! A `sites.toml` that is broken, in every way that files break.

use std::time::Duration;

use crate::support::estate::Serve;
use crate::world::{LONG, On, World, get, toml, until, wait_until_ready};

/// How many looks the loop has had.
fn looks(serve: &Serve) -> u64 {
    let (_, metrics) = get(serve, "/metrics").unwrap();
    let count = "microblot_tick_duration_seconds_count ";
    let line = metrics.lines().find_map(|line| line.strip_prefix(count));
    line.map_or(0, |count| count.trim().parse().unwrap())
}

fn problem(serve: &Serve) -> serde_json::Value {
    wait_until_ready(serve, 200, LONG)["sites_toml"].clone()
}

const DEFAULTS: &str = "debounce = \"0s\"\nmax_wait = \"0s\"";

#[test]
fn a_broken_file_never_replaces_the_last_good_one() {
    let world = World::new(On::Sqlite, 12);
    let good = toml(&world.names, DEFAULTS);
    let half = good.len() / 2;
    let cut = half + good[half..].find("title = \"").unwrap() + "title = \"si".len();
    let broken: [(&str, Vec<u8>, &str); 6] = [
        ("empty", Vec::new(), "declares no site"),
        (
            "half-written",
            good.as_bytes()[..cut].to_vec(),
            "sites.toml:",
        ),
        (
            "not UTF-8",
            [b"# caf\xE9\n", good.as_bytes()].concat(),
            "is not UTF-8",
        ),
        (
            "50 MB",
            [good.as_bytes(), &vec![b'#'; 50_000_000]].concat(),
            "33554432",
        ),
        (
            "without most of its sites",
            toml(&world.names[..3], DEFAULTS).into_bytes(),
            "remove 9 of 12",
        ),
        ("binary", vec![0; 4096], "sites.toml:1:1"),
    ];
    let serve = world.estate.serve();
    let beside = world.beside();
    world.wait_until_built(&beside, LONG);
    let name = &world.names[11];

    for (number, (what, bytes, words)) in broken.iter().enumerate() {
        world.estate.write("sites.toml", bytes);
        let told = until(
            &format!("/readyz tells of a file that is {what}"),
            LONG,
            || {
                let problem = problem(&serve);
                let text = problem.as_str().unwrap_or_default();
                text.contains(words).then(|| text.to_owned())
            },
        );
        // Read again: the same error is not told again.
        let before = looks(&serve);
        world.estate.write("sites.toml", bytes);
        until("another look", LONG, || {
            (looks(&serve) > before).then_some(())
        });
        let first = told.lines().next().unwrap();
        let lines = serve.stderr();
        let count = lines.matches(first).count();
        assert_eq!(
            count,
            1,
            "{what}: {first:?} in\n{}",
            lines.get(..4000).unwrap_or(&lines)
        );

        // The last good one is in force: posts are published by it.
        beside
            .new_post(name, &format!("Post {number}"), "")
            .unwrap();
        world.wait_until_built(&beside, LONG);
        assert_eq!(beside.look().len(), 12, "{what}");

        let title = format!("After it was {what}");
        let repaired = good.replace(
            &format!("title = \"{name}\""),
            &format!("title = \"{title}\""),
        );
        world.estate.write("sites.toml", repaired);
        until("the repaired file is in force", LONG, || {
            let status = world.estate.microblot(&["status", name.as_str()]);
            status.stdout.contains(&title).then_some(())
        });
        until("/readyz has nothing to tell", LONG, || {
            problem(&serve).is_null().then_some(())
        });
        world.wait_until_built(&beside, LONG);
    }
    world.hooks.ignore_rest();
    assert_eq!(serve.terminate(), 0);
}

#[test]
fn a_pass_refuses_to_remove_most_sites_until_it_is_forced() {
    for (left, words) in [(0, "declares no site, and 12"), (3, "remove 9 of 12")] {
        let world = World::new(On::Sqlite, 12);
        assert_eq!(world.estate.microblot(&["reconcile"]).code, 0);
        world.hooks.ignore_rest();
        let before = world.hooks.calls().len();
        world
            .estate
            .write("sites.toml", toml(&world.names[..left], DEFAULTS));
        for arguments in [&["reconcile"][..], &["reconcile", "--plan"]] {
            let refused = world.estate.microblot(arguments);
            assert_eq!(refused.code, 1, "{refused:?}");
            assert!(refused.stderr.contains(words), "{refused:?}");
            assert!(refused.stderr.contains("--force"), "{refused:?}");
        }
        assert_eq!(world.beside().look().len(), 12, "nothing was removed");
        let forced = world.estate.microblot(&["reconcile", "--force"]);
        assert_eq!(forced.code, 0, "{forced:?}");
        assert_eq!(world.beside().look().len(), left);
        assert_eq!(
            world.hooks.calls().len(),
            before,
            "a removal builds nothing"
        );
    }
}

/// Nothing is published yet: an empty file is a start, not an accident.
#[test]
fn an_empty_file_is_a_good_start() {
    let world = World::new(On::Sqlite, 0);
    let pass = world.estate.microblot(&["reconcile"]);
    assert_eq!(pass.code, 0, "{pass:?}");
    let serve = world.estate.serve();
    wait_until_ready(&serve, 200, Duration::from_secs(20));
    assert!(problem(&serve).is_null());
    assert_eq!(serve.terminate(), 0);
}
