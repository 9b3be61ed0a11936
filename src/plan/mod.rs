//! The planner: what to do about every site, and why. Pure; the preview and the loop both call it.

mod allot;
mod backoff;
mod budget;
mod decide;
mod note;
mod rail;
pub mod show;

pub use note::notes;

use sha2::{Digest as _, Sha256};

use crate::model::{
    Account, Budget, Counts, Decision, Desired, Digest, Millis, News, Observed, Plan, PlanId,
    SitePlan,
};

/// Decides for every site what to do.
///
/// Two steps: each site by itself, then what all sites share (safety rails, budget, limits) turns
/// builds that are due into waits. The cost is linear in the number of sites.
pub fn plan(desired: &Desired, observed: &Observed, now: Millis) -> Plan {
    let budget = desired
        .budget
        .map(|budget| budget::state(budget, &observed.account, now));
    let stretch = budget.and_then(|state| state.debounce);
    let mut due = Vec::new();
    let mut sites = Vec::with_capacity(desired.sites.len());
    for (name, site) in &desired.sites {
        if desired
            .only
            .as_ref()
            .is_some_and(|only| !only.contains(name))
        {
            continue;
        }
        let seen = observed.sites.get(name);
        let decided = decide::decide(name, site, seen, stretch, desired.asked_at, now);
        if let Some(priority) = decided.due {
            due.push(allot::Due {
                index: sites.len(),
                site,
                seen,
                priority,
            });
        }
        sites.push(SitePlan {
            site: name.clone(),
            origin: site.origin,
            source: site.source,
            wanted: decided.wanted,
            built: seen.and_then(|seen| Some(seen.built.as_ref()?.hash)),
            changed: decided.changed,
            cause: decided.cause,
            news: site.news.clone(),
            hold: site.hold.clone().filter(|hold| hold.is_in_force(now)),
            decision: decided.decision,
        });
    }
    allot::allot(&mut sites, due, desired, observed, now);
    Plan {
        id: id(&sites),
        now,
        counts: count(&sites),
        sites,
        budget,
    }
}

/// The plan of sites that are all what they were built from.
pub fn unchanged(sites: usize, budget: Option<Budget>, account: &Account, now: Millis) -> Plan {
    Plan {
        id: id(&[]),
        now,
        counts: Counts {
            unchanged: sites,
            ..Counts::default()
        },
        sites: Vec::new(),
        budget: budget.map(|budget| budget::state(budget, account, now)),
    }
}

fn count(sites: &[SitePlan]) -> Counts {
    let mut counts = Counts::default();
    for site in sites {
        *match site.decision {
            Decision::Build(_) => &mut counts.build,
            Decision::Wait { .. } => &mut counts.wait,
            Decision::Attention(_) => &mut counts.attention,
            Decision::Forget => &mut counts.forget,
            Decision::Unchanged => &mut counts.unchanged,
        } += 1;
    }
    counts
}

/// Over what would be done, so that a wait that grows shorter leaves the id as it is.
fn id(sites: &[SitePlan]) -> PlanId {
    let mut hasher = Sha256::new();
    hasher.update(b"microblot/plan/1");
    let mut line = |verb: &str, site: &str, what: &[u8]| {
        for field in [verb.as_bytes(), site.as_bytes(), what] {
            hasher.update((field.len() as u64).to_be_bytes());
            hasher.update(field);
        }
    };
    for site in sites {
        let name = site.site.as_str();
        match &site.decision {
            Decision::Build(trigger) => {
                line("build", name, trigger.fingerprint.hash().0.as_bytes());
            }
            Decision::Forget => line("forget", name, &[]),
            Decision::Wait { .. } | Decision::Attention(_) | Decision::Unchanged => {}
        }
        match &site.news {
            Some(News::Adopted) => line("adopt", name, &[]),
            Some(News::Renamed { from }) => line("rename", name, from.as_str().as_bytes()),
            Some(News::Displaces) => line("displace", name, &[]),
            None => {}
        }
    }
    PlanId(Digest::from_array(hasher.finalize().into()))
}

#[cfg(test)]
mod tests;
