//! Listings, page by page.

use serde::{Deserialize, Serialize};

use crate::limits;

/// One page of a listing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// What to send as `after` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Which page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// How many items at most.
    #[serde(default)]
    pub limit: PageSize,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// How many items a page has at most: 1 to [`limits::PAGE_SIZE_MAX`]. In a query string it is decimal text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PageSize(u32);

impl PageSize {
    /// A size, brought into its bounds.
    #[must_use]
    pub fn new(items: u32) -> Self {
        Self(items.clamp(1, limits::PAGE_SIZE_MAX))
    }

    /// The number of items.
    #[must_use]
    pub const fn items(self) -> usize {
        self.0 as usize
    }
}

impl Default for PageSize {
    fn default() -> Self {
        Self(limits::PAGE_SIZE)
    }
}

impl TryFrom<String> for PageSize {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let within = |items: &u32| (1..=limits::PAGE_SIZE_MAX).contains(items);
        let fault = || format!("limit must be a number from 1 to {}", limits::PAGE_SIZE_MAX);
        text.parse().ok().filter(within).map(Self).ok_or_else(fault)
    }
}

impl From<PageSize> for String {
    fn from(size: PageSize) -> Self {
        size.0.to_string()
    }
}
