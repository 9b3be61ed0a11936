//! Clean-up that happens even when the test process is killed with SIGKILL.

use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A shell that waits for the end of this process, then runs a script.
///
/// It reads a pipe whose other end only this process holds; the kernel closes it, whatever the
/// end was. A process group of its own keeps Ctrl-C away from it.
pub struct Guard(Child);

impl Guard {
    /// Runs `script` with `$1` = `argument` when this process ends, or when the guard is dropped.
    pub fn new(script: &str, argument: impl AsRef<Path>) -> Self {
        use std::os::unix::process::CommandExt as _;
        let shell = Command::new("/bin/sh")
            .args(["-c", &format!("read -r _\n{script}"), "guard"])
            .arg(argument.as_ref())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("/bin/sh starts");
        Self(shell)
    }

    /// Calls it off: the script does not run.
    pub fn disarm(mut self) {
        // Killed before the pipe closes, which `drop` then does.
        let _gone = self.0.kill();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _status = self.0.wait();
    }
}
