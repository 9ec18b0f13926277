//! Finding the scope: which bytes of the frame are searched.
//!
//! The walk keeps two numbers in registers: the cursor `r9` and the end of what is known to be the
//! current header's enclosing payload, `r8`. After every step that adds a number from the packet,
//! both are mixed with an unknown zero, so that the paths through the many header combinations
//! meet in one state; without that the verifier would follow each combination to the end.

use super::{Gen, frame};
use crate::{
    assembler::{
        Alu, Branch, Helper, Insn, Jmp, Label, Phase,
        Reg::{self, R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10},
        Size,
        insn::Bits,
    },
    compiler::{
        Entry,
        ir::{FRAME_BYTES_MAX, Scope},
        plan::Access,
    },
};

/// Exclusive end of the payload that encloses the cursor; at entry the frame length.
pub(super) const CURSOR_END: Reg = R8;
/// Offset of the header being read.
const CURSOR: Reg = R9;
/// The header being read: an address.
const HEADER: Reg = R4;
/// Protocol number of the next header, or the EtherType.
const NEXT: Reg = R5;
/// A zero that the verifier does not know.
const ZERO: Reg = R7;

/// Offset of `vlan_present` in `struct __sk_buff`.
pub(super) const SKB_VLAN_PRESENT: i16 = 20;

/// EtherTypes as a little-endian load of two big-endian bytes gives them.
pub(super) const fn ether_type(value: u16) -> i32 {
    value.swap_bytes() as i32
}

pub(super) const ETHER_BYTES: i32 = 14;
pub(super) const VLAN_BYTES: i32 = 4;
/// VLAN tags that are walked (DESIGN: a third is out of scope).
pub(super) const VLAN_TAGS_MAX: i32 = 2;
/// Types of a VLAN tag.
pub(super) const VLAN_TYPES: [u16; 3] = [0x9100, 0x8100, 0x88a8];
/// IPv6 extension headers that are walked.
const EXTENSION_HEADERS_MAX: i32 = 6;
/// The walk cannot get further: two tags, an IPv6 header, six extension headers of 2,048 bytes.
const CURSOR_MAX: i32 = 0x3fff;
/// Bytes that are made linear where headers are not: more than nearly all headers have.
const PULLED_FIRST: i32 = 256;
/// More fragments, or a fragment offset, in a little-endian load of the field.
const IPV4_FRAGMENT: i32 = 0xff3f;

const HOP_BY_HOP: i32 = 0;
const TCP: i32 = 6;
const UDP: i32 = 17;
const ROUTING: i32 = 43;
const AUTHENTICATION: i32 = 51;
const DESTINATION: i32 = 60;

impl Gen<'_> {
    /// Leave start and end of the scope in their stack slots, the start also in `CURSOR`.
    pub(super) fn scope(&mut self) {
        if self.access == Access::Windows {
            self.first_window();
        }
        match self.matcher.scope {
            Scope::Packet | Scope::Raw => {
                self.say(Phase::Scope, "scope: the whole frame");
                // Not a copy: the verifier would tie the two numbers together.
                self.set_imm(CURSOR, 0);
                self.mix(CURSOR);
                self.store_slot(frame::START, CURSOR);
                self.store_slot(frame::END, CURSOR_END);
            }
            Scope::Payload => {
                self.walk();
                self.say(Phase::Scope, "scope: the TCP or UDP payload");
                // All paths meet here, in one state.
                self.mix(CURSOR);
                self.mix(CURSOR_END);
                self.store_slot(frame::START, CURSOR);
                self.store_slot(frame::END, CURSOR_END);
            }
        }
        if self.has_windows() {
            self.limit_end();
        }
        if self.several() || self.collects() {
            self.asm.emit(Size::B.store(R10, frame::FOUND, ZERO));
            self.asm.emit(Size::B.store(R10, frame::LOST, ZERO));
        }
    }

    /// At most the longest frame is searched; what is longer is remembered for the end.
    fn limit_end(&mut self) {
        let fits = self.asm.label();
        let limit = i32::try_from(FRAME_BYTES_MAX).expect("65,535");
        self.asm.emit(Size::B.store(R10, frame::TOO_LONG, ZERO));
        self.emit_branch(Jmp::Le.imm(CURSOR_END, limit, fits));
        self.asm.emit(Size::B.store_imm(R10, frame::TOO_LONG, 1));
        self.asm.emit(Size::W.store_imm(R10, frame::END, limit));
        self.asm.bind(fits);
    }

    fn walk(&mut self) {
        let (v4, v6, l4) = (self.asm.label(), self.asm.label(), self.asm.label());
        let none = self.exits.out_of_scope;
        // Headers are read where they can be: directly, in the linear part; or in the first window.
        let (short, again) = (self.asm.label(), self.asm.label());
        if self.pulls() {
            // Remembered on purpose: the verifier must see that there is an end to it.
            self.asm.emit(Size::DW.store_imm(R10, frame::ROUND, 0));
        }
        self.asm.bind(again);
        self.ethernet(short);
        self.say(Phase::Scope, "IPv4 or IPv6?");
        self.emit_branch(Jmp::Eq.imm32(NEXT, ether_type(0x0800), v4));
        self.emit_branch(Jmp::Eq.imm32(NEXT, ether_type(0x86dd), v6));
        self.goto(none);
        self.asm.bind(v6);
        self.ipv6(l4, short);
        self.asm.bind(v4);
        self.ipv4(short);
        self.asm.bind(l4);
        let done = self.asm.label();
        self.transport(short, done);
        self.short(short, again);
        self.asm.bind(done);
    }

    /// `HEADER` = address of the cursor, with `bytes` readable behind it, else `short`.
    fn need(&mut self, bytes: i32, short: Label) {
        self.mov(HEADER, R2);
        if self.access == Access::Windows {
            // The first window holds this much of the frame whatever its length.
            self.emit_branch(Jmp::Gt.imm(CURSOR, super::WINDOW_BYTES - 64, short));
            self.asm.emit(Alu::Add.reg(HEADER, CURSOR));
            self.mov(R1, CURSOR);
            self.add(R1, bytes);
            self.load_slot(R0, frame::LEN);
            self.emit_branch(Jmp::Gt.reg(R1, R0, short));
        } else {
            self.asm.emit(Alu::Add.reg(HEADER, CURSOR));
            self.mov(R1, HEADER);
            self.add(R1, bytes);
            self.emit_branch(Jmp::Gt.reg(R1, R3, short));
        }
    }

    /// A header is not where it could be read: the frame is too short for it (out of scope), or it
    /// lies beyond the linear part or the first window (unsearched).
    fn short(&mut self, short: Label, again: Label) {
        let pull = self.asm.label();
        self.say(Phase::Scope, "a header is cut off, or out of reach");
        self.asm.bind(short);
        match self.access {
            Access::Direct { rest: true } => {
                self.mov(R0, R3);
                self.asm.emit(Alu::Sub.reg(R0, R2));
                self.load_slot(R1, frame::LEN);
                let beyond = if self.pulls() { pull } else { self.exits.unsearched };
                self.emit_branch(Jmp::Gt.reg(R1, R0, beyond));
            }
            Access::Windows => {
                self.emit_branch(Jmp::Gt.imm(
                    CURSOR,
                    super::WINDOW_BYTES - 64,
                    self.exits.unsearched,
                ));
            }
            Access::Direct { rest: false } => {}
        }
        self.goto(self.exits.out_of_scope);
        self.asm.bind(pull);
        if self.pulls() {
            self.pull(again);
        }
    }

    /// Can headers be brought where they can be read? Socket buffers may come with next to nothing in
    /// their linear part, and whoever sends from a guest may choose how much.
    fn pulls(&self) -> bool {
        matches!((self.entry, self.access), (Entry::Tc(_), Access::Direct { .. }))
    }

    /// Make headers linear, and walk `again`: first as many bytes as nearly all headers have, then as
    /// many as the walk goes. That copies, so it is done only where there is no other way.
    fn pull(&mut self, again: Label) {
        let (some, fits) = (self.asm.label(), self.asm.label());
        self.say(Phase::Scope, "headers are not in the linear part: bring them there");
        // Never taken; it says that here is a loop to whoever follows the program without its values.
        self.asm.emit(Branch::may_goto(self.exits.unsearched));
        self.load_pointer(R1, frame::ROUND);
        self.emit_branch(Jmp::Gt.imm(R1, 1, self.exits.unsearched));
        self.set_imm(R2, PULLED_FIRST);
        self.emit_branch(Jmp::Eq.imm(R1, 0, some));
        self.set_imm(R2, CURSOR_MAX + PULLED_FIRST);
        self.asm.bind(some);
        self.add(R1, 1);
        self.store_pointer(frame::ROUND, R1);
        self.load_slot(R1, frame::LEN);
        self.emit_branch(Jmp::Le.reg(R2, R1, fits));
        self.mov(R2, R1);
        self.asm.bind(fits);
        self.load_pointer(R1, frame::CTX);
        self.asm.emit(Insn::call(Helper::SkbPullData));
        self.emit_branch(Jmp::Ne.imm(R0, 0, self.exits.unsearched));
        self.load_pointer(R6, frame::CTX);
        self.load_slot(CURSOR_END, frame::LEN);
        self.load_data(R2, R6);
        self.load_data_end(R3, R6);
        self.opaque_zero(ZERO, R0);
        self.goto(again);
    }

    fn ethernet(&mut self, short: Label) {
        self.say(Phase::Scope, "Ethernet and VLAN tags");
        let l3 = self.asm.label();
        self.fixed(ETHER_BYTES, short);
        self.asm.emit(Size::H.load(NEXT, R2, 12));
        self.set_imm(CURSOR, ETHER_BYTES);
        for tag in 0..VLAN_TAGS_MAX {
            let tagged = self.asm.label();
            for tpid in [0x8100, 0x88a8] {
                self.emit_branch(Jmp::Eq.imm32(NEXT, ether_type(tpid), tagged));
            }
            self.emit_branch(Jmp::Ne.imm32(NEXT, ether_type(0x9100), l3));
            self.asm.bind(tagged);
            if self.entry.is_skb() && tag + 1 == VLAN_TAGS_MAX {
                // The kernel took the outer tag off the bytes: then this is the third.
                self.asm.emit(Size::W.load(R0, R6, SKB_VLAN_PRESENT));
                self.emit_branch(Jmp::Ne.imm(R0, 0, self.exits.out_of_scope));
            }
            let end = ETHER_BYTES + VLAN_BYTES * (tag + 1);
            self.fixed(end, short);
            self.asm.emit(Size::H.load(NEXT, R2, super::off(end - 2)));
            self.set_imm(CURSOR, end);
        }
        self.asm.bind(l3);
        if let Access::Direct { .. } = self.access {
            // A fresh pointer: each path has proven a different length of the old one.
            self.load_data(R2, R6);
            self.load_data_end(R3, R6);
        }
        self.mix(CURSOR);
        let end = ETHER_BYTES + VLAN_BYTES * VLAN_TAGS_MAX;
        self.emit_branch(Jmp::Gt.imm(CURSOR, end, self.exits.out_of_scope));
    }

    /// Prove the first `end` bytes of the frame readable at their fixed offsets from `r2`.
    fn fixed(&mut self, end: i32, short: Label) {
        if self.access == Access::Windows {
            self.set_imm(CURSOR, 0);
            self.emit_branch(Jmp::Lt.imm(CURSOR_END, end, short));
        } else {
            self.mov(R4, R2);
            self.add(R4, end);
            self.emit_branch(Jmp::Gt.reg(R4, R3, short));
        }
    }

    fn mix(&mut self, reg: Reg) {
        self.asm.emit(Alu::Xor.reg(reg, ZERO));
    }

    /// `dst` = the big-endian 16 bits at `at` of the header.
    fn load_be16(&mut self, dst: Reg, at: i16) {
        self.asm.emit(Size::H.load(dst, HEADER, at));
        self.asm.emit(Insn::to_be(Bits::B16, dst));
    }

    fn ipv4(&mut self, short: Label) {
        let none = self.exits.out_of_scope;
        self.say(Phase::Scope, "IPv4: version, header length, no fragment, total length");
        self.need(20, short);
        self.asm.emit(Size::B.load(R0, HEADER, 0));
        self.mov(R1, R0);
        self.asm.emit(Alu::And.imm(R1, 0xf0));
        self.emit_branch(Jmp::Ne.imm32(R1, 0x40, none));
        self.asm.emit(Alu::And.imm(R0, 0x0f));
        self.asm.emit(Alu::Lsh.imm(R0, 2));
        self.emit_branch(Jmp::Lt.imm32(R0, 20, none));
        self.asm.emit(Size::H.load(R1, HEADER, 6));
        self.asm.emit(Alu::And.imm(R1, IPV4_FRAGMENT));
        self.emit_branch(Jmp::Ne.imm32(R1, 0, none));
        self.load_be16(R1, 2);
        self.emit_branch(Jmp::Lt.reg(R1, R0, none));
        self.asm.emit(Size::B.load(NEXT, HEADER, 9));
        self.asm.emit(Alu::Add.reg(R1, CURSOR));
        self.emit_branch(Jmp::Gt.reg(R1, CURSOR_END, none));
        self.mov(CURSOR_END, R1);
        self.asm.emit(Alu::Add.reg(CURSOR, R0));
    }

    fn ipv6(&mut self, l4: Label, short: Label) {
        let none = self.exits.out_of_scope;
        self.say(Phase::Scope, "IPv6: version, payload length");
        self.need(40, short);
        self.asm.emit(Size::B.load(R0, HEADER, 0));
        self.asm.emit(Alu::And.imm(R0, 0xf0));
        self.emit_branch(Jmp::Ne.imm32(R0, 0x60, none));
        self.load_be16(R0, 4);
        self.emit_branch(Jmp::Eq.imm32(R0, 0, none));
        self.asm.emit(Size::B.load(NEXT, HEADER, 6));
        self.add(CURSOR, 40);
        self.asm.emit(Alu::Add.reg(R0, CURSOR));
        self.emit_branch(Jmp::Gt.reg(R0, CURSOR_END, none));
        self.mov(CURSOR_END, R0);
        self.mix(CURSOR_END);
        for number in 1..=EXTENSION_HEADERS_MAX {
            self.say(Phase::Scope, format!("IPv6 extension header {number}"));
            self.extension(l4, short);
        }
        self.say(Phase::Scope, "IPv6: no further extension header");
        self.emit_branch(Jmp::Eq.imm32(NEXT, TCP, l4));
        self.emit_branch(Jmp::Eq.imm32(NEXT, UDP, l4));
        self.goto(none);
    }

    fn extension(&mut self, l4: Label, short: Label) {
        let none = self.exits.out_of_scope;
        let (options, after) = (self.asm.label(), self.asm.label());
        self.emit_branch(Jmp::Eq.imm32(NEXT, TCP, l4));
        self.emit_branch(Jmp::Eq.imm32(NEXT, UDP, l4));
        for kind in [HOP_BY_HOP, DESTINATION, ROUTING] {
            self.emit_branch(Jmp::Eq.imm32(NEXT, kind, options));
        }
        // A fragment header (44) is out of scope as everything else is.
        self.emit_branch(Jmp::Ne.imm32(NEXT, AUTHENTICATION, none));
        self.need(8, short);
        self.asm.emit(Size::B.load(NEXT, HEADER, 0));
        self.asm.emit(Size::B.load(R0, HEADER, 1));
        self.add(R0, 2);
        self.asm.emit(Alu::Lsh.imm(R0, 2));
        self.goto(after);
        self.asm.bind(options);
        self.need(8, short);
        self.asm.emit(Size::B.load(NEXT, HEADER, 0));
        self.asm.emit(Size::B.load(R0, HEADER, 1));
        self.add(R0, 1);
        self.asm.emit(Alu::Lsh.imm(R0, 3));
        self.asm.bind(after);
        self.asm.emit(Alu::Add.reg(CURSOR, R0));
        self.mix(CURSOR);
        self.emit_branch(Jmp::Gt.imm(CURSOR, CURSOR_MAX, none));
    }

    fn transport(&mut self, short: Label, done: Label) {
        let none = self.exits.out_of_scope;
        let udp = self.asm.label();
        self.say(Phase::Scope, "TCP or UDP?");
        self.mix(CURSOR);
        self.mix(CURSOR_END);
        self.emit_branch(Jmp::Gt.imm(CURSOR, CURSOR_MAX, none));
        self.emit_branch(Jmp::Eq.imm32(NEXT, UDP, udp));
        self.emit_branch(Jmp::Ne.imm32(NEXT, TCP, none));
        self.say(Phase::Scope, "TCP: header inside the IP payload, data offset");
        self.inside(20);
        self.need(20, short);
        self.asm.emit(Size::B.load(R0, HEADER, 12));
        self.asm.emit(Alu::Rsh.imm(R0, 4));
        self.asm.emit(Alu::Lsh.imm(R0, 2));
        self.emit_branch(Jmp::Lt.imm32(R0, 20, none));
        self.asm.emit(Alu::Add.reg(CURSOR, R0));
        self.emit_branch(Jmp::Gt.reg(CURSOR, CURSOR_END, none));
        self.goto(done);
        self.say(Phase::Scope, "UDP: header inside the IP payload, length");
        self.asm.bind(udp);
        self.inside(8);
        self.need(8, short);
        self.load_be16(R0, 4);
        self.emit_branch(Jmp::Lt.imm32(R0, 8, none));
        self.asm.emit(Alu::Add.reg(R0, CURSOR));
        self.emit_branch(Jmp::Gt.reg(R0, CURSOR_END, none));
        self.mov(CURSOR_END, R0);
        self.add(CURSOR, 8);
        self.goto(done);
    }

    /// The next `bytes` bytes belong to the IP payload, else out of scope.
    fn inside(&mut self, bytes: i32) {
        self.mov(R0, CURSOR);
        self.add(R0, bytes);
        self.emit_branch(Jmp::Gt.reg(R0, CURSOR_END, self.exits.out_of_scope));
    }
}
