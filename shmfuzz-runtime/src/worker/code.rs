//! The code of the functions that were reached, as a source of tokens.
//!
//! It owns the list of instrumented functions, made from the table of blocks, and which of them
//! were read. The process reads its own memory as a file, so that an address that is not mapped is
//! an error and nothing worse; where there is no such file, no token is found. Invariants: each
//! function is read once, when it was first reached; no token holds an address, which would be
//! another one in the next process.

use super::constants::{self, Found};
use super::ranges::Ranges;
use super::sancov;
use super::tables::{self, Memory};
use std::fs::File;
use std::rc::Rc;

/// The longest function that is read whole, in bytes.
const MAX_CODE: usize = 1 << 15;
/// How many constants one function may bring.
const MAX_CONSTANTS: usize = 24;
/// How many tokens the tables of one function may bring.
const MAX_NAMES: usize = 128;
/// In how many places of one function a table is looked for.
const MAX_POINTERS: usize = 256;
/// How many functions that no entry reaches are read at once.
const MAX_READ: usize = 16;
/// From how many functions that no entry reaches again names are taken.
const MAX_INITIAL: usize = 64;

/// What one function brings.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tokens {
    /// What it compares with or hands on.
    pub(super) constants: Vec<Box<[u8]>>,
    /// What its tables hold, and the arrays of strings that it makes.
    pub(super) names: Vec<Box<[u8]>>,
}

#[derive(Debug)]
struct Function {
    /// The counter of its entry.
    counter: u32,
    start: u64,
    end: u64,
    tokens: Option<Rc<Tokens>>,
}

/// The functions of the program.
#[derive(Debug, Default)]
pub(super) struct Code {
    /// In the order of their counters.
    functions: Vec<Function>,
    /// Those that were read though no entry reached them: what makes a map when it is first
    /// wanted is called once in the process's life.
    initial: Vec<usize>,
    /// What the worker's first call reached, sorted.
    first_call: Vec<u32>,
    /// How many edges were known when all functions had been looked at, and which one is next.
    looked_at: u64,
    next: usize,
    memory: Option<File>,
    ranges: Ranges,
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
        Self { functions, ..Self::of_memory() }
    }

    /// No functions, in this process's memory.
    fn of_memory() -> Self {
        Self {
            functions: Vec::new(),
            initial: Vec::new(),
            first_call: Vec::new(),
            looked_at: 0,
            next: 0,
            memory: File::open("/proc/self/mem").ok(),
            ranges: Ranges::of_this_process(),
        }
    }

    /// The tokens of the functions that these features lie in, each function once; and whether
    /// it was read just now.
    pub(super) fn tokens_of(&mut self, features: &[u32]) -> Vec<(Rc<Tokens>, Novelty)> {
        let counters = features.iter().map(|feature| feature / 8);
        let mut functions: Vec<usize> = counters
            .filter_map(|counter| {
                self.functions.partition_point(|f| f.counter <= counter).checked_sub(1)
            })
            .collect();
        functions.sort_unstable();
        functions.dedup();
        self.initial.retain(|idx| functions.binary_search(idx).is_err());
        functions.into_iter().map(|idx| self.tokens(idx)).collect()
    }

    /// Takes note of what the worker's first call reached, of which some may never be again.
    pub(super) fn note_first_call(&mut self, features: &[u32]) {
        self.first_call = features.iter().map(|feature| feature / 8).collect();
    }

    /// Whether it is time to look for functions that no entry reaches: that takes as long as there
    /// are functions, so edges must have come since, a sixteenth more.
    pub(super) fn wants_look(&self, n_edges: u64) -> bool {
        self.next > 0 || n_edges > self.looked_at + self.looked_at / 16
    }

    /// Reads some of the functions that were reached, and by none of the entries, whose counters
    /// are `owned`, sorted. A few at a time: nothing else is done meanwhile.
    pub(super) fn look(
        &mut self,
        n_edges: u64,
        owned: &[u32],
        is_reached: impl Fn(u32) -> bool,
    ) -> Vec<Rc<Tokens>> {
        let mut found = Vec::new();
        let mut n_read = 0;
        while let Some(function) = self.functions.get(self.next) {
            let counter = function.counter;
            let is_wanted = function.tokens.is_none()
                && (self.first_call.binary_search(&counter).is_ok() || is_reached(counter))
                && owned.binary_search(&counter).is_err();
            if is_wanted {
                if n_read == MAX_READ {
                    return found;
                }
                n_read += 1;
                let (tokens, _) = self.tokens(self.next);
                if !tokens.names.is_empty() && self.initial.len() < MAX_INITIAL {
                    self.initial.push(self.next);
                }
                found.push(tokens);
            }
            self.next += 1;
        }
        (self.next, self.looked_at) = (0, n_edges);
        found
    }

    /// The tokens of functions that no entry reaches, as far as they are known.
    pub(super) fn initial_tokens(&self) -> Vec<(Rc<Tokens>, Novelty)> {
        let known = self.initial.iter().filter_map(|idx| self.functions[*idx].tokens.clone());
        known.map(|tokens| (tokens, Novelty::Known)).collect()
    }

    fn tokens(&mut self, idx: usize) -> (Rc<Tokens>, Novelty) {
        let Function { start, end, tokens, .. } = &self.functions[idx];
        if let Some(tokens) = tokens {
            return (tokens.clone(), Novelty::Known);
        }
        let code = self.read(*start, (end - start) as usize);
        let names = self.names(&code, *start);
        let tokens = Rc::new(Tokens { constants: self.constants(&code, *start), names });
        self.functions[idx].tokens = Some(tokens.clone());
        (tokens, Novelty::New)
    }

    fn constants(&self, code: &[u8], address: u64) -> Vec<Box<[u8]>> {
        let mut tokens: Vec<Box<[u8]>> = Vec::new();
        let mut add = |token: Vec<u8>| {
            let token = token.into_boxed_slice();
            let is_new = tokens.len() < MAX_CONSTANTS && !tokens.contains(&token);
            if is_new && !self.holds_address(&token) {
                tokens.push(token);
            }
        };
        // What the program changes would be another token in each run.
        let read =
            |address: u64, len: usize| self.read(address, len.min(self.ranges.data_at(address)));
        for found in constants::find(code, address) {
            match found {
                Found::Bytes(bytes) => add(bytes),
                Found::Number { address, len } => {
                    let bytes = read(address, len);
                    constants::as_text(&bytes).into_iter().for_each(&mut add);
                    if constants::is_value(&bytes) {
                        add(bytes);
                    }
                }
                Found::At { address, len } => {
                    let bytes = read(address, len);
                    let is_worth_it = constants::is_word(&bytes) || constants::is_value(&bytes);
                    if bytes.len() == len && is_worth_it {
                        add(bytes);
                    }
                }
            }
        }
        tokens
    }

    /// What the tables hold that code points to, and the strings whose lengths it stores.
    fn names(&self, code: &[u8], address: u64) -> Vec<Box<[u8]>> {
        let read =
            |address: u64, len: usize| self.read(address, len.min(self.ranges.data_at(address)));
        let memory = Memory {
            read: &read,
            is_data: &|address| self.ranges.data_at(address) > 0,
            is_code: &|address| self.ranges.is_code(address),
        };
        let mut names: Vec<Box<[u8]>> = Vec::new();
        let mut known: Vec<std::ops::Range<u64>> = Vec::new();
        for pointer in constants::pointers(code, address).into_iter().take(MAX_POINTERS) {
            if let Some(len) = pointer.len {
                let text = Some(read(pointer.address, len));
                let name = text.filter(|text| text.len() == len && constants::is_word(text));
                add(&mut names, name.map(Vec::into_boxed_slice));
            } else if !known.iter().any(|known| known.contains(&pointer.address)) {
                let Some(table) = tables::find(pointer.address, memory) else { continue };
                known.push(table.start..table.end);
                let tokens = table.tokens.into_iter().filter(|token| !self.holds_address(token));
                tokens.for_each(|token| add(&mut names, Some(token)));
            }
        }
        names
    }

    /// Whether a part of these bytes is the address of something in this process.
    fn holds_address(&self, bytes: &[u8]) -> bool {
        /// What lies below is the same in each process, and what lies above is the kernel's.
        const ADDRESSES: std::ops::Range<u64> = 1 << 32..1 << 47;
        (0..bytes.len()).any(|at| {
            // Constants of the code have lost the zeros at their end.
            let part = &bytes[at..bytes.len().min(at + 8)];
            let value = part.iter().rev().fold(0, |n, byte| n << 8 | u64::from(*byte));
            let may_be = part.len() == 8 || at % 4 == 0;
            may_be && ADDRESSES.contains(&value) && !self.read(value, 1).is_empty()
        })
    }

    /// The bytes at an address, as many as there are.
    fn read(&self, address: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        let n = match &self.memory {
            Some(memory) if len > 0 => read_at(memory, &mut bytes, address),
            _ => 0,
        };
        bytes.truncate(n);
        bytes
    }
}

fn add(names: &mut Vec<Box<[u8]>>, name: Option<Box<[u8]>>) {
    if let Some(name) = name {
        if names.len() < MAX_NAMES && !names.contains(&name) {
            names.push(name);
        }
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

#[cfg(all(test, target_os = "linux", target_arch = "x86_64"))]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU8, Ordering};

    /// Where a test writes code; it is read and never run.
    static MACHINE: [AtomicU8; 7] = [const { AtomicU8::new(0) }; 7];
    static LEVELS: [(&str, u8); 4] =
        [("critical", 1), ("debugging", 2), ("emergency", 3), ("informative", 4)];
    static CODES: [u32; 5] = [0x1234_5678, 0x2345_6789, 0x5249_4646, 0x7f45_4c46, 0xcafe_d00d];
    static CHANGES: std::sync::Mutex<[&str; 3]> = std::sync::Mutex::new(["one", "two", "three"]);

    /// `lea target(%rip), %rax` at address 0, then `movq $len, -8(%rbp)` if there is a length.
    fn code_at(start: u64, target: u64, len: Option<u32>) -> Vec<u8> {
        let offset = target.wrapping_sub(start + 7) as i32;
        let mut code = [&b"\x48\x8d\x05"[..], &offset.to_le_bytes()].concat();
        if let Some(len) = len {
            code.extend([&b"\x48\xc7\x45\xf8"[..], &len.to_le_bytes()].concat());
        }
        code
    }

    fn names_at(target: *const u8, len: Option<u32>) -> Vec<String> {
        let (code, target) = (Code::of_memory(), target.addr() as u64);
        // An offset has 32 bits.
        let start = target - 4096;
        let names = code.names(&code_at(start, target, len), start);
        names.into_iter().map(|name| String::from_utf8_lossy(&name).into_owned()).collect()
    }

    #[test]
    fn tables_of_this_process_are_read() {
        let names = names_at((&raw const LEVELS).cast(), None);
        assert_eq!(names[..4], ["critical", "debugging", "emergency", "informative"]);
        let codes = names_at((&raw const CODES).cast(), None);
        assert!(codes.contains(&"FFIR".to_owned()) && codes.contains(&"RIFF".to_owned()));
        assert_eq!(names_at("informative".as_ptr(), Some(6)), ["inform"]);
    }

    #[test]
    fn what_the_program_may_change_is_no_table() {
        assert!(names_at((&raw const CHANGES).cast(), None).is_empty());
        let heap = Box::new(["one", "two", "three"]);
        assert!(names_at(heap.as_ptr().cast(), None).is_empty());
        assert_eq!(CHANGES.lock().unwrap().len(), heap.len());
    }

    #[test]
    fn addresses_are_no_tokens() {
        let code = Code::of_memory();
        let address = ((&raw const LEVELS).addr() as u64).to_le_bytes();
        for bytes in [&address[..], &address[..6], &[&address[..], b"12345678"].concat()] {
            assert!(code.holds_address(bytes), "{bytes:?}");
        }
        for bytes in [&b"GIF89a"[..], b"version", b"\x89PNG\r\n\x1a\n", b"\x78\x56\x34\x12"] {
            assert!(!code.holds_address(bytes), "{bytes:?}");
        }
        // movabs $address, %rax
        let loads = [&b"\x48\xb8"[..], &address].concat();
        let constants = code.constants(&loads, 0);
        // A part of it may look like another instruction.
        assert!(constants.iter().all(|token| token.len() < 6), "{constants:?}");
        assert_eq!(code.constants(b"\x48\xb8GIF89a\0\0", 0), [Box::from(&b"GIF89a"[..])]);
    }

    #[test]
    fn functions_that_run_once_are_read_and_given_up_when_an_entry_reaches_them() {
        let target = (&raw const LEVELS).addr() as u64;
        let start = (&raw const MACHINE).addr() as u64;
        for (byte, place) in code_at(start, target, None).into_iter().zip(&MACHINE) {
            place.store(byte, Ordering::Relaxed);
        }
        let end = start + MACHINE.len() as u64;
        let functions = [0, 10].map(|counter| Function { counter, start, end, tokens: None });
        let mut code = Code { functions: functions.into(), ..Code::of_memory() };
        assert_eq!(code.tokens_of(&[8])[0].1, Novelty::New);
        assert!(code.look(1, &[], |counter| counter < 10).is_empty(), "it was read");
        assert!(!code.wants_look(1) && code.wants_look(2));
        assert!(code.look(2, &[10], |counter| counter == 10).is_empty(), "an entry reaches it");
        let found = code.look(3, &[], |counter| counter == 10);
        assert_eq!((found.len(), code.initial_tokens().len()), (1, 1));
        assert_eq!(found[0].names[0][..], *b"critical");
        assert_eq!(code.tokens_of(&[80])[0].1, Novelty::Known);
        assert!(code.initial.is_empty());
        code.functions[1].tokens = None;
        code.note_first_call(&[81, 82]);
        assert_eq!(code.look(4, &[], |_| false).len(), 1, "what the first call reached");
        code.tokens_of(&[80]);
        assert!(code.initial.is_empty());
    }

    #[test]
    fn functions_are_read_a_few_at_a_time() {
        let function = |counter| Function { counter, start: 0, end: 0, tokens: None };
        let n = 2 * MAX_READ as u32 + 3;
        let mut code = Code { functions: (0..n).map(function).collect(), ..Code::of_memory() };
        let mut read = Vec::new();
        while code.wants_look(7) {
            read.push(code.look(7, &[], |_| true).len());
        }
        assert_eq!(read, [MAX_READ, MAX_READ, 3]);
    }
}
