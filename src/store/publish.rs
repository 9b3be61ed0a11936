use std::collections::BTreeMap;

use serde::Serialize;
use sqlx::types::Json;

use super::Store;
use super::audit::audit;
use super::content::{self, PartRow};
use super::db::{Keyed, Stamp, Tx, each, keyed, tx};
use super::error::StoreError;
use super::estate::json;
use super::{channels, new_id};
use crate::config::Settings;
use crate::model::{Actor, Digest, SiteName, Spec};

/// What publishing a `sites.toml` changes: the difference to the newest generation.
#[derive(Clone, Debug)]
pub struct Publication {
    /// The generation that it was made against; `None`: there was none.
    pub base: Option<i64>,
    /// Over everything that the new generation says.
    pub digest: Digest,
    /// The code revision of whoever publishes.
    pub revision: Option<String>,
    /// What `sites.toml` says besides sites.
    pub settings: Settings,
    /// Sites that get another name: id and new name.
    pub renamed: Vec<(String, SiteName)>,
    /// Sites that are new or declared differently.
    pub changed: Vec<SiteChange>,
    /// The ids of sites that are no longer declared.
    pub removed: Vec<String>,
    /// A summary for the audit trail.
    pub summary: String,
}

/// A site that is new or declared differently.
#[derive(Clone, Debug, Serialize)]
pub struct SiteChange {
    /// Its name (after renaming).
    pub name: SiteName,
    /// The line that declares it.
    pub line: u32,
    /// Its spec as JSON.
    pub spec: String,
    /// The digest of its files.
    pub files_digest: Option<String>,
    /// Why its files could not be read.
    pub files_problem: Option<String>,
    /// The code revision, if the site depends on it.
    pub revision: Option<String>,
    /// Its settings changed: what failed before may work now.
    pub forgive: bool,
}

#[derive(Serialize)]
struct NewSite<'a> {
    id: String,
    #[serde(flatten)]
    change: &'a SiteChange,
}

#[derive(Serialize)]
struct Renamed<'a> {
    id: &'a str,
    name: &'a SiteName,
}

impl Store {
    /// Publishes the next generation, whole or not at all, with the file parts that it refers to.
    /// Answers its number.
    ///
    /// # Errors
    ///
    /// [`StoreError::Raced`] when somebody else published since the difference was taken.
    pub async fn publish(
        &self,
        publication: &Publication,
        parts: &[PartRow],
        by: &Actor,
    ) -> Result<i64, StoreError> {
        let mut tx = self.write.begin_alone().await?;
        let stamp = tx.stamp().await?;
        let now = tx.now().await?;
        let newest: Option<i64> = tx!(&mut tx, conn => sqlx::query_scalar(
                "SELECT MAX(number) FROM generation").fetch_one(conn).await?);
        if newest != publication.base {
            return Err(StoreError::Raced);
        }
        let number = newest.unwrap_or(0) + 1;
        let settings = serde_json::to_string(&publication.settings).unwrap_or_default();
        tx!(&mut tx, conn => sqlx::query(
                "INSERT INTO generation (number, digest, revision, settings, published_at, \
                 published_by) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(number).bind(publication.digest.to_string()).bind(&publication.revision)
            .bind(&settings).bind(now.0).bind(&by.name).execute(conn).await.map(|_| ())?);
        content::keep(&mut tx, &Default::default(), parts).await?;
        make_way(&mut tx, stamp, &publication.changed).await?;
        rename(&mut tx, stamp, &publication.renamed).await?;
        change(&mut tx, stamp, &publication.changed, by, now.0).await?;
        let removed: Vec<Keyed<'_>> = publication.removed.iter().map(|id| Keyed { id }).collect();
        let sql = each!(
            tx.dialect(),
            "UPDATE site SET presence = 'removed', seq = $2 WHERE presence = 'declared' \
             AND id IN (SELECT e.value->>'id' FROM ",
            "($1) AS e)"
        );
        tx!(&mut tx, conn => sqlx::query(sql).bind(Json(&removed)).bind(stamp.0).execute(conn).await.map(|_| ())?);
        channels::end_strays(&mut tx, now).await?;
        audit(
            &mut tx,
            now,
            by,
            "publish",
            None,
            Some(&publication.summary),
        )
        .await?;
        tx.commit().await?;
        Ok(number)
    }
}

/// Decides what becomes of sites that chat made and whose names the file declares now. Those of the
/// same chat workspace, or where one of both has none, are the file's from here on. One of another
/// workspace gives its name up, with what people there wrote: it is no longer declared, and its
/// posts and builds stay under its id, with a name that nobody else can have.
async fn make_way(tx: &mut Tx, stamp: Stamp, changed: &[SiteChange]) -> Result<(), StoreError> {
    for batch in changed.chunks(5_000) {
        let names = keyed(batch.iter().map(|change| change.name.as_str()));
        let sql = each!(
            tx.dialect(),
            "SELECT s.id, s.name, s.spec FROM ",
            "($1) AS e JOIN site s ON s.name = e.value->>'id' WHERE s.origin = 'chat'"
        );
        let rows: Vec<(String, String, String)> =
            tx!(&mut *tx, conn => sqlx::query_as(sql).bind(Json(&names)).fetch_all(conn).await?);
        let declared: BTreeMap<&str, &str> = batch
            .iter()
            .map(|change| (change.name.as_str(), change.spec.as_str()))
            .collect();
        let mut strange = Vec::new();
        let mut ours = Vec::new();
        for (id, name, spec) in &rows {
            let spec: Spec = json(spec)?;
            let declared = declared.get(name.as_str()).map(|text| json::<Spec>(text));
            match declared
                .transpose()?
                .is_some_and(|it| spec.is_anothers(&it))
            {
                true => strange.push(Keyed { id }),
                false => ours.push(Keyed { id }),
            }
        }
        let aside = each!(
            tx.dialect(),
            "UPDATE site SET name = substr(name, 1, 40) || '-' || substr(id, 25, 12), \
             presence = CASE WHEN presence = 'declared' THEN 'removed' ELSE presence END, \
             seq = $2 WHERE id IN (SELECT e.value->>'id' FROM ",
            "($1) AS e)"
        );
        let adopted = each!(
            tx.dialect(),
            "UPDATE site SET origin = 'file', seq = $2 WHERE id IN (SELECT e.value->>'id' FROM ",
            "($1) AS e)"
        );
        for (sql, ids) in [(aside, strange), (adopted, ours)] {
            if !ids.is_empty() {
                tx!(&mut *tx, conn => sqlx::query(sql).bind(Json(&ids)).bind(stamp.0)
                    .execute(conn).await.map(|_| ())?);
            }
        }
    }
    Ok(())
}

/// A site that is no longer declared and has the new name gives it up: its posts and builds stay
/// under its id. In two steps, through names that nobody can have, so that sites can exchange
/// theirs.
async fn rename(
    tx: &mut Tx,
    stamp: Stamp,
    renamed: &[(String, SiteName)],
) -> Result<(), StoreError> {
    if renamed.is_empty() {
        return Ok(());
    }
    let rows: Vec<Renamed<'_>> = renamed
        .iter()
        .map(|(id, name)| Renamed { id, name })
        .collect();
    let aside = each!(
        tx.dialect(),
        "UPDATE site SET name = substr(name, 1, 40) || '-' || substr(id, 25, 12), seq = $2 \
         WHERE presence <> 'declared' AND name IN (SELECT e.value->>'name' FROM ",
        "($1) AS e)"
    );
    let nameless = each!(
        tx.dialect(),
        "UPDATE site SET name = '/' || id, seq = $2 WHERE id IN (SELECT e.value->>'id' FROM ",
        "($1) AS e)"
    );
    let named = each!(
        tx.dialect(),
        "UPDATE site SET name = e.value->>'name', seq = $2 FROM ",
        "($1) AS e WHERE site.id = e.value->>'id'"
    );
    for sql in [aside, nameless, named] {
        tx!(&mut *tx, conn => sqlx::query(sql).bind(Json(&rows)).bind(stamp.0)
            .execute(conn).await.map(|_| ())?);
    }
    Ok(())
}

async fn change(
    tx: &mut Tx,
    stamp: Stamp,
    changed: &[SiteChange],
    by: &Actor,
    now: i64,
) -> Result<(), StoreError> {
    // In batches: one JSON document of a hundred thousand sites would double the memory.
    for batch in changed.chunks(5_000) {
        let forgiven: Vec<&SiteChange> = batch.iter().filter(|change| change.forgive).collect();
        if !forgiven.is_empty() {
            let sql = each!(
                tx.dialect(),
                "UPDATE observed SET failures = 0, failed_at = NULL, failed_error = NULL, \
                 failed_after = NULL, stalled = FALSE, seq = $2 FROM ",
                "($1) AS e JOIN site s ON s.name = e.value->>'name' \
                 WHERE observed.site = s.id AND (observed.failures > 0 OR observed.stalled = TRUE)"
            );
            tx!(&mut *tx, conn => sqlx::query(sql).bind(Json(&forgiven)).bind(stamp.0)
                .execute(conn).await.map(|_| ())?);
        }
        let rows: Vec<NewSite<'_>> = batch
            .iter()
            .map(|change| NewSite {
                id: new_id(),
                change,
            })
            .collect();
        let sql = each!(
            tx.dialect(),
            "INSERT INTO site (id, name, seq, origin, presence, line, spec, files_digest, \
             files_problem, revision, created_by, created_at) \
             SELECT e.value->>'id', e.value->>'name', $2, 'file', 'declared', \
             CAST(e.value->>'line' AS BIGINT), e.value->>'spec', e.value->>'files_digest', \
             e.value->>'files_problem', e.value->>'revision', $3, $4 FROM ",
            "($1) AS e WHERE true ON CONFLICT (name) DO UPDATE SET seq = excluded.seq, \
             origin = 'file', presence = 'declared', line = excluded.line, spec = excluded.spec, \
             files_digest = excluded.files_digest, files_problem = excluded.files_problem, \
             revision = excluded.revision WHERE site.origin = 'file'"
        );
        let written = tx!(&mut *tx, conn => sqlx::query(sql).bind(Json(&rows)).bind(stamp.0)
            .bind(&by.name).bind(now).execute(conn).await?.rows_affected());
        if written != batch.len() as u64 {
            // Chat made a site of such a name a moment ago: whose it is has to be looked at first.
            return Err(StoreError::Raced);
        }
        let sql = each!(
            tx.dialect(),
            "INSERT INTO observed (site, seq) SELECT s.id, $2 FROM ",
            "($1) AS e JOIN site s ON s.name = e.value->>'name' WHERE true \
             ON CONFLICT (site) DO NOTHING"
        );
        tx!(&mut *tx, conn => sqlx::query(sql).bind(Json(&rows)).bind(stamp.0).execute(conn).await.map(|_| ())?);
    }
    Ok(())
}
