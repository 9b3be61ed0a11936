use proptest::prelude::*;
use serde_json::json;

use super::limits::check;
use super::*;
use crate::model::Millis;

/// Texts that have broken such things before, long ones, and anything at all.
pub fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "\\PC{0,40}",
        any::<String>(),
        Just("&<>".to_owned()),
        Just("&amp;lt;".to_owned()),
        Just("```".to_owned()),
        Just("``".to_owned()),
        Just("*_~`|".to_owned()),
        Just("<!channel> <@U012AB3CD> @channel".to_owned()),
        Just("<https://x.example|".to_owned()),
        Just("javascript:alert(1)".to_owned()),
        Just("\u{202e}\u{feff}\u{0}\r\n\t".to_owned()),
        Just("👩‍👩‍👧‍👦🏳️‍🌈".to_owned()),
        Just(" ".to_owned()),
    ];
    let short = proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat());
    (short, prop_oneof![4 => Just(1_usize), 1 => 1..3000_usize]).prop_map(|(text, times)| {
        // Up to about 20,000 bytes.
        text.repeat(times.min(20_000 / text.len().max(1)).max(1))
    })
}

fn message(blocks: Vec<Block>) -> serde_json::Value {
    serde_json::to_value(Message::new("x", blocks)).unwrap()
}

#[test]
fn the_checker_sees_what_slack_refuses() {
    let section = |text: &str| json!({"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": true}});
    let button = |id: &str| json!({"type": "button", "action_id": id, "text": {"type": "plain_text", "text": "x"}});
    for (why, blocks) in [
        ("too many", vec![section("x"); 51]),
        ("none", vec![]),
        ("too long", vec![section(&"x".repeat(3001))]),
        ("empty", vec![section("")]),
        ("a mention", vec![section("<!channel>")]),
        ("half a link", vec![section("<https://x")]),
        ("a bare and", vec![section("a & b")]),
        ("open code", vec![section("```x")]),
        (
            "one id twice",
            vec![json!({"type": "actions", "elements": [button("a"), button("a")]})],
        ),
        (
            "26 buttons",
            vec![
                json!({"type": "actions", "elements": (0..26).map(|n| button(&n.to_string())).collect::<Vec<_>>()}),
            ],
        ),
        (
            "no buttons",
            vec![json!({"type": "actions", "elements": []})],
        ),
        ("null", vec![json!({"type": "divider", "block_id": null})]),
        ("another type", vec![json!({"type": "video"})]),
    ] {
        assert!(
            !check(&json!({"text": "x", "blocks": blocks})).is_empty(),
            "{why}"
        );
    }
    assert_eq!(
        check(&json!({"text": "x", "blocks": [section("x")]})),
        [""; 0]
    );
    assert!(!check(&json!({"blocks": [section("x")]})).is_empty());
}

#[test]
fn texts_are_cut_between_characters_and_outside_of_entities() {
    assert_eq!(cut("abc", 3), "abc");
    assert_eq!(cut("abcd", 3), "ab…");
    assert_eq!(cut("a🦀🦀", 4), "a🦀…");
    let long = Mrkdwn::new().text(&"&".repeat(3000));
    let long = message(vec![Block::section(long)]);
    assert!(long.to_string().contains("&amp;…"), "{long}");
    let fenced = message(vec![Block::section(
        Mrkdwn::new().code_block(&"x\n".repeat(3000)),
    )]);
    assert!(fenced.to_string().contains("…\\n```"), "{fenced}");
    let link = Mrkdwn::new().text(&"x".repeat(2990)).link(
        "https://example.org/",
        "a link that is longer than the rest",
    );
    let link = message(vec![Block::section(link)]);
    assert!(link.to_string().contains("x…\""), "{link}");
}

#[test]
fn nothing_from_outside_is_markup() {
    let text = Mrkdwn::new()
        .text("<!channel> & <@U1>")
        .raw(" ")
        .link("javascript:alert(1)", "<b>")
        .raw(" ")
        .link("https://example.org/?a=1&b=|<>", "a|b>c")
        .raw(" ")
        .code("a`b")
        .raw(" ")
        .user("U1> <!here")
        .raw(" ")
        .bold("a*b");
    let text = message(vec![Block::section(text)]);
    insta::assert_snapshot!(text["blocks"][0]["text"]["text"].as_str().unwrap(), @r###"&lt;!channel&gt; &amp; &lt;@U1&gt; &lt;b&gt; <https://example.org/?a=1&amp;b=%7C%3C%3E|a¦b&gt;c> `aˋb` U1&gt; &lt;!here a*b"###);
    assert_eq!(check(&text), [""; 0]);
}

#[test]
fn buttons_of_one_kind_have_ids_of_their_own_in_a_row() {
    let row = Block::actions((0..3).map(|_| Button::new("x", "list", "").into())).unwrap();
    let row = serde_json::to_value(row).unwrap();
    let ids: Vec<_> = row["elements"]
        .as_array()
        .unwrap()
        .iter()
        .map(|button| button["action_id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["list", "list:2", "list:3"]);
    assert!(ids.iter().all(|id| base(id) == "list"));
    assert_eq!(Block::actions([]), None);
}

#[test]
fn the_answers_to_a_submitted_view_have_slacks_form() {
    let view = View::modal("x", "Title", "Close", [Block::divider()]);
    let reply = serde_json::to_value(ViewReply::Update {
        view: Box::new(view),
    })
    .unwrap();
    assert_eq!(check(&reply), [""; 0]);
    assert_eq!(reply["response_action"], "update");
    let errors = ViewReply::Errors {
        errors: [("title".to_owned(), "too long".to_owned())].into(),
    };
    assert_eq!(
        serde_json::to_value(errors).unwrap(),
        json!({"response_action": "errors", "errors": {"title": "too long"}})
    );
    assert_eq!(
        serde_json::to_value(ViewReply::Clear).unwrap(),
        json!({"response_action": "clear"})
    );
    assert_eq!(
        serde_json::to_value(Message::delete()).unwrap(),
        json!({"delete_original": true})
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn no_block_can_break_a_limit(a in hostile(), b in hostile(), at in any::<i64>(), count in 0..120_usize) {
        let confirm = Confirm::new(&a, Mrkdwn::new().text(&b), &a, &b);
        let button = Button::new(&a, "x", &b).url(&b).danger().confirm(confirm);
        let mut blocks = vec![
            Block::section(Mrkdwn::new().text(&a).bold(&b).code(&a).date(Millis(at))),
            Block::section_with(Mrkdwn::new().link(&a, &b).link("https://example.org/", &b), button.clone()),
            Block::section(Mrkdwn::new().raw("x ").code_block(&a).code_block(&b)),
            Block::header(&a),
            Block::context(Mrkdwn::new().text(&b).code(&a).user(&a).channel(&b)),
            Block::divider(),
        ];
        blocks.extend(Block::actions((0..count).map(|_| button.clone().into())));
        blocks.extend(Element::overflow("x", (0..count).map(|_| Choice::new(&a, &format!("v{b}"))))
            .and_then(|menu| Block::actions([menu])));
        let fill = (0..count).map(|_| Block::divider());
        let message = serde_json::to_value(Message::new(&a, blocks.clone().into_iter().chain(fill))).unwrap();
        prop_assert_eq!(check(&message), [""; 0]);
        blocks.push(Block::input("title", &a, TextInput::line(5).initial(&b).placeholder(&a)).with_hint(&a).optional());
        blocks.push(Block::input("when", &a, DateTime::new(Some(at))));
        let choices = (0..count).map(|n| Choice::new(&a, &n.to_string()));
        blocks.extend(Select::new(choices, Some("3")).map(|select| Block::input("site", &b, select)));
        let view = View::modal(&a, &b, &a, blocks).metadata(b.clone());
        prop_assert_eq!(check(&serde_json::to_value(view).unwrap()), [""; 0]);
    }
}
