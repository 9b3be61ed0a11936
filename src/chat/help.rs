//! What can be said, as lines for a screen.

use super::verbs::{Kind, VERBS, Verb};

/// One line of help.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HelpLine {
    /// Without the command's own name: `pause SITE [for TIME]`.
    pub usage: String,
    /// What it does.
    pub summary: &'static str,
    /// The same way.
    pub example: &'static str,
}

/// Everything, by what it is for, with a heading.
pub fn all() -> Vec<(&'static str, Vec<HelpLine>)> {
    [
        (Kind::Writing, "Writing"),
        (Kind::Looking, "Looking"),
        (Kind::Running, "Running"),
        (Kind::Managing, "Managing"),
    ]
    .into_iter()
    .map(|(kind, heading)| {
        let verbs = VERBS
            .iter()
            .filter(|verb| verb.kind == kind && verb.place.is_chat());
        (heading, verbs.map(line).collect())
    })
    .collect()
}

/// One verb.
pub fn line(verb: &Verb) -> HelpLine {
    HelpLine {
        usage: verb.usage(),
        summary: verb.summary,
        example: verb.example,
    }
}
