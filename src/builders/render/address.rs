use std::collections::{BTreeSet, HashMap};

use url::Url;

use super::error::RenderError;
use super::front_matter::plain_slug;
use crate::model::Slug;

/// The address of a site as a folder: with a last `/`, without query and fragment.
pub(super) fn folder(url: &str) -> Result<Url, RenderError> {
    let error = || RenderError::Address(url.to_owned());
    let mut folder = Url::parse(url).map_err(|_| error())?;
    if !matches!(folder.scheme(), "http" | "https") {
        return Err(error());
    }
    folder.set_query(None);
    folder.set_fragment(None);
    if !folder.path().ends_with('/') {
        let path = format!("{}/", folder.path());
        folder.set_path(&path);
    }
    Ok(folder)
}

/// The address of a path in a folder.
pub(super) fn within(folder: &Url, path: &str) -> Url {
    let mut url = folder.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path.split('/'));
    }
    url
}

/// The path as a relative link, for a page of which `prefix` leads to the site's root.
pub(super) fn link(prefix: &str, path: &str) -> String {
    let url = within(&nowhere(), path);
    // A colon in the first part would be read as a scheme.
    format!("{prefix}{}", url.path()[1..].replace(':', "%3A"))
}

/// What leads from a page to the site's root: `../` for every folder it is in.
pub(super) fn prefix(path: &str) -> String {
    "../".repeat(path.matches('/').count())
}

/// A link from one site to an address on another: relative where both have one origin, so that
/// sites which are published side by side can be read from disk as well.
pub(super) fn across(from: &Url, to: &Url) -> String {
    let relative = (from.origin() == to.origin())
        .then(|| from.make_relative(to))
        .flatten();
    relative.unwrap_or_else(|| to.to_string())
}

/// Refuses paths that could lead out of a folder.
pub(super) fn check(path: &str) -> Result<(), RenderError> {
    let bad = |part: &str| {
        matches!(part, "" | "." | "..")
            || part.contains('\0')
            || (cfg!(windows) && part.contains(['\\', ':']))
    };
    if path.split('/').any(bad) {
        return Err(RenderError::Path(path.to_owned()));
    }
    Ok(())
}

/// Where the sources of a site are, to follow the links between them.
pub(super) struct Sources {
    /// Paths on the site, by the address of the source.
    out: HashMap<String, String>,
}

impl Sources {
    pub(super) fn new<'p>(paths: impl Iterator<Item = (&'p str, &'p str)>) -> Self {
        let out = paths
            .map(|(source, out)| (within(&nowhere(), source).path().to_owned(), out.to_owned()))
            .collect();
        Self { out }
    }

    /// The link to put on a page for one that its source has, if it leads to another source:
    /// `../img/a.jpg` or `other-post.md#part`.
    pub(super) fn follow(&self, source: &str, prefix: &str, link: &str) -> Option<String> {
        if link.starts_with(['/', '#', '?']) || Url::parse(link).is_ok() {
            return None;
        }
        let target = within(&nowhere(), source).join(link).ok()?;
        let out = self.out.get(target.path())?;
        let mut found = self::link(prefix, out);
        if let Some(fragment) = target.fragment() {
            found.push('#');
            found.push_str(fragment);
        }
        Some(found)
    }
}

/// A root to resolve paths against.
fn nowhere() -> Url {
    #[allow(clippy::expect_used, reason = "a constant")]
    Url::parse("http://nowhere/").expect("a valid address")
}

/// Names of pages in one folder of a site, each given once.
#[derive(Default)]
pub(super) struct Names {
    taken: BTreeSet<String>,
}

impl Names {
    /// The wanted name, or it with the first number that is free.
    pub(super) fn take(&mut self, folder: &str, wanted: &Slug) -> String {
        let wanted = match plain_slug(wanted.as_str()) {
            Some(slug) => slug,
            None => Slug::from_title(wanted.as_str()),
        };
        let wanted = if folder.is_empty() && is_reserved(wanted.as_str()) {
            Slug::from_stored(format!("{wanted}-post"))
        } else {
            wanted
        };
        let mut name = format!("{folder}{wanted}");
        let mut n = 1;
        while !self.taken.insert(name.clone()) {
            n += 1;
            name = format!("{folder}{}", wanted.numbered(n));
        }
        name
    }
}

/// Pages that the renderer makes itself.
fn is_reserved(name: &str) -> bool {
    let archive = name.strip_prefix("archive").is_some_and(|rest| {
        rest.is_empty()
            || rest
                .strip_prefix('-')
                .is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()))
    });
    archive || matches!(name, "index" | "404")
}
