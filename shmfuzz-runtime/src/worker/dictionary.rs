//! The automatic dictionary: constants that comparisons looked for and that no input held yet.
//!
//! Bounded: when it is full, the oldest token makes room. Deterministic: its order is that of
//! insertion.

use super::random::Random;
use crate::record::InputKind;

const MAX_TOKENS: usize = 256;
const MAX_TOKEN_LEN: usize = 64;

/// Tokens to insert.
#[derive(Clone, Debug, Default)]
pub(super) struct Dictionary {
    tokens: Vec<Vec<u8>>,
    /// Indices of the tokens that are text, sorted.
    text: Vec<usize>,
    /// Which token makes room next.
    oldest: usize,
}

impl Dictionary {
    /// Adds a token unless it is known, empty or too long.
    pub(super) fn add(&mut self, token: &[u8]) {
        if token.is_empty()
            || token.len() > MAX_TOKEN_LEN
            || self.tokens.iter().any(|known| known == token)
        {
            return;
        }
        let idx = if self.tokens.len() < MAX_TOKENS {
            self.tokens.push(token.to_vec());
            self.tokens.len() - 1
        } else {
            let idx = self.oldest;
            self.tokens[idx] = token.to_vec();
            self.oldest = (idx + 1) % MAX_TOKENS;
            idx
        };
        match (self.text.binary_search(&idx), std::str::from_utf8(token).is_ok()) {
            (Err(at), true) => self.text.insert(at, idx),
            (Ok(at), false) => {
                self.text.remove(at);
            }
            (Ok(_), true) | (Err(_), false) => {}
        }
    }

    /// One of the tokens that inputs of this kind may hold.
    pub(super) fn pick(&self, kind: InputKind, random: &mut Random) -> Option<&[u8]> {
        let idx = match kind {
            InputKind::Bytes => random.index(self.tokens.len()),
            InputKind::Text => *self.text.get(random.index(self.text.len()))?,
        };
        self.tokens.get(idx).map(Vec::as_slice)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_kept_once_and_text_is_told_apart() {
        let mut dictionary = Dictionary::default();
        let mut random = Random::from_state(1, 1);
        assert_eq!(dictionary.pick(InputKind::Bytes, &mut random), None);
        dictionary.add(b"\xff\xfe");
        assert_eq!(dictionary.pick(InputKind::Text, &mut random), None);
        dictionary.add(b"word");
        dictionary.add(b"word");
        dictionary.add(b"");
        dictionary.add(&[b'x'; 100]);
        assert_eq!(dictionary.len(), 2);
        assert_eq!(dictionary.pick(InputKind::Text, &mut random), Some(&b"word"[..]));
    }

    #[test]
    fn a_full_dictionary_forgets_the_oldest() {
        let mut dictionary = Dictionary::default();
        for i in 0..MAX_TOKENS as u32 + 1 {
            dictionary.add(&i.to_be_bytes());
        }
        assert_eq!(dictionary.len(), MAX_TOKENS);
        assert_eq!(dictionary.tokens[0], (MAX_TOKENS as u32).to_be_bytes());
        dictionary.add(b"word");
        dictionary.add(b"\xff\xff");
        let is_text = |idx: &usize| std::str::from_utf8(&dictionary.tokens[*idx]).is_ok();
        let text: Vec<usize> = (0..MAX_TOKENS).filter(is_text).collect();
        assert_eq!(dictionary.text, text);
    }
}
