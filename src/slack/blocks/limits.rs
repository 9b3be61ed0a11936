//! Slack's limits, checked on the JSON alone: nothing here knows how it was made.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Everything that Slack would refuse, or show otherwise than meant, in a message, a view, or the
/// answer to a submitted view.
pub fn check(value: &Value) -> Vec<String> {
    let mut check = Check::default();
    match (value["response_action"].as_str(), value["type"].as_str()) {
        (Some("clear"), _) => check.keys(value, &["response_action"], &[]),
        (Some("errors"), _) => {
            check.keys(value, &["response_action", "errors"], &[]);
            for (field, text) in object(&value["errors"]) {
                check.length("error's field", &field, 1, 255);
                check.length("error", text.as_str().unwrap_or_default(), 1, 2000);
            }
        }
        (Some("update" | "push"), _) => {
            check.keys(value, &["response_action", "view"], &[]);
            check.view(&value["view"]);
        }
        (Some(other), _) => check.wrong(format!("response_action {other}")),
        (None, Some(_)) => check.view(value),
        (None, None) => check.message(value),
    }
    check.wrong
}

#[derive(Default)]
struct Check {
    wrong: Vec<String>,
    block_ids: BTreeSet<String>,
}

impl Check {
    fn wrong(&mut self, text: String) {
        self.wrong.push(text);
    }

    fn length(&mut self, what: &str, text: &str, least: usize, most: usize) {
        let length = text.encode_utf16().count();
        if length < least || length > most {
            self.wrong(format!("{what}: {length} not in {least}..={most}"));
        }
    }

    fn keys(&mut self, value: &Value, needed: &[&str], allowed: &[&str]) {
        for key in needed {
            if value.get(key).is_none() {
                self.wrong(format!("{key} is missing in {value}"));
            }
        }
        for (key, value) in object(value) {
            if !needed.contains(&key.as_str()) && !allowed.contains(&key.as_str()) {
                self.wrong(format!("unknown key {key}"));
            }
            if value.is_null() {
                self.wrong(format!("{key} is null"));
            }
        }
    }

    fn message(&mut self, message: &Value) {
        if message["delete_original"] == true {
            return self.keys(message, &["delete_original"], &[]);
        }
        self.keys(
            message,
            &["text", "blocks"],
            &["response_type", "replace_original", "channel", "ts"],
        );
        self.length("message text", text(&message["text"]), 1, 4000);
        self.markup(text(&message["text"]));
        self.blocks(&message["blocks"], 50, &["input"]);
    }

    fn view(&mut self, view: &Value) {
        let kind = text(&view["type"]);
        match kind {
            "modal" => {
                self.keys(
                    view,
                    &["type", "title", "blocks", "callback_id"],
                    &["submit", "close", "private_metadata"],
                );
                for word in ["title", "submit", "close"] {
                    if let Some(word) = view.get(word) {
                        self.plain(word, 24);
                    }
                }
            }
            "home" => self.keys(
                view,
                &["type", "blocks"],
                &["callback_id", "private_metadata"],
            ),
            other => self.wrong(format!("view of type {other}")),
        }
        self.length("callback_id", text(&view["callback_id"]), 0, 255);
        self.length("private_metadata", text(&view["private_metadata"]), 0, 3000);
        self.blocks(&view["blocks"], 100, &[]);
        let has_input = list(&view["blocks"])
            .iter()
            .any(|block| block["type"] == "input");
        if has_input && view.get("submit").is_none() {
            self.wrong("a view with fields needs a submit button".to_owned());
        }
        let length = view.to_string().len();
        if length > 250_000 {
            self.wrong(format!("a view of {length} bytes"));
        }
    }

    fn blocks(&mut self, blocks: &Value, most: usize, forbidden: &[&str]) {
        let blocks = list(blocks);
        if blocks.is_empty() || blocks.len() > most {
            self.wrong(format!("{} blocks", blocks.len()));
        }
        for block in blocks {
            let kind = text(&block["type"]);
            if forbidden.contains(&kind) {
                self.wrong(format!("{kind} has no place here"));
            }
            self.block(kind, block);
        }
    }

    fn block(&mut self, kind: &str, block: &Value) {
        if let Some(id) = block.get("block_id") {
            self.length("block_id", text(id), 1, 255);
            if !self.block_ids.insert(text(id).to_owned()) {
                self.wrong(format!("block_id {id} twice"));
            }
        }
        match kind {
            "section" => {
                self.keys(block, &["type", "text"], &["block_id", "accessory"]);
                self.text(&block["text"], 3000);
                if let Some(accessory) = block.get("accessory") {
                    self.element(accessory, &["button", "overflow", "static_select"]);
                }
            }
            "header" => {
                self.keys(block, &["type", "text"], &["block_id"]);
                self.plain(&block["text"], 150);
            }
            "context" => {
                self.keys(block, &["type", "elements"], &["block_id"]);
                let elements = list(&block["elements"]);
                if elements.is_empty() || elements.len() > 10 {
                    self.wrong(format!("{} elements of a context", elements.len()));
                }
                for element in elements {
                    self.text(element, 3000);
                }
            }
            "divider" => self.keys(block, &["type"], &["block_id"]),
            "actions" => {
                self.keys(block, &["type", "elements"], &["block_id"]);
                let elements = list(&block["elements"]);
                if elements.is_empty() || elements.len() > 25 {
                    self.wrong(format!("{} elements of actions", elements.len()));
                }
                let mut ids = BTreeSet::new();
                for element in elements {
                    self.element(element, &["button", "overflow", "static_select"]);
                    if !ids.insert(text(&element["action_id"])) {
                        self.wrong(format!("action_id {} twice", element["action_id"]));
                    }
                }
            }
            "input" => {
                self.keys(
                    block,
                    &["type", "block_id", "label", "element"],
                    &["hint", "optional"],
                );
                self.plain(&block["label"], 2000);
                if let Some(hint) = block.get("hint") {
                    self.plain(hint, 2000);
                }
                self.element(
                    &block["element"],
                    &["plain_text_input", "static_select", "datetimepicker"],
                );
            }
            other => self.wrong(format!("block of type {other}")),
        }
    }

    fn element(&mut self, element: &Value, allowed: &[&str]) {
        let kind = text(&element["type"]);
        if !allowed.contains(&kind) {
            self.wrong(format!("{kind} has no place here"));
        }
        self.length("action_id", text(&element["action_id"]), 1, 255);
        match kind {
            "button" => {
                self.keys(
                    element,
                    &["type", "text", "action_id"],
                    &["value", "url", "style", "confirm"],
                );
                self.plain(&element["text"], 75);
                if let Some(value) = element.get("value") {
                    self.length("value", text(value), 1, 2000);
                }
                if let Some(url) = element.get("url") {
                    self.length("url", text(url), 1, 3000);
                    if !text(url).starts_with("http") {
                        self.wrong(format!("a button to {url}"));
                    }
                }
                if let Some(style) = element.get("style")
                    && !["primary", "danger"].contains(&text(style))
                {
                    self.wrong(format!("style {style}"));
                }
                if let Some(confirm) = element.get("confirm") {
                    self.keys(confirm, &["title", "text", "confirm", "deny"], &["style"]);
                    self.plain(&confirm["title"], 100);
                    self.text(&confirm["text"], 300);
                    self.plain(&confirm["confirm"], 30);
                    self.plain(&confirm["deny"], 30);
                }
            }
            "overflow" => {
                self.keys(element, &["type", "action_id", "options"], &["confirm"]);
                self.options(&element["options"], 5);
            }
            "static_select" => {
                self.keys(
                    element,
                    &["type", "action_id", "options"],
                    &["initial_option", "placeholder", "confirm"],
                );
                self.options(&element["options"], 100);
                if let Some(initial) = element.get("initial_option")
                    && !list(&element["options"]).contains(initial)
                {
                    self.wrong("the initial option is none of the options".to_owned());
                }
            }
            "plain_text_input" => {
                self.keys(
                    element,
                    &["type", "action_id"],
                    &["multiline", "max_length", "initial_value", "placeholder"],
                );
                let most = element["max_length"].as_u64().unwrap_or(3000);
                if !(1..=3000).contains(&most) {
                    self.wrong(format!("max_length {most}"));
                }
                let most = usize::try_from(most).unwrap_or(0);
                if let Some(initial) = element.get("initial_value") {
                    self.length("initial_value", text(initial), 1, most);
                }
                if let Some(placeholder) = element.get("placeholder") {
                    self.plain(placeholder, 150);
                }
            }
            "datetimepicker" => {
                self.keys(element, &["type", "action_id"], &["initial_date_time"]);
                if let Some(initial) = element.get("initial_date_time")
                    && initial.as_i64().is_none_or(|at| at.to_string().len() != 10)
                {
                    self.wrong(format!("initial_date_time {initial}"));
                }
            }
            other => self.wrong(format!("element of type {other}")),
        }
    }

    fn options(&mut self, options: &Value, most: usize) {
        let options = list(options);
        if options.is_empty() || options.len() > most {
            self.wrong(format!("{} options", options.len()));
        }
        for option in options {
            self.keys(option, &["text", "value"], &["description"]);
            self.plain(&option["text"], 75);
            self.length("option's value", text(&option["value"]), 1, 150);
        }
    }

    fn text(&mut self, value: &Value, most: usize) {
        if value["type"] == "plain_text" {
            return self.plain(value, most);
        }
        self.keys(value, &["type", "text"], &["verbatim"]);
        self.length("markup", text(&value["text"]), 1, most);
        if value["type"] != "mrkdwn" || value["verbatim"] != true {
            self.wrong(format!("text may call people: {value}"));
        }
        self.markup(text(&value["text"]));
    }

    fn plain(&mut self, value: &Value, most: usize) {
        self.keys(value, &["type", "text"], &["emoji"]);
        if value["type"] != "plain_text" {
            self.wrong(format!("not plain: {value}"));
        }
        self.length("plain text", text(&value["text"]), 1, most);
        if text(&value["text"]).trim().is_empty() {
            self.wrong("blank text".to_owned());
        }
    }

    /// Everything between angle brackets is whole and harmless, and every `&` is an escape.
    fn markup(&mut self, markup: &str) {
        if markup.trim().is_empty() {
            self.wrong("blank text".to_owned());
        }
        if !markup.matches("```").count().is_multiple_of(2) {
            self.wrong(format!("code is not closed: {markup}"));
        }
        for (at, _) in markup.match_indices('&') {
            let rest = &markup[at..];
            if !["&amp;", "&lt;", "&gt;"]
                .iter()
                .any(|e| rest.starts_with(e))
            {
                self.wrong(format!("a bare & in {markup}"));
            }
        }
        let mut rest = markup;
        while let Some(start) = rest.find(['<', '>']) {
            let inside = rest[start..]
                .strip_prefix('<')
                .and_then(|rest| rest.split_once('>'));
            let Some((inside, after)) = inside else {
                return self.wrong(format!("a bare bracket in {markup}"));
            };
            let is_known = ["http://", "https://", "mailto:", "@", "#", "!date^"]
                .iter()
                .any(|start| inside.starts_with(start));
            if !is_known || inside.contains(['<', '\n']) || inside.matches('|').count() > 1 {
                self.wrong(format!("a strange entity <{inside}>"));
            }
            rest = after;
        }
        let is_odd =
            |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
        if markup.contains(is_odd) {
            self.wrong(format!("a control character in {markup:?}"));
        }
    }
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
