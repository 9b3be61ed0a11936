//! Somebody else holds the database, for longer than anybody waits.

use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection as _, Executor as _};
use tokio::runtime::Runtime;

use crate::club::Club;
use crate::on_both;
use crate::support::slack::{ADA, CHANNEL, TEAM};
use crate::support::world::{World, eventually};
use crate::trail;

on_both![while_somebody_else_writes_people_are_asked_to_try_again];

/// Slack waits no longer for an answer.
const SLACKS_PATIENCE: Duration = Duration::from_secs(3);
/// The program itself waits for another writer of one SQLite file for ten seconds.
const LONGER: Duration = Duration::from_secs(11);

/// Nobody else writes as long as it is there; reading goes on.
struct Lock {
    runtime: Runtime,
    holder: Holder,
}

enum Holder {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Lock {
    fn take(world: &World) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let holder = async {
            if let Some(url) = world.postgres() {
                let mut connection = PgConnection::connect(url).await?;
                let sql = "BEGIN; LOCK TABLE audit, inbox IN EXCLUSIVE MODE";
                connection.execute(sql).await?;
                return Ok(Holder::Postgres(connection));
            }
            let file = world.estate.path().join("microblot.db");
            let url = format!("sqlite:{}", file.display());
            let mut connection = SqliteConnection::connect(&url).await?;
            connection.execute("BEGIN IMMEDIATE").await?;
            Ok::<_, sqlx::Error>(Holder::Sqlite(connection))
        };
        let holder = runtime.block_on(holder).unwrap();
        Self { runtime, holder }
    }

    fn give_up(self) {
        let close = async {
            match self.holder {
                Holder::Sqlite(connection) => connection.close().await,
                Holder::Postgres(connection) => connection.close().await,
            }
        };
        self.runtime.block_on(close).unwrap();
    }
}

fn while_somebody_else_writes_people_are_asked_to_try_again(world: World) {
    let mut club = Club::new(world);
    club.garden(&format!(", channels = [\"{CHANNEL}\"]"));
    let (_serve, url) = club.serve();
    let slack = &club.slack;
    slack.wait_for_calls("conversations.history", 1);
    club.draft(&url, ADA, "garden", "Half a thought", "…");
    club.ask(&url, ADA, "new garden");
    let editor = slack.wait_for_modal(ADA, "New post");
    let typed = [("title", "Not lost"), ("body.0", "Still here.")];
    let drafts = club.ask(&url, ADA, "list drafts");
    let before = trail::made(&club.world);

    let lock = Lock::take(&club.world);
    let taken = Instant::now();
    let in_time = |what: &str, begun: Instant| {
        let took = begun.elapsed();
        assert!(took < SLACKS_PATIENCE, "{what} took {took:?}");
    };
    let begun = Instant::now();
    let paused = club.ask(&url, ADA, "pause garden");
    in_time("a command", begun);
    let said = paused.words();
    assert!(said.contains("try again in a moment"), "{said}");
    let begun = Instant::now();
    let submitted = slack.submit(&url, ADA, &editor, &typed);
    in_time("a submission", begun);
    let error = submitted.errors()["title"].to_string();
    assert!(error.contains("Your text is still here"), "{error}");
    let begun = Instant::now();
    slack.press_with(&url, ADA, &editor, "editor.draft", None, &typed);
    in_time("a button in the editor", begun);
    let over = slack.wait_for_modal(ADA, "Your text is still here");
    slack.close(&url, ADA, &over);
    let below = slack.modal(ADA).unwrap();
    assert_eq!(below.view_id(), editor.view_id());
    assert!(!below.elements("body.0").is_empty(), "{:#}", below.json);
    let begun = Instant::now();
    let id = crate::club::id_in(&drafts.words());
    let publish = format!("post.publish {id}");
    let pressed = slack.press(&url, ADA, &drafts.shown(), "more", Some(&publish));
    in_time("a button", begun);
    let said = slack.wait_for_responses(&pressed, 1).pop().unwrap().words();
    assert!(said.contains("try again in a moment"), "{said}");
    let begun = Instant::now();
    let event = json!({
        "type": "message", "channel": CHANNEL, "channel_type": "channel", "user": ADA,
        "text": "Said meanwhile", "ts": "1795252400.000100", "event_ts": "1795252400.000100",
    });
    let event = slack.event(&url, TEAM, &event);
    in_time("an event", begun);
    assert_eq!(event.answer.status, 503);
    // Questions are answered all the time.
    while taken.elapsed() < LONGER {
        let begun = Instant::now();
        let said = club.say(&url, ADA, "list drafts");
        in_time("a question", begun);
        assert!(said.contains("Half a thought"), "{said}");
        // The pace of asking: the lock has to be held for longer than writers wait.
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(trail::made(&club.world), before);
    lock.give_up();

    // What nobody was promised does not happen later by itself; what is asked for again does.
    let again = eventually("it is paused", || {
        let again = slack.retry(&url, &paused);
        again.body.contains("is paused").then_some(again)
    });
    assert_eq!(again.status, 200);
    let mut made: Vec<_> = trail::made(&club.world);
    made.retain(|line| !before.contains(line));
    assert!(
        made.len() == 1 && made[0].contains("pause garden"),
        "{made:#?}"
    );
    let submitted = slack.submit(&url, ADA, &editor, &typed);
    assert!(submitted.errors().is_null(), "{:?}", submitted.answer);
    assert_eq!(slack.retry(&url, &pressed).status, 200);
    assert_eq!(slack.retry(&url, &event).status, 200);
    eventually("all three are there", || {
        let mut feed = club.feed(&url, "garden");
        feed.sort();
        (feed == ["Half a thought", "Not lost", "Said meanwhile"]).then_some(())
    });
    for (words, times) in [("pause garden", 1), ("new garden", 3), ("edit garden", 1)] {
        assert_eq!(
            club.audited(words),
            times,
            "{words}: {:#?}",
            trail::read(&club.world)
        );
    }
}
