//! Slack's requests, signed, over HTTP, as `microblot serve` answers them: how many a second, and
//! how long does one wait? Beside Bolt for JavaScript, which only acknowledges.
//!
//! Bolt runs where `npm install --no-package-lock --prefix benches/bolt` was run before.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark that cannot do its work must fail"
)]

mod support;

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderValue};
use axum::serve::ListenerExt as _;
use microblot::model::{Millis, Secret};
use microblot::slack::api::{Api, TIMEOUTS};
use microblot::slack::app::{App, Parts, Tokens};
use microblot::slack::seal::{Key, Purpose, Sealer};
use microblot::slack::signature::{Gate, SigningSecret, verify};
use microblot::slack::{router, worker};
use microblot::store::{PersonRow, PostFilter, Store};
use microblot::web::{self, Web};
use support::engine::Engine;
use support::load::{self, Pace, Run};
use support::signed::{self, SECRET, TEAM, USER};
use support::{estate, table};
use tokio::runtime::Runtime;
use tokio::sync::{Notify, watch};

/// Sites of the workspace.
const SITES: usize = 100;
/// Commands of one run.
const COMMANDS: usize = 100_000;
/// Bolt is slower: fewer take as long.
const BOLT_COMMANDS: usize = 25_000;
/// Posts that are submitted.
const POSTS: usize = 12_000;
/// Before anything is measured.
const WARM_UP: usize = 5_000;
/// So many times as fast as Bolt.
const TIMES: f64 = 5.0;
/// Commands a second where Bolt does not run.
const WITHOUT_BOLT: f64 = 10_000.0;
/// At half of the rate, one command in a hundred may take longer.
const LATE: Duration = Duration::from_millis(20);
/// Stored posts a second.
const STORED: f64 = 2_000.0;

fn write_folder(root: &Path) {
    // Nothing is built while this runs: there is nobody who would.
    let mut text = "[defaults]\ndebounce = \"1h\"\nmax_wait = \"2h\"\n".to_owned();
    for number in 0..SITES {
        let name = estate::name(number);
        let _infallible = write!(
            text,
            "\n[sites.{name}]\ntitle = \"Site {number}\"\nurl = \"https://{name}.example.org\"\n\
             slack = {{ workspace = \"{TEAM}\" }}\n\
             build.netlify = {{ hook = {{ env = \"NETLIFY_HOOK_{number}\" }} }}\n"
        );
    }
    std::fs::write(root.join("sites.toml"), text).unwrap();
}

async fn store(root: &Path) -> Store {
    let store = Store::open(&estate::database(root)).await.unwrap();
    estate::publish(root, &store).await;
    estate::adopt(&store).await;
    let person = PersonRow {
        workspace: TEAM.to_owned(),
        id: USER.to_owned(),
        name: "Ada".to_owned(),
        picture: None,
        admin: false,
        fetched_at: Millis::from(jiff::Timestamp::now()),
    };
    store.keep_people(&[person]).await.unwrap();
    store
}

/// What `microblot serve` runs: the loop, the worker and the routes; and where.
async fn serve(root: &Path, store: &Store) -> SocketAddr {
    let mut engine = Engine::start(root, store.clone());
    let (stop, stopped) = watch::channel(false);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let local = listener.local_addr().unwrap();
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
    let secret = SigningSecret::new(&Secret::new(SECRET)).unwrap();
    let app = App::new(Parts {
        store: store.clone(),
        health: engine.health.clone(),
        wake: engine.wake.clone(),
        work: Arc::new(Notify::new()),
        // Nobody answers there: no answer waits for Slack.
        api: Api::new("http://127.0.0.1:9/api/", TIMEOUTS).unwrap(),
        tokens: Tokens::new(Some(Secret::new("xoxb-0")), None),
        urls: Sealer::new(&Key::derived(&secret), Purpose::ResponseUrl),
        gate: Gate {
            secret: Arc::new(secret),
            now: || Millis::from(jiff::Timestamp::now()),
        },
        installation: None,
        address: format!("http://{local}"),
    });
    let metrics = metrics_exporter_prometheus::PrometheusBuilder::new()
        .install_recorder()
        .unwrap();
    let web = Web {
        reader: store.reader().clone(),
        health: engine.health.clone(),
        metrics,
        root: root.into(),
        address: None,
    };
    let routes = web::router(web).merge(router(app.clone()));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    engine.looked().await;
    // Both run for as long as somebody could stop them.
    tokio::spawn(async move {
        worker::run(app, stopped).await;
        drop((stop, engine));
    });
    local
}

/// Bolt in a process of its own, ended with this one.
struct Bolt {
    process: Child,
    address: SocketAddr,
}

impl Bolt {
    /// `None`: it is not installed.
    fn start() -> Option<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/bolt");
        if !folder.join("node_modules/@slack/bolt").is_dir() {
            return None;
        }
        let mut process = Command::new("node")
            .arg("server.js")
            .current_dir(folder)
            .env("NODE_ENV", "production")
            .env("SLACK_SIGNING_SECRET", SECRET)
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let mut line = String::new();
        let mut said = BufReader::new(process.stdout.take().unwrap());
        said.read_line(&mut line).unwrap();
        let port: u16 = line.trim().parse().expect("it says its port");
        Some(Self {
            process,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
        })
    }
}

impl Drop for Bolt {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _gone = self.process.wait();
    }
}

/// Milliseconds.
fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

struct Table(Vec<[String; 6]>);

impl Table {
    fn note(&mut self, what: &str, how: &str, count: usize, run: &Run) {
        self.0.push([
            what.to_owned(),
            how.to_owned(),
            count.to_string(),
            format!("{:.0}", run.rate()),
            ms(run.quantile(0.5)),
            ms(run.quantile(0.99)),
        ]);
    }

    /// The rate at either concurrency; answers the better one.
    fn closed(
        &mut self,
        what: &str,
        to: SocketAddr,
        text: &str,
        count: usize,
        needle: &'static str,
    ) -> f64 {
        load::run(
            to,
            signed::commands(text, WARM_UP),
            64,
            Pace::Closed,
            needle,
        );
        let rates = [16, 64].map(|connections| {
            let requests = signed::commands(text, count);
            let run = load::run(to, requests, connections, Pace::Closed, needle);
            self.note(what, &format!("{connections} at once"), count, &run);
            run.rate()
        });
        rates[0].max(rates[1])
    }

    /// At half of a rate; answers the 99th percentile.
    fn half(
        &mut self,
        what: &str,
        to: SocketAddr,
        text: &str,
        rate: f64,
        needle: &'static str,
    ) -> Duration {
        let rate = rate / 2.0;
        let count = (rate * 5.0) as usize;
        let requests = signed::commands(text, count);
        let run = load::run(to, requests, 64, Pace::Open(rate), needle);
        self.note(what, "half of that rate", count, &run);
        run.quantile(0.99)
    }
}

/// Nanoseconds for one check of a signature.
fn signature() -> f64 {
    const CHECKS: u32 = 200_000;
    let body = signed::command_form("status", 1);
    let (stamp, signature) = signed::sign(&body);
    let now = stamp.parse().unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("x-slack-request-timestamp", stamp),
        ("x-slack-signature", signature),
    ] {
        headers.insert(name, HeaderValue::try_from(value).unwrap());
    }
    let secret = SigningSecret::new(&Secret::new(SECRET)).unwrap();
    let start = Instant::now();
    for _ in 0..CHECKS {
        let body = std::hint::black_box(body.as_bytes());
        verify(&secret, &headers, body, now).unwrap();
    }
    println!("{} bytes of a command are checked in", body.len());
    start.elapsed().as_secs_f64() * 1e9 / f64::from(CHECKS)
}

fn main() -> ExitCode {
    table::machine();
    println!("{:.0} ns: its signature and timestamp\n", signature());
    let mut table = Table(Vec::new());
    let bolt = Bolt::start().map(|bolt| {
        table.closed(
            "Bolt, acknowledged",
            bolt.address,
            "status",
            BOLT_COMMANDS,
            "",
        )
    });

    let folder = estate::folder();
    write_folder(folder.path());
    let runtime = Runtime::new().unwrap();
    let (store, address) = runtime.block_on(async {
        let store = store(folder.path()).await;
        let address = serve(folder.path(), &store).await;
        (store, address)
    });
    let mut met = true;
    let least = bolt.map_or(WITHOUT_BOLT, |rate| TIMES * rate);
    let mut verdicts = Vec::new();
    let mut judge = |what: String, is_met: bool| {
        met &= is_met;
        verdicts.push(format!("{}: {what}", if is_met { "met" } else { "MISSED" }));
    };
    for (what, text, needle) in [
        ("`status`, 20 of 100 sites", "status", "s000019"),
        ("`status SITE`", "status s000042", "s000042"),
    ] {
        let rate = table.closed(what, address, text, COMMANDS, needle);
        let late = table.half(what, address, text, rate, needle);
        judge(
            format!("{what}: {rate:.0} of {least:.0} a second"),
            rate >= least,
        );
        judge(
            format!(
                "{what}: 99 % in {} at half of that, of {}",
                ms(late),
                ms(LATE)
            ),
            late < LATE,
        );
    }
    let site = estate::name(7);
    let requests = signed::submissions(&site, POSTS);
    let run = load::run(address, requests, 64, Pace::Closed, "\"update\"");
    table.note("`new`, submitted and stored", "64 at once", POSTS, &run);
    judge(
        format!("{:.0} of {STORED:.0} posts a second", run.rate()),
        run.rate() >= STORED,
    );
    let of = PostFilter {
        site: Some(site.parse().unwrap()),
        ..PostFilter::default()
    };
    let stored = runtime.block_on(store.count_posts(&of)).unwrap();
    judge(
        format!("{stored} of {POSTS} posts are stored"),
        stored == POSTS as u64,
    );

    let columns = ["request", "how", "count", "a second", "50 %", "99 %"];
    table::print(columns, &table.0);
    match bolt {
        Some(rate) => println!("Bolt: {rate:.0} a second; {TIMES} times that is wanted"),
        None => println!("Bolt was not run (no node, or not installed in benches/bolt)"),
    }
    for verdict in verdicts {
        println!("{verdict}");
    }
    match met {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
