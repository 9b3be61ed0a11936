//! `POST /slack/events`: what happens in a workspace.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::answer::PATIENCE;
use super::app::App;
use super::caller::Caller;
use super::payload::{Envelope, Event, to_keep};
use super::signature::{Json, Signed};
use super::{interaction, show};
use crate::model::{Actor, Millis};
use crate::store::{ChannelState, StoreError};

pub(super) async fn receive(State(app): State<App>, signed: Signed<Json>) -> Response {
    let envelope = match Envelope::parse(signed.body()) {
        Ok(envelope) => envelope,
        Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    };
    metrics::counter!("microblot_slack_requests_total", "kind" => "event").increment(1);
    match envelope {
        Envelope::UrlVerification { challenge } => challenge.into_response(),
        Envelope::Event {
            id,
            team,
            at,
            event,
        } => {
            let stored = happened(&app, &id, &team, at, event, signed.body());
            // What comes too late Slack does not read: it sends the event again, as it does when
            // it hears that nothing was stored.
            let stored = tokio::time::timeout(PATIENCE, stored).await;
            match stored.unwrap_or(Err(StoreError::Silent)) {
                Ok(()) => StatusCode::OK.into_response(),
                Err(error) => {
                    tracing::error!(error = %crate::chain(&error), "an event could not be stored");
                    StatusCode::SERVICE_UNAVAILABLE.into_response()
                }
            }
        }
        Envelope::RateLimited { team } => {
            tracing::warn!(
                workspace = team,
                "Slack leaves events out; the worker reads what is missing"
            );
            if let Err(error) = app.store.channels_are_due().await {
                tracing::warn!(error = %crate::chain(&error), "mirrored channels are read later");
            }
            app.work.notify_one();
            StatusCode::OK.into_response()
        }
        Envelope::Other => StatusCode::OK.into_response(),
    }
}

/// What must not be lost is stored before Slack hears that it arrived.
async fn happened(
    app: &App,
    id: &str,
    team: &str,
    at: Option<Millis>,
    event: Event,
    body: &[u8],
) -> Result<(), StoreError> {
    match event {
        Event::Message(message) => {
            let channel = app.store.channel(team, &message.channel).await?;
            if channel.is_none_or(|channel| channel.state == ChannelState::Removed) {
                return Ok(());
            }
            // It was read before, so it can be again.
            let Ok(kept) = to_keep(body) else {
                return Ok(());
            };
            if app.store.receive(id, team, &kept).await? {
                app.work.notify_one();
            }
        }
        Event::HomeOpened { user, tab } if tab == "home" => {
            let (app, caller) = (app.clone(), Caller::somebody(team, &user));
            tokio::spawn(async move {
                match interaction::home(&app, &caller).await {
                    Ok(view) => show::publish_home(&app, &caller, &view).await,
                    Err(error) => tracing::warn!(%error, "a Home tab could not be made"),
                }
            });
        }
        Event::Uninstalled => gone(app, id, team, at).await?,
        Event::TokensRevoked { bots } if !bots.is_empty() => gone(app, id, team, at).await?,
        Event::HomeOpened { .. } | Event::TokensRevoked { .. } | Event::Other => {}
    }
    Ok(())
}

/// An event that Slack sends again, or late, is not about an installation that came after it.
async fn gone(app: &App, id: &str, team: &str, at: Option<Millis>) -> Result<(), StoreError> {
    let at = match at {
        Some(at) => at,
        None => app.store.now().await?,
    };
    let by = Actor::chat("Slack", format!("slack:{team}")).with_request(id);
    let removed = match app.store.remove_workspace(team, at, &by).await {
        Err(StoreError::AlreadyDone) => false,
        other => other?,
    };
    if removed {
        tracing::info!(workspace = team, "the app was removed from a workspace");
        app.tokens.refresh(&app.store).await?;
        app.wake.notify_one();
    }
    Ok(())
}
