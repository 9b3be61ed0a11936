//! What is read from the canonical text of an input makes the same text again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use microblot::model::Part;

fuzz_target!(|items: Vec<(String, String)>| {
    let part = Part::from_items(items.iter().map(|(item, value)| (item, value)));
    assert_eq!(part.items().count(), items.len());
    let stored = Part::from_text(part.as_text().to_owned());
    assert_eq!(Part::from_items(stored.items()), part);
});
