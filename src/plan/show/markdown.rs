use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::changes::Explanation;
use super::plain::plain;
use super::text::{budget, is_shown, mark, numbers, source, summary, verb};
use super::words::reason;
use crate::model::{Plan, SiteName, SitePlan};

/// GitHub takes 65,536 characters in a comment; counted in bytes here, which is never less.
const BYTES: usize = 60_000;
/// The table leaves room for some differences.
const TABLE_BYTES: usize = 40_000;
/// The differences of one site leave room for those of others.
const DIFF_BYTES: usize = 8_000;

/// The plan as a comment on a pull request, at most about 60,000 characters: the counts, a table
/// of the sites that are not simply unchanged, and what differs, folded.
///
/// What comes from outside (titles, paths, errors) stays text: no markup, link target, mention or
/// end of a code block is read in it.
pub fn markdown(plan: &Plan, explanations: &BTreeMap<SiteName, Explanation>) -> String {
    let shown: Vec<&SitePlan> = plan.sites.iter().filter(|site| is_shown(site)).collect();
    let mut out = if shown.is_empty() {
        format!("### {}\n", summary(&plan.counts).trim_end_matches('.'))
    } else {
        format!("### Plan: {}\n", numbers(&plan.counts))
    };
    if let Some(state) = &plan.budget {
        let _infallible = write!(out, "\n{}\n", budget(state));
    }
    if !shown.is_empty() {
        out.push_str("\n| | site | decision | why |\n| --- | --- | --- | --- |\n");
    }
    for (place, site) in shown.iter().enumerate() {
        let row = format!(
            "| `{}` | {} | {} | {} |\n",
            mark(site).0,
            site.site,
            verb(site),
            escaped(&reason(site, plan.now))
        );
        if out.len() + row.len() > TABLE_BYTES {
            let _infallible = write!(out, "\n… and {} more sites\n", shown.len() - place);
            break;
        }
        out.push_str(&row);
    }

    let mut left_out = 0;
    for site in shown {
        let Some(diff) = explanations
            .get(&site.site)
            .map(|explanation| explanation.diff.as_str())
            .filter(|diff| !diff.is_empty())
        else {
            continue;
        };
        let block = folded(site, diff);
        if out.len() + block.len() > BYTES {
            left_out += 1;
        } else {
            out.push_str(&block);
        }
    }
    if left_out > 0 {
        let _infallible = write!(out, "\n… and what differs in {left_out} more sites\n");
    }
    let _infallible = write!(out, "\nPlan `{}`\n", plan.id);
    out
}

fn folded(site: &SitePlan, diff: &str) -> String {
    let mut code = String::new();
    for line in diff.lines() {
        let line = plain(line);
        if code.len() + line.len() > DIFF_BYTES {
            code.push_str("… cut here\n");
            break;
        }
        code.push_str(&line);
        code.push('\n');
    }
    let fence = fence(&code);
    format!(
        "\n<details><summary>What differs in <b>{}</b> ({})</summary>\n\n{fence}diff\n{code}{fence}\n\n</details>\n",
        site.site,
        source(site)
    )
}

/// A fence that no line of the code can close.
fn fence(code: &str) -> String {
    let longest = code
        .split(|c| c != '`')
        .map(str::len)
        .max()
        .unwrap_or_default();
    "`".repeat(3.max(longest + 1))
}

/// Text that stays text in a table: every mark of Markdown and HTML is escaped, and an empty
/// comment keeps names and numbers from being taken for mentions and links to issues.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '@' | '#' => {
                out.push(c);
                out.push_str("<!-- -->");
            }
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '~' | '&' | '$' | '!' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}
