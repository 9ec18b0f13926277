//! Ring buffers (`kernel/bpf/ringbuf.c`): records in the order in which they were reserved, the
//! kernel's arithmetic of what fits, and a reader that comes between two runs. And perf event arrays
//! (`kernel/trace/bpf_trace.c`), on whose one CPU a buffer of [`PERF_BYTES`] is open; how the kernel
//! wraps the records in it is not modelled.

use super::{
    context::Fields,
    helpers::{argument, context_argument},
    machine::World,
    maps::errno,
    memory::{Access, address, narrow, region, split},
    trap::TrapReason,
};
use crate::assembler::{Helper, MapKind, MapSpec};

/// `BPF_RB_NO_WAKEUP | BPF_RB_FORCE_WAKEUP`, which mean nothing without a waiting reader.
const WAKEUP_FLAGS: u64 = 3;
/// Bytes in front of each record (`BPF_RINGBUF_HDR_SZ`).
const HEADER_BYTES: u64 = 8;
/// Most bytes of a record (`RINGBUF_MAX_RECORD_SZ`).
const RECORD_BYTES_MAX: u64 = (u32::MAX / 4) as u64;

/// Bytes of the perf buffer.
const PERF_BYTES: u32 = 1 << 24;
/// Which CPU's buffer (`BPF_F_INDEX_MASK`); all ones is the current one.
const PERF_INDEX: u64 = 0xffff_ffff;
/// Where in the flags the number of bytes of the packet stands (`BPF_F_CTXLEN_MASK`).
const PERF_PACKET_SHIFT: u32 = 32;
const PERF_PACKET_MAX: u64 = 0xf_ffff;

/// What a ring buffer holds.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    bytes: u64,
    used: u64,
    records: Vec<Record>,
}

#[derive(Clone, Debug)]
enum Record {
    /// Reserved, or discarded: no reader sees it, but it takes its room.
    Hidden,
    Submitted(Vec<u8>),
}

impl Ring {
    /// An empty one of this many bytes.
    pub(super) fn new(bytes: u32) -> Self {
        Self { bytes: bytes.into(), used: 0, records: Vec::new() }
    }

    /// An empty one for this map; for any that is neither kind of buffer it means nothing.
    pub(super) fn of(spec: &MapSpec) -> Self {
        match spec.kind {
            MapKind::PerfEventArray => Self::new(PERF_BYTES),
            MapKind::RingBuf
            | MapKind::Array
            | MapKind::PerCpuArray
            | MapKind::Hash
            | MapKind::PerCpuHash
            | MapKind::LruHash
            | MapKind::ProgArray => Self::new(spec.entries_max),
        }
    }

    /// Room for a record of `length` bytes; its index.
    fn reserve(&mut self, length: u64) -> Option<usize> {
        if length > RECORD_BYTES_MAX {
            return None;
        }
        let used = self.used + (length + HEADER_BYTES).next_multiple_of(8);
        // The kernel never fills the last byte.
        if used >= self.bytes {
            return None;
        }
        self.used = used;
        self.records.push(Record::Hidden);
        Some(self.records.len() - 1)
    }

    /// All that a reader sees; then it is empty.
    pub(super) fn take(&mut self) -> Vec<Vec<u8>> {
        self.used = 0;
        let records = std::mem::take(&mut self.records);
        let submitted = records.into_iter().filter_map(|record| match record {
            Record::Submitted(bytes) => Some(bytes),
            Record::Hidden => None,
        });
        submitted.collect()
    }
}

/// A record that the running program has reserved and not yet given back.
#[derive(Clone, Debug)]
pub(super) struct Reserved {
    region: u64,
    map: usize,
    index: usize,
}

impl World {
    fn ring_argument(&mut self, helper: Helper, value: u64) -> Result<usize, TrapReason> {
        let (number, offset) = split(value);
        let map = narrow(offset);
        match self.maps.get(map) {
            Some(state) if number == region::MAPS && state.spec.kind == MapKind::RingBuf => Ok(map),
            _ => Err(argument(helper, 1, value, "it is not a ring buffer")),
        }
    }

    /// `bpf_ringbuf_output(ringbuf, data, size, flags)`.
    pub(super) fn ringbuf_output(
        &mut self,
        helper: Helper,
        args: [u64; 5],
    ) -> Result<u64, TrapReason> {
        let map = self.ring_argument(helper, args[0])?;
        let (data, length) = (args[1], args[2]);
        let bytes = match self.memory.bytes(data, length) {
            Some(bytes) => bytes.to_vec(),
            None => return Err(self.memory.refusal(Access::Read, data, length)),
        };
        if args[3] & !WAKEUP_FLAGS != 0 {
            return Ok(errno::EINVAL.cast_unsigned());
        }
        let ring = &mut self.maps[map].ring;
        let Some(index) = ring.reserve(length) else { return Ok(errno::EAGAIN.cast_unsigned()) };
        ring.records[index] = Record::Submitted(bytes);
        Ok(0)
    }

    /// `bpf_perf_event_output(ctx, perf_event_array, flags, data, size)`: `data`, and behind it as many
    /// bytes of the packet as the flags ask for.
    pub(super) fn perf_event_output(
        &mut self,
        helper: Helper,
        args: [u64; 5],
    ) -> Result<u64, TrapReason> {
        match self.fields {
            Fields::Xdp { .. } | Fields::Skb(_) => context_argument(helper, args[0])?,
            Fields::Memory => return Err(self.not_available(helper)),
        }
        let (number, offset) = split(args[1]);
        let map = narrow(offset);
        match self.maps.get(map) {
            Some(state) if number == region::MAPS && state.spec.kind == MapKind::PerfEventArray => {
            }
            _ => return Err(argument(helper, 2, args[1], "it is not a perf event array")),
        }
        let (flags, data, length) = (args[2], args[3], args[4]);
        let mut bytes = match self.memory.bytes(data, length) {
            Some(bytes) => bytes.to_vec(),
            None => return Err(self.memory.refusal(Access::Read, data, length)),
        };
        let (index, packet) = (flags & PERF_INDEX, flags >> PERF_PACKET_SHIFT);
        if packet > PERF_PACKET_MAX {
            return Ok(errno::EINVAL.cast_unsigned());
        }
        let Some(packet) = self.memory.packet(0, packet) else {
            return Ok(errno::EFAULT.cast_unsigned());
        };
        if index != PERF_INDEX && index != 0 {
            return Ok(errno::E2BIG.cast_unsigned());
        }
        bytes.extend(packet);
        let ring = &mut self.maps[map].ring;
        let Some(at) = ring.reserve(bytes.len() as u64) else {
            return Ok(errno::ENOSPC.cast_unsigned());
        };
        ring.records[at] = Record::Submitted(bytes);
        Ok(0)
    }

    /// `bpf_ringbuf_reserve(ringbuf, size, flags)`: an address, or 0 if there is no room.
    pub(super) fn ringbuf_reserve(
        &mut self,
        helper: Helper,
        args: [u64; 5],
    ) -> Result<u64, TrapReason> {
        let map = self.ring_argument(helper, args[0])?;
        let length = args[1];
        if args[2] != 0 {
            return Ok(0);
        }
        let Some(index) = self.maps[map].ring.reserve(length) else { return Ok(0) };
        let Some(region) = self.memory.borrow(length) else { return Ok(0) };
        self.reserved.push(Reserved { region, map, index });
        Ok(address(region, 0))
    }

    /// `bpf_ringbuf_submit(data, flags)`, or `bpf_ringbuf_discard` unless `keep`.
    pub(super) fn ringbuf_finish(
        &mut self,
        helper: Helper,
        args: [u64; 5],
        keep: bool,
    ) -> Result<u64, TrapReason> {
        let at = self.reserved.iter().position(|one| address(one.region, 0) == args[0]);
        let Some(at) = at else {
            let what = "it is not the start of a reserved record";
            return Err(argument(helper, 1, args[0], what));
        };
        let Reserved { region, map, index } = self.reserved.swap_remove(at);
        let bytes = self.memory.give_back(region);
        if keep {
            self.maps[map].ring.records[index] = Record::Submitted(bytes);
        }
        // It returns nothing; the kernel does not say what is in r0.
        Ok(super::machine::CLOBBERED)
    }
}
