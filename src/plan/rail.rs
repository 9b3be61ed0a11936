use std::collections::BTreeSet;

use crate::model::{
    ContentHash, Desired, DesiredSite, Observed, ObservedSite, Refusal, Share, SiteName,
};

/// The safety rail: how many sites want other content than they were built from, of how many.
///
/// Not only those that are due at this moment: whatever is paused, settling or waiting now is due in
/// a moment, and a change of everything would pass the rail in pieces, none of which is too many.
pub(super) struct Rail<'a> {
    named: Option<&'a BTreeSet<SiteName>>,
    count: usize,
    total: usize,
    limit: Share,
}

impl<'a> Rail<'a> {
    pub(super) fn of(desired: &'a Desired, observed: &Observed) -> Self {
        // Whoever asks for a pass over sites by their names has counted them.
        let named = desired.asked_at.and(desired.only.as_ref());
        let (mut count, mut total) = (0, 0);
        for (name, site) in &desired.sites {
            let Some(target) = &site.target else { continue };
            total += 1;
            if let Ok(target) = target
                && named.is_none_or(|named| named.contains(name))
                && is_pending(name, site, target.hash, observed)
            {
                count += 1;
            }
        }
        Self {
            named,
            count,
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
        let Self { total, limit, .. } = *self;
        [Some(self.count), stopped]
            .into_iter()
            .flatten()
            .find(|count| limit.is_exceeded(*count, total))
            .map(|count| Refusal {
                count,
                total,
                limit,
            })
    }
}

/// Whether this content will be built by itself, sooner or later, and nobody let it through.
fn is_pending(name: &SiteName, site: &DesiredSite, wanted: ContentHash, seen: &Observed) -> bool {
    if site.approved == Some(wanted) {
        return false;
    }
    let Some(seen) = seen.sites.get(name) else {
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
