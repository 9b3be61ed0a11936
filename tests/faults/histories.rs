//! Random histories of changes, failures and restarts, through the engine itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use microblot::builders::Builders;
use microblot::engine::dispatch::Dispatcher;
use microblot::engine::estate::Estate;
use microblot::engine::publish;
use microblot::engine::tick::tick;
use microblot::engine::workspace::Workspace;
use microblot::http;
use microblot::model::{
    Decision, Hold, HolderId, PostChange, PostDraft, PostId, Publish, SiteName,
};
use microblot::plan::plan;
use microblot::store::{Address, Store};
use proptest::prelude::*;
use sqlx::{Connection as _, Executor as _, SqliteConnection};
use tempfile::TempDir;
use tokio::sync::Notify;

use crate::support::hooks::{Answer, HookServer};
use crate::world::{hash_of, somebody};

const SITES: usize = 3;
/// Short, so that a dead holder's work is not waited for; and longer than the last call of a dead
/// process is on its way, on a machine that has much else to do.
const LEASE: Duration = Duration::from_millis(800);
/// Far more than any history needs to settle.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
enum Step {
    Post(usize),
    Edit(usize),
    Delete(usize),
    Retitle(usize),
    Rebuild(usize),
    Pause(usize),
    Resume(usize),
    /// The next call of whatever hook is answered like this.
    Misbehave(Fault),
    Tick,
    /// Until everything that is in the air is recorded.
    Land,
    /// The process dies, and another one is started.
    Restart,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Down,
    TooMany,
    Reset,
    Hang,
    Gone,
    Slow,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let site = 0..SITES;
    let fault = prop_oneof![
        Just(Fault::Down),
        Just(Fault::TooMany),
        Just(Fault::Reset),
        Just(Fault::Hang),
        Just(Fault::Gone),
        Just(Fault::Slow),
    ];
    let step = prop_oneof![
        3 => site.clone().prop_map(Step::Post),
        3 => site.clone().prop_map(Step::Edit),
        1 => site.clone().prop_map(Step::Delete),
        1 => site.clone().prop_map(Step::Retitle),
        1 => site.clone().prop_map(Step::Rebuild),
        1 => site.clone().prop_map(Step::Pause),
        1 => site.prop_map(Step::Resume),
        4 => fault.prop_map(Step::Misbehave),
        8 => Just(Step::Tick),
        3 => Just(Step::Land),
        2 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 5..40)
}

/// One process: it dies with its runtime, wherever its tasks are.
struct Life {
    runtime: tokio::runtime::Runtime,
    store: Store,
    dispatcher: Dispatcher,
    estate: Estate,
}

impl Life {
    fn begin(folder: &TempDir, number: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let address = Address::Sqlite(folder.path().join("microblot.db"));
        let (store, dispatcher) = runtime.block_on(async {
            let store = Store::open(&address).await.unwrap();
            let client = http::client(http::Timeouts {
                connect: Duration::from_millis(200),
                total: Duration::from_millis(400),
            })
            .unwrap();
            let builders = Builders::new(client, folder.path().to_owned(), None);
            let holder = HolderId::new(format!("life-{number}"));
            let wake = Arc::new(Notify::new());
            let dispatcher = Dispatcher::start(store.clone(), builders, holder, LEASE, wake, None);
            (store, dispatcher)
        });
        Self {
            runtime,
            store,
            dispatcher,
            estate: Estate::default(),
        }
    }

    fn die(self) {
        self.runtime.shutdown_background();
    }

    fn tick(&mut self) -> usize {
        let tick = tick(&mut self.estate, &self.store, &self.dispatcher);
        self.runtime.block_on(tick).unwrap().claimed
    }

    fn land(&self) {
        let start = Instant::now();
        while self.dispatcher.held() > 0 {
            assert!(start.elapsed() < PATIENCE, "a build never lands");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn publish(&mut self, folder: &TempDir) {
        self.runtime.block_on(async {
            let workspace = Workspace::new(&folder.path().join("sites.toml"), None);
            let gathered = workspace.gather().await.unwrap();
            self.estate.refresh(&self.store).await.unwrap();
            if let Some(publication) = publish::difference(&self.estate, &gathered, false).unwrap()
            {
                let rows = gathered.part_rows(&publication);
                let by = somebody();
                let published = self.store.publish(&publication, &rows, &by);
                published.await.unwrap();
            }
        });
    }
}

/// The estate on disk, and what was written to it.
struct History {
    folder: TempDir,
    hooks: HookServer,
    names: Vec<SiteName>,
    titles: Vec<usize>,
    posts: Vec<(usize, PostId)>,
    expected: BTreeMap<PostId, Option<String>>,
    lives: usize,
    numbers: usize,
    claimed: usize,
}

impl History {
    fn new() -> Self {
        let hooks = HookServer::start();
        let folder = TempDir::with_prefix("mb-history-").unwrap();
        let names: Vec<SiteName> = (0..SITES)
            .map(|i| format!("site-{i}").parse().unwrap())
            .collect();
        for name in &names {
            std::fs::write(
                folder.path().join(format!("{name}.hook")),
                hooks.address(name.as_str()),
            )
            .unwrap();
        }
        let history = Self {
            folder,
            hooks,
            names,
            titles: vec![0; SITES],
            posts: Vec::new(),
            expected: BTreeMap::new(),
            lives: 0,
            numbers: 0,
            claimed: 0,
        };
        history.write_toml();
        history
    }

    fn write_toml(&self) {
        let mut toml = "[defaults]\ndebounce = \"0s\"\nmax_wait = \"0s\"\n\n\
                        [limits]\nbuilds_per_minute = 100000\nbuilds_in_flight = 1000\n"
            .to_owned();
        for (name, title) in self.names.iter().zip(&self.titles) {
            let hook = self.folder.path().join(format!("{name}.hook"));
            toml.push_str(&format!(
                "\n[sites.{name}]\ntitle = \"Title {title}\"\nurl = \"https://{name}.example.org\"\n\
                 build.netlify = {{ hook = {{ file = \"{}\" }} }}\n",
                hook.display()
            ));
        }
        std::fs::write(self.folder.path().join("sites.toml"), toml).unwrap();
    }

    fn begin(&mut self) -> Life {
        self.lives += 1;
        let mut life = Life::begin(&self.folder, self.lives);
        life.publish(&self.folder);
        life
    }

    fn take(&mut self, life: Life, step: &Step) -> Life {
        let mut life = life;
        self.numbers += 1;
        let text = format!("text {}", self.numbers);
        let id_of = |life: &Life, site: usize| {
            let row = life.runtime.block_on(life.store.site(&self.names[site]));
            row.unwrap().unwrap().id
        };
        match *step {
            Step::Post(site) => {
                let draft = PostDraft {
                    title: format!("Post {}", self.numbers),
                    body: text.clone(),
                    category: None,
                    author: None,
                    publish: Publish::Now,
                };
                let id = id_of(&life, site);
                let (by, name) = (somebody(), &self.names[site]);
                let post = life.store.new_post(&id, name, &draft, &by);
                let post = life.runtime.block_on(post).unwrap();
                self.expected.insert(post.id.clone(), Some(text));
                self.posts.push((site, post.id));
            }
            Step::Edit(site) => {
                let last = self.posts.iter().rev().find(|(of, _)| *of == site);
                if let Some((_, id)) = last {
                    let change = PostChange {
                        body: Some(text.clone()),
                        ..PostChange::default()
                    };
                    let by = somebody();
                    let edit = life.store.edit_post(id, &change, &by);
                    assert!(life.runtime.block_on(edit).unwrap().is_some());
                    self.expected.insert(id.clone(), Some(text));
                }
            }
            Step::Delete(site) => {
                let last = self.posts.iter().rposition(|(of, _)| *of == site);
                if let Some(last) = last {
                    let (_, id) = self.posts.remove(last);
                    let by = somebody();
                    let delete = life.store.delete_post(&id, &by);
                    assert!(life.runtime.block_on(delete).unwrap().is_some());
                    self.expected.insert(id, None);
                }
            }
            Step::Retitle(site) => {
                self.titles[site] = self.numbers;
                self.write_toml();
                life.publish(&self.folder);
            }
            Step::Rebuild(site) => {
                let (id, by) = (id_of(&life, site), somebody());
                let ask = life
                    .store
                    .request_rebuild(&id, &self.names[site], false, &by);
                life.runtime.block_on(ask).unwrap();
            }
            Step::Pause(site) => {
                let (id, by) = (id_of(&life, site), somebody());
                let hold = Hold {
                    by: by.name.clone(),
                    because: None,
                    since: life.runtime.block_on(life.store.now()).unwrap(),
                    until: None,
                };
                let pause = life.store.pause(&id, &self.names[site], &hold, &by);
                life.runtime.block_on(pause).unwrap();
            }
            Step::Resume(site) => {
                let (id, by) = (id_of(&life, site), somebody());
                let resume = life.store.resume(&id, &self.names[site], &by);
                life.runtime.block_on(resume).unwrap();
            }
            Step::Misbehave(fault) => self.hooks.answer_any([match fault {
                Fault::Down => Answer::Status(503),
                Fault::TooMany => Answer::TooMany {
                    retry_after: "1".to_owned(),
                },
                Fault::Reset => Answer::Reset,
                Fault::Hang => Answer::Hang,
                Fault::Gone => Answer::Gone,
                Fault::Slow => Answer::Slow(Duration::from_millis(50)),
            }]),
            Step::Tick => self.claimed += life.tick(),
            Step::Land => life.land(),
            Step::Restart => {
                life.die();
                life = self.begin();
            }
        }
        life
    }

    /// Time passes: back-offs and deadlines are over.
    fn let_time_pass(&self, life: &Life) {
        life.runtime.block_on(async {
            let path = self.folder.path().join("microblot.db");
            let mut conn = SqliteConnection::connect(path.to_str().unwrap())
                .await
                .unwrap();
            let passed = "UPDATE build SET deadline = 0 WHERE ended_at IS NULL; \
                          UPDATE observed SET failed_at = 0, seq = (SELECT seq + 1 FROM clock) \
                          WHERE failures > 0; UPDATE clock SET seq = seq + 1";
            conn.execute(passed).await.unwrap();
            conn.close().await.unwrap();
        });
    }

    /// From here on nothing fails any more, and people have looked after what needed them.
    fn settle(&mut self, life: &mut Life) {
        // People look after what came of the calls, not before.
        life.land();
        // What is queued was for calls that never came.
        let spent = self.hooks.calls().len();
        self.hooks.forget_answers();
        for site in 0..SITES {
            let row = life.runtime.block_on(life.store.site(&self.names[site]));
            let (id, by) = (row.unwrap().unwrap().id, somebody());
            let resume = life.store.resume(&id, &self.names[site], &by);
            life.runtime.block_on(resume).unwrap();
        }
        let start = Instant::now();
        loop {
            self.let_time_pass(life);
            self.claimed += life.tick();
            life.land();
            let refresh = life.estate.refresh(&life.store);
            life.runtime.block_on(refresh).unwrap();
            let plan = plan(&life.estate.desired, &life.estate.observed, life.estate.now);
            if plan
                .sites
                .iter()
                .all(|site| site.decision == Decision::Unchanged)
            {
                return;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "never settles: {plan:#?}, {spent} calls before"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        max_shrink_iters: 60,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_history_settles(steps in steps()) {
        let mut history = History::new();
        let mut life = history.begin();
        for step in &steps {
            life = history.take(life, step);
        }
        history.settle(&mut life);

        // Nothing that was written is lost, and the last build of each site that may have started is
        // of its last content.
        for (id, text) in &history.expected {
            let post = life.runtime.block_on(life.store.post(id)).unwrap();
            let body = post
                .filter(|post| post.state == microblot::model::PostState::Published)
                .map(|post| post.revision.body);
            prop_assert_eq!(&body, text);
        }
        let calls = history.hooks.calls();
        for name in &history.names {
            let last = calls
                .iter()
                .rev()
                .find(|call| call.hook == name.as_str() && call.may_have_started);
            let wanted = life.estate.desired.sites[name].target.as_ref().unwrap();
            let wanted = wanted.as_ref().unwrap().hash;
            prop_assert_eq!(last.map(hash_of), Some(wanted), "{}", name);
        }
        prop_assert!(calls.len() <= history.claimed, "a call without a claim");
        // A new process sees the same, and does nothing.
        life.die();
        let mut life = history.begin();
        prop_assert_eq!(life.tick(), 0);
        prop_assert_eq!(life.dispatcher.held(), 0);
        life.die();
    }
}
