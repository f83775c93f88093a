//! Inputs that are values of the user's own types.

use crate::project::{Project, RunToEnd, name_of};
use fs_err as fs;

#[test]
fn values_of_any_type_are_found_wrong_from_nothing() {
    let typed = Project::from_fixture("typed", "values");
    typed.cargo(["test", "--lib"]).run().code(0);
    for (test, message) in [
        ("tests::no_money_is_made", "money was made"),
        ("tests::any_config_will_do", "this config will not do"),
    ] {
        let runs = ["--seed", "1", "--jobs", "1", "--runs", "300000", "--stop-on-crash"];
        let output = typed.fuzz(test, &runs).run();
        let found = output.events_named("finding");
        let [finding, ..] = &found[..] else { panic!("no finding\n{output}") };
        assert!(finding["message"].as_str().unwrap().contains(message), "{output}");
        assert_eq!(finding["kind"], "panic", "{output}");
        output.code(100);

        let folder = test.replace("::", ".");
        let files = typed.testdata(&folder);
        let [file] = &files[..] else { panic!("{files:?}") };
        let failed = typed.cargo(["test", "--lib", test]).run().code(101);
        failed.says(&[name_of(file), message]);
        fs::remove_file(file).unwrap();
    }
}
