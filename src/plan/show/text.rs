use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::changes::{Change, Explanation, Op};
use super::plain::plain;
use super::words::{day, duration, reason, reason_in_chat};
use crate::model::{BudgetState, Counts, Decision, Input, Origin, Plan, SiteName, SitePlan};

/// How a plan is printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TextOptions {
    /// Unchanged sites too, which are otherwise only counted.
    pub all: bool,
    /// What differs, under each site.
    pub verbose: bool,
    /// With ANSI colours.
    pub colour: bool,
    /// For a workspace, as [`reason_in_chat`] has it.
    pub in_chat: bool,
    /// Columns of the terminal: longer reasons go on under themselves. `None`: one line each.
    pub width: Option<usize>,
}

/// Longer names push their line to the right instead of all lines.
const NAME_COLUMNS: usize = 24;
/// A reason is not folded into less than this.
const REASON_COLUMNS: usize = 24;

/// The plan as text: a line per site in the order of names, and always a last line with all
/// counts. Ends with a line end.
///
/// What comes from outside (titles, paths, errors) cannot move the cursor or change colours.
pub fn text(
    plan: &Plan,
    explanations: &BTreeMap<SiteName, Explanation>,
    options: TextOptions,
) -> String {
    let shown: Vec<&SitePlan> = plan
        .sites
        .iter()
        .filter(|site| options.all || is_shown(site))
        .collect();
    let columns = |longest: Option<usize>| longest.unwrap_or(0);
    let names = columns(shown.iter().map(|site| site.site.as_str().len()).max()).min(NAME_COLUMNS);
    let verbs = columns(shown.iter().map(|site| verb(site).len()).max());

    let mut out = String::new();
    for site in &shown {
        let (mark, style) = mark(site);
        let (on, off) = if options.colour {
            (style, RESET)
        } else {
            ("", "")
        };
        let name = site.site.as_str();
        let indent = 2 + 2 + names.max(name.len()) + 2 + verbs + 2;
        let reason = match options.in_chat {
            true => reason_in_chat(site, plan.now),
            false => reason(site, plan.now),
        };
        let reason = fold(&reason, indent, options.width);
        let _infallible = writeln!(
            out,
            "  {on}{mark}{off} {name:names$}  {on}{:verbs$}{off}  {reason}",
            verb(site)
        );
        if options.verbose {
            details(&mut out, site, explanations.get(name), options.colour);
        }
    }
    if !shown.is_empty() {
        out.push('\n');
    }
    if let Some(budget) = &plan.budget {
        let _infallible = writeln!(out, "{}", fold(&self::budget(budget), 0, options.width));
    }
    let _infallible = writeln!(out, "{}", summary(&plan.counts));
    out
}

/// Whether a site is shown without being asked for.
pub(super) fn is_shown(site: &SitePlan) -> bool {
    site.decision != Decision::Unchanged || site.news.is_some()
}

/// The word for a decision, the same in all forms of the plan.
pub(super) fn verb(site: &SitePlan) -> &'static str {
    match &site.decision {
        Decision::Build(_) => "build",
        Decision::Wait { .. } => "wait",
        Decision::Attention(_) => "attention",
        Decision::Forget => "forget",
        Decision::Unchanged => "unchanged",
    }
}

const RESET: &str = "\x1b[0m";
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const CYAN: &str = "\x1b[36m";
const DIM: &str = "\x1b[2m";

/// The mark of a decision, and its colour.
pub(super) fn mark(site: &SitePlan) -> (char, &'static str) {
    match &site.decision {
        Decision::Build(_) => ('+', GREEN),
        Decision::Wait { .. } => ('~', "\x1b[33m"),
        Decision::Attention(_) => ('!', "\x1b[1;31m"),
        Decision::Forget => ('-', "\x1b[35m"),
        Decision::Unchanged => ('=', DIM),
    }
}

/// All five counts; shorter when there is nothing to tell.
pub(super) fn summary(counts: &Counts) -> String {
    match counts {
        Counts {
            build: 0,
            wait: 0,
            attention: 0,
            forget: 0,
            unchanged,
        } => format!("Plan: nothing to do, {unchanged} unchanged."),
        _ => format!("Plan: {}.", numbers(counts)),
    }
}

/// `2 to build, 3 waiting, 1 need attention, 1 to forget, 7 unchanged`.
pub(super) fn numbers(counts: &Counts) -> String {
    let Counts {
        build,
        wait,
        attention,
        forget,
        unchanged,
    } = counts;
    format!(
        "{build} to build, {wait} waiting, {attention} need attention, {forget} to forget, {unchanged} unchanged"
    )
}

/// Where the month's budget stands, in a sentence.
pub(super) fn budget(state: &BudgetState) -> String {
    let BudgetState {
        used,
        of,
        empty_at,
        resets_at,
        debounce,
    } = state;
    let mut line = format!("Budget: {used} of {of} deploys used this month; ");
    line.push_str(&match empty_at {
        _ if used >= of => format!("more on {}", day(*resets_at)),
        Some(at) => format!("at this pace it is empty on {}", day(*at)),
        None => "at this pace it lasts".to_owned(),
    });
    if let Some(debounce) = debounce {
        let _infallible = write!(
            line,
            "; so that it lasts, changes settle for {}",
            duration(*debounce)
        );
    }
    line.push('.');
    line
}

/// Who declares a site, and where.
pub(super) fn source(site: &SitePlan) -> String {
    match (site.source, site.origin) {
        (Some(source), _) => source.to_string(),
        (None, Origin::File) => "sites.toml".to_owned(),
        (None, Origin::Chat) => "made in chat".to_owned(),
    }
}

fn details(out: &mut String, site: &SitePlan, explanation: Option<&Explanation>, colour: bool) {
    let mut line = |text: &str, style: &str| {
        let (on, off) = if colour && !style.is_empty() {
            (style, RESET)
        } else {
            ("", "")
        };
        let _infallible = writeln!(out, "      {on}{text}{off}");
    };
    line(&source(site), DIM);
    let Some(Explanation {
        changes,
        more,
        diff,
    }) = explanation
    else {
        return;
    };
    for change in changes {
        line(&self::change(change), "");
    }
    if *more > 0 {
        line(&format!("… and {more} more"), "");
    }
    for text in diff.lines() {
        let style = match text.as_bytes().first() {
            Some(b'+') => GREEN,
            Some(b'-') => RED,
            Some(b'@') => CYAN,
            _ => DIM,
        };
        line(&plain(text), style);
    }
}

/// One difference, for people: values only where they say more than that they differ.
fn change(change: &Change) -> String {
    let Change {
        op,
        input,
        item,
        old,
        new,
    } = change;
    let sign = match op {
        Op::Add => '+',
        Op::Edit => '~',
        Op::Remove => '-',
    };
    let mut line = format!("{sign} {input}: {}", plain(item));
    // A digest tells people nothing; a title that changed is still beside its digest.
    let shown = |value: &Option<String>| {
        let value = plain(value.as_ref()?);
        match input {
            Input::Spec | Input::Revision => Some(value),
            Input::Posts => value.find('"').map(|title| value[title..].to_owned()),
            Input::Files => None,
        }
    };
    match (shown(old), shown(new)) {
        (None, None) => {}
        // What differs is not shown: the digest beside it.
        (Some(old), Some(new)) if old == new => {}
        (Some(old), Some(new)) => {
            let _infallible = write!(line, " {old} → {new}");
        }
        (Some(value), None) | (None, Some(value)) => {
            let _infallible = write!(line, " {value}");
        }
    }
    line
}

/// Goes on under itself, `indent` columns from the left, where a line is full.
fn fold(text: &str, indent: usize, width: Option<usize>) -> String {
    let Some(room) = width
        .map(|width| width.saturating_sub(indent))
        .filter(|room| *room >= REASON_COLUMNS)
    else {
        return text.to_owned();
    };
    let mut out = String::with_capacity(text.len());
    let mut column = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > room {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
            column = 0;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out
}
