//! With which token Slack is called: a workspace's own, or none.

use serde_json::json;

use crate::club::Club;
use crate::support::slack::{ADA, Bad, CHANNEL, TEAM};
use crate::support::world::{World, eventually};

const OTHER: &str = "T0OTHER";
const THEIRS: &str = "C0THEIRS";

#[test]
fn the_token_of_the_environment_is_for_its_own_workspace_only() {
    let mut club = Club::new(World::on_sqlite());
    club.rendered();
    // Declared for a workspace that never installed the app.
    let lines = format!("slack = {{ workspace = \"{OTHER}\", channels = [\"{THEIRS}\"] }}");
    club.world.rendered("other", &lines);
    let slack = &club.slack;
    slack.add_team(OTHER, "Others");
    slack.add_user(OTHER, "U0EVE", "Eve", true);
    // Whoever asks with the wrong token gets an answer, too.
    slack.add_user(TEAM, "U0EVE", "Somebody else", true);
    slack.add_channel(TEAM, THEIRS, "theirs", true);
    slack.say(THEIRS, "U0EVE", "Not for here");
    let (_serve, url) = club.serve();
    let ask = |text: &str| slack.command(&url, OTHER, "U0EVE", CHANNEL, text);

    // What needs no token works.
    assert!(ask("sites").words().contains("The other site"));
    let asked = ask("rebuild other");
    let told = slack.wait_for_responses(&asked, 1).pop().unwrap().words();
    assert!(told.contains("Rebuild of"), "{told}");
    // What needs one says so, and whom nobody can be asked about is no admin.
    let asked = ask("new other");
    let said = slack.wait_for_responses(&asked, 1).pop().unwrap().words();
    assert!(said.contains("no token"), "{said}");
    assert!(ask("site add pond").words().contains("Only admins"));
    slack.open_home(&url, OTHER, "U0EVE");
    let message = json!({
        "type": "message", "channel": THEIRS, "channel_type": "channel", "user": "U0EVE",
        "text": "Theirs", "ts": "1795252400.000100", "event_ts": "1795252400.000100",
    });
    slack.event(&url, OTHER, &message);
    eventually("the event is handled", || {
        (club.feed(&url, "other") == ["Theirs"]).then_some(())
    });
    club.publish(&url, ADA, "garden", "Ours", "With our token.");

    let (ours, theirs) = (slack.token(TEAM), slack.token(OTHER));
    for call in slack.calls() {
        let body = call.body.to_string();
        let is_theirs = ["U0EVE", THEIRS].iter().any(|id| body.contains(id));
        let with_ours = call.token.as_ref() == Some(&ours);
        assert!(!(is_theirs && with_ours), "{call:#?}");
        assert_ne!(call.token.as_ref(), Some(&theirs));
    }
    let opened = slack.calls_of("views.open");
    assert_eq!(opened.len(), 1, "{opened:#?}");
}

#[test]
fn nobody_is_called_before_it_is_known_whose_token_it_is() {
    let mut club = Club::new(World::on_sqlite());
    club.rendered();
    let slack = &club.slack;
    slack.always("auth.test", Some(Bad::Status(503)));
    let (_serve, url) = club.serve();
    let asked = club.ask(&url, ADA, "new garden");
    let said = slack.wait_for_responses(&asked, 1).pop().unwrap().words();
    assert!(said.contains("try again"), "{said}");
    assert!(slack.calls_of("views.open").is_empty());
    slack.always("auth.test", None);
    club.ask(&url, ADA, "new garden");
    slack.wait_for_modal(ADA, "New post");
    // Known from now on.
    let asked = slack.calls_of("auth.test").len();
    club.ask(&url, ADA, "new garden");
    slack.wait_for_calls("views.open", 2);
    assert_eq!(slack.calls_of("auth.test").len(), asked);
}
