use std::time::Duration;

use microblot::model::{BuildState, Millis, Outcome, Wanted};
use microblot::store::{ClaimRequest, Recorded, SiteRow, Store};

use crate::fixture::{
    Db, ann, build, claim, content, declare, everything, fingerprint, names, record, request, row,
    try_claim, with_foo,
};

on_both!(
    each_outcome_and_what_it_changes,
    failures_are_counted_until_one_build_is_taken,
    content_that_is_gone_is_counted_until_it_is_other_content_or_forgiven,
    what_was_wanted_and_is_built_is_wanted_no_more,
    content_that_changed_during_a_build_has_waited_since_its_claim,
    a_request_stands_until_something_started,
    money_is_taken_back_from_the_month_that_paid,
    every_outcome_is_told_with_its_record,
    long_and_strange_errors,
    a_thousand_outcomes_at_once,
    batches_in_any_order_do_not_stop_each_other,
);

fn text(error: &str) -> String {
    error.to_owned()
}

/// A site that was built of content 1, failed twice, is broken on content 5, and wants content 2.
async fn scarred(store: &Store, site: &str) -> SiteRow {
    declare(store, &[site]).await;
    build(store, site, 1, Outcome::Live).await;
    build(
        store,
        site,
        5,
        Outcome::Failed {
            error: text("exit 1"),
        },
    )
    .await;
    for _ in 0..2 {
        let after = Some(Duration::from_secs(30));
        build(
            store,
            site,
            2,
            Outcome::Retry {
                error: text("503"),
                after,
                doubtful: false,
            },
        )
        .await;
    }
    let row = row(store, site).await;
    let wanted = Wanted {
        hash: fingerprint(2).hash(),
        since: Millis(2_000),
        drift_since: Millis(1_000),
        refused: None,
    };
    store.note(&[(row.id.clone(), Some(wanted))]).await.unwrap();
    crate::fixture::row(store, site).await
}

async fn each_outcome_and_what_it_changes(db: Db) {
    let store = db.open().await;
    let outcomes = [
        ("accepted", Outcome::Accepted, BuildState::Accepted),
        ("live", Outcome::Live, BuildState::Live),
        (
            "failed",
            Outcome::Failed {
                error: text("exit 2"),
            },
            BuildState::Failed,
        ),
        (
            "retry",
            Outcome::Retry {
                error: text("429"),
                after: Some(Duration::from_millis(1_500)),
                doubtful: false,
            },
            BuildState::Refused,
        ),
        (
            "stalled",
            Outcome::Stalled { error: text("404") },
            BuildState::Refused,
        ),
        (
            "moved",
            Outcome::Moved {
                error: text("a.md changed"),
            },
            BuildState::Refused,
        ),
        (
            "unknown",
            Outcome::Unknown {
                error: text("time-out"),
            },
            BuildState::Unknown,
        ),
    ];
    for (site, outcome, state) in outcomes {
        let before = scarred(&store, site).await;
        let spent = everything(&store).await.account.deploys_this_month;
        let claim = claim(&store, site, 2).await;
        assert_eq!(
            record(&store, &claim, outcome.clone()).await,
            Recorded::Taken,
            "{site}"
        );
        let after = row(&store, site).await;
        let now = everything(&store).await;
        let paid = now.account.deploys_this_month - spent;
        let flies = now.flights.iter().any(|flight| flight.site == before.id);
        let listed = store.builds(&before.id, 1).await.unwrap().remove(0);
        assert_eq!((&listed.id, listed.state), (claim.build(), state));
        assert_eq!(listed.ended_at.is_some(), state != BuildState::Unknown);
        assert_eq!(flies, state == BuildState::Unknown);
        assert_eq!(after.observed.fence, before.observed.fence + 1);
        assert_eq!(
            (&after.hold, after.posts_version),
            (&before.hold, before.posts_version)
        );

        match &outcome {
            Outcome::Accepted | Outcome::Live => {
                let built = after.observed.built.unwrap();
                assert_eq!(built.fingerprint, fingerprint(2));
                assert_eq!(built.hash, fingerprint(2).hash());
                assert_eq!(built.at, listed.fired_at);
                assert_eq!(
                    (
                        after.observed.trouble,
                        after.observed.broken,
                        after.observed.wanted
                    ),
                    (None, None, None)
                );
                assert_eq!((listed.detail, paid), (None, 1));
            }
            Outcome::Failed { error } => {
                let broken = after.observed.broken.unwrap();
                assert_eq!((broken.hash, &broken.error), (fingerprint(2).hash(), error));
                assert!(broken.at >= listed.fired_at);
                assert_eq!(after.observed.trouble, None, "the trigger worked");
                assert_eq!(
                    (&after.observed.built, after.observed.wanted),
                    (&before.observed.built, before.observed.wanted)
                );
                assert_eq!((listed.detail.as_ref(), paid), (Some(error), 1));
            }
            Outcome::Retry { error, .. } | Outcome::Stalled { error } => {
                let trouble = after.observed.trouble.unwrap();
                assert_eq!((trouble.failures, &trouble.error), (3, error));
                assert!(trouble.at >= listed.fired_at);
                let (stalled, patience) = match &outcome {
                    Outcome::Retry { after, .. } => (false, *after),
                    _ => (true, None),
                };
                assert_eq!((trouble.stalled, trouble.after), (stalled, patience));
                assert_eq!(
                    (&after.observed.built, &after.observed.broken),
                    (&before.observed.built, &before.observed.broken)
                );
                assert_eq!((after.observed.wanted, paid), (before.observed.wanted, 0));
                assert_eq!(listed.detail.as_ref(), Some(error));
            }
            Outcome::Moved { error } | Outcome::Unknown { error } => {
                assert_eq!(
                    (&after.observed.built, &after.observed.broken),
                    (&before.observed.built, &before.observed.broken)
                );
                assert_eq!(
                    (after.observed.trouble, after.observed.wanted),
                    (before.observed.trouble, before.observed.wanted)
                );
                assert_eq!(listed.detail.as_ref(), Some(error));
                assert_eq!(paid, u32::from(state == BuildState::Unknown));
            }
        }
        if state != BuildState::Unknown {
            assert_eq!(
                record(&store, &claim, Outcome::Live).await,
                Recorded::TooLate
            );
        }
    }
    // News of a build of unknown outcome settle it.
    let flight = everything(&store).await.flights.remove(0);
    assert_eq!(flight.flight.state, BuildState::Unknown);
}

async fn failures_are_counted_until_one_build_is_taken(db: Db) {
    let (store, _) = with_foo(&db).await;
    let failures = async || {
        row(&store, "foo")
            .await
            .observed
            .trouble
            .map(|trouble| trouble.failures)
    };
    let retry = || Outcome::Retry {
        error: text("503"),
        after: None,
        doubtful: false,
    };
    for expected in 1..=3 {
        build(&store, "foo", 1, retry()).await;
        assert_eq!(failures().await, Some(expected));
    }
    build(
        &store,
        "foo",
        1,
        Outcome::Moved {
            error: text("moved"),
        },
    )
    .await;
    assert_eq!(
        failures().await,
        Some(3),
        "nothing was asked of the builder"
    );
    build(&store, "foo", 1, Outcome::Accepted).await;
    assert_eq!(failures().await, None);
    build(&store, "foo", 2, retry()).await;
    assert_eq!(failures().await, Some(1));
}

async fn content_that_is_gone_is_counted_until_it_is_other_content_or_forgiven(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let vain = async || {
        let vain = row(&store, "foo").await.observed.vain?;
        Some((vain.hash, vain.count, vain.error))
    };
    let gone = || Outcome::Moved {
        error: text("a.md changed"),
    };
    let seen = |number, count| Some((fingerprint(number).hash(), count, text("a.md changed")));
    for (number, count) in [(1, 1), (1, 2), (2, 1), (1, 1), (1, 2)] {
        build(&store, "foo", number, gone()).await;
        assert_eq!(vain().await, seen(number, count));
    }
    build(&store, "foo", 1, Outcome::Live).await;
    assert_eq!(vain().await, None);
    build(&store, "foo", 1, gone()).await;
    let failed = Outcome::Failed {
        error: text("exit 1"),
    };
    build(&store, "foo", 1, failed).await;
    assert_eq!(vain().await, None);
    build(&store, "foo", 1, gone()).await;
    store
        .request_rebuild(&foo.id, &foo.name, false, &ann())
        .await
        .unwrap();
    assert_eq!(vain().await, None);
}

async fn what_was_wanted_and_is_built_is_wanted_no_more(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let claim = claim(&store, "foo", 1).await;
    let wanted = Wanted {
        hash: fingerprint(1).hash(),
        since: Millis(5),
        drift_since: Millis(4),
        refused: None,
    };
    // Another replica notes late what it saw early.
    store.note(&[(foo.id.clone(), Some(wanted))]).await.unwrap();
    record(&store, &claim, Outcome::Live).await;
    assert_eq!(row(&store, "foo").await.observed.wanted, None);
    store.note(&[(foo.id.clone(), None)]).await.unwrap();
    assert_eq!(row(&store, "foo").await.observed.wanted, None);
}

async fn content_that_changed_during_a_build_has_waited_since_its_claim(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let first = claim(&store, "foo", 1).await;
    let fired = store.builds(&foo.id, 1).await.unwrap()[0].fired_at;
    let later = fired.plus(Duration::from_secs(3));
    let wanted = Wanted {
        hash: fingerprint(2).hash(),
        since: later,
        drift_since: Millis(1_000),
        refused: None,
    };
    store.note(&[(foo.id.clone(), Some(wanted))]).await.unwrap();
    record(&store, &first, Outcome::Live).await;
    let expected = Wanted {
        drift_since: fired,
        refused: None,
        ..wanted
    };
    assert_eq!(row(&store, "foo").await.observed.wanted, Some(expected));

    // A drift that began after the claim keeps its own time.
    let second = claim(&store, "foo", 2).await;
    let wanted = Wanted {
        hash: fingerprint(3).hash(),
        since: later.plus(Duration::from_secs(60)),
        drift_since: later.plus(Duration::from_secs(60)),
        refused: None,
    };
    store.note(&[(foo.id.clone(), Some(wanted))]).await.unwrap();
    record(&store, &second, Outcome::Accepted).await;
    assert_eq!(row(&store, "foo").await.observed.wanted, Some(wanted));
}

async fn a_request_stands_until_something_started(db: Db) {
    let outcomes = [
        (
            Outcome::Retry {
                error: text("503"),
                after: None,
                doubtful: false,
            },
            true,
        ),
        (Outcome::Stalled { error: text("404") }, true),
        (
            Outcome::Moved {
                error: text("moved"),
            },
            true,
        ),
        (
            Outcome::Unknown {
                error: text("time-out"),
            },
            false,
        ),
        (
            Outcome::Failed {
                error: text("exit 1"),
            },
            false,
        ),
        (Outcome::Accepted, false),
        (Outcome::Live, false),
    ];
    let store = db.open().await;
    for (i, (outcome, stands)) in outcomes.into_iter().enumerate() {
        let site = declare(&store, &[format!("site-{i}")]).await.remove(0);
        store
            .request_rebuild(&site.id, &site.name, true, &ann())
            .await
            .unwrap();
        let site = row(&store, site.name.as_str()).await;
        let due = ClaimRequest {
            request: site.rebuild.clone(),
            ..request(&site, &content(1))
        };
        let claim = try_claim(&store, &[due]).await.remove(0);
        record(&store, &claim, outcome.clone()).await;
        let after = row(&store, site.name.as_str()).await.rebuild;
        assert_eq!(after, site.rebuild.filter(|_| stands), "{outcome:?}");
    }
}

async fn money_is_taken_back_from_the_month_that_paid(db: Db) {
    let (store, _) = with_foo(&db).await;
    let claim = claim(&store, "foo", 1).await;
    // Claimed in the last second of the month before.
    let (month, _) = everything(&store).await.now.month();
    let before = month.0 - 1;
    let (last_month, _) = Millis(before).month();
    let mut raw = db.raw().await;
    raw.run(&format!("UPDATE build SET claimed_at = {before}"))
        .await;
    raw.run(&format!(
        "UPDATE spend SET month = {}, deploys = 5",
        last_month.0
    ))
    .await;
    record(
        &store,
        &claim,
        Outcome::Retry {
            error: text("503"),
            after: None,
            doubtful: false,
        },
    )
    .await;
    assert_eq!(raw.int("SELECT deploys FROM spend").await, 4);
    build(&store, "foo", 1, Outcome::Live).await;
    assert_eq!(everything(&store).await.account.deploys_this_month, 1);
}

async fn every_outcome_is_told_with_its_record(db: Db) {
    let store = db.open().await;
    let sites = declare(&store, &names("site", 3)).await;
    let mut records = Vec::new();
    for (site, outcome) in sites.iter().zip([
        Outcome::Live,
        Outcome::Failed {
            error: text("exit 1"),
        },
        Outcome::Retry {
            error: text("503"),
            after: None,
            doubtful: false,
        },
    ]) {
        records.push((claim(&store, site.name.as_str(), 1).await, outcome));
    }
    store.record(&records).await.unwrap();
    assert_eq!(store.outbox_depth().await.unwrap(), 3);
    let told = "SELECT site.name || ' ' || state || ' ' || reason || ' ' || COALESCE(detail, '-') \
                FROM outbox JOIN site ON site.id = outbox.site WHERE sent_at IS NULL ORDER BY 1";
    assert_eq!(
        db.raw().await.texts(told).await,
        [
            "site-0000 live posts changed -",
            "site-0001 failed posts changed exit 1",
            "site-0002 refused posts changed 503",
        ]
    );

    // The same transaction: where the message cannot be stored, neither is the outcome.
    let last = claim(&store, "site-0000", 2).await;
    db.raw()
        .await
        .run("ALTER TABLE outbox RENAME TO elsewhere")
        .await;
    assert!(
        store
            .record(&[(last.clone(), Outcome::Live)])
            .await
            .is_err()
    );
    db.raw()
        .await
        .run("ALTER TABLE elsewhere RENAME TO outbox")
        .await;
    let built = row(&store, "site-0000").await.observed.built.unwrap();
    assert_eq!(built.hash, fingerprint(1).hash());
    assert_eq!(record(&store, &last, Outcome::Live).await, Recorded::Taken);
}

async fn long_and_strange_errors(db: Db) {
    let (store, foo) = with_foo(&db).await;
    for error in [
        "ä".repeat(100_000),
        text("a\0b \u{7}\"quoted\" \\ 🎉 \u{fffe}"),
        text(""),
    ] {
        let outcome = Outcome::Stalled {
            error: error.clone(),
        };
        build(&store, "foo", 1, outcome).await;
        let kept: String = error.replace('\0', "").chars().take(500).collect();
        assert_eq!(
            row(&store, "foo").await.observed.trouble.unwrap().error,
            kept
        );
        let listed = store.builds(&foo.id, 1).await.unwrap().remove(0);
        assert_eq!(listed.detail, Some(kept));
    }
}

async fn a_thousand_outcomes_at_once(db: Db) {
    let store = db.open().await;
    let sites = declare(&store, &names("site", 1_000)).await;
    let due: Vec<_> = sites
        .iter()
        .zip(0..)
        .map(|(site, i)| request(site, &content(i)))
        .collect();
    let claims = try_claim(&store, &due).await;
    assert_eq!(claims.len(), 1_000);
    let records: Vec<_> = claims
        .into_iter()
        .map(|claim| (claim, Outcome::Live))
        .collect();
    let recorded = store.record(&records).await.unwrap();
    assert!(recorded.iter().all(|recorded| *recorded == Recorded::Taken));
    let by_id: std::collections::BTreeMap<_, _> = sites
        .iter()
        .zip(0..)
        .map(|(site, i)| (&site.id, i))
        .collect();
    for site in everything(&store).await.sites {
        let hash = fingerprint(by_id[&site.id]).hash();
        assert_eq!(site.observed.built.unwrap().hash, hash);
    }
}

/// Replicas note and record the same sites in orders of their own, beside people's commands.
async fn batches_in_any_order_do_not_stop_each_other(db: Db) {
    let store = db.open().await;
    let sites = declare(&store, &names("site", 80)).await;
    let mut tasks = Vec::new();
    for who in 0..8_usize {
        let store = db.open().await;
        let mut sites = sites.clone();
        if who % 2 == 1 {
            sites.reverse();
        }
        sites.rotate_left(who * 7);
        tasks.push(tokio::spawn(async move {
            for round in 0..6 {
                let wanted = Wanted {
                    hash: fingerprint(round).hash(),
                    since: Millis(2),
                    drift_since: Millis(1),
                    refused: None,
                };
                let notes: Vec<_> = sites
                    .iter()
                    .map(|site| (site.id.clone(), Some(wanted)))
                    .collect();
                let approved: Vec<_> = sites
                    .iter()
                    .map(|site| (site.id.clone(), wanted.hash))
                    .collect();
                let digests: Vec<_> = sites
                    .iter()
                    .map(|site| (site.id.clone(), 0, fingerprint(round).posts))
                    .collect();
                match who {
                    0..4 => store.note(&notes).await.unwrap(),
                    4 => store.approve(&approved, &ann()).await.unwrap(),
                    5 => store.keep_posts_digests(&digests).await.unwrap(),
                    6 => {
                        let what: Vec<_> = sites
                            .iter()
                            .map(|site| (site.id.clone(), fingerprint(round)))
                            .collect();
                        let parts = crate::fixture::parts(&content(round));
                        store.adopt(&what, &parts, &ann()).await.unwrap();
                    }
                    _ => {
                        for site in sites.iter().take(10) {
                            let (id, name) = (&site.id, &site.name);
                            store
                                .request_rebuild(id, name, false, &ann())
                                .await
                                .unwrap();
                            store.resume(id, name, &ann()).await.unwrap();
                        }
                    }
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}
