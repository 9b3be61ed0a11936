//! A stateful stand-in for Netlify's build hooks.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use axum::serve::ListenerExt as _;
use tokio::runtime::Runtime;

/// How a hook answers one call.
#[derive(Clone, Debug)]
pub enum Answer {
    /// 200, with an empty body.
    Ok,
    /// Any status.
    Status(u16),
    /// 429 with `Retry-After`: seconds, a date, or nonsense.
    TooMany {
        /// The header as it is sent.
        retry_after: String,
    },
    /// 429 with `X-RateLimit-Reset`.
    TooManyReset {
        /// Unix seconds.
        unix: i64,
    },
    /// 404, as for a hook that was deleted.
    NotFound,
    /// 410.
    Gone,
    /// 303 to an address.
    Redirect(String),
    /// Takes the request and never answers.
    Hang,
    /// Takes the request and closes the connection.
    Reset,
    /// 200 with a body that never ends.
    Gigabyte,
    /// 200, so much later.
    Slow(Duration),
}

impl Answer {
    /// Behind an error of a gateway a build may start all the same.
    fn may_start(&self) -> bool {
        match self {
            Self::Status(status) => matches!(status, 200..300 | 500..),
            Self::TooMany { .. } | Self::TooManyReset { .. } => false,
            Self::NotFound | Self::Gone | Self::Redirect(_) => false,
            Self::Ok | Self::Hang | Self::Reset | Self::Gigabyte | Self::Slow(_) => true,
        }
    }
}

/// One request that reached a hook.
#[derive(Clone, Debug)]
pub struct Call {
    /// The name that the test gave the hook.
    pub hook: String,
    /// How; every method counts as a call, so that a followed redirect is seen.
    pub method: Method,
    /// The query, decoded, in order.
    pub query: Vec<(String, String)>,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// When it was there.
    pub at: Instant,
    /// Whether a build may have come of it. One comes of no call that is refused outright.
    pub may_have_started: bool,
}

impl Call {
    /// The body as JSON; panics if it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("the body of a call is JSON")
    }

    /// The value of one parameter of the query.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// The server. Calls that no test looked at fail the test when it is dropped.
pub struct HookServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<Hooks>,
    called: Condvar,
}

#[derive(Default)]
struct Hooks {
    // Hook names by the secret part of their address.
    names: HashMap<String, String>,
    // Answers still to be given: of one hook, and of any (under no name).
    answers: HashMap<Option<String>, VecDeque<Answer>>,
    // What is answered when the queues are empty, of one hook and of any.
    always: HashMap<Option<String>, Answer>,
    calls: Vec<Call>,
    looked_at: Vec<bool>,
    ignored: bool,
}

impl Hooks {
    fn answer(&mut self, hook: &str) -> Answer {
        let keys = [Some(hook.to_owned()), None];
        let queued = keys
            .iter()
            .find_map(|key| self.answers.get_mut(key)?.pop_front());
        queued
            .or_else(|| keys.iter().find_map(|key| self.always.get(key).cloned()))
            .unwrap_or(Answer::Ok)
    }

    fn look(&mut self, wanted: impl Fn(&Call) -> bool) -> Vec<Call> {
        let calls = self.calls.iter().zip(&mut self.looked_at);
        calls
            .filter(|(call, _)| wanted(call))
            .map(|(call, looked_at)| {
                *looked_at = true;
                call.clone()
            })
            .collect()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Hooks> {
        self.state
            .lock()
            .expect("no test panics while it holds the hooks")
    }

    fn wait_for(&self, count: usize, timeout: Duration) -> Vec<Call> {
        let (mut hooks, waited) = self
            .called
            .wait_timeout_while(self.lock(), timeout, |hooks| hooks.calls.len() < count)
            .unwrap();
        let calls = hooks.look(|_| true);
        // Poisons nothing: the lock is given back first.
        drop(hooks);
        let got = calls.len();
        assert!(
            !waited.timed_out(),
            "{got} of {count} calls came in {timeout:?}: {calls:#?}"
        );
        calls
    }
}

impl HookServer {
    /// Starts it on a free port of 127.0.0.1. Every hook answers [`Answer::Ok`] until told otherwise.
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::<Shared>::default();
        let router = Router::new()
            .route("/build_hooks/{secret}", any(call))
            .with_state(Arc::clone(&shared));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener)
                .unwrap()
                .tap_io(|stream| stream.set_nodelay(true).unwrap());
            axum::serve(listener, router).await
        });
        Self {
            address,
            shared,
            runtime: Some(runtime),
        }
    }

    /// The secret address of the hook that the test calls `hook`. Always the same for one name.
    pub fn address(&self, hook: &str) -> String {
        let secret = microblot::model::Digest::of_bytes(hook.as_bytes()).short(24);
        let mut hooks = self.shared.lock();
        hooks.names.insert(secret.clone(), hook.to_owned());
        format!("http://{}/build_hooks/{secret}", self.address)
    }

    /// Adds to the answers that `hook` gives next, one per call.
    pub fn answer(&self, hook: &str, answers: impl IntoIterator<Item = Answer>) {
        let mut hooks = self.shared.lock();
        hooks
            .answers
            .entry(Some(hook.to_owned()))
            .or_default()
            .extend(answers);
    }

    /// Adds to the answers that the next calls get, of whatever hook.
    pub fn answer_any(&self, answers: impl IntoIterator<Item = Answer>) {
        let mut hooks = self.shared.lock();
        hooks.answers.entry(None).or_default().extend(answers);
    }

    /// Forgets the answers that are queued and were not asked for.
    pub fn forget_answers(&self) {
        self.shared.lock().answers.clear();
    }

    /// What `hook` answers when nothing is queued.
    pub fn always(&self, hook: &str, answer: Answer) {
        self.shared
            .lock()
            .always
            .insert(Some(hook.to_owned()), answer);
    }

    /// What every hook answers when nothing is queued.
    pub fn always_any(&self, answer: Answer) {
        self.shared.lock().always.insert(None, answer);
    }

    /// Every call so far, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.lock().look(|_| true)
    }

    /// The calls of one hook so far, oldest first.
    pub fn calls_of(&self, hook: &str) -> Vec<Call> {
        self.shared.lock().look(|call| call.hook == hook)
    }

    /// Every call, as soon as there are `count` at least; panics after `timeout`. Blocks the thread.
    pub fn wait_for(&self, count: usize, timeout: Duration) -> Vec<Call> {
        self.shared.wait_for(count, timeout)
    }

    /// Waits for the same, and answers whether they came in time. Looks at none of them.
    pub fn within(&self, count: usize, timeout: Duration) -> bool {
        let waiting = |hooks: &mut Hooks| hooks.calls.len() < count;
        let hooks = self.shared.lock();
        let waited = self
            .shared
            .called
            .wait_timeout_while(hooks, timeout, waiting);
        !waited.unwrap().1.timed_out()
    }

    /// [`wait_for`](Self::wait_for) for tests that run the program in their own runtime.
    pub async fn reached(&self, count: usize, timeout: Duration) -> Vec<Call> {
        let shared = Arc::clone(&self.shared);
        let waiting = tokio::task::spawn_blocking(move || shared.wait_for(count, timeout));
        waiting
            .await
            .unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
    }

    /// Lets calls be that nobody looks at.
    pub fn ignore_rest(&self) {
        self.shared.lock().ignored = true;
    }
}

impl Drop for HookServer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        if std::thread::panicking() {
            return;
        }
        let hooks = self.shared.lock();
        let calls = hooks.calls.iter().zip(&hooks.looked_at);
        let missed: Vec<_> = calls
            .filter(|(_, looked_at)| !**looked_at && !hooks.ignored)
            .map(|(call, _)| call.clone())
            .collect();
        drop(hooks);
        assert!(
            missed.is_empty(),
            "calls that the test did not look at: {missed:#?}"
        );
    }
}

async fn call(
    State(shared): State<Arc<Shared>>,
    method: Method,
    Path(secret): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let answer = {
        let mut hooks = shared.lock();
        let Some(hook) = hooks.names.get(&secret).cloned() else {
            return (StatusCode::NOT_FOUND, "Not Found").into_response();
        };
        let answer = hooks.answer(&hook);
        hooks.looked_at.push(false);
        hooks.calls.push(Call {
            hook,
            method,
            query,
            headers,
            body,
            at: Instant::now(),
            may_have_started: answer.may_start(),
        });
        shared.called.notify_all();
        answer
    };
    match answer {
        Answer::Ok => StatusCode::OK.into_response(),
        Answer::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Answer::TooMany { retry_after } => (
            StatusCode::TOO_MANY_REQUESTS,
            [("retry-after", retry_after)],
        )
            .into_response(),
        Answer::TooManyReset { unix } => (
            StatusCode::TOO_MANY_REQUESTS,
            [("x-ratelimit-reset", unix.to_string())],
        )
            .into_response(),
        Answer::NotFound => (StatusCode::NOT_FOUND, "Not Found").into_response(),
        Answer::Gone => StatusCode::GONE.into_response(),
        Answer::Redirect(to) => (StatusCode::SEE_OTHER, [("location", to)]).into_response(),
        Answer::Hang => std::future::pending().await,
        // Unwinds the task of the connection, which closes it; unlike `panic!` it prints nothing.
        Answer::Reset => std::panic::resume_unwind(Box::new("the connection is dropped")),
        Answer::Gigabyte => {
            let endless = tokio_util::io::ReaderStream::new(tokio::io::repeat(b'x'));
            Body::from_stream(endless).into_response()
        }
        Answer::Slow(delay) => {
            tokio::time::sleep(delay).await;
            StatusCode::OK.into_response()
        }
    }
}
