//! Which key a command means: by its internal id, or by any name that leads to it.

use strongroom_admin_api::{Binding, BindingQuery, Endpoint, Page, WhoAmI};

use crate::arguments::KeyOf;
use crate::client::Client;
use crate::error::CliError;

/// The internal id of a key. A name is looked up in its region, or in every region that is served; where it leads to several
/// keys, nothing is chosen.
pub(crate) fn id_of(client: &Client<'_>, of: &KeyOf) -> Result<String, CliError> {
    let KeyOf { key, tenant, region } = of;
    if is_id(key) {
        return Ok(key.clone());
    }
    let arn = Arn::parse(key);
    let (name, region) = match &arn {
        Some(arn) => (arn.name, Some(arn.region.to_owned())),
        None => (key.as_str(), region.clone()),
    };
    let account = match (&arn, tenant) {
        (Some(arn), _) => arn.account.to_owned(),
        (None, Some(tenant)) => tenant.clone(),
        (None, None) => own_account(client, key)?,
    };
    let query = BindingQuery { name: Some(name.to_owned()), region: region.clone(), ..BindingQuery::default() };
    let found: Page<Binding> = client.query(Endpoint::ListBindings, &[&account], &query)?;
    let mut keys: Vec<(String, String)> =
        found.items.into_iter().map(|binding| (binding.region, binding.key)).collect();
    keys.sort_unstable();
    keys.dedup_by(|one, other| one.1 == other.1);
    match keys.as_slice() {
        [(_, id)] => Ok(id.clone()),
        [] => {
            let place =
                region.map_or_else(|| "any region that is served".to_owned(), |region| format!("region {region}"));
            Err(CliError::NoSuchKey { called: name.to_owned(), account, place })
        }
        several => {
            let choice = several.iter().map(|(region, id)| format!("--region {region} ({id})"));
            Err(CliError::SeveralKeys { called: name.to_owned(), choice: choice.collect::<Vec<_>>().join(", ") })
        }
    }
}

/// Whether a key is called by its internal id.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether a key is called by an ARN, which says of which tenant it is.
pub(crate) fn is_arn(text: &str) -> bool {
    Arn::parse(text).is_some()
}

/// The tenant that whoever asks is of.
fn own_account(client: &Client<'_>, key: &str) -> Result<String, CliError> {
    let me: WhoAmI = client.ask(Endpoint::GetCallerIdentity, &[])?;
    let untold =
        || CliError::Usage(format!("{key:?} is the name of a key: say of which tenant, with --tenant ACCOUNT"));
    me.account.ok_or_else(untold)
}

/// An ARN of a key or an alias, as AWS KMS writes it.
struct Arn<'t> {
    region: &'t str,
    account: &'t str,
    name: &'t str,
}

impl<'t> Arn<'t> {
    fn parse(text: &'t str) -> Option<Self> {
        let mut parts = text.strip_prefix("arn:")?.splitn(5, ':');
        let (_, _, region, account) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let resource = parts.next()?;
        Some(Self { region, account, name: resource.strip_prefix("key/").unwrap_or(resource) })
    }
}
