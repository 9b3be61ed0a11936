use serde::Serialize;

use super::text::{Mrkdwn, Text, address, cut, plain, units};

/// Something to press, choose or fill in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Element {
    /// A button.
    Button(Button),
    /// A menu behind three dots.
    Overflow(Menu),
    /// A text field.
    PlainTextInput(TextInput),
    /// A menu to choose from.
    StaticSelect(Select),
    /// A date with a time.
    Datetimepicker(DateTime),
}

impl Element {
    /// A menu behind three dots, of at most 5 choices; `None` if there is none.
    pub fn overflow(action_id: &str, choices: impl IntoIterator<Item = Choice>) -> Option<Self> {
        let options: Vec<Choice> = choices.into_iter().take(5).collect();
        (!options.is_empty()).then(|| {
            Self::Overflow(Menu {
                action_id: cut(action_id, ID),
                options,
            })
        })
    }

    pub(super) fn action_id(&self) -> &str {
        match self {
            Self::Button(Button { action_id, .. })
            | Self::Overflow(Menu { action_id, .. })
            | Self::PlainTextInput(TextInput { action_id, .. })
            | Self::StaticSelect(Select { action_id, .. })
            | Self::Datetimepicker(DateTime { action_id, .. }) => action_id,
        }
    }

    pub(super) fn name(&mut self, id: &str) {
        let (Self::Button(Button { action_id, .. })
        | Self::Overflow(Menu { action_id, .. })
        | Self::PlainTextInput(TextInput { action_id, .. })
        | Self::StaticSelect(Select { action_id, .. })
        | Self::Datetimepicker(DateTime { action_id, .. })) = self;
        *action_id = cut(id, ID);
    }

    pub(super) fn number(&mut self, number: usize) {
        let id = format!("{}:{number}", cut(self.action_id(), ID - 8));
        self.name(&id);
    }
}

/// Of an action id.
const ID: usize = 255;

/// A button. What it means is in its id and its value.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Button {
    text: Text,
    action_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    style: Option<Style>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirm: Option<Confirm>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Style {
    Primary,
    Danger,
}

impl Button {
    /// A button that sends `value`, which this program makes and keeps far below the 2,000
    /// characters that it may have.
    pub fn new(text: &str, action_id: &str, value: &str) -> Self {
        Self {
            text: plain(text, 75),
            action_id: cut(action_id, ID),
            value: (!value.is_empty()).then(|| cut(value, 2000)),
            url: None,
            style: None,
            confirm: None,
        }
    }

    /// In green: the one thing that most people want next.
    #[must_use]
    pub fn primary(mut self) -> Self {
        self.style = Some(Style::Primary);
        self
    }

    /// In red: cannot be taken back.
    #[must_use]
    pub fn danger(mut self) -> Self {
        self.style = Some(Style::Danger);
        self
    }

    /// Asks first.
    #[must_use]
    pub fn confirm(mut self, confirm: Confirm) -> Self {
        self.confirm = Some(confirm);
        self
    }

    /// Opens a page. What is no address of `http` or `https`, or is longer than 3,000 characters,
    /// opens nothing.
    #[must_use]
    pub fn url(mut self, url: &str) -> Self {
        self.url = address(url).filter(|url| units(url) <= 3000 && url.starts_with("http"));
        self
    }
}

impl From<Button> for Element {
    fn from(button: Button) -> Self {
        Self::Button(button)
    }
}

/// The question before a button does its work.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Confirm {
    title: Text,
    text: Text,
    confirm: Text,
    deny: Text,
}

impl Confirm {
    /// A question with the words for yes and no.
    pub fn new(title: &str, text: Mrkdwn, yes: &str, no: &str) -> Self {
        Self {
            title: plain(title, 100),
            text: text.cut(300),
            confirm: plain(yes, 30),
            deny: plain(no, 30),
        }
    }
}

/// A menu behind three dots.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Menu {
    action_id: String,
    options: Vec<Choice>,
}

/// One line of a menu.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Choice {
    text: Text,
    value: String,
}

impl Choice {
    /// A line that sends `value`, of at most 150 characters.
    pub fn new(text: &str, value: &str) -> Self {
        Self {
            text: plain(text, 75),
            value: cut(value, 150),
        }
    }
}

/// A text field.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct TextInput {
    action_id: String,
    multiline: bool,
    max_length: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    initial_value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    placeholder: Option<Text>,
}

impl TextInput {
    /// A field of one line.
    pub fn line(max_length: usize) -> Self {
        Self {
            action_id: String::new(),
            multiline: false,
            max_length: max_length.clamp(1, 3000),
            initial_value: None,
            placeholder: None,
        }
    }

    /// A field of many lines, and of as much as Slack takes: 3,000 characters.
    pub fn lines() -> Self {
        Self {
            multiline: true,
            ..Self::line(3000)
        }
    }

    /// With this in it. Room is made for a text that is longer than the field would take, up to
    /// 3,000 characters: nothing that somebody wrote is cut.
    #[must_use]
    pub fn initial(mut self, text: &str) -> Self {
        self.max_length = self.max_length.max(units(text)).min(3000);
        self.initial_value = (!text.is_empty()).then(|| cut(text, 3000));
        self
    }

    /// With this in grey while it is empty.
    #[must_use]
    pub fn placeholder(mut self, text: &str) -> Self {
        self.placeholder = Some(plain(text, 150));
        self
    }
}

impl From<TextInput> for Element {
    fn from(input: TextInput) -> Self {
        Self::PlainTextInput(input)
    }
}

/// A menu to choose from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Select {
    action_id: String,
    options: Vec<Choice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    initial_option: Option<Choice>,
}

impl Select {
    /// How many choices there may be.
    pub const CHOICES: usize = 100;

    /// A menu of the first 100 choices, with the one of this value chosen; `None` if there is
    /// none to choose from.
    pub fn new(choices: impl IntoIterator<Item = Choice>, chosen: Option<&str>) -> Option<Self> {
        let options: Vec<Choice> = choices.into_iter().take(Self::CHOICES).collect();
        let initial_option = options
            .iter()
            .find(|choice| Some(choice.value.as_str()) == chosen)
            .cloned();
        (!options.is_empty()).then(|| Self {
            action_id: String::new(),
            options,
            initial_option,
        })
    }
}

impl From<Select> for Element {
    fn from(select: Select) -> Self {
        Self::StaticSelect(select)
    }
}

/// A date with a time, in the reader's time zone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct DateTime {
    action_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    initial_date_time: Option<i64>,
}

impl DateTime {
    /// With this time (unix seconds) in it. Slack takes ten digits; others are left out.
    pub fn new(seconds: Option<i64>) -> Self {
        Self {
            action_id: String::new(),
            initial_date_time: seconds
                .filter(|seconds| (1_000_000_000..10_000_000_000).contains(seconds)),
        }
    }
}

impl From<DateTime> for Element {
    fn from(picker: DateTime) -> Self {
        Self::Datetimepicker(picker)
    }
}
