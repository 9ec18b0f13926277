//! Helper functions by id, and the names of kernel functions. The tables are in
//! `names.rs`, which says where they come from.

use super::names::{HELPERS, KERNEL_FUNCTIONS};

/// A helper function that the compiler or an application of the engine calls, and the vm models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Helper {
    /// `void *bpf_map_lookup_elem(map, key)`.
    MapLookupElem,
    /// `long bpf_map_update_elem(map, key, value, flags)`.
    MapUpdateElem,
    /// `long bpf_map_delete_elem(map, key)`.
    MapDeleteElem,
    /// `u64 bpf_ktime_get_ns()`.
    KtimeGetNs,
    /// `u32 bpf_get_smp_processor_id()`.
    GetSmpProcessorId,
    /// `long bpf_skb_load_bytes(skb, offset, to, len)`.
    SkbLoadBytes,
    /// `long bpf_tail_call(ctx, prog_array, index)`; does not return if it succeeds.
    TailCall,
    /// `long bpf_redirect(ifindex, flags)`. For XDP since Linux 4.8.
    Redirect,
    /// `long bpf_perf_event_output(ctx, perf_event_array, flags, data, size)`.
    PerfEventOutput,
    /// `long bpf_skb_pull_data(skb, len)`; pointers into the packet are void behind it. Linux 4.9.
    SkbPullData,
    /// `long bpf_ringbuf_output(ringbuf, data, size, flags)`. Linux 5.8.
    RingbufOutput,
    /// `void *bpf_ringbuf_reserve(ringbuf, size, flags)`. Linux 5.8.
    RingbufReserve,
    /// `void bpf_ringbuf_submit(data, flags)`. Linux 5.8.
    RingbufSubmit,
    /// `void bpf_ringbuf_discard(data, flags)`. Linux 5.8.
    RingbufDiscard,
    /// `u64 bpf_xdp_get_buff_len(xdp_md)`. Linux 5.18.
    XdpGetBuffLen,
    /// `long bpf_xdp_load_bytes(xdp_md, offset, buf, len)`. Linux 5.18.
    XdpLoadBytes,
}

impl Helper {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::MapLookupElem,
        Self::MapUpdateElem,
        Self::MapDeleteElem,
        Self::KtimeGetNs,
        Self::GetSmpProcessorId,
        Self::TailCall,
        Self::Redirect,
        Self::SkbLoadBytes,
        Self::SkbPullData,
        Self::PerfEventOutput,
        Self::RingbufOutput,
        Self::RingbufReserve,
        Self::RingbufSubmit,
        Self::RingbufDiscard,
        Self::XdpGetBuffLen,
        Self::XdpLoadBytes,
    ];

    /// The id in `imm` of the call.
    pub const fn id(self) -> i32 {
        match self {
            Self::MapLookupElem => 1,
            Self::MapUpdateElem => 2,
            Self::MapDeleteElem => 3,
            Self::KtimeGetNs => 5,
            Self::GetSmpProcessorId => 8,
            Self::TailCall => 12,
            Self::Redirect => 23,
            Self::PerfEventOutput => 25,
            Self::SkbLoadBytes => 26,
            Self::SkbPullData => 39,
            Self::RingbufOutput => 130,
            Self::RingbufReserve => 131,
            Self::RingbufSubmit => 132,
            Self::RingbufDiscard => 133,
            Self::XdpGetBuffLen => 188,
            Self::XdpLoadBytes => 189,
        }
    }

    /// The kernel's name, without the prefix `bpf_`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MapLookupElem => "map_lookup_elem",
            Self::MapUpdateElem => "map_update_elem",
            Self::MapDeleteElem => "map_delete_elem",
            Self::KtimeGetNs => "ktime_get_ns",
            Self::GetSmpProcessorId => "get_smp_processor_id",
            Self::TailCall => "tail_call",
            Self::Redirect => "redirect",
            Self::SkbLoadBytes => "skb_load_bytes",
            Self::SkbPullData => "skb_pull_data",
            Self::PerfEventOutput => "perf_event_output",
            Self::RingbufOutput => "ringbuf_output",
            Self::RingbufReserve => "ringbuf_reserve",
            Self::RingbufSubmit => "ringbuf_submit",
            Self::RingbufDiscard => "ringbuf_discard",
            Self::XdpGetBuffLen => "xdp_get_buff_len",
            Self::XdpLoadBytes => "xdp_load_bytes",
        }
    }

    /// The helper with this id, if it is one of ours.
    pub fn from_id(id: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|h| h.id() == id)
    }
}

/// The kernel's name of the helper with this id, without the prefix `bpf_`. Covers every helper
/// of the kernel, not only those of [`Helper`].
pub fn name_of(id: i32) -> Option<&'static str> {
    HELPERS.get(usize::try_from(id).ok()?).copied()
}

/// The id of the helper with this name, with or without the prefix `bpf_`.
pub fn id_of(name: &str) -> Option<i32> {
    let name = name.strip_prefix("bpf_").unwrap_or(name);
    let at = HELPERS.iter().position(|&n| n == name)?;
    i32::try_from(at).ok()
}

/// Is this the name of a kernel function that programs may call? Its number is a matter of the
/// kernel at hand.
pub fn is_kernel_function(name: &str) -> bool {
    KERNEL_FUNCTIONS.binary_search(&name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_table_agrees_with_the_helpers_in_use() {
        for helper in Helper::ALL {
            assert_eq!(name_of(helper.id()), Some(helper.name()));
            assert_eq!(id_of(&format!("bpf_{}", helper.name())), Some(helper.id()));
        }
        assert_eq!(name_of(211), Some("cgrp_storage_delete"), "the last one of the header");
        assert_eq!(name_of(212), None);
        assert_eq!(name_of(-1), None);
    }

    #[test]
    fn kernel_functions_are_found_by_name() {
        assert!(KERNEL_FUNCTIONS.is_sorted(), "searched by halves");
        for (name, known) in [
            ("bpf_dynptr_from_xdp", true),
            ("bpf_strnstr", true),
            ("bpf_xdp_metadata_rx_hash", true),
            ("bpf_map_lookup_elem", false),
            ("", false),
        ] {
            assert_eq!(is_kernel_function(name), known, "{name}");
        }
    }
}
