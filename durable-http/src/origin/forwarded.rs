//! What proxies say about the request that they were sent: `Forwarded` of RFC 7239, and the `X-Forwarded-*` before it.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, header};

const X_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

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
pub(super) fn of(headers: &HeaderMap, is_trusted: impl Fn(IpAddr) -> bool) -> Forwarded {
    let mut hops = hops(headers);
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
    [header::FORWARDED, header::VIA, X_FOR, X_HOST, X_PROTO].iter().any(|name| headers.contains_key(name))
}

fn hops(headers: &HeaderMap) -> Vec<Hop> {
    let forwarded = list(headers, &header::FORWARDED);
    if !forwarded.is_empty() {
        return forwarded.iter().map(|element| element_of(element)).collect();
    }
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
    let (mut quoted, mut escaped) = (false, false);
    for character in text.chars() {
        if character == separator && !quoted {
            parts.push(String::new());
            continue;
        }
        if character == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = quoted && character == '\\' && !escaped;
        if let Some(part) = parts.last_mut() {
            part.push(character);
        }
    }
    parts.into_iter().map(|part| part.trim().to_owned()).collect()
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
