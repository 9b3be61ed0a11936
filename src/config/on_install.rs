use std::borrow::Cow;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use toml::de::DeValue;

use crate::model::{BuilderSpec, PostsFrom, SecretRef, SiteName, SlackSite, Spec, Timing};

use super::builder::{self, plain_folder};
use super::fields::{Fields, Item, Node};
use super::report::Report;
use super::values::{LONGEST_TITLE, address, is_slack_id, shown, site_name, title};
use super::whole::Gathered;

/// The blog that a workspace gets when it installs the app, with placeholders for the workspace:
/// `{workspace}` (its id in lower case), `{WORKSPACE}` (its id) and, in the title, `{team}` (its
/// name).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OnInstall {
    site: String,
    title: String,
    url: String,
    build: BuilderSpec,
    timing: Timing,
}

pub(super) const ON_INSTALL: &[&str] = &["site", "title", "url", "build"];

/// What is checked stands for every workspace: the longest id, so that no name gets too long later.
const WORKSPACE: &str = "T012AB3CD00000000000000000000000";
const TEAM: &str = "Foo Team";

impl OnInstall {
    /// The blog of the workspace with this id (`T…`), whose name is `team`.
    ///
    /// # Errors
    ///
    /// What is no id of a workspace; and, which reading the file leaves no room for, a result that
    /// is no site. For people.
    pub fn site(&self, workspace: &str, team: &str) -> Result<(SiteName, Spec), String> {
        self.numbered(workspace, team, 1)
    }

    /// The same under another name, where that one is somebody else's: from 2 on `{workspace}`
    /// stands for its id and this number, as in `t012ab3cd-2`. Where this server publishes the
    /// pages, their folder and address go with the name; a builder elsewhere was set up for the
    /// workspace, whatever the site is called here.
    ///
    /// # Errors
    ///
    /// As for [`OnInstall::site`].
    pub fn numbered(
        &self,
        workspace: &str,
        team: &str,
        number: u32,
    ) -> Result<(SiteName, Spec), String> {
        if !is_slack_id(workspace, "TE") {
            return Err(format!(
                "{} is not Slack's id of a workspace",
                shown(workspace)
            ));
        }
        let Self {
            site,
            title,
            url,
            build,
            timing,
        } = self;
        let fill = |text: &str| filled(text, workspace, team);
        let called = match number {
            0 | 1 => workspace.to_owned(),
            _ => format!("{workspace}-{number}"),
        };
        let fill_called = |text: &str| filled(text, &called, team);
        let (url, build) = match build {
            BuilderSpec::Render { .. } => (fill_called(url), with_texts(build, fill_called)),
            BuilderSpec::Netlify { .. } => (fill(url), with_texts(build, fill)),
        };
        let name = fill_called(site).parse::<SiteName>().map_err(|error| {
            format!("`site` of [slack.on_install] makes no name of {workspace}: {error}")
        })?;
        let spec = Spec {
            title: one_line(&fill(title)).unwrap_or_else(|| workspace.to_owned()),
            url,
            posts: PostsFrom::Own,
            files: Vec::new(),
            revision: false,
            timing: *timing,
            build,
            slack: Some(SlackSite {
                workspace: workspace.to_owned(),
                channels: Vec::new(),
            }),
            renamed_from: None,
        };
        Ok((name, spec))
    }
}

/// `[slack.on_install]`.
pub(super) fn read<'a>(
    item: Item<'a, '_>,
    defaults: &Timing,
    gathered: &mut Gathered<'a>,
    report: &mut Report,
) -> Option<OnInstall> {
    report.enter_table("slack.on_install");
    let read = template(item, defaults, gathered, report);
    report.leave();
    read
}

fn template<'a>(
    item: Item<'a, '_>,
    defaults: &Timing,
    gathered: &mut Gathered<'a>,
    report: &mut Report,
) -> Option<OnInstall> {
    let fields = Fields::of(item.node, "", ON_INSTALL, report)?;
    let site = fields.required("site", "site = \"{workspace}\"", report, |item, report| {
        text(item, report, |item, report| {
            site_name(item, report).map(drop)
        })
    });
    let title = fields.required("title", "title = \"{team}\"", report, |item, report| {
        text(item, report, |item, report| title(item, report).map(drop))
    });
    let example = "url = \"https://{workspace}.example.org/\"";
    let url = fields.required("url", example, report, |item, report| {
        text(item, report, |item, report| address(item, report).map(drop))
    });
    let example = "build.render = { out = \"public/{workspace}\" }";
    let build = fields.required("build", example, report, |item, report| {
        build(item, gathered, report)
    });
    Some(OnInstall {
        site: site?,
        title: title?,
        url: url?,
        build: build?,
        timing: *defaults,
    })
}

/// A text with placeholders, of which `check` is shown what a workspace would get.
fn text(
    item: Item<'_, '_>,
    report: &mut Report,
    check: impl FnOnce(Item<'_, '_>, &mut Report) -> Option<()>,
) -> Option<String> {
    let known = placeholders(item.key, item.node, report);
    let sample = sample(item.node);
    let checked = known.and_then(|()| check(Item::new(item.key, &sample), report));
    checked?;
    let DeValue::String(text) = item.node.get_ref() else {
        return None;
    };
    if item.key != "title" {
        own(item, text, report)?;
    }
    Some(text.clone().into_owned())
}

fn build<'a>(
    item: Item<'a, '_>,
    gathered: &mut Gathered<'a>,
    report: &mut Report,
) -> Option<BuilderSpec> {
    placeholders(item.key, item.node, report)?;
    let sample = sample(item.node);
    // No site of this file: what is gathered of it is added below, with the text of the file.
    let mut nowhere = Gathered::default();
    let read = builder::read(Item::new(item.key, &sample), None, &mut nowhere, report)?;
    let found = |path: &[&'static str]| {
        path.iter()
            .try_fold(item, |item, key| match item.node.get_ref() {
                DeValue::Table(table) => Some(Item::new(key, table.get(*key)?)),
                _ => None,
            })
    };
    let of = |path: &[&'static str]| match found(path)?.node.get_ref() {
        DeValue::String(text) => Some(text.clone().into_owned()),
        _ => None,
    };
    let (path, build): (&[&'static str], _) = match read {
        BuilderSpec::Netlify {
            hook, clear_cache, ..
        } => {
            let (path, hook): (&[&'static str], _) = match hook {
                SecretRef::Env(_) => {
                    let path = &["netlify", "hook", "env"];
                    (path, SecretRef::Env(of(path)?))
                }
                SecretRef::File(_) => {
                    let path = &["netlify", "hook", "file"];
                    (path, SecretRef::File(PathBuf::from(of(path)?)))
                }
            };
            let build = BuilderSpec::Netlify {
                hook,
                site_id: of(&["netlify", "site_id"]),
                branch: of(&["netlify", "branch"]),
                clear_cache,
            };
            (path, build)
        }
        BuilderSpec::Render { .. } => {
            let path = &["render", "out"];
            let out = plain_folder(&of(path)?);
            (path, BuilderSpec::Render { out })
        }
    };
    let place = found(path)?;
    let DeValue::String(text) = place.node.get_ref() else {
        return None;
    };
    own(place, text, report)?;
    if let BuilderSpec::Render { .. } = build {
        let anyone = WORKSPACE[..9].to_ascii_lowercase().parse().ok();
        gathered.outs.add(text, anyone.as_ref(), place.span());
    }
    Some(build)
}

/// Refuses what two workspaces would share.
fn own(item: Item<'_, '_>, text: &str, report: &mut Report) -> Option<()> {
    let upper = "{WORKSPACE}";
    let wanted = if item.key == "env" {
        upper
    } else {
        "{workspace}"
    };
    if text.contains("{workspace}") || text.contains(upper) {
        return Some(());
    }
    let message = format!("`{}` must hold `{wanted}`", item.key);
    let hint = "it stands for the workspace: no two can have the same";
    item.refuse(report, message, hint)
}

/// Refuses braces around other words than those that are filled in.
fn placeholders(key: &'static str, node: &Node<'_>, report: &mut Report) -> Option<()> {
    match node.get_ref() {
        DeValue::String(text) => {
            let known: &[&str] = match key {
                "title" => &["workspace", "WORKSPACE", "team"],
                // A name has no capitals.
                "site" => &["workspace"],
                _ => &["workspace", "WORKSPACE"],
            };
            let unknown = words(text).find(|word| !known.contains(word));
            let Some(unknown) = unknown else {
                return Some(());
            };
            let hint = match unknown {
                "team" => "a workspace's name may be any text: it can only stand in `title`",
                _ => {
                    "write `{workspace}`, which stands for its id in lower case; `{WORKSPACE}`, \
                      its id; or in `title` `{team}`, its name"
                }
            };
            let message = format!("`{{{unknown}}}` stands for nothing here");
            Item::new(key, node).refuse(report, message, hint)
        }
        DeValue::Table(table) => {
            let checked: Vec<_> = table
                .values()
                .map(|node| placeholders(key, node, report))
                .collect();
            checked.into_iter().collect()
        }
        _ => Some(()),
    }
}

/// The words in braces.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let inner = text
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}'));
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    inner
        .map(|(word, _)| word)
        .filter(move |word| (1..=32).contains(&word.len()) && word.chars().all(letter))
}

/// What a workspace would get, at the same places of the file.
fn sample<'t>(node: &Node<'t>) -> Node<'t> {
    let mut node = node.clone();
    fill_in(&mut node);
    node
}

fn fill_in(node: &mut Node<'_>) {
    match node.get_mut() {
        DeValue::String(text) => *text = Cow::Owned(filled(text, WORKSPACE, TEAM)),
        DeValue::Table(table) => table.iter_mut().for_each(|(_, node)| fill_in(node)),
        _ => {}
    }
}

/// In one pass: a team may be called `{workspace}`.
fn filled(text: &str, workspace: &str, team: &str) -> String {
    let mut filled = String::with_capacity(text.len() + workspace.len());
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        filled.push_str(&rest[..at]);
        rest = &rest[at..];
        let lower = workspace.to_ascii_lowercase();
        let stands = [
            ("{workspace}", lower.as_str()),
            ("{WORKSPACE}", workspace),
            ("{team}", team),
        ];
        let found = stands
            .iter()
            .find_map(|(word, value)| Some((rest.strip_prefix(word)?, *value)));
        let (after, value) = found.unwrap_or((&rest[1..], "{"));
        filled.push_str(value);
        rest = after;
    }
    filled.push_str(rest);
    filled
}

/// A title made of any text: one line and not too long, if anything of it can be seen.
fn one_line(text: &str) -> Option<String> {
    let plain = text.replace(char::is_control, " ");
    let cut: String = plain.trim().chars().take(LONGEST_TITLE).collect();
    (!cut.is_empty()).then(|| cut.trim_end().to_owned())
}

fn with_texts(build: &BuilderSpec, fill: impl Fn(&str) -> String) -> BuilderSpec {
    match build {
        BuilderSpec::Netlify {
            hook,
            site_id,
            branch,
            clear_cache,
        } => BuilderSpec::Netlify {
            hook: match hook {
                SecretRef::Env(name) => SecretRef::Env(fill(name)),
                SecretRef::File(path) => SecretRef::File(fill(&path.to_string_lossy()).into()),
            },
            site_id: site_id.as_deref().map(&fill),
            branch: branch.as_deref().map(&fill),
            clear_cache: *clear_cache,
        },
        BuilderSpec::Render { out } => BuilderSpec::Render { out: fill(out) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    fn on_install(title: &str, build: &str) -> OnInstall {
        let text = format!(
            "[defaults]\ndebounce = \"3s\"\n[slack.on_install]\nsite = \"{{workspace}}-blog\"\n\
             title = {title:?}\nurl = \"https://example.org/{{WORKSPACE}}/\"\n{build}\n"
        );
        let config = load(&text, "sites.toml").unwrap();
        config.settings.slack.on_install.unwrap()
    }

    const NETLIFY: &str =
        "build.netlify = { hook = { env = \"HOOK_{WORKSPACE}\" }, branch = \"{workspace}\" }";

    #[test]
    fn a_workspace_gets_what_is_declared() {
        let (name, spec) = on_install("{team}’s blog", NETLIFY)
            .site("T012AB3CD", "Foo")
            .unwrap();
        insta::assert_snapshot!(crate::config::to_toml(&name, &spec), @r#"

        [sites.t012ab3cd-blog]
        title = "Foo’s blog"
        url = "https://example.org/T012AB3CD/"
        debounce = "3s"
        slack = { workspace = "T012AB3CD" }
        build.netlify = { hook = { env = "HOOK_T012AB3CD" }, branch = "t012ab3cd" }
        "#);
        let rendered = on_install("Blog", "build.render = { out = \"public/{workspace}\" }");
        let (_, spec) = rendered.site("E1", "").unwrap();
        let out = "public/e1".to_owned();
        assert_eq!(
            (spec.title.as_str(), spec.build),
            ("Blog", BuilderSpec::Render { out })
        );
    }

    #[test]
    fn what_is_published_here_goes_with_another_name() {
        let on_install = on_install(
            "{team}",
            "build.render = { out = \"public/{workspace}/x\" }",
        );
        let (name, spec) = on_install.numbered("T1", "Foo", 12).unwrap();
        insta::assert_snapshot!(crate::config::to_toml(&name, &spec), @r#"

        [sites.t1-12-blog]
        title = "Foo"
        url = "https://example.org/T1-12/"
        debounce = "3s"
        slack = { workspace = "T1" }
        build.render = { out = "public/t1-12/x" }
        "#);
        assert_eq!(on_install.numbered("T1", "", 1), on_install.site("T1", ""));
    }

    #[test]
    fn what_is_published_elsewhere_does_not() {
        let on_install = on_install("{team}", NETLIFY);
        let (name, spec) = on_install.numbered("T1", "Foo", 2).unwrap();
        let (_, first) = on_install.site("T1", "Foo").unwrap();
        assert_eq!((name.as_str(), spec), ("t1-2-blog", first));
    }

    #[test]
    fn a_team_may_be_called_anything() {
        let on_install = on_install("{team}", NETLIFY);
        for (team, title) in [
            ("{workspace} {team} {", "{workspace} {team} {"),
            (" \n\0 ", "T1"),
            ("a\nb", "a b"),
            (&"é".repeat(300), &"é".repeat(200)),
            ("\"]\n[sites.x]", "\"] [sites.x]"),
        ] {
            let (name, spec) = on_install.site("T1", team).unwrap();
            assert_eq!(spec.title, title, "{team:?}");
            let again = load(&crate::config::to_toml(&name, &spec), "sites.toml").unwrap();
            assert_eq!(again.sites[&name].spec, spec);
        }
    }

    #[test]
    fn only_ids_are_filled_in() {
        for id in ["", "T", "t012ab3cd", "T-1", "../T1", "U012AB3CD", "T01\n"] {
            assert!(on_install("x", NETLIFY).site(id, "Foo").is_err(), "{id:?}");
        }
    }

    #[test]
    fn what_is_stored_is_read_again() {
        let written = on_install("{team}", NETLIFY);
        let json = serde_json::to_string(&written).unwrap();
        assert_eq!(serde_json::from_str::<OnInstall>(&json).unwrap(), written);
    }
}
