//! What happens in a workspace: messages, the Home tab, and that the app is removed.

use serde_json::{Value, json};

use crate::club::{Club, id_in};
use crate::on_both;
use crate::support::http::get;
use crate::support::slack::client::Request;
use crate::support::slack::{ADA, ADMIN, Bad, CHANNEL, GRACE, TEAM};
use crate::support::world::{World, eventually};

on_both![a_channel_becomes_a_blog];

fn message(ts: &str, text: &str) -> Value {
    json!({
        "type": "message", "channel": CHANNEL, "channel_type": "channel", "user": ADA,
        "text": text, "ts": ts, "event_ts": ts,
    })
}

fn a_channel_becomes_a_blog(world: World) {
    let mut club = Club::new(world);
    club.garden(&format!(", channels = [\"{CHANNEL}\"]"));
    let (_serve, url) = club.serve();
    let slack = &club.slack;
    slack.wait_for_calls("conversations.history", 1);
    let titles = |titles: &[&str]| {
        eventually(&format!("the titles are {titles:?}"), || {
            (club.feed(&url, "garden") == titles).then_some(())
        });
    };
    let (ts, said) = slack.write(&url, TEAM, ADA, CHANNEL, "Seeds are here, says <@U0GRACE>");
    // Slack comes again with the same event.
    assert_eq!(slack.retry(&url, &said).status, 200);
    titles(&["Seeds are here, says @Grace"]);
    let feed = get(&url, "/sites/garden/feed.json").json();
    assert_eq!(feed["items"][0]["authors"][0]["name"], "Ada");

    // What is not said to the channel by a person is left out.
    for (key, value) in [
        ("thread_ts", json!(ts)),
        ("bot_id", json!("B0BOT")),
        ("subtype", json!("channel_join")),
        ("subtype", json!("channel_topic")),
        ("subtype", json!("bot_message")),
    ] {
        let mut left_out = message("1700000401.000100", "Left out");
        left_out[key] = value;
        assert_eq!(slack.event(&url, TEAM, &left_out).answer.status, 200);
    }
    let mut file = message("1700000402.000100", "A picture");
    file["subtype"] = json!("file_share");
    file["files"] = json!([{
        "id": "F1", "title": "Rose", "permalink": "https://example.slack.com/files/F1",
        "url_private": "https://files.slack.com/F1?t=xoxe-private",
    }]);
    slack.event(&url, TEAM, &file);
    titles(&["Seeds are here, says @Grace", "A picture"]);
    let feed = get(&url, "/sites/garden/feed.json").body;
    assert!(
        feed.contains("https://example.slack.com/files/F1"),
        "{feed}"
    );
    assert!(!feed.contains("xoxe-private"), "{feed}");

    // Changed; and an older change that comes late changes nothing.
    let written: u64 = ts.split('.').next().unwrap().parse().unwrap();
    let later = |seconds: u64| format!("{}.000000", written + seconds);
    let change = |at: &str, text: &str| {
        let mut changed = message(at, "");
        changed["subtype"] = json!("message_changed");
        changed["message"] = message(&ts, text);
        changed["message"]["edited"] = json!({ "user": ADA, "ts": at });
        changed["previous_message"] = message(&ts, "Seeds");
        slack.event(&url, TEAM, &changed);
    };
    change(&later(100), "Seeds are sold");
    titles(&["Seeds are sold", "A picture"]);
    change(&later(50), "Seeds are late");
    let (_, said) = slack.write(&url, TEAM, GRACE, "C0ELSEWHERE", "Not mirrored");
    assert_eq!(said.answer.status, 200);
    let mut gone = message(&later(200), "");
    gone["subtype"] = json!("message_deleted");
    gone["deleted_ts"] = json!("1700000402.000100");
    slack.event(&url, TEAM, &gone);
    titles(&["Seeds are sold"]);
    // The deleted one does not come back, in whatever order its events come.
    slack.event(&url, TEAM, &file);
    change(&later(300), "Seeds are sold out");
    titles(&["Seeds are sold out"]);
}

fn changed(ts: &str, at: &str, text: &str) -> Value {
    let mut event = message(at, "");
    event["subtype"] = json!("message_changed");
    event["message"] = message(ts, text);
    event["message"]["edited"] = json!({ "user": ADA, "ts": at });
    event["previous_message"] = message(ts, "As it was");
    event
}

#[test]
fn an_edit_publishes_nothing_that_was_written_before_following() {
    let mut club = Club::new(World::on_sqlite());
    club.garden(&format!(", channels = [\"{CHANNEL}\"]"));
    let (_serve, url) = club.serve();
    let slack = &club.slack;
    slack.wait_for_calls("conversations.history", 1);
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let ago = |seconds: u64| format!("{}.000100", now - seconds);
    let old = changed(&ago(86_400), &ago(0), "Among ourselves");
    slack.event(&url, TEAM, &old);
    // Slack's clock need not be ours, and the event of a message can be lost.
    slack.event(&url, TEAM, &changed(&ago(2), &ago(0), "Edited at once"));
    eventually("what came last is a post", || {
        (club.feed(&url, "garden") == ["Edited at once"]).then_some(())
    });
    // What has a post is edited, whenever it was written.
    slack.event(&url, TEAM, &message(&ago(7_200), "Told late"));
    let edit = changed(&ago(7_200), &ago(0), "Told late, and better");
    slack.event(&url, TEAM, &edit);
    eventually("it is edited", || {
        (club.feed(&url, "garden") == ["Edited at once", "Told late, and better"]).then_some(())
    });
}

#[test]
fn a_message_that_shows_nothing_has_no_post() {
    let mut club = Club::new(World::on_sqlite());
    club.garden(&format!(", channels = [\"{CHANNEL}\"]"));
    let (_serve, url) = club.serve();
    let slack = &club.slack;
    slack.wait_for_calls("conversations.history", 1);
    let (ts, _) = slack.write(&url, TEAM, ADA, CHANNEL, "Said too soon");
    eventually("it is a post", || {
        (club.feed(&url, "garden") == ["Said too soon"]).then_some(())
    });
    let (_, invisible) = slack.write(&url, TEAM, ADA, CHANNEL, "\u{200b}");
    assert_eq!(invisible.answer.status, 200);
    let written: u64 = ts.split('.').next().unwrap().parse().unwrap();
    let at = format!("{}.000000", written + 100);
    slack.event(&url, TEAM, &changed(&ts, &at, ""));
    eventually("the emptied one has none any more", || {
        club.feed(&url, "garden").is_empty().then_some(())
    });
    // As if it had been deleted.
    let at = format!("{}.000000", written + 200);
    slack.event(&url, TEAM, &changed(&ts, &at, "Said again"));
    slack.write(&url, TEAM, ADA, CHANNEL, "Something else");
    eventually("only the next one is a post", || {
        (club.feed(&url, "garden") == ["Something else"]).then_some(())
    });
}

#[test]
fn what_somebody_wrote_in_the_editor_is_not_written_over() {
    let mut club = Club::new(World::on_sqlite());
    club.garden(&format!(", channels = [\"{CHANNEL}\"]"));
    let (_serve, url) = club.serve();
    let slack = &club.slack;
    slack.wait_for_calls("conversations.history", 1);
    let (ts, _) = slack.write(&url, TEAM, ADA, CHANNEL, "Typed in haste");
    let id = eventually("it is a post", || {
        let listed = club.say(&url, ADA, "list mine");
        listed.contains("in haste").then(|| id_in(&listed))
    });
    let opened = |notice: &str| {
        club.say(&url, ADA, &format!("edit {id}"));
        let editor = slack.wait_for_modal(ADA, "Edit post");
        let told = editor.words().contains("edits of the message no longer");
        assert_eq!(told, !notice.is_empty(), "{}", editor.words());
        editor
    };
    let editor = opened("that it follows a message");
    let typed = [("title", "Written with care"), ("body.0", "In peace.")];
    let reply = slack.submit(&url, ADA, &editor, &typed);
    assert_eq!(reply.errors(), Value::Null, "{:?}", reply.answer);
    slack.close(&url, ADA, &slack.wait_for_modal(ADA, "Saved"));
    let editor = opened("");
    slack.close(&url, ADA, &editor);
    let later = |text: &str| {
        let (at, _) = slack.write(&url, TEAM, ADA, CHANNEL, text);
        eventually(text, || {
            club.feed(&url, "garden")
                .contains(&text.to_owned())
                .then_some(())
        });
        at
    };
    slack.event(
        &url,
        TEAM,
        &changed(&ts, &slack.say("C0X", ADA, ""), "Hasty"),
    );
    later("Something else");
    let both = ["Something else", "Written with care"];
    assert_eq!(club.feed(&url, "garden"), both);
    let mut gone = message(&slack.say("C0X", ADA, ""), "");
    gone["subtype"] = json!("message_deleted");
    gone["deleted_ts"] = json!(ts);
    slack.event(&url, TEAM, &gone);
    eventually("its post is gone", || {
        (club.feed(&url, "garden") == ["Something else"]).then_some(())
    });
}

#[test]
fn channels_are_followed_and_unfollowed_in_chat() {
    let mut club = Club::new(World::on_sqlite());
    club.rendered();
    let of_team = format!("slack = {{ workspace = \"{TEAM}\" }}");
    club.world.rendered("notes", &of_team);
    club.slack.add_channel(TEAM, "C0NEWS", "news", false);
    let (_serve, url) = club.serve();
    let slack = &club.slack;
    let follow = "follow <#C0NEWS|news> garden";
    club.says(&url, ADA, follow, &["Only admins"]);
    club.says(&url, ADMIN, follow, &["becomes posts of The garden site"]);
    slack.wait_for_calls("conversations.join", 1);
    slack.write(&url, TEAM, ADA, "C0NEWS", "First news");
    eventually("it is a post", || {
        (club.feed(&url, "garden") == ["First news"]).then_some(())
    });
    club.says(&url, ADA, "info garden", &["<#C0NEWS>"]);
    let asked = club.ask(&url, ADMIN, "unfollow <#C0NEWS|news>").shown();
    assert!(
        asked.words().contains("One post came from it"),
        "{}",
        asked.words()
    );
    let pressed = slack.press(&url, ADMIN, &asked, "unfollow:2", None);
    let said = slack.wait_for_responses(&pressed, 1).pop().unwrap().words();
    assert!(said.contains("taken off the site"), "{said}");
    slack.write(&url, TEAM, ADA, "C0NEWS", "Not any more");
    eventually("its posts are gone", || {
        club.feed(&url, "garden").is_empty().then_some(())
    });
    // Of a channel that was mirrored elsewhere before, only what this site has of it goes.
    club.says(&url, ADMIN, follow, &["becomes posts of The garden site"]);
    slack.write(&url, TEAM, ADA, "C0NEWS", "Kept news");
    eventually("it is a post", || {
        (club.feed(&url, "garden") == ["Kept news"]).then_some(())
    });
    let asked = club.ask(&url, ADMIN, "unfollow <#C0NEWS|news>").shown();
    let pressed = slack.press(&url, ADMIN, &asked, "unfollow", None);
    slack.wait_for_responses(&pressed, 1);
    let follow = "follow <#C0NEWS|news> notes";
    club.says(&url, ADMIN, follow, &["becomes posts of The notes site"]);
    club.says(&url, ADMIN, "unfollow <#C0NEWS|news>", &["No post came"]);
    for words in ["follow garden", "unfollow garden"] {
        assert!(
            club.audited(words) >= 1,
            "{words}: {:#?}",
            crate::trail::read(&club.world)
        );
    }
}

#[test]
fn a_channel_that_could_not_be_read_is_joined_later() {
    let mut club = Club::new(World::on_sqlite());
    club.rendered();
    club.slack.add_channel(TEAM, "C0NEWS", "news", false);
    let (_serve, url) = club.serve();
    let slack = &club.slack;
    let refused = Some(Bad::Error("is_archived"));
    slack.always("conversations.join", refused);
    let follow = "follow <#C0NEWS|news> garden";
    club.says(&url, ADMIN, follow, &["becomes posts of The garden site"]);
    slack.wait_for_calls("conversations.history", 1);
    eventually("it is said how it stands", || {
        let said = club.say(&url, ADMIN, follow);
        (said.contains("could not read it") && said.contains("/invite @Microblot")).then_some(())
    });
    // Before it can be read: what comes later is told by events.
    slack.say("C0NEWS", ADA, "First news");
    slack.always("conversations.join", None);
    slack.write(&url, TEAM, ADA, "C0NEWS", "Second news");
    eventually("it is read", || {
        club.say(&url, ADMIN, follow);
        (club.feed(&url, "garden").len() == 2).then_some(())
    });
}

#[test]
fn a_channel_that_the_file_declares_is_unfollowed_in_the_file() {
    let mut club = Club::new(World::on_sqlite());
    club.rendered();
    club.slack.add_channel(TEAM, "C0NEWS", "news", true);
    let (_serve, url) = club.serve();
    let follow = "follow <#C0NEWS|news> garden";
    club.says(&url, ADMIN, follow, &["becomes posts of The garden site"]);
    club.slack.write(&url, TEAM, ADA, "C0NEWS", "Kept");
    eventually("it is a post", || {
        (club.feed(&url, "garden") == ["Kept"]).then_some(())
    });
    let asked = club.ask(&url, ADMIN, "unfollow <#C0NEWS|news>").shown();
    // Declared between the question and the answer.
    club.garden(", channels = [\"C0NEWS\"]");
    eventually("the file declares it", || {
        let origin = club.world.sql("SELECT origin FROM channel");
        (origin == ["file"]).then_some(())
    });
    let toml = club.world.sites_toml();
    let line = toml.lines().position(|line| line == "[sites.garden]");
    let place = format!("`sites.toml:{}`", line.unwrap() + 1);
    for button in ["unfollow", "unfollow:2"] {
        let pressed = club.slack.press(&url, ADMIN, &asked, button, None);
        let said = club.slack.wait_for_responses(&pressed, 1).pop().unwrap();
        let said = said.json.to_string();
        assert!(said.contains(&place), "no {place} in {said}");
    }
    let said = club.ask(&url, ADMIN, "unfollow <#C0NEWS|news>");
    assert!(said.answer.body.contains(&place), "{:?}", said.answer);
    assert_eq!(club.audited("unfollow"), 0);
    assert_eq!(club.feed(&url, "garden"), ["Kept"]);
    // Nor is it given to another site, or the site made anew.
    club.says(&url, ADMIN, "site add pond", &["pond is there"]);
    let text = "follow <#C0NEWS|news> pond";
    let said = club.says(&url, ADMIN, text, &[&place, "take it out there"]);
    assert!(!said.contains("unfollow"), "{said}");
    club.says(&url, ADMIN, "site add garden", &[&place]);
}

#[test]
fn the_address_is_verified_and_the_home_tab_shows_what_there_is() {
    let mut club = Club::new(World::on_sqlite());
    club.rendered();
    let (_serve, url) = club.serve();
    let body = json!({ "type": "url_verification", "token": "t", "challenge": "3eZbrw1aBm2rZgRN" });
    let request = Request::new("/slack/events", "application/json", body.to_string());
    let answer = request.send(&url, &[]);
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, "3eZbrw1aBm2rZgRN")
    );
    club.draft(&url, ADA, "garden", "Half a thought", "…");
    club.say(&url, ADA, "pause garden");
    // And no longer building for the first time.
    eventually("it is paused", || {
        club.say(&url, ADA, "status garden")
            .contains("up to date; paused by")
            .then_some(())
    });
    club.slack.open_home(&url, TEAM, ADA);
    let home = club.slack.wait_for_home(ADA, "Half a thought").words();
    assert!(
        home.contains("The garden site") && home.contains("Needs attention"),
        "{home}"
    );
    club.slack.open_home(&url, TEAM, GRACE);
    let home = club.slack.wait_for_home(GRACE, "The garden site").words();
    assert!(!home.contains("Half a thought"), "{home}");
}

#[test]
fn gaps_are_filled_page_by_page() {
    let mut club = Club::new(World::on_sqlite());
    club.garden(&format!(", channels = [\"{CHANNEL}\"]"));
    club.slack.page_size(15);
    // Before it is read for the first time, and while no event comes.
    club.slack
        .always("conversations.history", Some(Bad::TooMany(1)));
    let (_serve, url) = club.serve();
    let slack = &club.slack;
    slack.wait_for_calls("conversations.history", 1);
    for number in 0..17 {
        slack.say(CHANNEL, ADA, &format!("Missed {number:02}"));
    }
    slack.always("conversations.history", None);
    eventually("everything is there", || {
        (club.feed(&url, "garden").len() == 17).then_some(())
    });
    let calls = slack.calls_of("conversations.history");
    assert!(calls.iter().any(|call| {
        call.body["cursor"]
            .as_str()
            .is_some_and(|at| !at.is_empty())
    }));
}
