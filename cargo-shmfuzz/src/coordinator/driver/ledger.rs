//! What of a campaign is on disk, and what still waits because the disk refused it.
//!
//! Invariant: an input that the engine wanted saved is on the disk or waits here, until the
//! campaign's end says otherwise; what waits is bounded for entries, never dropped for findings.

use crate::coordinator::campaign::{Bytes, FindingId, TestIdx};
use crate::coordinator::notice::Notice;
use crate::coordinator::store::{Failing, Store};
use crate::show;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often the disk is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// How many bytes of entries wait at most.
const WAITING_BYTES: usize = 64 << 20;

/// An entry to be saved.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) test: TestIdx,
    pub(super) input: Bytes,
    pub(super) replaces: Option<Bytes>,
}

/// The ledger.
#[derive(Debug)]
pub(super) struct Ledger {
    store: Store,
    paths: HashMap<FindingId, PathBuf>,
    /// The slowest input of each fuzz test.
    slowest: HashMap<TestIdx, PathBuf>,
    waiting_entries: VecDeque<Entry>,
    waiting_bytes: usize,
    n_dropped: usize,
    waiting_findings: BTreeMap<FindingId, Failing>,
    next_try: Instant,
    warnings: Vec<Notice>,
    has_warned_of_entries: bool,
}

impl Ledger {
    pub(super) fn new(store: Store) -> Self {
        Self {
            store,
            paths: HashMap::new(),
            slowest: HashMap::new(),
            waiting_entries: VecDeque::new(),
            waiting_bytes: 0,
            n_dropped: 0,
            waiting_findings: BTreeMap::new(),
            next_try: Instant::now(),
            warnings: Vec::new(),
            has_warned_of_entries: false,
        }
    }

    /// The file of a finding, once it has one.
    pub(super) fn path(&self, finding: FindingId) -> Option<&Path> {
        self.paths.get(&finding).map(PathBuf::as_path)
    }

    /// The file of a fuzz test's slowest input, if it could be written.
    pub(super) fn slowest(&self, test: TestIdx) -> Option<&Path> {
        self.slowest.get(&test).map(PathBuf::as_path)
    }

    /// It is no finding, and not tried again where the disk refuses it.
    pub(super) fn save_slowest(&mut self, test: TestIdx, input: &[u8]) {
        match self.store.save_slowest(test, input) {
            Ok(path) => drop(self.slowest.insert(test, path)),
            Err(error) => {
                self.slowest.remove(&test);
                self.warn(test, show::error(&error));
            }
        }
    }

    /// What should be told, once.
    pub(super) fn take_warnings(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.warnings)
    }

    pub(super) fn save_entry(&mut self, entry: Entry) {
        let Err(error) = self.try_entry(&entry) else { return };
        if !self.has_warned_of_entries {
            self.has_warned_of_entries = true;
            self.warn(
                entry.test,
                format!("{}; fuzzing goes on, and it is tried again", show::error(&error)),
            );
        }
        self.waiting_bytes += entry.input.len();
        self.waiting_entries.push_back(entry);
        while self.waiting_bytes > WAITING_BYTES {
            let Some(dropped) = self.waiting_entries.pop_front() else { break };
            self.waiting_bytes -= dropped.input.len();
            self.n_dropped += 1;
        }
    }

    fn try_entry(&mut self, entry: &Entry) -> anyhow::Result<()> {
        self.store.save_entry(entry.test, &entry.input, entry.replaces.as_deref())
    }

    /// What stands in the file of an input.
    pub(super) fn file_of(&self, test: TestIdx, input: &[u8]) -> Bytes {
        self.store.home(test).to_file(input).as_ref().into()
    }

    pub(super) fn save_finding(&mut self, finding: FindingId, failing: Failing) {
        // What waited was the larger input of the same finding.
        self.waiting_findings.remove(&finding);
        if let Err(error) = self.try_finding(finding, &failing) {
            let text = format!(
                "{}; the failing input is kept in memory and tried again",
                show::error(&error)
            );
            self.warn(failing.test, text);
            self.waiting_findings.insert(finding, failing);
        }
    }

    fn try_finding(&mut self, finding: FindingId, failing: &Failing) -> anyhow::Result<()> {
        let saved = self.store.save_finding(failing)?;
        if let Some(warning) = saved.warning {
            self.warn(failing.test, warning);
        }
        self.paths.insert(finding, saved.path);
        Ok(())
    }

    /// Tries again what the disk refused, from time to time.
    pub(super) fn retry(&mut self, now: Instant) {
        let is_idle = self.waiting_entries.is_empty() && self.waiting_findings.is_empty();
        if !is_idle && now >= self.next_try {
            self.next_try = now + RETRY;
            self.try_all();
        }
    }

    /// The last try. What is still not on the disk then is told; -> how many findings are not.
    pub(super) fn close(&mut self) -> usize {
        self.try_all();
        let unsaved = std::mem::take(&mut self.waiting_findings);
        for failing in unsaved.values() {
            let text = format!("a failing input could not be saved: {}", escaped(&failing.input));
            self.warn(failing.test, text);
        }
        let n_lost = self.waiting_entries.len() + self.n_dropped;
        if let Some(test) = self.waiting_entries.front().map(|entry| entry.test) {
            let text = format!("{n_lost} entries of the corpus could not be saved");
            self.warn(test, text);
        }
        unsaved.len()
    }

    fn try_all(&mut self) {
        for (finding, failing) in std::mem::take(&mut self.waiting_findings) {
            if self.try_finding(finding, &failing).is_err() {
                self.waiting_findings.insert(finding, failing);
            }
        }
        while let Some(entry) = self.waiting_entries.pop_front() {
            if self.try_entry(&entry).is_err() {
                self.waiting_entries.push_front(entry);
                break;
            }
            self.waiting_bytes -= entry.input.len();
        }
    }

    fn warn(&mut self, test: TestIdx, text: String) {
        self.warnings.push(Notice::Warning { test: Some(test), text });
    }
}

/// An input as text that can be pasted into a byte string; the start of it, if it is long.
fn escaped(input: &[u8]) -> String {
    const SHOWN: usize = 4096;
    let start = &input[..input.len().min(SHOWN)];
    let rest = input.len() - start.len();
    let more = if rest == 0 { String::new() } else { format!(" and {rest} bytes more") };
    format!("b\"{}\"{more}", start.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinator::action::Shelf;
    use crate::coordinator::store::{Home, Root};
    use shmfuzz_runtime::kind::FailureKind;
    use shmfuzz_runtime::limits::Limits;
    use shmfuzz_runtime::record::InputKind;
    use std::fs;

    const TEST: TestIdx = TestIdx(0);

    fn ledger(dir: &Path) -> Ledger {
        let home = Home {
            package: "package".to_owned(),
            folder: "test".to_owned(),
            seed_folder: dir.join("testdata/fuzz/test"),
            kind: InputKind::Bytes,
            shape: None,
            older: std::sync::Arc::default(),
            limits: Limits::DEFAULT,
            own_limits: Limits::DEFAULT,
        };
        Ledger::new(Store::new(&Root::Given(dir.join("corpus")), vec![home]))
    }

    fn entry(input: &[u8]) -> Entry {
        Entry { test: TEST, input: input.into(), replaces: None }
    }

    fn texts(ledger: &mut Ledger) -> Vec<String> {
        let text = |notice| match notice {
            Notice::Warning { text, .. } => text,
            notice => panic!("{notice:?}"),
        };
        ledger.take_warnings().into_iter().map(text).collect()
    }

    #[test]
    fn entries_wait_for_a_disk_that_works_and_are_complained_about_once() {
        let dir = tempfile::tempdir().unwrap();
        // A file where the folder should be: an error that even root gets.
        fs::write(dir.path().join("corpus"), "").unwrap();
        let mut ledger = ledger(dir.path());
        ledger.save_entry(entry(b"one"));
        ledger.save_entry(entry(b"two"));
        let warnings = texts(&mut ledger);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        let wanted = dir.path().join("corpus/package/test");
        assert!(warnings[0].starts_with(&format!("cannot write {}", wanted.display())));
        fs::remove_file(dir.path().join("corpus")).unwrap();
        ledger.retry(Instant::now());
        assert_eq!(fs::read_dir(wanted).unwrap().count(), 2);
        assert_eq!((ledger.close(), ledger.waiting_bytes), (0, 0));
        assert!(texts(&mut ledger).is_empty());
    }

    #[test]
    fn what_waits_is_bounded_and_counted_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("corpus"), "").unwrap();
        let mut ledger = ledger(dir.path());
        for n in 0..5 {
            ledger.save_entry(entry(&vec![n; 20 << 20]));
        }
        assert!(ledger.waiting_bytes <= WAITING_BYTES);
        texts(&mut ledger);
        ledger.close();
        assert_eq!(texts(&mut ledger), ["5 entries of the corpus could not be saved"]);
    }

    #[test]
    fn a_finding_knows_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = ledger(dir.path());
        let failing = |input: &[u8], replaces: Option<&[u8]>| Failing {
            test: TEST,
            kind: FailureKind::Panic,
            input: input.into(),
            replaces: replaces.map(Bytes::from),
            shelf: Shelf::Testdata,
        };
        assert_eq!(ledger.path(FindingId(1)), None);
        ledger.save_finding(FindingId(1), failing(b"large", None));
        assert_eq!(fs::read(ledger.path(FindingId(1)).unwrap()).unwrap(), b"large");
        ledger.save_finding(FindingId(1), failing(b"s", Some(b"large")));
        assert_eq!(fs::read(ledger.path(FindingId(1)).unwrap()).unwrap(), b"s");
        assert!(texts(&mut ledger).is_empty());
    }

    #[test]
    fn bytes_are_shown_so_that_they_can_be_pasted() {
        assert_eq!(escaped(b"a\n\xff\""), r#"b"a\n\xff\"""#);
        assert!(escaped(&[0; 5000]).ends_with("\" and 904 bytes more"));
    }
}
