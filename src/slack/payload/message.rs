use serde_json::Value;

use super::words::words;
use super::{flag, list, name};

/// A message as it stands in a channel: from an event, from the history, under a shortcut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// What it is known by in its channel: `seconds.micros`, kept as text.
    pub ts: String,
    /// Who wrote it, if a person did.
    pub user: Option<String>,
    /// What they are called, where the message says so.
    pub user_name: Option<String>,
    /// In mrkdwn, escaped as Slack does; what is attached, if it says nothing itself.
    pub text: String,
    /// What is attached.
    pub files: Vec<FileLink>,
    /// The first message of the thread that it belongs to; its own `ts` if it is that.
    pub thread_ts: Option<String>,
    /// What kind of message it is, when it is not a plain one.
    pub subtype: Option<String>,
    /// An app wrote it.
    pub bot: bool,
    /// When it was last edited, as a `ts`.
    pub edited: Option<String>,
}

/// An attached file: where those who may see it find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLink {
    /// What it is called.
    pub name: String,
    /// Its page in Slack.
    pub url: String,
}

impl Spoken {
    /// Reads a message; `None` if it has no `ts`.
    pub(in crate::slack) fn read(value: &Value) -> Option<Self> {
        let subtype = name(value, "/subtype");
        let bot = name(value, "/bot_id").is_some()
            || value.get("bot_profile").is_some_and(Value::is_object)
            || subtype.as_deref() == Some("bot_message");
        Some(Self {
            ts: name(value, "/ts")?,
            user: name(value, "/user"),
            user_name: ["display_name", "real_name", "name"]
                .into_iter()
                .find_map(|key| name(value, &format!("/user_profile/{key}"))),
            text: words(value),
            files: list(value, "/files")
                .iter()
                .filter_map(FileLink::read)
                .collect(),
            thread_ts: name(value, "/thread_ts"),
            subtype,
            bot,
            edited: name(value, "/edited/ts"),
        })
    }

    /// Whether a person said it to the whole channel: no app, no reply in a thread, no notice of
    /// somebody who joined or of a new topic.
    pub fn is_for_the_channel(&self) -> bool {
        let plain = matches!(
            self.subtype.as_deref(),
            None | Some("file_share" | "me_message")
        );
        let reply = self.thread_ts.as_ref().is_some_and(|root| *root != self.ts);
        plain && !reply && !self.bot && self.user.is_some()
    }

    /// Whether there is nothing in it that can be shown elsewhere.
    pub fn is_empty(&self) -> bool {
        crate::markdown::is_blank(&self.text) && self.files.is_empty()
    }

    /// What is left of a deleted message that others had replied to.
    pub fn is_tombstone(&self) -> bool {
        self.subtype.as_deref() == Some("tombstone")
    }
}

impl FileLink {
    fn read(value: &Value) -> Option<Self> {
        // Deleted files stay in the list, without an address.
        let url = name(value, "/permalink").or_else(|| name(value, "/url_private"))?;
        if !url.starts_with("https://") || flag(value, "/is_hidden_by_limit") {
            return None;
        }
        let called = name(value, "/title").or_else(|| name(value, "/name"));
        Some(Self {
            name: called.unwrap_or_else(|| "file".to_owned()),
            url,
        })
    }
}
