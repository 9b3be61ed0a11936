//! Wires on which answers get lost: between Slack and the program, and between it and PostgreSQL.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::world::SOON;

/// A gateway before the program: it passes requests on, reads no answer, and says 504.
pub struct Gateway {
    address: SocketAddr,
    passed_on: Arc<Mutex<Vec<TcpStream>>>,
}

impl Gateway {
    /// In front of a server at `http://HOST:PORT`.
    pub fn before(server: &str) -> Self {
        let server = server.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let passed_on = Arc::<Mutex<Vec<TcpStream>>>::default();
        let held = Arc::clone(&passed_on);
        thread::spawn(move || {
            for client in listener.incoming() {
                let mut client = client.unwrap();
                let request = request_of(&mut client);
                let mut server = TcpStream::connect(&server).unwrap();
                server.write_all(&request).unwrap();
                // Open, so that the program sees somebody who waits.
                held.lock().unwrap().push(server);
                let answer = b"HTTP/1.0 504 Gateway Timeout\r\nContent-Length: 0\r\n\r\n";
                client.write_all(answer).unwrap();
            }
        });
        Self { address, passed_on }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What the program, which has ended, had answered by then.
    pub fn lost(&self) -> String {
        let mut lost = String::new();
        for mut server in self.passed_on.lock().unwrap().drain(..) {
            server.set_read_timeout(Some(SOON)).unwrap();
            let mut bytes = Vec::new();
            let _until_it_ended = server.read_to_end(&mut bytes);
            lost.push_str(&String::from_utf8_lossy(&bytes));
        }
        lost
    }
}

/// A request with its body.
fn request_of(client: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        let read = client.read(&mut buffer).unwrap();
        assert_ne!(read, 0, "half a request");
        bytes.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let is_length = name.eq_ignore_ascii_case("content-length");
            is_length.then(|| value.trim().parse::<usize>().unwrap())
        });
        if body.len() >= length.unwrap_or(0) {
            return bytes;
        }
    }
}

/// A wire to PostgreSQL: the commit of one transaction arrives there, and its answer never comes
/// back. So the change is made, and the program cannot know it.
pub struct Trap {
    port: u16,
    catch: Arc<Catch>,
}

#[derive(Default)]
struct Catch {
    words: Mutex<Option<String>>,
    sprung: AtomicBool,
}

impl Trap {
    /// In front of the server of a database address.
    pub fn before(url: &str) -> Self {
        let url = url::Url::parse(url).unwrap();
        let server = url.socket_addrs(|| Some(5432)).unwrap()[0];
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let catch = Arc::<Catch>::default();
        let armed = Arc::clone(&catch);
        thread::spawn(move || {
            for client in listener.incoming() {
                carry(client.unwrap(), server, &armed);
            }
        });
        Self { port, catch }
    }

    /// `url` with the trap in place of the server.
    pub fn url(&self, url: &str) -> String {
        let mut url = url::Url::parse(url).unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(self.port)).unwrap();
        url.into()
    }

    /// From now on: a transaction that sends these words.
    pub fn arm(&self, words: &str) {
        *self.catch.words.lock().unwrap() = Some(words.to_owned());
    }

    /// Whether such a transaction was caught.
    pub fn has_sprung(&self) -> bool {
        self.catch.sprung.load(Ordering::SeqCst)
    }
}

fn carry(client: TcpStream, server: SocketAddr, armed: &Arc<Catch>) {
    let Ok(server) = TcpStream::connect(server) else {
        return;
    };
    let mute = Arc::new(AtomicBool::new(false));
    let (mut from_server, mut to_client) =
        (server.try_clone().unwrap(), client.try_clone().unwrap());
    let muted = Arc::clone(&mute);
    thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let Ok(read @ 1..) = from_server.read(&mut buffer) {
            if !muted.load(Ordering::SeqCst) && to_client.write_all(&buffer[..read]).is_err() {
                return;
            }
        }
    });
    let (mut from_client, mut to_server) = (client, server);
    let armed = Arc::clone(armed);
    thread::spawn(move || {
        let mut buffer = [0; 8192];
        let mut sent = Vec::new();
        let mut caught = false;
        while let Ok(read @ 1..) = from_client.read(&mut buffer) {
            sent.extend_from_slice(&buffer[..read]);
            let text = String::from_utf8_lossy(&sent).into_owned();
            let words = armed.words.lock().unwrap().clone();
            caught |= words.is_some_and(|words| text.contains(&words));
            // Before the server can answer.
            if caught && text.contains("COMMIT\0") {
                mute.store(true, Ordering::SeqCst);
                armed.sprung.store(true, Ordering::SeqCst);
            }
            if to_server.write_all(&buffer[..read]).is_err() {
                break;
            }
            // What was sent in pieces is found in what the last pieces make together.
            let old = sent.len().saturating_sub(64);
            sent.drain(..old);
        }
        // The server learns at once that the program is gone, as it does without a trap.
        let _closed = to_server.shutdown(Shutdown::Both);
    });
}
