use std::time::{Duration, Instant};

use microblot::model::{Digest, Input, Origin, Outcome, Part, Publish, Source};
use microblot::store::{Followed, NewSite, PartRow, Presence, SiteChange, StoreError};

use crate::fixture::{
    Db, ann, build, change, declare, draft, everything, forget, name, names, publication, row,
    spec, spec_in, with_foo,
};

on_both!(
    the_first_publication,
    what_changes_and_what_stays,
    a_removed_site_is_kept_until_it_is_forgotten,
    a_renamed_site_keeps_what_it_had,
    names_are_exchanged_in_one_publication,
    a_forgotten_or_removed_site_gives_up_its_name,
    a_site_that_is_declared_again_finds_its_posts,
    one_of_two_publications_wins,
    a_publication_on_an_old_base_is_refused_whole,
    the_file_adopts_what_chat_made,
    what_another_workspace_made_is_not_adopted,
    new_settings_forgive,
    what_was_replaced_is_known,
    a_hundred_thousand_sites,
);

async fn the_first_publication(db: Db) {
    let store = db.open().await;
    let mut first = publication(&store).await;
    first.digest = Digest::of_bytes(b"one");
    first.revision = Some("4f2c1d9".to_owned());
    first.settings.limits.builds_in_flight = 3;
    first.changed = vec![
        change("foo"),
        SiteChange {
            line: 14,
            files_digest: Some(Digest::of_bytes(b"files").to_string()),
            revision: Some("4f2c1d9".to_owned()),
            ..change("www")
        },
        SiteChange {
            files_problem: Some("www/a.md: permission denied".to_owned()),
            ..change("zoo")
        },
    ];
    assert_eq!(store.publish(&first, &[], &ann()).await.unwrap(), 1);

    let delta = everything(&store).await;
    let generation = delta.generation.unwrap();
    assert_eq!((generation.number, generation.digest), (1, first.digest));
    assert_eq!(generation.settings, first.settings);
    assert_eq!(generation.revision, first.revision);
    assert_eq!(delta.sites.len(), 3);
    let www = row(&store, "www").await;
    assert_eq!(www.origin, Origin::File);
    assert_eq!(www.presence, Presence::Declared);
    assert_eq!(www.source, Some(Source { line: 14 }));
    assert_eq!(www.spec, first.changed[1].spec);
    assert_eq!(www.files, Some(Ok(Digest::of_bytes(b"files"))));
    assert_eq!(www.revision.as_deref(), Some("4f2c1d9"));
    assert_eq!((www.posts_version, www.posts), (0, None));
    assert!(www.observed.built.is_none() && www.observed.wanted.is_none() && www.hold.is_none());
    let problem = Err("www/a.md: permission denied".to_owned());
    assert_eq!(row(&store, "zoo").await.files, Some(problem));
    assert_eq!(row(&store, "foo").await.files, None);

    let line = store.audit(1).await.unwrap().remove(0);
    assert_eq!((line.who.as_str(), line.door.as_str()), ("ann", "chat"));
    assert_eq!(line.action, "publish");
    assert_eq!(line.detail.as_deref(), Some("a test"));
}

async fn what_changes_and_what_stays(db: Db) {
    let store = db.open().await;
    declare(&store, &["bar", "foo"]).await;
    build(&store, "foo", 1, Outcome::Live).await;
    let before = row(&store, "foo").await;

    let mut next = publication(&store).await;
    next.changed = vec![SiteChange {
        line: 20,
        spec: serde_json::to_string(&spec("other")).unwrap(),
        ..change("foo")
    }];
    assert_eq!(store.publish(&next, &[], &ann()).await.unwrap(), 2);
    let after = row(&store, "foo").await;
    assert_eq!(after.id, before.id);
    assert_eq!(after.spec, next.changed[0].spec);
    assert_eq!(after.source, Some(Source { line: 20 }));
    assert_eq!(after.observed.built, before.observed.built);
    assert_eq!(after.observed.fence, before.observed.fence);
    assert_eq!(row(&store, "bar").await.presence, Presence::Declared);
}

async fn a_removed_site_is_kept_until_it_is_forgotten(db: Db) {
    let (store, foo) = with_foo(&db).await;
    build(&store, "foo", 1, Outcome::Live).await;
    let mut next = publication(&store).await;
    next.removed = vec![foo.id.clone()];
    store.publish(&next, &[], &ann()).await.unwrap();
    let removed = row(&store, "foo").await;
    assert_eq!(removed.presence, Presence::Removed);
    assert!(removed.observed.built.is_some());

    // Declared again before anybody forgot it: nothing has to be built anew.
    declare(&store, &["foo"]).await;
    let back = row(&store, "foo").await;
    assert_eq!(back.presence, Presence::Declared);
    assert_eq!(back.observed.built, removed.observed.built);
    // And what is not removed is not forgotten.
    store.forget(&[(foo.id, foo.name)]).await.unwrap();
    assert_eq!(row(&store, "foo").await.presence, Presence::Declared);
}

async fn a_renamed_site_keeps_what_it_had(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let post = store
        .new_post(&foo.id, &foo.name, &draft("Hello", Publish::Now), &ann())
        .await
        .unwrap();
    let claim = build(&store, "foo", 1, Outcome::Live).await;
    let before = row(&store, "foo").await;

    let mut next = publication(&store).await;
    next.renamed = vec![(foo.id.clone(), name("food"))];
    next.changed = vec![change("food")];
    store.publish(&next, &[], &ann()).await.unwrap();

    assert!(store.site(&foo.name).await.unwrap().is_none());
    let after = row(&store, "food").await;
    assert_eq!(after.id, foo.id);
    assert_eq!(after.observed.built, before.observed.built);
    assert_eq!(after.posts_version, before.posts_version);
    let post = store.post(&post.id).await.unwrap().unwrap();
    assert_eq!(post.site, after.name);
    let builds = store.builds(&after.id, 10).await.unwrap();
    assert_eq!(builds[0].id, *claim.build());
    assert_eq!(everything(&store).await.sites.len(), 1);
}

async fn names_are_exchanged_in_one_publication(db: Db) {
    let store = db.open().await;
    let sites = declare(&store, &["a", "b", "c", "d"]).await;
    let mut next = publication(&store).await;
    // A swap, and a chain in the order that meets the old name first.
    next.renamed = vec![
        (sites[0].id.clone(), name("b")),
        (sites[1].id.clone(), name("a")),
        (sites[2].id.clone(), name("d")),
        (sites[3].id.clone(), name("e")),
    ];
    store.publish(&next, &[], &ann()).await.unwrap();
    for (site, new) in sites.iter().zip(["b", "a", "d", "e"]) {
        assert_eq!(row(&store, new).await.id, site.id);
    }
    assert!(store.site(&name("c")).await.unwrap().is_none());
}

async fn a_forgotten_or_removed_site_gives_up_its_name(db: Db) {
    let long = "a".repeat(63);
    let store = db.open().await;
    let sites = declare(&store, &[&long, "gone", "one", "two"]).await;
    forget(&store, &sites[0]).await;
    let mut next = publication(&store).await;
    next.removed = vec![sites[1].id.clone()];
    store.publish(&next, &[], &ann()).await.unwrap();

    let mut next = publication(&store).await;
    next.renamed = vec![
        (sites[2].id.clone(), name(&long)),
        (sites[3].id.clone(), name("gone")),
    ];
    store.publish(&next, &[], &ann()).await.unwrap();
    assert_eq!(row(&store, &long).await.id, sites[2].id);
    assert_eq!(row(&store, "gone").await.id, sites[3].id);
    // The others are still there, under valid names of their own.
    let mut raw = db.raw().await;
    for site in &sites[..2] {
        let sql = format!("SELECT name FROM site WHERE id = '{}'", site.id);
        let now_called = raw.texts(&sql).await.remove(0);
        assert_eq!(row(&store, &now_called).await.id, site.id);
    }
    let aside = everything(&store).await;
    let removed = aside.sites.iter().find(|site| site.id == sites[1].id);
    assert_eq!(removed.unwrap().presence, Presence::Removed);
}

async fn a_site_that_is_declared_again_finds_its_posts(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let post = store
        .new_post(&foo.id, &foo.name, &draft("Hello", Publish::Now), &ann())
        .await
        .unwrap();
    build(&store, "foo", 1, Outcome::Live).await;
    build(&store, "foo", 2, Outcome::Failed { error: "no".into() }).await;
    build(
        &store,
        "foo",
        3,
        Outcome::Retry {
            error: "503".into(),
            after: Some(Duration::from_secs(9)),
            doubtful: false,
        },
    )
    .await;
    let (_, part) = store.posts_part(&foo.id).await.unwrap();

    forget(&store, &foo).await;
    assert_eq!(row(&store, "foo").await.presence, Presence::Forgotten);
    assert!(everything(&store).await.sites.is_empty());

    let back = declare(&store, &["foo"]).await.remove(0);
    assert_eq!(back.id, foo.id);
    assert_eq!(back.presence, Presence::Declared);
    assert_eq!(store.posts_part(&back.id).await.unwrap().1, part);
    assert!(store.post(&post.id).await.unwrap().is_some());
    assert_eq!(back.observed.built, None);
    assert_eq!(back.observed.trouble, None);
    assert_eq!(back.observed.broken, None);
    assert_eq!(back.observed.wanted, None);
    assert_eq!(store.builds(&back.id, 9).await.unwrap().len(), 3);
}

async fn one_of_two_publications_wins(db: Db) {
    let (one, two) = (db.open().await, db.open().await);
    for round in 0..8 {
        let base = publication(&one).await;
        let mut ours = base.clone();
        ours.changed = vec![change("shared"), change(&format!("ours-{round}"))];
        let mut theirs = base;
        theirs.changed = vec![change("shared"), change(&format!("theirs-{round}"))];
        let by = ann();
        let (ours, theirs) =
            tokio::join!(one.publish(&ours, &[], &by), two.publish(&theirs, &[], &by));
        let (winner, loser, number, error) = match (ours, theirs) {
            (Ok(number), Err(error)) => ("ours", "theirs", number, error),
            (Err(error), Ok(number)) => ("theirs", "ours", number, error),
            other => panic!("one wins: {other:?}"),
        };
        assert!(matches!(error, StoreError::Raced), "{error:?}");
        assert_eq!(number, round + 1);
        row(&one, &format!("{winner}-{round}")).await;
        let lost = one.site(&name(&format!("{loser}-{round}"))).await.unwrap();
        assert!(lost.is_none());
    }
}

async fn a_publication_on_an_old_base_is_refused_whole(db: Db) {
    let store = db.open().await;
    let mut old = publication(&store).await;
    let foo = declare(&store, &["foo"]).await.remove(0);
    old.changed = vec![change("bar")];
    old.removed = vec![foo.id];
    let refused = store.publish(&old, &[], &ann()).await;
    assert!(matches!(refused, Err(StoreError::Raced)));
    assert_eq!(row(&store, "foo").await.presence, Presence::Declared);
    assert!(store.site(&name("bar")).await.unwrap().is_none());
}

async fn the_file_adopts_what_chat_made(db: Db) {
    let store = db.open().await;
    let site = NewSite {
        name: name("team"),
        spec: spec("team"),
    };
    assert!(store.add_site(&site, &ann()).await.unwrap());
    assert!(!store.add_site(&site, &ann()).await.unwrap(), "taken");
    let made = row(&store, "team").await;
    assert_eq!((made.origin, made.source), (Origin::Chat, None));
    store
        .new_post(&made.id, &made.name, &draft("Hi", Publish::Now), &ann())
        .await
        .unwrap();
    build(&store, "team", 1, Outcome::Accepted).await;
    let made = row(&store, "team").await;

    let adopted = declare(&store, &["team"]).await.remove(0);
    assert_eq!(adopted.id, made.id);
    assert_eq!(adopted.origin, Origin::File);
    assert_eq!(adopted.source, Some(Source { line: 7 }));
    assert_eq!(adopted.observed.built, made.observed.built);
    assert_eq!(adopted.posts_version, 1);

    // Chat can have the name again as soon as the file has given it up for good.
    assert!(!store.add_site(&site, &ann()).await.unwrap());
    forget(&store, &adopted).await;
    assert!(store.add_site(&site, &ann()).await.unwrap());
    let again = row(&store, "team").await;
    assert_eq!((&again.id, again.origin), (&made.id, Origin::Chat));
    assert_eq!((again.source, again.observed.built), (None, None));
    assert_eq!(store.posts_part(&again.id).await.unwrap().0, 1);
}

async fn what_another_workspace_made_is_not_adopted(db: Db) {
    let store = db.open().await;
    let guests = ["gone", "news"].map(|site| NewSite {
        name: name(site),
        spec: spec_in(site, "T3"),
    });
    let mut made = Vec::new();
    for guest in &guests {
        assert!(store.add_site(guest, &ann()).await.unwrap());
        let site = row(&store, guest.name.as_str()).await;
        store
            .new_post(&site.id, &site.name, &draft("Hi", Publish::Now), &ann())
            .await
            .unwrap();
        let by = ann();
        let followed = store.follow("T3", guest.name.as_str(), &site.id, &site.name, &by);
        assert_eq!(followed.await.unwrap(), Followed::New);
        made.push(site);
    }
    store
        .remove_site(&made[0].id, &made[0].name, &ann())
        .await
        .unwrap();
    let gone = (made[0].id.clone(), made[0].name.clone());
    store.forget(&[gone]).await.unwrap();

    let mut next = publication(&store).await;
    next.changed = ["gone", "news"]
        .map(|site| SiteChange {
            spec: serde_json::to_string(&spec_in(site, "T1")).unwrap(),
            ..change(site)
        })
        .to_vec();
    store.publish(&next, &[], &ann()).await.unwrap();

    assert!(store.channels(None).await.unwrap().is_empty());
    let mut raw = db.raw().await;
    for (site, was) in ["gone", "news"].iter().zip(&made) {
        let declared = row(&store, site).await;
        assert_ne!(declared.id, was.id);
        assert_eq!((declared.origin, declared.posts_version), (Origin::File, 0));
        // What people wrote there stays with them.
        let sql = format!("SELECT name FROM site WHERE id = '{}'", was.id);
        let aside = row(&store, &raw.texts(&sql).await.remove(0)).await;
        assert_eq!((aside.origin, aside.posts_version), (Origin::Chat, 1));
        assert_ne!(aside.presence, Presence::Declared);
    }
    // Whose it is may change in the file itself: then the posts are its owner's to move.
    let mut next = publication(&store).await;
    next.changed = vec![SiteChange {
        spec: serde_json::to_string(&spec_in("news", "T2")).unwrap(),
        ..change("news")
    }];
    let before = row(&store, "news").await;
    let by = ann();
    let followed = store.follow("T1", "C1", &before.id, &before.name, &by);
    assert_eq!(followed.await.unwrap(), Followed::New);
    store.publish(&next, &[], &ann()).await.unwrap();
    assert_eq!(row(&store, "news").await.id, before.id);
    // What is written in a workspace is not for the site of another.
    assert!(store.channels(None).await.unwrap().is_empty());
}

async fn new_settings_forgive(db: Db) {
    let store = db.open().await;
    declare(&store, &["bar", "baz", "foo"]).await;
    for site in ["bar", "foo"] {
        let error = "the hook is gone".to_owned();
        build(&store, site, 1, Outcome::Stalled { error }).await;
    }
    let error = "exit 1".to_owned();
    build(&store, "baz", 1, Outcome::Failed { error }).await;
    let mut next = publication(&store).await;
    next.changed = ["bar", "baz"]
        .map(|site| SiteChange {
            forgive: true,
            ..change(site)
        })
        .to_vec();
    next.changed.push(change("foo"));
    store.publish(&next, &[], &ann()).await.unwrap();
    assert_eq!(row(&store, "bar").await.observed.trouble, None);
    assert!(row(&store, "foo").await.observed.trouble.unwrap().stalled);
    // The content of a broken build is what failed; other settings are other content.
    assert!(row(&store, "baz").await.observed.broken.is_some());
}

async fn what_was_replaced_is_known(db: Db) {
    let store = db.open().await;
    let [a, b, c] = [b"a", b"b", b"c"].map(|text| Digest::of_bytes(text));
    for digest in [a, b, a] {
        let mut next = publication(&store).await;
        next.digest = digest;
        store.publish(&next, &[], &ann()).await.unwrap();
    }
    assert_eq!(store.was_replaced(&b).await.unwrap(), Some(2));
    assert_eq!(store.was_replaced(&c).await.unwrap(), None);
    // It was replaced once, and is in force again.
    assert_eq!(store.was_replaced(&a).await.unwrap(), None);
}

async fn a_hundred_thousand_sites(db: Db) {
    let store = db.open().await;
    let mut all = publication(&store).await;
    all.changed = names("site", 100_000)
        .iter()
        .map(|site| change(site))
        .collect();
    let file = PartRow::new(Input::Files, &Part::from_items([("a.md", "aa")]));
    let started = Instant::now();
    store.publish(&all, &[file], &ann()).await.unwrap();
    let published = started.elapsed();
    let started = Instant::now();
    let delta = everything(&store).await;
    let read = started.elapsed();
    assert_eq!(delta.sites.len(), 100_000);
    let mut next = publication(&store).await;
    next.removed = delta.sites.into_iter().map(|site| site.id).collect();
    let started = Instant::now();
    store.publish(&next, &[], &ann()).await.unwrap();
    let removed = started.elapsed();
    eprintln!(
        "{:?}, 100 000 sites: published in {published:.1?}, read in {read:.1?}, removed in {removed:.1?}",
        store.dialect()
    );
    // A row at a time takes minutes in this build.
    assert!(published + removed < Duration::from_secs(60));
}
