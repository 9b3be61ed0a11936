//! Sites that are made in chat, and taken away again.

use super::answer::{Desk, Trouble};
use super::blocks::Message;
use super::run::once;
use super::screens;
use crate::engine::snapshot::Card;
use crate::model::{BuilderSpec, Origin, PostsFrom, SecretRef, SiteName, SlackSite, Spec, Timing};
use crate::store::NewSite;

/// Makes a site. Without a hook it is rendered by this server.
pub(super) async fn add(
    at: &Desk<'_>,
    name: &SiteName,
    title: Option<&str>,
    url: Option<&str>,
    hook: Option<&str>,
) -> Result<Message, Trouble> {
    let url = match (url, hook) {
        (Some(url), _) => url.to_owned(),
        (None, None) => format!("{}/sites/{name}/", at.app.address),
        (None, Some(_)) => {
            return Err(Trouble::Refused(format!(
                "Where is it published? `/microblot site add {name} hook {} url https://…`",
                hook.unwrap_or_default()
            )));
        }
    };
    let title = title.unwrap_or(name.as_str());
    let site = NewSite {
        name: name.clone(),
        spec: Spec {
            timing: at.snapshot.settings.timing,
            ..spec(name, title, url, hook, &at.caller.team)
        },
    };
    // The same request again finds its own site.
    if let Some(refusal) = refusal(at, &site)?
        && at.app.store.done(at.id).await?.is_none()
    {
        return Err(refusal);
    }
    let by = at.caller.actor(at.app, at.id.to_owned()).await?;
    match once(at.app.store.add_site(&site, &by).await)? {
        Some(false) => Err(taken(at, name)),
        Some(true) | None => {
            at.app.changed(&at.caller.team);
            Ok(screens::done(&format!(
                "{} is there, at {}. Write its first post with `/microblot new {name}`.",
                site.spec.title, site.spec.url
            )))
        }
    }
}

/// What a site is that is made in chat, with the times that are built in.
fn spec(name: &SiteName, title: &str, url: String, hook: Option<&str>, workspace: &str) -> Spec {
    Spec {
        title: title.to_owned(),
        url,
        posts: PostsFrom::Own,
        files: Vec::new(),
        revision: false,
        timing: Timing::default(),
        build: match hook {
            Some(variable) => BuilderSpec::Netlify {
                hook: SecretRef::Env(variable.to_owned()),
                site_id: None,
                branch: None,
                clear_cache: false,
            },
            None => BuilderSpec::Render {
                out: format!("public/{name}"),
            },
        },
        slack: Some(SlackSite {
            workspace: workspace.to_owned(),
            channels: Vec::new(),
        }),
        renamed_from: None,
    }
}

/// Why a site may not be made, for whoever asked: it would get what another one has, or what is not
/// theirs to name. Tells nothing about sites of others.
fn refusal(at: &Desk<'_>, site: &NewSite) -> Result<Option<Trouble>, Trouble> {
    let (name, snapshot) = (&site.name, at.snapshot);
    let text = match &site.spec.build {
        BuilderSpec::Netlify { hook, .. } => {
            let may_name = at.app.may_name_hook(snapshot, &at.caller.team, hook)?;
            if may_name && !snapshot.holdings.have_hook(hook) {
                return Ok(None);
            }
            "That hook cannot be used here. Ask whoever runs Microblot to declare the site, with \
             its hook, in `sites.toml`."
                .to_owned()
        }
        BuilderSpec::Render { out } => {
            if !snapshot.holdings.have_folder(out, name) {
                return Ok(None);
            }
            format!(
                "{name} cannot be its name: its pages would replace others, in the folder \
                 `{out}`. Choose another name, or ask whoever runs Microblot to declare the site \
                 in `sites.toml`."
            )
        }
    };
    // That there is one of its name is the first thing to say.
    Ok(Some(match snapshot.of(name) {
        Some(_) => taken(at, name),
        None => Trouble::Refused(text),
    }))
}

fn taken(at: &Desk<'_>, name: &SiteName) -> Trouble {
    let team = &at.caller.team;
    let theirs = at.snapshot.site(team, name).is_some() || at.app.is_own(at.snapshot, team);
    let plan = at
        .snapshot
        .of(name)
        .filter(|plan| theirs && plan.origin == Origin::File);
    Trouble::Refused(match plan.and_then(|plan| plan.source) {
        Some(source) => format!(
            "There is a site {name} already: it is declared in `{source}`, and changed there."
        ),
        None => format!(
            "There is a site {name} already. `/microblot sites` shows those of this workspace."
        ),
    })
}

/// Only a site that was made in chat: the others are the file's.
pub(super) async fn remove(at: &Desk<'_>, card: &Card) -> Result<Message, Trouble> {
    if card.origin == Origin::File {
        let place = card
            .source
            .map_or_else(|| "sites.toml".to_owned(), |source| source.to_string());
        return Err(Trouble::Refused(format!(
            "{} is declared in `{place}`: take it out there, and it is built no more. Its posts are kept.",
            card.name
        )));
    }
    let by = at.caller.actor(at.app, at.id.to_owned()).await?;
    once(at.app.store.remove_site(&card.id, &card.name, &by).await)?;
    at.app.changed(&at.caller.team);
    Ok(screens::done(&format!(
        "{} is removed. Its posts are kept: `/microblot site add {}` brings them back.",
        card.spec.title, card.name
    )))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::chat::grammar::{Request, parse};
    use crate::config::{load, to_toml};

    /// Pieces of lines that are taken, and of some that are not.
    fn pieces(pieces: &'static [&'static str]) -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            4 => prop::sample::select(pieces).prop_map(ToOwned::to_owned),
            1 => "\\PC{0,3}",
        ];
        prop::collection::vec(piece, 1..5).prop_map(|pieces| pieces.concat())
    }

    const TITLE: &[&str] = &[
        "The",
        " ",
        "é",
        "'",
        "\\",
        "\u{a0}",
        "#",
        "]",
        "=",
        "&lt;",
        "xoxb-",
        "1",
        "hooks.slack.com/",
        "\u{202e}",
    ];
    const URL: &[&str] = &[
        "https://",
        "HTTP://",
        "x.org",
        "/",
        "a|b",
        ":80",
        "?",
        "#",
        "%",
        "ü",
        "me@",
        "\\",
        "{",
        "^",
        "..",
        "hooks.slack.com/",
        "1",
        "<",
        ">",
    ];

    proptest! {
        #[test]
        fn what_is_taken_can_be_exported(title in pieces(TITLE), url in pieces(URL)) {
            for url in [url.clone(), format!("https://x.org/{url}")] {
                let line = format!("site add pond title \"{title}\" url \"{url}\"");
                let Ok(Request::SiteAdd { name, title: Some(title), url: Some(url), hook }) =
                    parse(&line)
                else {
                    continue;
                };
                let spec = spec(&name, &title, url, hook.as_deref(), "T012AB3CD");
                let toml = to_toml(&name, &spec);
                let config = load(&toml, "sites.toml");
                let config = config.unwrap_or_else(|errors| panic!("{line}: {errors}\n{toml}"));
                prop_assert_eq!(&config.sites[&name].spec, &spec);
            }
        }
    }
}
