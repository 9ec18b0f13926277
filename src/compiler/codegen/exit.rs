//! Exits of programs with events or controls: is the verdict carried out, what is counted, and who is
//! told.
//!
//! A frame's way ends here, so all registers are free and so is what passes keep on the stack. What is
//! asked of maps while the program runs leads to few states of the verifier: that a frame is spared is
//! remembered in a byte of which it knows nothing, and ways meet at once.
//!
//! Programs without events and controls end in [`report`](super::report) alone.

use super::{Gen, frame};
use crate::{
    assembler::{
        Alu, Helper, Insn, Jmp, Label, MapKind, MapSpec, Phase,
        Reg::{self, R0, R1, R7, R8, R9, R10},
        Size, Width,
        insn::AtomicOp,
    },
    compiler::{
        event::{
            COUNTERS_AND_NOTES_BYTES, COUNTERS_BYTES, Counter,
            control::{
                self, CONTROL_BYTES, CONTROL_MAP, COUNT, DEADLINE, DRY_RUN, EPOCH, RATE, SAMPLE,
            },
        },
        ir::Verdict,
    },
};

/// This CPU's counters.
pub(super) const COUNTED: Reg = R7;
/// The value of the map of controls, or the record that is put together.
pub(super) const VALUE: Reg = R9;

/// Nanoseconds of a second.
pub(super) const SECOND_NS: i32 = 1_000_000_000;

/// [`frame::SPARED`] of a frame that is, and of one that is not. No zero, because the verifier would
/// remember that, and look at all that follows once for each.
const IS_SPARED: i32 = 1;
const NOT_SPARED: i32 = 2;

/// The maps of events and controls, by index.
#[derive(Clone, Copy, Default)]
pub(super) struct Switches {
    /// [`CONTROL_MAP`].
    pub(super) control: Option<i32>,
    /// [`SOURCES_MAP`](crate::compiler::event::SOURCES_MAP).
    pub(super) sources: Option<i32>,
    /// [`EVENTS_MAP`](crate::compiler::event::EVENTS_MAP) and
    /// [`RECORD_MAP`](crate::compiler::event::RECORD_MAP).
    pub(super) events: Option<[i32; 2]>,
}

/// How a frame's way ends.
#[derive(Clone, Copy)]
pub(super) struct End {
    /// What the frame is counted as.
    pub(super) counter: Counter,
    /// What becomes of it.
    pub(super) verdict: Verdict,
    /// Was a pattern found in it?
    pub(super) matched: bool,
}

impl Gen<'_> {
    /// Bytes of the counters of a CPU, with the notes behind them that events are made of.
    pub(super) fn counters_bytes(&self) -> usize {
        // With controls there is room for notes even if nothing is told: a program that is put in the
        // place of this one, and goes on with its counters, may tell.
        let told = self.options.events.is_some() || self.options.controls;
        if told { COUNTERS_AND_NOTES_BYTES } else { COUNTERS_BYTES }
    }

    /// Declare the maps of events and controls.
    pub(super) fn switches(&mut self) {
        if let Some(events) = self.options.events {
            self.switches.events = Some(self.event_maps(events));
        }
        if self.options.controls {
            let control = MapSpec {
                name: CONTROL_MAP.to_owned(),
                kind: MapKind::Array,
                key_bytes: 4,
                value_bytes: super::size(CONTROL_BYTES),
                entries_max: 1,
                flags: 0,
            };
            self.switches.control = Some(self.asm.map(control));
        }
        if self.options.source_limit {
            self.switches.sources = Some(self.sources_map());
        }
    }

    /// Can it be switched off that this verdict is carried out?
    fn is_switched(&self, verdict: Verdict) -> bool {
        self.switches.control.is_some() && self.entry.has_verdicts() && verdict != Verdict::Pass
    }

    /// Is there more to this end than counting?
    pub(super) fn is_more(&self, end: End) -> bool {
        self.is_switched(end.verdict) || end.matched && self.switches.events.is_some()
    }

    /// The end of a frame's way: count, tell, return.
    pub(super) fn end_frame(&mut self, end: End) {
        self.load_pointer(COUNTED, frame::COUNTERS);
        self.count_also(end.counter);
        let switched = self.is_switched(end.verdict);
        if switched {
            self.judge_verdict(end);
        } else {
            let told = if self.entry.has_verdicts() { end.verdict } else { Verdict::Pass };
            self.count_also(Counter::of_verdict(told));
        }
        if let Some(maps) = self.switches.events.filter(|_| end.matched) {
            self.tell(maps, end.verdict, switched);
        }
        self.say(Phase::Verdict, "the verdict");
        if !self.entry.has_verdicts() {
            // The ring has it; the socket gets nothing.
            self.set_imm(R0, 0);
            self.asm.emit(Insn::Exit);
            return;
        }
        if switched {
            let carried_out = self.asm.label();
            self.load_spared(R1);
            self.emit_branch(Jmp::Eq.imm(R1, 0, carried_out));
            self.return_verdict(Verdict::Pass);
            self.asm.bind(carried_out);
        }
        self.return_verdict(end.verdict);
    }

    /// One more of `counter`. `r1` is lost.
    pub(super) fn count_also(&mut self, counter: Counter) {
        let at = Self::counter_offset(counter);
        self.asm.emit(Size::DW.load(R1, COUNTED, at));
        self.add(R1, 1);
        self.asm.emit(Size::DW.store(COUNTED, at, R1));
    }

    /// `dst` = 1 if the frame is spared, else 0.
    pub(super) fn load_spared(&mut self, dst: Reg) {
        self.asm.emit(Size::B.load(dst, R10, frame::SPARED));
        self.asm.emit(Alu::And.imm(dst, IS_SPARED));
    }

    /// Is the verdict carried out? The slot `SPARED` has the answer, and it is counted.
    fn judge_verdict(&mut self, end: End) {
        let Some(map) = self.switches.control else { return };
        let [armed, carried_out, spared, within, judged] = self.labels();
        let let_pass = self.asm.label();
        self.say(Phase::Verdict, "is it carried out? dry run, deadline");
        self.asm.emit(Size::B.store_imm(R10, frame::SPARED, NOT_SPARED));
        self.asm.load_map_value(VALUE, map, 0);
        self.asm.emit(Size::W.load(R1, VALUE, DRY_RUN));
        self.emit_branch(Jmp::Ne.imm(R1, 0, spared));
        self.asm.emit(Size::DW.load(R8, VALUE, DEADLINE));
        self.emit_branch(Jmp::Eq.imm(R8, 0, armed));
        self.asm.emit(Insn::call(Helper::KtimeGetNs));
        self.emit_branch(Jmp::Ge.reg(R0, R8, spared));
        self.asm.bind(armed);
        let limited = self.switches.sources.filter(|_| end.matched);
        if let Some(sources) = limited {
            self.limit_source(sources, within, carried_out);
        }
        self.say(Phase::Verdict, "it is carried out");
        self.asm.bind(carried_out);
        self.count_also(Counter::of_verdict(end.verdict));
        self.goto(judged);
        self.say(Phase::Verdict, "it is not");
        self.asm.bind(spared);
        self.count_also(Counter::Spared);
        self.asm.bind(let_pass);
        self.count_also(Counter::Pass);
        self.asm.emit(Size::B.store_imm(R10, frame::SPARED, IS_SPARED));
        self.goto(judged);
        if limited.is_some() {
            self.say(Phase::Verdict, "its source is within the limit");
            self.asm.bind(within);
            self.count_also(Counter::WithinLimit);
            self.goto(let_pass);
        } else {
            self.asm.bind(within);
        }
        self.asm.bind(judged);
    }

    /// Is an event to be made of this frame? Continues if it is.
    pub(super) fn choose_event(&mut self, skipped: Label) {
        let Some(map) = self.switches.control else { return };
        let [each, any, same] = self.labels();
        self.say(Phase::Report, "is an event made of it? sample, rate");
        self.asm.load_map_value(VALUE, map, 0);
        self.asm.emit(Size::W.load(R8, VALUE, SAMPLE));
        self.emit_branch(Jmp::Le.imm(R8, 1, each));
        self.asm.emit(Size::DW.load(R1, COUNTED, Self::counter_offset(Counter::Matched)));
        self.add(R1, -1);
        self.asm.emit(Alu::Mod.reg(R1, R8));
        self.emit_branch(Jmp::Ne.imm(R1, 0, skipped));
        self.asm.bind(each);
        self.asm.emit(Size::W.load(R8, VALUE, RATE));
        self.emit_branch(Jmp::Eq.imm(R8, 0, any));
        self.second();
        self.asm.emit(Size::DW.load(R1, VALUE, EPOCH));
        // Another CPU may be in the next second already.
        self.emit_branch(Jmp::Ge.reg(R1, R0, same));
        self.asm.emit(Size::DW.store(VALUE, EPOCH, R0));
        self.asm.emit(Size::DW.store_imm(VALUE, COUNT, 0));
        self.asm.bind(same);
        self.one_of(VALUE, COUNT, R8, skipped);
        self.asm.bind(any);
    }

    /// `r0` = the second it is. Loses `r1` to `r5`.
    pub(super) fn second(&mut self) {
        self.asm.emit(Insn::call(Helper::KtimeGetNs));
        self.asm.emit(Alu::Div.imm(R0, SECOND_NS));
    }

    /// One more at `at` behind `base`, unless there are `limit` already: then `beyond`. CPUs share the
    /// number: those that come at once may pass the limit where the target has no atomic operation that
    /// tells. `r1` is lost.
    ///
    /// It is read first, so that CPUs do not fight for a number that is past its limit.
    pub(super) fn one_of(&mut self, base: Reg, at: i16, limit: Reg, beyond: Label) {
        self.asm.emit(Size::DW.load(R1, base, at));
        self.emit_branch(Jmp::Ge.reg(R1, limit, beyond));
        self.set_imm(R1, 1);
        let fetch = self.target.atomic_fetch;
        let op = AtomicOp::Add { fetch };
        self.asm.emit(Insn::Atomic { op, width: Width::W64, base, off: at, src: R1 });
        if fetch {
            self.emit_branch(Jmp::Ge.reg(R1, limit, beyond));
        }
    }

    /// Labels.
    pub(super) fn labels<const N: usize>(&mut self) -> [Label; N] {
        std::array::from_fn(|_| self.asm.label())
    }

    /// `r8` = matching frames of a source that pass in a second; `none` if the number is 0.
    pub(super) fn source_limit(&mut self, none: Label) {
        self.asm.emit(Size::W.load(R8, VALUE, control::LIMIT_PPS));
        self.emit_branch(Jmp::Eq.imm(R8, 0, none));
    }
}
