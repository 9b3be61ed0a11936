use std::time::Duration;

use super::decide::Priority;
use super::rail::Rail;
use crate::model::{
    Attention, Cause, Decision, Desired, DesiredSite, Millis, Observed, ObservedSite, SitePlan,
    Wait,
};

/// The window of `builds_per_minute`.
const MINUTE: Duration = Duration::from_secs(60);

/// A site whose build is due.
pub(super) struct Due<'a> {
    pub(super) index: usize,
    pub(super) site: &'a DesiredSite,
    pub(super) seen: Option<&'a ObservedSite>,
    pub(super) priority: Priority,
}

/// Turns builds that are due into waits where safety rails, budget or limits forbid them.
pub(super) fn allot(
    sites: &mut [SitePlan],
    mut due: Vec<Due<'_>>,
    desired: &Desired,
    observed: &Observed,
    now: Millis,
) {
    // Mostly: what follows looks at every site.
    if due.is_empty() {
        return;
    }
    let rail = Rail::of(desired, observed, now);
    due.retain(|due| {
        let plan = &mut sites[due.index];
        if passes(plan, due.site, due.seen) {
            return true;
        }
        let refusal = rail.refusal(plan.wanted, due.seen);
        if let Some(refusal) = refusal {
            plan.decision = Decision::Attention(Attention::Refused(refusal));
        }
        refusal.is_none()
    });
    due.retain(|due| due.site.builder.is_hosted());
    due.sort_by_key(|due| due.priority);

    let account = &observed.account;
    let limits = desired.limits;
    // Those of a clock that was set back too: the claim counts them, until their times are repaired.
    let fired: Vec<Millis> = account
        .fired
        .iter()
        .copied()
        .filter(|at| now.since(*at) < MINUTE)
        .collect();
    let mut in_flight = account.in_flight;
    let mut allowed = 0_usize;
    let mut waiting_for_rate = 0_usize;
    for due in due {
        // A build that takes another one's place in the air needs no place of its own; but only
        // once it may start: until then the other one keeps it.
        let needed = u32::from(!replaces(&sites[due.index]));
        let started = fired.len() + allowed;
        let (why, until) = if let Some(budget) = desired.budget
            && account.deploys_this_month as usize + allowed >= budget.deploys_per_month as usize
        {
            let why = Wait::Budget {
                used: account.deploys_this_month + allowed as u32,
                of: budget.deploys_per_month,
            };
            (why, Some(now.month().1))
        } else if started >= limits.builds_per_minute as usize {
            // The n-th site in line gets the slot that the n-th oldest build of the minute frees,
            // after those that are above a limit which was lowered.
            let above = started - limits.builds_per_minute as usize;
            let slot = fired.get(above + waiting_for_rate).copied().unwrap_or(now);
            waiting_for_rate += 1;
            let why = Wait::Rate {
                used: started as u32,
                of: limits.builds_per_minute,
            };
            (why, Some(slot.plus(MINUTE)))
        } else if in_flight + needed > limits.builds_in_flight {
            let why = Wait::Crowd {
                used: in_flight,
                of: limits.builds_in_flight,
            };
            (why, None)
        } else {
            allowed += 1;
            in_flight += needed;
            continue;
        };
        sites[due.index].decision = Decision::Wait { why, until };
    }
}

/// Whether a build is none of those that the safety rail stops: somebody asked for it or let its
/// content through, or it repeats a build of the same content that was let through before.
fn passes(plan: &SitePlan, site: &DesiredSite, seen: Option<&ObservedSite>) -> bool {
    let requested = matches!(
        &plan.decision,
        Decision::Build(trigger) if matches!(trigger.cause, Cause::Requested(_))
    );
    let flying = seen.and_then(|seen| Some(seen.flight.as_ref()?.hash));
    requested
        || (flying.is_some() && flying == plan.wanted)
        || (site.approved.is_some() && site.approved == plan.wanted)
}

fn replaces(plan: &SitePlan) -> bool {
    matches!(&plan.decision, Decision::Build(trigger) if trigger.replaces.is_some())
}
