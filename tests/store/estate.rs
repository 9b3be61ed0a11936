use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use microblot::model::{
    BuildState, Digest, Hold, Millis, Outcome, PostChange, PostId, Publish, Wanted,
};
use microblot::store::{Calm, Delta, Presence, SiteRow, Store};

use crate::fixture::{
    Db, Dice, ann, change, claim, content, declare, draft, everything, fingerprint, names, parts,
    publication, record, request, row, try_claim, with_foo,
};

on_both!(
    deltas_add_up_to_the_whole,
    deltas_add_up_while_others_write,
    only_what_changed_is_read_again,
    a_forgotten_site_comes_as_forgotten,
    flights_and_the_account,
    the_next_scheduled_post,
);

/// What a replica has in memory: whole rows, so that no field can differ unseen.
#[derive(Default)]
struct Memory {
    sites: BTreeMap<String, SiteRow>,
    cursor: i64,
}

impl Memory {
    fn apply(&mut self, delta: Delta) {
        self.cursor = delta.cursor;
        for site in delta.sites {
            if site.presence == Presence::Forgotten {
                self.sites.remove(&site.id);
            } else {
                self.sites.insert(site.id.clone(), *site);
            }
        }
        for (site, observed) in delta.observed {
            if let Some(site) = self.sites.get_mut(&site) {
                site.observed = observed;
            }
        }
        // A claim writes no site anew: the build in flight has the fence that it raised.
        for row in delta.flights {
            if let Some(site) = self.sites.get_mut(&row.site) {
                site.observed.fence = site.observed.fence.max(row.flight.fence);
            }
        }
    }

    async fn look(&mut self, store: &Store) {
        let delta = store.estate_since(self.cursor).await.unwrap();
        self.apply(delta);
    }

    /// Field by field, through `Debug`: a row has no equality of its own.
    fn text(&self) -> String {
        format!("{:#?}", self.sites)
    }

    async fn of_everything(store: &Store) -> Self {
        let mut memory = Self::default();
        memory.apply(everything(store).await);
        memory
    }
}

/// One random change of one of a few sites.
async fn something_happens(store: &Store, dice: &mut Dice, sites: &[String], posts: &[PostId]) {
    let by = ann();
    let site = &sites[dice.roll(sites.len())];
    let number = dice.roll(5);
    let Some(row) = store.site(&site.parse().unwrap()).await.unwrap() else {
        return;
    };
    let hold = Hold {
        by: by.name.clone(),
        because: None,
        since: Millis(number as i64),
        until: None,
    };
    let wanted = Wanted {
        hash: fingerprint(number).hash(),
        since: Millis(2),
        drift_since: Millis(1),
        refused: None,
    };
    let post = posts.get(dice.roll(posts.len().max(1)));
    let due = [request(&row, &content(number))];
    match dice.roll(13) {
        0 => store.pause(&row.id, &row.name, &hold, &by).await.unwrap(),
        1 => drop(store.resume(&row.id, &row.name, &by).await.unwrap()),
        2 => store
            .request_rebuild(&row.id, &row.name, number == 0, &by)
            .await
            .unwrap(),
        3 => {
            let title = format!("Post {number}");
            let draft = draft(&title, Publish::Now);
            store
                .new_post(&row.id, &row.name, &draft, &by)
                .await
                .unwrap();
        }
        4 => {
            let change = PostChange {
                body: Some(format!("Text {number}")),
                ..PostChange::default()
            };
            if let Some(post) = post {
                store.edit_post(post, &change, &by).await.unwrap();
            }
        }
        5 => {
            let (version, part) = store.posts_part(&row.id).await.unwrap();
            let digest = part.digest(microblot::model::Input::Posts);
            let kept = [(row.id.clone(), version, digest)];
            store.keep_posts_digests(&kept).await.unwrap();
        }
        6 => store
            .note(&[(row.id.clone(), (number > 0).then_some(wanted))])
            .await
            .unwrap(),
        7 => store
            .adopt(
                &[(row.id.clone(), fingerprint(number))],
                &parts(&content(number)),
                &by,
            )
            .await
            .unwrap(),
        8 => store
            .approve(&[(row.id.clone(), fingerprint(number).hash())], &by)
            .await
            .unwrap(),
        9..11 => {
            for claim in try_claim(store, &due).await {
                let error = "what it said".to_owned();
                let outcome = match number {
                    0 => Outcome::Accepted,
                    1 => Outcome::Failed { error },
                    2 => Outcome::Retry {
                        error,
                        after: None,
                        doubtful: false,
                    },
                    3 => Outcome::Unknown { error },
                    4 => Outcome::Moved { error },
                    _ => Outcome::Live,
                };
                record(store, &claim, outcome).await;
            }
        }
        11 => {
            let mut next = publication(store).await;
            next.changed = vec![change(site)];
            // Raced by the others of a concurrent test: nothing happens then.
            let _raced = store.publish(&next, &[], &by).await;
        }
        _ => {
            let mut next = publication(store).await;
            next.removed = vec![row.id.clone()];
            let _raced = store.publish(&next, &[], &by).await;
            if number > 0 {
                let gone = (row.id.clone(), row.name.clone());
                store.forget(&[gone]).await.unwrap();
            }
        }
    }
}

async fn deltas_add_up_to_the_whole(db: Db) {
    let store = db.open().await;
    let sites = names("site", 6);
    declare(&store, &sites).await;
    let mut memory = Memory::default();
    let mut dice = Dice::new(1);
    for step in 0..250 {
        let posts = posts(&store).await;
        something_happens(&store, &mut dice, &sites, &posts).await;
        if dice.roll(3) == 0 {
            memory.look(&store).await;
            let whole = Memory::of_everything(&store).await;
            assert_eq!(memory.text(), whole.text(), "after step {step}");
        }
    }
}

async fn posts(store: &Store) -> Vec<PostId> {
    let filter = microblot::store::PostFilter::default();
    let listed = store.posts(&filter, 20).await.unwrap();
    listed.into_iter().map(|post| post.id).collect()
}

async fn deltas_add_up_while_others_write(db: Db) {
    let store = db.open().await;
    let sites = Arc::new(names("site", 12));
    declare(&store, &sites).await;
    let done = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn({
        let (store, done) = (db.open().await, done.clone());
        async move {
            let mut memory = Memory::default();
            while !done.load(Ordering::SeqCst) {
                memory.look(&store).await;
            }
            memory
        }
    });
    let mut writers = Vec::new();
    for seed in 0..8 {
        let (store, sites) = (db.open().await, sites.clone());
        writers.push(tokio::spawn(async move {
            let mut dice = Dice::new(seed + 100);
            for _ in 0..40 {
                let posts = posts(&store).await;
                something_happens(&store, &mut dice, &sites, &posts).await;
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    done.store(true, Ordering::SeqCst);
    let mut memory = reader.await.unwrap();
    memory.look(&store).await;
    let whole = Memory::of_everything(&store).await;
    assert_eq!(memory.text(), whole.text());
}

/// The order of commits is not the order of transactions: the older one commits last, after a
/// reader has seen what the younger one wrote.
#[tokio::test]
async fn a_transaction_that_commits_late_is_not_missed() {
    let db = Db::postgres();
    let store = db.open().await;
    let sites = declare(&store, &["slow", "swift"]).await;
    let mut memory = Memory::of_everything(&store).await;
    let mut slow = db.raw().await;
    slow.run("BEGIN").await;
    slow.run(&format!(
        "UPDATE site SET revision = 'late', seq = CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT) \
         WHERE id = '{}'",
        sites[0].id
    ))
    .await;
    for _ in 0..3 {
        let swift = &sites[1];
        store
            .request_rebuild(&swift.id, &swift.name, false, &ann())
            .await
            .unwrap();
        memory.look(&store).await;
        assert!(memory.sites[&swift.id].rebuild.is_some());
        assert_eq!(memory.sites[&sites[0].id].revision, None);
    }
    slow.run("COMMIT").await;
    memory.look(&store).await;
    assert_eq!(memory.sites[&sites[0].id].revision.as_deref(), Some("late"));
}

/// A dump that is restored into another server brings marks that are far ahead of its own.
#[tokio::test]
async fn marks_of_another_server_do_not_make_every_read_a_full_one() {
    let db = Db::postgres();
    let store = db.open().await;
    declare(&store, &names("site", 5)).await;
    store.close().await;
    let mut raw = db.raw().await;
    raw.run("UPDATE site SET seq = seq + 1000000000").await;
    raw.run("UPDATE observed SET seq = seq + 1000000000").await;
    let store = db.open().await;
    let mut cursor = everything(&store).await.cursor;
    for _ in 0..100 {
        let delta = store.estate_since(cursor).await.unwrap();
        if delta.sites.is_empty() && delta.observed.is_empty() {
            return;
        }
        // Another test on the same server holds a transaction open.
        cursor = delta.cursor;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("all sites are read again and again");
}

/// The same of the place up to which a calm look had read.
#[tokio::test]
async fn a_calm_of_another_server_is_none() {
    let db = Db::postgres();
    let store = db.open().await;
    declare(&store, &names("site", 1)).await;
    let digest = Digest::of_bytes(b"sites.toml");
    let calm = Calm {
        text: digest,
        inputs: digest,
        reads_files: false,
        generation: 1,
        cursor: everything(&store).await.cursor + 1_000_000_000,
        sites: 1,
    };
    store.keep_calm(&calm).await.unwrap();
    assert!(store.lasting_calm().await.unwrap().is_none());
    store.close().await;
    let store = db.open().await;
    let kept = db.raw().await.int("SELECT COUNT(*) FROM calm").await;
    assert_eq!(
        kept, 0,
        "or it would be believed when the server has come so far"
    );
    assert!(store.lasting_calm().await.unwrap().is_none());
}

async fn only_what_changed_is_read_again(db: Db) {
    let store = db.open().await;
    let sites = declare(&store, &names("site", 50)).await;
    let mut cursor = everything(&store).await.cursor;
    for site in &sites[..10] {
        store.note(&[(site.id.clone(), None)]).await.unwrap();
        let delta = store.estate_since(cursor).await.unwrap();
        // On PostgreSQL a transaction of another test on the same server can hold the mark back.
        if matches!(db.address, microblot::store::Address::Sqlite(_)) {
            assert!(delta.sites.is_empty());
            assert_eq!(delta.observed.len(), 1);
        }
        let of_observed = delta.observed.iter().any(|(id, _)| *id == site.id);
        assert!(of_observed || delta.sites.iter().any(|row| row.id == site.id));
        cursor = delta.cursor;
    }
}

async fn a_forgotten_site_comes_as_forgotten(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let cursor = everything(&store).await.cursor;
    crate::fixture::forget(&store, &foo).await;
    let delta = store.estate_since(cursor).await.unwrap();
    let seen = delta.sites.iter().find(|site| site.id == foo.id).unwrap();
    assert_eq!(seen.presence, Presence::Forgotten);
    assert!(everything(&store).await.sites.is_empty());
}

async fn flights_and_the_account(db: Db) {
    let store = db.open().await;
    declare(&store, &names("site", 5)).await;
    let unknown = claim(&store, "site-0000", 1).await;
    let error = "time-out".to_owned();
    record(&store, &unknown, Outcome::Unknown { error }).await;
    let claimed = claim(&store, "site-0001", 2).await;
    let over = claim(&store, "site-0002", 3).await;
    record(&store, &over, Outcome::Live).await;
    let refused = claim(&store, "site-0003", 4).await;
    let error = "503".to_owned();
    record(
        &store,
        &refused,
        Outcome::Retry {
            error,
            after: None,
            doubtful: false,
        },
    )
    .await;
    // Neither limited nor paid for.
    let mut rendered = request(&row(&store, "site-0004").await, &content(5));
    rendered.builder = microblot::model::BuilderKind::Render;
    try_claim(&store, &[rendered]).await;

    let delta = everything(&store).await;
    let mut flights = delta.flights;
    flights.sort_by_key(|flight| flight.flight.fence);
    flights.sort_by_key(|flight| flight.flight.since);
    let seen: Vec<_> = flights
        .iter()
        .map(|row| (row.flight.build.clone(), row.flight.state))
        .collect();
    assert_eq!(seen.len(), 3);
    assert_eq!(seen[0], (unknown.build().clone(), BuildState::Unknown));
    assert_eq!(seen[1], (claimed.build().clone(), BuildState::Claimed));
    let flight = &flights[1].flight;
    assert_eq!(flights[1].site, claimed.site());
    assert_eq!(flight.hash, fingerprint(2).hash());
    assert_eq!(flight.holder.as_str(), "me");
    assert_eq!(flight.lease_until, flight.since.plus(crate::fixture::LEASE));
    assert_eq!(
        flight.deadline,
        flight.since.plus(Duration::from_secs(1800))
    );
    assert_eq!(flight.fence, row(&store, "site-0001").await.observed.fence);

    let account = delta.account;
    assert_eq!(account.in_flight, 1, "the unknown one takes no place");
    assert_eq!(account.fired.len(), 4);
    assert!(account.fired.is_sorted());
    assert_eq!(account.deploys_this_month, 3);

    // Out of the minute, and out of the month.
    let mut raw = db.raw().await;
    raw.run("UPDATE build SET claimed_at = claimed_at - 60000")
        .await;
    raw.run("UPDATE spend SET month = month - 1").await;
    let account = everything(&store).await.account;
    assert_eq!((account.in_flight, account.fired.len()), (1, 0));
    assert_eq!(account.deploys_this_month, 0);
}

async fn the_next_scheduled_post(db: Db) {
    let (store, foo) = with_foo(&db).await;
    assert_eq!(everything(&store).await.next_post_at, None);
    let soon = everything(&store).await.now.plus(Duration::from_secs(60));
    for (title, publish) in [
        ("later", Publish::At(soon.plus(Duration::from_secs(1)))),
        ("soon", Publish::At(soon)),
        ("draft", Publish::Draft(None)),
        ("now", Publish::Now),
    ] {
        store
            .new_post(&foo.id, &foo.name, &draft(title, publish), &ann())
            .await
            .unwrap();
    }
    assert_eq!(everything(&store).await.next_post_at, Some(soon));
}
