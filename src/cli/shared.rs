//! The commands that chat knows too, made from the one table of verbs.

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches, Subcommand, value_parser};

use super::{Context, Failure, export, post, site, status};
use crate::chat::grammar::{self, Given, Request, SiteArg};
use crate::chat::verbs::{Argument, Place, Shape, VERBS, Verb};
use crate::model::{PostId, SiteName};

/// A command of the table, and what was given for it.
#[derive(Debug)]
pub struct Shared {
    verb: &'static Verb,
    given: Given,
    /// At most so many, of a verb that counts.
    limit: u32,
}

impl Shared {
    /// Does what is asked for.
    pub(super) async fn run(&self, context: &Context) -> Result<ExitCode, Failure> {
        let json = self.given.get("json").is_some();
        let request = grammar::request(self.verb, &self.given).map_err(Failure::Usage)?;
        match request {
            Request::Status { site } => {
                let site = site.map(named).transpose()?;
                return status::status(context, site.as_ref(), json).await;
            }
            Request::History { site } => {
                status::history(context, &named(site)?, self.limit, json).await
            }
            Request::Rebuild { site, clear_cache } => {
                site::rebuild(context, &named(site)?, clear_cache).await
            }
            Request::Pause {
                site,
                duration,
                because,
            } => site::pause(context, &named(site)?, duration, because).await,
            Request::Resume { site } => site::resume(context, &named(site)?).await,
            Request::Export => export::export(context, json).await,
            Request::List { site, .. } => {
                let site = site.map(named).transpose()?;
                post::list(context, site, self.limit, json).await
            }
            Request::Delete { post } => post::delete(context, &post, json).await,
            Request::Home
            | Request::Help { .. }
            | Request::New { .. }
            | Request::Edit { .. }
            | Request::Info { .. }
            | Request::Sites
            | Request::Plan { .. }
            | Request::SiteAdd { .. }
            | Request::SiteRemove { .. }
            | Request::Follow { .. }
            | Request::Unfollow { .. } => Err(Failure::Usage(format!(
                "{} is done in chat only",
                self.verb.name
            ))),
        }
        .map(|()| ExitCode::SUCCESS)
    }
}

/// Chat finds a site by its address too; here a name is what scripts can rely on.
const BY_NAME: &str = "write the name of the site, not its address; \
                       `microblot status` lists the names";

fn named(site: SiteArg) -> Result<SiteName, Failure> {
    match site {
        SiteArg::Name(name) => Ok(name),
        SiteArg::Address(_) => Err(Failure::Usage(BY_NAME.to_owned())),
    }
}

/// Stricter than in chat, where keyboards begin lines with a capital.
fn site_name(text: &str) -> Result<String, String> {
    match text.parse::<SiteName>() {
        Ok(name) => Ok(name.to_string()),
        Err(_) if text.contains(['.', '/']) => Err(BY_NAME.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn post_id(text: &str) -> Result<String, String> {
    text.parse().map(|id: PostId| id.to_string())
}

fn verbs() -> impl Iterator<Item = &'static Verb> {
    VERBS.iter().filter(|verb| verb.place == Place::Both)
}

fn arguments(verb: &'static Verb) -> impl Iterator<Item = &'static Argument> {
    let arguments = verb.arguments.iter();
    arguments.filter(|argument| argument.place.is_command_line())
}

fn command(verb: &'static Verb) -> Command {
    Command::new(verb.name)
        .about(verb.summary)
        .after_help(format!("Example:\n  microblot {}", verb.example))
        .args(arguments(verb).map(arg))
}

fn arg(argument: &'static Argument) -> Arg {
    let arg = Arg::new(argument.name)
        .help(argument.help)
        .required(argument.required);
    let arg = match argument.shape.is_named() {
        true => arg.long(argument.name),
        false => arg.value_name(argument.name.to_ascii_uppercase()),
    };
    match argument.shape {
        Shape::Site => arg.value_parser(site_name),
        Shape::Post => arg.value_parser(post_id),
        Shape::Channel | Shape::Name | Shape::Which | Shape::Words => arg,
        Shape::Value(shown) | Shape::Rest(shown) => arg.value_name(shown),
        Shape::Time => arg.value_name("TIME"),
        Shape::Flag => arg.action(ArgAction::SetTrue),
        Shape::Count { usual, most } => arg
            .value_name("N")
            .value_parser(value_parser!(u32).range(1..=i64::from(most)))
            .default_value(usual.to_string()),
    }
}

impl FromArgMatches for Shared {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let found = matches
            .subcommand()
            .and_then(|(name, matches)| Some((verbs().find(|verb| verb.name == name)?, matches)));
        let (verb, matches) =
            found.ok_or_else(|| clap::Error::new(ErrorKind::InvalidSubcommand))?;
        let mut given = Given::default();
        let mut limit = 0;
        for argument in arguments(verb) {
            let name = argument.name;
            match argument.shape {
                Shape::Flag if matches.get_flag(name) => given.put(name, String::new()),
                Shape::Flag => {}
                Shape::Count { usual, .. } => {
                    limit = matches.get_one(name).copied().unwrap_or(usual);
                }
                _ => {
                    if let Some(text) = matches.get_one::<String>(name) {
                        given.put(name, text.clone());
                    }
                }
            }
        }
        Ok(Self { verb, given, limit })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Subcommand for Shared {
    fn augment_subcommands(root: Command) -> Command {
        root.subcommands(verbs().map(command))
    }

    fn augment_subcommands_for_update(root: Command) -> Command {
        Self::augment_subcommands(root)
    }

    fn has_subcommand(name: &str) -> bool {
        verbs().any(|verb| verb.name == name)
    }
}
