//! The contract of the store. Every test runs on SQLite and on PostgreSQL, unless its file says why
//! not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

#[path = "../support/mod.rs"]
mod support;

/// Makes two tests of every named `async fn(Db)`.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name($crate::fixture::Db::sqlite()).await;
                }
            )+
        }
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name($crate::fixture::Db::postgres()).await;
                }
            )+
        }
    };
}

mod channels;
mod chat;
mod claims;
mod clean_up;
mod content;
mod estate;
mod fixture;
mod full;
mod listen;
mod mirror;
mod open;
mod posts;
mod publish;
mod record;
mod requests;
mod sites;
mod tellings;
mod workspaces;
