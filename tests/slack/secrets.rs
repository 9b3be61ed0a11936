//! What nobody must read is in nothing that is written.

use crate::club::{Club, holds};
use crate::on_both;
use crate::support::slack::{ADA, Bad, CHANNEL, SIGNING_SECRET, TEAM, VERIFICATION_TOKEN};
use crate::support::world::{SOON, World};

on_both![no_secret_is_written_anywhere];

fn no_secret_is_written_anywhere(mut world: World) {
    world.estate.env("RUST_LOG", "debug");
    let mut club = Club::new(world);
    club.hosted_with(&format!(", channels = [\"{CHANNEL}\"]"));
    let (serve, url) = club.serve();
    let slack = &club.slack;
    club.world.hooks.wait_for(1, SOON);
    let mut read = String::new();
    slack.answer("response_url", [Bad::Status(500)]);
    slack.answer("users.info", [Bad::Error("internal_error")]);
    for text in [
        "help",
        "sites",
        "status shop",
        "plan",
        "history shop",
        "info shop",
        "export",
        "list",
    ] {
        read.push_str(&club.say(&url, ADA, text));
    }
    club.publish(&url, ADA, "shop", "Busy", "Very.");
    club.world.hooks.wait_for(2, SOON);
    // An event is kept, and what Slack proves itself with is not.
    slack.write(&url, TEAM, ADA, CHANNEL, "Said in the channel");
    let kept = club.world.sql("SELECT body FROM inbox").join("");
    assert!(kept.contains("Said in the channel"), "{kept}");
    club.world.hooks.wait_for(3, SOON);
    let calls = slack.wait_for_calls("response_url", 1);
    assert!(!calls.is_empty());
    let reply = slack.command(&url, TEAM, ADA, CHANNEL, "rebuild shop");
    read.push_str(&reply.words());
    club.world.hooks.wait_for(4, SOON);
    read.push_str(&serve.stderr());
    let hook = club.world.hooks.address("shop");
    let path = hook.rsplit('/').next().unwrap();
    let stored = club.stored();
    for secret in [
        SIGNING_SECRET,
        &slack.token(TEAM),
        VERIFICATION_TOKEN,
        "authorizations",
        path,
        "/respond/",
    ] {
        assert!(!read.contains(secret), "{secret} in {read}");
        assert!(!holds(&stored, secret), "{secret} is in the database");
    }
}
