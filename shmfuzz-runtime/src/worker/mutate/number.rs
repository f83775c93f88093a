//! Numbers in ASCII digits: find one, give it another value.

use super::edit::{self, Room};
use crate::area::Area;
use crate::worker::random::Random;

/// Digits of a number that is changed, at most.
const MAX_DIGITS: usize = 18;

/// Values that programs treat specially.
const SPECIAL: [u64; 12] = [
    0,
    1,
    10,
    127,
    128,
    255,
    256,
    65_535,
    65_536,
    2_147_483_647,
    4_294_967_296,
    9_223_372_036_854_775_807,
];

/// Changes a number; false if there is none, or no room.
pub(super) fn mutate(area: &mut Area<'_>, random: &mut Random, room: Room) -> bool {
    let start = random.index(area.len());
    let Some((at, n)) = find(area.as_slice(), start) else { return false };
    let digits = area.as_slice()[at..at + n].iter();
    let value = digits.fold(0u64, |value, digit| value * 10 + u64::from(digit - b'0'));
    let value = match random.below(6) {
        0 => value + 1 + u64::from(random.below(9)),
        1 => value.saturating_sub(1 + u64::from(random.below(9))),
        2 => value / 2,
        3 => value * 2,
        4 => random.bits() % (value.saturating_mul(value).max(100)),
        _ => SPECIAL[random.index(SPECIAL.len())],
    };
    let mut buffer = [0; 20];
    edit::replace(area, at, n, in_decimal(value, &mut buffer), room)
}

/// The first run of digits at or after `start`, else the first of all; with its length.
fn find(bytes: &[u8], start: usize) -> Option<(usize, usize)> {
    let from = |at: usize| Some(at + bytes[at..].iter().position(u8::is_ascii_digit)?);
    let at = from(start).or_else(|| from(0))?;
    let before = bytes[..at].iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let at = at - before.min(MAX_DIGITS - 1);
    let n = bytes[at..].iter().take(MAX_DIGITS).take_while(|b| b.is_ascii_digit()).count();
    Some((at, n))
}

/// Without an allocation.
fn in_decimal(mut value: u64, buffer: &mut [u8; 20]) -> &[u8] {
    let mut at = buffer.len();
    loop {
        at -= 1;
        buffer[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            return &buffer[at..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(start: &str, answers: &[u64], expected: Option<&str>) {
        let mut buffer = [0; 40];
        let mut area = Area::over(&mut buffer, 0);
        area.assign(start.as_bytes());
        let mut random = Random::scripted(answers);
        let changed = mutate(&mut area, &mut random, Room(40));
        let got = std::str::from_utf8(area.as_slice()).unwrap();
        assert_eq!(changed.then_some(got), expected, "{start} {answers:?}");
        assert!(random.is_used_up());
    }

    #[test]
    fn a_number_gets_another_value() {
        check("a99b", &[0, 0, 0], Some("a100b"));
        check("a100b", &[2, 1, 0], Some("a99b"));
        check("a100b", &[4, 2], Some("a50b"));
        check("a100b", &[4, 3], Some("a200b"));
        check("x7", &[0, 4, 1234], Some("x34"));
        check("1,2", &[2, 5, 11], Some("1,9223372036854775807"));
        check("none", &[0], None);
        check("", &[0], None);
    }

    #[test]
    fn long_runs_of_digits_are_changed_in_part() {
        check("11111111112222222222", &[19, 2], Some("1155555556111111111"));
    }
}
