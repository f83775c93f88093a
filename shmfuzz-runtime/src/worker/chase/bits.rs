//! Integers that are linear over bits: `xor`, shifts and rotations by constants, permutations, and
//! cyclic redundancy checks, whose every bit is a sum modulo 2 of bits of the input.
//!
//! One execution for each bit of the bytes that matter gives the columns of a system of equations
//! over GF(2), solved by elimination. Where the function is not linear, the result is a candidate
//! like any other, and fails when it is run.

use super::super::trace::Operands;
use super::effects::{self, Effect};
use super::{Chase, Goal, Node, Stopped};
use crate::record::InputKind;

/// How many bits are flipped at most: twice the widest integer.
const MAX_BITS: usize = 128;

/// Which bits to flip, and what flipping them does to the operands' `xor`.
#[derive(Debug, Default)]
struct System {
    /// Reduced columns, each with its leading bit and the bits of the input that it is made of.
    columns: Vec<(u64, u128)>,
    n_bits: usize,
}

impl System {
    /// Adds the effect of the next bit.
    fn add(&mut self, column: u64) {
        let own = 1u128 << self.n_bits;
        self.n_bits += 1;
        let (rest, made_of) = self.reduce(column);
        if rest != 0 {
            self.columns.push((rest, made_of ^ own));
            self.columns.sort_unstable_by_key(|(column, _)| std::cmp::Reverse(*column));
        }
    }

    /// What is left of a value, and the columns that were taken off it.
    fn reduce(&self, value: u64) -> (u64, u128) {
        let (mut rest, mut made_of) = (value, 0);
        for (column, own) in &self.columns {
            if rest ^ column < rest {
                rest ^= column;
                made_of ^= own;
            }
        }
        (rest, made_of)
    }

    /// The bits of the input whose flipping makes up `value`.
    fn solve(&self, value: u64) -> Option<u128> {
        let (rest, made_of) = self.reduce(value);
        (rest == 0).then_some(made_of)
    }
}

fn xor(operands: &Operands) -> Option<u64> {
    match operands {
        Operands::Int { a, b, .. } => Some(a ^ b),
        Operands::Bytes { .. } => None,
    }
}

impl Chase<'_> {
    /// An input for which the comparison at `goal` should be equal, if its operands are linear.
    pub(super) fn by_bits(
        &mut self,
        node: &Node,
        goal: Goal<'_>,
        effects: &[Effect],
    ) -> Result<Option<Vec<u8>>, Stopped> {
        let event = &node.trace.events[goal.idx];
        let Some(now) = xor(&event.operands) else { return Ok(None) };
        let n_bits = if self.limits.kind == InputKind::Text { 7 } else { 8 };
        // From the end, where checksums stand that are compared with what comes before them.
        let mut bytes: Vec<usize> = effects::of_bytes(effects).map(|(at, ..)| at).collect();
        bytes.sort_unstable_by_key(|at| std::cmp::Reverse(*at));
        let bytes = bytes.into_iter();
        let places = bytes.flat_map(|at| (0..n_bits).map(move |bit| (at, bit)));
        let mut system = System::default();
        let mut flipped = Vec::new();
        for (at, bit) in places.take(MAX_BITS) {
            let mut input = node.input.clone();
            input[at] ^= 1 << bit;
            let Some(trace) = self.run(&input)? else { continue };
            let then = trace.find(event, goal.idx).and_then(|at| xor(&trace.events[at].operands));
            let Some(then) = then else { continue };
            flipped.push((at, bit));
            system.add(then ^ now);
            if let Some(solution) = system.solve(now) {
                let mut input = node.input.clone();
                for (i, (at, bit)) in flipped.iter().enumerate() {
                    input[*at] ^= u8::from(solution >> i & 1 == 1) << bit;
                }
                return Ok(Some(input));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn linear_systems_are_solved(columns in prop::collection::vec(any::<u64>(), 1..128), pick: u128) {
            let mut system = System::default();
            for column in &columns {
                system.add(*column);
            }
            let sum = |bits: u128| {
                let picked = columns.iter().enumerate().filter(|(i, _)| bits >> i & 1 == 1);
                picked.fold(0, |sum, (_, column)| sum ^ column)
            };
            let value = sum(pick);
            let solution = system.solve(value).expect("a sum of columns is one");
            prop_assert_eq!(sum(solution), value);
        }
    }

    #[test]
    fn what_no_column_reaches_is_refused() {
        let mut system = System::default();
        system.add(0b011);
        system.add(0b110);
        system.add(0b101);
        assert_eq!(system.solve(0b001), None);
        assert!(system.solve(0b101).is_some());
    }
}
