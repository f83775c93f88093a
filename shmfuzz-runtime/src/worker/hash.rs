//! Sets and maps that the same keys always make the same way, and quickly. Pure.
//!
//! The standard library's own draw a random state, by turns with those of the fuzz test: what that
//! does would depend on what is kept here. Keys are no secret, so nobody floods these tables.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

pub(super) type QuickMap<K, V> = HashMap<K, V, BuildHasherDefault<Mixer>>;
pub(super) type QuickSet<K> = HashSet<K, BuildHasherDefault<Mixer>>;

/// Mixes a word into a hash (the multiplier is 2^64 over the golden ratio).
pub(super) fn mix(hash: u64, word: u64) -> u64 {
    let mixed = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

/// Mixes bytes into a hash. Their number is not mixed in.
pub(super) fn mix_bytes(hash: u64, bytes: &[u8]) -> u64 {
    bytes.chunks(8).fold(hash, |hash, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        mix(hash, u64::from_le_bytes(word))
    })
}

/// A hasher that takes a word at a time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mixer(u64);

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = mix_bytes(self.0, bytes);
    }

    fn write_u8(&mut self, value: u8) {
        self.0 = mix(self.0, value.into());
    }

    fn write_u32(&mut self, value: u32) {
        self.0 = mix(self.0, value.into());
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = mix(self.0, value);
    }

    fn write_usize(&mut self, value: usize) {
        self.0 = mix(self.0, value as u64);
    }

    fn finish(&self) -> u64 {
        // The table takes the group from the low bits, and the tag from the high ones.
        self.0 ^ self.0.rotate_left(32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::{BuildHasher, BuildHasherDefault};

    #[test]
    fn keys_that_differ_a_little_differ_in_all_that_a_table_looks_at() {
        let hasher = BuildHasherDefault::<Mixer>::default();
        let hashes: QuickSet<u64> = (0..64u64)
            .flat_map(|a| (0..64u64).map(move |b| (a, b)))
            .map(|key| hasher.hash_one(key))
            .collect();
        assert_eq!(hashes.len(), 64 * 64);
        // Groups of a table of 4096 places, and the seven bits by which keys of a group are told
        // apart: about as many as drawn by chance (63 % of the groups).
        let groups: QuickSet<u64> = hashes.iter().map(|hash| hash % 4096).collect();
        let tags: QuickSet<u64> = hashes.iter().map(|hash| hash >> 57).collect();
        assert!(groups.len() > 2400, "{}", groups.len());
        assert_eq!(tags.len(), 128);
    }
}
