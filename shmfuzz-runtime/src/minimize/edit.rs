//! Edits: what of an input is removed and what takes its place. And where text may be parted.

use std::ops::Range;

/// One replacement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edit {
    /// What goes.
    pub(super) range: Range<usize>,
    /// What comes.
    pub(super) new: Vec<u8>,
}

/// Edits of one input that are made together: in order, and none into another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Edits(Vec<Edit>);

impl Edits {
    /// Nothing but the removal of a range.
    pub(super) fn cut(range: Range<usize>) -> Self {
        Self::default().and_cut(range)
    }

    /// A replacement.
    pub(super) fn put(range: Range<usize>, new: Vec<u8>) -> Self {
        Self::default().and_put(range, new)
    }

    /// And the removal of a range.
    pub(super) fn and_cut(self, range: Range<usize>) -> Self {
        self.and_put(range, Vec::new())
    }

    /// And a replacement.
    pub(super) fn and_put(mut self, range: Range<usize>, new: Vec<u8>) -> Self {
        let at = self.0.partition_point(|edit| edit.range.start < range.start);
        self.0.insert(at, Edit { range, new });
        self
    }

    /// How many bytes shorter the input becomes; 0 if it becomes longer.
    pub(super) fn n_removed(&self) -> usize {
        let went: usize = self.0.iter().map(|edit| edit.range.len()).sum();
        let came: usize = self.0.iter().map(|edit| edit.new.len()).sum();
        went.saturating_sub(came)
    }

    /// Makes what the edits make of `input`; false if they do not fit it or each other.
    pub(super) fn apply(&self, input: &[u8], out: &mut Vec<u8>) -> bool {
        out.clear();
        let mut done = 0;
        for Edit { range, new } in &self.0 {
            let Some(kept) = input.get(done..range.start) else { return false };
            if range.end < range.start || range.end > input.len() {
                return false;
            }
            out.extend_from_slice(kept);
            out.extend_from_slice(new);
            done = range.end;
        }
        out.extend_from_slice(&input[done..]);
        true
    }
}

/// Whether text can be parted at `at`.
pub(super) fn is_boundary(text: &[u8], at: usize) -> bool {
    text.get(at).map_or(at == text.len(), |byte| byte & 0xc0 != 0x80)
}

/// The last boundary at or before `at`, which may be anything.
pub(super) fn boundary_before(text: &[u8], at: usize) -> usize {
    let mut at = at.min(text.len());
    while at > 0 && !is_boundary(text, at) {
        at -= 1;
    }
    at
}

/// The first boundary at or after `at`, at most the length.
pub(super) fn boundary_after(text: &[u8], at: usize) -> usize {
    let mut at = at.min(text.len());
    while !is_boundary(text, at) {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_made_together_in_any_order_of_their_making() {
        let edits = Edits::cut(4..6).and_put(0..1, b"xy".to_vec()).and_cut(2..3);
        let mut out = Vec::new();
        assert!(edits.apply(b"abcdef", &mut out));
        assert_eq!((&out[..], edits.n_removed()), (&b"xybd"[..], 2));
    }

    #[test]
    fn edits_that_do_not_fit_are_refused() {
        let mut out = Vec::new();
        assert!(!Edits::cut(0..3).and_cut(2..4).apply(b"abcdef", &mut out));
        assert!(!Edits::cut(5..7).apply(b"abcdef", &mut out));
        assert!(!Edits::cut(7..7).apply(b"abcdef", &mut out));
    }
}
