//! Tokens to put into inputs: the user's own, and automatic ones: constants that comparisons looked
//! for and that no input held yet, and constants in the code of functions that were reached.
//!
//! Invariants: the user's tokens stay for the worker's life, whatever else comes; automatic
//! ones are bounded, and when there is no room for another one the oldest goes. Names from tables
//! make room for their own kind only: there may be thousands, most of which lead nowhere.
//! Deterministic: the order depends on the tokens alone.

use super::random::Random;
use crate::record::InputKind;
use std::collections::BTreeSet;
use std::rc::Rc;

const MAX_TOKENS: usize = 512;
const MAX_TOKEN_LEN: usize = 64;

/// Tokens to insert. A clone is cheap: it is made for each batch that is run again.
#[derive(Clone, Debug, Default)]
pub(super) struct Dictionary {
    /// The user's, sorted, each once.
    own: Rc<Tokens>,
    automatic: Rc<Recent>,
    /// What tables in the program's data hold.
    names: Rc<Recent>,
}

/// The last tokens of their kind.
#[derive(Clone, Debug, Default)]
struct Recent {
    tokens: Tokens,
    /// Which one makes room next, when there is none left.
    oldest: usize,
}

impl Recent {
    fn add(&mut self, token: &[u8]) {
        let n = self.tokens.all.len();
        let idx = if n < MAX_TOKENS { n } else { self.oldest };
        if n == MAX_TOKENS {
            self.oldest = (idx + 1) % MAX_TOKENS;
        }
        self.tokens.set(idx, token.to_vec());
    }
}

/// Tokens, and which of them are text.
#[derive(Clone, Debug, Default)]
struct Tokens {
    all: Vec<Rc<[u8]>>,
    known: BTreeSet<Rc<[u8]>>,
    /// Indices of the tokens that are text, sorted.
    text: Vec<usize>,
}

impl Tokens {
    fn set(&mut self, idx: usize, token: Vec<u8>) {
        match (self.text.binary_search(&idx), std::str::from_utf8(&token).is_ok()) {
            (Err(at), true) => self.text.insert(at, idx),
            (Ok(at), false) => {
                self.text.remove(at);
            }
            (Ok(_), true) | (Err(_), false) => {}
        }
        let token: Rc<[u8]> = token.into();
        self.known.insert(token.clone());
        match self.all.get_mut(idx) {
            Some(place) => {
                self.known.remove(place);
                *place = token;
            }
            None => self.all.push(token),
        }
    }

    /// How many of them inputs of this kind may hold.
    fn len(&self, kind: InputKind) -> usize {
        match kind {
            InputKind::Bytes => self.all.len(),
            InputKind::Text => self.text.len(),
        }
    }

    /// The one of this number among those.
    fn get(&self, kind: InputKind, n: usize) -> Option<&[u8]> {
        let idx = match kind {
            InputKind::Bytes => n,
            InputKind::Text => *self.text.get(n)?,
        };
        self.all.get(idx).map(|token| &**token)
    }
}

impl Dictionary {
    /// Takes the user's tokens in place of those it had.
    pub(super) fn set_own(&mut self, mut tokens: Vec<Vec<u8>>) {
        tokens.retain(|token| !token.is_empty());
        tokens.sort_unstable();
        tokens.dedup();
        let mut own = Tokens::default();
        for (idx, token) in tokens.into_iter().enumerate() {
            own.set(idx, token);
        }
        self.own = own.into();
    }

    /// Adds an automatic token unless it is known, empty or too long.
    pub(super) fn add(&mut self, token: &[u8]) {
        if self.wants(token) {
            Rc::make_mut(&mut self.automatic).add(token);
        }
    }

    /// Adds what a table holds unless it is known, empty or too long.
    pub(super) fn add_name(&mut self, token: &[u8]) {
        if self.wants(token) {
            Rc::make_mut(&mut self.names).add(token);
        }
    }

    fn wants(&self, token: &[u8]) -> bool {
        !token.is_empty()
            && token.len() <= MAX_TOKEN_LEN
            && !self.automatic.tokens.known.contains(token)
            && !self.names.tokens.known.contains(token)
            && !self.own.known.contains(token)
    }

    /// One of the tokens that inputs of this kind may hold: one of the user's half of the time,
    /// however few they are, since the user knows what comparisons cannot tell; of the others, a
    /// name of a table one time in four.
    pub(super) fn pick(&self, kind: InputKind, random: &mut Random) -> Option<&[u8]> {
        let (automatic, names) = (&self.automatic.tokens, &self.names.tokens);
        let n_found = automatic.len(kind) + names.len(kind);
        let tokens = match (self.own.len(kind), n_found) {
            (1.., 0) => &self.own,
            (1.., _) if random.one_in(2) => &self.own,
            _ if names.len(kind) == 0 => automatic,
            _ if automatic.len(kind) == 0 || random.one_in(4) => names,
            _ => automatic,
        };
        tokens.get(kind, random.index(tokens.len(kind)))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.own.all.len() + self.automatic.tokens.all.len() + self.names.tokens.all.len()
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
        let automatic = &dictionary.automatic.tokens;
        assert_eq!(automatic.all[0][..], (MAX_TOKENS as u32).to_be_bytes());
        dictionary.add(b"word");
        dictionary.add(b"\xff\xff");
        let automatic = &dictionary.automatic.tokens;
        let is_text = |idx: &usize| std::str::from_utf8(&automatic.all[*idx]).is_ok();
        let text: Vec<usize> = (0..MAX_TOKENS).filter(is_text).collect();
        assert_eq!(automatic.text, text);
    }

    #[test]
    fn the_users_tokens_stay_and_are_picked_half_of_the_time() {
        let mut dictionary = Dictionary::default();
        let own = [&b"own"[..], b"\xff", b"own", b"", &[b'x'; 100]];
        dictionary.set_own(own.iter().map(|token| token.to_vec()).collect());
        dictionary.add(b"own");
        assert_eq!(dictionary.len(), 3, "each once, and long ones too");
        for i in 0..10_000_u32 {
            dictionary.add(&i.to_be_bytes());
        }
        assert_eq!(dictionary.len(), 3 + MAX_TOKENS);
        let mut random = Random::from_state(1, 1);
        let mut n_own = 0;
        for _ in 0..1000 {
            let token = dictionary.pick(InputKind::Bytes, &mut random).unwrap();
            n_own += u32::from(own.contains(&token));
            let token = dictionary.pick(InputKind::Text, &mut random).unwrap();
            assert!(std::str::from_utf8(token).is_ok());
        }
        assert!((400..600).contains(&n_own), "{n_own}");
    }

    #[test]
    fn names_of_tables_are_picked_seldom_and_displace_nothing_else() {
        let mut dictionary = Dictionary::default();
        dictionary.add(b"seen");
        for i in 0..10_000_u32 {
            dictionary.add_name(format!("name{i}").as_bytes());
        }
        dictionary.add_name(b"seen");
        assert_eq!(dictionary.len(), 1 + MAX_TOKENS);
        let mut random = Random::from_state(1, 1);
        let mut n_names = 0;
        for _ in 0..1000 {
            let token = dictionary.pick(InputKind::Text, &mut random).unwrap();
            n_names += u32::from(token.starts_with(b"name"));
        }
        assert!((150..350).contains(&n_names), "{n_names}");
        let mut names = Dictionary::default();
        names.add_name(b"only");
        assert_eq!(names.pick(InputKind::Bytes, &mut random), Some(&b"only"[..]));
    }
}
