use crate::model::{Attention, Decision, Observed, Plan, SiteName, Wait, Wanted};

/// What has to be noted of each site after a plan: only differences from what is noted already.
///
/// `Some`: this content is wanted and not built; debounce and `max_wait` count from these times.
/// That the safety rail stopped it is noted too: it stays stopped when the others come to fewer.
/// `None`: nothing is wanted any more. Noting is part of every pass that may act, and comes before
/// the claims: a site whose wish is never noted would start its quiet time anew in every plan, and
/// never be built.
pub fn notes(plan: &Plan, observed: &Observed) -> Vec<(SiteName, Option<Wanted>)> {
    let mut notes = Vec::new();
    for site in &plan.sites {
        let Some(hash) = site.wanted else { continue };
        let noted = observed.sites.get(&site.site).and_then(|seen| seen.wanted);
        // While a build flies, content that equals what was built before it is wanted as well: the
        // build may overwrite it.
        let in_flight = matches!(
            site.decision,
            Decision::Wait {
                why: Wait::InFlight { .. },
                ..
            }
        );
        let refused = match site.decision {
            Decision::Attention(Attention::Refused(refusal)) => Some(refusal.count),
            _ => None,
        };
        let note = match noted {
            _ if site.cause.is_none() && !in_flight => None,
            Some(noted) if noted.hash == hash => Some(Wanted {
                refused: noted.refused.or(refused),
                ..noted
            }),
            noted => Some(Wanted {
                hash,
                since: plan.now,
                drift_since: noted.map_or(plan.now, |noted| noted.drift_since),
                refused,
            }),
        };
        if note != noted {
            notes.push((site.site.clone(), note));
        }
    }
    notes
}
