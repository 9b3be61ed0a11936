//! Messages and views of Slack, made of blocks that keep within its limits.
//!
//! Texts are cut with `…` where they are made, so that nothing over a limit can be built. Lengths
//! count UTF-16 units: Slack does not say what it counts, and no other measure is larger.

mod element;
mod surface;
mod text;

#[cfg(test)]
pub(crate) mod limits;
#[cfg(test)]
pub(crate) mod tests;

pub use element::{Button, Choice, Confirm, DateTime, Element, Select, TextInput};
pub use surface::{Message, View, ViewReply};
pub use text::{Mrkdwn, cut, escape, units};

use serde::Serialize;

use text::{Text, plain};

/// What a section's text may have.
pub const SECTION: usize = 3000;

/// One block.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(transparent)]
pub struct Block(Kind);

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Kind {
    Section {
        text: Text,
        #[serde(skip_serializing_if = "Option::is_none")]
        accessory: Option<Element>,
    },
    Header {
        text: Text,
    },
    Context {
        elements: Vec<Text>,
    },
    Divider {},
    Actions {
        elements: Vec<Element>,
    },
    Input {
        block_id: String,
        label: Text,
        element: Element,
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<Text>,
        optional: bool,
    },
}

impl Block {
    /// A paragraph.
    pub fn section(text: Mrkdwn) -> Self {
        Self(Kind::Section {
            text: text.cut(SECTION),
            accessory: None,
        })
    }

    /// A paragraph with a button or menu at its right.
    pub fn section_with(text: Mrkdwn, accessory: impl Into<Element>) -> Self {
        Self(Kind::Section {
            text: text.cut(SECTION),
            accessory: Some(accessory.into()),
        })
    }

    /// A heading, in plain text.
    pub fn header(text: &str) -> Self {
        Self(Kind::Header {
            text: plain(text, 150),
        })
    }

    /// A small grey line.
    pub fn context(text: Mrkdwn) -> Self {
        Self(Kind::Context {
            elements: vec![text.cut(SECTION)],
        })
    }

    /// A line across.
    pub fn divider() -> Self {
        Self(Kind::Divider {})
    }

    /// A row of at most 25 buttons; `None` if there is none.
    ///
    /// Ids must differ within a row: the second of one id gets `:2` behind it, and so on.
    pub fn actions(elements: impl IntoIterator<Item = Element>) -> Option<Self> {
        let mut elements: Vec<Element> = elements.into_iter().take(25).collect();
        for at in 1..elements.len() {
            let (before, rest) = elements.split_at_mut(at);
            let element = &mut rest[0];
            let same = before
                .iter()
                .filter(|other| base(other.action_id()) == base(element.action_id()))
                .count();
            if same > 0 {
                element.number(same + 1);
            }
        }
        (!elements.is_empty()).then_some(Self(Kind::Actions { elements }))
    }

    /// A field with a label. `id` names both the block and its element: state is found under it.
    pub fn input(id: &str, label: &str, element: impl Into<Element>) -> Self {
        let mut element = element.into();
        element.name(id);
        Self(Kind::Input {
            block_id: cut(id, 255),
            label: plain(label, 2000),
            element,
            hint: None,
            optional: false,
        })
    }

    /// With a line of help below it. Only fields have one.
    #[must_use]
    pub fn with_hint(mut self, text: &str) -> Self {
        if let Kind::Input { hint, .. } = &mut self.0 {
            *hint = Some(plain(text, 2000));
        }
        self
    }

    /// May be left empty. Only fields need it.
    #[must_use]
    pub fn optional(mut self) -> Self {
        if let Kind::Input { optional, .. } = &mut self.0 {
            *optional = true;
        }
        self
    }

    fn is_input(&self) -> bool {
        matches!(self.0, Kind::Input { .. })
    }
}

/// An action id without the number that [`Block::actions`] put behind it.
pub fn base(action_id: &str) -> &str {
    action_id
        .split_once(':')
        .map_or(action_id, |(base, _)| base)
}
