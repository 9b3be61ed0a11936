use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The name of a site: 1–63 characters of `[a-z0-9-]` that start and end with a letter or digit.
///
/// Made only by parsing, so that every name in the program is valid. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SiteName(Arc<str>);

/// Why a text is no [`SiteName`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Empty, or longer than 63 characters.
    #[error("a site name has 1 to 63 characters, this one has {0}")]
    Length(usize),
    /// Holds a character other than `a-z`, `0-9` and `-`.
    #[error("a site name is made of a-z, 0-9 and -; {0:?} is none of them")]
    Character(char),
    /// Starts or ends with `-`.
    #[error("a site name starts and ends with a letter or digit")]
    Edge,
}

impl SiteName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SiteName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if let Some(bad) = text
            .chars()
            .find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-'))
        {
            return Err(NameError::Character(bad));
        }
        if text.is_empty() || text.len() > 63 {
            return Err(NameError::Length(text.len()));
        }
        if text.starts_with('-') || text.ends_with('-') {
            return Err(NameError::Edge);
        }
        Ok(Self(text.into()))
    }
}

impl Borrow<str> for SiteName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for SiteName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SiteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for SiteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Serialize for SiteName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SiteName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_host_label() {
        for good in ["a", "0", "foo", "a-b", "x9", &"a".repeat(63)] {
            assert_eq!(good.parse::<SiteName>().unwrap().as_str(), good);
        }
        for (bad, why) in [
            ("", NameError::Length(0)),
            ("-a", NameError::Edge),
            ("a-", NameError::Edge),
            ("Foo", NameError::Character('F')),
            ("a b", NameError::Character(' ')),
            ("ä", NameError::Character('ä')),
        ] {
            assert_eq!(bad.parse::<SiteName>(), Err(why), "{bad:?}");
        }
        assert_eq!(
            "a".repeat(64).parse::<SiteName>(),
            Err(NameError::Length(64))
        );
    }
}
