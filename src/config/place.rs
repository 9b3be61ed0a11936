use std::ops::Range;

/// The longest line that is shown whole, in bytes: of a longer one only the part around the place.
const WHOLE_LINE: usize = 240;

/// The bytes of a long line that are shown before and after the start of a place.
const BEFORE: usize = 50;
const AFTER: usize = 70;

/// Where the lines of a text start.
pub(super) struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

/// One line, or a part of a long one, with the bytes of it that are meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Excerpt {
    pub(super) text: String,
    pub(super) marked: Range<usize>,
    /// Whether something before the place is left out, so that columns cannot be counted in it.
    pub(super) cut: bool,
}

impl<'t> Lines<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0)
            .chain(breaks.map(|(at, _)| at + 1))
            .collect();
        Self { text, starts }
    }

    /// The number, from 1, of the line that holds the byte at `offset`.
    pub(super) fn number(&self, offset: usize) -> u32 {
        let number = self.starts.partition_point(|start| *start <= offset);
        u32::try_from(number).unwrap_or(u32::MAX)
    }

    /// The bytes of the line that holds `offset`, without its line end.
    pub(super) fn around(&self, offset: usize) -> Range<usize> {
        let next = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts[next - 1];
        let end = self.starts.get(next).map_or(self.text.len(), |end| end - 1);
        let line = &self.text[start..end];
        start..start + line.strip_suffix('\r').unwrap_or(line).len()
    }

    /// The column, from 1 and in characters, of the byte at `offset`.
    pub(super) fn column(&self, offset: usize) -> u32 {
        let start = self.around(offset).start;
        let before = self.text.as_bytes()[start..offset.min(self.text.len())]
            .iter()
            .filter(|byte| !is_continuation(**byte));
        u32::try_from(before.count() + 1).unwrap_or(u32::MAX)
    }

    /// The line of `span` as it is shown, with every character in `hidden` replaced by `*`.
    ///
    /// `hidden` is sorted by its starts and free of overlaps.
    pub(super) fn excerpt(&self, span: &Range<usize>, hidden: &[Range<usize>]) -> Excerpt {
        let line = self.around(span.start);
        let mut part = line.clone();
        if line.len() > WHOLE_LINE {
            part.start = self.boundary(line.start.max(span.start.saturating_sub(BEFORE)));
            part.end = self.boundary(line.end.min(span.start + AFTER));
        }
        let cut = part.start > line.start;
        let mut text = String::from(if cut { "…" } else { "" });
        let mut marked = None;
        let mut end = None;
        for (at, c) in self.text[part.clone()].char_indices() {
            let at = part.start + at;
            if at >= span.start {
                marked.get_or_insert(text.len());
            }
            if at >= span.end {
                end.get_or_insert(text.len());
            }
            let next = hidden.partition_point(|range| range.end <= at);
            let is_hidden = hidden.get(next).is_some_and(|range| range.start <= at);
            text.push(if is_hidden { '*' } else { c });
        }
        let start = marked.unwrap_or(text.len());
        let marked = start..end.unwrap_or(text.len()).max(start);
        if part.end < line.end {
            text.push('…');
        }
        Excerpt { text, marked, cut }
    }

    /// The last start of a character at or before `offset`.
    fn boundary(&self, offset: usize) -> usize {
        self.text.floor_char_boundary(offset)
    }
}

fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}
