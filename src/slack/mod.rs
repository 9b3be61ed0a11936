//! Slack: what comes in is checked and parsed, what goes out is a call of its Web API.

pub mod api;
pub mod blocks;
pub mod install;
pub mod mrkdwn;
pub mod payload;
pub mod screens;
pub mod seal;
pub mod signature;
