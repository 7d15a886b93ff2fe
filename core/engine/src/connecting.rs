//! Links on their way to being connected: what a link leads to is tried on threads that outlive the request which asked.
//!
//! That request commits that the link is being connected, with a row that says so by itself. Whoever tries takes the row
//! away with the outcome, which counts only while the row is of its own attempt. What a crash interrupts begins again when
//! the node is back, or on another node after a while; what takes too long has failed. Absent on purpose: what a link is.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;
use strongroom_crypto::random;
use strongroom_model::action::Action;
use strongroom_model::clock::Timestamp;
use strongroom_model::external::{ExternalError, ExternalRefusal, ExternalRequest};
use strongroom_model::key_store::{KeyStoreError, KeyStoreName};
use strongroom_model::purpose::Purpose;
use strongroom_model::store::{Batch, Row, Table};

use crate::call::{Call, Dialect, Mode};
use crate::error::{self, EngineError, LinkFault};
use crate::operation::{Authorized, Demand, Halt, Operation, Outcome, Target};
use crate::operations::key::unchanged;
use crate::operations::store_link::LinkPlace;
use crate::rows::{self, ConnectingRow, ExternalLinkRow, LinkFailure, LinkState, StoreLinkRow};
use crate::workers::{Ground, Pool};
use crate::{Engine, keys, limits};

/// The attempts that this process is at.
#[derive(Default)]
pub(crate) struct Connections(Arc<Mutex<HashSet<[u8; 16]>>>);

/// One of them, until it is dropped.
struct Underway {
    all: Arc<Mutex<HashSet<[u8; 16]>>>,
    attempt: [u8; 16],
}

impl Connections {
    /// Nothing where it is at it already.
    fn enter(&self, attempt: [u8; 16]) -> Option<Underway> {
        self.0.lock().insert(attempt).then(|| Underway { all: Arc::clone(&self.0), attempt })
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.all.lock().remove(&self.attempt);
    }
}

/// Has `batch` say that a link is being connected.
pub(crate) fn begin(
    authorized: &Authorized<'_>,
    place: &LinkPlace,
    link: &StoreLinkRow,
    batch: &mut Batch,
) -> Result<(), EngineError> {
    let (engine, call) = (authorized.engine(), authorized.call());
    let row = ConnectingRow {
        tenant: place.tenant,
        region: place.region.to_string(),
        link: link.id.clone(),
        attempt: random::bytes(engine.random()).map_err(error::crypto)?,
        since: authorized.now(),
        node: engine.log.head().origin,
        operation: call.operation.to_owned(),
        request: call.request_id.to_string(),
        store: link.store.clone(),
    };
    batch.put(Table::ConnectingLink, at(place, &link.id), rows::encode(&row));
    Ok(())
}

/// Has `batch` say that a link is not being connected any more.
pub(crate) fn end(place: &LinkPlace, link: &str, batch: &mut Batch) {
    batch.delete(Table::ConnectingLink, at(place, link));
}

fn at(place: &LinkPlace, link: &str) -> Vec<u8> {
    keys::keys_of_link(place.tenant, &place.region, link)
}

fn decoded(row: &Row) -> Result<ConnectingRow, EngineError> {
    rows::decode("connecting links", &row.value)
}

impl Engine {
    /// Goes on with a link that is being connected, at once.
    pub(crate) fn pursue_connection(self: &Arc<Self>, dialect: &'static dyn Dialect, place: &LinkPlace, link: &str) {
        let read = || -> Result<_, EngineError> {
            let read = self.catalog.snapshot()?.get(Table::ConnectingLink, &at(place, link))?;
            read.as_ref().map(decoded).transpose()
        };
        match read() {
            Ok(Some(row)) => self.pursue(dialect, row),
            // Somebody has let go of it already.
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "a link is not being connected yet; the next tick goes on"),
        }
    }

    /// Goes on with every link that is being connected and that nobody is at.
    pub(crate) fn pursue_connections(
        self: &Arc<Self>,
        dialect: &'static dyn Dialect,
        now: Timestamp,
    ) -> Result<(), EngineError> {
        let rows = self.catalog.snapshot()?.scan(Table::ConnectingLink, &[], None, limits::CONNECTING_LINKS)?;
        let here = if rows.is_empty() { String::new() } else { self.log.head().origin };
        for read in rows {
            let row = decoded(&read)?;
            if self.connections.0.lock().contains(&row.attempt) {
                continue;
            }
            if row.node == here {
                if self.hold_back(&read.key, limits::CONNECTING_HOLD) {
                    self.pursue(dialect, row);
                }
            } else if now.since(row.since) >= limits::CONNECTING_TAKEN_OVER {
                self.take_over(dialect, &read, row, &here)?;
            }
        }
        Ok(())
    }

    /// Makes another node's attempt this one's.
    fn take_over(
        self: &Arc<Self>,
        dialect: &'static dyn Dialect,
        read: &Row,
        row: ConnectingRow,
        here: &str,
    ) -> Result<(), EngineError> {
        let attempt = random::bytes(self.random()).map_err(error::crypto)?;
        let row = ConnectingRow { attempt, node: here.to_owned(), ..row };
        let mut batch = Batch::default();
        batch.replace(Table::ConnectingLink, read, rows::encode(&row));
        match self.catalog.store().commit(batch).map_err(EngineError::from) {
            Ok(_) => self.pursue(dialect, row),
            // It has ended, or yet another node was first.
            Err(EngineError::Conflict) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Makes the attempt on threads that may wait for what the link leads to.
    fn pursue(self: &Arc<Self>, dialect: &'static dyn Dialect, row: ConnectingRow) {
        let Some(underway) = self.connections.enter(row.attempt) else { return };
        let ground = match &row.store {
            Some(store) => self.key_stores.ground(store).unwrap_or(Ground::Worker),
            None => Ground::External,
        };
        let engine = Arc::clone(self);
        let job = move |taken: bool| {
            if taken {
                let call = Call {
                    request_id: row.request.as_str().into(),
                    ..Call::internal("scheduler", "FinishConnecting", dialect)
                };
                let (tenant, link) = (row.tenant, row.link.clone());
                if let Err(error) = engine.perform_blocking(call, FinishConnecting { row }, Mode::Run) {
                    tracing::warn!(%tenant, link, %error, "a link could not be connected yet; the next tick goes on");
                }
            }
            // Not before the engine is let go of: a tick finds that it is over.
            drop(engine);
            drop(underway);
        };
        self.workers.push(Pool::from(ground), Box::new(job));
    }
}

/// Tries what a link leads to and says what came of it, unless somebody has let go of the link meanwhile.
struct FinishConnecting {
    row: ConnectingRow,
}

impl Operation for FinishConnecting {
    type Output = ();

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        let target = Target::Tenant(self.row.tenant);
        Ok(vec![Demand { action: Action::Scheduled, target, purpose: Purpose::Inspect }])
    }

    fn run(&self, authorized: &Authorized<'_>) -> Result<Outcome<()>, Halt> {
        let place = LinkPlace { tenant: self.row.tenant, region: self.row.region.as_str().into() };
        let under_way = authorized.engine().catalog().snapshot()?;
        let under_way = under_way.get(Table::ConnectingLink, &at(&place, &self.row.link))?;
        let Some(under_way) = under_way else { return Ok(Outcome::Answer(())) };
        if decoded(&under_way)?.attempt != self.row.attempt {
            return Ok(Outcome::Answer(()));
        }
        let mut batch = Batch::default();
        batch.preconditions.push(unchanged(Table::ConnectingLink, &under_way));
        end(&place, &self.row.link, &mut batch);
        let link = match place.find(authorized, &self.row.link) {
            Ok((link, ..)) if link.state == LinkState::Connecting => link,
            // The store was put back to an older state, after which nothing is connected.
            Ok(_) | Err(EngineError::StoreLink(LinkFault::Missing { .. })) => return Ok(Outcome::Change(batch, ())),
            Err(error) => return Err(error.into()),
        };
        let failure = match (&link.store, &link.external) {
            _ if authorized.now().since(self.row.since) >= limits::CONNECTING_MOST => Some(LinkFailure::Unfit),
            (Some(store), _) => failure_of_token(authorized, &place, store)?,
            (None, Some(external)) => self.failure_of_manager(authorized, &place, external)?,
            (None, None) => Some(LinkFailure::NoStore),
        };
        let (mut links, read) = place.find_again(authorized, &link)?;
        let state = if failure.is_some() { LinkState::Failed } else { LinkState::Connected };
        links.change(&link.id, |link| (link.state, link.failure) = (state, failure));
        batch.replace(Table::StoreLink, &read, rows::encode(&links));
        Ok(Outcome::Change(batch, ()))
    }
}

/// Why a key store cannot be connected, if it cannot.
fn failure_of_token(
    authorized: &Authorized<'_>,
    place: &LinkPlace,
    name: &KeyStoreName,
) -> Result<Option<LinkFailure>, Halt> {
    let store = match authorized.engine().key_stores.offered_here(authorized, name, place.tenant) {
        Err(Halt::Fail(EngineError::NotFound(_) | EngineError::StoreNotOffered { .. })) => {
            return Ok(Some(LinkFailure::NoStore));
        }
        store => store?,
    };
    match store.probe(limits::OBJECT_DEADLINE) {
        Ok(()) => Ok(None),
        Err(KeyStoreError::Busy) => Err(EngineError::of_store(name, KeyStoreError::Busy).into()),
        Err(error) => {
            tracing::warn!(store = %name, %error, "a key store could not be connected");
            Ok(Some(failure_of_store(&error)))
        }
    }
}

impl FinishConnecting {
    /// Why an external key manager cannot be connected, if it cannot. It is told of the request that asked for it.
    fn failure_of_manager(
        &self,
        authorized: &Authorized<'_>,
        place: &LinkPlace,
        external: &ExternalLinkRow,
    ) -> Result<Option<LinkFailure>, Halt> {
        let ConnectingRow { operation, request, .. } = &self.row;
        let told = ExternalRequest { principal: "", operation, request_id: request, resource: None };
        let asked = match authorized.manager(place.tenant, &place.region, external) {
            Ok(manager) => manager.health(&told),
            Err(Halt::Fail(EngineError::External(error))) => Err(error),
            Err(other) => return Err(other),
        };
        match asked {
            Ok(()) => Ok(None),
            Err(ExternalError::Busy) => Err(EngineError::External(ExternalError::Busy).into()),
            Err(error) => {
                tracing::warn!(endpoint = external.endpoint, %error, "an external key manager could not be connected");
                Ok(Some(failure_of_manager(&error)))
            }
        }
    }
}

const fn failure_of_store(error: &KeyStoreError) -> LinkFailure {
    match error {
        KeyStoreError::WrongCredential => LinkFailure::Credential,
        KeyStoreError::Unavailable { .. } | KeyStoreError::Timeout(_) | KeyStoreError::Busy => LinkFailure::Unreachable,
        KeyStoreError::Refused
        | KeyStoreError::NoObject(_)
        | KeyStoreError::Unsupported { .. }
        | KeyStoreError::TooLong { .. } => LinkFailure::Unfit,
    }
}

const fn failure_of_manager(error: &ExternalError) -> LinkFailure {
    match error {
        ExternalError::Late | ExternalError::Refused(ExternalRefusal::Late) => LinkFailure::Late,
        ExternalError::Busy | ExternalError::Unreachable { .. } => LinkFailure::Unreachable,
        ExternalError::Tls { .. } => LinkFailure::Tls,
        ExternalError::NoService => LinkFailure::Service,
        ExternalError::InvalidAnswer { .. } => LinkFailure::Answer,
        ExternalError::Unhealthy | ExternalError::Refused(ExternalRefusal::Internal | ExternalRefusal::Throttled) => {
            LinkFailure::Unhealthy
        }
        ExternalError::Refused(ExternalRefusal::Unauthenticated) => LinkFailure::Credential,
        ExternalError::Refused(ExternalRefusal::Denied | ExternalRefusal::State) => LinkFailure::Denied,
        ExternalError::Refused(ExternalRefusal::NoPath) | ExternalError::Malformed(_) => LinkFailure::Path,
        // Health knows no other refusal.
        ExternalError::Refused(_) => LinkFailure::Answer,
        ExternalError::KeyUnfit | ExternalError::TooLong => LinkFailure::Unfit,
    }
}
