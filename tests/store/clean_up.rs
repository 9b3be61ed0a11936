use std::collections::BTreeSet;

use microblot::model::{ContentHash, Digest, Input, Manifest, Outcome, Part, Publish};
use microblot::store::{ClaimRequest, PartRow, Publication, Store};

use crate::fixture::{
    Db, Raw, ann, build, change, claim, declare, draft, everything, fingerprint, name, publication,
    record, request, row, try_claim, with_foo,
};

on_both!(
    the_last_build_of_every_site_stays,
    what_was_told_long_ago_goes,
    parts_go_with_the_last_build_that_shows_them,
    members_of_an_aggregate_stay_with_it,
    a_part_that_is_wanted_again_stays,
    published_file_parts_stay,
    nothing_young_is_touched,
    clean_up_beside_claims,
);

const DAY: i64 = 86_400_000;

/// Everything that has a date becomes older.
async fn days_go_by(raw: &mut Raw, days: i64) {
    let span = days * DAY;
    for sql in [
        "UPDATE build SET claimed_at = claimed_at - $, ended_at = ended_at - $",
        "UPDATE outbox SET at = at - $",
        "UPDATE part SET unused_since = unused_since - $",
    ] {
        raw.run(&sql.replace('$', &span.to_string())).await;
    }
}

/// Twice, a while apart: what nobody needs is marked first.
async fn clean_up_thoroughly(store: &Store, raw: &mut Raw) {
    store.clean_up().await.unwrap();
    days_go_by(raw, 1).await;
    store.clean_up().await.unwrap();
}

async fn the_last_build_of_every_site_stays(db: Db) {
    let store = db.open().await;
    let sites = declare(&store, &["failing", "idle"]).await;
    let old = build(&store, "idle", 1, Outcome::Live).await;
    let last = build(&store, "idle", 2, Outcome::Live).await;
    let older = build(&store, "failing", 6, Outcome::Live).await;
    let live = build(&store, "failing", 3, Outcome::Live).await;
    let error = "no".to_owned();
    let failed = build(&store, "failing", 4, Outcome::Failed { error }).await;
    let mut raw = db.raw().await;
    days_go_by(&mut raw, 400).await;
    let flying = claim(&store, "idle", 5).await;
    days_go_by(&mut raw, 400).await;
    clean_up_thoroughly(&store, &mut raw).await;

    let builds = async |site: usize| {
        let builds = store.builds(&sites[site].id, 9).await.unwrap();
        builds.into_iter().map(|build| build.id).collect::<Vec<_>>()
    };
    assert_eq!(
        builds(0).await,
        [failed.build().clone(), live.build().clone()]
    );
    assert_eq!(
        builds(1).await,
        [flying.build().clone(), last.build().clone()],
        "{old:?} is old"
    );
    let kept = async |number| store.manifest(&fingerprint(number).hash()).await.unwrap();
    assert_eq!(kept(1).await, None);
    assert_eq!(kept(6).await, None, "{older:?} is old");
    for number in [2, 3, 4, 5] {
        assert_eq!(kept(number).await, Some(crate::fixture::content(number)));
    }
}

async fn what_was_told_long_ago_goes(db: Db) {
    let (store, _) = with_foo(&db).await;
    build(&store, "foo", 1, Outcome::Live).await;
    let mut raw = db.raw().await;
    days_go_by(&mut raw, 91).await;
    build(&store, "foo", 2, Outcome::Live).await;
    store.clean_up().await.unwrap();
    assert_eq!(raw.int("SELECT COUNT(*) FROM outbox").await, 1);
}

fn with_posts(posts: Part) -> Manifest {
    Manifest {
        posts,
        ..Manifest::default()
    }
}

async fn is_kept(store: &Store, digest: Digest) -> bool {
    store.parts(&[digest]).await.unwrap().contains_key(&digest)
}

/// Writes a post, and builds the site of its posts. Answers the digest of its posts part.
async fn post_and_build(store: &Store, site: &str, title: &str) -> Digest {
    let before = row(store, site).await;
    let post = draft(title, Publish::Now);
    store
        .new_post(&before.id, &before.name, &post, &ann())
        .await
        .unwrap();
    let (_, part) = store.posts_part(&before.id).await.unwrap();
    let digest = part.digest(Input::Posts);
    let manifest = with_posts(part);
    let due = request(&row(store, site).await, &manifest);
    let claim = try_claim(store, &[due]).await.remove(0);
    record(store, &claim, Outcome::Live).await;
    digest
}

async fn parts_go_with_the_last_build_that_shows_them(db: Db) {
    let (store, _) = with_foo(&db).await;
    let first = post_and_build(&store, "foo", "one").await;
    let second = post_and_build(&store, "foo", "two").await;
    let mut raw = db.raw().await;
    days_go_by(&mut raw, 91).await;
    clean_up_thoroughly(&store, &mut raw).await;
    assert!(
        !is_kept(&store, first).await,
        "posts parts would grow for ever"
    );
    assert!(is_kept(&store, second).await);
    // The revisions themselves are people's work.
    assert_eq!(raw.int("SELECT COUNT(*) FROM revision").await, 2);
}

/// As the engine writes it: the address of a member, its title, the digest of its posts, its globs.
fn aggregate(members: &[(&str, Digest)]) -> Part {
    Part::from_items(members.iter().map(|(member, digest)| {
        let url = format!("https://{member}.example.org");
        (
            url,
            format!(
                "\"The {member} \\\" of {}\" {digest} [\"a/**\"]",
                "0".repeat(64)
            ),
        )
    }))
}

/// Builds an aggregate, storing only those parts of members that are not there yet, as the engine
/// does.
async fn build_aggregate(store: &Store, site: &str, members: &[(&str, Digest)]) -> ContentHash {
    let manifest = with_posts(aggregate(members));
    let mut due: ClaimRequest = request(&row(store, site).await, &manifest);
    for (member, digest) in members {
        if !is_kept(store, *digest).await {
            let id = row(store, member).await.id;
            let (_, part) = store.posts_part(&id).await.unwrap();
            assert_eq!(part.digest(Input::Posts), *digest);
            due.parts.push(PartRow::new(Input::Posts, &part));
        }
    }
    let claim = try_claim(store, &[due]).await.remove(0);
    record(store, &claim, Outcome::Live).await;
    manifest.fingerprint().hash()
}

/// The posts part of a member need not be in any manifest of its own.
async fn members_of_an_aggregate_stay_with_it(db: Db) {
    let store = db.open().await;
    declare(&store, &["bar", "foo", "home"]).await;
    let write = async |site: &str, title: &str| {
        let site = row(&store, site).await;
        let post = draft(title, Publish::Now);
        store
            .new_post(&site.id, &site.name, &post, &ann())
            .await
            .unwrap();
        let (_, part) = store.posts_part(&site.id).await.unwrap();
        part.digest(Input::Posts)
    };
    let bar = write("bar", "one").await;
    let foo = write("foo", "two").await;
    build_aggregate(&store, "home", &[("bar", bar), ("foo", foo)]).await;
    let mut raw = db.raw().await;
    days_go_by(&mut raw, 400).await;
    clean_up_thoroughly(&store, &mut raw).await;
    assert!(is_kept(&store, bar).await && is_kept(&store, foo).await);

    // One changes; the other's part was stored with the first build of the aggregate only.
    let newer = write("foo", "three").await;
    let home = build_aggregate(&store, "home", &[("bar", bar), ("foo", newer)]).await;
    days_go_by(&mut raw, 400).await;
    clean_up_thoroughly(&store, &mut raw).await;
    assert!(is_kept(&store, bar).await, "shown by the last build");
    assert!(is_kept(&store, newer).await);
    assert!(!is_kept(&store, foo).await, "shown by none");
    let manifest = store.manifest(&home).await.unwrap().unwrap();
    assert_eq!(manifest.fingerprint().hash(), home);
}

/// Known to be stored when a claim is prepared, and to be cleaned up when it is made.
async fn a_part_that_is_wanted_again_stays(db: Db) {
    let (store, _) = with_foo(&db).await;
    let manifest = with_posts(Part::from_items([(
        "hello",
        format!("{} \"Hello\"", "a".repeat(64)),
    )]));
    let posts = manifest.posts.digest(Input::Posts);
    let due = request(&row(&store, "foo").await, &manifest);
    let first = try_claim(&store, &[due]).await.remove(0);
    record(&store, &first, Outcome::Live).await;
    build(&store, "foo", 2, Outcome::Live).await;
    let mut raw = db.raw().await;
    days_go_by(&mut raw, 91).await;
    store.clean_up().await.unwrap();
    assert!(is_kept(&store, posts).await, "marked");
    let mut again = request(&row(&store, "foo").await, &manifest);
    again.parts.clear();
    let claim = try_claim(&store, &[again]).await.remove(0);
    record(&store, &claim, Outcome::Live).await;
    clean_up_thoroughly(&store, &mut raw).await;
    assert!(is_kept(&store, posts).await);
    let hash = manifest.fingerprint().hash();
    assert_eq!(store.manifest(&hash).await.unwrap(), Some(manifest));
}

/// A replica without the files has them from the database, until they are replaced.
async fn published_file_parts_stay(db: Db) {
    let store = db.open().await;
    let publish = async |text: &str| {
        let part = Part::from_items([("a.md", text)]);
        let digest = part.digest(Input::Files);
        let mut change = change("foo");
        change.files_digest = Some(digest.to_string());
        let next = Publication {
            changed: vec![change],
            ..publication(&store).await
        };
        let rows = [PartRow::new(Input::Files, &part)];
        store.publish(&next, &rows, &ann()).await.unwrap();
        digest
    };
    let old = publish("aa").await;
    let new = publish("bb").await;
    clean_up_thoroughly(&store, &mut db.raw().await).await;
    assert!(
        is_kept(&store, new).await,
        "it is to be built of these files"
    );
    assert!(!is_kept(&store, old).await);
}

async fn nothing_young_is_touched(db: Db) {
    let store = db.open().await;
    declare(&store, &["foo", "bar"]).await;
    for number in 1..4 {
        build(&store, "foo", number, Outcome::Live).await;
        post_and_build(&store, "bar", &number.to_string()).await;
    }
    let count = async |table: &str| {
        let mut raw = db.raw().await;
        raw.int(&format!("SELECT COUNT(*) FROM {table}")).await
    };
    let tables = ["build", "manifest", "part", "outbox", "revision", "audit"];
    let mut before = Vec::new();
    for table in tables {
        before.push(count(table).await);
    }
    clean_up_thoroughly(&store, &mut db.raw().await).await;
    for (table, before) in tables.iter().zip(before) {
        assert_eq!(count(table).await, before, "{table}");
    }
    assert_eq!(everything(&store).await.sites.len(), 2);
    assert!(store.site(&name("foo")).await.unwrap().is_some());
}

/// Whatever a clean-up removes at the same moment: what a build was claimed with can be read.
async fn clean_up_beside_claims(db: Db) {
    let store = db.open().await;
    declare(&store, &["foo"]).await;
    let cleaner = {
        let store = db.open().await;
        let mut raw = db.raw().await;
        tokio::spawn(async move {
            for _ in 0..25 {
                store.clean_up().await.unwrap();
                // Marks are made old; builds too, so that their manifests go.
                raw.run("UPDATE part SET unused_since = 1 WHERE unused_since IS NOT NULL")
                    .await;
                raw.run("UPDATE build SET ended_at = 1 WHERE ended_at IS NOT NULL")
                    .await;
            }
        })
    };
    let mut seen = BTreeSet::new();
    for round in 0..40 {
        let manifest = with_posts(Part::from_items([("a", (round % 3).to_string())]));
        let due = request(&row(&store, "foo").await, &manifest);
        let claim = try_claim(&store, &[due]).await.remove(0);
        let hash = manifest.fingerprint().hash();
        assert_eq!(
            store.manifest(&hash).await.unwrap().as_ref(),
            Some(&manifest)
        );
        record(&store, &claim, Outcome::Live).await;
        assert_eq!(store.manifest(&hash).await.unwrap(), Some(manifest.clone()));
        seen.insert(hash);
    }
    cleaner.await.unwrap();
    assert_eq!(seen.len(), 3);
}
