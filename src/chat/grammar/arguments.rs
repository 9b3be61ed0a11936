//! Which word of a line is for which argument.

use std::collections::BTreeMap;

use super::values::is_which;
use super::{cut, quoted, time};
use crate::chat::verbs::{Argument, Shape, Verb};
use crate::chat::words::{Word, unescaped};

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
pub(super) fn sort(verb: &Verb, line: &str, words: &[Word]) -> Result<Given, String> {
    let mut given = Given::default();
    let known = || verb.arguments.iter().filter(|one| one.place.is_chat());
    // The argument whose value was the last word.
    let mut valued: Option<&Argument> = None;
    let mut words = words.iter().peekable();
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
                Shape::Time => time::take(&mut words, missing(&given).is_some()),
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
            valued = matches!(argument.shape, Shape::Value(_) | Shape::Time).then_some(argument);
            given.put(argument.name, value);
            continue;
        }
        if let Some(name) = dashed {
            return Err(format!("`{}` has no `--{}`.", verb.name, cut(name)));
        }
        let Some(place) = place_of(word, known(), &given) else {
            return Err(misplaced(word, valued, &given));
        };
        valued = None;
        let value = match place.shape {
            Shape::Words => {
                let begins = word.begins;
                words.by_ref().for_each(drop);
                unescaped(line[begins..].trim())
            }
            // Several of these words say together what is listed.
            Shape::Which => match given.get(place.name) {
                Some(before) => format!("{before} {}", word.text),
                None => word.text.clone(),
            },
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

/// What is said about a word that is for nothing; it may belong to the value before it.
fn misplaced(word: &Word, valued: Option<&Argument>, given: &Given) -> String {
    let message = format!("I don't know what {} is for here.", quoted(&word.text));
    match valued {
        Some(Argument {
            name,
            shape: Shape::Time,
            ..
        }) => {
            let value = given.get(name).unwrap_or_default();
            let both = || time::duration(&format!("{value} {}", word.text)).err();
            let wrong = time::duration(value).err().and_then(|_alone| both());
            wrong.unwrap_or(message)
        }
        Some(Argument { name, .. }) => {
            format!("{message} Several words need quotes: `{name} \"…\"`.")
        }
        None => message,
    }
}

/// The argument that a word in its place is for: the first that takes it.
fn place_of<'a>(
    word: &Word,
    known: impl Iterator<Item = &'a Argument>,
    given: &Given,
) -> Option<&'a Argument> {
    let places: Vec<&Argument> = known.filter(|one| !one.shape.is_named()).collect();
    let which = is_which(&word.text) && !word.quoted;
    let listed = places.iter().find(|one| one.shape == Shape::Which && which);
    let first = places
        .iter()
        .find(|one| one.shape != Shape::Which && given.get(one.name).is_none());
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
