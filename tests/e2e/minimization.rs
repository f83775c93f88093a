//! Findings are made smaller, within a time that the user sets.

use crate::campaign::logs;
use crate::project::{Project, RunToEnd, finding_name, name_of};
use crate::run::{Output, Running};
use fs_err as fs;
use rustix::process::Signal;
use std::process::Command;

/// Go's script tests pin this: G15.
#[test]
fn a_time_that_is_none_is_wrong_usage() {
    let zoo = Project::zoo("minimize-usage");
    let output = zoo.shmfuzz(["run", "--minimize-time", "banana", "minimal::"]).run();
    output.code(2).says(&["--minimize-time", "banana"]);
}

/// Go's script tests pin this: G15.
#[test]
fn a_hundred_bytes_shrink_to_the_fifty_that_matter() {
    let zoo = Project::zoo("fifty");
    let (test, folder) = ("minimal::fifty_of_a_hundred", "minimal.fifty_of_a_hundred");
    let output = zoo.fuzz(test, &["--runs", "20000", "--minimize-time", "30s"]).run().code(100);
    let files = zoo.testdata(folder);
    assert_eq!(files.len(), 1, "the larger input is gone: {files:?}\n{output}");
    assert_eq!(fs::read(&files[0]).unwrap().len(), 50, "{output}");
    let minimized = output.event("minimized");
    assert_eq!(minimized["size"], 50, "{output}");
    assert_eq!(minimized["path"], files[0].to_str().unwrap(), "{output}");
    assert_eq!(minimized["message"], "no x in front of 50 bytes", "{output}");
    let again = zoo.cargo(["test", "--lib", "--", "--exact", test]).run();
    again.code(101).says(&["no x in front of 50 bytes"]);
}

/// Go's script tests pin this: G15.
#[test]
fn no_time_leaves_a_finding_as_it_was_found() {
    let zoo = Project::zoo("untouched");
    let (test, folder) = ("minimal::fifty_untouched", "minimal.fifty_untouched");
    let output = zoo.fuzz(test, &["--runs", "20000", "--minimize-time", "0"]).run().code(100);
    assert!(output.events_named("minimized").is_empty(), "{output}");
    let finding = output.event("finding");
    let files = zoo.testdata(folder);
    assert_eq!(files.len(), 1, "{files:?}\n{output}");
    let input = fs::read(&files[0]).unwrap();
    assert_eq!(finding["size"], input.len(), "{output}");
    let message = format!("no x in front of {} bytes", input.len());
    assert_eq!(finding["message"], message, "{output}");
}

/// `cargo shmfuzz minimize` of an input that is written to a file of the test's own.
fn minimize(zoo: &Project, test: &str, input: &[u8], args: &[&str]) -> Command {
    let file = zoo.private("input");
    fs::write(&file, input).unwrap();
    let mut command = zoo.shmfuzz(["minimize", "--exact", &format!("minimal::{test}")]);
    command.arg(file).args(args);
    command
}

/// Minimizes, and checks that the input is as it was; -> what was said, and the smaller input.
fn minimized(zoo: &Project, test: &str, input: &[u8], args: &[&str]) -> (Output, Vec<u8>) {
    let output = minimize(zoo, test, input, args).args(["--message-format", "json"]).run().code(0);
    assert_eq!(fs::read(zoo.private("input")).unwrap(), input, "{output}");
    let event = output.event("minimized");
    let smaller = fs::read(event["path"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&event["size_before"], &event["size"]),
        (&input.len().into(), &smaller.len().into())
    );
    (output, smaller)
}

#[test]
fn an_input_that_panics_is_minimized_on_demand() {
    let zoo = Project::zoo("minimize-panic");
    let input = "[one,two,(3,4),é,five é six,seven]";
    let (output, smaller) = minimized(&zoo, "panics_on_an_item", input.as_bytes(), &[]);
    assert_eq!(smaller, "[é]".as_bytes(), "{output}");
    let files = zoo.testdata("minimal.panics_on_an_item");
    assert_eq!(files.len(), 1, "{files:?}");
    assert_eq!(name_of(&files[0]), finding_name("crash", &smaller));
    assert_eq!(output.event("minimized")["message"], "an item of \"é\"", "{output}");

    let out = zoo.private("smaller");
    let args = ["--out", out.to_str().unwrap()];
    let human = minimize(&zoo, "panics_on_an_item", input.as_bytes(), &args).run().code(0);
    human.says(&["Minimized", "from 36 to 4 bytes", "an item of", "cargo shmfuzz repro"]);
    assert_eq!(fs::read(&out).unwrap(), smaller);

    // As it is by now, it is the smallest.
    let (output, again) = minimized(&zoo, "panics_on_an_item", &smaller, &[]);
    assert_eq!(again, smaller, "{output}");
    assert_eq!(output.event("minimized")["path"], zoo.private("input").to_str().unwrap());
}

#[test]
fn an_input_that_ends_the_process_is_minimized_on_demand() {
    let zoo = Project::zoo("minimize-abort");
    let input = [&b"something before, ["[..], b"abort", &[b'x'; 300]].concat();
    let (output, smaller) = minimized(&zoo, "aborts_on_a_word", &input, &[]);
    assert_eq!(smaller, b"abort", "{output}");
    let event = output.event("minimized");
    assert_eq!((&event["kind"], &event["reproducible"]), (&"abort".into(), &true.into()));
    let files = zoo.testdata("minimal.aborts_on_a_word");
    assert_eq!(files.len(), 1, "{files:?}");
    assert_eq!(name_of(&files[0]), finding_name("abort", b"abort"));
}

#[test]
fn a_minimization_comes_past_inputs_that_end_the_process_in_another_way() {
    let zoo = Project::zoo("minimize-among");
    let input = [&b"so far, so good: "[..], b"panic!", &[b'?'; 100]].concat();
    let (output, smaller) = minimized(&zoo, "panics_among_deaths", &input, &[]);
    assert_eq!(smaller, b"panic!", "{output}");
    assert_eq!(output.event("minimized")["kind"], "panic", "{output}");
    output.says(&["another failure was met on the way", "exited with status 5"]);
}

#[test]
fn an_input_that_hangs_is_minimized_in_a_part_of_its_timeout_a_try() {
    let zoo = Project::zoo("minimize-hang");
    let (output, smaller) = minimized(&zoo, "hangs_on_a_word", b"why does it hang here?", &[]);
    assert_eq!(smaller, b"hang", "{output}");
    assert_eq!(output.event("minimized")["message"], "ran longer than 2s", "{output}");
}

#[test]
fn an_input_that_is_only_slow_is_not_taken_for_one_that_hangs() {
    let zoo = Project::zoo("minimize-slow");
    let (output, smaller) = minimized(&zoo, "waits_for_each_dot", b".x.y.z.!", &[]);
    // Two dots come back in time, three do not.
    assert_eq!(smaller, b"...", "{output}");
}

#[test]
fn an_interrupt_keeps_the_smallest_input_so_far() {
    let zoo = Project::zoo("minimize-interrupt");
    let input = [&[b'x'; 200][..], b"abort", &[b'y'; 200]].concat();
    let args = ["--time", "10m", "--message-format", "json"];
    let running = Running::start(&mut minimize(&zoo, "aborts_slowly", &input, &args));
    let is_shorter = |tried: &Vec<u8>| tried.len() < 210;
    running.wait_until("some smaller input fails", || {
        let logs = logs(&zoo, "slowly");
        // What comes after it in the log shows that it was judged.
        let mut fails = logs.iter().flat_map(|(_, tried)| tried);
        fails.any(|tried| is_shorter(tried) && tried.windows(5).any(|word| word == b"abort"))
            && logs.len() > 4
    });
    running.send(Signal::INT);
    let output = running.finish().code(0);
    let path = output.event("minimized")["path"].as_str().unwrap().to_owned();
    let smaller = fs::read(path).unwrap();
    assert!(smaller.len() < input.len(), "{output}");
    assert!(smaller.windows(5).any(|word| word == b"abort"), "{output}");
    assert_eq!(output.event("finish")["exit_code"], 0, "{output}");
}

#[test]
fn the_input_is_written_over_only_if_that_is_wanted() {
    let zoo = Project::zoo("minimize-place");
    let (test, input) = ("aborts_on_a_word", b"[abort]");
    let file = zoo.private("input");
    let args = ["--out", file.to_str().unwrap()];
    let output = minimize(&zoo, test, input, &args).run();
    output.code(2).says(&["--out names the input itself"]);
    assert_eq!(fs::read(&file).unwrap(), input);
    minimize(&zoo, test, input, &["--in-place"]).run().code(0).says(&["from 7 to 5 bytes"]);
    assert_eq!(fs::read(&file).unwrap(), b"abort");
}

#[test]
fn what_cannot_be_minimized_is_refused_with_its_reason() {
    let zoo = Project::zoo("minimize-refused");
    let output = minimize(&zoo, "aborts_on_a_word", b"harmless", &[]).run();
    output.code(2).says(&["input does not fail, so there is nothing to keep"]);
    let output = minimize(&zoo, "panics_on_an_item", b"\xff", &[]).run();
    output.code(2).says(&["no valid UTF-8"]);
    let args = ["minimize", "minimal::aborts_on_a_word", "no-such-file"];
    zoo.shmfuzz(args).run().code(2).says(&["there is no file no-such-file"]);
    let no_test = zoo.shmfuzz(["minimize", "no_such_test", "input"]).run();
    no_test.code(4).says(&["no fuzz test matches"]);
}
