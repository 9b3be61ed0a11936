//! Buttons that are pressed twice, or too late.

use std::collections::BTreeSet;

use crate::club::{Club, id_in};
use crate::on_both;
use crate::support::http::get;
use crate::support::slack::client::Reply;
use crate::support::slack::shown::Shown;
use crate::support::slack::{ADA, ADMIN};
use crate::support::world::{World, eventually};
use crate::trail;

on_both![a_button_that_comes_again_does_nothing_again];

/// The links in some answers.
fn links(shown: &[Shown]) -> BTreeSet<String> {
    let buttons = shown.iter().flat_map(|shown| {
        let found = shown.elements("open").into_iter();
        found.map(|(_, button)| button["url"].as_str().unwrap().to_owned())
    });
    buttons.collect()
}

fn a_button_that_comes_again_does_nothing_again(world: World) {
    let mut club = Club::new(world);
    club.rendered();
    let (_serve, url) = club.serve();
    let slack = &club.slack;
    let again = |reply: &Reply| {
        assert_eq!(slack.retry(&url, reply).status, 200);
        assert_eq!(slack.replay(&url, reply).status, 200);
    };
    let previews = || club.world.sql("SELECT token_hash FROM preview").len();

    // Save draft: one post, never changed.
    club.ask(&url, ADA, "new garden");
    let editor = slack.wait_for_modal(ADA, "New post");
    let typed = [("title", "Half a thought"), ("body.0", "…")];
    let saved = slack.press_with(&url, ADA, &editor, "editor.draft", None, &typed);
    again(&saved);
    let editor = slack.wait_for_modal(ADA, "draft is saved");
    slack.wait_for_calls("views.update", 3);
    assert_eq!(club.audited("new garden"), 1);
    assert_eq!(
        club.audited("edit garden"),
        0,
        "{:#?}",
        trail::read(&club.world)
    );

    // Save draft and preview: one change, one link, and the editor is still below it.
    let typed = [("title", "A whole thought"), ("body.0", "…")];
    let seen = slack.press_with(&url, ADA, &editor, "editor.preview", None, &typed);
    again(&seen);
    let preview = slack.wait_for_modal(ADA, "ready to look at");
    slack.wait_for_calls("views.push", 3);
    assert_eq!(previews(), 1);
    assert_eq!(
        club.audited("edit garden"),
        1,
        "{:#?}",
        trail::read(&club.world)
    );
    slack.close(&url, ADA, &preview);
    let editor = slack.wait_for_modal(ADA, "draft is saved");
    slack.close(&url, ADA, &editor);

    // Preview in a list: the same link every time.
    let drafts = club.ask(&url, ADA, "list drafts");
    let id = id_in(&drafts.words());
    let preview = format!("post.preview {id}");
    let pressed = slack.press(&url, ADA, &drafts.shown(), "more", Some(&preview));
    again(&pressed);
    let links = links(&slack.wait_for_responses(&pressed, 3));
    assert_eq!(links.len(), 1, "{links:?}");
    let link = links
        .first()
        .unwrap()
        .strip_prefix(&url)
        .unwrap()
        .to_owned();
    assert!(get(&url, &link).body.contains("A whole thought"));
    assert_eq!(previews(), 2);
    // Pressed once more, it is another link.
    let pressed = slack.press(&url, ADA, &drafts.shown(), "more", Some(&preview));
    slack.wait_for_responses(&pressed, 1);
    assert_eq!(previews(), 3);

    // Publish now.
    let publish = format!("post.publish {id}");
    let pressed = slack.press(&url, ADA, &drafts.shown(), "more", Some(&publish));
    let first = slack.wait_for_responses(&pressed, 1).pop().unwrap().words();
    assert!(first.contains("on its way"), "{first}");
    again(&pressed);
    eventually("all three are answered alike", || {
        let said = slack.responses(&pressed);
        let alike = said.iter().filter(|said| said.words() == first);
        (alike.count() == 3).then_some(())
    });
    assert_eq!(
        club.audited("edit garden"),
        2,
        "{:#?}",
        trail::read(&club.world)
    );
    assert_eq!(club.feed(&url, "garden"), ["A whole thought"]);
}

#[test]
fn a_button_of_an_old_message_says_what_became_of_the_post() {
    let mut club = Club::new(World::on_sqlite());
    club.rendered();
    let (_serve, url) = club.serve();
    let slack = &club.slack;
    let said = |shown: &Shown, action: &str, value: Option<&str>| {
        let pressed = slack.press(&url, ADA, shown, action, value);
        slack.wait_for_responses(&pressed, 1).pop().unwrap().words()
    };
    let chosen = |shown: &Shown, action: &str, id: &str| {
        said(shown, "more", Some(&format!("{action} {id}")))
    };

    // Changed since: what is there now is shown and published, under the name that it has now.
    club.draft(&url, ADA, "garden", "First title", "First text.");
    let old = club.ask(&url, ADA, "list drafts").shown();
    let id = id_in(&old.words());
    eventually("it is known who administers", || {
        let said = club.say(&url, ADMIN, "list drafts");
        said.contains("First title").then_some(())
    });
    club.say(&url, ADMIN, &format!("edit {id}"));
    let editor = slack.wait_for_modal(ADMIN, "Edit draft");
    let typed = [("title", "Second title"), ("body.0", "Second text.")];
    slack.press_with(&url, ADMIN, &editor, "editor.draft", None, &typed);
    let editor = slack.wait_for_modal(ADMIN, "draft is saved");
    slack.close(&url, ADMIN, &editor);
    let words = chosen(&old, "post.preview", &id);
    assert!(words.contains("Second title"), "{words}");
    chosen_editor(&club, &url, &old, &id);
    let words = chosen(&old, "post.publish", &id);
    assert!(
        words.contains("Second title") && words.contains("on its way"),
        "{words}"
    );
    assert_eq!(club.feed(&url, "garden"), ["Second title"]);

    // Published since: there is nothing to wait for.
    let before = trail::made(&club.world);
    let words = chosen(&old, "post.publish", &id);
    assert!(words.contains("is published already"), "{words}");
    assert_eq!(trail::made(&club.world), before);

    // Deleted since.
    let question = club.ask(&url, ADA, &format!("delete {id}")).shown();
    let words = said(&question, "post.delete.sure", None);
    assert!(words.contains("is deleted"), "{words}");
    let before = trail::made(&club.world);
    for action in ["post.edit", "post.preview", "post.publish", "post.delete"] {
        let words = chosen(&old, action, &id);
        assert!(words.contains("or it is deleted"), "{action}: {words}");
    }
    let words = said(&question, "post.delete.sure", None);
    assert!(words.contains("or it is deleted"), "{words}");
    assert_eq!(trail::made(&club.world), before);
    assert!(club.feed(&url, "garden").is_empty());

    // Of a version of the program whose buttons meant something else.
    let mut older = old.json.to_string();
    older = older.replace("post.publish ", "post.announce ");
    let older = Shown {
        json: serde_json::from_str(&older).unwrap(),
        ..old.clone()
    };
    let words = chosen(&older, "post.announce", &id);
    assert!(words.contains("does nothing any more"), "{words}");
}

/// The editor that an old list opens holds what is there now.
fn chosen_editor(club: &Club, url: &str, old: &Shown, id: &str) {
    let edit = format!("post.edit {id}");
    club.slack.press(url, ADA, old, "more", Some(&edit));
    let editor = club.slack.wait_for_modal(ADA, "Edit draft");
    assert_eq!(
        editor.elements("title")[0].1["initial_value"],
        "Second title"
    );
    club.slack.close(url, ADA, &editor);
}
