//! What builds a site, and how a build of it is started.

pub mod http;
pub mod netlify;
mod trigger;

pub use trigger::{TriggerBody, TriggerError};
