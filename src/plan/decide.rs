use std::time::Duration;

use super::backoff::{self, Retry};
use crate::model::{
    Attention, BuildId, BuildState, Cause, ContentHash, Decision, DesiredSite, Flight, Inputs,
    Longer, Millis, ObservedSite, Rebuild, SiteName, Target, Timing, Trigger, Vain, Wait,
};

/// What one site wants, before it has to share.
pub(super) struct Decided {
    pub(super) wanted: Option<ContentHash>,
    pub(super) changed: Inputs,
    pub(super) cause: Option<Cause>,
    pub(super) decision: Decision,
    /// Set when the decision is a build: who goes first where not all can.
    pub(super) due: Option<Priority>,
}

/// Requests of people first, then whoever has waited longest. Names break ties.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Priority {
    patient: bool,
    drift_since: Millis,
}

/// What becomes of the build that is in flight, if one is.
enum InFlight {
    None,
    /// It goes on.
    Flies {
        stale: bool,
        look_at: Millis,
    },
    /// A new build takes its place.
    Replaced {
        build: BuildId,
        abandoned: bool,
        /// What it was to answer, and may not have answered.
        request: Option<Rebuild>,
    },
}

/// Decides for one site. The checks stand in the order in which they win.
pub(super) fn decide(
    name: &SiteName,
    site: &DesiredSite,
    seen: Option<&ObservedSite>,
    stretch: Option<Duration>,
    asked_at: Option<Millis>,
    now: Millis,
) -> Decided {
    let unseen = ObservedSite::default();
    let seen = seen.unwrap_or(&unseen);
    let settled = |decision| Decided {
        wanted: None,
        changed: Inputs::default(),
        cause: None,
        decision,
        due: None,
    };
    let target = match &site.target {
        None => return settled(Decision::Forget),
        Some(Err(problem)) => {
            return settled(Decision::Attention(Attention::Unreadable(problem.clone())));
        }
        Some(Ok(target)) => target,
    };
    let changed = seen.built.as_ref().map_or_else(Inputs::default, |built| {
        target.fingerprint.changed_since(&built.fingerprint)
    });

    let flight = in_flight(site, seen.flight.as_ref(), target, now);
    let cause = cause(site, seen, target, changed, &flight);
    let not_due = |decision| Decided {
        wanted: Some(target.hash),
        changed,
        cause: cause.clone(),
        decision,
        due: None,
    };
    if let (InFlight::Flies { stale, look_at }, Some(flight)) = (&flight, &seen.flight) {
        return not_due(Decision::Wait {
            why: Wait::InFlight {
                build: flight.build.clone(),
                state: flight.state,
                since: flight.since,
                stale: *stale,
            },
            until: Some(*look_at),
        });
    }
    let Some(due_to) = &cause else {
        return not_due(Decision::Unchanged);
    };
    let requested = matches!(due_to, Cause::Requested(_));
    if let Some(hold) = &site.hold
        && hold.is_in_force(now)
    {
        return not_due(Decision::Wait {
            until: hold.until,
            why: Wait::Held(hold.clone()),
        });
    }
    // A request stands above a failed build, also one that was made while that build flew. It is
    // answered once: the claim takes it away.
    if let Some(broken) = &seen.broken
        && broken.hash == target.hash
        && !requested
    {
        return not_due(Decision::Attention(Attention::Broken {
            error: broken.error.clone(),
        }));
    }
    // Our own patience is nobody else's: who asks for a pass gets a try, but only one.
    let is_asked_since = |at: Millis| asked_at.is_some_and(|asked_at| at < asked_at);
    if let Some(trouble) = &seen.trouble {
        let (failures, error) = (trouble.failures, trouble.error.clone());
        match backoff::retry(name, trouble) {
            Retry::Never => {
                return not_due(Decision::Attention(Attention::Stalled {
                    failures,
                    error,
                    retry_at: None,
                }));
            }
            Retry::Rarely(at) if now < at => {
                return not_due(Decision::Attention(Attention::Stalled {
                    failures,
                    error,
                    retry_at: Some(at),
                }));
            }
            // What the builder asked for is kept.
            Retry::At(at)
                if now < at && !(trouble.after.is_none() && is_asked_since(trouble.at)) =>
            {
                return not_due(Decision::Wait {
                    why: Wait::Backoff { failures, error },
                    until: Some(at),
                });
            }
            Retry::Rarely(_) | Retry::At(_) => {}
        }
    }
    // Whatever makes builds of one content come to nothing, it must never make a loop of them.
    if let Some(vain) = in_vain(seen, target, now) {
        let hosted = site.builder.is_hosted();
        if hosted && vain.count >= Vain::UNANSWERED {
            return not_due(Decision::Attention(Attention::Unanswered {
                builds: vain.count,
            }));
        }
        let at = match hosted {
            true => backoff::unanswered(site.timing.timeout, &vain),
            false => backoff::gone(name, &vain),
        };
        if let Some(at) = at.filter(|at| now < *at && !is_asked_since(vain.at)) {
            return not_due(Decision::Wait {
                why: Wait::Backoff {
                    failures: vain.count,
                    error: vain.error,
                },
                until: Some(at),
            });
        }
    }

    let (since, drift_since) = match &seen.wanted {
        Some(wanted) if wanted.hash == target.hash => (wanted.since, wanted.drift_since),
        Some(wanted) => (now, wanted.drift_since),
        None => (now, now),
    };
    let abandoned = matches!(
        &flight,
        InFlight::Replaced {
            abandoned: true,
            ..
        }
    );
    if asked_at.is_none() && !requested && !abandoned {
        let built_at = seen.built.as_ref().map(|built| built.at);
        let (ready_at, longer) = ready_at(site, stretch, built_at, since, drift_since);
        if now < ready_at {
            return not_due(Decision::Wait {
                why: Wait::Debounce { longer },
                until: Some(ready_at),
            });
        }
    }
    let clear_cache = [site.rebuild.as_ref(), flight.request()]
        .into_iter()
        .flatten()
        .any(|rebuild| rebuild.clear_cache);
    Decided {
        wanted: Some(target.hash),
        changed,
        cause: cause.clone(),
        due: Some(Priority {
            patient: !requested,
            drift_since,
        }),
        decision: Decision::Build(Trigger {
            fingerprint: target.fingerprint,
            clear_cache,
            cause: due_to.clone(),
            replaces: match flight {
                InFlight::Replaced { build, .. } => Some(build),
                InFlight::None | InFlight::Flies { .. } => None,
            },
            timeout: site.timing.timeout,
        }),
    }
}

/// A claim flies until its lease ends: then its holder is dead, and nobody knows whether it fired.
/// A build of unknown outcome flies until its deadline, unless newer content makes it pointless.
fn in_flight(
    site: &DesiredSite,
    flight: Option<&Flight>,
    target: &Target,
    now: Millis,
) -> InFlight {
    let Some(flight) = flight else {
        return InFlight::None;
    };
    let stale = flight.hash != target.hash || site.rebuild.is_some();
    let (look_at, abandoned) = match flight.state {
        BuildState::Claimed => (flight.lease_until, true),
        _ => (flight.deadline, false),
    };
    let overtaken = flight.state == BuildState::Unknown && stale;
    if now < look_at && !overtaken {
        InFlight::Flies { stale, look_at }
    } else {
        InFlight::Replaced {
            build: flight.build.clone(),
            abandoned,
            request: flight.request.clone(),
        }
    }
}

/// The builds of this content that came to nothing, with the one whose deadline is over: the claim
/// that takes its place is what stores it.
fn in_vain(seen: &ObservedSite, target: &Target, now: Millis) -> Option<Vain> {
    let stored = seen.vain.clone().filter(|vain| vain.hash == target.hash);
    let lost = seen.flight.as_ref().filter(|flight| {
        flight.state == BuildState::Unknown && flight.hash == target.hash && flight.deadline <= now
    });
    let Some(lost) = lost else {
        return stored;
    };
    let (count, error) = stored.map_or_else(Default::default, |vain| (vain.count, vain.error));
    Some(Vain {
        hash: target.hash,
        count: count.saturating_add(1),
        at: lost.deadline,
        error,
    })
}

impl InFlight {
    /// What the build that is replaced was to answer.
    fn request(&self) -> Option<&Rebuild> {
        match self {
            Self::Replaced { request, .. } => request.as_ref(),
            Self::None | Self::Flies { .. } => None,
        }
    }
}

fn cause(
    site: &DesiredSite,
    seen: &ObservedSite,
    target: &Target,
    changed: Inputs,
    flight: &InFlight,
) -> Option<Cause> {
    if let Some(rebuild) = site.rebuild.as_ref().or(flight.request()) {
        return Some(Cause::Requested(rebuild.clone()));
    }
    let replaced = matches!(flight, InFlight::Replaced { .. });
    match &seen.built {
        Some(built) if built.hash != target.hash => Some(Cause::Changed(changed)),
        _ if replaced => Some(Cause::Uncertain),
        None => Some(Cause::First),
        Some(_) if seen.uncertain => Some(Cause::Uncertain),
        Some(_) => None,
    }
}

/// So many times `debounce` is the quiet time of a site that was built just now. Of a recorded
/// afternoon of edits it saves every seventh build, and delays none by more than `max_wait`.
const RESTLESS: u32 = 12;

/// When a change has been quiet for long enough, or has waited as long as it may, and why that is
/// later than `debounce` alone says.
///
/// Where builds cost money, two things make it later. A budget that runs low stretches both times.
/// And a site that was built a moment ago is being worked on: its quiet time starts at
/// [`RESTLESS`] times `debounce` (with the defaults that is `max_wait`) and shrinks by half a
/// second for every second of rest. So the first change after a rest is built soon, and what
/// follows it is gathered.
fn ready_at(
    site: &DesiredSite,
    stretch: Option<Duration>,
    built_at: Option<Millis>,
    since: Millis,
    drift_since: Millis,
) -> (Millis, Option<Longer>) {
    let Timing {
        debounce,
        max_wait,
        timeout: _,
    } = site.timing;
    let plain = (since.plus(debounce)).min(drift_since.plus(max_wait));
    if !site.builder.is_hosted() {
        return (plain, None);
    }
    let rested = built_at.map_or(Duration::MAX, |at| drift_since.since(at));
    // No quiet time at all is none after a build either: whoever says so wants every change built,
    // as long as the budget lasts.
    let restless = max_wait.min(debounce * RESTLESS).saturating_sub(rested / 2);
    let stretch = stretch.unwrap_or_default();
    let longest = drift_since.plus(max_wait.max(stretch));
    let quiet_for = |time: Duration| since.plus(debounce.max(time)).min(longest);
    let ready_at = quiet_for(stretch.max(restless));
    let longer = match () {
        () if ready_at <= plain => None,
        () if stretch >= restless => Some(Longer::BudgetLow),
        () => Some(Longer::JustBuilt),
    };
    (ready_at, longer)
}
