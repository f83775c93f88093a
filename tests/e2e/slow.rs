//! Inputs that take long, but not long enough to be a failure.

use crate::project::{Project, RunToEnd};
use fs_err as fs;

#[test]
fn the_slowest_input_is_kept_and_told_at_the_end() {
    let hostile = Project::from_fixture("hostile", "slow");
    let output = hostile.fuzz("slow::dawdles", &["--time", "10s", "--jobs", "1"]).run().code(0);
    let slowest = &output.event("finish")["tests"][0]["slowest_input"];
    // It spins until the clock says so, so that a busy machine may leave it less of the processor.
    let time = slowest["time"].as_f64().unwrap_or_default();
    assert!((0.1..5.0).contains(&time), "{output}");
    let path = slowest["path"].as_str().unwrap();
    let input = fs::read(path).unwrap();
    assert!(input.len() > 2, "{input:?} takes no time\n{output}");
    assert_eq!(slowest["size"], input.len(), "{output}");
    assert!(path.ends_with("/slow.dawdles/.slow/slowest"), "{output}");
    let args = ["run", "--exact", "slow::dawdles", "--time", "10s", "--jobs", "1"];
    hostile.shmfuzz(args).run().code(0).says(&["slowest input: ", " ms, ", path]);
}
