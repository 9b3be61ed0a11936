//! What nobody should send, and what some send twice.

use serde_json::{Value, json};
use url::form_urlencoded;

use crate::club::{Club, id_in};
use crate::on_both;
use crate::support::http::{get, send};
use crate::support::slack::client::{Reply, Request};
use crate::support::slack::{ADA, ADMIN, CHANNEL, TEAM};
use crate::support::world::{SOON, World, eventually};
use crate::trail;

on_both![
    what_slack_did_not_sign_is_refused_unread,
    what_comes_again_is_answered_and_done_once,
    of_two_writers_of_one_post_the_second_is_told,
];

const FORM: &str = "application/x-www-form-urlencoded";

fn form(fields: &[(&str, &str)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields).finish()
}

/// `/microblot pause garden`, signed now.
fn pause() -> Request {
    let body = form(&[
        ("team_id", TEAM),
        ("channel_id", CHANNEL),
        ("user_id", ADA),
        ("command", "/microblot"),
        ("text", "pause garden"),
        ("trigger_id", "1.2.bad"),
    ]);
    Request::new("/slack/commands", FORM, body)
}

fn moved(seconds: i64) -> Request {
    let mut request = pause();
    let at: i64 = request.timestamp.parse().unwrap();
    request.timestamp = (at + seconds).to_string();
    request.sign();
    request
}

fn what_slack_did_not_sign_is_refused_unread(world: World) {
    let mut club = Club::new(world);
    club.garden(&format!(", channels = [\"{CHANNEL}\"]"));
    let (_serve, url) = club.serve();
    let before = trail::made(&club.world);
    let refused = |what: &str, status: u16, answer: crate::support::http::Answer| {
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        assert!(!answer.body.contains("paused"), "{what}: {answer:?}");
    };
    let changed = |change: &dyn Fn(&mut Request)| {
        let mut request = pause();
        change(&mut request);
        request.send(&url, &[])
    };
    refused("stale", 401, moved(-330).send(&url, &[]));
    refused("of the future", 401, moved(330).send(&url, &[]));
    for (what, change) in [
        (
            "another signature",
            (|it| it.signature.replace_range(5..6, "x")) as fn(&mut Request),
        ),
        ("of something else", |it| {
            it.signature = format!("v0={}", "0".repeat(64))
        }),
        ("in capitals", |it| {
            it.signature = it.signature.to_uppercase()
        }),
        ("of another version", |it| {
            it.signature = it.signature.replace("v0=", "v1=")
        }),
        ("too short", |it| _ = it.signature.pop()),
        ("empty", |it| it.signature.clear()),
        ("no number", |it| it.timestamp = "now".to_owned()),
        ("signed", |it| it.timestamp.insert(0, '+')),
        ("a later byte", |it| *it.body.last_mut().unwrap() ^= 1),
        ("one byte more", |it| it.body.push(b'&')),
        ("elsewhere", |it| it.path = "/slack/interactions"),
    ] {
        let answer = changed(&change);
        // A good signature of a body that is no interaction is a bad request.
        let status = if what == "elsewhere" { 400 } else { 401 };
        refused(what, status, answer);
    }
    for kind in ["application/json", "text/plain", "multipart/form-data", ""] {
        refused(
            kind,
            415,
            changed(&|it: &mut Request| it.content_type = kind.to_owned()),
        );
    }
    let good = pause();
    let sent = |headers: &[(&str, &str)]| send(&url, "POST", good.path, headers, &good.body);
    let kind = ("Content-Type", FORM);
    let stamp = ("X-Slack-Request-Timestamp", good.timestamp.as_str());
    let signature = ("X-Slack-Signature", good.signature.as_str());
    refused("no signature", 401, sent(&[kind, stamp]));
    refused("no timestamp", 401, sent(&[kind, signature]));
    refused(
        "two timestamps",
        401,
        sent(&[kind, stamp, stamp, signature]),
    );
    refused(
        "two signatures",
        401,
        sent(&[kind, stamp, signature, signature]),
    );
    refused("nothing", 401, sent(&[]));
    let mut large = pause();
    large
        .body
        .extend(format!("&more={}", "x".repeat(4_000_000)).bytes());
    large.sign();
    refused("too large", 413, large.send(&url, &[]));
    let mut event = Request::new(
        "/slack/events",
        "application/json",
        json!({ "type": "url_verification", "challenge": "c" }).to_string(),
    );
    event.signature = format!("v0={}", "1".repeat(64));
    refused("an event", 401, event.send(&url, &[]));
    assert_eq!(get(&url, "/slack/commands").status, 405);
    assert_eq!(trail::made(&club.world), before);

    // The edges of the window are open, and the same request was good all along.
    assert_eq!(moved(-290).send(&url, &[]).status, 200);
    eventually("it is paused", || {
        club.say(&url, ADA, "status garden")
            .contains("paused")
            .then_some(())
    });
}

fn what_comes_again_is_answered_and_done_once(world: World) {
    let mut club = Club::new(world);
    club.hosted();
    let (_serve, url) = club.serve();
    let slack = &club.slack;
    club.world.hooks.wait_for(1, SOON);
    let again = |reply: &Reply| {
        let retried = slack.retry(&url, reply);
        let replayed = slack.replay(&url, reply);
        assert_eq!((retried.status, replayed.status), (200, 200));
        replayed
    };

    let paused = club.ask(&url, ADA, "pause shop");
    let said = again(&paused).body;
    assert!(said.contains("is paused"), "{said}");
    assert_eq!(club.audited("pause shop"), 1);
    let resumed = club.ask(&url, ADA, "resume shop");
    again(&resumed);
    // The pause that comes late does not pause it again.
    again(&paused);
    let rebuilt = club.ask(&url, ADA, "rebuild shop");
    again(&rebuilt);
    club.world.hooks.wait_for(2, SOON);

    // A submission.
    club.ask(&url, ADA, "new shop");
    let editor = slack.wait_for_modal(ADA, "New post");
    let submitted = slack.submit(
        &url,
        ADA,
        &editor,
        &[("title", "Once"), ("body.0", "Only once.")],
    );
    again(&submitted);
    club.world.hooks.wait_for(3, SOON);
    assert_eq!(club.feed(&url, "shop"), ["Once"]);

    // Buttons.
    club.draft(&url, ADA, "shop", "Twice", "Shown once.");
    let drafts = club.ask(&url, ADA, "list drafts");
    let id = id_in(&drafts.words());
    let publish = format!("post.publish {id}");
    let pressed = slack.press(&url, ADA, &drafts.shown(), "more", Some(&publish));
    again(&pressed);
    club.world.hooks.wait_for(4, SOON);
    assert_eq!(club.feed(&url, "shop"), ["Twice", "Once"]);
    let asked = club.ask(&url, ADA, &format!("delete {id}")).shown();
    let pressed = slack.press(&url, ADA, &asked, "post.delete.sure", None);
    again(&pressed);
    for said in slack.wait_for_responses(&pressed, 3) {
        assert!(said.words().contains("is deleted"), "{}", said.words());
    }
    club.world.hooks.wait_for(5, SOON);
    assert_eq!(club.feed(&url, "shop"), ["Once"]);
    for (words, times) in [
        ("pause shop", 1),
        ("resume shop", 1),
        ("rebuild shop", 1),
        ("new shop", 2),
        ("delete shop", 1),
    ] {
        assert_eq!(
            club.audited(words),
            times,
            "{words}: {:#?}",
            trail::read(&club.world)
        );
    }
    eventually("everything is settled", || {
        club.say(&url, ADA, "status shop")
            .contains("up to date")
            .then_some(())
    });
    assert_eq!(club.world.hooks.calls().len(), 5);
}

fn of_two_writers_of_one_post_the_second_is_told(world: World) {
    let mut club = Club::new(world);
    club.rendered();
    let (_serve, url) = club.serve();
    let slack = &club.slack;
    club.publish(&url, ADA, "garden", "Ours", "Start.");
    let id = id_in(&club.say(&url, ADA, "list"));
    club.say(&url, ADA, &format!("edit {id}"));
    club.say_known(&url, ADMIN, &format!("edit {id}"));
    let adas = slack.wait_for_modal(ADA, "Edit post");
    let theirs = slack.wait_for_modal(ADMIN, "Edit post");
    let first = slack.submit(&url, ADA, &adas, &[("title", "Adas version")]);
    assert_eq!(first.errors(), Value::Null);
    let second = slack.submit(&url, ADMIN, &theirs, &[("title", "Another version")]);
    let error = second.errors()["title"].to_string();
    assert!(error.contains("Somebody changed this post"), "{error}");
    assert_eq!(club.feed(&url, "garden"), ["Adas version"]);
    // Opened again, it is theirs to change; deleted meanwhile, it is not.
    slack.close(&url, ADMIN, &theirs);
    club.say(&url, ADMIN, &format!("edit {id}"));
    let theirs = slack.wait_for_modal(ADMIN, "Edit post");
    let asked = club.ask(&url, ADA, &format!("delete {id}")).shown();
    let deleted = slack.press(&url, ADA, &asked, "post.delete.sure", None);
    slack.wait_for_responses(&deleted, 1);
    let late = slack.submit(&url, ADMIN, &theirs, &[("title", "Too late")]);
    let error = late.errors()["title"].to_string();
    assert!(error.contains("deleted"), "{error}");
}

#[test]
fn payloads_of_any_shape_break_nothing() {
    let mut club = Club::new(World::on_sqlite());
    club.rendered();
    let (_serve, url) = club.serve();
    let before = trail::made(&club.world);
    let user = json!({ "id": ADA, "team_id": TEAM });
    let team = json!({ "id": TEAM });
    for payload in [
        json!(null),
        json!([]),
        json!("block_actions"),
        json!({}),
        json!({ "type": null }),
        json!({ "type": 7 }),
        json!({ "type": "workflow_step_edit", "new": { "fields": [] } }),
        json!({ "type": "block_actions" }),
        json!({ "type": "block_actions", "team": null, "user": null, "actions": null }),
        json!({ "type": "block_actions", "team": team, "user": user, "actions": [] }),
        json!({ "type": "block_actions", "team": team, "user": user, "actions": [null, 7, {}] }),
        json!({ "type": "block_actions", "team": team, "user": user, "actions": [{ "action_id": "novelty", "type": "novelty_block", "value": { "a": 1 } }] }),
        json!({ "type": "block_actions", "team": team, "user": user, "actions": [{ "action_id": "post.delete.sure", "value": "x".repeat(3000) }] }),
        json!({ "type": "block_actions", "team": team, "user": user, "actions": [{ "action_id": "list", "value": "{\"page\":-1}" }] }),
        json!({ "type": "block_actions", "team": team, "user": user, "actions": [{ "action_id": "more", "value": "more more more" }] }),
        json!({ "type": "block_actions", "team": team, "user": user, "actions": [{ "action_id": "editor.draft" }], "view": { "id": "V1" } }),
        json!({ "type": "view_submission", "team": team, "user": user }),
        json!({ "type": "view_submission", "team": team, "user": user, "view": { "id": 7 } }),
        json!({ "type": "view_submission", "team": team, "user": user, "view": { "id": "V1", "callback_id": "editor" } }),
        json!({ "type": "view_submission", "team": team, "user": user, "view": { "id": "V1", "callback_id": "editor", "private_metadata": "{\"post\":\"../..\"}", "state": { "values": [] } } }),
        json!({ "type": "view_submission", "team": team, "user": user, "view": { "id": "V1", "callback_id": "editor", "private_metadata": "{}", "state": { "values": { "title": { "title": 7 }, "body.0": null } } } }),
        json!({ "type": "view_submission", "team": team, "user": user, "view": { "id": "V1", "callback_id": "novelty" } }),
        json!({ "type": "view_closed", "team": team, "user": user, "view": {} }),
        json!({ "type": "message_action", "team": team, "user": user, "callback_id": "publish_message" }),
        json!({ "type": "shortcut", "team": team, "user": user, "callback_id": "novelty", "trigger_id": "1.2" }),
    ] {
        let body = form(&[("payload", &payload.to_string())]);
        let answer = Request::new("/slack/interactions", FORM, body).send(&url, &[]);
        assert!([200, 400].contains(&answer.status), "{payload}: {answer:?}");
    }
    for body in [
        "",
        "payload",
        "payload=",
        "payload={",
        "payload=%FF%FE",
        "other=1",
    ] {
        let answer = Request::new("/slack/interactions", FORM, body).send(&url, &[]);
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
    }
    for body in [
        "",
        "null",
        "[]",
        "{",
        "{\"type\":\"event_callback\"}",
        "\u{feff}{}",
        "{\"type\":\"event_callback\",\"event_id\":1,\"team_id\":null,\"event\":\"message\"}",
    ] {
        let answer = Request::new("/slack/events", "application/json", body).send(&url, &[]);
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
    }
    let deep = "[".repeat(50_000);
    let answer = Request::new("/slack/events", "application/json", deep).send(&url, &[]);
    assert_eq!(answer.status, 400);
    let check = Request::new("/slack/commands", FORM, "ssl_check=1&token=x").send(&url, &[]);
    assert_eq!(check.status, 200);
    assert_eq!(trail::made(&club.world), before);
}

#[test]
fn half_a_character_loses_nothing_else() {
    let mut club = Club::new(World::on_sqlite());
    club.garden(&format!(", channels = [\"{CHANNEL}\"]"));
    let (_serve, url) = club.serve();
    let slack = &club.slack;
    slack.wait_for_calls("conversations.history", 1);
    let text = r"half \ud83d emoji, and a whole \ud83d\ude00";
    let read = "half \u{fffd} emoji, and a whole 😀";
    let ts = slack.say("C0X", ADA, "");
    let event = format!(
        r#"{{"type":"event_callback","team_id":"{TEAM}","event_id":"EvHALF","event":{{
            "type":"message","channel":"{CHANNEL}","user":"{ADA}","ts":"{ts}","text":"{text}"}}}}"#
    );
    let answer = Request::new("/slack/events", "application/json", event).send(&url, &[]);
    assert_eq!(answer.status, 200, "{answer:?}");
    eventually("it is a post", || {
        (club.feed(&url, "garden") == [read]).then_some(())
    });
    let trigger = slack.trigger(TEAM, ADA);
    let payload = format!(
        r#"{{"type":"message_action","callback_id":"publish_message","trigger_id":"{trigger}",
            "team":{{"id":"{TEAM}"}},"user":{{"id":"{ADA}"}},"channel":{{"id":"{CHANNEL}"}},
            "message":{{"type":"message","user":"{ADA}","ts":"{ts}","text":"{text}"}}}}"#
    );
    let body = form(&[("payload", &payload)]);
    let answer = Request::new("/slack/interactions", FORM, body).send(&url, &[]);
    assert_eq!(answer.status, 200, "{answer:?}");
    let editor = slack.wait_for_modal(ADA, "New post");
    assert_eq!(editor.elements("title")[0].1["initial_value"], read);
}

#[test]
fn hostile_text_is_stored_as_written_and_shown_safely() {
    let mut club = Club::new(World::on_sqlite());
    club.rendered();
    let (_serve, url) = club.serve();
    let title =
        "<script>alert(1)</script> <!channel> <@U0GRACE> *b* `c` \u{202e}evil\u{202c} 👩‍👩‍👧 &amp;";
    let body = "<img src=x onerror=alert(1)>\n\n<!everyone> @channel [link](javascript:alert(1)) \
                \u{1f469}\u{200d}\u{1f680} \u{0}nul e\u{301} \u{feff}";
    club.publish(&url, ADA, "garden", title, body);
    let page = eventually("it is published", || {
        let feed = get(&url, "/sites/garden/feed.json").json();
        (!feed["items"].as_array().unwrap().is_empty()).then_some(feed)
    });
    let item = &page["items"][0];
    assert_eq!(item["title"], title);
    let html = item["content_html"].as_str().unwrap();
    assert!(!html.contains("<img") && !html.contains("href"), "{html}");
    let index = eventually("it is rendered", || {
        // The first build may still be on its way.
        let index = club.world.estate.path().join("public/garden/index.html");
        let page = std::fs::read_to_string(index).ok()?;
        page.contains("evil").then_some(page)
    });
    assert!(!index.contains("<script>alert"), "{index}");
    // In Slack, it is text.
    let listed = club.ask(&url, ADA, "list").shown();
    let shown = listed.json.to_string();
    for entity in ["<!channel>", "<@U0GRACE>", "<!everyone>"] {
        assert!(!shown.contains(entity), "{shown}");
    }
    let id = id_in(&listed.words());
    club.say(&url, ADA, &format!("edit {id}"));
    let editor = club.slack.wait_for_modal(ADA, "Edit post");
    let (_, field) = editor.elements("title")[0];
    assert_eq!(field["initial_value"], title);
}

#[test]
fn a_long_text_goes_in_several_fields_and_comes_back_whole() {
    let mut club = Club::new(World::on_sqlite());
    club.rendered();
    let (_serve, url) = club.serve();
    let slack = &club.slack;
    // Every field as full as Slack lets it be.
    let line = "All work and no play makes Jack a dull boy. ";
    let mut text: String = line.repeat(200).chars().take(6_500).collect();
    text.push_str(" The end.");
    let message = json!({ "type": "message", "user": ADA, "ts": "1795252000.000100", "text": format!("A long story\n\n{text}") });
    slack.message_shortcut(&url, TEAM, ADA, CHANNEL, "publish_message", &message);
    let editor = slack.wait_for_modal(ADA, "New post");
    for (_, field) in ["body.0", "body.1", "body.2"].map(|id| editor.elements(id)[0]) {
        assert!(field["initial_value"].as_str().unwrap().len() <= 3000);
    }
    let reply = slack.submit(&url, ADA, &editor, &[]);
    assert_eq!(reply.errors(), Value::Null, "{:?}", reply.answer);
    let html = eventually("it is published", || {
        let feed = get(&url, "/sites/garden/feed.json").json();
        Some(feed["items"][0]["content_html"].as_str()?.to_owned())
    });
    assert_eq!(
        html.matches("All work").count(),
        text.matches("All work").count()
    );
    assert!(html.contains("The end."));
    // As long as Slack's messages can be, in a script that takes most room on the way.
    let text = format!("The whole story\n\n{}", "長い話です ".repeat(6_660));
    let message =
        json!({ "type": "message", "user": ADA, "ts": "1795252000.000150", "text": text });
    let length = text.chars().count();
    assert!((39_900..=40_000).contains(&length), "{length}");
    slack.message_shortcut(&url, TEAM, ADA, CHANNEL, "publish_message", &message);
    let editor = slack.wait_for_modal(ADA, "New post");
    let reply = slack.submit(&url, ADA, &editor, &[]);
    assert_eq!(reply.errors(), Value::Null, "{:?}", reply.answer);
    eventually("all of it is published", || {
        let feed = get(&url, "/sites/garden/feed.json").json();
        let html = feed["items"][0]["content_html"].as_str()?;
        (html.matches("長い話です").count() == 6_660).then_some(())
    });
    // Longer than the editor: said, not cut.
    let message = json!({ "type": "message", "user": ADA, "ts": "1795252000.000200", "text": "x ".repeat(25_000) });
    let reply = slack.message_shortcut(&url, TEAM, ADA, CHANNEL, "publish_message", &message);
    let said = slack.wait_for_responses(&reply, 1).pop().unwrap().words();
    assert!(said.contains("longer than the editor takes"), "{said}");
}

#[test]
fn shortcuts_open_the_editor() {
    let mut club = Club::new(World::on_sqlite());
    club.rendered();
    let (_serve, url) = club.serve();
    let slack = &club.slack;
    let message = json!({
        "type": "message", "user": ADA, "ts": "1795252000.000100",
        "text": "*Big news*\nSee <https://example.org/a?b=1&amp;c=2|the page>, says <@U0GRACE> :tada:\n• one\n• two\n```let a = 1 &lt; 2;```",
    });
    slack.message_shortcut(&url, TEAM, ADA, CHANNEL, "publish_message", &message);
    let editor = slack.wait_for_modal(ADA, "New post");
    let text = editor.elements("body.0")[0].1["initial_value"].as_str();
    let text = text.unwrap().to_owned();
    slack.close(&url, ADA, &editor);
    assert_eq!(editor.elements("title")[0].1["initial_value"], "Big news");
    for part in ["[the page](", "Grace", "🎉", "let a = 1 < 2;", "one"] {
        assert!(text.contains(part), "no {part} in {text}");
    }
    // Of one that says nothing itself, what it forwards; of one with nothing at all, no post.
    let mut forwarded = json!({ "type": "message", "user": ADA, "ts": "1795252000.000200", "text": "",
        "attachments": [{ "is_share": true, "text": "*Old news*\nfrom &lt;there&gt;" }] });
    slack.message_shortcut(&url, TEAM, ADA, CHANNEL, "publish_message", &forwarded);
    let editor = slack.wait_for_modal(ADA, "New post");
    assert_eq!(editor.elements("title")[0].1["initial_value"], "Old news");
    slack.close(&url, ADA, &editor);
    forwarded["attachments"] = json!([{ "text": 7 }, "text", null]);
    let reply = slack.message_shortcut(&url, TEAM, ADA, CHANNEL, "publish_message", &forwarded);
    let said = slack.wait_for_responses(&reply, 1).pop().unwrap().words();
    assert!(said.contains("no text in this message"), "{said}");
    let trigger = slack.trigger(TEAM, ADA);
    let payload = json!({
        "type": "shortcut", "callback_id": "new_post", "trigger_id": trigger,
        "team": { "id": TEAM }, "user": { "id": ADA, "team_id": TEAM },
    });
    let body = form(&[("payload", &payload.to_string())]);
    let answer = Request::new("/slack/interactions", FORM, body).send(&url, &[]);
    assert_eq!(answer.status, 200);
    let editor = slack.wait_for_modal(ADA, "New post");
    let reply = slack.submit_unchecked(&url, ADA, &editor, {
        let mut view = editor.json.clone();
        view["state"] = json!({ "values": {} });
        view
    });
    assert!(reply.errors()["title"].is_string(), "{:?}", reply.answer);
}
