//! Every bound of this front end. The specification names the least that a proxy must take; above ours we say that the
//! request is not supported.

use std::time::Duration;

/// Bytes of a request's body: the longest plaintext and associated data in base64, the longest names, and unknown members.
/// Checked before anyone is proved.
pub const BODY_BYTES: usize = 128 * 1024;
/// Bytes of a plaintext or ciphertext; the specification asks for 4300.
pub const TEXT_BYTES: usize = 8_192;
/// Bytes of associated data; the specification asks for 8192, and its construction has room for 65535.
pub const ASSOCIATED_BYTES: usize = 65_535;
/// Bytes of ciphertext metadata.
pub const METADATA_BYTES: usize = 20;
/// Bytes of an authentication tag.
pub const TAG_BYTES: usize = 16;
/// Bytes of an ARN in a request's metadata.
pub const ARN_BYTES: usize = 2_048;
/// Bytes of any other text in a request's metadata.
pub const CLAIM_BYTES: usize = 512;
/// Bytes of an external key id.
pub const EXTERNAL_KEY_ID_BYTES: usize = 128;
/// Characters of what a refusal says.
pub const MESSAGE_CHARACTERS: usize = 511;
/// Time for a request in all: KMS gives up after 250 ms, the way here and back included.
pub const DEADLINE: Duration = Duration::from_millis(200);
/// How long a finding of health is told again.
pub const HEALTH_KEPT: Duration = Duration::from_secs(10);
/// How long a finding is told again that not all is well.
pub const HEALTH_UNWELL_KEPT: Duration = Duration::from_secs(5);
/// Time in which the test key must have encrypted and decrypted; longer is degraded.
pub const HEALTH_SLOW: Duration = Duration::from_millis(100);
/// Key stores whose health is kept.
pub const HEALTH_STORES: usize = 1_024;
/// Nodes that an answer about health may name.
pub const HEALTH_NODES: usize = 10;
/// Characters of what an answer about health says of a node's model.
pub const MODEL_CHARACTERS: usize = 128;
