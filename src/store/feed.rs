use serde::Serialize;
use sqlx::FromRow;
use sqlx::types::Json;

use super::Reader;
use super::address::Dialect;
use super::db::pool;
use super::error::StoreError;
use super::estate::{json, parsed};
use crate::model::{Digest, Millis, PostsFrom, SiteName, Slug, Spec};

/// A published post, and the site it belongs to. Without its text, which may be large.
#[derive(Clone, Debug)]
pub struct PublishedPost {
    /// The site.
    pub site: SiteName,
    /// The settings of that site.
    pub spec: Spec,
    /// Its part of the address.
    pub slug: Slug,
    /// The digest of its newest revision.
    pub digest: Digest,
    /// The date that readers see.
    pub published_at: Millis,
    /// How long its text is, in bytes.
    pub bytes: usize,
}

#[derive(FromRow)]
struct Raw {
    name: String,
    spec: String,
    slug: String,
    digest: String,
    publish_at: i64,
    bytes: i64,
}

#[derive(Serialize)]
struct Named<'a> {
    name: &'a str,
}

/// The newest of some posts, with what goes into a [`PublishedPost`]. They are chosen before
/// anything else is read, from an index that is in their order.
macro_rules! newest_sql {
    ($condition:literal) => {
        concat!(
            "SELECT s.name, s.spec, n.slug, n.digest, n.publish_at, \
             CAST(octet_length(r.body) AS BIGINT) AS bytes FROM \
             (SELECT p.site, p.slug, p.digest, p.publish_at FROM post p \
              WHERE p.state = 'published' AND ",
            $condition,
            " ORDER BY p.publish_at DESC, p.site DESC, p.slug DESC LIMIT $1) AS n \
             JOIN site s ON s.id = n.site JOIN revision r ON r.digest = n.digest"
        )
    };
}

pub(super) const NEWEST_OF_SITE: &str =
    newest_sql!("p.site = (SELECT id FROM site WHERE name = $2)");

pub(super) const NEWEST: &str =
    newest_sql!("EXISTS (SELECT 1 FROM site m WHERE m.id = p.site AND m.presence = 'declared')");

impl Reader {
    /// The newest published posts that a site shows, at most `limit`, in no order. Of other sites
    /// only those that are declared, and where it shows all, none of another chat workspace.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be reached.
    pub async fn newest_posts(
        &self,
        site: &SiteName,
        spec: &Spec,
        limit: u32,
    ) -> Result<Vec<PublishedPost>, StoreError> {
        let limit = i64::from(limit);
        let rows: Vec<Raw> = match &spec.posts {
            PostsFrom::None => Vec::new(),
            PostsFrom::Own => pool!(&self.pool, pool => sqlx::query_as(NEWEST_OF_SITE)
                .bind(limit).bind(site.as_str()).fetch_all(pool).await?),
            PostsFrom::All => match spec.workspace() {
                None => pool!(&self.pool, pool => sqlx::query_as(NEWEST)
                    .bind(limit).fetch_all(pool).await?),
                Some(workspace) => {
                    let sql = match self.dialect() {
                        Dialect::Sqlite => newest_sql!(
                            "EXISTS (SELECT 1 FROM site m WHERE m.id = p.site \
                             AND m.presence = 'declared' \
                             AND COALESCE(m.spec->'slack'->>'workspace', $2) = $2)"
                        ),
                        Dialect::Postgres => newest_sql!(
                            "EXISTS (SELECT 1 FROM site m WHERE m.id = p.site \
                             AND m.presence = 'declared' \
                             AND COALESCE(CAST(m.spec AS jsonb)->'slack'->>'workspace', $2) = $2)"
                        ),
                    };
                    pool!(&self.pool, pool => sqlx::query_as(sql)
                        .bind(limit).bind(workspace).fetch_all(pool).await?)
                }
            },
            PostsFrom::Sites(names) => {
                let names: Vec<_> = names
                    .iter()
                    .map(|name| Named {
                        name: name.as_str(),
                    })
                    .collect();
                let sql = match self.dialect() {
                    Dialect::Sqlite => newest_sql!(
                        "p.site IN (SELECT m.id FROM json_each($2) AS e \
                         JOIN site m ON m.name = e.value->>'name' AND m.presence = 'declared')"
                    ),
                    Dialect::Postgres => newest_sql!(
                        "p.site IN (SELECT m.id FROM jsonb_array_elements($2) AS e \
                         JOIN site m ON m.name = e.value->>'name' AND m.presence = 'declared')"
                    ),
                };
                pool!(&self.pool, pool => sqlx::query_as(sql)
                    .bind(limit).bind(Json(names)).fetch_all(pool).await?)
            }
        };
        rows.into_iter()
            .map(|raw| {
                Ok(PublishedPost {
                    site: parsed(&raw.name)?,
                    spec: json(&raw.spec)?,
                    slug: Slug::from_stored(raw.slug),
                    digest: parsed(&raw.digest)?,
                    published_at: Millis(raw.publish_at),
                    bytes: usize::try_from(raw.bytes).unwrap_or(usize::MAX),
                })
            })
            .collect()
    }
}
