use std::collections::BTreeMap;

use super::dispatch;
use super::estate::{Details, Estate, empty_posts};
use crate::model::{Decision, Digest, Input, Manifest, Part, Plan, PostsFrom, SiteName, Spec};
use crate::plan::show::{Explanation, explain};
use crate::store::{PartRow, Reader, StoreError};

/// Another site that an aggregate shows.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its id in the store.
    pub id: String,
    /// Whether it is the very site that shows it.
    pub is_self: bool,
    /// What people call it.
    pub title: String,
    /// Where it is published.
    pub url: String,
    /// The globs of its files.
    pub globs: Vec<String>,
    /// The digest of its own posts.
    pub posts: Digest,
}

/// The members of a site that shows the posts of others, in the order of their names.
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

/// The manifest of what a site should be built from now. `None`: it is not known, or an input
/// could not be read. Without a reader there is no database yet, and no post.
///
/// # Errors
///
/// [`StoreError`] when the database cannot be read.
pub async fn manifest(
    estate: &Estate,
    reader: Option<&Reader>,
    name: &SiteName,
) -> Result<Option<Manifest>, StoreError> {
    let Some(details) = estate.details(name) else {
        return Ok(None);
    };
    let Some(files) = files(estate, reader, details).await? else {
        return Ok(None);
    };
    Ok(Some(Manifest {
        spec: details.spec.part(),
        posts: match &details.spec.posts {
            PostsFrom::Own if details.own_posts() != empty_posts() => {
                match (estate.part_at_hand(&details.own_posts()), reader) {
                    (Some(part), _) => part.clone(),
                    (None, Some(reader)) => reader.posts_part(&details.id).await?.1,
                    (None, None) => Part::default(),
                }
            }
            PostsFrom::Own | PostsFrom::None => Part::default(),
            PostsFrom::All | PostsFrom::Sites(_) => estate.members_part(&details.spec),
        },
        files,
        revision: details.revision_part(),
    }))
}

async fn files(
    estate: &Estate,
    reader: Option<&Reader>,
    details: &Details,
) -> Result<Option<Part>, StoreError> {
    match &details.files {
        None => Ok(Some(Part::default())),
        Some(Err(_)) => Ok(None),
        Some(Ok(digest)) => {
            if let Some(part) = estate.part_at_hand(digest) {
                return Ok(Some(part.clone()));
            }
            if *digest == Part::default().digest(Input::Files) {
                return Ok(Some(Part::default()));
            }
            match reader {
                Some(reader) => Ok(reader.parts(&[*digest]).await?.remove(digest)),
                None => Ok(None),
            }
        }
    }
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
    let digests: Vec<Digest> = members.iter().map(|member| member.posts).collect();
    let stored = reader.parts(&digests).await?;
    for member in members {
        if !stored.contains_key(&member.posts) {
            let (_, part) = reader.posts_part(&member.id).await?;
            rows.push(PartRow::new(Input::Posts, &part));
        }
    }
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
    for site in &plan.sites {
        if matches!(site.decision, Decision::Unchanged | Decision::Forget) {
            continue;
        }
        let Some(wanted) = manifest(estate, reader, &site.site).await? else {
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
