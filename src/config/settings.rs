use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{Budget, Limits, Timing};

use super::duration::written;
use super::fields::{Fields, Item};
use super::report::Report;
use super::slack::{self, Slack};
use super::values::{duration, share};
use super::whole::Gathered;

/// Everything in `sites.toml` that belongs to no single site.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Settings {
    /// What the hosting account bears, and the safety rails.
    #[serde(default)]
    pub limits: Limits,
    /// What the hosting plan can pay for, if that is bounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// Chat.
    #[serde(default)]
    pub slack: Slack,
    /// `[defaults]`, for sites that are made in chat. What is built in is left out: it makes no
    /// difference to files that were published before this was kept.
    #[serde(default, skip_serializing_if = "is_built_in")]
    pub timing: Timing,
}

fn is_built_in(timing: &Timing) -> bool {
    *timing == Timing::default()
}

pub(super) const LIMITS: &[&str] = &[
    "builds_per_minute",
    "builds_in_flight",
    "builds_at_once",
    "removals_at_once",
];
pub(super) const BUDGET: &[&str] = &["deploys_per_month"];
pub(super) const TIMING: &[&str] = &["debounce", "max_wait", "timeout"];

/// The most that a limit can be set to.
pub(super) const MOST_BUILDS: u32 = 100_000;

/// The most that the budget can be set to.
pub(super) const MOST_DEPLOYS: u32 = 10_000_000;

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// `[limits]`, `[budget]` and `[slack]`.
pub(super) fn read<'a>(
    root: &Fields<'a, '_>,
    defaults: &Timing,
    gathered: &mut Gathered<'a>,
    report: &mut Report,
) -> Settings {
    let limits = root.optional("limits", report, limits);
    let budget = root.optional("budget", report, budget);
    let slack = root.optional("slack", report, |item, report| {
        slack::read(item, defaults, gathered, report)
    });
    Settings {
        limits: limits.unwrap_or_default(),
        budget,
        slack: slack.unwrap_or_default(),
        timing: *defaults,
    }
}

fn limits(item: Item<'_, '_>, report: &mut Report) -> Option<Limits> {
    let fields = Fields::of(item.node, "limits", LIMITS, report)?;
    let built_in = Limits::default();
    let builds = |item: Item<'_, '_>, report: &mut Report| item.count(report, MOST_BUILDS);
    let per_minute = fields.optional("builds_per_minute", report, builds);
    let in_flight = fields.optional("builds_in_flight", report, builds);
    let at_once = fields.optional("builds_at_once", report, share);
    let removals = fields.optional("removals_at_once", report, share);
    Some(Limits {
        builds_per_minute: per_minute.unwrap_or(built_in.builds_per_minute),
        builds_in_flight: in_flight.unwrap_or(built_in.builds_in_flight),
        builds_at_once: at_once.unwrap_or(built_in.builds_at_once),
        removals_at_once: removals.unwrap_or(built_in.removals_at_once),
    })
}

fn budget(item: Item<'_, '_>, report: &mut Report) -> Option<Budget> {
    let fields = Fields::of(item.node, "budget", BUDGET, report)?;
    let example = "deploys_per_month = 300";
    let deploys = fields.required("deploys_per_month", example, report, |item, report| {
        item.count(report, MOST_DEPLOYS)
    })?;
    Some(Budget {
        deploys_per_month: deploys,
    })
}

/// `[defaults]`, over what is built in.
pub(super) fn defaults(root: &Fields<'_, '_>, report: &mut Report) -> Timing {
    let built_in = Timing::default();
    root.optional("defaults", report, |item, report| {
        let fields = Fields::of(item.node, "defaults", TIMING, report)?;
        Some(timing(&fields, &built_in, report))
    })
    .unwrap_or(built_in)
}

/// The times of a table, over those of `base`.
pub(super) fn timing(fields: &Fields<'_, '_>, base: &Timing, report: &mut Report) -> Timing {
    let debounce = fields.optional("debounce", report, |item, report| {
        duration(item, report, Duration::ZERO, DAY)
    });
    let max_wait = fields.optional("max_wait", report, |item, report| {
        duration(item, report, Duration::ZERO, WEEK)
    });
    let timeout = fields.optional("timeout", report, |item, report| {
        duration(item, report, Duration::from_secs(10), 24 * HOUR)
    });
    let timing = Timing {
        debounce: debounce.unwrap_or(base.debounce),
        max_wait: max_wait.unwrap_or(base.max_wait),
        timeout: timeout.unwrap_or(base.timeout),
    };
    // A value that was refused says nothing about the other.
    let refused = |key, value: &Option<Duration>| fields.get(key).is_some() && value.is_none();
    let comparable = !refused("debounce", &debounce) && !refused("max_wait", &max_wait);
    let blamed = fields.get("max_wait").or(fields.get("debounce"));
    if let Some(blamed) = blamed
        && comparable
        && timing.debounce > timing.max_wait
    {
        let (message, hint) = too_short_a_wait(&timing);
        if debounce.is_some() && max_wait.is_some() {
            report.error(blamed.span(), message, Some(hint));
        } else {
            // The other time may stand in `[defaults]`.
            report.missing(blamed.span(), message, Some(hint));
        }
    }
    timing
}

fn too_short_a_wait(timing: &Timing) -> (String, String) {
    let (debounce, max_wait) = (written(timing.debounce), written(timing.max_wait));
    let message =
        format!("`max_wait` ({max_wait}) must not be shorter than `debounce` ({debounce})");
    let hint = format!(
        "the quiet time is never longer than the longest wait: \
         set `max_wait = \"{debounce}\"` or more, or a shorter `debounce`"
    );
    (message, hint)
}
