//! One post in an estate of ten thousand sites: how long until its site's build hook is called?
//!
//! From before the post is stored until the call has arrived, with the engine as `microblot serve`
//! runs it, SQLite on disk, and no quiet time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark that cannot do its work must fail"
)]

mod support;

use std::time::{Duration, Instant};

use microblot::model::{PostDraft, Publish};
use microblot::store::Store;
use support::engine::{self, Engine};
use support::{estate, table};

const SITES: usize = 10_000;
const CHANGES: usize = 300;

fn main() {
    table::machine();
    let folder = estate::folder();
    let (hooks, mut calls) = engine::hooks();
    estate::write_with_hooks(folder.path(), SITES, &hooks);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut times: Vec<Duration> = runtime.block_on(async {
        let store = Store::open(&estate::database(folder.path())).await.unwrap();
        estate::publish(folder.path(), &store).await;
        estate::adopt(&store).await;
        let mut engine = Engine::start(folder.path(), store.clone());
        engine.looked().await;
        let mut times = Vec::new();
        for change in 0..CHANGES {
            // Far from each other, so that nothing is warm.
            let site = change * 7_919 % SITES;
            let name = estate::name(site).parse().unwrap();
            let id = store.site(&name).await.unwrap().unwrap().id;
            let draft = PostDraft {
                title: format!("Post {change}"),
                body: "Some text.".to_owned(),
                category: None,
                author: None,
                publish: Publish::Now,
            };
            let by = estate::somebody();
            let started = Instant::now();
            store.new_post(&id, &name, &draft, &by).await.unwrap();
            engine.wake.notify_one();
            let (called, at) = calls.recv().await.unwrap();
            assert_eq!(called, site, "another site was built");
            times.push(at - started);
        }
        engine.stop().await;
        times
    });
    times.sort_unstable();
    let at = |share: usize| table::seconds(times[(times.len() - 1) * share / 100]);
    println!(
        "{CHANGES} changes, one after the other, in {SITES} sites; from the change to the call of the hook:\n"
    );
    let row = |what: &str, figure: String, aim: &str| [what.to_owned(), figure, aim.to_owned()];
    table::print(
        ["", "time", "aim"],
        &[
            row("median", at(50), "< 50 ms"),
            row("99 of 100", at(99), "–"),
            row("longest", at(100), "–"),
        ],
    );
}
