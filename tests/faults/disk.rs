//! The disk is full.

use crate::support::estate::{Output, finish};
use crate::world::{LONG, On, World};
use std::process::Command;

/// Runs the program where no file may grow beyond so many KiB: writing more fails, as it does on a
/// disk that is full.
fn limited(world: &World, kib: u64, arguments: &[&str], stdin: &str) -> Output {
    let program = world.estate.command();
    let mut command = Command::new("bash");
    command
        .args(["-c", "trap '' XFSZ; ulimit -f \"$0\"; exec \"$@\""])
        .arg(kib.to_string())
        .arg(program.get_program())
        .args(arguments)
        .current_dir(world.estate.path())
        .env_clear();
    for (name, value) in program.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    finish(command, stdin)
}

#[test]
fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let world = World::new(On::Sqlite, 1);
    world.hooks.ignore_rest();
    let name = &world.names[0];
    assert_eq!(world.estate.microblot(&["reconcile"]).code, 0);
    // The log of changes (`-wal`) grows beside the file, and is as large by now.
    let size = |file: &str| {
        let metadata = std::fs::metadata(world.estate.path().join(file));
        metadata.map_or(0, |metadata| metadata.len())
    };
    let limit = size("microblot.db").max(size("microblot.db-wal")) / 1024 + 256;

    let mut acknowledged = Vec::new();
    let refused = loop {
        let number = acknowledged.len();
        assert!(number < 200, "the disk never got full");
        let body = format!("{number} ").repeat(8_000);
        let title = format!("Post {number}");
        let arguments = [
            "new",
            name.as_str(),
            "--title",
            &title,
            "--file",
            "-",
            "--json",
        ];
        let output = limited(&world, limit, &arguments, &body);
        if output.code != 0 {
            break output;
        }
        let post: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
        acknowledged.push((post["id"].as_str().unwrap().to_owned(), body));
    };
    println!(
        "at {limit} KiB after {} posts: {}",
        acknowledged.len(),
        refused.stderr
    );
    assert_eq!(refused.code, 1, "{refused:?}");
    assert_eq!(refused.stdout, "", "nothing is acknowledged");
    assert!(refused.stderr.contains("full"), "{refused:?}");
    assert!(!acknowledged.is_empty());

    // Reading goes on, and says the truth, while the disk is full.
    let list = limited(&world, limit, &["list", "--json"], "");
    assert_eq!(list.code, 0, "{list:?}");

    let beside = world.beside();
    for (id, body) in &acknowledged {
        let stored = beside.body_of(&id.parse().unwrap());
        assert_eq!(stored.as_ref(), Some(body), "{id} is lost");
    }
    // With room again everything works.
    let new = world
        .estate
        .microblot(&["new", name.as_str(), "--title", "Room again"]);
    assert_eq!(new.code, 0, "{new:?}");
    let list = world
        .estate
        .microblot(&["list", "--json", "--limit", "1000"]);
    let list: serde_json::Value = serde_json::from_str(&list.stdout).unwrap();
    assert_eq!(list.as_array().unwrap().len(), acknowledged.len() + 1);
    let pass = world.estate.microblot(&["reconcile"]);
    assert_eq!(pass.code, 0, "{pass:?}");
    world.assert_nothing_is_planned();
}

/// A replica whose disk is full stays up, says so, and goes on when there is room.
#[test]
fn a_replica_outlives_a_full_disk() {
    let world = World::new(On::Sqlite, 1);
    assert_eq!(world.estate.microblot(&["reconcile"]).code, 0);
    let _built = world.hooks.wait_for(1, LONG);
    let name = &world.names[0];
    let beside = world.beside();
    // The loop can read, and not write down what it sees.
    let program = world.estate.command();
    let mut command = Command::new("bash");
    command
        .args(["-c", "trap '' XFSZ; ulimit -S -f 1; exec \"$0\" serve"])
        .arg(program.get_program())
        .current_dir(world.estate.path())
        .env_clear()
        .env("MICROBLOT_LISTEN", "127.0.0.1:0");
    for (name, value) in program.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let serve = crate::support::estate::Serve::spawn(command);
    serve.url();
    beside.new_post(name, "A post", "text").unwrap();
    let line = serve.wait_for_line("cannot look at the estate", LONG);
    assert!(line.contains("full"), "{line}");
    assert_eq!(
        world.hooks.calls().len(),
        1,
        "nothing is fired that is not written down first"
    );

    let id = serve.id().to_string();
    let more = Command::new("prlimit")
        .args(["--pid", &id, "--fsize=unlimited"])
        .status();
    assert!(more.unwrap().success());
    world.wait_until_built(&beside, LONG);
    assert_eq!(world.hooks.calls().len(), 2);
    assert_eq!(serve.terminate(), 0);
}
