//! `CONFORMANCE.md` and the tests name the same statements.

use std::{collections::BTreeSet, fs, path::Path};

/// The page, and how many statements it has.
const PAGE: &str = include_str!("../../../proto-fixtures/CONFORMANCE.md");
const STATEMENTS: u32 = 62;

#[test]
fn page_and_tests_agree() {
    let named: BTreeSet<String> = PAGE.lines().flat_map(tests_named).collect();
    let there = tests_there();
    let missing: Vec<_> = named.difference(&there).collect();
    let unnamed: Vec<_> = there.difference(&named).collect();
    assert!(missing.is_empty(), "CONFORMANCE.md names tests that are not there: {missing:?}");
    assert!(unnamed.is_empty(), "CONFORMANCE.md does not name: {unnamed:?}");
}

#[test]
fn every_statement_has_a_test_or_waits_for_something() {
    for n in 1..=STATEMENTS {
        let start = format!("- **C-{n}** ");
        let lines: Vec<&str> = PAGE.lines().filter(|line| line.starts_with(&start)).collect();
        let [line] = lines[..] else { panic!("{} lines begin with {start:?}", lines.len()) };
        let tests = tests_named(line);
        let waits = line.contains("ater (");
        assert!(waits || !tests.is_empty(), "neither test nor what it waits for: {line}");
        let prefix = format!("c_{n:02}_");
        assert!(tests.iter().all(|test| test.starts_with(&prefix)), "other number: {line}");
    }
}

/// Names in backticks that are tests' names.
fn tests_named(line: &str) -> Vec<String> {
    let quoted = line.split('`').skip(1).step_by(2);
    quoted.filter(|name| is_test_name(name)).map(str::to_owned).collect()
}

/// `c_`, two digits, `_`.
fn is_test_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    name.starts_with("c_")
        && bytes.len() > 5
        && bytes[2..4].iter().all(u8::is_ascii_digit)
        && bytes[4] == b'_'
}

/// Every `#[test] fn c_…` in this folder.
fn tests_there() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/conformance");
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder).expect("this folder is there") {
        let path = entry.expect("it can be read").path();
        let text = fs::read_to_string(path).expect("it is UTF-8");
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for pair in lines.windows(2) {
            let name = pair[1].strip_prefix("fn ").and_then(|rest| rest.split('(').next());
            if let Some(name) = name
                && pair[0] == "#[test]"
                && is_test_name(name)
            {
                names.insert(name.to_owned());
            }
        }
    }
    names
}
