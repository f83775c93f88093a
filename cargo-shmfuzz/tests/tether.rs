//! The command's executable in its role between the command and cargo.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::thread;

fn tethered(parent: u32) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-shmfuzz"));
    command.env("SHMFUZZ_TETHER", parent.to_string());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
#[cfg(target_os = "linux")]
fn what_is_tethered_dies_with_the_thread_that_started_it() {
    let start = || {
        let script = "echo \"ready $SHMFUZZ_TETHER\"; exec sleep 1000";
        let mut child = tethered(std::process::id()).args(["sh", "-c", script]).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready \n", "the variable is not passed on");
        child
    };
    let mut child = thread::spawn(start).join().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
}

#[test]
#[cfg(target_os = "linux")]
fn nothing_is_run_for_a_parent_that_is_gone() {
    let output = tethered(std::process::id() + 1).args(["echo", "ran"]).output().unwrap();
    assert!(!output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("the command that started this has ended"), "{said}");
}
