use std::time::Duration;

/// Why a call did not do what it was to do, by what to do next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// Try again: Slack is away, slow or busy. The call may have been carried out.
    #[error("{why}")]
    Later {
        /// Not before this much time has passed, if Slack said so.
        after: Option<Duration>,
        /// What happened, without addresses and tokens.
        why: String,
    },
    /// The same call will fail again.
    #[error("Slack refused it: {error}{}", detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default())]
    Refused {
        /// Slack's word for it (`channel_not_found`), or one of ours.
        error: String,
        /// What Slack says besides, cut short.
        detail: Option<String>,
    },
    /// The token works no more: the workspace removed the app, or is gone.
    #[error("the workspace no longer lets this app in: install it again")]
    Gone,
}

/// What a proxy or a broken server calls an error is not repeated at length.
const LONGEST_ERROR: usize = 80;
const LONGEST_DETAIL: usize = 300;

impl ApiError {
    /// Refused, with a word of ours.
    pub(super) fn refused(error: &str) -> Self {
        Self::Refused {
            error: error.to_owned(),
            detail: None,
        }
    }

    /// By the word in `error`, with what else Slack says about it.
    pub(super) fn of(error: &str, detail: Option<&str>) -> Self {
        match error {
            "account_inactive" | "token_revoked" | "token_expired" | "invalid_auth" => Self::Gone,
            "ratelimited"
            | "rate_limited"
            | "fatal_error"
            | "internal_error"
            | "service_unavailable"
            | "request_timeout"
            | "team_added_to_org"
            | "external_channel_migrating" => Self::Later {
                after: None,
                why: format!("Slack answered {error}"),
            },
            other => Self::Refused {
                error: plain(other, LONGEST_ERROR),
                detail: detail.map(|detail| plain(detail, LONGEST_DETAIL)),
            },
        }
    }
}

/// On one line and not too long: it ends in logs and messages.
fn plain(text: &str, longest: usize) -> String {
    let line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    line.take(longest).collect()
}
