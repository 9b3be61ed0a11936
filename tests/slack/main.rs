//! Slack from the front door: the life of a post, and everything around it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

#[path = "../support/mod.rs"]
mod support;

mod again;
mod bad;
mod busy;
mod club;
mod commands;
mod days;
mod editor;
mod events;
mod guests;
mod install;
mod kills;
mod life;
mod people;
mod posts;
mod secrets;
mod sites;
mod tokens;
mod trail;
mod wire;
mod worker;
