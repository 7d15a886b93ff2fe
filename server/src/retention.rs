//! Retention of the audit log: whole segments that need not be kept any longer are removed.
//!
//! What is to be removed is recorded first, and removed only when that record is on disk. A process that dies in between
//! leaves the segments; the next round records and removes them.

use std::time::Duration;

use strongroom_admin::AdminDialect;
use strongroom_audit::port::{Position, ReadError};
use strongroom_audit_log::{FileLog, PruneError};
use strongroom_engine::{Call, Engine, EngineError, Noted};
use strongroom_model::action::Action;
use strongroom_model::clock::Timestamp;

static ADMIN: AdminDialect = AdminDialect;

/// Why the log was not pruned.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RetentionError {
    /// What may be removed is not known, or can't be recorded.
    #[error("what is to be removed cannot be recorded")]
    Engine(#[from] EngineError),
    /// Segments can't be read.
    #[error("the segments cannot be read")]
    Read(#[from] ReadError),
    /// Segments can't be removed.
    #[error("the segments cannot be removed")]
    Prune(#[from] PruneError),
}

/// Removes whole segments whose records are older than `kept`, as far as nothing needs them any more; answers how many.
pub(crate) fn prune(engine: &Engine, log: &FileLog, kept: Duration) -> Result<u64, RetentionError> {
    match announce(engine, log, kept)? {
        Some((before, end)) => Ok(log.prune(before, end)?.segments),
        None => Ok(0),
    }
}

/// Records what is about to be removed: whatever was written before a time, up to a position.
fn announce(engine: &Engine, log: &FileLog, kept: Duration) -> Result<Option<(Timestamp, Position)>, RetentionError> {
    let now = engine.clock().now();
    let before = Timestamp(now.0.saturating_sub(u64::try_from(kept.as_millis()).unwrap_or(u64::MAX)));
    let Some(range) = log.prunable(before, engine.log_needed_from()?)? else { return Ok(None) };
    let mut call = Call::internal("retention", "PruneAuditLog", &ADMIN);
    call.detail = vec![
        ("firstPosition", range.start.0.to_string()),
        ("lastPosition", range.end.0.saturating_sub(1).to_string()),
        ("writtenBefore", before.0.to_string()),
    ];
    engine.note(&[Noted { call, action: Action::Installation, at: now, failed: None, count: 1 }])?;
    Ok(Some((before, range.end)))
}

#[cfg(test)]
mod tests;
