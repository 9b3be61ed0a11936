//! Names, pictures and ranks of people, kept so that no answer waits for Slack.

use super::api::ApiError;
use super::app::App;
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

/// Asks Slack who these people are, and keeps it. Somebody whom Slack does not know is kept under
/// their id, so that nobody waits for them.
pub(super) async fn look_up(app: &App, team: &str, users: &[String]) -> Result<(), Unknown> {
    let token = match app.token(team).await {
        Ok(token) => token,
        // Nobody there can be asked for.
        Err(ApiError::Gone) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let mut found = Vec::new();
    let mut failed = None;
    for user in users {
        let now = app.store.now().await?;
        match app.api.user(&token, user).await {
            Ok(person) => found.push(row(
                team,
                user,
                person.name,
                person.picture,
                person.admin,
                now,
            )),
            Err(ApiError::Refused { .. }) => {
                found.push(row(team, user, user.clone(), None, false, now));
            }
            Err(error) => {
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

fn row(
    team: &str,
    id: &str,
    name: String,
    picture: Option<String>,
    admin: bool,
    now: Millis,
) -> PersonRow {
    PersonRow {
        workspace: team.to_owned(),
        id: id.to_owned(),
        name,
        picture,
        admin,
        fetched_at: now,
    }
}
