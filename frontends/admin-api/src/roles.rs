//! The roles that ship with the product: ready policies in the policy language, to attach as they are or to start from.
//!
//! The installation's operators need none: they are proved by the Unix socket. A role binds to nobody's name and to no
//! account, since an identity policy allows nothing outside its principal's own tenant.

/// A role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its name, which is also that of the policy it is attached as.
    pub name: &'static str,
    /// Who it is for.
    pub description: &'static str,
    /// The policy.
    pub document: &'static str,
}

/// The roles, from the most to the least powerful.
pub const ROLES: &[Role] = &[
    Role {
        name: "tenant-administrator",
        description: "manages the tenant's principals, access keys, policies and keys; uses no key",
        document: include_str!("roles/tenant-administrator.json"),
    },
    Role {
        name: "key-administrator",
        description: "makes, changes, suspends and schedules keys for destruction; uses no key",
        document: include_str!("roles/key-administrator.json"),
    },
    Role {
        name: "key-user",
        description: "encrypts, decrypts, signs and verifies with the tenant's keys; changes none",
        document: include_str!("roles/key-user.json"),
    },
    Role {
        name: "auditor",
        description: "reads everything but key material and changes nothing",
        document: include_str!("roles/auditor.json"),
    },
];

/// The role of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Role> {
    ROLES.iter().find(|role| role.name == name)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::find;

    /// The actions that a role permits, as its document names them.
    fn permitted(role: &str) -> Vec<String> {
        let document: Value = serde_json::from_str(find(role).unwrap().document).unwrap();
        let statements = document["Statement"].as_array().unwrap();
        let actions = statements.iter().flat_map(|statement| statement["Action"].as_array().unwrap());
        actions.map(|action| action.as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_tenant_administrator_may_do_with_keys_whatever_a_key_administrator_may() {
        let missing: Vec<_> = permitted("key-administrator").into_iter().filter(|wanted| !chief_may(wanted)).collect();
        assert_eq!(missing, [""; 0]);
    }

    fn chief_may(wanted: &str) -> bool {
        permitted("tenant-administrator").iter().any(|action| match action.strip_suffix('*') {
            Some(prefix) => wanted.starts_with(prefix),
            None => action == wanted,
        })
    }

    /// Every step of `strongroom xks key import`.
    #[test]
    fn a_tenant_administrator_may_bring_a_key_out_of_awss_sample_proxy() {
        for action in ["ReadBindings", "ManageBindings", "CreateKey", "GetParametersForImport", "ImportKeyMaterial"] {
            assert!(chief_may(&format!("strongroom:{action}")), "{action}");
        }
    }

    #[test]
    fn a_tenant_administrator_may_do_all_that_there_is_with_custom_key_stores() {
        for verb in ["Create", "Update", "Delete", "Connect", "Disconnect"] {
            assert!(chief_may(&format!("kms:{verb}CustomKeyStore")), "{verb}");
        }
        assert!(chief_may("kms:DescribeCustomKeyStores"));
    }
}
