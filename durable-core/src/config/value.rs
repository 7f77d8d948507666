//! Values of settings: read, checked, and shown.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::duration::{self, Clock};
use super::environment::{Variables, is_variable_name};
use super::error::{Mistake, MistakeKind};
use super::http::Secret;
use super::layers::{Entry, Layers, Raw, Source};
use super::settings::{Check, Kind, Setting};
use crate::model::{TaskHubName, Version};

/// A value that is allowed for its setting.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Bool(bool),
    Number(u64),
    /// None is "without limit".
    Duration(Option<Duration>),
    List(Vec<String>),
    Secrets(BTreeMap<String, Secret>),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) if text.is_empty() => f.write_str("\"\""),
            Self::Text(text) => f.write_str(text),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Duration(Some(duration)) => write!(f, "{}", Clock(*duration)),
            Self::Duration(None) => f.write_str("-1"),
            Self::List(list) => f.write_str(&list.join(", ")),
            Self::Secrets(secrets) => {
                let each: Vec<_> = secrets.iter().map(|(name, secret)| format!("{name}={secret}")).collect();
                f.write_str(&each.join(", "))
            }
        }
    }
}

/// Reads settings, and collects what is wrong with them.
pub(super) struct Reader<'a> {
    pub(super) layers: &'a Layers,
    pub(super) variables: &'a Variables,
    pub(super) mistakes: Vec<Mistake>,
}

impl Reader<'_> {
    /// The value of a setting, if it has one.
    pub(super) fn read(&mut self, setting: &Setting) -> Option<(Value, Source)> {
        let (key, layers) = (setting.key(), self.layers);
        match setting.kind {
            Kind::Ignored(_) => None,
            Kind::List(check, _) => self.list(setting, &key, check),
            Kind::Secrets => self.secrets(setting, &key),
            _ => {
                if let Some(entry) = layers.get(&key) {
                    return self.scalar(setting, entry);
                }
                let (_, inside) = layers.below(&key).next()?;
                self.mistakes.push(refused(setting, inside));
                None
            }
        }
    }

    fn scalar(&mut self, setting: &Setting, entry: &Entry) -> Option<(Value, Source)> {
        let raw = self.resolved(setting, entry)?;
        let value = match (setting.kind, &raw) {
            (Kind::Text(check, _), Raw::Text(text)) => check(text).map(Value::Text),
            (Kind::Bool, raw) => boolean(raw).map(Value::Bool),
            (Kind::Number { least, most }, raw) => {
                number(raw).filter(|number| (least..=most).contains(number)).map(Value::Number)
            }
            (Kind::Limit, Raw::Number(number)) if number.as_i64() == Some(-1) => Some(Value::Duration(None)),
            (Kind::Limit, Raw::Text(text)) if text.trim() == "-1" => Some(Value::Duration(None)),
            (Kind::Limit, raw) => clock(raw).map(|limit| Value::Duration(Some(limit))),
            (Kind::Seconds, raw) => seconds(raw).map(|duration| Value::Duration(Some(duration))),
            (Kind::Choice(choices), Raw::Text(text)) => {
                let chosen = choices.iter().find(|choice| choice.eq_ignore_ascii_case(text.trim()));
                chosen.map(|choice| Value::Text((*choice).to_owned()))
            }
            _ => None,
        };
        if value.is_none() {
            self.mistakes.push(refused(setting, entry));
        }
        Some((value?, entry.source.clone()))
    }

    /// Parts are given each for itself, or all of them in one text with commas.
    fn list(&mut self, setting: &Setting, key: &str, check: Check) -> Option<(Value, Source)> {
        let layers = self.layers;
        let mut found = Vec::new();
        let mut source = None;
        let mut below: Vec<_> = layers.below(key).collect();
        below.sort_by_key(|(key, _)| key.rsplit(':').next().and_then(|position| position.parse::<u64>().ok()));
        for entry in layers.get(key).into_iter().chain(below.into_iter().map(|(_, entry)| entry)) {
            source = Some(entry.source.clone());
            match self.resolved(setting, entry) {
                Some(Raw::Text(text)) => {
                    let parts: Option<Vec<_>> = text.split(',').map(|part| check(part.trim())).collect();
                    match parts {
                        Some(parts) => found.extend(parts),
                        None => self.mistakes.push(refused(setting, entry)),
                    }
                }
                Some(Raw::Empty("[]")) | None => {}
                Some(_) => self.mistakes.push(refused(setting, entry)),
            }
        }
        Some((Value::List(found), source?))
    }

    fn secrets(&mut self, setting: &Setting, key: &str) -> Option<(Value, Source)> {
        let layers = self.layers;
        let mut found = BTreeMap::new();
        let mut source = None;
        if let Some(entry) = layers.get(key).filter(|entry| entry.raw != Raw::Empty("{}")) {
            self.mistakes.push(refused(setting, entry));
        }
        for (_, entry) in layers.below(key) {
            source = Some(entry.source.clone());
            // A secret that comes from the environment is taken as it is: it may have percent signs.
            let raw = match entry.source {
                Source::Environment(_) => Some(entry.raw.clone()),
                _ => self.resolved(setting, entry),
            };
            let name = entry.name.clone();
            match raw {
                Some(Raw::Text(text)) if !text.is_empty() => drop(found.insert(name, Secret::new(text))),
                Some(_) => self.mistakes.push(refused(setting, entry)),
                None => {}
            }
        }
        Some((Value::Secrets(found), source?))
    }

    /// The value with the variables that it names.
    fn resolved(&mut self, setting: &Setting, entry: &Entry) -> Option<Raw> {
        let Raw::Text(text) = &entry.raw else { return Some(entry.raw.clone()) };
        match self.variables.resolve(text) {
            Ok(text) => Some(Raw::Text(text)),
            Err(variable) => {
                let rule = format!("the environment variable {variable} is not set");
                let mistake =
                    Mistake::new(MistakeKind::UnsetVariable { variable }, &entry.written, &entry.source, rule);
                self.mistakes.push(mistake.showing(&entry.raw, is_secret(setting)));
                None
            }
        }
    }
}

/// What was written instead of a name may be the secret itself.
fn is_secret(setting: &Setting) -> bool {
    matches!(setting.kind, Kind::Secrets) || setting.last_part() == "connectionName"
}

fn refused(setting: &Setting, entry: &Entry) -> Mistake {
    let rule = match setting.kind {
        Kind::Text(_, rule) | Kind::List(_, rule) => format!("it must be {rule}"),
        Kind::Bool => "it must be true or false".to_owned(),
        Kind::Number { least, most } => format!("it must be a whole number from {least} to {most}"),
        Kind::Limit => "it must be a time such as \"00:10:00\" or \"1.00:00:00\", or -1 for no limit".to_owned(),
        Kind::Seconds => "it must be a number of seconds above 0, or a time such as \"00:10:00\"".to_owned(),
        Kind::Choice(choices) => format!("it must be one of {}", choices.join(", ")),
        Kind::Secrets => "keys are names with texts that are not empty".to_owned(),
        Kind::Ignored(reason) => reason.to_owned(),
    };
    Mistake::new(MistakeKind::Value, &entry.written, &entry.source, rule).showing(&entry.raw, is_secret(setting))
}

fn boolean(raw: &Raw) -> Option<bool> {
    match raw {
        Raw::Bool(value) => Some(*value),
        Raw::Text(text) if text.trim().eq_ignore_ascii_case("true") => Some(true),
        Raw::Text(text) if text.trim().eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn number(raw: &Raw) -> Option<u64> {
    match raw {
        Raw::Number(number) => number.as_u64(),
        Raw::Text(text) => {
            let text = text.trim();
            text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
        }
        _ => None,
    }
}

fn clock(raw: &Raw) -> Option<Duration> {
    let Raw::Text(text) = raw else { return None };
    duration::parse(text).filter(|duration| !duration.is_zero())
}

fn seconds(raw: &Raw) -> Option<Duration> {
    let seconds = number(raw).filter(|seconds| (1..=u64::from(u32::MAX)).contains(seconds));
    seconds.map(Duration::from_secs).or_else(|| clock(raw))
}

pub(super) fn hub_name(text: &str) -> Option<String> {
    TaskHubName::new(text).ok().map(|name| name.as_str().to_owned())
}

pub(super) fn version(text: &str) -> Option<String> {
    Version::new(text).ok().map(|version| version.as_str().to_owned())
}

pub(super) fn connection_name(text: &str) -> Option<String> {
    is_variable_name(text).then(|| text.to_owned())
}

/// Without slashes at the ends.
pub(super) fn clean_prefix(text: &str) -> Option<String> {
    let text = text.trim_matches('/');
    let allowed = text.chars().all(|c| c.is_ascii_alphanumeric() || "-._~/".contains(c)) && !text.contains("//");
    allowed.then(|| text.to_owned())
}

/// Without a slash at the end. There may be a path, where a proxy takes one off.
pub(super) fn origin(text: &str) -> Option<String> {
    let (scheme, rest) = text.trim().split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = host_and_port(authority);
    let fits = ["http", "https"].contains(&scheme.as_str()) && is_host(host) && port.is_none_or(is_port);
    let path = clean_prefix(path).filter(|_| fits)?;
    Some(if path.is_empty() { format!("{scheme}://{authority}") } else { format!("{scheme}://{authority}/{path}") })
}

/// A port alone is one of this machine.
pub(super) fn listen_address(text: &str) -> Option<String> {
    let text = text.trim();
    if is_port(text) {
        return Some(format!("127.0.0.1:{text}"));
    }
    let (host, port) = host_and_port(text);
    (text.parse::<SocketAddr>().is_ok() || (is_host(host) && port.is_some_and(is_port))).then(|| text.to_owned())
}

/// The address with another port.
pub(super) fn with_port(address: &str, port: &str) -> String {
    format!("{}:{port}", host_and_port(address).0)
}

/// An address of IP, perhaps with the length of a prefix.
pub(super) fn network(text: &str) -> Option<String> {
    let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
    let most = match address.parse::<IpAddr>().ok()? {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    };
    let fits = length.is_none_or(|length| length.parse::<u8>().is_ok_and(|length| length <= most));
    fits.then(|| text.to_owned())
}

/// A colon inside of brackets belongs to the host.
fn host_and_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

fn is_host(host: &str) -> bool {
    if let Some(inside) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return inside.parse::<std::net::Ipv6Addr>().is_ok();
    }
    !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

pub(super) fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked() {
        for (text, expected) in [
            ("https://example.com/", Some("https://example.com")),
            ("HTTP://localhost:7071", Some("http://localhost:7071")),
            ("https://[::1]:8", Some("https://[::1]:8")),
            ("example.com", None),
            ("ftp://example.com", None),
            ("https://user:pw@example.com", None),
            ("https://example.com/path/", Some("https://example.com/path")),
            ("https://example.com/a//b", None),
            ("https://example.com/?a=b", None),
            ("https://example.com:99999", None),
            ("https://", None),
        ] {
            assert_eq!(origin(text).as_deref(), expected, "{text}");
        }
        for (text, expected) in [
            ("0.0.0.0:80", Some("0.0.0.0:80")),
            ("localhost:0", Some("localhost:0")),
            ("[::]:80", Some("[::]:80")),
            ("8080", Some("127.0.0.1:8080")),
            ("localhost", None),
            (":80", None),
            ("a b:80", None),
            ("", None),
            ("::1", None),
        ] {
            assert_eq!(listen_address(text).as_deref(), expected, "{text}");
        }
        assert_eq!(with_port("[::]:80", "81"), "[::]:81");
        assert_eq!(with_port("localhost:80", "81"), "localhost:81");
    }

    #[test]
    fn networks_and_prefixes_are_checked() {
        for good in ["10.0.0.0/8", "10.0.0.1", "::1", "fe80::/10", "1.1.1.1/32"] {
            assert!(network(good).is_some(), "{good}");
        }
        for bad in ["", "10.0.0.0/33", "host", "10.0.0/8", "::1/129", "1.1.1.1/"] {
            assert!(network(bad).is_none(), "{bad}");
        }
        assert_eq!(clean_prefix("/api/v1/").as_deref(), Some("api/v1"));
        assert_eq!(clean_prefix("").as_deref(), Some(""));
        assert!(clean_prefix("a b").is_none() && clean_prefix("a?b").is_none() && clean_prefix("a//b").is_none());
    }
}
