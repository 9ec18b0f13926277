//! Reading what programs hand over, whatever the kernel has for it: a ring buffer, or a perf event
//! array before Linux 5.8.
//!
//! What it guarantees: every record that was handed over and not lost is delivered once, whole; it
//! is a view that ends with the call; memory that says something impossible is an error.
//! What it does not do: it knows nothing of what is in a record, and counts no losses but those
//! that a perf event array tells: programs do ([`Counter`](crate::compiler) of the generated ones).
//!
//! A writer is not held up by a slow reader: what finds no room is lost.

use std::{
    io,
    ops::ControlFlow,
    os::fd::{AsFd, BorrowedFd},
    thread,
    time::Duration,
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use super::{
    Map,
    capability::{Capability, setcap},
    perf_buffer::PerfBuffer,
    ringbuf::{Damage, RingBuffer},
};
use crate::assembler::MapKind;

/// How long [`Reader::rest`] sleeps while records keep coming: long enough that the writer is
/// hardly ever asked to wake anybody, short enough that a ring of a few megabytes does not fill.
pub const REST: Duration = Duration::from_micros(200);

/// Bytes of each CPU's ring where there is no ring buffer. More than 512 KiB a CPU takes
/// `CAP_IPC_LOCK` or a higher `kernel.perf_event_mlock_kb`.
pub const PERF_BYTES_A_CPU: usize = 512 << 10;

/// Why events cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// A map that holds no events.
    #[error("map {name:?} is of type {}, neither a ring buffer nor a perf event array", kind.name())]
    Kind {
        /// The map.
        name: String,
        /// Its type.
        kind: MapKind,
    },
    /// It cannot be opened for reading.
    #[error("cannot read events from map {name:?}{}", on_cpu(*cpu))]
    Open {
        /// The map.
        name: String,
        /// Of which CPU.
        cpu: Option<u32>,
        /// The kernel's answer.
        source: io::Error,
    },
    /// It is not known which CPUs there are.
    #[error("cannot find out which CPUs are online")]
    Cpus {
        /// Why.
        source: io::Error,
    },
    /// What stands in a ring buffer was not written by a kernel.
    #[error("ring buffer {name:?} is damaged: {damage}")]
    Ring {
        /// The map.
        name: String,
        /// What is wrong.
        damage: Damage,
    },
    /// What stands in the ring of a CPU was not written by a kernel.
    #[error("the ring of CPU {cpu} of map {name:?} is damaged: {what}")]
    Perf {
        /// The map.
        name: String,
        /// The CPU.
        cpu: u32,
        /// What is wrong.
        what: &'static str,
    },
    /// Waiting failed.
    #[error("cannot wait for events")]
    Wait {
        /// The kernel's answer.
        source: io::Error,
    },
}

impl ReadError {
    /// One sentence of advice, or nothing.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Open { source, cpu, .. } => match source.raw_os_error()? {
                libc::EPERM | libc::EACCES if cpu.is_some() => {
                    let rights = setcap(&[Capability::Perfmon]);
                    Some(format!("run as root, or `{rights}`, or raise kernel.perf_event_mlock_kb"))
                }
                libc::ENOMEM => Some("a smaller buffer needs less memory".to_owned()),
                _ => None,
            },
            Self::Cpus { .. } => Some("mount sysfs on /sys".to_owned()),
            Self::Ring { .. } | Self::Perf { .. } => {
                Some("does another program write to this map?".to_owned())
            }
            Self::Kind { .. } | Self::Wait { .. } => None,
        }
    }
}

fn on_cpu(cpu: Option<u32>) -> String {
    cpu.map_or_else(String::new, |cpu| format!(" on CPU {cpu}"))
}

/// A reader of either kind of map.
#[derive(Debug)]
pub struct Reader(Kind);

#[derive(Debug)]
enum Kind {
    Ring(RingBuffer),
    Perf(Box<PerfBuffer>),
}

impl Reader {
    /// Read `map`; of a perf event array, every CPU gets [`PERF_BYTES_A_CPU`].
    ///
    /// # Errors
    ///
    /// As [`RingBuffer::open`] and [`PerfBuffer::open`].
    pub fn open(map: &Map) -> Result<Self, ReadError> {
        Ok(Self(match map.spec().kind {
            MapKind::RingBuf => Kind::Ring(RingBuffer::open(map)?),
            MapKind::PerfEventArray => {
                Kind::Perf(Box::new(PerfBuffer::open(map, PERF_BYTES_A_CPU)?))
            }
            kind @ (MapKind::Array
            | MapKind::PerCpuArray
            | MapKind::Hash
            | MapKind::PerCpuHash
            | MapKind::LruHash
            | MapKind::ProgArray) => {
                return Err(ReadError::Kind { name: map.spec().name.clone(), kind });
            }
        }))
    }

    /// Call `each` for every record that is there now; says how many there were. Records of one CPU
    /// come in order; from a ring buffer, all do. Bytes may follow what the program handed over.
    ///
    /// # Errors
    ///
    /// As [`RingBuffer::drain`] and [`PerfBuffer::drain`].
    pub fn drain<B>(
        &mut self,
        each: impl FnMut(&[u8]) -> ControlFlow<B>,
    ) -> Result<(u64, ControlFlow<B>), ReadError> {
        match &mut self.0 {
            Kind::Ring(ring) => ring.drain(each),
            Kind::Perf(perf) => perf.drain(each),
        }
    }

    /// Bytes of records that wait to be read.
    pub fn used(&self) -> u64 {
        match &self.0 {
            Kind::Ring(ring) => ring.used(),
            Kind::Perf(perf) => perf.used(),
        }
    }

    /// Records that are missing, as far as the kernel has told. A ring buffer tells nothing; the
    /// program has counted these, and those of a perf event array too.
    pub fn lost(&self) -> u64 {
        match &self.0 {
            Kind::Ring(_) => 0,
            Kind::Perf(perf) => perf.lost(),
        }
    }

    /// Wait until there is a record, at most `limit`; says whether there is. A signal ends it early.
    ///
    /// # Errors
    ///
    /// [`ReadError::Wait`].
    pub fn wait(&self, limit: Duration) -> Result<bool, ReadError> {
        let mut fds = [PollFd::new(self.as_fd(), PollFlags::POLLIN)];
        // Rounded up, so that the last millisecond is not spent in a busy loop.
        let limit = limit.saturating_add(Duration::from_micros(999));
        match poll(&mut fds, PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX)) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::EINTR) => Ok(false),
            Err(errno) => Err(ReadError::Wait { source: errno.into() }),
        }
    }

    /// What a reader does between two calls of [`drain`](Self::drain): after one that found
    /// something it sleeps for [`REST`], so that many records are read at once and the program need
    /// not wake it; after one that found nothing it waits at most `limit`.
    ///
    /// # Errors
    ///
    /// [`ReadError::Wait`].
    pub fn rest(&self, found: u64, limit: Duration) -> Result<(), ReadError> {
        if found > 0 {
            thread::sleep(REST.min(limit));
            return Ok(());
        }
        self.wait(limit).map(|_| ())
    }
}

impl AsFd for Reader {
    /// Readable when there may be a record.
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            Kind::Ring(ring) => ring.as_fd(),
            Kind::Perf(perf) => perf.as_fd(),
        }
    }
}
