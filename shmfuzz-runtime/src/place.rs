//! Whose code a source file is, and its name in short: the same on every machine. Pure.

/// Whose code a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The user's: of the workspace, or of a path dependency.
    User,
    /// A dependency's, from a registry or a repository.
    Dependency,
    /// The standard library's.
    Std,
}

/// Whose a file is, as the compiler names it, and its name without what depends on the machine:
/// `serde_json-1.0.1/src/de.rs` for a dependency's, `core/src/time.rs` for the standard library's.
/// A user's file keeps its name.
pub fn of(file: &str) -> (Owner, &str) {
    let std = file.starts_with("/rustc/").then(|| after(file, "/library/", 0)).flatten();
    let std = std.or_else(|| after(file, "/rustlib/src/rust/library/", 0));
    let dependency =
        fetched(file, "/registry/src/", 1).or_else(|| fetched(file, "/git/checkouts/", 2));
    match (std, dependency) {
        (Some(short), _) => (Owner::Std, short),
        (None, Some(short)) => (Owner::Dependency, short),
        // Some distributions keep the standard library's sources elsewhere.
        (None, None) if file.starts_with("/rustc/") => (Owner::Std, file),
        (None, None) => (Owner::User, file),
    }
}

/// What follows the folders that cargo makes for a registry or a repository. The first of them ends
/// in a hash, so that a user's own folder `registry/src` is none.
fn fetched<'a>(file: &'a str, part: &str, n_folders: usize) -> Option<&'a str> {
    const HASH: usize = 16;
    let folder = after(file, part, 0)?.split_once('/')?.0;
    let (_, hash) = folder.rsplit_once('-')?;
    let is_hash = hash.len() == HASH && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then(|| after(file, part, n_folders)).flatten()
}

/// What follows a part of a path and some folders behind it.
fn after<'a>(file: &'a str, part: &str, n_folders: usize) -> Option<&'a str> {
    let mut rest = &file[file.rfind(part)? + part.len()..];
    for _ in 0..n_folders {
        rest = rest.split_once('/')?.1;
    }
    Some(rest).filter(|rest| !rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_others_are_named_without_the_machine() {
        let cases = [
            ("src/lib.rs", Owner::User, "src/lib.rs"),
            ("/home/a/mine/src/lib.rs", Owner::User, "/home/a/mine/src/lib.rs"),
            (
                "/home/a/.cargo/registry/src/index-1949cf8c6b5b557f/hex-0.4.3/src/lib.rs",
                Owner::Dependency,
                "hex-0.4.3/src/lib.rs",
            ),
            (
                "/h/.cargo/git/checkouts/regex-5c49cf8c6b5b557f/0f3/regex-syntax/src/a.rs",
                Owner::Dependency,
                "regex-syntax/src/a.rs",
            ),
            ("/rustc/5980/library/core/src/time.rs", Owner::Std, "core/src/time.rs"),
            (
                "/r/lib/rustlib/src/rust/library/alloc/src/vec/mod.rs",
                Owner::Std,
                "alloc/src/vec/mod.rs",
            ),
            ("/rustc/5980/x.rs", Owner::Std, "/rustc/5980/x.rs"),
            ("/registry/src/short", Owner::User, "/registry/src/short"),
            ("/home/a/registry/src/de/mod.rs", Owner::User, "/home/a/registry/src/de/mod.rs"),
        ];
        for (file, owner, short) in cases {
            assert_eq!(of(file), (owner, short), "{file}");
        }
    }
}
