//! What a worker can run, as a condition.

use crate::backend::RunnableOrchestrators;
use crate::model::{Version, VersionSet};

/// The numbers of a version like `1.2.3`, by which it compares; nothing for any other one.
macro_rules! numbers {
    ($version:literal) => {
        concat!(
            "CASE WHEN ",
            $version,
            " ~ '^[0-9]+([.][0-9]+){1,3}$' THEN CASE WHEN 4294967295 >= ALL(string_to_array(",
            $version,
            ", '.')::numeric[]) THEN string_to_array(",
            $version,
            ", '.')::numeric[] END END"
        )
    };
}

/// A row that compares as a version does.
macro_rules! order {
    ($version:literal) => {
        concat!(
            "ROW (",
            numbers!($version),
            " IS NULL, coalesce(",
            numbers!($version),
            ", '{}'), CASE WHEN (",
            numbers!($version),
            ") IS NULL THEN lower(",
            $version,
            " COLLATE \"C\") ELSE '' END)"
        )
    };
}

/// True for an instance `i` that the worker can run: parameters with the parts of [`Runs`].
macro_rules! can_run {
    ($all:literal, $names:literal, $of:literal, $versions:literal, $or_earlier:literal) => {
        concat!(
            "(",
            $all,
            "::boolean OR lower(i.name) = ANY(",
            $names,
            "::text[]) OR EXISTS (SELECT FROM unnest(",
            $of,
            "::text[], ",
            $versions,
            "::text[], ",
            $or_earlier,
            "::boolean[]) AS u (name, version, or_earlier) WHERE u.name = lower(i.name) AND CASE
                WHEN i.version IS NULL THEN u.or_earlier OR u.version IS NULL
                WHEN u.version IS NULL THEN false
                WHEN u.or_earlier THEN ",
            order!("i.version"),
            " <= ",
            order!("u.version"),
            " ELSE ",
            order!("i.version"),
            " = ",
            order!("u.version"),
            " END))"
        )
    };
}
pub(super) use {can_run, numbers, order};

/// The parameters of [`can_run`].
#[derive(Debug, Default)]
pub(super) struct Runs<'a> {
    /// Everything can run, and the rest does not count.
    pub(super) all: bool,
    /// These names in all versions.
    pub(super) names: Vec<String>,
    /// These names, each with a version, and with all earlier ones where it is said.
    pub(super) of: Vec<String>,
    pub(super) versions: Vec<Option<&'a str>>,
    pub(super) or_earlier: Vec<bool>,
}

impl<'a> Runs<'a> {
    pub(super) fn new(runs: &'a RunnableOrchestrators) -> Self {
        let Some(known) = runs else { return Self { all: true, ..Self::default() } };
        let mut runs = Self::default();
        for known in known.iter() {
            let name = known.name.to_ascii_lowercase();
            match &known.versions {
                VersionSet::All => runs.names.push(name),
                VersionSet::These(versions) => {
                    versions.iter().for_each(|version| runs.add(&name, version.as_ref(), false));
                }
                VersionSet::Through(version) => runs.add(&name, version.as_ref(), true),
            }
        }
        runs
    }

    fn add(&mut self, name: &str, version: Option<&'a Version>, or_earlier: bool) {
        self.of.push(name.to_owned());
        self.versions.push(version.map(Version::as_str));
        self.or_earlier.push(or_earlier);
    }
}
