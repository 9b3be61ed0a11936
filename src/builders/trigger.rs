use std::time::Duration;

use serde::Serialize;

use crate::model::{ContentHash, SiteName};

/// What every builder is told about the build that it starts; the JSON body of a trigger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TriggerBody {
    /// The site.
    pub site: SiteName,
    /// Our id of the build.
    pub build: String,
    /// The content that the build is fired for.
    pub content_hash: ContentHash,
    /// Why, for people.
    pub reason: String,
    /// Where the build finds exactly that content; `null` where nothing is served.
    pub content_url: Option<String>,
}

/// Why a trigger is no started build, by what the caller does next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TriggerError {
    /// Nothing was started as far as anybody can tell: try again, with back-off.
    #[error("{error}")]
    Retry {
        /// Not before this much time has passed, if the builder said so.
        after: Option<Duration>,
        /// What happened, for people. Holds no secret.
        error: String,
        /// A gateway may have passed the request on before it failed.
        doubtful: bool,
    },
    /// Nothing was started, and nothing will be until somebody changes something.
    #[error("{error}")]
    Refused {
        /// What happened and what to do, for people. Holds no secret.
        error: String,
    },
    /// It was sent, and no answer came: a build may have been started. Never fired again blindly.
    #[error("{error}")]
    Unknown {
        /// What happened, for people. Holds no secret.
        error: String,
    },
}

impl TriggerError {
    /// A [`Refused`](Self::Refused).
    pub fn refused(error: impl Into<String>) -> Self {
        Self::Refused {
            error: error.into(),
        }
    }
}
