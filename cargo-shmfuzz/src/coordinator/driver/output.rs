//! What a worker prints: drained without end, of which only the end is kept.
//!
//! Invariant: a worker never waits for its output to be read longer than one round of its thread,
//! and memory is bounded however much it prints.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::Child;

/// How much of each stream is kept, in bytes.
const KEPT: usize = 64 << 10;

/// How much is read after the end at most: more than a pipe holds.
const LAST_BYTES: usize = 4 << 20;

/// The end of a stream.
#[derive(Debug, Default)]
struct Tail {
    bytes: Vec<u8>,
    is_cut: bool,
}

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        // Moving the bytes only when there are twice as many makes it cheap for each of them.
        if self.bytes.len() > 2 * KEPT {
            self.bytes.drain(..self.bytes.len() - KEPT);
            self.is_cut = true;
        }
    }

    fn text(&self) -> String {
        let bytes = &self.bytes[self.bytes.len().saturating_sub(KEPT)..];
        let text = String::from_utf8_lossy(bytes);
        if self.is_cut || bytes.len() < self.bytes.len() {
            format!("[earlier output is cut off]\n{text}")
        } else {
            text.into_owned()
        }
    }
}

/// One pipe.
#[derive(Debug)]
pub(super) struct Stream {
    /// `None` once the other end is closed.
    pipe: Option<File>,
    tail: Tail,
}

impl Stream {
    fn new(pipe: Option<impl Into<OwnedFd>>) -> io::Result<Self> {
        let pipe = pipe.map(|pipe| File::from(pipe.into()));
        if let Some(pipe) = &pipe {
            rustix::io::ioctl_fionbio(pipe, true)?;
        }
        Ok(Self { pipe, tail: Tail::default() })
    }

    /// To be polled, while it is open.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(|pipe| pipe.as_fd())
    }

    /// Reads once; how much.
    pub(super) fn drain(&mut self, buffer: &mut [u8]) -> usize {
        let Some(pipe) = &mut self.pipe else { return 0 };
        match pipe.read(buffer) {
            Ok(0) => self.pipe = None,
            Ok(n) => {
                self.tail.push(&buffer[..n]);
                return n;
            }
            Err(e)
                if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(_) => self.pipe = None,
        }
        0
    }
}

/// Both streams of a worker.
#[derive(Debug)]
pub(super) struct Output {
    /// Standard output and standard error.
    pub(super) streams: [Stream; 2],
    buffer: Vec<u8>,
}

impl Output {
    /// Takes the pipes of a child.
    ///
    /// # Errors
    /// If they cannot be made non-blocking.
    pub(super) fn of(child: &mut Child) -> io::Result<Self> {
        let streams = [Stream::new(child.stdout.take())?, Stream::new(child.stderr.take())?];
        Ok(Self { streams, buffer: vec![0; KEPT] })
    }

    /// Reads once from each; how much.
    pub(super) fn drain(&mut self) -> usize {
        self.streams.iter_mut().map(|stream| stream.drain(&mut self.buffer)).sum()
    }

    /// Forgets what was printed, so that what is kept belongs to the next job.
    pub(super) fn forget(&mut self) {
        self.drain();
        for stream in &mut self.streams {
            stream.tail = Tail::default();
        }
    }

    /// What was printed last. Does not wait for others that hold the pipes.
    pub(super) fn so_far(&mut self) -> String {
        let mut total = 0;
        while total < LAST_BYTES {
            match self.drain() {
                0 => break,
                n => total += n,
            }
        }
        let [stdout, stderr] = &self.streams;
        format!("{}{}", stdout.tail.text(), stderr.tail.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_output_is_kept_whole_and_long_output_is_cut_at_its_start() {
        let mut tail = Tail::default();
        tail.push(b"hello ");
        tail.push(b"world");
        assert_eq!(tail.text(), "hello world");
        for n in 0..100_000u32 {
            tail.push(format!("line {n}\n").as_bytes());
        }
        let text = tail.text();
        assert!(text.starts_with("[earlier output is cut off]\n"));
        assert!(text.ends_with("line 99999\n"));
        assert!(text.len() <= KEPT + 64 && tail.bytes.len() <= 2 * KEPT, "{}", text.len());
    }
}
