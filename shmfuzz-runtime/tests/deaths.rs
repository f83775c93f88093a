//! Inputs that end the process: replayed in a child, each is told for what it is; in this process,
//! the seed is named before it ends.
#![cfg(unix)]
#![forbid(unsafe_code)]
#![expect(clippy::exit, clippy::infinite_loop, reason = "that is what these fuzz tests do")]

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use shmfuzz_runtime::child::{self, Calls, End, Replay, Request};
use shmfuzz_runtime::fuzz_test;
use shmfuzz_runtime::kind::FailureKind;
use shmfuzz_runtime::limits::Limits;

/// Each input is a way to end.
#[fuzz_test]
fn ends(how: &str) -> Result<(), String> {
    match how {
        "panic" => panic!("two\nlines"),
        "error" => return Err("no".to_owned()),
        "exit" => std::process::exit(0),
        "abort" => std::process::abort(),
        "overflow" => drop(recurse(1)),
        "allocate" => drop(std::hint::black_box(vec![0_u8; 1 << 46])),
        "grow" => grow(),
        "leak" => std::mem::forget(std::hint::black_box(vec![1_u8; 1000])),
        "fill a cache" => fill_a_cache(),
        "leak and panic" => {
            std::mem::forget(std::hint::black_box(vec![1_u8; 1000]));
            assert!(!is_call(100), "the hundredth call");
        }
        "hang" => hang(),
        "spin" => loop {
            std::hint::spin_loop();
        },
        "share the processor" => share_the_processor(),
        "start this binary" => {
            let (output, _) = run("passes_on_its_seed");
            assert!(output.status.success(), "{output:?}");
        }
        "linger" => LINGERS.with(|_| {}),
        "print" => {
            print_much();
            std::process::exit(3);
        }
        "signal" => {
            let pid = std::process::id().to_string();
            let _ = Command::new("kill").args(["-FPE", &pid]).status();
            hang();
        }
        "leave a child" => {
            let _ = Command::new("sleep").arg("600").spawn();
            std::process::exit(0);
        }
        "read" => {
            let mut line = String::new();
            assert_eq!(std::io::stdin().read_line(&mut line).ok(), Some(0));
        }
        _ => {}
    }
    Ok(())
}

/// Passes on its seed alone, not on what the environment of [`ends`] says.
#[fuzz_test(seeds = ["own seed"])]
fn passes_on_its_seed(text: &str) {
    assert_eq!(text, "own seed");
}

fn fill_a_cache() {
    static CACHE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
    let mut cache = CACHE.lock().expect("nobody panics with it");
    if cache.len() < 300 {
        cache.push(std::hint::black_box(vec![1; 10_000]));
    }
}

/// Whether it is called for the n-th time in this process.
fn is_call(n: u32) -> bool {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    CALLS.fetch_add(1, Ordering::Relaxed) + 1 == n
}

fn hang() {
    loop {
        std::thread::park();
    }
}

/// Longer than its timeout, but neither blocked nor busy for that long.
fn share_the_processor() {
    let began = Instant::now();
    while began.elapsed() < SHARED_TIMEOUT * 13 / 10 {
        let turn = Instant::now();
        while turn.elapsed() < Duration::from_millis(10) {}
        std::thread::sleep(Duration::from_millis(10));
    }
}

const SHARED_TIMEOUT: Duration = Duration::from_millis(600);

struct Lingers;

impl Drop for Lingers {
    fn drop(&mut self) {
        hang();
    }
}

thread_local! {
    /// Its destructor runs after the body has returned, and never ends.
    static LINGERS: Lingers = const { Lingers };
}

fn recurse(n: u64) -> String {
    if std::hint::black_box(n) == 0 { String::new() } else { recurse(n + 1) + "x" }
}

fn grow() {
    let mut blocks = Vec::new();
    loop {
        blocks.push(std::hint::black_box(vec![1_u8; 1 << 20]));
    }
}

fn print_much() {
    use std::io::Write;
    let line = vec![b'x'; 1 << 20];
    let mut stderr = std::io::stderr();
    for _ in 0..100 {
        let _ = stderr.write_all(&line);
    }
    let _ = stderr.write_all(b"\nthe end\n");
}

fn replay(input: &str, limits: Limits) -> Replay {
    replay_calls(input, limits, Calls::One)
}

fn replay_calls(input: &str, limits: Limits, calls: Calls) -> Replay {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("input");
    std::fs::write(&file, input).expect("a file in it");
    let program = std::env::current_exe().expect("the executable has a path");
    let (program, file) = (&*program, &*file);
    let request = Request { program, folder: None, env: &[], path: "ends", file, limits, calls };
    child::replay(&request, child::Output::Kept).expect("the child starts")
}

fn end(input: &str) -> End {
    replay(input, Limits { rss_limit: 200 << 20, ..Limits::DEFAULT }).end
}

#[test]
fn what_returns_passes() {
    assert_eq!(end("nothing"), End::Passed);
    assert_eq!(end("read"), End::Passed);
}

#[test]
fn what_the_body_starts_is_no_replay() {
    assert_eq!(end("start this binary"), End::Passed);
}

#[test]
fn failures_that_unwind_are_told() {
    let End::Failed(how) = end("panic") else { panic!("it did not fail") };
    assert!(how.starts_with("panicked at "), "{how}");
    assert!(how.ends_with(": two; lines"), "{how}");
    assert_eq!(end("error"), End::Failed("returned Err: \"no\"".to_owned()));
    assert_eq!(end("error").kind(), Some(FailureKind::Error));
}

#[test]
fn each_death_has_its_kind() {
    assert_eq!(end("exit"), End::Exited(0));
    assert_eq!(end("leave a child"), End::Exited(0));
    assert_eq!(end("abort").kind(), Some(FailureKind::Abort));
    assert_eq!(end("signal").to_string(), "ended the process by SIGFPE");
    assert_eq!(end("overflow"), End::StackOverflow);
    assert_eq!(end("allocate").kind(), Some(FailureKind::Oom));
    assert_eq!(end("grow").kind(), Some(FailureKind::Oom));
}

#[test]
#[cfg(target_os = "linux")]
fn many_calls_show_a_leak_and_nothing_else() {
    let end = |input: &str, calls| replay_calls(input, Limits::DEFAULT, calls).end;
    let End::Failed(how) = end("leak", Calls::Many) else { panic!("it did not fail") };
    assert!(how.starts_with("memory grows by about 10"), "{how}");
    assert_eq!(End::Failed(how).kind(), Some(FailureKind::Leak));
    assert_eq!(end("leak", Calls::One), End::Passed);
    assert_eq!(end("nothing", Calls::Many), End::Passed);
    assert_eq!(end("fill a cache", Calls::Many), End::Passed);
    let End::Failed(how) = end("leak and panic", Calls::Many) else { panic!("it did not fail") };
    assert!(how.contains("the hundredth call"), "{how}");
}

#[test]
fn a_hang_is_killed_at_its_limit() {
    let timeout = Duration::from_millis(200);
    let hang = replay("hang", Limits { timeout, ..Limits::DEFAULT });
    assert_eq!(hang.end, End::TimedOut(timeout));
    let spin = replay("spin", Limits { timeout, ..Limits::DEFAULT });
    assert_eq!(spin.end, End::TimedOut(timeout));
}

#[test]
#[cfg(target_os = "linux")]
fn what_only_lacks_the_processor_is_no_hang() {
    let limits = Limits { timeout: SHARED_TIMEOUT, ..Limits::DEFAULT };
    assert_eq!(replay("share the processor", limits).end, End::Passed);
}

#[test]
fn a_process_that_lingers_after_the_call_is_told_by_its_result() {
    assert_eq!(end("linger"), End::Passed);
}

#[test]
fn of_much_output_the_end_is_kept() {
    let print = replay("print", Limits::DEFAULT);
    assert_eq!(print.end, End::Exited(3));
    assert!(print.output.len() < 1 << 17, "{}", print.output.len());
    assert!(print.output.ends_with("\nthe end\n"));
}

#[test]
fn a_program_without_the_fuzz_test_is_no_failure_of_it() {
    let file = PathBuf::from("/dev/null");
    let program = std::env::current_exe().unwrap();
    let request = Request {
        program: &program,
        folder: None,
        env: &[],
        path: "no_such",
        file: &file,
        limits: Limits::DEFAULT,
        calls: Calls::One,
    };
    let end = child::replay(&request, child::Output::Kept).unwrap().end;
    assert_eq!((end.kind(), end), (None, End::NeverStarted));
}

macro_rules! ending_seeds {
    ($($name:ident: $how:literal,)*) => {
        $(#[fuzz_test(seeds = ["nothing", $how])]
        #[ignore = "ends the process"]
        fn $name(how: &str) -> Result<(), String> {
            ends(how)
        })*

        fn ends(how: &str) -> Result<(), String> {
            if how == "thread" {
                let _ = std::thread::spawn(|| std::process::abort()).join();
            }
            if how == "exit in a thread" {
                let _ = std::thread::spawn(|| std::process::exit(0)).join();
            }
            let _ = how;
            match how {
                "exit" => std::process::exit(0),
                "abort" => std::process::abort(),
                "overflow" => drop(super::recurse(1)),
                _ => {}
            }
            Ok(())
        }
    };
}

mod in_process {
    use shmfuzz_runtime::fuzz_test;

    ending_seeds! {
        exits: "exit",
        aborts: "abort",
        overflows: "overflow",
        aborts_in_a_thread: "thread",
        exits_in_a_thread: "exit in a thread",
    }
}

fn run(path: &str) -> (Output, String) {
    let program = std::env::current_exe().expect("the executable has a path");
    let arguments = ["--exact", path, "--include-ignored"];
    let output = Command::new(program).args(arguments).output().expect("it starts");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, stderr)
}

#[test]
fn a_seed_that_ends_the_process_is_named_first() {
    for name in ["exits", "aborts", "overflows"] {
        let path = format!("in_process::{name}");
        let (output, stderr) = run(&path);
        assert!(!output.status.success(), "{name}: {}", output.status);
        let line = format!("the process ends while this seed runs: seed#1 of {path}\n");
        assert_eq!(stderr.matches(&line).count(), 1, "{stderr}");
    }
    let (_, stderr) = run("in_process::overflows");
    assert!(stderr.contains("has overflowed its stack"), "{stderr}");
}

#[test]
fn a_thread_that_ends_the_process_names_what_was_running() {
    for name in ["aborts_in_a_thread", "exits_in_a_thread"] {
        let (output, stderr) = run(&format!("in_process::{name}"));
        assert!(!output.status.success(), "{name}: {}", output.status);
        let words = format!("these seeds run:\n  seed#1 of in_process::{name}\n");
        assert!(stderr.contains(&words), "{stderr}");
    }
}
