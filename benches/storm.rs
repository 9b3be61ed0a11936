//! The edit storm: a thousand edits in ten minutes over a hundred sites, and what they cost.
//!
//! `cargo bench --bench storm`. The trace is made from a fixed seed. Microblot is the real engine
//! (loop, SQLite, HTTP) against a local server that refuses a call now and then; time runs thirty
//! times as fast. The other rows are computed from the same trace: one hook for every edit and
//! affected site (what a CMS webhook does), a debounce without a longest wait, and the fewest
//! builds that any scheduler could do that knew the trace beforehand and kept `max_wait`.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that cannot do its work must fail"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use microblot::builders::{Builders, http};
use microblot::engine::dispatch::Dispatcher;
use microblot::engine::estate::Estate;
use microblot::engine::run::{Health, Loop};
use microblot::engine::workspace::Workspace;
use microblot::model::{Actor, Door, HolderId, PostChange, PostDraft, PostId, Publish, SiteName};
use microblot::store::{Address, Store};
use microblot::watch::Watcher;
use tokio::sync::{Notify, watch};

const SITES: usize = 98;
const EDITS: usize = 1_000;
/// The trace lasts ten minutes.
const LENGTH: u64 = 600_000;
const DEBOUNCE: u64 = 10_000;
const MAX_WAIT: u64 = 120_000;
/// So many times as fast as real time.
const SCALE: u64 = 30;
/// Every so many calls one is answered with 429.
const REFUSED_EVERY: usize = 40;
const CREDITS: usize = 15;

/// One edit: the text that a site's post has from then on; `None`: the post is deleted.
#[derive(Clone, Debug)]
struct Edit {
    at: u64,
    site: usize,
    text: Option<u64>,
}

/// Marsaglia's xorshift: the same numbers everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// Of ten sessions, six are autosaves (5 to 15 saves, 2 to 8 s apart), one goes over ten sites
/// within 20 s, one changes ten sites at once, one tries two texts and takes them back, one
/// deletes a post.
fn trace() -> Vec<Edit> {
    let mut dice = Dice(0x5eed_1234_abcd_0001);
    let mut edits = Vec::new();
    let mut text = 1;
    let mut next = || {
        text += 1;
        text
    };
    let mut standing: BTreeMap<usize, Option<u64>> = BTreeMap::new();
    while edits.len() < EDITS {
        let mut at = dice.below(LENGTH - 60_000);
        let site = dice.below(SITES as u64) as usize;
        match dice.below(10) {
            0..6 => {
                for _ in 0..5 + dice.below(11) {
                    edits.push(Edit {
                        at,
                        site,
                        text: Some(next()),
                    });
                    at += 2_000 + dice.below(6_000);
                }
            }
            6 => {
                for i in 0..10 {
                    let site = (site + i) % SITES;
                    edits.push(Edit {
                        at,
                        site,
                        text: Some(next()),
                    });
                    at += dice.below(4_000);
                }
            }
            7 => {
                for i in 0..10 {
                    let site = (site + 7 * i) % SITES;
                    edits.push(Edit {
                        at,
                        site,
                        text: Some(next()),
                    });
                }
            }
            8 => {
                for text in [Some(next()), Some(next()), Some(0)] {
                    edits.push(Edit { at, site, text });
                    at += 2_000 + dice.below(3_000);
                }
            }
            _ => edits.push(Edit {
                at,
                site,
                text: None,
            }),
        }
    }
    edits.truncate(EDITS);
    edits.sort_by_key(|edit| edit.at);
    // `Some(0)` takes back what the last two edits of that site did.
    let mut before: BTreeMap<usize, Vec<Option<u64>>> = BTreeMap::new();
    for edit in &mut edits {
        let past = before.entry(edit.site).or_insert_with(|| vec![Some(1)]);
        if edit.text == Some(0) {
            edit.text = past[past.len().saturating_sub(3)];
        }
        past.push(edit.text);
        standing.insert(edit.site, edit.text);
    }
    edits
}

/// The sites that show a site: itself, the home page that shows all, and for every tenth a second
/// gathering page.
fn shown_by(site: usize) -> Vec<usize> {
    let mut sites = vec![site, SITES];
    if site.is_multiple_of(10) {
        sites.push(SITES + 1);
    }
    sites
}

fn name(site: usize) -> String {
    match site {
        SITES => "home".to_owned(),
        99 => "tens".to_owned(),
        site => format!("s{site:02}"),
    }
}

/// What each site shows, edit by edit.
fn timelines(edits: &[Edit]) -> BTreeMap<usize, Vec<(u64, String)>> {
    let mut texts = vec![Some(1); SITES];
    let mut lines: BTreeMap<usize, Vec<(u64, String)>> = BTreeMap::new();
    for site in 0..SITES + 2 {
        lines
            .entry(site)
            .or_default()
            .push((0, shown(site, &texts)));
    }
    for edit in edits {
        texts[edit.site] = edit.text;
        for site in shown_by(edit.site) {
            lines
                .entry(site)
                .or_default()
                .push((edit.at, shown(site, &texts)));
        }
    }
    lines
}

fn shown(site: usize, texts: &[Option<u64>]) -> String {
    let of = |sites: &mut dyn Iterator<Item = usize>| {
        sites.fold(String::new(), |mut all, site| {
            let _infallible = write!(all, "{:?} ", texts[site]);
            all
        })
    };
    match site {
        SITES => of(&mut (0..SITES)),
        99 => of(&mut (0..SITES).step_by(10)),
        site => of(&mut std::iter::once(site)),
    }
}

#[derive(Default)]
struct Score {
    builds: usize,
    longest: u64,
    stale: usize,
}

/// Fires at `fire(drift, last change)`; the content of that moment is what is built.
fn scheduled(
    lines: &BTreeMap<usize, Vec<(u64, String)>>,
    fire: impl Fn(u64, u64) -> u64,
    skips_same: bool,
) -> Score {
    let mut score = Score::default();
    for line in lines.values() {
        let mut built = line[0].1.clone();
        let mut drift: Option<u64> = None;
        for (i, (at, content)) in line.iter().enumerate().skip(1) {
            if drift.is_none() {
                drift = Some(*at);
            }
            if skips_same && *content == built {
                drift = None;
            }
            let next = line.get(i + 1).map_or(u64::MAX, |(at, _)| *at);
            if let Some(since) = drift
                && fire(since, *at) <= next
                && next > *at
            {
                let at = fire(since, *at);
                score.builds += 1;
                score.longest = score.longest.max(at - since);
                built.clone_from(content);
                drift = None;
            }
        }
        score.stale += usize::from(built != line[line.len() - 1].1);
    }
    score
}

type Calls = Arc<Mutex<(usize, Vec<(String, Instant, String)>)>>;

async fn hook(State(calls): State<Calls>, Path(_): Path<String>, body: String) -> StatusCode {
    let body: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
    let mut calls = calls.lock().unwrap();
    calls.0 += 1;
    if calls.0.is_multiple_of(REFUSED_EVERY) {
        return StatusCode::TOO_MANY_REQUESTS;
    }
    let field = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
    calls
        .1
        .push((field("site"), Instant::now(), field("content_hash")));
    StatusCode::OK
}

async fn microblot(
    edits: &[Edit],
    lines: &BTreeMap<usize, Vec<(u64, String)>>,
) -> Result<Score, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let calls = Calls::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let app = Router::new()
        .route("/build_hooks/{id}", post(hook))
        .with_state(calls.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let secret = folder.path().join("hook");
    std::fs::write(
        &secret,
        format!("http://{address}/build_hooks/0123456789abcdef01234567"),
    )?;

    let mut toml = format!(
        "[defaults]\ndebounce = \"{}ms\"\nmax_wait = \"{}ms\"\n\
         [limits]\nbuilds_per_minute = 100000\nbuilds_in_flight = 1000\nbuilds_at_once = \"100%\"\n",
        DEBOUNCE / SCALE,
        MAX_WAIT / SCALE
    );
    for site in 0..SITES + 2 {
        let posts = match site {
            SITES => "posts = \"all\"\n".to_owned(),
            99 => {
                let tens: Vec<String> = (0..SITES)
                    .step_by(10)
                    .map(|s| format!("{:?}", name(s)))
                    .collect();
                format!("posts = [{}]\n", tens.join(", "))
            }
            _ => String::new(),
        };
        let name = name(site);
        write!(
            toml,
            "[sites.{name}]\ntitle = \"{name}\"\nurl = \"https://{name}.example.org\"\n{posts}\
             build.netlify = {{ hook = {{ file = {secret:?} }} }}\n"
        )?;
    }
    let config = folder.path().join("sites.toml");
    std::fs::write(&config, toml)?;

    let store = Store::open(&Address::Sqlite(folder.path().join("storm.db"))).await?;
    let workspace = Workspace::new(&config, None);
    let (wake, files) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let builders = Builders::new(
        http::client(http::Timeouts::default())?,
        folder.path().to_owned(),
        None,
    );
    let lease = Duration::from_secs(10);
    let holder = HolderId::new("storm");
    let dispatcher = Dispatcher::start(store.clone(), builders, holder, lease, wake.clone(), None);
    let watcher = Watcher::start(&config, folder.path(), files.clone());
    let (health, mut seen) = watch::channel(Health::default());
    let (stop, stopped) = watch::channel(false);
    let engine = Loop::new(
        store.clone(),
        workspace,
        watcher,
        dispatcher,
        wake.clone(),
        files,
        health,
    );
    let engine = tokio::spawn(engine.run(stopped));
    settled(&mut seen).await?;

    let by = Actor {
        name: "storm".to_owned(),
        door: Door::Cli,
    };
    let mut posts: BTreeMap<usize, PostId> = BTreeMap::new();
    for site in 0..SITES {
        posts.insert(site, write_post(&store, site, 1, &by).await?);
    }
    wake.notify_one();
    tokio::time::sleep(Duration::from_millis(MAX_WAIT / SCALE)).await;
    settled(&mut seen).await?;
    let before = calls.lock().unwrap().1.len();

    let start = Instant::now();
    for edit in edits {
        tokio::time::sleep_until((start + Duration::from_millis(edit.at / SCALE)).into()).await;
        let text = edit.text.map(|text| text.to_string());
        match (posts.get(&edit.site).cloned(), text) {
            (Some(id), Some(text)) => {
                let change = PostChange {
                    body: Some(text),
                    ..PostChange::default()
                };
                store.edit_post(&id, &change, &by).await?;
            }
            (Some(id), None) => {
                store.delete_post(&id, &by).await?;
                posts.remove(&edit.site);
            }
            (None, Some(_)) => {
                let text = edit.text.unwrap_or_default();
                posts.insert(edit.site, write_post(&store, edit.site, text, &by).await?);
            }
            (None, None) => {}
        }
        wake.notify_one();
    }
    tokio::time::sleep(Duration::from_millis(2 * DEBOUNCE / SCALE)).await;
    settled(&mut seen).await?;

    let mut estate = Estate::default();
    estate.refresh(&store).await?;
    stop.send_replace(true);
    engine.await?;
    let calls = calls.lock().unwrap().1.split_off(before);
    let mut score = Score {
        builds: calls.len(),
        ..Score::default()
    };
    for site in 0..SITES + 2 {
        let name = name(site);
        let fired: Vec<u64> = calls
            .iter()
            .filter(|(called, _, _)| *called == name)
            .map(|(_, at, _)| at.duration_since(start).as_millis() as u64 * SCALE)
            .collect();
        score.longest = score.longest.max(longest_wait(&lines[&site], &fired));
        let site: SiteName = name.parse()?;
        let wanted = &estate.desired.sites[&site].target;
        let wanted = wanted.as_ref().and_then(|target| target.as_ref().ok());
        let last = calls.iter().rfind(|(called, _, _)| *called == name);
        let stale = last.is_some_and(|(_, _, hash)| {
            wanted.is_none_or(|wanted| wanted.hash.to_string() != *hash)
        });
        let unbuilt = estate.observed.sites[&site]
            .built
            .as_ref()
            .map(|built| built.hash)
            != wanted.map(|wanted| wanted.hash);
        score.stale += usize::from(stale || unbuilt);
    }
    Ok(score)
}

/// The longest time from the first change that was not built, and not taken back, to a build.
fn longest_wait(line: &[(u64, String)], fired: &[u64]) -> u64 {
    let (mut built, mut drift, mut longest) = (line[0].1.clone(), None, 0);
    let mut changes = line.iter().skip(1).peekable();
    let mut now = built.clone();
    for at in fired {
        while let Some((changed, content)) = changes.next_if(|(changed, _)| changed <= at) {
            now.clone_from(content);
            drift = (now != built).then(|| drift.unwrap_or(*changed));
        }
        longest = longest.max(drift.map_or(0, |since: u64| at - since));
        built.clone_from(&now);
        drift = None;
    }
    longest
}

async fn write_post(
    store: &Store,
    site: usize,
    text: u64,
    by: &Actor,
) -> Result<PostId, Box<dyn Error>> {
    let name: SiteName = name(site).parse()?;
    let row = store.site(&name).await?.ok_or("no such site")?;
    let draft = PostDraft {
        title: "Note".to_owned(),
        body: text.to_string(),
        category: None,
        author: None,
        publish: Publish::Now,
    };
    Ok(store.new_post(&row.id, &name, &draft, by).await?.id)
}

/// Returns when every site is built and nothing waits.
async fn settled(seen: &mut watch::Receiver<Health>) -> Result<(), Box<dyn Error>> {
    let quiet = |health: &Health| {
        health
            .plan
            .as_ref()
            .is_some_and(|plan| plan.counts.unchanged == SITES + 2 && plan.sites.len() == SITES + 2)
    };
    let limit = Duration::from_secs(60);
    tokio::time::timeout(limit, seen.wait_for(|health| quiet(health))).await??;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let edits = trace();
    let lines = timelines(&edits);
    let touched: BTreeSet<usize> = edits.iter().map(|edit| edit.site).collect();
    println!(
        "{} edits in 10 minutes over {} sites, {} of them touched; debounce 10 s, max_wait 2 min",
        edits.len(),
        SITES + 2,
        touched.len()
    );
    let every = Score {
        builds: edits.iter().map(|edit| shown_by(edit.site).len()).sum(),
        ..Score::default()
    };
    let debounce = scheduled(&lines, |_, last| last + DEBOUNCE, false);
    let bound = scheduled(&lines, |since, _| since + MAX_WAIT, true);
    let ours = microblot(&edits, &lines).await?;
    println!("| | builds | credits | longest wait | stale at the end | to the bound |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    for (what, score) in [
        ("one hook per edit and site", &every),
        ("debounce alone", &debounce),
        ("**Microblot**", &ours),
        ("clairvoyant bound", &bound),
    ] {
        println!(
            "| {what} | {} | {} | {:.0} s | {} | {:.2} |",
            score.builds,
            score.builds * CREDITS,
            score.longest as f64 / 1000.0,
            score.stale,
            score.builds as f64 / bound.builds as f64
        );
    }
    if ours.stale > 0 {
        return Err("Microblot left a site stale".into());
    }
    Ok(())
}
