//! The editor: for a new post, for one that is there, and again over what is in it.

use super::answer::{Answer, Desk, Trouble};
use super::blocks::View;
use super::screens::{self, EditorForm, EditorMeta, Parts, Stage, Typed};
use super::write::own;
use crate::chat::grammar::SiteArg;
use crate::engine::snapshot::Card;
use crate::model::{Post, PostId, PostState, SiteName};

/// Above a post that mirrors a message.
const FOLLOWS: &str = "This post is made of a message in a channel. Once you change it here, edits \
                       of the message no longer change it; if the message is deleted, so is the post.";

/// The editor for a new post.
pub(super) fn new(at: &Desk<'_>, site: Option<&SiteArg>) -> Result<View, Trouble> {
    let nothing = Parts {
        parts: vec![String::new()],
        joins: String::new(),
    };
    let card = at.site_or_only(site)?;
    for_new(at, card, String::new(), nothing)
}

/// The editor with a text that was written elsewhere.
pub(super) fn new_from(at: &Desk<'_>, title: String, body: &str) -> Result<Answer, Trouble> {
    let Ok(text) = screens::split_body(body) else {
        return Err(Trouble::Refused(format!(
            "This message is longer than the editor takes: {}.",
            screens::LONGEST_SHOWN
        )));
    };
    Ok(for_new(at, at.only(), title, text)?.into())
}

fn for_new(
    at: &Desk<'_>,
    card: Option<&Card>,
    title: String,
    text: Parts,
) -> Result<View, Trouble> {
    if at.all().next().is_none() {
        return Err(Trouble::Refused(
            "This workspace has no blog to write for yet: whoever runs Microblot can declare one \
             in `sites.toml`, and admins can make one with `/microblot site add NAME`."
                .to_owned(),
        ));
    }
    Ok(screens::editor(&EditorForm {
        meta: meta(at, card),
        sites: choices(at),
        site: card.map(|card| card.name.clone()),
        title,
        text,
        category: None,
        at: None,
        notice: None,
    }))
}

/// The editor for a post that is there.
pub(super) async fn edit(at: &Desk<'_>, id: &PostId) -> Result<Answer, Trouble> {
    let (post, card) = own(at, id).await?;
    let Ok(text) = screens::split_body(&post.revision.body) else {
        return Ok(screens::too_long(&post.id, &post.revision.title).into());
    };
    let follows = at.app.store.follows_message(&post.id).await?;
    Ok(screens::editor(&EditorForm {
        meta: EditorMeta {
            post: Some(post.id.clone()),
            stage: match post.state {
                PostState::Published => Stage::Published,
                PostState::Scheduled => Stage::Scheduled,
                PostState::Draft | PostState::Deleted => Stage::Draft,
            },
            seen: Some(post.digest),
            ..meta(at, Some(card))
        },
        sites: Vec::new(),
        site: Some(post.site),
        title: post.revision.title,
        text,
        category: post.revision.category,
        at: post.publish_at,
        notice: follows.then(|| FOLLOWS.to_owned()),
    })
    .into())
}

/// The editor as it was, with a text above it.
pub(super) fn editor_with(at: &Desk<'_>, meta: &EditorMeta, typed: Typed, notice: &str) -> View {
    screens::editor(&EditorForm {
        meta: meta.clone(),
        sites: choices(at),
        site: typed.site,
        title: typed.title,
        text: typed.text,
        category: typed.category,
        at: typed.at,
        notice: Some(notice.to_owned()),
    })
}

fn meta(at: &Desk<'_>, card: Option<&Card>) -> EditorMeta {
    EditorMeta {
        site: card.map(|card| card.name.clone()),
        response_url: at
            .caller
            .response_url
            .as_ref()
            .map(|url| at.app.urls.seal(url.expose())),
        request: Some(uuid::Uuid::new_v4().simple().to_string()),
        ..EditorMeta::default()
    }
}

fn choices(at: &Desk<'_>) -> Vec<(SiteName, String)> {
    at.all()
        .map(|card| (card.name.clone(), card.spec.title.clone()))
        .collect()
}

/// The editor again, over what was just saved as a draft: with the same fields, so that what is
/// typed meanwhile stays in its place.
pub(super) fn again(meta: &EditorMeta, typed: Typed, post: &Post) -> View {
    screens::editor(&EditorForm {
        meta: EditorMeta {
            stage: Stage::Draft,
            post: Some(post.id.clone()),
            site: Some(post.site.clone()),
            seen: Some(post.digest),
            ..meta.clone()
        },
        sites: Vec::new(),
        site: Some(post.site.clone()),
        title: typed.title,
        text: typed.text,
        category: typed.category,
        at: typed.at,
        notice: Some("The draft is saved.".to_owned()),
    })
}
