//! Random histories: whatever happened, every site ends up built from what it wants.
//!
//! The store is a model of a few lines with the semantics of the real one: a claim ends the build
//! whose place it takes, is refused where another build flies or a limit is reached, takes a
//! request away and gives it back when nothing was started; a late record changes nothing;
//! forgetting a site ends its build.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::model::{Account, Budget, Limits, Share};

const SITES: usize = 4;
const CONTENTS: [&str; 4] = ["a", "b", "c", "d"];

/// What comes of a claim, and after how many seconds.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Accepted(u64),
    Failed(u64),
    Retry(u64),
    /// A gateway fails, behind which the build starts all the same.
    Doubtful(u64),
    Stalled(u64),
    /// No answer; perhaps news later.
    Unknown(u64, Option<u64>),
    /// The holder dies after it fired.
    Dies,
    /// The holder sleeps until its claim is taken over, and reports then.
    Late(u64),
    Moved(u64),
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Wants(usize, usize),
    Unreadable(usize),
    Pause(usize, Option<u64>),
    Resume(usize),
    Rebuild(usize),
    /// Somebody runs a one-shot pass.
    Explicit,
    /// The site is no longer declared, until it wants something again.
    Remove(usize),
}

#[derive(Clone, Debug)]
struct History {
    /// Seconds until each event, and the event.
    events: Vec<(u64, Event)>,
    /// Used in turn; after the last of them everything is accepted.
    fates: Vec<Fate>,
    limits: Limits,
    budget: Option<u32>,
    debounce: u64,
}

fn any_fate() -> impl Strategy<Value = Fate> {
    let delay = 0..40_u64;
    prop_oneof![
        4 => delay.clone().prop_map(Fate::Accepted),
        2 => delay.clone().prop_map(Fate::Failed),
        2 => delay.clone().prop_map(Fate::Retry),
        1 => delay.clone().prop_map(Fate::Doubtful),
        1 => delay.clone().prop_map(Fate::Stalled),
        3 => (delay.clone(), prop::option::of(0..3_000_u64))
            .prop_map(|(delay, news)| Fate::Unknown(delay, news)),
        1 => Just(Fate::Dies),
        1 => (16..60_u64).prop_map(Fate::Late),
        1 => delay.prop_map(Fate::Moved),
    ]
}

fn any_event() -> impl Strategy<Value = Event> {
    let site = 0..SITES;
    prop_oneof![
        8 => (site.clone(), 0..CONTENTS.len()).prop_map(|(site, content)| Event::Wants(site, content)),
        1 => site.clone().prop_map(Event::Unreadable),
        1 => (site.clone(), prop::option::of(1..5_000_u64)).prop_map(|(site, until)| Event::Pause(site, until)),
        1 => site.clone().prop_map(Event::Resume),
        2 => site.clone().prop_map(Event::Rebuild),
        1 => site.prop_map(Event::Remove),
        1 => Just(Event::Explicit),
    ]
}

fn any_history() -> impl Strategy<Value = History> {
    let after = prop_oneof![4 => 0..15_u64, 1 => 0..4_000_u64];
    (
        vec((after, any_event()), 0..40),
        vec(any_fate(), 0..25),
        (1..4_u32, 1..4_u32),
        prop::option::of(3..40_u32),
        prop_oneof![Just(0), 1..30_u64],
    )
        .prop_map(
            |(events, fates, (per_minute, in_flight), budget, debounce)| History {
                events,
                fates,
                limits: Limits {
                    builds_per_minute: per_minute,
                    builds_in_flight: in_flight,
                    builds_at_once: Share(100),
                    removals_at_once: Share(100),
                },
                budget,
                debounce,
            },
        )
}

/// What a build's holder or builder will report, and when.
#[derive(Clone, Debug)]
enum News {
    Outcome(Fate),
    /// After an unknown outcome: it was taken after all.
    Taken,
}

struct Flown {
    site: SiteName,
    build: BuildId,
    print: Fingerprint,
    request: Option<Rebuild>,
}

struct World {
    now: Millis,
    desired: Desired,
    observed: Observed,
    debounce: u64,
    /// Claim times of all builds, oldest first.
    fired: Vec<Millis>,
    /// Deploys by month.
    spent: BTreeMap<Millis, u32>,
    fates: std::vec::IntoIter<Fate>,
    /// By time, then in order.
    news: BTreeMap<(Millis, usize), (Flown, News)>,
    builds: usize,
    /// What each site shows outside, whatever anybody knows of it: the content of the last build
    /// that was started and did not fail.
    shows: BTreeMap<SiteName, ContentHash>,
    /// When a build was last asked for, and when the last one that answers it was started.
    asked: BTreeMap<SiteName, Millis>,
    started: BTreeMap<SiteName, Millis>,
    looks: usize,
}

/// The last site is built on the spot, and shares no limit.
fn declared(place: usize, debounce: u64) -> DesiredSite {
    let mut site = wants("a");
    site.timing.debounce = seconds(debounce);
    if place == SITES - 1 {
        site.builder = BuilderKind::Render;
    }
    site
}

impl World {
    fn new(history: &History) -> Self {
        let mut desired = Desired {
            limits: history.limits,
            budget: history
                .budget
                .map(|deploys_per_month| Budget { deploys_per_month }),
            ..Desired::default()
        };
        for place in 0..SITES {
            desired.sites.insert(
                name(&format!("s{place}")),
                declared(place, history.debounce),
            );
        }
        Self {
            now: NOW,
            observed: Observed {
                sites: desired
                    .sites
                    .keys()
                    .map(|name| (name.clone(), ObservedSite::default()))
                    .collect(),
                account: Account::default(),
            },
            desired,
            debounce: history.debounce,
            fired: Vec::new(),
            spent: BTreeMap::new(),
            fates: history.fates.clone().into_iter(),
            news: BTreeMap::new(),
            builds: 0,
            shows: BTreeMap::new(),
            asked: BTreeMap::new(),
            started: BTreeMap::new(),
            looks: 0,
        }
    }

    fn hosted(&self, site: &SiteName) -> bool {
        self.desired.sites[site].builder.is_hosted()
    }

    /// As the store counts it at any time.
    fn account(&mut self) {
        let in_flight = self
            .observed
            .sites
            .iter()
            .filter(|(name, seen)| seen.flight.is_some() && self.hosted(name))
            .count();
        let now = self.now;
        self.observed.account = Account {
            in_flight: in_flight as u32,
            fired: self
                .fired
                .iter()
                .copied()
                .filter(|at| at.0 > now.0 - 60_000)
                .collect(),
            deploys_this_month: self.spent.get(&now.month().0).copied().unwrap_or(0),
        };
    }

    /// One pass: plan, check it, note, claim. Answers the plan and whether anything was done.
    fn pass(&mut self, asked: bool) -> (Plan, bool) {
        self.account();
        self.desired.asked_at = asked.then_some(self.now);
        let plan = plan(&self.desired, &self.observed, self.now);
        self.desired.asked_at = None;
        assert!(
            plan.next_look().is_none_or(|at| at > self.now),
            "looks in the past: {plan:?}"
        );
        for (site, wanted) in notes(&plan, &self.observed) {
            self.observed.sites.get_mut(&site).unwrap().wanted = wanted;
        }
        assert_eq!(
            notes(&plan, &self.observed),
            [],
            "noting twice notes nothing"
        );
        let mut acted = false;
        for site in &plan.sites {
            if let Decision::Build(trigger) = &site.decision {
                self.claim(&site.site, trigger);
                acted = true;
            } else if site.decision == Decision::Forget {
                self.desired.sites.remove(&site.site);
                self.observed.sites.remove(&site.site);
                acted = true;
            }
        }
        (plan, acted)
    }

    /// What is planned is never refused: the planner knows all rules that the store enforces.
    fn claim(&mut self, site: &SiteName, trigger: &Trigger) {
        let now = self.now;
        let hosted = self.hosted(site);
        let seen = self.observed.sites.get_mut(site).unwrap();
        match (&seen.flight, &trigger.replaces) {
            (None, None) => {}
            (Some(flight), Some(replaced)) if flight.build == *replaced => {
                let over = match flight.state {
                    BuildState::Claimed => flight.lease_until <= now,
                    _ => {
                        let wanted = trigger.fingerprint.hash();
                        let asked = matches!(trigger.cause, Cause::Requested(_));
                        flight.deadline <= now || flight.hash != wanted || asked
                    }
                };
                assert!(over, "fired again blindly: {flight:?}");
                if flight.state == BuildState::Unknown && flight.deadline <= now {
                    let before = seen.vain.take().filter(|vain| vain.hash == flight.hash);
                    seen.vain = Some(Vain {
                        hash: flight.hash,
                        count: before.map_or(0, |vain| vain.count) + 1,
                        at: flight.deadline,
                        error: "no answer".into(),
                    });
                }
                seen.flight = None;
                seen.uncertain = true;
            }
            other => panic!("two builds in flight: {other:?}"),
        }
        self.builds += 1;
        let build = BuildId::new(format!("build-{}", self.builds));
        seen.flight = Some(Flight {
            build: build.clone(),
            hash: trigger.fingerprint.hash(),
            state: BuildState::Claimed,
            since: now,
            holder: HolderId::new("me"),
            lease_until: now.plus(seconds(15)),
            deadline: now.plus(trigger.timeout),
            fence: self.builds as i64,
            request: match &trigger.cause {
                Cause::Requested(rebuild) => Some(rebuild.clone()),
                _ => None,
            },
        });
        let request = self.desired.sites.get_mut(site).unwrap().rebuild.take();
        if hosted {
            self.fired.push(now);
            *self.spent.entry(now.month().0).or_default() += 1;
            self.account();
            let account = &self.observed.account;
            assert!(account.in_flight <= self.desired.limits.builds_in_flight);
            assert!(account.fired.len() <= self.desired.limits.builds_per_minute as usize);
            if let Some(budget) = self.desired.budget {
                assert!(account.deploys_this_month <= budget.deploys_per_month);
            }
        }
        let flown = Flown {
            site: site.clone(),
            build,
            print: trigger.fingerprint,
            request,
        };
        let fate = self.fates.next().unwrap_or(Fate::Accepted(3));
        match fate {
            Fate::Accepted(_)
            | Fate::Unknown(..)
            | Fate::Dies
            | Fate::Late(_)
            | Fate::Doubtful(_) => {
                self.shows.insert(site.clone(), flown.print.hash());
                self.started.insert(site.clone(), now);
            }
            Fate::Failed(_) => _ = self.started.insert(site.clone(), now),
            Fate::Retry(_) | Fate::Stalled(_) | Fate::Moved(_) => {}
        }
        let after = match fate {
            Fate::Dies => return,
            Fate::Accepted(after)
            | Fate::Failed(after)
            | Fate::Retry(after)
            | Fate::Doubtful(after)
            | Fate::Stalled(after)
            | Fate::Unknown(after, _)
            | Fate::Late(after)
            | Fate::Moved(after) => after,
        };
        self.expect(after, flown, News::Outcome(fate));
    }

    fn expect(&mut self, after: u64, flown: Flown, news: News) {
        let at = self.now.plus(seconds(after));
        let place = self.news.len() + self.builds * 1_000;
        self.news.insert((at, place), (flown, news));
    }

    /// Holders that are alive renew their leases in time.
    fn renew(&mut self) {
        for (flown, news) in self.news.values() {
            if matches!(news, News::Outcome(Fate::Late(_))) {
                continue;
            }
            let seen = self.observed.sites.get_mut(&flown.site);
            if let Some(flight) = seen.and_then(|seen| seen.flight.as_mut())
                && flight.build == flown.build
                && flight.state == BuildState::Claimed
            {
                flight.lease_until = self.now.plus(seconds(15));
            }
        }
    }

    /// Records what came of a build, unless it was taken over.
    fn record(&mut self, flown: Flown, news: News) {
        let now = self.now;
        let Some(seen) = self.observed.sites.get_mut(&flown.site) else {
            return;
        };
        let Some(flight) = seen
            .flight
            .as_mut()
            .filter(|flight| flight.build == flown.build)
        else {
            return;
        };
        let (hash, since) = (flown.print.hash(), flight.since);
        let fate = match news {
            News::Taken => Fate::Accepted(0),
            News::Outcome(fate) => fate,
        };
        match fate {
            Fate::Unknown(_, news) => {
                flight.state = BuildState::Unknown;
                if let Some(after) = news {
                    self.expect(after, flown, News::Taken);
                }
                return;
            }
            Fate::Accepted(_) | Fate::Late(_) => {
                *seen = ObservedSite {
                    built: Some(Built {
                        fingerprint: flown.print,
                        hash,
                        at: since,
                    }),
                    wanted: seen
                        .wanted
                        .filter(|wanted| wanted.hash != hash)
                        .map(|wanted| Wanted {
                            drift_since: wanted.drift_since.max(since),
                            ..wanted
                        }),
                    ..ObservedSite::default()
                };
                return;
            }
            Fate::Failed(_) => {
                seen.broken = Some(Broken {
                    hash,
                    at: now,
                    error: "exit code 2".into(),
                });
                seen.trouble = None;
                seen.vain = None;
                seen.flight = None;
                return;
            }
            Fate::Retry(_) | Fate::Doubtful(_) | Fate::Stalled(_) => {
                seen.uncertain |= matches!(fate, Fate::Doubtful(_));
                seen.trouble = Some(Trouble {
                    failures: seen.trouble.as_ref().map_or(0, |trouble| trouble.failures) + 1,
                    at: now,
                    error: "502 Bad Gateway".into(),
                    after: None,
                    stalled: matches!(fate, Fate::Stalled(_)),
                });
            }
            Fate::Moved(_) => {
                let before = seen.vain.take().filter(|vain| vain.hash == hash);
                seen.vain = Some(Vain {
                    hash,
                    count: before.map_or(0, |vain| vain.count) + 1,
                    at: now,
                    error: "a.md has changed".into(),
                });
            }
            Fate::Dies => {}
        }
        seen.flight = None;
        let site = self.desired.sites.get_mut(&flown.site).unwrap();
        site.rebuild = site.rebuild.take().or(flown.request);
        if self.hosted(&flown.site) {
            let spent = self.spent.entry(since.month().0).or_default();
            *spent -= 1;
        }
    }

    fn forgive(&mut self, site: &SiteName) {
        let seen = self.observed.sites.get_mut(site).unwrap();
        (seen.trouble, seen.broken, seen.vain) = (None, None, None);
    }

    fn happen(&mut self, event: Event) {
        let place = match event {
            Event::Wants(site, _)
            | Event::Unreadable(site)
            | Event::Pause(site, _)
            | Event::Resume(site)
            | Event::Rebuild(site)
            | Event::Remove(site) => site,
            Event::Explicit => {
                self.pass(true);
                return;
            }
        };
        let key = name(&format!("s{place}"));
        let now = self.now;
        if let Event::Wants(..) = event
            && !self.desired.sites.contains_key(&key)
        {
            self.desired
                .sites
                .insert(key.clone(), declared(place, self.debounce));
            self.observed
                .sites
                .insert(key.clone(), ObservedSite::default());
        }
        let Some(site) = self.desired.sites.get_mut(&key) else {
            return;
        };
        match event {
            Event::Wants(_, content) => {
                site.target = Some(Ok(Target::from(print(CONTENTS[content]))));
            }
            Event::Remove(_) => {
                site.target = None;
                self.asked.remove(&key);
            }
            Event::Unreadable(_) => {
                site.target = Some(Err(InputProblem {
                    message: "cannot be read".into(),
                }));
            }
            Event::Pause(_, until) => {
                site.hold = Some(hold(until.map(|until| now.plus(seconds(until)))));
            }
            Event::Resume(_) => {
                site.hold = None;
                self.forgive(&key);
            }
            Event::Rebuild(_) => {
                site.rebuild = Some(Rebuild {
                    at: now,
                    ..request()
                });
                self.forgive(&key);
                self.asked.insert(key, now);
            }
            Event::Explicit => {}
        }
    }

    fn live(&mut self, events: &[(u64, Event)]) {
        for (after, event) in events {
            let at = self.now.plus(seconds(*after));
            self.run(Some(at));
            self.happen(*event);
        }
    }

    /// Goes on, looking only when a plan says so or something happens, until `end`; `None`: until
    /// nothing is left to wait for.
    fn run(&mut self, end: Option<Millis>) {
        loop {
            self.looks += 1;
            assert!(self.looks < 20_000, "never comes to rest");
            let (plan, acted) = self.pass(false);
            if acted {
                continue;
            }
            let told = self.news.keys().next().map(|(at, _)| *at);
            let next = plan.next_look().into_iter().chain(told).min();
            let Some(next) = next.filter(|next| end.is_none_or(|end| *next <= end)) else {
                self.now = end.unwrap_or(self.now);
                self.renew();
                return;
            };
            self.now = self.now.max(next);
            self.renew();
            if let Some(entry) = self.news.first_entry()
                && entry.key().0 <= self.now
            {
                let (flown, news) = entry.remove();
                self.record(flown, news);
            }
        }
    }
}

/// Lives through a history. Afterwards people see to what is held, broken or stalled, and in the
/// end everything works.
fn to_the_end(history: &History) -> World {
    let mut world = World::new(history);
    world.live(&history.events);
    // As often as something can still go wrong, and once more.
    for _ in 0..history.fates.len() + 1 {
        for place in 0..SITES {
            let key = name(&format!("s{place}"));
            let site = world.desired.sites.get(&key);
            if !site.is_some_and(|site| matches!(site.target, Some(Ok(_)))) {
                world.happen(Event::Wants(place, 0));
            }
            world.happen(Event::Resume(place));
        }
        world.run(None);
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_history_ends_with_every_site_built_from_what_it_wants(history in any_history()) {
        let mut world = to_the_end(&history);
        let (plan, acted) = world.pass(false);
        prop_assert!(!acted);
        prop_assert_eq!(plan.counts, Counts { unchanged: SITES, ..Counts::default() }, "{:?}", plan);
        prop_assert_eq!(plan.next_look(), None);
        for (site, seen) in &world.observed.sites {
            let Some(Ok(target)) = &world.desired.sites[site].target else { panic!("not readable") };
            prop_assert_eq!(seen.built.as_ref().map(|built| built.hash), Some(target.hash));
            prop_assert_eq!(world.shows[site], target.hash, "shown");
            prop_assert!(world.asked.get(site) <= world.started.get(site));
            prop_assert!(!seen.uncertain && seen.flight.is_none() && seen.wanted.is_none());
            prop_assert!(world.desired.sites[site].rebuild.is_none());
        }
    }

    #[test]
    fn a_plan_is_the_same_every_time_and_in_whatever_order_sites_were_found(
        history in any_history(), at in 0..5_000_u64,
    ) {
        let mut world = World::new(&history);
        world.live(&history.events);
        world.account();
        let now = world.now.plus(seconds(at));
        let first = plan(&world.desired, &world.observed, now);
        prop_assert_eq!(&first, &plan(&world.desired, &world.observed, now));
        let desired = Desired {
            sites: world.desired.sites.clone().into_iter().rev().collect(),
            ..world.desired.clone()
        };
        let observed = Observed {
            sites: world.observed.sites.clone().into_iter().rev().collect(),
            ..world.observed.clone()
        };
        prop_assert_eq!(&first, &plan(&desired, &observed, now));
        let Counts { build, wait, attention, forget, unchanged } = first.counts;
        prop_assert_eq!(build + wait + attention + forget + unchanged, first.sites.len());
    }
}
