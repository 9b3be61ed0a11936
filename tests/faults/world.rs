//! An estate on a database, with hooks, and ways to look at it from beside the program.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use microblot::engine::estate;
use microblot::model::{
    Actor, BuildState, ContentHash, Flight, PostChange, PostDraft, PostId, Publish, SiteName,
};
use microblot::store::{Address, BuildRow, Store, StoreError};

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, SqliteConnection};

use crate::support::estate::{Estate, Serve};
use crate::support::hooks::{Call, HookServer};
use crate::support::postgres::{self, Database};

/// Much longer than anything takes, however busy the machine is.
pub const LONG: Duration = Duration::from_secs(60);

/// Looks again and again until there is something to see.
pub fn until<T>(what: &str, timeout: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(start.elapsed() < timeout, "not in {timeout:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Which database a test runs on.
#[derive(Clone, Copy, Debug)]
pub enum On {
    Sqlite,
    Postgres,
}

/// An estate with netlify sites whose hooks are of `hooks`.
pub struct World {
    pub estate: Estate,
    pub hooks: HookServer,
    pub names: Vec<SiteName>,
    database: Option<Database>,
}

impl World {
    /// Sites `a`, `b`, … with the settings that follow `[defaults]`, and the files `content/NAME/**`.
    pub fn new(on: On, sites: usize) -> Self {
        Self::with(on, sites, "debounce = \"0s\"\nmax_wait = \"0s\"")
    }

    pub fn with(on: On, sites: usize, defaults: &str) -> Self {
        let database = match on {
            On::Sqlite => None,
            On::Postgres => Some(postgres::database()),
        };
        let hooks = HookServer::start();
        let mut estate = Estate::new();
        if let Some(database) = &database {
            estate.database(database.url());
        }
        let names: Vec<SiteName> = (0..sites)
            .map(|i| format!("site-{i:02}").parse().unwrap())
            .collect();
        for name in &names {
            estate.env(&variable(name), hooks.address(name.as_str()));
            estate.write(format!("content/{name}/page.md"), format!("{name} 0"));
        }
        estate.write("sites.toml", toml(&names, defaults));
        Self {
            estate,
            hooks,
            names,
            database,
        }
    }

    /// Edits a file of a site as good editors do: nobody ever reads half of it.
    pub fn write_page(&self, name: &SiteName, text: &str) {
        let temporary = format!("{name}.tmp");
        self.estate.write(&temporary, text);
        let folder = self.estate.path();
        let page = folder.join(format!("content/{name}/page.md"));
        std::fs::rename(folder.join(temporary), page).unwrap();
    }

    /// The address of the database.
    pub fn url(&self) -> String {
        match &self.database {
            Some(database) => database.url().to_owned(),
            None => self
                .estate
                .path()
                .join("microblot.db")
                .display()
                .to_string(),
        }
    }

    /// The same database, beside the program.
    pub fn beside(&self) -> Beside {
        Beside::open(&self.url())
    }

    /// Runs statements on the database, as nothing but a fault would.
    pub fn sql(&self, beside: &Beside, statements: &str) {
        let statements = AssertSqlSafe(statements.to_owned());
        beside.run(async {
            match &self.database {
                None => {
                    let mut conn = SqliteConnection::connect(&self.url()).await.unwrap();
                    conn.execute(statements).await.unwrap();
                    conn.close().await.unwrap();
                }
                Some(database) => {
                    let mut conn = PgConnection::connect(database.url()).await.unwrap();
                    conn.execute(statements).await.unwrap();
                    conn.close().await.unwrap();
                }
            }
        });
    }

    /// Lets the hook of a site be somewhere else from now on; `None`: where it was.
    pub fn hook_at(&mut self, name: &SiteName, address: Option<String>) {
        let address = address.unwrap_or_else(|| self.hooks.address(name.as_str()));
        self.estate.env(&variable(name), address);
    }

    /// Waits until every site is built from what is wanted.
    pub fn wait_until_built(&self, beside: &Beside, timeout: Duration) {
        let start = Instant::now();
        loop {
            let state = beside.look();
            let open: Vec<_> = self
                .names
                .iter()
                .filter(|name| !state.get(*name).is_some_and(Seen::is_settled))
                .map(|name| (name, state.get(name)))
                .collect();
            if open.is_empty() {
                return;
            }
            assert!(
                start.elapsed() < timeout,
                "not built in {timeout:?}: {open:#?}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A real pass has nothing to do any more.
    pub fn assert_nothing_is_planned(&self) {
        let plan = self
            .estate
            .microblot(&["reconcile", "--plan", "--detailed-exitcode"]);
        assert_eq!(plan.code, 0, "{plan:?}");
        let expected = format!("{} unchanged", self.names.len());
        assert!(plan.stdout.contains(&expected), "{plan:?}");
    }
}

/// The variable that holds the address of a site's hook.
pub fn variable(name: &SiteName) -> String {
    format!("HOOK_{}", name.as_str().replace('-', "_").to_uppercase())
}

/// A `sites.toml` with these sites, without limits that would slow a test down.
pub fn toml(names: &[SiteName], defaults: &str) -> String {
    let mut toml = format!(
        "[defaults]\n{defaults}\n\n[limits]\nbuilds_per_minute = 100000\n\
         builds_in_flight = 1000\nbuilds_at_once = \"100%\"\n"
    );
    for name in names {
        let hook = variable(name);
        write!(
            toml,
            "\n[sites.{name}]\ntitle = \"{name}\"\nurl = \"https://{name}.example.org\"\n\
             files = [\"content/{name}/**\"]\nbuild.netlify = {{ hook = {{ env = \"{hook}\" }} }}\n"
        )
        .unwrap();
    }
    toml
}

/// What the database says of one site.
#[derive(Clone, Debug)]
pub struct Seen {
    pub wanted: Option<ContentHash>,
    pub built: Option<ContentHash>,
    pub uncertain: bool,
    pub flight: Option<Flight>,
}

impl Seen {
    pub fn is_settled(&self) -> bool {
        self.flight.is_none()
            && !self.uncertain
            && self.wanted.is_some()
            && self.wanted == self.built
    }
}

/// The database of an estate, opened by the test itself.
pub struct Beside {
    pub store: Store,
    runtime: tokio::runtime::Runtime,
}

impl Beside {
    pub fn open(url: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let address = Address::parse(url).unwrap();
        let store = runtime.block_on(Store::open(&address)).unwrap();
        Self { store, runtime }
    }

    pub fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Every site.
    pub fn look(&self) -> BTreeMap<SiteName, Seen> {
        let mut estate = estate::Estate::default();
        self.run(estate.refresh(&self.store)).unwrap();
        let seen = estate.desired.sites.iter().map(|(name, site)| {
            let observed = &estate.observed.sites[name];
            let seen = Seen {
                wanted: match &site.target {
                    Some(Ok(target)) => Some(target.hash),
                    _ => None,
                },
                built: observed.built.as_ref().map(|built| built.hash),
                uncertain: observed.uncertain,
                flight: observed.flight.clone(),
            };
            (name.clone(), seen)
        });
        seen.collect()
    }

    /// How many builds of a site nobody knows the end of.
    pub fn lost(&self, name: &SiteName) -> usize {
        let lost = |build: &BuildRow| build.state == BuildState::Lost;
        self.builds(name).into_iter().filter(lost).count()
    }

    /// The builds of a site, newest first.
    pub fn builds(&self, name: &SiteName) -> Vec<BuildRow> {
        self.run(async {
            let site = self.store.site(name).await.unwrap().unwrap();
            self.store.builds(&site.id, 1000).await.unwrap()
        })
    }

    /// One site, as soon as it is published and `look` sees what it looks for.
    pub fn until<T>(
        &self,
        what: &str,
        name: &SiteName,
        mut look: impl FnMut(&Seen) -> Option<T>,
    ) -> T {
        until(what, LONG, || look(self.look().get(name)?))
    }

    /// Writes a post; it is there when this returns.
    pub fn new_post(&self, name: &SiteName, title: &str, body: &str) -> Result<PostId, StoreError> {
        self.run(async {
            let site = self.store.site(name).await?.expect("the site is published");
            let draft = PostDraft {
                title: title.to_owned(),
                body: body.to_owned(),
                category: None,
                author: None,
                publish: Publish::Now,
            };
            let post = self
                .store
                .new_post(&site.id, name, &draft, &somebody())
                .await?;
            Ok(post.id)
        })
    }

    /// Changes the text of a post.
    pub fn edit_post(&self, id: &PostId, body: &str) -> Result<(), StoreError> {
        let change = PostChange {
            body: Some(body.to_owned()),
            ..PostChange::default()
        };
        let edited = self.run(self.store.edit_post(id, &change, &somebody()))?;
        assert!(edited.is_some(), "the post {id} is lost");
        Ok(())
    }

    /// The text of a post.
    pub fn body_of(&self, id: &PostId) -> Option<String> {
        let post = self.run(self.store.post(id)).unwrap();
        Some(post?.revision.body)
    }
}

pub fn somebody() -> Actor {
    Actor::cli("ada")
}

/// The content hash that a call was made for.
pub fn hash_of(call: &Call) -> ContentHash {
    let body = call.json();
    body["content_hash"].as_str().unwrap().parse().unwrap()
}

/// How often each content of each site was fired.
pub fn fired(calls: &[Call]) -> BTreeMap<(String, ContentHash), usize> {
    let mut fired = BTreeMap::new();
    for call in calls {
        *fired.entry((call.hook.clone(), hash_of(call))).or_default() += 1;
    }
    fired
}

/// How much of it was fired more than once, by site.
pub fn extras(calls: &[Call]) -> BTreeMap<String, usize> {
    let mut extras = BTreeMap::new();
    for ((site, _), count) in fired(calls) {
        *extras.entry(site).or_default() += count - 1;
    }
    extras
}

/// The status of `/readyz`, and what it says.
pub fn ready(serve: &Serve) -> Option<(u16, serde_json::Value)> {
    let (status, body) = get(serve, "/readyz")?;
    Some((status, serde_json::from_str(&body).unwrap_or_default()))
}

/// Waits until `/readyz` answers this.
pub fn wait_until_ready(serve: &Serve, status: u16, timeout: Duration) -> serde_json::Value {
    until(&format!("/readyz answers {status}"), timeout, || {
        let (is, body) = ready(serve)?;
        (is == status).then_some(body)
    })
}

/// GET: the status and the body; `None` when the server does not answer.
pub fn get(serve: &Serve, path: &str) -> Option<(u16, String)> {
    let url = url::Url::parse(&serve.url()).unwrap();
    let mut stream = TcpStream::connect(url.socket_addrs(|| None).unwrap()[0]).ok()?;
    stream.set_read_timeout(Some(LONG)).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let status = text.split(' ').nth(1)?.parse().ok()?;
    let (_, body) = text.split_once("\r\n\r\n")?;
    Some((status, body.to_owned()))
}
