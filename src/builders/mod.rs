//! What builds a site.

pub mod render;
