//! The issuers of tokens that a tenant trusts: whose tokens prove callers, for roles whose trust policy names them.
//!
//! Absent on purpose: reading of keys and tokens, which front ends do.

use strongroom_model::action::Action;
use strongroom_model::id::TenantId;
use strongroom_model::store::{Batch, Table};

use super::principal::demands;
use crate::error::{EngineError, InputFault, Noun, Quota};
use crate::operation::{Authorized, Demand, Halt, Operation, Outcome};
use crate::rows::{self, TokenIssuerRow};
use crate::{keys, limits};

/// Adds a token issuer, or replaces the one of the same URL. Whether its keys can be read is the front end's to check.
pub struct PutTokenIssuer {
    /// Of which tenant.
    pub tenant: TenantId,
    /// The issuer; when it was added is set here.
    pub issuer: TokenIssuerRow,
}

impl Operation for PutTokenIssuer {
    type Output = TokenIssuerRow;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(demands(Action::ManagePrincipals, self.tenant))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<TokenIssuerRow>, Halt> {
        check(&self.issuer)?;
        let catalog = authorized.engine().catalog();
        let key = keys::token_issuer(self.tenant, &self.issuer.issuer);
        let mut batch = Batch::default();
        let known = catalog.scan_all(Table::TokenIssuer, self.tenant.as_bytes(), limits::TOKEN_ISSUERS + 1)?;
        let row = match known.iter().find(|row| row.key == key) {
            Some(read) => {
                let former: TokenIssuerRow = rows::decode("token issuers", &read.value)?;
                let row = TokenIssuerRow { created: former.created, ..self.issuer.clone() };
                batch.replace(Table::TokenIssuer, read, rows::encode(&row));
                row
            }
            None if known.len() >= limits::TOKEN_ISSUERS => {
                return Err(EngineError::LimitExceeded(Quota::TokenIssuers).into());
            }
            None => {
                let row = TokenIssuerRow { created: authorized.now(), ..self.issuer.clone() };
                batch.insert(Table::TokenIssuer, key, rows::encode(&row));
                row
            }
        };
        Ok(Outcome::Change(batch, row))
    }
}

fn check(row: &TokenIssuerRow) -> Result<(), EngineError> {
    let fault = |what, problem| Err(InputFault::Form { what, problem }.into());
    let sound = |text: &str| (1..=limits::ISSUER_BYTES).contains(&text.len());
    let path = row.issuer.strip_prefix("https://").unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"?#@%\\\"<>".contains(&byte);
    if !sound(&row.issuer) || path.is_empty() || path.starts_with('/') || !path.bytes().all(plain) {
        return fault("the issuer", "must be an https URL of at most 255 bytes without query or fragment");
    }
    if !(1..=limits::AUDIENCES).contains(&row.audiences.len()) || !row.audiences.iter().all(|text| sound(text)) {
        return fault("the audiences", "must be 1 to 100 texts of at most 255 bytes");
    }
    let documents = row.keys.iter().chain(&row.authorities);
    match documents.map(String::len).max() > Some(limits::ISSUER_DOCUMENT_BYTES) {
        true => fault("the issuer's keys and certificates", "may have 64 KiB each"),
        false => Ok(()),
    }
}

/// Lists a tenant's token issuers, in order of their URLs.
pub struct ListTokenIssuers {
    /// Of which tenant.
    pub tenant: TenantId,
}

impl Operation for ListTokenIssuers {
    type Output = Vec<TokenIssuerRow>;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(demands(Action::ReadPrincipals, self.tenant))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<Self::Output>, Halt> {
        let catalog = authorized.engine().catalog();
        let rows = catalog.scan_all(Table::TokenIssuer, self.tenant.as_bytes(), limits::TOKEN_ISSUERS)?;
        let rows = rows.iter().map(|row| rows::decode("token issuers", &row.value));
        Ok(Outcome::Answer(rows.collect::<Result<_, _>>()?))
    }
}

/// Removes a token issuer: its tokens prove nobody any more. Sessions that were begun with them go on.
pub struct DeleteTokenIssuer {
    /// Of which tenant.
    pub tenant: TenantId,
    /// Its URL.
    pub issuer: String,
}

impl Operation for DeleteTokenIssuer {
    type Output = ();

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(demands(Action::ManagePrincipals, self.tenant))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<()>, Halt> {
        let key = keys::token_issuer(self.tenant, &self.issuer);
        let read = authorized.engine().catalog().snapshot()?.get(Table::TokenIssuer, &key)?;
        let read = read.ok_or_else(|| Noun::TokenIssuer(self.issuer.as_str().into()))?;
        let mut batch = Batch::default();
        batch.delete(Table::TokenIssuer, read.key);
        Ok(Outcome::Change(batch, ()))
    }
}
