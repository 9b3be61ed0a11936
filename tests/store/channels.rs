use std::time::Duration;

use microblot::model::{Origin, Publish, TellTo};
use microblot::store::{
    ChannelRow, ChannelState, Declared, Followed, NewSite, SiteRow, Store, Unfollowed,
};

use crate::fixture::{Db, ann, declare, draft, everything, name, row, spec_in, with_foo};

on_both!(
    a_channel_is_followed_and_left,
    its_posts_go_with_it,
    declared_channels,
    a_cursor_moves,
    a_removed_site_follows_nothing,
);

async fn follow(store: &Store, site: &SiteRow) -> Followed {
    store
        .follow("T1", "C1", &site.id, &site.name, &ann())
        .await
        .unwrap()
}

async fn unfollow(store: &Store, drop_posts: bool) -> Unfollowed {
    store
        .unfollow("T1", "C1", drop_posts, &ann())
        .await
        .unwrap()
}

async fn channel(store: &Store, id: &str) -> ChannelRow {
    store.channel("T1", id).await.unwrap().unwrap()
}

async fn a_channel_is_followed_and_left(db: Db) {
    let store = db.open().await;
    let sites = declare(&store, &["bar", "foo"]).await;
    assert_eq!(unfollow(&store, false).await, Unfollowed::NotFollowed);
    assert_eq!(follow(&store, &sites[1]).await, Followed::New);
    assert_eq!(follow(&store, &sites[1]).await, Followed::Already);
    let there = Followed::Elsewhere(sites[1].name.clone());
    assert_eq!(follow(&store, &sites[0]).await, there);
    let row = channel(&store, "C1").await;
    assert_eq!(
        (row.state, row.origin),
        (ChannelState::Queued, Origin::Chat)
    );
    assert_eq!((&row.site, &row.site_name), (&sites[1].id, &sites[1].name));
    assert_eq!((row.followed_by.as_str(), &row.cursor), ("ann", &None));
    assert_eq!(
        store.channels(None).await.unwrap(),
        std::slice::from_ref(&row)
    );
    assert_eq!(store.channels(Some("T1")).await.unwrap(), [row]);
    assert!(store.channels(Some("T2")).await.unwrap().is_empty());

    let now = everything(&store).await.now;
    let moved = store.channel_moved("T1", "C1", Some("1700.1"), now);
    moved.await.unwrap();
    assert_eq!(unfollow(&store, false).await, Unfollowed::Done { posts: 0 });
    assert_eq!(unfollow(&store, false).await, Unfollowed::NotFollowed);
    assert!(store.channels(None).await.unwrap().is_empty());
    assert_eq!(channel(&store, "C1").await.state, ChannelState::Removed);
    // What the worker was at when it was left.
    let moved = store.channel_moved("T1", "C1", Some("1700.2"), now);
    moved.await.unwrap();
    let left = channel(&store, "C1").await;
    assert_eq!(left.state, ChannelState::Removed);
    assert_eq!(left.cursor.as_deref(), Some("1700.1"));

    assert_eq!(follow(&store, &sites[0]).await, Followed::New);
    let again = channel(&store, "C1").await;
    assert_eq!(
        (again.state, &again.site),
        (ChannelState::Queued, &sites[0].id)
    );
    assert_eq!(again.cursor, None, "it begins anew");
    assert!(again.at >= now);
    let actions = store.audit(3).await.unwrap();
    let actions: Vec<_> = actions
        .iter()
        .map(|line| {
            (
                line.action.as_str(),
                line.site.as_deref(),
                line.detail.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        actions,
        [
            ("follow", Some("bar"), Some("C1")),
            ("unfollow", Some("foo"), Some("C1")),
            ("follow", Some("foo"), Some("C1")),
        ]
    );
}

async fn its_posts_go_with_it(db: Db) {
    let store = db.open().await;
    let sites = declare(&store, &["bar", "foo"]).await;
    let foo = &sites[1];
    follow(&store, foo).await;
    let mirror = async |source: &str, site: &SiteRow, publish| {
        let text = draft(source, publish);
        let by = ann();
        let mirrored = store.mirror(source, "1", &site.id, &site.name, &text, &by);
        mirrored.await.unwrap();
    };
    for (source, site, publish) in [
        ("slack:T1:C1:1", foo, Publish::Now),
        ("slack:T1:C1:2", foo, Publish::Now),
        ("slack:T1:C1:3", foo, Publish::Draft(None)),
        ("slack:T1:C1:4", foo, Publish::Now),
        ("slack:T1:C11:1", foo, Publish::Now),
        ("slack:T2:C1:1", foo, Publish::Now),
        ("slack:T1:C1:9", &sites[0], Publish::Now),
    ] {
        mirror(source, site, publish).await;
    }
    store.unmirror("slack:T1:C1:4", "2", &ann()).await.unwrap();
    let text = draft("By hand", Publish::Now);
    store
        .new_post(&foo.id, &foo.name, &text, &ann())
        .await
        .unwrap();
    let before = row(&store, "foo").await.posts_version;
    let tell = TellTo {
        workspace: "T1".to_owned(),
        conversation: "U1".to_owned(),
        response_url: None,
    };
    let by = ann().with_tell(tell);
    let left = store.unfollow("T1", "C1", true, &by).await.unwrap();
    assert_eq!(left, Unfollowed::Done { posts: 3 });
    let mut titles: Vec<String> = store
        .posts(&Default::default(), 9)
        .await
        .unwrap()
        .into_iter()
        .map(|post| post.title)
        .collect();
    titles.sort();
    assert_eq!(
        titles,
        [
            "By hand",
            "slack:T1:C11:1",
            "slack:T1:C1:9",
            "slack:T2:C1:1"
        ]
    );
    assert!(row(&store, "foo").await.posts_version > before);
    let telling = store.due_tellings(9).await.unwrap().remove(0);
    assert_eq!(telling.action, "unfollow");
    let audit = store.audit(1).await.unwrap().remove(0);
    assert_eq!(audit.detail.as_deref(), Some("C1 with 3 posts"));
}

async fn declared_channels(db: Db) {
    let store = db.open().await;
    let sites = declare(&store, &["bar", "foo"]).await;
    let declared = |channel: &str, site: usize| Declared {
        workspace: "T1".to_owned(),
        channel: channel.to_owned(),
        site: sites[site].id.clone(),
    };
    let shown = async || -> Vec<(String, String, Origin)> {
        let rows = store.channels(None).await.unwrap();
        rows.into_iter()
            .map(|row| (row.id, row.site_name.to_string(), row.origin))
            .collect()
    };
    let expected = |rows: &[(&str, &str, Origin)]| -> Vec<(String, String, Origin)> {
        rows.iter()
            .map(|(id, site, origin)| ((*id).to_owned(), (*site).to_owned(), *origin))
            .collect()
    };
    follow(&store, &sites[1]).await;
    let first = [declared("C2", 1), declared("C3", 0), declared("C2", 1)];
    assert!(store.declare_channels(&first).await.unwrap());
    assert!(!store.declare_channels(&first).await.unwrap(), "so it is");
    let (chat, file) = (Origin::Chat, Origin::File);
    assert_eq!(
        shown().await,
        expected(&[
            ("C1", "foo", chat),
            ("C2", "foo", file),
            ("C3", "bar", file)
        ])
    );
    let refused = store.unfollow("T1", "C2", true, &ann()).await.unwrap();
    assert_eq!(refused, Unfollowed::Declared);
    // One is declared that chat had followed; one moves; one goes.
    let second = [declared("C1", 0), declared("C2", 0)];
    assert!(store.declare_channels(&second).await.unwrap());
    assert_eq!(
        shown().await,
        expected(&[("C1", "bar", file), ("C2", "bar", file)])
    );
    assert!(store.declare_channels(&[]).await.unwrap());
    assert_eq!(shown().await, []);
    assert_eq!(follow(&store, &sites[1]).await, Followed::New);
    assert!(!store.declare_channels(&[]).await.unwrap());
    assert_eq!(shown().await, expected(&[("C1", "foo", chat)]));
    // One that is still followed goes on where it is; one that comes back begins anew.
    let now = everything(&store).await.now;
    let moved = store.channel_moved("T1", "C1", Some("1700.1"), now);
    moved.await.unwrap();
    let cursor = async || channel(&store, "C1").await.cursor;
    store.declare_channels(&[declared("C1", 0)]).await.unwrap();
    assert_eq!(cursor().await.as_deref(), Some("1700.1"));
    store.declare_channels(&[]).await.unwrap();
    store.declare_channels(&[declared("C1", 0)]).await.unwrap();
    assert_eq!(cursor().await, None);
    assert!(channel(&store, "C1").await.at >= now);
}

async fn a_cursor_moves(db: Db) {
    let (store, foo) = with_foo(&db).await;
    follow(&store, &foo).await;
    let now = everything(&store).await.now;
    let later = now.plus(Duration::from_secs(60));
    // One that could not be read is still to be joined, and following it again tries at once.
    let shut = store.channel_moved("T1", "C1", None, later);
    shut.await.unwrap();
    let row = channel(&store, "C1").await;
    assert_eq!((row.state, row.next_at), (ChannelState::Queued, later));
    assert_eq!(follow(&store, &foo).await, Followed::Unread);
    assert!(channel(&store, "C1").await.next_at < later);
    let moved = store.channel_moved("T1", "C1", Some("1700.1"), later);
    moved.await.unwrap();
    let row = channel(&store, "C1").await;
    assert_eq!((row.state, row.next_at), (ChannelState::Active, later));
    store.channel_moved("T1", "C1", None, now).await.unwrap();
    let row = channel(&store, "C1").await;
    assert_eq!((row.cursor.as_deref(), row.next_at), (Some("1700.1"), now));
}

async fn a_removed_site_follows_nothing(db: Db) {
    let store = db.open().await;
    let other = declare(&store, &["other"]).await.remove(0);
    let site = NewSite {
        name: name("q"),
        spec: spec_in("q", "T1"),
    };
    assert!(store.add_site(&site, &ann()).await.unwrap());
    let made = row(&store, "q").await;
    follow(&store, &made).await;
    let removed = store.remove_site(&made.id, &made.name, &ann()).await;
    assert!(removed.unwrap());
    assert!(store.channels(None).await.unwrap().is_empty());
    assert_eq!(channel(&store, "C1").await.state, ChannelState::Removed);

    // The site comes back, and what was followed does not.
    let gone = [(made.id.clone(), made.name.clone())];
    store.forget(&gone).await.unwrap();
    assert!(store.add_site(&site, &ann()).await.unwrap());
    assert!(store.channels(None).await.unwrap().is_empty());
    assert_eq!(follow(&store, &other).await, Followed::New);
}
