//! The rules for names that are written into histories.

const MAX_NAME_LEN: usize = 256;
const MAX_VERSION_LEN: usize = 64;

/// The rule that `name` breaks, or nothing. These are the rules of durable-core's `FunctionName`.
pub(crate) fn check(name: &str) -> Result<(), &'static str> {
    if name.trim().is_empty() {
        return Err("a name cannot be empty");
    }
    if name.len() > MAX_NAME_LEN {
        return Err("a name cannot be longer than 256 bytes");
    }
    if name.chars().any(char::is_control) {
        return Err("a name cannot contain control characters");
    }
    Ok(())
}

/// The rule that `version` breaks, or nothing. These are the rules of durable-core's `Version`.
pub(crate) fn check_version(version: &str) -> Result<(), &'static str> {
    if version.is_empty() {
        return Err("a version cannot be empty");
    }
    if version.len() > MAX_VERSION_LEN {
        return Err("a version cannot be longer than 64 bytes");
    }
    if version.chars().any(char::is_control) {
        return Err("a version cannot contain control characters");
    }
    if version.trim() != version {
        return Err("a version cannot begin or end with white space");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{check, check_version};

    #[test]
    fn ordinary_names_pass() {
        for good in ["a", "SayHello", "pay-order v2", "straße", &"n".repeat(256)] {
            assert_eq!(check(good), Ok(()), "{good:?}");
        }
    }

    #[test]
    fn bad_names_are_refused_with_the_rule() {
        for (bad, rule) in [
            ("", "a name cannot be empty"),
            (" \t", "a name cannot be empty"),
            ("a\nb", "a name cannot contain control characters"),
            ("a\0", "a name cannot contain control characters"),
            (&"n".repeat(257), "a name cannot be longer than 256 bytes"),
            (&"ä".repeat(129), "a name cannot be longer than 256 bytes"),
        ] {
            assert_eq!(check(bad), Err(rule), "{bad:?}");
        }
    }

    #[test]
    fn ordinary_versions_pass() {
        for good in ["1", "2.0", "1.10.3-beta", "late summer", &"1".repeat(64)] {
            assert_eq!(check_version(good), Ok(()), "{good:?}");
        }
    }

    #[test]
    fn bad_versions_are_refused_with_the_rule() {
        for (bad, rule) in [
            ("", "a version cannot be empty"),
            ("1\n", "a version cannot contain control characters"),
            (" 1", "a version cannot begin or end with white space"),
            ("1 ", "a version cannot begin or end with white space"),
            (&"1".repeat(65), "a version cannot be longer than 64 bytes"),
        ] {
            assert_eq!(check_version(bad), Err(rule), "{bad:?}");
        }
    }
}
