//! Writing: what is done with what was written.

use super::answer::{Desk, Trouble};
use super::blocks::{Message, View, ViewReply};
use super::look;
use super::run::once;
use super::screens::{self, EditorMeta, Saved, Typed};
use crate::chat::policy;
use crate::engine::snapshot::Card;
use crate::model::{
    Actor, Millis, Post, PostChange, PostDraft, PostId, PostState, Publish, Revision, new_token,
    token_of,
};
use crate::store::{Listed, StoreError};

/// What is to be done with a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wish {
    /// Keep it as a draft.
    Keep,
    /// Show it to readers, now or at its time.
    Publish,
}

/// A post that whoever asks may change, and the site that it is of.
pub(super) async fn own<'a>(at: &Desk<'a>, id: &PostId) -> Result<(Post, &'a Card), Trouble> {
    there(at, id).await?.ok_or_else(|| {
        Trouble::Refused(format!(
            "There is no post {id} in this workspace, or it is deleted. \
             `/microblot list` shows the posts."
        ))
    })
}

/// The same, for whoever has it in the editor: what they wrote is there and nowhere else.
async fn own_in_editor<'a>(at: &Desk<'a>, id: &PostId) -> Result<(Post, &'a Card), Trouble> {
    there(at, id).await?.ok_or_else(deleted_meanwhile)
}

fn deleted_meanwhile() -> Trouble {
    Trouble::Refused(
        "The post was deleted while you were writing. Copy your text before you close this."
            .to_owned(),
    )
}

/// A post that whoever asks may change. `None`: it is deleted, or there is none in this workspace.
async fn there<'a>(at: &Desk<'a>, id: &PostId) -> Result<Option<(Post, &'a Card)>, Trouble> {
    let post = at.app.store.post(id).await?;
    let found = post
        .filter(|post| post.state != PostState::Deleted)
        .and_then(|post| {
            let card = at.snapshot.site(&at.caller.team, &post.site)?;
            Some((post, card))
        });
    let Some((post, card)) = found else {
        return Ok(None);
    };
    let rank = at.app.rank(at.caller, at.snapshot).await?;
    let own = at.caller.account();
    policy::may_change_post(&at.caller.ranked(rank), post.account.as_deref(), &own)?;
    Ok(Some((post, card)))
}

/// Stores what was typed. The same submission twice is one post.
pub(super) async fn save(
    at: &Desk<'_>,
    meta: &EditorMeta,
    typed: &Typed,
    wish: Wish,
) -> Result<Result<Post, ViewReply>, Trouble> {
    let problems = typed.problems();
    if !problems.is_empty() {
        return Ok(Err(ViewReply::Errors { errors: problems }));
    }
    let Some(name) = &typed.site else {
        return Err(Trouble::Refused(
            "Choose the blog that it is for.".to_owned(),
        ));
    };
    let card = at.named(name)?;
    let now = at.app.store.now().await?;
    if let Some(id) = &meta.post {
        return change(at, meta, typed, wish, id, now).await;
    }
    let by = actor(
        at,
        meta,
        format!("editor:{}", meta.request.as_deref().unwrap_or(at.id)),
    )
    .await?;
    let draft = PostDraft {
        title: typed.title.clone(),
        body: typed.body(),
        category: typed.category.clone(),
        author: Some(by.name.clone()),
        publish: match wish {
            Wish::Keep => Publish::Draft(typed.at),
            Wish::Publish => typed.at.map_or(Publish::Now, Publish::At),
        },
    };
    match at
        .app
        .store
        .new_post(&card.id, &card.name, &draft, &by)
        .await
    {
        Ok(post) => {
            at.app.wake.notify_one();
            Ok(Ok(post))
        }
        // The post was made by an earlier press of a button in this editor, whose answer did not
        // arrive: this is the same again, or another version of it.
        Err(StoreError::AlreadyDone) => {
            let request = by.request.unwrap_or_default();
            let made = at.app.store.done(&request).await?;
            let id = made.and_then(|row| row.detail?.parse::<PostId>().ok());
            let Some(id) = id else {
                return Err(Trouble::Refused("This was saved before.".to_owned()));
            };
            let (post, _card) = own(at, &id).await?;
            if is_as_typed(&post, typed, wish) {
                return Ok(Ok(post));
            }
            change(
                at,
                &EditorMeta {
                    seen: None,
                    ..meta.clone()
                },
                typed,
                wish,
                &id,
                now,
            )
            .await
        }
        Err(error) => Err(error.into()),
    }
}

async fn change(
    at: &Desk<'_>,
    meta: &EditorMeta,
    typed: &Typed,
    wish: Wish,
    id: &PostId,
    now: Millis,
) -> Result<Result<Post, ViewReply>, Trouble> {
    let (post, _card) = own_in_editor(at, id).await?;
    let refused = |field: &str, text: &str| {
        Ok(Err(ViewReply::Errors {
            errors: [(field.to_owned(), text.to_owned())].into(),
        }))
    };
    let by = actor(at, meta, at.id.to_owned()).await?;
    if meta.seen.is_some_and(|seen| seen != post.digest) {
        // The same press again finds its own change.
        if at.app.store.done(at.id).await?.is_some() {
            return Ok(Ok(post));
        }
        // What whoever writes saved a moment ago, where Slack did not show that it was saved.
        if at.app.store.last_changed_by(id).await?.as_ref() != Some(&by.name) {
            return refused(
                screens::TITLE,
                "Somebody changed this post while you were writing. Copy your text, close this, \
                 and open it again.",
            );
        }
    }
    let publish = match (post.state, wish) {
        (PostState::Published, Wish::Keep) => {
            return refused(
                screens::TITLE,
                "This post was published meanwhile: its readers see every change that is saved. \
                 Copy your text, close this, and open it again.",
            );
        }
        (PostState::Published, Wish::Publish)
            if typed.at.is_some_and(|at| at > now) && !same_minute(typed.at, post.publish_at) =>
        {
            return refused(
                screens::WHEN,
                "Readers see this post already: its time cannot be in the future. To take it off \
                 the site, delete it.",
            );
        }
        (_, Wish::Keep) => Some(Publish::Draft(typed.at)),
        (_, Wish::Publish) => publication(&post, typed.at),
    };
    let changed = PostChange {
        title: Some(typed.title.clone()),
        body: Some(typed.body()),
        category: Some(typed.category.clone()),
        publish,
    };
    let saved = once(at.app.store.edit_post(&post.id, &changed, &by).await)?;
    at.app.wake.notify_one();
    match saved {
        Some(Some(post)) => Ok(Ok(post)),
        // Made before, by the same request.
        None => Ok(Ok(own(at, id).await?.0)),
        Some(None) => Err(deleted_meanwhile()),
    }
}

/// Whether nothing is left to be done.
fn is_as_typed(post: &Post, typed: &Typed, wish: Wish) -> bool {
    let stored = &post.revision;
    let published = match wish {
        Wish::Keep => post.state == PostState::Draft && same_minute(typed.at, post.publish_at),
        Wish::Publish => publication(post, typed.at).is_none(),
    };
    published
        && stored.title == typed.title
        && stored.body == typed.body()
        && stored.category == typed.category
}

/// What becomes of the place in its life of a post that is to be read.
fn publication(post: &Post, at: Option<Millis>) -> Option<Publish> {
    match post.state {
        PostState::Draft => Some(at.map_or(Publish::Now, Publish::At)),
        _ if same_minute(at, post.publish_at) => None,
        PostState::Scheduled => Some(at.map_or(Publish::Now, Publish::At)),
        PostState::Published | PostState::Deleted => at.map(Publish::At),
    }
}

/// Slack's picker knows no seconds.
fn same_minute(one: Option<Millis>, other: Option<Millis>) -> bool {
    let minute = |at: Millis| at.0.div_euclid(60_000);
    one.map(minute) == other.map(minute)
}

/// Whoever writes, told where the editor was asked for.
async fn actor(at: &Desk<'_>, meta: &EditorMeta, request: String) -> Result<Actor, Trouble> {
    let mut by = at.caller.actor(at.app, request).await?;
    if let Some(tell) = &mut by.tell
        && tell.response_url.is_none()
    {
        tell.response_url = meta.response_url.clone();
    }
    Ok(by)
}

/// What is shown after it was saved.
pub(super) fn saved(at: &Desk<'_>, post: &Post) -> View {
    let card = at.snapshot.site(&at.caller.team, &post.site);
    let what = match (post.state, post.publish_at) {
        (PostState::Scheduled, Some(time)) => Saved::Scheduled(time),
        (PostState::Published, _) => Saved::Published {
            obstacle: card.and_then(|card| look::obstacle(at, card)),
        },
        _ => Saved::Draft,
    };
    let title = card.map_or(post.site.as_str(), |card| card.spec.title.as_str());
    screens::saved(&post.id, &post.revision.title, &post.site, title, &what)
}

/// A private link to a post with what was typed, which is not saved: readers would see it.
pub(super) async fn preview_typed(
    at: &Desk<'_>,
    id: &PostId,
    typed: &Typed,
) -> Result<Result<(String, Millis), ViewReply>, Trouble> {
    let problems = typed.problems();
    if !problems.is_empty() {
        return Ok(Err(ViewReply::Errors { errors: problems }));
    }
    let (post, _card) = own_in_editor(at, id).await?;
    let version = Revision {
        title: typed.title.clone(),
        body: typed.body(),
        category: typed.category.clone(),
        published_at: typed.at.or(post.publish_at),
        ..post.revision
    };
    Ok(Ok(preview(at, id, version).await?))
}

/// A private link to a version of a post. The same press again gives the same link.
pub(super) async fn preview(
    at: &Desk<'_>,
    post: &PostId,
    version: Revision,
) -> Result<(String, Millis), Trouble> {
    let secret = &at.app.gate.secret;
    let (token, hash) = match &at.caller.trigger {
        Some(_) => token_of(&secret.derive(&format!("microblot preview 1 {} {post}", at.id))),
        // Nothing tells this press from others.
        None => new_token(),
    };
    let now = at.app.store.now().await?;
    let until = now.plus(at.snapshot.settings.slack.preview);
    at.app
        .store
        .new_preview(post, version, &hash, until)
        .await?;
    Ok((format!("{}/preview/{token}", at.app.address), until))
}

/// Publishes a draft.
pub(super) async fn publish(at: &Desk<'_>, id: &PostId) -> Result<Post, Trouble> {
    let (post, card) = own(at, id).await?;
    if post.state == PostState::Published {
        // The same press again is answered like the first time.
        return match at.app.store.done(at.id).await? {
            Some(_before) => Ok(post),
            None => Err(Trouble::Refused(format!(
                "“{}” is published already, on {}.",
                post.revision.title, card.spec.title
            ))),
        };
    }
    let by = at.caller.actor(at.app, at.id.to_owned()).await?;
    let change = PostChange {
        publish: Some(Publish::Now),
        ..PostChange::default()
    };
    once(at.app.store.edit_post(id, &change, &by).await)?;
    at.app.wake.notify_one();
    Ok(own(at, id).await?.0)
}

pub(super) async fn ask_delete(at: &Desk<'_>, id: &PostId) -> Result<Message, Trouble> {
    let (post, _card) = own(at, id).await?;
    Ok(screens::confirm_delete(&row(at, &post)))
}

pub(super) async fn ask_delete_view(at: &Desk<'_>, id: &PostId) -> Result<View, Trouble> {
    let (post, _card) = own(at, id).await?;
    Ok(screens::confirm_delete_view(&row(at, &post)))
}

/// Takes a post off its site.
pub(super) async fn delete(at: &Desk<'_>, id: &PostId) -> Result<Message, Trouble> {
    let gone = |title: &str, site: &str| {
        screens::done(&format!(
            "“{title}” is deleted. It leaves {site} with its next build."
        ))
    };
    let (post, card) = match own(at, id).await {
        Ok(found) => found,
        // The same press again.
        Err(trouble) => match at.app.store.done(at.id).await? {
            Some(_before) => return Ok(screens::done("The post is deleted.")),
            None => return Err(trouble),
        },
    };
    let by = at.caller.actor(at.app, at.id.to_owned()).await?;
    once(at.app.store.delete_post(id, &by).await)?;
    at.app.wake.notify_one();
    Ok(match post.state {
        PostState::Published => gone(&post.revision.title, &card.spec.title),
        _ => screens::done(&format!("“{}” is deleted.", post.revision.title)),
    })
}

fn row(at: &Desk<'_>, post: &Post) -> screens::PostRow {
    let listed = Listed {
        id: post.id.clone(),
        site: post.site.to_string(),
        slug: post.slug.to_string(),
        title: post.revision.title.clone(),
        state: post.state,
        publish_at: post.publish_at,
        updated_at: post.updated_at,
        account: post.account.clone(),
    };
    look::listed(at, listed, true)
}
