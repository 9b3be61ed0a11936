//! No text makes the loader panic, and what it says about a text lies within it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use microblot::config::{self, Paint};

fuzz_target!(|text: &str| {
    let diagnostics = match config::load(text, "sites.toml") {
        Ok(config) => config.warnings,
        Err(diagnostics) => {
            assert!(!diagnostics.is_empty());
            diagnostics
        }
    };
    for diagnostic in &diagnostics {
        assert!(diagnostic.span.end <= text.len());
    }
    diagnostics.render(Paint::Plain);
});
