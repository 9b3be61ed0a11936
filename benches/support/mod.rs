//! What the benchmarks stand on.
#![allow(dead_code, reason = "each benchmark uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that cannot do its work must fail"
)]

pub mod engine;
pub mod estate;
pub mod load;
pub mod signed;
pub mod storm;
pub mod table;
