//! Secrets that are kept in the database: encrypted, so that a copy of it opens no workspace.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};

use super::signature::SigningSecret;
use crate::model::Secret;

/// What a sealed text starts with: how the rest is to be read.
const VERSION: &str = "s1.";

/// 256 bits that texts are sealed with. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Key([u8; 32]);

/// Why there is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "MICROBLOT_KEY is not 32 bytes as 64 hexadecimal digits or as base64; `openssl rand -hex 32` makes one"
)]
pub struct KeyError;

/// What is sealed. A text that was sealed for one purpose cannot be opened for another, so that
/// whoever can write to the database cannot have one secret used as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Bot tokens.
    Token,
    /// Addresses to which answers are sent.
    ResponseUrl,
    /// The state of an installation that began.
    Install,
}

/// Seals and opens texts for one purpose, with ChaCha20-Poly1305.
pub struct Sealer {
    key: LessSafeKey,
    purpose: Purpose,
    random: SystemRandom,
}

impl Key {
    /// Reads a key: 64 hexadecimal digits, or base64 (with or without padding).
    ///
    /// # Errors
    ///
    /// [`KeyError`], which says how to make one.
    pub fn parse(text: &Secret) -> Result<Self, KeyError> {
        let text = text.expose().trim();
        let bytes = hex::decode(text)
            .ok()
            .or_else(|| STANDARD.decode(text).ok())
            .or_else(|| STANDARD_NO_PAD.decode(text).ok())
            .or_else(|| URL_SAFE_NO_PAD.decode(text).ok())
            .ok_or(KeyError)?;
        Ok(Self(bytes.try_into().map_err(|_other_length| KeyError)?))
    }

    /// A key for what need not outlive the app's signing secret.
    pub fn derived(secret: &SigningSecret) -> Self {
        Self(secret.derive("microblot seal 1"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key([REDACTED])")
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("purpose", &self.purpose)
            .finish_non_exhaustive()
    }
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Token => b"microblot token",
            Self::ResponseUrl => b"microblot response url",
            Self::Install => b"microblot install",
        }
    }
}

impl Sealer {
    /// Seals for `purpose` with `key`.
    #[allow(clippy::expect_used, reason = "the length of a key is its type")]
    pub fn new(key: &Key, purpose: Purpose) -> Self {
        let key = UnboundKey::new(&CHACHA20_POLY1305, &key.0).expect("a key has 32 bytes");
        Self {
            key: LessSafeKey::new(key),
            purpose,
            random: SystemRandom::new(),
        }
    }

    /// The text encrypted, in letters that can stand in a URL. Different each time.
    ///
    /// # Panics
    ///
    /// If the operating system has no random bytes: nothing can be kept secret there.
    #[allow(clippy::expect_used, reason = "see Panics")]
    pub fn seal(&self, text: &str) -> String {
        let mut nonce = [0; NONCE_LEN];
        self.random
            .fill(&mut nonce)
            .expect("the operating system has random bytes");
        let mut sealed = text.as_bytes().to_vec();
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(self.purpose.label()),
                &mut sealed,
            )
            .expect("a text is shorter than 256 GiB");
        let mut bytes = nonce.to_vec();
        bytes.append(&mut sealed);
        format!("{VERSION}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// What was sealed; `None` if it was sealed with another key or for another purpose, or changed.
    pub fn open(&self, sealed: &str) -> Option<Secret> {
        let mut bytes = URL_SAFE_NO_PAD.decode(sealed.strip_prefix(VERSION)?).ok()?;
        let (nonce, text) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let label = Aad::from(self.purpose.label());
        let text = self.key.open_in_place(nonce, label, text).ok()?;
        Some(Secret::new(std::str::from_utf8(text).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(key: u8, purpose: Purpose) -> Sealer {
        Sealer::new(&Key([key; 32]), purpose)
    }

    #[test]
    fn a_key_is_32_bytes_in_any_usual_form() {
        let bytes: [u8; 32] = std::array::from_fn(|i| u8::try_from(200 + i).unwrap());
        for good in [
            hex::encode(bytes),
            hex::encode_upper(bytes),
            STANDARD.encode(bytes),
            STANDARD_NO_PAD.encode(bytes),
            URL_SAFE_NO_PAD.encode(bytes),
            format!(" {}\n", hex::encode(bytes)),
        ] {
            assert_eq!(Key::parse(&Secret::new(&good)).unwrap().0, bytes, "{good}");
        }
        for bad in [
            String::new(),
            "a".to_owned(),
            hex::encode(&bytes[1..]),
            STANDARD.encode([7; 33]),
            "correct horse battery staple, with spaces".to_owned(),
        ] {
            assert!(Key::parse(&Secret::new(&bad)).is_err(), "{bad}");
        }
        assert!(!format!("{:?}", Key([7; 32])).contains('7'));
    }

    #[test]
    fn only_the_same_key_and_purpose_open_it() {
        let sealed = sealer(1, Purpose::Token).seal("xoxb-1");
        assert_eq!(
            sealer(1, Purpose::Token).open(&sealed).unwrap().expose(),
            "xoxb-1"
        );
        assert!(sealer(2, Purpose::Token).open(&sealed).is_none());
        assert!(sealer(1, Purpose::ResponseUrl).open(&sealed).is_none());
        assert!(sealer(1, Purpose::Install).open(&sealed).is_none());
    }

    #[test]
    fn no_two_seals_are_alike_and_none_shows_the_text() {
        let sealer = sealer(1, Purpose::Token);
        let (one, two) = (sealer.seal("xoxb-secret"), sealer.seal("xoxb-secret"));
        assert_ne!(one, two);
        assert!(one.starts_with("s1.") && !one.contains("secret"));
    }

    #[test]
    fn the_key_of_a_signing_secret_is_always_the_same() {
        let key = |text: &str| Key::derived(&SigningSecret::new(&Secret::new(text)).unwrap());
        let sealed = Sealer::new(&key("a"), Purpose::ResponseUrl).seal("https://hooks.slack.com/x");
        let open = |text| Sealer::new(&key(text), Purpose::ResponseUrl).open(&sealed);
        assert_eq!(open("a").unwrap().expose(), "https://hooks.slack.com/x");
        assert!(open("b").is_none());
    }

    proptest::proptest! {
        #[test]
        fn what_is_sealed_opens_until_it_is_touched(text: String, place: usize, other in "[A-Za-z0-9_.-]") {
            let sealer = sealer(1, Purpose::Token);
            let sealed = sealer.seal(&text);
            let opened = sealer.open(&sealed).unwrap();
            proptest::prop_assert_eq!(opened.expose(), &text);
            let place = place % sealed.len();
            let mut touched = sealed.clone();
            touched.replace_range(place..=place, &other);
            if touched != sealed {
                proptest::prop_assert!(sealer.open(&touched).is_none());
            }
            proptest::prop_assert!(sealer.open(&sealed[..place]).is_none());
        }

        #[test]
        fn any_text_can_be_tried(text: String) {
            proptest::prop_assert!(sealer(1, Purpose::Token).open(&text).is_none());
        }
    }
}
