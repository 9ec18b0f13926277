//! A reader with a window: the next bytes of the input, as many as asked for, in one slice.
//!
//! Guarantees: short and interrupted reads of the underlying reader are invisible; memory is the
//! largest window ever asked for, never a length found in the input. It does not limit the
//! window; its callers do, and name their limits.

use std::io::{self, ErrorKind, Read};
use std::ops::Range;

/// How much is read at once when a window is smaller. Large enough that a system call per read
/// does not show, small enough not to matter.
const CHUNK_BYTES: usize = 64 * 1024;

pub(super) struct Source<R> {
    reader: R,
    buffer: Vec<u8>,
    /// The bytes of `buffer` that were read and not yet consumed.
    unread: Range<usize>,
    /// Bytes of the input before `unread`.
    offset: u64,
    /// The reader has said that there is no more; it is not asked again.
    ended: bool,
}

impl<R: Read> Source<R> {
    pub(super) fn new(reader: R) -> Self {
        let buffer = vec![0; CHUNK_BYTES];
        Self { reader, buffer, unread: 0..0, offset: 0, ended: false }
    }

    /// Bytes consumed so far.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next `bytes` bytes, or fewer if the input ends before.
    pub(super) fn peek(&mut self, bytes: usize) -> io::Result<&[u8]> {
        if self.unread.len() < bytes && !self.ended {
            self.fill(bytes)?;
        }
        let shown = self.unread.len().min(bytes);
        Ok(&self.buffer[self.unread.start..][..shown])
    }

    /// Step over `bytes` bytes that [`peek`](Self::peek) has shown.
    ///
    /// Returns where they stay in the buffer until the next call of `peek` or `skip`; see
    /// [`kept`](Self::kept).
    pub(super) fn consume(&mut self, bytes: usize) -> Range<usize> {
        assert!(bytes <= self.unread.len(), "only what was peeked is consumed");
        let start = self.unread.start;
        self.unread.start += bytes;
        self.offset += bytes as u64;
        start..start + bytes
    }

    /// Bytes that were just consumed; `within` lies in the range that `consume` returned.
    pub(super) fn kept(&self, within: Range<usize>) -> &[u8] {
        &self.buffer[within]
    }

    /// Step over `bytes` bytes without keeping them; returns how many there were.
    pub(super) fn skip(&mut self, bytes: u64) -> io::Result<u64> {
        let mut left = bytes;
        while left > 0 {
            let step = usize::try_from(left).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
            let there = self.peek(step)?.len();
            if there == 0 {
                break;
            }
            self.consume(there);
            left -= there as u64;
        }
        Ok(bytes - left)
    }

    fn fill(&mut self, bytes: usize) -> io::Result<()> {
        self.buffer.copy_within(self.unread.clone(), 0);
        self.unread = 0..self.unread.len();
        if self.buffer.len() < bytes {
            self.buffer.resize(bytes, 0);
        }
        while self.unread.len() < bytes {
            match self.reader.read(&mut self.buffer[self.unread.end..]) {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(read) => self.unread.end += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
