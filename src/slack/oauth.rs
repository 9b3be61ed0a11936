//! `GET /slack/install` and `GET /slack/oauth`: the app for one more workspace, with its own blog.

use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use super::app::App;
use super::install::{Blog, Callback, InstallError, Installation, Installed, page};
use crate::engine::snapshot::Snapshot;
use crate::model::{Actor, BuilderSpec, SiteName};
use crate::store::{self, Came, NewSite, StoreError};

/// So many names are tried, at most.
const NUMBERS: u32 = 100;

/// Why a workspace has no app now.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Install(#[from] InstallError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the blog of the template cannot be made: {0}")]
    Template(String),
    #[error("there is no key to keep its token with")]
    Key,
}

/// To Slack, which asks.
pub(super) async fn begin(State(app): State<App>) -> Response {
    let Some(installation) = &app.installation else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let begin = installation.begin((app.gate.now)());
    let headers = [
        (header::LOCATION, begin.location),
        (header::SET_COOKIE, begin.cookie),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    (StatusCode::FOUND, headers).into_response()
}

/// Back from Slack.
pub(super) async fn end(
    State(app): State<App>,
    headers: HeaderMap,
    Query(callback): Query<Callback>,
) -> Response {
    let Some(installation) = &app.installation else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let (status, body) = match install(&app, installation, &callback, &headers).await {
        Ok((installed, blog)) => page(Ok((&installed, &blog))),
        Err(Failure::Install(error)) => {
            tracing::warn!(%error, "a workspace did not install the app");
            page(Err(&error))
        }
        Err(error) => {
            tracing::error!(error = %crate::chain(&error), "the app could not be installed");
            let text = "The app could not be installed. Please try again in a moment.".to_owned();
            return (StatusCode::INTERNAL_SERVER_ERROR, text).into_response();
        }
    };
    let headers: [(HeaderName, String); 2] = [
        (header::SET_COOKIE, installation.forget()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    (status, headers, Html(body.into_string())).into_response()
}

/// Answers with the workspace's blog, too.
async fn install(
    app: &App,
    installation: &Installation,
    callback: &Callback,
    headers: &HeaderMap,
) -> Result<(Installed, Blog), Failure> {
    let now = (app.gate.now)();
    let installed = installation
        .exchange(&app.api, callback, headers, now)
        .await?;
    let snapshot = app.snapshot();
    let (first, sites) = match &snapshot {
        Some(snapshot) => blogs(snapshot, &installed)?,
        None => (None, Vec::new()),
    };
    let row = store::Installed {
        id: installed.team.clone(),
        name: installed.team_name.clone(),
        bot_user: installed.bot_user.clone(),
        token: Some(app.tokens.seal(&installed.token).ok_or(Failure::Key)?),
    };
    let account = format!("slack:{}:{}", installed.team, installed.installer);
    let by = Actor::chat(&installed.installer, account);
    let came = app.store.install_workspace(&row, &sites, &by).await?;
    app.tokens.refresh(&app.store).await?;
    app.wake.notify_one();
    tracing::info!(workspace = installed.team, "the app was installed");
    let blog = match (came, first) {
        // Perhaps from an installation before this one.
        (Came::New { url, .. } | Came::Before { url, .. }, _) => Blog::At(url),
        (Came::Nothing, None) => Blog::None,
        (Came::Nothing, Some(name)) => {
            tracing::warn!(
                workspace = installed.team,
                site = %name,
                "a workspace has no blog: its name, or its folder, is another site's"
            );
            Blog::Taken(name)
        }
    };
    Ok((installed, blog))
}

/// What the blog of a workspace can be, the best first, and the name that it is to have. Whoever
/// takes that away beforehand keeps nobody from having one.
fn blogs(
    snapshot: &Snapshot,
    installed: &Installed,
) -> Result<(Option<SiteName>, Vec<NewSite>), Failure> {
    let Some(template) = &snapshot.settings.slack.on_install else {
        return Ok((None, Vec::new()));
    };
    let (team, team_name) = (&installed.team, &installed.team_name);
    let (first, _) = template.site(team, team_name).map_err(Failure::Template)?;
    let all = (1..=NUMBERS).map_while(|number| template.numbered(team, team_name, number).ok());
    let sites = all
        .filter(|(name, spec)| match &spec.build {
            // What another site has published is not to be replaced.
            BuilderSpec::Render { out } => {
                let is_theirs = snapshot.site(team, name).is_some();
                is_theirs || !snapshot.holdings.have_folder(out, name)
            }
            BuilderSpec::Netlify { .. } => true,
        })
        .map(|(name, spec)| NewSite { name, spec })
        .collect();
    Ok((Some(first), sites))
}
