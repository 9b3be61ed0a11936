//! What is in the database, read beside the program.

use crate::support::world::World;

/// The audit trail, oldest first: `Ada chat new garden`.
pub fn read(world: &World) -> Vec<String> {
    world.sql(
        "SELECT who || ' ' || door || ' ' || action || ' ' || coalesce(site, '') || ' ' \
         || coalesce(detail, '') FROM audit ORDER BY at, id",
    )
}

/// What people made: the audit trail, the ids of posts, and events that wait.
pub fn made(world: &World) -> Vec<String> {
    let mut all = read(world);
    all.extend(world.sql("SELECT id FROM post ORDER BY id"));
    all.extend(world.sql("SELECT id FROM inbox ORDER BY id"));
    all
}
