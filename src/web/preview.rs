//! The page behind the private link to a draft.

use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::Web;
use crate::builders::render;
use crate::model::{Millis, Revision, Slug, Spec, token_hash};
use crate::store::StoreError;

/// Where the private link to a draft leads.
pub(super) async fn show(State(web): State<Web>, Path(token): Path<String>) -> Response {
    match found(&web, &token).await {
        Ok(Some((shown, now))) => page(shown, now).await,
        Ok(None) => gone(),
        Err(error) => {
            tracing::error!(error = %crate::chain(&error), "a preview cannot be shown");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

async fn found(web: &Web, token: &str) -> Result<Option<(Shown, Millis)>, StoreError> {
    // As `new_token` makes them.
    if token.len() != 64 || !token.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(None);
    }
    let now = web.reader.now().await?;
    let Some(previewed) = web.reader.preview(&token_hash(token), now).await? else {
        return Ok(None);
    };
    let site = web.reader.site(&previewed.site).await?;
    let spec = site.and_then(|site| serde_json::from_str::<Spec>(&site.spec).ok());
    Ok(spec.map(|spec| {
        let shown = Shown {
            title: spec.title,
            url: spec.url,
            slug: previewed.slug,
            revision: previewed.revision,
        };
        (shown, now)
    }))
}

/// A post to be shown, and the site that it is to be shown on.
#[derive(Clone, Debug)]
pub struct Shown {
    /// What people call the site.
    pub title: String,
    /// Where it is published.
    pub url: String,
    /// The post's part of the address.
    pub slug: Slug,
    /// Its content.
    pub revision: Revision,
}

const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");

/// The page of a preview: never stored, indexed, framed or told to another server. Only its own
/// style sheet is let in, and pictures, as on the site itself; a script is not.
pub async fn page(shown: Shown, now: Millis) -> Response {
    let nonce = uuid::Uuid::new_v4().simple().to_string();
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; style-src-attr 'unsafe-inline'; \
         img-src https: http: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    // Markdown takes milliseconds, which other requests should not wait for.
    let made = tokio::task::spawn_blocking(move || {
        let Shown {
            title,
            url,
            slug,
            revision,
        } = shown;
        render::preview(&title, &url, slug, revision, now, &nonce)
    });
    match made.await {
        Ok(Ok(page)) => private(StatusCode::OK, &policy, page),
        Ok(Err(error)) => {
            let message = crate::chain(&error);
            private(
                StatusCode::UNPROCESSABLE_ENTITY,
                NOTHING,
                notice("This post cannot be shown", &message),
            )
        }
        Err(_panicked) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// What is shown for a link that does not work: the same whether it ran out or never was one.
pub fn gone() -> Response {
    let message = "This link to a preview has run out, or was never one. \
                   Whoever sent it can make a new one with the preview button.";
    private(
        StatusCode::NOT_FOUND,
        NOTHING,
        notice("No preview here", message),
    )
}

/// The policy of a page that needs nothing.
const NOTHING: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; \
                       frame-ancestors 'none'";

fn notice(title: &str, message: &str) -> String {
    let page = maud::html! {
        (maud::DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                meta name="color-scheme" content="light dark";
                title { (title) }
            }
            body {
                h1 { (title) }
                p { (message) }
            }
        }
    };
    page.into_string()
}

fn private(status: StatusCode, policy: &str, page: String) -> Response {
    let mut response = (status, page).into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (ROBOTS, "noindex, nofollow, noarchive"),
        (header::CACHE_CONTROL, "private, no-store"),
        // The address is the secret.
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(policy) = policy.parse() {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(title: &str, body: &str) -> Shown {
        Shown {
            title: "The <garden>".to_owned(),
            url: "https://garden.example.org/a".to_owned(),
            slug: Slug::from_title(title),
            revision: Revision {
                title: title.to_owned(),
                body: body.to_owned(),
                category: Some("notes".to_owned()),
                author: Some("ann".to_owned()),
                published_at: None,
            },
        }
    }

    async fn body(response: Response) -> String {
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await;
        String::from_utf8(bytes.unwrap().to_vec()).unwrap()
    }

    fn headers(response: &Response) -> String {
        let mut lines: Vec<_> = response
            .headers()
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort();
        lines.join("\n")
    }

    #[tokio::test]
    async fn a_draft_is_shown_as_the_site_would_show_it() {
        let text = "A ![pot](img/pot.png) and a [link](other.html).\n\n<script>alert(1)</script>\n\n\
                    | a |\n|--:|\n| 1 |\n";
        let response = page(shown("First <b>frost", text), Millis(1_795_000_000_000)).await;
        assert_eq!(response.status(), StatusCode::OK);
        let head = headers(&response);
        let (_, nonce) = head.split_once("'nonce-").unwrap();
        let nonce = nonce[..32].to_owned();
        let page = body(response).await;
        assert!(page.contains(&format!("<style nonce=\"{nonce}\">:root {{ --hue: ")));
        insta::assert_snapshot!(head.replace(&nonce, "NONCE"), @"
        cache-control: private, no-store
        content-security-policy: default-src 'none'; style-src 'nonce-NONCE'; style-src-attr 'unsafe-inline'; img-src https: http: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'
        content-type: text/html; charset=utf-8
        referrer-policy: no-referrer
        x-content-type-options: nosniff
        x-robots-tag: noindex, nofollow, noarchive
        ");
        let (head, main) = page.split_once("<body>").unwrap();
        assert!(head.contains("<meta name=\"robots\" content=\"noindex\">"));
        assert!(!head.contains("canonical") && !head.contains("alternate"));
        insta::assert_snapshot!(main, @r##"
        <p class="preview" role="note"><strong>Preview: not published.</strong> Whoever has this link can see it until the link runs out.</p><a class="skip" href="#main">Skip to content</a><header class="top"><a class="brand" href="https://garden.example.org/a/"><bdi>The &lt;garden&gt;</bdi></a><nav aria-label="Site"><a href="https://garden.example.org/a/">Posts</a></nav></header><main id="main" tabindex="-1"><article><header><h1 dir="auto">First &lt;b&gt;frost</h1><p class="meta"><time datetime="2026-11-18">18 November 2026</time><span>by <bdi>ann</bdi></span><span class="tag"><bdi>notes</bdi></span></p></header><div class="prose" dir="auto"><p>A <img src="https://garden.example.org/a/img/pot.png" alt="pot" loading="lazy"> and a <a href="https://garden.example.org/a/other.html">link</a>.</p>
        <p>&lt;script&gt;alert(1)&lt;/script&gt;
        </p>
        <div class="table"><table><thead><tr><th style="text-align:right">a</th></tr></thead><tbody>
        <tr><td style="text-align:right">1</td></tr>
        </tbody></table>
        </div>
        </div></article></main><footer class="bottom"><p><bdi>The &lt;garden&gt;</bdi></p></footer></body></html>
        "##);
    }

    #[tokio::test]
    async fn a_link_that_does_not_work_says_no_more() {
        let response = gone();
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        insta::assert_snapshot!(headers(&response), @"
        cache-control: private, no-store
        content-security-policy: default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'
        content-type: text/html; charset=utf-8
        referrer-policy: no-referrer
        x-content-type-options: nosniff
        x-robots-tag: noindex, nofollow, noarchive
        ");
        assert!(
            body(response)
                .await
                .contains("has run out, or was never one")
        );
    }

    #[tokio::test]
    async fn a_post_that_is_too_long_says_so() {
        let long = "x".repeat(render::MAX_MARKDOWN + 1);
        let response = page(shown("Long", &long), Millis(0)).await;
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert!(body(response).await.contains("split it"));
    }
}
