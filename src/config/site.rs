use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use crate::model::{PostsFrom, SiteName, SlackSite, Spec, Timing};

use super::DeclaredSite;
use super::builder;
use super::fields::{Fields, Item, Node};
use super::place::Lines;
use super::report::Report;
use super::settings;
use super::values::{address, glob, shown, site_name, slack_id, slack_ids, title};
use super::whole::Gathered;

pub(super) const KEYS: &[&str] = &[
    "title",
    "url",
    "posts",
    "files",
    "revision",
    "debounce",
    "max_wait",
    "timeout",
    "renamed_from",
    "slack",
    "build",
];
pub(super) const SLACK: &[&str] = &["workspace", "channels"];

/// All of `[sites.*]`.
pub(super) fn read_all<'a>(
    root: &Fields<'a, '_>,
    defaults: &Timing,
    lines: &Lines<'_>,
    gathered: &mut Gathered<'a>,
    report: &mut Report,
) -> BTreeMap<SiteName, DeclaredSite> {
    let Some(sites) = table_of_sites(root, report) else {
        return BTreeMap::new();
    };
    let declared = sites.filter_map(|(key, place, node)| {
        let name = declared_name(key, place.clone(), report);
        report.enter(key, name.as_ref());
        let spec = read(node, name.as_ref(), defaults, gathered, report);
        report.leave();
        let line = lines.number(place.start);
        Some((name?, DeclaredSite { spec: spec?, line }))
    });
    // Collecting sorted pairs builds the map in one go; inserting them costs a search each.
    declared.collect()
}

/// The names, the places of the names and the tables below `sites`.
fn table_of_sites<'a, 't>(
    root: &Fields<'a, 't>,
    report: &mut Report,
) -> Option<impl Iterator<Item = (&'a str, Range<usize>, &'a Node<'t>)> + use<'a, 't>> {
    let sites = root.get("sites")?;
    let toml::de::DeValue::Table(table) = sites.node.get_ref() else {
        return sites.mistyped(report, "a table", "[sites.foo]");
    };
    Some(
        table
            .iter()
            .map(|(key, node)| (key.get_ref().as_ref(), key.span(), node)),
    )
}

fn declared_name(key: &str, place: Range<usize>, report: &mut Report) -> Option<SiteName> {
    match key.parse() {
        Ok(name) => Some(name),
        Err(error) => {
            let message = format!("{} is no site name", shown(key));
            report.error(place, message, Some(error.to_string()));
            None
        }
    }
}

fn read<'a>(
    node: &'a Node<'_>,
    name: Option<&SiteName>,
    defaults: &Timing,
    gathered: &mut Gathered<'a>,
    report: &mut Report,
) -> Option<Spec> {
    let fields = Fields::of(node, "", KEYS, report)?;
    let title = fields.required("title", "title = \"Foo Team\"", report, title);
    let example = "url = \"https://foo.example.org/\"";
    let url = fields.required("url", example, report, address);
    let posts = fields.optional("posts", report, |item, report| {
        posts(item, name, gathered, report)
    });
    let files = fields.optional("files", report, |item, report| {
        files(item, name, gathered, report)
    });
    let revision = fields.optional("revision", report, Item::boolean);
    let timing = settings::timing(&fields, defaults, report);
    let renamed_from = fields.optional("renamed_from", report, |item, report| {
        let old = site_name(item, report)?;
        gathered.renames.add(old.clone(), name, item.span());
        Some(old)
    });
    let slack = fields.optional("slack", report, |item, report| {
        slack(item, name, gathered, report)
    });
    let example = "build.netlify = { hook = { env = \"NETLIFY_HOOK_FOO\" } }";
    let build = fields.required("build", example, report, |item, report| {
        builder::read(item, name, gathered, report)
    });
    Some(Spec {
        title: title?,
        url: url?,
        posts: posts.unwrap_or_default(),
        files: files.unwrap_or_default(),
        revision: revision.unwrap_or_default(),
        timing,
        build: build?,
        slack,
        renamed_from,
    })
}

fn posts<'a>(
    item: Item<'a, '_>,
    name: Option<&SiteName>,
    gathered: &mut Gathered<'a>,
    report: &mut Report,
) -> Option<PostsFrom> {
    const HINT: &str =
        "write \"own\", \"all\", \"none\" or names of sites, like `[\"foo\", \"bar\"]`";
    if let toml::de::DeValue::String(text) = item.node.get_ref() {
        return match text.as_ref() {
            "own" => Some(PostsFrom::Own),
            "all" => Some(PostsFrom::All),
            "none" => Some(PostsFrom::None),
            other => item.refuse(report, format!("`posts` cannot be {}", shown(other)), HINT),
        };
    }
    let mut seen = HashSet::new();
    let mut sites = Vec::new();
    let mut elements = item.array(report, "posts = [\"foo\", \"bar\"]")?.peekable();
    if elements.peek().is_none() {
        let message = "`posts` names no site".to_owned();
        return item.refuse(report, message, "for no posts write `posts = \"none\"`");
    }
    for element in elements {
        let Some(site) = site_name(element, report) else {
            continue;
        };
        if !seen.insert(site.clone()) {
            let message = format!("`{site}` is listed twice");
            report.error(
                element.span(),
                message,
                Some("keep one of the two".to_owned()),
            );
            continue;
        }
        gathered.listed.add(site.clone(), name, element.span());
        sites.push(site);
    }
    Some(PostsFrom::Sites(sites))
}

fn files<'a>(
    item: Item<'a, '_>,
    name: Option<&SiteName>,
    gathered: &mut Gathered<'a>,
    report: &mut Report,
) -> Option<Vec<String>> {
    let mut globs = Vec::new();
    for element in item.array(report, "files = [\"www/**\"]")? {
        if let Some(text) = glob(element, report) {
            gathered.globs.add(text, name, element.span());
            globs.push(text.to_owned());
        }
    }
    Some(globs)
}

fn slack<'a>(
    item: Item<'a, '_>,
    name: Option<&SiteName>,
    gathered: &mut Gathered<'a>,
    report: &mut Report,
) -> Option<SlackSite> {
    let fields = Fields::of(item.node, "slack", SLACK, report)?;
    let example = "slack = { workspace = \"T012AB3CD\" }";
    let workspace = fields.required("workspace", example, report, |item, report| {
        slack_id(item, report, "TE", "workspace")
    });
    let channels = fields.optional("channels", report, |item, report| {
        slack_ids(item, report, "CG", "channel")
    });
    let (workspace, channels) = (workspace?, channels.unwrap_or_default());
    for (channel, span) in &channels {
        let channel = (workspace.clone(), channel.clone());
        gathered.channels.add(channel, name, span.clone());
    }
    Some(SlackSite {
        workspace,
        channels: channels.into_iter().map(|(id, _)| id).collect(),
    })
}
