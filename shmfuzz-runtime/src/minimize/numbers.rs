//! Numbers in decimal digits: each smaller, and shorter where it can be.

use super::edit::Edits;

/// Numbers that are looked at.
const MOST: usize = 256;
/// The longest number that is looked at, in digits: what is longer does not fit 64 bits.
const LONGEST: usize = 18;

/// For each number 0 and 1, then a half less, a quarter less, and so on, down to 1 less.
pub(super) fn edits(input: &[u8]) -> Vec<Edits> {
    let mut edits = Vec::new();
    let mut at = 0;
    let mut n_numbers = 0;
    while at < input.len() && n_numbers < MOST {
        let n_digits = input[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if (1..=LONGEST).contains(&n_digits) {
            n_numbers += 1;
            let digits = &input[at..at + n_digits];
            let value = digits.iter().fold(0u64, |n, digit| n * 10 + u64::from(digit - b'0'));
            let smaller = (1..64).map(|n| value - (value >> n)).take_while(|n| *n < value);
            let smaller = [0, 1].into_iter().filter(|n| *n < value).chain(smaller);
            // With as many digits, too: their number may matter.
            let texts = smaller.flat_map(|n| [n.to_string(), format!("{n:0n_digits$}")]);
            edits.extend(texts.map(|text| Edits::put(at..at + n_digits, text.into_bytes())));
        }
        at += n_digits.max(1);
    }
    edits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_smaller_by_halves() {
        let mut out = Vec::new();
        let mut outcomes = Vec::new();
        for edits in edits(b"x=100;") {
            assert!(edits.apply(b"x=100;", &mut out));
            outcomes.push(String::from_utf8(out.clone()).unwrap());
        }
        for expected in ["x=0;", "x=1;", "x=50;", "x=050;", "x=75;", "x=99;"] {
            assert!(outcomes.iter().any(|text| text == expected), "{expected}: {outcomes:?}");
        }
    }

    #[test]
    fn what_is_no_number_of_64_bits_is_left_to_others() {
        assert!(edits(&[b'9'; 40]).is_empty());
        assert!(edits(b"abc").is_empty());
        assert!(edits(b"0").is_empty());
    }
}
