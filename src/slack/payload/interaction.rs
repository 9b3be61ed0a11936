use std::collections::BTreeMap;

use serde_json::Value;
use url::form_urlencoded;

use super::command::field;
use super::message::Spoken;
use super::{PayloadError, flag, json, list, name, needed, secret, text};
use crate::model::{Millis, Secret};

/// What somebody did in a message or a view.
#[derive(Clone, Debug)]
pub enum Interaction {
    /// Pressed a button, chose from a list.
    Actions(Box<Actions>),
    /// Submitted a modal.
    Submission(Box<Submission>),
    /// Closed a modal that asked to be told.
    Closed {
        /// Who.
        by: Sender,
        /// The modal as it was.
        view: Box<ViewState>,
    },
    /// Chose the app's entry in the menu of a message.
    MessageShortcut(Box<MessageShortcut>),
    /// Chose the app's entry in the menu of everything.
    Shortcut(Shortcut),
    /// Nothing that is used.
    Other,
}

/// Who did it, and how they can be answered.
#[derive(Clone, Debug)]
pub struct Sender {
    /// The workspace (`T…`).
    pub team: String,
    /// The organisation that it belongs to (`E…`), if any.
    pub enterprise: Option<String>,
    /// Who (`U…`, `W…`).
    pub user: String,
    /// Their login name.
    pub user_name: Option<String>,
    /// Opens one modal within 3 seconds.
    pub trigger_id: Option<String>,
    /// Where up to 5 answers can be sent for 30 minutes, by whoever knows it.
    pub response_url: Option<Secret>,
}

/// What was pressed or chosen.
#[derive(Clone, Debug)]
pub struct Actions {
    /// By whom.
    pub by: Sender,
    /// At least one.
    pub actions: Vec<Action>,
    /// The view that it was in, if it was in one.
    pub view: Option<ViewState>,
    /// The message that it was in, if it was in one.
    pub message: Option<MessageRef>,
}

/// One element that was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// Which element.
    pub action_id: String,
    /// The block that it is in.
    pub block_id: String,
    /// What a button carries, or what was chosen; the first if there are more.
    pub value: Option<String>,
}

/// A message, by where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRef {
    /// The conversation.
    pub channel: String,
    /// Its `ts`.
    pub ts: String,
    /// Only one person sees it, and only its `response_url` can change it.
    pub ephemeral: bool,
}

/// A modal that was submitted.
#[derive(Clone, Debug)]
pub struct Submission {
    /// By whom.
    pub by: Sender,
    /// With everything that was entered.
    pub view: ViewState,
}

/// The app's entry in the menu of a message.
#[derive(Clone, Debug)]
pub struct MessageShortcut {
    /// Who chose it.
    pub by: Sender,
    /// Which entry.
    pub callback_id: String,
    /// Opens one modal within 3 seconds.
    pub trigger_id: String,
    /// Where the message is.
    pub channel: String,
    /// The message.
    pub message: Spoken,
}

/// The app's entry in the menu of everything.
#[derive(Clone, Debug)]
pub struct Shortcut {
    /// Who chose it.
    pub by: Sender,
    /// Which entry.
    pub callback_id: String,
    /// Opens one modal within 3 seconds.
    pub trigger_id: String,
}

/// A view and what is entered in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewState {
    /// Its id (`V…`).
    pub id: String,
    /// It is the Home tab, not a modal.
    pub home: bool,
    /// What it looked like: an update under an old hash is refused.
    pub hash: Option<String>,
    /// What the app called it.
    pub callback_id: String,
    /// What the app noted in it.
    pub private_metadata: String,
    /// By block and element.
    pub values: BTreeMap<String, BTreeMap<String, ViewValue>>,
}

/// What was entered in one element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ViewValue {
    /// Nothing, or something of a kind that is not used.
    Empty,
    /// Text.
    Text(String),
    /// One or more of a list: options, people, conversations, dates.
    Chosen(Vec<String>),
    /// A moment.
    At(Millis),
}

impl Interaction {
    /// Reads the form of an interaction.
    ///
    /// # Errors
    ///
    /// [`PayloadError`] if there is no JSON in it, or a kind that is known lacks what it needs.
    pub fn parse(body: &[u8]) -> Result<Self, PayloadError> {
        let fields: Vec<_> = form_urlencoded::parse(body).collect();
        let payload = field(&fields, "payload").ok_or(PayloadError::Missing("payload"))?;
        let value = json(payload.as_bytes())?;
        Ok(match text(&value, "/type") {
            Some("block_actions") => Self::Actions(Box::new(Actions::read(&value)?)),
            Some("view_submission") => Self::Submission(Box::new(Submission {
                by: Sender::read(&value)?,
                view: ViewState::needed(&value)?,
            })),
            Some("view_closed") => Self::Closed {
                by: Sender::read(&value)?,
                view: Box::new(ViewState::needed(&value)?),
            },
            Some("message_action") => Self::MessageShortcut(Box::new(MessageShortcut {
                by: Sender::read(&value)?,
                callback_id: needed(&value, "/callback_id")?,
                trigger_id: needed(&value, "/trigger_id")?,
                channel: needed(&value, "/channel/id")?,
                message: value
                    .get("message")
                    .and_then(Spoken::read)
                    .ok_or(PayloadError::Missing("/message/ts"))?,
            })),
            Some("shortcut") => Self::Shortcut(Shortcut {
                by: Sender::read(&value)?,
                callback_id: needed(&value, "/callback_id")?,
                trigger_id: needed(&value, "/trigger_id")?,
            }),
            Some(_) => Self::Other,
            None => return Err(PayloadError::Missing("/type")),
        })
    }
}

impl Sender {
    fn read(value: &Value) -> Result<Self, PayloadError> {
        Ok(Self {
            // Null when the app is installed for a whole organisation.
            team: name(value, "/team/id")
                .or_else(|| name(value, "/user/team_id"))
                .ok_or(PayloadError::Missing("/team/id"))?,
            enterprise: name(value, "/enterprise/id"),
            user: needed(value, "/user/id")?,
            user_name: name(value, "/user/username").or_else(|| name(value, "/user/name")),
            trigger_id: name(value, "/trigger_id"),
            response_url: secret(value, "/response_url")
                .or_else(|| secret(value, "/response_urls/0/response_url")),
        })
    }
}

impl Actions {
    fn read(value: &Value) -> Result<Self, PayloadError> {
        let actions: Vec<_> = list(value, "/actions")
            .iter()
            .filter_map(Action::read)
            .collect();
        if actions.is_empty() {
            return Err(PayloadError::Missing("/actions"));
        }
        Ok(Self {
            by: Sender::read(value)?,
            actions,
            view: value.get("view").and_then(ViewState::read),
            message: MessageRef::read(value),
        })
    }
}

impl Action {
    fn read(value: &Value) -> Option<Self> {
        Some(Self {
            action_id: name(value, "/action_id")?,
            block_id: name(value, "/block_id").unwrap_or_default(),
            value: match ViewValue::read(value) {
                ViewValue::Empty => None,
                ViewValue::Text(text) => Some(text),
                ViewValue::Chosen(chosen) => chosen.into_iter().next(),
                ViewValue::At(at) => Some(at.0.div_euclid(1000).to_string()),
            },
        })
    }
}

impl MessageRef {
    fn read(value: &Value) -> Option<Self> {
        Some(Self {
            channel: name(value, "/container/channel_id").or_else(|| name(value, "/channel/id"))?,
            ts: name(value, "/container/message_ts").or_else(|| name(value, "/message/ts"))?,
            ephemeral: flag(value, "/container/is_ephemeral"),
        })
    }
}

impl ViewState {
    fn needed(value: &Value) -> Result<Self, PayloadError> {
        value
            .get("view")
            .and_then(Self::read)
            .ok_or(PayloadError::Missing("/view/id"))
    }

    fn read(view: &Value) -> Option<Self> {
        let mut values = BTreeMap::new();
        let blocks = view.pointer("/state/values").and_then(Value::as_object);
        for (block, elements) in blocks.into_iter().flatten() {
            let elements = elements.as_object().into_iter().flatten();
            let elements = elements.map(|(id, element)| (id.clone(), ViewValue::read(element)));
            values.insert(block.clone(), elements.collect());
        }
        Some(Self {
            id: name(view, "/id")?,
            home: text(view, "/type") == Some("home"),
            hash: name(view, "/hash"),
            callback_id: name(view, "/callback_id").unwrap_or_default(),
            private_metadata: name(view, "/private_metadata").unwrap_or_default(),
            values,
        })
    }

    /// What was entered in an element, `Empty` if there is no such element.
    pub fn value(&self, block: &str, action: &str) -> &ViewValue {
        let element = self.values.get(block).and_then(|block| block.get(action));
        element.unwrap_or(&ViewValue::Empty)
    }

    /// The text in a field; `None` if it is empty.
    pub fn text(&self, block: &str, action: &str) -> Option<&str> {
        match self.value(block, action) {
            ViewValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What was chosen from a list, the first if there is more.
    pub fn selected(&self, block: &str, action: &str) -> Option<&str> {
        Some(self.all_selected(block, action).first()?)
    }

    /// Everything that was chosen from a list.
    pub fn all_selected(&self, block: &str, action: &str) -> &[String] {
        match self.value(block, action) {
            ViewValue::Chosen(chosen) => chosen,
            _ => &[],
        }
    }

    /// The moment that was chosen.
    pub fn datetime(&self, block: &str, action: &str) -> Option<Millis> {
        match self.value(block, action) {
            ViewValue::At(moment) => Some(*moment),
            _ => None,
        }
    }
}

impl ViewValue {
    /// Reads an element by what it holds: kinds of elements are many, and more come.
    fn read(element: &Value) -> Self {
        if let Some(text) = text(element, "/value") {
            return if text.is_empty() {
                Self::Empty
            } else {
                Self::Text(text.to_owned())
            };
        }
        if let Some(seconds) = element.get("selected_date_time").and_then(Value::as_i64) {
            return seconds
                .checked_mul(1000)
                .map_or(Self::Empty, |millis| Self::At(Millis(millis)));
        }
        let one = [
            "/selected_option/value",
            "/selected_user",
            "/selected_channel",
            "/selected_conversation",
            "/selected_date",
            "/selected_time",
        ];
        let mut chosen: Vec<_> = one
            .into_iter()
            .filter_map(|pointer| name(element, pointer))
            .collect();
        let options = list(element, "/selected_options").iter();
        chosen.extend(options.filter_map(|option| name(option, "/value")));
        for many in [
            "/selected_users",
            "/selected_channels",
            "/selected_conversations",
        ] {
            let ids = list(element, many).iter().filter_map(Value::as_str);
            chosen.extend(ids.map(ToOwned::to_owned));
        }
        if chosen.is_empty() {
            Self::Empty
        } else {
            Self::Chosen(chosen)
        }
    }
}
