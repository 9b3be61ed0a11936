use std::time::Duration;

use crate::model::{Account, Budget, BudgetState, Millis};

/// A change never waits longer than this for the budget's sake while there is any left.
const LONGEST: Duration = Duration::from_secs(6 * 60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Where the month's budget stands, and how much it slows hosted sites down.
///
/// The forecast carries on this month's mean pace (over at least a day, so that the first builds
/// of a month predict nothing wild). When half of the budget is used and the rest would not last,
/// changes are collected for as long as one deploy has to last: what is left of the month divided
/// by what is left of the budget.
pub(super) fn state(budget: Budget, account: &Account, now: Millis) -> BudgetState {
    let (month, resets_at) = now.month();
    let used = account.deploys_this_month;
    let of = budget.deploys_per_month;
    let elapsed = now.since(month).max(DAY);
    let empty_at = (used > 0)
        .then(|| month.plus(elapsed.mul_f64(f64::from(of) / f64::from(used))))
        .filter(|at| *at < resets_at)
        .map(|at| at.max(now));
    let left = of.saturating_sub(used);
    let low = left > 0 && left <= of / 2 && empty_at.is_some();
    BudgetState {
        used,
        of,
        empty_at,
        resets_at,
        debounce: low.then(|| (resets_at.since(now) / left).min(LONGEST)),
    }
}
