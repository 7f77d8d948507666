//! Which crate may depend on which, and in which order dependencies are written.

use crate::repository::{Source, manifests};
use crate::{Fault, assert_none, lines};

const SIBLINGS: &[&str] = &["durable-core", "durable-http", "durable-macros", "durable-testing", "examples"];

/// What each crate may depend on, and what its tests may use in addition.
const CRATES: &[(&str, &[&str], &[&str])] = &[
    ("durable-macros", &[], &["durable-core", "durable-http"]),
    ("durable-core", &["durable-macros"], &["durable-testing"]),
    ("durable-http", &["durable-core", "durable-macros"], &[]),
    ("durable-testing", &["durable-core", "durable-macros"], &[]),
    ("examples", &["durable-core", "durable-http", "durable-testing"], &[]),
];

/// One line of a manifest: its number, the section it stands in, and the key.
struct Entry<'a> {
    line: usize,
    section: &'a str,
    key: &'a str,
}

/// The entries of the sections that list dependencies.
fn dependencies(manifest: &Source) -> Vec<Entry<'_>> {
    let mut section = "";
    let mut entries = Vec::new();
    for (i, line) in manifest.text.lines().enumerate() {
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']');
        } else if section.ends_with("dependencies")
            && let Some((key, _)) = line.split_once('=')
            && !line.starts_with([' ', '#'])
        {
            let key = key.trim().split('.').next().unwrap_or_default();
            entries.push(Entry { line: i + 1, section, key });
        }
    }
    entries
}

fn wrong_way(manifest: &Source) -> Vec<Fault> {
    let Some(name) = manifest.path.strip_suffix("/Cargo.toml") else { return Vec::new() };
    let Some((_, normal, tests)) = CRATES.iter().find(|(krate, ..)| *krate == name) else {
        return vec![Fault::new(manifest, 1, format!("the crate `{name}` has no place: give it one in `CRATES`"))];
    };
    let wrong = dependencies(manifest).into_iter().filter(|entry| {
        let in_tests = entry.section == "dev-dependencies" && tests.contains(&entry.key);
        SIBLINGS.contains(&entry.key) && !normal.contains(&entry.key) && !in_tests
    });
    let fault = |entry: Entry<'_>| {
        let what = format!(
            "`{name}` may not depend on `{}` in [{}]: move what both need into durable-core",
            entry.key, entry.section
        );
        Fault::new(manifest, entry.line, what)
    };
    wrong.map(fault).collect()
}

/// A blank line starts a new group.
fn unsorted(manifest: &Source) -> Vec<Fault> {
    let entries = dependencies(manifest);
    let pairs = entries.windows(2).filter(|pair| {
        let same_group = pair[0].section == pair[1].section && pair[0].line + 1 == pair[1].line;
        same_group && pair[0].key >= pair[1].key
    });
    pairs
        .map(|pair| {
            Fault::new(
                manifest,
                pair[1].line,
                format!("`{}` stands before `{}`: sort dependencies by name", pair[1].key, pair[0].key),
            )
        })
        .collect()
}

/// Versions stand in one place, the root.
fn own_version(manifest: &Source) -> Vec<Fault> {
    if manifest.path == "Cargo.toml" {
        return Vec::new();
    }
    let text: Vec<_> = manifest.text.lines().collect();
    let own = dependencies(manifest).into_iter().filter(|entry| {
        let line = text[entry.line - 1];
        !line.contains("workspace = true")
    });
    own.map(|entry| {
        Fault::new(manifest, entry.line, format!("`{}` has a version of its own: say `workspace = true`", entry.key))
    })
    .collect()
}

#[test]
fn crates_depend_only_inwards() {
    assert_none(manifests().iter().flat_map(wrong_way));
}

#[test]
fn dependencies_are_sorted() {
    assert_none(manifests().iter().flat_map(unsorted));
}

#[test]
fn versions_stand_in_the_root() {
    assert_none(manifests().iter().flat_map(own_version));
}

#[test]
fn a_wrong_dependency_is_found() {
    let text = "[package]\nname = \"x\"\n[dependencies]\ndurable-core.workspace = true\nserde.workspace = true\n[dev-dependencies]\ndurable-testing = { path = \"../durable-testing\" }";
    assert_eq!(lines(wrong_way, "durable-http/Cargo.toml", text), [7]);
    assert_eq!(lines(wrong_way, "durable-macros/Cargo.toml", text), [4, 7]);
    assert_eq!(lines(wrong_way, "durable-core/Cargo.toml", text), [4]);
    assert_eq!(lines(wrong_way, "durable-new/Cargo.toml", text), [1]);
    assert_eq!(lines(own_version, "durable-http/Cargo.toml", text), [7]);
}

#[test]
fn a_wrong_order_is_found() {
    let text =
        "[dependencies]\nb = \"1\"\na = \"1\"\n\na.workspace = true\n# note\nc = \"1\"\n[dev-dependencies]\na = \"1\"";
    assert_eq!(lines(unsorted, "Cargo.toml", text), [3]);
}
