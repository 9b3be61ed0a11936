use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::glob::GlobProblem;

/// Why the files of a site cannot be told. Never to be taken for "no change".
///
/// Paths are from the root folder, with `/` on every platform. Cloned freely, because sites share
/// files and so their troubles.
#[derive(Debug, Clone, thiserror::Error)]
pub enum InputError {
    /// The root folder itself cannot be opened.
    #[error("the folder {} cannot be opened", path.display())]
    Root {
        /// As it was given.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// A file or folder cannot be read.
    #[error("{path} cannot be read; make it readable, or name it in .gitignore to leave it out")]
    Unreadable {
        /// The file or folder.
        path: String,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// A name is not UTF-8, so that no canonical text can hold it.
    #[error("the name {path:?} is not UTF-8; rename it, or name its folder in .gitignore")]
    NotUtf8 {
        /// With U+FFFD in place of what cannot be shown.
        path: String,
    },
    /// A pipe, socket or device; never opened.
    #[error("{path} is neither file, folder nor link; remove it, or name it in .gitignore")]
    Special {
        /// The entry.
        path: String,
    },
    /// A symbolic link ends outside of the root folder, or in a `.git` folder.
    #[error(
        "{path} is a link to {}, which is no content of this folder; \
         put a copy in its place, or name it in .gitignore", target.display()
    )]
    LinkLeaves {
        /// The link.
        path: String,
        /// Where it ends.
        target: PathBuf,
    },
    /// A symbolic link ends nowhere.
    #[error("{path} is a broken link; mend or remove it, or name it in .gitignore")]
    LinkBroken {
        /// The link.
        path: String,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// A symbolic link leads back to a folder that it was reached through.
    #[error("{path} is a link back to {}; remove it, or name it in .gitignore", target.display())]
    LinkLoop {
        /// The link.
        path: String,
        /// Where it ends.
        target: PathBuf,
    },
    /// A file was written to each time it was read.
    #[error(
        "{path} keeps changing while it is read; name it in .gitignore, or wait for its writer"
    )]
    KeepsChanging {
        /// The file.
        path: String,
    },
    /// More entries than a scan looks at.
    #[error("more than {limit} files and folders; name fewer of them in `files`")]
    TooMany {
        /// How many are looked at.
        limit: usize,
    },
    /// Folders within folders beyond all use.
    #[error("{path} is more than {limit} folders deep")]
    TooDeep {
        /// The folder.
        path: String,
        /// How many are entered.
        limit: usize,
    },
    /// A glob that [`check_glob`](super::check_glob) refuses.
    #[error("the glob {glob:?} is refused")]
    Glob {
        /// The glob.
        glob: String,
        /// Why.
        source: GlobProblem,
    },
    /// Globs that are right one by one, but too many for one matcher.
    #[error("the globs of `files` are too complex together; use fewer or simpler ones: {reason}")]
    Globs {
        /// What the matcher said.
        reason: String,
    },
    /// A path that is no relative path of plain names.
    #[error("{path:?} is no path within the folder of sites.toml")]
    Outside {
        /// The path.
        path: String,
    },
    /// A file is not what it was when it was hashed.
    #[error("{path} has changed since it was looked at")]
    Changed {
        /// The file.
        path: String,
    },
    /// A file larger than its reader takes.
    #[error("{path} has {bytes} bytes; the most that can be used is {limit}")]
    TooBig {
        /// The file.
        path: String,
        /// Its size.
        bytes: u64,
        /// The largest that is read.
        limit: u64,
    },
}

impl InputError {
    pub(super) fn unreadable(path: &str, source: io::Error) -> Self {
        Self::Unreadable {
            path: path.to_owned(),
            source: Arc::new(source),
        }
    }

    pub(super) fn broken(path: &str, source: io::Error) -> Self {
        Self::LinkBroken {
            path: path.to_owned(),
            source: Arc::new(source),
        }
    }
}
