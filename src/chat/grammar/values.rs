//! Single values: what they must look like, and what is said where they do not.

use super::quoted;
use super::request::{ChannelArg, SiteArg, Which};
use crate::chat::words::{bare, unescaped};
use crate::config;
use crate::model::{PostId, SiteName};

pub(super) fn site(text: &str) -> Result<SiteArg, String> {
    let text = link(bare(text));
    let lower = text.to_lowercase();
    if let Ok(name) = lower.parse() {
        return Ok(SiteArg::Name(name));
    }
    let host = lower
        .split_once("://")
        .map_or(lower.as_str(), |(_, rest)| rest);
    let is_address = host.contains('.')
        && host.len() <= 300
        && !host.contains(|c: char| c.is_whitespace() || c.is_control());
    match is_address {
        true => Ok(SiteArg::Address(text.to_owned())),
        false => Err(format!(
            "{} is no name of a site: they are made of a-z, 0-9 and hyphens.",
            quoted(text)
        )),
    }
}

/// The address in `<https://example.org|example.org>`.
fn link(text: &str) -> &str {
    let inner = text
        .strip_prefix('<')
        .and_then(|text| text.strip_suffix('>'));
    match inner {
        Some(inner) => inner.split('|').next().unwrap_or(inner),
        None => text,
    }
}

pub(super) fn name(text: &str) -> Result<SiteName, String> {
    let text = bare(text);
    text.parse::<SiteName>()
        .map_err(|error| format!("{} cannot be its name: {error}.", quoted(text)))
}

pub(super) fn post(text: &str) -> Result<PostId, String> {
    let text = bare(text).trim_start_matches('#');
    text.parse().map_err(|_no_id| {
        format!(
            "{} is no id of a post: it has ten letters and digits, as `list` shows them.",
            quoted(text)
        )
    })
}

/// `<#C024BE91L|general>`, `<#C024BE91L|>`, `<#C024BE91L>` or the bare id.
pub(super) fn channel(text: &str) -> Result<ChannelArg, String> {
    let text = bare(text);
    let inner = text
        .strip_prefix("<#")
        .and_then(|text| text.strip_suffix('>'));
    let (id, name) = match inner {
        Some(inner) => inner.split_once('|').unwrap_or((inner, "")),
        None => (text, ""),
    };
    let is_id = (3..=32).contains(&id.len())
        && id.starts_with(['C', 'G', 'D'])
        && id
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    match is_id {
        true => Ok(ChannelArg {
            id: id.to_owned(),
            name: (!name.is_empty()).then(|| unescaped(name)),
        }),
        false => Err(format!(
            "{} is no channel that I can see: type `#` and choose it from the list that opens.",
            quoted(text)
        )),
    }
}

/// Whether it is a word that says which posts are listed. In quotes it is the name of a site.
pub(super) fn is_which(text: &str) -> bool {
    word_of_which(text).is_some()
}

/// What these words say together.
pub(super) fn which(words: &str) -> Which {
    let said = || words.split_whitespace().filter_map(word_of_which);
    Which::of(said().any(Which::is_drafts), said().any(Which::is_mine))
}

fn word_of_which(word: &str) -> Option<Which> {
    Some(match bare(word).to_lowercase().as_str() {
        "all" => Which::All,
        "drafts" | "draft" => Which::Drafts,
        "mine" | "my" => Which::Mine,
        _ => return None,
    })
}

pub(super) fn title(text: &str) -> Result<String, String> {
    let title = text.trim();
    no_secret(title)?;
    match title.chars().count() {
        1..=128 if !title.chars().any(char::is_control) => Ok(title.to_owned()),
        _ => Err("A title is one line of at most 128 characters.".to_owned()),
    }
}

/// What `sites.toml` takes, where the site may be declared one day.
pub(super) fn url(text: &str) -> Result<String, String> {
    let text = link(text);
    // Keyboards begin with a capital.
    let plain = url::Url::parse(text).map_or_else(|_| text.to_owned(), String::from);
    no_secret(&plain)?;
    match config::address_problem(&plain) {
        None => Ok(plain),
        Some(problem) => Err(format!(
            "{} {problem}. Write all of it, as in https://garden.example.org/.",
            quoted(text)
        )),
    }
}

/// Not shown again, if it is one.
fn no_secret(text: &str) -> Result<(), String> {
    match config::holds_secret(text) {
        false => Ok(()),
        true => Err(
            "That looks like a secret, and what is written here can be seen by everybody."
                .to_owned(),
        ),
    }
}

/// Only variables that are named for it: whoever types here must not make the server call the
/// address that is in another one.
pub(super) fn hook(text: &str) -> Result<String, String> {
    const PREFIX: &str = "NETLIFY_HOOK_";
    let text = bare(text);
    let fits = text.strip_prefix(PREFIX).is_some_and(|rest| {
        (1..=100).contains(&rest.len())
            && rest
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
    });
    match fits {
        true => Ok(text.to_owned()),
        // Not shown: it may be the secret address itself.
        false => Err(format!(
            "A hook is named by the environment variable that holds its address, \
             as in {PREFIX}GARDEN; the address itself must not be in chat."
        )),
    }
}
