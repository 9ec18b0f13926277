//! Reading a perf event array: what programs hand over on kernels before 5.8, which have no ring
//! buffers.
//!
//! Every CPU has a ring of its own, so records of one CPU come in order and those of several do not.
//! CPUs that come online later have none: what a program hands over there is lost, and counted by
//! the program. The kernel tells where records are missing; [`PerfBuffer::lost`] has the sum.

use std::{
    io,
    ops::ControlFlow,
    os::fd::{AsFd, AsRawFd, BorrowedFd},
};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use super::{
    Map, Update,
    events::ReadError,
    host,
    sys::{mapping::page_bytes, perf::PerfRing},
};

/// `struct perf_event_header`: type u32, flags u16, size u16.
const HEADER_BYTES: usize = 8;
/// `PERF_RECORD_LOST`: id u64, lost u64.
const RECORD_LOST: u32 = 2;
/// `PERF_RECORD_SAMPLE`: with what we ask for, a length u32 and so many bytes.
const RECORD_SAMPLE: u32 = 9;

/// A reader of a perf event array. Its events leave the map when it is dropped.
#[derive(Debug)]
pub struct PerfBuffer {
    rings: Vec<(u32, PerfRing)>,
    ready: Epoll,
    name: String,
    lost: u64,
    /// A record that was in two pieces.
    joined: Vec<u8>,
}

impl PerfBuffer {
    /// Put an event for each CPU that is online into `map`, with a ring of at least
    /// `bytes_a_cpu` bytes, rounded up to a power of two of whole pages.
    ///
    /// # Errors
    ///
    /// [`ReadError::Open`]: no `CAP_PERFMON`, not enough locked memory, no such map;
    /// [`ReadError::Cpus`].
    pub fn open(map: &Map, bytes_a_cpu: usize) -> Result<Self, ReadError> {
        let name = map.spec().name.clone();
        let bytes = bytes_a_cpu.clamp(page_bytes(), 1 << 30).next_power_of_two();
        let fail = |cpu, source| ReadError::Open { name: name.clone(), cpu, source };
        let ready = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)
            .map_err(|errno| fail(None, errno.into()))?;
        let mut rings = Vec::new();
        for cpu in host::online_cpus().map_err(|source| ReadError::Cpus { source })? {
            let ring = PerfRing::open(cpu, bytes).map_err(|source| fail(Some(cpu), source))?;
            let fd = ring.as_fd().as_raw_fd().to_ne_bytes();
            map.update(&cpu.to_ne_bytes(), &fd, Update::Any)
                .map_err(|error| fail(Some(cpu), io::Error::other(error)))?;
            let event = EpollEvent::new(EpollFlags::EPOLLIN, u64::from(cpu));
            ready.add(ring.as_fd(), event).map_err(|errno| fail(Some(cpu), errno.into()))?;
            rings.push((cpu, ring));
        }
        Ok(Self { rings, ready, name, lost: 0, joined: Vec::new() })
    }

    /// Bytes of records that wait to be read.
    pub fn used(&self) -> u64 {
        self.rings.iter().map(|(_, ring)| ring.used()).sum()
    }

    /// Records that the kernel had no room for, as far as it has told: it does so with the next
    /// record of that CPU for which there is room.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Call `each` for every record that is there now, CPU by CPU; says how many there were. A
    /// record is gone when `each` has returned, also if that breaks. The bytes may go on behind
    /// what the program handed over: sizes are rounded up.
    ///
    /// # Errors
    ///
    /// [`ReadError::Perf`]: something that no kernel writes. What was delivered before it is gone,
    /// and so is what that CPU wrote up to now.
    pub fn drain<B>(
        &mut self,
        mut each: impl FnMut(&[u8]) -> ControlFlow<B>,
    ) -> Result<(u64, ControlFlow<B>), ReadError> {
        let Self { rings, name, lost, joined, .. } = self;
        let mut records = 0;
        for (cpu, ring) in rings {
            let fail = |what| ReadError::Perf { name: name.clone(), cpu: *cpu, what };
            let read = ring.read(|first, second| {
                let mut flow = ControlFlow::Continue(());
                let walked = walk(first, second, joined, &mut |record| {
                    match record {
                        Record::Lost(more) => *lost = lost.saturating_add(more),
                        Record::Sample(bytes) => {
                            records += 1;
                            flow = each(bytes);
                        }
                    }
                    flow.is_continue()
                });
                match walked {
                    Ok(done) => (done, Ok(flow)),
                    Err(what) => (first.len() + second.len(), Err(what)),
                }
            });
            match read {
                None => return Err(fail("positions that are further apart than it is long")),
                Some(Err(what)) => return Err(fail(what)),
                Some(Ok(ControlFlow::Break(value))) => {
                    return Ok((records, ControlFlow::Break(value)));
                }
                Some(Ok(ControlFlow::Continue(()))) => {}
            }
        }
        Ok((records, ControlFlow::Continue(())))
    }
}

impl AsFd for PerfBuffer {
    /// Readable when there is something in one of the rings.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ready.0.as_fd()
    }
}

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Record<'a> {
    Sample(&'a [u8]),
    Lost(u64),
}

/// Walk the records in two pieces of memory, of which the second goes on where the first ends,
/// until `each` says no. Says how many bytes they took.
fn walk(
    first: &[u8],
    second: &[u8],
    joined: &mut Vec<u8>,
    each: &mut dyn FnMut(Record<'_>) -> bool,
) -> Result<usize, &'static str> {
    let total = first.len() + second.len();
    let mut at = 0;
    while at < total {
        let header = piece(first, second, at, HEADER_BYTES, joined)
            .ok_or("a record that begins where nothing was written")?;
        let (kind, size) = (word(header, 0), usize::from(u16_at(header, 6)));
        if size < HEADER_BYTES || !size.is_multiple_of(8) {
            return Err("a record of a size that no record has");
        }
        let body = piece(first, second, at + HEADER_BYTES, size - HEADER_BYTES, joined)
            .ok_or("a record that ends where nothing was written")?;
        at += size;
        let go_on = match kind {
            RECORD_SAMPLE => {
                let (len, bytes) = body.split_first_chunk().ok_or("a sample without a length")?;
                let len = usize::try_from(u32::from_ne_bytes(*len)).expect("u32 fits");
                each(Record::Sample(bytes.get(..len).ok_or("a sample longer than its record")?))
            }
            RECORD_LOST => {
                let (_, lost) = body.split_first_chunk::<8>().ok_or("a loss without a number")?;
                let lost = lost.first_chunk().ok_or("a loss without a number")?;
                each(Record::Lost(u64::from_ne_bytes(*lost)))
            }
            // What we did not ask for, from a kernel that knows more.
            _ => true,
        };
        if !go_on {
            break;
        }
    }
    Ok(at)
}

/// `len` bytes at `at` of two pieces, in one.
fn piece<'a>(
    first: &'a [u8],
    second: &'a [u8],
    at: usize,
    len: usize,
    joined: &'a mut Vec<u8>,
) -> Option<&'a [u8]> {
    let end = at.checked_add(len)?;
    if let Some(whole) = first.get(at..end) {
        return Some(whole);
    }
    let Some(from) = at.checked_sub(first.len()) else {
        let (head, tail) = (&first[at..], second.get(..end - first.len())?);
        joined.clear();
        joined.extend_from_slice(head);
        joined.extend_from_slice(tail);
        return Some(joined);
    };
    second.get(from..end - first.len())
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let bytes = bytes.get(at..).and_then(|bytes| bytes.first_chunk());
    bytes.map_or(0, |bytes| u32::from_ne_bytes(*bytes))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    let bytes = bytes.get(at..).and_then(|bytes| bytes.first_chunk());
    bytes.map_or(0, |bytes| u16::from_ne_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(kind: u32, body: &[u8]) -> Vec<u8> {
        let size = u16::try_from(HEADER_BYTES + body.len()).unwrap();
        [&kind.to_ne_bytes()[..], &[0; 2], &size.to_ne_bytes(), body].concat()
    }

    /// As the kernel writes it: length and bytes together are a multiple of eight.
    fn sample(text: &[u8]) -> Vec<u8> {
        let mut body = vec![0; 4];
        body.extend(text);
        body.resize(body.len().next_multiple_of(8), 0);
        let len = u32::try_from(body.len() - 4).unwrap();
        body[..4].copy_from_slice(&len.to_ne_bytes());
        record(RECORD_SAMPLE, &body)
    }

    fn lost(count: u64) -> Vec<u8> {
        record(RECORD_LOST, &[7_u64.to_ne_bytes(), count.to_ne_bytes()].concat())
    }

    fn walked(first: &[u8], second: &[u8]) -> (Result<usize, &'static str>, Vec<Vec<u8>>, u64) {
        let (mut samples, mut missing) = (Vec::new(), 0_u64);
        let done = walk(first, second, &mut Vec::new(), &mut |record| {
            match record {
                Record::Sample(bytes) => samples.push(bytes.to_vec()),
                Record::Lost(count) => missing = missing.wrapping_add(count),
            }
            true
        });
        (done, samples, missing)
    }

    #[test]
    fn records_are_read_wherever_the_end_of_the_ring_falls() {
        let all =
            [sample(b"abcd"), lost(3), record(77, &[0; 16]), sample(b"0123456789ab"), lost(2)]
                .concat();
        for cut in (0..=all.len()).step_by(8) {
            let (done, samples, missing) = walked(&all[..cut], &all[cut..]);
            assert_eq!(done, Ok(all.len()), "cut at {cut}");
            assert_eq!(samples, [b"abcd".to_vec(), b"0123456789ab".to_vec()], "cut at {cut}");
            assert_eq!(missing, 5);
        }
    }

    #[test]
    fn whoever_has_enough_leaves_the_rest() {
        let all = [sample(b"abcd"), sample(b"efgh")].concat();
        assert_eq!(walk(&all, &[], &mut Vec::new(), &mut |_| false), Ok(16));
    }

    #[test]
    fn what_no_kernel_writes_is_an_error() {
        let long = [&200_u32.to_ne_bytes()[..], &[0; 4]].concat();
        for bytes in [
            vec![0; 4],
            record(RECORD_SAMPLE, &[0; 8])[..12].to_vec(),
            record(RECORD_SAMPLE, b""),
            record(RECORD_SAMPLE, &long),
            record(RECORD_LOST, &[0; 8]),
            record(RECORD_LOST, &[0; 12]),
            vec![9, 0, 0, 0, 0, 0, 0, 0],
            vec![9, 0, 0, 0, 0, 0, 9, 0, 0],
        ] {
            assert!(walked(&bytes, &[]).0.is_err(), "{bytes:x?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(
            parts in prop::collection::vec(
                prop_oneof![
                    3 => prop::collection::vec(any::<u8>(), 0..40).prop_map(|text| sample(&text)),
                    1 => any::<u64>().prop_map(lost),
                    1 => prop::collection::vec(any::<u8>(), 0..40),
                ], 0..12),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut all = parts.concat();
            for (at, value) in damage {
                if !all.is_empty() {
                    let at = at.index(all.len());
                    all[at] = value;
                }
            }
            let cut = cut.index(all.len() + 1);
            let whole = walked(&all, &[]);
            prop_assert_eq!(&walked(&all[..cut], &all[cut..]), &whole);
            if let Ok(done) = whole.0 {
                prop_assert_eq!(done, all.len());
            }
        }
    }
}
