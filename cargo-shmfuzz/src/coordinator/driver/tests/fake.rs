//! A worker without a fuzz test: this test binary, started again, plays the other side.
//!
//! What it does in a job is the first word of the input it is given.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it plays a target that prints")]

use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use shmfuzz_runtime::entries::{self, EntryChange, LogEntry, Origin};
use shmfuzz_runtime::layout::{INPUT_AT, Phase};
use shmfuzz_runtime::mapping::Mapping;
use shmfuzz_runtime::message::{
    self, Coverage, Hello, JobEnd, Loaded, Minimized, Replayed, Reply, Request, WORKER_ENV,
};
use shmfuzz_runtime::turn::Turn;
use std::fs::File;
use std::io::{BufReader, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::os::unix::net::UnixStream;
use std::process::{Command, exit};
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::{env, thread};

/// Names what it does before its first job.
pub(super) const PART_ENV: &str = "SHMFUZZ_FAKE_WORKER";

/// The path of the test that plays.
pub(super) const PATH: &str = "coordinator::driver::tests::fake::plays_a_worker_when_asked";

#[test]
fn plays_a_worker_when_asked() {
    let Ok(descriptors) = env::var(WORKER_ENV) else { return };
    let me = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
    let (mapping, control) = descriptors.split_once(',').unwrap();
    let take = |number: &str| -> OwnedFd {
        pidfd_getfd(&me, number.parse().unwrap(), PidfdGetfdFlags::empty()).unwrap()
    };
    let file = File::from(take(mapping));
    let control = UnixStream::from(take(control));
    let mapping = Mapping::attach(&file).unwrap();
    match env::var(PART_ENV).unwrap().as_str() {
        "exit early" => {
            eprintln!("cannot go on");
            exit(3);
        }
        "talk garbage" => (&control).write_all(b"good morning\n").unwrap(),
        "answer first" => message::send(&mut &control, &Reply::Pong {}).unwrap(),
        _ => {}
    }
    let hello = Hello {
        runtime: "0".to_owned(),
        test: PATH.to_owned(),
        n_counters: 1,
        n_pcs: 1,
        n_seeds: 0,
    };
    message::send(&mut &control, &Reply::Hello(hello)).unwrap();
    Fake { mapping, file, control }.serve();
}

struct Fake {
    mapping: Mapping,
    file: File,
    control: UnixStream,
}

impl Fake {
    fn serve(&self) {
        let mut requests = BufReader::new(&self.control);
        loop {
            let request: Request = message::receive(&mut requests).unwrap();
            let mut turn = self.mapping.take().expect("the turn comes before the request");
            let reply = match request {
                Request::Ping {} => Reply::Pong {},
                Request::Setup(_) => Reply::Ready {},
                Request::Load(_) => self.load(&mut turn),
                Request::Minimize(_) => self.halve(&mut turn),
                Request::Replay(_) => {
                    turn = self.play(turn);
                    Reply::Replayed(Replayed { end: JobEnd::Done, execs: 1, rejected: false })
                }
                Request::Fuzz(_) | Request::Survey(_) => Reply::Pong {},
                Request::Stop {} => exit(0),
            };
            self.mapping.give(turn);
            message::send(&mut &self.control, &reply).unwrap();
        }
    }

    /// Logs each input of the inbox, with the PRNG's state as its work.
    fn load(&self, turn: &mut Turn) -> Reply {
        let inputs = entries::read_inbox(&self.mapping, turn);
        for (id, inbox) in (0..).zip(&inputs) {
            let entry = LogEntry {
                change: EntryChange::New,
                id,
                parent: None,
                origin: Origin::Inbox(inbox.tag),
                work: self.mapping.header().rand_state.load(Ordering::Relaxed),
                features: &[7][..],
                input: &inbox.input[..],
            };
            entries::append(&self.mapping, turn, &entry).unwrap();
        }
        Reply::Loaded(Loaded {
            end: JobEnd::Done,
            n_run: inputs.len(),
            n_invalid: 0,
            first_moved: Some(1),
            execs: inputs.len() as u64,
            coverage: Coverage::default(),
        })
    }

    fn halve(&self, turn: &mut Turn) -> Reply {
        let value = self.mapping.value_copy(turn).unwrap();
        self.mapping.set_value(turn, &value[..value.len() / 2]).unwrap();
        Reply::Minimized(Minimized { end: JobEnd::Done, execs: 1, reproduced: true })
    }

    /// Does in a call what the input says.
    fn play(&self, turn: Turn) -> Turn {
        let header = self.mapping.header();
        header.phase.store(Phase::Replaying as u32, Ordering::Relaxed);
        header.count.fetch_add(1, Ordering::Relaxed);
        header.raw_in_mem.store(1, Ordering::Relaxed);
        let input = String::from_utf8(self.mapping.value_copy(&turn).unwrap()).unwrap();
        println!("running {input:?}");
        let mut control = &self.control;
        match input.split(' ').next().unwrap() {
            "abort" => std::process::abort(),
            "exit" => exit(0),
            "spin" => loop {
                std::hint::spin_loop();
            },
            "sleep" => thread::sleep(Duration::MAX),
            "garbage" => control.write_all(b"{\"reply\":\"nonsense\"}\n").unwrap(),
            "endless" => {
                let _ = control.write_all(&vec![b'x'; 4 << 20]);
            }
            "greedy" => {
                message::send(&mut control, &Reply::Pong {}).unwrap();
            }
            "keep" => {
                let replayed = Replayed { end: JobEnd::Done, execs: 1, rejected: false };
                message::send(&mut control, &Reply::Replayed(replayed)).unwrap();
                thread::sleep(Duration::MAX);
            }
            "twice" => {
                let replayed = Replayed { end: JobEnd::Done, execs: 1, rejected: false };
                self.mapping.give_as_is(turn);
                message::send(&mut control, &Reply::Replayed(replayed)).unwrap();
                message::send(&mut control, &Reply::Replayed(replayed)).unwrap();
                thread::sleep(Duration::MAX);
                unreachable!("it sleeps");
            }
            "scribble" => self.scribble(&input),
            "flood" => flood(),
            "close" => {
                self.control.shutdown(Shutdown::Both).unwrap();
                thread::sleep(Duration::MAX);
            }
            "eat" => {
                let eaten = vec![1u8; 256 << 20];
                thread::sleep(Duration::MAX);
                drop(eaten);
            }
            "orphan" => {
                let child = Command::new("sleep").arg("1000").spawn().unwrap();
                println!("orphan={}", child.id());
                exit(0);
            }
            "wait" => {
                while header.stop.load(Ordering::Relaxed) == 0 {
                    thread::yield_now();
                }
            }
            _ => {}
        }
        header.raw_in_mem.store(0, Ordering::Relaxed);
        turn
    }

    /// Writes garbage over everything, as a target with a wild pointer could.
    fn scribble(&self, input: &str) {
        let mut state = input.len() as u64;
        let garbage: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        })
        .take(INPUT_AT + 16)
        .collect();
        self.file.write_all_at(&garbage, 0).unwrap();
        if input.ends_with("abort") {
            std::process::abort();
        }
    }
}

fn flood() {
    let chunk = vec![b'f'; 1 << 20];
    for _ in 0..256 {
        std::io::stdout().write_all(&chunk).unwrap();
    }
    println!("the end");
}
