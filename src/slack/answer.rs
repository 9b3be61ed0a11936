//! One answer for one request, wherever it came from: a command, a button, the Home tab.

use std::time::Duration;

use super::app::App;
use super::blocks::{Message, View};
use super::caller::Caller;
use super::screens;
use super::{editor, follow, look, run, site, write};
use crate::chat::grammar::{Request, SiteArg};
use crate::chat::policy::{self, Refusal};
use crate::engine::snapshot::{Card, Snapshot};
use crate::model::SiteName;
use crate::store::StoreError;

/// What somebody gets to see.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// A message.
    Say(Box<Message>),
    /// A modal.
    Open(Box<View>),
}

/// Why there is no such answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// Whoever asked can do something about it: a text for them.
    #[error("{0}")]
    Refused(String),
    /// They may not.
    #[error(transparent)]
    Denied(#[from] Refusal),
    /// The database failed: they can try again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Message> for Answer {
    fn from(message: Message) -> Self {
        Self::Say(Box::new(message))
    }
}

impl From<View> for Answer {
    fn from(view: View) -> Self {
        Self::Open(Box::new(view))
    }
}

/// Slack gives up after 3 seconds, and shows a message that helps nobody.
pub(super) const PATIENCE: Duration = Duration::from_millis(2_500);

/// Answers a request. `id` is the same for every time that the same request comes.
pub(super) async fn answer(app: &App, caller: &Caller, request: &Request, id: &str) -> Answer {
    within(answer_it(app, caller, request, id)).await
}

/// What came of it, or a text about what went wrong, in time.
pub(super) async fn within(work: impl Future<Output = Result<Answer, Trouble>>) -> Answer {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(trouble)) => excuse(&trouble).into(),
        Err(_elapsed) => screens::trouble(BUSY).into(),
    }
}

const BUSY: &str = "Microblot is busy right now. Please try again in a moment.";

/// A text for whoever asked; details for the log.
pub(super) fn excuse(trouble: &Trouble) -> Message {
    match trouble {
        Trouble::Refused(text) => screens::refusal(text),
        Trouble::Denied(Refusal::Elsewhere(channel)) => screens::elsewhere(channel),
        Trouble::Denied(refusal) => screens::refusal(&refusal.to_string()),
        Trouble::Store(error) => {
            tracing::error!(error = %crate::chain(error), "cannot answer in Slack");
            screens::trouble(BUSY)
        }
    }
}

async fn answer_it(
    app: &App,
    caller: &Caller,
    request: &Request,
    id: &str,
) -> Result<Answer, Trouble> {
    let snapshot = seen(app, caller).await?;
    if let Request::Help { verb } = request {
        return Ok(look::help(*verb).into());
    }
    let at = Desk::open(app, caller, &snapshot, id)?;
    // Who somebody is costs a query, and matters for few requests.
    if policy::needs_rank(request, &snapshot.settings.slack) {
        let rank = app.rank(caller, &snapshot).await?;
        policy::may(request, &caller.ranked(rank), &snapshot.settings.slack)?;
    }
    Ok(match request {
        Request::Help { verb } => look::help(*verb).into(),
        Request::Home => look::home(&at).await?.into(),
        Request::List { site, which } => look::posts(&at, site.as_ref(), *which, 0).await?.into(),
        Request::Info { site } => look::info(&at, site.as_ref()).await?.into(),
        Request::Status { site: None } | Request::Sites => look::sites(&at, 0).into(),
        Request::Status { site: Some(site) } => look::status(&at, at.site(site)?).await?.into(),
        Request::Plan { site } => look::plan(&at, site.as_ref())?.into(),
        Request::History { site } => look::history(&at, at.site(site)?).await?.into(),
        Request::Export => look::export(&at).into(),
        Request::New { site } => editor::new(&at, site.as_ref())?.into(),
        Request::Edit { post } => editor::edit(&at, post).await?,
        Request::Delete { post } => write::ask_delete(&at, post).await?.into(),
        Request::Rebuild { site, clear_cache } => run::rebuild(&at, at.site(site)?, *clear_cache)
            .await?
            .into(),
        Request::Pause {
            site,
            duration,
            because,
        } => run::pause(&at, at.site(site)?, *duration, because.as_deref())
            .await?
            .into(),
        Request::Resume { site } => run::resume(&at, at.site(site)?).await?.into(),
        Request::SiteAdd {
            name,
            title,
            url,
            hook,
        } => site::add(&at, name, title.as_deref(), url.as_deref(), hook.as_deref())
            .await?
            .into(),
        Request::SiteRemove { site: gone } => site::remove(&at, at.site(gone)?).await?.into(),
        Request::Follow { channel, site } => {
            follow::follow(&at, channel, site.as_ref()).await?.into()
        }
        Request::Unfollow { channel } => follow::ask(&at, channel).await?.into(),
    })
}

/// What the loop saw, with what was changed here before: without it nothing can be answered.
pub(super) async fn seen(app: &App, caller: &Caller) -> Result<Snapshot, Trouble> {
    app.snapshot_for(&caller.team).await.ok_or_else(|| {
        Trouble::Refused("Microblot is just starting. Please try again in a moment.".to_owned())
    })
}

/// What it takes to answer: who asks, and what is known.
#[derive(Clone, Copy)]
pub(super) struct Desk<'a> {
    pub(super) app: &'a App,
    pub(super) caller: &'a Caller,
    pub(super) snapshot: &'a Snapshot,
    /// Of the request.
    pub(super) id: &'a str,
}

impl<'a> Desk<'a> {
    /// For a workspace that has anything to do with this server.
    pub(super) fn open(
        app: &'a App,
        caller: &'a Caller,
        snapshot: &'a Snapshot,
        id: &'a str,
    ) -> Result<Self, Trouble> {
        let team = &caller.team;
        if snapshot.sites.contains_key(team) || app.tokens.has(team) {
            return Ok(Self {
                app,
                caller,
                snapshot,
                id,
            });
        }
        Err(Trouble::Refused(format!(
            "No site belongs to this workspace yet. Whoever runs Microblot adds \
             `slack = {{ workspace = \"{team}\" }}` to a site in `sites.toml`."
        )))
    }

    /// The site that is meant.
    pub(super) fn site(&self, site: &SiteArg) -> Result<&'a Card, Trouble> {
        let found = match site {
            SiteArg::Name(name) => self.snapshot.site(&self.caller.team, name),
            SiteArg::Address(address) => self.all().find(|card| is_at(card, address)),
        };
        found.ok_or_else(|| self.unknown(site))
    }

    /// The site that is meant, or the only one that there is; `None`: any.
    pub(super) fn site_or_only(&self, site: Option<&SiteArg>) -> Result<Option<&'a Card>, Trouble> {
        match site {
            Some(site) => self.site(site).map(Some),
            None => Ok(self.only()),
        }
    }

    /// The only site of the workspace, if it has one.
    pub(super) fn only(&self) -> Option<&'a Card> {
        let mut all = self.all();
        let first = all.next()?;
        all.next().is_none().then_some(first)
    }

    /// All sites of the workspace, in the order of their names.
    pub(super) fn all(&self) -> impl Iterator<Item = &'a Card> + use<'a> {
        self.snapshot.of_workspace(&self.caller.team)
    }

    /// A site by its name.
    pub(super) fn named(&self, name: &SiteName) -> Result<&'a Card, Trouble> {
        self.snapshot
            .site(&self.caller.team, name)
            .ok_or_else(|| self.unknown(&SiteArg::Name(name.clone())))
    }

    fn unknown(&self, site: &SiteArg) -> Trouble {
        let asked = match site {
            SiteArg::Name(name) => name.as_str(),
            SiteArg::Address(address) => address,
        };
        let near = self
            .all()
            .map(|card| (strsim::jaro_winkler(card.name.as_str(), asked), card))
            .filter(|(likeness, _)| *likeness > 0.8)
            .max_by(|(a, _), (b, _)| a.total_cmp(b));
        let asked: String = asked.chars().take(80).collect();
        Trouble::Refused(match near {
            Some((_, card)) => {
                format!(
                    "This workspace has no site {asked}. Did you mean `{}`?",
                    card.name
                )
            }
            None => format!(
                "This workspace has no site {asked}. `/microblot sites` shows those that it has."
            ),
        })
    }
}

/// Whether an address, or the host of one, is that of a site.
fn is_at(card: &Card, address: &str) -> bool {
    let bare = |text: &str| {
        let text = text.trim().trim_end_matches('/');
        let text = text.split_once("://").map_or(text, |(_, rest)| rest);
        text.to_ascii_lowercase()
    };
    bare(&card.spec.url) == bare(address)
}
