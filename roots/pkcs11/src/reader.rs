//! The task that takes in answers to calls which no thread waits for: all that are there each time it is woken.
//!
//! It lives on the runtime of whoever began the first such call and ends with the child, or with the runtime; then the next
//! such call begins another. Whatever it does not come to, the supervisor does: it only makes it quick. The runtime must
//! have its drivers of IO and time.
#![expect(unsafe_code, reason = "the runtime has no safe way to watch a socket that is not its own")]

use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;
use tokio::time::Sleep;

use crate::limits::ANSWERS_AT_ONCE;
use crate::link::{Drained, Link};
use crate::packets::Room;

struct Reader {
    lane: AsyncFd<Common>,
    room: Room,
    sleep: Pin<Box<Sleep>>,
    /// What the timer is set to, if it is.
    set: Option<Instant>,
}

struct Common(Arc<Link>);

impl AsRawFd for Common {
    fn as_raw_fd(&self) -> RawFd {
        self.0.common().as_raw_fd()
    }
}

/// Begins a task for a link on the runtime that this thread belongs to; `false` where that can't watch the lane.
pub(crate) fn begin(link: &Arc<Link>, runtime: &Handle) -> bool {
    // SAFETY: the link, which this keeps, owns the one socket that `Common` ever names, and closes it no sooner than it is
    // dropped itself.
    let lane = unsafe { AsyncFd::register_with_interest(Common(Arc::clone(link)), Interest::READABLE) };
    let Ok(lane) = lane else { return false };
    let sleep = Box::pin(tokio::time::sleep_until(Instant::now().into()));
    // It ends by itself.
    drop(runtime.spawn(Reader { lane, room: Room::new(), sleep, set: None }));
    true
}

impl Future for Reader {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        while let Poll::Ready(ready) = this.lane.poll_read_ready(context) {
            let Ok(mut guard) = ready else { return Poll::Ready(()) };
            match this.lane.get_ref().0.drain(&mut this.room, ANSWERS_AT_ONCE) {
                Drained::All => guard.clear_ready(),
                Drained::Part => {
                    // Others on this thread have their turn. No call is late whose answer may be there.
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Drained::End => return Poll::Ready(()),
            }
        }
        this.keep_time(context);
        Poll::Pending
    }
}

impl Reader {
    /// Ends calls whose time is up.
    fn keep_time(&mut self, context: &mut Context<'_>) {
        let link = &self.lane.get_ref().0;
        loop {
            let alarm = link.alarm(context.waker());
            let Some(at) = alarm else { return };
            if self.set != alarm {
                self.sleep.as_mut().reset(at.into());
                self.set = alarm;
            }
            if self.sleep.as_mut().poll(context).is_pending() {
                return;
            }
            self.set = None;
            link.expire(Instant::now());
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.lane.get_ref().0.is_no_longer_read();
    }
}
