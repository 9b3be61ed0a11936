use std::path::{Path, PathBuf};

use super::error::StoreError;

/// Which database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dialect {
    /// The embedded default: one file, one process that serves.
    Sqlite,
    /// For production and more than one replica.
    Postgres,
}

/// Where the state is kept.
#[derive(Clone, PartialEq, Eq)]
pub enum Address {
    /// A file.
    Sqlite(PathBuf),
    /// A PostgreSQL address, password included: never shown.
    Postgres(String),
}

impl Address {
    /// Parses `sqlite:PATH`, a bare path, or `postgres://…`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Address`] for any other scheme.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        match text.split_once(':') {
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres(text.to_owned())),
            Some(("sqlite", path)) => {
                let path = path.strip_prefix("//").unwrap_or(path);
                let path = path.split_once('?').map_or(path, |(path, _)| path);
                Ok(Self::Sqlite(path.into()))
            }
            Some((scheme, rest)) if rest.starts_with("//") => {
                Err(StoreError::Address(scheme.to_owned()))
            }
            _ => Ok(Self::Sqlite(text.into())),
        }
    }

    /// The file that it is, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) => Some(path),
            Self::Postgres(_) => None,
        }
    }

    /// Which database.
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }
}

/// For people: the path of a file; of PostgreSQL only that.
impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Postgres(_) => f.write_str("PostgreSQL"),
        }
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
