//! Short answers, help, and what fits nowhere else.

use super::actions::{Action, Callback, Unfollow};
use crate::slack::blocks::{Block, Message, Mrkdwn, View, cut, escape, units};

/// What a section of code takes beside its marks, with room for escapes.
const CODE: usize = 2800;
/// More code is not shown: nobody reads it in chat, and Slack refuses very long messages.
const SECTIONS: usize = 5;

/// One line of help.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HelpLine<'a> {
    /// `new [SITE]`.
    pub usage: &'a str,
    /// What it does, in a sentence.
    pub summary: &'a str,
    /// One way to type it: `new foo`.
    pub example: Option<&'a str>,
}

/// A short answer. Text between backticks is code.
pub fn note(text: &str) -> Message {
    Message::new(text, [Block::section(prose(text))])
}

/// A short answer in place of the message on which a button was pressed.
pub fn done(text: &str) -> Message {
    note(text).replacing()
}

/// Why something was not done.
pub fn refusal(text: &str) -> Message {
    let line = Mrkdwn::new().raw(":no_entry_sign: ").then(&prose(text));
    Message::new(text, [Block::section(line)])
}

/// Why something was not done: there is a channel for it.
pub fn elsewhere(channel: &str) -> Message {
    let line = Mrkdwn::new()
        .raw(":no_entry_sign: That is done in ")
        .channel(channel)
        .raw(" only.");
    Message::new(
        "That is done in another channel only.",
        [Block::section(line)],
    )
}

/// Something went wrong that is nobody's fault here: try again.
pub fn trouble(text: &str) -> Message {
    let line = Mrkdwn::new().raw(":warning: ").then(&prose(text));
    Message::new(text, [Block::section(line)])
}

/// A modal without fields. A title has room for 24 characters.
pub(super) fn page(title: &str, blocks: impl IntoIterator<Item = Block>) -> View {
    View::modal(Callback::Page.id(), title, "Close", blocks)
}

/// A line that was not understood, and the one line of help that fits.
pub fn misread(message: &str, line: &str) -> Message {
    let mut blocks = vec![Block::section(prose(message))];
    if !line.trim().is_empty() {
        blocks.push(Block::context(
            Mrkdwn::new()
                .raw("Try ")
                .code(line)
                .raw(", or `/microblot help` for everything."),
        ));
    }
    Message::new(message, blocks)
}

/// What can be said, in parts with a heading each.
pub fn help(parts: &[(&str, Vec<HelpLine<'_>>)]) -> Message {
    let mut blocks = Vec::new();
    for (heading, lines) in parts {
        blocks.push(Block::header(heading));
        // One section for several lines: a message has 50 blocks, and reads better with fewer.
        for some in lines.chunks(8) {
            let text = some.iter().fold(Mrkdwn::new(), help_line);
            blocks.push(Block::section(text));
        }
    }
    blocks.extend(Block::actions([
        Action::New(None).button("Write a post").primary().into(),
        Action::Home.button("Your blogs").into(),
    ]));
    Message::new("What you can do", blocks)
}

fn help_line(text: Mrkdwn, line: &HelpLine<'_>) -> Mrkdwn {
    let HelpLine {
        usage,
        summary,
        example,
    } = line;
    let usage = format!("/microblot {usage}");
    let mut text = text.code(usage.trim()).raw("\n").text(summary);
    if let Some(example) = example {
        let example = format!("/microblot {example}");
        text = text.raw("  For example ").code(&example).raw(".");
    }
    text.raw("\n")
}

/// The sites that were made in chat, as they would be written in `sites.toml`.
pub fn export(toml: &str) -> Message {
    if toml.trim().is_empty() {
        return note("No site was made in chat: there is nothing to export.");
    }
    let mut blocks = vec![Block::section(Mrkdwn::new().raw(
        "Paste this into `sites.toml`. From then on the file owns these sites, \
         and nothing is built again for it.",
    ))];
    blocks.extend(code(
        toml,
        "There is more: `microblot export` on the command line prints all of it.",
    ));
    Message::new("Sites made in chat, for sites.toml", blocks)
}

/// Whether the posts go too when a channel is not mirrored any more.
pub fn unfollow_question(channel: &str, site_title: &str, posts: u64) -> Message {
    let text = Mrkdwn::new()
        .raw("Stop mirroring ")
        .channel(channel)
        .raw(" into ")
        .bold(site_title)
        .raw("? ")
        .text(&match posts {
            0 => "No post came from it.".to_owned(),
            1 => "One post came from it.".to_owned(),
            posts => format!("{posts} posts came from it."),
        });
    let stop = |drop_posts| {
        Action::Unfollow(Unfollow {
            channel: channel.chars().take(64).collect(),
            drop_posts,
        })
    };
    let keep = stop(false).button(match posts {
        0 => "Stop",
        _ => "Stop, keep the posts",
    });
    let drop = (posts > 0).then(|| stop(true).button("Stop, delete the posts").danger().into());
    let buttons = [keep.primary().into()]
        .into_iter()
        .chain(drop)
        .chain([Action::Dismiss.button("Cancel").into()]);
    let mut blocks = vec![Block::section(text)];
    blocks.extend(Block::actions(buttons));
    Message::new("Stop mirroring this channel?", blocks)
}

/// Lines as code in as many sections as it takes, at most [`SECTIONS`]; then `rest` as last line.
pub(super) fn code(text: &str, rest: &'static str) -> Vec<Block> {
    let mut chunks = vec![String::new()];
    for line in text.trim_end().lines() {
        let line = cut(line, CODE / 4);
        let escaped = |text: &str| units(&escape(text)) + 3 * text.matches('`').count();
        let is_full = chunks
            .last()
            .is_some_and(|chunk| !chunk.is_empty() && escaped(chunk) + escaped(&line) + 1 > CODE);
        if is_full {
            chunks.push(String::new());
        }
        if let Some(chunk) = chunks.last_mut() {
            if !chunk.is_empty() {
                chunk.push('\n');
            }
            chunk.push_str(&line);
        }
        if chunks.len() > SECTIONS {
            break;
        }
    }
    let is_cut = chunks.len() > SECTIONS;
    chunks.truncate(SECTIONS);
    let mut blocks: Vec<Block> = chunks
        .iter()
        .map(|chunk| Block::section(Mrkdwn::new().code_block(chunk)))
        .collect();
    if is_cut {
        blocks.push(Block::context(Mrkdwn::new().raw(rest)));
    }
    blocks
}

/// Text of this program, in which backticks mark code and everything else is text.
pub(super) fn prose(text: &str) -> Mrkdwn {
    let pieces: Vec<&str> = text.split('`').collect();
    let is_paired = pieces.len() % 2 == 1;
    if !is_paired {
        return Mrkdwn::new().text(text);
    }
    pieces
        .iter()
        .enumerate()
        .fold(Mrkdwn::new(), |all, (at, piece)| match at % 2 {
            0 => all.text(piece),
            _ => all.code(piece),
        })
}
