use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

use super::digest::{Digest, Fingerprint};

/// The bytes of most lines of a [`Part`] at most: a path, and 64 digits.
const USUAL_LINE: usize = 96;

/// Something whose change must rebuild a site.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Input {
    /// The declared settings that shape the output.
    Spec,
    /// The published posts.
    Posts,
    /// The files that match the site's globs.
    Files,
    /// The deployed code revision.
    Revision,
}

impl Input {
    /// All four, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::Spec, Self::Posts, Self::Files, Self::Revision];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Spec => "spec",
            Self::Posts => "posts",
            Self::Files => "files",
            Self::Revision => "revision",
        }
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of inputs.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Inputs(u8);

impl Inputs {
    /// Whether the set holds `input`.
    pub fn contains(self, input: Input) -> bool {
        self.0 & (1 << input as u8) != 0
    }

    /// Whether the set is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The inputs of the set, in the order in which they are shown.
    pub fn iter(self) -> impl Iterator<Item = Input> {
        Input::ALL
            .into_iter()
            .filter(move |input| self.contains(*input))
    }
}

impl FromIterator<Input> for Inputs {
    fn from_iter<T: IntoIterator<Item = Input>>(inputs: T) -> Self {
        Self(
            inputs
                .into_iter()
                .fold(0, |bits, input| bits | (1 << input as u8)),
        )
    }
}

impl fmt::Debug for Inputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// Joined for people: `posts`, `spec and files`, `spec, posts and files`.
impl fmt::Display for Inputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.iter().map(Input::as_str).collect();
        match words.split_last() {
            None => Ok(()),
            Some((last, [])) => f.write_str(last),
            Some((last, rest)) => write!(f, "{} and {last}", rest.join(", ")),
        }
    }
}

/// The canonical text of one input: sorted lines of `item value`.
///
/// Format 1 (a change of it changes every content hash, and the golden values in the tests say so):
/// an item has its white space, control characters and `%` written as `%XX`, so that the first
/// space of a line ends it; a value is one line; lines are sorted by their bytes; equal lines stay.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Part {
    text: String,
}

impl Part {
    /// Builds the text from items and values in any order.
    pub fn from_items<I, V>(items: impl IntoIterator<Item = (I, V)>) -> Self
    where
        I: AsRef<str>,
        V: AsRef<str>,
    {
        let items = items.into_iter();
        // A hundred thousand lines would be moved a dozen times on their way.
        let most = items.size_hint().1.unwrap_or(0);
        let mut text = String::with_capacity(most.saturating_mul(USUAL_LINE));
        // The items of a hundred thousand files come in order: looking is cheaper than sorting.
        let (mut is_sorted, mut last) = (true, 0);
        for (item, value) in items {
            let start = text.len();
            escape(item.as_ref(), &mut text);
            text.push(' ');
            push_one_line(value.as_ref(), &mut text);
            let line_before = &text.as_bytes()[last..start.saturating_sub(1)];
            is_sorted &= line_before <= &text.as_bytes()[start..];
            text.push('\n');
            last = start;
        }
        if !is_sorted {
            text = sorted(&text);
        }
        Self { text }
    }

    /// One part of all the lines of several.
    pub fn joined(mut parts: Vec<Self>) -> Self {
        if parts.len() == 1
            && let Some(only) = parts.pop()
        {
            return only;
        }
        let last = |part: &Self| part.text.lines().next_back().map(str::to_owned);
        let first = |part: &Self| part.text.lines().next().map(str::to_owned);
        parts.retain(|part| !part.text.is_empty());
        let is_sorted = parts.is_sorted_by(|a, b| last(a) <= first(b));
        let text: String = parts.iter().map(Self::as_text).collect();
        Self {
            text: if is_sorted { text } else { sorted(&text) },
        }
    }

    /// A part that was stored as text.
    pub fn from_text(text: String) -> Self {
        Self { text }
    }

    /// The canonical text.
    pub fn as_text(&self) -> &str {
        &self.text
    }

    /// The text, given away.
    pub fn into_text(self) -> String {
        self.text
    }

    /// Items (unescaped) with their values.
    pub fn items(&self) -> impl Iterator<Item = (String, &str)> {
        self.text.lines().filter_map(|line| {
            let (item, value) = line.split_once(' ')?;
            Some((unescape(item), value))
        })
    }

    /// The digest that stands for this part in a fingerprint.
    pub fn digest(&self, input: Input) -> Digest {
        let domain = match input {
            Input::Spec => "microblot/spec/1",
            Input::Posts => "microblot/posts/1",
            Input::Files => "microblot/files/1",
            Input::Revision => "microblot/revision/1",
        };
        Digest::of_fields(domain, [self.text.as_bytes()])
    }
}

/// The canonical text of everything that a build of a site depends on.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Manifest {
    /// Settings.
    pub spec: Part,
    /// Published posts, or the members of an aggregate.
    pub posts: Part,
    /// Files with their digests.
    pub files: Part,
    /// The code revision, if the site depends on it.
    pub revision: Part,
}

impl Manifest {
    /// The digests of the four parts.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint {
            spec: self.spec.digest(Input::Spec),
            posts: self.posts.digest(Input::Posts),
            files: self.files.digest(Input::Files),
            revision: self.revision.digest(Input::Revision),
        }
    }

    /// One part.
    pub fn part(&self, input: Input) -> &Part {
        match input {
            Input::Spec => &self.spec,
            Input::Posts => &self.posts,
            Input::Files => &self.files,
            Input::Revision => &self.revision,
        }
    }

    /// The whole manifest as text: every line behind the word of its input.
    pub fn to_text(&self) -> String {
        let mut text = String::from("microblot manifest 1\n");
        for input in Input::ALL {
            for line in self.part(input).as_text().lines() {
                let _infallible = writeln!(text, "{input} {line}");
            }
        }
        text
    }
}

fn sorted(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.into_iter().flat_map(|line| [line, "\n"]).collect()
}

fn push_one_line(value: &str, out: &mut String) {
    // Looking for a byte is many times as fast as splitting at characters.
    if [b'\n', b'\r']
        .iter()
        .all(|end| !value.as_bytes().contains(end))
    {
        out.push_str(value);
    } else {
        out.push_str(&value.replace(['\n', '\r'], " "));
    }
}

fn escape(item: &str, out: &mut String) {
    if item
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'%')
    {
        out.push_str(item);
        return;
    }
    for c in item.chars() {
        if c.is_whitespace() || c.is_control() || c == '%' {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                let _infallible = write!(out, "%{byte:02X}");
            }
        } else {
            out.push(c);
        }
    }
}

fn unescape(item: &str) -> String {
    let mut bytes = Vec::with_capacity(item.len());
    let mut rest = item.as_bytes();
    while let [first, tail @ ..] = rest {
        let decoded = (*first == b'%')
            .then(|| tail.get(..2))
            .flatten()
            .and_then(|digits| hex::decode(digits).ok());
        match decoded {
            Some(byte) => {
                bytes.extend(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Golden values: whoever changes the format must change these, and every site is rebuilt.
    #[test]
    fn format_1_is_what_it_was() {
        let manifest = Manifest {
            spec: Part::from_items([("url", "\"https://foo.example.org\""), ("title", "\"Foo\"")]),
            posts: Part::from_items([("hello-world", "aa \"Hello, world\"")]),
            files: Part::from_items([("www/a b%.md", "bb"), ("www/a.md", "cc")]),
            revision: Part::from_items([("revision", "4f2c1d9")]),
        };
        insta::assert_snapshot!(manifest.to_text(), @r#"
        microblot manifest 1
        spec title "Foo"
        spec url "https://foo.example.org"
        posts hello-world aa "Hello, world"
        files www/a%20b%25.md bb
        files www/a.md cc
        revision revision 4f2c1d9
        "#);
        let fingerprint = manifest.fingerprint();
        insta::assert_snapshot!(
            format!(
                "{}\n{}\n{}\n{}\n{}",
                fingerprint.spec,
                fingerprint.posts,
                fingerprint.files,
                fingerprint.revision,
                fingerprint.hash()
            ),
            @r"
        9eae9f5fdc50ad9b6675ae7780da635c4c5dbc7e5e5ea1b77a74d85941fa87bc
        e0550626d32f7efeb652f2374779975d09fd1c8d2e4d76a526304b6614683fce
        1b0d8735ca90a86d9618dd6ff51bddc8fb07d24720d3a3f8cec977a1927aa40f
        fb09ad1707dd4703cdf28be7850a9711c60a8657eb950a6bbd63178e1c28fc6a
        sha256:11346d7fee3b8488ca5bcd88f4385f869bd29022d4eb5788119df4dc0b8957b3
        "
        );
        insta::assert_snapshot!(Manifest::default().fingerprint().hash(), @"sha256:f40284163fb51df5f6ed92245b835fb93c74c639a1b6f2d32a667eed8d91cfac");
    }

    #[test]
    fn inputs_read_as_a_sentence() {
        let inputs: Inputs = [Input::Files, Input::Spec, Input::Posts]
            .into_iter()
            .collect();
        assert_eq!(inputs.to_string(), "spec, posts and files");
        assert_eq!(Inputs::from_iter([Input::Posts]).to_string(), "posts");
    }

    proptest! {
        #[test]
        fn order_of_insertion_never_counts(mut items in prop::collection::vec((".*", ".*"), 0..8)) {
            let part = Part::from_items(items.clone());
            items.reverse();
            prop_assert_eq!(part, Part::from_items(items));
        }

        #[test]
        fn parts_are_joined_as_if_they_had_been_one(
            items in prop::collection::vec((".{0,3}", ".{0,3}"), 0..12),
            at_once in 1_usize..5,
        ) {
            for in_order in [false, true] {
                let mut items = items.clone();
                if in_order {
                    items.sort();
                }
                let parts = items.chunks(at_once).map(|items| Part::from_items(items.to_vec()));
                prop_assert_eq!(Part::joined(parts.collect()), Part::from_items(items.clone()));
            }
        }

        #[test]
        fn any_item_survives_the_text(item in any::<String>()) {
            let part = Part::from_items([(item.as_str(), "v")]);
            let back: Vec<_> = part.items().collect();
            prop_assert_eq!(back, vec![(item.clone(), "v")]);
        }
    }
}
