//! What comparisons saw while the gate was open: a bounded table, filled by the hooks.
//!
//! Unsafe lives here. Invariant: the table is touched only by the thread that runs the body: by
//! its callbacks while the gate is open, and by [`drain`] on the same thread afterwards. Callbacks
//! run inside any code, `memcmp` itself included, so they allocate nothing and cannot panic.

use super::hash::mix;
use super::trace::{Constant, Event, Operands, Trace};
use std::cell::{Cell, UnsafeCell};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

thread_local! {
    /// Whether this thread runs the body. Without a destructor and with a constant start, so that
    /// reading it allocates nothing.
    pub(super) static BODY_THREAD: Cell<bool> = const { Cell::new(false) };
}

/// How many comparisons are kept of one execution.
const MAX_EVENTS: usize = 4096;
const MAX_STRINGS: usize = 1024;
/// Bytes kept of each operand of a `memcmp`.
const MAX_STRING_LEN: usize = 64;
/// How far a difference is looked for.
const MAX_COMPARED: usize = 1 << 20;
/// How many places are told apart; a power of two.
const N_SITES: usize = 2048;
/// Of a place that is reached often, this many of the first and of the last comparisons are kept:
/// a parser that stops at an error has made the telling comparison last.
const N_KEPT: usize = 24;
/// Of a place that compares strings, so many pairs of short ones are kept beyond those, each once:
/// a parser that has one function for all its keywords compares them all in one place.
const N_NOVEL: u16 = 384;
/// Of a place that compares integers, so many pairs of large ones are kept apart from those, each
/// once: a loop that looks a number up in a table compares it with all of it in one place.
const N_OTHERS: u16 = 160;
/// And so many of all places.
const MAX_OTHERS: usize = 320;
/// Integers are large from here on. Smaller ones are mostly counters, which are new each time.
const LARGE: u64 = 1 << 16;
/// How many pairs are told apart; a power of two.
const N_PAIRS: usize = 4096;
/// No event of a ring.
const NO_SLOT: u16 = u16::MAX;

#[derive(Clone, Copy)]
struct RawEvent {
    site: u64,
    a: u64,
    /// The second operand; of strings, their index.
    b: u64,
    /// When it was made, counted in comparisons.
    time: u32,
    nth: u32,
    /// In bytes; 0 for strings.
    width: u8,
    constant: Constant,
}

impl RawEvent {
    /// Whether it is worth being kept after others have come in its place.
    fn tells(&self) -> bool {
        // What is compared with a constant there, is compared with it every time.
        self.width >= 4
            && self.constant == Constant::None
            && self.a.max(self.b) >= LARGE
            && self.a != self.b
    }
}

#[derive(Clone, Copy)]
struct RawString {
    a: [u8; MAX_STRING_LEN],
    b: [u8; MAX_STRING_LEN],
    len: usize,
}

impl RawString {
    /// The start of both operands, or what begins at the first difference if that lies behind it.
    ///
    /// # Safety
    /// Both must have `n` readable bytes.
    unsafe fn copy(a: *const u8, b: *const u8, n: usize) -> Self {
        let n = n.min(MAX_COMPARED);
        let difference = (0..n)
            .find(|i| {
                // SAFETY: the caller says that it has `n` bytes.
                let x = unsafe { a.wrapping_add(*i).read_volatile() };
                // SAFETY: as above.
                let y = unsafe { b.wrapping_add(*i).read_volatile() };
                x != y
            })
            .unwrap_or(0);
        let start = if difference < MAX_STRING_LEN { 0 } else { difference };
        let len = n.wrapping_sub(start).min(MAX_STRING_LEN);
        let mut string = Self { a: [0; MAX_STRING_LEN], b: [0; MAX_STRING_LEN], len };
        for i in 0..len {
            let at = start.wrapping_add(i);
            // SAFETY: `start + len` is not over `n`, of which the caller says that it has.
            string.a[i] = unsafe { a.wrapping_add(at).read_volatile() };
            // SAFETY: as above.
            string.b[i] = unsafe { b.wrapping_add(at).read_volatile() };
        }
        string
    }

    /// A hash of both, compared in this place.
    fn hash(&self, site: u64) -> u64 {
        let mut hash = mix(self.len as u64, site);
        for i in (0..self.len).step_by(8) {
            for bytes in [&self.a, &self.b] {
                let mut word = [0; 8];
                for (to, from) in word.iter_mut().zip(bytes.iter().skip(i)) {
                    *to = *from;
                }
                hash = mix(hash, u64::from_le_bytes(word));
            }
        }
        hash
    }
}

/// A pair that was compared in a place.
#[derive(Clone, Copy)]
struct Pair {
    hash: u32,
    /// The execution in which this was written, as in [`Site`].
    execution: u32,
}

/// What is compared in a place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Integers,
    /// Whether this pair was not yet compared there in this execution.
    Strings {
        are_novel: bool,
    },
}

/// What is known about a place in this execution.
#[derive(Clone, Copy)]
struct Site {
    site: u64,
    /// The execution in which this was written; the place is free in any other.
    execution: u32,
    /// How often it was reached.
    count: u32,
    /// How many pairs were kept because they were novel.
    n_novel: u16,
    /// The events of the last comparisons, in a ring.
    last: [u16; N_KEPT],
}

struct Table {
    events: [RawEvent; MAX_EVENTS],
    n_events: usize,
    /// What the rings had no room for.
    others: [RawEvent; MAX_OTHERS],
    n_others: usize,
    strings: [RawString; MAX_STRINGS],
    n_strings: usize,
    pairs: [Pair; N_PAIRS],
    sites: [Site; N_SITES],
    execution: u32,
    time: u32,
}

struct Shared(UnsafeCell<Table>);

// SAFETY: only the thread that runs the body reaches the table; see `table`.
unsafe impl Sync for Shared {}

const NO_EVENT: RawEvent =
    RawEvent { site: 0, a: 0, b: 0, time: 0, nth: 0, width: 0, constant: Constant::None };

static TABLE: Shared = Shared(UnsafeCell::new(Table {
    events: [NO_EVENT; MAX_EVENTS],
    n_events: 0,
    others: [NO_EVENT; MAX_OTHERS],
    n_others: 0,
    strings: [RawString { a: [0; MAX_STRING_LEN], b: [0; MAX_STRING_LEN], len: 0 }; MAX_STRINGS],
    n_strings: 0,
    pairs: [Pair { hash: 0, execution: 0 }; N_PAIRS],
    sites: [Site { site: 0, execution: 0, count: 0, n_novel: 0, last: [0; N_KEPT] }; N_SITES],
    execution: 1,
    time: 0,
}));

/// The table, on the thread that runs the body, and nowhere else.
fn table() -> Option<*mut Table> {
    BODY_THREAD.get().then(|| TABLE.0.get())
}

impl Table {
    /// What is known about a place; `None` if there are too many.
    fn site(&mut self, site: u64) -> Option<&mut Site> {
        let start = mix(0, site) as usize;
        let execution = self.execution;
        let is_its = |own: &Site| own.execution != execution || own.site == site;
        let at =
            (0..8).map(|i| start.wrapping_add(i) % N_SITES).find(|at| is_its(&self.sites[*at]))?;
        let own = &mut self.sites[at];
        if own.execution != execution {
            (own.site, own.execution, own.count, own.n_novel) = (site, execution, 0, 0);
        }
        Some(own)
    }

    /// Where the next comparison of a place goes, and how often that was reached before.
    fn next(&mut self, site: u64, kind: Kind) -> Option<(usize, u32)> {
        self.time = self.time.wrapping_add(1);
        let fresh = (self.n_events < MAX_EVENTS).then_some(self.n_events);
        let own = self.site(site)?;
        let nth = own.count;
        own.count = nth.saturating_add(1);
        if let Some(late) = (nth as usize).checked_sub(N_KEPT) {
            let slot = &mut own.last[late % N_KEPT];
            match kind {
                _ if late < N_KEPT => *slot = fresh.map_or(NO_SLOT, |fresh| fresh as u16),
                Kind::Integers => {
                    return (*slot != NO_SLOT).then_some((usize::from(*slot), nth));
                }
                // A string's bytes stand elsewhere, so that no event of one is used again.
                Kind::Strings { are_novel } if !are_novel || own.n_novel >= N_NOVEL => return None,
                Kind::Strings { .. } => own.n_novel += 1,
            }
        }
        let fresh = fresh?;
        self.n_events = fresh.wrapping_add(1);
        Some((fresh, nth))
    }

    fn add(&mut self, event: RawEvent) {
        if let Some((at, nth)) = self.next(event.site, Kind::Integers) {
            if nth as usize >= 2 * N_KEPT {
                self.keep_other(at);
            }
            self.put((at, nth), event);
        }
    }

    /// Keeps the event in whose place another one is put, if it tells anything new.
    fn keep_other(&mut self, at: usize) {
        let Some(old) = self.events.get(at).copied().filter(RawEvent::tells) else { return };
        let has_room = self.site(old.site).is_some_and(|own| own.n_novel < N_OTHERS);
        if !has_room || !self.is_novel(mix(mix(old.site, old.a), old.b)) {
            return;
        }
        let number = self.n_others;
        let Some(room) = self.others.get_mut(number) else { return };
        *room = old;
        self.n_others = number.wrapping_add(1);
        if let Some(own) = self.site(old.site) {
            own.n_novel = own.n_novel.wrapping_add(1);
        }
    }

    /// Whether a pair with this hash was not yet seen in this execution; if there is no
    /// room to tell, it was.
    fn is_novel(&mut self, hash: u64) -> bool {
        let (start, hash) = ((hash >> 32) as usize, hash as u32);
        for i in 0..8 {
            let pair = &mut self.pairs[start.wrapping_add(i) % N_PAIRS];
            if pair.execution != self.execution {
                *pair = Pair { hash, execution: self.execution };
                return true;
            }
            if pair.hash == hash {
                return false;
            }
        }
        false
    }

    /// Puts an event where [`Table::next`] says.
    fn put(&mut self, (at, nth): (usize, u32), event: RawEvent) {
        if let Some(place) = self.events.get_mut(at) {
            *place = RawEvent { nth, time: self.time, ..event };
        }
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

fn is_left_out(a: u64, b: u64, constant: Constant) -> bool {
    are_addresses(a, b) || (REPEATS.load(Ordering::Relaxed) && may_hold_address(a, b, constant))
}

/// Records an integer comparison made at `site`, if this thread runs the body.
pub(super) fn record_int(site: u64, a: u64, b: u64, width: u8, constant: Constant) {
    if width == 8 && is_left_out(a, b, constant) {
        return;
    }
    if let Some(table) = table() {
        // SAFETY: this thread alone reaches the table, and no other reference to it exists: a
        // callback does not call instrumented code.
        unsafe { &mut *table }.add(RawEvent { site, a, b, width, constant, ..NO_EVENT });
    }
}

/// Records a comparison of byte strings made at `site`, if this thread runs the body: their start,
/// or what begins at the first difference where that lies behind it.
///
/// # Safety
/// Both must have `n` readable bytes.
pub(super) unsafe fn record_bytes(site: u64, a: *const u8, b: *const u8, n: usize) {
    let Some(table) = table() else { return };
    // SAFETY: as in `record_int`.
    let table = unsafe { &mut *table };
    if table.n_strings >= MAX_STRINGS || n == 0 {
        return;
    }
    // SAFETY: the caller says that both have `n` bytes.
    let copy = || unsafe { RawString::copy(a, b, n) };
    // Keywords are short; long strings are not looked at again and again.
    let short = (n <= MAX_STRING_LEN).then(copy);
    let are_novel = short.is_some_and(|string| table.is_novel(string.hash(site)));
    // A place that is reached often must not use up the room of the others.
    let Some(place) = table.next(site, Kind::Strings { are_novel }) else { return };
    let number = table.n_strings;
    let Some(room) = table.strings.get_mut(number) else { return };
    *room = short.unwrap_or_else(copy);
    table.n_strings = number.wrapping_add(1);
    table.put(place, RawEvent { site, b: number as u64, ..NO_EVENT });
}

/// Moves what was recorded on this thread to `trace`, in order, and empties the table. The gate is
/// closed.
pub(super) fn drain(trace: &mut Trace) {
    trace.events.clear();
    trace.others.clear();
    let Some(table) = table() else { return };
    // SAFETY: this thread alone reaches the table, and with the gate closed no callback does.
    let table = unsafe { &mut *table };
    let events = &mut table.events[..table.n_events];
    // Those of a ring stand where older ones stood.
    if !events.is_sorted_by_key(|event| event.time) {
        events.sort_unstable_by_key(|event| event.time);
    }
    let strings = &table.strings;
    let event = |raw: &RawEvent| {
        let operands = if raw.width == 0 {
            let string = &strings[raw.b as usize];
            Operands::Bytes { a: string.a[..string.len].into(), b: string.b[..string.len].into() }
        } else {
            Operands::Int { a: raw.a, b: raw.b, width: raw.width, constant: raw.constant }
        };
        Event { site: raw.site, nth: raw.nth, operands }
    };
    trace.events.extend(events.iter().map(event));
    trace.others.extend(table.others.iter().take(table.n_others).map(event));
    (table.n_events, table.n_others, table.n_strings, table.time) = (0, 0, 0, 0);
    table.execution = table.execution.wrapping_add(1).max(1);
}

/// Held by tests that touch what is one for the process: the table, the gate, counters, notes.
#[cfg(test)]
pub(super) static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

#[cfg(test)]
mod tests {
    use super::*;

    fn take() -> Vec<Event> {
        let mut trace = Trace::default();
        drain(&mut trace);
        trace.events
    }

    fn int(site: u64, nth: u32, a: u64, b: u64) -> Event {
        let operands = Operands::Int { a, b, width: 4, constant: Constant::None };
        Event { site, nth, operands }
    }

    #[test]
    fn comparisons_are_recorded_in_order_on_the_bodys_thread_only() {
        let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        record_int(1, 1, 2, 4, Constant::None);
        assert_eq!(take(), []);
        BODY_THREAD.set(true);
        std::thread::spawn(|| record_int(1, 8, 9, 4, Constant::None)).join().unwrap();
        record_int(7, 1, 2, 4, Constant::None);
        // SAFETY: both have three bytes.
        unsafe { record_bytes(8, b"abc".as_ptr(), b"abd".as_ptr(), 3) };
        record_int(7, 3, 3, 4, Constant::None);
        let operands = Operands::Bytes { a: (*b"abc").into(), b: (*b"abd").into() };
        let string = Event { site: 8, nth: 0, operands };
        assert_eq!(take(), [int(7, 0, 1, 2), string, int(7, 1, 3, 3)]);
        assert_eq!(take(), []);
        BODY_THREAD.set(false);
    }

    #[test]
    fn the_first_and_the_last_comparisons_of_a_place_are_kept() {
        let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        BODY_THREAD.set(true);
        for i in 0..10_000 {
            record_int(1, i, 77, 4, Constant::None);
        }
        record_int(2, 1, 2, 4, Constant::None);
        let events = take();
        let n = N_KEPT as u64;
        let kept = (0..n).chain(10_000 - n..10_000).map(|i| int(1, i as u32, i, 77));
        assert_eq!(events, kept.chain([int(2, 0, 1, 2)]).collect::<Vec<_>>());

        for i in 0..10_000 {
            record_int(i, i, 77, 4, Constant::None);
        }
        let n_sites = take().len();
        assert!((N_SITES / 2..=MAX_EVENTS).contains(&n_sites), "{n_sites}");
        BODY_THREAD.set(false);
    }

    #[test]
    fn strings_compared_often_in_one_place_leave_room_for_those_of_others() {
        let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        BODY_THREAD.set(true);
        for _ in 0..2 * MAX_STRINGS {
            // SAFETY: both have three bytes.
            unsafe { record_bytes(1, b"abc".as_ptr(), b"abd".as_ptr(), 3) };
        }
        // SAFETY: both have three bytes.
        unsafe { record_bytes(2, b"key".as_ptr(), b"val".as_ptr(), 3) };
        let events = take();
        BODY_THREAD.set(false);
        let n_of = |site| events.iter().filter(|event| event.site == site).count();
        assert_eq!((n_of(1), n_of(2)), (2 * N_KEPT, 1));
    }

    #[test]
    fn of_strings_compared_in_one_place_each_pair_is_kept() {
        let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        BODY_THREAD.set(true);
        let compare = |words: std::ops::Range<u32>| {
            for word in words {
                let word = word.to_be_bytes();
                // SAFETY: both have four bytes.
                unsafe { record_bytes(1, word.as_ptr(), b"word".as_ptr(), 4) };
            }
        };
        (0..100).for_each(|_| compare(0..200));
        let repeated = take();
        (0..10).for_each(|_| compare(0..5000));
        let too_many = take().len();
        let long = [b'x'; MAX_STRING_LEN + 1];
        for i in 0..100 {
            let mut other = long;
            other[0] = i;
            // SAFETY: both have as many bytes.
            unsafe { record_bytes(1, long.as_ptr(), other.as_ptr(), long.len()) };
        }
        let n_long = take().len();
        BODY_THREAD.set(false);
        // The first ones are kept as they come, and so is the number of each.
        assert_eq!(repeated.len(), 200);
        assert!(repeated.iter().enumerate().all(|(i, event)| event.nth == i as u32));
        assert_eq!(too_many, 2 * N_KEPT + usize::from(N_NOVEL));
        assert_eq!(n_long, 2 * N_KEPT, "long ones are not told apart");
    }

    #[test]
    fn of_large_integers_compared_in_one_place_each_pair_is_kept() {
        let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        BODY_THREAD.set(true);
        let drained = || {
            let mut trace = Trace::default();
            drain(&mut trace);
            let pair = |event: &Event| match event.operands {
                Operands::Int { a, .. } => (a, event.nth),
                Operands::Bytes { .. } => panic!("{event:?}"),
            };
            let others: Vec<(u64, u32)> = trace.others.iter().map(pair).collect();
            (trace.events.len(), others)
        };
        let compare = |site, from: u64, n: u64, constant| {
            (from..from + n).for_each(|a| record_int(site, a, 77, 4, constant));
        };
        compare(1, LARGE, 100, Constant::None);
        let between = (N_KEPT as u64..100 - N_KEPT as u64).map(|n| (LARGE + n, n as u32));
        assert_eq!(drained(), (2 * N_KEPT, between.collect()), "those between the first and last");

        (0..10).for_each(|_| compare(1, LARGE, 100, Constant::None));
        let mut again: Vec<u64> = drained().1.into_iter().map(|(a, _)| a).collect();
        again.sort_unstable();
        assert_eq!(again, (LARGE..LARGE + 100).collect::<Vec<_>>(), "each once");

        compare(1, 0, 1000, Constant::None);
        compare(2, LARGE, 1000, Constant::First);
        (0..1000).for_each(|_| record_int(3, LARGE, LARGE, 4, Constant::None));
        assert_eq!(drained(), (6 * N_KEPT, vec![]), "counters, and what tells nothing new");

        compare(1, LARGE, 10_000, Constant::None);
        let (n_events, others) = drained();
        assert_eq!((n_events, others.len()), (2 * N_KEPT, usize::from(N_OTHERS)));
        (0..10).for_each(|site| compare(site, LARGE, 10_000, Constant::None));
        let (n_events, others) = drained();
        assert_eq!((n_events, others.len()), (20 * N_KEPT, MAX_OTHERS));
        assert_eq!(drained(), (0, vec![]));
        BODY_THREAD.set(false);
    }

    #[test]
    fn addresses_are_left_out() {
        let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        BODY_THREAD.set(true);
        REPEATS.store(false, Ordering::Relaxed);
        let address = (&raw const TABLE).addr() as u64;
        record_int(1, address, address + 8, 8, Constant::None);
        assert_eq!(take().len(), 0, "a pair of addresses");
        record_int(1, 1 << 30, 1 << 33, 8, Constant::None);
        assert_eq!(take().len(), 1, "sizes and times are no addresses");
        make_repeatable();
        record_int(1, 1 << 30, 1 << 33, 8, Constant::None);
        let is_low = address < 1 << (NEIGHBOURHOOD + 1);
        assert_eq!(take().len(), usize::from(!is_low), "nor where runs repeat, if those lie high");
        REPEATS.store(false, Ordering::Relaxed);
        assert!(may_hold_address(address, 0, Constant::None));
        assert!(may_hold_address(0, address, Constant::First));
        assert!(!may_hold_address(address, 0, Constant::First), "a constant is none");
        BODY_THREAD.set(false);
    }

    #[test]
    fn of_long_strings_the_first_difference_is_kept() {
        let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        BODY_THREAD.set(true);
        let (a, b) = ([b'x'; 300], [&[b'x'; 200][..], &[b'y'; 100]].concat());
        // SAFETY: both have 300 bytes.
        unsafe { record_bytes(1, a.as_ptr(), b.as_ptr(), 300) };
        // SAFETY: both have 210 bytes.
        unsafe { record_bytes(1, a.as_ptr(), b.as_ptr(), 210) };
        let late = |nth, n| {
            let operands = Operands::Bytes { a: vec![b'x'; n].into(), b: vec![b'y'; n].into() };
            Event { site: 1, nth, operands }
        };
        assert_eq!(take(), [late(0, MAX_STRING_LEN), late(1, 10)]);
        BODY_THREAD.set(false);
    }
}
