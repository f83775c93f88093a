//! Which fuzz tests a command line means, and how they are called.
//!
//! Pure. A filter selects as in `cargo test`, by a part of the path, with one difference: a filter
//! that *is* a test's path or name selects that test and not those whose names merely contain it,
//! so that `json` does not also fuzz `json_stream`.

use shmfuzz_runtime::record::ReadRecord;
use std::collections::HashMap;

/// The names of one fuzz test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Names {
    /// As `cargo test` prints it.
    pub(crate) path: String,
    /// From the least to the most that tells it apart; the first is the path.
    forms: [String; 4],
}

impl Names {
    /// Of a fuzz test in a target of a package.
    pub(crate) fn new(package: &str, target_kind: &str, record: &ReadRecord) -> Self {
        let path = record.path();
        let full = format!("{}::{}", record.module, record.name);
        let forms = [
            path.clone(),
            full.clone(),
            format!("{package}/{full}"),
            format!("{package}/{target_kind}/{full}"),
        ];
        Self { path, forms }
    }

    fn is(&self, filter: &str) -> bool {
        self.forms.iter().any(|form| form == filter)
    }

    fn last(&self) -> &str {
        self.path.rsplit_once("::").map_or(&self.path, |(_, name)| name)
    }
}

/// The shortest name of each test that no other has.
pub(crate) fn distinct_names(all: &[Names]) -> Vec<String> {
    let mut n_uses: HashMap<&str, usize> = HashMap::new();
    for names in all {
        let mut forms: Vec<&str> = names.forms.iter().map(String::as_str).collect();
        // A form that adds nothing is one name, not two.
        forms.dedup();
        forms.into_iter().for_each(|form| *n_uses.entry(form).or_default() += 1);
    }
    let shortest = |names: &Names| {
        let own = names.forms.iter().find(|form| n_uses[form.as_str()] == 1);
        own.unwrap_or(&names.forms[3]).clone()
    };
    all.iter().map(shortest).collect()
}

/// How a filter is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exactness {
    /// A part of the path is enough, unless some test is called exactly so.
    Part,
    /// `--exact`: the whole path.
    Whole,
}

/// The positions of the tests that one of the filters selects; of all, if there is no filter.
pub(crate) fn select(all: &[Names], filters: &[String], exactness: Exactness) -> Vec<usize> {
    let mut selected = vec![filters.is_empty(); all.len()];
    for filter in filters {
        for (i, chosen) in one(all, filter, exactness).into_iter().enumerate() {
            selected[i] |= chosen;
        }
    }
    (0..all.len()).filter(|i| selected[*i]).collect()
}

fn one(all: &[Names], filter: &str, exactness: Exactness) -> Vec<bool> {
    let by = |rule: &dyn Fn(&Names) -> bool| all.iter().map(rule).collect::<Vec<bool>>();
    if exactness == Exactness::Whole {
        return by(&|names| names.is(filter));
    }
    let called_so = by(&|names| names.is(filter) || names.last() == filter);
    if called_so.contains(&true) {
        return called_so;
    }
    by(&|names| names.path.contains(filter))
}

#[cfg(test)]
mod tests {
    use super::*;
    use shmfuzz_runtime::record::{InputKind, Options, Record};

    fn names(package: &str, kind: &str, module: &str, name: &str) -> Names {
        let record = Record {
            module: module.to_owned(),
            name: name.to_owned(),
            bin: String::new(),
            tmpdir: String::new(),
            file: String::new(),
            dict: String::new(),
            line: 1,
            kind: InputKind::Bytes,
            n_seeds: 0,
            ignored: 0,
            structured: 0,
            options: Options::default(),
            types: None,
        };
        Names::new(package, kind, &record)
    }

    fn tests() -> Vec<Names> {
        vec![
            names("a", "lib", "a::json", "parse"),
            names("a", "lib", "a::json", "parse_stream"),
            names("a", "test", "fuzz", "json"),
            names("b", "test", "fuzz", "json"),
            names("b", "test", "fuzz", "parse"),
        ]
    }

    #[test]
    fn filters_select() {
        let check = |filters: &[&str], exactness, expected: &[usize]| {
            let filters: Vec<String> = filters.iter().map(ToString::to_string).collect();
            assert_eq!(select(&tests(), &filters, exactness), expected, "{filters:?}");
        };
        check(&[], Exactness::Part, &[0, 1, 2, 3, 4]);
        check(&["parse"], Exactness::Part, &[0, 4]);
        check(&["json::parse"], Exactness::Part, &[0]);
        check(&["json"], Exactness::Part, &[2, 3]);
        check(&["parse_s"], Exactness::Part, &[1]);
        check(&["json::"], Exactness::Part, &[0, 1]);
        check(&["nothing"], Exactness::Part, &[]);
        check(&["nothing", "stream", "parse"], Exactness::Part, &[0, 1, 4]);
        // What the report calls a test selects it.
        check(&["b/fuzz::json"], Exactness::Part, &[3]);
        check(&["a/test/fuzz::json"], Exactness::Whole, &[2]);
        check(&["parse"], Exactness::Whole, &[4]);
        check(&["parse_stream"], Exactness::Whole, &[]);
    }

    #[test]
    fn names_are_as_short_as_they_can_be() {
        assert_eq!(
            distinct_names(&tests()),
            ["json::parse", "json::parse_stream", "a/fuzz::json", "b/fuzz::json", "parse"]
        );
        let twice = [names("a", "lib", "a", "t"), names("a", "bin", "a", "t")];
        assert_eq!(distinct_names(&twice), ["a/lib/a::t", "a/bin/a::t"]);
    }
}
