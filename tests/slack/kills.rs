//! The process is killed between a change and its answer: Slack comes again, and finds it made.

use serde_json::json;

use crate::club::Club;
use crate::on_both;
use crate::support::estate::Serve;
use crate::support::slack::client::Reply;
use crate::support::slack::{ADA, CHANNEL, TEAM};
use crate::support::world::{SOON, World, eventually};
use crate::trail;
use crate::wire::{Gateway, Trap};

on_both![
    a_command_that_was_not_answered_is_done_once,
    a_submission_that_was_not_answered_is_one_post,
    an_event_that_was_not_acknowledged_is_one_post,
];

/// A replica that is to be killed.
///
/// On PostgreSQL it dies strictly between the commit and the answer: it never learns that the
/// commit is made. On SQLite it dies as soon as the change can be seen; whatever it managed to
/// answer by then, nobody has read.
struct Doomed {
    serve: Serve,
    /// Where it can be talked to.
    url: String,
    /// Where it can be talked to without an answer.
    gateway: Gateway,
    trap: Option<Trap>,
}

impl Doomed {
    fn start(club: &mut Club) -> Self {
        let trap = club.world.postgres().map(Trap::before);
        if let (Some(trap), Some(url)) = (&trap, club.world.postgres()) {
            let url = trap.url(url);
            club.world.estate.database(&url);
        }
        let (serve, url) = club.serve();
        Self {
            serve,
            gateway: Gateway::before(&url),
            url,
            trap,
        }
    }

    /// Sends a request whose transaction sends `words` to the database, kills the replica when
    /// `made` finds the change, and starts another one.
    fn kill_after(
        self,
        club: &mut Club,
        words: &str,
        send: impl FnOnce(&Club, &str) -> Reply,
        made: impl Fn(&Club) -> bool,
    ) -> (Reply, Serve, String) {
        if let Some(trap) = &self.trap {
            trap.arm(words);
        }
        let sent = send(club, &self.gateway.url());
        assert_eq!(sent.answer.status, 504);
        eventually("the change is made", || made(club).then_some(()));
        self.serve.kill();
        assert!(self.trap.is_none_or(|trap| trap.has_sprung()));
        let lost = self.gateway.lost();
        if let Some(url) = club.world.postgres().map(ToOwned::to_owned) {
            // After the time that people are asked to wait it may say that it is busy.
            let is_busy = lost.contains("busy") || lost.contains(" 503 ");
            assert!(lost.is_empty() || is_busy, "it was answered: {lost}");
            club.world.estate.database(&url);
        }
        let (serve, url) = club.serve();
        (sent, serve, url)
    }
}

fn a_command_that_was_not_answered_is_done_once(world: World) {
    let mut club = Club::new(world);
    club.hosted();
    let doomed = Doomed::start(&mut club);
    club.world.hooks.wait_for(1, SOON);
    let (asked, _serve, url) = doomed.kill_after(
        &mut club,
        "\"action\":\"pause\"",
        |club, url| {
            let text = "pause shop because it floods";
            club.slack.command(url, TEAM, ADA, CHANNEL, text)
        },
        |club| club.audited("pause shop") == 1,
    );
    let again = club.slack.retry(&url, &asked);
    assert_eq!(again.status, 200);
    assert!(again.body.contains("is paused"), "{again:?}");
    eventually("it is paused", || {
        let said = club.say(&url, ADA, "status shop");
        (said.contains("paused") && said.contains("it floods")).then_some(())
    });
    let trail = trail::read(&club.world);
    let pauses = trail.iter().filter(|line| line.contains("pause shop"));
    assert_eq!(pauses.count(), 1, "{trail:#?}");
}

fn a_submission_that_was_not_answered_is_one_post(world: World) {
    let mut club = Club::new(world);
    club.hosted();
    let doomed = Doomed::start(&mut club);
    club.world.hooks.wait_for(1, SOON);
    // Paused, so that exactly one build follows.
    club.says(&doomed.url, ADA, "pause shop", &["is paused"]);
    club.ask(&doomed.url, ADA, "new shop");
    let editor = club.slack.wait_for_modal(ADA, "New post");
    let (submitted, _serve, url) = doomed.kill_after(
        &mut club,
        "\"action\":\"new\"",
        |club, url| {
            let typed = [("title", "Kept"), ("body.0", "Yes.")];
            club.slack.submit(url, ADA, &editor, &typed)
        },
        |club| club.audited("new shop") == 1,
    );
    for _ in 0..2 {
        let again = club.slack.retry(&url, &submitted);
        assert_eq!(again.status, 200);
        assert!(again.json()["errors"].is_null(), "{again:?}");
        assert!(again.body.contains("is published"), "{again:?}");
    }
    assert_eq!(club.feed(&url, "shop"), ["Kept"]);
    let asked: Vec<_> = trail::read(&club.world)
        .into_iter()
        .filter(|line| line.contains(" chat "))
        .map(|line| line.split(' ').nth(2).unwrap_or_default().to_owned())
        .collect();
    assert_eq!(asked, ["pause", "new"]);
    let promised = club.world.sql("SELECT action FROM telling");
    assert_eq!(promised, ["new"]);
    club.say(&url, ADA, "resume shop");
    club.world.hooks.wait_for(2, SOON);
}

fn an_event_that_was_not_acknowledged_is_one_post(world: World) {
    let mut club = Club::new(world);
    club.garden(&format!(", channels = [\"{CHANNEL}\"]"));
    let doomed = Doomed::start(&mut club);
    club.slack.wait_for_calls("conversations.history", 1);
    // In no history: only the event tells of it.
    let message = json!({
        "type": "message", "channel": CHANNEL, "channel_type": "channel", "user": ADA,
        "text": "Kept", "ts": "1795252400.000100", "event_ts": "1795252400.000100",
    });
    let waits = "SELECT id FROM inbox";
    let (sent, _serve, url) = doomed.kill_after(
        &mut club,
        "event_callback",
        |club, url| club.slack.event(url, TEAM, &message),
        |club| !club.world.sql(waits).is_empty(),
    );
    for _ in 0..2 {
        assert_eq!(club.slack.retry(&url, &sent).status, 200);
    }
    eventually("everything that came in is handled", || {
        let waits = "SELECT id FROM inbox WHERE done_at IS NULL";
        club.world.sql(waits).is_empty().then_some(())
    });
    assert_eq!(club.feed(&url, "garden"), ["Kept"]);
    assert_eq!(
        club.audited("new garden"),
        1,
        "{:#?}",
        trail::read(&club.world)
    );
}
