//! Messages over pairs of `SOCK_SEQPACKET` sockets (unix(7)): each packet is one message of at most `FRAME_BYTES`, sent and
//! received whole, so that several threads may use one end without a lock.
//!
//! Rooms may hold secrets, so they never grow, and what was used of them is erased.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use minicbor::{Decode, Encode};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recv, recvmsg, send, sendmsg, socketpair,
};
use zeroize::{Zeroize, Zeroizing};

use crate::limits::{FRAME_BYTES, LANES_MOST};

/// Both ends of a new pair.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// What came in.
pub(crate) enum Incoming<T> {
    /// A message.
    Message(T),
    /// Nothing, within the time that was given.
    Nothing,
    /// The other end is gone.
    End,
}

/// Whether to wait for a message, as long as the socket's own timeout says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    Wait,
    Look,
}

/// Why a message was not sent; nothing of it was.
#[derive(Debug)]
pub(crate) enum SendError {
    /// The other end did not take what was sent before.
    Late,
    /// The other end is gone, or the message is too long.
    Failed,
}

/// Room for one message on its way in or out.
pub(crate) struct Room(Zeroizing<Vec<u8>>);

impl Room {
    pub(crate) fn new() -> Self {
        Self(Zeroizing::new(vec![0; FRAME_BYTES]))
    }

    /// Sends a message, waiting for place no longer than until then.
    pub(crate) fn send(
        &mut self,
        socket: impl AsFd,
        message: &impl Encode<()>,
        until: Instant,
    ) -> Result<(), SendError> {
        self.with_encoded(message, |bytes| send_until(socket.as_fd(), bytes, until))
    }

    /// Sends a message along with descriptors, [`LANES_MOST`] at most.
    pub(crate) fn send_with(
        &mut self,
        socket: impl AsFd,
        message: &impl Encode<()>,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), SendError> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(LANES_MOST))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(SendError::Failed);
        }
        self.with_encoded(message, |bytes| {
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            sendmsg(socket, &[io::IoSlice::new(bytes)], &mut ancillary, flags).map(drop).map_err(|_| SendError::Failed)
        })
    }

    fn with_encoded(
        &mut self,
        message: &impl Encode<()>,
        act: impl FnOnce(&[u8]) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        let mut cursor = minicbor::encode::write::Cursor::new(self.0.as_mut_slice());
        let encoded = minicbor::encode(message, &mut cursor);
        let length = cursor.position();
        let used = self.0.get_mut(..length).unwrap_or_default();
        let outcome = encoded.map_err(|_| SendError::Failed).and_then(|()| act(used));
        used.zeroize();
        outcome
    }

    /// Receives the next message.
    pub(crate) fn receive<T: for<'b> Decode<'b, ()>>(
        &mut self,
        socket: impl AsFd,
        patience: Patience,
    ) -> io::Result<Incoming<T>> {
        let flags = match patience {
            Patience::Wait => RecvFlags::TRUNC,
            Patience::Look => RecvFlags::TRUNC | RecvFlags::DONTWAIT,
        };
        let received = loop {
            match recv(&socket, self.0.as_mut_slice(), flags) {
                Err(Errno::INTR) => {}
                other => break other.map(|(_, length)| length),
            }
        };
        self.decode(received)
    }

    /// Receives the next message and the descriptors that came with it.
    pub(crate) fn receive_with<T: for<'b> Decode<'b, ()>>(
        &mut self,
        socket: impl AsFd,
    ) -> io::Result<(Incoming<T>, Vec<OwnedFd>)> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(LANES_MOST))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::TRUNC | RecvFlags::CMSG_CLOEXEC;
        let received = loop {
            let mut parts = [io::IoSliceMut::new(self.0.as_mut_slice())];
            match recvmsg(&socket, &mut parts, &mut ancillary, flags) {
                Err(Errno::INTR) => {}
                other => break other.map(|message| message.bytes),
            }
        };
        let descriptors = ancillary.drain().flat_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => descriptors.collect(),
            _ => Vec::new(),
        });
        let descriptors = descriptors.collect();
        Ok((self.decode(received)?, descriptors))
    }

    fn decode<T: for<'b> Decode<'b, ()>>(&mut self, received: Result<usize, Errno>) -> io::Result<Incoming<T>> {
        match received {
            // No empty message is ever sent.
            Ok(0) | Err(Errno::CONNRESET) => Ok(Incoming::End),
            Ok(length) => {
                let Some(packet) = self.0.get_mut(..length) else {
                    self.0.zeroize();
                    return Err(io::ErrorKind::InvalidData.into());
                };
                let message = minicbor::decode(packet).map_err(io::Error::other);
                packet.zeroize();
                message.map(Incoming::Message)
            }
            Err(Errno::AGAIN) => Ok(Incoming::Nothing),
            Err(error) => Err(error.into()),
        }
    }
}

fn send_until(socket: BorrowedFd<'_>, bytes: &[u8], until: Instant) -> Result<(), SendError> {
    loop {
        match send(socket, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(SendError::Late);
                }
                let left = Timespec::try_from(left).unwrap_or_default();
                // Whatever it says, the next sending shows how it is.
                let _ = poll(&mut [PollFd::new(&socket, PollFlags::OUT)], Some(&left));
            }
            Err(_) => return Err(SendError::Failed),
        }
    }
}

/// How long a socket's timeout may be at most for somebody who has this much time: a power of two of milliseconds, so that it
/// rarely changes, and not longer than what is left. Whoever finds nothing within it asks again.
pub(crate) fn timeout_within(left: Duration) -> Duration {
    let milliseconds = u64::try_from(left.as_millis()).unwrap_or(u64::MAX).max(1);
    Duration::from_millis(1 << milliseconds.ilog2().min(20))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(20);

    fn next<T: for<'b> Decode<'b, ()>>(socket: &OwnedFd) -> io::Result<Incoming<T>> {
        Room::new().receive(socket, Patience::Look)
    }

    #[test]
    fn messages_arrive_whole_and_in_order_until_the_other_end_is_gone() {
        let (one, two) = pair().unwrap();
        let sent: Vec<Vec<u32>> = (0..20).map(|length| vec![u32::MAX; length]).collect();
        let mut room = Room::new();
        sent.iter().for_each(|message| room.send(&one, message, Instant::now()).unwrap());
        let mut seen: Vec<Vec<u32>> = Vec::new();
        while let Incoming::Message(message) = next(&two).unwrap() {
            seen.push(message);
        }
        assert_eq!(seen, sent);
        drop(one);
        assert!(matches!(next::<u32>(&two), Ok(Incoming::End)));
        assert!(matches!(room.send(&two, &1_u32, Instant::now()), Err(SendError::Failed)));
    }

    #[test]
    fn nothing_of_a_message_stays_in_the_room() {
        let (one, two) = pair().unwrap();
        let (mut out, mut inward) = (Room::new(), Room::new());
        out.send(&one, &vec![7_u32; 100], Instant::now()).unwrap();
        assert!(matches!(inward.receive::<Vec<u32>>(&two, Patience::Look), Ok(Incoming::Message(_))));
        assert!(out.0.iter().chain(inward.0.iter()).all(|byte| *byte == 0));
    }

    #[test]
    fn an_overlong_or_senseless_message_is_an_error() {
        let (one, two) = pair().unwrap();
        send(&one, &[1; FRAME_BYTES + 1], SendFlags::empty()).unwrap();
        assert!(next::<u32>(&two).is_err());
        send(&one, &[0xff], SendFlags::empty()).unwrap();
        assert!(next::<u32>(&two).is_err());
        let overlong = Room::new().send(&one, &vec![u32::MAX; FRAME_BYTES], Instant::now());
        assert!(matches!(overlong, Err(SendError::Failed)));
        assert!(matches!(next::<u32>(&two), Ok(Incoming::Nothing)));
    }

    #[test]
    fn whoever_sends_to_an_end_that_takes_nothing_waits_no_longer_than_allowed() {
        let (one, two) = pair().unwrap();
        let (mut room, message, begun) = (Room::new(), vec![u32::MAX; 5000], Instant::now());
        let refused = loop {
            if let Err(refused) = room.send(&one, &message, begun + SOON) {
                break refused;
            }
        };
        assert!(matches!(refused, SendError::Late) && begun.elapsed() >= SOON);
        // What was sent before is whole, and there is place again.
        while matches!(next::<Vec<u32>>(&two), Ok(Incoming::Message(_))) {}
        room.send(&one, &message, begun).unwrap();
    }

    #[test]
    fn descriptors_come_along() {
        let (one, two) = pair().unwrap();
        let (mine, theirs) = pair().unwrap();
        let mut room = Room::new();
        room.send_with(&one, &7_u32, &[theirs.as_fd()]).unwrap();
        let (message, descriptors) = room.receive_with::<u32>(&two).unwrap();
        let Incoming::Message(7) = message else { panic!() };
        room.send(&descriptors[0], &8_u32, Instant::now()).unwrap();
        assert!(matches!(next::<u32>(&mine), Ok(Incoming::Message(8))));
    }

    #[test]
    fn a_sockets_timeout_is_never_longer_than_the_time_that_is_left_but_for_the_last_millisecond() {
        for (left, timeout) in [(180, 128), (128, 128), (127, 64), (3, 2), (1, 1), (0, 1)] {
            assert_eq!(timeout_within(Duration::from_millis(left)), Duration::from_millis(timeout));
        }
    }
}
