//! Who may do what.

use super::grammar::Request;
use crate::config::Slack;
use crate::model::Running;

/// What somebody is in their workspace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rank {
    /// Administers it, or is listed in `sites.toml`.
    Admin,
    /// Anybody else.
    Member,
    /// Not known yet: it is being asked.
    Unknown,
}

/// Somebody who asks.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The platform's id of them.
    pub user: &'a str,
    /// What they are.
    pub rank: Rank,
    /// The channel that they ask in, where there is one.
    pub channel: Option<&'a str>,
}

/// Why not, for the person who asked.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// Not for members.
    #[error("Only admins may do that: of this workspace, or those whom `sites.toml` lists.")]
    AdminsOnly,
    /// It is not known yet who asks.
    #[error("I am asking who you are. Please try again in a few seconds.")]
    WhoAreYou,
    /// Not here.
    #[error("That is done in <#{0}> only.")]
    Elsewhere(String),
    /// Somebody else's.
    #[error("That post is somebody else's. Only its writer and admins may change it.")]
    NotYours,
}

/// What it takes to do something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Need {
    Nothing,
    Running,
    Admin,
}

fn need(request: &Request) -> Need {
    match request {
        Request::Rebuild { .. } | Request::Pause { .. } | Request::Resume { .. } => Need::Running,
        Request::SiteAdd { .. }
        | Request::SiteRemove { .. }
        | Request::Follow { .. }
        | Request::Unfollow { .. } => Need::Admin,
        Request::Home
        | Request::Help { .. }
        | Request::New { .. }
        | Request::List { .. }
        | Request::Edit { .. }
        | Request::Delete { .. }
        | Request::Info { .. }
        | Request::Status { .. }
        | Request::Sites
        | Request::Plan { .. }
        | Request::History { .. }
        | Request::Export => Need::Nothing,
    }
}

/// Whether the answer of [`may`] depends on the rank of who asks: finding it out costs a query.
pub fn needs_rank(request: &Request, slack: &Slack) -> bool {
    match need(request) {
        Need::Nothing => false,
        Need::Running => slack.running != Running::Everyone,
        Need::Admin => true,
    }
}

/// Whether somebody may do something, as far as that does not depend on whose post it is.
///
/// # Errors
///
/// [`Refusal`], for the person who asked.
pub fn may(request: &Request, caller: &Caller<'_>, slack: &Slack) -> Result<(), Refusal> {
    match (need(request), &slack.running) {
        (Need::Nothing, _) | (Need::Running, Running::Everyone) => Ok(()),
        (Need::Running, Running::Channel(channel)) => {
            match caller.channel == Some(channel.as_str()) {
                true => Ok(()),
                false => admin(caller, Refusal::Elsewhere(channel.clone())),
            }
        }
        (Need::Running, Running::Admins) | (Need::Admin, _) => admin(caller, Refusal::AdminsOnly),
    }
}

/// Whether somebody may change a post: their own, and admins any.
///
/// # Errors
///
/// [`Refusal`], for the person who asked.
pub fn may_change_post(
    caller: &Caller<'_>,
    written_by: Option<&str>,
    own_account: &str,
) -> Result<(), Refusal> {
    if written_by == Some(own_account) {
        return Ok(());
    }
    admin(caller, Refusal::NotYours)
}

fn admin(caller: &Caller<'_>, otherwise: Refusal) -> Result<(), Refusal> {
    match caller.rank {
        Rank::Admin => Ok(()),
        Rank::Unknown => Err(Refusal::WhoAreYou),
        Rank::Member => Err(otherwise),
    }
}
