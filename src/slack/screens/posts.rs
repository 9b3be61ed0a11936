//! Lists of posts, and the question before one is deleted.

use super::actions::{Action, Callback, ListOf, MORE};
use super::messages::page;
use super::sites::TITLE;
use crate::chat::grammar::Which;
use crate::model::{Millis, PostId, PostState};
use crate::slack::blocks::{Block, Choice, Element, Message, Mrkdwn, View, cut};

/// Posts on one page of a list.
pub const POSTS: u32 = 10;

/// A post as it is listed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PostRow {
    /// Its id.
    pub id: PostId,
    /// Its title.
    pub title: String,
    /// The title of its site.
    pub site_title: String,
    /// Where it is in its life.
    pub state: PostState,
    /// When it is to be, or was, published.
    pub publish_at: Option<Millis>,
    /// When it was last changed.
    pub updated_at: Millis,
    /// Where readers find it, if they do.
    pub url: Option<String>,
    /// Whether the person who looks may change it.
    pub may_change: bool,
}

/// A page of posts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PostsPage {
    /// Which posts, and which page of them.
    pub of: ListOf,
    /// The title of the site, if it is of one.
    pub site_title: Option<String>,
    /// At most [`POSTS`].
    pub rows: Vec<PostRow>,
    /// How many there are on all pages.
    pub total: u64,
}

/// A page of posts, as a message.
pub fn posts(page: &PostsPage) -> Message {
    let heading = heading(page);
    Message::new(&heading, blocks(page, &heading))
}

/// A page of posts, as a modal.
pub fn posts_view(list: &PostsPage) -> View {
    page(what(list), blocks(list, &heading(list)))
}

fn what(page: &PostsPage) -> &'static str {
    match page.of.which {
        Which::All => "Posts",
        Which::Drafts => "Drafts",
        Which::Mine => "Your posts",
        Which::MyDrafts => "Your drafts",
    }
}

fn heading(page: &PostsPage) -> String {
    let what = what(page);
    match &page.site_title {
        Some(site) => format!("{what} of {site}"),
        None => what.to_owned(),
    }
}

fn blocks(page: &PostsPage, heading: &str) -> Vec<Block> {
    let mut blocks = vec![Block::header(heading)];
    if page.rows.is_empty() {
        let text = match (page.of.which, page.of.page) {
            (_, 1..) => "This page is empty.",
            (Which::Drafts | Which::MyDrafts, _) => "No drafts that you can see.",
            (Which::All | Which::Mine, _) => "Nothing here yet. Write the first one!",
        };
        blocks.push(Block::section(Mrkdwn::new().raw(text)));
    }
    let several = page.of.site.is_none();
    blocks.extend(
        page.rows
            .iter()
            .take(POSTS as usize)
            .map(|row| post(row, several)),
    );
    let of = u64::from(POSTS);
    let pages = page.total.div_ceil(of).max(1);
    if pages > 1 {
        let place = format!(
            "Page {} of {pages}, {} posts",
            u64::from(page.of.page) + 1,
            page.total
        );
        blocks.push(Block::context(Mrkdwn::new().text(&place)));
    }
    let turn = |to: u32| {
        Action::List(ListOf {
            page: to,
            ..page.of.clone()
        })
    };
    let previous = page
        .of
        .page
        .checked_sub(1)
        .map(|to| turn(to).button("← Previous").into());
    let next = (u64::from(page.of.page) + 1 < pages)
        .then(|| turn(page.of.page.saturating_add(1)).button("Next →").into());
    let new = Action::New(page.of.site.clone()).button("New post");
    blocks.extend(Block::actions(
        [previous, next, Some(new.into())].into_iter().flatten(),
    ));
    blocks
}

/// One line of a list, with a menu for what can be done.
pub(super) fn post(row: &PostRow, with_site: bool) -> Block {
    let title = cut(&row.title, TITLE);
    let title = match &row.url {
        Some(url) => Mrkdwn::new().raw("*").link(url, &title).raw("*"),
        None => Mrkdwn::new().bold(&title),
    };
    let mut text = title.raw("\n").then(&state(row));
    if with_site {
        text = text.raw(" · ").text(&cut(&row.site_title, TITLE));
    }
    text = text.raw(" · ").code(row.id.as_str());
    let menu = menu(row).and_then(|choices| Element::overflow(MORE, choices));
    match menu {
        Some(menu) => Block::section_with(text, menu),
        None => Block::section(text),
    }
}

fn menu(row: &PostRow) -> Option<Vec<Choice>> {
    if !row.may_change || row.state == PostState::Deleted {
        return None;
    }
    let id = &row.id;
    let mut choices = vec![
        Action::Edit(id.clone()).choice("Edit"),
        Action::Preview(id.clone()).choice("Preview"),
    ];
    if matches!(row.state, PostState::Draft | PostState::Scheduled) {
        choices.push(Action::Publish(id.clone()).choice("Publish now"));
    }
    choices.push(Action::AskDelete(id.clone()).choice("Delete …"));
    Some(choices)
}

fn state(row: &PostRow) -> Mrkdwn {
    let at = row.publish_at.unwrap_or(row.updated_at);
    match row.state {
        PostState::Draft => Mrkdwn::new()
            .raw(":pencil2: Draft, changed ")
            .date(row.updated_at),
        PostState::Scheduled => Mrkdwn::new().raw(":clock3: To be published ").date(at),
        PostState::Published => Mrkdwn::new().raw("Published ").date(at),
        PostState::Deleted => Mrkdwn::new()
            .raw(":wastebasket: Deleted ")
            .date(row.updated_at),
    }
}

/// Whether to delete a post, as a message.
pub fn confirm_delete(row: &PostRow) -> Message {
    let keep = Action::Dismiss.button("Keep it");
    Message::new("Delete this post?", question(row, Some(keep.into())))
}

/// Whether to delete a post, as a modal: it is kept by closing it.
pub fn confirm_delete_view(row: &PostRow) -> View {
    let blocks = question(row, None);
    View::modal(Callback::Page.id(), "Delete this post?", "Keep it", blocks)
}

fn question(row: &PostRow, keep: Option<Element>) -> Vec<Block> {
    let text = Mrkdwn::new()
        .raw("Delete ")
        .bold(&row.title)
        .raw(" from ")
        .bold(&row.site_title)
        .raw(match row.state {
            PostState::Published => "? It goes from the site as soon as the site is built.",
            _ => "? Readers have not seen it.",
        });
    let delete = Action::Delete(row.id.clone()).button("Delete").danger();
    let mut blocks = vec![Block::section(text)];
    blocks.extend(Block::actions([delete.into()].into_iter().chain(keep)));
    blocks
}
