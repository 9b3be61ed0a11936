//! From a line to what is asked for, or to a text that says what was not understood.

mod arguments;
mod request;
mod time;
mod values;

use super::verbs::{VERBS, Verb};
use super::words::{Word, bare, split};

pub use arguments::Given;
pub use request::{ChannelArg, Request, SiteArg, Which, request};

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
    let given = arguments::sort(verb, line, &words[used..]).map_err(wrong)?;
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

fn cut(text: &str) -> String {
    match text.chars().count() > QUOTED {
        true => text.chars().take(QUOTED).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

fn quoted(text: &str) -> String {
    format!("“{}”", cut(text))
}
