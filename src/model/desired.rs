use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::digest::{ContentHash, Fingerprint};
use super::name::SiteName;
use super::spec::{BuilderKind, Timing};
use super::time::Millis;

/// What git and chat ask for, assembled for the planner.
#[derive(Clone, Debug, Default)]
pub struct Desired {
    /// Every site that is wanted, or that has to be forgotten.
    pub sites: BTreeMap<SiteName, DesiredSite>,
    /// Of the hosting account.
    pub limits: Limits,
    /// What the hosting plan can pay for.
    pub budget: Option<Budget>,
    /// When somebody asked for this very pass, if somebody did: changes are not held back to let
    /// them settle, and what failed before is tried again.
    pub asked_at: Option<Millis>,
    /// Only these sites are built; `None`: all.
    pub only: Option<BTreeSet<SiteName>>,
}

/// One wanted site, as far as a decision needs it.
#[derive(Clone, Debug)]
pub struct DesiredSite {
    /// Who declares it.
    pub origin: Origin,
    /// The line of `sites.toml` that declares it.
    pub source: Option<Source>,
    /// What it should be built from; `None`: it is no longer declared and has to be forgotten.
    pub target: Option<Result<Target, InputProblem>>,
    /// When changes are built.
    pub timing: Timing,
    /// What builds it.
    pub builder: BuilderKind,
    /// Somebody paused it.
    pub hold: Option<Hold>,
    /// Somebody asked for a build whatever its content.
    pub rebuild: Option<Rebuild>,
    /// Content that somebody let through the safety rails.
    pub approved: Option<ContentHash>,
    /// What is new about its declaration.
    pub news: Option<News>,
}

/// The content that a site should be built from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Target {
    /// The digests of its inputs.
    pub fingerprint: Fingerprint,
    /// Their hash.
    pub hash: ContentHash,
}

impl From<Fingerprint> for Target {
    fn from(fingerprint: Fingerprint) -> Self {
        Self {
            hash: fingerprint.hash(),
            fingerprint,
        }
    }
}

/// Who declares a site.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// `sites.toml`.
    File,
    /// A chat command.
    Chat,
}

impl Origin {
    /// The word for it, as it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Chat => "chat",
        }
    }
}

/// A place in `sites.toml`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Source {
    /// Counted from 1.
    pub line: u32,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sites.toml:{}", self.line)
    }
}

/// An input that could not be read. Never taken for "no change".
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InputProblem {
    /// What happened, where, and what to do.
    pub message: String,
}

/// A pause of one site.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hold {
    /// Who.
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// Since when.
    pub since: Millis,
    /// Until when; `None`: until somebody resumes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Millis>,
}

impl Hold {
    /// Whether it holds anything back at this time.
    pub fn is_in_force(&self, now: Millis) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// A request to build a site whatever its content.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Rebuild {
    /// Who.
    pub by: String,
    /// When.
    pub at: Millis,
    /// Without the builder's cache.
    #[serde(default)]
    pub clear_cache: bool,
}

/// What is new about a site's declaration. Told in the plan, and no reason to build.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum News {
    /// `sites.toml` now declares a site that chat had made.
    Adopted,
    /// The site had another name.
    Renamed {
        /// The old one.
        from: SiteName,
    },
    /// Another chat workspace had made a site of this name, which gives it up.
    Displaces,
}

/// Limits of the hosting account, over all replicas.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Limits {
    /// Hosted builds fired in any 60 seconds.
    pub builds_per_minute: u32,
    /// Hosted builds that are not over.
    pub builds_in_flight: u32,
    /// Safety rail: more than this share of the sites that want other content than they were
    /// built from stops the pass.
    pub builds_at_once: Share,
    /// Safety rail: more than this share of the sites removed at once stops the publication.
    pub removals_at_once: Share,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            builds_per_minute: 30,
            builds_in_flight: 10,
            builds_at_once: Share(50),
            removals_at_once: Share(50),
        }
    }
}

/// A share in percent, 0 to 100.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Share(pub u8);

/// Below this number of sites the safety rails are silent: in a small estate "all of them" is
/// everyday work.
const RAILS_FROM: usize = 10;

impl Share {
    /// Whether `count` of `total` is more than this share, in an estate large enough to care.
    pub fn is_exceeded(self, count: usize, total: usize) -> bool {
        total >= RAILS_FROM && count * 100 > total * usize::from(self.0)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", self.0)
    }
}

/// What the hosting plan can pay for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Budget {
    /// Hosted builds in a calendar month (UTC).
    pub deploys_per_month: u32,
}
