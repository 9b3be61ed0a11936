//! What must not hurt: processes that are killed, databases and hooks that misbehave, files that are
//! broken, clocks that jump, disks that are full.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]

mod support;

#[path = "faults/clock.rs"]
mod clock;
#[path = "faults/commands.rs"]
mod commands;
#[path = "faults/database.rs"]
mod database;
#[path = "faults/disk.rs"]
mod disk;
#[path = "faults/files.rs"]
mod files;
#[path = "faults/histories.rs"]
mod histories;
#[path = "faults/hooks.rs"]
mod hooks;
#[path = "faults/kills.rs"]
mod kills;
#[path = "faults/replicas.rs"]
mod replicas;
#[path = "faults/world.rs"]
mod world;
