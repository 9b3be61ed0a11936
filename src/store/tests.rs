//! What can be seen only from the inside: that a reader's own connections cannot write, and that
//! no question that is asked at every look reads a whole table.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::path::Path;

use sqlx::{AssertSqlSafe, Row as _};

use super::db::Pool;
use super::{Address, Reader, Store, calm, content, estate, feed, upkeep};
use crate::model::SiteName;

#[allow(
    dead_code,
    reason = "the harness of the integration tests; a part of it is used here"
)]
#[path = "../../tests/support/guard.rs"]
mod guard;
#[allow(dead_code, reason = "as above")]
#[path = "../../tests/support/ports.rs"]
mod ports;
#[allow(dead_code, reason = "as above")]
#[path = "../../tests/support/postgres.rs"]
mod postgres;

const WRITES: [&str; 4] = [
    "INSERT INTO spend (month, deploys) VALUES (1, 1)",
    "UPDATE site SET revision = 'x'",
    "DELETE FROM audit",
    "CREATE TABLE new (a BIGINT)",
];

async fn cannot_write(address: &Address, why: &str) {
    let store = Store::open(address).await.unwrap();
    let reader = Reader::open(address).await.unwrap().unwrap();
    for sql in WRITES {
        let refused = match &reader.pool {
            Pool::Sqlite(pool) => sqlx::query(sql).execute(pool).await.unwrap_err(),
            Pool::Postgres(pool) => sqlx::query(sql).execute(pool).await.unwrap_err(),
        };
        assert!(refused.to_string().contains(why), "{sql}: {refused}");
    }
    store.ping().await.unwrap();
}

#[tokio::test]
async fn a_reader_cannot_write() {
    let folder = tempfile::tempdir().unwrap();
    let file = Address::Sqlite(folder.path().join("microblot.db"));
    cannot_write(&file, "readonly database").await;
    let database = postgres::database();
    let server = Address::Postgres(database.url().to_owned());
    cannot_write(&server, "read-only transaction").await;
}

/// On SQLite the reading half of a store cannot write either, and nor can a snapshot on both.
#[tokio::test]
async fn a_snapshot_cannot_write() {
    let folder = tempfile::tempdir().unwrap();
    let database = postgres::database();
    for address in [
        Address::Sqlite(folder.path().join("microblot.db")),
        Address::Postgres(database.url().to_owned()),
    ] {
        let store = Store::open(&address).await.unwrap();
        let mut tx = store.reader.pool.snapshot().await.unwrap();
        let refused = super::db::tx!(&mut tx, conn => sqlx::query(WRITES[0])
            .execute(conn).await.map(|_| ()));
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("read"), "{refused}");
    }
}

/// The steps of SQLite's plan for a query, in a database with a few sites.
async fn steps(path: &Path, sql: &'static str) -> Vec<String> {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
    let rows = sqlx::query(explain).bind(1).fetch_all(&pool).await.unwrap();
    rows.iter().map(|row| row.get("detail")).collect()
}

#[tokio::test]
async fn nothing_that_is_asked_often_reads_a_whole_table() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("microblot.db");
    let store = Store::open(&Address::Sqlite(path.clone())).await.unwrap();
    assert!(
        store
            .site(&"foo".parse::<SiteName>().unwrap())
            .await
            .unwrap()
            .is_none()
    );
    for (sql, indexes) in [
        (estate::SITES_SINCE, &["site_by_seq"][..]),
        (estate::OBSERVED_SINCE, &["observed_by_seq"][..]),
        (estate::SITE_BY_NAME, &["sqlite_autoindex_site"][..]),
        (estate::FLIGHTS, &["USING INDEX build_"][..]),
        (estate::HOSTED_IN_FLIGHT, &["USING INDEX build_"][..]),
        (estate::FIRED_SINCE, &["build_hosted"][..]),
        (estate::NEXT_POST, &["post_scheduled"][..]),
        (
            calm::LASTING,
            &["site_by_seq", "observed_by_seq", "build_", "post_scheduled"],
        ),
        (
            content::PUBLISHED_POSTS,
            &["COVERING INDEX post_published"][..],
        ),
        (
            feed::NEWEST_OF_SITE,
            &["COVERING INDEX post_newest_of_site"],
        ),
        (feed::NEWEST, &["COVERING INDEX post_newest"]),
        (upkeep::OUTBOX_DEPTH, &["outbox_waiting"][..]),
    ] {
        let steps = steps(&path, sql).await;
        let text = steps.join("\n");
        for index in indexes {
            assert!(text.contains(index), "{index} is not used:\n{sql}\n{text}");
        }
        // A scan is right over an index that holds only what is asked for, or over what the query
        // was given.
        let partial = [
            // One row.
            "SCAN calm",
            "build_in_flight",
            "build_hosted",
            "post_scheduled",
            "outbox_waiting",
            "SCAN e VIRTUAL TABLE",
            // The newest posts: as many as were asked for.
            "SCAN n",
            "COVERING INDEX post_newest",
        ];
        for step in steps.iter().filter(|step| step.starts_with("SCAN")) {
            assert!(
                partial.iter().any(|index| step.contains(index)),
                "{sql}\n{text}"
            );
        }
    }
    let newest = steps(&path, estate::NEWEST_GENERATION).await;
    assert_eq!(
        newest,
        ["SCAN generation"],
        "backwards by its key, one step"
    );
    // The one that reads everything reads each table once.
    let every = steps(&path, estate::EVERY_SITE).await;
    assert_eq!(
        every.iter().filter(|step| step.starts_with("SCAN")).count(),
        1,
        "{every:?}"
    );
}
