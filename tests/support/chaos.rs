//! A network that fails on command, between the program and its database.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use super::ports;

/// A TCP proxy on a port that stays the same through every failure.
pub struct Proxy {
    port: u16,
    target: SocketAddr,
    silent: Arc<AtomicBool>,
    // What connections that are yet to come look at: `silent`, at all times.
    current: Arc<Mutex<Arc<AtomicBool>>>,
    // What a client says before it is silent.
    last_words: Arc<Mutex<Option<String>>>,
    // Owns the listener and all connections: when it ends, they do. `None` while cut.
    network: Option<Runtime>,
}

impl Proxy {
    /// Passes everything on to `target`.
    pub fn start(target: SocketAddr) -> Self {
        let mut proxy = Self {
            port: ports::lasting(),
            target,
            silent: Arc::default(),
            current: Arc::default(),
            last_words: Arc::default(),
            network: None,
        };
        proxy.restore();
        proxy
    }

    /// In front of the server of a database address.
    pub fn before(url: &str) -> Self {
        let url = url::Url::parse(url).unwrap();
        let target = url.socket_addrs(|| Some(5432)).unwrap()[0];
        Self::start(target)
    }

    /// `url` with the proxy in place of the server.
    pub fn url(&self, url: &str) -> String {
        let mut url = url::Url::parse(url).unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(self.port)).unwrap();
        url.into()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// Closes every connection and refuses new ones. Done when it returns.
    pub fn cut(&mut self) {
        let Some(network) = self.network.take() else {
            return;
        };
        // On a thread, because a runtime must not be waited for inside another one.
        let stop = std::thread::spawn(|| network.shutdown_timeout(Duration::from_secs(10)));
        stop.join().unwrap();
    }

    /// Keeps connections open and accepts new ones, but passes nothing on, in either direction.
    pub fn swallow(&mut self) {
        self.silent.store(true, Ordering::SeqCst);
        if self.network.is_none() {
            self.listen();
        }
    }

    /// Is silent, as after [`Proxy::swallow`], as soon as a client says `words`, which do not get
    /// through any more.
    pub fn swallow_at(&mut self, words: &str) {
        *self.last_words.lock().unwrap() = Some(words.to_owned());
    }

    /// Whether it passes nothing on.
    pub fn is_silent(&self) -> bool {
        self.silent.load(Ordering::SeqCst)
    }

    /// Forgets the connections that are open, without closing them: nothing passes through them any
    /// more, while new ones work. So it is after a firewall or a router lost its state.
    pub fn strand(&mut self) {
        self.silent.store(true, Ordering::SeqCst);
        self.silent = Arc::default();
        *self.current.lock().unwrap() = Arc::clone(&self.silent);
    }

    /// Passes everything on again. Connections from before are closed: they may have lost bytes.
    pub fn restore(&mut self) {
        self.cut();
        self.silent = Arc::default();
        *self.current.lock().unwrap() = Arc::clone(&self.silent);
        self.listen();
    }

    fn listen(&mut self) {
        let listener = TcpListener::bind(self.address()).expect("the proxy's port is still free");
        listener.set_nonblocking(true).unwrap();
        let network = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (target, current) = (self.target, Arc::clone(&self.current));
        let last_words = Arc::clone(&self.last_words);
        network.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((client, _)) = listener.accept().await {
                let silent = Arc::clone(&current.lock().unwrap());
                let last_words = last_words.lock().unwrap().clone();
                tokio::spawn(carry(client, target, silent, last_words));
            }
        });
        self.network = Some(network);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
    }
}

async fn carry(
    client: TcpStream,
    target: SocketAddr,
    silent: Arc<AtomicBool>,
    last_words: Option<String>,
) {
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    let _no_delay = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::join!(
        copy(from_client, to_server, &silent, last_words.as_deref()),
        copy(from_server, to_client, &silent, None)
    );
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    silent: &AtomicBool,
    last_words: Option<&str>,
) {
    let mut buffer = [0; 8192];
    loop {
        let read = from.read(&mut buffer).await;
        if let (Ok(count), Some(words)) = (&read, last_words) {
            let said = String::from_utf8_lossy(&buffer[..*count]);
            silent.fetch_or(said.contains(words), Ordering::SeqCst);
        }
        if silent.load(Ordering::SeqCst) {
            match read {
                Ok(1..) => continue,
                // Even the end of the connection does not get through.
                _ => std::future::pending().await,
            }
        }
        match read {
            Ok(count @ 1..) if to.write_all(&buffer[..count]).await.is_ok() => {}
            _ => return,
        }
    }
}
