//! Load over kept HTTP/1.1 connections, as cheap as it gets: it shares the cores with what it
//! measures.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// When requests are sent.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// Each connection sends its next request when it has an answer.
    Closed,
    /// So many a second, however fast they are answered; a request that finds no free connection
    /// waits, and its time counts from when it was due.
    Open(f64),
}

/// How a run went.
#[derive(Debug)]
pub struct Run {
    /// From the first request to the last answer.
    pub time: Duration,
    /// Of every request, shortest first.
    latencies: Vec<Duration>,
}

impl Run {
    /// Answers a second.
    pub fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.time.as_secs_f64()
    }

    /// What this share of the requests stayed below.
    pub fn quantile(&self, share: f64) -> Duration {
        let last = self.latencies.len() - 1;
        self.latencies[(last as f64 * share).round() as usize]
    }
}

/// Sends every request once over so many connections, from one thread. Every answer has to be a
/// 200 with `needle` in it.
pub fn run(
    to: SocketAddr,
    requests: Vec<Vec<u8>>,
    connections: usize,
    pace: Pace,
    needle: &'static str,
) -> Run {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let requests = Arc::new(requests);
        let next = Arc::new(AtomicUsize::new(0));
        let mut streams = Vec::new();
        for _ in 0..connections {
            let stream = TcpStream::connect(to).await.unwrap();
            stream.set_nodelay(true).unwrap();
            streams.push(stream);
        }
        let start = Instant::now();
        let mut tasks = JoinSet::new();
        for stream in streams {
            let (requests, next) = (requests.clone(), next.clone());
            tasks.spawn(async move {
                let mut connection = Connection::new(stream);
                let mut latencies = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(request) = requests.get(number) else {
                        return latencies;
                    };
                    let since = match pace {
                        Pace::Closed => Instant::now(),
                        Pace::Open(rate) => {
                            let due = start + Duration::from_secs_f64(number as f64 / rate);
                            tokio::time::sleep_until(due.into()).await;
                            due
                        }
                    };
                    connection.ask(request, needle).await;
                    latencies.push(since.elapsed());
                }
            });
        }
        let mut latencies = tasks.join_all().await.concat();
        let time = start.elapsed();
        latencies.sort_unstable();
        Run { time, latencies }
    })
}

struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            answer: Vec::with_capacity(64 * 1024),
        }
    }

    async fn ask(&mut self, request: &[u8], needle: &str) {
        self.stream.write_all(request).await.unwrap();
        self.answer.clear();
        let whole = loop {
            let read = self.stream.read_buf(&mut self.answer).await.unwrap();
            assert!(read > 0, "the connection was closed");
            if let Some(whole) = whole(&self.answer) {
                break whole;
            }
        };
        let answer = String::from_utf8_lossy(whole);
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.contains(needle),
            "{answer}"
        );
    }
}

/// The answer, if it is there to its end: either kind of length, without trailers.
fn whole(answer: &[u8]) -> Option<&[u8]> {
    const END: &[u8] = b"\r\n\r\n";
    let head = answer.windows(END.len()).position(|part| part == END)?;
    let lines = answer[..head].split(|byte| *byte == b'\n');
    let mut lengths = lines.filter_map(|line| {
        let (name, value) = std::str::from_utf8(line).unwrap().split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().unwrap())
    });
    match lengths.next() {
        Some(length) => (answer.len() == head + END.len() + length).then_some(answer),
        None => answer.ends_with(b"0\r\n\r\n").then_some(answer),
    }
}
