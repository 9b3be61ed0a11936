use std::process::{Command, Stdio};
use std::time::Duration;

use microblot::store::{Address, Reader, Store, StoreError};

use crate::fixture::{Db, chain, declare, with_foo};

on_both!(
    a_database_is_opened_again,
    tasks_open_one_new_database_at_once,
    processes_open_one_new_database_at_once,
    a_reader_sees_what_was_committed,
    nothing_is_no_database,
    writers_queue_whatever_their_number,
);

async fn a_database_is_opened_again(db: Db) {
    let (store, foo) = with_foo(&db).await;
    store.close().await;
    let again = db.open().await;
    let beside = db.open().await;
    for store in [again, beside] {
        let found = store.site(&foo.name).await.unwrap().unwrap();
        assert_eq!(found.id, foo.id);
    }
}

async fn tasks_open_one_new_database_at_once(db: Db) {
    let tasks: Vec<_> = (0..8)
        .map(|_| tokio::spawn(open_within_a_minute(db.address.clone())))
        .collect();
    for task in tasks {
        task.await.unwrap().ping().await.unwrap();
    }
}

/// A lock that is waited for on the only thread of a runtime would never come.
#[tokio::test(flavor = "current_thread")]
async fn one_thread_is_enough_to_open_a_new_file_many_times_at_once() {
    tasks_open_one_new_database_at_once(Db::sqlite()).await;
}

async fn open_within_a_minute(address: Address) -> Store {
    let open = Store::open(&address);
    let opened = tokio::time::timeout(Duration::from_secs(60), open).await;
    opened.expect("nobody waits for ever").unwrap()
}

const INNER: &str = "MICROBLOT_TEST_OPEN";

async fn processes_open_one_new_database_at_once(db: Db) {
    let address = match &db.address {
        Address::Sqlite(path) => path.to_str().unwrap(),
        Address::Postgres(url) => url,
    };
    let start = || {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "open::inner", "--ignored"])
            .env(INNER, address)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let children: Vec<_> = (0..8).map(|_| start()).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}");
        assert!(text.contains("1 passed"), "{text}");
    }
    db.open().await.ping().await.unwrap();
}

#[tokio::test]
#[ignore = "run by processes_open_one_new_database_at_once"]
async fn inner() {
    let Ok(address) = std::env::var(INNER) else {
        return;
    };
    let store = Store::open(&Address::parse(&address).unwrap())
        .await
        .unwrap();
    store.ping().await.unwrap();
}

async fn a_reader_sees_what_was_committed(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let reader = Reader::open(&db.address).await.unwrap().unwrap();
    assert_eq!(reader.site(&foo.name).await.unwrap().unwrap().id, foo.id);
    declare(&store, &["bar"]).await;
    assert_eq!(reader.estate_since(0).await.unwrap().sites.len(), 2);
}

async fn nothing_is_no_database(db: Db) {
    assert!(Reader::open(&db.address).await.unwrap().is_none());
    match &db.address {
        Address::Sqlite(path) => {
            let folder = path.parent().unwrap();
            assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);
            std::fs::write(path, "").unwrap();
            assert!(Reader::open(&db.address).await.unwrap().is_none());
            assert_eq!(std::fs::metadata(path).unwrap().len(), 0);
        }
        Address::Postgres(_) => {
            let tables = "SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'";
            assert_eq!(db.raw().await.int(tables).await, 0);
        }
    }
}

#[tokio::test]
async fn a_missing_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let address = Address::Sqlite(folder.path().join("not/there.db"));
    let error = Store::open(&address).await.unwrap_err();
    assert!(matches!(error, StoreError::Folder(..)), "{error:?}");
    assert!(chain(&error).contains("not/there.db"));
    assert!(Reader::open(&address).await.unwrap().is_none());
}

#[tokio::test]
async fn a_file_that_is_no_database_is_left_as_it_is() {
    let db = Db::sqlite();
    let Address::Sqlite(path) = &db.address else {
        unreachable!()
    };
    let text = "Dear diary, this is no database. ".repeat(100);
    std::fs::write(path, &text).unwrap();
    assert!(Store::open(&db.address).await.is_err());
    assert!(Reader::open(&db.address).await.is_err());
    assert_eq!(std::fs::read_to_string(path).unwrap(), text);
}

async fn writers_queue_whatever_their_number(db: Db) {
    let (_, foo) = with_foo(&db).await;
    let (one, two) = (db.open().await, db.open().await);
    let tasks: Vec<_> = (0..40)
        .map(|i| {
            let store = if i % 2 == 0 { one.clone() } else { two.clone() };
            let foo = foo.clone();
            tokio::spawn(async move {
                let by = crate::fixture::ann();
                store.request_rebuild(&foo.id, &foo.name, false, &by).await
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let lines = one.audit(100).await.unwrap();
    assert_eq!(
        lines.iter().filter(|line| line.action == "rebuild").count(),
        40
    );
}
