//! Pages of the list of sites, made once for what the loop saw and shown to everybody who asks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::blocks::Message;
use crate::engine::snapshot::Snapshot;
use crate::model::Plan;

/// The pages that somebody asked for since the last look. The next look throws them away, so there
/// are never more than the workspaces have.
#[derive(Debug, Default)]
pub(super) struct Pages(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// What they show: each look makes a plan of its own.
    of: Option<Arc<Plan>>,
    /// By the workspace and the number of the page.
    made: HashMap<(String, u32), Page>,
}

#[derive(Debug)]
struct Page {
    /// What is wrong with `sites.toml`, as far as the workspace is shown that.
    problem: Option<String>,
    message: Message,
}

impl Pages {
    /// The page of a workspace as `snapshot` and `problem` (of `sites.toml`) have it; `make` makes
    /// it if it is not there.
    pub(super) fn get(
        &self,
        snapshot: &Snapshot,
        problem: Option<String>,
        workspace: &str,
        page: u32,
        make: impl FnOnce(Option<&str>) -> Message,
    ) -> Message {
        let key = (workspace.to_owned(), page);
        {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if !kept.show(snapshot) {
                *kept = Kept {
                    of: Some(snapshot.plan.clone()),
                    made: HashMap::new(),
                };
            }
            let found = kept.made.get(&key);
            if let Some(page) = found.filter(|page| page.problem == problem) {
                return page.message.clone();
            }
        }
        // Not while everybody else waits.
        let message = make(problem.as_deref());
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.show(snapshot) {
            let page = Page {
                problem,
                message: message.clone(),
            };
            kept.made.insert(key, page);
        }
        message
    }
}

impl Kept {
    fn show(&self, snapshot: &Snapshot) -> bool {
        let same = |plan| Arc::ptr_eq(plan, &snapshot.plan);
        self.of.as_ref().is_some_and(same)
    }
}
