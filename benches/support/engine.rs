//! The engine as `microblot serve` runs it, and a server whose build hooks it calls.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::serve::ListenerExt as _;
use microblot::builders::Builders;
use microblot::engine::dispatch::{Dispatcher, Ended};
use microblot::engine::run::{Health, Loop};
use microblot::engine::workspace::Workspace;
use microblot::http;
use microblot::model::HolderId;
use microblot::store::Store;
use microblot::watch::Watcher;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;

/// The calls of a hook: when each had arrived as a whole.
pub type Calls = mpsc::UnboundedReceiver<Instant>;

/// Answers a hook in a thread of its own. Where it is, and its calls.
pub fn hook() -> (String, Calls) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = format!("http://{}/hook", listener.local_addr().unwrap());
    let (tell, calls) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)
                .unwrap()
                .tap_io(|stream| stream.set_nodelay(true).unwrap());
            let router = Router::new()
                .route("/hook", axum::routing::post(called))
                .with_state(tell);
            axum::serve(listener, router).await.unwrap();
        });
    });
    (address, calls)
}

async fn called(
    State(tell): State<mpsc::UnboundedSender<Instant>>,
    _body: axum::body::Bytes,
) -> StatusCode {
    tell.send(Instant::now()).unwrap();
    StatusCode::OK
}

/// A folder with this many sites that all have one hook, no debounce and open limits.
pub fn write_folder(root: &Path, hook: &str, sites: usize) {
    let file = root.join("hook");
    std::fs::write(&file, hook).unwrap();
    let head = "[defaults]\ndebounce = \"0s\"\nmax_wait = \"0s\"\n\
         [limits]\nbuilds_per_minute = 100000\nbuilds_in_flight = 100000\n\
         builds_at_once = \"100%\"\n";
    let text = super::estate::sites_with(head, sites, |_| format!("{{ file = {file:?} }}"));
    std::fs::write(root.join("sites.toml"), text).unwrap();
}

/// A running loop.
pub struct Engine {
    /// Makes it look.
    pub wake: Arc<Notify>,
    /// What was recorded of every build.
    pub ended: mpsc::UnboundedReceiver<Ended>,
    /// What it says about itself.
    pub health: watch::Receiver<Health>,
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
}

impl Engine {
    /// Starts it on a folder and its database.
    pub fn start(root: &Path, store: Store) -> Self {
        let (wake, files) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (tell, ended) = mpsc::unbounded_channel();
        let workspace = Workspace::new(&root.join("sites.toml"), None);
        let watcher = Watcher::start(workspace.config(), workspace.root(), files.clone());
        let client = http::client(http::Timeouts::default()).unwrap();
        let dispatcher = Dispatcher::start(
            store.clone(),
            Builders::new(client, root.to_owned(), None),
            HolderId::new("bench".to_owned()),
            Duration::from_secs(30),
            wake.clone(),
            Some(tell),
        );
        let (told, health) = watch::channel(Health::default());
        let (stop, stopped) = watch::channel(false);
        let engine = Loop::new(
            store,
            workspace,
            watcher,
            dispatcher,
            wake.clone(),
            files,
            told,
        );
        let running = tokio::spawn(engine.run(stopped));
        Self {
            wake,
            ended,
            health,
            stop,
            running,
        }
    }

    /// Waits for a look that saw nothing left to do.
    pub async fn settled(&mut self) {
        let settled = |health: &Health| {
            let unchanged = |it: &microblot::engine::snapshot::Snapshot| {
                it.plan.counts.unchanged == it.plan.sites.len() && !it.plan.sites.is_empty()
            };
            assert_eq!(health.config_problem, None);
            assert_eq!(health.store_problem, None);
            health.snapshot.as_ref().is_some_and(unchanged)
        };
        self.health.wait_for(settled).await.unwrap();
    }

    /// Stops it, and waits until it has.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        self.running.await.unwrap();
    }
}
