//! `sites.toml` through its front door: examples with the diagnostics that people see, the schema
//! beside the loader, and properties over arbitrary and damaged text.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use microblot::config::{self, Config, Diagnostics, Paint, ReadError, Settings, Severity, Slack};
use microblot::model::{BuilderSpec, Input, PostsFrom, Running, SecretRef, Share, Spec};
use proptest::prelude::*;

fn examples(kind: &str) -> Vec<(String, String)> {
    let folder = root().join("tests/config").join(kind);
    let mut examples: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    examples.sort();
    assert!(!examples.is_empty());
    examples
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn load(text: &str) -> Result<Config, Diagnostics> {
    config::load(text, "sites.toml")
}

fn errors(text: &str) -> Vec<String> {
    let diagnostics = load(text).unwrap_err();
    diagnostics.iter().map(ToString::to_string).collect()
}

/// A valid site with some lines of its own.
fn site(name: &str, lines: &str) -> String {
    format!(
        "[sites.{name}]\ntitle = \"T\"\nurl = \"https://{name}.example.org/\"\n\
         build.render = {{ out = \"public/{name}\" }}\n{lines}\n"
    )
}

#[test]
fn each_invalid_example_says_what_is_wrong_and_what_to_write() {
    insta::with_settings!({ snapshot_path => "config/invalid", prepend_module_to_snapshot => false }, {
        for (name, text) in examples("invalid") {
            let diagnostics = load(&text).expect_err(&name);
            insta::assert_snapshot!(name, diagnostics.render(Paint::Plain));
        }
    });
}

#[test]
fn no_diagnostic_shows_a_secret() {
    let secrets = ["5d3b0a1c2e4f", "abcdefghijklmnop", "1234", "hunter2"];
    for name in [
        "hooks",
        "secrets-in-comments",
        "secrets-in-values",
        "url-credentials",
    ] {
        let path = root().join(format!("tests/config/invalid/{name}.toml"));
        let text = std::fs::read_to_string(path).unwrap();
        let diagnostics = load(&text).unwrap_err();
        let everything = format!(
            "{diagnostics} {diagnostics:?} {} {}",
            diagnostics.render(Paint::Coloured),
            serde_json::to_string(&diagnostics).unwrap(),
        );
        for secret in secrets {
            assert!(
                !everything.contains(secret),
                "{name} shows {secret}:\n{everything}"
            );
        }
    }
}

#[test]
fn the_example_of_the_design_is_read_as_it_says() {
    let (_, text) = examples("valid").swap_remove(0);
    let config = load(&text).unwrap();
    assert!(config.warnings.is_empty(), "{}", config.warnings);
    insta::assert_snapshot!(serde_json::to_string_pretty(&config.settings).unwrap(), @r#"
    {
      "limits": {
        "builds_per_minute": 30,
        "builds_in_flight": 10,
        "builds_at_once": 50,
        "removals_at_once": 20
      },
      "budget": {
        "deploys_per_month": 300
      },
      "slack": {
        "notify": "C0DEPLOYS",
        "admins": [
          "U0ADMIN"
        ]
      }
    }
    "#);
    let read: Settings =
        serde_json::from_value(serde_json::to_value(&config.settings).unwrap()).unwrap();
    assert_eq!(read, config.settings);
    let lines: Vec<_> = config
        .sites
        .iter()
        .map(|(name, site)| (name.as_str(), site.line))
        .collect();
    assert_eq!(lines, [("foo", 27), ("try", 33), ("www", 19)]);
    let www = &config.sites["www"].spec;
    assert_eq!(
        (www.url.as_str(), &www.posts),
        ("https://www.example.org", &PostsFrom::All)
    );
    assert_eq!(www.files, ["www/**", "shared/**"]);
    assert!(www.revision);
}

#[test]
fn every_key_of_a_site_is_read() {
    let text = &examples("valid")[2].1;
    let config = load(text).unwrap();
    insta::assert_debug_snapshot!(config.sites["bar"].spec, @r#"
    Spec {
        title: "Grüße, \"Bar\" – 日本",
        url: "https://bar.example.org:8443/a/b",
        posts: Sites(
            [
                "bar",
                "try",
                "made-in-chat",
            ],
        ),
        files: [
            "*.md",
            "bar/{a,b}/**",
        ],
        revision: false,
        timing: Timing {
            debounce: 0ns,
            max_wait: 5400s,
            timeout: 90s,
        },
        build: Netlify {
            hook: File(
                "/run/secrets/bar",
            ),
            site_id: None,
            branch: Some(
                "main",
            ),
            clear_cache: true,
        },
        slack: Some(
            SlackSite {
                workspace: "T012AB3CD",
                channels: [
                    "C024BE91L",
                    "G012AB3CD",
                ],
            },
        ),
        renamed_from: Some(
            "old-bar",
        ),
    }
    "#);
    let BuilderSpec::Render { out } = &config.sites["try"].spec.build else {
        panic!("try is rendered");
    };
    assert_eq!(out, "public/try");
    insta::assert_snapshot!(config.warnings, @r#"
    warning: this file declares no site `made-in-chat`
      --> sites.toml:16:24
       |
    16 | posts = ["bar", "try", "made-in-chat"]
       |                        ^^^^^^^^^^^^^^
       |
       = help: its posts are shown once it is made in chat or declared here
    "#);
}

#[test]
fn every_key_of_chat_is_read() {
    let text = &examples("valid")[2].1;
    let slack = load(text).unwrap().settings.slack;
    let read: Slack = serde_json::from_value(serde_json::to_value(&slack).unwrap()).unwrap();
    assert_eq!(read, slack);
    insta::assert_snapshot!(serde_json::to_string_pretty(&slack).unwrap(), @r#"
    {
      "notify": "C0DEPLOYS",
      "admins": [
        "U0ADMIN",
        "W012A3CDE"
      ],
      "running": "C012AB3CD",
      "preview": {
        "secs": 5400,
        "nanos": 0
      },
      "on_install": {
        "site": "{workspace}-blog",
        "title": "{team}",
        "url": "https://blogs.example.org/{workspace}/",
        "build": {
          "netlify": {
            "hook": {
              "env": "NETLIFY_HOOK_{WORKSPACE}"
            },
            "branch": "main",
            "clear_cache": false
          }
        },
        "timing": {
          "debounce": {
            "secs": 10,
            "nanos": 0
          },
          "max_wait": {
            "secs": 120,
            "nanos": 0
          },
          "timeout": {
            "secs": 1800,
            "nanos": 0
          }
        }
      }
    }
    "#);
}

/// What older versions stored is read as what it meant, and stays the same text.
#[test]
fn settings_and_specs_that_were_stored_before_are_read() {
    let settings = r#"{"limits":{"builds_per_minute":30,"builds_in_flight":10,"builds_at_once":50,"removals_at_once":50},"slack":{"notify":"C1","admins":["U1"]}}"#;
    let read: Settings = serde_json::from_str(settings).unwrap();
    let expected = Slack {
        notify: Some("C1".into()),
        admins: vec!["U1".into()],
        running: Running::Everyone,
        preview: Duration::from_secs(86_400),
        on_install: None,
    };
    assert_eq!(read.slack, expected);
    assert_eq!(serde_json::to_string(&read).unwrap(), settings);
    let bare: Settings = serde_json::from_str("{}").unwrap();
    assert_eq!(bare, Settings::default());

    let spec = r#"{"title":"A","url":"https://a.example.org","posts":"own","files":[],"revision":false,"timing":{"debounce":{"secs":10,"nanos":0},"max_wait":{"secs":120,"nanos":0},"timeout":{"secs":1800,"nanos":0}},"build":{"render":{"out":"public/a"}},"slack":{"workspace":"T1"}}"#;
    let read: Spec = serde_json::from_str(spec).unwrap();
    assert!(read.slack.as_ref().unwrap().channels.is_empty());
    assert_eq!(serde_json::to_string(&read).unwrap(), spec);
}

/// Chat changes no page, so it rebuilds nothing: with the value that it had before there was chat.
#[test]
fn chat_is_no_part_of_what_a_site_is_built_from() {
    let digest = |lines: &str| {
        let config = load(&site("a", lines)).unwrap();
        config.sites["a"]
            .spec
            .part()
            .digest(Input::Spec)
            .to_string()
    };
    let without = digest("");
    insta::assert_snapshot!(without, @"7cf12e323b05c8319b019e5dded4621e8245f75dac15fa6d0d1190e6c26ef112");
    for lines in [
        "slack = { workspace = \"T1\" }",
        "slack = { workspace = \"T2\", channels = [\"C1\", \"C2\"] }",
        "[slack]\nrunning = \"admins\"\npreview = \"1h\"",
    ] {
        assert_eq!(digest(lines), without, "{lines}");
    }
}

#[test]
fn a_site_wins_over_defaults_and_defaults_over_what_is_built_in() {
    let text = format!(
        "[defaults]\ndebounce = \"20s\"\n{}{}",
        site("a", "debounce = \"30s\"\ntimeout = \"1h\""),
        site("b", ""),
    );
    let config = load(&text).unwrap();
    let seconds = |name: &str| {
        let timing = config.sites[name].spec.timing;
        [timing.debounce, timing.max_wait, timing.timeout].map(|time| time.as_secs())
    };
    assert_eq!(seconds("a"), [30, 120, 3600]);
    assert_eq!(seconds("b"), [20, 120, 1800]);
}

#[test]
fn an_empty_file_declares_no_site() {
    for text in ["", "\n", "# nothing yet\n", "[sites]\n", "\u{feff}"] {
        let config = load(text).unwrap();
        assert_eq!(
            (config.sites.len(), config.settings),
            (0, Settings::default()),
            "{text:?}"
        );
    }
    assert_eq!(Settings::default().limits.builds_at_once, Share(50));
}

#[test]
fn the_place_is_counted_in_characters_from_one() {
    for (text, place) in [
        ("ä = 1", "1:1"),
        ("\"ä\" = 1", "1:1"),
        ("# ä\r\n\tx = 1\r\n", "2:2"),
        ("sites = { ä = 1 }", "1:11"),
        ("[limits]\nbuilds_at_once = \"äöü\" # x", "2:18"),
        ("limits = ", "1:10"),
        ("limits = \n", "1:10"),
    ] {
        let found = &errors(text)[0];
        assert!(
            found.starts_with(&format!("sites.toml:{place}: error: ")),
            "{text:?}: {found}"
        );
    }
}

#[test]
fn a_diagnostic_is_data_too() {
    let diagnostics = load(&site("a", "titel = 1")).unwrap_err();
    insta::assert_snapshot!(serde_json::to_string_pretty(&diagnostics).unwrap(), @r#"
    {
      "diagnostics": [
        {
          "file": "sites.toml",
          "severity": "error",
          "message": "unknown key `titel` in `sites.a`",
          "line": 5,
          "column": 1,
          "span": {
            "start": 89,
            "end": 94
          },
          "hint": "did you mean `title`?",
          "site": "a",
          "source": "titel = 1"
        }
      ],
      "more": 0
    }
    "#);
    let diagnostic = diagnostics.iter().next().unwrap();
    assert_eq!(diagnostic.severity, Severity::Error);
}

#[test]
fn colour_is_only_where_it_is_asked_for() {
    let diagnostics = load("x = 1").unwrap_err();
    assert!(!diagnostics.to_string().contains('\u{1b}'));
    assert!(diagnostics.render(Paint::Coloured).contains('\u{1b}'));
}

#[test]
fn what_is_shown_is_bounded() {
    let many: String = (0..3000).map(|n| format!("key{n} = 1\n")).collect();
    let diagnostics = load(&many).unwrap_err();
    assert_eq!(
        (diagnostics.iter().count(), diagnostics.more()),
        (100, 2900)
    );
    assert!(diagnostics.to_string().ends_with("and 2900 more\n"));

    let long = format!(
        "[limits]\n{} = \"{}\" x",
        "k".repeat(100_000),
        "é".repeat(1_000_000)
    );
    let shown = load(&long).unwrap_err().to_string();
    assert!(shown.len() < 4000, "{} bytes", shown.len());
    assert!(shown.contains("sites.toml:2:1100007"), "{shown}");
    assert_eq!(shown.matches("error: ").count(), 1, "{shown}");
}

#[test]
fn broken_text_of_any_size_is_reported() {
    let mut text: String = (0..20_000).map(|n| site(&format!("s{n}"), "")).collect();
    assert!(text.len() > 1024 * 1024);
    assert_eq!(load(&text).unwrap().sites.len(), 20_000);
    text.insert_str(0, "x = = 1\n");
    text.push_str("y = = 2\n");
    let found = errors(&text);
    for place in ["sites.toml:1:5: error: ", "sites.toml:100002:5: error: "] {
        assert!(
            found.iter().any(|error| error.starts_with(place)),
            "{found:?}"
        );
    }
}

#[test]
fn errors_come_before_warnings_when_there_is_no_room_for_both() {
    let unknown: String = (0..200).map(|n| format!("\"x{n}\",")).collect();
    let text = site("a", &format!("posts = [{unknown}]")) + "[limits]\nnope = 1\n";
    let diagnostics = load(&text).unwrap_err();
    assert_eq!((diagnostics.iter().count(), diagnostics.more()), (100, 101));
    assert_eq!(
        diagnostics
            .iter()
            .filter(|d| d.severity == Severity::Error)
            .count(),
        1
    );
}

#[test]
fn durations_are_read_as_people_write_them() {
    for (text, millis) in [
        ("0s", 0),
        ("500ms", 500),
        ("10s", 10_000),
        ("2m", 120_000),
        ("1h30m", 5_400_000),
        ("1h 30m", 5_400_000),
        ("1.5h", 5_400_000),
        ("24h", 86_400_000),
        ("1d", 86_400_000),
    ] {
        let text = site("a", &format!("max_wait = \"7d\"\ndebounce = \"{text}\""));
        let debounce = load(&text).unwrap().sites["a"].spec.timing.debounce;
        assert_eq!(debounce.as_millis(), millis, "{text}");
    }
    for bad in [
        "",
        "10",
        "s",
        "-1s",
        "1mo",
        "1y",
        "1h ago",
        "25h",
        "1e3s",
        "01:00",
        "9999999999999999d",
    ] {
        assert!(
            load(&site("a", &format!("debounce = \"{bad}\""))).is_err(),
            "{bad}"
        );
    }
}

#[test]
fn a_secret_is_only_referred_to() {
    let text = site("a", "").replace(
        "render = { out = \"public/a\" }",
        "netlify.hook.env = \"_H1\"",
    );
    let BuilderSpec::Netlify { hook, .. } = load(&text).unwrap().sites["a"].spec.build.clone()
    else {
        panic!("a is built by Netlify");
    };
    assert_eq!(hook, SecretRef::Env("_H1".into()));
    // Text about secrets is no secret.
    for harmless in [
        "# the address starts with https://api.netlify.com/build_hooks/…",
        "# tokens are called xoxb-…",
        "files = [\"netlify/build_hooks/docs/**\"]",
    ] {
        load(&site("a", harmless)).unwrap();
    }
}

mod reading {
    use super::*;

    fn file(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sites.toml");
        std::fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    fn message(path: &Path) -> String {
        let folder = path.parent().unwrap().to_str().unwrap();
        let error = config::read(path).unwrap_err();
        error.to_string().replace(folder, "DIR")
    }

    #[test]
    fn the_shipped_file_is_valid() {
        let config = config::read(&root().join("sites.toml")).unwrap();
        assert!(config.warnings.is_empty(), "{}", config.warnings);
        assert_eq!(config.sites.len(), 3);
    }

    #[test]
    fn a_file_that_cannot_be_used_says_why() {
        let (folder, path) = file(b"[sites.a]\ntitle = \"Gr\xc3\xbc\xff\"\n");
        insta::assert_snapshot!(message(&path), @r#"
        error: the byte 0xFF is not UTF-8
         --> DIR/sites.toml:2:13
          |
        2 | title = "Grü�"
          |             ^
          |
          = help: save the file as UTF-8
        "#);
        std::fs::write(&path, b"# cut in a character: \xe2\x82").unwrap();
        insta::assert_snapshot!(message(&path), @"
        error: the byte 0xE2 is not UTF-8
         --> DIR/sites.toml:1:23
          |
        1 | # cut in a character: �
          |                       ^
          |
          = help: save the file as UTF-8
        ");
        // Nothing secret is in the line that is shown.
        let secrets = [
            &b"hook = \"https://api.netlify.com/build_hooks/0123secret\" # \xff"[..],
            b"hook = \"https://api.netlify.com\\u002fbuild_hooks/0123secret\" # \xff",
        ];
        for secret in secrets {
            std::fs::write(&path, secret).unwrap();
            let message = message(&path);
            assert!(message.contains("0xFF is not UTF-8"), "{message}");
            assert!(!message.contains("0123secret"), "{message}");
        }
        std::fs::remove_file(&path).unwrap();
        insta::assert_snapshot!(message(&path), @"DIR/sites.toml does not exist: `microblot init` writes one, `--config` names another");
        std::fs::create_dir(&path).unwrap();
        insta::assert_snapshot!(message(&path), @"DIR/sites.toml cannot be read");
        drop(folder);
    }

    #[test]
    fn the_size_is_bounded() {
        let (_folder, path) = file(b"");
        let size = config::MAX_BYTES + 1;
        std::fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(size)
            .unwrap();
        insta::assert_snapshot!(message(&path), @"DIR/sites.toml has 33554433 bytes, more than the 33554432 that are read: check that it is the right file, or split the sites over two installations");
    }

    #[test]
    fn errors_name_the_file() {
        let (_folder, path) = file(b"x = 1");
        let Err(ReadError::Invalid(diagnostics)) = config::read(&path) else {
            panic!("the file is invalid");
        };
        let diagnostic = diagnostics.iter().next().unwrap();
        assert_eq!(&*diagnostic.file, path.to_str().unwrap());
    }
}

mod schema {
    use super::*;

    fn validator() -> jsonschema::Validator {
        jsonschema::validator_for(&config::schema()).unwrap()
    }

    fn instance(text: &str) -> Option<serde_json::Value> {
        // A date is nothing that JSON has.
        toml::from_str(&text.replace("2026-11-20", "\"x y\"")).ok()
    }

    #[test]
    fn is_a_schema() {
        assert!(jsonschema::draft7::meta::is_valid(&config::schema()));
    }

    #[test]
    fn accepts_what_is_loaded() {
        let mut texts = examples("valid");
        let shipped = std::fs::read_to_string(root().join("sites.toml")).unwrap();
        texts.push(("the shipped file".to_owned(), shipped));
        for (name, text) in texts {
            load(&text).unwrap();
            let errors: Vec<_> = validator()
                .iter_errors(&instance(&text).unwrap())
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            assert!(errors.is_empty(), "{name}: {errors:#?}");
        }
    }

    #[test]
    fn refuses_what_a_schema_can_express() {
        // Broken syntax never gets to a schema; comments and what holds between keys and sites are
        // out of its sight.
        let beyond = [
            "debounce-over-max-wait",
            "declared-twice",
            "out-is-input",
            "out-shared",
            "renames",
            "secrets-in-comments",
            "slack-channel-shared",
            "slips",
            "syntax",
        ];
        for (name, text) in examples("invalid") {
            let refused = instance(&text).is_some_and(|value| !validator().is_valid(&value));
            assert_eq!(refused, !beyond.contains(&name.as_str()), "{name}");
        }
    }

    #[test]
    fn takes_the_same_lengths_of_time_as_the_loader() {
        let schema = validator();
        let both = |key: &str, length: &str| {
            let text = format!("[defaults]\ndebounce = \"0s\"\n{key} = \"{length}\"\n");
            let seen = schema.is_valid(&instance(&text).unwrap());
            (load(&text).is_ok(), seen)
        };
        for good in [
            "0s",
            "00s",
            "5s",
            "5s ",
            "5s  ",
            "1.5s ",
            "1.5h  ",
            "1m30s",
            "1h 30m",
            "1h  30m",
            "2 hours",
            "1 hour 30 minutes",
            "1day2h",
            "1d",
            "1w",
            "500ms",
            "1s500ms",
            "1.5h",
            "1h 1.5 m",
            "0.5s",
            "1.5 mins",
            "3 hrs 2 secs 7 millis",
        ] {
            assert_eq!(both("max_wait", good), (true, true), "{good:?}");
        }
        for bad in [
            "",
            "5",
            "s",
            "2 fortnights",
            "1 month",
            "0y",
            "1y",
            "5us",
            "5ns",
            "0s ago",
            "5s ago",
            " 5s",
            "-5s",
            "1,5s",
            "1:30",
            "1.s",
            ".5s",
            "1.5d",
            "1.5h 3m",
            "1.5h3m",
            "30s 1m",
            "1m 1m",
            "1m 1 min",
            "1mm",
            "1S",
            "PT5S",
            "1 h our",
            "5s.",
            "1h,30m",
        ] {
            assert_eq!(both("max_wait", bad), (false, false), "{bad:?}");
        }
        for (length, good) in [("10s", true), ("0s", false), ("0h 0.0m", false)] {
            assert_eq!(both("timeout", length), (good, good), "{length:?}");
        }
    }

    #[test]
    fn refuses_each_bad_value_by_itself() {
        for name in ["urls", "out", "titles", "site-names", "builders", "hooks"] {
            let path = root().join(format!("tests/config/invalid/{name}.toml"));
            let text = std::fs::read_to_string(path).unwrap();
            let Some(serde_json::Value::Object(sites)) =
                instance(&text).map(|mut v| v["sites"].take())
            else {
                panic!("{name} has sites");
            };
            for (site, spec) in sites {
                let alone = serde_json::json!({ "sites": { site.clone(): spec } });
                assert!(!validator().is_valid(&alone), "{name}: {alone}");
            }
        }
    }
}

mod properties {
    use super::*;

    /// Blocks of lines; the order of blocks, and of lines behind the header of a block, is free.
    fn blocks() -> Vec<(&'static str, Vec<&'static str>)> {
        vec![
            ("[defaults]", vec!["debounce = \"5s\"", "max_wait = \"1m\""]),
            (
                "[limits]",
                vec!["builds_per_minute = 7", "builds_at_once = \"30%\""],
            ),
            (
                "[slack]",
                vec![
                    "notify = \"C1\"",
                    "admins = [\"U1\", \"U2\"]",
                    "running = \"admins\"",
                    "preview = \"7d\"",
                ],
            ),
            (
                "[slack.on_install]",
                vec![
                    "site = \"w-{workspace}\"",
                    "title = \"{team}\"",
                    "url = \"https://example.org/{workspace}\"",
                    "build.render.out = \"public/{workspace}\"",
                ],
            ),
            (
                "[sites.a]",
                vec![
                    "title = \"A\"",
                    "url = \"https://a.example.org\"",
                    "renamed_from = \"z\"",
                    "debounce = \"7s\"",
                    "files = [\"a/**\"]",
                    "build.render.out = \"public/a\"",
                ],
            ),
            (
                "[sites.b]",
                vec![
                    "title = \"B\"",
                    "url = \"https://b.example.org\"",
                    "posts = [\"a\", \"b\"]",
                    "slack = { workspace = \"T1\", channels = [\"C1\", \"G2\"] }",
                ],
            ),
            (
                "[sites.b.build.netlify]",
                vec![
                    "hook.env = \"B\"",
                    "branch = \"main\"",
                    "clear_cache = true",
                ],
            ),
        ]
    }

    fn shuffled() -> impl Strategy<Value = String> {
        let blocks: Vec<_> = blocks()
            .into_iter()
            .map(|(header, lines)| (Just(header), Just(lines).prop_shuffle()))
            .collect();
        blocks
            .prop_flat_map(|blocks| Just(blocks).prop_shuffle())
            .prop_map(|blocks| {
                blocks
                    .into_iter()
                    .map(|(header, lines)| format!("{header}\n{}\n", lines.join("\n")))
                    .collect()
            })
    }

    /// A valid file with some pieces of it cut out, doubled, swapped or overwritten.
    fn damaged() -> impl Strategy<Value = String> {
        let edit = (
            any::<prop::sample::Index>(),
            0..12_usize,
            "[\\PC\n]{0,4}",
            any::<bool>(),
        );
        (shuffled(), prop::collection::vec(edit, 1..6)).prop_map(|(text, edits)| {
            let mut chars: Vec<char> = text.chars().collect();
            for (at, len, insert, double) in edits {
                let start = at.index(chars.len() + 1);
                let end = (start + len).min(chars.len());
                let mut piece: Vec<char> = insert.chars().collect();
                if double {
                    piece.extend(chars[start..end].repeat(2));
                }
                chars.splice(start..end, piece);
            }
            chars.into_iter().collect()
        })
    }

    fn meaning(config: Config) -> String {
        let specs: Vec<_> = config
            .sites
            .iter()
            .map(|(name, site)| (name, &site.spec))
            .collect();
        format!("{specs:#?} {:#?}", config.settings)
    }

    /// What holds for any outcome.
    fn check(text: &str) -> Result<(), TestCaseError> {
        let (Ok(Config {
            warnings: found, ..
        })
        | Err(found)) = load(text).inspect_err(|errors| {
            assert!(!errors.is_empty());
        });
        let rendered = found.render(Paint::Plain);
        prop_assert!(rendered.len() <= 2000 * (found.iter().count() + 1));
        let mut last = 0;
        for diagnostic in &found {
            prop_assert!(last <= diagnostic.span.start && diagnostic.span.end <= text.len());
            prop_assert!(!diagnostic.message.contains('\n'));
            last = diagnostic.span.start;
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn order_means_nothing(text in shuffled()) {
            let plain: String = blocks()
                .into_iter()
                .map(|(header, lines)| format!("{header}\n{}\n", lines.join("\n")))
                .collect();
            prop_assert_eq!(meaning(load(&text).unwrap()), meaning(load(&plain).unwrap()));
        }

        #[test]
        fn no_text_is_too_odd(text in "(?s).{0,200}") {
            check(&text)?;
        }

        #[test]
        fn no_damage_is_too_odd(text in damaged()) {
            check(&text)?;
        }

        #[test]
        fn what_the_loader_accepts_the_schema_accepts(text in damaged()) {
            if load(&text).is_ok() {
                let value: serde_json::Value = toml::from_str(&text).unwrap();
                let schema = jsonschema::validator_for(&config::schema()).unwrap();
                prop_assert!(schema.is_valid(&value), "{text}");
            }
        }
    }
}
