use super::emoji;
use super::entity::{self, Entity};

/// One line as Markdown.
pub(super) fn markdown(line: &str, name: &dyn Fn(&str) -> Option<String>) -> String {
    let tokens = tokens(line, name);
    let mut out = String::with_capacity(line.len() + 16);
    emit(&mut out, &tokens, start_of_line(&tokens), Marks::default());
    out
}

#[derive(Debug)]
enum Token {
    /// A character that may be a mark.
    Char(char),
    /// One that never is: of a name, an emoji.
    Literal(char),
    /// Code, with its backticks.
    Code(String),
    /// A link.
    Link(String),
}

impl Token {
    /// The character, or one that is no letter, blank or mark.
    fn char(&self) -> char {
        match self {
            Self::Char(c) | Self::Literal(c) => *c,
            Self::Code(_) | Self::Link(_) => '\u{fffc}',
        }
    }
}

/// Which marks are open: none opens inside itself, so that nesting is at most three deep.
#[derive(Clone, Copy, Default)]
struct Marks {
    star: bool,
    line: bool,
    tilde: bool,
}

impl Marks {
    fn of(&mut self, c: char) -> Option<(&mut bool, &'static str)> {
        match c {
            '*' => Some((&mut self.star, "**")),
            '_' => Some((&mut self.line, "_")),
            '~' => Some((&mut self.tilde, "~~")),
            _ => None,
        }
    }
}

fn tokens(line: &str, name: &dyn Fn(&str) -> Option<String>) -> Vec<Token> {
    let mut tokens = Vec::with_capacity(line.len());
    let mut rest = line;
    // After one that is never closed, none is.
    let mut code_may_end = true;
    while let Some(c) = rest.chars().next() {
        let here = rest;
        rest = &rest[c.len_utf8()..];
        match c {
            '<' => {
                if let Some((_, inside, after)) = entity::next(here) {
                    push(&mut tokens, entity::read(inside, name));
                    rest = after;
                } else {
                    tokens.push(Token::Literal(c));
                }
            }
            '&' => {
                let (shown, length) = match here {
                    _ if here.starts_with("&lt;") => ('<', 4),
                    _ if here.starts_with("&gt;") => ('>', 4),
                    _ if here.starts_with("&amp;") => ('&', 5),
                    _ => ('&', 1),
                };
                tokens.push(Token::Literal(shown));
                rest = &here[length..];
            }
            '`' if code_may_end => match rest.split_once('`') {
                Some((code, after)) if !code.trim().is_empty() => {
                    tokens.push(Token::Code(span(&entity::verbatim(code, name))));
                    rest = after;
                }
                Some((blank, after)) => {
                    tokens.push(Token::Literal(c));
                    tokens.extend(one_line(blank).map(Token::Literal));
                    tokens.push(Token::Literal(c));
                    rest = after;
                }
                None => {
                    code_may_end = false;
                    tokens.push(Token::Literal(c));
                }
            },
            ':' => match emoji::read(here) {
                Some((emoji, length)) => {
                    tokens.extend(emoji.chars().map(Token::Literal));
                    rest = &here[length..];
                }
                None => tokens.push(Token::Char(c)),
            },
            c if c.is_control() => tokens.push(Token::Char(' ')),
            c => tokens.push(Token::Char(c)),
        }
    }
    tokens
}

fn push(tokens: &mut Vec<Token>, entity: Entity) {
    match entity {
        Entity::Text(text) => tokens.extend(one_line(&text).map(Token::Literal)),
        Entity::Link { url, text: None } if url.starts_with("http") => {
            tokens.push(Token::Link(format!("<{url}>")));
        }
        Entity::Link { url, text } => {
            let text = text.unwrap_or_else(|| url.trim_start_matches("mailto:").to_owned());
            let text: Vec<Token> = one_line(&text).map(Token::Literal).collect();
            let mut link = String::from("[");
            emit(&mut link, &text, None, Marks::default());
            // An address may hold what Markdown takes for a character reference.
            let url = match url.contains(';') {
                true => url.replace('&', "&amp;"),
                false => url,
            };
            link.push_str(&format!("]({url})"));
            tokens.push(Token::Link(link));
        }
    }
}

fn one_line(text: &str) -> impl Iterator<Item = char> {
    text.chars().map(|c| if c.is_control() { ' ' } else { c })
}

/// Code between as many backticks as it needs.
fn span(code: &str) -> String {
    let fence = "`".repeat(super::longest_run(code) + 1);
    let blank = |c: char| c == ' ' || c == '`';
    let pad = if code.starts_with(blank) && code.ends_with(blank)
        || code.starts_with('`')
        || code.ends_with('`')
    {
        " "
    } else {
        ""
    };
    format!("{fence}{pad}{code}{pad}{fence}")
}

/// Writes tokens; the one at `escaped` begins something in Markdown and is escaped.
fn emit(out: &mut String, tokens: &[Token], escaped: Option<usize>, open: Marks) {
    // Marks of which no other stands behind: looked for once, not from every one of them.
    let mut alone = open;
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if let Token::Char(c) = token
            && let Some((alone, mark)) = alone.of(*c)
            && !*alone
            && opens(tokens, at, *c)
        {
            if let Some(end) = (at + 2..tokens.len()).find(|end| closes(tokens, *end, *c)) {
                let mut inside = open;
                if let Some((open, _)) = inside.of(*c) {
                    *open = true;
                }
                out.push_str(mark);
                emit(out, &tokens[at + 1..end], None, inside);
                out.push_str(mark);
                at = end + 1;
                continue;
            }
            *alone = true;
        }
        match token {
            Token::Code(text) | Token::Link(text) => out.push_str(text),
            Token::Char(c) | Token::Literal(c) => {
                if escaped == Some(at) || is_special(tokens, at, *c) {
                    out.push('\\');
                }
                out.push(*c);
            }
        }
        at += 1;
    }
}

/// A mark opens behind what is no letter, before what is no blank.
fn opens(tokens: &[Token], at: usize, mark: char) -> bool {
    let before = at.checked_sub(1).map(|before| tokens[before].char());
    let after = tokens.get(at + 1).map(Token::char);
    before.is_none_or(|c| !c.is_alphanumeric() && c != mark)
        && after.is_some_and(|c| !c.is_whitespace() && c != mark)
}

/// A mark closes behind what is no blank, before what is no letter.
fn closes(tokens: &[Token], at: usize, mark: char) -> bool {
    let before = at.checked_sub(1).map(|before| tokens[before].char());
    let after = tokens.get(at + 1).map(Token::char);
    matches!(tokens[at], Token::Char(c) if c == mark)
        && before.is_some_and(|c| !c.is_whitespace() && c != mark)
        && after.is_none_or(|c| !c.is_alphanumeric() && c != mark)
}

/// Whether a character would mean something in Markdown where it stands.
fn is_special(tokens: &[Token], at: usize, c: char) -> bool {
    let before = at.checked_sub(1).map(|before| tokens[before].char());
    let after = tokens.get(at + 1);
    let is_letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    match c {
        '\\' | '`' | '*' | '[' | ']' | '<' | '~' | '|' => true,
        '_' => !is_letter(before) || !is_letter(after.map(Token::char)),
        '&' => after.is_some_and(|next| next.char() == '#' || next.char().is_ascii_alphanumeric()),
        '!' => matches!(after, Some(Token::Link(_))),
        _ => false,
    }
}

/// The token that would make the line a heading, an item, a quote, a rule or a table.
fn start_of_line(tokens: &[Token]) -> Option<usize> {
    let blank = |at: usize| {
        tokens
            .get(at)
            .is_none_or(|token| token.char().is_whitespace())
    };
    let run = |wanted: fn(char) -> bool| {
        tokens
            .iter()
            .take_while(|token| wanted(token.char()))
            .count()
    };
    match tokens.first()?.char() {
        '>' => Some(0),
        '#' => blank(run(|c| c == '#')).then_some(0),
        '-' | '+' if blank(1) => Some(0),
        '-' | '=' | ':' => {
            (run(|c| matches!(c, '-' | '=' | ':' | '|' | ' ')) == tokens.len()).then_some(0)
        }
        c if c.is_ascii_digit() => {
            let end = run(|c| c.is_ascii_digit());
            let mark = tokens.get(end)?.char();
            (matches!(mark, '.' | ')') && blank(end + 1)).then_some(end)
        }
        _ => None,
    }
}
