//! The life of a post.

use crate::club::{Club, id_in};
use crate::on_both;
use crate::support::http::get;
use crate::support::slack::{ADA, CHANNEL, TEAM};
use crate::support::world::{SOON, World, eventually};

on_both![
    the_life_of_a_post_on_a_rendered_site,
    the_life_of_a_post_on_a_site_that_netlify_builds,
];

fn the_life_of_a_post_on_a_rendered_site(world: World) {
    let mut club = Club::new(world);
    club.rendered();
    let (_serve, url) = club.serve();
    let slack = &club.slack;

    // A command opens the editor; what was typed is kept as a draft, and nobody else sees it.
    let asked = slack.command(&url, TEAM, ADA, CHANNEL, "new");
    let editor = slack.wait_for_modal(ADA, "New post");
    let typed = [("title", "First frost"), ("body.0", "It *froze* tonight.")];
    slack.press_with(&url, ADA, &editor, "editor.draft", None, &typed);
    let editor = slack.wait_for_modal(ADA, "draft is saved");
    assert!(club.feed(&url, "garden").is_empty());
    assert!(club.say(&url, ADA, "list drafts").contains("First frost"));

    // A link that only those who have it can open.
    slack.press_with(&url, ADA, &editor, "editor.preview", None, &typed);
    let preview = slack.wait_for_modal(ADA, "ready to look at");
    let link = preview.elements("open")[0].1["url"]
        .as_str()
        .unwrap()
        .to_owned();
    let page = get(&url, link.strip_prefix(&url).unwrap());
    assert_eq!(page.status, 200);
    assert!(page.body.contains("froze") && page.body.contains("noindex"));
    slack.close(&url, ADA, &preview);

    // Published: readers see it, and Ada is told.
    let editor = slack.modal(ADA).unwrap();
    let reply = slack.submit(&url, ADA, &editor, &typed);
    assert_eq!(
        reply.errors(),
        serde_json::Value::Null,
        "{:?}",
        reply.answer
    );
    slack.wait_for_modal(ADA, "on its way");
    let told = slack.wait_for_responses(&asked, 1).pop().unwrap().words();
    assert!(
        told.contains("Live at") && told.contains("Publication of *First frost*"),
        "{told}"
    );
    assert_eq!(club.feed(&url, "garden"), ["First frost"]);
    let index = club.world.estate.read("public/garden/index.html");
    assert!(index.contains("First frost"));

    // Changed, and gone.
    let list = slack.command(&url, TEAM, ADA, CHANNEL, "list mine");
    let id = id_in(&list.words());
    let asked = club.ask(&url, ADA, &format!("edit {id}"));
    assert_eq!(asked.words(), "");
    let editor = slack.wait_for_modal(ADA, "Edit post");
    slack.submit(&url, ADA, &editor, &[("title", "Last frost")]);
    let told = slack.wait_for_responses(&asked, 1).pop().unwrap().words();
    assert!(told.contains("Change of *Last frost*"), "{told}");
    eventually("the page is built anew", || {
        let index = club.world.estate.read("public/garden/index.html");
        index.contains("Last frost").then_some(())
    });
    let asked = slack.command(&url, TEAM, ADA, CHANNEL, &format!("delete {id}"));
    slack.press(&url, ADA, &asked.shown(), "post.delete.sure", None);
    eventually("the page is built without it", || {
        let index = club.world.estate.read("public/garden/index.html");
        (!index.contains("Last frost")).then_some(())
    });
    assert!(club.feed(&url, "garden").is_empty());
}

fn the_life_of_a_post_on_a_site_that_netlify_builds(world: World) {
    let mut club = Club::new(world);
    club.hosted();
    let twin = club.world.postgres().map(|_| club.world.estate.serve());
    let (_serve, url) = club.serve();
    let slack = &club.slack;
    club.world.hooks.wait_for(1, SOON);
    let asked = slack.command(&url, TEAM, ADA, CHANNEL, "new shop");
    let editor = slack.wait_for_modal(ADA, "New post");
    slack.submit(
        &url,
        ADA,
        &editor,
        &[("title", "Open again"), ("body.0", "From Monday on.")],
    );
    let calls = club.world.hooks.wait_for(2, SOON);
    assert_eq!(calls[1].json()["reason"], "posts changed");
    let told = slack.wait_for_responses(&asked, 1).pop().unwrap().words();
    assert!(
        told.contains("Netlify took it") && told.contains("Open again"),
        "{told}"
    );
    assert_eq!(club.feed(&url, "shop"), ["Open again"]);
    let id = id_in(&club.say(&url, ADA, "list"));
    let asked = slack.command(&url, TEAM, ADA, CHANNEL, &format!("delete {id}"));
    slack.press(&url, ADA, &asked.shown(), "post.delete.sure", None);
    club.world.hooks.wait_for(3, SOON);
    assert!(club.feed(&url, "shop").is_empty());
    drop(twin);
}
