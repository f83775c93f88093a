//! The hooks that instrumented code calls: LLVM's SanitizerCoverage interface, as far as fuzzing
//! builds ask for it (inline 8-bit counters, the pc table, gated comparison callbacks).
//!
//! Unsafe lives here. Invariant: the table of runs is append-only and published by its length; the
//! comparison callbacks do nothing unless the gate is open, also where LLVM does not gate them. The
//! symbols exist in fuzzing builds only; without them the functions are plain ones that tests call.

use super::compare;
use super::hash::mix;
use super::pass::Counters;
use super::trace::Constant;
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};

/// LLVM's gate: instrumented code calls the comparison callbacks while it is not 0.
#[cfg_attr(shmfuzz_instrumented, unsafe(export_name = "__sancov_should_track"))]
static GATE: AtomicU64 = AtomicU64::new(0);

/// Opens the gate for the calling thread: comparisons are recorded until it is closed.
pub(super) fn open_gate() {
    compare::BODY_THREAD.set(true);
    GATE.store(1, Ordering::Relaxed);
}

/// Closes the gate.
pub(super) fn close_gate() {
    GATE.store(0, Ordering::Relaxed);
}

/// Whether comparisons are recorded, at least on some thread.
#[inline(always)]
pub(super) fn is_gate_open() -> bool {
    GATE.load(Ordering::Relaxed) != 0
}

/// The most runs of counters: one for the binary and one for each instrumented library.
const MAX_RUNS: usize = 64;

struct Run {
    start: AtomicPtr<u8>,
    len: AtomicUsize,
}

static RUNS: [Run; MAX_RUNS] =
    [const { Run { start: AtomicPtr::new(std::ptr::null_mut()), len: AtomicUsize::new(0) } };
        MAX_RUNS];
static N_RUNS: AtomicUsize = AtomicUsize::new(0);
static N_PCS: AtomicU64 = AtomicU64::new(0);

/// A table of blocks: pairs of address and flags, one for each counter of a run.
struct Pcs {
    start: AtomicPtr<usize>,
    /// How many pairs.
    len: AtomicUsize,
}

static PCS: [Pcs; MAX_RUNS] =
    [const { Pcs { start: AtomicPtr::new(std::ptr::null_mut()), len: AtomicUsize::new(0) } };
        MAX_RUNS];
static N_PC_TABLES: AtomicUsize = AtomicUsize::new(0);

/// The flag of a block with which a function begins.
const ENTRY: usize = 1;

/// What LLVM writes where a block's address would be, if the block was deleted.
const DELETED: usize = 1;

/// The runs of counters registered so far, in order of registration.
pub(super) fn runs() -> impl Iterator<Item = Counters> {
    let n = N_RUNS.load(Ordering::Acquire).min(MAX_RUNS);
    RUNS[..n].iter().map(|run| {
        let (start, len) = (run.start.load(Ordering::Relaxed), run.len.load(Ordering::Relaxed));
        // SAFETY: who registered it guarantees that the run lives as long as the process.
        unsafe { Counters::new(start, len) }
    })
}

/// How many program counters the tables describe.
pub(super) fn n_pcs() -> u64 {
    N_PCS.load(Ordering::Relaxed)
}

/// Registers a run of counters. The loader calls constructors one after the other, so that two
/// registrations never overlap.
///
/// # Safety
/// `start..stop` must be counters that live as long as the process and that nobody holds a
/// reference to.
#[cfg_attr(shmfuzz_instrumented, unsafe(no_mangle))]
pub unsafe extern "C" fn __sanitizer_cov_8bit_counters_init(start: *mut u8, stop: *mut u8) {
    super::memcmp::resolve();
    let len = (stop as usize).saturating_sub(start as usize);
    let n = N_RUNS.load(Ordering::Relaxed);
    let known = RUNS[..n.min(MAX_RUNS)].iter().any(|r| r.start.load(Ordering::Relaxed) == start);
    if len == 0 || known || n >= MAX_RUNS {
        return;
    }
    RUNS[n].start.store(start, Ordering::Relaxed);
    RUNS[n].len.store(len, Ordering::Relaxed);
    N_RUNS.store(n + 1, Ordering::Release);
}

/// Registers a pc table: pairs of address and flags. A module registers its counters first, then
/// its table, and as many of the one as of the other.
#[cfg_attr(shmfuzz_instrumented, unsafe(no_mangle))]
pub extern "C" fn __sanitizer_cov_pcs_init(start: *const usize, stop: *const usize) {
    let len = (stop as usize).saturating_sub(start as usize) / (2 * size_of::<usize>());
    N_PCS.fetch_add(len as u64, Ordering::Relaxed);
    let n = N_PC_TABLES.load(Ordering::Relaxed);
    let is_known = |pcs: &Pcs| pcs.start.load(Ordering::Relaxed).cast_const() == start;
    if len == 0 || n >= MAX_RUNS || PCS[..n].iter().any(is_known) {
        return;
    }
    PCS[n].start.store(start.cast_mut(), Ordering::Relaxed);
    PCS[n].len.store(len, Ordering::Relaxed);
    N_PC_TABLES.store(n + 1, Ordering::Release);
}

/// Where the block of a run's counter begins, relative to the symbol
/// [`ANCHOR`](crate::message::ANCHOR), which is in the same binary unless the run belongs to a
/// library.
pub(super) fn pc(run: usize, counter: usize) -> Option<i64> {
    let n = N_PC_TABLES.load(Ordering::Acquire);
    let (pcs, run) = (PCS[..n].get(run)?, RUNS.get(run)?);
    let (start, len) = (pcs.start.load(Ordering::Relaxed), pcs.len.load(Ordering::Relaxed));
    if run.len.load(Ordering::Relaxed) != len || counter >= len {
        return None;
    }
    let place = start.wrapping_add(2 * counter).cast_const();
    // SAFETY: the table lives as long as its module, and has `len` pairs.
    let pc = unsafe { place.read() };
    let anchor = __sanitizer_cov_pcs_init as *const () as usize;
    (pc > DELETED).then(|| (pc as i64).wrapping_sub(anchor as i64))
}

/// The functions of the program: the number of the counter at their entry, counted over all runs,
/// and their address.
pub(super) fn function_entries() -> impl Iterator<Item = (u32, u64)> {
    let n = N_PC_TABLES.load(Ordering::Acquire).min(N_RUNS.load(Ordering::Acquire)).min(MAX_RUNS);
    let mut first = 0;
    (0..n).flat_map(move |run| {
        let (start, len) =
            (PCS[run].start.load(Ordering::Relaxed), PCS[run].len.load(Ordering::Relaxed));
        let n_counters = RUNS[run].len.load(Ordering::Relaxed);
        let counter = first;
        first += n_counters as u32;
        (0..if n_counters == len { len } else { 0 }).filter_map(move |i| {
            let place = start.wrapping_add(2 * i).cast_const().cast::<[usize; 2]>();
            // SAFETY: the table lives as long as its module, and has `len` pairs.
            let [pc, flags] = unsafe { place.read() };
            (pc > DELETED && flags & ENTRY != 0).then_some((counter + i as u32, pc as u64))
        })
    })
}

/// Makes hooks out of functions that also take the place they are called from, as their last
/// argument. Only assembly can read a return address on stable: a hook is two instructions that
/// put it into the next argument's register, and go on in the function. Elsewhere the hook is a
/// plain function, for which all places are one.
macro_rules! hooks {
    ($($(#[doc = $doc:literal])* $name:ident = $function:ident($($arg:ident: $ty:ty),*) $x86:literal $arm:literal;)*) => {$(
        #[cfg(all(shmfuzz_instrumented, target_os = "linux", target_arch = "x86_64"))]
        std::arch::global_asm!(
            ".pushsection .text",
            concat!(".globl ", stringify!($name)),
            concat!(".type ", stringify!($name), ",@function"),
            concat!(stringify!($name), ":"),
            concat!("mov ", $x86, ", [rsp]"),
            "jmp {function}",
            concat!(".size ", stringify!($name), ", . - ", stringify!($name)),
            ".popsection",
            function = sym $function,
        );
        #[cfg(all(shmfuzz_instrumented, target_os = "linux", target_arch = "aarch64"))]
        std::arch::global_asm!(
            ".pushsection .text",
            concat!(".globl ", stringify!($name)),
            concat!(".type ", stringify!($name), ",@function"),
            concat!(stringify!($name), ":"),
            concat!("mov ", $arm, ", x30"),
            "b {function}",
            concat!(".size ", stringify!($name), ", . - ", stringify!($name)),
            ".popsection",
            function = sym $function,
        );
        $(#[doc = $doc])*
        ///
        /// # Safety
        /// Pointers must be valid for what the function of this name reads.
        #[cfg(not(all(
            shmfuzz_instrumented,
            target_os = "linux",
            any(target_arch = "x86_64", target_arch = "aarch64")
        )))]
        #[cfg_attr(shmfuzz_instrumented, unsafe(no_mangle))]
        pub unsafe extern "C" fn $name($($arg: $ty),*) -> i32 {
            // SAFETY: as for this function.
            unsafe { $function($($arg,)* 0) }
        }
    )*};
}
pub(super) use hooks;

/// Where a hook was called from, as a number that is the same in every run of the program.
pub(super) fn site_of(address: usize) -> u64 {
    (address as u64).wrapping_sub(open_gate as fn() as usize as u64)
}

macro_rules! comparisons {
    ($($(#[doc = $doc:literal])* $name:ident = $function:ident($integer:ty, $constant:expr);)*) => {$(
        unsafe extern "C" fn $function(a: $integer, b: $integer, place: usize) -> i32 {
            if is_gate_open() {
                let (a, b, width) = (a.into(), b.into(), size_of::<$integer>() as u8);
                let known = if $constant == Constant::First { a } else { 0 };
                let site = if place == 0 { mix(known, 1) } else { site_of(place) };
                compare::record_int(site, a, b, width, $constant);
            }
            0
        }
        hooks! {
            $(#[doc = $doc])*
            $name = $function(a: $integer, b: $integer) "rdx" "x2";
        }
    )*};
}

comparisons! {
    /// A comparison of bytes.
    __sanitizer_cov_trace_cmp1 = compare_1(u8, Constant::None);
    /// A comparison of 16-bit integers.
    __sanitizer_cov_trace_cmp2 = compare_2(u16, Constant::None);
    /// A comparison of 32-bit integers.
    __sanitizer_cov_trace_cmp4 = compare_4(u32, Constant::None);
    /// A comparison of 64-bit integers.
    __sanitizer_cov_trace_cmp8 = compare_8(u64, Constant::None);
    /// A comparison of a constant with a byte.
    __sanitizer_cov_trace_const_cmp1 = compare_constant_1(u8, Constant::First);
    /// A comparison of a constant with a 16-bit integer.
    __sanitizer_cov_trace_const_cmp2 = compare_constant_2(u16, Constant::First);
    /// A comparison of a constant with a 32-bit integer.
    __sanitizer_cov_trace_const_cmp4 = compare_constant_4(u32, Constant::First);
    /// A comparison of a constant with a 64-bit integer.
    __sanitizer_cov_trace_const_cmp8 = compare_constant_8(u64, Constant::First);
}

/// The most cases of one `switch` that are recorded.
const MAX_CASES: usize = 64;

unsafe extern "C" fn switch(value: u64, cases: *const u64, place: usize) -> i32 {
    if !is_gate_open() {
        return 0;
    }
    let site = site_of(place);
    // SAFETY: the first two words always exist.
    let [n, bits] = unsafe { cases.cast::<[u64; 2]>().read() };
    for i in 0..(n as usize).min(MAX_CASES) {
        // SAFETY: there are `n` values after the first two words.
        let place = unsafe { cases.add(2 + i) };
        // SAFETY: as above.
        let case = unsafe { place.read() };
        let width = (bits / 8).clamp(1, 8) as u8;
        // Each case is a comparison of its own.
        compare::record_int(mix(site, case), case, value, width, Constant::First);
    }
    0
}

hooks! {
    /// A `switch`: `cases` are their number, the width in bits, and the values.
    __sanitizer_cov_trace_switch = switch(value: u64, cases: *const u64) "rdx" "x2";
}
