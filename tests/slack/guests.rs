//! Workspaces that installed the app from a server that is not theirs: what is the operator's stays
//! the operator's.

use crate::club::Club;
use crate::install::{OTHER, others, several_with};
use crate::on_both;
use crate::support::slack::{ADA, ADMIN, CHANNEL, TEAM};
use crate::support::world::{SOON, World, eventually};

on_both![
    results_of_guests_are_not_told_to_the_operators_channel,
    the_file_takes_over_no_site_of_a_guest,
];

const EVE: &str = "U0EVE";

/// The blog of a guest is rendered.
const RENDERED: &str = "
[slack.on_install]
site = \"{workspace}\"
title = \"{team}\"
url = \"https://{workspace}.example.org/\"
build.render = { out = \"public/{workspace}\" }
";

/// The blog of a guest is built by a hook.
const HOOKED: &str = "
[slack.on_install]
site = \"{workspace}\"
title = \"{team}\"
url = \"https://{workspace}.example.org/\"
build.netlify = { hook = { env = \"NETLIFY_HOOK_{WORKSPACE}\" } }
";

/// The other workspace installs the app, and its blog is there.
fn arrive(club: &Club, url: &str) {
    others(&club.slack);
    let installed = club.slack.install(url, OTHER, "Other Club", EVE);
    assert_eq!(installed.status, 200, "{installed:?}");
    eventually("their blog is there", || {
        say(club, url, "sites").contains("Other Club").then_some(())
    });
}

/// What a guest is told, as soon as it is known who they are.
fn say(club: &Club, url: &str, text: &str) -> String {
    eventually(text, || {
        let said = club.slack.command(url, OTHER, EVE, CHANNEL, text).words();
        (!said.contains("who you are")).then_some(said)
    })
}

#[test]
fn no_guest_names_a_hook_of_the_server() {
    let mut club = several_with(World::on_sqlite(), HOOKED);
    let theirs = club.world.hooks.address("theirs");
    let spare = club.world.hooks.address("spare");
    club.world
        .estate
        .env("NETLIFY_HOOK_T0OTHER", theirs)
        .env("NETLIFY_HOOK_SPARE", spare);
    club.hosted();
    // Of nobody in chat.
    club.world.hosted("quiet", "");
    let (_serve, url) = club.serve();
    arrive(&club, &url);
    club.world.hooks.wait_for(3, SOON);

    let add = |name: &str, variable: &str| {
        format!("site add {name} hook {variable} url https://{name}.example.org")
    };
    // Used, set, or not there at all: the same words.
    for variable in [
        "NETLIFY_HOOK_SHOP",
        "NETLIFY_HOOK_QUIET",
        "NETLIFY_HOOK_SPARE",
        "NETLIFY_HOOK_NOTHING",
        "NETLIFY_HOOK_T0OTHER",
    ] {
        let said = say(&club, &url, &add("pond", variable));
        assert!(said.contains("That hook cannot be used here"), "{said}");
        assert!(said.contains("Ask whoever runs Microblot"), "{said}");
        assert!(!said.contains("NETLIFY_HOOK"), "{said}");
    }
    assert_eq!(club.audited("site add"), 0);

    // The one that was set up for them is theirs, once nothing else uses it.
    assert!(say(&club, &url, "site remove t0other").contains("is removed"));
    let added = say(&club, &url, &add("pond", "NETLIFY_HOOK_T0OTHER"));
    assert!(added.contains("pond is there"), "{added}");
    club.world.hooks.wait_for(4, SOON);
    assert_eq!(club.world.hooks.calls_of("theirs").len(), 2);

    // At home any, but those of other sites.
    for used in ["SHOP", "QUIET", "T0OTHER"] {
        let text = add("kitchen", &format!("NETLIFY_HOOK_{used}"));
        club.says(&url, ADMIN, &text, &["That hook cannot be used here"]);
    }
    let text = add("kitchen", "NETLIFY_HOOK_SPARE");
    let asked = club.ask(&url, ADMIN, &text);
    assert!(asked.words().contains("kitchen is there"));
    // The same request again is the same answer.
    let again = club.slack.replay(&url, &asked);
    assert!(again.body.contains("kitchen is there"), "{again:?}");
    club.world.hooks.wait_for(5, SOON);
    assert_eq!(club.world.hooks.calls_of("spare").len(), 1);
}

#[test]
fn without_a_token_of_its_own_a_server_is_at_home_where_the_file_says() {
    let mut club = several_with(World::on_sqlite(), HOOKED);
    let spare = club.world.hooks.address("spare");
    club.world
        .estate
        .env("SLACK_BOT_TOKEN", "")
        .env("NETLIFY_HOOK_SPARE", &spare)
        .env("NETLIFY_HOOK_T0OTHER", &spare);
    let (_serve, url) = club.serve();
    arrive(&club, &url);
    let text = "site add pond hook NETLIFY_HOOK_SPARE url https://pond.example.org";
    let said = say(&club, &url, text);
    assert!(said.contains("That hook cannot be used here"), "{said}");
    let installed = club.slack.install(&url, TEAM, "Garden Club", ADMIN);
    assert_eq!(installed.status, 200, "{installed:?}");
    eventually("an admin is known", || {
        let said = club.say_known(&url, ADMIN, text);
        said.contains("pond is there").then_some(())
    });
    club.world.hooks.ignore_rest();
}

#[test]
fn those_whom_the_file_lists_are_admins_of_no_guest() {
    const THIRD: &str = "T0THIRD";
    let mut club = several_with(
        World::on_sqlite(),
        &format!("admins = [\"{ADA}\"]{RENDERED}"),
    );
    let third = format!("slack = {{ workspace = \"{THIRD}\" }}");
    club.world.rendered("third", &third);
    let slack = &club.slack;
    slack.add_team(THIRD, "Third Club");
    // Somebody else who has the same id there.
    slack.add_user(OTHER, ADA, "Adam", false);
    let (_serve, url) = club.serve();
    arrive(&club, &url);
    let add = |team: &str, name: &str| {
        let text = format!("site add {name}");
        eventually(&text, || {
            let said = slack.command(&url, team, ADA, CHANNEL, &text).words();
            (!said.contains("who you are")).then_some(said)
        })
    };
    assert!(add(TEAM, "pond").contains("pond is there"));
    assert!(add(THIRD, "lake").contains("lake is there"));
    let said = add(OTHER, "sea");
    assert!(said.contains("Only admins"), "{said}");
    // Nor do they see what others there did not publish.
    slack.command(&url, OTHER, EVE, CHANNEL, "new");
    let editor = slack.wait_for_modal(EVE, "New post");
    let typed = [("title", "Half a thought"), ("body.0", "Hm.")];
    slack.press_with(&url, EVE, &editor, "editor.draft", None, &typed);
    slack.wait_for_modal(EVE, "draft is saved");
    assert!(say(&club, &url, "list drafts").contains("Half a thought"));
    let list = slack.command(&url, OTHER, ADA, CHANNEL, "list drafts");
    assert!(!list.words().contains("Half a thought"), "{list:?}");
}

#[test]
fn no_guest_reads_the_operators_file() {
    let club = several_with(World::on_sqlite(), RENDERED);
    let (_serve, url) = club.serve();
    arrive(&club, &url);
    let broken = format!("{}\n[sites.plans]\ntitel = 1\n", club.world.sites_toml());
    club.world.estate.write("sites.toml", broken);
    eventually("it is seen that the file is broken", || {
        let said = club.say(&url, ADA, "sites");
        said.contains("is not in force as it stands").then_some(())
    });
    club.says(
        &url,
        ADA,
        "status garden",
        &["is not in force as it stands", "sites.plans"],
    );
    for text in ["sites", "status", "status t0other", "plan", "info"] {
        let said = say(&club, &url, text);
        for word in ["error", "plans", "sites.toml"] {
            assert!(!said.contains(word), "{text}: {said}");
        }
    }
    let said = say(&club, &url, "site add garden");
    assert!(
        said.contains("There is a site garden already") && !said.contains("sites.toml"),
        "{said}"
    );
    // Each is shown its own, whoever asks in between.
    club.says(&url, ADA, "sites", &["is not in force as it stands"]);
    assert!(say(&club, &url, "sites").contains("Other Club"));
}

fn results_of_guests_are_not_told_to_the_operators_channel(world: World) {
    let club = several_with(world, &format!("notify = \"{CHANNEL}\"{RENDERED}"));
    let (_serve, url) = club.serve();
    club.slack.wait_for_message(CHANNEL, "The garden site");
    arrive(&club, &url);
    let built = |site: &str, times: usize| {
        eventually("it is built, and told to whom it concerns", || {
            let sql = format!(
                "SELECT b.id FROM build b JOIN site s ON s.id = b.site \
                 WHERE s.name = '{site}' AND b.state = 'live'"
            );
            let waiting = club
                .world
                .sql("SELECT id FROM outbox WHERE sent_at IS NULL");
            (club.world.sql(&sql).len() == times && waiting.is_empty()).then_some(())
        });
    };
    built("t0other", 1);
    club.world.post("t0other", "Theirs");
    built("t0other", 2);
    // Of a site that was made at home it is told.
    club.says(&url, ADMIN, "site add pond", &["pond is there"]);
    built("pond", 1);
    club.world.post("pond", "Frogs");
    club.slack.wait_for_message(CHANNEL, "pond");
    let said = club.slack.messages(CHANNEL);
    for said in said.iter().map(|said| said.words()) {
        assert!(
            !said.contains("Other Club") && !said.contains("t0other"),
            "{said}"
        );
    }
}

fn the_file_takes_over_no_site_of_a_guest(world: World) {
    const THEIRS: &str = "C0GUEST";
    let mut club = several_with(world, RENDERED);
    club.slack.add_channel(OTHER, THEIRS, "guests", true);
    let (_serve, url) = club.serve();
    arrive(&club, &url);
    assert!(say(&club, &url, "site add news").contains("news is there"));
    eventually("it is known", || {
        say(&club, &url, "sites").contains("news").then_some(())
    });
    club.slack.command(&url, OTHER, EVE, CHANNEL, "new news");
    let editor = club.slack.wait_for_modal(EVE, "New post");
    let typed = [("title", "Half a thought"), ("body.0", "Hm.")];
    club.slack
        .press_with(&url, EVE, &editor, "editor.draft", None, &typed);
    club.slack.wait_for_modal(EVE, "draft is saved");
    let said = say(&club, &url, &format!("follow <#{THEIRS}> news"));
    assert!(said.contains("From now on"), "{said}");
    club.slack.write(&url, OTHER, EVE, THEIRS, "Theirs");
    eventually("their post is there", || {
        (club.feed(&url, "news") == ["Theirs"]).then_some(())
    });

    let slack = format!("slack = {{ workspace = \"{TEAM}\" }}");
    club.world.rendered("news", &slack);
    let sites = eventually("it is the operator's", || {
        let sites = club.say(&url, ADA, "sites");
        sites.contains("news").then_some(sites)
    });
    assert!(!sites.contains("Theirs"), "{sites}");
    assert!(club.feed(&url, "news").is_empty());
    club.slack.write(&url, OTHER, EVE, THEIRS, "Still theirs");
    let listed = club.say(&url, ADMIN, "list news drafts");
    assert!(!listed.contains("Half a thought"), "{listed}");
    club.publish(&url, ADA, "news", "Ours", "Only ours.");
    eventually("there is ours alone", || {
        (club.feed(&url, "news") == ["Ours"]).then_some(())
    });
    assert!(!say(&club, &url, "list").contains("Ours"));
    eventually("theirs is forgotten", || {
        let sql = "SELECT presence FROM site WHERE name LIKE 'news-%'";
        (club.world.sql(sql) == ["forgotten"]).then_some(())
    });
}
