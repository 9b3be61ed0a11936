use std::fmt::Write as _;

use crate::model::{BuilderSpec, PostsFrom, SecretRef, SiteName, SlackSite, Spec, Timing};

use super::duration::written;

/// A site as it would be written in `sites.toml`. Loading it gives the same spec, if `[defaults]`
/// are what they are when nothing is declared.
pub fn to_toml(name: &SiteName, spec: &Spec) -> String {
    let Spec {
        title,
        url,
        posts,
        files,
        revision,
        timing,
        build,
        slack,
        renamed_from,
    } = spec;
    let mut text = format!("\n[sites.{name}]\n");
    let mut line = |key: &str, value: String| {
        let _infallible = writeln!(text, "{key} = {value}");
    };
    line("title", quoted(title));
    line("url", quoted(url));
    match posts {
        PostsFrom::Own => {}
        PostsFrom::All => line("posts", quoted("all")),
        PostsFrom::None => line("posts", quoted("none")),
        PostsFrom::Sites(names) => {
            line("posts", list(names.iter().map(SiteName::as_str)));
        }
    }
    if !files.is_empty() {
        line("files", list(files.iter().map(String::as_str)));
    }
    if *revision {
        line("revision", "true".to_owned());
    }
    let Timing {
        debounce,
        max_wait,
        timeout,
    } = timing;
    let usual = Timing::default();
    for (key, value, default) in [
        ("debounce", debounce, usual.debounce),
        ("max_wait", max_wait, usual.max_wait),
        ("timeout", timeout, usual.timeout),
    ] {
        if *value != default {
            line(key, quoted(&written(*value)));
        }
    }
    if let Some(old) = renamed_from {
        line("renamed_from", quoted(old.as_str()));
    }
    if let Some(slack) = slack {
        let SlackSite {
            workspace,
            channels,
        } = slack;
        let mut fields = vec![format!("workspace = {}", quoted(workspace))];
        if !channels.is_empty() {
            let channels = list(channels.iter().map(String::as_str));
            fields.push(format!("channels = {channels}"));
        }
        line("slack", format!("{{ {} }}", fields.join(", ")));
    }
    match build {
        BuilderSpec::Netlify {
            hook,
            site_id,
            branch,
            clear_cache,
        } => {
            let mut fields = vec![format!("hook = {}", reference(hook))];
            fields.extend(site_id.iter().map(|id| format!("site_id = {}", quoted(id))));
            fields.extend(branch.iter().map(|b| format!("branch = {}", quoted(b))));
            fields.extend(clear_cache.then(|| "clear_cache = true".to_owned()));
            line("build.netlify", format!("{{ {} }}", fields.join(", ")));
        }
        BuilderSpec::Render { out } => {
            line("build.render", format!("{{ out = {} }}", quoted(out)));
        }
    }
    text
}

fn reference(secret: &SecretRef) -> String {
    match secret {
        SecretRef::Env(name) => format!("{{ env = {} }}", quoted(name)),
        SecretRef::File(path) => format!("{{ file = {} }}", quoted(&path.display().to_string())),
    }
}

fn list<'a>(items: impl Iterator<Item = &'a str>) -> String {
    let items: Vec<String> = items.map(quoted).collect();
    format!("[{}]", items.join(", "))
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::load;

    #[test]
    fn what_is_exported_loads_as_the_same_site() {
        let name: SiteName = "foo".parse().unwrap();
        let spec = Spec {
            title: "Foo \"the\" Team\\".into(),
            url: "https://foo.example.org".into(),
            posts: PostsFrom::Sites(vec!["bar".parse().unwrap()]),
            files: vec!["foo/**".into()],
            revision: true,
            timing: Timing {
                debounce: Duration::from_secs(90),
                ..Timing::default()
            },
            build: BuilderSpec::Netlify {
                hook: SecretRef::Env("HOOK".into()),
                site_id: Some("3970e0fe".into()),
                branch: Some("main".into()),
                clear_cache: true,
            },
            slack: Some(SlackSite {
                workspace: "T012AB3CD".into(),
                channels: vec!["C024BE91L".into(), "G1".into()],
            }),
            renamed_from: Some("fu".parse().unwrap()),
        };
        let config = load(&to_toml(&name, &spec), "sites.toml").unwrap();
        assert_eq!(config.sites[&name].spec, spec);
    }
}
