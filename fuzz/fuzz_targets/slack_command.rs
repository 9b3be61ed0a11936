//! No line makes the reading of commands panic, and what is said about a line is short.
#![no_main]

use libfuzzer_sys::fuzz_target;
use microblot::chat::grammar::parse;

fuzz_target!(|line: &str| {
    if let Err(misread) = parse(line) {
        assert!((1..=200).contains(&misread.message.chars().count()));
        assert!(!misread.line.is_empty());
    }
});
