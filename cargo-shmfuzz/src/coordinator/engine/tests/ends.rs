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
    let is_finding = |n: &&Notice| matches!(n, Notice::Finding(f) if !f.reproducible);
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
