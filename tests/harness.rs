//! The harness itself: what the other tests rely on.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use sqlx::{Connection as _, PgConnection};
use support::chaos::Proxy;
use support::estate::{Estate, Serve};
use support::hooks::{Answer, HookServer};
use support::postgres;
use support::world::eventually;

const SOON: Duration = Duration::from_secs(20);

async fn one(url: &str) -> Result<i32, sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::query_scalar("SELECT 1")
        .fetch_one(&mut connection)
        .await
}

#[tokio::test]
async fn databases_are_fresh_and_apart_and_go_away() {
    let (first, second) = (postgres::database(), postgres::database());
    let mut connection = PgConnection::connect(first.url()).await.unwrap();
    sqlx::query("CREATE TABLE t (a BIGINT)")
        .execute(&mut connection)
        .await
        .unwrap();
    let mut other = PgConnection::connect(second.url()).await.unwrap();
    let there = sqlx::query("SELECT a FROM t").execute(&mut other).await;
    assert!(there.unwrap_err().to_string().contains("does not exist"));
    let url = first.url().to_owned();
    drop(first); // with a connection open
    assert!(
        one(&url)
            .await
            .unwrap_err()
            .to_string()
            .contains("does not exist")
    );
}

#[tokio::test]
async fn a_server_comes_back_with_its_data() {
    let server = postgres::Server::start_new();
    let database = server.database();
    let mut connection = PgConnection::connect(database.url()).await.unwrap();
    sqlx::query("CREATE TABLE t AS SELECT 7 AS a")
        .execute(&mut connection)
        .await
        .unwrap();
    server.stop();
    assert!(
        sqlx::query("SELECT a FROM t")
            .execute(&mut connection)
            .await
            .is_err()
    );
    assert!(one(database.url()).await.is_err());
    server.start();
    let mut connection = PgConnection::connect(database.url()).await.unwrap();
    let a: i32 = sqlx::query_scalar("SELECT a FROM t")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(a, 7);
}

#[tokio::test]
async fn the_network_fails_as_told() {
    let database = postgres::database();
    let mut proxy = Proxy::before(database.url());
    let url = proxy.url(database.url());
    assert_eq!(one(&url).await.unwrap(), 1);

    let mut connection = PgConnection::connect(&url).await.unwrap();
    proxy.cut();
    assert!(
        sqlx::query("SELECT 1")
            .execute(&mut connection)
            .await
            .is_err()
    );
    assert_eq!(
        TcpStream::connect(proxy.address()).unwrap_err().kind(),
        std::io::ErrorKind::ConnectionRefused
    );

    proxy.restore();
    assert_eq!(one(&url).await.unwrap(), 1);
}

#[test]
fn a_silent_network_accepts_and_says_nothing() {
    let echo = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut proxy = Proxy::start(echo.local_addr().unwrap());
    let mut client = TcpStream::connect(proxy.address()).unwrap();
    let (mut server, _) = echo.accept().unwrap();
    client.write_all(b"ping").unwrap();
    let mut buffer = [0; 4];
    server.read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"ping");

    proxy.swallow();
    client.write_all(b"lost").unwrap();
    server.write_all(b"lost").unwrap();
    for stream in [&mut client, &mut server] {
        stream
            .set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        let error = stream.read(&mut buffer).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    }
    TcpStream::connect(proxy.address()).unwrap();

    proxy.restore();
    client.set_read_timeout(Some(SOON)).unwrap();
    // The end of the old connection, however the kernel words it.
    assert!(matches!(client.read(&mut buffer), Ok(0) | Err(_)));
}

#[test]
fn hooks_answer_in_the_order_of_the_queue() {
    let hooks = HookServer::start();
    hooks.always_any(Answer::Gone);
    hooks.answer("foo", [Answer::Status(503), Answer::Ok]);
    let status = |hook: &str| {
        let url = url::Url::parse(&hooks.address(hook)).unwrap();
        let mut stream = TcpStream::connect(url.socket_addrs(|| None).unwrap()[0]).unwrap();
        let path = url.path();
        write!(
            stream,
            "POST {path}?a=b%20c HTTP/1.0\r\nContent-Length: 2\r\n\r\n{{}}"
        )
        .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text.lines().next().unwrap().to_owned()
    };
    let answers = ["foo", "foo", "foo", "bar"].map(status);
    let codes = answers.map(|line| line.split(' ').nth(1).unwrap().to_owned());
    assert_eq!(codes, ["503", "200", "410", "410"]);

    let calls = hooks.wait_for(4, SOON);
    assert_eq!(calls[0].parameter("a"), Some("b c"));
    assert_eq!(calls[0].json(), serde_json::json!({}));
    assert_eq!(hooks.calls_of("bar").len(), 1);
}

#[test]
#[should_panic(expected = "did not look at")]
fn a_call_that_nobody_expected_fails_the_test() {
    let hooks = HookServer::start();
    let address = hooks.address("foo");
    let url = url::Url::parse(&address).unwrap();
    let mut stream = TcpStream::connect(url.socket_addrs(|| None).unwrap()[0]).unwrap();
    write!(stream, "POST {} HTTP/1.0\r\n\r\n", url.path()).unwrap();
    stream.read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn commands_see_only_the_environment_that_they_are_given() {
    let mut estate = Estate::new();
    estate
        .env("NETLIFY_HOOK_WWW", "x")
        .database("postgres://nowhere");
    estate.write("a/b.txt", "text");
    assert_eq!(estate.read("a/b.txt"), "text");
    let command = estate.command();
    let names: Vec<_> = command
        .get_envs()
        .filter_map(|(name, _)| name.to_str())
        .collect();
    let expected = [
        "DATABASE_URL",
        "HOME",
        "NETLIFY_HOOK_WWW",
        "NO_COLOR",
        "PATH",
        "XDG_CACHE_HOME",
    ];
    assert_eq!(names, expected);
    let output = estate.microblot(&["--version"]);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{output:?}");
}

fn shell(script: &str) -> Serve {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]);
    Serve::spawn(command)
}

#[test]
fn a_server_is_followed_and_stopped() {
    let serve = shell(
        "trap 'kill $!; exit 7' TERM; sleep 60 & \
         echo 'INFO listening on http://127.0.0.1:4711 pid=1' >&2; wait",
    );
    assert_eq!(serve.url(), "http://127.0.0.1:4711");
    assert!(serve.stderr().contains("INFO"));
    assert_eq!(serve.terminate(), 7);
}

#[test]
#[should_panic(expected = "cannot start")]
fn a_server_that_ends_early_fails_the_test_at_once() {
    shell("echo cannot start >&2").url();
}

/// Runs itself once more, is killed, and leaves no server behind.
#[test]
fn nothing_outlives_a_killed_test_process() {
    const INNER: &str = "MICROBLOT_TEST_INNER";
    if std::env::var_os(INNER).is_some() {
        let server = postgres::Server::start_new();
        eprintln!("listening on {}", server.url("postgres"));
        loop {
            std::thread::park();
        }
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            "nothing_outlives_a_killed_test_process",
            "--nocapture",
        ])
        .env(INNER, "1");
    let inner = Serve::spawn(command);
    let line = inner.wait_for_line("listening on postgres://", SOON);
    let url = url::Url::parse(line.split_once("listening on ").unwrap().1).unwrap();
    let address = url.socket_addrs(|| None).unwrap()[0];
    TcpStream::connect(address).unwrap();
    inner.kill();
    eventually("the server is gone", || {
        TcpStream::connect(address).is_err().then_some(())
    });
}
