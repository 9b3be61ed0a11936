//! Lists of posts: what is in them, and whose business that is.

use crate::club::{Club, id_in};
use crate::support::slack::client::Reply;
use crate::support::slack::{ADA, ADMIN, GRACE, TEAM};
use crate::support::world::{World, eventually};

#[test]
fn long_lists_have_pages() {
    let mut club = Club::new(World::on_sqlite());
    club.rendered();
    club.world.ok(&["reconcile"]);
    for number in 0..23 {
        club.world.post("garden", &format!("Post {number:02}"));
    }
    let (_serve, url) = club.serve();
    let slack = &club.slack;
    let turn = |shown: &Reply, action: &str, value: Option<&str>| {
        let pressed = slack.press(&url, ADA, &shown.shown(), action, value);
        slack.wait_for_responses(&pressed, 1).pop().unwrap()
    };
    let first = club.ask(&url, ADA, "list");
    assert!(
        first.words().contains("Page 1 of 3, 23 posts"),
        "{}",
        first.words()
    );
    assert!(first.words().contains("Post 22") && !first.words().contains("Post 12"));
    let second = turn(&first, "list", None);
    let words = second.words();
    assert!(
        words.contains("Page 2 of 3") && words.contains("Post 12"),
        "{words}"
    );
    assert_eq!(second.json["replace_original"], true, "{:#}", second.json);
    let pressed = slack.press(&url, ADA, &second, "list:2", None);
    let third = slack.wait_for_responses(&pressed, 1).pop().unwrap();
    assert!(third.words().contains("Post 00"), "{}", third.words());
    // A page that was there before posts were deleted: the last one is shown.
    for id in club.world.sql("SELECT id FROM post ORDER BY title LIMIT 4") {
        club.world.ok(&["delete", &id]);
    }
    let pressed = slack.press(&url, ADA, &second, "list:2", None);
    let last = slack.wait_for_responses(&pressed, 1).pop().unwrap().words();
    assert!(
        last.contains("Page 2 of 2, 19 posts") && last.contains("Post 04"),
        "{last}"
    );
}

#[test]
fn posts_are_their_writers_and_admins_business() {
    let mut club = Club::new(World::on_sqlite());
    club.rendered();
    let (_serve, url) = club.serve();
    club.publish(&url, ADA, "garden", "Adas", "Mine.");
    let id = id_in(&club.say(&url, ADA, "list mine"));
    let refused = "somebody else's";
    club.says(&url, GRACE, &format!("edit {id}"), &[refused]);
    club.says(&url, GRACE, &format!("delete {id}"), &[refused]);
    // In her list, it is nothing to change.
    let listed = club.ask(&url, GRACE, "list").shown();
    assert!(listed.words().contains("Adas"));
    assert!(listed.elements("more").is_empty(), "{:#}", listed.json);
    // Buttons that were meant for Ada, in Grace's hands.
    let asked = club.ask(&url, ADA, &format!("delete {id}")).shown();
    let pressed = club
        .slack
        .press(&url, GRACE, &asked, "post.delete.sure", None);
    let said = club
        .slack
        .wait_for_responses(&pressed, 1)
        .pop()
        .unwrap()
        .words();
    assert!(said.contains(refused), "{said}");
    assert_eq!(club.feed(&url, "garden"), ["Adas"]);
    // An admin may.
    assert_eq!(club.say_known(&url, ADMIN, &format!("edit {id}")), "");
    let editor = club.slack.wait_for_modal(ADMIN, "Edit post");
    club.slack
        .submit(&url, ADMIN, &editor, &[("title", "Corrected")]);
    eventually("it is changed", || {
        (club.feed(&url, "garden") == ["Corrected"]).then_some(())
    });
}

#[test]
fn drafts_are_their_writers_and_the_admins_to_see() {
    let mut club = Club::new(World::on_sqlite());
    // Sites of these names are there, too.
    let slack = format!("slack = {{ workspace = \"{TEAM}\" }}");
    club.rendered();
    club.world.rendered("drafts", &slack);
    club.world.rendered("mine", &slack);
    let (_serve, url) = club.serve();
    for (user, site, title) in [
        (ADA, "garden", "Half a thought"),
        (ADA, "mine", "Ours alone"),
        (ADMIN, "garden", "To be decided"),
        (ADMIN, "drafts", "On paper"),
    ] {
        club.draft(&url, user, site, title, "…");
    }
    eventually("it is known who administers", || {
        let said = club.say(&url, ADMIN, "list drafts");
        (said.contains("Half a thought") && said.contains("To be decided")).then_some(())
    });
    for (user, text, heading, titles) in [
        (
            ADA,
            "list drafts",
            "Drafts",
            &["Half a thought", "Ours alone"][..],
        ),
        (
            ADA,
            "list drafts mine",
            "Your drafts",
            &["Half a thought", "Ours alone"],
        ),
        (
            ADMIN,
            "list mine drafts",
            "Your drafts",
            &["To be decided", "On paper"],
        ),
        (
            ADMIN,
            "list drafts garden mine",
            "Your drafts of The garden site",
            &["To be decided"],
        ),
        (
            ADMIN,
            "list garden drafts",
            "Drafts of The garden site",
            &["Half a thought", "To be decided"],
        ),
        (
            ADMIN,
            "list \"drafts\"",
            "Posts of The drafts site",
            &["On paper"],
        ),
        (
            ADMIN,
            "list \"mine\" drafts",
            "Drafts of The mine site",
            &["Ours alone"],
        ),
        (
            ADA,
            "list “mine” mine",
            "Your posts of The mine site",
            &["Ours alone"],
        ),
    ] {
        let said = club.says(&url, user, text, &[heading]);
        for title in ["Half a thought", "Ours alone", "To be decided", "On paper"] {
            let expected = titles.contains(&title);
            assert_eq!(said.contains(title), expected, "{text}: {title} in {said}");
        }
    }
}
