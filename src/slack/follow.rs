//! Channels whose messages become posts.

use super::answer::{Desk, Trouble};
use super::blocks::Message;
use super::run::once;
use super::screens;
use crate::chat::grammar::{ChannelArg, Request, SiteArg};
use crate::chat::policy;
use crate::model::Origin;
use crate::store::{ChannelState, Followed, Unfollowed};

pub(super) async fn follow(
    at: &Desk<'_>,
    channel: &ChannelArg,
    site: Option<&SiteArg>,
) -> Result<Message, Trouble> {
    let Some(card) = at.site_or_only(site)? else {
        return Err(Trouble::Refused(
            "Into which site? `/microblot follow #channel SITE`".to_owned(),
        ));
    };
    let by = at.caller.actor(at.app, at.id.to_owned()).await?;
    let (team, store) = (&at.caller.team, &at.app.store);
    let followed = once(
        store
            .follow(team, &channel.id, &card.id, &card.name, &by)
            .await,
    )?;
    at.app.work.notify_one();
    match followed {
        Some(Followed::Elsewhere(other)) => {
            let row = store.channel(team, &channel.id).await?;
            Err(match row.filter(|row| row.origin == Origin::File) {
                Some(row) => declared(at, &row.site),
                None => Trouble::Refused(format!(
                    "That channel is mirrored into {other} already. `/microblot unfollow` it first."
                )),
            })
        }
        Some(Followed::Unread) => Ok(screens::done(&format!(
            "That channel is to become posts of {}, but I could not read it so far, and am trying \
             again now. Invite me there: `/invite @Microblot`. If it is archived, nothing comes of it.",
            card.spec.title
        ))),
        Some(Followed::New | Followed::Already) | None => Ok(screens::done(&format!(
            "From now on, what is written in that channel becomes posts of {}. \
             If it is a private channel, invite me there: `/invite @Microblot`.",
            card.spec.title
        ))),
    }
}

/// Asks whether the posts go too.
pub(super) async fn ask(at: &Desk<'_>, channel: &ChannelArg) -> Result<Message, Trouble> {
    let (team, store) = (&at.caller.team, &at.app.store);
    let followed = store.channel(team, &channel.id).await?;
    let Some(followed) = followed.filter(|row| row.state != ChannelState::Removed) else {
        return Err(Trouble::Refused(NOT_FOLLOWED.to_owned()));
    };
    if followed.origin == Origin::File {
        return Err(declared(at, &followed.site));
    }
    let card = at.all().find(|card| card.id == followed.site);
    let title = card.map_or("its site", |card| card.spec.title.as_str());
    let posts = store
        .count_mirrored(team, &channel.id, &followed.site)
        .await?;
    Ok(screens::unfollow_question(&channel.id, title, posts))
}

pub(super) async fn unfollow(
    at: &Desk<'_>,
    channel: &str,
    drop_posts: bool,
) -> Result<Message, Trouble> {
    let request = Request::Unfollow {
        channel: ChannelArg {
            id: channel.to_owned(),
            name: None,
        },
    };
    let slack = &at.snapshot.settings.slack;
    let rank = at.app.rank(at.caller, at.snapshot).await?;
    policy::may(&request, &at.caller.ranked(rank), slack)?;
    let by = at.caller.actor(at.app, at.id.to_owned()).await?;
    let store = &at.app.store;
    let done = once(
        store
            .unfollow(&at.caller.team, channel, drop_posts, &by)
            .await,
    )?;
    at.app.changed(&at.caller.team);
    at.app.work.notify_one();
    match done {
        Some(Unfollowed::NotFollowed) => Err(Trouble::Refused(NOT_FOLLOWED.to_owned())),
        Some(Unfollowed::Declared) => {
            let row = store.channel(&at.caller.team, channel).await?;
            let site = row.map(|row| row.site).unwrap_or_default();
            Err(declared(at, &site))
        }
        Some(Unfollowed::Done { posts }) if posts > 0 => Ok(screens::done(
            "That channel is not mirrored any more, and its posts are taken off the site.",
        )),
        Some(Unfollowed::Done { .. }) | None => {
            Ok(screens::done("That channel is not mirrored any more."))
        }
    }
}

const NOT_FOLLOWED: &str = "That channel is not mirrored.";

/// The file owns it, and has to be edited.
fn declared(at: &Desk<'_>, site: &str) -> Trouble {
    let card = at.all().find(|card| card.id == site);
    let place = card.and_then(|card| card.source);
    let place = place.map_or_else(|| "sites.toml".to_owned(), |source| source.to_string());
    Trouble::Refused(format!(
        "That channel is declared in `{place}`: take it out there."
    ))
}
