//! The process is killed, at every point that matters and at any other.

use std::collections::HashMap;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use microblot::model::{BuildState, PostId, SiteName};
use proptest::prelude::RngExt as _;
use proptest::test_runner::{RngAlgorithm, TestRng};

use crate::support::estate::Serve;
use crate::support::hooks::Answer;
use crate::world::{Beside, LONG, On, World, extras, fired, hash_of, until};

/// What is killed.
#[derive(Clone, Copy, Debug)]
enum Program {
    Serve,
    Reconcile,
}

fn start(world: &World, program: Program) -> Serve {
    match program {
        Program::Serve => world.estate.serve(),
        Program::Reconcile => {
            let mut command = world.estate.command();
            command.args(["reconcile", "--force"]);
            Serve::spawn(command)
        }
    }
}

const PROGRAMS: [Program; 2] = [Program::Serve, Program::Reconcile];
const DATABASES: [On; 2] = [On::Sqlite, On::Postgres];

#[test]
fn killed_between_claim_and_fire_the_build_is_fired_once() {
    for on in DATABASES {
        for program in PROGRAMS {
            let mut world = World::new(on, 1);
            let name = world.names[0].clone();
            world.estate.env("MICROBLOT_LEASE", "300ms");
            // Connections wait here for somebody who takes them; nothing is ever read.
            let silent = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = silent.local_addr().unwrap();
            world.hook_at(&name, Some(format!("http://{address}/build_hooks/x")));
            let beside = world.beside();

            let doomed = start(&world, program);
            let claimed = beside.until("a claim", &name, |seen| seen.flight.clone());
            assert_eq!(claimed.state, BuildState::Claimed);
            doomed.kill();

            world.hook_at(&name, None);
            let serve = world.estate.serve();
            world.wait_until_built(&beside, LONG);
            let calls = world.hooks.calls();
            assert_eq!(calls.len(), 1, "{on:?} {program:?}");
            assert_eq!(hash_of(&calls[0]), claimed.hash, "{on:?} {program:?}");
            world.assert_nothing_is_planned();
            assert_eq!(serve.terminate(), 0);
        }
    }
}

#[test]
fn a_request_that_a_killed_process_had_claimed_is_answered_as_it_was_asked() {
    for on in DATABASES {
        let mut world = World::new(on, 1);
        let name = world.names[0].clone();
        world.estate.env("MICROBLOT_LEASE", "300ms");
        let run = |arguments: &[&str]| {
            let output = world.estate.microblot(arguments);
            assert_eq!(output.code, 0, "{on:?}: {output:?}");
        };
        run(&["adopt"]);
        run(&["rebuild", name.as_str(), "--clear-cache"]);
        world.hooks.answer_any([Answer::Hang, Answer::Hang]);
        // It is lost twice.
        for times in [1, 2] {
            let doomed = world.estate.serve();
            world.hooks.wait_for(times, LONG);
            doomed.kill();
        }
        let serve = world.estate.serve();
        let calls = world.hooks.wait_for(3, LONG);
        for call in &calls {
            assert_eq!(call.parameter("clear_cache"), Some("true"), "{on:?}");
        }
        let beside = world.beside();
        world.wait_until_built(&beside, LONG);
        world.assert_nothing_is_planned();
        assert_eq!(serve.terminate(), 0);
        let history = world
            .estate
            .microblot(&["history", name.as_str(), "--json"]);
        let history: serde_json::Value = serde_json::from_str(&history.stdout).unwrap();
        assert!(history[0]["requested_by"].is_string(), "{history:#}");
        assert_eq!(world.hooks.calls().len(), 3, "{on:?}");
    }
}

#[test]
fn killed_between_fire_and_record_the_build_is_fired_once_more() {
    for on in DATABASES {
        for program in PROGRAMS {
            let mut world = World::new(on, 1);
            world.estate.env("MICROBLOT_LEASE", "300ms");
            world.hooks.answer_any([Answer::Hang]);
            let beside = world.beside();

            let doomed = start(&world, program);
            let first = world.hooks.wait_for(1, LONG).remove(0);
            doomed.kill();

            let serve = world.estate.serve();
            world.wait_until_built(&beside, LONG);
            let calls = world.hooks.calls();
            let hashes: Vec<_> = calls.iter().map(hash_of).collect();
            let expected = vec![hash_of(&first); 2];
            assert_eq!(hashes, expected, "{on:?} {program:?}");
            let name = &world.names[0];
            let history = world
                .estate
                .microblot(&["history", name.as_str(), "--json"]);
            let history: serde_json::Value = serde_json::from_str(&history.stdout).unwrap();
            assert_eq!(history[0]["state"], "accepted", "{history:#}");
            assert_eq!(history[1]["state"], "lost", "{history:#}");
            world.assert_nothing_is_planned();
            assert_eq!(serve.terminate(), 0);
        }
    }
}

#[test]
fn a_killed_pass_is_finished_by_the_next_one() {
    for on in DATABASES {
        let mut world = World::new(on, 3);
        world.estate.env("MICROBLOT_LEASE", "300ms");
        world
            .hooks
            .answer_any([Answer::Hang, Answer::Hang, Answer::Hang]);
        let doomed = start(&world, Program::Reconcile);
        world.hooks.wait_for(3, LONG);
        doomed.kill();
        let pass = world.estate.microblot(&["reconcile", "--wait"]);
        assert_eq!(pass.code, 0, "{pass:?}");
        let calls = world.hooks.calls();
        assert_eq!(calls.len(), 6, "{on:?}");
        assert!(fired(&calls).values().all(|count| *count == 2), "{on:?}");
        world.assert_nothing_is_planned();
    }
}

/// What a writer was told is stored.
#[derive(Default)]
struct Acknowledged {
    posts: HashMap<PostId, String>,
    files: HashMap<SiteName, String>,
    /// Just before the last change of each site.
    changed: HashMap<SiteName, Instant>,
}

/// Writes until it is told to stop, something new every time, so that no content comes back.
fn write(world: &World, beside: &Beside, seed: u64, stop: &AtomicBool) -> Acknowledged {
    let mut random = random(seed);
    let mut told = Acknowledged::default();
    let mut ids = Vec::new();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let name = &world.names[random.random_range(0..world.names.len())];
        let text = format!("text {number}");
        match random.random_range(0..4) {
            0 => {
                told.changed.insert(name.clone(), Instant::now());
                world.write_page(name, &text);
                told.files.insert(name.clone(), text);
            }
            1 if !ids.is_empty() => {
                let (id, site): &(PostId, SiteName) = &ids[random.random_range(0..ids.len())];
                told.changed.insert(site.clone(), Instant::now());
                beside.edit_post(id, &text).unwrap();
                told.posts.insert(id.clone(), text);
            }
            _ => {
                told.changed.insert(name.clone(), Instant::now());
                let id = beside
                    .new_post(name, &format!("Post {number}"), &text)
                    .unwrap();
                told.posts.insert(id.clone(), text);
                ids.push((id, name.clone()));
            }
        }
        // Bursts, and quiet times in which a build that was cut short has to be made good.
        let pause = match random.random_range(0..12) {
            0 => 300..900,
            _ => 5..60,
        };
        std::thread::sleep(Duration::from_millis(random.random_range(pause)));
    }
    told
}

fn random(seed: u64) -> TestRng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
}

/// Kills replicas of one estate at random moments while a writer writes; then looks at what is left.
fn kill_at_random(on: On, replicas: usize, lease: &str, kills: usize, seed: u64) -> usize {
    let mut world = World::with(on, 5, "debounce = \"20ms\"\nmax_wait = \"100ms\"");
    world.estate.env("MICROBLOT_LEASE", lease);
    world
        .hooks
        .always_any(Answer::Slow(Duration::from_millis(30)));
    let published = world.estate.microblot(&["reconcile"]);
    assert_eq!(published.code, 0, "{published:?}");
    let beside = world.beside();
    let mut random = random(seed);
    let stop = AtomicBool::new(false);
    let told = std::thread::scope(|scope| {
        let writer = scope.spawn(|| write(&world, &beside, seed, &stop));
        let mut running: Vec<Option<Serve>> = (0..replicas).map(|_| None).collect();
        for round in 0..kills {
            let place = &mut running[round % replicas];
            let program = match random.random_range(0..4) {
                0 if replicas == 1 => Program::Reconcile,
                _ => Program::Serve,
            };
            let calls = world.hooks.calls().len();
            *place = Some(start(&world, program));
            // At any moment of a short life, or while a call is in the air.
            if random.random() {
                std::thread::sleep(Duration::from_millis(random.random_range(0..400)));
            } else {
                world.hooks.within(calls + 1, Duration::from_secs(1));
                std::thread::sleep(Duration::from_millis(random.random_range(0..50)));
            }
            let doomed = running[(round + 1) % replicas].take();
            doomed.into_iter().for_each(Serve::kill);
        }
        running.into_iter().flatten().for_each(Serve::kill);
        stop.store(true, Ordering::Relaxed);
        writer.join().unwrap()
    });

    let serve = world.estate.serve();
    // What is published is what is in the files: the watcher, or the first read, saw the last edit.
    until("the last edits are published", LONG, || {
        let plan = world.estate.microblot(&["reconcile", "--plan", "--json"]);
        let plan: serde_json::Value = serde_json::from_str(&plan.stdout).unwrap();
        (plan["summary"]["unchanged"] == world.names.len()).then_some(())
    });
    world.wait_until_built(&beside, LONG);
    world.assert_nothing_is_planned();

    for (id, text) in &told.posts {
        assert_eq!(
            beside.body_of(id).as_ref(),
            Some(text),
            "{id} lost what was acknowledged"
        );
    }
    for (name, text) in &told.files {
        assert_eq!(&world.estate.read(format!("content/{name}/page.md")), text);
    }
    let wanted = beside.look();
    for name in &world.names {
        let last = world.hooks.calls_of(name.as_str()).pop().unwrap();
        assert!(
            told.changed.get(name).is_none_or(|at| last.at > *at),
            "{name} was last fired before its last change"
        );
        assert_eq!(Some(hash_of(&last)), wanted[name].wanted, "{name}");
    }
    let calls = world.hooks.calls();
    let extras = extras(&calls);
    let mut cut_short = 0;
    for name in &world.names {
        let lost = beside.lost(name);
        assert!(
            lost <= kills,
            "{name}: {kills} kills cut {lost} builds short"
        );
        let extras = extras.get(name.as_str()).copied().unwrap_or(0);
        assert!(
            extras <= lost,
            "{name} was fired {extras} times too often, and only {lost} builds were cut short"
        );
        cut_short += lost;
    }
    assert_eq!(serve.terminate(), 0);
    let extras = extras.values().sum();
    println!(
        "{on:?}, {replicas} replicas: {kills} kills cut {cut_short} builds short; {} posts, \
         {} calls, {extras} extra",
        told.posts.len(),
        calls.len(),
    );
    extras
}

#[test]
fn two_hundred_kills_lose_nothing_and_fire_at_most_once_more_each() {
    let start = Instant::now();
    let lanes = [
        (On::Sqlite, 1, "300ms", 60),
        (On::Sqlite, 1, "300ms", 60),
        (On::Postgres, 1, "300ms", 60),
        // A replica that is alive must never look dead, on however busy a machine.
        (On::Postgres, 2, "3s", 60),
    ];
    let extras: usize = std::thread::scope(|scope| {
        let lanes: Vec<_> = (1..)
            .zip(lanes)
            .map(|(seed, (on, replicas, lease, kills))| {
                scope.spawn(move || kill_at_random(on, replicas, lease, kills, seed))
            })
            .collect();
        lanes.into_iter().map(|lane| lane.join().unwrap()).sum()
    });
    println!("240 kills, {extras} extra fires, {:?}", start.elapsed());
}
