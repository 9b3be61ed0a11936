//! What to do about the slips that people make most often: the parser only says what it expected.

/// What to say of an error of the syntax. `found` is what stands at its place.
pub(super) fn explain(message: &str, found: &str) -> (String, Option<String>) {
    let unquoted = message.starts_with("string values must be quoted")
        || message.starts_with("invalid boolean");
    let (message, hint) = match message {
        _ if unquoted && found.trim().is_empty() => (
            "a value is missing",
            "write it behind the `=`, a text in quotes: `title = \"Foo\"`",
        ),
        _ if unquoted => (
            "this is no value",
            "put a text in quotes: `title = \"Foo\"`; only numbers, `true` and `false` have none",
        ),
        "invalid basic string, expected `\"`" => (
            "the text does not end in its line",
            "end it with `\"`, like it begins",
        ),
        "invalid literal string, expected `'`" => (
            "the text does not end in its line",
            "end it with `'`, like it begins",
        ),
        "key with no value, expected `=`" => {
            (message, "write a key, `=` and a value: `title = \"Foo\"`")
        }
        "unclosed table, expected `]`" => (message, "end the header with `]`: `[sites.foo]`"),
        "unclosed array, expected `]`" => (message, "end the list with `]`"),
        "unclosed inline table, expected `}`" => (message, "end it with `}`"),
        "missing comma between array elements, expected `,`" => (
            message,
            "write `,` between the elements of a list, and `]` at its end",
        ),
        "unexpected key or value, expected newline, `#`" => {
            (message, "begin a new line here, or remove what is too much")
        }
        _ if message.starts_with("invalid unquoted key") => {
            (message, "write a key, `=` and a value: `title = \"Foo\"`")
        }
        _ if message.starts_with("missing escaped value") => (
            message,
            "write `\\\\` for a `\\`, or put the text in single quotes",
        ),
        _ => return (message.to_owned(), None),
    };
    (message.to_owned(), Some(hint.to_owned()))
}

/// Whether an error of the syntax has nothing to do with the lines around it.
pub(super) fn ends_in_line(message: &str) -> bool {
    !["array", "inline table", "multi-line"]
        .iter()
        .any(|part| message.contains(part))
        || message.starts_with("unclosed array table")
}
