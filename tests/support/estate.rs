//! A folder with sites, and the real program run in it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::Duration;

use tempfile::TempDir;

use super::guard::Guard;

/// No command takes as long, on however busy a machine: a test that waits longer has found a hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// A temporary folder in which the program runs, with nothing of the user's environment.
pub struct Estate {
    root: TempDir,
    environment: BTreeMap<String, String>,
}

/// What a command left behind.
#[derive(Debug)]
pub struct Output {
    /// The exit code; 128 and the number of the signal where one ended it.
    pub code: i32,
    /// What it printed.
    pub stdout: String,
    /// What it said beside that.
    pub stderr: String,
}

impl Estate {
    /// An empty folder.
    pub fn new() -> Self {
        let root = TempDir::with_prefix("mb-estate-").unwrap();
        fs::create_dir_all(root.path().join("home/cache")).unwrap();
        fs::create_dir(root.path().join("sites")).unwrap();
        Self {
            root,
            environment: BTreeMap::new(),
        }
    }

    /// Another empty folder with the same environment: a second replica.
    pub fn twin(&self) -> Self {
        Self {
            environment: self.environment.clone(),
            ..Self::new()
        }
    }

    /// The folder that the program runs in.
    pub fn path(&self) -> PathBuf {
        self.root.path().join("sites")
    }

    /// Writes a file, and the folders it is in.
    pub fn write(&self, file: impl AsRef<Path>, text: impl AsRef<[u8]>) {
        let file = self.path().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    /// Reads a file.
    pub fn read(&self, file: impl AsRef<Path>) -> String {
        let file = self.path().join(file);
        fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }

    /// Removes a file.
    pub fn remove(&self, file: impl AsRef<Path>) {
        fs::remove_file(self.path().join(file)).unwrap();
    }

    /// Sets a variable for all commands from now on.
    pub fn env(&mut self, name: &str, value: impl Into<String>) -> &mut Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    /// Uses a database other than the embedded one.
    pub fn database(&mut self, url: &str) -> &mut Self {
        self.env("DATABASE_URL", url)
    }

    /// Runs `microblot` to its end.
    pub fn microblot(&self, arguments: &[&str]) -> Output {
        self.microblot_with(arguments, "")
    }

    /// Runs `microblot` with something to read on its standard input.
    pub fn microblot_with(&self, arguments: &[&str], stdin: &str) -> Output {
        let mut command = self.command();
        command.args(arguments);
        finish(command, stdin)
    }

    /// Starts `microblot serve` on a free port.
    pub fn serve(&self) -> Serve {
        let mut command = self.command();
        command.arg("serve");
        if !self.environment.contains_key("MICROBLOT_LISTEN") {
            command.env("MICROBLOT_LISTEN", "127.0.0.1:0");
        }
        Serve::spawn(command)
    }

    /// Starts `microblot serve` with a standard error that nobody reads.
    pub fn serve_unheard(&self) -> Serve {
        let mut command = self.command();
        command.arg("serve").env("MICROBLOT_LISTEN", "127.0.0.1:0");
        Serve::spawn_unheard(command)
    }

    /// Runs a shell script to its end, in which `$0` is the program.
    pub fn shell(&self, script: &str) -> Output {
        let mut command = self.program("/bin/sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_microblot")]);
        finish(command, "")
    }

    /// The program in this folder and its environment, for what the other calls do not cover.
    pub fn command(&self) -> Command {
        self.program(env!("CARGO_BIN_EXE_microblot"))
    }

    fn program(&self, program: &str) -> Command {
        let home = self.root.path().join("home");
        let mut command = Command::new(program);
        command
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("XDG_CACHE_HOME", home.join("cache"))
            .env("HOME", home)
            .env("NO_COLOR", "1")
            .envs(&self.environment);
        command
    }
}

/// Runs a command to its end, with a limit.
pub fn finish(mut command: Command, stdin: &str) -> Output {
    use std::io::Write as _;
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let stdout = collect(child.stdout.take().unwrap());
    let stderr = collect(child.stderr.take().unwrap());
    // A program that does not read its input may close it before it is written.
    let _read = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let (Ok(stdout), Ok(stderr)) = (stdout.recv_timeout(PATIENCE), stderr.recv_timeout(PATIENCE))
    else {
        child.kill().unwrap();
        panic!("{command:?} did not end in {PATIENCE:?}");
    };
    Output {
        code: code(child.wait().unwrap()),
        stdout,
        stderr,
    }
}

fn collect(mut from: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (done, text) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        let _nobody_waits = done.send(String::from_utf8(bytes).expect("the program writes UTF-8"));
    });
    text
}

fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    status
        .code()
        .or_else(|| Some(128 + status.signal()?))
        .unwrap()
}

/// A running server. Killed at the end, and when the test process is.
pub struct Serve {
    child: Child,
    guard: Option<Guard>,
    log: Arc<Log>,
}

#[derive(Default)]
struct Log {
    state: Mutex<Lines>,
    changed: Condvar,
}

#[derive(Default)]
struct Lines {
    lines: Vec<String>,
    ended: bool,
}

impl Serve {
    /// Starts a command that serves until it is told to stop.
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let guard = Guard::new("kill -KILL \"$1\"", child.id().to_string());
        let log = Arc::<Log>::default();
        let (from, to) = (child.stderr.take().unwrap(), Arc::clone(&log));
        std::thread::spawn(move || {
            for line in BufReader::new(from).split(b'\n') {
                let Ok(line) = line else { break };
                let line = String::from_utf8_lossy(&line).into_owned();
                to.state.lock().unwrap().lines.push(line);
                to.changed.notify_all();
            }
            to.state.lock().unwrap().ended = true;
            to.changed.notify_all();
        });
        Self {
            child,
            guard: Some(guard),
            log,
        }
    }

    /// Starts one that writes its log to a pipe that is closed.
    pub fn spawn_unheard(mut command: Command) -> Self {
        let (nobody, pipe) = std::io::pipe().unwrap();
        drop(nobody);
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(pipe)
            .spawn()
            .expect("the program starts");
        let guard = Guard::new("kill -KILL \"$1\"", child.id().to_string());
        let log = Arc::<Log>::default();
        log.state.lock().unwrap().ended = true;
        Self {
            child,
            guard: Some(guard),
            log,
        }
    }

    /// Where it serves: `http://127.0.0.1:PORT`, as soon as it says so.
    pub fn url(&self) -> String {
        let line = self.wait_for_line("listening on http://", PATIENCE);
        let (_, url) = line.split_once("listening on ").expect("it was looked for");
        let end = url
            .find(|c: char| c.is_whitespace() || c == '"')
            .unwrap_or(url.len());
        url[..end].trim_end_matches('/').to_owned()
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything it has written to its log so far.
    pub fn stderr(&self) -> String {
        self.log.state.lock().unwrap().lines.join("\n")
    }

    /// The first line that holds `text`, written already or yet to come.
    ///
    /// # Panics
    ///
    /// After `timeout`, or as soon as the process has ended without it.
    pub fn wait_for_line(&self, text: &str, timeout: Duration) -> String {
        let mut found = None;
        let waiting = |log: &mut Lines| {
            found = log.lines.iter().find(|line| line.contains(text)).cloned();
            found.is_none() && !log.ended
        };
        let log = self.log.state.lock().unwrap();
        let waited = self
            .log
            .changed
            .wait_timeout_while(log, timeout, waiting)
            .unwrap();
        drop(waited);
        found.unwrap_or_else(|| panic!("no line with {text:?} in:\n{}", self.stderr()))
    }

    /// Ends it as a power failure would.
    pub fn kill(mut self) {
        self.end();
    }

    /// Sends it a signal: `STOP` makes it sleep until `CONT`.
    ///
    /// # Panics
    ///
    /// If it has ended already.
    pub fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let kill = Command::new("/bin/sh")
            .args(["-c", "kill -\"$1\" \"$2\"", "kill", signal, &id])
            .status();
        assert!(
            kill.unwrap().success(),
            "the process had ended already:\n{}",
            self.stderr()
        );
    }

    /// Asks it to stop (SIGTERM) and gives its exit code.
    ///
    /// # Panics
    ///
    /// If it does not stop.
    pub fn terminate(mut self) -> i32 {
        self.signal("TERM");
        let log = self.log.state.lock().unwrap();
        let (log, waited) = self
            .log
            .changed
            .wait_timeout_while(log, PATIENCE, |log| !log.ended)
            .unwrap();
        drop(log);
        assert!(
            !waited.timed_out(),
            "it did not stop in {PATIENCE:?}:\n{}",
            self.stderr()
        );
        if let Some(guard) = self.guard.take() {
            guard.disarm();
        }
        code(self.child.wait().unwrap())
    }

    fn end(&mut self) {
        // First, so that the guard never kills another process that got the same id.
        if let Some(guard) = self.guard.take() {
            guard.disarm();
        }
        let _ended = (self.child.kill(), self.child.wait());
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        self.end();
    }
}
