//! How keys are used, shown.

use strongroom_admin_api::{
    Days, Endpoint, KeyUsage, KeyUsagePage, LastUse, PageQuery, PageSize, UsageCount, UsageQuery, limits,
};

use crate::arguments::Format;
use crate::client::Client;
use crate::error::CliError;
use crate::output::Output;

pub(crate) fn of_key(client: &Client<'_>, output: &mut Output<'_>, id: &str) -> Result<(), CliError> {
    let mut query = PageQuery { limit: PageSize::new(limits::PAGE_SIZE_MAX), after: None };
    let mut used: KeyUsagePage = client.query(Endpoint::GetKeyUsage, &[id], &query)?;
    while used.next.is_some() {
        query.after = used.next.take();
        let page: KeyUsagePage = client.query(Endpoint::GetKeyUsage, &[id], &query)?;
        used.items.extend(page.items);
        used.next = page.next;
    }
    if output.format() != Format::Table {
        return output.json(&used);
    }
    output.one(&used, &[("Uses", used.uses.to_string()), ("Last use", newest(used.last_use.as_ref()))])?;
    output.text("\n")?;
    let headings = ["VERSION", "FOR", "ALGORITHM", "BY", "USES", "FIRST", "LAST"];
    output.list(&used.items, &headings, |count| {
        let UsageCount { version, action, algorithm, caller, uses, first, last } = count;
        let caller = caller.clone().unwrap_or_else(|| "others".to_owned());
        let (algorithm, uses) = (algorithm.clone().unwrap_or_default(), uses.to_string());
        vec![version.to_string(), action.clone(), algorithm, caller, uses, first.to_string(), last.to_string()]
    })
}

/// The use of each of a tenant's keys; of those alone that were not used for some days, where these are given.
pub(crate) fn of_tenant(
    client: &Client<'_>,
    output: &mut Output<'_>,
    tenant: &str,
    unused_days: Option<u32>,
) -> Result<(), CliError> {
    let limit = PageSize::new(limits::PAGE_SIZE_MAX);
    let query = |after| UsageQuery { limit, after, unused_days: unused_days.map(Days) };
    let keys: Vec<KeyUsage> = client.every(Endpoint::ListKeyUsage, &[tenant], query)?;
    output.list(&keys, &["KEY", "NAME", "SPEC", "STATE", "CREATED", "USES", "LAST USE"], |key| {
        let KeyUsage { key, name, spec, state, created, uses, last_use, .. } = key;
        let (key, name) = (key.clone(), name.clone().unwrap_or_default());
        let last = newest(last_use.as_ref());
        vec![key, name, spec.clone(), state.clone(), created.to_string(), uses.to_string(), last]
    })
}

pub(crate) fn newest(last: Option<&LastUse>) -> String {
    last.map_or_else(|| "never".to_owned(), |last| format!("{} {}", last.at, last.action))
}
