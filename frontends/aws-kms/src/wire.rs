//! AWS JSON 1.1: what its requests hold besides the JSON that every front end reads and writes.
//!
//! Members that are not known are passed over, as AWS does.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
pub(crate) use strongroom_json::{Json, Text, encoded_length};

use crate::limits;

/// A map of at most [`limits::PAIRS`] texts to texts, in the order of the request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pairs(pub(crate) Vec<(String, String)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Pairs;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a map of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs: Vec<(String, String)> = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, String>()? {
                    if pairs.len() == limits::PAIRS {
                        return Err(A::Error::custom("the map has too many keys"));
                    }
                    pairs.push((key, value));
                }
                let mut keys: Vec<&str> = pairs.iter().map(|(key, _)| key.as_str()).collect();
                keys.sort_unstable();
                match keys.windows(2).any(|two| matches!(two, [one, other] if one == other)) {
                    false => Ok(Pairs(pairs)),
                    true => Err(A::Error::custom("a key stands twice")),
                }
            }
        }
        deserializer.deserialize_map(Read)
    }
}

/// Bytes of a request; `None` when the text is not base64 (RFC 4648, section 4).
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Bytes as text.
pub(crate) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_with_a_key_twice_is_refused() {
        assert!(serde_json::from_str::<Pairs>("{\"a\":\"1\",\"a\":\"2\"}").is_err());
        assert_eq!(serde_json::from_str::<Pairs>("{\"b\":\"1\",\"a\":\"2\"}").unwrap().0.len(), 2);
    }

    #[test]
    fn a_map_of_too_many_keys_is_refused() {
        let map = |keys: usize| {
            let pairs: Vec<String> = (0..keys).map(|key| format!("\"{key}\":\"\"")).collect();
            serde_json::from_str::<Pairs>(&format!("{{{}}}", pairs.join(",")))
        };
        assert_eq!(map(limits::PAIRS).unwrap().0.len(), limits::PAIRS);
        assert!(map(limits::PAIRS + 1).is_err());
    }
}
