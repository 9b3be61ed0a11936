//! Slack: what is shown there, and what people write there.

pub mod blocks;
pub mod mrkdwn;
pub mod screens;
