use std::fmt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

/// Where a secret is found: `{ env = "NAME" }` or `{ file = "PATH" }`. Never the secret itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum SecretRef {
    /// An environment variable.
    Env(String),
    /// A file, from the folder of `sites.toml`; trailing line ends are not part of the secret.
    File(PathBuf),
}

/// A secret that was looked up. `Debug` prints `[REDACTED]`.
#[derive(Clone, Debug)]
pub struct Secret(SecretString);

/// Why a secret could not be had. Names the reference, never the value.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set, or empty.
    #[error("the environment variable {0} is not set")]
    Unset(String),
    /// The file cannot be read.
    #[error("the secret file {0} cannot be read")]
    Unreadable(PathBuf, #[source] std::io::Error),
    /// The file is empty.
    #[error("the secret file {0} is empty")]
    Empty(PathBuf),
}

impl Secret {
    /// Takes a value that is known to be secret.
    pub fn new(value: impl Into<String>) -> Self {
        Self(SecretString::from(value.into()))
    }

    /// The value, for the one call that needs it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl SecretRef {
    /// Looks the secret up now, so that a rotated one is picked up without a restart. `folder` is
    /// where `sites.toml` is.
    ///
    /// # Errors
    ///
    /// [`SecretError`] names the variable or file that is missing or empty.
    pub fn read(&self, folder: &Path) -> Result<Secret, SecretError> {
        match self {
            Self::Env(name) => match std::env::var(name) {
                Ok(value) if !value.is_empty() => Ok(Secret::new(value)),
                _ => Err(SecretError::Unset(name.clone())),
            },
            Self::File(path) => {
                let path = folder.join(path);
                let value = std::fs::read_to_string(&path)
                    .map_err(|error| SecretError::Unreadable(path.clone(), error))?;
                match value.trim_end_matches(['\r', '\n']) {
                    "" => Err(SecretError::Empty(path)),
                    value => Ok(Secret::new(value)),
                }
            }
        }
    }
}

/// As it is shown in plans and manifests: `env:NAME`, `file:PATH`.
impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}
