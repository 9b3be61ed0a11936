//! One server, many workspaces: the app is installed, works there, and is removed.

use serde_json::json;

use crate::club::{Club, holds};
use crate::on_both;
use crate::support::http::{get, send};
use crate::support::ports;
use crate::support::slack::{ADA, ADMIN, CHANNEL, CLIENT_ID, CLIENT_SECRET, Slack, TEAM};
use crate::support::world::{World, eventually};

on_both![
    a_workspace_installs_the_app_and_removes_it,
    no_workspace_gets_the_site_of_another,
    whoever_takes_a_name_beforehand_keeps_nobody_from_a_blog,
    a_name_that_is_free_again_brings_nobody_elses_posts,
];

pub const OTHER: &str = "T0OTHER";
const TEMPLATE: &str = "
[slack.on_install]
site = \"{workspace}\"
title = \"{team}\"
url = \"https://{workspace}.example.org/\"
build.render = { out = \"public/{workspace}\" }
";

fn several(world: World) -> Club {
    several_with(world, TEMPLATE)
}

/// A server that further workspaces may install the app from, with these lines of `[slack]`.
pub fn several_with(world: World, lines: &str) -> Club {
    let mut club = Club::with(world, lines);
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

/// Another workspace, and who administers it.
pub fn others(slack: &Slack) {
    slack.add_team(OTHER, "Other Club");
    slack.add_user(OTHER, "U0EVE", "Eve", true);
}

#[test]
fn half_of_the_app_is_an_error() {
    for (set, missing) in [
        ("SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET"),
        ("SLACK_CLIENT_SECRET", "SLACK_CLIENT_ID"),
    ] {
        let mut club = several(World::on_sqlite());
        club.world.estate.env(missing, "");
        let refused = club.world.fails(&["serve"]);
        let said = &refused.stderr;
        assert!(said.contains(set) && said.contains(missing), "{said}");
        assert!(said.contains("App Credentials"), "{said}");
        assert!(!said.contains(CLIENT_SECRET), "{said}");
    }
}

#[test]
fn a_workspace_may_be_called_anything() {
    let club = several(World::on_sqlite());
    let slack = &club.slack;
    let (_serve, url) = club.serve();
    let long = "é".repeat(300);
    let cut = "é".repeat(200);
    for (number, (name, title)) in [
        ("<b>Ann</b> & \"Bob's\"", "<b>Ann</b> & \"Bob's\""),
        (
            "{workspace} {WORKSPACE} {team}",
            "{workspace} {WORKSPACE} {team}",
        ),
        ("<!channel> *stars* `ticks`", "<!channel> *stars* `ticks`"),
        ("\"\n[sites.evil]\nurl = \"", "\" [sites.evil] url = \""),
        ("日本語 🎉 \u{202e}x", "日本語 🎉 \u{202e}x"),
        (" \n ", "T0NAME5"),
        (&long, &cut),
    ]
    .into_iter()
    .enumerate()
    {
        let team = format!("T0NAME{number}");
        slack.add_team(&team, name);
        slack.add_user(&team, "U0EVE", "Eve", true);
        let installed = slack.install(&url, &team, name, "U0EVE");
        assert_eq!(installed.status, 200, "{name:?}: {installed:?}");
        assert!(!installed.body.contains("<b>Ann"), "{}", installed.body);
        let site = team.to_lowercase();
        let address = format!("https://{site}.example.org/");
        assert!(installed.body.contains(&address), "{}", installed.body);
        let feed = eventually("its blog is there", || {
            let feed = get(&url, &format!("/sites/{site}/feed.json"));
            (feed.status == 200).then(|| feed.json())
        });
        assert_eq!(feed["title"], title, "{name:?}");
        // In Slack it is text, and the stand-in checks that Slack would take it.
        let asked = eventually("the workspace has a site", || {
            let asked = slack.command(&url, &team, "U0EVE", CHANNEL, "sites");
            asked.words().contains(&site).then_some(asked)
        });
        assert!(!asked.answer.body.contains("<!channel>"), "{asked:?}");
        slack.command(&url, &team, "U0EVE", CHANNEL, "new");
        let editor = slack.wait_for_modal("U0EVE", "New post");
        slack.close(&url, "U0EVE", &editor);
    }
    assert_eq!(get(&url, "/sites/evil/feed.json").status, 404);
}

fn no_workspace_gets_the_site_of_another(world: World) {
    let mut club = several(world);
    // The name that the template makes is taken, and its posts are nobody else's to see.
    let slack = format!("slack = {{ workspace = \"{TEAM}\" }}");
    club.world.rendered("t0other", &slack);
    let slack = &club.slack;
    others(slack);
    let (_serve, url) = club.serve();
    club.publish(&url, ADA, "t0other", "Ours", "Only ours.");
    let say = |text: &str| slack.command(&url, OTHER, "U0EVE", CHANNEL, text).words();
    // It has one of its own all the same, and keeps it.
    for _ in 0..2 {
        let installed = slack.install(&url, OTHER, "Other Club", "U0EVE");
        assert_eq!(installed.status, 200, "{installed:?}");
        let body = &installed.body;
        assert!(body.contains("is installed in"), "{body}");
        assert!(body.contains("https://t0other-2.example.org/"), "{body}");
    }
    eventually("its blog is there", || {
        say("sites").contains("Other Club").then_some(())
    });
    for text in [
        "sites",
        "list",
        "list t0other",
        "new t0other",
        "new",
        "",
        "status t0other",
    ] {
        let said = say(text);
        assert!(
            !said.contains("Ours") && !said.contains("The t0other site"),
            "{said}"
        );
    }
    assert!(!say("sites").contains("t0other-3"));
    assert!(club.say(&url, ADA, "list t0other").contains("Ours"));
    let feed = get(&url, "/sites/t0other/feed.json").json();
    assert_eq!(feed["title"], "The t0other site");
}

fn whoever_takes_a_name_beforehand_keeps_nobody_from_a_blog(world: World) {
    let mut club = several(world);
    // A folder is in the way, too.
    let out = "build.render = { out = \"public/t0fourth/deep\" }";
    club.world.declare("www", out);
    let slack = &club.slack;
    others(slack);
    for (team, name) in [("T0THIRD", "Third Club"), ("T0FOURTH", "Fourth Club")] {
        slack.add_team(team, name);
        slack.add_user(team, "U0FAY", "Fay", true);
    }
    let (_serve, url) = club.serve();
    slack.install(&url, OTHER, "Other Club", "U0EVE");
    for name in ["t0third", "t0third-2"] {
        let text = format!("site add {name}");
        eventually("a guest takes the name", || {
            let said = slack.command(&url, OTHER, "U0EVE", CHANNEL, &text).words();
            said.contains("is there").then_some(())
        });
        // Whatever this server knows of.
        club.says(&url, ADMIN, &text, &["There is a site"]);
    }
    for (team, name, site) in [
        ("T0THIRD", "Third Club", "t0third-3"),
        ("T0FOURTH", "Fourth Club", "t0fourth-2"),
    ] {
        let installed = slack.install(&url, team, name, "U0FAY");
        let address = format!("https://{site}.example.org/");
        assert!(installed.body.contains(&address), "{}", installed.body);
        eventually("it is built where nobody else is", || {
            let page = format!("public/{site}/index.html");
            let page = std::fs::read_to_string(club.world.estate.path().join(page));
            page.is_ok_and(|page| page.contains(name)).then_some(())
        });
        let said = slack.command(&url, team, "U0FAY", CHANNEL, "sites").words();
        assert!(said.contains(name) && !said.contains("attention"), "{said}");
    }
    // What it was is what it is when it comes back.
    slack.event(&url, "T0THIRD", &json!({ "type": "app_uninstalled" }));
    eventually("it is forgotten", || {
        let sql = "SELECT presence FROM site WHERE name = 't0third-3'";
        (club.world.sql(sql) == ["forgotten"]).then_some(())
    });
    let installed = slack.install(&url, "T0THIRD", "Third Club", "U0FAY");
    let body = &installed.body;
    assert!(body.contains("https://t0third-3.example.org/"), "{body}");
}

fn a_name_that_is_free_again_brings_nobody_elses_posts(world: World) {
    let club = several(world);
    let slack = &club.slack;
    others(slack);
    let (_serve, url) = club.serve();
    slack.install(&url, OTHER, "Other Club", "U0EVE");
    let say = |text: &str| {
        eventually(text, || {
            let said = slack.command(&url, OTHER, "U0EVE", CHANNEL, text).words();
            (!said.contains("who you are")).then_some(said)
        })
    };
    let gone = |site: &str| {
        eventually("it is forgotten", || {
            let sql = format!("SELECT presence FROM site WHERE name = '{site}'");
            (club.world.sql(&sql) == ["forgotten"]).then_some(())
        });
    };
    assert!(say("site add pond").contains("pond is there"));
    eventually("they have it", || {
        say("sites").contains("pond").then_some(())
    });
    slack.command(&url, OTHER, "U0EVE", CHANNEL, "new pond");
    let editor = slack.wait_for_modal("U0EVE", "New post");
    let typed = [("title", "Their secret"), ("body.0", "Frogs.")];
    slack.press_with(&url, "U0EVE", &editor, "editor.draft", None, &typed);
    slack.wait_for_modal("U0EVE", "draft is saved");
    assert!(say("site remove pond").contains("is removed"));
    gone("pond");

    club.says(
        &url,
        ADMIN,
        "site add pond",
        &["There is a site pond already"],
    );
    assert!(!club.say(&url, ADMIN, "list").contains("Their secret"));
    // Whose it was gets it back, with everything in it.
    assert!(say("site add pond").contains("pond is there"));
    eventually("the draft is there", || {
        say("list pond").contains("Their secret").then_some(())
    });
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
    let removed = slack.event(&url, OTHER, &json!({ "type": "app_uninstalled" }));
    eventually("it is gone", || {
        say("sites").contains("No site belongs").then_some(())
    });
    // It comes back, and Slack repeats itself, or brings late what happened before.
    eventually("its blog may come back", || {
        let sql = "SELECT presence FROM site WHERE name = 't0other'";
        (club.world.sql(sql) == ["forgotten"]).then_some(())
    });
    slack.install(&url, OTHER, "Other Club", "U0EVE");
    eventually("its blog is back", || {
        say("sites").contains("Other Club").then_some(())
    });
    assert_eq!(slack.retry(&url, &removed).status, 200);
    for event in [
        json!({ "type": "app_uninstalled" }),
        json!({ "type": "tokens_revoked", "tokens": { "bot": ["U0BOT"] } }),
    ] {
        let late = json!({
            "type": "event_callback", "team_id": OTHER, "event": event,
            "event_id": "Ev0LATE", "event_time": 1_700_000_000,
        });
        assert_eq!(slack.raw_event(&url, OTHER, &late).answer.status, 200);
    }
    let kept = "SELECT id FROM workspace WHERE id = 'T0OTHER' AND removed_at IS NULL";
    assert_eq!(club.world.sql(kept), [OTHER]);
    assert!(say("sites").contains("Other Club"));
    assert!(club.say(&url, ADMIN, "sites").contains("The garden site"));
}
