use serde::Serialize;
use sqlx::types::Json;

use super::audit::audit_sites;
use super::content::{self, PartRow};
use super::db::{each, tx};
use super::error::StoreError;
use super::{Store, promises};
use crate::model::{Actor, Fingerprint};

#[derive(Serialize)]
struct Adopted<'a> {
    site: &'a str,
    hash: String,
    spec: String,
    posts: String,
    files: String,
    revision: String,
}

impl Store {
    /// Takes this content of these sites (by id) as built, without building. The parts are those
    /// of their manifests. Whatever asked for a build is settled with that: requests, failures,
    /// approvals, and builds of which nobody knows whether they came to anything.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written.
    pub async fn adopt(
        &self,
        sites: &[(String, Fingerprint)],
        parts: &[PartRow],
        by: &Actor,
    ) -> Result<(), StoreError> {
        let mut tx = self.write.begin_alone().await?;
        let stamp = tx.stamp().await?;
        let now = tx.now().await?;
        let manifests = sites
            .iter()
            .map(|(_, fingerprint)| (fingerprint.hash(), *fingerprint))
            .collect();
        content::keep(&mut tx, &manifests, parts).await?;
        let rows: Vec<Adopted<'_>> = sites
            .iter()
            .map(|(site, fingerprint)| {
                let Fingerprint {
                    spec,
                    posts,
                    files,
                    revision,
                } = fingerprint;
                Adopted {
                    site,
                    hash: fingerprint.hash().to_string(),
                    spec: spec.to_string(),
                    posts: posts.to_string(),
                    files: files.to_string(),
                    revision: revision.to_string(),
                }
            })
            .collect();
        let over = each!(
            tx.dialect(),
            "UPDATE build SET ended_at = $2, \
             state = CASE WHEN state = 'unknown' AND deadline > $2 THEN 'superseded' ELSE 'lost' END \
             WHERE ended_at IS NULL AND (state = 'unknown' OR lease_until <= $2) \
             AND site IN (SELECT e.value->>'site' FROM ",
            "($1) AS e) RETURNING id"
        );
        let over: Vec<String> = tx!(&mut tx, conn => sqlx::query_scalar(over)
            .bind(Json(&rows)).bind(now.0).fetch_all(conn).await?);
        let sql = each!(
            tx.dialect(),
            "UPDATE observed SET seq = $2, fence = fence + 1, built_at = $3, built_hash = e.value->>'hash', \
             built_spec = e.value->>'spec', built_posts = e.value->>'posts', \
             built_files = e.value->>'files', built_revision = e.value->>'revision', \
             uncertain = FALSE, wanted_hash = NULL, wanted_since = NULL, drift_since = NULL, \
             failures = 0, failed_at = NULL, failed_error = NULL, failed_after = NULL, \
             stalled = FALSE, broken_hash = NULL, broken_at = NULL, broken_error = NULL, \
             vain_hash = NULL, vain_count = 0, vain_at = NULL, vain_error = NULL FROM ",
            "($1) AS e WHERE observed.site = e.value->>'site'"
        );
        tx!(&mut tx, conn => sqlx::query(sql).bind(Json(&rows)).bind(stamp.0).bind(now.0)
            .execute(conn).await.map(|_| ())?);
        let sql = each!(
            tx.dialect(),
            "UPDATE site SET rebuild = NULL, approved = NULL, seq = $2 \
             WHERE (rebuild IS NOT NULL OR approved IS NOT NULL) AND id IN (SELECT e.value->>'site' FROM ",
            "($1) AS e)"
        );
        tx!(&mut tx, conn => sqlx::query(sql).bind(Json(&rows)).bind(stamp.0)
            .execute(conn).await.map(|_| ())?);
        promises::unbind(&mut tx, now, over.iter().map(String::as_str)).await?;
        let ids = sites.iter().map(|(site, _)| site.as_str());
        audit_sites(&mut tx, now, by, "adopt", ids).await?;
        tx.commit().await
    }
}
