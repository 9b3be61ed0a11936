use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::Serialize;

use super::Web;

/// Whether this replica can do its work, and what is wrong if not.
#[derive(Debug, Serialize)]
struct Readiness {
    ready: bool,
    /// The database answers.
    database: bool,
    /// The last look at the estate succeeded.
    looked: bool,
    /// Why the database or the last look failed.
    problem: Option<String>,
    /// Why `sites.toml` is not published as it stands: the last good one is in force, so the
    /// replica is ready all the same.
    sites_toml: Option<String>,
}

/// A database that takes longer is away: whoever asks gives up soon as well.
const PING: Duration = Duration::from_secs(2);

/// The process runs.
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// The database answers and the loop looks: 200, otherwise 503. The body says more.
pub(super) async fn ready(State(web): State<Web>) -> impl IntoResponse {
    let database = match tokio::time::timeout(PING, web.reader.ping()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(crate::chain(&error)),
        Err(_elapsed) => Err(format!("the database did not answer in {PING:?}")),
    };
    let health = web.health.borrow().clone();
    let ready = database.is_ok() && health.looked;
    let readiness = Readiness {
        ready,
        database: database.is_ok(),
        looked: health.looked,
        problem: database.err().or(health.store_problem),
        sites_toml: health.config_problem,
    };
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(readiness))
}

/// In the text format of Prometheus.
pub(super) async fn metrics(State(web): State<Web>) -> impl IntoResponse {
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], web.metrics.render())
}
