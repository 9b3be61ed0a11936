//! A folder with many sites, and the program run in it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use microblot::engine::estate::Estate;
use microblot::engine::publish;
use microblot::engine::workspace::Workspace;
use microblot::model::Actor;
use microblot::store::{Address, Store};
use sqlx::Connection as _;
use tempfile::TempDir;

/// Who does what the benchmarks do.
pub fn somebody() -> Actor {
    Actor::cli("bench")
}

/// A temporary folder, on the disk that the build is on: `/tmp` may be memory.
pub fn folder() -> TempDir {
    TempDir::with_prefix_in("bench-", env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// The name of the site of this number, from 0.
pub fn name(number: usize) -> String {
    format!("s{number:06}")
}

/// The text of a `sites.toml` with this many sites behind `head`, one hook each.
pub fn sites_toml(head: &str, sites: usize) -> String {
    let mut text = head.to_owned();
    for number in 0..sites {
        let name = name(number);
        let _infallible = write!(
            text,
            "\n[sites.{name}]\ntitle = \"Site {number}\"\nurl = \"https://{name}.example.org\"\n\
             build.netlify = {{ hook = {{ env = \"NETLIFY_HOOK_{number}\" }} }}\n"
        );
    }
    text
}

/// The head of a `sites.toml` in which nothing is held back.
pub const AT_ONCE: &str = "[defaults]\ndebounce = \"0s\"\nmax_wait = \"0s\"\n\
     [limits]\nbuilds_per_minute = 100000\nbuilds_in_flight = 100000\nbuilds_at_once = \"100%\"\n";

/// Writes a folder with so many sites, whose hooks are at a server: `/0`, `/1` and so on.
pub fn write_with_hooks(root: &Path, sites: usize, hooks: &str) {
    std::fs::create_dir(root.join("hooks")).unwrap();
    let mut text = AT_ONCE.to_owned();
    for number in 0..sites {
        let file = root.join("hooks").join(number.to_string());
        std::fs::write(&file, format!("{hooks}/{number}")).unwrap();
        let name = name(number);
        let _infallible = write!(
            text,
            "\n[sites.{name}]\ntitle = \"Site {number}\"\nurl = \"https://{name}.example.org\"\n\
             build.netlify = {{ hook = {{ file = {file:?} }} }}\n"
        );
    }
    std::fs::write(root.join("sites.toml"), text).unwrap();
}

/// The database beside `sites.toml`.
pub fn database(root: &Path) -> Address {
    Address::Sqlite(root.join("microblot.db"))
}

/// Publishes the `sites.toml` of a folder.
pub async fn publish(root: &Path, store: &Store) {
    let workspace = Workspace::new(&root.join("sites.toml"), None);
    let gathered = workspace.gather().await.unwrap();
    let mut estate = Estate::default();
    estate.refresh(store).await.unwrap();
    let publication = publish::difference(&estate, &gathered, true).unwrap();
    if let Some(publication) = publication {
        let rows = gathered.part_rows(&publication);
        let published = store.publish(&publication, &rows, &somebody()).await;
        published.unwrap();
    }
}

/// Takes every site as built from what it is now.
pub async fn adopt(store: &Store) {
    let mut estate = Estate::default();
    let fresh = estate.refresh(store).await.unwrap();
    for batch in fresh.chunks(10_000) {
        store.keep_posts_digests(batch).await.unwrap();
    }
    let targets: Vec<_> = estate
        .desired
        .sites
        .iter()
        .map(|(name, site)| {
            let id = estate.details(name).unwrap().id.clone();
            let target = site.target.clone().unwrap().unwrap();
            (id, target.fingerprint)
        })
        .collect();
    for batch in targets.chunks(10_000) {
        store.adopt(batch, &[], &somebody()).await.unwrap();
    }
}

/// Gives every site so many published posts, straight into the tables: a million through the
/// front door would take an hour.
pub async fn write_posts(root: &Path, per_site: usize) {
    if per_site == 0 {
        return;
    }
    let path = root.join("microblot.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(path)
        .pragma("synchronous", "OFF")
        .pragma("cache_size", "-1000000");
    let mut connection = sqlx::SqliteConnection::connect_with(&options)
        .await
        .unwrap();
    let mut transaction = connection.begin().await.unwrap();
    let numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)";
    let posts = format!(
        "{numbers} INSERT INTO post (id, site, slug, state, publish_at, digest, title, \
         written_by, created_at, updated_at) \
         SELECT printf('%010d', s.rowid * 100 + n.i), s.id, printf('post-%d', n.i), 'published', \
         1760000000000 + n.i, lower(hex(randomblob(32))), printf('Post %d', n.i), 'bench', \
         1760000000000, 1760000000000 FROM site s, n"
    );
    let revisions = "INSERT INTO revision (digest, title, body, published_at) \
         SELECT digest, title, 'Some *text* that is about as long as what people write in chat, \
         which is a sentence or two, sometimes with a https://link.example.org/ in it.', \
         publish_at FROM post ORDER BY digest";
    let history = "INSERT INTO post_revision (post, number, digest, at, changed_by) \
         SELECT id, 1, digest, created_at, written_by FROM post ORDER BY id";
    let counted = "UPDATE site SET posts_version = 1, seq = (SELECT seq FROM clock)";
    sqlx::query(sqlx::AssertSqlSafe(posts))
        .bind(i64::try_from(per_site).unwrap())
        .execute(&mut *transaction)
        .await
        .unwrap();
    for sql in [revisions, history, counted] {
        sqlx::query(sql).execute(&mut *transaction).await.unwrap();
    }
    transaction.commit().await.unwrap();
    connection.close().await.unwrap();
}

/// One run of a program.
#[derive(Debug)]
pub struct Run {
    /// From before it was started until it had ended.
    pub time: Duration,
    /// The most memory it had, in bytes.
    pub memory: u64,
    /// What it printed.
    pub stdout: String,
}

/// The program in a folder, with nothing of the caller's environment.
pub fn microblot(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_microblot"));
    command
        .current_dir(root)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .args(arguments);
    command
}

/// Runs a command to its end.
///
/// # Panics
///
/// When it fails.
pub fn run(mut command: Command) -> Run {
    let stderr = TempFile::new();
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr.file());
    let started = Instant::now();
    let child = command.spawn().unwrap();
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let watching = std::thread::spawn(move || {
        // The kernel keeps the peak: what matters is only to look before the process is gone.
        let mut peak = 0;
        while let Ok(text) = std::fs::read_to_string(&status) {
            let Some(kib) = text.lines().find_map(|line| line.strip_prefix("VmHWM:")) else {
                break;
            };
            let digits = kib.trim().trim_end_matches(" kB");
            peak = digits.parse().map_or(peak, |kib: u64| kib * 1024);
            std::thread::sleep(Duration::from_millis(1));
        }
        peak
    });
    let output = child.wait_with_output().unwrap();
    let time = started.elapsed();
    assert!(
        output.status.success(),
        "{command:?} failed with {}:\n{}",
        output.status,
        stderr.text()
    );
    Run {
        time,
        memory: watching.join().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
    }
}

struct TempFile(tempfile::NamedTempFile);

impl TempFile {
    fn new() -> Self {
        Self(tempfile::NamedTempFile::new().unwrap())
    }

    fn file(&self) -> std::fs::File {
        self.0.reopen().unwrap()
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.0.path()).unwrap_or_default()
    }
}
