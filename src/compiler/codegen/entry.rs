//! Entry code: what every program does before it looks at a byte.

use super::{Gen, frame, scope::CURSOR_END};
use crate::{
    assembler::{
        Alu, Helper, Insn, Jmp, Phase,
        Reg::{self, R0, R1, R2, R3, R6, R7, R10},
        Size,
    },
    compiler::{Entry, event::Counter, plan::Access},
};

/// Offset of `data` in `struct xdp_md` (`include/uapi/linux/bpf.h`).
const XDP_DATA: i16 = 0;
/// Offset of `data_end` in `struct xdp_md`.
const XDP_DATA_END: i16 = 4;
/// Offset of `len` in `struct __sk_buff`.
const SKB_LEN: i16 = 0;
/// Offset of `data` in `struct __sk_buff`.
const SKB_DATA: i16 = 76;
/// Offset of `data_end` in `struct __sk_buff`.
const SKB_DATA_END: i16 = 80;

impl Gen<'_> {
    /// `r6` = context, `r8` = frame length, `r7` = a zero that the verifier does not know; with
    /// direct access also `r2` = data and `r3` = end of the linear part. In a program that others go
    /// on in only `r6`; the frame is counted already.
    pub(super) fn entry(&mut self) {
        match self.entry {
            Entry::Xdp | Entry::SocketFilter => self.say(Phase::Entry, "context"),
            Entry::Tc(direction) => {
                let text = format!("context: a socket buffer on {}", direction.name());
                self.say(Phase::Entry, text);
            }
        }
        self.mov(R6, R1);
        self.store_pointer(frame::CTX, R6);
        self.frame_length();
        if let Some(map) = self.counters {
            self.say(Phase::Entry, "counters of this CPU");
            self.asm.emit(Size::W.store_imm(R10, frame::KEY, 0));
            self.mov(R2, R10);
            self.add(R2, frame::KEY.into());
            self.asm.load_map(R1, map);
            self.asm.emit(Insn::call(Helper::MapLookupElem));
            let there = self.asm.label();
            // Never taken: entry 0 of an array exists. The verifier wants it.
            self.emit_branch(Jmp::Ne.imm(R0, 0, there));
            self.return_without_counting();
            self.asm.bind(there);
            self.store_pointer(frame::COUNTERS, R0);
            if self.place.number == 0 {
                self.count_frame();
            }
        }
        if self.place.number > 0 {
            return; // passes that are not the first fetch all that they need
        }
        if let Access::Direct { .. } = self.access {
            self.load_data(R2, R6);
            self.load_data_end(R3, R6);
            // A difference of packet pointers is unknown, and less itself still is.
            self.mov(R7, R3);
            self.asm.emit(Alu::Sub.reg(R7, R2));
            self.asm.emit(Alu::Sub.reg(R7, R7));
        } else {
            self.opaque_zero(R7, R0);
        }
    }

    /// `dst` = first byte of the linear part; `context` points at the context.
    pub(super) fn load_data(&mut self, dst: Reg, context: Reg) {
        let at = if self.entry.is_skb() { SKB_DATA } else { XDP_DATA };
        self.asm.emit(Size::W.load(dst, context, at));
    }

    /// `dst` = exclusive end of the linear part; `context` points at the context.
    pub(super) fn load_data_end(&mut self, dst: Reg, context: Reg) {
        let at = if self.entry.is_skb() { SKB_DATA_END } else { XDP_DATA_END };
        self.asm.emit(Size::W.load(dst, context, at));
    }

    /// One more frame, and its bytes.
    fn count_frame(&mut self) {
        self.count(Counter::Frames);
        let bytes = Self::counter_offset(Counter::Bytes);
        self.asm.emit(Size::DW.load(R1, R0, bytes));
        self.asm.emit(Alu::Add.reg(R1, CURSOR_END));
        self.asm.emit(Size::DW.store(R0, bytes, R1));
    }

    fn frame_length(&mut self) {
        self.say(Phase::Entry, "frame length");
        match self.entry {
            Entry::SocketFilter | Entry::Tc(_) => {
                self.asm.emit(Size::W.load(CURSOR_END, R6, SKB_LEN))
            }
            Entry::Xdp if self.has_windows() => {
                self.mov(R1, R6);
                self.asm.emit(Insn::call(Helper::XdpGetBuffLen));
                self.mov(CURSOR_END, R0);
            }
            Entry::Xdp => {
                self.load_data(R2, R6);
                self.load_data_end(R3, R6);
                self.mov(CURSOR_END, R3);
                self.asm.emit(Alu::Sub.reg(CURSOR_END, R2));
            }
        }
        self.store_slot(frame::LEN, CURSOR_END);
    }
}
