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
    let coverage = rig.fuzz(1).coverage;
    assert_eq!((coverage.checked, coverage.flickering), (1, 0));
    IS_INITIALISED.store(0, Ordering::Relaxed);
    drop(rig);
    let mut rig = Rig::new(&INITIALISES, by_work());
    let fuzzed = rig.fuzz(1);
    assert_eq!((fuzzed.execs, fuzzed.coverage.checked, fuzzed.coverage.flickering), (1, 1, 0));
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

/// Go's tests pin this: G16, G17.
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

static N_CALLS: AtomicU8 = AtomicU8::new(0);

fn every_other_time(data: &[u8]) -> Verdict {
    hit(0);
    let is_odd = N_CALLS.fetch_add(1, Ordering::Relaxed) % 2 == 1;
    match data.first() {
        Some(b'f') if is_odd => hit(10),
        Some(b's') => hit(11),
        _ => {}
    }
    Verdict::Kept
}

static FLICKERS: FuzzTest = test_of(InputKind::Bytes, every_other_time);

fn known(tag: u64, features: &[u32], input: &[u8]) -> LogEntry {
    LogEntry {
        change: EntryChange::New,
        id: 0,
        parent: None,
        origin: Origin::Inbox(tag),
        work: 3,
        features: features.to_vec(),
        input: input.to_vec(),
    }
}

impl Rig {
    fn adopt(&mut self, entries: &[LogEntry]) -> Loaded {
        self.reset();
        let borrowed = entries.iter().map(|entry| LogEntry {
            change: entry.change,
            id: entry.id,
            parent: entry.parent,
            origin: entry.origin,
            work: entry.work,
            features: &entry.features[..],
            input: &entry.input[..],
        });
        assert_eq!(entries::fill_known(self.mapping, self.turn(), borrowed), entries.len());
        self.load_from(Source::Known, 0)
    }

    fn survey(&mut self, inputs: &[&[u8]], times: u32) -> Surveyed {
        self.reset();
        let all = inputs.iter().enumerate();
        let all = all.map(|(i, input)| InboxInput { tag: i as u64, input });
        assert_eq!(entries::fill_inbox(self.mapping, self.turn(), all), inputs.len());
        let survey = Survey { source: Source::Inbox, first: 0, times, budget_ms: 60_000 };
        match self.ask(Request::Survey(survey)) {
            Reply::Surveyed(surveyed) => surveyed,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_another_worker_has_run_is_queued_without_a_call() {
    let mut rig = Rig::new(&FLICKERS, by_work());
    let entries = [known(1, &[0, 88], b"s"), known(2, &[88], b"ss"), known(3, &[u32::MAX], b"lie")];
    let loaded = rig.adopt(&entries);
    assert_eq!((loaded.end, loaded.n_run, loaded.execs), (JobEnd::Done, 3, 0));
    assert_eq!((loaded.coverage.edges, loaded.coverage.entries), (2, 1));
    assert!(rig.log().is_empty(), "whoever sent them knows them");
    let loaded = rig.load(&[b"s"]);
    assert_eq!(loaded.coverage.entries, 1, "what it reaches is known");
}

#[test]
fn a_survey_names_what_does_not_come_back() {
    let mut rig = Rig::new(&FLICKERS, by_work());
    let surveyed = rig.survey(&[b"f", b"s", b"x", b"ff"], 4);
    assert_eq!((surveyed.end, surveyed.n_run, surveyed.execs), (JobEnd::Done, 4, 17));
    let found: Vec<_> = surveyed.flickering.iter().map(|f| (f.counter, f.n_inputs)).collect();
    assert_eq!(found, [(10, 2)]);
    assert_eq!((surveyed.coverage.checked, surveyed.coverage.flickering), (3, 1));
    assert_eq!((surveyed.coverage.edges, surveyed.coverage.entries), (3, 0));
}

#[test]
fn an_entry_of_which_nothing_comes_back_is_taken_back() {
    let mut rig = Rig::new(&FLICKERS, by_work());
    rig.load(&[b"x", b"s"]);
    N_CALLS.store(0, Ordering::Relaxed);
    let mut entries = Vec::new();
    for seed in 0..50 {
        rig.seed_random(seed);
        entries.extend(rig.fuzz(200).coverage.flickering.ge(&1).then(|| rig.log()));
        if !entries.is_empty() {
            break;
        }
    }
    let log = entries.concat();
    let new = log.iter().find(|entry| entry.features.iter().any(|f| f / 8 == 10));
    let new = new.expect("it was found, and published before it was run again");
    let is_it = |e: &&LogEntry| e.change == EntryChange::Flickering && e.id == new.id;
    let taken_back = log.iter().find(is_it).expect("it did not come back");
    assert_eq!((taken_back.features.len(), taken_back.input.len()), (0, 0));
}
