//! Fuzz targets: one plain function for each parser, without libFuzzer, so that ordinary tests run the corpora too.
//!
//! A target takes any bytes and fails by panicking: where a parser does, and where what it took is not what it must be.
//! Most check that what was read is written again as the same bytes, and that nothing sealed opens once it was changed.
//!
//! Keys are fixed, so that a corpus may hold what they sealed. Absent on purpose: parsers of others (TLS, HTTP framing,
//! X.509, PEM, TOML), and those that no crate makes public: the configuration, and the PKCS#11 child's messages, which only
//! our own process writes. Requests of the front ends go the whole way, through a real engine.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a target fails by panicking")]

mod admin;
mod audit;
mod crypto;
mod external;
pub mod fixture;
mod front_end;
mod http;
mod policy;
mod root;
mod rows;
mod sigv4;

macro_rules! targets {
    ($($module:ident::$name:ident;)*) => {
        $(pub use $module::$name;)*

        /// Every target, by name: that of its corpus and of its binary.
        pub const TARGETS: &[(&str, fn(&[u8]))] = &[$((stringify!($name), $name),)*];
    };
}

targets! {
    admin::admin_json;
    admin::admin_query;
    audit::audit_log;
    audit::audit_record;
    audit::signed_note;
    audit::verifier_key;
    crypto::backup_stream;
    crypto::ciphertext;
    crypto::detached;
    crypto::import;
    crypto::key_material;
    crypto::share_text;
    crypto::wrapped;
    external::aws_xks_request;
    external::azure_ekm_request;
    front_end::admin_request;
    front_end::aws_kms_request;
    front_end::aws_sts_request;
    front_end::aws_tagging_request;
    http::forwarded_for;
    http::network;
    http::proxy_header;
    policy::policy;
    root::software_root;
    root::software_wrapped;
    rows::engine_row;
    sigv4::sigv4_request;
    sigv4::sigv4_sign;
}

/// Holds that nothing opens which differs from `sealed` in one bit, or is cut short.
fn nothing_near_opens(sealed: &[u8], opens: impl Fn(&[u8]) -> bool) {
    for position in 0..sealed.len() {
        assert!(!opens(&sealed[..position]), "opens though cut to {position} bytes");
        let mut changed = sealed.to_vec();
        changed[position] ^= 1 << (position % 8);
        assert!(!opens(&changed), "opens though byte {position} was changed");
    }
}
