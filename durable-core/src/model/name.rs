//! Names of orchestrators, activities, external events and task hubs.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

const MAX_NAME_LEN: usize = 256;

/// A text that cannot be a name of the kind that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{name}' is not a valid {kind} name: {reason}")]
pub struct InvalidName {
    name: String,
    kind: &'static str,
    reason: &'static str,
}

/// The text of a name. One that stands in the program needs no memory of its own.
#[derive(Clone)]
enum Text {
    Static(&'static str),
    Shared(Arc<str>),
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Static(text) => text,
            Self::Shared(text) => text,
        }
    }
}

fn check(name: &str, kind: &'static str) -> Result<(), InvalidName> {
    // Most names are that simple.
    if (1..=MAX_NAME_LEN).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    let refuse = |reason| Err(InvalidName { name: name.chars().take(64).collect(), kind, reason });
    if name.trim().is_empty() {
        return refuse("it is empty");
    }
    if name.len() > MAX_NAME_LEN {
        return refuse("it is longer than 256 bytes");
    }
    if name.chars().any(char::is_control) {
        return refuse("it contains a control character");
    }
    Ok(())
}

/// Names compare without regard to ASCII case, and keep the spelling they were made with. Folding is limited to ASCII so
/// that it can never change with a Unicode version: a replay years later folds in the same way.
macro_rules! case_insensitive_name {
    ($(#[$docs:meta])* $name:ident, $kind:literal, $check:ident) => {
        $(#[$docs])*
        #[derive(Clone)]
        pub struct $name(Text);

        impl $name {
            /// Checks `name` and takes it over.
            ///
            /// # Errors
            ///
            /// [`InvalidName`] says which rule the text breaks.
            pub fn new(name: impl AsRef<str>) -> Result<Self, InvalidName> {
                $check(name.as_ref(), $kind)?;
                Ok(Self(Text::Shared(name.as_ref().into())))
            }

            /// The name as it was written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The form that two equal names share.
            #[must_use]
            pub fn folded(&self) -> String {
                self.0.to_ascii_lowercase()
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.0.eq_ignore_ascii_case(&other.0)
            }
        }

        impl Eq for $name {}

        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                for part in self.0.as_bytes().chunks(32) {
                    let mut folded = [0; 32];
                    folded[..part.len()].copy_from_slice(part);
                    folded.make_ascii_lowercase();
                    state.write(&folded[..part.len()]);
                }
                state.write_u8(0xff);
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(name: &str) -> Result<Self, Self::Err> {
                Self::new(name)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = InvalidName;

            fn try_from(name: &str) -> Result<Self, Self::Error> {
                Self::new(name)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(name: String) -> Result<Self, Self::Error> {
                Self::new(name)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

case_insensitive_name! {
    /// The name of an orchestrator or an activity.
    ///
    /// 1 to 256 bytes without control characters. Names compare without regard to ASCII case, as in Durable Functions.
    FunctionName, "function", check
}

case_insensitive_name! {
    /// The name of an external event.
    ///
    /// 1 to 256 bytes without control characters. Names compare without regard to ASCII case, as in Durable Functions.
    EventName, "event", check
}

case_insensitive_name! {
    /// The name of a task hub.
    ///
    /// 3 to 45 ASCII letters and digits, the first of them a letter, as Durable Functions requires; compared without
    /// regard to case.
    TaskHubName, "task hub", check_hub
}

impl FunctionName {
    /// Checks a name that stands in the program.
    pub(crate) fn of_static(name: &'static str) -> Result<Self, InvalidName> {
        check(name, "function")?;
        Ok(Self(Text::Static(name)))
    }
}

fn check_hub(name: &str, kind: &'static str) -> Result<(), InvalidName> {
    let refuse = |reason| Err(InvalidName { name: name.chars().take(64).collect(), kind, reason });
    if !(3..=45).contains(&name.len()) {
        return refuse("it must have 3 to 45 characters");
    }
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return refuse("it must start with a letter");
    }
    if !name.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return refuse("it may contain only letters and digits");
    }
    Ok(())
}

impl Default for TaskHubName {
    /// `TestHubName`, the default of Durable Functions.
    fn default() -> Self {
        Self(Text::Static("TestHubName"))
    }
}

/// Names as people read them in an error.
#[derive(Debug)]
pub(crate) struct NameList<'a>(pub(crate) &'a [FunctionName]);

impl fmt::Display for NameList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (i, name) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { ", " };
            write!(f, "{separator}{name}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_compare_without_case_and_keep_their_spelling() {
        let a = FunctionName::new("SayHello").unwrap();
        let b = FunctionName::new("sayhello").unwrap();
        assert_eq!(a, b);
        assert_eq!(HashSet::from([a.clone(), b]).len(), 1);
        assert_eq!(a.as_str(), "SayHello");
    }

    #[test]
    fn folding_is_limited_to_ascii() {
        assert_ne!(EventName::new("Ä").unwrap(), EventName::new("ä").unwrap());
    }

    #[test]
    fn hub_names_follow_the_durable_functions_rule() {
        assert!(TaskHubName::new("TestHub").is_ok());
        for bad in ["", "ab", "1hub", "my-hub", &"h".repeat(46)] {
            assert!(TaskHubName::new(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
