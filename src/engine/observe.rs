//! A replica that fires nothing: it knows what the others decide on, and publishes posts in time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tracing::{error, warn};

use super::estate::Estate;
use super::run::Health;
use super::snapshot::Snapshots;
use super::tick::look;
use crate::plan::plan;
use crate::store::{Store, StoreError};

/// It looks by itself this often.
const SLOW_TICK: Duration = Duration::from_secs(30);
/// How often old records are removed.
const CLEAN_UP: Duration = Duration::from_secs(60 * 60);

/// Looks until `stop` turns true.
pub async fn observe(
    store: Store,
    wake: Arc<Notify>,
    health: watch::Sender<Health>,
    mut stop: watch::Receiver<bool>,
) {
    let mut estate = Estate::default();
    let mut snapshots = Snapshots::default();
    let mut cleaned_at = tokio::time::Instant::now();
    while !*stop.borrow() {
        let sleep = match once(&store, &mut estate, &mut snapshots, &health).await {
            Ok(sleep) => sleep,
            Err(error) => {
                let problem = crate::chain(&error);
                error!(error = %problem, "cannot look at the estate; trying again");
                health.send_modify(|health| {
                    health.looked = false;
                    health.store_problem = Some(problem.clone());
                });
                estate.forget_everything();
                Duration::from_secs(5)
            }
        };
        if cleaned_at.elapsed() > CLEAN_UP {
            cleaned_at = tokio::time::Instant::now();
            if let Err(error) = store.clean_up().await {
                warn!(error = %crate::chain(&error), "cannot remove old records");
            }
        }
        tokio::select! {
            () = wake.notified() => {}
            () = tokio::time::sleep(sleep) => {}
            _ = stop.changed() => {}
        }
    }
}

async fn once(
    store: &Store,
    estate: &mut Estate,
    snapshots: &mut Snapshots,
    health: &watch::Sender<Health>,
) -> Result<Duration, StoreError> {
    let begun = std::time::Instant::now();
    look(estate, store).await?;
    let plan = plan(&estate.desired, &estate.observed, estate.now);
    let next = [plan.next_look(), estate.next_post_at];
    let next = next.into_iter().flatten().min();
    let sleep = next.map_or(SLOW_TICK, |next| next.since(plan.now));
    let snapshot = snapshots.take(estate, plan, begun);
    health.send_modify(|health| {
        health.looked = true;
        health.store_problem = None;
        health.snapshot = Some(snapshot);
    });
    Ok(sleep.clamp(Duration::from_millis(50), SLOW_TICK))
}
