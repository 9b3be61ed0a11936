use std::borrow::Cow;

/// JSON with every half of a character made U+FFFD: `\ud83d` that no `\udc00` to `\udfff` follows,
/// or one of those alone. Whoever cuts a text in the middle of an emoji sends such halves, which
/// no text of ours can hold. Everything else stays, and what is no JSON stays none.
pub(super) fn mended(json: &[u8]) -> Cow<'_, [u8]> {
    let mut mended = Cow::Borrowed(json);
    let mut at = 0;
    // A backslash means something in a text only, and has no place elsewhere.
    while let Some(found) = json.get(at..).and_then(|rest| position(rest, b'\\')) {
        at += found;
        at += match (unit(json, at), unit(json, at + ESCAPE)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 2 * ESCAPE,
            (Some(0xd800..=0xdfff), _) => {
                let digits = at + 2..at + ESCAPE;
                mended.to_mut()[digits].copy_from_slice(b"fffd");
                ESCAPE
            }
            (Some(_), _) => ESCAPE,
            // A backslash and what it escapes: another backslash, for example.
            (None, _) => 2,
        };
    }
    mended
}

/// The length of `\u0000`.
const ESCAPE: usize = 6;

fn position(bytes: &[u8], byte: u8) -> Option<usize> {
    bytes.iter().position(|b| *b == byte)
}

/// The UTF-16 unit that is escaped at a place, if one is.
fn unit(json: &[u8], at: usize) -> Option<u16> {
    let digits = json.get(at..at + ESCAPE)?.strip_prefix(b"\\u")?;
    let digits = std::str::from_utf8(digits).ok()?;
    // A sign is no digit here.
    let is_hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
    is_hex.then(|| u16::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(json: &str) -> Option<String> {
        serde_json::from_slice(&mended(json.as_bytes())).ok()
    }

    #[test]
    fn halves_of_characters_are_shown_as_such() {
        for (json, expected) in [
            (r#""half \ud83d emoji""#, Some("half \u{fffd} emoji")),
            (r#""\uDE00""#, Some("\u{fffd}")),
            (r#""\ude00\ud83d""#, Some("\u{fffd}\u{fffd}")),
            (r#""\ud83d\ud83d\ude00\ude00""#, Some("\u{fffd}😀\u{fffd}")),
            (r#""\ud83d\n""#, Some("\u{fffd}\n")),
            (r#""\ud83d\u0041""#, Some("\u{fffd}A")),
            (r#""\\ud83d""#, Some("\\ud83d")),
            (r#""\\\ud83d""#, Some("\\\u{fffd}")),
            (r#""\uD83D\uDE00""#, Some("😀")),
            // What is no JSON stays none.
            (r#""\ud83""#, None),
            (r#""\u+83d""#, None),
            (r#""\ud83d"#, None),
            (r#""\x""#, None),
            ("\\", None),
            ("\\u", None),
            ("", None),
        ] {
            assert_eq!(text(json).as_deref(), expected, "{json}");
        }
    }

    /// A text as JSON, with everything escaped that can be.
    fn escaped(units: impl IntoIterator<Item = u16>) -> String {
        let units = units.into_iter().map(|unit| format!("\\u{unit:04x}"));
        format!("\"{}\"", units.collect::<String>())
    }

    proptest! {
        #[test]
        fn json_that_is_right_stays_as_it_is(text: String, number: f64) {
            let plain = serde_json::json!({ "text": text, "list": [number, null, text] });
            let plain = plain.to_string();
            prop_assert!(matches!(mended(plain.as_bytes()), Cow::Borrowed(same) if same == plain.as_bytes()));
            let escaped = escaped(text.encode_utf16());
            prop_assert!(matches!(mended(escaped.as_bytes()), Cow::Borrowed(_)));
        }

        #[test]
        fn any_units_are_read_as_utf_16_is(units: Vec<u16>) {
            let expected = String::from_utf16_lossy(&units);
            prop_assert_eq!(text(&escaped(units)), Some(expected));
        }

        #[test]
        fn any_halves_are_read_as_utf_16_is(units in prop::collection::vec(0xd7fe_u16..0xe002, 0..8)) {
            let expected = String::from_utf16_lossy(&units);
            prop_assert_eq!(text(&escaped(units)), Some(expected));
        }

        #[test]
        fn any_bytes_can_be_tried(bytes: Vec<u8>, text in "[\\\\u0-9dD\"]{0,20}") {
            for bytes in [&bytes[..], text.as_bytes()] {
                let once = mended(bytes);
                prop_assert_eq!(once.len(), bytes.len());
                prop_assert_eq!(&mended(&once), &once);
            }
        }
    }
}
