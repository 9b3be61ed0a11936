//! Ten thousand builds are due at once: how fast are they fired?
//!
//! Claimed, called and recorded by the engine as `microblot serve` runs it, beside a bare loop that
//! sends the same requests with the same HTTP client and as many calls in the air. Both are timed
//! from the first call that arrives.
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

use microblot::builders::TriggerBody;
use microblot::builders::netlify::{self, Trigger};
use microblot::http;
use microblot::model::{ContentHash, Digest, Millis, SecretRef};
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

/// Waits until every hook was called. Answers when the first one was.
async fn all_called(calls: &mut UnboundedReceiver<Called>) -> Instant {
    let mut called = BTreeSet::new();
    let mut first = None;
    for _ in 0..SITES {
        let (site, at) = calls.recv().await.unwrap();
        assert!(called.insert(site), "hook {site} was called twice");
        first.get_or_insert(at);
    }
    first.unwrap()
}

/// The hooks in a loop: each one's address is read from its file, and called with a title and a
/// body as the engine sends them.
async fn bare(root: &Path, calls: &mut UnboundedReceiver<Called>) -> Duration {
    let client = http::client(http::Timeouts::default()).unwrap();
    let body = TriggerBody {
        site: "s000000".parse().unwrap(),
        build: "0198c0de-0000-7000-8000-000000000000".to_owned(),
        content_hash: ContentHash(Digest::of_bytes(b"content")),
        reason: "first build".to_owned(),
        content_url: None,
    };
    let next = Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (client, next, body) = (client.clone(), next.clone(), body.clone());
        let folder = root.join("hooks");
        callers.spawn(async move {
            loop {
                let site = next.fetch_add(1, Ordering::Relaxed);
                if site >= SITES {
                    break;
                }
                let hook = SecretRef::File(folder.join(site.to_string()))
                    .read(&folder)
                    .unwrap();
                let trigger = Trigger {
                    hook: &hook,
                    branch: None,
                    clear_cache: false,
                    body: body.clone(),
                };
                netlify::fire(&client, &trigger, Millis(0)).await.unwrap();
            }
        });
    }
    callers.join_all().await;
    all_called(calls).await.elapsed()
}

/// The engine, from its first call until every build is recorded.
async fn engine(root: &Path, calls: &mut UnboundedReceiver<Called>) -> Duration {
    // In a folder of its own, as on a server: what is beside `sites.toml` is watched.
    let data = estate::folder();
    let store = Store::open(&estate::database(data.path())).await.unwrap();
    estate::publish(root, &store).await;
    let engine = Engine::start(root, store.clone());
    let started = all_called(calls).await;
    engine.stop().await;
    let took = started.elapsed();
    let estate = store.estate_since(0).await.unwrap();
    assert!(
        estate
            .sites
            .iter()
            .all(|site| site.observed.built.is_some()),
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
            loops.push(bare(folder.path(), &mut calls).await);
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
