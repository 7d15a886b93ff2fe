//! How keys are used: by the usage ledger, which counts every use.

use serde::{Deserialize, Serialize};

use crate::{Algorithm, Key, PageSize, Time, limits};

/// Which keys of a tenant, page by page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsageQuery {
    /// How many names of keys are looked at at most. A page may have fewer keys, or none, and still have a next one.
    #[serde(default)]
    pub limit: PageSize,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Only keys that were neither made nor used for so many days, and are not destroyed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unused_days: Option<Days>,
}

/// A number of days: 1 to [`limits::DAYS_MAX`]. In a query string it is decimal text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Days(pub u32);

impl TryFrom<String> for Days {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let within = |days: &u32| (1..=limits::DAYS_MAX).contains(days);
        let fault = || format!("days must be a number from 1 to {}", limits::DAYS_MAX);
        text.parse().ok().filter(within).map(Self).ok_or_else(fault)
    }
}

impl From<Days> for String {
    fn from(days: Days) -> Self {
        days.0.to_string()
    }
}

/// The newest use of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastUse {
    /// When.
    pub at: Time,
    /// What for, e.g. `Decrypt`.
    pub action: String,
    /// The version that served.
    pub version: u32,
    /// The request, as its front end answered it.
    pub request_id: String,
}

/// How a key was used, all in all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyUsage {
    /// The key's internal identity.
    pub key: String,
    /// The first of its names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The region that it was made in.
    pub region: String,
    /// Kind of material.
    pub spec: String,
    /// Its state.
    pub state: String,
    /// When it was made.
    pub created: Time,
    /// How often it was used.
    pub uses: u64,
    /// Its newest use; absent if it was never used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_use: Option<LastUse>,
}

/// A page of one key's uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyUsagePage {
    /// How often the key was used, by whomever.
    pub uses: u64,
    /// Its newest use; absent if it was never used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_use: Option<LastUse>,
    /// Its uses, by version and action.
    pub items: Vec<UsageCount>,
    /// What to send as `after` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Uses of one version of a key, for one action, by one algorithm, by one caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageCount {
    /// The version.
    pub version: u32,
    /// What for, e.g. `Decrypt`.
    pub action: String,
    /// The algorithm, as records name it; absent for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<String>,
    /// The caller, as policies name it; absent where callers are counted together, because there are too many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// How many.
    pub uses: u64,
    /// When the first was.
    pub first: Time,
    /// When the newest was.
    pub last: Time,
}

/// A key as an inventory of cryptography has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventoryKey {
    /// The key.
    #[serde(flatten)]
    pub key: Key,
    /// Bits of the key as its standard counts them: of the secret, of the modulus for RSA, of the curve's field, of the
    /// private key for ML-DSA and ML-KEM.
    pub key_bits: u32,
    /// What it is used by.
    pub algorithms: Vec<Algorithm>,
    /// How often it was used.
    pub uses: u64,
    /// Its newest use; absent if it was never used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_use: Option<LastUse>,
    /// Its uses one by one.
    pub usage: Vec<UsageCount>,
}

/// Schedules a key's deletion: its destruction after some days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleKeyDeletion {
    /// Days to wait: 7 to 30.
    pub days: u32,
    /// When the key was last used, as the caller knows: without it, a key that was used within
    /// [`limits::RECENT_USE_DAYS`] is left alone (`RecentlyUsed`). The record keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_last_use: Option<Time>,
}
