//! Several replicas share one database and the work.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::hooks::Answer;
use crate::world::{Beside, LONG, On, World, extras, hash_of, until};

const SITES: usize = 50;
/// Changes of each site, by each of two writers of posts and one of files.
const CHANGES: usize = 4;

#[test]
fn two_replicas_share_the_work() {
    share(2);
}

#[test]
fn three_replicas_share_the_work() {
    share(3);
}

fn share(replicas: usize) {
    let world = World::with(
        On::Postgres,
        SITES,
        "debounce = \"30ms\"\nmax_wait = \"150ms\"",
    );
    world
        .hooks
        .always_any(Answer::Slow(Duration::from_millis(20)));
    let serves: Vec<_> = (0..replicas).map(|_| world.estate.serve()).collect();
    let url = world.url();
    Beside::open(&url).until("the sites are published", &world.names[0], |_| Some(()));

    let start = Instant::now();
    let changes = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for writer in 0..2 {
            let (world, url, changes) = (&world, &url, &changes);
            scope.spawn(move || {
                let beside = Beside::open(url);
                for number in 0..CHANGES {
                    for name in &world.names {
                        let title = format!("{writer} {number}");
                        let id = beside.new_post(name, &title, "first").unwrap();
                        beside.edit_post(&id, &title).unwrap();
                        changes.fetch_add(2, Ordering::Relaxed);
                    }
                }
            });
        }
        scope.spawn(|| {
            for number in 1..=CHANGES {
                for name in &world.names {
                    world.write_page(name, &format!("file {number}"));
                    changes.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        });
    });
    let beside = Beside::open(&url);
    until("the last edits are published", LONG, || {
        let plan = world.estate.microblot(&["reconcile", "--plan", "--json"]);
        let plan: serde_json::Value = serde_json::from_str(&plan.stdout).unwrap();
        (plan["summary"]["unchanged"] == world.names.len()).then_some(())
    });
    world.wait_until_built(&beside, LONG);
    world.assert_nothing_is_planned();

    let calls = world.hooks.calls();
    let twice: Vec<_> = extras(&calls)
        .into_iter()
        .filter(|(_, extras)| *extras > 0)
        .collect();
    let firing = |log: &str| log.matches("building site-").count();
    let shares: Vec<_> = serves.iter().map(|serve| firing(&serve.stderr())).collect();
    println!(
        "{replicas} replicas: {} changes, {} calls, shared {shares:?}, {} twice, {:?}",
        changes.into_inner(),
        calls.len(),
        twice.len(),
        start.elapsed()
    );
    assert!(twice.is_empty(), "fired twice: {twice:?}");
    let wanted = beside.look();
    for name in &world.names {
        let last = world.hooks.calls_of(name.as_str()).pop().unwrap();
        assert_eq!(Some(hash_of(&last)), wanted[name].wanted, "{name}");
    }
    for serve in serves {
        assert_eq!(serve.terminate(), 0);
    }
}

/// Replicas with one folder all see every edit, one a moment before the other: nobody publishes what
/// it read before somebody else published something newer.
#[test]
fn an_edit_is_published_once_whoever_sees_it_first() {
    let world = World::new(On::Postgres, 1);
    let name = &world.names[0];
    let serves: Vec<_> = (0..3).map(|_| world.estate.serve()).collect();
    let beside = world.beside();
    world.wait_until_built(&beside, LONG);
    for number in 0..60 {
        world.write_page(name, &format!("edit {number}"));
        // About as long as the watchers wait for quiet, so that edits meet reading at every point.
        std::thread::sleep(Duration::from_millis(80 + number % 7 * 10));
    }
    until("the last edit is published", LONG, || {
        let plan = world
            .estate
            .microblot(&["reconcile", "--plan", "--detailed-exitcode"]);
        (plan.code == 0).then_some(())
    });
    world.wait_until_built(&beside, LONG);
    let calls = world.hooks.calls();
    println!("60 edits, {} calls", calls.len());
    assert_eq!(extras(&calls)[name.as_str()], 0, "an older edit came back");
    for serve in serves {
        assert_eq!(serve.terminate(), 0);
    }
}
