use std::sync::mpsc::{Receiver, channel};

use tokio::runtime::Runtime;

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
    let (common, other) = packets::pair().unwrap();
    let pairs: Vec<_> = (0..lanes).map(|_| packets::pair().unwrap()).collect();
    let (own, others): (_, Vec<_>) = pairs.into_iter().unzip();
    let lanes = std::iter::once(other).chain(others).collect();
    (Link::new(ours, Lanes { common, own }, limit), Child { socket: theirs, lanes })
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

/// Begins a call; what it is told.
fn begin(link: &Arc<Link>, within: Duration) -> Receiver<Ending> {
    let (told, tells) = channel();
    link.begin(&Call::Probe, Instant::now() + within, Box::new(move |ending| told.send(ending).unwrap()));
    tells
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn ended(tells: &Receiver<Ending>) -> Ending {
    let ending = tells.recv_timeout(LONG).unwrap();
    assert!(tells.recv().is_err(), "it is told once");
    ending
}

#[test]
fn each_call_that_was_begun_ends_with_its_own_answer_and_one_that_is_waited_for_with_its_own() {
    let (link, child) = link(1, 8);
    let (link, runtime) = (Arc::new(link), runtime());
    assert!(matches!(ended(&begin(&link, LONG)), Ending::Unsent(Unsent::Late)), "nothing would read the answer");
    let _inside = runtime.enter();
    let begun: Vec<_> = (0..3).map(|_| begin(&link, LONG)).collect();
    let mut flight = send(&link).unwrap();
    let requests: Vec<_> = (0..4).map(|_| child.request()).collect();
    for (request, number) in requests.iter().zip(0..4).rev() {
        child.answer(request, numbered(number));
    }
    for (tells, index) in begun.iter().zip(0..) {
        let Ending::Answer(outcome) = ended(tells) else { panic!() };
        assert_eq!(number(&Ok(outcome)), Some(index));
    }
    assert_eq!(number(&flight.wait_until(Instant::now() + LONG)), Some(3));
    assert_eq!(link.answers(), 4);
}

#[test]
fn a_call_that_was_begun_ends_at_its_deadline_and_stays_under_way_until_it_is_answered() {
    let (link, child) = link(1, 2);
    let (link, runtime) = (Arc::new(link), runtime());
    let inside = runtime.enter();
    let long = begin(&link, LONG);
    let late = begin(&link, SOON);
    assert!(matches!(ended(&begin(&link, LONG)), Ending::Unsent(Unsent::Full)));
    assert!(matches!(ended(&late), Ending::None(NoAnswer::Late)));
    assert!(matches!(ended(&begin(&link, LONG)), Ending::Unsent(Unsent::Full)), "both are under way");
    let (first, second) = (child.request(), child.request());
    child.answer(&second, numbered(2));
    child.answer(&first, numbered(1));
    let Ending::Answer(outcome) = ended(&long) else { panic!() };
    assert_eq!(number(&Ok(outcome)), Some(1));
    assert!(link.is_idle() && !link.hangs(Instant::now() + LONG * 3));

    // Without the task the supervisor does it.
    drop(inside);
    let (late, long) = (begin(&link, SOON), begin(&link, LONG));
    drop(runtime);
    let (_, second) = (child.request(), child.request());
    child.answer(&second, numbered(3));
    while long.try_recv().is_err() {
        link.collect();
    }
    std::thread::park_timeout(SOON);
    link.collect();
    assert!(matches!(ended(&late), Ending::None(NoAnswer::Late)));
}

#[test]
fn calls_that_were_begun_end_with_the_child_once_the_tokens_health_may_tell() {
    let (link, child) = link(1, 8);
    let (link, runtime) = (Arc::new(link), runtime());
    let _inside = runtime.enter();
    let begun: Vec<_> = (0..3).map(|_| begin(&link, LONG)).collect();
    drop(child);
    while !link.refuses() {
        std::thread::yield_now();
    }
    assert!(begun.iter().all(|tells| tells.try_recv().is_err()));
    assert!(matches!(ended(&begin(&link, LONG)), Ending::Unsent(Unsent::Ended)));
    link.end();
    assert!(begun.iter().all(|tells| matches!(ended(tells), Ending::None(NoAnswer::Gone))));
}

#[test]
fn no_call_is_begun_any_more_once_a_token_is_lost() {
    let (link, child) = link(1, 8);
    let (link, runtime) = (Arc::new(link), runtime());
    let _inside = runtime.enter();
    let tells = begin(&link, LONG);
    child.answer(&child.request(), Err(Fault::Lost("lost".into())));
    assert!(matches!(ended(&tells), Ending::Answer(Err(Fault::Lost(_)))));
    assert!(matches!(ended(&begin(&link, LONG)), Ending::Unsent(Unsent::Ended)));
}
