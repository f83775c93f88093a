//! Hand-overs, growth and garbage on real mappings; both sides live in this process.

use super::*;
use crate::{entries, words};
use proptest::prelude::*;

fn pair(value_size: usize) -> (Mapping, Turn, Mapping) {
    let (coordinator, turn) = Mapping::create(value_size).expect("room for a mapping");
    let file = coordinator.file().expect("the coordinator keeps the file");
    let worker = Mapping::attach(file).expect("a mapping of this version");
    (coordinator, turn, worker)
}

#[test]
fn a_value_travels_both_ways() {
    let (coordinator, mut turn, worker) = pair(64);
    coordinator.set_value(&mut turn, b"seed").unwrap();
    assert!(worker.take().is_none());
    coordinator.give(turn);
    let mut turn = worker.take().unwrap();
    assert_eq!(worker.value_ref(&turn).unwrap(), b"seed");
    let mut area = worker.input_area(&mut turn).unwrap();
    area.set_len(5);
    area.write(4, b"!");
    worker.set_value_len(&mut turn, 5).unwrap();
    worker.header().raw_in_mem.store(1, Ordering::Relaxed);
    worker.give_as_is(turn);
    let turn = coordinator.take().unwrap();
    assert_eq!(coordinator.value_copy(&turn).unwrap(), b"seed!");
    assert_eq!(coordinator.header().raw_in_mem.load(Ordering::Relaxed), 1);
    coordinator.give(turn);
    assert_eq!(worker.header().raw_in_mem.load(Ordering::Relaxed), 0);
}

#[test]
fn a_larger_value_grows_the_area_without_moving_it() {
    let (coordinator, mut turn, worker) = pair(16);
    let large = vec![7; 300_000];
    let error = coordinator.set_value(&mut turn, &large).unwrap_err();
    assert!(matches!(error, MappingError::OverCapacity { asked: 300_000, capacity: 16 }));
    let before = worker.at(INPUT_AT);
    coordinator.grow(&mut turn, large.len()).unwrap();
    coordinator.set_value(&mut turn, &large).unwrap();
    coordinator.give(turn);
    let turn = worker.take().unwrap();
    assert_eq!(worker.value_ref(&turn).unwrap(), large);
    assert_eq!(worker.at(INPUT_AT), before);
    assert!(coordinator.grow(&mut Mapping::reclaim(&coordinator), MAX_VALUE_LEN + 1).is_err());
}

#[test]
fn growth_takes_space_on_the_disk() {
    use std::os::unix::fs::MetadataExt;
    let (coordinator, mut turn, _worker) = pair(16);
    coordinator.grow(&mut turn, 1 << 20).unwrap();
    let allocated = coordinator.file().unwrap().metadata().unwrap().blocks() * 512;
    assert!(allocated >= (INPUT_AT + (1 << 20)) as u64, "{allocated} bytes allocated");
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_that_cannot_grow_is_told_with_its_directory_and_a_way_out() {
    let (mut coordinator, mut turn, _worker) = pair(16);
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len((INPUT_AT + 16) as u64).unwrap();
    coordinator.file = Some(File::open(file.path()).unwrap());
    let error = coordinator.grow(&mut turn, 1 << 20).unwrap_err().to_string();
    let dir = file.path().parent().unwrap().display().to_string();
    assert!(error.contains(&format!("file in {dir} ")), "{error}");
    assert!(error.contains("--shm-size") && error.contains("--max-len"), "{error}");
    coordinator.set_value(&mut turn, b"still there").unwrap();
}

#[test]
fn nobody_else_may_read_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let file = temp_file(16).unwrap();
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn foreign_files_and_other_versions_are_refused() {
    let file = tempfile::tempfile().unwrap();
    assert!(matches!(Mapping::attach(&file), Err(MappingError::Foreign { .. })));
    file.set_len(INPUT_AT as u64).unwrap();
    assert!(matches!(Mapping::attach(&file), Err(MappingError::Foreign { .. })));

    let (coordinator, _turn, _worker) = pair(16);
    coordinator.header().version.store(99, Ordering::Relaxed);
    let error = Mapping::attach(coordinator.file().unwrap()).unwrap_err().to_string();
    assert!(error.contains(RUNTIME_VERSION) && error.contains("cargo update"), "{error}");
    coordinator.header().version.store(layout::VERSION, Ordering::Relaxed);
    coordinator.header().log_len.store(5, Ordering::Relaxed);
    let error = Mapping::attach(coordinator.file().unwrap()).unwrap_err();
    assert!(matches!(error, MappingError::Corrupt { field: "log_len", value: 5 }));
}

#[test]
fn a_capacity_beyond_the_file_is_refused() {
    let (coordinator, _turn, _worker) = pair(16);
    coordinator.header().capacity.store(1 << 20, Ordering::Relaxed);
    assert!(Mapping::attach(coordinator.file().unwrap()).is_err());
}

#[test]
fn a_lying_capacity_does_not_reach_the_coordinator() {
    let (coordinator, turn, _worker) = pair(16);
    coordinator.header().capacity.store(1 << 29, Ordering::Relaxed);
    coordinator.header().value_len.store(1 << 28, Ordering::Relaxed);
    assert!(matches!(
        coordinator.value_copy(&turn),
        Err(MappingError::Corrupt { field: "value_len", .. })
    ));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Random bytes over the header, and random bytes at random places of the areas.
    #[test]
    fn garbage_never_panics_the_coordinator(
        header in prop::collection::vec(any::<u8>(), size_of::<Header>()),
        keep in 0..size_of::<Header>(),
        areas: Vec<(u32, [u8; 8])>,
        small in any::<[u8; 6]>(),
    ) {
        let (coordinator, turn, _worker) = pair(256);
        coordinator.copy_in(keep, &header[keep..]);
        for (at, bytes) in areas {
            let at = layout::HEADER_LEN + at as usize % (INPUT_AT - layout::HEADER_LEN);
            coordinator.copy_in(at.min(INPUT_AT - 8), &bytes);
        }
        // Lengths that pass the first check, so that what they cover is read as well.
        coordinator.header().log_used.store(u64::from(small[0]) * 64, Ordering::Relaxed);
        coordinator.header().words_used.store(u32::from(small[1]) * 64, Ordering::Relaxed);
        let _ = coordinator.phase();
        let _ = coordinator.value_copy(&turn);
        let _ = entries::read_log(&coordinator, &turn);
        let _ = words::read(&coordinator, &turn);
        coordinator.copy_in(keep, &header[keep..]);
        let _ = coordinator.phase();
        let _ = coordinator.take();
        let _ = coordinator.value_copy(&turn);
        let _ = entries::read_log(&coordinator, &turn);
        let _ = words::read(&coordinator, &turn);
    }

    /// Entries and words whose first checks pass, with extreme or fitting numbers in every field.
    #[test]
    fn garbage_behind_the_first_checks_never_panics_the_coordinator(
        entries in prop::collection::vec(prop::array::uniform16(field()), 1..4),
        words in prop::array::uniform16(field()),
        cut in 0..64_u64,
    ) {
        let (coordinator, turn, _worker) = pair(16);
        let mut log: Vec<u8> = entries.iter().flat_map(log_entry).collect();
        log.extend([0; 64]);
        coordinator.copy_in(layout::LOG_AT, &log);
        coordinator.header().log_used.store(log.len() as u64 - cut, Ordering::Relaxed);
        let log = entries::read_log(&coordinator, &turn);
        // What follows the entries is none, so reading always ends at damage.
        prop_assert!(log.entries.len() <= entries.len() && log.damage.is_some());
        for (entry, fields) in log.entries.iter().zip(&entries) {
            prop_assert!(entry.features.len() * 4 + entry.input.len() <= ENTRY_LEN - 64);
            prop_assert_eq!(entry.features.len(), fields[10] as usize);
        }

        let bytes: Vec<u8> = words.iter().flat_map(|n| n.to_le_bytes()).collect();
        coordinator.copy_in(layout::WORDS_AT, &bytes);
        coordinator.header().words_used.store(64, Ordering::Relaxed);
        let _ = words::read(&coordinator, &turn);
    }
}

/// Bytes of each entry of [`log_entry`].
const ENTRY_LEN: usize = 96;

/// A number of an entry or of last words: one that often fits, or one at an end of the range.
fn field() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 0..3_u32, 4 => 0..40_u32, 1 => u32::MAX - 3..=u32::MAX, 1 => any::<u32>()]
}

/// An entry of fitting length and checksum, with these numbers from its 16th byte on.
fn log_entry(fields: &[u32; 16]) -> Vec<u8> {
    let mut bytes = vec![0; ENTRY_LEN];
    bytes[..8].copy_from_slice(&(ENTRY_LEN as u64).to_le_bytes());
    for (place, field) in bytes[16..].chunks_exact_mut(4).zip(fields) {
        place.copy_from_slice(&field.to_le_bytes());
    }
    let sum = entries::checksum(&bytes[16..]);
    bytes[8..16].copy_from_slice(&sum.to_le_bytes());
    bytes
}

#[test]
fn the_garbage_in_entries_passes_their_checksum() {
    let (coordinator, turn, _worker) = pair(16);
    let mut fields = [0; 16];
    (fields[10], fields[11]) = (3, 17);
    coordinator.copy_in(layout::LOG_AT, &log_entry(&fields));
    coordinator.header().log_used.store(ENTRY_LEN as u64, Ordering::Relaxed);
    let log = entries::read_log(&coordinator, &turn);
    assert_eq!((log.entries.len(), log.damage), (1, None));
    assert_eq!((log.entries[0].features.len(), log.entries[0].input.len()), (3, 17));
}
