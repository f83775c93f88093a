//! Numbers, and what is made smaller as numbers are: integers, integers as floats, the digits and
//! the exponents of floats, durations, characters, addresses.

use crate::shape::Shape;

/// As what a value is a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// As it is.
    Plain,
    /// The digits of a float that is no integer.
    Mantissa,
    /// Its exponent of ten.
    Exponent,
}

/// Sign and magnitude.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number {
    pub(super) is_negative: bool,
    pub(super) magnitude: u128,
}

/// A float by its shortest digits: `mantissa * 10^exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    pub(super) mantissa: u64,
    pub(super) exponent: i32,
    is_negative: bool,
}

impl Decimal {
    /// How many digits there are.
    pub(super) fn n_digits(&self) -> u8 {
        self.mantissa.checked_ilog10().map_or(1, |log| log as u8 + 1)
    }

    /// With so many digits only, towards zero and away from it.
    pub(super) fn rounded(&self, n_digits: u8) -> [Self; 2] {
        let n_less = self.n_digits().saturating_sub(n_digits);
        let down = self.mantissa / 10_u64.pow(n_less.into());
        let exponent = self.exponent + i32::from(n_less);
        [down, down + 1].map(|mantissa| Self { mantissa, exponent, ..*self })
    }

    /// The float; `None` if it is too large for one.
    pub(super) fn put(&self, width: usize) -> Option<Vec<u8>> {
        let sign = if self.is_negative { "-" } else { "" };
        let text = format!("{sign}{}e{}", self.mantissa, self.exponent);
        match width {
            4 => {
                text.parse().ok().filter(|f: &f32| f.is_finite()).map(|f| f.to_le_bytes().to_vec())
            }
            _ => {
                text.parse().ok().filter(|f: &f64| f.is_finite()).map(|f| f.to_le_bytes().to_vec())
            }
        }
    }
}

/// Up to here, every integer is a float.
const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;
const NANOS: u128 = 1_000_000_000;

/// A float of either width.
pub(super) fn float(value: &[u8]) -> f64 {
    match (value.try_into(), value.try_into()) {
        (Ok(value), _) => f64::from_le_bytes(value),
        (_, Ok(value)) => f32::from_le_bytes(value).into(),
        _ => 0.0,
    }
}

/// The bytes of a float of either width.
pub(super) fn put_float(float: f64, width: usize) -> Vec<u8> {
    match width {
        4 => (float as f32).to_le_bytes().to_vec(),
        _ => float.to_le_bytes().to_vec(),
    }
}

/// The digits of a float; `None` of what is no number.
pub(super) fn decimal(value: &[u8]) -> Option<Decimal> {
    let float = float(value);
    let text = match value.try_into() {
        Ok(value) => format!("{:e}", f32::from_le_bytes(value)),
        Err(_) => format!("{float:e}"),
    };
    let (digits, exponent) = text.trim_start_matches('-').split_once('e')?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    Some(Decimal {
        mantissa: format!("{whole}{fraction}").parse().ok()?,
        exponent: exponent.parse::<i32>().ok()? - fraction.len() as i32,
        is_negative: float.is_sign_negative(),
    })
}

/// The number that a value is; `None` if it is none on that scale.
pub(super) fn read(shape: &Shape, scale: Scale, value: &[u8]) -> Option<Number> {
    let positive = |magnitude| Number { is_negative: false, magnitude };
    Some(match (shape, scale) {
        (Shape::Unsigned(_) | Shape::Char, _) => positive(little(value)),
        (Shape::Signed(_), _) => {
            let unused = 128 - 8 * value.len() as u32;
            let number = ((little(value) << unused) as i128) >> unused;
            Number { is_negative: number < 0, magnitude: number.unsigned_abs() }
        }
        (Shape::Float(_), Scale::Plain) => {
            let float = float(value);
            if float.fract() != 0.0 || float.abs() > LARGEST_EXACT {
                return None;
            }
            Number { is_negative: float.is_sign_negative(), magnitude: float.abs() as u128 }
        }
        (Shape::Float(_), scale) => {
            if read(shape, Scale::Plain, value).is_some() {
                return None;
            }
            let decimal = decimal(value)?;
            match scale {
                Scale::Exponent => Number {
                    is_negative: decimal.exponent < 0,
                    magnitude: decimal.exponent.unsigned_abs().into(),
                },
                _ => {
                    Number { is_negative: decimal.is_negative, magnitude: decimal.mantissa.into() }
                }
            }
        }
        (Shape::Duration, _) => {
            let (secs, nanos) = value.split_at_checked(8)?;
            positive(little(secs) * NANOS + little(nanos))
        }
        (Shape::Ip, _) => positive(big(&value[1..])),
        (Shape::Ipv4 | Shape::Ipv6, _) => positive(big(value)),
        _ => return None,
    })
}

/// The value that is another number, with `old` in what the scale leaves as it is; `None` if there
/// is none.
pub(super) fn write(shape: &Shape, scale: Scale, number: Number, old: &[u8]) -> Option<Vec<u8>> {
    let Number { is_negative, magnitude } = number;
    match (shape, scale) {
        (Shape::Char, _) => {
            let char = char::from_u32(u32::try_from(magnitude).ok()?)?;
            Some(u32::from(char).to_le_bytes().to_vec())
        }
        (Shape::Unsigned(_) | Shape::Signed(_), _) => {
            let signed = if is_negative { magnitude.wrapping_neg() } else { magnitude };
            let value = signed.to_le_bytes()[..old.len()].to_vec();
            (read(shape, scale, &value) == Some(number)).then_some(value)
        }
        (Shape::Float(width), Scale::Plain) => {
            let float = magnitude as f64;
            let value = put_float(if is_negative { -float } else { float }, *width);
            (read(shape, scale, &value) == Some(number)).then_some(value)
        }
        (Shape::Float(width), Scale::Mantissa) => {
            let mantissa = u64::try_from(magnitude).ok()?;
            Decimal { mantissa, is_negative, ..decimal(old)? }.put(*width)
        }
        (Shape::Float(width), Scale::Exponent) => {
            let exponent = i32::try_from(magnitude).ok()?;
            let exponent = if is_negative { -exponent } else { exponent };
            Decimal { exponent, ..decimal(old)? }.put(*width)
        }
        (Shape::Duration, _) => {
            let secs = u64::try_from(magnitude / NANOS).ok()?;
            let nanos = (magnitude % NANOS) as u32;
            Some([&secs.to_le_bytes()[..], &nanos.to_le_bytes()].concat())
        }
        (Shape::Ip | Shape::Ipv4 | Shape::Ipv6, _) => {
            let mut value = old.to_vec();
            let octets = &mut value[usize::from(*shape == Shape::Ip)..];
            let bytes = magnitude.to_be_bytes();
            let at = bytes.len() - octets.len();
            octets.copy_from_slice(&bytes[at..]);
            Some(value)
        }
        _ => None,
    }
}

fn little(bytes: &[u8]) -> u128 {
    let mut wide = [0; 16];
    wide[..bytes.len()].copy_from_slice(bytes);
    u128::from_le_bytes(wide)
}

fn big(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0, |number, byte| number << 8 | u128::from(*byte))
}

/// What is tried of a number next. 0 was tried before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Without its sign.
    Positive,
    /// Its so many highest bits alone.
    Top(u32),
    /// Without this bit.
    Bit(u32),
    /// Half the way to what was too small.
    Above(u128),
    /// Less by some number below ten, or a multiple of it.
    Less {
        by: u128,
        times: u128,
    },
    Done,
}

/// A search for the smallest number that does: without each of its bits, then by halves.
#[derive(Clone, Debug)]
pub(super) struct Search {
    scale: Scale,
    step: Step,
    n_less: u32,
}

impl Search {
    pub(super) fn new(scale: Scale) -> Self {
        Self { scale, step: Step::Positive, n_less: 0 }
    }

    /// The next value to try in the place of this one.
    pub(super) fn next(&mut self, shape: &Shape, value: &[u8]) -> Option<Vec<u8>> {
        loop {
            let number = read(shape, self.scale, value)?;
            let magnitude = number.magnitude;
            let smaller = match self.step {
                Step::Positive if number.is_negative => {
                    Some(Number { is_negative: false, ..number })
                }
                Step::Top(n_bits) => {
                    let rest = (128 - magnitude.leading_zeros()).saturating_sub(n_bits);
                    Some(Number { magnitude: magnitude >> rest, ..number })
                }
                Step::Bit(bit) if magnitude & 1 << bit != 0 => {
                    Some(Number { magnitude: magnitude ^ 1 << bit, ..number })
                }
                Step::Above(low) if magnitude > low + 1 => {
                    let magnitude = low + (magnitude - low) / 2;
                    Some(Number { magnitude, ..number })
                }
                Step::Less { by, times } => {
                    let smaller = by.checked_mul(times).and_then(|by| magnitude.checked_sub(by));
                    smaller.map(|magnitude| Number { magnitude, ..number })
                }
                Step::Done => return None,
                _ => None,
            };
            let new = smaller.and_then(|number| write(shape, self.scale, number, value));
            match new.filter(|new| new != value) {
                Some(new) => return Some(new),
                None => self.advance(number, false),
            }
        }
    }

    /// What came of it, for the value that it was tried in the place of.
    pub(super) fn answer(&mut self, shape: &Shape, old: &[u8], fails: bool) {
        if let Some(number) = read(shape, self.scale, old) {
            self.advance(number, fails);
        }
    }

    fn advance(&mut self, old: Number, fails: bool) {
        /// Up to so many bits, which is what small numbers have.
        const MOST_TOP: u32 = 16;
        /// So many numbers that are less, where every few of them do.
        const MOST_LESS: u32 = 60;
        let bits = 128 - old.magnitude.leading_zeros();
        self.n_less += u32::from(matches!(self.step, Step::Less { .. }));
        self.step = match self.step {
            Step::Positive if bits > 0 => Step::Top(1),
            Step::Positive => Step::Done,
            Step::Top(n_bits) if !fails && n_bits < bits.min(MOST_TOP) => Step::Top(n_bits + 1),
            Step::Top(_) => Step::Bit(bits - 1),
            Step::Bit(0) => Step::Above(0),
            Step::Bit(bit) => Step::Bit(bit - 1),
            Step::Above(low) if fails => Step::Above(low),
            Step::Above(low) if old.magnitude > low + 1 => {
                Step::Above(low + (old.magnitude - low) / 2)
            }
            Step::Above(_) => Step::Less { by: 2, times: 1 },
            Step::Less { .. } if self.n_less >= MOST_LESS => Step::Done,
            Step::Less { by, times } if fails => Step::Less { by, times: times * 2 },
            Step::Less { by, times } if times > 1 => Step::Less { by, times: 1 },
            Step::Less { by, .. } if by < 10 => Step::Less { by: by + 1, times: 1 },
            Step::Less { .. } | Step::Done => Step::Done,
        };
    }
}
