//! The rules for names that are written into histories.

const MAX_NAME_LEN: usize = 256;

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

#[cfg(test)]
mod tests {
    use super::check;

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
}
