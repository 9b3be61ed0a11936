//! Slack from the front door: the life of a post, and everything around it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod support;

use support::estate::Serve;
use support::http::get;
use support::slack::{ADA, ADMIN, CHANNEL, SIGNING_SECRET, Slack, TEAM};
use support::world::{SOON, World, eventually};

on_both![
    the_life_of_a_post_on_a_rendered_site,
    the_life_of_a_post_on_a_site_that_netlify_builds,
];

/// A world with a workspace, and a site of it: `garden`, rendered, and `shop`, behind a hook.
struct Club {
    world: World,
    slack: Slack,
}

impl Club {
    fn new(mut world: World) -> Self {
        let slack = Slack::start();
        world
            .estate
            .env("SLACK_SIGNING_SECRET", SIGNING_SECRET)
            .env("SLACK_BOT_TOKEN", slack.token(TEAM))
            .env("SLACK_API_URL", slack.api_url());
        world.head = "[defaults]\ndebounce = \"0s\"\n".to_owned();
        Self { world, slack }
    }

    fn rendered(&mut self) {
        let slack = format!("slack = {{ workspace = \"{TEAM}\" }}");
        self.world.rendered("garden", &slack);
    }

    fn hosted(&mut self) {
        let slack = format!("slack = {{ workspace = \"{TEAM}\" }}");
        self.world.hosted("shop", &slack);
    }

    /// Starts a replica, and waits until it knows the sites.
    fn serve(&self) -> (Serve, String) {
        let serve = self.world.estate.serve();
        let url = serve.url();
        eventually("the sites are known", || {
            let said = self.say(&url, ADMIN, "sites");
            (said.contains("garden") || said.contains("shop")).then_some(())
        });
        (serve, url)
    }

    /// Somebody types a command; what they read.
    fn say(&self, url: &str, user: &str, text: &str) -> String {
        let reply = self.slack.command(url, TEAM, user, CHANNEL, text);
        assert_eq!(reply.answer.status, 200, "{:?}", reply.answer);
        match reply.answer.body.is_empty() {
            true => String::new(),
            false => reply.words(),
        }
    }

    fn feed(&self, url: &str, site: &str) -> Vec<String> {
        let feed = get(url, &format!("/sites/{site}/feed.json")).json();
        let items = feed["items"].as_array().unwrap();
        items
            .iter()
            .map(|item| item["title"].as_str().unwrap().to_owned())
            .collect()
    }
}

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
        told.contains("Live at") && told.contains("First frost"),
        "{told}"
    );
    assert_eq!(club.feed(&url, "garden"), ["First frost"]);
    let index = club.world.estate.read("public/garden/index.html");
    assert!(index.contains("First frost"));

    // Changed, and gone.
    let list = slack.command(&url, TEAM, ADA, CHANNEL, "list mine");
    let id = id_in(&list.words());
    assert_eq!(club.say(&url, ADA, &format!("edit {id}")), "");
    let editor = slack.wait_for_modal(ADA, "Edit post");
    slack.submit(&url, ADA, &editor, &[("title", "Last frost")]);
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

/// The id of the first post in a list.
fn id_in(words: &str) -> String {
    let mut code = words.split('`').skip(1).step_by(2);
    let id = code.find(|code| code.len() == 10);
    id.unwrap_or_else(|| panic!("no id in {words}")).to_owned()
}
