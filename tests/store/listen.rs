use std::time::Duration;

use microblot::store::{Address, Listener, Store};

use crate::fixture::{Db, ann, declare, with_foo};
use crate::support::postgres::Server;

on_both!(
    a_change_by_another_process_is_told,
    a_change_before_the_wait_is_told
);

const SOON: Duration = Duration::from_secs(20);

async fn told(listener: &mut Listener) {
    let changed = tokio::time::timeout(SOON, listener.changed()).await;
    changed.expect("it is told").unwrap();
}

async fn a_change_by_another_process_is_told(db: Db) {
    let (here, foo) = with_foo(&db).await;
    let there = db.open().await;
    let mut listener = here.listen().await.unwrap();
    for _ in 0..3 {
        let change = async {
            there
                .request_rebuild(&foo.id, &foo.name, false, &ann())
                .await
                .unwrap();
        };
        tokio::join!(told(&mut listener), change);
    }
}

/// Nothing falls between the read of a state and the wait for the next one.
async fn a_change_before_the_wait_is_told(db: Db) {
    let (here, foo) = with_foo(&db).await;
    let mut listener = here.listen().await.unwrap();
    here.request_rebuild(&foo.id, &foo.name, false, &ann())
        .await
        .unwrap();
    told(&mut listener).await;
    // A wait that was given up has taken nothing with it.
    let given_up = tokio::time::timeout(Duration::from_millis(1), listener.changed()).await;
    drop(given_up);
    here.request_rebuild(&foo.id, &foo.name, false, &ann())
        .await
        .unwrap();
    told(&mut listener).await;
}

#[tokio::test]
async fn the_end_of_a_session_is_told_and_survived() {
    let db = Db::postgres();
    let (store, _) = with_foo(&db).await;
    let mut listener = store.listen().await.unwrap();
    let kill = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity \
                WHERE datname = current_database() AND query LIKE 'LISTEN%'";
    assert_eq!(db.raw().await.int(kill).await, 1);
    // Something may have been missed: look.
    told(&mut listener).await;
    declare(&db.open().await, &["bar"]).await;
    told(&mut listener).await;
}

/// Whatever a listener says while its server is away: listening again works once it is back.
#[tokio::test]
async fn a_server_that_comes_back_is_listened_to_again() {
    let server = Server::start_new();
    let database = server.database();
    let store = Store::open(&Address::parse(database.url()).unwrap())
        .await
        .unwrap();
    let mut listener = store.listen().await.unwrap();
    server.stop();
    let lost = tokio::time::timeout(SOON, listener.changed()).await;
    assert!(lost.is_ok(), "the loss is told, as a change or as an error");
    drop(listener);
    assert!(store.ping().await.is_err());
    server.start();
    let mut listener = store.listen().await.unwrap();
    declare(&store, &["foo"]).await;
    told(&mut listener).await;
    drop(listener);
    store.close().await;
}

/// A replica that vanishes in the middle of a claim must not stop the others: its transaction
/// holds the lock that all claims take.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_vanishes_in_a_transaction_lets_the_others_go_on() {
    use crate::fixture::{content, request, row, try_claim};
    use crate::support::chaos::Proxy;

    let db = Db::postgres();
    let (store, foo) = with_foo(&db).await;
    let Address::Postgres(url) = &db.address else {
        unreachable!()
    };
    let mut proxy = Proxy::before(url);
    let behind = Store::open(&Address::parse(&proxy.url(url)).unwrap())
        .await
        .unwrap();
    // It stands in the middle of its claim, because somebody has the site's row.
    let mut raw = db.raw().await;
    raw.run("BEGIN").await;
    raw.run("SELECT 1 FROM observed FOR UPDATE").await;
    let due = [request(&foo, &content(1))];
    let vanishing = tokio::spawn(async move { try_claim(&behind, &due).await });
    let mut watch = db.raw().await;
    let waits = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() \
                 AND wait_event_type = 'Lock'";
    while watch.int(waits).await == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    proxy.swallow();
    raw.run("ROLLBACK").await;
    let due = [request(&row(&store, "foo").await, &content(2))];
    let claims = tokio::time::timeout(SOON, try_claim(&store, &due)).await;
    assert_eq!(claims.expect("it goes on").len(), 1);
    vanishing.abort();
}
