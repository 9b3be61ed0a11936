use std::path::PathBuf;

use toml::de::DeValue;

use crate::model::{BuilderKind, BuilderSpec, SecretRef, SiteName};

use super::fields::{Fields, Item, list, nearest};
use super::report::Report;
use super::values::{path_problem, shown};
use super::whole::Gathered;

pub(super) const KINDS: &[&str] = &["netlify", "render"];
pub(super) const NETLIFY: &[&str] = &["hook", "site_id", "branch", "clear_cache"];
pub(super) const RENDER: &[&str] = &["out"];
pub(super) const HOOK: &[&str] = &["env", "file"];

/// The longest path, name of a variable or branch, in bytes.
pub(super) const LONGEST: usize = 255;

const HOOK_EXAMPLE: &str = "hook = { env = \"NETLIFY_HOOK_FOO\" }";

/// `build`: exactly one table, called as its kind.
pub(super) fn read<'a>(
    item: Item<'a, '_>,
    name: Option<&SiteName>,
    gathered: &mut Gathered<'a>,
    report: &mut Report,
) -> Option<BuilderSpec> {
    let DeValue::Table(table) = item.node.get_ref() else {
        return item.mistyped(report, "a table", "build.render = { out = \"public/foo\" }");
    };
    let mut builders = Vec::new();
    for (key, node) in table {
        match key.get_ref().as_ref() {
            "netlify" => builders.push((key, Item::new("netlify", node), BuilderKind::Netlify)),
            "render" => builders.push((key, Item::new("render", node), BuilderKind::Render)),
            other => {
                let message = format!("there is no builder {}", shown(other));
                let hint = match (other, nearest(other, KINDS.iter().copied())) {
                    (_, Some(near)) => format!("did you mean `{near}`?"),
                    ("webhook" | "github", _) => {
                        format!(
                            "it is not in this version: the builders are {}",
                            list(KINDS)
                        )
                    }
                    _ => format!("the builders are {}", list(KINDS)),
                };
                report.error(key.span(), message, Some(hint));
            }
        }
    }
    builders.sort_by_key(|(key, ..)| key.span().start);
    if let [(_, _, first), (second, ..), ..] = builders.as_slice() {
        let message = format!("`{}` has a second builder", report.path(""));
        let hint = format!("a site has exactly one: keep `build.{first}` or this one");
        report.error(second.span(), message, Some(hint));
    }
    if table.is_empty() {
        let message = format!("`{}` has no builder", report.path(""));
        let hint = "write `build.netlify = { … }` or `build.render = { … }`";
        report.missing(item.span(), message, Some(hint.to_owned()));
    }
    let read = builders.into_iter().map(|(_, item, kind)| match kind {
        BuilderKind::Netlify => netlify(item, report),
        BuilderKind::Render => render(item, name, gathered, report),
    });
    // Every table is read for its errors, also one that is too many.
    read.fold(None, |first, next| first.or(next))
}

fn netlify(item: Item<'_, '_>, report: &mut Report) -> Option<BuilderSpec> {
    let fields = Fields::of(item.node, "build.netlify", NETLIFY, report)?;
    let hook = fields.required("hook", HOOK_EXAMPLE, report, hook);
    let site_id = fields.optional("site_id", report, site_id);
    let branch = fields.optional("branch", report, branch);
    let clear_cache = fields.optional("clear_cache", report, Item::boolean);
    Some(BuilderSpec::Netlify {
        hook: hook?,
        site_id,
        branch,
        clear_cache: clear_cache.unwrap_or_default(),
    })
}

/// Where the address of the hook is found. What is written here wrongly may be the secret itself,
/// so no message and no excerpt shows it.
fn hook(item: Item<'_, '_>, report: &mut Report) -> Option<SecretRef> {
    let DeValue::Table(table) = item.node.get_ref() else {
        report.hide(item.span());
        return item.mistyped(report, "a reference to a secret", HOOK_EXAMPLE);
    };
    for (key, value) in table {
        if !HOOK.contains(&key.get_ref().as_ref()) {
            report.hide(value.span());
        }
    }
    let fields = Fields::of(item.node, "build.netlify.hook", HOOK, report)?;
    match (fields.get("env"), fields.get("file")) {
        (Some(name), None) => variable(name, report).map(SecretRef::Env),
        (None, Some(path)) => secret_file(path, report).map(SecretRef::File),
        (Some(_), Some(_)) => {
            let message = "`hook` has both `env` and `file`".to_owned();
            item.refuse(report, message, "keep the one that holds the address")
        }
        (None, None) => {
            let message = "`hook` says not where its address is found".to_owned();
            let hint =
                format!("write `{HOOK_EXAMPLE}` or `hook = {{ file = \"/run/secrets/foo\" }}`");
            report.missing(fields.place(), message, Some(hint));
            None
        }
    }
}

fn variable(item: Item<'_, '_>, report: &mut Report) -> Option<String> {
    let text = item.text(report, "env = \"NETLIFY_HOOK_FOO\"");
    if let Some(text) = text
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && text.len() <= LONGEST
    {
        return Some(text.to_owned());
    }
    report.hide(item.span());
    text?;
    let message = "`env` must be the name of an environment variable".to_owned();
    let hint = "a name is made of letters, digits and _, like `env = \"NETLIFY_HOOK_FOO\"`; \
                the address itself belongs into that variable, never into this file";
    item.refuse(report, message, hint)
}

fn secret_file(item: Item<'_, '_>, report: &mut Report) -> Option<PathBuf> {
    let text = item.text(report, "file = \"/run/secrets/netlify-hook-foo\"");
    if let Some(text) = text
        && !text.trim().is_empty()
        && !text.contains("://")
        && !text.chars().any(char::is_control)
    {
        return Some(PathBuf::from(text));
    }
    report.hide(item.span());
    text?;
    let message = "`file` must be the path of a file that holds the address".to_owned();
    item.refuse(
        report,
        message,
        "write it like `file = \"/run/secrets/netlify-hook-foo\"`",
    )
}

fn site_id(item: Item<'_, '_>, report: &mut Report) -> Option<String> {
    let example = "site_id = \"3970e0fe-8564-4903-9a55-c5f8de49fb8b\"";
    let text = item.text(report, example)?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if (1..=64).contains(&text.len()) && text.bytes().all(plain) {
        return Some(text.to_owned());
    }
    let message = format!("{} is not Netlify's id of a site", shown(text));
    let hint = format!("Netlify shows it under \"Project ID\"; write it like `{example}`");
    item.refuse(report, message, hint)
}

fn branch(item: Item<'_, '_>, report: &mut Report) -> Option<String> {
    let text = item.text(report, "branch = \"main\"")?;
    let odd = |c: char| c.is_whitespace() || c.is_control();
    if (1..=LONGEST).contains(&text.len()) && !text.contains(odd) {
        return Some(text.to_owned());
    }
    let message = format!("{} is no name of a branch", shown(text));
    item.refuse(report, message, "write it like `branch = \"main\"`")
}

fn render<'a>(
    item: Item<'a, '_>,
    name: Option<&SiteName>,
    gathered: &mut Gathered<'a>,
    report: &mut Report,
) -> Option<BuilderSpec> {
    let fields = Fields::of(item.node, "build.render", RENDER, report)?;
    let out = fields.required("out", "out = \"public/foo\"", report, |item, report| {
        let out = folder(item, report)?;
        gathered.outs.add(out, name, item.span());
        Some(out)
    })?;
    let out = plain_folder(out);
    Some(BuilderSpec::Render { out })
}

/// A folder below that of `sites.toml`, as it is written.
fn folder<'a>(item: Item<'a, '_>, report: &mut Report) -> Option<&'a str> {
    let example = "out = \"public/foo\"";
    let text = item.text(report, example)?;
    let problem = if let Some(problem) = path_problem(text) {
        problem
    } else if text.contains('\\') {
        "must be written with `/`"
    } else if parts(text).next().is_none() {
        "must be a folder of its own: a build replaces everything in it"
    } else if parts(text).any(|part| part.eq_ignore_ascii_case(".git")) {
        "must not be in `.git`: a build replaces everything in it"
    } else if text.len() > LONGEST {
        "is too long"
    } else {
        return Some(text);
    };
    let hint = format!("write a folder below this file's, like `{example}`");
    item.refuse(report, format!("`out` {problem}"), hint)
}

/// The same folder, always written the same.
pub(super) fn plain_folder(folder: &str) -> String {
    let mut plain = String::with_capacity(folder.len() + 1);
    for part in parts(folder) {
        if !plain.is_empty() {
            plain.push('/');
        }
        plain.push_str(part);
    }
    plain
}

fn parts(folder: &str) -> impl Iterator<Item = &str> {
    folder.split('/').filter(|part| !matches!(*part, "" | "."))
}
