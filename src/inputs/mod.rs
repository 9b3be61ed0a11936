//! Inputs that are found on disk: which files belong to which site, and the digests of their
//! contents.
//!
//! What a scan says, on every machine alike for the same content:
//!
//! - Globs start from the root folder, the one of `sites.toml`. Hidden files match as others do;
//!   `.git` is never looked into.
//! - A file that git ignores is no input, also when a glob names it: `.gitignore` files count from
//!   the repository's top folder down (without a repository: from the root folder), and
//!   `.git/info/exclude` with them. The user's own ignore file and `.ignore` files do not.
//! - A link to a file or folder within the root folder stands for what it leads to, under its own
//!   path and under the rules there. One that leads out of it, into `.git`, back to a folder on its
//!   own path, or nowhere, is an error.
//! - A name that is not UTF-8, a pipe, socket or device, and whatever cannot be read, is an error.
//! - An error is one of the sites whose globs it leaves unanswered. The others are not held up.
//!
//! A file is read again only when its size, times or inode say that it may have changed.

mod cache;
mod content;
mod error;
mod gitignore;
mod glob;
mod scope;
mod tree;
mod walk;

pub use content::{read_verified, touched_at};
pub use error::InputError;
pub use glob::{GlobProblem, check_glob};
pub use scope::Scope;
pub use tree::{FileTree, Report, Scan, SiteFiles};
