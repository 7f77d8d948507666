//! What the text of a route parameter is read as.

use std::time::Duration;

use durable_core::model::{EventName, FunctionName, InstanceId};
use uuid::Uuid;

/// A type that a parameter of a route may have.
///
/// It is there for texts, numbers, `bool`, [`Duration`], [`Uuid`], and the ids and names of durable-core. Implement it for a
/// type of your own to take that in a route:
///
/// ```
/// use durable_http::RouteValue;
///
/// #[derive(Debug, PartialEq)]
/// enum Size {
///     Small,
///     Large,
/// }
///
/// impl RouteValue for Size {
///     const EXPECTED: &'static str = "`small` or `large`";
///
///     fn from_route(text: &str) -> Option<Self> {
///         match text {
///             "small" => Some(Self::Small),
///             "large" => Some(Self::Large),
///             _ => None,
///         }
///     }
/// }
///
/// assert_eq!(Size::from_route("small"), Some(Size::Small));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from a route",
    label = "no type for a parameter of a route",
    note = "take a `String`, a number, a `bool`, a `Duration`, a `Uuid`, an `InstanceId`, a `FunctionName` or an `EventName`, or implement `RouteValue` for your type"
)]
pub trait RouteValue: Sized + Send + 'static {
    /// What a caller should have written, for the response that refuses something else.
    const EXPECTED: &'static str;

    /// Reads the decoded text; `None` where it is no such value.
    fn from_route(text: &str) -> Option<Self>;
}

macro_rules! parsed {
    ($($ty:ty: $expected:literal;)*) => {$(
        impl RouteValue for $ty {
            const EXPECTED: &'static str = $expected;

            fn from_route(text: &str) -> Option<Self> {
                text.parse().ok()
            }
        }
    )*};
}

parsed! {
    i8: "a whole number from -128 to 127";
    i16: "a whole number from -32768 to 32767";
    i32: "a whole number of 32 bits";
    i64: "a whole number of 64 bits";
    i128: "a whole number of 128 bits";
    isize: "a whole number";
    u8: "a whole number from 0 to 255";
    u16: "a whole number from 0 to 65535";
    u32: "a whole number of 32 bits from 0 on";
    u64: "a whole number of 64 bits from 0 on";
    u128: "a whole number of 128 bits from 0 on";
    usize: "a whole number from 0 on";
    Uuid: "a UUID";
    InstanceId: "an instance id, which has at most 256 characters, none of / \\ ? #, and does not start with @";
    FunctionName: "the name of a function, which has at most 256 bytes and no control characters";
    EventName: "the name of an event, which has at most 256 bytes and no control characters";
}

macro_rules! floats {
    ($($ty:ty)*) => {$(
        impl RouteValue for $ty {
            const EXPECTED: &'static str = "a number";

            fn from_route(text: &str) -> Option<Self> {
                text.parse().ok().filter(|number: &Self| number.is_finite())
            }
        }
    )*};
}

floats!(f32 f64);

impl RouteValue for String {
    const EXPECTED: &'static str = "a text";

    fn from_route(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl RouteValue for bool {
    const EXPECTED: &'static str = "`true` or `false`";

    fn from_route(text: &str) -> Option<Self> {
        [("true", true), ("false", false)].into_iter().find(|(word, _)| text.eq_ignore_ascii_case(word)).map(|it| it.1)
    }
}

impl RouteValue for Duration {
    const EXPECTED: &'static str =
        "a duration: seconds such as 2.5, a time such as 00:01:30, or ISO 8601 such as PT90S";

    fn from_route(text: &str) -> Option<Self> {
        let seconds = match (text.parse::<f64>(), text.strip_prefix(['P', 'p'])) {
            (Ok(seconds), _) => seconds,
            (Err(_), Some(iso)) => iso_seconds(iso)?,
            (Err(_), None) => clock_seconds(text)?,
        };
        Self::try_from_secs_f64(seconds).ok()
    }
}

/// The seconds of `1DT2H3M4.5S`.
fn iso_seconds(text: &str) -> Option<f64> {
    let (days, time) = match text.split_once(['T', 't']) {
        Some((days, time)) => (days, Some(time)),
        None => (text, None),
    };
    if days.is_empty() && time.is_none_or(str::is_empty) || time == Some("") {
        return None;
    }
    Some(
        units(days, &[('D', 86_400.0)])? + units(time.unwrap_or_default(), &[('H', 3_600.0), ('M', 60.0), ('S', 1.0)])?,
    )
}

/// The sum of numbers that are followed by their unit, each unit at most once and in this order.
fn units(mut text: &str, units: &[(char, f64)]) -> Option<f64> {
    let mut sum = 0.0;
    for (unit, seconds) in units {
        let Some(end) = text.find([*unit, unit.to_ascii_lowercase()]) else { continue };
        sum += decimal(&text[..end])? * seconds;
        text = &text[end + 1..];
    }
    text.is_empty().then_some(sum)
}

/// The seconds of `hh:mm:ss.f`.
fn clock_seconds(text: &str) -> Option<f64> {
    let parts: Vec<f64> = text.split(':').map(decimal).collect::<Option<_>>()?;
    match parts[..] {
        [hours, minutes, seconds] if minutes < 60.0 && seconds < 60.0 && hours.fract() + minutes.fract() == 0.0 => {
            Some(hours * 3_600.0 + minutes * 60.0 + seconds)
        }
        _ => None,
    }
}

/// A number without sign and exponent.
fn decimal(text: &str) -> Option<f64> {
    text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.').then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_come_in_three_forms() {
        for (text, millis) in [
            ("10", 10_000),
            ("0.5", 500),
            ("1e1", 10_000),
            ("00:01:30", 90_000),
            ("1:00:00.25", 3_600_250),
            ("PT10S", 10_000),
            ("PT1H2M3.5S", 3_723_500),
            ("P1D", 86_400_000),
            ("p1dt1m", 86_460_000),
        ] {
            assert_eq!(Duration::from_route(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "",
            "-1",
            "NaN",
            "inf",
            "1e300",
            "ten",
            "1:2",
            "1:60:00",
            "0.5:00:00",
            "P",
            "PT",
            "P1",
            "PT1",
            "P1DT",
            "PT1S1M",
            "1,5",
            "é",
        ] {
            assert_eq!(Duration::from_route(text), None, "{text:?}");
        }
    }

    #[test]
    fn numbers_must_fit() {
        assert_eq!(u8::from_route("255"), Some(255));
        assert_eq!(u8::from_route("256"), None);
        assert_eq!(f64::from_route("inf"), None);
        assert_eq!(bool::from_route("True"), Some(true));
        assert_eq!(bool::from_route("1"), None);
    }
}
