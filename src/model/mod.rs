//! The words of Microblot as types. Pure: nothing here reads a clock, a file or a database.

mod build;
mod chat;
mod desired;
mod digest;
mod folders;
mod manifest;
mod name;
mod observed;
mod plan;
mod post;
mod preview;
mod secret;
mod spec;
mod time;

pub use build::{Actor, BuildId, BuildState, Door, HolderId, Outcome, TellTo};
pub use chat::Running;
pub use desired::{
    Budget, Desired, DesiredSite, Hold, InputProblem, Limits, News, Origin, Rebuild, Share, Source,
    Target,
};
pub use digest::{ContentHash, Digest, DigestError, FieldsDigest, Fingerprint, Hex};
pub use folders::Folders;
pub use manifest::{Input, Inputs, Manifest, Part};
pub use name::{NameError, SiteName};
pub use observed::{Account, Broken, Built, Flight, Observed, ObservedSite, Trouble, Vain, Wanted};
pub use plan::{
    Attention, BudgetState, Cause, Counts, Decision, Longer, Plan, PlanId, Refusal, SitePlan,
    Trigger, Wait,
};
pub use post::{Post, PostChange, PostDraft, PostId, PostState, Publish, Revision, Slug};
pub use preview::{new_token, token_hash, token_of};
pub use secret::{Secret, SecretError, SecretRef};
pub use spec::{BuilderKind, BuilderSpec, PostsFrom, SlackSite, Spec, Timing};
pub use time::Millis;
