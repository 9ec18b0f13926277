//! Reading a ring buffer: a map of kind [`RingBuf`](MapKind::RingBuf), Linux 5.8.
//!
//! All CPUs write into one ring, so records come in the order in which room for them was taken.
//! Several readers of one ring take records from each other. A program that finds no room is told so and
//! counts it; the kernel keeps no count of its own.

use std::{
    ops::ControlFlow,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use super::{Map, events::ReadError, sys::ring::Ring};
use crate::assembler::MapKind;

pub use super::sys::ring::Damage;

/// A reader of a ring buffer.
#[derive(Debug)]
pub struct RingBuffer {
    ring: Ring,
    fd: OwnedFd,
    name: String,
}

impl RingBuffer {
    /// Read `map` from where its last reader stopped. Keeps the map.
    ///
    /// # Errors
    ///
    /// [`ReadError::Kind`]: no ring buffer; [`ReadError::Open`]: it cannot be mapped.
    pub fn open(map: &Map) -> Result<Self, ReadError> {
        let spec = map.spec();
        if spec.kind != MapKind::RingBuf {
            return Err(ReadError::Kind { name: spec.name.clone(), kind: spec.kind });
        }
        let name = spec.name.clone();
        let fail = |source| ReadError::Open { name: name.clone(), cpu: None, source };
        let fd = map.as_fd().try_clone_to_owned().map_err(fail)?;
        let ring = Ring::map(map.as_fd(), spec.entries_max).map_err(fail)?;
        Ok(Self { ring, fd, name })
    }

    /// Bytes of records that wait to be read, finished or not.
    pub fn used(&self) -> u64 {
        self.ring.used()
    }

    /// Call `each` for every finished record, in order, up to the first that is not finished or for
    /// which room was taken after this call began; says how many there were. A record is gone when
    /// `each` has returned, also if that breaks.
    ///
    /// # Errors
    ///
    /// [`ReadError::Ring`]: something that no kernel writes; what came before it was delivered.
    pub fn drain<B>(
        &mut self,
        each: impl FnMut(&[u8]) -> ControlFlow<B>,
    ) -> Result<(u64, ControlFlow<B>), ReadError> {
        self.ring.drain(each).map_err(|damage| ReadError::Ring { name: self.name.clone(), damage })
    }
}

impl AsFd for RingBuffer {
    /// Readable when there is something in the ring, provided that the program wakes its readers.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
