//! What Go's script tests pin for `go test -fuzz`, where no other module has a test of it.

use crate::project::{Project, RunToEnd, runtime};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// A package with a dev-dependency on the runtime, and more of a manifest.
fn package(manifest: &str) -> Project {
    package_named("user", manifest)
}

/// The same by another name: packages of one name have their binaries at one place, where the build of
/// another test may put its own between two commands.
fn package_named(name: &str, manifest: &str) -> Project {
    let project = Project::empty();
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dev-dependencies]\n\
         shmfuzz-runtime = {{ path = {:?} }}\n\n{manifest}\n[workspace]\n",
        runtime()
    );
    project.write("Cargo.toml", manifest);
    project
}

/// G03.
#[test]
fn a_crate_that_links_c_code_is_fuzzed() {
    let project = package("[build-dependencies]\ncc = \"1\"\n");
    project.write(
        "build.rs",
        "fn main() {\n    cc::Build::new().file(\"src/sum.c\").compile(\"sum\");\n}\n",
    );
    project.write(
        "src/sum.c",
        "#include <stddef.h>\n\nunsigned sum(const unsigned char *data, size_t len) {\n    \
         unsigned total = 0;\n    for (size_t i = 0; i < len; i++) total += data[i];\n    \
         return total;\n}\n",
    );
    project.write(
        "src/lib.rs",
        "unsafe extern \"C\" {\n    fn sum(data: *const u8, len: usize) -> u32;\n}\n\n\
         pub fn total(data: &[u8]) -> u32 {\n    unsafe { sum(data.as_ptr(), data.len()) }\n}\n\n\
         #[cfg(test)]\n#[shmfuzz_runtime::fuzz_test(seeds = [\"a\", \"bc\"])]\n\
         fn is_the_sum(data: &[u8]) {\n    \
         assert_ne!(total(data), 300, \"three hundred\");\n}\n",
    );
    project.cargo(["test"]).run().code(0);
    let output = project.shmfuzz(["run", "--message-format", "json", "--runs", "300000"]).run();
    let output = output.code(100);
    let finding = output.event("finding");
    assert_eq!(finding["kind"], "panic", "{output}");
    assert!(finding["message"].as_str().unwrap().contains("three hundred"), "{output}");
}

/// G29.
#[test]
fn what_one_fuzz_test_sets_in_its_environment_is_not_seen_by_another() {
    let project = package("");
    project.write(
        "src/lib.rs",
        "#[cfg(test)]\nmod tests {\n    use shmfuzz_runtime::fuzz_test;\n\n    #[fuzz_test]\n    \
         fn sets_it(_: &[u8]) {\n        unsafe { std::env::set_var(\"MARK\", \"set\") };\n    }\n\n    \
         #[fuzz_test]\n    fn wants_none(_: &[u8]) {\n        \
         assert!(std::env::var_os(\"MARK\").is_none(), \"set by another\");\n    }\n\n    \
         #[fuzz_test]\n    fn wants_its_own(_: &[u8]) {\n        \
         assert!(std::env::var_os(\"GIVEN\").is_some(), \"not given\");\n    }\n}\n",
    );
    let mut run = project.shmfuzz(["run", "--message-format", "json", "--runs", "2000"]);
    let output = run.env("GIVEN", "yes").run().code(0);
    assert_eq!(output.events_named("start").len(), 3, "{output}");
}

/// G31.
#[test]
fn what_cannot_be_fuzzed_is_told_before_anything_is_built() {
    let project = package("");
    project.write("src/lib.rs", "");
    let output = project.shmfuzz(["run", "--target", "wasm32-unknown-unknown"]).run();
    let output = output.code(96);
    let said = ["cannot fuzz on wasm32-unknown-unknown", "x86_64 and aarch64 Linux", "cargo test"];
    output.says(&said).says_not(&["Compiling"]);
    let mut run = project.shmfuzz(["run"]);
    let output = run.env("RUSTC", "/bin/false").run().code(96);
    output.says(&["`/bin/false -vV` names no host"]).says_not(&["Compiling"]);
}

/// The gap of G08: the time of a campaign is over while its processes wait for a processor.
#[test]
fn a_deadline_that_expires_under_load_is_no_failure() {
    let project = package_named("deadline", "");
    project.write(
        "src/lib.rs",
        "#[cfg(test)]\nmod tests {\n    use shmfuzz_runtime::fuzz_test;\n    use std::time::{Duration, Instant};\n\n    \
         #[fuzz_test(seeds = [\"a\", \"bb\", \"ccc\"])]\n    fn is_slow(_: &[u8]) {\n        \
         let start = Instant::now();\n        while start.elapsed() < Duration::from_millis(30) {}\n    }\n\n    \
         #[fuzz_test]\n    fn is_fast(data: &[u8]) {\n        std::hint::black_box(data.len());\n    }\n}\n",
    );
    // All is built before there is load, or the build would be most of the test.
    project.shmfuzz(["build"]).run().code(0);
    let _load = Load::new();
    for time in ["1s", "2s", "4s"] {
        let options = ["run", "--time", time, "--jobs", "8", "--message-format", "json"];
        let output = project.shmfuzz(options).run().code(0);
        assert!(output.events_named("finding").is_empty(), "{time}: {output}");
        // All that may be said is that there was no time for one of them.
        for warning in output.events_named("warning") {
            let text = warning["text"].as_str().unwrap();
            assert!(text.starts_with("never fuzzed, since the time was over"), "{time}: {output}");
        }
        assert_eq!(output.event("finish")["reason"], "time", "{time}: {output}");
    }
}

/// Threads that want more processors than there are, as long as it lives.
struct Load(Arc<AtomicBool>);

impl Load {
    fn new() -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        for _ in 0..4 * thread::available_parallelism().map_or(1, usize::from) {
            let is_over = Arc::clone(&is_over);
            thread::spawn(move || while !is_over.load(Ordering::Relaxed) {});
        }
        Self(is_over)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
