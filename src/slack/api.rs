//! Slack's Web API: one function per method that is used, and one reading of what Slack answers.
//!
//! A call is sent once. Whoever must be sure repeats it through the outbox: after [`ApiError::Later`]
//! the call may have been carried out all the same.

mod answer;
mod error;

use std::time::Duration;

use reqwest::{Client, RequestBuilder};
use serde::Serialize;
use url::{Origin, Url, form_urlencoded};

use super::payload::Spoken;
use crate::http::{self, ClientError, Timeouts};
use crate::model::Secret;
use answer::Read;

pub use answer::{Access, Channel, Identity, OpenView, Page, Person, Posted};
pub use error::ApiError;

/// Where Slack's API is, unless `SLACK_API_URL` says otherwise.
pub const SLACK_API_URL: &str = "https://slack.com/api/";
/// Where Slack's own `response_url`s lead.
const RESPONSE_HOST: &str = "hooks.slack.com";
/// Slack answers in well under a second; a modal must be open 3 s after the click.
pub const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(3),
    total: Duration::from_secs(10),
};

/// The client. Cheap to clone; connections are kept and shared.
#[derive(Clone, Debug)]
pub struct Api {
    base: Url,
    client: Client,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ApiSetupError {
    /// `SLACK_API_URL` is no address that tokens can be sent to.
    #[error("SLACK_API_URL must be an https:// address, such as {SLACK_API_URL}")]
    Address,
    /// There is no HTTPS.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl Api {
    /// For the API at `base`, with or without a slash at its end.
    ///
    /// # Errors
    ///
    /// [`ApiSetupError`] if tokens would travel readable, or there is no HTTPS at all.
    pub fn new(base: &str, timeouts: Timeouts) -> Result<Self, ApiSetupError> {
        let base = format!("{}/", base.trim_end_matches('/'));
        let base = Url::parse(&base).map_err(|_no_address| ApiSetupError::Address)?;
        if !http::is_private(&base) || base.query().is_some() || base.fragment().is_some() {
            return Err(ApiSetupError::Address);
        }
        let client = http::keeping_client(timeouts)?;
        Ok(Self { base, client })
    }

    /// `chat.postMessage`: to a channel, or to a person by their id. `message` is an object with
    /// `text` and `blocks`.
    ///
    /// # Errors
    ///
    /// [`ApiError`] by what to do next, as of every method here.
    pub async fn post_message(
        &self,
        token: &Secret,
        channel: &str,
        message: &impl Serialize,
    ) -> Result<Posted, ApiError> {
        #[derive(Serialize)]
        struct Body<'a, M> {
            channel: &'a str,
            #[serde(flatten)]
            message: &'a M,
        }
        self.write(token, "chat.postMessage", &Body { channel, message })
            .await
    }

    /// `chat.update`: replaces a message of ours. `channel` is the one that posting it answered:
    /// the id of a person does not do here.
    ///
    /// # Errors
    ///
    /// [`ApiError`]; `Refused` with `message_not_found` or `cant_update_message` if it is gone.
    pub async fn update_message(
        &self,
        token: &Secret,
        channel: &str,
        ts: &str,
        message: &impl Serialize,
    ) -> Result<Posted, ApiError> {
        #[derive(Serialize)]
        struct Body<'a, M> {
            channel: &'a str,
            ts: &'a str,
            #[serde(flatten)]
            message: &'a M,
        }
        let body = Body {
            channel,
            ts,
            message,
        };
        self.write(token, "chat.update", &body).await
    }

    /// `views.open`: a modal for whoever caused the trigger.
    ///
    /// # Errors
    ///
    /// [`ApiError`]; `Refused` with `expired_trigger_id` or `exchanged_trigger_id` when it is too
    /// late or was used.
    pub async fn open_view(
        &self,
        token: &Secret,
        trigger_id: &str,
        view: &impl Serialize,
    ) -> Result<OpenView, ApiError> {
        self.write(token, "views.open", &Triggered { trigger_id, view })
            .await
    }

    /// `views.push`: a modal on top of the one that caused the trigger; at most three lie on
    /// each other.
    ///
    /// # Errors
    ///
    /// [`ApiError`]; `Refused` with `push_limit_reached` on top of three.
    pub async fn push_view(
        &self,
        token: &Secret,
        trigger_id: &str,
        view: &impl Serialize,
    ) -> Result<OpenView, ApiError> {
        self.write(token, "views.push", &Triggered { trigger_id, view })
            .await
    }

    /// `views.update`: replaces a modal that is open; only the one that has `hash`, if it is given.
    ///
    /// # Errors
    ///
    /// [`ApiError`]; `Refused` with `hash_conflict` if it changed in between.
    pub async fn update_view(
        &self,
        token: &Secret,
        view_id: &str,
        hash: Option<&str>,
        view: &impl Serialize,
    ) -> Result<OpenView, ApiError> {
        #[derive(Serialize)]
        struct Body<'a, V> {
            view_id: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            hash: Option<&'a str>,
            view: &'a V,
        }
        let body = Body {
            view_id,
            hash,
            view,
        };
        self.write(token, "views.update", &body).await
    }

    /// `views.publish`: what one person sees in the app's Home tab.
    ///
    /// # Errors
    ///
    /// [`ApiError`]; `Refused` with `hash_conflict` if it changed in between.
    pub async fn publish_home(
        &self,
        token: &Secret,
        user_id: &str,
        hash: Option<&str>,
        view: &impl Serialize,
    ) -> Result<OpenView, ApiError> {
        #[derive(Serialize)]
        struct Body<'a, V> {
            user_id: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            hash: Option<&'a str>,
            view: &'a V,
        }
        let body = Body {
            user_id,
            hash,
            view,
        };
        self.write(token, "views.publish", &body).await
    }

    /// `conversations.history`: the messages after `oldest` (a `ts`, itself left out), newest
    /// first, in pages of at most `limit` (some apps get at most 15).
    ///
    /// # Errors
    ///
    /// [`ApiError`]; `Refused` with `not_in_channel` or `channel_not_found` where the app cannot
    /// look.
    pub async fn history(
        &self,
        token: &Secret,
        channel: &str,
        oldest: Option<&str>,
        cursor: Option<&str>,
        limit: u16,
    ) -> Result<Page<Spoken>, ApiError> {
        let limit = limit.to_string();
        let query = [
            ("channel", Some(channel)),
            ("oldest", oldest),
            ("cursor", cursor),
            ("limit", Some(&limit)),
        ];
        self.read(token, "conversations.history", &query).await
    }

    /// `conversations.join`: enters a public channel, so that its messages come as events.
    ///
    /// # Errors
    ///
    /// [`ApiError`]; `Refused` for a private channel, which somebody must invite the app to.
    pub async fn join(&self, token: &Secret, channel: &str) -> Result<Channel, ApiError> {
        #[derive(Serialize)]
        struct Body<'a> {
            channel: &'a str,
        }
        self.write(token, "conversations.join", &Body { channel })
            .await
    }

    /// `users.info`: one person.
    ///
    /// # Errors
    ///
    /// [`ApiError`]; `Refused` with `user_not_found`.
    pub async fn user(&self, token: &Secret, user: &str) -> Result<Person, ApiError> {
        self.read(token, "users.info", &[("user", Some(user))])
            .await
    }

    /// `auth.test`: whose token this is.
    ///
    /// # Errors
    ///
    /// [`ApiError`]; `Gone` if it is nobody's any more.
    pub async fn auth_test(&self, token: &Secret) -> Result<Identity, ApiError> {
        self.read(token, "auth.test", &[]).await
    }

    /// `oauth.v2.access`: the token that a code stands for. A code works once, for ten minutes.
    ///
    /// # Errors
    ///
    /// [`ApiError`]; `Refused` with `invalid_code` or `code_already_used`.
    pub async fn oauth_access(
        &self,
        client_id: &str,
        client_secret: &Secret,
        code: &str,
        redirect_uri: &str,
    ) -> Result<Access, ApiError> {
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("code", code), ("redirect_uri", redirect_uri)])
            .finish();
        let request = self
            .client
            .post(self.method("oauth.v2.access")?)
            .basic_auth(client_id, Some(client_secret.expose()))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        answer::judge(send(request).await?).await
    }

    /// Answers where a command or an action asked for it; no token is needed. It works 5 times
    /// within 30 minutes.
    ///
    /// # Errors
    ///
    /// [`ApiError`]; `Refused` if the address is not Slack's, is over, or was used up.
    pub async fn respond(
        &self,
        response_url: &Secret,
        message: &impl Serialize,
    ) -> Result<(), ApiError> {
        let url = self.response_url(response_url)?;
        let body = json(message)?;
        let request = self
            .client
            .post(url)
            .header("content-type", JSON)
            .body(body);
        answer::judge_response(send(request).await?).await
    }

    /// The address, if it is one of Slack's: whatever else it said would make this server call
    /// addresses that a stranger chose.
    fn response_url(&self, response_url: &Secret) -> Result<Url, ApiError> {
        let slack = Origin::Tuple(
            "https".to_owned(),
            url::Host::Domain(RESPONSE_HOST.to_owned()),
            443,
        );
        Url::parse(response_url.expose())
            .ok()
            .filter(|url| [&slack, &self.base.origin()].contains(&&url.origin()))
            .ok_or_else(|| ApiError::refused("response_url_not_slack"))
    }

    fn method(&self, method: &str) -> Result<Url, ApiError> {
        // Never fails: the base ends with a slash, and methods are names of ours.
        self.base
            .join(method)
            .map_err(|_no_address| ApiError::refused("no_such_method"))
    }

    async fn write<T: Read>(
        &self,
        token: &Secret,
        method: &str,
        body: &impl Serialize,
    ) -> Result<T, ApiError> {
        let request = self
            .client
            .post(self.method(method)?)
            .bearer_auth(token.expose())
            .header("content-type", JSON)
            .body(json(body)?);
        answer::judge(send(request).await?).await
    }

    async fn read<T: Read>(
        &self,
        token: &Secret,
        method: &str,
        query: &[(&str, Option<&str>)],
    ) -> Result<T, ApiError> {
        let mut url = self.method(method)?;
        let given = query
            .iter()
            .filter_map(|(key, value)| Some((*key, (*value)?)));
        url.query_pairs_mut().extend_pairs(given);
        let request = self.client.get(url).bearer_auth(token.expose());
        answer::judge(send(request).await?).await
    }
}

const JSON: &str = "application/json; charset=utf-8";

#[derive(Serialize)]
struct Triggered<'a, V> {
    trigger_id: &'a str,
    view: &'a V,
}

fn json(body: &impl Serialize) -> Result<Vec<u8>, ApiError> {
    serde_json::to_vec(body).map_err(|_no_object| ApiError::refused("not_an_object"))
}

async fn send(request: RequestBuilder) -> Result<reqwest::Response, ApiError> {
    request.send().await.map_err(|error| {
        // A token that cannot stand in a header, for example.
        if error.is_builder() {
            return ApiError::refused("request_not_possible");
        }
        ApiError::Later {
            after: None,
            why: format!("Slack cannot be reached: {}", http::describe(error)),
        }
    })
}
