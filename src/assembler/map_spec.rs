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
}

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
    ];

    /// The kernel's number (`enum bpf_map_type` in `include/uapi/linux/bpf.h`).
    pub const fn id(self) -> u32 {
        match self {
            Self::Hash => 1,
            Self::Array => 2,
            Self::ProgArray => 3,
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
            Self::Hash | Self::Array | Self::ProgArray | Self::LruHash | Self::RingBuf => false,
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
    /// Most entries; for a ring buffer its bytes.
    pub entries_max: u32,
    /// `BPF_F_*` flags of `BPF_MAP_CREATE`.
    pub flags: u32,
}
