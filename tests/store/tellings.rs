//! Who asked for something is told how it ends: once, in order, whatever else happens.

use std::collections::BTreeMap;
use std::time::Duration;

use microblot::model::{
    Actor, Input, Manifest, Millis, Outcome, Part, PostChange, Publish, TellTo,
};
use microblot::store::{
    Claim, Flood, NewSite, Notify, Routed, Settled, SiteRow, Store, Telling, URL_USES,
};

use crate::fixture::{
    Db, ann, claim, content, declare, draft, everything, forget, name, names, record, request, row,
    spec, try_claim, with_foo,
};

on_both!(
    from_a_change_to_its_end,
    a_build_that_takes_no_time_is_told_when_it_is_over,
    only_what_readers_see_is_promised,
    a_change_that_came_after_the_decision_waits_for_the_next_build,
    a_rebuild_waits_for_the_build_that_answers_it,
    a_build_that_was_never_started_is_waited_for_again,
    a_build_that_cannot_be_started_is_told_of,
    a_build_whose_place_is_taken,
    what_made_no_difference_is_said_so,
    a_change_that_a_plan_did_not_know_is_not_unchanged,
    the_end_of_a_site_is_the_end_of_its_promises,
    what_nobody_asked_for_is_told_to_the_channel,
    nobody_to_tell,
    a_flood_is_one_digest,
    a_later_state_opens_it_again,
    one_at_a_time_in_a_conversation,
    what_failed_holds_up_what_follows,
    a_lease_that_ran_out_is_taken_over,
    a_state_that_changes_while_it_is_told,
    an_address_for_answers_is_counted,
    routers_at_once_route_once,
    tellers_at_once_tell_once_and_in_order,
);

fn to(conversation: &str) -> TellTo {
    TellTo {
        workspace: "T1".to_owned(),
        conversation: conversation.to_owned(),
        response_url: None,
    }
}

fn asking() -> Actor {
    ann().with_tell(to("U1"))
}

const CHANNEL: Option<Notify<'static>> = Some(Notify {
    workspace: "T1",
    channel: "C9",
    is_told_of: &|_workspace| true,
});

/// As the loop does: keeps the digest of the posts, and claims a build of them.
async fn decided(store: &Store, site: &str) -> (SiteRow, Manifest) {
    let before = row(store, site).await;
    let (version, posts) = store.posts_part(&before.id).await.unwrap();
    let digest = posts.digest(Input::Posts);
    store
        .keep_posts_digests(&[(before.id.clone(), version, digest)])
        .await
        .unwrap();
    let manifest = Manifest {
        posts,
        spec: Part::from_items([("fence", before.observed.fence.to_string())]),
        ..Manifest::default()
    };
    (row(store, site).await, manifest)
}

async fn claimed(store: &Store, site: &str) -> Claim {
    let (row, manifest) = decided(store, site).await;
    let mut claims = try_claim(store, &[request(&row, &manifest)]).await;
    claims.remove(0)
}

/// The same, and it takes a while: long enough for it to be told.
async fn build(db: &Db, store: &Store, site: &str) -> Claim {
    let claimed = claimed(store, site).await;
    long_enough(db).await;
    claimed
}

async fn long_enough(db: &Db) {
    let sql = "UPDATE telling SET next_at = 1 WHERE state IN ('building', 'retrying')";
    db.raw().await.run(sql).await;
}

async fn route(store: &Store) -> Routed {
    store
        .route_outbox(1_000, CHANNEL, 5, std::time::Duration::ZERO)
        .await
        .unwrap()
}

async fn due(store: &Store) -> Vec<Telling> {
    store.due_tellings(100).await.unwrap()
}

/// Tells what is due; answers who was told what.
async fn tell(store: &Store) -> Vec<String> {
    let mut told = Vec::new();
    for telling in due(store).await {
        let line = format!(
            "{} {} {}",
            telling.conversation, telling.action, telling.state
        );
        told.push(line);
        let (channel, ts) = (Some("D1"), Some("1700.1"));
        let kept = store
            .told(&telling, &telling.state, channel, ts, false)
            .await;
        assert!(kept.unwrap());
    }
    told
}

async fn publish(store: &Store, site: &SiteRow, by: &Actor) -> microblot::model::Post {
    let text = draft("Hello", Publish::Now);
    let post = store.new_post(&site.id, &site.name, &text, by).await;
    post.unwrap()
}

async fn a_build_that_takes_no_time_is_told_when_it_is_over(db: Db) {
    let (store, foo) = with_foo(&db).await;
    publish(&store, &foo, &asking()).await;
    let claimed = claimed(&store, "foo").await;
    assert!(due(&store).await.is_empty());
    let next = store.next_telling().await.unwrap().unwrap();
    let now = store.now().await.unwrap();
    assert!(next > now && next.since(now) <= Duration::from_secs(3));
    record(&store, &claimed, Outcome::Live).await;
    route(&store).await;
    assert_eq!(tell(&store).await, ["U1 new live"]);
    assert_eq!(store.next_telling().await.unwrap(), None);
}

async fn from_a_change_to_its_end(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let post = publish(&store, &foo, &asking()).await;
    let waiting = due(&store).await.remove(0);
    assert_eq!(waiting.site.as_deref(), Some(foo.id.as_str()));
    assert_eq!(waiting.site_name.as_ref(), Some(&foo.name));
    assert_eq!(waiting.subject.as_deref(), Some(post.id.as_str()));
    assert_eq!(waiting.title.as_deref(), Some("Hello"));
    assert_eq!(waiting.slug.as_ref(), Some(&post.slug));
    assert_eq!((waiting.state.as_str(), &waiting.said), ("waiting", &None));
    assert_eq!(waiting.workspace, "T1");
    store
        .told(&waiting, "waiting", Some("D1"), Some("1700.5"), false)
        .await
        .unwrap();
    assert_eq!(tell(&store).await, Vec::<String>::new(), "nothing is new");

    let claimed = build(&db, &store, "foo").await;
    let building = due(&store).await.remove(0);
    assert_eq!(building.id, waiting.id, "one message for it all");
    assert_eq!(building.state, "building");
    assert_eq!(building.build.as_deref(), Some(claimed.build().as_str()));
    assert_eq!(building.said.as_deref(), Some("waiting"));
    assert_eq!(building.message_channel.as_deref(), Some("D1"));
    assert_eq!(building.message_ts.as_deref(), Some("1700.5"));
    store
        .told(&building, "building", None, None, false)
        .await
        .unwrap();

    record(&store, &claimed, Outcome::Live).await;
    let routed = route(&store).await;
    assert_eq!((routed.rows, routed.taken, routed.told), (1, 1, 0));
    assert_eq!(route(&store).await, Routed::default(), "each row once");
    assert_eq!(store.outbox_depth().await.unwrap(), 0);
    let live = due(&store).await.remove(0);
    assert_eq!(live.state, "live");
    assert_eq!(live.message_ts.as_deref(), Some("1700.5"), "is kept");
    assert!(live.state_at >= live.asked_at);
    assert!(store.told(&live, "live", None, None, true).await.unwrap());
    assert!(due(&store).await.is_empty());
    let mut raw = db.raw().await;
    let open = "SELECT COUNT(*) FROM telling WHERE closed_at IS NULL";
    assert_eq!(raw.int(open).await, 0);
}

async fn only_what_readers_see_is_promised(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let by = asking();
    let text = draft("Hello", Publish::Draft(None));
    let post = store
        .new_post(&foo.id, &foo.name, &text, &by)
        .await
        .unwrap();
    let publish = |publish| PostChange {
        publish: Some(publish),
        ..PostChange::default()
    };
    let title = PostChange {
        title: Some("Hallo".to_owned()),
        ..PostChange::default()
    };
    let later = Publish::At(everything(&store).await.now.plus(Duration::from_secs(60)));
    for change in [&title, &publish(later)] {
        store.edit_post(&post.id, change, &by).await.unwrap();
    }
    assert!(due(&store).await.is_empty(), "nobody can see it");
    store
        .edit_post(&post.id, &publish(Publish::Now), &by)
        .await
        .unwrap();
    store.edit_post(&post.id, &title, &ann()).await.unwrap();
    store.delete_post(&post.id, &by).await.unwrap();
    store
        .request_rebuild(&foo.id, &foo.name, false, &by)
        .await
        .unwrap();
    let new = NewSite {
        name: name("chatty"),
        spec: spec("chatty"),
    };
    store.add_site(&new, &by).await.unwrap();
    store.resume(&foo.id, &foo.name, &by).await.unwrap();
    let told: Vec<String> = due(&store).await.into_iter().map(|t| t.action).collect();
    assert_eq!(told, ["publish post", "delete", "rebuild", "site add"]);
}

async fn a_change_that_came_after_the_decision_waits_for_the_next_build(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let first = publish(&store, &foo, &asking()).await;
    let (row, manifest) = decided(&store, "foo").await;
    let second = publish(&store, &foo, &asking()).await;
    let claimed = try_claim(&store, &[request(&row, &manifest)])
        .await
        .remove(0);
    let states = |tellings: Vec<Telling>| -> BTreeMap<String, String> {
        tellings
            .into_iter()
            .map(|telling| (telling.subject.unwrap(), telling.state))
            .collect()
    };
    let expected = |states: [(&str, &str); 2]| {
        BTreeMap::from(states.map(|(post, state)| (post.to_owned(), state.to_owned())))
    };
    let (one, two) = (first.id.as_str(), second.id.as_str());
    long_enough(&db).await;
    let found = due(&store).await;
    for telling in &found {
        store
            .told(telling, &telling.state, None, None, false)
            .await
            .unwrap();
    }
    assert_eq!(
        states(found),
        expected([(one, "building"), (two, "waiting")])
    );
    record(&store, &claimed, Outcome::Live).await;
    route(&store).await;
    build(&db, &store, "foo").await;
    assert_eq!(
        states(due(&store).await),
        expected([(one, "live"), (two, "building")])
    );
}

async fn a_rebuild_waits_for_the_build_that_answers_it(db: Db) {
    let (store, foo) = with_foo(&db).await;
    store
        .request_rebuild(&foo.id, &foo.name, false, &asking())
        .await
        .unwrap();
    let asked = row(&store, "foo").await;
    // Decided without the request, claimed after it.
    let first = try_claim(&store, &[request(&asked, &content(1))])
        .await
        .remove(0);
    assert_eq!(tell(&store).await, ["U1 rebuild waiting"]);
    record(&store, &first, Outcome::Live).await;
    let routed = route(&store).await;
    assert_eq!(
        (routed.taken, routed.told),
        (0, 1),
        "nobody asked for that one"
    );
    let mut answer = request(&row(&store, "foo").await, &content(1));
    answer.request = asked.rebuild;
    let second = try_claim(&store, &[answer]).await.remove(0);
    record(&store, &second, Outcome::Accepted).await;
    route(&store).await;
    assert_eq!(tell(&store).await, ["C9 build live", "U1 rebuild accepted"]);
}

async fn a_build_that_was_never_started_is_waited_for_again(db: Db) {
    let (store, foo) = with_foo(&db).await;
    publish(&store, &foo, &asking()).await;
    store
        .request_rebuild(&foo.id, &foo.name, false, &asking())
        .await
        .unwrap();
    let claim = async || {
        let (row, manifest) = decided(&store, "foo").await;
        let mut due = request(&row, &manifest);
        due.request = row.rebuild.clone();
        try_claim(&store, &[due]).await.remove(0)
    };
    let error = || "no".to_owned();
    let after = None;
    let first = claim().await;
    record(
        &store,
        &first,
        Outcome::Retry {
            error: error(),
            after,
            doubtful: false,
        },
    )
    .await;
    // Claimed again before anybody has looked at the outbox.
    let second = claim().await;
    assert_eq!(route(&store).await.taken, 0);
    long_enough(&db).await;
    assert_eq!(
        tell(&store).await,
        ["U1 new building", "U1 rebuild building"]
    );
    record(&store, &second, Outcome::Moved { error: error() }).await;
    assert_eq!(route(&store).await.taken, 0);
    assert_eq!(tell(&store).await, ["U1 new waiting", "U1 rebuild waiting"]);
    let third = claim().await;
    record(&store, &third, Outcome::Stalled { error: error() }).await;
    let routed = route(&store).await;
    assert_eq!((routed.taken, routed.told), (2, 0));
    let stalled = due(&store).await;
    assert!(
        stalled
            .iter()
            .all(|telling| telling.state == "stalled" && telling.detail.as_deref() == Some("no")),
        "{stalled:?}"
    );
    assert_eq!(stalled.len(), 2);
}

async fn a_build_whose_place_is_taken(db: Db) {
    let (store, foo) = with_foo(&db).await;
    publish(&store, &foo, &asking()).await;
    let first = build(&db, &store, "foo").await;
    let error = "no answer".to_owned();
    record(&store, &first, Outcome::Unknown { error }).await;
    route(&store).await;
    assert_eq!(tell(&store).await, ["U1 new unknown"]);
    publish(&store, &foo, &ann()).await;
    let (row, manifest) = decided(&store, "foo").await;
    let mut due = request(&row, &manifest);
    due.replaces = Some(first.build().clone());
    let second = try_claim(&store, &[due]).await.remove(0);
    long_enough(&db).await;
    assert_eq!(
        tell(&store).await,
        ["U1 new building"],
        "it has that post too"
    );
    record(&store, &second, Outcome::Live).await;
    let routed = route(&store).await;
    assert_eq!((routed.taken, routed.told), (1, 0));
    assert_eq!(tell(&store).await, ["U1 new live"]);
}

async fn settled(store: &Store, site: &str) -> Settled {
    let row = row(store, site).await;
    Settled {
        site: row.id,
        posts_version: row.posts_version,
        at: everything(store).await.now,
    }
}

async fn what_made_no_difference_is_said_so(db: Db) {
    let (store, foo) = with_foo(&db).await;
    assert_eq!(store.close_unchanged(&[]).await.unwrap(), 0);
    let post = publish(&store, &foo, &ann()).await;
    let claimed = build(&db, &store, "foo").await;
    record(&store, &claimed, Outcome::Live).await;
    store
        .edit_post(&post.id, &PostChange::default(), &asking())
        .await
        .unwrap();
    assert_eq!(tell(&store).await, ["U1 edit waiting"]);
    let now = settled(&store, "foo").await;
    assert_eq!(
        store
            .close_unchanged(std::slice::from_ref(&now))
            .await
            .unwrap(),
        1
    );
    assert_eq!(store.close_unchanged(&[now]).await.unwrap(), 0);
    assert_eq!(tell(&store).await, ["U1 edit unchanged"]);
    // It is over: a later build is not its.
    publish(&store, &foo, &ann()).await;
    build(&db, &store, "foo").await;
    assert!(due(&store).await.is_empty());
}

async fn a_change_that_a_plan_did_not_know_is_not_unchanged(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let mut planned = settled(&store, "foo").await;
    publish(&store, &foo, &asking()).await;
    // The plan's time is later: the transaction began before it, and was committed after it.
    planned.at = everything(&store).await.now.plus(Duration::from_secs(1));
    store
        .request_rebuild(&foo.id, &foo.name, false, &asking())
        .await
        .unwrap();
    assert_eq!(store.close_unchanged(&[planned]).await.unwrap(), 0);
    let mut early = settled(&store, "foo").await;
    early.at = Millis(0);
    assert_eq!(store.close_unchanged(&[early]).await.unwrap(), 0);
    // What is being built is not unchanged either.
    build(&db, &store, "foo").await;
    let mut now = settled(&store, "foo").await;
    now.at = now.at.plus(Duration::from_secs(1));
    assert_eq!(store.close_unchanged(&[now]).await.unwrap(), 0);
    assert_eq!(
        tell(&store).await,
        ["U1 new building", "U1 rebuild waiting"]
    );
}

async fn a_build_that_cannot_be_started_is_told_of(db: Db) {
    let (store, foo) = with_foo(&db).await;
    publish(&store, &foo, &asking()).await;
    let fail = async || {
        let (row, manifest) = decided(&store, "foo").await;
        let claim = try_claim(&store, &[request(&row, &manifest)])
            .await
            .remove(0);
        let refused = Outcome::Retry {
            error: "connection refused".to_owned(),
            after: None,
            doubtful: false,
        };
        record(&store, &claim, refused).await;
        route(&store).await
    };
    // A hiccup is nobody's business.
    fail().await;
    assert_eq!(tell(&store).await, [""; 0]);
    fail().await;
    long_enough(&db).await;
    assert_eq!(tell(&store).await, ["U1 new retrying"]);
    // Not at every try.
    fail().await;
    long_enough(&db).await;
    assert_eq!(tell(&store).await, [""; 0]);
    // After many, somebody should look: whoever asked, and the channel.
    let many = "UPDATE observed SET failures = 11";
    db.raw().await.run(many).await;
    assert_eq!(fail().await.told, 1);
    let stuck = due(&store).await;
    let told: Vec<_> = stuck
        .iter()
        .map(|telling| (telling.conversation.as_str(), telling.state.as_str()))
        .collect();
    assert_eq!(told, [("C9", "stuck"), ("U1", "stuck")]);
    assert!(
        stuck
            .iter()
            .all(|telling| telling.detail.as_deref() == Some("connection refused"))
    );
    for telling in &stuck {
        store
            .told(telling, "stuck", None, None, false)
            .await
            .unwrap();
    }
    // And once.
    assert_eq!(fail().await.told, 0);
    long_enough(&db).await;
    assert_eq!(tell(&store).await, [""; 0]);
    // Then it is built after all.
    let claim = build(&db, &store, "foo").await;
    record(&store, &claim, Outcome::Live).await;
    route(&store).await;
    assert_eq!(tell(&store).await, ["U1 new live"]);
}

async fn the_end_of_a_site_is_the_end_of_its_promises(db: Db) {
    let store = db.open().await;
    let sites = declare(&store, &["bar", "foo"]).await;
    for site in &sites {
        publish(&store, site, &asking()).await;
    }
    build(&db, &store, "foo").await;
    publish(&store, &sites[1], &asking()).await;
    forget(&store, &sites[1]).await;
    let states: Vec<(String, String)> = due(&store)
        .await
        .into_iter()
        .map(|telling| (telling.site_name.unwrap().to_string(), telling.state))
        .collect();
    let state = |site: &str, state: &str| (site.to_owned(), state.to_owned());
    assert_eq!(
        states,
        [
            state("bar", "waiting"),
            state("foo", "removed"),
            state("foo", "removed")
        ]
    );
}

async fn what_nobody_asked_for_is_told_to_the_channel(db: Db) {
    let store = db.open().await;
    let error = || "exit 1".to_owned();
    let outcomes = [
        ("a", Outcome::Live),
        ("b", Outcome::Accepted),
        ("c", Outcome::Failed { error: error() }),
        ("d", Outcome::Stalled { error: error() }),
        (
            "e",
            Outcome::Retry {
                error: error(),
                after: None,
                doubtful: false,
            },
        ),
        ("f", Outcome::Moved { error: error() }),
        ("g", Outcome::Unknown { error: error() }),
    ];
    declare(&store, &outcomes.each_ref().map(|(site, _)| *site)).await;
    for (site, outcome) in outcomes {
        let claimed = claim(&store, site, 1).await;
        record(&store, &claimed, outcome).await;
    }
    let routed = route(&store).await;
    assert_eq!(
        routed,
        Routed {
            kept_back: 0,
            rows: 7,
            taken: 0,
            told: 4,
            digested: 0
        }
    );
    let told: Vec<String> = due(&store)
        .await
        .into_iter()
        .map(|telling| {
            assert_eq!(
                (telling.workspace.as_str(), telling.conversation.as_str()),
                ("T1", "C9")
            );
            assert_eq!(telling.subject.as_deref(), Some("posts changed"));
            format!(
                "{} {} {} {:?}",
                telling.site_name.unwrap(),
                telling.action,
                telling.state,
                telling.detail
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "a build live None",
            "b build accepted None",
            "c build failed Some(\"exit 1\")",
            "d build stalled Some(\"exit 1\")"
        ]
    );
}

async fn nobody_to_tell(db: Db) {
    let (store, _) = with_foo(&db).await;
    let claimed = claim(&store, "foo", 1).await;
    record(&store, &claimed, Outcome::Live).await;
    let routed = store
        .route_outbox(9, None, 5, std::time::Duration::ZERO)
        .await
        .unwrap();
    assert_eq!((routed.rows, routed.told, routed.digested), (1, 0, 0));
    assert_eq!(route(&store).await, Routed::default());
    assert!(due(&store).await.is_empty());
}

async fn a_flood_is_one_digest(db: Db) {
    let store = db.open().await;
    let sites = names("s", 30);
    let rows = declare(&store, &sites).await;
    publish(&store, &rows[3], &asking()).await;
    let mut claims = Vec::new();
    for site in &sites {
        claims.push(build(&db, &store, site).await);
    }
    let outcomes: Vec<(Claim, Outcome)> = claims
        .into_iter()
        .enumerate()
        .map(|(number, claim)| match number {
            25.. => (
                claim,
                Outcome::Failed {
                    error: "no".to_owned(),
                },
            ),
            _ => (claim, Outcome::Live),
        })
        .collect();
    store.record(&outcomes).await.unwrap();
    let routed = route(&store).await;
    assert_eq!(
        routed,
        Routed {
            kept_back: 0,
            rows: 30,
            taken: 1,
            told: 0,
            digested: 29
        }
    );
    let tellings = due(&store).await;
    assert_eq!(tellings.len(), 2, "one digest, and whoever asked");
    let digest = &tellings[0];
    assert_eq!(
        (digest.action.as_str(), digest.state.as_str()),
        ("digest", "digest")
    );
    assert_eq!(
        (digest.site.as_ref(), digest.conversation.as_str()),
        (None, "C9")
    );
    let flood: Flood = serde_json::from_str(digest.detail.as_deref().unwrap()).unwrap();
    let states = [("failed".to_owned(), 5), ("live".to_owned(), 24)];
    assert_eq!(flood.states, BTreeMap::from(states));
    let shown: Vec<&str> = flood.sites.iter().map(|site| site.as_str()).collect();
    assert_eq!(shown.len(), 20);
    assert_eq!(
        shown[..6],
        ["s-0025", "s-0026", "s-0027", "s-0028", "s-0029", "s-0000"]
    );
    assert_eq!(tellings[1].state, "live");
    assert!(!shown.contains(&"s-0003"));
}

/// Builds that are followed further tell more of the same build.
async fn a_later_state_opens_it_again(db: Db) {
    let (store, _) = with_foo(&db).await;
    let claimed = claim(&store, "foo", 1).await;
    record(&store, &claimed, Outcome::Accepted).await;
    route(&store).await;
    let telling = due(&store).await.remove(0);
    let ts = Some("1700.1");
    store
        .told(&telling, "accepted", Some("C9"), ts, true)
        .await
        .unwrap();
    db.raw()
        .await
        .run(
            "INSERT INTO outbox (id, at, site, build, state, reason) \
             SELECT 'later', at + 1, site, build, 'live', reason FROM outbox",
        )
        .await;
    let routed = route(&store).await;
    assert_eq!((routed.taken, routed.told), (1, 0));
    let live = due(&store).await.remove(0);
    assert_eq!((live.id, live.state.as_str()), (telling.id, "live"));
    assert_eq!(live.message_ts.as_deref(), ts, "the same message");
}

async fn promises(store: &Store, site: &SiteRow, conversations: &[&str]) {
    for conversation in conversations {
        publish(store, site, &ann().with_tell(to(conversation))).await;
    }
}

async fn one_at_a_time_in_a_conversation(db: Db) {
    let (store, foo) = with_foo(&db).await;
    promises(&store, &foo, &["U1", "U2", "U1", "U1"]).await;
    let first = store.due_tellings(1).await.unwrap();
    assert_eq!(first[0].conversation, "U1");
    let others = due(&store).await;
    let conversations: Vec<&str> = others.iter().map(|t| t.conversation.as_str()).collect();
    assert_eq!(
        conversations,
        ["U2"],
        "U1 waits for what is being told there"
    );
    store
        .told(&first[0], "waiting", None, None, false)
        .await
        .unwrap();
    let rest = due(&store).await;
    assert_eq!(rest.len(), 2);
    assert!(rest[0].asked_at <= rest[1].asked_at);
    assert!(due(&store).await.is_empty(), "all of it is somebody's");
}

async fn what_failed_holds_up_what_follows(db: Db) {
    let (store, foo) = with_foo(&db).await;
    promises(&store, &foo, &["U1", "U1", "U2"]).await;
    let first = store.due_tellings(1).await.unwrap().remove(0);
    let later = everything(&store).await.now.plus(Duration::from_secs(60));
    assert!(store.telling_failed(&first, later).await.unwrap());
    let others = due(&store).await;
    let conversations: Vec<&str> = others.iter().map(|t| t.conversation.as_str()).collect();
    assert_eq!(conversations, ["U2"]);
    db.raw().await.run("UPDATE telling SET next_at = 1").await;
    let again = due(&store).await;
    assert_eq!(again.len(), 2);
    assert_eq!((&again[0].id, again[0].failures), (&first.id, 1));
    store
        .told(&again[0], "waiting", None, None, false)
        .await
        .unwrap();
    build(&db, &store, "foo").await;
    let next = due(&store).await;
    assert_eq!((&next[0].id, next[0].failures), (&first.id, 0), "forgiven");
}

async fn a_lease_that_ran_out_is_taken_over(db: Db) {
    let (store, foo) = with_foo(&db).await;
    promises(&store, &foo, &["U1"]).await;
    let dead = due(&store).await.remove(0);
    assert!(due(&store).await.is_empty());
    db.raw()
        .await
        .run("UPDATE telling SET lease_until = 1")
        .await;
    let taken = due(&store).await.remove(0);
    assert_eq!(taken.id, dead.id);
    let now = everything(&store).await.now;
    assert!(
        !store
            .told(&dead, "waiting", None, None, true)
            .await
            .unwrap()
    );
    assert!(!store.telling_failed(&dead, now).await.unwrap());
    assert!(
        store
            .told(&taken, "waiting", None, None, false)
            .await
            .unwrap()
    );
    assert!(due(&store).await.is_empty());
}

async fn a_state_that_changes_while_it_is_told(db: Db) {
    let (store, foo) = with_foo(&db).await;
    promises(&store, &foo, &["U1"]).await;
    let claimed = build(&db, &store, "foo").await;
    let building = due(&store).await.remove(0);
    record(&store, &claimed, Outcome::Live).await;
    route(&store).await;
    assert!(due(&store).await.is_empty(), "not before the first is told");
    // Even if whoever told it took it for the end.
    store
        .told(&building, "building", None, None, true)
        .await
        .unwrap();
    assert_eq!(tell(&store).await, ["U1 new live"]);
}

async fn an_address_for_answers_is_counted(db: Db) {
    let (store, foo) = with_foo(&db).await;
    let sealed = TellTo {
        response_url: Some("sealed".to_owned()),
        ..to("U1")
    };
    publish(&store, &foo, &ann().with_tell(sealed)).await;
    let now = everything(&store).await.now;
    for used in 0..URL_USES {
        let mut telling = due(&store).await.remove(0);
        assert_eq!(telling.response_url.as_deref(), Some("sealed"));
        assert_eq!(telling.url_uses, used);
        assert!(telling.url_works(now));
        assert!(!telling.url_works(now.plus(Duration::from_secs(30 * 60))));
        telling.url_uses += 1;
        let kept = if used % 2 == 0 {
            store.telling_failed(&telling, now).await
        } else {
            let told = store.told(&telling, "waiting", None, None, false).await;
            db.raw().await.run("UPDATE telling SET said = NULL").await;
            told
        };
        assert!(kept.unwrap());
    }
    assert!(!due(&store).await.remove(0).url_works(now));
    publish(&store, &foo, &ann().with_tell(to("U2"))).await;
    assert!(!due(&store).await.remove(0).url_works(now), "it has none");
}

async fn routers_at_once_route_once(db: Db) {
    let store = db.open().await;
    let sites = names("s", 40);
    let rows = declare(&store, &sites).await;
    for row in &rows[..20] {
        publish(&store, row, &asking()).await;
    }
    let mut outcomes = Vec::new();
    for site in &sites {
        outcomes.push((build(&db, &store, site).await, Outcome::Live));
    }
    store.record(&outcomes).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let store = db.open().await;
        tasks.spawn(async move {
            let mut sum = (0, 0, 0);
            loop {
                let routed = store
                    .route_outbox(3, CHANNEL, 5, std::time::Duration::ZERO)
                    .await
                    .unwrap();
                if routed.rows == 0 {
                    return sum;
                }
                sum = (
                    sum.0 + routed.rows,
                    sum.1 + routed.taken,
                    sum.2 + routed.told,
                );
            }
        });
    }
    let sums = tasks.join_all().await;
    let sum = sums.iter().fold((0, 0, 0), |sum, one| {
        (sum.0 + one.0, sum.1 + one.1, sum.2 + one.2)
    });
    assert_eq!(sum, (40, 20, 20));
    assert_eq!(db.raw().await.int("SELECT COUNT(*) FROM telling").await, 40);
}

async fn tellers_at_once_tell_once_and_in_order(db: Db) {
    let (store, foo) = with_foo(&db).await;
    promises(&store, &foo, &["U1", "U2", "U3"].repeat(10)).await;
    let (said, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let (store, mut raw, said) = (db.open().await, db.raw().await, said.clone());
        tasks.spawn(async move {
            loop {
                let tellings = store.due_tellings(4).await.unwrap();
                for telling in &tellings {
                    said.send((
                        telling.conversation.clone(),
                        telling.asked_at,
                        telling.id.clone(),
                    ))
                    .unwrap();
                    let kept = store.told(telling, "waiting", None, None, false).await;
                    assert!(kept.unwrap());
                }
                let unsaid = "SELECT COUNT(*) FROM telling WHERE said IS NULL";
                if tellings.is_empty() && raw.int(unsaid).await == 0 {
                    return;
                }
            }
        });
    }
    tasks.join_all().await;
    drop(said);
    let mut told = BTreeMap::<String, Vec<(Millis, String)>>::new();
    while let Some((conversation, asked_at, id)) = heard.recv().await {
        told.entry(conversation).or_default().push((asked_at, id));
    }
    assert_eq!(told.len(), 3);
    for (conversation, told) in told {
        assert!(told.is_sorted(), "{conversation}: {told:?}");
        assert_eq!(told.len(), 10, "{conversation}");
    }
}
