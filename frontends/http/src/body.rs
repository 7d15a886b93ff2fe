//! Receives a request's body whole, within its limits of bytes and time and the listener's budget.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::{Refusal, budget::Held, limits::DISCARD_BYTES};

/// Reads the body to its end. A length given in advance is judged before anything is read.
pub(crate) async fn collect(
    body: &mut Incoming,
    limit: usize,
    patience: Duration,
    held: &mut Held<'_>,
) -> Result<Bytes, Refusal> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let announced = body.size_hint().lower();
    if announced > u64::try_from(limit).unwrap_or(u64::MAX) {
        return Err(Refusal::BodyTooLarge { limit });
    }
    if !held.could_take(announced) {
        return Err(Refusal::Overloaded);
    }
    let mut whole = pin!(read(body, limit, held));
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

/// A body in one piece is handed on as it is, a part of hyper's own buffer. Several pieces are joined in a buffer of ours:
/// a part that was kept while the rest is awaited would keep hyper's whole buffer.
async fn read(body: &mut Incoming, limit: usize, held: &mut Held<'_>) -> Result<Bytes, Refusal> {
    let mut only = Bytes::new();
    let mut joined = Joined::default();
    let mut length = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refusal::BodyBroken)?;
        // What is no data is trailers, which nobody here reads.
        let Ok(data) = frame.into_data() else { continue };
        length = length.saturating_add(data.len());
        if length > limit {
            return Err(Refusal::BodyTooLarge { limit });
        }
        if !held.take(data.len()) {
            return Err(Refusal::Overloaded);
        }
        if length == data.len() && body.is_end_stream() {
            only = data;
        } else {
            joined.push(&data);
        }
    }
    Ok(if only.is_empty() { joined.finish() } else { only })
}

/// A growing buffer that leaves nothing behind, since bodies carry plaintexts: it is erased where it moves from, and
/// when the last part of it is dropped.
#[derive(Default)]
struct Joined(Zeroizing<Vec<u8>>);

impl Joined {
    fn push(&mut self, data: &[u8]) {
        let needed = self.0.len().saturating_add(data.len());
        if needed > self.0.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.max(self.0.capacity().saturating_mul(2))));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(data);
    }

    fn finish(self) -> Bytes {
        if self.0.is_empty() { Bytes::new() } else { Bytes::from_owner(self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_joined_in_their_order() {
        let mut joined = Joined::default();
        let mut expected = Vec::new();
        for (number, length) in (0..).zip([0, 1, 1, 3, 100, 0, 7, 5000]) {
            joined.push(&vec![number; length]);
            expected.extend(vec![number; length]);
        }
        assert_eq!(joined.finish(), expected);
        assert!(Joined::default().finish().is_empty());
    }
}
