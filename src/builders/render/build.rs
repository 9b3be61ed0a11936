use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::{Content, FileEntry, Member, PostEntry, pages, swap_in};
use crate::builders::Job;
use crate::inputs::{self, InputError};
use crate::model::{Digest, Input, Outcome, Part, PostsFrom, Slug};
use crate::store::StoreError;

/// Why a site could not be rendered.
enum Failure {
    /// The database is away: try again.
    Store(StoreError),
    /// A file is no longer the one that the build was fired for: plan again.
    Moved(String),
    /// The content itself is wrong: it waits for other content.
    Content(String),
    /// A file could not be read, or the result not be written: try again later.
    System(String),
}

/// Renders a site into its folder, from exactly the content that the build was fired for.
pub(in crate::builders) async fn build(job: &Job<'_>, root: &Path, out: &str) -> Outcome {
    match render(job, root, out).await {
        Ok(()) => Outcome::Live,
        Err(Failure::Content(error)) => Outcome::Failed { error },
        Err(Failure::Moved(error)) => Outcome::Moved { error },
        Err(Failure::System(error)) => Outcome::Retry {
            error,
            after: None,
            doubtful: false,
        },
        Err(Failure::Store(error)) => Outcome::Retry {
            error: crate::chain(&error),
            after: None,
            doubtful: false,
        },
    }
}

async fn render(job: &Job<'_>, root: &Path, out: &str) -> Result<(), Failure> {
    let posts = posts(job).await?;
    let members: Vec<Member> = job
        .members
        .iter()
        .map(|member| Member {
            title: member.title.clone(),
            url: member.url.clone(),
        })
        .collect();
    let owners = job
        .members
        .iter()
        .map(|member| (!member.is_self).then(|| globs(&member.globs)))
        .collect();
    let content = Content {
        title: job.spec.title.clone(),
        url: job.spec.url.clone(),
        content_hash: *job.hash,
        build: job.build.to_string(),
        posts,
        files: Vec::new(),
        members,
        base: job.spec.folders().map(str::to_owned).collect(),
    };
    let files = job.manifest.files.clone();
    let (root, out): (PathBuf, PathBuf) = (root.to_owned(), root.join(out));
    let rendered = tokio::task::spawn_blocking(move || {
        let content = Content {
            files: read_files(&root, &files, owners)?,
            ..content
        };
        let pages = pages(&content).map_err(|error| Failure::Content(crate::chain(&error)))?;
        swap_in(&out, &pages).map_err(|error| Failure::System(crate::chain(&error)))
    });
    rendered.await.unwrap_or_else(|_panicked| {
        Err(Failure::Content(
            "the renderer failed on this content; please report it with the content".to_owned(),
        ))
    })
}

/// The posts that the manifest lists, by the digests of their revisions: what was published since
/// is for the next build.
async fn posts(job: &Job<'_>) -> Result<Vec<PostEntry>, Failure> {
    let parts: Vec<(Option<usize>, Part)> = match job.spec.posts {
        PostsFrom::Own => vec![(None, job.manifest.posts.clone())],
        PostsFrom::None => Vec::new(),
        PostsFrom::All | PostsFrom::Sites(_) => {
            let digests: Vec<Digest> = job.members.iter().map(|member| member.posts).collect();
            let stored = job.store.parts(&digests).await.map_err(Failure::Store)?;
            let mut parts = Vec::new();
            for (index, member) in job.members.iter().enumerate() {
                if member.posts == Part::default().digest(Input::Posts) {
                    continue;
                }
                // Stored with the claim, unless the posts changed in the same instant.
                let part = stored.get(&member.posts).cloned().ok_or_else(|| {
                    Failure::Moved(format!("the posts of {} changed", member.title))
                })?;
                parts.push(((!member.is_self).then_some(index), part));
            }
            parts
        }
    };
    let mut wanted = Vec::new();
    for (member, part) in &parts {
        for (slug, value) in part.items() {
            let digest: Option<Digest> = value
                .split_once(' ')
                .and_then(|(digest, _title)| digest.parse().ok());
            if let Some(digest) = digest {
                wanted.push((*member, Slug::from_stored(slug), digest));
            }
        }
    }
    let digests: Vec<Digest> = wanted.iter().map(|(_, _, digest)| *digest).collect();
    let revisions = job
        .store
        .revisions(&digests)
        .await
        .map_err(Failure::Store)?;
    wanted
        .into_iter()
        .map(|(member, slug, digest)| match revisions.get(&digest) {
            Some(revision) => Ok(PostEntry {
                slug,
                revision: revision.clone(),
                member,
            }),
            None => Err(Failure::Store(StoreError::Corrupt(format!(
                "no revision {digest}, which the post {slug} refers to"
            )))),
        })
        .collect()
}

fn read_files(
    root: &Path,
    part: &Part,
    owners: Vec<Option<GlobSet>>,
) -> Result<Vec<FileEntry>, Failure> {
    part.items()
        .map(|(path, digest)| {
            let digest: Digest = digest
                .parse()
                .map_err(|error| Failure::Content(format!("{path}: {error}")))?;
            let bytes = inputs::read_verified(root, &path, &digest, super::MAX_CONTENT as u64)
                .map_err(|error| unread(&error))?;
            let member = owners.iter().position(|globs| {
                globs
                    .as_ref()
                    .is_some_and(|globs| globs.is_match(Path::new(&path)))
            });
            Ok(FileEntry {
                path,
                bytes,
                member,
            })
        })
        .collect()
}

/// What a file that cannot be had means for the build. Only one that is not what was listed is worth
/// another look at once: whatever else it is, it would be the same again.
fn unread(error: &InputError) -> Failure {
    let told = crate::chain(error);
    match error {
        InputError::Changed { .. } => Failure::Moved(told),
        InputError::TooBig { .. } | InputError::Outside { .. } => Failure::Content(told),
        _ => Failure::System(told),
    }
}

/// Globs that were accepted as part of a spec; one that is none matches nothing.
fn globs(patterns: &[String]) -> GlobSet {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        if let Ok(glob) = GlobBuilder::new(pattern).literal_separator(true).build() {
            set.add(glob);
        }
    }
    set.build().unwrap_or_default()
}
