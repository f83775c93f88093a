//! What a fuzzing build adds to a call of rustc, and to cargo's own arguments: the only definition.
//!
//! Owns the flags, the decision which call gets which of them, and the hash that names the target
//! directory. It starts nothing and reads no file. The invariant: whatever changes an artifact is in
//! [`Flags::hash`], because cargo's fingerprints do not see what a wrapper adds.

use camino::Utf8Path;
use serde::{Deserialize, Serialize};

/// The profile's name; its artifacts lie in `<target dir>/<triple>/shmfuzz`.
pub(crate) const PROFILE: &str = "shmfuzz";

/// Settings of the profile, given on cargo's command line, so that no manifest is touched.
const PROFILE_SETTINGS: [&str; 10] = [
    "inherits='release'",
    "opt-level=3",
    "debug='line-tables-only'",
    "strip='none'",
    "debug-assertions=true",
    "overflow-checks=true",
    "lto='off'",
    "incremental=false",
    "codegen-units=1",
    "panic='unwind'",
];

/// Edge counters and comparison calls, and what keeps LLVM from hiding comparisons:
///
/// - Short constant `memcmp`s are expanded into loads after the coverage pass, where nothing traces
///   them. With no load allowed they stay calls, which the runtime interposes.
/// - Folding branches merges conditions into one edge, so that progress within them is not seen.
const COVERAGE: [&str; 8] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=3",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-max-loads-per-memcmp=0",
    "-Cllvm-args=-max-loads-per-memcmp-opt-size=0",
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
];

/// Puts comparison calls behind a variable of the runtime.
const GATED: &str = "-Cllvm-args=-sanitizer-coverage-gated-trace-callbacks";

/// For the signal handler, which walks the stack by frame pointers.
const EVERYWHERE: [&str; 1] = ["-Cforce-frame-pointers=yes"];

/// The runtime runs between and around calls of the fuzz test: it is neither observed nor slowed.
const RUNTIME: [&str; 5] = [
    "--cfg",
    "shmfuzz_instrumented",
    "-Ccodegen-units=1",
    "-Cdebug-assertions=no",
    "-Coverflow-checks=no",
];

/// Whether comparison tracing can be switched at run time with this toolchain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Gate {
    /// LLVM's gated callbacks: a closed gate costs next to nothing.
    Llvm,
    /// The callbacks are always called.
    None,
}

/// Whether crates are compiled with `cfg(fuzzing)`, the ecosystem's convention.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CfgFuzzing {
    /// As cargo-fuzz and others do.
    #[default]
    Set,
    /// `--no-cfg-fuzzing`.
    LeftOut,
}

/// `instrument = { only, exclude }` of `[package.metadata.shmfuzz]`: names of packages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Narrowing {
    /// Unless empty, nothing else is instrumented.
    pub(crate) only: Vec<String>,
    /// Never instrumented.
    pub(crate) exclude: Vec<String>,
}

impl Narrowing {
    fn keeps(&self, package: &str) -> bool {
        let is = |name: &String| name == package;
        (self.only.is_empty() || self.only.iter().any(is)) && !self.exclude.iter().any(is)
    }
}

/// Everything that decides which flags are added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Flags {
    /// What the probe found.
    pub(crate) gate: Gate,
    /// What the user asked for.
    pub(crate) cfg_fuzzing: CfgFuzzing,
    /// What the manifests ask for.
    pub(crate) narrowing: Narrowing,
}

/// What a call of rustc is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject<'a> {
    /// Cargo asks for the target's cfgs and file names.
    Query,
    /// A package that is `shmfuzz-runtime`.
    Runtime,
    /// Any other package, by name.
    Package(&'a str),
}

/// What the arguments of a call of rustc say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Call {
    /// It compiles for the target, so neither a build script nor a proc macro.
    pub(crate) for_target: bool,
    /// It runs the linker.
    pub(crate) links: bool,
    /// Names of cfgs are checked.
    pub(crate) checks_cfg: bool,
}

impl Call {
    /// Reads the arguments of a call, in which `target` is the triple we build for.
    pub(crate) fn parse(args: &[&str], target: &str) -> Self {
        let mut call = Self::default();
        let mut has_crate_type = false;
        let mut args = args.iter().copied();
        while let Some(arg) = args.next() {
            let (name, value) = arg.split_once('=').map_or((arg, None), |(n, v)| (n, Some(v)));
            match name {
                "--target" => call.for_target |= value.or_else(|| args.next()) == Some(target),
                "--crate-type" => {
                    has_crate_type = true;
                    let types = value.or_else(|| args.next()).unwrap_or_default();
                    call.links |= types.split(',').any(|t| matches!(t, "bin" | "cdylib" | "dylib"));
                }
                "--test" => call.links = true,
                "--check-cfg" => call.checks_cfg = true,
                _ => {}
            }
        }
        // An executable is rustc's default, on which cargo relies for tests without a harness.
        call.links |= !has_crate_type;
        call
    }
}

impl Flags {
    /// What is added to `call`; `hooks` is the archive of empty hooks.
    pub(crate) fn added(&self, call: Call, subject: Subject<'_>, hooks: &Utf8Path) -> Vec<String> {
        let mut added = Vec::new();
        if !call.for_target {
            return added;
        }
        if self.cfg_fuzzing == CfgFuzzing::Set {
            added.extend(["--cfg", "fuzzing"].map(str::to_owned));
            if call.checks_cfg {
                added.push("--check-cfg=cfg(fuzzing)".to_owned());
            }
        }
        let mut add = |flags: &[&str]| added.extend(flags.iter().map(|flag| (*flag).to_owned()));
        match subject {
            Subject::Query => return added,
            Subject::Runtime => {
                add(&EVERYWHERE);
                add(&RUNTIME);
                if call.checks_cfg {
                    add(&["--check-cfg=cfg(shmfuzz_instrumented)"]);
                }
            }
            Subject::Package(name) => {
                add(&EVERYWHERE);
                if self.narrowing.keeps(name) {
                    add(&COVERAGE);
                    if self.gate == Gate::Llvm {
                        add(&[GATED]);
                    }
                }
            }
        }
        if call.links {
            // After all other inputs of the linker: the runtime's own hooks win where it is linked.
            added.push(format!("-Clink-arg={hooks}"));
        }
        added
    }

    /// 16 hex digits that change with anything that these flags, this version of the command or
    /// `toolchain` (what names rustc and what else a build depends on) change in an artifact.
    pub(crate) fn hash(&self, toolchain: &[&str]) -> String {
        let call = Call { for_target: true, links: true, checks_cfg: true };
        let hooks = Utf8Path::new("hooks");
        let subjects = [Subject::Query, Subject::Runtime, Subject::Package("")];
        let added = subjects.map(|subject| self.added(call, subject, hooks)).concat();
        let mut hash = blake3::Hasher::new();
        let mut write = |text: &str| {
            hash.update(&text.len().to_le_bytes());
            hash.update(text.as_bytes());
        };
        added.iter().for_each(|flag| write(flag));
        PROFILE_SETTINGS.iter().for_each(|setting| write(setting));
        for names in [&self.narrowing.only, &self.narrowing.exclude] {
            write(&names.len().to_string());
            names.iter().for_each(|name| write(name));
        }
        write(env!("CARGO_PKG_VERSION"));
        toolchain.iter().for_each(|part| write(part));
        hash.finalize().to_hex()[..16].to_owned()
    }
}

/// Arguments that make cargo use our profile.
pub(crate) fn profile_args() -> Vec<String> {
    let settings = PROFILE_SETTINGS
        .iter()
        .flat_map(|setting| ["--config".to_owned(), format!("profile.{PROFILE}.{setting}")]);
    ["--profile".to_owned(), PROFILE.to_owned()].into_iter().chain(settings).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: &str = "x86_64-unknown-linux-gnu";

    fn flags() -> Flags {
        Flags { gate: Gate::Llvm, cfg_fuzzing: CfgFuzzing::Set, narrowing: Narrowing::default() }
    }

    fn added(args: &str, subject: Subject<'_>) -> String {
        let call = Call::parse(&args.split(' ').collect::<Vec<_>>(), TARGET);
        let short = |flag: String| flag.replace("-Cllvm-args=", "");
        flags()
            .added(call, subject, Utf8Path::new("/t/hooks.rlib"))
            .into_iter()
            .map(short)
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn build_scripts_and_proc_macros_get_nothing() {
        let args = "--crate-name build_script_build build.rs --crate-type bin";
        assert_eq!(added(args, Subject::Package("a")), "");
        let nested = "--crate-type cdylib --target wasm32-unknown-unknown";
        assert_eq!(added(nested, Subject::Package("a")), "");
    }

    #[test]
    fn queries_learn_the_cfg_only() {
        let args =
            "- --crate-name ___ --print=cfg --crate-type bin --target x86_64-unknown-linux-gnu";
        assert_eq!(added(args, Subject::Query), "--cfg fuzzing");
    }

    #[test]
    fn libraries_are_instrumented_and_not_linked() {
        let args =
            "--crate-type lib --check-cfg cfg(docsrs,test) --target x86_64-unknown-linux-gnu";
        assert_eq!(
            added(args, Subject::Package("a")),
            "--cfg fuzzing --check-cfg=cfg(fuzzing) -Cforce-frame-pointers=yes \
             -Cpasses=sancov-module -sanitizer-coverage-level=3 \
             -sanitizer-coverage-inline-8bit-counters -sanitizer-coverage-pc-table \
             -sanitizer-coverage-trace-compares -max-loads-per-memcmp=0 \
             -max-loads-per-memcmp-opt-size=0 -simplifycfg-branch-fold-threshold=0 \
             -sanitizer-coverage-gated-trace-callbacks"
        );
    }

    #[test]
    fn whatever_links_gets_the_empty_hooks_last() {
        for links in [
            "--test",
            "--cfg test",
            "--crate-type bin",
            "--crate-type=rlib,cdylib",
            "--crate-type dylib",
        ] {
            let args = format!("{links} --target=x86_64-unknown-linux-gnu");
            let added = added(&args, Subject::Package("a"));
            assert!(added.ends_with(" -Clink-arg=/t/hooks.rlib"), "{links}: {added}");
        }
        let added =
            added("--crate-type staticlib --target x86_64-unknown-linux-gnu", Subject::Runtime);
        assert!(!added.contains("link-arg"), "{added}");
    }

    #[test]
    fn the_runtime_is_never_instrumented() {
        assert_eq!(
            added("--crate-type lib --target x86_64-unknown-linux-gnu", Subject::Runtime),
            "--cfg fuzzing -Cforce-frame-pointers=yes --cfg shmfuzz_instrumented \
             -Ccodegen-units=1 -Cdebug-assertions=no -Coverflow-checks=no"
        );
    }

    #[test]
    fn narrowing_takes_the_coverage_away_and_leaves_the_rest() {
        let only = Narrowing { only: vec!["a".to_owned()], exclude: vec![] };
        let both = Narrowing { exclude: vec!["a".to_owned()], ..only.clone() };
        assert!(only.keeps("a") && !only.keeps("b") && !both.keeps("a"));
        let flags = Flags { narrowing: both, ..flags() };
        let call = Call { for_target: true, links: false, checks_cfg: false };
        let added = flags.added(call, Subject::Package("a"), Utf8Path::new("h"));
        assert_eq!(added, ["--cfg", "fuzzing", "-Cforce-frame-pointers=yes"]);
    }

    #[test]
    fn each_change_has_a_hash_of_its_own() {
        let no_cfg = Flags { cfg_fuzzing: CfgFuzzing::LeftOut, ..flags() };
        let no_gate = Flags { gate: Gate::None, ..flags() };
        let name = || vec!["a".to_owned()];
        let only = Narrowing { only: name(), exclude: vec![] };
        let exclude = Narrowing { only: vec![], exclude: name() };
        let hashes = [
            flags().hash(&["rustc 1"]),
            flags().hash(&["rustc 2"]),
            no_cfg.hash(&["rustc 1"]),
            no_gate.hash(&["rustc 1"]),
            Flags { narrowing: only, ..flags() }.hash(&["rustc 1"]),
            Flags { narrowing: exclude, ..flags() }.hash(&["rustc 1"]),
        ];
        let distinct: std::collections::BTreeSet<_> = hashes.iter().collect();
        assert_eq!(distinct.len(), hashes.len());
        assert_eq!(flags().hash(&["rustc 1"]), hashes[0]);
    }
}
