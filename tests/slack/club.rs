//! A workspace with sites, and what its people read.

use crate::support::estate::Serve;
use crate::support::http::get;
use crate::support::postgres;
use crate::support::slack::client::Reply;
use crate::support::slack::{ADMIN, CHANNEL, SIGNING_SECRET, Slack, TEAM};
use crate::support::world::{World, eventually};

/// A world with a workspace. It has as many sites as a test declares: `garden` is rendered, `shop`
/// is behind a hook.
pub struct Club {
    pub world: World,
    pub slack: Slack,
}

impl Club {
    pub fn new(world: World) -> Self {
        Self::with(world, "")
    }

    /// With these lines of `[slack]`.
    pub fn with(mut world: World, lines: &str) -> Self {
        let slack = Slack::start();
        world
            .estate
            .env("SLACK_SIGNING_SECRET", SIGNING_SECRET)
            .env("SLACK_BOT_TOKEN", slack.token(TEAM))
            .env("SLACK_API_URL", slack.api_url());
        world.head = format!("[defaults]\ndebounce = \"0s\"\n\n[slack]\n{lines}\n");
        Self { world, slack }
    }

    pub fn rendered(&mut self) {
        self.garden("");
    }

    /// `garden`, with more about its workspace: `, channels = […]`.
    pub fn garden(&mut self, more: &str) {
        let slack = format!("slack = {{ workspace = \"{TEAM}\"{more} }}");
        self.world.rendered("garden", &slack);
    }

    pub fn hosted(&mut self) {
        self.hosted_with("");
    }

    /// `shop`, with more about its workspace.
    pub fn hosted_with(&mut self, more: &str) {
        let slack = format!("slack = {{ workspace = \"{TEAM}\"{more} }}");
        self.world.hosted("shop", &slack);
    }

    /// Starts a replica, and waits until it knows the sites.
    pub fn serve(&self) -> (Serve, String) {
        let serve = self.world.estate.serve();
        let url = serve.url();
        self.wait_until_open(&url);
        (serve, url)
    }

    pub fn wait_until_open(&self, url: &str) {
        eventually("the sites are known", || {
            let said = self.say(url, ADMIN, "sites");
            (said.contains("garden") || said.contains("shop")).then_some(())
        });
    }

    /// Somebody types a command.
    pub fn ask(&self, url: &str, user: &str, text: &str) -> Reply {
        let reply = self.slack.command(url, TEAM, user, CHANNEL, text);
        assert_eq!(reply.answer.status, 200, "{text}: {:?}", reply.answer);
        reply
    }

    /// Somebody types a command; what they read.
    pub fn say(&self, url: &str, user: &str, text: &str) -> String {
        self.ask(url, user, text).words()
    }

    /// Somebody types a command, again while it is being asked who they are; what they read.
    pub fn say_known(&self, url: &str, user: &str, text: &str) -> String {
        eventually(text, || {
            let said = self.say(url, user, text);
            (!said.contains("who you are")).then_some(said)
        })
    }

    /// Somebody types a command; it is answered with these words.
    pub fn says(&self, url: &str, user: &str, text: &str, words: &[&str]) -> String {
        let said = self.say_known(url, user, text);
        for word in words {
            assert!(said.contains(word), "{text}: no {word:?} in: {said}");
        }
        said
    }

    /// The titles of the published posts, the newest first.
    pub fn feed(&self, url: &str, site: &str) -> Vec<String> {
        let feed = get(url, &format!("/sites/{site}/feed.json"));
        if feed.status != 200 {
            return Vec::new();
        }
        let feed = feed.json();
        let items = feed["items"].as_array().unwrap();
        items
            .iter()
            .map(|item| item["title"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Somebody writes a post in the editor, and publishes it.
    pub fn publish(&self, url: &str, user: &str, site: &str, title: &str, body: &str) -> Reply {
        let asked = self.ask(url, user, &format!("new {site}"));
        assert_eq!(asked.words(), "");
        let editor = self.slack.wait_for_modal(user, "New post");
        let typed = [("title", title), ("body.0", body)];
        let reply = self.slack.submit(url, user, &editor, &typed);
        assert_eq!(
            reply.errors(),
            serde_json::Value::Null,
            "{:?}",
            reply.answer
        );
        let saved = self.slack.wait_for_modal(user, "Saved");
        self.slack.close(url, user, &saved);
        asked
    }

    /// Somebody writes a post in the editor, and keeps it as a draft.
    pub fn draft(&self, url: &str, user: &str, site: &str, title: &str, body: &str) {
        self.ask(url, user, &format!("new {site}"));
        let editor = self.slack.wait_for_modal(user, "New post");
        let typed = [("title", title), ("body.0", body)];
        self.slack
            .press_with(url, user, &editor, "editor.draft", None, &typed);
        let saved = self.slack.wait_for_modal(user, "draft is saved");
        self.slack.close(url, user, &saved);
    }

    /// Everything that is in the database, as bytes.
    pub fn stored(&self) -> Vec<u8> {
        match self.world.postgres() {
            Some(url) => postgres::dump(url),
            None => {
                let files = self.world.database_files().into_iter();
                files
                    .flat_map(|file| std::fs::read(file).unwrap_or_default())
                    .collect()
            }
        }
    }

    /// What somebody asked for that was stored: rows of the audit trail with these words.
    pub fn audited(&self, words: &str) -> usize {
        let trail = crate::trail::read(&self.world);
        trail.iter().filter(|line| line.contains(words)).count()
    }
}

/// The id of the first post in a list.
pub fn id_in(words: &str) -> String {
    let mut code = words.split('`').skip(1).step_by(2);
    let id = code.find(|code| code.len() == 10);
    id.unwrap_or_else(|| panic!("no id in {words}")).to_owned()
}

/// Whether some bytes hold a text.
pub fn holds(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}
