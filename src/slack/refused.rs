//! Whom Slack refused to tell about, so that it is not asked again at every need. An answer like that
//! says nothing about somebody, so it is not stored with what is known of people.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Somebody who waits for it is asked about again after this.
pub(super) const SOON: Duration = Duration::from_secs(60);
/// Somebody about whom something is known already is asked about again after this.
pub(super) const LATER: Duration = Duration::from_secs(60 * 60);

/// When Slack refused it last, by workspace and person; for an hour.
#[derive(Debug, Default)]
pub(super) struct Refused(Mutex<HashMap<(String, String), Instant>>);

impl Refused {
    /// Slack did not tell about somebody, at `now`.
    pub(super) fn add(&self, workspace: &str, user: &str, now: Instant) {
        let mut all = self.lock();
        all.retain(|_, at| now.saturating_duration_since(*at) < LATER);
        all.insert((workspace.to_owned(), user.to_owned()), now);
    }

    /// Slack told about somebody.
    pub(super) fn remove(&self, workspace: &str, user: &str) {
        let mut all = self.lock();
        all.remove(&(workspace.to_owned(), user.to_owned()));
    }

    /// Whether it is less than `pause` ago that Slack did not tell about somebody.
    pub(super) fn is_within(
        &self,
        pause: Duration,
        workspace: &str,
        user: &str,
        now: Instant,
    ) -> bool {
        let all = self.lock();
        let at = all.get(&(workspace.to_owned(), user.to_owned()));
        at.is_some_and(|at| now.saturating_duration_since(*at) < pause)
    }

    /// How many people there are of whom Slack did not tell.
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(String, String), Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_counts_for_a_while_and_for_one_person() {
        let refused = Refused::default();
        let begin = Instant::now();
        refused.add("T1", "U1", begin);
        let is_soon = |workspace, user, after| {
            let now = begin + Duration::from_secs(after);
            refused.is_within(SOON, workspace, user, now)
        };
        assert!(is_soon("T1", "U1", 0) && is_soon("T1", "U1", 59));
        assert!(!is_soon("T1", "U1", 60));
        assert!(!is_soon("T1", "U2", 1) && !is_soon("T2", "U1", 1));
        let much_later = begin + Duration::from_secs(3_599);
        assert!(refused.is_within(LATER, "T1", "U1", much_later));
        refused.add("T1", "U2", begin + LATER);
        assert_eq!(refused.len(), 1, "the old one is forgotten");
        refused.remove("T1", "U2");
        assert_eq!(refused.len(), 0);
    }
}
