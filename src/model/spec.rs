use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::manifest::Part;
use super::name::SiteName;
use super::secret::SecretRef;

/// The declared settings of a site.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// What people call the site.
    pub title: String,
    /// Where it is published: absolute, `http` or `https`.
    pub url: String,
    /// Whose posts it shows.
    #[serde(default)]
    pub posts: PostsFrom,
    /// Globs of files, from the folder of `sites.toml`.
    #[serde(default)]
    pub files: Vec<String>,
    /// Whether the deployed code revision is an input.
    #[serde(default)]
    pub revision: bool,
    /// When a change is built.
    pub timing: Timing,
    /// What builds the site.
    pub build: BuilderSpec,
    /// The chat workspace it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slack: Option<SlackSite>,
    /// The name it had before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renamed_from: Option<SiteName>,
}

/// Whose posts a site shows.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PostsFrom {
    /// Its own.
    #[default]
    Own,
    /// Those of every site.
    All,
    /// None.
    None,
    /// Those of the named sites.
    Sites(Vec<SiteName>),
}

impl PostsFrom {
    /// Whether the posts of other sites are shown.
    pub fn is_aggregate(&self) -> bool {
        matches!(self, Self::All | Self::Sites(_))
    }
}

/// When a change is built and when a build counts as lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Timing {
    /// Quiet time before a change is built.
    pub debounce: Duration,
    /// The longest wait after the first change, however many follow.
    pub max_wait: Duration,
    /// Without news for this long a build is lost.
    pub timeout: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            debounce: Duration::from_secs(10),
            max_wait: Duration::from_secs(2 * 60),
            timeout: Duration::from_secs(30 * 60),
        }
    }
}

/// What builds a site, with what that kind needs. Exactly one per site.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BuilderSpec {
    /// A Netlify build hook.
    Netlify {
        /// The secret address of the hook.
        hook: SecretRef,
        /// Netlify's id of the site.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        site_id: Option<String>,
        /// The branch to build instead of the hook's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        branch: Option<String>,
        /// Build without Netlify's cache, every time.
        #[serde(default)]
        clear_cache: bool,
    },
    /// The built-in renderer.
    Render {
        /// The folder that is replaced by the result, from the folder of `sites.toml`.
        out: String,
    },
}

/// The kind of a builder.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BuilderKind {
    /// A Netlify build hook.
    Netlify,
    /// The built-in renderer.
    Render,
}

impl BuilderKind {
    /// The word for it, as in `sites.toml`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Netlify => "netlify",
            Self::Render => "render",
        }
    }

    /// Whether a build is done, and paid for, on a hosting account: the limits and the budget count it.
    pub fn is_hosted(self) -> bool {
        match self {
            Self::Netlify => true,
            Self::Render => false,
        }
    }
}

impl std::fmt::Display for BuilderKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl BuilderSpec {
    /// The kind of this builder.
    pub fn kind(&self) -> BuilderKind {
        match self {
            Self::Netlify { .. } => BuilderKind::Netlify,
            Self::Render { .. } => BuilderKind::Render,
        }
    }
}

/// The chat workspace of a site.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SlackSite {
    /// Slack's id of the workspace (`T…`).
    pub workspace: String,
    /// Slack's ids of the channels whose messages become posts of this site.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<String>,
}

/// What the built-in renderer makes of the same input. Raised when its output changes, so that
/// rendered sites, and only those, are built again.
const RENDER_OUTPUT: &str = "1";

impl Spec {
    /// The id of the chat workspace that it belongs to.
    pub fn workspace(&self) -> Option<&str> {
        self.slack.as_ref().map(|slack| slack.workspace.as_str())
    }

    /// Whether it belongs to another chat workspace than `other`: both belong to one.
    pub fn is_anothers(&self, other: &Self) -> bool {
        let both = self.workspace().zip(other.workspace());
        both.is_some_and(|(ours, theirs)| ours != theirs)
    }

    /// The part of the manifest that settings make: only those that shape the output.
    ///
    /// Left out: times (`debounce`, `max_wait`, `timeout`) and chat, which change no page;
    /// `posts` and `files`, whose effect is in the parts of their own; `renamed_from` and the name.
    pub fn part(&self) -> Part {
        let Self {
            title,
            url,
            posts: _,
            // What they match is the files part; the folders below are all they are besides.
            files: _,
            revision: _,
            timing: _,
            build,
            slack: _,
            renamed_from: _,
        } = self;
        let mut items = vec![("title", quoted(title)), ("url", quoted(url))];
        match build {
            BuilderSpec::Netlify {
                hook,
                site_id,
                branch,
                clear_cache: _,
            } => {
                items.push(("build.netlify.hook", quoted(&hook.to_string())));
                if let Some(site_id) = site_id {
                    items.push(("build.netlify.site_id", quoted(site_id)));
                }
                if let Some(branch) = branch {
                    items.push(("build.netlify.branch", quoted(branch)));
                }
            }
            BuilderSpec::Render { out } => {
                items.push(("build.render.out", quoted(out)));
                items.push(("build.render.output", RENDER_OUTPUT.to_owned()));
                let folders = self.folders().filter(|folder| !folder.is_empty());
                items.extend(folders.map(|folder| ("build.render.folder", quoted(folder))));
            }
        }
        Part::from_items(items)
    }

    /// The folders of the site's files: what stands before the first wildcard of each glob, up to
    /// its last `/`. Addresses of rendered pages are relative to them.
    pub fn folders(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|glob| {
            let fixed = glob.find(['*', '?', '[', '{']).unwrap_or(glob.len());
            let folder = glob[..fixed].rfind('/').map_or(0, |slash| slash + 1);
            &glob[..folder]
        })
    }
}

/// As a JSON string: one line, whatever is in it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
