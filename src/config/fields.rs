use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::report::Report;
use super::values::shown;

/// A value with its place.
pub(super) type Node<'t> = Spanned<DeValue<'t>>;

/// A table whose keys are known: any other key is refused when it is opened.
pub(super) struct Fields<'a, 't> {
    table: &'a DeTable<'t>,
    place: Range<usize>,
    path: &'static str,
    // What unknown keys were probably meant to be: they are not missing besides.
    meant: Vec<String>,
}

/// A value under its key.
#[derive(Clone, Copy)]
pub(super) struct Item<'a, 't> {
    pub(super) key: &'static str,
    pub(super) node: &'a Node<'t>,
    /// It is one of several, in an array under the key.
    element: bool,
}

/// Words longer than this get no "did you mean": comparing costs the product of both lengths.
const LONGEST_GUESS: usize = 64;

impl<'a, 't> Fields<'a, 't> {
    /// Opens the table that is called `path` (from the site, if one is being read).
    pub(super) fn of(
        node: &'a Node<'t>,
        path: &'static str,
        known: &[&str],
        report: &mut Report,
    ) -> Option<Self> {
        let place = node.span();
        let DeValue::Table(table) = node.get_ref() else {
            let name = report.path(path);
            let message = format!("`{name}` must be a table, this is {}", kind(node.get_ref()));
            report.error(place, message, Some(keys(known)));
            return None;
        };
        let mut meant = Vec::new();
        for (key, _) in table {
            if !known.contains(&key.get_ref().as_ref()) {
                let place = match report.path(path) {
                    path if path.is_empty() => "at the top level".to_owned(),
                    path => format!("in `{path}`"),
                };
                let message = format!("unknown key {} {place}", shown(key.get_ref()));
                let hint = match nearest(key.get_ref(), known.iter().copied()) {
                    Some(near) => {
                        meant.push(near.to_owned());
                        format!("did you mean `{near}`?")
                    }
                    None => keys(known),
                };
                report.error(key.span(), message, Some(hint));
            }
        }
        Some(Self {
            table,
            place,
            path,
            meant,
        })
    }

    /// The value under `key`, if it is there.
    pub(super) fn get(&self, key: &'static str) -> Option<Item<'a, 't>> {
        let node = self.table.get(key)?;
        Some(Item::new(key, node))
    }

    /// What `read` makes of the value under `key`; nothing if it is not there or was refused.
    pub(super) fn optional<T>(
        &self,
        key: &'static str,
        report: &mut Report,
        read: impl FnOnce(Item<'a, 't>, &mut Report) -> Option<T>,
    ) -> Option<T> {
        read(self.get(key)?, report)
    }

    /// The same, where it is an error that the key is not there. `example` is a line to write.
    pub(super) fn required<T>(
        &self,
        key: &'static str,
        example: &str,
        report: &mut Report,
        read: impl FnOnce(Item<'a, 't>, &mut Report) -> Option<T>,
    ) -> Option<T> {
        if let Some(item) = self.get(key) {
            return read(item, report);
        }
        if self.meant.iter().any(|meant| meant == key) {
            return None;
        }
        let message = format!("`{}` has no `{key}`", report.path(self.path));
        let hint = format!("add a line like `{example}`");
        report.missing(self.place.clone(), message, Some(hint));
        None
    }

    /// Where the table is declared: its header or its braces.
    pub(super) fn place(&self) -> Range<usize> {
        self.place.clone()
    }
}

impl<'a, 't> Item<'a, 't> {
    /// The value of `key`.
    pub(super) fn new(key: &'static str, node: &'a Node<'t>) -> Self {
        let element = false;
        Self { key, node, element }
    }

    /// The place of the value.
    pub(super) fn span(&self) -> Range<usize> {
        self.node.span()
    }

    /// Reports an error of this value. Always nothing, so that a reader can return it.
    pub(super) fn refuse<T>(
        &self,
        report: &mut Report,
        message: String,
        hint: impl Into<String>,
    ) -> Option<T> {
        report.error(self.span(), message, Some(hint.into()));
        None
    }

    /// Reports that this value is of the wrong type.
    pub(super) fn mistyped<T>(
        &self,
        report: &mut Report,
        wanted: &str,
        example: impl fmt::Display,
    ) -> Option<T> {
        let message = format!(
            "{}`{}` must be {wanted}, this is {}",
            if self.element { "each of " } else { "" },
            self.key,
            kind(self.node.get_ref())
        );
        self.refuse(report, message, format!("write it like `{example}`"))
    }

    /// The text of a string.
    pub(super) fn text(&self, report: &mut Report, example: impl fmt::Display) -> Option<&'a str> {
        match self.node.get_ref() {
            DeValue::String(text) => Some(text),
            _ => self.mistyped(report, "a string", example),
        }
    }

    /// `true` or `false`.
    pub(super) fn boolean(self, report: &mut Report) -> Option<bool> {
        match self.node.get_ref() {
            DeValue::Boolean(value) => Some(*value),
            _ => self.mistyped(report, "true or false", format_args!("{} = true", self.key)),
        }
    }

    /// A whole number from 1 to `most`.
    pub(super) fn count(self, report: &mut Report, most: u32) -> Option<u32> {
        let DeValue::Integer(integer) = self.node.get_ref() else {
            return self.mistyped(report, "a whole number", format_args!("{} = 30", self.key));
        };
        match u32::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(count) if (1..=most).contains(&count) => Some(count),
            _ => {
                let message = format!("`{}` must be a number from 1 to {most}", self.key);
                self.refuse(
                    report,
                    message,
                    format!("write it like `{} = 30`", self.key),
                )
            }
        }
    }

    /// The elements of an array.
    pub(super) fn array(
        &self,
        report: &mut Report,
        example: &str,
    ) -> Option<impl Iterator<Item = Item<'a, 't>> + use<'a, 't>> {
        let key = self.key;
        match self.node.get_ref() {
            DeValue::Array(array) => Some(array.iter().map(move |node| Item {
                element: true,
                ..Item::new(key, node)
            })),
            _ => self.mistyped(report, "an array", example),
        }
    }
}

/// The candidate that `word` is probably a slip of, if one is near enough.
pub(super) fn nearest<'c>(
    word: &str,
    candidates: impl Iterator<Item = &'c str>,
) -> Option<&'c str> {
    if word.len() > LONGEST_GUESS {
        return None;
    }
    candidates
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

fn keys(known: &[&str]) -> String {
    match known {
        [only] => format!("the only key here is `{only}`"),
        _ => format!("the keys here are {}", list(known)),
    }
}

/// Joined for people: `a`, `b` and `c`.
pub(super) fn list(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a decimal number",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}
