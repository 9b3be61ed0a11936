//! Installing the app in further workspaces: OAuth 2.0, as Slack has it.
//!
//! `GET /slack/install` sends the browser to Slack ([`Installation::begin`]); Slack sends it back to
//! `GET /slack/oauth` ([`Installation::exchange`]), which hands out what is to be stored.

use axum::http::{HeaderMap, StatusCode, header};
use maud::{DOCTYPE, Markup, html};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::Deserialize;
use url::Url;

use super::api::{Api, ApiError};
use super::seal::{Key, Purpose, Sealer};
use crate::http;
use crate::model::{Millis, Secret, SiteName};

/// Where a workspace is asked, unless `SLACK_AUTHORIZE_URL` says otherwise.
pub const SLACK_AUTHORIZE_URL: &str = "https://slack.com/oauth/v2/authorize";

/// What the app may do, in the order of the manifest.
pub const BOT_SCOPES: &[&str] = &[
    // Slash commands and shortcuts.
    "commands",
    // Answers and news; in public channels also where nobody invited the app.
    "chat:write",
    "chat:write.public",
    // Mirrored channels: their messages, and entering public ones.
    "channels:history",
    "channels:join",
    "groups:history",
    // Names, pictures, and who administers the workspace.
    "users:read",
];

/// What the app is told, in the order of the manifest.
pub const BOT_EVENTS: &[&str] = &[
    "app_home_opened",
    "app_uninstalled",
    "message.channels",
    "message.groups",
    "tokens_revoked",
];

/// Somebody reads what Slack shows, and chooses; then it starts over.
const MINUTES: i64 = 10;
const COOKIE: &str = "microblot_install";

/// Installs the app in workspaces.
#[derive(Debug)]
pub struct Installation {
    client_id: String,
    client_secret: Secret,
    authorize: Url,
    redirect_uri: Url,
    sealer: Sealer,
}

/// Why the app cannot be installed from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// Slack sends the browser back to it.
    #[error("MICROBLOT_URL must be the https:// address of this server, as people reach it")]
    Url,
    /// People are sent there.
    #[error("SLACK_AUTHORIZE_URL must be an https:// address, such as {SLACK_AUTHORIZE_URL}")]
    Authorize,
}

/// How an installation begins: a redirect (302) with a cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begin {
    /// The header `Location`.
    pub location: String,
    /// The header `Set-Cookie`.
    pub cookie: String,
}

/// What Slack puts into the address when it sends the browser back.
#[derive(Clone, Default, Deserialize)]
pub struct Callback {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
}

/// A workspace that installed the app.
#[derive(Clone, Debug)]
pub struct Installed {
    /// Its id (`T…`).
    pub team: String,
    /// What it is called.
    pub team_name: String,
    /// The user that the app is there.
    pub bot_user: String,
    /// The bot's token; to be sealed before it is stored.
    pub token: Secret,
    /// Who installed it.
    pub installer: String,
}

/// The blog of a workspace that installed the app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blog {
    /// None comes with it.
    None,
    /// It is published here.
    At(String),
    /// Its name, or its folder, is that of a site which is not this workspace's.
    Taken(SiteName),
}

/// Why the app was not installed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstallError {
    /// Whoever was asked said no.
    #[error("the installation was cancelled in Slack")]
    Denied,
    /// Begun elsewhere, too long ago, or by somebody else.
    #[error("this installation was begun in another browser, or more than {MINUTES} minutes ago")]
    State,
    /// Slack sent the browser back without a code.
    #[error("Slack sent no code{}", .0.as_ref().map(|word| format!(": {word}")).unwrap_or_default())]
    NoCode(Option<String>),
    /// For a whole organisation; a blog belongs to a workspace.
    #[error("the app can be installed in a workspace, not for a whole organisation")]
    Organisation,
    /// Slack did not take the code.
    #[error("Slack did not complete the installation")]
    Slack(#[from] ApiError),
}

impl std::fmt::Debug for Callback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The code is a secret until it is used.
        f.debug_struct("Callback")
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

impl Installation {
    /// With the app's id and secret, for a server that people reach at `server` (`MICROBLOT_URL`).
    ///
    /// # Errors
    ///
    /// [`SetupError`] names the address that does not do.
    pub fn new(
        client_id: &str,
        client_secret: Secret,
        authorize: &str,
        server: &str,
        key: &Key,
    ) -> Result<Self, SetupError> {
        let private = |text: &str| Url::parse(text).ok().filter(http::is_private);
        let redirect_uri = format!("{}/slack/oauth", server.trim_end_matches('/'));
        Ok(Self {
            client_id: client_id.to_owned(),
            client_secret,
            authorize: private(authorize).ok_or(SetupError::Authorize)?,
            redirect_uri: private(&redirect_uri).ok_or(SetupError::Url)?,
            sealer: Sealer::new(key, Purpose::Install),
        })
    }

    /// The address that Slack sends the browser back to; it must be among the app's redirect URLs.
    pub fn redirect_uri(&self) -> &str {
        self.redirect_uri.as_str()
    }

    /// Sends the browser to Slack, with a state that only this browser can bring back.
    pub fn begin(&self, now: Millis) -> Begin {
        let nonce = nonce();
        let until = now.0.div_euclid(1000) + MINUTES * 60;
        let state = self.sealer.seal(&format!("{until}:{nonce}"));
        let mut location = self.authorize.clone();
        location
            .query_pairs_mut()
            .append_pair("client_id", &self.client_id)
            .append_pair("scope", &BOT_SCOPES.join(","))
            .append_pair("state", &state)
            .append_pair("redirect_uri", self.redirect_uri());
        Begin {
            location: location.into(),
            cookie: self.cookie(&nonce, MINUTES * 60),
        }
    }

    /// The header `Set-Cookie` that ends an installation, however it ended.
    pub fn forget(&self) -> String {
        self.cookie("", 0)
    }

    /// Checks that this browser began the installation, and exchanges the code for a token.
    ///
    /// # Errors
    ///
    /// [`InstallError`]; [`page`] tells it to people.
    pub async fn exchange(
        &self,
        api: &Api,
        callback: &Callback,
        headers: &HeaderMap,
        now: Millis,
    ) -> Result<Installed, InstallError> {
        let code = self.check(callback, headers, now)?;
        let secret = &self.client_secret;
        let access = api
            .oauth_access(&self.client_id, secret, code, self.redirect_uri())
            .await?;
        Ok(Installed {
            team: access.team.ok_or(InstallError::Organisation)?,
            team_name: access.team_name,
            bot_user: access.bot_user,
            token: access.token,
            installer: access.installer,
        })
    }

    /// The code, if the state is the one that this browser was given, not long ago.
    fn check<'a>(
        &self,
        callback: &'a Callback,
        headers: &HeaderMap,
        now: Millis,
    ) -> Result<&'a str, InstallError> {
        let state = callback.state.as_deref().unwrap_or_default();
        let opened = self.sealer.open(state).ok_or(InstallError::State)?;
        let (until, nonce) = opened.expose().split_once(':').ok_or(InstallError::State)?;
        let until: i64 = until.parse().map_err(|_other| InstallError::State)?;
        if now.0.div_euclid(1000) > until || !cookies(headers).any(|cookie| cookie == nonce) {
            return Err(InstallError::State);
        }
        match (&callback.error, &callback.code) {
            (Some(error), _) if error == "access_denied" => Err(InstallError::Denied),
            (Some(error), _) => Err(InstallError::NoCode(Some(error.chars().take(80).collect()))),
            (None, Some(code)) if !code.is_empty() => Ok(code),
            (None, _) => Err(InstallError::NoCode(None)),
        }
    }

    fn cookie(&self, value: &str, seconds: i64) -> String {
        // `Lax`: Slack's redirect is a navigation from another site, which `Strict` would not let
        // the cookie come along with.
        let secure = if self.redirect_uri.scheme() == "https" {
            "; Secure"
        } else {
            ""
        };
        let path = self.redirect_uri.path();
        format!("{COOKIE}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
    }
}

/// 128 random bits.
#[allow(clippy::expect_used, reason = "without random bytes no state is safe")]
fn nonce() -> String {
    let mut bytes = [0; 16];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the operating system has random bytes");
    hex::encode(bytes)
}

/// The values of our cookie.
fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let all = headers.get_all(header::COOKIE).iter();
    all.filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|cookie| cookie.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

/// The page at the end: what happened, and what to do now.
pub fn page(result: Result<(&Installed, &Blog), &InstallError>) -> (StatusCode, Markup) {
    match result {
        Ok((installed, blog)) => {
            let write = html! {
                p { "Type " code { "/microblot" } " in Slack to write the first post." }
            };
            let text = html! {
                p { "Microblot is installed in " strong { (installed.team_name) } "." }
                @match blog {
                    Blog::None => (write),
                    Blog::At(url) => {
                        (write)
                        p { "It appears at " a href=(url) { (url) } "." }
                    }
                    Blog::Taken(name) => p {
                        "It has no blog yet: there is a site called " code { (name) } ", or one in its "
                        "folder, already. Ask whoever runs Microblot for one."
                    },
                }
                p { a href={ "https://slack.com/app_redirect?team=" (installed.team) } { "Back to Slack" } }
            };
            (StatusCode::OK, document("Installed", &text))
        }
        Err(error) => {
            let status = match error {
                InstallError::Denied => StatusCode::OK,
                InstallError::Slack(ApiError::Later { .. }) => StatusCode::SERVICE_UNAVAILABLE,
                InstallError::Slack(_) => StatusCode::BAD_GATEWAY,
                InstallError::State | InstallError::NoCode(_) | InstallError::Organisation => {
                    StatusCode::BAD_REQUEST
                }
            };
            let text = html! {
                p { "Nothing was installed: " (crate::chain(error)) "." }
                p { a href="install" { "Try again" } }
            };
            (status, document("Not installed", &text))
        }
    }
}

fn document(title: &str, text: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                meta name="robots" content="noindex";
                title { (title) " · Microblot" }
            }
            body {
                main {
                    h1 { (title) }
                    (text)
                }
            }
        }
    }
}
