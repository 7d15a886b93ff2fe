//! Records of requests that no operation was made of: authentication failed, or what a proved caller sent was no request.
//!
//! A stranger can fail as often as it likes, so beyond a rate its failures are counted by reason and listener and
//! recorded together, once a second, by [`Engine::tick`].

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use strongroom_audit::port::RecordClass;
use strongroom_audit::record::{Credential, Outcome, Record, Request, SealedRecord, Source, Text};
use strongroom_model::action::Action;
use strongroom_model::caller;
use strongroom_model::clock::Timestamp;

use crate::call::{Call, Dialect};
use crate::error::EngineError;
use crate::perform::log_error;
use crate::record::describe_call;
use crate::{Engine, limits};

/// The number that stands in records for an error of the front end's own. For ever.
pub(crate) const FRONT_END_ERROR: u16 = 0;

/// A request whose caller was not proved.
pub struct FailedAuthentication {
    /// The front end's language.
    pub dialect: &'static dyn Dialect,
    /// Where from.
    pub source: Arc<caller::Source>,
    /// Identity of the request, as the answer shows it.
    pub request_id: Box<str>,
    /// What the client calls itself; at most a few hundred bytes.
    pub user_agent: Box<str>,
    /// The public half of the credential that was shown; empty for none.
    pub shown: Box<str>,
    /// The operation that was asked for, if the front end knows it.
    pub operation: &'static str,
    /// The error's name in the front end's words.
    pub reason: &'static str,
    /// What the caller is told.
    pub message: Box<str>,
}

/// Failures that are not recorded one by one.
#[derive(Default)]
pub(crate) struct Strangers(Mutex<Tally>);

#[derive(Default)]
struct Tally {
    second: u64,
    recorded: u32,
    counted: HashMap<(&'static str, Arc<str>), Counted>,
}

#[derive(Clone, Copy)]
struct Counted {
    dialect: &'static dyn Dialect,
    first: Timestamp,
    count: u64,
}

impl Engine {
    /// Records that a caller was not proved: by itself while that is rare, else by counting it. Answers once that is
    /// done; a log that has no room left for strangers is no error, since the request is refused anyway.
    pub async fn record_failed_authentication(&self, failed: FailedAuthentication) {
        if self.strangers.admits(self.clock.since_boot().as_secs())
            && let Ok(permit) = self.log.reserve(RecordClass::FailedAuthentication, 1)
        {
            let record = self.seal_failed(&failed);
            if self.log.append(permit, vec![record]).await.is_ok() {
                return;
            }
        }
        self.strangers.count(&failed, self.clock.now());
    }

    /// Records that a proved caller sent what no operation could be made of. The refusal may be answered once this
    /// returns.
    ///
    /// # Errors
    /// When the log can't be written; that is what must be answered then.
    pub async fn record_refused(
        &self,
        call: &Call,
        action: Action,
        code: &'static str,
        message: &str,
    ) -> Result<(), EngineError> {
        let permit = self.log.reserve(RecordClass::Authenticated, 1).map_err(|cause| log_error(&cause))?;
        let mut record = Record::new(self.record_id(), self.clock.now(), action);
        describe_call(&mut record, call);
        record.outcome =
            Outcome::Failed { code: Text::from(code), message: Text::from(message), engine: FRONT_END_ERROR };
        let durable = self.log.append(permit, vec![record.seal()]);
        durable.await.map(|_| ()).map_err(|cause| log_error(&cause))
    }

    /// Writes the counted failures of past seconds, one record for each reason and listener. Blocks.
    pub(crate) fn record_counted_failures(&self) {
        for ((reason, listener), counted) in self.strangers.take() {
            let record = self.seal_counted(reason, &listener, &counted);
            let written = match self.log.reserve(RecordClass::FailedAuthentication, 1) {
                Ok(permit) => self.log.append(permit, vec![record]).wait().map(|_| ()),
                Err(cause) => Err(cause),
            };
            if let Err(cause) = written {
                tracing::warn!(%cause, reason, %listener, "counted failures of authentication stay unrecorded for now");
                self.strangers.put_back(reason, listener, counted);
            }
        }
    }

    fn seal_failed(&self, failed: &FailedAuthentication) -> SealedRecord {
        let mut record = Record::new(self.record_id(), self.clock.now(), Action::Authenticate);
        record.credential = Credential { id: None, shown: Text::from(&*failed.shown) };
        record.source = Source {
            address: failed.source.address,
            listener: Text::from(&*failed.source.listener),
            tls: Text::from(&*failed.source.tls),
            user_agent: Text::from(&*failed.user_agent),
        };
        record.request = request(failed.dialect, &failed.request_id, failed.operation);
        record.outcome = Outcome::Failed {
            code: Text::from(failed.reason),
            message: Text::from(&*failed.message),
            engine: FRONT_END_ERROR,
        };
        record.seal()
    }

    fn seal_counted(&self, reason: &'static str, listener: &str, counted: &Counted) -> SealedRecord {
        let mut record = Record::new(self.record_id(), counted.first, Action::Authenticate);
        let took = self.clock.now().since(counted.first);
        record.duration_micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        record.source.listener = Text::from(listener);
        record.request = request(counted.dialect, "", "");
        record.outcome =
            Outcome::Failed { code: Text::from(reason), message: Text::default(), engine: FRONT_END_ERROR };
        record.count = counted.count;
        record.seal()
    }
}

fn request<'a>(dialect: &'static dyn Dialect, id: &'a str, operation: &'static str) -> Request<'a> {
    Request {
        id: Text::from(id),
        front_end: Text::from(dialect.front_end()),
        event_source: Text::from(dialect.event_source()),
        operation: Text::from(operation),
        region: Text::default(),
    }
}

impl Strangers {
    /// Whether one more may be recorded by itself in this second.
    fn admits(&self, second: u64) -> bool {
        let mut tally = self.0.lock();
        if tally.second != second {
            (tally.second, tally.recorded) = (second, 0);
        }
        tally.recorded = tally.recorded.saturating_add(1);
        tally.recorded <= limits::FAILED_AUTHENTICATIONS_PER_SECOND
    }

    fn count(&self, failed: &FailedAuthentication, now: Timestamp) {
        let mut tally = self.0.lock();
        let key = (failed.reason, Arc::clone(&failed.source.listener));
        let counted = tally.counted.entry(key).or_insert(Counted { dialect: failed.dialect, first: now, count: 0 });
        counted.count = counted.count.saturating_add(1);
    }

    fn take(&self) -> HashMap<(&'static str, Arc<str>), Counted> {
        std::mem::take(&mut self.0.lock().counted)
    }

    fn put_back(&self, reason: &'static str, listener: Arc<str>, counted: Counted) {
        let mut tally = self.0.lock();
        let more = tally.counted.remove(&(reason, Arc::clone(&listener))).map_or(0, |later| later.count);
        let counted = Counted { count: counted.count.saturating_add(more), ..counted };
        tally.counted.insert((reason, listener), counted);
    }
}
