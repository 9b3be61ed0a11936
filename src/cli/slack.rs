use std::sync::Arc;

use tokio::sync::{Notify, watch};
use tracing::warn;

use super::Failure;
use crate::engine::run::Health;
use crate::model::{Millis, Secret};
use crate::slack::api::{Api, SLACK_API_URL, TIMEOUTS};
use crate::slack::app::{App, Parts, Tokens};
use crate::slack::install::{Installation, SLACK_AUTHORIZE_URL};
use crate::slack::seal::{Key, Purpose, Sealer};
use crate::slack::signature::{Gate, SigningSecret};
use crate::store::Store;

/// What the rest of the process gives to the Slack side.
pub(super) struct Surroundings {
    pub(super) store: Store,
    pub(super) health: watch::Receiver<Health>,
    pub(super) wake: Arc<Notify>,
    /// Where people reach this server, without a last `/`.
    pub(super) address: String,
}

/// The Slack side, as the environment sets it up. `None`: it does not.
pub(super) fn app(around: Surroundings) -> Result<Option<App>, Failure> {
    let Some(secret) = secret("SLACK_SIGNING_SECRET") else {
        return Ok(None);
    };
    let usage = |text: String| Failure::Usage(text);
    let signing = SigningSecret::new(&secret)
        .ok_or_else(|| usage("SLACK_SIGNING_SECRET is empty".to_owned()))?;
    let base = text("SLACK_API_URL").unwrap_or_else(|| SLACK_API_URL.to_owned());
    let api = Api::new(&base, TIMEOUTS).map_err(|error| usage(error.to_string()))?;
    let key = self::secret("MICROBLOT_KEY")
        .map(|text| Key::parse(&text))
        .transpose()
        .map_err(|error| usage(error.to_string()))?;
    let own = self::secret("SLACK_BOT_TOKEN");
    let installation = installation(key.as_ref(), &around.address)?;
    if own.is_none() && installation.is_none() {
        warn!(
            "SLACK_SIGNING_SECRET is set, and neither SLACK_BOT_TOKEN nor SLACK_CLIENT_ID: \
             commands are answered, but no window can be opened and nobody be told anything"
        );
    }
    let urls = Sealer::new(&Key::derived(&signing), Purpose::ResponseUrl);
    let tokens = key.as_ref().map(|key| Sealer::new(key, Purpose::Token));
    Ok(Some(App::new(Parts {
        store: around.store,
        health: around.health,
        wake: around.wake,
        work: Arc::new(Notify::new()),
        api,
        tokens: Tokens::new(own, tokens),
        gate: Gate {
            secret: Arc::new(signing),
            now: || Millis::from(jiff::Timestamp::now()),
        },
        urls,
        installation,
        address: around.address,
    })))
}

/// For further workspaces, if the app's id and secret are there.
fn installation(key: Option<&Key>, address: &str) -> Result<Option<Installation>, Failure> {
    let half = |set: &str, missing: &str| {
        let text = format!(
            "{set} is set, and {missing} is not: the app can only be installed with both, which \
             Slack shows under Basic Information > App Credentials"
        );
        Err(Failure::Usage(text))
    };
    let (id, secret) = match (text("SLACK_CLIENT_ID"), secret("SLACK_CLIENT_SECRET")) {
        (Some(id), Some(secret)) => (id, secret),
        (None, None) => return Ok(None),
        (Some(_), None) => return half("SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET"),
        (None, Some(_)) => return half("SLACK_CLIENT_SECRET", "SLACK_CLIENT_ID"),
    };
    let Some(key) = key else {
        return Err(Failure::Usage(
            "SLACK_CLIENT_ID is set, and MICROBLOT_KEY is not: the tokens of the workspaces are \
             kept encrypted. `openssl rand -hex 32` makes a key"
                .to_owned(),
        ));
    };
    let authorize = text("SLACK_AUTHORIZE_URL").unwrap_or_else(|| SLACK_AUTHORIZE_URL.to_owned());
    Installation::new(&id, secret, &authorize, address, key)
        .map(Some)
        .map_err(|error| Failure::Usage(error.to_string()))
}

fn text(name: &str) -> Option<String> {
    std::env::var(name)
        .ok()
        .filter(|text| !text.trim().is_empty())
}

fn secret(name: &str) -> Option<Secret> {
    text(name).map(Secret::new)
}
