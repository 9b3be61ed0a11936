//! What builds a site, and how a build of it is started.

pub mod netlify;
pub mod render;
mod trigger;

use std::path::PathBuf;

use reqwest::Client;

use crate::model::{
    BuildId, BuilderSpec, ContentHash, Digest, Manifest, Millis, Outcome, SiteName, Spec,
};
use crate::store::Reader;

pub use trigger::{TriggerBody, TriggerError};

/// Another site that an aggregate shows.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its id in the store.
    pub id: String,
    /// Whether it is the very site that shows it.
    pub is_self: bool,
    /// What people call it.
    pub title: String,
    /// Where it is published.
    pub url: String,
    /// The globs of its files.
    pub globs: Vec<String>,
    /// The digest of its own posts.
    pub posts: Digest,
}

/// One build to start: what was claimed, and everything it is built from.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// The site.
    pub site: &'a SiteName,
    /// Its settings.
    pub spec: &'a Spec,
    /// The build's id.
    pub build: &'a BuildId,
    /// The content it is fired for.
    pub hash: &'a ContentHash,
    /// Why.
    pub reason: &'a str,
    /// Without the builder's cache.
    pub clear_cache: bool,
    /// What the content consists of.
    pub manifest: &'a Manifest,
    /// The other sites that it shows.
    pub members: &'a [Member],
    /// Where posts are read from.
    pub store: &'a Reader,
}

/// The builders of this process.
#[derive(Clone, Debug)]
pub struct Builders {
    client: Client,
    root: PathBuf,
    address: Option<String>,
}

impl Builders {
    /// `root` is the folder of `sites.toml`; `address` is where builds reach this server, if they
    /// can.
    pub fn new(client: Client, root: PathBuf, address: Option<String>) -> Self {
        Self {
            client,
            root,
            address,
        }
    }

    /// Starts a build, and says what came of it.
    pub async fn start(&self, job: &Job<'_>) -> Outcome {
        match &job.spec.build {
            BuilderSpec::Netlify {
                hook,
                site_id: _,
                branch,
                clear_cache,
            } => {
                let hook = match hook.read(&self.root) {
                    Ok(hook) => hook,
                    Err(error) => {
                        return Outcome::Retry {
                            error: crate::chain(&error),
                            after: None,
                            doubtful: false,
                        };
                    }
                };
                let trigger = netlify::Trigger {
                    hook: &hook,
                    branch: branch.as_deref(),
                    clear_cache: *clear_cache || job.clear_cache,
                    body: self.body(job),
                };
                let now = Millis::from(jiff::Timestamp::now());
                match netlify::fire(&self.client, &trigger, now).await {
                    Ok(()) => Outcome::Accepted,
                    Err(error) => error.into(),
                }
            }
            BuilderSpec::Render { out } => render::build(job, &self.root, out).await,
        }
    }

    fn body(&self, job: &Job<'_>) -> TriggerBody {
        TriggerBody {
            site: job.site.clone(),
            build: job.build.to_string(),
            content_hash: *job.hash,
            reason: job.reason.to_owned(),
            content_url: self
                .address
                .as_ref()
                .map(|address| format!("{address}/api/v1/builds/{}/content", job.build)),
        }
    }
}

impl From<TriggerError> for Outcome {
    fn from(error: TriggerError) -> Self {
        match error {
            TriggerError::Retry {
                after,
                error,
                doubtful,
            } => Self::Retry {
                error,
                after,
                doubtful,
            },
            TriggerError::Refused { error } => Self::Stalled { error },
            TriggerError::Unknown { error } => Self::Unknown { error },
        }
    }
}
