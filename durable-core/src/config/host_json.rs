//! Reading a `host.json`.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::comments::blank_out;
use super::error::{Mistake, MistakeKind};
use super::layers::{Entry, Layers, Source, flatten};
use super::remark::Remark;
use super::settings;

/// The text of a file; none when it is not there and need not be.
pub(super) fn read(path: &Path, must_exist: bool) -> Result<Option<String>, Mistake> {
    let source = Source::File(path.display().to_string());
    let unreadable = |rule: &str| Mistake::new(MistakeKind::Unreadable, "", &source, rule);
    if path.is_dir() {
        return Err(unreadable("it is a directory, not a file"));
    }
    match std::fs::read(path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(error) => Err(unreadable("it is no UTF-8 text").caused_by(error.utf8_error())),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must_exist => Ok(None),
        Err(error) => Err(unreadable("it cannot be read").caused_by(error)),
    }
}

/// Puts what a file says over what the layers have.
pub(super) fn put(
    text: &str,
    source: &Source,
    layers: &mut Layers,
    mistakes: &mut Vec<Mistake>,
    warnings: &mut Vec<Remark>,
) {
    let syntax = |rule: &str| Mistake::new(MistakeKind::Syntax, "", source, rule);
    let text = blank_out(text.strip_prefix('\u{feff}').unwrap_or(text));
    if text.trim().is_empty() {
        warnings.push(Remark::new("host.json", source.clone(), "it is empty"));
        return;
    }
    let value: Value = match serde_json::from_str(&text) {
        Ok(value @ Value::Object(_)) => value,
        Ok(_) => return mistakes.push(syntax("it must be a JSON object")),
        Err(error) => return mistakes.push(syntax("it is no JSON").caused_by(error)),
    };
    let mut seen = BTreeSet::new();
    flatten(&value, &mut Vec::new(), &mut |path, raw| {
        if path.first().is_some_and(|first| first.eq_ignore_ascii_case("durableTask")) {
            let what = "it has no effect: its place is `extensions.durableTask`";
            if !warnings.iter().any(|warning| warning.setting() == path[0]) {
                warnings.push(Remark::new(path[0].clone(), source.clone(), what));
            }
        }
        let Some(key) = settings::key_of_path(path) else { return };
        let (written, name) = (settings::spelling(&key, path), path.last().cloned().unwrap_or_default());
        layers.put(&key, Entry { written: written.clone(), name, raw, source: source.clone() });
        if !seen.insert(key) {
            let rule = "it stands there twice: names are the same without regard to case";
            mistakes.push(Mistake::new(MistakeKind::Twice, &written, source, rule));
        }
    });
}
