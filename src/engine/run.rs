use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use tracing::{debug, error, info, warn};

use super::calm::{self, Reading};
use super::dispatch::Dispatcher;
use super::estate::Estate;
use super::publish::{self, PublishRefused};
use super::snapshot::{Snapshot, Snapshots};
use super::tick::{Tick, tick};
use super::workspace::{Gathered, Problem, Workspace};
use crate::inputs::Scope;
use crate::model::{Actor, Decision, Digest, Plan, SiteName};
use crate::plan::show;
use crate::store::{Store, StoreError};
use crate::watch::Watcher;

/// The loop looks by itself this often: whatever wake-up was missed, a change is seen by then.
const SLOW_TICK: Duration = Duration::from_secs(30);
/// Every so many slow ticks the whole state is read anew instead of what changed.
const FULL_LOOK: u32 = 20;
/// Files are read again this often even if no change of theirs was reported.
const SLOW_READ: Duration = Duration::from_secs(60);
/// How long the database may take for one look. When it says nothing for this long it is asked
/// anew, with twice the patience: a network that fails leaves connections open and silent.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most patience.
const MOST_PATIENCE: Duration = Duration::from_secs(5 * 60);
/// So long after the database came back nobody is taken for dead: all replicas had to be silent
/// while it was away, and need a moment to say that they are there.
const GRACE: Duration = Duration::from_secs(5);
/// The first pause after a tick that failed; doubled up to [`SLOW_TICK`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// How often old records are removed.
const CLEAN_UP: Duration = Duration::from_secs(60 * 60);
/// A build that was due and not claimed (a limit was reached in the same instant, or its content
/// moved on) is looked at again after this.
const AGAIN: Duration = Duration::from_millis(250);
/// How often waiting messages are counted: counting costs as much as there are.
const COUNT: Duration = Duration::from_secs(15);

/// What the loop tells the rest of the process about itself.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// Whether the last look succeeded.
    pub looked: bool,
    /// Why the last look failed.
    pub store_problem: Option<String>,
    /// Why `sites.toml` is not published as it stands; the last good one stays in force.
    pub config_problem: Option<String>,
    /// What the last look saw.
    pub snapshot: Option<Snapshot>,
}

/// The loop of one replica. There is no leader: every replica runs it, and claims decide.
pub struct Loop {
    store: Store,
    workspace: Workspace,
    watcher: Watcher,
    dispatcher: Dispatcher,
    wake: Arc<Notify>,
    files_changed: Arc<Notify>,
    health: watch::Sender<Health>,
    estate: Estate,
    seen: Option<Reading>,
    // When what was read then had last been touched.
    touched: i64,
    // The file that is there is the one that was there at the start, not somebody's edit.
    started_with_it: bool,
    // What the file says, if that was published before and replaced since.
    outdated: Option<Digest>,
    read_at: Option<Instant>,
    counted_at: Option<Instant>,
    // The version of the estate, and the reading, of the last look that was kept as a calm one.
    kept: Option<(u64, Reading)>,
    needy: BTreeSet<SiteName>,
    snapshots: Snapshots,
    patience: Duration,
    contact: Contact,
}

/// Whether the database can be reached, as of the last look.
enum Contact {
    /// All the time.
    Steady,
    /// Not at the moment.
    Lost,
    /// Again, since then.
    Regained(Instant),
}

async fn within<T>(
    patience: Duration,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    timeout(patience, work)
        .await
        .unwrap_or(Err(StoreError::Silent))
}

impl Loop {
    /// A loop that has not looked yet.
    pub fn new(
        store: Store,
        workspace: Workspace,
        watcher: Watcher,
        dispatcher: Dispatcher,
        wake: Arc<Notify>,
        files_changed: Arc<Notify>,
        health: watch::Sender<Health>,
    ) -> Self {
        Self {
            store,
            workspace,
            watcher,
            dispatcher,
            wake,
            files_changed,
            health,
            estate: Estate::default(),
            seen: None,
            touched: 0,
            started_with_it: true,
            outdated: None,
            read_at: None,
            counted_at: None,
            kept: None,
            needy: BTreeSet::new(),
            snapshots: Snapshots::default(),
            patience: PATIENCE,
            contact: Contact::Steady,
        }
    }

    /// Runs until `stop` turns true; then finishes what is in the air. Takes no new work from
    /// then on.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut pause = FIRST_PAUSE;
        let mut looks = 0_u32;
        let mut cleaned_at = Instant::now();
        // Made before the first read, so that no change falls between the two.
        let files_changed = self.files_changed.clone();
        let mut files_due = true;
        let mut idle = false;
        while !*stop.borrow() {
            files_due |= self.dispatcher.take_moved();
            let wake = self.wake.clone();
            let started = Instant::now();
            let sleep = match self.look(files_due, idle).await {
                Ok(next) => {
                    metrics::histogram!("microblot_tick_duration_seconds")
                        .record(started.elapsed().as_secs_f64());
                    pause = FIRST_PAUSE;
                    self.patience = PATIENCE;
                    files_due = false;
                    next
                }
                Err(error) => {
                    if matches!(error, StoreError::Silent) {
                        self.patience = (self.patience * 2).min(MOST_PATIENCE);
                    }
                    self.contact = Contact::Lost;
                    let problem = crate::chain(&error);
                    error!(error = %problem, "cannot look at the estate; trying again");
                    self.health.send_modify(|health| {
                        health.looked = false;
                        health.store_problem = Some(problem.clone());
                    });
                    self.estate.forget_everything();
                    pause = (pause * 2).min(SLOW_TICK);
                    pause
                }
            };
            if cleaned_at.elapsed() > CLEAN_UP {
                cleaned_at = Instant::now();
                if let Err(error) = self.store.clean_up().await {
                    warn!(error = %crate::chain(&error), "cannot remove old records");
                }
            }
            idle = false;
            // Files that could not be published stay due.
            tokio::select! {
                () = wake.notified() => {}
                () = files_changed.notified() => files_due = true,
                () = tokio::time::sleep(sleep) => {
                    idle = true;
                    looks += 1;
                    if looks.is_multiple_of(FULL_LOOK) {
                        self.estate.forget_everything();
                    }
                }
                _ = stop.changed() => {}
            }
            files_due |= self
                .read_at
                .is_none_or(|read_at| read_at.elapsed() > SLOW_READ);
        }
        info!(
            builds = self.dispatcher.held(),
            "stopping: finishing what is in the air"
        );
        self.dispatcher.finish().await;
    }

    /// One look. Answers how long to sleep if nothing happens. `idle`: nothing made it necessary.
    async fn look(&mut self, files_due: bool, idle: bool) -> Result<Duration, StoreError> {
        let patience = self.patience;
        let gathered = if files_due {
            // In this order: whoever publishes from here on has read the files later than this
            // replica will have, and wins.
            within(patience, self.refresh()).await?;
            self.gather().await
        } else {
            None
        };
        let begun = std::time::Instant::now();
        let Tick { plan, claimed } = within(patience, self.act(gathered)).await?;
        if idle {
            within(patience, self.keep_calm(&plan)).await?;
        }
        self.call_for_attention(&plan);
        let until_next = [plan.next_look(), self.estate.next_post_at]
            .into_iter()
            .flatten()
            .min()
            .map_or(SLOW_TICK, |next| next.since(plan.now))
            .min(if plan.counts.build > claimed {
                AGAIN
            } else {
                SLOW_TICK
            });
        debug!(
            sites = plan.sites.len(),
            claimed,
            sleep_ms = until_next.as_millis(),
            "looked"
        );
        let snapshot = self.snapshots.take(&self.estate, plan, begun);
        self.health.send_modify(|health| {
            health.looked = true;
            health.store_problem = None;
            health.snapshot = Some(snapshot);
        });
        // The pause keeps a disagreement about the time from turning into a busy loop.
        Ok(until_next.clamp(Duration::from_millis(10), SLOW_TICK))
    }

    /// The part of a look that needs the database.
    async fn act(&mut self, gathered: Option<Gathered>) -> Result<Tick, StoreError> {
        self.estate.grace = match self.contact {
            Contact::Steady => Duration::ZERO,
            Contact::Lost => {
                self.store.ping().await?;
                self.contact = Contact::Regained(Instant::now());
                GRACE
            }
            Contact::Regained(at) => GRACE.saturating_sub(at.elapsed()),
        };
        if let Some(gathered) = gathered {
            self.take_files(&gathered).await?;
        }
        let tick = tick(&mut self.estate, &self.store, &self.dispatcher).await?;
        self.forgive();
        self.measure(&tick.plan).await?;
        Ok(tick)
    }

    /// An older `sites.toml` is as good as any once somebody published it again.
    fn forgive(&mut self) {
        let in_force = self.estate.generation.as_ref().map(|now| now.digest);
        if self.outdated.is_some() && self.outdated == in_force {
            self.outdated = None;
            self.health
                .send_modify(|health| health.config_problem = None);
        }
    }

    /// Reads `sites.toml` and the files. `None`: they say nothing that can be used.
    async fn gather(&mut self) -> Option<Gathered> {
        let gathered = match self.workspace.gather().await {
            Ok(gathered) => gathered,
            Err(problem) => {
                self.watch(None);
                self.complain(&problem);
                self.started_with_it = false;
                self.outdated = None;
                self.read_at = Some(Instant::now());
                return None;
            }
        };
        self.watch(gathered.scope.clone());
        Some(gathered)
    }

    fn watch(&mut self, scope: Option<Arc<Scope>>) {
        if self.watcher.watch(scope) {
            // What changed in these folders after they were read, and before they were watched, is
            // seen only by reading them once more.
            self.files_changed.notify_one();
        }
    }

    /// Publishes what changed.
    ///
    /// At a start, content that was published before and replaced since is not brought back: this
    /// replica merely has an older file. A change that is seen later is somebody's edit; so is what
    /// was read before, if other content was published since and then the files were touched:
    /// somebody changed them, published that, and changed them back, all between two readings.
    async fn take_files(&mut self, gathered: &Gathered) -> Result<(), StoreError> {
        self.estate.keep_files(&gathered.parts);
        let reading = Reading::of(gathered);
        let digest = reading.generation;
        let seen = self.seen.is_some_and(|seen| seen.generation == digest);
        let told = self.outdated == Some(digest);
        let edited_back = seen && !told && self.touched < gathered.touched && {
            self.refresh().await?;
            let in_force = self.estate.generation.as_ref();
            in_force.is_some_and(|in_force| in_force.digest != digest)
        };
        if seen && !edited_back && (told || self.health.borrow().config_problem.is_none()) {
            self.took(gathered, reading);
            return Ok(());
        }
        self.outdated = None;
        if self.started_with_it
            && let Some(number) = self.store.was_replaced(&digest).await?
        {
            let problem = format!(
                "this sites.toml was published before (generation {number}) and replaced since; \
                 the newer one stays in force. `microblot reconcile` publishes this one all the same"
            );
            warn!("{problem}");
            self.outdated = Some(digest);
            self.health
                .send_modify(|health| health.config_problem = Some(problem.clone()));
        } else if !self.publish(gathered).await? {
            self.files_changed.notify_one();
            return Ok(());
        }
        self.started_with_it = false;
        self.took(gathered, reading);
        Ok(())
    }

    fn took(&mut self, gathered: &Gathered, reading: Reading) {
        self.seen = Some(reading);
        self.touched = gathered.touched;
        self.read_at = Some(Instant::now());
    }

    async fn refresh(&mut self) -> Result<(), StoreError> {
        let fresh = self.estate.refresh(&self.store).await?;
        if !fresh.is_empty() {
            self.store.keep_posts_digests(&fresh).await?;
        }
        Ok(())
    }

    /// Answers whether these files are dealt with; otherwise they have to be read again.
    async fn publish(&mut self, gathered: &Gathered) -> Result<bool, StoreError> {
        let publication = match publish::difference(&self.estate, gathered, false) {
            Ok(Some(publication)) => publication,
            Ok(None) => {
                self.health
                    .send_modify(|health| health.config_problem = None);
                return Ok(true);
            }
            Err(refused) => {
                self.refuse(&refused);
                return Ok(true);
            }
        };
        let rows = gathered.part_rows(&publication);
        let published = self
            .store
            .publish(&publication, &rows, &Actor::the_file())
            .await;
        match published {
            Ok(number) => {
                info!(
                    generation = number,
                    "published sites.toml: {}", publication.summary
                );
                self.health
                    .send_modify(|health| health.config_problem = None);
                Ok(true)
            }
            // Other replicas that see the same new file publish it at the same moment; or they have
            // seen a newer one, which must not be replaced by what was read before it.
            Err(StoreError::Raced) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn complain(&self, problem: &Problem) {
        let text = crate::chain(problem);
        if self.health.borrow().config_problem.as_ref() != Some(&text) {
            error!("sites.toml cannot be used, the last good one stays in force:\n{text}");
        }
        self.health
            .send_modify(|health| health.config_problem = Some(text.clone()));
    }

    fn refuse(&self, refused: &PublishRefused) {
        let text = refused.to_string();
        if self.health.borrow().config_problem.as_ref() != Some(&text) {
            error!("sites.toml is not published, the last good one stays in force: {text}");
        }
        self.health
            .send_modify(|health| health.config_problem = Some(text.clone()));
    }

    /// Leaves a note for the next preview, when there is nothing better to do.
    async fn keep_calm(&mut self, plan: &Plan) -> Result<(), StoreError> {
        let Some(reading) = self.seen else {
            return Ok(());
        };
        let kept = Some((self.estate.version, reading));
        if self.kept != kept
            && let Some(calm) = calm::calm(&self.estate, &reading, plan)
        {
            self.store.keep_calm(&calm).await?;
            self.kept = kept;
        }
        Ok(())
    }

    /// Logs each site that needs a person, once, when it begins to.
    fn call_for_attention(&mut self, plan: &Plan) {
        let needy: BTreeSet<SiteName> = plan
            .sites
            .iter()
            .filter(|site| matches!(site.decision, Decision::Attention(_)))
            .map(|site| site.site.clone())
            .collect();
        for site in plan
            .sites
            .iter()
            .filter(|site| needy.contains(&site.site) && !self.needy.contains(&site.site))
        {
            warn!(site.name = %site.site, "{} needs attention: {}", site.site,
                show::reason(site, plan.now));
        }
        self.needy = needy;
    }

    async fn measure(&mut self, plan: &Plan) -> Result<(), StoreError> {
        let counts = plan.counts;
        for (decision, count) in [
            ("build", counts.build),
            ("wait", counts.wait),
            ("attention", counts.attention),
            ("forget", counts.forget),
            ("unchanged", counts.unchanged),
        ] {
            metrics::gauge!("microblot_sites", "decision" => decision).set(count as f64);
        }
        metrics::gauge!("microblot_builds_in_flight").set(self.dispatcher.held() as f64);
        if self.counted_at.is_none_or(|at| at.elapsed() > COUNT) {
            let waiting = self.store.outbox_depth().await?;
            metrics::gauge!("microblot_outbox_messages").set(waiting as f64);
            self.counted_at = Some(Instant::now());
        }
        Ok(())
    }
}
