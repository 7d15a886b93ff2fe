//! Requests that are due at a fixed rate, whether or not earlier ones are answered.
//!
//! Each takes the connection that has been free for longest, and its time counts from when it was due, so that a server
//! that stops for a while is charged with every request that would have come meanwhile. One that finds no connection
//! free is counted, not sent.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::Result;
use crate::client::{Answer, Ask, Client};
use crate::load::Outcome;

/// Requests that are due within so much time are sent together, at its end.
const BEAT: Duration = Duration::from_micros(500);
/// The longest that a patient client waits before it asks again once it was refused.
const BACK_OFF: Duration = Duration::from_secs(1);

/// What became of the requests that were due.
#[derive(Default)]
pub(crate) struct Offered {
    pub(crate) due: usize,
    pub(crate) unsent: usize,
    pub(crate) outcome: Outcome,
}

/// A connection whose request is answered, or failed, and how long after it was due.
type Returned = Result<(Client, Answer, Duration)>;

/// The connections, and what they came to until now.
struct Clients {
    free: VecDeque<Client>,
    returned: UnboundedReceiver<Returned>,
    under_way: usize,
    offered: Offered,
}

/// Sends requests at a rate for some time. A patient client that is refused waits a random time, as AWS's SDKs do.
pub(crate) async fn offer(
    clients: &mut Vec<Client>,
    ask: &Arc<Ask>,
    rate: f64,
    time: Duration,
    patient: bool,
) -> Result<Offered> {
    let (back, returned) = unbounded_channel();
    let free = std::mem::take(clients).into();
    let mut at_work = Clients { free, returned, under_way: 0, offered: Offered::default() };
    let mut back_off = 0u32;
    let begun = Instant::now();
    let mut beats = beat(begun + time);
    while beats.recv().await.is_some() {
        let due = (begun.elapsed().min(time).as_secs_f64() * rate) as usize;
        at_work.collect()?;
        while at_work.offered.due < due {
            let when = begun + Duration::from_secs_f64(at_work.offered.due as f64 / rate);
            at_work.offered.due += 1;
            let Some(client) = at_work.free.pop_front() else {
                at_work.offered.unsent += 1;
                continue;
            };
            at_work.under_way += 1;
            // Spread evenly over the whole, by the golden ratio: no two that follow each other wait alike.
            back_off = back_off.wrapping_add(2_654_435_769);
            let wait =
                if patient { BACK_OFF.mul_f64(f64::from(back_off) / f64::from(u32::MAX)) } else { Duration::ZERO };
            tokio::spawn(send(client, Arc::clone(ask), when, wait, back.clone()));
        }
    }
    while at_work.under_way > 0 {
        let answered = at_work.returned.recv().await.ok_or("every connection is gone")?;
        at_work.keep(answered?);
    }
    *clients = at_work.free.into();
    Ok(at_work.offered)
}

/// Tells when it is time to look what is due, from a thread of its own: the timers of a runtime are too coarse.
#[expect(clippy::disallowed_methods, reason = "the clock is what decides when a request is due")]
fn beat(end: Instant) -> UnboundedReceiver<()> {
    let (beat, beats) = unbounded_channel();
    std::thread::spawn(move || {
        let mut next = Instant::now();
        while next < end && beat.send(()).is_ok() {
            next += BEAT;
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    });
    beats
}

/// One request; a client that is refused comes back once it has waited.
async fn send(mut client: Client, ask: Arc<Ask>, due: Instant, wait: Duration, back: UnboundedSender<Returned>) {
    let answered = client.offer(&ask).await;
    let took = due.elapsed();
    if matches!(answered, Ok(Answer::Refused(_))) {
        tokio::time::sleep(wait).await;
    }
    // Nobody takes it back where another's failure has ended the benchmark.
    let _ = back.send(answered.map(|answer| (client, answer, took)));
}

impl Clients {
    fn collect(&mut self) -> Result<()> {
        while let Ok(answered) = self.returned.try_recv() {
            self.keep(answered?);
        }
        Ok(())
    }

    fn keep(&mut self, (client, answer, took): (Client, Answer, Duration)) {
        self.under_way -= 1;
        self.free.push_back(client);
        self.offered.outcome.note(answer, took);
    }
}
