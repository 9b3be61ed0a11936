//! What people are told about what they asked for: one message that changes as it goes on.

use super::actions::Action;
use super::messages::prose;
use crate::model::{Millis, SiteName};
use crate::slack::blocks::{Block, Element, Message, Mrkdwn, cut};
use crate::store::Flood;

/// One telling, as it is to be said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told<'a> {
    /// What was asked for: `new`, `edit`, `delete`, `publish post` (of a draft), `rebuild`,
    /// `site add`; anything else: a build that nobody asked for in chat.
    pub action: &'a str,
    /// What it was about: a post's title.
    pub subject: Option<&'a str>,
    /// The site; `None` only when it is gone.
    pub site: Option<&'a SiteName>,
    /// What people call it.
    pub site_title: &'a str,
    /// Where it is published.
    pub url: &'a str,
    /// Where it is: `waiting`, `building`, `retrying`, `stuck`, `live`, `accepted`, `failed`,
    /// `stalled`, `lost`, `superseded`, `unknown`, `unchanged`, `removed`.
    pub state: &'a str,
    /// What it waits for, or what went wrong.
    pub detail: Option<&'a str>,
    /// When that was.
    pub at: Millis,
}

/// What one telling says. The same telling gives the same message.
pub fn told(told: &Told<'_>) -> Message {
    let (sign, state, next) = said(told);
    let what = what(told);
    let text = Mrkdwn::new().raw(sign).then(&what).raw("\n").then(&state);
    let mut blocks = vec![Block::section(text)];
    if let Some(detail) = told
        .detail
        .filter(|_| matches!(next, Next::Repair | Next::Patience))
    {
        let detail = Mrkdwn::new().code_block(&cut(detail.trim(), 1500));
        blocks.push(Block::section(detail));
    }
    let repair = told.site.filter(|_| next == Next::Repair);
    let repair = repair.map(|site| -> [Element; 2] {
        let rebuild = Action::Rebuild(site.clone()).button("Rebuild");
        let history = Action::History(site.clone()).button("History");
        [rebuild.primary().into(), history.into()]
    });
    // Nobody knows the address of a site that is gone.
    let look = matches!(next, Next::Look | Next::Repair) && !told.url.is_empty();
    let look = look.then(|| Action::Opened.button("Open the site").url(told.url).into());
    blocks.extend(Block::actions(repair.into_iter().flatten().chain(look)));
    Message::new(&fallback(told), blocks)
}

/// What can be done next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Nothing,
    Patience,
    Look,
    Repair,
}

/// What was asked for, in a few words.
fn what(told: &Told<'_>) -> Mrkdwn {
    let site = |text: Mrkdwn| text.bold(told.site_title);
    let subject = told.subject.map(str::trim).filter(|text| !text.is_empty());
    let post = |text: Mrkdwn| match subject {
        Some(title) => text.bold(title),
        None => text.raw("a post"),
    };
    let new = Mrkdwn::new;
    match told.action {
        "new" => site(post(new().raw("New post ")).raw(" on ")),
        "edit" => site(post(new().raw("Change of ")).raw(" on ")),
        "delete" => site(post(new().raw("Removal of ")).raw(" from ")),
        "publish post" => site(post(new().raw("Publication of ")).raw(" on ")),
        "rebuild" => site(new().raw("Rebuild of ")),
        "site add" => site(new().raw("New site ")),
        _ => site(new()),
    }
}

/// That it is stored, whatever happens next.
fn taken(action: &str) -> &'static str {
    match action {
        "new" | "edit" | "delete" | "publish post" => "Saved",
        _ => "Noted",
    }
}

/// The sign, the sentence and the next step of a state.
fn said(told: &Told<'_>) -> (&'static str, Mrkdwn, Next) {
    let new = Mrkdwn::new;
    let detail = told.detail.map(str::trim).filter(|text| !text.is_empty());
    match told.state {
        "waiting" => (
            ":hourglass_flowing_sand: ",
            match detail {
                Some(why) => new()
                    .raw(taken(told.action))
                    .raw(", ")
                    .then(&prose(&cut(why, 500))),
                None => new()
                    .raw(taken(told.action))
                    .raw(". The site is built in a moment."),
            },
            Next::Nothing,
        ),
        "building" => (
            ":hammer_and_wrench: ",
            new().raw("Building since ").date(told.at),
            Next::Nothing,
        ),
        "retrying" => (
            ":hourglass_flowing_sand: ",
            new()
                .raw(taken(told.action))
                .raw(", but the build could not be started yet. It is tried again by itself."),
            Next::Patience,
        ),
        "stuck" => (
            ":octagonal_sign: ",
            new().raw(
                "The build could not be started, many times in a row. It is tried once an hour. \
                 What is live stays as it was.",
            ),
            Next::Repair,
        ),
        "removed" => (
            ":wastebasket: ",
            new().raw("The site was removed before it was built."),
            Next::Nothing,
        ),
        "live" => (
            ":white_check_mark: ",
            new()
                .raw("Live at ")
                .link(told.url, told.url)
                .raw(" since ")
                .date(told.at),
            Next::Look,
        ),
        "accepted" => (
            ":outbox_tray: ",
            new()
                .raw("Netlify took it ")
                .date(told.at)
                .raw(". It tells no more: look at the site in a while."),
            Next::Look,
        ),
        "unchanged" => (
            ":white_check_mark: ",
            new().raw("Already live: nothing to build."),
            Next::Look,
        ),
        "failed" => (
            ":x: ",
            new()
                .raw("The build failed ")
                .date(told.at)
                .raw(". What is live stays as it was."),
            Next::Repair,
        ),
        "stalled" => (
            ":octagonal_sign: ",
            new().raw(
                "The build could not be started, and is not tried again by itself. \
                 What is live stays as it was.",
            ),
            Next::Repair,
        ),
        "lost" => (
            ":grey_question: ",
            new().raw("No news of the build for too long: nobody knows how it ended."),
            Next::Repair,
        ),
        "unknown" => (
            ":grey_question: ",
            new().raw(
                "Sent, but no answer came. It may be building; you are told when it is known.",
            ),
            Next::Nothing,
        ),
        "superseded" => (
            ":fast_forward: ",
            new().raw("A newer build took its place."),
            Next::Look,
        ),
        other => (
            ":information_source: ",
            new().raw("It is ").text(&cut(other, 100)).raw("."),
            Next::Look,
        ),
    }
}

fn fallback(told: &Told<'_>) -> String {
    let state = match told.state {
        "waiting" => "waits to be built",
        "building" => "is building",
        "live" => "is live",
        "accepted" => "was handed to Netlify",
        "unchanged" => "is already live",
        "failed" => "failed to build",
        "retrying" => "waits: its build could not be started yet",
        "stalled" | "stuck" => "could not be built",
        "removed" => "was removed before it was built",
        "lost" => "has an unknown outcome",
        "unknown" => "was sent, without an answer",
        "superseded" => "was overtaken by a newer build",
        other => other,
    };
    match told.subject {
        Some(subject) => format!("{subject} ({}) {state}", told.site_title),
        None => format!("{} {state}", told.site_title),
    }
}

/// One message for many results.
pub fn digest(digest: &Flood, at: Millis) -> Message {
    let total: u64 = digest
        .states
        .values()
        .fold(0, |all, count| all.saturating_add(*count));
    let heading = match total {
        1 => "1 site was built".to_owned(),
        total => format!("{total} sites were built"),
    };
    let order = ["live", "accepted", "failed", "stalled", "stuck", "lost"];
    let rest = digest
        .states
        .keys()
        .map(String::as_str)
        .filter(|state| !order.contains(state));
    let mut text = Mrkdwn::new()
        .raw(":bar_chart: ")
        .bold(&heading)
        .raw(", ")
        .date(at);
    for state in order.into_iter().chain(rest).take(12) {
        let Some(count) = digest.states.get(state).filter(|count| **count > 0) else {
            continue;
        };
        text = text.raw(match state {
            "live" => "\n:white_check_mark: ",
            "accepted" => "\n:outbox_tray: ",
            "failed" | "stalled" | "stuck" => "\n:x: ",
            _ => "\n:grey_question: ",
        });
        text = text.text(&match state {
            "live" => format!("{count} live"),
            "accepted" => format!("{count} handed to Netlify"),
            "failed" => format!("{count} failed"),
            "stalled" => format!("{count} could not be started"),
            "stuck" => format!("{count} could not be started yet"),
            other => format!("{count} {}", cut(other, 50)),
        });
    }
    let mut blocks = vec![Block::section(text)];
    if !digest.sites.is_empty() {
        let shown = digest.sites.len().min(20);
        let mut names =
            digest.sites[..shown]
                .iter()
                .enumerate()
                .fold(Mrkdwn::new(), |text, (at, name)| {
                    let text = if at > 0 { text.raw(", ") } else { text };
                    text.code(name.as_str())
                });
        let more = total.saturating_sub(shown as u64);
        if more > 0 {
            names = names.text(&format!(" and {more} more"));
        }
        blocks.push(Block::context(names));
    }
    blocks.extend(Block::actions([Action::Sites(0)
        .button("See all sites")
        .into()]));
    Message::new(&heading, blocks)
}
