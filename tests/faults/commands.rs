//! Commands that end by themselves meet a database that does not answer.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::support::chaos::Proxy;
use crate::world::{On, World};

/// What is said to whoever waits: ten seconds without a sign of life, and the time to notice. The
/// rest is for a busy machine.
const PROMISED: Duration = Duration::from_secs(30);

const COMMANDS: [&[&str]; 12] = [
    &["reconcile"],
    &["reconcile", "--plan"],
    &["status"],
    &["status", "site-00"],
    &["history", "site-00"],
    &["list"],
    &["pause", "site-00"],
    &["resume", "site-00"],
    &["rebuild", "site-00"],
    &["adopt"],
    &["new", "site-00", "--title", "A post"],
    &["export"],
];

/// The command ends in time, with one clear error and nothing on standard output.
fn assert_ends(world: &World, arguments: &[&str], database: &str, says: &str) {
    let start = Instant::now();
    let output = (world.estate).microblot(&[arguments, &["--database-url", database]].concat());
    let took = start.elapsed();
    assert_eq!(
        (output.code, &*output.stdout),
        (1, ""),
        "{arguments:?}: {output:?}"
    );
    assert!(output.stderr.contains(says), "{arguments:?}: {output:?}");
    assert_eq!(output.stderr.matches("error: ").count(), 1, "{output:?}");
    assert!(took < PROMISED, "{arguments:?} took {took:?}");
}

#[test]
fn a_database_that_says_nothing_ends_a_command() {
    let world = World::new(On::Sqlite, 1);
    // Connections are taken by the kernel, and nobody ever reads or writes.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let database = format!("postgres://nobody@{address}/nothing");
    std::thread::scope(|scope| {
        for arguments in COMMANDS {
            let (world, database) = (&world, &database);
            scope.spawn(move || {
                assert_ends(world, arguments, database, "the database does not answer");
            });
        }
    });
    let offline = world
        .estate
        .microblot(&["check", "--database-url", &database]);
    assert_eq!(offline.code, 0, "{offline:?}");
}

#[test]
fn a_database_that_falls_silent_ends_a_command() {
    let early = "the database does not answer";
    let late = "the database stopped answering";
    let silences: [(&[&str], &str, &str); 12] = [
        (&["status"], "TimeZone", early),
        (&["status"], "to_regclass", early),
        (&["status"], "FROM generation", late),
        (&["reconcile", "--plan"], "FROM generation", late),
        (&["history", "site-00"], "FROM build", late),
        (&["list"], "JOIN post", late),
        (&["pause", "site-00"], "_sqlx_migrations", early),
        (&["pause", "site-00"], "SET hold = ", late),
        (&["resume", "site-00"], "SET hold = NULL", late),
        (&["rebuild", "site-00"], "INSERT INTO audit", late),
        (&["adopt"], "INSERT INTO manifest", late),
        (
            &["new", "site-00", "--title", "A"],
            "INSERT INTO post",
            late,
        ),
    ];
    std::thread::scope(|scope| {
        for (arguments, at, says) in silences {
            scope.spawn(move || {
                let world = World::new(On::Postgres, 1);
                let ready = world.estate.microblot(&["adopt"]);
                assert_eq!(ready.code, 0, "{ready:?}");
                let direct = world.url();
                let mut proxy = Proxy::before(&direct);
                proxy.swallow_at(at);
                assert_ends(&world, arguments, &proxy.url(&direct), says);
                assert!(proxy.is_silent());
            });
        }
    });
}

/// What a hook answered cannot be stored: whoever asks next finds a claim whose holder is dead.
#[test]
fn a_pass_ends_though_it_cannot_record_its_builds() {
    let world = World::new(On::Postgres, 1);
    let direct = world.url();
    let mut proxy = Proxy::before(&direct);
    proxy.swallow_at("SET state = e.value");
    assert_ends(
        &world,
        &["reconcile"],
        &proxy.url(&direct),
        "stopped answering",
    );
    assert!(proxy.is_silent());
    assert_eq!(world.hooks.calls().len(), 1);
}
