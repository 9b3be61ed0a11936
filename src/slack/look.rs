//! Questions: answered from what the loop saw, or with one indexed query.

use super::answer::{Desk, Trouble};
use super::blocks::{Message, View};
use super::screens;
use crate::chat::grammar::{SiteArg, Which};
use crate::chat::help;
use crate::chat::policy::{self, Rank};
use crate::chat::verbs::Verb;
use crate::config;
use crate::engine::snapshot::Card;
use crate::model::{BuilderSpec, Counts, Decision, Origin, Plan, PostState, SiteName};
use crate::plan::show;
use crate::store::{Listed, PostFilter};

/// More drafts than anybody reads through.
const MANY: u32 = 1_000;

pub(super) fn help(verb: Option<&'static Verb>) -> Message {
    let one = |verb| vec![("What you can do", vec![help::line(verb)])];
    let parts = verb.map_or_else(help::all, one);
    let parts: Vec<_> = parts
        .iter()
        .map(|(heading, lines)| (*heading, help_lines(lines, verb.is_some())))
        .collect();
    screens::help(&parts)
}

fn help_lines(lines: &[help::HelpLine], examples: bool) -> Vec<screens::HelpLine<'_>> {
    let shown = |line: &help::HelpLine| examples.then_some(line.example);
    lines
        .iter()
        .map(|line| screens::HelpLine {
            usage: &line.usage,
            summary: line.summary,
            example: shown(line),
        })
        .collect()
}

/// How a site is, as lists show it.
pub(super) fn row(at: &Desk<'_>, card: &Card) -> screens::SiteRowView {
    let (title, url) = (&card.spec.title, &card.spec.url);
    match at.snapshot.of(&card.name) {
        Some(plan) => screens::SiteRowView::new(plan, at.snapshot.plan.now, title, url),
        // The loop looks again in a moment.
        None => screens::SiteRowView {
            name: card.name.clone(),
            title: title.clone(),
            url: url.clone(),
            mood: screens::Mood::Waiting,
            reason: "not looked at yet".to_owned(),
            may_resume: false,
        },
    }
}

/// What keeps a site from being built soon, for whoever just asked for it.
pub(super) fn obstacle(at: &Desk<'_>, card: &Card) -> Option<String> {
    let plan = at.snapshot.of(&card.name)?;
    if let Some(hold) = &plan.hold {
        let (title, name) = (&card.spec.title, &card.name);
        let then = match hold.until {
            Some(until) => {
                let left = show::duration(until.since(at.snapshot.plan.now));
                format!("in {left}, or when")
            }
            None => "when".to_owned(),
        };
        return Some(format!(
            "{title} is paused by {}: it goes out {then} somebody says `/microblot resume {name}`.",
            hold.by
        ));
    }
    matches!(plan.decision, Decision::Attention(_)).then(|| {
        format!(
            "{} needs attention first: `/microblot status {}` says why.",
            card.spec.title, card.name
        )
    })
}

pub(super) fn sites(at: &Desk<'_>, page: u32) -> Message {
    let count = at.all().count();
    let per_page = screens::SITES as usize;
    let pages = u32::try_from(count.div_ceil(per_page)).unwrap_or(u32::MAX);
    let page = page.min(pages.saturating_sub(1));
    let make = |problem: Option<&str>| {
        let rows: Vec<_> = at
            .all()
            .skip(page as usize * per_page)
            .take(per_page)
            .map(|card| row(at, card))
            .collect();
        screens::sites(&rows, page, pages, problem)
    };
    let team = &at.caller.team;
    let problem = at.app.file_problem(at.snapshot, team);
    let kept = at.app.pages();
    kept.get(at.snapshot, problem, team, page, make)
}

pub(super) async fn status(at: &Desk<'_>, card: &Card) -> Result<Message, Trouble> {
    Ok(screens::status(&screens::SiteView {
        row: row(at, card),
        built_at: card.built_at,
        recent: Vec::new(),
        may_run: true,
        problem: at.app.file_problem(at.snapshot, &at.caller.team),
    }))
}

/// The plan of this workspace's sites, or of one.
pub(super) fn plan(at: &Desk<'_>, site: Option<&SiteArg>) -> Result<Message, Trouble> {
    let only = site.map(|site| at.site(site)).transpose()?;
    let sites: Vec<_> = at
        .all()
        .filter(|card| only.is_none_or(|only| only.name == card.name))
        .filter_map(|card| at.snapshot.of(&card.name).cloned())
        .collect();
    let mut counts = Counts::default();
    for site in &sites {
        *match site.decision {
            Decision::Build(_) => &mut counts.build,
            Decision::Wait { .. } => &mut counts.wait,
            Decision::Attention(_) => &mut counts.attention,
            Decision::Forget => &mut counts.forget,
            Decision::Unchanged => &mut counts.unchanged,
        } += 1;
    }
    let whole = &at.snapshot.plan;
    Ok(screens::plan(&Plan {
        id: whole.id,
        now: whole.now,
        sites,
        counts,
        budget: whole.budget,
    }))
}

pub(super) async fn history(at: &Desk<'_>, card: &Card) -> Result<Message, Trouble> {
    let builds = at.app.store.builds(&card.id, screens::BUILDS).await?;
    let (title, url) = (&card.spec.title, &card.spec.url);
    let now = at.snapshot.plan.now;
    Ok(screens::history(&card.name, title, url, &builds, now))
}

/// Sites that were made in chat, as `sites.toml` has them.
pub(super) fn export(at: &Desk<'_>) -> Message {
    let toml: String = at
        .all()
        .filter(|card| card.origin == Origin::Chat)
        .map(|card| config::to_toml(&card.name, &card.spec))
        .collect();
    if toml.is_empty() {
        return screens::note("No site was made in chat.");
    }
    screens::export(&toml)
}

pub(super) async fn info(at: &Desk<'_>, site: Option<&SiteArg>) -> Result<Message, Trouble> {
    let Some(card) = at.site_or_only(site)? else {
        return Ok(sites(at, 0));
    };
    let store = &at.app.store;
    let of = |drafts| PostFilter {
        site: Some(card.name.clone()),
        drafts,
        ..PostFilter::default()
    };
    let all = store.count_posts(&of(false)).await?;
    let unseen = store.posts(&of(true), MANY).await?;
    let scheduled = unseen
        .iter()
        .filter(|post| post.state == PostState::Scheduled)
        .count() as u64;
    let drafts = unseen.len() as u64 - scheduled;
    // Those that were followed in chat, too.
    let channels = store.channels(Some(&at.caller.team)).await?;
    let home = card.spec.url.trim_end_matches('/');
    let place = match card.spec.build {
        BuilderSpec::Render { .. } => home.to_owned(),
        BuilderSpec::Netlify { .. } => format!("{}/sites/{}", at.app.address, card.name),
    };
    let feeds = vec![format!("{place}/feed.json"), format!("{place}/feed.atom")];
    Ok(screens::info(&screens::InfoView {
        name: card.name.clone(),
        title: card.spec.title.clone(),
        url: card.spec.url.clone(),
        feeds,
        published: all.saturating_sub(unseen.len() as u64),
        drafts,
        scheduled,
        channels: channels
            .into_iter()
            .filter(|channel| channel.site == card.id)
            .map(|channel| channel.id)
            .collect(),
        source: match card.source {
            Some(source) => source.to_string(),
            None => "chat".to_owned(),
        },
    }))
}

/// A page of posts, as whoever asks may see them: other people's drafts are theirs. Behind the last
/// page there is the last one: posts may be deleted since the button was shown.
pub(super) async fn page(
    at: &Desk<'_>,
    mut of: screens::ListOf,
) -> Result<screens::PostsPage, Trouble> {
    let card = of.site.as_ref().map(|name| at.named(name)).transpose()?;
    let account = at.caller.account();
    let rank = at.app.rank(at.caller, at.snapshot).await?;
    let mut filter = PostFilter {
        site: card.map(|card| card.name.clone()),
        // Drafts of others are theirs, and an admin's to manage.
        seen_by: (rank != Rank::Admin).then(|| account.clone()),
        sites: Some(at.all().map(|card| card.name.clone()).collect()),
        drafts: of.which.is_drafts(),
        account: of.which.is_mine().then(|| account.clone()),
        ..PostFilter::default()
    };
    let total = at.app.store.count_posts(&filter).await?;
    let pages = u32::try_from(total.div_ceil(u64::from(screens::POSTS))).unwrap_or(u32::MAX);
    of.page = of.page.min(pages.saturating_sub(1));
    filter.offset = of.page.saturating_mul(screens::POSTS);
    let posts = at.app.store.posts(&filter, screens::POSTS).await?;
    let asker = at.caller.ranked(rank);
    Ok(screens::PostsPage {
        site_title: card.map(|card| card.spec.title.clone()),
        rows: posts
            .into_iter()
            .map(|post| {
                let may_change = policy::may_change_post(&asker, post.account.as_deref(), &account);
                listed(at, post, may_change.is_ok())
            })
            .collect(),
        of,
        total,
    })
}

pub(super) async fn posts(
    at: &Desk<'_>,
    site: Option<&SiteArg>,
    whose: Which,
    page_number: u32,
) -> Result<Message, Trouble> {
    let card = site.map(|site| at.site(site)).transpose()?;
    let of = screens::ListOf {
        site: card.map(|card| card.name.clone()),
        which: whose,
        page: page_number,
    };
    Ok(screens::posts(&page(at, of).await?))
}

/// A post of a list, as it is shown.
pub(super) fn listed(at: &Desk<'_>, post: Listed, may_change: bool) -> screens::PostRow {
    let card = post
        .site
        .parse::<SiteName>()
        .ok()
        .and_then(|name| at.snapshot.site(&at.caller.team, &name));
    screens::PostRow {
        id: post.id,
        title: post.title,
        site_title: card.map_or_else(|| post.site.clone(), |card| card.spec.title.clone()),
        state: post.state,
        publish_at: post.publish_at,
        updated_at: post.updated_at,
        url: card
            .filter(|_| post.state == PostState::Published)
            .map(|card| address(card, &post.slug)),
        may_change,
    }
}

/// Where readers find a post, on the sites whose addresses we make ourselves; the front page of
/// the others.
pub(super) fn address(card: &Card, slug: &str) -> String {
    let home = card.spec.url.trim_end_matches('/');
    match card.spec.build {
        BuilderSpec::Render { .. } => format!("{home}/{slug}.html"),
        BuilderSpec::Netlify { .. } => card.spec.url.clone(),
    }
}

/// The main modal.
pub(super) async fn home(at: &Desk<'_>) -> Result<View, Trouble> {
    Ok(screens::main_modal(&overview(at).await?))
}

/// What somebody sees of their workspace.
pub(super) async fn overview(at: &Desk<'_>) -> Result<screens::Home, Trouble> {
    let store = &at.app.store;
    let account = at.caller.account();
    let mut blogs = Vec::new();
    for (number, card) in at.all().enumerate() {
        let (mut published, mut drafts) = (0, 0);
        if number < screens::BLOGS {
            let mut of = PostFilter {
                site: Some(card.name.clone()),
                ..PostFilter::default()
            };
            let all = store.count_posts(&of).await?;
            of.drafts = true;
            published = all.saturating_sub(store.count_posts(&of).await?);
            of.account = Some(account.clone());
            drafts = store.count_posts(&of).await?;
        }
        blogs.push(screens::Blog {
            row: row(at, card),
            published,
            drafts,
        });
    }
    let mine = PostFilter {
        sites: Some(at.all().map(|card| card.name.clone()).collect()),
        drafts: true,
        account: Some(account),
        ..PostFilter::default()
    };
    let drafts = store.posts(&mine, 6).await?;
    Ok(screens::Home {
        blogs,
        drafts: drafts
            .into_iter()
            .map(|post| listed(at, post, true))
            .collect(),
    })
}
