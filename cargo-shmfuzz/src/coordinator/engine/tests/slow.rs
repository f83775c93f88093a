//! Inputs that take long.

use super::*;
use crate::coordinator::event::Slow;
use crate::coordinator::notice::Slowest;

/// Has a job of fuzzing, of 100 ms, say that a call took so long.
fn see(driver: &mut Driver, input: &[u8], ms: u32) {
    let slow = Some(Slow { input: input.into(), took: MS * ms });
    assert!(matches!(driver.sent().1, Request::Fuzz(_)), "{:?}", driver.actions);
    driver.now += MS * 90;
    driver.answer(fuzzed(JobEnd::Done, 100_000), Harvest { slow, ..Harvest::default() });
}

/// Has the call that is made again take so long, and this much of the processor.
fn take(driver: &mut Driver, input: &[u8], ms: u32, cpu: Option<u32>) {
    let (_, request, freight) = driver.sent();
    assert!(matches!(request, Request::Replay(replay) if replay.times == 1));
    assert!(matches!(freight, Freight::Input(i) if **i == *input), "{freight:?}");
    // A step takes ten milliseconds by itself.
    driver.now += MS * (ms - 10);
    let cpu = cpu.map(|cpu| MS * cpu);
    driver.answer(replayed(JobEnd::Done), Harvest { cpu, ..Harvest::default() });
}

fn saved(driver: &Driver) -> Vec<&[u8]> {
    let saved = driver.actions.iter().filter_map(|action| match action {
        Action::SaveSlowest { input, .. } => Some(&**input),
        _ => None,
    });
    saved.collect()
}

/// What is told at the end.
fn told(driver: &mut Driver) -> Option<Slowest> {
    let worker = driver.sent().0;
    driver.step(Event::Interrupt);
    driver.answer_interrupted(worker);
    driver.bury();
    driver.finish();
    driver.notices().into_iter().find_map(|notice| match notice {
        Notice::Slowest { slowest, .. } => Some(*slowest),
        _ => None,
    })
}

fn begin(campaign: Campaign) -> Driver {
    let mut driver = Driver::start(campaign);
    driver.set_up();
    driver.answer(fuzzed(JobEnd::Done, 100_000), Harvest::default());
    driver
}

#[test]
fn the_slowest_input_is_run_again_saved_and_told() {
    let mut driver = begin(campaign(1));
    see(&mut driver, b"slow", 300);
    take(&mut driver, b"slow", 500, None);
    take(&mut driver, b"slow", 290, None);
    assert!(saved(&driver).is_empty());
    take(&mut driver, b"slow", 310, None);
    assert_eq!(saved(&driver), [b"slow"]);
    see(&mut driver, b"hardly slower", 320);
    see(&mut driver, b"slower", 1000);
    for _ in 0..3 {
        take(&mut driver, b"slower", 900, Some(700));
    }
    assert_eq!(saved(&driver), [b"slower"]);
    let slowest = Slowest { took: MS * 700, size: 6 };
    assert_eq!(told(&mut driver), Some(slowest), "of a busy call, the processor time counts");
}

#[test]
fn what_took_long_once_is_not_slow() {
    let mut driver = begin(campaign(1));
    see(&mut driver, b"late", 300);
    take(&mut driver, b"late", 400, None);
    take(&mut driver, b"late", 20, None);
    see(&mut driver, b"descheduled", 300);
    take(&mut driver, b"descheduled", 150, Some(80));
    assert!(matches!(driver.sent().1, Request::Fuzz(_)));
    assert_eq!(told(&mut driver), None);
}

#[test]
fn where_all_calls_are_slow_none_is_told() {
    let mut driver = Driver::start(campaign(1));
    driver.set_up();
    for _ in 0..3 {
        driver.now += MS * 290;
        let slow = Some(Slow { input: b"slow"[..].into(), took: MS * 150 });
        driver.answer(fuzzed(JobEnd::Done, 2), Harvest { slow, ..Harvest::default() });
        assert!(matches!(driver.sent().1, Request::Fuzz(_)));
    }
    assert_eq!(told(&mut driver), None);
}

#[test]
fn where_runs_must_repeat_no_time_is_believed() {
    let mut driver = begin(Campaign { by_work: true, ..campaign(1) });
    see(&mut driver, b"slow", 300);
    assert!(matches!(driver.sent().1, Request::Fuzz(_)));
    assert_eq!(told(&mut driver), None);
}

#[test]
fn a_slow_input_that_fails_when_it_is_run_again_is_a_finding() {
    let mut driver = begin(campaign(1));
    see(&mut driver, b"slow", 300);
    driver.answer(replayed(JobEnd::Failed), panicked(b"slow", "after a while"));
    assert_eq!(driver.saved(), [(FindingId(0), &b"slow"[..], false, Shelf::Testdata)]);
}

#[test]
fn inputs_that_only_seem_slow_take_no_more_than_a_part_of_the_time() {
    let mut driver = begin(campaign(1));
    let mut n_checks = 0;
    for _ in 0..100 {
        see(&mut driver, b"seems slow", 300);
        if let Request::Replay(_) = driver.sent().1 {
            n_checks += 1;
            take(&mut driver, b"seems slow", 50, None);
        }
    }
    assert!((10..=15).contains(&n_checks), "{n_checks}");
}
