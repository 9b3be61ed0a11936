use std::collections::HashMap;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use crate::model::{Folders, SiteName};

use super::builder::plain_folder;
use super::diagnostic::MOST_SHOWN;
use super::fields::{Fields, nearest};
use super::overlap::Reach;
use super::place::Lines;
use super::report::Report;
use super::values::shown;

/// What sites say about each other and about the same folders, with the places.
#[derive(Default)]
pub(super) struct Gathered<'a> {
    /// Folders that builds replace, as they are written.
    pub(super) outs: Said<&'a str>,
    /// Globs of the files that sites are built from.
    pub(super) globs: Said<&'a str>,
    /// Former names.
    pub(super) renames: Said<SiteName>,
    /// Sites whose posts are shown by another.
    pub(super) listed: Said<SiteName>,
    /// Workspaces and channels whose messages become posts.
    pub(super) channels: Said<(String, String)>,
}

/// Values with the site and the place of each.
pub(super) struct Said<T>(Vec<Saying<T>>);

/// One value, the site that says it and where.
pub(super) struct Saying<T> {
    pub(super) value: T,
    pub(super) site: SiteName,
    pub(super) span: Range<usize>,
}

/// What can be compared between sites without their places.
#[derive(Default)]
pub(super) struct Between {
    /// Sites whose posts are shown by another.
    pub(super) listed: Vec<SiteName>,
    /// Workspaces and channels whose messages become posts.
    pub(super) channels: Vec<(String, String)>,
}

impl Between {
    pub(super) fn append(&mut self, mut more: Self) {
        self.listed.append(&mut more.listed);
        self.channels.append(&mut more.channels);
    }
}

impl<T> Default for Said<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Said<T> {
    /// Nothing is gathered from a site whose name is no name.
    pub(super) fn add(&mut self, value: T, site: Option<&SiteName>, span: Range<usize>) {
        if let Some(site) = site.cloned() {
            self.0.push(Saying { value, site, span });
        }
    }

    fn values(self) -> impl Iterator<Item = T> {
        self.0.into_iter().map(|saying| saying.value)
    }

    /// In the order of the text, so that the later of two is blamed.
    fn in_order(mut self) -> Vec<Saying<T>> {
        self.0.sort_by_key(|saying| saying.span.start);
        self.0
    }
}

impl Gathered<'_> {
    /// What has to be compared between sites, if that is all: folders and former names are not.
    /// Globs matter only where builds replace folders.
    pub(super) fn between(self) -> Option<Between> {
        let compared = self.outs.0.is_empty() && self.renames.0.is_empty();
        compared.then(|| Between {
            listed: self.listed.values().collect(),
            channels: self.channels.values().collect(),
        })
    }

    /// Reports what is wrong between sites.
    pub(super) fn check(self, root: &Fields<'_, '_>, lines: &Lines<'_>, report: &mut Report) {
        let empty = DeTable::new();
        let declared = match root.get("sites").map(|sites| sites.node.get_ref()) {
            Some(DeValue::Table(table)) => table,
            _ => &empty,
        };
        renames(self.renames.in_order(), declared, lines, report);
        listed(self.listed.in_order(), declared, report);
        channels(self.channels.in_order(), lines, report);
        let outs: Vec<_> = self.outs.in_order().into_iter().map(Folder::of).collect();
        nested(&outs, lines, report);
        own_inputs(outs, &self.globs.in_order(), lines, report);
        report.site = None;
    }
}

fn renames(
    renames: Vec<Saying<SiteName>>,
    declared: &DeTable<'_>,
    lines: &Lines<'_>,
    report: &mut Report,
) {
    let mut claimed: HashMap<SiteName, (SiteName, u32)> = HashMap::new();
    for Saying {
        value: old,
        site,
        span,
    } in renames
    {
        report.site = Some(site.clone());
        if let Some((key, _)) = declared.get_key_value(old.as_str()) {
            let line = lines.number(key.span().start);
            let message = format!("`{old}` is not a former name: it is declared in line {line}");
            let hint = "remove that declaration, or this `renamed_from`".to_owned();
            report.error(span, message, Some(hint));
        } else if let Some((other, line)) = claimed.get(&old) {
            let message = format!("`{other}` was `{old}` before as well (line {line})");
            let hint = "only one site can go on with the history of another".to_owned();
            report.error(span, message, Some(hint));
        } else {
            let line = lines.number(span.start);
            claimed.insert(old, (site, line));
        }
    }
}

fn listed(listed: Vec<Saying<SiteName>>, declared: &DeTable<'_>, report: &mut Report) {
    // Looking for a like name reads all names: only for as many as are shown.
    let mut guesses = MOST_SHOWN;
    let unknown = listed
        .into_iter()
        .filter(|saying| !declared.contains_key(saying.value.as_str()));
    for Saying { value, site, span } in unknown {
        let message = format!("this file declares no site `{value}`");
        let names = declared.iter().map(|(key, _)| key.get_ref().as_ref());
        let near = (guesses > 0)
            .then(|| nearest(value.as_str(), names))
            .flatten();
        guesses = guesses.saturating_sub(1);
        let hint = match near {
            Some(near) => {
                format!("did you mean `{near}`? A site made in chat may be meant as well")
            }
            None => "its posts are shown once it is made in chat or declared here".to_owned(),
        };
        report.site = Some(site);
        report.warning(span, message, Some(hint));
    }
}

/// A message becomes one post, so its channel belongs to one site.
fn channels(channels: Vec<Saying<(String, String)>>, lines: &Lines<'_>, report: &mut Report) {
    let mut claimed: HashMap<(String, String), (SiteName, u32)> = HashMap::new();
    for Saying { value, site, span } in channels {
        if let Some((other, line)) = claimed.get(&value) {
            let message = format!(
                "`{}` is mirrored into `{other}` already (line {line})",
                value.1
            );
            let hint = "a channel is mirrored into one site: \
                        another can show the same posts with `posts = [\"…\"]`"
                .to_owned();
            report.site = Some(site);
            report.error(span, message, Some(hint));
        } else {
            let line = lines.number(span.start);
            claimed.insert(value, (site, line));
        }
    }
}

/// A folder that a build replaces.
struct Folder<'a> {
    /// Always written the same.
    plain: String,
    out: Saying<&'a str>,
}

impl<'a> Folder<'a> {
    fn of(out: Saying<&'a str>) -> Self {
        let plain = plain_folder(out.value);
        Self { plain, out }
    }
}

/// No folder that a build replaces may be, hold or be held by that of another site.
fn nested(folders: &[Folder<'_>], lines: &Lines<'_>, report: &mut Report) {
    let mut taken = Folders::default();
    for folder in folders {
        let Folder { plain, out } = folder;
        let Some(first): Option<&&Folder<'_>> = taken.touching(plain) else {
            taken.add(plain, folder);
            continue;
        };
        let line = lines.number(first.out.span.start);
        let message = if *plain == first.plain {
            format!(
                "`{}` is the folder of `{}` as well (line {line})",
                out.value, first.out.site
            )
        } else {
            format!(
                "one of `{}` and `{}` of `{}` (line {line}) is inside the other",
                out.value, first.out.value, first.out.site
            )
        };
        let hint =
            "every build replaces its whole folder: give each site one of its own".to_owned();
        report.site = Some(out.site.clone());
        report.error(out.span.clone(), message, Some(hint));
    }
}

/// No build may write what a build is made from: it would be due again for ever.
fn own_inputs(
    folders: Vec<Folder<'_>>,
    globs: &[Saying<&str>],
    lines: &Lines<'_>,
    report: &mut Report,
) {
    if folders.is_empty() {
        return;
    }
    let reach = Reach::of(globs);
    for Folder { plain, out } in folders {
        let Some(glob) = reach.glob_into(&format!("{plain}/")) else {
            continue;
        };
        let line = lines.number(glob.span.start);
        let message = format!(
            "`{}` is read by the files {} of `{}` (line {line})",
            out.value,
            shown(glob.value),
            glob.site
        );
        let hint = "a build would change its own input and be due again for ever: \
                    write to a folder that no `files` reach"
            .to_owned();
        report.site = Some(out.site);
        report.error(out.span, message, Some(hint));
    }
}
