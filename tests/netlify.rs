//! Build hooks, against a server that answers in every way that matters, and in none.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use microblot::builders::netlify::{Trigger, fire, title_prefix};
use microblot::builders::{TriggerBody, TriggerError};
use microblot::http::{self, BodyError, Timeouts};
use microblot::model::{ContentHash, Digest, Millis, Secret, SecretRef};
use support::hooks::{Answer, HookServer};

const SOON: Duration = Duration::from_secs(20);
const SECOND: Duration = Duration::from_secs(1);

fn trigger(hook: &Secret) -> Trigger<'_> {
    Trigger {
        hook,
        branch: Some("main"),
        clear_cache: true,
        body: TriggerBody {
            site: "foo".parse().unwrap(),
            build: "0199a2".to_owned(),
            content_hash: ContentHash(Digest::of_bytes(b"content")),
            reason: "posts changed".to_owned(),
            content_url: Some("https://m.example.org/api/v1/builds/0199a2/content".to_owned()),
        },
    }
}

async fn fire_at(address: &str, timeouts: Timeouts, now: Millis) -> Result<(), TriggerError> {
    let client = http::client(timeouts).unwrap();
    let hook = Secret::new(address);
    let trigger = trigger(&hook);
    let result = fire(&client, &trigger, now).await;
    // Whatever happens, nothing that is printed holds the secret.
    let secret = address.rsplit('/').next().unwrap();
    let printed = format!(
        "{result:?} {trigger:?} {}",
        result
            .clone()
            .err()
            .map_or(String::new(), |e| e.to_string())
    );
    assert!(
        !printed.contains(secret) && !printed.contains("build_hooks"),
        "{printed}"
    );
    result
}

/// Fires at a hook that answers like this, and makes sure that it was called exactly once.
async fn answered(answer: Answer) -> Result<(), TriggerError> {
    let hooks = HookServer::start();
    hooks.answer("foo", [answer]);
    let result = fire_at(&hooks.address("foo"), Timeouts::default(), Millis(0)).await;
    assert_eq!(hooks.calls().len(), 1);
    result
}

#[tokio::test]
async fn a_build_is_fired_with_everything_that_finds_it_again() {
    let hooks = HookServer::start();
    fire_at(&hooks.address("foo"), Timeouts::default(), Millis(0))
        .await
        .unwrap();
    let [call] = &hooks.calls()[..] else {
        panic!("one call")
    };
    assert_eq!(call.method, "POST");
    assert_eq!(
        call.parameter("trigger_title"),
        Some("microblot 0199a2: posts changed")
    );
    assert!(call.query[0].1.starts_with(&title_prefix("0199a2")));
    assert_eq!(call.parameter("trigger_branch"), Some("main"));
    assert_eq!(call.parameter("clear_cache"), Some("true"));
    assert_eq!(call.headers["content-type"], "application/json");
    assert_eq!(
        call.headers["user-agent"],
        format!("microblot/{}", env!("CARGO_PKG_VERSION"))
    );
    insta::assert_snapshot!(
        std::str::from_utf8(&call.body).unwrap(),
        @r#"{"site":"foo","build":"0199a2","content_hash":"sha256:ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73","reason":"posts changed","content_url":"https://m.example.org/api/v1/builds/0199a2/content"}"#
    );
}

#[tokio::test]
async fn every_2xx_is_success_however_long_its_body_or_its_wait() {
    for answer in [
        Answer::Status(200),
        Answer::Status(201),
        Answer::Status(204),
        Answer::Gigabyte,
        Answer::Slow(Duration::from_millis(50)),
    ] {
        assert_eq!(answered(answer.clone()).await, Ok(()), "{answer:?}");
    }
}

#[tokio::test]
async fn a_busy_or_broken_builder_is_tried_again() {
    let later = |seconds: &str| Answer::TooMany {
        retry_after: seconds.to_owned(),
    };
    for (answer, wait) in [
        (Answer::Status(500), None),
        (Answer::Status(502), None),
        (Answer::Status(503), None),
        (Answer::Status(408), None),
        (Answer::Status(429), None),
        (later("17"), Some(17)),
        (later("Thu, 01 Jan 1970 00:01:30 GMT"), Some(90)),
        (later("0"), Some(1)),
        (later("99999999"), Some(3600)),
        (Answer::TooManyReset { unix: 42 }, Some(42)),
    ] {
        match answered(answer.clone()).await {
            Err(TriggerError::Retry { after, .. }) => {
                assert_eq!(after, wait.map(Duration::from_secs), "{answer:?}");
            }
            other => panic!("{answer:?}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn what_only_a_person_can_mend_is_refused() {
    for status in [300, 301, 307, 400, 401, 403, 405, 422] {
        let result = answered(Answer::Status(status)).await;
        assert!(
            matches!(result, Err(TriggerError::Refused { .. })),
            "{status}: {result:?}"
        );
    }
    insta::assert_snapshot!(
        answered(Answer::NotFound).await.unwrap_err(),
        @"Netlify answered 404 Not Found: the build hook does not exist; make a new one, set its address, then run `microblot resume foo`"
    );
    insta::assert_snapshot!(
        answered(Answer::Gone).await.unwrap_err(),
        @"Netlify answered 410 Gone: the build hook does not exist; make a new one, set its address, then run `microblot resume foo`"
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (hooks, elsewhere) = (HookServer::start(), HookServer::start());
    hooks.answer("foo", [Answer::Redirect(elsewhere.address("other"))]);
    let result = fire_at(&hooks.address("foo"), Timeouts::default(), Millis(0)).await;
    assert!(
        matches!(result, Err(TriggerError::Refused { .. })),
        "{result:?}"
    );
    assert_eq!((hooks.calls().len(), elsewhere.calls().len()), (1, 0));
}

#[tokio::test]
async fn a_hook_that_nobody_has_is_refused() {
    let hooks = HookServer::start();
    let unknown = hooks
        .address("foo")
        .replace("build_hooks/", "build_hooks/0");
    let result = fire_at(&unknown, Timeouts::default(), Millis(0)).await;
    assert!(
        matches!(result, Err(TriggerError::Refused { .. })),
        "{result:?}"
    );
}

#[tokio::test]
async fn no_answer_is_neither_success_nor_failure() {
    let hooks = HookServer::start();
    let impatient = Timeouts {
        total: SECOND,
        ..Timeouts::default()
    };
    hooks.answer("foo", [Answer::Reset, Answer::Hang]);
    for _ in ["reset", "hang"] {
        let result = fire_at(&hooks.address("foo"), impatient, Millis(0)).await;
        assert!(
            matches!(result, Err(TriggerError::Unknown { .. })),
            "{result:?}"
        );
    }
    // Both had reached the hook, and neither was repeated.
    assert_eq!(hooks.reached(2, SOON).await.len(), 2);
}

#[tokio::test]
async fn what_fails_before_the_request_leaves_has_started_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let impatient = Timeouts {
        connect: SECOND / 5,
        total: SOON,
    };

    // The connection stands, and TLS does not.
    let silent = fire_at(
        &format!("https://{address}/hooks/5ebc34bf4fea"),
        impatient,
        Millis(0),
    )
    .await;
    assert!(
        matches!(silent, Err(TriggerError::Retry { after: None, .. })),
        "{silent:?}"
    );

    drop(listener);
    let refused = fire_at(
        &format!("http://{address}/hooks/5ebc34bf4fea"),
        Timeouts::default(),
        Millis(0),
    )
    .await;
    assert!(
        matches!(refused, Err(TriggerError::Retry { after: None, .. })),
        "{refused:?}"
    );

    // A name that never resolves (RFC 6761).
    let nowhere = fire_at(
        "https://hooks.invalid/hooks/5ebc34bf4fea",
        Timeouts::default(),
        Millis(0),
    )
    .await;
    assert!(
        matches!(nowhere, Err(TriggerError::Retry { after: None, .. })),
        "{nowhere:?}"
    );
}

#[tokio::test]
async fn a_handshake_that_fails_starts_nothing() {
    // Plain HTTP where TLS is expected: the handshake fails.
    let hooks = HookServer::start();
    let address = hooks.address("foo").replace("http://", "https://");
    let result = fire_at(&address, Timeouts::default(), Millis(0)).await;
    assert!(
        matches!(result, Err(TriggerError::Retry { .. })),
        "{result:?}"
    );
    assert_eq!(hooks.calls().len(), 0);
}

#[test]
fn a_missing_secret_is_named() {
    let folder = Path::new("/no/such/folder");
    let missing = SecretRef::Env("MICROBLOT_TEST_NO_SUCH_HOOK".to_owned()).read(folder);
    let error = microblot::chain(&missing.unwrap_err());
    assert_eq!(
        error,
        "the environment variable MICROBLOT_TEST_NO_SUCH_HOOK is not set"
    );
    let missing = SecretRef::File("/no/such/file".into()).read(folder);
    let error = microblot::chain(&missing.unwrap_err());
    assert!(
        error.starts_with("the secret file /no/such/file cannot be read: "),
        "{error}"
    );
}

#[tokio::test]
async fn an_answer_is_read_up_to_its_limit() {
    let hooks = HookServer::start();
    hooks.answer(
        "foo",
        [Answer::NotFound, Answer::NotFound, Answer::Gigabyte],
    );
    let client = http::client(Timeouts::default()).unwrap();
    let mut bodies = Vec::new();
    for limit in [9, 8, 2048] {
        let response = client.post(hooks.address("foo")).send().await.unwrap();
        bodies.push(http::body(response, limit).await);
    }
    assert_eq!(hooks.calls().len(), 3);
    let [
        Ok(whole),
        Err(BodyError::TooLong(8)),
        Err(BodyError::TooLong(2048)),
    ] = &bodies[..]
    else {
        panic!("{bodies:?}")
    };
    assert_eq!(whole, b"Not Found");
}
