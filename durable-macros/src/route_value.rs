//! What a parameter of a route may be: the constraints of templates, the well-known Rust types, and their defaults.

use syn::Type;

use crate::{name, types};

/// A kind of value, as a template writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Constraint {
    Int,
    Float,
    Duration,
    Bool,
    Guid,
    Text,
}

const CONSTRAINTS: &[(&str, Constraint)] = &[
    ("int", Constraint::Int),
    ("float", Constraint::Float),
    ("duration", Constraint::Duration),
    ("bool", Constraint::Bool),
    ("guid", Constraint::Guid),
    ("string", Constraint::Text),
];

/// The types whose kind is known by their name.
const TYPES: &[(&str, Constraint)] = &[
    ("i8", Constraint::Int),
    ("i16", Constraint::Int),
    ("i32", Constraint::Int),
    ("i64", Constraint::Int),
    ("i128", Constraint::Int),
    ("isize", Constraint::Int),
    ("u8", Constraint::Int),
    ("u16", Constraint::Int),
    ("u32", Constraint::Int),
    ("u64", Constraint::Int),
    ("u128", Constraint::Int),
    ("usize", Constraint::Int),
    ("f32", Constraint::Float),
    ("f64", Constraint::Float),
    ("Duration", Constraint::Duration),
    ("bool", Constraint::Bool),
    ("Uuid", Constraint::Guid),
    ("String", Constraint::Text),
    ("InstanceId", Constraint::Text),
    ("FunctionName", Constraint::Text),
    ("EventName", Constraint::Text),
];

impl Constraint {
    /// The known ones, for messages.
    pub(crate) const LIST: &'static str = "`int`, `float`, `duration`, `bool`, `guid` and `string`";

    /// The constraint of this name.
    pub(crate) fn named(text: &str) -> Option<Self> {
        CONSTRAINTS.iter().find(|(name, _)| *name == text).map(|(_, constraint)| *constraint)
    }

    /// What values of `ty` are, where its name says so.
    pub(crate) fn of(ty: &Type) -> Option<Self> {
        let segment = types::last_segment(ty)?;
        TYPES.iter().find(|(name, _)| segment.ident == name).map(|(_, constraint)| *constraint)
    }

    /// The constraint as it is written.
    pub(crate) fn shown(self) -> &'static str {
        CONSTRAINTS.iter().find(|(_, constraint)| *constraint == self).map_or("", |(name, _)| name)
    }

    /// True when `text` is such a value.
    pub(crate) fn allows(self, text: &str) -> bool {
        match self {
            Self::Int => text.parse::<i128>().is_ok(),
            Self::Float => text.parse::<f64>().is_ok_and(f64::is_finite),
            Self::Duration => is_seconds(text),
            Self::Bool => text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false"),
            Self::Guid => is_guid(text),
            Self::Text => true,
        }
    }

    /// What to write, for messages.
    pub(crate) fn expected(self) -> &'static str {
        match self {
            Self::Int => "a whole number",
            Self::Float => "a number",
            Self::Duration => "a number of seconds",
            Self::Bool => "`true` or `false`",
            Self::Guid => "a UUID",
            Self::Text => "a text",
        }
    }
}

/// What is wrong with a default for an argument of type `ty`; `None` where it fits or nothing is known.
pub(crate) fn misfit(default: &str, ty: &Type) -> Option<String> {
    let segment = types::last_segment(ty)?;
    let name = segment.ident.to_string();
    let fits = match name.as_str() {
        "i8" => default.parse::<i8>().is_ok(),
        "i16" => default.parse::<i16>().is_ok(),
        "i32" => default.parse::<i32>().is_ok(),
        "i64" | "isize" => default.parse::<i64>().is_ok(),
        "u8" => default.parse::<u8>().is_ok(),
        "u16" => default.parse::<u16>().is_ok(),
        "u32" => default.parse::<u32>().is_ok(),
        "u64" | "usize" => default.parse::<u64>().is_ok(),
        "u128" => default.parse::<u128>().is_ok(),
        "InstanceId" => !default.starts_with('@') && !default.contains(['/', '\\', '?', '#']),
        "FunctionName" | "EventName" => name::check(default).is_ok(),
        _ => Constraint::of(ty)?.allows(default),
    };
    (!fits).then(|| match Constraint::of(ty) {
        Some(Constraint::Text) | None => format!("`{name}`"),
        Some(known) => format!("`{name}`: write {}", known.expected()),
    })
}

fn is_seconds(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(|seconds| std::time::Duration::try_from_secs_f64(seconds).is_ok())
}

fn is_guid(text: &str) -> bool {
    let groups: Vec<_> = text.split('-').map(str::len).collect();
    let digits = text.bytes().filter(u8::is_ascii_hexdigit).count();
    let only = text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    only && digits == 32 && (groups == [32] || groups == [8, 4, 4, 4, 12])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_checked_against_the_type() {
        for (ty, good, bad) in [
            ("u8", "255", "256"),
            ("i32", "-1", "1.5"),
            ("u64", "1", "-1"),
            ("f64", "1.5", "x"),
            ("std::time::Duration", "0.5", "-1"),
            ("bool", "True", "yes"),
            ("Uuid", "00000000-0000-0000-0000-000000000000", "0000"),
            ("InstanceId", "a b", "a/b"),
        ] {
            let parsed: Type = syn::parse_str(ty).unwrap();
            assert_eq!(misfit(good, &parsed), None, "{ty}");
            assert!(misfit(bad, &parsed).unwrap().contains(ty.rsplit(':').next().unwrap()), "{ty}");
        }
        assert_eq!(misfit("anything", &syn::parse_str("Own").unwrap()), None);
    }
}
