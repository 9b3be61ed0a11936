//! Tells people what became of what they asked for: one message each, which changes as it goes on.
//!
//! What is to be told is a state in the database, and so is what was told: the two are compared,
//! like sites and builds are. So a message that could not be sent is sent later, in its newest
//! form, by whichever replica gets to it.

use std::time::Duration;

use tokio::sync::watch;
use tracing::{debug, warn};

use super::api::ApiError;
use super::app::App;
use super::blocks::Message;
use super::screens::{self, Told};
use crate::model::{Decision, Millis, SiteName};
use crate::store::{Flood, Notify, Settled, StoreError, Telling};

/// Looked at again this often, whatever woke nobody.
const SLOW: Duration = Duration::from_secs(15);
/// Between two looks at least.
const SOON: Duration = Duration::from_millis(100);
/// Messages that are told in one go.
const AT_ONCE: u32 = 100;
/// Outbox lines that are looked at in one go.
const LINES: u32 = 1_000;
/// More results than this at once, that nobody asked for in chat, are one message.
const FLOOD: usize = 10;
/// For so long they are collected.
const GATHER: Duration = Duration::from_secs(3);
/// The first pause after a refusal, doubled up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);
/// What nobody could be told for so long is not told any more.
const GIVEN_UP: Duration = Duration::from_secs(24 * 60 * 60);

/// Runs until `stop` turns true.
pub(super) async fn run(app: App, mut stop: watch::Receiver<bool>) {
    let mut health = app.health.clone();
    // Which results go to `notify` depends on whose the token is. Asked once: a Slack that does not
    // answer holds nobody up for long.
    tokio::select! {
        _ = app.tokens.own(&app.api) => {}
        _ = stop.changed() => {}
    }
    while !*stop.borrow() {
        let pause = match look(&app).await {
            Ok(next) => next,
            Err(error) => {
                warn!(error = %crate::chain(&error), "cannot look at what is to be told");
                SLOW
            }
        };
        tokio::select! {
            _ = health.changed() => {}
            () = tokio::time::sleep(pause) => {}
            _ = stop.changed() => {}
        }
    }
}

/// One look. Answers when to look again.
async fn look(app: &App) -> Result<Duration, StoreError> {
    let Some(snapshot) = app.snapshot() else {
        return Ok(SLOW);
    };
    // Results of guests are theirs.
    let is_told_of = |workspace: &str| app.is_own(&snapshot, workspace);
    let channel = snapshot.settings.slack.notify.as_deref();
    let notify = channel.map(|channel| Notify {
        // The channel belongs to the workspace whose token is in the environment.
        workspace: "",
        channel,
        is_told_of: &is_told_of,
    });
    let routed = app.store.route_outbox(LINES, notify, FLOOD, GATHER).await?;
    let settled: Vec<Settled> = snapshot
        .sites
        .values()
        .flatten()
        .filter(|(name, _)| {
            let plan = snapshot.of(name);
            plan.is_some_and(|plan| plan.decision == Decision::Unchanged)
        })
        .map(|(_, card)| Settled {
            site: card.id.clone(),
            posts_version: card.posts_version,
            at: snapshot.plan.now,
        })
        .collect();
    app.store.close_unchanged(&settled).await?;
    let due = app.store.due_tellings(AT_ONCE).await?;
    let mut conversations: Vec<Vec<Telling>> = Vec::new();
    for telling in due {
        match conversations.last_mut() {
            Some(last) if last[0].conversation == telling.conversation => last.push(telling),
            _ => conversations.push(vec![telling]),
        }
    }
    let mut tasks = tokio::task::JoinSet::new();
    for tellings in conversations {
        let app = app.clone();
        tasks.spawn(async move { in_order(&app, tellings).await });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap_or(Ok(()))?;
    }
    let now = app.store.now().await?;
    let next = app.store.next_telling().await?;
    let next = next.map_or(SLOW, |next| next.since(now).clamp(SOON, SLOW));
    Ok(match routed.kept_back {
        0 => next,
        _ => next.min(GATHER / 2),
    })
}

/// Tells what one conversation is to hear. What follows something that could not be told waits.
async fn in_order(app: &App, tellings: Vec<Telling>) -> Result<(), StoreError> {
    let mut refused = None;
    for mut telling in tellings {
        let now = app.store.now().await?;
        if let Some(next) = refused {
            app.store.telling_failed(&telling, next).await?;
            continue;
        }
        if is_known_already(&telling) {
            app.store
                .told(&telling, &telling.state, None, None, false)
                .await?;
            continue;
        }
        let closed = is_end(&telling.state);
        match tell(app, &mut telling, now).await {
            Ok((channel, ts)) => {
                let (channel, ts) = (channel.as_deref(), ts.as_deref());
                app.store
                    .told(&telling, &telling.state, channel, ts, closed)
                    .await?;
            }
            Err(error) if now.since(telling.asked_at) > GIVEN_UP => {
                warn!(%error, state = telling.state, "nobody could be told for a day; given up");
                app.store
                    .told(&telling, &telling.state, None, None, true)
                    .await?;
            }
            Err(error) => {
                // From now on, however long the answer took: Slack counts from there.
                let next = app.store.now().await?.plus(pause(&error, telling.failures));
                say_why(&error, &telling);
                app.store.telling_failed(&telling, next).await?;
                refused = Some(next);
            }
        }
    }
    Ok(())
}

/// What no waiting cures is for whoever runs this server to mend (a wrong `notify`, say), and is
/// said once: the next tries are refused alike.
fn say_why(error: &ApiError, telling: &Telling) {
    let channel = &telling.conversation;
    match error {
        ApiError::Refused { .. } | ApiError::Gone if telling.failures == 0 => {
            warn!(%error, channel, workspace = telling.workspace, "Slack lets nobody be told there; tried again for a day");
        }
        _ => debug!(%error, channel, "cannot tell now; later again"),
    }
}

/// The answer to the command said so.
fn is_known_already(telling: &Telling) -> bool {
    telling.state == "waiting" && telling.said.is_none()
}

/// After these nothing follows, unless somebody asks for it.
fn is_end(state: &str) -> bool {
    !matches!(
        state,
        "waiting" | "retrying" | "stuck" | "building" | "unknown"
    )
}

fn pause(error: &ApiError, failures: u32) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << failures.min(16));
    let asked = match error {
        ApiError::Later { after, .. } => after.unwrap_or_default(),
        ApiError::Refused { .. } | ApiError::Gone => Duration::from_secs(60),
    };
    doubled.min(LONGEST_PAUSE).max(asked)
}

/// Says it: as a change of the message that said it before, where the command can be answered, or
/// to the person or channel. Answers where the message is.
async fn tell(
    app: &App,
    telling: &mut Telling,
    now: Millis,
) -> Result<(Option<String>, Option<String>), ApiError> {
    let message = words(app, telling);
    if let (Some(channel), Some(ts)) = (&telling.message_channel, &telling.message_ts) {
        let token = app.token(&telling.workspace).await?;
        match app.api.update_message(&token, channel, ts, &message).await {
            // Somebody deleted it.
            Err(ApiError::Refused { error, .. }) if error == "message_not_found" => {
                return Ok((None, None));
            }
            told => return told.map(|_| (None, None)),
        }
    }
    if telling.url_works(now)
        && let Some(url) = telling
            .response_url
            .as_deref()
            .and_then(|url| app.urls.open(url))
    {
        telling.url_uses += 1;
        let again = telling.url_uses > 1;
        let message = if again {
            message.clone().replacing()
        } else {
            message.clone()
        };
        match app.api.respond(&url, &message).await {
            Ok(()) => return Ok((None, None)),
            Err(error @ ApiError::Later { .. }) => return Err(error),
            // Over, or used up: the person is told directly.
            Err(_) => telling.url_uses = crate::store::URL_USES,
        }
    }
    let token = app.token(&telling.workspace).await?;
    let posted = app
        .api
        .post_message(&token, &telling.conversation, &message)
        .await?;
    Ok((Some(posted.channel), Some(posted.ts)))
}

fn words(app: &App, telling: &Telling) -> Message {
    if telling.action == "digest" {
        let flood: Option<Flood> = telling
            .detail
            .as_deref()
            .and_then(|detail| serde_json::from_str(detail).ok());
        return screens::digest(&flood.unwrap_or_default(), telling.state_at);
    }
    let snapshot = app.snapshot();
    let name = &telling.site_name;
    let card = snapshot.as_ref().and_then(|snapshot| {
        let name = name.as_ref()?;
        let of_any = snapshot.sites.values().find_map(|sites| sites.get(name));
        snapshot.site(&telling.workspace, name).or(of_any)
    });
    let title = card
        .map(|card| card.spec.title.as_str())
        .or(name.as_ref().map(SiteName::as_str))
        .unwrap_or("A site");
    let home = card.map_or("", |card| card.spec.url.as_str());
    let is_there = matches!(telling.action.as_str(), "new" | "edit" | "publish post");
    let address = match (card, &telling.slug) {
        (Some(card), Some(slug)) if is_there => super::look::address(card, slug.as_str()),
        _ => home.to_owned(),
    };
    screens::told(&Told {
        action: &telling.action,
        subject: telling.title.as_deref().or(match telling.action.as_str() {
            "build" => telling.subject.as_deref(),
            _ => None,
        }),
        site: name.as_ref(),
        site_title: title,
        url: &address,
        state: &telling.state,
        detail: telling.detail.as_deref(),
        at: telling.state_at,
    })
}
