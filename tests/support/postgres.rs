//! Throwaway PostgreSQL: real servers from the installed binaries, gone with the test process.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _};

use super::guard::Guard;
use super::ports;

const MISSING: &str = "\
no PostgreSQL server programs (initdb, pg_ctl) in PATH or where Debian and Homebrew put them.
Run `scripts/install-postgres`, or name a server in TEST_DATABASE_URL.";

/// Ends the server at once, whether or not it is running, and removes its folder `$1`.
const CLEAN_UP: &str = r#"
lock="$1/data/postmaster.pid"
if read -r pid <"$lock"; then
    kill -QUIT "$pid"
    tries=0
    while [ -e "$lock" ] && [ $tries -lt 100 ]; do sleep 0.05; tries=$((tries + 1)); done
fi
rm -rf "$1"
"#;

/// A fresh, empty database on the server that this test process shares.
///
/// `TEST_DATABASE_URL` names another server; its user must be allowed to create databases.
pub fn database() -> Database {
    static SHARED: OnceLock<Server> = OnceLock::new();
    let server = match std::env::var("TEST_DATABASE_URL") {
        Ok(url) if !url.is_empty() => url,
        _ => SHARED.get_or_init(Server::start_new).url("postgres"),
    };
    Database::create(server)
}

/// A database of its own, dropped at the end.
pub struct Database {
    url: String,
    server: String,
    name: String,
}

impl Database {
    fn create(server: String) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let name = format!(
            "microblot_test_{}_{}_{:x}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed),
            nanos.as_nanos()
        );
        execute(&server, format!("CREATE DATABASE {name}")).expect("a database is created");
        let mut url = url::Url::parse(&server).expect("TEST_DATABASE_URL is a URL");
        url.set_path(&name);
        Self {
            url: url.into(),
            server,
            name,
        }
    }

    /// Its address, `postgres://…`.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Self { server, name, .. } = self;
        // A server that a test has stopped takes the database with it.
        let _gone = execute(server, format!("DROP DATABASE {name} WITH (FORCE)"));
    }
}

/// Every row of every table of a database, as text.
pub fn dump(url: &str) -> Vec<u8> {
    on_thread(async {
        let options: sqlx::postgres::PgConnectOptions = url.parse()?;
        let mut connection = options.connect().await?;
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = 'public'",
        )
        .fetch_all(&mut connection)
        .await?;
        let mut rows = Vec::new();
        for table in tables {
            let sql = format!("SELECT CAST(t AS TEXT) FROM {table} t");
            let texts = sqlx::query_scalar(AssertSqlSafe(sql));
            rows.extend::<Vec<String>>(texts.fetch_all(&mut connection).await?);
        }
        Ok(rows.join("\n").into_bytes())
    })
    .expect("the database answers")
}

/// Runs one statement.
fn execute(url: &str, statement: String) -> Result<(), sqlx::Error> {
    on_thread(async {
        let options: sqlx::postgres::PgConnectOptions = url.parse()?;
        let mut connection = options.disable_statement_logging().connect().await?;
        connection.execute(AssertSqlSafe(statement)).await?;
        sqlx::Connection::close(connection).await
    })
}

/// For tests with and without a runtime: on a thread with a runtime of its own.
fn on_thread<T: Send>(
    run: impl Future<Output = Result<T, sqlx::Error>> + Send,
) -> Result<T, sqlx::Error> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(run)
        });
        thread.join().expect("no panic")
    })
}

/// A server with its own data, for tests that stop it and start it again.
pub struct Server {
    dir: PathBuf,
    port: u16,
    // Whom the server runs as, where this process is root.
    owner: Option<(u32, u32)>,
    binaries: PathBuf,
    // Stops the server and removes the folder, at the latest when this process is gone.
    _guard: Guard,
}

impl Server {
    /// Makes and starts a server.
    ///
    /// # Panics
    ///
    /// If there are no binaries: a test that needs a database never passes without one.
    pub fn start_new() -> Self {
        // Short, because the path of a unix socket has about a hundred bytes.
        let dir = tempfile::Builder::new()
            .prefix("mb-pg-")
            .tempdir_in("/tmp")
            .expect("a folder in /tmp")
            .keep();
        let guard = Guard::new(CLEAN_UP, &dir);
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o711)).unwrap();
        // PostgreSQL refuses to run as root.
        let root = fs::metadata(&dir).unwrap().uid() == 0;
        let owner = root.then(unprivileged);
        if let Some((uid, gid)) = owner {
            std::os::unix::fs::chown(&dir, Some(uid), Some(gid)).unwrap();
        }
        let mut server = Self {
            dir,
            port: 0,
            owner,
            binaries: binaries(),
            _guard: guard,
        };
        let options = "-U postgres -A trust -E UTF8 --locale=C --no-sync --wal-segsize=1";
        let options: Vec<_> = options.split(' ').collect();
        server.run("initdb", &options).expect("initdb");
        // The port is looked for before it is taken: another process may be faster.
        for _ in 0..5 {
            server.port = ports::lasting();
            if server.try_start().is_ok() {
                return server;
            }
        }
        server.start();
        server
    }

    /// The address of one of its databases.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// A fresh, empty database on it.
    pub fn database(&self) -> Database {
        Database::create(self.url("postgres"))
    }

    /// Stops it: sessions are ended, committed data stays.
    pub fn stop(&self) {
        self.run("pg_ctl", &["stop", "-w", "-m", "fast"])
            .expect("pg_ctl stop");
    }

    /// Starts it again, on the same port, and waits until it answers.
    pub fn start(&self) {
        self.try_start().expect("pg_ctl start");
    }

    fn try_start(&self) -> Result<(), String> {
        // fsync off: these data need not survive the machine. WAL is still written, so that they
        // survive the server.
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -k {} -F -c max_connections=300",
            self.port,
            self.dir.display()
        );
        let log = self.dir.join("log");
        let log = log.to_str().expect("a path in /tmp");
        self.run("pg_ctl", &["start", "-w", "-o", &options, "-l", log])
            .map_err(|error| error + &fs::read_to_string(log).unwrap_or_default())
    }

    /// Runs one of PostgreSQL's programs on the data folder, as its owner.
    fn run(&self, program: &str, arguments: &[&str]) -> Result<(), String> {
        let mut command = Command::new(self.binaries.join(program));
        command
            .arg("-D")
            .arg(self.dir.join("data"))
            .args(arguments)
            .current_dir(&self.dir)
            .env("LC_ALL", "C");
        if let Some((uid, gid)) = self.owner {
            command.uid(uid).gid(gid);
        }
        let Output {
            status,
            stdout,
            stderr,
        } = command.output().expect("the program starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let failed = || format!("{program}: {status}\n{}{}", text(&stdout), text(&stderr));
        status.success().then_some(()).ok_or_else(failed)
    }
}

/// The folder of the server's programs: of those in PATH, or else the newest that Debian or
/// Homebrew has installed beside it.
fn binaries() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut installed: Vec<_> = ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"]
        .into_iter()
        .flat_map(fs::read_dir)
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let name = path.file_name()?.to_str()?;
            let version: u32 = name.trim_start_matches("postgresql@").parse().ok()?;
            Some((version, path.join("bin")))
        })
        .collect();
    installed.sort_unstable();
    let complete = |dir: &PathBuf| {
        ["initdb", "pg_ctl"]
            .iter()
            .all(|file| dir.join(file).exists())
    };
    std::env::split_paths(&path)
        .chain(installed.into_iter().rev().map(|(_, dir)| dir))
        .find(complete)
        .expect(MISSING)
}

/// The user and group that run the server in place of root.
fn unprivileged() -> (u32, u32) {
    let id = |flag: &str, user: &str| {
        let output = Command::new("id").args([flag, user]).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    ["postgres", "nobody"]
        .into_iter()
        .find_map(|user| Some((id("-u", user)?, id("-g", user)?)))
        .expect("a user postgres or nobody")
}
