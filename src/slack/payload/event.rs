use serde_json::Value;

use super::message::Spoken;
use super::words::words;
use super::{PayloadError, json, list, name, needed, text};
use crate::model::Millis;

/// What comes to the address of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Envelope {
    /// Slack wants to know whether this is the right address: answer with the challenge.
    UrlVerification {
        /// What to answer.
        challenge: String,
    },
    /// Something happened.
    Event {
        /// The same for every time that this event is sent (`Ev…`).
        id: String,
        /// The workspace.
        team: String,
        /// When it happened, to the second.
        at: Option<Millis>,
        /// What.
        event: Event,
    },
    /// Slack left events out, for a minute at least: what happened must be looked up.
    RateLimited {
        /// The workspace.
        team: Option<String>,
    },
    /// Nothing that is used.
    Other,
}

/// Something that happened in a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody looks at the app's home.
    HomeOpened {
        /// Who.
        user: String,
        /// `home` or `messages`.
        tab: String,
    },
    /// A message came, changed or went.
    Message(Box<MessageEvent>),
    /// The app was removed from the workspace.
    Uninstalled,
    /// Tokens work no more.
    TokensRevoked {
        /// The bot users whose tokens they were; empty if they were only people's.
        bots: Vec<String>,
    },
    /// Nothing that is used.
    Other,
}

/// What happened to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageEvent {
    /// In which conversation.
    pub channel: String,
    /// When it happened, as a `ts`: of two events about one message the later one counts.
    pub ts: String,
    /// What.
    pub kind: MessageKind,
}

/// Came, changed or went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// It is new.
    New(Spoken),
    /// It was edited, or Slack added a preview of a link, which leaves the text as it is.
    Changed {
        /// As it stands now, under its own `ts`.
        message: Spoken,
        /// The text before.
        previous_text: Option<String>,
    },
    /// It was deleted.
    Deleted {
        /// Its own `ts`.
        deleted_ts: String,
    },
}

impl Envelope {
    /// Reads the JSON of an event.
    ///
    /// # Errors
    ///
    /// [`PayloadError`] if it is no JSON, or a kind of event that is known lacks what it needs.
    pub fn parse(body: &[u8]) -> Result<Self, PayloadError> {
        let value = json(body)?;
        Ok(match text(&value, "/type") {
            Some("url_verification") => Self::UrlVerification {
                challenge: needed(&value, "/challenge")?,
            },
            Some("event_callback") => Self::Event {
                id: needed(&value, "/event_id")?,
                team: needed(&value, "/team_id")?,
                at: value
                    .pointer("/event_time")
                    .and_then(Value::as_i64)
                    .and_then(|seconds| seconds.checked_mul(1000))
                    .map(Millis),
                event: Event::read(&value)?,
            },
            Some("app_rate_limited") => Self::RateLimited {
                team: name(&value, "/team_id"),
            },
            Some(_) => Self::Other,
            None => return Err(PayloadError::Missing("/type")),
        })
    }
}

/// What is kept of an event until it is handled: what [`Envelope::parse`] reads of it. The token
/// that Slack sends along, and for whom it sends the event, stay out of the database.
///
/// # Errors
///
/// [`PayloadError`] if it is no JSON.
pub fn to_keep(body: &[u8]) -> Result<String, PayloadError> {
    let Value::Object(mut envelope) = json(body)? else {
        return Err(PayloadError::Missing("/type"));
    };
    envelope.retain(|key, _| ["type", "event_id", "team_id", "event"].contains(&key.as_str()));
    Ok(Value::Object(envelope).to_string())
}

impl Event {
    fn read(value: &Value) -> Result<Self, PayloadError> {
        Ok(match needed(value, "/event/type")?.as_str() {
            "app_home_opened" => Self::HomeOpened {
                user: needed(value, "/event/user")?,
                // Written before there were other tabs.
                tab: name(value, "/event/tab").unwrap_or_else(|| "home".to_owned()),
            },
            "message" => Self::Message(Box::new(MessageEvent {
                channel: needed(value, "/event/channel")?,
                ts: needed(value, "/event/ts")?,
                kind: MessageKind::read(value)?,
            })),
            "app_uninstalled" => Self::Uninstalled,
            "tokens_revoked" => Self::TokensRevoked {
                bots: list(value, "/event/tokens/bot")
                    .iter()
                    .filter_map(|bot| Some(bot.as_str()?.to_owned()))
                    .collect(),
            },
            _ => Self::Other,
        })
    }
}

impl MessageKind {
    fn read(value: &Value) -> Result<Self, PayloadError> {
        let at = |pointer| value.pointer(pointer).unwrap_or(&Value::Null);
        match text(value, "/event/subtype") {
            Some("message_deleted") => Ok(Self::Deleted {
                deleted_ts: needed(value, "/event/deleted_ts")?,
            }),
            Some("message_changed") => {
                let message = Spoken::read(at("/event/message"))
                    .ok_or(PayloadError::Missing("/event/message/ts"))?;
                // So Slack tells that a message is gone which others had replied to.
                if message.is_tombstone() {
                    return Ok(Self::Deleted {
                        deleted_ts: message.ts,
                    });
                }
                Ok(Self::Changed {
                    message,
                    previous_text: value
                        .pointer("/event/previous_message")
                        .filter(|previous| previous.is_object())
                        .map(words),
                })
            }
            _ => Spoken::read(at("/event"))
                .map(Self::New)
                .ok_or(PayloadError::Missing("/event/ts")),
        }
    }
}
