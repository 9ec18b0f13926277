//! The limit for each source address: how many matching frames of it pass in a second.
//!
//! The address is read once more from the headers, and only of frames that a verdict other than `pass`
//! waits for. It is looked for behind at most two VLAN tags in the linear part, where drivers put headers;
//! what has none there has no limit either.

use super::{
    Gen,
    frame::{self, SOURCE, SOURCE_SEEN},
};
use crate::{
    assembler::{
        Helper, Insn, Jmp, Label, MapKind, MapSpec, Phase,
        Reg::{R0, R1, R2, R3, R4, R5, R6, R8, R10},
        Size,
    },
    compiler::{
        codegen::scope::{ETHER_BYTES, VLAN_BYTES, VLAN_TAGS_MAX, VLAN_TYPES, ether_type},
        event::SOURCES_MAP,
    },
};

/// Sources that are remembered; one more makes the one be forgotten that was silent longest.
const SOURCES_MAX: u32 = 65_536;
/// Bytes of an IPv6 address; IPv4 addresses are written as `::ffff:a.b.c.d`.
const ADDRESS_BYTES: u32 = 16;
/// A second, and what was counted in it.
const SEEN_BYTES: u32 = 16;
/// Offset of the count.
const SEEN_COUNT: i16 = 8;

/// Bytes of headers, and where the source stands in them.
const IPV4_BYTES: i32 = 20;
const IPV4_SOURCE: i32 = 12;
const IPV6_BYTES: i32 = 40;
const IPV6_SOURCE: i32 = 8;

impl Gen<'_> {
    /// The map of what sources sent lately.
    pub(super) fn sources_map(&mut self) -> i32 {
        self.asm.map(MapSpec {
            name: SOURCES_MAP.to_owned(),
            kind: MapKind::LruHash,
            key_bytes: ADDRESS_BYTES,
            value_bytes: SEEN_BYTES,
            entries_max: SOURCES_MAX,
            flags: 0,
        })
    }

    /// `within` if the source of this matching frame is within its limit, else `beyond`: also if there
    /// is no limit, or no source. The value of the controls is at `exit::VALUE`.
    pub(super) fn limit_source(&mut self, map: i32, within: Label, beyond: Label) {
        let [known, same] = self.labels();
        self.say(Phase::Verdict, "a limit for its source?");
        self.source_limit(beyond);
        self.source_address(beyond);
        self.say(Phase::Verdict, "how much has it sent in this second?");
        self.second();
        self.mov(R6, R0);
        self.asm.load_map(R1, map);
        self.mov(R2, R10);
        self.add(R2, SOURCE.into());
        self.asm.emit(Insn::call(Helper::MapLookupElem));
        self.emit_branch(Jmp::Ne.imm(R0, 0, known));
        self.store_pointer(SOURCE_SEEN, R6);
        self.asm.emit(Size::DW.store_imm(R10, SOURCE_SEEN + SEEN_COUNT, 1));
        self.asm.load_map(R1, map);
        self.mov(R2, R10);
        self.add(R2, SOURCE.into());
        self.mov(R3, R10);
        self.add(R3, SOURCE_SEEN.into());
        self.set_imm(R4, 0);
        self.asm.emit(Insn::call(Helper::MapUpdateElem));
        self.goto(within);
        self.asm.bind(known);
        self.asm.emit(Size::DW.load(R1, R0, 0));
        // Another CPU may be in the next second already.
        self.emit_branch(Jmp::Ge.reg(R1, R6, same));
        self.asm.emit(Size::DW.store(R0, 0, R6));
        self.asm.emit(Size::DW.store_imm(R0, SEEN_COUNT, 1));
        self.goto(within);
        self.asm.bind(same);
        self.one_of(R0, SEEN_COUNT, R8, beyond);
        self.goto(within);
    }

    /// The slot `SOURCE` = the source address of the frame; `none` if it has none where it can be read.
    fn source_address(&mut self, none: Label) {
        let [l3, v6, found] = self.labels();
        self.say(Phase::Verdict, "its source address");
        self.load_pointer(R1, frame::CTX);
        self.load_data(R2, R1);
        self.load_data_end(R3, R1);
        self.readable(ETHER_BYTES, none);
        self.asm.emit(Size::H.load(R5, R2, 12));
        for _ in 0..VLAN_TAGS_MAX {
            let tagged = self.asm.label();
            let [last, others @ ..] = VLAN_TYPES;
            for tpid in others {
                self.emit_branch(Jmp::Eq.imm32(R5, ether_type(tpid), tagged));
            }
            self.emit_branch(Jmp::Ne.imm32(R5, ether_type(last), l3));
            self.asm.bind(tagged);
            self.readable(ETHER_BYTES + VLAN_BYTES, none);
            self.asm.emit(Size::H.load(R5, R2, 12 + super::off(VLAN_BYTES)));
            self.add(R2, VLAN_BYTES);
        }
        self.asm.bind(l3);
        self.emit_branch(Jmp::Eq.imm32(R5, ether_type(0x86dd), v6));
        self.emit_branch(Jmp::Ne.imm32(R5, ether_type(0x0800), none));
        self.readable(ETHER_BYTES + IPV4_BYTES, none);
        self.asm.emit(Size::DW.store_imm(R10, SOURCE, 0));
        self.asm.emit(Size::W.store_imm(R10, SOURCE + 8, i32::from_le_bytes([0, 0, 0xff, 0xff])));
        self.asm.emit(Size::W.load(R5, R2, super::off(ETHER_BYTES + IPV4_SOURCE)));
        self.asm.emit(Size::W.store(R10, SOURCE + 12, R5));
        self.goto(found);
        self.asm.bind(v6);
        self.readable(ETHER_BYTES + IPV6_BYTES, none);
        for half in [0, 8] {
            let at = super::off(ETHER_BYTES + IPV6_SOURCE) + half;
            self.asm.emit(Size::DW.load(R5, R2, at));
            self.asm.emit(Size::DW.store(R10, SOURCE + half, R5));
        }
        self.asm.bind(found);
    }

    /// `bytes` behind `r2` are in the linear part, which ends at `r3`; else `none`. `r4` is lost.
    fn readable(&mut self, bytes: i32, none: Label) {
        self.mov(R4, R2);
        self.add(R4, bytes);
        self.emit_branch(Jmp::Gt.reg(R4, R3, none));
    }
}
