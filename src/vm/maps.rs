//! Maps: array and per-CPU array (of one CPU), the hash kinds, program arrays; ring buffers and perf
//! event arrays are in [`ringbuf`](super::ringbuf).
//!
//! Return values follow `kernel/bpf/arraymap.c` and `hashtab.c`. Two differences remain. A hash
//! value that is updated keeps its address, where the kernel puts the new value elsewhere; and a
//! full LRU hash evicts exactly the least recently used entry, where the kernel approximates.

use std::collections::BTreeMap;

use super::{
    decode::MapPlaces,
    memory::{Memory, Region, address, narrow, region, widen},
    ringbuf::Ring,
    trap::TrapReason,
};
use crate::assembler::{MapKind, MapSpec};

/// Most maps of a program (`MAX_USED_MAPS` in the kernel).
pub const MAPS_MAX: usize = 64;
/// Most bytes that the values of all maps of a program may take, 1 GiB.
pub const MAP_BYTES_MAX: u64 = 1 << 30;
/// Longest key of a hash, in bytes (`MAX_BPF_STACK`).
pub const KEY_BYTES_MAX: u32 = 512;

/// Error numbers of the kernel, as helpers return them.
pub(super) mod errno {
    pub(in crate::vm) const ENOENT: i64 = -2;
    pub(in crate::vm) const EAGAIN: i64 = -11;
    pub(in crate::vm) const E2BIG: i64 = -7;
    pub(in crate::vm) const EFAULT: i64 = -14;
    pub(in crate::vm) const ENOMEM: i64 = -12;
    pub(in crate::vm) const EEXIST: i64 = -17;
    pub(in crate::vm) const EINVAL: i64 = -22;
    pub(in crate::vm) const ENOSPC: i64 = -28;
}

/// Bytes of a page, of which a ring buffer has whole ones.
const PAGE_BYTES: u32 = 4096;

const BPF_NOEXIST: u64 = 1;
const BPF_EXIST: u64 = 2;
const BPF_F_LOCK: u64 = 4;

/// Why no machine can be made for a program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// Too many maps.
    #[error("the program has {maps} maps; the limit is {limit}")]
    TooManyMaps {
        /// How many it has.
        maps: usize,
        /// How many it may have.
        limit: usize,
    },
    /// Too many bytes in maps.
    #[error("the values of the program's maps need {bytes} bytes; the limit is {limit}")]
    MapsTooLarge {
        /// Bytes needed.
        bytes: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// A spec that no kernel accepts.
    #[error("map {map} ({name}): {what}")]
    MapSpec {
        /// Index in the image.
        map: usize,
        /// Its name.
        name: String,
        /// What is wrong.
        what: &'static str,
    },
    /// A map that the machine does not have.
    #[error("there is no map {map}; the program has {maps}")]
    NoSuchMap {
        /// The index asked for.
        map: usize,
        /// How many there are.
        maps: usize,
    },
    /// A tail call target where none can be.
    #[error("map {map} ({name}) takes no program at index {index}: {what}")]
    TailCall {
        /// Index of the map.
        map: usize,
        /// Its name.
        name: String,
        /// The index in the map.
        index: u32,
        /// Why not.
        what: String,
    },
    /// Too many programs for tail calls.
    #[error("the machine has {limit} programs, which is the limit")]
    TooManyPrograms {
        /// How many there may be.
        limit: usize,
    },
    /// Too many instructions.
    #[error("the program has {slots} slots; the limit is {limit}")]
    TooManySlots {
        /// Slots it has.
        slots: usize,
        /// Slots it may have.
        limit: usize,
    },
}

/// Keys and bookkeeping of one map; its values are a region.
#[derive(Clone, Debug)]
pub(super) struct MapState {
    pub(super) spec: MapSpec,
    /// Number of the region that holds the values.
    pub(super) region: u64,
    /// For hash kinds: key to block.
    keys: BTreeMap<Vec<u8>, u64>,
    /// For an LRU hash: when each block was last used, in `clock` ticks.
    used: Vec<u64>,
    clock: u64,
    /// For hash kinds: blocks of deleted keys.
    free: Vec<u64>,
    /// For a program array: index to number of the program.
    programs: BTreeMap<u32, usize>,
    /// For a ring buffer or a perf event array.
    pub(super) ring: Ring,
}

/// How a map is keyed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keying {
    Index,
    Hash { lru: bool, per_cpu: bool },
    None,
}

fn keying(kind: MapKind) -> Keying {
    match kind {
        MapKind::Array | MapKind::PerCpuArray => Keying::Index,
        MapKind::Hash => Keying::Hash { lru: false, per_cpu: false },
        MapKind::PerCpuHash => Keying::Hash { lru: false, per_cpu: true },
        MapKind::LruHash => Keying::Hash { lru: true, per_cpu: false },
        MapKind::RingBuf | MapKind::ProgArray | MapKind::PerfEventArray => Keying::None,
    }
}

/// Bookkeeping and value regions for `specs`.
pub(super) fn create(specs: &[MapSpec]) -> Result<(Vec<MapState>, Vec<Region>), SetupError> {
    if specs.len() > MAPS_MAX {
        return Err(SetupError::TooManyMaps { maps: specs.len(), limit: MAPS_MAX });
    }
    let mut states = Vec::new();
    let mut regions = Vec::new();
    let mut total = 0_u64;
    for (map, spec) in specs.iter().enumerate() {
        let spec = &spec.for_cpus(1);
        if let Some(what) = malformed(spec) {
            return Err(SetupError::MapSpec { map, name: spec.name.clone(), what });
        }
        let stride = u64::from(spec.value_bytes).next_multiple_of(8);
        let entry_bytes = match spec.kind {
            MapKind::RingBuf => 1,
            MapKind::ProgArray | MapKind::PerfEventArray => 0,
            MapKind::Array
            | MapKind::PerCpuArray
            | MapKind::Hash
            | MapKind::PerCpuHash
            | MapKind::LruHash => stride,
        };
        total = total.saturating_add(entry_bytes.saturating_mul(spec.entries_max.into()));
        if total > MAP_BYTES_MAX {
            return Err(SetupError::MapsTooLarge { bytes: total, limit: MAP_BYTES_MAX });
        }
        let number = region::VALUES + widen(map);
        states.push(MapState {
            spec: spec.clone(),
            region: number,
            keys: BTreeMap::new(),
            used: Vec::new(),
            clock: 0,
            free: Vec::new(),
            programs: BTreeMap::new(),
            ring: Ring::of(spec),
        });
        let value_bytes = spec.value_bytes.into();
        regions.push(match keying(spec.kind) {
            Keying::Index if spec.entries_max == 1 => Region::flat(value_bytes),
            Keying::Index => Region::blocks(value_bytes, spec.entries_max.into()),
            // Blocks are added as keys appear, but the limit counts all that may.
            Keying::Hash { .. } => Region::blocks(value_bytes, 0),
            Keying::None => Region::default(),
        });
    }
    Ok((states, regions))
}

fn malformed(spec: &MapSpec) -> Option<&'static str> {
    let keying = keying(spec.kind);
    if spec.kind == MapKind::RingBuf {
        let pages = spec.entries_max.is_power_of_two() && spec.entries_max >= PAGE_BYTES;
        return (!pages).then_some("a ring buffer has a power of two of bytes, 4096 or more");
    }
    if keying == Keying::None {
        return None;
    }
    if spec.entries_max == 0 {
        Some("it has room for no entry")
    } else if spec.value_bytes == 0 {
        Some("its values have no bytes")
    } else if keying == Keying::Index && spec.key_bytes != 4 {
        Some("keys of an array have 4 bytes")
    } else if spec.key_bytes == 0 || spec.key_bytes > KEY_BYTES_MAX {
        Some("keys have 1 to 512 bytes")
    } else {
        None
    }
}

impl MapState {
    /// Forget all entries of a hash and all records of a ring buffer; an array's values become
    /// zero. A program array keeps its programs.
    pub(super) fn reset(&mut self, values: &mut Region) {
        self.keys.clear();
        self.used.clear();
        self.clock = 0;
        self.free.clear();
        self.ring = Ring::of(&self.spec);
        match keying(self.spec.kind) {
            Keying::Index => values.clear(),
            Keying::Hash { .. } => *values = Region::blocks(values.block_bytes(), 0),
            Keying::None => {}
        }
    }

    /// Put a program into a program array; `map` is the index of this map.
    pub(super) fn set_program(
        &mut self,
        map: usize,
        index: u32,
        program: usize,
    ) -> Result<(), SetupError> {
        let limit = self.spec.entries_max;
        let kind = self.spec.kind;
        let what = if kind != MapKind::ProgArray {
            Some(format!("its kind is {}", kind.name()))
        } else if index >= limit {
            Some(format!("it has {limit} entries"))
        } else {
            None
        };
        if let Some(what) = what {
            let name = self.spec.name.clone();
            return Err(SetupError::TailCall { map, name, index, what });
        }
        self.programs.insert(index, program);
        Ok(())
    }

    /// The program at `index` of a program array.
    pub(super) fn program(&self, index: u32) -> Option<usize> {
        self.programs.get(&index).copied()
    }

    /// The records of a ring buffer or perf buffer, which has room again.
    pub(super) fn take_records(&mut self) -> Vec<Vec<u8>> {
        self.ring.take()
    }

    /// `bpf_map_delete_elem`: 0 or an error number. The value stays where it is until the block
    /// gets another one, as it does for a reader in the kernel.
    pub(super) fn delete(&mut self, key: &[u8]) -> i64 {
        match keying(self.spec.kind) {
            Keying::Index | Keying::None => errno::EINVAL,
            Keying::Hash { .. } => match self.keys.remove(key) {
                Some(block) => {
                    self.free.push(block);
                    0
                }
                None => errno::ENOENT,
            },
        }
    }

    /// Can entries be looked up and updated?
    pub(super) fn is_keyed(&self) -> bool {
        keying(self.spec.kind) != Keying::None
    }

    /// The block of the value of `key`, without counting as a use.
    pub(super) fn find(&self, key: &[u8]) -> Option<u64> {
        if key.len() != narrow(self.spec.key_bytes.into()) {
            return None;
        }
        match keying(self.spec.kind) {
            Keying::Index => {
                let index = u32::from_le_bytes(*key.first_chunk()?);
                (index < self.spec.entries_max).then_some(index.into())
            }
            Keying::Hash { .. } => self.keys.get(key).copied(),
            Keying::None => None,
        }
    }

    /// The block of the value of `key`, as a program looks it up.
    pub(super) fn lookup(&mut self, key: &[u8]) -> Option<u64> {
        let block = self.find(key)?;
        self.touch(block);
        Some(block)
    }

    fn touch(&mut self, block: u64) {
        if let Keying::Hash { lru: true, .. } = keying(self.spec.kind) {
            self.clock += 1;
            let at = narrow(block);
            if self.used.len() <= at {
                self.used.resize(at + 1, 0);
            }
            self.used[at] = self.clock;
        }
    }

    /// `bpf_map_update_elem`: 0 or an error number.
    pub(super) fn update(
        &mut self,
        values: &mut Region,
        key: &[u8],
        value: &[u8],
        flags: u64,
    ) -> i64 {
        let block = match keying(self.spec.kind) {
            Keying::Index => self.place_in_array(key, flags),
            Keying::Hash { lru, per_cpu } => {
                // Per-CPU and LRU hashes do not know BPF_F_LOCK; the others need a spin lock in
                // the value for it, which none of ours has.
                let known = if lru || per_cpu { flags } else { flags & !BPF_F_LOCK };
                if known > BPF_EXIST || flags & BPF_F_LOCK != 0 {
                    Err(errno::EINVAL)
                } else {
                    self.place_in_hash(values, key, flags, lru)
                }
            }
            Keying::None => Err(errno::EINVAL),
        };
        match block {
            Ok(block) => {
                self.touch(block);
                let to = values.block_mut(block).expect("a block that was just placed");
                to.copy_from_slice(value);
                0
            }
            Err(errno) => errno,
        }
    }

    fn place_in_array(&self, key: &[u8], flags: u64) -> Result<u64, i64> {
        if flags & !BPF_F_LOCK > BPF_EXIST {
            return Err(errno::EINVAL);
        }
        let block = self.find(key).ok_or(errno::E2BIG)?;
        if flags & BPF_NOEXIST != 0 {
            return Err(errno::EEXIST);
        }
        if flags & BPF_F_LOCK != 0 {
            return Err(errno::EINVAL);
        }
        Ok(block)
    }

    fn place_in_hash(
        &mut self,
        values: &mut Region,
        key: &[u8],
        flags: u64,
        lru: bool,
    ) -> Result<u64, i64> {
        if let Some(block) = self.keys.get(key) {
            return if flags == BPF_NOEXIST { Err(errno::EEXIST) } else { Ok(*block) };
        }
        if flags == BPF_EXIST {
            return Err(errno::ENOENT);
        }
        let block = if self.keys.len() < narrow(self.spec.entries_max.into()) {
            self.free.pop().unwrap_or_else(|| values.grow())
        } else if lru {
            self.evict()
        } else {
            return Err(errno::E2BIG);
        };
        self.keys.insert(key.to_vec(), block);
        Ok(block)
    }

    /// Free the block that was used least recently.
    fn evict(&mut self) -> u64 {
        let oldest = self.keys.iter().min_by_key(|(_, block)| self.used[narrow(**block)]);
        let (key, block) = oldest.map(|(key, block)| (key.clone(), *block)).expect("it is full");
        self.keys.remove(&key);
        block
    }

    /// Keys and blocks, in the order of keys.
    pub(super) fn entries(&self) -> Vec<(Vec<u8>, u64)> {
        match keying(self.spec.kind) {
            Keying::Index => (0..self.spec.entries_max)
                .map(|index| (index.to_le_bytes().to_vec(), u64::from(index)))
                .collect(),
            Keying::Hash { .. } => self.keys.iter().map(|(k, b)| (k.clone(), *b)).collect(),
            Keying::None => Vec::new(),
        }
    }
}

/// The addresses of maps, for decoding.
pub(super) struct Places<'a>(pub(super) &'a [MapState]);

impl Places<'_> {
    fn state(&self, index: i32) -> Result<(usize, &MapState), TrapReason> {
        let found = usize::try_from(index).ok().and_then(|at| Some((at, self.0.get(at)?)));
        found.ok_or(TrapReason::NoMap { index, maps: self.0.len() })
    }
}

impl MapPlaces for Places<'_> {
    fn object(&self, map: i32) -> Result<u64, TrapReason> {
        let (at, _) = self.state(map)?;
        Ok(address(region::MAPS, widen(at)))
    }

    fn value(&self, map: i32, offset: i32) -> Result<u64, TrapReason> {
        let (at, state) = self.state(map)?;
        let spec = &state.spec;
        if spec.kind != MapKind::Array || spec.entries_max != 1 {
            let what = "a direct pointer to the value (only an array of one entry has it)";
            return Err(TrapReason::MapKind { map: at, kind: spec.kind.name(), what });
        }
        match u64::try_from(offset) {
            Ok(offset) if offset < u64::from(spec.value_bytes) => Ok(address(state.region, offset)),
            _ => Err(TrapReason::MapValueOffset { map: at, offset, value_bytes: spec.value_bytes }),
        }
    }

    fn function(&self, slot: i64) -> u64 {
        address(region::FUNCTIONS, slot.cast_unsigned())
    }
}

/// The maps of a machine, to read what a program wrote.
#[derive(Clone, Copy, Debug)]
pub struct Maps<'a> {
    pub(super) states: &'a [MapState],
    pub(super) memory: &'a Memory,
}

impl<'a> Maps<'a> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.states.len()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// What the map with this index was declared as.
    pub fn spec(&self, map: usize) -> Option<&'a MapSpec> {
        self.states.get(map).map(|state| &state.spec)
    }

    /// The value of `key` (of the one CPU) in the map with this index; nothing if there is no such
    /// map or entry.
    pub fn value(&self, map: usize, key: &[u8]) -> Option<&'a [u8]> {
        let state = self.states.get(map)?;
        self.memory.region(state.region).block(state.find(key)?)
    }

    /// The value at `index` of an array or per-CPU array.
    pub fn at(&self, map: usize, index: u32) -> Option<&'a [u8]> {
        match keying(self.states.get(map)?.spec.kind) {
            Keying::Index => self.value(map, &index.to_le_bytes()),
            Keying::Hash { .. } | Keying::None => None,
        }
    }

    /// All entries of the map with this index, in the order of their keys (arrays: by index).
    pub fn entries(&self, map: usize) -> Vec<(Vec<u8>, &'a [u8])> {
        let Some(state) = self.states.get(map) else { return Vec::new() };
        let values = self.memory.region(state.region);
        let entries = state.entries().into_iter();
        entries.filter_map(|(key, block)| Some((key, values.block(block)?))).collect()
    }
}
