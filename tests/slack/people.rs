//! Who people are, as far as Slack tells.

use serde_json::json;

use crate::club::Club;
use crate::on_both;
use crate::support::http::get;
use crate::support::slack::{ADA, ADMIN, Bad, CHANNEL, TEAM};
use crate::support::world::{World, eventually};

#[test]
fn whom_a_message_mentions_has_a_name_if_slack_tells_it_in_time() {
    let mut club = Club::new(World::on_sqlite());
    club.rendered();
    let (_serve, url) = club.serve();
    let slack = &club.slack;
    let title = |text: &str| {
        let message = json!({
            "type": "message", "user": ADA, "ts": "1795252000.000100", "text": text,
        });
        slack.message_shortcut(&url, TEAM, ADA, CHANNEL, "publish_message", &message);
        let editor = slack.wait_for_modal(ADA, "New post");
        slack.close(&url, ADA, &editor);
        let title = &editor.elements("title")[0].1["initial_value"];
        title.as_str().unwrap().to_owned()
    };
    assert_eq!(title("Says <@U0GRACE>"), "Says @Grace", "the first time");
    let asked = slack.calls_of("users.info").len();
    assert_eq!(title("Says <@U0GRACE>"), "Says @Grace");
    assert_eq!(slack.calls_of("users.info").len(), asked, "known by now");
    slack.answer("users.info", [Bad::Hang]);
    let said = title("<@U0ADMIN> and <@U0GRACE>");
    assert_eq!(said, "@U0ADMIN and @Grace", "nobody waits for long");
}

fn names_are_free_to_choose_and_accounts_are_kept(world: World) {
    let mut club = Club::new(world);
    club.rendered();
    club.slack.add_user(TEAM, ADA, "Agnes", false);
    let (_serve, url) = club.serve();
    eventually("she is known under another's name", || {
        club.draft(&url, ADA, "garden", "Half a thought", "…");
        let said = club
            .world
            .sql("SELECT account FROM audit WHERE who = 'Agnes'");
        (said.first()? == &format!("slack:{TEAM}:{ADA}")).then_some(())
    });
    club.world.post("garden", "From the command line");
    let at_home = "SELECT coalesce(account, 'none') FROM audit WHERE door = 'cli'";
    assert_eq!(club.world.sql(at_home), ["none"]);
}

on_both![
    what_slack_does_not_tell_is_asked_again,
    names_are_free_to_choose_and_accounts_are_kept,
];

fn what_slack_does_not_tell_is_asked_again(world: World) {
    let mut club = Club::new(world);
    club.garden(&format!(", channels = [\"{CHANNEL}\"]"));
    let slack = &club.slack;
    slack.always("users.info", Some(Bad::Error("missing_scope")));
    let (serve, url) = club.serve();
    let refused = ["could not look up your rights", "in a minute", ADMIN];
    club.says(&url, ADMIN, "site add pond", &refused);
    let asked = || slack.calls_of("users.info").len();
    let before = asked();
    for _ in 0..10 {
        club.says(&url, ADMIN, "site add pond", &refused);
    }
    assert_eq!(asked(), before, "Slack is not asked at each of them");

    // What they write goes on, under the name that came with it.
    let mut message = json!({
        "type": "message", "channel": CHANNEL, "channel_type": "channel", "user": ADA,
        "text": "Seeds", "ts": "1795252400.000100", "event_ts": "1795252400.000100",
    });
    message["user_profile"] = json!({ "display_name": "", "real_name": "Ada L.", "name": "al" });
    slack.event(&url, TEAM, &message);
    let feed = eventually("it is a post", || {
        let feed = get(&url, "/sites/garden/feed.json").json();
        (feed["items"][0]["title"] == "Seeds").then_some(feed)
    });
    assert_eq!(feed["items"][0]["authors"][0]["name"], "Ada L.");

    // No answer is no knowledge: nothing of it is stored.
    assert_eq!(club.world.sql("SELECT id FROM person"), [""; 0]);
    slack.always("users.info", None);
    assert_eq!(serve.terminate(), 0);
    let (_serve, url) = club.serve();
    club.says(&url, ADMIN, "site add pond", &["pond is there"]);
    club.says(&url, ADA, "site add lake", &["Only admins"]);
}
