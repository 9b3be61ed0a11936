//! The engine as `microblot serve` runs it, and a server with hooks for it to call.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Path as Segments, State};
use axum::serve::ListenerExt as _;
use microblot::builders::Builders;
use microblot::engine::dispatch::Dispatcher;
use microblot::engine::run::{Health, Loop};
use microblot::engine::workspace::Workspace;
use microblot::http;
use microblot::model::HolderId;
use microblot::store::Store;
use microblot::watch::Watcher;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;

/// A loop that runs.
pub struct Engine {
    /// Makes it look.
    pub wake: Arc<Notify>,
    /// What it says about itself.
    pub health: watch::Receiver<Health>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Engine {
    /// Starts it in a folder with a `sites.toml`.
    pub fn start(root: &Path, store: Store) -> Self {
        let (wake, files) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let workspace = Workspace::new(&root.join("sites.toml"), None);
        let watcher = Watcher::start(workspace.config(), workspace.root(), None, files.clone());
        let client = http::client(http::Timeouts::default()).unwrap();
        let dispatcher = Dispatcher::start(
            store.clone(),
            Builders::new(client, root.to_owned(), None),
            HolderId::new("bench".to_owned()),
            Duration::from_secs(30),
            wake.clone(),
            None,
        );
        let (health, seen) = watch::channel(Health::default());
        let (stop, stopped) = watch::channel(false);
        let engine = Loop::new(
            store,
            workspace,
            watcher,
            dispatcher,
            wake.clone(),
            files,
            health,
        );
        Self {
            wake,
            health: seen,
            stop,
            task: tokio::spawn(engine.run(stopped)),
        }
    }

    /// Waits for the first look.
    pub async fn looked(&mut self) {
        let looked = self.health.wait_for(|health| health.looked).await;
        looked.expect("the loop runs");
    }

    /// Lets it finish what is in the air.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        self.task.await.unwrap();
    }
}

/// The number of a hook that was called, and when.
pub type Called = (usize, Instant);

/// Answers `POST /{number}` with 200 and no more, in a thread of its own. Gives its address.
pub fn hooks() -> (String, mpsc::UnboundedReceiver<Called>) {
    async fn hook(
        State(calls): State<mpsc::UnboundedSender<Called>>,
        Segments(number): Segments<usize>,
    ) {
        let _nobody_counts = calls.send((number, Instant::now()));
    }
    let (send, calls) = mpsc::unbounded_channel();
    let router = Router::new()
        .route("/{number}", axum::routing::post(hook))
        .with_state(send);
    (serve(router), calls)
}

/// Serves in a thread of its own, so that it takes no turn from what is measured. Gives its address.
pub fn serve(router: Router) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)
                .unwrap()
                .tap_io(|stream| stream.set_nodelay(true).unwrap());
            axum::serve(listener, router).await.unwrap();
        });
    });
    address
}
