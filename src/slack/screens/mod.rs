//! What people see in Slack: pure functions from data to messages and views.

mod actions;
mod editor;
mod home;
mod messages;
mod posts;
mod sites;
mod split;
mod telling;

#[cfg(test)]
mod tests;

pub use actions::{Action, Callback, EditorMeta, ListOf, Stage};
pub use editor::{
    EditorForm, Saved, TITLE, Typed, WHEN, editor, preview, preview_view, saved, too_long,
};
pub use home::{BLOGS, Blog, Home, home_tab, main_modal};
pub use messages::{
    HelpLine, done, elsewhere, export, help, misread, note, refusal, trouble, unfollow_question,
};
pub use posts::{
    POSTS, PostRow, PostsPage, confirm_delete, confirm_delete_view, posts, posts_view,
};
pub use sites::{
    BUILDS, InfoView, Mood, SITES, SiteRowView, SiteView, history, info, plan, sites, status,
};
pub use split::{LONGEST_SHOWN, Parts, split_body};
pub use telling::{Told, digest, told};
