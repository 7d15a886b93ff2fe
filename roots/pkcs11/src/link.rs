//! The parent's end of a running child: requests out, answers back to whoever waits.
//!
//! All callers send on one socket, from which whichever session is free receives. Whoever waits for an answer has a lane for
//! the time of its call: a socket of its own, so that a call wakes one thread there and one here, and no other on the way.
//! The answers that no thread waits for share one lane, so that one wake is for all that are there; whoever finds one there,
//! or that one is late or will not come, ends the call.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{Shutdown, shutdown};
use tokio::runtime::Handle;

use crate::limits::HANG_LEAST;
use crate::packets::{Incoming, Patience, Room, SendError, timeout_within};
use crate::protocol::{Call, Fault, Moment, Reply, Request, Response};
use crate::reader;

/// What a waiting caller gets, unless the child ends first.
pub(crate) type Outcome = Result<Reply, Fault>;

/// Why a call could not be handed to the child.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unsent {
    /// As many calls as allowed are under way.
    Full,
    /// The deadline passed before it was this call's turn to be sent.
    Late,
    /// The child has ended or is ending, and knows nothing of the call.
    Ended,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// None yet.
    Late,
    /// None will come.
    Gone,
}

/// How a call ended that no thread waits for.
pub(crate) enum Ending {
    Answer(Outcome),
    None(NoAnswer),
    Unsent(Unsent),
}

/// What is done then; on a thread that must not be kept.
pub(crate) type AfterCall = Box<dyn FnOnce(Ending) + Send>;

/// What was found on the common lane.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Drained {
    /// All that was there is taken in.
    All,
    /// There may be more.
    Part,
    /// Nothing will come any more.
    End,
}

/// Our ends of the sockets on which a child answers.
pub(crate) struct Lanes {
    /// The one for all calls that no thread waits for.
    pub(crate) common: OwnedFd,
    /// Those that callers have for the time of a call.
    pub(crate) own: Vec<OwnedFd>,
}

/// The number of the common lane; the others follow.
const COMMON: u32 = 0;

/// A running child, as callers see it.
pub(crate) struct Link {
    socket: OwnedFd,
    common: OwnedFd,
    /// Whether a task reads the common lane.
    read: AtomicBool,
    /// Whether further calls are refused; those under way may still be answered.
    refuses: AtomicBool,
    /// Whether the child is being ended.
    closed: AtomicBool,
    state: Mutex<State>,
    lane_freed: Condvar,
    ended: Condvar,
    limit: usize,
}

struct State {
    next: u64,
    /// Requests under way, by number. They stay here when their callers give up, until the child answers or is found to hang.
    waiting: HashMap<u64, Sent>,
    lanes: Vec<Lane>,
    /// Of those, the ones that no thread waits for.
    begun: HashMap<u64, Begun>,
    /// When somebody has to look for those that are late.
    alarm: Option<Instant>,
    /// Wakes who does.
    waker: Option<Waker>,
    /// To send them from: as many as threads ever did at once.
    rooms: Vec<Room>,
    last_answer: Instant,
    answers: u64,
    /// What the child answered that makes it of no more use.
    fatal: Option<Fault>,
    ended: bool,
}

struct Sent {
    at: Instant,
    deadline: Instant,
}

struct Begun {
    deadline: Instant,
    after: AfterCall,
}

/// Where answers to one caller after the other arrive.
struct Lane {
    number: u32,
    socket: OwnedFd,
    room: Room,
    timeout: Duration,
    /// To how many requests the answers are still to come, although nobody waits for them any more.
    owed: usize,
}

impl Link {
    /// `socket` is the child's, `lanes` are the ones that it was given the other ends of, the common one first.
    pub(crate) fn new(socket: OwnedFd, lanes: Lanes, limit: usize) -> Self {
        let Lanes { common, own } = lanes;
        let lane = |(number, socket)| Lane { number, socket, room: Room::new(), timeout: Duration::ZERO, owed: 0 };
        let state = State {
            next: 1,
            waiting: HashMap::new(),
            lanes: (COMMON + 1..).zip(own).map(lane).collect(),
            begun: HashMap::new(),
            alarm: None,
            waker: None,
            rooms: Vec::new(),
            last_answer: Instant::now(),
            answers: 0,
            fatal: None,
            ended: false,
        };
        Self {
            socket,
            common,
            read: AtomicBool::new(false),
            refuses: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            state: Mutex::new(state),
            lane_freed: Condvar::new(),
            ended: Condvar::new(),
            limit,
        }
    }

    /// The child's socket.
    pub(crate) const fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    /// Sends a call, for whose turn, a lane and a place on the socket, it waits no longer than until `turn`; its answer can be
    /// waited for.
    pub(crate) fn send(&self, call: &Call, deadline: Instant, turn: Instant) -> Result<Flight<'_>, Unsent> {
        let mut state = self.state.lock();
        let lane = loop {
            if self.refuses() {
                return Err(Unsent::Ended);
            }
            if state.waiting.len() >= self.limit {
                return Err(Unsent::Full);
            }
            match state.lanes.pop() {
                Some(lane) => break lane,
                None if self.lane_freed.wait_until(&mut state, turn).timed_out() => return Err(Unsent::Late),
                None => {}
            }
        };
        let (id, number) = (state.next, lane.number);
        state.next += 1;
        state.waiting.insert(id, Sent { at: Instant::now(), deadline });
        drop(state);
        let mut flight = Flight { link: self, lane: Some(lane), id, answered: false };
        let request = Request { id, lane: number, until: Moment::of(deadline), call };
        let Some(lane) = &mut flight.lane else { return Err(Unsent::Ended) };
        match lane.room.send(&self.socket, &request, turn) {
            Ok(()) => Ok(flight),
            Err(error) => {
                flight.answered = true;
                self.state.lock().waiting.remove(&id);
                match error {
                    SendError::Late => Err(Unsent::Late),
                    // This child is of no more use. The supervisor sees the socket's end.
                    SendError::Failed => {
                        self.close();
                        Err(Unsent::Ended)
                    }
                }
            }
        }
    }

    /// Sends a call that no thread waits for. `after` is told how it ended, at its deadline at the latest, by whoever finds
    /// that it has; at once when it can't be sent without waiting, or nobody would read the answer.
    pub(crate) fn begin(self: &Arc<Self>, call: &Call, deadline: Instant, after: AfterCall) {
        if self.refuses() {
            return after(Ending::Unsent(Unsent::Ended));
        }
        if !self.is_read() {
            return after(Ending::Unsent(Unsent::Late));
        }
        let mut state = self.state.lock();
        if self.refuses() || state.waiting.len() >= self.limit {
            drop(state);
            return after(Ending::Unsent(if self.refuses() { Unsent::Ended } else { Unsent::Full }));
        }
        let (id, now) = (state.next, Instant::now());
        state.next += 1;
        state.waiting.insert(id, Sent { at: now, deadline });
        state.begun.insert(id, Begun { deadline, after });
        let is_sooner = state.alarm.is_none_or(|at| deadline < at);
        if is_sooner {
            state.alarm = Some(deadline);
        }
        let waker = state.waker.take_if(|_| is_sooner);
        let mut room = state.rooms.pop().unwrap_or_else(Room::new);
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        let sent = room.send(&self.socket, &Request { id, lane: COMMON, until: Moment::of(deadline), call }, now);
        let mut state = self.state.lock();
        state.rooms.push(room);
        let Err(error) = sent else { return };
        state.waiting.remove(&id);
        // Where it is not there, its end was told.
        let begun = state.begun.remove(&id);
        drop(state);
        let unsent = match error {
            SendError::Late => Unsent::Late,
            SendError::Failed => {
                self.close();
                Unsent::Ended
            }
        };
        if let Some(begun) = begun {
            (begun.after)(Ending::Unsent(unsent));
        }
    }

    /// Whether a task reads the common lane, from now on at least.
    fn is_read(self: &Arc<Self>) -> bool {
        if self.read.load(Ordering::Acquire) {
            return true;
        }
        let Ok(runtime) = Handle::try_current() else { return false };
        if self.read.swap(true, Ordering::AcqRel) {
            return true;
        }
        let begun = reader::begin(self, &runtime);
        if !begun {
            self.is_no_longer_read();
        }
        begun
    }

    /// The task that read the common lane has ended.
    pub(crate) fn is_no_longer_read(&self) {
        self.read.store(false, Ordering::Release);
    }

    /// Our end of the common lane.
    pub(crate) const fn common(&self) -> &OwnedFd {
        &self.common
    }

    /// Takes in answers on the common lane, so many at most, and ends the calls that they are for.
    pub(crate) fn drain(&self, room: &mut Room, most: usize) -> Drained {
        for _ in 0..most {
            match room.receive::<Response>(&self.common, Patience::Look) {
                Ok(Incoming::Message(response)) => {
                    if let Some(begun) = self.note(&response) {
                        (begun.after)(Ending::Answer(response.outcome));
                    }
                }
                Ok(Incoming::Nothing) => return Drained::All,
                Ok(Incoming::End) | Err(_) => {
                    self.close();
                    return Drained::End;
                }
            }
        }
        Drained::Part
    }

    /// When somebody has to look for calls that are late; `waker` wakes whoever does, once that is sooner.
    pub(crate) fn alarm(&self, waker: &Waker) -> Option<Instant> {
        let mut state = self.state.lock();
        match &mut state.waker {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        state.alarm
    }

    /// Ends the calls that are late. Their answers are still to come.
    pub(crate) fn expire(&self, now: Instant) {
        let mut state = self.state.lock();
        let late: Vec<Begun> =
            state.begun.extract_if(|_, begun| begun.deadline <= now).map(|(_, begun)| begun).collect();
        state.alarm = state.begun.values().map(|begun| begun.deadline).min();
        drop(state);
        for begun in late {
            (begun.after)(Ending::None(NoAnswer::Late));
        }
    }

    /// Notes an answer, whoever it is for; the call, if no thread waits for it.
    fn note(&self, response: &Response) -> Option<Begun> {
        let fatal = match &response.outcome {
            Err(fault @ (Fault::Lost(_) | Fault::WrongPin)) => Some(fault.clone()),
            _ => None,
        };
        let mut state = self.state.lock();
        state.last_answer = Instant::now();
        state.answers += 1;
        state.waiting.remove(&response.id);
        let begun = state.begun.remove(&response.id);
        if let Some(fault) = fatal {
            state.fatal.get_or_insert(fault);
            drop(state);
            // No call is taken any more before anyone gets this answer: whoever does may call again at once.
            self.close();
        }
        begun
    }

    /// Takes in the answers that nobody waits for any more, and whatever else of those that no thread waits for their task
    /// has not come to.
    pub(crate) fn collect(&self) {
        let mut state = self.state.lock();
        if !state.waiting.is_empty() {
            let mut room = state.rooms.pop().unwrap_or_else(Room::new);
            drop(state);
            // All of them: no call is late whose answer is there.
            self.drain(&mut room, self.limit);
            self.expire(Instant::now());
            state = self.state.lock();
            state.rooms.push(room);
        }
        drop(state);
        let owing: Vec<Lane> = self.state.lock().lanes.extract_if(.., |lane| lane.owed > 0).collect();
        for mut lane in owing {
            while lane.owed > 0
                && let Ok(Incoming::Message(response)) = lane.room.receive(&lane.socket, Patience::Look)
            {
                lane.owed -= 1;
                drop(self.note(&response));
            }
            self.free(lane);
        }
    }

    fn free(&self, lane: Lane) {
        self.state.lock().lanes.push(lane);
        self.lane_freed.notify_one();
    }

    /// How many answers came.
    pub(crate) fn answers(&self) -> u64 {
        self.state.lock().answers
    }

    /// What the child answered that makes it of no more use, if it did.
    pub(crate) fn fatal(&self) -> Option<Fault> {
        self.state.lock().fatal.clone()
    }

    /// Whether the child hangs: nothing at all was answered since a request was sent that is past its deadline, or a
    /// request is unanswered after twice its time. A slow token is no hanging one: short deadlines count as `HANG_LEAST`.
    pub(crate) fn hangs(&self, now: Instant) -> bool {
        let state = self.state.lock();
        state.waiting.values().any(|sent| {
            let allowed = sent.deadline.saturating_duration_since(sent.at).max(HANG_LEAST);
            let age = now.saturating_duration_since(sent.at);
            age > allowed && (state.last_answer < sent.at || age > allowed * 2)
        })
    }

    /// Refuses further calls and has the supervisor see the socket's end.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.refuse();
        // Fails only if the other end has closed it already.
        let _ = shutdown(&self.socket, Shutdown::Both);
    }

    /// Whether the socket's end is on its way: why, the end tells.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Whether further calls are refused.
    pub(crate) fn refuses(&self) -> bool {
        self.refuses.load(Ordering::Acquire)
    }

    /// Whether no call is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.state.lock().waiting.is_empty()
    }

    /// Refuses further calls; those under way may still be answered.
    pub(crate) fn refuse(&self) {
        self.refuses.store(true, Ordering::Release);
        // Whoever is about to wait for a lane holds the lock, and has not looked, or waits already.
        drop(self.state.lock());
        self.lane_freed.notify_all();
    }

    /// Waits for the supervisor to know that the child has ended, so that the token's health says so.
    fn await_end(&self, until: Instant) {
        let mut state = self.state.lock();
        while !state.ended && !self.ended.wait_until(&mut state, until).timed_out() {}
    }

    /// Refuses further calls. To be called when the token's health tells why: callers who wait are told afterwards.
    pub(crate) fn end(&self) {
        self.refuse();
        let mut state = self.state.lock();
        state.ended = true;
        state.waiting.clear();
        let begun = std::mem::take(&mut state.begun);
        drop(state);
        self.ended.notify_all();
        for begun in begun.into_values() {
            (begun.after)(Ending::None(NoAnswer::Gone));
        }
    }
}

/// A call under way.
pub(crate) struct Flight<'a> {
    link: &'a Link,
    /// There until it is dropped.
    lane: Option<Lane>,
    id: u64,
    answered: bool,
}

impl Flight<'_> {
    /// Waits for the answer until a time.
    pub(crate) fn wait_until(&mut self, deadline: Instant) -> Result<Outcome, NoAnswer> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.receive(left) {
                Ok(None) if !left.is_zero() => {}
                Ok(found) => return found.ok_or(NoAnswer::Late),
                Err(none) => {
                    self.link.await_end(deadline);
                    return Err(none);
                }
            }
        }
    }

    /// The answer, if it is there.
    pub(crate) fn look(&mut self) -> Result<Outcome, NoAnswer> {
        self.receive(Duration::ZERO)?.ok_or(NoAnswer::Late)
    }

    /// The answer, if it comes within some time, or a part of it.
    fn receive(&mut self, left: Duration) -> Result<Option<Outcome>, NoAnswer> {
        let Some(lane) = &mut self.lane else { return Err(NoAnswer::Gone) };
        let patience = if left.is_zero() { Patience::Look } else { Patience::Wait };
        let timeout = timeout_within(left);
        if patience == Patience::Wait && lane.timeout != timeout {
            set_socket_timeout(&lane.socket, Timeout::Recv, Some(timeout)).map_err(|_| NoAnswer::Gone)?;
            lane.timeout = timeout;
        }
        match lane.room.receive::<Response>(&lane.socket, patience) {
            Ok(Incoming::Message(response)) => {
                drop(self.link.note(&response));
                if response.id == self.id {
                    self.answered = true;
                    return Ok(Some(response.outcome));
                }
                lane.owed = lane.owed.saturating_sub(1);
                Ok(None)
            }
            Ok(Incoming::Nothing) => Ok(None),
            Ok(Incoming::End) | Err(_) => {
                self.link.close();
                Err(NoAnswer::Gone)
            }
        }
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        if let Some(mut lane) = self.lane.take() {
            lane.owed += usize::from(!self.answered);
            self.link.free(lane);
        }
    }
}

#[cfg(test)]
mod tests;
