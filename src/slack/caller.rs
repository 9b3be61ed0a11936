//! Who asks, and what they may.

use std::time::Instant;

use super::app::App;
use super::payload::{Sender, SlashCommand};
use super::refused::SOON;
use crate::chat::policy::{Caller as Asker, Rank};
use crate::engine::snapshot::Snapshot;
use crate::model::{Actor, Secret, TellTo};
use crate::store::StoreError;

/// Somebody in a workspace who asks for something.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) team: String,
    pub(super) user: String,
    user_name: Option<String>,
    /// The conversation, where it is known.
    pub(super) channel: Option<String>,
    /// Opens one modal, within 3 seconds.
    pub(super) trigger: Option<String>,
    pub(super) response_url: Option<Secret>,
}

impl Caller {
    pub(super) fn of_command(command: &SlashCommand) -> Self {
        Self {
            team: command.team.clone(),
            user: command.user.clone(),
            user_name: command.user_name.clone(),
            channel: Some(command.channel.clone()),
            trigger: Some(command.trigger_id.clone()),
            response_url: command.response_url.clone(),
        }
    }

    pub(super) fn of_sender(sender: &Sender, channel: Option<String>) -> Self {
        Self {
            team: sender.team.clone(),
            user: sender.user.clone(),
            user_name: sender.user_name.clone(),
            channel,
            trigger: sender.trigger_id.clone(),
            response_url: sender.response_url.clone(),
        }
    }

    /// Somebody about whom nothing is known but the id.
    pub(super) fn somebody(team: &str, user: &str) -> Self {
        Self {
            team: team.to_owned(),
            user: user.to_owned(),
            user_name: None,
            channel: None,
            trigger: None,
            response_url: None,
        }
    }

    /// As the database knows them.
    pub(super) fn account(&self) -> String {
        format!("slack:{}:{}", self.team, self.user)
    }

    /// With what was found out about them.
    pub(super) fn ranked(&self, rank: Rank) -> Asker<'_> {
        Asker {
            user: &self.user,
            rank,
            channel: self.channel.as_deref(),
        }
    }

    /// The name that a change is noted under, and to whom it is told.
    pub(super) async fn actor(&self, app: &App, request: String) -> Result<Actor, StoreError> {
        let person = app.store.person(&self.team, &self.user).await?;
        if person.is_none() {
            app.ask_who(&self.team, &self.user);
        }
        let name = person
            .map(|person| person.name)
            .or_else(|| self.user_name.clone())
            .unwrap_or_else(|| self.user.clone());
        let tell = TellTo {
            workspace: self.team.clone(),
            conversation: self.user.clone(),
            response_url: self
                .response_url
                .as_ref()
                .map(|url| app.urls.seal(url.expose())),
        };
        Ok(Actor::chat(name, self.account())
            .with_request(request)
            .with_tell(tell))
    }
}

impl App {
    /// What somebody is in their workspace. Whoever is not known yet is asked for, and known a
    /// moment later: no answer waits for Slack.
    pub(super) async fn rank(
        &self,
        caller: &Caller,
        snapshot: &Snapshot,
    ) -> Result<Rank, StoreError> {
        // Elsewhere the same id may be somebody else.
        let listed = snapshot.settings.slack.admins.contains(&caller.user);
        if listed && self.is_own(snapshot, &caller.team) {
            return Ok(Rank::Admin);
        }
        Ok(match self.store.person(&caller.team, &caller.user).await? {
            Some(person) if person.admin => Rank::Admin,
            Some(_) => Rank::Member,
            // Nobody to ask: whoever it is is listed in `sites.toml`, or no admin.
            None if self.tokens.are_none_for(&caller.team) => Rank::Member,
            None if self
                .refused()
                .is_within(SOON, &caller.team, &caller.user, Instant::now()) =>
            {
                Rank::Untold
            }
            None => {
                self.ask_who(&caller.team, &caller.user);
                Rank::Unknown
            }
        })
    }

    /// Asks Slack who somebody is, besides.
    pub(super) fn ask_who(&self, team: &str, user: &str) {
        let (app, team, user) = (self.clone(), team.to_owned(), user.to_owned());
        tokio::spawn(async move {
            if let Err(error) = super::people::look_up(&app, &team, &[user]).await {
                tracing::debug!(%error, "cannot find out who somebody is");
            }
        });
    }
}
