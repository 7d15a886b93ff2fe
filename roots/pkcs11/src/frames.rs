//! Frames over the socket pair: a length of four bytes, big-endian, then one message of at most `FRAME_BYTES`.
//!
//! Buffers may hold secrets, so they never grow, and what was used of them is erased.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;

use minicbor::{Decode, Encode};
use zeroize::{Zeroize, Zeroizing};

use crate::limits::FRAME_BYTES;

const LENGTH_BYTES: usize = 4;

/// Writes messages to a stream.
pub(crate) struct Writer {
    stream: UnixStream,
    buffer: Zeroizing<Vec<u8>>,
}

impl Writer {
    pub(crate) fn new(stream: UnixStream) -> Self {
        Self { stream, buffer: Zeroizing::new(vec![0; LENGTH_BYTES + FRAME_BYTES]) }
    }

    pub(crate) const fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// Writes one message whole. After an error of the stream it is of no more use; a message that is too long is an error,
    /// too, and nothing of it is written.
    pub(crate) fn write(&mut self, message: &impl Encode<()>) -> io::Result<()> {
        let mut cursor = minicbor::encode::write::Cursor::new(self.buffer.get_mut(LENGTH_BYTES..).unwrap_or_default());
        let encoded = minicbor::encode(message, &mut cursor).map_err(io::Error::other);
        let length = cursor.position();
        let written = encoded.and_then(|()| {
            let prefix = u32::try_from(length).map_err(io::Error::other)?;
            if let Some(room) = self.buffer.first_chunk_mut() {
                *room = prefix.to_be_bytes();
            }
            (&self.stream).write_all(self.buffer.get(..LENGTH_BYTES + length).unwrap_or_default())
        });
        self.buffer.get_mut(..LENGTH_BYTES + length).unwrap_or_default().zeroize();
        written
    }
}

/// What came in.
pub(crate) enum Incoming<T> {
    /// A message.
    Message(T),
    /// Nothing whole within the stream's read timeout.
    Nothing,
    /// The other end is gone.
    End,
}

/// Reads messages from a stream, keeping what is incomplete.
pub(crate) struct Reader {
    stream: UnixStream,
    buffer: Zeroizing<Vec<u8>>,
    filled: usize,
}

impl Reader {
    pub(crate) fn new(stream: UnixStream) -> Self {
        Self { stream, buffer: Zeroizing::new(vec![0; LENGTH_BYTES + FRAME_BYTES]), filled: 0 }
    }

    /// Waits for the next message, no longer than the stream's read timeout for each part of it.
    pub(crate) fn next<T: for<'b> Decode<'b, ()>>(&mut self) -> io::Result<Incoming<T>> {
        loop {
            if let Some(message) = self.take()? {
                return Ok(Incoming::Message(message));
            }
            let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
            match self.stream.read(room) {
                Ok(0) => return Ok(Incoming::End),
                Ok(count) => self.filled += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Ok(Incoming::Nothing);
                }
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(Incoming::End),
                Err(error) => return Err(error),
            }
        }
    }

    fn take<T: for<'b> Decode<'b, ()>>(&mut self) -> io::Result<Option<T>> {
        let filled = self.buffer.get(..self.filled).unwrap_or_default();
        let Some((prefix, rest)) = filled.split_first_chunk() else { return Ok(None) };
        let length = u32::from_be_bytes(*prefix) as usize;
        if length > FRAME_BYTES {
            return Err(ErrorKind::InvalidData.into());
        }
        let Some(frame) = rest.get(..length) else { return Ok(None) };
        let message = minicbor::decode(frame).map_err(io::Error::other)?;
        let used = LENGTH_BYTES + length;
        self.buffer.copy_within(used..self.filled, 0);
        let left = self.filled - used;
        self.buffer.get_mut(left..self.filled).unwrap_or_default().zeroize();
        self.filled = left;
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (UnixStream, Reader) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        (ours, Reader::new(theirs))
    }

    #[test]
    fn messages_arrive_in_order_however_they_are_cut() {
        let (one, mut two) = UnixStream::pair().unwrap();
        let sent: Vec<Vec<u32>> = (0..20).map(|length| vec![u32::MAX; length]).collect();
        let mut writer = Writer::new(one);
        sent.iter().for_each(|message| writer.write(message).unwrap());
        drop(writer);
        let mut bytes = Vec::new();
        two.read_to_end(&mut bytes).unwrap();
        for size in [1, 7, bytes.len()] {
            let (mut ours, mut reader) = pair();
            let mut seen: Vec<Vec<u32>> = Vec::new();
            for part in bytes.chunks(size) {
                ours.write_all(part).unwrap();
                while let Incoming::Message(message) = reader.next().unwrap() {
                    seen.push(message);
                }
            }
            drop(ours);
            assert!(matches!(reader.next::<u32>(), Ok(Incoming::End)));
            assert_eq!(seen, sent);
        }
    }

    #[test]
    fn an_overlong_or_senseless_frame_is_an_error() {
        let (mut ours, mut reader) = pair();
        ours.write_all(&(FRAME_BYTES as u32 + 1).to_be_bytes()).unwrap();
        assert!(reader.next::<u32>().is_err());
        let (mut ours, mut reader) = pair();
        ours.write_all(&[0, 0, 0, 1, 0xff]).unwrap();
        assert!(reader.next::<u32>().is_err());
        assert!(Writer::new(ours).write(&vec![u32::MAX; FRAME_BYTES]).is_err());
    }
}
