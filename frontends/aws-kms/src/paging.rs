//! Listings page by page. A marker is a position, sealed for its listing alone, so that nobody can make one.

use strongroom_engine::EngineError;

use crate::check::{self, Check};
use crate::context::Context;
use crate::error::Fault;
use crate::limits;
use crate::wire::{self, Json, Text};

/// Where a page begins and how long it is.
pub(crate) struct Page {
    pub(crate) limit: usize,
    listing: Vec<u8>,
    after: Option<Vec<u8>>,
}

/// What a request says of the page that it wants.
pub(crate) struct Listing<'r> {
    limit: usize,
    marker: Option<&'r str>,
}

impl<'r> Listing<'r> {
    /// Checks `Limit` and `Marker`.
    pub(crate) fn check(check: &mut Check, limit: Option<i64>, marker: Option<&'r Text<'_>>, default: i64) -> Self {
        let limit = check.range("limit", limit, &limits::PAGE).unwrap_or(default);
        let marker = check.optional("marker", marker, &limits::MARKER);
        check.characters("marker", marker.unwrap_or_default(), check::is_marker_character, check::MARKER_PATTERN);
        Self { limit: usize::try_from(limit).unwrap_or(1), marker }
    }

    /// Opens the marker for the listing of these filters.
    pub(crate) fn open(self, context: &Context<'_>, filters: &[&str]) -> Result<Page, Fault> {
        let listing = listing(context, filters);
        let Some(marker) = self.marker else { return Ok(Page { limit: self.limit, listing, after: None }) };
        let invalid = || context.unrecorded(&EngineError::InvalidCursor);
        let sealed = wire::decode(marker).ok_or_else(invalid)?;
        let after = context.engine.open_cursor(&listing, &sealed).map_err(|_| invalid())?;
        Ok(Page { limit: self.limit, listing, after: Some(after) })
    }
}

impl Page {
    /// The position that the page begins behind.
    pub(crate) fn after(&self) -> Option<&[u8]> {
        self.after.as_deref()
    }

    /// The position, where it is a text.
    pub(crate) fn after_text(&self) -> Option<Box<str>> {
        self.after().and_then(|after| str::from_utf8(after).ok()).map(Box::from)
    }

    /// The number, where the position is one.
    pub(crate) fn after_number(&self) -> u32 {
        self.after().and_then(|after| after.try_into().ok()).map_or(0, u32::from_be_bytes)
    }

    /// Writes `Truncated`, and the marker of the next page if there is one: `last` is the position that it begins behind.
    pub(crate) fn close(&self, context: &Context<'_>, json: &mut Json, last: Option<&[u8]>) -> Result<(), Fault> {
        json.flag("Truncated", last.is_some());
        if let Some(last) = last {
            let sealed = context.engine.seal_cursor(&self.listing, last)?;
            json.text("NextMarker", &wire::encode(&sealed));
        }
        Ok(())
    }
}

/// Which listing it is: whose, where, of what.
fn listing(context: &Context<'_>, filters: &[&str]) -> Vec<u8> {
    let mut listing = context.caller.tenant.as_bytes().to_vec();
    for part in [&*context.region, context.operation.name()].iter().chain(filters) {
        listing.extend_from_slice(&part.len().to_be_bytes());
        listing.extend_from_slice(part.as_bytes());
    }
    listing
}
