//! Texts of two runs that differ in nothing but generated ids and times.

use std::fmt::Debug;

use super::words::Numbers;

/// True for two values that are equal, or whose texts differ in nothing but generated ids and times.
pub(super) fn are_alike<T: PartialEq + Debug>(a: &T, b: &T) -> bool {
    if a == b {
        return true;
    }
    let (a, b) = (format!("{a:?}"), format!("{b:?}"));
    // What differs must be seen, so that it can be judged.
    a != b && masked(&a) == masked(&b)
}

/// The text with numbers instead of generated ids, and without times.
pub(super) fn masked(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let length = if result.ends_with(|before: char| before.is_ascii_digit()) { 0 } else { time(rest.as_bytes()) };
        if length > 0 {
            result += "<time>";
            rest = &rest[length..];
        } else {
            result.push(letter);
            rest = &rest[letter.len_utf8()..];
        }
    }
    Numbers::default().text(&result)
}

/// How long the time is with which a text begins, as RFC 3339 writes it, with or without its zone.
fn time(text: &[u8]) -> usize {
    let fits = |text: &[u8], form: &[u8]| {
        let alike = |(byte, form): (&u8, &u8)| if *form == b'0' { byte.is_ascii_digit() } else { byte == form };
        text.len() >= form.len() && text.iter().zip(form).all(alike)
    };
    let form = b"0000-00-00T00:00:00";
    if !fits(text, form) {
        return 0;
    }
    let mut length = form.len();
    if fits(&text[length..], b".0") {
        length += 1 + text[length + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    }
    let zones: [&[u8]; 3] = [b"Z", b"+00:00", b"-00:00"];
    length + zones.iter().find(|zone| fits(&text[length..], zone)).map_or(0, |zone| zone.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_times_are_masked() {
        let text = "[2024-01-01T00:00:00Z, \"2024-01-01T00:00:00.0100000+02:00\"] ü 01234567-89ab-cdef-0123-456789abcdef 2024-01-01";
        assert_eq!(masked(text), "[<time>, \"<time>\"] ü <id 1> 2024-01-01");
        assert_eq!(masked("2024-01-01T00:00:00"), "<time>");
        assert_eq!(masked("12024-01-01T00:00:00"), "12024-01-01T00:00:00");
    }

    #[test]
    fn what_differs_otherwise_is_not_alike() {
        let (one, two) = ("0123456789abcdef0123456789abcdef", "1123456789abcdef0123456789abcdef");
        assert!(are_alike(&(one, 5), &(two, 5)));
        assert!(!are_alike(&(one, 5), &(two, 6)));
        assert!(!are_alike(&[one, two], &[one, one]), "which ids are the same counts");

        /// Does not show what it is.
        #[derive(PartialEq)]
        struct Hidden(u64);
        impl Debug for Hidden {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("Hidden")
            }
        }
        assert!(!are_alike(&Hidden(1), &Hidden(2)));
    }
}
