//! One server, many workspaces: the app is installed, works there, and is removed.

use serde_json::json;

use crate::club::{Club, holds};
use crate::on_both;
use crate::support::http::{get, send};
use crate::support::ports;
use crate::support::slack::{ADMIN, CHANNEL, CLIENT_ID, CLIENT_SECRET, Slack};
use crate::support::world::{World, eventually};

on_both![a_workspace_installs_the_app_and_removes_it];

const OTHER: &str = "T0OTHER";
const TEMPLATE: &str = "
[slack.on_install]
site = \"{workspace}\"
title = \"{team}\"
url = \"https://{workspace}.example.org/\"
build.render = { out = \"public/{workspace}\" }
";

fn several(world: World) -> Club {
    let mut club = Club::with(world, TEMPLATE);
    let port = ports::lasting();
    let address = format!("http://127.0.0.1:{port}");
    let authorize = club.slack.authorize_url();
    club.world
        .estate
        .env("SLACK_CLIENT_ID", CLIENT_ID)
        .env("SLACK_CLIENT_SECRET", CLIENT_SECRET)
        .env("SLACK_AUTHORIZE_URL", authorize)
        .env("MICROBLOT_KEY", "ab".repeat(32))
        .env("MICROBLOT_LISTEN", format!("127.0.0.1:{port}"))
        .env("MICROBLOT_URL", address);
    club.rendered();
    club
}

fn others(slack: &Slack) {
    slack.add_team(OTHER, "Other Club");
    slack.add_user(OTHER, "U0EVE", "Eve", true);
}

fn a_workspace_installs_the_app_and_removes_it(world: World) {
    let club = several(world);
    let slack = &club.slack;
    others(slack);
    let (_serve, url) = club.serve();
    let say = |text: &str| slack.command(&url, OTHER, "U0EVE", CHANNEL, text).words();
    assert!(say("sites").contains("No site belongs"));

    // Of nobody's making, begun elsewhere, or refused by whoever was asked.
    for path in [
        "/slack/oauth",
        "/slack/oauth?code=x&state=forged",
        "/slack/oauth?error=access_denied",
    ] {
        let answer = get(&url, path);
        assert!((400..500).contains(&answer.status), "{path}: {answer:?}");
    }
    let begun = get(&url, "/slack/install");
    let back = slack.agree(
        begun.header("location").unwrap(),
        OTHER,
        "Other Club",
        "U0EVE",
    );
    let another = get(&url, "/slack/install");
    let cookie = another
        .header("set-cookie")
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    for cookie in ["", "microblot_install=x", &cookie] {
        let answer = send(&url, "GET", &back, &[("Cookie", cookie)], b"");
        assert!((400..500).contains(&answer.status), "{cookie}: {answer:?}");
    }
    assert!(slack.calls_of("oauth.v2.access").is_empty());

    let installed = slack.install(&url, OTHER, "Other Club", "U0EVE");
    assert_eq!(installed.status, 200, "{installed:?}");
    assert!(
        installed.body.contains("https://t0other.example.org/"),
        "{}",
        installed.body
    );
    eventually("its blog is there", || {
        say("sites").contains("Other Club").then_some(())
    });
    assert!(!say("sites").contains("The garden site"));
    slack.command(&url, OTHER, "U0EVE", CHANNEL, "new");
    slack.wait_for_modal("U0EVE", "New post");
    let calls = slack.calls_of("views.open");
    assert_eq!(calls.last().unwrap().token, Some(slack.token(OTHER)));
    assert!(
        !holds(&club.stored(), &slack.token(OTHER)),
        "the token is stored as it is"
    );

    slack.event(
        &url,
        OTHER,
        &json!({ "type": "tokens_revoked", "tokens": { "oauth": ["U0EVE"], "bot": [] } }),
    );
    assert!(say("sites").contains("Other Club"));
    slack.event(&url, OTHER, &json!({ "type": "app_uninstalled" }));
    eventually("it is gone", || {
        say("sites").contains("No site belongs").then_some(())
    });
    assert!(club.say(&url, ADMIN, "sites").contains("The garden site"));
}
