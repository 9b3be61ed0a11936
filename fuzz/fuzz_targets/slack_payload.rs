//! No body makes the reading of what Slack sends panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use microblot::slack::payload::{Command, Envelope, Interaction};

fuzz_target!(|body: &[u8]| {
    let _command = Command::parse(body);
    let _interaction = Interaction::parse(body);
    let _envelope = Envelope::parse(body);
    // Past the form, which random bytes seldom get through.
    let form = url::form_urlencoded::byte_serialize(body).collect::<String>();
    let _interaction = Interaction::parse(format!("payload={form}").as_bytes());
});
