//! Walking stacks: of the thread that panics, of one that a fatal signal interrupted, and of the
//! body's thread while it hangs.
//!
//! Unsafe lives here. All code of a fuzzing build, and the standard library, keeps frame pointers,
//! so a stack of Rust functions is walked by following them, a nanosecond a frame, which is cheap
//! enough for every panic. Where C code without them is involved, the unwinder is asked, which
//! reads the same tables as a panic does; like every sanitizer does, also in handlers of signals.
//! Not so on other threads than the body's: there a handler has 8 KiB of stack, of which the kernel
//! takes up to a half.
//! Invariants: frame pointers of the body's thread are followed only within its stack, whose ends
//! were asked for when it began, and those of other threads by the kernel, which checks each
//! address; so a smashed stack is cut and not read beyond. Nothing here allocates or takes a lock
//! of ours, and in a handler frames are collected in static memory.

use super::compare::BODY_THREAD;
use super::sancov;
use crate::stack::{MAX_FRAMES, N_OUTERMOST, StackArea};
use std::cell::UnsafeCell;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Frames that are kept from the innermost one on.
const N_INNERMOST: usize = MAX_FRAMES - N_OUTERMOST;
/// The most frames that the unwinder walks over, each of which takes it about a microsecond.
const MAX_UNWOUND: usize = 100_000;
/// How many distinct frames tell which way a panic was reached: the outermost ones, where the user's
/// functions are, who called what panics deep inside a dependency.
const N_TELLING: usize = 16;

/// Program counters of a stack, the innermost first. For callers they lie within the call.
#[derive(Clone, Debug)]
pub(super) struct Frames {
    /// The innermost ones, and behind them a ring of the last ones beyond.
    pcs: [usize; MAX_FRAMES],
    /// How many there were.
    n: usize,
}

impl Frames {
    const EMPTY: Self = Self { pcs: [0; MAX_FRAMES], n: 0 };

    fn push(&mut self, pc: usize) {
        let place = match self.n.checked_sub(MAX_FRAMES) {
            None => self.n,
            Some(beyond) => N_INNERMOST + beyond % N_OUTERMOST,
        };
        self.pcs[place] = pc;
        self.n += 1;
    }

    /// Takes what stands at a frame pointer; -> the caller's frame pointer, if there is one.
    fn push_caller(&mut self, frame: usize, [next, back]: [usize; 2]) -> Option<usize> {
        if back == 0 {
            return None;
        }
        self.push(back.wrapping_sub(1));
        // Callers' frames lie higher.
        (next > frame).then_some(next)
    }

    /// Writes them to the stack area. Async-signal-safe.
    pub(super) fn publish(&self, area: StackArea) {
        let n_kept = self.n.min(MAX_FRAMES);
        let beyond = self.n - n_kept;
        let anchor = sancov::__sanitizer_cov_pcs_init as *const () as usize;
        let pcs = (0..n_kept).map(|i| self.pcs[self.place(i)].wrapping_sub(anchor) as i64);
        area.write(pcs, beyond as u64);
    }

    /// A number that is the same for panics that were reached in the same way; how often a recursion
    /// came by does not count, nor do frames of libraries, whose addresses differ from process to
    /// process. Equal in all workers of a build; never 0.
    pub(super) fn trail(&self) -> u64 {
        let anchor = sancov::__sanitizer_cov_pcs_init as *const () as usize;
        let mut distinct = [0; N_TELLING];
        let mut n = 0;
        for i in (0..self.n.min(MAX_FRAMES)).rev() {
            let pc = self.pcs[self.place(i)];
            let relative = pc.wrapping_sub(anchor);
            if n < N_TELLING && is_of_program(pc) && !distinct[..n].contains(&relative) {
                distinct[n] = relative;
                n += 1;
            }
        }
        // The multiplier and the end of `splitmix64` (S. Vigna).
        let mut hash = distinct[..n].iter().fold(0u64, |hash, pc| {
            (hash ^ *pc as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
        });
        hash = (hash ^ hash >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (hash ^ hash >> 31).max(1)
    }

    /// Where the frame of this number stands, of those that are kept.
    fn place(&self, i: usize) -> usize {
        let beyond = self.n.saturating_sub(MAX_FRAMES);
        match i.checked_sub(N_INNERMOST) {
            // The oldest of the ring comes first.
            Some(i) if beyond > 0 => N_INNERMOST + (i + beyond) % N_OUTERMOST,
            _ => i,
        }
    }
}

/// The stack of the body's thread, which is followed up to the frame that calls the body; 0 where
/// not known.
static BASE: AtomicUsize = AtomicUsize::new(0);
static LOW: AtomicUsize = AtomicUsize::new(0);
static HIGH: AtomicUsize = AtomicUsize::new(0);

/// Says that this thread is the body's.
pub(super) fn begin_thread() {
    let Some(bounds) = bounds() else { return };
    LOW.store(bounds.start, Ordering::Relaxed);
    HIGH.store(bounds.end, Ordering::Relaxed);
}

/// Says that the function into which this is inlined calls the body.
#[inline(always)]
pub(super) fn begin_call() {
    BASE.store(frame_pointer().unwrap_or(0), Ordering::Relaxed);
}

/// Where the stack of this thread lies.
fn bounds() -> Option<Range<usize>> {
    #[cfg(target_os = "linux")]
    {
        let mut attributes = std::mem::MaybeUninit::<libc::pthread_attr_t>::uninit();
        // SAFETY: it has no preconditions.
        let this = unsafe { libc::pthread_self() };
        // SAFETY: this thread is alive, and there is room for the attributes.
        let refused = unsafe { libc::pthread_getattr_np(this, attributes.as_mut_ptr()) };
        if refused != 0 {
            return None;
        }
        let (mut low, mut len) = (std::ptr::null_mut(), 0);
        // SAFETY: the attributes were filled in.
        unsafe {
            libc::pthread_attr_getstack(attributes.as_ptr(), &raw mut low, &raw mut len);
        }
        // SAFETY: as above, and they are not used again.
        unsafe { libc::pthread_attr_destroy(attributes.as_mut_ptr()) };
        (len > 0).then(|| low as usize..low as usize + len)
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// The frame pointer of the function into which this is inlined.
#[inline(always)]
fn frame_pointer() -> Option<usize> {
    let pointer: usize;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a register is copied.
    unsafe {
        std::arch::asm!("mov {}, rbp", out(reg) pointer, options(nomem, nostack, preserves_flags));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a register is copied.
    unsafe {
        std::arch::asm!("mov {}, x29", out(reg) pointer, options(nomem, nostack, preserves_flags));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        pointer = 0;
    }
    (pointer != 0).then_some(pointer)
}

/// Follows the frame pointers of the body's thread, of which `frame` is one; whether that came to
/// where the thread began, and not to a function without one.
fn follow(frames: &mut Frames, mut frame: usize) -> bool {
    const WORD: usize = size_of::<usize>();
    let (base, low) = (BASE.load(Ordering::Relaxed), LOW.load(Ordering::Relaxed));
    let high = HIGH.load(Ordering::Relaxed);
    loop {
        if base != 0 && frame == base {
            return true;
        }
        if frame % WORD != 0 || frame < low || high < 2 * WORD || frame > high - 2 * WORD {
            return false;
        }
        let place = frame as *const [usize; 2];
        // SAFETY: both words are in the stack of a thread that is alive, and aligned. A guard page
        // at its low end is no part of what was asked for.
        let record = unsafe { place.read_volatile() };
        match frames.push_caller(frame, record) {
            Some(next) => frame = next,
            None => return false,
        }
    }
}

/// Follows the frame pointers of any thread.
fn follow_checked(frames: &mut Frames, mut frame: usize) {
    while frame % size_of::<usize>() == 0 && frame != 0 && frames.n < MAX_UNWOUND {
        let Some(record) = read_checked(frame) else { return };
        match frames.push_caller(frame, record) {
            Some(next) => frame = next,
            None => return,
        }
    }
}

/// The two words at an address of this process, which may be anything.
fn read_checked(address: usize) -> Option<[usize; 2]> {
    #[cfg(target_os = "linux")]
    {
        let mut words = [0usize; 2];
        let len = size_of_val(&words);
        let to = libc::iovec { iov_base: words.as_mut_ptr().cast(), iov_len: len };
        let from = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: len };
        // SAFETY: it has no preconditions.
        let this = unsafe { libc::getpid() };
        // SAFETY: the kernel writes to `words` at most, and refuses to read what is not there.
        let n = unsafe { libc::process_vm_readv(this, &raw const to, 1, &raw const from, 1, 0) };
        usize::try_from(n).is_ok_and(|n| n == len).then_some(words)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = address;
        None
    }
}

/// The stack that ends in the caller, of the body's thread.
#[inline(always)]
pub(super) fn here(frames: &mut Frames) {
    frames.n = 0;
    if let Some(frame) = frame_pointer() {
        follow(frames, frame);
    }
}

/// Registers of code that a signal interrupted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Registers {
    /// The program counter.
    pub(super) pc: usize,
    /// The stack pointer.
    pub(super) stack: usize,
    /// The frame pointer.
    pub(super) frame: usize,
}

/// The registers in a signal handler's context; `None` where it is not known how to read it.
pub(super) fn registers(context: *mut libc::c_void) -> Option<Registers> {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    {
        // SAFETY: the kernel passes a valid context to a handler with SA_SIGINFO.
        let all = unsafe { (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
        let of = |register: libc::c_int| all[register as usize] as usize;
        Some(Registers {
            pc: of(libc::REG_RIP),
            stack: of(libc::REG_RSP),
            frame: of(libc::REG_RBP),
        })
    }
    #[cfg(all(target_os = "linux", target_arch = "aarch64"))]
    {
        // SAFETY: the kernel passes a valid context to a handler with SA_SIGINFO.
        let all = unsafe { &(*context.cast::<libc::ucontext_t>()).uc_mcontext };
        let (pc, stack, frame) = (all.pc as usize, all.sp as usize, all.regs[29] as usize);
        Some(Registers { pc, stack, frame })
    }
    #[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
    {
        let _ = context;
        None
    }
}

/// The stack of this thread as it was when a signal interrupted it, at a fault of `address` or 0.
pub(super) fn interrupted(frames: &mut Frames, registers: Option<Registers>, address: usize) {
    frames.n = 0;
    let Some(registers) = registers else { return };
    frames.push(registers.pc);
    // A call to where no code is, which the unwinder would read: the address of who called stands
    // on the stack, and the frame pointer is the caller's still.
    if address != 0 && address == registers.pc {
        let caller = read_checked(registers.stack).map(|[back, _]| back);
        if let Some(back) = caller.filter(|back| is_of_program(*back)) {
            frames.push(back.wrapping_sub(1));
        }
        return follow_checked(frames, registers.frame);
    }
    if !BODY_THREAD.get() {
        return follow_checked(frames, registers.frame);
    }
    // It knows at each instruction where the caller is; a function that has just begun, or is about
    // to return, has no frame pointer of its own.
    frames.n = 0;
    unwind(frames, Some(registers.pc));
    if frames.n < 2 {
        frames.n = 0;
        frames.push(registers.pc);
        follow(frames, registers.frame);
    }
}

/// Whether code of the program stands at an address, and not of a library or nothing.
fn is_of_program(pc: usize) -> bool {
    #[cfg(target_os = "linux")]
    {
        // What the linkers of Linux define in every program.
        unsafe extern "C" {
            static __executable_start: u8;
            static etext: u8;
        }
        let (start, end) = (&raw const __executable_start, &raw const etext);
        (start as usize..end as usize).contains(&pc)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = pc;
        false
    }
}

/// The stack of this thread, whichever it is, where functions of libc without frame pointers may
/// have a part in it. Not for handlers of signals.
pub(super) fn unwound() -> Frames {
    let mut frames = Frames::EMPTY;
    unwind(&mut frames, None);
    frames
}

/// Where a handler collects frames: its stack may be small.
struct InHandler(UnsafeCell<Frames>);

// SAFETY: one thread at a time reaches it, as `in_handler` sees to.
unsafe impl Sync for InHandler {}

static IN_HANDLER: InHandler = InHandler(UnsafeCell::new(Frames::EMPTY));
static IS_IN_HANDLER: AtomicBool = AtomicBool::new(false);

/// Lends static memory to a handler. Nothing is done if another one has it: then two threads died
/// at once, or a walk of the stack was interrupted.
pub(super) fn in_handler(use_it: impl FnOnce(&mut Frames)) {
    if !IS_IN_HANDLER.swap(true, Ordering::Acquire) {
        // SAFETY: whoever set the flag has it alone.
        use_it(unsafe { &mut *IN_HANDLER.0.get() });
        IS_IN_HANDLER.store(false, Ordering::Release);
    }
}

/// What the unwinder knows of a frame.
enum Context {}

unsafe extern "C" {
    fn _Unwind_Backtrace(
        each: extern "C" fn(*mut Context, *mut libc::c_void) -> libc::c_int,
        argument: *mut libc::c_void,
    ) -> libc::c_int;
    fn _Unwind_GetIPInfo(context: *mut Context, is_exact: *mut libc::c_int) -> usize;
}

struct Unwound<'a> {
    frames: &'a mut Frames,
    /// Frames before the one with this program counter are the handler's.
    start: Option<usize>,
    n: usize,
}

/// Asks the unwinder for the stack, from the frame with this program counter on, or its own.
fn unwind(frames: &mut Frames, start: Option<usize>) {
    let mut unwound = Unwound { frames, start, n: 0 };
    // SAFETY: the function is called with the argument, before this one returns.
    unsafe { _Unwind_Backtrace(take, (&raw mut unwound).cast()) };
}

extern "C" fn take(context: *mut Context, argument: *mut libc::c_void) -> libc::c_int {
    /// `_URC_NO_REASON` and `_URC_NORMAL_STOP` of the Itanium C++ ABI.
    const GO_ON: libc::c_int = 0;
    const STOP: libc::c_int = 4;
    // SAFETY: the argument is what `unwind` gave, and nobody else uses it meanwhile.
    let unwound = unsafe { &mut *argument.cast::<Unwound<'_>>() };
    let mut is_exact = 0;
    // SAFETY: the unwinder passes a valid context.
    let pc = unsafe { _Unwind_GetIPInfo(context, &raw mut is_exact) };
    unwound.n += 1;
    unwound.start = unwound.start.filter(|start| *start != pc);
    if unwound.start.is_none() && pc != 0 {
        unwound.frames.push(if is_exact == 0 { pc - 1 } else { pc });
    }
    if pc == 0 || unwound.n >= MAX_UNWOUND { STOP } else { GO_ON }
}

/// The stack of the last panic on the body's thread.
struct LastPanic(UnsafeCell<Frames>);

// SAFETY: only the thread that runs the body reaches it.
unsafe impl Sync for LastPanic {}

static LAST_PANIC: LastPanic = LastPanic(UnsafeCell::new(Frames::EMPTY));

/// Whether the noted stack is to stay.
static IS_KEPT: AtomicBool = AtomicBool::new(false);

/// Keeps the noted stack, whatever else panics meanwhile.
pub(super) fn keep_while(act: impl FnOnce()) {
    IS_KEPT.store(true, Ordering::Relaxed);
    act();
    IS_KEPT.store(false, Ordering::Relaxed);
}

/// Notes the stack of a panic. Only for the body's thread.
#[inline(always)]
pub(super) fn note_panic() {
    if IS_KEPT.load(Ordering::Relaxed) {
        return;
    }
    // SAFETY: this is the body's thread, and no reference outlives a use of it.
    here(unsafe { &mut *LAST_PANIC.0.get() });
}

/// Puts another stack in the place of the last panic's. Only for the body's thread.
pub(super) fn set_last_panic(frames: &Frames) {
    // SAFETY: as above.
    unsafe { &mut *LAST_PANIC.0.get() }.clone_from(frames);
}

/// Forgets it: what fails now is no panic whose stack was noted. Only for the body's thread.
pub(super) fn forget_panic() {
    // SAFETY: as above.
    unsafe { &mut *LAST_PANIC.0.get() }.n = 0;
}

/// The stack of the last panic. Only for the body's thread.
pub(super) fn of_last_panic<T>(use_it: impl FnOnce(&Frames) -> T) -> T {
    // SAFETY: as above.
    use_it(unsafe { &*LAST_PANIC.0.get() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;

    #[cfg(feature = "coordinator")]
    #[test]
    fn of_a_deep_stack_both_ends_are_kept() {
        let mapping = Box::leak(Box::new(crate::mapping::Mapping::create(16).unwrap()));
        let area = StackArea::of(&mapping.0);
        let anchor = sancov::__sanitizer_cov_pcs_init as *const () as usize;
        let published = |n: usize| {
            let mut frames = Frames::EMPTY;
            (0..n).for_each(|i| frames.push(anchor + i));
            frames.publish(area);
            crate::stack::read_now(&mapping.0).unwrap()
        };
        for n in [0, 1, N_INNERMOST + 1, MAX_FRAMES] {
            let expected: Vec<i64> = (0..n as i64).collect();
            assert_eq!((published(n).pcs, published(n).left_out), (expected, 0), "{n}");
        }
        for n in [MAX_FRAMES + 1, MAX_FRAMES + N_OUTERMOST + 7, 9999] {
            let inner = 0..N_INNERMOST;
            let expected = inner.chain(n - N_OUTERMOST..n).map(|i| i as i64).collect();
            let left_out = (n - MAX_FRAMES) as u64;
            assert_eq!((published(n).pcs, published(n).left_out), (expected, left_out), "{n}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_recursion_makes_no_other_trail_but_another_caller_does() {
        let code = recurse as *const () as usize;
        let trail = |offsets: &[usize]| {
            let mut frames = Frames::EMPTY;
            offsets.iter().for_each(|offset| frames.push(code + offset));
            frames.trail()
        };
        assert_eq!(trail(&[1, 2, 3, 9]), trail(&[1, 2, 3, 2, 3, 2, 3, 9]));
        assert_ne!(trail(&[1, 2, 3, 9]), trail(&[1, 2, 4, 9]));
        assert_ne!(trail(&[]), 0);
        let deep = |caller: usize| {
            let inner = (100..400).map(|i| i % 150 + 100);
            trail(&inner.chain([caller, 9]).collect::<Vec<_>>())
        };
        assert_ne!(deep(3), deep(4), "who calls is told however deep it goes");
        let library = usize::MAX - code;
        assert_eq!(trail(&[1, library]), trail(&[1]), "it is elsewhere in each process");
    }

    #[inline(never)]
    fn recurse(n: usize, end: &mut dyn FnMut()) -> usize {
        if n == 0 {
            end();
            return 0;
        }
        black_box(recurse(black_box(n - 1), end)) + 1
    }

    /// Only fuzzing builds keep frame pointers, so end-to-end tests follow those.
    #[cfg(target_os = "linux")]
    #[test]
    fn the_unwinder_finds_every_frame() {
        let n_frames = |n: usize| {
            let mut frames = Frames::EMPTY;
            recurse(n, &mut || unwind(&mut frames, None));
            assert!(is_of_program(frames.pcs[0]), "{:x}", frames.pcs[0]);
            frames.n
        };
        assert_eq!(n_frames(50) - n_frames(10), 40);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_smashed_frame_pointer_is_not_followed() {
        let thread = std::thread::spawn(|| {
            begin_thread();
            let (low, high) = (LOW.load(Ordering::Relaxed), HIGH.load(Ordering::Relaxed));
            let here = (&raw const low) as usize;
            assert!((low..high).contains(&here), "{low:x} {here:x} {high:x}");
            let mut frames = Frames::EMPTY;
            for frame in [0, 1, 8, usize::MAX - 7, low - 8, high, high - 8, (here & !7) + 1] {
                assert!(!follow(&mut frames, frame), "{frame:x}");
            }
            assert_eq!(frames.n, 0);
            // A record that points to one above it, and that one to nothing.
            let mut records = [[0usize; 2]; 2];
            records[0] = [(&raw const records[1]) as usize, 0x1234];
            let records = black_box(&records);
            assert!(!follow(&mut frames, (&raw const records[0]) as usize));
            assert_eq!((frames.n, frames.pcs[0]), (1, 0x1233));
        });
        thread.join().unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_kernel_refuses_to_read_what_is_not_there() {
        let words = [7usize, 9];
        assert_eq!(read_checked((&raw const words) as usize), Some([7, 9]));
        assert_eq!((read_checked(0), read_checked(usize::MAX - 15)), (None, None));
    }
}
