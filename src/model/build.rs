use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The id of one build: a UUID of version 7. Travels in Netlify's `trigger_title`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BuildId(String);

impl BuildId {
    /// Takes an id that was made or stored elsewhere.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The id of a process that can hold claims. New at every start, so that nobody inherits a claim.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HolderId(String);

impl HolderId {
    /// Takes an id that was made or stored elsewhere.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HolderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Where a build is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BuildState {
    /// Somebody holds the right to fire it, and may be firing it now.
    Claimed,
    /// Sent, but no answer came: it may have started. Ends by news or by its deadline.
    Unknown,
    /// The builder took it and tells no more.
    Accepted,
    /// Built, and on the site.
    Live,
    /// The builder reported that it failed.
    Failed,
    /// The builder refused it: nothing was started.
    Refused,
    /// No news until the deadline, or its holder died.
    Lost,
    /// Newer content was fired before it was known how it ended.
    Superseded,
}

impl BuildState {
    /// The word for it, as it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Unknown => "unknown",
            Self::Accepted => "accepted",
            Self::Live => "live",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Lost => "lost",
            Self::Superseded => "superseded",
        }
    }

    /// Whether the build is over.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Claimed | Self::Unknown)
    }
}

impl fmt::Display for BuildState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that is no [`BuildState`].
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no state of a build")]
pub struct UnknownState(String);

impl FromStr for BuildState {
    type Err = UnknownState;

    fn from_str(word: &str) -> Result<Self, UnknownState> {
        [
            Self::Claimed,
            Self::Unknown,
            Self::Accepted,
            Self::Live,
            Self::Failed,
            Self::Refused,
            Self::Lost,
            Self::Superseded,
        ]
        .into_iter()
        .find(|state| state.as_str() == word)
        .ok_or_else(|| UnknownState(word.to_owned()))
    }
}

/// What came of firing a build, decided once, where the answer was seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The builder took it. It tells no more.
    Accepted,
    /// Built, and live.
    Live,
    /// The builder built it, and that failed: not repeated until the content changes.
    Failed {
        /// What the builder said.
        error: String,
    },
    /// Nothing was started, as far as anybody can tell: try again with back-off.
    Retry {
        /// What went wrong.
        error: String,
        /// The builder asked for at least this much patience.
        after: Option<std::time::Duration>,
        /// Something on the way failed, which may have passed the request on before: the site may
        /// come to show this content, so content that goes back is built all the same.
        doubtful: bool,
    },
    /// Nothing was started, and nothing will be until somebody changes something.
    Stalled {
        /// What went wrong, and what to do.
        error: String,
    },
    /// Sent, but no answer came.
    Unknown {
        /// What was seen instead.
        error: String,
    },
    /// The inputs changed while the build was made ready: nothing was started.
    Moved {
        /// What changed.
        error: String,
    },
}

/// Who did something, and through which door.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Actor {
    /// A name that people know: a login, a chat user.
    pub name: String,
    /// Where it came from.
    pub door: Door,
    /// Who exactly, as `slack:TEAM:USER`; `None` for the file, the loop and the command line.
    pub account: Option<String>,
    /// The id of the request that asked, when it may come twice: the change is then made once.
    pub request: Option<String>,
    /// Who is to be told how it ends.
    pub tell: Option<TellTo>,
}

/// Where in chat somebody is to be told how it ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TellTo {
    /// The workspace's id.
    pub workspace: String,
    /// The id of a user or a channel.
    pub conversation: String,
    /// The short-lived address for answers to a command, sealed.
    pub response_url: Option<String>,
}

impl TellTo {
    /// Somebody by their account ([`Actor::account`]). `None`: it is of no chat.
    pub fn of_account(account: &str) -> Option<Self> {
        let (workspace, user) = account.strip_prefix("slack:")?.split_once(':')?;
        Some(Self {
            workspace: workspace.to_owned(),
            conversation: user.to_owned(),
            response_url: None,
        })
    }
}

/// Where a change came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Door {
    /// `sites.toml`.
    File,
    /// The command line.
    Cli,
    /// A chat command.
    Chat,
    /// Microblot itself.
    Loop,
}

impl Door {
    /// The word for it, as it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Cli => "cli",
            Self::Chat => "chat",
            Self::Loop => "loop",
        }
    }
}

impl Actor {
    /// Whoever edited `sites.toml`.
    pub fn the_file() -> Self {
        Self::new("sites.toml", Door::File)
    }

    /// Microblot itself.
    pub fn the_loop() -> Self {
        Self::new("microblot", Door::Loop)
    }

    /// Somebody at the command line.
    pub fn cli(name: impl Into<String>) -> Self {
        Self::new(name, Door::Cli)
    }

    /// Somebody in chat: the name that people know, and the account, as `slack:TEAM:USER`.
    pub fn chat(name: impl Into<String>, account: impl Into<String>) -> Self {
        Self {
            account: Some(account.into()),
            ..Self::new(name, Door::Chat)
        }
    }

    /// The same, asking with a request of this id: a change that it asks for is made once.
    #[must_use]
    pub fn with_request(self, id: impl Into<String>) -> Self {
        Self {
            request: Some(id.into()),
            ..self
        }
    }

    /// The same, to be told there how it ends.
    #[must_use]
    pub fn with_tell(self, to: TellTo) -> Self {
        Self {
            tell: Some(to),
            ..self
        }
    }

    fn new(name: impl Into<String>, door: Door) -> Self {
        Self {
            name: name.into(),
            door,
            account: None,
            request: None,
            tell: None,
        }
    }
}
