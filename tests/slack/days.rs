//! Bad days: Slack is away, processes are killed, the database is gone.

use std::time::{Duration, Instant};

use crate::club::Club;
use crate::on_both;
use crate::support::hooks::Answer;
use crate::support::slack::{ADA, ADMIN, Bad, CHANNEL, TEAM};
use crate::support::world::{SOON, World, eventually};
use crate::trail;

on_both![
    commands_are_answered_while_slack_is_away,
    a_kill_before_the_answer_loses_nothing,
];

/// Longer than any answer takes that waits for nobody, on a busy machine.
const QUICK: Duration = Duration::from_secs(2);

fn commands_are_answered_while_slack_is_away(world: World) {
    let mut club = Club::new(world);
    club.hosted();
    let (_serve, url) = club.serve();
    club.world.hooks.wait_for(1, SOON);
    let bad_days = [
        Bad::Hang,
        Bad::Reset,
        Bad::Status(503),
        Bad::Error("internal_error"),
        Bad::Garbage,
        Bad::TooMany(3600),
    ];
    for bad in bad_days {
        club.slack.always("*", Some(bad.clone()));
        for text in [
            "status",
            "sites",
            "list",
            "history shop",
            "new",
            "help",
            "plan",
        ] {
            let begun = Instant::now();
            club.say(&url, ADA, text);
            assert!(
                begun.elapsed() < QUICK,
                "{text} took {:?} with {bad:?}",
                begun.elapsed()
            );
        }
    }
    // What is asked for happens; it is told when Slack is there again, once.
    club.slack.always("*", Some(Bad::Status(503)));
    let asked = club.ask(&url, ADA, "rebuild shop");
    club.world.hooks.wait_for(2, SOON);
    club.slack.wait_for_calls("response_url", 1);
    club.slack.always("*", None);
    let told = club
        .slack
        .wait_for_responses(&asked, 1)
        .pop()
        .unwrap()
        .words();
    assert!(told.contains("Netlify took it"), "{told}");
}

#[test]
fn a_hook_that_is_down_is_told_of_and_so_is_its_return() {
    let mut club = Club::with(World::on_sqlite(), &format!("notify = \"{CHANNEL}\""));
    club.hosted();
    let (_serve, url) = club.serve();
    club.world.hooks.wait_for(1, SOON);
    club.world.hooks.always("shop", Answer::Status(503));
    let asked = club.publish(&url, ADA, "shop", "Patience", "…");
    club.world.hooks.wait_for(2, SOON);
    // An hour later: the twelfth try.
    eventually("it failed once more", || {
        club.world
            .sql("UPDATE observed SET failures = 11 WHERE failures > 0");
        club.world.estate.microblot(&["reconcile"]);
        let failures = club
            .world
            .sql("SELECT CAST(failures AS TEXT) FROM observed");
        (failures == ["12"]).then_some(())
    });
    let stuck = "could not be started, many times in a row";
    eventually("whoever asked is told", || {
        let told = club.slack.responses(&asked);
        told.last()?.words().contains(stuck).then_some(())
    });
    let told = club.slack.wait_for_message(CHANNEL, stuck);
    assert!(told.words().contains("503"), "{}", told.words());
    // Its button tries again.
    club.world.hooks.always("shop", Answer::Ok);
    club.slack.press(&url, ADA, &told, "site.rebuild", None);
    eventually("it is built after all", || {
        let told = club.slack.responses(&asked);
        told.last()?
            .words()
            .contains("Netlify took it")
            .then_some(())
    });
    club.world.hooks.ignore_rest();
}

#[test]
fn who_scheduled_a_post_is_told_that_it_is_live() {
    let mut club = Club::new(World::on_sqlite());
    club.rendered();
    let (_serve, url) = club.serve();
    let slack = &club.slack;
    club.ask(&url, ADA, "new garden");
    let editor = slack.wait_for_modal(ADA, "New post");
    let soon = jiff::Timestamp::now().as_second() + 4;
    let typed = [
        ("title", "On time"),
        ("body.0", "…"),
        ("when", &soon.to_string()),
    ];
    slack.submit(&url, ADA, &editor, &typed);
    slack.wait_for_modal(ADA, "will be published");
    let told = slack.wait_for_message("D0ADA", "Publication of *On time*");
    eventually("it is live", || {
        let told = slack.message("D0ADA", told.ts())?.words();
        told.contains("https://garden.example.org/on-time.html")
            .then_some(())
    });
}

#[test]
fn slack_is_given_the_time_that_it_asks_for() {
    let mut club = Club::new(World::on_sqlite());
    club.hosted();
    let (_serve, url) = club.serve();
    club.world.hooks.wait_for(1, SOON);
    club.slack.answer("response_url", [Bad::TooMany(7)]);
    let asked = club.ask(&url, ADA, "rebuild shop");
    club.world.hooks.wait_for(2, SOON);
    // The loop goes round meanwhile, which is no reason to try sooner.
    eventually("it is told", || {
        club.say(&url, ADA, "resume shop");
        (!club.slack.responses(&asked).is_empty()).then_some(())
    });
    let calls = club.slack.calls_of("response_url");
    let pause = calls[1].at - calls[0].at;
    assert!(pause >= Duration::from_secs(7), "{pause:?}");
}

#[test]
fn who_has_no_answer_address_any_more_is_told_directly() {
    let mut club = Club::new(World::on_sqlite());
    club.hosted();
    let (_serve, url) = club.serve();
    club.world.hooks.wait_for(1, SOON);
    club.say(&url, ADA, "pause shop");
    club.publish(&url, ADA, "shop", "Late", "Very.");
    club.slack.expire_response_urls();
    club.say(&url, ADMIN, "resume shop");
    club.world.hooks.wait_for(2, SOON);
    let told = club.slack.wait_for_message("D0ADA", "Late");
    assert!(told.words().contains("Netlify took it"), "{}", told.words());
    assert_eq!(club.slack.messages("D0ADA").len(), 1);
}

fn a_kill_before_the_answer_loses_nothing(world: World) {
    let mut club = Club::new(world);
    club.hosted();
    let (serve, url) = club.serve();
    let slack = &club.slack;
    club.world.hooks.wait_for(1, SOON);
    // The change is committed, and nobody is told: Slack is away. Then the power fails.
    slack.always("response_url", Some(Bad::Hang));
    let asked = club.ask(&url, ADA, "rebuild shop");
    club.ask(&url, ADA, "new shop");
    let editor = slack.wait_for_modal(ADA, "New post");
    let submitted = slack.submit(&url, ADA, &editor, &[("title", "Kept"), ("body.0", "Yes.")]);
    serve.kill();
    let (_serve, url) = club.serve();
    slack.always("response_url", None);
    // Slack heard no answer, and comes again.
    assert_eq!(slack.retry(&url, &asked).status, 200);
    assert_eq!(slack.retry(&url, &submitted).status, 200);
    let told = slack.wait_for_responses(&asked, 1).pop().unwrap().words();
    assert!(told.contains("Rebuild of"), "{told}");
    assert_eq!(club.feed(&url, "shop"), ["Kept"]);
    assert_eq!(
        club.audited("rebuild shop"),
        1,
        "{:#?}",
        trail::read(&club.world)
    );
    assert_eq!(
        club.audited("new shop"),
        1,
        "{:#?}",
        trail::read(&club.world)
    );
    club.world.hooks.wait_for(2, SOON);
    club.world.hooks.ignore_rest();
}

#[test]
fn of_two_replicas_one_tells() {
    let mut club = Club::new(World::on_postgres());
    club.hosted();
    let (_one, first) = club.serve();
    let (_two, second) = club.serve();
    club.world.hooks.wait_for(1, SOON);
    let mut asked = Vec::new();
    for (number, url) in [&first, &second, &first, &second].into_iter().enumerate() {
        asked.push(club.ask(url, ADA, "rebuild shop"));
        club.world.hooks.wait_for(number + 2, SOON);
        club.slack.wait_for_responses(&asked[number], 1);
    }
    for reply in &asked {
        let told = club.slack.responses(reply);
        let states: Vec<_> = told.iter().map(|told| told.text().to_owned()).collect();
        let once: std::collections::BTreeSet<_> = states.iter().collect();
        assert_eq!(once.len(), states.len(), "told twice: {states:?}");
        assert!(
            told[told.len() - 1].words().contains("Netlify took it"),
            "{states:?}"
        );
    }
}

#[test]
fn without_its_database_it_asks_for_another_try() {
    let server = crate::support::postgres::Server::start_new();
    let database = server.database();
    let mut world = World::on_sqlite();
    world.estate.database(database.url());
    let mut club = Club::new(world);
    club.rendered();
    let (_serve, url) = club.serve();
    let slack = &club.slack;
    club.ask(&url, ADA, "new garden");
    let editor = slack.wait_for_modal(ADA, "New post");
    let typed = [("title", "Not lost"), ("body.0", "Still here.")];
    server.stop();
    let busy = "try again in a moment";
    for text in ["list", "rebuild garden", "pause garden", "history garden"] {
        let begun = Instant::now();
        let said = club.say(&url, ADA, text);
        assert!(said.contains(busy), "{text}: {said}");
        assert!(
            begun.elapsed() < Duration::from_secs(3),
            "{text} took {:?}",
            begun.elapsed()
        );
    }
    // What the loop saw last can still be said.
    club.says(&url, ADA, "status garden", &["The garden site"]);
    let refused = slack.submit(&url, ADA, &editor, &typed);
    let error = refused.errors()["title"].to_string();
    assert!(error.contains("Your text is still here"), "{error}");
    server.start();
    let reply = eventually("it is accepted", || {
        let reply = slack.submit(&url, ADA, &editor, &typed);
        reply.errors().is_null().then_some(reply)
    });
    assert_eq!(slack.retry(&url, &reply).status, 200);
    eventually("it is published", || {
        (club.feed(&url, "garden") == ["Not lost"]).then_some(())
    });
    let status = club.say(&url, ADA, "status garden");
    assert!(!status.contains("paused"), "{status}");
}

#[test]
fn what_nobody_asked_for_in_chat_is_told_to_the_channel() {
    let mut club = Club::with(World::on_sqlite(), &format!("notify = \"{CHANNEL}\""));
    club.rendered();
    let (_serve, url) = club.serve();
    club.slack.wait_for_message(CHANNEL, "The garden site");
    club.world.post("garden", "From the command line");
    eventually("it is published", || {
        (!club.feed(&url, "garden").is_empty()).then_some(())
    });
    // What somebody did ask for is told to them only.
    let before = club.slack.messages(CHANNEL).len();
    let asked = club.ask(&url, ADA, "rebuild garden");
    club.slack.wait_for_responses(&asked, 1);
    let said = club.slack.messages(CHANNEL);
    let rebuilds = said
        .iter()
        .filter(|said| said.words().contains("Rebuild of"));
    assert_eq!(rebuilds.count(), 0, "{before}: {said:#?}");
}

#[test]
fn a_channel_in_which_nothing_can_be_said_is_in_the_log() {
    let mut club = Club::with(World::on_sqlite(), "notify = \"C0WRONG\"");
    club.rendered();
    let (serve, _url) = club.serve();
    let line = serve.wait_for_line("channel_not_found", Duration::from_secs(10));
    assert!(line.contains("WARN") && line.contains("C0WRONG"), "{line}");
}

#[test]
fn a_flood_of_results_is_one_message() {
    let mut world = World::on_sqlite();
    for number in 0..30 {
        let name = format!("site-{number:02}");
        world.rendered(&name, &format!("slack = {{ workspace = \"{TEAM}\" }}"));
    }
    let mut club = Club::with(world, &format!("notify = \"{CHANNEL}\""));
    club.world
        .head
        .push_str("[limits]\nbuilds_at_once = \"100%\"\n");
    club.rendered();
    let (_serve, _url) = club.serve();
    let digest = club.slack.wait_for_message(CHANNEL, "sites were built");
    let said = club.slack.messages(CHANNEL);
    assert!(
        said.len() <= 12,
        "{} messages: {}",
        said.len(),
        digest.words()
    );
}
