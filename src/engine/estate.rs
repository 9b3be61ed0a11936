mod details;
mod foresee;
mod holdings;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

pub use details::{Details, empty_posts};
pub use holdings::Holdings;

use crate::config::Settings;
use crate::inputs::SiteFiles;
use crate::model::{
    Desired, DesiredSite, Digest, Flight, Input, Millis, Observed, ObservedSite, Part, PostsFrom,
    SiteName, Spec,
};
use crate::store::{
    Delta, FlightRow, Generation, LONGEST_LEASE, ObservedRow, Presence, Reader, SiteRow, StoreError,
};

/// Desired and observed state of every site, kept in memory and brought up to date with what
/// changed: a look at an estate of any size in which nothing changed costs one small query.
#[derive(Debug, Default)]
pub struct Estate {
    /// For the planner.
    pub desired: Desired,
    /// For the planner.
    pub observed: Observed,
    /// The newest generation.
    pub generation: Option<Generation>,
    /// When the next scheduled post is to be published.
    pub next_post_at: Option<Millis>,
    /// The time of the last look.
    pub now: Millis,
    /// Goes up with every look that saw something new.
    pub version: u64,
    /// For this long from now on nobody is taken for dead: no holder could renew its lease while the
    /// database was away.
    pub grace: Duration,
    details: BTreeMap<SiteName, Details>,
    names: HashMap<String, SiteName>,
    flying: BTreeSet<SiteName>,
    files: HashMap<Digest, Arc<SiteFiles>>,
    // Builds in flight of sites that are forgotten.
    strays: Vec<FlightRow>,
    // Posts parts that no database holds yet.
    foreseen: HashMap<Digest, Part>,
    // Taken anew when a site comes, goes, or is built otherwise: there may be many.
    holdings: Arc<Holdings>,
    holdings_are_stale: bool,
    cursor: i64,
}

/// Digests of posts that were taken anew: site id, the version they are of, and the digest.
pub type FreshPosts = Vec<(String, i64, Digest)>;

impl Estate {
    /// Reads what changed since the last look. Answers the digests of posts that had to be taken
    /// anew; keeping them saves the next reader the work.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be read: then the estate is as it was.
    pub async fn refresh(&mut self, reader: &Reader) -> Result<FreshPosts, StoreError> {
        let delta = reader.estate_since(self.cursor).await?;
        let mut posts = HashMap::new();
        let mut unknown = Vec::new();
        for row in &delta.sites {
            if row.posts.is_some() || row.posts_version == 0 || row.presence == Presence::Forgotten
            {
                continue;
            }
            let known = self
                .names
                .get(&row.id)
                .and_then(|name| self.details.get(name));
            match known {
                Some(known) if known.posts_version == row.posts_version => {
                    posts.insert(row.id.clone(), (known.posts_version, known.posts));
                }
                _ => unknown.push(row.id.as_str()),
            }
        }
        let mut fresh = FreshPosts::new();
        for (site, (version, part)) in reader.posts_parts(&unknown).await? {
            let digest = part.digest(Input::Posts);
            posts.insert(site.clone(), (version, digest));
            fresh.push((site, version, digest));
        }
        self.apply(delta, &posts)?;
        Ok(fresh)
    }

    /// The whole state again, as after a start.
    pub fn forget_everything(&mut self) {
        *self = Self {
            desired: Desired {
                asked_at: self.desired.asked_at,
                only: self.desired.only.take(),
                ..Desired::default()
            },
            files: std::mem::take(&mut self.files),
            version: self.version,
            ..Self::default()
        };
    }

    /// Keeps the file parts of this machine at hand, instead of reading them from the database.
    pub fn keep_files(&mut self, files: &HashMap<Digest, Arc<SiteFiles>>) {
        self.files = files.clone();
    }

    /// A part that need not be read from the database: of files of this machine, or of posts that
    /// no database holds yet.
    pub fn part_at_hand(&self, digest: &Digest) -> Option<&Part> {
        let files = self.files.get(digest).map(|files| files.part());
        files.or_else(|| self.foreseen.get(digest))
    }

    /// Lets `change` look at every build in flight.
    pub fn each_flight(&mut self, mut change: impl FnMut(&mut Flight)) {
        for name in &self.flying {
            if let Some(seen) = self.observed.sites.get_mut(name)
                && let Some(flight) = &mut seen.flight
            {
                change(flight);
            }
        }
    }

    /// Whether stored times lie in the future by more than `tolerance`: the clock was set back, and
    /// what was to happen "in ten seconds" would wait for the old time to come again.
    pub fn is_ahead(&self, tolerance: Duration) -> bool {
        let latest = self.now.plus(tolerance);
        let longest = latest.plus(LONGEST_LEASE);
        let flight = |flight: &Flight| flight.since > latest || flight.lease_until > longest;
        let site = |seen: &ObservedSite| {
            seen.wanted
                .is_some_and(|wanted| wanted.since.max(wanted.drift_since) > latest)
                || seen.built.as_ref().is_some_and(|it| it.at > latest)
                || seen.trouble.as_ref().is_some_and(|it| it.at > latest)
                || seen.vain.as_ref().is_some_and(|it| it.at > latest)
                || seen.flight.as_ref().is_some_and(flight)
        };
        let fired = &self.observed.account.fired;
        self.observed.sites.values().any(site) || fired.iter().any(|at| *at > latest)
    }

    /// The place up to which it has read the database.
    pub fn cursor(&self) -> i64 {
        self.cursor
    }

    /// What is known of a site.
    pub fn details(&self, name: &SiteName) -> Option<&Details> {
        self.details.get(name)
    }

    /// What is known of every site.
    pub fn all_details(&self) -> &BTreeMap<SiteName, Details> {
        &self.details
    }

    /// What `sites.toml` says besides sites, as last published.
    pub fn settings(&self) -> Settings {
        self.generation
            .as_ref()
            .map(|generation| generation.settings.clone())
            .unwrap_or_default()
    }

    /// What declared sites have for themselves.
    pub fn holdings(&self) -> Arc<Holdings> {
        self.holdings.clone()
    }

    fn apply(
        &mut self,
        delta: Delta,
        posts: &HashMap<String, (i64, Digest)>,
    ) -> Result<(), StoreError> {
        let mut touched = BTreeSet::new();
        let mut members_changed = false;
        if !(delta.sites.is_empty() && delta.observed.is_empty())
            || self.generation != delta.generation
        {
            self.version += 1;
        }
        for row in &delta.sites {
            if let Some(old) = self.names.get(&row.id)
                && *old != row.name
            {
                // Renamed by another process: it comes back below under its new name. All of these
                // go first, since another site may have the old name now.
                let old = old.clone();
                self.names.remove(&row.id);
                members_changed |= self.drop_site(&old, &row.id);
            }
        }
        for row in delta.sites {
            if row.presence == Presence::Forgotten {
                members_changed |= self.drop_site(&row.name, &row.id);
                continue;
            }
            touched.insert(row.name.clone());
            members_changed |= self.take(*row, posts)?;
        }
        if self.generation != delta.generation {
            let settings = delta
                .generation
                .as_ref()
                .map(|generation| generation.settings.clone())
                .unwrap_or_default();
            self.desired.limits = settings.limits;
            self.desired.budget = settings.budget;
            self.generation = delta.generation;
        }
        for (site, row) in delta.observed {
            // Of a forgotten site, which nobody looks at.
            if let Some(name) = self.names.get(&site).cloned() {
                self.observe(&name, row);
            }
        }
        self.assemble(&touched, members_changed);
        self.land_and_fly(delta.flights);
        self.observed.account = delta.account;
        self.next_post_at = delta.next_post_at;
        self.cursor = delta.cursor;
        self.now = delta.now;
        Ok(())
    }

    /// Takes a row over. Answers whether an aggregate could see the difference.
    fn take(
        &mut self,
        row: SiteRow,
        posts: &HashMap<String, (i64, Digest)>,
    ) -> Result<bool, StoreError> {
        let known = self.details.get(&row.name);
        let (posts_version, posts) = match (row.posts, posts.get(&row.id)) {
            (Some(digest), _) => (row.posts_version, digest),
            (None, Some(taken)) => *taken,
            (None, None) => (row.posts_version, empty_posts()),
        };
        let declared = row.presence == Presence::Declared;
        let (spec, spec_digest) = match known {
            Some(known) if known.spec_text == row.spec => (known.spec.clone(), known.spec_digest),
            _ => {
                let spec = row.spec()?;
                let digest = spec.part().digest(Input::Spec);
                (Arc::new(spec), digest)
            }
        };
        let visible = known.is_none_or(|known| {
            known.posts != posts || known.declared != declared || !Arc::ptr_eq(&known.spec, &spec)
        });
        let holds_the_same = known.is_some_and(|known| {
            known.declared == declared
                && known.origin == row.origin
                && known.spec.build == spec.build
        });
        let desired = self.desired.sites.entry(row.name.clone());
        let desired = desired.or_insert_with(|| DesiredSite {
            origin: row.origin,
            source: row.source,
            target: None,
            timing: Default::default(),
            builder: crate::model::BuilderKind::Render,
            hold: None,
            rebuild: None,
            approved: None,
            news: None,
        });
        desired.hold = row.hold;
        desired.rebuild = row.rebuild;
        desired.approved = row.approved;
        desired.news = None;
        self.names.insert(row.id.clone(), row.name.clone());
        let details = Details {
            id: row.id,
            spec,
            spec_text: row.spec,
            origin: row.origin,
            source: row.source,
            files: row.files,
            revision: row.revision,
            fence: row.observed.fence,
            spec_digest,
            posts,
            posts_version,
            declared,
        };
        self.details.insert(row.name.clone(), details);
        self.holdings_are_stale |= !holds_the_same;
        self.observe(&row.name, row.observed);
        Ok(visible)
    }

    /// Takes over what came of a site's builds.
    fn observe(&mut self, name: &SiteName, row: ObservedRow) {
        if let Some(details) = self.details.get_mut(name) {
            details.fence = row.fence;
        }
        let seen = self.observed.sites.entry(name.clone()).or_default();
        *seen = ObservedSite {
            built: row.built,
            uncertain: row.uncertain,
            wanted: row.wanted,
            flight: seen.flight.take(),
            trouble: row.trouble,
            broken: row.broken,
            vain: row.vain,
        };
    }

    /// Forgets a site, unless its name is another site's by now. Answers whether it was there.
    fn drop_site(&mut self, name: &SiteName, id: &str) -> bool {
        if self.details.get(name).is_none_or(|known| known.id != id) {
            return false;
        }
        if let Some(details) = self.details.remove(name) {
            self.names.remove(&details.id);
            self.holdings_are_stale = true;
        }
        self.desired.sites.remove(name);
        self.observed.sites.remove(name);
        self.flying.remove(name);
        true
    }

    fn land_and_fly(&mut self, flights: Vec<FlightRow>) {
        for name in std::mem::take(&mut self.flying) {
            if let Some(seen) = self.observed.sites.get_mut(&name) {
                seen.flight = None;
            }
        }
        self.strays.clear();
        for row in flights {
            if let Some(name) = self.names.get(&row.site)
                && let Some(seen) = self.observed.sites.get_mut(name)
            {
                self.flying.insert(name.clone());
                if let Some(details) = self.details.get_mut(name) {
                    details.fence = details.fence.max(row.flight.fence);
                }
                seen.flight = Some(row.flight);
            } else {
                self.strays.push(row);
            }
        }
    }

    /// Computes the targets of the touched sites, and of the aggregates if a member changed.
    fn assemble(&mut self, touched: &BTreeSet<SiteName>, members_changed: bool) {
        let mut names: BTreeSet<SiteName> = touched.clone();
        if std::mem::take(&mut self.holdings_are_stale) {
            let holdings = Holdings::of(&self.details);
            names.extend(self.holdings.moved(&holdings).cloned());
            self.holdings = Arc::new(holdings);
        }
        if members_changed {
            let aggregates = self.details.iter();
            let aggregates = aggregates.filter(|(_, details)| details.spec.posts.is_aggregate());
            names.extend(aggregates.map(|(name, _)| name.clone()));
        }
        let mut everybody = HashMap::new();
        for name in names {
            let Some(details) = self.details.get(&name) else {
                continue;
            };
            let posts = match &details.spec.posts {
                PostsFrom::Own => details.posts,
                PostsFrom::None => empty_posts(),
                // The same for all sites of one kind of builder and one workspace: taken once,
                // however many ask.
                PostsFrom::All => *everybody
                    .entry((details.spec.build.kind(), details.spec.workspace()))
                    .or_insert_with(|| self.members_part(&details.spec).digest(Input::Posts)),
                PostsFrom::Sites(_) => self.members_part(&details.spec).digest(Input::Posts),
            };
            let target = details
                .declared
                .then(|| match self.holdings.problem(&name, details) {
                    Some(problem) => Err(problem),
                    None => details.target(posts),
                });
            let site = DesiredSite {
                origin: details.origin,
                source: details.source,
                target,
                timing: details.spec.timing,
                builder: details.spec.build.kind(),
                hold: None,
                rebuild: None,
                approved: None,
                news: None,
            };
            match self.desired.sites.get_mut(&name) {
                Some(known) => {
                    *known = DesiredSite {
                        hold: known.hold.take(),
                        rebuild: known.rebuild.take(),
                        approved: known.approved,
                        news: known.news.take(),
                        ..site
                    };
                }
                None => {
                    self.desired.sites.insert(name, site);
                }
            }
        }
    }

    /// The members whose posts a site shows: every site, or those it names. What another chat
    /// workspace publishes is shown only where it is named. In the order of what readers see of
    /// them: neither a rename nor another order in `sites.toml` makes another page.
    pub fn members(&self, spec: &Spec) -> Vec<(&SiteName, &Details)> {
        let declared = |(_, details): &(&SiteName, &Details)| details.declared;
        let mut members: Vec<(&SiteName, &Details)> = match &spec.posts {
            PostsFrom::All => self
                .details
                .iter()
                .filter(declared)
                .filter(|(_, details)| !details.spec.is_anothers(spec))
                .collect(),
            PostsFrom::Sites(names) => names
                .iter()
                .filter_map(|name| self.details.get_key_value(name))
                .filter(declared)
                .collect(),
            PostsFrom::Own | PostsFrom::None => Vec::new(),
        };
        members.sort_by(|(_, a), (_, b)| {
            (&a.spec.url, &a.spec.title).cmp(&(&b.spec.url, &b.spec.title))
        });
        members
    }

    /// The posts part of an aggregate: a line per member, by its address.
    ///
    /// A member's title and address are in it, since they are shown beside its posts, and its
    /// name is not, so that a rename rebuilds nothing. A hosted aggregate gets posts and no more: a
    /// member without posts is left out. The built-in renderer lists every member, and shows what
    /// each keeps in files, found by its globs.
    pub fn members_part(&self, spec: &Spec) -> Part {
        let rendered = matches!(spec.build, crate::model::BuilderSpec::Render { .. });
        let empty = empty_posts();
        Part::from_items(
            self.members(spec)
                .into_iter()
                .filter(|(_, member)| rendered || member.posts != empty)
                .map(|(_, member)| {
                    let title = serde_json::Value::from(member.spec.title.as_str());
                    let mut value = format!("{title} {}", member.posts);
                    if rendered && !member.spec.files.is_empty() {
                        value.push(' ');
                        value.push_str(&serde_json::json!(member.spec.files).to_string());
                    }
                    (member.spec.url.clone(), value)
                }),
        )
    }
}
