use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use super::manifest::{Input, Inputs};

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

const HEX: &[u8; 16] = b"0123456789abcdef";

/// 64 hexadecimal digits.
#[derive(Clone, Copy)]
pub struct Hex([u8; 64]);

impl AsRef<str> for Hex {
    fn as_ref(&self) -> &str {
        // Always digits.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// A digest of a list of fields that are not all at hand at once: as [`Digest::of_fields`].
#[derive(Debug)]
pub struct FieldsDigest(Sha256);

impl FieldsDigest {
    /// Of no field yet.
    pub fn new(domain: &str) -> Self {
        let mut digest = Self(Sha256::new());
        digest.add(domain.as_bytes());
        digest
    }

    /// Takes the next field.
    pub fn add(&mut self, field: &[u8]) {
        self.0.update((field.len() as u64).to_be_bytes());
        self.0.update(field);
    }

    /// Of all fields so far.
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

/// A text that is not 64 lower-case hexadecimal digits, with or without `sha256:` before them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a SHA-256 digest: {0:?}")]
pub struct DigestError(String);

impl Digest {
    /// The digest of raw bytes, as `sha256sum` prints it.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest of a list of fields in a domain.
    ///
    /// Every field, the domain first, goes in behind its length (8 bytes, big-endian), so that no
    /// two different lists give the same bytes, and no list of one domain equals one of another.
    pub fn of_fields<'a>(domain: &str, fields: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut digest = FieldsDigest::new(domain);
        for field in fields {
            digest.add(field);
        }
        digest.finish()
    }

    /// Wraps a finished SHA-256.
    pub fn from_array(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 64 hexadecimal digits, without an allocation: there are hundreds of thousands of them.
    pub fn hex(&self) -> Hex {
        let mut digits = [0; 64];
        for (byte, pair) in self.0.iter().zip(digits.chunks_exact_mut(2)) {
            pair[0] = HEX[usize::from(byte >> 4)];
            pair[1] = HEX[usize::from(byte & 15)];
        }
        Hex(digits)
    }

    /// The first `digits` hexadecimal digits, for people.
    pub fn short(&self, digits: usize) -> String {
        let mut text = hex::encode(self.0);
        text.truncate(digits);
        text
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.hex().as_ref())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}…", self.short(8))
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        let mut bytes = [0; 32];
        let lower = !digits.bytes().any(|b| b.is_ascii_uppercase());
        match hex::decode_to_slice(digits, &mut bytes) {
            Ok(()) if lower => Ok(Self(bytes)),
            _ => Err(DigestError(text.to_owned())),
        }
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The hash of everything a build of a site depends on. Written `sha256:` and 64 digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash(pub Digest);

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl FromStr for ContentHash {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        text.parse().map(Self)
    }
}

impl Serialize for ContentHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ContentHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Digest::deserialize(deserializer).map(Self)
    }
}

/// The digests of the four inputs of a site, kept apart so that a change can be named.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Of the declared settings that shape the output.
    pub spec: Digest,
    /// Of the published posts.
    pub posts: Digest,
    /// Of the files.
    pub files: Digest,
    /// Of the deployed code revision.
    pub revision: Digest,
}

impl Fingerprint {
    /// The content hash: one digest over all four.
    pub fn hash(&self) -> ContentHash {
        let Self {
            spec,
            posts,
            files,
            revision,
        } = self;
        let parts = [spec, posts, files, revision];
        ContentHash(Digest::of_fields(
            "microblot/content/1",
            parts.map(|part| part.as_bytes().as_slice()),
        ))
    }

    /// The digest of one input.
    pub fn part(&self, input: Input) -> Digest {
        match input {
            Input::Spec => self.spec,
            Input::Posts => self.posts,
            Input::Files => self.files,
            Input::Revision => self.revision,
        }
    }

    /// Which inputs differ from `last`.
    pub fn changed_since(&self, last: &Self) -> Inputs {
        Input::ALL
            .into_iter()
            .filter(|input| self.part(*input) != last.part(*input))
            .collect()
    }
}
