//! `2024-05-01T12:00:00.5Z`: the form in which we write times, by hand. A history has thousands of them.

const TICKS_PER_SECOND: i64 = 10_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
/// From the first of March of year 0 to the first day of 1970.
const DAYS_BEFORE_1970: i64 = 719_468;
/// 400 years have the same number of days, wherever they begin.
const DAYS_OF_400_YEARS: i64 = 146_097;

/// The text of a time.
pub(super) struct Text {
    bytes: [u8; 28],
    len: usize,
}

impl Text {
    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}

/// Writes a time, with as many decimals as needed. `None` outside of the years 1 to 9999.
pub(super) fn write(ticks: i64) -> Option<Text> {
    let (seconds, fraction) = (ticks.div_euclid(TICKS_PER_SECOND), ticks.rem_euclid(TICKS_PER_SECOND));
    let (year, month, day) = date(seconds.div_euclid(SECONDS_PER_DAY));
    if !(1..=9_999).contains(&year) {
        return None;
    }
    let second = seconds.rem_euclid(SECONDS_PER_DAY);
    let mut text = Text { bytes: *b"0000-00-00T00:00:00.0000000Z", len: 19 };
    put(&mut text.bytes[0..4], year);
    put(&mut text.bytes[5..7], month);
    put(&mut text.bytes[8..10], day);
    put(&mut text.bytes[11..13], second / 3_600);
    put(&mut text.bytes[14..16], second / 60 % 60);
    put(&mut text.bytes[17..19], second % 60);
    if fraction != 0 {
        put(&mut text.bytes[20..27], fraction);
        text.len = 27 - text.bytes[20..27].iter().rev().take_while(|digit| **digit == b'0').count();
    }
    text.bytes[text.len] = b'Z';
    text.len += 1;
    Some(text)
}

/// Reads a time in this form; `None` for every other form, and for times that there are not.
pub(super) fn read(text: &str) -> Option<i64> {
    // An array of known length, so that no access to it needs a check.
    let (text, decimals) = text.as_bytes().split_first_chunk::<19>()?;
    let decimals = match decimals {
        [b'Z'] => &[][..],
        [b'.', decimals @ .., b'Z'] if (1..=7).contains(&decimals.len()) => decimals,
        _ => return None,
    };
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if marks.iter().any(|(at, mark)| text[*at] != *mark) {
        return None;
    }
    let (year, month, day) = (number(&text[0..4])?, number(&text[5..7])?, number(&text[8..10])?);
    let (hour, minute, second) = (number(&text[11..13])?, number(&text[14..16])?, number(&text[17..19])?);
    if year == 0 || day == 0 || day > length(year, month) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut fraction = 0;
    if !decimals.is_empty() {
        fraction = number(decimals)? * 10_i64.pow(7 - decimals.len() as u32);
    }
    let seconds = days(year, month, day) * SECONDS_PER_DAY + hour * 3_600 + minute * 60 + second;
    Some(seconds * TICKS_PER_SECOND + fraction)
}

/// Writes a number into its place, with zeros before it.
fn put(place: &mut [u8], mut number: i64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[inline]
fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0')))
}

/// Year, month and day of a day counted from 1970. Years begin in March, so that the leap day is their last.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + DAYS_BEFORE_1970;
    let (era, day) = (days.div_euclid(DAYS_OF_400_YEARS), days.rem_euclid(DAYS_OF_400_YEARS));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let is_next_year = month >= 10;
    (year + era * 400 + i64::from(is_next_year), if is_next_year { month - 9 } else { month + 3 }, day)
}

/// The days of a month; none of one that there is not.
fn length(year: i64, month: i64) -> i64 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 0,
    }
}

/// The reverse of [`date`].
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    era * DAYS_OF_400_YEARS + year * 365 + year / 4 - year / 100 + day_of_year - DAYS_BEFORE_1970
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The library that reads every other form.
    fn expected(seconds: i64) -> String {
        jiff::Timestamp::from_second(seconds).unwrap().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    #[test]
    fn days_of_all_years_are_written_and_read() {
        for day in (-719_162..2_932_896).step_by(11) {
            let seconds = day * SECONDS_PER_DAY + day.rem_euclid(SECONDS_PER_DAY);
            let text = write(seconds * TICKS_PER_SECOND).unwrap();
            if day % 7 == 0 {
                assert_eq!(text.as_str(), expected(seconds));
            }
            assert_eq!(read(text.as_str()), Some(seconds * TICKS_PER_SECOND), "{}", text.as_str());
        }
    }

    #[test]
    fn decimals_are_as_many_as_needed() {
        for (ticks, text) in [(0, "00Z"), (1, "00.0000001Z"), (5_000_000, "00.5Z"), (-1, "59.9999999Z")] {
            let written = write(ticks).unwrap();
            assert!(written.as_str().ends_with(text), "{}", written.as_str());
            assert_eq!(read(written.as_str()), Some(ticks));
        }
    }

    #[test]
    fn what_has_another_form_or_is_no_time_is_left_to_others() {
        for text in [
            "",
            "Z",
            "2024-05-01T12:00:00",
            "2024-05-01T12:00:00.Z",
            "2024-05-01T12:00:00.12345678Z",
            "2024-05-01 12:00:00Z",
            "2024-05-01T12:00:00+01:00",
            "2024-02-30T12:00:00Z",
            "2023-02-29T12:00:00Z",
            "2024-00-01T12:00:00Z",
            "2024-13-01T12:00:00Z",
            "2024-05-01T24:00:00Z",
            "2024-05-01T12:00:60Z",
            "2024-05-01T12:00:0äZ",
            "0000-01-01T00:00:00Z",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert!(write(i64::MIN).is_none() && write(i64::MAX).is_none());
    }
}
