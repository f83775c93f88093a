//! A toolchain that cannot instrument is refused, with the reason, before anything is built.
//!
//! Such a toolchain is played by a wrapper of rustc that drops one of our flags: that wrapper is
//! the user's, so ours chains to it, and the probe meets what a flag without effect would do.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a project that cannot be made is a failed test")]

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// Calls rustc without the arguments that hold the first of its own.
const WRAPPER: &str = r#"#!/bin/bash
kept=()
for arg in "$@"; do
    [[ "$arg" == *DROPPED* ]] || kept+=("$arg")
done
exec "${kept[@]}"
"#;

const MANIFEST: &str = "\
[package]
name = 'refused'
edition = '2024'
[dev-dependencies]
shmfuzz-runtime = { path = '@RUNTIME@', default-features = false, features = ['fuzz-test'] }
[workspace]
";

/// A project under a compiler that ignores the flags holding `dropped`.
fn project(dropped: &str) -> TempDir {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let runtime = workspace.join("shmfuzz-runtime");
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, text).unwrap();
        path
    };
    write("Cargo.toml", &MANIFEST.replace("@RUNTIME@", runtime.to_str().unwrap()));
    write("src/lib.rs", "");
    write(".cargo/config.toml", "build.rustc-wrapper = './wrapper'\n");
    let wrapper = write("wrapper", &WRAPPER.replace("DROPPED", dropped));
    fs_err::set_permissions(wrapper, Permissions::from_mode(0o755)).unwrap();
    // The same versions, so that nothing is asked of the network.
    fs_err::copy(workspace.join("Cargo.lock"), dir.path().join("Cargo.lock")).unwrap();
    dir
}

fn build(project: &TempDir) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-shmfuzz"));
    command.args(["shmfuzz", "build"]).current_dir(project.path());
    for var in ["RUSTC_WRAPPER", "CARGO_BUILD_RUSTC_WRAPPER", "CARGO_TARGET_DIR"] {
        command.env_remove(var);
    }
    command.output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn each_flag_without_effect_is_named_before_anything_is_built() {
    for (dropped, reason) in [
        ("sancov-module", "it has no coverage counters"),
        ("trace-compares", "no comparison of integers is traced"),
        ("max-loads-per-memcmp", "no comparison of bytes is traced"),
    ] {
        let project = project(dropped);
        let output = build(&project);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(96), "{dropped}: {text}");
        assert!(text.contains(reason) && text.contains("rustc 1."), "{dropped}: {text}");
        assert!(!text.contains("Compiling"), "{dropped}: {text}");
        let left = fs_err::read_dir(project.path().join("target/shmfuzz")).unwrap().count();
        assert_eq!(left, 0, "{dropped}: a probe that failed leaves nothing");
    }
}

#[test]
fn without_the_gate_it_builds_and_says_so_in_one_line() {
    let project = project("gated-trace-callbacks");
    let output = build(&project);
    let text = stderr(&output);
    assert!(output.status.success(), "{text}");
    let said = format!("{text}{}", String::from_utf8_lossy(&output.stdout));
    let lines = said.lines().filter(|line| line.contains("cannot switch comparison tracing off"));
    assert_eq!(lines.count(), 1, "{said}");
}

#[test]
fn another_platform_is_refused_by_name() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-shmfuzz"));
    let project = project("nothing");
    command.args(["shmfuzz", "build", "--target", "wasm32-unknown-unknown"]);
    let output = command.current_dir(project.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(96));
    assert!(stderr(&output).contains("cannot fuzz on wasm32-unknown-unknown"));
    assert!(!project.path().join("target").exists());
}
