use std::collections::BTreeMap;

use super::dispatch;
use super::estate::{Details, Estate, empty_posts};
use crate::builders::Member;
use crate::model::{
    Decision, Digest, Input, Manifest, Part, Plan, PostsFrom, SiteName, SitePlan, Spec,
};
use crate::plan::show::{Explanation, explain};
use crate::store::{PartRow, Reader, StoreError};

/// The members of a site that shows the posts of others, in the order of [`Estate::members`].
pub fn members(estate: &Estate, name: &SiteName, spec: &Spec) -> Vec<Member> {
    estate
        .members(spec)
        .into_iter()
        .map(|(member_name, member)| Member {
            id: member.id.clone(),
            is_self: member_name == name,
            title: member.spec.title.clone(),
            url: member.spec.url.clone(),
            globs: member.spec.files.clone(),
            posts: member.own_posts(),
        })
        .collect()
}

/// The manifests of what sites should be built from now. A site is left out if it is not known, or
/// if an input could not be read. Without a reader there is no database yet, and no post.
///
/// # Errors
///
/// [`StoreError`] when the database cannot be read.
pub async fn manifests(
    estate: &Estate,
    reader: Option<&Reader>,
    names: &[&SiteName],
) -> Result<BTreeMap<SiteName, Manifest>, StoreError> {
    let known: Vec<(&SiteName, &Details)> = names
        .iter()
        .filter_map(|name| Some((*name, estate.details(name)?)))
        .collect();
    let posts = own_posts(reader, &known).await?;
    let files = files(estate, reader, &known).await?;
    Ok(known
        .into_iter()
        .filter_map(|(name, details)| {
            let manifest = Manifest {
                spec: details.spec.part(),
                posts: match &details.spec.posts {
                    PostsFrom::Own => match estate.part_at_hand(&details.own_posts()) {
                        Some(foreseen) => foreseen.clone(),
                        None => posts
                            .get(&details.id)
                            .map(|(_version, part)| part.clone())
                            .unwrap_or_default(),
                    },
                    PostsFrom::None => Part::default(),
                    PostsFrom::All | PostsFrom::Sites(_) => estate.members_part(&details.spec),
                },
                files: match &details.files {
                    None => Part::default(),
                    Some(Err(_)) => return None,
                    Some(Ok(digest)) => match estate.part_at_hand(digest) {
                        Some(part) => part.clone(),
                        None => files.get(digest)?.clone(),
                    },
                },
                revision: details.revision_part(),
            };
            Some((name.clone(), manifest))
        })
        .collect())
}

async fn own_posts(
    reader: Option<&Reader>,
    sites: &[(&SiteName, &Details)],
) -> Result<BTreeMap<String, (i64, Part)>, StoreError> {
    let ids: Vec<&str> = sites
        .iter()
        .filter(|(_, details)| {
            details.spec.posts == PostsFrom::Own && details.own_posts() != empty_posts()
        })
        .map(|(_, details)| details.id.as_str())
        .collect();
    match reader {
        Some(reader) if !ids.is_empty() => reader.posts_parts(&ids).await,
        _ => Ok(BTreeMap::new()),
    }
}

/// File parts that another replica published; those of this machine are at hand.
async fn files(
    estate: &Estate,
    reader: Option<&Reader>,
    sites: &[(&SiteName, &Details)],
) -> Result<BTreeMap<Digest, Part>, StoreError> {
    let none = Part::default().digest(Input::Files);
    let mut parts = BTreeMap::from([(none, Part::default())]);
    let foreign: Vec<Digest> = sites
        .iter()
        .filter_map(|(_, details)| details.files.as_ref()?.as_ref().ok().copied())
        .filter(|digest| *digest != none && estate.part_at_hand(digest).is_none())
        .collect();
    if let Some(reader) = reader
        && !foreign.is_empty()
    {
        parts.extend(reader.parts(&foreign).await?);
    }
    Ok(parts)
}

/// The parts to store with a claim: those of the manifest, and for an aggregate the posts of its
/// members too, so that the build's exact content can be had later.
///
/// # Errors
///
/// [`StoreError`] when the database cannot be read.
pub async fn part_rows(
    estate: &Estate,
    reader: &Reader,
    name: &SiteName,
    manifest: &Manifest,
) -> Result<Vec<PartRow>, StoreError> {
    let mut rows = dispatch::rows(manifest, |_| false);
    let Some(details) = estate.details(name) else {
        return Ok(rows);
    };
    let members: Vec<Member> = members(estate, name, &details.spec)
        .into_iter()
        .filter(|member| member.posts != empty_posts())
        .collect();
    if members.is_empty() {
        return Ok(rows);
    }
    let digests: Vec<Digest> = members.iter().map(|member| member.posts).collect();
    let stored = reader.stored_parts(&digests).await?;
    let missing: Vec<&str> = members
        .iter()
        .filter(|member| !stored.contains(&member.posts))
        .map(|member| member.id.as_str())
        .collect();
    let posts = reader.posts_parts(&missing).await?;
    rows.extend(
        posts
            .values()
            .map(|(_, part)| PartRow::new(Input::Posts, part)),
    );
    Ok(rows)
}

/// Why each site that is not unchanged differs from what it was last built from.
///
/// # Errors
///
/// [`StoreError`] when the database cannot be read.
pub async fn explanations(
    estate: &Estate,
    reader: Option<&Reader>,
    plan: &Plan,
) -> Result<BTreeMap<SiteName, Explanation>, StoreError> {
    let mut explanations = BTreeMap::new();
    let told: Vec<&SitePlan> = plan
        .sites
        .iter()
        .filter(|site| !matches!(site.decision, Decision::Unchanged | Decision::Forget))
        .collect();
    let names: Vec<&SiteName> = told.iter().map(|site| &site.site).collect();
    let mut manifests = manifests(estate, reader, &names).await?;
    for site in told {
        let Some(wanted) = manifests.remove(&site.site) else {
            continue;
        };
        let last = match (&site.built, reader) {
            (Some(hash), Some(reader)) => reader.manifest(hash).await?,
            _ => None,
        };
        explanations.insert(site.site.clone(), explain(last.as_ref(), &wanted));
    }
    Ok(explanations)
}
