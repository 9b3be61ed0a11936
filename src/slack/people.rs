//! Names, pictures and ranks of people, kept so that no answer waits for Slack.

use std::time::Instant;

use super::api::{ApiError, Person};
use super::app::App;
use super::refused::SOON;
use crate::model::Millis;
use crate::store::{PersonRow, StoreError};

/// Why it is not known who somebody is.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unknown {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Slack is away or says no.
    #[error(transparent)]
    Slack(#[from] ApiError),
}

/// Asks Slack who these people are, and keeps it. Whom Slack does not tell about, it is not asked
/// about again for a minute; what was known of them stays.
pub(super) async fn look_up(app: &App, team: &str, users: &[String]) -> Result<(), Unknown> {
    let refused = app.refused();
    let token = match app.token(team).await {
        Ok(token) => token,
        Err(error) => {
            if !matches!(error, ApiError::Later { .. }) {
                for user in users {
                    refused.add(team, user, Instant::now());
                }
            }
            return match error {
                // Nobody there can be asked for.
                ApiError::Gone => Ok(()),
                error => Err(error.into()),
            };
        }
    };
    let mut found = Vec::new();
    let mut failed = None;
    for user in users {
        if refused.is_within(SOON, team, user, Instant::now()) {
            continue;
        }
        let now = app.store.now().await?;
        match app.api.user(&token, user).await {
            Ok(person) => {
                refused.remove(team, user);
                found.push(row(team, user, person, now));
            }
            Err(error @ ApiError::Refused { .. }) => {
                tracing::warn!(%error, workspace = team, user, "Slack does not say who somebody is");
                refused.add(team, user, Instant::now());
            }
            Err(error) => {
                if error == ApiError::Gone {
                    refused.add(team, user, Instant::now());
                }
                failed = Some(error);
                break;
            }
        }
    }
    app.store.keep_people(&found).await?;
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}

fn row(team: &str, id: &str, person: Person, now: Millis) -> PersonRow {
    PersonRow {
        workspace: team.to_owned(),
        id: id.to_owned(),
        name: person.name,
        picture: person.picture,
        admin: person.admin,
        fetched_at: now,
    }
}
