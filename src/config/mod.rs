//! stub, replaced by merge
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{Budget, Limits, SiteName, Spec};

/// Settings
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Settings {
    /// l
    pub limits: Limits,
    /// b
    pub budget: Option<Budget>,
}
/// s
#[derive(Clone, Debug)]
pub struct DeclaredSite {
    /// s
    pub spec: Spec,
    /// l
    pub line: u32,
}
/// c
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// s
    pub sites: BTreeMap<SiteName, DeclaredSite>,
    /// s
    pub settings: Settings,
}
