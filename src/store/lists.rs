//! Lists of posts, in pages.

use serde::Serialize;
use sqlx::FromRow;
use sqlx::types::Json;

use super::Reader;
use super::address::Dialect;
use super::db::pool;
use super::error::StoreError;
use super::estate::parsed;
use crate::model::{Millis, PostId, PostState, SiteName};

/// Which posts are listed.
#[derive(Clone, Debug, Default)]
pub struct PostFilter {
    /// Of this site.
    pub site: Option<SiteName>,
    /// Of these sites; `None`: of any.
    pub sites: Option<Vec<SiteName>>,
    /// Deleted ones too.
    pub deleted: bool,
    /// Only what readers do not see yet: drafts, and posts whose time has not come.
    pub drafts: bool,
    /// Only those that this account wrote, as `slack:TEAM:USER`.
    pub account: Option<String>,
    /// Only what this account may see: its own posts, and those that are published.
    pub seen_by: Option<String>,
    /// How many to leave out, for pages.
    pub offset: u32,
}

/// A post of a list: without its body.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// Its id.
    pub id: PostId,
    /// Its site.
    pub site: String,
    /// Its part of the address.
    pub slug: String,
    /// Its title.
    pub title: String,
    /// Where it is in its life.
    pub state: PostState,
    /// When it is to be, or was, published; of a draft, the time that it is meant for.
    pub publish_at: Option<Millis>,
    /// When it was last changed.
    pub updated_at: Millis,
    /// Who wrote it in chat, as `slack:TEAM:USER`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

#[derive(FromRow)]
struct RawListed {
    id: String,
    site: String,
    slug: String,
    title: String,
    state: String,
    publish_at: Option<i64>,
    updated_at: i64,
    account: Option<String>,
}

impl Reader {
    /// Posts, the newest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be reached.
    pub async fn posts(&self, filter: &PostFilter, limit: u32) -> Result<Vec<Listed>, StoreError> {
        let sites = filter.sites();
        let sql = match (&sites, self.dialect()) {
            (None, _) => LISTED_OF_ALL,
            (Some(_), Dialect::Sqlite) => LISTED_ON_SQLITE,
            (Some(_), Dialect::Postgres) => LISTED_ON_POSTGRES,
        };
        let rows: Vec<RawListed> = pool!(&self.pool, pool => {
            let query = sqlx::query_as(sql)
                .bind(filter.deleted).bind(filter.drafts).bind(&filter.account)
                .bind(&filter.seen_by)
                .bind(i64::from(limit)).bind(i64::from(filter.offset));
            match sites {
                Some(sites) => query.bind(Json(sites)).fetch_all(pool).await?,
                None => query.fetch_all(pool).await?,
            }
        });
        rows.into_iter()
            .map(|raw| {
                Ok(Listed {
                    id: parsed(&raw.id)?,
                    site: raw.site,
                    slug: raw.slug,
                    title: raw.title,
                    state: parsed(&raw.state)?,
                    publish_at: raw.publish_at.map(Millis),
                    updated_at: Millis(raw.updated_at),
                    account: raw.account,
                })
            })
            .collect()
    }

    /// How many posts there are to list, whatever the filter's offset.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be reached.
    pub async fn count_posts(&self, filter: &PostFilter) -> Result<u64, StoreError> {
        let sites = filter.sites();
        let sql = match (&sites, self.dialect()) {
            (None, _) => COUNTED_OF_ALL,
            (Some(_), Dialect::Sqlite) => COUNTED_ON_SQLITE,
            (Some(_), Dialect::Postgres) => COUNTED_ON_POSTGRES,
        };
        let count: i64 = pool!(&self.pool, pool => {
            let query = sqlx::query_scalar(sql)
                .bind(filter.deleted).bind(filter.drafts).bind(&filter.account)
                .bind(&filter.seen_by);
            match sites {
                Some(sites) => query.bind(Json(sites)).fetch_one(pool).await?,
                None => query.fetch_one(pool).await?,
            }
        });
        Ok(count.unsigned_abs())
    }
}

/// A name as a JSON array holds it for SQL.
#[derive(Serialize)]
struct Named<'a> {
    name: &'a SiteName,
}

impl PostFilter {
    /// The sites that both fields allow; `None`: any.
    fn sites(&self) -> Option<Vec<Named<'_>>> {
        let among = |name: &&SiteName| self.sites.as_ref().is_none_or(|all| all.contains(name));
        match (&self.site, &self.sites) {
            (None, None) => None,
            (Some(site), _) => Some(Some(site).filter(among).into_iter().collect::<Vec<_>>()),
            (None, Some(sites)) => Some(sites.iter().collect()),
        }
        .map(|names| names.into_iter().map(|name| Named { name }).collect())
    }
}

macro_rules! listed {
    ($what:literal, $sites:literal $(, $after:literal)?) => {
        concat!(
            "SELECT ",
            $what,
            " FROM ",
            $sites,
            " JOIN post p ON p.site = s.id WHERE ($1 OR p.state <> 'deleted') \
             AND (NOT $2 OR p.state = 'draft' OR p.state = 'scheduled') \
             AND ($3 IS NULL OR p.account = $3) \
             AND ($4 IS NULL OR p.account = $4 OR p.state = 'published')",
            $($after)?
        )
    };
}

macro_rules! page {
    ($sites:literal) => {
        listed!(
            "p.id, s.name AS site, p.slug, p.title, p.state, p.publish_at, p.updated_at, p.account",
            $sites,
            " ORDER BY CASE p.state WHEN 'draft' THEN p.updated_at \
             ELSE COALESCE(p.publish_at, p.updated_at) END DESC, p.id LIMIT $5 OFFSET $6"
        )
    };
}

// Sites that are named lead to their posts by an index. One query that also takes "any site" would
// read every post of every site for them.
const LISTED_OF_ALL: &str = page!("site s");
const LISTED_ON_SQLITE: &str = page!("json_each($7) AS e JOIN site s ON s.name = e.value->>'name'");
const LISTED_ON_POSTGRES: &str =
    page!("jsonb_array_elements($7) AS e JOIN site s ON s.name = e.value->>'name'");
const COUNTED_OF_ALL: &str = listed!("COUNT(*)", "site s");
const COUNTED_ON_SQLITE: &str = listed!(
    "COUNT(*)",
    "json_each($5) AS e JOIN site s ON s.name = e.value->>'name'"
);
const COUNTED_ON_POSTGRES: &str = listed!(
    "COUNT(*)",
    "jsonb_array_elements($5) AS e JOIN site s ON s.name = e.value->>'name'"
);
