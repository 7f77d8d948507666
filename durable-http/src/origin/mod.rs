//! Where a request says it was sent to: the start of every link in its answer.

mod forwarded;
mod head;

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use http::header::{HOST, ORIGIN};
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderName, Uri};
use ipnet::IpNet;

use crate::setting_error::InvalidSetting;

pub use self::head::RequestHead;

/// How browsers say where a request comes from.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The address of the other end of a connection.
///
/// [`Server`](crate::Server) puts it into the extensions of each request. Where you mount
/// [`DurableService`](crate::DurableService) in a server of your own, do the same: proxies are told from other callers by
/// it. Without it nobody is a trusted proxy, and nobody is on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddr(pub SocketAddr);

/// The address that a connection was accepted on; our server leaves it in the extensions of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LocalAddr(pub(crate) SocketAddr);

/// The start of links that callers outside can use: a scheme, a host, and where a proxy puts us below a path, that path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicOrigin(String);

impl PublicOrigin {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PublicOrigin {
    type Err = InvalidSetting;

    fn from_str(text: &str) -> Result<Self, InvalidSetting> {
        let wrong = |problem| InvalidSetting::origin(text, problem);
        let uri: Uri = text.trim().parse().map_err(|_| wrong("it is not an address"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(wrong("it has no scheme or no host"));
        };
        if !["http", "https"].contains(&scheme) {
            return Err(wrong("its scheme is neither http nor https"));
        }
        if !is_plain(authority.as_str()) {
            return Err(wrong("its host is not a plain name or address"));
        }
        if uri.query().is_some() || text.contains('#') {
            return Err(wrong("it has more than a path"));
        }
        Ok(Self(format!("{scheme}://{authority}{}", uri.path().trim_end_matches('/'))))
    }
}

/// Where links point to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origins {
    pub(crate) public: Option<PublicOrigin>,
    /// The proxies whose headers are believed.
    pub(crate) trusted: Vec<IpNet>,
}

impl Origins {
    /// `http://host:port` for the answer to this request.
    pub(crate) fn of(&self, request: &impl RequestHead) -> String {
        if let Some(PublicOrigin(origin)) = &self.public {
            return origin.clone();
        }
        let forwarded = match request.extensions().get::<PeerAddr>() {
            Some(peer) if self.trusts(peer.0.ip()) => forwarded::of(request.headers(), |address| self.trusts(address)),
            _ => forwarded::Forwarded::default(),
        };
        let scheme = match forwarded.proto {
            Some(proto) if proto.eq_ignore_ascii_case("https") => "https",
            None if request.uri().scheme() == Some(&Scheme::HTTPS) => "https",
            _ => "http",
        };
        let named = request.uri().authority().map(Authority::as_str).or_else(|| host_header(request.headers()));
        match forwarded.host.as_deref().filter(|host| is_plain(host)).or(named.filter(|host| is_plain(host))) {
            Some(authority) => format!("{scheme}://{authority}"),
            None => match request.extensions().get::<LocalAddr>() {
                Some(LocalAddr(address)) => format!("{scheme}://{address}"),
                None => format!("{scheme}://localhost"),
            },
        }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted.iter().any(|network| network.contains(&address))
    }
}

/// The networks of these proxies, each an address or a network such as `10.0.0.0/8`.
pub(crate) fn networks<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Result<Vec<IpNet>, InvalidSetting> {
    let network = |text: T| {
        let text = text.as_ref().trim();
        let address = text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
        address.or_else(|_| text.parse::<IpNet>()).map_err(|error| InvalidSetting::proxy(text, error))
    };
    texts.into_iter().map(network).collect()
}

/// True when a program on this machine sent the request to this machine, and no proxy says otherwise.
///
/// A browser is no such program, since every web page can make it send requests here: by the name of this machine, which
/// the browser itself tells us of, or by a name of the page's own that leads here, which the host shows.
pub(crate) fn is_from_this_machine(request: &impl RequestHead) -> bool {
    let is_loopback = |address: IpAddr| address.to_canonical().is_loopback();
    let near = request.extensions().get::<PeerAddr>().is_some_and(|peer| is_loopback(peer.0.ip()));
    let named = request.uri().authority().cloned().or_else(|| host_header(request.headers())?.parse().ok());
    let local = named.is_some_and(|authority: Authority| {
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(is_loopback)
    });
    near && local && !forwarded::is_there(request.headers()) && !is_of_a_page(request.headers())
}

/// True when a browser says that a page sent the request, and not the one who sits before it.
fn is_of_a_page(headers: &HeaderMap) -> bool {
    headers.contains_key(ORIGIN) || headers.get_all(SEC_FETCH_SITE).iter().any(|site| site != "none")
}

/// True when a browser says that the page of another web site sent the request.
pub(crate) fn is_of_another_site(request: &impl RequestHead) -> bool {
    let headers = request.headers();
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return site != "none" && site != "same-origin";
    }
    let Some(origin) = headers.get(ORIGIN) else { return false };
    let of_page = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok()?.into_parts().authority);
    let own = request.uri().authority().cloned().or_else(|| host_header(headers)?.parse().ok());
    of_page.is_none() || of_page != own
}

fn host_header(headers: &HeaderMap) -> Option<&str> {
    headers.get(HOST)?.to_str().ok()
}

/// True for a host name or address with an optional port, and nothing that a link must not repeat.
fn is_plain(authority: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_~:[]".contains(&byte);
    authority.bytes().all(allowed)
        && authority.parse::<Authority>().is_ok_and(|parsed| {
            let port = authority.get(parsed.host().len()..).unwrap_or_default();
            !parsed.host().is_empty() && (port.is_empty() || parsed.port_u16().is_some())
        })
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn origin(host: &[u8]) -> String {
        let host = http::HeaderValue::from_bytes(host).unwrap();
        Origins::default().of(&Request::builder().uri("/x").header(HOST, host).body(()).unwrap())
    }

    #[test]
    fn a_plain_host_is_repeated() {
        for host in ["localhost:7071", "example.com", "127.0.0.1:80", "[::1]:7071", "my_host"] {
            assert_eq!(origin(host.as_bytes()), format!("http://{host}"));
        }
    }

    #[test]
    fn an_odd_host_is_not_repeated() {
        for host in
            ["", "a b", "a/b", "user@host", "a\"b", "<script>", "a?b", "a#b", "a:x", "a:99999", ":80", "a:", "é", "a,b"]
        {
            assert_eq!(origin(host.as_bytes()), "http://localhost", "{host:?}");
        }
    }

    #[test]
    fn without_a_host_the_address_of_the_connection_is_used() {
        let mut request = Request::builder().uri("/x").body(()).unwrap();
        assert_eq!(Origins::default().of(&request), "http://localhost");
        request.extensions_mut().insert(LocalAddr(([127, 0, 0, 1], 7071).into()));
        assert_eq!(Origins::default().of(&request), "http://127.0.0.1:7071");
    }

    #[test]
    fn the_target_goes_before_the_host_header() {
        let request = Request::builder().uri("https://h2.example:8443/x").header(HOST, "other").body(()).unwrap();
        assert_eq!(Origins::default().of(&request), "https://h2.example:8443");
    }

    fn behind(origins: &Origins, peer: [u8; 4], headers: &[(&str, &str)]) -> String {
        let mut request =
            Request::builder().uri("/x").header(HOST, "inner:7071").extension(PeerAddr((peer, 5000).into()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        origins.of(&request.body(()).unwrap())
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let origins = Origins { public: None, trusted: networks(["10.0.0.0/8", "192.168.1.1"]).unwrap() };
        let headers = [("x-forwarded-host", "shop.example"), ("x-forwarded-proto", "https")];
        assert_eq!(behind(&origins, [10, 1, 2, 3], &headers), "https://shop.example");
        assert_eq!(behind(&origins, [192, 168, 1, 1], &headers), "https://shop.example");
        assert_eq!(behind(&origins, [192, 168, 1, 2], &headers), "http://inner:7071");
        assert_eq!(behind(&Origins::default(), [10, 1, 2, 3], &headers), "http://inner:7071");
        assert_eq!(behind(&origins, [10, 1, 2, 3], &[("x-forwarded-proto", "https")]), "https://inner:7071");
        assert_eq!(behind(&origins, [10, 1, 2, 3], &[("forwarded", "host=\"a/b\"")]), "http://inner:7071");
    }

    #[test]
    fn an_address_of_ipv4_within_ipv6_is_the_same_proxy() {
        let origins = Origins { public: None, trusted: networks(["10.0.0.0/8"]).unwrap() };
        assert!(origins.trusts("::ffff:10.0.0.1".parse().unwrap()));
        assert!(!origins.trusts("::1".parse().unwrap()));
    }

    #[test]
    fn a_public_origin_goes_before_everything() {
        let public = |text: &str| text.parse().map(|public| Origins { public: Some(public), trusted: Vec::new() });
        for (text, expected) in [
            ("https://shop.example", "https://shop.example"),
            ("https://shop.example/", "https://shop.example"),
            ("http://shop.example:81/durable/", "http://shop.example:81/durable"),
        ] {
            assert_eq!(behind(&public(text).unwrap(), [1, 1, 1, 1], &[]), expected);
        }
        for text in
            ["", "shop.example", "/x", "ftp://a", "https://", "https://a?b=c", "https://a#b", "https://u@a", "a b"]
        {
            assert!(public(text).is_err_and(|error| error.is_public_origin()), "{text}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "10.0.0.0/33", "proxy.example", "10.0.0", "::1/129"] {
            assert!(networks([text]).is_err_and(|error| error.is_trusted_proxy()), "{text}");
        }
    }

    #[test]
    fn who_is_on_this_machine() {
        let is_local = |peer: [u8; 4], host: &str, header: Option<&str>| {
            let mut request = Request::builder().uri("/x").header(HOST, host).extension(PeerAddr((peer, 5000).into()));
            if let Some(header) = header {
                request = request.header(header, "x");
            }
            is_from_this_machine(&request.body(()).unwrap())
        };
        let here = [127, 0, 0, 1];
        for host in ["localhost", "localhost:7071", "127.0.0.1:7071", "[::1]:7071"] {
            assert!(is_local(here, host, None), "{host}");
        }
        assert!(!is_local([10, 0, 0, 1], "localhost", None), "another machine");
        assert!(!is_local(here, "evil.example", None), "a name that leads here");
        for header in ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-real-ip"] {
            assert!(!is_local(here, "localhost", Some(header)), "a proxy on this machine: {header}");
        }
        for header in ["origin", "sec-fetch-site"] {
            assert!(!is_local(here, "localhost", Some(header)), "a web page: {header}");
        }
        let unknown = Request::builder().uri("/x").header(HOST, "localhost").body(()).unwrap();
        assert!(!is_from_this_machine(&unknown), "an unknown peer");
    }
}
