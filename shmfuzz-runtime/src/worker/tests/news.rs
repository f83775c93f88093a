//! New entries: what is loaded, examined, trimmed, traced.

use super::*;
use crate::entries::EntryChange;

static IS_INITIALISED: AtomicU8 = AtomicU8::new(0);

fn initialises_once(_: &[u8]) -> Verdict {
    hit(0);
    if IS_INITIALISED.swap(1, Ordering::Relaxed) == 0 {
        hit(1);
    }
    Verdict::Kept
}

static INITIALISES: FuzzTest = FuzzTest {
    seeds: |each| {
        hit(2);
        each(b"seed");
    },
    ..test_of(InputKind::Bytes, initialises_once)
};

#[test]
fn making_seeds_and_initialising_once_are_no_coverage_of_an_input() {
    let mut rig = Rig::new(&INITIALISES, by_work());
    IS_INITIALISED.store(0, Ordering::Relaxed);
    let loaded = rig.load_from(Source::Attribute, 0);
    assert_eq!((loaded.first_moved, loaded.execs), (Some(2), 2));
    assert_eq!(rig.log()[0].features, [0]);
    assert_eq!(rig.fuzz(1).coverage.stable, 1);
    IS_INITIALISED.store(0, Ordering::Relaxed);
    drop(rig);
    let mut rig = Rig::new(&INITIALISES, by_work());
    let fuzzed = rig.fuzz(1);
    assert_eq!((fuzzed.execs, fuzzed.coverage.stable), (1, 1));
}

fn fails_when_shorter(data: &[u8]) -> Verdict {
    hit(0);
    match data.len() {
        16.. => Verdict::Kept,
        _ => Verdict::Failed("shorter".to_owned()),
    }
}

static SHORTER: FuzzTest = test_of(InputKind::Bytes, fails_when_shorter);

#[test]
fn a_healthy_input_is_not_blamed_for_what_its_parts_do() {
    let mut rig = Rig::new(&SHORTER, by_work());
    let loaded = rig.load(&[b"a healthy seed of 25 bytes", b"another one of sixteen"]);
    assert_eq!((loaded.end, loaded.n_run), (JobEnd::Done, 2));
    assert_eq!(rig.mapping.header().loading.load(Ordering::Relaxed), -1);
    assert_eq!(rig.fuzz(1000).end, JobEnd::Failed);
    assert_eq!(rig.mapping.header().loading.load(Ordering::Relaxed), -1);
    assert!(rig.value().len() < 16);
}

fn long_inputs_work_more(data: &[u8]) -> Verdict {
    hit(0);
    data.iter().for_each(|_| hit(1));
    for (i, holds) in [data.len() >= 100, data.len() == 150, data.contains(&b'!'), data.len() < 10]
        .into_iter()
        .enumerate()
    {
        if holds {
            hit(2 + i);
        }
    }
    Verdict::Kept
}

static LONG_WORK: FuzzTest = test_of(InputKind::Bytes, long_inputs_work_more);

/// What the second of two inputs is trimmed to.
fn trimmed(inputs: [&[u8]; 2]) -> LogEntry {
    let mut rig = Rig::new(&LONG_WORK, Setup { max_len: 250, ..by_work() });
    rig.seed_random(1);
    assert_eq!(rig.load(&inputs).coverage.entries, 2);
    for _ in 0..100 {
        rig.fuzz(1);
        let is_it = |entry: &LogEntry| entry.change == EntryChange::Smaller && entry.id == 1;
        if let Some(entry) = rig.log().into_iter().find(is_it) {
            return entry;
        }
    }
    panic!("never trimmed");
}

#[test]
fn what_is_trimmed_is_measured_anew_and_loses_nothing() {
    let entry = trimmed([b"x", &[b'x'; 200]]);
    assert_eq!((entry.input.len(), entry.work), (128, 1 + 128 + 1));
    // On the way, 150 bytes reached what nothing else does: that is left to be found.
    assert_eq!(entry.features, [8 + 7, 2 * 8]);
    let entry = trimmed([&[b'x'; 40], &[&[b'!'][..], &[b'x'; 39]].concat()]);
    assert_eq!((&entry.input[..], entry.work), (&b"!"[..], 4));
    // What the shorter one reaches beyond the longer one is the entry's now.
    assert_eq!(entry.features, [4 * 8, 8, 5 * 8]);
}

fn magic_deep_inside(data: &[u8]) -> Verdict {
    hit(0);
    for byte in data {
        for constant in 0..40 {
            traced_cmp1(constant, *byte);
        }
    }
    if let Some(word) = data.get(3000..3004) {
        hit(1);
        let word = u32::from_be_bytes(word.try_into().unwrap());
        traced_cmp4(0xdead_beef, word);
        if word == 0xdead_beef {
            hit(2);
        }
    }
    Verdict::Kept
}

static DEEP: FuzzTest = test_of(InputKind::Bytes, magic_deep_inside);

#[test]
fn a_magic_number_deep_inside_a_long_input_is_found_by_its_comparison() {
    let mut rig = Rig::new(&DEEP, Setup { max_len: 4096, ..by_work() });
    let mut random = random::Random::from_state(1, 1);
    let long: Vec<u8> = (0..4096).map(|_| random.byte()).collect();
    // Trimmed to what is needed, but that is long, too.
    rig.load(&[&long]);
    assert_eq!(rig.fuzz(600).end, JobEnd::Done);
    assert!(rig.log().iter().any(|entry| entry.features.contains(&(2 * 8))));
}
