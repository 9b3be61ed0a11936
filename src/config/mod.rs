//! `sites.toml`: from its text to a [`Config`], or to every diagnostic at once.
//!
//! Pure apart from [`read()`], which opens the file.

mod builder;
mod diagnostic;
mod duration;
mod encoding;
mod export;
mod fields;
mod flood;
mod on_install;
mod overlap;
mod pieces;
mod place;
mod read;
mod report;
mod schema;
mod secrets;
mod settings;
mod site;
mod slack;
mod slips;
mod syntax;
mod values;
mod whole;

use std::collections::BTreeMap;

use toml::de::DeValue;

use crate::model::{SiteName, Spec};

pub use diagnostic::{Diagnostic, Diagnostics, Paint, Severity};
pub use duration::duration_of;
pub use export::to_toml;
pub use on_install::OnInstall;
pub use read::{MAX_BYTES, ReadError, read, read_text};
pub use schema::schema;
pub use secrets::holds_secret;
pub use settings::Settings;
pub use slack::Slack;
pub use values::address_problem;

use fields::Fields;
use place::Lines;
use report::Report;
use whole::Gathered;

/// Everything that a valid `sites.toml` says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// The declared sites. None is valid here; publishing none over some is guarded elsewhere.
    pub sites: BTreeMap<SiteName, DeclaredSite>,
    /// Everything that belongs to no single site.
    pub settings: Settings,
    /// What is valid but probably not meant.
    pub warnings: Diagnostics,
}

/// A site with the place of its declaration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeclaredSite {
    /// Its settings, with `[defaults]` filled in.
    pub spec: Spec,
    /// The line, from 1, that a person has to look at to change them.
    pub line: u32,
}

/// The keys of the top level.
const KEYS: &[&str] = &["defaults", "limits", "budget", "slack", "sites"];

/// Reads the text of a `sites.toml`; `file` is how messages call it.
///
/// # Errors
///
/// Every error of the file at once, in the order of the text; of a large one that is full of errors
/// the first, and the line from which it was not read. Where the syntax is broken, the parts
/// that can still be read are checked as well, but nothing is said to be missing.
pub fn load(text: &str, file: &str) -> Result<Config, Diagnostics> {
    if let Some(config) = pieces::load(text, pieces::READ_AT_ONCE) {
        return Ok(config);
    }
    match flood::first_errors(text, file) {
        Some(errors) => Err(errors),
        None => load_whole(text, file),
    }
}

fn load_whole(text: &str, file: &str) -> Result<Config, Diagnostics> {
    let lines = Lines::new(text);
    let mut report = Report::default();
    let mut sound = String::new();
    let table = syntax::parse(text, &mut sound, &lines, &mut report);
    secrets::refuse(text, &table, &mut report);

    let root = toml::Spanned::new(0..0, DeValue::Table(table));
    let Some(fields) = Fields::of(&root, "", KEYS, &mut report) else {
        return Err(report.into_errors(&lines, file));
    };
    let timing = settings::defaults(&fields, &mut report);
    let mut gathered = Gathered::default();
    let settings = settings::read(&fields, &timing, &mut gathered, &mut report);
    let sites = site::read_all(&fields, &timing, &lines, &mut gathered, &mut report);
    gathered.check(&fields, &lines, &mut report);

    if report.has_errors() {
        return Err(report.into_errors(&lines, file));
    }
    Ok(Config {
        sites,
        settings,
        warnings: report.into_warnings(&lines, file),
    })
}
