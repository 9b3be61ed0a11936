//! `POST /slack/interactions`: buttons, menus, submitted modals, shortcuts.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tokio::time::{Duration, Instant};

use super::answer::{Answer, Desk, PATIENCE, Trouble, answer, excuse, seen, within};
use super::app::App;
use super::blocks::{View, ViewReply};
use super::caller::Caller;
use super::payload::{
    Actions, Interaction, MessageShortcut, Sender, Submission, ViewState, ViewValue,
};
use super::screens::{self, Action, Callback, EditorMeta, Stage, Typed};
use super::show::{self, Kept, Place};
use super::signature::{Form, Signed};
use super::write::{self, Wish};
use super::{editor, follow, look, mirror};
use crate::chat::grammar::{Request, SiteArg};

/// The shortcut in the menu of a message, as `slack-app.yaml` names it.
pub const PUBLISH_MESSAGE: &str = "publish_message";
/// The shortcut in the menu of everything.
pub const NEW_POST: &str = "new_post";

pub(super) async fn receive(State(app): State<App>, signed: Signed<Form>) -> Response {
    let interaction = match Interaction::parse(signed.body()) {
        Ok(interaction) => interaction,
        Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    };
    metrics::counter!("microblot_slack_requests_total", "kind" => "interaction").increment(1);
    match interaction {
        Interaction::Actions(actions) => {
            pressed(&app, &actions).await;
            StatusCode::OK.into_response()
        }
        Interaction::Submission(submission) => submitted(&app, &submission).await,
        Interaction::MessageShortcut(shortcut) if shortcut.callback_id == PUBLISH_MESSAGE => {
            // Besides, because it may ask Slack for names: no answer waits for that.
            tokio::spawn(async move {
                let caller = Caller::of_sender(&shortcut.by, Some(shortcut.channel.clone()));
                let answer = within(from_message(&app, &caller, &shortcut)).await;
                show::show(&app, &caller, Place::Message { gives_way: false }, answer);
            });
            StatusCode::OK.into_response()
        }
        Interaction::Shortcut(shortcut) if shortcut.callback_id == NEW_POST => {
            let caller = Caller::of_sender(&shortcut.by, None);
            let id = id_of(&shortcut.by, "shortcut");
            let request = Request::New { site: None };
            let answer = answer(&app, &caller, &request, &id).await;
            show::show(&app, &caller, Place::Home, answer);
            StatusCode::OK.into_response()
        }
        Interaction::MessageShortcut(_)
        | Interaction::Shortcut(_)
        | Interaction::Closed { .. }
        | Interaction::Other => StatusCode::OK.into_response(),
    }
}

/// The same for every time that the same press or submission comes.
fn id_of(by: &Sender, kind: &str) -> String {
    let trigger = by.trigger_id.as_deref().unwrap_or_default();
    format!("{kind}:{}:{}:{trigger}", by.team, by.user)
}

/// One press. Slack only wants to know that it arrived; what it does is done by then.
async fn pressed(app: &App, actions: &Actions) {
    let Some(pressed) = actions.actions.first() else {
        return;
    };
    let Some(action) = Action::parse(&pressed.action_id, pressed.value.as_deref()) else {
        tracing::debug!(
            action = pressed.action_id,
            "an unknown button of an older message"
        );
        outdated(app, actions);
        return;
    };
    if action == Action::Opened {
        return;
    }
    let channel = actions
        .message
        .as_ref()
        .map(|message| message.channel.clone());
    let caller = Caller::of_sender(&actions.by, channel);
    let id = id_of(&actions.by, "action");
    let place = place(&action, actions);
    if let (Action::SaveDraft | Action::SaveAndPreview, Some(view)) = (&action, &actions.view) {
        let preview = action == Action::SaveAndPreview;
        let kept =
            match tokio::time::timeout(PATIENCE, keep(app, &caller, view, preview, &id)).await {
                Ok(Ok(kept)) => kept,
                Ok(Err(trouble)) => Kept::over(excuse(&trouble)),
                Err(_elapsed) => Kept::over(screens::trouble(BUSY)),
            };
        show::show_editor(app, &caller, view.id.clone(), kept);
        return;
    }
    if action == Action::Dismiss {
        dismiss(app, &caller);
        return;
    }
    let in_modal = !matches!(place, Place::Message { .. });
    let answer = within(carry_out(app, &caller, &action, in_modal, &id)).await;
    show::show(app, &caller, place, answer);
}

const OUTDATED: &str = "This button does nothing any more: it is of an older message.";

/// Whoever pressed a button in a message is told. What an element of a window sends is not always
/// a press.
fn outdated(app: &App, actions: &Actions) {
    if actions.by.response_url.is_some() {
        let caller = Caller::of_sender(&actions.by, None);
        let said = screens::refusal(OUTDATED).into();
        show::show(app, &caller, Place::Message { gives_way: false }, said);
    }
}

fn place(action: &Action, actions: &Actions) -> Place {
    match &actions.view {
        Some(view) if view.home => Place::Home,
        Some(view) => Place::Modal {
            view: view.id.clone(),
            on_top: matches!(
                action,
                Action::New(_) | Action::Edit(_) | Action::Preview(_) | Action::AskDelete(_)
            ),
        },
        None => Place::Message {
            gives_way: actions
                .message
                .as_ref()
                .is_some_and(|message| message.ephemeral)
                && matches!(
                    action,
                    Action::List(_)
                        | Action::Sites(_)
                        | Action::AskDelete(_)
                        | Action::Delete(_)
                        | Action::Unfollow(_)
                ),
        },
    }
}

async fn carry_out(
    app: &App,
    caller: &Caller,
    action: &Action,
    in_modal: bool,
    id: &str,
) -> Result<Answer, Trouble> {
    let named = |site: &crate::model::SiteName| SiteArg::Name(site.clone());
    let request = match action {
        Action::Home => Request::Home,
        Action::New(site) => Request::New {
            site: site.as_ref().map(named),
        },
        Action::Edit(post) => Request::Edit { post: post.clone() },
        Action::Info(site) => Request::Info {
            site: Some(named(site)),
        },
        Action::Status(site) => Request::Status {
            site: Some(named(site)),
        },
        Action::History(site) => Request::History { site: named(site) },
        Action::Rebuild(site) => Request::Rebuild {
            site: named(site),
            clear_cache: false,
        },
        Action::Resume(site) => Request::Resume { site: named(site) },
        Action::Plan => Request::Plan { site: None },
        _ => return carry_out_here(app, caller, action, in_modal, id).await,
    };
    Ok(answer(app, caller, &request, id).await)
}

/// What no command can ask for.
async fn carry_out_here(
    app: &App,
    caller: &Caller,
    action: &Action,
    in_modal: bool,
    id: &str,
) -> Result<Answer, Trouble> {
    let snapshot = seen(app, caller).await?;
    let at = Desk::open(app, caller, &snapshot, id)?;
    Ok(match action {
        Action::List(of) => {
            let page = look::page(&at, of.clone()).await?;
            match in_modal {
                true => screens::posts_view(&page).into(),
                false => screens::posts(&page).into(),
            }
        }
        Action::Sites(page) => look::sites(&at, *page).into(),
        Action::Preview(post) => {
            let (post, _card) = write::own(&at, post).await?;
            let (link, until) = write::preview(&at, &post.id, post.revision.clone()).await?;
            match in_modal {
                true => screens::preview_view(&post.revision.title, &link, until).into(),
                false => screens::preview(&post.revision.title, &link, until).into(),
            }
        }
        Action::Publish(post) => {
            let post = write::publish(&at, post).await?;
            match in_modal {
                true => write::saved(&at, &post).into(),
                false => screens::done(&format!(
                    "“{}” is on its way to readers. You get a message when it is live.",
                    post.revision.title
                ))
                .into(),
            }
        }
        Action::AskDelete(post) => match in_modal {
            true => write::ask_delete_view(&at, post).await?.into(),
            false => write::ask_delete(&at, post).await?.into(),
        },
        Action::Delete(post) => write::delete(&at, post).await?.into(),
        Action::Unfollow(unfollow) => follow::unfollow(&at, &unfollow.channel, unfollow.drop_posts)
            .await?
            .into(),
        _ => {
            return Err(Trouble::Refused(OUTDATED.to_owned()));
        }
    })
}

/// Keeps what is in the editor, if nobody else sees it; with a link to look at it, if that was
/// asked for.
async fn keep(
    app: &App,
    caller: &Caller,
    view: &ViewState,
    preview: bool,
    id: &str,
) -> Result<Kept, Trouble> {
    let snapshot = seen(app, caller).await?;
    let at = Desk::open(app, caller, &snapshot, id)?;
    let (meta, typed) = typed(view)?;
    let (editor, link) = match (&meta.post, meta.stage) {
        (Some(post), Stage::Scheduled | Stage::Published) if preview => {
            let link = write::preview_typed(&at, post, &typed).await?;
            (None, link.map(Some))
        }
        _ => match write::save(&at, &meta, &typed, Wish::Keep).await? {
            Ok(post) => {
                let editor = editor::again(&meta, typed.clone(), &post);
                let link = match preview {
                    true => Some(write::preview(&at, &post.id, post.revision).await?),
                    false => None,
                };
                (Some(editor), Ok(link))
            }
            Err(reply) => (None, Err(reply)),
        },
    };
    Ok(match link {
        Ok(link) => Kept {
            editor,
            over: link.map(|(link, until)| screens::preview(&typed.title, &link, until)),
        },
        // Only a submission can show errors at fields: here the first one is told on top.
        Err(ViewReply::Errors { errors }) => {
            let first = errors.into_values().next().unwrap_or_default();
            let editor = editor::editor_with(&at, &meta, typed, &first);
            Kept {
                editor: Some(editor),
                over: None,
            }
        }
        Err(_) => return Err(Trouble::Refused("It could not be saved.".to_owned())),
    })
}

/// What the editor was opened for, and what was typed into its fields.
fn typed(view: &ViewState) -> Result<(EditorMeta, Typed), Trouble> {
    let Some(meta) = EditorMeta::parse(&view.private_metadata) else {
        return Err(Trouble::Refused(
            "This editor is of an older version. Copy your text.".to_owned(),
        ));
    };
    let typed = Typed::read(&meta, |id| match view.value(id, id) {
        ViewValue::Text(text) => Some(text.clone()),
        ViewValue::Chosen(chosen) => chosen.first().cloned(),
        ViewValue::At(at) => Some(at.0.div_euclid(1000).to_string()),
        ViewValue::Empty => None,
    });
    Ok((meta, typed))
}

/// For whoever waits in front of the editor.
const BUSY: &str = "Microblot is busy right now. Your text is still here: try again in a moment.";

/// A submitted modal: it closes, changes, or shows what is wrong with which field.
async fn submitted(app: &App, submission: &Submission) -> Response {
    if Callback::parse(&submission.view.callback_id) != Some(Callback::Editor) {
        return StatusCode::OK.into_response();
    }
    let caller = Caller::of_sender(&submission.by, None);
    // A view that is submitted again without a change in between is the same submission.
    let view = &submission.view;
    let id = format!(
        "view:{}:{}",
        view.id,
        view.hash.as_deref().unwrap_or_default()
    );
    let work = tokio::time::timeout(PATIENCE, publish(app, &caller, view, &id));
    let reply = match work.await {
        Ok(Ok(reply)) => reply,
        Ok(Err(Trouble::Refused(text))) => at_the_title(&text),
        Ok(Err(Trouble::Denied(refusal))) => at_the_title(&refusal.to_string()),
        Ok(Err(trouble)) => {
            let _logged = excuse(&trouble);
            at_the_title(BUSY)
        }
        Err(_elapsed) => at_the_title(BUSY),
    };
    Json(reply).into_response()
}

/// The modal stays open, with everything that was typed.
fn at_the_title(text: &str) -> ViewReply {
    ViewReply::Errors {
        errors: [(screens::TITLE.to_owned(), text.to_owned())].into(),
    }
}

async fn publish(
    app: &App,
    caller: &Caller,
    view: &ViewState,
    id: &str,
) -> Result<ViewReply, Trouble> {
    let snapshot = seen(app, caller).await?;
    let at = Desk::open(app, caller, &snapshot, id)?;
    let (meta, typed) = typed(view)?;
    Ok(
        match write::save(&at, &meta, &typed, Wish::Publish).await? {
            Ok(post) => ViewReply::Update {
                view: Box::new(write::saved(&at, &post)),
            },
            Err(reply) => reply,
        },
    )
}

/// So long names are waited for: a window has to open within 3 seconds.
const NAMES: Duration = Duration::from_millis(1_500);

/// The editor with what a message says.
async fn from_message(
    app: &App,
    caller: &Caller,
    shortcut: &MessageShortcut,
) -> Result<Answer, Trouble> {
    let until = Instant::now() + NAMES;
    let snapshot = seen(app, caller).await?;
    let at = Desk::open(app, caller, &snapshot, "")?;
    if shortcut.message.is_empty() {
        return Err(Trouble::Refused(
            "There is no text in this message that a post could be made of.".to_owned(),
        ));
    }
    let names = mirror::names(app, &caller.team, &shortcut.message.text, until).await?;
    let (title, body) = mirror::text(&shortcut.message, &names);
    editor::new_from(&at, title, &body)
}

fn dismiss(app: &App, caller: &Caller) {
    let (app, caller) = (app.clone(), caller.clone());
    tokio::spawn(async move {
        let gone = super::blocks::Message::delete();
        if let Err(error) = show::respond(&app, &caller, &gone).await {
            tracing::debug!(%error, "a message could not be taken away");
        }
    });
}

/// The Home tab of somebody.
pub(super) async fn home(app: &App, caller: &Caller) -> Result<View, Trouble> {
    let snapshot = seen(app, caller).await?;
    let at = Desk {
        app,
        caller,
        snapshot: &snapshot,
        id: "",
    };
    Ok(screens::home_tab(&look::overview(&at).await?))
}
