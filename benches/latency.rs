//! From one change among ten thousand sites to the call of the site's build hook.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark that cannot do its work must fail"
)]

mod support;

use std::time::{Duration, Instant};

use microblot::engine::estate::Estate;
use microblot::model::{Outcome, PostDraft, Publish};
use microblot::store::Store;
use support::engine::{self, Calls, Engine};
use support::table::{self, seconds};
use support::{estate, table::median};

/// Sites of the estate.
const SITES: usize = 10_000;
/// Posts of each before anything changes.
const POSTS: usize = 10;
/// Changes, one after the other, each on another site.
const SAMPLES: usize = 200;
/// Of the median.
const TARGET: Duration = Duration::from_millis(50);

/// One change, in its parts.
struct Sample {
    stored: Duration,
    called: Duration,
}

fn main() {
    table::machine();
    let (hook, calls) = engine::hook();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let samples = runtime.block_on(samples(&hook, calls));

    println!(
        "a new post on one of {SITES} sites with {POSTS} posts each, debounce 0, SQLite, the hook on \
         this machine;\n{SAMPLES} changes, one after the other, each when the one before is built. From \
         before the post is stored.\n"
    );
    let row = |what: &str, part: fn(&Sample) -> Duration, target: &str| {
        let mut times: Vec<Duration> = samples.iter().map(part).collect();
        times.sort_unstable();
        [
            what.to_owned(),
            seconds(median(times.clone())),
            seconds(times[times.len() * 99 / 100]),
            seconds(*times.last().unwrap()),
            target.to_owned(),
        ]
    };
    let target = format!("median < {}", seconds(TARGET));
    let rows = [
        row("the post is stored", |sample| sample.stored, "–"),
        row("its hook is called", |sample| sample.called, &target),
    ];
    table::print(["until", "median", "p99", "longest", "target"], &rows);
}

async fn samples(hook: &str, mut calls: Calls) -> Vec<Sample> {
    let folder = estate::folder();
    let root = folder.path();
    engine::write_folder(root, hook, SITES);
    let store = Store::open(&estate::database(root)).await.unwrap();
    estate::publish(root, &store).await;
    estate::write_posts(root, POSTS).await;
    estate::adopt(&store).await;
    let mut known = Estate::default();
    known.refresh(&store).await.unwrap();
    let mut engine = Engine::start(root, store.clone());
    engine.settled().await;

    let mut samples = Vec::new();
    for number in 0..SAMPLES {
        let name = estate::name(number * (SITES / SAMPLES)).parse().unwrap();
        let id = &known.details(&name).unwrap().id;
        let draft = PostDraft {
            title: format!("News {number}"),
            body: "Something *happened*.".to_owned(),
            category: None,
            author: None,
            publish: Publish::Now,
        };
        let started = Instant::now();
        let by = estate::somebody();
        store.new_post(id, &name, &draft, &by).await.unwrap();
        let stored = started.elapsed();
        engine.wake.notify_one();
        let called = calls.recv().await.unwrap() - started;
        samples.push(Sample { stored, called });

        let ended = engine.ended.recv().await.unwrap();
        assert_eq!((ended.site, ended.outcome), (name, Outcome::Accepted));
        engine.settled().await;
    }
    engine.stop().await;
    assert!(calls.try_recv().is_err(), "a change was built twice");
    samples
}
