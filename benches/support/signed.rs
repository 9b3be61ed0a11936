//! Requests as Slack signs and sends them.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// What they are signed with.
pub const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
/// The workspace that they come from.
pub const TEAM: &str = "T012AB3CD";
/// Who sends them.
pub const USER: &str = "U0ADA";

/// The headers' values: when it was signed, and the signature.
pub fn sign(body: &str) -> (String, String) {
    let stamp = jiff::Timestamp::now().as_second().to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("v0:{stamp}:{body}").as_bytes());
    let signature = format!("v0={}", hex::encode(mac.finalize().into_bytes()));
    (stamp, signature)
}

/// A whole request with the headers that Slack sends.
fn request(path: &str, body: &str) -> Vec<u8> {
    let (stamp, signature) = sign(body);
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: microblot.example.org\r\n\
         User-Agent: Slackbot 1.0 (+https://api.slack.com/robots)\r\nAccept: application/json,*/*\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\
         X-Slack-Signature: {signature}\r\nX-Slack-Request-Timestamp: {stamp}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// The form of a command, `number` of many.
pub fn command_form(text: &str, number: usize) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("token", "gIkuvaNzQIHg97ATvDxqgjtO"),
            ("team_id", TEAM),
            ("team_domain", "example"),
            ("channel_id", "C0GENERAL"),
            ("channel_name", "general"),
            ("user_id", USER),
            ("user_name", "ada"),
            ("command", "/microblot"),
            ("text", text),
            ("api_app_id", "A123456"),
            ("is_enterprise_install", "false"),
            (
                "response_url",
                "https://hooks.slack.com/commands/T012AB3CD/397700885554/96rGlfmibIGlgcZRskXaIFfN",
            ),
            (
                "trigger_id",
                &format!("{number}.47445629121.803a0bc887a14d10d2c447fce8b6703c"),
            ),
        ])
        .finish()
}

/// So many commands.
pub fn commands(text: &str, count: usize) -> Vec<Vec<u8>> {
    let one = |number| request("/slack/commands", &command_form(text, number));
    (0..count).map(one).collect()
}

/// So many submissions of the editor, each of a post of its own.
pub fn submissions(site: &str, count: usize) -> Vec<Vec<u8>> {
    let text = |value: &str| serde_json::json!({ "type": "plain_text_input", "value": value });
    let one = |number| {
        let meta = serde_json::json!({
            "site": site,
            "published": false,
            "joins": "",
            "conversation": "C0GENERAL",
            "request": format!("{number:032x}"),
        });
        let payload = serde_json::json!({
            "type": "view_submission",
            "team": { "id": TEAM, "domain": "example" },
            "user": { "id": USER, "username": "ada", "name": "ada", "team_id": TEAM },
            "api_app_id": "A123456",
            "trigger_id": format!("{number}.47445629121.803a0bc887a14d10d2c447fce8b6703c"),
            "view": {
                "id": format!("V{number:010}"),
                "team_id": TEAM,
                "type": "modal",
                "hash": "156772938.1827394",
                "callback_id": "editor",
                "private_metadata": meta.to_string(),
                "state": { "values": {
                    "title": { "title": text(&format!("Post number {number}")) },
                    "body.0": { "body.0": text(BODY) },
                    "category": { "category": text("Garden") },
                } },
            },
        });
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("payload", &payload.to_string())
            .finish();
        request("/slack/interactions", &form)
    };
    (0..count).map(one).collect()
}

const BODY: &str = "Some *text* that is about as long as what people write in chat, which is a \
                    sentence or two, sometimes with a [link](https://link.example.org/) in it.\n\n\
                    - and a list\n- of two\n";
