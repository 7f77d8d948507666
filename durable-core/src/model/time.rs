//! Points in time at the precision of the store.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::iso;

const TICKS_PER_SECOND: i64 = 10_000_000;
const NANOS_PER_TICK: u32 = 100;
/// 9999-12-30T22:00:00Z, the latest time that every time zone can express with a year of four digits.
const MAX_TICKS: i64 = 253_402_207_200 * TICKS_PER_SECOND;

/// A point in time in UTC, in ticks of 100 nanoseconds, the precision that .NET and this crate's stores share.
///
/// A time survives a round trip through the store bit for bit, which replay depends on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const UNIX_EPOCH: Self = Self(0);
    /// The last representable time, two days before the end of the year 9999.
    pub const MAX: Self = Self(MAX_TICKS);

    /// The time of the system's clock. Orchestrators use `ctx.now()` instead.
    #[must_use]
    pub fn system_now() -> Self {
        Self::from(SystemTime::now())
    }

    /// A time from its number of 100 ns ticks since 1970.
    #[must_use]
    pub const fn from_ticks(ticks: i64) -> Self {
        Self(if ticks > MAX_TICKS { MAX_TICKS } else { ticks })
    }

    /// The number of 100 ns ticks since 1970.
    #[must_use]
    pub const fn ticks(self) -> i64 {
        self.0
    }

    /// The next representable time.
    #[must_use]
    pub const fn next_tick(self) -> Self {
        Self::from_ticks(self.0.saturating_add(1))
    }

    /// This time plus `duration`, rounded up to a whole tick; [`Timestamp::MAX`] when it would lie beyond.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        // In pieces: a division of 128 bits costs more than everything else.
        let seconds = i64::try_from(duration.as_secs()).ok().and_then(|seconds| seconds.checked_mul(TICKS_PER_SECOND));
        let rest = i64::from(duration.subsec_nanos().div_ceil(NANOS_PER_TICK));
        Self::from_ticks(self.0.saturating_add(seconds.map_or(i64::MAX, |seconds| seconds.saturating_add(rest))))
    }

    /// The time from `earlier` to this; zero when `earlier` is later.
    #[must_use]
    pub fn saturating_since(self, earlier: Self) -> Duration {
        let ticks = u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0);
        Duration::new(ticks / TICKS_PER_SECOND.unsigned_abs(), (ticks % TICKS_PER_SECOND.unsigned_abs()) as u32 * 100)
    }

    /// The form with whole seconds that the HTTP API uses: `2024-05-01T12:00:00Z`.
    #[must_use]
    pub fn to_seconds_string(self) -> String {
        let seconds = self.0.div_euclid(TICKS_PER_SECOND);
        match seconds.checked_mul(TICKS_PER_SECOND).and_then(iso::write) {
            Some(text) => text.as_str().to_owned(),
            None => self.to_jiff().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        }
    }

    /// The round-trip form of .NET with seven decimals: `2024-05-01T12:00:00.0000000Z`.
    #[must_use]
    pub fn to_round_trip_string(self) -> String {
        format!("{}.{:07}Z", self.to_jiff().strftime("%Y-%m-%dT%H:%M:%S"), self.0.rem_euclid(TICKS_PER_SECOND))
    }

    fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_second(self.0.div_euclid(TICKS_PER_SECOND)).unwrap_or(jiff::Timestamp::MIN)
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let ticks =
            |duration: Duration| i64::try_from(duration.as_nanos() / u128::from(NANOS_PER_TICK)).unwrap_or(i64::MAX);
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Self::from_ticks(ticks(after)),
            Err(before) => Self(-ticks(before.duration())),
        }
    }
}

impl From<Timestamp> for SystemTime {
    fn from(time: Timestamp) -> Self {
        if time.0 >= 0 {
            UNIX_EPOCH + time.saturating_since(Timestamp::UNIX_EPOCH)
        } else {
            UNIX_EPOCH - Timestamp::UNIX_EPOCH.saturating_since(time)
        }
    }
}

impl fmt::Display for Timestamp {
    /// ISO 8601 in UTC with as many decimals as needed, at most seven.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = iso::write(self.0) {
            return f.write_str(text.as_str());
        }
        write!(f, "{}", self.to_jiff().strftime("%Y-%m-%dT%H:%M:%S"))?;
        let fraction = self.0.rem_euclid(TICKS_PER_SECOND);
        if fraction != 0 {
            let digits = format!("{fraction:07}");
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = jiff::Error;

    /// Reads an ISO 8601 time with `Z` or an offset.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(ticks) = iso::read(text) {
            return Ok(Self::from_ticks(ticks));
        }
        let time: jiff::Timestamp = text.parse()?;
        Ok(Self::from_ticks(i64::try_from(time.as_nanosecond() / 100).unwrap_or(i64::MAX)))
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Reader)
    }
}

/// Reads a time without a copy of its text.
struct Reader;

impl serde::de::Visitor<'_> for Reader {
    type Value = Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time in ISO 8601")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Timestamp, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_and_reads_iso_8601() {
        for text in ["2024-05-01T12:00:00Z", "2024-05-01T12:00:00.1234567Z", "1969-12-31T23:59:59.5Z"] {
            assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), text);
        }
        let time: Timestamp = "2024-05-01T12:00:00.12Z".parse().unwrap();
        assert_eq!(time.to_round_trip_string(), "2024-05-01T12:00:00.1200000Z");
        assert_eq!(time.to_seconds_string(), "2024-05-01T12:00:00Z");
        assert_eq!(Timestamp::from_ticks(-1).to_seconds_string(), "1969-12-31T23:59:59Z");
        assert!(Timestamp::from_ticks(i64::MIN).to_seconds_string().starts_with('-'), "a year before the first one");
    }

    #[test]
    fn additions_saturate_and_round_up() {
        assert_eq!(Timestamp::UNIX_EPOCH.saturating_add(Duration::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::UNIX_EPOCH.saturating_add(Duration::from_nanos(1)).ticks(), 1);
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-30T22:00:00Z");
    }

    #[test]
    fn system_time_round_trips() {
        let time = Timestamp::from_ticks(17_145_648_001_234_567);
        assert_eq!(Timestamp::from(SystemTime::from(time)), time);
    }
}
