use std::error::Error;
use std::io::{ErrorKind, IsTerminal, Write as _};
use std::sync::OnceLock;

use super::args::Color;
use crate::config::{Diagnostics, Paint};

/// Where output goes, and how much of a terminal that is.
pub(super) struct Terminal {
    color: Color,
    unwritten: OnceLock<std::io::Error>,
}

const RED: &str = "\x1b[1;31m";
const CYAN: &str = "\x1b[1;36m";
const RESET: &str = "\x1b[0m";

impl Terminal {
    pub(super) fn new(color: Color) -> Self {
        Self {
            color,
            unwritten: OnceLock::new(),
        }
    }

    /// Data: to standard output. A reader that has gone away (`| head`) is no error; any other
    /// failure is kept for [`unwritten`](Self::unwritten), and the command goes on with its work.
    pub(super) fn data(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush())
            && error.kind() != ErrorKind::BrokenPipe
        {
            let _the_first_one_counts = self.unwritten.set(error);
        }
    }

    /// Why not all data could be written, if so.
    pub(super) fn unwritten(&mut self) -> Option<std::io::Error> {
        self.unwritten.take()
    }

    /// Data as JSON, indented.
    pub(super) fn json(&self, value: &impl serde::Serialize) {
        let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
        text.push('\n');
        self.data(&text);
    }

    /// What is not data: to standard error.
    pub(super) fn note(&self, text: &str) {
        let mut err = std::io::stderr().lock();
        let _gone = writeln!(err, "{text}");
    }

    /// What to do next.
    pub(super) fn hint(&self, text: &str) {
        let word = self.paint(CYAN, "hint:", self.is_colored_stderr());
        self.note(&format!("{word} {text}"));
    }

    /// An error with everything that caused it.
    pub(super) fn error(&self, error: &dyn Error) {
        let word = self.paint(RED, "error:", self.is_colored_stderr());
        let mut text = format!("{word} {error}");
        let mut cause = error.source();
        while let Some(error) = cause {
            text.push_str(&format!("\n  caused by: {error}"));
            cause = error.source();
        }
        self.note(&text);
    }

    /// Columns of standard output, if it is a terminal.
    pub(super) fn width(&self) -> Option<usize> {
        let (_rows, columns) = console::Term::stdout().size_checked()?;
        Some(usize::from(columns))
    }

    /// What is wrong, or probably not meant, with its place.
    pub(super) fn diagnostics(&self, diagnostics: &Diagnostics) {
        let paint = if self.is_colored_stderr() {
            Paint::Coloured
        } else {
            Paint::Plain
        };
        self.note(diagnostics.render(paint).trim_end());
    }

    pub(super) fn is_colored_stdout(&self) -> bool {
        self.is_colored(std::io::stdout().is_terminal())
    }

    pub(super) fn is_colored_stderr(&self) -> bool {
        self.is_colored(std::io::stderr().is_terminal())
    }

    fn is_colored(&self, terminal: bool) -> bool {
        match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        }
    }

    fn paint(&self, code: &str, text: &str, colored: bool) -> String {
        if colored {
            format!("{code}{text}{RESET}")
        } else {
            text.to_owned()
        }
    }
}
