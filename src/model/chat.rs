use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Who may use the commands that run sites: rebuild, pause, resume and the like.
///
/// Written as `everyone`, `admins` or the id of a channel (`C012AB3CD`).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Running {
    /// Everyone in the workspace.
    #[default]
    Everyone,
    /// Admins of the workspace, and the people who are listed as admins.
    Admins,
    /// Everyone in this channel, and admins anywhere.
    Channel(String),
}

impl Running {
    /// Whether nobody is kept out.
    pub fn is_everyone(&self) -> bool {
        *self == Self::Everyone
    }
}

impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Everyone => "everyone",
            Self::Admins => "admins",
            Self::Channel(id) => id,
        })
    }
}

impl FromStr for Running {
    type Err = Infallible;

    /// Any word but the two is taken for the id of a channel: who reads settings checks it.
    fn from_str(word: &str) -> Result<Self, Infallible> {
        Ok(match word {
            "everyone" => Self::Everyone,
            "admins" => Self::Admins,
            channel => Self::Channel(channel.to_owned()),
        })
    }
}

impl Serialize for Running {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Running {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        word.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_stored_as_it_is_written() {
        for (value, text) in [
            (Running::Everyone, r#""everyone""#),
            (Running::Admins, r#""admins""#),
            (Running::Channel("C012AB3CD".into()), r#""C012AB3CD""#),
        ] {
            assert_eq!(serde_json::to_string(&value).unwrap(), text);
            assert_eq!(serde_json::from_str::<Running>(text).unwrap(), value);
        }
    }
}
