//! Many literals at once, by a table of fingerprints on the stack (`compiler::fingerprint`).
//!
//! One look is seven instructions: load a gram, multiply, shift, load the slot, load the packet's byte
//! that it stands for, compare. A block is some dozen of them between two checks of bounds. The last
//! block is moved back, by a multiple of the stride, so that it ends with the bytes: no other loop is
//! needed, but for what is shorter than a block and for what is left behind a false alarm close to the
//! end (moved back again, it would raise the same alarm for ever).
//!
//! The same code scans the linear part of an XDP frame in place and windows of it in scratch memory;
//! they differ in the base address and in how an offset is proven ([`Place`]).
//!
//! The table takes the lowest bytes of the stack. One of 512 slots lies under everything else there
//! too: slots that would be there are not used, and what a look finds in them is a false alarm at
//! most. Functions that are called have no stack then.
//!
//! Verifier cost: a look reads the stack at a variable offset, which gives an unknown byte; all looks
//! of a block that hit meet behind a slot that makes their position unknown again, so candidates are
//! explored once.

mod candidates;
mod sieve;

use super::{Gen, PassExits, WINDOW_BYTES, frame, int, off};
use crate::{
    assembler::{
        Alu, Insn, Jmp, Label, Phase,
        Reg::{self, R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10},
        Size,
    },
    compiler::{
        fingerprint::Table,
        ir::{Scope, Window},
        lower::Needle,
        plan::Access,
    },
};

/// Address of what offsets count from.
const BASE: Reg = R2;
/// End of the linear part, where that is scanned.
const DATA_END: Reg = R3;
/// Address of the block or of the look.
const PTR: Reg = R6;
/// Where the last block begins, while blocks are scanned.
const LAST: Reg = R7;
/// Where the literal of a candidate would begin.
const BEGIN: Reg = R7;
/// Offset of the block, or of the look that may have found something.
const POS: Reg = R8;
/// Exclusive end of the bytes that are scanned, while it is in a register: compared there with a
/// position, it would take a range from it, and candidates would be explored for each range.
const HIGH: Reg = R9;

/// Positions of a block, about.
const BLOCK: i32 = 96;
/// Fewest and most looks of a block.
const LOOKS: (i32, i32) = (8, 32);
/// Largest packet offset that the verifier follows; offset plus displacement plus size must stay below
/// 0xffff (`check_packet_access()` in `kernel/bpf/verifier.c`).
const OFFSET_MAX: i32 = 0xf000;

/// Slots of a table of 512 that do not lie under what every pass needs.
pub(in crate::compiler) fn usable_slots(counters: bool, windows: bool, walks: bool) -> usize {
    let needed = match (counters, windows) {
        _ if walks => frame::WALKS_FLOOR,
        (_, true) => frame::SCRATCH,
        (true, false) => frame::COUNTERS,
        (false, false) => frame::CTX,
    };
    512 - usize::from(needed.unsigned_abs())
}

/// What is scanned.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The linear part of an XDP frame; positions count from the start of the frame.
    Linear,
    /// A window in scratch memory; positions count from its start.
    Window,
}

impl Place {
    /// The slot with the exclusive end of the bytes that are scanned.
    const fn high(self) -> i16 {
        match self {
            Self::Linear => frame::HIGH,
            Self::Window => frame::WIN,
        }
    }
}

/// One table, and what it looks for.
struct Set<'a> {
    table: &'a Table,
    /// All literals, by the numbers that the table knows them by.
    needles: &'a [Needle],
    /// Those of this table.
    members: Vec<usize>,
    stride: i32,
    /// Bytes that one look reads.
    span: i32,
    /// Looks of a block.
    looks: i32,
}

/// The places of one scan.
struct Scan {
    place: Place,
    head: Label,
    slow: Label,
    candidate: Label,
    /// Go on behind the look.
    resume: Label,
    /// Everything was looked at.
    end: Label,
    lost: Label,
    /// What a walk needs lies behind the linear part: windows, from before the literal at `AT` on.
    beyond: Label,
    /// What is done with a literal of some length, in some window, that is there.
    rests: Vec<(i32, Window, Label)>,
    /// Where literals with walks are judged that were found.
    walks: Vec<(usize, Label)>,
}

impl<'a> Set<'a> {
    fn new(table: &'a Table, needles: &'a [Needle]) -> Self {
        let stride = int(table.stride);
        Self {
            table,
            needles,
            members: table.words(),
            stride,
            span: int(table.look.span()),
            looks: (BLOCK / stride).clamp(LOOKS.0, LOOKS.1),
        }
    }

    /// Bytes that a block reads.
    fn block_span(&self) -> i32 {
        (self.looks - 1) * self.stride + self.span
    }

    /// Offset of the table in the stack.
    fn base(&self) -> i16 {
        match self.table.bits {
            9 => -512,
            bits => frame::PASS_FLOOR - off(1 << bits),
        }
    }

    fn lens(&self) -> impl Iterator<Item = i32> {
        self.members.iter().map(|&at| int(self.needles[at].bytes.len()))
    }

    fn longest(&self) -> i32 {
        self.lens().max().unwrap_or(1)
    }

    fn shortest(&self) -> i32 {
        self.lens().min().unwrap_or(1)
    }
}

impl Gen<'_> {
    /// A pass with `table`, which numbers literals by their position in `Lowered::needles`.
    pub(super) fn fingerprints(&mut self, table: &Table, exits: PassExits, first: bool) {
        let set = Set::new(table, &self.lowered.needles);
        self.forget_key();
        self.fill_fingerprints(&set);
        match self.access {
            Access::Direct { rest } => {
                let beyond = if rest { self.asm.label() } else { exits.lost };
                let behind = self.linear_fingerprints(&set, beyond, exits);
                self.asm.bind(behind);
                if rest {
                    self.fingerprints_of_rest(&set, beyond, exits);
                } else {
                    self.goto(exits.lost);
                }
            }
            Access::Windows => self.fingerprints_in_windows(&set, first, exits),
        }
    }

    fn fill_fingerprints(&mut self, set: &Set) {
        let table = set.table;
        let text = format!(
            "table of {} fingerprints of {} literals, stride {}",
            table.slots.len(),
            set.members.len(),
            table.stride
        );
        self.say(Phase::Scan, text);
        for (word, bytes) in (0..).zip(table.bytes().chunks_exact(8)) {
            let at = set.base() + off(8 * word);
            // What every pass needs stands here; no slot in use does.
            if table.bits == 9 && at >= -512 + off(int(self.usable_slots())) {
                break;
            }
            let value = bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte));
            if let Ok(imm) = i32::try_from(value.cast_signed()) {
                self.asm.emit(Size::DW.store_imm(R10, at, imm));
            } else {
                self.asm.emit(Insn::load_imm64(R0, value));
                self.asm.emit(Size::DW.store(R10, at, R0));
            }
        }
    }

    fn usable_slots(&self) -> usize {
        let walks = self.lowered.needles.iter().any(|needle| needle.walk.is_some());
        usable_slots(self.options.counters, self.has_windows(), walks)
    }

    /// Scan what of the scope lies in the linear part. Continues behind the code; the label is where
    /// to go if the scope goes on beyond.
    fn linear_fingerprints(&mut self, set: &Set, beyond: Label, exits: PassExits) -> Label {
        let behind = self.asm.label();
        self.say(Phase::Scan, "the linear part");
        self.base(Place::Linear);
        self.mov(HIGH, DATA_END);
        self.asm.emit(Alu::Sub.reg(HIGH, BASE));
        if self.scope_may_end_first() {
            let linear = self.asm.label();
            self.load_slot(R0, frame::END);
            self.emit_branch(Jmp::Le.reg(HIGH, R0, linear));
            self.mov(HIGH, R0);
            self.asm.bind(linear);
        }
        let near = self.asm.label();
        self.emit_branch(Jmp::Le.imm(HIGH, OFFSET_MAX, near));
        self.set_imm(HIGH, OFFSET_MAX);
        self.asm.bind(near);
        self.store_slot(frame::HIGH, HIGH);
        self.load_slot(POS, frame::START);
        self.launder(POS);
        let end = self.scan_fingerprints(set, Place::Linear, [exits.lost, beyond]);
        self.say(Phase::Scan, "the linear part is done; was that all?");
        self.asm.bind(end);
        self.load_slot(R0, frame::END);
        self.load_slot(R1, frame::HIGH);
        self.emit_branch(Jmp::Gt.reg(R0, R1, behind));
        self.goto(exits.done);
        behind
    }

    /// May the scope end before the linear part does?
    fn scope_may_end_first(&self) -> bool {
        self.matcher.scope == Scope::Payload || self.has_windows()
    }

    /// The rest of a frame whose linear part ends at `HIGH`.
    fn fingerprints_of_rest(&mut self, set: &Set, beyond: Label, exits: PassExits) {
        self.say(Phase::Scan, "the rest of the frame");
        // A literal may begin in the linear part and end behind it.
        self.load_slot(R1, frame::HIGH);
        if self.asm.refers_to(beyond) {
            let known = self.asm.label();
            self.goto(known);
            self.asm.bind(beyond);
            self.load_slot(R1, frame::AT);
            self.asm.bind(known);
        } else {
            self.asm.bind(beyond);
        }
        self.add(R1, 1 - set.longest());
        self.load_slot(R0, frame::START);
        let inside = self.asm.label();
        self.emit_branch(Jmp::SGe.reg(R1, R0, inside));
        self.mov(R1, R0);
        self.asm.bind(inside);
        self.store_slot(frame::WINDOW, R1);
        self.find_scratch(exits.lost);
        self.forget_key();
        let window = self.asm.label();
        self.window_of_fingerprints(set, window, None, exits);
    }

    fn fingerprints_in_windows(&mut self, set: &Set, first: bool, exits: PassExits) {
        let window = self.asm.label();
        if !first {
            self.load_slot(R1, frame::START);
            self.store_slot(frame::WINDOW, R1);
            self.window_of_fingerprints(set, window, None, exits);
            return;
        }
        self.say(Phase::Scan, "the first window is there already");
        let (fits, ready) = (self.asm.label(), self.asm.label());
        self.load_slot(R1, frame::WIN);
        self.load_slot(R0, frame::END);
        self.emit_branch(Jmp::Le.reg(R1, R0, fits));
        self.mov(R1, R0);
        self.asm.bind(fits);
        self.opaque_zero(R0, R4);
        self.store_slot(frame::WINDOW, R0);
        self.store_slot(frame::WIN, R1);
        self.load_slot(POS, frame::START);
        self.goto(ready);
        self.window_of_fingerprints(set, window, Some(ready), exits);
    }

    /// Windows from the offset in the slot `WINDOW` on. `ready` is where one that was copied already
    /// comes in.
    fn window_of_fingerprints(
        &mut self,
        set: &Set,
        window: Label,
        ready: Option<Label>,
        exits: PassExits,
    ) {
        self.say(Phase::Scan, "next window");
        let dead = [R0, R1, R2, R3, R4, R5, R6, R7, R8, R9];
        // Only targets with may_goto have tables, so there is no counter.
        self.loop_head(window, (frame::ROUND, 0), &dead, ready.is_none(), exits.lost);
        let (clamped, copied) = (self.asm.label(), ready.unwrap_or_else(|| self.asm.label()));
        let bytes = self.window_bytes();
        self.load_slot(R8, frame::WINDOW);
        self.load_slot(R4, frame::END);
        self.asm.emit(Alu::Sub.reg(R4, R8));
        self.emit_branch(Jmp::SLt.imm(R4, set.shortest(), exits.done));
        self.emit_branch(Jmp::Gt.imm(R8, 0xffff, exits.lost));
        self.emit_branch(Jmp::Le.imm(R4, bytes, clamped));
        self.set_imm(R4, bytes);
        self.asm.bind(clamped);
        self.store_slot(frame::WIN, R4);
        self.load_pointer(R1, frame::CTX);
        self.mov(R2, R8);
        self.load_pointer(R3, frame::SCRATCH);
        self.asm.emit(Insn::call(self.load_bytes()));
        self.emit_branch(Jmp::Ne.imm(R0, 0, exits.lost));
        self.opaque_zero(POS, R0);
        self.asm.bind(copied);
        self.base(Place::Window);
        let end = self.scan_fingerprints(set, Place::Window, [exits.lost; 2]);
        self.say(Phase::Scan, "this window is finished");
        self.asm.bind(end);
        self.load_slot(R1, frame::WINDOW);
        self.add(R1, WINDOW_BYTES);
        self.store_slot(frame::WINDOW, R1);
        self.goto(window);
    }

    /// The slots of a match that is noted hold what the verifier does not follow, as they do once a
    /// literal was there: unused, or zero as a lookup leaves it, they would be other states.
    pub(super) fn forget_key(&mut self) {
        self.asm.emit(Size::W.store_imm(R10, frame::NOTED_END, 1));
        self.asm.emit(Size::W.store_imm(R10, frame::KEY, 1));
    }

    /// What offsets count from.
    fn base(&mut self, place: Place) {
        match place {
            Place::Linear => {
                self.load_pointer(R1, frame::CTX);
                self.load_data(BASE, R1);
                self.load_data_end(DATA_END, R1);
            }
            Place::Window => self.load_pointer(BASE, frame::SCRATCH),
        }
    }

    /// `dst` = address of the offset in `pos`, of which `bytes` are readable, else `out`. `r5` is lost.
    fn address(&mut self, place: Place, dst: Reg, pos: Reg, bytes: i32, out: Label) {
        // Unsigned: offsets before the start are refused too.
        let max = match place {
            Place::Linear => OFFSET_MAX,
            Place::Window => self.scratch_bytes() - bytes,
        };
        self.emit_branch(Jmp::Gt.imm(pos, max, out));
        self.mov(dst, BASE);
        self.asm.emit(Alu::Add.reg(dst, pos));
        if place == Place::Linear {
            self.mov(R5, dst);
            self.add(R5, bytes);
            self.emit_branch(Jmp::Gt.reg(R5, DATA_END, out));
        }
    }

    /// `r0` = the number of the slot of the gram at `PTR + at`.
    fn slot_number(&mut self, set: &Set, at: i32) {
        self.product_bits(set, at, set.table.bits);
    }

    /// `r0` = the upper `bits` of the product of the gram at `PTR + at`.
    fn product_bits(&mut self, set: &Set, at: i32, bits: u32) {
        let table = set.table;
        let size = match table.look.gram_bytes {
            1 => Size::B,
            2 => Size::H,
            _ => Size::W,
        };
        self.asm.emit(size.load(R0, PTR, off(at)));
        if table.folds {
            let fold = [0, 0x20, 0x2020, 0, 0x2020_2020][table.look.gram_bytes];
            self.asm.emit(Alu::Or.imm32(R0, fold));
        }
        self.asm.emit(Alu::Mul.imm32(R0, table.multiplier.cast_signed()));
        self.asm.emit(Alu::Rsh.imm32(R0, 32 - bits.cast_signed()));
    }

    /// Look at `PTR + at`; if that may be one of the literals, go to `hit`.
    fn look_for_any(&mut self, set: &Set, at: i32, hit: Label) {
        self.slot_number(set, at);
        self.asm.emit(Alu::Add.reg(R0, R10));
        self.asm.emit(Size::B.load(R0, R0, set.base()));
        let check = off(at + int(set.table.look.check));
        let signed = set.table.signed;
        self.asm.emit(Insn::Load { size: Size::B, signed, dst: R1, base: PTR, off: check });
        if set.table.folds {
            self.asm.emit(Alu::Or.imm(R1, 0x20));
        }
        self.emit_branch(Jmp::Eq.reg(R0, R1, hit));
    }

    /// Look at the bytes from `POS` to `HIGH`; the label is where to go on behind them.
    fn scan_fingerprints(&mut self, set: &Set, place: Place, [lost, beyond]: [Label; 2]) -> Label {
        let mut scan = Scan {
            place,
            head: self.asm.label(),
            slow: self.asm.label(),
            candidate: self.asm.label(),
            resume: self.asm.label(),
            end: self.asm.label(),
            lost,
            beyond,
            rests: Vec::new(),
            walks: Vec::new(),
        };
        let hits = self.blocks(set, &scan);
        self.one_by_one(set, &scan);
        self.say(Phase::Scan, "one of the looks");
        for (look, hit) in (0..).zip(hits) {
            self.asm.bind(hit);
            if look > 0 {
                self.add(POS, look * set.stride);
            }
            self.goto(scan.candidate);
        }
        self.fingerprint_found(set, &mut scan);
        scan.end
    }

    /// Block by block; the labels are where looks go that may have found something.
    fn blocks(&mut self, set: &Set, scan: &Scan) -> Vec<Label> {
        let tail = self.asm.label();
        self.last_block_of(set, scan);
        let text = format!("blocks of {} looks, {} bytes apart", set.looks, set.stride);
        self.say(Phase::Scan, text);
        let dead = [R0, R1, R4, R5, R6];
        self.loop_head(scan.head, (frame::ROUND, 0), &dead, true, scan.lost);
        self.emit_branch(Jmp::Gt.reg(POS, LAST, tail));
        self.address(scan.place, PTR, POS, set.block_span(), scan.lost);
        let hits: Vec<Label> = (0..set.looks)
            .map(|look| {
                let hit = self.asm.label();
                self.look_for_any(set, look * set.stride, hit);
                hit
            })
            .collect();
        self.add(POS, set.looks * set.stride);
        self.goto(scan.head);
        self.say(Phase::Scan, "the last block, moved back by a multiple of the stride");
        self.asm.bind(tail);
        self.mov(R0, POS);
        self.add(R0, set.span);
        self.load_slot(R1, scan.place.high());
        self.emit_branch(Jmp::Gt.reg(R0, R1, scan.end));
        if set.stride == 1 {
            self.mov(POS, LAST);
        } else {
            self.mov(R0, POS);
            self.asm.emit(Alu::Sub.reg(R0, LAST));
            self.add(R0, set.stride - 1);
            // A division by the stride; exact for numbers of this size.
            self.asm.emit(Alu::Mul.imm(R0, 0xffff / set.stride + 1));
            self.asm.emit(Alu::Rsh.imm(R0, 16));
            self.asm.emit(Alu::Mul.imm(R0, set.stride));
            self.asm.emit(Alu::Sub.reg(POS, R0));
        }
        self.launder(POS);
        self.goto(scan.head);
        hits
    }

    /// Where the last block begins; look by look if no block fits any more.
    fn last_block_of(&mut self, set: &Set, scan: &Scan) {
        self.mov(R0, POS);
        self.add(R0, set.block_span());
        self.load_slot(LAST, scan.place.high());
        self.emit_branch(Jmp::Gt.reg(R0, LAST, scan.slow));
        self.add(LAST, -set.block_span());
        self.launder(LAST);
    }

    /// Look by look: where there is no whole block, or behind a candidate near the end.
    fn one_by_one(&mut self, set: &Set, scan: &Scan) {
        self.say(Phase::Scan, "look by look");
        let dead = [R0, R1, R4, R5, R6, LAST];
        self.loop_head(scan.slow, (frame::ROUND, 0), &dead, false, scan.lost);
        self.mov(R0, POS);
        self.add(R0, set.span);
        self.load_slot(R1, scan.place.high());
        self.emit_branch(Jmp::Gt.reg(R0, R1, scan.end));
        self.address(scan.place, PTR, POS, set.span, scan.lost);
        self.look_for_any(set, 0, scan.candidate);
        self.add(POS, set.stride);
        self.goto(scan.slow);
    }
}
