//! Integers that are sums modulo a power of two with any weights: products with a constant, and
//! sums of those. Pure.
//!
//! Two ways. Where all weights are one factor times those of a number (of either byte order, in
//! decimal), the inverse of the factor gives the number. Else bits of the input are set from the
//! lowest bit of the sum on, one that changes no lower bit for each: what it carries comes after.

use super::affine::{self, Range, Weight};
use crate::record::InputKind;

/// How many weights are taken for the factor.
const MAX_FACTORS: usize = 12;

/// The inverse of an odd number modulo 2^64. Each step doubles how many bits are right (Newton).
pub(super) fn inverse(odd: u64) -> u64 {
    (0..6).fold(1, |x: u64, _| x.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(x))))
}

/// Inputs whose weighted sum grows by `grow` modulo 2^bits, whatever the weights.
pub(super) fn candidates(
    input: &[u8],
    weights: &[Weight],
    grow: i128,
    bits: u32,
    kind: InputKind,
) -> Vec<Vec<u8>> {
    let mut made = by_inverse(input, weights, grow, bits, kind);
    made.extend(by_lifting(input, weights, grow, bits, kind));
    made
}

fn by_inverse(
    input: &[u8],
    weights: &[Weight],
    grow: i128,
    bits: u32,
    kind: InputKind,
) -> Vec<Vec<u8>> {
    let twos = weights.iter().map(|weight| weight.weight.trailing_zeros()).min().unwrap_or(0);
    // A sum of even numbers never becomes odd.
    if twos >= bits || grow.trailing_zeros() < twos {
        return Vec::new();
    }
    let (bits, grow) = (bits - twos, grow >> twos);
    let factors = weights.iter().map(|weight| (weight.weight >> twos) as u64);
    // The smallest part of a number stands at one of its ends.
    let mut factors: Vec<u64> = factors.filter(|factor| factor % 2 == 1).collect();
    factors.dedup();
    let n = factors.len();
    let ends = (0..n.div_ceil(2)).flat_map(|i| [i, n - 1 - i]);
    let mut made = Vec::new();
    for i in ends.take(MAX_FACTORS) {
        let inverse = inverse(factors[i]);
        let scaled =
            |value: i128| affine::signed(i128::from((value as u64).wrapping_mul(inverse)), bits);
        let mut own: Vec<Weight> = weights
            .iter()
            .map(|weight| Weight { at: weight.at, weight: scaled(weight.weight >> twos) })
            .filter(|weight| weight.weight != 0)
            .collect();
        own.sort_by_key(|weight| (-weight.weight.abs(), weight.at));
        let (grow, modulus) = (scaled(grow), 1i128 << bits);
        for grow in [grow, grow + modulus, grow - modulus] {
            for range in [Range::Same, Range::Any] {
                made.extend(affine::by_bytes(input, &own, grow, range, kind));
            }
        }
    }
    made
}

fn by_lifting(
    input: &[u8],
    weights: &[Weight],
    grow: i128,
    bits: u32,
    kind: InputKind,
) -> Option<Vec<u8>> {
    let n_bits = if kind == InputKind::Text { 7 } else { 8 };
    let mut made = input.to_vec();
    let mut rest = grow as u64;
    // For each bit of the sum, the bits of the input that have it as their lowest one.
    let mut of_bit: Vec<Vec<(usize, u64, u32)>> = vec![Vec::new(); bits as usize];
    for Weight { at, weight } in weights {
        let weight = *weight as u64;
        rest = rest.wrapping_add(weight.wrapping_mul(u64::from(made[*at])));
        made[*at] = 0;
        for bit in 0..n_bits {
            if let Some(own) = of_bit.get_mut((weight.trailing_zeros() + bit) as usize) {
                own.push((*at, weight << bit, bit));
            }
        }
    }
    for (bit, mut own) in of_bit.into_iter().enumerate() {
        if rest >> bit & 1 == 1 {
            let (at, weight, bit) = own.pop()?;
            made[at] |= 1 << bit;
            rest = rest.wrapping_sub(weight);
        }
    }
    Some(made)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum(input: &[u8], weights: &[Weight]) -> u64 {
        let of = |w: &Weight| (w.weight as u64).wrapping_mul(u64::from(input[w.at]));
        weights.iter().map(of).fold(0, u64::wrapping_add)
    }

    proptest! {
        #[test]
        fn products_are_inverted(start: u64, wanted: u64, factor: u64, twos in 0u32..8, form in 0u32..3) {
            let factor = (factor | 1) << twos;
            let weight = |i: u32| match form {
                0 => factor.wrapping_mul(1 << (8 * i)),
                1 => factor.wrapping_mul(1 << (56 - 8 * i)),
                // Of two words, each with a factor of its own.
                _ => [factor, 0x2545_f491_4f6c_dd1d << 32][i as usize / 4] << (8 * (i % 4)),
            };
            let weights: Vec<Weight> = (0..8)
                .map(|i| Weight { at: i as usize, weight: affine::signed(weight(i).into(), 64) })
                .filter(|weight| weight.weight != 0)
                .collect();
            let input = start.to_le_bytes();
            let now = sum(&input, &weights);
            let goal = if form == 2 { wanted << twos } else { factor.wrapping_mul(wanted) };
            let grow = affine::signed(i128::from(goal) - i128::from(now), 64);
            let inverted = by_inverse(&input, &weights, grow, 64, InputKind::Bytes);
            prop_assert!(form == 2 || grow == 0 || !inverted.is_empty());
            let made = candidates(&input, &weights, grow, 64, InputKind::Bytes);
            prop_assert!(form == 2 && twos > 0 || !made.is_empty());
            for made in made {
                prop_assert_eq!(sum(&made, &weights), goal);
            }
        }
    }
}
