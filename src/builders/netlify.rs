//! Netlify's build hooks: a POST to a secret address starts a build, and says nothing about it.

use reqwest::{Client, Response, StatusCode};
use url::Url;

use super::trigger::{TriggerBody, TriggerError};
use crate::http;
use crate::model::{Millis, Secret, SiteName};

/// The title of a deploy is cut to this many characters; Netlify shows it in lists.
const TITLE_CHARS: usize = 200;

/// One call of a build hook.
#[derive(Clone, Debug)]
pub struct Trigger<'a> {
    /// The address of the hook, which is all that is needed to start builds.
    pub hook: &'a Secret,
    /// The branch to build instead of the hook's own.
    pub branch: Option<&'a str>,
    /// Build without Netlify's cache.
    pub clear_cache: bool,
    /// What the build finds in `INCOMING_HOOK_BODY`.
    pub body: TriggerBody,
}

/// What the title of a deploy starts with when it was fired for this build of ours: by it the
/// deploy is found again.
pub fn title_prefix(build: &str) -> String {
    format!("microblot {build}:")
}

/// Starts a build, with exactly one request.
///
/// Any 2xx is success; the body of the answer is not read. `now` is what a date in the answer is
/// compared with.
///
/// # Errors
///
/// [`TriggerError`] by what to do next. What fails before the connection stands has started
/// nothing. What fails after it may have, even if it failed while the request was being written:
/// how much of it arrived is not known here.
pub async fn fire(client: &Client, trigger: &Trigger<'_>, now: Millis) -> Result<(), TriggerError> {
    let request = client.post(url(trigger)?).json(&trigger.body);
    match request.send().await {
        Ok(answer) => judge(&answer, &trigger.body.site, now),
        Err(error) if error.is_connect() => Err(TriggerError::Retry {
            after: None,
            doubtful: false,
            error: format!("Netlify cannot be reached: {}", http::describe(error)),
        }),
        Err(error) if error.is_builder() => Err(TriggerError::refused(http::describe(error))),
        Err(error) => {
            let error = http::describe(error);
            Err(TriggerError::Unknown {
                error: format!("Netlify did not answer, and may have started a build: {error}"),
            })
        }
    }
}

fn judge(answer: &Response, site: &SiteName, now: Millis) -> Result<(), TriggerError> {
    let status = answer.status();
    let hint = match status {
        _ if status.is_success() => return Ok(()),
        // A request that is too slow (408) was not taken either.
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => None,
        // A gateway may have passed the request on before it failed. Such a build would be one
        // too many; waiting for it when there is none would keep the change from being published.
        // Doubtful all the same: should the content go back, the site may show what was sent.
        _ if status.is_server_error() => None,
        StatusCode::NOT_FOUND | StatusCode::GONE => Some(format!(
            "the build hook does not exist; make a new one, set its address, then run \
                 `microblot resume {site}`"
        )),
        _ if status.is_redirection() => {
            let hint =
                "a build hook never redirects; compare its address with the one Netlify shows";
            Some(hint.to_owned())
        }
        _ => Some("compare the build hook's address with the one Netlify shows".to_owned()),
    };
    Err(match hint {
        None => TriggerError::Retry {
            after: http::retry_after(answer.headers(), now),
            doubtful: status.is_server_error(),
            error: format!("Netlify answered {status}"),
        },
        Some(hint) => TriggerError::refused(format!("Netlify answered {status}: {hint}")),
    })
}

/// The address to call: the hook's own, with our parameters in place of any of the same name.
fn url(trigger: &Trigger<'_>) -> Result<Url, TriggerError> {
    // The parser's error quotes nothing of its input.
    let mut url = Url::parse(trigger.hook.expose()).map_err(|error| {
        TriggerError::refused(format!(
            "the build hook's address is no URL ({error}); Netlify's start with https://"
        ))
    })?;
    if !http::is_private(&url) {
        return Err(TriggerError::refused(
            "the build hook's address must start with https://, or anybody on the way could read it",
        ));
    }
    let mut ours = vec![("trigger_title", title(&trigger.body))];
    ours.extend(
        trigger
            .branch
            .map(|branch| ("trigger_branch", branch.to_owned())),
    );
    ours.extend(
        trigger
            .clear_cache
            .then(|| ("clear_cache", "true".to_owned())),
    );
    let kept: Vec<_> = url
        .query_pairs()
        .filter(|(key, _)| ours.iter().all(|(name, _)| key != name))
        .map(|(key, value)| (key.into_owned(), value.into_owned()))
        .collect();
    url.query_pairs_mut()
        .clear()
        .extend_pairs(kept)
        .extend_pairs(ours);
    url.set_fragment(None);
    Ok(url)
}

/// The title of the deploy, on one line and cut between characters. The id always fits.
fn title(body: &TriggerBody) -> String {
    let words: Vec<_> = body.reason.split_whitespace().collect();
    let title = format!("{} {}", title_prefix(&body.build), words.join(" "));
    if title.chars().count() <= TITLE_CHARS {
        return title;
    }
    title.chars().take(TITLE_CHARS - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ContentHash, Digest};

    fn body(reason: &str) -> TriggerBody {
        TriggerBody {
            site: "foo".parse().unwrap(),
            build: "0199".to_owned(),
            content_hash: ContentHash(Digest::of_bytes(b"content")),
            reason: reason.to_owned(),
            content_url: None,
        }
    }

    fn address(hook: &str, branch: Option<&str>, clear_cache: bool) -> Result<String, String> {
        let trigger = Trigger {
            hook: &Secret::new(hook),
            branch,
            clear_cache,
            body: body("posts changed"),
        };
        url(&trigger)
            .map(String::from)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_address_is_the_hook_with_our_parameters() {
        let hook = "https://api.netlify.com/build_hooks/5ebc34bf4fea0b01f02efa3a";
        insta::assert_snapshot!(
            address(hook, None, false).unwrap(),
            @"https://api.netlify.com/build_hooks/5ebc34bf4fea0b01f02efa3a?trigger_title=microblot+0199%3A+posts+changed"
        );
        insta::assert_snapshot!(
            address(hook, Some("feature/ä&b"), true).unwrap(),
            @"https://api.netlify.com/build_hooks/5ebc34bf4fea0b01f02efa3a?trigger_title=microblot+0199%3A+posts+changed&trigger_branch=feature%2F%C3%A4%26b&clear_cache=true"
        );
        insta::assert_snapshot!(
            address(&format!("{hook}?key=a%20b&trigger_title=old&trigger_branch=main#x"), None, false).unwrap(),
            @"https://api.netlify.com/build_hooks/5ebc34bf4fea0b01f02efa3a?key=a+b&trigger_branch=main&trigger_title=microblot+0199%3A+posts+changed"
        );
    }

    #[test]
    fn a_secret_travels_only_encrypted_or_within_the_machine() {
        for good in [
            "https://hooks.example.org/x",
            "http://localhost:8888/x",
            "http://127.0.0.1:1/x",
            "http://[::1]:1/x",
        ] {
            assert!(address(good, None, false).is_ok(), "{good}");
        }
        for bad in [
            "http://api.netlify.com/build_hooks/5ebc34bf",
            "http://127.0.0.1.example.org/5ebc34bf",
            "http://localhost.example.org/5ebc34bf",
            "ftp://localhost/5ebc34bf",
            "file:///5ebc34bf",
            "api.netlify.com/build_hooks/5ebc34bf",
            "5ebc34bf",
            "",
        ] {
            let error = address(bad, None, false).unwrap_err();
            assert!(
                error.contains("https://") && !error.contains("5ebc34bf"),
                "{bad}: {error}"
            );
        }
    }

    #[test]
    fn a_title_is_one_line_and_cut_between_characters() {
        assert_eq!(title(&body("a\r\n\tb")), "microblot 0199: a b");
        assert_eq!(title(&body(&"x".repeat(184))).chars().count(), 200);
        let cut = title(&body(&"ä".repeat(300)));
        assert_eq!(cut.chars().count(), 200);
        assert!(cut.starts_with("microblot 0199: ä") && cut.ends_with("ä…"));
    }

    #[test]
    fn the_body_has_the_fields_in_order() {
        insta::assert_snapshot!(
            serde_json::to_string(&body("a \"quote\"")).unwrap(),
            @r#"{"site":"foo","build":"0199","content_hash":"sha256:ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73","reason":"a \"quote\"","content_url":null}"#
        );
    }
}
