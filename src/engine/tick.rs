use std::time::Duration;

use tracing::{info, warn};

use super::dispatch::Dispatcher;
use super::estate::Estate;
use crate::model::{BuildState, Decision, Plan, SiteName, Wanted};
use crate::plan::{notes, plan};
use crate::store::{Store, StoreError};

/// Stored times that lie less ahead are the jitter of clocks.
const AHEAD: Duration = Duration::from_secs(2);

/// What one look at the whole estate came to.
#[derive(Debug)]
pub struct Tick {
    /// What was decided, and what was done.
    pub plan: Plan,
    /// Builds that were claimed.
    pub claimed: usize,
}

/// One look: read what changed, decide, note, forget, claim and fire.
///
/// 1. Publish posts whose time has come; read what changed since the last look. If the clock was
///    set back, see to the times that are stored.
/// 2. Plan. From here on nothing is decided any more.
/// 3. Note since when sites want what they want: debounce counts from there.
/// 4. Forget what is no longer declared.
/// 5. Claim and fire what is due. A process that dies before a claim has done nothing; one that
///    dies after it leaves a claim that others take over.
///
/// # Errors
///
/// [`StoreError`] when the database cannot be read or written: the next tick starts again.
pub async fn tick(
    estate: &mut Estate,
    store: &Store,
    dispatcher: &Dispatcher,
) -> Result<Tick, StoreError> {
    look(estate, store).await?;
    if estate.is_ahead(AHEAD) {
        warn!("the clock was set back; stored times that lie in the future are now");
        store.clock_was_set_back().await?;
        look(estate, store).await?;
    }
    spare_claims(estate, dispatcher);
    let plan = plan(&estate.desired, &estate.observed, estate.now);
    let notes = notes(&plan, &estate.observed);
    if !notes.is_empty() {
        measure(&notes, estate);
        store.note(&by_id(notes, estate)).await?;
    }
    let forgotten: Vec<(String, SiteName)> = plan
        .sites
        .iter()
        .filter(|site| site.decision == Decision::Forget)
        .filter_map(|site| Some((estate.details(&site.site)?.id.clone(), site.site.clone())))
        .collect();
    if !forgotten.is_empty() {
        store.forget(&forgotten).await?;
        info!(
            sites = forgotten.len(),
            "forgot sites that are no longer declared"
        );
    }
    let claimed = dispatcher.dispatch(&plan, estate).await?;
    Ok(Tick { plan, claimed })
}

/// Reads what changed since the last look, after publishing the posts whose time has come.
///
/// # Errors
///
/// [`StoreError`] when the database cannot be read or written.
pub async fn look(estate: &mut Estate, store: &Store) -> Result<(), StoreError> {
    let mut fresh = estate.refresh(store).await?;
    if estate.next_post_at.is_some_and(|at| at <= estate.now) {
        let published = store.publish_due_posts().await?;
        info!(posts = published, "published posts whose time had come");
        fresh = estate.refresh(store).await?;
    }
    if !fresh.is_empty() {
        store.keep_posts_digests(&fresh).await?;
    }
    Ok(())
}

/// A claim of this very process is alive whatever the clock says: nobody is nearer to it. Those of
/// others are given the grace that the estate asks for.
fn spare_claims(estate: &mut Estate, dispatcher: &Dispatcher) {
    let soon = estate.now.plus(Duration::from_secs(1));
    let grace = estate.now.plus(estate.grace);
    estate.each_flight(|flight| {
        if flight.state == BuildState::Claimed {
            let own = dispatcher.holds(&flight.build);
            let spared = if own { soon } else { grace };
            flight.lease_until = flight.lease_until.max(spared);
        }
    });
}

fn by_id(notes: Vec<(SiteName, Option<Wanted>)>, estate: &Estate) -> Vec<(String, Option<Wanted>)> {
    notes
        .into_iter()
        .filter_map(|(site, note)| Some((estate.details(&site)?.id.clone(), note)))
        .collect()
}

/// Content that was wanted, and gave way to other content before it was built: a hook called at
/// every change would have built it.
fn measure(notes: &[(SiteName, Option<Wanted>)], estate: &Estate) {
    let avoided = notes
        .iter()
        .filter(|(site, note)| {
            let seen = estate.observed.sites.get(site);
            let hash = |wanted: &Option<Wanted>| wanted.map(|wanted| wanted.hash);
            seen.is_some_and(|seen| {
                seen.wanted.is_some() && hash(&seen.wanted) != hash(note) && seen.flight.is_none()
            })
        })
        .count();
    metrics::counter!("microblot_builds_avoided_total").increment(avoided as u64);
}
