use std::time::Duration;

use microblot::model::{BuildState, Built, Hold, Millis, Outcome, Wanted};
use microblot::store::{ClaimRequest, Recorded, Resumed};

use crate::fixture::{
    Db, LEASE, ann, build, claim, content, declare, everything, fingerprint, forget, parts, record,
    request, row, try_claim, with_foo,
};

on_both!(
    a_pause_and_its_end,
    resuming_forgives,
    a_rebuild_is_asked_for,
    approvals,
    an_approval_ends_with_what_is_known_to_be_built,
    content_is_adopted_as_built,
    an_adoption_settles_what_came_before,
    a_build_of_a_forgotten_site_is_over,
    what_is_wanted_is_noted,
    the_clock_was_set_back,
    every_change_is_in_the_audit_trail,
);

async fn a_pause_and_its_end(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let hold = Hold {
        by: "ann".to_owned(),
        because: Some("a \"big\" move\0".to_owned()),
        since: Millis(1_000),
        until: Some(Millis(2_000)),
    };
    store
        .pause(&foo.id, &foo.name, &hold, &ann())
        .await
        .unwrap();
    let held = row(&store, "foo").await.hold.unwrap();
    assert_eq!(
        (held.since, held.until, held.by.as_str()),
        (hold.since, hold.until, "ann")
    );
    let resumed = store.resume(&foo.id, &foo.name, &ann()).await.unwrap();
    assert_eq!(resumed, Resumed::Resumed);
    assert_eq!(row(&store, "foo").await.hold, None);
    let resumed = store.resume(&foo.id, &foo.name, &ann()).await.unwrap();
    assert_eq!(resumed, Resumed::NothingHeld);
}

async fn resuming_forgives(db: Db) {
    let store = db.open().await;
    let error = || "no".to_owned();
    for (site, outcome) in [
        ("broken", Outcome::Failed { error: error() }),
        ("stalled", Outcome::Stalled { error: error() }),
        (
            "tried",
            Outcome::Retry {
                error: error(),
                after: None,
                doubtful: false,
            },
        ),
    ] {
        for by_rebuild in [false, true] {
            let site = declare(&store, &[site]).await.remove(0);
            build(&store, site.name.as_str(), 1, outcome.clone()).await;
            let before = row(&store, site.name.as_str()).await;
            assert!(before.observed.trouble.is_some() || before.observed.broken.is_some());
            if by_rebuild {
                store
                    .request_rebuild(&site.id, &site.name, false, &ann())
                    .await
                    .unwrap();
            } else {
                let resumed = store.resume(&site.id, &site.name, &ann()).await.unwrap();
                assert_eq!(resumed, Resumed::Resumed);
            }
            let after = row(&store, site.name.as_str()).await;
            assert_eq!(
                (after.observed.trouble, after.observed.broken),
                (None, None)
            );
        }
    }
}

async fn a_rebuild_is_asked_for(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let before = store.now().await.unwrap();
    store
        .request_rebuild(&foo.id, &foo.name, true, &ann())
        .await
        .unwrap();
    let asked = row(&store, "foo").await.rebuild.unwrap();
    assert_eq!((asked.by.as_str(), asked.clear_cache), ("ann", true));
    assert!(asked.at >= before);
    store
        .request_rebuild(&foo.id, &foo.name, false, &ann())
        .await
        .unwrap();
    assert!(!row(&store, "foo").await.rebuild.unwrap().clear_cache);
}

async fn approvals(db: Db) {
    let store = db.open().await;
    let sites = declare(&store, &["bar", "foo"]).await;
    let hash = fingerprint(1).hash();
    store
        .approve(&[(sites[1].id.clone(), hash)], &ann())
        .await
        .unwrap();
    assert_eq!(row(&store, "foo").await.approved, Some(hash));
    assert_eq!(row(&store, "bar").await.approved, None);
}

async fn an_approval_ends_with_what_is_known_to_be_built(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let hash = fingerprint(1).hash();
    let approve = async || {
        let what = [(foo.id.clone(), hash)];
        store.approve(&what, &ann()).await.unwrap();
    };
    let approved = async || {
        let cursor = everything(&store).await.cursor;
        let approved = row(&store, "foo").await.approved;
        (cursor, approved)
    };
    let error = || "no".to_owned();
    for (number, outcome, ends) in [
        (1, Outcome::Accepted, true),
        (1, Outcome::Live, true),
        (2, Outcome::Accepted, true),
        (1, Outcome::Failed { error: error() }, false),
        (1, Outcome::Stalled { error: error() }, false),
        (1, Outcome::Moved { error: error() }, false),
    ] {
        approve().await;
        let (cursor, before) = approved().await;
        assert_eq!(before, Some(hash));
        build(&store, "foo", number, outcome.clone()).await;
        let (_, after) = approved().await;
        assert_eq!(after, (!ends).then_some(hash), "{number}: {outcome:?}");
        if ends {
            // Whoever keeps the estate in memory is told.
            let delta = store.estate_since(cursor).await.unwrap();
            assert!(delta.sites.iter().any(|row| row.approved.is_none()));
        }
    }
    approve().await;
    let manifest = content(3);
    let what = [(foo.id.clone(), manifest.fingerprint())];
    store.adopt(&what, &parts(&manifest), &ann()).await.unwrap();
    assert_eq!(approved().await.1, None);
}

async fn content_is_adopted_as_built(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let wanted = Wanted {
        hash: fingerprint(1).hash(),
        since: Millis(2),
        drift_since: Millis(1),
        refused: None,
    };
    store.note(&[(foo.id.clone(), Some(wanted))]).await.unwrap();
    let before = store.now().await.unwrap();
    let manifest = content(1);
    let what = [(foo.id.clone(), manifest.fingerprint())];
    store.adopt(&what, &parts(&manifest), &ann()).await.unwrap();
    let after = row(&store, "foo").await;
    let Built {
        fingerprint,
        hash,
        at,
    } = after.observed.built.unwrap();
    assert_eq!(
        (fingerprint, hash),
        (manifest.fingerprint(), manifest.fingerprint().hash())
    );
    assert!(at >= before);
    assert_eq!(after.observed.wanted, None);
    assert_eq!(store.manifest(&hash).await.unwrap(), Some(manifest));
    assert!(store.builds(&foo.id, 9).await.unwrap().is_empty());
    assert_eq!(everything(&store).await.account.deploys_this_month, 0);

    // Somebody looked, and says what is there: nothing is uncertain about it any more.
    let lost = claim(&store, "foo", 2).await;
    db.raw().await.run("UPDATE build SET lease_until = 1").await;
    let due = ClaimRequest {
        replaces: Some(lost.build().clone()),
        ..request(&row(&store, "foo").await, &content(2))
    };
    let claim = try_claim(&store, &[due]).await.remove(0);
    record(
        &store,
        &claim,
        Outcome::Retry {
            error: "no".to_owned(),
            after: None,
            doubtful: false,
        },
    )
    .await;
    assert!(row(&store, "foo").await.observed.uncertain);
    let manifest = content(2);
    let what = [(foo.id.clone(), manifest.fingerprint())];
    store.adopt(&what, &parts(&manifest), &ann()).await.unwrap();
    let after = row(&store, "foo").await;
    assert!(!after.observed.uncertain);
    assert_eq!(
        after.observed.built.unwrap().hash,
        manifest.fingerprint().hash()
    );
    assert_eq!(after.observed.trouble, None);
}

async fn an_adoption_settles_what_came_before(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let manifest = content(1);
    let what = [(foo.id.clone(), manifest.fingerprint())];
    let adopt = async || {
        store.adopt(&what, &parts(&manifest), &ann()).await.unwrap();
        row(&store, "foo").await
    };
    let error = || "no".to_owned();
    build(&store, "foo", 1, Outcome::Failed { error: error() }).await;
    build(&store, "foo", 2, Outcome::Unknown { error: error() }).await;
    assert!(row(&store, "foo").await.observed.broken.is_some());
    assert_eq!(adopt().await.observed.broken, None);
    assert!(everything(&store).await.flights.is_empty());
    let newest = store.builds(&foo.id, 1).await.unwrap().remove(0);
    assert_eq!(newest.state, BuildState::Superseded);

    store
        .request_rebuild(&foo.id, &foo.name, true, &ann())
        .await
        .unwrap();
    assert!(row(&store, "foo").await.rebuild.is_some());
    assert_eq!(adopt().await.rebuild, None);

    // Nobody knows what a dead holder did; a build that is followed goes on.
    claim(&store, "foo", 3).await;
    db.raw().await.run("UPDATE build SET lease_until = 1").await;
    adopt().await;
    assert!(everything(&store).await.flights.is_empty());
    let flies = claim(&store, "foo", 4).await;
    adopt().await;
    assert_eq!(record(&store, &flies, Outcome::Live).await, Recorded::Taken);
    let built = row(&store, "foo").await.observed.built.unwrap();
    assert_eq!(built.fingerprint, fingerprint(4));
}

/// Nobody would ever take such a claim over, and it would count against the limits for good.
async fn a_build_of_a_forgotten_site_is_over(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let flies = claim(&store, "foo", 1).await;
    forget(&store, &foo).await;
    let delta = everything(&store).await;
    assert!(delta.flights.is_empty());
    assert_eq!(delta.account.in_flight, 0);
    assert_eq!(
        record(&store, &flies, Outcome::Live).await,
        Recorded::TooLate
    );
    let back = declare(&store, &["foo"]).await.remove(0);
    assert_eq!(back.observed.built, None);
    assert!(!back.observed.uncertain);
    claim(&store, "foo", 1).await;
}

async fn what_is_wanted_is_noted(db: Db) {
    let store = db.open().await;
    let sites = declare(&store, &["bar", "foo"]).await;
    let wanted = Wanted {
        hash: fingerprint(1).hash(),
        since: Millis(2_000),
        drift_since: Millis(1_000),
        refused: Some(7),
    };
    let notes = [
        (sites[0].id.clone(), None),
        (sites[1].id.clone(), Some(wanted)),
    ];
    store.note(&notes).await.unwrap();
    assert_eq!(row(&store, "bar").await.observed.wanted, None);
    assert_eq!(row(&store, "foo").await.observed.wanted, Some(wanted));
    store.note(&[(sites[1].id.clone(), None)]).await.unwrap();
    assert_eq!(row(&store, "foo").await.observed.wanted, None);
}

async fn the_clock_was_set_back(db: Db) {
    let store = db.open().await;
    declare(&store, &["foo", "old"]).await;
    build(
        &store,
        "foo",
        1,
        Outcome::Retry {
            error: "503".to_owned(),
            after: None,
            doubtful: false,
        },
    )
    .await;
    let foo = row(&store, "foo").await;
    let now = store.now().await.unwrap();
    let hour = Duration::from_secs(3600);
    let wanted = Wanted {
        hash: fingerprint(1).hash(),
        since: now.plus(hour),
        drift_since: now.plus(hour),
        refused: None,
    };
    store.note(&[(foo.id.clone(), Some(wanted))]).await.unwrap();
    claim(&store, "foo", 1).await;
    claim(&store, "old", 1).await;
    let mut raw = db.raw().await;
    // An hour ahead of the clock; the other one was claimed before it, and renewed after.
    raw.run(&format!(
        "UPDATE build SET claimed_at = claimed_at + 3600000, deadline = deadline + 3600000, \
         lease_until = lease_until + 3600000 WHERE site = '{}'",
        foo.id
    ))
    .await;
    raw.run("UPDATE build SET lease_until = lease_until + 3600000 WHERE ended_at IS NULL")
        .await;
    raw.run("UPDATE observed SET failed_at = failed_at + 3600000")
        .await;
    raw.run(&format!(
        "UPDATE observed SET built_hash = 'x', built_spec = '{0}', built_posts = '{0}', \
         built_files = '{0}', built_revision = '{0}', built_at = {1}",
        fingerprint(1).spec,
        now.plus(hour).0
    ))
    .await;

    store.clock_was_set_back().await.unwrap();
    let after = store.now().await.unwrap();
    let delta = everything(&store).await;
    let foo = row(&store, "foo").await;
    let wanted = foo.observed.wanted.unwrap();
    assert!(wanted.since <= after && wanted.drift_since <= after);
    assert!(foo.observed.trouble.unwrap().at <= after);
    assert!(foo.observed.built.unwrap().at <= after);
    assert_eq!(delta.flights.len(), 2);
    for row in &delta.flights {
        let flight = &row.flight;
        assert!(flight.since <= after);
        // Whoever is alive has time to say so; whoever is dead is replaced in time.
        assert!(
            flight.lease_until >= now.plus(Duration::from_secs(1)),
            "{flight:?}"
        );
        assert!(flight.lease_until <= after.plus(LEASE), "{flight:?}");
        let left = flight.deadline.since(flight.since);
        assert_eq!(left, Duration::from_secs(1800));
    }
    assert!(delta.account.fired.iter().all(|at| *at <= after));

    // Where nothing lies in the future, nothing changes, however often it is called.
    let before = format!("{:?}", everything(&store).await.flights);
    store.clock_was_set_back().await.unwrap();
    assert_eq!(format!("{:?}", everything(&store).await.flights), before);
}

async fn every_change_is_in_the_audit_trail(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let (id, name) = (&foo.id, &foo.name);
    let by = ann();
    let hold = Hold {
        by: "ann".to_owned(),
        because: Some("holidays".to_owned()),
        since: Millis(1),
        until: None,
    };
    let new = microblot::store::NewSite {
        name: "team".parse().unwrap(),
        spec: crate::fixture::spec("team"),
    };
    store.pause(id, name, &hold, &by).await.unwrap();
    store.resume(id, name, &by).await.unwrap();
    store.resume(id, name, &by).await.unwrap();
    store.request_rebuild(id, name, false, &by).await.unwrap();
    store
        .approve(&[(id.clone(), fingerprint(1).hash())], &by)
        .await
        .unwrap();
    store
        .adopt(&[(id.clone(), fingerprint(1))], &[], &by)
        .await
        .unwrap();
    store.add_site(&new, &by).await.unwrap();
    store.add_site(&new, &by).await.unwrap();
    forget(&store, &foo).await;
    store.renew(&[], LEASE).await.unwrap();
    let lines = store.audit(100).await.unwrap();
    let mut told: Vec<_> = lines
        .iter()
        .map(|line| {
            let site = line.site.as_deref().unwrap_or("-");
            let detail = line.detail.as_deref().unwrap_or("-");
            format!("{} {} {} {site} {detail}", line.who, line.door, line.action)
        })
        .collect();
    told.reverse();
    assert_eq!(
        told,
        [
            "ann chat publish - a test",
            "ann chat pause foo holidays",
            "ann chat resume foo -",
            "ann chat rebuild foo -",
            "ann chat force foo -",
            "ann chat adopt foo -",
            "ann chat site add team -",
            "ann chat publish - a test",
            "microblot loop forget foo -",
        ]
    );
    assert_eq!(store.audit(2).await.unwrap().len(), 2);
}
