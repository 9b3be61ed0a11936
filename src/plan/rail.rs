use crate::model::{
    ContentHash, Desired, DesiredSite, Observed, ObservedSite, Refusal, Share, SiteName,
};

/// The safety rail: how many sites want other content than they were built from, of how many.
///
/// Not only those that are due at this moment: whatever is paused, settling or waiting now is due in
/// a moment, and a change of everything would pass the rail in pieces, none of which is too many.
pub(super) struct Rail {
    count: usize,
    total: usize,
    limit: Share,
}

impl Rail {
    pub(super) fn of(desired: &Desired, observed: &Observed) -> Self {
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
            count,
            total,
            limit: desired.limits.builds_at_once,
        }
    }

    /// Why nothing is built that nobody let through.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        let Self {
            count,
            total,
            limit,
        } = *self;
        limit.is_exceeded(count, total).then_some(Refusal {
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
