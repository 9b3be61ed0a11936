use std::borrow::Cow;

use url::form_urlencoded;

use super::PayloadError;
use crate::model::Secret;

/// What comes to the address of slash commands.
#[derive(Clone, Debug)]
pub enum Command {
    /// Slack tries whether TLS works: answer 200, do nothing.
    SslCheck,
    /// Somebody typed a command.
    Slash(Box<SlashCommand>),
}

/// A command that somebody typed.
#[derive(Clone, Debug)]
pub struct SlashCommand {
    /// The workspace (`T…`).
    pub team: String,
    /// The organisation that it belongs to (`E…`), if any.
    pub enterprise: Option<String>,
    /// The conversation that it was typed in (`C…`, `G…`, `D…`).
    pub channel: String,
    /// Its name; `directmessage` and `privategroup` where it has none to show.
    pub channel_name: Option<String>,
    /// Who typed it (`U…`, `W…`).
    pub user: String,
    /// Their login name, which Slack may drop one day.
    pub user_name: Option<String>,
    /// The command with its slash.
    pub command: String,
    /// What follows it, as Slack escapes it; often empty.
    pub text: String,
    /// Where up to 5 answers can be sent for 30 minutes, by whoever knows it.
    pub response_url: Option<Secret>,
    /// Opens one modal within 3 seconds.
    pub trigger_id: String,
}

impl Command {
    /// Reads the form of a slash command. Bytes that are no UTF-8 become `\u{fffd}`; of a field
    /// that is there twice, the first counts.
    ///
    /// # Errors
    ///
    /// [`PayloadError::Missing`] names a field without which there is no command.
    pub fn parse(body: &[u8]) -> Result<Self, PayloadError> {
        let fields: Vec<_> = form_urlencoded::parse(body).collect();
        if field(&fields, "ssl_check").is_some_and(|value| value == "1") {
            return Ok(Self::SslCheck);
        }
        let name = |key| field(&fields, key).filter(|value| !value.is_empty());
        let needed = |key| {
            name(key)
                .map(ToOwned::to_owned)
                .ok_or(PayloadError::Missing(key))
        };
        Ok(Self::Slash(Box::new(SlashCommand {
            team: needed("team_id")?,
            enterprise: name("enterprise_id").map(ToOwned::to_owned),
            channel: needed("channel_id")?,
            channel_name: name("channel_name").map(ToOwned::to_owned),
            user: needed("user_id")?,
            user_name: name("user_name").map(ToOwned::to_owned),
            command: needed("command")?,
            text: field(&fields, "text").unwrap_or_default().to_owned(),
            response_url: name("response_url").map(Secret::new),
            trigger_id: needed("trigger_id")?,
        })))
    }
}

/// The first value of a field.
pub(super) fn field<'a>(fields: &'a [(Cow<'_, str>, Cow<'_, str>)], key: &str) -> Option<&'a str> {
    let (_, value) = fields.iter().find(|(name, _)| name == key)?;
    Some(value)
}
