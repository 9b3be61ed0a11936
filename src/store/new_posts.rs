//! New posts, many in one transaction.
//!
//! A commit waits for the disk. PostgreSQL lets many transactions wait together; SQLite has one
//! writer, so posts that come while another transaction is being written share the next one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use sqlx::types::Json;
use tokio::sync::oneshot;

use super::address::Dialect;
use super::audit::{self, Line};
use super::db::{Stamp, Tx, each, tx};
use super::error::StoreError;
use super::posts::{posts_changed, shown_date, storable, when};
use super::promises::{Promise, promise};
use super::{Store, without_nul};
use crate::model::{Actor, Millis, Post, PostDraft, PostId, PostState, Revision, SiteName, Slug};

/// A post that is to be stored.
#[derive(Clone, Debug)]
pub(super) struct NewPost {
    pub(super) site: String,
    pub(super) name: SiteName,
    pub(super) draft: PostDraft,
    pub(super) by: Actor,
    /// The message that it mirrors, and which version of it.
    pub(super) source: Option<(String, String)>,
}

type Answer = oneshot::Sender<Result<Post, StoreError>>;

/// Posts that wait for the next transaction, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Queue(Mutex<Vec<(NewPost, Answer)>>);

/// Posts in one transaction: enough to make the disk's part small, few enough to keep others'
/// waiting short.
const AT_ONCE: usize = 256;

impl Queue {
    /// Whether it was empty: then whoever asks has to see to it that somebody writes.
    fn push(&self, new: NewPost, answer: Answer) -> bool {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push((new, answer));
        waiting.len() == 1
    }

    /// The next posts, without those whose writers went away; and whether some are left.
    fn take(&self, most: usize) -> (Vec<(NewPost, Answer)>, bool) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let end = most.min(waiting.len());
        let rest = waiting.split_off(end);
        let mut taken = std::mem::replace(&mut *waiting, rest);
        taken.retain(|(_, answer)| !answer.is_closed());
        (taken, !waiting.is_empty())
    }
}

/// Whoever writes what waits. Given up half-way (the runtime ends, say), it leaves an empty queue:
/// otherwise nobody would ever be the first again.
struct Turn {
    queue: Arc<Queue>,
    /// What is in the queue from now on is another one's turn.
    over: bool,
}

impl Turn {
    fn take(&mut self) -> Vec<(NewPost, Answer)> {
        let (taken, more) = self.queue.take(AT_ONCE);
        self.over = !more;
        taken
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.over {
            self.queue.take(usize::MAX);
        }
    }
}

impl Store {
    /// Stores a new post of a site (by id).
    ///
    /// # Errors
    ///
    /// [`StoreError::AlreadyDone`] when the same request came before. Any other when the database
    /// cannot be written: then there is no post.
    pub async fn new_post(
        &self,
        site: &str,
        name: &SiteName,
        draft: &PostDraft,
        by: &Actor,
    ) -> Result<Post, StoreError> {
        let new = NewPost {
            site: site.to_owned(),
            name: name.clone(),
            draft: draft.clone(),
            by: by.clone(),
            source: None,
        };
        if self.dialect() == Dialect::Postgres {
            return self.write_alone(&new).await;
        }
        let (answer, answered) = oneshot::channel();
        if self.new_posts.push(new, answer) {
            let store = self.clone();
            tokio::spawn(async move { store.write_what_waits().await });
        }
        answered.await.unwrap_or(Err(StoreError::Silent))
    }

    async fn write_what_waits(&self) {
        let mut turn = Turn {
            queue: Arc::clone(&self.new_posts),
            over: false,
        };
        while !turn.over {
            // While this one waits until it may write, others join.
            let tx = self.write.begin().await;
            let (new, answers): (Vec<NewPost>, Vec<Answer>) = turn.take().into_iter().unzip();
            let written = match tx {
                Ok(tx) => write(tx, &new).await,
                Err(error) => Err(error),
            };
            match written {
                Ok(posts) => {
                    for (post, answer) in posts.into_iter().zip(answers) {
                        // Whoever does not wait for the answer any more finds the post.
                        let _gone = answer.send(post.ok_or(StoreError::AlreadyDone));
                    }
                }
                // Another try would wait as long again, and so would everybody behind it.
                Err(StoreError::Silent) => drop(answers),
                // Nothing is stored. Each by itself: one that cannot be stored holds up no other,
                // and everybody learns what is wrong with their own.
                Err(_) => {
                    for (new, answer) in new.iter().zip(answers) {
                        if let Some(written) = self.write_if_awaited(new, &answer).await {
                            let _gone = answer.send(written);
                        }
                    }
                }
            }
        }
    }

    async fn write_alone(&self, new: &NewPost) -> Result<Post, StoreError> {
        write_one(self.write.begin().await?, new).await
    }

    /// `None`: nobody waits for it any more, and nothing is stored. Whoever went away was told so.
    async fn write_if_awaited(
        &self,
        new: &NewPost,
        answer: &Answer,
    ) -> Option<Result<Post, StoreError>> {
        if answer.is_closed() {
            return None;
        }
        let tx = self.write.begin().await;
        // It may have taken until now that this one may write.
        if answer.is_closed() {
            return None;
        }
        Some(match tx {
            Ok(tx) => write_one(tx, new).await,
            Err(error) => Err(error),
        })
    }
}

async fn write_one(tx: Tx, new: &NewPost) -> Result<Post, StoreError> {
    let mut posts = write(tx, std::slice::from_ref(new)).await?;
    posts.pop().flatten().ok_or(StoreError::AlreadyDone)
}

async fn write(mut tx: Tx, new: &[NewPost]) -> Result<Vec<Option<Post>>, StoreError> {
    let stamp = tx.stamp().await?;
    let now = tx.now().await?;
    let posts = insert(&mut tx, stamp, now, new).await?;
    tx.commit().await?;
    Ok(posts)
}

#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    site: &'a str,
    slug: &'a str,
    state: &'static str,
    publish_at: Option<i64>,
    digest: String,
    title: &'a str,
    by: std::borrow::Cow<'a, str>,
    account: Option<&'a str>,
    source: Option<&'a str>,
    version: Option<&'a str>,
}

fn row<'a>(new: &'a NewPost, post: &'a Post) -> Row<'a> {
    Row {
        id: post.id.as_str(),
        site: &new.site,
        slug: post.slug.as_str(),
        state: post.state.as_str(),
        publish_at: post.publish_at.map(|at| at.0),
        digest: post.digest.to_string(),
        title: &post.revision.title,
        by: without_nul(&new.by.name),
        account: new.by.account.as_deref(),
        source: new.source.as_ref().map(|(source, _)| source.as_str()),
        version: new.source.as_ref().map(|(_, version)| version.as_str()),
    }
}

/// Stores new posts with all that belongs to them, in as many statements as for one. `None`: its
/// request was answered before.
pub(super) async fn insert(
    tx: &mut Tx,
    stamp: Stamp,
    now: Millis,
    new: &[NewPost],
) -> Result<Vec<Option<Post>>, StoreError> {
    let requests: Vec<&str> = new
        .iter()
        .filter_map(|new| new.by.request.as_deref())
        .collect();
    let mut done = audit::done(tx, &requests).await?;
    let mut posts: Vec<Option<Post>> = Vec::with_capacity(new.len());
    for new in new {
        let again = match &new.by.request {
            Some(request) => !done.insert(request.clone()),
            None => false,
        };
        posts.push((!again).then(|| post(new, now)));
    }
    keep(tx, now, new, &mut posts).await?;

    let made = || {
        new.iter()
            .zip(&posts)
            .filter_map(|(new, post)| Some((new, post.as_ref()?)))
    };
    let mut published = BTreeMap::<&str, i64>::new();
    for (new, post) in made() {
        if post.state == PostState::Published {
            *published.entry(&new.site).or_default() += 1;
        }
    }
    let versions = posts_changed(tx, stamp, &published).await?;
    let promises: Vec<Promise<'_>> = made()
        .filter(|(_, post)| post.state == PostState::Published)
        .filter_map(|(new, post)| {
            Some(Promise {
                to: new.by.tell.as_ref()?,
                site: &new.site,
                action: "new",
                subject: Some(post.id.as_str()),
                posts_version: versions.get(&new.site).copied(),
            })
        })
        .collect();
    promise(tx, now, &promises).await?;
    let lines: Vec<Line<'_>> = made()
        .map(|(new, post)| Line {
            by: &new.by,
            action: "new",
            site: Some(&new.name),
            detail: Some(post.id.as_str()),
        })
        .collect();
    audit::audit_lines(tx, now, &lines).await?;
    Ok(posts)
}

fn post(new: &NewPost, now: Millis) -> Post {
    let (state, publish_at) = when(new.draft.publish, now, None);
    let revision = storable(Revision {
        title: new.draft.title.clone(),
        body: new.draft.body.clone(),
        category: new.draft.category.clone(),
        author: new.draft.author.clone(),
        published_at: shown_date(state, publish_at),
    });
    Post {
        id: random_id(),
        site: new.name.clone(),
        slug: Slug::from_title(&revision.title),
        state,
        publish_at,
        created_at: now,
        updated_at: now,
        account: new.by.account.clone(),
        digest: revision.digest(),
        revision,
    }
}

fn random_id() -> PostId {
    PostId::from_random(uuid::Uuid::new_v4().as_u128())
}

/// Inserts the posts and their first revisions, under slugs that nobody has.
async fn keep(
    tx: &mut Tx,
    now: Millis,
    new: &[NewPost],
    posts: &mut [Option<Post>],
) -> Result<(), StoreError> {
    #[derive(Serialize)]
    struct Text<'a> {
        digest: String,
        #[serde(flatten)]
        revision: &'a Revision,
    }
    let texts: Vec<Text<'_>> = posts
        .iter()
        .flatten()
        .map(|post| Text {
            digest: post.digest.to_string(),
            revision: &post.revision,
        })
        .collect();
    if texts.is_empty() {
        return Ok(());
    }
    let sql = each!(
        tx.dialect(),
        "INSERT INTO revision (digest, title, body, category, author, published_at) \
         SELECT e.value->>'digest', e.value->>'title', e.value->>'body', e.value->>'category', \
         e.value->>'author', CAST(e.value->>'published_at' AS BIGINT) FROM ",
        "($1) AS e WHERE true ON CONFLICT (digest) DO NOTHING"
    );
    tx!(&mut *tx, conn => sqlx::query(sql).bind(Json(&texts)).execute(conn).await.map(|_| ())?);

    let sql = each!(
        tx.dialect(),
        "INSERT INTO post (id, site, slug, state, publish_at, digest, title, written_by, \
         created_at, updated_at, account, source, source_version) \
         SELECT e.value->>'id', e.value->>'site', e.value->>'slug', e.value->>'state', \
         CAST(e.value->>'publish_at' AS BIGINT), e.value->>'digest', e.value->>'title', \
         e.value->>'by', $2, $2, e.value->>'account', e.value->>'source', e.value->>'version' FROM ",
        "($1) AS e WHERE true ON CONFLICT DO NOTHING RETURNING id"
    );
    let mut homeless: Vec<(&NewPost, &mut Post, Slug)> = new
        .iter()
        .zip(&mut *posts)
        .filter_map(|(new, post)| {
            let post = post.as_mut()?;
            let base = post.slug.clone();
            Some((new, post, base))
        })
        .collect();
    let mut tries = 0_u32;
    while !homeless.is_empty() {
        let rows: Vec<Row<'_>> = homeless
            .iter()
            .map(|(new, post, _)| row(new, post))
            .collect();
        let taken: Vec<String> = tx!(&mut *tx, conn => sqlx::query_scalar(sql)
            .bind(Json(&rows)).bind(now.0).fetch_all(conn).await?);
        let taken: std::collections::BTreeSet<String> = taken.into_iter().collect();
        homeless.retain(|(_, post, _)| !taken.contains(post.id.as_str()));
        tries += 1;
        for (_, post, base) in &mut homeless {
            post.id = random_id();
            // Ten posts of one title are numbered; from then on the id makes the slug unique.
            post.slug = match tries {
                1..=9 => base.numbered(tries + 1),
                _ => Slug::from_title(&format!("{base:.40} {}", post.id)),
            };
        }
    }

    let rows: Vec<Row<'_>> = new
        .iter()
        .zip(&*posts)
        .filter_map(|(new, post)| Some(row(new, post.as_ref()?)))
        .collect();
    let sql = each!(
        tx.dialect(),
        "INSERT INTO post_revision (post, number, digest, at, changed_by) \
         SELECT e.value->>'id', 1, e.value->>'digest', $2, e.value->>'by' FROM ",
        "($1) AS e"
    );
    tx!(tx, conn => sqlx::query(sql).bind(Json(&rows)).bind(now.0).execute(conn).await.map(|_| ())?);
    Ok(())
}
