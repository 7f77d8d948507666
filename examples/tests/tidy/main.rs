//! The house rules that a program can check. Each rule is a function from sources to faults, has a test that it holds
//! here, and a test that it can fail.

mod arrows;
mod budget;
mod code;
mod manifests;
mod repository;
mod words;

use std::fmt;

use repository::Source;

/// One violation of a rule: where it is, what it is, and what to do.
#[derive(Debug, PartialEq, Eq)]
struct Fault {
    path: String,
    line: usize,
    what: String,
}

impl Fault {
    fn new(source: &Source, line: usize, what: impl Into<String>) -> Self {
        Self { path: source.path.clone(), line, what: what.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// Fails with every fault at once.
#[track_caller]
fn assert_none(faults: impl IntoIterator<Item = Fault>) {
    let faults: Vec<_> = faults.into_iter().map(|fault| fault.to_string()).collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// A made-up file, to show that a rule can fail.
fn snippet(path: &str, text: &str) -> Source {
    Source::new(path.to_owned(), text.to_owned())
}

/// The lines of the faults that a rule finds in a made-up file.
fn lines(rule: impl Fn(&Source) -> Vec<Fault>, path: &str, text: &str) -> Vec<usize> {
    rule(&snippet(path, text)).into_iter().map(|fault| fault.line).collect()
}
