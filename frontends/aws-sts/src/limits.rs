//! Every bound of this front end.

/// Bytes of a request's body: the one operation has a form of about 50.
pub const BODY_BYTES: usize = 8 * 1024;
