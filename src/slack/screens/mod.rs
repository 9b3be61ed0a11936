//! What people see in Slack: pure functions from data to messages and views.

pub mod actions;
pub mod editor;
pub mod home;
pub mod messages;
pub mod posts;
pub mod sites;
pub mod split;
pub mod telling;

#[cfg(test)]
mod tests;
