use serde_json::{Value, json};

use super::builder::LONGEST;
use super::duration;
use super::settings::{MOST_BUILDS, MOST_DEPLOYS};
use super::values::{LONGEST_TITLE, LONGEST_URL};

/// The JSON Schema (draft 7, which editors understand best) of `sites.toml`.
///
/// It is no stricter than [`load`](super::load). It cannot say what holds between keys, sites and
/// comments: `load` refuses more.
pub fn schema() -> Value {
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Microblot sites",
        "description": "The static sites, what each is built from, and what builds it.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "defaults": defaults(),
            "limits": limits(),
            "budget": budget(),
            "slack": slack(),
            "sites": {
                "description": "One table for each site, under its name.",
                "type": "object",
                "propertyNames": { "$ref": "#/definitions/name" },
                "additionalProperties": { "$ref": "#/definitions/site" }
            }
        },
        "definitions": {
            "name": {
                "description": "The name of a site: 1 to 63 of a-z, 0-9 and -, a letter or digit at both ends.",
                "type": "string",
                "pattern": "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
            },
            "duration": {
                "description": "A length of time: numbers with units ms, s, m, h or d, like \"1m30s\".",
                "type": "string",
                "pattern": duration::pattern(),
                "examples": ["10s", "2m", "1h30m"]
            },
            "some_time": {
                "description": "A length of time that is more than none.",
                "allOf": [{ "$ref": "#/definitions/duration" }, { "pattern": "[1-9]" }]
            },
            "share": {
                "description": "A part of a whole: \"0%\" to \"100%\".",
                "type": "string",
                "pattern": "^(0|[1-9][0-9]?|100)%$"
            },
            "count": { "type": "integer", "minimum": 1, "maximum": MOST_BUILDS },
            "site": site(),
            "netlify": netlify(),
            "render": render()
        }
    })
}

fn defaults() -> Value {
    json!({
        "description": "Times for all sites; a site's own key wins.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "debounce": described("duration", "Quiet time before a change is built, longer (never than max_wait) after a recent hosted build; at most 24h. Default \"10s\"."),
            "max_wait": described("duration", "The longest wait after the first change, at most 7d and no less than `debounce`. Default \"2m\"."),
            "timeout": described("some_time", "Without news for this long a build is lost, 10s to 24h. Default \"30m\".")
        }
    })
}

fn limits() -> Value {
    json!({
        "description": "What the hosting account bears, over all replicas, and the safety rails.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "builds_per_minute": described("count", "Builds fired within one minute. Default 30."),
            "builds_in_flight": described("count", "Builds that run at the same time. Default 10."),
            "builds_at_once": described("share", "More than this share of the sites is not built in one pass without being told to. Default \"50%\"."),
            "removals_at_once": described("share", "More than this share of the sites is not removed at once without being told to. Default \"50%\".")
        }
    })
}

fn budget() -> Value {
    json!({
        "description": "What the hosting plan can pay for.",
        "type": "object",
        "additionalProperties": false,
        "required": ["deploys_per_month"],
        "properties": {
            "deploys_per_month": {
                "description": "Deploys in one calendar month (UTC) over all hosted sites.",
                "type": "integer",
                "minimum": 1,
                "maximum": MOST_DEPLOYS
            }
        }
    })
}

fn slack() -> Value {
    json!({
        "description": "Chat.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "notify": {
                "description": "Slack's id of the channel where results are told when nobody asked in chat: those of sites of your own workspaces, or of none.",
                "type": "string",
                "pattern": "^[CG][A-Z0-9]{1,31}$"
            },
            "admins": {
                "description": "Slack's ids of the people who may do everything, in your own workspaces: that of SLACK_BOT_TOKEN, and those that sites of this file name.",
                "type": "array",
                "uniqueItems": true,
                "items": { "type": "string", "pattern": "^[UW][A-Z0-9]{1,31}$" }
            },
            "running": {
                "description": "Who may use the commands that run sites: \"everyone\" (default), \"admins\", or the id of the channel where everyone may.",
                "type": "string",
                "pattern": "^(everyone|admins|[CG][A-Z0-9]{1,31})$"
            },
            "preview": described("some_time", "How long the link to a preview works, 1m to 30d. Default \"24h\"."),
            "on_install": on_install()
        }
    })
}

/// The texts hold placeholders, so that less is said about them than in a site.
fn on_install() -> Value {
    let mut netlify = netlify();
    for (key, pattern) in [
        (
            "/properties/hook/properties/env",
            "^[A-Za-z_{][A-Za-z0-9_{}]*$",
        ),
        ("/properties/site_id", "^[A-Za-z0-9{}-]+$"),
    ] {
        if let Some(text) = netlify.pointer_mut(key) {
            text["pattern"] = pattern.into();
        }
    }
    json!({
        "description": "The blog that a workspace gets when it installs the app. {workspace} stands for the workspace's id in lower case, {WORKSPACE} for its id.",
        "type": "object",
        "additionalProperties": false,
        "required": ["site", "title", "url", "build"],
        "properties": {
            "site": {
                "description": "The name of the site, with {workspace}.",
                "type": "string",
                "pattern": "^[a-z0-9-]*\\{workspace\\}[a-z0-9{}-]*$"
            },
            "title": {
                "description": "What people call the site. {team} stands for the workspace's name.",
                "type": "string",
                "pattern": "^(?=.*\\S)[^\\u0000-\\u001f\\u007f-\\u009f]*$"
            },
            "url": {
                "description": "Where the site is published, with {workspace}.",
                "type": "string",
                "maxLength": LONGEST_URL,
                "pattern": "^https?://[^\\s?#]*\\{(workspace|WORKSPACE)\\}[^\\s?#]*$"
            },
            "build": {
                "description": "What builds the site: exactly one of `netlify` and `render`, with {workspace} in `out` or {WORKSPACE} in the hook.",
                "type": "object",
                "additionalProperties": false,
                "minProperties": 1,
                "maxProperties": 1,
                "properties": {
                    "netlify": netlify,
                    "render": { "$ref": "#/definitions/render" }
                }
            }
        }
    })
}

fn site() -> Value {
    let defaults = defaults();
    let times = &defaults["properties"];
    json!({
        "description": "One published static site.",
        "type": "object",
        "additionalProperties": false,
        "required": ["title", "url", "build"],
        "properties": {
            "title": {
                "description": "What people call the site.",
                "type": "string",
                "minLength": 1,
                "maxLength": LONGEST_TITLE,
                "pattern": "^(?=.*\\S)[^\\u0000-\\u001f\\u007f-\\u009f]*$"
            },
            "url": {
                "description": "Where the site is published.",
                "type": "string",
                "maxLength": LONGEST_URL,
                "pattern": "^https?://[^\\s/?#@]+(/[^\\s?#]*)?$"
            },
            "posts": {
                "description": "Whose posts the site shows: \"own\" (default), \"all\", \"none\" or names of sites.",
                "oneOf": [
                    { "enum": ["own", "all", "none"] },
                    {
                        "type": "array",
                        "minItems": 1,
                        "uniqueItems": true,
                        "items": { "$ref": "#/definitions/name" }
                    }
                ]
            },
            "files": {
                "description": "Globs of the files that the site is built from, from this file's folder; .gitignore is honoured.",
                "type": "array",
                "items": { "type": "string", "pattern": "^(?![/\\\\~])(?!(.*/)?\\.\\.(/|$)).*\\S" }
            },
            "revision": {
                "description": "Whether the deployed code revision is an input too. Default false.",
                "type": "boolean"
            },
            "debounce": times["debounce"],
            "max_wait": times["max_wait"],
            "timeout": times["timeout"],
            "renamed_from": described("name", "The name that the site had before: its history goes on."),
            "slack": {
                "description": "The chat workspace of the site.",
                "type": "object",
                "additionalProperties": false,
                "required": ["workspace"],
                "properties": {
                    "workspace": {
                        "description": "Slack's id of the workspace.",
                        "type": "string",
                        "pattern": "^[TE][A-Z0-9]{1,31}$"
                    },
                    "channels": {
                        "description": "Slack's ids of the channels whose messages become posts of this site.",
                        "type": "array",
                        "uniqueItems": true,
                        "items": { "type": "string", "pattern": "^[CG][A-Z0-9]{1,31}$" }
                    }
                }
            },
            "build": {
                "description": "What builds the site: exactly one of `netlify` and `render`.",
                "type": "object",
                "additionalProperties": false,
                "minProperties": 1,
                "maxProperties": 1,
                "properties": {
                    "netlify": { "$ref": "#/definitions/netlify" },
                    "render": { "$ref": "#/definitions/render" }
                }
            }
        }
    })
}

fn netlify() -> Value {
    json!({
        "description": "A Netlify build hook.",
        "type": "object",
        "additionalProperties": false,
        "required": ["hook"],
        "properties": {
            "hook": {
                "description": "Where the address of the hook is found. The address itself is a secret and never stands here.",
                "type": "object",
                "additionalProperties": false,
                "minProperties": 1,
                "maxProperties": 1,
                "properties": {
                    "env": {
                        "description": "The environment variable that holds it.",
                        "type": "string",
                        "maxLength": LONGEST,
                        "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"
                    },
                    "file": {
                        "description": "The file that holds it.",
                        "type": "string",
                        "pattern": "^(?!.*://).*\\S"
                    }
                }
            },
            "site_id": {
                "description": "Netlify's id of the site, to follow its builds.",
                "type": "string",
                "pattern": "^[A-Za-z0-9-]{1,64}$"
            },
            "branch": {
                "description": "The branch to build instead of the hook's own.",
                "type": "string",
                "minLength": 1,
                "maxLength": LONGEST,
                "pattern": "^\\S+$"
            },
            "clear_cache": {
                "description": "Build without Netlify's cache, every time. Default false.",
                "type": "boolean"
            }
        }
    })
}

fn render() -> Value {
    json!({
        "description": "The built-in renderer: no account needed.",
        "type": "object",
        "additionalProperties": false,
        "required": ["out"],
        "properties": {
            "out": {
                "description": "The folder that is replaced by the result, below this file's folder.",
                "type": "string",
                "maxLength": LONGEST,
                "pattern": "^(?![/~])(?!(.*/)?\\.\\.(/|$))(?!(.*/)?\\.[gG][iI][tT](/|$))(?![./]*$)[^\\\\]+$"
            }
        }
    })
}

/// A reference with a description of its own: draft 7 ignores what stands beside `$ref`.
fn described(definition: &str, description: &str) -> Value {
    json!({
        "description": description,
        "allOf": [{ "$ref": format!("#/definitions/{definition}") }]
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{KEYS, builder, on_install, settings, site, slack};

    #[test]
    fn the_schema_knows_the_keys_that_are_read() {
        let schema = schema();
        for (table, keys) in [
            ("", KEYS),
            ("/properties/defaults", settings::TIMING),
            ("/properties/limits", settings::LIMITS),
            ("/properties/budget", settings::BUDGET),
            ("/properties/slack", slack::SLACK),
            (
                "/properties/slack/properties/on_install",
                on_install::ON_INSTALL,
            ),
            (
                "/properties/slack/properties/on_install/properties/build",
                builder::KINDS,
            ),
            (
                "/properties/slack/properties/on_install/properties/build/properties/netlify",
                builder::NETLIFY,
            ),
            ("/definitions/site", site::KEYS),
            ("/definitions/site/properties/slack", site::SLACK),
            ("/definitions/site/properties/build", builder::KINDS),
            ("/definitions/netlify", builder::NETLIFY),
            ("/definitions/netlify/properties/hook", builder::HOOK),
            ("/definitions/render", builder::RENDER),
        ] {
            let properties = schema.pointer(&format!("{table}/properties")).unwrap();
            let mut known: Vec<_> = properties.as_object().unwrap().keys().collect();
            let mut read = keys.to_vec();
            known.sort();
            read.sort_unstable();
            assert_eq!(known, read, "{table}");
        }
    }
}
