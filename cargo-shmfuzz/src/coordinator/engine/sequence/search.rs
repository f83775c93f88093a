//! Which inputs are tried next, of all that a worker has run, to find the fewest and smallest that
//! fail. Pure.
//!
//! Invariant: once a try has failed, the inputs are those of a try that has failed.

use crate::coordinator::campaign::Bytes;
use shmfuzz_runtime::journal::Life;
use shmfuzz_runtime::minimize::{Minimizer, Scope};
use shmfuzz_runtime::record::InputKind;
use shmfuzz_runtime::shape::Shape;
use std::time::Duration;

/// Fresh workers in which what was reached is run before it counts as not failing after all.
const CHECKS: u32 = 3;
/// The same where the system's randomness is a stream that begins alike in each process: so many, each
/// with another stream, must all fail, or it is the stream that needs the inputs.
const SEEDED_CHECKS: u32 = 4;

/// A search for the shortest sequence of inputs that fails.
#[derive(Clone, Debug)]
pub(in super::super) struct Sequence {
    /// What is known to fail; all that was run, until something is.
    pub(super) inputs: Vec<Bytes>,
    kind: InputKind,
    shape: Option<Shape>,
    /// Whether the system's randomness begins alike in each process.
    is_seeded: bool,
    step: Step,
    /// Time used by jobs and starts.
    pub(in super::super) spent: Duration,
    /// How many tries were judged: the answer to an earlier one says nothing of the next.
    pub(in super::super) n_tries: u32,
    pub(super) n_losses: u32,
    /// Whether any try has failed as it should.
    pub(in super::super) has_failed: bool,
}

/// What is tried next.
#[derive(Clone, Debug)]
enum Step {
    /// The last so many inputs, twice as many each time.
    Span(usize),
    /// To leave out so many inputs from this one on.
    Drop { size: usize, at: usize, has_dropped: bool },
    /// The last input as often as there are inputs.
    Unify,
    /// To put something smaller in the place of this input and of all that are equal to it.
    Shrink { nth: usize, smaller: Bytes, minimizer: Box<Minimizer> },
    /// The fewest inputs once more, which were run so often since.
    Check { n_run: u32 },
    /// Nothing.
    Over,
}

impl Sequence {
    /// Of all that a worker has run, with the input that failed at the end.
    pub(in super::super) fn new(
        life: &Life,
        kind: InputKind,
        shape: Option<&Shape>,
        is_seeded: bool,
    ) -> Self {
        let inputs: Vec<Bytes> = life.inputs().into_iter().map(Bytes::from).collect();
        // Alone, the last one passes.
        let step = if inputs.len() < 2 { Step::Over } else { Step::Span(2) };
        Self {
            inputs,
            kind,
            shape: shape.cloned(),
            is_seeded,
            step,
            spent: Duration::ZERO,
            n_tries: 0,
            n_losses: 0,
            has_failed: false,
        }
    }

    /// Bytes that all inputs take on their way to a worker.
    pub(super) fn packed_len(&self) -> usize {
        self.inputs.iter().map(|input| input.len() + 4).sum()
    }

    /// Whether nothing is left to try.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.step, Step::Over)
    }

    /// Which stream of randomness the next worker is to have: 0 is that of all others.
    pub(in super::super) fn stream(&self) -> u64 {
        match self.step {
            Step::Check { n_run } => u64::from(n_run) + 1,
            _ => 0,
        }
    }

    /// Whether the fewest inputs are known: what is left is to make them smaller.
    pub(super) fn is_short(&self) -> bool {
        matches!(self.step, Step::Unify | Step::Shrink { .. })
    }

    /// What to run next; none if nothing is left to try.
    pub(super) fn candidate(&self) -> Option<Vec<&[u8]>> {
        let inputs = || self.inputs.iter().map(|input| &**input);
        match &self.step {
            Step::Span(n) => Some(inputs().skip(self.inputs.len().saturating_sub(*n)).collect()),
            Step::Drop { size, at, .. } => {
                Some(inputs().take(*at).chain(inputs().skip(self.end_of(*at, *size))).collect())
            }
            Step::Unify => {
                let last = self.inputs.last()?;
                Some(inputs().map(|_| &**last).collect())
            }
            Step::Shrink { nth, smaller, .. } => {
                let own = &*self.inputs[*nth];
                let place = |input| if input == own { &**smaller } else { input };
                Some(inputs().map(place).collect())
            }
            Step::Check { .. } => Some(inputs().collect()),
            Step::Over => None,
        }
    }

    /// Where a part ends that may be left out: the last input must stay.
    fn end_of(&self, at: usize, size: usize) -> usize {
        (at + size).min(self.inputs.len() - 1)
    }

    /// The candidate has failed as it should, at its input of this number, from 1.
    pub(super) fn failed(&mut self, nth: usize) {
        self.has_failed = true;
        self.n_tries += 1;
        let Some(candidate) = self.candidate() else { return };
        let n = nth.clamp(1, candidate.len());
        let is_cut = n < candidate.len();
        self.inputs = candidate.into_iter().take(n).map(Bytes::from).collect();
        self.step = match std::mem::replace(&mut self.step, Step::Over) {
            Step::Span(_) => self.begin_to_drop(),
            Step::Drop { size, at, .. } => self.drop_at(size, at, true),
            // What comes after the failure is not needed, and what comes before it may not be.
            Step::Unify | Step::Shrink { .. } if is_cut => self.begin_to_drop(),
            Step::Unify => self.shrink_from(0),
            Step::Shrink { nth, mut minimizer, .. } => {
                minimizer.accept();
                self.shrink(nth, minimizer)
            }
            Step::Check { n_run } if self.is_seeded && n_run + 1 < SEEDED_CHECKS => {
                Step::Check { n_run: n_run + 1 }
            }
            Step::Check { .. } => self.begin_to_shrink(),
            Step::Over => Step::Over,
        };
    }

    /// The candidate has passed, or failed in another way.
    pub(in super::super) fn passed(&mut self) {
        self.n_tries += 1;
        self.step = match std::mem::replace(&mut self.step, Step::Over) {
            Step::Span(n) if n < self.inputs.len() => Step::Span(n.saturating_mul(2)),
            Step::Drop { size, at, has_dropped } => self.drop_at(size, at + size, has_dropped),
            Step::Unify => self.shrink_from(0),
            Step::Shrink { nth, mut minimizer, .. } => {
                minimizer.reject();
                self.shrink(nth, minimizer)
            }
            Step::Check { n_run } if !self.is_seeded && n_run + 1 < CHECKS => {
                Step::Check { n_run: n_run + 1 }
            }
            Step::Check { .. } => {
                self.has_failed = false;
                Step::Over
            }
            Step::Span(_) | Step::Over => Step::Over,
        };
    }

    fn begin_to_drop(&self) -> Step {
        self.drop_at((self.inputs.len() - 1).div_ceil(2), 0, false)
    }

    /// Goes through the sequence with ever smaller parts, and again as long as that helps.
    fn drop_at(&self, size: usize, at: usize, has_dropped: bool) -> Step {
        let n_others = self.inputs.len() - 1;
        match (at < n_others, size) {
            (true, _) => Step::Drop { size, at, has_dropped },
            (false, 2..) if n_others > 0 => {
                Step::Drop { size: size.div_ceil(2).min(n_others), at: 0, has_dropped: false }
            }
            (false, _) if has_dropped && n_others > 0 => {
                Step::Drop { size: 1, at: 0, has_dropped: false }
            }
            (false, _) => Step::Check { n_run: 0 },
        }
    }

    fn begin_to_shrink(&self) -> Step {
        let are_equal = self.inputs.windows(2).all(|pair| pair[0] == pair[1]);
        if are_equal { self.shrink_from(0) } else { Step::Unify }
    }

    /// Makes the inputs smaller, from this one on.
    fn shrink_from(&self, nth: usize) -> Step {
        let is_done = |nth: &usize| self.inputs[..*nth].contains(&self.inputs[*nth]);
        let next = (nth..self.inputs.len()).find(|nth| !is_done(nth));
        let Some(nth) = next else { return Step::Over };
        let input = &self.inputs[nth];
        let shape = self.shape.as_ref();
        self.shrink(nth, Box::new(Minimizer::new(input, self.kind, shape, Scope::Full)))
    }

    fn shrink(&self, nth: usize, mut minimizer: Box<Minimizer>) -> Step {
        match minimizer.candidate().map(Bytes::from) {
            Some(smaller) => Step::Shrink { nth, smaller, minimizer },
            None => self.shrink_from(nth + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use shmfuzz_runtime::sequence::{pack, unpack};

    fn life(inputs: &[Vec<u8>]) -> Sequence {
        Sequence::new(&Life::of(inputs), InputKind::Bytes, None, false)
    }

    /// Searches with a process that fails as the function says: at the input of which number, from
    /// 1; -> what is left if it fails at all, and how many tries it took.
    fn search(
        mut sequence: Sequence,
        fails_at: impl Fn(&[&[u8]]) -> Option<usize>,
    ) -> (Option<Vec<Bytes>>, usize) {
        let mut n_tries = 0;
        while let Some(candidate) = sequence.candidate() {
            n_tries += 1;
            match fails_at(&candidate) {
                Some(nth) => sequence.failed(nth),
                None => sequence.passed(),
            }
        }
        (sequence.has_failed.then_some(sequence.inputs), n_tries)
    }

    /// At the input in which something is there for the so-manieth time.
    fn nth_hit(inputs: &[&[u8]], n: usize, is_hit: impl Fn(&[u8]) -> bool) -> Option<usize> {
        let hits = inputs.iter().enumerate().filter(|(_, input)| is_hit(input));
        hits.map(|(i, _)| i + 1).nth(n - 1)
    }

    #[test]
    fn many_inputs_take_few_tries() {
        let input = |i: usize| if i % 1000 == 999 { b"..hit".to_vec() } else { vec![b'x'; i % 7] };
        let inputs: Vec<_> = (0..50_000).map(input).collect();
        let is_hit = |input: &[u8]| input.contains(&b'h');
        let (left, n_tries) = search(life(&inputs), |run| nth_hit(run, 4, is_hit));
        let expected = [b"h"; 4].map(|input| Bytes::from(&input[..]));
        assert_eq!(left.unwrap(), expected);
        assert!(n_tries < 150, "{n_tries}");
    }

    #[test]
    fn what_does_not_fail_again_is_given_up() {
        let inputs = vec![b"a".to_vec(); 100];
        let (left, n_tries) = search(life(&inputs), |_| None);
        assert_eq!((left, n_tries), (None, 7), "2, 4 .. 64, all");
        assert_eq!(search(life(&inputs[..1]), |_| Some(1)), (None, 0), "it passes alone");
        let n_failures = std::cell::Cell::new(0);
        let fails_once = |run: &[&[u8]]| (n_failures.replace(1) == 0).then_some(run.len());
        assert_eq!(search(life(&inputs), fails_once).0, None, "it is checked in the end");
    }

    #[test]
    fn where_randomness_begins_alike_others_must_fail_as_well() {
        let inputs = [b"a".to_vec(), b"b".to_vec()];
        for (n_fail, fails) in [(SEEDED_CHECKS, true), (SEEDED_CHECKS - 1, false)] {
            let mut sequence = Sequence { is_seeded: true, ..life(&inputs) };
            let mut streams = Vec::new();
            while let Some(candidate) = sequence.candidate() {
                let (stream, is_whole) = (sequence.stream(), candidate.len() == 2);
                streams.push(stream);
                match is_whole && stream <= u64::from(n_fail) {
                    true => sequence.failed(2),
                    false => sequence.passed(),
                }
            }
            assert_eq!(sequence.has_failed, fails, "{streams:?}");
            assert!(streams.contains(&u64::from(SEEDED_CHECKS)), "{streams:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_left_is_what_it_takes(
            inputs in prop::collection::vec(prop::collection::vec(b'a'..b'e', 0..4), 2..60),
            n in 1usize..5,
        ) {
            let is_hit = |input: &[u8]| input.contains(&b'd');
            let fails_at = |run: &[&[u8]]| nth_hit(run, n, is_hit);
            let all: Vec<&[u8]> = inputs.iter().map(|input| &input[..]).collect();
            // The process ends with the failure.
            let end = fails_at(&all);
            let ran = &inputs[..end.unwrap_or(inputs.len())];
            let (left, _) = search(life(ran), fails_at);
            match end {
                Some(_) if ran.len() > 1 => {
                    let expected = vec![Bytes::from(&b"d"[..]); n];
                    // One that fails alone was found with the two that are tried first.
                    prop_assert_eq!(left.unwrap(), expected);
                }
                _ => prop_assert_eq!(left, None),
            }
        }

        #[test]
        fn inputs_go_to_workers_as_they_are(inputs in prop::collection::vec(any::<Vec<u8>>(), 2..9)) {
            let sequence = life(&inputs);
            let Step::Span(2) = sequence.step else { panic!("{:?}", sequence.step) };
            let mut packed = Vec::new();
            sequence.candidate().unwrap().into_iter().for_each(|input| pack(&mut packed, input));
            let last: Vec<&[u8]> = inputs[inputs.len() - 2..].iter().map(|i| &i[..]).collect();
            prop_assert!(unpack(&packed).flatten().eq(last));
        }
    }
}
