//! How fast it is. `cargo test --release --test store speed -- --ignored --nocapture` prints it.

use std::time::{Duration, Instant};

use microblot::model::{Outcome, Wanted};

use crate::fixture::{
    Db, ann, change, content, everything, fingerprint, names, parts, publication, request,
    try_claim,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn reading_everything() {
    for (which, db) in [("SQLite", Db::sqlite()), ("PostgreSQL", Db::postgres())] {
        for count in [10_000, 100_000] {
            let store = db.open().await;
            let mut all = publication(&store).await;
            all.changed = names("site", count)
                .iter()
                .map(|site| change(site))
                .collect();
            let started = Instant::now();
            store.publish(&all, &[], &ann()).await.unwrap();
            let published = started.elapsed();
            let sites = everything(&store).await.sites;
            let built: Vec<_> = sites
                .iter()
                .map(|site| (site.id.clone(), fingerprint(1)))
                .collect();
            let started = Instant::now();
            store
                .adopt(&built, &parts(&content(1)), &ann())
                .await
                .unwrap();
            let adopted = started.elapsed();
            let wanted = Wanted {
                hash: fingerprint(2).hash(),
                since: store.now().await.unwrap(),
                drift_since: store.now().await.unwrap(),
            };
            let notes: Vec<_> = sites
                .iter()
                .map(|site| (site.id.clone(), Some(wanted)))
                .collect();
            let started = Instant::now();
            store.note(&notes).await.unwrap();
            let noted = started.elapsed();
            drop(sites);
            let mut best = Duration::MAX;
            for _ in 0..5 {
                let started = Instant::now();
                let delta = everything(&store).await;
                best = best.min(started.elapsed());
                assert_eq!(delta.sites.len(), count);
            }
            let cursor = everything(&store).await.cursor;
            let started = Instant::now();
            store.estate_since(cursor).await.unwrap();
            eprintln!(
                "{which}, {count} sites: publish {published:.2?}, adopt {adopted:.2?}, \
                 note {noted:.2?}, estate_since(0) {best:.1?}, of nothing new {:.1?}",
                started.elapsed()
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn claims_and_records() {
    const ROUNDS: usize = 40;
    for (which, db) in [("SQLite", Db::sqlite()), ("PostgreSQL", Db::postgres())] {
        let store = db.open().await;
        let mut all = publication(&store).await;
        all.changed = names("site", 128 * ROUNDS)
            .iter()
            .map(|site| change(site))
            .collect();
        store.publish(&all, &[], &ann()).await.unwrap();
        let sites = everything(&store).await.sites;
        let started = Instant::now();
        let (mut claiming, mut recording) = (Duration::ZERO, Duration::ZERO);
        for (round, batch) in sites.chunks(128).enumerate() {
            let due: Vec<_> = batch
                .iter()
                .map(|site| request(site, &content(round)))
                .collect();
            let begun = Instant::now();
            let claims = try_claim(&store, &due).await;
            claiming += begun.elapsed();
            assert_eq!(claims.len(), 128);
            let records: Vec<_> = claims
                .into_iter()
                .map(|claim| (claim, Outcome::Live))
                .collect();
            let begun = Instant::now();
            store.record(&records).await.unwrap();
            recording += begun.elapsed();
        }
        let rounds = u32::try_from(ROUNDS).unwrap();
        eprintln!(
            "{which}: {:.0} builds/s; a batch of 128: claim {:.1?}, record {:.1?}",
            sites.len() as f64 / started.elapsed().as_secs_f64(),
            claiming / rounds,
            recording / rounds
        );
    }
}
