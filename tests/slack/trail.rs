//! What is in the database, read beside the program.

use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection as _};

use crate::support::world::World;

/// The audit trail, oldest first: `Ada chat new garden`.
pub fn read(world: &World) -> Vec<String> {
    query(
        world,
        "SELECT who || ' ' || door || ' ' || action || ' ' || coalesce(site, '') || ' ' \
         || coalesce(detail, '') FROM audit ORDER BY at, id",
    )
}

/// What people made: the audit trail, the ids of posts, and events that wait.
pub fn made(world: &World) -> Vec<String> {
    let mut all = read(world);
    all.extend(query(world, "SELECT id FROM post ORDER BY id"));
    all.extend(query(world, "SELECT id FROM inbox ORDER BY id"));
    all
}

/// The first column of a query, as texts.
pub fn query(world: &World, sql: &str) -> Vec<String> {
    let sql = AssertSqlSafe(sql.to_owned());
    let rows = async {
        match world.postgres() {
            Some(url) => {
                let mut connection = PgConnection::connect(url).await?;
                sqlx::query_scalar(sql).fetch_all(&mut connection).await
            }
            None => {
                let file = world.estate.path().join("microblot.db");
                let url = format!("sqlite:{}", file.display());
                let mut connection = SqliteConnection::connect(&url).await?;
                sqlx::query_scalar(sql).fetch_all(&mut connection).await
            }
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(rows).unwrap()
}
