//! The code of the functions that were reached, as a source of tokens.
//!
//! It owns the list of instrumented functions, made from the table of blocks, and which of them
//! were read. The process reads its own memory as a file, so that an address that is not mapped is
//! an error and nothing worse; where there is no such file, no token is found. Invariant: each
//! function is read once, when the first entry reaches it.

use super::constants::{self, Found};
use super::sancov;
use std::fs::File;
use std::rc::Rc;

/// The longest function that is read whole, in bytes.
const MAX_CODE: usize = 1 << 15;
/// How many tokens one function may bring.
const MAX_TOKENS: usize = 24;

/// Tokens of one function.
pub(super) type Tokens = Rc<[Box<[u8]>]>;

#[derive(Debug)]
struct Function {
    /// The counter of its entry.
    counter: u32,
    start: u64,
    end: u64,
    tokens: Option<Tokens>,
}

/// The functions of the program.
#[derive(Debug, Default)]
pub(super) struct Code {
    /// In the order of their counters.
    functions: Vec<Function>,
    memory: Option<File>,
}

impl Code {
    /// The functions that are known so far.
    pub(super) fn new() -> Self {
        let entries: Vec<(u32, u64)> = sancov::function_entries().collect();
        let mut starts: Vec<u64> = entries.iter().map(|(_, start)| *start).collect();
        starts.sort_unstable();
        let function = |(counter, start): (u32, u64)| {
            let next = starts.partition_point(|other| *other <= start);
            let most = start.saturating_add(MAX_CODE as u64);
            let end = starts.get(next).copied().unwrap_or(most).min(most);
            Function { counter, start, end, tokens: None }
        };
        let mut functions: Vec<Function> = entries.into_iter().map(function).collect();
        functions.sort_unstable_by_key(|function| function.counter);
        Self { functions, memory: File::open("/proc/self/mem").ok() }
    }

    /// The tokens of the functions that these features lie in, each function once; and whether
    /// it was read just now.
    pub(super) fn tokens_of(&mut self, features: &[u32]) -> Vec<(Tokens, Novelty)> {
        let counters = features.iter().map(|feature| feature / 8);
        let mut functions: Vec<usize> = counters
            .filter_map(|counter| {
                self.functions.partition_point(|f| f.counter <= counter).checked_sub(1)
            })
            .collect();
        functions.sort_unstable();
        functions.dedup();
        functions.into_iter().map(|idx| self.tokens(idx)).collect()
    }

    fn tokens(&mut self, idx: usize) -> (Tokens, Novelty) {
        let Function { start, end, tokens, .. } = &self.functions[idx];
        if let Some(tokens) = tokens {
            return (tokens.clone(), Novelty::Known);
        }
        let code = self.read(*start, (end - start) as usize);
        let mut tokens: Vec<Box<[u8]>> = Vec::new();
        let mut add = |token: Vec<u8>| {
            let token = token.into_boxed_slice();
            if tokens.len() < MAX_TOKENS && !tokens.contains(&token) {
                tokens.push(token);
            }
        };
        for found in constants::find(&code, *start) {
            match found {
                Found::Bytes(bytes) if constants::is_telling(&bytes) => add(bytes),
                Found::Bytes(_) => {}
                Found::Number { address, len } => {
                    let bytes = self.read(address, len);
                    constants::as_text(&bytes).into_iter().for_each(&mut add);
                    if constants::is_value(&bytes) {
                        add(bytes);
                    }
                }
                Found::At { address, len } => {
                    let bytes = self.read(address, len);
                    let is_worth_it = constants::is_word(&bytes) || constants::is_value(&bytes);
                    if bytes.len() == len && is_worth_it {
                        add(bytes);
                    }
                }
            }
        }
        let tokens: Tokens = tokens.into();
        self.functions[idx].tokens = Some(tokens.clone());
        (tokens, Novelty::New)
    }

    /// The bytes at an address, as many as there are.
    fn read(&self, address: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        let n = self.memory.as_ref().map_or(0, |memory| read_at(memory, &mut bytes, address));
        bytes.truncate(n);
        bytes
    }
}

#[cfg(unix)]
fn read_at(memory: &File, bytes: &mut [u8], address: u64) -> usize {
    std::os::unix::fs::FileExt::read_at(memory, bytes, address).unwrap_or(0)
}

#[cfg(not(unix))]
fn read_at(_: &File, _: &mut [u8], _: u64) -> usize {
    0
}

/// Whether a function's tokens were known before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Novelty {
    /// It was read just now.
    New,
    /// It had been read.
    Known,
}
