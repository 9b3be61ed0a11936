use std::ops::Range;

use crate::model::SiteName;

use super::diagnostic::{Diagnostics, MOST_SHOWN, Severity};
use super::place::Lines;
use super::values::shown;

/// Something to say about a place in the text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    pub(super) span: Range<usize>,
    pub(super) message: String,
    pub(super) hint: Option<String>,
    pub(super) site: Option<SiteName>,
}

/// Collects what there is to say while a file is read.
#[derive(Default)]
pub(super) struct Report {
    errors: Shelf,
    warnings: Shelf,
    /// The site that the findings are about now, if it has a valid name.
    pub(super) site: Option<SiteName>,
    /// The table that is being read, as messages call it.
    within: Option<String>,
    /// The syntax is broken somewhere, so that nothing can be said to be missing.
    pub(super) incomplete: bool,
    /// Places about which everything is said already: lines with broken syntax, literal secrets.
    settled: Vec<Range<usize>>,
    /// Bytes that are never shown.
    hidden: Vec<Range<usize>>,
}

/// The first findings in the order of the text, and the count of the others.
#[derive(Default)]
struct Shelf {
    findings: Vec<Finding>,
    dropped: usize,
}

impl Shelf {
    /// Memory stays bounded however many findings a file makes.
    const ROOM: usize = 40 * MOST_SHOWN;

    fn push(&mut self, finding: Finding) {
        if self.findings.len() >= Self::ROOM {
            self.settle();
        }
        self.findings.push(finding);
    }

    /// How many there are, where one that is found twice may count twice.
    fn count(&self) -> usize {
        self.findings.len() + self.dropped
    }

    fn settle(&mut self) {
        self.findings.sort_by(|a, b| {
            let key = |f: &Finding| (f.span.start, f.span.end);
            key(a).cmp(&key(b)).then_with(|| a.message.cmp(&b.message))
        });
        self.findings
            .dedup_by(|a, b| a.span == b.span && a.message == b.message);
        self.dropped += self.findings.len().saturating_sub(MOST_SHOWN);
        self.findings.truncate(MOST_SHOWN);
    }
}

impl Report {
    /// Adds an error.
    pub(super) fn error(&mut self, span: Range<usize>, message: String, hint: Option<String>) {
        self.find(Severity::Error, span, message, hint);
    }

    /// Adds a warning.
    pub(super) fn warning(&mut self, span: Range<usize>, message: String, hint: Option<String>) {
        self.find(Severity::Warning, span, message, hint);
    }

    /// Adds an error about something that is not there, unless it may merely have been unreadable.
    pub(super) fn missing(&mut self, span: Range<usize>, message: String, hint: Option<String>) {
        if !self.incomplete {
            self.error(span, message, hint);
        }
    }

    /// Adds an error that is the last word about `place`: nothing else is said about it.
    pub(super) fn last_word(
        &mut self,
        place: Range<usize>,
        span: Range<usize>,
        message: String,
        hint: Option<String>,
    ) {
        self.settled.push(place);
        self.errors.push(Finding {
            severity: Severity::Error,
            span,
            message,
            hint,
            site: None,
        });
    }

    /// Shows these bytes in no excerpt.
    pub(super) fn hide(&mut self, span: Range<usize>) {
        self.hidden.push(span);
    }

    /// To be called between the last [`Self::last_word`] and the first other finding.
    pub(super) fn seal(&mut self) {
        self.settled = disjoint(std::mem::take(&mut self.settled));
    }

    /// Starts on the table `sites.KEY`; without a name if the key is none.
    pub(super) fn enter(&mut self, key: &str, name: Option<&SiteName>) {
        self.site = name.cloned();
        let within = self.within.get_or_insert_default();
        within.clear();
        within.push_str("sites.");
        match name {
            Some(name) => within.push_str(name.as_str()),
            None => within.push_str(shown(key).trim_matches('`')),
        }
    }

    /// Starts on a table that belongs to no site.
    pub(super) fn enter_table(&mut self, path: &str) {
        self.within = Some(path.to_owned());
    }

    /// Ends what [`Self::enter`] or [`Self::enter_table`] started.
    pub(super) fn leave(&mut self) {
        self.site = None;
        self.within = None;
    }

    /// The full name of a key of the table that is being read: `sites.foo.build`.
    pub(super) fn path(&self, rest: &str) -> String {
        match (&self.within, rest) {
            (None, rest) => rest.to_owned(),
            (Some(within), "") => within.clone(),
            (Some(within), rest) => format!("{within}.{rest}"),
        }
    }

    pub(super) fn has_errors(&self) -> bool {
        !self.errors.findings.is_empty()
    }

    /// How many errors there are.
    pub(super) fn count(&self) -> usize {
        self.errors.count()
    }

    /// Adds what there is to say about a part of the text that starts at `offset`.
    pub(super) fn append(&mut self, part: Self, offset: usize) {
        let moved = |span: Range<usize>| offset + span.start..offset + span.end;
        for (to, from) in [
            (&mut self.errors, part.errors),
            (&mut self.warnings, part.warnings),
        ] {
            to.dropped += from.dropped;
            for mut finding in from.findings {
                finding.span = moved(finding.span);
                to.push(finding);
            }
        }
        self.hidden.extend(part.hidden.into_iter().map(moved));
    }

    /// Whether there is nothing at all to say.
    pub(super) fn is_silent(&self) -> bool {
        !self.has_errors() && self.warnings.findings.is_empty()
    }

    /// All errors, and the warnings that there is still room for.
    pub(super) fn into_errors(mut self, lines: &Lines<'_>, file: &str) -> Diagnostics {
        self.errors.settle();
        self.warnings.settle();
        let mut shown = self.errors.findings;
        let room = MOST_SHOWN - shown.len();
        let mut more = self.errors.dropped + self.warnings.dropped;
        more += self.warnings.findings.len().saturating_sub(room);
        shown.extend(self.warnings.findings.into_iter().take(room));
        shown.sort_by_key(|finding| finding.span.start);
        Diagnostics::new(shown, more, &disjoint(self.hidden), lines, file)
    }

    pub(super) fn into_warnings(mut self, lines: &Lines<'_>, file: &str) -> Diagnostics {
        self.warnings.settle();
        let Shelf { findings, dropped } = self.warnings;
        Diagnostics::new(findings, dropped, &disjoint(self.hidden), lines, file)
    }

    fn find(
        &mut self,
        severity: Severity,
        span: Range<usize>,
        message: String,
        hint: Option<String>,
    ) {
        if self.is_settled(&span) {
            return;
        }
        let shelf = match severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        shelf.push(Finding {
            severity,
            span,
            message,
            hint,
            site: self.site.clone(),
        });
    }

    fn is_settled(&self, span: &Range<usize>) -> bool {
        let next = self
            .settled
            .partition_point(|range| range.end <= span.start);
        self.settled
            .get(next)
            .is_some_and(|range| range.start < span.end.max(span.start + 1))
    }
}

/// The same bytes as sorted ranges without overlaps.
fn disjoint(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| range.start);
    ranges.dedup_by(|next, last| {
        let overlaps = next.start <= last.end;
        if overlaps {
            last.end = last.end.max(next.end);
        }
        overlaps
    });
    ranges
}
