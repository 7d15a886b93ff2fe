//! The PROXY protocol, version 2: how a load balancer says for whom it connects.
//!
//! A pure parser of the binary header (HAProxy's "The PROXY protocol", section 2.2). Absent: version 1, datagrams,
//! Unix addresses, and the meaning of the type-length-value fields, which are checked for their lengths alone (the
//! optional CRC32c too is not checked: TCP has checksums of its own, and the source is trusted).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::limits::PROXY_HEADER_BYTES;

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
const VERSION_1: &[u8] = b"PROXY ";
const FIXED: usize = 16;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The client that the proxy speaks for; `None` if it speaks for itself (a health check) or does not know.
    pub source: Option<SocketAddr>,
    /// The header's length in bytes; what follows is the client's.
    pub length: usize,
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// Not yet whole.
    #[error("the PROXY header is incomplete: {missing} more bytes are needed at least")]
    Incomplete {
        /// How many more bytes there are at least.
        missing: usize,
    },
    /// Text, version 1.
    #[error("the PROXY header is of version 1; have the proxy send version 2")]
    Version1,
    /// Not a PROXY header at all.
    #[error("the connection does not begin with a PROXY header; have the proxy send version 2")]
    NoSignature,
    /// A version other than 2.
    #[error("the PROXY header has version {version}, not 2")]
    Version {
        /// The version nibble.
        version: u8,
    },
    /// Neither LOCAL nor PROXY.
    #[error("the PROXY header has the unknown command {command}")]
    Command {
        /// The command nibble.
        command: u8,
    },
    /// A family and transport other than TCP over IPv4, TCP over IPv6 and unspecified.
    #[error("the PROXY header has the unsupported family and transport {family:#04x}")]
    Family {
        /// The family and transport byte.
        family: u8,
    },
    /// Longer than we read.
    #[error("the PROXY header has {length} bytes; at most {PROXY_HEADER_BYTES} are read")]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// Too short for its addresses, or with fields that don't fill it exactly.
    #[error("the PROXY header's length does not fit its contents")]
    Length,
}

/// Parses the header at the start of `bytes`. What follows the header is ignored.
///
/// # Errors
/// [`ProxyError::Incomplete`] as long as more bytes could make a header; the other errors are final.
pub fn parse(bytes: &[u8]) -> Result<Header, ProxyError> {
    let Some((fixed, rest)) = bytes.split_first_chunk::<FIXED>() else { return Err(unfinished(bytes)) };
    let [signature @ .., version_and_command, family, high, low] = fixed;
    if *signature != SIGNATURE {
        return Err(unfinished(fixed));
    }
    if version_and_command >> 4 != 2 {
        return Err(ProxyError::Version { version: version_and_command >> 4 });
    }
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if FIXED + length > PROXY_HEADER_BYTES {
        return Err(ProxyError::TooLong { length: FIXED + length });
    }
    let contents =
        rest.get(..length).ok_or_else(|| ProxyError::Incomplete { missing: length.saturating_sub(rest.len()) })?;
    let source = match version_and_command & 0x0f {
        0 => None,
        1 => source(*family, contents)?,
        command => return Err(ProxyError::Command { command }),
    };
    Ok(Header { source, length: FIXED + length })
}

/// What is wrong with bytes that don't hold the signature and the rest of the fixed part.
fn unfinished(bytes: &[u8]) -> ProxyError {
    if bytes.starts_with(VERSION_1) {
        ProxyError::Version1
    } else if bytes.iter().zip(SIGNATURE).any(|(byte, expected)| *byte != expected) && !VERSION_1.starts_with(bytes) {
        ProxyError::NoSignature
    } else {
        ProxyError::Incomplete { missing: FIXED.saturating_sub(bytes.len()) }
    }
}

fn source(family: u8, contents: &[u8]) -> Result<Option<SocketAddr>, ProxyError> {
    let (source, fields) = match family {
        0x00 => return Ok(None),
        0x11 => {
            let (addresses, fields) = contents.split_first_chunk::<12>().ok_or(ProxyError::Length)?;
            let [a, b, c, d, _, _, _, _, high, low, _, _] = *addresses;
            (SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), u16::from_be_bytes([high, low])), fields)
        }
        0x21 => {
            let (address, rest) = contents.split_first_chunk::<16>().ok_or(ProxyError::Length)?;
            let (others, fields) = rest.split_first_chunk::<20>().ok_or(ProxyError::Length)?;
            let [.., high, low, _, _] = *others;
            let address = IpAddr::V6(Ipv6Addr::from(*address)).to_canonical();
            (SocketAddr::new(address, u16::from_be_bytes([high, low])), fields)
        }
        family => return Err(ProxyError::Family { family }),
    };
    check_fields(fields)?;
    Ok(Some(source))
}

/// Type (1 byte), length (2), value, up to the end exactly.
fn check_fields(mut fields: &[u8]) -> Result<(), ProxyError> {
    while !fields.is_empty() {
        let ([_, high, low], rest) = fields.split_first_chunk::<3>().ok_or(ProxyError::Length)?;
        fields = rest.get(usize::from(u16::from_be_bytes([*high, *low]))..).ok_or(ProxyError::Length)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(command: u8, family: u8, contents: &[u8]) -> Vec<u8> {
        let length = u16::try_from(contents.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, contents].concat()
    }

    const V4: [u8; 12] = [203, 0, 113, 9, 10, 0, 0, 1, 0x9c, 0x40, 0x01, 0xbb];

    #[test]
    fn an_ipv4_source_is_read_and_what_follows_is_left() {
        let mut bytes = header(0x21, 0x11, &V4);
        let length = bytes.len();
        bytes.extend_from_slice(b"GET /");
        assert_eq!(parse(&bytes), Ok(Header { source: Some("203.0.113.9:40000".parse().unwrap()), length }));
    }

    #[test]
    fn an_ipv6_source_is_read_with_its_fields_skipped() {
        let source: Ipv6Addr = "2001:db8::9".parse().unwrap();
        let contents =
            [&source.octets()[..], &[0; 16], &[0x9c, 0x40, 0x01, 0xbb], &[0x04, 0, 2, 7, 7], &[0xea, 0, 0]].concat();
        let parsed = parse(&header(0x21, 0x21, &contents)).unwrap();
        assert_eq!(parsed.source, Some("[2001:db8::9]:40000".parse().unwrap()));
    }

    #[test]
    fn a_proxy_that_speaks_for_itself_names_no_source() {
        assert_eq!(parse(&header(0x20, 0x00, &[])).unwrap().source, None);
        assert_eq!(parse(&header(0x20, 0x11, &V4)).unwrap().source, None);
        assert_eq!(parse(&header(0x21, 0x00, b"anything")).unwrap().source, None);
    }

    #[test]
    fn every_prefix_of_a_header_is_incomplete_and_says_how_much_is_missing() {
        let bytes = header(0x21, 0x11, &V4);
        for cut in 0..bytes.len() {
            let Err(ProxyError::Incomplete { missing }) = parse(&bytes[..cut]) else { panic!("cut at {cut}") };
            assert!((1..=bytes.len() - cut).contains(&missing), "cut at {cut}");
        }
    }

    #[test]
    fn version_1_is_refused() {
        assert_eq!(parse(b"PROXY TCP4 203.0.113.9 10.0.0.1 40000 443\r\n"), Err(ProxyError::Version1));
        assert_eq!(parse(b"PROXY "), Err(ProxyError::Version1));
    }

    #[test]
    fn what_is_no_header_is_refused_at_its_first_wrong_byte() {
        assert_eq!(parse(b"G"), Err(ProxyError::NoSignature));
        assert_eq!(parse(&[0x16, 0x03, 0x01]), Err(ProxyError::NoSignature));
        assert_eq!(parse(&[b'\r'; 32]), Err(ProxyError::NoSignature));
    }

    #[test]
    fn unknown_versions_commands_and_families_are_refused() {
        assert_eq!(parse(&header(0x11, 0x11, &V4)), Err(ProxyError::Version { version: 1 }));
        assert_eq!(parse(&header(0x22, 0x11, &V4)), Err(ProxyError::Command { command: 2 }));
        for family in [0x12, 0x22, 0x31, 0x32, 0x10, 0xff] {
            assert_eq!(parse(&header(0x21, family, &V4)), Err(ProxyError::Family { family }));
        }
    }

    #[test]
    fn lengths_that_do_not_fit_are_refused() {
        assert_eq!(parse(&header(0x21, 0x11, &V4[..11])), Err(ProxyError::Length));
        assert_eq!(parse(&header(0x21, 0x21, &[0; 35])), Err(ProxyError::Length));
        let overlong = [&V4[..], &[0x04, 0, 3, 7, 7]].concat();
        assert_eq!(parse(&header(0x21, 0x11, &overlong)), Err(ProxyError::Length));
        let dangling = [&V4[..], &[0x04, 0]].concat();
        assert_eq!(parse(&header(0x21, 0x11, &dangling)), Err(ProxyError::Length));
        let long = vec![0; PROXY_HEADER_BYTES - FIXED + 1];
        assert_eq!(parse(&header(0x20, 0, &long)), Err(ProxyError::TooLong { length: PROXY_HEADER_BYTES + 1 }));
    }

    #[test]
    fn no_bytes_make_it_panic_or_claim_more_than_there_is() {
        // A small generator, so that every run tries the same bytes.
        let mut state = 0x9e37_79b9_u32;
        for round in 0..20_000_usize {
            let mut bytes = header(0x21, 0x11, &V4);
            bytes.extend_from_slice(&[0x04, 0, 1, 7]);
            for _ in 0..round % 4 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let [_, _, position, value] = state.to_be_bytes();
                let position = usize::from(position) % bytes.len();
                bytes[position] ^= value.max(1);
            }
            bytes.truncate(bytes.len() - round % 7);
            if let Ok(header) = parse(&bytes) {
                assert!(header.length <= bytes.len());
            }
        }
    }
}
