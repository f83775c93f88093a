//! Builds: what is rebuilt when, what is instrumented and what is not, and whose flags count.

use crate::corpus::total;
use crate::project::{Project, RunToEnd};
use fs_err as fs;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

/// All test targets and all members, so that every kind of target is linked.
const FUZZ_ALL: [&str; 4] = ["run", "--workspace", "--runs", "50"];

/// The runtime's own dependencies are instrumented like any other crate: what they do between jobs
/// must not be taken for coverage of the fuzz test.
#[test]
fn a_worker_reports_no_edge_of_its_own() {
    let zoo = Project::zoo("idle");
    // Several jobs, each with messages before and after it.
    let args = ["--runs", "3000000", "--jobs", "1"];
    let output = zoo.fuzz("seeds::does_nothing", &args).run().code(0);
    // The adapter and the empty body: a few blocks. One message of serde_json moves hundreds.
    assert!((1..=4).contains(&total(&output, "edges")), "{output}");
}

#[test]
fn nothing_is_rebuilt_without_a_change_and_the_ordinary_target_stays_valid() {
    let kitchen = Project::from_fixture("kitchen", "rebuilds").with_target("kitchen");
    let test = ["test", "--workspace", "--lib", "--bins", "--tests"];
    kitchen.cargo(test).run().code(0).says(&["Compiling kitchen"]);
    let first = kitchen.shmfuzz(FUZZ_ALL).run().code(0).says(&["Compiling kitchen"]);
    // Fuzz tests in a proc-macro crate are refused in one line.
    let refused: Vec<_> = first.stderr.lines().filter(|l| l.contains("cannot_be_fuzzed")).collect();
    assert_eq!(refused.len(), 1, "{first}");
    assert!(refused[0].contains("kitchen-macros"), "{first}");

    kitchen.shmfuzz(FUZZ_ALL).run().code(0).says_not(&["Compiling"]);
    kitchen.cargo(test).run().code(0).says_not(&["Compiling"]);
    let without_cfg = kitchen.shmfuzz(FUZZ_ALL).arg("--no-cfg-fuzzing").run();
    without_cfg.code(0).says(&["Compiling kitchen"]);
    kitchen.shmfuzz(FUZZ_ALL).arg("--no-cfg-fuzzing").run().code(0).says_not(&["Compiling"]);
    kitchen.shmfuzz(FUZZ_ALL).run().code(0).says_not(&["Compiling"]);
    kitchen.cargo(test).run().code(0).says_not(&["Compiling"]);
}

#[test]
fn the_users_flags_and_wrapper_stay_in_force() {
    let kitchen = Project::from_fixture("kitchen", "flags").with_target("kitchen-flags");
    let log = kitchen.private("wrapper.log");
    let wrapper = kitchen.private("wrapper");
    let script = format!("#!/bin/sh\necho \"$@\" >> {}\nexec \"$@\"\n", log.display());
    fs::write(&wrapper, script).unwrap();
    fs::set_permissions(&wrapper, Permissions::from_mode(0o755)).unwrap();
    kitchen.write(".cargo/config.toml", "[build]\nrustflags = ['-Ccodegen-units=3']\n");

    let mut fuzzing = kitchen.shmfuzz(["run", "--runs", "50", "tests::parses_any_order"]);
    fuzzing.env("RUSTC_WRAPPER", &wrapper).run().code(0);
    let calls = fs::read_to_string(&log).unwrap();
    let of_crate = |name: &str| {
        let name = format!("--crate-name {name} ");
        let calls: Vec<_> = calls.lines().filter(|call| call.contains(&name)).collect();
        assert!(!calls.is_empty(), "{name}\n{calls:?}");
        calls
    };
    for call in of_crate("kitchen") {
        assert!(call.contains("-Ccodegen-units=3"), "{call}");
        assert!(call.contains("sancov-module") && call.contains("--cfg fuzzing"), "{call}");
    }
    for name in ["build_script_build", "kitchen_macros"] {
        // Its unit tests, with a runtime of their own, are compiled too, but not for the target.
        assert!(of_crate(name).iter().all(|call| !call.contains("sancov-module")), "{name}");
    }
    // Compiled by the first run in this target directory alone, as all that does not change.
    let mut runtime = calls.lines().filter(|call| call.contains("--cfg shmfuzz_instrumented"));
    assert!(runtime.all(|call| !call.contains("sancov-module")), "{calls}");

    // The environment's flags replace those of the file, as they do for cargo.
    fs::remove_file(&log).unwrap();
    let mut fuzzing = kitchen.shmfuzz(["run", "--runs", "50", "tests::parses_any_order"]);
    fuzzing.env("RUSTC_WRAPPER", &wrapper).env("RUSTFLAGS", "-Ccodegen-units=5").run().code(0);
    let calls = fs::read_to_string(&log).unwrap();
    let kitchens = calls.lines().filter(|call| call.contains("--crate-name kitchen "));
    assert!(kitchens.clone().count() > 0);
    for call in kitchens {
        assert!(call.contains("-Ccodegen-units=5") && call.contains("sancov-module"), "{call}");
    }
}
