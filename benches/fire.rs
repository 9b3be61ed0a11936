//! Ten thousand builds that are due at once, fired by the engine, beside a bare loop that calls the
//! same hook as often with the same client.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark that cannot do its work must fail"
)]

mod support;

use std::time::{Duration, Instant};

use microblot::http;
use microblot::model::Outcome;
use microblot::store::Store;
use support::engine::{self, Calls, Engine};
use support::{estate, table};
use tokio::task::JoinSet;

/// Builds, one of each site.
const BUILDS: usize = 10_000;
/// Posts of each site.
const POSTS: usize = 10;
/// Calls in the air at once: as many as the dispatcher has.
const IN_THE_AIR: usize = 64;
/// Rounds; in each one the bare loop goes first and last.
const ROUNDS: usize = 3;
/// Of the ratio.
const TARGET: f64 = 0.5;

fn main() {
    table::machine();
    let (hook, mut calls) = engine::hook();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut rows = Vec::new();
    for round in 1..=ROUNDS {
        let before = runtime.block_on(bare(&hook, &mut calls));
        let ours = runtime.block_on(fired(&hook, &mut calls));
        let after = runtime.block_on(bare(&hook, &mut calls));
        let bare = (before + after) / 2;
        let rate = |time: Duration| BUILDS as f64 / time.as_secs_f64();
        rows.push([
            round.to_string(),
            format!("{:.0}", rate(bare)),
            format!("{:.0}", rate(ours.called)),
            format!("{:.0}", rate(ours.recorded)),
            format!("{:.2}", rate(ours.recorded) / rate(bare)),
            format!("≥ {TARGET}"),
        ]);
    }
    println!(
        "{BUILDS} builds per round, {IN_THE_AIR} calls in the air, a connection each, the hook on this \
         machine, SQLite.\nFrom the change that makes all of them due; a build that is recorded is \
         claimed before and\nstored after its call. The bare loop stores nothing.\n"
    );
    let columns = [
        "round",
        "bare calls/s",
        "builds called/s",
        "builds recorded/s",
        "ratio",
        "target",
    ];
    table::print(columns, &rows);
}

/// Until all hooks were called, and until all builds were recorded.
struct Fired {
    called: Duration,
    recorded: Duration,
}

async fn fired(hook: &str, calls: &mut Calls) -> Fired {
    let folder = estate::folder();
    let root = folder.path();
    engine::write_folder(root, hook, BUILDS);
    let store = Store::open(&estate::database(root)).await.unwrap();
    estate::publish(root, &store).await;
    estate::write_posts(root, POSTS).await;
    estate::adopt(&store).await;
    let mut engine = Engine::start(root, store.clone());
    engine.settled().await;
    estate::change_everything(root).await;

    let started = Instant::now();
    engine.wake.notify_one();
    let mut last = started;
    for _ in 0..BUILDS {
        let ended = engine.ended.recv().await.unwrap();
        assert_eq!(ended.outcome, Outcome::Accepted);
        last = last.max(calls.recv().await.unwrap());
    }
    let recorded = started.elapsed();
    engine.stop().await;
    assert!(calls.try_recv().is_err(), "a change was built twice");
    let called = last - started;
    Fired { called, recorded }
}

async fn bare(hook: &str, calls: &mut Calls) -> Duration {
    let client = http::client(http::Timeouts::default()).unwrap();
    // As long as what a builder is told.
    let body = serde_json::json!({
        "site": "s000000",
        "build": "0199a5b0-0000-7000-8000-000000000000",
        "content_hash": format!("sha256:{}", "0".repeat(64)),
        "reason": "posts changed",
        "content_url": null,
    });
    let started = Instant::now();
    let mut callers = JoinSet::new();
    for caller in 0..IN_THE_AIR {
        let (client, hook, body) = (client.clone(), hook.to_owned(), body.clone());
        callers.spawn(async move {
            for _ in (caller..BUILDS).step_by(IN_THE_AIR) {
                let answer = client.post(&hook).json(&body).send().await.unwrap();
                assert!(answer.status().is_success());
            }
        });
    }
    callers.join_all().await;
    let time = started.elapsed();
    for _ in 0..BUILDS {
        calls.recv().await.unwrap();
    }
    time
}
