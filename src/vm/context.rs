//! What a program is given: an `xdp_md`, a `__sk_buff`, or plain memory.
//!
//! Layouts are those of `include/uapi/linux/bpf.h`. A load from a context is not a load from
//! memory: the kernel rewrites it, so a 4-byte load of `data` gives a 64-bit pointer. Which loads
//! are legal follows `xdp_is_valid_access` and `bpf_skb_is_valid_access` (`net/core/filter.c`).
//! Writes are refused, also those few that the kernel allows (`cb`, `mark`).

use super::memory::{address, region};

/// Where a program that reads a `__sk_buff` runs; they may read different fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SkbHook {
    /// On a socket: no direct packet access.
    #[default]
    SocketFilter,
    /// In a classifier (tc, TCX): `data` and `data_end` span the linear part.
    SchedCls,
}

/// A VLAN tag that was taken out of the frame into the packet's metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VlanTag {
    /// Its EtherType in host order, such as `0x8100`.
    pub tpid: u16,
    /// Priority, drop eligibility and VLAN id.
    pub tci: u16,
}

/// Fields of a `__sk_buff` besides its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SkbFields {
    /// Where the program runs.
    pub hook: SkbHook,
    /// The tag outside the bytes, if there is one.
    pub vlan: Option<VlanTag>,
    /// EtherType in host order, such as `0x0800`; the program sees it in network order.
    pub protocol: u16,
    /// Interface the packet is on.
    pub ifindex: u32,
    /// Interface it came in by.
    pub ingress_ifindex: u32,
    /// `PACKET_HOST` and so on, 0 to 7.
    pub pkt_type: u8,
    /// `skb->mark`.
    pub mark: u32,
    /// `skb->priority`.
    pub priority: u32,
    /// `skb->queue_mapping`.
    pub queue_mapping: u16,
    /// `skb->hash`.
    pub hash: u32,
}

/// The bytes and fields of one run.
#[derive(Debug)]
pub struct Context<'a> {
    pub(super) bytes: Bytes<'a>,
    pub(super) fields: Fields,
}

#[derive(Debug)]
pub(super) enum Bytes<'a> {
    Packet { bytes: &'a [u8], linear: usize },
    Memory(&'a mut [u8]),
}

/// What outlives the borrow of the bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Fields {
    Xdp {
        ifindex: u32,
        rx_queue: u32,
    },
    Skb(SkbFields),
    #[default]
    Memory,
}

impl<'a> Context<'a> {
    /// An `xdp_md` of `frame`, of which the first `linear_bytes` (or all, if it is shorter) lie
    /// between `data` and `data_end`; the rest is in fragments, within reach of helpers only.
    pub fn xdp(frame: &'a [u8], linear_bytes: usize, ifindex: u32) -> Self {
        let bytes = Bytes::Packet { bytes: frame, linear: linear_bytes };
        Self { bytes, fields: Fields::Xdp { ifindex, rx_queue: 0 } }
    }

    /// A `__sk_buff` of `packet`, of which the first `linear_bytes` are linear.
    pub fn skb(packet: &'a [u8], linear_bytes: usize, fields: SkbFields) -> Self {
        let bytes = Bytes::Packet { bytes: packet, linear: linear_bytes };
        Self { bytes, fields: Fields::Skb(fields) }
    }

    /// Plain memory: `r1` is its address (0 if it is empty) and `r2` its length. After the run
    /// `memory` holds what the program wrote, also if it trapped.
    pub fn memory(memory: &'a mut [u8]) -> Self {
        Self { bytes: Bytes::Memory(memory), fields: Fields::Memory }
    }

    /// The same with another receive queue index; for `xdp_md` only, else nothing changes.
    #[must_use]
    pub fn with_rx_queue(mut self, queue: u32) -> Self {
        if let Fields::Xdp { rx_queue, .. } = &mut self.fields {
            *rx_queue = queue;
        }
        self
    }
}

impl Fields {
    /// The name of the structure.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Xdp { .. } => "xdp_md",
            Self::Skb(SkbFields { hook: SkbHook::SocketFilter, .. }) => "a socket's __sk_buff",
            Self::Skb(SkbFields { hook: SkbHook::SchedCls, .. }) => "a classifier's __sk_buff",
            Self::Memory => "plain memory",
        }
    }

    /// What a load of `bytes` at `offset` gives, zero-extended, for a packet of `packet_bytes`
    /// bytes of which `linear` are linear.
    ///
    /// # Errors
    ///
    /// Why the kernel would refuse the program, or that the field is not modelled.
    pub(super) fn load(
        &self,
        offset: u64,
        bytes: u8,
        linear: u64,
        packet_bytes: u64,
    ) -> Result<u64, &'static str> {
        if !offset.is_multiple_of(bytes.into()) {
            return Err("context accesses must be aligned");
        }
        let data = address(region::PACKET, 0);
        match *self {
            Self::Memory => Err("there is no context"),
            Self::Xdp { ifindex, rx_queue } => {
                if bytes != 4 {
                    return Err("fields of xdp_md are read as 4 bytes");
                }
                match offset {
                    0 | 8 => Ok(data),
                    4 => Ok(data + linear),
                    12 => Ok(ifindex.into()),
                    16 => Ok(rx_queue.into()),
                    20 => Err("egress_ifindex can only be read in a device map's program"),
                    _ => Err("xdp_md has 24 bytes"),
                }
            }
            Self::Skb(fields) => fields.load(offset, bytes, data, linear, packet_bytes),
        }
    }
}

impl SkbFields {
    fn load(
        &self,
        offset: u64,
        bytes: u8,
        data: u64,
        linear: u64,
        packet_bytes: u64,
    ) -> Result<u64, &'static str> {
        if let 76 | 80 = offset & !3 {
            if self.hook == SkbHook::SocketFilter {
                return Err("a socket filter has no direct packet access");
            }
            if bytes != 4 {
                return Err("data and data_end are read as 4 bytes");
            }
            return Ok(if offset == 76 { data } else { data + linear });
        }
        if bytes > 4 {
            return Err("the field has 4 bytes");
        }
        let length = u32::try_from(packet_bytes).unwrap_or(u32::MAX);
        // The value, and how many bytes the kernel's own field has.
        let (field, field_bytes): (u32, u8) = match offset & !3 {
            0 => (length, 4),
            4 => (u32::from(self.pkt_type & 7), 1),
            8 => (self.mark, 4),
            12 => (self.queue_mapping.into(), 2),
            16 => (self.protocol.to_be().into(), 2),
            20 => (self.vlan.is_some().into(), 4),
            24 => (self.vlan.map_or(0, |tag| tag.tci).into(), 2),
            28 => (self.vlan.map_or(0, |tag| tag.tpid.to_be()).into(), 2),
            32 => (self.priority, 4),
            36 => (self.ingress_ifindex, 4),
            40 => (self.ifindex, 4),
            // tc_index, cb, napi_id, gso_segs, gso_size: fresh from the driver, not aggregated.
            44..=64 | 84 | 164 | 176 => (0, 4),
            68 => (self.hash, 4),
            188.. => return Err("__sk_buff has 192 bytes, of which the last 8 are refused"),
            _ => return Err("the field is refused for this program type or not modelled"),
        };
        // A load that is no narrower than the kernel's field gets all of it, wherever in the four
        // bytes it stands (`convert_ctx_accesses` in `kernel/bpf/verifier.c`).
        if bytes >= field_bytes {
            return Ok(field.into());
        }
        let shifted = u64::from(field) >> ((offset & 3) * 8);
        Ok(shifted & ((1u64 << (u32::from(bytes) * 8)) - 1))
    }
}
