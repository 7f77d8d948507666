//! What a URL says that the driver does not understand, or does not tell.

use std::ops::Range;

/// The URL for the driver: encrypted always means checked, whatever the word.
pub(super) fn for_driver(url: &str) -> String {
    let mut text = url.to_owned();
    // From the end, so that the places of the others stay right.
    for (key, value) in parameters(url).into_iter().rev() {
        if key == "sslmode" && matches!(&url[value.clone()], "verify-full" | "verify-ca") {
            text.replace_range(value, "require");
        }
    }
    text
}

/// Whether the URL sets this parameter.
pub(super) fn names(url: &str, parameter: &str) -> bool {
    parameters(url).iter().any(|(key, _)| *key == parameter)
}

/// The parameters, with the places of their values. What is no URL at all may give anything; the driver finds that out.
fn parameters(url: &str) -> Vec<(&str, Range<usize>)> {
    let scheme = ["postgres://", "postgresql://"].into_iter().find(|scheme| url.starts_with(scheme));
    scheme.map_or_else(|| of_pairs(url), |scheme| of_query(url, scheme.len()))
}

/// The part behind the question mark, of which a password may have others.
fn of_query(url: &str, start: usize) -> Vec<(&str, Range<usize>)> {
    let start = url[start..].find('@').map_or(start, |at| start + at + 1);
    let Some(at) = url[start..].find('?') else { return Vec::new() };
    let mut at = start + at + 1;
    let mut found = Vec::new();
    for pair in url[at..].split('&') {
        if let Some((key, _)) = pair.split_once('=') {
            found.push((key, at + key.len() + 1..at + pair.len()));
        }
        at += pair.len() + 1;
    }
    found
}

/// The other form: `host=here password='a b'`.
fn of_pairs(text: &str) -> Vec<(&str, Range<usize>)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(equals) = text[at..].find('=') {
        let key = text[at..at + equals].trim();
        let value = text[at + equals + 1..].trim_start();
        let is_quoted = value.starts_with('\'');
        let start = text.len() - value.len() + usize::from(is_quoted);
        let mut is_escaped = false;
        let ends = |c: char| {
            if is_escaped {
                is_escaped = false;
                return false;
            }
            is_escaped = c == '\\';
            if is_quoted { c == '\'' } else { c.is_whitespace() }
        };
        let end = text[start..].find(ends).map_or(text.len(), |end| start + end);
        found.push((key, start..end));
        at = (end + usize::from(is_quoted)).min(text.len());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_parameter_itself_becomes_another_one() {
        for (url, driver) in [
            ("postgres://ada@db/shop?sslmode=verify-full", "postgres://ada@db/shop?sslmode=require"),
            ("postgresql://db?a=b&sslmode=verify-ca&c=d", "postgresql://db?a=b&sslmode=require&c=d"),
            ("host=db sslmode=verify-full user=ada", "host=db sslmode=require user=ada"),
            ("host=db sslmode = 'verify-ca'", "host=db sslmode = 'require'"),
        ] {
            assert_eq!(for_driver(url), driver);
        }
        for url in [
            "postgres://ada:sslmode=verify-full@db/shop",
            "postgres://ada:a?sslmode=verify-full@db/shop?sslmode=require",
            "postgres://ada@db/sslmode=verify-full",
            "postgres://ada@db/shop?application_name=sslmode=verify-full",
            "postgres://ada@db/shop?nosslmode=verify-full",
            "postgres://ada@db/shop?sslmode=verify-fully",
            "host=db password='a sslmode=verify-full'",
            r"host=db password='\' sslmode=verify-full' user=ada",
            r"host=db password=a\ sslmode=verify-full",
            "host=db password='",
            "=",
            "",
        ] {
            assert_eq!(for_driver(url), url);
        }
    }

    #[test]
    fn parameters_are_found_by_their_names() {
        assert!(names("postgres://db/?keepalives_idle=5", "keepalives_idle"));
        assert!(names("host=db keepalives_idle = 5", "keepalives_idle"));
        assert!(!names("postgres://a:keepalives_idle=5@db/?x=keepalives_idle", "keepalives_idle"));
        assert!(!names("host='x keepalives_idle=5'", "keepalives_idle"));
    }
}
