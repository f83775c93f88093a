//! What the package needs of the fuzz package's dependencies, as entries of its own manifest.
//!
//! Entries are taken over as they are written, so that all kinds of them keep their meaning; only
//! paths change, since the package has another folder. What is not certain is left to people.

use crate::show;
use anyhow::Context as _;
use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, TableLike, Value};

/// A manifest that can be changed without losing how it was written.
#[derive(Clone, Debug)]
pub(super) struct Manifest {
    /// The folder that it stands in, absolute.
    pub(super) dir: Utf8PathBuf,
    /// What it says.
    pub(super) document: DocumentMut,
}

/// What the package lacks.
#[derive(Clone, Debug, Default)]
pub(super) struct Missing {
    /// Its new dev-dependencies.
    pub(super) entries: Vec<(String, Value)>,
    /// Whether the fuzz package derives `Arbitrary` through libfuzzer-sys.
    pub(super) derives: bool,
    /// What people have to do.
    pub(super) remarks: Vec<String>,
}

impl Manifest {
    /// The manifest in a folder.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn read(dir: &Utf8Path) -> anyhow::Result<Self> {
        let path = dir.join("Cargo.toml");
        let text = fs_err::read_to_string(&path)?;
        let document = text.parse().with_context(|| show::path(&path))?;
        Ok(Self { dir: dir.to_owned(), document })
    }

    /// Whether it names the runtime, and the feature if one is given.
    pub(super) fn has_runtime(&self, feature: Option<&str>) -> bool {
        let entry = self.entry("dev-dependencies", "shmfuzz-runtime");
        let features = entry.map(features).unwrap_or_default();
        entry.is_some() && feature.is_none_or(|feature| features.iter().any(|f| f == feature))
    }

    /// Adds dev-dependencies.
    pub(super) fn add(&mut self, entries: &[(String, Value)]) {
        let table = self.document.entry("dev-dependencies").or_insert_with(toml_edit::table);
        let Some(table) = table.as_table_like_mut() else { return };
        for (name, entry) in entries {
            table.insert(name, Item::Value(entry.clone()));
        }
    }

    /// Names test targets, where cargo does not look for them by itself.
    ///
    /// Whether it does is said in the manifest.
    pub(super) fn add_tests(&mut self, names: &[&str]) {
        let package = self.document.get("package").and_then(Item::as_table_like);
        let looks = package.and_then(|package| package.get("autotests")).and_then(Item::as_bool);
        if looks.unwrap_or(true) {
            return;
        }
        let new = || Item::ArrayOfTables(ArrayOfTables::new());
        let tests = self.document.entry("test").or_insert_with(new);
        let Some(tests) = tests.as_array_of_tables_mut() else { return };
        for name in names {
            let mut test = Table::new();
            test.insert("name", toml_edit::value(*name));
            test.insert("path", toml_edit::value(format!("tests/{name}.rs")));
            tests.push(test);
        }
    }

    fn entry(&self, table: &str, name: &str) -> Option<&Item> {
        self.document.get(table)?.as_table_like()?.get(name)
    }
}

/// What `package` lacks of the dependencies of `fuzz`. `shares_workspace` if entries that the
/// workspace defines mean the same for both.
pub(super) fn missing(
    fuzz: &Manifest,
    package: &Manifest,
    name: &str,
    shares_workspace: bool,
) -> Missing {
    let mut missing = Missing::default();
    let dependencies = fuzz.document.get("dependencies").and_then(Item::as_table_like);
    for (key, entry) in dependencies.into_iter().flat_map(TableLike::iter) {
        let real_name = text(entry, "package").unwrap_or(key);
        if real_name == "libfuzzer-sys" {
            missing.derives = features(entry).iter().any(|feature| feature == "arbitrary-derive");
        } else if real_name == name {
            missing.entries.extend(of_the_package_itself(key, entry, package, name));
        } else if let Some(own) = own(package, key) {
            let lacks = features(entry).into_iter().filter(|f| !features(own).contains(f));
            let lacks: Vec<String> = lacks.collect();
            let lacks_defaults = !has_defaults(own) && has_defaults(entry);
            if lacks.is_empty() && !lacks_defaults {
                continue;
            }
            if package.entry("dev-dependencies", key).is_some() {
                let defaults = lacks_defaults.then(|| "default".to_owned());
                let lacks: Vec<String> = defaults.into_iter().chain(lacks).collect();
                missing.remarks.push(format!(
                    "the fuzz package has `{key}` with the features {}, this package without",
                    lacks.join(", ")
                ));
            } else {
                missing.entries.push((key.to_owned(), with_features(own, entry, &lacks)));
            }
        } else if is_set(entry, "optional") {
            missing.remarks.push(format!("`{key}` is optional in the fuzz package: not added"));
        } else if is_set(entry, "workspace") && !shares_workspace {
            missing.remarks.push(format!("`{key}` is defined by the fuzz workspace: not added"));
        } else {
            missing.entries.push((key.to_owned(), moved(entry, fuzz, package)));
        }
    }
    let targets = fuzz.document.get("target").and_then(Item::as_table_like);
    for (target, _) in targets.into_iter().flat_map(TableLike::iter) {
        missing.remarks.push(format!("the dependencies of `{target}` are not added"));
    }
    missing
}

/// The entry that a test of the package can use already.
fn own<'a>(package: &'a Manifest, key: &str) -> Option<&'a Item> {
    let entry = package.entry("dev-dependencies", key);
    entry.or_else(|| package.entry("dependencies", key).filter(|own| !is_set(own, "optional")))
}

/// A package may be its own dev-dependency: so its tests name it, or build it, in another way.
fn of_the_package_itself(
    key: &str,
    entry: &Item,
    package: &Manifest,
    name: &str,
) -> Option<(String, Value)> {
    let features = features(entry);
    if (features.is_empty() && key == name) || own(package, key).is_some() {
        return None;
    }
    let mut own = InlineTable::new();
    if key != name {
        own.insert("package", name.into());
    }
    own.insert("path", ".".into());
    if !features.is_empty() {
        own.insert("features", Value::Array(features.iter().collect::<Array>()));
    }
    Some((key.to_owned(), Value::InlineTable(own)))
}

/// An ordinary dependency as a dev-dependency with the features that it has in the fuzz package: so
/// only the tests have them.
fn with_features(own: &Item, entry: &Item, lacks: &[String]) -> Value {
    let mut new = match own.as_table_like() {
        Some(table) => inline(table),
        None => InlineTable::from_iter([("version", text_value(own.as_str().unwrap_or("*")))]),
    };
    if has_defaults(entry) {
        new.remove("default-features");
    }
    new.remove("features");
    if !lacks.is_empty() {
        new.insert("features", Value::Array(lacks.iter().collect::<Array>()));
    }
    Value::InlineTable(new)
}

fn has_defaults(entry: &Item) -> bool {
    let item = entry.as_table_like().and_then(|table| table.get("default-features"));
    item.and_then(Item::as_bool).unwrap_or(true)
}

/// A table without the comments and line breaks in it.
fn inline(table: &dyn TableLike) -> InlineTable {
    let mut inline = InlineTable::new();
    for (key, item) in table.iter() {
        let Ok(mut value) = item.clone().into_value() else { continue };
        value.decor_mut().clear();
        inline.insert(key, value);
    }
    inline
}

fn moved(entry: &Item, fuzz: &Manifest, package: &Manifest) -> Value {
    let Some(table) = entry.as_table_like() else {
        return text_value(entry.as_str().unwrap_or("*"));
    };
    let mut moved = inline(table);
    if let Some(path) = text(entry, "path") {
        moved.insert("path", text_value(relative(&package.dir, &fuzz.dir.join(path)).as_str()));
    }
    Value::InlineTable(moved)
}

fn text_value(text: &str) -> Value {
    text.into()
}

fn text<'a>(entry: &'a Item, key: &str) -> Option<&'a str> {
    entry.as_table_like()?.get(key)?.as_str()
}

fn is_set(entry: &Item, key: &str) -> bool {
    let item = entry.as_table_like().and_then(|table| table.get(key));
    item.and_then(Item::as_bool).unwrap_or(false)
}

fn features(entry: &Item) -> Vec<String> {
    let list = entry.as_table_like().and_then(|table| table.get("features"));
    let list = list.and_then(Item::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The path from one absolute folder to another, without a look at the disk.
pub(super) fn relative(from: &Utf8Path, to: &Utf8Path) -> Utf8PathBuf {
    let (from, to) = (normal(from), normal(to));
    let n_shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..", from.len() - n_shared);
    let path: Utf8PathBuf = up.chain(to[n_shared..].iter().copied()).collect();
    if path.as_str().is_empty() { ".".into() } else { path }
}

fn normal(path: &Utf8Path) -> Vec<&str> {
    let mut parts = Vec::new();
    for part in path.components() {
        match part {
            Utf8Component::CurDir => {}
            Utf8Component::ParentDir => drop(parts.pop()),
            part => parts.push(part.as_str()),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(dir: &str, text: &str) -> Manifest {
        Manifest { dir: dir.into(), document: text.parse().unwrap() }
    }

    #[test]
    fn entries_keep_their_meaning_in_another_folder() {
        let fuzz = manifest(
            "/w/parser/fuzz",
            r#"
[dependencies]
libfuzzer-sys = { version = "0.4", features = ["arbitrary-derive"] }
parser = { path = "..", features = ["unstable"] }
arbitrary = { version = "1", features = ["derive"] }
plain = "0.3"
log = { version = "0.4", features = ["std"] }
serde = { version = "1", features = ["derive"] }
extra = { version = "1", optional = true }
shared = { workspace = true }
whole = { version = "1", features = ["a"] }

[dependencies.core]
path = "../../core" # beside
package = "parser-core"

[target.'cfg(unix)'.dependencies]
libc = "0.2"
"#,
        );
        let text = "[dependencies]\nserde = \"1\"\nwhole = { version = \"1.2\", default-features = false, features = [\"a\", \"b\"] }\nplain = { version = \"0.2\", optional = true }\n\n\
                    # tests\n[dev-dependencies]\nlog = \"0.4\"\n";
        let mut package = manifest("/w/parser", text);
        let missing = missing(&fuzz, &package, "parser", false);
        assert!(missing.derives);
        package.add(&missing.entries);
        let added = r#"parser = { path = ".", features = ["unstable"] }
arbitrary = { version = "1", features = ["derive"] }
plain = "0.3"
serde = { version = "1", features = ["derive"] }
whole = { version = "1.2" }
core = { path = "../core", package = "parser-core" }
"#;
        assert_eq!(package.document.to_string(), format!("{text}{added}"));
        assert_eq!(
            missing.remarks,
            [
                "the fuzz package has `log` with the features std, this package without",
                "`extra` is optional in the fuzz package: not added",
                "`shared` is defined by the fuzz workspace: not added",
                "the dependencies of `cfg(unix)` are not added",
            ]
        );
    }

    #[test]
    fn a_package_by_another_name_is_its_own_dependency() {
        let text = "[dependencies]\nold = { package = \"parser\", path = \"..\" }\nall = { workspace = true }";
        let fuzz = manifest("/w/parser/fuzz", text);
        let mut package = manifest("/w/parser", "");
        package.add(&missing(&fuzz, &package, "parser", true).entries);
        let expected = "[dev-dependencies]\nold = { package = \"parser\", path = \".\" }\nall = { workspace = true }\n";
        assert_eq!(package.document.to_string(), expected);
    }

    #[test]
    fn tests_are_named_where_cargo_does_not_look_for_them() {
        let mut looks = manifest("/w", "[package]\nname = \"a\"\n");
        looks.add_tests(&["one"]);
        assert_eq!(looks.document.to_string(), "[package]\nname = \"a\"\n");
        let text = "[package]\nautotests = false\n\n[[test]]\nname = \"own\"\n\n[profile.test]\n";
        let mut named = manifest("/w", text);
        named.add_tests(&["one", "t-wo"]);
        let added = "\n[[test]]\nname = \"one\"\npath = \"tests/one.rs\"\n\
                     \n[[test]]\nname = \"t-wo\"\npath = \"tests/t-wo.rs\"\n";
        assert_eq!(
            named.document.to_string(),
            text.replace("\n\n[profile", &format!("\n{added}\n[profile"))
        );
    }

    #[test]
    fn the_runtime_is_there_with_its_feature_or_not() {
        let with = |text: &str| manifest("/w", &format!("[dev-dependencies]\n{text}"));
        assert!(!with("").has_runtime(None));
        assert!(with("shmfuzz-runtime = \"0.1\"").has_runtime(None));
        assert!(!with("shmfuzz-runtime = \"0.1\"").has_runtime(Some("arbitrary")));
        let entry = "shmfuzz-runtime = { path = \"x\", features = [\"arbitrary\"] }";
        assert!(with(entry).has_runtime(Some("arbitrary")));
    }

    #[test]
    fn paths_lead_from_folder_to_folder() {
        for (to, expected) in
            [("/a/b", "."), ("/a/b/c/../d", "d"), ("/a", ".."), ("/x/y", "../../x/y")]
        {
            assert_eq!(relative("/a/b".into(), to.into()), expected, "{to}");
        }
    }
}
