//! From a line as somebody typed it to words.

/// A word, and where it begins in the line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) begins: usize,
    /// It was in quotes: a text, whatever it looks like.
    pub(super) quoted: bool,
}

/// Splits a line at spaces. Quotes, straight or typographic, hold a text together, and so do the
/// angle brackets of Slack's mentions. Keyboards make one long dash of two short ones.
pub(super) fn split(line: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut rest = line.char_indices().peekable();
    while let Some((begins, first)) = rest.next() {
        if first.is_whitespace() {
            continue;
        }
        let mut text = String::new();
        let quoted = is_quote(first) && closes(&line[begins + first.len_utf8()..], first);
        if quoted {
            for (_, c) in rest.by_ref() {
                if ends(first, c) {
                    break;
                }
                text.push(c);
            }
        } else {
            let mentions = first == '<';
            text.push(first);
            while let Some((_, c)) = rest.peek().copied() {
                if c.is_whitespace() && (!mentions || text.ends_with('>')) {
                    break;
                }
                rest.next();
                text.push(c);
            }
            if let Some(name) = text.strip_prefix(['—', '–']) {
                text = format!("--{name}");
            }
        }
        words.push(Word {
            text: match mentions(&text) {
                true => text,
                false => unescaped(&text),
            },
            begins,
            quoted,
        });
    }
    words
}

fn mentions(text: &str) -> bool {
    text.starts_with('<') && text.ends_with('>')
}

fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'' | '“' | '”' | '„' | '«' | '‘')
}

fn ends(opened: char, c: char) -> bool {
    match opened {
        '"' => c == '"',
        '\'' => c == '\'',
        '“' | '”' | '„' => matches!(c, '“' | '”' | '"'),
        '«' => c == '»',
        _ => matches!(c, '’' | '‘'),
    }
}

fn closes(rest: &str, opened: char) -> bool {
    rest.chars().any(|c| ends(opened, c))
}

/// Slack sends `&`, `<` and `>` escaped, and nothing else.
pub(super) fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

/// Without what people put around names so that they stand out.
pub(super) fn bare(text: &str) -> &str {
    text.trim_matches(['`', '*', '_', '~', ',', ';'])
}
