//! Sites that are made in chat beside those of `sites.toml`, which come first.

use crate::club::Club;
use crate::on_both;
use crate::support::slack::{ADA, ADMIN, TEAM};
use crate::support::world::{World, eventually};

on_both![a_site_of_the_file_comes_first];

#[test]
fn no_site_is_published_over_another() {
    let mut club = Club::new(World::on_sqlite());
    club.rendered();
    for (name, out) in [("www", "public/shop"), ("deep", "public/deeper/still")] {
        let build = format!("build.render = {{ out = \"{out}\" }}");
        club.world.declare(name, &build);
    }
    let (_serve, url) = club.serve();
    eventually("it is published", || {
        let page = club.world.estate.path().join("public/shop/index.html");
        page.exists().then_some(())
    });
    for (name, folder) in [("shop", "public/shop"), ("deeper", "public/deeper")] {
        let said = club.says(
            &url,
            ADMIN,
            &format!("site add {name}"),
            &["cannot be its name", folder, "Choose another name"],
        );
        assert!(!said.contains("www") && !said.contains("still"), "{said}");
    }
    assert_eq!(club.audited("site add"), 0);
    let page = club.world.estate.read("public/shop/index.html");
    assert!(page.contains("The www site"), "{page}");
    club.says(&url, ADMIN, "site add www", &["There is a site www"]);
    // The folder is no longer that of the name.
    let added = club.ask(&url, ADMIN, "site add deep-sea");
    assert!(added.words().contains("deep-sea is there"));
    let again = club.slack.replay(&url, &added);
    assert!(again.body.contains("deep-sea is there"), "{again:?}");
}

fn a_site_of_the_file_comes_first(world: World) {
    let mut club = Club::new(world);
    club.rendered();
    let (serve, url) = club.serve();
    club.says(&url, ADMIN, "site add pond", &["pond is there"]);
    let built = |club: &Club, site: &str| {
        eventually("it is built", || {
            let said = club.say(&url, ADA, &format!("status {site}"));
            said.contains("up to date").then_some(())
        });
    };
    built(&club, "pond");

    // Whoever edits the file knows nothing of the pond.
    let www = |world: &mut World, out: &str| {
        let lines =
            format!("slack = {{ workspace = \"{TEAM}\" }}\nbuild.render = {{ out = \"{out}\" }}");
        world.declare("www", &lines);
    };
    www(&mut club.world, "public/pond");
    let attention = |club: &Club| {
        eventually("somebody has to look", || {
            let said = club.say(&url, ADA, "status pond");
            said.contains("is another site's as well").then_some(said)
        })
    };
    let said = attention(&club);
    assert!(
        said.contains("public/pond") && !said.contains("www"),
        "{said}"
    );
    built(&club, "www");
    club.publish(&url, ADA, "pond", "Frogs", "They are back.");
    attention(&club);
    let page = club.world.estate.read("public/pond/index.html");
    assert!(
        page.contains("The www site") && !page.contains("Frogs"),
        "{page}"
    );

    // It goes on when the folder is its own again.
    www(&mut club.world, "public/www");
    built(&club, "pond");
    let page = club.world.estate.read("public/pond/index.html");
    assert!(page.contains("Frogs"), "{page}");

    // A preview sees it before it happens.
    assert_eq!(serve.terminate(), 0);
    www(&mut club.world, "public/pond/deep");
    let plan = club.world.estate.microblot(&["reconcile", "--plan"]);
    assert_eq!(plan.code, 1, "{plan:#?}");
    let pond = plan.stdout.lines().find(|line| line.contains("pond "));
    let pond = pond.unwrap_or_else(|| panic!("{plan:#?}"));
    assert!(pond.contains("is another site's as well"), "{pond}");
}

#[test]
fn a_site_takes_the_defaults_that_are_in_force_when_it_is_made() {
    let mut club = Club::new(World::on_sqlite());
    let slow = "[defaults]\ndebounce = \"2h\"\nmax_wait = \"3h\"\n";
    club.world.head = slow.to_owned();
    club.rendered();
    let (_serve, url) = club.serve();
    club.says(&url, ADMIN, "site add pond", &["pond is there"]);
    club.says(
        &url,
        ADA,
        "export",
        &["debounce = \"2h\"", "max_wait = \"3h\""],
    );
    club.says(&url, ADA, "plan pond", &["1 waiting"]);

    // Others have others; this one keeps its own.
    club.world.head = slow.replace("2h", "0s");
    club.world.publish();
    eventually("the file is in force", || {
        let page = club.world.estate.path().join("public/garden/index.html");
        page.exists().then_some(())
    });
    club.says(&url, ADMIN, "site add lake", &["lake is there"]);
    club.says(&url, ADA, "export", &["\"2h\"", "\"0s\""]);
    eventually("it is built at once", || {
        let page = club.world.estate.path().join("public/lake/index.html");
        page.exists().then_some(())
    });
    club.says(&url, ADA, "plan pond", &["1 waiting"]);
}
