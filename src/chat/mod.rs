//! What people can say in chat, and who may say it. Pure, and of no one platform.

pub mod grammar;
pub mod help;
pub mod policy;
pub mod verbs;
mod words;

#[cfg(test)]
mod tests;
