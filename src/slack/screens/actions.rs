//! What buttons and menus mean, and which modal was submitted.

use serde::{Deserialize, Serialize};

use crate::chat::grammar::Which;
use crate::model::{Digest, PostId, SiteName};
use crate::slack::blocks::{Button, Choice, View, base};

/// What somebody asked for by pressing a button or choosing from a menu.
///
/// It travels as the element's id and its value, which is empty, an id, or JSON where there is more
/// to say. Menus have the id `more` and values such as `post.edit 0123456789`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// `home`: the main modal.
    Home,
    /// `new`, value: a site's name, or empty: the editor.
    New(Option<SiteName>),
    /// `list`, value: JSON of [`ListOf`]: a page of posts.
    List(ListOf),
    /// `post.edit`, value: a post's id: the editor.
    Edit(PostId),
    /// `post.preview`, value: a post's id: a link to look at it.
    Preview(PostId),
    /// `post.publish`, value: a post's id: a draft goes out now.
    Publish(PostId),
    /// `post.delete`, value: a post's id: the question whether to.
    AskDelete(PostId),
    /// `post.delete.sure`, value: a post's id: delete it.
    Delete(PostId),
    /// `editor.draft`: keep what is in the editor as a draft.
    SaveDraft,
    /// `editor.preview`: the same, and a link to look at it.
    SaveAndPreview,
    /// `sites`, value: a page, counted from 0: the list of sites.
    Sites(u32),
    /// `site.info`, value: a site's name.
    Info(SiteName),
    /// `site.status`, value: a site's name.
    Status(SiteName),
    /// `site.history`, value: a site's name.
    History(SiteName),
    /// `site.rebuild`, value: a site's name.
    Rebuild(SiteName),
    /// `site.resume`, value: a site's name.
    Resume(SiteName),
    /// `plan`: of all sites.
    Plan,
    /// `unfollow`, value: JSON of `Unfollow`.
    Unfollow(Unfollow),
    /// `dismiss`: take the question away.
    Dismiss,
    /// `open`: a page was opened; nothing to do.
    Opened,
}

/// Which posts are listed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ListOf {
    /// Of this site only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<SiteName>,
    /// Which of them.
    pub which: Which,
    /// The page, counted from 0.
    pub page: u32,
}

/// That a channel is not mirrored any more.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Unfollow {
    /// Slack's id of the channel.
    pub channel: String,
    /// Whether its posts are deleted too.
    pub drop_posts: bool,
}

impl Action {
    /// Reads what an element sent. Values come from Slack and are checked like any other input.
    pub fn parse(action_id: &str, value: Option<&str>) -> Option<Self> {
        let value = value.unwrap_or_default();
        let site = || value.parse::<SiteName>().ok();
        let post = || value.parse::<PostId>().ok();
        Some(match base(action_id) {
            MORE => {
                let (action_id, value) = value.split_once(' ').unwrap_or((value, ""));
                // One menu in another would only be read again, and again.
                return match base(action_id) {
                    MORE => None,
                    id => Self::parse(id, Some(value)),
                };
            }
            "home" => Self::Home,
            "new" if value.is_empty() => Self::New(None),
            "new" => Self::New(Some(site()?)),
            "list" => Self::List(serde_json::from_str(value).ok()?),
            "post.edit" => Self::Edit(post()?),
            "post.preview" => Self::Preview(post()?),
            "post.publish" => Self::Publish(post()?),
            "post.delete" => Self::AskDelete(post()?),
            "post.delete.sure" => Self::Delete(post()?),
            "editor.draft" => Self::SaveDraft,
            "editor.preview" => Self::SaveAndPreview,
            "sites" => Self::Sites(value.parse().ok()?),
            "site.info" => Self::Info(site()?),
            "site.status" => Self::Status(site()?),
            "site.history" => Self::History(site()?),
            "site.rebuild" => Self::Rebuild(site()?),
            "site.resume" => Self::Resume(site()?),
            "plan" => Self::Plan,
            "unfollow" => Self::Unfollow(serde_json::from_str(value).ok()?),
            "dismiss" => Self::Dismiss,
            "open" => Self::Opened,
            _ => return None,
        })
    }

    /// The id of its button.
    pub fn id(&self) -> &'static str {
        match self {
            Self::Home => "home",
            Self::New(_) => "new",
            Self::List(_) => "list",
            Self::Edit(_) => "post.edit",
            Self::Preview(_) => "post.preview",
            Self::Publish(_) => "post.publish",
            Self::AskDelete(_) => "post.delete",
            Self::Delete(_) => "post.delete.sure",
            Self::SaveDraft => "editor.draft",
            Self::SaveAndPreview => "editor.preview",
            Self::Sites(_) => "sites",
            Self::Info(_) => "site.info",
            Self::Status(_) => "site.status",
            Self::History(_) => "site.history",
            Self::Rebuild(_) => "site.rebuild",
            Self::Resume(_) => "site.resume",
            Self::Plan => "plan",
            Self::Unfollow(_) => "unfollow",
            Self::Dismiss => "dismiss",
            Self::Opened => "open",
        }
    }

    /// The value of its button.
    pub fn value(&self) -> String {
        match self {
            Self::Home
            | Self::New(None)
            | Self::SaveDraft
            | Self::SaveAndPreview
            | Self::Plan
            | Self::Dismiss
            | Self::Opened => String::new(),
            Self::List(list) => json(list),
            Self::Unfollow(unfollow) => json(unfollow),
            Self::Sites(page) => page.to_string(),
            Self::Edit(post)
            | Self::Preview(post)
            | Self::Publish(post)
            | Self::AskDelete(post)
            | Self::Delete(post) => post.to_string(),
            Self::New(Some(site))
            | Self::Info(site)
            | Self::Status(site)
            | Self::History(site)
            | Self::Rebuild(site)
            | Self::Resume(site) => site.to_string(),
        }
    }

    /// A button that asks for it.
    pub fn button(&self, text: &str) -> Button {
        Button::new(text, self.id(), &self.value())
    }

    /// A line of a menu (with the id `MORE`) that asks for it.
    pub fn choice(&self, text: &str) -> Choice {
        Choice::new(text, format!("{} {}", self.id(), self.value()).trim_end())
    }
}

/// The id of every menu behind three dots.
pub const MORE: &str = "more";

/// As JSON, which cannot fail for structs of texts and numbers.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Which modal was submitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Callback {
    /// The editor of a post.
    Editor,
    /// A page without anything to submit.
    Page,
}

impl Callback {
    /// Its id in the view.
    pub fn id(self) -> &'static str {
        match self {
            Self::Editor => "editor",
            Self::Page => "page",
        }
    }

    /// Reads the id of a view.
    pub fn parse(id: &str) -> Option<Self> {
        [Self::Editor, Self::Page]
            .into_iter()
            .find(|callback| callback.id() == id)
    }
}

/// How far a post has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Nobody sees it: what is typed can be saved at any time.
    #[default]
    Draft,
    /// Readers will see it at its time.
    Scheduled,
    /// Readers see it, and every change that is saved.
    Published,
}

/// What the editor has to know when it comes back (`private_metadata`, as JSON).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct EditorMeta {
    /// The post that is edited; `None`: a new one, never saved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post: Option<PostId>,
    /// The only site that it can be for; `None`: chosen in the editor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<SiteName>,
    /// How far it had come when it was opened.
    #[serde(default)]
    pub stage: Stage,
    /// How the fields of the text belong together, as `split` says.
    #[serde(default)]
    pub joins: String,
    /// The revision that was opened, to see that nobody else changed it since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Digest>,
    /// Where to answer there, sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_url: Option<String>,
    /// One id for all that comes of this editor, so that a double submission makes one post.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
}

impl EditorMeta {
    /// Reads what came back; `None` if this program did not write it.
    pub fn parse(private_metadata: &str) -> Option<Self> {
        serde_json::from_str(private_metadata).ok()
    }

    /// A view that carries it. A response URL that is too long for the rest to fit stays behind.
    pub(super) fn on(&self, view: View) -> View {
        const ROOM: usize = 1800;
        let mut meta = self.clone();
        meta.response_url = meta.response_url.filter(|sealed| sealed.len() <= ROOM);
        meta.request = meta.request.filter(|id| id.len() <= 255);
        view.metadata(json(&meta))
    }
}
