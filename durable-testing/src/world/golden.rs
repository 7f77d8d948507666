//! Texts that are kept in files beside the tests.

use std::path::Path;

/// The variable of the environment that lets golden files be written.
const UPDATE: &str = "UPDATE_GOLDEN";

/// Compares a text with the golden file at `path`, which counts from the folder of the package. With `UPDATE_GOLDEN=1` in the
/// environment it writes the file instead.
#[track_caller]
pub(super) fn compare(path: &Path, text: &str) {
    if std::env::var_os(UPDATE).is_some_and(|value| !value.is_empty() && value != "0") {
        let written = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(path, text));
        written.unwrap_or_else(|error| panic!("{} cannot be written: {error}", path.display()));
        return;
    }
    if let Err(complaint) = check(path, text) {
        panic!("{complaint}");
    }
}

fn check(path: &Path, text: &str) -> Result<(), String> {
    let golden = std::fs::read_to_string(path)
        .map_err(|error| format!("{} cannot be read: {error}; {UPDATE}=1 writes it", path.display()))?;
    let difference = difference(&golden.replace("\r\n", "\n"), text);
    difference.map_or(Ok(()), |difference| {
        Err(format!("this is not what {} says; {UPDATE}=1 writes it anew\n{difference}", path.display()))
    })
}

/// The lines around the first difference.
fn difference(golden: &str, text: &str) -> Option<String> {
    if golden == text {
        return None;
    }
    let (golden, text): (Vec<_>, Vec<_>) = (golden.lines().collect(), text.lines().collect());
    let same = golden.iter().zip(&text).take_while(|(a, b)| a == b).count();
    let line = |mark: &str, lines: &[&str]| {
        format!("\n{mark} {:>4}  {}", same + 1, lines.get(same).unwrap_or(&"(the text ends here)"))
    };
    let before = same.saturating_sub(3)..same;
    let context = before.map(|at| format!("\n  {:>4}  {}", at + 1, text[at]));
    Some(format!("the first difference:{}{}{}", context.collect::<String>(), line("-", &golden), line("+", &text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_shown_with_its_line() {
        assert_eq!(difference("a\nb\n", "a\nb\n"), None);
        let text = difference("a\nb\nc\n", "a\nx\nc\n").unwrap_or_default();
        assert_eq!(text, "the first difference:\n     1  a\n-    2  b\n+    2  x");
        let text = difference("a\n", "a\nb\n").unwrap_or_default();
        assert!(text.ends_with("-    2  (the text ends here)\n+    2  b"), "{text}");
    }

    #[test]
    fn a_file_is_compared_and_missed() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let golden = here.join("tests/golden/order.txt");
        let complaint = check(&golden, "something else\n").unwrap_err();
        assert!(complaint.contains("order.txt says") && complaint.contains("+    1  something else"), "{complaint}");
        assert!(check(&here.join("tests/golden/none.txt"), "").unwrap_err().contains("cannot be read"));
    }
}
