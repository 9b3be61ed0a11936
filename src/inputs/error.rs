use std::path::PathBuf;

/// Why a folder could not be scanned at all.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The folder is not there.
    #[error("the folder {} cannot be read", .0.display())]
    Root(PathBuf, #[source] std::io::Error),
    /// A glob is none.
    #[error(transparent)]
    Glob(#[from] GlobProblem),
}

/// Why a text is no glob of file inputs.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{glob:?} {problem}")]
pub struct GlobProblem {
    pub(super) glob: String,
    pub(super) problem: String,
}

/// Why the files of a site could not all be read. Names the file and what to do.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InputError {
    /// The system refused.
    #[error("{path} cannot be read: {error}")]
    Unreadable {
        /// Which file or folder.
        path: String,
        /// What the system said.
        error: String,
    },
    /// A link points out of the folder of `sites.toml`.
    #[error(
        "{path} is a link that leaves the folder of sites.toml; copy what it points to, or leave it out of `files`"
    )]
    Outside {
        /// The link.
        path: String,
    },
    /// A link points to a folder.
    #[error("{path} is a link to a folder, which is not followed; name that folder in `files`")]
    FolderLink {
        /// The link.
        path: String,
    },
    /// Neither a file nor a link to one.
    #[error("{path} is no file (a socket, a pipe, a device); leave it out of `files`")]
    Special {
        /// What it is called.
        path: String,
    },
    /// The name is not UTF-8.
    #[error("{path} has a name that is not UTF-8; rename it")]
    Name {
        /// The name, as far as it can be shown.
        path: String,
    },
    /// It was written while it was read, again and again.
    #[error("{path} keeps changing while it is read; try again when it is quiet")]
    Busy {
        /// Which file.
        path: String,
    },
    /// It is no longer what a build was fired for.
    #[error("{path} changed since the build was planned")]
    Changed {
        /// Which file.
        path: String,
    },
    /// It is larger than what can be used.
    #[error("{path} has {size} bytes, more than the {most} that can be used")]
    Large {
        /// Which file.
        path: String,
        /// Its size.
        size: u64,
        /// The most.
        most: u64,
    },
}
