//! A plan as people and programs read it: text, JSON and Markdown, all from one value.

mod changes;
mod json;
mod markdown;
mod plain;
mod text;
mod words;

pub use changes::{Change, Explanation, Op, explain};
pub use json::json;
pub use markdown::markdown;
pub use plain::plain;
pub use text::{TextOptions, text};
pub use words::{cause, duration, pause, reason, reason_in_chat};

#[cfg(test)]
mod tests;
