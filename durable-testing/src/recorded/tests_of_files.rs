//! What the tests do that `replay_tests!` makes.

use std::path::Path;

use super::{Deployment, RecordedHistory};

/// Replays one recorded history.
///
/// # Panics
///
/// When it is none, or does not replay.
#[track_caller]
pub fn check_recorded(path: &str, text: &str, deployment: &Deployment) {
    let recorded = RecordedHistory::from_json(text).unwrap_or_else(|error| panic!("{path}: {error}"));
    if let Err(report) = recorded.replay_against(deployment) {
        panic!("{path}: {report}");
    }
}

/// Replays the files of a folder that were not there when the program was compiled.
///
/// # Panics
///
/// When the folder cannot be read, or a new file is no recorded history or does not replay.
#[track_caller]
pub fn check_unknown(folder: &str, known: &[&str], deployment: &Deployment) {
    let files = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder}: {error}"));
    for file in files {
        let path = file.unwrap_or_else(|error| panic!("{folder}: {error}")).path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if is_history(&path) && !known.contains(&&*name) {
            let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            check_recorded(&path.display().to_string(), &text, deployment);
        }
    }
}

/// The macro takes the same files.
fn is_history(path: &Path) -> bool {
    let is_hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
    !is_hidden && path.extension().is_some_and(|extension| extension == "json") && path.is_file()
}
