//! `POST /slack/commands`: what people type behind `/microblot`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::answer::{Answer, answer};
use super::app::App;
use super::caller::Caller;
use super::payload::Command;
use super::screens;
use super::show;
use super::signature::{Form, Signed};
use crate::chat::grammar;

pub(super) async fn receive(State(app): State<App>, signed: Signed<Form>) -> Response {
    let command = match Command::parse(signed.body()) {
        Ok(Command::Slash(command)) => command,
        Ok(Command::SslCheck) => return StatusCode::OK.into_response(),
        Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    };
    metrics::counter!("microblot_slack_requests_total", "kind" => "command").increment(1);
    let request = match grammar::parse(&command.text) {
        Ok(request) => request,
        Err(misread) => {
            return Json(screens::misread(&misread.message, &misread.line)).into_response();
        }
    };
    let caller = Caller::of_command(&command);
    let id = format!("command:{}", command.trigger_id);
    match answer(&app, &caller, &request, &id).await {
        Answer::Say(message) => Json(message).into_response(),
        // Opened besides: Slack wants its answer now.
        Answer::Open(view) => {
            show::open(&app, &caller, *view);
            StatusCode::OK.into_response()
        }
    }
}
