use std::process::ExitCode;

use super::{Context, Failure};
use crate::engine::estate::Estate;
use crate::engine::explain;
use crate::model::{Plan, SiteName};
use crate::plan::{plan, show};
use crate::store::Reader;

/// How many builds a site's status shows.
const RECENT: u32 = 5;

/// As the loop sees it: what is published, with debounce.
pub(super) async fn status(
    context: &Context,
    site: Option<&SiteName>,
    json: bool,
) -> Result<ExitCode, Failure> {
    let reader = match site {
        Some(name) => Some(context.reader_for(name).await?),
        None => context.reader().await?,
    };
    let mut estate = super::estate(reader.as_ref()).await?;
    if let (Some(name), Some(reader)) = (site, &reader) {
        context.site(reader, name).await?;
        estate.desired.only = Some([name.clone()].into());
    }
    let plan = plan(&estate.desired, &estate.observed, estate.now);
    let explanations = match site {
        Some(_) => explain::explanations(&estate, reader.as_ref(), &plan).await?,
        None => Default::default(),
    };
    if json {
        context.out.json(&show::json(&plan, &explanations, true));
    } else {
        let options = show::TextOptions {
            all: true,
            verbose: site.is_some(),
            colour: context.out.is_colored_stdout(),
            in_chat: false,
            width: context.out.width(),
        };
        context.out.data(&show::text(&plan, &explanations, options));
        if let (Some(name), Some(reader)) = (site, &reader) {
            recent(context, reader, &estate, name).await?;
        }
    }
    if estate.generation.is_none() {
        context
            .out
            .hint("nothing is published yet; `microblot reconcile` publishes sites.toml");
    }
    Ok(exit(&plan))
}

fn exit(plan: &Plan) -> ExitCode {
    ExitCode::from(u8::from(plan.is_unreadable()))
}

async fn recent(
    context: &Context,
    reader: &Reader,
    estate: &Estate,
    name: &SiteName,
) -> Result<(), Failure> {
    let Some(details) = estate.details(name) else {
        return Ok(());
    };
    let built = estate
        .observed
        .sites
        .get(name)
        .and_then(|seen| seen.built.as_ref());
    let mut text = format!("\n{}  {}\n", details.spec.title, details.spec.url);
    if let Some(built) = built {
        text.push_str(&format!("last built {} from {}\n", built.at, built.hash));
    }
    context.out.data(&text);
    print(context, &reader.builds(&details.id, RECENT).await?);
    Ok(())
}

pub(super) async fn history(
    context: &Context,
    name: &SiteName,
    limit: u32,
    json: bool,
) -> Result<(), Failure> {
    let reader = context.reader_for(name).await?;
    let site = match reader.site(name).await? {
        Some(site) => site,
        None => return Err(context.unknown_site(&reader, name).await?),
    };
    let builds = reader.builds(&site.id, limit).await?;
    if json {
        context.out.json(&builds);
        return Ok(());
    }
    if builds.is_empty() {
        context.out.note(&format!("{name} was never built"));
    }
    print(context, &builds);
    Ok(())
}

fn print(context: &Context, builds: &[crate::store::BuildRow]) {
    for build in builds {
        let took = build.ended_at.map_or_else(
            || "not over".to_owned(),
            |ended| format!("{} ms", ended.since(build.fired_at).as_millis()),
        );
        let detail = build
            .detail
            .as_ref()
            .map(|detail| format!(": {detail}"))
            .unwrap_or_default();
        context.out.data(&format!(
            "{}  {:10}  {:8}  {}{}\n",
            build.fired_at, build.state, took, build.reason, detail
        ));
    }
}

/// `1 site`, `2 sites`.
pub(super) fn sites(count: usize) -> String {
    match count {
        1 => "1 site".to_owned(),
        count => format!("{count} sites"),
    }
}
