//! How large a file may be, and what the root of a crate holds.

use crate::repository::{Source, rust_files};
use crate::{Fault, assert_none, lines};

/// Most files stay below 400 lines; above this one, a file holds more than one idea.
const MOST_LINES: usize = 800;

const MOST_LINES_OF_AN_EXAMPLE: usize = 90;

/// The roots that only hold modules and re-exports. A crate of macros must define its entry points there.
const PAGES: &[&str] =
    &["durable-core/src/lib.rs", "durable-http/src/lib.rs", "durable-testing/src/lib.rs", "examples/src/lib.rs"];

fn too_long(source: &Source) -> Vec<Fault> {
    let count = source.text.lines().count();
    if count <= MOST_LINES {
        return Vec::new();
    }
    let what = format!("{count} lines, at most {MOST_LINES} are allowed: give each idea a file of its own");
    vec![Fault::new(source, MOST_LINES + 1, what)]
}

fn more_than_a_page(source: &Source) -> Vec<Fault> {
    let items = ["fn ", "struct ", "enum ", "impl ", "impl<", "trait ", "macro_rules!"];
    let starts = |line: &str| {
        let mut line = line.trim_start();
        for prefix in ["pub(crate) ", "pub ", "const fn", "async ", "unsafe "] {
            line = line.strip_prefix(prefix).unwrap_or(line);
        }
        items.iter().any(|item| line.starts_with(item))
    };
    let found = source.code.lines().enumerate().filter(|(_, line)| starts(line));
    let what = "the root of a crate holds documentation, modules and re-exports: move the item into a module";
    found.map(|(i, _)| Fault::new(source, i + 1, what)).collect()
}

/// A small example fits on two screens, says how to run it, and has a test. The demo is tested as a process.
fn bad_example(source: &Source) -> Vec<Fault> {
    let Some(name) = source.path.strip_prefix("examples/src/bin/").and_then(|name| name.strip_suffix(".rs")) else {
        return Vec::new();
    };
    let count = source.text.lines().count();
    let mut whats = Vec::new();
    if !(20..=MOST_LINES_OF_AN_EXAMPLE).contains(&count) {
        whats.push(format!("{count} lines, but an example has 20 to {MOST_LINES_OF_AN_EXAMPLE}: show one thing"));
    }
    if !(source.text.contains("//! Run with `cargo run ") && source.text.contains(&format!("--bin {name}"))) {
        whats.push(format!("say how to run it: `//! Run with `cargo run -p examples --bin {name}``"));
    }
    if name != "demo" && !source.code.contains("#[cfg(test)]") {
        whats.push("an example without a test: add one with durable-testing".to_owned());
    }
    whats.into_iter().map(|what| Fault::new(source, 1, what)).collect()
}

#[test]
fn examples_are_small_and_tested() {
    assert_none(rust_files().iter().flat_map(bad_example));
}

#[test]
fn a_bad_example_is_found() {
    assert_eq!(lines(bad_example, "examples/src/bin/x.rs", "fn main() {}"), [1, 1, 1]);
    assert_eq!(lines(bad_example, "examples/src/demo/x.rs", "fn main() {}"), [0; 0]);
}

#[test]
fn no_file_is_too_long() {
    assert_none(rust_files().iter().flat_map(too_long));
}

#[test]
fn the_root_of_a_crate_is_a_page() {
    let files = rust_files();
    let pages: Vec<_> = files.iter().filter(|source| PAGES.contains(&source.path.as_str())).collect();
    assert_eq!(pages.len(), PAGES.len(), "`PAGES` names files that exist");
    assert_none(pages.into_iter().flat_map(more_than_a_page));
}

#[test]
fn a_long_file_is_found() {
    assert_eq!(lines(too_long, "x.rs", &"\n".repeat(MOST_LINES)), [0; 0]);
    assert_eq!(lines(too_long, "x.rs", &"\n".repeat(MOST_LINES + 1)), [MOST_LINES + 1]);
}

#[test]
fn an_item_in_a_root_is_found() {
    let text = "//! fn in_a_comment\nmod a;\npub struct B;\npub(crate) async fn c() {}\nimpl<T> D<T> {}\npub use a::enum_like;";
    assert_eq!(lines(more_than_a_page, "lib.rs", text), [3, 4, 5]);
}
