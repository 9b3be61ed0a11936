//! The command line. Each command is a thin call of what the other modules do, and says what came
//! of it: data on standard output, everything else on standard error.

mod args;
mod check;
mod export;
mod init;
mod post;
mod preview;
mod reconcile;
mod serve;
mod shared;
mod site;
mod slack;
mod status;
mod terminal;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{CommandFactory, Parser};
use tokio::sync::{Notify, SetOnce, mpsc};

use crate::builders::Builders;
use crate::config::{self, ReadError};
use crate::engine::dispatch::{Dispatcher, Ended};
use crate::engine::estate::Estate;
use crate::engine::workspace::{Problem, Workspace};
use crate::http;
use crate::model::{Actor, HolderId, SiteName};
use crate::store::{Address, LONGEST_LEASE, Presence, Reader, SiteRow, Store, StoreError};
use args::{Cli, Command, Global, Log};
use terminal::Terminal;

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// Whoever asked can do something about it.
    #[error("{0}")]
    Usage(String),
    /// Already told, with everything that is to say.
    #[error("")]
    Told,
    #[error(transparent)]
    Config(#[from] ReadError),
    #[error(transparent)]
    Workspace(Problem),
    #[error(transparent)]
    Publish(#[from] crate::engine::publish::PublishRefused),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Client(#[from] crate::http::ClientError),
    #[error("{0}")]
    Io(String, #[source] std::io::Error),
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Config(error) => Self::Config(error),
            other => Self::Workspace(other),
        }
    }
}

/// What every command works with.
struct Context {
    global: Global,
    out: Terminal,
    // The database of a command that ends by itself: it gives up when that falls silent.
    database: SetOnce<Reader>,
}

/// Runs the program: parses the arguments, runs the command, and prints its error, once.
pub async fn main() -> ExitCode {
    let cli = Cli::parse();
    let out = Terminal::new(cli.global.color);
    log(
        &cli.global,
        &out,
        matches!(cli.command, Command::Serve { .. }),
    );
    let mut context = Context {
        global: cli.global,
        out,
        database: SetOnce::new(),
    };
    let result = tokio::select! {
        result = context.run(cli.command) => result,
        () = context.silence() => Err(StoreError::Silent.into()),
    };
    let result = match result {
        // It was there when the command began.
        Err(Failure::Store(StoreError::Silent)) if context.database.initialized() => {
            Err(StoreError::FellSilent.into())
        }
        result => result,
    };
    let result = match context.out.unwritten() {
        None => result,
        Some(error) => result.and(Err(Failure::Io(
            "cannot write to standard output".to_owned(),
            error,
        ))),
    };
    match result {
        Ok(code) => code,
        Err(Failure::Told) => ExitCode::from(1),
        Err(Failure::Config(ReadError::Invalid(diagnostics))) => {
            context.out.diagnostics(&diagnostics);
            ExitCode::from(1)
        }
        Err(error) => {
            context.out.error(&error);
            ExitCode::from(1)
        }
    }
}

impl Context {
    async fn run(&self, command: Command) -> Result<ExitCode, Failure> {
        let done = |()| ExitCode::SUCCESS;
        match command {
            Command::Init { dir } => init::init(self, &dir).map(done),
            Command::Check { json } => check::check(self, json).await.map(done),
            Command::Reconcile(options) => reconcile::reconcile(self, &options).await,
            Command::Serve { only } => serve::serve(self, only).await.map(done),
            Command::Shared(shared) => shared.run(self).await,
            Command::Adopt { sites, json } => site::adopt(self, &sites, json).await.map(done),
            Command::New(options) => post::new(self, options).await.map(done),
            Command::Edit(options) => post::edit(self, options).await.map(done),
            Command::Schema => {
                self.out.json(&config::schema());
                Ok(ExitCode::SUCCESS)
            }
            Command::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Cli::command(), "microblot", &mut script);
                self.out.data(&String::from_utf8_lossy(&script));
                Ok(ExitCode::SUCCESS)
            }
        }
    }

    fn address(&self) -> Result<Address, Failure> {
        Ok(match &self.global.database_url {
            Some(url) if !url.is_empty() => Address::parse(url)?,
            _ => Address::Sqlite(self.workspace().root().join("microblot.db")),
        })
    }

    fn workspace(&self) -> Workspace {
        Workspace::new(&self.global.config, revision())
    }

    async fn store(&self) -> Result<Store, Failure> {
        let store = self.lasting_store().await?;
        self.depend_on(store.reader());
        Ok(store)
    }

    /// For who outlives a database that is away for a while.
    async fn lasting_store(&self) -> Result<Store, Failure> {
        Ok(Store::open(&self.address()?).await?)
    }

    /// For commands that change nothing. `None`: there is no database yet, and none is made.
    async fn reader(&self) -> Result<Option<Reader>, Failure> {
        let reader = Reader::open(&self.address()?).await?;
        if let Some(reader) = &reader {
            self.depend_on(reader);
        }
        Ok(reader)
    }

    fn depend_on(&self, reader: &Reader) {
        // A command opens one database, once.
        let _first = self.database.set(reader.clone());
    }

    async fn silence(&self) {
        self.database.wait().await.silence().await;
    }

    /// The same, for commands about one site.
    async fn reader_for(&self, site: &SiteName) -> Result<Reader, Failure> {
        let reader = self.reader().await?;
        reader.ok_or_else(|| Failure::Usage(no_such_site(site, &[])))
    }

    /// What fires builds, in this process.
    fn dispatcher(
        &self,
        store: &Store,
        wake: Arc<Notify>,
        ended: Option<mpsc::UnboundedSender<Ended>>,
    ) -> Result<Dispatcher, Failure> {
        let client = http::client(http::Timeouts::default())?;
        let root = self.workspace().root().to_owned();
        let builders = Builders::new(client, root, own_address());
        Ok(Dispatcher::start(
            store.clone(),
            builders,
            holder(),
            lease()?,
            wake,
            ended,
        ))
    }

    /// Who is at the keyboard, for the audit trail.
    fn actor(&self) -> Actor {
        let name = ["USER", "LOGNAME", "USERNAME"]
            .iter()
            .find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()));
        Actor::cli(name.unwrap_or_else(|| "somebody".to_owned()))
    }

    /// A site by its name, or an error that says which there are.
    async fn site(&self, store: &Reader, name: &SiteName) -> Result<SiteRow, Failure> {
        match store.site(name).await? {
            Some(site) if site.presence == Presence::Declared => Ok(site),
            _ => Err(self.unknown_site(store, name).await?),
        }
    }

    async fn unknown_site(&self, store: &Reader, name: &SiteName) -> Result<Failure, Failure> {
        let estate = estate(Some(store)).await?;
        let names: Vec<&str> = estate.desired.sites.keys().map(SiteName::as_str).collect();
        Ok(Failure::Usage(no_such_site(name, &names)))
    }
}

/// What is published, and how it stands. Without a database that is nothing.
async fn estate(reader: Option<&Reader>) -> Result<Estate, StoreError> {
    let mut estate = Estate::default();
    match reader {
        Some(reader) => _ = estate.refresh(reader).await?,
        None => estate.now = jiff::Timestamp::now().into(),
    }
    Ok(estate)
}

/// New at every start: what a process that died had claimed is nobody's.
fn holder() -> HolderId {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_unset| "microblot".to_owned());
    let id = uuid::Uuid::new_v4().simple().to_string();
    HolderId::new(format!("{host}-{}-{}", std::process::id(), &id[..8]))
}

/// A replica that is silent for this long is dead: long enough for a slow database or a paused
/// machine, short enough that its work is taken over within 15 seconds.
const LEASE: Duration = Duration::from_secs(10);

/// Where builds and people reach this server, without a last `/`.
fn own_address() -> Option<String> {
    std::env::var("MICROBLOT_URL")
        .ok()
        .filter(|address| !address.is_empty())
        .map(|address| address.trim_end_matches('/').to_owned())
}

fn lease() -> Result<Duration, Failure> {
    let Some(text) = std::env::var("MICROBLOT_LEASE")
        .ok()
        .filter(|text| !text.is_empty())
    else {
        return Ok(LEASE);
    };
    config::duration_of(&text)
        .filter(|lease| (Duration::from_millis(200)..=LONGEST_LEASE).contains(lease))
        .ok_or_else(|| {
            Failure::Usage(format!(
                "MICROBLOT_LEASE is {text:?}; write a length of time from 200ms to 10m, as 10s"
            ))
        })
}

/// Says which site may have been meant.
fn no_such_site(name: &SiteName, names: &[&str]) -> String {
    let near = names
        .iter()
        .map(|known| (strsim::jaro_winkler(known, name.as_str()), known))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match near {
        Some((_, known)) => format!("there is no site called {name}; did you mean {known}?"),
        None if names.is_empty() => format!(
            "there is no site called {name}: no site is published yet; \
             `microblot reconcile` publishes sites.toml"
        ),
        None => format!("there is no site called {name}; `microblot status` lists the sites"),
    }
}

/// The deployed code revision: given, or found where hosting platforms put it.
fn revision() -> Option<String> {
    [
        "MICROBLOT_REVISION",
        "SOURCE_VERSION",
        "HEROKU_SLUG_COMMIT",
        "GITHUB_SHA",
    ]
    .iter()
    .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
}

fn log(global: &Global, out: &Terminal, is_server: bool) {
    use tracing_subscriber::EnvFilter;
    // Statements that are slow are for operators; somebody at a terminal gets the error.
    let default = match is_server {
        true => "info,sqlx=warn",
        false => "warn,sqlx=error",
    };
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_not_set| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // A line that cannot be written is lost. To say so on the same closed pipe is a panic, in
        // whatever thread it was that had something to say.
        .log_internal_errors(false)
        .with_target(false);
    // Set once, at the start of the program; a second call could only be a test's.
    let _already_set = match global.log {
        Log::Human => builder.with_ansi(out.is_colored_stderr()).try_init(),
        Log::Json => builder.json().flatten_event(true).try_init(),
    };
}

fn read_markdown(file: &std::path::Path) -> Result<String, Failure> {
    use std::io::Read as _;
    /// More than a book; a post of this size was not meant.
    const LARGEST: u64 = 1024 * 1024;
    let mut text = String::new();
    let read = if file == std::path::Path::new("-") {
        std::io::stdin().take(LARGEST + 1).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|f| f.take(LARGEST + 1).read_to_string(&mut text))
    };
    let size = read.map_err(|error| {
        Failure::Io(format!("{} cannot be read as text", file.display()), error)
    })?;
    if size as u64 > LARGEST {
        return Err(Failure::Usage(format!(
            "{} is larger than 1 MiB, the most that a post holds",
            file.display()
        )));
    }
    Ok(text)
}

/// A path that does not start with `./`.
fn tidy(path: PathBuf) -> PathBuf {
    path.strip_prefix("./").map_or(path.clone(), Into::into)
}
