use std::time::Duration;

use super::{Context, Failure};
use crate::engine::estate::Estate;
use crate::engine::tick::look;
use crate::engine::{explain, publish};
use crate::model::{Hold, Input, SiteName};
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
    context.out.data(&format!(
        "{name} will be built by `microblot serve`, or by `microblot reconcile {name}`\n"
    ));
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
