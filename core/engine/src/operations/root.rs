//! Roots of trust: added, verified, replaced, removed, while the server runs.
//!
//! A root that is added wraps every domain key little by little, by the scheduler's sweep; one that replaces another
//! removes it once that is done. Absent on purpose: making and opening roots, which is the server's.

use std::sync::Arc;

use strongroom_crypto::random;
use strongroom_model::action::Action;
use strongroom_model::id::{DomainKeyId, RootId, TenantId};
use strongroom_model::limits::SCAN_ROWS;
use strongroom_model::purpose::Purpose;
use strongroom_model::root::RootOfTrust;
use strongroom_model::store::{Batch, Row, Table};
use strongroom_secret::Secret;

use super::key::unchanged;
use crate::Engine;
use crate::error::{self, EngineError, InputFault, InternalFault, Noun, Unavailable};
use crate::limits;
use crate::operation::{Authorized, Demand, Halt, Operation, Outcome, Target};
use crate::planned;
use crate::rows::{self, DomainKeyRow, RootRow};
use crate::start::root_row;

/// Adds a root: from now on it wraps new domain keys, and the sweep has it wrap all others.
pub struct AddRoot {
    /// The root, able to serve.
    pub root: Arc<dyn RootOfTrust>,
    /// The root that it replaces: removed once this one has wrapped every domain key.
    pub replaces: Option<RootId>,
}

impl Operation for AddRoot {
    type Output = RootRow;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(demands(Action::ManageRoots))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<RootRow>, Halt> {
        let engine = authorized.engine();
        let known = root_rows(engine)?;
        let id = self.root.describe().id;
        if known.iter().any(|(row, _)| row.id == id) {
            return Err(EngineError::AlreadyExists(Noun::Root(id.to_string().into())).into());
        }
        if known.len() >= limits::ROOTS {
            let fault = InputFault::Form { what: "the root", problem: "is one too many; remove another first" };
            return Err(EngineError::from(fault).into());
        }
        if let Some(replaced) = self.replaces.filter(|wanted| !known.iter().any(|(row, _)| row.id == *wanted)) {
            return Err(Noun::Root(replaced.to_string().into()).into());
        }
        try_out(engine, &*self.root)?;
        let row = RootRow { replaces: self.replaces, ..root_row(&*self.root, authorized.now())? };
        engine.vault.offer(Arc::clone(&self.root));
        let mut batch = Batch::default();
        batch.insert(Table::Root, id.as_bytes().to_vec(), rows::encode(&row));
        planned::forget(engine.catalog().store(), id, &mut batch)?;
        Ok(Outcome::Change(batch, row))
    }
}

/// A root that does not open what it has just wrapped is no root.
fn try_out(engine: &Engine, root: &dyn RootOfTrust) -> Result<(), EngineError> {
    let drawn: [u8; 16] = random::bytes(engine.random()).map_err(error::crypto)?;
    let secret = Secret::try_init_with(|bytes| engine.random().fill(bytes)).map_err(error::crypto)?;
    let context = engine.vault.context(TenantId::INSTALLATION, DomainKeyId::from_bytes(drawn));
    let opened = root.unwrap(&context, &root.wrap(&context, &secret)?)?;
    match opened.equals(secret.expose()) {
        true => Ok(()),
        false => Err(EngineError::Internal(InternalFault::Crypto("the root opens to something else"))),
    }
}

/// Finds out whether a root opens every domain key.
pub struct VerifyRoot {
    /// Which root.
    pub root: RootId,
}

/// What [`VerifyRoot`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootVerified {
    /// Domain keys that it opens, to the same key as the other roots where those can serve.
    pub opened: u64,
    /// Domain keys that it has not wrapped yet.
    pub lacking: u64,
    /// Domain keys that it has wrapped and does not open, or opens to another key: the first few.
    pub failing: Vec<(TenantId, DomainKeyId)>,
}

impl Operation for VerifyRoot {
    type Output = RootVerified;

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(demands(Action::ReadRoots))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<RootVerified>, Halt> {
        let engine = authorized.engine();
        let missing = || Noun::Root(self.root.to_string().into());
        let root = engine.vault.root(self.root).ok_or_else(missing)?;
        let others = engine.vault.roots();
        let mut found = RootVerified { opened: 0, lacking: 0, failing: Vec::new() };
        each_domain_key(engine, |row, _| {
            let Some(opened) = engine.vault.opens(&*root, &row) else {
                found.lacking += 1;
                return Ok(());
            };
            let others = others.iter().filter(|other| other.describe().id != self.root);
            let mut others = others.filter_map(|other| engine.vault.opens(&**other, &row)?.ok());
            match opened {
                Ok(secret) if others.next().is_none_or(|other| other.equals(secret.expose())) => found.opened += 1,
                _ if found.failing.len() < limits::NAMED_DOMAIN_KEYS => found.failing.push((row.tenant, row.id)),
                _ => {}
            }
            Ok(())
        })?;
        Ok(Outcome::Answer(found))
    }
}

/// Removes a root that every domain key can do without.
pub struct RemoveRoot {
    /// Which root.
    pub root: RootId,
    /// Whether the scheduler does it, because another root has replaced it.
    pub(crate) replaced: bool,
}

impl RemoveRoot {
    /// Removes this root.
    #[must_use]
    pub const fn new(root: RootId) -> Self {
        Self { root, replaced: false }
    }
}

impl Operation for RemoveRoot {
    type Output = ();

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(demands(if self.replaced { Action::Scheduled } else { Action::ManageRoots }))
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<()>, Halt> {
        let engine = authorized.engine();
        let known = root_rows(engine)?;
        let mut batch = Batch::default();
        // The others must still be there when this one goes.
        for (_, read) in &known {
            batch.preconditions.push(unchanged(Table::Root, read));
        }
        let missing = || Noun::Root(self.root.to_string().into());
        let (_, read) = known.iter().find(|(row, _)| row.id == self.root).ok_or_else(missing)?;
        let remaining: Vec<_> = known
            .iter()
            .filter(|(row, _)| row.id != self.root)
            .filter_map(|(row, _)| engine.vault.root(row.id))
            .collect();
        if remaining.is_empty() {
            let problem = "is the last one that can serve; add another first";
            return Err(EngineError::from(InputFault::Form { what: "the root", problem }).into());
        }
        each_domain_key(engine, |row, _| {
            let mut failure = None;
            for other in &remaining {
                match engine.vault.opens(&**other, &row) {
                    Some(Ok(_)) => return Ok(()),
                    Some(Err(error)) => failure = Some(error),
                    None => {}
                }
            }
            Err(match failure {
                Some(error) => EngineError::Unavailable(Unavailable::Root(error)),
                None => {
                    let problem = "is the only one that has wrapped some domain keys; wait until another has";
                    InputFault::Form { what: "the root", problem }.into()
                }
            })
        })?;
        batch.delete(Table::Root, read.key.clone());
        Ok(Outcome::Change(batch, ()))
    }
}

/// The roots with their rows as read.
pub(crate) fn root_rows(engine: &Engine) -> Result<Vec<(RootRow, Row)>, EngineError> {
    let rows = engine.catalog().scan_all(Table::Root, &[], SCAN_ROWS)?;
    rows.into_iter().map(|row| Ok((rows::decode("roots", &row.value)?, row))).collect()
}

/// Visits every domain key, a page at a time.
fn each_domain_key(
    engine: &Engine,
    mut visit: impl FnMut(DomainKeyRow, Row) -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    let mut after: Option<Vec<u8>> = None;
    loop {
        let page = engine.catalog().snapshot()?.scan(Table::DomainKey, &[], after.as_deref(), SCAN_ROWS)?;
        let full = page.len() == SCAN_ROWS;
        after = page.last().map(|row| row.key.clone());
        for row in page {
            visit(rows::decode("domain keys", &row.value)?, row)?;
        }
        if !full {
            return Ok(());
        }
    }
}

fn demands(action: Action) -> Vec<Demand> {
    vec![Demand { action, target: Target::Installation, purpose: Purpose::Inspect }]
}
