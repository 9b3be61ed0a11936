use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::shared::Shared;
use crate::model::{PostId, SiteName};

/// Decides which static sites need a build, fires exactly those, once, and says why.
#[derive(Debug, Parser)]
#[command(
    name = "microblot",
    version,
    max_term_width = 100,
    propagate_version = false
)]
#[command(after_help = "Examples:
  microblot reconcile --plan    what would happen, and why
  microblot reconcile           build what needs it
  microblot serve               keep doing so")]
pub struct Cli {
    /// What everything has in common.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
pub struct Global {
    /// The file that declares the sites
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        default_value = "sites.toml",
        env = "MICROBLOT_CONFIG"
    )]
    pub config: PathBuf,
    /// postgres://… or sqlite:PATH [default: microblot.db beside sites.toml]
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "DATABASE_URL",
        hide_env_values = true
    )]
    pub database_url: Option<String>,
    /// How log lines look
    #[arg(long, global = true, value_enum, default_value_t = Log::Human, env = "MICROBLOT_LOG")]
    pub log: Log,
    /// When to use colour
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
}

/// How log lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Log {
    /// For a person.
    Human,
    /// One JSON object a line.
    Json,
}

/// A part of `serve`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Only {
    /// What is done on a schedule: mirrored channels, messages, scheduled posts, clean-up.
    Worker,
}

/// When to use colour.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start an estate: a commented sites.toml and what goes with it
    #[command(after_help = "Example:\n  microblot init blog && cd blog && microblot reconcile")]
    Init {
        /// Where [default: here]
        #[arg(value_name = "DIR", default_value = ".")]
        dir: PathBuf,
    },
    /// Report every error of sites.toml with its place; works offline
    #[command(after_help = "Example:\n  microblot check --config sites.toml")]
    Check {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Publish sites.toml and build what needs it, or show what would happen
    #[command(after_help = "Examples:
  microblot reconcile --plan --verbose     what would happen, why, and what changed
  microblot reconcile --plan --detailed-exitcode   exit 2 when there is something to build
  microblot reconcile www --wait           build www if it needs it, and wait for the end")]
    Reconcile(Reconcile),
    /// Run the loop, the worker and the HTTP server
    #[command(
        after_help = "Example:\n  DATABASE_URL=postgres://localhost/microblot microblot serve\n\n\
Environment: MICROBLOT_LISTEN (127.0.0.1:8080) or PORT, MICROBLOT_REVISION, MICROBLOT_URL (where\n\
builds and people reach this server), MICROBLOT_LEASE (10s: a replica that is silent for longer\n\
is dead); for Slack SLACK_SIGNING_SECRET, SLACK_BOT_TOKEN and what docs/slack.md names"
    )]
    Serve {
        /// Only this part of it: what is done on a schedule, without firing builds
        #[arg(long, value_enum, value_name = "PART")]
        only: Option<Only>,
    },
    /// Take the current content as built, without building: for sites that are live already
    #[command(
        after_help = "Example:\n  microblot adopt        every site of sites.toml\n  microblot adopt www"
    )]
    Adopt {
        /// Only these sites
        sites: Vec<SiteName>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Write a post
    #[command(after_help = "Examples:
  microblot new garden --title 'First frost' --file frost.md
  echo 'It froze.' | microblot new garden --title 'First frost' --file - --draft")]
    New(New),
    /// Change a post
    #[command(after_help = "Example:\n  microblot edit 4k9x2mzq7c --title 'Last frost' --publish")]
    Edit(Edit),
    /// What chat knows too.
    #[command(flatten)]
    Shared(Shared),
    /// Print the JSON Schema of sites.toml, for editors
    #[command(after_help = "Example:\n  microblot schema > sites.schema.json")]
    Schema,
    /// Print a completion script
    #[command(
        after_help = "Example:\n  microblot completions bash > /etc/bash_completion.d/microblot"
    )]
    Completions {
        /// For which shell
        shell: Shell,
    },
}

/// Options of `reconcile`.
#[derive(Debug, Args)]
pub struct Reconcile {
    /// Only build these sites
    pub sites: Vec<SiteName>,
    /// Only show what would happen; changes nothing
    #[arg(long)]
    pub plan: bool,
    /// As JSON (format 1)
    #[arg(long, conflicts_with = "markdown")]
    pub json: bool,
    /// As Markdown, for a pull request
    #[arg(long, requires = "plan")]
    pub markdown: bool,
    /// Exit 0: nothing to do, 1: error, 2: builds to fire
    #[arg(long, requires = "plan")]
    pub detailed_exitcode: bool,
    /// List unchanged sites too
    #[arg(long)]
    pub all: bool,
    /// Show what changed in each site
    #[arg(long, short)]
    pub verbose: bool,
    /// Go on only if the plan is still the one with this id
    #[arg(long, value_name = "ID", conflicts_with = "plan")]
    pub expect: Option<String>,
    /// Follow the builds to their end, and what had to wait
    #[arg(long, conflicts_with = "plan")]
    pub wait: bool,
    /// Go on where a safety rail says stop
    #[arg(long)]
    pub force: bool,
}

/// Options of `new`.
#[derive(Debug, Args)]
pub struct New {
    /// Of which site
    pub site: SiteName,
    /// One line
    #[arg(long, value_parser = title)]
    pub title: String,
    /// Markdown; `-`: standard input [default: empty]
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// One word or phrase to group posts by
    #[arg(long)]
    pub category: Option<String>,
    /// Keep it from readers
    #[arg(long, conflicts_with = "publish_at")]
    pub draft: bool,
    /// When, as in 2026-12-24T18:00:00Z or 2026-12-24 18:00 (local time)
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub publish_at: Option<crate::model::Millis>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `edit`.
#[derive(Debug, Args)]
pub struct Edit {
    /// Which post
    pub id: PostId,
    /// One line
    #[arg(long, value_parser = title)]
    pub title: Option<String>,
    /// Markdown; `-`: standard input
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// One word or phrase; empty: none
    #[arg(long)]
    pub category: Option<String>,
    /// Keep it from readers
    #[arg(long, conflicts_with_all = ["publish", "publish_at"])]
    pub draft: bool,
    /// Show it to readers now
    #[arg(long, conflicts_with = "publish_at")]
    pub publish: bool,
    /// When, as in 2026-12-24T18:00:00Z or 2026-12-24 18:00 (local time)
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub publish_at: Option<crate::model::Millis>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

fn title(text: &str) -> Result<String, String> {
    let title = text.trim();
    match title.chars().count() {
        0 => Err("a post has a title".to_owned()),
        1..=128 if !title.chars().any(char::is_control) => Ok(title.to_owned()),
        1..=128 => Err("a title is one line".to_owned()),
        count => Err(format!(
            "a title has at most 128 characters, this one has {count}"
        )),
    }
}

fn time(text: &str) -> Result<crate::model::Millis, String> {
    let text = text.trim();
    let local = || {
        let civil: jiff::civil::DateTime = text.replace(' ', "T").parse().ok()?;
        let zoned = civil.to_zoned(jiff::tz::TimeZone::system()).ok()?;
        Some(zoned.timestamp())
    };
    text.parse::<jiff::Timestamp>()
        .ok()
        .or_else(local)
        .map(Into::into)
        .ok_or_else(|| {
            "write it as 2026-12-24T18:00:00Z, or 2026-12-24 18:00 for local time".to_owned()
        })
}
