//! Slack: what comes in is checked and parsed, what goes out is a call of its Web API.
//!
//! Every answer is made from what the loop saw last, or with one indexed query; every change is one
//! transaction; no answer waits for another server. Nothing here fires builds.

mod answer;
pub mod api;
pub mod app;
pub mod blocks;
mod caller;
mod command;
mod editor;
mod event;
mod follow;
pub mod install;
mod interaction;
mod look;
mod mirror;
pub mod mrkdwn;
mod oauth;
mod pages;
pub mod payload;
mod people;
mod refused;
mod run;
pub mod screens;
pub mod seal;
mod show;
pub mod signature;
mod site;
mod standing;
mod tell;
mod tokens;
mod unseen;
pub mod worker;
mod write;

use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

use app::App;
pub use interaction::{NEW_POST, PUBLISH_MESSAGE};

/// The command that the app answers to.
pub const COMMAND: &str = "/microblot";

/// Slack itself waits for 3 seconds; a request that takes longer to arrive is no request of Slack's.
/// Installing the app waits for Slack.
const PATIENCE: Duration = Duration::from_secs(15);

/// All routes that Slack calls.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/slack/commands", post(command::receive))
        .route("/slack/interactions", post(interaction::receive))
        .route("/slack/events", post(event::receive))
        .route("/slack/install", get(oauth::begin))
        .route("/slack/oauth", get(oauth::end))
        .with_state(app)
        .layer(TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            PATIENCE,
        ))
        .layer(CatchPanicLayer::new())
}
