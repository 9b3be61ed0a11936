use microblot::model::{ContentHash, Digest, Input, Manifest, Outcome, Part, Publish};

use crate::fixture::{
    Db, ann, build, content, declare, draft, parts, record, request, try_claim, with_foo,
};

on_both!(
    a_manifest_is_read_as_it_was_stored,
    what_is_not_there_is_left_out,
    twenty_thousand_digests_in_one_question,
    replicas_store_the_same_content_at_once,
    builds_are_listed_newest_first,
);

async fn a_manifest_is_read_as_it_was_stored(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let manifest = Manifest {
        spec: Part::from_items([("title", "\"Zürich 🎉 \\\"quoted\\\"\"")]),
        posts: Part::from_items([("hello", "aa \"Hello\"")]),
        files: Part::from_items((0..20_000).map(|i| (format!("docs/{i:06}.md"), "bb"))),
        revision: Part::default(),
    };
    let claims = try_claim(&store, &[request(&foo, &manifest)]).await;
    assert_eq!(claims.len(), 1);
    let hash = manifest.fingerprint().hash();
    let read = store.manifest(&hash).await.unwrap().unwrap();
    assert_eq!(read, manifest);
    assert_eq!(read.fingerprint().hash(), hash);
}

async fn what_is_not_there_is_left_out(db: Db) {
    let store = db.open().await;
    declare(&store, &["foo"]).await;
    build(&store, "foo", 1, Outcome::Live).await;
    let nothing = Digest::of_bytes(b"nothing");
    assert_eq!(store.manifest(&ContentHash(nothing)).await.unwrap(), None);
    let spec = content(1).spec;
    let known = spec.digest(Input::Spec);
    let found = store.parts(&[nothing, known]).await.unwrap();
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [(known, spec)]);
    assert!(store.parts(&[]).await.unwrap().is_empty());
    assert!(store.revisions(&[nothing]).await.unwrap().is_empty());
    assert!(store.builds("nobody", 9).await.unwrap().is_empty());
}

async fn twenty_thousand_digests_in_one_question(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let mut due = request(&foo, &content(0));
    due.parts = (0..20_000)
        .flat_map(|i| parts(&content(i)).into_iter().take(1))
        .collect();
    try_claim(&store, &[due]).await;
    let post = store
        .new_post(&foo.id, &foo.name, &draft("Hello", Publish::Now), &ann())
        .await
        .unwrap();
    let mut digests: Vec<_> = (0..20_000)
        .map(|i| content(i).spec.digest(Input::Spec))
        .collect();
    let parts = store.parts(&digests).await.unwrap();
    assert_eq!(parts.len(), 20_000);
    assert!(
        parts
            .iter()
            .all(|(digest, part)| part.digest(Input::Spec) == *digest)
    );
    digests.push(post.digest);
    let revisions = store.revisions(&digests).await.unwrap();
    assert_eq!(
        revisions.into_iter().collect::<Vec<_>>(),
        [(post.digest, post.revision)]
    );
}

async fn replicas_store_the_same_content_at_once(db: Db) {
    let store = db.open().await;
    let sites = declare(&store, &crate::fixture::names("site", 8)).await;
    let mut tasks = Vec::new();
    for site in sites {
        let store = db.open().await;
        tasks.push(tokio::spawn(async move {
            let claims = try_claim(&store, &[request(&site, &content(1))]).await;
            record(&store, &claims[0], Outcome::Live).await;
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(db.raw().await.int("SELECT COUNT(*) FROM manifest").await, 1);
}

async fn builds_are_listed_newest_first(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let mut expected = Vec::new();
    for number in 0..5 {
        expected.insert(
            0,
            build(&store, "foo", number, Outcome::Live)
                .await
                .build()
                .clone(),
        );
    }
    let listed = store.builds(&foo.id, 3).await.unwrap();
    let listed: Vec<_> = listed.into_iter().map(|build| build.id).collect();
    assert_eq!(listed, expected[..3]);
}
