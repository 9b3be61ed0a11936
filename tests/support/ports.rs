//! Ports that can be given up and taken again.

use std::hash::{BuildHasher as _, RandomState};
use std::net::TcpListener;

/// A free port of 127.0.0.1 that the kernel never hands out by itself.
///
/// A server that goes away and comes back on the same port must not find it taken by somebody's
/// outgoing connection, as happens with the ports that port 0 gives.
pub fn lasting() -> u16 {
    let start = RandomState::new().hash_one(std::process::id()) % 10_000;
    (0..10_000)
        .map(|i| 20_000 + u16::try_from((start + i) % 10_000).expect("below 10 000"))
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("one of ten thousand ports is free")
}
