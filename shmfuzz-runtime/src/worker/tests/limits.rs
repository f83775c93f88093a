//! Limits: the maximum of lengths, the stop flag, calls that wait.

use super::*;
use crate::layout::Header;
use std::sync::OnceLock;

static STOPPED: OnceLock<&'static Header> = OnceLock::new();

/// Stands in for a coordinator that wants an end in the middle of a pick.
fn is_stopped_at_its_20th_call(_: &[u8]) -> Verdict {
    hit(0);
    if let Some(header) = STOPPED.get() {
        if header.count.load(Ordering::Relaxed) == 20 {
            header.stop.store(1, Ordering::Relaxed);
        }
    }
    Verdict::Kept
}

static IS_STOPPED: FuzzTest = test_of(InputKind::Bytes, is_stopped_at_its_20th_call);

#[test]
fn a_pick_stops_at_the_call_after_it_is_told_to() {
    let mut rig = Rig::new(&IS_STOPPED, by_work());
    rig.reset();
    STOPPED.set(rig.mapping.header()).expect("no other test sets it");
    let ask = Fuzz { budget_ms: 60_000, max_execs: None, silent: Vec::new() };
    let Reply::Fuzzed(fuzzed) = rig.ask(Request::Fuzz(ask)) else { panic!("fuzzed") };
    assert_eq!(fuzzed.end, JobEnd::Stopped);
    assert_eq!(fuzzed.execs + fuzzed.extra_execs, 20);
}

static IS_SLOW: AtomicU8 = AtomicU8::new(0);

fn becomes_slow(_: &[u8]) -> Verdict {
    hit(0);
    if IS_SLOW.load(Ordering::Relaxed) != 0 {
        thread::sleep(std::time::Duration::from_millis(2));
    }
    Verdict::Kept
}

static BECOMES_SLOW: FuzzTest = test_of(InputKind::Bytes, becomes_slow);

#[test]
fn a_pick_ends_when_its_calls_turn_out_slow() {
    let mut rig = Rig::new(&BECOMES_SLOW, Setup { max_len: 64, ..Setup::default() });
    IS_SLOW.store(0, Ordering::Relaxed);
    assert!(rig.fuzz(1000).execs >= 1);
    IS_SLOW.store(1, Ordering::Relaxed);
    rig.reset();
    let ask = Fuzz { budget_ms: 1, max_execs: None, silent: Vec::new() };
    let Reply::Fuzzed(fuzzed) = rig.ask(Request::Fuzz(ask)) else { panic!("fuzzed") };
    assert_eq!(fuzzed.end, JobEnd::Done);
    assert!(fuzzed.execs < 10, "{} calls", fuzzed.execs);
}

static IS_LOADED: AtomicU8 = AtomicU8::new(0);

fn wants_up_to_five(data: &[u8]) -> Verdict {
    hit(0);
    let is_text = std::str::from_utf8(data).is_ok();
    match data.len() {
        6.. if IS_LOADED.load(Ordering::Relaxed) != 0 => Verdict::Failed("too long".to_owned()),
        _ if !is_text => Verdict::Failed("no text".to_owned()),
        _ => Verdict::Kept,
    }
}

static UP_TO_FIVE: FuzzTest = test_of(InputKind::Text, wants_up_to_five);

#[test]
fn long_entries_are_mutated_within_the_maximum() {
    let mut rig = Rig::new(&UP_TO_FIVE, Setup { max_len: 5, ..by_work() });
    IS_LOADED.store(0, Ordering::Relaxed);
    let long = "€".repeat(100);
    assert_eq!(rig.load(&[long.as_bytes()]).end, JobEnd::Done);
    // Examined as it is; everything after that is within the maximum.
    assert_eq!(rig.fuzz(1).end, JobEnd::Done);
    IS_LOADED.store(1, Ordering::Relaxed);
    assert_eq!(rig.fuzz(5000).end, JobEnd::Done, "{:?}", String::from_utf8(rig.value()));
}

fn a_long_length(data: &[u8]) -> Verdict {
    hit(0);
    traced_cmp8(1000, data.len() as u64);
    if data.len() == 1000 {
        hit(1);
    }
    Verdict::Kept
}

static LONG_LENGTH: FuzzTest = test_of(InputKind::Bytes, a_long_length);

#[test]
fn a_length_that_a_comparison_names_is_tried_at_once() {
    let mut rig = Rig::new(&LONG_LENGTH, Setup { max_len: 4096, ..by_work() });
    rig.load(&[b"short"]);
    assert_eq!(rig.fuzz(100).end, JobEnd::Done);
    assert!(rig.log().iter().any(|entry| entry.input.len() == 1000));
}

/// Compares nothing: only a dictionary has the word.
fn knows_a_word(data: &[u8]) -> Verdict {
    hit(0);
    match data.windows(8).any(|word| word == b"\xffsesame!") {
        true => Verdict::Failed("open".to_owned()),
        false => Verdict::Kept,
    }
}

static WORD: FuzzTest = test_of(InputKind::Bytes, knows_a_word);

#[test]
fn the_users_tokens_are_put_into_inputs() {
    for (tokens, end) in
        [(&[][..], JobEnd::Done), (&[&b"unused"[..], b"\xffsesame!"], JobEnd::Failed)]
    {
        let mut rig = Rig::with_tokens(&WORD, Setup { max_len: 20, ..by_work() }, tokens);
        rig.load(&[b"some input"]);
        assert_eq!(rig.fuzz(2000).end, end);
    }
}
