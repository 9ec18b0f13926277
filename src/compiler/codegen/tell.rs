//! Events: what is told of a matching frame, and how it gets out.
//!
//! Each CPU has a record of its own, in an array, because a frame's first bytes may be more than a stack or
//! a per-CPU value holds. Through a ring buffer goes a copy of header, notes and as many bytes as there
//! are; the helper that copies packets puts them behind the notes before. A perf buffer takes the bytes
//! from the packet itself.
//!
//! The ring wakes its reader as the kernel sees fit: when the record before was read already. A reader that
//! sleeps a little while there is much to read is then woken at most once each time, and one that
//! waits for a quiet network is woken at once. Asking for no wake-up saves nothing beside that.
//!
//! What it costs: a frame of 119 bytes that matches took 53 ns without an event, 131 with one of no bytes,
//! 140 with 64 bytes, 173 with 256, of which the clock is 37 (`BPF_PROG_TEST_RUN` of XDP, Linux 6.18, 1
//! million events, none lost, read by another CPU that sleeps 200 us; with no wake-up the same). A socket
//! filter took 75 and, where a helper copies the 64 bytes, 177. Frames without a match cost what they did.
//! Controls that are off add 2 ns to a verdict, a dry run 3, a deadline 37, a limit for sources 65; an event that
//! the sample leaves out costs 9, one beyond the rate 42.
//!
//! A program that interrupts itself on its CPU (a filter of sockets that send from a process, not from the
//! network) may mix two frames in the record that is sent last.

use super::{
    Gen,
    exit::{COUNTED, VALUE},
    frame,
    report::SKB_IFINDEX,
    scope::SKB_VLAN_PRESENT,
};
use crate::{
    assembler::{
        Alu, Helper, Insn, Jmp, Label, MapKind, MapSpec, Phase,
        Reg::{self, R0, R1, R2, R3, R4, R5, R6, R8, R9, R10},
        Size,
    },
    compiler::{
        Entry, Events,
        event::{
            Counter, EVENTS_MAP, NOTED, NOTES, NOTES_FRAME, RECORD_MAP,
            record::{self, Direction, HEADER_BYTES, NOTE_BYTES, NOTES_MAX},
        },
        ir::{Report, Verdict},
    },
};

/// Offset of `ingress_ifindex` in `struct xdp_md` (`include/uapi/linux/bpf.h`).
const XDP_INGRESS_IFINDEX: i16 = 12;
/// Offsets in `struct __sk_buff`.
const SKB_PKT_TYPE: i16 = 4;
const SKB_VLAN_TCI: i16 = 24;
const SKB_VLAN_PROTO: i16 = 28;
/// `pkt_type` of what this machine sends (`PACKET_OUTGOING` in `include/uapi/linux/if_packet.h`).
const PACKET_OUTGOING: i32 = 4;

/// Most captured bytes that are copied eight at a time by code of their own, which takes 4 ns for 64 of
/// them where the helper takes 35.
const IN_PLACE_MAX: i32 = 256;

/// Most bytes of a frame that a perf buffer is given: a record of perf has a length of 16 bits, and
/// some of it is perf's own.
const PERF_SNAP_MAX: u32 = 65_000;
/// Where in its flags `bpf_perf_event_output` has the number of bytes of the packet.
const PERF_PACKET_SHIFT: i32 = 32;

impl Gen<'_> {
    /// The maps of events: what they go through, and where they are put together.
    pub(super) fn event_maps(&mut self, Events { ring_bytes, .. }: Events) -> [i32; 2] {
        let events = if self.has_ring() {
            (MapKind::RingBuf, 0, ring_bytes)
        } else {
            (MapKind::PerfEventArray, 4, crate::assembler::ENTRIES_PER_CPU)
        };
        let (kind, bytes, entries_max) = events;
        let events = self.asm.map(MapSpec {
            name: EVENTS_MAP.to_owned(),
            kind,
            key_bytes: bytes,
            value_bytes: bytes,
            entries_max,
            flags: 0,
        });
        let captured = if self.has_ring() { self.snap() } else { 0 };
        let record = self.asm.map(MapSpec {
            name: RECORD_MAP.to_owned(),
            kind: MapKind::Array,
            key_bytes: 4,
            value_bytes: (self.record_bytes() + captured).unsigned_abs(),
            entries_max: crate::assembler::ENTRIES_PER_CPU,
            flags: 0,
        });
        [events, record]
    }

    /// Is there a ring buffer, and a helper that fills a record for it? Else it is a perf buffer.
    fn has_ring(&self) -> bool {
        let loads_bytes = match self.entry {
            Entry::Xdp => self.target.xdp_frags,
            Entry::SocketFilter | Entry::Tc(_) => true,
        };
        self.target.ringbuf && loads_bytes
    }

    /// Most captured bytes.
    fn snap(&self) -> i32 {
        let snap = self.options.events.map_or(0, |events| events.snap);
        let snap = if self.has_ring() { snap } else { snap.min(PERF_SNAP_MAX) };
        i32::try_from(snap).expect("at most CAPTURED_MAX")
    }

    /// Notes there is room for in a record: one, if that is all that is ever noted.
    pub(super) fn notes_room(&self) -> usize {
        let conditions = self.matcher.conditions().next().is_some();
        if self.matcher.report == Report::First && !conditions { 1 } else { NOTES_MAX }
    }

    /// Bytes of a record in front of the captured ones.
    fn record_bytes(&self) -> i32 {
        super::int(HEADER_BYTES + self.notes_room() * NOTE_BYTES)
    }

    /// Make an event of this frame, or count why not. `switched`: may it be spared?
    pub(super) fn tell(&mut self, [events, record]: [i32; 2], verdict: Verdict, switched: bool) {
        let [lost, skipped, done] = self.labels();
        self.choose_event(skipped);
        self.say(Phase::Report, "the record of this CPU");
        self.asm.emit(Insn::call(Helper::GetSmpProcessorId));
        self.store_slot(frame::KEY, R0);
        self.mov(R2, R10);
        self.add(R2, frame::KEY.into());
        self.asm.load_map(R1, record);
        self.asm.emit(Insn::call(Helper::MapLookupElem));
        self.emit_branch(Jmp::Eq.imm(R0, 0, lost));
        self.mov(VALUE, R0);
        self.load_pointer(R6, frame::CTX);
        self.describe(verdict, switched);
        self.copy_notes();
        if self.has_ring() {
            self.send_to_ring(events, lost);
        } else {
            self.send_to_perf(events, lost);
        }
        self.count_also(Counter::Events);
        self.goto(done);
        self.asm.bind(lost);
        self.count_also(Counter::EventsLost);
        if self.asm.refers_to(skipped) {
            self.goto(done);
            self.asm.bind(skipped);
            self.count_also(Counter::EventsSkipped);
        } else {
            self.asm.bind(skipped);
        }
        self.asm.bind(done);
    }

    /// The header of the record at `VALUE`.
    fn describe(&mut self, verdict: Verdict, switched: bool) {
        self.say(Phase::Report, "event: time, lengths, interface, scope");
        self.asm.emit(Insn::call(Helper::KtimeGetNs));
        self.asm.emit(Size::DW.store(VALUE, record::TIME, R0));
        self.load_slot(R1, frame::LEN);
        self.asm.emit(Size::W.store(VALUE, record::FRAME_LENGTH, R1));
        let fits = self.asm.label();
        let snap = self.snap();
        self.emit_branch(Jmp::Le.imm(R1, snap, fits));
        self.set_imm(R1, snap);
        self.asm.bind(fits);
        self.asm.emit(Size::W.store(VALUE, record::CAPTURED, R1));
        let ifindex = if self.entry.is_skb() { SKB_IFINDEX } else { XDP_INGRESS_IFINDEX };
        self.asm.emit(Size::W.load(R1, R6, ifindex));
        self.asm.emit(Size::W.store(VALUE, record::IFINDEX, R1));
        self.load_slot(R1, frame::START);
        self.asm.emit(Size::W.store(VALUE, record::SCOPE_START, R1));
        self.load_slot(R1, frame::KEY);
        self.asm.emit(Size::W.store(VALUE, record::CPU, R1));
        self.say(Phase::Report, "event: verdict, direction, VLAN tag");
        let verdict = if self.entry.has_verdicts() { verdict } else { Verdict::Pass };
        self.asm.emit(Size::B.store_imm(VALUE, record::VERDICT, verdict.xdp_action()));
        self.direction();
        let room = super::int(self.notes_room());
        self.asm.emit(Size::B.store_imm(VALUE, record::NOTE_ROOM, room));
        if switched {
            self.load_spared(R1);
            self.asm.emit(Size::B.store(VALUE, record::SPARED, R1));
        } else {
            self.asm.emit(Size::B.store_imm(VALUE, record::SPARED, 0));
        }
        self.vlan_tag();
    }

    /// Which way the frame goes, into the record.
    fn direction(&mut self) {
        let known = match self.entry {
            Entry::Xdp => Some(Direction::Ingress),
            Entry::Tc(direction) => Some(direction),
            Entry::SocketFilter => None,
        };
        let ingress = i32::from(Direction::Ingress.code());
        let egress = i32::from(Direction::Egress.code());
        match known {
            Some(direction) => {
                let code = i32::from(direction.code());
                self.asm.emit(Size::B.store_imm(VALUE, record::DIRECTION, code));
            }
            None => {
                let known = self.asm.label();
                self.asm.emit(Size::B.store_imm(VALUE, record::DIRECTION, ingress));
                self.asm.emit(Size::W.load(R1, R6, SKB_PKT_TYPE));
                self.emit_branch(Jmp::Ne.imm(R1, PACKET_OUTGOING, known));
                self.asm.emit(Size::B.store_imm(VALUE, record::DIRECTION, egress));
                self.asm.bind(known);
            }
        }
    }

    /// The VLAN tag that is not in the bytes, into the record.
    fn vlan_tag(&mut self) {
        self.asm.emit(Size::W.store_imm(VALUE, record::VLAN_PROTOCOL, 0));
        if !self.entry.is_skb() {
            return;
        }
        let none = self.asm.label();
        self.asm.emit(Size::W.load(R1, R6, SKB_VLAN_PRESENT));
        self.emit_branch(Jmp::Eq.imm(R1, 0, none));
        self.asm.emit(Size::W.load(R1, R6, SKB_VLAN_PROTO));
        self.asm.emit(Size::H.store(VALUE, record::VLAN_PROTOCOL, R1));
        self.asm.emit(Size::W.load(R1, R6, SKB_VLAN_TCI));
        self.asm.emit(Size::H.store(VALUE, record::VLAN_TAG, R1));
        self.asm.bind(none);
    }

    /// What was noted in this frame, into the record.
    fn copy_notes(&mut self) {
        self.say(Phase::Report, "event: what was found");
        let fresh = self.asm.label();
        self.asm.emit(Size::DW.load(R1, COUNTED, Self::counter_offset(Counter::Frames)));
        self.asm.emit(Size::DW.store(VALUE, record::FRAME, R1));
        self.asm.emit(Size::DW.load(R2, COUNTED, NOTES_FRAME));
        self.asm.emit(Size::DW.load(R3, COUNTED, NOTED));
        self.emit_branch(Jmp::Eq.reg(R1, R2, fresh));
        self.set_imm(R3, 0);
        self.asm.bind(fresh);
        self.asm.emit(Size::W.store(VALUE, record::NOTED, R3));
        let (mut from, mut to) = (NOTES, super::off(super::int(HEADER_BYTES)));
        for _ in 0..self.notes_room() {
            self.asm.emit(Size::DW.load(R1, COUNTED, from));
            self.asm.emit(Size::DW.store(VALUE, to, R1));
            from += super::off(super::int(NOTE_BYTES));
            to += super::off(super::int(NOTE_BYTES));
        }
    }

    /// `dst` = how many bytes of the frame the record has, which the verifier knows to be possible.
    ///
    /// They are read back from the record each time: nothing is known of them there. A branch that the
    /// verifier can foresee it follows the wrong way, too, without `CAP_PERFMON`, because processors do;
    /// and there it forgets what it knows of the number.
    fn captured(&mut self, dst: Reg, lost: Label) {
        self.asm.emit(Size::W.load(dst, VALUE, record::CAPTURED));
        self.emit_branch(Jmp::Gt.imm(dst, self.snap(), lost)); // never
    }

    /// The first bytes of the frame behind the notes, and all of it into the ring.
    fn send_to_ring(&mut self, events: i32, lost: Label) {
        let head = self.record_bytes();
        if self.snap() > 0 {
            self.say(Phase::Report, format!("event: the first {} bytes", self.snap()));
            self.copy_bytes(lost);
        }
        self.say(Phase::Report, "event: into the ring");
        self.captured(R3, lost);
        self.add(R3, head);
        self.asm.load_map(R1, events);
        self.mov(R2, VALUE);
        self.set_imm(R4, 0);
        self.asm.emit(Insn::call(Helper::RingbufOutput));
        self.emit_branch(Jmp::Ne.imm(R0, 0, lost));
    }

    /// The first bytes of the frame behind the notes.
    fn copy_bytes(&mut self, lost: Label) {
        let copied = self.asm.label();
        if self.entry != Entry::SocketFilter && self.snap() <= IN_PLACE_MAX {
            self.copy_in_place(copied);
        }
        self.captured(R4, lost);
        // A helper refuses to copy nothing.
        self.emit_branch(Jmp::Lt.imm(R4, 1, copied));
        self.mov(R1, R6);
        self.set_imm(R2, 0);
        self.mov(R3, VALUE);
        self.add(R3, self.record_bytes());
        self.asm.emit(Insn::call(self.load_bytes()));
        self.emit_branch(Jmp::Eq.imm(R0, 0, copied));
        self.asm.emit(Size::W.store_imm(VALUE, record::CAPTURED, 0));
        self.asm.bind(copied);
    }

    /// All bytes that are asked for, if the linear part has so many: then goes to `copied`.
    fn copy_in_place(&mut self, copied: Label) {
        let elsewhere = self.asm.label();
        self.load_data(R2, R6);
        self.load_data_end(R3, R6);
        self.mov(R4, R2);
        self.add(R4, self.snap());
        self.emit_branch(Jmp::Gt.reg(R4, R3, elsewhere));
        let (mut at, head) = (0, self.record_bytes());
        for size in [Size::DW, Size::W, Size::H, Size::B] {
            let bytes = i32::from(size.bytes());
            while self.snap() - at >= bytes {
                self.asm.emit(size.load(R1, R2, super::off(at)));
                self.asm.emit(size.store(VALUE, super::off(head + at), R1));
                at += bytes;
            }
        }
        self.goto(copied);
        self.asm.bind(elsewhere);
    }

    /// The record into this CPU's perf buffer, with the first bytes of the frame behind it.
    fn send_to_perf(&mut self, events: i32, lost: Label) {
        self.say(Phase::Report, "event: into the perf buffer of this CPU");
        self.mov(R1, R6);
        self.asm.load_map(R2, events);
        self.asm.emit(Size::W.load(R3, VALUE, record::CAPTURED));
        self.asm.emit(Alu::Lsh.imm(R3, PERF_PACKET_SHIFT));
        self.asm.emit(Alu::Mov.imm32(R0, -1));
        self.asm.emit(Alu::Or.reg(R3, R0));
        self.mov(R4, VALUE);
        self.set_imm(R5, self.record_bytes());
        self.asm.emit(Insn::call(Helper::PerfEventOutput));
        self.emit_branch(Jmp::Ne.imm(R0, 0, lost));
    }

    /// In `note`, before anything else: its arguments, where a call leaves them.
    pub(super) fn keep_for_notes(&mut self) {
        if self.switches.events.is_none() {
            return;
        }
        self.mov(R8, R3);
        if self.stack_is_full {
            self.asm.emit(Size::W.load(R9, R1, 0));
        } else {
            self.mov(R9, R1);
        }
    }

    /// In `note`, at the end: a pattern, or a smaller end of it, was found in the frame with the number
    /// `r1`, and it is `r2`. Goes to `out`, or continues there.
    pub(super) fn note_for_event(&mut self, out: Label) {
        if self.switches.events.is_none() {
            return;
        }
        self.say(Phase::Report, "note it for the event of this frame");
        let same = self.asm.label();
        self.asm.emit(Size::DW.load(R3, R8, NOTES_FRAME));
        self.emit_branch(Jmp::Eq.reg(R3, R1, same));
        self.asm.emit(Size::DW.store(R8, NOTES_FRAME, R1));
        self.asm.emit(Size::DW.store_imm(R8, NOTED, 0));
        self.asm.bind(same);
        // Read back on either way: without CAP_PERFMON, an instruction that moves a pointer must do so
        // by a number that is known on all ways, or on none.
        self.asm.emit(Size::DW.load(R3, R8, NOTED));
        self.mov(R4, R3);
        self.add(R4, 1);
        self.asm.emit(Size::DW.store(R8, NOTED, R4));
        self.emit_branch(Jmp::Gt.imm(R3, super::int(self.notes_room()) - 1, out));
        self.asm.emit(Alu::Lsh.imm(R3, 3)); // times NOTE_BYTES
        self.asm.emit(Alu::Add.reg(R8, R3));
        self.asm.emit(Size::W.store(R8, NOTES, R9));
        self.asm.emit(Size::W.store(R8, NOTES + 4, R2));
    }
}
