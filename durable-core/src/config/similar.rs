//! Finding the name that was meant.

/// The candidate that is closest to `name`, if one is close: every third letter may be wrong, at most three of them. Case
/// does not count.
pub(super) fn closest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_ascii_lowercase();
    let bound = (name.chars().count() / 3).min(3);
    let distances =
        candidates.into_iter().map(|candidate| (distance(&name, &candidate.to_ascii_lowercase()), candidate));
    distances.filter(|(distance, _)| *distance <= bound).min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

/// How many letters must be added, left out or replaced to get from one text to the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<_> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_letters() {
        for (a, b, expected) in [("", "", 0), ("abc", "", 3), ("hubname", "hubnam", 1), ("kitten", "sitting", 3)] {
            assert_eq!((distance(a, b), distance(b, a)), (expected, expected), "{a} {b}");
        }
    }

    #[test]
    fn only_what_is_close_is_suggested() {
        let names = ["hubName", "httpSettings", "type"];
        assert_eq!(closest("HubNmae", names), Some("hubName"));
        assert_eq!(closest("httpSetting", names), Some("httpSettings"));
        assert_eq!(closest("typ", names), Some("type"));
        assert_eq!(closest("ab", names), None);
        assert_eq!(closest("partition", names), None);
    }
}
