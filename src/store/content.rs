use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sqlx::types::Json;

use super::address::Dialect;
use super::db::{Tx, each, pool, tx};
use super::error::StoreError;
use super::estate::parsed;
use super::{Reader, Store};
use crate::model::{
    ContentHash, Digest, Fingerprint, Input, Manifest, Millis, Part, Revision, Slug,
};

/// A published post as a posts part lists it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PostInPart {
    /// Its part of the address.
    pub slug: Slug,
    /// The digest of its revision.
    pub digest: Digest,
    /// Its title, for people who read a diff.
    pub title: String,
}

/// A part to be stored under its digest.
#[derive(Clone, Debug, Serialize)]
pub struct PartRow {
    digest: String,
    input: &'static str,
    content: String,
    #[serde(skip)]
    members: Vec<Digest>,
}

impl PartRow {
    /// Of a part of this input.
    pub fn new(input: Input, part: &Part) -> Self {
        Self {
            digest: part.digest(input).to_string(),
            input: input.as_str(),
            content: part.as_text().to_owned(),
            members: match input {
                Input::Posts => part.items().flat_map(|(_, line)| members(line)).collect(),
                Input::Spec | Input::Files | Input::Revision => Vec::new(),
            },
        }
    }
}

/// The digests of other parts that a line of a posts part mentions. The line of a post mentions
/// none: it begins with the digest of the post's revision, and ends with its title. In any other
/// line every word that is a digest counts: a part that is kept in vain does no harm.
fn members(line: &str) -> impl Iterator<Item = Digest> {
    let is_post = line
        .split_once(' ')
        .is_some_and(|(digest, title)| digest.parse::<Digest>().is_ok() && title.starts_with('"'));
    line.split(' ')
        .filter(move |_| !is_post)
        .filter_map(|word| word.parse().ok())
}

#[derive(Serialize)]
struct Member<'a> {
    part: &'a str,
    member: String,
}

#[derive(Serialize)]
struct ManifestRow {
    hash: String,
    spec: String,
    posts: String,
    files: String,
    revision: String,
}

macro_rules! posts_sql {
    ($each:literal) => {
        concat!(
            "SELECT s.id, s.posts_version, p.slug, p.digest, p.title FROM ",
            $each,
            "($1) AS e JOIN site s ON s.id = e.value->>'d' \
             LEFT JOIN post p ON p.site = s.id AND p.state = 'published'"
        )
    };
}

/// Sites whose posts are read in one query.
const SITES_AT_ONCE: usize = 1_000;

/// The posts part of a site: a line per published post, by its slug.
pub(super) fn posts_part(posts: &[PostInPart]) -> Part {
    Part::from_items(posts.iter().map(|post| {
        let title = serde_json::Value::from(post.title.as_str());
        (post.slug.as_str(), format!("{} {title}", post.digest))
    }))
}

fn post_in_part((slug, digest, title): (String, String, String)) -> Result<PostInPart, StoreError> {
    Ok(PostInPart {
        slug: Slug::from_stored(slug),
        digest: parsed(&digest)?,
        title,
    })
}

/// The published posts of some sites, on SQLite.
#[cfg(test)]
pub(super) const PUBLISHED_POSTS: &str = posts_sql!("json_each");

impl Reader {
    /// The posts part of a site as it is now, with the version that it was taken at.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be reached.
    pub async fn posts_part(&self, site: &str) -> Result<(i64, Part), StoreError> {
        let mut parts = self.posts_parts(&[site]).await?;
        Ok(parts.remove(site).unwrap_or_default())
    }

    /// The posts parts of sites as they are now, by the sites' ids, each with the version that it
    /// was taken at. Ids of no site are left out.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be reached.
    pub async fn posts_parts(
        &self,
        sites: &[&str],
    ) -> Result<BTreeMap<String, (i64, Part)>, StoreError> {
        type Row = (String, i64, Option<String>, Option<String>, Option<String>);
        let mut tx = self.pool.snapshot().await?;
        let mut found: BTreeMap<String, (i64, Vec<PostInPart>)> = BTreeMap::new();
        for batch in sites.chunks(SITES_AT_ONCE) {
            let ids: Vec<Wrapped> = batch
                .iter()
                .map(|site| Wrapped {
                    d: (*site).to_owned(),
                })
                .collect();
            let sql = match tx.dialect() {
                Dialect::Sqlite => posts_sql!("json_each"),
                Dialect::Postgres => posts_sql!("jsonb_array_elements"),
            };
            let rows: Vec<Row> = tx!(&mut tx, conn => sqlx::query_as(sql)
                .bind(Json(ids)).fetch_all(conn).await?);
            for (site, version, slug, digest, title) in rows {
                let (_, posts) = found.entry(site).or_insert((version, Vec::new()));
                if let (Some(slug), Some(digest), Some(title)) = (slug, digest, title) {
                    posts.push(PostInPart {
                        slug: Slug::from_stored(slug),
                        digest: parsed(&digest)?,
                        title,
                    });
                }
            }
        }
        Ok(found
            .into_iter()
            .map(|(site, (version, posts))| (site, (version, posts_part(&posts))))
            .collect())
    }

    /// The posts parts, by the ids of their sites, of those sites that have scheduled posts whose
    /// time has come: as they will be when these are published.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be reached.
    pub async fn posts_with_due_ones(
        &self,
        now: Millis,
    ) -> Result<BTreeMap<String, Part>, StoreError> {
        let rows: Vec<(String, String, String, String)> = pool!(&self.pool, pool =>
            sqlx::query_as(
                "SELECT site, slug, digest, title FROM post \
                 WHERE (state = 'published' OR (state = 'scheduled' AND publish_at <= $1)) \
                 AND site IN (SELECT site FROM post WHERE state = 'scheduled' AND publish_at <= $1)")
            .bind(now.0).fetch_all(pool).await?);
        let mut sites: BTreeMap<String, Vec<PostInPart>> = BTreeMap::new();
        for (site, slug, digest, title) in rows {
            let post = post_in_part((slug, digest, title))?;
            sites.entry(site).or_default().push(post);
        }
        Ok(sites
            .into_iter()
            .map(|(site, posts)| (site, posts_part(&posts)))
            .collect())
    }

    /// The manifest that is stored under a content hash. A part whose text was cleaned up is empty.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be reached.
    pub async fn manifest(&self, hash: &ContentHash) -> Result<Option<Manifest>, StoreError> {
        let row: Option<(String, String, String, String)> = pool!(&self.pool, pool =>
            sqlx::query_as("SELECT spec, posts, files, revision FROM manifest WHERE hash = $1")
                .bind(hash.to_string()).fetch_optional(pool).await?);
        let Some((spec, posts, files, revision)) = row else {
            return Ok(None);
        };
        let digests = [&spec, &posts, &files, &revision]
            .into_iter()
            .map(|digest| parsed(digest))
            .collect::<Result<Vec<Digest>, _>>()?;
        let mut parts = self.parts(&digests).await?;
        let mut take = |digest: &Digest| parts.remove(digest).unwrap_or_default();
        Ok(Some(Manifest {
            spec: take(&digests[0]),
            posts: take(&digests[1]),
            files: take(&digests[2]),
            revision: take(&digests[3]),
        }))
    }

    /// The parts that are stored under these digests; those that are not are left out.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be reached.
    pub async fn parts(&self, digests: &[Digest]) -> Result<BTreeMap<Digest, Part>, StoreError> {
        let rows: Vec<(String, String)> = pool!(&self.pool, pool => sqlx::query_as(each!(
                self.dialect(),
                "SELECT p.digest, p.content FROM ",
                "($1) AS e JOIN part p ON p.digest = e.value->>'d'"))
            .bind(Json(wrapped(digests))).fetch_all(pool).await?);
        rows.into_iter()
            .map(|(digest, content)| Ok((parsed(&digest)?, Part::from_text(content))))
            .collect()
    }

    /// Which of these digests a part is stored under.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be reached.
    pub async fn stored_parts(&self, digests: &[Digest]) -> Result<BTreeSet<Digest>, StoreError> {
        let rows: Vec<String> = pool!(&self.pool, pool => sqlx::query_scalar(each!(
                self.dialect(),
                "SELECT p.digest FROM ",
                "($1) AS e JOIN part p ON p.digest = e.value->>'d'"))
            .bind(Json(wrapped(digests))).fetch_all(pool).await?);
        rows.iter().map(|digest| parsed(digest)).collect()
    }

    /// The revisions of posts that are stored under these digests.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be reached.
    pub async fn revisions(
        &self,
        digests: &[Digest],
    ) -> Result<BTreeMap<Digest, Revision>, StoreError> {
        type Row = (
            String,
            String,
            String,
            Option<String>,
            Option<String>,
            Option<i64>,
        );
        let rows: Vec<Row> = pool!(&self.pool, pool => sqlx::query_as(each!(
                self.dialect(),
                "SELECT r.digest, r.title, r.body, r.category, r.author, r.published_at FROM ",
                "($1) AS e JOIN revision r ON r.digest = e.value->>'d'"))
            .bind(Json(wrapped(digests))).fetch_all(pool).await?);
        rows.into_iter()
            .map(|(digest, title, body, category, author, published_at)| {
                let revision = Revision {
                    title,
                    body,
                    category,
                    author,
                    published_at: published_at.map(Millis),
                };
                Ok((parsed(&digest)?, revision))
            })
            .collect()
    }
}

impl Store {
    /// Keeps the digest of a site's posts, unless they have changed since it was taken.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be written.
    pub async fn keep_posts_digests(
        &self,
        digests: &[(String, i64, Digest)],
    ) -> Result<(), StoreError> {
        #[derive(Serialize)]
        struct Row<'a> {
            site: &'a str,
            version: i64,
            digest: String,
        }
        let rows: Vec<_> = digests
            .iter()
            .map(|(site, version, digest)| Row {
                site,
                version: *version,
                digest: digest.to_string(),
            })
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        let mut tx = self.write.begin_alone().await?;
        let stamp = tx.stamp().await?;
        let sql = each!(
            tx.dialect(),
            "UPDATE site SET posts_digest = e.value->>'digest', \
             posts_digest_version = site.posts_version, seq = $2 FROM ",
            "($1) AS e WHERE site.id = e.value->>'site' \
             AND site.posts_version = CAST(e.value->>'version' AS BIGINT)"
        );
        tx!(&mut tx, conn => sqlx::query(sql).bind(Json(rows)).bind(stamp.0).execute(conn).await.map(|_| ())?);
        tx.commit_silently().await
    }
}

/// Stores manifests and their parts, those that are not there yet.
pub(super) async fn keep(
    tx: &mut Tx,
    manifests: &BTreeMap<ContentHash, Fingerprint>,
    parts: &[PartRow],
) -> Result<(), StoreError> {
    if !parts.is_empty() {
        let sql = each!(
            tx.dialect(),
            "INSERT INTO part (digest, input, content) \
             SELECT e.value->>'digest', e.value->>'input', e.value->>'content' FROM ",
            "($1) AS e WHERE true ON CONFLICT (digest) DO NOTHING"
        );
        tx!(&mut *tx, conn => sqlx::query(sql).bind(Json(parts)).execute(conn).await.map(|_| ())?);
    }
    let members: Vec<Member<'_>> = parts
        .iter()
        .flat_map(|part| {
            part.members.iter().map(|member| Member {
                part: &part.digest,
                member: member.to_string(),
            })
        })
        .collect();
    if !members.is_empty() {
        let sql = each!(
            tx.dialect(),
            "INSERT INTO part_member (part, member) \
             SELECT e.value->>'part', e.value->>'member' FROM ",
            "($1) AS e WHERE true ON CONFLICT DO NOTHING"
        );
        tx!(&mut *tx, conn => sqlx::query(sql).bind(Json(members)).execute(conn).await.map(|_| ())?);
    }
    if manifests.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = manifests
        .iter()
        .map(|(hash, fingerprint)| {
            let Fingerprint {
                spec,
                posts,
                files,
                revision,
            } = fingerprint;
            ManifestRow {
                hash: hash.to_string(),
                spec: spec.to_string(),
                posts: posts.to_string(),
                files: files.to_string(),
                revision: revision.to_string(),
            }
        })
        .collect();
    let sql = each!(
        tx.dialect(),
        "INSERT INTO manifest (hash, spec, posts, files, revision) \
         SELECT e.value->>'hash', e.value->>'spec', e.value->>'posts', e.value->>'files', \
         e.value->>'revision' FROM ",
        "($1) AS e WHERE true ON CONFLICT (hash) DO NOTHING"
    );
    tx!(tx, conn => sqlx::query(sql).bind(Json(rows)).execute(conn).await.map(|_| ())?);
    Ok(())
}

#[derive(Serialize)]
struct Wrapped {
    d: String,
}

/// A plain string in a JSON array would be read with its quotes on PostgreSQL.
fn wrapped(digests: &[Digest]) -> Vec<Wrapped> {
    digests
        .iter()
        .map(|digest| Wrapped {
            d: digest.to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aggregate_mentions_its_members() {
        let digest = Digest::of_bytes(b"a");
        let fake = "0".repeat(64);
        for (line, expected) in [
            (format!("{digest} \"Hello {fake} \""), vec![]),
            (format!("\"The site\" {digest}"), vec![digest]),
            (format!("\"The site\" {digest} [\"a/**\"]"), vec![digest]),
            (format!("\"A {digest} \" {digest}"), vec![digest, digest]),
            (digest.to_string(), vec![digest]),
            ("\"The site\"".to_owned(), vec![]),
        ] {
            assert_eq!(members(&line).collect::<Vec<_>>(), expected, "{line}");
        }
    }
}
