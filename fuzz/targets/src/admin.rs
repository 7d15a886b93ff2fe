//! The admin API's wire: bodies in both directions, and query strings.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use strongroom_admin_api::{
    AccessKey, AccessKeyQuery, AuditPage, AuditQuery, BindXksKey, CreateAccessKey, CreateBinding, CreatePrincipal,
    CreateTenant, ErrorReply, Explain, Explanation, GetImportParameters, Health, ImportKeyMaterial, ImportParameters,
    InventoryKey, Key, KeyUsage, KeyUsagePage, NotATime, Page, PageQuery, Policy, PrincipalDetail, PutPolicy, Root,
    ScheduleKeyDeletion, Tenant, Time, UsageQuery, WhoAmI, query,
};

/// A JSON body, as each type of request and reply: what is read is written and read again as the same.
pub fn admin_json(data: &[u8]) {
    let types: &[fn(&[u8])] = &[
        json::<CreateTenant>,
        json::<CreatePrincipal>,
        json::<CreateAccessKey>,
        json::<CreateBinding>,
        json::<BindXksKey>,
        json::<GetImportParameters>,
        json::<ImportKeyMaterial>,
        json::<ImportParameters>,
        json::<ScheduleKeyDeletion>,
        json::<PutPolicy>,
        json::<Explain>,
        json::<Page<Tenant>>,
        json::<Page<Key>>,
        json::<Page<Root>>,
        json::<Page<InventoryKey>>,
        json::<Page<KeyUsage>>,
        json::<KeyUsagePage>,
        json::<AuditPage>,
        json::<Tenant>,
        json::<PrincipalDetail>,
        json::<AccessKey>,
        json::<Policy>,
        json::<Explanation>,
        json::<WhoAmI>,
        json::<Health>,
        json::<ErrorReply>,
    ];
    types.iter().for_each(|again| again(data));
}

/// A query string, as each type of query; and a text as a time and as a path segment.
pub fn admin_query(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    query_string::<PageQuery>(text);
    query_string::<AccessKeyQuery>(text);
    query_string::<AuditQuery>(text);
    query_string::<UsageQuery>(text);
    assert_eq!(query::decode(&query::encode(text)).as_deref(), Some(text));
    let time: Result<Time, NotATime> = text.parse();
    if let Ok(time) = time {
        assert_eq!(time.to_string().parse(), Ok(time));
    }
}

fn json<T: Serialize + DeserializeOwned + PartialEq + Debug>(data: &[u8]) {
    let Ok(value) = serde_json::from_slice::<T>(data) else { return };
    let written = serde_json::to_vec(&value).unwrap();
    assert_eq!(serde_json::from_slice::<T>(&written).unwrap(), value);
}

fn query_string<T: Serialize + DeserializeOwned + PartialEq + Debug>(text: &str) {
    let Ok(value) = query::read::<T>(text) else { return };
    assert_eq!(query::read(&query::write(&value)), Ok(value));
}
