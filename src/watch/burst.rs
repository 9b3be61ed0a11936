use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// Changes that come closer together are one: editors write, rename and remove; git checks out.
const QUIET: Duration = Duration::from_millis(100);
/// Changes that do not end are told all the same.
const LONGEST: Duration = Duration::from_secs(1);

/// Hears of single changes.
pub(super) struct Teller(SyncSender<()>);

impl Teller {
    pub(super) fn tell(&self) {
        // Where one waits already, it stands for both.
        let _waiting = self.0.try_send(());
    }
}

/// Tells `changed` once of each burst of changes, when it is over.
pub(super) fn teller(changed: Arc<Notify>) -> io::Result<Teller> {
    let (tell, told) = sync_channel(1);
    thread::Builder::new()
        .name("file changes".to_owned())
        .spawn(move || gather(&told, &changed))?;
    Ok(Teller(tell))
}

fn gather(told: &Receiver<()>, changed: &Notify) {
    while told.recv().is_ok() {
        let since = Instant::now();
        while since.elapsed() < LONGEST && told.recv_timeout(QUIET).is_ok() {}
        changed.notify_one();
    }
}
