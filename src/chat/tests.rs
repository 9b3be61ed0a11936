use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;

use super::grammar::{ChannelArg, Misread, Request, SiteArg, Which, parse};
use super::help;
use super::verbs::{Shape, VERBS, Verb};
use crate::model::SiteName;

fn name(text: &str) -> SiteName {
    text.parse().unwrap()
}

fn site(text: &str) -> SiteArg {
    SiteArg::Name(name(text))
}

fn address(text: &str) -> SiteArg {
    SiteArg::Address(text.to_owned())
}

fn pause(minutes: Option<u64>, because: Option<&str>) -> Request {
    Request::Pause {
        site: site("www"),
        duration: minutes.map(|minutes| Duration::from_secs(60 * minutes)),
        because: because.map(ToOwned::to_owned),
    }
}

fn add(title: Option<&str>, url: Option<&str>, hook: Option<&str>) -> Request {
    Request::SiteAdd {
        name: name("garden"),
        title: title.map(ToOwned::to_owned),
        url: url.map(ToOwned::to_owned),
        hook: hook.map(ToOwned::to_owned),
    }
}

fn channel(name: Option<&str>) -> ChannelArg {
    ChannelArg {
        id: "C024BE91L".to_owned(),
        name: name.map(ToOwned::to_owned),
    }
}

fn about(verb: &str) -> Request {
    Request::Help {
        verb: Verb::named(verb),
    }
}

fn list(of: Option<&str>, which: Which) -> Request {
    Request::List {
        site: of.map(site),
        which,
    }
}

fn understood(table: impl IntoIterator<Item = (&'static str, Request)>) {
    for (line, request) in table {
        assert_eq!(parse(line), Ok(request), "{line}");
    }
}

/// Every line with what is said about it.
fn misread(lines: &[&str]) -> String {
    let told = lines.iter().map(|line| {
        let Misread {
            message,
            line: usage,
        } = parse(line).unwrap_err();
        format!("{line}\n    {message}\n    {usage}\n")
    });
    told.collect()
}

#[test]
fn every_verb_is_understood() {
    let post = || "4k9x2mzq7c".parse().unwrap();
    let maybe = || Some(site("www"));
    understood([
        ("", Request::Home),
        (" \t\n\u{a0} ", Request::Home),
        ("help", Request::Help { verb: None }),
        ("help pause", about("pause")),
        ("help site add", about("site add")),
        ("help site rm", about("site remove")),
        ("help pause www for 2h", about("pause")),
        ("help \"pause\"", about("pause")),
        ("help help", about("help")),
        ("new", Request::New { site: None }),
        ("new www", Request::New { site: maybe() }),
        ("list", list(None, Which::All)),
        ("list www", list(Some("www"), Which::All)),
        ("list drafts", list(None, Which::Drafts)),
        ("list mine", list(None, Which::Mine)),
        ("list all", list(None, Which::All)),
        ("list www drafts", list(Some("www"), Which::Drafts)),
        ("list my www", list(Some("www"), Which::Mine)),
        ("list `Draft` *www*", list(Some("www"), Which::Drafts)),
        ("list drafts mine", list(None, Which::MyDrafts)),
        ("list my drafts", list(None, Which::MyDrafts)),
        ("list mine drafts mine", list(None, Which::MyDrafts)),
        ("list all drafts", list(None, Which::Drafts)),
        ("list all mine", list(None, Which::Mine)),
        ("list mine www", list(Some("www"), Which::Mine)),
        ("list drafts mine www", list(Some("www"), Which::MyDrafts)),
        ("list drafts www mine", list(Some("www"), Which::MyDrafts)),
        ("list www drafts mine", list(Some("www"), Which::MyDrafts)),
        // Sites of these names are reached in quotes.
        ("list \"drafts\"", list(Some("drafts"), Which::All)),
        ("list “mine” mine", list(Some("mine"), Which::Mine)),
        ("list drafts 'drafts'", list(Some("drafts"), Which::Drafts)),
        (
            "info mine",
            Request::Info {
                site: Some(site("mine")),
            },
        ),
        ("edit 4k9x2mzq7c", Request::Edit { post: post() }),
        ("edit `#4K9X2MZQ7C`", Request::Edit { post: post() }),
        ("delete 4k9x2mzq7c", Request::Delete { post: post() }),
        ("info", Request::Info { site: None }),
        ("info www", Request::Info { site: maybe() }),
        ("status", Request::Status { site: None }),
        ("status www", Request::Status { site: maybe() }),
        ("sites", Request::Sites),
        ("plan", Request::Plan { site: None }),
        ("plan www", Request::Plan { site: maybe() }),
        (
            "rebuild www",
            Request::Rebuild {
                site: site("www"),
                clear_cache: false,
            },
        ),
        (
            "rebuild www --clear-cache",
            Request::Rebuild {
                site: site("www"),
                clear_cache: true,
            },
        ),
        (
            "rebuild —clear-cache www",
            Request::Rebuild {
                site: site("www"),
                clear_cache: true,
            },
        ),
        ("pause www", pause(None, None)),
        ("resume www", Request::Resume { site: site("www") }),
        ("history www", Request::History { site: site("www") }),
        ("site add garden", add(None, None, None)),
        ("site remove www", Request::SiteRemove { site: site("www") }),
        ("export", Request::Export),
        (
            "follow <#C024BE91L|news> www",
            Request::Follow {
                channel: channel(Some("news")),
                site: maybe(),
            },
        ),
        (
            "unfollow <#C024BE91L|news>",
            Request::Unfollow {
                channel: channel(Some("news")),
            },
        ),
    ]);
}

#[test]
fn aliases_and_capitals_are_the_verb() {
    let rest = |verb: &Verb| match verb.name {
        "edit" | "delete" => " 4k9x2mzq7c",
        "follow" | "unfollow" => " <#C024BE91L>",
        "help" | "sites" | "export" => "",
        _ => " www",
    };
    for verb in VERBS {
        let plain = parse(&format!("{}{}", verb.name, rest(verb)));
        assert!(plain.is_ok(), "{plain:?}");
        for alias in verb.aliases.iter().chain([&verb.name]) {
            for written in [
                (*alias).to_owned(),
                alias.to_uppercase(),
                format!("`{alias}`").replace(' ', "` `"),
                format!("*{alias}*"),
                format!("  {}", alias.replace(' ', "   ")),
            ] {
                let line = format!("{written}{}", rest(verb));
                assert_eq!(parse(&line), plain, "{line}");
            }
        }
    }
}

#[test]
fn no_word_starts_two_verbs() {
    let mut words: Vec<&str> = VERBS
        .iter()
        .flat_map(|verb| verb.aliases.iter().copied().chain([verb.name]))
        .collect();
    let all = words.len();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), all);
}

#[test]
fn what_keyboards_and_platforms_make_of_a_line_is_understood() {
    let status = |site| Request::Status { site: Some(site) };
    let both = || pause(Some(120), Some("launch freeze"));
    let garden = || add(Some("The Garden"), Some("https://x.example.org/"), None);
    understood([
        ("pause www for 2h", pause(Some(120), None)),
        ("pause www FOR 1h30m", pause(Some(90), None)),
        ("pause www --for 2h", pause(Some(120), None)),
        ("pause www --for=2h", pause(Some(120), None)),
        ("pause www --for=\"2h\"", pause(Some(120), None)),
        ("pause www —for 2h", pause(Some(120), None)),
        ("pause www –for=2h", pause(Some(120), None)),
        ("pause --for 2h www", pause(Some(120), None)),
        ("pause www for `2h`", pause(Some(120), None)),
        ("pause www for \"2 hours\"", pause(Some(120), None)),
        ("pause www for \"1h 30m\"", pause(Some(90), None)),
        ("pause www for 2 hours", pause(Some(120), None)),
        ("pause www for 2 Hours", pause(Some(120), None)),
        ("pause www --for=2 hours", pause(Some(120), None)),
        ("pause www —for 2 hours", pause(Some(120), None)),
        ("pause www for 90 min", pause(Some(90), None)),
        ("pause www for an hour", pause(Some(60), None)),
        ("pause www for `an hour`", pause(Some(60), None)),
        ("pause www for \"An Hour\"", pause(Some(60), None)),
        ("pause www for one hour", pause(Some(60), None)),
        ("pause www for half an hour", pause(Some(30), None)),
        ("pause www for 2 days", pause(Some(2 * 24 * 60), None)),
        ("pause www for a week", pause(Some(7 * 24 * 60), None)),
        ("pause www for 365d", pause(Some(365 * 24 * 60), None)),
        ("pause www for 1 hour 30 minutes", pause(Some(90), None)),
        (
            "pause www for an hour and 30 minutes",
            pause(Some(90), None),
        ),
        ("pause www for an hour and a half", pause(Some(90), None)),
        (
            "pause www for a day and a half because of it",
            pause(Some(36 * 60), Some("of it")),
        ),
        ("pause --for 2 hours www", pause(Some(120), None)),
        ("pause www for 2 hours because launch freeze", both()),
        ("pause www for 2 hours, because launch freeze", both()),
        ("pause www for 2 hours --because=launch freeze", both()),
        (
            "pause www because launch freeze for 2 hours",
            pause(None, Some("launch freeze for 2 hours")),
        ),
        ("pause www for 2h because launch freeze", both()),
        ("pause www for 2h because   launch freeze  ", both()),
        ("pause www for 2h because \"launch freeze\"", both()),
        ("pause www for 2h because 'launch freeze'", both()),
        ("pause www for 2h because ‘launch freeze’", both()),
        ("pause www for 2h because “launch freeze”", both()),
        ("pause www for 2h because „launch freeze“", both()),
        ("pause www for 2h because «launch freeze»", both()),
        ("pause www for 2h --because launch freeze", both()),
        ("pause www for 2h —because “launch freeze”", both()),
        ("pause www for 2h --because=launch freeze", both()),
        ("pause www for 2h --because=\"launch freeze\"", both()),
        ("pause www for 2h —because=“launch freeze”", both()),
        (
            "pause www because don't build",
            pause(None, Some("don't build")),
        ),
        (
            "pause www because don’t build",
            pause(None, Some("don’t build")),
        ),
        (
            "pause www because 'tis late, don't build",
            pause(None, Some("'tis late, don't build")),
        ),
        (
            "pause www because \"it\" is \"late\"",
            pause(None, Some("\"it\" is \"late\"")),
        ),
        ("pause www because \"", pause(None, Some("\""))),
        ("pause www because 5\" rain", pause(None, Some("5\" rain"))),
        (
            "pause www because a  b\nfor 2h --x",
            pause(None, Some("a  b\nfor 2h --x")),
        ),
        (
            "pause www because R&amp;D &lt;3 &amp;lt;",
            pause(None, Some("R&D <3 &lt;")),
        ),
        (
            "pause www because <@U1> asked",
            pause(None, Some("<@U1> asked")),
        ),
        ("status `www`", status(site("www"))),
        ("status *www*", status(site("www"))),
        ("status _www_,", status(site("www"))),
        ("status “www”", status(site("www"))),
        ("status WWW", status(site("www"))),
        ("`status www`", status(site("www"))),
        ("status foo.example.org", status(address("foo.example.org"))),
        (
            "status <http://foo.example.org|foo.example.org>",
            status(address("http://foo.example.org")),
        ),
        (
            "status *<https://foo.example.org/>*",
            status(address("https://foo.example.org/")),
        ),
        (
            "site add garden title \"The Garden\" url https://x.example.org",
            garden(),
        ),
        (
            "site add garden url <https://x.example.org> title “The Garden”",
            garden(),
        ),
        (
            "site add `garden` --title=\"The Garden\" --url=https://x.example.org",
            garden(),
        ),
        (
            "site add garden —title='The Garden' —url=<https://x.example.org|x.example.org>",
            garden(),
        ),
        (
            "site add garden title R&amp;D hook `NETLIFY_HOOK_GARDEN`",
            add(Some("R&D"), None, Some("NETLIFY_HOOK_GARDEN")),
        ),
        (
            "site add garden title \"—\" hook NETLIFY_HOOK_1",
            add(Some("—"), None, Some("NETLIFY_HOOK_1")),
        ),
    ]);
    let follow = |name, site| Request::Follow {
        channel: channel(name),
        site,
    };
    let www = || Some(site("www"));
    understood([
        ("follow <#C024BE91L|news>", follow(Some("news"), None)),
        ("follow <#C024BE91L|>", follow(None, None)),
        ("follow <#C024BE91L>", follow(None, None)),
        ("follow C024BE91L", follow(None, None)),
        ("follow `C024BE91L` www", follow(None, www())),
        ("follow <#C024BE91L|news>, www", follow(Some("news"), www())),
        (
            "follow *<#C024BE91L|news>* www",
            follow(Some("news"), www()),
        ),
        ("follow <#C024BE91L|a b> www", follow(Some("a b"), www())),
        (
            "follow <#C024BE91L|r&amp;d> www",
            follow(Some("r&d"), www()),
        ),
    ]);
}

#[test]
fn what_is_not_understood_is_told_with_the_line_that_fits() {
    insta::assert_snapshot!(misread(&[
        "xyzzy",
        "site",
        "site ad garden",
        "help xyzzy",
        "help \"\"",
        "<@U1>",
        "pause",
        "rebuild",
        "edit",
        "edit hello",
        "delete <@U1>",
        "site add",
        "site add Garden",
        "site add garden title \"\"",
        "site add garden title \"a\nb\"",
        "site add garden url garden",
        "site add garden url ftp://x.example.org",
        "site add garden url https://me:it@x.example.org/?a#b",
        "site add garden url https://x.example.org/a|b",
        "site add garden url https://hooks.slack.com/services/T1",
        "site add garden title \"of xoxb-1\"",
        "site add garden hook https://api.netlify.com/build_hooks/secret",
        "site add garden title The Garden",
        "follow",
        "follow #news",
        "follow <@U1>",
        "unfollow garden",
        "status www more",
        "status \"",
        "status <@U1>",
        "status a/b",
        "status www --json",
        "sites www",
        "pause www for",
        "pause www for a while",
        "pause www for a half",
        "pause www for soon",
        "pause www for 2h for 3h",
        "pause www for a day or two",
        "pause www for 2 moons",
        "pause www for 2h please",
        "pause www for 2h and",
        "pause www for 0s",
        "pause www for 0 hours",
        "pause www for 500ms",
        "pause www for half a second",
        "pause www for 366d",
        "pause www for 100 years",
        "pause www for 99999999999999999999h",
        "pause www for -2h",
        "list www other",
        "pause www because",
        "pause www --because=",
        "pause www --until=2h",
        "pause www —",
        "rebuild www --clear-cache=no",
        "rebuild www clear-cache --clear-cache",
    ]), @r##"
    xyzzy
        I don't know “xyzzy”.
        help
    site
        A site is added or removed.
        site add NAME
    site ad garden
        A site is added or removed.
        site add NAME
    help xyzzy
        I don't know “xyzzy”.
        help
    help ""
        I don't know “”.
        help
    <@U1>
        I don't know “<@U1>”.
        help
    pause
        For which site?
        pause SITE [for TIME] [because TEXT]
    rebuild
        For which site?
        rebuild SITE [--clear-cache]
    edit
        Which post? `list` shows their ids.
        edit ID
    edit hello
        “hello” is no id of a post: it has ten letters and digits, as `list` shows them.
        edit ID
    delete <@U1>
        “<@U1>” is no id of a post: it has ten letters and digits, as `list` shows them.
        delete ID
    site add
        The name is missing.
        site add NAME [title TITLE] [url URL] [hook NETLIFY_HOOK_NAME]
    site add Garden
        “Garden” cannot be its name: a site name is made of a-z, 0-9 and -; 'G' is none of them.
        site add NAME [title TITLE] [url URL] [hook NETLIFY_HOOK_NAME]
    site add garden title ""
        `title` needs something behind it.
        site add NAME [title TITLE] [url URL] [hook NETLIFY_HOOK_NAME]
    site add garden title "a
    b"
        A title is one line of at most 128 characters.
        site add NAME [title TITLE] [url URL] [hook NETLIFY_HOOK_NAME]
    site add garden url garden
        “garden” must start with http:// or https://. Write all of it, as in https://garden.example.org/.
        site add NAME [title TITLE] [url URL] [hook NETLIFY_HOOK_NAME]
    site add garden url ftp://x.example.org
        “ftp://x.example.org” must start with http:// or https://. Write all of it, as in https://garden.example.org/.
        site add NAME [title TITLE] [url URL] [hook NETLIFY_HOOK_NAME]
    site add garden url https://me:it@x.example.org/?a#b
        “https://me:it@x.example.org/?a#b” must not hold a user name or password. Write all of it, as in https://garden.example.org/.
        site add NAME [title TITLE] [url URL] [hook NETLIFY_HOOK_NAME]
    site add garden url https://x.example.org/a|b
        “https://x.example.org/a|b” is no clean address: non-URL code point. Write all of it, as in https://garden.example.org/.
        site add NAME [title TITLE] [url URL] [hook NETLIFY_HOOK_NAME]
    site add garden url https://hooks.slack.com/services/T1
        That looks like a secret, and what is written here can be seen by everybody.
        site add NAME [title TITLE] [url URL] [hook NETLIFY_HOOK_NAME]
    site add garden title "of xoxb-1"
        That looks like a secret, and what is written here can be seen by everybody.
        site add NAME [title TITLE] [url URL] [hook NETLIFY_HOOK_NAME]
    site add garden hook https://api.netlify.com/build_hooks/secret
        A hook is named by the environment variable that holds its address, as in NETLIFY_HOOK_GARDEN; the address itself must not be in chat.
        site add NAME [title TITLE] [url URL] [hook NETLIFY_HOOK_NAME]
    site add garden title The Garden
        I don't know what “Garden” is for here. Several words need quotes: `title "…"`.
        site add NAME [title TITLE] [url URL] [hook NETLIFY_HOOK_NAME]
    follow
        Which channel?
        follow #channel [SITE]
    follow #news
        “#news” is no channel that I can see: type `#` and choose it from the list that opens.
        follow #channel [SITE]
    follow <@U1>
        “<@U1>” is no channel that I can see: type `#` and choose it from the list that opens.
        follow #channel [SITE]
    unfollow garden
        “garden” is no channel that I can see: type `#` and choose it from the list that opens.
        unfollow #channel
    status www more
        I don't know what “more” is for here.
        status [SITE]
    status "
        “"” is no name of a site: they are made of a-z, 0-9 and hyphens.
        status [SITE]
    status <@U1>
        “@U1” is no name of a site: they are made of a-z, 0-9 and hyphens.
        status [SITE]
    status a/b
        “a/b” is no name of a site: they are made of a-z, 0-9 and hyphens.
        status [SITE]
    status www --json
        `status` has no `--json`.
        status [SITE]
    sites www
        I don't know what “www” is for here.
        sites
    pause www for
        `for` needs something behind it.
        pause SITE [for TIME] [because TEXT]
    pause www for a while
        “a while” is no length of time: write 30m, 2h or 3 days, and 365d at most.
        pause SITE [for TIME] [because TEXT]
    pause www for a half
        “a half” is no length of time: write 30m, 2h or 3 days, and 365d at most.
        pause SITE [for TIME] [because TEXT]
    pause www for soon
        “soon” is no length of time: write 30m, 2h or 3 days, and 365d at most.
        pause SITE [for TIME] [because TEXT]
    pause www for 2h for 3h
        `for` stands there twice.
        pause SITE [for TIME] [because TEXT]
    pause www for a day or two
        I don't know what “or” is for here.
        pause SITE [for TIME] [because TEXT]
    pause www for 2 moons
        “2 moons” is no length of time: write 30m, 2h or 3 days, and 365d at most.
        pause SITE [for TIME] [because TEXT]
    pause www for 2h please
        I don't know what “please” is for here.
        pause SITE [for TIME] [because TEXT]
    pause www for 2h and
        “2h and” is no length of time: write 30m, 2h or 3 days, and 365d at most.
        pause SITE [for TIME] [because TEXT]
    pause www for 0s
        “0s” is too short: write 1s to 365d, or nothing: then it is until somebody resumes it.
        pause SITE [for TIME] [because TEXT]
    pause www for 0 hours
        “0 hours” is too short: write 1s to 365d, or nothing: then it is until somebody resumes it.
        pause SITE [for TIME] [because TEXT]
    pause www for 500ms
        “500ms” is too short: write 1s to 365d, or nothing: then it is until somebody resumes it.
        pause SITE [for TIME] [because TEXT]
    pause www for half a second
        “half a second” is too short: write 1s to 365d, or nothing: then it is until somebody resumes it.
        pause SITE [for TIME] [because TEXT]
    pause www for 366d
        “366d” is too long: write 1s to 365d, or nothing: then it is until somebody resumes it.
        pause SITE [for TIME] [because TEXT]
    pause www for 100 years
        “100 years” is no length of time: write 30m, 2h or 3 days, and 365d at most.
        pause SITE [for TIME] [because TEXT]
    pause www for 99999999999999999999h
        “99999999999999999999h” is no length of time: write 30m, 2h or 3 days, and 365d at most.
        pause SITE [for TIME] [because TEXT]
    pause www for -2h
        “-2h” is no length of time: write 30m, 2h or 3 days, and 365d at most.
        pause SITE [for TIME] [because TEXT]
    list www other
        I don't know what “other” is for here.
        list [SITE] [drafts] [mine]
    pause www because
        `because` needs something behind it.
        pause SITE [for TIME] [because TEXT]
    pause www --because=
        `because` needs something behind it.
        pause SITE [for TIME] [because TEXT]
    pause www --until=2h
        `pause` has no `--until`.
        pause SITE [for TIME] [because TEXT]
    pause www —
        `pause` has no `--`.
        pause SITE [for TIME] [because TEXT]
    rebuild www --clear-cache=no
        I don't know what “no” is for here.
        rebuild SITE [--clear-cache]
    rebuild www clear-cache --clear-cache
        `clear-cache` stands there twice.
        rebuild SITE [--clear-cache]
    "##);
}

#[test]
fn a_word_with_a_slip_in_it_is_guessed() {
    for (line, guess) in [
        ("stauts www", "status"),
        ("satus", "status"),
        ("pasue www", "pause"),
        ("Rebiuld www", "rebuild"),
        ("resum www", "resume"),
        ("hlep", "help"),
        ("--help", "help"),
        ("exprot", "export"),
        ("histroy www", "history"),
        ("lst", "list"),
        ("ne", "new"),
        ("buidl www", "rebuild"),
        ("unfolow #a", "unfollow"),
        ("help stauts", "status"),
    ] {
        let misread = parse(line).unwrap_err();
        let guess = Verb::named(guess).unwrap();
        assert!(
            misread
                .message
                .ends_with(&format!("Did you mean `{}`?", guess.name)),
            "{line}: {misread}"
        );
        assert_eq!(misread.line, guess.usage(), "{line}");
    }
    for line in ["q", "xy", "what is this", "🙂", "statistics"] {
        let misread = parse(line).unwrap_err();
        assert!(!misread.message.contains("Did you mean"), "{misread}");
        assert_eq!(misread.line, "help");
    }
}

#[test]
fn long_lines_are_no_commands_whatever_they_are_written_in() {
    let start = "pause www because ";
    for letter in ["a", "é", "字", "🙂"] {
        let line = |count| format!("{start}{}", letter.repeat(count));
        let fits = line(4_000 - start.len());
        assert!(
            matches!(parse(&fits), Ok(Request::Pause { .. })),
            "{letter}"
        );
        let misread = parse(&line(4_001 - start.len())).unwrap_err();
        assert!(
            misread.message.contains("at most 4000 characters"),
            "{misread}"
        );
        assert_eq!(misread.line, "new [SITE]");
    }
}

#[test]
fn the_help_shows_every_verb_once_and_its_examples_work() {
    let groups = help::all();
    let lines: Vec<_> = groups.iter().flat_map(|(_, lines)| lines).collect();
    assert_eq!(lines.len(), VERBS.len());
    for verb in VERBS {
        let line = help::line(verb);
        assert!(lines.contains(&&line), "{}", verb.name);
        assert!(line.usage.starts_with(verb.name), "{}", verb.name);
        assert!(!line.summary.is_empty() && !line.summary.ends_with('.'));
        // Slack sends the channel that was chosen in this form.
        let example = verb.example.replace("#news", "<#C024BE91L|news>");
        assert!(example.starts_with(verb.name), "{example}");
        assert!(parse(&example).is_ok(), "{example}: {:?}", parse(&example));
    }
    let text: String = groups
        .iter()
        .flat_map(|(heading, lines)| {
            let lines = lines.iter().map(|line| format!("  {}\n", line.usage));
            std::iter::once(format!("{heading}\n")).chain(lines)
        })
        .collect();
    insta::assert_snapshot!(text, @r##"
    Writing
      new [SITE]
      list [SITE] [drafts] [mine]
      edit ID
      delete ID
      info [SITE]
    Looking
      status [SITE]
      sites
      plan [SITE]
      history SITE
      help [COMMAND]
    Running
      rebuild SITE [--clear-cache]
      pause SITE [for TIME] [because TEXT]
      resume SITE
    Managing
      site add NAME [title TITLE] [url URL] [hook NETLIFY_HOOK_NAME]
      site remove SITE
      follow #channel [SITE]
      unfollow #channel
      export
    "##);
}

/// Anything that a line may be made of.
fn piece() -> impl Strategy<Value = String> {
    let verbs = VERBS
        .iter()
        .flat_map(|verb| verb.aliases.iter().copied().chain([verb.name]));
    let named = VERBS.iter().flat_map(|verb| verb.arguments);
    let named = named
        .filter(|argument| argument.shape.is_named() || argument.shape == Shape::Which)
        .map(|argument| argument.name);
    let words: Vec<&str> = verbs
        .chain(named)
        .chain([
            "www",
            "garden",
            "4k9x2mzq7c",
            "2h",
            "drafts",
            "mine",
            "--",
            "—",
            "–",
            "=",
            "\"",
            "'",
            "“",
            "”",
            "‘",
            "’",
            "„",
            "«",
            "»",
            "`",
            "*",
            "_",
            "<",
            ">",
            "|",
            "#",
            "@",
            "<#C1",
            "&",
            "&amp;",
            "&lt;",
            "&gt;",
            "<#C024BE91L|news>",
            "<@U1>",
            "<!here>",
            "https://x.example.org",
            "<https://x.example.org|x>",
            "NETLIFY_HOOK_A",
            "\n",
            "\u{a0}",
            "\u{200b}",
            "\0",
            "é",
            "🙂",
        ])
        .collect();
    (select(words), select(vec![" ", " ", "", "="])).prop_map(|(word, end)| format!("{word}{end}"))
}

/// Whatever the line is, it is either understood, always alike, or answered with a short text.
fn holds(line: &str) -> Result<(), TestCaseError> {
    let parsed = parse(line);
    prop_assert_eq!(&parsed, &parse(line));
    prop_assert_eq!(&parsed, &parse(&format!("  {line}\n")));
    match parsed {
        Ok(Request::Pause { because, .. }) => {
            prop_assert_ne!(because.as_deref().map(str::trim), Some(""));
        }
        Ok(_) => {}
        Err(misread) => {
            prop_assert!(!misread.message.is_empty());
            prop_assert!(misread.message.chars().count() <= 200, "{}", misread);
            let verb = VERBS.iter().any(|verb| verb.usage() == misread.line);
            prop_assert!(verb || ["help", "site add NAME"].contains(&misread.line.as_str()));
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_line_is_answered(line in any::<String>()) {
        holds(&line)?;
    }

    #[test]
    fn any_line_made_of_the_grammar_is_answered(
        pieces in proptest::collection::vec(piece(), 0..12),
    ) {
        holds(&pieces.concat())?;
    }

    #[test]
    fn any_arguments_of_any_verb_are_answered(
        at in 0..VERBS.len(),
        rest in any::<String>(),
        pieces in proptest::collection::vec(piece(), 0..6),
    ) {
        holds(&format!("{} {}{rest}", VERBS[at].name, pieces.concat()))?;
    }

    #[test]
    fn a_reason_is_kept_as_it_is_written(text in "[a-z.,!?’é🙂-][a-z .,!?’'\"é🙂-]{0,60}[a-z.]") {
        let request = parse(&format!("pause www for 2h because {text}"));
        prop_assert_eq!(request, Ok(pause(Some(120), Some(&text))));
    }

    #[test]
    fn a_title_in_quotes_is_kept_as_it_is_written(text in "[a-z][a-z .,!?'’é🙂=—-]{0,60}[a-z.]") {
        for line in [
            format!("site add garden title \"{text}\""),
            format!("site add garden —title=“{}”", text),
        ] {
            prop_assert_eq!(parse(&line), Ok(add(Some(&text), None, None)));
        }
    }
}
