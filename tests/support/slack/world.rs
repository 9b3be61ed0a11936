//! What Slack remembers.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde_json::{Value, json};

use super::super::slack_limits as limits;
use super::{Bad, Call, Place, Shown};

/// Slack accepts this many answers at a `response_url`.
const RESPONSES: usize = 5;
/// Modals lie on each other up to here.
const DEPTH: usize = 3;

pub(super) struct World {
    pub(super) address: String,
    pub(super) teams: BTreeMap<String, String>,
    // Team by token.
    pub(super) tokens: HashMap<String, String>,
    // By team and id.
    pub(super) users: BTreeMap<(String, String), Value>,
    pub(super) channels: BTreeMap<(String, String), Value>,
    // Oldest first.
    pub(super) histories: HashMap<String, Vec<Value>>,
    pub(super) page_size: usize,
    pub(super) bad: HashMap<String, VecDeque<Bad>>,
    pub(super) always: HashMap<String, Bad>,
    pub(super) calls: Vec<Call>,
    pub(super) triggers: HashMap<String, Trigger>,
    pub(super) response_urls: HashMap<String, ResponseUrl>,
    // Team, its name and who installs: what the next authorization is for.
    pub(super) installing: (String, String, String),
    pub(super) codes: HashMap<String, Code>,
    pub(super) violations: Vec<String>,
    messages: BTreeMap<(String, String), Shown>,
    // Modals on each other, by user.
    stacks: HashMap<String, Vec<Shown>>,
    homes: HashMap<String, Shown>,
    counter: u64,
    last_ts: u128,
}

pub(super) struct Trigger {
    pub(super) team: String,
    pub(super) user: String,
    pub(super) expired: bool,
    pub(super) used: bool,
}

pub(super) struct ResponseUrl {
    pub(super) team: String,
    pub(super) channel: String,
    pub(super) expired: bool,
    pub(super) received: Vec<Shown>,
}

pub(super) struct Code {
    pub(super) team: String,
    pub(super) team_name: String,
    pub(super) installer: String,
    pub(super) redirect_uri: String,
}

impl World {
    pub(super) fn new(address: String) -> Self {
        Self {
            address,
            teams: BTreeMap::new(),
            tokens: HashMap::new(),
            users: BTreeMap::new(),
            channels: BTreeMap::new(),
            histories: HashMap::new(),
            page_size: 999,
            bad: HashMap::new(),
            always: HashMap::new(),
            calls: Vec::new(),
            triggers: HashMap::new(),
            response_urls: HashMap::new(),
            installing: Default::default(),
            codes: HashMap::new(),
            violations: Vec::new(),
            messages: BTreeMap::new(),
            stacks: HashMap::new(),
            homes: HashMap::new(),
            counter: 0,
            last_ts: 0,
        }
    }

    pub(super) fn next(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// Later than all before it; as text it sorts like the number.
    pub(super) fn next_ts(&mut self) -> String {
        let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        self.last_ts = now.as_micros().max(self.last_ts + 1);
        let (seconds, micros) = (self.last_ts / 1_000_000, self.last_ts % 1_000_000);
        format!("{seconds}.{micros:06}")
    }

    pub(super) fn misbehaviour(&mut self, method: &str) -> Option<Bad> {
        let queued = [method, "*"]
            .iter()
            .find_map(|key| self.bad.get_mut(*key)?.pop_front());
        queued.or_else(|| {
            let always = [method, "*"].iter().find_map(|key| self.always.get(*key));
            always.cloned()
        })
    }

    pub(super) fn calls_of(&self, method: &str) -> Vec<Call> {
        let calls = self.calls.iter().filter(|call| call.method == method);
        calls.cloned().collect()
    }

    pub(super) fn new_trigger(&mut self, team: &str, user: &str) -> String {
        let id = format!("{}.47445629121.803a0bc887a14d10", self.next());
        let trigger = Trigger {
            team: team.to_owned(),
            user: user.to_owned(),
            expired: false,
            used: false,
        };
        self.triggers.insert(id.clone(), trigger);
        id
    }

    /// The key of a new `response_url`.
    pub(super) fn new_response_url(&mut self, team: &str, channel: &str) -> String {
        let key = format!("r{}", self.next());
        let url = ResponseUrl {
            team: team.to_owned(),
            channel: channel.to_owned(),
            expired: false,
            received: Vec::new(),
        };
        self.response_urls.insert(key.clone(), url);
        key
    }

    // Everything that is shown goes through one of these two.

    pub(super) fn check_message(&mut self, from: &str, message: &Value) {
        let found = limits::message(message).into_iter();
        self.violations
            .extend(found.map(|rule| format!("{from}: {rule}: {message}")));
    }

    pub(super) fn check_view(&mut self, from: &str, view: &Value) {
        let found = limits::view(view).into_iter();
        self.violations
            .extend(found.map(|rule| format!("{from}: {rule}: {view}")));
    }

    pub(super) fn post(&mut self, team: &str, channel: &str, message: &Value) -> String {
        let ts = self.next_ts();
        let place = Place::Message {
            channel: channel.to_owned(),
            ts: ts.clone(),
            ephemeral: false,
        };
        let shown = Shown {
            team: team.to_owned(),
            place,
            json: message.clone(),
        };
        self.messages
            .insert((channel.to_owned(), ts.clone()), shown);
        ts
    }

    pub(super) fn update(&mut self, channel: &str, ts: &str, message: &Value) -> bool {
        let key = (channel.to_owned(), ts.to_owned());
        let Some(shown) = self.messages.get_mut(&key) else {
            return false;
        };
        shown.json = message.clone();
        true
    }

    pub(super) fn message(&self, channel: &str, ts: &str) -> Option<Shown> {
        let key = (channel.to_owned(), ts.to_owned());
        self.messages.get(&key).cloned()
    }

    pub(super) fn messages_in(&self, channel: &str) -> Vec<Shown> {
        let all = self.messages.iter();
        all.filter(|((found, _), _)| found == channel)
            .map(|(_, shown)| shown.clone())
            .collect()
    }

    pub(super) fn responses(&self, key: &str) -> Vec<Shown> {
        let url = self.response_urls.get(key);
        url.map_or_else(Vec::new, |url| url.received.clone())
    }

    /// Takes an answer at a `response_url`, or says why not.
    pub(super) fn respond(&mut self, key: &str, message: &Value) -> Result<(), &'static str> {
        self.check_message("response_url", message);
        let ts = self.next_ts();
        let url = self.response_urls.get_mut(key).ok_or("expired_url")?;
        if url.expired {
            return Err("expired_url");
        }
        if url.received.len() >= RESPONSES {
            return Err("used_url");
        }
        let in_channel = message["response_type"] == "in_channel";
        url.received.push(Shown {
            team: url.team.clone(),
            place: Place::Message {
                channel: url.channel.clone(),
                ts,
                ephemeral: !in_channel,
            },
            json: message.clone(),
        });
        Ok(())
    }

    // Views.

    fn new_view(&mut self, team: &str, view: &Value) -> Shown {
        let id = format!("V{:08}", self.next());
        let place = if view["type"] == "home" {
            Place::Home { id: id.clone() }
        } else {
            Place::Modal { id: id.clone() }
        };
        let json = self.with_id(view, &id);
        Shown {
            team: team.to_owned(),
            place,
            json,
        }
    }

    fn with_id(&mut self, view: &Value, id: &str) -> Value {
        let mut json = view.clone();
        json["id"] = json!(id);
        json["hash"] = json!(format!("1795252400.{:08x}", self.next()));
        // Slack gives a name to what has none.
        for index in 0..json["blocks"].as_array().map_or(0, Vec::len) {
            if json["blocks"][index]["block_id"].is_null() {
                json["blocks"][index]["block_id"] = json!(format!("b{}", self.next()));
            }
        }
        json
    }

    /// Uses up a trigger: whose it was.
    pub(super) fn exchange(&mut self, id: &str) -> Result<(String, String), &'static str> {
        let trigger = self.triggers.get_mut(id).ok_or("invalid_trigger_id")?;
        if trigger.expired {
            return Err("expired_trigger_id");
        }
        if std::mem::replace(&mut trigger.used, true) {
            return Err("exchanged_trigger_id");
        }
        Ok((trigger.team.clone(), trigger.user.clone()))
    }

    pub(super) fn open(&mut self, team: &str, user: &str, view: &Value) -> Value {
        let shown = self.new_view(team, view);
        let json = shown.json.clone();
        self.stacks.insert(user.to_owned(), vec![shown]);
        json
    }

    pub(super) fn push(
        &mut self,
        team: &str,
        user: &str,
        view: &Value,
    ) -> Result<Value, &'static str> {
        let depth = self.stacks.get(user).map_or(0, Vec::len);
        if depth == 0 {
            return Err("not_found");
        }
        if depth >= DEPTH {
            return Err("push_limit_reached");
        }
        let shown = self.new_view(team, view);
        let json = shown.json.clone();
        self.stacks.entry(user.to_owned()).or_default().push(shown);
        Ok(json)
    }

    pub(super) fn update_view(
        &mut self,
        id: &str,
        hash: Option<&str>,
        view: &Value,
    ) -> Result<Value, &'static str> {
        let json = self.with_id(view, id);
        let all = self.stacks.values_mut().flatten();
        let mut all = all.chain(self.homes.values_mut());
        let shown = all.find(|shown| shown.view_id() == id).ok_or("not_found")?;
        if hash.is_some_and(|hash| shown.json["hash"] != hash) {
            return Err("hash_conflict");
        }
        shown.json = json.clone();
        Ok(json)
    }

    pub(super) fn publish(
        &mut self,
        team: &str,
        user: &str,
        hash: Option<&str>,
        view: &Value,
    ) -> Result<Value, &'static str> {
        let known = self.homes.get(user).map(|home| home.view_id().to_owned());
        if let Some(id) = known {
            return self.update_view(&id, hash, view);
        }
        let shown = self.new_view(team, view);
        let json = shown.json.clone();
        self.homes.insert(user.to_owned(), shown);
        Ok(json)
    }

    pub(super) fn modal(&self, user: &str) -> Option<Shown> {
        self.stacks.get(user)?.last().cloned()
    }

    pub(super) fn home(&self, user: &str) -> Option<Shown> {
        self.homes.get(user).cloned()
    }

    /// Closes the modal on top.
    pub(super) fn close(&mut self, user: &str) {
        if let Some(stack) = self.stacks.get_mut(user) {
            stack.pop();
        }
    }

    /// Closes all modals.
    pub(super) fn clear(&mut self, user: &str) {
        self.stacks.remove(user);
    }
}
