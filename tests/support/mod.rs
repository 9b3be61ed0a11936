//! What the integration tests stand on: real PostgreSQL, stand-ins for the outside, the real binary.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a harness that cannot do its work must fail the test"
)]

pub mod chaos;
pub mod estate;
pub mod guard;
pub mod hooks;
pub mod http;
pub mod ports;
pub mod postgres;
pub mod slack;
pub mod slack_limits;
pub mod world;
