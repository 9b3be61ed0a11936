//! Slack's people: what they do reaches the app as signed requests.

use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use url::form_urlencoded;

use super::super::http::{self, Answer};
use super::shown::elements;
use super::{CHANNEL, Place, SIGNING_SECRET, Shown, Slack, VERIFICATION_TOKEN};

const FORM: &str = "application/x-www-form-urlencoded";

/// A signed request.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where to.
    pub path: &'static str,
    /// How the body is written.
    pub content_type: String,
    /// `X-Slack-Request-Timestamp`.
    pub timestamp: String,
    /// `X-Slack-Signature`.
    pub signature: String,
    /// The body.
    pub body: Vec<u8>,
}

/// What the app answered to what somebody did.
#[derive(Debug)]
pub struct Reply {
    /// The answer.
    pub answer: Answer,
    /// What was sent.
    pub request: Request,
    team: String,
    channel: String,
    response_key: Option<String>,
}

impl Request {
    /// Signed now, as Slack does.
    pub fn new(path: &'static str, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let mut request = Self {
            path,
            content_type: content_type.to_owned(),
            timestamp: now.as_secs().to_string(),
            signature: String::new(),
            body: body.into(),
        };
        request.sign();
        request
    }

    /// Signs what is in it now.
    pub fn sign(&mut self) {
        let mut mac = Hmac::<Sha256>::new_from_slice(SIGNING_SECRET.as_bytes()).unwrap();
        mac.update(format!("v0:{}:", self.timestamp).as_bytes());
        mac.update(&self.body);
        self.signature = format!("v0={}", hex::encode(mac.finalize().into_bytes()));
    }

    /// Sends it, with more headers if there are any.
    pub fn send(&self, server: &str, more: &[(&str, &str)]) -> Answer {
        let mut headers = vec![
            ("Content-Type", self.content_type.as_str()),
            ("X-Slack-Request-Timestamp", &self.timestamp),
            ("X-Slack-Signature", &self.signature),
        ];
        headers.extend_from_slice(more);
        http::send(server, "POST", self.path, &headers, &self.body)
    }
}

impl Reply {
    /// The message in the answer.
    pub fn shown(&self) -> Shown {
        let json = self.answer.json();
        let in_channel = json["response_type"] == "in_channel";
        Shown {
            team: self.team.clone(),
            place: Place::Message {
                channel: self.channel.clone(),
                ts: "1795252400.000000".to_owned(),
                ephemeral: !in_channel,
            },
            json,
        }
    }

    /// Everything that can be read in the answer; empty when the answer is.
    pub fn words(&self) -> String {
        if self.answer.body.is_empty() {
            return String::new();
        }
        self.shown().words()
    }

    /// What is wrong at which block, when a modal was not accepted.
    pub fn errors(&self) -> Value {
        if self.answer.body.is_empty() {
            return Value::Null;
        }
        self.answer.json()["errors"].clone()
    }

    /// The key of the `response_url` that the request had.
    pub(super) fn response_key(&self) -> &str {
        self.response_key
            .as_deref()
            .expect("a request with a response_url")
    }
}

impl Slack {
    /// Somebody types `/microblot TEXT` in a channel.
    pub fn command(
        &self,
        server: &str,
        team: &str,
        user: &str,
        channel: &str,
        text: &str,
    ) -> Reply {
        let (trigger, key, url) = self.means(team, user, channel);
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("token", VERIFICATION_TOKEN),
                ("team_id", team),
                ("team_domain", "example"),
                ("channel_id", channel),
                ("channel_name", "general"),
                ("user_id", user),
                ("user_name", &user.to_lowercase()),
                ("command", "/microblot"),
                ("text", text),
                ("api_app_id", "A0APP"),
                ("is_enterprise_install", "false"),
                ("response_url", &url),
                ("trigger_id", &trigger),
            ])
            .finish();
        let request = Request::new("/slack/commands", FORM, body);
        self.deliver(server, request, team, channel, Some(key))
    }

    /// Somebody presses a button (or chooses from a list) in what they see. `value` tells it from
    /// others with the same `action_id`, and is what they choose in a list; not needed otherwise.
    pub fn press(
        &self,
        server: &str,
        user: &str,
        shown: &Shown,
        action_id: &str,
        value: Option<&str>,
    ) -> Reply {
        self.press_with(server, user, shown, action_id, value, &[])
    }

    /// The same in a modal in which something was typed before, by `block_id`.
    pub fn press_with(
        &self,
        server: &str,
        user: &str,
        shown: &Shown,
        action_id: &str,
        value: Option<&str>,
        typed: &[(&str, &str)],
    ) -> Reply {
        let found = shown.elements(action_id);
        let fits = |element: &Value| {
            let carries = value.is_none_or(|value| element["value"] == value);
            element["type"] != "button" || carries
        };
        let (block, element) = found
            .into_iter()
            .find(|(_, element)| fits(element))
            .unwrap_or_else(|| panic!("no {action_id} {value:?} in {:#}", shown.json));
        let mut action = entered(element, value);
        action["action_id"] = json!(action_id);
        action["block_id"] = block["block_id"].clone();
        action["action_ts"] = json!("1795252400.000001");
        if element["type"] == "button" {
            action["value"] = element["value"].clone();
        }
        let channel = match &shown.place {
            Place::Message { channel, .. } => channel.clone(),
            _ => CHANNEL.to_owned(),
        };
        let mut payload = self.payload("block_actions", &shown.team, user);
        payload["actions"] = json!([action]);
        let mut key = None;
        match &shown.place {
            Place::Message {
                channel,
                ts,
                ephemeral,
            } => {
                let (_, new, url) = self.means(&shown.team, user, channel);
                key = Some(new);
                payload["response_url"] = json!(url);
                payload["channel"] = json!({ "id": channel, "name": "general" });
                payload["container"] = json!({
                    "type": "message", "message_ts": ts, "channel_id": channel, "is_ephemeral": ephemeral,
                });
                if !ephemeral {
                    payload["message"] = shown.json.clone();
                    payload["message"]["ts"] = json!(ts);
                }
            }
            Place::Modal { id } | Place::Home { id } => {
                payload["container"] = json!({ "type": "view", "view_id": id });
                payload["view"] = with_state(&shown.json, typed);
            }
        }
        self.deliver(server, interaction(&payload), &shown.team, &channel, key)
    }

    /// Somebody fills in a modal and submits it. `values` are by `block_id`; what is not named
    /// keeps its first value. The stand-in does with the modal what the answer says.
    pub fn submit(
        &self,
        server: &str,
        user: &str,
        modal: &Shown,
        values: &[(&str, &str)],
    ) -> Reply {
        self.submit_unchecked(server, user, modal, {
            let view = with_state(&modal.json, values);
            complete(&view);
            view
        })
    }

    /// Submits a view as it is, also one that Slack would not let people submit.
    pub fn submit_unchecked(&self, server: &str, user: &str, modal: &Shown, view: Value) -> Reply {
        let mut payload = self.payload("view_submission", &modal.team, user);
        payload["view"] = view;
        payload["response_urls"] = json!([]);
        let reply = self.deliver(server, interaction(&payload), &modal.team, CHANNEL, None);
        if reply.answer.status == 200 {
            self.follow(user, modal, &reply);
        }
        reply
    }

    /// Somebody closes the modal before them.
    pub fn close(&self, server: &str, user: &str, modal: &Shown) -> Option<Reply> {
        self.shared.lock().close(user);
        (modal.json["notify_on_close"] == true).then(|| {
            let mut payload = self.payload("view_closed", &modal.team, user);
            payload["view"] = with_state(&modal.json, &[]);
            payload["is_cleared"] = json!(false);
            self.deliver(server, interaction(&payload), &modal.team, CHANNEL, None)
        })
    }

    /// Somebody chooses the app's entry in the menu of a message.
    pub fn message_shortcut(
        &self,
        server: &str,
        team: &str,
        user: &str,
        channel: &str,
        callback_id: &str,
        message: &Value,
    ) -> Reply {
        let (_, key, url) = self.means(team, user, channel);
        let mut payload = self.payload("message_action", team, user);
        payload["callback_id"] = json!(callback_id);
        payload["response_url"] = json!(url);
        payload["channel"] = json!({ "id": channel, "name": "general" });
        payload["message_ts"] = message["ts"].clone();
        payload["message"] = message.clone();
        self.deliver(server, interaction(&payload), team, channel, Some(key))
    }

    /// Something happens in a workspace.
    pub fn event(&self, server: &str, team: &str, event: &Value) -> Reply {
        let id = format!("Ev{:08}", self.shared.lock().next());
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let body = json!({
            "token": VERIFICATION_TOKEN, "team_id": team, "api_app_id": "A0APP", "event": event,
            "type": "event_callback", "event_id": id, "event_time": now,
            "authorizations": [{ "team_id": team, "user_id": "U0BOT", "is_bot": true }],
        });
        self.raw_event(server, team, &body)
    }

    /// Sends any JSON to the address of events.
    pub fn raw_event(&self, server: &str, team: &str, body: &Value) -> Reply {
        let request = Request::new("/slack/events", "application/json", body.to_string());
        self.deliver(server, request, team, CHANNEL, None)
    }

    /// Somebody writes in a channel: the message is in its history, and the event is sent. Answers
    /// the `ts` as well.
    pub fn write(
        &self,
        server: &str,
        team: &str,
        user: &str,
        channel: &str,
        text: &str,
    ) -> (String, Reply) {
        let ts = self.say(channel, user, text);
        let event = json!({
            "type": "message", "channel": channel, "channel_type": "channel", "user": user,
            "text": text, "ts": ts, "event_ts": ts,
        });
        let reply = self.event(server, team, &event);
        (ts, reply)
    }

    /// Somebody opens the Home tab.
    pub fn open_home(&self, server: &str, team: &str, user: &str) -> Reply {
        let event = json!({
            "type": "app_home_opened", "user": user, "channel": "D0HOME", "tab": "home",
            "event_ts": "1795252400.000001",
        });
        self.event(server, team, &event)
    }

    /// Sends the same body again, signed anew, as Slack does when it got no answer in time.
    pub fn retry(&self, server: &str, reply: &Reply) -> Answer {
        let mut request = reply.request.clone();
        request.sign();
        let more = [
            ("X-Slack-Retry-Num", "1"),
            ("X-Slack-Retry-Reason", "http_timeout"),
        ];
        request.send(server, &more)
    }

    /// Sends exactly the same request again, as somebody does who saw it.
    pub fn replay(&self, server: &str, reply: &Reply) -> Answer {
        reply.request.send(server, &[])
    }

    /// Somebody installs the app in a workspace with a browser: from `/slack/install` to the last
    /// page.
    pub fn install(&self, server: &str, team: &str, name: &str, installer: &str) -> Answer {
        let begin = http::get(server, "/slack/install");
        assert_eq!(begin.status, 302, "{begin:?}");
        let cookie = begin.header("set-cookie").expect("a cookie");
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let back = self.agree(
            begin.header("location").expect("a location"),
            team,
            name,
            installer,
        );
        http::send(server, "GET", &back, &[("Cookie", &cookie)], b"")
    }

    /// Somebody agrees at Slack's page of an installation: the path that Slack sends them back to.
    pub fn agree(&self, authorize: &str, team: &str, name: &str, installer: &str) -> String {
        self.shared.lock().installing = (team.to_owned(), name.to_owned(), installer.to_owned());
        let host = self.shared.lock().address.clone();
        let path = authorize
            .strip_prefix(&host)
            .expect("the stand-in's address");
        let agreed = http::get(&host, path);
        let back = agreed
            .header("location")
            .unwrap_or_else(|| panic!("{agreed:?}"));
        let back = url::Url::parse(back).unwrap();
        format!("{}?{}", back.path(), back.query().unwrap_or_default())
    }

    fn payload(&self, kind: &str, team: &str, user: &str) -> Value {
        let trigger = self.shared.lock().new_trigger(team, user);
        json!({
            "type": kind, "token": VERIFICATION_TOKEN, "api_app_id": "A0APP", "trigger_id": trigger,
            "team": { "id": team, "domain": "example" }, "enterprise": null,
            "user": { "id": user, "username": user.to_lowercase(), "team_id": team },
            "is_enterprise_install": false, "action_ts": "1795252400.000001",
        })
    }

    /// A trigger, and the key and address of a `response_url`.
    fn means(&self, team: &str, user: &str, channel: &str) -> (String, String, String) {
        let mut world = self.shared.lock();
        let trigger = world.new_trigger(team, user);
        let key = world.new_response_url(team, channel);
        let url = format!("{}/respond/{key}", world.address);
        (trigger, key, url)
    }

    fn deliver(
        &self,
        server: &str,
        request: Request,
        team: &str,
        channel: &str,
        response_key: Option<String>,
    ) -> Reply {
        let answer = request.send(server, &[]);
        // An answer to a command or a click is a message; to a submission, what to do next.
        if answer.status == 200
            && let Ok(shown) = serde_json::from_str::<Value>(&answer.body)
        {
            let mut world = self.shared.lock();
            if shown.get("response_action").is_some() {
                if shown["view"].is_object() {
                    world.check_view("response_action", &shown["view"]);
                }
            } else if shown.get("challenge").is_none() && request.path == "/slack/commands" {
                world.check_message("answer", &shown);
            }
        }
        Reply {
            answer,
            request,
            team: team.to_owned(),
            channel: channel.to_owned(),
            response_key,
        }
    }

    fn follow(&self, user: &str, modal: &Shown, reply: &Reply) {
        let mut world = self.shared.lock();
        if reply.answer.body.trim().is_empty() {
            world.close(user);
            return;
        }
        let answer = reply.answer.json();
        match answer["response_action"].as_str() {
            None => world.close(user),
            Some("clear") => world.clear(user),
            Some("update") => {
                let updated = world.update_view(modal.view_id(), None, &answer["view"]);
                updated.expect("the modal is open");
            }
            Some("push") => {
                let pushed = world.push(&modal.team, user, &answer["view"]);
                pushed.expect("there is room on the stack");
            }
            Some("errors") => {
                let errors = answer["errors"].as_object().expect("errors are by block");
                assert!(!errors.is_empty(), "errors without an error");
                for (block_id, error) in errors {
                    let blocks = modal.json["blocks"].as_array().into_iter().flatten();
                    let mut inputs = blocks.filter(|block| block["type"] == "input");
                    assert!(
                        inputs.any(|block| block["block_id"] == *block_id),
                        "an error at {block_id}, which is no input of {:#}",
                        modal.json
                    );
                    assert!(error.as_str().is_some_and(|error| !error.is_empty()));
                }
            }
            Some(other) => panic!("an unknown response_action {other}"),
        }
    }
}

fn interaction(payload: &Value) -> Request {
    let body = form_urlencoded::Serializer::new(String::new())
        .append_pair("payload", &payload.to_string())
        .finish();
    Request::new("/slack/interactions", FORM, body)
}

/// The view with what is entered in it.
fn with_state(view: &Value, values: &[(&str, &str)]) -> Value {
    let mut state = json!({});
    let mut left: Vec<_> = values.to_vec();
    for (block, element) in elements(view) {
        let kind = element["type"].as_str().unwrap_or_default();
        let (Some(block_id), Some(action_id)) =
            (block["block_id"].as_str(), element["action_id"].as_str())
        else {
            continue;
        };
        if ["button", "overflow", "image"].contains(&kind) {
            continue;
        }
        let chosen = left.iter().position(|(id, _)| *id == block_id);
        let chosen = chosen.map(|index| left.remove(index).1);
        state[block_id][action_id] = entered(element, chosen);
    }
    assert!(left.is_empty(), "no input for {left:?} in {view:#}");
    let mut view = view.clone();
    view["state"] = json!({ "values": state });
    view
}

/// What an element holds when this is entered in it, or nothing is.
fn entered(element: &Value, value: Option<&str>) -> Value {
    let kind = element["type"].as_str().unwrap_or_default();
    let mut state = json!({ "type": kind });
    let option = |value: &str| {
        let groups = element["option_groups"].as_array().into_iter().flatten();
        let grouped = groups.flat_map(|group| group["options"].as_array().into_iter().flatten());
        let options = element["options"].as_array().into_iter().flatten();
        let mut all = options.chain(grouped);
        let found = all.find(|option| option["value"] == value);
        found
            .unwrap_or_else(|| panic!("no option {value} in {element:#}"))
            .clone()
    };
    match kind {
        "button" => {}
        "static_select" | "radio_buttons" | "overflow" => {
            state["selected_option"] = match value {
                Some(value) => option(value),
                None => element["initial_option"].clone(),
            };
        }
        "multi_static_select" | "checkboxes" => {
            state["selected_options"] = match value {
                Some("") => json!([]),
                Some(values) => values.split(',').map(option).collect(),
                None if element["initial_options"].is_array() => element["initial_options"].clone(),
                None => json!([]),
            };
        }
        "datetimepicker" => {
            state["selected_date_time"] = match value {
                Some("") => Value::Null,
                Some(value) => json!(value.parse::<i64>().expect("Unix seconds")),
                None => element["initial_date_time"].clone(),
            };
        }
        other => {
            let (key, initial) = match other {
                "datepicker" => ("selected_date", "initial_date"),
                "timepicker" => ("selected_time", "initial_time"),
                "users_select" => ("selected_user", "initial_user"),
                "channels_select" => ("selected_channel", "initial_channel"),
                "conversations_select" => ("selected_conversation", "initial_conversation"),
                _ => ("value", "initial_value"),
            };
            state[key] = match value {
                Some("") => Value::Null,
                Some(value) => json!(value),
                None => element[initial].clone(),
            };
        }
    }
    state
}

/// Slack's own checks, before it sends a submission.
fn complete(view: &Value) {
    assert!(
        view["submit"].is_object(),
        "a modal without a submit button: {view:#}"
    );
    for block in view["blocks"].as_array().into_iter().flatten() {
        if block["type"] != "input" {
            continue;
        }
        let element = &block["element"];
        let block_id = block["block_id"].as_str().unwrap();
        let action_id = element["action_id"].as_str().unwrap();
        let state = &view["state"]["values"][block_id][action_id];
        let fields = state.as_object().unwrap().iter();
        let mut held = fields
            .filter(|(key, _)| *key != "type")
            .map(|(_, value)| value);
        let empty = held.all(|value| value.is_null() || *value == json!([]));
        assert!(
            block["optional"] == true || !empty,
            "Slack asks for {block_id} before it sends this"
        );
        if let Some(text) = state["value"].as_str() {
            let most = element["max_length"].as_u64().unwrap_or(3000);
            let chars = u64::try_from(text.chars().count()).unwrap();
            assert!(
                chars <= most,
                "Slack lets nobody enter {chars} characters in {block_id}"
            );
            let least = element["min_length"].as_u64().unwrap_or(0);
            assert!(
                chars >= least,
                "Slack asks for {least} characters in {block_id}"
            );
        }
    }
}
