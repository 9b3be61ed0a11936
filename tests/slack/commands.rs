//! What every command says and does, and what it refuses.

use crate::club::{Club, id_in};
use crate::on_both;
use crate::support::slack::{ADA, ADMIN, CHANNEL, GRACE, TEAM};
use crate::support::world::{SOON, World, eventually};
use crate::trail;

on_both![
    running_commands_change_what_is_built,
    a_change_that_was_acknowledged_is_seen_by_the_next_question,
    sites_are_made_and_removed_in_chat,
    another_workspace_sees_and_changes_nothing,
];

#[test]
fn questions_are_answered() {
    let mut club = Club::new(World::on_sqlite());
    club.rendered();
    club.hosted();
    let (_serve, url) = club.serve();
    club.world.hooks.wait_for(1, SOON);
    club.publish(&url, ADA, "garden", "First frost", "It froze.");
    club.slack.wait_for_calls("response_url", 1);
    club.draft(&url, ADA, "garden", "Second thoughts", "Hm.");
    for (text, words) in [
        (
            "help",
            &[
                "/microblot new",
                "/microblot pause SITE",
                "/microblot export",
            ][..],
        ),
        ("help pause", &["Let nothing new start", "For example"]),
        ("help paus", &["Did you mean `pause`?", "pause SITE"]),
        (
            "statsu",
            &["I don't know", "Did you mean `status`?", "status [SITE]"],
        ),
        ("xyzzy", &["I don't know", "help"]),
        ("<b>@channel", &["I don't know"]),
        ("rebuild", &["For which site?", "rebuild SITE"]),
        (
            "rebuild gardn",
            &["no site gardn", "Did you mean `garden`?"],
        ),
        ("rebuild garden now", &["what “now” is for"]),
        ("pause garden for ages", &["ages"]),
        ("pause garden for 0s", &["too short", "1s to 365d"]),
        ("pause garden for 9999 days", &["too long", "1s to 365d"]),
        ("edit nothing", &["no id of a post"]),
        ("edit 0000000000", &["There is no post 0000000000"]),
        ("site", &["A site is added or removed", "site add NAME"]),
        ("sites", &["The garden site", "The shop site", "`garden`"]),
        ("status", &["The garden site", "The shop site"]),
        (
            "status garden",
            &["The garden site", "Last built", "Rebuild", "History"],
        ),
        ("status `garden`", &["The garden site", "Last built"]),
        (
            "status <https://garden.example.org|garden.example.org>",
            &["Last built"],
        ),
        ("plan", &["nothing to do", "2 unchanged"]),
        ("plan garden", &["1 unchanged"]),
        (
            "history garden",
            &["Builds of The garden site", "Live", "posts changed", "took"],
        ),
        ("history shop", &["Builds of The shop site", "Handed over"]),
        (
            "info garden",
            &[
                "https://garden.example.org",
                "feed.json",
                "1",
                "sites.toml:",
            ],
        ),
        ("export", &["No site was made in chat"]),
        ("list", &["First frost"]),
        ("list garden drafts", &["Second thoughts"]),
        (
            "list drafts mine garden",
            &["Your drafts", "Second thoughts"],
        ),
        ("list mine", &["First frost", "Second thoughts"]),
        ("list shop", &["Nothing here yet"]),
        ("unfollow <#C0ELSE|else>", &["not mirrored"]),
    ] {
        let asker = if text.starts_with("unfollow") {
            ADMIN
        } else {
            ADA
        };
        club.says(&url, asker, text, words);
    }
    assert!(
        !club
            .say(&url, ADA, "list garden drafts")
            .contains("First frost")
    );
    // Without anything, everything starts here.
    assert_eq!(club.say(&url, GRACE, ""), "");
    let home = club.slack.wait_for_modal(GRACE, "Your blogs").words();
    assert!(
        home.contains("The garden site") && home.contains("1 published post"),
        "{home}"
    );
}

fn running_commands_change_what_is_built(world: World) {
    let mut club = Club::new(world);
    club.hosted();
    let (_serve, url) = club.serve();
    let hooks = &club.world.hooks;
    hooks.wait_for(1, SOON);

    // Paused: what is written is kept, and built only when it goes on.
    club.says(
        &url,
        ADA,
        "pause shop for 2 hours because launch freeze",
        &["paused for 2h"],
    );
    let paused = eventually("it is paused", || {
        let said = club.say(&url, ADA, "status shop");
        said.contains("launch freeze").then_some(said)
    });
    assert!(paused.contains("Resume"), "{paused}");
    club.publish(&url, ADA, "shop", "While it is closed", "We count.");
    club.says(
        &url,
        ADA,
        "rebuild shop",
        &["Asked for a build of The shop site", "paused by"],
    );
    eventually("the plan knows what waits", || {
        club.say(&url, ADA, "plan shop")
            .contains("wait")
            .then_some(())
    });
    assert_eq!(hooks.calls_of("shop").len(), 1);
    let asked = club.ask(&url, ADA, "resume shop");
    assert!(asked.words().contains("goes on"), "{}", asked.words());
    hooks.wait_for(2, SOON);
    eventually("it is up to date", || {
        club.say(&url, ADA, "status shop")
            .contains("up to date")
            .then_some(())
    });
    club.says(&url, ADA, "resume shop", &["neither paused nor stalled"]);

    // Asked for, and told.
    let asked = club.ask(&url, ADA, "rebuild shop --clear-cache");
    assert!(
        asked.words().contains("You get a message"),
        "{}",
        asked.words()
    );
    let calls = hooks.wait_for(3, SOON);
    assert_eq!(calls[2].parameter("clear_cache"), Some("true"));
    let told = club
        .slack
        .wait_for_responses(&asked, 1)
        .pop()
        .unwrap()
        .words();
    assert!(
        told.contains("Rebuild of") && told.contains("Netlify took it"),
        "{told}"
    );
    eventually("the history has it", || {
        club.say(&url, ADA, "history shop")
            .contains("asked for by")
            .then_some(())
    });

    let trail = trail::read(&club.world);
    for words in ["pause shop", "resume shop", "rebuild shop"] {
        let lines = trail.iter().filter(|line| line.contains(words));
        assert!(lines.count() >= 1, "{words} in {trail:#?}");
    }
}

fn a_change_that_was_acknowledged_is_seen_by_the_next_question(world: World) {
    let mut club = Club::new(world);
    club.rendered();
    let (_serve, url) = club.serve();
    // A build in the air is told before a pause.
    eventually("it is built", || {
        let said = club.say(&url, ADA, "status garden");
        said.contains("up to date").then_some(())
    });
    for round in 0..10 {
        let reason = format!("reason {round}");
        let pause = format!("pause garden because {reason}");
        club.says(&url, ADA, &pause, &["is paused"]);
        for question in ["status garden", "sites"] {
            club.says(&url, ADA, question, &[&reason]);
        }
        club.says(&url, ADA, "resume garden", &["goes on"]);
        for question in ["sites", "status garden"] {
            let said = club.say(&url, ADA, question);
            assert!(!said.contains(&reason), "{question}: {said}");
        }
    }
    // Made, named and gone, each at once.
    club.says(&url, ADMIN, "site add pond", &["pond is there"]);
    club.says(&url, ADA, "info pond", &["pond"]);
    club.says(&url, ADMIN, "site remove pond", &["is removed"]);
    club.says(
        &url,
        ADA,
        "status pond",
        &["This workspace has no site pond"],
    );
}

fn sites_are_made_and_removed_in_chat(mut world: World) {
    let hook = world.hooks.address("kitchen");
    world.estate.env("NETLIFY_HOOK_KITCHEN", &hook);
    let mut club = Club::new(world);
    club.rendered();
    let (_serve, url) = club.serve();

    // Refused: nothing of it is stored.
    let before = trail::made(&club.world);
    club.says(&url, ADA, "site add pond", &["Only admins"]);
    for (text, words) in [
        (
            "site add garden",
            "There is a site garden already: it is declared in `sites.toml:",
        ),
        ("site add Bad_Name", "cannot be its name"),
        (
            "site add pond url https://pond.example.org/a|b",
            "is no clean address",
        ),
        (
            "site add kitchen hook NETLIFY_HOOK_KITCHEN",
            "Where is it published?",
        ),
        ("site remove garden", "sites.toml:"),
        ("site remove nothing", "no site nothing"),
    ] {
        club.says(&url, ADMIN, text, &[words]);
    }
    let literal = club.say(
        &url,
        ADMIN,
        &format!("site add kitchen hook {hook} url https://k.example.org"),
    );
    assert!(
        !literal.contains(&hook) && !literal.contains("is there"),
        "{literal}"
    );
    assert_eq!(trail::made(&club.world), before);

    club.says(
        &url,
        ADMIN,
        "site add pond title \"The Pond\"",
        &["The Pond is there"],
    );
    club.says(
        &url,
        ADMIN,
        "site add kitchen hook NETLIFY_HOOK_KITCHEN url https://kitchen.example.org",
        &["kitchen is there, at https://kitchen.example.org"],
    );
    club.world.hooks.wait_for(1, SOON);
    eventually("both are known", || {
        let said = club.say(&url, ADA, "sites");
        (said.contains("The Pond") && said.contains("kitchen")).then_some(())
    });
    club.publish(&url, ADA, "pond", "Frogs", "They are back.");
    eventually("it is rendered", || {
        let index = club.world.estate.path().join("public/pond/index.html");
        std::fs::read_to_string(index)
            .is_ok_and(|text| text.contains("Frogs"))
            .then_some(())
    });
    let toml = club.says(
        &url,
        ADA,
        "export",
        &[
            "[sites.pond]",
            "The Pond",
            "[sites.kitchen]",
            "NETLIFY_HOOK_KITCHEN",
        ],
    );
    assert!(!toml.contains("sites.garden"), "{toml}");

    club.says(&url, ADMIN, "site remove pond", &["The Pond is removed"]);
    eventually("it is gone", || {
        (!club.say(&url, ADA, "sites").contains("The Pond")).then_some(())
    });
    for words in ["site add pond", "site add kitchen", "site remove pond"] {
        assert_eq!(
            club.audited(words),
            1,
            "{words}: {:#?}",
            trail::read(&club.world)
        );
    }
}

fn another_workspace_sees_and_changes_nothing(world: World) {
    let mut club = Club::new(world);
    club.rendered();
    let (_serve, url) = club.serve();
    club.publish(&url, ADA, "garden", "Ours", "Only ours.");
    eventually("it is there", || {
        (club.feed(&url, "garden") == ["Ours"]).then_some(())
    });
    let id = id_in(&club.say(&url, ADA, "list"));
    let before = trail::made(&club.world);
    club.slack.add_team("T0OTHER", "Others");
    club.slack.add_user("T0OTHER", "U0EVE", "Eve", true);
    for text in [
        "",
        "new",
        "new garden",
        "list",
        "sites",
        "status garden",
        "plan",
        "history garden",
        "info garden",
        "export",
        "rebuild garden",
        "pause garden",
        "resume garden",
        "site add mine",
        "site remove garden",
        "follow <#C0GENERAL|general> garden",
        "unfollow <#C0GENERAL|general>",
        &format!("edit {id}"),
        &format!("delete {id}"),
    ] {
        let reply = club.slack.command(&url, "T0OTHER", "U0EVE", CHANNEL, text);
        assert_eq!(reply.answer.status, 200);
        let words = reply.words();
        assert!(
            words.contains("No site belongs to this workspace yet"),
            "{text}: {words}"
        );
        assert!(!words.contains("Ours"), "{words}");
    }
    // Help is for everybody; a button of somewhere else does nothing.
    let help = club
        .slack
        .command(&url, "T0OTHER", "U0EVE", CHANNEL, "help");
    assert!(help.words().contains("What you can do"));
    let mut asked = club.ask(&url, ADA, &format!("delete {id}")).shown();
    asked.team = "T0OTHER".to_owned();
    let pressed = club
        .slack
        .press(&url, "U0EVE", &asked, "post.delete.sure", None);
    let said = club
        .slack
        .wait_for_responses(&pressed, 1)
        .pop()
        .unwrap()
        .words();
    assert!(said.contains("No site belongs"), "{said}");
    assert_eq!(trail::made(&club.world), before);
}

#[test]
fn running_can_be_for_admins_or_in_one_channel_only() {
    for (running, elsewhere) in [("admins", "Only admins"), ("C0OPS", "done in")] {
        let mut club = Club::with(World::on_sqlite(), &format!("running = \"{running}\""));
        club.rendered();
        let (_serve, url) = club.serve();
        for text in ["rebuild garden", "pause garden", "resume garden"] {
            club.says(&url, ADA, text, &[elsewhere]);
        }
        // Also as a button.
        let status = club.ask(&url, ADA, "status garden").shown();
        let pressed = club.slack.press(&url, ADA, &status, "site.rebuild", None);
        let said = club
            .slack
            .wait_for_responses(&pressed, 1)
            .pop()
            .unwrap()
            .words();
        assert!(said.contains(elsewhere), "{said}");
        assert!(
            trail::read(&club.world)
                .iter()
                .all(|line| !line.contains("rebuild"))
        );
        club.says(&url, ADMIN, "rebuild garden", &["Asked for a build"]);
        let there = club
            .slack
            .command(&url, TEAM, ADA, "C0OPS", "rebuild garden")
            .words();
        assert_eq!(
            there.contains("Asked for a build"),
            running == "C0OPS",
            "{there}"
        );
    }
}

#[test]
fn the_command_line_reads_lengths_of_time_like_chat() {
    let mut club = Club::new(World::on_sqlite());
    club.hosted();
    club.world.ok(&["reconcile"]);
    club.world.hooks.ignore_rest();
    for (time, words) in [("0s", "too short"), ("366d", "too long"), ("ages", "ages")] {
        let refused = club.world.fails(&["pause", "shop", "--for", time]);
        assert!(
            refused.stderr.contains(words) && refused.stderr.contains("365d"),
            "{time}: {}",
            refused.stderr
        );
        assert_eq!(club.audited("pause shop"), 0, "{time}");
    }
    for time in ["2 hours", "an hour", "365d"] {
        club.world.ok(&["pause", "shop", "--for", time]);
    }
}
