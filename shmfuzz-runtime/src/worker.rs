//! The worker: serves one fuzz test of this binary to the coordinator, over the shared mapping and
//! the control channel, until the channel closes.
//!
//! It owns the process once it runs: signals, limits, panic hook, the queue, and the thread of the
//! fuzz test's stack size on which everything happens, so that worker, minimizer and replay call
//! the body at the same depth. Within a job it picks entries by itself and queues what it finds.
//! Invariants: an entry is published in the log before another input is run; the areas are touched
//! with the [`Turn`] only; between two messages the counters are 0 and the gate is closed, since
//! the libraries that read messages are instrumented like the user's.

mod admit;
mod again;
#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench_door;
mod budget;
mod chase;
mod climb;
mod code;
mod compare;
mod constants;
mod control;
mod coverage;
mod dictionary;
mod encodings;
mod execute;
mod flicker;
mod frames;
mod frontier;
mod fuzz;
mod guard;
mod hash;
mod hoard;
mod length;
mod load;
#[doc(hidden)]
pub mod memcmp;
mod mutate;
mod panics;
mod pass;
mod places;
mod profile;
mod queue;
mod random;
mod ranges;
mod replay;
#[doc(hidden)]
pub mod sancov;
mod schedule;
mod shrink;
mod signal;
mod solve;
mod structure;
mod survey;
#[doc(hidden)]
pub mod system_random;
mod tables;
#[cfg(test)]
#[cfg(feature = "coordinator")]
mod tests;
mod tokens;
mod trace;
mod traced;
mod unix;

use crate::bucket::Bucket;
use crate::entries::{self, EntryChange};
use crate::fuzz_test::FuzzTest;
use crate::journal::Journal;
use crate::layout::Phase;
use crate::mapping::{Mapping, RUNTIME_VERSION};
use crate::message::{
    ChannelError, Coverage, EXIT_CANNOT_START, Hello, Reply, Request, Setup, WORKER_ENV,
};
use crate::record::InputKind;
use crate::shape::Shape;
use crate::turn::Turn;
use crate::words::LastWords;
use again::{Again, Patience};
use budget::{Budget, Measure, Pace};
use code::Code;
use control::Control;
use coverage::CoverageMap;
use dictionary::Dictionary;
use execute::{Executor, Silent};
use flicker::Flicker;
use frontier::Frontier;
use hoard::Hoard;
use length::LengthLimit;
use mutate::Own;
use mutate::favour::Favour;
use profile::Profile;
use queue::Queue;
use schedule::Schedule;
use std::collections::VecDeque;
use std::io::Write;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::{fmt, io};
use traced::Chasing;

/// Why a worker cannot begin or go on.
#[derive(Debug)]
enum WorkerError {
    /// The environment variable does not hold two descriptors.
    Variable(String),
    /// A descriptor is not open.
    Descriptor { fd: i32, error: io::Error },
    /// The mapping is no mapping of ours.
    Mapping(crate::mapping::MappingError),
    /// The system refused something.
    Io { operation: &'static str, error: io::Error },
    /// The coordinator is gone.
    Orphan,
    /// The channel failed.
    Channel(ChannelError),
    /// A request came without the turn.
    NoTurn,
    /// What the user wants run before the first call failed: how.
    Setup(String),
}

impl fmt::Display for WorkerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(value) => {
                write!(
                    f,
                    "{WORKER_ENV} is {value:?}, descriptors like \"3,4\" or \"3,4,5\" expected"
                )
            }
            Self::Descriptor { fd, error } => write!(
                f,
                "{WORKER_ENV} names descriptor {fd}, which is not usable: {error}; \
                 this process was not started by cargo shmfuzz, so unset the variable"
            ),
            Self::Mapping(error) => error.fmt(f),
            Self::Io { operation, error } => write!(f, "cannot {operation}: {error}"),
            Self::Orphan => write!(f, "cargo shmfuzz has ended before its worker began"),
            Self::Channel(error) => error.fmt(f),
            Self::NoTurn => write!(f, "a request came without the turn for the shared mapping"),
            Self::Setup(how) => f.write_str(how),
        }
    }
}

fn io_error(operation: &'static str) -> impl Fn(io::Error) -> WorkerError {
    move |error| WorkerError::Io { operation, error }
}

/// Makes this process a worker for `test`, as [`WORKER_ENV`] says, and never returns: the process
/// ends with status 0 when the coordinator closes the channel, and with [`EXIT_CANNOT_START`]
/// and a message on stderr if it cannot begin.
pub fn run(test: &'static FuzzTest) -> ! {
    let status = match start(test) {
        Ok(()) => 0,
        Err(error) => {
            // Nobody is left to tell if stderr is closed.
            let _ = writeln!(io::stderr(), "error: worker of {}: {error}", test.path());
            EXIT_CANNOT_START
        }
    };
    unix::exit_now(status)
}

fn start(test: &'static FuzzTest) -> Result<(), WorkerError> {
    let parent = unix::parent();
    let (mapping_fd, control_fd, journal_fd) = descriptors()?;
    let take =
        |fd| unix::take_descriptor(fd).map_err(|error| WorkerError::Descriptor { fd, error });
    let (file, control) = (take(mapping_fd)?, take(control_fd)?);
    let journal = journal_fd.map(take).transpose()?;
    let journal = journal.as_ref().map(Journal::attach).transpose();
    let journal = journal.map_err(WorkerError::Mapping)?;
    // Lives as long as the process, for the signal handler. The descriptor does not: user code
    // must not find it.
    let mapping: &'static Mapping =
        Box::leak(Box::new(Mapping::attach(&file).map_err(WorkerError::Mapping)?));
    drop(file);
    if !unix::die_with_parent(parent) {
        return Err(WorkerError::Orphan);
    }
    unix::no_core_files();
    signal::install(mapping).map_err(io_error("install the signal handlers"))?;
    panics::install();
    unix::note_forks().map_err(io_error("watch for forks"))?;
    let control =
        Control::start(control).map_err(io_error("start the control channel's thread"))?;
    test.on_its_thread(|| {
        signal::begin_thread().map_err(io_error("set the alternate signal stack"))?;
        frames::begin_thread();
        serve(Worker::new(test, mapping, journal), mapping, control)
    })
    .map_err(io_error("start the thread of the fuzz test"))?
}

/// Those of the mapping, of the control channel, and of the journal if there is one.
fn descriptors() -> Result<(i32, i32, Option<i32>), WorkerError> {
    let value = std::env::var(WORKER_ENV).unwrap_or_default();
    let numbers: Vec<i32> = value.split(',').filter_map(|number| number.parse().ok()).collect();
    // Two files must not own one descriptor, and standard streams are no descriptors of ours.
    let mut sorted = numbers.clone();
    sorted.sort_unstable();
    let are_others =
        sorted.windows(2).all(|pair| pair[0] != pair[1]) && sorted.iter().all(|n| *n > 2);
    match numbers[..] {
        _ if !are_others || value.split(',').count() != numbers.len() => {
            Err(WorkerError::Variable(value))
        }
        [mapping, control] => Ok((mapping, control, None)),
        [mapping, control, journal] => Ok((mapping, control, Some(journal))),
        _ => Err(WorkerError::Variable(value)),
    }
}

/// Answers requests until there are no more.
fn serve(
    mut worker: Worker,
    mapping: &'static Mapping,
    control: Control,
) -> Result<(), WorkerError> {
    compare::BODY_THREAD.set(true);
    worker.executor.set_phase(Phase::Idle);
    control.send(&Reply::Hello(worker.hello())).map_err(WorkerError::Channel)?;
    loop {
        let request = match control.receive() {
            Ok(Request::Stop {}) | Err(ChannelError::Closed) => return Ok(()),
            Ok(request) => request,
            Err(error) => return Err(WorkerError::Channel(error)),
        };
        let turn = mapping.take().ok_or(WorkerError::NoTurn)?;
        // Reading the message moved counters of the libraries that did it.
        worker.coverage.refresh();
        worker.coverage.clear();
        let (reply, turn) = worker.answer(request, turn)?;
        worker.coverage.clear();
        sancov::close_gate();
        worker.executor.set_phase(Phase::Idle);
        // As it is: after a failure `raw_in_mem` marks the input, else it is 0 already.
        mapping.give_as_is(turn);
        match control.send(&reply) {
            Ok(()) => {}
            Err(ChannelError::Closed) => return Ok(()),
            Err(error) => return Err(WorkerError::Channel(error)),
        }
    }
}

/// What inputs are.
#[derive(Clone, Copy, Debug)]
struct Form {
    kind: InputKind,
    /// What they are made of, if they are values.
    shape: Option<&'static Shape>,
    /// What else changes them.
    own: Own,
}

/// All that a worker knows.
#[derive(Debug)]
struct Worker {
    test: &'static FuzzTest,
    form: Form,
    mapping: &'static Mapping,
    executor: Executor,
    coverage: CoverageMap,
    flicker: Flicker,
    queue: Queue,
    schedule: Schedule,
    dictionary: Dictionary,
    favour: Favour,
    frontier: Frontier,
    chasing: Chasing,
    hoard: Hoard,
    code: Code,
    profile: Profile,
    silent: Silent,
    measure: Measure,
    pace: Pace,
    length: LengthLimit,
    /// Changes of the queue that the log has had no room for.
    unpublished: VecDeque<(usize, EntryChange)>,
    /// Whether it was asked to fuzz in its life.
    has_fuzzed: bool,
    /// How many entries were run again.
    n_measured: u64,
    first_inputs: Vec<Rc<[u8]>>,
    /// How many of the inputs to begin with were run.
    n_first_tried: usize,
    shrinking: Option<shrink::Shrinking>,
    patience: Patience,
    /// Calls to be run again before others.
    again: Vec<Again>,
}

/// What a job has done so far.
#[derive(Debug)]
struct Tally {
    budget: Budget,
    execs: u64,
    extra_execs: u64,
    silenced: Vec<(Bucket, u64)>,
    rejected: u64,
    input_bytes: u64,
}

impl Tally {
    fn new(budget: Budget) -> Self {
        Self { budget, execs: 0, extra_execs: 0, silenced: Vec::new(), rejected: 0, input_bytes: 0 }
    }

    fn silence(&mut self, bucket: Bucket) {
        match self.silenced.iter_mut().find(|(known, _)| *known == bucket) {
            Some((_, n)) => *n += 1,
            None => self.silenced.push((bucket, 1)),
        }
    }

    /// Whether a failure is to be reported; if it is known, it is counted.
    fn is_news(&mut self, words: &LastWords, silent: &mut Silent) -> bool {
        if let Some(known) = silent.known(words) {
            self.silence(known);
            return false;
        }
        silent.add(words.bucket());
        true
    }
}

impl Worker {
    fn new(test: &'static FuzzTest, mapping: &'static Mapping, journal: Option<Journal>) -> Self {
        let shape = test.shape().map(|shape| &*Box::leak(Box::new(shape)));
        let own = Own::of(test);
        let form = Form { kind: test.record.kind, shape, own };
        let first_inputs = fuzz::first_inputs(test, shape, own);
        Self {
            test,
            form,
            mapping,
            executor: Executor::new(test, mapping, journal),
            coverage: CoverageMap::new(),
            flicker: Flicker::default(),
            queue: Queue::default(),
            schedule: Schedule::default(),
            dictionary: Dictionary::default(),
            favour: Favour::new(mutate::n_mutators(form.kind, shape, own)),
            frontier: Frontier::default(),
            chasing: Chasing::default(),
            hoard: Hoard::new(0),
            code: Code::new(),
            profile: Profile::default(),
            silent: Silent::default(),
            measure: Measure::Clock,
            pace: Pace::new(Measure::Clock),
            length: LengthLimit::new(4096),
            unpublished: VecDeque::new(),
            has_fuzzed: false,
            n_measured: 0,
            first_inputs,
            n_first_tried: 0,
            shrinking: None,
            patience: Patience::new(),
            again: Vec::new(),
        }
    }

    fn hello(&self) -> Hello {
        Hello {
            runtime: RUNTIME_VERSION.to_owned(),
            test: self.test.path(),
            n_counters: self.coverage.n_counters(),
            n_pcs: sancov::n_pcs(),
            n_seeds: self.test.record.n_seeds,
        }
    }

    fn answer(&mut self, request: Request, mut turn: Turn) -> Result<(Reply, Turn), WorkerError> {
        let reply = match request {
            Request::Ping {} | Request::Stop {} => Reply::Pong {},
            Request::Setup(setup) => {
                self.take_tokens(&turn, setup.n_tokens);
                self.set_up(setup)?;
                Reply::Ready {}
            }
            Request::Load(load) => {
                self.executor.set_phase(Phase::Loading);
                Reply::Loaded(self.load(&mut turn, load)?)
            }
            Request::Fuzz(fuzz) => {
                self.executor.set_phase(Phase::Fuzzing);
                Reply::Fuzzed(self.fuzz(&mut turn, fuzz)?)
            }
            Request::Minimize(minimize) => {
                self.executor.set_phase(Phase::Minimizing);
                Reply::Minimized(self.minimize(&mut turn, minimize)?)
            }
            Request::Replay(replay) => {
                self.executor.set_phase(Phase::Replaying);
                Reply::Replayed(self.replay(&mut turn, replay)?)
            }
            Request::Survey(survey) => {
                self.executor.set_phase(Phase::Loading);
                Reply::Surveyed(self.survey(&mut turn, survey)?)
            }
        };
        Ok((reply, turn))
    }

    fn set_up(&mut self, setup: Setup) -> Result<(), WorkerError> {
        self.measure = if setup.by_work { Measure::Work } else { Measure::Clock };
        self.pace = Pace::new(self.measure);
        self.length = LengthLimit::new(setup.max_len);
        self.hoard = Hoard::new(setup.data_limit);
        for bucket in setup.silent {
            self.silent.add(bucket);
        }
        if setup.by_work {
            compare::make_repeatable();
        }
        if setup.is_guarded {
            guard::turn_on(self.executor.shared_memory(self.mapping));
        }
        if let Some(seed) = setup.random {
            system_random::seed(seed);
        }
        if setup.data_limit > 0 {
            unix::limit_data(setup.data_limit).map_err(io_error("limit the data segment"))?;
        }
        self.set_up_test()
    }

    /// Runs what the user wants run before the first call: behind all else, within the limits of calls
    /// and with their randomness. What it covers is no input's, and is cleared before the next request.
    fn set_up_test(&self) -> Result<(), WorkerError> {
        self.executor.set_phase(Phase::SettingUp);
        let result = self.test.set_up();
        if unix::is_fork() {
            unix::exit_now(0)
        }
        result.map_err(WorkerError::Setup)
    }

    /// The user's dictionary, out of the inbox.
    fn take_tokens(&mut self, turn: &Turn, n_tokens: usize) {
        if n_tokens > 0 {
            let tokens = entries::read_inbox(self.mapping, turn).into_iter().take(n_tokens);
            self.dictionary.set_own(tokens.map(|token| token.input).collect());
        }
    }

    /// Whether the coordinator wants the job to end.
    fn is_stopped(&self) -> bool {
        self.mapping.header().stop.load(Ordering::Relaxed) != 0
    }

    fn coverage_so_far(&self) -> Coverage {
        Coverage {
            edges: self.coverage.edges(),
            features: self.coverage.features(),
            entries: self.queue.len() as u64,
            checked: self.flicker.n_checked(),
            flickering: self.flicker.n_flickering(),
        }
    }
}
