//! What chat keeps beside its changes: people, events that came in, links to drafts, and the lists
//! that it shows.

use std::time::Duration;

use microblot::model::{Millis, PostChange, PostId, Publish, Revision};
use microblot::store::{PersonRow, PostFilter, StoreError};

use crate::fixture::{Db, ann, declare, draft, everything, row, with_foo};

on_both!(
    people_are_remembered,
    of_two_answers_the_later_stays,
    people_kept_at_once,
    an_event_is_stored_once,
    events_in_the_order_in_which_they_came,
    a_link_shows_the_version_that_it_was_made_for,
    lists_in_pages,
    posts_of_some_sites_or_somebody,
    what_is_over_is_cleaned_up,
    the_clock_was_set_back,
);

fn person(id: &str, fetched_at: i64) -> PersonRow {
    PersonRow {
        workspace: "T1".to_owned(),
        id: id.to_owned(),
        name: format!("{id} at {fetched_at}\0"),
        picture: (fetched_at > 5).then(|| "https://example.org/a.png".to_owned()),
        admin: fetched_at > 5,
        fetched_at: Millis(fetched_at),
    }
}

async fn people_are_remembered(db: Db) {
    let store = db.open().await;
    assert_eq!(store.person("T1", "U1").await.unwrap(), None);
    store.keep_people(&[]).await.unwrap();
    let elsewhere = PersonRow {
        workspace: "T2".to_owned(),
        ..person("U1", 3)
    };
    let people = [person("U3", 9), person("U1", 1), person("U2", 2), elsewhere];
    store.keep_people(&people).await.unwrap();
    let ann = store.person("T1", "U1").await.unwrap().unwrap();
    assert_eq!(
        (ann.name.as_str(), ann.admin, &ann.picture),
        ("U1 at 1", false, &None)
    );
    let found = store.people("T1", &["U3", "U1", "U9", "U3"]).await.unwrap();
    let ids: Vec<&String> = found.keys().collect();
    assert_eq!(ids, ["U1", "U3"]);
    assert!(found["U3"].admin && found["U3"].picture.is_some());
    let stale = store.stale_people(Millis(9), 2).await.unwrap();
    let stale: Vec<i64> = stale.iter().map(|person| person.fetched_at.0).collect();
    assert_eq!(stale, [1, 2], "the longest ago first");
}

async fn of_two_answers_the_later_stays(db: Db) {
    let store = db.open().await;
    store.keep_people(&[person("U1", 7)]).await.unwrap();
    store.keep_people(&[person("U1", 3)]).await.unwrap();
    let both = [person("U2", 8), person("U2", 4)];
    store.keep_people(&both).await.unwrap();
    for (id, at) in [("U1", 7), ("U2", 8)] {
        let kept = store.person("T1", id).await.unwrap().unwrap();
        assert_eq!(kept.fetched_at, Millis(at));
    }
}

async fn people_kept_at_once(db: Db) {
    let mut tasks = tokio::task::JoinSet::new();
    for round in 0..8 {
        let store = db.open().await;
        tasks.spawn(async move {
            let mut people: Vec<_> = (0..50).map(|i| person(&format!("U{i}"), round)).collect();
            if round % 2 == 0 {
                people.reverse();
            }
            store.keep_people(&people).await.unwrap();
        });
    }
    tasks.join_all().await;
    let store = db.open().await;
    let stale = store.stale_people(Millis(7), 99).await.unwrap();
    assert!(
        stale.is_empty(),
        "the last answer about everybody: {stale:?}"
    );
}

async fn an_event_is_stored_once(db: Db) {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = db.open().await;
        tasks.spawn(async move { store.receive("Ev1", "T1", "{\"a\":\"\0\"}").await.unwrap() });
    }
    let new = tasks.join_all().await;
    assert_eq!(new.into_iter().filter(|new| *new).count(), 1);
    let store = db.open().await;
    let events = store.inbox(9).await.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(
        (events[0].id.as_str(), events[0].workspace.as_str()),
        ("Ev1", "T1")
    );
    assert_eq!(events[0].body, "{\"a\":\"\"}");
    store.handled(&["Ev1", "Ev9"]).await.unwrap();
    assert!(store.inbox(9).await.unwrap().is_empty());
    assert!(
        !store.receive("Ev1", "T1", "{}").await.unwrap(),
        "it came before"
    );
}

async fn events_in_the_order_in_which_they_came(db: Db) {
    let store = db.open().await;
    for (id, at) in [("Ev3", 1), ("Ev1", 2), ("Ev2", 3)] {
        store.receive(id, "T1", "{}").await.unwrap();
        let sql = format!("UPDATE inbox SET at = {at} WHERE id = '{id}'");
        db.raw().await.run(&sql).await;
    }
    let ids = async |limit| -> Vec<String> {
        let events = store.inbox(limit).await.unwrap();
        events.into_iter().map(|event| event.id).collect()
    };
    assert_eq!(ids(2).await, ["Ev3", "Ev1"]);
    store.handled(&[]).await.unwrap();
    store.handled(&["Ev1", "Ev3"]).await.unwrap();
    assert_eq!(ids(9).await, ["Ev2"]);
}

async fn a_link_shows_the_version_that_it_was_made_for(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let text = draft("Hello", Publish::Draft(None));
    let post = store
        .new_post(&foo.id, &foo.name, &text, &ann())
        .await
        .unwrap();
    let now = everything(&store).await.now;
    let until = now.plus(Duration::from_secs(60));
    store
        .new_preview(&post.id, post.revision.clone(), "hash", until)
        .await
        .unwrap();
    let change = PostChange {
        title: Some("Hallo".to_owned()),
        ..PostChange::default()
    };
    store.edit_post(&post.id, &change, &ann()).await.unwrap();
    let shown = store.preview("hash", now).await.unwrap().unwrap();
    assert_eq!(
        (&shown.site, &shown.slug, shown.until),
        (&foo.name, &post.slug, until)
    );
    assert_eq!(shown.revision, post.revision);
    assert_eq!(store.preview("hash", until).await.unwrap(), None, "over");
    assert_eq!(store.preview("other", now).await.unwrap(), None);
    // The same secret again, which is that of the same press, changes nothing.
    let later = until.plus(Duration::from_secs(60));
    store
        .new_preview(&post.id, post.revision.clone(), "hash", later)
        .await
        .unwrap();
    assert_eq!(store.preview("hash", now).await.unwrap(), Some(shown));
    // A version that was never saved is no version of the post.
    let unsaved = Revision {
        body: "Not yet.".to_owned(),
        ..post.revision.clone()
    };
    store
        .new_preview(&post.id, unsaved.clone(), "hash 2", until)
        .await
        .unwrap();
    let shown = store.preview("hash 2", now).await.unwrap().unwrap();
    assert_eq!(shown.revision, unsaved);
    let stored = store.post(&post.id).await.unwrap().unwrap();
    assert_eq!(stored.revision.title, "Hallo");
    assert_eq!(stored.revision.body, post.revision.body);
    let none: PostId = "zzzzzzzzzz".parse().unwrap();
    let none = store.new_preview(&none, unsaved, "hash 3", until).await;
    assert!(matches!(none, Err(StoreError::Database(_))));
    store.delete_post(&post.id, &ann()).await.unwrap();
    assert_eq!(store.preview("hash", now).await.unwrap(), None);
}

async fn lists_in_pages(db: Db) {
    let (store, foo) = with_foo(&db).await;
    for number in 0..7_i64 {
        let text = draft(&number.to_string(), Publish::At(Millis(number + 1)));
        store
            .new_post(&foo.id, &foo.name, &text, &ann())
            .await
            .unwrap();
    }
    let page = async |offset| -> Vec<String> {
        let filter = PostFilter {
            site: Some(foo.name.clone()),
            offset,
            ..PostFilter::default()
        };
        assert_eq!(store.count_posts(&filter).await.unwrap(), 7);
        let posts = store.posts(&filter, 3).await.unwrap();
        posts.into_iter().map(|post| post.title).collect()
    };
    assert_eq!(page(0).await, ["6", "5", "4"]);
    assert_eq!(page(3).await, ["3", "2", "1"]);
    assert_eq!(page(6).await, ["0"]);
    assert!(page(9).await.is_empty());
}

async fn posts_of_some_sites_or_somebody(db: Db) {
    let store = db.open().await;
    let sites = declare(&store, &["a", "b", "c"]).await;
    let bob = microblot::model::Actor::chat("bob", "slack:T1:U2");
    let later = everything(&store).await.now.plus(Duration::from_secs(60));
    for (site, title, publish, by) in [
        (0, "a now", Publish::Now, ann()),
        (0, "a draft", Publish::Draft(None), bob.clone()),
        (1, "b later", Publish::At(later), ann()),
        (1, "b now", Publish::Now, bob.clone()),
        (2, "c draft", Publish::Draft(None), ann()),
        (2, "c gone", Publish::Now, bob.clone()),
    ] {
        let text = draft(title, publish);
        let post = store
            .new_post(&sites[site].id, &sites[site].name, &text, &by)
            .await;
        let post = post.unwrap();
        assert_eq!(post.account, by.account);
        assert_eq!(
            store.post(&post.id).await.unwrap().unwrap().account,
            by.account
        );
        if title == "c gone" {
            store.delete_post(&post.id, &by).await.unwrap();
        }
    }
    let all = PostFilter::default();
    let of = |names: &[usize]| {
        let names = names.iter().map(|site| sites[*site].name.clone());
        PostFilter {
            sites: Some(names.collect()),
            ..PostFilter::default()
        }
    };
    let one = |site: usize, filter: PostFilter| PostFilter {
        site: Some(sites[site].name.clone()),
        ..filter
    };
    let drafts = |filter: PostFilter| PostFilter {
        drafts: true,
        ..filter
    };
    let bobs = |filter: PostFilter| PostFilter {
        account: bob.account.clone(),
        ..filter
    };
    let deleted = |filter: PostFilter| PostFilter {
        deleted: true,
        ..filter
    };
    for (filter, expected) in [
        (
            all.clone(),
            &["a draft", "a now", "b later", "b now", "c draft"][..],
        ),
        (of(&[0, 2]), &["a draft", "a now", "c draft"]),
        (of(&[]), &[]),
        (one(1, all.clone()), &["b later", "b now"]),
        (one(1, of(&[0, 1])), &["b later", "b now"]),
        (one(1, of(&[0])), &[]),
        (drafts(all.clone()), &["a draft", "b later", "c draft"]),
        (drafts(of(&[0, 1])), &["a draft", "b later"]),
        (bobs(all.clone()), &["a draft", "b now"]),
        (bobs(drafts(of(&[0, 1, 2]))), &["a draft"]),
        (deleted(bobs(of(&[2]))), &["c gone"]),
        (deleted(drafts(bobs(of(&[2])))), &[]),
    ] {
        let found = store.posts(&filter, 99).await.unwrap();
        assert_eq!(
            store.count_posts(&filter).await.unwrap(),
            found.len() as u64
        );
        assert!(found.iter().all(|post| {
            post.account
                .as_deref()
                .is_some_and(|by| by.starts_with("slack:"))
        }));
        let mut titles: Vec<String> = found.into_iter().map(|post| post.title).collect();
        titles.sort();
        assert_eq!(titles, expected, "{filter:?}");
    }
}

async fn what_is_over_is_cleaned_up(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let text = draft("Hello", Publish::Draft(None));
    let post = store
        .new_post(&foo.id, &foo.name, &text, &ann())
        .await
        .unwrap();
    let mut raw = db.raw().await;
    let now = everything(&store).await.now;
    let hour = Duration::from_secs(3_600);
    for (hash, until) in [("over", now.minus(hour)), ("works", now.plus(hour))] {
        store
            .new_preview(&post.id, post.revision.clone(), hash, until)
            .await
            .unwrap();
    }
    for (id, done) in [("old", Some(25)), ("new", Some(23)), ("waiting", None)] {
        store.receive(id, "T1", "{}").await.unwrap();
        if let Some(hours) = done {
            let at = now.minus(hour * hours).0;
            raw.run(&format!(
                "UPDATE inbox SET done_at = {at} WHERE id = '{id}'"
            ))
            .await;
        }
    }
    for (id, asked, closed) in [
        ("closed long ago", 9, Some(8)),
        ("closed", 9, Some(6)),
        ("open", 80, None),
        ("nothing came of it", 91, None),
    ] {
        let days = |days: u32| now.minus(hour * 24 * days).0.to_string();
        let (asked, closed) = (days(asked), closed.map_or("NULL".to_owned(), days));
        raw.run(&format!(
            "INSERT INTO telling (id, workspace, conversation, asked_at, action, state, state_at, \
             next_at, closed_at) VALUES ('{id}', 'T1', 'U1', {asked}, 'new', 'live', 1, 1, {closed})"
        ))
        .await;
    }
    for (source, days) in [("long ago", 8), ("lately", 6)] {
        store.unmirror(source, "1", &ann()).await.unwrap();
        let at = now.minus(hour * 24 * days).0;
        raw.run(&format!(
            "UPDATE unmirrored SET at = {at} WHERE source = '{source}'"
        ))
        .await;
    }
    store.clean_up().await.unwrap();
    for (sql, left) in [
        ("SELECT token_hash FROM preview", &["works"][..]),
        ("SELECT id FROM inbox ORDER BY id", &["new", "waiting"]),
        ("SELECT id FROM telling ORDER BY id", &["closed", "open"]),
        ("SELECT source FROM unmirrored", &["lately"]),
    ] {
        assert_eq!(raw.texts(sql).await, left, "{sql}");
    }
}

/// What was to be told, or looked at, "in a minute" does not wait for the old clock to come again.
async fn the_clock_was_set_back(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let to = microblot::model::TellTo {
        workspace: "T1".to_owned(),
        conversation: "U1".to_owned(),
        response_url: None,
    };
    let by = ann().with_tell(to);
    let text = draft("Hello", Publish::Now);
    store
        .new_post(&foo.id, &foo.name, &text, &by)
        .await
        .unwrap();
    store
        .follow("T1", "C1", &foo.id, &foo.name, &ann())
        .await
        .unwrap();
    let mut raw = db.raw().await;
    let far = "9000000000000";
    raw.run(&format!(
        "UPDATE telling SET asked_at = {far}, next_at = {far}, lease_until = {far}; \
         UPDATE channel SET next_at = {far}"
    ))
    .await;
    assert!(store.due_tellings(9).await.unwrap().is_empty());
    store.clock_was_set_back().await.unwrap();
    let now = everything(&store).await.now;
    let telling = store.due_tellings(9).await.unwrap().remove(0);
    assert!(telling.asked_at <= now);
    assert!(store.channels(None).await.unwrap()[0].next_at <= now);
    assert_eq!(row(&store, "foo").await.posts_version, 1);
}
