//! What a run would find after its first writes, for a plan that must not write.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::{Details, Estate, empty_posts};
use crate::model::{Input, News, Origin, Source, Spec};
use crate::store::{Publication, Reader, SiteChange, StoreError};

impl Estate {
    /// Shows what a run would start from: this publication, and the posts whose time has come.
    /// Without a reader there is no database yet.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be read.
    pub async fn foresee(
        &mut self,
        reader: Option<&Reader>,
        publication: Option<&Publication>,
    ) -> Result<(), StoreError> {
        if let (Some(reader), Some(publication)) = (reader, publication) {
            self.recall(reader, publication).await?;
        }
        if let Some(publication) = publication {
            self.publish(publication)?;
        }
        match reader {
            Some(reader) if self.next_post_at.is_some_and(|at| at <= self.now) => {
                self.publish_due_posts(reader).await
            }
            _ => Ok(()),
        }
    }

    /// A forgotten site that is declared again has its posts, and perhaps a build in flight.
    async fn recall(
        &mut self,
        reader: &Reader,
        publication: &Publication,
    ) -> Result<(), StoreError> {
        let unknown: BTreeSet<_> = publication
            .changed
            .iter()
            .map(|change| &change.name)
            .filter(|name| !self.details.contains_key(*name))
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        for mut row in reader.forgotten_sites().await? {
            if !unknown.contains(&row.name) {
                continue;
            }
            if row.origin == Origin::Chat
                && let Some(change) = publication.changed.iter().find(|it| it.name == row.name)
                && row.spec()?.is_anothers(&spec_of(change)?)
            {
                continue;
            }
            // Nobody made it in chat any more.
            row.origin = Origin::File;
            let mut posts = HashMap::new();
            if row.posts.is_none() && row.posts_version > 0 {
                let (version, part) = reader.posts_part(&row.id).await?;
                posts.insert(row.id.clone(), (version, part.digest(Input::Posts)));
            }
            let (id, name) = (row.id.clone(), row.name.clone());
            self.take(row, &posts)?;
            if let Some(stray) = self.strays.iter().find(|stray| stray.site == id)
                && let Some(seen) = self.observed.sites.get_mut(&name)
            {
                seen.flight = Some(stray.flight.clone());
            }
        }
        Ok(())
    }

    async fn publish_due_posts(&mut self, reader: &Reader) -> Result<(), StoreError> {
        let mut touched = BTreeSet::new();
        for (site, part) in reader.posts_with_due_ones(self.now).await? {
            let Some(name) = self.names.get(&site) else {
                continue;
            };
            if let Some(details) = self.details.get_mut(name) {
                details.posts = part.digest(Input::Posts);
                self.foreseen.insert(details.posts, part);
                touched.insert(name.clone());
            }
        }
        self.assemble(&touched, true);
        Ok(())
    }

    fn publish(&mut self, publication: &Publication) -> Result<(), StoreError> {
        let mut touched = BTreeSet::new();
        // The one that gives its name up is forgotten under one of its own, which nobody chose: told
        // with the site that takes its place.
        let mut displacing = Vec::new();
        for (id, name) in &publication.renamed {
            let Some(old) = self.names.get(id).cloned() else {
                continue;
            };
            if let Some(details) = self.details.remove(&old) {
                self.details.insert(name.clone(), details);
                self.names.insert(id.clone(), name.clone());
            }
            if let Some(mut site) = self.desired.sites.remove(&old) {
                site.news = Some(News::Renamed { from: old.clone() });
                self.desired.sites.insert(name.clone(), site);
            }
            if let Some(seen) = self.observed.sites.remove(&old) {
                self.observed.sites.insert(name.clone(), seen);
            }
            touched.insert(name.clone());
        }
        for change in &publication.changed {
            let spec = spec_of(change)?;
            let known = self.details.get(&change.name);
            let displaced = known.filter(|known| known.is_strange_to(&spec));
            let displaced = displaced.map(|known| known.id.clone());
            if let Some(id) = &displaced {
                self.drop_site(&change.name, id);
            }
            let known = self.details.get(&change.name);
            let adopted = known.is_some_and(|known| known.origin == Origin::Chat);
            let details = Details {
                id: known.map_or_else(String::new, |known| known.id.clone()),
                spec_digest: spec.part().digest(Input::Spec),
                spec: Arc::new(spec),
                spec_text: change.spec.clone(),
                origin: Origin::File,
                source: Some(Source { line: change.line }),
                files: match (&change.files_digest, &change.files_problem) {
                    (_, Some(problem)) => Some(Err(problem.clone())),
                    (Some(digest), None) => digest.parse().ok().map(Ok),
                    (None, None) => None,
                },
                revision: change.revision.clone(),
                fence: known.map_or(0, |known| known.fence),
                posts: known.map_or_else(empty_posts, |known| known.posts),
                posts_version: known.map_or(0, |known| known.posts_version),
                declared: true,
            };
            self.details.insert(change.name.clone(), details);
            if change.forgive
                && let Some(seen) = self.observed.sites.get_mut(&change.name)
            {
                seen.trouble = None;
            }
            touched.insert(change.name.clone());
            if adopted && let Some(site) = self.desired.sites.get_mut(&change.name) {
                site.news = Some(News::Adopted);
            }
            if displaced.is_some() {
                displacing.push(&change.name);
            }
        }
        for id in &publication.removed {
            if let Some(name) = self.names.get(id).cloned() {
                if let Some(details) = self.details.get_mut(&name) {
                    details.declared = false;
                }
                touched.insert(name);
            }
        }
        self.holdings_are_stale = true;
        self.desired.limits = publication.settings.limits;
        self.desired.budget = publication.settings.budget;
        self.assemble(&touched, true);
        for name in displacing {
            if let Some(site) = self.desired.sites.get_mut(name) {
                site.news = Some(News::Displaces);
            }
        }
        Ok(())
    }
}

fn spec_of(change: &SiteChange) -> Result<Spec, StoreError> {
    serde_json::from_str(&change.spec).map_err(|error| StoreError::Corrupt(error.to_string()))
}
