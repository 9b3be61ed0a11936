use std::time::Duration;

use super::plain::{plain, short};
use crate::model::{
    Attention, BuildId, BuildState, Cause, Decision, Hold, Longer, Millis, News, SitePlan, Trigger,
    Wait,
};

/// Errors and notes of people are for reading at a glance here; the history has them whole.
const NOTE_CHARS: usize = 160;

/// Why a site gets its decision, as one short line: what wants a build, and what holds it back.
///
/// Used wherever a decision is shown: in the plan, in logs, in chat, on the dashboard. `now` is
/// the time that waits are counted from: [`Plan::now`](crate::model::Plan::now).
pub fn reason(site: &SitePlan, now: Millis) -> String {
    let name = site.site.as_str();
    let mut reason = match &site.decision {
        Decision::Build(trigger) => match &trigger.replaces {
            Some(build) if trigger.cause != Cause::Uncertain => format!(
                "{}; in place of build {}, whose outcome is unknown",
                cause(trigger),
                id(build)
            ),
            _ => cause(trigger),
        },
        Decision::Wait { why, until } => {
            let wait = wait(why, *until, now);
            match (&site.cause, why) {
                (_, Wait::InFlight { stale: false, .. }) | (None, _) => wait,
                (Some(wanted), _) => format!("{}; {wait}", wish(wanted)),
            }
        }
        Decision::Attention(attention) => look(attention, name, now),
        Decision::Forget => "no longer declared: built no more; its posts are kept".to_owned(),
        Decision::Unchanged => "as it was built".to_owned(),
    };
    let news = site.news.as_ref().map(|news| match news {
        News::Adopted => "adopted from chat".to_owned(),
        News::Renamed { from } => format!("renamed from {from}"),
        News::Displaces => {
            "another workspace's site of this name gives it up, and keeps its posts".to_owned()
        }
    });
    match (news, &site.decision) {
        (Some(news), Decision::Unchanged) => reason = news,
        (Some(news), _) => {
            reason.push_str("; ");
            reason.push_str(&news);
        }
        (None, _) => {}
    }
    if let Some(pause) = pause(site, now) {
        reason.push_str("; ");
        reason.push_str(&pause);
    }
    reason
}

/// The same in chat, where commands begin with a slash. A workspace may be one of many: how many
/// sites there are is not its business, and to let them through is the operator's.
pub fn reason_in_chat(site: &SitePlan, now: Millis) -> String {
    match &site.decision {
        Decision::Attention(Attention::Refused(_)) => {
            "more sites than the limit allows would be built at once: an operator has to let them through".to_owned()
        }
        _ => reason(site, now).replace("`microblot ", "`/microblot "),
    }
}

/// The pause of a site that does not wait for its end: there is nothing yet for it to hold back,
/// but people count on it, or have forgotten it.
pub fn pause(site: &SitePlan, now: Millis) -> Option<String> {
    let hold = site.hold.as_ref()?;
    match &site.decision {
        Decision::Forget
        | Decision::Wait {
            why: Wait::Held(_), ..
        } => None,
        _ => {
            let left = hold.until.map(|until| duration(up(until.since(now))));
            Some(held(hold, left.as_deref()))
        }
    }
}

/// Why a build is fired, and nothing about what held it back: `posts changed`.
pub fn cause(trigger: &Trigger) -> String {
    let mut cause = wish(&trigger.cause);
    if trigger.clear_cache {
        cause.push_str(", without the cache");
    }
    cause
}

fn wish(cause: &Cause) -> String {
    match cause {
        Cause::First => "first build".to_owned(),
        Cause::Changed(inputs) => format!("{inputs} changed"),
        Cause::Requested(rebuild) => format!("asked for by {}", short(&rebuild.by, NOTE_CHARS)),
        Cause::Uncertain => "outcome of the last build is unknown".to_owned(),
    }
}

fn wait(why: &Wait, until: Option<Millis>, now: Millis) -> String {
    let left = until.map(|until| duration(up(until.since(now))));
    let left = left.as_deref();
    match why {
        Wait::Debounce { longer } => {
            let longer = match longer {
                None => "",
                Some(Longer::BudgetLow) => " (budget runs low)",
                Some(Longer::JustBuilt) => " (built just now)",
            };
            match left {
                Some(left) => format!("waiting {left} for changes to settle{longer}"),
                None => format!("waiting for changes to settle{longer}"),
            }
        }
        Wait::InFlight {
            build,
            state,
            since,
            stale,
        } => {
            let build = id(build);
            let since = duration(down(now.since(*since)));
            let stale = if *stale { ", and already stale" } else { "" };
            match (state, left) {
                (BuildState::Unknown, Some(left)) => format!(
                    "build {build} sent {since} ago{stale}, outcome unknown; lost without news in {left}"
                ),
                _ => format!("build {build} in flight since {since}{stale}"),
            }
        }
        Wait::Held(hold) => held(hold, left),
        Wait::Rate { used, of } => {
            let next = left.map_or(String::new(), |left| format!(", room in {left}"));
            format!("{used} of {of} builds in the last minute{next}")
        }
        Wait::Crowd { used, of } => format!("{used} of {of} builds in flight"),
        Wait::Budget { used, of } => {
            let next = until.map_or(String::new(), |until| format!(", more on {}", day(until)));
            format!("{used} of {of} deploys of this month used{next}")
        }
        Wait::Backoff { failures, error } => {
            let next = left.map_or(String::new(), |left| format!(", next try in {left}"));
            format!("{}{next}", failed(*failures, error))
        }
    }
}

fn held(hold: &Hold, left: Option<&str>) -> String {
    let because = hold.because.as_ref().map_or(String::new(), |because| {
        format!(": {}", short(because, NOTE_CHARS))
    });
    let until = left.map_or(String::new(), |left| format!(" (resumes in {left})"));
    format!("paused by {}{because}{until}", short(&hold.by, NOTE_CHARS))
}

fn look(attention: &Attention, name: &str, now: Millis) -> String {
    match attention {
        Attention::Stalled {
            failures,
            error,
            retry_at,
        } => {
            let (error, s) = (short(error, NOTE_CHARS), plural(*failures));
            let next = retry_at.map_or(String::new(), |at| {
                format!("; next try in {}", duration(up(at.since(now))))
            });
            let step = format!("`microblot resume {name}`");
            // Some errors say themselves what comes before and after it.
            let step = match error.contains(&step) {
                true => String::new(),
                false => format!("; mend that, then run {step}"),
            };
            format!("stalled after {failures} failure{s} ({error}){step}{next}")
        }
        Attention::Unanswered { builds } => {
            let s = plural(*builds);
            format!(
                "stalled after {builds} build{s} without an answer; see whether the hook works, \
                 then run `microblot resume {name}`"
            )
        }
        Attention::Broken { error } => format!(
            "the build of this very content failed: {}; edit it or run `microblot rebuild {name}`",
            short(error, NOTE_CHARS)
        ),
        // Whole: it says what to do.
        Attention::Unreadable(problem) => plain(&problem.message),
        Attention::Refused(refusal) => format!(
            "{} of {} sites would build at once (limit {}); --force to go on, or `microblot adopt` if they are live as they are",
            refusal.count, refusal.total, refusal.limit
        ),
    }
}

fn failed(failures: u32, error: &str) -> String {
    let s = plural(failures);
    let row = if failures == 1 { "" } else { " in a row" };
    format!("{failures} failure{s}{row} ({})", short(error, NOTE_CHARS))
}

fn plural(count: u32) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// The part of a build's id that holds its whole time stamp: ids of one site never share it.
fn id(build: &BuildId) -> String {
    let id = plain(build.as_str());
    match id.char_indices().nth(13) {
        Some((end, _)) => format!("{}…", &id[..end]),
        None => id,
    }
}

/// `1 December`, in UTC.
pub(super) fn day(at: Millis) -> String {
    let date = at.timestamp().to_zoned(jiff::tz::TimeZone::UTC).date();
    date.strftime("%-d %B").to_string()
}

/// In whole seconds, so that a wait of half a second is not shown as none.
fn up(span: Duration) -> Duration {
    Duration::from_secs(span.as_secs() + u64::from(span.subsec_nanos() > 0))
}

fn down(span: Duration) -> Duration {
    Duration::from_secs(span.as_secs())
}

/// The two largest units that matter: `42s`, `1m30s`, `1h40m`, `3d4h`. Less than a second is `0s`.
pub fn duration(span: Duration) -> String {
    let seconds = span.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let (first, second) = match (days, hours, minutes) {
        (0, 0, 0) => return format!("{seconds}s"),
        (0, 0, m) => ((m, 'm'), (seconds % 60, 's')),
        (0, h, m) => ((h, 'h'), (m, 'm')),
        (d, h, _) => ((d, 'd'), (h, 'h')),
    };
    match second {
        (0, _) => format!("{}{}", first.0, first.1),
        (count, unit) => format!("{}{}{count}{unit}", first.0, first.1),
    }
}
