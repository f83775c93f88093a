//! The message loop over real mappings and channels, with a body that moves counters by hand; and
//! whole worker processes, which are this test binary once more, for bodies that end the process.

mod batches;
mod chains;
mod deaths;
mod limits;
mod news;

use super::*;
use crate::entries::{self, InboxInput, LogEntry, Origin};
use crate::fuzz_test::Package;
use crate::kind::FailureKind;
use crate::message::{
    self, Fuzz, Fuzzed, JobEnd, Load, Loaded, Minimize, Minimized, Replay, Replayed, Source,
    Survey, Surveyed,
};
use crate::outcome::Verdict;
use crate::record::{InputKind, Options, Record};
use crate::words::{self, LastWords};
use std::fs::File;
use std::io::BufReader;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::AtomicU8;
use std::sync::{MutexGuard, Once};
use std::thread::{self, JoinHandle};

/// So many that they are looked at in batches of calls.
static COUNTERS: [AtomicU8; 20_000] = [const { AtomicU8::new(0) }; 20_000];

fn hit(i: usize) {
    COUNTERS[i].store(COUNTERS[i].load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

fn register_counters() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let start = COUNTERS.as_ptr().cast::<u8>().cast_mut();
        let stop = start.wrapping_add(COUNTERS.len());
        // SAFETY: the counters are static, and atomics may be written through pointers.
        unsafe { sancov::__sanitizer_cov_8bit_counters_init(start, stop) };
    });
}

fn traced_cmp1(constant: u8, value: u8) {
    // SAFETY: it reads its arguments only; so do the next ones.
    unsafe { sancov::__sanitizer_cov_trace_const_cmp1(constant, value) };
}

fn traced_cmp4(constant: u32, value: u32) {
    // SAFETY: as above.
    unsafe { sancov::__sanitizer_cov_trace_const_cmp4(constant, value) };
}

fn traced_cmp8(constant: u64, value: u64) {
    // SAFETY: as above.
    unsafe { sancov::__sanitizer_cov_trace_const_cmp8(constant, value) };
}

/// Whether `data` starts with `prefix`, as instrumented code would find out.
fn starts_with(data: &[u8], prefix: &[u8]) -> bool {
    let (len, wanted) = (data.len() as u64, prefix.len() as u64);
    traced_cmp8(wanted, len);
    if len < wanted {
        return false;
    }
    hit(50 + prefix.len());
    // SAFETY: both have as many bytes.
    unsafe { memcmp::bcmp(data.as_ptr(), prefix.as_ptr(), prefix.len()) == 0 }
}

fn body(data: &[u8]) -> Verdict {
    hit(0);
    if data.is_empty() {
        return Verdict::Kept;
    }
    hit(1);
    match data[0] {
        b'p' => panic!("boom {}", data.len()),
        b'q' => std::panic::resume_unwind(Box::new(7)),
        b'e' => return Verdict::Failed(format!("bad {}", data.len())),
        b'r' => return Verdict::Rejected,
        b'c' => {
            hit(2);
            let _ = std::panic::catch_unwind(|| panic!("caught"));
        }
        _ => {}
    }
    if starts_with(data, b"shmfuzz-magic-token") {
        hit(3);
        if let Some(word) = data.get(19..27) {
            let word = u64::from_le_bytes(word.try_into().unwrap());
            traced_cmp8(0x1122_3344_5566_7788, word);
            hit(4);
            if word == 0x1122_3344_5566_7788 {
                hit(5);
            }
        }
    }
    Verdict::Kept
}

const fn test_of(kind: InputKind, body: fn(&[u8]) -> Verdict) -> FuzzTest {
    FuzzTest {
        record: Record {
            module: "shmfuzz_runtime::worker::tests",
            name: "deaths::hostile_worker",
            bin: "",
            tmpdir: "",
            file: "src/worker/tests.rs",
            dict: "",
            line: 1,
            kind,
            n_seeds: 3,
            ignored: 0,
            structured: 0,
            options: Options { timeout_ms: 0, max_len: 0, stack_size: 0, rss_limit: 0 },
            types: None,
        },
        record_bytes: &[],
        package: Package { dir: "", name: "" },
        seeds: |each| [&b"seed"[..], b"seed", b"\xff"].into_iter().for_each(each),
        setup: None,
        structure: None,
        mutate: None,
        generate: None,
        body,
    }
}

static BYTES: FuzzTest = test_of(InputKind::Bytes, body);
static TEXT: FuzzTest = test_of(InputKind::Text, body);

/// A coordinator with one worker on a thread of this process.
struct Rig {
    mapping: &'static Mapping,
    turn: Option<Turn>,
    requests: UnixStream,
    replies: BufReader<UnixStream>,
    worker: Option<JoinHandle<()>>,
    /// Counters, gate and notes of panics are one for the process.
    _alone: MutexGuard<'static, ()>,
}

impl Rig {
    fn new(test: &'static FuzzTest, setup: Setup) -> Self {
        Self::with_tokens(test, setup, &[])
    }

    /// With a dictionary of the user's.
    fn with_tokens(test: &'static FuzzTest, setup: Setup, tokens: &[&[u8]]) -> Self {
        static HOOK: Once = Once::new();
        let alone = compare::ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        register_counters();
        HOOK.call_once(panics::install);
        let (mapping, turn) = Mapping::create(4096).unwrap();
        let theirs = Mapping::attach(mapping.file().unwrap()).unwrap();
        let (ours, channel) = UnixStream::pair().unwrap();
        let control = Control::start(File::from(OwnedFd::from(channel))).unwrap();
        let worker = thread::spawn(move || {
            let theirs: &'static Mapping = Box::leak(Box::new(theirs));
            serve(Worker::new(test, theirs, None), theirs, control).unwrap();
        });
        let mut rig = Self {
            mapping: Box::leak(Box::new(mapping)),
            turn: Some(turn),
            requests: ours.try_clone().unwrap(),
            replies: BufReader::new(ours),
            worker: Some(worker),
            _alone: alone,
        };
        let Reply::Hello(hello) = message::receive(&mut rig.replies).unwrap() else {
            panic!("a worker speaks first")
        };
        assert!(hello.n_counters >= 100);
        let inbox = (0..).zip(tokens).map(|(tag, input)| InboxInput { tag, input });
        assert_eq!(entries::fill_inbox(rig.mapping, rig.turn(), inbox), tokens.len());
        let setup = Setup { n_tokens: tokens.len(), ..setup };
        assert_eq!(rig.ask(Request::Setup(setup)), Reply::Ready {});
        rig
    }

    fn turn(&mut self) -> &mut Turn {
        self.turn.as_mut().unwrap()
    }

    fn ask(&mut self, request: Request) -> Reply {
        self.mapping.give(self.turn.take().unwrap());
        message::send(&mut self.requests, &request).unwrap();
        let reply = message::receive(&mut self.replies).unwrap();
        self.turn = Some(self.mapping.take().expect("the turn comes back before the reply"));
        assert_eq!(self.mapping.phase(), Some(Phase::Idle));
        assert!(!sancov::is_gate_open());
        assert!(COUNTERS.iter().all(|counter| counter.load(Ordering::Relaxed) == 0));
        reply
    }

    fn reset(&mut self) {
        self.mapping.reset_job(self.turn.as_mut().unwrap());
    }

    fn load(&mut self, inputs: &[&[u8]]) -> Loaded {
        self.reset();
        let all = inputs.iter().enumerate();
        let all = all.map(|(i, input)| InboxInput { tag: 10 + i as u64, input });
        assert_eq!(entries::fill_inbox(self.mapping, self.turn(), all), inputs.len());
        self.load_from(Source::Inbox, 0)
    }

    fn load_from(&mut self, source: Source, first: usize) -> Loaded {
        match self.ask(Request::Load(Load { source, first, budget_ms: 10_000 })) {
            Reply::Loaded(loaded) => loaded,
            other => panic!("{other:?}"),
        }
    }

    fn fuzz(&mut self, max_execs: u64) -> Fuzzed {
        self.reset();
        let ask = Fuzz { budget_ms: 60_000, max_execs: Some(max_execs), silent: Vec::new() };
        match self.ask(Request::Fuzz(ask)) {
            Reply::Fuzzed(fuzzed) => {
                let count = self.mapping.header().count.load(Ordering::Relaxed);
                assert_eq!(count, fuzzed.execs + fuzzed.extra_execs, "every call is counted");
                let extra = self.mapping.header().extra_count.load(Ordering::Relaxed);
                assert_eq!(extra, fuzzed.extra_execs, "as what it is");
                fuzzed
            }
            other => panic!("{other:?}"),
        }
    }

    fn replay(&mut self, input: &[u8]) -> Replayed {
        self.reset();
        self.mapping.set_value(self.turn.as_mut().unwrap(), input).unwrap();
        match self.ask(Request::Replay(Replay { times: 3, is_sequence: false })) {
            Reply::Replayed(replayed) => replayed,
            other => panic!("{other:?}"),
        }
    }

    fn minimize(&mut self, bucket: Bucket, id: u64, budget_ms: u64) -> Minimized {
        self.mapping.header().words_used.store(0, Ordering::Relaxed);
        match self.ask(Request::Minimize(Minimize { bucket, budget_ms, id })) {
            Reply::Minimized(minimized) => minimized,
            other => panic!("{other:?}"),
        }
    }

    fn seed_random(&mut self, seed: u64) {
        self.mapping.header().rand_state.store(seed, Ordering::Relaxed);
        self.mapping.header().rand_inc.store(1, Ordering::Relaxed);
    }

    fn log(&mut self) -> Vec<LogEntry> {
        let log = entries::read_log(self.mapping, self.turn());
        assert_eq!(log.damage, None);
        log.entries
    }

    fn words(&mut self) -> Option<LastWords> {
        words::read(self.mapping, self.turn())
    }

    fn value(&mut self) -> Vec<u8> {
        self.mapping.value_copy(self.turn.as_ref().unwrap()).unwrap()
    }

    fn raw_in_mem(&self) -> u32 {
        self.mapping.header().raw_in_mem.load(Ordering::Relaxed)
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = self.requests.shutdown(std::net::Shutdown::Both);
        let ended = self.worker.take().map(JoinHandle::join);
        if !thread::panicking() {
            ended.unwrap().unwrap();
        }
    }
}

fn by_work() -> Setup {
    Setup { max_len: 64, by_work: true, ..Setup::default() }
}

#[test]
fn seeds_are_loaded_once_and_logged() {
    let mut rig = Rig::new(&BYTES, by_work());
    let loaded = rig.load_from(Source::Attribute, 0);
    assert_eq!((loaded.end, loaded.n_run, loaded.n_invalid), (JobEnd::Done, 3, 0));
    assert_eq!(loaded.first_moved, Some(2));
    let log = rig.log();
    assert_eq!(log.len(), 1, "what reaches nothing new is not queued: {log:?}");
    assert_eq!(
        (log[0].origin, log[0].id, &log[0].input[..]),
        (Origin::Attribute(0), 0, &b"seed"[..])
    );
    assert_eq!((log[0].features.len(), log[0].work), (2, 2));
    assert_eq!((loaded.coverage.edges, loaded.coverage.entries), (2, 1));
    let coverage = rig.fuzz(1).coverage;
    assert!(coverage.checked >= 2 && coverage.flickering == 0, "examined when it is picked");
}

#[test]
fn text_that_is_none_is_counted_and_not_run() {
    let mut rig = Rig::new(&TEXT, by_work());
    let loaded = rig.load_from(Source::Attribute, 0);
    assert_eq!((loaded.end, loaded.n_run, loaded.n_invalid), (JobEnd::Done, 3, 1));
    assert!(rig.replay(b"\xff").rejected);
}

#[test]
fn a_failing_input_ends_loading_and_the_rest_follows() {
    let mut rig = Rig::new(&BYTES, by_work());
    let loaded = rig.load(&[b"x", b"panics", b"\xffseed"]);
    assert_eq!((loaded.end, loaded.n_run), (JobEnd::Failed, 2));
    assert_eq!((rig.value(), rig.raw_in_mem()), (b"panics".to_vec(), 1));
    assert_eq!(rig.mapping.header().loading.load(Ordering::Relaxed), 11);
    let words = rig.words().unwrap();
    assert_eq!((words.kind, &words.message[..]), (FailureKind::Panic, "boom 6"));
    assert!(words.file.ends_with("worker/tests.rs") && words.line > 0 && words.column > 0);
    let loaded = rig.load_from(Source::Inbox, 2);
    assert_eq!((loaded.end, loaded.n_run), (JobEnd::Done, 3));
    let ask = Load { source: Source::Inbox, first: 0, budget_ms: 0 };
    let Reply::Loaded(loaded) = rig.ask(Request::Load(ask)) else { panic!("loaded") };
    assert_eq!((loaded.end, loaded.n_run), (JobEnd::Done, 1), "one input under any budget");
    assert_eq!(rig.raw_in_mem(), 0, "no input of an earlier job is blamed");
    // Reported once: now it is silent.
    assert_eq!(rig.load(&[b"panics"]).end, JobEnd::Done);
}

#[test]
fn every_kind_of_failure_has_its_words() {
    let mut rig = Rig::new(&BYTES, by_work());
    assert_eq!(rig.replay(b"err").end, JobEnd::Failed);
    let words = rig.words().unwrap();
    assert_eq!(
        (words.kind, &words.message[..], &words.location()[..]),
        (FailureKind::Error, "bad 3", "src/worker/tests.rs:1")
    );
    assert_eq!(rig.replay(b"q").end, JobEnd::Failed);
    let words = rig.words().unwrap();
    assert_eq!((words.kind, &words.message[..]), (FailureKind::Panic, "Box<dyn Any>"));
    let replayed = rig.replay(b"caught");
    assert_eq!((replayed.end, replayed.execs, replayed.rejected), (JobEnd::Done, 3, false));
    assert_eq!(rig.words(), None);
    assert!(rig.replay(b"r").rejected);
    assert_eq!(rig.replay(b"panic").execs, 1);
}

#[test]
fn runs_are_exact_and_failures_silent_once_reported() {
    let mut rig = Rig::new(&BYTES, by_work());
    rig.seed_random(3);
    let (mut execs, mut failures, mut silenced) = (0, Vec::new(), 0);
    while execs < 20_000 {
        let fuzzed = rig.fuzz(20_000 - execs);
        execs += fuzzed.execs;
        silenced += fuzzed.silenced.iter().map(|(_, n)| n).sum::<u64>();
        match fuzzed.end {
            JobEnd::Failed => {
                let words = rig.words().unwrap();
                let first = rig.value()[0];
                let expected = match first {
                    b'p' | b'q' => FailureKind::Panic,
                    _ => FailureKind::Error,
                };
                assert_eq!((words.kind, rig.raw_in_mem()), (expected, 1));
                failures.push(words.bucket());
            }
            end => assert_eq!(end, JobEnd::Done),
        }
    }
    assert_eq!(execs, 20_000);
    failures.sort();
    let n = failures.len();
    failures.dedup();
    assert_eq!((failures.len(), n), (3, 3));
    assert!(silenced > 0);
}

fn silent_body(data: &[u8]) -> Verdict {
    match data.first() {
        Some(b'p' | b'q' | b'e' | b'c') => Verdict::Kept,
        _ => body(data),
    }
}

static SILENT: FuzzTest = test_of(InputKind::Bytes, silent_body);

#[test]
fn a_long_prefix_and_a_wide_integer_are_found_by_their_comparisons() {
    let mut rig = Rig::new(&SILENT, by_work());
    rig.seed_random(5);
    let mut found = Vec::new();
    for _ in 0..20 {
        let fuzzed = rig.fuzz(20_000);
        assert_eq!(fuzzed.end, JobEnd::Done);
        found.extend(rig.log().into_iter().flat_map(|entry| entry.features));
        if found.contains(&(5 * 8)) {
            return;
        }
    }
    panic!("not found: {found:?}");
}

#[test]
fn runs_by_work_repeat() {
    let campaign = |test, setup| {
        let mut rig = Rig::new(test, setup);
        rig.load_from(Source::Attribute, 0);
        rig.seed_random(9);
        let replies: Vec<Fuzzed> = (0..3).map(|_| rig.fuzz(5000)).collect();
        (replies, rig.log(), rig.value())
    };
    assert_eq!(campaign(&SILENT, by_work()), campaign(&SILENT, by_work()));
    let seeded = |seed| Setup { random: Some(seed), ..by_work() };
    let first = campaign(&HASHES, seeded(5));
    assert_eq!(first, campaign(&HASHES, seeded(5)));
    assert_ne!(first, campaign(&HASHES, seeded(6)), "the body does depend on it");
}

/// As a hash map does: keys from the system once a thread, one more for each map.
fn hashes(data: &[u8]) -> Verdict {
    thread_local! {
        static KEY: std::cell::Cell<u64> = std::cell::Cell::new({
            let mut key = [0; 8];
            // SAFETY: the buffer has eight bytes.
            unsafe { system_random::getrandom(key.as_mut_ptr(), key.len(), 0) };
            u64::from_le_bytes(key)
        });
    }
    let key = KEY.get();
    KEY.set(key.wrapping_add(1));
    for byte in data {
        let hash = (key ^ u64::from(*byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hit((hash >> 40) as usize % 100);
    }
    Verdict::Kept
}

static HASHES: FuzzTest = test_of(InputKind::Bytes, hashes);

#[test]
fn a_failure_is_minimized_in_slices_within_its_bucket() {
    let mut rig = Rig::new(&BYTES, by_work());
    let bucket = Bucket::new(FailureKind::Error, "src/worker/tests.rs:1", "bad 3");
    let input = [b'e'; 40];
    rig.mapping.set_value(rig.turn.as_mut().unwrap(), &input).unwrap();
    let first = rig.minimize(bucket, 1, 0);
    assert_eq!((first.end, first.reproduced), (JobEnd::Stopped, true));
    assert_eq!(rig.value(), input, "nothing was tried yet");
    let second = rig.minimize(bucket, 1, 10_000);
    assert_eq!((second.end, second.reproduced), (JobEnd::Done, true));
    assert_eq!(rig.value(), b"e");
    rig.mapping.set_value(rig.turn.as_mut().unwrap(), b"x").unwrap();
    let other = rig.minimize(bucket, 2, 10_000);
    assert_eq!((other.end, other.reproduced), (JobEnd::Done, false));
}

fn two_failures(data: &[u8]) -> Verdict {
    match data.len() {
        10.. => Verdict::Failed("long".to_owned()),
        5..8 => panic!("short"),
        _ => Verdict::Kept,
    }
}

static TWO: FuzzTest = test_of(InputKind::Bytes, two_failures);

#[test]
fn a_new_failure_met_while_minimizing_is_reported_and_the_rest_follows() {
    let mut rig = Rig::new(&TWO, by_work());
    let bucket = Bucket::new(FailureKind::Error, "src/worker/tests.rs:1", "long");
    rig.mapping.set_value(rig.turn.as_mut().unwrap(), &[b'x'; 12]).unwrap();
    assert_eq!(rig.minimize(bucket, 1, 10_000).end, JobEnd::Failed);
    assert_eq!((rig.words().unwrap().message, rig.raw_in_mem()), ("short".to_owned(), 1));
    assert!((5..8).contains(&rig.value().len()));
    assert_eq!(rig.minimize(bucket, 1, 10_000).end, JobEnd::Done);
    assert_eq!(rig.value(), b"0000000000");
}

#[test]
fn a_job_stops_when_it_is_told_to() {
    let mut rig = Rig::new(&SILENT, Setup { max_len: 64, ..Setup::default() });
    rig.mapping.header().stop.store(1, Ordering::Relaxed);
    let ask = Fuzz { budget_ms: 60_000, max_execs: None, silent: Vec::new() };
    let Reply::Fuzzed(fuzzed) = rig.ask(Request::Fuzz(ask)) else { panic!("fuzzed") };
    assert_eq!((fuzzed.end, fuzzed.execs), (JobEnd::Stopped, 0));
    assert_eq!(rig.load_from(Source::Attribute, 0).end, JobEnd::Stopped);
}

fn every_input_is_new(data: &[u8]) -> Verdict {
    for byte in data.iter().take(80) {
        hit(usize::from(*byte) % 100);
    }
    Verdict::Kept
}

static NEW: FuzzTest = test_of(InputKind::Bytes, every_input_is_new);

#[test]
fn a_full_log_ends_the_job_and_nothing_is_lost() {
    let mut rig = Rig::new(&NEW, Setup { max_len: 3 << 20, by_work: true, ..Setup::default() });
    let large = vec![1; 3 << 20];
    rig.reset();
    rig.mapping.grow(rig.turn.as_mut().unwrap(), large.len()).unwrap();
    rig.mapping.set_value(rig.turn.as_mut().unwrap(), &large).unwrap();
    assert_eq!(rig.load_from(Source::InputArea { tag: 1 }, 0).end, JobEnd::Done);
    let larger = vec![2; large.len()];
    rig.mapping.set_value(rig.turn.as_mut().unwrap(), &larger).unwrap();
    let loaded = rig.load_from(Source::InputArea { tag: 2 }, 0);
    assert_eq!((loaded.end, loaded.n_run), (JobEnd::LogFull, 1));
    let before = rig.log();
    rig.reset();
    rig.mapping.set_value(rig.turn.as_mut().unwrap(), &larger).unwrap();
    assert_eq!(rig.load_from(Source::InputArea { tag: 2 }, 1).end, JobEnd::Done);
    let after = rig.log();
    assert_eq!((before[0].id, before[0].origin), (0, Origin::Inbox(1)));
    let late = after.iter().find(|entry| entry.origin == Origin::Inbox(2)).unwrap();
    assert_eq!((late.id, &late.input), (1, &larger));
}

#[test]
fn a_larger_area_is_asked_for_when_inputs_want_to_grow() {
    let mut rig = Rig::new(&BYTES, Setup { max_len: 1 << 20, by_work: true, ..Setup::default() });
    let long = vec![b'x'; 4090];
    assert_eq!(rig.load(&[&long]).end, JobEnd::Done);
    rig.seed_random(1);
    for _ in 0..200 {
        let fuzzed = rig.fuzz(20_000);
        if let JobEnd::NeedsCapacity { bytes } = fuzzed.end {
            assert_eq!(bytes, 8192);
            rig.reset();
            rig.mapping.grow(rig.turn.as_mut().unwrap(), bytes).unwrap();
            assert_eq!(rig.fuzz(1000).execs, 1000);
            return;
        }
    }
    panic!("never asked");
}
