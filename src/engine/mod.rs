//! What turns decisions into builds: publish, tick, dispatch, and the loop around them.

pub mod calm;
/// Claims and fires builds, and stores what came of them.
pub mod dispatch;
/// Desired and observed state, kept in memory.
pub mod estate;
/// Why a site differs from what it was built from.
pub mod explain;
pub mod observe;
/// From what a folder says to the next generation.
pub mod publish;
/// The loop of a replica.
pub mod run;
pub mod snapshot;
/// One look at the whole estate.
pub mod tick;
/// The folder of `sites.toml`.
pub mod workspace;
