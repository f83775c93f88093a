//! How a fuzz test is called in what is printed, and the commands that run it again.
//!
//! Invariant: a printed command builds what this one built: it has all that the user chose.

use super::Selected;
use crate::cli::Selection;
use crate::report::Label;
use crate::show;
use crate::workspace::feature_options;
use cargo_metadata::TargetKind;

/// The label of a fuzz test.
pub(super) fn label(one: &Selected, selection: &Selection) -> Label {
    let binary = &one.test.binary;
    let package = ["-p".to_owned(), binary.package_name.clone()];
    let target = target_options(&binary.target_kind, &binary.target_name);
    let options = [&package, &build_options(selection)[..], &target].concat();
    let command = |words: &[&str], name: &str| {
        let words = words.iter().copied().chain(options.iter().map(String::as_str));
        words.chain([name]).map(show::shell_word).collect::<Vec<_>>().join(" ")
    };
    Label {
        name: one.name.clone(),
        package: binary.package_name.clone(),
        path: (!binary.has_own_main).then(|| one.test.path()),
        shape: one.test.record.types.clone(),
        cargo_test: command(&["cargo", "test"], &one.test.path()),
        repro: command(&["cargo", "shmfuzz", "repro"], &one.name),
        stability: command(&["cargo", "shmfuzz", "stability"], &one.name),
    }
}

fn target_options(kind: &TargetKind, name: &str) -> Vec<String> {
    let flag = match kind {
        TargetKind::Test => "--test",
        TargetKind::Bin => "--bin",
        TargetKind::Example => "--example",
        _ => return vec!["--lib".to_owned()],
    };
    vec![flag.to_owned(), name.to_owned()]
}

/// What the user chose besides packages and targets.
fn build_options(selection: &Selection) -> Vec<String> {
    let mut options = Vec::new();
    if let Some(path) = &selection.manifest.manifest_path {
        options.extend(["--manifest-path".to_owned(), path.to_string_lossy().into_owned()]);
    }
    options.extend(feature_options(&selection.features));
    let compilation = &selection.compilation;
    if let Some(target) = &compilation.target {
        options.extend(["--target".to_owned(), target.clone()]);
    }
    if let Some(dir) = &compilation.target_dir {
        options.extend(["--target-dir".to_owned(), dir.to_string()]);
    }
    options.extend(compilation.cargo_options());
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cargo, Command};
    use clap::Parser as _;

    fn selection(words: &str) -> Selection {
        let words = ["cargo", "shmfuzz", "run"].into_iter().chain(words.split_whitespace());
        match Cargo::try_parse_from(words).unwrap() {
            Cargo::Shmfuzz(shmfuzz) => match shmfuzz.command {
                Some(Command::Run(run)) => run.selection,
                other => panic!("{other:?}"),
            },
        }
    }

    #[test]
    fn printed_commands_build_what_was_built() {
        let words = "--manifest-path p/Cargo.toml --no-default-features --features=a \
                     --target t --target-dir d --offline --config=b.c=1";
        assert_eq!(build_options(&selection(words)).join(" "), words);
        let chosen = "--workspace --lib --build-jobs 2 --all-features";
        assert_eq!(build_options(&selection(chosen)), ["--all-features"]);
    }

    #[test]
    fn targets_are_chosen_by_kind() {
        assert_eq!(target_options(&TargetKind::Lib, "gps"), ["--lib"]);
        assert_eq!(target_options(&TargetKind::Example, "e"), ["--example", "e"]);
    }
}
