//! Budgets, deadlines, interrupts, broken harnesses: how campaigns end.

use super::*;

fn blind() -> Fuzzed {
    match fuzzed(JobEnd::Done, 1) {
        Reply::Fuzzed(fuzzed) => fuzzed,
        other => panic!("{other:?}"),
    }
}

#[test]
fn runs_are_handed_out_exactly() {
    let mut driver = Driver::start(Campaign { runs: Some(1000), ..campaign(1) });
    let first = driver.set_up();
    assert!(matches!(driver.sent().1, Request::Fuzz(fuzz) if fuzz.max_execs == Some(1000)));
    driver.answer(fuzzed(JobEnd::Done, 300), Harvest::default());
    assert!(matches!(driver.sent().1, Request::Fuzz(fuzz) if fuzz.max_execs == Some(700)));
    // The call that ends the process counts; traces and second runs do not.
    let killed = Harvest { count: 130, extra_count: 30, ..in_call(b"k") };
    driver.die(first, Cause::Signaled(9), killed);
    driver.wait();
    driver.set_up();
    assert!(matches!(driver.sent().1, Request::Fuzz(fuzz) if fuzz.max_execs == Some(600)));
    driver.answer(fuzzed(JobEnd::Done, 600), Harvest::default());
    driver.bury();
    let (end, exit, stats) = driver.finish();
    assert_eq!((end, exit, stats.execs), (End::Runs, Exit::Nothing, 1000));
}

#[test]
fn a_crash_stops_the_campaign_when_asked_to() {
    let stop_on_crash = true;
    let minimize_time = Duration::ZERO;
    let mut driver = Driver::start(Campaign { stop_on_crash, minimize_time, ..campaign(1) });
    driver.set_up();
    find(&mut driver, b"x", "no");
    driver.answer(replayed(JobEnd::Failed), panicked(b"x", "no"));
    driver.bury();
    assert!(!driver.engine.is_finished(), "the plain build decides where the file belongs");
    let finding = FindingId(0);
    driver.step(Event::Checked { finding, verdict: PlainVerdict::Fails });
    let (end, exit, _) = driver.finish();
    assert_eq!((end, exit), (End::Crash, Exit::Found));
}

#[test]
fn no_counter_is_an_error_with_the_reason() {
    let mut driver = Driver::start(campaign(1));
    let worker = driver.spawned();
    let (runtime, test) = (String::new(), String::new());
    let hello = Hello { runtime, test, n_counters: 0, n_pcs: 0, n_seeds: 0 };
    driver.step(Event::Started { worker, hello });
    let why = match &driver.notices()[..] {
        [Notice::Broken { why, .. }] => why.clone(),
        other => panic!("{other:?}"),
    };
    assert!(why.contains("no counter"), "{why}");
    driver.bury();
    let (end, exit, _) = driver.finish();
    assert_eq!((end, exit), (End::Broken, Exit::Harness));
}

#[test]
fn a_deadline_is_no_failure_but_doing_nothing_is() {
    let mut driver = Driver::start(Campaign { time: Some(MS * 300), ..campaign(1) });
    let worker = driver.set_up();
    driver.answer(fuzzed(JobEnd::Done, 5), Harvest::default());
    driver.wait();
    driver.answer_interrupted(worker);
    driver.bury();
    let (end, exit, stats) = driver.finish();
    assert_eq!((end, exit, stats.execs), (End::Time, Exit::Nothing, 6));

    let mut driver = Driver::start(Campaign { time: Some(MS * 300), ..campaign(1) });
    driver.wait();
    driver.bury();
    let (end, exit, _) = driver.finish();
    assert_eq!((end, exit), (End::Time, Exit::Harness));
}

#[test]
fn a_second_interrupt_ends_at_once() {
    let mut driver = Driver::start(campaign(1));
    let worker = driver.set_up();
    driver.step(Event::Interrupt);
    assert!(!driver.engine.is_finished());
    driver.step(Event::Interrupt);
    assert_eq!(driver.killed(), [worker]);
    assert_eq!(driver.finish().0, End::Interrupted);
}

#[test]
fn a_worker_that_does_not_stop_is_killed_and_one_that_does_not_die_is_left_behind() {
    let mut driver = Driver::start(campaign(1));
    let worker = driver.set_up();
    driver.step(Event::Interrupt);
    driver.wait();
    assert_eq!(driver.killed(), [worker]);
    driver.wait();
    let (end, _, _) = driver.finish();
    assert_eq!(end, End::Interrupted);
    assert!(driver.now < MS * 12_000, "{:?}", driver.now);
}

#[test]
fn an_unconfirmed_finding_is_shown_before_the_end() {
    let mut driver = Driver::start(Campaign { time: Some(MS * 300), ..campaign(1) });
    driver.set_up();
    find(&mut driver, b"x", "no");
    driver.wait();
    driver.bury();
    let is_finding =
        |n: &&Notice| matches!(n, Notice::Finding(f) if f.reproducible == Reproducible::NotTried);
    assert_eq!(driver.notices().iter().filter(|n| is_finding(n)).count(), 1);
    assert!(driver.actions.iter().any(|a| matches!(a, Action::CheckPlain { .. })));
    let verdict = PlainVerdict::Unknown("it was not built".to_owned());
    driver.step(Event::Checked { finding: FindingId(0), verdict });
    assert_eq!(driver.finish().1, Exit::Found);
}

#[test]
fn code_that_is_not_instrumented_is_found_out_by_its_first_input() {
    let mut driver = Driver::start(campaign(1));
    driver.set_up();
    let reply = Fuzzed { first_moved: Some(0), ..blind() };
    driver.answer(Reply::Fuzzed(reply), Harvest::default());
    let why = match &driver.notices()[..] {
        [Notice::Broken { why, .. }] => why.clone(),
        other => panic!("{other:?}"),
    };
    assert!(why.contains("no counter moved"), "{why}");
    driver.bury();
    assert_eq!(driver.finish().1, Exit::Harness);
}

/// Brings a finding's worker to its minimization, in which `xx` was reached so far.
fn shrink(driver: &mut Driver) -> WorkerId {
    driver.set_up();
    let worker = find(driver, b"xxxx", "no");
    driver.answer(replayed(JobEnd::Failed), panicked(b"", "no"));
    assert!(matches!(driver.sent().1, Request::Minimize(_)));
    let reply = Minimized { end: JobEnd::Stopped, execs: 9, reproduced: true };
    driver.answer(Reply::Minimized(reply), smaller(b"xx"));
    assert!(matches!(driver.sent().1, Request::Minimize(_)));
    worker
}

fn smaller(input: &[u8]) -> Harvest {
    Harvest { input: Some(input.to_vec()), ..Harvest::default() }
}

#[test]
fn what_was_made_smaller_before_the_end_is_written() {
    for event in [Event::Tick, Event::Interrupt] {
        let mut driver = Driver::start(Campaign { time: Some(MS * 300), ..campaign(1) });
        let worker = shrink(&mut driver);
        if matches!(event, Event::Tick) {
            driver.now += MS * 300;
        }
        driver.step(event);
        let reply = Minimized { end: JobEnd::Stopped, execs: 9, reproduced: true };
        let reply = Reply::Minimized(reply);
        driver.step(Event::Answered { worker, reply, harvest: smaller(b"x") });
        let is_replay = |request: &Request| matches!(request, Request::Replay(_));
        assert!(matches!(driver.sent(), (w, request, _) if w == worker && is_replay(request)));
        driver.answer(replayed(JobEnd::Failed), panicked(b"x", "no"));
        assert_eq!(driver.saved(), [(FindingId(0), &b"x"[..], true, Shelf::Testdata)]);
        let is_told = |n: &&Notice| matches!(n, Notice::Minimized { limit: Limit::Time, .. });
        assert_eq!(driver.notices().iter().filter(|n| is_told(n)).count(), 1);
    }
}

#[test]
fn a_smaller_input_is_written_although_its_worker_does_not_stop() {
    let mut driver = Driver::start(Campaign { time: Some(MS * 300), ..campaign(1) });
    let worker = shrink(&mut driver);
    driver.now += MS * 300;
    driver.step(Event::Tick);
    driver.wait();
    assert_eq!(driver.killed(), [worker]);
    let before = driver.actions.clone();
    driver.die(worker, Cause::AsAsked, Harvest::default());
    if !driver.actions.iter().any(|a| matches!(a, Action::Spawn { .. })) {
        driver.actions = before;
    }
    driver.set_up();
    driver.answer(replayed(JobEnd::Failed), panicked(b"xx", "no"));
    assert_eq!(driver.saved(), [(FindingId(0), &b"xx"[..], true, Shelf::Testdata)]);
}

#[test]
fn a_smaller_input_that_takes_long_to_run_does_not_delay_the_end() {
    let mut driver = Driver::start(campaign(1));
    let worker = shrink(&mut driver);
    driver.step(Event::Interrupt);
    driver.bury();
    let reply = Reply::Minimized(Minimized { end: JobEnd::Stopped, execs: 9, reproduced: true });
    driver.step(Event::Answered { worker, reply, harvest: smaller(b"x") });
    let begun = driver.now;
    driver.wait();
    assert_eq!(driver.killed(), [worker]);
    assert!(driver.now - begun < MS * 6000, "{:?}", driver.now);
    driver.bury();
    let is_told =
        |n: &&Notice| matches!(n, Notice::Minimized { finding, .. } if *finding.input == *b"xxxx");
    assert_eq!(driver.notices().iter().filter(|n| is_told(n)).count(), 1);
    assert_eq!(driver.finish().1, Exit::Found);
}

#[test]
fn an_interrupt_does_not_wait_for_the_plain_build() {
    let stop_on_crash = true;
    let minimize_time = Duration::ZERO;
    let mut driver = Driver::start(Campaign { stop_on_crash, minimize_time, ..campaign(2) });
    driver.set_up();
    find(&mut driver, b"x", "no");
    let before = driver.now;
    driver.step(Event::Interrupt);
    driver.bury();
    assert_eq!(driver.finish().1, Exit::Found);
    assert!(driver.now - before < MS * 100);

    let mut driver = Driver::start(Campaign { minimize_time, ..campaign(1) });
    driver.set_up();
    find(&mut driver, b"x", "no");
    driver.answer(replayed(JobEnd::Failed), panicked(b"x", "no"));
    assert!(driver.actions.iter().any(|a| matches!(a, Action::CheckPlain { .. })));
    let fuzzer = driver.sent().0;
    driver.bury();
    driver.step(Event::Interrupt);
    driver.answer_interrupted(fuzzer);
    driver.bury();
    assert!(driver.saved().is_empty(), "files stay where they are");
    let is_told = |n: &&Notice| matches!(n, Notice::Checking { .. } | Notice::Warning { .. });
    assert_eq!(driver.notices().iter().filter(|n| is_told(n)).count(), 0);
    assert_eq!(driver.finish().0, End::Interrupted);
}

#[test]
fn a_worker_that_never_begins_is_the_drivers_to_report_and_enough_to_give_the_test_up() {
    let mut driver = Driver::start(campaign(1));
    let worker = driver.spawned();
    while driver.now < MS * 70_000 {
        driver.now += MS * 90;
        driver.step(Event::Tick);
        assert!(driver.actions.is_empty(), "{:?}", driver.actions);
    }
    driver.die(worker, Cause::Unresponsive, Harvest::default());
    let is_broken =
        |n: &&Notice| matches!(n, Notice::Broken { output, .. } if *output == "its output");
    assert_eq!(driver.notices().iter().filter(|n| is_broken(n)).count(), 1);
    assert_eq!(driver.finish().1, Exit::Harness);
}

/// What is said to be never fuzzed, and how the campaign ends after its time.
fn unfuzzed(mut driver: Driver) -> (Vec<(Option<TestIdx>, String)>, Exit) {
    driver.now += MS * 300;
    driver.step(Event::Tick);
    let interrupted = driver.actions.iter().find_map(|a| match a {
        Action::Interrupt { worker } => Some(*worker),
        _ => None,
    });
    if let Some(worker) = interrupted {
        let reply = loaded(JobEnd::Stopped, 0);
        driver.step(Event::Answered { worker, reply, harvest: Harvest::default() });
    }
    driver.bury();
    let told = driver.notices().into_iter().filter_map(|notice| match notice {
        Notice::Warning { test, text } => Some((*test, text.clone())),
        _ => None,
    });
    (told.collect(), driver.finish().1)
}

#[test]
fn tests_that_are_never_fuzzed_are_named_with_the_reason() {
    let time = Some(MS * 300);
    let (told, exit) = unfuzzed(Driver::start(Campaign { time, ..campaign(2) }));
    let text = "never fuzzed, since the time was over before a worker was ready: t0, t1";
    assert_eq!((told, exit), (vec![(None, text.to_owned())], Exit::Harness));

    let mut loading = Campaign { time, ..campaign(1) };
    loading.tests[0].corpus = vec![input(Place::Seed, b"s")];
    let mut driver = Driver::start(loading);
    driver.set_up();
    assert!(matches!(driver.sent().1, Request::Load(_)));
    let (told, exit) = unfuzzed(driver);
    let text = "never fuzzed, since the time was over while seeds and cached inputs were still \
                being run";
    assert_eq!((told, exit), (vec![(Some(TestIdx(0)), text.to_owned())], Exit::Harness));
}

#[test]
fn an_interrupt_before_anything_was_fuzzed_is_no_failure() {
    let mut driver = Driver::start(campaign(1));
    driver.step(Event::Interrupt);
    driver.bury();
    assert!(matches!(driver.notices()[..], [Notice::Finish { .. }]), "{:?}", driver.actions);
    assert_eq!(driver.finish().1, Exit::Nothing);
}

/// Answers jobs of 100 ms until something else than a job is wanted; in the first `n_rich` of them
/// each a new entry is found. -> how many jobs there were, and the notices meanwhile.
fn fuzz_on(driver: &mut Driver, n_rich: u32) -> (u32, Vec<Notice>) {
    let (mut n_jobs, mut notices) = (0, Vec::new());
    loop {
        let is_job = |a: &Action| matches!(a, Action::Send { request: Request::Fuzz(_), .. });
        if !driver.actions.iter().any(is_job) || n_jobs > 10_000 {
            return (n_jobs, notices);
        }
        n_jobs += 1;
        let mut harvest = Harvest::default();
        if n_jobs <= n_rich {
            let input = n_jobs.to_be_bytes().to_vec();
            harvest.entries.push(LogEntry {
                change: EntryChange::New,
                id: u64::from(n_jobs),
                parent: None,
                origin: Origin::Mutation,
                work: 1,
                features: vec![n_jobs % 800],
                input,
            });
        }
        driver.now += MS * 90;
        driver.answer(fuzzed(JobEnd::Done, 1000), harvest);
        notices.extend(driver.notices().into_iter().cloned());
    }
}

fn at_plateau(notices: &[Notice]) -> Vec<TestIdx> {
    let test = |notice: &Notice| match notice {
        Notice::Plateau { test, .. } => Some(*test),
        _ => None,
    };
    notices.iter().filter_map(test).collect()
}

#[test]
fn a_test_is_fuzzed_until_little_is_left_to_find() {
    let jobs_of = |limit: f64, n_rich: u32| {
        let mut driver = Driver::start(Campaign { until_plateau: Some(limit), ..campaign(1) });
        driver.set_up();
        let (n_jobs, notices) = fuzz_on(&mut driver, n_rich);
        assert_eq!(at_plateau(&notices), [TestIdx(0)]);
        driver.bury();
        let (end, exit, stats) = driver.finish();
        assert_eq!((end, exit), (End::Plateau, Exit::Nothing));
        assert!(stats.forecast.unwrap().next_minute < limit);
        n_jobs
    };
    assert_eq!(jobs_of(1e9, 50), 100, "not within the first ten seconds");
    let (few, many) = (jobs_of(1.0, 10), jobs_of(1.0, 200));
    assert!(few >= 100 && many > 200 + few, "{few} {many}");
    assert!(jobs_of(0.2, 10) > 2 * few);
}

#[test]
fn a_test_at_its_plateau_leaves_its_time_to_the_others() {
    let campaign = Campaign { until_plateau: Some(1.0), ..campaign(2) };
    let mut driver = Driver::start(campaign);
    let mut by_test = [0; 2];
    let mut notices = Vec::new();
    let mut workers = Vec::new();
    while driver.now < MS * 300_000 && !matches!(driver.actions.last(), Some(Action::Finish)) {
        notices.extend(driver.notices().into_iter().cloned());
        let spawned = driver.actions.iter().find_map(|action| match action {
            Action::Spawn { worker, test, .. } => Some((*worker, test.0)),
            _ => None,
        });
        if let Some((worker, test)) = spawned {
            workers.push((worker, test));
            driver.set_up();
            continue;
        }
        if !driver.killed().is_empty() {
            let sends = driver.actions.iter().any(|a| matches!(a, Action::Send { .. }));
            let before = std::mem::take(&mut driver.actions);
            for action in &before {
                if let Action::Kill { worker } = action {
                    driver.die(*worker, Cause::AsAsked, Harvest::default());
                }
            }
            if sends {
                driver.actions = before;
                driver.actions.retain(|a| !matches!(a, Action::Kill { .. } | Action::Show(_)));
            }
            continue;
        }
        let worker = driver.sent().0;
        let test = workers.iter().find(|(id, _)| *id == worker).unwrap().1;
        by_test[test] += 1;
        let mut harvest = Harvest::default();
        if test == 1 && by_test[1] <= 100 {
            harvest.entries.push(LogEntry {
                change: EntryChange::New,
                id: by_test[1],
                parent: None,
                origin: Origin::Mutation,
                work: 1,
                features: vec![by_test[1] as u32],
                input: by_test[1].to_be_bytes().to_vec(),
            });
        }
        driver.now += MS * 90;
        driver.answer(fuzzed(JobEnd::Done, 1000), harvest);
    }
    assert_eq!(at_plateau(&notices), [TestIdx(0), TestIdx(1)]);
    assert!(by_test[0] >= 100 && by_test[1] > 2 * by_test[0], "{by_test:?}");
    assert_eq!(driver.finish().0, End::Plateau);
}

#[test]
fn what_one_worker_wrote_over_the_next_finds_read_only() {
    let mut driver = Driver::start(campaign(1));
    let worker = driver.set_up();
    let guarded = |driver: &Driver| match driver.sent().1 {
        Request::Setup(setup) => setup.is_guarded,
        request => panic!("{request:?}"),
    };
    let harvest = Harvest { damage: Some("damage".to_owned()), ..Harvest::default() };
    driver.die(worker, Cause::Signaled(6), harvest);
    let warned = driver.notices().iter().any(|notice| matches!(notice, Notice::Warning { .. }));
    assert!(warned, "{:?}", driver.actions);
    if !driver.actions.iter().any(|action| matches!(action, Action::Spawn { .. })) {
        driver.wait();
    }
    let next = driver.spawned();
    driver.hello(next);
    assert!(guarded(&driver));
}
