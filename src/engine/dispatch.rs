use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, debug, error, info, warn};

use super::estate::Estate;
use super::explain;
use crate::builders::{Builders, Job, Member};
use crate::model::{
    BuildId, BuildState, BuilderKind, Cause, ContentHash, Decision, Digest, HolderId, Manifest,
    Outcome, Plan, SiteName, SitePlan, Trigger,
};
use crate::plan::show;
use crate::store::{Claim, ClaimRequest, PartRow, Recorded, Store, StoreError};

/// Calls in the air at once, of one process. More would only queue at the other end.
const IN_THE_AIR: usize = 64;
/// Claims held at once by one process: enough to keep the calls going while the next are
/// claimed, few enough that a process that dies takes little with it.
const CLAIMED: usize = 2048;
/// Claims made in one transaction.
const BATCH: usize = 512;
/// How long storing outcomes may take. A database that says nothing for longer is asked anew.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest pause before that. Short: until an outcome is stored, other replicas wait for it.
const PAUSE: Duration = Duration::from_secs(1);
/// How long renewing a lease may take.
const RENEWAL: Duration = Duration::from_secs(2);
/// Outcomes stored in one transaction.
const RECORDS: usize = 512;

/// Fires the builds of plans, and stores what came of them. Decides nothing.
#[derive(Clone)]
pub struct Dispatcher {
    shared: Arc<Shared>,
    outcomes: mpsc::Sender<Fired>,
}

struct Shared {
    store: Store,
    builders: Builders,
    holder: HolderId,
    lease: Duration,
    air: Semaphore,
    held: Mutex<HashSet<BuildId>>,
    moved: AtomicBool,
    tasks: TaskTracker,
    wake: Arc<Notify>,
}

/// A build that was fired, on its way to the record.
struct Fired {
    claim: Claim,
    site: SiteName,
    builder: BuilderKind,
    outcome: Outcome,
}

/// What became of one build, for whoever waits for it.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The site.
    pub site: SiteName,
    /// What came of firing it.
    pub outcome: Outcome,
}

impl Dispatcher {
    /// Starts the task that stores outcomes, and the one that keeps the claims of this process
    /// alive. `wake` is told after every record; `ended` is told what was recorded.
    pub fn start(
        store: Store,
        builders: Builders,
        holder: HolderId,
        lease: Duration,
        wake: Arc<Notify>,
        ended: Option<mpsc::UnboundedSender<Ended>>,
    ) -> Self {
        let (outcomes, receiver) = mpsc::channel(4 * RECORDS);
        let shared = Arc::new(Shared {
            store,
            builders,
            holder,
            lease,
            air: Semaphore::new(IN_THE_AIR),
            held: Mutex::default(),
            moved: AtomicBool::default(),
            tasks: TaskTracker::new(),
            wake,
        });
        tokio::spawn(record_all(shared.clone(), receiver, ended));
        tokio::spawn(stay_alive(Arc::downgrade(&shared)));
        Self { shared, outcomes }
    }

    /// Who this process is to the others.
    pub fn holder(&self) -> &HolderId {
        &self.shared.holder
    }

    /// Claims the builds of a plan and fires them in the background. Answers how many were
    /// claimed; the rest is due again in the next plan.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when claims could not be stored: nothing of that batch was fired.
    pub async fn dispatch(&self, plan: &Plan, estate: &Estate) -> Result<usize, StoreError> {
        let room = CLAIMED.saturating_sub(self.held());
        let due: Vec<(&SitePlan, &Trigger)> = plan
            .sites
            .iter()
            .filter_map(|site| match &site.decision {
                Decision::Build(trigger) => Some((site, trigger)),
                _ => None,
            })
            .take(room)
            .collect();
        let mut claimed = 0;
        for batch in due.chunks(BATCH) {
            claimed += self.dispatch_batch(batch, estate).await?;
        }
        Ok(claimed)
    }

    async fn dispatch_batch(
        &self,
        batch: &[(&SitePlan, &Trigger)],
        estate: &Estate,
    ) -> Result<usize, StoreError> {
        let shared = &self.shared;
        let mut requests = Vec::with_capacity(batch.len());
        let mut jobs = HashMap::with_capacity(batch.len());
        let names: Vec<&SiteName> = batch.iter().map(|(site, _)| &site.site).collect();
        let mut manifests = explain::manifests(estate, Some(&shared.store), &names).await?;
        for (site, trigger) in batch {
            let Some(details) = estate.details(&site.site) else {
                continue;
            };
            let manifest = manifests.remove(&site.site);
            let Some(manifest) = manifest.filter(|m| m.fingerprint() == trigger.fingerprint) else {
                debug!(site.name = %site.site, "content moved on while its build was prepared");
                continue;
            };
            let reason = show::cause(trigger);
            requests.push(ClaimRequest {
                site: details.id.clone(),
                name: site.site.clone(),
                fence: details.fence,
                fingerprint: trigger.fingerprint,
                parts: explain::part_rows(estate, &shared.store, &site.site, &manifest).await?,
                builder: details.spec.build.kind(),
                reason: reason.clone(),
                request: match &trigger.cause {
                    Cause::Requested(rebuild) => Some(rebuild.clone()),
                    _ => None,
                },
                replaces: trigger.replaces.clone(),
                timeout: trigger.timeout,
            });
            let job = Prepared {
                site: site.site.clone(),
                spec: details.spec.clone(),
                hash: trigger.fingerprint.hash(),
                reason,
                clear_cache: trigger.clear_cache,
                manifest,
                members: explain::members(estate, &site.site, &details.spec),
            };
            jobs.insert(details.id.clone(), job);
        }
        if requests.is_empty() {
            return Ok(0);
        }
        let limits = estate.desired.limits;
        let budget = estate.desired.budget;
        let claims = shared
            .store
            .claim(&requests, &shared.holder, shared.lease, &limits, budget)
            .await?;
        let count = claims.len();
        shared
            .held()
            .extend(claims.iter().map(|claim| claim.build().clone()));
        for claim in claims {
            let Some(job) = jobs.remove(claim.site()) else {
                continue;
            };
            measure_wait(estate, &job.site);
            let (shared, outcomes) = (self.shared.clone(), self.outcomes.clone());
            let span =
                tracing::info_span!("build", site.name = %job.site, build.id = %claim.build());
            self.shared.tasks.spawn(
                async move {
                    let outcome = fire(&shared, &claim, &job).await;
                    let fired = Fired {
                        claim,
                        site: job.site,
                        builder: job.spec.build.kind(),
                        outcome,
                    };
                    if outcomes.send(fired).await.is_err() {
                        error!("nobody stores outcomes any more");
                    }
                }
                .instrument(span),
            );
        }
        Ok(count)
    }

    /// Waits until everything that was claimed is fired and recorded.
    pub async fn finish(self) {
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
        let shared = self.shared;
        drop(self.outcomes);
        while !shared.held().is_empty() {
            shared.wake.notified().await;
        }
    }

    /// How many builds of this process are claimed and not recorded.
    pub fn held(&self) -> usize {
        self.shared.held().len()
    }

    /// Whether a build found other files than were listed since this was last asked: whoever plans has
    /// to read them again first.
    pub fn take_moved(&self) -> bool {
        self.shared.moved.swap(false, Ordering::AcqRel)
    }

    /// Whether this process fires this build, or has fired it and not recorded that yet.
    pub fn holds(&self, build: &BuildId) -> bool {
        self.shared.held().contains(build)
    }
}

impl Shared {
    /// The builds that are claimed by this process, and not recorded.
    fn held(&self) -> MutexGuard<'_, HashSet<BuildId>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// From the first change that is not built to the claim of its build.
fn measure_wait(estate: &Estate, site: &SiteName) {
    let seen = estate.observed.sites.get(site);
    let since = seen
        .and_then(|seen| seen.wanted)
        .map_or(estate.now, |wanted| wanted.drift_since);
    metrics::histogram!("microblot_change_to_fire_seconds")
        .record(estate.now.since(since).as_secs_f64());
}

/// A job with everything that it borrows.
struct Prepared {
    site: SiteName,
    spec: Arc<crate::model::Spec>,
    hash: ContentHash,
    reason: String,
    clear_cache: bool,
    manifest: Manifest,
    members: Vec<Member>,
}

async fn fire(shared: &Shared, claim: &Claim, job: &Prepared) -> Outcome {
    let Ok(_permit) = shared.air.acquire().await else {
        return Outcome::Retry {
            error: "the process is stopping".to_owned(),
            after: None,
            doubtful: false,
        };
    };
    info!(build.hash = %job.hash, "building {}: {}", job.site, job.reason);
    shared
        .builders
        .start(&Job {
            site: &job.site,
            spec: &job.spec,
            build: claim.build(),
            hash: &job.hash,
            reason: &job.reason,
            clear_cache: job.clear_cache,
            manifest: &job.manifest,
            members: &job.members,
            store: shared.store.reader(),
        })
        .await
}

/// Stores outcomes as they come, as many at a time as there are. A database that is away is
/// waited for: an outcome that is known is never thrown away.
async fn record_all(
    shared: Arc<Shared>,
    mut outcomes: mpsc::Receiver<Fired>,
    ended: Option<mpsc::UnboundedSender<Ended>>,
) {
    let mut batch = Vec::new();
    while outcomes.recv_many(&mut batch, RECORDS).await > 0 {
        let records: Vec<(Claim, Outcome)> = batch
            .iter()
            .map(|fired| (fired.claim.clone(), fired.outcome.clone()))
            .collect();
        // Before the record: once that is there, the next look may decide anew.
        if batch
            .iter()
            .any(|fired| matches!(fired.outcome, Outcome::Moved { .. }))
        {
            shared.moved.store(true, Ordering::Release);
        }
        let mut pause = Duration::from_millis(100);
        let mut tries = 1;
        let recorded = loop {
            let record = timeout(PATIENCE, shared.store.record(&records));
            match record.await.unwrap_or(Err(StoreError::Silent)) {
                Ok(recorded) => break recorded,
                Err(error) => {
                    warn!(error = %crate::chain(&error), "cannot record builds; trying again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE);
                    tries += 1;
                }
            }
        };
        for (fired, recorded) in batch.drain(..).zip(recorded) {
            tell(&fired, recorded, tries);
            if let Some(ended) = &ended {
                let _nobody_waits = ended.send(Ended {
                    site: fired.site,
                    outcome: fired.outcome,
                });
            }
            // Last: whoever waits for nothing to be held has been told everything.
            shared.held().remove(fired.claim.build());
        }
        shared.wake.notify_one();
    }
}

/// The one place where the end of a build is logged and counted.
fn tell(fired: &Fired, recorded: Recorded, tries: u32) {
    let Fired {
        claim,
        site,
        builder,
        outcome,
    } = fired;
    let build = claim.build();
    // After a try whose answer was lost, this may as well be our own record: it is told as such.
    if recorded == Recorded::TooLate && tries == 1 {
        warn!(site.name = %site, build.id = %build,
            "the build of {site} was taken over by somebody else before its end was recorded");
        return;
    }
    let state = match outcome {
        Outcome::Accepted => BuildState::Accepted,
        Outcome::Live => BuildState::Live,
        Outcome::Failed { .. } => BuildState::Failed,
        Outcome::Unknown { .. } => BuildState::Unknown,
        Outcome::Retry { .. } | Outcome::Stalled { .. } | Outcome::Moved { .. } => {
            BuildState::Refused
        }
    };
    metrics::counter!(
        "microblot_builds_total",
        "builder" => builder.as_str(),
        "outcome" => state.as_str()
    )
    .increment(1);
    match outcome {
        Outcome::Accepted | Outcome::Live => {
            info!(site.name = %site, build.id = %build, "{site} is {state}");
        }
        Outcome::Moved { error } => {
            info!(site.name = %site, build.id = %build, "{site} is planned again: {error}");
        }
        Outcome::Failed { error }
        | Outcome::Retry { error, .. }
        | Outcome::Stalled { error }
        | Outcome::Unknown { error } => {
            warn!(site.name = %site, build.id = %build, "the build of {site} is {state}: {error}");
        }
    }
}

/// Renews the leases of this process four times as often as they end, and twice as often while that
/// fails: one lost heartbeat, or a database that is slow for a moment, costs no claim.
async fn stay_alive(shared: std::sync::Weak<Shared>) {
    let mut failed = false;
    loop {
        let Some(lease) = shared.upgrade().map(|shared| shared.lease) else {
            return;
        };
        tokio::time::sleep(if failed { lease / 8 } else { lease / 4 }).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        failed = false;
        let held: Vec<BuildId> = shared.held().iter().cloned().collect();
        if held.is_empty() {
            continue;
        }
        let renewal = timeout(RENEWAL, shared.store.renew(&held, shared.lease));
        if let Err(error) = renewal.await.unwrap_or(Err(StoreError::Silent)) {
            warn!(error = %crate::chain(&error), "cannot renew the leases of running builds");
            failed = true;
        }
    }
}

/// The parts of a manifest that have to be stored with a claim.
pub(super) fn rows(manifest: &Manifest, known: impl Fn(&Digest) -> bool) -> Vec<PartRow> {
    crate::model::Input::ALL
        .into_iter()
        .filter(|input| {
            let part = manifest.part(*input);
            !part.as_text().is_empty() && !known(&part.digest(*input))
        })
        .map(|input| PartRow::new(input, manifest.part(input)))
        .collect()
}
