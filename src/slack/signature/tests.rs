//! Signatures: Slack's documented one, those of its SDK, and what is no signature.

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

/// Made by Slack's own SDK for Python: `slack_sdk` 3.47.0,
/// `slack_sdk.signature.SignatureVerifier(secret).generate_signature(timestamp=at, body=body)`.
const BY_THE_SDK: &[(&str, &str, &str, &str, &str)] = &[
    (
        "a command",
        SECRET,
        "1531420618",
        "token=t&team_id=T012AB3CD&channel_id=C0GENERAL&user_id=U0ADA&command=%2Fmicroblot&text=pause+garden+because+%E2%80%9Cit+floods%E2%80%9D&trigger_id=1.2.a",
        "v0=ae2fde826315bf0fc9691ecde5c84307584a4ccfff0101970844dc83acaa9991",
    ),
    (
        "an interaction",
        SECRET,
        "1795252400",
        "payload=%7B%22type%22%3A%22block_actions%22%2C%22team%22%3A%7B%22id%22%3A%22T012AB3CD%22%7D%7D",
        "v0=e3fca4c7e9807e10cd430bfa724201924287249c9ada78a60ca8e2d4c2c42fe2",
    ),
    (
        "an event",
        SECRET,
        "1795252400",
        r#"{"type":"event_callback","event_id":"Ev01","event":{"type":"message","text":"a <b> & \"c\""}}"#,
        "v0=80e8a97949e05bb25c80796a3db0f7f589f6dbb6394b19dd1b39aab29f632231",
    ),
    (
        "Unicode",
        SECRET,
        "1795252400",
        "{\"text\":\"Grüße 🎉 日本 e\u{301}\u{202e}\"}",
        "v0=135cc80116c298e4f65df011fb433c5c9a500e7ab560ea24db5e865baef484a4",
    ),
    (
        "the ends of lines",
        SECRET,
        "1795252400",
        "{\r\n  \"a\": 1\n}\n",
        "v0=31e9031926a2208de48bcc9c0595c9d77d2583ed72fb14f0487f04c1a3f8e954",
    ),
    (
        "nothing",
        SECRET,
        "1795252400",
        "",
        "v0=ede7940c3fa44263277d66d9c9935edba56f81f7568cdf43627302a2150425cb",
    ),
    (
        "another secret, in the first second",
        "x",
        "0",
        "a=b",
        "v0=cadd5a66b005841e5b95e108ef5ad24ecabf435bf7949ed8c058d43cd8cccfbb",
    ),
    (
        "a secret in other letters",
        "Grüße",
        "4000000000",
        "a=b",
        "v0=681d9453d2e84f7cd4434846126351a371619e0ec33e9f13d38f76611e10ae46",
    ),
];

#[test]
fn what_slacks_own_sdk_signs_is_accepted() {
    let check = |key: &str, at: &str, body: &[u8], signature: &str| {
        let all = headers(&[
            ("x-slack-request-timestamp", at),
            ("x-slack-signature", signature),
        ]);
        verify(&secret(key), &all, body, at.parse().unwrap())
    };
    for (what, key, at, body, signature) in BY_THE_SDK {
        let body = body.as_bytes();
        assert_eq!(check(key, at, body, signature), Ok(()), "{what}");
        assert_eq!(sign(&secret(key), at, body), *signature, "{what}");
        let mut longer = body.to_vec();
        longer.push(b' ');
        let changed = check(key, at, &longer, signature);
        assert_eq!(changed, Err(Rejection::Wrong), "{what}");
    }
    // As long as nothing that Slack sends.
    let body = format!("text={}", "x".repeat(100_000));
    let signature = "v0=d8c775ef5dad5ca761d4cc6907abb013eb7791cdf4dafcd27cf44e866ec1ad9a";
    let checked = check(SECRET, "1795252400", body.as_bytes(), signature);
    assert_eq!(checked, Ok(()));
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
