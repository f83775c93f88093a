//! The coordinator's end of a control channel: lines in, lines out, without ever waiting.
//!
//! Invariant: no more than one line of the greatest length is kept of what a worker says.

use serde::Serialize;
use shmfuzz_runtime::message::{self, ChannelError, LINE_LIMIT, Reply};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

/// One end.
#[derive(Debug)]
pub(super) struct Channel {
    stream: UnixStream,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
}

impl Channel {
    /// Takes an end of a pair.
    ///
    /// # Errors
    /// If it cannot be made non-blocking.
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream, incoming: Vec::new(), outgoing: Vec::new() })
    }

    /// To be polled.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// Whether something waits to be written.
    pub(super) fn has_outgoing(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Sends a message, as much of it as fits now; [`Self::flush`] sends the rest.
    ///
    /// # Errors
    /// If the channel is closed or fails.
    pub(super) fn send(&mut self, message: &impl Serialize) -> Result<(), ChannelError> {
        message::send(&mut self.outgoing, message)?;
        self.flush()
    }

    /// Writes what waits, as far as there is room.
    ///
    /// # Errors
    /// If the channel is closed or fails.
    pub(super) fn flush(&mut self) -> Result<(), ChannelError> {
        while !self.outgoing.is_empty() {
            match self.stream.write(&self.outgoing) {
                Ok(n) => drop(self.outgoing.drain(..n)),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == io::ErrorKind::BrokenPipe => {
                    return Err(ChannelError::Closed);
                }
                Err(e) => return Err(ChannelError::Io(e)),
            }
        }
        Ok(())
    }

    /// The next reply, if a whole line of it is there.
    ///
    /// # Errors
    /// If the channel is closed or fails, or says what is no reply.
    pub(super) fn receive(&mut self) -> Result<Option<Reply>, ChannelError> {
        let mut buffer = [0; 8 << 10];
        loop {
            if let Some(end) = self.incoming.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.incoming.drain(..=end).collect();
                return message::parse(&line).map(Some);
            }
            if self.incoming.len() as u64 >= LINE_LIMIT {
                return message::parse(&self.incoming).map(Some);
            }
            match self.stream.read(&mut buffer) {
                Ok(0) if self.incoming.is_empty() => return Err(ChannelError::Closed),
                Ok(0) => return message::parse(&self.incoming).map(Some),
                Ok(n) => self.incoming.extend_from_slice(&buffer[..n]),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(e) if e.kind() == io::ErrorKind::ConnectionReset => {
                    return Err(ChannelError::Closed);
                }
                Err(e) => return Err(ChannelError::Io(e)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Channel, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Channel::new(ours).unwrap(), theirs)
    }

    #[test]
    fn replies_come_in_pieces_and_in_pairs() {
        let (mut channel, mut worker) = pair();
        assert!(channel.receive().unwrap().is_none());
        worker.write_all(b"{\"reply\":").unwrap();
        assert!(channel.receive().unwrap().is_none());
        worker.write_all(b"\"pong\"}\n{\"reply\":\"ready\"}\n").unwrap();
        assert_eq!(channel.receive().unwrap(), Some(Reply::Pong {}));
        assert_eq!(channel.receive().unwrap(), Some(Reply::Ready {}));
        drop(worker);
        assert!(matches!(channel.receive(), Err(ChannelError::Closed)));
        assert!(matches!(channel.send(&Reply::Pong {}), Err(ChannelError::Closed)));
    }

    #[test]
    fn a_line_without_end_is_garbage() {
        let (mut channel, mut worker) = pair();
        let writer = std::thread::spawn(move || worker.write_all(&vec![b'x'; 2 << 20]));
        let error = loop {
            match channel.receive() {
                Ok(None) => std::thread::yield_now(),
                Ok(Some(reply)) => panic!("{reply:?}"),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, ChannelError::Garbage { .. }), "{error}");
        drop(channel);
        assert!(writer.join().unwrap().is_err());
    }

    #[test]
    fn a_long_request_waits_for_room() {
        let (mut channel, worker) = pair();
        let long = vec!["x"; 200_000];
        channel.send(&long).unwrap();
        assert!(channel.has_outgoing());
        let reader = std::thread::spawn(move || {
            message::receive::<Vec<String>>(&mut io::BufReader::new(worker))
        });
        while channel.has_outgoing() {
            channel.flush().unwrap();
        }
        assert_eq!(reader.join().unwrap().unwrap(), long);
    }
}
