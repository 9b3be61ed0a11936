use serde::{Deserialize, Serialize};

/// What the hosting account bears, over all replicas, and the rails that stop a mistake.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Limits {
    /// Builds fired within one minute.
    pub builds_per_minute: u32,
    /// Builds that run at the same time.
    pub builds_in_flight: u32,
    /// The share of all sites that one pass may build without being told to.
    pub builds_at_once: Share,
    /// The share of all sites that one publication may remove without being told to.
    pub removals_at_once: Share,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            builds_per_minute: 30,
            builds_in_flight: 10,
            builds_at_once: Share(50),
            removals_at_once: Share(50),
        }
    }
}

/// What the hosting plan can pay for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Budget {
    /// Deploys within one calendar month (UTC), over all hosted sites.
    pub deploys_per_month: u32,
}

/// A part of a whole in percent, 0 to 100.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Share(pub u8);
