//! A request as its signature sees it: borrowed, as it came over the wire.

/// The head of a request. `H` yields every header as (name, value), in the order of the wire among equal names;
/// `http::HeaderMap::iter().map(|(name, value)| (name.as_str(), value.as_bytes()))` is one, a slice's `iter().copied()`
/// another. It is walked more than once, so cloning it must be cheap.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a, H> {
    /// The method, in upper case.
    pub method: &'a str,
    /// The path as sent, percent-encoded; empty counts as `/`.
    pub path: &'a str,
    /// The query string as sent, without the `?`; empty when there is none.
    pub query: &'a str,
    /// The authority that the request was sent to: the `Host` header in HTTP/1.1, `:authority` in HTTP/2. It is what
    /// the signed header `host` stands for. A `Host` header among the headers must equal it.
    pub authority: &'a str,
    /// The headers, names in any case.
    pub headers: H,
}

/// An iterator of headers: (name, value), cheap to clone.
pub trait Headers<'a>: Iterator<Item = (&'a str, &'a [u8])> + Clone {}

impl<'a, I: Iterator<Item = (&'a str, &'a [u8])> + Clone> Headers<'a> for I {}
