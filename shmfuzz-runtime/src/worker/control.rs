//! The worker's end of the control channel, on a thread that has its descriptor to itself.
//!
//! A fuzz test that closes every descriptor, as programs do that become daemons, must not cut its
//! worker off: the answer would be lost, and with it what a job has found. So the channel's
//! descriptor is in no table that the fuzz test's threads share. Where the system cannot give a
//! thread a table of its own, it is an ordinary descriptor. Invariants: lines go in and out in turn,
//! the first one out; the thread reads and writes lines and no more, so that none of the libraries
//! that parse them, which are instrumented, runs beside a call of the fuzz test.

use super::unix;
use crate::message::{self, ChannelError, LINE_LIMIT, Reply, Request};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

/// Bytes of its stack: it calls hardly anything.
const STACK: usize = 128 << 10;

/// The channel.
#[derive(Debug)]
pub(super) struct Control {
    answers: Sender<Vec<u8>>,
    requests: Receiver<Result<Vec<u8>, ChannelError>>,
}

impl Control {
    /// Hands the descriptor to a thread of its own. When this returns, no other has it, if the
    /// system can do that.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub(super) fn start(file: File) -> io::Result<Self> {
        let (answers, to_send) = channel();
        let (received, requests) = channel();
        let (ready, is_apart) = channel();
        let fd = file.as_raw_fd();
        let relay = move || {
            // The receiver waits for nothing else.
            let _ = ready.send(unix::own_table_with_only(&file));
            relay(&file, &to_send, &received);
        };
        thread::Builder::new().name("control".to_owned()).stack_size(STACK).spawn(relay)?;
        if is_apart.recv().unwrap_or(false) {
            unix::close_here(fd);
        }
        Ok(Self { answers, requests })
    }

    /// Sends an answer, sooner or later; that the channel is closed shows in the next request.
    ///
    /// # Errors
    /// If the thread is gone, or the answer cannot be written down.
    pub(super) fn send(&self, reply: &Reply) -> Result<(), ChannelError> {
        let mut line = Vec::new();
        message::send(&mut line, reply)?;
        self.answers.send(line).map_err(|_| ChannelError::Closed)
    }

    /// Waits for the next request.
    ///
    /// # Errors
    /// If the channel is closed, fails, or carries something else.
    pub(super) fn receive(&self) -> Result<Request, ChannelError> {
        message::parse(&self.requests.recv().unwrap_or(Err(ChannelError::Closed))?)
    }
}

/// Passes lines on until the channel or the worker has no more.
fn relay(
    file: &File,
    to_send: &Receiver<Vec<u8>>,
    received: &Sender<Result<Vec<u8>, ChannelError>>,
) {
    let mut reader = BufReader::new(file);
    let mut writer = file;
    for answer in to_send {
        let line = match writer.write_all(&answer) {
            Ok(()) => next_line(&mut reader),
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Err(ChannelError::Closed),
            Err(e) => Err(ChannelError::Io(e)),
        };
        let is_over = line.is_err();
        if received.send(line).is_err() || is_over {
            return;
        }
    }
}

fn next_line(reader: &mut BufReader<&File>) -> Result<Vec<u8>, ChannelError> {
    let mut line = Vec::new();
    match reader.take(LINE_LIMIT).read_until(b'\n', &mut line) {
        Ok(0) => Err(ChannelError::Closed),
        Err(e) if e.kind() == io::ErrorKind::ConnectionReset => Err(ChannelError::Closed),
        Err(e) => Err(ChannelError::Io(e)),
        Ok(_) => Ok(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn lines_go_out_and_in_until_the_other_end_is_closed() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let control = Control::start(File::from(OwnedFd::from(theirs))).unwrap();
        for _ in 0..2 {
            control.send(&Reply::Pong {}).unwrap();
            let mut replies = BufReader::new(&ours);
            assert_eq!(message::receive::<Reply>(&mut replies).unwrap(), Reply::Pong {});
            message::send(&mut ours, &Request::Ping {}).unwrap();
            assert_eq!(control.receive().unwrap(), Request::Ping {});
        }
        drop(ours);
        control.send(&Reply::Pong {}).unwrap();
        assert!(matches!(control.receive(), Err(ChannelError::Closed)));
        assert!(matches!(control.receive(), Err(ChannelError::Closed)), "and stays so");
    }
}
