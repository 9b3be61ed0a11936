use std::sync::Arc;

use crate::model::{Digest, Fingerprint, Input, InputProblem, Origin, Part, Source, Spec, Target};

/// What is known of a site beyond what decisions need.
#[derive(Clone, Debug)]
pub struct Details {
    /// Its id, which a rename keeps.
    pub id: String,
    /// Its settings.
    pub spec: Arc<Spec>,
    /// The same as they are stored.
    pub spec_text: String,
    /// Who declares it.
    pub origin: Origin,
    /// The line of `sites.toml` that declares it.
    pub source: Option<Source>,
    /// The digest of its files, or why they could not be read.
    pub files: Option<Result<Digest, String>>,
    /// The code revision that it was published with.
    pub revision: Option<String>,
    /// The fence of its last claim.
    pub fence: i64,
    pub(super) spec_digest: Digest,
    /// Counts the changes of its posts.
    pub posts_version: i64,
    pub(super) posts: Digest,
    pub(super) declared: bool,
}

impl Details {
    /// Whether it is wanted; otherwise it is to be forgotten.
    pub fn is_declared(&self) -> bool {
        self.declared
    }

    /// Whether chat made it in another workspace than that of this spec, which the file declares
    /// under its name: it is not adopted, since its posts would come with it.
    pub fn is_strange_to(&self, spec: &Spec) -> bool {
        self.origin == Origin::Chat && self.spec.is_anothers(spec)
    }

    /// The digest of the site's own posts.
    pub fn own_posts(&self) -> Digest {
        self.posts
    }

    /// The part that the code revision makes.
    pub fn revision_part(&self) -> Part {
        match &self.revision {
            Some(revision) if self.spec.revision => Part::from_items([("revision", revision)]),
            _ => Part::default(),
        }
    }

    pub(super) fn target(&self, posts: Digest) -> Result<Target, InputProblem> {
        if self.spec.revision && self.revision.is_none() {
            return Err(InputProblem {
                message: "the site depends on the code revision (`revision = true`), and it is \
                          not known; set MICROBLOT_REVISION"
                    .to_owned(),
            });
        }
        let files = match &self.files {
            Some(Ok(digest)) => *digest,
            Some(Err(problem)) => {
                return Err(InputProblem {
                    message: problem.clone(),
                });
            }
            None => Part::default().digest(Input::Files),
        };
        let fingerprint = Fingerprint {
            spec: self.spec_digest,
            posts,
            files,
            revision: self.revision_part().digest(Input::Revision),
        };
        Ok(Target::from(fingerprint))
    }
}

/// The digest of no posts at all.
pub fn empty_posts() -> Digest {
    Part::default().digest(Input::Posts)
}
