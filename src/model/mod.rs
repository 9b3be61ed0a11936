//! The words of Microblot as types. Pure: nothing here reads a clock, a file or a database.

mod desired;
mod digest;
mod manifest;
mod name;
mod post;
mod secret;
mod spec;
mod time;

pub use desired::{Budget, Limits, Share};
pub use digest::{ContentHash, Digest, DigestError, Fingerprint};
pub use manifest::{Input, Inputs, Manifest, Part};
pub use name::{NameError, SiteName};
pub use post::{Post, PostDraft, PostId, PostState, Revision, Slug};
pub use secret::{Secret, SecretError, SecretRef};
pub use spec::{BuilderKind, BuilderSpec, PostsFrom, SlackSite, Spec, Timing};
pub use time::Millis;
