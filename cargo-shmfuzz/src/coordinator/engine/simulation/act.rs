//! What simulated workers do with their requests, and what they leave in the mapping.

use super::draw::{CROWD, LEAK, class_of, entry, leaked_by, loaded, words};
use super::world::World;
use crate::coordinator::action::Freight;
use crate::coordinator::campaign::{Bytes, WorkerId};
use crate::coordinator::event::{Cause, Harvest};
use shmfuzz_runtime::entries::{EntryChange, Origin};
use shmfuzz_runtime::journal::Life;
use shmfuzz_runtime::layout::Phase;
use shmfuzz_runtime::message::{JobEnd, Loaded, Minimized, Replayed, Request, Source};
use shmfuzz_runtime::sequence::unpack;
use std::sync::Arc;

impl World {
    /// What is in the mapping of a worker that died over a request.
    pub(super) fn dying(
        &mut self,
        test: usize,
        request: &Request,
        freight: &Freight,
        cause: &Cause,
        harvest: &mut Harvest,
    ) {
        let is_asked = *cause == Cause::AsAsked;
        let is_fault = !is_asked && *cause != Cause::Signaled(9);
        harvest.raw_in_mem = !is_asked || self.random.chance(500);
        harvest.phase = Some(Phase::Fuzzing);
        match (request, freight) {
            (Request::Fuzz(fuzz), _) => {
                harvest.count = self.random.below(fuzz.max_execs.unwrap_or(1000) + 1).max(1);
                self.execs[test] += harvest.count;
                harvest.extra_count = self.random.below(3);
                harvest.count += harvest.extra_count;
                let input: Bytes = vec![b'K', class_of(cause), self.random.below(256) as u8].into();
                if is_fault {
                    self.check.failed.insert((test, input.clone()), (b'K', class_of(cause)));
                }
                harvest.input = Some(input.to_vec());
            }
            (Request::Load(load), Freight::Inbox(inputs)) if !inputs.is_empty() => {
                let n = self.random.below(inputs.len() as u64) as usize;
                let (tag, input) = inputs[n].clone();
                harvest.count = n as u64 + 1;
                harvest.loading = Some(tag);
                harvest.input = Some(input.to_vec());
                if is_fault {
                    debug_assert_eq!(load.source, Source::Inbox);
                    self.check.fatal.insert((test, input.clone()));
                    self.fails(test, &input, (b'K', class_of(cause)));
                }
            }
            (Request::Load(load), _) if load.source == Source::Attribute => {
                let seed = load.first + self.random.below(3 - load.first as u64) as usize;
                harvest.count = (seed - load.first) as u64 + 1;
                harvest.loading = Some(seed as u64);
                harvest.input = Some(vec![b'A', seed as u8]);
                if is_fault {
                    self.check.fatal_seeds.insert((test, seed));
                }
            }
            (Request::Replay(replay), Freight::Input(packed)) if replay.is_sequence => {
                let inputs: Vec<Bytes> = unpack(packed).flatten().map(Bytes::from).collect();
                let at = self.random.below(inputs.len() as u64) as usize;
                harvest.count = at as u64 + 1;
                harvest.input = Some(inputs[at].to_vec());
                if is_fault {
                    self.fails(test, &inputs[at], (b'K', class_of(cause)));
                }
            }
            (_, Freight::Input(input)) => {
                harvest.input = Some(input.to_vec());
                if is_fault {
                    self.fails(test, input, (b'K', class_of(cause)));
                }
            }
            _ => harvest.raw_in_mem = false,
        }
    }

    pub(super) fn fails(&mut self, test: usize, input: &Bytes, class: (u8, u8)) {
        if !self.seeds[test].contains(input) {
            self.check.failed.insert((test, input.clone()), class);
        }
    }

    pub(super) fn failing(&mut self, test: usize, first: u8) -> Bytes {
        let class = match self.random.chance(700) {
            true => CROWD + self.random.below(12) as u8,
            false => self.random.below(3) as u8,
        };
        let mut input = vec![first, class];
        input.extend((0..self.random.below(20)).map(|_| b'x'));
        let input: Bytes = input.into();
        self.check.failed.insert((test, input.clone()), (first, class));
        input
    }

    pub(super) fn entries(&mut self, id: WorkerId, harvest: &mut Harvest) {
        while self.random.chance(300) {
            let features = (0..1 + self.random.below(3)).map(|_| self.random.below(256) as u32);
            let features: Vec<u32> = features.collect();
            let worker = self.workers.get_mut(&id).expect("checked");
            worker.n_entries += 1;
            let input = self.random.next().to_le_bytes()[..5].to_vec();
            let mut entry = entry(Origin::Mutation, worker.n_entries, features, input);
            if worker.n_entries > 1 && self.random.chance(200) {
                entry.change = EntryChange::Smaller;
                entry.id -= 1;
                entry.input.truncate(3);
            }
            harvest.entries.push(entry);
        }
    }

    /// Notes which entries of a sound harvest the engine must save.
    pub(super) fn expect(&mut self, id: WorkerId, harvest: &Harvest) {
        let test = self.workers[&id].test;
        for entry in &harvest.entries {
            let is_new = entry.features.iter().filter(|f| self.seen[test].insert(**f)).count() > 0;
            let input: Bytes = entry.input.clone().into();
            let is_due = entry.change == EntryChange::New && is_new;
            if is_due && self.held[test].insert(input.clone()) {
                self.check.due.insert((test, input));
            }
        }
    }

    pub(super) fn load(
        &mut self,
        test: usize,
        source: Source,
        first: usize,
        freight: &Freight,
        harvest: &mut Harvest,
    ) -> Loaded {
        let inputs: Vec<(u64, Bytes)> = match (source, freight) {
            (Source::Attribute, _) => return loaded(JobEnd::Done, (first + 2).min(3)),
            (_, Freight::Known(known)) => return loaded(JobEnd::Done, known.len()),
            (_, Freight::Inbox(inputs)) => inputs.clone(),
            (Source::InputArea { tag }, Freight::Input(input)) => vec![(tag, input.clone())],
            _ => Vec::new(),
        };
        for (n, (tag, input)) in inputs.iter().enumerate() {
            if input.first() == Some(&b'P') {
                harvest.words = Some(words(input));
                harvest.input = Some(input.to_vec());
                self.fails(test, input, (b'P', input[1]));
                return loaded(JobEnd::Failed, n + 1);
            }
            if self.random.chance(50) {
                return loaded(JobEnd::LogFull, n);
            }
            self.check.ran.insert((test, input.clone()));
            if self.random.chance(500) {
                let features = vec![self.random.below(256) as u32];
                let id = 1 << 32 | tag;
                harvest.entries.push(entry(Origin::Inbox(*tag), id, features, input.to_vec()));
            }
        }
        loaded(JobEnd::Done, inputs.len())
    }

    pub(super) fn minimize(
        &mut self,
        test: usize,
        freight: &Freight,
        harvest: &mut Harvest,
    ) -> Minimized {
        let Freight::Input(input) = freight else {
            return Minimized { end: JobEnd::Done, execs: 1, reproduced: false };
        };
        if self.random.chance(100) {
            let input = self.failing(test, b'P');
            harvest.words = Some(words(&input));
            harvest.input = Some(input.to_vec());
            return Minimized { end: JobEnd::Failed, execs: 3, reproduced: true };
        }
        let best: Bytes = input[..2.max(input.len() / 2)].into();
        self.check.failed.insert((test, best.clone()), (input[0], input[1]));
        let end = if best.len() == 2 { JobEnd::Done } else { JobEnd::Stopped };
        harvest.input = Some(best.to_vec());
        Minimized { end, execs: 10, reproduced: true }
    }

    /// What a worker has run in its life, where that is on record.
    pub(super) fn life(&mut self, id: WorkerId, last: &[u8]) -> Option<Arc<Life>> {
        if !self.workers[&id].has_journal || self.random.chance(100) {
            return None;
        }
        let n_others = self.random.below(40);
        let others = (0..n_others).map(|n| vec![b'o', (n % 7) as u8]);
        let inputs: Vec<Vec<u8>> = others.chain([last.to_vec()]).collect();
        Some(Arc::new(Life::of(inputs)))
    }

    /// Fails at the first input that may, most of the time, if others were run before it.
    pub(super) fn replay_sequence(
        &mut self,
        test: usize,
        freight: &Freight,
        harvest: &mut Harvest,
    ) -> Replayed {
        let Freight::Input(packed) = freight else { unreachable!("it has no inputs") };
        let inputs: Vec<Bytes> = unpack(packed).flatten().map(Bytes::from).collect();
        let execs = inputs.len() as u64;
        let end = if self.random.chance(30) { JobEnd::Stopped } else { JobEnd::Done };
        let culprit = inputs.iter().position(|input| matches!(**input, [b'P', _, ..]));
        let Some(at) = culprit.filter(|at| *at > 0 && self.random.chance(900)) else {
            return Replayed { end, execs, rejected: false };
        };
        let input = &inputs[at];
        self.fails(test, input, (b'P', input[1]));
        harvest.words = Some(words(input));
        harvest.input = Some(input.to_vec());
        Replayed { end: JobEnd::Failed, execs: at as u64 + 1, rejected: false }
    }

    pub(super) fn replay(
        &mut self,
        id: WorkerId,
        times: u32,
        freight: &Freight,
        harvest: &mut Harvest,
    ) -> Replayed {
        let Freight::Input(input) = freight else {
            return Replayed { end: JobEnd::Done, execs: 0, rejected: true };
        };
        let test = self.workers[&id].test;
        let fails = times > 0 && matches!(**input, [b'P', _, ..]);
        if !fails || self.manners[test].needs_others || self.random.chance(200) {
            let execs = u64::from(times);
            if self.is_leaky && leaked_by(input) > 0 {
                self.workers.get_mut(&id).expect("checked").resident += leaked_by(input) * execs;
            }
            if self.is_leaky && leaked_by(input) > 0 && times > 1 {
                self.check.failed.entry((test, input.clone())).or_insert((b'K', LEAK));
            }
            return Replayed { end: JobEnd::Done, execs, rejected: false };
        }
        self.fails(test, input, (b'P', input[1]));
        harvest.words = Some(words(input));
        harvest.input = Some(input.to_vec());
        Replayed { end: JobEnd::Failed, execs: 1, rejected: false }
    }
}
