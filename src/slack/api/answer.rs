use std::time::SystemTime;

use reqwest::{Response, StatusCode};
use serde_json::Value;

use super::error::ApiError;
use crate::http;
use crate::model::{Millis, Secret};
use crate::slack::payload::{self, Spoken};

/// A page of 999 long messages stays below; everything else is far smaller.
const ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// A message that was posted or changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    /// Where it is: for a person, the conversation with them (`D…`).
    pub channel: String,
    /// What it is known by there.
    pub ts: String,
}

/// A view that was opened or changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenView {
    /// Its id (`V…`).
    pub id: String,
    /// What it looks like.
    pub hash: Option<String>,
}

/// Some of many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// What is on this page; there can be more even if it is short, or empty.
    pub items: Vec<T>,
    /// Where the next one begins.
    pub next: Option<String>,
}

/// A channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Its id.
    pub id: String,
    /// The app is in it.
    pub member: bool,
}

/// A person or a bot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Their id.
    pub id: String,
    /// What they want to be called.
    pub name: String,
    /// Their picture, 72 pixels wide.
    pub picture: Option<String>,
    /// Administers the workspace, or owns it.
    pub admin: bool,
    /// No person.
    pub bot: bool,
    /// Left the workspace.
    pub deleted: bool,
}

/// Whose token it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The workspace.
    pub team: String,
    /// What it is called.
    pub team_name: String,
    /// The user that the app is there.
    pub user: String,
}

/// What a code was exchanged for.
#[derive(Clone, Debug)]
pub struct Access {
    /// The workspace; none when the app was installed for a whole organisation.
    pub team: Option<String>,
    /// What it is called.
    pub team_name: String,
    /// The user that the app is there.
    pub bot_user: String,
    /// The bot's token.
    pub token: Secret,
    /// Who installed it.
    pub installer: String,
}

/// What can be read from the JSON of an answer that is `ok`.
pub(super) trait Read: Sized {
    /// `None` if something is missing.
    fn read(answer: &Value) -> Option<Self>;
}

/// Turns an answer into what was asked for.
pub(super) async fn judge<T: Read>(response: Response) -> Result<T, ApiError> {
    let status = response.status();
    if let Some(error) = by_status(&response) {
        return Err(error);
    }
    let body = body(response).await?;
    let Ok(answer) = payload::json(&body) else {
        return Err(strange(status));
    };
    match answer.get("ok").and_then(Value::as_bool) {
        Some(true) => T::read(&answer).ok_or_else(|| strange(status)),
        Some(false) => Err(refusal(&answer)),
        None => Err(strange(status)),
    }
}

/// The same for a `response_url`, which says little: any 2xx is success unless it says otherwise.
pub(super) async fn judge_response(response: Response) -> Result<(), ApiError> {
    let status = response.status();
    if let Some(error) = by_status(&response) {
        return Err(error);
    }
    let body = body(response).await?;
    let answer = serde_json::from_slice::<Value>(&body).unwrap_or_default();
    let said_no = answer.get("ok").and_then(Value::as_bool) == Some(false);
    if status.is_success() && !said_no {
        return Ok(());
    }
    if said_no {
        return Err(refusal(&answer));
    }
    // One word in plain text: `expired_url`, `no_text`.
    let word = String::from_utf8_lossy(&body);
    let word = word.trim();
    let is_word = !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    Err(if is_word {
        ApiError::of(word, None)
    } else {
        ApiError::of("response_url_refused", Some(status.as_str()))
    })
}

/// What the status alone decides.
fn by_status(response: &Response) -> Option<ApiError> {
    let status = response.status();
    if status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::REQUEST_TIMEOUT
        || status.is_server_error()
    {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        return Some(ApiError::Later {
            after: http::retry_after(response.headers(), Millis(0).plus(now)),
            why: format!("Slack answered {status}"),
        });
    }
    status
        .is_redirection()
        .then(|| ApiError::of("redirected", Some("compare SLACK_API_URL with Slack's own")))
}

async fn body(response: Response) -> Result<Vec<u8>, ApiError> {
    http::body(response, ANSWER_BYTES)
        .await
        .map_err(|error| ApiError::Later {
            after: None,
            why: format!("Slack's answer cannot be read: {error}"),
        })
}

/// Something else than Slack answered, or Slack in a way that is not known.
fn strange(status: StatusCode) -> ApiError {
    if status.is_client_error() {
        return ApiError::of("not_slacks_api", Some(status.as_str()));
    }
    ApiError::Later {
        after: None,
        why: format!("Slack's answer ({status}) is not understood"),
    }
}

fn refusal(answer: &Value) -> ApiError {
    let error = text(answer, "/error").unwrap_or("no_reason_given".to_owned());
    let messages = answer
        .pointer("/response_metadata/messages")
        .and_then(Value::as_array)
        .map(|all| all.iter().filter_map(Value::as_str).collect::<Vec<_>>())
        .filter(|all| !all.is_empty())
        .map(|all| all.join("; "));
    let needed = text(answer, "/needed").map(|scope| format!("needs the scope {scope}"));
    ApiError::of(&error, needed.or(messages).as_deref())
}

fn text(value: &Value, pointer: &str) -> Option<String> {
    let text = value.pointer(pointer)?.as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}

fn flag(value: &Value, pointer: &str) -> bool {
    value.pointer(pointer).and_then(Value::as_bool) == Some(true)
}

fn page<T: Read>(answer: &Value, of: &str) -> Option<Page<T>> {
    let items = answer.pointer(of)?.as_array()?;
    Some(Page {
        // One that is not understood does not hide the others.
        items: items.iter().filter_map(T::read).collect(),
        next: text(answer, "/response_metadata/next_cursor"),
    })
}

impl Read for Spoken {
    fn read(message: &Value) -> Option<Self> {
        Self::read(message)
    }
}

impl Read for Page<Spoken> {
    fn read(answer: &Value) -> Option<Self> {
        page(answer, "/messages")
    }
}

impl Read for Posted {
    fn read(answer: &Value) -> Option<Self> {
        Some(Self {
            channel: text(answer, "/channel")?,
            ts: text(answer, "/ts")?,
        })
    }
}

impl Read for OpenView {
    fn read(answer: &Value) -> Option<Self> {
        Some(Self {
            id: text(answer, "/view/id")?,
            hash: text(answer, "/view/hash"),
        })
    }
}

impl Read for Channel {
    fn read(answer: &Value) -> Option<Self> {
        Some(Self {
            id: text(answer, "/channel/id")?,
            member: flag(answer, "/channel/is_member"),
        })
    }
}

impl Read for Person {
    fn read(answer: &Value) -> Option<Self> {
        let user = answer.get("user")?;
        let names = [
            "/profile/display_name",
            "/profile/real_name",
            "/real_name",
            "/name",
        ];
        let id = text(user, "/id")?;
        Some(Self {
            name: names
                .iter()
                .find_map(|pointer| text(user, pointer))
                .unwrap_or_else(|| id.clone()),
            id,
            picture: text(user, "/profile/image_72").filter(|url| url.starts_with("https://")),
            admin: ["/is_admin", "/is_owner", "/is_primary_owner"]
                .iter()
                .any(|pointer| flag(user, pointer)),
            bot: flag(user, "/is_bot"),
            deleted: flag(user, "/deleted"),
        })
    }
}

impl Read for Identity {
    fn read(answer: &Value) -> Option<Self> {
        let team = text(answer, "/team_id")?;
        Some(Self {
            team_name: text(answer, "/team").unwrap_or_else(|| team.clone()),
            team,
            user: text(answer, "/user_id")?,
        })
    }
}

impl Read for Access {
    fn read(answer: &Value) -> Option<Self> {
        let team = text(answer, "/team/id");
        (text(answer, "/token_type")? == "bot").then_some(())?;
        Some(Self {
            team_name: text(answer, "/team/name")
                .or_else(|| team.clone())
                .unwrap_or_default(),
            team: team.filter(|_| !flag(answer, "/is_enterprise_install")),
            bot_user: text(answer, "/bot_user_id")?,
            token: Secret::new(text(answer, "/access_token")?),
            installer: text(answer, "/authed_user/id")?,
        })
    }
}
