//! The client of Slack's API, the gate for its requests and the installation, against a stand-in.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::time::Duration;

use microblot::http::Timeouts;
use microblot::model::{Millis, Secret};
use microblot::slack::api::{Api, ApiError, TIMEOUTS};
use serde_json::{Value, json};
use support::slack::{ADA, ADMIN, Bad, CHANNEL, Slack, TEAM};

fn api(slack: &Slack) -> Api {
    Api::new(&slack.api_url(), TIMEOUTS).unwrap()
}

fn token(slack: &Slack) -> Secret {
    Secret::new(slack.token(TEAM))
}

fn message(text: &str) -> Value {
    json!({ "text": text, "blocks": [{ "type": "section", "text": { "type": "mrkdwn", "text": text } }] })
}

fn modal(title: &str) -> Value {
    json!({ "type": "modal", "title": { "type": "plain_text", "text": title }, "blocks": [] })
}

fn refused(error: &str) -> ApiError {
    ApiError::Refused {
        error: error.to_owned(),
        detail: None,
    }
}

#[tokio::test]
async fn a_message_is_posted_and_then_changed() {
    let slack = Slack::start();
    let (api, token) = (api(&slack), token(&slack));
    let posted = api
        .post_message(&token, CHANNEL, &message("one"))
        .await
        .unwrap();
    assert_eq!(slack.message(CHANNEL, &posted.ts).unwrap().text(), "one");
    let again = api
        .update_message(&token, &posted.channel, &posted.ts, &message("two"))
        .await
        .unwrap();
    assert_eq!(again, posted);
    assert_eq!(slack.messages(CHANNEL).len(), 1);
    assert_eq!(
        slack.message(CHANNEL, &posted.ts).unwrap().words(),
        "two\ntwo\n"
    );
    // To a person: the conversation with them is answered, and is what an update needs.
    let direct = api
        .post_message(&token, ADA, &message("hello"))
        .await
        .unwrap();
    assert_eq!(direct.channel, "D0ADA");
    api.update_message(&token, &direct.channel, &direct.ts, &message("bye"))
        .await
        .unwrap();
    let nowhere = api.post_message(&token, "C0NOWHERE", &message("one")).await;
    assert_eq!(nowhere, Err(refused("channel_not_found")));
    let gone = api
        .update_message(&token, CHANNEL, "1.2", &message("one"))
        .await;
    assert_eq!(gone, Err(refused("message_not_found")));
    let call = &slack.calls_of("chat.postMessage")[0];
    assert_eq!(call.body["channel"], CHANNEL);
    assert_eq!(call.token.as_deref(), Some(slack.token(TEAM).as_str()));
}

#[tokio::test]
async fn a_trigger_opens_one_modal_and_an_old_hash_changes_none() {
    let slack = Slack::start();
    let (api, token) = (api(&slack), token(&slack));
    let trigger = || slack.trigger(TEAM, ADA);
    let first = trigger();
    let opened = api.open_view(&token, &first, &modal("One")).await.unwrap();
    assert_eq!(slack.modal(ADA).unwrap().view_id(), opened.id);
    let twice = api.open_view(&token, &first, &modal("One")).await;
    assert_eq!(twice, Err(refused("exchanged_trigger_id")));
    let hash = opened.hash.as_deref();
    let updated = api
        .update_view(&token, &opened.id, hash, &modal("Two"))
        .await
        .unwrap();
    assert_eq!(slack.modal(ADA).unwrap().words(), "Two\n");
    let late = api
        .update_view(&token, &opened.id, hash, &modal("Late"))
        .await;
    assert_eq!(late, Err(refused("hash_conflict")));
    assert_ne!(updated.hash, opened.hash);
    for title in ["Three", "Four"] {
        api.push_view(&token, &trigger(), &modal(title))
            .await
            .unwrap();
    }
    let full = api.push_view(&token, &trigger(), &modal("Five")).await;
    assert_eq!(full, Err(refused("push_limit_reached")));
    let old = trigger();
    slack.expire_triggers();
    let expired = api.open_view(&token, &old, &modal("Six")).await;
    assert_eq!(expired, Err(refused("expired_trigger_id")));
    let home = json!({ "type": "home", "blocks": [{ "type": "divider" }] });
    let published = api.publish_home(&token, ADA, None, &home).await.unwrap();
    assert_eq!(slack.home(ADA).unwrap().view_id(), published.id);
}

#[tokio::test]
async fn a_history_is_read_page_by_page_newest_first() {
    let slack = Slack::start();
    let (api, token) = (api(&slack), token(&slack));
    let said: Vec<_> = (0..40)
        .map(|i| slack.say(CHANNEL, ADA, &format!("message {i}")))
        .collect();
    slack.page_size(15);
    let (mut found, mut cursor, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = api
            .history(&token, CHANNEL, Some(&said[2]), cursor.as_deref(), 100)
            .await
            .unwrap();
        found.extend(page.items.into_iter().map(|message| message.ts));
        pages += 1;
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    found.reverse();
    assert_eq!((pages, &found[..]), (3, &said[3..]));
    slack.add_channel(TEAM, "C0OTHER", "other", false);
    let closed = api.history(&token, "C0OTHER", None, None, 15).await;
    assert_eq!(closed, Err(refused("not_in_channel")));
    assert!(api.join(&token, "C0OTHER").await.unwrap().member);
    let open = api
        .history(&token, "C0OTHER", None, None, 15)
        .await
        .unwrap();
    assert_eq!(open.items, []);
}

#[tokio::test]
async fn people_have_names_pictures_and_ranks() {
    let slack = Slack::start();
    let (api, token) = (api(&slack), token(&slack));
    let agnes = api.user(&token, ADMIN).await.unwrap();
    assert_eq!(
        (agnes.name.as_str(), agnes.admin, agnes.bot),
        ("Agnes", true, false)
    );
    assert!(agnes.picture.unwrap().starts_with("https://"));
    assert!(!api.user(&token, ADA).await.unwrap().admin);
    assert_eq!(
        api.user(&token, "U0X").await,
        Err(refused("user_not_found"))
    );
    let identity = api.auth_test(&token).await.unwrap();
    assert_eq!(
        (identity.team.as_str(), identity.user.as_str()),
        (TEAM, "U0BOT")
    );
    slack.revoke(TEAM);
    assert_eq!(api.auth_test(&token).await, Err(ApiError::Gone));
}

#[tokio::test]
async fn what_goes_wrong_says_what_to_do_next() {
    let slack = Slack::start();
    let elsewhere = Slack::start();
    let impatient = Timeouts {
        total: Duration::from_secs(1),
        ..TIMEOUTS
    };
    let api = Api::new(&slack.api_url(), impatient).unwrap();
    let token = token(&slack);
    let later = |after: Option<u64>| (true, after.map(Duration::from_secs));
    let never = (false, None);
    for (bad, expected) in [
        (Bad::TooMany(30), later(Some(30))),
        (Bad::Status(500), later(None)),
        (Bad::Status(503), later(None)),
        (Bad::Status(403), never),
        (Bad::Status(404), never),
        (Bad::Garbage, later(None)),
        (Bad::Gigabyte, later(None)),
        (Bad::Redirect(elsewhere.api_url()), never),
        (Bad::Hang, later(None)),
        (Bad::Reset, later(None)),
        (Bad::Lost, later(None)),
        (Bad::Error("ratelimited"), later(None)),
        (Bad::Error("internal_error"), later(None)),
        (Bad::Error("invalid_blocks"), never),
    ] {
        slack.answer("chat.postMessage", [bad.clone()]);
        let error = api
            .post_message(&token, CHANNEL, &message("one"))
            .await
            .unwrap_err();
        let found = match &error {
            ApiError::Later { after, .. } => (true, *after),
            ApiError::Refused { .. } => never,
            ApiError::Gone => panic!("{bad:?}"),
        };
        assert_eq!(found, expected, "{bad:?}: {error}");
        let printed = format!("{error} {error:?}");
        assert!(
            !printed.contains("xoxb") && !printed.contains("127.0.0.1"),
            "{printed}"
        );
    }
    for gone in ["account_inactive", "token_revoked", "invalid_auth"] {
        slack.answer("*", [Bad::Error(gone)]);
        let error = api.post_message(&token, CHANNEL, &message("one")).await;
        assert_eq!(error, Err(ApiError::Gone), "{gone}");
    }
    // Only `Lost` was carried out; each was sent once, and no redirect was followed.
    assert_eq!(slack.messages(CHANNEL).len(), 1);
    assert_eq!(slack.calls_of("chat.postMessage").len(), 17);
    assert_eq!(elsewhere.calls().len(), 0);
    drop(slack);
    let away = api.post_message(&token, CHANNEL, &message("one")).await;
    assert!(matches!(away, Err(ApiError::Later { .. })), "{away:?}");
}

#[tokio::test]
async fn a_response_url_is_slacks_or_is_not_called() {
    let slack = Slack::start();
    let elsewhere = Slack::start();
    let api = api(&slack);
    let url = slack.response_url(TEAM, CHANNEL);
    for i in 0..5 {
        api.respond(&url, &message(&i.to_string())).await.unwrap();
    }
    let sixth = api.respond(&url, &message("six")).await;
    assert_eq!(sixth, Err(refused("used_url")));
    let old = slack.response_url(TEAM, CHANNEL);
    slack.expire_response_urls();
    assert_eq!(
        api.respond(&old, &message("late")).await,
        Err(refused("expired_url"))
    );
    slack.answer(
        "response_url",
        [Bad::TooMany(7), Bad::Error("invalid_blocks")],
    );
    let busy = api.respond(&old, &message("x")).await.unwrap_err();
    let seven = Some(Duration::from_secs(7));
    assert!(matches!(busy, ApiError::Later { after, .. } if after == seven));
    assert_eq!(
        api.respond(&old, &message("x")).await,
        Err(refused("invalid_blocks"))
    );
    let foreign = elsewhere.response_url(TEAM, CHANNEL);
    let foreign = foreign.expose();
    for bad in [
        foreign,
        "http://hooks.slack.com/commands/1",
        "https://hooks.slack.com:8443/commands/1",
        "https://hooks.slack.com.example.org/commands/1",
        "https://hooks.slack.com@example.org/commands/1",
        "https://example.org/hooks.slack.com",
        "http://169.254.169.254/latest/meta-data",
        "http://localhost/",
        "file:///etc/passwd",
        "/respond/1",
        "",
    ] {
        let error = api.respond(&Secret::new(bad), &message("x")).await;
        assert_eq!(error, Err(refused("response_url_not_slack")), "{bad}");
    }
    assert_eq!(elsewhere.calls().len(), 0);
}

#[test]
fn tokens_are_sent_only_where_nobody_reads_them() {
    for good in [
        "https://slack.com/api/",
        "https://slack.com/api",
        "http://127.0.0.1:3000/api",
        "http://localhost:3000",
    ] {
        assert!(Api::new(good, TIMEOUTS).is_ok(), "{good}");
    }
    for bad in [
        "http://slack.com/api/",
        "slack.com",
        "",
        "https://slack.com/api/?x=1",
    ] {
        assert!(Api::new(bad, TIMEOUTS).is_err(), "{bad}");
    }
}

mod gate {
    //! The extractor, in the smallest possible app.

    use std::sync::Arc;

    use axum::Router;
    use axum::extract::FromRef;
    use axum::routing::post;
    use microblot::slack::payload::{Command, Envelope, Interaction};
    use microblot::slack::signature::{BODY_BYTES, Form, Gate, Json, Signed, SigningSecret};

    use super::*;
    use support::slack::client::Request;
    use support::slack::{GRACE, SIGNING_SECRET};

    #[derive(Clone)]
    struct App(Gate);

    impl FromRef<App> for Gate {
        fn from_ref(app: &App) -> Self {
            app.0.clone()
        }
    }

    /// Answers with what it understood.
    fn serve() -> (String, tokio::runtime::Runtime) {
        let gate = Gate {
            secret: Arc::new(SigningSecret::new(&Secret::new(SIGNING_SECRET)).unwrap()),
            now: || Millis::from(jiff::Timestamp::now()),
        };
        let router = Router::new()
            .route(
                "/slack/commands",
                post(
                    async |signed: Signed<Form>| match Command::parse(signed.body()) {
                        Ok(Command::Slash(slash)) => {
                            let text = format!("{} {} {}", slash.user, slash.command, slash.text);
                            axum::Json(json!({ "text": text }))
                        }
                        other => axum::Json(json!({ "text": format!("{other:?}") })),
                    },
                ),
            )
            .route(
                "/slack/interactions",
                post(
                    async |signed: Signed<Form>| match Interaction::parse(signed.body()) {
                        Ok(Interaction::Submission(submission)) => {
                            let title = submission.view.text("title", "title").unwrap().to_owned();
                            let error = json!({ "title": format!("{title} is taken") });
                            axum::Json(json!({ "response_action": "errors", "errors": error }))
                        }
                        Ok(Interaction::Actions(actions)) => {
                            let action = &actions.actions[0];
                            let value = action.value.as_deref().unwrap();
                            let home = actions.view.is_some_and(|view| view.home);
                            let text = format!("{} {value} {home}", action.action_id);
                            axum::Json(json!({ "text": text }))
                        }
                        Ok(Interaction::MessageShortcut(shortcut)) => {
                            axum::Json(json!({ "text": shortcut.message.text }))
                        }
                        other => axum::Json(json!({ "text": format!("{other:?}") })),
                    },
                ),
            )
            .route(
                "/slack/events",
                post(async |signed: Signed<Json>| format!("{:?}", Envelope::parse(signed.body()))),
            )
            .with_state(App(gate));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(async move { axum::serve(listener, router).await });
        (address, runtime)
    }

    const FORM: &str = "application/x-www-form-urlencoded";

    #[test]
    fn what_people_do_in_slack_reaches_the_app() {
        let (server, _runtime) = serve();
        let slack = Slack::start();
        let reply = slack.command(&server, TEAM, ADA, CHANNEL, "new garden & <@U1>");
        assert_eq!(reply.words(), "U0ADA /microblot new garden & <@U1>\n");
        assert_eq!(slack.replay(&server, &reply).body, reply.answer.body);
        assert_eq!(slack.retry(&server, &reply).body, reply.answer.body);

        let view = json!({
            "type": "modal", "callback_id": "new", "title": { "type": "plain_text", "text": "New" },
            "submit": { "type": "plain_text", "text": "Save" },
            "blocks": [{
                "type": "input", "block_id": "title", "label": { "type": "plain_text", "text": "Title" },
                "element": { "type": "plain_text_input", "action_id": "title" },
            }],
        });
        slack.show_modal(TEAM, GRACE, &view);
        let open = slack.modal(GRACE).unwrap();
        let reply = slack.submit(&server, GRACE, &open, &[("title", "Käse ☃")]);
        assert_eq!(reply.errors()["title"], "Käse ☃ is taken");
        assert!(slack.modal(GRACE).is_some(), "errors leave the modal open");

        let home = json!({ "type": "home", "blocks": [{ "type": "actions", "elements": [
            { "type": "button", "action_id": "edit", "value": "7", "text": { "type": "plain_text", "text": "Edit" } },
            { "type": "button", "action_id": "edit", "value": "8", "text": { "type": "plain_text", "text": "Edit" } },
        ] }] });
        slack.show_home(TEAM, GRACE, &home);
        let reply = slack.press(
            &server,
            GRACE,
            &slack.home(GRACE).unwrap(),
            "edit",
            Some("8"),
        );
        assert_eq!(reply.words(), "edit 8 true\n");
        // Two elements of one block must not share an id: the stand-in noticed.
        assert_eq!(slack.violations().len(), 1);

        let said = json!({ "type": "message", "user": ADA, "text": "a *bold* word", "ts": "1.2" });
        let reply = slack.message_shortcut(&server, TEAM, ADA, CHANNEL, "publish", &said);
        assert_eq!(reply.words(), "a *bold* word\n");

        let (ts, reply) = slack.write(&server, TEAM, ADA, CHANNEL, "hello");
        assert!(
            reply.answer.body.contains(&format!("ts: \"{ts}\"")),
            "{reply:?}"
        );
        let home = slack.open_home(&server, TEAM, ADA);
        assert!(home.answer.body.contains("HomeOpened"), "{home:?}");
    }

    #[test]
    fn what_slack_did_not_sign_now_is_refused() {
        let (server, _runtime) = serve();
        let body = "ssl_check=1&token=x";
        let good = Request::new("/slack/commands", FORM, body);
        assert_eq!(good.send(&server, &[]).status, 200);
        let changed = |change: &dyn Fn(&mut Request)| {
            let mut request = good.clone();
            change(&mut request);
            request.send(&server, &[]).status
        };
        let second: i64 = good.timestamp.parse().unwrap();
        let at = |offset: i64| {
            changed(&|request| {
                request.timestamp = (second + offset).to_string();
                request.sign();
            })
        };
        assert_eq!(changed(&|request| request.body[0] = b't'), 401);
        assert_eq!(changed(&|request| request.signature.clear()), 401);
        assert_eq!(changed(&|request| request.timestamp.push('0')), 401);
        assert_eq!((at(-290), at(290)), (200, 200));
        assert_eq!((at(-310), at(310)), (401, 401));
        for header in ["X-Slack-Signature", "X-Slack-Request-Timestamp"] {
            let value = if header.ends_with("Signature") {
                &good.signature
            } else {
                &good.timestamp
            };
            let answer = good.send(&server, &[(header, value)]);
            assert_eq!((answer.status, answer.body.as_str()), (401, ""));
        }
        for other in [
            "application/json",
            "text/plain",
            "multipart/form-data; boundary=x",
            "",
        ] {
            assert_eq!(
                changed(&|request| request.content_type = other.to_owned()),
                415
            );
        }
        let with_charset = "Application/X-WWW-Form-URLEncoded; charset=utf-8";
        assert_eq!(
            changed(&|request| request.content_type = with_charset.to_owned()),
            200
        );
        let event = Request::new("/slack/events", FORM, "{}");
        assert_eq!(event.send(&server, &[]).status, 415);
        for (length, status) in [(BODY_BYTES, 200), (BODY_BYTES + 1, 413)] {
            let long = Request::new("/slack/commands", FORM, vec![b'x'; length]);
            assert_eq!(long.send(&server, &[]).status, status);
        }
        let empty = Request::new("/slack/commands", FORM, "");
        assert_eq!(empty.send(&server, &[]).status, 200);
    }
}

mod install {
    use axum::http::{HeaderMap, StatusCode};
    use microblot::slack::install::{
        BOT_SCOPES, Blog, Callback, InstallError, Installation, SLACK_AUTHORIZE_URL, SetupError,
        page,
    };
    use microblot::slack::seal::Key;

    use super::*;
    use support::slack::{CLIENT_ID, CLIENT_SECRET};

    const NOW: Millis = Millis(1_795_252_400_000);

    fn installation(authorize: &str, server: &str) -> Result<Installation, SetupError> {
        let key = Key::parse(&Secret::new("07".repeat(32))).unwrap();
        Installation::new(
            CLIENT_ID,
            Secret::new(CLIENT_SECRET),
            authorize,
            server,
            &key,
        )
    }

    fn callback(query: &str) -> Callback {
        let uri = format!("/slack/oauth?{query}").parse().unwrap();
        axum::extract::Query::try_from_uri(&uri).unwrap().0
    }

    fn with_cookie(cookie: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let value = cookie.split(';').next().unwrap();
        headers.append("cookie", "other=1".parse().unwrap());
        headers.append("cookie", format!("a=b; {value}; c=d").parse().unwrap());
        headers
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_workspace_installs_the_app() {
        let slack = Slack::start();
        let install = installation(&slack.authorize_url(), "https://blog.example.org/").unwrap();
        let begin = install.begin(NOW);
        assert_eq!(
            begin.cookie.split_once(';').unwrap().1,
            " Path=/slack/oauth; Max-Age=600; HttpOnly; SameSite=Lax; Secure"
        );
        let back = slack.agree(&begin.location, "T0NEW", "Köche", ADA);
        let query = callback(back.split_once('?').unwrap().1);
        let headers = with_cookie(&begin.cookie);
        let installed = install
            .exchange(&api(&slack), &query, &headers, NOW)
            .await
            .unwrap();
        assert_eq!(
            (installed.team.as_str(), installed.team_name.as_str()),
            ("T0NEW", "Köche")
        );
        assert_eq!(
            (installed.bot_user.as_str(), installed.installer.as_str()),
            ("U0BOT", ADA)
        );
        assert_eq!(installed.token.expose(), slack.token("T0NEW"));
        assert!(!format!("{installed:?}{query:?}{install:?}").contains("xoxb"));
        let (status, html) = page(Ok((
            &installed,
            &Blog::At("https://a.example.org/<x>".to_owned()),
        )));
        assert_eq!(status, StatusCode::OK);
        assert!(
            html.0.contains("Köche") && html.0.contains("&lt;x&gt;"),
            "{}",
            html.0
        );
        // A code works once.
        let again = install.exchange(&api(&slack), &query, &headers, NOW).await;
        assert_eq!(
            again.unwrap_err(),
            InstallError::Slack(refused("invalid_code"))
        );
    }

    #[tokio::test]
    async fn only_the_browser_that_began_can_end_it_in_time() {
        let slack = Slack::start();
        let install = installation(SLACK_AUTHORIZE_URL, "http://localhost:8080").unwrap();
        let begin = install.begin(NOW);
        assert!(!begin.cookie.contains("Secure"));
        let location = url::Url::parse(&begin.location).unwrap();
        let state = location
            .query_pairs()
            .find_map(|(key, value)| (key == "state").then(|| value.into_owned()))
            .unwrap();
        assert!(
            begin
                .location
                .contains(&BOT_SCOPES.join("%2C").replace(':', "%3A"))
        );
        let (mine, nobodys) = (with_cookie(&begin.cookie), HeaderMap::new());
        let others = with_cookie(&install.begin(NOW).cookie);
        let minutes = |minutes: u64| NOW.plus(Duration::from_secs(60 * minutes));
        let good = format!("code=1&state={state}");
        let denied = format!("error=access_denied&state={state}");
        let table = [
            (good.as_str(), &nobodys, NOW, InstallError::State),
            (&good, &others, NOW, InstallError::State),
            (&good, &mine, minutes(11), InstallError::State),
            ("code=1&state=s1.AAAA", &mine, NOW, InstallError::State),
            ("code=1", &mine, NOW, InstallError::State),
            ("", &mine, NOW, InstallError::State),
            (&denied, &mine, NOW, InstallError::Denied),
            (&denied, &nobodys, NOW, InstallError::State),
            (&good[7..], &mine, NOW, InstallError::NoCode(None)),
            // In time: the code is asked for, which Slack does not know.
            (
                &good,
                &mine,
                minutes(10),
                InstallError::Slack(refused("invalid_code")),
            ),
        ];
        let api = api(&slack);
        for (query, headers, now, expected) in table {
            let error = install
                .exchange(&api, &callback(query), headers, now)
                .await
                .unwrap_err();
            let (status, html) = page(Err(&error));
            assert_eq!(error, expected, "{query}");
            assert_eq!(status.is_success(), error == InstallError::Denied);
            assert!(html.0.contains("Nothing was installed"), "{}", html.0);
        }
        assert_eq!(slack.calls().len(), 1);
    }

    #[test]
    fn addresses_must_be_private() {
        assert_eq!(
            installation(SLACK_AUTHORIZE_URL, "http://blog.example.org").unwrap_err(),
            SetupError::Url
        );
        assert_eq!(
            installation("http://slack.com/", "https://blog.example.org").unwrap_err(),
            SetupError::Authorize
        );
    }
}

mod limits {
    //! The checker itself: what it lets pass, and that it finds what breaks a rule.

    use super::*;
    use support::slack_limits::{message, view};

    fn text(kind: &str, length: usize) -> Value {
        json!({ "type": kind, "text": "ä".repeat(length) })
    }

    fn button(label: usize) -> Value {
        json!({ "type": "button", "action_id": "a", "text": text("plain_text", label) })
    }

    fn section(length: usize) -> Value {
        json!({ "type": "section", "text": text("mrkdwn", length) })
    }

    fn select(options: usize, value: &str) -> Value {
        let option = json!({ "text": text("plain_text", 75), "value": value });
        json!({ "type": "static_select", "action_id": "s", "options": vec![option; options] })
    }

    fn input(element: &Value) -> Value {
        json!({ "type": "input", "label": text("plain_text", 9), "element": element })
    }

    fn with_blocks(blocks: Vec<Value>) -> Value {
        json!({ "text": "x", "blocks": blocks })
    }

    fn modal_with(blocks: Vec<Value>) -> Value {
        let (title, submit) = (text("plain_text", 24), text("plain_text", 24));
        json!({ "type": "modal", "title": title, "submit": submit, "blocks": blocks })
    }

    #[test]
    fn what_slack_takes_passes_and_one_more_does_not() {
        let field = json!({ "type": "plain_text_input", "action_id": "f", "max_length": 3000 });
        let long_field =
            json!({ "type": "plain_text_input", "action_id": "f", "max_length": 3001 });
        let actions = |count: usize, label: usize| {
            let buttons = (0..count).map(|i| {
                let mut button = button(label);
                button["action_id"] = json!(format!("a{i}"));
                button
            });
            json!({ "type": "actions", "elements": buttons.collect::<Vec<_>>() })
        };
        let context =
            |count| json!({ "type": "context", "elements": vec![text("mrkdwn", 9); count] });
        let fields = |count, length| json!({ "type": "section", "fields": vec![text("mrkdwn", length); count] });
        let header = |length| json!({ "type": "header", "text": text("plain_text", length) });
        let in_section = |element: Value| {
            let mut section = section(9);
            section["accessory"] = element;
            section
        };
        let named = |id: &str| json!({ "type": "divider", "block_id": id });
        let mut wordless = with_blocks(vec![section(9)]);
        wordless["text"] = json!("");
        let mut no_submit = modal_with(vec![input(&field)]);
        no_submit["submit"] = Value::Null;
        let mut titled_home = modal_with(vec![]);
        titled_home["type"] = json!("home");
        let mut noted = modal_with(vec![]);
        noted["private_metadata"] = json!("x".repeat(3001));
        let mut long_title = modal_with(vec![]);
        long_title["title"] = text("plain_text", 25);
        let shown = |blocks| message(&with_blocks(blocks));
        let opened = |blocks| view(&modal_with(blocks));
        let table = [
            (shown(vec![section(3000); 50]), shown(vec![section(9); 51])),
            (shown(vec![section(1)]), shown(vec![section(3001)])),
            (shown(vec![section(1)]), shown(vec![section(0)])),
            (shown(vec![header(150)]), shown(vec![header(151)])),
            (shown(vec![fields(10, 2000)]), shown(vec![fields(11, 9)])),
            (shown(vec![fields(1, 2000)]), shown(vec![fields(1, 2001)])),
            (shown(vec![context(10)]), shown(vec![context(11)])),
            (shown(vec![actions(25, 75)]), shown(vec![actions(26, 9)])),
            (shown(vec![actions(1, 75)]), shown(vec![actions(1, 76)])),
            (
                shown(vec![in_section(select(100, "v"))]),
                shown(vec![in_section(select(101, "v"))]),
            ),
            (
                shown(vec![in_section(select(1, &"v".repeat(150)))]),
                shown(vec![in_section(select(1, &"v".repeat(151)))]),
            ),
            (
                shown(vec![named("a"), named("b")]),
                shown(vec![named("a"), named("a")]),
            ),
            (
                shown(vec![named(&"b".repeat(255))]),
                shown(vec![named(&"b".repeat(256))]),
            ),
            (shown(vec![]), shown(vec![json!({ "type": "novelty" })])),
            (shown(vec![section(9)]), message(&wordless)),
            (
                opened(vec![input(&field)]),
                opened(vec![input(&long_field)]),
            ),
            (opened(vec![input(&field)]), view(&no_submit)),
            (opened(vec![input(&field)]), opened(vec![input(&button(9))])),
            (opened(vec![section(9); 100]), opened(vec![section(9); 101])),
            (opened(vec![]), view(&titled_home)),
            (opened(vec![]), view(&noted)),
            (opened(vec![]), view(&long_title)),
        ];
        for (row, (good, bad)) in table.into_iter().enumerate() {
            assert_eq!(good, Vec::<String>::new(), "row {row}");
            assert!(!bad.is_empty(), "row {row}");
        }
    }
}
