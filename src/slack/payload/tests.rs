use proptest::prelude::*;
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::*;
use crate::model::Millis;

fn form(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields).finish().into_bytes()
}

fn interaction(payload: &Value) -> Result<Interaction, PayloadError> {
    Interaction::parse(&form(&[("payload", &payload.to_string())]))
}

fn event(event: Value) -> Result<Envelope, PayloadError> {
    let body =
        json!({ "type": "event_callback", "event_id": "Ev1", "team_id": "T1", "event": event });
    Envelope::parse(body.to_string().as_bytes())
}

const COMMAND: [(&str, &str); 11] = [
    ("token", "xyzz0WbapA4vBCDEFasx0q6G"),
    ("team_id", "T1DC2JH3J"),
    ("team_domain", "testteamnow"),
    ("channel_id", "G8PSS9T3V"),
    ("channel_name", "foobar"),
    ("user_id", "U2CERLKJA"),
    ("user_name", "roadrunner"),
    ("command", "/microblot"),
    ("text", "new garden „Käse“ &amp; <@U1|ada> 🪴"),
    (
        "response_url",
        "https://hooks.slack.com/commands/T1/2/secret",
    ),
    ("trigger_id", "398738663015.47445629121.803a"),
];

#[test]
fn a_command_is_read_and_its_secret_is_not_shown() {
    let Ok(Command::Slash(slash)) = Command::parse(&form(&COMMAND)) else {
        panic!("a command")
    };
    insta::assert_debug_snapshot!(slash, @r#"
    SlashCommand {
        team: "T1DC2JH3J",
        enterprise: None,
        channel: "G8PSS9T3V",
        channel_name: Some(
            "foobar",
        ),
        user: "U2CERLKJA",
        user_name: Some(
            "roadrunner",
        ),
        command: "/microblot",
        text: "new garden „Käse“ &amp; <@U1|ada> 🪴",
        response_url: Some(
            Secret(
                SecretBox<str>([REDACTED]),
            ),
        ),
        trigger_id: "398738663015.47445629121.803a",
    }
    "#);
    let check = Command::parse(b"ssl_check=1&token=x");
    assert!(matches!(check, Ok(Command::SslCheck)));
}

#[test]
fn a_command_says_what_it_lacks() {
    for needed in ["team_id", "channel_id", "user_id", "command", "trigger_id"] {
        let missing: Vec<_> = COMMAND
            .into_iter()
            .filter(|(key, _)| *key != needed)
            .collect();
        let mut empty = missing.clone();
        empty.push((needed, ""));
        for fields in [missing, empty] {
            let error = Command::parse(&form(&fields)).unwrap_err();
            assert_eq!(error, PayloadError::Missing(needed));
        }
    }
    for optional in ["text", "response_url", "user_name", "channel_name", "token"] {
        let fields: Vec<_> = COMMAND
            .into_iter()
            .filter(|(key, _)| *key != optional)
            .collect();
        assert!(Command::parse(&form(&fields)).is_ok(), "{optional}");
    }
    // The first counts, and more fields do no harm.
    let mut fields = COMMAND.to_vec();
    fields.extend([("team_id", "T2"), ("new_field", "x"), ("ssl_check", "0")]);
    let Ok(Command::Slash(slash)) = Command::parse(&form(&fields)) else {
        panic!("a command")
    };
    assert_eq!(slash.team, "T1DC2JH3J");
    assert!(Command::parse(b"").is_err());
    assert!(Command::parse(b"{\"team_id\":\"T1\"}").is_err());
}

fn submission() -> Value {
    json!({
        "type": "view_submission", "trigger_id": "1.2.3", "token": "x", "enterprise": null,
        "team": { "id": "T1", "domain": "d" },
        "user": { "id": "U1", "username": "ada", "name": "ada", "team_id": "T1" },
        "response_urls": [{ "response_url": "https://hooks.slack.com/app/1", "channel_id": "C1" }],
        "view": {
            "id": "V1", "type": "modal", "hash": "1.a", "callback_id": "new", "private_metadata": "{}",
            "blocks": [{ "type": "novelty" }], "root_view_id": "V1",
            "state": { "values": {
                "title": { "t": { "type": "plain_text_input", "value": "*A* & <b>" } },
                "empty": { "t": { "type": "plain_text_input", "value": null } },
                "none": { "t": { "type": "plain_text_input", "value": "" } },
                "site": { "s": { "type": "static_select", "selected_option": { "text": {}, "value": "garden" } } },
                "unchosen": { "s": { "type": "static_select", "selected_option": null } },
                "many": { "m": { "type": "checkboxes", "selected_options": [{ "value": "a" }, { "value": "b" }, {}] } },
                "when": { "w": { "type": "datetimepicker", "selected_date_time": 1_795_252_400 } },
                "never": { "w": { "type": "datetimepicker", "selected_date_time": i64::MAX } },
                "who": { "u": { "type": "users_select", "selected_user": "U2" } },
                "where": { "c": { "type": "multi_channels_select", "selected_channels": ["C1", 7, "C2"] } },
                "odd": { "x": { "type": "novelty", "value": { "a": 1 } }, "y": 7, "z": null },
                "broken": 7,
            } },
        },
    })
}

#[test]
fn a_submission_holds_what_was_entered() {
    let Ok(Interaction::Submission(submission)) = interaction(&submission()) else {
        panic!("a submission")
    };
    let view = &submission.view;
    assert_eq!(
        (view.id.as_str(), view.callback_id.as_str(), view.home),
        ("V1", "new", false)
    );
    assert_eq!(view.hash.as_deref(), Some("1.a"));
    assert_eq!(view.text("title", "t"), Some("*A* & <b>"));
    for block in ["empty", "none", "site", "odd", "broken", "nothing"] {
        assert_eq!(view.text(block, "t"), None, "{block}");
    }
    assert_eq!(view.selected("site", "s"), Some("garden"));
    assert_eq!(view.selected("unchosen", "s"), None);
    assert_eq!(view.all_selected("many", "m"), ["a", "b"]);
    assert_eq!(view.datetime("when", "w"), Some(Millis(1_795_252_400_000)));
    assert_eq!(view.datetime("never", "w"), None);
    assert_eq!(view.selected("who", "u"), Some("U2"));
    assert_eq!(view.all_selected("where", "c"), ["C1", "C2"]);
    assert_eq!(submission.by.user_name.as_deref(), Some("ada"));
    assert!(submission.by.response_url.is_some());
}

#[test]
fn actions_are_read_in_messages_and_views() {
    let actions = |more: Value| {
        let mut payload = json!({
            "type": "block_actions", "trigger_id": "1.2.3", "user": { "id": "U1", "team_id": "T9" },
            "team": null, "response_url": "https://hooks.slack.com/actions/1",
        });
        let Value::Object(more) = more else {
            panic!("an object")
        };
        payload.as_object_mut().unwrap().extend(more);
        match interaction(&payload) {
            Ok(Interaction::Actions(actions)) => actions,
            other => panic!("{other:?}"),
        }
    };
    let button = json!({ "type": "button", "action_id": "edit", "block_id": "b", "value": "7" });
    let message =
        json!({ "type": "message", "channel_id": "C1", "message_ts": "1.2", "is_ephemeral": true });
    let found = actions(json!({ "actions": [button], "container": message }));
    // Installed for an organisation: the person's own workspace.
    assert_eq!(found.by.team, "T9");
    assert_eq!(found.actions[0].value.as_deref(), Some("7"));
    let expected = MessageRef {
        channel: "C1".to_owned(),
        ts: "1.2".to_owned(),
        ephemeral: true,
    };
    assert_eq!((found.message, found.view), (Some(expected), None));

    let list =
        json!({ "action_id": "more", "block_id": "b", "selected_option": { "value": "delete:7" } });
    let link =
        json!({ "type": "button", "action_id": "open", "block_id": "b", "url": "https://a" });
    let found =
        actions(json!({ "actions": [list, link, 7, {}], "view": { "id": "V1", "type": "home" } }));
    let values: Vec<_> = found
        .actions
        .iter()
        .map(|action| action.value.as_deref())
        .collect();
    assert_eq!(values, [Some("delete:7"), None]);
    assert!(found.view.unwrap().home && found.message.is_none());
}

#[test]
fn an_interaction_says_what_it_lacks_and_ignores_what_it_does_not_know() {
    let by = json!({ "team": { "id": "T1" }, "user": { "id": "U1" } });
    let with = |more: Value| {
        let mut payload = by.clone();
        payload
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        interaction(&payload)
            .map(|_read| ())
            .map_err(|error| error.to_string())
    };
    let lacks = |field: &str| Err(format!("Slack's request has no usable {field}"));
    for (more, expected) in [
        (json!({}), lacks("/type")),
        (json!({ "type": 7 }), lacks("/type")),
        (json!({ "type": "novelty" }), Ok(())),
        (json!({ "type": "block_actions" }), lacks("/actions")),
        (
            json!({ "type": "block_actions", "actions": [] }),
            lacks("/actions"),
        ),
        (
            json!({ "type": "block_actions", "actions": [{ "value": "x" }] }),
            lacks("/actions"),
        ),
        (
            json!({ "type": "block_actions", "actions": [{ "action_id": "x" }] }),
            Ok(()),
        ),
        (json!({ "type": "view_submission" }), lacks("/view/id")),
        (
            json!({ "type": "view_submission", "view": { "id": null } }),
            lacks("/view/id"),
        ),
        (
            json!({ "type": "view_submission", "view": { "id": "V" } }),
            Ok(()),
        ),
        (
            json!({ "type": "view_submission", "view": { "id": "V" }, "user": "U1" }),
            lacks("/user/id"),
        ),
        (
            json!({ "type": "view_submission", "view": { "id": "V" }, "team": { "id": 7 } }),
            lacks("/team/id"),
        ),
        (
            json!({ "type": "view_closed", "view": { "id": "V" } }),
            Ok(()),
        ),
        (
            json!({ "type": "shortcut", "callback_id": "c" }),
            lacks("/trigger_id"),
        ),
        (
            json!({ "type": "shortcut", "trigger_id": "1" }),
            lacks("/callback_id"),
        ),
        (
            json!({ "type": "shortcut", "callback_id": "c", "trigger_id": "1" }),
            Ok(()),
        ),
        (
            json!({ "type": "message_action", "callback_id": "c", "trigger_id": "1" }),
            lacks("/channel/id"),
        ),
        (
            json!({ "type": "message_action", "callback_id": "c", "trigger_id": "1", "channel": { "id": "C" }, "message": {} }),
            lacks("/message/ts"),
        ),
    ] {
        assert_eq!(with(more.clone()), expected, "{more}");
    }
    assert_eq!(
        Interaction::parse(b"").unwrap_err(),
        PayloadError::Missing("payload")
    );
    assert_eq!(
        Interaction::parse(b"payload={").unwrap_err(),
        PayloadError::NotJson
    );
    let deep = format!("payload={}", "%5B".repeat(100_000));
    assert_eq!(
        Interaction::parse(deep.as_bytes()).unwrap_err(),
        PayloadError::NotJson
    );
}

#[test]
fn events_are_read() {
    let new = json!({
        "type": "message", "channel": "C1", "user": "U1", "text": "hi", "ts": "1.2", "event_ts": "1.2",
        "files": [
            { "name": "a.png", "title": "A", "permalink": "https://x.slack.com/files/a" },
            { "name": "b.png", "url_private": "https://files.slack.com/b" },
            { "name": "gone", "mode": "tombstone" },
            { "name": "odd", "permalink": "javascript:alert(1)" },
            7,
        ],
    });
    insta::assert_debug_snapshot!(event(new).unwrap(), @r#"
    Event {
        id: "Ev1",
        team: "T1",
        at: None,
        event: Message(
            MessageEvent {
                channel: "C1",
                ts: "1.2",
                kind: New(
                    Spoken {
                        ts: "1.2",
                        user: Some(
                            "U1",
                        ),
                        user_name: None,
                        text: "hi",
                        files: [
                            FileLink {
                                name: "A",
                                url: "https://x.slack.com/files/a",
                            },
                            FileLink {
                                name: "b.png",
                                url: "https://files.slack.com/b",
                            },
                        ],
                        thread_ts: None,
                        subtype: None,
                        bot: false,
                        edited: None,
                    },
                ),
            },
        ),
    }
    "#);
    let message = |value: Value| match event(value) {
        Ok(Envelope::Event {
            event: Event::Message(message),
            ..
        }) => *message,
        other => panic!("{other:?}"),
    };
    let changed = message(json!({
        "type": "message", "subtype": "message_changed", "channel": "C1", "ts": "9.0", "hidden": true,
        "message": { "type": "message", "user": "U1", "text": "new", "ts": "1.2", "edited": { "user": "U1", "ts": "9.0" } },
        "previous_message": { "text": "old" },
    }));
    let MessageKind::Changed {
        message: now,
        previous_text,
    } = changed.kind
    else {
        panic!("a change")
    };
    assert_eq!((now.ts.as_str(), now.text.as_str()), ("1.2", "new"));
    assert_eq!(
        (now.edited.as_deref(), previous_text.as_deref()),
        (Some("9.0"), Some("old"))
    );
    let deleted = json!({
        "type": "message", "subtype": "message_deleted", "channel": "C1", "ts": "9.0", "deleted_ts": "1.2",
    });
    let tombstone = json!({
        "type": "message", "subtype": "message_changed", "channel": "C1", "ts": "9.0",
        "message": { "subtype": "tombstone", "ts": "1.2", "text": "This message was deleted." },
    });
    for gone in [deleted, tombstone] {
        let kind = MessageKind::Deleted {
            deleted_ts: "1.2".to_owned(),
        };
        assert_eq!(message(gone).kind, kind);
    }
    let other = |value: Value| match event(value) {
        Ok(Envelope::Event { event, .. }) => event,
        other => panic!("{other:?}"),
    };
    let home = other(json!({ "type": "app_home_opened", "user": "U1", "tab": "messages" }));
    assert_eq!(
        home,
        Event::HomeOpened {
            user: "U1".to_owned(),
            tab: "messages".to_owned()
        }
    );
    assert_eq!(
        other(json!({ "type": "app_uninstalled" })),
        Event::Uninstalled
    );
    let revoked =
        other(json!({ "type": "tokens_revoked", "tokens": { "oauth": ["U1"], "bot": ["U0BOT"] } }));
    assert_eq!(
        revoked,
        Event::TokensRevoked {
            bots: vec!["U0BOT".to_owned()]
        }
    );
    assert_eq!(other(json!({ "type": "reaction_added" })), Event::Other);
}

#[test]
fn what_a_channel_hears_is_what_people_say_to_it() {
    let said = json!({ "user": "U1", "text": "hi", "ts": "1.2" });
    for (more, expected) in [
        (json!({}), true),
        (json!({ "subtype": "file_share" }), true),
        (json!({ "subtype": "me_message" }), true),
        (json!({ "thread_ts": "1.2", "reply_count": 3 }), true),
        (json!({ "thread_ts": "1.1" }), false),
        (
            json!({ "subtype": "thread_broadcast", "thread_ts": "1.1" }),
            false,
        ),
        (json!({ "subtype": "channel_join" }), false),
        (json!({ "subtype": "channel_topic" }), false),
        (json!({ "subtype": "bot_message" }), false),
        (json!({ "bot_id": "B1" }), false),
        (json!({ "bot_profile": {} }), false),
        (json!({ "user": null }), false),
    ] {
        let mut message = said.clone();
        message
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let spoken = Spoken::read(&message).unwrap();
        assert_eq!(spoken.is_for_the_channel(), expected, "{more}");
    }
}

#[test]
fn an_envelope_says_what_it_lacks() {
    let parse = |body: Value| Envelope::parse(body.to_string().as_bytes());
    let challenge = parse(json!({ "type": "url_verification", "challenge": "abc", "token": "x" }));
    assert_eq!(
        challenge,
        Ok(Envelope::UrlVerification {
            challenge: "abc".to_owned()
        })
    );
    let limited = parse(json!({ "type": "app_rate_limited", "team_id": "T1" }));
    assert_eq!(
        limited,
        Ok(Envelope::RateLimited {
            team: Some("T1".to_owned())
        })
    );
    assert_eq!(parse(json!({ "type": "novelty" })), Ok(Envelope::Other));
    for (body, field) in [
        (json!({}), "/type"),
        (json!([]), "/type"),
        (json!(null), "/type"),
        (json!({ "type": "url_verification" }), "/challenge"),
        (
            json!({ "type": "event_callback", "team_id": "T1", "event": {} }),
            "/event_id",
        ),
        (
            json!({ "type": "event_callback", "event_id": "E", "event": {} }),
            "/team_id",
        ),
        (
            json!({ "type": "event_callback", "event_id": "E", "team_id": "T" }),
            "/event/type",
        ),
    ] {
        assert_eq!(parse(body), Err(PayloadError::Missing(field)));
    }
    for (value, field) in [
        (json!({ "type": "message", "ts": "1.2" }), "/event/channel"),
        (json!({ "type": "message", "channel": "C1" }), "/event/ts"),
        (
            json!({ "type": "message", "channel": "C1", "ts": 1.2 }),
            "/event/ts",
        ),
        (
            json!({ "type": "message", "channel": "C1", "ts": "1", "subtype": "message_changed" }),
            "/event/message/ts",
        ),
        (
            json!({ "type": "message", "channel": "C1", "ts": "1", "subtype": "message_deleted" }),
            "/event/deleted_ts",
        ),
        (json!({ "type": "app_home_opened" }), "/event/user"),
    ] {
        assert_eq!(event(value), Err(PayloadError::Missing(field)));
    }
    assert_eq!(Envelope::parse(b"\xff"), Err(PayloadError::NotJson));
    assert_eq!(Envelope::parse(b""), Err(PayloadError::NotJson));
}

/// JSON of the names that matter, with anything in them.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
        prop::sample::select(vec![
            "block_actions",
            "view_submission",
            "view_closed",
            "message_action",
            "shortcut",
            "event_callback",
            "url_verification",
            "message",
            "message_changed",
            "message_deleted",
            "app_home_opened",
            "tokens_revoked",
            "1795252400.000001",
        ])
        .prop_map(Value::from),
    ];
    let keys = prop::sample::select(vec![
        "type",
        "team",
        "user",
        "id",
        "view",
        "actions",
        "action_id",
        "state",
        "values",
        "value",
        "selected_option",
        "selected_options",
        "selected_date_time",
        "event",
        "event_id",
        "team_id",
        "message",
        "ts",
        "channel",
        "subtype",
        "files",
        "container",
        "response_urls",
        "tokens",
    ]);
    leaf.prop_recursive(6, 60, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((keys.clone().prop_map(ToOwned::to_owned), inner), 0..10)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #[test]
    fn any_bytes_can_be_tried(body: Vec<u8>) {
        let _ = Command::parse(&body);
        let _ = Interaction::parse(&body);
        let _ = Envelope::parse(&body);
    }

    #[test]
    fn what_is_kept_of_an_event_says_the_same(value in any_json(), more in any_json()) {
        let whole = json!({
            "token": "secret", "type": "event_callback", "team_id": "T1", "event_id": "E1",
            "event": value, "authorizations": more, "event_context": "secret", "more": more,
        });
        let whole = whole.to_string();
        let kept = to_keep(whole.as_bytes()).unwrap();
        prop_assert!(!kept.contains("secret"));
        prop_assert_eq!(Envelope::parse(kept.as_bytes()), Envelope::parse(whole.as_bytes()));
    }

    #[test]
    fn any_json_can_be_tried(value in any_json()) {
        let _ = interaction(&value);
        let _ = Envelope::parse(value.to_string().as_bytes());
        let _ = event(value);
    }

    #[test]
    fn one_field_of_anything_leaves_the_rest_as_it_is(
        pointer in prop::sample::select(vec![
            "/enterprise", "/trigger_id", "/response_urls", "/view/hash", "/view/blocks",
            "/view/private_metadata", "/view/state/values/empty", "/view/state/values/site",
        ]),
        value in any_json(),
    ) {
        let mut payload = submission();
        *payload.pointer_mut(pointer).unwrap() = value;
        match interaction(&payload) {
            Ok(Interaction::Submission(read)) => {
                prop_assert_eq!(read.view.text("title", "t"), Some("*A* & <b>"));
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn what_is_typed_is_what_is_read(text: String) {
        let mut fields = COMMAND.to_vec();
        fields[8].1 = &text;
        let Ok(Command::Slash(slash)) = Command::parse(&form(&fields)) else {
            panic!("a command")
        };
        prop_assert_eq!(&slash.text, &text);
        let mut payload = submission();
        payload["view"]["state"]["values"]["title"]["t"]["value"] = json!(text);
        let Ok(Interaction::Submission(read)) = interaction(&payload) else {
            panic!("a submission")
        };
        prop_assert_eq!(read.view.text("title", "t").unwrap_or_default(), text);
    }
}
