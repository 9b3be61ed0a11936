//! From a line to what is asked for, or to a text that says what was not understood.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::verbs::{Argument, Shape, VERBS, Verb};
use super::words::{Word, bare, split, unescaped};
use crate::config;
use crate::model::{PostId, SiteName};

/// What somebody asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// Where everything starts.
    Home,
    /// What can be said, or one verb of it.
    Help {
        /// Only this one.
        verb: Option<&'static Verb>,
    },
    /// To write a post.
    New {
        /// For this site.
        site: Option<SiteArg>,
    },
    /// A list of posts.
    List {
        /// Of this site.
        site: Option<SiteArg>,
        /// Which of them.
        which: Which,
    },
    /// To change a post.
    Edit {
        /// Which.
        post: PostId,
    },
    /// To take a post away.
    Delete {
        /// Which.
        post: PostId,
    },
    /// Where a site is, and what it has.
    Info {
        /// Which; `None`: the only one, or all.
        site: Option<SiteArg>,
    },
    /// How a site is, or all.
    Status {
        /// Which.
        site: Option<SiteArg>,
    },
    /// All sites.
    Sites,
    /// What would be built.
    Plan {
        /// Only of this site.
        site: Option<SiteArg>,
    },
    /// A build whatever the content.
    Rebuild {
        /// Of this site.
        site: SiteArg,
        /// Without the builder's cache.
        clear_cache: bool,
    },
    /// That nothing new starts.
    Pause {
        /// For this site.
        site: SiteArg,
        /// For so long; `None`: until it is resumed.
        duration: Option<Duration>,
        /// Why.
        because: Option<String>,
    },
    /// That a site goes on.
    Resume {
        /// Which.
        site: SiteArg,
    },
    /// What was built.
    History {
        /// Of this site.
        site: SiteArg,
    },
    /// A new site.
    SiteAdd {
        /// Its name.
        name: SiteName,
        /// What people call it.
        title: Option<String>,
        /// Where it is published.
        url: Option<String>,
        /// The environment variable with the address of its build hook.
        hook: Option<String>,
    },
    /// The end of a site that was made in chat.
    SiteRemove {
        /// Which.
        site: SiteArg,
    },
    /// The sites that were made in chat, as TOML.
    Export,
    /// Posts of what is written in a channel.
    Follow {
        /// Which.
        channel: ChannelArg,
        /// Into this site.
        site: Option<SiteArg>,
    },
    /// No more posts of a channel.
    Unfollow {
        /// Which.
        channel: ChannelArg,
    },
}

/// How somebody names a site.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SiteArg {
    /// By its name.
    Name(SiteName),
    /// By its address, or the host of it.
    Address(String),
}

/// A channel as chat platforms name it to programs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChannelArg {
    /// The platform's id of it.
    pub id: String,
    /// Its name, where it can be shown.
    pub name: Option<String>,
}

/// Which posts of a site are listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Which {
    /// Every one.
    #[default]
    All,
    /// Those that are not published.
    Drafts,
    /// Those of the person who asks.
    Mine,
}

/// Why a line was not understood.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Misread {
    /// What is wrong with it.
    pub message: String,
    /// The one line of help that fits.
    pub line: String,
}

/// Lines of more characters are no commands.
const LONGEST: usize = 4_000;
/// Quoted back to people at most.
const QUOTED: usize = 40;

/// Reads a line, as it stands behind the name of the command.
///
/// # Errors
///
/// [`Misread`], for the person who typed it.
pub fn parse(line: &str) -> Result<Request, Misread> {
    if line.chars().count() > LONGEST {
        return Err(Misread {
            message: format!(
                "This is too long for a command: at most {LONGEST} characters. \
                 Write long texts in the window that `new` opens."
            ),
            line: "new [SITE]".to_owned(),
        });
    }
    let words = split(line);
    let Some(first) = words.first() else {
        return Ok(Request::Home);
    };
    let (verb, used) = verb_of(&words).ok_or_else(|| unknown_verb(first))?;
    let wrong = |message| Misread {
        message,
        line: verb.usage(),
    };
    let given = sort(verb, line, &words[used..]).map_err(wrong)?;
    if verb.name == "help" {
        return help(given.get("command").unwrap_or_default());
    }
    request(verb, &given).map_err(wrong)
}

fn verb_of(words: &[Word]) -> Option<(&'static Verb, usize)> {
    let word = |at: usize| words.get(at).map(|word| bare(&word.text).to_lowercase());
    let first = word(0)?;
    word(1)
        .and_then(|second| Some((Verb::named(&format!("{first} {second}"))?, 2)))
        .or_else(|| Some((Verb::named(&first)?, 1)))
        .filter(|(verb, _)| verb.place.is_chat())
}

fn unknown_verb(word: &Word) -> Misread {
    // No more than is needed for a likeness, whose cost grows with the length.
    let typed: String = bare(&word.text)
        .to_lowercase()
        .chars()
        .take(QUOTED)
        .collect();
    let message = format!("I don't know {}.", quoted(&word.text));
    let near = VERBS
        .iter()
        .filter(|verb| verb.place.is_chat())
        .flat_map(|verb| {
            let names = std::iter::once(&verb.name).chain(verb.aliases);
            let typed = typed.as_str();
            names.map(move |name| {
                let most = name.len().div_ceil(3).min(2);
                (strsim::damerau_levenshtein(name, typed), most, verb)
            })
        })
        .filter(|(distance, most, _)| distance <= most)
        .min_by_key(|(distance, _, _)| *distance);
    if typed == "site" {
        return Misread {
            message: "A site is added or removed.".to_owned(),
            line: "site add NAME".to_owned(),
        };
    }
    match near {
        Some((_, _, verb)) => Misread {
            message: format!("{message} Did you mean `{}`?", verb.name),
            line: verb.usage(),
        },
        None => Misread {
            message,
            line: "help".to_owned(),
        },
    }
}

fn help(about: &str) -> Result<Request, Misread> {
    if about.is_empty() {
        return Ok(Request::Help { verb: None });
    }
    let words = split(about);
    match verb_of(&words) {
        Some((verb, _)) => Ok(Request::Help { verb: Some(verb) }),
        None => Err(unknown_verb(&words[0])),
    }
}

/// What was given for the arguments of a verb, by their names.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Given(BTreeMap<&'static str, String>);

impl Given {
    /// Notes an argument.
    pub fn put(&mut self, name: &'static str, value: String) {
        self.0.insert(name, value);
    }

    /// What was given for an argument.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// Puts words to the arguments that they are for.
fn sort(verb: &Verb, line: &str, words: &[Word]) -> Result<Given, String> {
    let mut given = Given::default();
    let known = || verb.arguments.iter().filter(|one| one.place.is_chat());
    // The argument whose value was the last word.
    let mut valued = None;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let missing =
            |given: &Given| known().find(|one| one.required && given.get(one.name).is_none());
        let dashed = word.text.strip_prefix("--").filter(|_| !word.quoted);
        let lower = dashed.unwrap_or(&word.text).to_lowercase();
        // `for` and `because` need no dashes once what has to be there is there.
        let by_name = (dashed.is_some() || (!word.quoted && missing(&given).is_none()))
            .then(|| known().find(|one| one.shape.is_named() && one.name == lower))
            .flatten();
        if let Some(argument) = by_name {
            let value = match argument.shape {
                Shape::Flag => String::new(),
                Shape::Rest(_) => rest_of(line, &mut words),
                _ => words
                    .next()
                    .map(|word| word.text.clone())
                    .unwrap_or_default(),
            };
            if value.trim().is_empty() && argument.shape != Shape::Flag {
                return Err(format!("`{}` needs something behind it.", argument.name));
            }
            if given.get(argument.name).is_some() {
                return Err(format!("`{}` stands there twice.", argument.name));
            }
            valued = matches!(argument.shape, Shape::Value(_)).then_some(argument.name);
            given.put(argument.name, value);
            continue;
        }
        if let Some(name) = dashed {
            return Err(format!("`{}` has no `--{}`.", verb.name, cut(name)));
        }
        let Some(place) = place_of(word, known(), &given) else {
            let message = format!("I don't know what {} is for here.", quoted(&word.text));
            return Err(match valued {
                Some(name) => format!("{message} Several words need quotes: `{name} \"…\"`."),
                None => message,
            });
        };
        valued = None;
        let value = match place.shape {
            Shape::Words => {
                let begins = word.begins;
                words.by_ref().for_each(drop);
                unescaped(line[begins..].trim())
            }
            _ => word.text.clone(),
        };
        given.put(place.name, value);
    }
    match known().find(|one| one.required && given.get(one.name).is_none()) {
        Some(missing) => Err(match missing.shape {
            Shape::Site => "For which site?".to_owned(),
            Shape::Post => "Which post? `list` shows their ids.".to_owned(),
            Shape::Channel => "Which channel?".to_owned(),
            _ => format!("The {} is missing.", missing.name),
        }),
        None => Ok(given),
    }
}

/// The argument that a word in its place is for: the first that takes it.
fn place_of<'a>(
    word: &Word,
    known: impl Iterator<Item = &'a Argument>,
    given: &Given,
) -> Option<&'a Argument> {
    let which = which(&word.text).is_some() && !word.quoted;
    let open: Vec<&Argument> = known
        .filter(|one| !one.shape.is_named() && given.get(one.name).is_none())
        .collect();
    let listed = open.iter().find(|one| one.shape == Shape::Which && which);
    let first = open.iter().find(|one| one.shape != Shape::Which);
    listed.or(first).copied()
}

/// Everything up to the end, without quotes around it.
fn rest_of<'a>(line: &str, words: &mut impl Iterator<Item = &'a Word>) -> String {
    let Some(first) = words.next() else {
        return String::new();
    };
    if words.by_ref().count() == 0 && first.quoted {
        return first.text.clone();
    }
    unescaped(line[first.begins..].trim())
}

/// What a verb asks for with these arguments.
///
/// # Errors
///
/// A text about the argument that cannot be what it is to be.
pub fn request(verb: &Verb, given: &Given) -> Result<Request, String> {
    let site = || given.get("site").map(site).transpose();
    let the_site = || site()?.ok_or_else(|| "For which site?".to_owned());
    let post = || post(given.get("id").unwrap_or_default());
    let channel = || channel(given.get("channel").unwrap_or_default());
    let text = |name| given.get(name).map(|text| text.trim().to_owned());
    Ok(match verb.name {
        "new" => Request::New { site: site()? },
        "list" => Request::List {
            site: site()?,
            which: given.get("which").and_then(which).unwrap_or_default(),
        },
        "edit" => Request::Edit { post: post()? },
        "delete" => Request::Delete { post: post()? },
        "info" => Request::Info { site: site()? },
        "status" => Request::Status { site: site()? },
        "sites" => Request::Sites,
        "plan" => Request::Plan { site: site()? },
        "rebuild" => Request::Rebuild {
            site: the_site()?,
            clear_cache: given.get("clear-cache").is_some(),
        },
        "pause" => Request::Pause {
            site: the_site()?,
            duration: given.get("for").map(duration).transpose()?,
            because: text("because"),
        },
        "resume" => Request::Resume { site: the_site()? },
        "history" => Request::History { site: the_site()? },
        "site add" => Request::SiteAdd {
            name: name(given.get("name").unwrap_or_default())?,
            title: given.get("title").map(title).transpose()?,
            url: given.get("url").map(url).transpose()?,
            hook: given.get("hook").map(hook).transpose()?,
        },
        "site remove" => Request::SiteRemove { site: the_site()? },
        "follow" => Request::Follow {
            channel: channel()?,
            site: site()?,
        },
        "unfollow" => Request::Unfollow {
            channel: channel()?,
        },
        "export" => Request::Export,
        _ => Request::Help { verb: None },
    })
}

fn site(text: &str) -> Result<SiteArg, String> {
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

fn name(text: &str) -> Result<SiteName, String> {
    let text = bare(text);
    text.parse::<SiteName>()
        .map_err(|error| format!("{} cannot be its name: {error}.", quoted(text)))
}

fn post(text: &str) -> Result<PostId, String> {
    let text = bare(text).trim_start_matches('#');
    text.parse().map_err(|_no_id| {
        format!(
            "{} is no id of a post: it has ten letters and digits, as `list` shows them.",
            quoted(text)
        )
    })
}

/// `<#C024BE91L|general>`, `<#C024BE91L|>`, `<#C024BE91L>` or the bare id.
fn channel(text: &str) -> Result<ChannelArg, String> {
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

fn which(text: &str) -> Option<Which> {
    Some(match bare(text).to_lowercase().as_str() {
        "all" => Which::All,
        "drafts" | "draft" => Which::Drafts,
        "mine" | "my" => Which::Mine,
        _ => return None,
    })
}

fn duration(text: &str) -> Result<Duration, String> {
    config::duration_of(bare(text)).ok_or_else(|| {
        format!(
            "{} is no length of time: write 30m, 2h or 1h30m.",
            quoted(text)
        )
    })
}

fn title(text: &str) -> Result<String, String> {
    let title = text.trim();
    match title.chars().count() {
        1..=128 if !title.chars().any(char::is_control) => Ok(title.to_owned()),
        _ => Err("A title is one line of at most 128 characters.".to_owned()),
    }
}

fn url(text: &str) -> Result<String, String> {
    let text = link(text);
    let parsed = url::Url::parse(text).ok();
    let fits = parsed.filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.query().is_none()
            && url.fragment().is_none()
            && text.len() <= 500
    });
    match fits {
        Some(url) => Ok(url.to_string()),
        None => Err(format!(
            "{} is no address: write all of it, as in https://garden.example.org/.",
            quoted(text)
        )),
    }
}

/// Only variables that are named for it: whoever types here must not make the server call the
/// address that is in another one.
fn hook(text: &str) -> Result<String, String> {
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

fn cut(text: &str) -> String {
    match text.chars().count() > QUOTED {
        true => text.chars().take(QUOTED).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

fn quoted(text: &str) -> String {
    format!("“{}”", cut(text))
}
