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
    /// Not known: the platform was asked, and did not tell.
    Untold,
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
    /// It cannot be found out who asks. With their id.
    #[error(
        "I could not look up your rights: Slack does not tell them. Please try again in a minute. If \
         that does not help, whoever runs Microblot can find the reason in its log, or add your id \
         `{0}` to `admins` in `sites.toml`."
    )]
    Untold(String),
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
        (Need::Running, Running::Channel(channel)) => match caller.channel {
            Some(here) if here == channel => Ok(()),
            _ => admin(caller, Refusal::Elsewhere(channel.clone())),
        },
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
        Rank::Untold => Err(Refusal::Untold(caller.user.to_owned())),
        Rank::Member => Err(otherwise),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::grammar::parse;

    const ADMIN: Result<(), Refusal> = Ok(());
    const MEMBER: Result<(), Refusal> = Err(Refusal::AdminsOnly);
    const UNKNOWN: Result<(), Refusal> = Err(Refusal::WhoAreYou);

    fn slack(running: Running) -> Slack {
        Slack {
            running,
            ..Slack::default()
        }
    }

    fn caller(rank: Rank, channel: Option<&str>) -> Caller<'_> {
        Caller {
            user: "U1",
            rank,
            channel,
        }
    }

    fn decided(
        line: &str,
        rank: Rank,
        channel: Option<&str>,
        slack: &Slack,
    ) -> Result<(), Refusal> {
        may(&parse(line).unwrap(), &caller(rank, channel), slack)
    }

    #[test]
    fn everybody_may_look_and_write_everywhere() {
        let looking = [
            "",
            "help",
            "new",
            "list",
            "edit 4k9x2mzq7c",
            "delete 4k9x2mzq7c",
            "info",
            "status",
            "sites",
            "plan",
            "history www",
            "export",
        ];
        let settings = [
            Running::Everyone,
            Running::Admins,
            Running::Channel("C1".to_owned()),
        ];
        for running in settings {
            let slack = slack(running);
            for line in looking {
                assert!(!needs_rank(&parse(line).unwrap(), &slack), "{line}");
                for rank in [Rank::Admin, Rank::Member, Rank::Unknown] {
                    assert_eq!(decided(line, rank, None, &slack), Ok(()), "{line}");
                }
            }
        }
    }

    #[test]
    fn running_sites_is_for_those_whom_the_file_names() {
        let elsewhere = || Err(Refusal::Elsewhere("C1".to_owned()));
        let there = Running::Channel("C1".to_owned());
        for line in ["rebuild www", "pause www", "resume www"] {
            for (running, channel, admin, member, unknown) in [
                (Running::Everyone, None, Ok(()), Ok(()), Ok(())),
                (Running::Admins, None, ADMIN, MEMBER, UNKNOWN),
                (Running::Admins, Some("C1"), ADMIN, MEMBER, UNKNOWN),
                (there.clone(), Some("C1"), Ok(()), Ok(()), Ok(())),
                // They may be an admin, who may do it from anywhere.
                (there.clone(), Some("C2"), ADMIN, elsewhere(), UNKNOWN),
                (there.clone(), None, ADMIN, elsewhere(), UNKNOWN),
            ] {
                let slack = slack(running);
                let is_free = slack.running == Running::Everyone;
                assert_eq!(
                    needs_rank(&parse(line).unwrap(), &slack),
                    !is_free,
                    "{line}"
                );
                let ranks = [
                    (Rank::Admin, admin),
                    (Rank::Member, member),
                    (Rank::Unknown, unknown),
                ];
                for (rank, expected) in ranks {
                    let decided = decided(line, rank, channel, &slack);
                    assert_eq!(decided, expected, "{line} {rank:?} {channel:?} {slack:?}");
                }
            }
        }
    }

    #[test]
    fn sites_and_channels_are_for_admins_whoever_may_run() {
        for line in [
            "site add garden",
            "site remove garden",
            "follow <#C024BE91L>",
            "unfollow <#C024BE91L>",
        ] {
            for running in [Running::Everyone, Running::Channel("C1".to_owned())] {
                let slack = slack(running);
                assert!(needs_rank(&parse(line).unwrap(), &slack), "{line}");
                for (rank, expected) in [
                    (Rank::Admin, ADMIN),
                    (Rank::Member, MEMBER),
                    (Rank::Unknown, UNKNOWN),
                    (Rank::Untold, Err(Refusal::Untold("U1".to_owned()))),
                ] {
                    let decided = decided(line, rank, Some("C1"), &slack);
                    assert_eq!(decided, expected, "{line} {rank:?}");
                }
            }
        }
    }

    #[test]
    fn a_post_is_its_writers_and_the_admins() {
        let own = "slack:T1:U1";
        for (rank, written_by, expected) in [
            (Rank::Member, Some(own), Ok(())),
            (Rank::Unknown, Some(own), Ok(())),
            (Rank::Admin, Some("slack:T1:U2"), Ok(())),
            (Rank::Admin, None, Ok(())),
            (Rank::Member, Some("slack:T1:U2"), Err(Refusal::NotYours)),
            (Rank::Member, Some("slack:T2:U1"), Err(Refusal::NotYours)),
            (Rank::Member, None, Err(Refusal::NotYours)),
            (Rank::Unknown, None, UNKNOWN),
            (Rank::Untold, Some(own), Ok(())),
            (
                Rank::Untold,
                Some("slack:T1:U2"),
                Err(Refusal::Untold("U1".to_owned())),
            ),
        ] {
            let decided = may_change_post(&caller(rank, None), written_by, own);
            assert_eq!(decided, expected, "{rank:?} {written_by:?}");
        }
    }
}
