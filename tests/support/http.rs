//! As little of HTTP as it takes to send exactly the bytes of a path.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::world::SOON;

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The header lines, in lower case.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The body as JSON; panics if it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Gets a path, as it is written, from a server at `http://HOST:PORT`.
pub fn get(server: &str, path: &str) -> Answer {
    get_with(server, path, "")
}

/// The same with more header lines, each with its line end.
pub fn get_with(server: &str, path: &str, headers: &str) -> Answer {
    let host = server.strip_prefix("http://").expect("a plain address");
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let request = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").expect("an answer has a head");
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_lowercase(),
        body: body.to_owned(),
    }
}
