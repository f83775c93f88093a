//! The examples do what their texts say.

use crate::project::{Project, RunToEnd, finding_name, name_of};
use fs_err as fs;

/// The mistake in it is there on purpose: it must be found, and only by fuzzing.
#[test]
fn the_mistake_in_the_ring_is_found_by_its_model_and_by_no_seed() {
    let ring = Project::from_example("ring-queue", "found");
    assert!(!ring.path("testdata").exists(), "a finding was committed with the example");
    ring.cargo(["test"]).run().code(0);
    let test = "does_what_a_vec_deque_does";
    let args = ["--seed", "1", "--jobs", "1", "--runs", "200000", "--stop-on-crash"];
    let output = ring.fuzz(test, &args).run().code(100);
    // It shows in several steps that may follow.
    let findings = output.events_named("finding");
    assert!(!findings.is_empty(), "{output}");
    for finding in findings {
        assert_eq!((&finding["kind"], &finding["reproducible"]), (&"panic".into(), &true.into()));
        let message = finding["message"].as_str().unwrap();
        assert!(message.starts_with("assertion `left == right` failed"), "{output}");
    }

    let mut n_steps = Vec::new();
    let files = ring.testdata("fuzz.does_what_a_vec_deque_does");
    for file in &files {
        let text = fs::read_to_string(file).unwrap();
        assert_eq!(name_of(file), finding_name("crash", text.as_bytes()), "{output}");
        let list = text.strip_prefix("cargo-shmfuzz values v1\n").expect("values");
        n_steps.push(list.matches("],[").count() + 1);
    }
    // One before the other round the end, and the first one removed.
    assert_eq!(n_steps.iter().min(), Some(&3), "three pairs are as few as can be: {output}");
    let file = &files[0];
    ring.cargo(["test", "--test", "fuzz"]).run().code(101).says(&[name_of(file)]);

    // What the text at the end of the fuzz test says, and nothing else, mends it.
    let source = fs::read_to_string(ring.path("src/lib.rs")).unwrap();
    let rotation = "self.slots[..=last].rotate_left(1);";
    let mended = "let end = self.slots.len() - 1;\nself.slots.swap(last, end);";
    assert_eq!(source.matches(rotation).count(), 1);
    ring.write("src/lib.rs", source.replace(rotation, &format!("{rotation}\n{mended}")));
    ring.cargo(["test"]).run().code(0);
    let output = ring.fuzz(test, &args).run().code(0);
    assert!(output.events_named("finding").is_empty(), "{output}");
}
