//! The shared memory of a ring buffer (`kernel/bpf/ringbuf.c`).
//!
//! Three parts: a page with the consumer's position, which we write; a page with the producer's,
//! and the records, mapped twice one behind the other, so that none is ever in two pieces. Whatever
//! stands there, nothing outside it is read: what cannot be is a [`Damage`].

use std::{io, ops::ControlFlow, os::fd::BorrowedFd};

use super::mapping::{Mapping, page_bytes};

/// Bytes before a record: its length and flags, and what the kernel needs.
const HEADER_BYTES: u32 = 8;
/// Records start at multiples of this.
const ALIGN: u64 = 8;
/// `BPF_RINGBUF_BUSY_BIT`: it is being written.
const BUSY: u32 = 1 << 31;
/// `BPF_RINGBUF_DISCARD_BIT`: it is to be skipped.
const DISCARD: u32 = 1 << 30;

/// Positions or lengths that no kernel writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// More between the positions than there is room for.
    #[error("it has {bytes} bytes, and {used} are said to be in use")]
    Positions {
        /// Bytes of the ring.
        bytes: u64,
        /// Bytes between the positions.
        used: u64,
    },
    /// A position between two records.
    #[error("position {at} is no multiple of 8")]
    Unaligned {
        /// The position.
        at: u64,
    },
    /// A record that ends behind what was written.
    #[error("a record of {bytes} bytes where {left} were written")]
    Record {
        /// What it says.
        bytes: u64,
        /// What there is.
        left: u64,
    },
}

/// What is at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// A record that is not finished.
    Busy,
    /// Nothing for us.
    Skip {
        /// Where the next one is.
        next: u64,
    },
    /// A record.
    Record {
        /// Its bytes.
        len: u32,
        /// Where the next one is.
        next: u64,
    },
}

/// What the first word of a record at `at` says, if records end at `producer`.
fn step(word: u32, at: u64, producer: u64) -> Result<Step, Damage> {
    if word & BUSY != 0 {
        return Ok(Step::Busy);
    }
    let len = word & !DISCARD;
    let bytes = (u64::from(len) + u64::from(HEADER_BYTES)).next_multiple_of(ALIGN);
    let left = producer.wrapping_sub(at);
    if bytes > left {
        return Err(Damage::Record { bytes, left });
    }
    let next = at.wrapping_add(bytes);
    Ok(if word & DISCARD == 0 { Step::Record { len, next } } else { Step::Skip { next } })
}

/// Do these positions belong to a ring of `bytes` bytes?
fn check(consumer: u64, producer: u64, bytes: u64) -> Result<(), Damage> {
    let used = producer.wrapping_sub(consumer);
    if used > bytes {
        return Err(Damage::Positions { bytes, used });
    }
    match [consumer, producer].into_iter().find(|at| !at.is_multiple_of(ALIGN)) {
        Some(at) => Err(Damage::Unaligned { at }),
        None => Ok(()),
    }
}

/// The memory of one ring buffer.
#[derive(Debug)]
pub(crate) struct Ring {
    consumer: Mapping,
    /// The producer's page and twice the records.
    rest: Mapping,
    page: usize,
    /// Bytes of all records.
    bytes: u64,
}

impl Ring {
    /// Map the ring buffer `map` of `bytes` bytes.
    ///
    /// # Errors
    ///
    /// `InvalidInput`: not a power of two; the kernel's: not a ring buffer of this size, `EPERM`.
    pub(crate) fn map(map: BorrowedFd<'_>, bytes: u32) -> io::Result<Self> {
        let page = page_bytes();
        let len = usize::try_from(bytes).expect("u32 fits");
        if !bytes.is_power_of_two() || !len.is_multiple_of(page) {
            let what = format!("{bytes} bytes are no power of two of whole pages");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        let consumer = Mapping::new(map, 0, page, true)?;
        let rest = Mapping::new(map, page, page + 2 * len, false)?;
        Ok(Self { consumer, rest, page, bytes: u64::from(bytes) })
    }

    /// Bytes written and not read yet, finished or not.
    pub(crate) fn used(&self) -> u64 {
        self.rest.load_u64(0).wrapping_sub(self.consumer.load_u64(0))
    }

    /// Call `each` for every finished record, in order, up to the first that is not finished or
    /// that was reserved later than this call; says how many there were. The room of a record is
    /// given back soon after `each` has returned, also if that breaks.
    pub(crate) fn drain<B>(
        &mut self,
        mut each: impl FnMut(&[u8]) -> ControlFlow<B>,
    ) -> Result<(u64, ControlFlow<B>), Damage> {
        let mut at = self.consumer.load_u64(0);
        let producer = self.rest.load_u64(0);
        check(at, producer, self.bytes)?;
        let (mut published, mut records) = (at, 0);
        let mut flow = ControlFlow::Continue(());
        let mut damage = Ok(());
        while at != producer && flow.is_continue() {
            let place = self.page + self.offset(at);
            match step(self.rest.load_u32(place), at, producer) {
                Ok(Step::Busy) => break,
                Ok(Step::Skip { next }) => at = next,
                Ok(Step::Record { len, next }) => {
                    let (from, len) = (place + 8, usize::try_from(len).expect("u32 fits"));
                    // SAFETY: the kernel has finished this record and writes there again only when
                    // we have moved the position beyond it, below. Others who could move it have
                    // the rights to this map that we have.
                    let record = unsafe { self.rest.bytes(from, len) };
                    records += 1;
                    flow = each(record);
                    at = next;
                }
                Err(what) => {
                    damage = Err(what);
                    break;
                }
            }
            // The producer reads the position for each record: it is written seldom, but soon
            // enough that a full ring has room again.
            if at.wrapping_sub(published) >= self.bytes / 16 {
                self.consumer.store_u64(0, at);
                published = at;
            }
        }
        if at != published {
            self.consumer.store_u64(0, at);
        }
        damage.map(|()| (records, flow))
    }

    /// Where a position lies among the records.
    fn offset(&self, at: u64) -> usize {
        usize::try_from(at & (self.bytes - 1)).expect("below the size of the ring")
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, os::fd::AsFd};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_record_is_read_skipped_waited_for_or_refused_by_its_first_word() {
        for (word, at, producer, want) in [
            (5, 0, 16, Ok(Step::Record { len: 5, next: 16 })),
            (8, 0, 16, Ok(Step::Record { len: 8, next: 16 })),
            (0, 0, 8, Ok(Step::Record { len: 0, next: 8 })),
            (9, 0, 16, Err(Damage::Record { bytes: 24, left: 16 })),
            (5 | DISCARD, 8, 24, Ok(Step::Skip { next: 24 })),
            (5 | BUSY, 0, 16, Ok(Step::Busy)),
            (5 | BUSY | DISCARD, 0, 16, Ok(Step::Busy)),
            (!BUSY & !DISCARD, 0, 16, { Err(Damage::Record { bytes: (1 << 30) + 8, left: 16 }) }),
            (8, u64::MAX - 7, 8, Ok(Step::Record { len: 8, next: 8 })),
        ] {
            assert_eq!(step(word, at, producer), want, "{word:#x} at {at}");
        }
    }

    #[test]
    fn positions_that_no_kernel_writes_are_refused() {
        assert_eq!(check(0, 4096, 4096), Ok(()));
        assert_eq!(check(u64::MAX - 7, 8, 4096), Ok(()));
        assert_eq!(check(0, 4104, 4096), Err(Damage::Positions { bytes: 4096, used: 4104 }));
        assert_eq!(check(8, 0, 4096), Err(Damage::Positions { bytes: 4096, used: u64::MAX - 7 }));
        assert_eq!(check(0, 12, 4096), Err(Damage::Unaligned { at: 12 }));
    }

    /// A ring made of a file, as the kernel lays it out but for the second view of the records.
    fn ring_of(consumer: u64, producer: u64, records: &[u8]) -> Ring {
        let page = page_bytes();
        let mut file = tempfile::tempfile().unwrap();
        let mut bytes = vec![0; page * 2 + 2 * page];
        bytes[..8].copy_from_slice(&consumer.to_ne_bytes());
        bytes[page..page + 8].copy_from_slice(&producer.to_ne_bytes());
        bytes[2 * page..2 * page + records.len()].copy_from_slice(records);
        bytes[3 * page..3 * page + records.len()].copy_from_slice(records);
        file.write_all(&bytes).unwrap();
        Ring::map(file.as_fd(), u32::try_from(page).unwrap()).unwrap()
    }

    fn record(flags: u32, text: &[u8]) -> Vec<u8> {
        let len = u32::try_from(text.len()).unwrap() | flags;
        let mut bytes = [&len.to_ne_bytes()[..], &[0; 4], text].concat();
        bytes.resize(bytes.len().next_multiple_of(8), 0xee);
        bytes
    }

    fn drained(ring: &mut Ring) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        let done = ring.drain(|bytes| {
            all.push(bytes.to_vec());
            ControlFlow::<()>::Continue(())
        });
        assert_eq!(done.unwrap(), (all.len() as u64, ControlFlow::Continue(())));
        all
    }

    #[test]
    fn records_come_in_order_up_to_the_first_that_is_not_finished() {
        let records =
            [record(0, b"first"), record(DISCARD, b"no"), record(0, b""), record(BUSY, b"later")]
                .concat();
        let mut ring = ring_of(0, records.len() as u64, &records);
        assert_eq!(drained(&mut ring), [b"first".to_vec(), b"".to_vec()]);
        assert_eq!((ring.used(), drained(&mut ring).len()), (16, 0));
    }

    #[test]
    fn whoever_has_enough_gets_the_rest_the_next_time() {
        let records = [record(0, b"a"), record(0, b"b"), record(0, b"c")].concat();
        let mut ring = ring_of(0, 48, &records);
        let done = ring.drain(|bytes| ControlFlow::Break(bytes.to_vec())).unwrap();
        assert_eq!(done, (1, ControlFlow::Break(b"a".to_vec())));
        assert_eq!(drained(&mut ring), [b"b".to_vec(), b"c".to_vec()]);
    }

    #[test]
    fn a_record_over_the_end_is_in_one_piece() {
        let page = page_bytes();
        let whole = record(0, b"0123456789abcdef");
        let mut records = vec![0; page];
        let at = page - 16;
        records[at..].copy_from_slice(&whole[..16]);
        records[..8].copy_from_slice(&whole[16..]);
        let mut ring = ring_of(at as u64, (at + whole.len()) as u64, &records);
        assert_eq!(drained(&mut ring), [b"0123456789abcdef".to_vec()]);
    }

    proptest! {
        #[test]
        fn any_memory_is_read_or_refused(
            consumer in prop_oneof![Just(0_u64), 0_u64..8192, any::<u64>()],
            ahead in prop_oneof![0_u64..600, any::<u64>()],
            words in prop::collection::vec(
                prop_oneof![0_u32..40, any::<u32>(), Just(BUSY), Just(DISCARD | 8)], 0..1024
            ),
        ) {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
            let mut ring = ring_of(consumer, consumer.wrapping_add(ahead), &bytes);
            let mut calls = 0;
            let done = ring.drain(|bytes| {
                calls += 1;
                assert!(bytes.len() < 4096);
                ControlFlow::<()>::Continue(())
            });
            if let Ok((records, _)) = done {
                prop_assert_eq!(records, calls);
            }
        }
    }
}
