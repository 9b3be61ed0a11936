//! Slack's signature: nothing of a request is looked at before it is known to be Slack's.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRef, FromRequest, Request};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::model::{Millis, Secret};

/// A clock may differ from Slack's by this much, and a replay works for this long; in seconds.
pub const TOLERANCE: u64 = 300;
/// Slack sends some kilobytes. A view has the text of its fields twice, as it was and as it is, and
/// percent-encoded: with the longest that the editor takes it stays below 900 KiB.
pub const BODY_BYTES: usize = 1024 * 1024;

const SIGNATURE: HeaderName = HeaderName::from_static("x-slack-signature");
const TIMESTAMP: HeaderName = HeaderName::from_static("x-slack-request-timestamp");

/// The app's signing secret. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct SigningSecret(Hmac<Sha256>);

/// Why a request is not Slack's. For the log only: whoever sent it learns nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// A header is missing, there twice, or not of the form that Slack gives it.
    #[error("{0} is missing, doubled or malformed")]
    Header(&'static str),
    /// Signed too long ago, or in the future.
    #[error("the timestamp is more than 300 seconds from this machine's clock")]
    Stale,
    /// Signed with another secret, or over another body.
    #[error("the signature does not match; is SLACK_SIGNING_SECRET that of this app?")]
    Wrong,
}

impl SigningSecret {
    /// Takes the secret as Slack shows it: its text is the key, not what its hex would mean.
    ///
    /// # Errors
    ///
    /// `None` when it is empty: anybody could sign with that.
    pub fn new(secret: &Secret) -> Option<Self> {
        let key = secret.expose().trim();
        let mac = Hmac::new_from_slice(key.as_bytes()).ok()?;
        (!key.is_empty()).then_some(Self(mac))
    }

    /// A key for another use. `label` must not start with `v0:`, as everything does that Slack signs.
    pub(super) fn derive(&self, label: &str) -> [u8; 32] {
        debug_assert!(!label.starts_with("v0:"));
        let mut mac = self.0.clone();
        mac.update(label.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret([REDACTED])")
    }
}

/// What the headers say, before the body is there.
struct Claim<'a> {
    timestamp: &'a str,
    signature: [u8; 32],
}

impl<'a> Claim<'a> {
    fn of(headers: &'a HeaderMap, now: i64) -> Result<Self, Rejection> {
        let stamp = Rejection::Header("X-Slack-Request-Timestamp");
        let timestamp = only(headers, &TIMESTAMP).ok_or(stamp)?;
        if !timestamp.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(stamp);
        }
        let signed_at: i64 = timestamp.parse().map_err(|_no_number| stamp)?;
        if now.abs_diff(signed_at) > TOLERANCE {
            return Err(Rejection::Stale);
        }
        let malformed = Rejection::Header("X-Slack-Signature");
        let hex = only(headers, &SIGNATURE)
            .and_then(|value| value.strip_prefix("v0="))
            .filter(|hex| !hex.bytes().any(|byte| byte.is_ascii_uppercase()))
            .ok_or(malformed)?;
        let mut signature = [0; 32];
        hex::decode_to_slice(hex, &mut signature).map_err(|_no_hex| malformed)?;
        Ok(Self {
            timestamp,
            signature,
        })
    }

    fn check(&self, secret: &SigningSecret, body: &[u8]) -> Result<(), Rejection> {
        let mut mac = secret.0.clone();
        for part in [b"v0:", self.timestamp.as_bytes(), b":", body] {
            mac.update(part);
        }
        // In constant time.
        mac.verify_slice(&self.signature)
            .map_err(|_other| Rejection::Wrong)
    }
}

/// The value of a header that is there exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then_some(())?;
    value.to_str().ok()
}

/// Checks that Slack sent these very bytes, within [`TOLERANCE`] seconds of `now` (Unix seconds).
///
/// # Errors
///
/// [`Rejection`], with what is wrong first.
pub fn verify(
    secret: &SigningSecret,
    headers: &HeaderMap,
    body: &[u8],
    now: i64,
) -> Result<(), Rejection> {
    Claim::of(headers, now)?.check(secret, body)
}

/// What is needed to tell Slack's requests from others: part of the state of the routes.
#[derive(Clone)]
pub struct Gate {
    /// What Slack signs with.
    pub secret: Arc<SigningSecret>,
    /// The clock.
    pub now: fn() -> Millis,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

/// How a body is written.
pub trait Kind: Send {
    /// The media type without parameters, in lower case.
    const CONTENT_TYPE: &'static str;
}

/// Slash commands and interactions.
#[derive(Clone, Copy, Debug)]
pub struct Form;

/// Events.
#[derive(Clone, Copy, Debug)]
pub struct Json;

impl Kind for Form {
    const CONTENT_TYPE: &'static str = "application/x-www-form-urlencoded";
}

impl Kind for Json {
    const CONTENT_TYPE: &'static str = "application/json";
}

/// The raw body of a request that Slack signed. Only the extractor makes one.
///
/// Refuses with 401 (not signed, or not now), 415 (another content type) or 413 (longer than
/// [`BODY_BYTES`], or than the router allows). A request without fresh headers is refused before its
/// body is read.
#[derive(Debug)]
pub struct Signed<K> {
    body: Bytes,
    kind: PhantomData<K>,
}

impl<K> Signed<K> {
    /// The bytes as they came.
    pub fn body(&self) -> &Bytes {
        &self.body
    }
}

impl<S, K> FromRequest<S> for Signed<K>
where
    S: Send + Sync,
    K: Kind,
    Gate: FromRef<S>,
{
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let gate = Gate::from_ref(state);
        let (head, body) = request.into_parts();
        let now = (gate.now)().0.div_euclid(1000);
        let claim = Claim::of(&head.headers, now).map_err(refuse)?;
        if !is(&head.headers, K::CONTENT_TYPE) {
            return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response());
        }
        // Whoever breaks off half-way reads no answer, so that the other cause is the one to tell.
        let body = to_bytes(body, BODY_BYTES)
            .await
            .map_err(|_too_long| StatusCode::PAYLOAD_TOO_LARGE.into_response())?;
        claim.check(&gate.secret, &body).map_err(refuse)?;
        Ok(Self {
            body,
            kind: PhantomData,
        })
    }
}

fn refuse(why: Rejection) -> Response {
    metrics::counter!("microblot_slack_refused_total").increment(1);
    tracing::warn!(%why, "a request that claims to be Slack's was refused");
    StatusCode::UNAUTHORIZED.into_response()
}

fn is(headers: &HeaderMap, content_type: &str) -> bool {
    only(headers, &header::CONTENT_TYPE)
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case(content_type))
}

#[cfg(test)]
mod tests;
