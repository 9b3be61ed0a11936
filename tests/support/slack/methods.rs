//! Slack's Web API, as far as it is used.

use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::world::World;
use super::{Bad, CLIENT_ID, CLIENT_SECRET, Call, Shared};

pub(super) async fn call(
    State(shared): State<Arc<Shared>>,
    method: Method,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let token = text(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
    let is_json =
        text(header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/json"));
    let body = if method == Method::GET {
        fields(query.unwrap_or_default().as_bytes())
    } else if is_json {
        serde_json::from_slice(&body).unwrap_or(Value::Null)
    } else {
        fields(&body)
    };
    let bad = note(&shared, &name, token, &body);
    let done = matches!(bad, None | Some(Bad::Lost | Bad::Slow(_)));
    let answer = done.then(|| {
        let mut world = shared.lock();
        let answer = match (name.as_str(), token) {
            ("oauth.v2.access", _) => access(&mut world, text(header::AUTHORIZATION), &body),
            (_, None) => Err("not_authed"),
            (_, Some(token)) => match world.tokens.get(token).cloned() {
                Some(team) => world.answer(&name, &team, &body),
                None => Err("invalid_auth"),
            },
        };
        let mut answer = answer.unwrap_or_else(|error| json!({ "ok": false, "error": error }));
        if answer.get("ok").is_none() {
            answer["ok"] = json!(true);
        }
        answer
    });
    shared.changed.notify_all();
    let answer = axum::Json(answer.unwrap_or_default()).into_response();
    misbehave(bad, answer).await
}

pub(super) async fn respond(
    State(shared): State<Arc<Shared>>,
    Path(key): Path<String>,
    body: Bytes,
) -> Response {
    let message = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let bad = note(&shared, "response_url", None, &message);
    let answer = if matches!(bad, None | Some(Bad::Lost | Bad::Slow(_))) {
        let taken = shared.lock().respond(&key, &message);
        match taken {
            Ok(()) => "ok".into_response(),
            Err(error) => (StatusCode::NOT_FOUND, error).into_response(),
        }
    } else {
        "".into_response()
    };
    shared.changed.notify_all();
    misbehave(bad, answer).await
}

/// Somebody agrees at once: back to the app, with the newest code.
pub(super) async fn authorize(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<Vec<(String, String)>>,
) -> Response {
    let parameter = |name: &str| {
        let found = query.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value.as_str())
    };
    if parameter("client_id") != CLIENT_ID {
        return (StatusCode::BAD_REQUEST, "invalid client_id").into_response();
    }
    let mut world = shared.lock();
    let code = format!("code-{}", world.next());
    let redirect_uri = parameter("redirect_uri").to_owned();
    let mut back = url::Url::parse(&redirect_uri).unwrap();
    back.query_pairs_mut()
        .append_pair("code", &code)
        .append_pair("state", parameter("state"));
    let (team, team_name, installer) = world.installing.clone();
    world.codes.insert(
        code,
        super::world::Code {
            team,
            team_name,
            installer,
            redirect_uri,
        },
    );
    (StatusCode::FOUND, [(header::LOCATION, back.to_string())]).into_response()
}

fn note(shared: &Shared, method: &str, token: Option<&str>, body: &Value) -> Option<Bad> {
    let mut world = shared.lock();
    world.calls.push(Call {
        method: method.to_owned(),
        token: token.map(ToOwned::to_owned),
        body: body.clone(),
        at: Instant::now(),
    });
    world.misbehaviour(method)
}

async fn misbehave(bad: Option<Bad>, answer: Response) -> Response {
    match bad {
        None => answer,
        Some(Bad::Slow(delay)) => {
            tokio::time::sleep(delay).await;
            answer
        }
        Some(Bad::TooMany(seconds)) => (
            StatusCode::TOO_MANY_REQUESTS,
            [(header::RETRY_AFTER, seconds.to_string())],
        )
            .into_response(),
        Some(Bad::Error(error)) => {
            axum::Json(json!({ "ok": false, "error": error })).into_response()
        }
        Some(Bad::Status(status)) => (
            StatusCode::from_u16(status).unwrap(),
            "<html>Server Error</html>",
        )
            .into_response(),
        Some(Bad::Garbage) => "<html>It works!</html>".into_response(),
        Some(Bad::Gigabyte) => {
            let endless = tokio_util::io::ReaderStream::new(tokio::io::repeat(b'x'));
            Body::from_stream(endless).into_response()
        }
        Some(Bad::Redirect(to)) => {
            (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()
        }
        Some(Bad::Hang) => std::future::pending().await,
        // Unwinds the task of the connection, which closes it; unlike `panic!` it prints nothing.
        Some(Bad::Reset | Bad::Lost) => {
            std::panic::resume_unwind(Box::new("the connection is dropped"))
        }
    }
}

fn fields(form: &[u8]) -> Value {
    let fields = form_urlencoded::parse(form)
        .map(|(key, value)| (key.into_owned(), Value::String(value.into_owned())));
    Value::Object(fields.collect::<Map<_, _>>())
}

fn access(
    world: &mut World,
    authorization: Option<&str>,
    body: &Value,
) -> Result<Value, &'static str> {
    use base64::Engine as _;
    let expected =
        base64::engine::general_purpose::STANDARD.encode(format!("{CLIENT_ID}:{CLIENT_SECRET}"));
    if authorization != Some(format!("Basic {expected}").as_str()) {
        return Err("bad_client_secret");
    }
    let code = body["code"].as_str().unwrap_or_default();
    let code = world.codes.remove(code).ok_or("invalid_code")?;
    if body["redirect_uri"] != code.redirect_uri {
        return Err("bad_redirect_uri");
    }
    let token = format!("xoxb-{}-token", code.team);
    world.tokens.insert(token.clone(), code.team.clone());
    world
        .teams
        .insert(code.team.clone(), code.team_name.clone());
    Ok(json!({
        "access_token": token, "token_type": "bot", "bot_user_id": "U0BOT", "app_id": "A0APP",
        "scope": "commands,chat:write", "is_enterprise_install": false, "enterprise": null,
        "team": { "id": code.team, "name": code.team_name },
        "authed_user": { "id": code.installer },
    }))
}

impl World {
    fn answer(&mut self, method: &str, team: &str, body: &Value) -> Result<Value, &'static str> {
        let text = |key: &str| body[key].as_str();
        let needed = |key: &str| text(key).ok_or("invalid_arguments");
        let known = |world: &Self, channel: &str| {
            let key = (team.to_owned(), channel.to_owned());
            world.channels.get(&key).cloned()
        };
        match method {
            "auth.test" => Ok(json!({
                "team_id": team, "team": self.teams[team], "user_id": "U0BOT", "user": "microblot",
                "bot_id": "B0BOT", "url": "https://example.slack.com/",
            })),
            "chat.postMessage" => {
                let channel = needed("channel")?;
                let channel = match known(self, channel) {
                    Some(known) if known["is_archived"] == true => return Err("is_archived"),
                    Some(_) => channel.to_owned(),
                    None if self
                        .users
                        .contains_key(&(team.to_owned(), channel.to_owned())) =>
                    {
                        format!("D{}", &channel[1..])
                    }
                    None if channel.starts_with('D') => channel.to_owned(),
                    None => return Err("channel_not_found"),
                };
                self.check_message(method, body);
                let ts = self.post(team, &channel, body);
                Ok(json!({ "channel": channel, "ts": ts, "message": { "text": body["text"] } }))
            }
            "chat.update" => {
                let (channel, ts) = (needed("channel")?, needed("ts")?);
                self.check_message(method, body);
                if !self.update(channel, ts, body) {
                    return Err("message_not_found");
                }
                Ok(json!({ "channel": channel, "ts": ts, "text": body["text"] }))
            }
            "views.open" | "views.push" => {
                let view = &body["view"];
                self.check_view(method, view);
                let (whose, user) = self.exchange(needed("trigger_id")?)?;
                if whose != team {
                    return Err("invalid_trigger_id");
                }
                let view = if method == "views.open" {
                    self.open(team, &user, view)
                } else {
                    self.push(team, &user, view)?
                };
                Ok(json!({ "view": view }))
            }
            "views.update" => {
                self.check_view(method, &body["view"]);
                let view = self.update_view(needed("view_id")?, text("hash"), &body["view"])?;
                Ok(json!({ "view": view }))
            }
            "views.publish" => {
                self.check_view(method, &body["view"]);
                let user = needed("user_id")?;
                let view = self.publish(team, user, text("hash"), &body["view"])?;
                Ok(json!({ "view": view }))
            }
            "conversations.history" => {
                let channel = needed("channel")?;
                let info = known(self, channel).ok_or("channel_not_found")?;
                if info["is_member"] != true {
                    return Err("not_in_channel");
                }
                self.history(channel, body)
            }
            "conversations.info" => {
                let channel = known(self, needed("channel")?).ok_or("channel_not_found")?;
                Ok(json!({ "channel": channel }))
            }
            "conversations.join" => {
                let key = (team.to_owned(), needed("channel")?.to_owned());
                let channel = self.channels.get_mut(&key).ok_or("channel_not_found")?;
                if channel["is_private"] == true {
                    return Err("method_not_supported_for_channel_type");
                }
                channel["is_member"] = json!(true);
                Ok(json!({ "channel": channel }))
            }
            "users.info" => {
                let key = (team.to_owned(), needed("user")?.to_owned());
                let user = self.users.get(&key).ok_or("user_not_found")?;
                Ok(json!({ "user": user }))
            }
            "users.list" => {
                let all = self.users.iter().filter(|((found, _), _)| found == team);
                let all: Vec<_> = all.map(|(_, user)| user.clone()).collect();
                self.page("members", &all, body)
            }
            _ => Err("unknown_method"),
        }
    }

    fn history(&self, channel: &str, body: &Value) -> Result<Value, &'static str> {
        let mut messages = self.histories.get(channel).cloned().unwrap_or_default();
        if let Some(oldest) = body["oldest"].as_str() {
            let inclusive = body["inclusive"] == "true";
            messages.retain(|message| {
                let ts = message["ts"].as_str().unwrap_or_default();
                ts > oldest || (inclusive && ts == oldest)
            });
        }
        messages.reverse();
        self.page("messages", &messages, body)
    }

    /// One page; the cursor is the number of items before it, in disguise.
    fn page(&self, name: &str, all: &[Value], body: &Value) -> Result<Value, &'static str> {
        let limit: usize = match &body["limit"] {
            Value::String(limit) => limit.parse().map_err(|_other| "invalid_limit")?,
            _ => 100,
        };
        if !(1..=999).contains(&limit) {
            return Err("invalid_limit");
        }
        let limit = limit.min(self.page_size);
        let start: usize = match body["cursor"].as_str() {
            None | Some("") => 0,
            Some(cursor) => cursor
                .strip_prefix("bmV4dDo=")
                .and_then(|start| start.parse().ok())
                .ok_or("invalid_cursor")?,
        };
        let items = all.iter().skip(start).take(limit).collect::<Vec<_>>();
        let end = start + items.len();
        let more = end < all.len();
        let next = if more {
            format!("bmV4dDo={end}")
        } else {
            String::new()
        };
        let mut answer = json!({ "response_metadata": { "next_cursor": next } });
        answer[name] = json!(items);
        if name == "messages" {
            answer["has_more"] = json!(more);
        }
        Ok(answer)
    }
}
