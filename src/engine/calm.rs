//! A plan of an estate in which nothing can have changed, without reading it.
//!
//! A look that finds nothing to do leaves a note of all that it depended on: the text of
//! `sites.toml`, the digests of the files, the code revision, the generation, and the place up to
//! which it had read the database. As long as all of that is what it was, every site is what it was.
//! Only the preview makes use of it: whoever acts looks for himself.

use std::sync::LazyLock;

use super::estate::Estate;
use super::publish;
use super::workspace::Gathered;
use crate::model::{Digest, FieldsDigest, Plan};
use crate::plan::unchanged;
use crate::store::{Calm, Lasting};

/// All that a folder says, in short.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reading {
    /// The digest of the generation that it makes.
    pub generation: Digest,
    text: Digest,
    inputs: Digest,
    reads_files: bool,
    warns: bool,
}

impl Reading {
    /// Of what was gathered.
    pub fn of(gathered: &Gathered) -> Self {
        Self {
            generation: publish::digest(gathered),
            text: gathered.text,
            inputs: inputs(gathered),
            reads_files: !gathered.files.is_empty(),
            warns: !(gathered.config.warnings.is_empty() && gathered.unmatched.is_empty()),
        }
    }
}

/// The note to leave after a look, if it found nothing to do in what this folder says.
pub fn calm(estate: &Estate, reading: &Reading, plan: &Plan) -> Option<Calm> {
    let generation = estate.generation.as_ref()?;
    let quiet = plan.sites.len() == estate.desired.sites.len()
        && plan.counts.unchanged == plan.sites.len()
        && plan.sites.iter().all(|site| site.news.is_none());
    // What is worth a warning is told every time, and an older file is no reading of what is in force.
    let known = !reading.warns && generation.digest == reading.generation;
    (quiet && known).then(|| Calm {
        text: reading.text,
        inputs: reading.inputs,
        reads_files: reading.reads_files,
        generation: generation.number,
        cursor: estate.cursor(),
        sites: plan.sites.len(),
    })
}

/// What `sites.toml` says by itself: without files, that is all.
pub fn inputs_of_text(text: Digest, revision: Option<&str>) -> Digest {
    start(text, revision).finish()
}

/// Everything that a folder says.
pub fn inputs(gathered: &Gathered) -> Digest {
    let mut digest = start(gathered.text, gathered.revision.as_deref());
    for (site, files) in &gathered.files {
        digest.add(site.as_str().as_bytes());
        match files {
            Ok(files) => digest.add(files.as_bytes()),
            Err(problem) => digest.add(problem.as_bytes()),
        }
    }
    digest.finish()
}

/// Another program may read another meaning in the same text.
fn start(text: Digest, revision: Option<&str>) -> FieldsDigest {
    let mut digest = FieldsDigest::new("microblot/calm/2");
    digest.add(env!("CARGO_PKG_VERSION").as_bytes());
    digest.add(&program().to_le_bytes());
    digest.add(text.as_bytes());
    digest.add(if revision.is_some() { b"1" } else { b"0" });
    digest.add(revision.unwrap_or_default().as_bytes());
    digest
}

/// Tells builds of one version from each other, by when the program's file was written. Looked at
/// once: later the file may be that of the next program.
fn program() -> u128 {
    static WRITTEN: LazyLock<u128> = LazyLock::new(|| {
        let file = std::env::current_exe().and_then(std::fs::metadata);
        let written = file.and_then(|file| file.modified()).ok();
        let since = written.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        since.map_or(0, |since| since.as_nanos())
    });
    *WRITTEN
}

/// The plan of an estate that is what it was at a calm look.
pub fn plan(lasting: &Lasting) -> Plan {
    let settings = &lasting.generation.settings;
    unchanged(
        lasting.calm.sites,
        settings.budget,
        &lasting.account,
        lasting.now,
    )
}
