//! Commands that run sites: each is one durable change, made before it is answered.

use std::time::Duration;

use super::answer::{Desk, Trouble};
use super::blocks::Message;
use super::look;
use super::screens;
use crate::engine::snapshot::Card;
use crate::model::Hold;
use crate::store::{Resumed, StoreError};

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
