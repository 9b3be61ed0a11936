//! HTTP to services outside: nothing unbounded, nothing followed, no address in any error.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, Response};
use url::{Host, Url};

use crate::model::Millis;

/// How long an exchange may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Name look-up, connection and TLS together.
    pub connect: Duration,
    /// Everything, to the last byte of the answer. More than `connect`, or a slow connection
    /// cannot be told from a request that got no answer.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            total: Duration::from_secs(15),
        }
    }
}

/// Why there is no HTTP client.
#[derive(Debug, thiserror::Error)]
#[error("no HTTPS client; are there CA certificates (package ca-certificates)?")]
pub struct ClientError(#[from] reqwest::Error);

/// Makes a client. It costs some 20 ms (it reads the CA certificates): make one, and clone it.
///
/// # Errors
///
/// [`ClientError`] on a system without CA certificates.
pub fn client(timeouts: Timeouts) -> Result<Client, ClientError> {
    let client = builder(timeouts)
        // A kept connection that the server closes just then leaves open whether the request
        // arrived; a handshake is cheaper than a build of unknown state.
        .pool_max_idle_per_host(0)
        .build()?;
    Ok(client)
}

/// The same, with connections that are kept for the next request: for a service that is called
/// often, where a request whose fate is unknown may be repeated.
///
/// # Errors
///
/// [`ClientError`] on a system without CA certificates.
pub fn keeping_client(timeouts: Timeouts) -> Result<Client, ClientError> {
    let client = builder(timeouts)
        .pool_max_idle_per_host(4)
        .pool_idle_timeout(Duration::from_secs(30))
        .build()?;
    Ok(client)
}

fn builder(timeouts: Timeouts) -> reqwest::ClientBuilder {
    install_crypto();
    Client::builder()
        .user_agent(concat!("microblot/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(timeouts.connect)
        .timeout(timeouts.total)
        // A followed 303 turns a POST into a GET, whose 200 is then no success of ours.
        .redirect(reqwest::redirect::Policy::none())
        // One call is one request, whatever the protocol would allow.
        .retry(reqwest::retry::never())
        .tcp_nodelay(true)
}

/// Whether nobody on the way can read what is sent to this address: it is `https`, or it stays
/// within the machine.
pub fn is_private(url: &Url) -> bool {
    let local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && local)
}

/// Chooses the implementation of TLS for this process, unless that was done before.
pub fn install_crypto() {
    // An error says that there is one already.
    let _installed = rustls::crypto::ring::default_provider().install_default();
}

/// An error of a request with its causes, without the address: that may be a secret.
pub fn describe(error: reqwest::Error) -> String {
    crate::chain(&error.without_url())
}

/// Why the body of an answer could not be had.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It is longer than the limit.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    /// The connection failed half-way; described without the address.
    #[error("the answer broke off: {0}")]
    BrokeOff(String),
}

/// Reads the body of an answer, up to `limit` bytes.
///
/// # Errors
///
/// [`BodyError::TooLong`] as soon as more than `limit` bytes have come, [`BodyError::BrokeOff`]
/// when they stop coming.
pub async fn body(mut response: Response, limit: usize) -> Result<Vec<u8>, BodyError> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(None) => return Ok(body),
            Ok(Some(chunk)) if body.len() + chunk.len() <= limit => body.extend_from_slice(&chunk),
            Ok(Some(_)) => return Err(BodyError::TooLong(limit)),
            Err(error) => return Err(BodyError::BrokeOff(describe(error))),
        }
    }
}

/// How long a service asks to be left alone: `Retry-After` in seconds or as a date, or else
/// Netlify's `X-RateLimit-Reset` in Unix seconds. At least a second and at most an hour, because a
/// clock that differs, or a nonsense value, must neither spin nor stop a site for good.
pub fn retry_after(headers: &HeaderMap, now: Millis) -> Option<Duration> {
    let text = |value: &reqwest::header::HeaderValue| Some(value.to_str().ok()?.trim().to_owned());
    let until = |moment: jiff::Timestamp| Millis::from(moment).since(now);
    let asked = headers.get(RETRY_AFTER).and_then(text).and_then(|value| {
        let seconds = value.parse().map(Duration::from_secs);
        let date = || jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(&value);
        seconds.ok().or_else(|| date().ok().map(until))
    });
    let reset = || {
        let seconds = text(headers.get("x-ratelimit-reset")?)?.parse().ok()?;
        jiff::Timestamp::from_second(seconds).ok().map(until)
    };
    let wait = asked.or_else(reset)?;
    Some(wait.clamp(Duration::from_secs(1), Duration::from_secs(60 * 60)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_says_how_long_to_wait() {
        let now = Millis::from("2026-11-20T09:14:00Z".parse::<jiff::Timestamp>().unwrap());
        let unix = |offset: i64| (now.0 / 1000 + offset).to_string();
        for (name, value, seconds) in [
            ("retry-after", "120".to_owned(), Some(120)),
            ("retry-after", " 7 ".to_owned(), Some(7)),
            ("retry-after", "0".to_owned(), Some(1)),
            ("retry-after", u64::MAX.to_string(), Some(3600)),
            (
                "retry-after",
                "Fri, 20 Nov 2026 09:15:30 GMT".to_owned(),
                Some(90),
            ),
            (
                "retry-after",
                "Fri, 20 Nov 2026 09:00:00 GMT".to_owned(),
                Some(1),
            ),
            ("retry-after", "soon".to_owned(), None),
            ("retry-after", "-5".to_owned(), None),
            ("retry-after", String::new(), None),
            ("x-ratelimit-reset", unix(42), Some(42)),
            ("x-ratelimit-reset", unix(-42), Some(1)),
            ("x-ratelimit-reset", unix(86_400), Some(3600)),
            ("x-ratelimit-reset", i64::MAX.to_string(), None),
            ("x-other", "5".to_owned(), None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            let wait = seconds.map(Duration::from_secs);
            assert_eq!(retry_after(&headers, now), wait, "{name}: {value}");
        }
    }

    #[test]
    fn retry_after_counts_before_the_reset_unless_it_is_nonsense() {
        let mut headers = HeaderMap::new();
        headers.insert("x-ratelimit-reset", "30".parse().unwrap());
        headers.insert("retry-after", "20".parse().unwrap());
        assert_eq!(
            retry_after(&headers, Millis(0)),
            Some(Duration::from_secs(20))
        );
        headers.insert("retry-after", "later".parse().unwrap());
        assert_eq!(
            retry_after(&headers, Millis(0)),
            Some(Duration::from_secs(30))
        );
    }
}
