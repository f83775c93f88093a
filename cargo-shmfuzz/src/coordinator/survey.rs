//! The survey of a fuzz test: its inputs, some times each in one worker after the other, to see
//! which blocks do not come back. Pure, as the engine is.
//!
//! Invariant: a few jobs bring an input less, or end the survey, so it ends whatever workers do: an
//! input over which a worker is lost is left out, and so is one that fails or that no job comes past.

use super::action::{Action, Freight};
use super::campaign::{Bytes, Test, TestIdx, WorkerId};
use super::driver::Decides;
use super::engine::{At, describe_start};
use super::event::{Death, Event, Harvest};
use super::notice::{End, Exit, Notice};
use shmfuzz_runtime::entries::LARGEST_INBOX_INPUT;
use shmfuzz_runtime::layout::{INBOX_LEN, MAX_VALUE_LEN, Phase};
use shmfuzz_runtime::message::{self, JobEnd, Reply, Request, Setup, Source, Surveyed};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How long a job is.
const JOB_MS: u64 = 500;
/// Jobs in a row that bring no input less before the next input is passed over.
const STALLS: u32 = 3;

/// What has come of a survey.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Inputs that were run, some times each.
    pub(crate) n_inputs: usize,
    /// Inputs that fail, or over which workers were lost.
    pub(crate) n_failing: usize,
    /// Inputs that there are: more than those of the other two counts only if it was interrupted.
    pub(crate) n_all: usize,
    /// Edges that were reached more than once, in the worker that has seen most, and those of them
    /// that flickered.
    pub(crate) checked: (u64, u64),
    /// By counter: where its block begins, and how many inputs made it flicker.
    pub(crate) flickering: BTreeMap<u32, (Option<i64>, u32)>,
}

/// A survey.
#[derive(Debug)]
pub(crate) struct Survey {
    test: Test,
    times: u32,
    found: Found,
    /// Why it could not be made.
    failed: Option<String>,
    /// The attribute's seeds from this one on are still to be run.
    next_seed: u32,
    n_seeds: u32,
    /// Inputs on disk that are still to be run, by index.
    left: VecDeque<usize>,
    /// Jobs in a row that brought no input less.
    stalls: u32,
    /// Inputs of the job that runs.
    job: Job,
    worker: WorkerId,
    is_over: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Job {
    /// The worker has not said hello.
    Start,
    Setup,
    Seeds,
    Inputs(Vec<usize>),
}

impl Survey {
    /// A survey of a fuzz test, that runs each input so many times.
    pub(crate) fn new(test: Test, times: u32) -> Self {
        Self {
            left: (0..test.corpus.len()).collect(),
            n_seeds: test.n_attribute_seeds,
            test,
            times,
            found: Found::default(),
            failed: None,
            next_seed: 0,
            stalls: 0,
            job: Job::Start,
            worker: WorkerId(0),
            is_over: false,
        }
    }

    /// What came of it.
    ///
    /// # Errors
    /// If no worker could be had: why.
    pub(crate) fn into_found(self) -> Result<Found, String> {
        let n_all = self.n_seeds as usize + self.test.corpus.len();
        match self.failed {
            None => Ok(Found { n_all, ..self.found }),
            Some(why) => Err(why),
        }
    }

    fn send(&self, request: Request, freight: Freight, actions: &mut Vec<Action>) {
        let (worker, timeout) = (self.worker, self.test.timeout);
        actions.push(Action::Send { worker, request, freight, random: None, timeout });
    }

    fn set_up(&mut self, actions: &mut Vec<Action>) {
        self.job = Job::Setup;
        let setup = Setup {
            max_len: self.test.max_len.max(1),
            silent: Vec::new(),
            data_limit: self.test.rss_limit.saturating_add(self.test.rss_limit / 4),
            random: None,
            by_work: false,
            is_guarded: false,
            n_tokens: 0,
        };
        self.send(Request::Setup(setup), Freight::None, actions);
    }

    /// Gives the worker what is next, and as large an input area as it wants for it.
    fn ask(&mut self, room: Option<usize>, actions: &mut Vec<Action>) {
        let survey = |source, first, budget_ms| {
            let times = self.times;
            Request::Survey(message::Survey { source, first, times, budget_ms })
        };
        if self.next_seed < self.n_seeds {
            // One seed a job: what is known of those before it would die with a worker, and they
            // cannot be asked for one by one.
            let request = survey(Source::Attribute, self.next_seed as usize, 0);
            self.job = Job::Seeds;
            return self.send(request, room.map_or(Freight::None, Freight::Room), actions);
        }
        let bytes = |i: usize| -> Bytes { self.test.corpus[i].bytes.clone() };
        let Some(first) = self.left.front().copied() else {
            return self.finish(End::Runs, actions);
        };
        if room.is_some() || bytes(first).len() > LARGEST_INBOX_INPUT {
            self.left.pop_front();
            let request = survey(Source::InputArea { tag: first as u64 }, 0, JOB_MS);
            let freight = Freight::Input(bytes(first));
            self.job = Job::Inputs(vec![first]);
            return self.send(request, freight, actions);
        }
        let (mut batch, mut room) = (Vec::new(), INBOX_LEN);
        while let Some(i) = self.left.front().copied() {
            let len = 16 + bytes(i).len().next_multiple_of(8);
            if len > room || bytes(i).len() > LARGEST_INBOX_INPUT {
                break;
            }
            room -= len;
            self.left.pop_front();
            batch.push(i);
        }
        let request = survey(Source::Inbox, 0, JOB_MS);
        let freight = Freight::Inbox(batch.iter().map(|i| (*i as u64, bytes(*i))).collect());
        self.job = Job::Inputs(batch);
        self.send(request, freight, actions);
    }

    fn surveyed(&mut self, surveyed: &Surveyed, actions: &mut Vec<Action>) {
        let mut n_done = 0;
        match std::mem::replace(&mut self.job, Job::Setup) {
            Job::Seeds => {
                let n_run = u32::try_from(surveyed.n_run).unwrap_or(u32::MAX);
                let next = n_run.clamp(self.next_seed, self.n_seeds);
                n_done = (next - self.next_seed) as usize;
                self.next_seed = next;
            }
            Job::Inputs(mut batch) => {
                let rest = batch.split_off(surveyed.n_run.min(batch.len()));
                rest.into_iter().rev().for_each(|i| self.left.push_front(i));
                n_done = batch.len();
            }
            Job::Start | Job::Setup => {}
        }
        self.found.n_inputs += n_done;
        if surveyed.end == JobEnd::Failed {
            self.found.n_failing += 1;
            self.found.n_inputs = self.found.n_inputs.saturating_sub(1);
        }
        self.stalls = if n_done > 0 { 0 } else { self.stalls + 1 };
        if self.stalls >= STALLS {
            self.pass_over();
        }
        for flickering in &surveyed.flickering {
            let entry = self.found.flickering.entry(flickering.counter).or_default();
            *entry = (flickering.pc, entry.1.saturating_add(flickering.n_inputs));
        }
        let coverage = surveyed.coverage;
        let checked = (coverage.checked, coverage.flickering.min(coverage.checked));
        self.found.checked = self.found.checked.max(checked);
        let room = match surveyed.end {
            JobEnd::NeedsCapacity { bytes } => Some(bytes.min(MAX_VALUE_LEN)),
            _ => None,
        };
        self.ask(room, actions);
    }

    /// Leaves out the input that is next.
    fn pass_over(&mut self) {
        self.found.n_failing += 1;
        if self.next_seed < self.n_seeds {
            self.next_seed += 1;
        } else {
            self.left.pop_front();
        }
    }

    fn died(&mut self, death: &Death, harvest: &Harvest, actions: &mut Vec<Action>) {
        match std::mem::replace(&mut self.job, Job::Start) {
            Job::Start | Job::Setup => {
                let is_setup = harvest.phase == Some(Phase::SettingUp);
                let at = if is_setup { At::Setup } else { At::Harness };
                let why = describe_start(&death.cause, at);
                self.failed = Some(match &death.output[..] {
                    "" => why,
                    output => format!("{why}\n{output}"),
                });
                return self.finish(End::Broken, actions);
            }
            Job::Seeds => {
                let seed = harvest.loading.and_then(|seed| u32::try_from(seed).ok());
                let seed = seed.unwrap_or(0).clamp(self.next_seed, self.n_seeds.saturating_sub(1));
                self.next_seed = seed + 1;
            }
            Job::Inputs(batch) => {
                let named = harvest.loading.and_then(|tag| usize::try_from(tag).ok());
                let fault = named.filter(|i| batch.contains(i)).unwrap_or(batch[0]);
                let rest = batch.into_iter().filter(|i| *i != fault);
                rest.rev().for_each(|i| self.left.push_front(i));
            }
        }
        self.found.n_failing += 1;
        self.worker = WorkerId(self.worker.0 + 1);
        actions.push(Action::Spawn {
            worker: self.worker,
            test: TestIdx(0),
            has_journal: false,
            spare: 0,
        });
    }

    fn finish(&mut self, end: End, actions: &mut Vec<Action>) {
        self.is_over = true;
        let exit = if end == End::Broken { Exit::Harness } else { Exit::Nothing };
        actions.push(Action::Show(Notice::Finish {
            totals: Vec::new(),
            met: Vec::new(),
            end,
            exit,
        }));
        actions.push(Action::Finish);
    }
}

impl Decides for Survey {
    fn start(&mut self, _: Duration, actions: &mut Vec<Action>) {
        actions.push(Action::Spawn {
            worker: self.worker,
            test: TestIdx(0),
            has_journal: false,
            spare: 0,
        });
    }

    fn step(&mut self, _: Duration, event: Event, actions: &mut Vec<Action>) {
        if self.is_over {
            return;
        }
        match event {
            Event::Started { worker, hello } if worker == self.worker => {
                self.n_seeds = hello.n_seeds;
                self.set_up(actions);
            }
            Event::Answered { worker, reply, .. } if worker == self.worker => match reply {
                Reply::Surveyed(surveyed) => self.surveyed(&surveyed, actions),
                _ => self.ask(None, actions),
            },
            Event::Died { worker, death, harvest } if worker == self.worker => {
                self.died(&death, &harvest, actions);
            }
            Event::Interrupt => self.finish(End::Interrupted, actions),
            _ => {}
        }
    }
}
