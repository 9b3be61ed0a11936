use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use microblot::model::{Digest, Input, Part, PostChange, PostDraft, PostState, Publish, Revision};
use microblot::store::{PostFilter, SiteRow, Store};

use crate::fixture::{Db, Dice, ann, declare, draft, everything, row, with_foo};

on_both!(
    a_post_from_its_draft_to_its_end,
    a_scheduled_post_is_published_when_its_time_has_come,
    nothing_due_changes_nothing,
    a_deleted_post_is_gone_and_kept,
    equal_titles_get_slugs_of_their_own,
    equal_titles_at_the_same_moment,
    long_titles_get_slugs_of_their_own,
    a_revision_is_stored_once,
    the_posts_part_is_what_it_was,
    only_published_posts_count,
    posts_are_listed,
    writers_at_once_are_all_in_the_digest,
    text_that_a_database_cannot_hold,
    changes_of_posts_are_in_the_audit_trail,
);

async fn publish(store: &Store, site: &SiteRow, title: &str) -> microblot::model::Post {
    let draft = draft(title, Publish::Now);
    let post = store.new_post(&site.id, &site.name, &draft, &ann()).await;
    post.unwrap()
}

async fn version(store: &Store, site: &SiteRow) -> i64 {
    row(store, site.name.as_str()).await.posts_version
}

async fn a_post_from_its_draft_to_its_end(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let by = ann();
    let new = PostDraft {
        title: "Hello, world!".to_owned(),
        body: "*world*".to_owned(),
        category: Some("news".to_owned()),
        author: Some("Ann".to_owned()),
        publish: Publish::Draft(None),
    };
    let post = store.new_post(&foo.id, &foo.name, &new, &by).await.unwrap();
    assert_eq!(post.slug.as_str(), "hello-world");
    assert_eq!((post.state, post.publish_at), (PostState::Draft, None));
    assert_eq!(post.digest, post.revision.digest());
    assert_eq!(store.post(&post.id).await.unwrap().as_ref(), Some(&post));
    assert_eq!(version(&store, &foo).await, 0);

    let change = PostChange {
        title: Some("Hello again".to_owned()),
        publish: Some(Publish::Now),
        ..PostChange::default()
    };
    let published = store
        .edit_post(&post.id, &change, &by)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(published.state, PostState::Published);
    assert_eq!(published.publish_at, Some(published.updated_at));
    assert_eq!(published.slug, post.slug, "an address never changes");
    assert_eq!(published.created_at, post.created_at);
    assert_eq!(published.revision.title, "Hello again");
    assert_eq!(published.revision.body, post.revision.body);
    assert_eq!(published.revision.category.as_deref(), Some("news"));
    assert_eq!(published.revision.author.as_deref(), Some("Ann"));
    assert_eq!(published.revision.published_at, published.publish_at);
    assert_eq!(
        store.post(&post.id).await.unwrap().as_ref(),
        Some(&published)
    );
    assert_eq!(version(&store, &foo).await, 1);

    let change = PostChange {
        category: Some(None),
        publish: Some(Publish::Now),
        ..PostChange::default()
    };
    let edited = store
        .edit_post(&post.id, &change, &by)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        edited.publish_at, published.publish_at,
        "it stays published"
    );
    assert_eq!(edited.revision.category, None);
    assert_eq!(version(&store, &foo).await, 2);

    let change = PostChange {
        publish: Some(Publish::Draft(None)),
        ..PostChange::default()
    };
    let taken_back = store
        .edit_post(&post.id, &change, &by)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(taken_back.state, PostState::Draft);
    assert_eq!(taken_back.revision.published_at, None);
    assert_eq!(version(&store, &foo).await, 3);
    assert_eq!(
        store.posts_part(&foo.id).await.unwrap(),
        (3, Part::default())
    );

    let mut raw = db.raw().await;
    let history = raw
        .texts(&format!(
            "SELECT number || ' ' || digest || ' ' || changed_by FROM post_revision \
             WHERE post = '{}' ORDER BY number",
            post.id
        ))
        .await;
    let expected: Vec<_> = [&post, &published, &edited, &taken_back]
        .iter()
        .zip(1..)
        .map(|(post, number)| format!("{number} {} ann", post.digest))
        .collect();
    assert_eq!(history, expected);
    // Everything it ever said can still be read.
    let digests = [post.digest, published.digest, edited.digest];
    let revisions = store.revisions(&digests).await.unwrap();
    assert_eq!(revisions[&post.digest], post.revision);
    assert_eq!(revisions[&published.digest], published.revision);
}

async fn a_scheduled_post_is_published_when_its_time_has_come(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let by = ann();
    let now = everything(&store).await.now;
    let past = now.minus(Duration::from_secs(3600));
    let old = draft("Old", Publish::At(past));
    let old = store.new_post(&foo.id, &foo.name, &old, &by).await.unwrap();
    assert_eq!(
        (old.state, old.publish_at),
        (PostState::Published, Some(past))
    );

    let tomorrow = now.plus(Duration::from_secs(86_400));
    let later = draft("Later", Publish::At(tomorrow));
    let later = store
        .new_post(&foo.id, &foo.name, &later, &by)
        .await
        .unwrap();
    assert_eq!(later.state, PostState::Scheduled);
    assert_eq!(later.publish_at, Some(tomorrow));
    assert_eq!(later.revision.published_at, Some(tomorrow));
    assert_eq!(version(&store, &foo).await, 1);

    assert_eq!(store.publish_due_posts().await.unwrap(), 0);
    // A day goes by. The date that readers see is the one that was asked for.
    let sql = format!(
        "UPDATE post SET publish_at = publish_at - 90000000 WHERE id = '{}'",
        later.id
    );
    db.raw().await.run(&sql).await;
    assert_eq!(store.publish_due_posts().await.unwrap(), 1);
    assert_eq!(store.publish_due_posts().await.unwrap(), 0);
    let published = store.post(&later.id).await.unwrap().unwrap();
    assert_eq!(published.state, PostState::Published);
    assert_eq!(published.digest, later.digest);
    assert_eq!(version(&store, &foo).await, 2);
    let (_, part) = store.posts_part(&foo.id).await.unwrap();
    assert_eq!(part.items().count(), 2);

    // The time that a draft is meant for publishes nothing, and is no part of what it says.
    let idea = draft("Some day", Publish::Draft(Some(past)));
    let idea = store
        .new_post(&foo.id, &foo.name, &idea, &by)
        .await
        .unwrap();
    assert_eq!(store.publish_due_posts().await.unwrap(), 0);
    let rewritten = PostChange {
        body: Some("More of it".to_owned()),
        ..PostChange::default()
    };
    let idea = store.edit_post(&idea.id, &rewritten, &by).await;
    let idea = idea.unwrap().unwrap();
    assert_eq!(
        (idea.state, idea.publish_at),
        (PostState::Draft, Some(past))
    );
    assert_eq!(idea.revision.published_at, None);
    assert_eq!(version(&store, &foo).await, 2);
    let newest = &store.posts(&Default::default(), 9).await.unwrap()[0];
    assert_eq!(newest.id, idea.id, "in its place by when it was changed");
    store.delete_post(&idea.id, &by).await.unwrap().unwrap();

    // Scheduled, then wanted at once: dated now.
    let soon = draft("Soon", Publish::At(tomorrow));
    let soon = store
        .new_post(&foo.id, &foo.name, &soon, &by)
        .await
        .unwrap();
    let change = PostChange {
        publish: Some(Publish::Now),
        ..PostChange::default()
    };
    let at_once = store
        .edit_post(&soon.id, &change, &by)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(at_once.state, PostState::Published);
    assert_eq!(at_once.publish_at, Some(at_once.updated_at));
}

/// It is asked often, and must wake nobody up.
async fn nothing_due_changes_nothing(db: Db) {
    let (store, _) = with_foo(&db).await;
    let mut listener = store.listen().await.unwrap();
    let before = everything(&store).await.cursor;
    for _ in 0..3 {
        assert_eq!(store.publish_due_posts().await.unwrap(), 0);
    }
    let nothing: [(String, microblot::model::SiteName); 0] = [];
    store.forget(&nothing).await.unwrap();
    store.note(&[]).await.unwrap();
    store.keep_posts_digests(&[]).await.unwrap();
    assert!(store.record(&[]).await.unwrap().is_empty());
    let woken = tokio::time::timeout(Duration::from_millis(400), listener.changed()).await;
    assert!(woken.is_err(), "nothing happened, and somebody was woken");
    if matches!(db.address, microblot::store::Address::Sqlite(_)) {
        assert_eq!(everything(&store).await.cursor, before);
    }
}

async fn a_deleted_post_is_gone_and_kept(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let by = ann();
    let post = publish(&store, &foo, "Hello").await;
    let deleted = store.delete_post(&post.id, &by).await.unwrap().unwrap();
    assert_eq!(deleted.state, PostState::Deleted);
    assert_eq!(version(&store, &foo).await, 2);
    assert_eq!(store.posts_part(&foo.id).await.unwrap().1, Part::default());
    assert!(store.delete_post(&post.id, &by).await.unwrap().is_none());
    let edit = store.edit_post(&post.id, &PostChange::default(), &by).await;
    assert!(edit.unwrap().is_none());
    // Its revision and its address stay taken: an old link never leads to another post.
    assert_eq!(store.revisions(&[post.digest]).await.unwrap().len(), 1);
    let second = publish(&store, &foo, "Hello").await;
    assert_eq!(second.slug.as_str(), "hello-2");

    let idea = draft("Idea", Publish::Draft(None));
    let idea = store
        .new_post(&foo.id, &foo.name, &idea, &by)
        .await
        .unwrap();
    let before = version(&store, &foo).await;
    store.delete_post(&idea.id, &by).await.unwrap().unwrap();
    assert_eq!(version(&store, &foo).await, before, "no reader saw it");
    let nobodys = microblot::model::PostId::from_random(7);
    assert!(store.delete_post(&nobodys, &by).await.unwrap().is_none());
    assert!(store.post(&nobodys).await.unwrap().is_none());
}

async fn equal_titles_get_slugs_of_their_own(db: Db) {
    let store = db.open().await;
    let sites = declare(&store, &["bar", "foo"]).await;
    let mut slugs = Vec::new();
    for _ in 0..14 {
        slugs.push(publish(&store, &sites[0], "Hello").await.slug);
    }
    assert_eq!(slugs[0].as_str(), "hello");
    assert_eq!(slugs[9].as_str(), "hello-10");
    assert!(slugs[10].as_str().starts_with("hello-"));
    assert_eq!(slugs.iter().collect::<BTreeSet<_>>().len(), 14);
    assert_eq!(publish(&store, &sites[1], "Hello").await.slug, slugs[0]);
}

async fn equal_titles_at_the_same_moment(db: Db) {
    let (one, foo) = with_foo(&db).await;
    let two = db.open().await;
    let tasks: Vec<_> = (0..24)
        .map(|i| {
            let store = if i % 2 == 0 { one.clone() } else { two.clone() };
            let foo = foo.clone();
            tokio::spawn(async move { publish(&store, &foo, "Hello").await.slug })
        })
        .collect();
    let mut slugs = BTreeSet::new();
    for task in tasks {
        slugs.insert(task.await.unwrap());
    }
    assert_eq!(slugs.len(), 24);
    assert_eq!(one.posts_part(&foo.id).await.unwrap().1.items().count(), 24);
}

async fn long_titles_get_slugs_of_their_own(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let title = "x".repeat(128);
    let mut slugs = BTreeSet::new();
    for _ in 0..14 {
        let post = publish(&store, &foo, &title);
        let post = tokio::time::timeout(Duration::from_secs(20), post).await;
        slugs.insert(post.expect("it comes to an end").slug);
    }
    assert_eq!(slugs.len(), 14);
    assert!(slugs.iter().all(|slug| slug.as_str().len() <= 64));
}

async fn a_revision_is_stored_once(db: Db) {
    let store = db.open().await;
    let sites = declare(&store, &["bar", "foo"]).await;
    let now = everything(&store).await.now;
    let same = draft("Hello", Publish::At(now.minus(Duration::from_secs(5))));
    let mut posts = Vec::new();
    for site in &sites {
        posts.push(
            store
                .new_post(&site.id, &site.name, &same, &ann())
                .await
                .unwrap(),
        );
    }
    assert_eq!(posts[0].digest, posts[1].digest);
    let mut raw = db.raw().await;
    assert_eq!(raw.int("SELECT COUNT(*) FROM revision").await, 1);

    // An edit that changes nothing is no new revision; one back to older content is.
    let edit = async |body: &str| {
        let change = PostChange {
            body: Some(body.to_owned()),
            ..PostChange::default()
        };
        store
            .edit_post(&posts[0].id, &change, &ann())
            .await
            .unwrap();
    };
    edit(&same.body).await;
    let of_post = format!(
        "SELECT COUNT(*) FROM post_revision WHERE post = '{}'",
        posts[0].id
    );
    assert_eq!(raw.int(&of_post).await, 1);
    edit("other").await;
    edit(&same.body).await;
    assert_eq!(raw.int(&of_post).await, 3);
    assert_eq!(raw.int("SELECT COUNT(*) FROM revision").await, 2);
}

/// The same on both databases, to the byte.
async fn the_posts_part_is_what_it_was(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let at = microblot::model::Millis(1_763_600_000_000);
    for (title, body) in [
        ("Zürich \"today\"", "one\ntwo"),
        ("Hello, world!", ""),
        ("日本語 🎉", "\u{1F389}"),
        ("Hello, world!", "again"),
    ] {
        let new = PostDraft {
            body: body.to_owned(),
            ..draft(title, Publish::At(at))
        };
        store
            .new_post(&foo.id, &foo.name, &new, &ann())
            .await
            .unwrap();
    }
    let (version, part) = store.posts_part(&foo.id).await.unwrap();
    assert_eq!(version, 4);
    insta::allow_duplicates! {
        insta::assert_snapshot!(part.as_text(), @r#"
        hello-world 458fb565193e1ed3e20c986f2ad4a862b5a2ba6439a976c4843183452f8bac01 "Hello, world!"
        hello-world-2 b9f834c99ff55bb4a8a78cc2a98137e51b63b92f23a85a5d8c609280337339a0 "Hello, world!"
        post ca0e13581342362ed80a788bd263767625813127d7800787426097179d5c1cdb "日本語 🎉"
        zuerich-today ac78b7e254eb0260f21294d67d364ba6cceaf0dbdfefb8f3eea3b05162460689 "Zürich \"today\""
        "#);
        insta::assert_snapshot!(part.digest(Input::Posts), @"4d5525c14a558235482612fa357e9081ac86c2c65a02432f818d8507fac9e2c6");
    }
}

async fn only_published_posts_count(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let now = everything(&store).await.now;
    let later = Publish::At(now.plus(Duration::from_secs(60)));
    for (title, publish) in [("Draft", Publish::Draft(None)), ("Later", later)] {
        store
            .new_post(&foo.id, &foo.name, &draft(title, publish), &ann())
            .await
            .unwrap();
    }
    let deleted = publish(&store, &foo, "Deleted").await;
    store.delete_post(&deleted.id, &ann()).await.unwrap();
    assert_eq!(store.posts_part(&foo.id).await.unwrap().1, Part::default());
    let seen = publish(&store, &foo, "Seen").await;
    let (_, part) = store.posts_part(&foo.id).await.unwrap();
    let lines: Vec<_> = part.items().collect();
    assert_eq!(
        lines,
        [("seen".to_owned(), &*format!("{} \"Seen\"", seen.digest))]
    );
    assert_eq!(
        store.posts_part("nobody").await.unwrap(),
        (0, Part::default())
    );
}

async fn posts_are_listed(db: Db) {
    let store = db.open().await;
    let sites = declare(&store, &["bar", "foo"]).await;
    let now = everything(&store).await.now;
    let ago = |seconds| Publish::At(now.minus(Duration::from_secs(seconds)));
    for (site, title, publish) in [
        (0, "first", ago(30)),
        (1, "second", ago(20)),
        (0, "third", ago(10)),
    ] {
        let site: &SiteRow = &sites[site];
        let draft = draft(title, publish);
        store
            .new_post(&site.id, &site.name, &draft, &ann())
            .await
            .unwrap();
    }
    let titles = async |site: Option<usize>, deleted, limit| {
        let filter = PostFilter {
            site: site.map(|site| sites[site].name.clone()),
            deleted,
            ..PostFilter::default()
        };
        let posts = store.posts(&filter, limit).await.unwrap();
        posts.into_iter().map(|post| post.title).collect::<Vec<_>>()
    };
    assert_eq!(titles(None, false, 9).await, ["third", "second", "first"]);
    assert_eq!(titles(None, false, 2).await, ["third", "second"]);
    assert_eq!(titles(Some(0), false, 9).await, ["third", "first"]);
    let filter = PostFilter::default();
    let third = store.posts(&filter, 1).await.unwrap().remove(0);
    assert_eq!(
        (third.site.as_str(), third.state.as_str()),
        ("bar", "published")
    );
    store.delete_post(&third.id, &ann()).await.unwrap();
    assert_eq!(titles(Some(0), false, 9).await, ["first"]);
    assert_eq!(titles(Some(0), true, 9).await.len(), 2);
}

/// Sixteen people write, edit and delete; two replicas take and keep digests all the while. In
/// the end, and at every moment, a digest that is kept is that of all posts of its version.
async fn writers_at_once_are_all_in_the_digest(db: Db) {
    let store = db.open().await;
    let sites = Arc::new(declare(&store, &["bar", "foo"]).await);
    let writing = Arc::new(AtomicUsize::new(16));
    let mut tasks = Vec::new();
    for seed in 0..16 {
        let store = if seed % 2 == 0 {
            store.clone()
        } else {
            db.open().await
        };
        let (sites, writing) = (sites.clone(), writing.clone());
        tasks.push(tokio::spawn(async move {
            let mut dice = Dice::new(seed);
            let mut mine = Vec::new();
            for i in 0..12 {
                let site = &sites[dice.roll(2)];
                match dice.roll(4) {
                    0 if !mine.is_empty() => {
                        let id = mine.swap_remove(dice.roll(mine.len()));
                        store.delete_post(&id, &ann()).await.unwrap();
                    }
                    1 if !mine.is_empty() => {
                        let change = PostChange {
                            body: Some(format!("{seed} {i}")),
                            ..PostChange::default()
                        };
                        let id = &mine[dice.roll(mine.len())];
                        store.edit_post(id, &change, &ann()).await.unwrap();
                    }
                    _ => mine.push(publish(&store, site, &format!("Post {}", i % 3)).await.id),
                }
            }
            writing.fetch_sub(1, Ordering::SeqCst);
        }));
    }
    for _ in 0..2 {
        let (store, sites, writing) = (db.open().await, sites.clone(), writing.clone());
        tasks.push(tokio::spawn(async move {
            while writing.load(Ordering::SeqCst) > 0 {
                let mut fresh = Vec::new();
                for site in sites.iter() {
                    let (version, part) = store.posts_part(&site.id).await.unwrap();
                    fresh.push((site.id.clone(), version, part.digest(Input::Posts)));
                }
                store.keep_posts_digests(&fresh).await.unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    for site in sites.iter() {
        let (version, part) = store.posts_part(&site.id).await.unwrap();
        let digest = part.digest(Input::Posts);
        let now = row(&store, site.name.as_str()).await;
        assert!(now.posts.is_none_or(|kept| kept == digest));
        // One that was taken a moment too early is not kept, nor one of a version to come.
        for wrong in [version - 1, version + 1] {
            let wrong = (site.id.clone(), wrong, Digest::of_bytes(b"wrong"));
            store.keep_posts_digests(&[wrong]).await.unwrap();
        }
        let now = row(&store, site.name.as_str()).await;
        assert!(now.posts.is_none_or(|kept| kept == digest));
        store
            .keep_posts_digests(&[(site.id.clone(), version, digest)])
            .await
            .unwrap();
        assert_eq!(row(&store, site.name.as_str()).await.posts, Some(digest));
        publish(&store, site, "one more").await;
        assert_eq!(row(&store, site.name.as_str()).await.posts, None);
    }
}

/// PostgreSQL refuses U+0000 in texts. It shows nothing, so it is left out, on both.
async fn text_that_a_database_cannot_hold(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let new = PostDraft {
        title: "A\0B".to_owned(),
        body: "one\0two".to_owned(),
        category: Some("c\0".to_owned()),
        author: Some("\0a".to_owned()),
        publish: Publish::Now,
    };
    let post = store
        .new_post(&foo.id, &foo.name, &new, &ann())
        .await
        .unwrap();
    let Revision {
        title,
        body,
        category,
        author,
        ..
    } = &post.revision;
    assert_eq!((title.as_str(), body.as_str()), ("AB", "onetwo"));
    assert_eq!(
        (category.as_deref(), author.as_deref()),
        (Some("c"), Some("a"))
    );
    let change = PostChange {
        body: Some("\0three".to_owned()),
        ..PostChange::default()
    };
    let post = store
        .edit_post(&post.id, &change, &ann())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(post.revision.body, "three");
    assert_eq!(store.post(&post.id).await.unwrap(), Some(post));
}

async fn changes_of_posts_are_in_the_audit_trail(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let now = everything(&store).await.now;
    let later = draft("Hello", Publish::At(now.plus(Duration::from_secs(60))));
    let post = store
        .new_post(&foo.id, &foo.name, &later, &ann())
        .await
        .unwrap();
    store
        .edit_post(&post.id, &PostChange::default(), &ann())
        .await
        .unwrap();
    db.raw().await.run("UPDATE post SET publish_at = 1").await;
    store.publish_due_posts().await.unwrap();
    store.delete_post(&post.id, &ann()).await.unwrap();
    let lines = store.audit(4).await.unwrap();
    let account = Some("slack:T0TEAM:U0ANN");
    let told: Vec<_> = lines
        .iter()
        .map(|line| {
            assert_eq!(line.site.as_deref(), Some("foo"));
            assert_eq!(line.detail.as_deref(), Some(post.id.as_str()));
            (
                line.action.as_str(),
                line.who.as_str(),
                line.account.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("delete", "ann", account),
            ("publish post", "microblot", None),
            ("edit", "ann", account),
            ("new", "ann", account),
        ]
    );
}

/// SQLite writes the posts of many writers together. If that fails, each is written by itself, and
/// somebody may have been told meanwhile that theirs is not.
#[tokio::test]
async fn a_post_that_nobody_waits_for_any_more_is_not_written() {
    let db = Db::sqlite();
    let (store, foo) = with_foo(&db).await;
    let by = ann();
    let text = draft("Hello", Publish::Now);
    let unstorable = store.new_post("no-such-site", &foo.name, &text, &by);
    let given_up = store.new_post(&foo.id, &foo.name, &text, &by);
    tokio::select! {
        biased;
        refused = unstorable => { refused.unwrap_err(); }
        _ = given_up => panic!("it was behind the other one"),
    }
    let text = draft("Goodbye", Publish::Now);
    store
        .new_post(&foo.id, &foo.name, &text, &by)
        .await
        .unwrap();
    let posts = store.posts(&PostFilter::default(), 9).await.unwrap();
    let titles: Vec<&str> = posts.iter().map(|post| post.title.as_str()).collect();
    assert_eq!(titles, ["Goodbye"]);
}
