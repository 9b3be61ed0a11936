//! What somebody has before them.

use serde_json::Value;

/// A message, a modal or a Home tab, as it stood when it was asked for.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The workspace.
    pub team: String,
    /// Where it is.
    pub place: Place,
    /// Its JSON.
    pub json: Value,
}

/// Where something is shown.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// A message.
    Message {
        /// The conversation.
        channel: String,
        /// Its name there.
        ts: String,
        /// Only the one who asked sees it.
        ephemeral: bool,
    },
    /// A modal.
    Modal {
        /// Its id.
        id: String,
    },
    /// The Home tab.
    Home {
        /// Its id.
        id: String,
    },
}

impl Shown {
    /// The `text` of a message.
    pub fn text(&self) -> &str {
        self.json["text"].as_str().unwrap_or_default()
    }

    /// The `ts` of a message.
    pub fn ts(&self) -> &str {
        match &self.place {
            Place::Message { ts, .. } => ts,
            other => panic!("{other:?} is no message"),
        }
    }

    /// The id of a view.
    pub fn view_id(&self) -> &str {
        match &self.place {
            Place::Modal { id } | Place::Home { id } => id,
            other => panic!("{other:?} is no view"),
        }
    }

    /// Everything that can be read in it, a line for each text: title, text, blocks, buttons.
    pub fn words(&self) -> String {
        let mut words = String::new();
        for part in ["title", "text", "blocks", "submit"] {
            read(&self.json[part], &mut words);
        }
        words
    }

    /// The elements with this `action_id`.
    pub fn elements(&self, action_id: &str) -> Vec<(&Value, &Value)> {
        let all = elements(&self.json).into_iter();
        all.filter(|(_, element)| element["action_id"] == action_id)
            .collect()
    }
}

/// All elements with their blocks.
pub(super) fn elements(json: &Value) -> Vec<(&Value, &Value)> {
    let mut found = Vec::new();
    for block in json["blocks"].as_array().into_iter().flatten() {
        let many = block["elements"].as_array().into_iter().flatten();
        let one = ["accessory", "element"].map(|key| &block[key]);
        let all = many.chain(one).filter(|element| element.is_object());
        found.extend(all.map(|element| (block, element)));
    }
    found
}

fn read(value: &Value, words: &mut String) {
    match value {
        Value::String(text) => {
            words.push_str(text);
            words.push('\n');
        }
        Value::Array(all) => all.iter().for_each(|value| read(value, words)),
        Value::Object(fields) => {
            for (key, value) in fields {
                let texts = [
                    "text",
                    "label",
                    "hint",
                    "element",
                    "elements",
                    "accessory",
                    "fields",
                    "options",
                    "placeholder",
                    "description",
                    "initial_value",
                    "title",
                    "alt_text",
                ];
                if texts.contains(&key.as_str()) {
                    read(value, words);
                }
            }
        }
        _ => {}
    }
}
