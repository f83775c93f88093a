//! Finds in blocks of counters that are not looked at after every call.

use super::*;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::AtomicU32;

/// The blocks that calls have reached.
static REACHED: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// The counters that an input moves, each in a block of its own, for one input in some.
fn counters_of(data: &[u8]) -> BTreeSet<u32> {
    let hash = data.iter().fold(data.len() as u64 + 1, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    });
    let (rare, common) = ((hash >> 32) % 300, (hash >> 48) % 50);
    let far = if rare < 5 { 100 + (hash >> 20) % 150 } else { 0 };
    [0, far as u32, common as u32].into_iter().map(|i| i * 64).collect()
}

fn reaches(data: &[u8]) -> Verdict {
    let counters = counters_of(data);
    for counter in &counters {
        hit(*counter as usize);
    }
    let verdict = match data.first() {
        Some(b'r') => return Verdict::Rejected,
        Some(b'p') => Verdict::Failed("known".to_owned()),
        _ => Verdict::Kept,
    };
    if let Verdict::Kept = verdict {
        REACHED.lock().unwrap().extend(counters);
    }
    verdict
}

static REACHES: FuzzTest = test_of(InputKind::Bytes, reaches);

#[test]
fn every_find_of_a_batch_is_made_and_is_its_own_inputs() {
    // Too short to be trimmed, which may reach what is not looked at.
    let setup = Setup { max_len: 4, ..by_work() };
    let mut rig = Rig::new(&REACHES, setup);
    rig.seed_random(5);
    REACHED.lock().unwrap().clear();
    let (mut found, mut n_entries, mut n_extra, mut n_failed) = (BTreeSet::new(), 0, 0, 0);
    for _ in 0..12 {
        let fuzzed = rig.fuzz(3000);
        for entry in rig.log() {
            let counters = counters_of(&entry.input);
            let moved: BTreeSet<u32> = entry.features.iter().map(|feature| feature / 8).collect();
            assert!(moved.is_subset(&counters), "{moved:?} of {counters:?}");
            found.extend(moved);
            n_entries += 1;
        }
        n_extra += fuzzed.extra_execs;
        n_failed += u64::from(fuzzed.end == JobEnd::Failed);
    }
    assert_eq!(&found, &*REACHED.lock().unwrap());
    assert!(found.len() > 150 && n_failed == 1, "{} counters", found.len());
    // Each entry is examined and traced once; batches are run again beside that.
    assert!(n_extra > 4 * n_entries, "{n_extra} extra calls for {n_entries} entries");
}

/// How often the process has run a short input.
static N_SHORT: AtomicU32 = AtomicU32::new(0);

fn remembers(data: &[u8]) -> Verdict {
    hit(0);
    if data.len() == 3 && N_SHORT.fetch_add(1, Ordering::Relaxed) == 5000 {
        hit(6400);
    }
    Verdict::Kept
}

#[test]
fn what_does_not_come_back_is_no_find() {
    static REMEMBERS: FuzzTest = test_of(InputKind::Bytes, remembers);
    let mut rig = Rig::new(&REMEMBERS, Setup { max_len: 4, ..by_work() });
    rig.seed_random(5);
    while N_SHORT.load(Ordering::Relaxed) < 6000 {
        let fuzzed = rig.fuzz(1000);
        assert_eq!(fuzzed.end, JobEnd::Done);
        assert_eq!(fuzzed.coverage.edges, 1);
    }
}
