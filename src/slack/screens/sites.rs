//! How sites are: lists, one of them, the plan, what was built.

use std::collections::BTreeMap;

use super::actions::{Action, ListOf};
use super::messages::{code, prose};
use crate::chat::grammar::Which;
use crate::model::{Attention, BuildState, Decision, Millis, Plan, SiteName, SitePlan, Wait};
use crate::plan::show;
use crate::slack::blocks::{Block, Message, Mrkdwn, cut};
use crate::store::BuildRow;

/// Sites on one page of a list.
pub const SITES: u32 = 20;
/// Builds that a history shows.
pub const BUILDS: u32 = 15;

/// A longer title is cut in a list, which would be hard to read with it.
pub(super) const TITLE: usize = 150;
/// So is a longer reason; the history of the site has it whole.
const REASON: usize = 400;

/// How a site is, at a glance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mood {
    /// As it was built; nothing to do.
    Settled,
    /// A build is under way, or is about to be.
    Building,
    /// A change waits for something.
    Waiting,
    /// Somebody paused it.
    Paused,
    /// A person has to look.
    Attention,
}

impl Mood {
    /// Of a decision.
    pub fn of(plan: &SitePlan) -> Self {
        match &plan.decision {
            // A pause counts for people before there is anything to build.
            Decision::Unchanged if plan.hold.is_some() => Self::Paused,
            Decision::Unchanged | Decision::Forget => Self::Settled,
            Decision::Build(_)
            | Decision::Wait {
                why: Wait::InFlight { .. },
                ..
            } => Self::Building,
            Decision::Wait {
                why: Wait::Held(_), ..
            } => Self::Paused,
            Decision::Wait { .. } => Self::Waiting,
            Decision::Attention(_) => Self::Attention,
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Self::Settled => ":large_green_circle: ",
            Self::Building => ":hammer_and_wrench: ",
            Self::Waiting => ":hourglass_flowing_sand: ",
            Self::Paused => ":double_vertical_bar: ",
            Self::Attention => ":red_circle: ",
        }
    }
}

/// A site as it is listed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SiteRowView {
    /// Its name.
    pub name: SiteName,
    /// What people call it.
    pub title: String,
    /// Where it is published.
    pub url: String,
    /// How it is.
    pub mood: Mood,
    /// Why, in a line.
    pub reason: String,
    /// Whether there is a pause to end, or a failure to forgive.
    pub may_resume: bool,
}

impl SiteRowView {
    /// From the plan, as of `now` ([`Plan::now`]).
    pub fn new(plan: &SitePlan, now: Millis, title: &str, url: &str) -> Self {
        Self {
            name: plan.site.clone(),
            title: title.to_owned(),
            url: url.to_owned(),
            mood: Mood::of(plan),
            reason: reason(plan, now),
            may_resume: Mood::of(plan) == Mood::Paused
                || matches!(
                    plan.decision,
                    Decision::Attention(Attention::Stalled { .. } | Attention::Broken { .. })
                ),
        }
    }
}

/// The reason of a decision, with what can be done about it in chat.
pub(super) fn reason(plan: &SitePlan, now: Millis) -> String {
    match &plan.decision {
        Decision::Unchanged => match show::pause(plan, now) {
            Some(pause) => format!("up to date; {pause}"),
            None => "up to date".to_owned(),
        },
        _ => show::reason_in_chat(plan, now),
    }
}

/// A page of sites, counted from 0. `problem`: what is wrong with `sites.toml`, if anything is.
pub fn sites(rows: &[SiteRowView], page: u32, pages: u32, problem: Option<&str>) -> Message {
    let mut blocks = vec![Block::header("Sites")];
    blocks.extend(problem.map(file_problem));
    if rows.is_empty() {
        blocks.push(Block::section(Mrkdwn::new().raw(
            "No site yet. `/microblot site add NAME` makes one, \
             or somebody declares it in `sites.toml`.",
        )));
    }
    blocks.extend(rows.iter().take(SITES as usize).map(|row| {
        Block::section_with(
            line(row),
            Action::Status(row.name.clone()).button("Details"),
        )
    }));
    if pages > 1 {
        let place = format!("Page {} of {pages}", u64::from(page) + 1);
        blocks.push(Block::context(Mrkdwn::new().text(&place)));
    }
    let previous = page
        .checked_sub(1)
        .map(|to| Action::Sites(to).button("← Previous").into());
    let next = (u64::from(page) + 1 < u64::from(pages)).then(|| {
        Action::Sites(page.saturating_add(1))
            .button("Next →")
            .into()
    });
    blocks.extend(Block::actions([previous, next].into_iter().flatten()));
    Message::new("Your sites", blocks)
}

fn file_problem(problem: &str) -> Block {
    let text = Mrkdwn::new()
        .raw(":warning: `sites.toml` is not in force as it stands; what was last published is.\n")
        .code_block(&cut(problem, 1500));
    Block::section(text)
}

/// A site with its sign and the reason.
pub(super) fn line(row: &SiteRowView) -> Mrkdwn {
    Mrkdwn::new()
        .raw(row.mood.sign())
        .raw("*")
        .link(&row.url, &cut(&row.title, TITLE))
        .raw("*  ")
        .code(row.name.as_str())
        .raw("\n")
        .then(&prose(&cut(&row.reason, REASON)))
}

/// One site, closely.
#[derive(Clone, Debug)]
pub struct SiteView {
    /// What lists show of it.
    pub row: SiteRowView,
    /// When it was last built.
    pub built_at: Option<Millis>,
    /// Its newest builds; the first few are shown.
    pub recent: Vec<BuildRow>,
    /// Whether the person who looks may rebuild and resume.
    pub may_run: bool,
    /// What is wrong with `sites.toml`, if anything is.
    pub problem: Option<String>,
}

/// How one site is.
pub fn status(site: &SiteView) -> Message {
    let SiteView {
        row,
        built_at,
        recent,
        may_run,
        problem,
    } = site;
    let mut blocks = Vec::new();
    blocks.extend(problem.as_deref().map(file_problem));
    blocks.push(Block::section(line(row)));
    blocks.push(Block::context(match built_at {
        Some(at) => Mrkdwn::new().raw("Last built ").date(*at),
        None => Mrkdwn::new().raw("Never built"),
    }));
    blocks.extend(recent.iter().take(3).map(|row| Block::section(build(row))));
    let name = &row.name;
    let resume = row.may_resume.then(|| {
        Action::Resume(name.clone())
            .button("Resume")
            .primary()
            .into()
    });
    let rebuild = Action::Rebuild(name.clone()).button("Rebuild").into();
    let run = [resume, Some(rebuild)]
        .into_iter()
        .flatten()
        .filter(|_| *may_run);
    let look = [
        Action::History(name.clone()).button("History").into(),
        Action::Opened.button("Open the site").url(&row.url).into(),
    ];
    blocks.extend(Block::actions(run.chain(look)));
    Message::new(&format!("{}: {}", row.title, row.reason), blocks)
}

/// What would be done about every site: the same plan as on the command line.
pub fn plan(plan: &Plan) -> Message {
    let options = show::TextOptions {
        in_chat: true,
        ..show::TextOptions::default()
    };
    let text = show::text(plan, &BTreeMap::new(), options);
    let mut blocks = vec![Block::header("Plan")];
    blocks.extend(code(
        &text,
        "There is more: `/microblot plan SITE` shows one site, \
         and `microblot reconcile --plan` on the command line all of them.",
    ));
    let last = text.trim_end().lines().next_back().unwrap_or("Plan");
    if blocks.len() > 2 {
        // The counts, in case that they were cut.
        blocks.push(Block::context(Mrkdwn::new().text(last)));
    }
    Message::new(last, blocks)
}

/// What was built of a site: why, who asked, how long it took.
pub fn history(site: &SiteName, title: &str, url: &str, rows: &[BuildRow], now: Millis) -> Message {
    let heading = format!("Builds of {title}");
    let mut blocks = vec![Block::header(&heading)];
    if rows.is_empty() {
        blocks.push(Block::section(Mrkdwn::new().raw("It was never built.")));
    }
    blocks.extend(rows.iter().take(BUILDS as usize).map(|row| {
        let mut text = build(row);
        if !row.state.is_over() {
            let since = show::duration(now.since(row.fired_at));
            text = text.text(&format!(" · for {since} now"));
        }
        Block::section(text)
    }));
    blocks.extend(Block::actions([
        Action::Status(site.clone()).button("Status").into(),
        Action::Opened.button("Open the site").url(url).into(),
    ]));
    Message::new(&heading, blocks)
}

fn build(row: &BuildRow) -> Mrkdwn {
    let mut text = Mrkdwn::new()
        .raw(match row.state {
            BuildState::Live => ":white_check_mark: ",
            BuildState::Accepted => ":outbox_tray: ",
            BuildState::Failed | BuildState::Refused | BuildState::Lost => ":x: ",
            BuildState::Claimed | BuildState::Unknown => ":hammer_and_wrench: ",
            BuildState::Superseded => ":fast_forward: ",
        })
        .text(word(row.state))
        .raw(" · ")
        .date(row.fired_at)
        .raw(" · ")
        .text(&cut(&row.reason, REASON));
    if let Some(by) = &row.requested_by
        && !row.reason.contains(by.as_str())
    {
        text = text.raw(" · asked for by ").text(&cut(by, TITLE));
    }
    if let Some(ended) = row.ended_at {
        let took = ended.since(row.fired_at);
        let took = match took.as_secs() {
            0 => format!("{} ms", took.as_millis()),
            _ => show::duration(took),
        };
        text = text.raw(" · took ").text(&took);
    }
    if let Some(detail) = &row.detail {
        let detail = cut(&show::plain(detail), 500);
        text = text.raw("\n").code(&detail);
    }
    text
}

fn word(state: BuildState) -> &'static str {
    match state {
        BuildState::Claimed => "Building",
        BuildState::Unknown => "Sent, no answer yet",
        BuildState::Accepted => "Handed over",
        BuildState::Live => "Live",
        BuildState::Failed => "Failed",
        BuildState::Refused => "Refused",
        BuildState::Lost => "Lost",
        BuildState::Superseded => "Overtaken",
    }
}

/// What there is to know about a blog.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InfoView {
    /// Its name.
    pub name: SiteName,
    /// What people call it.
    pub title: String,
    /// Where it is published.
    pub url: String,
    /// The addresses of its feeds.
    pub feeds: Vec<String>,
    /// Published posts.
    pub published: u64,
    /// Drafts.
    pub drafts: u64,
    /// Posts that have their time still to come.
    pub scheduled: u64,
    /// Slack's ids of the channels that are mirrored into it.
    pub channels: Vec<String>,
    /// The line of `sites.toml` that declares it, or that it was made in chat.
    pub source: String,
}

/// A blog: its address, feeds and counts.
pub fn info(info: &InfoView) -> Message {
    let InfoView {
        name,
        title,
        url,
        feeds,
        published,
        drafts,
        scheduled,
        channels,
        source,
    } = info;
    let mut text = Mrkdwn::new()
        .raw("*")
        .link(url, title)
        .raw("*  ")
        .code(name.as_str())
        .raw("\n")
        .text(&format!(
            "{published} published, {drafts} {}, {scheduled} to come",
            if *drafts == 1 { "draft" } else { "drafts" }
        ));
    for feed in feeds.iter().take(5) {
        text = text.raw("\nFeed: ").link(feed, feed);
    }
    let mut blocks = vec![Block::section(text)];
    if !channels.is_empty() {
        let mirrored = channels
            .iter()
            .take(20)
            .fold(Mrkdwn::new().raw("Mirrors"), |text, channel| {
                text.raw(" ").channel(channel)
            });
        blocks.push(Block::context(mirrored));
    }
    blocks.push(Block::context(
        Mrkdwn::new().raw("Declared in ").text(source),
    ));
    let list = |which| {
        Action::List(ListOf {
            site: Some(name.clone()),
            which,
            page: 0,
        })
    };
    blocks.extend(Block::actions([
        Action::New(Some(name.clone()))
            .button("New post")
            .primary()
            .into(),
        list(Which::Drafts).button("Drafts").into(),
        list(Which::All).button("All posts").into(),
        Action::Opened.button("Open the blog").url(url).into(),
    ]));
    Message::new(title, blocks)
}
