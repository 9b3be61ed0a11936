use sqlx::FromRow;

use super::error::StoreError;
use super::estate::{json, parsed};
use crate::model::{
    Broken, Built, ContentHash, Digest, Fingerprint, Hold, Millis, Origin, Rebuild, SiteName,
    Source, Spec, Trouble, Vain, Wanted,
};

/// One site as it is stored.
#[derive(Clone, Debug)]
pub struct SiteRow {
    /// Its id, which a rename keeps.
    pub id: String,
    /// Its name.
    pub name: SiteName,
    /// Who declares it.
    pub origin: Origin,
    /// Whether it is wanted.
    pub presence: Presence,
    /// The line of `sites.toml` that declares it.
    pub source: Option<Source>,
    /// Its spec as JSON; parsed when it is needed.
    pub spec: String,
    /// The digest of its files, or why they could not be read.
    pub files: Option<Result<Digest, String>>,
    /// The code revision that it was published with.
    pub revision: Option<String>,
    /// Counts the changes of its published posts.
    pub posts_version: i64,
    /// The digest of its published posts, if it was taken at this version.
    pub posts: Option<Digest>,
    /// Somebody paused it.
    pub hold: Option<Hold>,
    /// Somebody asked for a build.
    pub rebuild: Option<Rebuild>,
    /// Content that was let through the safety rails.
    pub approved: Option<ContentHash>,
    /// What came of its builds.
    pub observed: ObservedRow,
}

impl SiteRow {
    /// Its spec.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if it is none.
    pub fn spec(&self) -> Result<Spec, StoreError> {
        serde_json::from_str(&self.spec).map_err(|error| StoreError::Corrupt(error.to_string()))
    }
}

/// The half of a site's row that builds change.
#[derive(Clone, Debug)]
pub struct ObservedRow {
    /// Goes up with every claim, and with what forbids one that was decided before: a pause, an
    /// adoption, the end of the site. A claim under an older one is refused.
    pub fence: i64,
    /// The last build that is known to have been taken.
    pub built: Option<Built>,
    /// Nobody knows how a later build ended.
    pub uncertain: bool,
    /// The content that is wanted since when.
    pub wanted: Option<Wanted>,
    /// Triggers that failed in a row.
    pub trouble: Option<Trouble>,
    /// Content that the builder failed to build.
    pub broken: Option<Broken>,
    /// Builds of one content in a row that came to nothing.
    pub vain: Option<Vain>,
}

/// Whether a site is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Presence {
    /// It is declared.
    Declared,
    /// It is no longer declared and has to be forgotten.
    Removed,
    /// It is forgotten; its posts and builds are kept.
    Forgotten,
}

#[derive(FromRow)]
pub(super) struct RawSite {
    id: String,
    name: String,
    origin: String,
    presence: String,
    line: Option<i64>,
    spec: String,
    files_digest: Option<String>,
    files_problem: Option<String>,
    revision: Option<String>,
    posts_version: i64,
    posts_digest: Option<String>,
    posts_digest_version: i64,
    hold: Option<String>,
    rebuild: Option<String>,
    approved: Option<String>,
    #[sqlx(flatten)]
    observed: RawObserved,
}

#[derive(FromRow)]
pub(super) struct RawObserved {
    fence: i64,
    built_spec: Option<String>,
    built_posts: Option<String>,
    built_files: Option<String>,
    built_revision: Option<String>,
    built_at: Option<i64>,
    uncertain: bool,
    wanted_hash: Option<String>,
    wanted_since: Option<i64>,
    drift_since: Option<i64>,
    wanted_refused: Option<i64>,
    failures: i64,
    failed_at: Option<i64>,
    failed_error: Option<String>,
    failed_after: Option<i64>,
    stalled: bool,
    broken_hash: Option<String>,
    broken_at: Option<i64>,
    broken_error: Option<String>,
    vain_hash: Option<String>,
    vain_count: i64,
    vain_at: Option<i64>,
    vain_error: Option<String>,
}

/// Selects what a [`SiteRow`] is made of.
macro_rules! site_sql {
    ($condition:literal) => {
        $crate::store::site_row::observed_sql!(
            "s.id, s.name, s.origin, s.presence, s.line, s.spec, s.files_digest, \
             s.files_problem, s.revision, s.posts_version, s.posts_digest, \
             s.posts_digest_version, s.hold, s.rebuild, s.approved",
            "site s JOIN observed o ON o.site = s.id ",
            $condition
        )
    };
}

/// Selects what an [`ObservedRow`] is made of, behind other columns.
macro_rules! observed_sql {
    ($columns:literal, $from:literal, $condition:literal) => {
        concat!(
            "SELECT ",
            $columns,
            ", o.fence, o.built_spec, o.built_posts, o.built_files, o.built_revision, o.built_at, \
             o.uncertain, o.wanted_hash, o.wanted_since, o.drift_since, o.wanted_refused, o.failures, \
             o.failed_at, o.failed_error, o.failed_after, o.stalled, o.broken_hash, o.broken_at, \
             o.broken_error, o.vain_hash, o.vain_count, o.vain_at, o.vain_error FROM ",
            $from,
            $condition
        )
    };
}

pub(super) use {observed_sql, site_sql};

impl TryFrom<RawSite> for SiteRow {
    type Error = StoreError;

    fn try_from(raw: RawSite) -> Result<Self, StoreError> {
        let posts = (raw.posts_digest_version == raw.posts_version)
            .then_some(raw.posts_digest)
            .flatten();
        Ok(Self {
            name: parsed(&raw.name)?,
            origin: match raw.origin.as_str() {
                "file" => Origin::File,
                _ => Origin::Chat,
            },
            presence: match raw.presence.as_str() {
                "declared" => Presence::Declared,
                "removed" => Presence::Removed,
                _ => Presence::Forgotten,
            },
            source: raw
                .line
                .and_then(|line| u32::try_from(line).ok())
                .map(|line| Source { line }),
            files: match (raw.files_digest, raw.files_problem) {
                (_, Some(problem)) => Some(Err(problem)),
                (Some(digest), None) => Some(Ok(parsed(&digest)?)),
                (None, None) => None,
            },
            revision: raw.revision,
            posts_version: raw.posts_version,
            posts: posts.map(|digest| parsed(&digest)).transpose()?,
            hold: raw.hold.map(|text| json(&text)).transpose()?,
            rebuild: raw.rebuild.map(|text| json(&text)).transpose()?,
            approved: raw.approved.map(|hash| parsed(&hash)).transpose()?,
            observed: raw.observed.try_into()?,
            id: raw.id,
            spec: raw.spec,
        })
    }
}

impl TryFrom<RawObserved> for ObservedRow {
    type Error = StoreError;

    fn try_from(raw: RawObserved) -> Result<Self, StoreError> {
        Ok(Self {
            built: match (
                raw.built_spec,
                raw.built_posts,
                raw.built_files,
                raw.built_revision,
                raw.built_at,
            ) {
                (Some(spec), Some(posts), Some(files), Some(revision), Some(at)) => {
                    let fingerprint = Fingerprint {
                        spec: parsed(&spec)?,
                        posts: parsed(&posts)?,
                        files: parsed(&files)?,
                        revision: parsed(&revision)?,
                    };
                    Some(Built {
                        hash: fingerprint.hash(),
                        fingerprint,
                        at: Millis(at),
                    })
                }
                _ => None,
            },
            fence: raw.fence,
            uncertain: raw.uncertain,
            wanted: match (raw.wanted_hash, raw.wanted_since, raw.drift_since) {
                (Some(hash), Some(since), Some(drift_since)) => Some(Wanted {
                    hash: parsed(&hash)?,
                    since: Millis(since),
                    drift_since: Millis(drift_since),
                    refused: raw
                        .wanted_refused
                        .and_then(|count| usize::try_from(count).ok()),
                }),
                _ => None,
            },
            trouble: (raw.failures > 0 || raw.stalled).then(|| Trouble {
                failures: u32::try_from(raw.failures).unwrap_or(u32::MAX),
                at: Millis(raw.failed_at.unwrap_or(0)),
                error: raw.failed_error.unwrap_or_default(),
                after: raw
                    .failed_after
                    .and_then(|ms| u64::try_from(ms).ok())
                    .map(std::time::Duration::from_millis),
                stalled: raw.stalled,
            }),
            broken: match (raw.broken_hash, raw.broken_at) {
                (Some(hash), Some(at)) => Some(Broken {
                    hash: parsed(&hash)?,
                    at: Millis(at),
                    error: raw.broken_error.unwrap_or_default(),
                }),
                _ => None,
            },
            vain: match (raw.vain_hash, raw.vain_at) {
                (Some(hash), Some(at)) => Some(Vain {
                    hash: parsed(&hash)?,
                    count: u32::try_from(raw.vain_count).unwrap_or(u32::MAX),
                    at: Millis(at),
                    error: raw.vain_error.unwrap_or_default(),
                }),
                _ => None,
            },
        })
    }
}
