//! Tenants, and what is common to everything that can be suspended.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Time;

/// Makes a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateTenant {
    /// Account number, 12 digits.
    pub account: String,
    /// Name for people.
    pub name: String,
}

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// Account number, 12 digits.
    pub account: String,
    /// Name for people.
    pub name: String,
    /// The tenant's root, as policies name it.
    pub arn: String,
    /// Internal identity, 32 hexadecimal digits.
    pub id: String,
    /// Whether it is in use.
    pub state: State,
    /// When it was made.
    pub created: Time,
}

/// Whether a tenant, principal or access key is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// In use.
    Active,
    /// Refused until it is resumed.
    Suspended,
    /// Lapsed; access keys only.
    Expired,
}

impl State {
    /// Suspended or active.
    #[must_use]
    pub const fn suspended(suspended: bool) -> Self {
        if suspended { Self::Suspended } else { Self::Active }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Expired => "expired",
        })
    }
}

/// That the server serves, and as what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// `serving`, or `suspended` while the installation's kill switch is thrown; a sealed or stopped server answers no admin
    /// request at all.
    pub status: String,
    /// The program's version.
    pub version: String,
    /// The installation's identity, 32 hexadecimal digits.
    pub installation: String,
    /// The server's clock.
    pub time: Time,
    /// The key stores of the configuration, in its order; told to operators alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_stores: Option<Vec<KeyStoreHealth>>,
}

/// How a key store is doing. Its tokens are tried once a minute at least.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyStoreHealth {
    /// Its name in the configuration.
    pub name: String,
    /// What it is: `pkcs11`.
    pub kind: String,
    /// Whether one of its tokens is up.
    pub serves: bool,
    /// Its tokens, in the order in which they are asked.
    pub tokens: Vec<TokenHealth>,
}

/// How a token is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenHealth {
    /// Which, for people: label and serial number.
    pub token: String,
    /// `up`; `degraded`, when the last call to it failed or its module is being started; `down`, while it is not asked.
    pub state: String,
    /// Since when.
    pub since: Time,
    /// The last failure, past ones included.
    pub last_error: Option<String>,
}
