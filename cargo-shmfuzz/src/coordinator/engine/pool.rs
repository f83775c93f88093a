//! The inputs of one fuzz test: who has run what, and which of them are in use.
//!
//! What is on disk is a trial first: each input is claimed by one worker, which runs it once. When
//! the last one was run, the pool is settled: those that add something to the ones before them are
//! in use, and go to the other workers with the features that were seen, not to be run again; all
//! others are left out, and stay on disk. The order of the trial is that of the tags, small inputs
//! before large ones, so that of equal inputs the smaller is used.
//!
//! Invariants: an input that a worker has run is never claimed again; one that was dropped is never
//! given to anybody; the counts are those of the inputs, since figures are shown so often that none
//! may look at all of them.

use super::test::Features;
use crate::coordinator::campaign::{Bytes, Place, Test, WorkerId};
use crate::coordinator::notice::Trial;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Where an input of the pool is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PoolOrigin {
    /// A committed file of this name.
    Seed(String),
    /// The cache.
    Cache,
    /// The attribute; the seed's index.
    Attribute(u32),
    /// A worker found it in this campaign.
    Found(WorkerId),
}

/// How far an input has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Nobody has run it.
    Untried,
    /// This worker was given it to run.
    Claimed(WorkerId),
    /// It was run, and has something that its worker had not seen before.
    Tried,
    /// Workers have it in their queues, or will be given it.
    InUse,
    /// It adds nothing to the inputs before it.
    LeftOut,
    /// It is never to be run again.
    Dropped,
}

impl Standing {
    /// Whether an input is in use, or may be once all were run.
    fn is_useful(self) -> bool {
        matches!(self, Self::Tried | Self::InUse)
    }
}

/// What an input is known to reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Features that nothing had reached before in the worker that ran it, and what a run costs.
    Known {
        /// The features.
        features: Arc<[u32]>,
        /// The work of a run.
        work: u64,
    },
    /// Not known: each worker must run it.
    Unknown,
}

/// An input that workers are given.
#[derive(Debug)]
pub(super) struct PoolInput {
    /// Its bytes.
    pub(super) bytes: Bytes,
    /// Where it is from.
    pub(super) origin: PoolOrigin,
    /// The worker by which its features are known: the only one that may shrink it, since others
    /// may have kept it for fewer features.
    pub(super) owner: Option<WorkerId>,
    /// Workers that were ended from outside while they ran it.
    pub(super) n_outside_deaths: u32,
    /// What it reaches.
    pub(super) reach: Reach,
    standing: Standing,
}

/// The inputs of a fuzz test. An input's index is its tag.
#[derive(Debug, Default)]
pub(super) struct Pool {
    inputs: Vec<PoolInput>,
    by_bytes: BTreeMap<Bytes, usize>,
    /// Inputs that nobody has run.
    untried: BTreeSet<usize>,
    n_claimed: usize,
    /// How many inputs there are to try.
    n_on_disk: usize,
    /// How many of those are from the cache.
    n_cached: usize,
    /// How many inputs are useful, and how many of those on disk.
    n_useful: usize,
    n_useful_on_disk: usize,
    is_settled: bool,
    /// Inputs in use, in the order in which workers are given them.
    feed: Vec<usize>,
}

impl Pool {
    /// The pool of what is on disk: seeds before cached entries.
    pub(super) fn new(test: &Test) -> Self {
        let mut pool = Self::default();
        for place in [Place::Seed, Place::Cache] {
            for input in test.corpus.iter().filter(|input| input.place == place) {
                let origin = match place {
                    Place::Seed => PoolOrigin::Seed(input.name.clone()),
                    Place::Cache => PoolOrigin::Cache,
                };
                pool.insert(input.bytes.clone(), origin, None, Reach::Unknown, Standing::Untried);
            }
        }
        pool.untried = (0..pool.inputs.len()).collect();
        pool.n_on_disk = pool.inputs.len();
        let is_cached = |input: &&PoolInput| input.origin == PoolOrigin::Cache;
        pool.n_cached = pool.inputs.iter().filter(is_cached).count();
        pool.is_settled = pool.inputs.is_empty();
        pool
    }

    /// Adds an input that a worker has found; -> its tag. What is there already stays as it is.
    pub(super) fn push(
        &mut self,
        bytes: Bytes,
        origin: PoolOrigin,
        owner: WorkerId,
        reach: Reach,
    ) -> usize {
        if let Some(tag) = self.by_bytes.get(&bytes) {
            return *tag;
        }
        let tag = self.insert(bytes, origin, Some(owner), reach, Standing::InUse);
        self.n_useful += 1;
        self.feed.push(tag);
        tag
    }

    fn insert(
        &mut self,
        bytes: Bytes,
        origin: PoolOrigin,
        owner: Option<WorkerId>,
        reach: Reach,
        standing: Standing,
    ) -> usize {
        let tag = self.inputs.len();
        self.by_bytes.insert(bytes.clone(), tag);
        self.inputs.push(PoolInput { bytes, origin, owner, n_outside_deaths: 0, reach, standing });
        tag
    }

    /// Whether an input of these bytes was ever in the pool.
    pub(super) fn holds(&self, bytes: &[u8]) -> bool {
        self.by_bytes.contains_key(bytes)
    }

    /// The tag of the input that has or had these bytes.
    pub(super) fn tag_of(&self, bytes: &[u8]) -> Option<usize> {
        self.by_bytes.get(bytes).copied()
    }

    /// The input with this tag.
    pub(super) fn get(&self, tag: usize) -> Option<&PoolInput> {
        self.inputs.get(tag)
    }

    /// The input with this tag, to change.
    pub(super) fn get_mut(&mut self, tag: usize) -> Option<&mut PoolInput> {
        self.inputs.get_mut(tag)
    }

    /// What is known of the attribute's seed of this index: nothing before a worker has logged it.
    pub(super) fn attribute(&self, seed: u32) -> Option<&PoolInput> {
        self.inputs.iter().find(|input| input.origin == PoolOrigin::Attribute(seed))
    }

    /// Puts smaller bytes in an input's place, which reach this; -> the old ones.
    pub(super) fn shrink(&mut self, tag: usize, bytes: Bytes, reach: Reach) -> Option<Bytes> {
        let input = self.inputs.get_mut(tag)?;
        self.by_bytes.insert(bytes.clone(), tag);
        input.reach = reach;
        Some(std::mem::replace(&mut input.bytes, bytes))
    }

    /// The next input to be tried, from `from` on.
    pub(super) fn next_untried(&self, from: usize) -> Option<usize> {
        self.untried.range(from..).next().copied()
    }

    /// How many inputs nobody has claimed.
    pub(super) fn n_untried(&self) -> usize {
        self.untried.len()
    }

    /// Gives an untried input to a worker.
    pub(super) fn claim(&mut self, tag: usize, by: WorkerId) {
        self.stand(tag, Standing::Claimed(by));
    }

    /// The worker has run an input that it had claimed. What it has not logged by now added nothing.
    pub(super) fn ran(&mut self, tag: usize, by: WorkerId) {
        let Some(input) = self.inputs.get(tag) else { return };
        if input.standing == Standing::Claimed(by) {
            let is_known = matches!(input.reach, Reach::Known { .. });
            self.stand(tag, if is_known { Standing::Tried } else { Standing::LeftOut });
        }
    }

    /// Takes inputs back that a worker has claimed and not run.
    pub(super) fn release(&mut self, tags: &[usize], by: WorkerId) {
        for tag in tags {
            if self.inputs.get(*tag).is_some_and(|i| i.standing == Standing::Claimed(by)) {
                self.stand(*tag, Standing::Untried);
            }
        }
    }

    /// A worker has logged an input of the pool as its own: what it reaches is known from now on.
    /// `is_new` if it is the first to reach some of that.
    pub(super) fn learn(&mut self, tag: usize, by: WorkerId, reach: Reach, is_new: bool) {
        let Some(input) = self.inputs.get_mut(tag) else { return };
        if matches!(input.reach, Reach::Known { .. }) {
            return;
        }
        (input.reach, input.owner) = (reach, Some(by));
        // The log may come after the answer that says that it was run.
        match input.standing {
            Standing::LeftOut if !self.is_settled => self.stand(tag, Standing::Tried),
            Standing::LeftOut if is_new => {
                self.stand(tag, Standing::InUse);
                self.feed.push(tag);
            }
            _ => {}
        }
    }

    /// An input that a worker has run is in use although nobody can say what it reaches.
    pub(super) fn keep_unknown(&mut self, tag: usize, by: WorkerId) {
        let Some(input) = self.inputs.get_mut(tag) else { return };
        if !matches!(input.standing, Standing::Dropped | Standing::InUse) {
            input.owner = Some(by);
            self.stand(tag, Standing::InUse);
            self.feed.push(tag);
        }
    }

    /// Keeps an input from ever being run again.
    pub(super) fn drop(&mut self, tag: usize) {
        self.stand(tag, Standing::Dropped);
    }

    fn stand(&mut self, tag: usize, standing: Standing) {
        let Some(input) = self.inputs.get_mut(tag) else { return };
        let before = std::mem::replace(&mut input.standing, standing);
        match before {
            Standing::Untried => drop(self.untried.remove(&tag)),
            Standing::Claimed(_) => self.n_claimed -= 1,
            _ => {}
        }
        match standing {
            Standing::Untried => drop(self.untried.insert(tag)),
            Standing::Claimed(_) => self.n_claimed += 1,
            _ => {}
        }
        let (was, is) = (usize::from(before.is_useful()), usize::from(standing.is_useful()));
        self.n_useful = self.n_useful + is - was;
        if tag < self.n_on_disk {
            self.n_useful_on_disk = self.n_useful_on_disk + is - was;
        }
    }

    /// Whether all that is on disk was run and sorted out.
    pub(super) fn is_settled(&self) -> bool {
        self.is_settled
    }

    /// Whether all inputs that are still to be run are in the hands of workers.
    pub(super) fn is_waiting(&self) -> bool {
        !self.is_settled && self.untried.is_empty()
    }

    /// Sorts out what adds something, once all was run; -> whether that was now. The order of the
    /// tags decides, not that of the workers.
    pub(super) fn settle(&mut self) -> bool {
        if self.is_settled || !self.untried.is_empty() || self.n_claimed > 0 {
            return false;
        }
        self.is_settled = true;
        let mut seen = Features::default();
        for tag in 0..self.n_on_disk {
            let input = &self.inputs[tag];
            if input.standing != Standing::Tried {
                continue;
            }
            let Reach::Known { features, .. } = &input.reach else { continue };
            if seen.add(features) > 0 {
                self.stand(tag, Standing::InUse);
                self.feed.push(tag);
            } else {
                self.stand(tag, Standing::LeftOut);
            }
        }
        true
    }

    /// How far the trial is.
    pub(super) fn trial(&self) -> Trial {
        Trial {
            done: self.n_on_disk - self.untried.len() - self.n_claimed,
            total: self.n_on_disk,
            useful: self.n_useful_on_disk,
        }
    }

    /// The committed files that may be run, with their names.
    pub(super) fn seeds(&self) -> impl Iterator<Item = (&str, &Bytes)> {
        let inputs = self.inputs.iter().filter(|input| input.standing != Standing::Dropped);
        inputs.filter_map(|input| match &input.origin {
            PoolOrigin::Seed(name) => Some((&name[..], &input.bytes)),
            _ => None,
        })
    }

    /// The inputs in use, the newest first.
    pub(super) fn newest(&self) -> impl Iterator<Item = &Bytes> {
        let inputs = self.feed.iter().rev().filter_map(|tag| self.inputs.get(*tag));
        inputs.filter(|input| input.standing == Standing::InUse).map(|input| &input.bytes)
    }

    /// The tag at this place of the feed, if there is one.
    pub(super) fn fed(&self, at: usize) -> Option<usize> {
        self.feed.get(at).copied()
    }

    /// How long the feed is.
    pub(super) fn feed_len(&self) -> usize {
        self.feed.len()
    }

    /// The input with this tag, if it is in use.
    pub(super) fn in_use(&self, tag: usize) -> Option<&PoolInput> {
        self.inputs.get(tag).filter(|input| input.standing == Standing::InUse)
    }

    /// How many inputs are in use, or may be once all were run.
    pub(super) fn n_in_use(&self) -> usize {
        self.n_useful
    }

    /// How many are on disk, and how many of them in the cache.
    pub(super) fn n_cached(&self) -> (usize, usize) {
        (self.n_on_disk, self.n_cached)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinator::campaign::CorpusInput;
    use proptest::prelude::*;
    use std::time::Duration;

    const A: WorkerId = WorkerId(1);
    const B: WorkerId = WorkerId(2);

    fn pool(inputs: &[&[u8]]) -> Pool {
        let input = |bytes: &&[u8]| CorpusInput {
            place: Place::Cache,
            name: String::from_utf8_lossy(bytes).into_owned(),
            bytes: (*bytes).into(),
        };
        Pool::new(&Test {
            name: "t".to_owned(),
            kind: shmfuzz_runtime::record::InputKind::Bytes,
            shape: None,
            timeout: Duration::ZERO,
            rss_limit: 0,
            max_len: 10,
            n_attribute_seeds: 0,
            tokens: Vec::new(),
            ignored: Default::default(),
            corpus: inputs.iter().map(input).collect(),
            sequences: Vec::new(),
        })
    }

    fn known(features: &[u32]) -> Reach {
        Reach::Known { features: features.into(), work: 1 }
    }

    #[test]
    fn an_input_is_run_by_one_worker_and_the_smaller_of_equals_is_used() {
        let mut pool = pool(&[b"a", b"bb", b"ccc"]);
        pool.claim(0, A);
        for tag in [1, 2] {
            pool.claim(tag, B);
        }
        assert!(pool.is_waiting() && pool.next_untried(0).is_none());
        // The larger one is known first.
        pool.learn(1, B, known(&[8]), true);
        pool.ran(1, B);
        pool.release(&[1, 2], B);
        assert_eq!(pool.next_untried(0), Some(2), "it was claimed and not run");
        assert!(!pool.settle());
        pool.learn(0, A, known(&[8]), false);
        pool.ran(0, A);
        pool.claim(2, A);
        pool.ran(2, A);
        assert_eq!(pool.trial(), Trial { done: 3, total: 3, useful: 2 });
        assert!(pool.settle() && !pool.settle());
        assert_eq!((pool.feed_len(), pool.fed(0)), (1, Some(0)));
        assert_eq!(pool.trial(), Trial { done: 3, total: 3, useful: 1 });
        pool.release(&[0, 1, 2], A);
        assert_eq!(pool.n_untried(), 0, "what was run is not claimed again");
    }

    #[test]
    fn a_log_that_comes_late_is_not_lost() {
        let mut pool = pool(&[b"a", b"b"]);
        for tag in [0, 1] {
            pool.claim(tag, A);
            pool.ran(tag, A);
        }
        pool.learn(0, A, known(&[8]), true);
        assert!(pool.settle());
        pool.learn(1, A, known(&[9]), true);
        assert_eq!((pool.fed(0), pool.fed(1), pool.n_in_use()), (Some(0), Some(1), 2));
    }

    #[test]
    fn what_was_dropped_is_given_to_nobody() {
        let mut pool = pool(&[b"a", b"b"]);
        pool.claim(0, A);
        pool.drop(0);
        pool.drop(1);
        pool.release(&[0], A);
        assert!(pool.settle());
        assert_eq!((pool.n_untried(), pool.feed_len(), pool.trial().done), (0, 0, 2));
        pool.keep_unknown(0, A);
        assert!(pool.in_use(0).is_none());
    }

    /// What a campaign may do to the input with a tag.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        Claim,
        Ran,
        Release,
        Learn(u32),
        KeepUnknown,
        Drop,
        Push,
        Settle,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => Just(Step::Claim),
            3 => Just(Step::Ran),
            1 => Just(Step::Release),
            3 => (0..4_u32).prop_map(Step::Learn),
            1 => Just(Step::KeepUnknown),
            1 => Just(Step::Drop),
            1 => Just(Step::Push),
            2 => Just(Step::Settle),
        ]
    }

    fn take(pool: &mut Pool, step: Step, tag: usize) {
        let feature = |n: u32| known(&[n]);
        match step {
            // As loading does: only what nobody has claimed.
            Step::Claim if pool.next_untried(tag) == Some(tag) => pool.claim(tag, A),
            Step::Claim => {}
            Step::Ran => pool.ran(tag, A),
            Step::Release => pool.release(&[tag], A),
            Step::Learn(n) => pool.learn(tag, A, feature(n), n % 2 == 0),
            Step::KeepUnknown => pool.keep_unknown(tag, A),
            Step::Drop => pool.drop(tag),
            Step::Push => {
                pool.push(vec![b'n'; tag].into(), PoolOrigin::Found(A), A, feature(9));
            }
            Step::Settle => drop(pool.settle()),
        }
    }

    proptest! {
        #[test]
        fn counts_are_those_of_the_inputs(
            steps in prop::collection::vec((step(), 0..8_usize), 0..60),
        ) {
            let mut pool = pool(&[b"a", b"b", b"c", b"d", b"e"]);
            for (step, tag) in steps {
                take(&mut pool, step, tag);
                let count = |inputs: &[PoolInput], counts: fn(Standing) -> bool| {
                    inputs.iter().filter(|input| counts(input.standing)).count()
                };
                let on_disk = &pool.inputs[..5];
                let is_open = |s| matches!(s, Standing::Untried | Standing::Claimed(_));
                let trial = Trial {
                    done: 5 - count(on_disk, is_open),
                    total: 5,
                    useful: count(on_disk, Standing::is_useful),
                };
                prop_assert_eq!(pool.trial(), trial);
                prop_assert_eq!(pool.n_in_use(), count(&pool.inputs, Standing::is_useful));
                prop_assert_eq!(pool.n_cached(), (5, 5));
                let n_untried = count(&pool.inputs, |s| s == Standing::Untried);
                prop_assert_eq!(pool.n_untried(), n_untried);
            }
        }
    }
}
