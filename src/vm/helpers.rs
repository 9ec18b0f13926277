//! Helper functions, with the results and error numbers of the kernel (`kernel/bpf/helpers.c`,
//! `net/core/filter.c`). An argument that the verifier would refuse is a trap: such a program never
//! runs. There is one CPU, number 0, and time stands at the value that the caller set.

use super::{
    alu::low32,
    context::{Fields, SkbFields, SkbHook},
    machine::World,
    maps::errno,
    memory::{Access, address, narrow, region, split},
    trap::TrapReason,
};
use crate::assembler::{Helper, MapKind};

/// Most bytes a helper may be asked to copy (`BPF_MAX_VAR_SIZ`, exclusive).
const COPY_BYTES_LIMIT: u64 = 1 << 29;
/// `bpf_redirect` flag of a classifier: into the ingress path.
const BPF_F_INGRESS: u64 = 1;
const XDP_ABORTED: u64 = 0;
const XDP_REDIRECT: u64 = 4;
const TC_ACT_SHOT: u64 = 2;
const TC_ACT_REDIRECT: u64 = 7;

impl World {
    /// Call the helper with this id; `args` are `r1` to `r5`. The result is `r0`.
    #[cold]
    pub(super) fn call(&mut self, id: i64, args: [u64; 5]) -> Result<u64, TrapReason> {
        let helper = i32::try_from(id).ok().and_then(Helper::from_id);
        let Some(helper) = helper else { return Err(TrapReason::UnknownHelper { id }) };
        match helper {
            Helper::MapLookupElem => self.map_lookup(helper, args),
            Helper::MapUpdateElem => self.map_update(helper, args),
            Helper::MapDeleteElem => self.map_delete(helper, args),
            Helper::KtimeGetNs => Ok(self.ktime_ns),
            Helper::GetSmpProcessorId => Ok(0),
            // The loop makes tail calls; what comes here is one through a register.
            Helper::TailCall => Err(self.not_available(helper)),
            Helper::PerfEventOutput => self.perf_event_output(helper, args),
            Helper::RingbufOutput => self.ringbuf_output(helper, args),
            Helper::RingbufReserve => self.ringbuf_reserve(helper, args),
            Helper::RingbufSubmit => self.ringbuf_finish(helper, args, true),
            Helper::RingbufDiscard => self.ringbuf_finish(helper, args, false),
            Helper::SkbLoadBytes => match self.fields {
                Fields::Skb(_) => self.skb_load_bytes(helper, args),
                Fields::Xdp { .. } | Fields::Memory => Err(self.not_available(helper)),
            },
            Helper::SkbPullData => match self.fields {
                Fields::Skb(SkbFields { hook: SkbHook::SchedCls, .. }) => {
                    context_argument(helper, args[0])?;
                    let pulled = self.memory.pull(low32(args[1]).into());
                    Ok(if pulled { 0 } else { errno::ENOMEM.cast_unsigned() })
                }
                Fields::Xdp { .. } | Fields::Skb(_) | Fields::Memory => {
                    Err(self.not_available(helper))
                }
            },
            Helper::Redirect => self.redirect(helper, args),
            Helper::XdpGetBuffLen => match self.fields {
                Fields::Xdp { .. } => {
                    context_argument(helper, args[0])?;
                    Ok(self.memory.packet_bytes())
                }
                Fields::Skb(_) | Fields::Memory => Err(self.not_available(helper)),
            },
            Helper::XdpLoadBytes => match self.fields {
                Fields::Xdp { .. } => self.xdp_load_bytes(helper, args),
                Fields::Skb(_) | Fields::Memory => Err(self.not_available(helper)),
            },
        }
    }

    pub(super) fn not_available(&self, helper: Helper) -> TrapReason {
        TrapReason::HelperNotAvailable { helper: helper.name(), context: self.fields.name() }
    }

    /// The index of the keyed map that `value` points at.
    fn map_argument(&self, helper: Helper, value: u64) -> Result<usize, TrapReason> {
        let (number, offset) = split(value);
        let map = narrow(offset);
        if number != region::MAPS || map >= self.maps.len() {
            return Err(argument(helper, 1, value, "it is not a map"));
        }
        if !self.maps[map].is_keyed() {
            let kind = self.maps[map].spec.kind.name();
            let what = "looking up or updating an element";
            return Err(TrapReason::MapKind { map, kind, what });
        }
        Ok(map)
    }

    fn readable(&self, address: u64, length: u64) -> Result<&[u8], TrapReason> {
        let refused = || self.memory.refusal(Access::Read, address, length);
        self.memory.bytes(address, length).ok_or_else(refused)
    }

    fn map_lookup(&mut self, helper: Helper, args: [u64; 5]) -> Result<u64, TrapReason> {
        let map = self.map_argument(helper, args[0])?;
        let key_bytes = self.maps[map].spec.key_bytes.into();
        // `readable` spelt out: the key is borrowed while the map notes that it was used.
        let Some(key) = self.memory.bytes(args[1], key_bytes) else {
            return Err(self.memory.refusal(Access::Read, args[1], key_bytes));
        };
        let state = &mut self.maps[map];
        let Some(block) = state.lookup(key) else { return Ok(0) };
        let values = self.memory.region(state.region);
        Ok(address(state.region, values.offset_of(block)))
    }

    fn map_update(&mut self, helper: Helper, args: [u64; 5]) -> Result<u64, TrapReason> {
        let map = self.map_argument(helper, args[0])?;
        let spec = &self.maps[map].spec;
        let (key_bytes, value_bytes) = (spec.key_bytes.into(), spec.value_bytes.into());
        let key = self.readable(args[1], key_bytes)?.to_vec();
        let value = self.readable(args[2], value_bytes)?.to_vec();
        Ok(self.update_map(map, &key, &value, args[3]).cast_unsigned())
    }

    fn map_delete(&mut self, helper: Helper, args: [u64; 5]) -> Result<u64, TrapReason> {
        let map = self.map_argument(helper, args[0])?;
        let key_bytes = self.maps[map].spec.key_bytes.into();
        let key = self.readable(args[1], key_bytes)?.to_vec();
        Ok(self.maps[map].delete(&key).cast_unsigned())
    }

    /// The program that `bpf_tail_call(r1, r2, r3)` goes to; nothing if the array has none there.
    #[cold]
    pub(super) fn tail_call(&self, args: [u64; 3]) -> Result<Option<usize>, TrapReason> {
        let helper = Helper::TailCall;
        match self.fields {
            Fields::Xdp { .. } | Fields::Skb(_) => context_argument(helper, args[0])?,
            Fields::Memory => {}
        }
        let (number, offset) = split(args[1]);
        match self.maps.get(narrow(offset)) {
            Some(state) if number == region::MAPS && state.spec.kind == MapKind::ProgArray => {
                Ok(state.program(low32(args[2])))
            }
            _ => Err(argument(helper, 2, args[1], "it is not a program array")),
        }
    }

    /// Update an entry as `bpf_map_update_elem` does; 0 or an error number.
    pub(super) fn update_map(&mut self, map: usize, key: &[u8], value: &[u8], flags: u64) -> i64 {
        let state = &mut self.maps[map];
        let values = self.memory.region_mut(state.region);
        state.update(values, key, value, flags)
    }

    /// The size argument `r4` and the buffer `r3` of a copy.
    fn buffer_argument(&self, helper: Helper, args: [u64; 5]) -> Result<(), TrapReason> {
        let (buffer, length) = (args[2], args[3]);
        if length == 0 {
            return Err(argument(helper, 4, length, "zero-sized reads are refused"));
        }
        if length >= COPY_BYTES_LIMIT {
            return Err(argument(helper, 4, length, "sizes of 2^29 and more are refused"));
        }
        match self.memory.bytes(buffer, length) {
            Some(_) => Ok(()),
            None => Err(self.memory.refusal(Access::Write, buffer, length)),
        }
    }

    /// Copy packet bytes, which must exist, to a buffer, which was checked.
    fn copy_packet(&mut self, offset: u64, buffer: u64, length: u64) {
        let packet = self.memory.packet(offset, length).expect("compared with its length");
        let to = self.memory.bytes_mut(buffer, length).expect("checked by buffer_argument");
        to.copy_from_slice(&packet);
    }

    /// -EFAULT, with the buffer zeroed, for an offset beyond 31 bits or bytes that the packet does
    /// not have.
    fn skb_load_bytes(&mut self, helper: Helper, args: [u64; 5]) -> Result<u64, TrapReason> {
        context_argument(helper, args[0])?;
        self.buffer_argument(helper, args)?;
        let (offset, buffer, length) = (u64::from(low32(args[1])), args[2], args[3]);
        if offset > 0x7fff_ffff || offset + length > self.memory.packet_bytes() {
            let to = self.memory.bytes_mut(buffer, length).expect("checked by buffer_argument");
            to.fill(0);
            return Ok(errno::EFAULT.cast_unsigned());
        }
        self.copy_packet(offset, buffer, length);
        Ok(0)
    }

    /// -EFAULT for an offset or size beyond 16 bits, -EINVAL for bytes that the frame does not
    /// have; the buffer is not touched then.
    fn xdp_load_bytes(&mut self, helper: Helper, args: [u64; 5]) -> Result<u64, TrapReason> {
        context_argument(helper, args[0])?;
        self.buffer_argument(helper, args)?;
        let (offset, buffer, length) = (u64::from(low32(args[1])), args[2], args[3]);
        if offset > 0xffff || length > 0xffff {
            return Ok(errno::EFAULT.cast_unsigned());
        }
        if offset + length > self.memory.packet_bytes() {
            return Ok(errno::EINVAL.cast_unsigned());
        }
        self.copy_packet(offset, buffer, length);
        Ok(0)
    }

    fn redirect(&mut self, helper: Helper, args: [u64; 5]) -> Result<u64, TrapReason> {
        let (ifindex, flags) = (low32(args[0]), args[1]);
        let (refused, action, allowed) = match self.fields {
            Fields::Xdp { .. } => (XDP_ABORTED, XDP_REDIRECT, 0),
            Fields::Skb(fields) if fields.hook == SkbHook::SchedCls => {
                (TC_ACT_SHOT, TC_ACT_REDIRECT, BPF_F_INGRESS)
            }
            Fields::Skb(_) | Fields::Memory => return Err(self.not_available(helper)),
        };
        if flags & !allowed != 0 {
            return Ok(refused);
        }
        self.redirected_to = Some(ifindex);
        Ok(action)
    }
}

pub(super) fn argument(helper: Helper, argument: u8, value: u64, what: &'static str) -> TrapReason {
    TrapReason::HelperArgument { helper: helper.name(), argument, value, what }
}

pub(super) fn context_argument(helper: Helper, value: u64) -> Result<(), TrapReason> {
    if value == address(region::CONTEXT, 0) {
        return Ok(());
    }
    Err(argument(helper, 1, value, "it is not the context"))
}
