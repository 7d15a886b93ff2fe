//! Tags.

use bytes::Bytes;
use strongroom_engine::operations::key::Edit;

use super::keys::{edit, inspect};
use super::{NOTHING, requests};
use crate::attributes::Carried;
use crate::check::Check;
use crate::context::Context;
use crate::error::Fault;
use crate::limits;
use crate::names::Accepts;
use crate::paging::Listing;
use crate::wire::{Json, Text};

requests! {
    /// One tag.
    Tag { tag_key: Text<'a>, tag_value: Text<'a>, }
    /// `TagResource`
    TagResourceRequest { key_id: Text<'a>, tags: Vec<Tag<'a>>, }
    /// `UntagResource`
    UntagResourceRequest { key_id: Text<'a>, tag_keys: Vec<Text<'a>>, }
    /// `ListResourceTags`
    ListResourceTagsRequest { key_id: Text<'a>, limit: i64, marker: Text<'a>, }
}

/// The tags of a request. Of too many, only so many that [`check_reserved`] refuses them.
pub(super) fn check(check: &mut Check, tags: Option<&[Tag<'_>]>) -> Vec<(String, String)> {
    let read = |(index, tag): (usize, &Tag<'_>)| {
        let place = format!("tags.{}.member", index + 1);
        let key = check.required(&format!("{place}.tagKey"), tag.tag_key.as_ref(), &limits::TAG_KEY);
        let value = check.required(&format!("{place}.tagValue"), tag.tag_value.as_ref(), &limits::TAG_VALUE);
        (key.to_owned(), value.to_owned())
    };
    tags.unwrap_or_default().iter().take(limits::TAGS + 1).enumerate().map(read).collect()
}

/// That no tag has a name that AWS keeps for itself, and that there are not too many.
pub(super) fn check_reserved(tags: &[(String, String)]) -> Result<(), Fault> {
    if tags.len() > limits::TAGS {
        return Err(Fault::own("TagException", "Too many tags"));
    }
    check_unreserved(tags.iter().map(|(key, _)| key.as_str()))
}

fn check_unreserved<'k>(mut keys: impl Iterator<Item = &'k str>) -> Result<(), Fault> {
    match keys.any(|key| key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"))) {
        true => Err(Fault::own("TagException", "Tags beginning with aws: are reserved")),
        false => Ok(()),
    }
}

pub(super) async fn tag(context: &Context<'_>, request: TagResourceRequest<'_>) -> Result<Bytes, Fault> {
    let mut check_ = Check::default();
    let key = check_.required("keyId", request.key_id.as_ref(), &limits::KEY_ID);
    check_.present("tags", request.tags.as_ref());
    let tags = check(&mut check_, request.tags.as_deref());
    check_.done()?;
    check_reserved(&tags)?;
    let carried = Carried::default().with_tags(&tags);
    edit(context, key, Edit::Tag(tags), carried, Vec::new()).await.map(|_| NOTHING)
}

pub(super) async fn untag(context: &Context<'_>, request: UntagResourceRequest<'_>) -> Result<Bytes, Fault> {
    let mut check = Check::default();
    let key = check.required("keyId", request.key_id.as_ref(), &limits::KEY_ID);
    check.present("tagKeys", request.tag_keys.as_ref());
    let tag_keys = check.texts("tagKeys", request.tag_keys.as_deref(), limits::TAGS, &limits::TAG_KEY);
    let tag_keys: Vec<String> = tag_keys.iter().map(|tag| tag.to_string()).collect();
    check.done()?;
    check_unreserved(tag_keys.iter().map(String::as_str))?;
    let carried = Carried::default().with_tag_keys(&tag_keys);
    edit(context, key, Edit::Untag(tag_keys), carried, Vec::new()).await.map(|_| NOTHING)
}

pub(super) async fn list(context: &Context<'_>, request: ListResourceTagsRequest<'_>) -> Result<Bytes, Fault> {
    let mut check = Check::default();
    let key = check.required("keyId", request.key_id.as_ref(), &limits::KEY_ID);
    let listing = Listing::check(&mut check, request.limit, request.marker.as_ref(), limits::DEFAULT_PAGE);
    check.done()?;
    let page = listing.open(context, &[key])?;
    let entry = inspect(context, key, Accepts::Keys).await?;
    let mut tags: Vec<&(String, String)> = entry.row.tags.iter().collect();
    tags.sort_unstable();
    tags.retain(|(tag, _)| page.after().is_none_or(|after| tag.as_bytes() > after));
    let more = tags.len() > page.limit;
    tags.truncate(page.limit);
    let mut json = Json::new();
    json.list("Tags", &tags, |list, (tag, value)| {
        list.item(|item| _ = item.text("TagKey", tag).text("TagValue", value));
    });
    page.close(context, &mut json, tags.last().filter(|_| more).map(|(tag, _)| tag.as_bytes()))?;
    Ok(json.finish())
}
