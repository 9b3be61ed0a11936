use toml::de::DeTable;

use super::diagnostic::Diagnostics;
use super::place::Lines;
use super::report::Report;
use super::secrets;

/// Says that `bytes`, of which those before `at` are UTF-8, are not. What follows that line is not
/// looked at.
pub(super) fn refuse(bytes: &[u8], at: usize, file: &str) -> Diagnostics {
    let rest = &bytes[at..];
    let end = rest.iter().position(|byte| *byte == b'\n');
    let text = String::from_utf8_lossy(&bytes[..at + end.unwrap_or(rest.len())]);
    let lines = Lines::new(&text);
    let mut report = Report::default();
    // They would be in the excerpt.
    secrets::refuse(&text, &DeTable::new(), &mut report);
    let line = lines.around(at);
    // Escapes keep a secret out of that search, and nothing finds it in a text that is no TOML.
    if text[line.clone()].contains('\\') {
        report.hide(line);
    }
    report.error(
        at..at + char::REPLACEMENT_CHARACTER.len_utf8(),
        format!(
            "the byte 0x{:02X} is not UTF-8",
            rest.first().copied().unwrap_or_default()
        ),
        Some("save the file as UTF-8".to_owned()),
    );
    report.into_errors(&lines, file)
}
