//! Hooks that misbehave, each in its own way, and one that does not.

use std::time::Duration;

use crate::support::hooks::Answer;
use crate::world::{LONG, On, World, hash_of, until};

/// What `status` says of a site: decision, reason, and the seconds until it changes by itself.
pub fn status(world: &World, name: &str) -> (String, String, Option<i64>) {
    let output = world.estate.microblot(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    let sites = status["sites"].as_array().unwrap();
    let site = sites.iter().find(|site| site["site"] == name).unwrap();
    let text = |field: &str| site[field].as_str().map(str::to_owned);
    let left = text("until").map(|until| {
        let until: jiff::Timestamp = until.parse().unwrap();
        until.duration_since(jiff::Timestamp::now()).as_secs()
    });
    (text("decision").unwrap(), text("reason").unwrap(), left)
}

/// The most memory that a process has used so far, in MiB.
fn peak(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

#[test]
fn each_site_gets_its_own_state_and_none_stops_another() {
    let world = World::new(On::Sqlite, 10);
    let soon = jiff::Timestamp::now().as_second() + 90;
    let elsewhere = world.hooks.address("elsewhere");
    // What each answers once; the decision and words of the reason; the seconds it waits.
    let misbehaviour = [
        (Answer::Hang, "wait", "outcome unknown", Some(1700..=1800)),
        (Answer::Reset, "wait", "outcome unknown", Some(1700..=1800)),
        (Answer::Status(500), "wait", "500", Some(0..=6)),
        (
            Answer::TooMany {
                retry_after: "120".to_owned(),
            },
            "wait",
            "429",
            Some(90..=120),
        ),
        (
            Answer::TooManyReset { unix: soon },
            "wait",
            "429",
            Some(40..=90),
        ),
        (Answer::Redirect(elsewhere), "attention", "redirect", None),
        (Answer::NotFound, "attention", "does not exist", None),
        (Answer::Gone, "attention", "does not exist", None),
        (Answer::Gigabyte, "unchanged", "", None),
    ];
    for (name, (answer, ..)) in world.names.iter().zip(&misbehaviour) {
        match answer {
            // Until somebody looked at it, or the back-off has brought it right.
            Answer::Status(_) => world.hooks.always(name.as_str(), answer.clone()),
            _ => world.hooks.answer(name.as_str(), [answer.clone()]),
        }
    }
    let serve = world.estate.serve();
    let good = &world.names[9];
    world.hooks.wait_for(10, LONG);

    // While one hook hangs (it is given up after 15 s), the good site is built again and again.
    let beside = world.beside();
    for number in 0..5 {
        let before = world.hooks.calls_of(good.as_str()).len();
        beside
            .new_post(good, &format!("Post {number}"), "")
            .unwrap();
        until(
            "the next build of the good site",
            Duration::from_secs(10),
            || (world.hooks.calls_of(good.as_str()).len() > before).then_some(()),
        );
    }
    beside.until("the good site is built", good, |seen| {
        seen.is_settled().then_some(())
    });

    for (name, (answer, decision, words, left)) in world.names.iter().zip(misbehaviour) {
        let reached = until(&format!("{answer:?}: {decision}, {words}"), LONG, || {
            let (is, reason, until) = status(&world, name.as_str());
            let as_expected = is == decision && reason.contains(words);
            (as_expected && !reason.contains("in flight")).then_some(until)
        });
        match (left, reached) {
            (Some(left), Some(seconds)) => {
                assert!(
                    left.contains(&seconds),
                    "{answer:?}: {seconds} s of {left:?}"
                );
            }
            (left, reached) => assert_eq!(reached, left.map(|_| 0), "{answer:?}"),
        }
        if !matches!(answer, Answer::Status(_)) {
            assert_eq!(world.hooks.calls_of(name.as_str()).len(), 1, "{answer:?}");
        }
    }
    assert!(
        world.hooks.calls_of("elsewhere").is_empty(),
        "it was followed"
    );
    // The failing site is tried again, and comes right by itself.
    let failing = &world.names[2];
    world.hooks.always(failing.as_str(), Answer::Ok);
    beside.until("the failing site is built", failing, |seen| {
        seen.is_settled().then_some(())
    });
    let hashes: Vec<_> = world
        .hooks
        .calls_of(failing.as_str())
        .iter()
        .map(hash_of)
        .collect();
    assert!(hashes.len() >= 2 && hashes.iter().all(|hash| *hash == hashes[0]));

    let peak = peak(serve.id());
    println!("peak memory {peak} MiB");
    assert!(peak < 200, "{peak} MiB");
    assert_eq!(serve.terminate(), 0);
}
