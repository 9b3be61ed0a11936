//! A request that comes twice changes once.

use microblot::model::{Actor, Hold, Millis, Post, PostChange, Publish, SiteName, TellTo};
use microblot::store::{
    Came, Followed, Installed, NewSite, Resumed, SiteRow, Store, StoreError, Unfollowed,
};

use crate::fixture::{Db, ann, draft, everything, name, spec, with_foo};

on_both!(
    every_change_is_made_once,
    what_was_done_can_be_asked,
    two_at_the_same_moment,
    a_refused_request_leaves_nothing,
    new_posts_of_one_batch,
);

fn asking(request: &str) -> Actor {
    ann().with_request(request)
}

fn new_site(text: &str) -> NewSite {
    NewSite {
        name: name(text),
        spec: spec(text),
    }
}

fn workspace(id: &str) -> Installed {
    Installed {
        id: id.to_owned(),
        name: "Acme".to_owned(),
        bot_user: "U0BOT".to_owned(),
        token: Some("sealed".to_owned()),
    }
}

#[derive(Clone, Copy, Debug)]
enum Change {
    New,
    Edit,
    Delete,
    Pause,
    Resume,
    Rebuild,
    AddSite,
    RemoveSite,
    Follow,
    Unfollow,
    Mirror,
    Unmirror,
    Install,
    Uninstall,
}

/// Each in an order in which the former make what the latter change.
const CHANGES: [(Change, &str); 14] = [
    (Change::New, "new"),
    (Change::Edit, "edit"),
    (Change::Delete, "delete"),
    (Change::Pause, "pause"),
    (Change::Resume, "resume"),
    (Change::Rebuild, "rebuild"),
    (Change::AddSite, "site add"),
    (Change::RemoveSite, "site remove"),
    (Change::Follow, "follow"),
    (Change::Unfollow, "unfollow"),
    (Change::Mirror, "new"),
    (Change::Unmirror, "delete"),
    (Change::Install, "install"),
    (Change::Uninstall, "uninstall"),
];

const SOURCE: &str = "slack:T1:C1:1700000000.000100";

async fn make(
    store: &Store,
    change: Change,
    foo: &SiteRow,
    post: &Post,
    by: &Actor,
) -> Result<(), StoreError> {
    let text = draft("Twice", Publish::Now);
    match change {
        Change::New => drop(store.new_post(&foo.id, &foo.name, &text, by).await?),
        Change::Edit => {
            let change = PostChange {
                title: Some("Edited".to_owned()),
                ..PostChange::default()
            };
            assert!(store.edit_post(&post.id, &change, by).await?.is_some());
        }
        Change::Delete => assert!(store.delete_post(&post.id, by).await?.is_some()),
        Change::Pause => {
            let hold = Hold {
                by: "ann".to_owned(),
                because: None,
                since: everything(store).await.now,
                until: None,
            };
            store.pause(&foo.id, &foo.name, &hold, by).await?;
        }
        Change::Resume => {
            let resumed = store.resume(&foo.id, &foo.name, by).await?;
            assert_eq!(resumed, Resumed::Resumed);
        }
        Change::Rebuild => {
            store.request_rebuild(&foo.id, &foo.name, false, by).await?;
        }
        Change::AddSite => assert!(store.add_site(&new_site("chatty"), by).await?),
        Change::RemoveSite => {
            let site = store.site(&name("chatty")).await?.unwrap();
            assert!(store.remove_site(&site.id, &site.name, by).await?);
        }
        Change::Follow => {
            let followed = store.follow("T1", "C1", &foo.id, &foo.name, by).await?;
            assert_eq!(followed, Followed::New);
        }
        Change::Unfollow => {
            let unfollowed = store.unfollow("T1", "C1", true, by).await?;
            assert_eq!(unfollowed, Unfollowed::Done { posts: 0 });
        }
        Change::Mirror => {
            let mirrored = store.mirror(SOURCE, "1", &foo.id, &foo.name, &text, by);
            mirrored.await?;
        }
        Change::Unmirror => assert!(store.unmirror(SOURCE, "2", by).await?.is_some()),
        Change::Install => {
            let site = new_site("acme");
            let came = store
                .install_workspace(&workspace("T1"), &[site], by)
                .await?;
            assert!(matches!(came, Came::New { .. }));
        }
        Change::Uninstall => assert!(store.remove_workspace("T1", Millis(i64::MAX), by).await?),
    }
    Ok(())
}

async fn every_change_is_made_once(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let text = draft("First", Publish::Now);
    let post = store.new_post(&foo.id, &foo.name, &text, &ann()).await;
    let post = post.unwrap();
    for (number, (change, action)) in CHANGES.into_iter().enumerate() {
        let by = asking(&format!("request-{number}"));
        make(&store, change, &foo, &post, &by).await.unwrap();
        let audit = store.audit(100).await.unwrap().len();
        let again = make(&store, change, &foo, &post, &by).await;
        assert!(
            matches!(again, Err(StoreError::AlreadyDone)),
            "{change:?}: {again:?}"
        );
        assert_eq!(store.audit(100).await.unwrap().len(), audit, "{change:?}");
        let done = store.done(by.request.as_deref().unwrap()).await.unwrap();
        assert_eq!(done.unwrap().action, action);
    }
    let titles = store.posts(&Default::default(), 9).await.unwrap();
    assert_eq!(titles.len(), 1, "{titles:?}");
}

async fn what_was_done_can_be_asked(db: Db) {
    let (store, foo) = with_foo(&db).await;
    assert!(store.done("view-1").await.unwrap().is_none());
    let text = draft("Hello", Publish::Draft(None));
    let post = store
        .new_post(&foo.id, &foo.name, &text, &asking("view-1"))
        .await
        .unwrap();
    let done = store.done("view-1").await.unwrap().unwrap();
    assert_eq!((done.who.as_str(), done.door.as_str()), ("ann", "chat"));
    assert_eq!(done.action, "new");
    assert_eq!(done.site.as_deref(), Some("foo"));
    assert_eq!(done.detail.as_deref(), Some(post.id.as_str()));
}

/// Slack sends it again to another replica while the first one is still at it.
async fn two_at_the_same_moment(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let beside = db.open().await;
    let text = draft("First", Publish::Now);
    let post = store.new_post(&foo.id, &foo.name, &text, &ann()).await;
    let post = post.unwrap();
    for (number, (change, _)) in CHANGES.into_iter().enumerate() {
        let by = asking(&format!("request-{number}"));
        let mut tasks = Vec::new();
        for store in [&store, &beside, &store, &beside] {
            let (store, foo, post, by) = (store.clone(), foo.clone(), post.clone(), by.clone());
            tasks.push(tokio::spawn(async move {
                // What is removed at once can be gone when the second one looks for it.
                if let Change::RemoveSite = change {
                    let site = store.site(&name("chatty")).await?.unwrap();
                    return match store.remove_site(&site.id, &site.name, &by).await? {
                        true => Ok(()),
                        false => panic!("neither removed nor done"),
                    };
                }
                make(&store, change, &foo, &post, &by).await
            }));
        }
        let mut made = 0;
        for task in tasks {
            match task.await.unwrap() {
                Ok(()) => made += 1,
                Err(StoreError::AlreadyDone) => {}
                Err(error) => panic!("{change:?}: {error:?}"),
            }
        }
        assert_eq!(made, 1, "{change:?}");
    }
}

async fn a_refused_request_leaves_nothing(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let to = TellTo {
        workspace: "T1".to_owned(),
        conversation: "U1".to_owned(),
        response_url: None,
    };
    let by = asking("once").with_tell(to);
    let text = draft("Hello", Publish::Now);
    let post = store
        .new_post(&foo.id, &foo.name, &text, &by)
        .await
        .unwrap();
    // Another change under the same request is refused as well.
    let refused = store.delete_post(&post.id, &by).await;
    assert!(matches!(refused, Err(StoreError::AlreadyDone)));
    let refused = store.request_rebuild(&foo.id, &foo.name, false, &by).await;
    assert!(matches!(refused, Err(StoreError::AlreadyDone)));
    let row = store.site(&foo.name).await.unwrap().unwrap();
    assert_eq!((row.posts_version, row.rebuild), (1, None));
    assert!(store.post(&post.id).await.unwrap().is_some());
    assert_eq!(db.raw().await.int("SELECT COUNT(*) FROM telling").await, 1);
}

/// Those that share a transaction: one that came before, one that comes twice, one of a site that
/// is none.
async fn new_posts_of_one_batch(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let text = draft("Hello", Publish::Now);
    let before = asking("before");
    store
        .new_post(&foo.id, &foo.name, &text, &before)
        .await
        .unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..64 {
        let store = store.clone();
        let text = text.clone();
        let (site, by): (String, Actor) = match number {
            7 => (foo.id.clone(), before.clone()),
            9 | 23 => (foo.id.clone(), asking("twice")),
            31 => ("no such site".to_owned(), asking("lost")),
            _ => (foo.id.clone(), asking(&format!("request-{number}"))),
        };
        let name: SiteName = foo.name.clone();
        tasks.spawn(async move { (number, store.new_post(&site, &name, &text, &by).await) });
    }
    let (mut made, mut done, mut failed) = (0, Vec::new(), Vec::new());
    while let Some(task) = tasks.join_next().await {
        match task.unwrap() {
            (_, Ok(_)) => made += 1,
            (number, Err(StoreError::AlreadyDone)) => done.push(number),
            (number, Err(_)) => failed.push(number),
        }
    }
    done.sort_unstable();
    assert_eq!(made, 61);
    assert!(done == [7, 9] || done == [7, 23], "{done:?}");
    assert_eq!(failed, [31]);
    assert!(store.done("lost").await.unwrap().is_none());
    let row = store.site(&foo.name).await.unwrap().unwrap();
    assert_eq!(row.posts_version, 62);
    let mut raw = db.raw().await;
    assert_eq!(raw.int("SELECT COUNT(*) FROM post").await, 62);
    assert_eq!(raw.int("SELECT COUNT(DISTINCT slug) FROM post").await, 62);
    assert_eq!(raw.int("SELECT COUNT(*) FROM post_revision").await, 62);
}
