//! Messages of a channel as posts.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::app::App;
use super::mrkdwn;
use super::payload::Spoken;
use super::people;
use crate::model::{Actor, Millis, PostDraft, Publish};
use crate::store::{ChannelRow, Mirrored, StoreError};

/// Names by the ids of people.
pub(super) type Names = HashMap<String, String>;

/// More people than a message mentions; the rest keep their ids.
const MOST_NAMES: usize = 50;

/// People who are asked for while somebody waits for the editor.
const ASKED: usize = 8;

/// So far may Slack's clock, which dates messages, be from ours, which dates the following.
const CLOCKS: Duration = Duration::from_secs(5);

/// The names of the people whom a text mentions. Slack is asked for those of whom none is known,
/// and that is waited for `until` then; who is told later is known the next time.
pub(super) async fn names(
    app: &App,
    team: &str,
    text: &str,
    until: Instant,
) -> Result<Names, StoreError> {
    let ids = mentioned(text);
    let names = known(app, team, &ids).await?;
    let mut asked = JoinSet::new();
    for id in ids.iter().filter(|id| !names.contains_key(*id)) {
        let (app, team, id) = (app.clone(), team.to_owned(), id.clone());
        if asked.len() < ASKED {
            asked.spawn(async move { people::look_up(&app, &team, &[id]).await });
        }
    }
    if asked.is_empty() {
        return Ok(names);
    }
    let all = async { while asked.join_next().await.is_some() {} };
    let _in_time = timeout_at(until, all).await.is_ok();
    asked.detach_all();
    known(app, team, &ids).await
}

async fn known(app: &App, team: &str, ids: &[String]) -> Result<Names, StoreError> {
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let people = app.store.people(team, &ids).await?;
    let names = people.into_iter().map(|(id, person)| (id, person.name));
    Ok(names.collect())
}

/// The ids in `<@U012AB3CD>` and `<@U012AB3CD|ann>`.
fn mentioned(text: &str) -> Vec<String> {
    let ids: BTreeSet<String> = text
        .split("<@")
        .skip(1)
        .filter_map(|rest| {
            let id: String = rest
                .chars()
                .take_while(char::is_ascii_alphanumeric)
                .collect();
            (!id.is_empty() && id.len() <= 32).then_some(id)
        })
        .take(MOST_NAMES)
        .collect();
    ids.into_iter().collect()
}

/// The title and the text of a message, files as links.
pub(super) fn text(message: &Spoken, names: &Names) -> (String, String) {
    let mut markdown = mrkdwn::to_markdown(&message.text, &|id| names.get(id).cloned());
    for file in &message.files {
        let name = file.name.replace(['[', ']', '\\'], " ");
        if !markdown.is_empty() {
            markdown.push_str("\n\n");
        }
        markdown.push_str(&format!(
            "[{}](<{}>)",
            name.trim(),
            file.url.replace(['<', '>'], "")
        ));
    }
    mrkdwn::title_and_body(&markdown)
}

/// Makes a post of a message, or brings its post up to date. The same message twice changes nothing.
/// One that was emptied is treated like one that was deleted.
pub(super) async fn keep(
    app: &App,
    channel: &ChannelRow,
    message: &Spoken,
) -> Result<(), people::Unknown> {
    let Some(user) = &message.user else {
        return Ok(());
    };
    if message.is_empty() {
        // What was empty from the beginning never was a post.
        return match &message.edited {
            Some(version) => Ok(drop(app, channel, &message.ts, version).await?),
            None => Ok(()),
        };
    }
    let team = &channel.workspace;
    let mut ids = mentioned(&message.text);
    ids.push(user.clone());
    let mut names = known(app, team, &ids).await?;
    let unknown: Vec<String> = ids
        .into_iter()
        .filter(|id| !names.contains_key(id))
        .collect();
    if !unknown.is_empty() {
        people::look_up(app, team, &unknown).await?;
        names.extend(known(app, team, &unknown).await?);
    }
    let (title, body) = text(message, &names);
    let name = names.get(user).or(message.user_name.as_ref());
    let name = name.unwrap_or(user).clone();
    let by = Actor::chat(&name, format!("slack:{team}:{user}"));
    let draft = PostDraft {
        title,
        body,
        category: None,
        author: Some(name),
        // Never later than now: Slack's clock need not be ours.
        publish: match said_at(&message.ts) {
            Some(at) => Publish::At(at.min(app.store.now().await?)),
            None => Publish::Now,
        },
    };
    let source = source(channel, &message.ts);
    let version = message.edited.as_deref().unwrap_or(&message.ts);
    let kept = app
        .store
        .mirror(
            &source,
            version,
            &channel.site,
            &channel.site_name,
            &draft,
            &by,
        )
        .await?;
    if matches!(kept, Mirrored::New(_) | Mirrored::Changed(_)) {
        app.wake.notify_one();
    }
    Ok(())
}

/// Brings the post of a message that was changed up to date. A message that was written before its
/// channel was followed was not written for a blog: it has no post, and an edit makes none.
pub(super) async fn change(
    app: &App,
    channel: &ChannelRow,
    message: &Spoken,
) -> Result<(), people::Unknown> {
    let is_ours = is_written_since(channel.at, &message.ts)
        || app.store.is_mirrored(&source(channel, &message.ts)).await?;
    match is_ours {
        true => keep(app, channel, message).await,
        false => Ok(()),
    }
}

/// Deletes the post of a message.
pub(super) async fn drop(
    app: &App,
    channel: &ChannelRow,
    ts: &str,
    version: &str,
) -> Result<(), StoreError> {
    let team = &channel.workspace;
    let by = Actor::chat("Slack", format!("slack:{team}"));
    let source = source(channel, ts);
    if app.store.unmirror(&source, version, &by).await?.is_some() {
        app.wake.notify_one();
    }
    Ok(())
}

fn source(channel: &ChannelRow, ts: &str) -> String {
    format!("slack:{}:{}:{ts}", channel.workspace, channel.id)
}

/// Whether a message was written after a moment, or so near to it that the clocks may differ. One
/// that does not say when it was written was.
fn is_written_since(at: Millis, ts: &str) -> bool {
    said_at(ts).is_none_or(|said| said.plus(CLOCKS) >= at)
}

/// The moment in a `ts`: seconds, a dot, and what tells messages of one second apart.
fn said_at(ts: &str) -> Option<Millis> {
    let (seconds, rest) = ts.split_once('.').unwrap_or((ts, ""));
    let seconds: i64 = seconds.parse().ok().filter(|seconds| *seconds > 0)?;
    let millis: i64 = rest
        .get(..3)
        .and_then(|part| part.parse().ok())
        .unwrap_or(0);
    Some(Millis(seconds.checked_mul(1000)?.checked_add(millis)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_found_in_a_text_once_each() {
        let text = "<@U1> and <@U2|ann>, <@U1> again, <#C1|x> <@> <@é>";
        assert_eq!(mentioned(text), ["U1", "U2"]);
    }

    #[test]
    fn what_was_written_before_is_told_from_what_came_after() {
        let at = Millis(1_531_420_618_000);
        for (ts, since) in [
            ("1531420618.000100", true),
            ("1531420700.000100", true),
            ("1531420613.000000", true),
            ("1531420612.999000", false),
            ("1531334218.000100", false),
            ("1.000000", false),
            ("soon", true),
        ] {
            assert_eq!(is_written_since(at, ts), since, "{ts}");
        }
    }

    #[test]
    fn a_message_says_when_it_was_said() {
        for (ts, millis) in [
            ("1531420618.123456", Some(1_531_420_618_123)),
            ("1531420618", Some(1_531_420_618_000)),
            ("1531420618.1", Some(1_531_420_618_000)),
            ("", None),
            ("x.y", None),
            ("-5.0", None),
            ("99999999999999999999.0", None),
        ] {
            assert_eq!(said_at(ts), millis.map(Millis), "{ts}");
        }
    }
}
