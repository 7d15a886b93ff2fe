//! The parent's end of a running child: requests out, answers back to whoever waits.
//!
//! All callers send on one socket, from which whichever session is free receives. Each has a lane for the time of its call:
//! a socket of its own for the answer, so that a call wakes one thread there and one here, and no other on the way.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{Shutdown, shutdown};

use crate::limits::HANG_LEAST;
use crate::packets::{Incoming, Patience, Room, SendError, timeout_within};
use crate::protocol::{Call, Fault, Moment, Reply, Request, Response};

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

/// A running child, as callers see it.
pub(crate) struct Link {
    socket: OwnedFd,
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
    /// `socket` is the child's, `lanes` are the ones that it was given the other ends of, in that order.
    pub(crate) fn new(socket: OwnedFd, lanes: Vec<OwnedFd>, limit: usize) -> Self {
        let lane = |(number, socket)| Lane { number, socket, room: Room::new(), timeout: Duration::ZERO, owed: 0 };
        let state = State {
            next: 1,
            waiting: HashMap::new(),
            lanes: (0..).zip(lanes).map(lane).collect(),
            last_answer: Instant::now(),
            answers: 0,
            fatal: None,
            ended: false,
        };
        Self {
            socket,
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

    /// Sends a call, for whose turn it waits no longer than until `turn`; its answer can be waited for.
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
        match lane.room.send(&self.socket, &request, deadline) {
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

    /// Notes an answer, whoever it is for.
    fn note(&self, response: &Response) {
        let fatal = match &response.outcome {
            Err(fault @ (Fault::Lost(_) | Fault::WrongPin)) => Some(fault.clone()),
            _ => None,
        };
        let mut state = self.state.lock();
        state.last_answer = Instant::now();
        state.answers += 1;
        state.waiting.remove(&response.id);
        if let Some(fault) = fatal {
            state.fatal.get_or_insert(fault);
            drop(state);
            // No call is taken any more before anyone gets this answer: whoever does may call again at once.
            self.close();
        }
    }

    /// Takes in the answers that nobody waits for any more.
    pub(crate) fn collect(&self) {
        let owing: Vec<Lane> = self.state.lock().lanes.extract_if(.., |lane| lane.owed > 0).collect();
        for mut lane in owing {
            while lane.owed > 0
                && let Ok(Incoming::Message(response)) = lane.room.receive(&lane.socket, Patience::Look)
            {
                lane.owed -= 1;
                self.note(&response);
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
        drop(state);
        self.ended.notify_all();
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
                self.link.note(&response);
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
mod tests {
    use super::*;
    use crate::packets;

    const LONG: Duration = Duration::from_secs(60);
    const SOON: Duration = Duration::from_millis(20);

    /// The other ends: what a child would hold.
    struct Child {
        socket: OwnedFd,
        lanes: Vec<OwnedFd>,
    }

    impl Child {
        fn request(&self) -> Request {
            match Room::new().receive(&self.socket, Patience::Wait).unwrap() {
                Incoming::Message(request) => request,
                _ => panic!("no request"),
            }
        }

        fn answer(&self, request: &Request, outcome: Outcome) {
            let response = Response { id: request.id, outcome };
            Room::new().send(&self.lanes[request.lane as usize], &response, Instant::now()).unwrap();
        }
    }

    fn link(lanes: usize, limit: usize) -> (Link, Child) {
        let (ours, theirs) = packets::pair().unwrap();
        let pairs: Vec<_> = (0..lanes).map(|_| packets::pair().unwrap()).collect();
        let (near, far) = pairs.into_iter().unzip();
        (Link::new(ours, near, limit), Child { socket: theirs, lanes: far })
    }

    fn send(link: &Link) -> Result<Flight<'_>, Unsent> {
        let now = Instant::now();
        link.send(&Call::Probe, now + LONG, now + SOON)
    }

    fn number(outcome: &Result<Outcome, NoAnswer>) -> Option<u8> {
        match outcome {
            Ok(Ok(Reply::Public(bytes))) => bytes.first().copied(),
            _ => None,
        }
    }

    fn numbered(number: u8) -> Outcome {
        Ok(Reply::Public(vec![number].into()))
    }

    #[test]
    fn answers_reach_those_who_wait_for_them_in_any_order() {
        let (link, child) = link(2, 8);
        let (mut first, mut second) = (send(&link).unwrap(), send(&link).unwrap());
        let (one, two) = (child.request(), child.request());
        child.answer(&two, numbered(2));
        assert!(matches!(first.look(), Err(NoAnswer::Late)));
        assert_eq!(number(&second.wait_until(Instant::now() + LONG)), Some(2));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| first.wait_until(Instant::now() + LONG));
            child.answer(&one, numbered(1));
            assert_eq!(number(&waiting.join().unwrap()), Some(1));
        });
        assert_eq!(link.answers(), 2);
    }

    #[test]
    fn an_answer_that_comes_too_late_is_taken_in_and_not_mistaken_for_the_next_ones() {
        let (link, child) = link(1, 8);
        let late = |link: &Link| {
            let mut flight = send(link).unwrap();
            assert!(matches!(flight.wait_until(Instant::now() + SOON), Err(NoAnswer::Late)));
            child.request()
        };
        let given_up = late(&link);
        let mut next = send(&link).unwrap();
        child.answer(&given_up, numbered(1));
        child.answer(&child.request(), numbered(2));
        assert_eq!(number(&next.wait_until(Instant::now() + LONG)), Some(2));
        drop(next);
        let given_up = late(&link);
        assert!(link.hangs(Instant::now() + LONG * 2));
        child.answer(&given_up, numbered(3));
        link.collect();
        assert!(!link.hangs(Instant::now() + LONG * 2));
        assert_eq!(link.answers(), 3);
    }

    #[test]
    fn without_a_lane_a_call_waits_for_its_turn_and_beyond_the_limit_it_is_refused() {
        let (link, _child) = link(1, 2);
        let flight = send(&link).unwrap();
        assert_eq!(send(&link).err(), Some(Unsent::Late));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| link.send(&Call::Probe, Instant::now() + LONG, Instant::now() + LONG).is_ok());
            drop(flight);
            assert!(waiting.join().unwrap());
        });
        // Both were given up, and neither was answered.
        assert_eq!(send(&link).err(), Some(Unsent::Full));
    }

    #[test]
    fn who_waits_learns_that_the_child_has_ended_once_the_tokens_health_may_tell() {
        let (link, child) = link(1, 8);
        let mut flight = send(&link).unwrap();
        drop(child);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| flight.wait_until(Instant::now() + LONG));
            while !link.refuses() {
                std::thread::yield_now();
            }
            assert!(!waiting.is_finished());
            link.end();
            assert!(matches!(waiting.join().unwrap(), Err(NoAnswer::Gone)));
        });
        assert_eq!(send(&link).err(), Some(Unsent::Ended));
    }

    #[test]
    fn no_call_is_taken_any_more_before_anyone_learns_that_the_token_is_lost() {
        let (link, child) = link(2, 8);
        let mut flight = send(&link).unwrap();
        child.answer(&child.request(), Err(Fault::Lost("lost".into())));
        assert!(!link.refuses());
        assert!(matches!(flight.look(), Ok(Err(Fault::Lost(_)))));
        assert_eq!((send(&link).err(), link.fatal()), (Some(Unsent::Ended), Some(Fault::Lost("lost".into()))));
        // The supervisor sees it.
        assert!(matches!(Room::new().receive::<Response>(link.socket(), Patience::Wait), Ok(Incoming::End)));
    }
}
