//! The life of a finding.

use super::*;
use crate::coordinator::engine::chore::CONFIRMATIONS;

#[test]
fn a_finding_is_saved_confirmed_shown_minimized_and_checked() {
    let mut driver = Driver::start(campaign(1));
    driver.set_up();
    let worker = find(&mut driver, b"xxxxAxxx", "index 8 out of range");
    driver.answer(replayed(JobEnd::Failed), panicked(b"", "index 8 out of range"));
    let [Notice::Finding(Finding { reproducible: Reproducible::Yes, .. })] = driver.notices()[..]
    else {
        panic!("{:?}", driver.actions)
    };
    let bucket = match driver.sent() {
        (w, Request::Minimize(minimize), _) if w == worker => minimize.bucket,
        other => panic!("{other:?}"),
    };
    // Another failure that the minimizer meets is a finding of its own.
    let met = Minimized { end: JobEnd::Failed, execs: 5, reproduced: true };
    driver.answer(Reply::Minimized(met), panicked(b"other", "another"));
    assert_eq!(driver.saved(), [(FindingId(1), &b"other"[..], false, Shelf::Testdata)]);
    let best = Minimized { end: JobEnd::Done, execs: 9, reproduced: true };
    driver.answer(
        Reply::Minimized(best),
        Harvest { input: Some(b"A".to_vec()), ..Harvest::default() },
    );
    assert!(matches!(driver.sent(), (_, Request::Replay(_), Freight::Input(i)) if **i == *b"A"));
    driver.answer(replayed(JobEnd::Failed), panicked(b"A", "index 1 out of range"));
    assert_eq!(driver.saved(), [(FindingId(0), &b"A"[..], true, Shelf::Testdata)]);
    let [Notice::Minimized { finding, before: 8, limit: Limit::Smallest }] = driver.notices()[..]
    else {
        panic!()
    };
    assert_eq!(finding.failure.message, "index 1 out of range", "that of the written input");
    let is_check = |a: &Action| matches!(a, Action::CheckPlain { bucket: b, .. } if *b == bucket);
    assert!(driver.actions.iter().any(is_check));
    let finding = FindingId(0);
    driver.step(Event::Checked { finding, verdict: PlainVerdict::Passes });
    assert_eq!(driver.saved(), [(FindingId(0), &b"A"[..], false, Shelf::Cache)]);
    assert!(matches!(driver.notices()[..], [Notice::PassesPlain(_)]));
}

#[test]
fn a_minimized_input_of_another_bucket_is_not_written() {
    let mut driver = Driver::start(campaign(1));
    driver.set_up();
    find(&mut driver, b"abcd", "first");
    driver.answer(replayed(JobEnd::Failed), panicked(b"", "first"));
    let best = Minimized { end: JobEnd::Done, execs: 9, reproduced: true };
    driver.answer(
        Reply::Minimized(best),
        Harvest { input: Some(b"a".to_vec()), ..Harvest::default() },
    );
    driver.answer(replayed(JobEnd::Failed), panicked(b"a", "second"));
    assert!(driver.saved().is_empty());
    let [Notice::Minimized { finding, before: 4, limit: Limit::Setbacks }] = driver.notices()[..]
    else {
        panic!()
    };
    assert_eq!((&*finding.input, finding.failure.message.as_str()), (&b"abcd"[..], "first"));
}

#[test]
fn an_ignored_failure_is_told_once_and_is_no_finding() {
    let mut ignoring = campaign(1);
    ignoring.tests[0].ignored.insert(words("known").bucket());
    let mut driver = Driver::start(ignoring);
    driver.set_up();
    for n in 0..2 {
        driver.answer(fuzzed(JobEnd::Failed, 10), panicked(b"x", "known"));
        assert!(driver.saved().is_empty());
        let n_told =
            driver.notices().iter().filter(|n| matches!(n, Notice::Ignored { .. })).count();
        assert_eq!(n_told, usize::from(n == 0), "{:?}", driver.actions);
    }
    driver.answer(fuzzed(JobEnd::Failed, 10), panicked(b"y", "another"));
    assert_eq!(driver.saved(), [(FindingId(0), &b"y"[..], false, Shelf::Testdata)]);
}

#[test]
fn a_flaky_failure_is_kept_in_the_cache() {
    let mut driver = Driver::start(campaign(1));
    driver.set_up();
    let mut worker = find(&mut driver, b"f", "sometimes");
    for tries in 1..=CONFIRMATIONS {
        driver.answer(replayed(JobEnd::Done), Harvest::default());
        assert_eq!(driver.killed(), [worker]);
        if tries < CONFIRMATIONS {
            driver.answer(fuzzed(JobEnd::Done, 10), Harvest::default());
            worker = driver.set_up();
        }
    }
    assert!(matches!(
        driver.notices()[..],
        [Notice::Finding(Finding { reproducible: Reproducible::No, .. })]
    ));
    assert_eq!(driver.saved(), [(FindingId(0), &b"f"[..], false, Shelf::Cache)]);
    let is_move = |a: &Action| matches!(a, Action::SaveFinding { .. });
    let is_shown = |a: &Action| matches!(a, Action::Show(Notice::Finding(_)));
    let place_of = |is: &dyn Fn(&Action) -> bool| driver.actions.iter().position(is);
    assert!(place_of(&is_move) < place_of(&is_shown), "the path shown must be where it is");
    assert!(driver.actions.iter().any(|a| matches!(a, Action::CheckPlain { .. })));
}

#[test]
fn of_a_failure_that_passes_once_the_rate_is_told() {
    let mut driver = Driver::start(campaign(1));
    driver.set_up();
    let mut worker = find(&mut driver, b"f", "sometimes");
    for tries in 1..=CONFIRMATIONS {
        match tries {
            3 | 7 => {
                let again = Harvest { output: "said\n".to_owned(), ..panicked(b"", "sometimes") };
                driver.answer(replayed(JobEnd::Failed), again);
            }
            5 => driver.die(worker, Cause::Exited(0), in_call(b"f")),
            _ => driver.answer(replayed(JobEnd::Done), Harvest::default()),
        }
        assert!(tries == 5 || driver.killed() == [worker], "each time in a fresh worker");
        if tries < CONFIRMATIONS {
            driver.answer(fuzzed(JobEnd::Done, 10), Harvest::default());
            worker = driver.set_up();
        }
    }
    let [Notice::Finding(finding)] = driver.notices()[..] else { panic!("{:?}", driver.actions) };
    // The exit is another failure of the same input.
    assert_eq!(finding.reproducible, Reproducible::Sometimes { failures: 2, runs: 10 });
    assert_eq!(finding.failure.output, "said\n");
    assert_eq!(driver.saved(), [(FindingId(0), &b"f"[..], false, Shelf::Cache)]);
}

#[test]
fn a_flaky_failure_that_passes_elsewhere_says_nothing_about_builds() {
    let mut driver = Driver::start(campaign(1));
    driver.set_up();
    find(&mut driver, b"f", "sometimes");
    for tries in 1..=CONFIRMATIONS {
        driver.answer(replayed(JobEnd::Done), Harvest::default());
        if tries < CONFIRMATIONS {
            driver.answer(fuzzed(JobEnd::Done, 10), Harvest::default());
            driver.set_up();
        }
    }
    driver.step(Event::Checked { finding: FindingId(0), verdict: PlainVerdict::Passes });
    assert!(driver.notices().is_empty(), "{:?}", driver.actions);
    assert!(driver.saved().is_empty(), "{:?}", driver.actions);
}

#[test]
fn a_failure_that_ends_the_process_is_confirmed_by_another_death() {
    let mut driver = Driver::start(campaign(1));
    let first = driver.set_up();
    driver.die(first, Cause::TimedOut(MS * 1000), in_call(b"slow"));
    assert_eq!(driver.saved(), [(FindingId(0), &b"slow"[..], false, Shelf::Testdata)]);
    let second = driver.set_up();
    driver.die(second, Cause::TimedOut(MS * 1000), in_call(b"slow"));
    let [Notice::Finding(finding)] = driver.notices()[..] else { panic!() };
    assert_eq!(finding.reproducible, Reproducible::Yes);
    assert_eq!(finding.failure.message, "ran longer than 1s");
    let third = driver.set_up();
    driver.die(third, Cause::TimedOut(MS * 1000), in_call(b"another slow one"));
    assert!(driver.saved().is_empty(), "one a bucket");
}

/// Letters for a number: digits do not count in a message.
fn spelled(n: u32) -> String {
    n.to_string().bytes().map(|digit| char::from(digit - b'0' + b'a')).collect()
}

#[test]
fn messages_that_quote_the_input_are_few_findings_and_leave_time_to_fuzz() {
    let mut driver = Driver::start(campaign(1));
    let (mut n_met, mut n_saved, mut n_warnings, mut n_fuzz, mut n_replays) = (0, 0, 0, 0, 0);
    let mut last_silent = Vec::new();
    for _ in 0..500 {
        n_saved += driver.saved().iter().filter(|(.., is_smaller, _)| !is_smaller).count();
        let is_told = |n: &&Notice| matches!(n, Notice::Warning { text, .. } if text.contains("5 different messages"));
        n_warnings += driver.notices().into_iter().filter(is_told).count();
        driver.now += MS * 50;
        if driver.actions.iter().any(|a| matches!(a, Action::Spawn { .. })) {
            let worker = driver.spawned();
            driver.hello(worker);
            continue;
        }
        match driver.sent().1.clone() {
            Request::Setup(_) => driver.answer(Reply::Ready {}, Harvest::default()),
            Request::Fuzz(fuzz) => {
                n_met += 1;
                n_fuzz += 1;
                last_silent.extend(fuzz.silent);
                let message = format!("unexpected {}", spelled(n_met));
                let input = format!("input {}", spelled(n_met));
                driver.answer(fuzzed(JobEnd::Failed, 10), panicked(input.as_bytes(), &message));
            }
            Request::Replay(_) => {
                n_replays += 1;
                assert!(n_replays <= n_fuzz, "a finding goes first, but not twice in a row");
                driver.answer(replayed(JobEnd::Failed), panicked(b"", "unexpected"));
            }
            Request::Minimize(_) => {
                let reply = Minimized { end: JobEnd::Done, execs: 1, reproduced: true };
                driver.answer(Reply::Minimized(reply), Harvest::default());
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((n_saved, n_warnings), (5, 1));
    assert!(n_fuzz > 400, "{n_fuzz}");
    assert_eq!(last_silent.len(), 6);
    assert_eq!(last_silent[5], words("").place(), "the worker passes over all of them");
}

#[test]
fn a_finding_does_not_keep_others_from_being_fuzzed() {
    let mut driver = Driver::start(campaign(1));
    let fuzzer = driver.set_up();
    let confirmer = find(&mut driver, b"f", "sometimes");
    driver.answer(replayed(JobEnd::Done), Harvest::default());
    assert_eq!(driver.killed(), [confirmer]);
    assert!(matches!(driver.sent(), (worker, Request::Fuzz(_), _) if worker == fuzzer));
    driver.answer(fuzzed(JobEnd::Done, 10), Harvest::default());
    let second = driver.set_up();
    assert!(matches!(driver.sent(), (worker, Request::Replay(_), _) if worker == second));
}

#[test]
fn another_failure_of_the_same_input_is_another_finding() {
    let mut driver = Driver::start(campaign(1));
    driver.set_up();
    let worker = find(&mut driver, b"f", "first");
    driver.die(worker, Cause::Exited(3), in_call(b"f"));
    assert_eq!(driver.saved(), [(FindingId(1), &b"f"[..], false, Shelf::Testdata)]);
    assert!(driver.notices().is_empty(), "that confirms neither: {:?}", driver.actions);
}

#[test]
fn what_is_said_elsewhere_in_the_same_place_is_the_same_failure() {
    let mut driver = Driver::start(campaign(1));
    driver.set_up();
    find(&mut driver, b"f", "first");
    driver.answer(replayed(JobEnd::Failed), panicked(b"f", "second"));
    assert_eq!(driver.saved(), []);
    let [Notice::Finding(finding)] = driver.notices()[..] else { panic!("{:?}", driver.actions) };
    assert_eq!((&finding.failure.message[..], finding.reproducible), ("first", Reproducible::Yes));
}
