//! Maps: array and per-CPU array (of one CPU), and the hash kinds. Ring buffers and program arrays
//! can be declared and referred to; using one is a trap with its name.
//!
//! Return values follow `kernel/bpf/arraymap.c` and `hashtab.c`. Two differences remain. A hash
//! value that is updated keeps its address, where the kernel puts the new value elsewhere; and a
//! full LRU hash evicts exactly the least recently used entry, where the kernel approximates.

use std::collections::BTreeMap;

use super::{
    decode::MapPlaces,
    memory::{Memory, Region, address, narrow, region},
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
    pub(in crate::vm) const E2BIG: i64 = -7;
    pub(in crate::vm) const EFAULT: i64 = -14;
    pub(in crate::vm) const EEXIST: i64 = -17;
    pub(in crate::vm) const EINVAL: i64 = -22;
}

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
        MapKind::RingBuf | MapKind::ProgArray => Keying::None,
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
        if let Some(what) = malformed(spec) {
            return Err(SetupError::MapSpec { map, name: spec.name.clone(), what });
        }
        let stride = u64::from(spec.value_bytes).next_multiple_of(8);
        let (value_bytes, blocks) = match keying(spec.kind) {
            Keying::Index => (spec.value_bytes, u64::from(spec.entries_max)),
            // Blocks are added as keys appear, but the limit counts all that may.
            Keying::Hash { .. } => (spec.value_bytes, 0),
            Keying::None => (0, 0),
        };
        if keying(spec.kind) != Keying::None {
            total = total.saturating_add(stride.saturating_mul(spec.entries_max.into()));
        }
        if total > MAP_BYTES_MAX {
            return Err(SetupError::MapsTooLarge { bytes: total, limit: MAP_BYTES_MAX });
        }
        let number = region::VALUES + super::memory::widen(map);
        states.push(MapState {
            spec: spec.clone(),
            region: number,
            keys: BTreeMap::new(),
            used: Vec::new(),
            clock: 0,
        });
        regions.push(Region::blocks(value_bytes.into(), blocks));
    }
    Ok((states, regions))
}

fn malformed(spec: &MapSpec) -> Option<&'static str> {
    let keying = keying(spec.kind);
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
    /// Forget all entries of a hash; an array's values become zero.
    pub(super) fn reset(&mut self, values: &mut Region) {
        self.keys.clear();
        self.used.clear();
        self.clock = 0;
        match keying(self.spec.kind) {
            Keying::Index => values.bytes.fill(0),
            Keying::Hash { .. } => *values = Region::blocks(values.block_bytes, 0),
            Keying::None => {}
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
        let block = if values.blocks < self.spec.entries_max.into() {
            values.grow()
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
        Ok(address(region::MAPS, super::memory::widen(at)))
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
