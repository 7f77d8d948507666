//! Environment variables: those that are settings, and those that settings name.

use std::collections::BTreeMap;

use super::error::{Mistake, MistakeKind};
use super::layers::{Entry, Layers, Raw, Source};
use super::remark::Remark;
use super::settings;

/// What the Functions host calls its configuration.
const HOST: &str = "azurefunctionsjobhost";

/// Our short form of `AzureFunctionsJobHost__extensions__durableTask`.
const SHORT: &str = "durable";

/// The keys that the Functions tools hand to a container, and the names that they get here.
const KEY_PREFIX: &str = "host.systemkey.";
const MASTER_KEY: &str = "host.master";

/// The variables of a process, or of a test. No value is there for one that is no Unicode.
#[derive(Default)]
pub(super) struct Variables {
    by_name: BTreeMap<String, Option<String>>,
}

impl Variables {
    pub(super) fn of_process() -> Self {
        let named = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        Self { by_name: named.map(|(name, value)| (name, value.into_string().ok())).collect() }
    }

    pub(super) fn insert(&mut self, name: String, value: String) {
        self.by_name.insert(name, Some(value));
    }

    pub(super) fn extend(&mut self, others: Self) {
        self.by_name.extend(others.by_name);
    }

    /// The value of a variable under its exact name, else under one that differs in case.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let exact = self.by_name.get(name);
        let found = exact.or_else(|| {
            let mut similar = self.by_name.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
            similar.next().map(|(_, value)| value)
        });
        found?.as_deref()
    }

    /// As [`get`](Self::get); an empty value counts as none.
    pub(super) fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// What Azure tells a site about itself stands below the file: it is where defaults come from.
    pub(super) fn put_defaults(&self, layers: &mut Layers) {
        let mut put = |key: &str, variable: &str, value: String| {
            let name = key.rsplit(':').next().unwrap_or_default().to_owned();
            let written = settings::spelling(key, std::slice::from_ref(&name));
            let source = Source::Environment(variable.to_owned());
            layers.put(key, Entry { written, name, raw: Raw::Text(value), source });
        };
        if let Some(site) = self.filled("WEBSITE_SITE_NAME") {
            put("durabletask:hubname", "WEBSITE_SITE_NAME", hub_name_of_site(site));
        }
        if let Some(host) = self.filled("WEBSITE_HOSTNAME") {
            let is_local = host.starts_with("localhost") || host.starts_with("127.");
            let scheme = if is_local { "http" } else { "https" };
            put("durabletask:httpsettings:publicorigin", "WEBSITE_HOSTNAME", format!("{scheme}://{host}"));
        }
        for (variable, value) in &self.by_name {
            let folded = variable.to_ascii_lowercase();
            let name = if folded == MASTER_KEY { Some("master") } else { folded.strip_prefix(KEY_PREFIX) };
            if let (Some(name), Some(value)) = (name, value.as_deref().filter(|value| !value.is_empty())) {
                put(&format!("durabletask:httpsettings:keys:{name}"), variable, value.to_owned());
            }
        }
    }

    /// Settings stand over those of the file. The short form wins over the long one.
    pub(super) fn put_settings(&self, layers: &mut Layers, mistakes: &mut Vec<Mistake>, warnings: &mut Vec<Remark>) {
        let keyed = self.by_name.iter().filter_map(|(variable, value)| Some((key_of(variable)?, variable, value)));
        let mut all: Vec<_> = keyed.collect();
        all.sort_by_key(|(key, variable, _)| (key.is_short, *variable));
        for (key, variable, value) in all {
            let source = Source::Environment(variable.clone());
            let Some(value) = value else {
                let mistake = Mistake::new(MistakeKind::Value, &key.written, &source, "it must be Unicode text");
                mistakes.push(mistake);
                continue;
            };
            // An empty value means "not set", except where a text may be empty.
            if value.is_empty() && !settings::may_be_empty(&key.key) {
                continue;
            }
            let (written, name, raw) = (key.written.clone(), key.name, Raw::Text(value.clone()));
            let replaced = layers.put(&key.key, Entry { written, name, raw, source: source.clone() });
            if let Some(Entry { source: Source::Environment(other), raw, .. }) = replaced
                && raw != Raw::Text(value.clone())
                && key_of(&other).is_some()
            {
                warnings.push(Remark::new(key.written, source, format!("the variable {other} says something else")));
            }
        }
    }

    /// Replaces each `%NAME%` by the value of the variable. A lone percent sign stays.
    ///
    /// The error is the name of a variable that is not set.
    pub(super) fn resolve(&self, text: &str) -> Result<String, String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('%') {
            out.push_str(before);
            let name = behind.split_once('%').filter(|(name, _)| is_variable_name(name));
            rest = if let Some((name, after)) = name {
                out.push_str(self.get(name).ok_or_else(|| name.to_owned())?);
                after
            } else {
                out.push('%');
                behind
            };
        }
        out.push_str(rest);
        Ok(out)
    }
}

/// A letter or an underscore, then also digits, dots, hyphens and colons: so no escape of a URL is one.
pub(super) fn is_variable_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-:".contains(c))
}

/// The setting that a variable's name stands for.
struct Key {
    key: String,
    written: String,
    name: String,
    is_short: bool,
}

fn key_of(variable: &str) -> Option<Key> {
    let normal = variable.replace("__", ":");
    let (prefix, path) = normal.split_once(':')?;
    let is_short = prefix.eq_ignore_ascii_case(SHORT);
    if !is_short && !prefix.eq_ignore_ascii_case(HOST) {
        return None;
    }
    let path: Vec<_> = path.split(':').map(str::to_owned).collect();
    let path = if is_short {
        ["extensions", "durableTask"].map(str::to_owned).into_iter().chain(path).collect()
    } else {
        path
    };
    let key = settings::key_of_path(&path)?;
    let written = settings::spelling(&key, &path);
    Some(Key { written, name: path.last().cloned().unwrap_or_default(), key, is_short })
}

/// The name of the hub of a site, by the rule of the Durable Functions extension: what is neither letter nor digit goes, a
/// `t` goes before a digit, `Hub` fills up, and 45 characters are enough.
fn hub_name_of_site(site: &str) -> String {
    let mut name: String = site.chars().filter(char::is_ascii_alphanumeric).collect();
    if name.is_empty() {
        return "DefaultTaskHub".to_owned();
    }
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, 't');
    }
    name.truncate(45);
    if name.len() < 3 {
        name.push_str("Hub");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_give_hubs_a_name() {
        for (site, hub) in
            [("my-shop", "myshop"), ("1st", "t1st"), ("a", "aHub"), ("--", "DefaultTaskHub"), ("ü2", "t2Hub")]
        {
            assert_eq!(hub_name_of_site(site), hub);
        }
        assert_eq!(hub_name_of_site(&"1".repeat(60)), format!("t{}", "1".repeat(44)));
    }

    #[test]
    fn names_between_percent_signs_are_replaced() {
        let mut variables = Variables::default();
        variables.insert("A".to_owned(), "1%B%".to_owned());
        for (text, expected) in [
            ("%A%", "1%B%"),
            ("x%a%y%A%", "x1%B%y1%B%"),
            ("100%", "100%"),
            ("%%", "%%"),
            ("%2F%20x", "%2F%20x"),
            ("", ""),
        ] {
            assert_eq!(variables.resolve(text).as_deref(), Ok(expected), "{text}");
        }
        assert_eq!(variables.resolve("%A%-%C%"), Err("C".to_owned()));
    }

    #[test]
    fn a_value_that_is_no_unicode_is_a_mistake_only_where_it_is_ours() {
        let mut variables = Variables::default();
        for name in ["DURABLE__hubName", "OTHER", "WEBSITE_SITE_NAME"] {
            variables.by_name.insert(name.to_owned(), None);
        }
        let (mut layers, mut mistakes, mut warnings) = (Layers::default(), Vec::new(), Vec::new());
        variables.put_defaults(&mut layers);
        variables.put_settings(&mut layers, &mut mistakes, &mut warnings);
        assert_eq!((layers.iter().count(), mistakes.len(), warnings.len()), (0, 1, 0));
        assert_eq!(mistakes[0].setting(), "extensions.durableTask.hubName");
        assert_eq!(variables.resolve("%OTHER%"), Err("OTHER".to_owned()));
    }

    #[test]
    fn variables_stand_for_settings() {
        let key = |variable: &str| key_of(variable).map(|key| key.key);
        let hub = Some("durabletask:hubname".to_owned());
        for variable in [
            "AzureFunctionsJobHost__extensions__durableTask__hubName",
            "AZUREFUNCTIONSJOBHOST__EXTENSIONS__DURABLETASK__HUBNAME",
            "AzureFunctionsJobHost:extensions:durableTask:hubName",
            "DURABLE__hubName",
            "durable__HUBNAME",
        ] {
            assert_eq!(key(variable), hub, "{variable}");
        }
        for other in ["DURABLE_hubName", "DURABLE", "AzureFunctionsJobHost__logging__x", "X__hubName"] {
            assert_eq!(key(other), None, "{other}");
        }
    }
}
