//! What a plan of many sites costs: `cargo bench --bench plan`.
//!
//! Times are medians; memory is what the process grew by at most while one plan was made and held.

use std::hint::black_box;
use std::time::{Duration, Instant};

use microblot::model::{
    BuilderKind, Built, Desired, DesiredSite, Digest, Fingerprint, Millis, Observed, ObservedSite,
    Origin, SiteName, Target, Timing, Wanted,
};
use microblot::plan::{notes, plan};

const NOW: Millis = Millis(1_795_166_040_000);
const RUNS: usize = 21;

fn main() {
    println!(" sites  changed      plan     notes   memory per site");
    for sites in [1_000, 10_000, 100_000, 200_000] {
        for changed in [0, sites / 100] {
            let (desired, observed) = estate(sites, changed);
            let before = resident_kb();
            let plan = plan(&desired, &observed, NOW);
            let grown = before
                .zip(resident_kb())
                .map(|(before, after)| after - before);
            assert_eq!(plan.sites.len(), sites);
            assert_eq!(plan.counts.unchanged, sites - changed);
            let took = median(|| drop(black_box(self::plan(&desired, &observed, NOW))));
            let noted = median(|| drop(black_box(notes(&plan, &observed))));
            let memory = grown.map_or("?".to_owned(), |kb| {
                format!("{} bytes", kb.saturating_mul(1024) / sites as i64)
            });
            println!(
                "{sites:6}  {changed:7}  {}  {}   {memory:>15}",
                ms(took),
                ms(noted)
            );
        }
    }
}

fn ms(span: Duration) -> String {
    format!("{:5.2} ms", span.as_secs_f64() * 1_000.0)
}

fn median(run: impl Fn()) -> Duration {
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[RUNS / 2]
}

/// `VmRSS`: plans are built once and kept, so that it is the peak as well. `None` off Linux.
fn resident_kb() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// So many hosted sites, the first of which want something else than what they were built from.
fn estate(sites: usize, changed: usize) -> (Desired, Observed) {
    let (mut desired, mut observed) = (Desired::default(), Observed::default());
    for i in 0..sites {
        // Names as people give them share long beginnings, which makes comparing them dear.
        let Ok(name) = format!("community-blog-number-{i:06}").parse::<SiteName>() else {
            continue;
        };
        let digest = |what: &str| Digest::of_fields(what, [name.as_str().as_bytes()]);
        let last = Fingerprint {
            spec: digest("spec"),
            posts: digest("posts"),
            files: digest("files"),
            revision: digest("revision"),
        };
        let mut wanted = last;
        if i < changed {
            wanted.posts = digest("other posts");
        }
        let target = Target::from(wanted);
        let since = NOW.minus(Duration::from_secs(600));
        observed.sites.insert(
            name.clone(),
            ObservedSite {
                built: Some(Built {
                    fingerprint: last,
                    hash: last.hash(),
                    at: since,
                }),
                wanted: (i < changed).then_some(Wanted {
                    hash: target.hash,
                    since,
                    drift_since: since,
                    refused: None,
                }),
                ..ObservedSite::default()
            },
        );
        desired.sites.insert(
            name,
            DesiredSite {
                origin: Origin::File,
                source: None,
                target: Some(Ok(target)),
                timing: Timing::default(),
                builder: BuilderKind::Netlify,
                hold: None,
                rebuild: None,
                approved: None,
                news: None,
            },
        );
    }
    (desired, observed)
}
