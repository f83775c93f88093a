//! Who gets time, and that no clock decides where work does.

use super::*;
use shmfuzz_runtime::message::EXIT_CANNOT_START;
use std::collections::BTreeMap;

/// All requests of a campaign by work whose workers take `pace` for a job.
fn requests_at(pace: Duration) -> Vec<String> {
    let mut campaign = Campaign { by_work: true, runs: Some(5000), ..campaign(3) };
    campaign.tests[1].corpus = vec![input(Place::Cache, b"c")];
    let mut driver = Driver::start(campaign);
    let mut log = Vec::new();
    for n in 0..400 {
        let send = driver.actions.iter().find(|a| matches!(a, Action::Send { .. })).cloned();
        log.extend(send.iter().map(|send| format!("{send:?}")));
        driver.now += pace;
        match send {
            Some(Action::Send { worker, request, .. }) => {
                let (reply, harvest) = match request {
                    Request::Setup(_) => (Reply::Ready {}, Harvest::default()),
                    Request::Load(_) => (loaded(JobEnd::Done, 1), Harvest::default()),
                    Request::Replay(_) => (replayed(JobEnd::Failed), panicked(b"", "no")),
                    Request::Minimize(_) => {
                        let reply = Minimized { end: JobEnd::Stopped, execs: 1, reproduced: true };
                        (Reply::Minimized(reply), Harvest::default())
                    }
                    _ if n % 50 == 9 => (fuzzed(JobEnd::Failed, 40), panicked(b"abcd", "no")),
                    _ => (fuzzed(JobEnd::Done, 40), Harvest::default()),
                };
                driver.step(Event::Answered { worker, reply, harvest });
            }
            _ if driver.actions.iter().any(|a| matches!(a, Action::Spawn { .. })) => {
                let worker = driver.spawned();
                driver.hello(worker);
            }
            _ => break,
        }
    }
    log
}

#[test]
fn a_harness_that_dies_at_start_is_broken_and_others_go_on() {
    let mut driver = Driver::start(campaign(2));
    let mut n_deaths = 0;
    while driver.now < MS * 5000 {
        let first = driver.actions.iter().find_map(|action| match action {
            Action::Spawn { worker, test: TestIdx(0), .. } => Some(*worker),
            _ => None,
        });
        if let Some(worker) = first {
            n_deaths += 1;
            driver.die(worker, Cause::Exited(101), Harvest::default());
            let is_broken = |n: &&Notice| matches!(n, Notice::Broken { test: TestIdx(0), .. });
            assert_eq!(driver.notices().iter().any(is_broken), n_deaths == 3);
        } else if driver.actions.iter().any(|a| matches!(a, Action::Spawn { .. })) {
            driver.set_up();
        } else {
            driver.now += MS * 90;
            driver.answer(fuzzed(JobEnd::Done, 5), Harvest::default());
        }
    }
    assert_eq!(n_deaths, 3);
    assert!(!driver.engine.is_finished());
}

/// What each of its setups comes to: after how many of them the fuzz test is given up, and why.
fn given_up_after(cause: Cause) -> (u32, String) {
    let mut driver = Driver::start(campaign(1));
    for n in 1..10 {
        let worker = driver.spawned();
        driver.hello(worker);
        let harvest = Harvest { phase: Some(Phase::SettingUp), ..Harvest::default() };
        driver.die(worker, cause.clone(), harvest);
        let broken = driver.notices().into_iter().find_map(|notice| match notice {
            Notice::Broken { why, output, .. } => Some((why.clone(), output.clone())),
            _ => None,
        });
        if let Some((why, output)) = broken {
            assert_eq!(output, "its output");
            return (n, why);
        }
        driver.wait();
    }
    panic!("it is never given up");
}

#[test]
fn a_setup_that_fails_is_no_finding_and_is_not_tried_for_ever() {
    let failed = "its setup failed".to_owned();
    assert_eq!(given_up_after(Cause::Exited(EXIT_CANNOT_START)), (1, failed));
    let does_not_return = "its setup does not return".to_owned();
    assert_eq!(given_up_after(Cause::Unresponsive), (1, does_not_return));
    let aborted = "its setup failed: the process was ended by SIGABRT".to_owned();
    assert_eq!(given_up_after(Cause::Signaled(6)), (3, aborted));
}

#[test]
fn a_campaign_by_work_does_not_depend_on_the_clock() {
    let slow = requests_at(MS * 150);
    assert!(slow.len() > 300, "{}", slow.len());
    assert_eq!(slow, requests_at(MS));
}

#[test]
fn a_test_that_always_dies_is_slowed_down_and_starves_nobody() {
    let mut driver = Driver::start(campaign(2));
    let mut n_deaths = 0;
    let mut n_execs = 0;
    while driver.now < MS * 20_000 {
        let spawn = driver.actions.iter().find_map(|a| match a {
            Action::Spawn { worker, .. } => Some(*worker),
            _ => None,
        });
        let send = driver.actions.iter().find_map(|a| match a {
            Action::Send { worker, request, .. } => Some((*worker, request.clone())),
            _ => None,
        });
        match (spawn, send) {
            (Some(worker), _) => driver.hello(worker),
            (_, Some((_, Request::Setup(_)))) => driver.answer(Reply::Ready {}, Harvest::default()),
            (_, Some((worker, Request::Fuzz(_)))) => {
                let test = driver.engine.workers[&worker].test;
                if test == TestIdx(0) {
                    n_deaths += 1;
                    driver.die(worker, Cause::Signaled(11), in_call(b"k"));
                } else {
                    n_execs += 100;
                    driver.now += MS * 90;
                    driver.answer(fuzzed(JobEnd::Done, 100), Harvest::default());
                }
            }
            (_, Some((worker, _))) => driver.die(worker, Cause::Signaled(11), in_call(b"k")),
            _ => {
                driver.now += MS * 5;
                driver.bury();
                driver.step(Event::Tick);
            }
        }
    }
    assert!((10..60).contains(&n_deaths), "{n_deaths}");
    assert!(n_execs > 16_000, "{n_execs} of 20,000 at full speed");
}

#[test]
fn figures_are_shown_when_they_have_changed() {
    let mut driver = Driver::start(campaign(1));
    driver.set_up();
    driver.answer(fuzzed(JobEnd::Done, 100), Harvest::default());
    let worker = driver.sent().0;
    let mut shown = Vec::new();
    // One job that takes long: the speed goes down to nothing, and then there is no news.
    for _ in 0..200 {
        driver.now += MS * 90;
        driver.step(Event::Tick);
        let is_figures = |a: &&Action| matches!(a, Action::Show(Notice::Stats { .. }));
        shown.push(driver.actions.iter().filter(is_figures).count());
    }
    assert_eq!(shown[100..], [0; 100]);
    let (reply, harvest) = (fuzzed(JobEnd::Done, 100), Harvest::default());
    driver.step(Event::Answered { worker, reply, harvest });
    driver.now += MS * 500;
    driver.step(Event::Tick);
    assert!(driver.actions.iter().any(|a| matches!(a, Action::Show(Notice::Stats { .. }))));
}

#[test]
fn workers_that_wait_hold_no_more_memory_than_they_may() {
    let mut driver = Driver::start(Campaign { idle_memory: Some(100), ..campaign(4) });
    let (mut held, mut most) = (BTreeMap::<WorkerId, u64>::new(), 0);
    for _ in 0..400 {
        for worker in driver.killed() {
            held.remove(&worker);
        }
        driver.bury();
        if driver.actions.iter().any(|a| matches!(a, Action::Spawn { .. })) {
            let worker = driver.set_up();
            held.insert(worker, 0);
        }
        let worker = driver.sent().0;
        held.insert(worker, 40);
        most = most.max(held.len());
        let harvest = Harvest { resident: Some(40), count: 1, ..Harvest::default() };
        driver.now += MS * 200;
        driver.answer(fuzzed(JobEnd::Done, 5), harvest);
    }
    // Two that wait, and one that works.
    assert!(most <= 3 && held.len() > 1, "{most}: {held:?}");
}
