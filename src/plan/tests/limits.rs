//! What sites share: safety rails, limits and the budget.

use super::*;
use crate::model::{Account, Budget, BudgetState, Limits, Refusal, Share};

/// So many hosted sites `s00…`, each due since its number of seconds after an hour ago.
fn due(count: u64) -> (Desired, Observed) {
    let (mut desired, mut observed) = (Desired::default(), Observed::default());
    for i in 0..count {
        let site = name(&format!("s{i:02}"));
        let since = ago(3_600 - i);
        desired.sites.insert(site.clone(), wants("b"));
        observed.sites.insert(
            site,
            ObservedSite {
                wanted: noted("b", since, since),
                ..built("a")
            },
        );
    }
    desired.limits.builds_at_once = Share(100);
    (desired, observed)
}

fn built_sites(plan: &Plan) -> Vec<&str> {
    plan.sites
        .iter()
        .filter(|site| builds(&site.decision))
        .map(|site| site.site.as_str())
        .collect()
}

fn of<'a>(plan: &'a Plan, site: &str) -> &'a Decision {
    let found = plan.sites.iter().find(|plan| plan.site.as_str() == site);
    &found.unwrap().decision
}

// Builds in flight.

#[test]
fn no_more_builds_fly_than_allowed_and_the_oldest_drift_goes_first() {
    let (mut desired, mut observed) = due(5);
    desired.limits.builds_in_flight = 4;
    observed.account.in_flight = 2;
    let oldest = observed.sites.get_mut("s04").unwrap();
    oldest.wanted = noted("b", ago(9_000), ago(9_000));
    let plan = plan(&desired, &observed, NOW);
    assert_eq!(built_sites(&plan), ["s00", "s04"]);
    assert_eq!(
        *of(&plan, "s01"),
        Decision::Wait {
            why: Wait::Crowd { used: 4, of: 4 },
            until: None,
        }
    );
}

#[test]
fn requests_of_people_go_before_older_drift() {
    let (mut desired, observed) = due(3);
    desired.limits.builds_in_flight = 1;
    desired.sites.get_mut("s02").unwrap().rebuild = Some(request());
    assert_eq!(built_sites(&plan(&desired, &observed, NOW)), ["s02"]);
}

#[test]
fn names_break_ties() {
    let (mut desired, mut observed) = due(3);
    desired.limits.builds_in_flight = 2;
    for seen in observed.sites.values_mut() {
        seen.wanted = noted("b", ago(60), ago(60));
    }
    assert_eq!(built_sites(&plan(&desired, &observed, NOW)), ["s00", "s01"]);
}

#[test]
fn sites_that_are_not_hosted_share_nothing() {
    let (mut desired, mut observed) = due(4);
    desired.limits = Limits {
        builds_in_flight: 1,
        builds_per_minute: 1,
        ..desired.limits
    };
    desired.budget = Some(Budget {
        deploys_per_month: 1,
    });
    observed.account = Account {
        in_flight: 1,
        fired: vec![ago(1)],
        deploys_this_month: 1,
    };
    for site in ["s01", "s03"] {
        desired.sites.get_mut(site).unwrap().builder = BuilderKind::Render;
    }
    assert_eq!(built_sites(&plan(&desired, &observed, NOW)), ["s01", "s03"]);
}

#[test]
fn a_build_that_takes_anothers_place_needs_no_place_of_its_own() {
    let (mut desired, mut observed) = due(3);
    desired.limits.builds_in_flight = 2;
    observed.account.in_flight = 2;
    observed.sites.get_mut("s02").unwrap().flight = Some(unknown("a"));
    let plan = plan(&desired, &observed, NOW);
    assert_eq!(built_sites(&plan), ["s02"]);
}

#[test]
fn a_place_is_not_free_before_the_build_that_takes_it_over_may_start() {
    let (mut desired, mut observed) = due(3);
    desired.limits.builds_in_flight = 2;
    desired.limits.builds_per_minute = 1;
    observed.account.in_flight = 2;
    observed.account.fired = vec![ago(1)];
    observed.sites.get_mut("s02").unwrap().flight = Some(unknown("a"));
    assert_eq!(plan(&desired, &observed, NOW).counts.build, 0);
    observed.account.fired.clear();
    assert_eq!(built_sites(&plan(&desired, &observed, NOW)), ["s02"]);
}

// Builds per minute.

#[test]
fn each_site_in_line_waits_for_its_own_slot() {
    let (mut desired, mut observed) = due(5);
    desired.limits.builds_per_minute = 3;
    observed.account.fired = vec![ago(50), ago(20)];
    let plan = plan(&desired, &observed, NOW);
    assert_eq!(built_sites(&plan), ["s00"]);
    let slot = |site| match of(&plan, site) {
        Decision::Wait {
            why: Wait::Rate { used: 3, of: 3 },
            until: Some(until),
        } => until.since(NOW).as_secs(),
        other => panic!("{other:?}"),
    };
    assert_eq!(["s01", "s02", "s03", "s04"].map(slot), [10, 40, 60, 60]);
}

#[test]
fn a_slot_is_free_at_its_very_time() {
    let (mut desired, mut observed) = due(1);
    desired.limits.builds_per_minute = 1;
    observed.account.fired = vec![ago(0)];
    let at = |now| plan(&desired, &observed, now).counts.build;
    assert_eq!(at(just_before(later(60))), 0);
    assert_eq!(at(later(60)), 1);
}

#[test]
fn a_limit_that_was_lowered_frees_no_slot_before_enough_builds_are_old() {
    let (mut desired, mut observed) = due(1);
    desired.limits.builds_per_minute = 2;
    observed.account.fired = vec![ago(50), ago(40), ago(30), ago(20)];
    let plan = plan(&desired, &observed, NOW);
    assert_eq!(waits_until(of(&plan, "s00")), later(30));
}

#[test]
fn builds_of_a_clock_that_was_set_back_count_as_the_claim_counts_them() {
    let (mut desired, mut observed) = due(1);
    desired.limits.builds_per_minute = 1;
    observed.account.fired = vec![later(3_600)];
    let plan = plan(&desired, &observed, NOW);
    assert_eq!(waits_until(of(&plan, "s00")), later(3_660));
}

// The budget.

/// Twenty days into November.
fn budget(used: u32) -> (Desired, Observed) {
    let (mut desired, mut observed) = due(3);
    desired.budget = Some(Budget {
        deploys_per_month: 100,
    });
    observed.account.deploys_this_month = used;
    (desired, observed)
}

fn state(used: u32) -> BudgetState {
    let (desired, observed) = budget(used);
    plan(&desired, &observed, NOW).budget.unwrap()
}

#[test]
fn what_is_not_paid_for_waits_for_the_next_month() {
    let (desired, observed) = budget(98);
    let desired = Desired {
        asked_at: Some(NOW),
        ..desired
    };
    let plan = plan(&desired, &observed, NOW);
    assert_eq!(built_sites(&plan), ["s00", "s01"]);
    let december: jiff::Timestamp = "2026-12-01T00:00:00Z".parse().unwrap();
    assert_eq!(
        *of(&plan, "s02"),
        Decision::Wait {
            why: Wait::Budget { used: 100, of: 100 },
            until: Some(december.into()),
        }
    );
}

#[test]
fn a_request_cannot_spend_what_is_not_there() {
    let (mut desired, observed) = budget(100);
    desired.sites.get_mut("s00").unwrap().rebuild = Some(request());
    let plan = plan(&desired, &observed, NOW);
    assert!(matches!(
        of(&plan, "s00"),
        Decision::Wait {
            why: Wait::Budget { .. },
            ..
        }
    ));
}

#[test]
fn the_budget_is_forecast_at_the_pace_of_the_month() {
    assert_eq!(state(0).empty_at, None);
    assert_eq!(state(60).empty_at, None, "60 in 20 days lasts for 30");
    let at = state(90).empty_at.unwrap();
    assert!(at > NOW && at < state(90).resets_at, "{at}");
    assert_eq!(state(100).empty_at, Some(NOW));
}

#[test]
fn a_budget_that_runs_low_stretches_debounce() {
    assert_eq!(state(40).debounce, None, "more than half is left");
    assert_eq!(state(60).debounce, None, "it lasts");
    let stretch = state(90).debounce.unwrap();
    assert_eq!(stretch, seconds(6 * 3_600), "never longer");
    let stretch = state(80).debounce.unwrap();
    assert_eq!(stretch, seconds(6 * 3_600));
    assert_eq!(state(100).debounce, None, "nothing is left to stretch");
    let (desired, observed) = budget(40);
    let fifth: jiff::Timestamp = "2026-11-05T00:00:00Z".parse().unwrap();
    let early = plan(&desired, &observed, fifth.into()).budget.unwrap();
    assert!(early.empty_at.is_some(), "a steep start");
    assert_eq!(early.debounce, None, "but more than half is left");

    let (mut desired, mut observed) = budget(900);
    desired.budget = Some(Budget {
        deploys_per_month: 1_000,
    });
    let plan_at = |desired: &Desired, observed: &Observed| plan(desired, observed, NOW);
    let stretch = plan_at(&desired, &observed)
        .budget
        .unwrap()
        .debounce
        .unwrap();
    assert!(
        stretch > seconds(2 * 3_600) && stretch < seconds(3 * 3_600),
        "{stretch:?}"
    );

    // Due an hour ago with its own debounce; now it waits from then for the longer one.
    let first = plan_at(&desired, &observed);
    assert_eq!(
        *of(&first, "s00"),
        Decision::Wait {
            why: Wait::Debounce {
                longer: Some(Longer::BudgetLow)
            },
            until: Some(ago(3_600).plus(stretch)),
        }
    );
    desired.sites.get_mut("s00").unwrap().timing.debounce = Duration::ZERO;
    assert!(
        built_sites(&plan_at(&desired, &observed)).is_empty(),
        "no quiet time of its own, and that of the budget all the same"
    );
    desired.sites.get_mut("s00").unwrap().builder = BuilderKind::Render;
    desired.sites.get_mut("s01").unwrap().rebuild = Some(request());
    let second = plan_at(&desired, &observed);
    assert_eq!(
        built_sites(&second),
        ["s00", "s01"],
        "only hosted sites, no requests"
    );
    desired.asked_at = Some(NOW);
    assert_eq!(plan_at(&desired, &observed).counts.build, 3);
    desired.asked_at = None;
    let seen = observed.sites.get_mut(&name("s02")).unwrap();
    seen.built.as_mut().unwrap().at = ago(24 * 3_600);
    let own = &mut desired.sites.get_mut("s02").unwrap().timing;
    (own.debounce, own.max_wait) = (seconds(3 * 3_600), seconds(4 * 3_600));
    let third = plan_at(&desired, &observed);
    assert_eq!(
        *of(&third, "s02"),
        Decision::Wait {
            why: Wait::Debounce { longer: None },
            until: Some(ago(3_600 - 2).plus(seconds(3 * 3_600))),
        }
    );
}

#[test]
fn the_first_builds_of_a_month_predict_nothing_wild() {
    let (desired, mut observed) = budget(0);
    let first: jiff::Timestamp = "2026-12-01T00:01:00Z".parse().unwrap();
    observed.account.deploys_this_month = 2;
    let state = plan(&desired, &observed, first.into()).budget.unwrap();
    assert_eq!(state.empty_at, None);
}

// Safety rails.

/// So many of so many sites are due.
fn some_of(count: usize, total: usize) -> (Desired, Observed) {
    let (mut desired, mut observed) = due(total as u64);
    desired.limits.builds_at_once = Share(50);
    for seen in observed.sites.values_mut().skip(count) {
        *seen = built("b");
    }
    (desired, observed)
}

#[test]
fn too_many_builds_at_once_are_refused_with_both_numbers() {
    for (count, total, refused) in [(5, 10, false), (6, 10, true), (9, 9, false), (12, 14, true)] {
        let (desired, observed) = some_of(count, total);
        let plan = plan(&desired, &observed, NOW);
        let limit = Share(50);
        let expected = Decision::Attention(Attention::Refused(Refusal {
            count,
            total,
            limit,
        }));
        assert_eq!(*of(&plan, "s00") == expected, refused, "{count} of {total}");
        assert_eq!(plan.counts.build, if refused { 0 } else { count });
    }
}

#[test]
fn what_somebody_let_through_is_built_and_not_counted() {
    let (mut desired, observed) = some_of(6, 10);
    desired.sites.get_mut("s00").unwrap().approved = Some(hash("b"));
    assert_eq!(
        plan(&desired, &observed, NOW).counts.build,
        6,
        "5 of 10 are left"
    );

    let (mut desired, observed) = some_of(8, 10);
    desired.sites.get_mut("s00").unwrap().approved = Some(hash("b"));
    desired.sites.get_mut("s01").unwrap().approved = Some(hash("another"));
    desired.sites.get_mut("s02").unwrap().rebuild = Some(request());
    let plan = plan(&desired, &observed, NOW);
    assert_eq!(built_sites(&plan), ["s00", "s02"]);
    assert!(matches!(
        of(&plan, "s01"),
        Decision::Attention(Attention::Refused(Refusal {
            count: 7,
            total: 10,
            ..
        }))
    ));
}

/// Seven of twelve sites are due, which is too many.
fn seven_of_twelve() -> (Desired, Observed) {
    some_of(7, 12)
}

#[test]
fn a_site_that_somebody_asked_for_is_built_and_frees_no_other() {
    let (mut desired, observed) = seven_of_twelve();
    desired.sites.get_mut("s01").unwrap().rebuild = Some(request());
    let plan = plan(&desired, &observed, NOW);
    assert_eq!(built_sites(&plan), ["s01"]);
    assert_eq!(plan.counts.attention, 6);
}

/// Notes what came of a look, as the loop does.
fn look(desired: &Desired, observed: &mut Observed) -> Plan {
    let plan = plan(desired, observed, NOW);
    for (site, wanted) in notes(&plan, observed) {
        observed.sites.get_mut(&site).unwrap().wanted = wanted;
    }
    assert_eq!(notes(&plan, observed), [], "noted once");
    plan
}

#[test]
fn what_was_stopped_stays_so_when_fewer_are_left() {
    let (mut desired, mut observed) = seven_of_twelve();
    assert_eq!(look(&desired, &mut observed).counts.attention, 7);
    // Asked for, and built.
    *observed.sites.get_mut("s01").unwrap() = built("b");
    let left = look(&desired, &mut observed);
    assert_eq!((left.counts.build, left.counts.attention), (0, 6));
    let refused = Decision::Attention(Attention::Refused(Refusal {
        count: 7,
        total: 12,
        limit: Share(50),
    }));
    assert_eq!(*of(&left, "s02"), refused);

    // Other content is another matter; and so is what somebody let through, or named.
    desired.sites.insert(name("s11"), wants("c"));
    observed.sites.get_mut("s11").unwrap().wanted = noted("c", ago(3_600), ago(3_600));
    assert!(look(&desired, &mut observed).counts.build == 0, "7 again");
    desired.sites.insert(name("s11"), wants("b"));
    desired.sites.get_mut("s02").unwrap().approved = Some(hash("b"));
    assert_eq!(built_sites(&look(&desired, &mut observed)), ["s02"]);
    let named = Desired {
        asked_at: Some(NOW),
        only: Some([name("s03")].into()),
        ..desired.clone()
    };
    assert_eq!(built_sites(&plan(&named, &observed, NOW)), ["s03"]);
    desired.sites.insert(name("s04"), wants("c"));
    observed.sites.get_mut("s04").unwrap().wanted = noted("c", ago(600), ago(600));
    assert_eq!(built_sites(&look(&desired, &mut observed)), ["s02", "s04"]);
}

#[test]
fn a_limit_that_is_raised_lets_through_what_was_stopped() {
    let (mut desired, mut observed) = seven_of_twelve();
    look(&desired, &mut observed);
    desired.limits.builds_at_once = Share(60);
    assert_eq!(look(&desired, &mut observed).counts.build, 7);
}

#[test]
fn a_request_for_what_is_built_already_is_no_part_of_a_flood() {
    let (mut desired, observed) = some_of(6, 12);
    desired.sites.get_mut("s11").unwrap().rebuild = Some(request());
    assert_eq!(plan(&desired, &observed, NOW).counts.build, 7);
}

#[test]
fn a_site_that_waits_for_something_else_frees_no_other() {
    type Change = fn(&mut DesiredSite, &mut ObservedSite);
    let changes: [(&str, Change); 4] = [
        ("paused", |site, _| site.hold = Some(hold(None))),
        ("settling", |site, _| {
            (site.timing.debounce, site.timing.max_wait) = (seconds(7_200), seconds(7_200));
        }),
        ("in back-off", |_, seen| seen.trouble = Some(trouble(1))),
        ("other content flies", |_, seen| {
            seen.flight = Some(claimed("c"));
        }),
    ];
    for (what, change) in changes {
        let (mut desired, mut observed) = seven_of_twelve();
        change(
            desired.sites.get_mut("s02").unwrap(),
            observed.sites.get_mut("s02").unwrap(),
        );
        let plan = plan(&desired, &observed, NOW);
        assert_eq!(built_sites(&plan), [""; 0], "{what}");
        assert!(matches!(of(&plan, "s02"), Decision::Wait { .. }), "{what}");
        assert_eq!(plan.counts.attention, 6, "{what}");
    }
}

#[test]
fn what_many_people_write_at_a_busy_hour_is_no_flood() {
    let (desired, mut observed) = some_of(12, 12);
    for (place, seen) in observed.sites.values_mut().enumerate() {
        let since = ago(3_600 - 61 * place as u64);
        seen.wanted = noted("b", since, since);
    }
    assert_eq!(plan(&desired, &observed, NOW).counts.attention, 0);
}

#[test]
fn a_change_of_all_sites_is_refused_though_half_of_them_settle_for_longer() {
    let (mut desired, mut observed) = some_of(12, 12);
    for (place, (name, site)) in desired.sites.iter_mut().enumerate() {
        site.timing.debounce = seconds(if place < 6 { 1 } else { 5 });
        observed.sites.get_mut(name).unwrap().wanted = noted("b", NOW, NOW);
    }
    for (at, attention, wait) in [(1, 6, 6), (5, 12, 0)] {
        let counts = plan(&desired, &observed, later(at)).counts;
        assert_eq!((counts.build, counts.attention), (0, attention));
        assert_eq!(counts.wait, wait);
    }
}

#[test]
fn what_is_not_built_by_itself_is_no_part_of_a_flood() {
    type Change = fn(&mut ObservedSite);
    let changes: [(&str, Change); 3] = [
        ("the builder failed on it", |seen| {
            seen.broken = Some(broken("b"));
        }),
        ("no retry helps", |seen| {
            seen.trouble = Some(Trouble {
                stalled: true,
                ..trouble(1)
            });
        }),
        ("its build is on its way", |seen| {
            seen.flight = Some(claimed("b"));
        }),
    ];
    for (what, change) in changes {
        let (desired, mut observed) = seven_of_twelve();
        change(observed.sites.get_mut("s02").unwrap());
        assert_eq!(plan(&desired, &observed, NOW).counts.build, 6, "{what}");
    }
}

#[test]
fn other_content_takes_no_place_in_the_air_past_the_rail() {
    let (desired, mut observed) = some_of(8, 10);
    for seen in observed.sites.values_mut().take(8) {
        seen.flight = Some(unknown("c"));
    }
    let plan = plan(&desired, &observed, NOW);
    assert_eq!((plan.counts.build, plan.counts.attention), (0, 8));
}

#[test]
fn taking_over_builds_of_dead_holders_is_no_flood() {
    let (desired, mut observed) = some_of(8, 10);
    for seen in observed.sites.values_mut().take(8) {
        seen.flight = Some(Flight {
            lease_until: NOW,
            ..claimed("b")
        });
    }
    assert_eq!(plan(&desired, &observed, NOW).counts.build, 8);
}

#[test]
fn sites_that_are_to_be_forgotten_are_not_part_of_the_estate() {
    let (mut desired, observed) = some_of(6, 12);
    for site in desired.sites.values_mut().skip(10) {
        site.target = None;
    }
    let plan = plan(&desired, &observed, NOW);
    assert!(matches!(
        of(&plan, "s00"),
        Decision::Attention(Attention::Refused(Refusal {
            count: 6,
            total: 10,
            ..
        }))
    ));
}

#[test]
fn a_share_of_all_sites_is_taken_also_when_few_are_planned() {
    let (mut desired, observed) = some_of(10, 20);
    desired.only = Some(desired.sites.keys().take(6).cloned().collect());
    assert_eq!(plan(&desired, &observed, NOW).counts.build, 6);
}
