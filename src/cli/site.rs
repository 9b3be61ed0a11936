use std::time::Duration;

use super::{Context, Failure};
use crate::engine::estate::Estate;
use crate::engine::tick::look;
use crate::engine::{explain, publish};
use crate::model::{BuildState, Decision, Hold, Input, SiteName};
use crate::plan::{plan, show};
use crate::store::{PartRow, Resumed};

pub(super) async fn pause(
    context: &Context,
    name: &SiteName,
    duration: Option<Duration>,
    because: Option<String>,
) -> Result<(), Failure> {
    let store = context.store().await?;
    let site = context.site(&store, name).await?;
    let by = context.actor();
    let now = store.now().await?;
    let hold = Hold {
        by: by.name.clone(),
        because,
        since: now,
        until: duration.map(|duration| now.plus(duration)),
    };
    store.pause(&site.id, name, &hold, &by).await?;
    let until = match hold.until {
        Some(until) => format!("until {until}"),
        None => format!("until `microblot resume {name}`"),
    };
    context.out.data(&format!("{name} is paused {until}\n"));
    Ok(())
}

pub(super) async fn resume(context: &Context, name: &SiteName) -> Result<(), Failure> {
    let store = context.store().await?;
    let site = context.site(&store, name).await?;
    let text = match store.resume(&site.id, name, &context.actor()).await? {
        Resumed::Resumed => format!("{name} is resumed\n"),
        Resumed::NothingHeld => format!("{name} was neither paused nor stalled\n"),
    };
    context.out.data(&text);
    Ok(())
}

pub(super) async fn rebuild(
    context: &Context,
    name: &SiteName,
    clear_cache: bool,
) -> Result<(), Failure> {
    let store = context.store().await?;
    let site = context.site(&store, name).await?;
    store
        .request_rebuild(&site.id, name, clear_cache, &context.actor())
        .await?;
    let mut estate = super::estate(Some(&store)).await?;
    estate.desired.asked_at = Some(estate.now);
    let plan = plan(&estate.desired, &estate.observed, estate.now);
    let decided = plan.sites.iter().find(|site| site.site == *name);
    context.out.data(&match decided {
        Some(decided) if !matches!(decided.decision, Decision::Build(_)) => {
            format!("{name} has to wait: {}\n", show::reason(decided, plan.now))
        }
        _ => format!(
            "{name} will be built by `microblot serve`, or by `microblot reconcile {name}`\n"
        ),
    });
    Ok(())
}

pub(super) async fn adopt(
    context: &Context,
    sites: &[SiteName],
    json: bool,
) -> Result<(), Failure> {
    let gathered = context.workspace().gather().await?;
    let store = context.store().await?;
    let by = context.actor();
    let mut estate = Estate::default();
    estate.refresh(&store).await?;
    estate.keep_files(&gathered.parts);
    if let Some(publication) = publish::difference(&estate, &gathered, false)? {
        let rows = gathered.part_rows(&publication);
        store.publish(&publication, &rows, &by).await?;
    }
    look(&mut estate, &store).await?;
    let wanted: Vec<SiteName> = if sites.is_empty() {
        estate.desired.sites.keys().cloned().collect()
    } else {
        sites.to_vec()
    };
    let mut adopted = Vec::new();
    let mut parts: Vec<PartRow> = Vec::new();
    let names: Vec<&SiteName> = wanted.iter().collect();
    let mut manifests = explain::manifests(&estate, Some(&store), &names).await?;
    for name in &wanted {
        let site = match estate.details(name) {
            Some(site) => site,
            None => return Err(context.unknown_site(&store, name).await?),
        };
        let Some(manifest) = manifests.remove(name) else {
            return Err(Failure::Usage(format!(
                "the inputs of {name} cannot be read; `microblot reconcile --plan {name}` says why"
            )));
        };
        parts.extend(Input::ALL.map(|input| PartRow::new(input, manifest.part(input))));
        adopted.push((site.id.clone(), manifest.fingerprint()));
    }
    store.adopt(&adopted, &parts, &by).await?;
    for name in &wanted {
        let seen = estate.observed.sites.get(name);
        let flight = seen.and_then(|seen| seen.flight.as_ref());
        // Of a dead holder, or of unknown outcome: settled with the adoption.
        if flight.is_some_and(|flight| {
            flight.state == BuildState::Claimed && estate.now < flight.lease_until
        }) {
            context.out.note(&format!(
                "{name} is being built at this moment: what that build brings counts when it ends"
            ));
        }
    }
    if json {
        context.out.json(&wanted);
    } else {
        context.out.data(&format!(
            "{} taken as built as they are now; nothing was fired\n",
            super::status::sites(wanted.len())
        ));
    }
    Ok(())
}
