//! What Slack would refuse, from its documentation and from nothing in the program.

use std::collections::BTreeSet;

use serde_json::Value;

/// Everything that Slack would refuse in a message.
pub fn message(message: &Value) -> Vec<String> {
    let mut check = Check::default();
    let blocks = list(message, "blocks");
    let text = message["text"].as_str().unwrap_or_default();
    let deletes = message["delete_original"].as_bool() == Some(true);
    check.that(
        deletes || !text.is_empty(),
        "a message has `text`, for notifications and screen readers",
    );
    check.at_most("text of a message", text, 4000);
    check.count("blocks of a message", blocks.len(), 50);
    check.blocks(blocks, Surface::Message);
    check.that(
        list(message, "attachments").len() <= 100,
        "at most 100 attachments",
    );
    check.known(
        "response_type",
        &message["response_type"],
        &["ephemeral", "in_channel"],
    );
    check.found
}

/// Everything that Slack would refuse in a modal or a Home tab.
pub fn view(view: &Value) -> Vec<String> {
    let mut check = Check::default();
    let blocks = list(view, "blocks");
    let modal = view["type"] == "modal";
    check.that(
        modal || view["type"] == "home",
        "a view is a modal or a home",
    );
    check.that(view["blocks"].is_array(), "a view has blocks");
    check.count("blocks of a view", blocks.len(), 100);
    check.at_most("private_metadata", string(view, "private_metadata"), 3000);
    check.at_most("callback_id", string(view, "callback_id"), 255);
    let size = view.to_string().len();
    check.that(size <= 250_000, "a view has at most 250 kB");
    if modal {
        check.text("title of a modal", &view["title"], 24, Text::Plain);
        for button in ["submit", "close"] {
            if !view[button].is_null() {
                check.text(button, &view[button], 24, Text::Plain);
            }
        }
        let inputs = blocks.iter().any(|block| block["type"] == "input");
        check.that(
            !inputs || view["submit"].is_object(),
            "a modal with inputs has a submit button",
        );
        check.blocks(blocks, Surface::Modal);
    } else {
        for modal_only in ["title", "submit", "close"] {
            check.that(view[modal_only].is_null(), "a home has no title or buttons");
        }
        check.blocks(blocks, Surface::Home);
    }
    check.found
}

#[derive(Clone, Copy, PartialEq)]
enum Surface {
    Message,
    Modal,
    Home,
}

#[derive(Clone, Copy, PartialEq)]
enum Text {
    Plain,
    Any,
}

#[derive(Default)]
struct Check {
    found: Vec<String>,
}

impl Check {
    fn that(&mut self, holds: bool, rule: &str) {
        if !holds {
            self.found.push(rule.to_owned());
        }
    }

    fn at_most(&mut self, what: &str, text: &str, most: usize) {
        let chars = text.chars().count();
        self.that(
            chars <= most,
            &format!("{what}: {chars} characters, at most {most}"),
        );
    }

    fn count(&mut self, what: &str, count: usize, most: usize) {
        self.that(count <= most, &format!("{what}: {count}, at most {most}"));
    }

    fn known(&mut self, what: &str, value: &Value, known: &[&str]) {
        let fine = value.is_null() || value.as_str().is_some_and(|value| known.contains(&value));
        self.that(fine, &format!("{what} is {value}, not one of {known:?}"));
    }

    /// A text object.
    fn text(&mut self, what: &str, object: &Value, most: usize, kind: Text) {
        let text = object["text"].as_str();
        self.that(
            text.is_some(),
            &format!("{what} is a text object: {object}"),
        );
        let text = text.unwrap_or_default();
        self.that(!text.is_empty(), &format!("{what} is not empty"));
        self.at_most(what, text, most);
        let plain = object["type"] == "plain_text";
        let any = plain || object["type"] == "mrkdwn";
        self.that(
            if kind == Text::Plain { plain } else { any },
            &format!("{what} is of type {}", object["type"]),
        );
        if plain {
            self.that(object["verbatim"].is_null(), "plain_text has no `verbatim`");
        } else {
            self.that(object["emoji"].is_null(), "mrkdwn has no `emoji`");
        }
    }

    fn id(&mut self, what: &str, value: &Value) {
        if value.is_null() {
            return;
        }
        let id = value.as_str().unwrap_or_default();
        self.that(!id.is_empty(), &format!("{what} is a text and not empty"));
        self.at_most(what, id, 255);
    }

    fn blocks(&mut self, blocks: &[Value], surface: Surface) {
        let mut ids = BTreeSet::new();
        for block in blocks {
            self.id("block_id", &block["block_id"]);
            if let Some(id) = block["block_id"].as_str() {
                self.that(ids.insert(id), &format!("block_id {id} is there twice"));
            }
            self.block(block, surface);
        }
    }

    fn block(&mut self, block: &Value, surface: Surface) {
        match block["type"].as_str().unwrap_or_default() {
            "section" => {
                let fields = list(block, "fields");
                self.that(
                    block["text"].is_object() || !fields.is_empty(),
                    "a section has text or fields",
                );
                if !block["text"].is_null() {
                    self.text("text of a section", &block["text"], 3000, Text::Any);
                }
                self.count("fields of a section", fields.len(), 10);
                for field in fields {
                    self.text("field of a section", field, 2000, Text::Any);
                }
                if !block["accessory"].is_null() {
                    self.element(&block["accessory"], Place::Accessory);
                }
            }
            "header" => self.text("text of a header", &block["text"], 150, Text::Plain),
            "divider" => {}
            "context" => {
                let elements = list(block, "elements");
                self.that(!elements.is_empty(), "a context has elements");
                self.count("elements of a context", elements.len(), 10);
                for element in elements {
                    if element["type"] == "image" {
                        self.image(element);
                    } else {
                        self.text("text of a context", element, 3000, Text::Any);
                    }
                }
            }
            "actions" => {
                let elements = list(block, "elements");
                self.that(!elements.is_empty(), "actions have elements");
                self.count("elements of actions", elements.len(), 25);
                let mut ids = BTreeSet::new();
                for element in elements {
                    let id = string(element, "action_id");
                    self.that(
                        id.is_empty() || ids.insert(id),
                        &format!("action_id {id} is there twice in a block"),
                    );
                    self.element(element, Place::Actions);
                }
            }
            "input" => {
                self.text("label of an input", &block["label"], 2000, Text::Plain);
                if !block["hint"].is_null() {
                    self.text("hint of an input", &block["hint"], 2000, Text::Plain);
                }
                self.element(&block["element"], Place::Input);
            }
            "image" => {
                self.image(block);
                if !block["title"].is_null() {
                    self.text("title of an image", &block["title"], 2000, Text::Plain);
                }
            }
            "markdown" => {
                self.that(surface == Surface::Message, "markdown stands in messages");
                self.at_most("markdown", string(block, "text"), 12_000);
            }
            "rich_text" => self.that(block["elements"].is_array(), "rich_text has elements"),
            other => self.that(
                false,
                &format!("a block of unknown type {other:?}: {block}"),
            ),
        }
    }

    fn image(&mut self, image: &Value) {
        let url = string(image, "image_url");
        self.that(!url.is_empty(), "an image has an image_url");
        self.at_most("image_url", url, 3000);
        let alt = image["alt_text"].as_str();
        self.that(alt.is_some(), "an image has an alt_text");
        self.at_most("alt_text", alt.unwrap_or_default(), 2000);
    }

    fn element(&mut self, element: &Value, place: Place) {
        let kind = element["type"].as_str().unwrap_or_default();
        let allowed = match place {
            Place::Accessory => kind != "plain_text_input",
            Place::Actions => !["image", "plain_text_input", "email_text_input"].contains(&kind),
            Place::Input => !["button", "image", "overflow"].contains(&kind),
        };
        self.that(allowed, &format!("no {kind} in {place:?}"));
        self.id("action_id", &element["action_id"]);
        if kind != "image" {
            self.that(
                element["action_id"].is_string(),
                &format!("{kind} has an action_id"),
            );
        }
        if !element["placeholder"].is_null() {
            self.text("placeholder", &element["placeholder"], 150, Text::Plain);
        }
        if !element["confirm"].is_null() {
            self.confirm(&element["confirm"]);
        }
        let options = list(element, "options");
        match kind {
            "button" => {
                self.text("text of a button", &element["text"], 75, Text::Plain);
                self.at_most("value of a button", string(element, "value"), 2000);
                self.at_most("url of a button", string(element, "url"), 3000);
                self.known("style", &element["style"], &["primary", "danger"]);
            }
            "plain_text_input" => {
                for (key, least) in [("min_length", 0), ("max_length", 1)] {
                    if let Some(length) = element[key].as_i64() {
                        self.that(
                            (least..=3000).contains(&length),
                            &format!("{key} is {length}"),
                        );
                    }
                }
                let initial = string(element, "initial_value");
                let most = element["max_length"].as_u64().unwrap_or(3000);
                self.at_most("initial_value", initial, usize::try_from(most).unwrap());
            }
            "static_select" | "multi_static_select" => {
                let groups = list(element, "option_groups");
                self.that(
                    options.is_empty() != groups.is_empty(),
                    "a select has options or groups",
                );
                self.count("options", options.len(), 100);
                self.count("groups of options", groups.len(), 100);
                let mut all: Vec<_> = options.to_vec();
                for group in groups {
                    self.text("label of a group", &group["label"], 75, Text::Plain);
                    self.count("options of a group", list(group, "options").len(), 100);
                    all.extend(list(group, "options").to_vec());
                }
                self.options(element, &all, Text::Plain);
            }
            "overflow" => {
                self.that(!options.is_empty(), "an overflow has options");
                self.count("options of an overflow", options.len(), 5);
                self.options(element, options, Text::Plain);
            }
            "radio_buttons" | "checkboxes" => {
                self.that(!options.is_empty(), "there are options");
                self.count("options", options.len(), 10);
                self.options(element, options, Text::Any);
            }
            "image" => self.image(element),
            "datetimepicker" => {
                if let Some(initial) = element["initial_date_time"].as_i64() {
                    self.that(
                        initial.to_string().len() == 10,
                        "initial_date_time has ten digits",
                    );
                }
            }
            "datepicker"
            | "timepicker"
            | "users_select"
            | "conversations_select"
            | "channels_select"
            | "multi_users_select"
            | "multi_conversations_select"
            | "multi_channels_select"
            | "external_select"
            | "number_input"
            | "url_text_input"
            | "email_text_input"
            | "rich_text_input" => {}
            other => self.that(false, &format!("an element of unknown type {other:?}")),
        }
    }

    fn options(&mut self, element: &Value, options: &[Value], kind: Text) {
        for option in options {
            self.text("text of an option", &option["text"], 75, kind);
            let value = string(option, "value");
            self.that(!value.is_empty(), "an option has a value");
            self.at_most("value of an option", value, 150);
            if !option["description"].is_null() {
                self.text("description of an option", &option["description"], 75, kind);
            }
        }
        let mut initial = list(element, "initial_options").to_vec();
        initial.extend(element.get("initial_option").cloned());
        for chosen in initial.iter().filter(|chosen| !chosen.is_null()) {
            self.that(
                options.contains(chosen),
                &format!("the initial option is one of the options: {chosen}"),
            );
        }
    }

    fn confirm(&mut self, confirm: &Value) {
        self.text(
            "title of a confirmation",
            &confirm["title"],
            100,
            Text::Plain,
        );
        self.text("text of a confirmation", &confirm["text"], 300, Text::Any);
        self.text("confirm", &confirm["confirm"], 30, Text::Plain);
        self.text("deny", &confirm["deny"], 30, Text::Plain);
    }
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Accessory,
    Actions,
    Input,
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn string<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}
