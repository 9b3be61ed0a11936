use std::collections::BTreeMap;

use serde::Serialize;

use super::Block;
use super::text::{Mrkdwn, Text, cut, harmless, plain, units};

/// A message. Seen by the person alone who asked, unless it is [`in_channel`](Self::in_channel).
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Message {
    /// For notifications and screen readers; not shown beside blocks.
    #[serde(skip_serializing_if = "String::is_empty")]
    text: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    blocks: Vec<Block>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_type: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    replace_original: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    delete_original: bool,
}

impl Message {
    /// At most 50 blocks: where there are more, the last line says so. `text` is what
    /// notifications and screen readers get, and is plain text.
    pub fn new(text: &str, blocks: impl IntoIterator<Item = Block>) -> Self {
        let text = harmless(text);
        let text = match text.trim() {
            "" => "Microblot",
            text => text,
        };
        Self {
            text: Mrkdwn::new().text(&cut(text, 600)).into_markup(),
            blocks: at_most(50, blocks),
            response_type: None,
            replace_original: false,
            delete_original: false,
        }
    }

    /// Takes the message away on which a button was pressed.
    pub fn delete() -> Self {
        Self {
            text: String::new(),
            blocks: Vec::new(),
            response_type: None,
            replace_original: false,
            delete_original: true,
        }
    }

    /// Seen by everybody in the channel.
    #[must_use]
    pub fn in_channel(mut self) -> Self {
        self.response_type = Some("in_channel");
        self
    }

    /// Takes the place of the message on which a button was pressed.
    #[must_use]
    pub fn replacing(mut self) -> Self {
        self.replace_original = true;
        self
    }
}

impl Message {
    /// The same in a modal without fields, where nothing can be said.
    pub fn into_modal(self, callback_id: &str, title: &str) -> View {
        View::modal(callback_id, title, "Close", self.blocks)
    }
}

/// A modal or a Home tab.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct View {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    submit: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    close: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    callback_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    private_metadata: Option<String>,
    blocks: Vec<Block>,
}

impl View {
    /// A modal of at most 100 blocks. One with a field gets a button to submit it.
    pub fn modal(
        callback_id: &str,
        title: &str,
        close: &str,
        blocks: impl IntoIterator<Item = Block>,
    ) -> Self {
        let blocks = at_most(100, blocks);
        let submit = blocks.iter().any(Block::is_input);
        Self {
            kind: "modal",
            title: Some(plain(title, 24)),
            submit: submit.then(|| plain("Save", 24)),
            close: Some(plain(close, 24)),
            callback_id: Some(cut(callback_id, 255)),
            private_metadata: None,
            blocks,
        }
    }

    /// A Home tab of at most 100 blocks.
    pub fn home(blocks: impl IntoIterator<Item = Block>) -> Self {
        Self {
            kind: "home",
            title: None,
            submit: None,
            close: None,
            callback_id: None,
            private_metadata: None,
            blocks: at_most(100, blocks),
        }
    }

    /// With this word on the button that submits it.
    #[must_use]
    pub fn submit(mut self, word: &str) -> Self {
        self.submit = Some(plain(word, 24));
        self
    }

    /// With this to be sent back. More than Slack's 3,000 characters are not sent at all: half of
    /// it would be worse than nothing.
    #[must_use]
    pub fn metadata(mut self, text: String) -> Self {
        self.private_metadata = Some(text).filter(|text| units(text) <= 3000);
        self
    }
}

/// What a submitted modal is answered with; nothing at all closes it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "response_action", rename_all = "lowercase")]
pub enum ViewReply {
    /// It becomes this one.
    Update {
        /// The new one.
        view: Box<View>,
    },
    /// This one comes on top of it.
    Push {
        /// The one on top.
        view: Box<View>,
    },
    /// All of them are closed.
    Clear,
    /// It stays open, with these texts at its fields (by id).
    Errors {
        /// What is wrong with which field.
        errors: BTreeMap<String, String>,
    },
}

fn at_most(limit: usize, blocks: impl IntoIterator<Item = Block>) -> Vec<Block> {
    let mut blocks: Vec<Block> = blocks.into_iter().collect();
    if blocks.len() > limit {
        blocks.truncate(limit - 1);
        let more = Mrkdwn::new().raw("There is more than fits here.");
        blocks.push(Block::context(more));
    }
    blocks
}
