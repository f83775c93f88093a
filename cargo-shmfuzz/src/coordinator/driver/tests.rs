//! Real processes under the real thread: each way in which a worker can serve, fail, lie or die.

mod fake;

use super::*;
use crate::coordinator::action::{Freight, Shelf};
use crate::coordinator::campaign::{Bytes, FindingId};
use crate::coordinator::store::{Home, Root};
use shmfuzz_runtime::bucket::Bucket;
use shmfuzz_runtime::entries::Origin;
use shmfuzz_runtime::kind::FailureKind;
use shmfuzz_runtime::layout::Phase;
use shmfuzz_runtime::limits::Limits;
use shmfuzz_runtime::message::{Load, Minimize, Replay, Reply, Request, Source};
use shmfuzz_runtime::record::InputKind;
use std::env;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::channel;

const WORKER: WorkerId = WorkerId(7);
const LONG: Duration = Duration::from_secs(60);
const REPLAY: Request = Request::Replay(Replay { times: 1, is_sequence: false });

fn source(launch: &Launch) -> source::Lazy {
    source::Lazy::new(launch.executable.clone(), PathBuf::from(env!("CARGO_MANIFEST_DIR")))
}

fn launch(part: &str) -> Launch {
    Launch {
        executable: env::current_exe().unwrap(),
        package_dir: env::current_dir().unwrap(),
        test_path: fake::PATH.to_owned(),
        env: vec![(fake::PART_ENV.to_owned(), part.into())],
    }
}

/// One worker and what it reports.
struct Rig {
    handle: Handle,
    events: Receiver<Event>,
}

impl Rig {
    fn start(launch: Launch, rss_limit: u64) -> Self {
        Self::start_of(launch, None, rss_limit)
    }

    fn start_of(launch: Launch, image: Option<Arc<File>>, rss_limit: u64) -> Self {
        let (sender, events) = channel();
        let groups = Groups::default();
        let recruit = Recruit {
            has_journal: false,
            image,
            worker: WORKER,
            source: source(&launch),
            launch,
            capacity: 1024,
            rss_limit,
            addresses: Addresses::Random,
            events: sender,
            groups,
        };
        Self { handle: Handle::start(recruit).unwrap(), events }
    }

    /// A worker that has said hello.
    fn ready() -> Self {
        Self::ready_under(0)
    }

    fn ready_under(rss_limit: u64) -> Self {
        let rig = Self::start(launch(""), rss_limit);
        let event = rig.next();
        assert!(matches!(event, Event::Started { worker: WORKER, .. }), "{event:?}");
        rig
    }

    fn next(&self) -> Event {
        self.events.recv_timeout(LONG).expect("every wait has a limit")
    }

    fn send(&self, request: Request, freight: Freight, timeout: Duration) {
        let random = Some((99, 1));
        self.handle.order(Order::Send(Job { request, freight, random, timeout }));
    }

    fn replay(&self, input: &str, timeout: Duration) {
        self.send(REPLAY, Freight::Input(Bytes::from(input.as_bytes())), timeout);
    }

    fn answer(&self) -> (Reply, Harvest) {
        match self.next() {
            Event::Answered { worker: WORKER, reply, harvest } => (reply, harvest),
            event => panic!("{event:?}"),
        }
    }

    fn death(self) -> (Death, Harvest) {
        let Event::Died { worker: WORKER, death, harvest } = self.next() else { panic!("alive") };
        self.handle.join();
        assert!(self.events.recv().is_err(), "nothing comes after the death");
        (death, harvest)
    }
}

/// As while another build replaces it.
#[cfg(target_os = "linux")]
#[test]
fn a_worker_is_started_although_its_executable_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let executable = folder.path().join("test");
    fs_err::copy(env::current_exe().unwrap(), &executable).unwrap();
    let image = Some(Arc::new(File::open(&executable).unwrap()));
    fs_err::remove_file(&executable).unwrap();
    let rig = Rig::start_of(Launch { executable, ..launch("") }, image, 0);
    assert!(matches!(rig.next(), Event::Started { worker: WORKER, .. }));
}

/// How a worker dies of an input.
fn dies_of(input: &str, timeout: Duration) -> (Death, Harvest) {
    let rig = Rig::ready();
    rig.replay(input, timeout);
    rig.death()
}

/// The input must have come back byte for byte from the dead worker's mapping.
fn assert_caught(harvest: &Harvest, input: &str) {
    assert!(harvest.raw_in_mem, "{harvest:?}");
    assert_eq!(harvest.input.as_deref(), Some(input.as_bytes()));
    assert_eq!((harvest.count, harvest.phase), (1, Some(Phase::Replaying)));
    assert_eq!(harvest.damage, None);
}

#[test]
fn a_worker_serves_one_request_after_the_other() {
    let rig = Rig::ready();
    rig.send(Request::Ping {}, Freight::None, LONG);
    assert_eq!(rig.answer().0, Reply::Pong {});
    let load = Request::Load(Load { source: Source::Inbox, first: 0, budget_ms: 100 });
    let inputs = vec![(3, Bytes::from(&b"one"[..])), (4, Bytes::from(&b"two"[..]))];
    rig.send(load, Freight::Inbox(inputs), LONG);
    let (reply, harvest) = rig.answer();
    assert!(matches!(reply, Reply::Loaded(loaded) if loaded.n_run == 2));
    let entries: Vec<_> =
        harvest.entries.iter().map(|e| (e.origin, &e.input[..], e.work)).collect();
    let expected = [(Origin::Inbox(3), &b"one"[..], 99), (Origin::Inbox(4), &b"two"[..], 99)];
    assert_eq!(entries, expected);
    rig.replay("nothing", LONG);
    let (reply, harvest) = rig.answer();
    assert!(matches!(reply, Reply::Replayed(_)));
    assert_eq!((harvest.count, harvest.input), (1, None));
    assert!(harvest.entries.is_empty(), "the log was reset");
    rig.send(Request::Stop {}, Freight::None, LONG);
    assert_eq!(rig.death().0.cause, Cause::AsAsked);
}

#[test]
fn an_input_larger_than_the_mapping_grows_it() {
    let rig = Rig::ready();
    let large = vec![b'x'; 300_001];
    let minimize = Request::Minimize(Minimize { bucket: Bucket(0), budget_ms: 100, id: 0 });
    rig.send(minimize.clone(), Freight::Input(large.clone().into()), LONG);
    assert_eq!(rig.answer().1.input.as_deref(), Some(&large[..150_000]));
    rig.send(minimize, Freight::Input(vec![0; (1 << 30) + 1].into()), LONG);
    let (death, _) = rig.death();
    let Cause::NotStarted(why) = death.cause else { panic!("{death:?}") };
    assert_eq!(why, "an input of 1073741825 bytes is over the maximum of 1073741824 bytes");
}

#[test]
fn the_input_is_recovered_from_a_worker_that_ends_itself() {
    for (input, cause) in
        [("abort é\u{1}", Cause::Signaled(6)), ("exit without a word", Cause::Exited(0))]
    {
        let (death, harvest) = dies_of(input, LONG);
        assert_eq!(death.cause, cause);
        assert_caught(&harvest, input);
        assert!(death.output.contains(&format!("running {input:?}")), "{}", death.output);
    }
}

#[test]
fn hangs_are_found_whether_they_spin_or_sleep() {
    let timeout = Duration::from_millis(200);
    for input in ["spin", "sleep"] {
        let (death, harvest) = dies_of(input, timeout);
        assert_eq!(death.cause, Cause::TimedOut(timeout), "{input}");
        assert_caught(&harvest, input);
    }
}

/// Go's tests pin this: G12.
#[test]
fn a_worker_that_breaks_the_protocol_is_killed_and_the_reason_told() {
    for (input, reason) in [
        ("garbage", "garbage on the control channel: "),
        ("endless", "garbage on the control channel: "),
        ("greedy", "its answer does not belong to the request"),
        ("keep", "it answered without giving its turn back"),
        ("close", "it closed the control channel and lived on"),
    ] {
        let (death, _) = dies_of(input, LONG);
        let Cause::BrokeProtocol(why) = death.cause else { panic!("{input}: {death:?}") };
        assert!(why.starts_with(reason), "{input}: {why}");
    }
}

#[test]
fn a_second_answer_breaks_the_protocol() {
    let rig = Rig::ready();
    rig.replay("twice", LONG);
    assert!(matches!(rig.answer().0, Reply::Replayed(_)));
    let (death, _) = rig.death();
    assert_eq!(death.cause, Cause::BrokeProtocol("it spoke without being asked".to_owned()));
}

#[test]
fn garbage_in_the_mapping_is_told_and_believed_by_nobody() {
    let (death, harvest) = dies_of("scribble and abort", LONG);
    assert_eq!(death.cause, Cause::Signaled(6));
    let damage = harvest.damage.expect("nothing fits");
    assert!(damage.contains("the fuzz test wrote over"), "{damage}");
    assert!(harvest.entries.is_empty());

    let rig = Rig::ready();
    rig.replay("scribble and answer", LONG);
    let (reply, harvest) = rig.answer();
    assert!(matches!(reply, Reply::Replayed(_)));
    assert!(harvest.damage.is_some());
}

#[test]
fn a_flood_of_output_blocks_nobody() {
    let rig = Rig::ready();
    rig.replay("flood", LONG);
    assert!(matches!(rig.answer().0, Reply::Replayed(_)));
    rig.replay("exit", LONG);
    let (death, _) = rig.death();
    assert!(!death.output.contains("the end"), "the output of another job");
    assert!(death.output.len() < 1 << 20);
}

#[test]
fn memory_over_the_limit_ends_the_worker() {
    let rig = Rig::ready_under(128 << 20);
    rig.replay("eat", LONG);
    let (death, harvest) = rig.death();
    let Cause::OutOfMemory(bytes) = death.cause else { panic!("{death:?}") };
    assert!(bytes > 128 << 20, "{bytes}");
    assert_caught(&harvest, "eat");
}

#[test]
fn what_a_worker_leaves_behind_is_killed_with_it() {
    let (death, harvest) = dies_of("orphan", LONG);
    assert_eq!(death.cause, Cause::Exited(0));
    assert_caught(&harvest, "orphan");
    let pid = death.output.split_once("orphan=").unwrap().1.lines().next().unwrap();
    let deadline = Instant::now() + LONG;
    // Killed already; until its new parent has waited for it, it is still listed, as a zombie.
    let is_alive = || {
        std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z"))
    };
    while is_alive() {
        assert!(Instant::now() < deadline, "{pid} lives on");
        std::thread::yield_now();
    }
}

#[test]
fn a_job_is_interrupted_and_a_worker_is_killed_on_demand() {
    let rig = Rig::ready();
    rig.replay("wait", LONG);
    rig.handle.order(Order::Interrupt);
    assert!(matches!(rig.answer().0, Reply::Replayed(_)));
    rig.replay("sleep", LONG);
    rig.handle.order(Order::Kill);
    assert_eq!(rig.death().0.cause, Cause::AsAsked);
}

#[test]
fn a_worker_that_never_says_hello_is_told_with_its_output() {
    let (death, harvest) = Rig::start(launch("exit early"), 0).death();
    assert_eq!(death.cause, Cause::Exited(3));
    assert!(death.output.contains("cannot go on"), "{}", death.output);
    assert_eq!((harvest.count, harvest.raw_in_mem, harvest.input), (0, false, None));
    for (part, reason) in [
        ("talk garbage", "garbage on the control channel: \"good morning\\n\""),
        ("answer first", "it did not say hello first"),
    ] {
        let (death, _) = Rig::start(launch(part), 0).death();
        let Cause::BrokeProtocol(why) = death.cause else { panic!("{part}: {death:?}") };
        assert!(why.starts_with(reason), "{part}: {why}");
    }
}

#[test]
fn a_binary_that_does_not_start_is_named() {
    let launch = Launch { executable: PathBuf::from("/nowhere/at-all"), ..launch("") };
    let (death, _) = Rig::start(launch, 0).death();
    let Cause::NotStarted(why) = death.cause else { panic!("{death:?}") };
    assert!(why.starts_with("cannot start /nowhere/at-all: "), "{why}");
}

/// An engine that replays one input, saves it, and ends.
struct Script {
    log: Vec<String>,
    ticks: u32,
}

impl Decides for Script {
    fn start(&mut self, _now: Duration, actions: &mut Vec<Action>) {
        actions.push(Action::Spawn {
            worker: WORKER,
            test: TestIdx(0),
            has_journal: false,
            spare: 0,
        });
    }

    fn step(&mut self, _now: Duration, event: Event, actions: &mut Vec<Action>) {
        let input = Bytes::from(&b"abort"[..]);
        match event {
            Event::Started { .. } => {
                self.log.push("started".to_owned());
                actions.push(Action::Send {
                    worker: WORKER,
                    request: REPLAY,
                    freight: Freight::Input(input),
                    random: None,
                    timeout: LONG,
                });
            }
            Event::Died { death, .. } => {
                self.log.push(format!("{:?}", death.cause));
                let (finding, kind) = (FindingId(0), FailureKind::Abort);
                let (replaces, bucket) = (None, Bucket(0));
                let (test, shelf) = (TestIdx(0), Shelf::Testdata);
                let save = input.clone();
                actions.push(Action::SaveFinding {
                    finding,
                    test,
                    kind,
                    input: save,
                    replaces,
                    shelf,
                });
                actions.push(Action::CheckPlain { finding, test, kind, input, bucket });
            }
            Event::Checked { verdict, .. } => {
                self.log.push(format!("{verdict:?}"));
                // A worker that nobody ends, for the driver to end.
                actions.push(Action::Spawn {
                    worker: WorkerId(8),
                    test: TestIdx(0),
                    has_journal: false,
                    spare: 0,
                });
                let (end, exit) = (End::Crash, Exit::Found);
                actions.push(Action::Show(Notice::Finish {
                    totals: Vec::new(),
                    met: Vec::new(),
                    end,
                    exit,
                }));
                actions.push(Action::Finish);
            }
            Event::Tick => self.ticks += 1,
            event => panic!("{event:?}"),
        }
    }
}

#[test]
fn a_campaign_runs_from_its_start_to_its_finish() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home {
        package: "package".to_owned(),
        folder: "test".to_owned(),
        seed_folder: dir.path().join("testdata/fuzz/test"),
        kind: InputKind::Bytes,
        shape: None,
        older: Arc::default(),
        limits: Limits::DEFAULT,
        own_limits: Limits::DEFAULT,
    };
    let tests = [Test {
        name: "test".to_owned(),
        kind: InputKind::Bytes,
        shape: None,
        timeout: LONG,
        rss_limit: 0,
        max_len: 4096,
        n_attribute_seeds: 0,
        tokens: Vec::new(),
        ignored: Default::default(),
        corpus: Vec::new(),
        sequences: Vec::new(),
    }];
    let mut told = Vec::new();
    let mut report = |notice: &Notice, _: Option<&Path>| told.push(format!("{notice:?}"));
    let crew = Crew {
        tests: &tests,
        launches: vec![launch("")],
        sources: vec![source(&launch(""))],
        addresses: Addresses::Same,
        store: Store::new(&Root::Given(dir.path().join("corpus")), vec![home]),
        plain: Box::new(|| Ok(vec![None])),
        report: &mut report,
    };
    let (sender, events) = channel();
    let mut script = Script { log: Vec::new(), ticks: 0 };
    let driver = Driver::new(crew, sender, Groups::default());
    let outcome = driver.drive(&mut script, &events).unwrap();
    assert_eq!(outcome, Outcome { exit: Exit::Found, end: End::Crash, n_unsaved: 0 });
    let no_test = "Unknown(\"the plain build has no such fuzz test\")";
    assert_eq!(script.log, ["started", "Signaled(6)", no_test]);
    assert_eq!(told.len(), 1, "{told:?}");
    let saved: Vec<_> = std::fs::read_dir(dir.path().join("testdata/fuzz/test"))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(saved.len(), 1);
    assert!(saved[0].starts_with("abort-") && saved[0].len() == 22, "{saved:?}");
}
