//! Lists of integers in few bytes: differences, zigzag, base 128.
//!
//! A sorted list of numbers (posting lists, timestamps, offsets) takes little more than a byte a
//! number this way. The fuzz tests at the end stand beside the unit tests, because what they test
//! is private:
//!
//! ```console
//! $ cargo shmfuzz run -p varint --time 10s
//! ```

use std::fmt;

/// Why bytes are no list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// A number goes on after the last byte.
    Cut,
    /// A number has more than 64 bits.
    TooLarge,
    /// A number has a shorter form. Only the shortest is accepted, so that equal lists have equal
    /// bytes.
    NotShortest,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cut => "a number goes on after the last byte",
            Self::TooLarge => "a number has more than 64 bits",
            Self::NotShortest => "a number is not in its shortest form",
        })
    }
}

impl std::error::Error for Error {}

/// Encodes a list.
///
/// ```
/// let bytes = varint::encode(&[1_000_000, 1_000_003, 1_000_001]);
/// assert_eq!(bytes.len(), 5);
/// assert_eq!(varint::decode(&bytes).unwrap(), [1_000_000, 1_000_003, 1_000_001]);
/// ```
pub fn encode(numbers: &[u64]) -> Vec<u8> {
    let mut out = Vec::with_capacity(numbers.len());
    let mut before = 0_u64;
    for number in numbers {
        put(&mut out, zigzag(number.wrapping_sub(before).cast_signed()));
        before = *number;
    }
    out
}

/// Decodes a list.
///
/// # Errors
/// If the bytes are not what [`encode`] makes of some list.
pub fn decode(mut bytes: &[u8]) -> Result<Vec<u64>, Error> {
    let mut numbers = Vec::new();
    let mut before = 0_u64;
    while !bytes.is_empty() {
        before = before.wrapping_add(unzigzag(take(&mut bytes)?).cast_unsigned());
        numbers.push(before);
    }
    Ok(numbers)
}

/// Small numbers of either sign become small numbers: 0, -1, 1, -2 become 0, 1, 2, 3.
fn zigzag(n: i64) -> u64 {
    (n << 1 ^ n >> 63).cast_unsigned()
}

fn unzigzag(n: u64) -> i64 {
    (n >> 1).cast_signed() ^ -(n & 1).cast_signed()
}

/// Seven bits a byte, the lowest first; the high bit says that more follow.
fn put(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n.to_le_bytes()[0] | 0x80);
        n >>= 7;
    }
    out.push(n.to_le_bytes()[0]);
}

fn take(bytes: &mut &[u8]) -> Result<u64, Error> {
    let mut n = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(Error::Cut)?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            return Err(Error::TooLarge);
        }
        n |= bits << shift;
        if byte & 0x80 == 0 {
            return if *byte == 0 && shift > 0 { Err(Error::NotShortest) } else { Ok(n) };
        }
    }
    Err(Error::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shmfuzz_runtime::fuzz_test;

    #[test]
    fn numbers_near_zero_take_one_byte() {
        for n in [0, 1, -1, 63, -64] {
            let mut out = Vec::new();
            put(&mut out, zigzag(n));
            assert_eq!(out.len(), 1, "{n}");
            assert_eq!(unzigzag(zigzag(n)), n);
        }
    }

    /// Bytes that are a number are the only form of that number.
    #[fuzz_test(seeds = ["\u{0}", "\u{7f}\u{1}", "zz"])]
    fn take_undoes_put(data: &[u8]) {
        let mut rest = data;
        let Ok(n) = take(&mut rest) else { return };
        let mut again = Vec::new();
        put(&mut again, n);
        assert_eq!(again, data[..data.len() - rest.len()]);
        assert_eq!(zigzag(unzigzag(n)), n);
    }

    /// The same of whole lists; an error that is none is a failure, too.
    #[fuzz_test(seeds = ["", "abc"])]
    fn lists_come_back(data: &[u8]) -> Result<(), Error> {
        let Ok(numbers) = decode(data) else { return Ok(()) };
        assert_eq!(encode(&numbers), data);
        assert_eq!(decode(&encode(&numbers))?, numbers);
        Ok(())
    }
}
