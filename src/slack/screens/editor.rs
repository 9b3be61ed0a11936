//! The modal in which posts are written, and what follows it.

use std::collections::BTreeMap;

use super::actions::{Action, Callback, EditorMeta, ListOf, Stage};
use super::messages::{page, prose};
use super::split::{LONGEST, LONGEST_SHOWN, Parts, join_body};
use crate::chat::grammar::Which;
use crate::model::{Millis, PostId, SiteName};
use crate::slack::blocks::{
    Block, Choice, DateTime, Message, Mrkdwn, Select, TextInput, View, units,
};

/// The field of the title. Fields are blocks whose one element has the id of the block.
pub const TITLE: &str = "title";
/// The menu of sites.
pub const SITE: &str = "site";
/// The field of the category.
pub const CATEGORY: &str = "category";
/// The publishing time, in unix seconds.
pub const WHEN: &str = "when";

/// What the model takes, in characters.
const TITLE_CHARS: usize = 128;
const CATEGORY_CHARS: usize = 100;

/// More fields than a text can need; a modal has 100 blocks.
const FIELDS: usize = 60;

/// The field of a part of the text.
pub fn body(part: usize) -> String {
    format!("body.{part}")
}

/// What is in the editor when it opens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EditorForm {
    /// What it has to know when it comes back; `joins` is taken from `text`.
    pub meta: EditorMeta,
    /// The sites to choose from, with their titles. No menu is shown where `meta.site` is set.
    pub sites: Vec<(SiteName, String)>,
    /// The one that is chosen.
    pub site: Option<SiteName>,
    /// The title.
    pub title: String,
    /// The text, from [`split_body`](super::split::split_body) or from what was typed.
    pub text: Parts,
    /// The category.
    pub category: Option<String>,
    /// The publishing time.
    pub at: Option<Millis>,
    /// What just happened: `Draft saved.`
    pub notice: Option<String>,
}

/// The editor, for a new post or an old one.
pub fn editor(form: &EditorForm) -> View {
    let EditorForm {
        meta,
        sites,
        site,
        title,
        text,
        category,
        at,
        notice,
    } = form;
    let mut blocks = Vec::new();
    if let Some(notice) = notice {
        blocks.push(Block::section(prose(notice)));
    }
    blocks.push(Block::input(
        TITLE,
        "Title",
        TextInput::line(TITLE_CHARS).initial(title),
    ));
    if meta.site.is_none() {
        blocks.extend(site_menu(sites, site.as_ref()));
    }
    blocks.extend(fields(text));
    blocks.push(
        Block::input(
            CATEGORY,
            "Category",
            TextInput::line(CATEGORY_CHARS).initial(category.as_deref().unwrap_or_default()),
        )
        .optional(),
    );
    blocks.push(
        Block::input(
            WHEN,
            "Publish at",
            DateTime::new(at.map(|at| at.0.div_euclid(1000))),
        )
        .with_hint(match meta.stage {
            Stage::Draft => "Empty: as soon as you publish it.",
            Stage::Scheduled => "Empty: as soon as you save it.",
            Stage::Published => "The date that readers see.",
        })
        .optional(),
    );
    let (draft, preview, submit) = match meta.stage {
        Stage::Draft => (Some("Save draft"), "Save draft and preview", "Publish"),
        Stage::Scheduled => (Some("Back to draft"), "Preview", "Save"),
        // What is saved is seen by readers: a look at it saves nothing.
        Stage::Published => (None, "Preview", "Save"),
    };
    let draft = draft.map(|label| Action::SaveDraft.button(label).into());
    let preview = Action::SaveAndPreview.button(preview).into();
    blocks.extend(Block::actions(draft.into_iter().chain([preview])));
    let heading = match (&meta.post, meta.stage) {
        (None, _) => "New post",
        (Some(_), Stage::Draft) => "Edit draft",
        (Some(_), Stage::Scheduled | Stage::Published) => "Edit post",
    };
    let meta = EditorMeta {
        joins: text.joins.clone(),
        ..meta.clone()
    };
    meta.on(View::modal(Callback::Editor.id(), heading, "Cancel", blocks).submit(submit))
}

fn site_menu(sites: &[(SiteName, String)], chosen: Option<&SiteName>) -> Option<Block> {
    let choices = sites.iter().map(|(name, title)| {
        let shown = match title.trim() {
            "" => name.as_str(),
            title => title,
        };
        Choice::new(shown, name.as_str())
    });
    let only = match sites {
        [(name, _)] => Some(name),
        _ => None,
    };
    let chosen = chosen.or(only).map(SiteName::as_str);
    let block = Block::input(SITE, "Blog", Select::new(choices, chosen)?);
    Some(if sites.len() > Select::CHOICES {
        block.with_hint("Not all of them fit here: /microblot new SITE opens any.")
    } else {
        block
    })
}

/// The text in its fields, and an empty one behind them.
fn fields(text: &Parts) -> Vec<Block> {
    let mut blocks: Vec<Block> = text
        .parts
        .iter()
        .enumerate()
        .map(|(at, part)| {
            let label = match at {
                0 => "Text".to_owned(),
                _ => format!("Text, part {}", at + 1),
            };
            // A title alone is a post, as short messages are.
            let block =
                Block::input(&body(at), &label, TextInput::lines().initial(part)).optional();
            match at {
                0 => block.with_hint("Markdown: **bold**, _italic_, [link](https://…), # heading"),
                _ => block,
            }
        })
        .collect();
    // Always: a text that is pasted is cut by Slack where its field is full.
    let more = Block::input(&body(text.parts.len()), "More text", TextInput::lines());
    blocks.push(
        more.with_hint(
            "A field takes 3,000 characters. What is here goes on behind an empty line.",
        )
        .optional(),
    );
    blocks
}

/// What somebody typed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Typed {
    /// The title, trimmed.
    pub title: String,
    /// The site.
    pub site: Option<SiteName>,
    /// The text, in its fields.
    pub text: Parts,
    /// The category, trimmed.
    pub category: Option<String>,
    /// The publishing time.
    pub at: Option<Millis>,
}

impl Typed {
    /// Reads the fields. `get` gives a field's value by the id of its block: text, the value of
    /// the chosen option, or unix seconds in digits.
    pub fn read(meta: &EditorMeta, get: impl Fn(&str) -> Option<String>) -> Self {
        let filled = |id: &str| {
            get(id)
                .map(|text| text.trim().to_owned())
                .filter(|text| !text.is_empty())
        };
        // One part more than there were boundaries, and one that may have been filled.
        let known = meta.joins.chars().count() + 1;
        let mut text = Parts {
            parts: (0..=known)
                .map(|part| get(&body(part)).unwrap_or_default())
                .collect(),
            joins: meta.joins.clone(),
        };
        match text
            .parts
            .last()
            .is_some_and(|more| !more.trim().is_empty())
        {
            true => text.joins.push('p'),
            false => _ = text.parts.pop(),
        }
        Self {
            title: filled(TITLE)
                .map(|title| crate::markdown::words(&title))
                .filter(|title| !crate::markdown::is_blank(title))
                .unwrap_or_default(),
            site: meta.site.clone().or_else(|| filled(SITE)?.parse().ok()),
            text,
            category: filled(CATEGORY),
            at: filled(WHEN)
                .and_then(|seconds| seconds.parse::<i64>().ok())
                .map(|seconds| Millis(seconds.saturating_mul(1000))),
        }
    }

    /// The text as one.
    pub fn body(&self) -> String {
        join_body(self.text.parts.iter().map(String::as_str), &self.text.joins)
    }

    /// What is wrong with which field, for
    /// [`ViewReply::Errors`](crate::slack::blocks::ViewReply::Errors). A post needs only a title.
    pub fn problems(&self) -> BTreeMap<String, String> {
        let mut problems = BTreeMap::new();
        let mut problem = |field: &str, text: &str| {
            problems.insert(field.to_owned(), text.to_owned());
        };
        if self.title.is_empty() {
            problem(TITLE, "A post needs a title.");
        } else if self.title.chars().count() > TITLE_CHARS {
            problem(TITLE, "A title has at most 128 characters.");
        }
        if self.site.is_none() {
            problem(SITE, "Choose the blog that it is for.");
        }
        let body = self.body();
        if units(&body) > LONGEST || self.text.parts.len() > FIELDS {
            problem(
                &self::body(0),
                &format!("This is longer than the editor can show again: at most {LONGEST_SHOWN}."),
            );
        }
        problems
    }
}

/// A text that is too long for the editor.
pub fn too_long(post: &PostId, title: &str) -> Message {
    let text = Mrkdwn::new()
        .bold(title)
        .raw(" is too long for Slack's editor, which takes ")
        .raw(LONGEST_SHOWN)
        .raw(". ")
        .raw("Edit it on the command line: ")
        .code(&format!("microblot edit {post} --file post.md"));
    Message::new(
        "This post is too long for the editor",
        [Block::section(text)],
    )
}

/// What became of a post that was saved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Saved {
    /// It is a draft.
    Draft,
    /// It will be published then.
    Scheduled(Millis),
    /// It goes out now, unless something is in the way.
    Published {
        /// What, in a sentence.
        obstacle: Option<String>,
    },
}

/// That a post was saved, with what can be done next.
pub fn saved(post: &PostId, title: &str, site: &SiteName, site_title: &str, what: &Saved) -> View {
    let text = match what {
        Saved::Draft => Mrkdwn::new()
            .raw(":floppy_disk: ")
            .bold(title)
            .raw(" is saved as a draft. Nobody sees it yet."),
        Saved::Scheduled(at) => Mrkdwn::new()
            .raw(":clock3: ")
            .bold(title)
            .raw(" will be published ")
            .date(*at)
            .raw("."),
        Saved::Published { obstacle: None } => Mrkdwn::new()
            .raw(":white_check_mark: ")
            .bold(title)
            .raw(" is on its way to ")
            .bold(site_title)
            .raw(". You get a message when it is live."),
        Saved::Published {
            obstacle: Some(obstacle),
        } => Mrkdwn::new()
            .raw(":hourglass_flowing_sand: ")
            .bold(title)
            .raw(" is published, and not live yet. ")
            .then(&prose(obstacle)),
    };
    let mut buttons = vec![
        Action::Edit(post.clone()).button("Edit").into(),
        Action::Preview(post.clone()).button("Preview").into(),
    ];
    if !matches!(what, Saved::Published { .. }) {
        let publish = Action::Publish(post.clone()).button("Publish now");
        buttons.push(publish.primary().into());
    }
    let list = Action::List(ListOf {
        site: Some(site.clone()),
        which: Which::All,
        page: 0,
    });
    buttons.push(list.button("All posts").into());
    let mut blocks = vec![Block::section(text)];
    blocks.extend(Block::actions(buttons));
    page("Saved", blocks)
}

/// A link to look at a post before it is published, as a modal.
pub fn preview_view(title: &str, link: &str, until: Millis) -> View {
    page("Preview", preview_blocks(title, link, until))
}

/// A link to look at a post before it is published, as a message.
pub fn preview(title: &str, link: &str, until: Millis) -> Message {
    Message::new("Your preview is ready", preview_blocks(title, link, until))
}

fn preview_blocks(title: &str, link: &str, until: Millis) -> Vec<Block> {
    let mut blocks = vec![
        Block::section(
            Mrkdwn::new()
                .raw(":eyes: ")
                .link(link, title)
                .raw(" is ready to look at."),
        ),
        Block::context(
            Mrkdwn::new()
                .raw("Whoever has the link can see it, until ")
                .date(until)
                .raw(". Search engines cannot."),
        ),
    ];
    blocks.extend(Block::actions([Action::Opened
        .button("Open the preview")
        .url(link)
        .primary()
        .into()]));
    blocks
}
