//! What falls due: rotations, destructions, the expiry of imported material, the saved head of the log, checkpoints, the outbox.
//!
//! [`Engine::tick`] does what is due at the clock's time and is called every second by whoever runs the node; tests
//! move the clock and call it. Acts are idempotent by key and due time, so that several nodes may tick over one store.
//! Destruction never trusts a clock that jumped.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use strongroom_audit::note::{NoteSignature, VerifierKey};
use strongroom_model::clock::Timestamp;
use strongroom_model::id::KeyId;
use strongroom_model::limits::SCAN_ROWS;
use strongroom_model::root::{RootError, RootOfTrust};
use strongroom_model::store::{Batch, StoreError, Table};

use crate::call::{Call, Dialect, Mode};
use crate::error::{EngineError, Unavailable};
use crate::operation::KeyReference;
use crate::operations::import::ExpireMaterial;
use crate::operations::rotation::{DestroyKey, RotateDue, SkipRotation};
use crate::rows::{self, ClockRow, Due, HeadRow};
use crate::start::head_key;
use crate::{Engine, limits};

/// Acts that one tick does at most, so that it ends.
const ACTS: usize = 100;
/// Time between checkpoints while records come in.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(10);

/// How long an act that failed is left alone.
const HOLD_BACK: Duration = Duration::from_secs(300);
/// How much newer the store's high-water mark of time grows in steps of.
const CLOCK_STEP: Duration = Duration::from_secs(60);
/// Where the store keeps what it has seen of the clock.
pub(crate) const CLOCK_KEY: &[u8] = b"clock";

/// What the scheduler remembers between ticks.
#[derive(Default)]
pub(crate) struct Memory(Mutex<Marks>);

impl Memory {
    /// Leaves something alone for a while; false if it is left alone already.
    pub(crate) fn hold_back(&self, what: &[u8], boot: Duration, time: Duration) -> bool {
        let held = &mut self.0.lock().held_back;
        let free = held.get(what).is_none_or(|until| *until <= boot);
        if free {
            held.insert(what.to_vec(), boot + time);
        }
        free
    }
}

#[derive(Default)]
struct Marks {
    /// Wall clock and boot-time clock at the first tick, or when a jump was noted last.
    anchor: Option<(Timestamp, Duration)>,
    head_size: u64,
    checkpoint_size: u64,
    checkpoint_at: Option<Duration>,
    /// What failed, and until when it is left alone.
    held_back: HashMap<Vec<u8>, Duration>,
}

/// What a tick did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ticked {
    /// Keys rotated.
    pub rotated: usize,
    /// Rotations that were passed over, because the key's state or its tenant's forbids them.
    pub skipped: usize,
    /// Keys destroyed.
    pub destroyed: usize,
    /// Keys of which imported material was taken away, because its time was up.
    pub expired: usize,
    /// Acts that failed and stay due.
    pub failed: usize,
    /// Destruction and expiry wait, because the clock jumped.
    pub clock_jumped: bool,
}

impl Engine {
    /// Does what is due. Blocks; for a thread of its own.
    ///
    /// # Errors
    /// When the store or the log can't serve; what is due stays due.
    pub fn tick(self: &Arc<Self>, dialect: &'static dyn Dialect) -> Result<Ticked, EngineError> {
        self.record_counted_failures();
        self.record_counted_refusals();
        self.end_doubts()?;
        self.clear_outbox()?;
        self.save_head()?;
        let (now, clock_jumped) = self.watch_clock()?;
        let mut ticked = Ticked { clock_jumped, ..Ticked::default() };
        if let Err(error) = self.do_due(dialect, now, &mut ticked) {
            // What was done before is counted all the same.
            tracing::warn!(%error, "what is due could not be read; the next tick goes on");
            ticked.failed += 1;
        }
        if let Err(error) = self.fold_usage_if_due() {
            tracing::warn!(%error, "the log could not be counted for the usage ledger; it is counted later");
        }
        if !clock_jumped && let Err(error) = self.destroy_loose(dialect, now) {
            tracing::warn!(%error, "objects that no key owns could not be read; the next tick looks again");
        }
        self.try_stores();
        if let Err(error) = self.pursue_connections(dialect, now) {
            tracing::warn!(%error, "links that are being connected could not be read; the next tick looks again");
        }
        self.sweep_if_due(dialect);
        self.write_some_meanings(dialect);
        self.vault.catch_up();
        self.vault.expire();
        self.externals.expire(self.clock.since_boot());
        self.checkpoint_if_due()?;
        Ok(ticked)
    }

    /// Does the acts that are due at `now`, in the order of their times, at most so many.
    fn do_due(&self, dialect: &'static dyn Dialect, now: Timestamp, ticked: &mut Ticked) -> Result<(), EngineError> {
        let boot = self.clock.since_boot();
        self.scheduler.0.lock().held_back.retain(|_, until| *until > boot);
        let mut after: Option<Vec<u8>> = None;
        let mut acts = 0;
        loop {
            let rows = self.catalog.snapshot()?.scan(Table::Schedule, &[], after.as_deref(), SCAN_ROWS)?;
            for row in &rows {
                let Some((at, due, key)) = parse_schedule(&row.key) else { continue };
                if at > now || acts >= ACTS {
                    return Ok(());
                }
                let waits = takes_material(due) && ticked.clock_jumped;
                if waits || self.scheduler.0.lock().held_back.contains_key(&row.key) {
                    continue;
                }
                acts += 1;
                let done = match due {
                    Due::Rotation => self.rotate_due(dialect, key, ticked),
                    Due::Destruction => self.destroy_due(dialect, key, at, now, ticked),
                    Due::Expiry => self.expire_due(dialect, key, at, now, ticked),
                };
                if let Err(error) = done {
                    tracing::warn!(%key, ?due, %error, "what was due could not be done; it stays due");
                    ticked.failed += 1;
                    self.scheduler.0.lock().held_back.insert(row.key.clone(), boot + HOLD_BACK);
                }
            }
            match rows.last() {
                Some(last) if rows.len() == SCAN_ROWS => after = Some(last.key.clone()),
                _ => return Ok(()),
            }
        }
    }

    fn rotate_due(&self, dialect: &'static dyn Dialect, key: KeyId, ticked: &mut Ticked) -> Result<(), EngineError> {
        let call = Call::internal("scheduler", "RotateKey", dialect);
        match self.perform_blocking(call, RotateDue { key: KeyReference::Id(key) }, Mode::Run) {
            Ok(rotated) => ticked.rotated += usize::from(rotated),
            // A key that is suspended or about to be destroyed is not rotated; the date passes without an act.
            Err(EngineError::StateForbids { .. } | EngineError::TenantSuspended) => {
                ticked.skipped += usize::from(self.skip_rotation(dialect, key)?);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Moves the due date of a rotation that its key's state forbids by one period.
    fn skip_rotation(&self, dialect: &'static dyn Dialect, key: KeyId) -> Result<bool, EngineError> {
        let call = Call::internal("scheduler", "SkipRotation", dialect);
        self.perform_blocking(call, SkipRotation { key: KeyReference::Id(key) }, Mode::Run)
    }

    /// Destroys a key whose time had come at `now`, then its grants, a stretch at a time.
    fn destroy_due(
        &self,
        dialect: &'static dyn Dialect,
        key: KeyId,
        due: Timestamp,
        now: Timestamp,
        ticked: &mut Ticked,
    ) -> Result<(), EngineError> {
        loop {
            let call = Call::internal("scheduler", "DestroyKey", dialect);
            let destroy = DestroyKey { key: KeyReference::Id(key), due, now };
            let done = self.perform_blocking(call, destroy, Mode::Run)?;
            ticked.destroyed += usize::from(done.destroyed);
            if !done.more {
                return Ok(());
            }
        }
    }

    /// Takes away the imported material of a key whose time had come at `now`.
    fn expire_due(
        &self,
        dialect: &'static dyn Dialect,
        key: KeyId,
        due: Timestamp,
        now: Timestamp,
        ticked: &mut Ticked,
    ) -> Result<(), EngineError> {
        let call = Call::internal("scheduler", "ExpireMaterial", dialect);
        let expire = ExpireMaterial { key: KeyReference::Id(key), due, now };
        ticked.expired += usize::from(self.perform_blocking(call, expire, Mode::Run)?);
        Ok(())
    }

    /// Compares what both clocks have gone since the start, and the wall clock with the latest time that the store has seen;
    /// returns the time that it judged, and whether that is one after a jump. A jump is kept in the store until an
    /// operator confirms the time, and only then do the clocks count from where they are.
    fn watch_clock(&self) -> Result<(Timestamp, bool), EngineError> {
        let (now, boot) = (self.clock.now(), self.clock.since_boot());
        let anchor = self.scheduler.0.lock().anchor;
        let read = self.catalog.snapshot()?.get(Table::Installation, CLOCK_KEY)?;
        let known: Option<ClockRow> = read.as_ref().map(|row| rows::decode("the clock", &row.value)).transpose()?;
        let known = known.unwrap_or_default();
        let expected = anchor.map_or(now, |(was, was_boot)| was.after(boot.saturating_sub(was_boot)));
        let mut jumped = now.since(expected).max(expected.since(now)) > limits::CLOCK_JUMP;
        jumped |= known.latest.since(now) > limits::CLOCK_JUMP;
        // While nobody looked, the clock may have been set to any time.
        let unwatched = anchor.is_none() && read.is_some() && now.since(known.latest) > limits::CLOCK_UNWATCHED;
        jumped |= unwatched && self.destruction_is_due(now)?;
        if jumped && !known.jumped {
            tracing::error!(?expected, latest = ?known.latest, ?now, "the clock jumped; destruction waits until an operator confirms the time");
        }
        let drifted = jumped;
        jumped |= known.jumped;
        let latest = if jumped { known.latest } else { known.latest.max(now) };
        let mut held = jumped == known.jumped;
        if !held || latest.since(known.latest) >= CLOCK_STEP {
            let row = rows::encode(&ClockRow { latest, jumped });
            let mut batch = Batch::default();
            match &read {
                Some(read) => batch.replace(Table::Installation, read, row),
                None => batch.insert(Table::Installation, CLOCK_KEY.to_vec(), row),
            }
            match self.catalog.store().commit(batch) {
                Ok(_) => held = true,
                // Another node, or an operator, was first; the next tick looks again.
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if held && (anchor.is_none() || drifted) {
            self.scheduler.0.lock().anchor = Some((now, boot));
        }
        Ok((now, jumped))
    }

    /// Whether any destruction or expiry would be done at `now`.
    fn destruction_is_due(&self, now: Timestamp) -> Result<bool, EngineError> {
        let snapshot = self.catalog.snapshot()?;
        let mut after: Option<Vec<u8>> = None;
        loop {
            let rows = snapshot.scan(Table::Schedule, &[], after.as_deref(), SCAN_ROWS)?;
            for (at, due, _) in rows.iter().filter_map(|row| parse_schedule(&row.key)) {
                if at > now {
                    return Ok(false);
                }
                if takes_material(due) {
                    return Ok(true);
                }
            }
            match rows.last() {
                Some(last) if rows.len() == SCAN_ROWS => after = Some(last.key.clone()),
                _ => return Ok(false),
            }
        }
    }

    /// Tells the store where the log stands, so that a log that lost records is noticed.
    fn save_head(&self) -> Result<(), EngineError> {
        let head = self.log.head();
        if self.scheduler.0.lock().head_size == head.size {
            return Ok(());
        }
        let mut batch = Batch::default();
        batch.put(Table::Installation, head_key(&head.origin), rows::encode(&HeadRow::of(&head)));
        self.catalog.store().commit(batch)?;
        self.scheduler.0.lock().head_size = head.size;
        Ok(())
    }

    fn checkpoint_if_due(&self) -> Result<(), EngineError> {
        let now = self.clock.since_boot();
        let due = {
            let memory = self.scheduler.0.lock();
            memory.checkpoint_at.is_none_or(|at| now.saturating_sub(at) >= CHECKPOINT_INTERVAL)
                && memory.checkpoint_size != self.log.head().size
        };
        if due { self.checkpoint() } else { Ok(()) }
    }

    /// Signs where the log stands and writes that into it: every ten seconds, and at shutdown.
    ///
    /// # Errors
    /// When no root can sign, or the log can't be written.
    pub fn checkpoint(&self) -> Result<(), EngineError> {
        let checkpoint = self.log.checkpoint();
        let text = checkpoint.text();
        let size = checkpoint.size;
        let mut signatures: Vec<NoteSignature> = Vec::new();
        let mut failure = None;
        for root in self.vault.roots().iter() {
            match sign(&**root, &checkpoint.origin, &text) {
                Ok(signature) => signatures.push(signature),
                Err(error) => failure = Some(error),
            }
        }
        match (signatures.is_empty(), failure) {
            (true, Some(error)) => return Err(error.into()),
            (true, None) => return Err(EngineError::Unavailable(Unavailable::Sealed)),
            (false, _) => {}
        }
        let note = checkpoint.signed(signatures).to_string();
        self.log.append_note(note).wait().map_err(|cause| crate::perform::log_error(&cause))?;
        let mut memory = self.scheduler.0.lock();
        memory.checkpoint_size = size;
        memory.checkpoint_at = Some(self.clock.since_boot());
        Ok(())
    }
}

/// One signature line. The key bears the log's origin as its name, as verifiers of checkpoints expect.
pub(crate) fn sign(root: &dyn RootOfTrust, origin: &str, text: &str) -> Result<NoteSignature, RootError> {
    let unfit = |_| RootError::Unsupported { mechanism: "a checkpoint key that can stand in a note".to_owned() };
    let key = VerifierKey::new(origin, root.checkpoint_key()?).map_err(unfit)?;
    Ok(key.signature(&root.sign_checkpoint(text.as_bytes())?))
}

/// Whether an act takes away what a clock that jumped must not take.
const fn takes_material(due: Due) -> bool {
    matches!(due, Due::Destruction | Due::Expiry)
}

fn parse_schedule(key: &[u8]) -> Option<(Timestamp, Due, KeyId)> {
    let (at, rest) = key.split_first_chunk::<8>()?;
    let (due, key) = rest.split_first()?;
    let due = match due {
        1 => Due::Rotation,
        2 => Due::Destruction,
        3 => Due::Expiry,
        _ => return None,
    };
    Some((Timestamp(u64::from_be_bytes(*at)), due, KeyId::from_slice(key)?))
}
