use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use tower_http::services::ServeDir;

use super::Web;
use crate::model::{BuilderSpec, SiteName, Spec};

/// A file of a site that the built-in renderer built.
pub(super) async fn file(
    State(web): State<Web>,
    Path((name, path)): Path<(String, String)>,
    request: Request,
) -> Response {
    serve(&web, &name, &path, request).await
}

/// The first page of such a site.
pub(super) async fn index(
    State(web): State<Web>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    serve(&web, &name, "", request).await
}

async fn serve(web: &Web, name: &str, path: &str, request: Request) -> Response {
    let Ok(name) = name.parse::<SiteName>() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let out = match rendered(web, &name).await {
        Ok(Some(out)) => web.root.join(out),
        Ok(None) => return StatusCode::NOT_FOUND.into_response(),
        Err(status) => return status.into_response(),
    };
    // The folder service refuses `..` and everything else that leaves the folder.
    let mut inner = Request::builder().method(request.method());
    for (header, value) in request.headers() {
        inner = inner.header(header, value);
    }
    let path: String = url::form_urlencoded::byte_serialize(path.as_bytes()).collect();
    let path = path.replace("%2F", "/").replace('+', "%20");
    let Ok(inner) = inner.uri(format!("/{path}")).body(Body::empty()) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    match ServeDir::new(out).try_call(inner).await {
        Ok(response) => {
            let mut response = response.map(Body::new);
            // Written from the folder's own root, which is not the server's.
            if let Some(location) = response.headers().get(header::LOCATION)
                && let Ok(location) = location.to_str()
                && let Ok(location) = format!("/sites/{name}{location}").parse()
            {
                response.headers_mut().insert(header::LOCATION, location);
            }
            response
        }
        Err(_unreadable) => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn rendered(web: &Web, name: &SiteName) -> Result<Option<String>, StatusCode> {
    let site = web
        .reader
        .site(name)
        .await
        .map_err(|_the_database_is_away| StatusCode::SERVICE_UNAVAILABLE)?;
    let spec = site
        .filter(|site| site.presence == crate::store::Presence::Declared)
        .and_then(|site| serde_json::from_str::<Spec>(&site.spec).ok());
    Ok(match spec.map(|spec| spec.build) {
        Some(BuilderSpec::Render { out }) => Some(out),
        _ => None,
    })
}
