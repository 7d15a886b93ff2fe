//! What the store's rows hold.

use minicbor::{Decode, Encode};
use strongroom_engine::{
    BindingRow, CredentialRow, DomainKeyRow, GrantRow, IdentityPolicyRow, InstallationRow, KeyRow, PrincipalRow,
    RootRow, TenantRow, UsageRow, VersionRow,
};

/// A row's value without its version, behind the number of its kind: what is read is written, read and written again.
pub fn engine_row(data: &[u8]) {
    let Some((kind, body)) = data.split_first() else { return };
    match kind {
        0 => again::<TenantRow>(body),
        1 => again::<DomainKeyRow>(body),
        2 => again::<RootRow>(body),
        3 => again::<PrincipalRow>(body),
        4 => again::<CredentialRow>(body),
        5 => again::<IdentityPolicyRow>(body),
        6 => again::<VersionRow>(body),
        7 => again::<BindingRow>(body),
        8 => again::<GrantRow>(body),
        9 => again::<InstallationRow>(body),
        10 => {
            again::<KeyRow>(body);
            if let Ok(key) = minicbor::decode::<KeyRow>(body)
                && let Ok(profile) = key.usage_profile()
            {
                assert_eq!(profile.bits(), key.profile);
            }
        }
        11 => again::<UsageRow>(body),
        _ => {}
    }
}

fn again<T: Encode<()> + for<'b> Decode<'b, ()>>(body: &[u8]) {
    let Ok(row) = minicbor::decode::<T>(body) else { return };
    let once = minicbor::to_vec(&row).unwrap();
    let row: T = minicbor::decode(&once).unwrap();
    assert_eq!(minicbor::to_vec(&row).unwrap(), once);
}
