//! Comparisons that only chains of edits, or climbing, solve.

use super::*;

fn traced_values4(a: u32, b: u32) {
    // SAFETY: it reads its arguments only.
    unsafe { sancov::__sanitizer_cov_trace_cmp4(a, b) };
}

fn magic_behind_a_checksum(data: &[u8]) -> Verdict {
    hit(0);
    traced_cmp8(12, data.len() as u64);
    if data.len() < 12 {
        return Verdict::Kept;
    }
    hit(1);
    let (body, tail) = data.split_at(data.len() - 4);
    let sum = body.iter().fold(7, |sum: u32, byte| sum.rotate_left(5) ^ u32::from(*byte));
    let tail = u32::from_le_bytes(tail.try_into().unwrap());
    traced_values4(sum, tail);
    if sum != tail {
        return Verdict::Kept;
    }
    hit(2);
    let word = u32::from_be_bytes(body[..4].try_into().unwrap());
    traced_cmp4(0xcafe_f00d, word);
    if word == 0xcafe_f00d {
        hit(3);
    }
    Verdict::Kept
}

static CHECKSUM: FuzzTest = test_of(InputKind::Bytes, magic_behind_a_checksum);

#[test]
fn a_magic_behind_a_checksum_is_found() {
    let mut rig = Rig::new(&CHECKSUM, by_work());
    rig.load(&[b"\n"]);
    let fuzzed = rig.fuzz(20_000);
    assert_eq!(fuzzed.end, JobEnd::Done);
    assert!(rig.log().iter().any(|entry| entry.features.contains(&(3 * 8))));
}

/// Not linear in anything, but near is near.
fn a_square(data: &[u8]) -> Verdict {
    const ROOT: u64 = 0x8765_4321;
    hit(0);
    let Some(word) = data.first_chunk() else { return Verdict::Kept };
    hit(1);
    let root = u64::from(u32::from_le_bytes(*word));
    traced_cmp8(ROOT * ROOT, root * root);
    if root == ROOT {
        hit(2);
    }
    Verdict::Kept
}

static SQUARE: FuzzTest = test_of(InputKind::Bytes, a_square);

#[test]
fn a_comparison_that_nothing_solves_is_climbed_on_a_plateau() {
    let mut rig = Rig::new(&SQUARE, by_work());
    rig.load(&[b"\n"]);
    let is_found = |rig: &mut Rig| rig.log().iter().any(|e| e.features.contains(&(2 * 8)));
    for _ in 0..100 {
        assert_ne!(rig.fuzz(100_000).end, JobEnd::Failed);
        if is_found(&mut rig) {
            return;
        }
    }
    panic!("not found");
}

/// Looks a number up in a long table.
fn looked_up(data: &[u8]) -> Verdict {
    hit(0);
    let Some(word) = data.first_chunk() else { return Verdict::Kept };
    hit(1);
    let word = u32::from_le_bytes(*word);
    for n in 0..150u32 {
        let number = (n + 1).wrapping_mul(0x9e37_79b1);
        traced_values4(number, word);
        if number == word {
            hit(if n == 75 { 3 } else { 2 });
            break;
        }
    }
    Verdict::Kept
}

static TABLE: FuzzTest = test_of(InputKind::Bytes, looked_up);

#[test]
fn a_number_in_the_middle_of_a_long_table_is_found() {
    let mut rig = Rig::new(&TABLE, by_work());
    rig.load(&[b"\x01\x02\x03\x04"]);
    assert_eq!(rig.fuzz(20_000).end, JobEnd::Done);
    assert!(rig.log().iter().any(|entry| entry.features.contains(&(3 * 8))));
}
