use std::collections::BTreeMap;
use std::time::Duration;

use super::build::{BuildId, BuildState, HolderId};
use super::desired::Rebuild;
use super::digest::{ContentHash, Fingerprint};
use super::name::SiteName;
use super::time::Millis;

/// What is known of every site, and of the hosting account.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// A site that is missing here was never seen.
    pub sites: BTreeMap<SiteName, ObservedSite>,
    /// What limits and budget are counted over.
    pub account: Account,
}

/// What is known of one site.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ObservedSite {
    /// The last build that is known to have been taken or to be live.
    pub built: Option<Built>,
    /// A later build ended without anybody knowing how: the site may show `built` or that one.
    pub uncertain: bool,
    /// The content that is wanted since when; `None` while it is what was built.
    pub wanted: Option<Wanted>,
    /// The build that is not over.
    pub flight: Option<Flight>,
    /// Triggers that failed in a row.
    pub trouble: Option<Trouble>,
    /// Content that the builder failed to build.
    pub broken: Option<Broken>,
    /// Builds of one content in a row that came to nothing.
    pub vain: Option<Vain>,
}

/// What a site was last built from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Built {
    /// The digests of its inputs.
    pub fingerprint: Fingerprint,
    /// Their hash.
    pub hash: ContentHash,
    /// When the build was fired, or the content adopted.
    pub at: Millis,
}

/// Content that is wanted and not built, as the loop noted it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// The content.
    pub hash: ContentHash,
    /// When this very content was first seen: debounce counts from here.
    pub since: Millis,
    /// When the site first differed from what was built: `max_wait` counts from here.
    pub drift_since: Millis,
    /// The safety rail stopped this very content, when so many sites wanted to be built at once. It
    /// stays stopped until somebody lets it through, whatever becomes of the others.
    pub refused: Option<usize>,
}

/// A build that is not over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Flight {
    /// Its id.
    pub build: BuildId,
    /// What it is built from.
    pub hash: ContentHash,
    /// [`BuildState::Claimed`] or [`BuildState::Unknown`].
    pub state: BuildState,
    /// When it was claimed.
    pub since: Millis,
    /// Who claimed it.
    pub holder: HolderId,
    /// Until when its holder is believed to be alive.
    pub lease_until: Millis,
    /// Without news until then it is lost.
    pub deadline: Millis,
    /// Goes up with every claim of the site; a record under an old fence is refused.
    pub fence: i64,
    /// The request that it answers. It stands if the build is lost.
    pub request: Option<Rebuild>,
}

impl Trouble {
    /// From this many failures in a row (about an hour) a person is asked to look.
    pub const MANY: u32 = 12;
}

/// Triggers that failed in a row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trouble {
    /// How many.
    pub failures: u32,
    /// When the last one failed.
    pub at: Millis,
    /// What went wrong.
    pub error: String,
    /// The builder asked for at least this much patience.
    pub after: Option<Duration>,
    /// No retry helps: somebody has to change something.
    pub stalled: bool,
}

/// Content that the builder failed to build.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broken {
    /// The content.
    pub hash: ContentHash,
    /// When.
    pub at: Millis,
    /// What the builder said.
    pub error: String,
}

impl Vain {
    /// After this many builds in a row that nobody answered a person is asked to look.
    pub const UNANSWERED: u32 = 5;
}

/// Builds of one content in a row that came to nothing, though nobody refused them: hosted ones were
/// sent and never answered, rendered ones found other files than were listed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Vain {
    /// The content.
    pub hash: ContentHash,
    /// How many.
    pub count: u32,
    /// When it was clear of the last one.
    pub at: Millis,
    /// What was seen instead.
    pub error: String,
}

/// What limits and budget are counted over: hosted builds, over all replicas.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Account {
    /// Builds that are claimed and not over. Those of unknown outcome are left out: a few hooks that
    /// never answer would hold up every other site until their deadlines.
    pub in_flight: u32,
    /// When builds were fired in the last minute, oldest first.
    pub fired: Vec<Millis>,
    /// Builds fired in the current calendar month (UTC).
    pub deploys_this_month: u32,
}
