//! Microblot decides which static sites need a build, fires exactly those, once, and says why.

pub mod builders;
pub mod config;
pub mod model;
pub mod plan;
pub mod store;
