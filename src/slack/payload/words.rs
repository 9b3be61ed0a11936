use serde_json::Value;

use super::{list, text};
use crate::slack::blocks::escape;

/// More is not read, in bytes: a text of Slack's has 40,000 characters.
const LONGEST: usize = 160_000;

/// What a message says, in mrkdwn: its text; or, if it has none, what its blocks and attachments
/// hold. A forwarded message is an attachment of one that says nothing itself.
pub(super) fn words(message: &Value) -> String {
    match text(message, "/text") {
        Some(text) if !text.trim().is_empty() => text.to_owned(),
        _ => {
            let mut words = Words::default();
            words.blocks(message);
            for attachment in list(message, "/attachments") {
                words.attachment(attachment);
            }
            words.0
        }
    }
}

/// Words as they are found. Whatever is of another shape than Slack's says nothing.
#[derive(Default)]
struct Words(String);

impl Words {
    fn push(&mut self, words: &str) {
        if self.0.len() + words.len() <= LONGEST {
            self.0.push_str(words);
        }
    }

    /// What follows stands on a line of its own; with two, behind an empty one.
    fn line(&mut self, ends: &str) {
        if !self.0.is_empty() {
            self.push(ends);
        }
    }

    fn blocks(&mut self, of: &Value) {
        for block in list(of, "/blocks") {
            match text(block, "/type") {
                Some("section") => {
                    self.line("\n\n");
                    let words = text(block, "/text/text").unwrap_or_default();
                    match text(block, "/text/type") {
                        Some("plain_text") => self.push(&escape(words)),
                        _ => self.push(words),
                    }
                }
                Some("rich_text") => {
                    self.line("\n\n");
                    self.rich(block);
                }
                _ => {}
            }
        }
    }

    fn attachment(&mut self, attachment: &Value) {
        self.line("\n\n");
        let filled = |pointer| text(attachment, pointer).filter(|text| !text.trim().is_empty());
        if let Some(words) = filled("/text") {
            return self.push(words);
        }
        let before = self.0.len();
        self.blocks(attachment);
        if self.0[before..].trim().is_empty() {
            self.push(filled("/fallback").unwrap_or_default());
        }
    }

    fn rich(&mut self, block: &Value) {
        for (at, element) in list(block, "/elements").iter().enumerate() {
            if at > 0 {
                self.line("\n");
            }
            if text(element, "/type") != Some("rich_text_list") {
                self.pieces(element);
                continue;
            }
            for (at, item) in list(element, "/elements").iter().enumerate() {
                self.push(if at > 0 { "\n• " } else { "• " });
                self.pieces(item);
            }
        }
    }

    /// The pieces of a paragraph, a quote, a block of code or an item of a list.
    fn pieces(&mut self, element: &Value) {
        for piece in list(element, "/elements") {
            let of = |pointer| escape(text(piece, pointer).unwrap_or_default());
            let words = match text(piece, "/type") {
                Some("text") => of("/text").into_owned(),
                Some("link") => format!("<{}|{}>", of("/url"), of("/text")),
                Some("user") => format!("<@{}>", of("/user_id")),
                Some("channel") => format!("<#{}>", of("/channel_id")),
                Some("broadcast") => format!("<!{}>", of("/range")),
                Some("emoji") => format!(":{}:", of("/name")),
                _ => String::new(),
            };
            self.push(&words);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_text_of_a_message_is_what_it_says() {
        let blocks =
            json!([{ "type": "section", "text": { "type": "mrkdwn", "text": "_Blocks_" } }]);
        let message = json!({ "text": "Text", "blocks": blocks, "attachments": [{ "text": "A" }] });
        assert_eq!(words(&message), "Text");
        let message = json!({ "text": " ", "blocks": blocks, "attachments": [{ "text": "A" }] });
        assert_eq!(words(&message), "_Blocks_\n\nA");
    }

    #[test]
    fn a_message_without_text_says_what_is_attached() {
        for (message, expected) in [
            (
                json!({ "attachments": [{ "text": "Said *there*", "fallback": "[1:02] ada: Said" }] }),
                "Said *there*",
            ),
            (
                json!({ "attachments": [{ "text": "", "fallback": "a &lt; b" }, { "text": "c" }] }),
                "a &lt; b\n\nc",
            ),
            (
                json!({ "attachments": [{
                    "fallback": "[no preview available]",
                    "blocks": [{ "type": "section", "text": { "type": "plain_text", "text": "<b>" } }],
                }] }),
                "&lt;b&gt;",
            ),
            (
                json!({ "attachments": [{ "text": "a" }, { "blocks": [{ "type": "section" }], "fallback": "b" }] }),
                "a\n\n\n\nb",
            ),
            (
                json!({ "blocks": [
                    { "type": "divider" },
                    { "type": "rich_text", "elements": [
                        { "type": "rich_text_section", "elements": [
                            { "type": "text", "text": "R&D, says ", "style": { "bold": true } },
                            { "type": "user", "user_id": "U1" },
                            { "type": "emoji", "name": "tada" },
                            { "type": "text", "text": " " },
                            { "type": "link", "url": "https://example.org/?a=1&b=2", "text": "here" },
                            { "type": "novelty", "text": "?" },
                        ] },
                        { "type": "rich_text_list", "style": "bullet", "elements": [
                            { "type": "rich_text_section", "elements": [{ "type": "text", "text": "one" }] },
                            { "type": "rich_text_section", "elements": [{ "type": "text", "text": "two" }] },
                        ] },
                    ] },
                ] }),
                "R&amp;D, says <@U1>:tada: <https://example.org/?a=1&amp;b=2|here>\n• one\n• two",
            ),
        ] {
            assert_eq!(words(&message), expected, "{message}");
        }
    }

    #[test]
    fn other_shapes_say_nothing() {
        for message in [
            json!(null),
            json!([]),
            json!({ "text": 7, "blocks": "x", "attachments": { "text": "x" } }),
            json!({ "attachments": [7, null, [], {}, { "text": ["x"], "fallback": {} }] }),
            json!({ "blocks": [7, {}, { "type": "section" }, { "type": "section", "text": "x" }] }),
            json!({ "blocks": [{ "type": "rich_text", "elements": [{ "elements": [[], 7] }, 7] }] }),
        ] {
            assert_eq!(words(&message).trim(), "", "{message}");
        }
    }

    #[test]
    fn no_message_says_more_than_slack_lets_it() {
        let long = json!({ "text": "é".repeat(3_000) });
        let message = json!({ "attachments": vec![long; 500] });
        let words = words(&message);
        assert!(
            (150_000..=LONGEST).contains(&words.len()),
            "{}",
            words.len()
        );
    }
}
