//! The parent's end of a running child: requests out, answers back to whoever waits.

use std::collections::HashMap;
use std::net::Shutdown;
use std::time::Instant;

use parking_lot::Mutex;

use crate::frames::Writer;
use crate::handover::{self, Giver, Waiter};
use crate::limits::HANG_LEAST;
use crate::protocol::{Call, Fault, Reply, Request, Response};

/// What a waiting caller gets, unless the child ends first.
pub(crate) type Outcome = Result<Reply, Fault>;

/// Why a call could not be handed to the child.
pub(crate) enum Unsent {
    /// As many calls as allowed are under way.
    Full,
    /// The deadline passed before it was this call's turn to be written.
    Late,
    /// The child has ended or is ending, and knows nothing of the call.
    Ended,
}

/// A running child, as callers see it.
pub(crate) struct Link {
    socket: Mutex<Writer>,
    pending: Mutex<Pending>,
    limit: usize,
}

struct Pending {
    next: u64,
    waiting: HashMap<u64, Waiting>,
    last_answer: Instant,
    answers: u64,
    ended: bool,
}

/// A request under way. It stays here when its caller gives up, until the child answers or is found to hang.
struct Waiting {
    answer: Giver<Outcome>,
    sent: Instant,
    deadline: Instant,
}

impl Link {
    pub(crate) fn new(socket: Writer, limit: usize) -> Self {
        let pending =
            Pending { next: 1, waiting: HashMap::new(), last_answer: Instant::now(), answers: 0, ended: false };
        Self { socket: Mutex::new(socket), pending: Mutex::new(pending), limit }
    }

    /// Sends a call; its answer can be waited for.
    pub(crate) fn send(&self, call: &Call, deadline: Instant) -> Result<Waiter<Outcome>, Unsent> {
        let (answer, waiter) = handover::answer();
        let sent = Instant::now();
        let id = {
            let mut pending = self.pending.lock();
            if pending.ended {
                return Err(Unsent::Ended);
            }
            if pending.waiting.len() >= self.limit {
                return Err(Unsent::Full);
            }
            let id = pending.next;
            pending.next += 1;
            pending.waiting.insert(id, Waiting { answer, sent, deadline });
            id
        };
        let Some(mut socket) = self.socket.try_lock_until(deadline) else {
            self.pending.lock().waiting.remove(&id);
            return Err(Unsent::Late);
        };
        let budget = deadline.saturating_duration_since(Instant::now()).as_millis();
        let request = Request { id, budget: u32::try_from(budget).unwrap_or(u32::MAX), call };
        if socket.write(&request).is_err() {
            // Perhaps half a message went out: this child is of no more use. The supervisor sees the socket close.
            let _ = socket.stream().shutdown(Shutdown::Both);
            self.refuse();
            return Err(Unsent::Ended);
        }
        Ok(waiter)
    }

    /// Hands an answer to its caller, if one still waits.
    pub(crate) fn answer(&self, response: Response) {
        let mut pending = self.pending.lock();
        pending.last_answer = Instant::now();
        pending.answers += 1;
        let waiting = pending.waiting.remove(&response.id);
        drop(pending);
        if let Some(waiting) = waiting {
            waiting.answer.give(response.outcome);
        }
    }

    /// How many answers came.
    pub(crate) fn answers(&self) -> u64 {
        self.pending.lock().answers
    }

    /// Whether the child hangs: nothing at all was answered since a request was sent that is past its deadline, or a
    /// request is unanswered after twice its time. A slow token is no hanging one: short deadlines count as `HANG_LEAST`.
    pub(crate) fn hangs(&self, now: Instant) -> bool {
        let pending = self.pending.lock();
        pending.waiting.values().any(|waiting| {
            let allowed = waiting.deadline.saturating_duration_since(waiting.sent).max(HANG_LEAST);
            let age = now.saturating_duration_since(waiting.sent);
            age > allowed && (pending.last_answer < waiting.sent || age > allowed * 2)
        })
    }

    /// Refuses further calls; those under way may still be answered.
    pub(crate) fn refuse(&self) {
        self.pending.lock().ended = true;
    }

    /// Whether further calls are refused.
    pub(crate) fn refuses(&self) -> bool {
        self.pending.lock().ended
    }

    /// Whether no call is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.pending.lock().waiting.is_empty()
    }

    /// Refuses further calls and lets all waiting callers know that no answer will come.
    pub(crate) fn end(&self) {
        let mut pending = self.pending.lock();
        pending.ended = true;
        pending.waiting.clear();
    }
}
