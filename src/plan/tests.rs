//! The rules of the planner, one sentence each; `world` lets random histories run against them.

mod limits;
mod world;

use std::collections::BTreeMap;
use std::time::Duration;

use super::{notes, plan};
use crate::model::{
    Attention, Broken, BuildId, BuildState, BuilderKind, Built, Cause, ContentHash, Counts,
    Decision, Desired, DesiredSite, Fingerprint, Flight, Hold, HolderId, Input, InputProblem,
    Inputs, Longer, Manifest, Millis, News, Observed, ObservedSite, Origin, Part, Plan, Rebuild,
    SiteName, SitePlan, Target, Timing, Trigger, Trouble, Vain, Wait, Wanted,
};

/// 2026-11-20T09:14:00Z.
const NOW: Millis = Millis(1_795_166_040_000);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn later(span: u64) -> Millis {
    NOW.plus(seconds(span))
}

fn ago(span: u64) -> Millis {
    NOW.minus(seconds(span))
}

fn just_before(at: Millis) -> Millis {
    Millis(at.0 - 1)
}

fn name(text: &str) -> SiteName {
    text.parse().unwrap()
}

/// Content is named by a word: the same word, the same content.
fn print(content: &str) -> Fingerprint {
    Manifest {
        posts: Part::from_items([("post", content)]),
        ..Manifest::default()
    }
    .fingerprint()
}

fn hash(content: &str) -> ContentHash {
    print(content).hash()
}

/// A hosted site that wants this content: debounce 10 s, at most 2 min, builds lost after 30 min.
fn wants(content: &str) -> DesiredSite {
    DesiredSite {
        origin: Origin::File,
        source: None,
        target: Some(Ok(Target::from(print(content)))),
        timing: Timing::default(),
        builder: BuilderKind::Netlify,
        hold: None,
        rebuild: None,
        approved: None,
        news: None,
    }
}

fn built(content: &str) -> ObservedSite {
    ObservedSite {
        built: Some(Built {
            fingerprint: print(content),
            hash: hash(content),
            at: ago(3_600),
        }),
        ..ObservedSite::default()
    }
}

/// What was noted: this content is wanted since then, and something since then.
fn noted(content: &str, since: Millis, drift_since: Millis) -> Option<Wanted> {
    Some(Wanted {
        hash: hash(content),
        since,
        drift_since,
        refused: None,
    })
}

/// Built from `a`, and has wanted `b` for so long that nothing holds it back.
fn settled() -> ObservedSite {
    ObservedSite {
        wanted: noted("b", ago(600), ago(600)),
        ..built("a")
    }
}

fn id(text: &str) -> BuildId {
    BuildId::new(text)
}

/// A build of this content, claimed ten seconds ago by a holder that is alive for five more.
fn claimed(content: &str) -> Flight {
    Flight {
        build: id("one"),
        hash: hash(content),
        state: BuildState::Claimed,
        since: ago(10),
        holder: HolderId::new("me"),
        lease_until: later(5),
        deadline: later(1_790),
        fence: 1,
        request: None,
    }
}

fn unknown(content: &str) -> Flight {
    Flight {
        state: BuildState::Unknown,
        lease_until: ago(5),
        ..claimed(content)
    }
}

fn request() -> Rebuild {
    Rebuild {
        by: "ann".into(),
        at: ago(1),
        clear_cache: false,
    }
}

fn trouble(failures: u32) -> Trouble {
    Trouble {
        failures,
        at: NOW,
        error: "502 Bad Gateway".into(),
        after: None,
        stalled: false,
    }
}

fn broken(content: &str) -> Broken {
    Broken {
        hash: hash(content),
        at: ago(1),
        error: "exit code 2".into(),
    }
}

fn one(site: DesiredSite, seen: ObservedSite, now: Millis) -> SitePlan {
    let desired = Desired {
        sites: [(name("foo"), site)].into(),
        ..Desired::default()
    };
    let observed = Observed {
        sites: [(name("foo"), seen)].into(),
        ..Observed::default()
    };
    let plan = plan(&desired, &observed, now);
    assert!(plan.next_look().is_none_or(|at| at > now), "{plan:?}");
    plan.sites.into_iter().next().unwrap()
}

fn decision(site: DesiredSite, seen: ObservedSite) -> Decision {
    one(site, seen, NOW).decision
}

fn trigger(decision: Decision) -> Trigger {
    match decision {
        Decision::Build(trigger) => trigger,
        other => panic!("no build: {other:?}"),
    }
}

fn builds(decision: &Decision) -> bool {
    matches!(decision, Decision::Build(_))
}

fn waits_until(decision: &Decision) -> Millis {
    match decision {
        Decision::Wait {
            until: Some(until), ..
        } => *until,
        other => panic!("no wait that ends: {other:?}"),
    }
}

fn posts() -> Inputs {
    [Input::Posts].into_iter().collect()
}

// What a site wants.

#[test]
fn a_site_that_was_built_from_what_it_wants_is_unchanged() {
    let plan = one(wants("a"), built("a"), NOW);
    assert_eq!(plan.decision, Decision::Unchanged);
    assert_eq!(plan.cause, None);
    assert_eq!(
        (plan.wanted, plan.built),
        (Some(hash("a")), Some(hash("a")))
    );
}

#[test]
fn a_change_is_built_from_the_new_content_and_names_its_inputs() {
    let plan = one(wants("b"), settled(), NOW);
    assert_eq!(plan.changed, posts());
    assert_eq!(plan.cause, Some(Cause::Changed(posts())));
    let trigger = trigger(plan.decision);
    assert_eq!(trigger.fingerprint, print("b"));
    assert_eq!(trigger.cause, Cause::Changed(posts()));
    assert_eq!(trigger.replaces, None);
    assert_eq!(trigger.timeout, seconds(1_800));
}

#[test]
fn a_site_that_was_never_seen_or_never_built_gets_its_first_build() {
    let desired = Desired {
        sites: [(name("foo"), wants("a"))].into(),
        asked_at: Some(NOW),
        ..Desired::default()
    };
    let first = |observed: &Observed| {
        trigger(plan(&desired, observed, NOW).sites[0].decision.clone()).cause
    };
    assert_eq!(first(&Observed::default()), Cause::First);
    let seen = Observed {
        sites: [(name("foo"), ObservedSite::default())].into(),
        ..Observed::default()
    };
    assert_eq!(first(&seen), Cause::First);
}

#[test]
fn a_site_that_is_no_longer_declared_is_forgotten_whatever_else_is_known() {
    let gone = DesiredSite {
        target: None,
        rebuild: Some(request()),
        ..wants("a")
    };
    let seen = ObservedSite {
        flight: Some(claimed("a")),
        ..settled()
    };
    assert_eq!(decision(gone, seen), Decision::Forget);
}

#[test]
fn an_input_that_cannot_be_read_is_never_no_change() {
    let problem = InputProblem {
        message: "www/a.md: permission denied".into(),
    };
    let site = DesiredSite {
        target: Some(Err(problem.clone())),
        ..wants("a")
    };
    let desired = Desired {
        sites: [(name("foo"), site), (name("ok"), wants("a"))].into(),
        ..Desired::default()
    };
    let observed = Observed {
        sites: [(name("foo"), built("a")), (name("ok"), built("a"))].into(),
        ..Observed::default()
    };
    let plan = plan(&desired, &observed, NOW);
    assert_eq!(
        plan.sites[0].decision,
        Decision::Attention(Attention::Unreadable(problem))
    );
    assert_eq!(plan.sites[1].decision, Decision::Unchanged);
    assert!(plan.is_unreadable());
}

#[test]
fn a_revert_before_anything_was_built_needs_nothing() {
    let seen = ObservedSite {
        wanted: noted("b", ago(5), ago(5)),
        ..built("a")
    };
    assert_eq!(decision(wants("a"), seen), Decision::Unchanged);
}

#[test]
fn news_of_a_declaration_is_told_and_builds_nothing() {
    let site = DesiredSite {
        news: Some(News::Adopted),
        ..wants("a")
    };
    let plan = one(site, built("a"), NOW);
    assert_eq!(plan.news, Some(News::Adopted));
    assert_eq!(plan.decision, Decision::Unchanged);
}

// Letting changes settle.

#[test]
fn a_change_waits_for_quiet_and_is_built_at_the_very_end_of_it() {
    let seen = ObservedSite {
        wanted: noted("b", NOW, NOW),
        ..built("a")
    };
    let at = |now| one(wants("b"), seen.clone(), now).decision;
    assert_eq!(
        at(NOW),
        Decision::Wait {
            why: Wait::Debounce { longer: None },
            until: Some(later(10)),
        }
    );
    assert!(!builds(&at(just_before(later(10)))));
    assert!(builds(&at(later(10))));
}

#[test]
fn a_change_that_nobody_noted_yet_waits_from_now() {
    assert_eq!(waits_until(&decision(wants("b"), built("a"))), later(10));
}

#[test]
fn another_change_starts_the_quiet_time_anew() {
    let seen = ObservedSite {
        wanted: noted("b", ago(9), ago(9)),
        ..built("a")
    };
    assert_eq!(waits_until(&decision(wants("c"), seen)), later(10));
}

#[test]
fn a_site_that_was_built_a_moment_ago_gathers_changes_for_longer() {
    let waits = |built_ago, drift_ago, since_ago| {
        let mut seen = built("a");
        seen.built.as_mut().unwrap().at = ago(built_ago);
        seen.wanted = noted("b", ago(since_ago), ago(drift_ago));
        decision(wants("b"), seen)
    };
    for (built_ago, drift_ago, since_ago, ready) in [
        // At once after a build: never longer than max_wait.
        (0, 0, 0, later(120)),
        (20, 0, 0, later(110)),
        (100, 80, 0, later(40)),
        // Half a second less for every second of rest, down to debounce.
        (200, 0, 0, later(20)),
        (221, 0, 0, later(10)),
        (3_600, 0, 0, later(10)),
        // What counts is how long the site rested before it changed, not how long ago that was.
        (170, 50, 0, later(60)),
    ] {
        let wait = waits(built_ago, drift_ago, since_ago);
        assert_eq!(waits_until(&wait), ready, "{built_ago} {drift_ago}");
        let why = Wait::Debounce {
            longer: (ready != later(10)).then_some(Longer::JustBuilt),
        };
        assert!(matches!(wait, Decision::Wait { why: seen, .. } if seen == why));
    }

    let mut seen = built("a");
    seen.built.as_mut().unwrap().at = ago(20);
    let free = DesiredSite {
        builder: BuilderKind::Render,
        ..wants("b")
    };
    assert_eq!(waits_until(&decision(free, seen.clone())), later(10));
    let mut patient = wants("b");
    patient.timing.max_wait = seconds(3_600);
    assert_eq!(waits_until(&decision(patient, seen.clone())), later(110));
    let mut at_once = wants("b");
    at_once.timing.debounce = Duration::ZERO;
    assert!(
        builds(&decision(at_once, seen)),
        "no quiet time is no quiet time"
    );
}

#[test]
fn changes_that_never_settle_are_built_after_max_wait() {
    let seen = |drift| ObservedSite {
        wanted: noted("b", ago(1), drift),
        ..built("a")
    };
    assert_eq!(waits_until(&decision(wants("c"), seen(ago(115)))), later(5));
    assert!(!builds(&decision(wants("c"), seen(Millis(ago(120).0 + 1)))));
    assert!(builds(&decision(wants("c"), seen(ago(120)))));
}

#[test]
fn without_debounce_a_change_is_built_at_once() {
    let mut site = wants("b");
    site.timing.debounce = Duration::ZERO;
    assert!(builds(&decision(site, built("a"))));
}

#[test]
fn a_pass_that_was_asked_for_does_not_wait_for_quiet_but_for_everything_else() {
    let asked = |site: DesiredSite, seen: ObservedSite| {
        let desired = Desired {
            sites: [(name("foo"), site)].into(),
            asked_at: Some(NOW),
            ..Desired::default()
        };
        let observed = Observed {
            sites: [(name("foo"), seen)].into(),
            ..Observed::default()
        };
        plan(&desired, &observed, NOW).sites[0].decision.clone()
    };
    assert!(builds(&asked(wants("b"), built("a"))));
    assert_eq!(asked(wants("a"), built("a")), Decision::Unchanged);
    let held = DesiredSite {
        hold: Some(hold(None)),
        ..wants("b")
    };
    assert!(!builds(&asked(held, built("a"))));
}

#[test]
fn a_pass_that_was_asked_for_tries_once_again_what_failed_before_it() {
    let decision = |trouble: Trouble, asked_at| {
        let desired = Desired {
            sites: [(name("foo"), wants("b"))].into(),
            asked_at,
            ..Desired::default()
        };
        let failing = ObservedSite {
            trouble: Some(trouble),
            ..built("a")
        };
        let observed = Observed {
            sites: [(name("foo"), failing)].into(),
            ..Observed::default()
        };
        plan(&desired, &observed, NOW).sites[0].decision.clone()
    };
    let failed = trouble(1);
    let (at, after) = (failed.at, failed.at.plus(Duration::from_millis(1)));
    assert!(!builds(&decision(failed.clone(), None)));
    assert!(builds(&decision(failed.clone(), Some(after))));
    assert!(
        !builds(&decision(failed.clone(), Some(at))),
        "its own failure"
    );
    let busy = Trouble {
        after: Some(seconds(60)),
        ..failed
    };
    assert!(!builds(&decision(busy, Some(after))), "the builder asked");
}

#[test]
fn a_clock_that_was_set_back_makes_nobody_look_in_the_past() {
    let seen = ObservedSite {
        wanted: noted("b", later(3_600), later(3_600)),
        trouble: None,
        ..built("a")
    };
    assert_eq!(
        waits_until(&one(wants("b"), seen, NOW).decision),
        later(3_610)
    );
    let seen = ObservedSite {
        trouble: Some(Trouble {
            at: later(3_600),
            ..trouble(1)
        }),
        ..settled()
    };
    assert!(waits_until(&one(wants("b"), seen, NOW).decision) > later(3_600));
}

// Requests of people.

#[test]
fn a_request_is_built_at_once_whatever_the_content() {
    let asked = |content: &str| DesiredSite {
        rebuild: Some(Rebuild {
            clear_cache: true,
            ..request()
        }),
        ..wants(content)
    };
    for content in ["a", "b"] {
        let trigger = trigger(decision(asked(content), built("a")));
        assert!(matches!(trigger.cause, Cause::Requested(ref by) if by.by == "ann"));
        assert!(trigger.clear_cache);
    }
}

#[test]
fn a_request_stands_above_a_failed_build_of_the_same_content() {
    let seen = ObservedSite {
        broken: Some(broken("b")),
        ..settled()
    };
    let site = DesiredSite {
        rebuild: Some(request()),
        ..wants("b")
    };
    assert!(builds(&decision(site, seen)));
}

#[test]
fn a_request_does_not_hurry_a_builder_that_refuses() {
    let site = || DesiredSite {
        rebuild: Some(request()),
        ..wants("a")
    };
    let seen = |trouble| ObservedSite {
        trouble: Some(trouble),
        ..built("a")
    };
    assert!(matches!(
        decision(site(), seen(trouble(1))),
        Decision::Wait { .. }
    ));
    let stalled = Trouble {
        stalled: true,
        ..trouble(1)
    };
    assert!(matches!(
        decision(site(), seen(stalled)),
        Decision::Attention(Attention::Stalled { .. })
    ));
}

// Holds.

fn hold(until: Option<Millis>) -> Hold {
    Hold {
        by: "ann".into(),
        because: None,
        since: ago(60),
        until,
    }
}

#[test]
fn a_hold_lasts_until_its_very_end() {
    let site = || DesiredSite {
        hold: Some(hold(Some(later(60)))),
        ..wants("b")
    };
    assert_eq!(waits_until(&decision(site(), settled())), later(60));
    assert!(!builds(
        &one(site(), settled(), just_before(later(60))).decision
    ));
    assert!(builds(&one(site(), settled(), later(60)).decision));
}

#[test]
fn a_hold_without_end_waits_for_a_person() {
    let site = DesiredSite {
        hold: Some(hold(None)),
        rebuild: Some(request()),
        ..wants("b")
    };
    let plan = one(site, settled(), later(1_000_000_000));
    assert_eq!(
        plan.decision,
        Decision::Wait {
            why: Wait::Held(hold(None)),
            until: None,
        }
    );
    assert!(plan.cause.is_some(), "it says what it holds back");
}

#[test]
fn a_hold_of_a_site_that_needs_nothing_is_told_and_holds_nothing_back() {
    let site = DesiredSite {
        hold: Some(hold(Some(later(60)))),
        ..wants("a")
    };
    let held = one(site.clone(), built("a"), just_before(later(60)));
    assert_eq!(held.decision, Decision::Unchanged);
    assert_eq!(held.hold, Some(hold(Some(later(60)))));
    assert_eq!(one(site, built("a"), later(60)).hold, None);
}

#[test]
fn a_build_that_flies_goes_on_while_its_site_is_held() {
    let site = DesiredSite {
        hold: Some(hold(None)),
        ..wants("b")
    };
    let seen = ObservedSite {
        flight: Some(claimed("b")),
        ..settled()
    };
    assert!(matches!(
        decision(site, seen),
        Decision::Wait {
            why: Wait::InFlight { .. },
            ..
        }
    ));
}

// Builds in flight.

fn flying(flight: Flight) -> ObservedSite {
    ObservedSite {
        flight: Some(flight),
        ..settled()
    }
}

fn is_stale(decision: &Decision) -> bool {
    match decision {
        Decision::Wait {
            why: Wait::InFlight { stale, .. },
            ..
        } => *stale,
        other => panic!("nothing flies: {other:?}"),
    }
}

#[test]
fn a_claim_is_never_fired_beside() {
    for content in ["a", "b", "c"] {
        let decision = decision(wants(content), flying(claimed("b")));
        assert_eq!(
            waits_until(&decision),
            later(5),
            "looks when the lease ends"
        );
        assert_eq!(is_stale(&decision), content != "b");
    }
}

#[test]
fn a_request_during_a_flight_makes_it_stale_and_is_built_after_it() {
    let site = || DesiredSite {
        rebuild: Some(request()),
        ..wants("b")
    };
    assert!(is_stale(&decision(site(), flying(claimed("b")))));
    assert!(builds(&decision(site(), built("b"))));
}

#[test]
fn a_dead_holders_claim_is_taken_over_at_the_very_end_of_its_lease() {
    let at = |now| {
        let unnoted = ObservedSite {
            wanted: None,
            ..flying(claimed("b"))
        };
        one(wants("b"), unnoted, now).decision
    };
    assert!(!builds(&at(just_before(later(5)))));
    let trigger = trigger(at(later(5)));
    assert_eq!(trigger.replaces, Some(id("one")));
    assert_eq!(trigger.cause, Cause::Changed(posts()));
}

#[test]
fn a_dead_holders_claim_of_what_was_built_before_is_fired_again_all_the_same() {
    let seen = ObservedSite {
        flight: Some(Flight {
            lease_until: NOW,
            ..claimed("b")
        }),
        ..built("a")
    };
    let trigger = trigger(decision(wants("a"), seen));
    assert_eq!(trigger.cause, Cause::Uncertain);
    assert_eq!(trigger.replaces, Some(id("one")));
}

#[test]
fn the_request_that_a_lost_build_was_to_answer_stands() {
    let asked = Rebuild {
        clear_cache: true,
        ..request()
    };
    let lost = |flight: Flight| {
        flying(Flight {
            request: Some(asked.clone()),
            ..flight
        })
    };
    let dead = Flight {
        lease_until: NOW,
        ..claimed("b")
    };
    // Of a dead holder, and one of unknown outcome whose place newer content takes.
    for seen in [lost(dead.clone()), lost(unknown("c"))] {
        let trigger = trigger(decision(wants("b"), seen));
        assert_eq!(trigger.cause, Cause::Requested(asked.clone()));
        assert!(trigger.clear_cache);
    }
    // Somebody asked again, and did not mind the cache: one build is the answer to both.
    let again = DesiredSite {
        rebuild: Some(request()),
        ..wants("b")
    };
    let trigger = trigger(decision(again, lost(dead)));
    assert_eq!(trigger.cause, Cause::Requested(request()));
    assert!(trigger.clear_cache);
}

#[test]
fn a_build_of_unknown_outcome_is_not_fired_again_before_its_deadline() {
    let at = |now| one(wants("b"), flying(unknown("b")), now).decision;
    assert_eq!(waits_until(&at(NOW)), later(1_790));
    assert!(!builds(&at(just_before(later(1_790)))));
    let trigger = trigger(at(later(1_790)));
    assert_eq!(trigger.replaces, Some(id("one")));
}

#[test]
fn newer_content_supersedes_a_build_of_unknown_outcome_once_it_has_settled() {
    let seen = |since| ObservedSite {
        wanted: noted("c", since, since),
        ..flying(unknown("b"))
    };
    assert_eq!(waits_until(&decision(wants("c"), seen(ago(4)))), later(6));
    let trigger = trigger(decision(wants("c"), seen(ago(10))));
    assert_eq!(trigger.replaces, Some(id("one")));
    assert_eq!(trigger.fingerprint, print("c"));
}

#[test]
fn a_revert_supersedes_a_build_of_unknown_outcome_too() {
    let seen = ObservedSite {
        wanted: noted("a", ago(10), ago(60)),
        ..flying(unknown("b"))
    };
    let trigger = trigger(decision(wants("a"), seen));
    assert_eq!(trigger.cause, Cause::Uncertain);
    assert_eq!(trigger.replaces, Some(id("one")));
}

#[test]
fn a_request_supersedes_a_build_of_unknown_outcome() {
    let site = DesiredSite {
        rebuild: Some(request()),
        ..wants("b")
    };
    assert_eq!(
        trigger(decision(site, flying(unknown("b")))).replaces,
        Some(id("one"))
    );
}

#[test]
fn a_revert_while_the_build_was_in_flight_is_built_when_that_was_taken() {
    let stale = decision(wants("a"), flying(claimed("b")));
    assert!(is_stale(&stale));
    let seen = ObservedSite {
        wanted: noted("a", ago(10), ago(10)),
        ..built("b")
    };
    assert_eq!(trigger(decision(wants("a"), seen)).fingerprint, print("a"));
}

#[test]
fn a_site_that_may_show_something_else_is_built_again() {
    let seen = ObservedSite {
        uncertain: true,
        wanted: noted("a", ago(10), ago(10)),
        ..built("a")
    };
    assert_eq!(
        trigger(decision(wants("a"), seen.clone())).cause,
        Cause::Uncertain
    );
    assert_eq!(
        trigger(decision(
            wants("b"),
            ObservedSite {
                wanted: noted("b", ago(10), ago(10)),
                ..seen
            }
        ))
        .cause,
        Cause::Changed(posts())
    );
}

// Failures.

fn retry_at(failures: u32, after: Option<u64>) -> u64 {
    let seen = ObservedSite {
        trouble: Some(Trouble {
            after: after.map(seconds),
            ..trouble(failures)
        }),
        ..settled()
    };
    let at = match decision(wants("b"), seen.clone()) {
        Decision::Wait {
            why: Wait::Backoff { .. },
            until: Some(at),
        } => at,
        Decision::Attention(Attention::Stalled {
            retry_at: Some(at), ..
        }) => at,
        other => panic!("no next try: {other:?}"),
    };
    assert!(!builds(
        &one(wants("b"), seen.clone(), just_before(at)).decision
    ));
    assert!(builds(&one(wants("b"), seen, at).decision));
    at.since(NOW).as_secs()
}

#[test]
fn a_failed_trigger_is_retried_less_and_less_often() {
    for (failures, base) in [
        (1, 5),
        (2, 10),
        (3, 20),
        (7, 320),
        (8, 600),
        (11, 600),
        (12, 3_600),
        (u32::MAX, 3_600),
    ] {
        let after = retry_at(failures, None);
        assert!(
            (base..=base + base / 5).contains(&after),
            "{failures}: {after}"
        );
    }
}

#[test]
fn the_builder_may_ask_for_patience_within_reason() {
    assert_eq!(retry_at(1, Some(90)), 90);
    assert!(retry_at(1, Some(0)) >= 5);
    assert_eq!(retry_at(1, Some(31_536_000)), 3_600);
}

#[test]
fn sites_that_failed_together_do_not_come_back_together() {
    let sites: BTreeMap<SiteName, DesiredSite> = (0..50)
        .map(|i| (name(&format!("s{i}")), wants("b")))
        .collect();
    let seen = ObservedSite {
        trouble: Some(trouble(8)),
        ..settled()
    };
    let observed = Observed {
        sites: sites
            .keys()
            .map(|name| (name.clone(), seen.clone()))
            .collect(),
        ..Observed::default()
    };
    let desired = Desired {
        sites,
        ..Desired::default()
    };
    let mut times: Vec<Millis> = plan(&desired, &observed, NOW)
        .sites
        .iter()
        .map(|site| waits_until(&site.decision))
        .collect();
    times.sort_unstable();
    times.dedup();
    assert!(times.len() > 30, "{}", times.len());
    assert!(times.last().unwrap().since(times[0]) > seconds(60));
}

#[test]
fn after_many_failures_a_person_is_asked_to_look() {
    let at = |failures| {
        let seen = ObservedSite {
            trouble: Some(trouble(failures)),
            ..settled()
        };
        decision(wants("b"), seen)
    };
    assert!(matches!(at(11), Decision::Wait { .. }));
    assert!(matches!(
        at(12),
        Decision::Attention(Attention::Stalled {
            failures: 12,
            retry_at: Some(_),
            ..
        })
    ));
}

/// Lost so often before, and once more at NOW.
fn unanswered(before: u32) -> ObservedSite {
    ObservedSite {
        flight: Some(Flight {
            deadline: NOW,
            ..unknown("b")
        }),
        vain: (before > 0).then(|| Vain {
            hash: hash("b"),
            count: before,
            at: ago(1_800),
            error: "no answer".into(),
        }),
        ..settled()
    }
}

#[test]
fn a_hook_that_never_answers_is_called_less_and_less_often() {
    assert!(builds(&decision(wants("b"), unanswered(0))));
    for (before, wait) in [(1, 1_800), (2, 3_600), (3, 7_200)] {
        let decided = decision(wants("b"), unanswered(before));
        assert_eq!(waits_until(&decided), later(wait));
        assert!(matches!(
            decided,
            Decision::Wait {
                why: Wait::Backoff { failures, .. },
                ..
            } if failures == before + 1
        ));
        let at = |at| one(wants("b"), unanswered(before), at).decision;
        assert!(!builds(&at(just_before(later(wait)))));
        assert!(builds(&at(later(wait))));
    }
}

#[test]
fn a_hook_that_never_answered_five_times_needs_a_person_until_the_content_changes() {
    let requested = DesiredSite {
        rebuild: Some(request()),
        ..wants("b")
    };
    for site in [wants("b"), requested] {
        let decided = one(site, unanswered(4), later(1_000_000)).decision;
        let expected = Decision::Attention(Attention::Unanswered { builds: 5 });
        assert_eq!(decided, expected);
    }
    let other = one(wants("c"), unanswered(4), later(1_000_000)).decision;
    assert!(builds(&other));
    // Whoever resumes it, or asks for a build, forgives what was before.
    let forgiven = ObservedSite {
        vain: None,
        ..unanswered(4)
    };
    assert!(builds(&decision(wants("b"), forgiven)));
}

fn gone(content: &str, count: u32) -> ObservedSite {
    ObservedSite {
        vain: Some(Vain {
            hash: hash(content),
            count,
            at: NOW,
            error: "a.md has changed".into(),
        }),
        wanted: noted("b", ago(3_600), ago(3_600)),
        ..built("a")
    }
}

#[test]
fn content_that_is_gone_each_time_it_is_built_waits_until_it_is_other_content() {
    let wants = |content| DesiredSite {
        builder: BuilderKind::Render,
        ..wants(content)
    };
    for count in [1, 2] {
        assert!(builds(&decision(wants("b"), gone("b", count))), "{count}");
    }
    for (count, base) in [(3, 5), (4, 10), (9, 320), (10, 600), (u32::MAX, 600)] {
        let until = waits_until(&decision(wants("b"), gone("b", count)));
        let after = until.since(NOW).as_secs();
        assert!(
            (base..=base + base / 5).contains(&after),
            "{count}: {after}"
        );
        let seen = || gone("b", count);
        assert!(!builds(
            &one(wants("b"), seen(), just_before(until)).decision
        ));
        assert!(builds(&one(wants("b"), seen(), until).decision));
        assert!(builds(&decision(wants("b"), gone("c", count))), "{count}");
        // A request stands until a build is taken: it must not make a loop either.
        let requested = DesiredSite {
            rebuild: Some(request()),
            ..wants("b")
        };
        assert!(!builds(&decision(requested, seen())));
    }
}

#[test]
fn what_no_retry_helps_is_not_retried_whatever_the_content() {
    let seen = ObservedSite {
        trouble: Some(Trouble {
            stalled: true,
            ..trouble(1)
        }),
        ..settled()
    };
    for content in ["b", "c"] {
        assert!(matches!(
            one(wants(content), seen.clone(), later(1_000_000)).decision,
            Decision::Attention(Attention::Stalled { retry_at: None, .. })
        ));
    }
}

#[test]
fn a_site_that_needs_nothing_is_not_asked_about_for_its_old_failures() {
    let seen = ObservedSite {
        trouble: Some(trouble(12)),
        broken: Some(broken("b")),
        ..built("a")
    };
    assert_eq!(decision(wants("a"), seen), Decision::Unchanged);
}

#[test]
fn a_failed_build_waits_for_other_content() {
    let seen = || ObservedSite {
        broken: Some(broken("b")),
        ..settled()
    };
    assert!(matches!(
        one(wants("b"), seen(), later(1_000_000)).decision,
        Decision::Attention(Attention::Broken { .. })
    ));
    assert!(builds(
        &one(
            wants("c"),
            ObservedSite {
                wanted: noted("c", ago(10), ago(10)),
                ..seen()
            },
            NOW
        )
        .decision
    ));
}

// The plan as a whole.

#[test]
fn only_the_named_sites_are_planned() {
    let desired = Desired {
        sites: [(name("a"), wants("b")), (name("b"), wants("b"))].into(),
        only: Some([name("b"), name("nobody")].into()),
        ..Desired::default()
    };
    let plan = plan(&desired, &Observed::default(), NOW);
    let sites: Vec<&str> = plan.sites.iter().map(|site| site.site.as_str()).collect();
    assert_eq!(sites, ["b"]);
}

#[test]
fn sites_are_counted_by_decision() {
    let plan = plan(&estate().0, &estate().1, NOW);
    assert_eq!(
        plan.counts,
        Counts {
            build: 1,
            wait: 1,
            attention: 1,
            forget: 1,
            unchanged: 1,
        }
    );
}

/// One site of every decision.
fn estate() -> (Desired, Observed) {
    let gone = DesiredSite {
        target: None,
        ..wants("a")
    };
    let sites = [
        ("build", wants("b"), settled()),
        ("wait", wants("b"), built("a")),
        (
            "attention",
            wants("b"),
            ObservedSite {
                broken: Some(broken("b")),
                ..settled()
            },
        ),
        ("forget", gone, built("a")),
        ("same", wants("a"), built("a")),
    ];
    let (mut desired, mut observed) = (Desired::default(), Observed::default());
    for (site, wants, seen) in sites {
        desired.sites.insert(name(site), wants);
        observed.sites.insert(name(site), seen);
    }
    (desired, observed)
}

#[test]
fn the_id_changes_with_what_would_be_done_and_with_nothing_else() {
    let (desired, observed) = estate();
    let id = |desired: &Desired, observed: &Observed, now| plan(desired, observed, now).id;
    let first = id(&desired, &observed, NOW);
    assert_eq!(
        first,
        id(&desired, &observed, later(3)),
        "a wait grows shorter"
    );

    let mut held = desired.clone();
    held.sites.get_mut("wait").unwrap().hold = Some(hold(None));
    assert_eq!(
        first,
        id(&held, &observed, NOW),
        "a wait has another reason"
    );

    type Change = fn(&mut Desired);
    let changes: [(&str, Change); 5] = [
        ("other content", |desired| {
            desired.sites.insert(name("build"), wants("c"));
            desired.asked_at = Some(NOW);
        }),
        ("no build any more", |desired| {
            desired.sites.insert(name("build"), wants("a"));
        }),
        ("another build", |desired| {
            desired.sites.get_mut("same").unwrap().rebuild = Some(request());
        }),
        ("nothing to forget", |desired| {
            desired.sites.remove("forget");
        }),
        ("adopted", |desired| {
            desired.sites.get_mut("same").unwrap().news = Some(News::Adopted);
        }),
    ];
    for (what, change) in changes {
        let mut other = desired.clone();
        change(&mut other);
        assert_ne!(first, id(&other, &observed, NOW), "{what}");
    }
}

#[test]
fn the_next_look_is_when_the_first_wait_ends() {
    let (mut desired, mut observed) = estate();
    assert_eq!(plan(&desired, &observed, NOW).next_look(), Some(later(10)));
    desired.sites.insert(
        name("held"),
        DesiredSite {
            hold: Some(hold(Some(later(3)))),
            ..wants("b")
        },
    );
    assert_eq!(plan(&desired, &observed, NOW).next_look(), Some(later(3)));
    desired.sites.retain(|site, _| site.as_str() == "attention");
    assert_eq!(plan(&desired, &observed, NOW).next_look(), None);
    let many = ObservedSite {
        trouble: Some(trouble(12)),
        ..settled()
    };
    observed.sites.insert(name("attention"), many);
    assert!(plan(&desired, &observed, NOW).next_look() >= Some(later(3_600)));
}

// What is noted after a plan.

fn note(site: DesiredSite, seen: ObservedSite) -> Option<Option<Wanted>> {
    let desired = Desired {
        sites: [(name("foo"), site)].into(),
        ..Desired::default()
    };
    let observed = Observed {
        sites: [(name("foo"), seen)].into(),
        ..Observed::default()
    };
    let plan: Plan = plan(&desired, &observed, NOW);
    notes(&plan, &observed).pop().map(|(_, wanted)| wanted)
}

#[test]
fn what_is_wanted_is_noted_once() {
    let drift = ObservedSite {
        wanted: noted("b", ago(3), ago(9)),
        ..built("a")
    };
    for (what, site, seen, expected) in [
        ("nothing is wanted", wants("a"), built("a"), None),
        (
            "first seen",
            wants("b"),
            built("a"),
            Some(noted("b", NOW, NOW)),
        ),
        ("seen before", wants("b"), drift.clone(), None),
        (
            "changed again",
            wants("c"),
            drift.clone(),
            Some(noted("c", NOW, ago(9))),
        ),
        ("reverted", wants("a"), drift.clone(), Some(None)),
        (
            "reverted, but the other content flies",
            wants("a"),
            ObservedSite {
                flight: Some(claimed("b")),
                ..drift.clone()
            },
            Some(noted("a", NOW, ago(9))),
        ),
        (
            "nobody knows what is shown",
            wants("a"),
            ObservedSite {
                uncertain: true,
                ..built("a")
            },
            Some(noted("a", NOW, NOW)),
        ),
        (
            "gone",
            DesiredSite {
                target: None,
                ..wants("a")
            },
            drift,
            None,
        ),
    ] {
        assert_eq!(note(site, seen), expected, "{what}");
    }
}
