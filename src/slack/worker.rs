//! What is done on a schedule: events that came in, gaps in mirrored channels, names of people.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tracing::{debug, info, warn};

use super::api::ApiError;
use super::app::App;
use super::payload::{Envelope, Event, MessageEvent, MessageKind, Spoken};
use super::people::{self, Unknown};
use super::refused::LATER;
use super::{mirror, tell};
use crate::engine::run::Health;
use crate::engine::snapshot::ChatSites;
use crate::model::Millis;
use crate::store::{ChannelRow, ChannelState, Declared, PersonRow, Received};

/// Looked at again this often, whatever woke nobody.
const SLOW: Duration = Duration::from_secs(20);
/// After a failure.
const PAUSE: Duration = Duration::from_secs(5);
/// Events that are handled in one go.
const AT_ONCE: u32 = 200;
/// Messages of a page of history: some apps get no more than 15.
const PAGE: u16 = 200;
/// So often a channel is read for what no event told.
const GAPS: Duration = Duration::from_secs(10 * 60);
/// Between two pages of one channel, where Slack asks for no more patience.
const NEXT_PAGE: Duration = Duration::from_secs(2);
/// A channel that the app cannot read is tried again after this; following it again tries at once.
const SHUT: Duration = Duration::from_secs(10 * 60);
/// Names and ranks are asked for again after this.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);
/// People who are asked for in one go: Slack allows some fifty a minute.
const PEOPLE: u32 = 10;

/// Runs until `stop` turns true.
pub async fn run(app: App, stop: watch::Receiver<bool>) {
    tokio::spawn(introduce(app.clone()));
    let telling = tokio::spawn(tell::run(app.clone(), stop.clone()));
    let work = work(app, stop);
    let (_told, ()) = tokio::join!(telling, work);
}

/// Says for whom this server works: the id of a workspace is what `sites.toml` needs.
async fn introduce(app: App) {
    while let Some(identity) = app.tokens.own(&app.api).await {
        match identity {
            Ok(identity) => info!(
                workspace = identity.team,
                user = identity.user,
                "SLACK_BOT_TOKEN is of the workspace {}",
                identity.team_name
            ),
            Err(ApiError::Later { after, why }) => {
                debug!(why, "cannot ask whose token this is");
                tokio::time::sleep(after.unwrap_or(SLOW)).await;
                continue;
            }
            Err(error) => warn!(%error, "SLACK_BOT_TOKEN does not work"),
        }
        return;
    }
}

async fn work(app: App, mut stop: watch::Receiver<bool>) {
    let mut declared = None;
    let mut health = app.health.clone();
    // Whatever was written while nobody listened is to be found.
    if let Err(error) = app.store.channels_are_due().await {
        warn!(error = %crate::chain(&error), "mirrored channels are read later");
    }
    while !*stop.borrow() {
        let pause = match look(&app, &mut declared).await {
            Ok(()) => SLOW,
            Err(error) => {
                warn!(error = %crate::chain(&error), "the worker cannot go on; trying again");
                PAUSE
            }
        };
        tokio::select! {
            () = app.work.notified() => {}
            () = tokio::time::sleep(pause) => {}
            () = others_declared(&mut health, declared.as_deref()) => {}
            _ = stop.changed() => {}
        }
    }
}

/// Waits for a look of the loop that finds other channels declared than those that are known.
async fn others_declared(health: &mut watch::Receiver<Health>, known: Option<&[Declared]>) {
    let mut seen: Option<Arc<ChatSites>> = None;
    while health.changed().await.is_ok() {
        let Some(snapshot) = health.borrow_and_update().snapshot.clone() else {
            continue;
        };
        // Most looks find the same sites.
        let is_seen = |sites| Arc::ptr_eq(sites, &snapshot.sites);
        if !seen.as_ref().is_some_and(is_seen) && known != Some(&channels_of(&snapshot.sites)) {
            return;
        }
        seen = Some(snapshot.sites);
    }
    // The loop ended, and so does the process.
    std::future::pending().await
}

async fn look(app: &App, declared: &mut Option<Vec<Declared>>) -> Result<(), Unknown> {
    app.tokens.refresh(&app.store).await?;
    if let Some(snapshot) = app.snapshot() {
        let wanted = channels_of(&snapshot.sites);
        if declared.as_ref() != Some(&wanted) {
            app.store.declare_channels(&wanted).await?;
            *declared = Some(wanted);
        }
    }
    take_in(app).await?;
    fill_gaps(app).await?;
    refresh_people(app).await
}

fn channels_of(sites: &ChatSites) -> Vec<Declared> {
    let mut all = Vec::new();
    for (workspace, sites) in sites {
        for card in sites.values() {
            let channels = card.spec.slack.iter().flat_map(|slack| &slack.channels);
            all.extend(channels.map(|channel| Declared {
                workspace: workspace.clone(),
                channel: channel.clone(),
                site: card.id.clone(),
            }));
        }
    }
    all
}

/// Handles the events that came in. One that cannot be handled now holds up no other.
async fn take_in(app: &App) -> Result<(), Unknown> {
    let received = app.store.inbox(AT_ONCE).await?;
    let mut done = Vec::new();
    let mut failed = None;
    for event in &received {
        match handle(app, event).await {
            Ok(()) => done.push(event.id.as_str()),
            Err(Unknown::Store(error)) => {
                failed = Some(Unknown::Store(error));
                break;
            }
            // Slack is away: the name of somebody is missing.
            Err(error) => failed = Some(error),
        }
    }
    app.store.handled(&done).await?;
    match failed {
        Some(error) => Err(error),
        None if received.len() == AT_ONCE as usize => {
            app.work.notify_one();
            Ok(())
        }
        None => Ok(()),
    }
}

async fn handle(app: &App, received: &Received) -> Result<(), Unknown> {
    let Ok(Envelope::Event {
        event: Event::Message(message),
        team,
        ..
    }) = Envelope::parse(received.body.as_bytes())
    else {
        return Ok(());
    };
    let channel = app.store.channel(&team, &message.channel).await?;
    let Some(channel) = channel.filter(|channel| channel.state != ChannelState::Removed) else {
        return Ok(());
    };
    let MessageEvent { ts, kind, .. } = *message;
    match kind {
        MessageKind::New(message) if message.is_for_the_channel() => {
            mirror::keep(app, &channel, &message).await
        }
        // A preview of a link came in, or a reaction: the text is what it was.
        MessageKind::Changed {
            message,
            previous_text,
        } if previous_text.as_ref() == Some(&message.text) && message.edited.is_none() => Ok(()),
        MessageKind::Changed { message, .. } if message.is_for_the_channel() => {
            mirror::change(app, &channel, &message).await
        }
        MessageKind::Deleted { deleted_ts } => {
            Ok(mirror::drop(app, &channel, &deleted_ts, &ts).await?)
        }
        MessageKind::New(_) | MessageKind::Changed { .. } => Ok(()),
    }
}

/// How far the history of a channel was read, as it is stored: `since`, and while pages are read
/// from the newest back to it, `since newest page`.
struct Cursor {
    since: String,
    /// The newest message of the pages, and where the next page begins.
    reading: Option<(String, String)>,
}

impl Cursor {
    fn of(channel: &ChannelRow) -> Self {
        let text = channel.cursor.as_deref().unwrap_or_default();
        let mut words = text.split(' ');
        let since = words.next().filter(|since| !since.is_empty());
        // From when it was followed on: what was written before was written for the channel.
        let (seconds, millis) = (channel.at.0.div_euclid(1000), channel.at.0.rem_euclid(1000));
        let begin = || format!("{seconds}.{millis:03}000");
        Self {
            since: since.map_or_else(begin, ToOwned::to_owned),
            reading: words
                .next()
                .zip(words.next())
                .map(|(newest, page)| (newest.to_owned(), page.to_owned())),
        }
    }

    fn text(&self) -> String {
        match &self.reading {
            Some((newest, page)) => format!("{} {newest} {page}", self.since),
            None => self.since.clone(),
        }
    }
}

/// Reads what no event told, a page for each channel whose time has come.
async fn fill_gaps(app: &App) -> Result<(), Unknown> {
    let now = app.store.now().await?;
    let mut next = None;
    for channel in app.store.channels(None).await? {
        if channel.next_at > now {
            next = next.min(Some(channel.next_at)).or(Some(channel.next_at));
            continue;
        }
        // Another replica may have been faster.
        if !app
            .store
            .take_channel(
                &channel.workspace,
                &channel.id,
                now.plus(Duration::from_secs(60)),
            )
            .await?
        {
            continue;
        }
        let (cursor, after) = read(app, &channel).await?;
        let next_at = app.store.now().await?.plus(after);
        app.store
            .channel_moved(&channel.workspace, &channel.id, cursor.as_deref(), next_at)
            .await?;
        if after < SLOW {
            next = Some(next_at);
        }
    }
    if let Some(at) = next.filter(|at| at.since(now) < SLOW) {
        wake_at(app, at.since(now));
    }
    Ok(())
}

fn wake_at(app: &App, after: Duration) {
    let work = app.work.clone();
    tokio::spawn(async move {
        tokio::time::sleep(after).await;
        work.notify_one();
    });
}

/// Reads a page of a channel. Answers how far it came, and when to go on.
async fn read(app: &App, channel: &ChannelRow) -> Result<(Option<String>, Duration), Unknown> {
    let token = match app.token(&channel.workspace).await {
        Ok(token) => token,
        Err(ApiError::Later { after, why }) => {
            debug!(
                why,
                channel = channel.id,
                "it is not known yet whose token this is"
            );
            return Ok((None, after.unwrap_or(NEXT_PAGE * 15)));
        }
        Err(error) => {
            let workspace = &channel.workspace;
            warn!(%error, workspace, channel = channel.id, "a mirrored channel cannot be read");
            return Ok((None, SHUT));
        }
    };
    if channel.state == ChannelState::Queued {
        // Events come only from where the app is. A private channel has to let it in itself.
        if let Err(error) = app.api.join(&token, &channel.id).await {
            debug!(%error, channel = channel.id, "cannot join; it may have been invited");
        }
    }
    let mut cursor = Cursor::of(channel);
    let page = cursor.reading.as_ref().map(|(_, page)| page.as_str());
    let found = app
        .api
        .history(&token, &channel.id, Some(&cursor.since), page, PAGE)
        .await;
    let found = match found {
        Ok(found) => found,
        Err(ApiError::Later { after, why }) => {
            debug!(why, channel = channel.id, "Slack asks for patience");
            return Ok((None, after.unwrap_or(NEXT_PAGE * 15)));
        }
        // Pages are gone after a while: begin again.
        Err(ApiError::Refused { error, .. }) if error == "invalid_cursor" => {
            cursor.reading = None;
            return Ok((Some(cursor.text()), NEXT_PAGE));
        }
        Err(error) => {
            warn!(%error, channel = channel.id, "a mirrored channel cannot be read; is the app in it?");
            return Ok((None, SHUT));
        }
    };
    for message in found
        .items
        .iter()
        .filter(|message| message.is_for_the_channel())
    {
        mirror::keep(app, channel, message).await?;
    }
    let newest = match &cursor.reading {
        Some((newest, _)) => newest.clone(),
        None => newest_of(&found.items).unwrap_or_else(|| cursor.since.clone()),
    };
    Ok(match found.next {
        Some(page) => {
            cursor.reading = Some((newest, page));
            (Some(cursor.text()), NEXT_PAGE)
        }
        None => {
            if channel.state == ChannelState::Queued {
                info!(channel = channel.id, site = %channel.site_name, "a channel is mirrored");
            }
            (Some(newest), GAPS)
        }
    })
}

fn newest_of(messages: &[Spoken]) -> Option<String> {
    messages.iter().map(|message| message.ts.clone()).max()
}

/// Asks again who people are, a few at a time.
async fn refresh_people(app: &App) -> Result<(), Unknown> {
    let now: Millis = app.store.now().await?;
    // Those whom Slack does not tell about stand before the others, and are not to stay in their way.
    let refused = app.refused();
    let most = PEOPLE.saturating_add(u32::try_from(refused.len()).unwrap_or(u32::MAX));
    let people = app.store.stale_people(now.minus(STALE), most).await?;
    let is_refused = |person: &PersonRow| {
        refused.is_within(LATER, &person.workspace, &person.id, Instant::now())
    };
    let asked = people.iter().filter(|person| !is_refused(person));
    for person in asked.take(PEOPLE as usize) {
        match people::look_up(app, &person.workspace, std::slice::from_ref(&person.id)).await {
            Err(Unknown::Slack(error)) => {
                debug!(%error, "cannot ask who somebody is");
                return Ok(());
            }
            other => other?,
        }
    }
    Ok(())
}
