//! The main function of targets with `harness = false`: each seed is a test of its own.
//!
//! libtest-mimic lists, filters and runs them as libtest would, for cargo and nextest alike.

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};

use crate::fuzz_test::{FuzzTest, registry};
use crate::role::{self, Replaying, Role, serve};
use crate::seeds::{Seeds, Selection};

/// What `main!()` calls.
pub fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let role = Role::of_this_process();
    match role {
        Role::Tests(replaying) => {
            let mut tests: Vec<&'static FuzzTest> = registry().collect();
            tests.sort_unstable_by_key(|test| (test.record.file, test.record.line));
            let trials = tests.into_iter().flat_map(|test| trials(test, replaying)).collect();
            libtest_mimic::run(&arguments, trials).exit_code()
        }
        Role::Worker | Role::ReplayOne(_) | Role::Describe(_) => serve_selected(&arguments, &role),
    }
}

/// A worker or a child is started for one fuzz test, which the filter names in full.
fn serve_selected(arguments: &Arguments, role: &Role) -> ExitCode {
    let path = arguments.filter.as_deref().unwrap_or_default();
    let Some(test) = FuzzTest::find(path) else {
        role::fail(&format!("no fuzz test `{path}` in this binary; name one with --exact"))
    };
    match serve(test, role) {
        Some(Err(failure)) => {
            report(&failure);
            ExitCode::from(101)
        }
        _ => ExitCode::SUCCESS,
    }
}

#[expect(clippy::print_stderr, reason = "a harness prints its tests' failures")]
fn report(failure: &str) {
    eprintln!("{failure}");
}

fn trials(test: &'static FuzzTest, replaying: Replaying) -> Vec<Trial> {
    let path = test.path();
    let ignored = test.record.ignored != 0;
    let trial = |name: String, run: Box<dyn FnOnce() -> Result<(), Failed> + Send>| {
        Trial::test(name, run).with_ignored_flag(ignored)
    };
    let (selection, seeds) = match Seeds::of(test) {
        Ok(mut seeds) => (seeds.select(), Arc::new(seeds)),
        Err(error) => return vec![trial(path, Box::new(move || Err(Failed::from(error))))],
    };
    if selection == Selection::All && seeds.list.is_empty() {
        return vec![trial(path, Box::new(|| Ok(())))];
    }
    let one = |seed_idx: usize| {
        let seeds = Arc::clone(&seeds);
        let name = format!("{path}/{}", seeds.list[seed_idx].name);
        trial(name, Box::new(move || replay(test, &seeds, seed_idx, replaying)))
    };
    (0..seeds.list.len()).map(one).collect()
}

fn replay(
    test: &FuzzTest,
    seeds: &Seeds,
    seed_idx: usize,
    replaying: Replaying,
) -> Result<(), Failed> {
    test.on_its_thread(|| seeds.replay(&seeds.list[seed_idx], replaying))
        .map_err(|error| Failed::from(format!("cannot start a thread: {error}")))?
        .map_err(Failed::from)
}
