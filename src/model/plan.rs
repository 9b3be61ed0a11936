use std::fmt;
use std::time::Duration;

use super::build::{BuildId, BuildState};
use super::desired::{Hold, InputProblem, News, Origin, Rebuild, Share, Source};
use super::digest::{ContentHash, Digest, Fingerprint};
use super::manifest::Inputs;
use super::name::SiteName;
use super::time::Millis;

/// One decision with a reason for every site, in the order of their names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// Names exactly these decisions.
    pub id: PlanId,
    /// When it was made: waits end relative to this.
    pub now: Millis,
    /// What is decided.
    pub sites: Vec<SitePlan>,
    /// How many of each.
    pub counts: Counts,
    /// The state of the budget, if there is one.
    pub budget: Option<BudgetState>,
}

/// A digest over everything in a plan that would be done: builds and removals, not waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PlanId(pub Digest);

impl fmt::Display for PlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.short(8))
    }
}

/// How many sites got which decision.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// To build now.
    pub build: usize,
    /// Waiting.
    pub wait: usize,
    /// Needing attention.
    pub attention: usize,
    /// To forget.
    pub forget: usize,
    /// Unchanged.
    pub unchanged: usize,
}

/// What is decided for one site.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SitePlan {
    /// Which site.
    pub site: SiteName,
    /// Who declares it.
    pub origin: Origin,
    /// Where.
    pub source: Option<Source>,
    /// What it should be built from, where that is known.
    pub wanted: Option<ContentHash>,
    /// What it was last built from.
    pub built: Option<ContentHash>,
    /// Which inputs differ; empty for a first build.
    pub changed: Inputs,
    /// Why it is built, or would be if nothing held it back. `None`: nothing has to be built, or
    /// what is wanted is not known.
    pub cause: Option<Cause>,
    /// What is new about its declaration.
    pub news: Option<News>,
    /// The pause in force, also where there is nothing yet for it to hold back.
    pub hold: Option<Hold>,
    /// What to do.
    pub decision: Decision,
}

/// What to do about a site.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Fire a build.
    Build(Trigger),
    /// Not yet.
    Wait {
        /// For what.
        why: Wait,
        /// When it ends by itself; `None`: when something happens.
        until: Option<Millis>,
    },
    /// A person has to look.
    Attention(Attention),
    /// It is no longer declared: it is built no more. Its posts and builds stay.
    Forget,
    /// Nothing.
    Unchanged,
}

/// Everything that firing a build needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trigger {
    /// What it is built from.
    pub fingerprint: Fingerprint,
    /// Why.
    pub cause: Cause,
    /// The build whose place it takes: a dead holder's, or one of unknown outcome.
    pub replaces: Option<BuildId>,
    /// Without the builder's cache.
    pub clear_cache: bool,
    /// No news for this long: the build is lost.
    pub timeout: Duration,
}

/// Why a site is built, or would be if nothing held it back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cause {
    /// It was never built.
    First,
    /// Inputs changed.
    Changed(Inputs),
    /// Somebody asked for it.
    Requested(Rebuild),
    /// Nobody knows how the last build ended.
    Uncertain,
}

/// Why changes are given more time to settle than `debounce` says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Longer {
    /// The budget has to last.
    BudgetLow,
    /// The site was built a moment ago: more changes are likely than after a quiet day.
    JustBuilt,
}

/// What a site waits for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wait {
    /// For changes to settle.
    Debounce {
        /// Why for longer than `debounce` says, if so.
        longer: Option<Longer>,
    },
    /// For a build that is not over.
    InFlight {
        /// Which.
        build: BuildId,
        /// Claimed or unknown.
        state: BuildState,
        /// Since when.
        since: Millis,
        /// The content has changed since it was fired.
        stale: bool,
    },
    /// For somebody to resume it.
    Held(Hold),
    /// For the account's limit of builds per minute.
    Rate {
        /// Fired in the last minute, with those of this pass.
        used: u32,
        /// Allowed.
        of: u32,
    },
    /// For the account's limit of builds in flight.
    Crowd {
        /// In flight, with those of this pass.
        used: u32,
        /// Allowed.
        of: u32,
    },
    /// For the next month.
    Budget {
        /// Fired this month, with those of this pass.
        used: u32,
        /// Paid for.
        of: u32,
    },
    /// After a trigger failure.
    Backoff {
        /// Failures in a row.
        failures: u32,
        /// The last one.
        error: String,
    },
}

/// What a person has to look at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Attention {
    /// The trigger failed too often, or for good.
    Stalled {
        /// Failures in a row.
        failures: u32,
        /// The last one.
        error: String,
        /// When it is tried once more all the same; `None`: never by itself.
        retry_at: Option<Millis>,
    },
    /// This very content was sent again and again, and nobody answered.
    Unanswered {
        /// How often in a row.
        builds: u32,
    },
    /// The builder failed to build this very content.
    Broken {
        /// What it said.
        error: String,
    },
    /// An input could not be read.
    Unreadable(InputProblem),
    /// Too many builds at once.
    Refused(Refusal),
}

/// A safety rail: both numbers and the limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// Sites that would be built or removed.
    pub count: usize,
    /// Of so many.
    pub total: usize,
    /// Allowed.
    pub limit: Share,
}

/// How the month's budget stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BudgetState {
    /// Fired this month.
    pub used: u32,
    /// Paid for.
    pub of: u32,
    /// At this month's pace it is used up then; `None`: it lasts.
    pub empty_at: Option<Millis>,
    /// When the next month begins.
    pub resets_at: Millis,
    /// The quiet time that is asked of every hosted site instead of its own, if that is shorter.
    pub debounce: Option<Duration>,
}

impl Plan {
    /// The earliest moment at which a wait ends by itself.
    pub fn next_look(&self) -> Option<Millis> {
        self.sites
            .iter()
            .filter_map(|site| match site.decision {
                Decision::Wait { until, .. } => until,
                Decision::Attention(Attention::Stalled { retry_at, .. }) => retry_at,
                _ => None,
            })
            .min()
    }

    /// Whether any input or store could not be read: never an empty plan.
    pub fn is_unreadable(&self) -> bool {
        self.sites
            .iter()
            .any(|site| matches!(site.decision, Decision::Attention(Attention::Unreadable(_))))
    }
}
