//! Campaigns to which something happens at a random moment: what they have reported is on the disk,
//! and nothing else is left of them.
//!
//! `SHMFUZZ_FAULTS` says how many campaigns there are, `SHMFUZZ_FAULT_SEED` what all that is random
//! about them comes from.

use crate::interruption::{children, kill};
use crate::project::{Project, RunToEnd, files_below, finding_name, name_of};
use crate::run::{Output, Running, wait_until};
use fs_err as fs;
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

/// As many as take about a minute.
const N_CAMPAIGNS: u64 = 18;
/// How long each of them is; what happens to it happens meanwhile.
const LENGTH_MS: u64 = 2000;

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Somebody kills a worker.
    Worker,
    /// Somebody kills the command.
    Coordinator,
    /// Somebody deletes the cache.
    CacheIsGone,
    /// Something that is no folder stands where the cache was, which even root cannot write to.
    CacheIsFile,
    /// There is room for a few files only, in the cache and in `testdata`.
    DiskIsFull,
    /// The disk of the cache and of `testdata` can be read only from then on, also by root.
    DiskIsReadOnly,
}

impl Fault {
    /// The size of the disk that the campaign writes to, if it has one to itself.
    fn disk(self) -> Option<&'static str> {
        match self {
            Self::DiskIsFull => Some("size=16k"),
            Self::DiskIsReadOnly => Some("size=64m"),
            Self::Worker | Self::Coordinator | Self::CacheIsGone | Self::CacheIsFile => None,
        }
    }
}

const FAULTS: [Fault; 6] = [
    Fault::Worker,
    Fault::Coordinator,
    Fault::CacheIsGone,
    Fault::CacheIsFile,
    Fault::DiskIsFull,
    Fault::DiskIsReadOnly,
];

/// The next of a sequence of numbers (SplitMix64).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn number_from(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

/// Disks, until they are dropped.
struct Disks(Vec<PathBuf>);

impl Disks {
    /// Mounts one at each of these folders. `None` where that is not permitted.
    fn mount(dirs: [PathBuf; 2], size: &str) -> Option<Self> {
        let mut disks = Self(Vec::new());
        for dir in dirs {
            fs::create_dir_all(&dir).unwrap();
            let args = ["-t", "tmpfs", "-o", size, "tmpfs"];
            let mounted = Command::new("mount").args(args).arg(&dir).output();
            if !mounted.is_ok_and(|output| output.status.success()) {
                return None;
            }
            disks.0.push(dir);
        }
        Some(disks)
    }
}

impl Disks {
    /// Lets nobody write to them any more.
    fn freeze(&self) {
        for dir in &self.0 {
            // One that is open for writing at the moment refuses.
            let args = ["-o", "remount,ro"];
            wait_until(Duration::from_secs(10), "a disk can be made read-only", || {
                let frozen = Command::new("mount").args(args).arg(dir).output();
                frozen.is_ok_and(|output| output.status.success())
            });
        }
    }
}

impl Drop for Disks {
    fn drop(&mut self) {
        for dir in &self.0 {
            let unmounted = Command::new("umount").arg("--lazy").arg(dir).status();
            assert!(unmounted.is_ok_and(|status| status.success()), "{dir:?} stays mounted");
        }
    }
}

/// One campaign.
struct Campaign<'a> {
    project: &'a Project,
    fault: Fault,
    moment: Duration,
    random: u64,
    label: String,
}

impl Campaign<'_> {
    fn run(&self) {
        let project = self.project;
        for dir in [project.private("cache"), project.tmp(), project.path("testdata")] {
            let _ = fs::remove_file(&dir);
            let _ = fs::remove_dir_all(&dir);
        }
        fs::create_dir_all(project.tmp()).unwrap();
        fs::create_dir_all(project.private("cache")).unwrap();
        let disks = match self.fault.disk() {
            Some(size) => {
                let dirs = [project.private("cache"), project.path("testdata")];
                match Disks::mount(dirs, size) {
                    Some(disks) => Some(disks),
                    None => return,
                }
            }
            None => None,
        };
        let time = format!("{LENGTH_MS}ms");
        let args = ["run", "--message-format", "json", "--jobs", "2", "--time", &time, "healthy::"];
        let mut running = Running::start(&mut project.shmfuzz(args));
        running.wait_for_event(|event| event["event"] == "start");
        thread::sleep(self.moment);
        self.strike(&running, disks.as_ref());
        let output = running.finish();
        self.check(&output);
        drop(disks);
    }

    fn strike(&self, running: &Running, disks: Option<&Disks>) {
        let cache = self.project.private("cache");
        match self.fault {
            Fault::Worker => {
                let mut workers = children(running.id());
                // There may be none for a moment, when one has just died of what it has found.
                if !workers.is_empty() {
                    let n = workers.len() as u64;
                    kill(workers.swap_remove((self.random % n) as usize));
                }
            }
            Fault::Coordinator => running.send(Signal::KILL),
            Fault::CacheIsGone => delete(&cache),
            Fault::CacheIsFile => {
                delete(&cache);
                // Somebody may have made it anew in between.
                while fs::write(&cache, "").is_err() {
                    delete(&cache);
                }
            }
            Fault::DiskIsFull => {}
            Fault::DiskIsReadOnly => disks.expect("it has one").freeze(),
        }
    }

    fn check(&self, output: &Output) {
        let label = &self.label;
        let events = self.events(output);
        if self.fault == Fault::Coordinator {
            // It may have ended just before.
            assert!([-9, 100].contains(&output.code), "{label}\n{output}");
        } else {
            assert_eq!(output.code, 100, "{label}\n{output}");
            assert_eq!(events.last().unwrap()["event"], "finish", "{label}\n{output}");
        }
        self.findings_are_saved(&events, output);
        self.entries_are_saved(&events, output);
        self.nothing_is_left(output);
    }

    /// What was printed. The last line of a command that was killed may be cut.
    fn events(&self, output: &Output) -> Vec<Value> {
        if self.fault != Fault::Coordinator {
            return output.events();
        }
        let lines: Vec<_> = output.stdout.lines().collect();
        let parsed = lines.iter().map(|line| serde_json::from_str(line));
        let events: Vec<Value> = parsed.filter_map(Result::ok).collect();
        assert!(events.len() + 1 >= lines.len(), "{}\n{output}", self.label);
        events
    }

    /// Each failure that was reported has its file, whose name says what is in it. A smaller input
    /// may have taken the place of the one reported when the command was killed, unreported.
    fn findings_are_saved(&self, events: &[Value], output: &Output) {
        let label = &self.label;
        let mut reported = BTreeMap::new();
        for event in events {
            if ["finding", "minimized", "passes_plain"].contains(&event["event"].as_str().unwrap())
            {
                let path = PathBuf::from(event["path"].as_str().unwrap());
                reported.insert((event["test"].to_string(), event["bucket"].to_string()), path);
            }
        }
        let mut n_replaced = BTreeMap::<&Path, usize>::new();
        for path in reported.values() {
            let dir = path.parent().unwrap();
            match std::fs::read(path) {
                Ok(input) => {
                    assert_eq!(name_of(path), finding_name("crash", &input), "{label}\n{output}");
                }
                Err(_) if self.fault == Fault::Coordinator => {
                    *n_replaced.entry(dir).or_default() += 1;
                }
                Err(error) => panic!("{label}: {path:?}: {error}\n{output}"),
            }
        }
        for (dir, n) in n_replaced {
            let mut others = files_below(dir);
            others.retain(|file| !reported.values().any(|path| path == file));
            assert!(others.len() >= n, "{label}: {n} of {reported:?} are missing\n{output}");
        }
    }

    /// Each entry that was reported has its file, which is whole: a smaller one takes the place of a
    /// larger one, so there are as many of them. Where they cannot all be kept, that is told.
    fn entries_are_saved(&self, events: &[Value], output: &Output) {
        let label = &self.label;
        let is_entry =
            |file: &PathBuf| !file.components().any(|part| part.as_os_str() == ".findings");
        let entries: Vec<_> = self.project.cache().into_iter().filter(is_entry).collect();
        for entry in &entries {
            let input = fs::read(entry).unwrap();
            let expected = finding_name("", &input);
            assert_eq!(format!("-{}", name_of(entry)), expected, "{label}\n{output}");
        }
        let n_reported = events.iter().filter(|event| event["event"] == "new_entry").count();
        let says = |event: &Value| {
            event["text"].as_str().is_some_and(|text| text.contains("cannot write"))
        };
        match self.fault {
            Fault::Worker | Fault::Coordinator => {
                assert!(
                    entries.len() >= n_reported,
                    "{label}: {} are there\n{output}",
                    entries.len()
                );
            }
            Fault::DiskIsFull => assert!(events.iter().any(says), "{label}\n{output}"),
            // What was saved before is gone, and there may have been nothing to save since.
            Fault::CacheIsGone | Fault::CacheIsFile => {}
            // What was saved before is there, and there may have been nothing to save since.
            Fault::DiskIsReadOnly => {
                let is_told = events.iter().any(says);
                assert!(entries.len() >= n_reported || is_told, "{label}\n{output}");
            }
        }
    }

    /// No process and no unfinished file.
    fn nothing_is_left(&self, output: &Output) {
        let label = &self.label;
        let private = self.project.private("cache").into_os_string().into_encoded_bytes();
        wait_until(Duration::from_secs(10), "all processes of the campaign end", || {
            processes_with(&private).is_empty()
        });
        let dirs =
            [self.project.private("cache"), self.project.tmp(), self.project.path("testdata")];
        let mut files: Vec<_> = dirs.iter().flat_map(|dir| files_below(dir)).collect();
        files.retain(|file| {
            name_of(file).starts_with(".shmfuzz") || name_of(file).starts_with(".tmp")
        });
        assert_eq!(files, [] as [PathBuf; 0], "{label}\n{output}");
        if self.fault.disk().is_none() {
            let left = files_below(&self.project.tmp());
            assert_eq!(left, [] as [PathBuf; 0], "{label}\n{output}");
        }
    }
}

/// Deletes a folder to which somebody else may be writing.
fn delete(dir: &Path) {
    while dir.exists() {
        let _ = fs::remove_dir_all(dir);
    }
}

/// Processes that have this text in their environment. Those that have ended have none.
fn processes_with(text: &[u8]) -> Vec<String> {
    let pids = std::fs::read_dir("/proc").unwrap();
    let pids = pids.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    pids.filter(|pid| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.windows(text.len()).any(|part| part == text)
    })
    .collect()
}

#[test]
fn what_is_reported_survives_whatever_happens_to_a_campaign() {
    let project = Project::from_fixture("hostile", "faults");
    // The first one builds, and builds once more to see what it has found fail in the plain build.
    project.shmfuzz(["run", "--runs", "20000", "healthy::"]).run().code(100);
    let seed = number_from("SHMFUZZ_FAULT_SEED", 1);
    let mut state = seed;
    for n in 0..number_from("SHMFUZZ_FAULTS", N_CAMPAIGNS) {
        let fault = FAULTS[(n % FAULTS.len() as u64) as usize];
        let moment = Duration::from_micros(next(&mut state) % (LENGTH_MS * 1000));
        let label = format!("seed {seed}, campaign {n}: {fault:?} after {moment:?}");
        let random = next(&mut state);
        Campaign { project: &project, fault, moment, random, label }.run();
    }
}
