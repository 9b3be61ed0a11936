use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tracing::{debug, error, info, warn};

use super::args::Only;
use super::{Context, Failure, slack};
use crate::engine::observe::observe;
use crate::engine::run::{Health, Loop};
use crate::slack::{router as slack_router, worker};
use crate::store::Store;
use crate::watch::Watcher;
use crate::web::{self, Web};

/// What is in the air gets this long to end after SIGTERM; hosting platforms kill after 30 s.
const FAREWELL: Duration = Duration::from_secs(20);
/// A listener that lost the database tries again after this.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

pub(super) async fn serve(context: &Context, only: Option<Only>) -> Result<(), Failure> {
    let metrics = metrics_exporter_prometheus::PrometheusBuilder::new()
        .set_buckets(&[
            0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
            300.0, 1800.0,
        ])
        .and_then(metrics_exporter_prometheus::PrometheusBuilder::install_recorder)
        .map_err(|error| Failure::Usage(format!("metrics cannot be recorded: {error}")))?;
    web::describe();
    let store = context.lasting_store().await?;
    let workspace = context.workspace();
    let wake = Arc::new(Notify::new());
    let files_changed = Arc::new(Notify::new());
    let (health, health_seen) = watch::channel(Health::default());
    let (stop, stopped) = watch::channel(false);

    let address = listen_address();
    let listener = TcpListener::bind(&address)
        .await
        .map_err(|error| Failure::Io(format!("cannot listen on {address}"), error))?;
    let local = listener
        .local_addr()
        .map_err(|error| Failure::Io("the listening address is not known".to_owned(), error))?;
    info!("listening on http://{local}");
    // An answer is one write; it must not wait for the acknowledgement of the one before.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "answers on this connection may be late");
        }
    });

    let own_address = super::own_address();
    let slack = slack::app(slack::Surroundings {
        store: store.clone(),
        health: health_seen.clone(),
        wake: wake.clone(),
        address: own_address
            .clone()
            .unwrap_or_else(|| format!("http://{local}")),
    })?;
    let web = Web {
        reader: store.reader().clone(),
        health: health_seen,
        metrics: metrics.clone(),
        root: workspace.root().into(),
        address: own_address.map(Into::into),
    };
    let mut routes = web::router(web);
    if let Some(app) = slack.clone().filter(|_| only.is_none()) {
        routes = routes.merge(slack_router(app));
    }
    let mut farewell = stopped.clone();
    let server = tokio::spawn(async move {
        axum::serve(listener, routes)
            .with_graceful_shutdown(async move {
                let _sender_is_gone = farewell.wait_for(|stop| *stop).await;
            })
            .await
    });
    let listening = tokio::spawn(listen(store.clone(), wake.clone()));
    let upkeep = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            metrics.run_upkeep();
        }
    });
    let working = slack.map(|app| tokio::spawn(worker::run(app, stopped.clone())));
    let mut engine = match only {
        Some(Only::Worker) => tokio::spawn(observe(store.clone(), wake, health, stopped)),
        None => {
            let dispatcher = context.dispatcher(&store, wake.clone(), None)?;
            info!(holder = %dispatcher.holder(), "firing builds");
            let address = context.address()?;
            let watcher = Watcher::start(
                workspace.config(),
                workspace.root(),
                address.file(),
                files_changed.clone(),
            );
            let engine = Loop::new(
                store.clone(),
                workspace,
                watcher,
                dispatcher,
                wake,
                files_changed,
                health,
            );
            tokio::spawn(engine.run(stopped))
        }
    };

    tokio::select! {
        () = signal() => info!("told to stop"),
        ended = &mut engine => {
            error!("the loop ended by itself");
            return Err(Failure::Usage(match ended {
                Ok(()) => "the loop ended by itself".to_owned(),
                Err(error) => format!("the loop failed: {error}"),
            }));
        }
    }
    stop.send_replace(true);
    if tokio::time::timeout(FAREWELL, engine).await.is_err() {
        warn!("builds are still in the air; whoever takes over will look after them");
    }
    if let Some(working) = working {
        // What is being told is told; what is not is told by whoever starts next.
        let _too_slow = tokio::time::timeout(Duration::from_secs(5), working).await;
    }
    listening.abort();
    upkeep.abort();
    // A client that sent half a request would keep the server for ever.
    server.abort();
    let _too_slow = tokio::time::timeout(Duration::from_secs(2), store.close()).await;
    info!("stopped");
    Ok(())
}

/// Wakes the loop when another process changes the database.
async fn listen(store: Store, wake: Arc<Notify>) {
    loop {
        match store.listen().await {
            Ok(mut listener) => loop {
                // Also after a gap in listening: something may have happened in it.
                wake.notify_one();
                if let Err(error) = listener.changed().await {
                    warn!(error = %crate::chain(&error), "lost the database's notifications");
                    break;
                }
            },
            Err(error) => warn!(error = %crate::chain(&error), "cannot listen to the database"),
        }
        tokio::time::sleep(LISTEN_AGAIN).await;
    }
}

/// `PORT` is what hosting platforms give, and wins: it is not a wish.
fn listen_address() -> String {
    let set = |name| {
        std::env::var(name)
            .ok()
            .filter(|value: &String| !value.is_empty())
    };
    match (set("PORT"), set("MICROBLOT_LISTEN")) {
        (Some(port), _) => format!("0.0.0.0:{port}"),
        (None, Some(address)) => address,
        (None, None) => "127.0.0.1:8080".to_owned(),
    }
}

async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        let _nobody_interrupts = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
