//! What a program needs of a map, before there is one.

/// Map kinds that Hardwire creates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MapKind {
    /// `BPF_MAP_TYPE_ARRAY`.
    Array,
    /// `BPF_MAP_TYPE_PERCPU_ARRAY`: one value a CPU, no direct value pointer.
    PerCpuArray,
    /// `BPF_MAP_TYPE_HASH`.
    Hash,
    /// `BPF_MAP_TYPE_PERCPU_HASH`.
    PerCpuHash,
    /// `BPF_MAP_TYPE_LRU_HASH`.
    LruHash,
    /// `BPF_MAP_TYPE_RINGBUF` (Linux 5.8): `max_entries` is its size in bytes, a power-of-two
    /// multiple of the page size; key and value sizes are 0.
    RingBuf,
    /// `BPF_MAP_TYPE_PROG_ARRAY`: targets of tail calls.
    ProgArray,
    /// `BPF_MAP_TYPE_PERF_EVENT_ARRAY`: one perf buffer a CPU, for kernels without ring buffers. Key
    /// and value (a descriptor) have 4 bytes.
    PerfEventArray,
}

/// As [`MapSpec::entries_max`] of an array or a perf event array: one entry for every CPU that may
/// ever run, by its number. How many that are only the machine knows that creates the map.
pub const ENTRIES_PER_CPU: u32 = 0;

impl MapKind {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Array,
        Self::PerCpuArray,
        Self::Hash,
        Self::PerCpuHash,
        Self::LruHash,
        Self::RingBuf,
        Self::ProgArray,
        Self::PerfEventArray,
    ];

    /// The kernel's number (`enum bpf_map_type` in `include/uapi/linux/bpf.h`).
    pub const fn id(self) -> u32 {
        match self {
            Self::Hash => 1,
            Self::Array => 2,
            Self::ProgArray => 3,
            Self::PerfEventArray => 4,
            Self::PerCpuHash => 5,
            Self::PerCpuArray => 6,
            Self::LruHash => 9,
            Self::RingBuf => 27,
        }
    }

    /// The kernel's name, lower case, as `bpftool` prints it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hash => "hash",
            Self::Array => "array",
            Self::ProgArray => "prog_array",
            Self::PerfEventArray => "perf_event_array",
            Self::PerCpuHash => "percpu_hash",
            Self::PerCpuArray => "percpu_array",
            Self::LruHash => "lru_hash",
            Self::RingBuf => "ringbuf",
        }
    }

    /// Does each CPU have a value of its own?
    pub const fn is_per_cpu(self) -> bool {
        match self {
            Self::PerCpuHash | Self::PerCpuArray => true,
            Self::Hash
            | Self::Array
            | Self::ProgArray
            | Self::PerfEventArray
            | Self::LruHash
            | Self::RingBuf => false,
        }
    }
}

/// A map that a program refers to by its index in the image.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MapSpec {
    /// At most 15 bytes of letters, digits, `_` and `.`.
    pub name: String,
    /// What kind of map.
    pub kind: MapKind,
    /// Bytes of a key.
    pub key_bytes: u32,
    /// Bytes of a value (of one CPU).
    pub value_bytes: u32,
    /// Most entries; for a ring buffer its bytes. See [`ENTRIES_PER_CPU`].
    pub entries_max: u32,
    /// `BPF_F_*` flags of `BPF_MAP_CREATE`.
    pub flags: u32,
}

impl MapSpec {
    /// Does it have one entry for every CPU, however many there are ([`ENTRIES_PER_CPU`])?
    pub fn is_entry_per_cpu(&self) -> bool {
        self.entries_max == ENTRIES_PER_CPU
            && matches!(self.kind, MapKind::Array | MapKind::PerfEventArray)
    }

    /// The same for a machine with `cpus` CPUs.
    #[must_use]
    pub fn for_cpus(&self, cpus: u32) -> Self {
        let entries_max = if self.is_entry_per_cpu() { cpus } else { self.entries_max };
        Self { entries_max, ..self.clone() }
    }

    /// How many entries, in words: `1 entry`, `64 entries`, `one entry a CPU`.
    pub fn entries_text(&self) -> String {
        match self.entries_max {
            _ if self.is_entry_per_cpu() => "one entry a CPU".to_owned(),
            1 => "1 entry".to_owned(),
            entries => format!("{entries} entries"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_without_a_number_of_entries_have_one_a_cpu_and_no_other_map_has() {
        for &kind in MapKind::ALL {
            let spec = |entries_max| MapSpec {
                name: "m".to_owned(),
                kind,
                key_bytes: 4,
                value_bytes: 4,
                entries_max,
                flags: 0,
            };
            let per_cpu = matches!(kind, MapKind::Array | MapKind::PerfEventArray);
            let entries = if per_cpu { 3 } else { 0 };
            assert_eq!(spec(ENTRIES_PER_CPU).for_cpus(3).entries_max, entries, "{kind:?}");
            assert_eq!(spec(7).for_cpus(3).entries_max, 7, "{kind:?}");
        }
    }
}
