//! Recovery shares: a 32-byte secret split among `n` people, any `k` of whom restore it (Shamir's secret sharing over
//! GF(2^8), byte by byte). A share is text that can be typed, and knows when it was mistyped.
//!
//! Bytes of a share: `version (1) || threshold (1) || index (1) || set (4) || verifier (4) || share (32) ||
//! checksum (4)`, written as hexadecimal digits in groups of four. The set is random; the verifier is derived from the
//! secret and the set, so that a wrong result is noticed; the checksum is the front of SHA-256 over the rest. Absent
//! on purpose: any secrecy of the threshold or the index.

use aws_lc_rs::digest::{SHA256, digest};
use blahaj::Sharks;
use strongroom_secret::{Secret, SecretBytes};
use zeroize::Zeroizing;

use crate::derive::{Label, derive};
use crate::error::CryptoError;
use crate::limits::SHARE_TEXT_BYTES;
use crate::random::{self, Lent, Random};

const VERSION: u8 = 1;
const SET_BYTES: usize = 4;
const VERIFIER_BYTES: usize = 4;
const SHARE_BYTES: usize = 32;
const CHECKSUM_BYTES: usize = 4;
const BODY_BYTES: usize = 3 + SET_BYTES + VERIFIER_BYTES + SHARE_BYTES;
const ENCODED_BYTES: usize = BODY_BYTES + CHECKSUM_BYTES;
const GROUP_DIGITS: usize = 4;

/// Why shares could not be made, read or combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// The numbers make no sense.
    #[error("{threshold} of {count} is not a way to share: at least 2, at most as many as there are")]
    BadNumbers {
        /// How many restore the secret.
        threshold: u8,
        /// How many there are.
        count: u8,
    },
    /// A character that is neither a hexadecimal digit nor a separator.
    #[error("character {position} of the share is not a hexadecimal digit")]
    BadCharacter {
        /// Which one, counted from one.
        position: usize,
    },
    /// Too few or too many digits.
    #[error("the share has {digits} digits instead of {expected}", expected = 2 * ENCODED_BYTES)]
    BadLength {
        /// How many there are.
        digits: usize,
    },
    /// A digit is wrong.
    #[error("the share was mistyped: its checksum does not match")]
    BadChecksum,
    /// Made by a later version.
    #[error("the share has version {0}; this build knows version 1")]
    UnknownVersion(u8),
    /// Shares of different sets.
    #[error("share {index} belongs to another set of shares than the first one given")]
    OtherSet {
        /// The odd one's index.
        index: u8,
    },
    /// One share, given twice.
    #[error("share {index} was given twice")]
    Twice {
        /// Its index.
        index: u8,
    },
    /// Not enough.
    #[error("{given} shares given; {needed} are needed")]
    TooFew {
        /// How many were given.
        given: usize,
        /// How many it takes.
        needed: u8,
    },
    /// What came out is not what was split: a share was forged.
    #[error("the shares do not fit together: at least one is forged")]
    Forged,
    /// The cryptographic room failed.
    #[error("the shares could not be made")]
    Crypto(#[from] CryptoError),
}

/// One share of a secret.
pub struct Share {
    threshold: u8,
    index: u8,
    set: [u8; SET_BYTES],
    verifier: [u8; VERIFIER_BYTES],
    share: Secret<SHARE_BYTES>,
}

/// Splits `secret` into `count` shares, any `threshold` of which restore it. One share alone says nothing of it.
///
/// # Errors
/// [`ShareError::BadNumbers`] unless `2 <= threshold <= count`; [`ShareError::Crypto`].
pub fn split(
    secret: &Secret<SHARE_BYTES>,
    threshold: u8,
    count: u8,
    random: &dyn Random,
) -> Result<Vec<Share>, ShareError> {
    const FAILED: CryptoError = CryptoError::Module("share a secret");
    if threshold < 2 || count < threshold {
        return Err(ShareError::BadNumbers { threshold, count });
    }
    let set = random::bytes(random)?;
    let verifier = verifier(secret, &set)?;
    let mut lent = Lent::new(random);
    let points: Vec<_> = Sharks(threshold).dealer_rng(secret.expose(), &mut lent).take(usize::from(count)).collect();
    let points = lent.finish(points)?;
    let shares = points.iter().map(|point| {
        let bytes = Zeroizing::new(Vec::from(point));
        let (index, share) = bytes.split_first().ok_or(FAILED)?;
        let share = Secret::copy_from(share).ok_or(FAILED)?;
        Ok(Share { threshold, index: *index, set, verifier, share })
    });
    shares.collect()
}

/// Restores a secret from at least as many shares of one set as its threshold.
///
/// # Errors
/// Any [`ShareError`] but those of reading.
pub fn combine(shares: &[Share]) -> Result<Secret<SHARE_BYTES>, ShareError> {
    let Some(first) = shares.first() else {
        return Err(ShareError::TooFew { given: 0, needed: 2 });
    };
    for (position, share) in shares.iter().enumerate() {
        let index = share.index;
        if (share.set, share.verifier, share.threshold) != (first.set, first.verifier, first.threshold) {
            return Err(ShareError::OtherSet { index });
        }
        if shares.iter().take(position).any(|earlier| earlier.index == index) {
            return Err(ShareError::Twice { index });
        }
    }
    if shares.len() < usize::from(first.threshold) {
        return Err(ShareError::TooFew { given: shares.len(), needed: first.threshold });
    }
    let points: Result<Vec<_>, _> = shares.iter().map(Share::point).collect();
    let points = points.map_err(|_| ShareError::Forged)?;
    let secret = Sharks(first.threshold).recover(&points).map_err(|_| ShareError::Forged)?;
    let secret = Secret::copy_from(&Zeroizing::new(secret)).ok_or(ShareError::Forged)?;
    if verifier(&secret, &first.set)? == first.verifier { Ok(secret) } else { Err(ShareError::Forged) }
}

/// Far too short to find the secret by, and long enough to notice a wrong one.
fn verifier(secret: &Secret<SHARE_BYTES>, set: &[u8]) -> Result<[u8; VERIFIER_BYTES], CryptoError> {
    let mut verifier = [0; VERIFIER_BYTES];
    derive(secret.expose(), Label::ShareSet, set, &mut verifier)?;
    Ok(verifier)
}

impl Share {
    /// Which share this is, from 1.
    #[must_use]
    pub const fn index(&self) -> u8 {
        self.index
    }

    /// How many shares restore the secret.
    #[must_use]
    pub const fn threshold(&self) -> u8 {
        self.threshold
    }

    /// Which set it belongs to.
    #[must_use]
    pub const fn set(&self) -> [u8; SET_BYTES] {
        self.set
    }

    /// The share as text to be kept: ASCII, groups of four hexadecimal digits with hyphens between.
    #[must_use]
    pub fn to_text(&self) -> SecretBytes {
        const DIGITS: [u8; 16] = *b"0123456789abcdef";
        let mut bytes = Zeroizing::new(Vec::with_capacity(ENCODED_BYTES));
        bytes.extend_from_slice(&[VERSION, self.threshold, self.index]);
        bytes.extend_from_slice(&self.set);
        bytes.extend_from_slice(&self.verifier);
        bytes.extend_from_slice(self.share.expose());
        let checksum = checksum(&bytes);
        bytes.extend_from_slice(&checksum);
        let mut text = Vec::with_capacity(3 * ENCODED_BYTES);
        let nibbles = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        for (position, nibble) in nibbles.enumerate() {
            if position > 0 && position % GROUP_DIGITS == 0 {
                text.push(b'-');
            }
            text.extend(DIGITS.get(usize::from(nibble)));
        }
        SecretBytes::take(text)
    }

    /// Reads a share as somebody typed it: in either case, with any hyphens and white space.
    ///
    /// # Errors
    /// [`ShareError::BadCharacter`], [`ShareError::BadLength`], [`ShareError::BadChecksum`],
    /// [`ShareError::UnknownVersion`], [`ShareError::BadNumbers`].
    pub fn parse(text: &str) -> Result<Self, ShareError> {
        if text.len() > SHARE_TEXT_BYTES {
            return Err(ShareError::BadLength { digits: text.len() });
        }
        let mut nibbles = Zeroizing::new(Vec::with_capacity(SHARE_TEXT_BYTES));
        for (character, position) in text.chars().zip(1..) {
            if character == '-' || character.is_whitespace() {
                continue;
            }
            let digit = character.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            nibbles.push(digit.ok_or(ShareError::BadCharacter { position })?);
        }
        if nibbles.len() != 2 * ENCODED_BYTES {
            return Err(ShareError::BadLength { digits: nibbles.len() });
        }
        let mut bytes = Zeroizing::new([0; ENCODED_BYTES]);
        for (byte, pair) in bytes.iter_mut().zip(nibbles.chunks_exact(2)) {
            *byte = pair.iter().fold(0, |byte, nibble| byte << 4 | nibble);
        }
        Self::decode(&bytes)
    }

    fn decode(bytes: &[u8; ENCODED_BYTES]) -> Result<Self, ShareError> {
        const BAD: ShareError = ShareError::BadLength { digits: 0 };
        let (body, sum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(BAD)?;
        if checksum(body) != *sum {
            return Err(ShareError::BadChecksum);
        }
        let (&[version, threshold, index], rest) = body.split_first_chunk::<3>().ok_or(BAD)?;
        let (set, rest) = rest.split_first_chunk().ok_or(BAD)?;
        let (verifier, share) = rest.split_first_chunk().ok_or(BAD)?;
        if version != VERSION {
            return Err(ShareError::UnknownVersion(version));
        }
        if threshold < 2 || index == 0 {
            return Err(ShareError::BadNumbers { threshold, count: index });
        }
        let share = Secret::copy_from(share).ok_or(BAD)?;
        Ok(Self { threshold, index, set: *set, verifier: *verifier, share })
    }

    fn point(&self) -> Result<blahaj::Share, &'static str> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(1 + SHARE_BYTES));
        bytes.push(self.index);
        bytes.extend_from_slice(self.share.expose());
        blahaj::Share::try_from(bytes.as_slice())
    }
}

fn checksum(body: &[u8]) -> [u8; CHECKSUM_BYTES] {
    digest(&SHA256, body).as_ref().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::random::SystemRandom;
    use crate::random::tests::Exhausted;

    fn secret() -> Secret<32> {
        Secret::copy_from(&(0..32).collect::<Vec<u8>>()).unwrap()
    }

    fn text(share: &Share) -> String {
        String::from_utf8(share.to_text().expose().to_vec()).unwrap()
    }

    fn read(texts: &[&String]) -> Vec<Share> {
        texts.iter().map(|text| Share::parse(text).unwrap()).collect()
    }

    /// Combine for ever. Made once by [`make_the_golden_file`].
    const GOLDEN: &str = include_str!("../../../vectors/backup/shares-v1.txt");

    #[test]
    #[ignore = "writes the golden file, once"]
    fn make_the_golden_file() {
        assert!(GOLDEN.is_empty(), "a released golden file is never made again");
        let shares = split(&secret(), 2, 3, &SystemRandom).unwrap();
        let lines: String = shares.iter().map(|share| text(share) + "\n").collect();
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/backup/shares-v1.txt"), lines).unwrap();
    }

    #[test]
    fn the_golden_shares_of_version_1_combine() {
        assert_eq!(GOLDEN.lines().count(), 3);
        for without in 0..3 {
            let mut two: Vec<_> = GOLDEN.lines().map(|line| Share::parse(line).unwrap()).collect();
            two.remove(without);
            assert!(combine(&two).unwrap().equals(secret().expose()));
        }
    }

    #[test]
    fn any_threshold_of_the_shares_restores_the_secret_through_their_text() {
        let texts: Vec<_> = split(&secret(), 3, 5, &SystemRandom).unwrap().iter().map(text).collect();
        for one in 0..5 {
            for two in (0..5).filter(|two| *two != one) {
                for three in (0..5).filter(|three| ![one, two].contains(three)) {
                    let shares = read(&[&texts[one], &texts[two], &texts[three]]);
                    assert!(combine(&shares).unwrap().equals(secret().expose()));
                }
            }
        }
        let all = read(&texts.iter().collect::<Vec<_>>());
        assert!(combine(&all).unwrap().equals(secret().expose()));
    }

    #[test]
    fn fewer_shares_than_the_threshold_are_refused() {
        let shares = split(&secret(), 3, 5, &SystemRandom).unwrap();
        assert_eq!(combine(&shares[..2]).err(), Some(ShareError::TooFew { given: 2, needed: 3 }));
        assert_eq!(combine(&[]).err(), Some(ShareError::TooFew { given: 0, needed: 2 }));
    }

    #[test]
    fn a_share_given_twice_or_of_another_set_is_named() {
        let texts: Vec<_> = split(&secret(), 2, 3, &SystemRandom).unwrap().iter().map(text).collect();
        let twice = read(&[&texts[1], &texts[1]]);
        assert_eq!(combine(&twice).err(), Some(ShareError::Twice { index: 2 }));
        let others: Vec<_> = split(&secret(), 2, 3, &SystemRandom).unwrap().iter().map(text).collect();
        let mixed = read(&[&texts[0], &others[2]]);
        assert_eq!(combine(&mixed).err(), Some(ShareError::OtherSet { index: 3 }));
    }

    #[test]
    fn a_forged_share_is_noticed() {
        let mut shares = split(&secret(), 2, 2, &SystemRandom).unwrap();
        shares[1].share = Secret::copy_from(&[1; 32]).unwrap();
        assert_eq!(combine(&shares).err(), Some(ShareError::Forged));
    }

    #[test]
    fn a_share_with_any_digit_mistyped_is_refused() {
        let share = text(&split(&secret(), 2, 3, &SystemRandom).unwrap()[0]);
        for at in (0..share.len()).filter(|at| share.as_bytes()[*at] != b'-') {
            let mut typed = share.clone().into_bytes();
            typed[at] = if typed[at] == b'0' { b'1' } else { b'0' };
            let typed = String::from_utf8(typed).unwrap();
            assert_eq!(Share::parse(&typed).err(), Some(ShareError::BadChecksum), "digit {at}");
        }
        let misread = share.replacen(|character: char| character.is_ascii_digit(), "O", 1);
        assert_eq!(Share::parse(&misread).err(), Some(ShareError::BadCharacter { position: 1 }));
        assert_eq!(
            Share::parse(share.split_at(1).1).err(),
            Some(ShareError::BadLength { digits: 2 * ENCODED_BYTES - 1 })
        );
        assert!(matches!(Share::parse(&share.repeat(9)).err(), Some(ShareError::BadLength { .. })));
    }

    #[test]
    fn capitals_and_white_space_do_not_matter() {
        let share = text(&split(&secret(), 2, 3, &SystemRandom).unwrap()[0]);
        let typed = format!("  {}\n", share.to_uppercase().replace('-', " "));
        assert_eq!(text(&Share::parse(&typed).unwrap()), share);
    }

    #[test]
    fn a_later_version_says_so() {
        let mut bytes = [9; ENCODED_BYTES];
        let sum = checksum(&bytes[..BODY_BYTES]);
        bytes[BODY_BYTES..].copy_from_slice(&sum);
        assert_eq!(Share::decode(&bytes).err(), Some(ShareError::UnknownVersion(9)));
    }

    #[test]
    fn numbers_that_share_nothing_are_refused_and_so_is_a_lack_of_randomness() {
        for (threshold, count) in [(0, 3), (1, 3), (4, 3)] {
            let refused = split(&secret(), threshold, count, &SystemRandom).err();
            assert_eq!(refused, Some(ShareError::BadNumbers { threshold, count }));
        }
        assert_eq!(split(&secret(), 255, 255, &SystemRandom).unwrap().len(), 255);
        let refused = split(&secret(), 2, 3, &Exhausted).err();
        assert_eq!(refused, Some(ShareError::Crypto(CryptoError::Random)));
    }

    proptest! {
        #[test]
        fn any_text_is_a_share_or_refused_and_never_a_panic(text in ".{0,300}") {
            prop_assert!(Share::parse(&text).is_err());
        }
    }
}
