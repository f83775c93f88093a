//! Which parts of this process's memory never change, as the system lists them.
//!
//! It owns two lists: where read-only data stands and where code does. Invariant: what lies in
//! neither is nobody's constant; data that the program changes would differ from run to run.

use std::ops::Range;

/// Ranges of addresses, sorted.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    data: Vec<Range<u64>>,
    code: Vec<Range<u64>>,
}

impl Ranges {
    /// Those of this process now; none where the system does not tell.
    pub(super) fn of_this_process() -> Self {
        Self::parse(&std::fs::read_to_string("/proc/self/maps").unwrap_or_default())
    }

    /// From Linux' list of mappings. Memory of no file was made by the program.
    fn parse(maps: &str) -> Self {
        let mut ranges = Self::default();
        for line in maps.lines() {
            let mut fields = line.split_ascii_whitespace();
            let (Some(range), Some(rights), Some(path)) =
                (fields.next(), fields.next(), fields.nth(3))
            else {
                continue;
            };
            let Some((start, end)) = range.split_once('-') else { continue };
            let address = |digits| u64::from_str_radix(digits, 16);
            let (Ok(start), Ok(end)) = (address(start), address(end)) else { continue };
            if !path.starts_with('/') {
                continue;
            }
            match rights {
                "r--p" => ranges.data.push(start..end),
                "r-xp" => ranges.code.push(start..end),
                _ => {}
            }
        }
        ranges.data.sort_unstable_by_key(|range| range.start);
        ranges.code.sort_unstable_by_key(|range| range.start);
        ranges
    }

    /// How many bytes of read-only data stand at an address.
    pub(super) fn data_at(&self, address: u64) -> usize {
        part(&self.data, address).map_or(0, |range| (range.end - address) as usize)
    }

    /// Whether code stands at an address.
    pub(super) fn is_code(&self, address: u64) -> bool {
        part(&self.code, address).is_some()
    }
}

fn part(ranges: &[Range<u64>], address: u64) -> Option<&Range<u64>> {
    let idx = ranges.partition_point(|range| range.start <= address).checked_sub(1)?;
    Some(&ranges[idx]).filter(|range| address < range.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_and_code_of_files_are_told_apart_from_what_may_change() {
        let maps = "\
            5000-6000 r--p 00000000 08:01 42   /bin/a b\n\
            6000-8000 r-xp 00001000 08:01 42   /bin/a b\n\
            8000-9000 rw-p 00001000 08:01 42   /bin/a b\n\
            a000-b000 r--p 00000000 00:00 0\n\
            b000-c000 r--p 00000000 00:00 0    [vvar]\n\
            1000-2000 r--p 00000000 08:01 43   /lib/c\n\
            garbage\nx-y r--p 0 0 0 /z\n";
        let ranges = Ranges::parse(maps);
        assert_eq!(ranges.data_at(0x5ff0), 16);
        assert_eq!(ranges.data_at(0x1000), 0x1000);
        for address in [0, 0x6000, 0x8000, 0xa000, 0xb000, u64::MAX] {
            assert_eq!(ranges.data_at(address), 0, "{address:x}");
        }
        assert!(ranges.is_code(0x7fff) && !ranges.is_code(0x8000) && !ranges.is_code(0x5000));
    }
}
