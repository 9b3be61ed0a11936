//! Where everything starts: the main modal and the Home tab.

use super::actions::{Action, ListOf};
use super::messages::page;
use super::posts::{PostRow, post};
use super::sites::{Mood, SiteRowView, TITLE, line};
use crate::chat::grammar::Which;
use crate::slack::blocks::{Block, Mrkdwn, View, cut};

/// Blogs that are shown; the rest is behind a button.
pub const BLOGS: usize = 12;

/// A blog of the workspace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Blog {
    /// What lists show of it.
    pub row: SiteRowView,
    /// Published posts.
    pub published: u64,
    /// Drafts that the person who looks can see.
    pub drafts: u64,
}

/// What a person sees of their workspace.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Home {
    /// The blogs, in the order of their names; more than [`BLOGS`] are counted.
    pub blogs: Vec<Blog>,
    /// The newest drafts of this person; the first few are shown.
    pub drafts: Vec<PostRow>,
}

/// The main modal.
pub fn main_modal(home: &Home) -> View {
    page("Microblot", blogs(home))
}

/// The Home tab: the blogs, drafts, what is building, what needs attention.
pub fn home_tab(home: &Home) -> View {
    let mut blocks = blogs(home);
    if !home.drafts.is_empty() {
        blocks.push(Block::header("Your drafts"));
        blocks.extend(home.drafts.iter().take(5).map(|row| post(row, true)));
        if home.drafts.len() > 5 {
            let all = Action::List(ListOf {
                site: None,
                which: Which::MyDrafts,
                page: 0,
            });
            blocks.extend(Block::actions([all.button("All drafts").into()]));
        }
    }
    blocks.extend(section(home, "Building", &[Mood::Building, Mood::Waiting]));
    blocks.extend(section(
        home,
        "Needs attention",
        &[Mood::Attention, Mood::Paused],
    ));
    View::home(blocks)
}

fn section(home: &Home, heading: &str, moods: &[Mood]) -> Vec<Block> {
    const SHOWN: usize = 8;
    let rows: Vec<&SiteRowView> = home
        .blogs
        .iter()
        .map(|blog| &blog.row)
        .filter(|row| moods.contains(&row.mood))
        .collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let mut blocks = vec![Block::divider(), Block::header(heading)];
    blocks.extend(rows.iter().take(SHOWN).map(|row| {
        let details = Action::Status(row.name.clone()).button("Details");
        Block::section_with(line(row), details)
    }));
    if rows.len() > SHOWN {
        let more = format!("… and {} more", rows.len() - SHOWN);
        blocks.push(Block::context(Mrkdwn::new().text(&more)));
    }
    blocks
}

fn blogs(home: &Home) -> Vec<Block> {
    let mut blocks = vec![Block::header("Your blogs")];
    if home.blogs.is_empty() {
        blocks.push(Block::section(Mrkdwn::new().raw(
            "This workspace has no blog yet. Whoever runs Microblot can declare one in \
             `sites.toml`, and admins can make one with `/microblot site add NAME`.",
        )));
    }
    for blog in home.blogs.iter().take(BLOGS) {
        blocks.extend(self::blog(blog));
    }
    if home.blogs.len() > BLOGS {
        let more = format!("… and {} more", home.blogs.len() - BLOGS);
        blocks.push(Block::context(Mrkdwn::new().text(&more)));
    }
    let all = (home.blogs.len() > 1).then(|| {
        let mine = Action::List(ListOf {
            site: None,
            which: Which::Mine,
            page: 0,
        });
        mine.button("All your posts").into()
    });
    let sites = (!home.blogs.is_empty()).then(|| Action::Sites(0).button("How sites are").into());
    blocks.extend(Block::actions([all, sites].into_iter().flatten()));
    blocks
}

fn blog(blog: &Blog) -> Vec<Block> {
    let Blog {
        row,
        published,
        drafts,
    } = blog;
    let list = |which| {
        Action::List(ListOf {
            site: Some(row.name.clone()),
            which,
            page: 0,
        })
    };
    let posts = match published {
        1 => "1 published post".to_owned(),
        published => format!("{published} published posts"),
    };
    let text = Mrkdwn::new()
        .raw("*")
        .link(&row.url, &cut(&row.title, TITLE))
        .raw("*\n")
        .text(&posts);
    let mut blocks = vec![Block::section(text)];
    blocks.extend(Block::actions([
        Action::New(Some(row.name.clone()))
            .button("New post")
            .primary()
            .into(),
        list(Which::MyDrafts)
            .button(&format!("Drafts ({drafts})"))
            .into(),
        list(Which::All).button("Posts").into(),
    ]));
    blocks
}
