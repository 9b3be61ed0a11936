use proptest::prelude::*;

use super::{RawHtml, markdown_to_html_with};

fn cleaned(markdown: &str) -> String {
    markdown_to_html_with(markdown, RawHtml::Clean, |_| None)
}

/// Pieces of HTML and of Markdown.
const TYPED: &str = "(?s)(</?(b|i|a|div|p|li|ul|ol|table|td|th|tr|tbody|caption|rt|ruby|h2|h3|details|script|col)>\
    |<|</|>| |\n|\n\n|- |> |## |\\*\\*|=|\"|'|/|!--|-->|\n\n\\| a \\|\n\\|---\\|\n\\| |x|\\PC){0,24}";

/// How deep the elements of cleaned HTML nest, and how many there are.
fn depth_and_count(html: &str) -> (usize, usize) {
    let (mut depth, mut deepest, mut count) = (0_usize, 0, 0);
    for piece in html.split('<').skip(1) {
        let name = piece.split([' ', '>']).next().unwrap_or_default();
        if name.starts_with('/') {
            depth = depth.saturating_sub(1);
        } else if !super::typed::EMPTY.contains(&name) {
            depth += 1;
            count += 1;
            deepest = deepest.max(depth);
        }
    }
    (deepest, count)
}

/// Typed tags nest 64 deep, and a parser may put three between two of them; then those of Markdown.
const DEEPEST: usize = 64 * 4 + 64;

/// Each of these took minutes or gigabytes at the size that a page may have: a parser of HTML goes
/// through everything that is open, again and again.
#[test]
fn typed_html_costs_no_more_than_its_length() {
    const TIMES: usize = 4_000;
    let numbered = |tag: &str| -> String {
        let tags = (0..TIMES).map(|i| format!("<{tag} title={i}>"));
        tags.collect()
    };
    let inline = |tag: &str| {
        (0..TIMES)
            .map(|i| format!("x <{tag} title={i}>\n\n"))
            .collect()
    };
    let cases: [String; 12] = [
        "<div>".repeat(TIMES),
        "<div>\n\n".repeat(TIMES),
        "x <span>".repeat(TIMES),
        "<table><tr><td>".repeat(TIMES),
        "<p><div>".repeat(TIMES),
        "<p>\n\n".to_owned() + &numbered("b") + &"\n\nx".repeat(TIMES),
        "<div><p>".to_owned() + &numbered("a") + &"<p>x".repeat(TIMES),
        numbered("i") + &"</div><div>x".repeat(TIMES),
        numbered("code") + &"<li>x\n\n- y\n\n".repeat(TIMES),
        inline("em"),
        "<ruby>".to_owned() + &"<rt><rp>".repeat(TIMES),
        format!("<b {}>x</b>", numbered("x").replace(['<', '>'], "")),
    ];
    for markdown in cases {
        let html = cleaned(&markdown);
        let (depth, count) = depth_and_count(&html);
        let shown: String = markdown.chars().take(40).collect();
        assert!(depth <= DEEPEST, "{shown}: {depth} deep");
        assert!(count <= 12 * TIMES, "{shown}: {count} elements");
        let longest = 12 * markdown.len();
        assert!(html.len() <= longest, "{shown}: {} bytes", html.len());
    }
}

#[test]
fn typed_html_stays_as_far_as_it_is_safe() {
    let html = cleaned(
        "<details open>\n<summary>More &amp; more</summary>\n\n*Inside* <kbd>x</kbd>\n\n</details>\n\n\
         <!-- not\n\nshown --><DIV Lang='de' onclick=\"x\">\n  a < b <br/> c\n</div>\n\n\
         <table>\n<tr><td>1<td>2\n<tr><td colspan=2>3\n</table>\n\n\
         <ul>\n<li>one\n<li>two\n</ul>\n\n\
         <script>\nif (a < b) { \"<b>\" }\n</script>\n\n<style>\n* {}\n</style>\n\n\
         <a href=\"https://example.org/?a=1&amp;b='2'\" title='\"'>\n\n![A <b>pod</b>](pod.png)\n\n</a>\n",
    );
    insta::assert_snapshot!(html, @r#"
    <details>
    <summary>More &amp; more</summary>
    <p><em>Inside</em> <kbd>x</kbd></p>
    </details>
    <div lang="de">
    <p>a &lt; b <br> c</p>
    </div>
    <table>
    <tbody><tr><td>1</td><td>2
    </td></tr><tr><td colspan="2">3
    </td></tr></tbody></table>
    <ul>
    <li>one
    </li><li>two
    </li></ul>


    <a href="https://example.org/?a=1&amp;b='2'" title="&quot;">
    <p><img src="pod.png" alt="A &lt;b&gt;pod&lt;/b&gt;" loading="lazy"></p>
    </a>
    "#);
}

#[test]
fn what_is_opened_in_a_part_ends_with_it() {
    let html = cleaned(
        "One <b>bold.\n\nTwo.\n\n> <div>\n> three\n\nFour\n\n- <i>five\n- six</i>\n\nA <span>seven\n\n\
         <div>\n\n- eight\n\nNine</div>\n\nTen </b> < <3 <notatag> <a b='>\n",
    );
    insta::assert_snapshot!(html, @r#"
    <p>One <b>bold.</b></p>
    <p>Two.</p>
    <blockquote>
    <div>
    three
    </div></blockquote>
    <p>Four</p>
    <ul>
    <li><i>five</i></li>
    <li>six</li>
    </ul>
    <p>A <span>seven</span></p>
    <div>
    <ul>
    <li>eight</li>
    </ul>
    <p>Nine</p></div><p></p>
    <p>Ten  &lt; &lt;3  &lt;a b=’&gt;</p>
    "#);
}

#[test]
fn what_is_dropped_goes_with_its_text_wherever_it_ends() {
    let html = cleaned(
        "One <script>alert(*1*)</script> two <STYLE>three\n\nFour\n\n\
         <div>\n<style>\nb {}\n\ni {}\n\n![A](b.png)\n</style>\n</div>\n\nFive\n",
    );
    insta::assert_snapshot!(html, @r#"
    <p>One <em></em> two </p>
    <p>Four</p>
    <div>
    <p></p>
    <p></p>
    </div>
    <p>Five</p>
    "#);
}

#[test]
fn tags_are_read_as_a_browser_reads_them() {
    let long = "A".repeat(20_000);
    let html = cleaned(&format!(
        "<div>\n<b:c>1</b:c> <!-->2<!--->3<img alt=a / src=/b/>4<br / ><a@example.org>5</b junk>\n\
         <img alt='x' src=\"data:image/png;base64,{long}\"><em title='&quot;<>'lang=de>6</em ><em>7</em\n\
         8</em>\n</div>\n",
    ));
    insta::assert_snapshot!(html, @r#"
    <div>
    1 23<img alt="a" src="/b/" loading="lazy">4<br>5
    <img alt="x" loading="lazy"><em title="&quot;&lt;&gt;" lang="de">6</em><em>7&lt;/em
    8</em>
    </div>
    "#);
}

/// A parser leaves open what stands outside the cell of a table.
#[test]
fn a_cell_ends_nothing_that_began_before_it() {
    let html = cleaned("<div>\n\n| a </div> |\n|---|\n| <b>b</div> |\n\nc\n\n</div>\n\nd\n");
    insta::assert_snapshot!(html, @r#"
    <div>
    <div class="table"><table><thead><tr><th>a </th></tr></thead><tbody>
    <tr><td><b>b</b></td></tr>
    </tbody></table>
    </div>
    <p>c</p>
    </div>
    <p>d</p>
    "#);
    let html = cleaned(&"<div>\n\n| a |\n|---|\n| </div> |\n\n".repeat(500));
    let (depth, _) = depth_and_count(&html);
    assert!(depth <= DEEPEST, "{depth} deep");
}

proptest! {
    /// Again and again, so that whatever is left open once adds up.
    #[test]
    fn typed_html_is_in_order_whatever_it_is(text in TYPED) {
        let text = text.repeat(100);
        let (depth, count) = depth_and_count(&cleaned(&text));
        prop_assert!(depth <= DEEPEST && count <= 12 * (text.len() + 1), "{depth} {count}");
    }
}

/// A parser opens forgotten styles and links again in every paragraph, with all their attributes.
#[test]
fn a_long_attribute_is_not_repeated_without_end() {
    const TIMES: usize = 4_000;
    let long = "L".repeat(20_000);
    let style = format!("<b title={long}>");
    let cases = [
        format!("<p><a href={long}>{}", "<p>x".repeat(TIMES)),
        format!("<ul><li>{style}{}", "<li>x".repeat(TIMES)),
        format!("[x {}](https://{long}.org)", "<p>x".repeat(TIMES)),
        format!("x {style} {}", "<div>x</div>".repeat(TIMES)),
        format!("- {style} {}", "<li>x".repeat(TIMES)),
        format!("<table>{style} {}", "<tr>x".repeat(TIMES)),
        format!("<h2>{style}<div><h2><h3></h2>{}", "<p>x".repeat(TIMES)),
        format!("<p>{}</p>\n\n{}", style.repeat(8), "x\n\n".repeat(TIMES)),
        format!("| a |\n|---|\n{}", format!("| {style} <p>x |\n").repeat(20)),
    ];
    for markdown in cases {
        let html = cleaned(&markdown);
        let shown: String = markdown.chars().take(20).collect();
        let longest = 12 * markdown.len() + (5 << 20);
        assert!(html.len() <= longest, "{shown}: {} bytes", html.len());
    }
}
