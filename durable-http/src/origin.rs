//! Where a request says it was sent to: the start of every link in its answer.

use std::net::SocketAddr;

use http::header::HOST;
use http::uri::{Authority, Scheme};
use http::{Extensions, HeaderMap, Request, Uri, request};

/// The head of a request: a whole [`Request`], or its [`Parts`](request::Parts).
pub trait RequestHead {
    /// The target.
    fn uri(&self) -> &Uri;
    /// The header fields.
    fn headers(&self) -> &HeaderMap;
    /// The extensions.
    fn extensions(&self) -> &Extensions;
}

impl<B> RequestHead for Request<B> {
    fn uri(&self) -> &Uri {
        self.uri()
    }

    fn headers(&self) -> &HeaderMap {
        self.headers()
    }

    fn extensions(&self) -> &Extensions {
        self.extensions()
    }
}

impl RequestHead for request::Parts {
    fn uri(&self) -> &Uri {
        &self.uri
    }

    fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    fn extensions(&self) -> &Extensions {
        &self.extensions
    }
}

/// The address that a connection was accepted on; our server leaves it in the extensions of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LocalAddr(pub(crate) SocketAddr);

/// `http://host:port` of this request.
pub(crate) fn of(request: &impl RequestHead) -> String {
    let scheme = match request.uri().scheme() {
        Some(scheme) if *scheme == Scheme::HTTPS => "https",
        _ => "http",
    };
    let named = request.uri().authority().map(Authority::as_str).or_else(|| host_header(request.headers()));
    match named.filter(|authority| is_plain(authority)) {
        Some(authority) => format!("{scheme}://{authority}"),
        None => match request.extensions().get::<LocalAddr>() {
            Some(LocalAddr(address)) => format!("{scheme}://{address}"),
            None => format!("{scheme}://localhost"),
        },
    }
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
    use super::*;

    fn origin(host: &[u8]) -> String {
        let host = http::HeaderValue::from_bytes(host).unwrap();
        of(&Request::builder().uri("/x").header(HOST, host).body(()).unwrap())
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
        assert_eq!(of(&request), "http://localhost");
        request.extensions_mut().insert(LocalAddr(([127, 0, 0, 1], 7071).into()));
        assert_eq!(of(&request), "http://127.0.0.1:7071");
    }

    #[test]
    fn the_target_goes_before_the_host_header() {
        let request = Request::builder().uri("https://h2.example:8443/x").header(HOST, "other").body(()).unwrap();
        assert_eq!(of(&request), "https://h2.example:8443");
    }
}
