//! What proxies say about the request that they were sent: `Forwarded` of RFC 7239, and the `X-Forwarded-*` before it.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, header};

const X_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// The host and the scheme that the outermost trusted proxy was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Forwarded {
    pub(super) host: Option<String>,
    pub(super) proto: Option<String>,
}

/// What one proxy says.
#[derive(Debug, Default, Clone)]
struct Hop {
    from: Option<IpAddr>,
    host: Option<String>,
    proto: Option<String>,
}

/// Reads the headers of a request that came from a trusted proxy.
///
/// Every proxy appends to what it was sent, so the last entry is that of the proxy next to us, and the one before it may be
/// believed when the last one came from a trusted proxy, too. What a client has written itself stands before all that.
///
/// Most proxies write one kind of header and pass the other on as it came. So where both kinds are there, one may be the
/// client's own, and only what they agree on is believed.
pub(super) fn of(headers: &HeaderMap, is_trusted: impl Fn(IpAddr) -> bool) -> Forwarded {
    let (standard, older) = (elements(headers), older_hops(headers));
    if standard.is_empty() {
        return outermost(older, is_trusted);
    }
    if older.is_empty() {
        return outermost(standard, is_trusted);
    }
    let (standard, older) = (outermost(standard, &is_trusted), outermost(older, &is_trusted));
    let agreed = |a: Option<String>, b: Option<String>| a.filter(|a| b.is_some_and(|b| a.eq_ignore_ascii_case(&b)));
    Forwarded { host: agreed(standard.host, older.host), proto: agreed(standard.proto, older.proto) }
}

/// What the outermost trusted proxy says.
fn outermost(mut hops: Vec<Hop>, is_trusted: impl Fn(IpAddr) -> bool) -> Forwarded {
    let mut found = Forwarded::default();
    while let Some(hop) = hops.pop() {
        found.host = hop.host.or(found.host);
        found.proto = hop.proto.or(found.proto);
        if !hop.from.is_some_and(&is_trusted) {
            break;
        }
    }
    found
}

/// True when a proxy says that it has passed this request on.
pub(super) fn is_there(headers: &HeaderMap) -> bool {
    let is_proxys = |name: &HeaderName| {
        [header::FORWARDED, header::VIA, X_REAL_IP].contains(name) || name.as_str().starts_with("x-forwarded-")
    };
    headers.keys().any(is_proxys)
}

/// The hops of `Forwarded`.
fn elements(headers: &HeaderMap) -> Vec<Hop> {
    list(headers, &header::FORWARDED).iter().map(|element| element_of(element)).collect()
}

/// The hops of the `X-Forwarded-*` headers.
fn older_hops(headers: &HeaderMap) -> Vec<Hop> {
    let [from, host, proto] = [X_FOR, X_HOST, X_PROTO].map(|name| list(headers, &name));
    let count = from.len().max(host.len()).max(proto.len());
    // The lists may have different lengths, when not every proxy writes all of them: they agree at their ends.
    let at = |list: &[String], hop: usize| (hop + list.len()).checked_sub(count).and_then(|at| list.get(at).cloned());
    let hop = |index| Hop {
        from: at(&from, index).and_then(|text| address(&text)),
        host: at(&host, index),
        proto: at(&proto, index),
    };
    (0..count).map(hop).collect()
}

/// The entries of a list, which may be spread over several fields.
fn list(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let fields = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    fields.flat_map(|field| split(field, ',')).filter(|entry| !entry.is_empty()).collect()
}

/// One element of `Forwarded`: `for=192.0.2.1;host=example.com;proto=https`.
fn element_of(element: &str) -> Hop {
    let mut hop = Hop::default();
    // A client who opens quotes and leaves them open has put what the proxies appended into them.
    if quoted(element).last().is_some_and(|(_, in_quotes)| in_quotes) {
        return hop;
    }
    for pair in split(element, ';') {
        let Some((name, value)) = pair.split_once('=') else { continue };
        let value = unquoted(value.trim());
        match name.trim().to_ascii_lowercase().as_str() {
            "for" => hop.from = address(&value),
            "host" => hop.host = Some(value),
            "proto" => hop.proto = Some(value),
            _ => {}
        }
    }
    hop
}

/// An address with an optional port, in brackets when it is one of IPv6.
fn address(text: &str) -> Option<IpAddr> {
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(address, _)| address);
    let plain = || text.rsplit_once(':').filter(|(host, _)| !host.contains(':')).map_or(text, |(host, _)| host);
    match bracketed {
        Some(address) => address.parse().ok(),
        None => text.parse().or_else(|_| plain().parse()).ok(),
    }
}

/// The parts between separators that do not stand in quotes.
fn split(text: &str, separator: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    for (character, in_quotes) in quoted(text) {
        if character == separator && !in_quotes {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(character);
        }
    }
    parts.into_iter().map(|part| part.trim().to_owned()).collect()
}

/// The characters, and whether the text is within quotes after each.
fn quoted(text: &str) -> impl Iterator<Item = (char, bool)> {
    let (mut in_quotes, mut escaped) = (false, false);
    text.chars().map(move |character| {
        if character == '"' && !escaped {
            in_quotes = !in_quotes;
        }
        escaped = in_quotes && character == '\\' && !escaped;
        (character, in_quotes)
    })
}

fn unquoted(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return text.to_owned() };
    let mut escaped = false;
    let mut plain = String::new();
    for character in inner.chars() {
        escaped = character == '\\' && !escaped;
        if !escaped {
            plain.push(character);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found when 10.x addresses are trusted.
    fn found(headers: &[(&'static str, &'static str)]) -> (String, String) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let trusted = |address: IpAddr| matches!(address, IpAddr::V4(v4) if v4.octets()[0] == 10);
        let Forwarded { host, proto } = of(&map, trusted);
        (host.unwrap_or_default(), proto.unwrap_or_default())
    }

    fn pair(host: &str, proto: &str) -> (String, String) {
        (host.to_owned(), proto.to_owned())
    }

    #[test]
    fn the_element_of_the_last_proxy_counts() {
        let header = "for=1.1.1.1;host=evil;proto=http, for=2.2.2.2;host=good;proto=https";
        assert_eq!(found(&[("forwarded", header)]), pair("good", "https"));
    }

    #[test]
    fn a_chain_of_trusted_proxies_is_followed() {
        let header =
            "for=9.9.9.9;host=evil, For=8.8.8.8;Host=\"shop:8443\";Proto=https, for=\"10.0.0.2:80\";host=inner";
        assert_eq!(found(&[("forwarded", header)]), pair("shop:8443", "https"));
        let lines = [("forwarded", "for=8.8.8.8;host=shop"), ("forwarded", "for=10.0.0.2")];
        assert_eq!(found(&lines), pair("shop", ""));
    }

    #[test]
    fn what_the_outer_proxy_leaves_out_comes_from_the_inner_one() {
        assert_eq!(found(&[("forwarded", "for=8.8.8.8;host=shop, for=10.0.0.1;proto=https")]), pair("shop", "https"));
    }

    #[test]
    fn the_older_headers_agree_at_their_ends() {
        let all = [
            ("x-forwarded-for", "6.6.6.6, 8.8.8.8, 10.0.0.1"),
            ("x-forwarded-host", "evil, shop, inner"),
            ("x-forwarded-proto", "https"),
        ];
        assert_eq!(found(&all), pair("shop", "https"));
        assert_eq!(found(&[("x-forwarded-host", "evil, good")]), pair("good", ""));
        assert_eq!(found(&[("x-forwarded-proto", "https")]), pair("", "https"));
    }

    #[test]
    fn quotes_of_a_client_do_not_swallow_what_the_proxy_says() {
        for header in [
            "host=evil;by=\", for=8.8.8.8;host=good",
            "host=evil;by=\", for=8.8.8.8;host=\"good:80\"",
            "host=evil, by=x\", for=8.8.8.8;host=good",
            "host=evil;by=\"\\, for=\"8.8.8.8\";host=good",
        ] {
            assert_eq!(found(&[("forwarded", header)]), pair("", ""), "{header}");
            let older = ("x-forwarded-host", "evil");
            assert_eq!(found(&[("forwarded", header), older]), pair("", ""), "{header}");
        }
        let lines = [("forwarded", "host=evil;by=\""), ("forwarded", "for=8.8.8.8;host=good")];
        assert_eq!(found(&lines), pair("good", ""));
    }

    #[test]
    fn of_two_kinds_of_headers_only_what_they_agree_on_is_believed() {
        let older = [("x-forwarded-for", "8.8.8.8"), ("x-forwarded-host", "shop"), ("x-forwarded-proto", "https")];
        let with = |forwarded| found(&[&older[..], &[("forwarded", forwarded)]].concat());
        assert_eq!(with("for=8.8.8.8;host=evil;proto=https"), pair("", "https"));
        assert_eq!(with("for=10.0.0.1;proto=http"), pair("", ""));
        assert_eq!(with("for=8.8.8.8;host=Shop;proto=HTTPS"), pair("Shop", "HTTPS"));
    }

    #[test]
    fn quotes_and_nonsense_are_survived() {
        assert_eq!(found(&[("forwarded", r#"for="_gazonk";host="a\"b,c;d""#)]), pair("a\"b,c;d", ""));
        for header in ["", ",", ";;;", "host", "=", "for=;host", "\"", "host=\"", "for=[::1", "for=\"[", "é"] {
            found(&[("forwarded", header), ("x-forwarded-for", header), ("x-forwarded-host", header)]);
        }
    }

    #[test]
    fn addresses_come_with_and_without_ports() {
        for text in ["10.0.0.1", "10.0.0.1:80"] {
            assert_eq!(address(text), Some([10, 0, 0, 1].into()));
        }
        for text in ["::1", "[::1]", "[::1]:80"] {
            assert_eq!(address(text), Some(std::net::Ipv6Addr::LOCALHOST.into()));
        }
        for text in ["unknown", "_hidden", "", "[", "[]", ":"] {
            assert_eq!(address(text), None);
        }
    }
}
