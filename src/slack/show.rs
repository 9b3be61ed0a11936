//! Brings an answer to where somebody looks. Calls of Slack's API are made besides: no answer to
//! Slack waits for Slack.

use serde::Serialize;

use super::answer::Answer;
use super::api::ApiError;
use super::app::App;
use super::blocks::{Message, View};
use super::caller::Caller;
use super::screens;

/// Where a button was pressed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// In a message; one that only one person sees may give way to the answer.
    Message {
        /// Whether the answer takes its place.
        gives_way: bool,
    },
    /// In a modal, by its id.
    Modal {
        /// Which.
        view: String,
        /// Whether the answer comes on top, so that closing it leads back.
        on_top: bool,
    },
    /// In the Home tab.
    Home,
}

/// For whoever cannot be shown a window, however often they try.
const NO_TOKEN: &str = "Microblot may not open windows in this workspace: it has no token for it, \
                        or one that works no more. Whoever runs Microblot can install it here.";

/// Opens a modal for somebody who just did something.
pub(super) fn open(app: &App, caller: &Caller, view: View) {
    let (app, caller) = (app.clone(), caller.clone());
    tokio::spawn(async move {
        if let Err(error) = opened(&app, &caller, &view).await {
            tracing::warn!(%error, "a modal could not be opened in Slack");
            let text = match error {
                ApiError::Gone => NO_TOKEN,
                _ => "Slack did not open the window in time. Please try again.",
            };
            let _told = respond(&app, &caller, &screens::trouble(text)).await;
        }
    });
}

async fn opened(app: &App, caller: &Caller, view: &impl Serialize) -> Result<(), ApiError> {
    let token = app.token(&caller.team).await?;
    let trigger = caller.trigger.as_ref().ok_or(ApiError::Gone)?;
    unless_shown(app.api.open_view(&token, trigger, view).await)
}

/// A trigger that was used before is that of a request that came before: what it asked for was
/// shown then.
fn unless_shown<T>(shown: Result<T, ApiError>) -> Result<(), ApiError> {
    match shown {
        Err(ApiError::Refused { error, .. }) if error == "exchanged_trigger_id" => Ok(()),
        other => other.map(|_| ()),
    }
}

/// What came of a button in the editor. Nothing takes the place of the editor but itself: what is
/// typed there may be nowhere else.
#[derive(Debug)]
pub(super) struct Kept {
    /// The editor as it is now; `None`: as it was.
    pub(super) editor: Option<View>,
    /// What is shown over it.
    pub(super) over: Option<Message>,
}

impl Kept {
    /// The editor as it was, and a text over it.
    pub(super) fn over(message: Message) -> Self {
        Self {
            editor: None,
            over: Some(message),
        }
    }
}

/// Shows what came of a button in the editor, in the modal `view`.
pub(super) fn show_editor(app: &App, caller: &Caller, view: String, kept: Kept) {
    let (app, caller) = (app.clone(), caller.clone());
    tokio::spawn(async move {
        // First: it has to know what was done with it before something lies on top of it.
        if let Some(editor) = &kept.editor
            && let Err(error) = in_modal(&app, &caller, &view, false, editor).await
        {
            tracing::warn!(%error, "the editor could not be updated in Slack");
        }
        if let Some(message) = kept.over
            && let Err(error) = pushed(&app, &caller, message.clone()).await
        {
            tracing::debug!(%error, "nothing could be shown over the editor");
            if let Err(error) = respond(&app, &caller, &message).await {
                tracing::warn!(%error, "what came of a button could not be told in Slack");
            }
        }
    });
}

async fn pushed(app: &App, caller: &Caller, message: Message) -> Result<(), ApiError> {
    let token = app.token(&caller.team).await?;
    let trigger = caller.trigger.as_ref().ok_or(ApiError::Gone)?;
    unless_shown(app.api.push_view(&token, trigger, &modal(message)).await)
}

/// Shows an answer where the button was.
pub(super) fn show(app: &App, caller: &Caller, place: Place, answer: Answer) {
    let (app, caller) = (app.clone(), caller.clone());
    tokio::spawn(async move {
        if let Err(error) = shown(&app, &caller, &place, answer).await {
            tracing::warn!(%error, "an answer could not be shown in Slack");
        }
    });
}

async fn shown(app: &App, caller: &Caller, place: &Place, answer: Answer) -> Result<(), ApiError> {
    match (place, answer) {
        (Place::Message { gives_way }, Answer::Say(message)) => {
            let message = match gives_way {
                true => message.replacing(),
                false => *message,
            };
            respond(app, caller, &message).await
        }
        (Place::Message { .. } | Place::Home, Answer::Open(view)) => {
            opened(app, caller, &view).await
        }
        (Place::Home, Answer::Say(message)) => opened(app, caller, &modal(*message)).await,
        (Place::Modal { view, on_top }, answer) => {
            let shown = match answer {
                Answer::Open(view) => *view,
                Answer::Say(message) => modal(*message),
            };
            in_modal(app, caller, view, *on_top, &shown).await
        }
    }
}

async fn in_modal(
    app: &App,
    caller: &Caller,
    id: &str,
    on_top: bool,
    view: &View,
) -> Result<(), ApiError> {
    let token = app.token(&caller.team).await?;
    if let (true, Some(trigger)) = (on_top, &caller.trigger) {
        match unless_shown(app.api.push_view(&token, trigger, view).await) {
            // Three lie on each other already, or it is too late.
            Err(ApiError::Refused { .. }) => {}
            pushed => return pushed,
        }
    }
    app.api
        .update_view(&token, id, None, view)
        .await
        .map(|_| ())
}

fn modal(message: Message) -> View {
    message.into_modal(screens::Callback::Page.id(), "Microblot")
}

/// To where a command or an action can be answered; else to the person.
pub(super) async fn respond(app: &App, caller: &Caller, message: &Message) -> Result<(), ApiError> {
    if let Some(url) = &caller.response_url {
        return app.api.respond(url, message).await;
    }
    let token = app.token(&caller.team).await?;
    let posted = app.api.post_message(&token, &caller.user, message).await;
    posted.map(|_| ())
}

/// Puts the Home tab of somebody up to date.
pub(super) async fn publish_home(app: &App, caller: &Caller, view: &View) {
    let published = async {
        let token = app.token(&caller.team).await?;
        app.api.publish_home(&token, &caller.user, None, view).await
    };
    if let Err(error) = published.await {
        tracing::warn!(%error, "a Home tab could not be updated in Slack");
    }
}
