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
    problem: Option<String>,
    made: HashMap<(String, u32), Message>,
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
            if !kept.show(snapshot, problem.as_deref()) {
                *kept = Kept {
                    of: Some(snapshot.plan.clone()),
                    problem: problem.clone(),
                    made: HashMap::new(),
                };
            } else if let Some(message) = kept.made.get(&key) {
                return message.clone();
            }
        }
        // Not while everybody else waits.
        let message = make(problem.as_deref());
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.show(snapshot, problem.as_deref()) {
            kept.made.insert(key, message.clone());
        }
        message
    }
}

impl Kept {
    fn show(&self, snapshot: &Snapshot, problem: Option<&str>) -> bool {
        let same = |plan| Arc::ptr_eq(plan, &snapshot.plan);
        self.of.as_ref().is_some_and(same) && self.problem.as_deref() == problem
    }
}
