//! The `microblot` program.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    microblot::cli::main().await
}
