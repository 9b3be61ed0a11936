//! A stateful stand-in for Slack: its Web API on one side, its people on the other.
//!
//! Everything that the app shows (messages, views, answers) is held against Slack's limits; what
//! breaks one fails the test when the stand-in is dropped.

pub mod client;
mod methods;
pub mod shown;
mod world;

use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::{any, get, post};
use axum::serve::ListenerExt as _;
use microblot::model::Secret;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use client::Reply;
use shown::{Place, Shown};
use world::World;

/// What Slack signs with.
pub const SIGNING_SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
/// What Slack sent to prove itself before it signed, and still sends.
pub const VERIFICATION_TOKEN: &str = "legacy-and-unused";
/// The app's id in OAuth.
pub const CLIENT_ID: &str = "1234567890.9876543210";
/// Its secret there.
pub const CLIENT_SECRET: &str = "c1i3n7s3cr37";
/// The workspace that is there from the start.
pub const TEAM: &str = "T012AB3CD";
/// Somebody who administers it.
pub const ADMIN: &str = "U0ADMIN";
/// Somebody who does not.
pub const ADA: &str = "U0ADA";
/// Somebody else.
pub const GRACE: &str = "U0GRACE";
/// A channel with the app in it.
pub const CHANNEL: &str = "C0GENERAL";

/// How a method misbehaves.
#[derive(Clone, Debug)]
pub enum Bad {
    /// 429 with `Retry-After` in seconds.
    TooMany(u64),
    /// 200 with `ok: false` and this word.
    Error(&'static str),
    /// Any status, with a page that is no JSON.
    Status(u16),
    /// 200 with something that is no JSON.
    Garbage,
    /// 200 with a body that never ends.
    Gigabyte,
    /// 303 to an address.
    Redirect(String),
    /// Takes the request and never answers.
    Hang,
    /// Takes the request and closes the connection.
    Reset,
    /// Does what was asked, and closes the connection instead of saying so.
    Lost,
    /// Does what was asked, so much later.
    Slow(Duration),
}

/// One call that reached a method, or a `response_url` (method `response_url`).
#[derive(Clone, Debug)]
pub struct Call {
    /// `chat.postMessage`, for example.
    pub method: String,
    /// The bearer token.
    pub token: Option<String>,
    /// The JSON, or the fields of the form or query as an object of texts.
    pub body: Value,
    /// When it was there.
    pub at: Instant,
}

/// The stand-in. Blocks the thread where it waits, as everything in these tests does.
pub struct Slack {
    address: SocketAddr,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

struct Shared {
    world: Mutex<World>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, World> {
        // A failed expectation of a test must not hide behind a poisoned lock.
        self.world
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Slack {
    /// Starts it on a free port of 127.0.0.1, with one workspace, three people and a channel.
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            world: Mutex::new(World::new(format!("http://{address}"))),
            changed: Condvar::new(),
        });
        let router = Router::new()
            .route("/api/{method}", any(methods::call))
            .route("/respond/{key}", post(methods::respond))
            .route("/oauth/v2/authorize", get(methods::authorize))
            .with_state(Arc::clone(&shared));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener)
                .unwrap()
                .tap_io(|stream| stream.set_nodelay(true).unwrap());
            axum::serve(listener, router).await
        });
        let slack = Self {
            address,
            shared,
            runtime: Some(runtime),
        };
        slack.add_team(TEAM, "Garden Club");
        slack.add_user(TEAM, ADMIN, "Agnes", true);
        slack.add_user(TEAM, ADA, "Ada", false);
        slack.add_user(TEAM, GRACE, "Grace", false);
        slack.add_channel(TEAM, CHANNEL, "general", true);
        slack
    }

    /// What `SLACK_API_URL` is to be.
    pub fn api_url(&self) -> String {
        format!("http://{}/api/", self.address)
    }

    /// What `SLACK_AUTHORIZE_URL` is to be.
    pub fn authorize_url(&self) -> String {
        format!("http://{}/oauth/v2/authorize", self.address)
    }

    /// The bot token of a workspace.
    pub fn token(&self, team: &str) -> String {
        format!("xoxb-{team}-token")
    }

    // Who and what there is.

    /// Adds a workspace in which the app is installed.
    pub fn add_team(&self, team: &str, name: &str) {
        let token = self.token(team);
        let mut world = self.shared.lock();
        world.tokens.insert(token, team.to_owned());
        world.teams.insert(team.to_owned(), name.to_owned());
    }

    /// Takes the app's token away.
    pub fn revoke(&self, team: &str) {
        let token = self.token(team);
        self.shared.lock().tokens.remove(&token);
    }

    /// Adds somebody, or changes them.
    pub fn add_user(&self, team: &str, id: &str, name: &str, admin: bool) {
        let user = json!({
            "id": id, "team_id": team, "name": name.to_lowercase(), "deleted": false,
            "is_admin": admin, "is_owner": false, "is_primary_owner": false, "is_bot": false,
            "profile": {
                "display_name": name, "real_name": format!("{name} Example"),
                "image_72": format!("https://avatars.example.org/{id}_72.png"),
            },
        });
        let key = (team.to_owned(), id.to_owned());
        self.shared.lock().users.insert(key, user);
    }

    /// Adds a channel, public and with the app in it or not.
    pub fn add_channel(&self, team: &str, id: &str, name: &str, member: bool) {
        let channel = json!({
            "id": id, "name": name, "is_channel": true, "is_private": false,
            "is_archived": false, "is_member": member,
        });
        let key = (team.to_owned(), id.to_owned());
        self.shared.lock().channels.insert(key, channel);
    }

    /// Puts a message into a channel's history, and answers its `ts`. Sends no event.
    pub fn say(&self, channel: &str, user: &str, text: &str) -> String {
        let mut world = self.shared.lock();
        let ts = world.next_ts();
        let message = json!({ "type": "message", "user": user, "text": text, "ts": ts });
        let history = world.histories.entry(channel.to_owned()).or_default();
        history.push(message);
        ts
    }

    /// Puts any message into a channel's history.
    pub fn add_message(&self, channel: &str, message: Value) {
        let mut world = self.shared.lock();
        let history = world.histories.entry(channel.to_owned()).or_default();
        history.push(message);
        history.sort_by_key(|message| message["ts"].as_str().unwrap().to_owned());
    }

    /// No page of a history has more messages than this, whatever was asked for.
    pub fn page_size(&self, most: usize) {
        self.shared.lock().page_size = most;
    }

    /// Hands out a trigger, as an action of this person does.
    pub fn trigger(&self, team: &str, user: &str) -> String {
        self.shared.lock().new_trigger(team, user)
    }

    /// Hands out a `response_url`, as a command in this channel does.
    pub fn response_url(&self, team: &str, channel: &str) -> Secret {
        let mut world = self.shared.lock();
        let key = world.new_response_url(team, channel);
        Secret::new(format!("{}/respond/{key}", world.address))
    }

    /// Puts a modal before somebody, as if the app had opened it.
    pub fn show_modal(&self, team: &str, user: &str, view: &Value) {
        let mut world = self.shared.lock();
        world.check_view("show_modal", view);
        world.open(team, user, view);
    }

    /// Puts a Home tab before somebody, as if the app had published it.
    pub fn show_home(&self, team: &str, user: &str, view: &Value) {
        let mut world = self.shared.lock();
        world.check_view("show_home", view);
        let published = world.publish(team, user, None, view);
        published.expect("no hash is asked for");
    }

    // How it behaves.

    /// Adds to how a method answers its next calls. `*` is every method; `response_url` is one.
    pub fn answer(&self, method: &str, bad: impl IntoIterator<Item = Bad>) {
        let mut world = self.shared.lock();
        let queue = world.bad.entry(method.to_owned()).or_default();
        queue.extend(bad);
    }

    /// How a method answers from now on; with `None` as it should.
    pub fn always(&self, method: &str, bad: Option<Bad>) {
        let mut world = self.shared.lock();
        match bad {
            Some(bad) => world.always.insert(method.to_owned(), bad),
            None => world.always.remove(method),
        };
    }

    /// Makes every trigger that was handed out too old.
    pub fn expire_triggers(&self) {
        for trigger in self.shared.lock().triggers.values_mut() {
            trigger.expired = true;
        }
    }

    /// Makes every `response_url` that was handed out too old.
    pub fn expire_response_urls(&self) {
        for url in self.shared.lock().response_urls.values_mut() {
            url.expired = true;
        }
    }

    // What was done.

    /// Every call so far, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.lock().calls.clone()
    }

    /// The calls of one method so far, oldest first.
    pub fn calls_of(&self, method: &str) -> Vec<Call> {
        self.shared.lock().calls_of(method)
    }

    /// The calls of one method, as soon as there are `count` at least.
    pub fn wait_for_calls(&self, method: &str, count: usize) -> Vec<Call> {
        self.wait_for(&format!("{count} calls of {method}"), |world| {
            let calls = world.calls_of(method);
            (calls.len() >= count).then_some(calls)
        })
    }

    /// A message of the app as it stands now.
    pub fn message(&self, channel: &str, ts: &str) -> Option<Shown> {
        self.shared.lock().message(channel, ts)
    }

    /// The messages of the app in a conversation as they stand now, oldest first. Messages to a
    /// person are in `D` and the rest of their id.
    pub fn messages(&self, channel: &str) -> Vec<Shown> {
        self.shared.lock().messages_in(channel)
    }

    /// A message of the app in a conversation, as soon as one holds these words.
    pub fn wait_for_message(&self, channel: &str, words: &str) -> Shown {
        self.wait_for(&format!("a message with {words:?} in {channel}"), |world| {
            let mut messages = world.messages_in(channel).into_iter();
            messages.find(|message| message.words().contains(words))
        })
    }

    /// The modal that a person has before them.
    pub fn modal(&self, user: &str) -> Option<Shown> {
        self.shared.lock().modal(user)
    }

    /// The modal that a person has before them, as soon as it holds these words.
    pub fn wait_for_modal(&self, user: &str, words: &str) -> Shown {
        self.wait_for(&format!("a modal with {words:?} for {user}"), |world| {
            world
                .modal(user)
                .filter(|view| view.words().contains(words))
        })
    }

    /// The Home tab that a person sees.
    pub fn home(&self, user: &str) -> Option<Shown> {
        self.shared.lock().home(user)
    }

    /// The Home tab of a person, as soon as it holds these words.
    pub fn wait_for_home(&self, user: &str, words: &str) -> Shown {
        self.wait_for(&format!("a home with {words:?} for {user}"), |world| {
            world.home(user).filter(|view| view.words().contains(words))
        })
    }

    /// What was sent to the `response_url` of a request so far.
    pub fn responses(&self, reply: &Reply) -> Vec<Shown> {
        self.shared.lock().responses(reply.response_key())
    }

    /// What was sent to the `response_url` of a request, as soon as there are `count` at least.
    pub fn wait_for_responses(&self, reply: &Reply, count: usize) -> Vec<Shown> {
        self.wait_for(&format!("{count} responses"), |world| {
            let responses = world.responses(reply.response_key());
            (responses.len() >= count).then_some(responses)
        })
    }

    fn wait_for<T>(&self, what: &str, mut found: impl FnMut(&World) -> Option<T>) -> T {
        let end = Instant::now() + super::world::SOON;
        let mut world = self.shared.lock();
        loop {
            if let Some(found) = found(&world) {
                return found;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let calls = world.calls.clone();
                drop(world);
                panic!("no {what} came: {calls:#?}");
            }
            let waited = self.shared.changed.wait_timeout(world, left);
            world = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
    }

    /// What broke Slack's limits so far; asked for, it no longer fails the test.
    pub fn violations(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.lock().violations)
    }
}

impl Drop for Slack {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        if std::thread::panicking() {
            return;
        }
        let violations = self.violations();
        assert!(
            violations.is_empty(),
            "Slack would have refused what the app showed: {violations:#?}"
        );
    }
}
