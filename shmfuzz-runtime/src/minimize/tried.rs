//! What was tried before. A round repeats much of the one before it, and a try may cost a process.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

/// Candidates that are remembered at most, 8 bytes each or a little more.
const MOST: usize = 1 << 18;

/// Hashes of candidates.
#[derive(Clone, Debug, Default)]
pub(super) struct Tried(HashSet<u64, BuildHasherDefault<Same>>);

impl Tried {
    /// Remembers a candidate; false if it was there. One in 2^64 is taken for another.
    pub(super) fn is_first(&mut self, candidate: &[u8]) -> bool {
        let hash = fingerprint(candidate);
        if self.0.len() < MOST { self.0.insert(hash) } else { !self.0.contains(&hash) }
    }
}

/// Eight bytes at a time: FNV-1a's multiplication over words, with a finalizer that spreads it.
fn fingerprint(bytes: &[u8]) -> u64 {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let mut hash = spread(0xcbf2_9ce4_8422_2325 ^ bytes.len() as u64);
    let mut words = bytes.chunks_exact(8);
    for bytes in &mut words {
        hash = spread((hash ^ word(bytes)).wrapping_mul(PRIME));
    }
    spread((hash ^ word(words.remainder())).wrapping_mul(PRIME))
}

fn word(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(word)
}

/// The finalizer of splitmix64 (Steele, Lea, Flood, 2014).
fn spread(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Hashes are hashed by themselves.
#[derive(Clone, Debug, Default)]
struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = n;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_candidate_is_the_first_of_its_kind_once() {
        let mut tried = Tried::default();
        let zeros = [0; 20];
        for n in 0..20 {
            assert!(tried.is_first(&zeros[..n]), "{n} zeros");
        }
        assert!(!tried.is_first(&zeros[..7]));
        assert!(tried.is_first(&[3]), "no other byte of another length");
        assert!(tried.is_first(b"01234567x") && tried.is_first(b"x01234567"));
    }
}
