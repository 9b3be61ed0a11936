use std::time::Duration;

use crate::model::{Digest, Millis, SiteName, Trouble, Vain};

/// After the first failure; doubled by each further one.
const FIRST: Duration = Duration::from_secs(5);
/// The longest wait between two tries.
const LONGEST: Duration = Duration::from_secs(10 * 60);
/// A site that failed many times is still tried now and then: the builder may have recovered
/// while nobody was awake, and one call an hour costs nothing while it fails.
const RARELY: Duration = Duration::from_secs(60 * 60);

/// So many builds in a row may find that their content is gone before the next one waits: an edit in
/// that moment is ordinary, and is read again at once.
const GONE_AT_ONCE: u32 = 2;

/// When the trigger may be tried again after failures.
pub(super) enum Retry {
    /// Never, until somebody changes something.
    Never,
    /// At this time, and it is worth a person's attention.
    Rarely(Millis),
    /// At this time.
    At(Millis),
}

/// The time of the next try: exponential, spread by up to a fifth so that sites that failed
/// together do not come back together, and not before the builder said. The spread is taken
/// from the site's name: a plan made twice is the same.
pub(super) fn retry(site: &SiteName, trouble: &Trouble) -> Retry {
    let Trouble {
        failures,
        at,
        error: _,
        after,
        stalled,
    } = trouble;
    if *stalled {
        return Retry::Never;
    }
    let many = *failures >= Trouble::MANY;
    let base = if many { RARELY } else { pause(*failures) };
    let spread = spread(site, *failures, base);
    // What the builder asks for is honoured as far as it makes sense: a wrong header must not park
    // a site for a year.
    let at = at.plus(spread.max(after.unwrap_or_default().min(RARELY)));
    if many {
        Retry::Rarely(at)
    } else {
        Retry::At(at)
    }
}

/// When content may be built again that was gone each time; `None`: at once.
pub(super) fn gone(site: &SiteName, vain: &Vain) -> Option<Millis> {
    let over = vain
        .count
        .checked_sub(GONE_AT_ONCE)
        .filter(|&over| over > 0)?;
    Some(vain.at.plus(spread(site, over, pause(over))))
}

/// When content may be sent again that was never answered; `None`: at once, since the deadline alone
/// was patience enough. From the second time on the wait doubles from the timeout.
pub(super) fn unanswered(timeout: Duration, vain: &Vain) -> Option<Millis> {
    let doublings = vain.count.checked_sub(2)?;
    Some(vain.at.plus(timeout.saturating_mul(1 << doublings.min(16))))
}

fn pause(failures: u32) -> Duration {
    FIRST
        .saturating_mul(1 << failures.saturating_sub(1).min(16))
        .min(LONGEST)
}

fn spread(site: &SiteName, failures: u32, base: Duration) -> Duration {
    let count = failures.to_be_bytes();
    let digest = Digest::of_fields("microblot/jitter/1", [site.as_str().as_bytes(), &count]);
    let fifths = u32::from(digest.as_bytes()[0]);
    base + base * fifths / (5 * 255)
}
