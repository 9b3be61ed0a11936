//! An estate with hooks and a database: what a test of the front door starts from.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection as _};

use super::estate::{Estate, Output};
use super::hooks::HookServer;
use super::postgres::{self, Database};

/// Long enough for a busy machine, short enough for a person who waits for a red test.
pub const SOON: Duration = Duration::from_secs(20);

/// Runs each test on both databases: a test takes the [`World`] that it is to happen in.
#[macro_export]
macro_rules! on_both {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test] fn $test() { super::$test(super::World::on_sqlite()) })+
        }
        mod postgres {
            $(#[test] fn $test() { super::$test(super::World::on_postgres()) })+
        }
    };
}

/// Everything that the program meets.
pub struct World {
    /// The folder that it runs in.
    pub estate: Estate,
    /// The hooks that it calls.
    pub hooks: HookServer,
    /// What stands above the sites in `sites.toml`.
    pub head: String,
    sites: BTreeMap<String, String>,
    database: Option<Database>,
}

impl World {
    /// With the embedded database beside `sites.toml`.
    pub fn on_sqlite() -> Self {
        Self {
            estate: Estate::new(),
            hooks: HookServer::start(),
            head: String::new(),
            sites: BTreeMap::new(),
            database: None,
        }
    }

    /// With a fresh PostgreSQL database.
    pub fn on_postgres() -> Self {
        let database = postgres::database();
        let mut world = Self::on_sqlite();
        world.estate.database(database.url());
        world.database = Some(database);
        world
    }

    /// The PostgreSQL database, if it is on one.
    pub fn postgres(&self) -> Option<&str> {
        self.database.as_ref().map(Database::url)
    }

    /// Declares a site that a hook of its name builds, and gives the hook to the environment.
    /// `more` are further lines of its table.
    pub fn hosted(&mut self, name: &str, more: &str) {
        let variable = variable(name);
        let address = self.hooks.address(name);
        self.estate.env(&variable, address);
        let hook = format!("build.netlify = {{ hook = {{ env = \"{variable}\" }} }}");
        self.declare(name, &format!("{hook}\n{more}"));
    }

    /// Declares a site that is rendered into `public/NAME`.
    pub fn rendered(&mut self, name: &str, more: &str) {
        let build = format!("build.render = {{ out = \"public/{name}\" }}");
        self.declare(name, &format!("{build}\n{more}"));
    }

    /// Declares a site: everything but its title and its address is in `lines`.
    pub fn declare(&mut self, name: &str, lines: &str) {
        let mut text = String::new();
        if !lines.contains("title = ") {
            let _infallible = writeln!(text, "title = \"The {name} site\"");
        }
        let _infallible = writeln!(text, "url = \"https://{name}.example.org\"\n{lines}");
        self.sites.insert(name.to_owned(), text);
        self.publish();
    }

    /// Takes a site out of `sites.toml`.
    pub fn undeclare(&mut self, name: &str) {
        self.sites.remove(name);
        self.publish();
    }

    /// Writes `sites.toml`.
    pub fn publish(&self) {
        self.estate.write("sites.toml", self.sites_toml());
    }

    /// What `sites.toml` says.
    pub fn sites_toml(&self) -> String {
        let mut text = self.head.clone();
        for (name, lines) in &self.sites {
            let _infallible = write!(text, "\n[sites.{name}]\n{lines}");
        }
        text
    }

    /// Runs a command that has to end well.
    pub fn ok(&self, arguments: &[&str]) -> Output {
        let output = self.estate.microblot(arguments);
        assert_eq!(output.code, 0, "{arguments:?}: {output:#?}");
        output
    }

    /// Runs a command that has to fail.
    pub fn fails(&self, arguments: &[&str]) -> Output {
        let output = self.estate.microblot(arguments);
        assert_eq!(output.code, 1, "{arguments:?}: {output:#?}");
        output
    }

    /// What a command that ends well prints as JSON.
    pub fn json(&self, arguments: &[&str]) -> Value {
        parsed(&self.ok(arguments))
    }

    /// `reconcile --plan --json` with further arguments.
    pub fn plan(&self, arguments: &[&str]) -> Value {
        let plan = |more: &[&str]| {
            let arguments = [&["reconcile", "--plan", "--json"], arguments, more].concat();
            self.json(&arguments)
        };
        let first = plan(&[]);
        // Where nothing may have changed, a plan does not read the estate; with `--all` it always
        // does, and has to find the same.
        let unchanged = first["summary"]["unchanged"].as_u64();
        let nothing = first["sites"] == Value::Array(Vec::new()) && unchanged > Some(0);
        if arguments.is_empty() && nothing {
            let found = |plan: &Value| (plan["summary"].clone(), plan["id"].clone());
            let all = found(&plan(&["--all"]));
            // The time of a post may have come in between.
            assert!(
                all == found(&first) || all == found(&plan(&[])),
                "{first:#}"
            );
        }
        first
    }

    /// Runs a statement on the database, beside the program; gives the first column, as texts.
    pub fn sql(&self, sql: &str) -> Vec<String> {
        let sql = AssertSqlSafe(sql.to_owned());
        let rows = async {
            match self.postgres() {
                Some(url) => {
                    let mut connection = PgConnection::connect(url).await?;
                    sqlx::query_scalar(sql).fetch_all(&mut connection).await
                }
                None => {
                    let file = self.estate.path().join("microblot.db");
                    let url = format!("sqlite:{}", file.display());
                    let mut connection = SqliteConnection::connect(&url).await?;
                    sqlx::query_scalar(sql).fetch_all(&mut connection).await
                }
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(rows).unwrap()
    }

    /// What is planned for each site that is not simply unchanged: `foo: build, posts changed`.
    pub fn planned(&self) -> Vec<String> {
        decisions(&self.plan(&[]))
    }

    /// Reconciles, which has to end well, and gives the hooks that were called, in the order of
    /// their names.
    pub fn reconcile(&self) -> Vec<String> {
        let before = self.hooks.calls().len();
        self.ok(&["reconcile"]);
        let mut called: Vec<_> = self.hooks.calls().drain(before..).map(|c| c.hook).collect();
        called.sort();
        called
    }

    /// Writes a post and gives its id.
    pub fn post(&self, site: &str, title: &str) -> String {
        let post = self.json(&["new", site, "--title", title, "--json"]);
        post["id"].as_str().unwrap().to_owned()
    }

    /// The files that a database is made of, where it is made of files.
    pub fn database_files(&self) -> Vec<PathBuf> {
        files(&self.estate.path())
            .into_iter()
            .filter(|file| {
                let name = file.file_name().unwrap().to_string_lossy();
                name.starts_with("microblot.db")
            })
            .collect()
    }
}

/// The environment variable of a site's hook.
pub fn variable(site: &str) -> String {
    format!("NETLIFY_HOOK_{}", site.to_uppercase().replace('-', "_"))
}

/// What a command printed, as JSON.
pub fn parsed(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:#?}"))
}

/// The decisions of a plan in JSON, one line each: `foo: build, posts changed`.
pub fn decisions(plan: &Value) -> Vec<String> {
    let sites = plan["sites"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    sites
        .iter()
        .map(|site| {
            let [site, decision, reason] = ["site", "decision", "reason"].map(|k| text(&site[k]));
            format!("{site}: {decision}, {reason}")
        })
        .collect()
}

/// Every file below a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Asks again and again until there is an answer.
///
/// # Panics
///
/// If there is none in [`SOON`].
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + SOON;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "still not: {what}");
        // The pace of asking, not a guess of how long something takes.
        std::thread::sleep(Duration::from_millis(10));
    }
}
