use std::io;
use std::path::{Path, PathBuf};

/// Why a site could not be rendered, or its folder not be replaced.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// An address in the settings is no web address.
    #[error("{0:?} is no web address: write it in `url` as https://www.example.org")]
    Address(String),
    /// A post or file of a member that is not in the list.
    #[error(
        "{what} belongs to member {member}, and the site has only {members}: this is a bug, report it"
    )]
    Member {
        /// The post or file.
        what: String,
        /// The index it has.
        member: usize,
        /// How many there are.
        members: usize,
    },
    /// Front matter that cannot be understood.
    #[error("{path}:{line}: {what}; {fix}")]
    FrontMatter {
        /// The file, from the folder of `sites.toml`.
        path: String,
        /// Its line, from 1.
        line: usize,
        /// What is wrong.
        what: String,
        /// What to write instead.
        fix: &'static str,
    },
    /// Markdown that is not UTF-8.
    #[error("{path}:{line}: not UTF-8; save the file in that encoding")]
    Encoding {
        /// The file, from the folder of `sites.toml`.
        path: String,
        /// The line of the first bad byte, from 1.
        line: usize,
    },
    /// A text that is too long to be a page.
    #[error(
        "{what} has {bytes} bytes of Markdown, and a page at most {}: split it",
        super::MAX_MARKDOWN
    )]
    LongText {
        /// The file or post.
        what: String,
        /// Its size.
        bytes: usize,
    },
    /// More content than is held in memory at once.
    #[error(
        "the site has {bytes} bytes of content, and the built-in renderer takes at most {}: narrow `files`",
        super::MAX_CONTENT
    )]
    LargeSite {
        /// Size of all posts and files.
        bytes: usize,
    },
    /// Two things want the same place.
    #[error("{first} and {second} would both be {out} on the site: rename one of them")]
    Collision {
        /// The place on the site.
        out: String,
        /// What has it.
        first: String,
        /// What wants it too.
        second: String,
    },
    /// A path that leaves the folder.
    #[error("{0:?} is no path inside a site: it must be relative, with no empty, `.` or `..` part")]
    Path(String),
    /// The folder is not Microblot's to replace.
    #[error(
        "{0} was not made by Microblot and is not empty, so it is not replaced: empty it, or choose another `out`"
    )]
    Foreign(PathBuf),
    /// The place of the folder is taken by something else.
    #[error("{0} is no folder: remove it, or choose another `out`")]
    NoFolder(PathBuf),
    /// The file system refused.
    #[error("cannot {doing} {}: check that the folder is writable and the disk is not full", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

impl RenderError {
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            doing,
            path: path.to_owned(),
            source,
        }
    }
}
