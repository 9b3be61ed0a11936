use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{Running, Timing};

use super::fields::{Fields, Item};
use super::on_install::{self, OnInstall};
use super::report::Report;
use super::values::{duration, is_slack_id, shown, slack_id, slack_ids};
use super::whole::Gathered;

/// The settings of chat that belong to no single site.
///
/// What is as it is without being declared is left out of the JSON: new keys make no difference to
/// files that were published before there were any.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Slack {
    /// Slack's id of the channel where results are told when nobody asked in chat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<String>,
    /// Slack's ids of the people who may do everything, in the operator's own workspaces.
    #[serde(default)]
    pub admins: Vec<String>,
    /// Who may use the commands that run sites.
    #[serde(default, skip_serializing_if = "Running::is_everyone")]
    pub running: Running,
    /// How long the link to a preview works, 1 minute to 30 days.
    #[serde(default = "usual_preview", skip_serializing_if = "is_usual_preview")]
    pub preview: Duration,
    /// The blog that a workspace gets when it installs the app; `None`: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_install: Option<OnInstall>,
}

impl Default for Slack {
    fn default() -> Self {
        Self {
            notify: None,
            admins: Vec::new(),
            running: Running::default(),
            preview: usual_preview(),
            on_install: None,
        }
    }
}

/// Long enough for a colleague in another time zone, short enough to be forgotten in a channel.
fn usual_preview() -> Duration {
    Duration::from_secs(24 * 60 * 60)
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_usual_preview(preview: &Duration) -> bool {
    *preview == usual_preview()
}

pub(super) const SLACK: &[&str] = &["notify", "admins", "running", "preview", "on_install"];

/// A shorter link would be over before it is read.
const SHORTEST_PREVIEW: Duration = Duration::from_secs(60);
/// A draft that is shown for longer is published in all but name.
const LONGEST_PREVIEW: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// `[slack]`.
pub(super) fn read<'a>(
    item: Item<'a, '_>,
    defaults: &Timing,
    gathered: &mut Gathered<'a>,
    report: &mut Report,
) -> Option<Slack> {
    let fields = Fields::of(item.node, "slack", SLACK, report)?;
    let notify = fields.optional("notify", report, |item, report| {
        slack_id(item, report, "CG", "channel")
    });
    let admins = fields.optional("admins", report, |item, report| {
        slack_ids(item, report, "UW", "member")
    });
    let running = fields.optional("running", report, running);
    let preview = fields.optional("preview", report, |item, report| {
        duration(item, report, SHORTEST_PREVIEW, LONGEST_PREVIEW)
    });
    let on_install = fields.optional("on_install", report, |item, report| {
        on_install::read(item, defaults, gathered, report)
    });
    let admins = admins.unwrap_or_default();
    Some(Slack {
        notify,
        admins: admins.into_iter().map(|(id, _)| id).collect(),
        running: running.unwrap_or_default(),
        preview: preview.unwrap_or_else(usual_preview),
        on_install,
    })
}

fn running(item: Item<'_, '_>, report: &mut Report) -> Option<Running> {
    let text = item.text(report, "running = \"admins\"")?;
    match text {
        "everyone" => Some(Running::Everyone),
        "admins" => Some(Running::Admins),
        channel if is_slack_id(channel, "CG") => Some(Running::Channel(channel.to_owned())),
        other => item.refuse(
            report,
            format!("`running` cannot be {}", shown(other)),
            "write \"everyone\", \"admins\" or the id of a channel, like `running = \"C012AB3CD\"`",
        ),
    }
}
