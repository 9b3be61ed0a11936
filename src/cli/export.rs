use std::collections::BTreeMap;

use super::{Context, Failure};
use crate::model::{Origin, SiteName, Spec};

/// Chat-made sites as TOML: pasted into `sites.toml`, the file adopts them, and nothing is rebuilt.
pub(super) async fn export(context: &Context, json: bool) -> Result<(), Failure> {
    let estate = super::estate(context.reader().await?.as_ref()).await?;
    let made: BTreeMap<&SiteName, &Spec> = estate
        .all_details()
        .iter()
        .filter(|(_, details)| details.origin == Origin::Chat && details.is_declared())
        .map(|(name, details)| (name, details.spec.as_ref()))
        .collect();
    if json {
        context.out.json(&made);
        return Ok(());
    }
    if made.is_empty() {
        context.out.note("no site was made in chat");
    }
    for (name, spec) in made {
        context.out.data(&crate::config::to_toml(name, spec));
    }
    Ok(())
}
