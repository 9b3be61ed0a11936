//! `serve --only worker`: what is done on a schedule, in a process of its own.

use std::time::{Duration, SystemTime};

use crate::club::Club;
use crate::on_both;
use crate::support::estate::Serve;
use crate::support::http::send;
use crate::support::slack::client::Request;
use crate::support::slack::{ADA, Bad, CHANNEL, TEAM};
use crate::support::world::{SOON, World, eventually};
use crate::trail;

on_both![
    a_worker_alone_publishes_in_time_and_fills_gaps,
    a_worker_beside_a_server_does_nothing_twice,
];

fn worker(club: &Club) -> (Serve, String) {
    let mut command = club.world.estate.command();
    command
        .args(["serve", "--only", "worker"])
        .env("MICROBLOT_LISTEN", "127.0.0.1:0");
    let worker = Serve::spawn(command);
    let url = worker.url();
    (worker, url)
}

/// So many seconds from now, as the command line takes it.
fn in_seconds(seconds: u64) -> String {
    let at = SystemTime::now() + Duration::from_secs(seconds);
    let at = jiff::Timestamp::try_from(at).unwrap();
    at.to_string()
}

/// Answers how many posts wait for their time: none, if this machine slept through it.
fn schedule(club: &Club, site: &str, title: &str, seconds: u64) -> usize {
    let at = in_seconds(seconds);
    let new = ["new", site, "--title", title, "--publish-at", &at, "--json"];
    let post = club.world.json(&new);
    usize::from(post["state"] == "scheduled")
}

fn a_worker_alone_publishes_in_time_and_fills_gaps(world: World) {
    let mut club = Club::new(world);
    club.garden(&format!(", channels = [\"{CHANNEL}\"]"));
    club.world.ok(&["reconcile"]);
    // Two pages and a little, and Slack asks for patience in between.
    club.slack.page_size(5);
    club.slack
        .answer("conversations.history", [Bad::TooMany(1)]);
    let due = schedule(&club, "garden", "In time", 2);
    let (worker, url) = worker(&club);
    club.slack.wait_for_calls("conversations.history", 1);
    for number in 0..11 {
        club.slack.say(CHANNEL, ADA, &format!("Missed {number:02}"));
    }
    eventually("everything is published", || {
        (club.feed(&url, "garden").len() == 12).then_some(())
    });
    assert!(club.feed(&url, "garden").contains(&"In time".to_owned()));
    for (words, times) in [("publish post garden", due), ("new garden", 12)] {
        assert_eq!(club.audited(words), times, "{words}");
    }
    // It talks to nobody in Slack's name, and builds nothing.
    let good = Request::new(
        "/slack/events",
        "application/json",
        r#"{"type":"url_verification","challenge":"c"}"#,
    );
    assert_eq!(good.send(&url, &[]).status, 404);
    assert_eq!(send(&url, "GET", "/readyz", &[], b"").status, 200);
    let builds = club.world.sql("SELECT id FROM build");
    assert_eq!(builds.len(), 1, "only what `reconcile` built");
    assert_eq!(worker.terminate(), 0);
}

fn a_worker_beside_a_server_does_nothing_twice(world: World) {
    let mut club = Club::new(world);
    club.hosted_with(&format!(", channels = [\"{CHANNEL}\"]"));
    let (serve, url) = club.serve();
    club.world.hooks.wait_for(1, SOON);
    club.slack.wait_for_calls("conversations.history", 1);
    let (worker, beside) = worker(&club);
    eventually("the worker knows the site", || {
        (send(&beside, "GET", "/readyz", &[], b"").status == 200).then_some(())
    });

    // An event and the history tell of the same message; one post is due while both look.
    let (_, said) = club.slack.write(&url, TEAM, ADA, CHANNEL, "Said once");
    assert_eq!(said.answer.status, 200);
    let due = schedule(&club, "shop", "In time", 1);
    let asked = club.ask(&url, ADA, "rebuild shop");
    let titles = |url: &str| {
        let mut titles = club.feed(url, "shop");
        titles.sort();
        titles
    };
    for url in [&url, &beside] {
        eventually("both see both", || {
            (titles(url) == ["In time", "Said once"]).then_some(())
        });
    }
    eventually("everything is built", || {
        club.say(&url, ADA, "status shop")
            .contains("up to date")
            .then_some(())
    });
    club.slack.wait_for_responses(&asked, 1);
    for (words, times) in [
        ("publish post shop", due),
        ("new shop", 2),
        ("rebuild shop", 1),
    ] {
        assert_eq!(
            club.audited(words),
            times,
            "{words}: {:#?}",
            trail::read(&club.world)
        );
    }
    let told = club.slack.responses(&asked);
    let mut texts: Vec<_> = told.iter().map(|told| told.text().to_owned()).collect();
    let all = texts.len();
    texts.dedup();
    assert_eq!(texts.len(), all, "told twice: {texts:#?}");
    let log = worker.stderr();
    assert!(!log.contains("firing builds"), "{log}");

    // The server goes; what is due is published all the same, and built when it is back.
    assert_eq!(serve.terminate(), 0);
    let built = club.world.hooks.calls().len();
    schedule(&club, "shop", "Nobody serves", 1);
    eventually("it is published", || {
        club.feed(&beside, "shop")
            .contains(&"Nobody serves".to_owned())
            .then_some(())
    });
    assert_eq!(club.world.hooks.calls().len(), built);
    let (_serve, _url) = club.serve();
    club.world.hooks.wait_for(built + 1, SOON);
    assert_eq!(worker.terminate(), 0);
}
