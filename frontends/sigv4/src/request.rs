//! A request as its signature sees it: borrowed, as it came over the wire.

/// The head of a request. `H` gives the headers: a cloneable iterator, such as a slice's `iter().copied()`, or
/// [`HeadersFrom`] where the iterator cannot be cloned.
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

/// Headers, (name, value), equal names in the order of the wire. They are walked more than once, so a clone must be
/// cheap.
pub trait Headers<'a>: IntoIterator<Item = (&'a str, &'a [u8])> + Clone {}

impl<'a, H: IntoIterator<Item = (&'a str, &'a [u8])> + Clone> Headers<'a> for H {}

/// Headers from a closure that starts anew at each call. For an `http::HeaderMap`:
/// `HeadersFrom(|| map.iter().map(|(name, value)| (name.as_str(), value.as_bytes())))`.
#[derive(Clone, Copy, Debug)]
pub struct HeadersFrom<F>(pub F);

impl<F: Fn() -> I, I: Iterator> IntoIterator for HeadersFrom<F> {
    type Item = I::Item;
    type IntoIter = I;

    fn into_iter(self) -> I {
        (self.0)()
    }
}
