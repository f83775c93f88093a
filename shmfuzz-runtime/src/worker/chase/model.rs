//! Repairs without further looking: what the bytes of an input did to each of its comparisons says
//! what to write into which of them, when an edit has turned one that had held.
//!
//! So a field that grows takes along the lengths of all that it lies in, in an execution or two a
//! level. What is inserted or cut moves the bytes behind it; the rest is as it was. A repair that
//! is wrong does not get further than what it was made from, and is dropped.

use super::super::solve;
use super::super::trace::Operands;
use super::affine::{self, Weight};
use super::effects::{self, Effects};
use super::{Chase, Goal, MAX_EDITS, Node, Stopped, apply, edited, resized};
use std::collections::BTreeSet;

/// How many comparisons that turned are made right after one edit.
const MAX_LEVELS: usize = 12;
/// How many ways are tried for each.
const MAX_WAYS: usize = 4;
/// How many bytes are looked at again for one comparison.
const MAX_LOOKED_AT: usize = 8;
/// How many edits of an integer are tried with as many bytes after it.
const MAX_LENGTHS: usize = 6;
/// In how many lists elements are added or taken away for that.
const MAX_COUNTS: usize = 4;
/// How many bytes these are at most.
const MAX_GROWTH: u64 = 1024;

/// Where the bytes of an input stand after an edit.
#[derive(Clone, Copy, Debug)]
struct Moved {
    /// What is before it stays.
    start: usize,
    /// What was behind it is moved.
    end: usize,
    by: isize,
}

impl Moved {
    fn new(before: &[u8], now: &[u8]) -> Self {
        let (start, end) = edited(before, now);
        let by = now.len() as isize - before.len() as isize;
        Self { start, end: end.wrapping_add_signed(-by), by }
    }

    /// Where a byte stands now; `None` if it was edited.
    fn place(self, at: usize) -> Option<usize> {
        match at {
            at if at < self.start => Some(at),
            at if at < self.end => None,
            at => at.checked_add_signed(self.by),
        }
    }
}

impl Chase<'_> {
    /// Reaches a goal by an edit of which all that it turns is made right from what is known.
    pub(super) fn by_model(
        &mut self,
        node: &Node,
        goal: Goal<'_>,
        effects: &Effects,
    ) -> Result<Option<Node>, Stopped> {
        for input in self.edits_of_goal(node, goal, effects) {
            let moved = Moved::new(&node.input, &input);
            let Some(mut now) = self.attempt(input)? else { continue };
            let mut written = BTreeSet::new();
            for _ in 0..MAX_LEVELS {
                if goal.is_reached(&node.trace, &now.trace) {
                    return Ok(Some(now));
                }
                let parting = node.trace.parting(&now.trace).filter(|idx| *idx < goal.idx);
                let Some(idx) = parting else { break };
                let Some(better) = self.next_level(node, &now, (idx, moved), effects, &written)?
                else {
                    break;
                };
                let places = now.input.iter().zip(&better.input).enumerate();
                written.extend(places.filter(|(_, (x, y))| x != y).map(|(at, _)| at));
                now = better;
            }
        }
        Ok(None)
    }

    /// The input with the comparison at `idx` as it had been in `node`, if it gets further so.
    fn next_level(
        &mut self,
        node: &Node,
        now: &Node,
        (idx, moved): (usize, Moved),
        effects: &Effects,
        written: &BTreeSet<usize>,
    ) -> Result<Option<Node>, Stopped> {
        let before = &node.trace.events[idx].operands;
        let is_free = |at: &usize| !written.contains(at);
        let weights = effects::of_bytes(effects.of(idx)).filter_map(|(at, step, operands)| {
            let at = moved.place(at).filter(is_free)?;
            affine::weight(before, operands, at, step)
        });
        if let Some(better) = self.by_known(node, now, idx, weights.collect())? {
            return Ok(Some(better));
        }
        // A byte whose change ended the way before: what it does now. Those first that the last
        // comparisons before this one depend on.
        let mut bytes = Vec::new();
        'all: for event in (0..=idx).rev() {
            for (at, ..) in effects::of_bytes(effects.of(event)) {
                let Some(at) = moved.place(at).filter(is_free) else { continue };
                if !bytes.contains(&at) {
                    bytes.push(at);
                }
                if bytes.len() == MAX_LOOKED_AT {
                    break 'all;
                }
            }
        }
        let Some(event) = now.trace.events.get(idx) else { return Ok(None) };
        let mut weights = Vec::new();
        for at in bytes {
            let Some((byte, step)) = effects::step(&now.input, at, self.limits.kind) else {
                continue;
            };
            let mut changed = now.input.clone();
            changed[at] = byte;
            let Some(trace) = self.run(&changed)? else { continue };
            let then = trace.events.get(idx).filter(|then| then.is_same(event));
            weights.extend(
                then.and_then(|then| affine::weight(&event.operands, &then.operands, at, step)),
            );
        }
        self.by_known(node, now, idx, weights)
    }

    /// By what bytes count in the comparison at `idx`.
    fn by_known(
        &mut self,
        node: &Node,
        now: &Node,
        idx: usize,
        weights: Vec<Weight>,
    ) -> Result<Option<Node>, Stopped> {
        let Some(event) = now.trace.events.get(idx) else { return Ok(None) };
        let order = node.trace.events[idx].operands.order();
        let ways =
            affine::by_weights(&now.input, weights, &event.operands, order, self.limits.kind);
        for input in ways.into_iter().take(MAX_WAYS) {
            let Some(better) = self.attempt(input)? else { continue };
            if node.trace.parting(&better.trace).is_none_or(|parting| parting > idx) {
                return Ok(Some(better));
            }
        }
        Ok(None)
    }

    /// What may reach a goal if nothing were in the way.
    fn edits_of_goal(&self, node: &Node, goal: Goal<'_>, effects: &Effects) -> Vec<Vec<u8>> {
        let limits = self.limits;
        let traced = limits.traced(&node.input);
        let operands = &node.trace.events[goal.idx].operands;
        let edits = solve::edits_of(traced, operands, goal.wanted);
        let mut made: Vec<Vec<u8>> =
            edits.iter().take(MAX_EDITS).map(|edit| apply(&node.input, edit, &limits)).collect();
        made.extend(affine::candidates(node, goal, effects.of(goal.idx), limits));
        // A length is made right together with what it is the length of.
        if let Operands::Int { a, b, .. } = operands {
            let n = a.abs_diff(*b);
            if n <= MAX_GROWTH {
                let lengths = made.iter().filter(|made| made.len() == node.input.len());
                let counts = limits.parts(&node.input).map_or(Vec::new(), |parts| parts.counts);
                let listed = lengths.clone().take(MAX_LENGTHS).flat_map(|length| {
                    let places = counts.iter().take(MAX_COUNTS);
                    places.flat_map(|at| {
                        let n = i128::from(n);
                        [n, -n].map(|n| limits.with_more(length, *at, n))
                    })
                });
                let listed: Vec<Vec<u8>> = listed.flatten().collect();
                let lengths = lengths.filter(|_| limits.shape.is_none());
                let grown = lengths.take(MAX_LENGTHS).flat_map(|length| {
                    let (_, end) = edited(&node.input, length);
                    let (head, tail) = length.split_at(end);
                    let filled = resized(&[], n as usize, limits.kind);
                    let cut = tail.get(n as usize..).map(|tail| [head, tail].concat());
                    let grown = [
                        Some([head, &filled, tail].concat()).filter(|_| a > b || cut.is_none()),
                        cut.filter(|_| a < b),
                    ];
                    let at_end =
                        (a > b && !tail.is_empty()).then(|| [length, &filled[..]].concat());
                    grown.into_iter().chain([at_end]).flatten()
                });
                let grown: Vec<Vec<u8>> = grown.collect();
                made.extend(grown.into_iter().chain(listed));
            }
        }
        let mut known = BTreeSet::from([node.input.clone()]);
        made.retain(|input| known.insert(input.clone()));
        made
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Program, Recorder, chased, node};
    use super::*;
    use proptest::prelude::*;
    use std::cmp::Ordering;

    /// That the comparison a program makes at this place comes out equal.
    fn goal(node: &Node, site: u64) -> Goal<'static> {
        let idx = node.trace.events.iter().position(|event| event.site == site).unwrap();
        Goal { idx, wanted: Ordering::Equal, unlike: None, kept: (0, 0) }
    }

    /// What reaches a goal, and in how many executions beside those that look for the effects.
    fn by_model(program: Program, start: &[u8], site: u64) -> (Option<Vec<u8>>, u64) {
        let start = node(program, start);
        let goal = goal(&start, site);
        let (effects, n_looked) =
            chased(program, |chase| chase.effects(&start, &[goal.idx]).unwrap());
        assert!(n_looked > 0);
        let (reached, n_runs) =
            chased(program, |chase| chase.by_model(&start, goal, &effects).unwrap());
        if let Some(reached) = &reached {
            let now = node(program, &reached.input);
            assert!(goal.is_reached(&start.trace, &now.trace), "{:?}", reached.input);
        }
        (reached.map(|reached| reached.input), n_runs)
    }

    /// A length and as many bytes, with nothing after them.
    fn field<'d>(d: &'d [u8], rec: &mut Recorder, site: u64) -> Option<&'d [u8]> {
        if rec.constant(site, 1, d.len() as u64, 8).is_lt() {
            return None;
        }
        let (n, rest) = (usize::from(d[0]), &d[1..]);
        if rec.values(site + 1, n as u64, rest.len() as u64, 8).is_gt() {
            return None;
        }
        let (value, rest) = rest.split_at(n);
        rec.constant(site + 2, 0, rest.len() as u64, 8).is_eq().then_some(value)
    }

    fn nested(d: &[u8], rec: &mut Recorder) -> bool {
        let outer = field(d, rec, 10);
        let middle = outer.and_then(|outer| field(outer, rec, 20));
        let inner = middle.and_then(|middle| field(middle, rec, 30));
        inner.is_some_and(|inner| rec.slices(40, inner, b"secret"))
    }

    #[test]
    fn a_field_that_grows_or_shrinks_takes_along_all_it_lies_in() {
        let is_right = |made: &[u8]| made.len() == 9 && made[..3] == [8, 7, 6];
        let (grown, n_runs) = by_model(nested, &[4, 3, 2, b'a', b'b'], 40);
        assert!(is_right(&grown.unwrap()));
        assert!(n_runs < 100, "{n_runs} executions");
        let (shrunk, _) = by_model(nested, b"\x0a\x09\x08abcdefgh", 40);
        assert!(is_right(&shrunk.unwrap()));
    }

    #[test]
    fn what_is_edited_in_place_turns_nothing() {
        let (made, n_runs) = by_model(nested, b"\x08\x07\x06abcdef", 41);
        assert_eq!(made.as_deref(), Some(&b"\x08\x07\x06secret"[..]));
        assert_eq!(n_runs, 1);
    }

    /// Two bytes that must be equal, one after the other.
    fn pairs(d: &[u8], rec: &mut Recorder) -> bool {
        let [w, x, y, z] = [0, 1, 2, 3].map(|at| u64::from(d[at]));
        rec.values(1, w, x, 1).is_eq() && rec.values(2, y, z, 1).is_eq()
    }

    #[test]
    fn a_level_is_mended_by_bytes_that_were_not_written_before() {
        let (before, now) = (node(pairs, &[5, 5, 7, 7]), node(pairs, &[5, 9, 7, 7]));
        let (effects, _) = chased(pairs, |chase| chase.effects(&before, &[1]).unwrap());
        let moved = Moved::new(&before.input, &now.input);
        let better = |written: &[usize]| {
            let written = written.iter().copied().collect();
            let level = |chase: &mut Chase<'_>| {
                chase.next_level(&before, &now, (0, moved), &effects, &written).unwrap()
            };
            chased(pairs, level).0.map(|better| better.input)
        };
        assert_eq!(moved.place(1), None, "it was edited");
        assert_eq!(better(&[]), Some(vec![9, 9, 7, 7]));
        assert_eq!(better(&[0]), None);
        assert_eq!(better(&[2, 3]), Some(vec![9, 9, 7, 7]));
    }

    /// A field whose length no byte seemed to matter to: one more, and it ends too late.
    fn exact(d: &[u8], rec: &mut Recorder) -> bool {
        field(d, rec, 1).is_some_and(|value| rec.slices(5, value, b"abcd"))
    }

    #[test]
    fn bytes_whose_change_ended_the_way_before_are_looked_at_again() {
        let (before, now) = (node(exact, b"\x02ab"), node(exact, b"\x02abXY"));
        let rest = before.trace.events.iter().position(|event| event.site == 3).unwrap();
        assert_eq!(before.trace.parting(&now.trace), Some(rest));
        let (effects, _) = chased(exact, |chase| chase.effects(&before, &[rest + 1]).unwrap());
        assert!(effects.of(rest).is_empty());
        let moved = Moved::new(&before.input, &now.input);
        let (better, n_runs) = chased(exact, |chase| {
            chase.next_level(&before, &now, (rest, moved), &effects, &BTreeSet::new()).unwrap()
        });
        assert_eq!(better.unwrap().input, b"\x04abXY");
        assert!(n_runs <= (MAX_LOOKED_AT + MAX_WAYS) as u64, "{n_runs} executions");
    }

    /// A byte and its square, of which what a change does tells where it stands alone.
    fn squared(d: &[u8], rec: &mut Recorder) -> bool {
        let [root, square] = [0, 1].map(|at| d.get(at).map_or(0, |byte| u64::from(*byte)));
        rec.values(1, root * root, square, 2).is_eq() && rec.slices(2, d, b"0123456789")
    }

    #[test]
    fn repairs_that_get_no_further_are_dropped() {
        let before = node(squared, &[3, 9, 0]);
        let (effects, _) = chased(squared, |chase| chase.effects(&before, &[1]).unwrap());
        let better = |square: u8| {
            let now = node(squared, &[3, square, 0]);
            let moved = Moved::new(&before.input, &now.input);
            chased(squared, |chase| {
                chase.next_level(&before, &now, (0, moved), &effects, &BTreeSet::new()).unwrap()
            })
        };
        assert_eq!(better(16).0.unwrap().input, [4, 16, 0]);
        let (dropped, n_runs) = better(23);
        assert!(dropped.is_none(), "14 more is 2 times 7 more, but not here");
        assert!((1..=(2 * MAX_WAYS + MAX_LOOKED_AT) as u64).contains(&n_runs));
    }

    #[test]
    fn a_length_is_edited_together_with_what_it_is_the_length_of() {
        let program: Program = |d, rec| rec.constant(1, 5, u64::from(d[1]), 1).is_eq();
        let made = |start: &[u8]| {
            let start = node(program, start);
            let goal = goal(&start, 1);
            chased(program, |chase| {
                let effects = chase.effects(&start, &[goal.idx]).unwrap();
                chase.edits_of_goal(&start, goal, &effects)
            })
            .0
        };
        let grown = made(b"<\x03abc>");
        assert!(grown.contains(&b"<\x05abc>".to_vec()));
        let is_grown = |made: &[u8]| made.len() == 8 && made.starts_with(b"<\x05");
        assert!(grown.iter().any(|made| is_grown(made) && made.ends_with(b"abc>")));
        assert!(grown.iter().any(|made| is_grown(made) && made.starts_with(b"<\x05abc>")));
        let cut = made(b"<\x07abcdefg>");
        assert!(cut.contains(&b"<\x05cdefg>".to_vec()));
        for all in [grown, cut] {
            assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "each once");
            assert!(all.iter().all(|made| made.len() < 16));
        }
    }

    proptest! {
        #[test]
        fn bytes_are_found_where_an_edit_has_moved_them(
            head in prop::collection::vec(0u8..4, 0..6),
            removed in prop::collection::vec(0u8..4, 0..4),
            put in prop::collection::vec(0u8..4, 0..4),
            tail in prop::collection::vec(0u8..4, 0..6),
        ) {
            let before = [&head[..], &removed, &tail].concat();
            let now = [&head[..], &put, &tail].concat();
            let moved = Moved::new(&before, &now);
            let places: Vec<Option<usize>> = (0..before.len()).map(|at| moved.place(at)).collect();
            for (at, place) in places.iter().enumerate() {
                if let Some(place) = place {
                    prop_assert_eq!(now.get(*place), Some(&before[at]));
                }
            }
            let known: Vec<usize> = places.into_iter().flatten().collect();
            prop_assert!(known.is_sorted_by(|x, y| x < y));
            prop_assert!(known.len() + removed.len() >= before.len(), "more than was edited");
        }
    }
}
