//! The lenient query strings of Durable Functions: what cannot be read counts as absent, and nothing is an error.

use std::time::Duration;

use durable_core::model::{RuntimeStatus, Timestamp};

/// A parsed query string.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads `a=1&b=2`. A part without `=` is dropped.
    pub(crate) fn parse(query: Option<&str>) -> Self {
        let parts = query.unwrap_or_default().split('&').filter(|part| part.contains('='));
        let pairs = parts.flat_map(|part| form_urlencoded::parse(part.as_bytes()));
        Self(pairs.map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned())).collect())
    }

    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |pair| pair.0.eq_ignore_ascii_case(name)).map(|pair| pair.1.as_str())
    }

    /// The value of a name; the values of a repeated name are joined with commas.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let values: Vec<_> = self.values(name).collect();
        (!values.is_empty()).then(|| values.join(","))
    }

    /// The value of a name, when it is not blank.
    pub(crate) fn filled(&self, name: &str) -> Option<String> {
        self.text(name).filter(|text| !text.is_empty())
    }

    /// `true` or `false`, in any case.
    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        let text = self.text(name)?;
        [("true", true), ("false", false)].into_iter().find(|(word, _)| text.eq_ignore_ascii_case(word)).map(|it| it.1)
    }

    /// A whole number of 1 or more.
    pub(crate) fn count(&self, name: &str) -> Option<usize> {
        self.text(name)?.parse().ok().filter(|count| *count > 0)
    }

    /// A number of seconds, with decimals.
    pub(crate) fn seconds(&self, name: &str) -> Option<Seconds> {
        self.text(name)?.parse().ok().filter(|seconds: &f64| seconds.is_finite()).map(Seconds)
    }

    /// A point in time.
    pub(crate) fn time(&self, name: &str) -> Option<Timestamp> {
        parse_time(&self.text(name)?)
    }

    /// Runtime states, by name or number, repeated or separated by commas. Unknown ones are dropped.
    pub(crate) fn statuses(&self, name: &str) -> Vec<RuntimeStatus> {
        self.values(name).flat_map(|value| value.split(',')).filter_map(|item| parse_status(item.trim())).collect()
    }
}

/// A number of seconds as a client wrote it.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub(crate) struct Seconds(pub(crate) f64);

impl Seconds {
    /// The duration, from zero up to `longest`.
    pub(crate) fn clamp_to(self, longest: Duration) -> Duration {
        Duration::try_from_secs_f64(self.0.max(0.0)).map_or(longest, |duration| duration.min(longest))
    }
}

fn parse_status(item: &str) -> Option<RuntimeStatus> {
    let number = item.parse::<u8>().ok();
    RuntimeStatus::ALL.into_iter().find(|status| item == status.as_str() || number == Some(status.code()))
}

/// Reads ISO 8601 as loosely as .NET does: any number of decimals, date only, short years, no zone for UTC, and a space
/// where a raw `+` stood before the offset.
fn parse_time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let (date, rest) = match text.find(['T', 't', ' ']) {
        Some(end) => (&text[..end], text[end + 1..].trim()),
        None => (text, ""),
    };
    let mut date = date.split('-').map(|part| digits(part, 4));
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    if date.next().is_some() {
        return None;
    }
    let (clock, zone) = split_zone(rest)?;
    let clock = parse_clock(clock)?;
    format!("{year:04}-{month:02}-{day:02}T{clock}{zone}").parse().ok()
}

fn digits(text: &str, most: usize) -> Option<u32> {
    let plain = !text.is_empty() && text.len() <= most && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

/// Splits `12:00:00 02:00` into the clock and a zone that a strict parser reads.
fn split_zone(text: &str) -> Option<(&str, String)> {
    let Some(at) = text.find(['Z', 'z', '+', '-', ' ']) else { return Some((text, "Z".to_owned())) };
    let (clock, zone) = (&text[..at], text[at..].trim());
    if zone.eq_ignore_ascii_case("z") {
        return Some((clock, "Z".to_owned()));
    }
    let (sign, offset) = match zone.strip_prefix('-') {
        Some(offset) => ('-', offset),
        None => ('+', zone.strip_prefix('+').unwrap_or(zone)),
    };
    let (hours, minutes) = match offset.split_once(':') {
        Some(parts) => parts,
        None if offset.len() == 4 && offset.is_ascii() => offset.split_at(2),
        None => (offset, "0"),
    };
    Some((clock, format!("{sign}{:02}:{:02}", digits(hours, 2)?, digits(minutes, 2)?)))
}

fn parse_clock(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some("00:00:00".to_owned());
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut parts = whole.split(':').map(|part| digits(part, 2));
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = match parts.next() {
        Some(second) => second?,
        None => 0,
    };
    if parts.next().is_some() {
        return None;
    }
    // Seven decimals are the precision of a timestamp.
    Some(format!("{hour:02}:{minute:02}:{second:02}.{}", &fraction[..fraction.len().min(7)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Option<String> {
        parse_time(text).map(|time| time.to_string())
    }

    #[test]
    fn times_are_read_leniently() {
        for (text, expected) in [
            ("2024-05-01T12:00:00Z", "2024-05-01T12:00:00Z"),
            ("2024-05-01t12:00:00z", "2024-05-01T12:00:00Z"),
            ("2024-05-01T12:00:00", "2024-05-01T12:00:00Z"),
            ("2024-05-01", "2024-05-01T00:00:00Z"),
            ("2024-5-1", "2024-05-01T00:00:00Z"),
            ("2024-05-01 12:00", "2024-05-01T12:00:00Z"),
            ("2024-05-01T12:00:00.5Z", "2024-05-01T12:00:00.5Z"),
            ("2024-05-01T12:00:00.12345678901234Z", "2024-05-01T12:00:00.1234567Z"),
            ("2024-05-01T12:00:00+02:00", "2024-05-01T10:00:00Z"),
            ("2024-05-01T12:00:00 02:00", "2024-05-01T10:00:00Z"),
            ("2024-05-01T12:00:00-0230", "2024-05-01T14:30:00Z"),
            ("2024-05-01T12:00:00.25 00:00", "2024-05-01T12:00:00.25Z"),
            ("2024-05-01 12:00:00 +02", "2024-05-01T10:00:00Z"),
            ("1-01-01T00:00:00", "0001-01-01T00:00:00Z"),
        ] {
            assert_eq!(time(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_counts_as_absent() {
        for text in [
            "",
            " ",
            "now",
            "2024",
            "2024-05",
            "2024-13-01",
            "2024-02-30",
            "2024-05-01T25:00",
            "20240501",
            "2024-05-01T12:00:00.Z",
            "2024-05-01T12:00:00+xx",
            "2024-05-01T12:00:00+99:00",
            "99999-01-01",
            "é-é-é",
            "2024-05-01T12:00:00é",
            "2024-05-01-01",
            "T",
            "-",
            "2024-05-01T12:00:00.é",
        ] {
            assert_eq!(time(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_name_is_repeated_often_without_copying_each_time() {
        // Copying what was joined so far for each value would be 100 GB here.
        let query = Query::parse(Some(&"&a=1".repeat(300_000)));
        assert_eq!(query.text("A").map(|text| text.len()), Some(2 * 300_000 - 1));
        assert_eq!(query.text("b"), None);
    }

    #[test]
    fn no_number_of_seconds_panics() {
        let day = Duration::from_secs(86_400);
        for (text, expected) in [("1e300", day), ("-5", Duration::ZERO), ("0.5", Duration::from_millis(500))] {
            let query = format!("timeout={text}");
            assert_eq!(Query::parse(Some(&query)).seconds("timeout").map(|it| it.clamp_to(day)), Some(expected));
        }
        for text in ["NaN", "inf", "", "1,5", "ten"] {
            assert_eq!(Query::parse(Some(&format!("timeout={text}"))).seconds("timeout"), None, "{text}");
        }
    }
}
