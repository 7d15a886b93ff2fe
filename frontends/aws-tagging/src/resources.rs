//! Finding keys by their tags. A page looks at a bounded number of keys, in the order of their names; its token is the place
//! where it stopped, sealed for this listing and this caller's account, with the time until which it is good.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use strongroom_engine::operations::inspect::{FindNamesWithKeys, ListNames, ListNamesWithKeys, Page};
use strongroom_engine::{BindingRow, Call, EngineError, KeyEntry, Mode};
use strongroom_model::action::Action;
use strongroom_model::clock::Timestamp;
use strongroom_model::name::Name;

use crate::ask::{Ask, Filter, Most};
use crate::error::{Answer, Fault};
use crate::{Tagging, limits};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Reply<'a> {
    pagination_token: String,
    resource_tag_mapping_list: Vec<Resource<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Resource<'a> {
    #[serde(rename = "ResourceARN")]
    arn: String,
    tags: Vec<Tag<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Tag<'a> {
    key: &'a str,
    value: &'a str,
}

impl<'a> Resource<'a> {
    fn new(arn: String, key: &'a KeyEntry) -> Self {
        let tags = key.row.tags.iter().map(|(key, value)| Tag { key, value }).collect();
        Self { arn, tags }
    }
}

/// Where a listing goes on.
struct Place {
    until: Timestamp,
    /// Behind this name.
    after: Box<str>,
}

impl Place {
    fn to_bytes(&self) -> Vec<u8> {
        [&self.until.0.to_be_bytes(), self.after.as_bytes()].concat()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (until, after) = bytes.split_first_chunk()?;
        Some(Self { until: Timestamp(u64::from_be_bytes(*until)), after: str::from_utf8(after).ok()?.into() })
    }
}

impl Tagging {
    pub(crate) async fn resources(&self, call: Call, ask: Ask) -> Result<Vec<u8>, Fault> {
        match ask {
            Ask::Named(arns) => self.named(call, &arns).await,
            // There is nothing of what is asked for; whether the caller may ask is decided and recorded all the same.
            Ask::Page { types, .. } if !self.has_one_of(&types) => self.named(call, &[]).await,
            Ask::Page { filters, types, most, token } => {
                let listing = listing(&call, &filters, &types);
                let after = token.map(|token| self.open(&listing, &token)).transpose()?;
                self.page(call, &filters, most, after, &listing).await
            }
        }
    }

    /// Whether a request wants what there is: everything, or this service's, or its keys.
    fn has_one_of(&self, types: &[String]) -> bool {
        let own = self.keys.resource_type;
        let service = own.split_once(':').map_or(own, |(service, _)| service);
        types.is_empty() || types.iter().any(|wanted| wanted == own || wanted == service)
    }

    async fn named(&self, call: Call, arns: &[String]) -> Result<Vec<u8>, Fault> {
        let names = arns.iter().filter_map(|arn| self.name(&call, arn)).collect();
        let (tenant, account, action) = (call.caller.tenant, Arc::clone(&call.caller.account), Action::ListTaggedKeys);
        let found = self.engine.perform(call, FindNamesWithKeys { tenant, action, names }, Mode::Run).await?;
        let tagged = found.iter().filter(|(_, key)| !key.row.tags.is_empty());
        let arn = |name: &Name| self.keys.dialect.name_resource(&account, name);
        let resources = tagged.map(|(name, key)| Resource::new(arn(name), key)).collect();
        Ok(written(resources, String::new()))
    }

    /// The key of the caller's account and region that has this ARN, if a key can have it.
    fn name(&self, call: &Call, arn: &str) -> Option<Name> {
        let text = arn.rsplit(['/', ':']).next()?;
        let (tenant, region) = (call.caller.tenant, Box::from(&*call.region));
        let name = Name { tenant, region, kind: self.keys.dialect.key_kind(), text: text.into() };
        (self.keys.dialect.name_resource(&call.caller.account, &name) == arn).then_some(name)
    }

    async fn page(
        &self,
        call: Call,
        filters: &[Filter],
        most: Most,
        after: Option<Box<str>>,
        listing: &[u8],
    ) -> Result<Vec<u8>, Fault> {
        let (account, region) = (Arc::clone(&call.caller.account), Arc::clone(&call.region));
        let names = ListNames {
            tenant: call.caller.tenant,
            region: Box::from(&*region),
            kind: self.keys.dialect.key_kind(),
            action: Action::ListTaggedKeys,
            key: None,
            after,
            limit: limits::KEYS_LOOKED_AT,
        };
        let Page { items, more } = self.engine.perform(call, ListNamesWithKeys { names }, Mode::Run).await?;
        let fits = |(_, key): &&(BindingRow, Arc<KeyEntry>)| {
            !key.row.tags.is_empty() && filters.iter().all(|filter| filter.fits(&key.row.tags))
        };
        let fitting: Vec<_> = items.iter().filter(fits).collect();
        let taken = fitting.get(..taken(&fitting, most)).unwrap_or_default();
        // Behind the last one taken where others fit, too; else behind the last one looked at.
        let last = match taken.len() < fitting.len() {
            true => taken.last().map(|(name, _)| name),
            false => items.last().filter(|_| more).map(|(name, _)| name),
        };
        let token = last.map(|last| self.seal(listing, &last.text)).transpose()?.unwrap_or_default();
        let arn = |name: &BindingRow| self.keys.dialect.key_resource(&account, &region, &name.text);
        Ok(written(taken.iter().map(|(name, key)| Resource::new(arn(name), key)).collect(), token))
    }

    fn seal(&self, listing: &[u8], after: &str) -> Result<String, EngineError> {
        let until = self.engine.clock().now().after(limits::TOKEN_TIME);
        let place = Place { until, after: after.into() };
        Ok(STANDARD.encode(self.engine.seal_cursor(listing, &place.to_bytes())?))
    }

    fn open(&self, listing: &[u8], token: &str) -> Result<Box<str>, Answer> {
        let invalid = || crate::error::answer(&EngineError::InvalidCursor);
        let sealed = STANDARD.decode(token).map_err(|_| invalid())?;
        let place = self.engine.open_cursor(listing, &sealed).map_err(|_| invalid())?;
        let place = Place::read(&place).ok_or_else(invalid)?;
        if place.until < self.engine.clock().now() {
            let message = "A PaginationToken is good for 15 minutes.";
            return Err(Answer::refusal("PaginationTokenExpiredException", message));
        }
        Ok(place.after)
    }
}

/// How many of the keys go on one page. The first always does: a key has fewer tags than a page.
fn taken(fitting: &[&(BindingRow, Arc<KeyEntry>)], most: Most) -> usize {
    match most {
        Most::Resources(most) => fitting.len().min(most),
        Most::Tags(most) => {
            let mut tags = 0;
            let within = fitting.iter().take_while(|(_, key)| {
                tags += key.row.tags.len();
                tags <= most
            });
            within.count()
        }
    }
}

/// Which listing it is: whose, where, of what.
fn listing(call: &Call, filters: &[Filter], types: &[String]) -> Vec<u8> {
    let mut listing = call.caller.tenant.as_bytes().to_vec();
    let mut add = |text: &str| {
        listing.extend_from_slice(&text.len().to_be_bytes());
        listing.extend_from_slice(text.as_bytes());
    };
    add(call.operation);
    add(&call.region);
    add(&types.len().to_string());
    types.iter().for_each(|name| add(name));
    for Filter { key, values } in filters {
        add(key);
        add(&values.len().to_string());
        values.iter().for_each(|value| add(value));
    }
    listing
}

fn written(resource_tag_mapping_list: Vec<Resource<'_>>, pagination_token: String) -> Vec<u8> {
    serde_json::to_vec(&Reply { pagination_token, resource_tag_mapping_list }).unwrap_or_default()
}
