use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment, in milliseconds since the Unix epoch.
///
/// Decisions take it as an argument; only the shell reads a clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub i64);

impl Millis {
    /// This moment, later by `span`. Stops at the end of time instead of wrapping.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(span))
    }

    /// This moment, earlier by `span`.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(span))
    }

    /// The time from `earlier` to this moment; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The first millisecond of this moment's month and of the next one, in UTC.
    pub fn month(self) -> (Self, Self) {
        let date = self.timestamp().to_zoned(jiff::tz::TimeZone::UTC).date();
        let first = date.first_of_month();
        let next = first.saturating_add(jiff::Span::new().months(1));
        (Self::midnight(first), Self::midnight(next))
    }

    /// As RFC 3339 in UTC, to the second: `2026-11-20T09:14:00Z`.
    pub fn rfc3339(self) -> String {
        let seconds = jiff::Timestamp::from_second(self.0.div_euclid(1000)).unwrap_or_default();
        seconds.to_string()
    }

    /// The same moment as a [`jiff::Timestamp`]; the epoch when out of its range.
    pub fn timestamp(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or_default()
    }

    fn midnight(date: jiff::civil::Date) -> Self {
        date.to_zoned(jiff::tz::TimeZone::UTC)
            .map_or(Self(0), |zoned| Self(zoned.timestamp().as_millisecond()))
    }
}

impl From<jiff::Timestamp> for Millis {
    fn from(timestamp: jiff::Timestamp) -> Self {
        Self(timestamp.as_millisecond())
    }
}

impl fmt::Debug for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_bounded_in_utc() {
        let now: jiff::Timestamp = "2026-12-15T10:00:00Z".parse().unwrap();
        let (first, next) = Millis::from(now).month();
        assert_eq!(first.rfc3339(), "2026-12-01T00:00:00Z");
        assert_eq!(next.rfc3339(), "2027-01-01T00:00:00Z");
    }

    #[test]
    fn time_never_runs_backwards_or_wraps() {
        assert_eq!(Millis(5).since(Millis(9)), Duration::ZERO);
        assert_eq!(Millis(i64::MAX).plus(Duration::MAX), Millis(i64::MAX));
    }
}
