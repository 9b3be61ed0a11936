use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use serde::Serialize;

use crate::model::SiteName;

use super::place::{Excerpt, Lines};
use super::report::Finding;

/// The most diagnostics that are shown; the others are only counted.
pub(super) const MOST_SHOWN: usize = 100;

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used, but somebody should look.
    Warning,
}

/// Whether text is coloured with ANSI escapes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Paint {
    /// No: for logs, files and tests.
    Plain,
    /// Yes: for a terminal.
    Coloured,
}

/// One thing to say about one place of the file. `Display` is one line:
/// `sites.toml:14:7: error: …`.
///
/// Holds nothing secret: what looks like a secret is `*` in `source`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Diagnostic {
    /// The file as it was called when it was read.
    pub file: Arc<str>,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1 and in characters.
    pub column: u32,
    /// The bytes of the file that are meant.
    pub span: Range<usize>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The site that it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<SiteName>,
    /// The line itself; of a very long one the part around the place.
    pub source: String,
    #[serde(skip)]
    marked: Range<usize>,
    #[serde(skip)]
    cut: bool,
}

/// The diagnostics of a file in the order of the text, at most 100 of them. `Display` shows each
/// with its line, the place underlined, and the count of those left out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Default)]
pub struct Diagnostics {
    diagnostics: Vec<Diagnostic>,
    more: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    unread_from: Option<u32>,
}

impl Diagnostics {
    /// `hidden` is sorted and without overlaps.
    pub(super) fn new(
        findings: Vec<Finding>,
        more: usize,
        hidden: &[Range<usize>],
        lines: &Lines<'_>,
        file: &str,
    ) -> Self {
        let file: Arc<str> = file.into();
        let diagnostics = findings.into_iter().map(|finding| {
            let Excerpt { text, marked, cut } = lines.excerpt(&finding.span, hidden);
            Diagnostic {
                file: Arc::clone(&file),
                severity: finding.severity,
                message: finding.message,
                line: lines.number(finding.span.start),
                column: lines.column(finding.span.start),
                span: finding.span,
                hint: finding.hint,
                site: finding.site,
                source: text,
                marked,
                cut,
            }
        });
        Self {
            diagnostics: diagnostics.collect(),
            more,
            unread_from: None,
        }
    }

    /// The same, of a file that was not read from this line on.
    pub(super) fn unread_from(self, line: u32) -> Self {
        let unread_from = Some(line);
        Self {
            unread_from,
            ..self
        }
    }

    /// The line from which the file was not read, because of all that is wrong before it.
    pub fn unread(&self) -> Option<u32> {
        self.unread_from
    }

    /// Those that are shown, in the order of the text.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.diagnostics.iter()
    }

    /// How many there are beyond those that are shown.
    pub fn more(&self) -> usize {
        self.more
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.diagnostics.is_empty()
    }

    /// For people: every diagnostic with its line and the place underlined.
    pub fn render(&self, paint: Paint) -> String {
        let renderer = match paint {
            Paint::Plain => Renderer::plain(),
            Paint::Coloured => Renderer::styled(),
        };
        let mut text = String::new();
        for diagnostic in self {
            text.push_str(&diagnostic.render(&renderer));
            text.push_str("\n\n");
        }
        match (self.more, self.unread_from) {
            (0, _) => drop(text.pop()),
            (more, None) => text.push_str(&format!("and {more} more\n")),
            (more, Some(line)) => text.push_str(&format!(
                "and {more} more up to line {line}, from which on nothing was read\n"
            )),
        }
        text
    }
}

impl Diagnostic {
    fn render(&self, renderer: &Renderer) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let source = Snippet::source(&self.source)
            .line_start(self.line as usize)
            .annotation(AnnotationKind::Primary.span(self.marked.clone()));
        let title = level.primary_title(&self.message);
        // The renderer counts the column in what it is given, which is wrong in a part of a line.
        let group = if self.cut {
            let place = Origin::path(&*self.file)
                .line(self.line as usize)
                .char_column(self.column as usize);
            title.element(place).element(source)
        } else {
            title.element(source.path(&*self.file))
        };
        let group = group.elements(self.hint.as_ref().map(|hint| Level::HELP.message(hint)));
        renderer.render(&[group])
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            column,
            severity,
            message,
            ..
        } = self;
        write!(f, "{file}:{line}:{column}: {severity}: {message}")
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Paint::Plain))
    }
}

impl std::error::Error for Diagnostics {}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
