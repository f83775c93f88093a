//! What a call costs beside the call: `cargo bench -p shmfuzz-runtime --features bench`.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use shmfuzz_runtime::fuzz_test::{FuzzTest, Package};
use shmfuzz_runtime::message::{Fuzz, Reply, Request, Setup};
use shmfuzz_runtime::outcome::Verdict;
use shmfuzz_runtime::record::{InputKind, Options, Record};
use shmfuzz_runtime::worker::bench_door::{self, Mutations, Pair, Pass};
use std::hint::black_box;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

/// Counters of the binary in the whole loop.
const N_COUNTERS: usize = 17_000;

fn counter_pass(c: &mut Criterion) {
    for (name, one_in) in [("few hit", 1000), ("many hit", 4)] {
        let mut group = c.benchmark_group(format!("counter pass, {name}"));
        for n in [1000, 30_000, 1_000_000] {
            group.throughput(Throughput::Elements(n as u64));
            let mut pass = Pass::new(n, n / one_in);
            group.bench_function(BenchmarkId::new("all", n), |b| {
                b.iter_custom(|times| time_pass(&mut pass, times, Pass::all));
            });
            group.bench_function(BenchmarkId::new("hot", n), |b| {
                b.iter_custom(|times| time_pass(&mut pass, times, Pass::hot));
            });
        }
        group.finish();
    }
}

/// Times the passes alone, not the moving of counters.
fn time_pass(pass: &mut Pass, times: u64, make: fn(&mut Pass) -> u64) -> Duration {
    (0..times)
        .map(|_| {
            pass.call();
            let start = Instant::now();
            black_box(make(pass));
            start.elapsed()
        })
        .sum()
}

fn mutators(c: &mut Criterion) {
    let mut group = c.benchmark_group("mutation");
    for (name, kind) in [("bytes", InputKind::Bytes), ("text", InputKind::Text)] {
        for len in [0, 20, 4000] {
            let input: Vec<u8> =
                b"{\"a\": [1, 20, null]}".iter().copied().cycle().take(len).collect();
            let mut mutations = Mutations::new(kind);
            group.bench_function(BenchmarkId::new(name, len), |b| {
                b.iter(|| mutations.make(black_box(&input)));
            });
        }
    }
    group.finish();
}

static COUNTERS: OnceLock<&'static [AtomicU8]> = OnceLock::new();

/// As instrumented code does: one counter, no atomic addition.
fn empty(_: &[u8]) -> Verdict {
    if let Some([counter, ..]) = COUNTERS.get() {
        counter.store(counter.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }
    Verdict::Kept
}

const fn empty_test(kind: InputKind) -> FuzzTest {
    FuzzTest {
        record: Record {
            module: "worker",
            name: "empty",
            bin: "",
            tmpdir: "",
            dict: "",
            file: "benches/worker.rs",
            line: 1,
            kind,
            n_seeds: 0,
            ignored: 0,
            structured: 0,
            options: Options { timeout_ms: 0, max_len: 0, stack_size: 0, rss_limit: 0 },
            types: None,
        },
        record_bytes: &[],
        package: Package { dir: "", name: "" },
        seeds: |_| {},
        setup: None,
        structure: None,
        mutate: None,
        generate: None,
        body: empty,
    }
}

static BYTES: FuzzTest = empty_test(InputKind::Bytes);
static TEXT: FuzzTest = empty_test(InputKind::Text);

fn start(test: &'static FuzzTest) -> Pair {
    COUNTERS.get_or_init(|| {
        let counters = bench_door::counters(N_COUNTERS);
        bench_door::register(counters);
        counters
    });
    let mut pair = Pair::start(test);
    pair.ask(&Request::Setup(Setup { max_len: 4096, ..Setup::default() }));
    pair
}

fn hand_over(c: &mut Criterion) {
    let mut pair = start(&BYTES);
    c.bench_function("hand-over round trip", |b| b.iter(|| pair.ask(&Request::Ping {})));
}

fn whole_loop(c: &mut Criterion) {
    let mut group = c.benchmark_group("whole loop");
    for (name, test) in [("bytes", &BYTES), ("text", &TEXT)] {
        let mut pair = start(test);
        group.bench_function(name, |b| b.iter_custom(|times| fuzz(&mut pair, times)));
    }
    group.finish();
}

/// The time of so many calls.
fn fuzz(pair: &mut Pair, n_calls: u64) -> Duration {
    let ask = Fuzz { budget_ms: 600_000, max_execs: Some(n_calls), silent: Vec::new() };
    let start = Instant::now();
    let reply = pair.ask(&Request::Fuzz(ask));
    let time = start.elapsed();
    assert!(matches!(&reply, Reply::Fuzzed(fuzzed) if fuzzed.execs == n_calls), "{reply:?}");
    time
}

criterion_group!(benches, counter_pass, mutators, hand_over, whole_loop);
criterion_main!(benches);
