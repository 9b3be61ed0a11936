//! One post for each message, however often and in whatever order its events arrive.

use microblot::model::{Actor, Millis, Post, PostChange, PostDraft, PostState, Publish, SiteName};
use microblot::store::{Mirrored, SiteRow, Store};
use proptest::prelude::*;

use crate::fixture::{Db, ann, declare, draft, row, with_foo};

on_both!(
    a_message_from_its_beginning_to_its_end,
    an_older_version_never_wins,
    a_deletion_that_came_first,
    what_somebody_deleted_stays_deleted,
    what_somebody_wrote_is_not_written_over,
    a_post_keeps_its_date_and_place,
    the_same_message_many_times_at_once,
);

const SOURCE: &str = "slack:T1:C1:1700000000.000100";

async fn mirror(store: &Store, site: &SiteRow, version: &str, text: &str) -> Mirrored {
    let text = draft(text, Publish::Now);
    store
        .mirror(SOURCE, version, &site.id, &site.name, &text, &ann())
        .await
        .unwrap()
}

async fn only_post(store: &Store) -> Post {
    let listed = store.posts(&Default::default(), 9).await.unwrap();
    assert_eq!(listed.len(), 1);
    store.post(&listed[0].id).await.unwrap().unwrap()
}

async fn a_message_from_its_beginning_to_its_end(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let Mirrored::New(id) = mirror(&store, &foo, "1", "Hello").await else {
        panic!("it is new");
    };
    let post = only_post(&store).await;
    assert_eq!((&post.id, post.state), (&id, PostState::Published));
    assert_eq!(post.account.as_deref(), Some("slack:T0TEAM:U0ANN"));
    let again = mirror(&store, &foo, "1", "Hello").await;
    assert_eq!(again, Mirrored::Unchanged(id.clone()));
    let changed = mirror(&store, &foo, "2", "Hello again").await;
    assert_eq!(changed, Mirrored::Changed(id.clone()));
    let same = mirror(&store, &foo, "3", "Hello again").await;
    assert_eq!(
        same,
        Mirrored::Unchanged(id.clone()),
        "with a link shown below it, say"
    );
    assert_eq!(row(&store, "foo").await.posts_version, 2);
    assert_eq!(only_post(&store).await.revision.title, "Hello again");
    assert_eq!(store.unmirror(SOURCE, "4", &ann()).await.unwrap(), Some(id));
    assert_eq!(store.unmirror(SOURCE, "4", &ann()).await.unwrap(), None);
    assert!(
        store
            .posts(&Default::default(), 9)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(row(&store, "foo").await.posts_version, 3);
    let actions = store.audit(3).await.unwrap();
    let actions: Vec<&str> = actions.iter().map(|line| line.action.as_str()).collect();
    assert_eq!(actions, ["delete", "edit", "new"]);
}

async fn an_older_version_never_wins(db: Db) {
    let (store, foo) = with_foo(&db).await;
    mirror(&store, &foo, "1700000009.000100", "Newer").await;
    let older = mirror(&store, &foo, "1700000001.000100", "Older").await;
    assert_eq!(older, Mirrored::Older);
    assert_eq!(only_post(&store).await.revision.title, "Newer");
}

async fn a_deletion_that_came_first(db: Db) {
    let (store, foo) = with_foo(&db).await;
    for _ in 0..2 {
        assert_eq!(store.unmirror(SOURCE, "2", &ann()).await.unwrap(), None);
    }
    assert_eq!(mirror(&store, &foo, "1", "Late").await, Mirrored::Older);
    assert!(
        store
            .posts(&Default::default(), 9)
            .await
            .unwrap()
            .is_empty()
    );
}

async fn what_somebody_deleted_stays_deleted(db: Db) {
    let (store, foo) = with_foo(&db).await;
    mirror(&store, &foo, "1", "Hello").await;
    let post = only_post(&store).await;
    store.delete_post(&post.id, &ann()).await.unwrap();
    assert_eq!(mirror(&store, &foo, "2", "Hello!").await, Mirrored::Older);
    assert_eq!(store.unmirror(SOURCE, "3", &ann()).await.unwrap(), None);
    assert_eq!(row(&store, "foo").await.posts_version, 2);
}

async fn what_somebody_wrote_is_not_written_over(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let Mirrored::New(id) = mirror(&store, &foo, "1", "Hello").await else {
        panic!("it is new");
    };
    // Another date, and the text as it is: it goes on with the message.
    let dated = PostChange {
        title: Some("Hello".to_owned()),
        publish: Some(Publish::At(Millis(1_700_000_000_000))),
        ..PostChange::default()
    };
    store.edit_post(&id, &dated, &ann()).await.unwrap();
    assert!(store.follows_message(&id).await.unwrap());
    let changed = mirror(&store, &foo, "2", "Hello!").await;
    assert_eq!(changed, Mirrored::Changed(id.clone()));
    let filed = PostChange {
        category: Some(Some("Greetings".to_owned())),
        ..PostChange::default()
    };
    store.edit_post(&id, &filed, &ann()).await.unwrap();
    assert!(!store.follows_message(&id).await.unwrap());
    for version in ["1", "2", "3"] {
        let kept = mirror(&store, &foo, version, "Written over").await;
        assert_eq!(kept, Mirrored::Rewritten, "{version}");
    }
    assert_eq!(only_post(&store).await.revision.title, "Hello!");
    let gone = store.unmirror(SOURCE, "4", &ann()).await.unwrap();
    assert_eq!(gone, Some(id.clone()));
    assert_eq!(mirror(&store, &foo, "5", "Late").await, Mirrored::Older);
}

async fn a_post_keeps_its_date_and_place(db: Db) {
    let store = db.open().await;
    let sites = declare(&store, &["bar", "foo"]).await;
    let dated = PostDraft {
        publish: Publish::At(Millis(1_700_000_000_000)),
        ..draft("Hello", Publish::Now)
    };
    let by = ann();
    let mirror = async |site: &SiteRow, version: &str, text: &PostDraft| {
        let name: &SiteName = &site.name;
        store
            .mirror(SOURCE, version, &site.id, name, text, &by)
            .await
            .unwrap()
    };
    mirror(&sites[0], "1", &dated).await;
    // The channel is another site's by now; what it made before stays where it is.
    let later = draft("Hallo", Publish::Now);
    mirror(&sites[1], "2", &later).await;
    let post = only_post(&store).await;
    assert_eq!(post.site, sites[0].name);
    assert_eq!(post.publish_at, Some(Millis(1_700_000_000_000)));
    assert_eq!(post.revision.published_at, post.publish_at);
    assert_eq!(post.slug.as_str(), "hello");
    assert_eq!(post.revision.title, "Hallo");
}

async fn the_same_message_many_times_at_once(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let beside = db.open().await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..16 {
        let store = if number % 2 == 0 { &store } else { &beside };
        let (store, foo) = (store.clone(), foo.clone());
        tasks.spawn(async move {
            let version = (number % 4).to_string();
            mirror(&store, &foo, &version, &format!("Version {version}")).await
        });
    }
    let answers = tasks.join_all().await;
    let new = answers.iter().filter(|m| matches!(m, Mirrored::New(_)));
    assert_eq!(new.count(), 1);
    assert_eq!(only_post(&store).await.revision.title, "Version 3");
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Version(u8),
    Deleted,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => (0_u8..5).prop_map(Event::Version),
        1 => Just(Event::Deleted),
    ];
    proptest::collection::vec(event, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever arrives in whatever order: the newest version is shown, or nothing if the message
    /// was deleted.
    #[test]
    fn the_end_does_not_depend_on_the_order(events in events()) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let db = Db::sqlite();
            let (store, foo) = with_foo(&db).await;
            let by: Actor = ann();
            for event in &events {
                match event {
                    Event::Version(version) => {
                        let (version, text) = (version.to_string(), format!("V{version}"));
                        mirror(&store, &foo, &version, &text).await;
                    }
                    Event::Deleted => drop(store.unmirror(SOURCE, "9", &by).await.unwrap()),
                }
            }
            let newest = events.iter().filter_map(|event| match event {
                Event::Version(version) => Some(*version),
                Event::Deleted => None,
            }).max();
            let deleted = events.iter().any(|event| matches!(event, Event::Deleted));
            let expected = newest.filter(|_| !deleted).map(|version| format!("V{version}"));
            let shown = store.posts(&Default::default(), 9).await.unwrap();
            let shown: Vec<String> = shown.into_iter().map(|post| post.title).collect();
            assert_eq!(shown, Vec::from_iter(expected));
        });
    }
}
