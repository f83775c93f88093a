//! Random edits, several at once: a way past inputs of which every single edit fails to do what it
//! must, as where a count, a checksum of sorts, or two places must change together.
//!
//! Repeatable: the numbers depend on nothing but how many were drawn before.

/// How often another draw is made where one makes nothing shorter.
const DRAWS: usize = 8;

/// A source of random edits: splitmix64 (Steele, Lea, Flood, 2014).
#[derive(Clone, Debug, Default)]
pub(super) struct Chance(u64);

impl Chance {
    /// Makes a shorter input out of one; false if no draw came to that.
    pub(super) fn change(&mut self, input: &[u8], out: &mut Vec<u8>) -> bool {
        (0..DRAWS).any(|_| {
            out.clear();
            out.extend_from_slice(input);
            for _ in 0..1 + self.below(4) {
                self.edit(out);
            }
            out.len() < input.len()
        })
    }

    fn edit(&mut self, out: &mut Vec<u8>) {
        if out.is_empty() {
            return;
        }
        let at = self.below(out.len());
        match self.below(8) {
            0..=2 => {
                let n = self.length(out.len() - at);
                out.drain(at..at + n);
            }
            3 => {
                // Something before it may count what goes.
                let n = self.length(out.len() - at);
                out.drain(at..at + n);
                if at > 0 {
                    let counts = self.below(at);
                    out[counts] = out[counts].wrapping_sub(n as u8);
                }
            }
            4 => out[at] = out[self.below(out.len())],
            5 => out[at] = out[at].wrapping_sub(1 + self.below(4) as u8),
            6 => out[at] = (self.next() >> 32) as u8,
            _ => {
                // What stands elsewhere in the place of something longer.
                let from = self.below(out.len());
                let n = self.length((out.len() - from).min(out.len() - at));
                let copy = out[from..from + n].to_vec();
                let removed = n + self.length(out.len() - at - n + 1) - 1;
                out.splice(at..at + removed, copy);
            }
        }
    }

    /// From 1 to `most`, which is above 0, small ones more often.
    fn length(&mut self, most: usize) -> usize {
        let bits = self.below(usize::BITS as usize - most.leading_zeros() as usize);
        (1 + self.below(1 << bits)).min(most)
    }

    fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_shorter_and_repeats() {
        let (mut one, mut other) = (Chance::default(), Chance::default());
        let (mut out, mut again) = (Vec::new(), Vec::new());
        for input in [&b"x"[..], b"xy", &[7; 300]] {
            for _ in 0..2000 {
                let made = one.change(input, &mut out);
                assert!(!made || out.len() < input.len());
                assert_eq!(other.change(input, &mut again), made);
                assert_eq!(out, again);
            }
        }
        assert!(!one.change(b"", &mut out), "nothing is shorter than nothing");
    }
}
