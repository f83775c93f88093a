//! What comparisons saw while the gate was open: a bounded table of operand pairs.
//!
//! Unsafe lives here. Invariant: the table is touched only by the thread that runs the body: by
//! its callbacks while the gate is open, and by [`drain`] on the same thread afterwards. Callbacks
//! run inside any code, `memcmp` itself included, so they allocate nothing and cannot panic.

use std::cell::{Cell, UnsafeCell};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

thread_local! {
    /// Whether this thread runs the body. Without a destructor and with a constant start, so that
    /// reading it allocates nothing.
    pub(super) static BODY_THREAD: Cell<bool> = const { Cell::new(false) };
}

/// Which operand is a constant of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Constant {
    /// Neither, as far as is known.
    None,
    /// The first one.
    First,
}

/// Two operands of one comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pair {
    /// Integers, zero-extended.
    Int {
        /// First operand.
        a: u64,
        /// Second operand.
        b: u64,
        /// Width in bytes.
        width: u8,
        /// Whether one is a constant.
        constant: Constant,
    },
    /// Byte strings of equal length.
    Bytes {
        /// First operand.
        a: Vec<u8>,
        /// Second operand.
        b: Vec<u8>,
    },
}

const MAX_INTS: usize = 1024;
/// How many of them may be of one byte: code that looks at every byte compares little else.
const MAX_BYTES: usize = 256;
const MAX_STRINGS: usize = 256;
/// Bytes kept of each operand of a `memcmp`.
const MAX_STRING_LEN: usize = 64;
/// How far a difference is looked for.
const MAX_COMPARED: usize = 1 << 20;
/// Slots of the set that keeps pairs from being recorded twice; a power of two.
const N_SLOTS: usize = 4096;
/// How many pairs may share an operand, so that a loop's counter does not fill the table.
const MAX_SHARED: u8 = 48;

#[derive(Clone, Copy)]
struct RawInt {
    a: u64,
    b: u64,
    width: u8,
    constant: Constant,
}

#[derive(Clone, Copy)]
struct RawString {
    a: [u8; MAX_STRING_LEN],
    b: [u8; MAX_STRING_LEN],
    len: usize,
}

struct Table {
    ints: [RawInt; MAX_INTS],
    n_ints: usize,
    n_bytes: usize,
    strings: [RawString; MAX_STRINGS],
    n_strings: usize,
    slots: [u64; N_SLOTS],
    shared: [u8; N_SLOTS],
}

struct Shared(UnsafeCell<Table>);

// SAFETY: only the thread that runs the body reaches the table; see `table`.
unsafe impl Sync for Shared {}

static TABLE: Shared = Shared(UnsafeCell::new(Table {
    ints: [RawInt { a: 0, b: 0, width: 0, constant: Constant::None }; MAX_INTS],
    n_ints: 0,
    n_bytes: 0,
    strings: [RawString { a: [0; MAX_STRING_LEN], b: [0; MAX_STRING_LEN], len: 0 }; MAX_STRINGS],
    n_strings: 0,
    slots: [0; N_SLOTS],
    shared: [0; N_SLOTS],
}));

/// The table, on the thread that runs the body, and nowhere else.
fn table() -> Option<*mut Table> {
    BODY_THREAD.get().then(|| TABLE.0.get())
}

fn mix(hash: u64, word: u64) -> u64 {
    let mixed = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

impl Table {
    /// Where the pair with this hash is to be noted; `None` if it is noted already, or no slot is
    /// left near its own.
    fn free_slot(&self, hash: u64) -> Option<usize> {
        for i in 0..8 {
            let at = (hash as usize >> 8).wrapping_add(i) % N_SLOTS;
            match self.slots[at] {
                0 => return Some(at),
                known if known == hash => return None,
                _ => {}
            }
        }
        None
    }

    /// Whether too many pairs have this operand on this side.
    fn is_crowded(&mut self, operand: u64, side: u64) -> bool {
        let count = &mut self.shared[(mix(mix(0, side), operand) >> 20) as usize % N_SLOTS];
        *count = count.saturating_add(1);
        *count > MAX_SHARED
    }

    fn add_int(&mut self, int: RawInt) {
        let hash = mix(mix(mix(0, u64::from(int.width)), int.a), int.b) | 1;
        let is_full = self.n_ints >= MAX_INTS || (int.width == 1 && self.n_bytes >= MAX_BYTES);
        let Some(slot) = self.free_slot(hash).filter(|_| !is_full) else { return };
        // Many values against one constant are a loop; many constants against one value are not.
        if self.is_crowded(int.a, u64::from(int.width)) {
            return;
        }
        if int.constant == Constant::None && self.is_crowded(int.b, 16 + u64::from(int.width)) {
            return;
        }
        self.slots[slot] = hash;
        self.ints[self.n_ints] = int;
        self.n_bytes = self.n_bytes.wrapping_add(usize::from(int.width == 1));
        self.n_ints = self.n_ints.wrapping_add(1);
    }

    fn add_string(&mut self, string: &RawString) {
        let mut hash = string.len as u64;
        for i in 0..string.len {
            hash = mix(hash, u64::from(string.a[i]) << 8 | u64::from(string.b[i]));
        }
        let hash = hash | 1;
        let Some(slot) = self.free_slot(hash).filter(|_| self.n_strings < MAX_STRINGS) else {
            return;
        };
        self.slots[slot] = hash;
        self.strings[self.n_strings] = *string;
        self.n_strings = self.n_strings.wrapping_add(1);
    }
}

/// Whether runs must repeat.
static REPEATS: AtomicBool = AtomicBool::new(false);

/// Where the addresses of this process lie, in units of [`NEIGHBOURHOOD`].
static NEIGHBOURHOODS: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];
/// How far from each other the same things lie in different processes at most, in bits: Linux moves
/// executables, heaps, and mappings by 2^40 bytes.
const NEIGHBOURHOOD: u32 = 41;

/// From now on, what differs from run to run is left out even where that costs comparisons.
pub(super) fn make_repeatable() {
    let (heap, stack) = (Box::new(0u8), 0u8);
    let samples = [
        (&raw const TABLE).addr(),
        (&raw const *heap).addr(),
        (&raw const stack).addr(),
        libc::getpid as *const () as usize,
    ];
    for (neighbourhood, sample) in NEIGHBOURHOODS.iter().zip(samples) {
        neighbourhood.store(sample as u64 >> NEIGHBOURHOOD, Ordering::Relaxed);
    }
    REPEATS.store(true, Ordering::Relaxed);
}

/// Whether both are addresses, as a position and the end of a slice: they stand in no input and
/// would fill the table. Executables, heaps and mappings lie up here on 64-bit platforms.
fn are_addresses(a: u64, b: u64) -> bool {
    let addresses = 1 << 40..1 << 48;
    addresses.contains(&a) && addresses.contains(&b)
}

/// Whether one side may be an address: what it leaves no room for, or is put in place of, would
/// differ from run to run. A constant is none. Integers of eight bytes in the neighbourhoods of this
/// process are lost, so this is asked only where runs must repeat; where an executable or a heap
/// lies low, that is much of them.
fn may_hold_address(a: u64, b: u64, constant: Constant) -> bool {
    let is_address = |n: u64| {
        let is_near =
            |known: &AtomicU64| known.load(Ordering::Relaxed).abs_diff(n >> NEIGHBOURHOOD) <= 1;
        n >= 1 << 20 && NEIGHBOURHOODS.iter().any(is_near)
    };
    is_address(b) || (is_address(a) && constant == Constant::None)
}

/// Records an integer comparison, if this thread runs the body.
pub(super) fn record_int(a: u64, b: u64, width: u8, constant: Constant) {
    let is_left_out = width == 8
        && (are_addresses(a, b)
            || (REPEATS.load(Ordering::Relaxed) && may_hold_address(a, b, constant)));
    if a == b || is_left_out {
        return;
    }
    if let Some(table) = table() {
        // SAFETY: this thread alone reaches the table, and no other reference to it exists: a
        // callback does not call instrumented code.
        unsafe { &mut *table }.add_int(RawInt { a, b, width, constant });
    }
}

/// Records a comparison of byte strings, if this thread runs the body: their start, or what begins
/// at the first difference where that lies behind it.
///
/// # Safety
/// Both must have `n` readable bytes.
pub(super) unsafe fn record_bytes(a: *const u8, b: *const u8, n: usize) {
    let Some(table) = table() else { return };
    let n = n.min(MAX_COMPARED);
    let mut string =
        RawString { a: [0; MAX_STRING_LEN], b: [0; MAX_STRING_LEN], len: n.min(MAX_STRING_LEN) };
    let Some(difference) = (0..n).find(|i| {
        // SAFETY: the caller says that it has `n` bytes.
        let x = unsafe { a.wrapping_add(*i).read_volatile() };
        // SAFETY: as above.
        let y = unsafe { b.wrapping_add(*i).read_volatile() };
        x != y
    }) else {
        return;
    };
    let mut start = 0;
    if difference >= MAX_STRING_LEN {
        (start, string.len) = (difference, (n.wrapping_sub(difference)).min(MAX_STRING_LEN));
    }
    for i in 0..string.len {
        let at = start.wrapping_add(i);
        // SAFETY: `start + len` is not over `n`, of which the caller says that it has.
        string.a[i] = unsafe { a.wrapping_add(at).read_volatile() };
        // SAFETY: as above.
        string.b[i] = unsafe { b.wrapping_add(at).read_volatile() };
    }
    // SAFETY: as in `record_int`.
    unsafe { &mut *table }.add_string(&string);
}

/// Takes what was recorded on this thread, in order, and empties the table. The gate is closed.
pub(super) fn drain() -> Vec<Pair> {
    let Some(table) = table() else { return Vec::new() };
    // SAFETY: this thread alone reaches the table, and with the gate closed no callback does.
    let table = unsafe { &mut *table };
    let ints = table.ints[..table.n_ints].iter().map(|int| Pair::Int {
        a: int.a,
        b: int.b,
        width: int.width,
        constant: int.constant,
    });
    let strings = table.strings[..table.n_strings].iter().map(|string| Pair::Bytes {
        a: string.a[..string.len].to_vec(),
        b: string.b[..string.len].to_vec(),
    });
    let pairs = strings.chain(ints).collect();
    (table.n_ints, table.n_bytes, table.n_strings) = (0, 0, 0);
    table.slots.fill(0);
    table.shared.fill(0);
    pairs
}

/// Held by tests that touch what is one for the process: the table, the gate, counters, notes.
#[cfg(test)]
pub(super) static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

#[cfg(test)]
mod tests {
    use super::*;

    fn int(a: u64, b: u64, constant: Constant) -> Pair {
        Pair::Int { a, b, width: 4, constant }
    }

    #[test]
    fn pairs_are_recorded_once_on_the_bodys_thread_only() {
        let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        record_int(1, 2, 4, Constant::None);
        assert_eq!(drain(), []);
        BODY_THREAD.set(true);
        std::thread::spawn(|| record_int(8, 9, 4, Constant::None)).join().unwrap();
        for _ in 0..3 {
            record_int(1, 2, 4, Constant::None);
            record_int(7, 7, 4, Constant::None);
            record_int(5, 6, 4, Constant::First);
        }
        // SAFETY: both have three bytes.
        unsafe { record_bytes(b"abc".as_ptr(), b"abd".as_ptr(), 3) };
        // SAFETY: both have three bytes.
        unsafe { record_bytes(b"abc".as_ptr(), b"abc".as_ptr(), 3) };
        let strings = Pair::Bytes { a: b"abc".to_vec(), b: b"abd".to_vec() };
        assert_eq!(drain(), [strings, int(1, 2, Constant::None), int(5, 6, Constant::First)]);
        assert_eq!(drain(), []);

        for i in 0..10_000 {
            record_int(77, 1000 + i, 4, Constant::None);
        }
        record_int(1, 2, 4, Constant::None);
        let pairs = drain();
        assert!(pairs.len() <= usize::from(MAX_SHARED) + 1, "{} pairs", pairs.len());
        assert!(pairs.contains(&int(1, 2, Constant::None)));

        for i in 0..10_000 {
            record_int(i & 0xff, i >> 8, 1, Constant::None);
        }
        record_int(1, 2, 4, Constant::None);
        let pairs = drain();
        assert!(pairs.len() <= MAX_BYTES + 1, "{} pairs", pairs.len());
        assert!(pairs.contains(&int(1, 2, Constant::None)), "bytes leave room for others");

        REPEATS.store(false, Ordering::Relaxed);
        let address = (&raw const TABLE).addr() as u64;
        record_int(address, address + 8, 8, Constant::None);
        assert_eq!(drain().len(), 0, "a pair of addresses");
        record_int(1 << 30, 1 << 33, 8, Constant::None);
        assert_eq!(drain().len(), 1, "sizes and times are no addresses");
        make_repeatable();
        record_int(1 << 30, 1 << 33, 8, Constant::None);
        let is_low = address < 1 << (NEIGHBOURHOOD + 1);
        assert_eq!(drain().len(), usize::from(!is_low), "nor where runs repeat, if those lie high");
        REPEATS.store(false, Ordering::Relaxed);
        assert!(may_hold_address(address, 0, Constant::None));
        assert!(may_hold_address(0, address, Constant::First));
        assert!(!may_hold_address(address, 0, Constant::First), "a constant is none");

        let (a, b) = ([b'x'; 300], [&[b'x'; 200][..], &[b'y'; 100]].concat());
        // SAFETY: both have 300 bytes.
        unsafe { record_bytes(a.as_ptr(), b.as_ptr(), 300) };
        // SAFETY: both have 210 bytes.
        unsafe { record_bytes(a.as_ptr(), b.as_ptr(), 210) };
        let late = |n| Pair::Bytes { a: vec![b'x'; n], b: vec![b'y'; n] };
        assert_eq!(drain(), [late(MAX_STRING_LEN), late(10)]);
        BODY_THREAD.set(false);
    }
}
