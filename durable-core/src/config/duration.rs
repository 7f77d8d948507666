//! Durations as the Functions ecosystem writes them.

use std::fmt;
use std::time::Duration;

/// Reads `hh:mm`, `hh:mm:ss` or `d.hh:mm:ss`, the seconds with up to seven decimals. A lone number is refused: .NET reads it
/// as days, and most people mean seconds.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    let (days, clock) = match text.split_once('.') {
        // A dot behind the first colon belongs to the seconds.
        Some((days, clock)) if !days.contains(':') => (number(days, u64::MAX)?, clock),
        _ => (0, text),
    };
    let mut parts = clock.split(':');
    let hours = number(parts.next()?, 23)?;
    let minutes = number(parts.next()?, 59)?;
    let (seconds, nanos) = match parts.next() {
        Some(seconds) => decimals(seconds)?,
        None => (0, 0),
    };
    if parts.next().is_some() {
        return None;
    }
    let whole = days.checked_mul(86_400)?.checked_add(hours * 3_600 + minutes * 60 + seconds)?;
    Some(Duration::new(whole, nanos))
}

/// Seconds below 60 and their fraction in nanoseconds.
fn decimals(text: &str) -> Option<(u64, u32)> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if !(1..=7).contains(&fraction.len()) || !is_digits(fraction) {
        return None;
    }
    Some((number(seconds, 59)?, format!("{fraction:0<9}").parse().ok()?))
}

fn number(text: &str, most: u64) -> Option<u64> {
    is_digits(text).then(|| text.parse().ok()).flatten().filter(|number| *number <= most)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A duration in the form in which it is read.
pub(super) struct Clock(pub(super) Duration);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, ticks) = (self.0.as_secs(), self.0.subsec_nanos() / 100);
        if seconds >= 86_400 {
            write!(f, "{}.", seconds / 86_400)?;
        }
        write!(f, "{:02}:{:02}:{:02}", seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60)?;
        if ticks > 0 {
            write!(f, ".{ticks:07}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_read_and_written() {
        for (text, millis) in [
            ("00:05:00", 300_000),
            ("23:59:59", 86_399_000),
            ("1.00:00:00", 86_400_000),
            ("10.01:02:03", 867_723_000),
            ("00:00:01.5000000", 1_500),
            ("1.00:00:00.0010000", 86_400_001),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
            assert_eq!(Clock(Duration::from_millis(millis)).to_string(), text);
        }
        assert_eq!(parse(" 0:5 "), Some(Duration::from_secs(300)), "hours and minutes");
        assert_eq!(parse("00:00:00.25"), Some(Duration::from_millis(250)));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "5",
            "300",
            "24:00:00",
            "00:60:00",
            "00:00:60",
            "-00:05:00",
            "+1:00",
            "1:2:3:4",
            "00:05:00.",
            ":",
            "a:b",
            "1.5",
            "00:00:00.12345678",
            "5m",
            "99999999999999999999.00:00:00",
            "18446744073709551615.00:00:00",
            "1..00:00",
        ] {
            assert_eq!(parse(text), None, "{text:?} was accepted");
        }
    }
}
