//! `reconcile --plan`, and what a real run shares with it.

use std::collections::BTreeSet;
use std::process::ExitCode;

use super::args::Reconcile;
use super::{Context, Failure};
use crate::engine::calm;
use crate::engine::estate::Estate;
use crate::engine::explain;
use crate::engine::publish;
use crate::engine::workspace::{Gathered, Workspace};
use crate::model::{Attention, ContentHash, Decision, Plan, SiteName};
use crate::plan::{plan, show};
use crate::store::Reader;

/// Exit status of `--detailed-exitcode` when there are builds to fire.
const CHANGES: u8 = 2;

/// What would happen. Given nothing that could change anything.
pub(super) async fn preview(context: &Context, options: &Reconcile) -> Result<ExitCode, Failure> {
    let workspace = context.workspace();
    let reader = context.reader().await?;
    let gathered = match glance(options, &workspace, reader.as_ref()).await? {
        Glance::Calm(plan) => {
            show(context, options, &plan, &Default::default());
            return Ok(ExitCode::SUCCESS);
        }
        Glance::Moved(gathered) => gathered,
    };
    // Folder and database know nothing of each other: both are read at the same time.
    let gather = async {
        match gathered {
            Some(gathered) => Ok(*gathered),
            None => workspace.gather().await,
        }
    };
    let (gathered, estate) = tokio::join!(gather, super::estate(reader.as_ref()));
    let (gathered, mut estate) = (gathered?, estate?);
    warn_unmatched(context, &gathered);
    estate.keep_files(&gathered.parts);
    let publication = publish::difference(&estate, &gathered, options.force)?;
    estate
        .foresee(reader.as_ref(), publication.as_ref())
        .await?;
    select(&mut estate, &options.sites)?;
    let mut plan = plan(&estate.desired, &estate.observed, estate.now);
    if options.force {
        approve_in_memory(&mut estate, &plan);
        plan = crate::plan::plan(&estate.desired, &estate.observed, estate.now);
    }
    let explanations = if options.verbose || options.json || options.markdown {
        explain::explanations(&estate, reader.as_ref(), &plan).await?
    } else {
        Default::default()
    };
    show(context, options, &plan, &explanations);
    let failed = plan.is_unreadable();
    Ok(match (failed, options.detailed_exitcode) {
        (true, _) => ExitCode::from(1),
        (false, true) if has_changes(&plan) => ExitCode::from(CHANGES),
        (false, _) => ExitCode::SUCCESS,
    })
}

/// What a preview finds before it reads the whole estate.
enum Glance {
    /// Nothing changed since a look that found nothing to do.
    Calm(Plan),
    /// Something may have. Holds what the folder says, if it had to be read for that.
    Moved(Option<Box<Gathered>>),
}

async fn glance(
    options: &Reconcile,
    workspace: &Workspace,
    reader: Option<&Reader>,
) -> Result<Glance, Failure> {
    let everything = options.all || options.force || !options.sites.is_empty();
    let lasting = match reader {
        // A database that fails, or is of an older version, fails again at the look itself, or not.
        Some(reader) if !everything => reader.lasting_calm().await.ok().flatten(),
        _ => None,
    };
    let Some(lasting) = lasting else {
        return Ok(Glance::Moved(None));
    };
    let text = workspace.text()?;
    if text != lasting.calm.text {
        return Ok(Glance::Moved(None));
    }
    let (inputs, gathered) = if lasting.calm.reads_files {
        let gathered = workspace.gather().await?;
        (calm::inputs(&gathered), Some(Box::new(gathered)))
    } else {
        (calm::inputs_of_text(text, workspace.revision()), None)
    };
    Ok(if inputs == lasting.calm.inputs {
        Glance::Calm(calm::plan(&lasting))
    } else {
        Glance::Moved(gathered)
    })
}

/// Whether there is something to fire or to forget, also if a safety rail refuses it.
fn has_changes(plan: &Plan) -> bool {
    plan.counts.build + plan.counts.forget > 0 || refused(plan).next().is_some()
}

pub(super) fn show(
    context: &Context,
    options: &Reconcile,
    plan: &Plan,
    explanations: &std::collections::BTreeMap<SiteName, show::Explanation>,
) {
    if options.json {
        context
            .out
            .json(&show::json(plan, explanations, options.all));
        return;
    }
    if options.markdown {
        context.out.data(&show::markdown(plan, explanations));
        return;
    }
    let text = show::TextOptions {
        all: options.all,
        verbose: options.verbose,
        colour: context.out.is_colored_stdout(),
        in_chat: false,
        width: context.out.width(),
    };
    context.out.data(&show::text(plan, explanations, text));
    if plan.counts.build + plan.counts.forget > 0 && options.plan {
        context.out.hint(&format!(
            "do exactly this with `{}`",
            same_command(context, options, plan)
        ));
    }
}

/// The command that carries out what was shown: the same choice of sites, of the same file.
fn same_command(context: &Context, options: &Reconcile, plan: &Plan) -> String {
    let mut command = format!("microblot reconcile --expect {}", plan.id);
    if options.force {
        command.push_str(" --force");
    }
    let config = &context.global.config;
    if *config != std::path::Path::new("sites.toml") {
        command.push_str(&format!(" --config {}", config.display()));
    }
    for site in &options.sites {
        command.push(' ');
        command.push_str(site.as_str());
    }
    command
}

pub(super) fn warn_unmatched(context: &Context, gathered: &Gathered) {
    if !gathered.config.warnings.is_empty() {
        context.out.diagnostics(&gathered.config.warnings);
    }
    for (site, globs) in &gathered.unmatched {
        context.out.note(&format!(
            "warning: {site}: no file matches {}",
            globs.join(", ")
        ));
    }
}

/// Makes it somebody's explicit request, for these sites or all.
pub(super) fn select(estate: &mut Estate, sites: &[SiteName]) -> Result<(), Failure> {
    estate.desired.asked_at = Some(estate.now);
    if sites.is_empty() {
        return Ok(());
    }
    for site in sites {
        if !estate.desired.sites.contains_key(site) {
            let names: Vec<&str> = estate.desired.sites.keys().map(SiteName::as_str).collect();
            return Err(Failure::Usage(super::no_such_site(site, &names)));
        }
    }
    estate.desired.only = Some(sites.iter().cloned().collect::<BTreeSet<_>>());
    Ok(())
}

pub(super) fn refused(plan: &Plan) -> impl Iterator<Item = (&SiteName, ContentHash)> {
    plan.sites.iter().filter_map(|site| match site.decision {
        Decision::Attention(Attention::Refused(_)) => Some((&site.site, site.wanted?)),
        _ => None,
    })
}

pub(super) fn approve_in_memory(estate: &mut Estate, plan: &Plan) {
    for (site, hash) in refused(plan) {
        if let Some(site) = estate.desired.sites.get_mut(site) {
            site.approved = Some(hash);
        }
    }
}
