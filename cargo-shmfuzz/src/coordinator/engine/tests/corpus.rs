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
    assert_eq!(tags(&driver), [2], "the one before it was run, and added nothing");
    driver.answer(loaded(JobEnd::Done, 1), Harvest::default());
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
    let Freight::Known(known) = driver.sent().2 else { panic!() };
    assert_eq!(&*known[0].input, b"seed 0", "what came before it is delivered as an entry");
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
    let (_, Request::Load(load), Freight::Known(known)) = driver.sent() else { panic!() };
    assert_eq!(load.source, Source::Known, "it is not run again");
    assert_eq!((&*known[0].input, &*known[0].features), (&b"a"[..], &[8, 9][..]));
    driver.answer(loaded(JobEnd::Done, 1), Harvest::default());
    assert!(matches!(driver.sent(), (_, Request::Fuzz(_), _)));
}

#[test]
fn inputs_longer_than_those_that_are_made_are_said() {
    let mut campaign = campaign(1);
    campaign.tests[0].max_len = 2;
    campaign.tests[0].corpus = vec![input(Place::Seed, b"ab"), input(Place::Seed, b"abc")];
    let mut driver = Driver::start(campaign);
    let worker = driver.spawned();
    driver.hello(worker);
    let is_said = |n: &&Notice| match n {
        Notice::Warning { text, .. } => text.starts_with("1 of the inputs on disk are longer"),
        _ => false,
    };
    assert!(driver.notices().iter().any(is_said), "{:?}", driver.notices());
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
    assert!(matches!(driver.sent().1, Request::Fuzz(_)), "its own are not given back to it");
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
fn an_entry_that_did_not_come_back_is_not_kept() {
    let mut driver = Driver::start(campaign(1));
    driver.set_up();
    let entry = |change, id, features: &[u32], input: &[u8]| LogEntry {
        change,
        id,
        parent: None,
        origin: Origin::Mutation,
        work: 1,
        features: features.to_vec(),
        input: input.to_vec(),
    };
    let entries = vec![
        entry(EntryChange::New, 0, &[8], b"steady"),
        entry(EntryChange::New, 1, &[16], b"flickers"),
        entry(EntryChange::Flickering, 1, &[], b""),
        entry(EntryChange::New, 2, &[16], b"flickers, too"),
    ];
    driver.answer(fuzzed(JobEnd::Done, 9), Harvest { entries, ..Harvest::default() });
    let saved = driver.actions.iter().filter_map(|action| match action {
        Action::SaveEntry { input, .. } => Some(&**input),
        _ => None,
    });
    assert_eq!(saved.collect::<Vec<_>>(), [b"steady"]);
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

/// An entry of the inbox's input with this tag.
fn of_tag(tag: u64, features: &[u32], input: &[u8]) -> LogEntry {
    LogEntry {
        change: EntryChange::New,
        id: tag,
        parent: None,
        origin: Origin::Inbox(tag),
        work: 5,
        features: features.to_vec(),
        input: input.to_vec(),
    }
}

#[test]
fn workers_share_the_load_and_give_each_other_what_was_of_use() {
    let inputs: Vec<Vec<u8>> = (0..100u8).map(|n| vec![n; 2]).collect();
    let mut campaign = Campaign { jobs: 2, ..campaign(1) };
    campaign.tests[0].corpus = inputs.iter().map(|bytes| input(Place::Cache, bytes)).collect();
    let mut driver = Driver::start(campaign);
    let workers = [WorkerId(0), WorkerId(1)];
    let mut given = [const { Vec::new() }; 2];
    let tags = |driver: &Driver| match driver.sent().2 {
        Freight::Inbox(inputs) => inputs.iter().map(|(tag, _)| *tag).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    for worker in workers {
        driver.hello(worker);
        driver.answer(Reply::Ready {}, Harvest::default());
        given[worker.0 as usize] = tags(&driver);
    }
    assert_eq!((given[0][0], given[1][0]), (0, given[0].len() as u64), "in order");
    // The first one stays at its batch: the other one runs all the rest.
    let useful = given[1][0];
    let mut n_run = 0;
    while !given[1].is_empty() {
        n_run += given[1].len();
        let entries = vec![of_tag(useful, &[16], &inputs[useful as usize])];
        let harvest = Harvest { entries, ..Harvest::default() };
        let reply = loaded(JobEnd::Done, given[1].len());
        driver.step(Event::Answered { worker: workers[1], reply, harvest });
        let is_sent = driver.actions.iter().any(|a| matches!(a, Action::Send { .. }));
        given[1] = if is_sent { tags(&driver) } else { Vec::new() };
    }
    assert_eq!(n_run + given[0].len(), 100);
    // It waits now, since it would find what the first one is loading.
    let entries = vec![of_tag(3, &[8, 16], &inputs[3])];
    let reply = loaded(JobEnd::Done, given[0].len());
    let harvest = Harvest { entries, ..Harvest::default() };
    driver.step(Event::Answered { worker: workers[0], reply, harvest });
    let sent = driver.actions.iter().filter_map(|action| match action {
        Action::Send {
            worker,
            request: Request::Load(load),
            freight: Freight::Known(known),
            ..
        } => {
            let tags: Vec<_> = known.iter().map(|known| known.tag).collect();
            Some((*worker, load.source, tags))
        }
        Action::Send { worker, request: Request::Fuzz(_), .. } => {
            Some((*worker, Source::Attribute, Vec::new()))
        }
        _ => None,
    });
    // The second one's only useful input adds nothing to that of the first.
    let expected = [(workers[0], Source::Attribute, vec![]), (workers[1], Source::Known, vec![3])];
    assert_eq!(sent.collect::<Vec<_>>(), expected);
    let is_end = |action: &Action| match action {
        Action::Show(Notice::Loading { trial, is_done: true, .. }) => {
            (trial.done, trial.total, trial.useful) == (100, 100, 1)
        }
        _ => false,
    };
    assert!(driver.actions.iter().any(is_end), "{:?}", driver.actions);
}

#[test]
fn a_new_worker_runs_nothing_that_was_run() {
    let mut campaign = campaign(1);
    campaign.tests[0].corpus = vec![input(Place::Cache, b"a"), input(Place::Cache, b"bc")];
    let mut driver = Driver::start(campaign);
    let first = driver.set_up();
    let entries = vec![of_tag(0, &[8], b"a")];
    driver.answer(loaded(JobEnd::Done, 2), Harvest { entries, ..Harvest::default() });
    driver.die(first, Cause::Signaled(6), in_call(b"x"));
    let mut has_fed = false;
    for _ in 0..20 {
        let spawned = driver.actions.iter().any(|a| matches!(a, Action::Spawn { .. }));
        match driver.actions.iter().find(|a| matches!(a, Action::Send { .. })).cloned() {
            Some(Action::Send { request: Request::Load(load), freight, .. }) => {
                assert!(matches!(freight, Freight::Known(known) if known.len() == 1));
                assert_eq!(load.source, Source::Known);
                has_fed = true;
                break;
            }
            Some(Action::Send { request: Request::Setup(_), .. }) => {
                driver.answer(Reply::Ready {}, Harvest::default());
            }
            Some(Action::Send { request: Request::Replay(_), .. }) => {
                driver.answer(replayed(JobEnd::Failed), panicked(b"x", "no"));
            }
            Some(_) => driver.answer(fuzzed(JobEnd::Done, 1), Harvest::default()),
            None if spawned => {
                let worker = driver.spawned();
                driver.hello(worker);
            }
            None => driver.wait(),
        }
    }
    assert!(has_fed);
}

#[test]
fn how_far_loading_is_is_told_when_it_has_changed_and_not_of_a_broken_test() {
    for (is_broken, n_told) in [(false, 1), (true, 0)] {
        let mut campaign = campaign(2);
        campaign.tests[0].corpus = vec![input(Place::Cache, b"a")];
        let mut driver = Driver::start(campaign);
        driver.set_up();
        assert!(matches!(driver.sent().1, Request::Load(_)));
        driver.engine.tests[0].is_broken = is_broken;
        let mut n = 0;
        for _ in 0..30 {
            driver.now += MS * 90;
            driver.step(Event::Tick);
            let is_told = |a: &&Action| matches!(a, Action::Show(Notice::Loading { .. }));
            n += driver.actions.iter().filter(is_told).count();
        }
        assert_eq!(n, n_told, "broken: {is_broken}");
    }
}

/// Go's script tests pin this: G13.
#[test]
fn calls_that_found_what_is_known_use_up_the_budget_like_others() {
    let mut driver = Driver::start(Campaign { runs: Some(1000), ..campaign(1) });
    let worker = driver.set_up();
    let entry = || LogEntry {
        change: EntryChange::New,
        id: 0,
        parent: None,
        origin: Origin::Mutation,
        work: 1,
        features: vec![8],
        input: b"new".to_vec(),
    };
    let find = || Harvest { entries: vec![entry()], ..Harvest::default() };
    driver.answer(fuzzed(JobEnd::Done, 400), find());
    let n_new = driver.notices().iter().filter(|n| matches!(n, Notice::NewEntry { .. })).count();
    assert_eq!(n_new, 1);
    let Request::Fuzz(fuzz) = driver.sent().1 else { panic!("{:?}", driver.actions) };
    assert_eq!(fuzz.max_execs, Some(600));
    driver.answer(fuzzed(JobEnd::Done, 600), find());
    let n_new = driver.notices().iter().filter(|n| matches!(n, Notice::NewEntry { .. })).count();
    assert_eq!(n_new, 0, "another input that reaches the same");
    driver.die(worker, Cause::AsAsked, Harvest::default());
    assert_eq!((driver.finish().0, driver.finish().2.execs), (End::Runs, 1000));
}
