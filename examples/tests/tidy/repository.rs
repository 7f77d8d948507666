//! The files of the workspace.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::code;
use crate::{Fault, assert_none};

/// What may stand in the root. Everything else has a place in a crate.
const ROOT: &[&str] = &[
    ".cargo",
    ".ci",
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "clippy.toml",
    "durable-core",
    "durable-http",
    "durable-macros",
    "durable-testing",
    "examples",
    "rustfmt.toml",
];

/// One text file, with its path from the root of the workspace.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
    /// The text with blanks where comments and the insides of literals are.
    pub(crate) code: String,
}

impl Source {
    pub(crate) fn new(path: String, text: String) -> Self {
        let code = code::without_comments_and_literals(&text);
        Self { path, text, code }
    }

    /// True for tests that stand apart from the code, and for the tools that tests use.
    pub(crate) fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.starts_with("durable-testing/src/")
    }
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// Every Rust file.
pub(crate) fn rust_files() -> Vec<Source> {
    files(".rs")
}

/// Every manifest.
pub(crate) fn manifests() -> Vec<Source> {
    files("Cargo.toml")
}

fn files(ending: &str) -> Vec<Source> {
    let root = root();
    let mut found = Vec::new();
    visit(&root, &mut |path| {
        let name = path.strip_prefix(&root).expect("inside").to_string_lossy().replace('\\', "/");
        if name.ends_with(ending) {
            found.push(Source::new(name, std::fs::read_to_string(path).expect("readable text")));
        }
    });
    assert!(!found.is_empty(), "there is nothing to check in {}", root.display());
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn visit(dir: &Path, see: &mut dyn FnMut(&Path)) {
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if name == "target" || name.starts_with('.') {
            continue;
        }
        if path.is_dir() { visit(&path, see) } else { see(&path) }
    }
}

/// What stands in the root and is under version control. Without git, for instance in an unpacked archive, everything.
fn root_entries() -> Vec<String> {
    let listed = Command::new("git").args(["ls-tree", "--name-only", "HEAD"]).current_dir(root()).output();
    if let Ok(output) = listed
        && output.status.success()
    {
        return String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    }
    let entries = std::fs::read_dir(root()).expect("a directory");
    let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    names.filter(|name| name != "target" && name != ".git" && !name.contains(".db")).collect()
}

fn strangers<'a>(entries: impl IntoIterator<Item = &'a String>) -> Vec<Fault> {
    let strange = entries.into_iter().filter(|entry| !ROOT.contains(&entry.as_str()));
    let what = "is not one of the agreed files of the root: move it into a crate, or agree on it in `ROOT`";
    strange.map(|entry| Fault { path: entry.clone(), line: 1, what: what.to_owned() }).collect()
}

#[test]
fn the_root_holds_only_the_agreed_files() {
    assert_none(strangers(&root_entries()));
}

#[test]
fn a_stray_file_in_the_root_is_found() {
    let faults = strangers(&["README.md".to_owned(), "NOTES.md".to_owned()]);
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].path, "NOTES.md");
}
