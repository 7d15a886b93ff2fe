//! The admin API as both sides see it: routes, requests, answers, errors, and the roles that ship with the product.
//!
//! JSON (RFC 8259) over HTTP under `/v1`; docs/protocols/admin-api.md describes it for people. Unknown fields and unknown
//! query parameters are refused. Absent on purpose: transport, authentication, and anything that uses key material or gives it out: it may be
//! brought, wrapped.

mod algorithm;
mod audit;
mod dry_run;
mod ekm;
mod error;
mod import;
mod installation;
mod key;
pub mod limits;
mod making;
mod page;
mod policy;
mod principal;
pub mod query;
mod role;
pub mod roles;
pub mod routes;
mod tenant;
mod time;
mod usage;
mod xks;

pub use algorithm::{Algorithm, algorithm, key_bits};
pub use audit::{AuditPage, AuditQuery, AuditRecord, Outcome};
pub use dry_run::{DryRun, DryRunQuery};
pub use ekm::{BindEkmKey, CreateEkmCertificate, CreateEkmStore, EkmCertificate, EkmKey, EkmStore, UpdateEkmStore};
pub use error::{ErrorBody, ErrorReply};
pub use import::{GetImportParameters, ImportKeyMaterial, ImportParameters, import_wrapping};
pub use installation::{Backup, FailingDomainKey, MakeBackup, Root, RootVerification, RotatedDomainKey};
pub use key::{Binding, BindingQuery, CreateBinding, Key, KeyVersion};
pub use making::{CreateKey, KeyDescription, KeyPolicy, KeyRotation, PutKeyPolicy, Tag, Tags, spec, usages};
pub use page::{Page, PageQuery, PageSize};
pub use policy::{AttachedPolicy, Condition, Explain, ExplainedStatement, Explanation, Policy, PutPolicy};
pub use principal::{
    AccessKey, AccessKeyQuery, CreateAccessKey, CreatePrincipal, NewAccessKey, Principal, PrincipalDetail, WhoAmI,
};
pub use role::{AssumableRole, CreateRole, PutIssuer, TokenIssuer, UpdateRole};
pub use routes::{Endpoint, Method, RouteSpec};
pub use tenant::{CreateTenant, Health, KeyStoreHealth, State, Tenant, TokenHealth};
pub use time::{NotATime, Time};
pub use usage::{Days, InventoryKey, KeyUsage, KeyUsagePage, LastUse, ScheduleKeyDeletion, UsageCount, UsageQuery};
pub use xks::{BindXksKey, CreateXksCredential, CreateXksStore, UpdateXksStore, XksKey, XksStore};
