//! Ten thousand builds are due at once: how fast are they fired?
//!
//! Claimed, called and recorded by the engine as `microblot serve` runs it, beside a bare loop that
//! calls the same hooks with the same HTTP client and as many calls in the air.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark that cannot do its work must fail"
)]

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use microblot::http;
use microblot::store::Store;
use support::engine::{self, Called, Engine};
use support::{estate, table};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;

const SITES: usize = 10_000;
/// What the engine has in the air at most.
const AT_ONCE: usize = 64;
/// Each is done so often, in turn; the middle one counts.
const RUNS: usize = 3;

async fn all_called(calls: &mut UnboundedReceiver<Called>) -> BTreeSet<usize> {
    let mut called = BTreeSet::new();
    for _ in 0..SITES {
        let (site, _) = calls.recv().await.unwrap();
        assert!(called.insert(site), "hook {site} was called twice");
    }
    called
}

/// The hooks in a loop, with a body as the engine sends it.
async fn bare(hooks: &str, calls: &mut UnboundedReceiver<Called>) -> Duration {
    let client = http::client(http::Timeouts::default()).unwrap();
    let body = serde_json::json!({
        "site": "s000000", "build": "0198c0de-0000-7000-8000-000000000000",
        "content_hash": "sha256:0000000000000000000000000000000000000000000000000000000000000000",
        "reason": "first build", "content_url": null,
    });
    let started = Instant::now();
    let next = Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (client, next, body) = (client.clone(), next.clone(), body.clone());
        let hooks = hooks.to_owned();
        callers.spawn(async move {
            loop {
                let site = next.fetch_add(1, Ordering::Relaxed);
                if site >= SITES {
                    break;
                }
                let call = client.post(format!("{hooks}/{site}")).json(&body).send();
                assert!(call.await.unwrap().status().is_success());
            }
        });
    }
    callers.join_all().await;
    assert_eq!(all_called(calls).await.len(), SITES);
    started.elapsed()
}

/// The engine, from its start until every build is recorded.
async fn engine(root: &Path, calls: &mut UnboundedReceiver<Called>) -> Duration {
    let _no_database_yet = std::fs::remove_file(root.join("microblot.db"));
    for beside in ["microblot.db-wal", "microblot.db-shm"] {
        let _none = std::fs::remove_file(root.join(beside));
    }
    let store = Store::open(&estate::database(root)).await.unwrap();
    estate::publish(root, &store).await;
    let started = Instant::now();
    let engine = Engine::start(root, store.clone());
    assert_eq!(all_called(calls).await.len(), SITES);
    engine.stop().await;
    let took = started.elapsed();
    let estate = store.estate_since(0).await.unwrap();
    assert!(
        estate.sites.iter().all(|site| site.built.is_some()),
        "not all is recorded"
    );
    assert!(estate.flights.is_empty());
    store.close().await;
    took
}

fn main() {
    table::machine();
    let folder = estate::folder();
    let (hooks, mut calls) = engine::hooks();
    estate::write_with_hooks(folder.path(), SITES, &hooks);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (mut loops, mut engines) = (Vec::new(), Vec::new());
    runtime.block_on(async {
        for _ in 0..RUNS {
            loops.push(bare(&hooks, &mut calls).await);
            engines.push(engine(folder.path(), &mut calls).await);
        }
    });
    let (bare, engine) = (table::median(loops), table::median(engines));
    let rate = |time: Duration| SITES as f64 / time.as_secs_f64();
    let row = |what: &str, time: Duration| {
        let of_bare = format!("{:.2}", rate(time) / rate(bare));
        [
            what.to_owned(),
            table::seconds(time),
            format!("{:.0}", rate(time)),
            of_bare,
        ]
    };
    println!("{SITES} hooks, {AT_ONCE} calls in the air; aim: 0.5 of the bare loop\n");
    table::print(
        ["", "time", "builds per second", "of the bare loop"],
        &[
            row("bare loop", bare),
            row("Microblot: claimed, called, recorded", engine),
        ],
    );
}
