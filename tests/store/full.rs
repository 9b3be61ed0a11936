//! A file that cannot grow: the nearest thing to a full disk that needs no rights.
#![cfg(target_os = "linux")]

use std::process::Command;

use microblot::model::{Actor, Outcome, PostDraft, Publish};
use microblot::store::{Address, Store, StoreError};

use crate::fixture::{Db, ann, build, chain, declare, draft, row};

const INNER: &str = "MICROBLOT_TEST_FULL";

/// A process of its own, because the limit is one of a process.
#[tokio::test]
async fn a_full_disk_is_said_clearly_and_loses_nothing() {
    let db = Db::sqlite();
    let store = db.open().await;
    declare(&store, &["foo"]).await;
    build(&store, "foo", 1, Outcome::Live).await;
    store.close().await;
    let Address::Sqlite(path) = &db.address else {
        unreachable!()
    };
    // Ignored, the signal becomes an error of the write. The limit is in blocks of 1024 bytes.
    let output = Command::new("bash")
        .args(["-c", "trap '' XFSZ; ulimit -S -f 2000; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "full::inner", "--ignored", "--nocapture"])
        .env(INNER, path)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}\n{errors}"
    );

    // What was acknowledged is there; and another process can go on.
    let store = db.open().await;
    let acknowledged: usize = errors
        .lines()
        .find_map(|line| line.strip_prefix("acknowledged: ")?.parse().ok())
        .unwrap();
    let posts = store.posts(&Default::default(), 10_000).await.unwrap();
    assert_eq!(posts.len(), acknowledged);
    assert!(acknowledged > 10);
    build(&store, "foo", 3, Outcome::Live).await;
    let mut raw = db.raw().await;
    assert_eq!(raw.texts("PRAGMA integrity_check").await, ["ok"]);
}

#[tokio::test]
#[ignore = "run by a_full_disk_is_said_clearly_and_loses_nothing"]
async fn inner() {
    let Ok(path) = std::env::var(INNER) else {
        return;
    };
    let store = Store::open(&Address::Sqlite(path.into())).await.unwrap();
    let foo = row(&store, "foo").await;
    let by: Actor = ann();
    let mut acknowledged = 0;
    let error = loop {
        let post = PostDraft {
            body: "x".repeat(8_000),
            ..draft(&format!("Post {acknowledged}"), Publish::Now)
        };
        match store.new_post(&foo.id, &foo.name, &post, &by).await {
            Ok(_) => acknowledged += 1,
            Err(error) => break error,
        }
        assert!(acknowledged < 1_000, "the limit is not in force");
    };
    assert!(matches!(error, StoreError::Full(_)), "{error:?}");
    let text = chain(&error);
    for words in ["full", "nothing", "make room"] {
        assert!(text.contains(words), "{text}");
    }
    // Reading goes on.
    let posts = store.posts(&Default::default(), 10_000).await.unwrap();
    assert_eq!(posts.len(), acknowledged);
    assert!(row(&store, "foo").await.observed.built.is_some());

    // Room is made, and the same process goes on.
    let me = std::process::id().to_string();
    let status = Command::new("prlimit")
        .args(["--pid", &me, "--fsize=unlimited"])
        .status();
    assert!(status.unwrap().success());
    let last = draft("There is room again", Publish::Now);
    store
        .new_post(&foo.id, &foo.name, &last, &by)
        .await
        .unwrap();
    build(&store, "foo", 2, Outcome::Live).await;
    acknowledged += 1;
    store.close().await;
    eprintln!("acknowledged: {acknowledged}");
}
