//! Microblot decides which static sites need a build, fires exactly those, once, and says why.

pub mod builders;
pub mod feeds;
pub mod markdown;
pub mod model;
