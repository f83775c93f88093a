//! Findings that end the process are made smaller, one fresh worker a death.

use super::*;
use crate::coordinator::engine::chore::CONFIRMATIONS;
use crate::coordinator::engine::finding::Stage;
use crate::coordinator::engine::minimization::Minimization;
use shmfuzz_runtime::child::Calls;

/// Finds an input of which the worker dies, and confirms it; -> the worker that tries.
fn find_fatal(driver: &mut Driver, cause: Cause, input: &[u8]) -> WorkerId {
    let first = driver.set_up();
    driver.die(first, cause.clone(), in_call(input));
    let second = driver.set_up();
    driver.die(second, cause, in_call(input));
    driver.set_up()
}

/// Lets workers die of what `fails`, until the minimization is verified; -> how many died, and how
/// long a call could take at most.
fn drive(driver: &mut Driver, cause: &Cause, fails: impl Fn(&[u8]) -> bool) -> (u32, Duration) {
    let (mut n_deaths, mut longest) = (0, Duration::ZERO);
    for _ in 0..100_000 {
        let sent = driver.actions.iter().find_map(|action| match action {
            Action::Send { worker, request: Request::Replay(_), freight, timeout, .. } => {
                Some((*worker, freight.clone(), *timeout))
            }
            _ => None,
        });
        let Some((worker, Freight::Input(input), timeout)) = sent else {
            if driver.actions.iter().any(|a| matches!(a, Action::SaveFinding { .. })) {
                return (n_deaths, longest);
            }
            match driver.actions.iter().any(|a| matches!(a, Action::Spawn { .. })) {
                true => drop(driver.set_up()),
                false => driver.wait(),
            }
            continue;
        };
        longest = longest.max(timeout);
        if fails(&input) {
            n_deaths += 1;
            let cause = match cause {
                Cause::TimedOut(_) => Cause::TimedOut(timeout),
                other => other.clone(),
            };
            driver.die(worker, cause, in_call(&input));
        } else {
            driver.step(Event::Answered {
                worker,
                reply: replayed(JobEnd::Done),
                harvest: Harvest::default(),
            });
        }
    }
    panic!("no end");
}

/// Nothing is fuzzed once something is found.
fn patient() -> Campaign {
    let minimize_time = Duration::from_secs(100_000);
    Campaign { minimize_time, stop_on_crash: true, ..campaign(1) }
}

fn saved_smaller(driver: &Driver) -> Vec<u8> {
    let [(FindingId(0), input, true, Shelf::Testdata)] = driver.saved()[..] else {
        panic!("{:?}", driver.actions)
    };
    input.to_vec()
}

#[test]
fn each_death_is_followed_by_a_fresh_worker() {
    let mut driver = Driver::start(patient());
    find_fatal(&mut driver, Cause::Signaled(6), b"[[[abcdef]]]");
    let (n_deaths, _) = drive(&mut driver, &Cause::Signaled(6), |b| b.contains(&b'c'));
    assert_eq!(saved_smaller(&driver), b"c");
    assert!(n_deaths > 2, "{n_deaths}");
}

#[test]
fn what_fails_in_another_way_is_no_smaller_input_but_a_finding() {
    let mut driver = Driver::start(patient());
    let worker = find_fatal(&mut driver, Cause::Signaled(6), b"abcd");
    let Freight::Input(tried) = driver.sent().2.clone() else { panic!() };
    driver.die(worker, Cause::Signaled(11), in_call(&tried));
    assert_eq!(driver.saved(), [(FindingId(1), &*tried, false, Shelf::Testdata)]);
    let found = &driver.engine.findings[FindingId(0)];
    assert!(
        matches!(&found.stage, Stage::Minimize(Minimization { best, .. }) if **best == *b"abcd")
    );
}

#[test]
fn what_hangs_is_tried_in_a_part_of_its_timeout_and_run_in_full_at_the_end() {
    let mut driver = Driver::start(patient());
    let timeout = driver.engine.campaign.tests[0].timeout;
    let cause = Cause::TimedOut(timeout);
    let worker = find_fatal(&mut driver, cause.clone(), b"abcd");
    let limit = driver.engine.findings[FindingId(0)].try_limit();
    assert_eq!(limit, Some(timeout / 4));
    let tried = driver.sent().2.clone();
    let Freight::Input(tried) = tried else { panic!() };
    driver.step(Event::Answered {
        worker,
        reply: replayed(JobEnd::Done),
        harvest: Harvest::default(),
    });
    assert_ne!(&*tried, b"abcd");
    let (_, longest) = drive(&mut driver, &cause, |b| b.contains(&b'c'));
    assert_eq!((saved_smaller(&driver), longest), (b"c".to_vec(), timeout));
}

#[test]
fn a_worker_lost_while_it_shrinks_by_itself_is_followed_by_one_try_a_job() {
    let mut driver = Driver::start(patient());
    driver.set_up();
    let worker = find(&mut driver, b"xxxx", "no");
    driver.answer(replayed(JobEnd::Failed), panicked(b"", "no"));
    assert!(matches!(driver.sent().1, Request::Minimize(_)));
    // Of a call that is cut short nothing is known, so it is no failure of its own.
    let limit = driver.engine.findings[FindingId(0)].try_limit().unwrap();
    driver.die(worker, Cause::TimedOut(limit), in_call(b"xx"));
    driver.set_up();
    assert!(
        matches!(driver.sent(), (_, Request::Replay(_), Freight::Input(tried)) if tried.len() < 4)
    );
}

#[test]
fn an_input_alone_is_minimized_and_nothing_else_is_done() {
    let mut engine = Engine::minimization(campaign(1), b"abcd"[..].into(), Calls::One);
    let mut actions = Vec::new();
    engine.start(Duration::ZERO, &mut actions);
    let mut driver = Driver { engine, now: Duration::ZERO, actions, n_seeds: 0 };
    driver.set_up();
    assert!(matches!(driver.sent(), (_, Request::Replay(_), Freight::Input(i)) if **i == *b"abcd"));
    driver.answer(replayed(JobEnd::Failed), panicked(b"abcd", "first"));
    assert!(matches!(driver.sent().1, Request::Minimize(_)));
    let other = Minimized { end: JobEnd::Failed, execs: 1, reproduced: true };
    driver.answer(Reply::Minimized(other), panicked(b"x", "second"));
    let [Notice::Warning { text, .. }] = driver.notices()[..] else {
        panic!("{:?}", driver.actions)
    };
    assert!(text.contains("another failure was met on the way"), "{text}");
    let best = Minimized { end: JobEnd::Done, execs: 9, reproduced: true };
    let harvest = Harvest { input: Some(b"b".to_vec()), ..Harvest::default() };
    driver.answer(Reply::Minimized(best), harvest);
    driver.answer(replayed(JobEnd::Failed), panicked(b"b", "first"));
    assert!(driver.saved().is_empty());
    let [Notice::Minimized { finding, before: 4, .. }, ..] = driver.notices()[..] else { panic!() };
    assert_eq!(&*finding.input, b"b");
    driver.bury();
    assert!(matches!(driver.actions.last(), Some(Action::Finish)), "{:?}", driver.actions);
    let is_warning = |n: &&Notice| matches!(n, Notice::Warning { .. });
    assert_eq!(driver.notices().iter().filter(|n| is_warning(n)).count(), 0);
}

#[test]
fn an_input_alone_that_passes_is_said_not_to_fail() {
    let mut engine = Engine::minimization(campaign(1), b"abcd"[..].into(), Calls::One);
    let mut actions = Vec::new();
    engine.start(Duration::ZERO, &mut actions);
    let mut driver = Driver { engine, now: Duration::ZERO, actions, n_seeds: 0 };
    let mut worker = driver.set_up();
    for _ in 1..CONFIRMATIONS {
        driver.answer(replayed(JobEnd::Done), Harvest::default());
        assert_eq!(driver.killed(), [worker]);
        worker = driver.set_up();
    }
    driver.answer(replayed(JobEnd::Done), Harvest::default());
    let is_shown =
        |n: &&Notice| matches!(n, Notice::Finding(f) if f.reproducible == Reproducible::No);
    assert_eq!(driver.notices().iter().filter(|n| is_shown(n)).count(), 1);
}
