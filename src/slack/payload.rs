//! What Slack sends, as types: only the fields that are used.
//!
//! Fields that are not known are ignored, and `null` is the same as missing. An optional field of
//! the wrong type is missing too, so that a novelty of Slack's breaks nothing that does not need it.

mod command;
mod event;
mod interaction;
mod message;
mod surrogate;
mod words;

use serde_json::Value;

use crate::model::Secret;

pub use command::{Command, SlashCommand};
pub use event::{Envelope, Event, MessageEvent, MessageKind, to_keep};
pub use interaction::{
    Action, Actions, Interaction, MessageRef, MessageShortcut, Sender, Shortcut, Submission,
    ViewState, ViewValue,
};
pub use message::{FileLink, Spoken};

/// Why a payload cannot be used. Quotes nothing of it: it holds secrets and what people wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// A field without which nothing can be done.
    #[error("Slack's request has no usable {0}")]
    Missing(&'static str),
    /// The body, or the part of it that is to be JSON, is none.
    #[error("Slack's request is not JSON")]
    NotJson,
}

/// Reads JSON, halves of characters as U+FFFD. Its nesting is limited by the parser, its length by
/// whoever read it.
pub(super) fn json(bytes: &[u8]) -> Result<Value, PayloadError> {
    serde_json::from_slice(&surrogate::mended(bytes)).map_err(|_no_json| PayloadError::NotJson)
}

/// The text at a JSON pointer, if there is one; it may be empty.
fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}

/// The same, if it is not empty: an id, a name.
fn name(value: &Value, pointer: &str) -> Option<String> {
    text(value, pointer)
        .filter(|text| !text.is_empty())
        .map(ToOwned::to_owned)
}

/// The same, where nothing can be done without it.
fn needed(value: &Value, pointer: &'static str) -> Result<String, PayloadError> {
    name(value, pointer).ok_or(PayloadError::Missing(pointer))
}

fn secret(value: &Value, pointer: &str) -> Option<Secret> {
    name(value, pointer).map(Secret::new)
}

fn flag(value: &Value, pointer: &str) -> bool {
    value.pointer(pointer).and_then(Value::as_bool) == Some(true)
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    let found = value.pointer(pointer).and_then(Value::as_array);
    found.map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests;
