//! A thousand edits in ten minutes on a hundred sites: how many builds, how late, and is it right?
//!
//! The same recorded trace is replayed ten times as fast for each strategy, over HTTP, and
//! compared with the fewest builds that somebody who knows the future would need.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark that cannot do its work must fail"
)]

mod support;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::{Path as Segments, State};
use axum::http::StatusCode;
use axum::{Json, Router};
use microblot::engine::estate::Estate;
use microblot::http;
use microblot::model::{PostChange, PostDraft, PostId, Publish, SiteName};
use microblot::store::Store;
use support::engine::{self, Engine};
use support::storm::{self, Edit, OWN, Op, POSTS, SITES, TEAM, World};
use support::{estate, table};
use tokio::task::JoinSet;

/// So many times as fast as it happened.
const SPEED: u32 = 10;
/// As it happened.
const DEBOUNCE: Duration = Duration::from_secs(10);
/// As it happened.
const MAX_WAIT: Duration = Duration::from_secs(120);
/// As it happened; the hosting account runs [`AT_ONCE`] of them.
const BUILD: Duration = Duration::from_secs(30);
const AT_ONCE: usize = 3;
/// Every so many calls one is refused with 429.
const REFUSE: usize = 40;
/// Before a refused call is made again, by those who have no back-off. Not sped up, because
/// Microblot's own back-off (5 to 6 s) is not either.
const PAUSE: Duration = Duration::from_secs(5);
/// What a production deploy costs on Netlify's credit plans.
const CREDITS: usize = 15;
/// When nothing has settled so long after the last edit, it never does. In real time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Who gets the calls of one strategy.
#[derive(Default)]
struct Hooks {
    calls: usize,
    /// Site, content as the caller names it, and when.
    accepted: Vec<(usize, String, Instant)>,
}

type Shared = Arc<Mutex<Hooks>>;

async fn hook(
    State(hooks): State<Vec<Shared>>,
    Segments((strategy, site)): Segments<(usize, usize)>,
    Json(body): Json<serde_json::Value>,
) -> StatusCode {
    let content = body["content_hash"].as_str().unwrap().to_owned();
    let mut hooks = hooks[strategy].lock().unwrap();
    hooks.calls += 1;
    if hooks.calls.is_multiple_of(REFUSE) {
        return StatusCode::TOO_MANY_REQUESTS;
    }
    hooks.accepted.push((site, content, Instant::now()));
    StatusCode::OK
}

/// Answers hooks, and says where.
fn serve(hooks: Vec<Shared>) -> String {
    let router = Router::new()
        .route("/{strategy}/{site}", axum::routing::post(hook))
        .with_state(hooks);
    engine::serve(router)
}

/// Waits until an edit happens.
async fn until(start: Instant, edit: &Edit) {
    let at = start + Duration::from_millis(edit.at) / SPEED;
    tokio::time::sleep_until(at.into()).await;
}

/// Calls the hook of a site until it is accepted, each time for what the site is by then.
async fn call(client: reqwest::Client, url: String, world: Arc<Mutex<World>>, site: usize) {
    loop {
        let content = world.lock().unwrap().content(site).to_string();
        let body = serde_json::json!({ "content_hash": content });
        let answer = client.post(&url).json(&body).send().await.unwrap();
        if answer.status().is_success() {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Calls a hook for every edit and touched site: at once, or when the site has been quiet.
async fn scripts(start: Instant, edits: Vec<Edit>, hooks: String, quiet: Option<Duration>) {
    let client = http::client(http::Timeouts::default()).unwrap();
    let world = Arc::new(Mutex::new(World::new()));
    let newest = Arc::new(Mutex::new([0_usize; SITES]));
    let mut calls = JoinSet::new();
    for (number, edit) in edits.iter().enumerate() {
        until(start, edit).await;
        let touched = world.lock().unwrap().apply(edit);
        for site in touched {
            newest.lock().unwrap()[site] = number;
            let newest = newest.clone();
            let call = call(
                client.clone(),
                format!("{hooks}/{site}"),
                world.clone(),
                site,
            );
            calls.spawn(async move {
                if let Some(quiet) = quiet {
                    tokio::time::sleep(quiet).await;
                    if newest.lock().unwrap()[site] != number {
                        return;
                    }
                }
                call.await;
            });
        }
    }
    calls.join_all().await;
}

fn name(site: usize) -> SiteName {
    format!("s{site:02}").parse().unwrap()
}

/// A folder as somebody would have it, with times that are as fast as the replay.
fn write_folder(root: &Path, hooks: &str) {
    std::fs::create_dir(root.join("hooks")).unwrap();
    let (debounce, max_wait) = (
        (DEBOUNCE / SPEED).as_millis(),
        (MAX_WAIT / SPEED).as_millis(),
    );
    let mut text = format!(
        "[defaults]\ndebounce = \"{debounce}ms\"\nmax_wait = \"{max_wait}ms\"\n\
         [limits]\nbuilds_per_minute = 100000\nbuilds_in_flight = 100000\n\
         builds_at_once = \"100%\"\n"
    );
    for site in 0..SITES {
        let file = root.join("hooks").join(site.to_string());
        std::fs::write(&file, format!("{hooks}/{site}")).unwrap();
        let name = name(site);
        let posts = match site.checked_sub(OWN) {
            None => "\"own\"".to_owned(),
            Some(0) => format!(
                "{:?}",
                (0..TEAM)
                    .map(self::name)
                    .map(|n| n.to_string())
                    .collect::<Vec<_>>()
            ),
            Some(_) => "\"all\"".to_owned(),
        };
        let _infallible = write!(
            text,
            "[sites.{name}]\ntitle = \"Site {site}\"\nurl = \"https://{name}.example.org\"\n\
             posts = {posts}\nbuild.netlify = {{ hook = {{ file = {file:?} }} }}\n"
        );
    }
    std::fs::write(root.join("sites.toml"), text).unwrap();
}

/// Somebody who writes in the database of Microblot, and notes which hash stands for what.
struct Writer {
    store: Store,
    ids: Vec<String>,
    posts: HashMap<(usize, usize), PostId>,
    estate: Estate,
    world: World,
    contents: HashMap<(usize, String), u64>,
}

impl Writer {
    async fn new(store: Store) -> Self {
        let mut estate = Estate::default();
        estate.refresh(&store).await.unwrap();
        let id = |site| estate.details(&name(site)).unwrap().id.clone();
        let mut writer = Self {
            store,
            ids: (0..SITES).map(id).collect(),
            posts: HashMap::new(),
            estate,
            world: World::new(),
            contents: HashMap::new(),
        };
        for site in 0..OWN {
            for post in 0..POSTS {
                writer.write(site, post, 0).await;
            }
        }
        writer.look(0..SITES).await;
        writer
    }

    async fn write(&mut self, site: usize, post: usize, text: u64) {
        let by = estate::somebody();
        let body = format!("Text {text}.");
        if let Some(id) = self.posts.get(&(site, post)) {
            let change = PostChange {
                body: Some(body),
                ..PostChange::default()
            };
            let edited = self.store.edit_post(id, &change, &by).await.unwrap();
            edited.expect("it is there");
        } else {
            let draft = PostDraft {
                title: format!("Post {post}"),
                body,
                category: None,
                author: None,
                publish: Publish::Now,
            };
            let name = name(site);
            let new = self.store.new_post(&self.ids[site], &name, &draft, &by);
            self.posts.insert((site, post), new.await.unwrap().id);
        }
    }

    async fn apply(&mut self, edit: &Edit) {
        match edit.op {
            Op::Write(text) => self.write(edit.site, edit.post, text).await,
            Op::Delete => {
                let id = &self.posts[&(edit.site, edit.post)];
                let deleted = self.store.delete_post(id, &estate::somebody()).await;
                deleted.unwrap().expect("it is there");
            }
        }
        let touched = self.world.apply(edit);
        self.look(touched).await;
    }

    /// Notes the hashes of sites.
    async fn look(&mut self, sites: impl IntoIterator<Item = usize>) {
        self.estate.refresh(&self.store).await.unwrap();
        for site in sites {
            let content = self.world.content(site);
            let noted = self.contents.insert((site, self.hash(site)), content);
            assert!(
                noted.is_none_or(|noted| noted == content),
                "one hash for two contents"
            );
        }
    }

    fn hash(&self, site: usize) -> String {
        let target = &self.estate.desired.sites[&name(site)].target;
        target.as_ref().unwrap().as_ref().unwrap().hash.to_string()
    }
}

/// The engine itself, on a database of its own, as `microblot serve` runs it.
async fn microblot(
    root: &Path,
    edits: Vec<Edit>,
    mut writer: Writer,
    start: Instant,
    accepted: Shared,
) -> HashMap<(usize, String), u64> {
    let engine = Engine::start(root, writer.store.clone());
    let first: Vec<String> = (0..SITES).map(|site| writer.hash(site)).collect();
    for edit in &edits {
        until(start, edit).await;
        writer.apply(edit).await;
        engine.wake.notify_one();
    }
    let ended = Instant::now();
    let settled = || {
        let mut built = first.clone();
        for (site, hash, _) in &accepted.lock().unwrap().accepted {
            built[*site].clone_from(hash);
        }
        (0..SITES).all(|site| built[site] == writer.hash(site))
    };
    while !settled() && ended.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Whatever it would still do too much counts as well.
    tokio::time::sleep(MAX_WAIT / SPEED).await;
    engine.stop().await;
    writer.contents
}

struct Result {
    builds: usize,
    longest: u64,
    stale: usize,
    queue: Duration,
}

/// What the calls of one strategy came to, in the time of the trace.
fn judge(
    hooks: &Shared,
    start: Instant,
    histories: &[storm::History],
    content: impl Fn(usize, &str) -> u64,
) -> Result {
    let accepted = &hooks.lock().unwrap().accepted;
    let mut calls = vec![Vec::new(); SITES];
    let mut free = [Duration::ZERO; AT_ONCE];
    for (site, named, at) in accepted {
        let at = (*at - start) * SPEED;
        let at_ms = u64::try_from(at.as_millis()).unwrap();
        calls[*site].push((at_ms, content(*site, named)));
        free.sort_unstable();
        free[0] = free[0].max(at) + BUILD;
    }
    let fared = histories
        .iter()
        .zip(&calls)
        .map(|(history, calls)| storm::fared(history, calls));
    let fared: Vec<(u64, bool)> = fared.collect();
    Result {
        builds: accepted.len(),
        longest: fared.iter().map(|(longest, _)| *longest).max().unwrap(),
        stale: fared.iter().filter(|(_, stale)| *stale).count(),
        queue: free.into_iter().max().unwrap(),
    }
}

fn main() -> ExitCode {
    table::machine();
    let edits = storm::trace();
    let histories = storm::histories(&edits);
    let max_wait = u64::try_from(MAX_WAIT.as_millis()).unwrap();
    let fewest = |history| storm::fewest(history, max_wait);
    let bound: usize = histories.iter().map(fewest).sum();

    let hooks: Vec<Shared> = (0..3).map(|_| Shared::default()).collect();
    let address = serve(hooks.clone());
    let folder = estate::folder();
    write_folder(folder.path(), &format!("{address}/2"));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (start, contents) = runtime.block_on(async {
        let store = Store::open(&estate::database(folder.path())).await.unwrap();
        estate::publish(folder.path(), &store).await;
        let writer = Writer::new(store.clone()).await;
        estate::adopt(&store).await;
        // Nobody has just built anything: what was adopted counts as built then.
        let start = Instant::now() + 2 * MAX_WAIT / SPEED;
        let at_once = scripts(start, edits.clone(), format!("{address}/0"), None);
        let quiet = Some(DEBOUNCE / SPEED);
        let debounced = scripts(start, edits.clone(), format!("{address}/1"), quiet);
        let at_once = tokio::spawn(at_once);
        let debounced = tokio::spawn(debounced);
        let ours = microblot(folder.path(), edits, writer, start, hooks[2].clone());
        let contents = ours.await;
        at_once.await.unwrap();
        debounced.await.unwrap();
        (start, contents)
    });

    let number = |_: usize, named: &str| named.parse().unwrap();
    let hash = |site: usize, named: &str| contents[&(site, named.to_owned())];
    let results = [
        (
            "a hook per edit and site",
            judge(&hooks[0], start, &histories, number),
        ),
        (
            "debounce of 10 s per site",
            judge(&hooks[1], start, &histories, number),
        ),
        ("Microblot", judge(&hooks[2], start, &histories, hash)),
    ];
    println!("{}", storm::MAKE_UP);
    println!(
        "replayed {SPEED} times as fast; debounce 10 s, max_wait 2 min; every {REFUSE}th call is \
         answered 429 without\nRetry-After. Back-off and pauses after it are not sped up: 5 s are \
         {} s here. Builds take 30 s, 3 at a time.\n",
        PAUSE.as_secs() * u64::from(SPEED)
    );
    let row = |what: &str, builds: usize, longest: String, stale: usize, queue: String| {
        [
            what.to_owned(),
            builds.to_string(),
            (builds * CREDITS).to_string(),
            longest,
            stale.to_string(),
            queue,
            format!("{:.2}", builds as f64 / bound as f64),
        ]
    };
    let mut rows: Vec<[String; 7]> = results
        .iter()
        .map(|(what, result)| {
            let longest = format!("{:.1} s", result.longest as f64 / 1000.0);
            let queue = format!("{:.0} min", result.queue.as_secs_f64() / 60.0);
            row(what, result.builds, longest, result.stale, queue)
        })
        .collect();
    let known = "knows the future, fewest builds";
    rows.push(row(known, bound, "120.0 s".to_owned(), 0, "–".to_owned()));
    let columns = [
        "strategy",
        "builds",
        "credits",
        "longest wait to fire",
        "stale sites",
        "last build done after",
        "to the fewest",
    ];
    table::print(columns, &rows);
    if results[2].1.stale > 0 {
        eprintln!("Microblot left sites stale");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
