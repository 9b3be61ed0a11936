use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::changes::Explanation;
use super::text::{is_shown, verb};
use super::words::reason;
use crate::model::{
    Attention, BudgetState, Counts, Decision, Hold, Input, Millis, News, Plan, SiteName, SitePlan,
};

/// The version of the format. Fields are only ever added to one version.
const FORMAT: u32 = 1;

/// The plan for programs, format 1. The same plan gives the same bytes.
///
/// Unchanged sites are in `summary` and, with `all`, in `sites`; sites whose declaration is new
/// (`news`) always are. `until` is RFC 3339, or null where no wait ends by itself; hashes are null
/// where they are not known. `hold` is the pause in force, also of a site that needs nothing. Of `changes` there are at most 200: `more` counts the rest. `diff` is
/// a unified diff without context, at most 400 lines. Texts of outside are as they are: neutralise
/// them before they go to a terminal.
pub fn json(plan: &Plan, explanations: &BTreeMap<SiteName, Explanation>, all: bool) -> Value {
    let Counts {
        build,
        wait,
        attention,
        forget,
        unchanged,
    } = plan.counts;
    let sites: Vec<Value> = plan
        .sites
        .iter()
        .filter(|site| all || is_shown(site))
        .map(|site| of_site(site, explanations.get(&site.site), plan.now))
        .collect();
    json!({
        "format": FORMAT,
        "id": plan.id.to_string(),
        "summary": {
            "build": build,
            "wait": wait,
            "attention": attention,
            "forget": forget,
            "unchanged": unchanged,
        },
        "budget": plan.budget.as_ref().map(budget),
        "sites": sites,
    })
}

fn of_site(site: &SitePlan, explanation: Option<&Explanation>, now: Millis) -> Value {
    let until = match &site.decision {
        Decision::Wait { until, .. } => *until,
        Decision::Attention(Attention::Stalled { retry_at, .. }) => *retry_at,
        Decision::Build(_) | Decision::Attention(_) | Decision::Forget | Decision::Unchanged => {
            None
        }
    };
    let nothing = Explanation::default();
    let Explanation {
        changes,
        more,
        diff,
    } = explanation.unwrap_or(&nothing);
    json!({
        "site": site.site,
        "decision": verb(site),
        "reason": reason(site, now),
        "content_hash": site.wanted,
        "built_hash": site.built,
        "origin": site.origin,
        "source": site.source.map(|source| source.to_string()),
        "changed": site.changed.iter().map(Input::as_str).collect::<Vec<_>>(),
        "until": until.map(Millis::rfc3339),
        "news": site.news.as_ref().map(|news| match news {
            News::Adopted => json!({ "kind": "adopted" }),
            News::Renamed { from } => json!({ "kind": "renamed", "from": from }),
            News::Displaces => json!({ "kind": "displaces" }),
        }),
        "hold": site.hold.as_ref().map(hold),
        "changes": changes,
        "more": more,
        "diff": diff,
    })
}

fn hold(hold: &Hold) -> Value {
    let Hold {
        by,
        because,
        since,
        until,
    } = hold;
    json!({
        "by": by,
        "because": because,
        "since": since.rfc3339(),
        "until": until.map(Millis::rfc3339),
    })
}

fn budget(state: &BudgetState) -> Value {
    let BudgetState {
        used,
        of,
        empty_at,
        resets_at,
        debounce,
    } = state;
    json!({
        "used": used,
        "of": of,
        "empty_at": empty_at.map(Millis::rfc3339),
        "resets_at": resets_at.rfc3339(),
        "debounce_seconds": debounce.map(|debounce| debounce.as_secs()),
    })
}
