use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::{Notify, mpsc};

use super::args::Reconcile;
use super::preview::{approve_in_memory, preview, refused, select, show, warn_unmatched};
use super::{Context, Failure};
use crate::engine::calm::{self, Reading};
use crate::engine::dispatch::Ended;
use crate::engine::estate::Estate;
use crate::engine::explain;
use crate::engine::publish;
use crate::engine::tick::{Tick, look, tick};
use crate::engine::workspace::Gathered;
use crate::model::{ContentHash, Decision, Outcome, Plan, SiteName, SitePlan, Wait};
use crate::plan::{plan, show};
use crate::store::{Publication, Store, StoreError};

/// With `--wait`: a trigger that failed this often in a row is not waited for.
const PATIENCE: u32 = 5;
/// So many looks in a row may find builds due and claim none before the pass ends.
const LOST_CLAIMS: u32 = 5;
/// So often files are read again that changed between their reading and their build.
const READ_AGAIN: u32 = 5;

pub(super) async fn reconcile(context: &Context, options: &Reconcile) -> Result<ExitCode, Failure> {
    if options.plan {
        return preview(context, options).await;
    }
    let gathered = context.workspace().gather().await?;
    warn_unmatched(context, &gathered);
    let store = context.store().await?;
    let run = Run {
        context,
        options,
        gathered,
        store,
    };
    run.run().await
}

/// One requested pass: publish, then build what is due, until nothing is.
struct Run<'a> {
    context: &'a Context,
    options: &'a Reconcile,
    gathered: Gathered,
    store: Store,
}

impl Run<'_> {
    async fn run(mut self) -> Result<ExitCode, Failure> {
        let mut estate = Estate::default();
        estate.refresh(&self.store).await?;
        self.publish(&mut estate).await?;
        estate.keep_files(&self.gathered.parts);
        look(&mut estate, &self.store).await?;
        select(&mut estate, &self.options.sites)?;
        if self.options.force {
            self.approve(&estate).await?;
        }

        let wake = Arc::new(Notify::new());
        let (ended, mut news) = mpsc::unbounded_channel();
        let dispatcher = self
            .context
            .dispatcher(&self.store, wake.clone(), Some(ended))?;
        let mut report = Report::default();
        let bar = self.bar();
        let mut lost = 0;
        // Whoever expects a plan wants that one built, and not what the files say meanwhile.
        let mut reads = match self.options.expect {
            Some(_) => 0,
            None => READ_AGAIN,
        };
        let last = loop {
            if dispatcher.take_moved() {
                if reads == 0 {
                    break self.give_up(&mut estate).await;
                }
                reads -= 1;
                if let Err(failure) = self.read_again(&mut estate).await {
                    break Err(failure);
                }
            }
            // Asked before the look: a build that ends during it is over only for the next one.
            let flying = dispatcher.held() > 0;
            let Tick { plan, claimed } = tick(&mut estate, &self.store, &dispatcher).await?;
            report.start(&plan, &bar);
            let busy = claimed > 0 || flying;
            // Due, and claimed by somebody else, or changed since: the next plan says which.
            lost = if busy { 0 } else { lost + 1 };
            let again = plan.counts.build > 0 && lost < LOST_CLAIMS;
            let goes_on = busy || again || (self.options.wait && self.is_worth_waiting(&plan));
            if !goes_on {
                break Ok(plan);
            }
            let until = plan
                .next_look()
                .map_or(Duration::from_secs(1), |next| next.since(plan.now))
                .clamp(Duration::from_millis(20), Duration::from_secs(1));
            let pause = match (busy, again) {
                (true, _) => Duration::from_secs(1),
                (false, true) => Duration::from_millis(20),
                (false, false) => until,
            };
            let _woken_or_late = tokio::time::timeout(pause, wake.notified()).await;
            while let Ok(ended) = news.try_recv() {
                report.end(ended, &bar);
            }
        };
        dispatcher.finish().await;
        while let Ok(ended) = news.try_recv() {
            report.end(ended, &bar);
        }
        bar.finish_and_clear();
        let last = last?;
        report.close(self.context);
        if let Some(calm) = calm::calm(&estate, &Reading::of(&self.gathered), &last) {
            self.store.keep_calm(&calm).await?;
        }
        self.conclude(&mut estate, &last, report).await
    }

    /// Refuses when the plan is no longer the one that was shown.
    async fn expect(&self, estate: &Estate) -> Result<(), Failure> {
        let Some(expected) = &self.options.expect else {
            return Ok(());
        };
        let mut preview = Estate::default();
        preview.refresh(&self.store).await?;
        let publication = publish::difference(estate, &self.gathered, self.options.force)?;
        preview
            .foresee(Some(&self.store), publication.as_ref())
            .await?;
        select(&mut preview, &self.options.sites)?;
        let mut plan = plan(&preview.desired, &preview.observed, preview.now);
        if self.options.force {
            approve_in_memory(&mut preview, &plan);
            plan = crate::plan::plan(&preview.desired, &preview.observed, preview.now);
        }
        if plan.id.to_string() == *expected {
            return Ok(());
        }
        Err(Failure::Usage(format!(
            "the plan is no longer {expected}, it is {}: look again with \
             `microblot reconcile --plan`",
            plan.id
        )))
    }

    /// Files changed between their reading and their build: the next look wants what they are now.
    async fn read_again(&mut self, estate: &mut Estate) -> Result<(), Failure> {
        self.gathered = self.context.workspace().gather().await?;
        estate.refresh(&self.store).await?;
        self.publish(estate).await?;
        estate.keep_files(&self.gathered.parts);
        if self.options.force {
            look(estate, &self.store).await?;
            self.approve(estate).await?;
        }
        Ok(())
    }

    /// The plan that is left when files change faster than they are built.
    async fn give_up(&self, estate: &mut Estate) -> Result<Plan, Failure> {
        look(estate, &self.store).await?;
        Ok(plan(&estate.desired, &estate.observed, estate.now))
    }

    async fn publish(&mut self, estate: &mut Estate) -> Result<(), Failure> {
        for _ in 0..5 {
            self.expect(estate).await?;
            let Some(publication) =
                publish::difference(estate, &self.gathered, self.options.force)?
            else {
                return Ok(());
            };
            self.announce(&publication, estate);
            let rows = self.gathered.part_rows(&publication);
            let by = self.context.actor();
            match self.store.publish(&publication, &rows, &by).await {
                Err(StoreError::Raced) => {
                    // Somebody may have published something newer than what was read here.
                    estate.refresh(&self.store).await?;
                    self.gathered = self.context.workspace().gather().await?;
                }
                other => return other.map(|_number| ()).map_err(Failure::from),
            }
        }
        Err(StoreError::Raced.into())
    }

    fn announce(&self, publication: &Publication, estate: &Estate) {
        for line in publish::summary(publication, estate.all_details()) {
            self.context.out.note(&line);
        }
    }

    async fn approve(&self, estate: &Estate) -> Result<(), Failure> {
        let plan = plan(&estate.desired, &estate.observed, estate.now);
        let refused: Vec<(String, ContentHash)> = refused(&plan)
            .filter_map(|(site, hash)| Some((estate.details(site)?.id.clone(), hash)))
            .collect();
        if !refused.is_empty() {
            self.store.approve(&refused, &self.context.actor()).await?;
        }
        Ok(())
    }

    /// With `--wait`: whether something ends by itself soon enough to wait for it. A hold or a
    /// used-up budget is somebody's decision, not progress; and what failed [`PATIENCE`] times
    /// needs more than time.
    fn is_worth_waiting(&self, plan: &Plan) -> bool {
        plan.sites.iter().any(|site| {
            matches!(
                site.decision,
                Decision::Wait {
                    why: Wait::InFlight { .. }
                        | Wait::Rate { .. }
                        | Wait::Crowd { .. }
                        | Wait::Backoff {
                            failures: 0..PATIENCE,
                            ..
                        }
                        | Wait::Debounce { .. },
                    ..
                } | Decision::Build(_)
            )
        })
    }

    fn bar(&self) -> ProgressBar {
        let bar = ProgressBar::new(0);
        let template = "{spinner} {pos}/{len} built {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar
    }

    /// Says what is left, and whether everything that was due was fired.
    async fn conclude(
        &self,
        estate: &mut Estate,
        last: &Plan,
        report: Report,
    ) -> Result<ExitCode, Failure> {
        let failed = report.failed.len();
        if self.options.json {
            let explanations = explain::explanations(estate, Some(&self.store), last).await?;
            self.context.out.json(&serde_json::json!({
                "format": 1,
                "built": report.built,
                "failed": report.failed,
                "remaining": show::json(last, &explanations, self.options.all),
            }));
        } else {
            let width = report.lines.iter().map(|(_, site, _)| site.as_str().len());
            let width = width.max().unwrap_or(0);
            for (mark, site, what) in &report.lines {
                let name = site.as_str();
                self.context
                    .out
                    .data(&format!("  {mark} {name:width$}  {what}\n"));
            }
            show(self.context, self.options, last, &Default::default());
        }
        let due = last.counts.wait + last.counts.attention + last.counts.build;
        let held_back_only =
            last.counts.build == 0 && last.counts.attention == 0 && last.sites.iter().all(is_held);
        let ok = failed == 0 && (due == 0 || held_back_only);
        Ok(ExitCode::from(u8::from(!ok)))
    }
}

/// A hold is what somebody wanted: a site that is paused is no failure of this pass.
fn is_held(site: &SitePlan) -> bool {
    match &site.decision {
        Decision::Wait { why, .. } => matches!(why, Wait::Held(_)),
        _ => true,
    }
}

/// What one pass came to.
#[derive(Default)]
struct Report {
    reasons: std::collections::BTreeMap<SiteName, String>,
    built: Vec<SiteName>,
    failed: std::collections::BTreeMap<SiteName, String>,
    /// A mark, the site, and what came of its build, in the order in which they ended.
    lines: Vec<(&'static str, SiteName, String)>,
    /// Sites whose files were other ones at their last build than when they were read.
    moved: std::collections::BTreeMap<SiteName, String>,
}

impl Report {
    fn start(&mut self, plan: &Plan, bar: &ProgressBar) {
        for site in &plan.sites {
            if let Decision::Build(trigger) = &site.decision {
                self.reasons.insert(site.site.clone(), show::cause(trigger));
            }
        }
        bar.set_length(self.reasons.len() as u64);
        bar.tick();
    }

    /// Says which sites are not built because they changed whenever they were.
    fn close(&mut self, context: &Context) {
        for (site, error) in std::mem::take(&mut self.moved) {
            context.out.note(&format!(
                "{site} keeps changing while it is built: {error}. End what writes to it, or name \
                 it in .gitignore, then run `microblot reconcile` again"
            ));
            self.failed.insert(site, error);
        }
    }

    fn end(&mut self, ended: Ended, bar: &ProgressBar) {
        let Ended { site, outcome } = ended;
        let reason = self.reasons.get(&site).cloned().unwrap_or_default();
        let (mark, what) = match &outcome {
            Outcome::Accepted => ("✓", format!("accepted  {reason}")),
            Outcome::Live => ("✓", format!("live      {reason}")),
            Outcome::Moved { error } => ("~", format!("changed   {error}; planned again")),
            Outcome::Failed { error } => ("✗", format!("failed    {error}")),
            Outcome::Retry { error, .. } | Outcome::Stalled { error } => {
                ("✗", format!("refused   {error}"))
            }
            Outcome::Unknown { error } => ("✗", format!("unknown   {error}")),
        };
        self.lines.push((mark, site.clone(), what));
        self.moved.remove(&site);
        match outcome {
            Outcome::Accepted | Outcome::Live => {
                self.failed.remove(&site);
                self.built.push(site);
                bar.inc(1);
            }
            Outcome::Moved { error } => {
                self.moved.insert(site, error);
            }
            Outcome::Failed { error }
            | Outcome::Retry { error, .. }
            | Outcome::Stalled { error }
            | Outcome::Unknown { error } => {
                self.failed.insert(site, error);
            }
        }
    }
}
