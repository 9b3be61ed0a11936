use std::collections::BTreeSet;
use std::time::Duration;

use crate::model::{
    ContentHash, Desired, DesiredSite, Millis, Observed, ObservedSite, Refusal, Share, SiteName,
};

/// Changes that came within this time are one: of shared files, of the settings, of the revision.
/// Many people who write at a busy hour are not.
const AT_ONCE: Duration = Duration::from_secs(30);

/// The safety rail: how many sites began at once to want other content than they were built from,
/// of how many.
///
/// Not only those that are due at this moment: whatever is paused, settling or waiting now is due in
/// a moment, and a change of everything would pass the rail in pieces, none of which is too many.
pub(super) struct Rail<'a> {
    named: Option<&'a BTreeSet<SiteName>>,
    /// Since when each of them wants it, in order.
    pending: Vec<Millis>,
    now: Millis,
    total: usize,
    limit: Share,
}

impl<'a> Rail<'a> {
    pub(super) fn of(desired: &'a Desired, observed: &Observed, now: Millis) -> Self {
        // Whoever asks for a pass over sites by their names has counted them.
        let named = desired.asked_at.and(desired.only.as_ref());
        let (mut pending, mut total) = (Vec::new(), 0);
        for (name, site) in &desired.sites {
            let Some(target) = &site.target else { continue };
            total += 1;
            let Ok(target) = target else { continue };
            if named.is_some_and(|named| !named.contains(name)) {
                continue;
            }
            let seen = observed.sites.get(name);
            if is_pending(site, target.hash, seen) {
                pending.push(since(Some(target.hash), seen, now));
            }
        }
        pending.sort_unstable();
        Self {
            named,
            pending,
            now,
            total,
            limit: desired.limits.builds_at_once,
        }
    }

    /// Why this site is not built, unless somebody let it through: too many want to be built now, or
    /// did so when its content was stopped. What was stopped stays so, whatever becomes of the
    /// others: nobody has looked at it.
    pub(super) fn refusal(
        &self,
        wanted: Option<ContentHash>,
        seen: Option<&ObservedSite>,
    ) -> Option<Refusal> {
        let noted = seen.and_then(|seen| seen.wanted);
        let stopped = noted
            .filter(|noted| self.named.is_none() && Some(noted.hash) == wanted)
            .and_then(|noted| noted.refused);
        let Self {
            total, limit, now, ..
        } = *self;
        [Some(self.at_once(since(wanted, seen, now))), stopped]
            .into_iter()
            .flatten()
            .find(|count| limit.is_exceeded(*count, total))
            .map(|count| Refusal {
                count,
                total,
                limit,
            })
    }

    /// How many began to want it at about this time.
    fn at_once(&self, time: Millis) -> usize {
        let (first, last) = (time.minus(AT_ONCE), time.plus(AT_ONCE));
        let before = self.pending.partition_point(|since| *since < first);
        self.pending.partition_point(|since| *since <= last) - before
    }
}

/// Since when a site wants this content; what nobody has noted yet, since now.
fn since(wanted: Option<ContentHash>, seen: Option<&ObservedSite>, now: Millis) -> Millis {
    let noted = seen.and_then(|seen| seen.wanted);
    let noted = noted.filter(|noted| Some(noted.hash) == wanted);
    noted.map_or(now, |noted| noted.since)
}

/// Whether this content will be built by itself, sooner or later, and nobody let it through.
fn is_pending(site: &DesiredSite, wanted: ContentHash, seen: Option<&ObservedSite>) -> bool {
    if site.approved == Some(wanted) {
        return false;
    }
    let Some(seen) = seen else {
        return true;
    };
    let ObservedSite {
        built,
        uncertain,
        wanted: _,
        flight,
        trouble,
        broken,
        vain: _,
    } = seen;
    // What no retry helps, and what the builder failed on, is built only when somebody asks.
    let is_stuck = trouble.as_ref().is_some_and(|trouble| trouble.stalled)
        || broken.as_ref().is_some_and(|broken| broken.hash == wanted);
    let asked = site.rebuild.is_some();
    if is_stuck && !asked {
        return false;
    }
    match flight {
        Some(flight) => flight.hash != wanted,
        None => *uncertain || built.as_ref().is_none_or(|built| built.hash != wanted),
    }
}
