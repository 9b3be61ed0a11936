//! The app manifest that people paste into Slack: what the program needs, no more and no less, and
//! within the limits that Slack's own schema of manifests sets.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::collections::BTreeSet;

use microblot::slack::install::{BOT_EVENTS, BOT_SCOPES};
use microblot::slack::{COMMAND, NEW_POST, PUBLISH_MESSAGE};
use serde::Deserialize;
use support::estate::Estate;

/// The parts of a manifest that are used. Any other key is an error, as it is for Slack.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    #[serde(rename = "_metadata")]
    _metadata: Metadata,
    display_information: DisplayInformation,
    features: Features,
    oauth_config: OauthConfig,
    settings: Settings,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    #[serde(rename = "major_version")]
    _major_version: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DisplayInformation {
    name: String,
    description: String,
    long_description: String,
    background_color: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Features {
    bot_user: BotUser,
    app_home: AppHome,
    slash_commands: Vec<SlashCommand>,
    shortcuts: Vec<Shortcut>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BotUser {
    display_name: String,
    always_online: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AppHome {
    home_tab_enabled: bool,
    messages_tab_enabled: bool,
    messages_tab_read_only_enabled: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SlashCommand {
    command: String,
    url: String,
    description: String,
    usage_hint: String,
    should_escape: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shortcut {
    name: String,
    r#type: String,
    callback_id: String,
    description: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OauthConfig {
    redirect_urls: Vec<String>,
    scopes: Scopes,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scopes {
    bot: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    event_subscriptions: EventSubscriptions,
    interactivity: Interactivity,
    org_deploy_enabled: bool,
    socket_mode_enabled: bool,
    token_rotation_enabled: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventSubscriptions {
    request_url: String,
    bot_events: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Interactivity {
    is_enabled: bool,
    request_url: String,
}

const TEXT: &str = include_str!("../slack-app.yaml");

fn manifest() -> Manifest {
    serde_saphyr::from_str(TEXT).unwrap()
}

/// As a set, none of them twice.
fn set<S: AsRef<str>>(words: &[S]) -> BTreeSet<&str> {
    let set: BTreeSet<_> = words.iter().map(AsRef::as_ref).collect();
    assert_eq!(set.len(), words.len(), "one is there twice: {set:?}");
    set
}

#[test]
fn it_asks_for_what_the_program_needs() {
    let Manifest {
        features,
        oauth_config,
        settings,
        ..
    } = manifest();
    assert_eq!(set(&oauth_config.scopes.bot), set(BOT_SCOPES));
    let events = settings.event_subscriptions;
    assert_eq!(set(&events.bot_events), set(BOT_EVENTS));
    let shortcuts: Vec<_> = features
        .shortcuts
        .iter()
        .map(|shortcut| (shortcut.r#type.as_str(), shortcut.callback_id.as_str()))
        .collect();
    let expected = [("message", PUBLISH_MESSAGE), ("global", NEW_POST)];
    assert_eq!(shortcuts, expected);
    let [command] = features.slash_commands.as_slice() else {
        panic!("there is one command");
    };
    assert_eq!(command.command, COMMAND);
    assert!(command.should_escape, "people and channels come as ids");
    assert!(features.bot_user.always_online);
    assert!(features.app_home.home_tab_enabled);
    assert!(features.app_home.messages_tab_enabled);
    assert!(features.app_home.messages_tab_read_only_enabled);
    assert!(settings.interactivity.is_enabled);
    // Requests come over HTTP, from workspaces, and tokens last.
    assert!(!settings.socket_mode_enabled);
    assert!(!settings.org_deploy_enabled);
    assert!(!settings.token_rotation_enabled);

    let [redirect] = oauth_config.redirect_urls.as_slice() else {
        panic!("there is one address to come back to");
    };
    for (url, path) in [
        (&command.url, "/slack/commands"),
        (&settings.interactivity.request_url, "/slack/interactions"),
        (&events.request_url, "/slack/events"),
        (redirect, "/slack/oauth"),
    ] {
        assert_eq!(*url, format!("https://microblot.example.org{path}"));
    }
}

#[test]
fn it_keeps_within_the_limits_of_slack() {
    let Manifest {
        display_information,
        features,
        oauth_config,
        settings,
        ..
    } = manifest();
    let command = &features.slash_commands[0];
    let mut texts = vec![
        (&display_information.name, 1..=35),
        (&display_information.description, 1..=140),
        (&display_information.long_description, 175..=4000),
        (&features.bot_user.display_name, 1..=80),
        (&command.command, 2..=32),
        (&command.description, 1..=2000),
        (&command.usage_hint, 1..=1000),
    ];
    for shortcut in &features.shortcuts {
        texts.extend([
            (&shortcut.name, 1..=24),
            (&shortcut.callback_id, 1..=255),
            (&shortcut.description, 1..=150),
        ]);
    }
    for (text, limit) in texts {
        assert!(limit.contains(&text.chars().count()), "{limit:?}: {text:?}");
    }
    let color = &display_information.background_color;
    let digits = color.strip_prefix('#').unwrap();
    assert!(digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()));
    let name: String = command.command.chars().skip(1).collect();
    assert!(name.chars().all(|c| c.is_ascii_lowercase()), "{name}");
    assert!(features.shortcuts.len() <= 10);
    assert!(oauth_config.scopes.bot.len() <= 255);
    assert!(settings.event_subscriptions.bot_events.len() <= 100);
}

#[test]
fn init_writes_the_same() {
    let estate = Estate::new();
    assert_eq!(estate.microblot(&["init"]).code, 0);
    assert_eq!(estate.read("slack-app.yaml"), TEXT);
}
