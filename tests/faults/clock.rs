//! Clocks that jump. What was stored under the old time must neither wait for it to come again, nor
//! be done twice because it has passed.

use microblot::model::{ContentHash, SiteName};

use crate::hooks::status;
use crate::support::hooks::Answer;
use crate::world::{Beside, LONG, On, World, until};

const DAY: i64 = 24 * 60 * 60 * 1000;

/// What stands in the database when the clock has jumped, as SQL about the one site, whose content
/// `$HASH` is wanted: `$AT` is a moment under the old time.
const CHANGED: &str =
    "UPDATE observed SET wanted_hash = '$HASH', wanted_since = $AT, drift_since = $AT";
const FAILED: &str = "UPDATE observed SET failures = 2, failed_at = $AT, failed_error = 'broken'";
const CLAIMED: &str = "UPDATE observed SET fence = fence + 1; \
     INSERT INTO build (id, site, content_hash, fence, builder, hosted, reason, state, holder, \
     claimed_at, lease_until, deadline) SELECT 'x', site, '$HASH', fence, 'netlify', TRUE, 'x', \
     'claimed', 'dead', $AT, $AT + 500, $AT + 1800000 FROM observed";
/// The lease was renewed often, and lies in the future; the claim itself does not.
const RENEWED: &str = "UPDATE observed SET fence = fence + 1; \
     INSERT INTO build (id, site, content_hash, fence, builder, hosted, reason, state, holder, \
     claimed_at, lease_until, deadline) SELECT 'x', site, '$HASH', fence, 'netlify', TRUE, 'x', \
     'claimed', 'dead', 1000, $AT, 1801000 FROM observed";
const UNKNOWN: &str = "UPDATE observed SET fence = fence + 1; \
     INSERT INTO build (id, site, content_hash, fence, builder, hosted, reason, state, holder, \
     claimed_at, lease_until, deadline) SELECT 'x', site, '$HASH', fence, 'netlify', TRUE, 'x', \
     'unknown', 'dead', $AT, $AT, $AT + 1800000 FROM observed";
const FIRED: &str = "UPDATE build SET claimed_at = $AT";

/// A site that was built once, and wants to be built again; the program is not running.
fn prepare(on: On) -> (World, Beside, SiteName, ContentHash) {
    let world = World::new(on, 1);
    assert_eq!(world.estate.microblot(&["reconcile"]).code, 0);
    let beside = world.beside();
    let name = world.names[0].clone();
    beside.new_post(&name, "a", "a").unwrap();
    let wanted = beside.look()[&name].wanted.unwrap();
    (world, beside, name, wanted)
}

fn at(beside: &Beside, offset: i64) -> i64 {
    beside.run(beside.store.now()).unwrap().0 + offset
}

#[test]
fn whatever_is_stored_under_another_time_is_built_soon_and_once() {
    let cases = [
        ("changed in the future", CHANGED, 365 * DAY),
        ("changed long ago", CHANGED, -20_000 * DAY),
        ("failed in the future", FAILED, 365 * DAY),
        ("failed long ago", FAILED, -20_000 * DAY),
        ("claimed in the future", CLAIMED, 365 * DAY),
        ("claimed long ago", CLAIMED, -20_000 * DAY),
        ("unknown since long ago", UNKNOWN, -20_000 * DAY),
    ];
    for on in [On::Sqlite, On::Postgres] {
        for (what, sql, offset) in cases {
            let (world, beside, name, wanted) = prepare(on);
            let sql = sql
                .replace("$AT", &at(&beside, offset).to_string())
                .replace("$HASH", &wanted.to_string());
            world.sql(&beside, &sql);
            let serve = world.estate.serve();
            until(&format!("{on:?}: {what}: built"), LONG, || {
                beside.look()[&name].is_settled().then_some(())
            });
            assert_eq!(world.hooks.calls().len(), 2, "{on:?}: {what}");
            world.assert_nothing_is_planned();
            assert_eq!(serve.terminate(), 0);
        }
    }
}

/// What may not be done at once waits as long as it would have, and not for the old time.
#[test]
fn a_wait_keeps_its_length() {
    let cases = [
        (
            "fired in the future",
            FIRED,
            "builds in the last minute",
            60,
        ),
        ("unknown in the future", UNKNOWN, "outcome unknown", 1800),
        ("renewed in the future", RENEWED, "in flight", 600),
    ];
    for on in [On::Sqlite, On::Postgres] {
        for (what, sql, words, seconds) in cases {
            let (world, beside, name, wanted) = prepare(on);
            world.hooks.always_any(Answer::Ok);
            let toml = world.estate.read("sites.toml");
            let one = toml.replace("builds_per_minute = 100000", "builds_per_minute = 1");
            world.estate.write("sites.toml", one);
            let sql = sql
                .replace("$AT", &at(&beside, 365 * DAY).to_string())
                .replace("$HASH", &wanted.to_string());
            world.sql(&beside, &sql);
            let serve = world.estate.serve();
            until(&format!("{on:?}: {what}: {words}"), LONG, || {
                let (decision, reason, left) = status(&world, name.as_str());
                let left = left.unwrap_or(i64::MAX);
                (decision == "wait" && reason.contains(words) && left <= seconds).then_some(())
            });
            assert_eq!(world.hooks.calls().len(), 1, "{on:?}: {what}");
            assert_eq!(serve.terminate(), 0);
        }
    }
}

/// A pass that ends by itself sees to the times as well: nobody else may ever do it.
#[test]
fn one_pass_is_enough_to_see_that_the_clock_was_set_back() {
    for on in [On::Sqlite, On::Postgres] {
        let (world, beside, name, _) = prepare(on);
        let toml = world.estate.read("sites.toml");
        let one = toml.replace("builds_per_minute = 100000", "builds_per_minute = 1");
        world.estate.write("sites.toml", one);
        let sql = format!("{FIRED}; UPDATE observed SET built_at = $AT");
        let sql = sql.replace("$AT", &at(&beside, DAY).to_string());
        world.sql(&beside, &sql);
        let output = world.estate.microblot(&["reconcile"]);
        assert_eq!(output.code, 1, "{on:?}: {output:?}");
        assert!(
            output.stdout.contains("builds in the last minute"),
            "{on:?}: {output:?}"
        );
        assert_eq!(world.hooks.calls().len(), 1, "{on:?}");
        let row = beside.run(beside.store.site(&name)).unwrap().unwrap();
        assert!(row.observed.built.unwrap().at.0 <= at(&beside, 0), "{on:?}");
        let look = beside.run(beside.store.estate_since(0)).unwrap();
        assert!(
            look.account.fired.iter().all(|at| *at <= look.now),
            "{on:?}"
        );
    }
}
