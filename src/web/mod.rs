//! The HTTP face of a replica: health, metrics, and the sites that it renders itself.

mod describe;
mod feed;
mod health;
mod preview;
mod sites;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;

use crate::engine::run::Health;
use crate::store::Reader;

pub use describe::describe;

/// Nothing that is served now takes a body worth more.
const BODY_BYTES: usize = 64 * 1024;
/// A request that takes longer has lost its client.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the handlers share.
#[derive(Clone)]
pub struct Web {
    /// The database, for reading.
    pub reader: Reader,
    /// What the loop says about itself.
    pub health: watch::Receiver<Health>,
    /// Where metrics are rendered from.
    pub metrics: PrometheusHandle,
    /// The folder of `sites.toml`, below which rendered sites lie.
    pub root: Arc<std::path::Path>,
    /// Where people reach this server, without a last `/`, if that is known.
    pub address: Option<Arc<str>>,
}

/// All routes.
pub fn router(web: Web) -> Router {
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/sites/{name}/feed.json", get(feed::json))
        .route("/sites/{name}/feed.atom", get(feed::atom))
        .route("/sites/{name}/{*path}", get(sites::file))
        .route("/sites/{name}/", get(sites::index))
        .route("/preview/{token}", get(preview::show))
        .with_state(web)
        .layer(RequestBodyLimitLayer::new(BODY_BYTES))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            PATIENCE,
        ))
        .layer(CatchPanicLayer::new())
}
