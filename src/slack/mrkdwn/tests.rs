use proptest::prelude::*;

use super::*;
use crate::markdown::markdown_to_html;
use crate::slack::blocks::escape;

fn md(text: &str) -> String {
    to_markdown(text, &|id| (id == "U1").then(|| "Ann *Lee*".to_owned()))
}

#[test]
fn marks_and_entities() {
    for (slack, markdown) in [
        ("*bold* _it_ ~gone~ `code`", "**bold** _it_ ~~gone~~ `code`"),
        ("*_both_* and _*both*_", "**_both_** and _**both**_"),
        ("*not closed", r"\*not closed"),
        ("2*3*4 and a_b_c and ~5", r"2\*3\*4 and a_b_c and \~5"),
        ("* not bold * _ no _", r"\* not bold \* \_ no \_"),
        ("*a**b*", r"**a\*\*b**"),
        ("_private_ and _my_var_", r"_private_ and _my_var_"),
        ("hi <@U1>!", r"hi @Ann \*Lee\*!"),
        ("hi <@U2|bob> and <@U3>", "hi @bob and @U3"),
        (
            "in <#C1|general> or <#C2> or <#C3|>",
            "in #general or #C2 or #C3",
        ),
        (
            "<!here> <!channel> <!subteam^S1|@team> <!subteam^S2>",
            "@here @channel @team @S2",
        ),
        ("<!date^1392734382^{date}|Feb 18, 2014>", "Feb 18, 2014"),
        ("<!date^1392734382^{date}>", "2014-02-18T14:39:42Z"),
        ("<https://example.org/a_b>", "<https://example.org/a_b>"),
        (
            "<https://example.org|an _odd_ [text]>",
            r"[an \_odd\_ \[text\]](https://example.org/)",
        ),
        (
            "<https://example.org/(a)?b=1&amp;c=2|x>",
            "[x](https://example.org/%28a%29?b=1&c=2)",
        ),
        (
            "<mailto:a@example.org|a@example.org>",
            "[a@example.org](mailto:a@example.org)",
        ),
        ("<javascript:alert(1)|click>", "click"),
        (
            "wow!<https://example.org|x>",
            r"wow\![x](https://example.org/)",
        ),
        ("a &lt;b&gt; &amp;amp; &amp;lt; c", r"a \<b> \&amp; \&lt; c"),
        ("<not an entity", r"\<not an entity"),
        (
            ":tada: :+1: :unknown_one: 10:30:45",
            "🎉 👍 :unknown_one: 10:30:45",
        ),
        (
            ":wave::skin-tone-4: :flag-de: :skin-tone-2:",
            "👋🏽 🇩🇪 :skin-tone-2:",
        ),
        (":man-shrugging: :slightly_smiling_face:", "🤷‍♂️ 🙂"),
        (
            "`a &lt;b&gt; *c* <https://example.org/>`",
            "`a <b> *c* https://example.org/`",
        ),
        ("` ` and `` and `open", r"\` \` and \`\` and \`open"),
        (r"C:\*.txt | [x] ", r"C:\\\*.txt \| \[x\]"),
    ] {
        assert_eq!(md(slack), markdown, "{slack}");
    }
}

#[test]
fn slacks_own_names_of_emoji() {
    for name in [
        "simple_smile",
        "slightly_smiling_face",
        "thumbsup",
        "+1",
        "-1",
        "heavy_check_mark",
        "white_check_mark",
        "thinking_face",
        "hugging_face",
        "face_with_rolling_eyes",
        "face_with_raised_eyebrow",
        "star-struck",
        "rolling_on_the_floor_laughing",
        "white_frowning_face",
        "large_green_circle",
        "large_yellow_circle",
        "male-technologist",
        "female-technologist",
        "man-shrugging",
        "woman-facepalming",
        "hammer_and_wrench",
        "flag-gb",
        "flag-de",
        "raised_hands",
        "pray",
        "eyes",
        "rocket",
        "100",
        "e-mail",
        "money_mouth_face",
        "face_with_hand_over_mouth",
        "large_orange_circle",
        "large_purple_circle",
        "large_brown_circle",
        "grinning_face_with_star_eyes",
    ] {
        let shown = md(&format!(":{name}:"));
        assert!(!shown.is_ascii(), "{name}: {shown}");
    }
}

#[test]
fn lines_and_blocks() {
    insta::assert_snapshot!(md(
        "Hello\nworld\n\n# no heading\n- no item\n1) no\n1986. A year\n===\n---\n+ x\n| a |\n&gt; quoted\n&gt;\n&gt;more\nafter\n• one\n    ◦ deeper\n        ▪︎ deepest\n• two\ntext\n1. first\n2. second\n5. fifth\n```\nfn x() -&gt; `T` {\n    *y\n}```tail ```inline``` end\n    indented"
    ), @r###"
Hello\
world

\# no heading\
\- no item\
1\) no\
1986\. A year\
\===\
\---\
\+ x\
\| a \|

> quoted
>
> more

after

- one
  - deeper
    - deepest
- two

text

1. first
2. second

5\. fifth

```
fn x() -> `T` {
    *y
}
```

tail

```
inline
```

end\
indented
"###);
    insta::assert_snapshot!(md("before\n&gt;&gt;&gt; all\nof\n\nthis"), @r###"
before

> all\
> of
>
> this
"###);
    assert_eq!(md("```open\n# x"), "\\`\\`\\`open\\\n\\# x");
    assert_eq!(md("``` ``` "), "```\n \n```");
    assert_eq!(md(""), "");
    assert_eq!(md(" \n\n "), "");
}

#[test]
fn a_list_goes_on_behind_what_is_in_one_of_its_items() {
    insta::assert_snapshot!(
        md("1. first\n2. second\n    • sub\n    • more\n3. third\n    1. one\n    2. two\n4. fourth"),
        @r###"
1. first
2. second
   - sub
   - more
3. third
   1. one
   2. two
4. fourth
"###
    );
    // Another list is between them.
    assert_eq!(
        md("1. first\n• other\n2. second"),
        "1. first\n- other\n\n2\\. second"
    );
}

#[test]
fn it_renders_as_it_was_meant() {
    insta::assert_snapshot!(markdown_to_html(&md(
        "*Release* of <https://example.org|v2> :rocket:\nby <@U1>\n• `a|b`\n• ~old~\n&gt; said\n<script>alert(1)</script> &lt;script&gt;\n```\n# code & <b>\n```"
    )), @r###"
<p><strong>Release</strong> of <a href="https://example.org/">v2</a> 🚀<br>
by @Ann *Lee*</p>
<ul>
<li><code>a|b</code></li>
<li><del>old</del></li>
</ul>
<blockquote>
<p>said</p>
</blockquote>
<p>&lt;script&gt;alert(1)&lt;/script&gt; &lt;script&gt;</p>
<pre><code># code &amp; &lt;b&gt;
</code></pre>
"###);
}

#[test]
fn a_title_is_the_first_line_and_nothing_is_lost() {
    let long = "word ".repeat(40);
    let long = long.trim();
    for (markdown, title, body) in [
        ("One line", "One line", ""),
        ("**Title** of it\n\nThe text", "Title of it", "The text"),
        ("First\\\nsecond", "First", "second"),
        (
            "It is ~~cancelled~~ moved",
            "It is cancelled moved",
            "It is ~~cancelled~~ moved",
        ),
        ("\u{200b}", "Untitled", "\u{200b}"),
        (r"\# 1\*2", "# 1*2", ""),
        (
            "See [this](https://example.org)\n\nx",
            "See this",
            "See [this](https://example.org)\n\nx",
        ),
        ("- one\n- two", "one", "- one\n- two"),
        ("> said", "said", "> said"),
        ("```\nlet x;\n```", "let x;", "```\nlet x;\n```"),
        ("", "Untitled", ""),
        ("\n\n", "Untitled", ""),
    ] {
        assert_eq!(
            title_and_body(markdown),
            (title.to_owned(), body.to_owned()),
            "{markdown}"
        );
    }
    let (title, body) = title_and_body(long);
    assert_eq!(title.chars().count(), 125, "{title}");
    assert!(title.ends_with("word…") && body == long);
    let (title, _) = title_and_body(&"x".repeat(500));
    assert_eq!(title.chars().count(), 128);
}

#[test]
fn a_long_message_of_open_marks_takes_no_time() {
    let started = std::time::Instant::now();
    for piece in [
        "*a ", "_a ", "`", "<", "&lt;", ":a", "```", "*_~", "• ", "&gt;", "[", "<@",
    ] {
        let html = markdown_to_html(&md(&piece.repeat(40_000 / piece.len())));
        assert!(html.len() < 1_000_000, "{piece}");
    }
    // Quadratic, this would take minutes without optimisation.
    assert!(started.elapsed().as_secs() < 30);
}

/// The text of Markdown without its markup, as a reader sees it.
fn shown(markdown: &str) -> String {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS;
    let mut text = String::new();
    for event in Parser::new_ext(markdown, options) {
        match event {
            Event::Text(part) | Event::Code(part) => text.push_str(&part),
            Event::SoftBreak | Event::HardBreak | Event::End(_) => text.push(' '),
            Event::Start(Tag::Paragraph) => {}
            other => text.push_str(&format!("<<{other:?}>>")),
        }
    }
    words(&text)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_text_becomes_harmless_html(text in crate::slack::blocks::tests::hostile()) {
        let markdown = md(&text);
        let html = markdown_to_html(&markdown);
        let html = html.to_lowercase();
        for tag in ["<script", "<style", "<iframe", "<form", "<img", "=\"javascript:", "=\"data:"] {
            prop_assert!(!html.contains(tag), "{tag} in {html}");
        }
        let (title, body) = title_and_body(&markdown);
        prop_assert!((1..=128).contains(&title.chars().count()));
        prop_assert!(!title.contains('\n'));
        prop_assert!(markdown.contains(&body));
    }

    /// No mark of Slack is in it, many of Markdown are.
    #[test]
    fn text_without_markup_is_read_as_it_was_written(
        text in r"[a-c1-3#\[\]<>&;()!+=|.\\ ^{}$%/\n-]{0,60}"
    ) {
        // A line that begins with `>` is a quote in Slack too; `1. ` is a list in both.
        let text: String = text
            .lines()
            .map(|line| line.trim_start_matches([' ', '>']))
            .collect::<Vec<_>>()
            .join("\n");
        prop_assume!(!text.lines().any(|line| line.starts_with("1. ")));
        prop_assert_eq!(shown(&md(&escape(&text))), words(&text));
    }

    #[test]
    fn code_is_verbatim(code in r"[a-z`*_<>&#~\[\]\\ \n:|-]{1,60}") {
        prop_assume!(!code.contains("```") && !code.starts_with('`') && !code.ends_with('`'));
        let markdown = md(&format!("```\n{}\n```", escape(&code)));
        let mut text = String::new();
        for event in Parser::new(&markdown) {
            if let Event::Text(part) = event {
                text.push_str(&part);
            }
        }
        prop_assert_eq!(text, format!("{code}\n"));
    }
}
