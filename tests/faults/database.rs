//! The database, or the way to it, is gone for a while; a replica is gone for good.

use std::time::{Duration, Instant};

use microblot::model::SiteName;
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::support::chaos::Proxy;
use crate::support::estate::Serve;
use crate::support::hooks::Answer;
use crate::support::postgres::Server;
use crate::world::{Beside, LONG, On, World, extras, hash_of, until, wait_until_ready};

/// How soon the loop has to work again, whatever the database did before.
const SOON: Duration = Duration::from_secs(30);

#[test]
fn a_dead_replica_is_taken_over_in_fifteen_seconds() {
    // As somebody finds it who sets nothing: no lease, no debounce.
    let world = World::with(On::Postgres, 1, "");
    world.hooks.answer_any([Answer::Hang]);
    let mut replicas = [world.estate.serve(), world.estate.serve()].map(Some);
    let beside = world.beside();

    let first = world.hooks.wait_for(1, LONG).remove(0);
    let building = |serve: &Option<Serve>| {
        let log = serve.as_ref().map(Serve::stderr).unwrap_or_default();
        log.contains("building site-00")
    };
    let holder = until("the holder says that it builds", LONG, || {
        replicas.iter().position(building)
    });
    let killed = Instant::now();
    replicas[holder].take().unwrap().kill();

    let second = world.hooks.wait_for(2, Duration::from_secs(20)).remove(1);
    let takeover = second.at - killed;
    println!("taken over after {takeover:?}");
    assert!(takeover < Duration::from_secs(15), "{takeover:?}");
    assert_eq!(hash_of(&first), hash_of(&second));
    world.wait_until_built(&beside, LONG);
    assert_eq!(world.hooks.calls().len(), 2);
    let survivor = replicas[1 - holder].take().unwrap();
    assert_eq!(survivor.terminate(), 0);
}

/// A change of each kind: a post, and a file.
fn change(world: &World, beside: &Beside, name: &SiteName, text: &str) {
    beside.new_post(name, text, text).unwrap();
    world.write_page(name, text);
}

/// Everything is built, soon, and nothing was fired twice.
fn assert_recovered(world: &World, beside: &Beside, calls: usize) {
    let built = until_published_and_built(world, beside);
    println!("built again after {built:?}");
    let all = world.hooks.calls();
    assert!(extras(&all).values().all(|extras| *extras == 0), "{all:#?}");
    assert!(all.len() >= calls, "{} calls", all.len());
}

fn until_published_and_built(world: &World, beside: &Beside) -> Duration {
    let start = Instant::now();
    until("everything is published and built", SOON, || {
        let plan = world.estate.microblot(&["reconcile", "--plan", "--json"]);
        let plan: serde_json::Value = serde_json::from_str(&plan.stdout).unwrap();
        (plan["summary"]["unchanged"] == world.names.len()).then_some(())
    });
    world.wait_until_built(beside, SOON);
    start.elapsed()
}

#[test]
fn a_database_that_stops_and_starts_again_stops_nothing() {
    let server = Server::start_new();
    let database = server.database();
    let mut world = World::new(On::Sqlite, 3);
    world.estate.database(database.url());
    let replicas = [world.estate.serve(), world.estate.serve()];
    {
        let beside = Beside::open(database.url());
        world.wait_until_built(&beside, LONG);
        // A call is in the air when the database goes, and answered while it is away for longer
        // than a lease. The other replica must not think that its holder is dead.
        let slow = Answer::Slow(Duration::from_secs(3));
        world.hooks.answer(world.names[0].as_str(), [slow]);
        change(&world, &beside, &world.names[0], "before");
        world.hooks.wait_for(4, LONG);
    }
    server.stop();
    let gone = Instant::now();
    for replica in &replicas {
        let problem = wait_until_ready(replica, 503, Duration::from_secs(15));
        assert_eq!(problem["database"], false, "{problem:#}");
    }
    world.write_page(&world.names[1], "while it was away");
    until("a lease is over", LONG, || {
        (gone.elapsed() > Duration::from_secs(12)).then_some(())
    });

    server.start();
    for replica in &replicas {
        wait_until_ready(replica, 200, SOON);
    }
    let beside = Beside::open(database.url());
    change(&world, &beside, &world.names[2], "after");
    assert_recovered(&world, &beside, 6);
    for replica in replicas {
        assert_eq!(replica.terminate(), 0, "it stayed up, and stops when told");
    }
}

/// How the way to the database fails.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Connections break, new ones are refused.
    Cut,
    /// Connections stay and are silent, also new ones.
    Silent,
    /// Connections stay and are silent for ever; new ones work.
    Stranded,
}

#[test]
fn a_way_to_the_database_that_fails_is_found_again() {
    std::thread::scope(|scope| {
        for way in [Way::Cut, Way::Silent, Way::Stranded] {
            scope.spawn(move || lose_the_way(way));
        }
    });
}

fn lose_the_way(way: Way) {
    let mut world = World::new(On::Postgres, 3);
    let direct = world.url();
    let mut proxy = Proxy::before(&direct);
    world.estate.database(&proxy.url(&direct));
    let serve = world.estate.serve();
    world.estate.database(&direct);
    let beside = world.beside();
    world.wait_until_built(&beside, LONG);
    wait_until_ready(&serve, 200, LONG);

    let slow = Answer::Slow(Duration::from_secs(2));
    world.hooks.answer(world.names[0].as_str(), [slow]);
    change(&world, &beside, &world.names[0], "before");
    world.hooks.wait_for(4, LONG);
    match way {
        Way::Cut => proxy.cut(),
        Way::Silent => proxy.swallow(),
        Way::Stranded => proxy.strand(),
    }
    change(&world, &beside, &world.names[1], "while it was away");
    if !matches!(way, Way::Stranded) {
        let problem = wait_until_ready(&serve, 503, Duration::from_secs(15));
        assert_eq!(problem["database"], false, "{way:?}: {problem:#}");
        proxy.restore();
    }
    change(&world, &beside, &world.names[2], "after");
    wait_until_ready(&serve, 200, SOON);
    assert_recovered(&world, &beside, 6);
    // The work after that is as quick as ever: no connection is stuck, no notification lost.
    change(&world, &beside, &world.names[0], "much later");
    assert_recovered(&world, &beside, 7);
    assert_eq!(serve.terminate(), 0, "{way:?}");
}

/// The machine of a replica vanishes in the middle of a transaction: its session at the database
/// is there still, with its locks.
#[test]
fn a_vanished_replica_keeps_nothing_locked() {
    let mut world = World::new(On::Postgres, 2);
    let direct = world.url();
    let mut proxy = Proxy::before(&direct);
    world.estate.database(&proxy.url(&direct));
    let vanishing = world.estate.serve();
    world.estate.database(&direct);
    let beside = world.beside();
    world.wait_until_built(&beside, LONG);

    // The claim waits for the table that is locked here, with the lock of all claims held.
    let mut locker = beside.run(PgConnection::connect(&direct)).unwrap();
    beside
        .run(locker.execute("BEGIN; LOCK TABLE manifest IN EXCLUSIVE MODE"))
        .unwrap();
    beside.new_post(&world.names[0], "a", "a").unwrap();
    until("a claim waits for the row", LONG, || {
        let waiting = "SELECT COUNT(*) FROM pg_locks l JOIN pg_locks a ON a.pid = l.pid \
                       WHERE NOT l.granted AND a.locktype = 'advisory' AND a.granted";
        let count: i64 = beside
            .run(sqlx::query_scalar(waiting).fetch_one(&mut locker))
            .unwrap();
        (count > 0).then_some(())
    });
    proxy.swallow();
    beside.run(locker.execute("ROLLBACK")).unwrap();

    let serve = world.estate.serve();
    beside.new_post(&world.names[1], "b", "b").unwrap();
    let start = Instant::now();
    world.wait_until_built(&beside, SOON);
    println!(
        "went on without the vanished replica after {:?}",
        start.elapsed()
    );
    vanishing.kill();
    assert_eq!(serve.terminate(), 0);
    let calls = world.hooks.calls();
    assert!(
        extras(&calls).values().all(|extras| *extras == 0),
        "{calls:#?}"
    );
}

/// Both replicas lose the database for longer than a lease, and the one that fired nothing is back
/// first: it finds a lease that is over, and must not think that its holder is dead.
#[test]
fn whoever_comes_back_first_fires_nothing_again() {
    let mut world = World::new(On::Postgres, 1);
    world.estate.env("MICROBLOT_LEASE", "2s");
    let direct = world.url();
    let mut proxies = [Proxy::before(&direct), Proxy::before(&direct)];
    let replicas = [0, 1].map(|i: usize| {
        world.estate.database(&proxies[i].url(&direct));
        world.estate.serve()
    });
    world.estate.database(&direct);
    let beside = world.beside();
    world.wait_until_built(&beside, LONG);

    let name = &world.names[0];
    let slow = Answer::Slow(Duration::from_secs(1));
    world.hooks.answer(name.as_str(), [slow]);
    let before: Vec<_> = replicas.iter().map(firings).collect();
    beside.new_post(name, "a", "a").unwrap();
    world.hooks.wait_for(2, LONG);
    let fired = |i: &usize| firings(&replicas[*i]) > before[*i];
    let holder = until("the holder says that it builds", LONG, || {
        (0..2).find(&fired)
    });
    proxies.iter_mut().for_each(Proxy::cut);

    let flight = beside.look()[name].flight.clone().unwrap();
    until(
        "the lease is over, and both have noticed that the database is away",
        LONG,
        || {
            let over = beside.run(beside.store.now()).unwrap() > flight.lease_until;
            let noticed = |serve: &Serve| serve.stderr().contains("cannot look at the estate");
            (over && replicas.iter().all(noticed)).then_some(())
        },
    );
    let other = &replicas[1 - holder];
    proxies[1 - holder].restore();
    wait_until_ready(other, 200, SOON);
    proxies[holder].restore();
    world.wait_until_built(&beside, LONG);
    assert_eq!(world.hooks.calls().len(), 2, "{}", other.stderr());
    world.assert_nothing_is_planned();
    for replica in replicas {
        assert_eq!(replica.terminate(), 0);
    }
}

fn firings(serve: &Serve) -> usize {
    serve.stderr().matches("building site-00").count()
}
