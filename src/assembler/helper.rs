//! Helper functions by id. Ids and names: `include/uapi/linux/bpf.h`, `___BPF_FUNC_MAPPER`.

/// A helper function that the compiler calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Helper {
    /// `void *bpf_map_lookup_elem(map, key)`.
    MapLookupElem,
    /// `long bpf_map_update_elem(map, key, value, flags)`.
    MapUpdateElem,
    /// `u64 bpf_ktime_get_ns()`.
    KtimeGetNs,
    /// `u32 bpf_get_smp_processor_id()`.
    GetSmpProcessorId,
    /// `long bpf_skb_load_bytes(skb, offset, to, len)`.
    SkbLoadBytes,
    /// `long bpf_redirect(ifindex, flags)`. For XDP since Linux 4.8.
    Redirect,
    /// `u64 bpf_xdp_get_buff_len(xdp_md)`. Linux 5.18.
    XdpGetBuffLen,
    /// `long bpf_xdp_load_bytes(xdp_md, offset, buf, len)`. Linux 5.18.
    XdpLoadBytes,
}

impl Helper {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::MapLookupElem,
        Self::MapUpdateElem,
        Self::KtimeGetNs,
        Self::GetSmpProcessorId,
        Self::SkbLoadBytes,
        Self::Redirect,
        Self::XdpGetBuffLen,
        Self::XdpLoadBytes,
    ];

    /// The id in `imm` of the call.
    pub const fn id(self) -> i32 {
        match self {
            Self::MapLookupElem => 1,
            Self::MapUpdateElem => 2,
            Self::KtimeGetNs => 5,
            Self::GetSmpProcessorId => 8,
            Self::Redirect => 23,
            Self::SkbLoadBytes => 26,
            Self::XdpGetBuffLen => 188,
            Self::XdpLoadBytes => 189,
        }
    }

    /// The kernel's name, without the prefix `bpf_`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MapLookupElem => "map_lookup_elem",
            Self::MapUpdateElem => "map_update_elem",
            Self::KtimeGetNs => "ktime_get_ns",
            Self::GetSmpProcessorId => "get_smp_processor_id",
            Self::Redirect => "redirect",
            Self::SkbLoadBytes => "skb_load_bytes",
            Self::XdpGetBuffLen => "xdp_get_buff_len",
            Self::XdpLoadBytes => "xdp_load_bytes",
        }
    }

    /// The helper with this id, if it is one of ours.
    pub fn from_id(id: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|h| h.id() == id)
    }
}
