//! The body type of our responses, and reading the bodies of requests.

use std::convert::Infallible;
use std::error::Error;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use durable_core::model::Payload;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use serde::Serialize;
use tokio::time::Instant;

use crate::error_json::Refusal;

/// What is reserved before the first byte of a request body has come, whatever its length claims to be.
const FIRST_RESERVE: usize = 64 * 1024;

/// A body that comes more slowly than this on the whole is refused, once the longest silence is over.
const SLOWEST_BYTES_PER_SECOND: u64 = 500;

/// Any error: what the body of a request may fail with.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// The body of a response, or of a request in a test: bytes that are all there.
#[derive(Debug, Clone, Default)]
pub struct Body(Full<Bytes>);

impl Body {
    /// A body of no bytes.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(bytes: T) -> Self {
        Self(Full::new(bytes.into()))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.get_mut().0).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

/// A response without body and content type.
pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// A response with this JSON text as its body.
pub(crate) fn json_text(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    response
}

/// A response with this value as its compact JSON body.
pub(crate) fn json<T: Serialize + ?Sized>(status: StatusCode, value: &T) -> Result<Response<Body>, Refusal> {
    serde_json::to_vec(value).map(|text| json_text(status, text)).map_err(Refusal::Unprintable)
}

/// The JSON of a request body, whatever its content type.
pub(crate) fn payload(body: &[u8]) -> Result<Payload, Refusal> {
    Payload::from_json(text(body)?).map_err(|error| Refusal::InvalidJson(error.into()))
}

/// The JSON of a request body; `null` when there is none.
pub(crate) fn payload_or_null(body: &[u8]) -> Result<Payload, Refusal> {
    if text(body)?.is_empty() { Ok(Payload::null()) } else { payload(body) }
}

/// The text of a request body, without the byte order mark that some editors put in front.
fn text(body: &[u8]) -> Result<&str, Refusal> {
    let text = std::str::from_utf8(body).map_err(|error| Refusal::InvalidJson(error.into()))?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text).trim())
}

/// The most that is read of a request body, and the longest silence within it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimits {
    pub(crate) max_bytes: usize,
    pub(crate) idle: Duration,
}

/// Reads a request body to its end.
pub(crate) async fn read<B>(body: B, limits: BodyLimits) -> Result<Vec<u8>, Refusal>
where
    B: http_body::Body,
    B::Error: Into<BoxError>,
{
    let BodyLimits { max_bytes, idle } = limits;
    let too_large = || Refusal::BodyTooLarge { max_bytes };
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > max_bytes {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(announced.min(FIRST_RESERVE));
    let mut body = pin!(body);
    let started = Instant::now();
    loop {
        // Who sends a byte now and then is never silent for long, and would still be here for years.
        let earned = Duration::from_secs(bytes.len() as u64 / SLOWEST_BYTES_PER_SECOND);
        let rest = idle.saturating_add(earned).saturating_sub(started.elapsed());
        let frame = tokio::time::timeout(rest.min(idle), body.frame()).await.map_err(|_| Refusal::BodyTooSlow)?;
        let Some(frame) = frame else { return Ok(bytes) };
        let Ok(mut data) = frame.map_err(|error| Refusal::BodyBroken(error.into()))?.into_data() else { continue };
        if data.remaining() > max_bytes - bytes.len() {
            return Err(too_large());
        }
        while data.has_remaining() {
            let chunk = data.chunk();
            let read = chunk.len();
            bytes.extend_from_slice(chunk);
            data.advance(read);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Sleep, sleep};

    use super::*;

    /// A body that sends a piece of this size every 20 seconds.
    struct Dripping {
        piece: usize,
        left: usize,
        pause: Pin<Box<Sleep>>,
    }

    const PAUSE: Duration = Duration::from_secs(20);

    impl http_body::Body for Dripping {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let this = self.get_mut();
            if this.left == 0 {
                return Poll::Ready(None);
            }
            std::task::ready!(this.pause.as_mut().poll(cx));
            this.pause = Box::pin(sleep(PAUSE));
            this.left -= 1;
            Poll::Ready(Some(Ok(Frame::data(vec![b'1'; this.piece].into()))))
        }
    }

    async fn read_pieces_of(piece: usize) -> Result<Vec<u8>, Refusal> {
        let limits = BodyLimits { max_bytes: 1 << 20, idle: Duration::from_secs(30) };
        read(Dripping { piece, left: 60, pause: Box::pin(sleep(PAUSE)) }, limits).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_drips_is_refused_and_a_slow_one_is_not() {
        assert!(matches!(read_pieces_of(1).await, Err(Refusal::BodyTooSlow)));
        assert_eq!(read_pieces_of(10_000).await.unwrap().len(), 600_000);
    }
}
