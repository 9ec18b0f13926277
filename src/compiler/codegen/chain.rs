//! Going on in another program: what is found out so far is put into a map, and a tail call leaves.
//!
//! A tail call keeps nothing but the context: registers and stack of the next program are its own. So
//! the scope, and whether anything was found or lost on the way, go through memory of this CPU. The
//! frame is counted once, by the first program; all of them note matches under its number.
//!
//! Why the verifier accepts it: each program is verified alone, and numbers from a map are unknown to
//! it, as all of these have to be. Tail calls are made by the main function only, so the limit of 256
//! bytes for the stack of a function that makes one (`check_max_stack_depth_subprog()` in
//! `kernel/bpf/verifier.c`) is for others.
//!
//! A tail call that fails goes on behind itself: the next program was taken away, or is not there yet.
//! Then the frame was not searched whole, and is counted so.

use super::{Gen, frame, int};
use crate::assembler::{
    Helper, Insn, Jmp, MapKind, MapSpec, Phase,
    Reg::{R0, R1, R2, R3, R10},
    Size,
};

/// The maps between the programs, by index.
#[derive(Clone, Copy)]
pub(super) struct Links {
    /// What one program leaves for the next.
    state: i32,
    /// The programs behind the first, in order.
    tails: i32,
}

/// Bytes of what is left for the next program.
const STATE_BYTES: u32 = 16;

/// Numbers of the stack that are left, with their offsets there: the scope.
const NUMBERS: [(i16, i16); 2] = [(frame::START, 0), (frame::END, 4)];
/// Flags of the stack that are left, with their offsets there.
const FLAGS: [(i16, i16); 2] = [(frame::FOUND, 8), (frame::LOST, 9)];
/// The flag that only programs with windows have.
const TOO_LONG: (i16, i16) = (frame::TOO_LONG, 10);

impl Gen<'_> {
    /// Declare the maps between the programs, if there are several.
    pub(super) fn links_between_programs(&mut self) {
        if self.place.count == 1 {
            return;
        }
        let state = self.asm.map(MapSpec {
            name: "state".to_owned(),
            kind: MapKind::PerCpuArray,
            key_bytes: 4,
            value_bytes: STATE_BYTES,
            entries_max: 1,
            flags: 0,
        });
        let tails = self.asm.map(MapSpec {
            name: "tails".to_owned(),
            kind: MapKind::ProgArray,
            key_bytes: 4,
            value_bytes: 4,
            entries_max: super::size(self.place.count - 1),
            flags: 0,
        });
        self.links = Some(Links { state, tails });
    }

    /// `r0` = what one program leaves for the next. Loses `r1` to `r5`.
    fn find_state(&mut self, links: Links) {
        self.asm.emit(Size::W.store_imm(R10, frame::KEY, 0));
        self.mov(R2, R10);
        self.add(R2, frame::KEY.into());
        self.asm.load_map(R1, links.state);
        self.asm.emit(Insn::call(Helper::MapLookupElem));
        // Never taken: entry 0 of an array exists. The verifier wants it.
        self.emit_branch(Jmp::Eq.imm(R0, 0, self.exits.unsearched));
    }

    /// What is left: offsets on the stack and in the map, with their sizes.
    fn left(&self) -> impl Iterator<Item = (Size, i16, i16)> + use<> {
        let too_long = self.has_windows().then_some(TOO_LONG);
        let flags = FLAGS.into_iter().chain(too_long).map(|(slot, at)| (Size::B, slot, at));
        NUMBERS.into_iter().map(|(slot, at)| (Size::W, slot, at)).chain(flags)
    }

    /// The beginning of every program but the first: the scope, and what was found so far.
    pub(super) fn take_over(&mut self) {
        let Some(links) = self.links else { return };
        self.say(Phase::Scope, "scope: what the program before left");
        self.find_state(links);
        for (size, slot, at) in self.left() {
            self.asm.emit(size.load(R1, R0, at));
            self.asm.emit(size.store(R10, slot, R1));
        }
        if self.access == crate::compiler::plan::Access::Windows {
            self.find_scratch(self.exits.unsearched);
        }
    }

    /// The end of every program but the last: on to the next.
    pub(super) fn hand_over(&mut self) {
        let Some(links) = self.links else { return };
        let (next, count) = (self.place.number + 2, self.place.count);
        self.say(Phase::Verdict, format!("on to program {next} of {count}"));
        self.find_state(links);
        for (size, slot, at) in self.left() {
            self.asm.emit(size.load(R1, R10, slot));
            self.asm.emit(size.store(R0, at, R1));
        }
        self.load_pointer(R1, frame::CTX);
        self.asm.load_map(R2, links.tails);
        self.set_imm(R3, int(self.place.number));
        self.asm.emit(Insn::call(Helper::TailCall));
        self.say(Phase::Verdict, "the next program is not there");
        if self.collects() {
            self.asm.emit(Size::B.load(R0, R10, frame::FOUND));
            self.emit_branch(Jmp::Ne.imm(R0, 0, self.exits.matched));
        }
        self.goto(self.exits.unsearched);
    }
}
