//! The editor keeps what is typed into it, and shows readers nothing that was not saved for them.

use serde_json::{Value, json};

use crate::club::{Club, id_in};
use crate::support::http::get;
use crate::support::slack::shown::Shown;
use crate::support::slack::{ADA, ADMIN, Bad, CHANNEL, TEAM};
use crate::support::world::{World, eventually};

/// The page behind the link of a preview.
fn previewed(url: &str, preview: &Shown) -> String {
    let link = preview.elements("open")[0].1["url"]
        .as_str()
        .unwrap()
        .to_owned();
    get(url, link.strip_prefix(url).unwrap()).body
}

/// The editor of the only post that `list` shows.
fn editor(club: &Club, url: &str, list: &str, heading: &str) -> Shown {
    let id = id_in(&club.say(url, ADA, list));
    assert_eq!(club.say_known(url, ADA, &format!("edit {id}")), "");
    club.slack.wait_for_modal(ADA, heading)
}

fn club() -> Club {
    let mut club = Club::new(World::on_sqlite());
    club.rendered();
    club
}

#[test]
fn a_look_at_a_change_of_a_published_post_changes_nothing() {
    let club = club();
    let (_serve, url) = club.serve();
    let slack = &club.slack;
    club.publish(&url, ADA, "garden", "Out there", "As it was.");
    let opened = editor(&club, &url, "list", "Edit post");
    let typed = [("title", "Half-written"), ("body.0", "As it may be.")];
    slack.press_with(&url, ADA, &opened, "editor.preview", None, &typed);
    let preview = slack.wait_for_modal(ADA, "ready to look at");
    let page = previewed(&url, &preview);
    assert!(
        page.contains("Half-written") && page.contains("As it may be."),
        "{page}"
    );
    assert_eq!(club.feed(&url, "garden"), ["Out there"]);
    assert_eq!(club.audited("edit garden"), 0);
    slack.close(&url, ADA, &preview);
    let below = slack.modal(ADA).unwrap();
    assert_eq!(below.view_id(), opened.view_id());
    slack.submit(&url, ADA, &below, &typed);
    eventually("it is saved", || {
        (club.feed(&url, "garden") == ["Half-written"]).then_some(())
    });
}

#[test]
fn a_scheduled_post_is_looked_at_and_goes_back_to_draft() {
    let club = club();
    let (_serve, url) = club.serve();
    let slack = &club.slack;
    club.ask(&url, ADA, "new garden");
    let new = slack.wait_for_modal(ADA, "New post");
    let typed = [
        ("title", "Embargoed"),
        ("body.0", "Later."),
        ("when", "4102444800"),
    ];
    slack.submit(&url, ADA, &new, &typed);
    let saved = slack.wait_for_modal(ADA, "will be published");
    slack.close(&url, ADA, &saved);

    let opened = editor(&club, &url, "list drafts", "Edit post");
    let cleared = [("when", "")];
    slack.press_with(&url, ADA, &opened, "editor.preview", None, &cleared);
    let preview = slack.wait_for_modal(ADA, "ready to look at");
    assert!(previewed(&url, &preview).contains("Later."));
    assert!(club.feed(&url, "garden").is_empty());
    slack.close(&url, ADA, &preview);
    assert!(
        club.say(&url, ADA, "list drafts")
            .contains("To be published")
    );

    slack.press_with(
        &url,
        ADA,
        &opened,
        "editor.draft",
        None,
        &[("title", "No hurry")],
    );
    let draft = slack.wait_for_modal(ADA, "The draft is saved");
    assert!(draft.words().contains("Edit draft"), "{}", draft.words());
    let drafts = club.say(&url, ADA, "list drafts");
    assert!(
        drafts.contains("No hurry") && !drafts.contains("To be published"),
        "{drafts}"
    );
    assert!(club.feed(&url, "garden").is_empty());
}

#[test]
fn a_published_post_has_no_time_to_come() {
    let club = club();
    let (_serve, url) = club.serve();
    let slack = &club.slack;
    club.publish(&url, ADA, "garden", "Out there", "As it was.");
    let opened = editor(&club, &url, "list", "Edit post");
    let typed = [("title", "Moved"), ("when", "4102444800")];
    let errors = slack.submit(&url, ADA, &opened, &typed).errors();
    let error = errors["when"].to_string();
    assert!(error.contains("cannot be in the future"), "{errors:#}");
    assert_eq!(club.feed(&url, "garden"), ["Out there"]);
}

#[test]
fn what_cannot_be_saved_stays_in_the_editor() {
    let club = club();
    let (_serve, url) = club.serve();
    let slack = &club.slack;
    club.draft(&url, ADA, "garden", "Half a thought", "…");
    let opened = editor(&club, &url, "list drafts", "Edit draft");
    let id = id_in(&club.say(&url, ADA, "list drafts"));
    eventually("it is known who administers", || {
        let said = club.say(&url, ADMIN, "list drafts");
        said.contains("Half a thought").then_some(())
    });
    let asked = club.ask(&url, ADMIN, &format!("delete {id}")).shown();
    let pressed = slack.press(&url, ADMIN, &asked, "post.delete.sure", None);
    slack.wait_for_responses(&pressed, 1);

    let typed = [("title", "A whole thought")];
    slack.press_with(&url, ADA, &opened, "editor.draft", None, &typed);
    let over = slack.wait_for_modal(ADA, "Copy your text");
    slack.close(&url, ADA, &over);
    assert_eq!(slack.modal(ADA).unwrap().view_id(), opened.view_id());

    // Where Slack shows nothing over it, a message says it.
    slack.always("views.push", Some(Bad::Error("push_limit_reached")));
    slack.press_with(&url, ADA, &opened, "editor.draft", None, &typed);
    slack.wait_for_message("D0ADA", "Copy your text");
    let below = slack.modal(ADA).unwrap();
    assert_eq!(below.view_id(), opened.view_id());
    assert!(!below.elements("body.0").is_empty(), "{:#}", below.json);
    let errors = slack.submit(&url, ADA, &opened, &typed).errors();
    let error = errors["title"].to_string();
    assert!(error.contains("was deleted while"), "{errors:#}");
}

#[test]
fn a_draft_whose_writer_was_not_shown_that_it_is_saved_can_be_published() {
    let club = club();
    let (_serve, url) = club.serve();
    let slack = &club.slack;
    club.draft(&url, ADA, "garden", "Half a thought", "…");
    let opened = editor(&club, &url, "list drafts", "Edit draft");
    slack.always("views.update", Some(Bad::Status(500)));
    let typed = [("title", "A whole thought")];
    slack.press_with(&url, ADA, &opened, "editor.draft", None, &typed);
    eventually("it is saved", || {
        let drafts = club.say(&url, ADA, "list drafts");
        drafts.contains("A whole thought").then_some(())
    });
    slack.always("views.update", None);
    slack.submit(&url, ADA, &opened, &typed);
    slack.wait_for_modal(ADA, "on its way");
    assert_eq!(club.feed(&url, "garden"), ["A whole thought"]);
}

#[test]
fn a_title_alone_is_a_post() {
    let club = club();
    let (_serve, url) = club.serve();
    let slack = &club.slack;
    let message = json!({
        "type": "message", "user": ADA, "ts": "1795252000.000100", "text": "The shed is open today",
    });
    slack.message_shortcut(&url, TEAM, ADA, CHANNEL, "publish_message", &message);
    let new = slack.wait_for_modal(ADA, "New post");
    let reply = slack.submit(&url, ADA, &new, &[]);
    assert_eq!(reply.errors(), Value::Null);
    slack.close(&url, ADA, &slack.wait_for_modal(ADA, "on its way"));
    assert_eq!(club.feed(&url, "garden"), ["The shed is open today"]);

    // Changed, and looked at before.
    let opened = editor(&club, &url, "list", "Edit post");
    let typed = [("title", "The shed is shut today")];
    slack.press_with(&url, ADA, &opened, "editor.preview", None, &typed);
    let preview = slack.wait_for_modal(ADA, "ready to look at");
    assert!(previewed(&url, &preview).contains("The shed is shut today"));
    slack.close(&url, ADA, &preview);
    let reply = slack.submit(&url, ADA, &opened, &typed);
    assert_eq!(reply.errors(), Value::Null);
    slack.close(&url, ADA, &slack.wait_for_modal(ADA, "on its way"));
    assert_eq!(club.feed(&url, "garden"), ["The shed is shut today"]);

    // A draft, published from a list.
    club.draft(&url, ADA, "garden", "Soup at noon", "");
    let drafts = club.ask(&url, ADA, "list drafts");
    let publish = format!("post.publish {}", id_in(&drafts.words()));
    let pressed = slack.press(&url, ADA, &drafts.shown(), "more", Some(&publish));
    let said = slack.wait_for_responses(&pressed, 1).pop().unwrap().words();
    assert!(said.contains("on its way"), "{said}");
    assert_eq!(
        club.feed(&url, "garden"),
        ["Soup at noon", "The shed is shut today"]
    );
}

#[test]
fn a_draft_keeps_the_time_that_it_is_meant_for() {
    let club = club();
    let (_serve, url) = club.serve();
    let slack = &club.slack;
    club.ask(&url, ADA, "new garden");
    let new = slack.wait_for_modal(ADA, "New post");
    let typed = [
        ("title", "Embargoed"),
        ("body.0", "Later."),
        ("when", "4102444800"),
    ];
    slack.press_with(&url, ADA, &new, "editor.draft", None, &typed);
    let saved = slack.wait_for_modal(ADA, "draft is saved");
    // Another time, of the draft that is there.
    let typed = [("when", "4102448400")];
    slack.press_with(&url, ADA, &saved, "editor.draft", None, &typed);
    eventually("it is changed", || {
        (club.audited("edit garden") == 1).then_some(())
    });
    let below = slack.wait_for_modal(ADA, "draft is saved");
    slack.close(&url, ADA, &below);
    let drafts = club.say(&url, ADA, "list drafts");
    assert!(drafts.contains("Draft, changed"), "{drafts}");

    let opened = editor(&club, &url, "list drafts", "Edit draft");
    let when = &opened.elements("when")[0].1["initial_date_time"];
    assert_eq!(when, 4_102_448_400_i64, "{:#}", opened.json);
    slack.submit(&url, ADA, &opened, &[]);
    slack.wait_for_modal(ADA, "will be published");
    assert!(club.feed(&url, "garden").is_empty());
}

#[test]
fn a_window_that_asks_before_a_post_is_deleted_has_no_dead_button() {
    let club = club();
    let (_serve, url) = club.serve();
    let slack = &club.slack;
    club.draft(&url, ADA, "garden", "Half a thought", "…");
    club.ask(&url, ADA, "");
    let main = slack.wait_for_modal(ADA, "Drafts (1)");
    slack.press(&url, ADA, &main, "list", None);
    let list = slack.wait_for_modal(ADA, "Draft, changed");
    let delete = format!("post.delete {}", id_in(&list.words()));
    slack.press(&url, ADA, &list, "more", Some(&delete));
    let asked = slack.wait_for_modal(ADA, "Readers have not seen it");
    assert!(asked.elements("dismiss").is_empty(), "{:#}", asked.json);
    assert_eq!(asked.json["close"]["text"], "Keep it");
}
