//! The thread that owns one worker for life: it starts the process, does what the engine orders,
//! watches, drains, and reports how it ended.
//!
//! Invariants: the thread that spawns the process outlives it; the worker's areas are touched only
//! with the turn; after `Died` nothing more is sent, and before it the process was waited for.

use super::channel::Channel;
use super::exchange::{self, has_failed, is_answer};
use super::harvest::{InputArea, harvest};
use super::launch::Launch;
use super::output::Output;
use super::process::{Groups, Process, timespec};
use super::slow::Slowness;
use super::watch::{Verdict, Watch};
use crate::coordinator::action::Freight;
use crate::coordinator::campaign::WorkerId;
use crate::coordinator::event::{Cause, Death, Event, Harvest};
use crate::show;
use crate::source;
use crate::stack::Trace;
use command_fds::CommandFdExt as _;
use rustix::event::{PollFd, PollFlags};
use shmfuzz_runtime::journal::{Journal, Life};
use shmfuzz_runtime::layout::Phase;
use shmfuzz_runtime::mapping::Mapping;
use shmfuzz_runtime::message::{ChannelError, JobEnd, Reply, Request, WORKER_ENV};
use shmfuzz_runtime::stack::{self, Stack};
use shmfuzz_runtime::turn::Turn;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often resident memory is read while a job runs under a limit.
const MEMORY_LOOKS: Duration = Duration::from_millis(10);
/// The longest sleep: a safety net, since everything that matters wakes the thread.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// How long a worker may live after it closed the channel, or was asked to stop.
const FAREWELL: Duration = Duration::from_secs(2);
/// How often a worker that hangs is asked where, how long it may take to answer, and how long it
/// goes on in between.
const N_SAMPLES: usize = 8;
const SAMPLE_LIMIT: Duration = Duration::from_millis(200);
const SAMPLE_PAUSE: Duration = Duration::from_millis(5);

/// What the engine orders.
#[derive(Debug)]
pub(super) enum Order {
    /// Hand the turn over and send a request.
    Send(Job),
    /// Ask the worker to end its job soon.
    Interrupt,
    /// End the process.
    Kill,
}

/// One request and what goes with it.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) request: Request,
    pub(super) freight: Freight,
    pub(super) random: Option<(u64, u64)>,
    pub(super) timeout: Duration,
}

/// What is needed to start a worker.
#[derive(Debug)]
pub(super) struct Recruit {
    pub(super) worker: WorkerId,
    pub(super) launch: Launch,
    /// Its executable, if that could be opened.
    pub(super) image: Option<Arc<File>>,
    /// The test binary's.
    pub(super) source: source::Lazy,
    /// Bytes that the input area holds at first.
    pub(super) capacity: usize,
    /// In bytes; 0 for none.
    pub(super) rss_limit: u64,
    pub(super) addresses: Addresses,
    pub(super) has_journal: bool,
    pub(super) events: Sender<Event>,
    pub(super) groups: Groups,
}

/// Where workers lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Addresses {
    /// Wherever the system puts them.
    Random,
    /// At the same addresses each time, if the system can do that.
    Same,
}

/// The main loop's hold on a worker.
#[derive(Debug)]
pub(super) struct Handle {
    orders: Sender<Order>,
    wake: UnixStream,
    thread: JoinHandle<()>,
}

impl Handle {
    /// Starts the thread, which starts the process.
    ///
    /// # Errors
    /// If there can be no more threads or descriptors.
    pub(super) fn start(recruit: Recruit) -> io::Result<Self> {
        let (orders, inbox) = channel();
        let (wake, woken) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        woken.set_nonblocking(true)?;
        let name = format!("worker-{}", recruit.worker.0);
        let thread =
            thread::Builder::new().name(name).spawn(move || live(recruit, &inbox, woken))?;
        Ok(Self { orders, wake, thread })
    }

    /// Gives an order. One that comes after the worker's end is void: `Died` is on its way.
    pub(super) fn order(&self, order: Order) {
        if self.orders.send(order).is_ok() {
            // A full pipe wakes the thread as well as one more byte would.
            let _ = (&self.wake).write(&[1]);
        }
    }

    /// Waits for the thread, which has sent `Died` as the last thing it does.
    pub(super) fn join(self) {
        // A panic of the thread was reported by its obituary.
        let _ = self.thread.join();
    }
}

/// Sees to it that a worker's end is reported exactly once, also if its thread panics.
struct Obituary {
    worker: WorkerId,
    events: Sender<Event>,
    is_sent: bool,
}

impl Obituary {
    fn send(&mut self, cause: Cause, output: String, harvest: Harvest) {
        self.is_sent = true;
        let death = Death { cause, output };
        // Nobody listens any more only when the campaign is over.
        let _ = self.events.send(Event::Died { worker: self.worker, death, harvest });
    }
}

impl Drop for Obituary {
    fn drop(&mut self) {
        if !self.is_sent {
            let why = "internal error: the thread that owns it panicked".to_owned();
            self.send(Cause::NotStarted(why), String::new(), Harvest::default());
        }
    }
}

fn live(recruit: Recruit, orders: &Receiver<Order>, woken: UnixStream) {
    let mut obituary =
        Obituary { worker: recruit.worker, events: recruit.events.clone(), is_sent: false };
    if recruit.addresses == Addresses::Same {
        // Where it is forbidden, what is ordered by address may differ; the rest repeats.
        let _ = shmfuzz_runtime::addresses::fix_for_children();
    }
    match Worker::start(recruit, woken) {
        Ok(mut worker) => {
            let ending = worker.serve(orders);
            let (cause, output, harvest) = worker.bury(ending);
            drop(worker);
            obituary.send(cause, output, harvest);
        }
        Err(why) => obituary.send(Cause::NotStarted(why), String::new(), Harvest::default()),
    }
}

/// Why a worker is served no longer.
#[derive(Debug)]
enum Ending {
    /// The process is over, whatever it says of itself.
    Itself,
    /// It has closed the channel and may be about to end.
    Closed,
    /// It must be killed.
    Kill(Cause),
}

/// What the worker is at.
#[derive(Debug)]
enum Stage {
    Starting(Watch),
    Idle,
    Busy { request: Request, watch: Watch },
    Stopping,
}

#[derive(Debug)]
struct Worker {
    id: WorkerId,
    source: source::Lazy,
    rss_limit: u64,
    mapping: Mapping,
    journal: Option<Journal>,
    /// `None` while the worker has it.
    turn: Option<Turn>,
    process: Process,
    channel: Channel,
    output: Output,
    woken: UnixStream,
    events: Sender<Event>,
    stage: Stage,
    /// When the stage began.
    began: Instant,
    next_look: Instant,
    next_memory: Instant,
    slowness: Slowness,
    /// Processor time at the start of the stage, if it is a replay.
    cpu_before: Option<Duration>,
}

impl Worker {
    fn start(recruit: Recruit, woken: UnixStream) -> Result<Self, String> {
        let Recruit {
            worker,
            launch,
            image,
            source,
            capacity,
            rss_limit,
            events,
            groups,
            has_journal,
            ..
        } = recruit;
        let (mapping, turn) = Mapping::create(capacity).map_err(|e| e.to_string())?;
        let control = |e: io::Error| format!("cannot make a control channel: {e}");
        let (ours, theirs) = UnixStream::pair().map_err(control)?;
        let channel = Channel::new(ours).map_err(control)?;
        let file = mapping.file().ok_or("the mapping has no file")?;
        let file = OwnedFd::from(file.try_clone().map_err(control)?);
        let mut inherited = vec![file, OwnedFd::from(theirs)];
        let mut journal = None;
        if has_journal {
            match Journal::create() {
                Ok((ours, file)) => {
                    journal = Some(ours);
                    inherited.push(OwnedFd::from(file));
                }
                // It can fuzz all the same.
                Err(error) => {
                    let _ = events.send(Event::NoJournal { worker, why: error.to_string() });
                }
            }
        }
        let numbers: Vec<String> = inherited.iter().map(|fd| fd.as_raw_fd().to_string()).collect();
        let mut command = launch.command_of(image.as_deref());
        command
            .env(WORKER_ENV, numbers.join(","))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // The numbers stay as they are here: moving them to chosen ones could overwrite the
            // descriptor on which the standard library reports that the program does not start.
            .preserved_fds(inherited);
        let mut process = Process::spawn(command, &groups)
            .map_err(|e| format!("cannot start {}: {e}", show::path(&launch.executable)))?;
        let output = Output::of(process.child())
            .map_err(|e| format!("cannot read what the worker prints: {e}"))?;
        let now = Instant::now();
        Ok(Self {
            id: worker,
            source,
            rss_limit,
            mapping,
            journal,
            turn: Some(turn),
            process,
            channel,
            output,
            woken,
            events,
            stage: Stage::Starting(Watch::start()),
            began: now,
            next_look: now,
            next_memory: now,
            slowness: Slowness::default(),
            cpu_before: None,
        })
    }

    fn serve(&mut self, orders: &Receiver<Order>) -> Ending {
        loop {
            if let Err(ending) = self.round(orders) {
                return ending;
            }
        }
    }

    /// Sleeps until something happens, and sees to all of it.
    fn round(&mut self, orders: &Receiver<Order>) -> Result<(), Ending> {
        let has_ended = self.sleep();
        self.output.drain();
        // What was said before the end still counts.
        self.listen()?;
        if has_ended {
            return Err(Ending::Itself);
        }
        while self.woken.read(&mut [0; 64]).is_ok_and(|n| n > 0) {}
        loop {
            match orders.try_recv() {
                Ok(order) => self.obey(order)?,
                Err(TryRecvError::Empty) => break,
                // Nobody wants the worker any more.
                Err(TryRecvError::Disconnected) => return Err(Ending::Kill(Cause::AsAsked)),
            }
        }
        self.channel.flush().map_err(broken)?;
        self.look()
    }

    /// Whether the process has ended meanwhile.
    fn sleep(&self) -> bool {
        let now = Instant::now();
        let until = match &self.stage {
            Stage::Idle => now + LONGEST_SLEEP,
            Stage::Stopping => self.began + FAREWELL,
            Stage::Starting(_) | Stage::Busy { .. } if self.rss_limit > 0 => {
                self.next_look.min(self.next_memory)
            }
            Stage::Starting(_) | Stage::Busy { .. } => self.next_look,
        };
        let limit = until.saturating_duration_since(now).min(LONGEST_SLEEP);
        let writable =
            if self.channel.has_outgoing() { PollFlags::OUT } else { PollFlags::empty() };
        let channel = self.channel.fd();
        let mut fds = vec![
            PollFd::from_borrowed_fd(self.process.ended_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(channel, PollFlags::IN | writable),
            PollFd::from_borrowed_fd(self.woken.as_fd(), PollFlags::IN),
        ];
        let streams = self.output.streams.iter().filter_map(|stream| stream.fd());
        fds.extend(streams.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        // An interrupted poll is a short sleep.
        match rustix::event::poll(&mut fds, Some(&timespec(limit))) {
            Ok(_) => !fds[0].revents().is_empty(),
            Err(_) => false,
        }
    }

    fn listen(&mut self) -> Result<(), Ending> {
        while let Some(reply) = self.channel.receive().map_err(broken)? {
            self.hear(reply)?;
        }
        Ok(())
    }

    fn hear(&mut self, reply: Reply) -> Result<(), Ending> {
        match (&self.stage, reply) {
            (Stage::Starting(_), Reply::Hello(hello)) => {
                self.stage = Stage::Idle;
                let _ = self.events.send(Event::Started { worker: self.id, hello });
                Ok(())
            }
            (Stage::Busy { request, .. }, reply) if is_answer(request, &reply) => {
                let Some(turn) = self.mapping.take() else {
                    return Err(lied("it answered without giving its turn back"));
                };
                let mut harvest = harvest(&self.mapping, &turn, InputArea::after(&reply));
                harvest.stack = self.last_stack();
                harvest.resident = self.process.gauge().resident();
                harvest.slow = std::mem::take(&mut self.slowness).into_slow();
                if has_failed(&reply) {
                    harvest.life = self.life();
                }
                if let Reply::Replayed(replayed) = &reply {
                    harvest.cpu = self.cpu_of_job();
                    if replayed.end == JobEnd::Failed {
                        harvest.output = self.output.so_far();
                    }
                }
                self.turn = Some(turn);
                self.stage = Stage::Idle;
                let _ = self.events.send(Event::Answered { worker: self.id, reply, harvest });
                Ok(())
            }
            (Stage::Starting(_), _) => Err(lied("it did not say hello first")),
            (Stage::Busy { .. }, _) => Err(lied("its answer does not belong to the request")),
            (Stage::Idle | Stage::Stopping, _) => Err(lied("it spoke without being asked")),
        }
    }

    /// All that the worker has run, where that is on record.
    fn life(&self) -> Option<Arc<Life>> {
        self.journal.as_ref()?.read().map(Arc::new)
    }

    fn obey(&mut self, order: Order) -> Result<(), Ending> {
        match order {
            Order::Kill => Err(Ending::Kill(Cause::AsAsked)),
            Order::Interrupt => {
                if matches!(self.stage, Stage::Busy { .. }) {
                    self.mapping.header().stop.store(1, Ordering::Relaxed);
                }
                Ok(())
            }
            Order::Send(job) => self.send(job),
        }
    }

    fn send(&mut self, job: Job) -> Result<(), Ending> {
        let Some(mut turn) = self.turn.take().filter(|_| matches!(self.stage, Stage::Idle)) else {
            let why = "internal error: it was asked while it was not idle".to_owned();
            return Err(Ending::Kill(Cause::NotStarted(why)));
        };
        self.output.forget();
        self.mapping.reset_job(&mut turn);
        let header = self.mapping.header();
        if let Some((state, increment)) = job.random {
            header.rand_state.store(state, Ordering::Relaxed);
            header.rand_inc.store(increment, Ordering::Relaxed);
        }
        let loaded = exchange::load(&self.mapping, &mut turn, job.freight);
        loaded.map_err(|why| Ending::Kill(Cause::NotStarted(why)))?;
        self.mapping.give(turn);
        let now = Instant::now();
        let watch = Watch::request(&job.request, job.timeout);
        (self.began, self.next_look, self.next_memory) = (now, now + watch.interval(), now);
        self.slowness = Slowness::default();
        self.cpu_before = match job.request {
            Request::Replay(_) => self.process.gauge().cpu_time(),
            _ => None,
        };
        let sent = self.channel.send(&job.request).map_err(broken);
        self.stage = match job.request {
            Request::Stop {} => Stage::Stopping,
            request => Stage::Busy { request, watch },
        };
        sent
    }

    /// The hang and memory watch.
    fn look(&mut self) -> Result<(), Ending> {
        let now = Instant::now();
        let watch = match &mut self.stage {
            Stage::Idle => return Ok(()),
            Stage::Stopping if now >= self.began + FAREWELL => {
                return Err(Ending::Kill(Cause::AsAsked));
            }
            Stage::Stopping => return Ok(()),
            Stage::Starting(watch) | Stage::Busy { watch, .. } => watch,
        };
        if self.rss_limit > 0 && now >= self.next_memory {
            self.next_memory = now + MEMORY_LOOKS;
            if let Some(bytes) = self.process.gauge().resident()
                && bytes > self.rss_limit
            {
                return Err(Ending::Kill(Cause::OutOfMemory(bytes)));
            }
        }
        let phase = self.mapping.phase();
        if !matches!(phase, Some(Phase::Starting | Phase::Idle | Phase::SettingUp)) {
            let count = self.mapping.header().count.load(Ordering::Relaxed);
            self.slowness.look(now - self.began, count, || self.mapping.peek());
        }
        if now >= self.next_look {
            self.next_look = now + watch.interval();
            let count = self.mapping.header().count.load(Ordering::Relaxed);
            match watch.look(now - self.began, count, phase, &mut self.process.gauge()) {
                Verdict::Fine => {}
                Verdict::TimedOut => {
                    return Err(Ending::Kill(Cause::TimedOut(watch.timeout())));
                }
                Verdict::Unresponsive => return Err(Ending::Kill(Cause::Unresponsive)),
            }
        }
        Ok(())
    }

    /// What the replay that was answered used of the processor.
    fn cpu_of_job(&self) -> Option<Duration> {
        Some(self.process.gauge().cpu_time()?.saturating_sub(self.cpu_before?))
    }

    /// The stack that the worker published last.
    fn last_stack(&self) -> Option<Trace> {
        self.source.trace(&stack::read_now(&self.mapping)?)
    }

    /// Asks the worker some times where it is, as long as this is its last call; as many stacks as it
    /// answers with.
    fn sample(&mut self, times: usize, count: u64) -> Vec<Stack> {
        let mut samples = Vec::new();
        while samples.len() < times && self.mapping.header().count.load(Ordering::Relaxed) == count
        {
            let n_before = stack::n_published(&self.mapping);
            let asked = Instant::now();
            if stack::ask(self.process.id()).is_err() {
                break;
            }
            while stack::n_published(&self.mapping) == n_before {
                self.output.drain();
                let is_over = self.process.ends_within(Duration::from_millis(1));
                if is_over || asked.elapsed() > SAMPLE_LIMIT {
                    return samples;
                }
            }
            samples.extend(stack::read_now(&self.mapping));
            if self.process.ends_within(SAMPLE_PAUSE) {
                break;
            }
        }
        samples
    }

    /// Ends the process, waits for it, and only then reads what it left.
    fn bury(&mut self, ending: Ending) -> (Cause, String, Harvest) {
        let killed = match ending {
            Ending::Itself => None,
            Ending::Kill(cause @ (Cause::BrokeProtocol(_) | Cause::NotStarted(_))) => Some(cause),
            // It was faster: how it failed by itself is what counts.
            Ending::Kill(_) if self.process.ends_within(Duration::ZERO) => None,
            Ending::Kill(cause) => Some(cause),
            Ending::Closed if self.process.ends_within(FAREWELL) => None,
            Ending::Closed if matches!(self.stage, Stage::Stopping) => Some(Cause::AsAsked),
            Ending::Closed => {
                Some(Cause::BrokeProtocol("it closed the control channel and lived on".to_owned()))
            }
        };
        let suspect = self.mapping.peek();
        let samples = match killed {
            Some(Cause::TimedOut(_)) => self.sample(N_SAMPLES, suspect.count),
            // It may go on growing.
            Some(Cause::OutOfMemory(_)) => self.sample(1, suspect.count),
            _ => Vec::new(),
        };
        let status = self.process.finish();
        let output = self.output.so_far();
        let Some(status) = status else {
            // The kernel does not let it end, so it may still write to the mapping.
            return (killed.unwrap_or(Cause::Unresponsive), output, Harvest::default());
        };
        let turn = self.mapping.reclaim();
        let mut harvest = harvest(&self.mapping, &turn, InputArea::IfRunning);
        if harvest.raw_in_mem {
            harvest.life = self.life();
        }
        // Looking up names takes a while, so it comes after the end.
        harvest.stack = match killed {
            Some(_) => {
                let traces = samples.iter().filter_map(|stack| self.source.trace(stack));
                Trace::common(traces.collect())
            }
            None => self.last_stack(),
        };
        if let (Some(Cause::TimedOut(_)), Some(input)) = (&killed, suspect.input)
            && harvest.count != suspect.count
        {
            // The call came to an end while it was asked, after all; it is the one that took so long.
            (harvest.input, harvest.raw_in_mem) = (Some(input), true);
        }
        let cause = killed.unwrap_or_else(|| match self.stage {
            Stage::Stopping => Cause::AsAsked,
            _ => natural(status),
        });
        (cause, output, harvest)
    }
}

fn natural(status: ExitStatus) -> Cause {
    match (status.code(), status.signal()) {
        (Some(code), _) => Cause::Exited(code),
        (None, Some(signal)) => Cause::Signaled(signal),
        (None, None) => Cause::BrokeProtocol(format!("it ended with {status}")),
    }
}

fn lied(what: &str) -> Ending {
    Ending::Kill(Cause::BrokeProtocol(what.to_owned()))
}

fn broken(error: ChannelError) -> Ending {
    match error {
        ChannelError::Closed => Ending::Closed,
        error => Ending::Kill(Cause::BrokeProtocol(error.to_string())),
    }
}
