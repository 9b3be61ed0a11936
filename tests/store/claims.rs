use std::collections::BTreeSet;
use std::sync::Arc;

use microblot::model::{Budget, BuildState, BuilderKind, Hold, Limits, Millis, Outcome, Rebuild};
use microblot::store::{Claim, ClaimRequest, Recorded, Store};

use crate::fixture::{
    Db, LEASE, ROOMY, ann, build, claim, claim_as, content, declare, everything, fingerprint,
    forget, holder, name, names, record, request, row, try_claim, with_foo,
};

on_both!(
    a_claim_is_stored_with_all_that_it_needs,
    one_of_sixteen_claims_a_site,
    one_content_is_built_once,
    limits_hold_for_claims_at_the_same_moment,
    the_limit_per_minute_looks_back_a_minute,
    a_budget_is_of_a_month,
    only_hosted_builds_are_limited,
    the_database_itself_refuses_a_second_flight,
    a_living_holder_is_not_robbed,
    a_dead_holders_claim_is_taken_over,
    an_unknown_build_gives_way,
    builds_that_nobody_answered_are_counted,
    a_build_that_ended_meanwhile_is_not_replaced,
    what_happened_since_the_decision_makes_it_void,
    a_holder_renews_only_its_own,
    heartbeats_and_records_do_not_stop_each_other,
    a_request_is_answered_once,
    a_refused_claim_changes_nothing,
);

async fn a_claim_is_stored_with_all_that_it_needs(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let manifest = content(1);
    let claims = try_claim(&store, &[request(&foo, &manifest)]).await;
    assert_eq!(claims.len(), 1);
    assert_eq!(claims[0].site(), foo.id);
    let after = row(&store, "foo").await;
    assert_eq!(after.observed.fence, foo.observed.fence + 1);
    assert_eq!(after.observed.built, None);
    let hash = manifest.fingerprint().hash();
    assert_eq!(store.manifest(&hash).await.unwrap(), Some(manifest));
    let listed = store.builds(&foo.id, 9).await.unwrap().remove(0);
    assert_eq!(listed.id, *claims[0].build());
    assert_eq!(listed.content_hash, hash.to_string());
    assert_eq!(
        (listed.builder.as_str(), listed.reason.as_str()),
        ("netlify", "posts changed")
    );
    assert_eq!(listed.state, BuildState::Claimed);
    assert_eq!((listed.ended_at, listed.detail), (None, None));
}

async fn one_of_sixteen_claims_a_site(db: Db) {
    let (store, _) = with_foo(&db).await;
    for number in 0..5 {
        let foo = row(&store, "foo").await;
        let due = Arc::new([request(&foo, &content(number))]);
        let mut tasks = Vec::new();
        for who in 0..16 {
            let store = if who % 2 == 0 {
                store.clone()
            } else {
                db.open().await
            };
            let due = due.clone();
            tasks.push(tokio::spawn(async move {
                claim_as(&who.to_string(), &store, due.as_slice())
                    .await
                    .unwrap()
            }));
        }
        let mut won = Vec::new();
        for task in tasks {
            won.extend(task.await.unwrap());
        }
        assert_eq!(won.len(), 1);
        assert_eq!(
            row(&store, "foo").await.observed.fence,
            foo.observed.fence + 1
        );
        record(&store, &won[0], Outcome::Live).await;
    }
    assert_eq!(
        store
            .builds(&row(&store, "foo").await.id, 99)
            .await
            .unwrap()
            .len(),
        5
    );
}

/// Sixteen replicas decide on the same state, and carry it out at their own pace: some when the
/// build of another one is over already.
async fn one_content_is_built_once(db: Db) {
    let store = db.open().await;
    let sites = names("site", 10);
    let rows = declare(&store, &sites).await;
    let mut tasks = Vec::new();
    for who in 0..16 {
        let store = if who % 4 == 0 {
            db.open().await
        } else {
            store.clone()
        };
        let mut due: Vec<_> = rows.iter().map(|row| request(row, &content(7))).collect();
        due.rotate_left(who % 10);
        tasks.push(tokio::spawn(async move {
            for request in due {
                for claim in claim_as(&who.to_string(), &store, &[request])
                    .await
                    .unwrap()
                {
                    record(&store, &claim, Outcome::Accepted).await;
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    for row in &rows {
        assert_eq!(
            store.builds(&row.id, 99).await.unwrap().len(),
            1,
            "{}",
            row.name
        );
    }
}

async fn limits_hold_for_claims_at_the_same_moment(db: Db) {
    let limits = [
        (
            Limits {
                builds_in_flight: 7,
                ..ROOMY
            },
            None,
            7,
        ),
        (
            Limits {
                builds_per_minute: 11,
                ..ROOMY
            },
            None,
            11,
        ),
        (
            ROOMY,
            Some(Budget {
                deploys_per_month: 13,
            }),
            13,
        ),
    ];
    let store = db.open().await;
    for (round, (limits, budget, expected)) in limits.into_iter().enumerate() {
        let rows = declare(&store, &names(&format!("r{round}"), 50)).await;
        let mut tasks = Vec::new();
        for who in 0..16 {
            let store = if who % 4 == 0 {
                db.open().await
            } else {
                store.clone()
            };
            // Everybody begins elsewhere, so that not all fight for the same site.
            let mut due: Vec<_> = rows.iter().map(|row| request(row, &content(1))).collect();
            due.rotate_left(who * 3);
            tasks.push(tokio::spawn(async move {
                let who = holder(&who.to_string());
                let mut won = Vec::new();
                for due in due.chunks(9) {
                    won.extend(
                        store
                            .claim(due, &who, LEASE, &limits, budget)
                            .await
                            .unwrap(),
                    );
                }
                won
            }));
        }
        let mut won: Vec<Claim> = Vec::new();
        for task in tasks {
            won.extend(task.await.unwrap());
        }
        assert_eq!(won.len(), expected, "{limits:?} {budget:?}");
        let distinct: BTreeSet<_> = won.iter().map(Claim::site).collect();
        assert_eq!(distinct.len(), expected);
        let account = everything(&store).await.account;
        assert_eq!(account.in_flight as usize, expected);
        assert_eq!(account.deploys_this_month as usize, expected);
        // A clean slate for the next limit.
        let records: Vec<_> = won
            .into_iter()
            .map(|claim| (claim, Outcome::Live))
            .collect();
        store.record(&records).await.unwrap();
        let mut raw = db.raw().await;
        raw.run("UPDATE build SET claimed_at = claimed_at - 3600000")
            .await;
        raw.run("DELETE FROM spend").await;
    }
}

async fn the_limit_per_minute_looks_back_a_minute(db: Db) {
    let store = db.open().await;
    let rows = declare(&store, &names("site", 4)).await;
    let due: Vec<_> = rows.iter().map(|row| request(row, &content(1))).collect();
    let limits = Limits {
        builds_per_minute: 2,
        ..ROOMY
    };
    let claim = async || {
        store
            .claim(&due, &holder("me"), LEASE, &limits, None)
            .await
            .unwrap()
    };
    let first = claim().await;
    let ids: Vec<_> = first.iter().map(Claim::site).collect();
    assert_eq!(
        ids,
        [&*rows[0].id, &*rows[1].id],
        "in the order of the plan"
    );
    assert!(claim().await.is_empty());
    db.raw()
        .await
        .run("UPDATE build SET claimed_at = claimed_at - 60001")
        .await;
    assert_eq!(claim().await.len(), 2);
}

async fn a_budget_is_of_a_month(db: Db) {
    let store = db.open().await;
    let rows = declare(&store, &names("site", 3)).await;
    let due: Vec<_> = rows.iter().map(|row| request(row, &content(1))).collect();
    let budget = Some(Budget {
        deploys_per_month: 2,
    });
    let claim = async || {
        store
            .claim(&due, &holder("me"), LEASE, &ROOMY, budget)
            .await
            .unwrap()
    };
    assert_eq!(claim().await.len(), 2);
    assert!(claim().await.is_empty());
    db.raw()
        .await
        .run("UPDATE spend SET month = month - 1")
        .await;
    assert_eq!(claim().await.len(), 1);
}

async fn only_hosted_builds_are_limited(db: Db) {
    let store = db.open().await;
    let rows = declare(&store, &names("site", 6)).await;
    let due: Vec<_> = rows
        .iter()
        .enumerate()
        .map(|(i, row)| ClaimRequest {
            builder: if i % 2 == 0 {
                BuilderKind::Netlify
            } else {
                BuilderKind::Render
            },
            ..request(row, &content(1))
        })
        .collect();
    let limits = Limits {
        builds_in_flight: 1,
        builds_per_minute: 1,
        ..ROOMY
    };
    let budget = Some(Budget {
        deploys_per_month: 1,
    });
    let claims = store
        .claim(&due, &holder("me"), LEASE, &limits, budget)
        .await
        .unwrap();
    let sites: BTreeSet<_> = claims.iter().map(Claim::site).collect();
    let expected: BTreeSet<_> = [0, 1, 3, 5].iter().map(|i| &*rows[*i].id).collect();
    assert_eq!(sites, expected);
    assert_eq!(everything(&store).await.account.deploys_this_month, 1);
}

async fn the_database_itself_refuses_a_second_flight(db: Db) {
    let (store, _) = with_foo(&db).await;
    let first = claim(&store, "foo", 1).await;
    let mut raw = db.raw().await;
    let again = "INSERT INTO build (id, site, content_hash, fence, builder, hosted, reason, state, \
                 holder, claimed_at, lease_until, deadline, ended_at) \
                 SELECT 'x', site, content_hash, fence + 1, builder, hosted, reason, 'claimed', \
                 'thief', claimed_at, lease_until, deadline, NULL FROM build";
    let refused = raw.try_run(again).await.unwrap_err();
    let database = refused.as_database_error().unwrap();
    assert!(database.is_unique_violation(), "{refused}");
    // Not even under the right fence.
    let foo = row(&store, "foo").await;
    assert!(
        try_claim(&store, &[request(&foo, &content(2))])
            .await
            .is_empty()
    );
    record(&store, &first, Outcome::Live).await;
    raw.run(again).await;
}

fn replacing(request: ClaimRequest, claim: &Claim) -> ClaimRequest {
    ClaimRequest {
        replaces: Some(claim.build().clone()),
        ..request
    }
}

async fn the_lease_ends(db: &Db) {
    db.raw()
        .await
        .run("UPDATE build SET lease_until = lease_until - 15001 WHERE ended_at IS NULL")
        .await;
}

async fn a_living_holder_is_not_robbed(db: Db) {
    let (store, _) = with_foo(&db).await;
    let first = claim(&store, "foo", 1).await;
    let foo = row(&store, "foo").await;
    let takeover = [replacing(request(&foo, &content(1)), &first)];
    assert!(
        claim_as("thief", &store, &takeover)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(row(&store, "foo").await.observed.fence, foo.observed.fence);
    assert!(!row(&store, "foo").await.observed.uncertain);
    assert_eq!(record(&store, &first, Outcome::Live).await, Recorded::Taken);
}

async fn a_dead_holders_claim_is_taken_over(db: Db) {
    let (store, _) = with_foo(&db).await;
    build(&store, "foo", 1, Outcome::Live).await;
    let dead = claim(&store, "foo", 2).await;
    the_lease_ends(&db).await;
    let foo = row(&store, "foo").await;
    let takeover = [replacing(request(&foo, &content(2)), &dead)];
    // Many see it at once; one takes it over.
    let mut tasks = Vec::new();
    for who in 0..8 {
        let (store, takeover) = (db.open().await, takeover.clone());
        tasks.push(tokio::spawn(async move {
            claim_as(&who.to_string(), &store, &takeover).await.unwrap()
        }));
    }
    let mut won = Vec::new();
    for task in tasks {
        won.extend(task.await.unwrap());
    }
    assert_eq!(won.len(), 1);
    let builds = store.builds(&foo.id, 9).await.unwrap();
    assert_eq!(builds.len(), 3);
    let lost = builds
        .iter()
        .find(|build| build.id == *dead.build())
        .unwrap();
    assert_eq!(lost.state, BuildState::Lost);
    assert!(lost.ended_at.is_some());

    let before = row(&store, "foo").await;
    assert!(before.observed.uncertain);
    assert_eq!(
        before.observed.built.as_ref().unwrap().hash,
        fingerprint(1).hash()
    );
    // The dead holder was only slow: what it says now changes nothing.
    let spent = everything(&store).await.account.deploys_this_month;
    let outbox = store.outbox_depth().await.unwrap();
    for outcome in [
        Outcome::Live,
        Outcome::Failed {
            error: "x".to_owned(),
        },
        Outcome::Retry {
            error: "x".to_owned(),
            after: None,
            doubtful: false,
        },
    ] {
        assert_eq!(record(&store, &dead, outcome).await, Recorded::TooLate);
    }
    let after = row(&store, "foo").await;
    assert_eq!(format!("{after:?}"), format!("{before:?}"));
    assert_eq!(everything(&store).await.account.deploys_this_month, spent);
    assert_eq!(store.outbox_depth().await.unwrap(), outbox);

    assert_eq!(
        record(&store, &won[0], Outcome::Live).await,
        Recorded::Taken
    );
    let settled = row(&store, "foo").await;
    assert!(!settled.observed.uncertain);
    assert_eq!(settled.observed.built.unwrap().hash, fingerprint(2).hash());
}

async fn builds_that_nobody_answered_are_counted(db: Db) {
    let (store, _) = with_foo(&db).await;
    let vain = async || row(&store, "foo").await.observed.vain;
    // Overdue builds of this content in a row, and what is known of them when the next is claimed.
    let mut last = claim(&store, "foo", 1).await;
    for (number, count) in [(1, 1), (1, 2), (2, 3), (2, 1)] {
        let error = "no answer".to_owned();
        record(&store, &last, Outcome::Unknown { error }).await;
        let sql = "UPDATE build SET deadline = 1 WHERE state = 'unknown'";
        db.raw().await.run(sql).await;
        let foo = row(&store, "foo").await;
        let next = [replacing(request(&foo, &content(number)), &last)];
        last = try_claim(&store, &next).await.remove(0);
        let vain = vain().await.unwrap();
        let told = (vain.count, vain.at, vain.error.as_str());
        assert_eq!(told, (count, Millis(1), "no answer"));
    }
    // Nobody knows whether a dead holder sent anything.
    let sql = "UPDATE build SET lease_until = 1, deadline = 1 WHERE ended_at IS NULL";
    db.raw().await.run(sql).await;
    let foo = row(&store, "foo").await;
    let next = [replacing(request(&foo, &content(2)), &last)];
    last = try_claim(&store, &next).await.remove(0);
    assert_eq!(vain().await.map(|vain| vain.count), Some(1));
    record(&store, &last, Outcome::Accepted).await;
    assert_eq!(vain().await, None);
}

async fn an_unknown_build_gives_way(db: Db) {
    let store = db.open().await;
    declare(&store, &["late", "stale"]).await;
    let error = "time-out".to_owned();
    for (site, overdue, state) in [
        ("stale", false, BuildState::Superseded),
        ("late", true, BuildState::Lost),
    ] {
        let unknown = claim(&store, site, 1).await;
        let outcome = Outcome::Unknown {
            error: error.clone(),
        };
        assert_eq!(record(&store, &unknown, outcome).await, Recorded::Taken);
        if overdue {
            let sql = "UPDATE build SET deadline = deadline - 1800001 WHERE state = 'unknown'";
            db.raw().await.run(sql).await;
        }
        // The lease counts no more: its holder has done its part.
        let row_now = row(&store, site).await;
        let newer = [replacing(request(&row_now, &content(2)), &unknown)];
        assert_eq!(try_claim(&store, &newer).await.len(), 1);
        let builds = store.builds(&row_now.id, 9).await.unwrap();
        let old = builds.iter().find(|build| build.id == *unknown.build());
        assert_eq!(old.unwrap().state, state);
        assert!(row(&store, site).await.observed.uncertain);
        let late = record(&store, &unknown, Outcome::Live).await;
        assert_eq!(late, Recorded::TooLate);
    }
}

/// The news that made the replacement pointless came after the decision, and goes before it.
async fn a_build_that_ended_meanwhile_is_not_replaced(db: Db) {
    let (store, _) = with_foo(&db).await;
    let unknown = claim(&store, "foo", 1).await;
    let error = "time-out".to_owned();
    record(&store, &unknown, Outcome::Unknown { error }).await;
    db.raw().await.run("UPDATE build SET deadline = 1").await;
    let foo = row(&store, "foo").await;
    let again = [replacing(request(&foo, &content(1)), &unknown)];
    record(&store, &unknown, Outcome::Live).await;
    assert!(
        try_claim(&store, &again).await.is_empty(),
        "the same content, twice"
    );
    assert!(!row(&store, "foo").await.observed.uncertain);
}

async fn what_happened_since_the_decision_makes_it_void(db: Db) {
    let store = db.open().await;
    declare(&store, &["adopted", "built", "forgotten", "paused"]).await;
    let decided = async |site: &str| request(&row(&store, site).await, &content(1));

    let due = decided("built").await;
    build(&store, "built", 1, Outcome::Live).await;
    assert!(try_claim(&store, &[due]).await.is_empty());

    // Acknowledged is durable: nothing starts once a pause is confirmed.
    let due = decided("paused").await;
    let paused = row(&store, "paused").await;
    let hold = Hold {
        by: "ann".to_owned(),
        because: None,
        since: Millis(1),
        until: None,
    };
    store
        .pause(&paused.id, &paused.name, &hold, &ann())
        .await
        .unwrap();
    assert!(try_claim(&store, &[due]).await.is_empty());

    let due = decided("adopted").await;
    let adopted = row(&store, "adopted").await;
    let parts = crate::fixture::parts(&content(1));
    let what = [(adopted.id.clone(), fingerprint(1))];
    store.adopt(&what, &parts, &ann()).await.unwrap();
    assert!(try_claim(&store, &[due]).await.is_empty());

    let due = decided("forgotten").await;
    forget(&store, &row(&store, "forgotten").await).await;
    assert!(try_claim(&store, &[due]).await.is_empty());

    // What was decided on the new state is carried out.
    for site in ["adopted", "built", "paused"] {
        claim(&store, site, 2).await;
    }
}

async fn builds_of(who: &str, store: &Store) -> Vec<microblot::model::BuildId> {
    let flights = everything(store).await.flights;
    let theirs = flights
        .into_iter()
        .filter(|row| row.flight.holder == holder(who));
    theirs.map(|row| row.flight.build).collect()
}

async fn a_holder_renews_only_its_own(db: Db) {
    let store = db.open().await;
    let rows = declare(&store, &names("site", 3)).await;
    for (who, site) in [("me", &rows[0]), ("me", &rows[1]), ("you", &rows[2])] {
        claim_as(who, &store, &[request(site, &content(1))])
            .await
            .unwrap();
    }
    let mut flights = everything(&store).await.flights;
    let of_me = flights
        .iter()
        .position(|row| row.site == rows[1].id)
        .unwrap();
    let unknown = flights.remove(of_me);
    // An answer that never came needs no holder any more.
    let sql = format!(
        "UPDATE build SET state = 'unknown' WHERE id = '{}'",
        unknown.flight.build
    );
    db.raw().await.run(&sql).await;
    the_lease_ends(&db).await;
    let now = store.now().await.unwrap();
    let mine = builds_of("me", &store).await;
    store.renew(&mine, LEASE).await.unwrap();
    for row in everything(&store).await.flights {
        let renewed = row.flight.lease_until >= now.plus(LEASE);
        assert_eq!(renewed, row.site == rows[0].id, "{row:?}");
    }
}

/// On PostgreSQL two statements that change the same rows in different orders end each other.
async fn heartbeats_and_records_do_not_stop_each_other(db: Db) {
    let store = db.open().await;
    let sites = names("site", 60);
    declare(&store, &sites).await;
    let beat = |store: Store| {
        tokio::spawn(async move {
            for _ in 0..60 {
                let mine = builds_of("me", &store).await;
                store.renew(&mine, LEASE).await.unwrap();
            }
        })
    };
    let beats = [beat(store.clone()), beat(db.open().await)];
    for number in 0..6 {
        let mut due = Vec::new();
        for site in &sites {
            due.push(request(&row(&store, site).await, &content(number)));
        }
        let claims = try_claim(&store, &due).await;
        assert_eq!(claims.len(), 60);
        let mut records: Vec<_> = claims
            .into_iter()
            .map(|claim| (claim, Outcome::Live))
            .collect();
        records.reverse();
        let (one, two) = records.split_at(30);
        let (one, two) = tokio::join!(store.record(one), store.record(two));
        assert!(
            one.unwrap()
                .iter()
                .chain(&two.unwrap())
                .all(|r| *r == Recorded::Taken)
        );
    }
    for beat in beats {
        beat.await.unwrap();
    }
}

async fn a_request_is_answered_once(db: Db) {
    let (store, foo) = with_foo(&db).await;
    store
        .request_rebuild(&foo.id, &foo.name, true, &ann())
        .await
        .unwrap();
    let foo = row(&store, "foo").await;
    let asked: Rebuild = foo.rebuild.clone().unwrap();
    assert_eq!((asked.by.as_str(), asked.clear_cache), ("ann", true));
    let due = ClaimRequest {
        request: Some(asked.clone()),
        ..request(&foo, &content(1))
    };
    let claim = try_claim(&store, &[due]).await.remove(0);
    assert_eq!(row(&store, "foo").await.rebuild, None);
    let listed = store.builds(&foo.id, 1).await.unwrap().remove(0);
    assert_eq!(listed.requested_by.as_deref(), Some("ann"));

    // Asked again while that build flies: the new request stands, and is not the old one's.
    store
        .request_rebuild(&foo.id, &foo.name, false, &ann())
        .await
        .unwrap();
    let second = row(&store, "foo").await.rebuild.unwrap();
    let error = "503".to_owned();
    record(
        &store,
        &claim,
        Outcome::Retry {
            error,
            after: None,
            doubtful: false,
        },
    )
    .await;
    assert_eq!(row(&store, "foo").await.rebuild, Some(second.clone()));
    // A claim that answered the first request leaves the second.
    let foo = row(&store, "foo").await;
    let due = ClaimRequest {
        request: Some(asked),
        ..request(&foo, &content(1))
    };
    assert_eq!(try_claim(&store, &[due]).await.len(), 1);
    assert_eq!(row(&store, "foo").await.rebuild, Some(second));
}

async fn a_refused_claim_changes_nothing(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let none = Limits {
        builds_in_flight: 0,
        ..ROOMY
    };
    let due = [request(&foo, &content(1))];
    let claims = store
        .claim(&due, &holder("me"), LEASE, &none, None)
        .await
        .unwrap();
    assert!(claims.is_empty());
    let void = ClaimRequest {
        fence: 9,
        ..request(&foo, &content(1))
    };
    assert!(try_claim(&store, &[void]).await.is_empty());
    let nobody = ClaimRequest {
        site: "nobody".to_owned(),
        name: name("nobody"),
        ..request(&foo, &content(1))
    };
    assert!(try_claim(&store, &[nobody]).await.is_empty());
    assert!(try_claim(&store, &[]).await.is_empty());
    let delta = everything(&store).await;
    assert!(delta.flights.is_empty());
    assert_eq!(delta.sites[0].observed.fence, foo.observed.fence);
    assert_eq!(delta.account.deploys_this_month, 0);
    assert_eq!(store.manifest(&fingerprint(1).hash()).await.unwrap(), None);
}
