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
/// Slack sends some kilobytes: a view of 100 blocks with its values stays below 400 KiB.
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
mod tests {
    use super::*;

    const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
    const AT: i64 = 1_531_420_618;
    const SIGNED: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
    /// From Slack's documentation, with the signature above.
    const BODY: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";

    fn secret(text: &str) -> SigningSecret {
        SigningSecret::new(&Secret::new(text)).unwrap()
    }

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in all {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn sign(secret: &SigningSecret, timestamp: &str, body: &[u8]) -> String {
        let mut mac = secret.0.clone();
        mac.update(format!("v0:{timestamp}:").as_bytes());
        mac.update(body);
        format!("v0={}", hex::encode(mac.finalize().into_bytes()))
    }

    #[test]
    fn the_documented_example_is_accepted_and_nothing_near_it() {
        const STAMP: &str = "X-Slack-Request-Timestamp";
        const SIGNATURE: &str = "X-Slack-Signature";
        let (stamp, signature) = ("x-slack-request-timestamp", "x-slack-signature");
        let good = [(stamp, "1531420618"), (signature, SIGNED)];
        let wrong = Err(Rejection::Wrong);
        let no_stamp = Err(Rejection::Header(STAMP));
        let no_signature = Err(Rejection::Header(SIGNATURE));
        let upper = SIGNED.to_uppercase().replace("V0", "v0");
        let doubled = format!("{SIGNED}{}", &SIGNED[3..]);
        let flipped = SIGNED.replace("a2114d", "a2114e");
        let signed = |value| vec![good[0], (signature, value)];
        let stamped = |value| vec![(stamp, value), good[1]];
        let table = [
            ("as documented", good.to_vec(), Ok(())),
            ("nothing", vec![], no_stamp),
            ("no signature", vec![good[0]], no_signature),
            ("no timestamp", vec![good[1]], no_stamp),
            (
                "two signatures",
                vec![good[0], good[1], good[1]],
                no_signature,
            ),
            ("two timestamps", vec![good[0], good[0], good[1]], no_stamp),
            ("another signature", signed(&flipped), wrong),
            ("upper case", signed(&upper), no_signature),
            ("twice as long", signed(&doubled), no_signature),
            ("half", signed(&SIGNED[..35]), no_signature),
            ("odd", signed(&SIGNED[..66]), no_signature),
            ("no version", signed(&SIGNED[3..]), no_signature),
            (
                "v1",
                signed("v1=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"),
                no_signature,
            ),
            ("empty", signed(""), no_signature),
            ("only the version", signed("v0="), no_signature),
            ("a fraction", stamped("1531420618.0"), no_stamp),
            ("a plus", stamped("+1531420618"), no_stamp),
            ("a minus", stamped("-1531420618"), no_stamp),
            ("words", stamped("now"), no_stamp),
            ("no digits", stamped(""), no_stamp),
            ("hex", stamped("0x5b47a3ca"), no_stamp),
            ("beyond 64 bits", stamped("99999999999999999999"), no_stamp),
            (
                "the end of time",
                stamped("9223372036854775807"),
                Err(Rejection::Stale),
            ),
            ("another second", stamped("1531420619"), wrong),
            (
                "the same second, written otherwise",
                stamped("01531420618"),
                wrong,
            ),
        ];
        for (what, all, expected) in table {
            let found = verify(&secret(SECRET), &headers(&all), BODY.as_bytes(), AT);
            assert_eq!(found, expected, "{what}");
        }
    }

    #[test]
    fn a_signature_is_of_one_body_one_secret_and_ten_minutes() {
        let good = headers(&[
            ("x-slack-request-timestamp", "1531420618"),
            ("x-slack-signature", SIGNED),
        ]);
        let check = |key: &str, body: &[u8], now| verify(&secret(key), &good, body, now);
        for (offset, expected) in [
            (0, Ok(())),
            (300, Ok(())),
            (-300, Ok(())),
            (301, Err(Rejection::Stale)),
            (-301, Err(Rejection::Stale)),
            (i64::MAX - AT, Err(Rejection::Stale)),
            (i64::MIN, Err(Rejection::Stale)),
        ] {
            assert_eq!(
                check(SECRET, BODY.as_bytes(), AT + offset),
                expected,
                "{offset}"
            );
        }
        let changed = BODY.replace("roadrunner", "roadrunnes");
        let longer = format!("{BODY}------");
        for body in [&changed[..], &longer[..], &BODY[1..], ""] {
            assert_eq!(
                check(SECRET, body.as_bytes(), AT),
                Err(Rejection::Wrong),
                "{body}"
            );
        }
        assert_eq!(check("other", BODY.as_bytes(), AT), Err(Rejection::Wrong));
    }

    #[test]
    fn an_empty_body_is_signed_like_any_other() {
        let secret = secret(SECRET);
        let signature = sign(&secret, "1531420618", b"");
        let all = headers(&[
            ("x-slack-request-timestamp", "1531420618"),
            ("x-slack-signature", &signature),
        ]);
        assert_eq!(verify(&secret, &all, b"", AT), Ok(()));
        assert_eq!(verify(&secret, &all, b" ", AT), Err(Rejection::Wrong));
    }

    #[test]
    fn an_empty_secret_is_none_and_no_secret_is_printed() {
        for empty in ["", " ", "\n"] {
            assert!(SigningSecret::new(&Secret::new(empty)).is_none());
        }
        assert!(!format!("{:?}", secret(SECRET)).contains("8f74"));
        // As it comes out of a file.
        let body = sign(&secret("abc\n"), "1", b"x");
        assert_eq!(body, sign(&secret("abc"), "1", b"x"));
    }

    proptest::proptest! {
        #[test]
        fn what_is_signed_is_accepted_until_a_byte_changes(
            key in "[ -~]{0,80}x", body: Vec<u8>, at in 0..4_000_000_000_i64, place: usize, bit in 0..8_u8,
        ) {
            let secret = secret(&key);
            let stamp = at.to_string();
            let signature = sign(&secret, &stamp, &body);
            let all = headers(&[
                ("x-slack-request-timestamp", &stamp),
                ("x-slack-signature", &signature),
            ]);
            proptest::prop_assert_eq!(verify(&secret, &all, &body, at), Ok(()));
            let mut other = body;
            if other.is_empty() {
                other.push(bit);
            } else {
                let place = place % other.len();
                other[place] ^= 1 << bit;
            }
            proptest::prop_assert_eq!(verify(&secret, &all, &other, at), Err(Rejection::Wrong));
        }
    }
}
