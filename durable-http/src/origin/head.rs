//! What is needed of a request to answer it with links.

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
