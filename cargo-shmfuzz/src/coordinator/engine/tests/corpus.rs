//! Seeds, entries and the corpus: what is loaded, kept, shared, shrunk, passed over.

use super::*;

#[test]
fn a_failing_seed_is_known_and_never_run_again() {
    let mut campaign = Campaign { fail_known: true, time: Some(MS * 9000), ..campaign(1) };
    campaign.tests[0].corpus =
        vec![input(Place::Cache, b"c"), input(Place::Seed, b"s1"), input(Place::Seed, b"s2")];
    let mut driver = Driver::start(campaign);
    let first = driver.set_up();
    let tags = |driver: &Driver| match driver.sent().2 {
        Freight::Inbox(inputs) => inputs.iter().map(|(tag, _)| *tag).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(tags(&driver), [0, 1, 2], "seeds first");
    let harvest = Harvest { loading: Some(1), phase: Some(Phase::Loading), ..in_call(b"s2") };
    driver.die(first, Cause::Exited(0), harvest);
    let [Notice::Known { seed, failure, .. }] = driver.notices()[..] else { panic!() };
    assert_eq!((seed.as_str(), failure.message.as_str()), ("s2", "exited with status 0"));
    assert!(driver.saved().is_empty());
    driver.wait();
    let second = driver.spawned();
    driver.hello(second);
    assert!(matches!(driver.sent().1, Request::Setup(setup) if setup.silent.len() == 1));
    driver.answer(Reply::Ready {}, Harvest::default());
    assert_eq!(tags(&driver), [0, 2]);
    driver.answer(loaded(JobEnd::Done, 2), Harvest::default());
    driver.answer(fuzzed(JobEnd::Done, 9), Harvest::default());
    driver.step(Event::Interrupt);
    driver.answer_interrupted(second);
    driver.bury();
    assert_eq!(driver.finish().1, Exit::Found, "known failures count when asked for");
}

#[test]
fn tokens_go_with_the_settings_to_those_who_fuzz() {
    let mut campaign = campaign(1);
    campaign.tests[0].tokens = vec![b"one"[..].into(), b"two"[..].into()];
    let mut driver = Driver::start(campaign);
    let fuzzer = driver.spawned();
    driver.hello(fuzzer);
    let (_, Request::Setup(setup), Freight::Inbox(tokens)) = driver.sent() else { panic!() };
    assert_eq!((setup.n_tokens, tokens.len(), &*tokens[1].1), (2, 2, &b"two"[..]));
    driver.answer(Reply::Ready {}, Harvest::default());
    driver.answer(fuzzed(JobEnd::Failed, 9), panicked(b"input", "no"));
    let chore = driver.spawned();
    driver.hello(chore);
    let (_, Request::Setup(setup), Freight::None) = driver.sent() else { panic!() };
    assert_eq!(setup.n_tokens, 0, "nothing is mutated there");
}

#[test]
fn a_failing_cached_entry_is_a_finding() {
    let mut campaign = campaign(1);
    campaign.tests[0].corpus = vec![input(Place::Cache, b"cached")];
    let mut driver = Driver::start(campaign);
    driver.set_up();
    driver.answer(loaded(JobEnd::Failed, 1), panicked(b"cached", "no"));
    assert_eq!(driver.saved(), [(FindingId(0), &b"cached"[..], false, Shelf::Testdata)]);
}

#[test]
fn a_fatal_seed_of_the_attribute_is_passed_over_by_later_workers() {
    let mut campaign = campaign(1);
    campaign.tests[0].n_attribute_seeds = 3;
    let mut driver = Driver::start(campaign);
    let first = driver.set_up();
    let load = |driver: &Driver| match driver.sent().1 {
        Request::Load(load) => (load.source, load.first),
        other => panic!("{other:?}"),
    };
    assert_eq!(load(&driver), (Source::Attribute, 0));
    let found = LogEntry {
        change: EntryChange::New,
        id: 0,
        parent: None,
        origin: Origin::Attribute(0),
        work: 1,
        features: vec![8],
        input: b"seed 0".to_vec(),
    };
    let harvest = Harvest {
        entries: vec![found],
        phase: Some(Phase::Loading),
        loading: Some(1),
        ..in_call(b"seed 1")
    };
    driver.die(first, Cause::Signaled(6), harvest);
    assert!(matches!(driver.notices()[..], [Notice::Known { seed, .. }] if seed == "seed#1"));
    driver.wait();
    driver.set_up();
    assert_eq!(load(&driver), (Source::Attribute, 2));
    driver.answer(loaded(JobEnd::Done, 3), Harvest::default());
    let Freight::Inbox(inputs) = driver.sent().2 else { panic!() };
    assert_eq!(&*inputs[0].1, b"seed 0", "what came before it is delivered as an entry");
}

#[test]
fn what_a_worker_makes_of_a_seed_is_not_the_seed() {
    let attempt = |phase: Option<Phase>| {
        let mut campaign = campaign(1);
        campaign.tests[0].n_attribute_seeds = 3;
        let mut driver = Driver::start(campaign);
        let worker = driver.set_up();
        let found = LogEntry {
            change: EntryChange::New,
            id: 0,
            parent: None,
            origin: Origin::Attribute(0),
            work: 1,
            features: vec![8],
            input: b"seed 0".to_vec(),
        };
        let entries = vec![found];
        match phase {
            None => {
                let harvest = Harvest { entries, ..panicked(b"seed", "no") };
                driver.answer(loaded(JobEnd::Failed, 1), harvest);
            }
            phase => {
                let harvest = Harvest { entries, phase, loading: Some(0), ..in_call(b"seed") };
                driver.die(worker, Cause::Signaled(6), harvest);
            }
        }
        assert_eq!(driver.saved(), [(FindingId(0), &b"seed"[..], false, Shelf::Testdata)]);
        assert!(!driver.notices().iter().any(|n| matches!(n, Notice::Known { .. })));
    };
    attempt(None);
    attempt(Some(Phase::Tracing));
    attempt(Some(Phase::Loading));
}

#[test]
fn what_one_worker_finds_reaches_the_others_between_their_jobs() {
    let mut driver = Driver::start(Campaign { jobs: 2, ..campaign(1) });
    let spawned: Vec<_> =
        driver.actions.iter().filter(|a| matches!(a, Action::Spawn { .. })).collect();
    assert_eq!(spawned.len(), 2, "one test has both slots");
    let (first, second) = (WorkerId(0), WorkerId(1));
    for worker in [first, second] {
        driver.hello(worker);
        driver.answer(Reply::Ready {}, Harvest::default());
    }
    let found = |features: Vec<u32>, input: &[u8]| LogEntry {
        change: EntryChange::New,
        id: 0,
        parent: None,
        origin: Origin::Mutation,
        work: 1,
        features,
        input: input.to_vec(),
    };
    let step = |driver: &mut Driver, worker, entry| {
        let harvest = Harvest { entries: vec![entry], ..Harvest::default() };
        driver.step(Event::Answered { worker, reply: fuzzed(JobEnd::Done, 1), harvest });
    };
    step(&mut driver, first, found(vec![8, 9], b"a"));
    assert!(matches!(driver.notices()[..], [Notice::NewEntry { new_features: 2, .. }]));
    assert!(matches!(driver.sent(), (_, Request::Fuzz(_), _)), "its own entry is not sent back");
    step(&mut driver, second, found(vec![9], b"b"));
    assert!(driver.notices().is_empty(), "nothing new");
    assert!(matches!(driver.sent(), (_, Request::Load(_), Freight::Inbox(i)) if *i[0].1 == *b"a"));
    driver.answer(loaded(JobEnd::Done, 1), Harvest::default());
    assert!(matches!(driver.sent(), (_, Request::Fuzz(_), _)));
}

#[test]
fn large_inputs_travel_alone() {
    let mut campaign = campaign(1);
    let large = vec![1; 2 << 20];
    campaign.tests[0].corpus = vec![input(Place::Seed, b"a"), input(Place::Seed, &large)];
    let mut driver = Driver::start(campaign);
    driver.set_up();
    assert!(matches!(driver.sent().2, Freight::Inbox(inputs) if inputs.len() == 1));
    driver.answer(loaded(JobEnd::Done, 1), Harvest::default());
    let (_, request, freight) = driver.sent();
    let is_area = |l: &shmfuzz_runtime::message::Load| l.source == Source::InputArea { tag: 1 };
    assert!(matches!(request, Request::Load(load) if is_area(load)));
    assert!(matches!(freight, Freight::Input(input) if input.len() == large.len()));
    driver.answer(loaded(JobEnd::Done, 1), Harvest::default());
    driver.answer(fuzzed(JobEnd::NeedsCapacity { bytes: 9999 }, 1), Harvest::default());
    assert!(matches!(driver.sent().2, Freight::Room(9999)));
}

#[test]
fn an_entry_is_shrunk_in_its_place_unless_it_is_a_committed_seed() {
    let mut campaign = campaign(1);
    campaign.tests[0].corpus = vec![input(Place::Seed, b"seed"), input(Place::Cache, b"cached")];
    let mut driver = Driver::start(campaign);
    driver.set_up();
    let entry = |change, id, origin, features: &[u32], input: &[u8]| LogEntry {
        change,
        id,
        parent: None,
        origin,
        work: 1,
        features: features.to_vec(),
        input: input.to_vec(),
    };
    let entries = vec![
        entry(EntryChange::New, 0, Origin::Inbox(0), &[1], b"seed"),
        entry(EntryChange::New, 1, Origin::Inbox(1), &[2], b"cached"),
    ];
    driver.answer(loaded(JobEnd::Done, 2), Harvest { entries, ..Harvest::default() });
    assert!(driver.notices().is_empty(), "both are on disk already");
    let entries = vec![
        entry(EntryChange::Smaller, 0, Origin::Mutation, &[1], b"se"),
        entry(EntryChange::Smaller, 1, Origin::Mutation, &[2], b"ca"),
    ];
    driver.answer(fuzzed(JobEnd::Done, 1), Harvest { entries, ..Harvest::default() });
    let saved = driver.actions.iter().filter_map(|action| match action {
        Action::SaveEntry { input, replaces, .. } => Some((&**input, replaces.as_deref())),
        _ => None,
    });
    let saved: Vec<_> = saved.collect();
    assert_eq!(saved, [(&b"se"[..], None), (&b"ca"[..], Some(&b"cached"[..]))]);
}

#[test]
fn features_that_cannot_exist_cost_the_worker_its_place() {
    let mut driver = Driver::start(campaign(1));
    let worker = driver.set_up();
    let entry = LogEntry {
        change: EntryChange::New,
        id: 0,
        parent: None,
        origin: Origin::Mutation,
        work: 1,
        features: vec![800],
        input: b"x".to_vec(),
    };
    let harvest = Harvest { entries: vec![entry], ..Harvest::default() };
    driver.answer(fuzzed(JobEnd::Done, 1), harvest);
    assert_eq!(driver.killed(), [worker]);
    assert!(matches!(driver.notices()[..], [Notice::Warning { .. }]));
    assert!(driver.actions.iter().all(|a| !matches!(a, Action::SaveEntry { .. })));
}

#[test]
fn an_entry_too_large_for_the_log_is_kept() {
    let mut driver = Driver::start(campaign(1));
    driver.set_up();
    let harvest = Harvest { input: Some(b"large".to_vec()), ..Harvest::default() };
    driver.answer(fuzzed(JobEnd::LargeEntry, 1), harvest.clone());
    assert!(driver.actions.iter().any(|a| matches!(a, Action::SaveEntry { .. })));
    driver.answer(fuzzed(JobEnd::LargeEntry, 1), harvest);
    assert!(driver.actions.iter().all(|a| !matches!(a, Action::SaveEntry { .. })), "once");
}
