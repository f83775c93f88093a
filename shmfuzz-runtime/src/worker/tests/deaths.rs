//! Worker processes whose bodies end them: what the mapping tells afterwards.

use super::*;
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};

/// Bodies by the first byte of the input.
fn deadly(data: &[u8]) -> Verdict {
    hit(0);
    match data.first() {
        Some(b'a') => std::process::abort(),
        Some(b's') => {
            // SAFETY: none: the write is what the test is about. The page at 64 is never mapped.
            unsafe { std::ptr::without_provenance_mut::<u8>(64).write_volatile(1) };
        }
        Some(b'k') => {
            // SAFETY: raising a signal touches no memory.
            unsafe { libc::raise(libc::SIGILL) };
        }
        Some(b'o') => {
            assert!(overflow(data.len() as u64) > 0);
        }
        Some(b'A') => std::panic::panic_any(AbortOnDrop),
        Some(b'P') => std::panic::panic_any(PanicOnDrop),
        Some(b'u') => {
            let _ = thread::spawn(|| assert!(overflow(0) > 0)).join();
        }
        Some(b'b') => extern_panic(),
        Some(b'd') => {
            let _second = PanicOnDrop;
            panic!("first");
        }
        Some(b't') => {
            let _ = thread::spawn(|| panic!("in another thread")).join();
        }
        Some(b'j') => thread::spawn(|| panic!("in another thread")).join().unwrap(),
        Some(b'x') => std::process::exit(0),
        _ => {}
    }
    Verdict::Kept
}

extern "C" fn extern_panic() {
    panic!("across a boundary");
}

struct AbortOnDrop;

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        std::process::abort();
    }
}

struct PanicOnDrop;

impl Drop for PanicOnDrop {
    fn drop(&mut self) {
        panic!("second");
    }
}

#[expect(unconditional_recursion, reason = "the end of the stack is what the test is about")]
fn overflow(n: u64) -> u64 {
    let frame = std::hint::black_box([n; 64]);
    overflow(n + 1) + frame[1]
}

static DEADLY: FuzzTest = test_of(InputKind::Bytes, deadly);

/// Not a test of its own: the process that the others start.
#[test]
#[ignore = "started by other tests"]
fn hostile_worker() {
    if std::env::var_os(WORKER_ENV).is_some() {
        register_counters();
        run(&DEADLY);
    }
}

struct Process {
    mapping: Mapping,
    turn: Option<Turn>,
    requests: UnixStream,
    replies: BufReader<UnixStream>,
    child: Child,
}

/// Lets programs that are started inherit the descriptor.
fn pass_on(fd: i32) {
    // SAFETY: the call touches no memory.
    assert_eq!(unsafe { libc::fcntl(fd, libc::F_SETFD, 0) }, 0);
}

fn command(fds: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let test = "worker::tests::deaths::hostile_worker";
    command
        .args(["--exact", test, "--nocapture", "--test-threads=1", "--include-ignored"])
        .env(WORKER_ENV, fds)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

impl Process {
    fn start() -> Self {
        let (mapping, turn) = Mapping::create(4096).unwrap();
        let file = mapping.file().unwrap().try_clone().unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        pass_on(file.as_raw_fd());
        pass_on(theirs.as_raw_fd());
        let child =
            command(&format!("{},{}", file.as_raw_fd(), theirs.as_raw_fd())).spawn().unwrap();
        drop((file, theirs));
        let mut process = Self {
            mapping,
            turn: Some(turn),
            requests: ours.try_clone().unwrap(),
            replies: BufReader::new(ours),
            child,
        };
        let hello = message::receive::<Reply>(&mut process.replies);
        assert!(matches!(hello, Ok(Reply::Hello(_))), "{hello:?} {}", process.end().1);
        process
    }

    /// Asks for a replay; `None` if the process dies of it.
    fn replay(&mut self, input: &[u8]) -> Option<Replayed> {
        let mut turn = self.turn.take().unwrap();
        self.mapping.reset_job(&mut turn);
        self.mapping.set_value(&mut turn, input).unwrap();
        self.mapping.give(turn);
        message::send(
            &mut self.requests,
            &Request::Replay(Replay { times: 1, is_sequence: false }),
        )
        .unwrap();
        match message::receive(&mut self.replies) {
            Ok(Reply::Replayed(replayed)) => {
                self.turn = self.mapping.take();
                Some(replayed)
            }
            Ok(other) => panic!("{other:?}"),
            Err(_) => None,
        }
    }

    /// Waits for the end; -> how it ended, and what it printed.
    fn end(&mut self) -> (ExitStatus, String) {
        let _ = self.requests.shutdown(std::net::Shutdown::Both);
        let mut printed = String::new();
        io::Read::read_to_string(&mut self.child.stderr.take().unwrap(), &mut printed).unwrap();
        (self.child.wait().unwrap(), printed)
    }
}

/// Checks that the input ends the process by this signal and leaves these words.
fn dies(input: &[u8], signal: i32, kind: FailureKind) -> (LastWords, String) {
    let mut process = Process::start();
    assert_eq!(process.replay(input), None);
    let (status, printed) = process.end();
    assert_eq!(status.signal(), Some(signal), "{status} {printed}");
    let turn = process.mapping.reclaim();
    assert_eq!(process.mapping.header().raw_in_mem.load(Ordering::Relaxed), 1);
    assert_eq!(process.mapping.value_copy(&turn).unwrap(), input);
    assert_eq!(process.mapping.header().count.load(Ordering::Relaxed), 1);
    assert_eq!(process.mapping.phase(), Some(Phase::Replaying));
    let words = words::read(&process.mapping, &turn).expect("last words");
    assert_eq!(words.kind, kind);
    (words, printed)
}

#[test]
fn fatal_signals_leave_their_words_and_the_input() {
    let (words, _) = dies(b"abort", libc::SIGABRT, FailureKind::Abort);
    assert_eq!((words.signal, &words.message[..]), (libc::SIGABRT, ""));
    let (words, _) = dies(b"segv", libc::SIGSEGV, FailureKind::Signal);
    assert_eq!((words.signal, words.address), (libc::SIGSEGV, 64));
    let (words, _) = dies(b"kill", libc::SIGILL, FailureKind::Signal);
    assert_eq!((words.signal, words.address), (libc::SIGILL, 0));
}

#[test]
fn a_stack_overflow_is_told_from_other_faults() {
    let (words, printed) = dies(b"overflow", libc::SIGABRT, FailureKind::StackOverflow);
    assert_eq!(words.signal, libc::SIGSEGV);
    assert!(printed.contains("overflowed its stack"), "{printed}");
    // On a thread that the body started, too, with a smaller alternate stack.
    dies(b"u", libc::SIGABRT, FailureKind::StackOverflow);
}

#[test]
fn a_panic_within_a_panic_keeps_the_first_message() {
    let (words, _) = dies(b"double", libc::SIGABRT, FailureKind::Abort);
    assert_eq!(words.message, "first");
    assert!(words.file.ends_with("deaths.rs") && words.line > 0);
    let (words, _) = dies(b"boundary", libc::SIGABRT, FailureKind::Abort);
    assert_eq!(words.message, "across a boundary");
}

#[test]
fn a_panic_whose_payload_aborts_leaves_the_input() {
    dies(b"A", libc::SIGABRT, FailureKind::Abort);
}

#[test]
fn panics_print_nothing_and_those_of_other_threads_are_no_failures() {
    let mut process = Process::start();
    assert_eq!(process.replay(b"thread").unwrap().end, JobEnd::Done);
    assert_eq!(process.replay(b"P").unwrap().end, JobEnd::Failed, "a payload that panics");
    assert_eq!(process.replay(b"join").unwrap().end, JobEnd::Failed);
    let words = words::read(&process.mapping, process.turn.as_ref().unwrap()).unwrap();
    assert_eq!(words.message, "in another thread", "not that it was joined");
    let (status, printed) = process.end();
    assert_eq!((status.code(), &printed[..]), (Some(0), ""), "a closed channel ends the worker");
}

#[test]
fn an_exit_leaves_the_input() {
    let mut process = Process::start();
    assert_eq!(process.replay(b"x"), None);
    let (status, _) = process.end();
    assert_eq!(status.code(), Some(0));
    let turn = process.mapping.reclaim();
    assert_eq!(process.mapping.value_copy(&turn).unwrap(), b"x");
    assert_eq!(process.mapping.header().raw_in_mem.load(Ordering::Relaxed), 1);
}

#[test]
fn an_interrupt_from_the_terminal_is_ignored() {
    let mut process = Process::start();
    // SAFETY: the process is a child that was not waited for, so the number is its own.
    assert_eq!(unsafe { libc::kill(process.child.id() as i32, libc::SIGINT) }, 0);
    assert_eq!(process.replay(b"fine").unwrap().end, JobEnd::Done);
    assert_eq!(process.end().0.code(), Some(0));
}

#[test]
fn wrong_descriptors_are_refused_with_a_reason() {
    for (fds, reason) in
        [("3", "descriptors like"), ("900,901", "descriptor 900"), ("1,2", "descriptors like")]
    {
        let output = command(fds).output().unwrap();
        assert_eq!(output.status.code(), Some(EXIT_CANNOT_START));
        let printed = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(printed.contains(reason), "{printed}");
    }
}
