//! Which module of durable-core may import which.

use crate::code::{line_of, places_of};
use crate::repository::{Source, rust_files};
use crate::{Fault, assert_none, lines};

const SRC: &str = "durable-core/src/";

/// Each module with what it may import, itself aside. A module imports only what stands above it here.
const MODULES: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("history", &["model"]),
    ("failure", &["model"]),
    ("replay", &["model", "history"]),
    ("telemetry", &["replay"]),
    ("backend", &["model", "history"]),
    ("activity", &["model", "failure"]),
    ("orchestration", &["model", "history", "failure", "replay", "activity"]),
    ("registry", &["model", "replay", "activity", "orchestration"]),
    ("client", &["model", "history", "failure", "orchestration"]),
    // Knows no code of users: what runs is the business of the worker, beyond the seam.
    ("engine", &["model", "history", "replay", "backend", "activity", "client"]),
    ("worker", &["model", "history", "replay", "activity", "registry", "engine"]),
    ("config", &["model", "backend", "worker"]),
    ("hub", &["model", "backend", "activity", "orchestration", "registry", "client", "engine", "worker", "config"]),
];

/// Files that name everything in order to re-export it.
const FRONTS: &[&str] = &["lib", "prelude"];

/// The module that a file belongs to, and how many modules deep the file itself is.
fn module_of(path: &str) -> Option<(&str, usize)> {
    let inside = path.strip_prefix(SRC)?.strip_suffix(".rs")?;
    let inside = inside.strip_suffix("/mod").unwrap_or(inside);
    Some((inside.split('/').next()?, inside.split('/').count()))
}

fn wrong_way(source: &Source) -> Vec<Fault> {
    let Some((module, depth)) = module_of(&source.path).filter(|(module, _)| !FRONTS.contains(module)) else {
        return Vec::new();
    };
    let Some((_, allowed)) = MODULES.iter().find(|(name, _)| *name == module) else {
        let what = format!("the module `{module}` has no place in the order: give it one in `MODULES`");
        return vec![Fault::new(source, 1, what)];
    };
    let mut faults = climbs_too_high(source, depth);
    for (line, behind) in places_of(&source.code, "crate::") {
        for import in imports(&source.code[behind..]) {
            let known = MODULES.iter().any(|(name, _)| *name == import);
            if known && import != module && !allowed.contains(&import) {
                let what = format!(
                    "`{module}` may not import `{import}`, only {allowed:?}: move the item towards `{module}`, or pass it in"
                );
                faults.push(Fault::new(source, line, what));
            } else if FRONTS.contains(&import) {
                faults.push(Fault::new(source, line, "the prelude is for users: import from the module itself"));
            }
        }
    }
    faults
}

/// `super` beyond the top module would hide an arrow from the other rule.
fn climbs_too_high(source: &Source, depth: usize) -> Vec<Fault> {
    let tests = source.code.find("mod tests {").unwrap_or(source.code.len());
    let chain = "super::".repeat(depth);
    let places = source.code.match_indices(&chain).filter(|(at, _)| {
        let deeper = source.code[at + chain.len()..].starts_with("super::");
        let first = !source.code[..*at].ends_with("super::");
        first && (*at < tests || deeper)
    });
    let what = "`super` leads out of the module: say `crate::` so that the arrow can be seen";
    places.map(|(at, _)| Fault::new(source, line_of(&source.code, at), what)).collect()
}

/// What stands behind a `crate::`: one name, or the first names of a group.
fn imports(code: &str) -> Vec<&str> {
    let Some(group) = code.strip_prefix('{') else { return vec![name(code)] };
    let mut depth = 0;
    let mut names = Vec::new();
    let mut at_start = true;
    for (i, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => at_start = true,
            c if at_start && !c.is_whitespace() => {
                names.push(name(&group[i..]));
                at_start = false;
            }
            _ => {}
        }
    }
    names
}

fn name(code: &str) -> &str {
    let end = code.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(code.len());
    &code[..end]
}

#[test]
fn every_import_follows_the_order() {
    assert_none(rust_files().iter().flat_map(wrong_way));
}

#[test]
fn the_table_is_an_order_of_what_exists() {
    let files = rust_files();
    for (i, (module, allowed)) in MODULES.iter().enumerate() {
        let above = &MODULES[..i];
        let cycle = allowed.iter().find(|import| !above.iter().any(|(name, _)| name == *import));
        assert_eq!(cycle, None, "`{module}` imports what does not stand above it");
        let exists = files.iter().any(|source| module_of(&source.path).is_some_and(|(name, _)| name == *module));
        assert!(exists, "there is no module `{module}` any more");
    }
}

#[test]
fn a_wrong_import_is_found() {
    let text = "//! See [`crate::hub`].\nuse crate::model::Payload;\nuse crate::engine::Clock;\nuse crate::{BoxFuture, history::{Action, X}, worker};\nlet x = crate::hub::TaskHub::builder();";
    assert_eq!(lines(wrong_way, "durable-core/src/replay/executor.rs", text), [3, 4, 5]);
    assert_eq!(lines(wrong_way, "durable-core/src/backend/sqlite/mod.rs", "use crate::client::Client;"), [1]);
    assert_eq!(lines(wrong_way, "durable-core/src/engine/x.rs", "use crate::registry::Registry;"), [1]);
    assert_eq!(lines(wrong_way, "durable-core/src/hub/mod.rs", "use crate::prelude::*;"), [1]);
}

#[test]
fn a_hidden_import_is_found() {
    assert_eq!(
        lines(wrong_way, "durable-core/src/model/id.rs", "use super::name;\nuse super::super::hub::TaskHub;"),
        [2]
    );
    assert_eq!(lines(wrong_way, "durable-core/src/model/mod.rs", "use super::hub::TaskHub;"), [1]);
    let text = "use super::x;\nmod tests {\n use super::super::y;\n use super::super::super::hub;\n}";
    assert_eq!(lines(wrong_way, "durable-core/src/model/id.rs", text), [4]);
}

#[test]
fn a_module_without_a_place_is_found() {
    assert_eq!(lines(wrong_way, "durable-core/src/nowhere/mod.rs", ""), [1]);
}
