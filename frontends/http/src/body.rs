//! Receives a request's body whole, within its limits of bytes and time.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::time::timeout;

use crate::{Refusal, limits::DISCARD_BYTES};

/// Reads the body to its end. A length given in advance is judged before anything is read.
pub(crate) async fn collect(body: &mut Incoming, limit: usize, patience: Duration) -> Result<Bytes, Refusal> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    if body.size_hint().lower() > u64::try_from(limit).unwrap_or(u64::MAX) {
        return Err(Refusal::BodyTooLarge { limit });
    }
    let mut whole = pin!(read(body, limit));
    // The common body came in with its head; no timer is set for it.
    if let Some(read) = poll_fn(|cx| Poll::Ready(ready(whole.as_mut().poll(cx)))).await {
        return read;
    }
    timeout(patience, whole).await.unwrap_or(Err(Refusal::BodyTimedOut))
}

/// Reads and drops what is left of an unwanted body if that is little, so that a client which sends all before it
/// listens does hear the answer. Returns whether the body has ended, and so the connection can go on.
pub(crate) async fn discard(mut body: Incoming, patience: Duration) -> bool {
    if body.size_hint().upper().is_some_and(|length| length <= DISCARD_BYTES) {
        let _ = timeout(patience, async { while let Some(Ok(_)) = body.frame().await {} }).await;
    }
    body.is_end_stream()
}

fn ready<T>(poll: Poll<T>) -> Option<T> {
    match poll {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// One piece is handed on as it is; several are joined.
async fn read(body: &mut Incoming, limit: usize) -> Result<Bytes, Refusal> {
    let mut first = Bytes::new();
    let mut joined = BytesMut::new();
    let mut length = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refusal::BodyBroken)?;
        // What is no data is trailers, which nobody here reads.
        let Ok(data) = frame.into_data() else { continue };
        length = length.saturating_add(data.len());
        if length > limit {
            return Err(Refusal::BodyTooLarge { limit });
        }
        if first.is_empty() {
            first = data;
        } else {
            if joined.is_empty() {
                joined.reserve(expected(body, length, limit));
                joined.extend_from_slice(&first);
            }
            joined.extend_from_slice(&data);
        }
    }
    Ok(if joined.is_empty() { first } else { joined.freeze() })
}

/// Room for what has come and what is announced.
fn expected(body: &Incoming, length: usize, limit: usize) -> usize {
    let rest = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    length.saturating_add(rest).min(limit)
}
