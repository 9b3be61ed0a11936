//! Microblot decides which static sites need a build, fires exactly those, once, and says why.

pub mod inputs;
pub mod model;
