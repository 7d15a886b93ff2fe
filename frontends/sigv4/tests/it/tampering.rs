//! Changing any signed part of a request makes its signature worthless.

use proptest::prelude::*;

use crate::sent::{NOON, Sent, expectation};

fn original() -> Sent {
    let sent = Sent { path: "/v1/keys".to_owned(), query: "limit=10&next=abc".to_owned(), ..Sent::unsigned() };
    sent.with("X-Amz-Meta", "first").with("X-Amz-Meta", "second").sign(Some("token"))
}

#[test]
fn each_signed_part_is_covered() {
    let original = original();
    assert!(original.verify().is_ok());
    let mut tampered = vec![
        Sent { method: "PUT".to_owned(), ..original.clone() },
        Sent { path: "/v1/keyz".to_owned(), ..original.clone() },
        Sent { path: "/v1/keys/".to_owned(), ..original.clone() },
        Sent { query: "limit=11&next=abc".to_owned(), ..original.clone() },
        Sent { query: "limit=10".to_owned(), ..original.clone() },
        Sent { query: "limit=10&next=abc&more".to_owned(), ..original.clone() },
        Sent { authority: "elsewhere.example".to_owned(), ..original.clone() },
        Sent { body: Vec::new(), ..original.clone() },
        original.clone().with("Content-Type", "text/plain"),
        original.clone().with("X-Amz-Meta", "third"),
        original.clone().edit("authorization", ";x-amz-meta", ""),
        original.clone().edit("authorization", "AKIDEXAMPLE/20150830", "AKIDEXAMPLE/20150829"),
        original.clone().edit("x-amz-date", "123600", "123601"),
    ];
    for name in ["content-type", "x-amz-target", "x-amz-meta", "x-amz-security-token", "x-amz-date"] {
        tampered.push(original.clone().without(name));
        let value = original.header(name).to_owned();
        tampered.push(original.clone().edit(name, &value, &format!("{value}0")));
    }
    let mut swapped = original;
    swapped.headers.iter_mut().filter(|(name, _)| name == "X-Amz-Meta").for_each(|(_, value)| {
        *value = if value == b"first" { b"second".to_vec() } else { b"first".to_vec() };
    });
    tampered.push(swapped);
    for sent in tampered {
        assert!(sent.verify().is_err(), "{sent:?}");
    }
}

#[test]
fn what_the_canonical_form_folds_away_may_change() {
    let original = original();
    for equal in [
        Sent { query: "next=abc&limit=10".to_owned(), ..original.clone() },
        Sent { query: "limit=%31%30&next=abc".to_owned(), ..original.clone() },
        Sent { path: "/v1//keys".to_owned(), ..original.clone() },
        original.clone().edit("x-amz-target", "TrentService", "  TrentService"),
        original.with("User-Agent", "not signed"),
    ] {
        assert!(equal.verify().is_ok(), "{equal:?}");
    }
}

proptest! {
    #[test]
    fn one_changed_bit_anywhere_in_the_body_or_the_signature_is_noticed(position: prop::sample::Index, bit in 0..8_u8) {
        let original = original();
        let mut body = original.clone();
        let at = position.index(body.body.len());
        body.body[at] ^= 1 << bit;
        prop_assert!(body.verify().is_err());

        let mut signed = original;
        let header = signed.headers.iter_mut().find(|(name, _)| name == "authorization").unwrap();
        let at = header.1.len() - 64 + position.index(64);
        header.1[at] ^= 1 << bit;
        prop_assert!(signed.verify_with(&expectation(), NOON).is_err());
    }
}
