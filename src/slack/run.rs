//! Commands that run sites: each is one durable change, made before it is answered.

use std::time::Duration;

use super::answer::{Desk, Trouble};
use super::blocks::Message;
use super::look;
use super::screens;
use crate::engine::snapshot::Card;
use crate::model::{
    BuilderSpec, Hold, Origin, PostsFrom, SecretRef, SiteName, SlackSite, Spec, Timing,
};
use crate::store::{NewSite, Resumed, StoreError};

/// A request that came before is answered like the first time: its change was made then.
pub(super) fn once<T>(changed: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match changed {
        Ok(change) => Ok(Some(change)),
        Err(StoreError::AlreadyDone) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) async fn rebuild(
    at: &Desk<'_>,
    card: &Card,
    clear_cache: bool,
) -> Result<Message, Trouble> {
    let by = at.caller.actor(at.app, at.id.to_owned()).await?;
    let store = &at.app.store;
    once(
        store
            .request_rebuild(&card.id, &card.name, clear_cache, &by)
            .await,
    )?;
    at.app.changed(&at.caller.team);
    let next = look::obstacle(at, card)
        .unwrap_or_else(|| "You get a message when there is news of it.".to_owned());
    Ok(screens::done(&format!(
        "Asked for a build of {}. {next}",
        card.spec.title
    )))
}

pub(super) async fn pause(
    at: &Desk<'_>,
    card: &Card,
    duration: Option<Duration>,
    because: Option<&str>,
) -> Result<Message, Trouble> {
    let by = at.caller.actor(at.app, at.id.to_owned()).await?;
    let now = at.app.store.now().await?;
    let hold = Hold {
        by: by.name.clone(),
        because: because.map(ToOwned::to_owned),
        since: now,
        until: duration.map(|duration| now.plus(duration)),
    };
    once(at.app.store.pause(&card.id, &card.name, &hold, &by).await)?;
    at.app.changed(&at.caller.team);
    let until = match duration {
        Some(duration) => format!("for {}", crate::plan::show::duration(duration)),
        None => format!("until `/microblot resume {}`", card.name),
    };
    Ok(screens::done(&format!(
        "{} is paused {until}. What is written meanwhile is kept, and built afterwards.",
        card.spec.title
    )))
}

pub(super) async fn resume(at: &Desk<'_>, card: &Card) -> Result<Message, Trouble> {
    let by = at.caller.actor(at.app, at.id.to_owned()).await?;
    let resumed = once(at.app.store.resume(&card.id, &card.name, &by).await)?;
    at.app.changed(&at.caller.team);
    Ok(match resumed {
        Some(Resumed::NothingHeld) => screens::note(&format!(
            "{} was neither paused nor stalled.",
            card.spec.title
        )),
        Some(Resumed::Resumed) | None => screens::done(&format!("{} goes on.", card.spec.title)),
    })
}

/// Makes a site. Without a hook it is rendered by this server.
pub(super) async fn add(
    at: &Desk<'_>,
    name: &SiteName,
    title: Option<&str>,
    url: Option<&str>,
    hook: Option<&str>,
) -> Result<Message, Trouble> {
    let build = match hook {
        Some(variable) => BuilderSpec::Netlify {
            hook: SecretRef::Env(variable.to_owned()),
            site_id: None,
            branch: None,
            clear_cache: false,
        },
        None => BuilderSpec::Render {
            out: format!("public/{name}"),
        },
    };
    let url = match (url, hook) {
        (Some(url), _) => url.to_owned(),
        (None, None) => format!("{}/sites/{name}/", at.app.address),
        (None, Some(_)) => {
            return Err(Trouble::Refused(format!(
                "Where is it published? `/microblot site add {name} hook {} url https://…`",
                hook.unwrap_or_default()
            )));
        }
    };
    let site = NewSite {
        name: name.clone(),
        spec: Spec {
            title: title.map_or_else(|| name.to_string(), ToOwned::to_owned),
            url,
            posts: PostsFrom::Own,
            files: Vec::new(),
            revision: false,
            timing: Timing::default(),
            build,
            slack: Some(SlackSite {
                workspace: at.caller.team.clone(),
                channels: Vec::new(),
            }),
            renamed_from: None,
        },
    };
    let by = at.caller.actor(at.app, at.id.to_owned()).await?;
    match once(at.app.store.add_site(&site, &by).await)? {
        Some(false) => Err(Trouble::Refused(format!(
            "There is a site {name} already. `/microblot sites` shows those of this workspace."
        ))),
        Some(true) | None => {
            at.app.changed(&at.caller.team);
            Ok(screens::done(&format!(
                "{} is there, at {}. Write its first post with `/microblot new {name}`.",
                site.spec.title, site.spec.url
            )))
        }
    }
}

/// Only a site that was made in chat: the others are the file's.
pub(super) async fn remove(at: &Desk<'_>, card: &Card) -> Result<Message, Trouble> {
    if card.origin == Origin::File {
        let place = card
            .source
            .map_or_else(|| "sites.toml".to_owned(), |source| source.to_string());
        return Err(Trouble::Refused(format!(
            "{} is declared in `{place}`: take it out there, and it is built no more. Its posts are kept.",
            card.name
        )));
    }
    let by = at.caller.actor(at.app, at.id.to_owned()).await?;
    once(at.app.store.remove_site(&card.id, &card.name, &by).await)?;
    at.app.changed(&at.caller.team);
    Ok(screens::done(&format!(
        "{} is removed. Its posts are kept: `/microblot site add {}` brings them back.",
        card.spec.title, card.name
    )))
}
