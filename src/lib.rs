//! Microblot decides which static sites need a build, fires exactly those, once, and says why.

pub mod builders;
pub mod chat;
pub mod cli;
pub mod config;
pub mod engine;
pub mod feeds;
pub mod http;
pub mod inputs;
pub mod markdown;
pub mod model;
pub mod plan;
pub mod slack;
pub mod store;
pub mod watch;
pub mod web;

use std::error::Error;

/// An error with everything that caused it, on one line. Printed once, at the boundary.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
